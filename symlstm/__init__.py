"""symlstm: write a recurrent cell once, as equations; get proved derivations, LaTeX that is read back, fast NumPy.

Every name is loaded when it is first used, so that `import symlstm` costs next to nothing.

A cell of your own is its equations, pasted (`Cell.from_latex`) or in Python: `quantities` are those of step t (`h.prev` is the
step before), `symbols` parameters; `@` is a matrix product and `*` an elementwise one.

>>> import symlstm as sl
>>> x, h, f = sl.quantities("x h f")
>>> W, U, V, b = sl.symbols("W U V b")
>>> own = sl.Cell("mine", inputs=(x,), states=(h,), equations=(
...     sl.equation(f, sl.sigma(W @ x + b)),
...     sl.equation(h, f * h.prev + (1 - f) * sl.softplus(V @ x + U @ h.prev)),
... ))
>>> sl.derive(own, "gradients").steps[0].relation
delta z_h[t] = delta h[t] * (1 - f[t]) * (1 - exp(-softplus(z_h[t])))
>>> sl.verify(sl.derive(own, "gradients")).ok
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from symlstm.activations import absolute, exp, hardsigmoid, log, relu, sigma, silu, softplus, sqrt, tanh
    from symlstm.algebra import NotSupported, NotValid, SymlstmError, equation, quantities, symbols
    from symlstm.claims.judging.verdicts import Verdict
    from symlstm.claims.proofreading import check
    from symlstm.derivation import Derivation, derive
    from symlstm.dialects import notations
    from symlstm.equivalence import Equivalence, equivalent
    from symlstm.evidence.report import Report, verify
    from symlstm.functions import lambdify
    from symlstm.layouts import from_layout, to_layout
    from symlstm.model import Cell, random_parameters
    from symlstm.networks import Network, stack
    from symlstm.notation import Notation
    from symlstm.restating import restated
    from symlstm.steps import Step
    from symlstm.zoo import cell, cells

_HOME = {
    "Cell": "model",
    "Derivation": "derivation",
    "Equivalence": "equivalence",
    "Network": "networks",
    "NotSupported": "algebra",
    "NotValid": "algebra",
    "Notation": "notation",
    "Report": "evidence.report",
    "Step": "steps",
    "SymlstmError": "algebra",
    "Verdict": "claims.judging.verdicts",
    "absolute": "activations",
    "cell": "zoo",
    "cells": "zoo",
    "check": "claims.proofreading",
    "derive": "derivation",
    "equation": "algebra",
    "equivalent": "equivalence",
    "exp": "activations",
    "from_layout": "layouts",
    "hardsigmoid": "activations",
    "lambdify": "functions",
    "log": "activations",
    "notations": "dialects",
    "quantities": "algebra",
    "random_parameters": "model",
    "relu": "activations",
    "restated": "restating",
    "sigma": "activations",
    "silu": "activations",
    "softplus": "activations",
    "sqrt": "activations",
    "stack": "networks",
    "symbols": "algebra",
    "tanh": "activations",
    "to_layout": "layouts",
    "verify": "evidence.report",
}

__all__ = [
    "Cell",
    "Derivation",
    "Equivalence",
    "Network",
    "NotSupported",
    "NotValid",
    "Notation",
    "Report",
    "Step",
    "SymlstmError",
    "Verdict",
    "absolute",
    "cell",
    "cells",
    "check",
    "derive",
    "equation",
    "equivalent",
    "exp",
    "from_layout",
    "hardsigmoid",
    "lambdify",
    "log",
    "notations",
    "quantities",
    "random_parameters",
    "relu",
    "restated",
    "sigma",
    "silu",
    "softplus",
    "sqrt",
    "stack",
    "symbols",
    "tanh",
    "to_layout",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'symlstm' has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(import_module(f"symlstm.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *_HOME))
