"""Two values compared: exactly, to the precision of a complex step, or at the precision printed."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from symlstm.algebra import (
    Adj,
    Apply,
    Blocks,
    Extreme,
    Hadamard,
    Interval,
    Limit,
    MatMul,
    Neg,
    Num,
    Partial,
    Pow,
    Prime,
    Relation,
    Sym,
    Term,
    children,
    walk,
)  # fmt: skip
from symlstm.claims.judging.cases import Case
from symlstm.claims.judging.values import Tensor, Valuer
from symlstm.claims.models.arithmetic import Array, Reckoner, shape, size_words

TOLERANCE, CLOSE = 1e-8, 1e-13  # of equality; the second where a formula has numbers that the first would not see
MARGIN = 1e-6  # by which a bound is broken


def misfit(one: Any, other: Any, right: Term) -> str:
    """In words, why two values cannot be compared; a bare number, and the identity as 1, fit anything."""
    if isinstance(right, Interval):
        return ""
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        if isinstance(one, Tensor) and isinstance(other, Tensor) and one.array.shape == other.array.shape:
            return ""
        return "the derivative of a vector by a matrix is compared with something else"
    left_shape, right_shape = shape(one), shape(other)
    if left_shape == right_shape or not left_shape or not right_shape:
        return ""
    return f"the left side is {size_words(left_shape)}, the right side {size_words(right_shape)}"


def agree(one: Any, other: Any, tolerance: float = TOLERANCE) -> bool:
    if isinstance(one, Tensor):
        one, other = one.array, other.array
    one, other = np.real(one), np.real(other)
    if shape(one) != shape(other):
        square = shape(one) or shape(other)
        lone = other if shape(one) else one
        if len(square) == 2 and square[0] == square[1] > 1 and np.ndim(lone) == 0 and lone == 1:
            return bool(np.allclose(one if shape(one) else other, np.eye(square[0]), atol=tolerance))
        if shape(one) and shape(other):
            return False
    if np.all(np.isinf(one)) and np.all(np.isinf(other)):
        return bool(np.all(one == other))
    scale = 1 + max(
        np.abs(one).max(initial=0) if np.ndim(one) else abs(one), np.abs(other).max(initial=0) if np.ndim(other) else abs(other)
    )
    difference = np.abs(one - other)
    return bool(np.all(difference <= tolerance * scale)) and bool(np.all(np.isfinite(difference)))


def breaks(one: Any, operator: str, other: Any, right: Term) -> bool:
    """Whether values break a bound by more than what is rounded away; what has no finite value breaks none."""
    if isinstance(right, Interval) and operator == "in":
        return breaks(one, ">=", other[0], right.lower) or breaks(one, "<=", other[1], right.upper)
    if operator not in ORDER:
        return False
    below, above = (one, other) if operator[0] == "<" else (other, one)
    excess = np.real(below) - np.real(above)
    return bool(np.any((excess > MARGIN * (1 + np.abs(np.real(above)))) & np.isfinite(excess)))


def compare(one: Any, operator: str, other: Any, left: Term, right: Term, numeric: bool, valuer: Valuer) -> bool:
    if operator == "in" and isinstance(right, Interval):
        lower, upper = other
        value = np.real(one)
        above = value > lower if right.open_below else value >= lower - 1e-12
        below = value < upper if right.open_above else value <= upper + 1e-12
        return bool(np.all(above) and np.all(below))
    if operator in ("=", "~"):
        if numeric or operator == "~":
            return _printed(one, other, left, right, operator)
        parts = [part for side in (left, right) for part in walk(side)]
        loose = any(isinstance(part, (Extreme, Limit)) for part in parts)
        return agree(one, other, 2e-4 if loose else CLOSE if any(map(_is_slight, parts)) else TOLERANCE)
    if operator == "!=":
        return not agree(one, other)
    return bool(np.all(ORDER[operator](np.real(one), np.real(other))))


ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less,
    ">": np.greater,
    "<=": lambda a, b: a <= b + 1e-12 * (1 + np.abs(b)),
    ">=": lambda a, b: a >= b - 1e-12 * (1 + np.abs(b)),
}


def _is_slight(part: Term) -> bool:
    """Whether a number is so near to a whole one, or to nothing, that a difference of that size is meant."""
    if isinstance(part, Num):
        return 0 < abs(part.value - round(part.value)) < MARGIN
    return _is_power_of_ten(part) and isinstance(part, Pow) and isinstance(part.exponent, Neg)


def _printed(one: Any, other: Any, left: Term, right: Term, operator: str) -> bool:
    """Equality at the precision printed: half a unit of the last digit of each entry; rational numbers exactly."""
    for term, value, against, theirs in ((right, other, one, left), (left, one, other, right)):
        units = _units(term)
        if units is None:
            continue
        exact = operator == "=" and _is_rational(theirs) and not any(isinstance(part, Num) and part.places for part in walk(term))
        units = np.reshape(units, shape(value)) if shape(value) else np.asarray(units).reshape(())
        slack = 1e-9 if exact else units / 2 * (1 + 1e-9)
        return (
            bool(np.all(np.abs(np.real(one) - np.real(other)) <= slack))
            if shape(against) == shape(value) or not shape(value)
            else False
        )
    if operator == "=":
        return agree(one, other, 1e-9)
    one, other = np.real(one), np.real(other)
    largest = max(np.abs(one).max(initial=0), np.abs(other).max(initial=0)) if np.size(one) and np.size(other) else 0.0
    return shape(one) == shape(other) and bool(np.all(np.abs(one - other) <= 5e-3 * largest))


def _units(term: Term) -> Array | None:
    """One unit of the last printed digit for every entry of a literal; None for what is no literal."""
    if isinstance(term, Neg):
        return _units(term.arg)
    if isinstance(term, Num):
        return 10.0 ** -(term.places or 0) if term.value.denominator == 1 or term.places is not None else 1e-9
    if isinstance(term, (MatMul, Hadamard)) and len(term.args) == 2 and _is_power_of_ten(term.args[1]):
        unit, power = _units(term.args[0]), term.args[1]  # 2.66 \times 10^{-5}
        return None if unit is None or np.ndim(unit) else unit * 10.0 ** Reckoner()(power.exponent)  # type: ignore[attr-defined]
    if isinstance(term, Blocks):
        entries = [_units(part) for part in children(term)]
        return None if any(entry is None for entry in entries) else np.array(entries, dtype=float)
    return None


def _is_power_of_ten(term: Term) -> bool:
    return isinstance(term, Pow) and term.base == Num(Fraction(10)) and isinstance(term.exponent, (Num, Neg))


def _is_rational(term: Term) -> bool:
    return not any(isinstance(part, (Apply, Prime, Partial, Adj, Extreme, Limit)) for part in walk(term))


def is_arithmetic(case: Case, line: Relation) -> bool:
    """Whether a relation is about numbers alone: those it prints and those the document gives."""
    given = {name for name, _ in case.theory.values}
    return all(part.name in given for side in line.terms for part in walk(side) if isinstance(part, Sym)) and not any(
        isinstance(part, (Partial, Adj)) for side in line.terms for part in walk(side)
    )
