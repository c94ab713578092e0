r"""Marks of time that are words: what `h_{prev}`, `c_{next}` and `dh_{next}` say, in the times that everything else has.

`h_{prev}` is h at t-1. Where a document writes `c_{next}` for what a step computes, that is c at t; else `dh_{next}` is the
part of a gradient that the next step hands back. Definitions of single steps, `h_2 = \tanh(W x_2 + U h_1)`, are said of
every step where nothing else defines the quantity. `W^1` beside `W^2` are two names.

>>> from symlstm.reader import PEOPLE, read
>>> plain(timed([read(r"h_t = W x_t + h_{prev}", PEOPLE)])[0])
'h[t] = W @ x[t] + h[t-1]'
>>> plain(general(read("h_2 = W x_2 + U h_1", PEOPLE)))
'h[t] = W @ x[t] + U @ h[t-1]'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symlstm.algebra import NOW, Adj, Num, Partial, Pow, Relation, Sym, Term, Time, map_relation, plain, term, transform, walk

INPUTS = frozenset({"x", "X"})
MARKS = {"prev": -1, "previous": -1, "next": 0}


def timed(lines: Sequence[Relation]) -> list[Relation]:
    """The relations of a document with its marks of words as times."""
    symbols = {part.name: part for line in lines for part in walk(line) if isinstance(part, Sym)}
    deltas = {part.of.name for line in lines for part in walk(line) if isinstance(part, Adj)}
    marked = {name: _split(name) for name in (*symbols, *deltas) if _split(name)[1]}
    known = {*symbols, *(base for name, (base, _) in marked.items() if name in symbols)}
    bases = {base for base, _ in marked.values() if base in known}
    if not bases:
        return list(lines)
    forward = any(name in symbols and mark == "next" for name, (_, mark) in marked.items())

    def change_deltas(part: Term) -> Term:
        base, mark = _split(part.of.name) if isinstance(part, Adj) else ("", "")
        return Adj(Sym(base, Time("t", MARKS[mark])), arriving=True) if mark and base in bases else part

    def change(part: Term) -> Term:
        if isinstance(part, Sym):
            base, mark = _split(part.name)
            if mark and base in bases and (mark != "next" or forward):
                return Sym(base, Time("t", MARKS[mark]))
            if part.time is None and part.name in bases | INPUTS:
                return part.at(NOW)
        return part

    return [map_relation(line, lambda side: transform(transform(side, change_deltas), change)) for line in lines]


def labelled(lines: Sequence[Relation]) -> list[Relation]:
    """`W_z^1` beside `W_z^2`: a number above is a label and no power, where one of them is 1."""
    powers = [part for line in lines for part in walk(line) if isinstance(part, Pow)]
    named = {part.base.name for part in powers if isinstance(part.base, Sym) and part.exponent == term(1)}

    def change(part: Term) -> Term:
        if isinstance(part, Pow) and isinstance(part.base, Sym) and part.base.name in named and isinstance(part.exponent, Num):
            joined = "" if "_" in part.base.name else "_"  # W_{z1}: behind a comma it would be a time
            return replace(part.base, name=f"{part.base.name}{joined}{part.exponent.value}")
        return part

    return [map_relation(line, lambda side: transform(side, change)) for line in lines] if named else list(lines)


def _split(name: str) -> tuple[str, str]:
    base, _, mark = name.rpartition("_")
    return (base, mark) if mark in MARKS and base else ("", "")


def general(line: Relation) -> Relation | None:
    """The equation of one numbered step as an equation of step t; None for what is no such equation."""
    left = line.lhs
    if not isinstance(left, Sym) or left.time is None or left.time.base or left.time.offset < 1 or line.operators[0] != "=":
        return None
    parts = [part for side in line.terms[1:] for part in walk(side)]
    times = [part.time for part in parts if isinstance(part, Sym) and part.time is not None]
    if not times or any(time.base for time in times) or any(isinstance(part, (Partial, Adj)) for part in parts):
        return None
    move = left.time.offset

    def change(part: Term) -> Term:
        return part.at(Time("t", part.time.offset - move)) if isinstance(part, Sym) and part.time is not None else part

    return map_relation(line, lambda side: transform(side, change))


__all__ = ["MARKS", "general", "labelled", "plain", "timed"]
