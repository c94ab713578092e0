r"""How LaTeX, Markdown and HTML write each kind of block of a section: one class each, with the same few methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil
from types import MappingProxyType
from typing import NamedTuple, Protocol

from symlstm import tex
from symlstm.algebra import NotSupported, Relation, Term
from symlstm.document.layout import Alignment, Line, alignments
from symlstm.document.metrics import text_width
from symlstm.notation import Notation
from symlstm.prose import Prose
from symlstm.steps import Step, Table
from symlstm.tex import Link


@dataclass(frozen=True, slots=True)
class Numbered:
    """A step with its number."""

    number: int
    step: Step


class Page(Protocol):
    """What a format must be able to write. `file` puts the parts together, under what the file says it is."""

    def heading(self, text: str) -> str: ...
    def paragraph(self, text: Prose) -> str: ...
    def steps(self, run: Sequence[Numbered]) -> str: ...
    def table(self, table: Table) -> str: ...
    def evidence(self, found: Mapping[str, Prose]) -> str: ...
    def file(self, claim: str, title: str, parts: Sequence[str]) -> str: ...


# --- what the three have in common ----------------------------------------------------------------------------------

_POWER_OF_TEN = re.compile(r"\b1e(-?)(\d+)\b")
_VALUE = re.compile(r"\b([A-Za-z]) ?([=<>]) ?(?=[-\w])")
_MINUS = re.compile(r"(?<![\w)])-(?=\d)")


def _mixed(text: Prose, words: Callable[[str], str], math: Callable[[Term | Relation], str]) -> str:
    return "".join(words(piece) if isinstance(piece, str) else math(piece) for piece in text.pieces).strip()


def _line(step: Step, notation: Notation, reason: str = "") -> Line:
    """A step in pieces; LaTeX from another source is split at its first equals sign."""
    if step.written is not None:
        left, _, right = step.written.partition(" = ")
        return Line(left, (Link("=", (right,)),), reason=reason)
    left, links, condition = tex.links(step.relation, notation)
    return Line(left, links, condition, reason)


def _set(text: str, power: str, value: str) -> str:
    """Words of evidence with their few numbers set: `1e-12`, `n = 2` and `-1`."""
    raised = _POWER_OF_TEN.sub(lambda found: power.format(("−" if found[1] else "") + found[2]), text)
    return _MINUS.sub("−", _VALUE.sub(lambda found: value.format(found[1], found[2]), raised))


_EVIDENCE = {  # the paragraph as it stands in a file
    "tex": re.compile(r"^\\paragraph\{Evidence\.\}.*(?:\n.+)*", re.MULTILINE),
    "md": re.compile(r"^\*\*Evidence\.\*\*\n(?:\n- .*)*", re.MULTILINE),
}


def without_evidence(text: str, form: str) -> str:
    r"""A .tex or .md file without what its evidence says, and with as many lines.

    >>> without_evidence("$x$\n\n**Evidence.**\n\n- **Exact.** (1): $y$.\n- **Read back.** (1).\n\n$z$\n", "md")
    '$x$\n\n\n\n\n\n\n$z$\n'
    """
    return _EVIDENCE[form].sub(lambda found: "\n" * found[0].count("\n"), text)


# --- LaTeX ------------------------------------------------------------------------------------------------------------

_PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[a4paper,margin=23mm]{geometry}
\usepackage{amsmath,amssymb,booktabs,array}
\newlength{\reasonwidth}
\newcommand{\reason}[1]{&& \parbox[t]{\reasonwidth}{\raggedright\small #1}}
\newcommand{\below}[1]{{\vspace{-\belowdisplayskip}\raggedleft\small #1\par}}
\allowdisplaybreaks
\raggedbottom
\setlength{\jot}{5pt}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.6em plus 0.2em}
\setlength{\emergencystretch}{3em}
"""
_ESCAPED = str.maketrans({
    **{sign: f"\\{sign}" for sign in "&%_#${}"}, "–": "--", "−": "--", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
})  # fmt: skip
SMALLER = ((1.0, ""), (0.91, r"\small"), (0.82, r"\footnotesize"), (0.73, r"\scriptsize"), (0.0, r"\tiny"))
LONG = 30  # rows of a table; one with more may go on on the next page
TABLE, COLUMN = 455.0, 12.0  # how wide a table may be; what a column needs besides what is in it


def _tex_words(text: str) -> str:
    return re.sub(r'"([^"]*)"', r"``\1''", text.translate(_ESCAPED))


@dataclass(frozen=True, slots=True)
class TexPage:
    """The blocks of a LaTeX article."""

    notation: Notation

    def heading(self, text: str) -> str:
        return rf"\section*{{{_tex_words(text)}}}"

    def paragraph(self, text: Prose) -> str:
        return _mixed(text, _tex_words, self._math)

    def steps(self, run: Sequence[Numbered]) -> str:
        lines = tuple(_line(each.step, self.notation, self.paragraph(each.step.reason)) for each in run)
        return "\n".join(map(_align, alignments(lines)))

    def table(self, table: Table) -> str:
        cells = [[*map(_tex_words, table.header)], *([self.paragraph(cell) for cell in row] for row in table.rows)]
        rows = [" & ".join(row) + r" \\" for row in cells]
        inside = "\n".join([r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"])
        kind = "tabular" if len(rows) <= LONG else "longtable"
        tabular = f"\\begin{{{kind}}}{{@{{}}{_columns(cells)}@{{}}}}\n{inside}\n\\end{{{kind}}}"
        return f"\\begin{{center}}\\renewcommand{{\\arraystretch}}{{1.2}}\n{tabular}\n\\end{{center}}"

    def evidence(self, found: Mapping[str, Prose]) -> str:
        said = [f"\\textit{{{self._plain(way)}.}} {_mixed(text, self._plain, self._math)}" for way, text in found.items()]
        return "\\paragraph{Evidence.} {\\small " + "\\par\n".join(said) + "\\par}"

    def _math(self, node: Term | Relation) -> str:
        return f"${tex.latex(node, self.notation, inline=True)}$"

    def _plain(self, text: str) -> str:
        return _set(_tex_words(text), r"10\textsuperscript{{{0}}}", r"\textit{{{0}}}~{1}~").replace("−", "--")

    def file(self, claim: str, title: str, parts: Sequence[str]) -> str:
        head = rf"\begin{{center}}{{\LARGE\bfseries {_tex_words(title)}}}\end{{center}}"
        body = "\n\n".join([head, *parts])
        body = re.sub(r"\n\n(?=\\setlength|\{\\\w+\\setlength|\\begin\{align\})", "\n", body)  # an equation ends no paragraph
        preamble = _PREAMBLE + (r"\usepackage{longtable}" + "\n") * (r"\begin{longtable}" in body)
        return f"% {claim}\n{preamble}\\begin{{document}}\n\n{body}\n\n\\end{{document}}\n"


def _columns(cells: Sequence[Sequence[str]]) -> str:
    """Natural columns, and the last one as a paragraph where the table would be too wide."""
    wide = [max(1.1 * text_width(cell) for cell in column) + COLUMN for column in zip(*cells, strict=True)]
    left = TABLE - sum(wide[:-1])
    return "l" * (len(wide) - 1) + ("l" if wide[-1] <= left else rf">{{\raggedright\arraybackslash}}p{{{left:.0f}pt}}")


def _align(found: Alignment) -> str:
    """Lines as one `align`. The rows of a line are never parted by a page; its number and its reason stand at the last."""
    lines = [f"{line.left} " + " \\notag \\\\*\n  ".join(rows) for line, rows in zip(found.lines, found.rows, strict=True)]
    reasons = [line.reason for line in found.lines]
    if not found.reasons:
        size = next(size for scale, size in SMALLER if scale <= found.scale)
        before, after = (f"{{{size}\\setlength{{\\arraycolsep}}{{2.5pt}}\n", "}") if size else ("", "")
        below = "".join(f"\n\\below{{{reason}}}" for reason in reasons if reason)
        together = " \\\\\n".join(lines)
        return f"{before}\\begin{{align}}\n{together}\n\\end{{align}}{after}{below}"
    lines = [rf"{text} \reason{{{reason}}}" if reason else text for text, reason in zip(lines, reasons, strict=True)]
    width = f"\\setlength{{\\reasonwidth}}{{{ceil(found.reasons) + 2}pt}}"
    return f"{width}\n\\begin{{align}}\n" + " \\\\\n".join(lines) + "\n\\end{align}"


# --- Markdown -----------------------------------------------------------------------------------------------------------

WIDE = 520.0  # in points at 11 points: about what a page of a code-hosting site shows


class Marks(NamedTuple):
    """What stands around mathematics in a line, and around mathematics by itself."""

    inline: tuple[str, str]
    display: tuple[str, str]


HOSTING = Marks(("$`", "`$"), ("```math\n", "\n```"))  # GitHub, GitLab, Gitea, pandoc
NOTEBOOK = Marks(("$", "$"), ("$$\n", "\n$$"))  # Jupyter, which takes mathematics out before Markdown sees it


@dataclass(frozen=True, slots=True)
class MarkdownPage:
    r"""The blocks of a Markdown file.

    Mathematics between dollars is Markdown before it is mathematics, which breaks `\\`, `\,` and some `_`; inside the
    code marks that GitHub and GitLab know, it is not. A bar would end the cell of a table, inside code marks too.
    """

    notation: Notation
    marks: Marks = HOSTING

    def heading(self, text: str) -> str:
        return f"## {text}"

    def paragraph(self, text: Prose) -> str:
        return _mixed(text, str, self._math)

    def steps(self, run: Sequence[Numbered]) -> str:
        return "\n\n".join(map(self._step, run))

    def table(self, table: Table) -> str:
        cells = [[self.paragraph(cell).replace("|", r"\vert ") for cell in row] for row in table.rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in (table.header, ["---"] * len(table.header), *cells))

    def evidence(self, found: Mapping[str, Prose]) -> str:
        said = (f"\n- **{self._plain(way)}.** {_mixed(text, self._plain, self._math)}" for way, text in found.items())
        return "**Evidence.**\n" + "".join(said)

    def _plain(self, text: str) -> str:
        return _set(text, "10<sup>{0}</sup>", "*{0}* {1} ")

    def _math(self, node: Term | Relation) -> str:
        return tex.latex(node, self.notation, inline=True).join(self.marks.inline)

    def file(self, claim: str, title: str, parts: Sequence[str]) -> str:
        return "\n\n".join([f"<!-- {claim} -->", f"# {title}", *parts]) + "\n"

    def _step(self, each: Numbered) -> str:
        line = _line(each.step, self.notation)
        rows = line.rows(WIDE)
        whole = f"{line.left} {rows[0].removeprefix('&')}"
        if len(rows) > 1:
            whole = f"\\begin{{aligned}}\n{line.left} " + " \\\\\n".join(rows) + "\n\\end{aligned}"
        reason = self.paragraph(each.step.reason)
        shown = rf"{whole} \tag{{{each.number}}}".join(self.marks.display)
        return f"{shown}\n\n({each.number}) {reason}" if reason else shown


# --- HTML -----------------------------------------------------------------------------------------------------------------

_STYLE = """
body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem; font: 1.05rem/1.5 Georgia, "Times New Roman", serif; color: #222; }
h1 { text-align: center; }
table { border-collapse: collapse; margin: 1.5rem auto; border: solid; border-width: 2px 0; }
th { border-bottom: 1px solid; text-align: left; }
th, td { padding: .25rem .8rem; }
.step { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 3fr) 3rem; gap: 1rem;
  align-items: center; margin: .6rem 0; }
.step > :first-child { overflow: auto hidden; }
.why { font-size: .9rem; }
.number { text-align: right; }
@media (max-width: 40rem) { .step { grid-template-columns: minmax(0, 1fr) 3rem; } .why { grid-row: 2; } }
"""
_HEAD = '<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">'
_MATHML: Mapping[str, str] = MappingProxyType({  # what latex2mathml does not know, and what browsers do better by themselves
    r"(?:\\left|\\[bB]igg?l)?\s*\\l(v|V)ert(?![A-Za-z])": r"\\left\\l\1ert",
    r"(?:\\right|\\[bB]igg?r)?\s*\\r(v|V)ert(?![A-Za-z])": r"\\right\\r\1ert",
    r"\\mathbf\{1\}": "\N{MATHEMATICAL BOLD DIGIT ONE}", r"\\infty(?![A-Za-z])": "\N{INFINITY}",
    r"\\[bB]igg?l(?![A-Za-z])": r"\\left", r"\\[bB]igg?r(?![A-Za-z])": r"\\right"})
_WRITTEN = (
    # a minus behind an opening bracket, a comma, an arrow or a relation sign is a sign of what follows, with no space behind it
    (re.compile(r"(<mo[^>]*>&#x0(?:0028|005B|002C|003D|003C|003E|2192|2264|2265);</mo>)<mo>&#x02212;</mo>"),
     r'\1<mo form="prefix">&#x02212;</mo>'),
    (re.compile(r"<mo>(?!lim<)([A-Za-z]{2,})</mo>"), r"<mi>\1</mi>"),  # a function stands close to its bracket
)


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """The blocks of an HTML page with MathML: no script, no network."""

    notation: Notation

    def heading(self, text: str) -> str:
        return f"<h2>{escape(text)}</h2>"

    def paragraph(self, text: Prose) -> str:
        return f"<p>{self._words(text)}</p>"

    def steps(self, run: Sequence[Numbered]) -> str:
        return "\n".join(map(self._step, run))

    def table(self, table: Table) -> str:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
        rows = "\n".join("<tr>" + "".join(f"<td>{self._words(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"

    def evidence(self, found: Mapping[str, Prose]) -> str:
        said = "".join(f"<br/>\n<i>{self._plain(way)}.</i> {self._words(text, self._plain)}" for way, text in found.items())
        return f'<p class="why"><b>Evidence.</b>{said}</p>'

    def _plain(self, text: str) -> str:
        return _set(escape(text), "10<sup>{0}</sup>", "<i>{0}</i> {1} ")

    def file(self, claim: str, title: str, parts: Sequence[str]) -> str:
        head = f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>"
        return "\n".join([f"<!DOCTYPE html>\n<!-- {claim} -->", _HEAD, head, *parts, "</body>\n</html>\n"])

    def _step(self, each: Numbered) -> str:
        line = self._math(each.step.written or tex.latex(each.step.relation, self.notation), "block")
        reason = f'<div class="why">{self._words(each.step.reason)}</div>'
        return f'<div class="step"><div>{line}</div>{reason}<div class="number">({each.number})</div></div>'

    def _words(self, text: Prose, words: Callable[[str], str] = escape) -> str:
        return _mixed(text, words, lambda node: self._math(tex.latex(node, self.notation, inline=True), "inline"))

    def _math(self, latex: str, display: str) -> str:
        try:
            from latex2mathml.converter import convert
        except ImportError:
            raise NotSupported("HTML needs the package latex2mathml.", "format html", "pip install 'symlstm[html]'") from None
        for pattern, better in _MATHML.items():
            latex = re.sub(pattern, better, latex)
        written = convert(latex, display=display)
        for pattern, better in _WRITTEN:
            written = pattern.sub(better, written)
        return written
