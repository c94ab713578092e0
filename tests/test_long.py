"""Long sequences: what is run in segments is what is run at once, for every cell there is.

Checkpoints, sequences of different lengths, truncation, and all of them together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symlstm.segments import arrays, each
from tests.problems import Problem, near
from tests.test_functions import CELLS, function

Array = Any
T, B = 7, 4
LENGTHS = ([7, 3, 5, 3], [2, 6, 1, 6])  # with the longest first, and not; the second leaves the last step to nobody


def ends(lengths: list[int], values: Any) -> Any:
    """A copy with no number at all past the end of each sequence."""
    past = np.arange(T)[:, None] >= lengths
    return each(lambda array: np.where(past.reshape(T, B, *(1,) * (array.ndim - 2)), np.nan, array), values)


@pytest.mark.parametrize("checkpoint", [None, 2])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", CELLS)
def test_sequences_of_different_lengths_are_each_alone(name: str, lengths: list[int], checkpoint: int | None) -> None:
    problem, found = Problem(CELLS[name], T=T, B=B), function(name)
    trace = found.forward(problem.params, ends(lengths, problem.x), problem.state, lengths=lengths, checkpoint=checkpoint)
    whole = found.backward(trace, ends(lengths, problem.d_outputs), problem.d_state)
    total = dict.fromkeys(problem.params, 0.0)
    for k, length in enumerate(lengths):
        one = problem.alone(k)
        mine = found.forward(one.params, each(lambda array: array[:length], one.x), one.state)  # noqa: B023
        back = found.backward(mine, one.d_outputs[:length], one.d_state)
        for part, own in ((trace.outputs, mine.outputs), *zip(arrays(whole.inputs), arrays(back.inputs), strict=True)):
            near(part[:length, k], own, 1e-12)
            assert not part[length:, k].any()
        for part, own in (*zip(trace.state, mine.state, strict=True), *zip(whole.state, back.state, strict=True)):
            near(part[k], own, 1e-12)
        total = {key: value + back.params[key] for key, value in total.items()}
    for key, value in total.items():
        near(whole.params[key], value, 1e-12)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("checkpoint", [1, 3, 100])
@pytest.mark.parametrize("name", CELLS)
def test_what_is_run_again_gives_the_same(name: str, checkpoint: int, batched: bool) -> None:
    problem, found = Problem(CELLS[name], T=T, B=B), function(name)
    problem = problem if batched else problem.alone(1)
    trace = found.forward(problem.params, problem.x, problem.state)
    again = found.forward(problem.params, problem.x, problem.state, checkpoint=checkpoint)
    for part, own in ((again.outputs, trace.outputs), *zip(again.state, trace.state, strict=True)):
        near(part, own, 1e-13)
    gradients = problem.gradients(found.backward(trace, problem.d_outputs, problem.d_state))
    for key, value in problem.gradients(found.backward(again, problem.d_outputs, problem.d_state)).items():
        near(value, gradients[key], 1e-12)
