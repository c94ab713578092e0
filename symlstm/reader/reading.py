"""Formulas and documents read: the parser at work, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from symlstm.algebra import NotValid, SymlstmError
from symlstm.reader.building import Builder, Found, settled
from symlstm.reader.conventions import HOUSE, Conventions
from symlstm.reader.cutting import cut
from symlstm.reader.documents import Formula, Kind, formulas
from symlstm.reader.tokens import Fault, Token

WIDTH = 100  # characters of a formula that a message shows
REMEMBERED = 2000  # characters of a formula that is read once only, however often it occurs


def read(source: str | Formula, conventions: Conventions = HOUSE) -> Found:
    r"""The one relation, or without a relation sign the one term, that a formula says.

    Raises `NotValid` or `NotSupported`, with `line` and `column`.

    >>> read(r"\delta c_t^{+} = f_{t+1} \odot \delta c_{t+1}")
    delta+ c[t] = f[t+1] * delta c[t+1]
    >>> read(r"W_f x_t +")
    Traceback (most recent call last):
    symlstm.algebra.NotValid: The formula ends too early.
      in: line 1, column 10
        W_f x_t +
                 ^
    """
    found = read_all(source, conventions)
    if len(found) != 1:
        raise NotValid(f"There are {len(found)} formulas where one is expected.", _text(source))
    return found[0]


def read_all(
    source: str | Formula, conventions: Conventions = HOUSE, written: dict[str, str] | None = None
) -> tuple[Found, ...]:
    r"""The relations or terms of a formula with commas or wide spaces between them; terms alone are one `Listed`.

    `written` says how the formulas before wrote each name, and learns the names of this one; a name that is written in
    two ways is refused.

    >>> read_all(r"y = 1, \quad i_t, f_t \in \mathbb{R}^n")
    (y = 1, i[t], f[t] in R^n)
    """
    said = _understood(source, conventions, written or {})
    if written is not None:
        written |= said.names
    return said.found


@dataclass(frozen=True, slots=True)
class Reading:
    """A formula of a document with what it says, or with the error that says why it cannot be read.

    `names` tells how each name is written in LaTeX, `signs` which product signs occur.
    """

    formula: Formula
    found: tuple[Found, ...] = ()
    error: SymlstmError | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    signs: frozenset[str] = frozenset()


def readings(document: str, kind: Kind, conventions: Conventions = HOUSE) -> Iterator[Reading]:
    r"""Every formula of a document, read; one that cannot be read does not stop the others.

    A name that is written in two ways within the document is an error of the formula that comes second.

    >>> first, second = readings(r"$\tilde c_t$ is not $c_{tilde}$", "md")
    >>> print(first.found, second.error, sep="\n")
    (c_tilde[t],)
    \tilde{c} and c_{tilde} have the same name, c_tilde.
      in: line 1, column 22
        c_{tilde}
        ^
    """
    written: dict[str, str] = {}
    for formula in formulas(document, kind):
        try:
            said = _understood(formula, conventions, written)
        except SymlstmError as error:
            yield Reading(formula, error=error)
            continue
        written |= said.names
        yield Reading(formula, said.found, None, said.names, said.signs)


# --- messages -------------------------------------------------------------------------------------------------


def located(fault: Fault, source: str | Formula) -> SymlstmError:
    """The fault as a message: what is wrong, the line with a caret under the place, and what would be right."""
    text = _text(source)
    first, start = (source.line, source.column) if isinstance(source, Formula) else (1, 1)
    before, here = text[: fault.at], text[fault.at :].partition("\n")[0]
    line, head = first + before.count("\n"), before.rpartition("\n")[2]
    column = len(head) + (start if line == first else 1)
    cut = max(0, len(head) - WIDTH * 2 // 3)
    shown = (head[cut:] + here)[:WIDTH].rstrip().replace("\t", " ")
    where = f"line {line}, column {column}\n    {shown}\n    {' ' * len(head[cut:])}^"
    return fault.kind(fault.what, where, fault.right, line=line, column=column)


def _text(source: str | Formula) -> str:
    return source.text if isinstance(source, Formula) else source


# --- parsing --------------------------------------------------------------------------------------------------


@cache
def _parser() -> Any:
    from lark import Lark

    grammar = files("symlstm.reader").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=Builder())


class _Said(NamedTuple):
    """What a formula says or the fault in it, how its names are written, and which product signs occur."""

    found: tuple[Found, ...]
    names: Mapping[str, str] = MappingProxyType({})
    signs: frozenset[str] = frozenset()
    fault: Fault | None = None


def _understood(source: str | Formula, conventions: Conventions, written: Mapping[str, str]) -> _Said:
    """What a formula says; `written` are the names of the formulas before."""
    text = _text(source)
    try:
        plain = text if "%" in text else " ".join(text.split())  # a page breaks lines where another does not
        said = _said(plain, conventions) if len(text) <= REMEMBERED else _said.__wrapped__(text, conventions)
        if said.fault is not None and plain != text:
            said = _said.__wrapped__(text, conventions)  # its place is one in the text as it stands
    except RecursionError:
        raise located(Fault("The formula is nested too deeply.", 0), source) from None
    for name in sorted(said.names.keys() & written.keys()):
        if said.names[name] != written[name]:
            raise located(Fault(f"{written[name]} and {said.names[name]} have the same name, {name}.", 0), source)
    if said.fault is not None:
        raise located(said.fault, source)
    return said


@lru_cache(8192)
def _said(text: str, conventions: Conventions) -> _Said:
    """The same for a formula by itself. Documents say many things more than once, and chapters much of what others do."""
    try:
        stream, names = cut(text, conventions)
    except Fault as fault:
        return _Said((), fault=fault.with_traceback(None))
    signs = frozenset(token.value.text for token in stream if token.type == "SIGN")
    try:
        return _Said(_parse(stream, len(text)), MappingProxyType(names), signs)
    except Fault as fault:
        return _Said((), MappingProxyType(names), signs, fault.with_traceback(None))


def _parse(stream: list[Token], end: int) -> tuple[Found, ...]:
    from lark import Token as LarkToken
    from lark import UnexpectedToken

    if not stream:
        raise Fault("There is no formula here.", 0)
    parser = _parser().parse_interactive()
    try:
        for token in stream:
            fed = LarkToken(token.type, "", token.at)
            fed.value = token.value
            parser.feed_token(fed)
        found = parser.feed_token(LarkToken("$END", "", end))
    except UnexpectedToken as unexpected:
        at = unexpected.token.start_pos
        raise _unexpected(stream, end if at is None else at, end) from None
    return tuple(map(settled, found))


def _unexpected(stream: list[Token], at: int, end: int) -> Fault:
    if at == end:
        return Fault("The formula ends too early.", at)
    before = [token.type for token in stream if token.at < at]
    bare = len(before) > 1 and before[-2] in ("FUNC", "TRANSPOSE", "PRIME") and "FUNC" in before[-4:]
    return Fault("This is not expected here.", at, "the argument of the function in brackets" if bare else "")
