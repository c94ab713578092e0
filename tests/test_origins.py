"""A number that is not finite is found when one comes out, and traced to where it came in, or to the first quantity that is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm import evaluate
from symlstm.algebra import NotValid, Sym, equation, quantities, symbols
from symlstm.checks import finite
from tests.problems import Problem
from tests.test_functions import CELLS, function, made

Array = Any
x, f, g, h = quantities("x f g h")
W_f, U = symbols("W_f U")
UNREAD = {("four-blocks", "V")}  # in rows that the cell does not use


def refusal(call: Any) -> str:
    with np.errstate(all="ignore"), pytest.raises(NotValid) as caught:
        call()
    return str(caught.value)


def spoilt(array: Array, number: float, seed: int = 0) -> tuple[Array, str]:
    """A copy with one entry that is no number, and how a message shows that entry."""
    found = array.copy()
    entry = tuple(np.random.default_rng(seed).integers(found.shape))
    found[entry] = number
    return found, f"{list(map(int, entry))} is {number}"


@pytest.mark.parametrize("name", CELLS)
def test_what_was_given_is_named(name: str) -> None:
    """For every parameter, input and state; what nothing reads, as h where it is an output only, does no harm."""
    problem, found = Problem(CELLS[name]), function(name)
    read = {node for line in problem.cell.declared for node in evaluate.leaves(line.rhs)}
    for key, value in problem.params.items():
        params, entry = spoilt(value, np.nan)
        assert (name, key) in UNREAD or f"{key}{entry}" in refusal(lambda: found.forward({**problem.params, key: params}, problem.x, problem.state))  # noqa: B023
        assert f"{key}{entry}" in refusal(lambda: found.prepare({**problem.params, key: params}))  # noqa: B023
    called = {key: "x" if len(problem.inputs) == 1 else f"the input {key}" for key in problem.inputs}
    for key, value in problem.inputs.items():
        inputs, entry = spoilt(value, np.nan)
        x = inputs if len(problem.inputs) == 1 else {**problem.inputs, key: inputs}
        message = refusal(lambda: found.forward(problem.params, x, problem.state))  # noqa: B023
        assert f"{called[key]}{entry}" in message
    for k, (state, value) in enumerate(zip(problem.cell.state_terms, problem.state, strict=True)):
        part, entry = spoilt(value, np.nan)
        states = (*problem.state[:k], part, *problem.state[k + 1:])
        if problem.cell.carried[state] in read:
            assert f"the state {state.name}{entry}" in refusal(lambda: found.forward(problem.params, problem.x, states))  # noqa: B023
        else:
            assert np.isfinite(found.forward(problem.params, problem.x, states).outputs).all()


@pytest.mark.parametrize("name", CELLS)
def test_what_was_given_to_a_backward_pass_is_named(name: str) -> None:
    problem, found = Problem(CELLS[name]), function(name)
    trace = found.forward(problem.params, problem.x, problem.state)
    d, entry = spoilt(problem.d_outputs, np.nan)
    assert f"d_outputs{entry}" in refusal(lambda: found.backward(trace, d, problem.d_state))
    for k, (state, value) in enumerate(zip(problem.cell.state_terms, problem.d_state, strict=True)):
        part, entry = spoilt(value, np.inf)
        states = (*problem.d_state[:k], part, *problem.d_state[k + 1:])
        assert f"d_state for {state.name}{entry}" in refusal(lambda: found.backward(trace, problem.d_outputs, states))  # noqa: B023


def test_past_the_end_of_a_sequence_nothing_is_asked() -> None:
    problem, found = Problem(CELLS["lstm"], T=6), function("lstm")
    x, d = problem.x.copy(), problem.d_outputs.copy()
    x[4:, 1], d[4:, 1] = np.nan, np.nan
    trace = found.forward(problem.params, x, lengths=[6, 4, 6])
    assert np.isfinite(found.backward(trace, d).inputs).all()
    x[3, 1, 0], d[2, 1, 0] = np.nan, np.inf
    assert "x[3, 1, 0] is nan" in refusal(lambda: found.forward(problem.params, x, lengths=[6, 4, 6]))
    assert "d_outputs[2, 1, 0] is inf" in refusal(lambda: found.backward(trace, d))


DOUBLED = made("doubled", equation(f, W_f @ x), equation(g, f * h.prev), equation(h, g + U @ (1 - x / 2)), sizes={"U": (Sym("n"), Sym("m"))})


@pytest.mark.parametrize("exponent", [1023, 1000, 960, 959, 896, 800])
@pytest.mark.parametrize("how", [{}, {"lengths": [300, 300, 299]}, {"checkpoint": 7}])
def test_the_first_quantity_that_is_not_finite_is_named(exponent: int, how: dict[str, Any]) -> None:
    """h is doubled at every step, so that 2^1024 is reached where one can say; in one sequence of three."""
    found, x, state = sl.lambdify(DOUBLED), np.full((300, 3, 2), 2.0), np.ones((3, 2))
    x[:, [0, 2]], state[1] = 1.0, 2.0**exponent
    message = refusal(lambda: found.forward({"W_f": np.eye(2), "U": np.zeros((2, 2))}, x, (state,), **how))
    step = 1024 - exponent
    assert f"g at step {step} of sequence 2 (both counted from 1) holds inf; all before it is finite" in message
    alone = refusal(lambda: found.forward({"W_f": np.eye(2), "U": np.zeros((2, 2))}, x[:, 1], (state[1],)))
    assert f"g at step {step} (counted from 1) holds inf" in alone


def test_where_time_runs_both_ways_it_is_named_too() -> None:
    whole = sl.stack("rnn-relu", 2, bidirectional=True)
    params = {key: 1e60 + 0 * value for key, value in sl.random_parameters(whole, 3, 2).items()}
    message = refusal(lambda: sl.lambdify(whole).forward(params, np.ones((4, 2))))
    assert "z_forward_2 at step 2 (counted from 1) holds inf" in message  # from 5e241 of the first layer at step 1


def test_float32_is_told_of_float64() -> None:
    problem, found = Problem(CELLS["unnamed-output"]), function("unnamed-output")
    for dtype, told in (("float32", True), ("float64", False)):
        params = {key: (np.finfo(dtype).max / 10 + 0 * value).astype(dtype) for key, value in problem.params.items()}
        message = refusal(lambda: found.forward(params, problem.x.astype(dtype)))  # noqa: B023
        assert ("or float64" in message) == told and "h at step" in message


def test_a_gradient_that_explodes_is_shown() -> None:
    problem, found = Problem(CELLS["unnamed-output"], T=300), function("unnamed-output")
    params = {"W": 0 * problem.params["W"], "U": 100 * np.eye(3)}
    trace = found.forward(params, problem.x)
    message = refusal(lambda: found.backward(trace, problem.d_outputs))
    assert "the gradient by x[14" in message and "truncate=k" in message  # 100^154 is too large, and 300 - 154 = 146


@pytest.mark.parametrize("count", [1, 5, 50])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_whether_all_is_finite_is_seen_in_silence(count: int, dtype: str) -> None:
    """Warnings are errors here."""
    large = np.full((count, 2), np.finfo(dtype).max, dtype)
    assert finite(large, -large, large[::-1, :1]) and finite()
    for number in (np.nan, np.inf, -np.inf):
        one = np.zeros((count, 2), dtype)
        one[-1, 0] = number
        assert not finite(one) and not finite(large, one) and not finite(one, one, -one)
