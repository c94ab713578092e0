"""`lambdify`: a cell or an expression as a NumPy function, named after SymPy's own.

For a cell the source is generated (`symlstm.generator`) and run; what stands here is the object around it, and the
checks of what it is given. They cost one pass over the parameters: a shape that does not fit, a number that is not
finite or a dtype that differs is an error that names the parameter, what it has and what it should have.
"""

from __future__ import annotations

import linecache
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol, overload

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

    def __post_init__(self) -> None:
        from symlstm.generator.module import written

        object.__setattr__(self, "source", written(self.cell))
        object.__setattr__(self, "_module", _run(self.source, self.cell.name))

    def forward(self, params: Mapping[str, Array], x: Array, state: Sequence[Array] | None = None) -> Trace:
        """Run the cell over x, from a state (zero if None): a tuple of arrays (B, n), or (n,) unbatched.

        Raises `NotValid` for names, shapes, dtypes and numbers that cannot be, naming the parameter.
        """
        x = _inputs(x)
        arrays = _named(self.cell, params)
        sizes = _sizes(self.cell, arrays, x.shape[-1])
        for name, array in arrays.items():
            _check(name, array, _shape(self.cell, name, sizes), x.dtype, "x", lambda of=name: self._why(of, sizes))
        start = None if state is None else self._start(state, x.shape[1:-1], sizes, x.dtype)
        return self._module["forward"](arrays, x, start)

    def backward(self, trace: Trace, d_outputs: Array, d_state: Sequence[Array] | None = None) -> Gradients:
        """All gradients of a loss, from its gradient by the outputs and, beside it, by the last state (zero if None).

        Raises `NotValid` for a trace of another function, and for arrays that do not fit the trace.
        """
        if not isinstance(trace, self._module["Trace"]):
            raise NotValid("The trace is not one of this function's forward passes.", f"trace is {type(trace).__name__}",
                           "trace = f.forward(params, x)")
        import numpy as np

        like, d_outputs = trace.outputs, np.asarray(d_outputs)
        _check("d_outputs", d_outputs, like.shape, like.dtype, "trace.outputs", lambda: "the shape of trace.outputs")
        parts = None if d_state is None else self._parts("d_state", d_state)
        for symbol, part, state in zip(self.cell.state_terms, parts or (), trace.state, strict=False):
            _check(f"d_state for {symbol.name}", part, state.shape, like.dtype, "trace.outputs", lambda: "that of the state")
        return self._module["backward"](trace, d_outputs, parts)

    def _why(self, name: str, sizes: dict[str, int]) -> str:
        return f"{', '.join(f'{size} = {value}' for size, value in sizes.items())}. {self.cell.shapes.why(name)}".strip()

    def _parts(self, name: str, state: Sequence[Array]) -> tuple[Array, ...]:
        import numpy as np

        names = tuple(symbol.name for symbol in self.cell.state_terms)
        right = f"a tuple ({', '.join(names)}{',' * (len(names) == 1)})"
        if not isinstance(state, (tuple, list)):
            raise NotValid(f"{name} is not a tuple of arrays.", f"{name} is {type(state).__name__}", right)
        if len(state) != len(names):
            raise NotValid(f"{name} has {len(state)} parts, but the cell has {len(names)}.", self.cell.name, right)
        return tuple(map(np.asarray, state))

    def _start(self, state: Sequence[Array], batch: tuple[int, ...], sizes: dict[str, int], dtype: Any) -> tuple[Array, ...]:
        parts = self._parts("state", state)
        for symbol, part in zip(self.cell.state_terms, parts, strict=True):
            shape = (*batch, *_shape(self.cell, symbol.name, sizes))
            batched = f"a batch of {batch[0]}" if batch else "no batch, as x"
            _check(f"the state {symbol.name}", part, shape, dtype, "x", lambda said=batched: said)
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
    if x.dtype not in (np.float32, np.float64):
        raise NotValid("x is not an array of floats.", f"x has the dtype {x.dtype}", "float64 or float32, as in x.astype(float)")
    _check("x", x, x.shape, x.dtype, "x", str)
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


def _sizes(cell: Cell, arrays: Mapping[str, Array], m: int) -> dict[str, int]:
    """The sizes by name. m is that of x; every other is what most of the parameters say, so that one wrong array is found."""
    votes: dict[str, Counter[int]] = {}
    for name, array in arrays.items():
        for found, length in zip(array.shape, cell.shapes.lengths[name], strict=False):
            if len(length) == 1 and length[0][1] == 1 and length[0][0] not in ("", "m"):
                votes.setdefault(length[0][0], Counter())[found] += 1
    sizes = {name: count.most_common(1)[0][0] for name, count in sorted(votes.items(), reverse=True)} | {"m": m}
    wanted = {size for lengths in cell.shapes.lengths.values() for length in lengths for size, _ in length if size}
    for size in sorted(wanted):
        if not sizes.get(size):
            has = ", ".join(f"{name} has the shape {array.shape}" for name, array in arrays.items())
            should = ", ".join(f"{name} in {cell.shapes.space(name)!r}" for name in arrays)
            raise NotValid(f"No parameter shows the size {size}.", has, should)
    return sizes


def _shape(cell: Cell, name: str, sizes: Mapping[str, int]) -> tuple[int, ...]:
    rows, columns = cell.shapes.at(name, sizes)
    return (rows,) if cell.shapes.space(name).columns is None else (rows, columns)


def _check(name: str, array: Array, shape: tuple[int, ...], dtype: Any, like: str, why: Any) -> None:
    """One array: its shape, its dtype, and that every number in it is finite. `why` is called where the shape is wrong."""
    if array.shape != shape:
        raise NotValid(f"{name} has the wrong shape.", f"{name} has the shape {array.shape}", f"{shape}: {why()}")
    if array.dtype != dtype:
        raise NotValid(f"{name} has another dtype than {like}.", f"{name} is {array.dtype}, {like} is {dtype}",
                       f"{name} of shape {shape} as {dtype}, as in .astype({str(dtype)!r})")
    if not _finite(array):
        import numpy as np

        first = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        raise NotValid(f"{name} holds a number that is not finite.", f"{name}{list(first)} is {array[first]}",
                       f"an array of shape {shape} of finite numbers")


def _finite(array: Array) -> bool:
    """Whether every number is finite. The sum of squares comes first, one fast pass; it may overflow, so it only acquits."""
    import numpy as np

    flat = array.ravel(order="K")
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(flat @ flat)
    return math.isfinite(total) or bool(np.isfinite(flat).all())
