"""Keras as an oracle, on PyTorch: its layers compute what we do with the same weights.

Keras hands an LSTM and a GRU with `reset_after` to PyTorch's own, in double precision; elsewhere it multiplies in single.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.layouts.tables import KERAS, LAYOUTS
from symlstm.model import Cell

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore:__array__ implementation")]  # a warning of Keras' own

Array = np.ndarray
LAYERS: dict[str, tuple[str, dict[str, Any], float]] = {
    "lstm": ("LSTM", {}, 1e-12),
    "gru-reset-after": ("GRU", {}, 1e-12),
    "gru-reset-after-z-new": ("GRU", {}, 1e-12),
    "gru": ("GRU", {"reset_after": False}, 1e-5),
    "gru-z-new": ("GRU", {"reset_after": False}, 1e-5),
    "rnn": ("SimpleRNN", {}, 1e-5),
    "rnn-relu": ("SimpleRNN", {"activation": "relu"}, 1e-5),
}
T, B, n, m = 6, 5, 4, 3


@pytest.fixture(scope="module")
def layers() -> Any:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    return keras.layers


def test_every_row_of_keras_is_compared() -> None:
    assert set(LAYERS) == {row.cell for row in LAYOUTS if row.library is KERAS}


def outputs(layer: Any, x: Array) -> Array:
    """What a layer gives, time first, after its weights have been drawn."""
    layer(x.swapaxes(0, 1))
    generator = np.random.default_rng(1)
    layer.set_weights([generator.standard_normal(weight.shape) for weight in layer.weights])
    return np.asarray(layer(x.swapaxes(0, 1)).detach()).swapaxes(0, 1)


def check(cell: Cell, weights: Any, x: Array, expected: Array, tolerance: float) -> None:
    found = sl.lambdify(cell).forward(sl.from_layout("keras", weights, cell), x).outputs
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(name: str, use_bias: bool, layers: Any) -> None:
    kind, options, tolerance = LAYERS[name]
    layer = getattr(layers, kind)(n, return_sequences=True, dtype="float64", use_bias=use_bias, **options)
    x = np.random.default_rng(0).standard_normal((T, B, m))
    expected = outputs(layer, x)
    for weights in (layer.get_weights(), {each.name: each.numpy() for each in layer.weights}, {each.path: each for each in layer.weights}):
        check(sl.cell(name), weights, x, expected, tolerance)


@pytest.mark.parametrize("name", LAYERS)
def test_both_directions_in_two_layers(name: str, layers: Any) -> None:
    kind, options, tolerance = LAYERS[name]
    x = np.random.default_rng(0).standard_normal((T, B, m))
    expected, weights = x, []
    for _ in range(2):
        one = getattr(layers, kind)(n, return_sequences=True, dtype="float64", **options)
        layer = layers.Bidirectional(one, dtype="float64")
        expected = outputs(layer, expected)
        weights.append({each.path: each.numpy() for each in layer.weights})
    network = sl.stack(name, layers=2, bidirectional=True)
    check(network, weights, x, expected, tolerance)
    check(network, [list(each.values()) for each in weights], x, expected, tolerance)
    check(network, [array for each in weights for array in each.values()], x, expected, tolerance)
    forward, backward = sl.from_layout("keras", weights[0], name), sl.from_layout("keras", weights[0], name, direction=1)
    assert any(np.abs(forward[key] - backward[key]).max() > 0 for key in forward)


def test_weights_come_back_in_the_order_of_get_weights(layers: Any) -> None:
    layer = layers.Bidirectional(layers.GRU(n, dtype="float64"), dtype="float64")
    outputs(layer, np.ones((T, B, m)))
    for arrays in layer.weights[2::3]:
        arrays.assign(arrays.numpy() * np.array([[1.0] * 3 * n, [0.0] * 2 * n + [1.0] * n]))  # the first of each sum
    network = sl.stack("gru-reset-after", layers=1, bidirectional=True)
    found = sl.to_layout("keras", sl.from_layout("keras", layer.get_weights(), network), network)
    for left, right in zip(found.values(), layer.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
