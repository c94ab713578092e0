"""What a term is the derivative of, and the part of a derivative that arrives through the next step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

from symlstm.algebra import (
    NOW,
    Adj,
    Partial,
    Relation,
    Sym,
    Term,
    Time,
    map_relation,
    substitute,
    transform,
    walk,
)  # fmt: skip
from symlstm.definitions.meanings import Lazy, Theory, loss_of


@dataclass(frozen=True, slots=True, repr=False)
class Arriving(Term):
    """The part of a derivative by a state that arrives through the next step."""

    of: Term
    wrt: Sym


def handed_back(line: Relation) -> Iterator[Relation]:
    """A relation with `dh_{next}` and its like meant otherwise: the whole gradient, of this step or of the next one."""
    parts = [*dict.fromkeys(part for side in line.terms for part in walk(side) if isinstance(part, Adj) and part.arriving)]
    for moves in islice(product((None, 0, 1), repeat=len(parts)), 1, 27):
        chosen = [(part, move) for part, move in zip(parts, moves, strict=True) if move is not None]
        meant: dict[Term, Term] = {part: Adj(part.of.at((part.of.time or NOW) + move)) for part, move in chosen}
        yield map_relation(line, lambda side, meant=meant: substitute(side, meant))


def as_derivative(term: Term, theory: Theory) -> tuple[Term, Sym] | None:
    """What a term is the derivative of, and by what; None for what is no derivative of a loss."""
    if isinstance(term, Partial) and isinstance(term.wrt, Sym):
        return (term.of, term.wrt) if not (isinstance(term.of, Sym) and term.of.name in theory.steps) else None
    if isinstance(term, Adj):
        name = theory.same.get(term.of.name, term.of.name)
        lazy = theory.adjoints.get(name)
        if lazy is not None:
            return _shifted(lazy, term.of.time)
        return loss_of(theory), term.of
    if isinstance(term, Sym):
        found = theory.lazy(term)
        if len(found) == 1 and found[0].condition is None:
            return _shifted(found[0], term.time)
    return None


def _shifted(lazy: Lazy, time: Time | None) -> tuple[Term, Sym] | None:
    body = lazy.body
    if time is not None and lazy.letter:

        def move(part: Term) -> Term:
            if isinstance(part, Sym) and part.time is not None and part.time.base == lazy.letter:
                return part.at(Time(time.base, time.offset + part.time.offset - lazy.offset))
            return part

        body = transform(body, move)
    return (body.of, body.wrt) if isinstance(body, Partial) and isinstance(body.wrt, Sym) else None
