r"""What dots between the first and the last term of a sum or product stand for, where the terms differ in their steps only.

>>> from symlstm.reader import PEOPLE, read
>>> read(r"L_1 + L_2 + \cdots + L_T", PEOPLE)
sum[j=1..T] L[j]
>>> read(r"h_1 + \cdots + c_T", PEOPLE)
Traceback (most recent call last):
symlstm.algebra.NotSupported: What the dots stand for is not clear.
  in: line 1, column 7
    h_1 + \cdots + c_T
          ^
  right: \sum_{t=1}^{T} or \prod_{j=k+1}^{t}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symlstm.algebra import NotSupported, Sym, Term, Time, children, rebuild, walk
from symlstm.reader.tokens import Fault


@dataclass(frozen=True, slots=True, repr=False)
class Dots(Term):
    """Dots that stand for terms which are not printed."""

    at: int

    def alone(self) -> Term:
        what = "What the dots stand for is not clear."
        raise Fault(what, self.at, r"\sum_{t=1}^{T} or \prod_{j=k+1}^{t}", NotSupported)


def filled(args: list[Term], kind: Any) -> list[Term]:
    """The terms of a sum or the factors of a product, with what dots stand for between them as one of kind `kind`."""
    place = next((k for k, arg in enumerate(args) if isinstance(arg, Dots)), None)
    if place is None or not 0 < place < len(args) - 1:
        return args
    first, last = args[0], args[place + 1]
    used = {part.time.base for arg in args for part in walk(arg) if isinstance(part, Sym) and part.time is not None}
    index = next(letter for letter in "jiqrv" if letter not in used)
    ends = _ends(first, last)
    body = _body(first, last, ends, index) if ends else None
    if ends is None or body is None or place + 2 != len(args):
        return args
    ways = [all(args[k] == _at(body, index, ends[0] + sign * k) for k in range(place)) for sign in (1, -1)]
    return [kind(index, *ends, body)] if any(ways) else args


def _pairs(one: Term, other: Term) -> list[tuple[Sym, Sym]] | None:
    """The symbols of two terms side by side; None where the terms are built differently."""
    if isinstance(one, Sym) and isinstance(other, Sym):
        return [(one, other)]
    below, there = children(one), children(other)
    if type(one) is not type(other) or len(below) != len(there) or (not below and one != other):
        return None
    found: list[tuple[Sym, Sym]] = []
    for left, right in zip(below, there, strict=True):
        pairs = _pairs(left, right)
        if pairs is None:
            return None
        found += pairs
    return found


def _ends(first: Term, last: Term) -> tuple[Time, Time] | None:
    """The steps of the first and the last term, by the first symbol that differs."""
    for one, other in _pairs(first, last) or ():
        if one != other:
            return (one.time, other.time) if one.time is not None and other.time is not None else None
    return None


def _body(first: Term, last: Term, ends: tuple[Time, Time], index: str) -> Term | None:
    """The term at the step `index`; None where the first and the last term are not it at the two ends."""
    start, _ = ends

    def move(node: Term) -> Term:
        if isinstance(node, Sym) and node.time is not None and node.time.base == start.base:
            return node.at(Time(index, node.time.offset - start.offset))
        return rebuild(node, tuple(map(move, children(node))))

    body = move(first)
    return body if _at(body, index, ends[1]) == last else None


def _at(body: Term, index: str, time: Time) -> Term:
    if isinstance(body, Sym) and body.time is not None and body.time.base == index:
        return body.at(time + body.time.offset)
    return rebuild(body, tuple(_at(child, index, time) for child in children(body)))
