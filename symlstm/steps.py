"""The records a derivation is made of: plain, immutable, and knowing nothing of how they are printed.

`fragments` lists every piece of mathematics of a section in the order in which a page shows it; the reader finds
them in an exported file in that same order, so the k-th of the file can be held against the k-th of the derivation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from symlstm.algebra import NotSupported, Relation, Term
from symlstm.notation import HOUSE, Notation
from symlstm.prose import Prose

Kind = Literal["definition", "identity", "bound", "limit", "size", "number", "expectation"]


@dataclass(frozen=True, slots=True)
class Application:
    """One VJP rule at work: at `node`, whose adjoint is `adjoint`, it gave each (argument, share of its adjoint)."""

    rule: str
    node: Term
    adjoint: Term
    shares: tuple[tuple[Term, Term], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a derivation: a relation, what kind of statement it is, and the reason for it.

    `written` is LaTeX from another source (the reference's code, rendered) that stands on the page in place of ours.
    `shapes` are those of the quantities; none at all where every letter is one number. `notation` says how it is written.
    """

    topic: str
    name: str
    kind: Kind
    relation: Relation
    reason: Prose
    applications: tuple[Application, ...] = ()
    written: str | None = None
    shapes: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    notation: Notation = field(default=HOUSE, compare=False, repr=False)

    @property
    def equation(self) -> Any:
        """The step as a SymPy relation of matrix expressions.

        Sums over time, bounds, sizes, limits and derivatives have no faithful SymPy form; they stay relations of ours.
        """
        from symlstm.expressions import to_sympy

        if self.shapes is None:
            return self.relation
        try:
            return to_sympy(self.relation, self.shapes)
        except NotSupported:
            return self.relation

    def latex(self) -> str:
        """The relation as LaTeX."""
        from symlstm import tex
        from symlstm.shapes import Shapes
        from symlstm.turning import to_rows

        if self.written is not None:
            return self.written
        if not isinstance(self.shapes, Shapes):
            return tex.latex(self.relation, self.notation)
        line = to_rows(self.relation, self.shapes) if self.notation.vectors == "rows" else self.relation
        return tex.latex(line, self.notation.knowing(self.shapes.parameters, self.shapes.numbers))

    def is_written_in(self, notation: Notation) -> bool:
        """Whether LaTeX from another source, which is as the house writes, is also as a notation writes; ours is always."""
        from symlstm import tex

        return self.written is None or tex.latex(self.relation, notation) == tex.latex(self.relation)


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its cells are prose."""

    header: tuple[str, ...]
    rows: tuple[tuple[Prose, ...], ...]


Block = Prose | Step | Table


@dataclass(frozen=True, slots=True)
class Section:
    """One topic of a derivation: a title, and paragraphs, steps and tables in order.

    `about` is the cell whose quantities its relations are about, where that is another than the derivation's.
    """

    topic: str
    title: str
    blocks: tuple[Block, ...] = field(default=())
    about: Any = None

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(block for block in self.blocks if isinstance(block, Step))


def fragments(block: Block | Section) -> Iterator[Term | Relation]:
    """Every piece of mathematics, in the order of the page: a step's relation, then what its reason mentions."""
    if isinstance(block, Section):
        for part in block.blocks:
            yield from fragments(part)
    elif isinstance(block, Step):
        yield block.relation
        yield from fragments(block.reason)
    elif isinstance(block, Table):
        for row in block.rows:
            for cell in row:
                yield from fragments(cell)
    else:
        yield from (piece for piece in block.pieces if not isinstance(piece, str))
