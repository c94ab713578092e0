r"""Where the mathematics of a .tex or .md file is: every formula in the order of the page, with its place.

Whatever does not belong to a formula (labels, tags, alignment marks, reasons beside it) is blanked by spaces, never cut
out, so a character of `Formula.text` lies where it lies in the file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

from symlstm.algebra import NotValid
from symlstm.reader.tokens import LIMITS

Kind = Literal["tex", "md", "bare"]


@dataclass(frozen=True, slots=True)
class Formula:
    """A piece of mathematics, where it starts, whether it is displayed, and its `\\tag` or `\\label`.

    `end` is where its display ends, in characters of the document, every end of a line counted as one.
    """

    text: str
    line: int = 1
    column: int = 1
    display: bool = False
    tag: str | None = None
    end: int = field(default=0, compare=False)


def formulas(document: str, kind: Kind) -> list[Formula]:
    r"""Every formula of a document, in the order of the page: a line of a display, then what its reason mentions.

    >>> [formula.text for formula in formulas(r"Let $x_t$ be \[ y &= 1 && \text{as $z$ is} \\ z &= 2, \quad u = 3 \]", "tex")]
    ['x_t', 'y  = 1', 'z', 'z  = 2', 'u = 3']
    """
    found = list(islice(_Page(document.replace("\r\n", "\n"), kind).formulas(), LIMITS["formulas"] + 1))
    if len(found) > LIMITS["formulas"]:
        raise NotValid(f"The document has more formulas than the limit of {LIMITS['formulas']}.")
    return found


def directives(document: str) -> dict[str, str]:
    """What comments of the form `<!-- word: value -->` say.

    >>> directives("<!-- cell: lstm --> text <!-- product *: hadamard -->")
    {'cell': 'lstm', 'product *': 'hadamard'}
    """
    return {match[1].strip(): match[2].strip() for match in DIRECTIVE.finditer(document)}


# --- tables ---------------------------------------------------------------------------------------------------

DIRECTIVE = re.compile(r"<!--[ \t]*([a-z]+(?: [^\s:]+)?)[ \t]*:((?:(?!-->|<!--)[^\n])*)-->")
DISPLAYS = r"(?:equation|align|gather|multline|displaymath|eqnarray|flalign|alignat|math)\*?"
CODE = r"(?:verbatim|lstlisting|minted|Verbatim)\*?"
SHARED = rf"(?P<row>\\\\)|\\begin\{{(?P<code>{CODE})\}}|\\begin\{{(?P<display>{DISPLAYS})\}}|"
SHARED += r"(?P<bracket>\\\[|\\\()|(?P<escaped>\\[$`])"
OPENING = {
    "tex": re.compile(
        SHARED + r"|(?P<verb>\\verb\*?(?P<mark>[^a-zA-Z\s]))|(?P<group>\\(?:texttt|url|lstinline)\{)"
        r"|(?P<definition>\\(?:re)?newcommand\*?|\\def(?=\\)|\\DeclareMathOperator\*?)|(?P<dollars>\$\$?)"
    ),
    "md": re.compile(
        SHARED + r"|^[ \t>]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>\w*)[^\n`]*$|(?P<comment><!--)"
        r"|(?P<dollars>\$\$|\$`|\$)|(?P<ticks>`+)",
        re.MULTILINE,
    ),
}
CLOSING = {"$$": "$$", "$": "$", "$`": "`$", "\\[": "\\]", "\\(": "\\)"}
MARK = "\v"  # what an `&` between the columns of a display becomes: white, and a place where a formula may end
BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
ARGUMENTS = re.compile(r"(?:\{\\?[A-Za-z]+\}|\\[A-Za-z]+)(?:\[[^\]]*\]|#\d)*\{")  # \newcommand{\R}[1]{, \def\R{
COLUMNS = re.compile(r"(?:\[[a-z]\])?(?:\{[lcr|@{} ]*\})?")
OPEN_SYSTEM = re.compile(r"(?:\\left\s*\\\{\s*)?\Z")
CLOSED_SYSTEM = re.compile(r"(?:\s*\\right\s*\.)?")
MARGIN = re.compile(r"(?:\s|[,;]|\\q?quad(?![A-Za-z])|\\[,;:!> ])*")
NUMBERED = re.compile(  # \qquad (3), \; (3)
    r"(?:\\q?quad|\\[,;:! >]|~|\\hspace\*?\{[^}]*\}|\\hfill|\v)\s*[(（](?P<tag>\d+(?:\.\d+)?[a-z]?)[)）][\s.,;。]*\Z"
)
PART = re.compile(
    r"(?P<row>\\\\\*?(?:[ \t]*\[[^\]\n]*\])?)|\\begin\{(?P<begin>[A-Za-z]*)\*?\}|\\(?P<end>end)\{[A-Za-z]*\*?\}"
    r"|\\(?P<tag>tag|label)\*?\{|\\(?P<beside>reason|intertext|shortintertext) *\{|\\(?P<text>text[a-z]*|mbox) *\{"
    r"|\\(?P<erased>notag|nonumber|hline)(?![A-Za-z])|\\.|(?P<brace>[{}])|(?P<mark>&)",
    re.DOTALL,
)
FLAT = re.compile(rf"{DISPLAYS}|aligned|alignedat|split|gathered|multlined|array")  # their rows are rows of the display
RELATION = r"=|<|>|\\(?:leq?|geq?|leqslant|geqslant|lt|gt|approx|in|neq?|equiv)(?![A-Za-z])"
OPERATOR = r"\+|-|\\(?:odot|cdot|circ|times|otimes|quad\s*[-+])(?![A-Za-z])|\*"
BOUND = rf"(?:(?!=|\\in|\\approx)(?:{RELATION}))"
LISTED = rf"(?:(?!{RELATION}|\\q?quad).)*"
BETWEEN = re.compile(rf"\s*-?[\d.]+\s*{BOUND}{LISTED},{LISTED}{BOUND}\s*-?[\d.]+\s*", re.DOTALL)  # 0 < a, b < 1
STARTS_CHAIN = re.compile(rf"\s*(?:{RELATION})")
CONTINUES = re.compile(rf"\s*(?:\\q?quad\s*|\\[,;!: ]\s*)*(?:{RELATION}|{OPERATOR})")
BARE_PROSE = re.compile(r"\s*(?:#|<!--|```|.*\$|[|>] )")  # headings, comments, tables, quotations, lines with dollars
TAIL = 200  # characters at the end of a row that tell whether it is complete
ENDS_OPEN = re.compile(rf"(?:{RELATION}|{OPERATOR})\s*$")
SCAN = re.compile(
    rf"(?P<relation>{RELATION})|(?P<open>\\begin(?![A-Za-z])|\\\{{|\\langle|[({{\[])|(?P<close>\\end(?![A-Za-z])|\\\}}|\\rangle|[)}}\]])"
    r"|\\text\{\s*(?P<word>for|if|when|where)\b|(?P<comma>[,;\v]|\\q?quad(?![A-Za-z])|\\text\{\s*and\s*\})|\\.",
    re.DOTALL,
)


@dataclass(slots=True)
class _Row:
    """A row of a display: where it starts and ends, its tag, its `&` marks, and the texts that stand beside it."""

    start: int
    end: int = 0
    tag: str | None = None
    marks: list[int] = field(default_factory=list)
    beside: list[Formula] = field(default_factory=list)


class _Page:
    """A document with what is no mathematics blanked."""

    def __init__(self, document: str, kind: Kind) -> None:
        if kind == "tex":
            document = re.sub(r"\\.|%[^\n]*", lambda m: m[0] if m[0][0] == "\\" else " " * len(m[0]), document, flags=re.DOTALL)
        self.kind: Kind = kind
        self.source, self.blank = document, list(document)
        self.lines = [0, *(match.end() for match in re.finditer("\n", document))]
        self.stop = len(document)
        self.missing: set[str] = set()  # closings that occur no more

    def formulas(self) -> Iterator[Formula]:
        """All formulas; of a bare text also the lines without dollars that have a relation sign."""
        found = self.marked()
        if self.kind != "bare":
            yield from found
            return
        between = [*found]
        covered = {line for formula in between for line in range(formula.line, formula.line + formula.text.count("\n") + 1)}
        for number, (start, stop) in enumerate(zip(self.lines, [*self.lines[1:], len(self.source) + 1], strict=True), 1):
            line = self.source[start : stop - 1]
            if number not in covered and not BARE_PROSE.match(line) and any(part.lastgroup == "relation" for part in _scan(line)):
                between += self.display(start, stop - 1)
        yield from sorted(between, key=lambda formula: (formula.line, formula.column))

    def marked(self) -> Iterator[Formula]:
        start = self.source.find("\\begin{document}") if self.kind == "tex" else 0
        stop = self.source.find("\\end{document}") if self.kind == "tex" else -1
        self.stop = len(self.source) if stop < 0 else stop
        yield from self.between(max(start, 0), self.stop)

    def between(self, start: int, stop: int, beside: bool = False) -> Iterator[Formula]:
        """The formulas of running text; in a text beside a formula a display counts as a part of its line."""
        opening = OPENING["tex" if self.kind == "tex" else "md"]
        while found := opening.search(self.source, start, stop):
            closing = self.closing(found)
            if closing is None:
                start = self.skipped(found, stop)
                continue
            end = self.find(closing, found.end(), stop)
            if end >= 0:
                inline = beside or found[0] in ("$", "$`", "\\(")
                inside = self.pieces(found.end(), end, False, None) if inline else self.display(found.end(), end)
                start = end + len(closing)
                yield from (replace(formula, end=start) for formula in inside)
            elif found[0] == "$" and self.kind != "tex":
                start = found.end()  # a price
            else:
                end = self.find("\n\n", found.end(), stop)
                start = stop if end < 0 else end
                yield replace(self.formula(found.start(), start, True, None), end=start)

    def closing(self, found: re.Match[str]) -> str | None:
        """What ends the mathematics that starts here, or None if it is something else that starts."""
        groups = found.groupdict()
        if groups["display"]:
            return f"\\end{{{groups['display']}}}"
        if groups["bracket"] or groups["dollars"]:
            return CLOSING[found[0]]
        return groups["fence"] if groups.get("info") == "math" else None

    def skipped(self, found: re.Match[str], stop: int) -> int:
        """The end of code, of a comment or of a definition: there is no mathematics in it."""
        groups, start = found.groupdict(), found.end()
        if groups.get("group"):
            return self.group_end(start, stop)
        if groups.get("definition"):
            arguments = ARGUMENTS.match(self.source, start, stop)
            return self.group_end(arguments.end(), stop) if arguments else start
        closing = f"\\end{{{groups['code']}}}" if groups["code"] else "-->" if groups.get("comment") else None
        closing = closing or groups.get("fence") or groups.get("ticks") or groups.get("mark")
        end = self.find(closing, start, stop) if closing else -1
        return end + len(closing) if closing and end >= 0 else start

    def find(self, closing: str, start: int, stop: int) -> int:
        """Where the closing is, or -1. A closing dollar is not escaped and ends in the same paragraph."""
        if closing in self.missing:
            return -1
        end = self.source.find(closing, start, stop)
        if end < 0 and stop >= self.stop:
            self.missing.add(closing)
        while closing == "$" and end > 0 and self.source[end - 1] == "\\":
            end = self.source.find(closing, end + 1, stop)
        return -1 if closing == "$" and end > 0 and not self.is_inline(self.source[start:end]) else end

    def is_inline(self, text: str) -> bool:
        """Whether this between two dollars can be mathematics: one paragraph, and in Markdown no price."""
        return "\n\n" not in text and "```" not in text and (self.kind == "tex" or text[:1].isspace() == text[-1:].isspace())

    def group_end(self, start: int, stop: int) -> int:
        """Where the brace group ends whose first character is at `start`."""
        depth = 1
        for found in BRACES.finditer(self.source, start, stop):
            depth += {"{": 1, "}": -1}.get(found[0], 0)
            if not depth:
                return found.start()
        return stop

    # --- displays ---------------------------------------------------------------------------------------------

    def display(self, start: int, stop: int) -> Iterator[Formula]:
        """The formulas of a display: each row, with the rows that continue it, then what stands beside them."""
        whole: _Row | None = None
        for row in self.rows(start, stop):
            if whole and self.continues(whole, row):
                whole.beside += row.beside
                whole.end, whole.tag = row.end, whole.tag or row.tag
                continue
            if whole:
                yield from self.finished(whole)
            whole = row
        if whole:
            yield from self.finished(whole)

    def finished(self, row: _Row) -> Iterator[Formula]:
        tail = max(row.start, row.end - TAIL)
        numbered = NUMBERED.search(self.text(tail, row.end))
        if numbered and not row.tag:
            row.tag, row.end = numbered["tag"], tail + numbered.start()
        yield from self.pieces(row.start, row.end, True, row.tag)
        yield from row.beside

    def last(self, row: _Row) -> int:
        """Where the formula of a row ends, without what stood beside it."""
        end = row.end
        while end > row.start and self.blank[end - 1].isspace():
            end -= 1
        return end

    def continues(self, whole: _Row, row: _Row) -> bool:
        """Whether a row goes on with the formula of the rows before it."""
        end = self.last(whole)
        before, text = self.text(max(whole.start, end - TAIL), end), self.text(row.start, row.end)
        if not text.strip() or not before.strip() or ENDS_OPEN.search(before):
            return True
        if STARTS_CHAIN.match(text):
            return not (whole.tag and row.tag)
        if not CONTINUES.match(text):
            return False
        indented = bool(row.marks) and not self.text(row.start, row.marks[0]).strip()
        return indented or not any(part.lastgroup == "relation" for part in _scan(text))

    def rows(self, start: int, stop: int) -> Iterator[_Row]:
        """The rows between two `\\\\`, with labels, marks and what stands beside the formula blanked."""
        row, depth, at = _Row(start), 0, start
        flat: list[bool] = []  # for each open environment whether its rows are rows of the display
        while part := PART.search(self.source, at, stop):
            kind, begin, at = part.lastgroup, part.start(), part.end()
            if kind == "begin":
                flat.append(not depth and self.is_flat(part["begin"], row, begin))
                begin = OPEN_SYSTEM.search(self.source, row.start, begin).start() if flat[-1] else begin  # type: ignore[union-attr]
                depth += not flat[-1]
                at = COLUMNS.match(self.source, at, stop).end() if flat[-1] else at  # type: ignore[union-attr]
                kind = "erased" if flat[-1] else kind
            elif kind == "end" and flat:
                kind = "erased" if flat.pop() else kind
                depth -= kind == "end"
                at = CLOSED_SYSTEM.match(self.source, at, stop).end() if kind == "erased" else at  # type: ignore[union-attr]
            elif kind == "brace":
                depth += 1 if part[0] == "{" else -1
            elif kind in ("tag", "beside", "text"):
                at = min(self.group_end(at, stop) + 1, stop)
                kind = self.noted(row, kind, part.end(), at - 1) if not depth else kind
            elif kind == "mark" and not depth:
                row.marks.append(begin)
            if kind in ("erased", "mark", "row") and (kind == "erased" or not depth):
                self.blank[begin:at] = MARK if kind == "mark" else re.sub(r"[^\n]", " ", self.source[begin:at])
            if kind == "row" and not depth:
                row.end = begin
                yield row
                row = _Row(at)
        row.end = stop
        yield row

    def is_flat(self, name: str, row: _Row, at: int) -> bool:
        """An `aligned` has rows of the display; so has an `array` that is not a part of a formula."""
        return bool(FLAT.fullmatch(name)) and (name != "array" or not self.text(row.start, at).strip())

    def noted(self, row: _Row, kind: str, start: int, stop: int) -> str:
        """A tag is kept, and a text in a column of its own is what stands beside the formula; both leave the formula."""
        if kind == "tag":
            named = self.source.rfind("\\", 0, start)
            tag = self.source[start:stop].strip()
            row.tag = tag if self.source.startswith("\\tag", named) else row.tag or tag  # a label is only the second best
            return "erased"
        if kind == "beside" or (len(row.marks) > 1 and not self.text(row.marks[-1], start).partition("\\")[0].strip()):
            row.beside += self.between(start, stop, beside=True)  # before it is blanked
            return "erased"
        return kind

    # --- formulas ---------------------------------------------------------------------------------------------

    def pieces(self, start: int, stop: int, display: bool, tag: str | None) -> Iterator[Formula]:
        """The formulas between commas or wide spaces, where each side of one has a relation of its own."""
        text = self.text(start, stop)
        parts = _scan(text) if len(text) <= LIMITS["characters"] else []  # what is too long to be read is not cut up
        ahead = [""]  # what comes first behind each part: a relation sign, or a word like "for"
        for part in reversed(parts):
            ahead.append(ahead[-1] if part.lastgroup == "comma" else str(part.lastgroup))
        begin, related = 0, False
        if BETWEEN.fullmatch(text):
            parts = []
        for part, following in zip(parts, reversed(ahead[:-1]), strict=False):
            if part.lastgroup != "comma":
                related = related or part.lastgroup == "relation"
            elif related and following == "relation" and not CONTINUES.match(text, part.end()):
                yield self.formula(start + begin, start + part.start(), display, tag)
                begin, related = part.end(), False
        if begin or text.strip():
            yield self.formula(start + begin, stop, display, tag)

    def formula(self, start: int, stop: int, display: bool, tag: str | None) -> Formula:
        text = self.text(start, stop)
        margin = MARGIN.match(text).end()  # type: ignore[union-attr]  # it matches the empty text
        start += margin
        line = bisect_right(self.lines, start)
        return Formula(text[margin:].replace(MARK, " ").rstrip(), line, start - self.lines[line - 1] + 1, display, tag)

    def text(self, start: int, stop: int) -> str:
        return "".join(self.blank[start:stop])


def _scan(text: str) -> list[re.Match[str]]:
    """The relation signs, separators and words outside of all brackets."""
    depth, found = 0, []
    for part in SCAN.finditer(text):
        if part.lastgroup == "open":
            depth += 1
        elif part.lastgroup == "close":
            depth -= 1
        elif depth == 0 and part.lastgroup:
            found.append(part)
    return found
