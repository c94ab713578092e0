"""From the equations of a cell to the source of a NumPy module.

`rows` carries columns to rows, and `codes` formulas to calls. A cell of vectors is written in blocks: `splitting` takes
stacks apart, `normal` names what needs a name, `adjoints` solves the adjoint equations for what a loop must carry,
`program` gathers affine maps in blocks, `layout` gives every value a place, `forward` and `backward` write the two
passes. Any other is written equation by equation: `arrays` carries terms to expressions, `general` writes both passes.
`module` picks the way and puts the source together.
"""
