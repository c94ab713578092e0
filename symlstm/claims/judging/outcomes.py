r"""One relation under one reading: compared at every step of a generic sequence, the first and the last included."""

from __future__ import annotations

from typing import Any

import numpy as np

from symlstm.algebra import (
    Interval,
    Limit,
    Relation,
    Sym,
    Term,
    plain,
    walk,
)  # fmt: skip
from symlstm.claims.judging.cases import Case, Outcome
from symlstm.claims.judging.comparing import ORDER, agree, breaks, compare, is_arithmetic, misfit
from symlstm.claims.judging.points import GRID, entries, free_indices, points, variables_of
from symlstm.claims.judging.shares import Arriving
from symlstm.claims.judging.values import Reading, Tensor, Valuer
from symlstm.claims.models.arithmetic import Array, Misfit, Outside
from symlstm.evaluate import COMPARE


def outcome(case: Case, line: Relation, reading: Reading) -> Outcome:
    """Compare every link of a relation at every step of the first sequence, and if it holds of the second."""
    count = len(line.operators)
    result = Outcome(reading, [[] for _ in range(count)], [[] for _ in range(count)], [""] * count)
    variables = variables_of(case, line)
    numeric = not variables and is_arithmetic(case, line)
    outside: Outside | None = None
    indices = free_indices(line)
    for run in case.runs if not numeric else case.runs[:1]:
        for times in (each | chosen for each in points(case, line) for chosen in entries(indices)):
            valuer = Extended(run, reading, {letter: k for letter, k in times.items() if letter not in indices}, variables)
            valuer.indices = {letter: k for letter, k in times.items() if letter in indices}
            try:
                if line.condition is not None and not holds(valuer, line.condition, variables):
                    continue
            except Outside:
                continue
            values = [value_of(valuer, term) for term in line.terms]
            result.spread = result.spread or valuer.spread
            result.alive = result.alive or not all(map(_vanishes, values))
            for k, (left, operator, right) in enumerate(line.links()):
                one, other = values[k], values[k + 1]
                absent = next((each for each in (one, other) if isinstance(each, Outside)), None)
                if absent is not None:
                    outside = absent
                    continue
                problem = next((str(each) for each in (one, other) if isinstance(each, Misfit)), "") or misfit(one, other, right)
                if problem:
                    result.misfits[k] = result.misfits[k] or problem
                    continue
                good = compare(one, operator, other, left, right, numeric, valuer)
                if variables and line.condition is not None:
                    good = where(valuer, line.condition, variables, one, operator, other)
                (result.good if good else result.bad)[k].append(times.get("t", 0))
        if not result.fits or any(result.bad):
            break
    if result.true and not variables and not numeric:
        try_bounds(case, line, reading, result)
    if outside is not None and not any(result.good) and not any(result.bad) and result.fits:
        result.misfits[0] = f"{plain(outside.node)} does not exist"
    return result


def try_bounds(case: Case, line: Relation, reading: Reading, result: Outcome) -> None:
    """Try the bounds in a relation where everything is large."""
    links = [(k, link) for k, link in enumerate(line.links()) if link[1] in ORDER or isinstance(link[2], Interval)]
    for run in case.runs[0].far if links and line.condition is None and not free_indices(line) else ():
        for times in points(case, line):
            valuer = Extended(run, reading, times, {})
            for k, (left, operator, right) in links:
                one, other = value_of(valuer, left), value_of(valuer, right)
                sound = not any(isinstance(each, (Exception, Tensor)) for each in (one, other))
                if sound and breaks(one, operator, other, right):
                    result.bad[k].append(times.get("t", 0))
                    result.far = True


def _vanishes(value: Any) -> bool:
    """Whether a value is zero in all entries; what has no value counts as zero."""
    array = value.array if isinstance(value, Tensor) else value
    return isinstance(value, Exception) or (not isinstance(value, tuple) and not np.any(array))


class Extended(Valuer):
    """A valuer that also knows the part of a derivative that arrives, and limits."""

    def __call__(self, node: Term) -> Array:
        if isinstance(node, Arriving):
            return self.total(node.of, self.resolved(node.wrt), "arriving")
        if isinstance(node, Limit):
            near, far = (self.far_away(node, distance) for distance in (40.0, 80.0))
            grows = np.abs(far) > np.maximum(10.0, 1.5 * np.abs(near))
            return np.where(grows, np.sign(far) * np.inf, near)
        if node == Sym("infinity"):
            return np.inf
        return super().__call__(node)

    def far_away(self, node: Limit, distance: float) -> Array:
        """The value of what a limit is of, far out."""
        point = np.full((1, 1), distance * node.sign)
        return np.real(self.copy(variables={**self.variables, node.variable.name: point})(node.body))

    def copy(self, **changes: Any) -> Valuer:
        other = super().copy(**changes)
        other.__class__ = Extended
        return other


def value_of(valuer: Valuer, term: Term) -> Any:
    try:
        if isinstance(term, Interval):
            return (
                (valuer(term.lower), valuer(term.upper))
                if not _endless(term)
                else (_end(valuer, term.lower, -1), _end(valuer, term.upper, 1))
            )
        return valuer(term)
    except (Misfit, Outside) as problem:
        return problem


def _endless(term: Interval) -> bool:
    return any(part == Sym("infinity") for part in walk(term))


def _end(valuer: Valuer, term: Term, sign: int) -> Any:
    return sign * np.inf if any(part == Sym("infinity") for part in walk(term)) else valuer(term)


def holds(valuer: Valuer, condition: Relation, variables: dict[str, Array]) -> bool:
    if variables:
        return True
    return all(
        bool(np.all(COMPARE[operator](valuer(left), valuer(right))))
        for left, operator, right in condition.links()
        if operator in COMPARE
    )


def where(valuer: Valuer, condition: Relation, variables: dict[str, Array], one: Any, operator: str, other: Any) -> bool:
    """A comparison between functions, only where a condition on their variable holds."""
    mask: Any = np.ones(len(GRID), dtype=bool)
    for left, sign, right in condition.links():
        if sign in COMPARE:
            mask = mask & np.broadcast_to(COMPARE[sign](np.real(valuer(left)), np.real(valuer(right))), GRID.shape)[:, 0, 0]
    one, other = (np.broadcast_to(np.real(each), GRID.shape)[mask] for each in (one, other))
    if operator in ("=", "~"):
        return agree(one, other)
    return bool(np.all(ORDER[operator](one, other))) if operator in ORDER else not agree(one, other)
