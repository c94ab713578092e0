"""The same parts in another arrangement: order, transposes, brackets, kinds of product, limits."""

from __future__ import annotations

from typing import cast

from symlstm.algebra import (
    Add,
    Blocks,
    Diag,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Prod,
    Sum,
    Sym,
    Term,
    Transpose,
)  # fmt: skip
from symlstm.claims.remedies.pieces import Made, Pieces, Remedy
from symlstm.claims.writing.lettering import kind
from symlstm.mistakes import EDITS
from symlstm.model import Cell


def stack(node: Term, pieces: Pieces) -> Made:
    """`[x, h]` for `[h, x]`."""
    if isinstance(node, Blocks) and len(node.rows) == 2 and all(len(row) == 1 for row in node.rows):
        other = Blocks(node.rows[::-1])
        yield other, "write {} for {}", (other, node)


def transposed(node: Term, pieces: Pieces) -> Made:
    """A transpose that is missing, or one too many."""
    if isinstance(node, (MatMul, Hadamard)):
        for k, factor in enumerate(node.args):
            if not isinstance(factor, (Transpose, Num)):
                yield type(node)((*node.args[:k], Transpose(factor), *node.args[k + 1 :])), "transpose {}", (factor,)
    if isinstance(node, Transpose):
        yield node.arg, "leave out the transpose of {}", (node.arg,)


def order(node: Term, pieces: Pieces) -> Made:
    """The factors of a matrix product in another order, the whole or one factor moved to an end."""
    if isinstance(node, MatMul):
        words = "the factors stand in the wrong order"
        yield MatMul(node.args[::-1]), words, ()
        if any(isinstance(arg, Transpose) for arg in node.args):
            yield MatMul(tuple(arg.arg if isinstance(arg, Transpose) else Transpose(arg) for arg in node.args[::-1])), words, ()
        for k in range(1, len(node.args)):
            yield MatMul((*node.args[k:], *node.args[:k])), words, ()
        if len(node.args) == 2 and isinstance(node.args[1], MatMul):
            yield MatMul((MatMul(node.args[1].args), node.args[0])), words, ()
    if isinstance(node, Prod):
        yield Prod(node.index, node.upper, node.lower, node.body), "the product runs the other way", ()


def diagonal(node: Term, pieces: Pieces) -> Made:
    """A vector made a diagonal matrix, and back."""
    if isinstance(node, (Sym, Add, Hadamard)):
        yield Diag(node), "write diag({}) for {}", (node, node)
    if isinstance(node, Diag):
        yield node.arg, "write {} for {}", (node.arg, node)


def grouping(node: Term, pieces: Pieces) -> Made:
    """The brackets of a product set in another way: `W (a b)` for `W a b`."""
    if isinstance(node, MatMul) and len(node.args) > 2:
        for k in range(1, len(node.args) - 1):
            yield MatMul((*node.args[:k], MatMul(node.args[k:]))), "brackets are missing", ()
        yield Hadamard((MatMul(node.args[:-1]), node.args[-1])), "the last product is elementwise", ()
    if isinstance(node, MatMul) and len(node.args) == 2 and isinstance(node.args[1], (Hadamard, MatMul)):
        inner = node.args[1]
        for k in range(1, len(inner.args)):
            rest = type(inner)(inner.args[:k]) if k > 1 else inner.args[0]
            yield type(inner)((MatMul((node.args[0], rest)), *inner.args[k:])), "the brackets reach too far", ()
    if isinstance(node, Hadamard):
        for k, factor in enumerate(node.args):
            if isinstance(factor, MatMul):
                head, others = factor.args[:-1], (*node.args[:k], *node.args[k + 1 :])
                yield MatMul((*head, Hadamard((factor.args[-1], *others)))), "brackets are missing", ()
    if isinstance(node, Transpose) and isinstance(node.arg, Sym):
        return
    if isinstance(node, (MatMul, Hadamard)):
        for k, factor in enumerate(node.args[:-1]):
            if isinstance(factor, Transpose):
                following = (*node.args[:k], Transpose(type(node)((factor.arg, node.args[k + 1]))), *node.args[k + 2 :])
                yield following[0] if len(following) == 1 else type(node)(following), "the transpose must cover the product", ()


def bracket(node: Term, pieces: Pieces) -> Made:
    """`a (b + c)` for `a b + c`: a product that should take in the other terms of its sum."""
    if isinstance(node, Add):
        for j, summand in enumerate(node.args):
            product = summand.arg if isinstance(summand, Neg) else summand
            if not isinstance(product, (Hadamard, MatMul)):
                continue
            for k, factor in enumerate(product.args):
                first = Neg(factor) if isinstance(summand, Neg) else factor
                inside = Add((*node.args[:j], first, *node.args[j + 1 :]))
                yield type(product)((*product.args[:k], inside, *product.args[k + 1 :])), WORDS["parenthesis"], ()


WORDS: dict[str, str] = {
    "parenthesis": "a bracket is in the wrong place",
    "sign": "the sign is wrong",
    "product for sum": "branches add, they do not multiply",
    "sum for product": "factors multiply, they do not add",
    "other product": "the wrong kind of product",
    "limits": "the limits are wrong",
    "swapped factors": "two terms have exchanged a factor",
    "activation side": "the other side of the activation is meant",
    "direct": "the direct derivative is meant",
}


def own(name: str, words: str) -> Remedy:
    make = next(edit.make for edit in EDITS if edit.name == name)

    def remedy(node: Term, pieces: Pieces) -> Made:
        for other in make(node, cast(Cell, pieces.cell)):
            yield other, words, ()

    return remedy


def multiplied(node: Term, pieces: Pieces) -> Made:
    """A product that should be a sum, and the other way round, in the author's elementwise product."""
    if isinstance(node, MatMul) and not any(isinstance(part, Transpose) or kind(part) == "matrix" for part in node.args):
        yield Add(node.args), WORDS["product for sum"], ()
    if isinstance(node, Add) and pieces.elementwise is MatMul:
        yield MatMul(node.args), WORDS["sum for product"], ()
    if isinstance(node, Prod):
        yield Sum(node.index, node.lower, node.upper, node.body), WORDS["product for sum"], ()
    if isinstance(node, Sum):
        yield Prod(node.index, node.lower, node.upper, node.body), WORDS["sum for product"], ()


def swapped_limits(node: Term, pieces: Pieces) -> Made:
    """A sum or product whose limits stand in the wrong order, or one step off as well."""
    if isinstance(node, (Sum, Prod)):
        for up in (0, 1, -1):
            yield type(node)(node.index, node.upper + up, node.lower, node.body), WORDS["limits"], ()
