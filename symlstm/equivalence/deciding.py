r"""Equal, with a proof; not equal, with a counterexample; or not decided.

First both cells are run in numbers, over generic sequences from small sizes on: where the outputs differ, that is a
counterexample, and it is made as plain as it can be. Where they agree, one step of both is run over a field whose
generators are the parameters, the input and the states: if the states are related as the map says at t-1, they are so at t,
and the outputs are equal. By induction this holds at every step of every sequence.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any

import numpy as np

from symlstm import zoo
from symlstm.algebra import Div, NotSupported, Relation, plain, walk
from symlstm.equivalence.maps import Where, lines, parts
from symlstm.equivalence.pairs import Pair, pair
from symlstm.equivalence.points import STEPS, Point, gap, ordered
from symlstm.equivalence.proving import named, proof
from symlstm.evaluate import rounded
from symlstm.evidence.components import SIZES
from symlstm.model import Cell

SMALL = ((1, 1), (1, 2), (2, 1), (2, 3), (3, 2))  # n and m, the smallest first
SEEDS = 3
SAME, DIFFERENT = 1e-12, 1e-6  # of the size of the numbers; between them nothing is said
CLEAR = 1e-3  # what differs by less may be rounding, so a proof is looked for first
WIDTH = 118  # of a line that is printed


@dataclass(frozen=True)
class Equivalence:
    """Whether two cells compute the same: `equal` is True, False, or None where that is not decided, `note` says why.

    `counterexample` has numbers for which the outputs differ: the step, both outputs, the sizes, and all that they are
    computed from.
    """

    equal: bool | None
    left: str
    right: str
    note: str
    where: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    counterexample: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, for JSON."""
        return {
            "left": self.left, "right": self.right, "where": list(self.where), "given": list(self.given),
            "equal": self.equal, "note": self.note, "counterexample": self.counterexample,
        }  # fmt: skip

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def __bool__(self) -> bool:
        return self.equal is True

    def lines(self) -> Iterator[str]:
        """The result as lines of text."""
        verdict = {True: "equal", False: "not equal", None: "not decided"}[self.equal]
        yield f"{self.left} and {self.right}: {verdict}"
        yield from (f"  where  {line}" for line in self.where)
        yield from (f"  given  {line}" for line in self.given)
        yield from wrap(self.note, WIDTH, initial_indent="  ", subsequent_indent="  ")
        if self.counterexample:
            yield "  for example:"
            yield from (f"    {line}" for line in _shown(self.counterexample))


def equivalent(
    left: Cell | str | os.PathLike[str], right: Cell | str | os.PathLike[str], where: Where = (), given: Where = ()
) -> Equivalence:
    r"""Whether `right` computes what `left` computes, under a map of its parameters, states, inputs and quantities.

    The cells are `Cell`s, names in the zoo, or files. `where` says what things of `right` are in terms of those of `left`;
    what it does not mention is what has the same name. A quantity of `right` has its equation replaced. `given` says what
    parameters of `left` are in terms of its others. Both are text, relations, or a mapping from names.

    Raises `NotValid` where the map has unknown names, sizes that do not fit, or leaves something open, and `NotSupported` for
    a cell that runs backward in time, or whose output is no state.

    >>> equivalent("lstm", "lstm-peephole", where="p_i, p_f, p_o = 0").equal
    True
    >>> equivalent("gru", "gru-z-new", where=["W_z = -W_z", "U_z = -U_z"]).equal
    False
    """
    one, other = zoo.cell_of(left), zoo.cell_of(right)
    for each in (one, other):
        if each.output_term not in each.state_terms or any(each.direction(state) < 0 for state in each.state_terms):
            words = "What is compared are cells that run forward in time and whose output is a state."
            raise NotSupported(words, each.name, "a network of one direction without a head")
    said, limits = lines(where, one, other), lines(given, one)
    both = pair(one, other, said, limits)
    found = decide(both)
    return replace(
        found, left=one.name, right=other.name, where=tuple(map(_said, parts(where))), given=tuple(map(_said, parts(given)))
    )


def _said(part: str | Relation) -> str:
    return plain(part) if isinstance(part, Relation) else part


def decide(both: Pair) -> Equivalence:
    """Look for a counterexample, and where there is none for a proof."""
    blank = Equivalence(None, both.left.name, both.right.name, "")
    points = [Point.drawn(both, n, m, seed) for n, m in SMALL for seed in range(SEEDS)]
    gaps = [point.gap() for point in points]
    apart = [point for point, gap in zip(points, gaps, strict=True) if gap > DIFFERENT]
    if apart and (max(gaps) > CLEAR or proof(both)):
        shown = min((point.shorter() for point in apart if (point.n, point.m) == (apart[0].n, apart[0].m)), key=lambda p: p.steps)
        agree = ", ".join(str(n) for n in sorted({point.n for point in points} - {point.n for point in apart}))
        note = f"The outputs differ at step {shown.steps}." + (f" (At n = {agree} they agree in numbers.)" if agree else "")
        return replace(blank, equal=False, note=note, counterexample=shown.plainer().told())
    worst = max(gaps)
    if worst == -np.inf:
        return replace(blank, note="No sequence was found on which the outputs of both cells are numbers.")
    numbers = f"In numbers the outputs agree to {max(worst, SAME):.0e} (T = {STEPS}, n and m from 1 to 3)"
    problem = proof(both)
    if not problem:
        return replace(blank, equal=True, note=f"{_proved(both)}. {numbers}.")
    stray = _stray(points)
    return replace(blank, note=f"The outputs agree in numbers, but {stray}." if stray else f"{problem}. {numbers}.")


def _stray(points: list[Point]) -> str:
    """In words, which states are not what the map says in numbers; nothing where all are."""
    for point in points:
        wrong = [found for found in point.run().states() if gap(*found[2:]) > DIFFERENT]
        if wrong:
            t, state, left, right = wrong[0]
            said = point.both.said
            names = ", ".join(dict.fromkeys(f"{each.name} = {named(said[each])}" for _, each, _, _ in wrong))
            there = f"at step {t}, n = {point.n}, m = {point.m} it has {state.name} = {rounded(right)}"
            return f"the states of {point.both.right.name} are not {names}, as the map says: {there} and not {rounded(left)}"
    return ""


def _proved(both: Pair) -> str:
    """In words, what a proof shows."""
    sizes = ", ".join(f"{name} = {value}" for name, value in ordered(both.left.shapes.full(SIZES)))
    divided = any(isinstance(part, Div) for cell in (both.left, both.right) for line in cell.named for part in walk(line))
    return (
        f"Proved by induction over time, for all parameters, inputs and states{' for which no divisor is 0' * divided} ({sizes})"
    )


def _shown(numbers: dict[str, Any]) -> Iterator[str]:
    from symlstm.claims.reports import example

    nonzero = {name: value for name, value in numbers["where"].items() if np.any(value)}
    rest = " (all else is 0)" if len(nonzero) < len(numbers["where"]) else ""
    lines = list(example({**numbers, "where": nonzero}))
    yield from (*lines[:-1], lines[-1] + rest) if nonzero else lines
