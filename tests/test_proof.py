"""Exact decisions: right statements hold, near ones do not, and what cannot be decided is said to be so."""

from __future__ import annotations

import operator
from fractions import Fraction
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, expand
from sympy import symbols as sympy_symbols

from symlstm import zoo
from symlstm.activations import ACTIVATIONS, X, sigma, tanh
from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Diag,
    Div,
    Hadamard,
    Limit,
    MatMul,
    Neg,
    Norm,
    Num,
    Partial,
    Pow,
    Prime,
    Prod,
    Relation,
    Sum,
    Sym,
    Term,
    Time,
    children,
    equation,
    quantities,
    quantity,
    relation,
    symbols,
    term,
)
from symlstm.evidence import bounds, scalars
from symlstm.evidence.components import Components, same, same_relation
from symlstm.evidence.proof import Proof
from symlstm.evidence.rings import Point
from symlstm.model import Cell

x, h, c, i, f, o, g, z = quantities("x h c i f o g z")
z_i, z_f = quantities("z_i z_f")
W, U, b = symbols("W U b")
U_i, U_f, U_o, U_g, W_f = symbols("U_i U_f U_o U_g W_f")
L, ell = Sym("L"), quantity("ell")
FIRST, LAST, K = Time("", 1), Time("T"), Time("k")
LSTM, RNN = Proof(zoo.LSTM), Proof(zoo.RNN)
QUARTER = Num(Fraction(1, 4))


def _total(first: Time = FIRST, last: Time = LAST, body: Term | None = None) -> Relation:
    return equation(Partial(L, W_f), Sum("s", first, last, body or Adj(z_f.at(Time("s"))) @ x.at(Time("s")).T))


RIGHT: tuple[tuple[Proof, Relation], ...] = (
    (LSTM, equation(Adj(c), Adj(c, arriving=True) + Adj(h) * o * (1 - tanh(c) ** 2))),
    (LSTM, equation(Adj(c), Adj(c.next) * f.next + Adj(h) * o * (1 - tanh(c) ** 2))),
    (LSTM, equation(Adj(c.prev, arriving=True), Adj(c) * f)),
    (LSTM, equation(Adj(z_f), Adj(f) * f * (1 - f), Adj(c) * c.prev * f * (1 - f))),
    (LSTM, equation(Adj(z_f), Adj(f) * Prime("sigma", z_f))),
    (LSTM, equation(Adj(c), Adj(c, arriving=True) + Adj(h) * o * (1 - tanh(f * c.prev + i * g) ** 2))),  # a state written out
    (LSTM, equation(Adj(W_f.at(Time())), Adj(z_f) @ x.T)),
    (LSTM, _total()),
    (LSTM, _total(last=LAST + 1)),  # the adjoints of step T+1 are zero
    (LSTM, equation(Partial(L, c), Adj(c))),
    (LSTM, equation(L, Sum("t", FIRST, LAST, ell))),
    (LSTM, equation(Partial(c, c.prev, direct=True), Diag(f))),
    (LSTM, equation(Partial(c, c.at(K), direct=True), Prod("s", Time(), K + 1, Diag(f.at(Time("s")))))),
    (LSTM, equation(Partial(c, c.at(K), direct=True), Diag(Prod("s", K + 1, Time(), f.at(Time("s")))))),
    (LSTM, equation(Partial(c, c.prev), Diag(f) + Partial(c, h.prev) @ Partial(h.prev, c.prev))),
    (LSTM, equation(Adj(h.at(Time("T", 1))), 0 * h)),
    (LSTM, equation(Adj(h.at(LAST)), Partial(Sym("ell", LAST), h.at(LAST)))),
    (RNN, equation(Adj(h), Partial(ell, h) + U.T @ Adj(z.next))),
    (RNN, equation(Adj(h.at(Time("", 0))), U.T @ Adj(z.at(FIRST)))),
    (RNN, equation(Partial(h, h.prev), Diag(1 - h**2) @ U)),
    (RNN, equation(Partial(h, h.prev.prev), Partial(h, h.prev) @ Partial(h.prev, h.prev.prev))),
    (RNN, equation(Partial(h, h.at(K)), Prod("s", Time(), K + 1, Diag(1 - h.at(Time("s")) ** 2) @ U))),
)
WRONG: tuple[tuple[Proof, Relation], ...] = (
    (LSTM, equation(Adj(c), Adj(h) * o * (1 - tanh(c) ** 2))),  # no carry
    (LSTM, equation(Adj(c), Adj(c.next) * f + Adj(h) * o * (1 - tanh(c) ** 2))),
    (LSTM, equation(Adj(c.prev), Adj(c) * f)),  # the whole adjoint has more ways
    (LSTM, equation(Adj(z_f), Adj(f) * Prime("sigma", f))),
    (LSTM, _total(first=FIRST + 1)),
    (LSTM, _total(last=LAST + -1)),
    (LSTM, equation(Partial(L, W_f), Adj(z_f) @ x.T)),
    (LSTM, equation(Partial(c, c.prev), Diag(f))),  # the direct path only
    (LSTM, equation(Adj(h.at(LAST)), 0 * h)),
    (RNN, equation(Adj(h), U.T @ Adj(z.next))),
    (RNN, equation(Adj(z), Adj(h) * (1 - z**2))),
    (RNN, equation(Partial(h, h.at(K)), Prod("s", K + 1, Time(), Diag(1 - h.at(Time("s")) ** 2) @ U))),  # the other order
    (RNN, equation(Partial(h, h.at(K)), Prod("s", Time(), K, Diag(1 - h.at(Time("s")) ** 2) @ U))),  # one factor too many
    (RNN, equation(Adj(U.at(Time())), Adj(z) @ x.T)),  # its shape fits only where m = n
)


@pytest.mark.parametrize(("proof", "line"), RIGHT, ids=[str(line) for _, line in RIGHT])
def test_a_right_equation_is_proved(proof: Proof, line: Relation) -> None:
    decision = proof.decide(line)
    assert decision.ok and decision.decided, decision.note


@pytest.mark.parametrize(("proof", "line"), WRONG, ids=[str(line) for _, line in WRONG])
def test_a_wrong_equation_is_refused(proof: Proof, line: Relation) -> None:
    decision = proof.decide(line)
    assert decision.decided and not decision.ok


def test_without_a_point_a_wrong_equation_is_left_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proof is found either: what the point says is said by nothing else."""
    monkeypatch.setattr("symlstm.evidence.proof.refuted", lambda *_: False)
    for proof, line in WRONG:
        assert not proof.decide(line).ok


@pytest.mark.parametrize("line", [
    equation(Partial(h, h.at(K)), Prod("s", Time(), K + 1, Diag(o.at(Time("s"))))),  # several states
    relation(Norm(U_f), "<", 1),
], ids=str)
def test_what_is_not_decided_is_said_to_be_so(line: Relation) -> None:
    decision = LSTM.decide(line)
    assert not decision.ok and not decision.decided


@pytest.mark.parametrize("cell", [zoo.LSTM, zoo.RNN], ids=lambda cell: cell.name)
def test_every_definition_is_the_reference_and_another_one_is_not(cell: Cell) -> None:
    proof = Proof(cell)
    for line in cell.named:
        assert proof.define(line).ok
        assert not proof.define(equation(line.lhs, line.rhs + line.lhs)).ok
    assert not proof.define(equation(h, Apply("sigma", quantity("c" if cell is zoo.LSTM else "z")))).ok


# --- components -------------------------------------------------------------------------------------------------------

_LETTERS = [Sym("p"), Sym("q"), Sym("r")]
_JOINS = st.sampled_from([operator.add, operator.mul, operator.sub])
_polynomials = st.recursive(
    st.sampled_from(_LETTERS) | st.integers(-3, 3).map(term),
    lambda below: st.builds(lambda join, left, right: join(left, right), _JOINS, below, below),
    max_leaves=8)


def _sympy(node: Term) -> Any:
    names = dict(zip(_LETTERS, sympy_symbols("p q r"), strict=True))
    if isinstance(node, Num):
        return Rational(node.value.numerator, node.value.denominator)
    if isinstance(node, Sym):
        return names[node]
    parts = [_sympy(child) for child in children(node)]
    return {Add: lambda: sum(parts), Neg: lambda: -parts[0], Hadamard: lambda: prod(parts)}[type(node)]()  # type: ignore[index]


@given(_polynomials, _polynomials)
@settings(max_examples=60, deadline=None)
def test_equality_is_sympys_and_a_point_never_refutes_what_is_equal(left: Term, right: Term) -> None:
    equal = expand(_sympy(left) - _sympy(right)) == 0
    assert same(left, right, zoo.RNN.shapes) == equal
    assert equal == (not _at_a_point(left, right))


def _at_a_point(left: Term, right: Term) -> bool:
    value = Components(Point(), zoo.RNN.shapes)
    return any(value.entries(value(left) - value(right)))


MEANS_THE_SAME: tuple[tuple[Term, Term], ...] = (
    (f * c.prev + i * g, g * i + c.prev * f),
    (W_f @ (x + x), W_f @ x + W_f @ x),
    ((W_f @ x).T, x.T @ W_f.T),
    (Diag(f) @ c, c * f),
    (Diag(f).T, Diag(f)),
    (f / (i * g), f / i / g),
    (1 / (1 + sigma(z_i)) * 2, Div(term(2), sigma(z_i) + 1)),
    (sigma(z_i + z_f), sigma(z_f + z_i)),
    (Sum("t", FIRST, LAST, Adj(f) + i), Sum("s", FIRST, LAST, i.at(Time("s")) + Adj(f.at(Time("s"))))),
    (Pow(f, term(-2)), 1 / (f * f)),
    (Norm(U_f + U_i), Norm(U_i + U_f)),
)
MEANS_SOMETHING_ELSE: tuple[tuple[Term, Term], ...] = (
    (f, i),
    (f, f.prev),
    (W_f, W_f.T),
    (U_f, U_f.T),
    (U_f @ U_i, U_i @ U_f),
    (f @ c.T, f * c),
    (Adj(f), Partial(L, f)),
    (Adj(c), Adj(c, arriving=True)),
    (Partial(c, c.prev), Partial(c, c.prev, direct=True)),
    (Prime("sigma", z_i), sigma(z_i) * (1 - sigma(z_i))),  # true, but not what it says
    (i, sigma(z_i)),
    (Sum("t", FIRST, LAST, f), Sum("t", FIRST + 1, LAST, f)),
    (Prod("t", FIRST, LAST, Diag(f)), Prod("t", LAST, FIRST, Diag(f))),
    (Num(Fraction(1, 2), 1), Num(Fraction(1, 2), 2)),  # other digits
    (Limit(sigma(X), X, 1), Limit(sigma(X), X, -1)),
)


@pytest.mark.parametrize(("left", "right"), MEANS_THE_SAME, ids=str)
def test_terms_that_mean_the_same(left: Term, right: Term) -> None:
    assert same(left, right, zoo.LSTM.shapes) and same(right, left, zoo.LSTM.shapes)


@pytest.mark.parametrize(("left", "right"), MEANS_SOMETHING_ELSE, ids=str)
def test_terms_that_mean_something_else(left: Term, right: Term) -> None:
    assert not same(left, right, zoo.LSTM.shapes) and not same(right, left, zoo.LSTM.shapes)


def test_relations_are_compared_sign_by_sign() -> None:
    line = relation(0, "<", f, "<=", 1)
    assert same_relation(line, relation(0, "<", f, "<=", 1), zoo.LSTM.shapes)
    assert not same_relation(line, relation(0, "<", f, "<", 1), zoo.LSTM.shapes)
    assert not same_relation(line, Relation(line.terms, line.operators, relation(X, ">", 0)), zoo.LSTM.shapes)
    assert not same_relation(equation(f, sigma(z_f)), equation(sigma(z_f), f), zoo.LSTM.shapes)


# --- one variable -----------------------------------------------------------------------------------------------------

HOLDS: tuple[Relation, ...] = (
    relation(0, "<", Prime("sigma", X), "<=", QUARTER),
    equation(QUARTER - Prime("sigma", X), Pow(sigma(X) - Num(Fraction(1, 2)), term(2))),
    Relation((Prime("sigma", X), QUARTER), ("<",), relation(X, "!=", 0)),
    relation(tanh(X), "in", ACTIVATIONS["tanh"].values),
    equation(tanh(X), MatMul((term(2), sigma(MatMul((term(2), X))))) - 1),
    equation(Apply("exp", X) * Apply("exp", -X), term(1)),
    relation(tanh(X), "<", 1),
    Relation((tanh(X), term(0)), (">",), relation(X, ">", 0)),
    Relation((sigma(X), Num(Fraction(1, 2))), ("<",), relation(X, "<", 0)),
    relation(Apply("relu", X), ">=", X),
    equation(Limit(sigma(X), X, 1), term(1)),
    relation(Pow(Num(Fraction(9, 10)), term(5)), "~", Num(Fraction(5905, 10000), 4)),
)
FAILS: tuple[Relation, ...] = (
    relation(Prime("sigma", X), "<", QUARTER),
    relation(Prime("sigma", X), "<=", Num(Fraction(1, 5))),
    relation(Prime("tanh", X), "<=", QUARTER),
    equation(Prime("tanh", X), 1 - tanh(X)),
    equation(sigma(X), tanh(X)),
    relation(Apply("relu", X), ">", 0),
    equation(Limit(tanh(X), X, -1), term(1)),
    Relation((Prime("relu", X), term(1)), ("=",), relation(X, "<", 0)),
    relation(Pow(Num(Fraction(9, 10)), term(5)), "~", Num(Fraction(5904, 10000), 4)),
    equation(Prime("sigma", term(0)), Num(Fraction(1, 2))),
)


@pytest.mark.parametrize("line", HOLDS, ids=str)
def test_a_statement_about_x_that_holds_has_a_proof(line: Relation) -> None:
    decision = scalars.decide(line)
    assert decision.ok and decision.decided, decision.note


@pytest.mark.parametrize("line", FAILS, ids=str)
def test_a_statement_about_x_that_fails_has_none(line: Relation) -> None:
    assert not scalars.decide(line).ok


def test_nothing_is_claimed_at_a_kink() -> None:
    assert not scalars.decide(equation(Prime("relu", term(0)), term(0))).ok


@pytest.mark.parametrize("name", [row.name for row in ACTIVATIONS.values() if row.slope_of is not None])
def test_the_slopes_that_the_proof_uses_are_proved(name: str) -> None:
    assert scalars.slope_is_proved(name)


# --- norms over time ----------------------------------------------------------------------------------------------------

T_MINUS_K = Add((Sym("t"), -Sym("k")))
GAMMA = Sym("gamma")


def _norm_bound(base: Term) -> Relation:
    return relation(Norm(Partial(h, h.at(K))), "<=", Pow(base, T_MINUS_K))


def test_the_bound_of_the_jacobian_over_time_needs_the_largest_slope() -> None:
    line = _norm_bound(GAMMA @ Norm(U))
    assert bounds.decide(RNN, line, {"gamma": Fraction(1)}).ok
    assert not bounds.decide(RNN, line, {"gamma": Fraction(99, 100)}).ok
    assert not bounds.decide(RNN, _norm_bound(GAMMA @ Norm(W)), {"gamma": Fraction(1)}).ok
    assert not bounds.decide(LSTM, _norm_bound(GAMMA @ Norm(U_f)), {"gamma": Fraction(1)}).ok


def test_the_direct_path_shrinks_only_where_there_is_a_step() -> None:
    norms = Prod("s", Time(), K + 1, Norm(Diag(f.at(Time("s")))))
    later = relation(Sym("t"), ">", Sym("k"))
    assert bounds.decide(LSTM, relation(norms, "<", 1, condition=later)).ok
    assert not bounds.decide(LSTM, relation(norms, "<", 1)).ok
    assert not bounds.decide(LSTM, relation(Norm(Diag(c)), "<", 1)).ok
    assert not bounds.decide(LSTM, relation(Norm(Diag(f)), "<", Num(Fraction(1, 2)))).ok


def test_gamma_is_the_largest_slope_and_nothing_else() -> None:
    assert bounds.decide_largest_slope(zoo.RNN, Fraction(1)).ok
    assert not bounds.decide_largest_slope(zoo.RNN, Fraction(2)).ok
    assert not bounds.decide_largest_slope(zoo.RNN, Fraction(1, 4)).ok


def _is_bounded(name: str, line: Relation) -> bool:
    decision = bounds.decide(Proof(zoo.cell(name)), line)
    return decision.ok and decision.decided


def test_entries_made_of_several_activations_have_bounds() -> None:
    f_bar = quantity("f_bar")
    assert _is_bounded("minlstm", relation(Norm(Diag(f_bar)), "<", 1))  # f / (f + i)
    assert _is_bounded("minlstm", relation(Norm(Diag(f / (f + i))), "<", 1))
    assert not _is_bounded("minlstm", relation(Norm(Diag(f / i)), "<", 1))
    assert not _is_bounded("minlstm", relation(Norm(Diag(f + i)), "<", 1))
    assert _is_bounded("minlstm", relation(Norm(Diag(f + i)), "<", 2))
    assert _is_bounded("mingru", relation(Norm(Diag(1 - z)), "<", 1))
    assert not _is_bounded("mingru", relation(Norm(Diag(1 + z)), "<", 1))
    assert _is_bounded("rnn-relu", relation(Norm(Diag(Prime("relu", z))), "<=", 1))
    assert not _is_bounded("rnn-relu", relation(Norm(Diag(Prime("relu", z))), "<", 1))
    assert not _is_bounded("rnn-relu", relation(Norm(Diag(h)), "<=", 1))


def test_the_largest_slope_of_a_function_with_a_kink_is_one_beside_it() -> None:
    assert bounds.decide_largest_slope(zoo.cell("rnn-relu"), Fraction(1)).ok
    assert not bounds.decide_largest_slope(zoo.cell("rnn-relu"), Fraction(1, 2)).ok
    assert not bounds.decide_largest_slope(zoo.cell("rnn-relu"), Fraction(2)).ok


# --- conditions, and the first step ---------------------------------------------------------------------------------------


def test_what_a_condition_says_is_put_in_and_only_that_long() -> None:
    line = (z, W @ x + b)
    assert RNN.decide(Relation(line, ("=",), equation(U, term(0)))).ok
    assert not RNN.decide(Relation(line, ("=",), equation(W, term(0)))).ok
    assert not RNN.decide(equation(*line)).ok
    assert "with U = 0 put in" in RNN.decide(Relation(line, ("=",), equation(U, term(0)))).note


def test_a_condition_that_is_not_understood_is_not_decided() -> None:
    decision = RNN.decide(Relation((z, z), ("=",), relation(Sym("t"), ">", Sym("k"))))
    assert not decision.ok and not decision.decided


def test_the_states_of_the_first_step_do_not_come_from_a_step() -> None:
    """dh/dc from h = o tanh(c), without o: true at every step, but not of the initial states."""
    def slope(t: Sym, of: Sym) -> Relation:
        return equation(Partial(of, t), Diag(of / tanh(t) * (1 - tanh(t) ** 2)))
    assert LSTM.decide(slope(c, h)).ok
    decision = LSTM.decide(slope(c.prev, h.prev))
    assert decision.decided and not decision.ok and "at the first step" in decision.note
    assert LSTM.decide(equation(Partial(h.prev, c.prev), Diag(o.prev * (1 - tanh(c.prev) ** 2)))).ok  # there is no o_0
    assert LSTM.decide(equation(Partial(h.at(Time("", 0)), c.at(Time("", 0))), 0 * U_f)).ok
    assert not LSTM.decide(equation(Partial(h.at(FIRST), c.at(FIRST)), 0 * U_f)).ok
