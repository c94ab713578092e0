"""A unit of vectors as NumPy that writes in place, in blocks: one product for all gates, one tanh for all gates.

`adjoints` solves the adjoint equations for what a loop must carry, `program` gathers affine maps in blocks, `layout` gives every
value a place, `halving` makes one tanh of all gates, `weights` writes what is prepared of the parameters, `forward` and
`backward` write the two passes, and `blocked` puts them together.
"""
