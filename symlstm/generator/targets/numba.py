"""NumPy with loops that Numba compiles. The code of a unit is not functional; `symlstm.generator.loops.compiled` writes it."""

from __future__ import annotations

from dataclasses import replace

from symlstm.generator.targets.numpy import NUMPY

CLASSES = '''class Workspace:
    """The arrays of both passes, for calls that may write over those of the call before. `make` makes them for a batch."""

    def __init__(self, make, batch):
        self.make, self.own = make, None
        self.ahead, self.back = make(batch)

    def alone(self):
        """Those of one sequence without an axis for it."""
        self.own = self.own or self.make(())
        return self.own


# compiled when it is first called; kept on disk where the module itself is a file
kernel = numba.njit(error_model="numpy", cache="__file__" in globals())


@kernel
def looked_over(numbers):
    """Zero if all numbers are finite, and else none."""
    total = numbers.dtype.type(0)
    for number in numbers:
        total += number - number
    return total
'''

NUMBA = replace(NUMPY, name="numba", title="NumPy and Numba", imports="import numba\nimport numpy as np", classes=CLASSES)
