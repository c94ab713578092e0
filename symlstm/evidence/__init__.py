"""What supports a derivation, in three independent ways. Nothing here but `report` sees the rules that it judges.

`scalars` decides statements about one real variable, and `bounds` those about norms over time. `rings` and `duals` are
the numbers, `components` the terms as arrays of them, `stepping` runs one step forwards on them, `truth` follows its
derivatives over time, and `proof` decides an equation by it.
`sequence` measures a cell by complex step, and `numeric` holds relations against it. `recomputed` redoes worked numbers.
`report` gathers it all, with the LaTeX read back.
"""
