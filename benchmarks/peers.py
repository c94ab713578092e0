"""The same work done by peers: forward and backward over a sequence, with all gradients.

Each peer is a function of our cell, our parameters, the inputs and the gradient of the loss by the outputs. It gives a call
without arguments, which does the work and gives the gradient of the inputs, or None where the peer has no such cell.
Raises `ImportError` where it is not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import symlstm as sl
from symlstm.algebra import Apply, walk

Passes = Callable[[], Any]
Params = Mapping[str, np.ndarray]

PYTORCH = {"lstm": "LSTM", "gru-reset-after": "GRU", "rnn": "RNN"}  # what PyTorch calls a cell


def pytorch(cell: sl.Cell, params: Params, x: np.ndarray, d_outputs: np.ndarray) -> Passes | None:
    """A layer, or the layers, of `torch.nn` with autograd."""
    import torch

    network = cell if isinstance(cell, sl.Network) else None
    layers = network.layers if network else ()
    name = (layers[0].cell if layers else cell).name
    if name not in PYTORCH or (network and network.head):
        return None
    count, both = max((layer.number for layer in layers), default=1), bool(network and network.bidirectional)
    weights = sl.to_layout("pytorch", params, cell)
    layer = getattr(torch.nn, PYTORCH[name])(
        x.shape[-1], d_outputs.shape[-1] // (1 + both), count, bidirectional=both, dtype=getattr(torch, str(x.dtype)))
    layer.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    inputs, ends = torch.tensor(x, requires_grad=True), torch.tensor(d_outputs)

    def passes() -> Any:
        layer.zero_grad()
        inputs.grad = None
        layer(inputs)[0].backward(ends)
        return inputs.grad

    return passes


def jax(cell: sl.Cell, params: Params, x: np.ndarray, d_outputs: np.ndarray) -> Passes | None:
    """`jax.jit` of the gradient of a scan, as people write it; the input's part of all steps is one product before the scan."""
    if cell.name not in SCANNED:
        return None
    import jax as library
    import jax.numpy as jnp

    library.config.update("jax_enable_x64", True)
    gates, step = SCANNED[cell.name]
    weights = {family: np.concatenate([params[f"{family}_{gate}"] for gate in gates]).T for family in "WU"}
    weights |= {name: array for name, array in params.items() if name[0] not in "WUb"}
    weights["b"] = np.concatenate([params[f"b_{gate}"] for gate in gates])

    def loss(weights: Any, x: Any, d_outputs: Any) -> Any:
        n = d_outputs.shape[-1]
        start = jnp.zeros((x.shape[1], n), x.dtype)
        state = (start, start) if "c" in {state.name for state in cell.state_terms} else (start,)
        _, outputs = library.lax.scan(lambda state, z: step(weights, state, z), state, x @ weights["W"] + weights["b"])
        return jnp.vdot(outputs, d_outputs)

    slopes = library.jit(library.grad(loss, (0, 1)))
    given = library.tree.map(jnp.asarray, (weights, x, d_outputs))
    return lambda: library.block_until_ready(slopes(*given))[1]


def _lstm(weights: Any, state: Any, z: Any) -> Any:
    from jax.nn import sigmoid
    from jax.numpy import split, tanh

    h, c = state
    i, f, o, g = split(z + h @ weights["U"], 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return (h, c), h


def _peephole(weights: Any, state: Any, z: Any) -> Any:
    from jax.nn import sigmoid
    from jax.numpy import split, tanh

    h, c = state
    i, f, o, g = split(z + h @ weights["U"], 4, axis=-1)
    c = sigmoid(f + weights["p_f"] * c) * c + sigmoid(i + weights["p_i"] * c) * tanh(g)
    h = sigmoid(o + weights["p_o"] * c) * tanh(c)
    return (h, c), h


def _gru(weights: Any, state: Any, z: Any) -> Any:
    from jax.nn import sigmoid
    from jax.numpy import split, tanh

    (h,) = state
    (z_r, z_z, z_g), (r, z, g) = split(z, 3, axis=-1), split(h @ weights["U"], 3, axis=-1)
    r, z = sigmoid(z_r + r), sigmoid(z_z + z)
    h = z * h + (1 - z) * tanh(z_g + r * (g + weights["d_g"]))
    return (h,), h


SCANNED: dict[str, tuple[str, Callable[[Any, Any, Any], Any]]] = {  # the order of the gates, and a step
    "lstm": ("ifog", _lstm),
    "lstm-peephole": ("ifog", _peephole),
    "gru-reset-after": ("rzg", _gru),
}


def by_hand(cell: sl.Cell, params: Params, x: np.ndarray, d_outputs: np.ndarray) -> Passes | None:
    """NumPy written by hand, for the LSTM."""
    if cell.name != "lstm":
        return None
    from by_hand import ByHand

    hand = ByHand(dict(params))
    return lambda: hand.backward(hand.forward(x), d_outputs)[3]


def bound(cell: sl.Cell, params: Params, x: np.ndarray, d_outputs: np.ndarray) -> Passes | None:
    """What no NumPy can do without: the matrix products of both passes and one tanh for each function, and nothing else."""
    (T, B, m), n = x.shape, d_outputs.shape[-1]
    rows = sum(len(value) for name, value in params.items() if name.startswith("W_"))
    functions = sum(isinstance(part, Apply) for line in cell.named for part in walk(line))
    if isinstance(cell, sl.Network) or any(value.shape not in ((n, m), (n, n), (n,)) for value in params.values()):
        return None
    one = () if B == 1 else (B,)
    W, U = (np.ones((rows, size), x.dtype) for size in (m, n))
    turned, h, z = np.ascontiguousarray(U.T), np.ones((n, *one), x.dtype), np.ones((rows, *one), x.dtype)
    over, d_h = np.ones((functions * n, *one), x.dtype), np.empty((n, *one), x.dtype)
    inputs, states, d_z = (np.ones((size, T * B), x.dtype) for size in (m, n, rows))

    def passes() -> None:
        np.dot(W, inputs)
        for _ in range(T):
            np.dot(U, h, z)
            np.tanh(over, over)
        for _ in range(T):
            np.dot(turned, z, d_h)
        np.dot(d_z, inputs.T)
        np.dot(d_z, states.T)
        np.dot(d_z.T, W)

    return passes


PEERS = {"PyTorch": pytorch, "JAX": jax, "NumPy by hand": by_hand}
