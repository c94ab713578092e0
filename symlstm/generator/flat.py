"""Several arrays in one flat array, one after the other: where each begins and ends, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from symlstm.generator.entries import Array
from symlstm.shapes import ONE, Length


class Flat:
    """A flat array and what lies in it. `text` is the code of a length; with `times` there are so many of each."""

    def __init__(self, name: str, text: Callable[[Length], str], times: str = "") -> None:
        self.name, self.text, self.times = name, text, times
        self.arrays: list[Array] = []

    def add(self, *arrays: Array) -> None:
        self.arrays += [array for array in arrays if array not in self.arrays]

    def size(self, before: Array | None = None) -> str:
        """How many numbers there are, or stand before an array."""
        counts: Counter[str] = Counter()
        for each in self.arrays[:None if before is None else self.arrays.index(before)]:
            if len(each.lengths) == 2:
                counts[" * ".join(text if text.isidentifier() else f"({text})" for text in map(self.text, each.lengths))] += 1
            else:
                for size, count in (each.lengths or (ONE,))[0]:
                    counts[self.text(((size, 1),))] += count
        numbers = counts.pop("1", 0)
        parts = [text if count == 1 else f"{count} * {text}" for text, count in counts.items()]
        parts += [str(numbers)] * (numbers > 0)
        whole = " + ".join(parts)
        if not parts:
            return "0"
        return f"{self.times} * {whole if len(parts) == 1 else f'({whole})'}" if self.times else whole

    def part(self, array: Array) -> str:
        """The part that an array is."""
        after = self.arrays[self.arrays.index(array) + 1:]
        return f"{self.name}[{self.size(array)}:{self.size(after[0] if after else None)}]"

    def view(self, array: Array, *front: str) -> str:
        """The line that gives a part its name and its axes, those in `front` before its own."""
        axes = (*front, *map(self.text, array.lengths))
        if not axes and not array.front:
            return f"{array.name} = {self.name}[{self.size(array)}]"
        turned = f".reshape(({', '.join(axes)}))" if len(axes) > 1 else ""
        return f"{array.name} = {self.part(array)}{turned}"
