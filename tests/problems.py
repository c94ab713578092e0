"""A cell at a generic point, and what must hold there: what the laws of generated code are said with.

Forward is the component-wise interpreter, and every gradient a complex step through it.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import Any

import numpy as np

import symlstm as sl
from symlstm import evaluate, zoo
from symlstm.functions import _run
from symlstm.model import Cell

Array = Any
LOSSY = {"rnn-relu": 2}  # relu is not smooth: a seed whose points stay off the kink


class Problem:
    """A cell at a generic point, with the adjoints that come from outside."""

    def __init__(self, cell: Cell, T: int = 5, B: int = 3, n: int = 3, m: int = 2, seed: int = 0) -> None:
        self.cell, generator = cell, np.random.default_rng(seed + LOSSY.get(cell.name, 0))
        self.own = {name: cell.array_shape(name, n, m) for name in cell.shapes}
        def normal(*shape: int) -> np.ndarray:
            return np.asarray(generator.standard_normal(shape))
        states = [state.name for state in cell.state_terms]
        scale = 1.0 if cell.name in zoo.ZOO else 0.5  # or nothing but digits that cancel is left of some
        self.params = {name: np.asarray(scale * value) for name, value in sl.random_parameters(cell, n, m, seed).items()}
        self.inputs = {symbol.name: normal(T, B, *self.own[symbol.name]) for symbol in cell.input_terms}
        self.state = tuple(normal(B, *self.own[name]) for name in states)
        if "slstm" in cell.name or "mlstm" in cell.name:  # a normaliser is positive
            pairs = zip(states, self.state, strict=True)
            self.state = tuple(abs(part) + 0.5 if name.split("_")[0] == "n" else part for name, part in pairs)
        self.output = cell.output_term.name
        self.d_outputs = normal(T, B, *self.own[self.output])
        self.d_state = tuple(normal(B, *self.own[name]) for name in states)

    @property
    def x(self) -> Any:
        """The inputs as a function takes them."""
        return next(iter(self.inputs.values())) if len(self.inputs) == 1 else self.inputs

    def alone(self, k: int) -> Problem:
        """One sequence of the batch, without the axis of the batch."""
        found = copy(self)
        found.inputs = {name: value[:, k] for name, value in self.inputs.items()}
        found.state, found.d_state = (tuple(np.asarray(part[k]) for part in parts) for parts in (self.state, self.d_state))
        found.d_outputs = self.d_outputs[:, k]
        return found

    def points(self) -> dict[Any, Array]:
        """All that there is a gradient for."""
        return {**self.params, **{("input", name): value for name, value in self.inputs.items()}, **dict(enumerate(self.state))}

    def gradients(self, found: Any) -> dict[Any, Array]:
        """What a backward pass gives, under the keys of `points`."""
        inputs = found.inputs if isinstance(found.inputs, dict) else dict.fromkeys(self.inputs, found.inputs)
        return {**found.params, **{("input", name): value for name, value in inputs.items()}, **dict(enumerate(found.state))}

    def plain(self, points: dict[Any, Array], many: Any = None) -> tuple[Array, list[Array]]:
        """Outputs and last state by the component-wise interpreter; the array of the key `many` has an axis more, in front."""
        def columns(key: Any, name: str, front: int) -> Array:
            value, own = np.asarray(points[key]), len(self.own[name])
            if key == many and front == 2:
                value = np.moveaxis(value, 0, 1)  # the steps stay in front
            if key == many and front == 0:
                value = value.reshape(len(value), *(1,) * len(self.batch), *self.own[name])
            return value.reshape((*value.shape[:value.ndim - own], *self.own[name], *(1,) * (2 - own)))
        inputs = [columns(("input", name), name, 2) for name in self.inputs]
        sequence = list(inputs[0]) if len(inputs) == 1 else list(zip(*inputs, strict=True))
        states = [columns(k, state.name, 1) for k, state in enumerate(self.cell.state_terms)]
        trace = evaluate.forward(self.cell, {name: columns(name, name, 0) for name in self.params}, sequence, states)
        def rows(name: str, value: Array) -> Array:
            lead = np.broadcast_shapes(value.shape[:-2], self.batch if many is None else (1, *self.batch))
            return np.broadcast_to(value, (*lead, *value.shape[-2:])).reshape((*lead, *self.own[name]))
        outputs = [rows(self.output, step[self.output]) for step in trace[1:len(sequence) + 1]]
        ends = {state.name: len(sequence) if back == state.prev else 1 for state, back in self.cell.carried.items()}
        last = [rows(name, trace[end][name]) for name, end in ends.items()]
        return np.stack(np.broadcast_arrays(*outputs), -1 - self.d_outputs[0].ndim), last

    @property
    def batch(self) -> tuple[int, ...]:
        first = self.cell.state_terms[0].name
        return self.state[0].shape[:self.state[0].ndim - len(self.own[first])]

    def slopes(self, key: Any) -> np.ndarray:
        """The gradient for one of the points, by complex steps through the interpreter, all entries at once."""
        points = self.points()
        value = points[key]
        steps = np.eye(value.size).reshape(value.size, *value.shape)
        outputs, last = self.plain({**points, key: value + 1e-30j * steps}, many=key)
        ends = sum(_summed(d * part, d.ndim) for d, part in zip(self.d_state, last, strict=True))
        loss = _summed(self.d_outputs * outputs, self.d_outputs.ndim) + ends
        return np.broadcast_to(loss.imag / 1e-30, value.size).reshape(value.shape)


def _summed(value: Array, axes: int) -> Array:
    return np.asarray(value).sum(tuple(range(-axes, 0)))


def near(found: Any, expected: Any, tolerance: float) -> None:
    """Equal relative to the largest entry."""
    assert np.shape(found) == np.shape(expected)
    assert np.isfinite(found).all()
    assert np.abs(found - expected).max() <= tolerance * max(np.abs(expected).max(), 1e-300)


def judged(found: Any, problem: Problem) -> None:
    """Forward is the interpreter, and every gradient a complex step through it."""
    trace = found.forward(problem.params, problem.x, problem.state)
    outputs, last = problem.plain(problem.points())
    near(trace.outputs, outputs, 1e-13)
    for part, expected in zip(trace.state, last, strict=True):
        near(part, expected, 1e-13)
    gradients = problem.gradients(found.backward(trace, problem.d_outputs, problem.d_state))
    assert list(gradients) == list(problem.points())
    for key, gradient in gradients.items():
        near(gradient, problem.slopes(key), 1e-13)


def changed(found: Any, source: str) -> Any:
    """The function with another source."""
    object.__setattr__(found, "source", source)
    object.__setattr__(found, "_fresh", partial(_run, source, compile(source, "<changed>", "exec"), "<changed>"))
    object.__setattr__(found, "_module", found._fresh())
    return found


def arrays(value: Any) -> list[np.ndarray]:
    if not hasattr(value, "params"):
        return [value.outputs, *value.state]
    inputs = value.inputs if isinstance(value.inputs, dict) else {"x": value.inputs}
    return [*value.params.values(), *inputs.values(), *value.state]


def changed_in_place(*given: Any) -> None:
    """Every array in tuples and dictionaries, written over."""
    for part in given:
        if isinstance(part, (dict, tuple)):
            changed_in_place(*(part.values() if isinstance(part, dict) else part))
        else:
            part[...] *= -3.0
