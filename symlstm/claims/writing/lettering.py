"""The small marks of an author's LaTeX: times moved, names told apart, how tightly a text holds together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from symlstm import algebra as a
from symlstm.algebra import Relation, Sym, Term, Time, plain


class Level(IntEnum):
    """How tightly a text holds together."""

    SUM = 1
    OPEN = 2  # takes what stands to its right with it: a big operator, a function without brackets
    SIGNED = 3  # a product with a sign in it
    PRODUCT = 4
    FACTOR = 5
    ATOM = 6


class Written(NamedTuple):
    """A text and how tightly it holds together."""

    text: str
    level: Level


HABITS: dict[str, tuple[str, str]] = {  # function names: how they are searched for, and what stands where none is found
    "sigma": (r"\\sigma(?![_A-Za-z])|\\(?:mathrm|text|operatorname)\{sigmoid\}|(?<![A-Za-z\\])sigmoid", r"\sigma"),
    "tanh": (r"\\tanh|\\(?:mathrm|text|operatorname)\{tanh\}|(?<![A-Za-z\\])tanh", r"\tanh"),
    "softmax": (r"\\(?:mathrm|text|operatorname)\{softmax\}|(?<![A-Za-z\\])softmax", r"\mathrm{softmax}"),
    "relu": (r"\\(?:mathrm|text|operatorname)\{ReLU\}|(?<![A-Za-z\\])relu", r"\mathrm{ReLU}"),
    "diag": (r"\\(?:mathrm|text|operatorname)\{diag\}|(?<![A-Za-z\\])diag", r"\mathrm{diag}"),
}
TRANSPOSED = re.compile(r"\^\s*(T|\\top|\\intercal|\{T\}|\{\\top\}|\{\\intercal\})(?![A-Za-z])|\.T(?![A-Za-z])")


def bracketed(text: str) -> str:
    """A text in round brackets, tall ones where it is tall."""
    return rf"\left({text}\right)" if re.search(r"\\[td]?frac|\\sum|\\prod|\\begin", text) else f"({text})"


def greek(letter: str) -> str:
    """A letter, with a backslash before the name of a Greek one."""
    return letter if len(letter) == 1 else f"\\{letter}"


def mark(time: Time) -> str:
    """A time mark as LaTeX.

    >>> mark(Time("tau", -1)), mark(Time("", 0))
    ('\\\\tau-1', '0')
    """
    base = re.sub(r"[A-Za-z]{2,}", lambda match: f"\\{match[0]}", time.base)
    return base + (f"{time.offset:+d}" if time.offset else "") if base else str(time.offset)


def time_of(node: Term) -> Time | None:
    """The time mark of a symbol, an adjoint or a component."""
    if isinstance(node, (a.Adj, a.Component)):
        return time_of(node.of)
    return node.time if isinstance(node, Sym) else None


def stem(node: Term) -> str:
    """What a symbol is called, whatever its time."""
    if isinstance(node, a.Adj):
        return f"delta {stem(node.of)}"
    if isinstance(node, a.Component):
        return f"{stem(node.of)}[{node.index}]"
    return node.name + ("" if node.time is None else "@") if isinstance(node, Sym) else plain(node)


def moved(text: str, old: Time | None, new: Time | None) -> Iterator[str]:
    """A text with its time mark replaced by another, in every way it may be written."""
    if old is None or new is None:
        return
    pattern = r"\s*".join(re.escape(piece) for piece in re.findall(r"\\[A-Za-z]+|\d+|\S", mark(old)))
    for match in reversed(list(re.finditer(pattern, text))):
        before, after, other = text[: match.start()], text[match.end() :], mark(new)
        yield before + (f"{{{other}}}" if before[-1:] in ("_", "^") and len(other) > 1 else other) + after
        yield f"{before}_{{{other}}}{after}"
        yield f"{before},{other}{after}"


def kind(node: Term) -> str:
    """What a factor looks like to somebody who sets a sign beside it."""
    while isinstance(node, (a.Transpose, a.Component)):
        node = node.arg if isinstance(node, a.Transpose) else node.of
    if isinstance(node, Sym):
        return "quantity" if node.time is not None else "matrix" if node.name[:1].isupper() else "letter"
    return "sum" if isinstance(node, (a.Add, a.Neg)) else "product" if isinstance(node, (a.MatMul, a.Hadamard)) else {
        a.Adj: "quantity", a.Num: "number", a.Partial: "derivative"}.get(type(node), "other")  # fmt: skip


def level_of(node: Term, text: str) -> Level:
    """How tightly the author's own text of a term holds together."""
    if isinstance(node, (a.Add, a.Neg, a.Listed)):
        return Level.SUM
    if isinstance(node, (a.Sum, a.Prod, a.Total, a.Limit, a.Extreme)):
        return Level.OPEN
    if isinstance(node, (a.MatMul, a.Hadamard)):
        return Level.SIGNED if re.search(r"\\(?:odot|circ|cdot|times|otimes|ast|bullet)|[*@.⊙∘·×⊗]", text) else Level.PRODUCT
    if isinstance(node, (a.Div, a.Partial)):
        return Level.FACTOR if "frac" in text else Level.SIGNED
    if isinstance(node, (a.Apply, a.Prime)):
        return Level.ATOM if text.rstrip().endswith((")", "}", "]")) else Level.OPEN
    if isinstance(node, a.Pow) and isinstance(node.base, a.Apply):
        return Level.FACTOR if text.rstrip().endswith((")", "}", "]")) or re.search(r"\^\{?\d\}?$", text) else Level.OPEN
    if isinstance(node, (a.Pow, a.Transpose, a.Space)):
        return Level.FACTOR
    return Level.ATOM


def flat(node: Any) -> Any:
    """A term or relation with nested sums and products of one kind opened, and numbers without their decimals."""
    if isinstance(node, Relation):
        return Relation(tuple(map(flat, node.terms)), node.operators, node.condition)

    def open_(part: Term) -> Term:
        if isinstance(part, (a.Add, a.MatMul, a.Hadamard)):
            opened = [
                arg.args if type(arg) is type(part) and (k == 0 or not isinstance(part, a.MatMul)) else (arg,)
                for k, arg in enumerate(part.args)
            ]
            return type(part)(tuple(inner for args in opened for inner in args))
        if isinstance(part, a.Neg) and isinstance(part.arg, a.Num):
            return a.Num(-part.arg.value, part.arg.places)
        return part

    return a.transform(node, open_)
