"""Text of Python as it is written: tuples, and lines that are indented and not too long."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill


def as_tuple(parts: Iterable[str]) -> str:
    """A tuple in Python.

    >>> as_tuple(["T"])
    '(T,)'
    """
    found = tuple(parts)
    return f"({', '.join(found)}{',' * (len(found) == 1)})"


def indented(lines: Iterable[str], times: int = 1) -> str:
    """Lines as the body of a function; a formula that is too long for one line goes over several."""
    return "\n".join(_short("    " * times + line) if line else "" for line in lines)


def _short(line: str) -> str:
    if len(line) <= 120 or line.lstrip().startswith("#"):
        return line
    head, sign, formula = line.partition("= ")
    if sign and not (line.lstrip().startswith('"') or _closed(formula) or _closed(head.strip())):  # brackets are there already
        formula = f"({formula})"
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    line = f"{head.rstrip()}~{sign.rstrip()}~{formula}" if sign else line
    text = fill(line, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return text.replace("~", " ")  # no line ends at the sign


def _closed(text: str) -> bool:
    """Whether the first bracket of a text is closed by its last letter."""
    if not text.startswith("("):
        return False
    open_, depths = 0, list[int]()
    for letter in text:
        open_ += (letter in "([{") - (letter in ")]}")
        depths.append(open_)
    return depths.index(0) == len(text) - 1
