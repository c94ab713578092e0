"""From the equations of a cell to the source of a module: `forward` and `backward` over a sequence.

A pair of functions is written for a `Unit` (`units`), a cell that runs forward in time, for a target (`targets`, a table): NumPy,
Numba, JAX, PyTorch or mpmath. First the cell is rewritten (`rewrites`), and is the same cell again. Then there are three ways:

- `blocks`: cells of vectors in NumPy, in place; the quickest with NumPy alone;
- `scans`: any cell for any target, as a function of one step;
- `loops`: numbers one by one, for Numba to compile.

A cell of several parts is written as calls of theirs (`networks`). `module` picks the way and puts the source together. What all
share: `codes` carries formulas to calls, `arrays` terms to expressions by the rule of `rows` (columns become rows), `lengths`
sizes to numbers; `names` gives names, `ulps` the functions that are right to the last places, `wrapping` breaks lines.
"""
