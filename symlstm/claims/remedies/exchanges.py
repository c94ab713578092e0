"""One thing in place of another: symbols, times, functions, activated values."""

from __future__ import annotations

from collections.abc import Mapping

from symlstm.algebra import (
    Adj,
    Apply,
    Component,
    Prime,
    Sym,
    Term,
    Time,
    children,
    rebuild,
    walk,
)  # fmt: skip
from symlstm.claims.remedies.pieces import Made, Pieces
from symlstm.claims.writing.lettering import kind, time_of


def symbol(node: Term, pieces: Pieces) -> Made:
    """Another symbol of its kind at the same time, those of the same family first."""
    if isinstance(node, (Sym, Adj, Component)):
        time = time_of(node)
        others = [other for other in (at(each, time) for each in pieces.symbols.get(kind(node), ())) if other is not None]
        for other in sorted(dict.fromkeys(others), key=lambda each: (type(each) is not type(node), not alike(each, node))):
            if other != node:
                yield other, "write {} for {}", (other, node)


def index(node: Term, pieces: Pieces) -> Made:
    """Another index of a component."""
    if isinstance(node, Component):
        for letter in pieces.indices:
            if letter != node.index:
                yield Component(node.of, letter), "write {} for {}", (Component(node.of, letter), node)


def alike(one: Term, other: Term) -> bool:
    """Whether two symbols belong to one family: W_f and W_i, W_f and U_f."""
    names = [
        (part.of.name if isinstance(part, Adj) else part.name if isinstance(part, Sym) else "").partition("_")
        for part in (one, other)
    ]
    return names[0][0] == names[1][0] or (names[0][2] == names[1][2] != "")


def at(node: Term, time: Time | None) -> Term | None:
    """A symbol or adjoint at another time; None where it has none, or the other way round."""
    if (time_of(node) is None) != (time is None):
        return None
    if isinstance(node, (Adj, Component)):
        inner = at(node.of, time)
        return None if inner is None else rebuild(node, (inner,))
    return node.at(time) if isinstance(node, Sym) else None


def time_mark(node: Term, pieces: Pieces) -> Made:
    """The same symbol one step earlier or later."""
    time = time_of(node)
    if time is not None and isinstance(node, (Sym, Adj, Component)):
        for steps in (-1, 1, -2, 2):
            other = at(node, time + steps)
            if other is not None:
                yield other, "write {} for {}", (other, node)


FUNCTIONS = {
    "sigma": ("tanh",),
    "tanh": ("sigma", "tan"),
    "tan": ("tanh",),
    "sin": ("sinh", "cos"),
    "cos": ("cosh", "sin"),
    "sinh": ("sin",),
    "cosh": ("cos",),
}


def function(node: Term, pieces: Pieces) -> Made:
    """Another function, the derivative of a function, or a function for its derivative."""
    if isinstance(node, (Apply, Prime)):
        for name in FUNCTIONS.get(node.function, ()):
            other = type(node)(name, node.arg)
            yield other, "write {} for {}", (other, node)
        turned = (Prime if isinstance(node, Apply) else Apply)(node.function, node.arg)
        if node.function in FUNCTIONS:
            yield turned, "write {} for {}", (turned, node)


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
    for table, words in (
        (pieces.arguments, "the arguments of the activations are meant"),
        ({argument: value for value, argument in pieces.arguments.items()}, "the values of the activations are meant"),
    ):
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
