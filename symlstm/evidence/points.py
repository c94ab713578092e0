"""A generic point: arrays at which a cell's run is of order one, and clear of kinks and of divisions by almost nothing.

Many points are drawn at once and run side by side. Left out are those with a value too large, a divisor near zero, or a
maximum whose two sides nearly meet: at a kink nothing is claimed. Of the others that one is chosen at which each maximum
(and so each relu and absolute value) falls most evenly on its two sides, so that both are exercised; or, on demand, one at
which the two sides come close, so that a formula with another sign in it is found out.

>>> from symlstm import zoo
>>> point = generic(zoo.cell("slstm"), steps=6, sizes={"n": 3, "m": 2})
>>> len(point.inputs), [value.shape for value in point.states]
(6, [(3, 1), (3, 1), (3, 1), (3, 1)])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symlstm.activations import X, activation
from symlstm.algebra import Term
from symlstm.evaluate import ELEMENTARY, Array, Evaluator, forward
from symlstm.model import Cell

CANDIDATES = 64
LARGEST = 20.0  # of any value
CLEAR = 1e-3  # between the two sides of a maximum
DIVISOR = 0.1  # at least, of anything that divides; its square of what a root is taken of


@dataclass(frozen=True, slots=True)
class Point:
    """What a run starts from: arrays with rows and columns; an input for each step, a tuple where there are several."""

    params: Mapping[str, Array]
    inputs: Sequence[tuple[Array, ...]]
    states: Sequence[Array]
    weights: Array  # of the loss: linear and quadratic, for each step
    arriving: Sequence[Array]  # the adjoint of each state after the last step


def generic(cell: Cell, steps: int, sizes: Mapping[str, int], seed: int = 0) -> Point:
    """The best of many points drawn at random, always the same for the same seed; where none is good, the first."""
    drawn = _drawn(cell, steps, sizes, np.random.default_rng(seed))
    clear, gaps = _looked_at(cell, drawn)
    return _chosen(drawn, int(np.argmax(clear * (1 + _balance(gaps)))))


def close(cell: Cell, steps: int, sizes: Mapping[str, int], seed: int, count: int) -> Point:
    """Those of many points at which the two sides of maxima are nearest to each other, though never nearer than `CLEAR`.

    They stay side by side: every array has one more axis, in front.
    """
    drawn = _drawn(cell, steps, sizes, np.random.default_rng(seed))
    clear, gaps = _looked_at(cell, drawn)
    order = np.argsort(-(clear * _closeness(gaps)), kind="stable")
    return _chosen(drawn, np.array([place for place in order[:count] if clear[place]], dtype=int))


def _chosen(drawn: Point, place: Any) -> Point:
    """One of the candidates, or some of them side by side."""
    return Point(
        {name: value[place] for name, value in drawn.params.items()},
        [tuple(value[place] for value in given) for given in drawn.inputs],
        [value[place] for value in drawn.states],
        drawn.weights[place],
        [value[place] for value in drawn.arriving],
    )


def _drawn(cell: Cell, steps: int, sizes: Mapping[str, int], draw: np.random.Generator) -> Point:
    """All candidates side by side: every array has one more axis, in front."""
    def normal(name: str, *more: int) -> Array:
        return draw.standard_normal((CANDIDATES, *more, *cell.shapes.at(name, sizes)))

    return Point(
        {symbol.name: normal(symbol.name) for symbol in cell.parameter_terms},
        [tuple(normal(symbol.name) for symbol in cell.input_terms) for _ in range(steps)],
        [normal(state.name) for state in cell.state_terms],
        normal(cell.output_term.name, 2, steps),
        [normal(state.name) for state in cell.state_terms],
    )


@dataclass(slots=True)
class _Seen:
    """What was met on a run, in order: the differences of the two sides of maxima, what divides, what must be positive."""

    gaps: list[Array] = field(default_factory=list)
    divisors: list[Array] = field(default_factory=list)
    positive: list[Array] = field(default_factory=list)


class _Watching(Evaluator):
    """Takes note of every maximum and divisor, inside the formulas of functions too."""

    def __init__(self, leaf: Callable[[Term], Array], sizes: Mapping[str, int], seen: _Seen) -> None:
        super().__init__(leaf, sizes=sizes)
        self.seen = seen

    def apply(self, name: str, x: Array) -> Array:
        if activation(name).positive:
            self.seen.positive.append(x)
        if name in ELEMENTARY:
            return super().apply(name, x)
        return _Watching({X: x}.__getitem__, self.sizes, self.seen)(activation(name).formula)  # type: ignore[arg-type]

    def larger(self, left: Array, right: Array) -> Array:
        if np.ndim(left - right):
            self.seen.gaps.append(left - right)
        return super().larger(left, right)

    def divide(self, above: Array, below: Array) -> Array:
        self.seen.divisors.append(below)
        return super().divide(above, below)


def _looked_at(cell: Cell, drawn: Point) -> tuple[Array, list[list[Array]]]:
    """Whether each candidate is clear, and for each maximum of the equations its differences at every step."""
    seen = _Seen()

    def watching(leaf: Callable[[Term], Array], sizes: Mapping[str, int]) -> Evaluator:
        return _Watching(leaf, sizes, seen)

    with np.errstate(all="ignore"):  # a run that leaves the numbers is left out by what comes of it
        trace = forward(cell, drawn.params, drawn.inputs, drawn.states, evaluator=watching)
        clear = np.ones(CANDIDATES, dtype=bool)
        for step in trace:
            for value in step.values():
                clear &= _all(np.abs(value) < LARGEST)
        for value in seen.divisors:
            clear &= _all(np.abs(value) > DIVISOR)
        for value in seen.positive:
            clear &= _all(value > DIVISOR**2)
        for gap in seen.gaps:
            clear &= _all(np.abs(gap) > CLEAR)
    places = len(seen.gaps) // len(drawn.inputs)  # the same maxima at every step
    return clear, [seen.gaps[place::places] for place in range(places)]


def _balance(gaps: list[list[Array]]) -> Array:
    """For each candidate the smallest share that any maximum has on one of its sides."""
    above = [np.mean([np.mean(gap > 0, axis=(-2, -1)) for gap in over_time], axis=0) for over_time in gaps]
    return np.min([np.ones(CANDIDATES), *(np.minimum(share, 1 - share) for share in above)], axis=0)


def _closeness(gaps: list[list[Array]]) -> Array:
    """For each candidate how near to 1, from 0, the two sides of its widest maximum come on the average."""
    widths = [np.mean([np.mean(np.abs(gap), axis=(-2, -1)) for gap in over_time], axis=0) for over_time in gaps]
    return 1 / (1 + np.max([np.zeros(CANDIDATES), *widths], axis=0))


def _all(holds: Any) -> Any:
    """Of every run, whether it holds for all entries; a bare number is the same in all runs."""
    return np.all(holds, axis=(-2, -1)) if np.ndim(holds) else holds
