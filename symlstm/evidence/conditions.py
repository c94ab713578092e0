"""Conditions under which an equation is claimed, made true: by what they say of one parameter or input.

`U = 0` puts zeros in; `1^T y = 1` makes the last entry of y what is left of 1. Arrays may hold numbers or elements of a ring.

>>> import numpy as np
>>> from symlstm.algebra import Ones, quantity, relation
>>> bound, change = held(relation(Ones(Sym("k")).T @ quantity("y"), "=", 1))
>>> change(np.array([[3], [5], [7]])).ravel()
array([ 3,  5, -7])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symlstm.algebra import MatMul, NotSupported, Num, Ones, Relation, Sym, Transpose, plain

Change = Callable[[Any], Any]


def held(condition: Relation) -> tuple[Sym, Change]:
    """The parameter or input that a condition binds, and how its array is changed so that the condition holds.

    Raises `NotSupported` for another condition.
    """
    if condition.operators == ("=",) and isinstance(condition.rhs, Num):
        value = condition.rhs.value
        number: Any = int(value) if value.denominator == 1 else value
        match condition.lhs:
            case Sym() as symbol:
                return symbol, lambda array: array * 0 + number
            case MatMul((Transpose(Ones()), Sym() as symbol)):
                return symbol, lambda array: _adding_up(array, number)
    raise NotSupported("A condition here gives a parameter its value, or an input the sum of its entries.", plain(condition))


def _adding_up(array: Any, total: Any) -> Any:
    rest = np.array(array)[..., :-1, :]
    last = total - rest.sum(axis=-2, keepdims=True)
    return np.concatenate([rest, last], axis=-2)
