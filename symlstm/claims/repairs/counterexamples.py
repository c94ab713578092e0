r"""A counterexample in numbers: both sides of a wrong claim at one small point, a few digits each.

>>> from symlstm.claims.checking import Document
>>> from symlstm.definitions.sources import source
>>> document = Document(source(r"$$ h_t = \tanh(w x_t + u h_{t-1}) $$ $$ h_t = \tanh(w x_t) \tag{1} $$"))
>>> shown = counterexample(document.cases[0], document.source.statements[1].relations[0])
>>> shown["step"], shown["left"] == shown["right"]
(1, False)
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from symlstm.algebra import Relation, Sym, Term, plain, walk
from symlstm.claims.judging.cases import Case, Outcome
from symlstm.claims.judging.comparing import ORDER, agree, breaks, misfit
from symlstm.claims.judging.outcomes import Extended
from symlstm.claims.judging.points import points, variables_of
from symlstm.claims.judging.values import Reading, Tensor
from symlstm.claims.models.arithmetic import Misfit, Outside, Unknown, shape, size_words
from symlstm.claims.models.runs import Run
from symlstm.claims.models.sizes import Sizes
from symlstm.claims.repairs.trials import FAILURES
from symlstm.evaluate import DIGITS, rounded

SMALL = {1: 1, 2: 1, 3: 2, 4: 3, 5: 3, 6: 4, 7: 4, 9: 6, 12: 8}  # n = 2 and m = 1 for 3 and 2; what is made of them likewise


def counterexample(case: Case, line: Relation, outcome: Outcome | None = None) -> dict[str, Any] | None:
    """Where both sides differ, as plain data: the step, both sides rounded, and the values that they are made of.

    For shapes that do not fit, both shapes. None where nothing can be shown.
    """
    reading = outcome.reading if outcome is not None else Reading(before=case.before)
    links = list(line.links())
    chosen = (
        next((k for k in range(len(links)) if outcome.link(k) == "wrong"), 0)
        if outcome is not None and len(outcome.good) == len(links)
        else 0
    )
    link = links[chosen]
    if link[1] in ("in", "+="):
        return None
    if outcome is not None and outcome.far:
        far = (run for each in (small_run(case), case.runs[0]) if each is not None for run in each.far)
        return next((shown for run in far if (shown := _shown(case, run, line, reading, link))), None)
    found = _shown(case, case.runs[0], line, reading, link)
    if found is None or "sizes" not in found:  # shapes that do not fit are shown where no two lengths are equal
        return found
    run = small_run(case)
    small = _shown(case, run, line, reading, link) if run is not None else None
    return small if small is not None and "sizes" in small else found


def _shown(case: Case, run: Run, line: Relation, reading: Reading, link: tuple[Term, str, Term]) -> dict[str, Any] | None:
    variables, (left, operator, right) = variables_of(case, line), link
    for times in sorted(points(case, line), key=lambda each: (each.get("t", 1) == run.steps, each.get("t", 1))):
        valuer = Extended(run, reading, times, variables)
        try:
            one = valuer(left)
            other = valuer(right)
        except Misfit as problem:
            return {"step": times.get("t", 1), "left": _text_shape(valuer, left), "right": str(problem)}
        except (Outside, Unknown, *FAILURES):
            continue
        if misfit(one, other, right):
            return {"step": times.get("t", 1), "left": size_words(_dims(one)), "right": size_words(_dims(other))}
        if breaks(one, operator, other, right) if operator in ORDER and not variables else not agree(one, other):
            found: dict[str, Any] = {"step": times.get("t", 1), "left": _plain(one), "right": _plain(other)}
            if variables:
                return _at_one_point(found, one, other, variables)
            found["sizes"] = {name: value for name, value in _sizes(run).items() if value is not None}
            found["where"] = _where(valuer, run, (left, right))
            return found
    return None


def _at_one_point(found: dict[str, Any], one: Any, other: Any, variables: dict[str, Any]) -> dict[str, Any]:
    """Of functions, the point at which they differ most visibly."""
    left, right, *grid = np.broadcast_arrays(np.real(one), np.real(other), *variables.values())
    gap = np.where(np.isfinite(left) & np.isfinite(right), np.abs(left - right), 0).reshape(-1)
    points_ = np.abs(grid[0].reshape(-1))
    place = int(np.argmin(np.where(gap > 0.01, points_, np.inf))) if (gap > 0.01).any() else int(np.argmax(gap))
    found.pop("step")
    return {
        "where": {
            name: round(float(np.broadcast_to(value, left.shape).reshape(-1)[place]), DIGITS) for name, value in variables.items()
        },
        "left": round(float(left.reshape(-1)[place]), DIGITS),
        "right": round(float(right.reshape(-1)[place]), DIGITS),
    }


def _where(valuer: Any, run: Run, sides: tuple[Term, Term]) -> dict[str, Any]:
    """The values of the symbols that both sides are made of."""
    found: dict[str, Any] = {}
    for side in sides:
        for part in walk(side):
            if isinstance(part, Sym) and part.name not in run.theory.lazies and len(found) < 12:
                try:
                    found.setdefault(plain(part), _plain(valuer(part)))
                except FAILURES:
                    continue
    return found


def _plain(value: Any) -> Any:
    return rounded(value.array if isinstance(value, Tensor) else value)


def _dims(value: Any) -> tuple[int, ...]:
    return (*value.of, *value.wrt) if isinstance(value, Tensor) else shape(value)


def _text_shape(valuer: Any, side: Term) -> str:
    try:
        return size_words(_dims(valuer(side)))
    except FAILURES:
        return "no value"


def _sizes(run: Run) -> dict[str, int | None]:
    theory = run.theory
    lengths = {"n": theory.states[:1], "m": theory.inputs[:1]}
    return {
        letter: max(run.sizes.shapes[names[0]]) if names and names[0] in run.sizes.shapes else None
        for letter, names in lengths.items()
    }


def small_run(case: Case) -> Run | None:
    """A run with two states and one input, where the document's sizes allow it."""
    return _small(id(case), _Held(case))


class _Held:
    """A case that counts as equal to any other: the cache goes by its identity."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.case is self.case


@cache
def _small(key: int, held: _Held) -> Run | None:
    case = held.case
    numbers = {side for shape_ in case.sizes.shapes.values() for side in shape_}
    if case.theory.values or not numbers <= SMALL.keys():
        return None
    shapes = {name: (SMALL[rows], SMALL[columns]) for name, (rows, columns) in case.sizes.shapes.items()}
    try:
        return Run(case.theory, Sizes(case.sizes.rows, case.sizes.scalar, shapes, case.sizes.letters, case.sizes.clashes), 0)
    except FAILURES:
        return None
