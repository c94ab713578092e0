"""Where a number that is not finite came from: the quantity of the cell that was the first, where all that was given is finite.

Nobody asks before such a number has come out: to look at every number that goes in would cost more than a small cell does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from symlstm import evaluate
from symlstm.algebra import NotValid, defined
from symlstm.checks import Checks, Fit, Prepared, finite, refuse
from symlstm.model import Cell
from symlstm.segments import Plan, Values, Whole, arrays, each

Array = Any
States = tuple[Array, ...]
STRETCH = 64  # steps that are gone through equation by equation


def of_forward(cell: Cell, checks: Checks, ahead: Callable[..., Any], params: Any, x: Values, state: States | None, fit: Fit,
               plan: Plan | None, trace: Any) -> None:
    """Raise `NotValid` for what made a number that is not finite: what is given, or else, if there is a trace, the cell."""
    refuse(params.params if isinstance(params, Prepared) else params)
    refuse(checks.named(x))
    refuse(checks.called("the state", state or ()))
    if trace is None:
        return
    start, where = state or tuple(np.zeros(shape, fit.dtype) for shape in fit.states), " (counted from 1)"
    if fit.batch:
        k = _row(trace.outputs, trace.state)
        stop = fit.steps if plan is None or plan.lengths is None else plan.lengths[k]
        x, start = each(lambda array: array[:stop, k], x), tuple(part[k] for part in start)
        where = f" of sequence {k + 1} (both counted from 1)"
    raise overflow(cell, ahead, params, x, start, where)


def of_backward(checks: Checks, d_outputs: Array, d_state: States | None, found: Any) -> NotValid:
    """What made a gradient that is not finite: what is given, or else the cell."""
    refuse({"d_outputs": d_outputs} | checks.called("d_state for", d_state or ()))
    gradients = checks.named(found.inputs) | checks.called("the state", found.state)
    name, array = next((name, array) for name, array in gradients.items() if not finite(array))
    last = tuple(map(int, np.argwhere(~np.isfinite(array))[-1]))
    narrow = ", or float64" * (array.dtype == np.float32)
    return NotValid("A gradient is not a finite number.", f"the gradient by {name}{list(last)} is {array[last]}",
                    f"finite numbers in params, smaller ones in d_outputs and d_state, or truncate=k{narrow}")


def _row(outputs: Array, state: States) -> int:
    """The first sequence of a batch with a number that is not finite."""
    parts = (outputs.swapaxes(0, 1), *state)
    return int(np.argmin(np.all([np.isfinite(part.reshape(len(part), -1)).all(1) for part in parts], 0)))


def overflow(cell: Cell, ahead: Callable[..., Any], params: Any, x: Values, state: States, where: str) -> NotValid:
    """The first quantity of a cell that is not finite, over one sequence, without a batch; all that is given is finite.

    `ahead` runs the cell over inputs from a state; `where` says in words which sequence it is.
    """
    weights, named = (params.weights, params.params) if isinstance(params, Prepared) else (params, params)
    with np.errstate(all="ignore"):
        for first, inputs, start in _stretches(cell, partial(ahead, weights), x, state):
            for name, t, value in _quantities(cell, named, inputs, start):
                if not finite(value):
                    narrow = ", or float64" * (arrays(x)[0].dtype == np.float32)
                    return NotValid(
                        "The cell comes to a number that is not finite.",
                        f"{name} at step {first + t}{where} holds {value[~np.isfinite(value)][0]}; all before it is finite",
                        f"smaller numbers in params, x and state{narrow}")
    raise AssertionError(f"the equations of {cell.name} give finite numbers")


def _stretches(cell: Cell, ahead: Callable[..., Any], x: Values, state: States) -> Iterator[tuple[int, Values, States]]:
    """Where to look, and the state there: where numbers cease to be finite, or all, where time runs both ways."""
    if any(back == state.next for state, back in cell.carried.items()):
        yield 0, x, state
        return
    plan = Plan(len(arrays(x)[0]), (), checkpoint=STRETCH)
    trace = Whole(lambda _, *given: ahead(*given), ahead, plan).forward(None, x, state)
    starts = trace.kept[2]
    for segment, start, end in zip(plan.segments, starts, (*starts[1:], trace.state), strict=True):
        if not finite(*arrays(plan.cut(trace.outputs, segment)), *end):
            yield segment.steps.start, plan.cut(x, segment), start


def _quantities(cell: Cell, params: Mapping[str, Array], x: Values, state: Sequence[Array]) -> Iterator[tuple[str, int, Array]]:
    """The quantities of a cell in order of evaluation, each with its step, counted from 1, and its value."""
    column = evaluate.column
    steps = list(zip(*(map(column, array) for array in arrays(x)), strict=True))
    found = evaluate.forward(cell, {name: column(value) for name, value in params.items()},
                             [step[0] for step in steps] if isinstance(x, np.ndarray) else steps, [*map(column, state)])
    for part in cell.parts:
        for t in range(1, len(steps) + 1) if part.step >= 0 else range(len(steps), 0, -1):
            for line in part.equations:
                yield defined(line).name, t, found[t][defined(line).name]
