"""Whether two cells compute the same under a map of their parameters, states, inputs and quantities.

`maps` reads the map and sorts it, `fitting` sees that the sizes fit. `pairs` runs both cells side by side by the interpreter:
over numbers in `points`, over elements of a field in `proving`. `deciding` says equal, with a proof, or not equal, with a
counterexample, or that it cannot say.
"""

from symlstm.equivalence.deciding import Equivalence, equivalent

__all__ = ["Equivalence", "equivalent"]
