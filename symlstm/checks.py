"""What a cell's function is given, checked: names, shapes, dtypes, counts.

Each error names the array, what it has and what it should have, and why. Where all is as it was the last time, a check
compares shapes and nothing more. Whether all numbers are finite is not asked here: one that is not shows in what comes out,
and only then it is traced to where it came in (`symlstm.origins`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from symlstm.algebra import NotValid
from symlstm.generator.lengths import axes, size_text, solved
from symlstm.model import Cell

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

Shape = tuple[int, ...]
MOST = 16  # names in a message
FEW = 24  # numbers that Python adds sooner than NumPy


@dataclass(frozen=True, slots=True)
class Fit:
    """Shapes that were found right together: of the inputs, of the parameters by name, of the states; and one dtype.

    `steps` is T, `batch` (B,) or (), `sizes` the sizes by name.
    """

    inputs: tuple[Shape, ...]
    params: dict[str, Shape]
    states: tuple[Shape, ...]
    dtype: Any
    steps: int
    batch: tuple[int, ...]
    sizes: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Parameters, checked and stacked once for many calls of the function that made it. It owns its arrays."""

    params: dict[str, Array]
    shapes: dict[str, Shape]
    dtype: Any
    weights: Any
    checks: Checks

    def __repr__(self) -> str:
        return f"Prepared({_listed(self.params)})"


@dataclass(slots=True, eq=False)
class Workspace:
    """Arrays for runs of one size: a run that is given it writes over those of the run before. `runs` counts the runs.

    `arrays` is None where the module makes all arrays anew in any case.
    """

    arrays: Any
    steps: int
    sequences: int
    dtype: Any
    sizes: dict[str, int]
    checks: Checks
    runs: int = 0
    fit: Fit | None = None  # what it was found right for the last time

    def __repr__(self) -> str:
        return f"Workspace({self.told()})"

    def told(self) -> str:
        """Its sizes in words."""
        return _told(self.steps, self.sequences, self.sizes, self.dtype)


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
        self._last: Fit | None = None  # what was found right the last time

    # --- what a forward pass is given ---

    def quick(self, params: Any, x: Any) -> Fit | None:
        """What was right the last time, if all is now as it was then; if not it may be right too."""
        last = self._last
        if last is None:
            return None
        dtype = last.dtype
        if len(last.inputs) == 1:
            if type(x) is not np.ndarray or x.shape != last.inputs[0] or x.dtype is not dtype:
                return None
        elif type(x) is not tuple or not _same(x, last.inputs, dtype):
            return None
        if type(params) is Prepared:
            return last if params.shapes is last.params and params.dtype is dtype and params.checks is self else None
        if type(params) is not dict or len(params) != len(last.params):
            return None
        for name, shape in last.params.items():
            array = params.get(name)
            if type(array) is not np.ndarray or array.shape != shape or array.dtype is not dtype:
                return None
        return last

    def examined(self, params: Any, x: Any) -> tuple[Any, Any, Fit]:
        """The parameters and inputs as arrays, and what they fit; several inputs in the form in which they were given.

        Raises `NotValid` for the first that cannot be.
        """
        inputs = self._given(x)
        first = inputs[self._inputs[0]]
        arrays = self._parameters(params)
        shapes = {name: array.shape for name, array in arrays.items()}
        own = {name: array.shape[array.ndim - len(self._axes[name]):] for name, array in inputs.items()}
        sizes = self._complete(self._sizes(shapes | own), shapes)
        expected = self._expected(sizes)
        for name, array in inputs.items():
            if own[name] != expected[name]:
                triples = zip(self._axes[name], expected[name], own[name], strict=True)
                size = next(size for size, right, here in triples if right != here)
                other = next((each for each, _, *shown in self._shown if each in arrays and (tuple(shown),) == size), None)
                since = f", since {other} has the shape {arrays[other].shape}" if other else ""
                right = ", ".join(map(str, expected[name]))
                raise NotValid(f"{self._called(name)} has the wrong number of entries.",
                               f"{self._called(name)} has the shape {array.shape}",
                               f"{right} along the last {'axis' if len(own[name]) == 1 else 'axes'}{since}")
        examine(arrays, expected, first.dtype, self._called(self._inputs[0]), self._reason(sizes))
        steps, *batch = first.shape[:first.ndim - len(self._axes[self._inputs[0]])]
        fit = self._last = Fit(
            tuple(array.shape for array in inputs.values()), params.shapes if isinstance(params, Prepared) else shapes,
            tuple((*batch, *expected[name]) for name in self._states), first.dtype, steps, tuple(batch), sizes)
        given = first if len(inputs) == 1 else inputs if isinstance(x, Mapping) else tuple(inputs.values())
        return params if isinstance(params, Prepared) else arrays, given, fit

    def prepared(self, params: Any, stack: Callable[[dict[str, Array]], Any]) -> Prepared:
        """Copies of the parameters, and what `stack` makes of them. Raises `NotValid` for what cannot be."""
        arrays = {name: array.copy() for name, array in self._parameters(params).items()}
        shapes = {name: array.shape for name, array in arrays.items()}
        sizes = self._sizes(shapes)
        known = {name: shape if self._known(name, sizes) else shapes[name] for name, shape in self._expected(sizes).items()
                 if name in shapes}
        name = next(iter(arrays), "")
        dtype = arrays[name].dtype if arrays else None
        if dtype is not None:
            _floats(name, arrays[name])
        examine(arrays, known, dtype, name, self._reason(sizes))
        refuse(arrays)
        same = self._last is not None and self._last.params == shapes
        return Prepared(arrays, self._last.params if same else shapes, dtype, stack(arrays), self)  # type: ignore[union-attr]

    def workspace(self, steps: Any, sequences: Any, dtype: Any, sizes: Mapping[str, Any],
                  make: Callable[..., Any] | None) -> Workspace:
        """A workspace for runs of these sizes, with arrays that `make` makes. Raises `NotValid` for what sizes cannot be."""
        for name, size in {"T": steps, "B": sequences, **sizes}.items():
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
                raise NotValid(f"The size {name} is a number.", f"{name}={size!r}", "an integer from 1 on")
        if set(sizes) != set(self._wanted):
            raise NotValid(f"The cell {self._cell.name} has other sizes.", f"given are {_listed(sizes)}",
                           f"its sizes are {_listed(self._wanted)}")
        dtype = np.dtype(dtype)
        _floats("the workspace", np.empty(0, dtype))
        arrays = make(steps, sequences, dtype, **sizes) if make else None
        return Workspace(arrays, steps, sequences, dtype, dict(sizes), self)

    def lent(self, workspace: Any, fit: Fit) -> Any:
        """The arrays of a workspace, for one more run. Raises `NotValid` for one of another function or size."""
        if type(workspace) is not Workspace or workspace.checks is not self:
            raise NotValid("The workspace is not one of this function.", f"workspace is {workspace!r}",
                           f"f.workspace(T, B, {', '.join(f'{size}=...' for size in self._wanted)})")
        if workspace.fit is not fit:
            own = {name: fit.sizes[name] for name in workspace.sizes}
            has = _told(fit.steps, fit.batch[0] if fit.batch else 1, own, fit.dtype)
            if workspace.told() != has:
                raise NotValid("The workspace is for runs of another size.", repr(workspace), f"for this run, {has}")
            workspace.fit = fit
        workspace.runs += 1
        return workspace.arrays

    def start(self, state: Any, fit: Fit) -> tuple[Array, ...]:
        """The state to start from, as arrays. Raises `NotValid` for one that does not fit."""
        if type(state) is tuple and _same(state, fit.states, fit.dtype):
            return state
        parts = self._parts("state", state)
        batch = f"a batch of {fit.batch[0]}" if fit.batch else "no batch, as x"
        examine(self.called("the state", parts), self.called("the state", fit.states), fit.dtype, "x", lambda _: batch)
        return parts

    def lengths(self, lengths: Any, fit: Fit) -> Array:
        """The lengths of the sequences of a batch, as an array. Raises `NotValid` for what they cannot be."""
        found = np.asarray(lengths)
        if not fit.batch:
            raise NotValid("Without a batch there is one sequence, and x is as long as it is.", f"lengths={lengths!r}",
                           "leave lengths out, and give x[:length]")
        if found.shape != fit.batch:
            raise NotValid("There is not one length for each sequence.",
                           f"lengths has the shape {found.shape}, x has {fit.batch[0]} sequences", f"{fit.batch[0]} integers")
        if found.dtype.kind not in "iu":
            raise NotValid("Lengths are integers.", f"lengths has the dtype {found.dtype}", f"integers from 1 to T = {fit.steps}")
        for k, length in enumerate(found.tolist()):
            if not 1 <= length <= fit.steps:
                raise NotValid("A sequence has at least one step, and not more than x.", f"lengths[{k}] is {length}",
                               f"an integer from 1 to T = {fit.steps}")
        return found.astype(int)

    # --- what a backward pass is given ---

    def adjoints(self, outputs: Array, state: Sequence[Array], d_outputs: Any,
                 d_state: Any) -> tuple[Array, tuple[Array, ...] | None]:
        """The adjoints that come from outside, as arrays. Raises `NotValid` for one that does not fit the trace."""
        dtype = outputs.dtype
        if type(d_outputs) is np.ndarray and d_outputs.shape == outputs.shape and d_outputs.dtype is dtype and (
                d_state is None or (type(d_state) is tuple and _same(d_state, [part.shape for part in state], dtype))):
            return d_outputs, d_state
        parts = None if d_state is None else self._parts("d_state", d_state)
        given = {"d_outputs": np.asarray(d_outputs)} | self.called("d_state for", parts or ())
        expected = {"d_outputs": outputs.shape} | self.called("d_state for", [part.shape for part in state])
        examine(given, expected, dtype, "the trace", lambda _: "as in the trace")
        return given["d_outputs"], parts

    # --- names and shapes ---

    def named(self, x: Any) -> dict[str, Array]:
        """The inputs by what they are called in a message, once they have been examined."""
        parts = (x,) if len(self._inputs) == 1 else x.values() if isinstance(x, Mapping) else x
        return dict(zip(map(self._called, self._inputs), parts, strict=True))

    def called(self, what: str, parts: Sequence[Any]) -> dict[str, Any]:
        """Arrays that belong to the states, by what they are called in a message; of none, none."""
        return {f"{what} {name}": part for name, part in zip(self._states, parts, strict=False)}

    def _expected(self, sizes: Mapping[str, int]) -> dict[str, Shape]:
        """The shapes of all quantities and parameters, as a user sees them."""
        return {name: tuple(sum(count * sizes.get(size, 1) for size, count in length) for length in own)
                for name, own in self._axes.items()}

    def _known(self, name: str, sizes: Mapping[str, int]) -> bool:
        return all(size in sizes for length in self._axes[name] for size, _ in length if size)

    def _reason(self, sizes: Mapping[str, int]) -> Callable[[str], str]:
        """Why a parameter has the shape that it has."""
        known = ", ".join(f"{size} = {value}" for size, value in sizes.items())
        return lambda name: f"{name} is in {self._space(name)}, with {known}" if self._axes[name] else f"{name} is a number"

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
        """An input as an array of floats, with steps and maybe sequences in front."""
        x, called, own = np.asarray(x), self._called(name), ", ".join(size_text(length) for length in self._axes[name])
        if x.ndim - len(self._axes[name]) not in (1, 2):
            right = f"(T, B, {own}), or (T, {own}) without a batch" if own else "(T, B), or (T,) without a batch"
            raise NotValid(f"{called} is not a sequence of inputs.", f"{called} has the shape {x.shape}", right)
        if 0 in x.shape:
            raise NotValid(f"{called} is empty.", f"{called} has the shape {x.shape}",
                           "at least one step, one sequence and one input")
        _floats(called, x)
        return x

    def _parts(self, name: str, state: Sequence[Any]) -> tuple[Array, ...]:
        right = f"a tuple ({', '.join(self._states)}{',' * (len(self._states) == 1)})"
        if not isinstance(state, (tuple, list)):
            raise NotValid(f"{name} is not a tuple of arrays.", f"{name} is {type(state).__name__}", right)
        if len(state) != len(self._states):
            raise NotValid(f"{name} has {len(state)} parts, but the cell has {len(self._states)}.", self._cell.name, right)
        return tuple(map(np.asarray, state))

    def _sizes(self, shapes: Mapping[str, Shape]) -> dict[str, int]:
        """The sizes that shapes show, by name, each what most of them say, so that the one that is wrong is found."""
        votes: dict[str, Counter[int]] = {}
        for name, axis, size, count in self._shown:
            shape = shapes.get(name, ())
            if axis < len(shape) and shape[axis] % count == 0:
                votes.setdefault(size, Counter())[shape[axis] // count] += 1
        sizes = {size: count.most_common(1)[0][0] for size, count in votes.items()}
        for size, k, rest, count in self._solved:
            name, axis, _ = self._lengths[k]
            shape = shapes.get(name, ())
            if size not in sizes and axis < len(shape) and all(each in sizes for each, _ in rest if each):
                sizes[size] = (shape[axis] - sum(times * sizes.get(each, 1) for each, times in rest)) // count
        return sizes

    def _complete(self, sizes: dict[str, int], shapes: Mapping[str, Shape]) -> dict[str, int]:
        """The same sizes; raise `NotValid` if one is missing. `shapes` are those of the parameters."""
        for size in self._wanted:
            if not sizes.get(size):
                has = ", ".join(f"{name} has the shape {shape}" for name, shape in shapes.items())
                should = ", ".join(f"{name} in {self._space(name)}" for name in shapes)
                raise NotValid(f"No parameter shows the size {size}.", has, should)
        return sizes

    def _parameters(self, params: Any) -> dict[str, Array]:
        """The parameters as arrays, in the cell's order. Raises `NotValid` for a missing or unknown name."""
        if isinstance(params, Prepared):
            if params.checks is not self:
                raise NotValid("The parameters were prepared by another function.", repr(params), "f.prepare(params) of this one")
            return params.params
        return _named(self._cell, params)


def _named(cell: Cell, params: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters as arrays, in the cell's order. Raises `NotValid` for a missing or unknown name."""
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


def _told(steps: int, sequences: int, sizes: Mapping[str, int], dtype: Any) -> str:
    """The sizes of a run in words."""
    known = {"T": steps, "B": sequences, **dict(sorted(sizes.items()))}
    return ", ".join((*(f"{name} = {size}" for name, size in known.items()), str(dtype)))


def _same(parts: tuple[Any, ...], shapes: Sequence[Shape], dtype: Any) -> bool:
    """Whether parts are arrays of these shapes, all of them, and of a dtype, seen quickly."""
    if len(parts) != len(shapes):
        return False
    for part, shape in zip(parts, shapes, strict=True):
        if type(part) is not np.ndarray or part.shape != shape or part.dtype is not dtype:
            return False
    return True


def counted(name: str, count: Any) -> int:
    """A number of steps, at least one. Raises `NotValid` for anything else."""
    try:
        found = 0 if isinstance(count, bool) else index(count)
    except TypeError:
        found = 0
    if found < 1:
        raise NotValid(f"{name} is a number of steps.", f"{name}={count!r}", "an integer from 1 on")
    return found


def _floats(name: str, array: Array) -> None:
    """Raise `NotValid` for an array that is not of float32 or float64."""
    if array.dtype.char not in "fd":
        raise NotValid(f"{name} is not an array of floats.", f"{name} has the dtype {array.dtype}",
                       f"float64 or float32, as in {name.split()[-1]}.astype(float)")


def examine(arrays: Mapping[str, Array], shapes: Mapping[str, Shape], dtype: Any, like: str, why: Callable[[str], str]) -> None:
    """Raise `NotValid` for the first array that is not as it must be. `why` is asked for the reason of a shape."""
    for name, array in arrays.items():
        shape = shapes[name]
        if array.shape != shape:
            raise NotValid(f"{name} has the wrong shape.", f"{name} has the shape {array.shape}", f"{shape}: {why(name)}")
        if array.dtype != dtype:
            raise NotValid(f"{name} has another dtype than {like}.", f"{name} is {array.dtype}, {like} is {dtype}",
                           f"{name} of shape {shape} as {dtype}, as in .astype({str(dtype)!r})")


def finite(*values: Array) -> bool:
    """Whether all numbers are finite. A sum of squares is the quickest way to see it, of few their sum; it may overflow."""
    total = 0.0
    for array in values:
        total += sum(array.ravel().tolist()) if array.size < FEW else np.vdot(array, array)  # which does not warn, as dot does
    return isfinite(total) or all(np.isfinite(array).all() for array in values)


def refuse(given: Mapping[str, Array]) -> None:
    """Raise `NotValid` for the first array that holds a number that is not finite."""
    for name, array in given.items():
        if not finite(array):
            first = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
            raise NotValid(f"{name} holds a number that is not finite.", f"{name}{list(first)} is {array[first]}",
                           f"an array of shape {array.shape} of finite numbers")
