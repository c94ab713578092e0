"""The adjoint law of every VJP rule: <d, J v> = <J' d, v>, with J v by complex step through the interpreter alone."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Blocks,
    Component,
    Diag,
    Div,
    Hadamard,
    MatMul,
    Max,
    Neg,
    NotSupported,
    Num,
    Ones,
    Pow,
    Rows,
    Sym,
    Term,
    Trace,
    Transpose,
    equation,
    plain,
    quantity,
    term,
    walk,
)
from symlstm.evaluate import Evaluator
from symlstm.rules import RULES, Known, vjp
from symlstm.shapes import Shapes

n, m, k, p = (Sym(letter) for letter in "nmkp")
SIZES = {"n": 3, "m": 2, "k": 4, "p": 6}
SPACES: dict[str, tuple[Term, ...]] = {
    "A": (n, m), "B": (m, k), "C": (n, m), "S": (n, n), "D": (n, n), "s": (term(1), term(1)), "r": (term(1), term(1)),
    "u": (n,), "v": (n,), "w": (m,), "q": (p,), "E": (p, m),
}  # fmt: skip
A, B, C, S, D, s, r, u, v, w, q, E = map(Sym, SPACES)

CASES: dict[str, Term] = {
    "sum of three": A + C + A,
    "sum with a number": 1 - A,
    "negative": Neg(A),
    "product of two": A @ B,
    "product of three": S @ A @ B,
    "product with a transpose": Transpose(C) @ S,
    "product with a product transposed": Transpose(A @ B) @ v,
    "row times column": u.T @ v,
    "row times matrix times column": u.T @ S @ v,
    "column times row": u @ w.T,
    "number times column times row": s @ u @ w.T,
    "number times matrix": s @ A,
    "number between matrices": MatMul((S, s, A)),
    "number written out times number times matrix": MatMul((term(3), s, A)),
    "number times column": s @ u,
    "number times number": s @ r,
    "Hadamard of two": A * C,
    "Hadamard of three, one twice": A * C * A,
    "Hadamard of numbers": s * r,
    "quotient": A / (C * C + 2),
    "matrix over number": A / (r * r + 2),
    "product over number": (S @ u) / (r * r + 2),
    "outer product over number": (u @ w.T) / (r * r + 2),
    "number over number": s / (r * r + 2),
    "square": Pow(A, term(2)),
    "cube": Pow(A, term(3)),
    "transpose": Transpose(A),
    "transpose of a product": Transpose(S @ A @ B),
    "transpose of number times product": Transpose(MatMul((s, S, A))),
    "sigma": Apply("sigma", A),
    "tanh": Apply("tanh", A),
    "exp": Apply("exp", A),
    "sqrt": Apply("sqrt", 2 + A * A),
    "abs": Apply("abs", A),
    "larger of two": Max((A, C)),
    "larger of sums": Max((A + C, C * C)),
    "larger than zero": Max((term(0), A)),
    "larger of numbers": Max((s, r)),
    "diagonal": Diag(u),
    "diagonal times matrix": Diag(u * v) @ A,
    "trace": Trace(S),
    "trace of a product": Trace(Transpose(A) @ S @ C),
    "trace as a factor": Trace(S) @ D,
    "stacked": Blocks(((u,), (w,), (v,))),
    "side by side": Blocks(((S, A),)),
    "two rows of blocks": Blocks(((S, A), (Transpose(A), Transpose(A) @ A))),
    "stacked under a matrix": S @ Rows(Blocks(((w,), (u,))), m, n + m),
    "rows, first": Rows(q, term(0), n),
    "rows, last": Rows(q, n, p),
    "mean": (Ones(n).T @ u) / n,
    "constant vector": s @ Ones(n),
}


def _shapes() -> Shapes:
    """The sizes of all letters of the cases, by one equation that uses them all; y is what a case defines."""
    uses = [Trace(Sym(name) @ Transpose(Sym(name))) for name in SPACES]
    return Shapes((equation(quantity("h"), Ones(n) @ Add(tuple(uses))),), (quantity("x"),), (quantity("h"),), SPACES)


SHAPES = _shapes()


def _known(node: Term) -> tuple[Known, Adj]:
    """What a rule may ask, with `y = node` among the quantities, and the adjoint of y."""
    y = quantity("y")
    extent = SHAPES.of(node)
    assert extent is not None
    SHAPES.lengths["y"] = extent
    return Known({}, SHAPES), Adj(y)


def _adjoints(node: Term, known: Known, seed: Term) -> dict[Sym, list[Term]]:
    """The shares of every leaf, by the rules alone."""
    found: dict[Sym, list[Term]] = {}
    stack = [(node, seed)]
    while stack:
        here, adjoint = stack.pop()
        if isinstance(here, Sym):
            found.setdefault(here, []).append(adjoint)
        elif not isinstance(here, (Num, Ones)):
            stack += vjp(here, adjoint, known)[1]
    return found


def _value(node: Term, values: dict[Term, Any]) -> Any:
    return Evaluator(values.__getitem__, sizes=SIZES)(node)


@pytest.mark.parametrize("name", CASES)
def test_adjoint_law(name: str) -> None:
    node, generator = CASES[name], np.random.default_rng(7)
    known, seed = _known(node)
    shapes = {Sym(of): SHAPES.at(of, SIZES) for of in SPACES}
    values: dict[Term, Any] = {leaf: generator.standard_normal(shape) + (leaf == C) for leaf, shape in shapes.items()}
    change = {leaf: generator.standard_normal(shape) for leaf, shape in shapes.items()}
    stepped = _value(node, {leaf: values[leaf] + 1e-30j * change[leaf] for leaf in shapes})
    d = generator.standard_normal(stepped.shape)
    forward, backward = np.sum(d * stepped.imag / 1e-30), 0.0
    for leaf, shares in _adjoints(node, known, seed).items():
        for share in shares:
            if leaf.name in SPACES:
                value = _value(share, {**values, seed: d})
                assert value.shape == shapes[leaf], f"shape law: {plain(share)}"
                backward += np.sum(value * change[leaf])
    assert backward == pytest.approx(forward, rel=1e-12)


def test_every_rule_is_covered_and_states_its_identity() -> None:
    used = {type(part) for node in CASES.values() for part in walk(node)}
    assert set(RULES) <= used
    for rule in RULES.values():
        assert rule.__doc__ and "share_" in rule.__doc__


MUTANTS: dict[str, tuple[type[Term], Any]] = {
    "Hadamard of two": (Hadamard, lambda node, d, _: [(arg, d) for arg in node.args]),
    "larger of two": (Max, lambda node, d, _: [(arg, d) for arg in node.args]),
    "matrix over number": (Div, lambda node, d, _: [(node.above, Div(d, node.below)), (node.below, Neg(Trace(d.T @ node.above)))]),
    "side by side": (Blocks, lambda node, d, _: [(block, Transpose(Rows(d.T, term(0), width))) for block, width in zip(
        node.rows[0], (n, m), strict=True)]),
    "trace": (Trace, lambda node, d, _: [(node.arg, d @ Ones(n) @ Ones(n).T)]),
    "number times column times row": (MatMul, lambda node, d, _: [(s, u.T @ d @ w), (u, d @ w), (w.T, s @ u.T @ d)]),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_rule_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The law can fail: rules that leave a factor, a slope, the power of a divisor or the place of a block out."""
    monkeypatch.setitem(RULES, *MUTANTS[name])
    with pytest.raises((AssertionError, ValueError)):
        test_adjoint_law(name)


@pytest.mark.parametrize("node", [Pow(A, Sym("j")), Component(A, "j"), Max((A, B, C)), Rows(A, term(0), term(1))])
def test_a_node_without_a_rule_is_refused_with_its_text(node: Term) -> None:
    with pytest.raises(NotSupported) as error:
        vjp(node, Adj(quantity("y")), Known({}, SHAPES))
    assert "A" in error.value.where and error.value.right


def test_without_shapes_products_of_matrices_and_elementwise_ones_have_rules() -> None:
    d = Adj(quantity("y"))
    assert vjp(2 * A @ B, d, Known())[1] == [(2 * A, d @ B.T), (B, Transpose(2 * A) @ d)]
    assert vjp(MatMul((term(2), A)), d, Known())[1] == [(A, MatMul((term(2), d)))]
    with pytest.raises(NotSupported, match="size"):
        vjp(Blocks(((A, B),)), d, Known())


def test_fractions_survive() -> None:
    assert vjp(Pow(A, Num(Fraction(1, 2))), B, Known())[1][0][1] == MatMul(
        (Num(Fraction(1, 2)), Hadamard((B, Pow(A, Num(Fraction(-1, 2))))))
    )
