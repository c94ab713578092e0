"""A page of any format with its vectors as rows: what it is given about columns is turned before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from symlstm.document.pages import Numbered, Page
from symlstm.prose import Prose
from symlstm.shapes import Shapes
from symlstm.steps import Step, Table
from symlstm.turning import prose_in_rows, to_rows


@dataclass(frozen=True, slots=True)
class InRows:
    """The paragraphs, steps, tables and evidence of a section; `shapes` are those of its columns."""

    page: Page
    shapes: Shapes

    def paragraph(self, text: Prose) -> str:
        return self.page.paragraph(prose_in_rows(text, self.shapes))

    def table(self, table: Table) -> str:
        return self.page.table(replace(table, rows=tuple(
            tuple(prose_in_rows(cell, self.shapes) for cell in row) for row in table.rows)))  # fmt: skip

    def steps(self, run: Sequence[Numbered]) -> str:
        return self.page.steps([Numbered(each.number, self._turned(each.step)) for each in run])

    def evidence(self, found: Mapping[str, Prose]) -> str:
        return self.page.evidence({way: prose_in_rows(text, self.shapes) for way, text in found.items()})

    def _turned(self, step: Step) -> Step:
        """LaTeX from another source stays where turning changes nothing."""
        line = to_rows(step.relation, self.shapes)
        written = step.written if line == step.relation else None
        return replace(step, relation=line, reason=prose_in_rows(step.reason, self.shapes), written=written)
