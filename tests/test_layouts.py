"""Weight layouts: there and back, and what the documentation of each library says about the place of one weight."""

from __future__ import annotations

import numpy as np
import pytest

import symlstm as sl
from symlstm.algebra import NotSupported, NotValid
from symlstm.layouts import LAYOUTS, WeightLayout, from_library, to_library

ROWS = pytest.mark.parametrize("row", LAYOUTS, ids=lambda row: f"{row.library}-{row.cell}")


@ROWS
def test_there_and_back(row: WeightLayout) -> None:
    cell = sl.cell(row.cell)
    ours = sl.random_parameters(cell, n=4, m=3)
    again = from_library(cell, row.library, to_library(cell, row.library, ours))
    assert list(again) == list(ours)
    for name, array in ours.items():
        np.testing.assert_array_equal(again[name], array)
        assert not np.shares_memory(again[name], array)


@pytest.mark.parametrize(("library", "name", "part"), [
    ("pytorch", "weight_ih_l0", np.s_[8:12]),  # input, forget, candidate, output
    ("keras", "kernel", np.s_[:, 8:12]),
    ("onnx", "W", np.s_[0, 12:16]),  # input, output, forget, candidate
])
def test_where_the_candidates_weights_stand(library: str, name: str, part: object) -> None:
    cell = sl.cell("lstm")
    ours = sl.random_parameters(cell, n=4, m=3)
    found = to_library(cell, library, ours)[name][part]  # type: ignore[index]
    np.testing.assert_array_equal(found.T if library == "keras" else found, ours["W_g"])


def test_two_biases_are_added() -> None:
    cell = sl.cell("rnn")
    weights = to_library(cell, "pytorch", sl.random_parameters(cell, n=4, m=3))
    weights["bias_hh_l0"] = weights["bias_hh_l0"] + 2.0
    np.testing.assert_array_equal(from_library(cell, "pytorch", weights)["b"], weights["bias_ih_l0"] + 2.0)


def test_a_bias_of_ones_own_is_not_added() -> None:
    cell = sl.cell("gru-reset-after")
    weights = to_library(cell, "pytorch", sl.random_parameters(cell, n=4, m=3))
    weights["bias_hh_l0"] = weights["bias_hh_l0"] + 2.0
    found = from_library(cell, "pytorch", weights)
    r, z, g = np.split(weights["bias_ih_l0"], 3)
    np.testing.assert_array_equal(found["b_r"], r + 2.0)
    np.testing.assert_array_equal(found["b_z"], z + 2.0)
    np.testing.assert_array_equal(found["b_g"], g)
    np.testing.assert_array_equal(found["d_g"], weights["bias_hh_l0"][8:])


def test_what_is_not_there_is_named() -> None:
    cell = sl.cell("lstm")
    with pytest.raises(NotSupported, match="pytorch for lstm"):
        to_library(cell, "abacus", {})
    with pytest.raises(NotValid, match="bias is missing"):
        from_library(cell, "keras", {"kernel": np.ones((3, 16)), "recurrent_kernel": np.ones((4, 16))})
    with pytest.raises(NotValid, match="b_i is missing"):
        to_library(cell, "onnx", {})
