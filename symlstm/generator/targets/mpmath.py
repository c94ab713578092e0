"""mpmath as a target: NumPy's arrays of numbers of any precision."""

from __future__ import annotations

from symlstm.generator.targets.numpy import SCAN
from symlstm.generator.targets.target import Target

_EXACT = ("exp", "expm1", "log", "log1p", "tanh", "sqrt", "sign")

HELPERS = f'''{", ".join(_EXACT)} = (
    np.frompyfunc(getattr(mpmath, name), 1, 1) for name in {_EXACT})


def numbers(array):
    """An array of numbers of mpmath, exactly those that are given."""
    return np.array(np.frompyfunc(mpmath.mpf, 1, 1)(np.asarray(array, object)), object)
'''

MPMATH = Target(
    name="mpmath",
    title="mpmath and NumPy",
    alias="np",
    imports="import mpmath\nimport numpy as np",
    functions={name: name for name in _EXACT},
    made={
        "steps": "np.arange({size})",
        "ones": "numbers(np.ones({size}))",
        "eye": "numbers(np.eye({size}))",
        "zeros": "numbers(np.zeros(({size})))",
        "size": "mpmath.mpf({size})  # the size as a number",
        "dtype": "mpmath.mpf",
        "largest": "mpmath.inf",
    },
    helpers={"numbers": HELPERS, "scan": SCAN},
    own="numbers({})",
    taken="numbers({})",
    given="{}.copy()",
    names=frozenset({"mpmath", "numbers", *_EXACT}),
)
