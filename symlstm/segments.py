"""A run over a long sequence in segments, the state handed from one to the next.

A `Segment` is a stretch of steps of the sequences that are under way in it. Two things are nothing but segments: with
checkpoints each keeps only the state that it starts from, and is run again when gradients are asked for; with sequences of
different lengths a segment ends where one of them does, and the next has the rest of the batch. Backward the segments come
in the opposite order, and hand on the adjoint of the state; a truncated one hands on nothing where a stretch begins.

What runs backward in time somewhere, as a network of two directions, cannot be cut so: its state comes from the other end.
Then every part is run in segments over the whole sequence, each sequence turned around at its own end (`Parts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Module = Mapping[str, Any]  # the names of a generated module
Values = Any  # an array, or several: a tuple or a dictionary of them
States = tuple["Array", ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Some steps, and in them the sequences that are under way: the first ones, longest first."""

    steps: slice
    rows: slice | EllipsisType


@dataclass(frozen=True, eq=False)
class Plan:
    """How a run is cut: `steps` in all, `batch` as the axes behind them, () or (B,), the `lengths` of the sequences.

    A segment has at most `checkpoint` steps, rounded up to whole chunks, counted from where the batch last changed: what is
    computed for a chunk of steps at once, whose length `chunk` gives by the size of the batch, must not be cut if every
    gradient is to be the same to the last bit.

    >>> [segment.steps.stop for segment in Plan(5, (3,), np.array([5, 2, 5]), 2).segments]
    [2, 4, 5]
    """

    steps: int
    batch: tuple[int, ...]
    lengths: Array | None = None
    checkpoint: int | None = None
    chunk: Callable[[int], int] = lambda _: 1

    @cached_property
    def order(self) -> Array | None:
        """The sequences, longest first; None where all are equally long."""
        return None if self.lengths is None else np.argsort(-self.lengths, kind="stable")

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(self._segments())

    def _segments(self) -> Iterator[Segment]:
        start = 0
        for stop in (self.steps,) if self.lengths is None else np.unique(self.lengths).tolist():
            count = int((self.lengths > start).sum()) if self.lengths is not None else self.batch[0] if self.batch else 1
            chunk = self.chunk(count)
            most = -(-self.checkpoint // chunk) * chunk if self.checkpoint else stop - start
            for first in range(start, stop, most):
                yield Segment(slice(first, min(first + most, stop)), slice(count) if self.batch else ...)
            start = stop

    # --- what is over time, and what each sequence has one of ---

    def place(self, segment: Segment) -> Any:
        """Where a segment stands in an array over all steps and sequences."""
        return segment.steps if self.order is None else (segment.steps, self.order[segment.rows])

    def cut(self, values: Values, segment: Segment) -> Values:
        """What a segment has of something over time."""
        return each(lambda array: array[self.place(segment)], values)

    def put(self, into: Values, values: Values, segment: Segment) -> Values:
        """Put what a segment gives in its place over time; None is made an array of zeros first."""
        if into is None:
            own = 1 + len(self.batch)
            into = each(lambda array: np.zeros((self.steps, *self.batch, *array.shape[own:]), array.dtype), values)
        for array, part in zip(arrays(into), arrays(values), strict=True):
            array[self.place(segment)] = part
        return into

    def arranged(self, states: States) -> States:
        """Copies of states, the longest sequences first."""
        return tuple(part.copy() if self.order is None else part[self.order] for part in states)

    def restored(self, states: States) -> States:
        """States in the order of the batch."""
        return states if self.order is None else tuple(part[np.argsort(self.order)] for part in states)

    # --- past the end of a sequence ---

    @cached_property
    def _past(self) -> Array:
        """Which steps of which sequences are past the end."""
        assert self.lengths is not None
        return np.arange(self.steps)[:, None] >= self.lengths

    def _gathered(self, array: Array, steps: Array) -> Array:
        return array[steps, np.arange(array.shape[1])]

    def silent(self, values: Values) -> Values:
        """Zero past the end of each sequence."""
        return values if self.lengths is None else each(lambda array: _where(self._past, 0, array), values)

    def held(self, values: Values) -> Values:
        """Past the end of each sequence, its last step: what has no memory may be computed there too."""
        if self.lengths is None:
            return values
        steps = np.minimum(np.arange(self.steps)[:, None], self.lengths - 1)
        return each(lambda array: self._gathered(array, steps), values)

    def let_go(self, values: Values) -> Values:
        """The adjoint of `held`: what is past the end of a sequence is added to its last step."""
        return values if self.lengths is None else each(self._let_go, values)

    def _let_go(self, array: Array) -> Array:
        found, rows = _where(self._past, 0, array), np.arange(array.shape[1])
        assert self.lengths is not None
        found[self.lengths - 1, rows] += (array - found).sum(0)
        return found

    def turned(self, array: Array) -> Array:
        """Each sequence from its last step to its first, and held there."""
        if self.lengths is None:
            return array[::-1]
        return self._gathered(array, np.maximum(self.lengths - 1 - np.arange(self.steps)[:, None], 0))

    def turned_back(self, array: Array) -> Array:
        """The adjoint of `turned`."""
        return array[::-1] if self.lengths is None else self.silent(self.turned(self.let_go(array)))


class LongTrace:
    """What a forward pass in segments gives: `outputs` at every step, `state` at the end, and what its `run` keeps."""

    def __init__(self, outputs: Values, state: States, run: Whole | Parts, kept: Any) -> None:
        self.outputs, self.state, self.run, self.kept = outputs, state, run, kept

    def __repr__(self) -> str:
        return f"Trace(outputs={self.outputs.shape}, state={tuple(part.shape for part in self.state)})"


@dataclass(frozen=True, eq=False)
class Whole:
    """A pair of functions, run in segments."""

    ahead: Callable[..., Any]
    back: Callable[..., Any]
    plan: Plan

    @property
    def home(self) -> object:
        """What tells whose run it is."""
        return self.ahead

    def forward(self, params: Any, x: Values, state: States | None) -> LongTrace:
        """Run forward; x and params are kept as they are, and read again where there are checkpoints."""
        plan, outputs, kept = self.plan, None, []
        ends = None if state is None else plan.arranged(state)
        for segment in plan.segments:
            start = None if ends is None else tuple(part[segment.rows] for part in ends)
            trace = self.ahead(params, plan.cut(x, segment), start)
            outputs = plan.put(outputs, trace.outputs, segment)
            kept.append(trace if plan.checkpoint is None else start and tuple(part.copy() for part in start))
            ends = _handed(ends, trace.state, segment)
            del trace  # where there are checkpoints, one segment at a time is held
        assert ends is not None
        return LongTrace(outputs, plan.restored(ends), self, (params, x, kept) if plan.checkpoint else (None, None, kept))

    def backward(self, trace: LongTrace, d_outputs: Values, d_state: States | None, truncate: int | None = None) -> Any:
        """All gradients, as the generated function gives them."""
        plan, (params, x, kept) = self.plan, trace.kept
        d_x: Values = None
        found: Any = None
        d_ends = plan.arranged(tuple(map(np.zeros_like, trace.state)) if d_state is None else d_state)
        for segment, own in zip(reversed(plan.segments), reversed(kept), strict=True):
            if plan.checkpoint:
                own = self.ahead(params, plan.cut(x, segment), own)
            start, d_end = segment.steps.start, tuple(part[segment.rows] for part in d_ends)
            found = self.back(own, plan.cut(d_outputs, segment), d_end, truncate, into=found, since=start)
            d_x = plan.put(d_x, found.inputs, segment)
            d_ends = _handed(d_ends, found.state, segment)
            del own
            if truncate and start and start % truncate == 0:  # nothing goes on to the segment before
                for part in d_ends:
                    part[segment.rows] = 0
        found.inputs, found.state = d_x, plan.restored(d_ends)
        return found


@dataclass(frozen=True, eq=False)
class Parts:
    """A module that runs parts one after the other, each of them in segments.

    `fresh` gives its names anew: there the functions of the parts, and the one that turns a sequence around, are others.
    """

    fresh: Callable[[], dict[str, Any]]
    plan: Plan

    @property
    def home(self) -> object:
        """What tells whose run it is."""
        return self.fresh

    def forward(self, params: Any, x: Values, state: States | None) -> LongTrace:
        module, plan = self.fresh(), replace(self.plan, batch=self.plan.batch or (1,))
        for name in _parts(module):
            ahead, back = module[f"{name}_forward"], module[f"{name}_backward"]
            module[f"{name}_forward"] = partial(self._part_forward, Whole(ahead, back, plan))
        module["turned"], module["Weights"] = self.plan.turned, type(params)
        trace = module["forward"](params, self.plan.held(x), self._batched(state))
        return LongTrace(self.plan.silent(trace.outputs), trace.state, self, trace)

    def _batched(self, states: States | None) -> States | None:
        """A part always has a batch, if only of one sequence."""
        return states if states is None or self.plan.batch else tuple(part[None] for part in states)

    def _part_forward(self, run: Whole, params: Any, x: Values, state: States | None, workspace: None = None) -> LongTrace:
        trace = run.forward(params, x, state)
        trace.outputs = self.plan.held(trace.outputs)
        return trace

    def backward(self, trace: LongTrace, d_outputs: Values, d_state: States | None, truncate: int | None = None) -> Any:
        module = self.fresh()
        for name in _parts(module):
            module[f"{name}_backward"] = self._part_backward
        module["turned"] = self.plan.turned_back
        found = module["backward"](trace.kept, self.plan.silent(d_outputs), self._batched(d_state), truncate)
        found.inputs = self.plan.let_go(found.inputs)
        return found

    def _part_backward(self, trace: LongTrace, d_outputs: Values, d_state: States | None, truncate: int | None = None,
                       *_: Any) -> Any:
        return trace.run.backward(trace, self.plan.let_go(d_outputs), d_state, truncate)


def _parts(module: Module) -> list[str]:
    """What the pairs of functions of the parts are called."""
    return [name.removesuffix("_forward") for name in module if name.endswith("_forward")]


def _handed(whole: States | None, states: States, segment: Segment) -> States:
    """The states of all sequences, after a segment of some of them; the first segment has all."""
    if whole is None:
        return tuple(part.copy() for part in states)
    for part, own in zip(whole, states, strict=True):
        part[segment.rows] = own
    return whole


def arrays(values: Values) -> list[Array]:
    """The arrays of something that is one or has several."""
    return list(values.values()) if isinstance(values, dict) else list(values) if isinstance(values, tuple) else [values]


def each(change: Callable[[Array], Array], values: Values) -> Values:
    """The same with every array changed."""
    if isinstance(values, dict):
        return {name: change(array) for name, array in values.items()}
    return tuple(map(change, values)) if isinstance(values, tuple) else change(values)


def _where(past: Array, value: float, array: Array) -> Array:
    """A copy with a value past the ends."""
    found = array.copy()
    found[past] = value
    return found
