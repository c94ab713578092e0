r"""Which piece of the text each term of a formula was read from: the reader's grammar run once more, with places kept.

>>> from symlstm.reader import PEOPLE
>>> traced = trace(r"h_t = o_t \cdot \tanh(c_t)", PEOPLE)
>>> list(dict.fromkeys(text for term, text in traced.texts))
['h_t', 'o_t', 'c_t', '\\tanh(c_t)', 'o_t \\cdot \\tanh(c_t)']
>>> traced.signs
[(o[t], tanh(c[t]), '\\cdot')]
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from symlstm.algebra import Term, transform
from symlstm.reader import Conventions
from symlstm.reader.building import Builder, Cases, Tuple
from symlstm.reader.cutting import Cutter
from symlstm.reader.symbols import Half
from symlstm.reader.tokens import Fault, raws

Span = tuple[int, int]
_SIZING = re.compile(r"\\(?:left|right|[bB]igg?[lrm]?)(?![A-Za-z])\s*")
_MARKS = re.compile(r"\\(?:label|tag)\s*\{[^{}]*\}|\\(?:nonumber|notag)(?![A-Za-z])|&")
FRACTION = re.compile(r"\\[tdc]?frac\s*$")
FRAMING = ("group", "bracket", "brace", "scripts", "row", "norm", "absolute", "outer", "rows", "columns", "ones", "moment")
TELLING = ("sum", "product", "big", "half", "derived", "atom", "transpose", "power", "direct", "call", "fraction", "matrix")
RULES = (*TELLING, *FRAMING, "start", "piece", "statement", "space", "cases", "case")
NAMELESS = frozenset(FRAMING)  # what only frames its parts: no text is kept for it


@dataclass
class Trace:
    """The terms of a formula with the texts they were read from, and the signs between the factors of its products.

    `operators` are the relation signs as written, with what they mean.
    """

    texts: list[tuple[Term, str]] = field(default_factory=list)
    signs: list[tuple[Term, Term, str]] = field(default_factory=list)
    operators: list[tuple[str, str]] = field(default_factory=list)


def trace(text: str, conventions: Conventions) -> Trace:
    """The trace of one formula; of what cannot be read, nothing."""
    try:
        return _Tracer(text, conventions).run()
    except (Fault, KeyError, ValueError, RecursionError):
        return Trace()


class _Placed(Cutter):
    """The cutter, which also notes where each token ends."""

    def __init__(self, text: str, conventions: Conventions) -> None:
        super().__init__(text, raws(text), conventions)
        self.ends: dict[int, int] = {}

    def one(self, i: int) -> int:
        before = len(self.found)
        after = super().one(i)
        if len(self.found) > before and 0 < after <= len(self.raws):
            last = self.raws[after - 1]
            self.ends[self.found[-1].at] = max(self.ends.get(self.found[-1].at, 0), last.at + len(last.text))
        return after


class _Tracer:
    """Feeds the tokens to the grammar; every rule notes what it made and from where."""

    def __init__(self, text: str, conventions: Conventions) -> None:
        self.text = text
        self.cutter = _Placed(text, conventions)
        self.made = Trace()
        self.spans: dict[int, Span] = {}
        self.kept: list[Any] = []

    def run(self) -> Trace:
        from lark import Token, UnexpectedToken

        stream = self.cutter.run()
        parser = _parser().parse_interactive()
        _Notes.current = self
        try:
            for k, token in enumerate(stream):
                fed = Token(token.type, "", token.at)
                fed.value = token.value
                following = stream[k + 1].at if k + 1 < len(stream) else len(self.text)
                fed.end_pos = self.cutter.ends.get(token.at, max(following, token.at + 1))
                if token.type == "REL":
                    written = self.text[token.at : following]
                    self.made.operators.append((token.value, re.match(r"\\[A-Za-z]+|[+:]?=|\S", written)[0]))  # type: ignore[index]
                parser.feed_token(fed)
            parser.feed_token(Token("$END", "", len(self.text)))
        except UnexpectedToken:
            return Trace()
        finally:
            _Notes.current = None
        self.made.texts = [(whole, text) for term, text in self.made.texts if (whole := _settled(term)) is not None]
        self.made.signs = [(one, other, sign) for left, right, sign in self.made.signs
                           if (one := _settled(left)) is not None and (other := _settled(right)) is not None]  # fmt: skip
        return self.made

    # --- notes -------------------------------------------------------------------------------------------------

    def span(self, part: Any) -> Span | None:
        start, stop = getattr(part, "start_pos", None), getattr(part, "end_pos", None)
        if start is not None and stop is not None:
            return start, stop
        if isinstance(part, (list, tuple)):
            found = [span for each in part if (span := self.span(each)) is not None]
            return (min(span[0] for span in found), max(span[1] for span in found)) if found else None
        return self.spans.get(id(part))

    def note(self, rule: str, parts: list[Any], result: Any) -> None:
        span = self.span(parts)
        if span is None:
            return
        span = self.balanced(span, rule)
        self.kept.append(result)
        self.spans[id(result)] = span
        if isinstance(result, Term) and rule not in NAMELESS:
            self.made.texts.append((result, clean(self.text[span[0] : span[1]])))
        if rule == "product":
            self.note_signs(parts)

    def note_signs(self, parts: list[Any]) -> None:
        before: Term | None = None
        sign = ""
        for part in parts:
            if isinstance(part, Term):
                if before is not None:
                    self.made.signs.append((before, part, sign))
                before, sign = part, ""
            elif part.type == "SIGN":
                sign = part.value.text
            else:
                before = None

    def balanced(self, span: Span, rule: str) -> Span:
        """The place with the braces that belong to it, and the command before them."""
        start, stop = span
        depth = lowest = 0
        for at in range(start, stop):
            if self.text[at] in "{}" and (at == 0 or self.text[at - 1] != "\\"):
                depth += 1 if self.text[at] == "{" else -1
                lowest = min(lowest, depth)
        open_, close = depth - lowest, -lowest
        if rule in ("fraction", "brace"):
            open_, close = max(open_, 1), max(close, 1)
        start, stop = self.before(start, close), self.beyond(stop, open_)
        if rule == "fraction" and (match := FRACTION.search(self.text[:start])):
            start = match.start()
        if rule == "matrix":
            start = self.text.rfind("\\begin", 0, start)
            stop = self.text.index("}", self.text.index("\\end", stop)) + 1
        return start, stop

    def beyond(self, at: int, count: int) -> int:
        while count and at < len(self.text):
            count -= self.text[at] == "}"
            at += 1
        return at

    def before(self, at: int, count: int) -> int:
        while count and at > 0:
            at -= 1
            count -= self.text[at] == "{"
        return at


def clean(text: str) -> str:
    """The text of a part without sizes of brackets, marks and line breaks."""
    text = _SIZING.sub("", text)
    return " ".join((text if "\\begin" in text else _MARKS.sub(" ", text).replace("\\\\", " ")).split())


def _settled(term: Term) -> Term | None:
    if isinstance(term, (Tuple, Cases)):
        return None
    try:
        return transform(term, lambda node: node.alone() if isinstance(node, (Half, Tuple, Cases)) else node)
    except Fault:
        return None


class _Notes:
    """The reader's builder, with each of its methods noting what it made."""

    current: _Tracer | None = None

    def __init__(self) -> None:
        for rule in RULES:
            setattr(self, rule, self.noting(rule, getattr(Builder(), rule)))

    def noting(self, rule: str, method: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
        def noted(parts: list[Any]) -> Any:
            given = list(parts)
            result = method(parts)
            if _Notes.current is not None:
                _Notes.current.note(rule, given, result)
            return result

        return noted


@cache
def _parser() -> Any:
    from lark import Lark

    grammar = files("symlstm.reader").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Notes())
