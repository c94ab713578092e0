"""Sections about another cell than the one that is derived: a head on top, one unit, a later stage. They keep their form."""

from __future__ import annotations

from dataclasses import replace

from symlstm.algebra import Relation, Term, map_relation
from symlstm.model import Cell
from symlstm.notation import Notation
from symlstm.prose import Prose
from symlstm.restating.renaming import called, names, renamed
from symlstm.steps import Block, Section, Table


def in_names(section: Section, cell: Cell, notation: Notation) -> Section:
    """A section about another cell than `cell`, with the names that a notation has for that one, and else for `cell`.

    >>> from symlstm import zoo
    >>> from symlstm.dialects import NOTATIONS
    >>> from symlstm.topics import sections
    >>> made = in_names(sections(zoo.LSTM, "sampling")[0], zoo.LSTM, NOTATIONS["colah"])
    >>> made.about.declared
    (C[t] = f[t] @ C[t-1] + i[t] @ C_tilde[t],)
    """
    about: Cell = section.about
    own = names(about, notation)
    found = names(cell, notation) | own

    def change(node: Term) -> Term:
        return called(node, found, about.parameter_terms)

    def text(of: Prose) -> Prose:
        return Prose(tuple(piece if isinstance(piece, str) else statement(piece) for piece in of.pieces))

    def statement(piece: Term | Relation) -> Term | Relation:
        return map_relation(piece, change) if isinstance(piece, Relation) else change(piece)

    def block(of: Block) -> Block:
        if isinstance(of, Prose):
            return text(of)
        if isinstance(of, Table):
            return replace(of, rows=tuple(tuple(map(text, row)) for row in of.rows))
        return replace(of, relation=map_relation(of.relation, change), reason=text(of.reason))

    return replace(section, blocks=tuple(map(block, section.blocks)), about=renamed(about, own))
