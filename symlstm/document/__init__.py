r"""Sections to documents: `.tex` that compiles as it stands, `.md` for code-hosting pages, `.html` without a script.

All three show the same mathematics in the same order, the one `contents` lists: first the table of notation, then each
section's pieces as `steps.fragments` has them. What the evidence says is about them and claims nothing itself: to read a
file back it is left out, by `without_evidence`.

>>> from symlstm import zoo
>>> from symlstm.topics import sections
>>> print(latex(zoo.RNN, sections(zoo.RNN, "forward")).splitlines()[0])
% symlstm: cell=rnn topics=forward
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol

from symlstm.algebra import Relation, Term
from symlstm.document.pages import HOSTING, NOTEBOOK, HtmlPage, MarkdownPage, Marks, Numbered, Page, TexPage, without_evidence
from symlstm.document.rows import InRows
from symlstm.model import Cell
from symlstm.notation import GITHUB, HOUSE, Notation
from symlstm.prose import Prose, Text, joined, prose
from symlstm.steps import Block, Section, Step, Table, fragments
from symlstm.topics import sizes

__all__ = ["HOSTING", "NOTEBOOK", "Evidence", "Marks", "contents", "html", "knowing", "latex", "markdown", "opening", "spans",
           "without_evidence"]
UNCHECKED = "Not checked"


class Evidence(Protocol):
    """What a report must offer: for each way of looking at a step, in words, what it showed; nothing: not looked at.

    The words are without a full stop; in their strings `n = 2`, `-1` and `1e-12` are set as such.
    """

    def words(self, step: Step) -> Mapping[str, Text]: ...


def latex(cell: Cell, sections: Sequence[Section], report: Evidence | None = None, notation: Notation = HOUSE) -> str:
    """A complete LaTeX article; with a report, each section says what supports its lines."""
    return _file(TexPage(knowing(notation, cell, sections)), notation, cell, sections, report)


def markdown(cell: Cell, sections: Sequence[Section], report: Evidence | None = None, notation: Notation = HOUSE,
             marks: Marks = HOSTING) -> str:
    """A Markdown file; its marks around mathematics are for code-hosting pages, or with `NOTEBOOK` for Jupyter."""
    upright = replace(notation, operator=GITHUB.operator) if notation.operator == HOUSE.operator else notation
    return _file(MarkdownPage(knowing(upright, cell, sections), marks), notation, cell, sections, report)


def html(cell: Cell, sections: Sequence[Section], report: Evidence | None = None, notation: Notation = HOUSE) -> str:
    """One HTML page with MathML. Raises `NotSupported` where the extra `html` is not installed."""
    return _file(HtmlPage(knowing(notation, cell, sections)), notation, cell, sections, report)


ROWS = (
    " Vectors are rows here: a matrix stands behind the vector that it acts on, and the Jacobian of one vector by another "
    "has a row for each entry of the other."
)


def opening(cell: Cell, notation: Notation = HOUSE) -> tuple[Prose, Table]:
    """What stands above the first section: a few sentences, also on the notation where it is not ours, and its table."""
    line = "Everything here follows from the equations of one step. Each line is numbered and has its reason beside it."
    source = f" The notation follows {notation.source}." if notation.source else ""
    return prose(line + source + ROWS * (notation.vectors == "rows")), sizes.notation(cell)


def contents(cell: Cell, sections: Sequence[Section]) -> Iterator[Term | Relation]:
    """Every piece of mathematics of a document, in the order of the file."""
    for part in (*opening(cell), *sections):
        yield from fragments(part)


def spans(numbers: Sequence[int]) -> str:
    """Numbers of equations, neighbours joined.

    >>> spans([1, 2, 3, 7, 9, 10])
    '(1)–(3), (7), (9), (10)'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"({run[0]})–({run[-1]})" if len(run) > 2 else ", ".join(f"({k})" for k in run) for run in runs)


def knowing(notation: Notation, cell: Cell, sections: Sequence[Section]) -> Notation:
    """The notation of a document: what is a parameter or one number is so in every cell that it is about."""
    shapes = [each.shapes for each in (cell, *(section.about for section in sections if section.about is not None))]
    vectors = frozenset(name for each in shapes for name in each.lengths if name not in each.numbers)
    parameters = frozenset(name for each in shapes for name in each.parameters)
    return notation.knowing(parameters, frozenset(name for each in shapes for name in each.numbers) - vectors)


def _file(page: Page, notation: Notation, cell: Cell, sections: Sequence[Section], report: Evidence | None) -> str:
    claim = f"symlstm: cell={cell.name} topics={','.join(dict.fromkeys(section.topic for section in sections))}"
    claim += f" notation={notation.name}" * (notation.name != HOUSE.name)
    return page.file(claim, cell.title, list(_parts(page, notation, cell, sections, report)))


def _parts(
    page: Page, notation: Notation, cell: Cell, sections: Sequence[Section], report: Evidence | None
) -> Iterator[str]:
    def about(which: Cell) -> Page | InRows:
        return InRows(page, which.shapes) if notation.vectors == "rows" else page

    text, table = opening(cell, notation)
    yield page.paragraph(text)
    yield about(cell).table(table)
    number = 0
    for section in sections:
        here = about(section.about or cell)
        yield page.heading(section.title)
        counted: list[Numbered] = []
        for run in _runs(section.blocks):
            if isinstance(run, list):
                steps = [Numbered(number + len(counted) + k, step) for k, step in enumerate(run, start=1)]
                counted += steps
                yield here.steps(steps)
            else:
                yield here.table(run) if isinstance(run, Table) else here.paragraph(run)
        number += len(counted)
        if report is not None and counted:
            yield here.evidence(_supported(counted, report))


def _runs(blocks: Sequence[Block]) -> Iterator[list[Step] | Prose | Table]:
    """The blocks in order, with consecutive steps together."""
    for _, group in groupby(blocks, key=lambda block: isinstance(block, Step)):
        steps: list[Step] = []
        for block in group:
            if isinstance(block, Step):
                steps.append(block)
            else:
                yield block
        if steps:
            yield steps


def _supported(steps: Sequence[Numbered], report: Evidence) -> dict[str, Prose]:
    """For each way of looking, what it found, each phrase once with the steps it is about: `(1)–(4), (7): words.`"""
    found: dict[str, dict[Text, list[int]]] = {}
    for each in steps:
        for way, phrase in (report.words(each.step) or {UNCHECKED: "no evidence was gathered"}).items():
            found.setdefault(way, {}).setdefault(phrase, []).append(each.number)
    return {way: joined(*(joined(f"{spans(numbers)}: ", phrase, ".") for phrase, numbers in said.items()), by=" ")
            for way, said in found.items()}
