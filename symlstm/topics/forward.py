"""Topic `forward`: the equations of one step, in order of evaluation."""

from __future__ import annotations

from symlstm import reference
from symlstm.activations import activation
from symlstm.algebra import Apply, Hadamard, Relation, Sym, defined, equation, quantities, walk
from symlstm.model import Cell
from symlstm.prose import Prose, joined, listed, prose
from symlstm.rendering import rendered
from symlstm.steps import Section, Step

TOPIC, TITLE = "forward", "One step forward"

h, c, i, f, o, g = quantities("h c i f o g")
CODE = {equation(c, f * c.prev + i * g): reference.cell_update, equation(h, o * Apply("tanh", c)): reference.output}


def section(cell: Cell) -> Section:
    """The named equations as definitions."""
    head = (
        prose(f"The equations are those of {cell.source}, with every pre-activation named.")
        if cell.source
        else prose("Every pre-activation has a name.")
    )
    steps = (Step(TOPIC, f"definition of {defined(line).name}", "definition", line, _reason(cell, line)) for line in cell.named)
    code = (
        Step(
            TOPIC,
            f"{defined(line).name}, as code",
            "definition",
            line,
            prose("the reference, as code"),
            written=rendered(CODE[line]),
        )
        for line in cell.named
        if line in CODE
    )
    return Section(TOPIC, TITLE, (head, *steps, *code))


def _reason(cell: Cell, line: Relation) -> Prose:
    word = cell.words.get(defined(line).name, "")
    if isinstance(line.rhs, Apply) and isinstance(line.rhs.arg, Sym):
        return prose((f"{word}: " if word else "") + "entries in {}", activation(line.rhs.function).values)
    used = [part for part in walk(line.rhs) if isinstance(part, Sym) and part.time is not None]
    if not word and not any(isinstance(part, Hadamard) for part in walk(line.rhs)):
        return joined("affine in ", listed(dict.fromkeys(used)))
    return prose(word)
