r"""The edits that may turn a wrong right side into the right one, as a table: the mistakes of `symlstm.mistakes` undone.

A remedy takes a node and the pieces of the document and yields other nodes, each with what was wrong, in words. Where a
mistake is its own opposite (another symbol, another sign) its edit is taken from there; the others (what is missing is
added, what is squashed twice is squashed once) stand here.

>>> from symlstm.algebra import quantities
>>> f, i, g = quantities("f i g")
>>> pieces = Pieces(symbols={"quantity": (f, i, g)})
>>> for change in changes(f * g, pieces):
...     if change.remedy in ("factor too many", "product for sum", "sum for product"): print(change.node, "|", said(change, repr))
g[t] | the factor f[t] is one too many
f[t] | the factor g[t] is one too many
f[t] + g[t] | branches add, they do not multiply
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Blocks,
    Component,
    Diag,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Pow,
    Prime,
    Prod,
    Sum,
    Sym,
    Term,
    Time,
    Transpose,
    children,
    rebuild,
    term,
    walk,
)  # fmt: skip
from symlstm.claims.hand import kind, time_of
from symlstm.mistakes import EDITS, places
from symlstm.model import Cell


@dataclass(frozen=True)
class Pieces:
    """What a repair may be made of: the author's symbols by kind, factors and paths that may be missing, activations.

    `values` sends an activated quantity to its function, `arguments` to the quantity that is activated; `elementwise` is
    the node of the author's elementwise product.
    """

    symbols: Mapping[str, tuple[Term, ...]] = field(default_factory=dict)
    factors: tuple[Term, ...] = ()
    paths: tuple[Term, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    elementwise: type[Hadamard] | type[MatMul] = Hadamard
    limits: tuple[Time, Time] = (Time("", 1), Time("T"))
    indices: tuple[str, ...] = ()
    cell: Any = None


@dataclass(frozen=True, slots=True)
class Change:
    """A new right side: by which remedy, and in words in which `{}` stand for terms."""

    node: Term
    remedy: str
    words: str
    about: tuple[Term, ...] = ()


Made = Iterator[tuple[Term, str, tuple[Term, ...]]]
Remedy = Callable[[Any, Pieces], Made]


def said(change: Change, write: Callable[[Term], str]) -> str:
    """What was wrong, in words, with terms written by `write`."""
    return change.words.format(*map(write, change.about))


def changes(side: Term, pieces: Pieces) -> Iterator[Change]:
    """Every right side that one remedy makes of another, each different from it and from the others."""
    seen = {side}
    sites = list(places(side))
    for name, remedy in REMEDIES.items():
        for node, put in sites:
            for other, words, about in remedy(node, pieces):
                whole = put(other)
                if whole not in seen:
                    seen.add(whole)
                    yield Change(whole, name, words, about)
    for name, throughout in (("squashed twice", everywhere), ("activation side", sides_of_activation)):
        for other, words, about in throughout(side, pieces):
            if other not in seen:
                seen.add(other)
                yield Change(other, name, words, about)


# --- symbols and times ------------------------------------------------------------------------------------------------


def symbol(node: Term, pieces: Pieces) -> Made:
    """Another symbol of its kind at the same time, those of the same family first."""
    if isinstance(node, (Sym, Adj, Component)):
        time = time_of(node)
        others = [other for other in map(lambda each: at(each, time), pieces.symbols.get(kind(node), ())) if other is not None]
        for other in sorted(dict.fromkeys(others), key=lambda each: (type(each) is not type(node), not alike(each, node))):
            if other != node:
                yield other, "write {} for {}", (other, node)


def alike(one: Term, other: Term) -> bool:
    """Whether two symbols belong to one family: W_f and W_i, W_f and U_f."""
    names = [(part.of.name if isinstance(part, Adj) else part.name if isinstance(part, Sym) else "").partition("_") for part in (one, other)]
    return names[0][0] == names[1][0] or (names[0][2] == names[1][2] != "")


def at(node: Term, time: Time | None) -> Term | None:
    """A symbol or adjoint at another time; None where it has none, or the other way round."""
    if (time_of(node) is None) != (time is None):
        return None
    if isinstance(node, (Adj, Component)):
        inner = at(node.of, time)
        return None if inner is None else rebuild(node, (inner,))
    return node.at(time) if isinstance(node, Sym) else None


def index(node: Term, pieces: Pieces) -> Made:
    """Another index of a component."""
    if isinstance(node, Component):
        for letter in pieces.indices:
            if letter != node.index:
                yield Component(node.of, letter), "write {} for {}", (Component(node.of, letter), node)


def time_mark(node: Term, pieces: Pieces) -> Made:
    """The same symbol one step earlier or later."""
    time = time_of(node)
    if time is not None and isinstance(node, (Sym, Adj, Component)):
        for steps in (-1, 1, -2, 2):
            other = at(node, time + steps)
            if other is not None:
                yield other, "write {} for {}", (other, node)


# --- too many, too few ------------------------------------------------------------------------------------------------


def _without(kinds: tuple[type, ...], words: str) -> Remedy:
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
    if not isinstance(node, (Num, Sym, Sum)) and any(isinstance(part, Sym) and part.time is not None and part.time.base == "t" for part in walk(node)):
        lower, upper = pieces.limits
        yield Sum("t", lower, upper, node), "the sum over the steps is missing", ()


# --- activations ------------------------------------------------------------------------------------------------------


def everywhere(side: Term, pieces: Pieces) -> Made:
    """A value that is squashed once more, at every place of a formula: sigma(o) (1 - sigma(o)) for o (1 - o)."""
    twice = dict.fromkeys(part for part in walk(side) if isinstance(part, Apply) and isinstance(part.arg, Sym))
    for part in twice:
        assert isinstance(part, Apply)
        yield put_for(side, part, part.arg), "{} is activated already, so write it for {}", (part.arg, part)
    for part in dict.fromkeys(part for part in walk(side) if isinstance(part, Sym)):
        function = pieces.values.get(part.name)
        if function is not None:
            yield put_for(side, part, Apply(function, part)), "write {} for {}", (Apply(function, part), part)


def sides_of_activation(side: Term, pieces: Pieces) -> Made:
    """Every activated value as its argument, and every argument as the value: the hats forgotten throughout a stack."""
    for table, words in ((pieces.arguments, "the arguments of the activations are meant"), (
            {argument: value for value, argument in pieces.arguments.items()}, "the values of the activations are meant")):
        yield _renamed(side, table), words, ()


def _renamed(node: Term, table: Mapping[str, str]) -> Term:
    if isinstance(node, Sym):
        return Sym(table.get(node.name, node.name), node.time)
    return rebuild(node, tuple(_renamed(child, table) for child in children(node)))


def put_for(node: Term, old: Term, new: Term) -> Term:
    """A term with one of its parts replaced wherever it stands; adjoints stay."""
    if node == old:
        return new
    return node if isinstance(node, Adj) else rebuild(node, tuple(put_for(child, old, new) for child in children(node)))


def squared(node: Term, pieces: Pieces) -> Made:
    """A square that is missing, or one too many, and a factor of two."""
    if isinstance(node, (Sym, Apply)):
        yield Pow(node, term(2)), "the square of {} is missing", (node,)
    if isinstance(node, Pow):
        yield node.base, "the square of {} is one too many", (node.base,)


def complement(node: Term, pieces: Pieces) -> Made:
    """1 - f for f, and the other way round."""
    if isinstance(node, (Sym, Apply)):
        yield 1 - node, "write 1 - {} for {}", (node, node)
        yield 1 - Pow(node, term(2)), "write 1 minus the square of {} for {}", (node, node)
    if isinstance(node, Add) and len(node.args) == 2 and isinstance(node.args[1], Neg) and isinstance(node.args[0], Num):
        yield node.args[1].arg, "write {} for {}", (node.args[1].arg, node)


FUNCTIONS = {"sigma": ("tanh",), "tanh": ("sigma", "tan"), "tan": ("tanh",), "sin": ("sinh", "cos"), "cos": ("cosh", "sin"), "sinh": ("sin",), "cosh": ("cos",)}


def function(node: Term, pieces: Pieces) -> Made:
    """Another function, the derivative of a function, or a function for its derivative."""
    if isinstance(node, (Apply, Prime)):
        for name in FUNCTIONS.get(node.function, ()):
            other = type(node)(name, node.arg)
            yield other, "write {} for {}", (other, node)
        turned = (Prime if isinstance(node, Apply) else Apply)(node.function, node.arg)
        if node.function in FUNCTIONS:
            yield turned, "write {} for {}", (turned, node)


def activation_missing(node: Term, pieces: Pieces) -> Made:
    """An activation around a quantity that stands bare."""
    if isinstance(node, Sym) and node.time is not None:
        for name in pieces.functions:
            yield Apply(name, node), "the activation is missing: write {} for {}", (Apply(name, node), node)


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


def number(node: Term, pieces: Pieces) -> Made:
    """Another small number, or what is left of a slope `1 - f` of which the f is forgotten."""
    if node == term(1):
        for factor in pieces.factors:
            if isinstance(factor, Add) and factor.args[0] == node:
                yield factor, "write {} for {}", (factor, node)
    if isinstance(node, Num) and node.places is None:
        for other in (node.value + 1, node.value - 1, node.value / 2, node.value / 4, node.value * 2, -node.value):
            yield Num(other), "write {} for {}", (Num(other), node)


# --- shapes -----------------------------------------------------------------------------------------------------------


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


# --- mistakes that are their own opposites --------------------------------------------------------------------------------

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


def _own(name: str, words: str) -> Remedy:
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


REMEDIES: dict[str, Remedy] = {
    "symbol": symbol,
    "time": time_mark,
    "index": index,
    "path missing": path_missing,
    "factor missing": factor_missing,
    "sign": _own("sign", WORDS["sign"]),
    "factor too many": _without((Hadamard, MatMul), "the factor {} is one too many"),
    "term too many": _without((Add,), "the term {} is one too many"),
    "squared": squared,
    "complement": complement,
    "function": function,
    "activation missing": activation_missing,
    "transpose": transposed,
    "order": order,
    "other product": _own("other product", WORDS["other product"]),
    "parenthesis": _own("parenthesis", WORDS["parenthesis"]),
    "bracket": bracket,
    "grouping": grouping,
    "product for sum": _own("sum for product", WORDS["product for sum"]),
    "sum for product": _own("product for sum", WORDS["sum for product"]),
    "multiplied": multiplied,
    "swapped factors": _own("swapped factors", WORDS["swapped factors"]),
    "limits": _own("limits", WORDS["limits"]),
    "swapped limits": swapped_limits,
    "sum missing": sum_missing,
    "stack": stack,
    "diagonal": diagonal,
    "number": number,
}
