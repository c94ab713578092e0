"""The field of the exact method: what its atoms are in numbers, that nothing vanishes that is not zero, and cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symlstm import zoo
from symlstm.algebra import (
    Adj,
    Apply,
    Max,
    NotSupported,
    NotValid,
    Num,
    Pow,
    Relation,
    Sym,
    Term,
    Trace,
    equation,
    quantities,
    term,
)
from symlstm.evaluate import STEP, Evaluator
from symlstm.evidence.counterpoints import CounterPoint, refuted
from symlstm.evidence.duals import Dual
from symlstm.evidence.fields import Field
from symlstm.evidence.polynomials import Polynomial
from symlstm.evidence.proof import Proof
from symlstm.evidence.stepping import Reckoned

P, Q = Sym("p"), Sym("q")
LETTERS = (P, Q)


def _joined(below: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    """Sums, products, quotients, maxima and functions; a square root and a logarithm of what is positive."""
    return st.one_of(
        st.builds(lambda a, b: a + b, below, below),
        st.builds(lambda a, b: a - b, below, below),
        st.builds(lambda a, b: a * b, below, below),
        st.builds(lambda a, b: a / b, below, below),
        st.builds(lambda a, b: Max((a, b)), below, below),
        st.builds(Apply, st.sampled_from(["exp", "sigma", "tanh", "abs", "relu"]), below),
        st.builds(lambda a: Apply("sqrt", 1 + a * a), below),
        st.builds(lambda a: Apply("log", 1 + Apply("exp", a)), below),
    )


TERMS = st.recursive(st.sampled_from(LETTERS) | st.integers(-2, 2).map(term), _joined, max_leaves=6)
POINTS = st.integers(0, 50)


def _in_field(field: Field, node: Term, *, seed: Term | None = None) -> Any:
    """A term in letters as an element; with the derivative by one of them as a dual number."""
    leaves = {letter: np.array([[field.generator((letter,))]], dtype=object) for letter in LETTERS}
    if seed is not None:
        leaves[seed][0, 0] = Dual(leaves[seed][0, 0], {0: field.element(1)})  # type: ignore[index]
    try:
        value = Reckoned(field, zoo.RNN.shapes, leaves)(node)  # type: ignore[arg-type]
    except (NotValid, NotSupported):
        assume(False)
    return value[0, 0] if np.shape(value) else value


def _in_numbers(point: CounterPoint, node: Term, step: Term | None = None) -> complex:
    """The same term at a point, in complex numbers."""
    leaves = {letter: np.array([[point.value(point.field.generator((letter,))) + (1j * STEP if letter == step else 0)]])
              for letter in LETTERS}
    with np.errstate(all="ignore"):
        try:
            return complex(np.asarray(Evaluator(leaves.__getitem__)(node)).flat[0])  # type: ignore[arg-type]
        except (ZeroDivisionError, OverflowError):
            assume(False)
            raise


def _agree(point: CounterPoint, element: Any, number: float) -> bool:
    """Whether an element is a number at a point, to what its terms can be rounded."""
    try:
        value, size = point._terms(point.field.element(element))
    except (ArithmeticError, ValueError):
        assume(False)
        raise
    assume(np.isfinite([value, size, number]).all() and size < 1e8)
    return abs(value - number) <= 1e-6 * (1 + size + abs(number))


@given(TERMS, POINTS)
@settings(max_examples=150, deadline=None)
def test_an_element_is_at_every_point_what_the_term_is(node: Term, seed: int) -> None:
    field = Field()
    element, point = _in_field(field, node), CounterPoint(field, seed)
    assert _agree(point, element, _in_numbers(point, node).real)


@given(TERMS, POINTS)
@settings(max_examples=150, deadline=None)
def test_a_dual_number_carries_the_derivative(node: Term, seed: int) -> None:
    """Against a complex step; no point lies on a kink."""
    field = Field()
    dual, point = _in_field(field, node, seed=P), CounterPoint(field, seed)
    slope = dual.parts.get(0, 0) if isinstance(dual, Dual) else 0
    assert _agree(point, slope, _in_numbers(point, node, step=P).imag / STEP)


@given(TERMS, TERMS)
@settings(max_examples=150, deadline=None)
def test_what_vanishes_is_refuted_nowhere(left: Term, right: Term) -> None:
    field = Field()
    difference = field.element(_in_field(field, left)) - _in_field(field, right)
    if field.vanishes(difference):
        assert not refuted(field, difference)


p, q = (Field().generator((letter,)) for letter in LETTERS)
EQUAL: tuple[tuple[Term, Term], ...] = (
    (Apply("exp", P - 2 * Q) * Apply("exp", Q), Apply("exp", P) / Apply("exp", Q)),
    (Apply("exp", -Apply("log", 1 + Apply("exp", P))), 1 / (1 + Apply("exp", P))),
    (Pow(Apply("sqrt", P), term(3)), P * Apply("sqrt", P)),
    (1 / Apply("sqrt", P), Apply("sqrt", P) / P),
    (Apply("sqrt", term(9)), term(3)),
    (Apply("sigma", P - Q) + Apply("sigma", Q - P), term(1)),
    (Apply("tanh", -P), -Apply("tanh", P)),
    (Apply("tanh", P - P), term(0)),
    (P / (P + Q) + Q / (P + Q), term(1)),
    (1 / (1 / P + 1 / Q), P * Q / (P + Q)),
    (Max((P, Q)), Max((Q, P))),
    (Max((P, Q)) + Max((-P, -Q)), Apply("abs", P - Q)),
    (Max((2 * P, 2 * Q)), 2 * Max((P, Q))),
    (Max((P * Apply("exp", Q), Q * Apply("exp", Q))), Apply("exp", Q) * Max((P, Q))),
    (Apply("abs", P / Apply("exp", Q) - Apply("exp", P - Q)), Apply("abs", P - Apply("exp", P)) / Apply("exp", Q)),
    (Apply("abs", P * Apply("sigma", Q)), Apply("sigma", Q) * Apply("abs", P)),
    (Apply("abs", P) * Apply("abs", P), P * P),
    (Apply("relu", P) * Apply("relu", -P), term(0)),
    (Apply("relu", P) - Apply("relu", -P), P),
)
DIFFERENT: tuple[tuple[Term, Term], ...] = (
    (Apply("exp", P + Q), Apply("exp", P) + Apply("exp", Q)),
    (Apply("sqrt", P * P), P),  # it is |p|
    (Apply("sigma", -P), -Apply("sigma", P)),
    (Max((P, Q)), P),  # it is so in one case
    (Apply("abs", P), P),
    (Max((-P, -Q)), -Max((P, Q))),
    (Max((P * Apply("tanh", Q), Q * Apply("tanh", Q))), Apply("tanh", Q) * Max((P, Q))),
    (1 / (P + Q), 1 / P + 1 / Q),
)


@pytest.mark.parametrize(("left", "right"), EQUAL, ids=str)
def test_relations_between_atoms_are_known(left: Term, right: Term) -> None:
    field = Field()
    assert field.vanishes(field.element(_in_field(field, left)) - _in_field(field, right))


@pytest.mark.parametrize(("left", "right"), DIFFERENT, ids=str)
def test_what_is_not_so_is_refuted(left: Term, right: Term) -> None:
    field = Field()
    difference = field.element(_in_field(field, left)) - _in_field(field, right)
    assert not field.vanishes(difference) and refuted(field, difference)


def test_nothing_is_claimed_where_two_are_equal() -> None:
    with pytest.raises(NotSupported):
        Field().slope("relu", 0)


def test_a_definition_is_put_in_where_it_is_needed_inside_atoms_too() -> None:
    field = Field()
    a, b = field.generator(("a",)), field.generator(("b",))
    total = field.named(("total",), a + b, (0, 0, 0))
    assert field.vanishes(total - a - b) and field.vanishes(total - a - b, steps=1) and not field.vanishes(total - a - b, steps=0)
    assert field.function("tanh", a + b) == field.function("tanh", total)
    assert field.function("tanh", 2 * total) != field.function("tanh", 2 * a + 2 * b)
    assert field.vanishes(field.function("tanh", 2 * total) - field.function("tanh", 2 * a + 2 * b))
    assert not field.vanishes(total - a)


def test_a_value_may_be_given_for_a_while() -> None:
    field = Field()
    a = field.generator(("a",))
    with field.fixed([(0, field.element(0))]):
        assert field.vanishes(field.function("tanh", 3 * a))
    assert not field.vanishes(a)


# --- cells beyond polynomials -------------------------------------------------------------------------------------------

f, i, h, c, n, m, s, a, v, mu, d, z = quantities("f i h c n m s a v mu_c d_c z")
f_raw, i_raw, f_bar, v_c, s_c = quantities("f_tilde i_tilde f_bar v_c s_c")
SLSTM, MLSTM, LAYERNORM, MINLSTM, RELU = (
    Proof(zoo.cell(name)) for name in ("slstm", "mlstm", "lstm-layernorm", "minlstm", "rnn-relu"))
HALF = Num(term(1).value / 2)  # type: ignore[attr-defined]
STATEMENTS: tuple[tuple[Proof, Relation, bool], ...] = (
    (SLSTM, equation(m, f_raw + m.prev + Apply("relu", i_raw - f_raw - m.prev)), True),
    (SLSTM, equation(Apply("exp", f_raw + m.prev), f * Apply("exp", m)), True),
    (SLSTM, equation(Apply("abs", f_raw + m.prev - i_raw), m + m - f_raw - m.prev - i_raw), True),
    (SLSTM, equation(m, f_raw + m.prev), False),  # in one case only
    (SLSTM, equation(Adj(f_raw), Adj(f) * f), False),
    (SLSTM, equation(Adj(c), Adj(c, arriving=True) + Adj(h) * quantities("o")[0] / n), True),
    (SLSTM, equation(Adj(c), Adj(c, arriving=True) + Adj(h) * quantities("o")[0] * n), False),
    (MLSTM, equation(s, Max((Apply("exp", -m), Apply("abs", a)))), True),
    (MLSTM, equation(s, Max((Apply("exp", m), Apply("abs", a)))), False),
    (MLSTM, equation(Adj(f), Trace(Sym("C", f.prev.time).T @ Adj(Sym("C", f.time))) + Adj(n).T @ n.prev), True),
    (MLSTM, equation(Adj(f), Trace(Sym("C", f.prev.time) @ Adj(Sym("C", f.time))) + Adj(n).T @ n.prev), False),
    (LAYERNORM, equation(s_c * s_c, v_c), True),
    (LAYERNORM, equation(Adj(v_c), HALF * Adj(s_c) / s_c), True),
    (LAYERNORM, equation(Adj(v_c), Adj(s_c) / s_c), False),
    (MINLSTM, equation(Adj(f), (Adj(f_bar) - Adj(quantities("i_bar")[0])) * i / (f + i) ** 2), True),
    (MINLSTM, equation(f_bar, 1 - quantities("i_bar")[0]), True),
    (MINLSTM, equation(f_bar, f / (1 + f)), False),
    (RELU, equation(h * h, z * h), True),
    (RELU, equation(h, z), False),
)


@pytest.mark.parametrize(("proof", "line", "right"), STATEMENTS, ids=[str(line) for _, line, _ in STATEMENTS])
def test_statements_about_cells_beyond_polynomials(proof: Proof, line: Relation, right: bool) -> None:
    decision = proof.decide(line)
    assert decision.decided and decision.ok == right, decision.note


def test_the_cases_are_named() -> None:
    note = SLSTM.decide(equation(Adj(i_raw), Adj(i) * i + Adj(m) * Apply("relu", term(1)))).note
    assert "differ" in note
    line = equation(m, i_raw + Apply("relu", f_raw + m.prev - i_raw))
    assert "f_tilde[t] + m[t-1] above and below i_tilde[t]; at equality nothing is claimed" in SLSTM.decide(line).note
    assert "case by case" not in SLSTM.decide(equation(n, f * n.prev + i)).note


def test_a_product_that_gets_too_long_is_left_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symlstm.evidence.polynomials.ALLOWED", 10)
    decision = Proof(zoo.LSTM).decide(equation(c, f * c.prev))
    assert not decision.ok and not decision.decided
    assert Polynomial.spent > 10
