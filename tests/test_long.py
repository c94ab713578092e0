"""Long sequences: what is run in segments is what is run at once, for every cell there is.

Checkpoints, sequences of different lengths, truncation, and all of them together.
"""

from __future__ import annotations

import tracemalloc
from functools import cache
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.algebra import NotValid, Sym, equation, quantities, symbols
from symlstm.model import Cell
from symlstm.segments import Plan, arrays, each
from tests.problems import Problem, changed, near
from tests.test_functions import BOTH, CELLS, SLOW, function

Array = Any
h, y = quantities("h y")
(V,) = symbols("V")
T, B = 7, 4
LENGTHS = ([7, 3, 5, 3], [2, 6, 1, 6])  # with the longest first, and not; the second leaves the last step to nobody


@cache
def chunked(name: str) -> Any:
    """The function of a cell with sums over chunks of two steps, so that a few steps are several."""
    source = function(name).source
    assert source.count("min(64, 512 // B)") <= 1
    return changed(sl.lambdify(CELLS[name.removeprefix(SLOW)]), source.replace("min(64, 512 // B)", "min(2, 512 // B)"))


def ends(lengths: list[int], values: Any) -> Any:
    """A copy with no number at all past the end of each sequence."""
    past = np.arange(T)[:, None] >= lengths
    return each(lambda array: np.where(past.reshape(T, B, *(1,) * (array.ndim - 2)), np.nan, array), values)


@pytest.mark.parametrize(("checkpoint", "truncate"), [(None, None), (2, None), (None, 3), (2, 2), (2, 1)])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_sequences_of_different_lengths_are_each_alone(
        name: str, lengths: list[int], checkpoint: int | None, truncate: int | None) -> None:
    each_alone(chunked(name), Problem(CELLS[name], T=T, B=B), lengths, checkpoint, truncate)


INVERSE = sl.stack("rnn", 1, bidirectional=True, head=Cell(
    "inverse", (h,), (y,), (equation(y, V @ (1 / h)),), sizes={"h": (Sym("n"),), "y": (Sym("k"),)}))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_a_head_is_computed_where_there_is_something_only(lengths: list[int]) -> None:
    """Past the end of a sequence a division by h would be one by zero; and warnings are errors here."""
    each_alone(sl.lambdify(INVERSE), Problem(INVERSE, T=T, B=B), lengths)


def each_alone(found: Any, problem: Problem, lengths: list[int], checkpoint: int | None = None, truncate: int | None = None) -> None:
    """The law of lengths: each sequence has the outputs, states and gradients that it has without the others."""
    trace = found.forward(problem.params, ends(lengths, problem.x), problem.state, lengths=lengths, checkpoint=checkpoint)
    whole = found.backward(trace, ends(lengths, problem.d_outputs), problem.d_state, truncate=truncate)
    total = dict.fromkeys(problem.params, 0.0)
    for k, length in enumerate(lengths):
        one = problem.alone(k)
        mine = found.forward(one.params, each(lambda array: array[:length], one.x), one.state)  # noqa: B023
        back = found.backward(mine, one.d_outputs[:length], one.d_state, truncate=truncate)
        for part, own in ((trace.outputs, mine.outputs), *zip(arrays(whole.inputs), arrays(back.inputs), strict=True)):
            near(part[:length, k], own, 1e-12)
            assert not part[length:, k].any()
        for part, own in (*zip(trace.state, mine.state, strict=True), *zip(whole.state, back.state, strict=True)):
            near(part[k], own, 1e-12)
        total = {key: value + back.params[key] for key, value in total.items()}
    for key, value in total.items():
        near(whole.params[key], value, 1e-12)


def same(found: Any, problem: Problem, checkpoint: int, truncate: int | None = None, lengths: list[int] | None = None) -> None:
    """The law of checkpoints: outputs, states and gradients are those of a run at once, to the last bit."""
    trace = found.forward(problem.params, problem.x, problem.state, lengths=lengths)
    again = found.forward(problem.params, problem.x, problem.state, checkpoint=checkpoint, lengths=lengths)
    for part, own in ((again.outputs, trace.outputs), *zip(again.state, trace.state, strict=True)):
        np.testing.assert_array_equal(part, own)
    gradients = problem.gradients(found.backward(trace, problem.d_outputs, problem.d_state, truncate=truncate))
    for key, value in problem.gradients(found.backward(again, problem.d_outputs, problem.d_state, truncate=truncate)).items():
        np.testing.assert_array_equal(value, gradients[key])


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize(("checkpoint", "truncate"), [(1, None), (3, 3), (100, 1)])
@pytest.mark.parametrize("name", BOTH)
def test_what_is_run_again_gives_the_same_to_the_bit(name: str, checkpoint: int, batched: bool, truncate: int | None) -> None:
    problem = Problem(CELLS[name.removeprefix(SLOW)], T=T, B=B)
    same(chunked(name), problem if batched else problem.alone(1), checkpoint, truncate)
    if batched:
        same(chunked(name), problem, checkpoint, truncate, LENGTHS[1])


@pytest.mark.parametrize("size", [(200, 1, 9, 7), (150, 3, 5, 4), (80, 40, 6, 3)], ids=str)
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "slstm", "mlstm", "lstm-2-layers-bidirectional"])
def test_the_chunks_of_a_module_leave_no_seam(name: str, size: tuple[int, int, int, int]) -> None:
    steps, batch, n, m = size
    problem = Problem(CELLS[name], T=steps, B=batch, n=n, m=m)
    problem.params = {key: 0.3 * value for key, value in problem.params.items()}
    for checkpoint in (1, 50, 65):
        same(function(name), problem, checkpoint, 30)


# --- truncation ----------------------------------------------------------------------------------------------------------


ONE_WAY = [name for name in BOTH if all(back == state.prev for state, back in CELLS[name.removeprefix(SLOW)].carried.items())]


def in_stretches(found: Any, problem: Problem, k: int) -> dict[Any, Array]:
    """Truncated gradients by the definition: each stretch of k steps alone, from the state it was handed as from a constant."""
    traces, state, gradients = [], problem.state, []
    for start in range(0, T, k):
        traces.append(found.forward(problem.params, each(lambda array: array[start:start + k], problem.x), state))  # noqa: B023
        state = traces[-1].state
    for start, trace in zip(range(0, T, k), traces, strict=True):
        d_state = problem.d_state if start + k >= T else None
        gradients.append(problem.gradients(found.backward(trace, problem.d_outputs[start:start + k], d_state)))
    total = {key: sum(each[key] for each in gradients) for key in problem.params}
    inputs = {key: np.concatenate([each[key] for each in gradients]) for key in gradients[0] if isinstance(key, tuple)}
    return {**total, **inputs, **{key: gradients[0][key] for key in gradients[0] if isinstance(key, int)}}


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("name", ONE_WAY)
def test_truncated_gradients_are_those_of_stretches_alone(name: str, k: int) -> None:
    problem, found = Problem(CELLS[name.removeprefix(SLOW)], T=T, B=B), function(name)
    trace = found.forward(problem.params, problem.x, problem.state)
    truncated = problem.gradients(found.backward(trace, problem.d_outputs, problem.d_state, truncate=k))
    for key, value in in_stretches(found, problem, k).items():
        near(truncated[key], value, 1e-12)
    whole = problem.gradients(found.backward(trace, problem.d_outputs, problem.d_state))
    if k < T and name.removeprefix(SLOW) in ("lstm", "gru", "mlstm"):
        assert not all(np.allclose(truncated[key], whole[key]) for key in problem.params)


def test_a_direction_that_runs_backward_counts_its_steps_from_its_own_start() -> None:
    """A network of two directions is two cells, one of which has the sequence turned around."""
    whole = sl.stack("rnn", 1, bidirectional=True)
    problem, one = Problem(whole, T=T, B=B), function("rnn")
    trace = sl.lambdify(whole).forward(problem.params, problem.x, problem.state)
    found = sl.lambdify(whole)
    gradients = found.backward(found.forward(problem.params, problem.x, problem.state), problem.d_outputs, problem.d_state, truncate=3)
    for k, (way, turn) in enumerate((("forward", 1), ("backward", -1))):
        params = {name: problem.params[f"{name}_{way}_1"] for name in ("W", "U", "b")}
        trace = one.forward(params, problem.x[::turn], problem.state[k:k + 1])
        mine = one.backward(trace, problem.d_outputs[::turn, :, 3 * k:3 * k + 3].copy(), problem.d_state[k:k + 1], truncate=3)
        for name, value in mine.params.items():
            near(gradients.params[f"{name}_{way}_1"], value, 1e-13)


# --- memory ---------------------------------------------------------------------------------------------------------------


def peak(call: Any) -> tuple[Any, int]:
    """The result of a call, and the most bytes that were held during it and not before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        return call(), tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def held(steps: int, checkpoint: int | None, name: str = "lstm", n: int = 12, batch: int = 4) -> float:
    """How many states a forward and backward pass holds at most, beside x, the outputs and the gradient by x."""
    found, generator = sl.lambdify(CELLS[name]), np.random.default_rng(0)
    params = {key: 0.3 * value for key, value in sl.random_parameters(found.cell, n, n).items()}
    x, d = generator.standard_normal((2, steps, batch, n))
    found.backward(found.forward(params, x[:3], checkpoint=1), d[:3])  # what is made once
    _, most = peak(lambda: found.backward(found.forward(params, x, checkpoint=checkpoint), d))
    return (most - 3 * x.nbytes) / (8 * batch * 2 * n)


def test_checkpoints_hold_what_grows_with_the_square_root_of_the_steps() -> None:
    """In states of the LSTM, h and c: T/k of them, and of k steps what both passes write, twelve a step. At once, four a step."""
    few, more = held(4096, 64), held(16384, 128)
    assert few <= 4096 / 64 + 13 * 64 + 100 and more <= 16384 / 128 + 13 * 128 + 100
    assert more <= 2.2 * few
    assert held(4096, None) >= 3.5 * 4096 > 14 * few


# --- what cannot be --------------------------------------------------------------------------------------------------------


P, F = Problem(CELLS["lstm"], T=T, B=B), function("lstm")


@pytest.mark.parametrize(("how", "words"), [
    ({"checkpoint": 0}, ("checkpoint is a number of steps", "checkpoint=0", "from 1 on")),
    ({"checkpoint": -2}, ("checkpoint=-2",)),
    ({"checkpoint": 2.5}, ("checkpoint=2.5",)),
    ({"checkpoint": True}, ("checkpoint=True",)),
    ({"lengths": [7, 3, 5]}, ("not one length for each sequence", "(3,)", "x has 4 sequences", "4 integers")),
    ({"lengths": [[7, 3, 5, 3]]}, ("(1, 4)",)),
    ({"lengths": 7}, ("()", "4 integers")),
    ({"lengths": [7, 3, 0, 3]}, ("lengths[2] is 0", "from 1 to T = 7")),
    ({"lengths": [7, 8, 5, 3]}, ("lengths[1] is 8", "from 1 to T = 7")),
    ({"lengths": [7.0, 3, 5, 3]}, ("Lengths are integers", "float64")),
    ({"lengths": [True] * 4}, ("Lengths are integers", "bool")),
    ({"lengths": ["a"] * 4}, ("Lengths are integers",)),
])
def test_how_it_cannot_be_run(how: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(NotValid) as caught:
        F.forward(P.params, P.x, **how)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_how_it_cannot_be_run_backward() -> None:
    trace = F.forward(P.params, P.x)
    for k in (0, -1, 1.5, "2", True):
        with pytest.raises(NotValid, match="truncate is a number of steps"):
            F.backward(trace, P.d_outputs, truncate=k)  # type: ignore[arg-type]
    with pytest.raises(NotValid, match=r"Without a batch there is one sequence.*\n.*\n.*x\[:length\]"):
        F.forward(P.params, P.x[:, 0], lengths=[3])
    other = sl.lambdify(CELLS["lstm"])
    for how in ({"checkpoint": 2}, {"lengths": LENGTHS[0]}):
        with pytest.raises(NotValid, match="not one of this function's forward passes"):
            other.backward(F.forward(P.params, P.x, **how), P.d_outputs)
        trace = F.forward(P.params, P.x, **how)
        assert repr(trace) == "Trace(outputs=(7, 4, 3), state=((4, 3), (4, 3)))"
        with pytest.raises(NotValid, match=r"d_outputs has the shape \(6, 4, 3\)"):
            F.backward(trace, P.d_outputs[1:])


# --- the laws can fail ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "wrong"), [
    ("order", property(lambda self: None if self.lengths is None else np.arange(len(self.lengths)))),
    ("silent", lambda self, values: values),
    ("held", lambda self, values: values),
    ("let_go", lambda self, values: values),
    ("turned", lambda self, array: array[::-1]),
    ("turned_back", lambda self, array: array[::-1]),
])
def test_a_plan_that_is_wrong_is_seen(part: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, part, wrong)
    with pytest.raises((AssertionError, NotValid)), np.errstate(all="ignore"):
        for lengths in LENGTHS:
            for name in ("lstm", "read-a-step-off", "the-other-way", "lstm-2-layers-bidirectional"):
                test_sequences_of_different_lengths_are_each_alone(name, lengths, None, 3)
            test_a_head_is_computed_where_there_is_something_only(lengths)
