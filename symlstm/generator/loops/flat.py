"""Several arrays in one flat array, one after the other: where each begins and ends, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from symlstm.generator.loops.values import Array
from symlstm.shapes import ONE, Length


class Flat:
    """A flat array and what lies in it, of each array one or, with `many`, so many. `text` is the code of a length."""

    def __init__(self, name: str, text: Callable[[Length], str], many: str = "") -> None:
        self.name, self.text, self.many = name, text, many
        self.arrays: list[Array] = []

    def add(self, *arrays: Array) -> None:
        self.arrays += [array for array in arrays if array not in self.arrays]

    def size(self, before: Array | None = None) -> str:
        """How many numbers there are, or stand before an array."""
        return self._size(self.arrays[:None if before is None else self.arrays.index(before)])

    def part(self, array: Array) -> str:
        """The part that an array is, or that all of many are."""
        after = self.arrays[self.arrays.index(array) + 1:]
        return f"{self.name}[{self.size(array)}:{self.size(after[0] if after else None)}]"

    def one(self, array: Array, index: str) -> str:
        """The part that one of many is."""
        start, size = self.size(array), self._size([array], "")
        start = "" if start == "0" else f"{start} + "
        if size == "1":
            return f"{self.name}[{start}{index}:{start}{index} + 1]"
        size = f"({size})" if "+" in size else size
        return f"{self.name}[{start}{index} * {size}:{start}({index} + 1) * {size}]"

    def _size(self, arrays: list[Array], many: str | None = None) -> str:
        counts: Counter[str] = Counter()
        for each in arrays:
            if len(each.lengths) == 2 and all(len(length) == 1 for length in each.lengths):
                (rows, many_rows), (columns, many_columns) = (length[0] for length in each.lengths)
                counts[" * ".join(sorted((self.text(((rows, 1),)), self.text(((columns, 1),)))))] += many_rows * many_columns
            elif len(each.lengths) == 2:
                counts[" * ".join(f"({self.text(length)})" for length in each.lengths)] += 1
            else:
                for size, count in (each.lengths or (ONE,))[0]:
                    counts[self.text(((size, 1),))] += count
        numbers = counts.pop("1", 0)
        parts = [text if count == 1 else f"{count} * {text}" for text, count in counts.items()]
        parts += [str(numbers)] * (numbers > 0)
        whole, many = " + ".join(parts) or "0", self.many if many is None else many
        return whole if not many or whole == "0" else f"{many} * {whole if len(parts) == 1 else f'({whole})'}"


def shaped(array: Array, part: str, text: Callable[[Length], str]) -> str:
    """The line that gives a part of a flat array its name and axes."""
    axes = list(map(text, array.lengths))
    return f"{array.name} = {part}.reshape(({', '.join(axes)}))" if len(axes) > 1 else f"{array.name} = {part}"
