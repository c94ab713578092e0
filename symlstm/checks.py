"""What a cell's function is given, checked: names, shapes, dtypes, and that every number is finite.

Each error names the array, what it has and what it should have, and why. Where all is well the check is one quick pass
over the numbers: shapes are held against those that were found right the last time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING, Any

from symlstm.algebra import NotValid
from symlstm.generator.lengths import axes, size_text, solved
from symlstm.model import Cell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

Shape = tuple[int, ...]
MOST = 16  # names in a message


class Checks:
    """The checks of one cell's function."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._states = tuple(symbol.name for symbol in cell.state_terms)
        self._inputs = tuple(symbol.name for symbol in cell.input_terms)
        self._axes = {name: axes(pair) for name, pair in cell.shapes.lengths.items()}
        self._lengths = [(name, axis, length) for name in (*self._inputs, *(symbol.name for symbol in cell.parameter_terms))
                         for axis, length in enumerate(self._axes[name])]
        self._solved = list(solved([length for _, _, length in self._lengths]))
        self._shown = [(name, axis, *length[0]) for name, axis, length in self._lengths if len(length) == 1 and length[0][0]]
        self._wanted = sorted({size for pair in cell.shapes.lengths.values() for length in pair for size, _ in length if size})
        self._seen: tuple[Shape | None, Any, dict[str, Shape]] = (None, None, {})  # what was right: of x, dtype, of parameters
        self._shapes: dict[str, Shape] = {}

    def fits(self, params: Any, x: Any) -> bool:
        """Whether all is well, seen quickly; if not it may still be, as for a list instead of an array."""
        import numpy as np

        own, dtype, shapes = self._seen
        if own is None or type(x) is not np.ndarray or x.ndim - len(own) not in (1, 2) or x.dtype != dtype or not x.size:
            return False
        if x.shape[x.ndim - len(own):] != own:
            return False
        if not isinstance(params, dict) or len(params) != len(shapes):
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.vdot(x, x)  # a sum of squares is the quickest way to see that all numbers are finite
            for name, shape in shapes.items():
                array = params.get(name)
                if type(array) is not np.ndarray or array.shape != shape or array.dtype != dtype:
                    return False
                total += np.vdot(array, array)
        return isfinite(total)

    def examined(self, params: Mapping[str, Any], x: Any) -> tuple[dict[str, Array], Any]:
        """The parameters and inputs as arrays; several inputs in the form in which they were given, a tuple or a dictionary.

        Raises `NotValid` for the first that cannot be.
        """
        inputs = self._given(x)
        first = inputs[self._inputs[0]]
        arrays = _named(self._cell, params)
        sizes = self._sizes(inputs, arrays)
        expected = {name: tuple(sum(count * sizes.get(size, 1) for size, count in length) for length in own)
                    for name, own in self._axes.items()}
        known = ", ".join(f"{size} = {value}" for size, value in sizes.items())
        for name, array in inputs.items():
            own = array.shape[array.ndim - len(expected[name]):]
            if own != expected[name]:
                triples = zip(self._axes[name], expected[name], own, strict=True)
                size = next(size for size, right, here in triples if right != here)
                other = next((each for each, _, *shown in self._shown if each in arrays and (tuple(shown),) == size), None)
                since = f", since {other} has the shape {arrays[other].shape}" if other else ""
                right = ", ".join(map(str, expected[name]))
                raise NotValid(f"{self._called(name)} has the wrong number of entries.",
                               f"{self._called(name)} has the shape {array.shape}",
                               f"{right} along the last {'axis' if len(own) == 1 else 'axes'}{since}")
        def why(name: str) -> str:
            return f"{name} is in {self._space(name)}, with {known}" if self._axes[name] else f"{name} is a number"
        _examine(arrays, expected, first.dtype, self._called(self._inputs[0]), why)
        self._shapes = expected
        if len(inputs) == 1:
            self._seen = expected[self._inputs[0]], first.dtype, {name: array.shape for name, array in arrays.items()}
            return arrays, first
        return arrays, inputs if isinstance(x, Mapping) else tuple(inputs.values())

    def start(self, state: Sequence[Any], x: Any) -> tuple[Array, ...]:
        """The state to start from, as arrays; to be asked after the parameters. Raises `NotValid` for one that does not fit x."""
        first = x if len(self._inputs) == 1 else x[self._inputs[0]] if isinstance(x, Mapping) else x[0]
        parts, batch = self._parts("state", state), first.shape[1:first.ndim - len(self._axes[self._inputs[0]])]
        given = {f"the state {name}": part for name, part in zip(self._states, parts, strict=True)}
        expected = {f"the state {name}": (*batch, *self._shapes[name]) for name in self._states}
        _examine(given, expected, first.dtype, "x", lambda _: f"a batch of {batch[0]}" if batch else "no batch, as x")
        return parts

    def _space(self, name: str) -> str:
        """R^n or R^(n x m)."""
        text = " x ".join(map(size_text, self._axes[name]))
        return f"R^({text})" if " " in text else f"R^{text}"

    def _called(self, name: str) -> str:
        """What an input is called in a message: the only one is the argument x."""
        return "x" if len(self._inputs) == 1 else f"the input {name}"

    def _given(self, x: Any) -> dict[str, Array]:
        """The inputs by name, as arrays over the same steps and sequences."""
        if len(self._inputs) == 1:
            return {self._inputs[0]: self._sequence(self._inputs[0], x)}
        right = f"a tuple ({', '.join(self._inputs)}), or a dictionary of these names"
        if isinstance(x, Mapping):
            if set(x) != set(self._inputs):
                has = ", ".join(map(str, x)) or "nothing"
                raise NotValid("The names of the inputs are not those of the cell.", f"x has {has}", right)
            x = tuple(x[name] for name in self._inputs)
        if not isinstance(x, (tuple, list)) or len(x) != len(self._inputs):
            has = f"{len(x)} parts" if isinstance(x, (tuple, list)) else type(x).__name__
            raise NotValid(f"The cell {self._cell.name} has {len(self._inputs)} inputs.", f"x is {has}", right)
        inputs = {name: self._sequence(name, part) for name, part in zip(self._inputs, x, strict=True)}
        first = self._inputs[0]
        lead = {name: array.shape[:array.ndim - len(self._axes[name])] for name, array in inputs.items()}
        for name, array in inputs.items():
            if lead[name] != lead[first]:
                raise NotValid(f"The input {name} has other steps or sequences than {first}.",
                               f"{name} has the shape {array.shape}", f"{lead[first]} in front, as in {first}")
            if array.dtype != inputs[first].dtype:
                raise NotValid(f"The input {name} has another dtype than {first}.",
                               f"{name} is {array.dtype}, {first} is {inputs[first].dtype}", "one dtype for all")
        return inputs

    def _sequence(self, name: str, x: Any) -> Array:
        """An input as an array of finite floats, with steps and maybe sequences in front."""
        import numpy as np

        x, called, own = np.asarray(x), self._called(name), ", ".join(size_text(length) for length in self._axes[name])
        if x.ndim - len(self._axes[name]) not in (1, 2):
            right = f"(T, B, {own}), or (T, {own}) without a batch" if own else "(T, B), or (T,) without a batch"
            raise NotValid(f"{called} is not a sequence of inputs.", f"{called} has the shape {x.shape}", right)
        if 0 in x.shape:
            raise NotValid(f"{called} is empty.", f"{called} has the shape {x.shape}",
                           "at least one step, one sequence and one input")
        if x.dtype.char not in "fd":
            raise NotValid(f"{called} is not an array of floats.", f"{called} has the dtype {x.dtype}",
                           "float64 or float32, as in x.astype(float)")
        _examine({called: x}, {called: x.shape}, x.dtype, called, lambda _: "")
        return x

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

    def _sizes(self, inputs: Mapping[str, Array], arrays: Mapping[str, Array]) -> dict[str, int]:
        """The sizes by name, each what most of the arrays say, so that the one that is wrong is found."""
        votes: dict[str, Counter[int]] = {}
        shapes = {name: array.shape for name, array in arrays.items()}
        shapes |= {name: array.shape[array.ndim - len(self._axes[name]):] for name, array in inputs.items()}
        for name, axis, size, count in self._shown:
            if axis < len(shapes[name]) and shapes[name][axis] % count == 0:
                votes.setdefault(size, Counter())[shapes[name][axis] // count] += 1
        sizes = {size: count.most_common(1)[0][0] for size, count in votes.items()}
        for size, k, rest, count in self._solved:
            name, axis, _ = self._lengths[k]
            if size not in sizes and axis < len(shapes[name]) and all(each in sizes for each, _ in rest if each):
                sizes[size] = (shapes[name][axis] - sum(times * sizes.get(each, 1) for each, times in rest)) // count
        for size in self._wanted:
            if not sizes.get(size):
                has = ", ".join(f"{name} has the shape {array.shape}" for name, array in arrays.items())
                should = ", ".join(f"{name} in {self._space(name)}" for name in arrays)
                raise NotValid(f"No parameter shows the size {size}.", has, should)
        return sizes


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
        near = get_close_matches(str(unknown[0]), missing or names, n=1, cutoff=0.5)
        raise NotValid(f"The cell {cell.name} has no parameter {unknown[0]!r}.", f"params has {_listed(params)}",
                       f"did you mean {near[0]}?" if near else f"its parameters are {_listed(names)}")
    if missing:
        raise NotValid(f"The parameter {missing[0]} is missing.", f"params has {_listed(params)}",
                       f"the parameters of {cell.name} are {_listed(names)}")
    return {name: np.asarray(params[name]) for name in names}


def _listed(names: Collection[object]) -> str:
    """Names with commas between; of very many, the first of them."""
    shown = [str(name) for name in names][:MOST]
    more = [f"... ({len(names)} in all)"] if len(names) > MOST else []
    return ", ".join([*shown, *more]) or "nothing"


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
