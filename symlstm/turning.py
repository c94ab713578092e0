r"""Vectors as rows: from a statement about columns to the same statement about rows, and back.

Turning carries (A B)^T = B^T A^T down to the leaves. In the turned statement every letter stands for the transpose of
what it stood for, and keeps its name: a vector is a row, a parameter in R^(n x m) is in R^(m x n), and a matrix stands
behind the vector that it acts on. So do the vectors of ones, and Jacobians: dy = dx (dy/dx). The value of a turned term is
the transpose of what it was, so the one statement holds where the other does.

>>> from symlstm import zoo
>>> to_rows(zoo.LSTM.named[0], zoo.LSTM.shapes)
z_i[t] = x[t] @ W_i + h[t-1] @ U_i + b_i
>>> to_columns(to_rows(zoo.LSTM.named[0], zoo.LSTM.shapes), zoo.LSTM.shapes) == zoo.LSTM.named[0]
True
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from symlstm.algebra import (
    Adj,
    Blocks,
    Component,
    Diag,
    MatMul,
    Norm,
    Ones,
    Partial,
    Pow,
    Prod,
    Relation,
    Rows,
    Space,
    Sym,
    Term,
    Total,
    Trace,
    Transpose,
    children,
    map_relation,
    rebuild,
    term,
)
from symlstm.prose import Prose
from symlstm.shapes import ONE, Shapes

Statement = TypeVar("Statement", Term, Relation, Term | Relation)
Extent = tuple[bool, bool]  # whether there is but one row, and but one column
NUMBER: Extent = (True, True)


def to_rows(node: Statement, shapes: Shapes) -> Statement:
    """A term or relation about columns as the one about rows. `shapes` are those of the columns; another name is a number."""
    return _turned(node, _Turn(shapes))


def to_columns(node: Statement, shapes: Shapes) -> Statement:
    """A term or relation about rows as the one about columns, whose shapes these are."""
    return _turned(node, _Turn(shapes, rows=True))


def prose_in_rows(text: Prose, shapes: Shapes) -> Prose:
    """Text about columns as text about rows: its mathematics, and the few words that say where things stand."""
    return Prose(tuple(_words(piece) if isinstance(piece, str) else to_rows(piece, shapes) for piece in text.pieces))


WORDS: Mapping[str, str] = MappingProxyType({
    "as many rows as the first factor": "as many columns as the last factor",
    "a row of each matrix": "a column of each matrix",
    "latest factor first": "latest factor last",
    "vectors stacked": "vectors side by side",
    "stacked on": "beside",
    "number of rows": "number of columns",
    "the rows of the Jacobian": "the columns of the Jacobian",
    "its rows": "its columns",
    " rows": " columns",
    " columns": " rows",
})
_WORDS = re.compile("|".join((rf"\b{words}\b", rf"^{words}\b")[words[0] == " "] for words in WORDS))  # "{} rows": behind a size


def _words(text: str) -> str:
    return _WORDS.sub(lambda found: WORDS[found[0]], text)


def _turned(node: Any, turn: _Turn) -> Any:
    return map_relation(node, turn) if isinstance(node, Relation) else turn(node)


@dataclass(frozen=True, slots=True)
class _Turn:
    """Terms turned. `shapes` are those of the columns, and with `rows` the terms are about rows."""

    shapes: Shapes
    rows: bool = False

    def __call__(self, node: Term) -> Term:
        rule = _RULES.get(type(node))
        return rule(self, node) if rule else rebuild(node, tuple(map(self, children(node))))

    # --- the rules; what has none is turned entry by entry ---

    def product(self, node: MatMul) -> Term:
        """(s A B)^T = s B^T A^T: what is a number keeps its place, the others change theirs."""
        numbers = [self.extent(arg) == NUMBER for arg in node.args]
        args = list(map(self, node.args))
        others = [arg for arg, number in zip(args, numbers, strict=True) if not number]
        return MatMul(tuple(arg if number else others.pop() for arg, number in zip(args, numbers, strict=True)))

    def over_time(self, node: Prod) -> Term:
        """A product over time runs the other way; of numbers and of what is multiplied entry by entry the order is free."""
        return Prod(node.index, node.upper, node.lower, self(node.body))

    def blocks(self, node: Blocks) -> Term:
        """What stood above one another stands side by side."""
        return Blocks(tuple(tuple(map(self, column)) for column in zip(*node.rows, strict=True)))

    def part(self, node: Rows) -> Term:
        """Of a vector the same entries; of a matrix, columns in place of rows."""
        arg = self(node.arg)
        if self.extent(node.arg)[not self.rows]:
            return Rows(arg, node.start, node.stop)
        return _transposed(Rows(_transposed(arg), node.start, node.stop))

    def transpose(self, node: Transpose) -> Term:
        return _transposed(self(node.arg))

    def space(self, node: Space) -> Term:
        """R^(n x m) is R^(m x n); the columns R^n are the rows R^(1 x n)."""
        if node.columns is None:
            return node if node.rows == term(1) else Space(term(1), node.rows)
        return Space(node.columns, None if node.rows == term(1) else node.rows)

    # --- numbers, vectors and matrices ---

    def extent(self, node: Term) -> Extent:
        """Whether a term has but one row, and but one column. It never fails: what does not fit is judged elsewhere."""
        rule = _EXTENTS.get(type(node))
        return rule(self, node) if rule else _joined(map(self.extent, children(node)))

    def way(self, columns: Extent) -> Extent:
        """The extent of what these columns are here."""
        return _swapped(columns) if self.rows else columns

    def extent_of_name(self, node: Sym) -> Extent:
        if node.name not in (self.shapes if node.time else self.shapes.parameters):
            return NUMBER
        rows, columns = self.shapes.lengths[node.name]
        return self.way((rows == ONE, columns == ONE))

    def extent_of_product(self, node: MatMul) -> Extent:
        found = [each for each in map(self.extent, node.args) if each != NUMBER] or [NUMBER]
        return found[0][0], found[-1][1]

    def extent_of_blocks(self, node: Blocks) -> Extent:
        first = self.extent(node.rows[0][0])
        return len(node.rows) == 1 and first[0], len(node.rows[0]) == 1 and first[1]

    def extent_of_derivative(self, node: Partial) -> Extent:
        """The derivative of a number has the size of what it is taken by; another is a Jacobian."""
        of, by = self.extent(node.of), self.extent(node.wrt)
        return by if of == NUMBER else self.way((False, by == NUMBER))

    def extent_of_diagonal(self, node: Diag) -> Extent:
        one = self.extent(node.arg) == NUMBER
        return one, one


def _transposed(node: Term) -> Term:
    return node.arg if isinstance(node, Transpose) else Transpose(node)


def _swapped(extent: Extent) -> Extent:
    return extent[1], extent[0]


def _joined(extents: Iterable[Extent]) -> Extent:
    """Of what is joined entry by entry: a number takes the size of the others."""
    rows, columns = zip(NUMBER, *extents, strict=True)
    return all(rows), all(columns)


_RULES: Mapping[type[Term], Callable[[_Turn, Any], Term]] = MappingProxyType({
    MatMul: _Turn.product,
    Prod: _Turn.over_time,
    Blocks: _Turn.blocks,
    Rows: _Turn.part,
    Transpose: _Turn.transpose,
    Space: _Turn.space,
})
_EXTENTS: Mapping[type[Term], Callable[[_Turn, Any], Extent]] = MappingProxyType({
    Sym: _Turn.extent_of_name,
    Adj: lambda turn, node: turn.extent(node.of),
    MatMul: _Turn.extent_of_product,
    Blocks: _Turn.extent_of_blocks,
    Partial: _Turn.extent_of_derivative,
    Diag: _Turn.extent_of_diagonal,
    Transpose: lambda turn, node: _swapped(turn.extent(node.arg)),
    Ones: lambda turn, node: turn.way((False, True)),
    Rows: lambda turn, node: turn.extent(node.arg),
    Pow: lambda turn, node: turn.extent(node.base),
    **dict.fromkeys((Trace, Norm, Component, Total), lambda turn, node: NUMBER),
})
