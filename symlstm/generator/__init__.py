"""From the equations of a cell to the source of a NumPy module.

`normal` names what needs a name, `adjoints` solves the adjoint equations for what a loop must carry, `program` gathers
affine maps in blocks, `rows` carries columns to rows, `layout` gives every value a place, `forward` and `backward`
write the two passes, and `module` puts them together.
"""
