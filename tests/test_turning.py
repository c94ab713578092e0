"""Columns to rows: the value of every turned term is the transpose of what it was, and turned back it is itself again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symlstm import document, turning, zoo
from symlstm.algebra import (
    Add,
    Adj,
    Blocks,
    Diag,
    Expectation,
    Extreme,
    Hadamard,
    Interval,
    Limit,
    Listed,
    MatMul,
    Norm,
    NotValid,
    Ones,
    Partial,
    Prod,
    Relation,
    Rows,
    Space,
    Sym,
    Term,
    Time,
    Trace,
    Transpose,
    Variance,
    children,
    equation,
    plain,
    quantities,
    quantity,
    size,
    symbols,
    term,
)
from symlstm.derivation import derive
from symlstm.evaluate import Array, Evaluator, shape
from symlstm.evidence.components import Components, same
from symlstm.evidence.rings import Point
from symlstm.model import Cell
from symlstm.prose import prose
from symlstm.shapes import Shapes
from symlstm.steps import fragments
from symlstm.turning import prose_in_rows, to_columns, to_rows

TIMES = {"t": 5, "k": 2, "T": 7}  # products over time are multiplied out
OUTSIDE = (Interval, Listed, Limit, Extreme, Expectation, Variance, Relation)  # compared part by part
ALL = sorted(zoo.ZOO)


class InColumns(Components):
    """Terms at a random point modulo a prime, every leaf opaque and products over time multiplied out."""

    over = Evaluator.over

    def __init__(self, ring: Point, shapes: Shapes) -> None:
        super().__init__(ring, shapes, TIMES)

    def extent(self, leaf: Term) -> tuple[int, int]:
        """The x of the topic `activations` is one number, whatever the input is called."""
        number = isinstance(leaf, Sym) and leaf.time is None and leaf.name not in self.shapes.parameters
        return (1, 1) if number else super().extent(leaf)


class InRows(InColumns):
    """What a term about rows says: each leaf the transpose of what it is for columns; written without any rule of `turning`."""

    def opaque(self, leaf: Term) -> Array:
        return super().opaque(leaf).T

    def norm(self, value: Array) -> Array:
        return super().norm(value.T)  # a matrix and its transpose have one norm, which is opaque here

    def __call__(self, node: Term) -> Array:
        if isinstance(node, Ones):
            return super().__call__(node).T
        if isinstance(node, Diag):
            value = self(node.arg)
            assert shape(value)[0] == 1, plain(node)
            return value * np.eye(shape(value)[1], dtype=int)
        if isinstance(node, Rows) and shape(value := self(node.arg))[0] == 1:
            return value[:, self.length(node.start) : self.length(node.stop)]
        if isinstance(node, Prod) and all(shape(value)[0] == 1 < shape(value)[1] for value in self.over(node)):
            return np.prod(np.stack(self.over(node)), axis=0)
        return super().__call__(node)


def compared(one: Term | Relation, other: Term | Relation) -> Iterator[tuple[Term, Term]]:
    """The terms with a value, side by side."""
    if isinstance(one, OUTSIDE):
        assert type(one) is type(other)
        for parts in zip(children(one), children(other), strict=True):
            yield from compared(*parts)
    else:
        assert isinstance(one, Term) and isinstance(other, Term)
        yield one, other


def agree(meant: Term | Relation, there: Term | Relation, shapes: Shapes) -> bool:
    """Whether what one says of columns the other says of rows: one value is the transpose of the other, at a random point."""
    ring = Point()
    columns, rows = InColumns(ring, shapes), InRows(ring, shapes)

    def alike(one: Term, other: Term) -> bool:
        if isinstance(one, Space):
            return isinstance(other, Space) and extent(one) == extent(other)[::-1]
        left, right = columns(one), rows(other)
        scalar = {shape(left), shape(right)} <= {(), (1, 1)}
        return (scalar or shape(left) == shape(right)[::-1]) and not any(map(ring.clear, columns.entries(np.transpose(left) - right)))

    def extent(space: Space) -> tuple[Term, Term]:
        return space.rows, term(1) if space.columns is None else space.columns

    return all(alike(*pair) for pair in compared(meant, there))


def statements(cell: Cell) -> Iterator[tuple[Term | Relation, Shapes]]:
    """Every piece of mathematics of every topic of a cell, those in its prose too."""
    blocks = [(block, cell) for block in document.opening(cell)]
    blocks += [(section, section.about or cell) for section in derive(cell).sections]
    found = {(piece, id(about)): about.shapes for block, about in blocks for piece in fragments(block)}
    yield from ((piece, shapes) for (piece, _), shapes in found.items())


@pytest.mark.parametrize("name", ALL)
def test_every_statement_of_every_cell_says_in_rows_what_it_says_in_columns(name: str) -> None:
    for piece, shapes in statements(zoo.cell(name)):
        there = to_rows(piece, shapes)
        assert agree(piece, there, shapes), f"{plain(piece)} | {plain(there)}"
        assert to_columns(there, shapes) == piece


# --- what the zoo does not happen to write, by hand ------------------------------------------------------------------

x, h, c, f = quantities("x h c f")
W, U, n, m = symbols("W_f U_f n m")
k_times = (Time("t"), Time("k", 1))
TURNED: dict[Term | Relation, Term | Relation] = {
    W @ x + U @ h.prev: x @ W + h.prev @ U,
    2 * (U @ W @ x): 2 * (x @ W @ U),
    MatMul((MatMul((h.T, c)), U, h)): MatMul((MatMul((c, h.T)), h, U)),
    h @ x.T: x.T @ h,
    Diag(f) @ U: U @ Diag(f),
    Rows(U @ h, term(0), n): Rows(h @ U, term(0), n),
    Rows(W, term(1), n): Rows(W.T, term(1), n).T,
    Rows(W.T, term(1), m).T: Rows(W, term(1), m),
    Prod("s", *k_times, Diag(Sym("f", Time("s"))) @ U): Prod("s", *k_times[::-1], U @ Diag(Sym("f", Time("s")))),
    Prod("s", *k_times, Sym("f", Time("s"))): Prod("s", *k_times[::-1], Sym("f", Time("s"))),
    Prod("s", *k_times, Norm(Diag(Sym("f", Time("s"))))): Prod("s", *k_times[::-1], Norm(Diag(Sym("f", Time("s"))))),
    Norm(U @ h): Norm(h @ U),
    Ones(n).T @ h: h @ Ones(n).T,
    size(W, n, m): size(W, m, n),
    size(h, n): size(h, 1, n),
    size(Sym("s"), 1): size(Sym("s"), 1),
}  # fmt: skip


@pytest.mark.parametrize("columns", TURNED, ids=plain)
def test_by_hand(columns: Term | Relation) -> None:
    shapes, rows = zoo.LSTM.shapes, TURNED[columns]
    assert to_rows(columns, shapes) == rows
    assert to_columns(rows, shapes) == columns
    assert agree(columns, rows, shapes)


VECTORS, MATRICES = st.sampled_from([h, h.prev, c, f, Ones(n), Adj(h)]), st.sampled_from([U, U.T, Partial(h, c)])


def grown(depth: int) -> tuple[st.SearchStrategy[Term], st.SearchStrategy[Term], st.SearchStrategy[Term]]:
    """Numbers, vectors and matrices made of one another, so deep."""
    if not depth:
        return st.sampled_from([term(2), term(-1)]), VECTORS, MATRICES
    numbers, vectors, matrices = grown(depth - 1)
    pairs = lambda make, *parts: st.tuples(*parts).map(make)
    return (
        numbers | pairs(lambda args: MatMul((Transpose(args[0]), args[1])), vectors, vectors) | matrices.map(Trace) | vectors.map(Norm),
        vectors | pairs(MatMul, matrices, vectors) | pairs(MatMul, numbers, vectors) | pairs(Hadamard, vectors, vectors)
        | pairs(Add, vectors, vectors) | vectors.map(lambda arg: Rows(Blocks(((arg,), (h,))), n, n + n)),
        matrices | pairs(MatMul, matrices, matrices) | pairs(lambda args: MatMul((args[0], Transpose(args[1]))), vectors, vectors)
        | vectors.map(Diag) | pairs(Add, matrices, matrices) | matrices.map(Transpose),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.one_of(*grown(3)))
def test_any_term_says_in_rows_what_it_says_in_columns(node: Term) -> None:
    there = to_rows(node, zoo.LSTM.shapes)
    assert agree(node, there, zoo.LSTM.shapes)
    back = to_columns(there, zoo.LSTM.shapes)
    assert back == node or same(back, node, zoo.LSTM.shapes)  # a transpose of a transpose is gone


def test_the_words_say_where_things_stand_in_rows() -> None:
    said = prose("{} has {} rows and {} columns, latest factor first", W, n, m)
    assert prose_in_rows(said, zoo.LSTM.shapes) == prose("{} has {} columns and {} rows, latest factor last", W, n, m)


# --- that this can fail ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", turning._RULES, ids=lambda kind: kind.__name__)
def test_without_any_one_rule_some_statement_does_not_agree_or_come_back(rule: type[Term], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turning, "_RULES", {kind: each for kind, each in turning._RULES.items() if kind is not rule})

    def holds(piece: Term | Relation, shapes: Shapes) -> bool:
        try:
            there = to_rows(piece, shapes)
            return agree(piece, there, shapes) and to_columns(there, shapes) == piece
        except NotValid:  # the shapes do not fit
            return False

    pieces = [*((piece, zoo.LSTM.shapes) for piece in TURNED), *statements(zoo.cell("lstm"))]
    assert not all(holds(*each) for each in pieces)


@pytest.mark.parametrize("wrong", [
    equation(quantity("z_f"), W @ x),  # not turned at all
    equation(quantity("z_f"), x @ W.T),
    equation(quantity("z_f"), x @ W + h @ U),
    equation(quantity("z_f"), x @ U + h.prev @ W),
], ids=plain)  # fmt: skip
def test_a_wrong_statement_about_rows_does_not_agree(wrong: Relation) -> None:
    meant = equation(quantity("z_f"), W @ x + U @ h.prev)
    try:
        assert not agree(meant, wrong, zoo.LSTM.shapes)
    except NotValid as error:
        assert "shapes do not fit" in error.what
