r"""How wide a piece of LaTeX is on the page, estimated from the widths of Computer Modern at 11 points.

The one place where line breaking gets its numbers. The estimate knows scripts, fractions, matrices and words; what it
does not know counts as one wide sign, so that it errs to the wide side. A test holds it against pdflatex.

>>> round(width(r"c_t \odot i_t"))
30
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|[^\\\s]")
SCRIPT = 0.8  # the size of a script, and of what stands in one

_ITALIC = {3.7: "li", 4.2: "t", 4.9: "bcr", 5.4: "eoqsj", 5.8: "adgpvyzI", 6.4: "fhknux", 7.3: "LJS", 8.1: "TwAZP",
           8.9: "BCEFGQRUVXYODK", 9.9: "mHN", 11.9: "MW", 5.5: "0123456789", 4.3: "()[]", 3.1: ".'", 5.0: ",;:"}
_SIGNS = {13.5: r"+ - \odot \otimes \times \cdot \to", 10.5: r"* \ast \circ \bullet", 9.2: r"\nabla",
          14.7: r"= < > \le \ge \approx \in \ne", 11.0: r"\infty", 8.6: r"\top",
          23.8: r"\tanh \max", 18.0: r"\log \exp \sin \cos \sum \prod \lim", 5.5: r"\lVert \rVert",
          0.0: r"\left \right \displaystyle", 1.0: r"\bigl \bigr", 2.6: r"\Bigl \Bigr", 4.2: r"\biggl \biggr",
          1.9: r"\,", 11.1: r"\quad", 22.0: r"\qquad"}
_GREEK = 7.0
_ROMAN = {2.8: "il,.;:'!|", 3.2: "fj-", 3.4: " ", 4.0: "rst()", 4.5: "cez", 5.1: "aogqvkxy0123456789", 5.6: "bdhnpuS",
          7.3: "wCTJLPEFZ", 8.0: "ABDGHKNOQRUVXYI", 8.4: "m", 10.3: "WM–&"}

GLYPHS: Mapping[str, float] = MappingProxyType({
    **{sign: size for size, signs in _ITALIC.items() for sign in signs},
    **{sign: size for size, signs in _SIGNS.items() for sign in signs.split()},
})
LETTERS: Mapping[str, float] = MappingProxyType({sign: size for size, signs in _ROMAN.items() for sign in signs})
LIMITS = (r"\sum", r"\prod", r"\lim")  # their scripts stand below and above
ROOT, ARROW = 9.3, 11.0  # the sign of a root; an arrow above a letter
SPACED = 13.5  # a sign with space around it; in a script the space is left out
SMALL = 10 / 10.95  # mathematics inside small text


@lru_cache(4096)
def text_width(text: str) -> float:
    r"""The width of text in the size of a reason, with mathematics between dollars.

    >>> text_width("product rule on $c_t$") < text_width("product rule on the whole of $c_t$")
    True
    """
    words = text.split("$")
    return sum(SMALL * width(part) if k % 2 else sum(LETTERS.get(sign, 8.0) for sign in part) for k, part in enumerate(words))


@lru_cache(4096)
def width(latex: str) -> float:
    """The width of mathematics in display style, in points."""
    return _Measure(latex).run()


class _Measure:
    """One pass over the tokens; groups are measured by the same pass, one level down."""

    def __init__(self, latex: str) -> None:
        self.tokens = _TOKEN.findall(latex)
        self.at = 0
        self.scripts = 0  # how many scripts deep

    def run(self, *stops: str) -> float:
        """The width up to one of the stops, which is consumed, or to the end."""
        total = 0.0
        while self.at < len(self.tokens):
            token = self._next()
            if token in stops:
                break
            total += self._scripts(token) if token in "_^" else self._sign(token)
        return total

    def _next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def _argument(self) -> float:
        token = self._next() if self.at < len(self.tokens) else ""
        return self.run("}") if token == "{" else self._sign(token)

    def _word(self) -> str:
        """The letters of a braced argument."""
        end = self.tokens.index("}", self.at)
        word = "".join(self.tokens[self.at + 1 : end])
        self.at = end + 1
        return word

    def _scripts(self, first: str) -> float:
        """A subscript and a superscript stand above one another."""
        self.scripts += 1
        size = self._argument()
        if self.at < len(self.tokens) and self.tokens[self.at] in "_^" and self.tokens[self.at] != first:
            self.at += 1
            size = max(size, self._argument())
        self.scripts -= 1
        return SCRIPT * size + 0.5

    def _sign(self, token: str) -> float:
        if token == "{":
            return self.run("}")
        if token == r"\frac":
            return max(self._argument(), self._argument()) + 2.5
        if token == r"\sqrt":
            return self._argument() + ROOT
        if token == r"\begin":
            return self._matrix()
        if token in LIMITS and self.tokens[self.at] in "_^":
            return max(GLYPHS[token], self._scripts(self._next()) + 2)
        if token in (r"\text", r"\mathrm", r"\operatorname"):
            return sum(LETTERS.get(sign, 8.0) for sign in self._word()) * 1.1 + 2
        if token in (r"\mathbb", r"\tilde", r"\hat", r"\bar"):
            return self._argument()
        if token in (r"\overrightarrow", r"\overleftarrow"):
            return max(self._argument(), ARROW)
        size = GLYPHS.get(token, _GREEK)
        return size - 4.9 if self.scripts and size == SPACED else size

    def _matrix(self) -> float:
        """The widest entry of each column, and the space between columns."""
        self._word()
        columns: dict[int, float] = {}
        for row in self._rows():
            for k, size in enumerate(row):
                columns[k] = max(columns.get(k, 0.0), size)
        self._word()
        return sum(columns.values()) + 10 * (len(columns) - 1) + 15

    def _rows(self) -> Iterator[list[float]]:
        row = [0.0]
        while (token := self._next()) != r"\end":
            if token == "&":
                row.append(0.0)
            elif token == r"\\":
                yield row
                row = [0.0]
            else:
                row[-1] += self._scripts(token) if token in "_^" else self._sign(token)
        yield row
