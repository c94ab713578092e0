"""A cell rewritten so that its code is quicker: each rewrite gives the same cell again, which `symlstm equal` proves.

`splitting` takes stacks apart, `normal` names what needs a name, `stacking` puts matrices of one vector above one another, and
`hoisting` names what needs nothing of the step before.
"""
