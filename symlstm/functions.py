"""`lambdify`: a cell or an expression as a NumPy function, named after SymPy's own.

For a cell the source is generated (`symlstm.generator`) and run; what stands here is the object around it. What it is
given is checked (`symlstm.checks`), and where a number comes out that is not finite it is traced to where it came from
(`symlstm.origins`). What is long is run in segments (`symlstm.segments`). An expression is compiled by SymPy
(`symlstm.formulas`).
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

import numpy as np

from symlstm.activations import ACTIVATIONS, STAND_INS
from symlstm.algebra import Apply, NotSupported, NotValid, Relation, Term, equation, transform, walk
from symlstm.cache import compiled, script
from symlstm.checks import Checks, Fit, Prepared, Workspace, counted, finite
from symlstm.model import Adjoints, Cell
from symlstm.segments import LongTrace, Parts, Plan, Whole, arrays, each

if TYPE_CHECKING:
    from types import CodeType

    import sympy
    from numpy.typing import NDArray

    from symlstm.backends import BackendFunction, JaxFunction, TorchFunction
    from symlstm.formulas import Formula
    from symlstm.steps import Step

    Array = NDArray[np.floating[Any]]
    Line = Step | Relation | Term | sympy.Basic


ACCURACIES = ("fast", "ulp")
BACKENDS = ("numpy", "numba", "jax", "torch", "mpmath")


class Trace(Protocol):
    """What a forward pass gives: `outputs` at every step, `state` at the end of its run, and what `backward` needs."""

    outputs: Array
    state: tuple[Array, ...]


class Gradients(Protocol):
    """What a backward pass gives: `params` by name, `inputs` of the shape of x, and `state`, for the state at its start."""

    params: dict[str, Array]
    inputs: Any
    state: tuple[Array, ...]


@overload
def lambdify(what: Cell, args: None = None, backend: Literal["numpy", "numba"] = "numpy", *,
             functions: Mapping[str, str] | None = None, accuracy: str = "fast") -> CellFunction: ...
@overload
def lambdify(what: Cell, args: None = None, *, backend: Literal["jax"],
             functions: Mapping[str, str] | None = None, accuracy: str = "fast") -> JaxFunction: ...
@overload
def lambdify(what: Cell, args: None = None, *, backend: Literal["torch"],
             functions: Mapping[str, str] | None = None, accuracy: str = "fast") -> TorchFunction: ...
@overload
def lambdify(what: Cell, args: None = None, backend: str = "numpy", *,
             functions: Mapping[str, str] | None = None, accuracy: str = "fast") -> CellFunction | BackendFunction: ...
@overload
def lambdify(what: Line | Sequence[Line], args: Sequence[Any] | None = None, backend: str = "numpy", *,
             shapes: Mapping[str, tuple[Any, ...]] | None = None, accuracy: str = "fast") -> Formula: ...
def lambdify(what: Any, args: Sequence[Any] | None = None, backend: str = "numpy", *,
             shapes: Mapping[str, tuple[Any, ...]] | None = None,
             functions: Mapping[str, str] | None = None,
             accuracy: str = "fast") -> CellFunction | BackendFunction | Formula:
    """A cell as a `CellFunction`, with `forward`, `backward` and `source`; an expression or equations as a `Formula`.

    Of an equation the right side is computed; of a list of equations all, each may read what those before it define, and what
    they share is computed once. `args` gives the order of a formula's arguments (symbols or their names); by default it is
    that of first appearance. `shapes` gives the sizes of the quantities of our own terms, relations or steps, as `cell.shapes`
    does. `backend` says what a cell's function runs on: "numpy", "numba", "jax", "torch" or "mpmath". `functions` says what
    the functions are that a cell leaves open, `{"f": "sigma"}`; where it does not, `activations.STAND_INS` does. With
    `accuracy="ulp"` functions and their slopes are right to the last places over the whole range; "fast" is right to the
    rounding of 1 (docs/accuracy.md). Raises `NotValid` for what cannot be computed, `NotSupported` for what cannot be yet.

    >>> import symlstm as sl, numpy as np
    >>> cell = sl.cell("lstm")
    >>> f = sl.lambdify(cell)
    >>> trace = f.forward(sl.random_parameters(cell, n=3, m=2), np.ones((5, 4, 2)))
    >>> trace.outputs.shape, f.backward(trace, np.ones((5, 4, 3))).params["W_f"].shape
    ((5, 4, 3), (3, 2))
    >>> sl.lambdify(cell.equations[4])(f_t=np.ones(3), c_prev=np.ones(3), i_t=np.ones(3), g_t=np.ones(3))
    array([2., 2., 2.])
    """
    _known(backend, accuracy)
    if isinstance(what, Cell):
        if args is not None:
            raise NotValid("A cell's function takes its arguments by name.", f"args={args!r}", "leave args out")
        if backend in ("numpy", "numba"):
            return CellFunction(what, dict(functions or {}), accuracy, backend)
        from symlstm.backends import FUNCTIONS

        cell = _with(what, functions or {})
        source, load = _module_of(cell, backend, accuracy)
        return FUNCTIONS[backend](what, source, load, lambda: _module_of(cell, "numpy", accuracy)[1]())
    if backend != "numpy":
        raise NotSupported("An expression is computed by NumPy.", f"backend={backend!r}", "leave backend out")
    if functions is not None:
        raise NotValid("Only a cell leaves functions open.", f"functions={functions!r}", "leave functions out")
    from symlstm.formulas import formula

    return formula(what, args, shapes, accuracy)


@dataclass(frozen=True)
class CellFunction:
    """A cell as NumPy: `forward` over a sequence, `backward` for all gradients, and the `source` of both.

    A state that runs backward in time starts after the last step and ends at the first, as in a network with two directions.
    Batched (T, B, m) or unbatched (T, m); a number has no axis of its own, a matrix two. float32 stays float32, float64
    float64. A trace and its gradients own their arrays, unless a workspace is asked for: no later call changes them, and no
    later change of `params` or `x` does.
    """

    cell: Cell
    functions: Mapping[str, str] = field(default_factory=dict, repr=False)
    accuracy: str = "fast"
    backend: str = "numpy"
    source: str = field(init=False, repr=False)
    _fresh: Callable[[], dict[str, Any]] = field(init=False, repr=False)  # the names of the module, made anew
    _module: dict[str, Any] = field(init=False, repr=False)
    _checks: Checks = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cell = _with(self.cell, self.functions)
        if self.backend != "numpy":
            from symlstm.backends import installed

            installed(self.backend)
        source, fresh = _module_of(cell, self.backend, self.accuracy)
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "_fresh", fresh)
        object.__setattr__(self, "_module", self._fresh())
        object.__setattr__(self, "_checks", Checks(self.cell))

    def prepare(self, params: Mapping[str, Array]) -> Prepared:
        """The parameters, checked and stacked once for many calls: `forward` takes this in their place.

        It owns its arrays: after a change of `params` it is to be made anew. Raises `NotValid` as `forward` does.
        """
        return self._checks.prepared(params, self._module.get("prepare", dict))

    def workspace(self, T: int, B: int = 1, /, m: int | None = None, n: int | None = None, dtype: Any = "float64",
                  **sizes: int) -> Workspace:
        """Arrays for runs over T steps of B sequences (1 without a batch), of a cell with these sizes, others by name.

        A run that is given it writes over the arrays of the run before, and so over its trace and gradients. Raises `NotValid`
        for sizes that the cell does not have, or that are missing.
        """
        given = {name: size for name, size in {"m": m, "n": n, **sizes}.items() if size is not None}
        return self._checks.workspace(T, B, dtype, given, self._module.get("workspace"))

    def forward(self, params: Mapping[str, Array] | Prepared, x: Any, state: Sequence[Array] | None = None, *,
                workspace: Workspace | None = None, checkpoint: int | None = None,
                lengths: Sequence[int] | None = None) -> Trace:
        """Run the cell over x, from a state (zero if None): a tuple of arrays (B, n), or (n,) unbatched.

        Of a cell with several inputs x is a tuple in their order or a mapping of their names; the gradients have its form.

        With a `workspace` nothing is allocated that can be reused, and the trace is good until the next run with the same one.
        With `checkpoint=k` only every k-th state is kept, and `backward` runs the steps between again. With `lengths`, one for
        each sequence of the batch, nothing past the end of a sequence is read; outputs and gradients there are zero, and
        `state` is that at its own end. Both are described in docs/long-sequences.md.

        Raises `NotValid` for names, shapes, dtypes and numbers that cannot be, naming the parameter, and where the cell itself
        comes to a number that is not finite, naming the quantity and the step.
        """
        checks = self._checks
        fit = checks.quick(params, x)
        if fit is None:
            params, x, fit = checks.examined(params, x)
        start = None if state is None else checks.start(state, fit)
        ahead, plan, more = self._module["forward"], None, ()
        if workspace is not None and (room := checks.lent(workspace, fit)) is not None:
            more = (room,)
        if checkpoint is not None or lengths is not None:
            if workspace is not None:
                raise NotValid("A run in segments makes its own arrays.", repr(workspace), "leave workspace out")
            plan = self._plan(fit, checkpoint, lengths)
            params = params if isinstance(params, Prepared) else self.prepare(params)
            ahead, x = self._cut(plan).forward, x if checkpoint is None else each(np.copy, x)
        try:
            trace: Any = ahead(params.weights if type(params) is Prepared else params, x, start, *more)
        except (FloatingPointError, RuntimeWarning):  # NumPy raises these only where somebody asked for it
            self._explain(params, x, start, fit, plan, None)
            raise
        if not _finite(trace) and not finite(trace.outputs, *trace.state):
            self._explain(params, x, start, fit, plan, trace)
        if workspace is not None:
            trace.lent = workspace, workspace.runs
        return trace

    def backward(self, trace: Trace, d_outputs: Array, d_state: Sequence[Array] | None = None, *,
                 truncate: int | None = None) -> Gradients:
        """All gradients of a loss, from its gradient by the outputs and, beside it, by the last state (zero if None).

        With `truncate=k` nothing flows back from the step after where a stretch of k steps ends (docs/long-sequences.md).

        Raises `NotValid` for a trace of another function, and for arrays that do not fit the trace.
        """
        run = None if type(trace) is self._module["Trace"] else self._run_of(trace)
        workspace, number = getattr(trace, "lent", (None, 0))
        if workspace is not None and workspace.runs != number:
            raise NotValid("Another run has written over this trace.", repr(workspace), "a workspace of its own, or none")
        d_outputs, parts = self._checks.adjoints(trace.outputs, trace.state, d_outputs, d_state)
        back: Callable[..., Any] = self._module["backward"] if run is None else run.backward
        found = back(trace, d_outputs, parts, None if truncate is None else counted("truncate", truncate))
        inputs = found.inputs
        given = (inputs,) if type(inputs) is np.ndarray else arrays(inputs)
        if not _finite(found) and not finite(*given, *found.state):
            from symlstm.origins import of_backward

            raise of_backward(self._checks, d_outputs if run is None else run.plan.silent(d_outputs), parts, found)
        found.params = Adjoints(found.params)
        return found

    def _run_of(self, trace: Any) -> Whole | Parts:
        """The run in segments that a trace is of. Raises `NotValid` for what is no trace of this function."""
        if type(trace) is LongTrace and trace.run.home in (self._fresh, self._module["forward"]):
            return trace.run
        raise NotValid("The trace is not one of this function's forward passes.", f"trace is {type(trace).__name__}",
                       "trace = f.forward(params, x)")

    def _plan(self, fit: Fit, checkpoint: int | None, lengths: Sequence[int] | None) -> Plan:
        """How a long run is cut in segments."""
        return Plan(fit.steps, fit.batch, None if lengths is None else self._checks.lengths(lengths, fit),
                    None if checkpoint is None else counted("checkpoint", checkpoint), self._module.get("chunk_of", lambda _: 1))

    def _cut(self, plan: Plan) -> Whole | Parts:
        """The functions of the module over the segments of a plan; what runs backward in time somewhere, part by part."""
        if any(back == state.next for state, back in self.cell.carried.items()):
            return Parts(self._fresh, plan)
        return Whole(self._module["forward"], self._module["backward"], plan)

    def _explain(self, params: Any, x: Any, state: tuple[Array, ...] | None, fit: Fit, plan: Plan | None, trace: Any) -> None:
        """Raise `NotValid` for what a number that is not finite comes from; without a trace, only if it was given."""
        from symlstm.origins import of_forward

        cell, ahead = _with(self.cell, self.functions), self._module["forward"]
        of_forward(cell, self._checks, ahead, params, x if plan is None else plan.held(x), state, fit, plan, trace)


def _finite(result: Any) -> bool:
    """Whether the module has looked over what it gives, and all is finite: its `check` is zero then."""
    return getattr(result, "check", None) == 0


def _with(cell: Cell, functions: Mapping[str, str]) -> Cell:
    """The cell with functions in the place of those that it leaves open. Raises `NotValid` for a name that it does not have."""
    found = dict.fromkeys(part.function for line in cell.declared for part in walk(line) if isinstance(part, Apply))
    free = [name for name in found if name in STAND_INS]
    for name, function in functions.items():
        if name not in free:
            raise NotValid(f"The cell {cell.name} leaves no function {name!r} open.", f"functions={dict(functions)!r}",
                           f"its open functions are {', '.join(free)}" if free else "leave functions out")
        if function not in ACTIVATIONS:
            raise NotValid(f"There is no activation called {function!r}.", f"functions={dict(functions)!r}",
                           f"one of {', '.join(ACTIVATIONS)}")
    return _put_in(cell, functions) if functions else cell


def _put_in(cell: Cell, functions: Mapping[str, str]) -> Cell:
    """The cell, or of a network the cell of every layer, with other functions."""
    from symlstm.networks import Layer, Network

    def layer(of: Layer) -> Layer:
        return replace(of, cell=_put_in(of.cell, functions))

    def change(node: Term) -> Term:
        return Apply(functions.get(node.function, node.function), node.arg) if isinstance(node, Apply) else node

    if isinstance(cell, Network):
        return Network(cell.name, cell.title, tuple(map(layer, cell.layers)), cell.joints, cell.head and layer(cell.head))
    lines = tuple(equation(line.lhs, transform(line.rhs, change)) for line in cell.declared)
    turned = tuple(state for state, back in cell.carried.items() if back == state.next)
    return Cell(cell.name, cell.input_terms, cell.state_terms, lines, title=cell.title, sizes=cell.sizes,
                output=cell.output_term, backward=turned)


def _known(backend: str, accuracy: str) -> None:
    """Raise `NotValid` for a back end or an accuracy that there is not."""
    if accuracy not in ACCURACIES:
        raise NotValid("There is no such accuracy.", f"accuracy={accuracy!r}", " or ".join(map(repr, ACCURACIES)))
    if accuracy == "ulp" and backend in ("mpmath", "numba"):
        more = "more digits, mpmath.mp.dps = 50" if backend == "mpmath" else "backend='numpy'"
        raise NotSupported(f"The back end {backend} has the fast forms only.", "accuracy='ulp'", more)
    if backend not in BACKENDS:
        raise NotValid("There is no such back end.", f"backend={backend!r}", f"one of {', '.join(BACKENDS)}")


def source_of(cell: Cell, backend: str = "numpy", accuracy: str = "fast") -> str:
    """The source of a cell's module for a back end, which need not be installed. Raises `NotValid` for one that there is not."""
    _known(backend, accuracy)
    return _module_of(cell, backend, accuracy)[0]


def _module_of(cell: Cell, backend: str, accuracy: str) -> tuple[str, Callable[[], dict[str, Any]]]:
    """The source of a cell's module, and what runs it."""
    file = f"<symlstm {cell.name}{'' if backend == 'numpy' else f' for {backend}'}>"
    source, code = compiled(file, (cell, backend, accuracy), partial(_written, cell, backend, accuracy))
    return source, partial(_run_as_file if backend == "numba" else _run, source, code, file)


def _written(cell: Cell, backend: str, accuracy: str) -> str:
    """The source of a cell's module; the generator is loaded when it has to write."""
    from symlstm.generator.module import written
    from symlstm.generator.targets import TARGETS

    return written(cell, replace(TARGETS[backend], accuracy=accuracy))


def _run(source: str, code: CodeType, file: str) -> dict[str, Any]:
    """Run a module that the generator wrote. The only place where symlstm runs generated text, and none of it is a user's."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # so that a traceback shows the line
    module: dict[str, Any] = {"__name__": file.strip("<>").replace(" ", "_")}
    exec(code, module)  # the source is written by symlstm.generator from terms, never from text
    return module


def _run_as_file(source: str, code: CodeType, file: str) -> dict[str, Any]:
    """The same as a module from a file in the cache, if there is one: beside it Numba keeps what it compiled."""
    path = script(source)
    spec = path and spec_from_file_location(f"symlstm_{path.stem}", path)
    if not spec or not spec.loader:
        return _run(source, code, file)
    module = sys.modules[spec.name] = module_from_spec(spec)  # Numba asks for it by its name
    spec.loader.exec_module(module)
    return vars(module)
