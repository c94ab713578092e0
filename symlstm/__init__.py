"""symlstm: write a recurrent cell once, as equations; get proved derivations, LaTeX that is read back, fast NumPy.

Every name is loaded when it is first used, so that `import symlstm` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from symlstm.algebra import NotSupported, NotValid, SymlstmError
    from symlstm.claims.proofreading import check
    from symlstm.claims.verdicts import Verdict
    from symlstm.derivation import Derivation, derive
    from symlstm.equivalence import Equivalence, equivalent
    from symlstm.evidence.report import Report, verify
    from symlstm.functions import lambdify
    from symlstm.model import Cell, random_parameters
    from symlstm.steps import Step
    from symlstm.zoo import cell, cells

_HOME = {
    "Cell": "model",
    "Derivation": "derivation",
    "Equivalence": "equivalence",
    "NotSupported": "algebra",
    "NotValid": "algebra",
    "Report": "evidence.report",
    "Step": "steps",
    "SymlstmError": "algebra",
    "Verdict": "claims.verdicts",
    "cell": "zoo",
    "cells": "zoo",
    "check": "claims.proofreading",
    "derive": "derivation",
    "equivalent": "equivalence",
    "lambdify": "functions",
    "random_parameters": "model",
    "verify": "evidence.report",
}

__all__ = [
    "Cell",
    "Derivation",
    "Equivalence",
    "NotSupported",
    "NotValid",
    "Report",
    "Step",
    "SymlstmError",
    "Verdict",
    "cell",
    "cells",
    "check",
    "derive",
    "equivalent",
    "lambdify",
    "random_parameters",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'symlstm' has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(import_module(f"symlstm.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *_HOME))
