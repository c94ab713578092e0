"""Loops for Numba: the numbers and gradients are those of the equations, as plain Python and compiled.

What Numba compiles is Python, so the loops of every cell are run as they stand; some cells are compiled too.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.algebra import Component, NotSupported, NotValid, equation
from symlstm.functions import source_of
from tests.problems import Problem, arrays, judged, near
from tests.test_functions import CELLS, W, h, made, x

UNCOMPILED = SimpleNamespace(njit=lambda **_: lambda function: function)
COMPILED = ("lstm", "gru-reset-after", "slstm", "mlstm", "scalar", "one-matrix", "lstm-2-layers-bidirectional")


def run(source: str) -> Any:
    """The functions of a module, its loops run as plain Python."""
    module: dict[str, Any] = {}
    found = sys.modules.get("numba")
    sys.modules["numba"] = UNCOMPILED  # type: ignore[assignment]
    try:
        exec(source, module)
    finally:
        del sys.modules["numba"]
        if found:
            sys.modules["numba"] = found
    return SimpleNamespace(**module)


@cache
def plain(name: str) -> Any:
    """The functions of a cell in plain Python."""
    return run(source_of(CELLS[name], "numba"))


@pytest.mark.parametrize(("T", "B"), [(1, 1), (1, 3), (4, 1), (7, 3)])
@pytest.mark.parametrize("name", CELLS)
def test_the_loops_of_every_cell_are_its_equations(name: str, T: int, B: int) -> None:
    problem = Problem(CELLS[name], T=T, B=B)
    judged(plain(name), problem if B > 1 else problem.alone(0))


@pytest.mark.numba
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", COMPILED)
def test_so_they_are_when_they_are_compiled(name: str, dtype: str) -> None:
    function = sl.lambdify(CELLS[name], backend="numba")
    for problem in (Problem(CELLS[name], T=4), Problem(CELLS[name], T=1, B=1, n=4, m=5), Problem(CELLS[name]).alone(2)):
        if dtype == "float64":
            judged(function, problem)
            continue
        small = [{name: value.astype(dtype) for name, value in values.items()} for values in (problem.params, problem.inputs)]
        inputs = next(iter(small[1].values())) if len(small[1]) == 1 else small[1]
        state, d_state = (tuple(part.astype(dtype) for part in parts) for parts in (problem.state, problem.d_state))
        trace = function.forward(small[0], inputs, state)
        found = function.backward(trace, problem.d_outputs.astype(dtype), d_state)
        assert {str(array.dtype) for array in (*arrays(trace), *arrays(found))} == {dtype}
        for key, gradient in problem.gradients(found).items():
            near(gradient, problem.slopes(key), 1e-2 if name == "slstm" else 1e-4)


@pytest.mark.numba
def test_what_is_compiled_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second function of the same cell compiles nothing."""
    monkeypatch.setenv("SYMLSTM_CACHE", str(tmp_path))
    problem, hits = Problem(CELLS["rnn"]), []
    for _ in range(2):
        function = sl.lambdify(CELLS["rnn"], backend="numba")
        judged(function, problem)
        hits.append(sum(function._module["run"].stats.cache_hits.values()))
    assert hits == [0, 1]


@pytest.mark.numba
def test_a_number_that_is_not_finite_is_named() -> None:
    problem, function = Problem(CELLS["lstm"]), sl.lambdify(CELLS["lstm"], backend="numba")
    wrong = {**problem.params, "U_o": np.full((3, 3), np.nan)}
    with pytest.raises(NotValid, match="U_o"):
        function.forward(wrong, problem.x)
    trace = function.forward(problem.params, problem.x)
    with pytest.raises(NotValid, match="d_outputs"):
        function.backward(trace, np.full_like(problem.d_outputs, np.inf))


@pytest.mark.numba
def test_a_workspace_of_another_size_is_refused() -> None:
    problem, own = Problem(CELLS["lstm"]), sl.lambdify(CELLS["lstm"], backend="numba")._module
    with pytest.raises(ValueError, match="sizes"):
        own["forward"](problem.params, problem.x, None, own["workspace"](4, 3, np.dtype(float), n=3, m=2))


@pytest.mark.parametrize("name", ["lstm", "gru", "mlstm", "lstm-full-feedback"])
def test_a_workspace_and_prepared_weights_change_no_number(name: str) -> None:
    """And are used again: the second run writes over the first."""
    problem, own = Problem(CELLS[name], T=4), plain(name)
    expected = own.backward(own.forward(problem.params, problem.x, problem.state), problem.d_outputs, problem.d_state)
    weights, workspace = own.prepare(problem.params), own.workspace(4, 3, np.dtype(float), n=3, m=2)
    alone, one = problem.alone(0), own.workspace(4, 1, np.dtype(float), n=3, m=2)
    assert own.forward(weights, alone.x, alone.state, one).outputs.shape == alone.d_outputs.shape
    first = own.forward(weights, 2 * problem.x, problem.state, workspace)
    trace = own.forward(weights, problem.x, problem.state, workspace)
    assert np.shares_memory(first.outputs, trace.outputs)
    own.backward(trace, 2 * problem.d_outputs)
    found = own.backward(trace, problem.d_outputs, problem.d_state)
    for one, other in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["lstm", "gru-reset-after", "slstm", "mlstm"])
def test_truncated_means_that_nothing_arrives_from_the_next_stretch(name: str) -> None:
    """Each stretch alone, from the state before it: the gradients are those of the whole, truncated; to the last bit if handed on."""
    problem, own, k = Problem(CELLS[name], T=7), plain(name), 3
    trace = own.forward(problem.params, problem.x, problem.state)
    whole = own.backward(trace, problem.d_outputs, problem.d_state, truncate=k)
    state, parts = problem.state, []
    for start in range(0, 7, k):
        parts.append(own.forward(problem.params, problem.x[start:start + k], state))
        state = parts[-1].state
    into, d_state = None, problem.d_state
    for start, part in reversed(list(zip(range(0, 7, k), parts, strict=True))):
        into = own.backward(part, problem.d_outputs[start:start + k], d_state, into=into)
        np.testing.assert_array_equal(into.inputs, whole.inputs[start:start + k])
        d_state = None
    for key, value in whole.params.items():
        np.testing.assert_array_equal(into.params[key], value)
    full = own.backward(trace, problem.d_outputs, problem.d_state)
    assert not np.allclose(full.inputs, whole.inputs)


@pytest.mark.parametrize(("name", "old", "new"), [
    ("lstm", "U[j, row] * factor", "U[j, n - 1 - row] * factor"),
    ("lstm", "arriving_d_c[row] + d_tanh_c_row", "d_tanh_c_row"),
    ("lstm", "d_z[n + row] = ", "d_z[2 * n + row] = "),
    ("lstm-full-feedback", "one - g[row]**2", "one - g[row]"),
    ("slstm", "z[3 * n + row]", "z[2 * n + row]"),
    ("mlstm", "factor_3 * d_C_row_col", "d_C_row_col"),
    ("transposed", "U[j, row] * factor", "U[row, j] * factor"),
])
def test_a_mutant_is_seen(name: str, old: str, new: str) -> None:
    """The law can fail: one change of the code, and some number or gradient is another."""
    source = source_of(CELLS[name], "numba")
    assert old in source
    with pytest.raises(AssertionError):
        judged(run(source.replace(old, new)), Problem(CELLS[name]))


def test_what_has_no_loops_is_named() -> None:
    cell = made("component", equation(h, W @ x + Component(h.prev, "k")))
    with pytest.raises(NotSupported, match="Component"):
        source_of(cell, "numba")
