"""A cell of several parts, such as a network, as calls of the functions of its parts.

`forms` finds the parts that differ in names only and makes a unit of them, `still` writes what has no memory, `exchange` knows
what they hand to each other, and `assembly` runs them one after the other.
"""
