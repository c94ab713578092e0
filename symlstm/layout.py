r"""Lines of a derivation set in columns: left sides, right sides, reasons, numbers; long ones broken before a plus.

A page has room for a left side, a right side, a reason and a number. Consecutive lines share these columns, so that
their relation signs and their reasons stand under one another. How wide the column of reasons is, which right sides
are broken, and which lines are better off alone is decided here, from the estimates of `symlstm.metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf

from symlstm.metrics import text_width, width
from symlstm.tex import Link

PAGE = 466.0  # the text width of the page in points: A4 less two margins of 23 mm
NUMBER, GAP = 27.0, 10.0  # an equation number; the least space between columns
COLUMNS = PAGE - NUMBER - 3 * GAP  # what left side, right side and reason share
ALONE = PAGE - NUMBER - 2 * GAP  # what left and right side share where the reason stands below
REASONS = (230.0, 190.0, 160.0, 130.0)  # widths of the column of reasons that are tried, widest first


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its left side, its comparisons in breakable pieces, its condition, and the reason as TeX text."""

    left: str
    links: tuple[Link, ...]
    condition: str = ""
    reason: str = ""

    def rows(self, room: float) -> tuple[str, ...]:
        """The right side in rows, each with its `&`, none wider than `room` if that can be."""
        whole = " ".join(f"{link.sign} {' '.join(link.pieces)}" for link in self.links) + self.condition
        if width(whole) <= room:
            return (f"&{whole}",)
        rows = [row for link in self.links for row in _balanced(link, room)]
        return (*rows[:-1], rows[-1] + self.condition)


@dataclass(frozen=True, slots=True)
class Alignment:
    """Lines that share their columns, each with its rows. `reasons` is the width of their column; 0: reasons below."""

    lines: tuple[Line, ...]
    rows: tuple[tuple[str, ...], ...]
    reasons: float


def _filled(link: Link, room: float) -> list[str]:
    rows = [f"&{link.sign} {link.pieces[0]}"]
    for piece in link.pieces[1:]:
        if width(f"{rows[-1]} {piece}") <= room:
            rows[-1] += f" {piece}"
        else:
            rows.append(rf"&\quad {piece}")
    return rows


def _balanced(link: Link, room: float) -> list[str]:
    """As few rows as possible, and these as equal as possible."""
    rows = _filled(link, room)
    while room > 0 and len(tighter := _filled(link, room := room - 8)) == len(rows):
        rows = tighter
    return rows


def alignments(lines: Sequence[Line]) -> Iterator[Alignment]:
    """Consecutive lines, in as few alignments as their widths allow, in order."""
    if not lines:
        return
    best = min((_tried(lines, room) for room in _rooms(lines)), key=lambda found: found[0])
    if best[0] < inf:
        yield best[1]
    elif len(lines) == 1:
        yield _alone(lines[0])
    else:
        k = _awkward(lines)
        yield from alignments(lines[:k])
        yield from alignments(lines[k : k + 1])
        yield from alignments(lines[k + 1 :])


def _rooms(lines: Sequence[Line]) -> list[float]:
    """The widths of the column of reasons worth trying: what the longest needs, and narrower ones."""
    longest = max(text_width(line.reason) for line in lines)
    return [longest if longest <= REASONS[0] else REASONS[0], *(room for room in REASONS[1:] if room < longest)]


def _tried(lines: Sequence[Line], reasons: float) -> tuple[float, Alignment]:
    """The lines with this much room for reasons, and how many rows they take on the page; infinite if they do not fit."""
    room = COLUMNS - max(width(line.left) for line in lines) - reasons
    rows = tuple(line.rows(room) for line in lines)
    if any(width(row) > room for own in rows for row in own):
        return inf, Alignment((), (), 0)
    height = sum(max(len(own), ceil(text_width(line.reason) / reasons) if line.reason else 0)
                 for line, own in zip(lines, rows, strict=True))
    return height, Alignment(tuple(lines), rows, reasons)


def _awkward(lines: Sequence[Line]) -> int:
    """Which line to take out: the first that does not fit by itself, else the one with the widest left side."""
    for k, line in enumerate(lines):
        if all(_tried([line], room)[0] == inf for room in _rooms([line])):
            return k
    return max(range(len(lines)), key=lambda k: width(lines[k].left))


def _alone(line: Line) -> Alignment:
    """A line with its reason below."""
    return Alignment((line,), (line.rows(ALONE - width(line.left)),), 0)
