"""Topic `activations`: slopes, their bounds, ranges and tails. The same for every cell.

x is one real number here; everything is elementwise, so it holds for each entry of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from symlstm import reference
from symlstm.activations import ACTIVATIONS, Activation, X
from symlstm.algebra import Apply, Limit, MatMul, Num, Pow, Prime, Relation, Term, equation, relation, term
from symlstm.model import Cell
from symlstm.prose import prose
from symlstm.rendering import rendered
from symlstm.steps import Block, Kind, Section, Step

TOPIC, TITLE = "activations", "The activations and their slopes"

S, TANH, RELU = (Apply(name, X) for name in ("sigma", "tanh", "relu"))
DS, DTANH, DRELU = (Prime(name, X) for name in ("sigma", "tanh", "relu"))
HALF, QUARTER = Num(term(1).value / 2), Num(term(1).value / 4)  # type: ignore[attr-defined]


def section(_: Cell) -> Section:
    """sigma, tanh and ReLU: slope, bound with equality, range, both tails."""
    return Section(
        TOPIC,
        TITLE,
        (
            prose("In this section {} is one real number; the activations act on each entry of a vector by itself.", X),
            *_sigma(),
            *_tanh(),
            *_relu(),
        ),
    )


def _step(name: str, kind: Kind, line: Relation, reason: str, *math: Term | Relation, written: str | None = None) -> Step:
    return Step(TOPIC, name, kind, line, prose(reason, *math), written=written, shapes={})  # every letter is one number


def _as_code(name: str, kind: Kind, line: Relation, function: Callable[..., object]) -> Step:
    return _step(f"{name}, as code", kind, line, "the reference, as code", written=rendered(function))


def _sigma() -> Iterator[Block]:
    row = ACTIVATIONS["sigma"]
    yield prose("The logistic function.")
    yield _step("sigma", "definition", equation(S, row.formula), "definition")
    yield _as_code("sigma", "definition", equation(S, row.formula), reference.sigmoid)
    yield _step("slope of sigma", "identity", equation(DS, row.slope_at, MatMul((S, 1 - S))), "quotient rule")
    yield _as_code("slope of sigma", "identity", equation(DS, MatMul((S, 1 - S))), reference.sigmoid_slope)
    yield _step("completing the square", "identity", equation(QUARTER - DS, Pow(S - HALF, term(2))), "completing the square")
    yield _step("bound of the slope of sigma", "bound", relation(0, "<", DS, "<=", QUARTER), "a square is never negative")
    yield _step(
        "where the bound is attained",
        "identity",
        equation(Prime("sigma", term(0)), QUARTER),
        "{} there",
        equation(Apply("sigma", term(0)), HALF),
    )
    yield _step("only there", "bound", relation(DS, "<", QUARTER, condition=relation(X, "!=", 0)), "{} grows strictly", S)
    yield from _tails(row)


def _tanh() -> Iterator[Block]:
    row = ACTIVATIONS["tanh"]
    yield prose("The hyperbolic tangent.")
    yield _step("tanh", "definition", equation(TANH, row.formula), "definition")
    yield _step("slope of tanh", "identity", equation(DTANH, row.slope_at, 1 - Pow(TANH, term(2))), "quotient rule")
    yield _as_code("slope of tanh", "identity", equation(DTANH, 1 - Pow(TANH, term(2))), reference.tanh_slope)
    yield _step("bound of the slope of tanh", "bound", relation(0, "<", DTANH, "<=", 1), "{} is taken off", Pow(TANH, term(2)))
    yield _step(
        "where the bound is attained",
        "identity",
        equation(Prime("tanh", term(0)), term(1)),
        "{} there",
        equation(Apply("tanh", term(0)), term(0)),
    )
    yield _step("only there", "bound", relation(DTANH, "<", 1, condition=relation(X, "!=", 0)), "{} grows strictly", TANH)
    yield _step(
        "tanh from sigma",
        "identity",
        equation(TANH, MatMul((term(2), Apply("sigma", MatMul((term(2), X))))) - 1),
        "the same curve, scaled and moved",
    )
    yield from _tails(row)


def _relu() -> Iterator[Block]:
    yield prose("The rectifier, beside them. At {} it has no slope, and none is claimed.", term(0))
    yield _step("relu", "definition", equation(RELU, ACTIVATIONS["relu"].formula), "definition")
    yield _step("slope of relu, right", "identity", Relation((DRELU, term(1)), ("=",), relation(X, ">", 0)), "the identity there")
    yield _step("slope of relu, left", "identity", Relation((DRELU, term(0)), ("=",), relation(X, "<", 0)), "constant there")
    yield _step("range of relu", "bound", relation(RELU, ">=", 0), "never negative, not bounded above")
    yield _step("left tail of relu", "limit", equation(Limit(RELU, X, -1), term(0)), "does not pass a negative number on")


def _tails(row: Activation) -> Iterator[Step]:
    value, slope, name = Apply(row.name, X), Prime(row.name, X), row.name
    yield _step(f"range of {name}", "bound", relation(value, "in", row.values), "strictly inside")
    yield _step(f"left tail of {name}", "limit", equation(Limit(value, X, -1), row.values.lower), "left tail")
    yield _step(f"right tail of {name}", "limit", equation(Limit(value, X, 1), row.values.upper), "right tail")
    yield _step(
        f"slope in the left tail of {name}",
        "limit",
        equation(Limit(slope, X, -1), term(0)),
        "a saturated unit passes no gradient",
    )
    yield _step(f"slope in the right tail of {name}", "limit", equation(Limit(slope, X, 1), term(0)), "on either side")
