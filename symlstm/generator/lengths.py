"""Lengths, which are linear forms of sizes: as Python, as the axes of an array, and solved for the sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from symlstm.shapes import ONE, Length, Shape


def size_text(length: Length) -> str:
    """A linear form as Python.

    >>> size_text((("", 2), ("n", 3)))
    '3 * n + 2'
    """
    parts = [str(count) if not name else name if count == 1 else f"{count} * {name}"
             for name, count in sorted(length, key=lambda item: item[0] == "")]
    return " + ".join(parts) or "0"


def total(lengths: Iterable[Length]) -> Length:
    """The sum of linear forms."""
    counts: Counter[str] = Counter()
    for length in lengths:
        counts.update(dict(length))
    return tuple(sorted(counts.items()))


def axes(shape: Shape) -> tuple[Length, ...]:
    """The axes of the array that a user sees of one quantity: none for a number, one for a column, else rows and columns."""
    rows, columns = shape
    return (rows, columns) if columns != ONE else (rows,) if rows != ONE else ()


def solved(lengths: Sequence[Length]) -> Iterator[tuple[str, int, Length, int]]:
    """Which length shows which size: the size, the place of the length, what is to be taken off it, and what it is a multiple of.

    >>> list(solved([(("m", 1), ("n", 1)), (("n", 4),)]))
    [('n', 1, (), 4), ('m', 0, (('n', 1),), 1)]
    """
    known: set[str] = set()
    order = sorted(range(len(lengths)), key=lambda k: (len(lengths[k]), lengths[k][0][1] if lengths[k] else 0))
    found = True
    while found:
        found = False
        for k in order:
            rest = tuple((size, count) for size, count in lengths[k] if not size or size in known)
            new = [(size, count) for size, count in lengths[k] if size and size not in known]
            if len(new) == 1:
                ((size, count),) = new
                known.add(size)
                found = True
                yield size, k, rest, count
