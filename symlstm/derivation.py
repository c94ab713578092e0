"""`Derivation`, the public object, and `derive`, which makes one.

>>> from symlstm import zoo
>>> d = derive(zoo.RNN, "gradients")
>>> d.steps[0].relation
delta z[t] = delta h[t] * (1 - h[t]^2)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symlstm.algebra import NotValid
from symlstm.dialects import notation_of
from symlstm.model import Cell
from symlstm.notation import HOUSE, Notation
from symlstm.restating import restated
from symlstm.restating.beside import in_names
from symlstm.steps import Block, Section, Step
from symlstm.topics import WORKED, bptt, sections

if TYPE_CHECKING:
    from symlstm.evidence.report import Report

LONGEST = 1000  # steps written out
Values = Mapping[str, Any] | str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Derivation:
    """The derivation of one topic of a cell, or of all: sections of steps, and the views of them.

    `notation` says how it is written; the records are about columns in any case. In a notebook it shows itself.
    """

    cell: Cell
    sections: tuple[Section, ...]
    notation: Notation = HOUSE

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it covers, in order."""
        return tuple(dict.fromkeys(section.topic for section in self.sections))

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, in order."""
        return tuple(step for section in self.sections for step in section.steps)

    def latex(self, report: Report | None = None) -> str:
        """A complete LaTeX document; with a report, each section says what was shown of it."""
        from symlstm import document

        return document.latex(self.cell, self.sections, report, self.notation)

    def markdown(self, report: Report | None = None) -> str:
        """The same as Markdown, with mathematics as code-hosting pages show it."""
        from symlstm import document

        return document.markdown(self.cell, self.sections, report, self.notation)

    def html(self, report: Report | None = None) -> str:
        """The same as one HTML page with MathML. Needs the extra `html`."""
        from symlstm import document

        return document.html(self.cell, self.sections, report, self.notation)

    def _repr_markdown_(self) -> str:
        from symlstm import document

        return document.markdown(self.cell, self.sections, notation=self.notation, marks=document.NOTEBOOK)

    def _repr_latex_(self) -> str:
        return "$$\\begin{aligned}\n" + " \\\\\n".join(step.latex() for step in self.steps) + "\n\\end{aligned}$$"


def derive(
    cell: Cell | str | os.PathLike[str],
    topic: str | None = None,
    values: Values | None = None,
    steps: int | None = None,
    notation: Notation | str | os.PathLike[str] = HOUSE,
) -> Derivation:
    """Derive one topic of a cell, or all of them. A cell may be a name, or a file of equations (a path, `.md` or `.tex`).

    `values`, for the topic `worked`, gives the arrays by name, as a mapping or as the path of a JSON file. `steps`, for the
    topic `bptt`, writes the recurrences out for so many of the last steps. `notation` is one of `notations()`, a `Notation`, or
    a file of one (.toml): the derivation is of the cell as it is restated in it, and the arrays have its names.
    Raises `NotValid` for a topic, a cell or a notation that does not exist, and for values that do not fit the cell.

    >>> print(derive("lstm", "gradients", notation="colah").steps[1].latex())
    \\delta \\tilde{C}_t = \\delta C_t * i_t
    """
    from symlstm import zoo

    original, notation = zoo.cell_of(cell), notation_of(notation)
    cell = original if notation == HOUSE else restated(original, notation)
    if topic == WORKED:
        from symlstm.topics import given, worked

        if values is None:
            raise NotValid(
                "The topic 'worked' puts numbers in, and none are given.", f"derive({cell.name!r}, 'worked')", given.EXPECTED
            )
        found: tuple[Section, ...] = (worked.section(cell, given.load(values)),)
    elif steps is not None:
        found = (_unrolled(cell, topic, steps),)
    elif values is not None:
        raise NotValid("Values are for the topic 'worked' only.", f"topic {topic!r}", "topic='worked', or no values")
    else:
        found = sections(cell, topic)
    if notation != HOUSE:
        found = tuple(in_names(each, original, notation) if each.about is not None else each for each in found)
    written = replace(notation, layered=cell.layered)
    return Derivation(cell, tuple(_as_shown(section, cell, written) for section in found), written)


def _unrolled(cell: Cell, topic: str | None, steps: int) -> Section:
    if topic != bptt.TOPIC:
        raise NotValid(
            "A number of steps is for the topic 'bptt' only.", f"topic {topic!r}", "topic='bptt', or no number of steps"
        )
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= LONGEST:
        raise NotValid(f"The number of steps is a whole number from 1 to {LONGEST}.", f"steps = {steps!r}", "for example 3")
    return bptt.unrolled(cell, steps)


def _as_shown(section: Section, cell: Cell, notation: Notation) -> Section:
    """The section with steps that know the shapes of their quantities and how they are written.

    LaTeX from another source is as the house writes; where the notation writes the relation otherwise, it is left out.
    """
    shapes = (section.about or cell).shapes

    def known(block: Block) -> Block:
        if not isinstance(block, Step):
            return block
        return replace(block, shapes=shapes if block.shapes is None else block.shapes, notation=notation)

    shown = (block for block in section.blocks if not isinstance(block, Step) or block.is_written_in(notation))
    return replace(section, blocks=tuple(map(known, shown)))
