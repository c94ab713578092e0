"""Cells on other back ends than NumPy: the object around a module that was generated for JAX, PyTorch or mpmath.

What it is given is checked as for NumPy, by shapes and dtypes alone: `Checks` is shown stand-ins of them, arrays that hold no
numbers. So it works for what has none yet, as under `jax.jit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from symlstm.algebra import NotSupported, NotValid
from symlstm.checks import Checks
from symlstm.model import Adjoints, Cell

Array = Any  # of the back end
Load = Callable[[], dict[str, Any]]  # runs a generated module and gives its names
Result = tuple[Array, tuple[Array, ...]]  # the outputs and the last state


def installed(package: str) -> None:
    """Raise `NotSupported` if the package of a back end is not installed."""
    if find_spec(package) is None:
        raise NotSupported(f"The back end {package} needs a package that is not installed.", f"backend={package!r}",
                           f"pip install 'symlstm[{package}]'")


class BackendFunction:
    """A cell on a back end: `forward` over a sequence, `backward` for all gradients, and the `source` of both.

    Shapes, states and gradients are as those of `CellFunction`.
    """

    package = ""

    def __init__(self, cell: Cell, source: str, load: Load, in_numpy: Load | None = None) -> None:
        installed(self.package)
        self.cell, self.source = cell, source
        self._module, self._checks = self._loaded(load, in_numpy), Checks(cell)
        self._names = tuple(symbol.name for symbol in cell.parameter_terms)
        self._right: set[Any] = set()  # shapes and dtypes that were found right

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cell!r})"

    def forward(self, params: Mapping[str, Array], x: Any, state: Sequence[Array] | None = None) -> Any:
        """Run the cell over x, from a state (zero if None). Raises `NotValid` for names, shapes and dtypes that cannot be."""
        return self._module["forward"](*self._examined(params, x, state))

    def backward(self, trace: Any, d_outputs: Array, d_state: Sequence[Array] | None = None, *,
                 truncate: int | None = None) -> Any:
        """All gradients of a loss, from its gradient by the outputs and, beside it, by the last state (zero if None).

        With `truncate` nothing arrives from the step after where a stretch of so many steps ends. Raises `NotValid` for
        a trace of another function, and for arrays that do not fit the trace.
        """
        if not isinstance(trace, self._module["Trace"]):
            raise NotValid("The trace is not one of this function's forward passes.", f"trace is {type(trace).__name__}",
                           "trace = f.forward(params, x)")
        d_outputs, d_state = self._own(d_outputs), None if d_state is None else self._each(d_state)
        self._checks.adjoints(self._like(trace.outputs), tuple(map(self._like, trace.state)), self._like(d_outputs),
                              _mapped(self._like, d_state))
        found = self._module["backward"](trace, d_outputs, d_state, truncate)
        found.params = self._named(found.params)
        return found

    # --- what back ends differ in ---

    def _loaded(self, load: Load, in_numpy: Load | None) -> dict[str, Any]:
        """The names of the module; `in_numpy` loads that for NumPy, where it may be used."""
        return load()

    def _own(self, value: Any) -> Array:
        """An array of the back end."""
        raise NotImplementedError

    def _dtype(self, array: Array) -> Any:
        """NumPy's dtype that an array of the back end has, or stands for."""
        return array.dtype

    def _named(self, params: dict[str, Array]) -> dict[str, Array]:
        """Gradients of the parameters, in the cell's order."""
        return Adjoints((name, params[name]) for name in self._names)

    # --- checks ---

    def _examined(self, params: Any, x: Any, state: Any) -> tuple[Any, Any, Any]:
        """What a forward pass is given, as arrays of the back end, once it is found right."""
        given = self._each(params), self._each(x), None if state is None else self._each(state)
        key = tuple(map(_told, given))
        if key not in self._right:
            params, x, state = (_mapped(self._like, part) for part in given)
            *_, fit = self._checks.examined(params, x)
            if state is not None:
                self._checks.start(state, fit)
            self._right.add(key)
        return given

    def _each(self, values: Any) -> Any:
        """The arrays of a mapping, of a tuple or list, or one array."""
        return _mapped(self._own, values)

    def _like(self, array: Array) -> Any:
        """An array without numbers of its own, of the same shape and dtype."""
        return np.broadcast_to(np.zeros((), self._dtype(array)), tuple(array.shape))


def _mapped(change: Callable[[Any], Any], values: Any) -> Any:
    """The same mapping, tuple or array with every array changed; None stays."""
    if isinstance(values, Mapping):
        return {name: _mapped(change, value) for name, value in values.items()}
    if isinstance(values, (tuple, list)):
        return tuple(_mapped(change, value) for value in values)
    return None if values is None else change(values)


def _told(values: Any) -> Any:
    """The names, shapes and dtypes of what `_mapped` takes."""
    if isinstance(values, dict):
        return tuple((name, array.shape, array.dtype) for name, array in values.items())
    return tuple(map(_told, values)) if isinstance(values, tuple) else values if values is None else (values.shape, values.dtype)


class JaxFunction(BackendFunction):
    """A cell in JAX. It is called as a pure function, `f(params, x, state=None)`, which gives the outputs and the last state.

    It may be transformed by `jax.jit`, `jax.vmap`, `jax.grad` and the like; its derivative is the derived backward pass.
    """

    package = "jax"

    def __call__(self, params: Mapping[str, Array], x: Any, state: Sequence[Array] | None = None) -> Result:
        """The outputs and the last state. Raises `NotValid` as `forward` does."""
        return self._module["run"](*self._examined(params, x, state))

    def _loaded(self, load: Load, in_numpy: Load | None) -> dict[str, Any]:
        import jax

        self._jax = jax
        return load()

    def _own(self, value: Any) -> Array:
        return value if isinstance(value, self._jax.Array) else self._jax.numpy.asarray(value)

    def _named(self, params: dict[str, Array]) -> dict[str, Array]:
        return {name: params[name] for name in self._names}  # of the kind of the parameters, as JAX wants it


class TorchFunction(BackendFunction):
    """A cell in PyTorch. It is called as a function, `f(params, x, state=None)`, which gives the outputs and the last state.

    PyTorch differentiates it by the derived backward pass, an `autograd.Function`. It runs where its tensors are. On the CPU
    the arrays of tensors are NumPy's, so there the two passes are those of the NumPy module, which are faster.
    """

    package = "torch"

    def __call__(self, params: Mapping[str, Array], x: Any, state: Sequence[Array] | None = None) -> Result:
        """The outputs and the last state. Raises `NotValid` as `forward` does."""
        return self._module["run"](*self._examined(params, x, state))

    def module(self, m: int, n: int, *, seed: int = 0, **sizes: int) -> Any:
        """The cell as a `torch.nn.Module`; its parameters have the cell's names.

        They start as those of `torch.nn.LSTM` do, even between -1 and 1 over the square root of n.
        """
        torch = self._torch
        shapes = self.cell.parameter_shapes(n, m, **sizes)
        generator, bound = torch.Generator().manual_seed(seed), n**-0.5
        return self._module["Module"]({name: (2 * torch.rand(shape, generator=generator) - 1) * bound
                                       for name, shape in shapes.items()})

    def _loaded(self, load: Load, in_numpy: Load | None) -> dict[str, Any]:
        import torch

        self._torch = torch
        module, numpy = load(), in_numpy and in_numpy()
        if numpy is None:
            return module
        ahead, back = module["forward"], module["backward"]

        def array(tensor: Any) -> Any:
            return tensor.detach().numpy()

        def tensor(array: Any) -> Any:
            return torch.as_tensor(np.asarray(array))

        def forward(params: Any, x: Any, state: Any = None) -> Any:
            first = x if isinstance(x, torch.Tensor) else next(iter(x.values() if isinstance(x, dict) else x))
            if first.device.type != "cpu":
                return ahead(params, x, state)
            trace = numpy["forward"](*(_mapped(array, part) for part in (params, x, state)))
            return module["Trace"](tensor(trace.outputs), _mapped(tensor, trace.state), trace)

        def backward(trace: Any, d_outputs: Any, d_state: Any = None, truncate: int | None = None) -> Any:
            if not isinstance(trace.kept, numpy["Trace"]):
                return back(trace, d_outputs, d_state, truncate)
            found = numpy["backward"](trace.kept, array(d_outputs), _mapped(array, d_state), truncate)
            return module["Gradients"](*(_mapped(tensor, part) for part in (found.params, found.inputs, found.state)))

        module.update(forward=forward, backward=backward)  # `run` and `Module` call them by these names
        return module

    def _own(self, value: Any) -> Array:
        return value if isinstance(value, self._torch.Tensor) else self._torch.as_tensor(value)

    def _dtype(self, array: Array) -> Any:
        name = str(array.dtype).removeprefix("torch.")
        return np.dtype(name if name in np.sctypeDict else "void")


class MpmathFunction(BackendFunction):
    """A cell in mpmath: numbers of any precision, that of `mpmath.mp.dps` at the time of a call, in arrays of objects."""

    package = "mpmath"

    def _own(self, value: Any) -> Array:
        return np.asarray(value)

    def _dtype(self, array: Array) -> Any:
        return np.dtype(float)  # what stands for a number of any kind


FUNCTIONS: dict[str, type[BackendFunction]] = {kind.package: kind for kind in (JaxFunction, TorchFunction, MpmathFunction)}
