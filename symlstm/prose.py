"""Text with mathematics inside it: what reasons, paragraphs and table cells are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from symlstm.algebra import Relation, Term, plain

Piece = str | Term | Relation


@dataclass(frozen=True, slots=True)
class Prose:
    """Text with mathematics inside: strings, terms and relations in a row."""

    pieces: tuple[Piece, ...]


Text = Prose | str


COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def in_words(count: int) -> str:
    """A number from one to ten as a word; above, in digits.

    >>> in_words(3), in_words(12)
    ('three', '12')
    """
    return COUNTS[count - 1] if count <= len(COUNTS) else str(count)


def nearest(name: object, known: Iterable[str], show: Callable[[str], str] = str) -> str:
    """What a message offers in the place of an unknown name: the names that look like it, else all of them.

    >>> nearest("lstn", ["lstm", "gru"], repr), nearest("transformer", ["lstm", "gru"])
    ("'lstm'", 'lstm, gru')
    """
    names = list(known)
    near = get_close_matches(str(name), names, n=3)
    return " or ".join(map(show, near)) if near else ", ".join(map(show, names))


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
    return joined(*(Prose((each,)) for each in terms), by=", ")


def joined(*parts: Text, by: str = "") -> Prose:
    """Several texts as one, with something between them."""
    pieces = (piece for k, part in enumerate(parts) for piece in (by if k else "", *in_pieces(part)))
    return Prose(tuple(piece for piece in pieces if piece != ""))


def in_pieces(text: Text) -> tuple[Piece, ...]:
    """The strings, terms and relations of a text."""
    return (text,) if isinstance(text, str) else text.pieces


def plain_prose(text: Text) -> str:
    """A text as one line without typesetting."""
    return "".join(piece if isinstance(piece, str) else plain(piece) for piece in in_pieces(text))
