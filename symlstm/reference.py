"""The reference: the LSTM and the plain RNN as hand-written loops, which everything else is held against.

This module imports nothing of symlstm and no SymPy. It is generic over the number type: a number may be a float, a
complex, an mpmath number, an element of a polynomial ring (with `sigmoid` and `tanh` given as functions on it), or a
NumPy array of numbers, which carries many perturbed runs through the loop at once. Vectors are lists of numbers,
matrices lists of rows.

`nudge(name, t, value)` is called at every definition, on the copy of each parameter that step t uses, on x_t, on the
initial states (t = 0), and, as `"h+"` and `"c+"`, on the copy of a state of step t that is handed on to step t+1. What
it returns is used from there on. A derivative with respect to any quantity is measured by nudging it.

>>> p = {"W": [[0.5]], "U": [[-1.0]], "b": [0.25]}
>>> trace = rnn(p, [[1.0], [2.0]], [0.1])
>>> [round(float(step["h"][0]), 6) for step in trace]
[0.1, 0.57167, 0.590433]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Number = Any  # float, complex, mpf, ring element, or an array of these that stands for one number
Vector = Sequence[Number]
Matrix = Sequence[Sequence[Number]]
Function = Callable[[Number], Number]
Nudge = Callable[[str, int, Any], Any]
Trace = list[dict[str, Any]]


def exp(x: Number) -> Number:
    """The exponential of a number of any type."""
    return x.context.exp(x) if hasattr(x, "context") else np.exp(x)


def tanh(x: Number) -> Number:
    """The hyperbolic tangent of a number of any type."""
    return x.context.tanh(x) if hasattr(x, "context") else np.tanh(x)


# --- formulas of one component: the loops below call them, and the derivation shows them as LaTeX -----------------


def sigmoid(x: Number) -> Number:
    """The logistic function."""
    return 1 / (1 + exp(-x))


def sigmoid_slope(x: Number) -> Number:
    """The derivative of the logistic function."""
    return sigmoid(x) * (1 - sigmoid(x))


def tanh_slope(x: Number) -> Number:
    """The derivative of the hyperbolic tangent."""
    return 1 - tanh(x) ** 2


def pre_activation(w: Number, u: Number, b: Number) -> Number:
    """What enters an activation: `w` from the input, `u` from the hidden state, and the bias."""
    return w + u + b


def cell_update(f: Number, c: Number, i: Number, g: Number) -> Number:
    """The new cell state from the old one: forget, then write."""
    return f * c + i * g


def output(o: Number, c: Number, tanh: Function = tanh) -> Number:
    """The hidden state from the cell state."""
    return o * tanh(c)


# --- the loops ------------------------------------------------------------------------------------------------


def keep(name: str, t: int, value: Any) -> Any:
    """The nudge that changes nothing."""
    return value


def affine(W: Matrix, x: Vector, U: Matrix, h: Vector, b: Vector) -> list[Number]:
    """W x + U h + b, component by component.

    >>> affine([[1, 2]], [3, 4], [[5]], [6], [7])
    [48]
    """
    return [pre_activation(_dot(W[j], x), _dot(U[j], h), b[j]) for j in range(len(b))]


def _dot(row: Vector, column: Vector) -> Number:
    total = row[0] * column[0]
    for k in range(1, len(column)):
        total = total + row[k] * column[k]
    return total


def lstm(params: Mapping[str, Any], xs: Sequence[Vector], h0: Vector, c0: Vector, *, nudge: Nudge = keep,
         sigmoid: Function = sigmoid, tanh: Function = tanh) -> Trace:
    """The LSTM over a sequence: entry t of the result holds every quantity of step t by name, entry 0 the states."""
    h, c = nudge("h", 0, h0), nudge("c", 0, c0)
    trace: Trace = [{"h": h, "c": c}]
    for t, x in enumerate(xs, start=1):
        h, c = nudge("h+", t - 1, h), nudge("c+", t - 1, c)
        p = {name: nudge(name, t, value) for name, value in params.items()}
        q: dict[str, Any] = {"x": nudge("x", t, x)}
        for k, squash in (("i", sigmoid), ("f", sigmoid), ("o", sigmoid), ("g", tanh)):
            q[f"z_{k}"] = nudge(f"z_{k}", t, affine(p[f"W_{k}"], q["x"], p[f"U_{k}"], h, p[f"b_{k}"]))
            q[k] = nudge(k, t, [squash(z) for z in q[f"z_{k}"]])
        c = q["c"] = nudge("c", t, [cell_update(*part) for part in zip(q["f"], c, q["i"], q["g"], strict=True)])
        h = q["h"] = nudge("h", t, [output(o, s, tanh) for o, s in zip(q["o"], c, strict=True)])
        trace.append(q)
    return trace


def rnn(params: Mapping[str, Any], xs: Sequence[Vector], h0: Vector, *, nudge: Nudge = keep, tanh: Function = tanh) -> Trace:
    """The plain RNN over a sequence, as `lstm`; another activation is given as `tanh`."""
    h = nudge("h", 0, h0)
    trace: Trace = [{"h": h}]
    for t, x in enumerate(xs, start=1):
        h = nudge("h+", t - 1, h)
        p = {name: nudge(name, t, value) for name, value in params.items()}
        q: dict[str, Any] = {"x": nudge("x", t, x)}
        q["z"] = nudge("z", t, affine(p["W"], q["x"], p["U"], h, p["b"]))
        h = q["h"] = nudge("h", t, [tanh(z) for z in q["z"]])
        trace.append(q)
    return trace
