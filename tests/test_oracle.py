"""PyTorch as an oracle: its numbers and all its gradients, for the same weights, are ours; of cells and of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.layouts.tables import LAYOUTS, PYTORCH
from symlstm.model import Cell

pytestmark = pytest.mark.oracle

Array = np.ndarray
CELLS = ("lstm", "lstm-projected", "rnn", "rnn-relu", "gru-reset-after", "gru-reset-after-z-new")
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


def test_every_row_of_pytorch_is_compared() -> None:
    assert set(CELLS) == {row.cell for row in LAYOUTS if row.library is PYTORCH}


class Torch:
    """A PyTorch layer with random weights in float64, two biases, run forwards and backwards."""

    def __init__(self, name: str, n: int, m: int, layers: int = 1, bidirectional: bool = False) -> None:
        import torch

        torch.manual_seed(0)
        self.torch = torch
        k = further(sl.cell(name), n).get("k", 0)
        form: dict[str, Any] = {"num_layers": layers, "bidirectional": bidirectional, "dtype": torch.float64}
        kinds: dict[str, Any] = {
            "lstm": lambda: torch.nn.LSTM(m, n, **form),
            "lstm-projected": lambda: torch.nn.LSTM(m, k, proj_size=n, **form),
            "rnn": lambda: torch.nn.RNN(m, n, **form),
            "rnn-relu": lambda: torch.nn.RNN(m, n, nonlinearity="relu", **form),
            "gru-reset-after": lambda: torch.nn.GRU(m, n, **form),
            "gru-reset-after-z-new": lambda: torch.nn.GRU(m, n, **form),
        }
        self.layer = kinds[name]()

    def weights(self, *, gradient: bool = False) -> dict[str, np.ndarray]:
        found = {name: value.grad if gradient else value.detach() for name, value in self.layer.named_parameters()}
        return {name: value.numpy().copy() for name, value in found.items()}

    def run(self, x: Array, states: Sequence[Array], d_outputs: Array, d_states: Sequence[Array],
            lengths: Sequence[int] | None = None, truncate: int | None = None) -> dict[str, Any]:
        """Of states and their adjoints the first axis is that of layers and directions."""
        inputs = self.torch.tensor(x, requires_grad=True)
        starts = [self.torch.tensor(part, requires_grad=True) for part in states]
        if lengths is None and truncate is None:
            outputs, last = self.layer(inputs, tuple(starts) if len(starts) > 1 else starts[0])
            ends = list(last) if len(starts) > 1 else [last]
        else:
            outputs, ends = self._in_stretches(inputs, starts, np.full(x.shape[1], len(x)) if lengths is None else np.array(lengths),
                                               truncate or len(x))
        loss = (outputs * self.torch.tensor(d_outputs)).sum()
        for end, d in zip(ends, d_states, strict=True):
            loss = loss + (end * self.torch.tensor(d)).sum()
        loss.backward()
        return {"outputs": outputs.detach().numpy(), "state": [end.detach().numpy() for end in ends],
                "inputs": inputs.grad.numpy(), "d_state": [start.grad.numpy() for start in starts]}

    def _in_stretches(self, x: Any, states: list[Any], lengths: Array, k: int) -> tuple[Any, list[Any]]:
        """As packed sequences; after every k steps the states are detached."""
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        pieces = []
        for start in range(0, len(x), k):
            going, steps = lengths > start, min(k, len(x) - start)
            alive = self.torch.tensor(np.flatnonzero(going))
            piece = self.torch.zeros(steps, x.shape[1], 1, dtype=x.dtype)
            if len(alive):
                here = pack_padded_sequence(x[start:start + steps, alive], np.minimum(lengths[going] - start, steps).tolist(),
                                            enforce_sorted=False)
                before = [part[:, alive].detach() if start else part[:, alive] for part in states]
                packed, last = self.layer(here, tuple(before) if len(before) > 1 else before[0])
                found, _ = pad_packed_sequence(packed, total_length=steps)
                piece = self.torch.zeros(steps, x.shape[1], found.shape[2], dtype=x.dtype).index_copy(1, alive, found)
                states = [part.index_copy(1, alive, own) for part, own in
                          zip(states, last if len(states) > 1 else [last], strict=True)]
            pieces.append(piece.expand(-1, -1, pieces[0].shape[2]) if pieces else piece)
        return self.torch.cat(pieces), states

    def run_one(self, x: Array, states: Sequence[Array], d_outputs: Array, d_states: Sequence[Array],
                **how: Any) -> dict[str, Any]:
        """The same of one layer in one direction, without the first axis."""
        found = self.run(x, [part[None] for part in states], d_outputs, [part[None] for part in d_states], **how)
        return found | {key: [part[0] for part in found[key]] for key in ("state", "d_state")}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_every_number_and_gradient_is_pytorchs(name: str, size: tuple[int, int, int, int]) -> None:
    compared(name, size)


PACKED = ([9, 1, 4, 4], [2, 7, 7, 3])  # the second leaves the last steps to nobody


@pytest.mark.parametrize("checkpoint", [None, 3])
@pytest.mark.parametrize("lengths", PACKED, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_sequences_of_different_lengths_are_pytorchs_packed_ones(name: str, lengths: list[int], checkpoint: int | None) -> None:
    compared(name, (9, 4, 4, 3), {"lengths": lengths}, lengths=lengths, checkpoint=checkpoint)


@pytest.mark.parametrize("checkpoint", [None, 2])
@pytest.mark.parametrize("lengths", [None, *PACKED], ids=str)
@pytest.mark.parametrize("truncate", [1, 4, 5])
@pytest.mark.parametrize("name", CELLS)
def test_truncated_gradients_are_pytorchs_with_states_detached(
        name: str, truncate: int, lengths: list[int] | None, checkpoint: int | None) -> None:
    theirs = {"lengths": lengths, "truncate": truncate}
    compared(name, (9, 4, 4, 3), theirs, truncate, lengths=lengths, checkpoint=checkpoint)


def compared(name: str, size: tuple[int, int, int, int], theirs: dict[str, Any] | None = None,
             truncate: int | None = None, **ours: Any) -> None:
    """All numbers and gradients of a cell; `ours` and `theirs` say how it is run."""
    cell, oracle = sl.cell(name), Torch(name, *size[2:])
    x, states, d_outputs, d_states = sample(cell, *size)
    expected = oracle.run_one(x, states, d_outputs, d_states, **(theirs or {}))
    function, params = sl.lambdify(cell), sl.from_layout("pytorch", oracle.weights(), cell)
    trace = function.forward(params, x, states, **ours)
    gradients = function.backward(trace, d_outputs, d_states, truncate=truncate)
    close(trace.outputs, expected["outputs"])
    close(gradients.inputs, expected["inputs"])
    for found, other in zip((*trace.state, *gradients.state), (*expected["state"], *expected["d_state"]), strict=True):
        close(found, other)
    weights = oracle.weights(gradient=True)
    for key, array in sl.to_layout("pytorch", gradients, cell).items():
        close(array, weights[key])


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
    expected = oracle.run_one(x, states, d_outputs, d_states)
    function = sl.lambdify(cell)
    trace = function.forward(sl.from_layout("pytorch", oracle.weights(), cell), x, states)
    np.testing.assert_allclose(trace.outputs, expected["outputs"], rtol=TOLERANCE, atol=TOLERANCE)
    found = function.backward(trace, d_outputs, d_states).inputs
    np.testing.assert_allclose(found, expected["inputs"], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("name", CELLS)
def test_every_number_and_gradient_of_a_network_is_pytorchs(name: str, layers: int, bidirectional: bool) -> None:
    network_compared(name, layers, bidirectional)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("lengths", PACKED, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_a_network_over_different_lengths_is_pytorchs(name: str, lengths: list[int], bidirectional: bool) -> None:
    network_compared(name, 2, bidirectional, {"lengths": lengths}, lengths=lengths)
    network_compared(name, 2, bidirectional, {"lengths": lengths}, lengths=lengths, checkpoint=2)


@pytest.mark.parametrize("lengths", [None, *PACKED], ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_a_truncated_network_is_pytorchs(name: str, lengths: list[int] | None) -> None:
    network_compared(name, 2, False, {"lengths": lengths, "truncate": 4}, 4, lengths=lengths)


def network_compared(name: str, layers: int, bidirectional: bool, how: dict[str, Any] | None = None,
                     truncate: int | None = None, **ours: Any) -> None:
    """All numbers and gradients of a network; `ours` and `how`, for PyTorch, say how it is run."""
    T, B, n, m = 9, 4, 3, 2
    network, oracle = sl.stack(name, layers=layers, bidirectional=bidirectional), Torch(name, n, m, layers, bidirectional)
    generator, directions = np.random.default_rng(layers), 1 + bidirectional
    lengths = {"h_0": n, **({"c_0": further(sl.cell(name), n).get("k", n)} if name.startswith("lstm") else {})}
    states, d_states = ({key: generator.standard_normal((layers * directions, B, length)) for key, length in lengths.items()}
                        for _ in range(2))
    x, d_outputs = generator.standard_normal((T, B, m)), generator.standard_normal((T, B, directions * n))
    expected = oracle.run(x, list(states.values()), d_outputs, list(d_states.values()), **(how or {}))

    params = sl.from_layout("pytorch", oracle.weights() | states, network)
    function = sl.lambdify(network)
    trace = function.forward(params, x, params.state, **ours)
    gradients = function.backward(trace, d_outputs, [part for parts in zip(*d_states.values(), strict=True) for part in parts],
                                  truncate=truncate)
    close(trace.outputs, expected["outputs"])
    close(gradients.inputs, expected["inputs"])
    for parts, theirs in ((trace.state, expected["state"]), (gradients.state, expected["d_state"])):
        for k, part in enumerate(parts):
            close(part, theirs[k % len(theirs)][k // len(theirs)])
    theirs = oracle.weights(gradient=True)
    found = sl.to_layout("pytorch", gradients, network)
    assert list(found) == list(theirs)
    for key, array in found.items():
        close(array, theirs[key])


@pytest.mark.parametrize("name", CELLS)
def test_weights_of_a_module_come_back_as_they_were(name: str) -> None:
    network, oracle = sl.stack(name, layers=2, bidirectional=True), Torch(name, 3, 2, 2, True)
    weights = oracle.layer.state_dict()
    for key, tensor in weights.items():
        if key.startswith("bias_hh"):
            tensor[:6 if name.startswith("gru") else None] = 0  # a sum does not tell its parts
    found = sl.to_layout("pytorch", sl.from_layout("pytorch", weights, network), network)
    assert list(found) == list(weights)
    for key, array in found.items():
        assert array.tobytes() == weights[key].numpy().tobytes()


def test_weights_without_biases_and_of_a_single_cell() -> None:
    import torch

    layer = torch.nn.LSTM(2, 3, bias=False, dtype=torch.float64)
    x = np.random.default_rng(0).standard_normal((5, 4, 2))
    expected, _ = layer(torch.tensor(x))
    close(sl.lambdify(sl.cell("lstm")).forward(sl.from_layout("pytorch", layer.state_dict(), "lstm"), x).outputs, expected.detach())
    cell = torch.nn.GRUCell(2, 3, dtype=torch.float64)
    params = sl.from_layout("pytorch", cell.named_parameters(), "gru-reset-after")
    found = sl.lambdify(sl.cell("gru-reset-after")).forward(params, x[:1], (x[1, :, :1].repeat(3, 1),))
    close(found.outputs[0], cell(torch.tensor(x[0]), torch.tensor(x[1, :, :1].repeat(3, 1))).detach())


def test_a_tensor_of_a_dtype_that_numpy_lacks_is_named() -> None:
    import torch

    weights = {key: value.bfloat16() for key, value in torch.nn.RNN(2, 3).state_dict().items()}
    with pytest.raises(sl.NotValid, match=r"weight_ih_l0 is not an array of numbers.\n.*BFloat16.*\n  right: .*float32"):
        sl.from_layout("pytorch", weights, "rnn")
