"""Relations in numbers: on a measured sequence, on a grid of the real line, far out on it, and in the shapes of arrays.

Left and right side are computed in float64 and compared. The derivatives among them are measured by complex step: along
the hand-written loops of `symlstm.reference` for a quantity of a sequence, of the function itself for one of x.

>>> from symlstm import zoo
>>> from symlstm.algebra import Adj, equation, quantity
>>> z, h = quantity("z"), quantity("h")
>>> on_sequence(Sequence(zoo.RNN), equation(Adj(z), Adj(h) * (1 - h ** 2))).note
'by complex step through the hand-written reference at n = 3, m = 2, T = 5, for t from 1 to 5'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial, reduce
from typing import Any

import numpy as np

from symlstm import reference
from symlstm.activations import X, activation
from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Interval,
    Limit,
    Max,
    NotSupported,
    Partial,
    Prime,
    Relation,
    Space,
    Sym,
    SymlstmError,
    Term,
    parts,
    plain,
    walk,
)
from symlstm.evaluate import COMPARE, STEP, Array, Evaluator, apply, forward, shape, slope
from symlstm.evidence.scalars import rounds_to
from symlstm.evidence.sequence import Sequence, reference_of
from symlstm.model import Cell

TOLERANCE = 1e-12
SMALL = 1e-3  # numbers are of order one: what is smaller, such as a sum that cancels, is compared as if it were this large
SIZES = ((3, 2), (2, 4))  # two choices of n and m at which arrays are made
FAR = 60.0  # far out: exp(-60) is below the tolerance
INSIDE = 15.0  # up to here a strict bound is strict in float64 too
GRID = np.unique(np.concatenate([np.linspace(-40, 40, 801), np.linspace(-2, 2, 401)]))[:, None, None]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out in numbers: whether it holds, the largest relative difference of two equal sides, and where."""

    ok: bool
    error: float | None
    note: str


def difference(left: Array, right: Array, term: Array = 0.0) -> float:
    """The difference of two arrays in the Frobenius norm relative to the larger, or to the largest term of their sums, where
    that is given; the largest of all runs, infinite where their shapes differ.

    >>> difference(np.ones((2, 1)), np.ones((2, 1))), difference(np.ones((2, 1)), np.ones((1, 2)))
    (0.0, inf)
    """
    if shape(left) and shape(right) and shape(left) != shape(right):
        return float("inf")
    off, one, other = map(_size, (np.subtract(left, right), left, right))
    return float(np.max(off / np.maximum(np.maximum(one, other), np.maximum(term, SMALL))))


def _size(value: Array) -> Array:
    """The Frobenius norm of an array, of each run; of a bare number its size."""
    return np.sqrt(np.sum(np.square(value), axis=(-2, -1))) if np.ndim(value) > 1 else np.abs(value)


def largest_term(value: Evaluator, line: Relation) -> Array:
    """The size of the largest term of the sums that a relation equates, in each run; rounding is in proportion to it."""
    terms = (part for side in line.terms if isinstance(side, Add) for part in side.args)
    return reduce(np.maximum, (_size(value(part)) for part in terms), 0.0)


def _links(operators: Iterable[str], sides: tuple[Array, ...], strict: bool = True,
           term: Callable[[], Array] = lambda: 0.0) -> tuple[bool, float | None]:
    """Whether a chain holds in numbers, and the largest difference over its equalities; `term` is asked where sums may cancel."""
    ok, errors = True, []
    for operator, left, right in zip(operators, sides[:-1], sides[1:], strict=True):
        if operator == "=":
            off = difference(left, right)
            errors.append(off if off < TOLERANCE / 100 else difference(left, right, term()))
            ok &= errors[-1] < TOLERANCE
        elif operator in COMPARE:
            slack = TOLERANCE * (np.abs(left) + np.abs(right))
            weak = operator + "=" if operator in ("<", ">") else operator
            loose = COMPARE[weak](*((left, right + slack) if "<" in operator else (left + slack, right)))
            ok &= bool(np.all(COMPARE[operator](left, right) if strict and "=" not in operator else loose))
        else:
            raise NotSupported(f"The sign {operator} is not compared in numbers.", operator)
    return ok, max(errors) if errors else None


# --- a sequence ---------------------------------------------------------------------------------------------------


def on_sequence(run: Sequence, line: Relation) -> Measured:
    """A relation between quantities, at every time at which all of it exists; one with a kink in it on further runs too."""
    runs = (run, run.others) if any(map(_kinked, parts(line))) else (run,)
    try:
        if line.condition is not None and line.condition.operators == ("=",):
            runs = tuple(each.under(line.condition) for each in runs)
            line = Relation(line.terms, line.operators)
        points = [point for each in runs for point in each.points(line)]
        found = [_links(line.operators, sides, term=partial(largest_term, value, line)) for _, sides, value in points]
    except SymlstmError as error:
        return Measured(False, None, error.what)
    if not found:
        return Measured(False, None, "there is no time at which all of it exists")
    errors = [error for _, error in found if error is not None]
    sizes = ", ".join(f"{letter} = {run.sizes[letter]}" for letter in ("n", "m", *sorted(run.sizes.keys() - {"n", "m"})))
    times = _times([each for times, _, _ in points for each in times])
    route = "the hand-written reference" if reference_of(run.cell) else "the component-wise interpreter"
    how = "by complex step through" if any(isinstance(part, (Adj, Partial)) for part in parts(line)) else "values from"
    more = f", and in {runs[1].count} more runs" if len(runs) > 1 else ""
    note = f"{how} {route} at {sizes}, T = {run.steps}{times}{more}"
    return Measured(all(ok for ok, _ in found), max(errors) if errors else None, note)


def _kinked(node: Term) -> bool:
    """Whether the signs of numbers decide the value of a node."""
    return isinstance(node, Max) or (isinstance(node, (Apply, Prime)) and bool(activation(node.function).kinks))


def _times(points: list[dict[str, int]]) -> str:
    """For which times: `, for t from 1 to 5 and k from 0 to 4`."""
    letters = points[0]
    spans = [f"{letter} from {min(p[letter] for p in points)} to {max(p[letter] for p in points)}" for letter in letters]
    return f", for {' and '.join(spans)}" if spans else ""


# --- one real variable ----------------------------------------------------------------------------------------------

FUNCTIONS = {"sigma": reference.sigmoid, "tanh": reference.tanh}


class _Line(Evaluator):
    """Terms in x at points of the real line; the functions are the reference's, where it has them."""

    def __init__(self, x: Any) -> None:
        super().__init__(lambda leaf: _value_of_x(leaf, x))

    def apply(self, name: str, x: Array) -> Array:
        return FUNCTIONS[name](x) if name in FUNCTIONS else apply(name, x)

    def slope(self, name: str, x: Array) -> Array:
        return np.imag(FUNCTIONS[name](x + 1j * STEP)) / STEP if name in FUNCTIONS else slope(name, x)


def _value_of_x(leaf: Term, x: Any) -> Any:
    if leaf == X:
        return x
    if leaf == Sym("infinity"):
        return np.inf
    raise NotSupported("On the real line only x has a value.", plain(leaf))


@lru_cache(maxsize=1024)  # every cell's derivation says the same about the activations
def on_line(line: Relation) -> Measured:
    """A relation between functions of x, on a grid of the real line, or far out for a limit."""
    try:
        if any(isinstance(part, Limit) for part in walk(line)):
            return _far_out(line)
        if "~" in line.operators:
            return _rounded(line)
        if not any(part == X for part in walk(line)):
            ok, error = _links(line.operators, tuple(map(_Line(0.0), line.terms)))
            return Measured(ok, error, "recomputed in float64")
        return _on_grid(_without_interval(line))
    except SymlstmError as error:
        return Measured(False, None, error.what)


def _on_grid(line: Relation) -> Measured:
    grid = GRID[_allowed(line)][:, None, None]
    if not grid.size:
        return Measured(False, None, "there is no point x at which its condition holds")
    inside = grid[np.abs(grid) <= INSIDE][:, None, None]
    ok, error = _links(line.operators, tuple(map(_Line(grid), line.terms)), strict=False)
    ok &= _links(line.operators, tuple(map(_Line(inside), line.terms)))[0]
    told = [f"at {grid.size} points x of [{grid.min():g}, {grid.max():g}]"]
    if any(isinstance(part, Prime) for part in walk(line)):
        told.append(", slopes by complex step")
    if {"<", ">"} & set(line.operators):
        told.append(f", strict bounds strictly up to |x| = {INSIDE:g}")
    return Measured(ok, error, "".join(told) + _attained(line, grid))


def _allowed(line: Relation) -> Array:
    """Which points of the grid the condition allows, are in the domain of every function, and at no kink of a slope."""
    allowed = np.ones(GRID.shape, dtype=bool)
    at = _Line(GRID)
    if line.condition is not None:
        for left, operator, right in line.condition.links():
            allowed &= COMPARE[operator](at(left), at(right))
    for part in walk(line):
        if isinstance(part, (Apply, Prime)):
            with np.errstate(all="ignore"):  # the argument itself may be a logarithm of what is not positive
                allowed &= _defined(part.function, at(part.arg), slope=isinstance(part, Prime))
    return allowed


def _defined(name: str, x: Array, *, slope: bool) -> Array:
    """Where a function, or its slope, is defined."""
    row = activation(name)
    kinks = row.kinks if slope else ()
    return (x > 0 if row.positive else np.isfinite(x)) & np.all([np.abs(x - kink) > TOLERANCE for kink in kinks], axis=0)


def _attained(line: Relation, grid: Array) -> str:
    """Where a bound that is not strict is attained on the grid."""
    told = []
    for left, operator, right in line.links():
        if operator in ("<=", ">=") and line.condition is None:
            near = np.isclose(_Line(grid)(left) + 0 * grid, _Line(grid)(right) + 0 * grid, rtol=TOLERANCE, atol=0)
            told.append(f", attained at x = {grid[near][0]:g}" if near.sum() == 1 else "" if near.any() else ", not attained")
    return "".join(told)


def _without_interval(line: Relation) -> Relation:
    """`f in (a, b)` as `a < f < b`, without a bound at infinity."""
    if line.operators != ("in",) or not isinstance(line.rhs, Interval):
        return line
    interval = line.rhs
    terms: list[Term] = [interval.lower, line.lhs, interval.upper]
    operators = ["<" if interval.open_below else "<=", "<" if interval.open_above else "<="]
    if interval.upper == Sym("infinity"):
        del terms[-1], operators[-1]
    return Relation(tuple(terms), tuple(operators), line.condition)


def _far_out(line: Relation) -> Measured:
    limit = line.lhs
    if not (isinstance(limit, Limit) and line.operators == ("=",)):
        raise NotSupported("A limit stands on the left of an equality.", plain(line))
    value, wanted = (float(_Line(limit.sign * FAR)(side)) for side in (limit.body, line.rhs))
    if np.isinf(wanted):
        farther = float(_Line(2 * limit.sign * FAR)(limit.body))
        ok = bool(np.sign(wanted) * farther > np.sign(wanted) * value > 1)
        return Measured(ok, None, f"the values at x = {limit.sign * FAR:g} and x = {2 * limit.sign * FAR:g}: it goes on that way")
    off = abs(value - wanted)
    return Measured(off < TOLERANCE, off, f"the value at x = {limit.sign * FAR:g}; the difference is absolute")


def _rounded(line: Relation) -> Measured:
    left, right = (float(_Line(0.0)(side)) for side in (line.lhs, line.rhs))
    ok = len(line.terms) == 2 and rounds_to(Fraction(left), line.rhs)
    error = abs(left - right) / abs(left) if left else None
    return Measured(ok, error, "recomputed in float64: right to half a unit of the last digit printed")


def outer_activations(cell: Cell) -> list[str]:
    """The names of the activations that the states are values of."""
    rights = (line.rhs for line in cell.named if line.lhs in cell.state_terms)
    return sorted({right.function for right in rights if isinstance(right, Apply)})


def largest_slope(cell: Cell, value: float) -> Measured:
    """Whether a number is the largest slope of the activations that the states are values of, on the grid."""
    names = outer_activations(cell)
    grids = {name: GRID[_defined(name, GRID, slope=True)] for name in names}
    found = max(float(np.max(_Line(grid).slope(name, grid))) for name, grid in grids.items())
    off, words = abs(found - value), f"the largest slope of {' and '.join(names)} at {max(map(len, grids.values()))} points x"
    return Measured(off < TOLERANCE, off, words)


# --- sizes ----------------------------------------------------------------------------------------------------------


def in_arrays(cell: Cell, names: Iterable[str], space: Space) -> Measured:
    """A size, in the arrays of two steps run at two choices of n and m."""
    told = []
    for n, m in SIZES:
        sizes = cell.shapes.full({"n": n, "m": m})
        value = Evaluator(_no_leaf, sizes=sizes)
        wanted = (value(space.rows), 1 if space.columns is None else value(space.columns))
        made = arrays(cell, n, m)
        for name in names:
            if made.get(name) != wanted:
                return Measured(False, None, f"at n = {n}, m = {m} the array of {name} has shape {made.get(name)}, not {wanted}")
        told.append(f"n = {n}, m = {m}")
    return Measured(True, None, f"the shapes of arrays, with the cell run at {' and at '.join(told)}")


def _no_leaf(leaf: Term) -> Array:
    raise NotSupported("Only sizes stand in a size.", plain(leaf))


@lru_cache(maxsize=64)
def arrays(cell: Cell, n: int, m: int) -> Mapping[str, tuple[int, int]]:
    """The shape of the array of every quantity of a step that was run."""
    sizes = cell.shapes.full({"n": n, "m": m})

    def ones(symbols: Iterable[Sym]) -> dict[str, Array]:
        return {symbol.name: np.ones(cell.shapes.at(symbol.name, sizes)) for symbol in symbols}

    given, states, params = map(ones, (cell.input_terms, cell.state_terms, cell.parameter_terms))
    with np.errstate(all="ignore"):  # shapes alone matter here
        step = forward(cell, params, [tuple(given.values())], list(states.values()))[1]
    return {name: np.shape(value) for name, value in (params | step).items()}  # type: ignore[misc]
