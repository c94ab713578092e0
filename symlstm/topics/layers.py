"""What the layers of a network do to adjoints, in words."""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.algebra import Adj, Relation, Rows, Sym, children, defined, term
from symlstm.model import Cell
from symlstm.networks import Network
from symlstm.prose import Prose, joined, listed, prose
from symlstm.reverse import Share
from symlstm.shapes import length_term


def handed_down(cell: Cell) -> Iterator[Prose]:
    """Where the adjoint of a layer's input comes from and goes to; nothing for a cell that is no network."""
    if not isinstance(cell, Network) or not cell.joints:
        return
    lines = list(cell.joints.values())
    if cell.layers[-1].number > 1:
        yield prose(
            " The layers are gone through from the last to the first: the adjoint of a layer's input is the adjoint of the "
            "output of the layer below."
        )
    if cell.bidirectional:
        yield joined(
            " Both directions of a layer read one input, so its adjoint is the sum of what both hand back. The outputs of both "
            "stand one above the other, ",
            listed(lines),
            ", so the rows are shared out: ",
            *_rows(cell, lines),
            ".",
        )
    else:
        yield joined(" With ", listed(lines), ", ", *_aliases(lines), ".")


def _aliases(lines: list[Relation]) -> Iterator[Prose]:
    for k, line in enumerate(lines):
        assert isinstance(line.rhs, Sym)
        yield prose(", and " * (k > 0) + "{} is what the layer above adds to {}", Adj(defined(line)), Adj(line.rhs))


def _rows(cell: Network, lines: list[Relation]) -> Iterator[Prose]:
    for k, line in enumerate(lines):
        first, second = (part for part in children(line.rhs) if isinstance(part, Sym))
        top, whole = (length_term(cell.shapes.lengths[of.name][0]) for of in (first, defined(line)))
        adjoint = Adj(defined(line))
        yield prose("; " * (k > 0) + "{} goes to {}, and ", Rows(adjoint, term(0), top), Adj(first))
        yield prose("{} to {}", Rows(adjoint, top, whole), Adj(second))


def as_what(cell: Cell, of: Sym, shares: tuple[Share, ...]) -> Iterator[Prose]:
    """Of what joins two layers, what it is; of a layer's output, as what it goes on."""
    if word := cell.joint(of):
        yield prose(f", the {word}")
    for share in shares:
        if word := cell.joint(share.through):
            yield prose(f", one of them as {'part of ' if share.applications else ''}{{}}, the {word}", share.through)
