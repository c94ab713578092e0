"""From the equations of a cell to the source of a NumPy module: rows, program, layout, forward, backward, module."""
