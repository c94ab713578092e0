"""What a cell's function is given, checked: names, shapes, dtypes, and that every number is finite.

Each error names the array, what it has and what it should have, and why. Where all is well the check is one quick pass
over the numbers: shapes are held against those that were found right the last time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING, Any

from symlstm.algebra import NotValid
from symlstm.model import Cell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

Shape = tuple[int, ...]


class Checks:
    """The checks of one cell's function."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._states = tuple(symbol.name for symbol in cell.state_terms)
        lengths = cell.shapes.lengths
        self._shown = [(symbol.name, axis, length[0][0]) for symbol in cell.parameter_terms
                       for axis, length in enumerate(lengths[symbol.name])
                       if len(length) == 1 and length[0][1] == 1 and length[0][0]]
        self._wanted = sorted({size for pair in lengths.values() for length in pair for size, _ in length if size})
        self._seen: tuple[int, Any, dict[str, Shape]] = (0, None, {})  # m, dtype and shapes that were right
        self._shapes: dict[str, Shape] = {}

    def fits(self, params: Any, x: Any) -> bool:
        """Whether all is well, seen quickly; if not it may still be, as for a list instead of an array."""
        import numpy as np

        m, dtype, shapes = self._seen
        if type(x) is not np.ndarray or x.ndim not in (2, 3) or x.shape[-1] != m or x.dtype != dtype or not x.size:
            return False
        if type(params) is not dict or len(params) != len(shapes):
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.vdot(x, x)  # a sum of squares is the quickest way to see that all numbers are finite
            for name, shape in shapes.items():
                array = params.get(name)
                if type(array) is not np.ndarray or array.shape != shape or array.dtype != dtype:
                    return False
                total += np.vdot(array, array)
        return isfinite(total)

    def examined(self, params: Mapping[str, Any], x: Any) -> tuple[dict[str, Array], Array]:
        """The parameters and inputs as arrays. Raises `NotValid` for the first that cannot be."""
        x = _inputs(x)
        arrays = _named(self._cell, params)
        sizes = self._sizes(arrays, x.shape[-1])
        shapes = self._cell.shapes
        expected = {name: shapes.at(name, sizes)[:1 if shapes.space(name).columns is None else 2] for name in shapes}
        known = ", ".join(f"{size} = {value}" for size, value in sizes.items())
        if sizes["m"] != x.shape[-1]:
            name = next(name for name, _, size in self._shown if size == "m")
            right = f"{sizes['m']} along the last axis, since {name} has the shape {arrays[name].shape}"
            raise NotValid("x has the wrong number of entries.", f"x has the shape {x.shape}", right)
        _examine(arrays, expected, x.dtype, "x", lambda name: f"{name} is in {shapes.space(name)!r}, with {known}")
        self._shapes = expected
        self._seen = x.shape[-1], x.dtype, {name: array.shape for name, array in arrays.items()}
        return arrays, x

    def start(self, state: Sequence[Any], x: Array) -> tuple[Array, ...]:
        """The state to start from, as arrays; to be asked after the parameters. Raises `NotValid` for one that does not fit x."""
        parts, batch = self._parts("state", state), x.shape[1:-1]
        given = {f"the state {name}": part for name, part in zip(self._states, parts, strict=True)}
        expected = {f"the state {name}": (*batch, *self._shapes[name]) for name in self._states}
        _examine(given, expected, x.dtype, "x", lambda _: f"a batch of {batch[0]}" if batch else "no batch, as x")
        return parts

    def adjoints(self, outputs: Array, state: Sequence[Array], d_outputs: Any,
                 d_state: Any) -> tuple[Array, tuple[Array, ...] | None]:
        """The adjoints that come from outside, as arrays. Raises `NotValid` for one that does not fit the trace."""
        import numpy as np

        parts = None if d_state is None else self._parts("d_state", d_state)
        given, expected = {"d_outputs": np.asarray(d_outputs)}, {"d_outputs": outputs.shape}
        for name, part, last in zip(self._states, parts or (), state, strict=False):
            given[f"d_state for {name}"], expected[f"d_state for {name}"] = part, last.shape
        _examine(given, expected, outputs.dtype, "the trace", lambda _: "as in the trace")
        return given["d_outputs"], parts

    def _parts(self, name: str, state: Sequence[Any]) -> tuple[Array, ...]:
        import numpy as np

        right = f"a tuple ({', '.join(self._states)}{',' * (len(self._states) == 1)})"
        if not isinstance(state, (tuple, list)):
            raise NotValid(f"{name} is not a tuple of arrays.", f"{name} is {type(state).__name__}", right)
        if len(state) != len(self._states):
            raise NotValid(f"{name} has {len(state)} parts, but the cell has {len(self._states)}.", self._cell.name, right)
        return tuple(map(np.asarray, state))

    def _sizes(self, arrays: Mapping[str, Array], m: int) -> dict[str, int]:
        """The sizes by name, each what most of the arrays say, so that the one that is wrong is found; `m` is that of x."""
        votes: dict[str, Counter[int]] = {"m": Counter([m])}
        for name, axis, size in self._shown:
            if axis < arrays[name].ndim:
                votes.setdefault(size, Counter())[arrays[name].shape[axis]] += 1
        sizes = {size: count.most_common(1)[0][0] for size, count in votes.items()}
        for size in self._wanted:
            if not sizes.get(size):
                has = ", ".join(f"{name} has the shape {array.shape}" for name, array in arrays.items())
                should = ", ".join(f"{name} in {self._cell.shapes.space(name)!r}" for name in arrays)
                raise NotValid(f"No parameter shows the size {size}.", has, should)
        return sizes


def _inputs(x: Array) -> Array:
    import numpy as np

    x = np.asarray(x)
    if x.ndim not in (2, 3):
        raise NotValid("x is not a sequence of inputs.", f"x has the shape {x.shape}", "(T, B, m), or (T, m) without a batch")
    if 0 in x.shape:
        raise NotValid("x is empty.", f"x has the shape {x.shape}", "at least one step, one sequence and one input")
    if x.dtype.char not in "fd":
        raise NotValid("x is not an array of floats.", f"x has the dtype {x.dtype}", "float64 or float32, as in x.astype(float)")
    _examine({"x": x}, {"x": x.shape}, x.dtype, "x", lambda _: "")
    return x


def _named(cell: Cell, params: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters as arrays, in the cell's order. Raises `NotValid` for a missing or unknown name."""
    import numpy as np

    if not isinstance(params, Mapping):
        raise NotValid("The parameters are not a mapping of names to arrays.", f"params is {type(params).__name__}",
                       "{'W_i': array, ...}")
    names = [symbol.name for symbol in cell.parameter_terms]
    unknown = [name for name in params if name not in names]
    missing = [name for name in names if name not in params]
    if unknown:
        near = get_close_matches(str(unknown[0]), missing or names, n=1)
        raise NotValid(f"The cell {cell.name} has no parameter {unknown[0]!r}.", f"params has {', '.join(map(str, params))}",
                       f"did you mean {near[0]}?" if near else f"its parameters are {', '.join(names)}")
    if missing:
        raise NotValid(f"The parameter {missing[0]} is missing.", f"params has {', '.join(map(str, params)) or 'nothing'}",
                       f"the parameters of {cell.name} are {', '.join(names)}")
    return {name: np.asarray(params[name]) for name in names}


def _examine(arrays: Mapping[str, Array], shapes: Mapping[str, Shape], dtype: Any, like: str, why: Callable[[str], str]) -> None:
    """Raise `NotValid` for the first array that is not as it must be. `why` is asked for the reason of a shape."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        for name, array in arrays.items():
            shape = shapes[name]
            if array.shape != shape:
                raise NotValid(f"{name} has the wrong shape.", f"{name} has the shape {array.shape}", f"{shape}: {why(name)}")
            if array.dtype != dtype:
                raise NotValid(f"{name} has another dtype than {like}.", f"{name} is {array.dtype}, {like} is {dtype}",
                               f"{name} of shape {shape} as {dtype}, as in .astype({str(dtype)!r})")
            if not isfinite(np.vdot(array, array)) and not np.isfinite(array).all():  # the sum of squares may overflow
                first = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
                raise NotValid(f"{name} holds a number that is not finite.", f"{name}{list(first)} is {array[first]}",
                               f"an array of shape {shape} of finite numbers")
