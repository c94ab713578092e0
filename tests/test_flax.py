"""Flax as an oracle: its cells compute what we do with the same parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.layouts.tables import FLAX, LAYOUTS, NNX
from symlstm.model import Cell

pytestmark = pytest.mark.oracle

Array = np.ndarray
CELLS = (
    ("lstm", "LSTMCell"),
    ("lstm", "OptimizedLSTMCell"),
    ("gru-reset-after", "GRUCell"),
    ("gru-reset-after-z-new", "GRUCell"),
    ("rnn", "SimpleCell"),
    ("rnn-relu", "SimpleCell"),
)
T, B, n, m = 6, 5, 4, 3


@pytest.fixture(scope="module", autouse=True)
def _in_double_precision() -> Iterator[None]:
    import jax

    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def test_every_row_of_flax_is_compared() -> None:
    assert {name for name, _ in CELLS} == {row.cell for row in LAYOUTS if row.library is FLAX}


NNX_CELLS = (
    ("nnx", "lstm", "OptimizedLSTMCell"),
    ("nnx", "gru-reset-after", "GRUCell"),
    ("nnx", "gru-reset-after-z-new", "GRUCell"),
    ("nnx", "rnn", "SimpleCell"),
    ("nnx", "rnn-relu", "SimpleCell"),
    ("flax", "lstm", "LSTMCell"),
)


def test_every_row_of_nnx_is_compared() -> None:
    assert {name for library, name, _ in NNX_CELLS if library == "nnx"} == {row.cell for row in LAYOUTS if row.library is NNX}


@pytest.mark.parametrize(("library", "name", "kind"), NNX_CELLS)
def test_a_cell_of_nnx(library: str, name: str, kind: str) -> None:
    import jax
    from flax import nnx

    x = np.random.default_rng(0).standard_normal((T, B, m))
    generator = np.random.default_rng(1)

    def made() -> Any:
        options = {"activation_fn": jax.nn.relu} if name == "rnn-relu" else {}
        cell = getattr(nnx, kind)(m, n, rngs=nnx.Rngs(0), dtype="float64", param_dtype="float64", **options)
        nnx.update(cell, jax.tree.map(lambda array: generator.standard_normal(array.shape), nnx.state(cell, nnx.Param)))
        return nnx.RNN(cell, time_major=True)

    module = made()
    cell, state = sl.cell(name), nnx.state(module, nnx.Param)
    params = sl.from_layout(library, state, cell)
    np.testing.assert_allclose(sl.lambdify(cell).forward(params, x).outputs, np.asarray(module(x)), rtol=1e-12, atol=1e-12)
    if library == "nnx":
        found = {"cell": sl.to_layout(library, params, cell)}
        theirs = nnx.to_pure_dict(state)
        assert jax.tree.structure(found) == jax.tree.structure(theirs)
        assert all(left.tobytes() == np.asarray(right).tobytes()
                   for left, right in zip(jax.tree.leaves(found), jax.tree.leaves(theirs), strict=True))
    network, both = sl.stack(name, layers=1, bidirectional=True), nnx.Bidirectional(made(), made(), time_major=True)
    params = sl.from_layout(library, nnx.state(both, nnx.Param), network)
    np.testing.assert_allclose(sl.lambdify(network).forward(params, x).outputs, np.asarray(both(x)), rtol=1e-12, atol=1e-12)


def layer(name: str, kind: str) -> Any:
    """A layer of Flax over time, with time first."""
    from flax import linen

    options = {"activation_fn": linen.relu} if name == "rnn-relu" else {}
    return linen.RNN(getattr(linen, kind)(n, param_dtype="float64", **options), time_major=True)


def drawn(module: Any, x: Array) -> Any:
    """Random parameters of a module, as it has them."""
    import jax

    generator = np.random.default_rng(1)
    return jax.tree.map(lambda array: generator.standard_normal(array.shape), module.init(jax.random.key(0), x))


def check(cell: Cell, variables: Any, x: Array, expected: Any) -> None:
    found = sl.lambdify(cell).forward(sl.from_layout("flax", variables, cell), x).outputs
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_a_cell(name: str, kind: str) -> None:
    x = np.random.default_rng(0).standard_normal((T, B, m))
    module = layer(name, kind)
    variables = drawn(module, x)
    check(sl.cell(name), variables, x, module.apply(variables, x))
    check(sl.cell(name), variables["params"]["cell"], x, module.apply(variables, x))


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_both_directions_in_two_layers(name: str, kind: str) -> None:
    from flax import linen

    x = np.random.default_rng(0).standard_normal((T, B, m))
    expected, weights = x, []
    for _ in range(2):
        module = linen.Bidirectional(layer(name, kind), layer(name, kind), time_major=True)
        weights.append(drawn(module, expected))
        expected = np.asarray(module.apply(weights[-1], expected))
    check(sl.stack(name, layers=2, bidirectional=True), weights, x, expected)


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_parameters_come_back_as_they_were(name: str, kind: str) -> None:
    import jax
    from flax import linen

    x = np.ones((T, B, m))
    module = linen.Bidirectional(layer(name, kind), layer(name, kind), time_major=True)
    variables = drawn(module, x)
    network = sl.stack(name, layers=1, bidirectional=True)
    found = {"params": sl.to_layout("flax", sl.from_layout("flax", variables, network), network)}
    assert jax.tree.structure(found) == jax.tree.structure(variables)
    for left, right in zip(jax.tree.leaves(found), jax.tree.leaves(variables), strict=True):
        assert left.tobytes() == right.tobytes()
