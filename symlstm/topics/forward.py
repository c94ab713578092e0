"""Topic `forward`: the equations of one step, in order of evaluation."""

from __future__ import annotations

from symlstm.activations import activation
from symlstm.algebra import Apply, Hadamard, Relation, Sym, walk
from symlstm.model import Cell
from symlstm.prose import Prose, joined, listed, prose
from symlstm.steps import Section, Step

TOPIC, TITLE = "forward", "One step forward"


def section(cell: Cell) -> Section:
    """The named equations as definitions."""
    head = prose(f"The equations are those of {cell.source}, with every pre-activation named.") if cell.source else prose(
        "Every pre-activation has a name.")
    steps = (Step(TOPIC, f"definition of {line.lhs.name}", "definition", line, _reason(cell, line))  # type: ignore[union-attr]
             for line in cell.named)
    return Section(TOPIC, TITLE, (head, *steps))


def _reason(cell: Cell, line: Relation) -> Prose:
    assert isinstance(line.lhs, Sym)
    word = cell.words.get(line.lhs.name, "")
    if isinstance(line.rhs, Apply) and isinstance(line.rhs.arg, Sym):
        return prose((f"{word}: " if word else "") + "entries in {}", activation(line.rhs.function).values)
    used = [part for part in walk(line.rhs) if isinstance(part, Sym) and part.time is not None]
    if not word and not any(isinstance(part, Hadamard) for part in walk(line.rhs)):
        return joined("affine in ", listed(dict.fromkeys(used)))
    return prose(word)
