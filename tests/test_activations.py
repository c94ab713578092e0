"""Every row of the table of activations: formula, slope, ranges and tails are decided, and the NumPy form is right everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

import symlstm as sl
from symlstm.activations import ACTIVATIONS, Activation, X, Y
from symlstm.algebra import Apply, Limit, NotSupported, Num, Prime, Relation, Term, equation, relation, substitute, term
from symlstm.evidence import numeric, scalars
from symlstm.evidence.signs import ARGUMENT, LEFT, RIGHT, E, Stretch, certificate
from symlstm.generator.codes import activated, sloped
from symlstm.reader import HOUSE, read
from symlstm.tex import latex

ROWS = list(ACTIVATIONS.values())
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def statements(row: Activation) -> Iterator[Relation]:
    """What a row says of its function, as relations in x."""
    value, slope = Apply(row.name, X), Prime(row.name, X)
    where = relation(X, ">", 0) if row.positive else None
    sides: list[tuple[Term, str, Term]] = [
        (value, "=", row.formula), (slope, "=", row.slope_at), (value, "in", row.values), (slope, "in", row.slopes)
    ]  # fmt: skip
    if row.slope_of is not None:
        sides.append((slope, "=", substitute(row.slope_of, {Y: value})))
    if row.undoes is not None:
        sides.append((substitute(row.undoes, {X: value}), "=", X))
    yield from (Relation((left, right), (operator,), where) for left, operator, right in sides)
    for of, ends in ((value, row.tails), (slope, row.slope_tails)):
        for sign, end in zip((-1, 1), ends, strict=True):
            if end is not None:
                yield equation(Limit(of, X, sign), end)


@each_row
def test_what_a_row_says_is_decided_and_measured(row: Activation) -> None:
    for line in statements(row):
        decision, measured = scalars.decide(line), numeric.on_line(line)
        assert decision.ok and decision.decided, (line, decision.note)
        assert measured.ok, (line, measured.note)


@pytest.mark.parametrize(
    "line",
    [
        relation(Apply("silu", X), ">", -Num(Fraction(2784, 10000), 4)),
        relation(Prime("silu", X), "<", Num(Fraction(10998, 10000), 4)),
        relation(Apply("softplus", X), ">=", Apply("log", term(2))),
        equation(Prime("softplus", X), Apply("softplus", X)),
        equation(Limit(Apply("silu", X), X, -1), term(-1)),
        Relation((Prime("hardsigmoid", X), Num(Fraction(1, 6))), ("=",), relation(X, ">", -3)),
        relation(Apply("hardsigmoid", X), "<", 1),
        equation(Prime("hardsigmoid", term(3)), term(0)),
        Relation((Prime("sqrt", X), 1 / Apply("sqrt", X)), ("=",), relation(X, ">", 0)),
        Relation((Prime("log", X), X), ("=",), relation(X, ">", 0)),
    ],
    ids=str,
)
def test_what_is_wrong_is_not_decided_to_hold(line: Relation) -> None:
    assert not scalars.decide(line).ok


def test_a_sign_by_taylor_polynomials_needs_the_room_that_there_is() -> None:
    silu = ARGUMENT * E / (1 + E)
    assert certificate(silu + Fraction(2785, 10000), LEFT).sign == 1
    with pytest.raises(NotSupported):
        certificate(silu + Fraction(2784, 10000), LEFT)
    assert certificate(E - 1 - ARGUMENT - ARGUMENT**2 / 2, RIGHT).sign == 1
    with pytest.raises(NotSupported):
        certificate(E - 1 - 2 * ARGUMENT, RIGHT)
    assert certificate(9 - ARGUMENT**2, Stretch(-3, 3)).sign == 1


# --- NumPy --------------------------------------------------------------------------------------------------------

FAR = [-1e300, -1e4, -746.0, -745.0, -709.5, -40.0, -1e-8, 0.25, 1e-300, 36.8, 709.0, 1e4, 1e300]
EXACT = {
    "sigma": (lambda x: 1 / (1 + _exp(-x)), lambda x: _exp(-abs(x)) / (1 + _exp(-abs(x))) ** 2),
    "tanh": (math.tanh, lambda x: (2 / (_exp(x) + _exp(-x))) ** 2),
    "relu": (lambda x: max(x, 0.0), lambda x: float(x > 0)),
    "softplus": (lambda x: max(x, 0.0) + math.log1p(_exp(-abs(x))), lambda x: 1 / (1 + _exp(-x))),
    "silu": (lambda x: x / (1 + _exp(-x)), lambda x: (1 + x / (1 + _exp(x))) / (1 + _exp(-x))),
    "hardsigmoid": (lambda x: min(1.0, max(0.0, x / 6 + 0.5)), lambda x: (abs(x) < 3) / 6),
    "exp": (lambda x: _exp(x), lambda x: _exp(x)),
    "abs": (abs, lambda x: math.copysign(1, x)),
}


def _exp(x: float) -> float:
    return math.inf if x > 709.78 else math.exp(x)


def ran(code: object, **arrays: np.ndarray) -> np.ndarray:
    """The value of a row's NumPy form, as generated code runs it."""
    with np.errstate(all="ignore"):
        return np.asarray(eval(str(code), {"np": np, "__builtins__": {}}, arrays))  # our own table


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("x", FAR)
def test_numpy_is_right_however_far_out(name: str, x: float) -> None:
    value, slope = EXACT[name]
    found = ran(activated(name, "x"), x=np.array([x]))
    close = {"rel": 1e-12, "abs": 1e-300}
    assert float(found[0]) == pytest.approx(value(x), **close)
    # 1 - y^2 rounds to a multiple of 1e-16 where y is nearly 1
    allowed = {"rel": 1e-12, "abs": 3e-16 if name in ("tanh", "sigma") else 1e-300}
    assert float(ran(sloped(name, "x", "y"), x=np.array([x]), y=found)[0]) == pytest.approx(slope(x), **allowed)


@pytest.mark.parametrize("name", ["softplus", "silu", "hardsigmoid", "sigma", "tanh", "relu"])
def test_a_generated_function_is_silent_far_out(name: str, recwarn: pytest.WarningsRecorder) -> None:
    cell = sl.Cell.from_latex(rf"h_t = {latex(Apply(name, X)).replace('(x)', '')}(W x_t + U h_{{t-1}})")
    f = sl.lambdify(cell)
    params = {"W": np.array([[1.0]]), "U": np.array([[0.0]])}
    trace = f.forward(params, np.array([[1e4], [-1e4], [-745.0], [800.0]]))
    grads = f.backward(trace, np.ones((4, 1)))
    assert np.isfinite(trace.outputs).all() and np.isfinite(grads.params["W"]).all() and not recwarn.list


# --- names --------------------------------------------------------------------------------------------------------


@each_row
def test_its_name_is_written_and_read(row: Activation) -> None:
    for term_ in (Apply(row.name, X), Prime(row.name, X)):
        conventions = HOUSE.told((), (row.name,))
        assert read(latex(term_), conventions) == term_


@pytest.mark.parametrize(
    ("text", "name"),
    [(r"\operatorname{softplus}(x)", "softplus"), (r"\mathrm{Softplus}(x)", "softplus"), (r"\text{SiLU}(x)", "silu"),
     (r"\operatorname{swish}(x)", "silu"), (r"\operatorname{hard\_sigmoid}(x)", "hardsigmoid"),
     (r"\text{hard sigmoid}(x)", "hardsigmoid"), (r"\operatorname{HardSigmoid}(x)", "hardsigmoid")],
)  # fmt: skip
def test_what_people_call_it(text: str, name: str) -> None:
    assert read(text, HOUSE) == Apply(name, X)


def test_a_page_shows_what_its_cell_applies() -> None:
    own = sl.Cell.from_latex(r"h_t = \operatorname{SiLU}(W x_t + U h_{t-1})")
    names = [step.name for step in sl.derive(own, "activations").steps]
    assert any("silu" in name for name in names) and not any("tanh" in name or "relu" in name for name in names)
    usual = [step.name for step in sl.derive("rnn", "activations").steps]
    assert all(any(name in each for each in usual) for name in ("sigma", "tanh", "relu"))
    assert sl.verify(sl.derive(own, "activations")).ok
