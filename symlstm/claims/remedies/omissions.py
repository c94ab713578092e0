"""What is missing is added, what is too much is left out: paths, factors, sums, activations, squares."""

from __future__ import annotations

from typing import Any

from symlstm.algebra import (
    Add,
    Apply,
    Blocks,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Pow,
    Sum,
    Sym,
    Term,
    Transpose,
    term,
    walk,
)  # fmt: skip
from symlstm.claims.remedies.pieces import Made, Pieces, Remedy
from symlstm.claims.writing.lettering import kind


def without(kinds: tuple[type, ...], words: str) -> Remedy:
    def remedy(node: Any, pieces: Pieces) -> Made:
        if isinstance(node, kinds) and len(node.args) > 1:
            for k, arg in enumerate(node.args):
                rest = (*node.args[:k], *node.args[k + 1 :])
                yield rest[0] if len(rest) == 1 else type(node)(rest), words, (arg.arg if isinstance(arg, Neg) else arg,)

    return remedy


def path_missing(node: Term, pieces: Pieces) -> Made:
    """One more term in a sum."""
    if isinstance(node, (Num, Blocks, Sum)):
        return
    head = node.args if isinstance(node, Add) else (node,)
    for path in pieces.paths:
        if path not in head:
            yield Add((*head, *(path.args if isinstance(path, Add) else (path,)))), "the path {} is missing", (path,)


def factor_missing(node: Term, pieces: Pieces) -> Made:
    """One more factor, elementwise or beside a matrix product."""
    if isinstance(node, (Num, Blocks, Sum, Neg)):
        return
    elementwise, words = pieces.elementwise, "the factor {} is missing"
    for factor in pieces.factors:
        if not isinstance(factor, Transpose) and kind(factor) != "matrix":
            if isinstance(node, elementwise):
                yield elementwise((*node.args, factor)), words, (factor,)
            else:
                yield elementwise((node, factor)), words, (factor,)
        if elementwise is Hadamard or isinstance(factor, Transpose) or kind(factor) == "matrix":
            args = node.args if isinstance(node, MatMul) else (node,)
            for k in (0, len(args)):
                yield MatMul((*args[:k], factor, *args[k:])), words, (factor,)


def sum_missing(node: Term, pieces: Pieces) -> Made:
    """A sum over the steps around a share of one step."""
    if not isinstance(node, (Num, Sym, Sum)) and any(
        isinstance(part, Sym) and part.time is not None and part.time.base == "t" for part in walk(node)
    ):
        lower, upper = pieces.limits
        yield Sum("t", lower, upper, node), "the sum over the steps is missing", ()


def activation_missing(node: Term, pieces: Pieces) -> Made:
    """An activation around a quantity that stands bare."""
    if isinstance(node, Sym) and node.time is not None:
        for name in pieces.functions:
            yield Apply(name, node), "the activation is missing: write {} for {}", (Apply(name, node), node)


def squared(node: Term, pieces: Pieces) -> Made:
    """A square that is missing, or one too many, and a factor of two."""
    if isinstance(node, (Sym, Apply)):
        yield Pow(node, term(2)), "the square of {} is missing", (node,)
    if isinstance(node, Pow):
        yield node.base, "the square of {} is one too many", (node.base,)


def complement(node: Term, pieces: Pieces) -> Made:
    """1 - f for f, and the other way round; 1 - f for -f."""
    if isinstance(node, Neg):
        yield 1 - node.arg, "write 1 - {} for {}", (node.arg, node)
    if isinstance(node, (Sym, Apply)):
        yield 1 - node, "write 1 - {} for {}", (node, node)
        yield 1 - Pow(node, term(2)), "write 1 minus the square of {} for {}", (node, node)
    if isinstance(node, Add) and len(node.args) == 2 and isinstance(node.args[1], Neg) and isinstance(node.args[0], Num):
        yield node.args[1].arg, "write {} for {}", (node.args[1].arg, node)


def number(node: Term, pieces: Pieces) -> Made:
    """Another small number, or what is left of a slope `1 - f` of which the f is forgotten."""
    if node == term(1):
        for factor in pieces.factors:
            if isinstance(factor, Add) and factor.args[0] == node:
                yield factor, "write {} for {}", (factor, node)
    if isinstance(node, Num) and node.places is None:
        for other in (node.value + 1, node.value - 1, node.value / 2, node.value / 4, node.value * 2, -node.value):
            yield Num(other), "write {} for {}", (Num(other), node)
