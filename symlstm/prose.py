"""Text with mathematics inside it: what reasons, paragraphs and table cells are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from symlstm.algebra import Relation, Term, plain

Piece = str | Term | Relation


@dataclass(frozen=True, slots=True)
class Prose:
    """Text with mathematics inside: strings, terms and relations in a row."""

    pieces: tuple[Piece, ...]


def prose(text: str, *math: Term | Relation) -> Prose:
    """`prose("the slope of {} at {}", f, x)`: each {} is filled with a term or relation."""
    words = text.split("{}")
    assert len(words) == len(math) + 1, f"{len(math)} pieces of mathematics for {text!r}"
    pieces: list[Piece] = [words[0]]
    for piece, word in zip(math, words[1:], strict=True):
        pieces += [piece, word]
    return Prose(tuple(piece for piece in pieces if piece != ""))


def listed(terms: Iterable[Term | Relation]) -> Prose:
    """The terms with commas between them."""
    pieces: list[Piece] = []
    for each in terms:
        pieces += [", ", each] if pieces else [each]
    return Prose(tuple(pieces))


def joined(*parts: Prose | str) -> Prose:
    """Several pieces of prose as one."""
    return Prose(tuple(piece for part in parts for piece in (part.pieces if isinstance(part, Prose) else (part,)) if piece != ""))


def plain_prose(text: Prose) -> str:
    """Prose as one line of plain text."""
    return "".join(piece if isinstance(piece, str) else plain(piece) for piece in text.pieces)
