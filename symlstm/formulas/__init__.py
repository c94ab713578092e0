"""Expressions and equations as NumPy functions: of numbers, over arrays of any length, or of matrices.

`calls` takes the arguments, `scalars` makes expressions of numbers into code and `pieces` that code into a function, `matrices`
compiles the others by `sympy.lambdify`. The activations are the stable forms of the table; `1/(1 + exp(-x))`, however it came
about, is made into one (`stability`).
"""

from symlstm.formulas.calls import Formula as Formula
from symlstm.formulas.calls import formula as formula
from symlstm.formulas.stability import stable as stable
