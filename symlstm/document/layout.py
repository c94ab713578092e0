r"""Lines of a derivation set in columns: left sides, right sides, reasons, numbers; long ones broken before a plus.

A page has room for a left side, a right side, a reason and a number. Consecutive lines share these columns, so that
their relation signs and their reasons stand under one another. How wide the column of reasons is, which right sides
are broken, and which lines are better off alone is decided here, from the estimates of `symlstm.document.metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil, inf

from symlstm.document.metrics import text_width, width
from symlstm.tex import Link

PAGE = 466.0  # the text width of the page in points: A4 less two margins of 23 mm
NUMBER, GAP = 27.0, 10.0  # an equation number; the least space between columns
COLUMNS = PAGE - NUMBER - 3 * GAP  # what left side, right side and reason share
ALONE = PAGE - NUMBER - 2 * GAP  # what left and right side share where the reason stands below
LONGEST = 60  # lines that share their columns: more than a page of them need not
NEW_GROUP = 2.0  # how many rows a new alignment must save
REASONS = (230.0, 190.0, 160.0, 130.0)  # widths of the column of reasons that are tried, widest first


@dataclass(frozen=True)
class Line:
    """One line: its left side, its comparisons in breakable pieces, its condition, and the reason as TeX text."""

    left: str
    links: tuple[Link, ...]
    condition: str = ""
    reason: str = ""

    def rows(self, room: float) -> tuple[str, ...]:
        """The right side in rows, each with its `&`, none wider than `room` if that can be."""
        whole, long = self.whole
        if long <= room:
            return (whole,)
        if room not in self.broken:
            rows = [row for link in self.links for row in _balanced(link, room)]
            self.broken[room] = (*rows[:-1], rows[-1] + self.condition)
        return self.broken[room]

    @cached_property
    def broken(self) -> dict[float, tuple[str, ...]]:
        """The right side in rows, by the room for it: many ways to form groups leave a line the same room."""
        return {}

    @cached_property
    def whole(self) -> tuple[str, float]:
        """The right side in one row, and its width."""
        whole = " ".join(f"{link.sign} {' '.join(link.pieces)}" for link in self.links) + self.condition
        return f"&{whole}", width(whole)

    @cached_property
    def sides(self) -> tuple[float, float]:
        """The widths of the left side and of the reason."""
        return width(self.left), text_width(self.reason)

    @cached_property
    def least(self) -> float:
        """How narrow the right side can be made."""
        return max(map(width, self.rows(0.0)))


@dataclass(frozen=True, slots=True)
class Alignment:
    """Lines that share their columns, each with its rows.

    `reasons` is the width of their column; where it is 0, the one reason stands below. `scale` is how much smaller a
    line must be set that is too wide however it is broken.
    """

    lines: tuple[Line, ...]
    rows: tuple[tuple[str, ...], ...]
    reasons: float
    scale: float = 1.0


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


@lru_cache(1024)  # a derivation is written twice: to be read back, and with what that showed
def alignments(lines: tuple[Line, ...]) -> tuple[Alignment, ...]:
    """Consecutive lines in groups, so that they take the fewest rows; a new group costs as much as two rows.

    >>> short = Line("h_t", (Link("=", ("c_t",)),), reason="short")
    >>> [len(found.lines) for found in alignments((short, short))]
    [2]
    """
    best: list[tuple[float, list[Alignment]]] = [(0.0, [])]
    for end in range(1, len(lines) + 1):
        found: tuple[float, list[Alignment]] = (inf, [])
        for start in range(max(0, end - LONGEST), end):
            least = best[start][0] + (end - start) + NEW_GROUP  # a line takes a row or more
            if least < found[0]:
                found = min(found, _extended(best[start], lines[start:end]), key=lambda each: each[0])
        best.append(found)
    return tuple(best[-1][1])


def _extended(before: tuple[float, list[Alignment]], lines: Sequence[Line]) -> tuple[float, list[Alignment]]:
    """A division of the lines before, and these lines as one more group."""
    rows, found = min((_tried(lines, room) for room in _rooms(lines)), key=lambda each: each[0])
    if rows == inf and len(lines) == 1:
        rows, found = _alone(lines[0])
    return before[0] + rows + NEW_GROUP, [*before[1], found]


def _rooms(lines: Sequence[Line]) -> list[float]:
    """The widths of the column of reasons worth trying: what the longest needs, and narrower ones."""
    longest = max(line.sides[1] for line in lines)
    return [min(longest, REASONS[0]), *(room for room in REASONS[1:] if room < longest)]


def _tried(lines: Sequence[Line], reasons: float) -> tuple[float, Alignment]:
    """The lines with this much room for reasons, and how many rows they take on the page; infinite if they do not fit."""
    room = COLUMNS - max(line.sides[0] for line in lines) - reasons
    if any(line.least > room for line in lines):
        return inf, Alignment((), (), 0)
    rows = tuple(line.rows(room) for line in lines)
    height = sum(max(len(own), ceil(line.sides[1] / reasons) if line.reason else 0)
                 for line, own in zip(lines, rows, strict=True))
    return height, Alignment(tuple(lines), rows, reasons)


def _alone(line: Line) -> tuple[float, Alignment]:
    """A line with its reason below."""
    left = width(line.left)
    rows = line.rows(ALONE - left)
    return len(rows) + 1, Alignment((line,), (rows,), 0, min(1.0, ALONE / (left + max(map(width, rows)))))
