"""Long sequences: what is run in segments is what is run at once, for every cell there is.

Checkpoints, sequences of different lengths, truncation, and all of them together.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.segments import arrays, each
from tests.problems import Problem, changed, near
from tests.test_functions import BOTH, CELLS, SLOW, function

Array = Any
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
    problem, found = Problem(CELLS[name], T=T, B=B), chunked(name)
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
