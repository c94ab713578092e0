"""Both cells in numbers: a generic sequence, how far the outputs are apart on it, and a plain one where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from symlstm.algebra import Sym, Time, plain
from symlstm.equivalence.pairs import Pair, Run
from symlstm.evaluate import Array, rounded

STEPS = 4
VISIBLE = 0.02  # a counterexample that is made plainer stays at least so far apart


@dataclass(frozen=True)
class Point:
    """One sequence in numbers: the parameters and the initial states of the first cell, and its inputs step by step."""

    both: Pair
    n: int
    m: int
    values: Mapping[Sym, Array]
    steps: int = STEPS
    sizes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def drawn(cls, both: Pair, n: int, m: int, seed: int) -> Point:
        """Generic numbers of two decimals, so that a person can copy them."""
        draw, shapes = np.random.default_rng(seed), both.left.shapes
        sizes = {"n": n, "m": m}
        steps = range(1, STEPS + 1)
        symbols = [*both.free, *(state.at(Time("", 0)) for state in both.left.state_terms)]
        symbols += [symbol.at(Time("", t)) for t in steps for symbol in both.left.input_terms]
        values = {symbol: np.round(draw.standard_normal(shapes.at(symbol.name, sizes)), 2) for symbol in symbols}
        return cls(both, n, m, values, sizes=shapes.full(sizes))

    def run(self) -> Run:
        """Both cells over this sequence."""
        params = {symbol.name: self.values[symbol] for symbol in self.both.free}
        states = [self.values[state.at(Time("", 0))] for state in self.both.left.state_terms]
        xs = [
            tuple(self.values[symbol.at(Time("", t))] for symbol in self.both.left.input_terms) for t in range(1, self.steps + 1)
        ]
        with np.errstate(all="ignore"):
            return self.both.run(params, xs, states)

    def gaps(self) -> list[float]:
        """How far the outputs are apart at each step, of their size; minus infinity where there is nothing to compare."""
        return [gap(left, right) for _, left, right in self.run().outputs()]

    def gap(self) -> float:
        """The largest of them."""
        return max(self.gaps(), default=-np.inf)

    def shorter(self) -> Point:
        """The same as far as the first step at which the difference is visible."""
        gaps = self.gaps()
        steps = next(k for k, gap in enumerate(gaps, start=1) if gap >= min(VISIBLE, max(gaps)))
        values = {symbol: value for symbol, value in self.values.items() if symbol.time is None or symbol.time.offset <= steps}
        return replace(self, values=values, steps=steps)

    def plainer(self) -> Point:
        """The same with as many numbers 0 or 1 as leave the difference visible: whole arrays first, then single entries."""
        found, limit = self, min(VISIBLE, self.gap() / 2)
        whole = [(symbol, np.s_[:, :]) for symbol in self.values]
        entries = [
            (symbol, place) for symbol, value in self.values.items() if value.size > 1 for place in np.ndindex(*value.shape)
        ]
        for symbol, place in (*whole, *whole, *entries):
            for simple in (0.0, 1.0):
                value = found.values[symbol].copy()
                value[place] = simple
                trial = replace(found, values={**found.values, symbol: value})
                if trial.gaps()[-1] >= limit:
                    found = trial
                    break
        return found

    def told(self) -> dict[str, Any]:
        """The sequence and both outputs as plain data."""
        run = self.run()
        step, left, right = list(run.outputs())[-1]
        output = self.both.left.output_term.name
        return {
            "step": step,
            "output": output,
            "left": rounded(left),
            "right": rounded(right),
            "sizes": dict(ordered(self.sizes)),
            "where": {plain(symbol): rounded(value) for symbol, value in self.values.items()},
        }


def ordered(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    """Sizes with n and m first."""
    return sorted(sizes.items(), key=lambda item: ("n", "m", item[0]).index(item[0]))


def gap(left: Array, right: Array) -> float:
    """How far two arrays are apart, of their size; minus infinity where one is no number."""
    if not (np.all(np.isfinite(left)) and np.all(np.isfinite(right))):
        return -np.inf
    size = max(1.0, float(np.max(np.abs(left))), float(np.max(np.abs(right))))
    return float(np.max(np.abs(left - right))) / size
