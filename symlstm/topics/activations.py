"""Topic `activations`: definition, slope, bound, range and tails of what the cell applies, a row of the table at a time.

x is one real number here; everything is elementwise, so it holds for each entry of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from symlstm import reference
from symlstm.activations import ACTIVATIONS, INFINITY, STAND_INS, Activation, X, Y
from symlstm.algebra import (
    Apply,
    Hadamard,
    Interval,
    Limit,
    MatMul,
    Max,
    Neg,
    Num,
    Pow,
    Prime,
    Relation,
    Term,
    equation,
    relation,
    substitute,
    term,
    transform,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import joined, prose
from symlstm.rendering import rendered
from symlstm.steps import Block, Kind, Section, Step

TOPIC, TITLE = "activations", "The activations and their slopes"
USUAL = ("sigma", "tanh", "relu")  # shown beside each other
HALF, QUARTER = Num(term(1).value / 2), Num(term(1).value / 4)  # type: ignore[attr-defined]
CODE: dict[str, tuple[Callable[..., object], ...]] = {
    "sigma": (reference.sigmoid, reference.sigmoid_slope),
    "tanh": (reference.tanh_slope,),
}


def section(cell: Cell) -> Section:
    """What the cell applies; where that is of the usual three, all three of them."""
    used, shown, stand_ins = _applied(cell)
    blocks = (block for name in shown for block in _row(ACTIVATIONS[name]))
    head = prose("In this section {} is one real number; the activations act on each entry of a vector by itself.", X)
    return Section(TOPIC, TITLE, (joined(head, *_beside(used, shown, stand_ins)), *blocks))


def _beside(used: list[str], shown: list[str], stand_ins: list[str]) -> Iterator[str]:
    """Which of those shown the cell does not apply; of functions that may be any, that they may."""
    if stand_ins:
        yield f" In the equations of the cell {', '.join(stand_ins)} may be any functions; these are the usual ones."
        return
    other = [ACTIVATIONS[name].words for name in shown if name not in used]
    if other:
        yield f" The cell does not apply {' or '.join(other)}, shown beside the others for comparison."


def _applied(cell: Cell) -> tuple[list[str], list[str], list[str]]:
    """The names of the activations of the cell, of those shown, in the order of the table, and of its stand-ins; a maximum
    has the slopes of the rectifier."""
    parts = [part for line in cell.named for part in walk(line.rhs)]
    found = {part.function for part in parts if isinstance(part, Apply)} | {"relu" for part in parts if isinstance(part, Max)}
    stand_ins = sorted(found & STAND_INS.keys())
    open_ones = [STAND_INS[name].formula for name in stand_ins]
    found = (found - STAND_INS.keys()) | {row.name for row in ACTIVATIONS.values() if row.formula in open_ones}
    shown = found if found - set(USUAL) else set(USUAL)
    return [name for name in ACTIVATIONS if name in found], [name for name in ACTIVATIONS if name in shown], stand_ins


def _row(row: Activation) -> Iterator[Block]:
    name, value, slope = row.name, Apply(row.name, X), Prime(row.name, X)
    where = relation(X, ">", 0) if row.positive else None
    yield prose(f"{row.words[0].upper()}{row.words[1:]}.")
    made = equation(value, _of_a_number(row.formula)) if row.undoes is None else equation(substitute(row.undoes, {X: value}), X)
    if made.lhs != made.rhs:
        yield _step(name, "definition" if where is None else "identity", _for(made, where), "definition")
    codes = list(CODE.get(name, ()))
    if len(codes) > 1:
        yield _as_code(name, "definition", made, codes.pop(0))
    yield from _slopes(row)
    if codes:
        yield _as_code(f"slope of {name}", "identity", equation(slope, _of_the_value(row)), codes.pop())
    yield from EXTRAS.get(name, lambda: iter(()))()
    yield from _bounds(row, where)
    if _between(value, row.values) is not None:
        line = relation(value, "in", row.values) if row.values.upper != INFINITY else _between(value, row.values)
        assert line is not None
        at_zero = line.operators != ("in",) and row.values.lower == term(0)
        both = ("never zero", "zero included") if at_zero else ("strictly inside", "with its ends")
        words = both[0] if row.values.open_below else both[1]
        yield _step(f"range of {name}", "bound", _for(line, where), words)
    for what, of, ends in (("", value, row.tails), ("slope in the ", slope, row.slope_tails)):
        for side, sign, end in (("left", -1, ends[0]), ("right", 1, ends[1])):
            if end not in (None, INFINITY):
                line = equation(Limit(of, X, sign), end)
                yield _step(f"{what}{side} tail of {name}", "limit", line, _tail_words(end, of == slope))


def _tail_words(end: Term, slope: bool) -> str:
    """Why a tail is of interest."""
    return ("a saturated unit passes no gradient" if end == term(0) else "it becomes linear") if slope else "it levels off"


def _slopes(row: Activation) -> Iterator[Block]:
    """The slope at the argument and in terms of the value; of what is piecewise linear, on each piece."""
    slope = Prime(row.name, X)
    if row.pieces:
        marks = " and ".join("{}" for _ in row.kinks)
        yield prose(f"At {marks} it has no slope, and none is claimed.", *_listed(row.kinks))
        for place, (piece, (lower, upper)) in enumerate(zip(row.pieces, pairwise((None, *row.kinks, None)), strict=True), 1):
            line = Relation((slope, piece), ("=",), _stretch(lower, upper))
            yield _step(f"slope of {row.name}, piece {place}", "identity", line, row.rule)
        return
    sides = [_of_a_number(row.slope_at)]
    if row.slope_of is not None and _of_the_value(row) != sides[0]:
        sides.append(_of_the_value(row))
    line = equation(slope, *sides)
    yield _step(f"slope of {row.name}", "identity", _for(line, relation(X, ">", 0) if row.positive else None), row.rule)


def _listed(kinks: tuple[int, ...]) -> list[Term]:
    return [term(kink) if kink >= 0 else Neg(term(-kink)) for kink in kinks]


def _stretch(lower: int | None, upper: int | None) -> Relation:
    """`x < 0`, `-3 < x < 3`, `x > 3`."""
    ends = {end: _listed((end,))[0] for end in (lower, upper) if end is not None}
    if lower is None:
        return relation(X, "<", ends[upper])  # type: ignore[index]
    return relation(X, ">", ends[lower]) if upper is None else relation(ends[lower], "<", X, "<", ends[upper])


def _bounds(row: Activation, where: Relation | None) -> Iterator[Step]:
    """The range of the slope, and where its largest value is attained."""
    name, slope = row.name, Prime(row.name, X)
    line = _between(slope, row.slopes)
    if line is not None:
        yield _step(f"bound of the slope of {name}", "bound", _for(line, where), row.bounded)
    if row.peak is not None:
        here, value = equation(Prime(name, term(0)), row.slopes.upper), equation(Apply(name, term(0)), row.peak)
        yield _step("where the bound is attained", "identity", here, "{} there", value)
        only = relation(slope, "<", row.slopes.upper, condition=relation(X, "!=", 0))
        yield _step("only there", "bound", only, "{} grows strictly", Apply(name, X))


def _between(middle: Term, interval: Interval) -> Relation | None:
    """The interval as a chain of bounds, without infinite ends; nothing where both are."""
    terms: list[Term] = [middle]
    operators: list[str] = []
    if interval.upper == INFINITY and interval.lower != Neg(INFINITY):
        return relation(middle, ">" if interval.open_below else ">=", interval.lower)
    if interval.lower != Neg(INFINITY):
        terms, operators = [interval.lower, *terms], ["<" if interval.open_below else "<="]
    if interval.upper != INFINITY:
        terms, operators = [*terms, interval.upper], [*operators, "<" if interval.open_above else "<="]
    return Relation(tuple(terms), tuple(operators)) if operators else None


def _completed_square() -> Iterator[Step]:
    value, slope = Apply("sigma", X), Prime("sigma", X)
    line = equation(QUARTER - slope, Pow(value - HALF, term(2)))
    yield _step("completing the square", "identity", line, "completing the square")


def _from_sigma() -> Iterator[Step]:
    line = equation(Apply("tanh", X), MatMul((term(2), Apply("sigma", MatMul((term(2), X))))) - 1)
    yield _step("tanh from sigma", "identity", line, "the same curve, scaled and moved")


EXTRAS: dict[str, Callable[[], Iterator[Step]]] = {"sigma": _completed_square, "tanh": _from_sigma}


def _of_the_value(row: Activation) -> Term:
    """The slope in terms of the value, or else of the argument."""
    return _of_a_number(row.slope_at if row.slope_of is None else substitute(row.slope_of, {Y: Apply(row.name, X)}))


def _of_a_number(node: Term) -> Term:
    """A formula of the table for one number, whose products are written without a sign."""
    return transform(node, lambda part: MatMul(part.args) if isinstance(part, Hadamard) else part)


def _for(line: Relation | None, where: Relation | None) -> Relation:
    assert line is not None
    return Relation(line.terms, line.operators, where)


def _step(name: str, kind: Kind, line: Relation, reason: str, *math: Term | Relation, written: str | None = None) -> Step:
    return Step(TOPIC, name, kind, line, prose(reason, *math), written=written, shapes={})  # every letter is one number


def _as_code(name: str, kind: Kind, line: Relation, function: Callable[..., object]) -> Step:
    return _step(f"{name}, as code", kind, line, "the reference, as code", written=rendered(function))
