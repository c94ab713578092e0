"""What belongs to whom: a trace and its gradients are the caller's, and so is what he gave; what he asks for is reused."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.algebra import NotValid
from symlstm.checks import Prepared
from symlstm.segments import arrays as parts
from tests.problems import Problem, arrays, changed, changed_in_place
from tests.test_functions import BOTH, CELLS, SLOW, function

Array = Any
WAYS: dict[str, dict[str, Any]] = {
    "at once": {}, "checkpoint": {"checkpoint": 2}, "lengths": {"lengths": [3, 5, 1]}, "both": {"checkpoint": 2, "lengths": [3, 5, 1]}}


def equal(found: Any, expected: Any) -> None:
    """Equal to the last bit."""
    for one, other in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def owned(found: Any, problem: Problem, way: dict[str, Any]) -> None:
    """The law: no later call and no later change of anything that was given changes a trace or its gradients."""
    params, x, state, d_outputs, d_state = deepcopy((problem.params, problem.x, problem.state, problem.d_outputs, problem.d_state))
    trace = found.forward(params, x, state, **way)
    reference = found.backward(found.forward(params, x, state, **way), d_outputs, d_state)
    before = deepcopy(arrays(trace))
    changed_in_place(params, x, state)
    with np.errstate(all="ignore"):
        other = found.forward(params, x, state, **way)
    for array, kept in zip(arrays(trace), before, strict=True):
        np.testing.assert_array_equal(array, kept)
    gradients = found.backward(trace, d_outputs, d_state)
    equal(gradients, reference)
    changed_in_place(d_outputs, d_state, *arrays(other), *arrays(trace))  # nor does a change of what a trace shows
    equal(gradients, reference)
    again = found.backward(trace, problem.d_outputs, problem.d_state)
    equal(again, reference)
    equal(gradients, reference)
    for k, array in enumerate(arrays(again)):  # and no two gradients share an array
        assert not any(np.shares_memory(array, other) for other in (*arrays(again)[:k], *arrays(gradients)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", BOTH)
def test_a_trace_and_its_gradients_own_their_arrays(name: str, way: str) -> None:
    owned(function(name), Problem(CELLS[name.removeprefix(SLOW)]), WAYS[way])


@pytest.mark.parametrize(("name", "old", "new"), [
    ("lstm", "array.transpose(0, 2, 1).copy() if", "array.transpose(0, 2, 1) if"),
    ("mlstm", 'w_i = np.array(params["w_i"])', 'w_i = params["w_i"]'),
])
def test_a_module_that_copies_less_is_seen(name: str, old: str, new: str) -> None:
    found = sl.lambdify(CELLS[name])
    assert old in found.source
    with pytest.raises(AssertionError):
        owned(changed(found, found.source.replace(old, new)), Problem(CELLS[name]), {})


def test_two_parameters_with_one_gradient_get_two_arrays() -> None:
    problem, found = Problem(CELLS["deep"]), function("deep")
    gradients = found.backward(found.forward(problem.params, problem.x), problem.d_outputs)
    np.testing.assert_array_equal(gradients.params["p"], gradients.params["q"])
    assert not np.shares_memory(gradients.params["p"], gradients.params["q"])


# --- prepared parameters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
def test_prepared_parameters_are_the_parameters(name: str, way: str) -> None:
    problem, found = Problem(CELLS[name]), function(name)
    expected = found.forward(problem.params, problem.x, problem.state, **WAYS[way])
    params = deepcopy(problem.params)
    prepared = found.prepare(params)
    changed_in_place(params)  # it owns its arrays
    for _ in range(2):
        trace = found.forward(prepared, problem.x, problem.state, **WAYS[way])
        equal(trace, expected)
        equal(found.backward(trace, problem.d_outputs, problem.d_state), found.backward(expected, problem.d_outputs, problem.d_state))


def refused(call: Any, *words: str) -> None:
    with pytest.raises(NotValid) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)


P, F = Problem(CELLS["lstm"]), function("lstm")


def test_what_cannot_be_prepared_is_named() -> None:
    refused(lambda: F.prepare({**P.params, "W_f": P.params["W_f"].T}), "W_f has the shape (2, 3)", "(3, 2)", "n = 3, m = 2")
    refused(lambda: F.prepare({**P.params, "b_o": P.params["b_o"] * np.inf}), "b_o[0] is")
    refused(lambda: F.prepare({**P.params, "W_z": 1.0}), "no parameter 'W_z'")
    refused(lambda: F.prepare({key: value.astype(int) for key, value in P.params.items()}), "W_i has the dtype int64", "W_i.astype(float)")
    refused(lambda: F.prepare({**P.params, "b_o": P.params["b_o"].astype("float32")}), "b_o is float32", "W_i is float64")
    refused(lambda: F.prepare([1]), "not a mapping")
    prepared = F.prepare(P.params)
    assert isinstance(prepared, Prepared) and repr(prepared).startswith("Prepared(W_i, W_f, ")
    refused(lambda: sl.lambdify(CELLS["lstm"]).forward(prepared, P.x), "prepared by another function", "f.prepare(params)")
    refused(lambda: F.forward(prepared, P.x.astype("float32")), "W_i is float64, x is float32")
    refused(lambda: F.forward(prepared, P.x[..., :1]), "x has the shape (5, 3, 1)", "2 along the last axis, since W_i has the shape (3, 2)")
    assert parts(F.forward(prepared, P.x).outputs)[0].shape == (5, 3, 3)


# --- workspaces --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("name", [name for name in BOTH if name != "names"])  # which has a size T beside the number of steps
def test_a_workspace_changes_no_number(name: str, batched: bool) -> None:
    whole, found = Problem(CELLS[name.removeprefix(SLOW)]), function(name)
    problem = whole if batched else whole.alone(1)
    found.forward(problem.params, problem.x)  # it tells the sizes
    workspace = found.workspace(5, 3 if batched else 1, **found._checks._last.sizes)
    for scale in (1.0, 0.5, 1.0):
        x = {key: scale * value for key, value in problem.x.items()} if isinstance(problem.x, dict) else scale * problem.x
        trace, expected = (found.forward(problem.params, x, problem.state, **how) for how in ({"workspace": workspace}, {}))
        equal(trace, expected)
        gradients = found.backward(trace, problem.d_outputs, problem.d_state)
        equal(gradients, found.backward(expected, problem.d_outputs, problem.d_state))


def test_a_workspace_that_cannot_be_is_named() -> None:
    workspace = F.workspace(5, 3, m=2, n=3)
    assert repr(workspace) == "Workspace(T = 5, B = 3, m = 2, n = 3, float64)"
    refused(lambda: F.forward(P.params, P.x[:4], workspace=workspace), "runs of another size", "T = 5", "for this run, T = 4, B = 3")
    refused(lambda: F.forward(P.params, P.x[:, 0], workspace=workspace), "B = 3", "T = 5, B = 1")
    single = {key: value.astype("float32") for key, value in P.params.items()}
    refused(lambda: F.forward(single, P.x.astype("float32"), workspace=workspace), "float64", "n = 3, float32")
    refused(lambda: F.forward(P.params, P.x, workspace=sl.lambdify(CELLS["lstm"]).workspace(5, 3, 2, 3)), "not one of this function")
    refused(lambda: F.forward(P.params, P.x, workspace=7), "workspace is 7", "f.workspace(T, B, m=..., n=...)")
    refused(lambda: F.forward(P.params, P.x, workspace=workspace, checkpoint=2), "leave workspace out")
    refused(lambda: F.workspace(5, 3, m=2), "other sizes", "given are m", "its sizes are m, n")
    refused(lambda: F.workspace(5, 3, m=2, n=3, k=1), "its sizes are m, n")
    refused(lambda: F.workspace(0, 3, m=2, n=3), "T=0", "from 1 on")
    refused(lambda: F.workspace(5, 3, m=2, n=2.5), "n=2.5")
    refused(lambda: F.workspace(5, 3, m=2, n=3, dtype="int64"), "int64", "float64 or float32")


def test_a_trace_that_was_written_over_is_named() -> None:
    workspace = F.workspace(5, 3, m=2, n=3)
    first, second = (F.forward(P.params, scale * P.x, workspace=workspace) for scale in (1.0, 2.0))
    refused(lambda: F.backward(first, P.d_outputs), "Another run has written over this trace", "Workspace(T = 5")
    equal(F.backward(second, P.d_outputs), F.backward(F.forward(P.params, 2.0 * P.x), P.d_outputs))
    for trace in (first, second):  # outputs and states are new arrays, whoever asks
        equal(trace, F.forward(P.params, (1.0 if trace is first else 2.0) * P.x))
