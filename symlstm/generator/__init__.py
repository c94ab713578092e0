"""From the equations of a cell to the source of a NumPy module.

`rows` carries columns to rows, `codes` formulas to calls, and `lengths` sizes to numbers. A pair of functions is written for
a `Unit`, a cell that runs forward in time. One of vectors is written in blocks: `splitting` takes stacks apart, `normal`
names what needs a name, `adjoints` solves the adjoint equations for what a loop must carry, `program` gathers affine maps in
blocks, `layout` gives every value a place, `halving` makes of all gates one tanh, `weights` writes what is prepared of the
parameters, `forward` and `backward` write the two passes, and `blocked` puts them together.

Any other, and any for another target than NumPy, is `functional` code: `stacking` and `hoisting` make the same cell again, with
one matrix product a vector and what needs no recurrence apart; `frame` names the arrays, `arrays` carries terms to
expressions, `schedule` says what is computed when, `passes` writes the two passes, and `targets` is the table of what the
code is written for.

A cell of several parts, such as a network, is written as calls: `forms` finds the parts that differ in names only and makes
a unit of them, `still` writes what has no memory, `assembly` runs the parts one after the other, and `exchange` knows what
they hand to each other. `module` picks the way and puts the source together.
"""
