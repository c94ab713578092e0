r"""Sections to documents: `.tex` that compiles as it stands, `.md` for code-hosting pages, `.html` without a script.

All three show the same mathematics in the same order, the one `contents` lists: first the table of notation, then each
section's pieces as `steps.fragments` has them. Nothing else in a file is mathematics; what the evidence says is words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from typing import Protocol

from symlstm import tex
from symlstm.algebra import NotSupported, Relation, Term
from symlstm.layout import Alignment, Line, alignments
from symlstm.metrics import text_width
from symlstm.model import Cell
from symlstm.notation import HOUSE, Notation
from symlstm.prose import Prose, prose
from symlstm.steps import Block, Section, Step, Table, fragments
from symlstm.tex import Link
from symlstm.topics import sizes

GITHUB = replace(HOUSE, operator=r"\mathrm")  # GitHub refuses \operatorname


class Evidence(Protocol):
    """What a report must offer: of a step, in plain words, what supports it; empty where nothing does."""

    def words(self, step: Step) -> str: ...


def opening(cell: Cell) -> tuple[Block, ...]:
    """What stands above the first section: one sentence, and the table of notation."""
    line = prose("Everything here follows from the equations of one step. Each line is numbered and has its reason beside it.")
    return line, sizes.notation(cell)


def contents(cell: Cell, sections: Sequence[Section]) -> Iterator[Term | Relation]:
    """Every piece of mathematics of a document, in the order of the file."""
    for block in (*opening(cell), *sections):
        yield from fragments(block)


def claim(cell: Cell, sections: Sequence[Section]) -> str:
    """What a file says it is, in its first comment."""
    return f"symlstm: cell={cell.name} topics={','.join(section.topic for section in sections)}"


def latex(cell: Cell, sections: Sequence[Section], report: Evidence | None = None, notation: Notation = HOUSE) -> str:
    """A complete LaTeX article."""
    page = TexPage(_known(cell, notation))
    body = "\n\n".join(_written(page, cell, sections, report)).replace("\n\n\\begin{align}", "\n\\begin{align}")  # no paragraph ends there
    return f"% {claim(cell, sections)}\n{_PREAMBLE}\\begin{{document}}\n\n{body}\n\n\\end{{document}}\n"


def markdown(cell: Cell, sections: Sequence[Section], report: Evidence | None = None, notation: Notation = GITHUB) -> str:
    """A Markdown file, for pages that show mathematics in code fences."""
    page = MarkdownPage(_known(cell, notation))
    return f"<!-- {claim(cell, sections)} -->\n\n" + "\n\n".join(_written(page, cell, sections, report)) + "\n"


def html(cell: Cell, sections: Sequence[Section], report: Evidence | None = None, notation: Notation = HOUSE) -> str:
    """One HTML page with MathML. Raises `NotSupported` where the extra `html` is not installed."""
    page = HtmlPage(_known(cell, notation))
    body = "\n".join(_written(page, cell, sections, report))
    head = f'<meta charset="utf-8">\n<title>{escape(cell.title)}</title>\n<style>{_STYLE}</style>'
    return f"<!DOCTYPE html>\n<!-- {claim(cell, sections)} -->\n<html lang=\"en\">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n"


def _known(cell: Cell, notation: Notation) -> Notation:
    return notation.knowing(frozenset(symbol.name for symbol in cell.parameter_terms))


# --- what the three have in common ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Numbered:
    """A step with its number."""

    number: int
    step: Step


class Page(Protocol):
    """How one format writes each kind of block."""

    def title(self, text: str) -> str: ...
    def heading(self, text: str) -> str: ...
    def paragraph(self, text: Prose) -> str: ...
    def steps(self, run: Sequence[Numbered]) -> str: ...
    def table(self, table: Table) -> str: ...
    def evidence(self, text: str) -> str: ...


def _written(page: Page, cell: Cell, sections: Sequence[Section], report: Evidence | None) -> Iterator[str]:
    yield page.title(cell.title)
    for block in opening(cell):
        yield page.table(block) if isinstance(block, Table) else page.paragraph(block)  # type: ignore[arg-type]
    number = 0
    for section in sections:
        yield page.heading(section.title)
        counted: list[Numbered] = []
        for kind, group in groupby(section.blocks, key=type):
            if kind is Step:
                run = [Numbered(number + k, step) for k, step in enumerate(group, start=1) if isinstance(step, Step)]
                number += len(run)
                counted += run
                yield page.steps(run)
            else:
                yield from (page.table(block) if isinstance(block, Table) else page.paragraph(block) for block in group)  # type: ignore[arg-type]
        if report is not None and counted:
            yield page.evidence(". ".join(_supported(counted, report)) + ".")


def _supported(run: Sequence[Numbered], report: Evidence) -> Iterator[str]:
    """The steps of a section with equal evidence together: `(1)–(4), (7): words`."""
    words = {each.number: report.words(each.step).rstrip(".") for each in run}
    for said in dict.fromkeys(words.values()):
        numbers = [number for number, each in words.items() if each == said]
        yield f"{spans(numbers)}: {said or 'nothing was checked'}"


def spans(numbers: Sequence[int]) -> str:
    """Numbers of equations, neighbours joined.

    >>> spans([1, 2, 3, 7, 9, 10])
    '(1)–(3), (7), (9), (10)'
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(f"({run[0]})–({run[-1]})" if len(run) > 2 else ", ".join(f"({k})" for k in run) for run in found)


def _mixed(text: Prose, words: Callable[[str], str], math: Callable[[Term | Relation], str]) -> str:
    return "".join(words(piece) if isinstance(piece, str) else math(piece) for piece in text.pieces).strip()


def _line(step: Step, notation: Notation, reason: str = "") -> Line:
    """A step in pieces; LaTeX from another source is split at its first equals sign."""
    if step.written is not None:
        left, _, right = step.written.partition(" = ")
        return Line(left, (Link("=", (right,)),), reason=reason)
    left, found, condition = tex.links(step.relation, notation)
    return Line(left, found, condition, reason)


# --- LaTeX ------------------------------------------------------------------------------------------------------------

_PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[a4paper,margin=23mm]{geometry}
\usepackage{amsmath,amssymb,booktabs,array}
\newcommand{\reason}[1]{&& \mbox{\small #1}}
\newcommand{\longreason}[2]{&& \parbox[t]{#1}{\raggedright\small #2}}
\newcommand{\reasonbelow}[1]{\\ &\quad \mbox{\small #1} \notag}
\allowdisplaybreaks
\raggedbottom
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.6em plus 0.2em}
\setlength{\emergencystretch}{3em}
"""
_TEX = str.maketrans({"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}", "–": "--", "−": "--",
                      "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": r"\textless{}",
                      ">": r"\textgreater{}"})  # fmt: skip
_POWER_OF_TEN = re.compile(r"\b1e([-+]?\d+)\b")
_VALUE = re.compile(r"\b([A-Za-z]) ?(=|>=|!=) ?(?=\w)")
TABLE = 455.0  # how wide a table may be; a column costs 12 points besides what is in it


def _tex_words(text: str) -> str:
    return re.sub(r'"([^"]*)"', r"``\1''", text.translate(_TEX))


@dataclass(frozen=True, slots=True)
class TexPage:
    """The blocks of a LaTeX article."""

    notation: Notation

    def title(self, text: str) -> str:
        return rf"\begin{{center}}{{\LARGE\bfseries {_tex_words(text)}}}\end{{center}}"

    def heading(self, text: str) -> str:
        return rf"\section*{{{_tex_words(text)}}}"

    def paragraph(self, text: Prose) -> str:
        return _mixed(text, _tex_words, self._inline)

    def steps(self, run: Sequence[Numbered]) -> str:
        lines = [_line(each.step, self.notation, self.paragraph(each.step.reason)) for each in run]
        return "\n".join(_align(alignment) for alignment in alignments(lines))

    def table(self, table: Table) -> str:
        cells = [[self.paragraph(cell) for cell in row] for row in table.rows]
        wide = [max(1.1 * text_width(cell) for cell in column) + 12 for column in zip(*cells, strict=True)]
        last = TABLE - sum(wide[:-1])
        columns = "l" * (len(wide) - 1) + ("l" if wide[-1] <= last else rf">{{\raggedright\arraybackslash}}p{{{last:.0f}pt}}")
        head, rows = " & ".join(map(_tex_words, table.header)), " \\\\\n".join(" & ".join(row) for row in cells)
        inside = f"\\toprule\n{head} \\\\\n\\midrule\n{rows} \\\\\n\\bottomrule"
        tabular = f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n{inside}\n\\end{{tabular}}"
        return f"\\begin{{center}}\\renewcommand{{\\arraystretch}}{{1.2}}\n{tabular}\n\\end{{center}}"

    def evidence(self, text: str) -> str:
        said = _VALUE.sub(r"\\textit{\1}~\2~", _POWER_OF_TEN.sub(r"10\\textsuperscript{\1}", _tex_words(text)))
        return rf"\paragraph{{Evidence.}} {said.replace('{-', '{--')}"

    def _inline(self, node: Term | Relation) -> str:
        return f"${tex.latex(node, self.notation, inline=True)}$"


def _align(alignment: Alignment) -> str:
    whole = [_aligned(line, rows, alignment.reasons) for line, rows in zip(alignment.lines, alignment.rows, strict=True)]
    return "\\begin{align}\n" + " \\\\\n".join(whole) + "\n\\end{align}"


def _aligned(line: Line, rows: tuple[str, ...], room: float) -> str:
    """The rows of one line; the number and the reason stand at the last."""
    text = f"{line.left} " + " \\notag \\\\\n  ".join(rows)
    if not line.reason:
        return text
    if not room:
        return rf"{text} \reasonbelow{{{line.reason}}}"
    if text_width(line.reason) > room:
        return rf"{text} \longreason{{{room:.0f}pt}}{{{line.reason}}}"
    return rf"{text} \reason{{{line.reason}}}"


# --- Markdown -----------------------------------------------------------------------------------------------------------

WIDE = 520.0  # in points at 11 points, about what a page of a code-hosting site shows


@dataclass(frozen=True, slots=True)
class MarkdownPage:
    """The blocks of a Markdown file. Mathematics stands in code marks, which Markdown leaves alone."""

    notation: Notation

    def title(self, text: str) -> str:
        return f"# {text}"

    def heading(self, text: str) -> str:
        return f"## {text}"

    def paragraph(self, text: Prose) -> str:
        return _mixed(text, str, self._inline)

    def steps(self, run: Sequence[Numbered]) -> str:
        return "\n\n".join(map(self._step, run))

    def table(self, table: Table) -> str:
        rows = [list(table.header), ["---"] * len(table.header), *([self._cell(cell) for cell in row] for row in table.rows)]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def evidence(self, text: str) -> str:
        said = _POWER_OF_TEN.sub(lambda found: f"10<sup>{found[1].replace('-', '−')}</sup>", text)
        return "**Evidence.** " + _VALUE.sub(r"*\1* \2 ", said)

    def _step(self, each: Numbered) -> str:
        line = _line(each.step, self.notation)
        rows = line.rows(WIDE) or line.rows(WIDE / 2) or tuple(f"&{link.sign} {' '.join(link.pieces)}" for link in line.links)
        whole = f"{line.left} {rows[0].removeprefix('&')}"
        if len(rows) > 1:
            whole = f"\\begin{{aligned}}\n{line.left} " + " \\\\\n".join(rows) + "\n\\end{aligned}"
        reason = self.paragraph(each.step.reason)
        return f"```math\n{whole} \\tag{{{each.number}}}\n```" + (f"\n\n({each.number}) {reason}" if reason else "")

    def _inline(self, node: Term | Relation) -> str:
        return f"$`{tex.latex(node, self.notation, inline=True)}`$"

    def _cell(self, text: Prose) -> str:
        return self.paragraph(text).replace(r"\right|", r"\right\rvert").replace("|", r"\|")
