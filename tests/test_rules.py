"""The adjoint law of every VJP rule: <d, J v> = <J' d, v>, with J v by complex step through the interpreter alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Blocks,
    Div,
    Hadamard,
    MatMul,
    Neg,
    NotSupported,
    Num,
    Pow,
    Sym,
    Term,
    Transpose,
    term,
    walk,
)
from symlstm.evaluate import Evaluator
from symlstm.rules import RULES, vjp

A, B, C, SQUARE, ROW = Sym("A"), Sym("B"), Sym("C"), Sym("S"), Sym("R")
SHAPES = {A: (3, 2), B: (2, 4), C: (3, 2), SQUARE: (3, 3), ROW: (4, 3)}

CASES: dict[str, Term] = {
    "sum of three": A + C + A,
    "sum with a number": 1 - A,
    "negative": Neg(A),
    "product of two": A @ B,
    "product of three": SQUARE @ A @ B,
    "product with a transpose": Transpose(C) @ SQUARE,
    "Hadamard of two": A * C,
    "Hadamard of three, one twice": A * C * A,
    "quotient": A / (C * C + 2),
    "square": Pow(A, term(2)),
    "cube": Pow(A, term(3)),
    "transpose": Transpose(A),
    "sigma": Apply("sigma", A),
    "tanh": Apply("tanh", A),
}


def _adjoints(node: Term, seed: Term) -> dict[Sym, list[Term]]:
    """The shares of every leaf, by the rules alone."""
    found: dict[Sym, list[Term]] = {}
    stack = [(node, seed)]
    while stack:
        here, adjoint = stack.pop()
        if isinstance(here, Sym):
            found.setdefault(here, []).append(adjoint)
        elif not isinstance(here, Num):
            stack += vjp(here, adjoint, {})[1]
    return found


@pytest.mark.parametrize("name", CASES)
def test_adjoint_law(name: str) -> None:
    node, generator = CASES[name], np.random.default_rng(7)
    values = {leaf: generator.standard_normal(shape) + (leaf == C) for leaf, shape in SHAPES.items()}
    change = {leaf: generator.standard_normal(shape) for leaf, shape in SHAPES.items()}
    seed = Adj(Sym("y"))
    stepped = Evaluator(lambda leaf: values[leaf] + 1e-30j * change[leaf])(node)  # type: ignore[index]
    d = generator.standard_normal(stepped.shape)
    forward = np.sum(d * stepped.imag / 1e-30)
    backward = 0.0
    for leaf, shares in _adjoints(node, seed).items():
        for share in shares:
            value = Evaluator(lambda part: d if part == seed else values[part])(share)  # type: ignore[index]
            assert value.shape == SHAPES[leaf], "shape law"
            backward += np.sum(value * change[leaf])
    assert backward == pytest.approx(forward, rel=1e-12)


def test_every_rule_is_covered_and_states_its_identity() -> None:
    used = {type(part) for node in CASES.values() for part in walk(node)}
    assert set(RULES) <= used
    for rule in RULES.values():
        assert rule.__doc__ and "share_" in rule.__doc__


def test_a_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The law can fail: a product rule without the other factor does not satisfy it."""
    monkeypatch.setitem(RULES, Hadamard, lambda node, d, _: [(arg, d) for arg in node.args])
    with pytest.raises(AssertionError):
        test_adjoint_law("Hadamard of two")


@pytest.mark.parametrize("node", [Pow(A, Sym("k")), Blocks(((A,), (C,)))])
def test_a_node_without_a_rule_is_refused_with_its_text(node: Term) -> None:
    with pytest.raises(NotSupported) as error:
        vjp(node, Adj(Sym("y")), {})
    assert "A" in error.value.where and error.value.right


def test_fractions_survive() -> None:
    assert vjp(Pow(A, Num(Fraction(1, 2))), B, {})[1][0][1] == MatMul(
        (Num(Fraction(1, 2)), Hadamard((B, Pow(A, Num(Fraction(-1, 2))))))
    )
    assert isinstance(Add((A, B)), Add) and isinstance(Div(A, B), Div)
