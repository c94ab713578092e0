r"""What a text defines: its formulas as statements, and the equations of one step that they make.

`sources` reads a text and tells what defines from what claims, `marks` turns words such as `prev` into times, `forms` says
what a term is by its looks, `theories` sorts the definitions into equations of the step and what is worked out where it is
used, a record of `meanings`; `kinds` says which names are numbers, vectors and matrices, and `pasted` makes of it all what a
cell is made of.
"""
