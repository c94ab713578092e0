"""`lambdify`: a cell or an expression as a NumPy function, named after SymPy's own.

For a cell the source is generated (`symlstm.generator`) and run; what stands here is the object around it, and the
checks of what it is given. They cost one pass over the parameters: a shape that does not fit, a number that is not
finite or a dtype that differs is an error that names the parameter, what it has and what it should have.
"""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, overload

from symlstm.algebra import NotSupported, NotValid, Relation, Term
from symlstm.model import Cell

if TYPE_CHECKING:
    import numpy as np
    import sympy
    from numpy.typing import NDArray

    from symlstm.formulas import Formula
    from symlstm.steps import Step

    Array = NDArray[np.floating[Any]]


class Trace(Protocol):
    """What a forward pass gives: `outputs` (T, B, n) or (T, n), `state` after the last step, and what `backward` needs."""

    outputs: Array
    state: tuple[Array, ...]


class Gradients(Protocol):
    """What a backward pass gives: `params` by name, `inputs` of the shape of x, and `state`, for the state at the start."""

    params: dict[str, Array]
    inputs: Array
    state: tuple[Array, ...]


@overload
def lambdify(what: Cell, args: None = None, backend: str = "numpy") -> CellFunction: ...
@overload
def lambdify(what: Step | Relation | Term | sympy.Basic, args: Sequence[Any] | None = None, backend: str = "numpy", *,
             shapes: Mapping[str, tuple[Any, ...]] | None = None) -> Formula: ...
def lambdify(what: Any, args: Sequence[Any] | None = None, backend: str = "numpy", *,
             shapes: Mapping[str, tuple[Any, ...]] | None = None) -> CellFunction | Formula:
    """A cell as a `CellFunction`, with `forward`, `backward` and `source`; an expression or an equation as a `Formula`.

    Of an equation the right side is computed. `args` gives the order of a formula's arguments (symbols or their names);
    by default it is that of first appearance. `shapes` gives the sizes of the quantities of one of our own terms, relations
    or steps, as `cell.shapes` does. Raises `NotValid` for what cannot be computed, `NotSupported` for what cannot be yet.

    >>> import symlstm as sl, numpy as np
    >>> cell = sl.cell("lstm")
    >>> f = sl.lambdify(cell)
    >>> trace = f.forward(sl.random_parameters(cell, n=3, m=2), np.ones((5, 4, 2)))
    >>> trace.outputs.shape, f.backward(trace, np.ones((5, 4, 3))).params["W_f"].shape
    ((5, 4, 3), (3, 2))
    >>> sl.lambdify(cell.equations[4])(f_t=np.ones(3), c_prev=np.ones(3), i_t=np.ones(3), g_t=np.ones(3))
    array([2., 2., 2.])
    """
    if backend != "numpy":
        raise NotSupported("There is no such back end.", repr(backend), "'numpy'")
    if isinstance(what, Cell):
        if args is not None:
            raise NotValid("A cell's function takes its arguments by name.", f"args={args!r}", "leave args out")
        return CellFunction(what)
    from symlstm.formulas import formula

    return formula(what, args, shapes)


@dataclass(frozen=True)
class CellFunction:
    """A cell as NumPy: `forward` over a sequence, `backward` for all gradients, and the `source` of both.

    Batched (T, B, m) or unbatched (T, m); float32 stays float32, float64 float64. A trace and its gradients own their
    arrays: no later call changes them, and no later change of `params` or `x` changes them.
    """

    cell: Cell
    source: str = field(init=False, repr=False)
    _module: dict[str, Any] = field(init=False, repr=False)
    _sizes: Sizes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from symlstm.generator.module import written

        object.__setattr__(self, "source", written(self.cell))
        object.__setattr__(self, "_module", _run(self.source, self.cell.name))
        object.__setattr__(self, "_sizes", Sizes(self.cell))

    def forward(self, params: Mapping[str, Array], x: Array, state: Sequence[Array] | None = None) -> Trace:
        """Run the cell over x, from a state (zero if None): a tuple of arrays (B, n), or (n,) unbatched.

        Raises `NotValid` for names, shapes, dtypes and numbers that cannot be, naming the parameter.
        """
        x = _inputs(x)
        arrays = _named(self.cell, params)
        shapes = self._sizes.shapes(self._sizes.first(arrays, x.shape[-1]))
        if _first_wrong(arrays, shapes, x.dtype):
            self._refuse(arrays, x)
        start = None if state is None else self._start(state, x, shapes)
        return self._module["forward"](arrays, x, start)

    def backward(self, trace: Trace, d_outputs: Array, d_state: Sequence[Array] | None = None) -> Gradients:
        """All gradients of a loss, from its gradient by the outputs and, beside it, by the last state (zero if None).

        Raises `NotValid` for a trace of another function, and for arrays that do not fit the trace.
        """
        if not isinstance(trace, self._module["Trace"]):
            raise NotValid("The trace is not one of this function's forward passes.", f"trace is {type(trace).__name__}",
                           "trace = f.forward(params, x)")
        import numpy as np

        parts = None if d_state is None else self._parts("d_state", d_state)
        given, expected = {"d_outputs": np.asarray(d_outputs)}, {"d_outputs": trace.outputs.shape}
        for symbol, part, state in zip(self.cell.state_terms, parts or (), trace.state, strict=False):
            given[f"d_state for {symbol.name}"], expected[f"d_state for {symbol.name}"] = part, state.shape
        wrong = _first_wrong(given, expected, trace.outputs.dtype)
        if wrong is not None:
            _refuse(wrong, given[wrong], expected[wrong], trace.outputs.dtype, "the trace", "as in the trace")
        return self._module["backward"](trace, given["d_outputs"], parts)

    def _refuse(self, arrays: Mapping[str, Array], x: Array) -> None:
        """Find the array that is wrong where most of them are right."""
        sizes = self._sizes.read(arrays, x.shape[-1])
        shapes = self._sizes.shapes(sizes)
        wrong = _first_wrong(arrays, shapes, x.dtype)
        if wrong is not None:
            known = ", ".join(f"{size} = {value}" for size, value in sizes)
            _refuse(wrong, arrays[wrong], shapes[wrong], x.dtype, "x", f"{known}. {self.cell.shapes.why(wrong)}".strip())

    def _parts(self, name: str, state: Sequence[Array]) -> tuple[Array, ...]:
        import numpy as np

        names = tuple(symbol.name for symbol in self.cell.state_terms)
        right = f"a tuple ({', '.join(names)}{',' * (len(names) == 1)})"
        if not isinstance(state, (tuple, list)):
            raise NotValid(f"{name} is not a tuple of arrays.", f"{name} is {type(state).__name__}", right)
        if len(state) != len(names):
            raise NotValid(f"{name} has {len(state)} parts, but the cell has {len(names)}.", self.cell.name, right)
        return tuple(map(np.asarray, state))

    def _start(self, state: Sequence[Array], x: Array, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Array, ...]:
        parts, batch = self._parts("state", state), x.shape[1:-1]
        given = {f"the state {symbol.name}": part for symbol, part in zip(self.cell.state_terms, parts, strict=True)}
        expected = {f"the state {symbol.name}": (*batch, *shapes[symbol.name]) for symbol in self.cell.state_terms}
        wrong = _first_wrong(given, expected, x.dtype)
        if wrong is not None:
            _refuse(wrong, given[wrong], expected[wrong], x.dtype, "x", f"a batch of {batch[0]}" if batch else "no batch, as x")
        return parts


def _run(source: str, name: str) -> dict[str, Any]:
    """Run a module that the generator wrote. The only place where symlstm runs generated text, and none of it is a user's."""
    file = f"<symlstm {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # so that a traceback shows the line
    module: dict[str, Any] = {"__name__": f"symlstm_{name}"}
    exec(compile(source, file, "exec"), module)  # the source is written by symlstm.generator from terms, never from text
    return module


# --- checks -----------------------------------------------------------------------------------------------------


def _inputs(x: Array) -> Array:
    import numpy as np

    x = np.asarray(x)
    if x.ndim not in (2, 3):
        raise NotValid("x is not a sequence of inputs.", f"x has the shape {x.shape}", "(T, B, m), or (T, m) without a batch")
    if 0 in x.shape:
        raise NotValid("x is empty.", f"x has the shape {x.shape}", "at least one step, one sequence and one input")
    if x.dtype.char not in "fd":
        raise NotValid("x is not an array of floats.", f"x has the dtype {x.dtype}", "float64 or float32, as in x.astype(float)")
    if _first_wrong({"x": x}, {"x": x.shape}, x.dtype):
        _refuse("x", x, x.shape, x.dtype, "x", "")
    return x


def _named(cell: Cell, params: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters as arrays, in the cell's order. Raises `NotValid` for a missing or unknown name."""
    import numpy as np

    if not isinstance(params, Mapping):
        raise NotValid("The parameters are not a mapping of names to arrays.", f"params is {type(params).__name__}",
                       "{'W_i': array, ...}")
    names = [symbol.name for symbol in cell.parameter_terms]
    if len(params) == len(names) and all(name in params for name in names):
        return {name: np.asarray(params[name]) for name in names}
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


class Sizes:
    """The sizes of a cell in numbers, read from arrays, and the shapes that follow."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        lengths = cell.shapes.lengths
        self._shown = [(symbol.name, axis, length[0][0]) for symbol in cell.parameter_terms
                       for axis, length in enumerate(lengths[symbol.name])
                       if len(length) == 1 and length[0][1] == 1 and length[0][0] not in ("", "m")]
        self._wanted = sorted({size for pair in lengths.values() for length in pair for size, _ in length if size})
        self._first = list({size: (name, axis, size) for name, axis, size in reversed(self._shown)}.values())
        self._known: dict[tuple[tuple[str, int], ...], dict[str, tuple[int, ...]]] = {}

    def first(self, arrays: Mapping[str, Array], m: int) -> tuple[tuple[str, int], ...]:
        """The sizes by name, each read from the first array that shows it."""
        sizes = {"m": m}
        for name, axis, size in self._first:
            shape = arrays[name].shape
            sizes[size] = shape[axis] if axis < len(shape) else 0
        return tuple(sizes.items()) if all(sizes.values()) else self.read(arrays, m)

    def read(self, arrays: Mapping[str, Array], m: int) -> tuple[tuple[str, int], ...]:
        """The sizes by name. m is that of x; every other is what most of the parameters say, so that one wrong array is found."""
        votes: dict[str, Counter[int]] = {}
        for name, axis, size in self._shown:
            if axis < arrays[name].ndim:
                votes.setdefault(size, Counter())[arrays[name].shape[axis]] += 1
        sizes = {size: count.most_common(1)[0][0] for size, count in votes.items()} | {"m": m}
        for size in self._wanted:
            if not sizes.get(size):
                has = ", ".join(f"{name} has the shape {array.shape}" for name, array in arrays.items())
                should = ", ".join(f"{name} in {self._cell.shapes.space(name)!r}" for name in arrays)
                raise NotValid(f"No parameter shows the size {size}.", has, should)
        return tuple(sizes.items())

    def shapes(self, sizes: tuple[tuple[str, int], ...]) -> Mapping[str, tuple[int, ...]]:
        """The shape of the array of every quantity, `(n,)` for a vector."""
        if sizes not in self._known:
            shapes = self._cell.shapes
            axes = {name: 1 if shapes.space(name).columns is None else 2 for name in shapes}
            self._known = {sizes: {name: shapes.at(name, dict(sizes))[:count] for name, count in axes.items()}}
        return self._known[sizes]


def _first_wrong(arrays: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], dtype: Any) -> str | None:
    """The first array whose shape, dtype or numbers are not as they must be; one pass over the numbers.

    A sum of squares is the fastest way to see that all are finite. It may overflow, so it only acquits.
    """
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        for name, array in arrays.items():
            if array.shape != shapes[name] or array.dtype != dtype:
                return name
            flat = array.ravel(order="K")
            if not isfinite(np.dot(flat, flat)) and not np.isfinite(flat).all():
                return name
    return None


def _refuse(name: str, array: Array, shape: tuple[int, ...], dtype: Any, like: str, why: str) -> NoReturn:
    """Say what is wrong with an array."""
    import numpy as np

    if array.shape != shape:
        raise NotValid(f"{name} has the wrong shape.", f"{name} has the shape {array.shape}", f"{shape}: {why}")
    if array.dtype != dtype:
        raise NotValid(f"{name} has another dtype than {like}.", f"{name} is {array.dtype}, {like} is {dtype}",
                       f"{name} of shape {shape} as {dtype}, as in .astype({str(dtype)!r})")
    first = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
    raise NotValid(f"{name} holds a number that is not finite.", f"{name}{list(first)} is {array[first]}",
                   f"an array of shape {shape} of finite numbers")
