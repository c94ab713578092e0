"""The numbers: read as arrays, held against the shape they must have, cut into our parameters and put together from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symlstm.algebra import NotValid
from symlstm.layouts.plans import Axes, Block
from symlstm.layouts.tables import UNUSED
from symlstm.shapes import Length

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


def numbers(name: str, value: Any) -> Array:
    """What holds numbers as an array of floats: a tensor of any library, a list. Raises `NotValid` for what does not."""
    import numpy as np

    right = f"{name} as an array or a tensor of float32 or float64"
    try:
        array = np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        said = str(error).partition("\n")[0]
        raise NotValid(f"{name} is not an array of numbers.", f"{type(value).__name__}: {said}", right) from None
    if array.dtype.kind in "iu":
        return array.astype("float64")
    if array.dtype.kind != "f":
        has = type(value).__name__ if array.dtype.kind == "O" else f"{type(value).__name__} of {array.dtype}"
        raise NotValid(f"{name} is not an array of numbers.", f"{name} is {has}", right)
    return array


# --- shapes -----------------------------------------------------------------------------------------------------------


def sizes_of(known: Iterable[tuple[Axes, Sequence[int]]]) -> dict[str, int]:
    """The sizes that arrays show, each what most of them say, so that the one that is wrong is found."""
    votes: dict[str, Counter[int]] = {}
    for wanted, shape in known:
        for length, here in zip(wanted, shape, strict=False):
            (size, count), *more = length
            if size and not more and here and here % count == 0:
                votes.setdefault(size, Counter())[here // count] += 1
    return {size: count.most_common(1)[0][0] for size, count in votes.items()}


def shape_at(wanted: Axes, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape in numbers; a size that no array shows is 0, which fits none."""
    return tuple(sum(count * (sizes.get(size, 0) if size else 1) for size, count in length) for length in wanted)


def misshapen(name: str, shape: Sequence[int], wanted: Axes, sizes: Mapping[str, int], more: str = "") -> NotValid:
    """What is wrong with a shape, in letters and in numbers."""
    used = dict.fromkeys(size for length in wanted for size, _ in length if size)
    text = in_letters(wanted)
    if all(sizes.get(size) for size in used):
        text += f" = {shape_at(wanted, sizes)} with {' and '.join(f'{size} = {sizes[size]}' for size in used)}"
    return NotValid(f"{name} has the wrong shape.", f"{name} has the shape {tuple(shape)}", text + more)


def in_letters(wanted: Axes) -> str:
    """A shape as a person writes it.

    >>> in_letters(((("n", 4),), (("m", 1),)))
    '(4n, m)'
    """
    return f"({', '.join(map(_letters, wanted))}{',' * (len(wanted) == 1)})"


def _letters(length: Length) -> str:
    return " + ".join(str(count) if not size else size if count == 1 else f"{count}{size}" for size, count in length)


# --- cutting and putting together -----------------------------------------------------------------------------------------


def cut(block: Block, array: Array, *, transposed: bool) -> Iterator[tuple[str, Array]]:
    """What lies in an array, in order, without its sign."""
    import numpy as np

    for entry, part in zip(block.entries, array if block.stacked else (array,), strict=True):
        for place, piece in zip(entry, np.split(part, len(entry), axis=-1 if transposed else 0), strict=True):
            if place != UNUSED:
                ours = piece.T if transposed else piece
                yield place.removeprefix("-"), np.array(-ours if place.startswith("-") else ours, order="C")


def added(parts: Sequence[Array]) -> Array:
    """The sum of what lies in several places; to the bit the first where the others are zero."""
    import numpy as np

    total, *more = parts
    for part in more:
        total = np.where(part == 0, total, total + part)
    return total


def put(block: Block, params: Mapping[str, Array], done: set[str], *, transposed: bool, gradients: bool) -> Array:
    """The array that holds a block. What stands in several places goes into the first, a gradient into each."""
    import numpy as np

    def piece(place: str) -> Array:
        own = place.removeprefix("-")
        if own == UNUSED or (own in done and not gradients):
            return np.zeros_like(params[block.first])
        done.add(own)
        return -params[own] if place.startswith("-") else params[own]

    entries = []
    for entry in block.entries:
        pieces = [piece(place).T if transposed else piece(place) for place in entry]
        entries.append(np.concatenate(pieces, axis=-1 if transposed else 0))
    return np.stack(entries) if block.stacked else entries[0]
