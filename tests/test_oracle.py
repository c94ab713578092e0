"""PyTorch and ONNX as oracles: their numbers, for the same weights, are ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.model import Cell

pytestmark = pytest.mark.oracle

Array = np.ndarray
CELLS = ("lstm", "lstm-projected", "rnn", "rnn-relu", "gru-reset-after")
ONNX = {"lstm": ("LSTM", {}), "rnn": ("RNN", {}), "gru": ("GRU", {}), "gru-reset-after": ("GRU", {"linear_before_reset": 1})}
SIZES = [(5, 3, 4, 2), (1, 1, 1, 1), (9, 2, 3, 6), (40, 4, 8, 5)]  # T, B, n, m
TOLERANCE = 1e-12


def close(found: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
    """Equal relative to the largest entry."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * max(np.abs(expected).max(), 1e-300)


def sample(cell: Cell, T: int, B: int, n: int, m: int, scale: float = 1.0) -> tuple[Any, Any, Any, Any]:
    """Inputs, states, and the adjoints of outputs and of the last states."""
    generator = np.random.default_rng(T + B)
    widths = [cell.array_shape(state.name, n, m, **further(cell, n)) for state in cell.state_terms]
    states = tuple(generator.standard_normal((B, *width)) for width in widths)
    d_states = tuple(generator.standard_normal((B, *width)) for width in widths)
    return scale * generator.standard_normal((T, B, m)), states, generator.standard_normal((T, B, n)), d_states


def further(cell: Cell, n: int) -> dict[str, int]:
    """Further sizes: the cell state behind a projection is longer than what it is projected to."""
    return {"k": n + 3} if "k" in cell.size_names else {}


class Torch:
    """A PyTorch layer with random weights in float64, two biases, run forwards and backwards."""

    def __init__(self, name: str, n: int, m: int) -> None:
        import torch

        torch.manual_seed(0)
        self.torch = torch
        k = further(sl.cell(name), n).get("k", 0)
        kinds: dict[str, Any] = {
            "lstm": lambda: torch.nn.LSTM(m, n, dtype=torch.float64),
            "lstm-projected": lambda: torch.nn.LSTM(m, k, proj_size=n, dtype=torch.float64),
            "rnn": lambda: torch.nn.RNN(m, n, dtype=torch.float64),
            "rnn-relu": lambda: torch.nn.RNN(m, n, nonlinearity="relu", dtype=torch.float64),
            "gru-reset-after": lambda: torch.nn.GRU(m, n, dtype=torch.float64),
        }
        self.layer = kinds[name]()

    def weights(self, *, gradient: bool = False) -> dict[str, np.ndarray]:
        found = {name: value.grad if gradient else value.detach() for name, value in self.layer.named_parameters()}
        return {name: value.numpy().copy() for name, value in found.items()}

    def run(self, x: Array, states: Sequence[Array], d_outputs: Array, d_states: Sequence[Array]) -> dict[str, Any]:
        inputs = self.torch.tensor(x, requires_grad=True)
        starts = [self.torch.tensor(part[None], requires_grad=True) for part in states]
        outputs, last = self.layer(inputs, tuple(starts) if len(starts) > 1 else starts[0])
        ends = list(last) if len(starts) > 1 else [last]
        loss = (outputs * self.torch.tensor(d_outputs)).sum()
        for end, d in zip(ends, d_states, strict=True):
            loss = loss + (end[0] * self.torch.tensor(d)).sum()
        loss.backward()
        return {"outputs": outputs.detach().numpy(), "state": [end[0].detach().numpy() for end in ends],
                "inputs": inputs.grad.numpy(), "d_state": [start.grad[0].numpy() for start in starts]}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_every_number_and_gradient_is_pytorchs(name: str, size: tuple[int, int, int, int]) -> None:
    cell, oracle = sl.cell(name), Torch(name, *size[2:])
    x, states, d_outputs, d_states = sample(cell, *size)
    expected = oracle.run(x, states, d_outputs, d_states)
    function, params = sl.lambdify(cell), sl.from_layout("pytorch", oracle.weights(), cell)
    trace = function.forward(params, x, states)
    gradients = function.backward(trace, d_outputs, d_states)
    close(trace.outputs, expected["outputs"])
    close(gradients.inputs, expected["inputs"])
    for ours, theirs in zip((*trace.state, *gradients.state), (*expected["state"], *expected["d_state"]), strict=True):
        close(ours, theirs)
    theirs = oracle.weights(gradient=True)
    for key, array in sl.to_layout("pytorch", gradients, cell).items():
        close(array, theirs[key])


@pytest.mark.parametrize("name", CELLS)
def test_unbatched_is_pytorchs(name: str) -> None:
    cell, oracle = sl.cell(name), Torch(name, 4, 3)
    x = np.random.default_rng(0).standard_normal((6, 3))
    expected, _ = oracle.layer(oracle.torch.tensor(x))
    trace = sl.lambdify(cell).forward(sl.from_layout("pytorch", oracle.weights(), cell), x)
    close(trace.outputs, expected.detach().numpy())


@pytest.mark.parametrize("scale", [30.0, 1e3, 1e5])
@pytest.mark.parametrize("name", CELLS)
def test_far_out_it_is_pytorchs_too(name: str, scale: float) -> None:
    cell, oracle = sl.cell(name), Torch(name, 4, 3)
    x, states, d_outputs, d_states = sample(cell, 6, 3, 4, 3, scale)
    expected = oracle.run(x, states, d_outputs, d_states)
    function = sl.lambdify(cell)
    trace = function.forward(sl.from_layout("pytorch", oracle.weights(), cell), x, states)
    np.testing.assert_allclose(trace.outputs, expected["outputs"], rtol=TOLERANCE, atol=0)
    close(function.backward(trace, d_outputs, d_states).inputs, expected["inputs"])


@pytest.mark.parametrize("size", SIZES[:3], ids=str)
@pytest.mark.parametrize("name", ONNX)
def test_forward_is_onnxs(name: str, size: tuple[int, int, int, int]) -> None:
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    cell, (n, m) = sl.cell(name), size[2:]
    x, states, _, _ = sample(cell, *size)
    params = sl.random_parameters(cell, n, m)
    weights = sl.to_layout("onnx", params, cell)
    starts = dict(zip(("initial_h", "initial_c"), states, strict=False))
    names = ["X", *weights, "", *starts]
    outputs = ["Y", "Y_h", "Y_c"][:1 + len(states)]
    operator, attributes = ONNX[name]
    node = helper.make_node(operator, names, outputs, hidden_size=n, **attributes)
    given = {"X": x, **weights, **{key: value[None] for key, value in starts.items()}}
    graph = helper.make_graph(
        [node], "cell", [helper.make_tensor_value_info(key, TensorProto.DOUBLE, value.shape) for key, value in given.items()],
        [helper.make_tensor_value_info(key, TensorProto.DOUBLE, None) for key in outputs])
    found = dict(zip(outputs, ReferenceEvaluator(helper.make_model(graph)).run(None, given), strict=True))  # type: ignore[arg-type]
    trace = sl.lambdify(cell).forward(params, x, states)
    close(trace.outputs, found["Y"][:, 0])
    for key, part in zip(outputs[1:], trace.state, strict=True):
        close(part, found[key][0])
