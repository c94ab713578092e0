"""A unit as loops over numbers, for a compiler: what is written is what one number after the other is made of.

`values` and `entries` carry a term to the number in one row and column of it, `nests` puts loops into one another, `flat` lays
arrays in one, `kernels` writes the two passes, and `compiled` the functions around them.
"""
