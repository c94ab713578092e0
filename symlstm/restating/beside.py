"""Sections about another cell than the one that is derived: a head on top, one unit, a later stage. They keep their form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from symlstm.algebra import Relation, Term, defined, map_relation
from symlstm.model import Cell
from symlstm.notation import Notation
from symlstm.prose import Prose
from symlstm.restating.renaming import called, names, renamed
from symlstm.steps import Block, Section, Table

FREE = "vuqkrwpade"  # letters for what only such a section has


def _private(about: Cell, of_cell: Mapping[str, str]) -> dict[str, str]:
    """Other letters for what only the other cell has, where the derived cell's things are called by them now."""
    signals = [symbol.name for symbol in (*about.input_terms, *about.state_terms, *map(defined, about.declared))]
    taken = {*of_cell.values(), *signals, *about.size_names}
    free = (letter for letter in FREE if letter not in taken)
    return {name: next(free) for name in dict.fromkeys(signals) if name not in of_cell and name in of_cell.values()}


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
    of_cell = names(cell, notation)
    private = _private(about, of_cell)
    cells = {**notation.cells, about.name: {**notation.cells.get(about.name, {}), **private}}
    own = names(about, replace(notation, cells=cells))
    found = of_cell | own

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
