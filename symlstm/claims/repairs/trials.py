r"""Candidates for a right side, tried fast: evaluated at one step of one sequence, with what they share worked out once.

A candidate that agrees there with the left side is tried at other steps and on the other sequence, and only what is left
is judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from symlstm.algebra import Relation, Term
from symlstm.claims.judging.cases import Case
from symlstm.claims.judging.comparing import agree, misfit
from symlstm.claims.judging.judgement import _Judge
from symlstm.claims.judging.outcomes import Extended
from symlstm.claims.judging.points import entries, free_indices, points, variables_of
from symlstm.claims.judging.values import Reading
from symlstm.claims.models.arithmetic import NO_VALUE, Array
from symlstm.claims.models.runs import Run

FAILURES = (*NO_VALUE, ArithmeticError, ValueError, TypeError, KeyError, AssertionError, IndexError,
            AttributeError, RecursionError, np.linalg.LinAlgError)  # fmt: skip


class _Remembering(Extended):
    """A valuer that works out each part once, as long as the times are the same."""

    memory: dict[Any, tuple[Term, Array]]

    def __call__(self, node: Term) -> Array:
        key = (id(node), self.in_product, *self.times.values(), *self.indices.values())
        known = self.memory.get(key)
        if known is None:
            known = self.memory[key] = (node, super().__call__(node))
        return known[1]


@dataclass(slots=True)
class Trial:
    """One place at which candidates are compared with what they should be."""

    valuer: _Remembering
    wanted: Array

    def value(self, side: Term) -> Array | None:
        """The value of a side; None where it has none."""
        valuer = self.valuer
        state = valuer.times, valuer.indices, valuer.local, valuer.in_product
        try:
            with np.errstate(all="ignore"):
                return valuer(side)
        except FAILURES:
            return None
        finally:
            valuer.times, valuer.indices, valuer.local, valuer.in_product = state

    def passes(self, side: Term) -> bool:
        """Whether a right side agrees with the left one."""
        value = self.value(side)
        return value is not None and not misfit(self.wanted, value, side) and agree(self.wanted, value)


def trials(case: Case, left: Term, line: Relation, readings: Iterable[Reading] | None = None) -> list[list[Trial]]:
    """For each reading of first rank the places to try, the most telling first; nothing where the left side has no value."""
    chosen = readings if readings is not None else _Judge(case, line).primary()
    found = ([trial for run in case.runs for trial in _places(case, run, left, line, reading)] for reading in chosen)
    return [places for places in found if places]


def _places(case: Case, run: Run, left: Term, line: Relation, reading: Reading) -> list[Trial]:
    every = [each | more for each in points(case, line) for more in entries(free_indices(line))]
    chosen = sorted(every, key=lambda times: (times.get("t", 1) not in (2, 3), len(set(times.values())) < len(times)))
    found: list[Trial] = []
    variables, indices = variables_of(case, line), free_indices(line)
    for times in chosen:
        valuer = _Remembering(run, reading, {letter: k for letter, k in times.items() if letter not in indices}, variables)
        valuer.indices = {letter: k for letter, k in times.items() if letter in indices}
        valuer.memory = {}
        try:
            found.append(Trial(valuer, valuer(left)))
        except FAILURES:
            continue
        if len(found) == 3:
            break
    return found


def passing(places: list[Trial], side: Term) -> bool:
    """Whether a candidate agrees at every place, the first one first."""
    return all(trial.passes(side) for trial in places)


__all__ = ["FAILURES", "Trial", "passing", "trials"]
