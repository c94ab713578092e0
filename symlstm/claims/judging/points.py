"""Where a relation is compared: every choice of steps for its time letters, and values for its free variables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from symlstm.algebra import (
    Adj,
    Apply,
    Component,
    Extreme,
    Limit,
    Prod,
    Relation,
    Sum,
    Sym,
    Term,
    Time,
    Total,
    children,
    walk,
)  # fmt: skip
from symlstm.claims.judging.cases import Case
from symlstm.claims.models.arithmetic import Array
from symlstm.definitions.forms import LAST
from symlstm.definitions.sources import LOSSES

GRID = np.concatenate([np.linspace(-12, 12, 241), [0.0, 0.5, -0.7, 1.3]])[:, None, None]


def points(case: Case, line: Relation) -> Iterator[dict[str, int]]:
    """Every choice of steps for the time letters of a relation; a second letter comes before the first."""
    steps = case.runs[0].steps
    letters, lagged = free_letters(case, line)
    if case.theory.values and not case.theory.steps:
        steps = 1
    if not letters:
        yield {"t": 1}
        return
    first = "t" if "t" in letters else sorted(letters)[0]
    rest = sorted(letters - {first})
    for t in range(1, steps + 1):
        chosen = [{first: t}]
        for letter in rest[:2]:
            choices = range(1, t + 1) if letter in lagged or letter < "t" else range(t, steps + 1)
            chosen = [{**each, letter: k} for each in chosen for k in choices]
        for each in chosen:
            yield {"t": t, **each}


def free_letters(case: Case, line: Relation) -> tuple[set[str], set[str]]:
    """The time letters of a relation that nothing binds, and those of them that are lags (`t-k`)."""
    found: set[str] = set()
    lagged: set[str] = set()
    for side in (*line.terms, *(line.condition.terms if line.condition else ())):
        _collect(case, side, frozenset(), found, lagged)
    return found - LAST - {""}, lagged


def _collect(case: Case, node: Term, bound: frozenset[str], found: set[str], lagged: set[str]) -> None:
    stack: list[tuple[Term, frozenset[str]]] = [(node, bound)]
    while stack:
        here, inside = stack.pop()
        if isinstance(here, (Sum, Prod)):
            for time in (here.lower, here.upper):
                found |= _letters(time) - inside
                lagged |= set(time.base.split("-")[1:])
            stack.append((here.body, inside | {here.index}))
            continue
        if isinstance(here, (Total, Component)):
            inside = inside | {here.index}
        if isinstance(here, Sym):
            if here.time is not None:
                found |= _letters(here.time) - inside
                lagged |= set(here.time.base.split("-")[1:])
            elif "t" not in inside and _needs_time(case, here):
                found.add("t")
        if isinstance(here, Apply) and "[" in here.function and "t" not in inside:
            found |= {"t"} & set(here.function.partition("[")[2])
        stack.extend((child, inside) for child in children(here))


def free_indices(line: Relation) -> set[str]:
    """The indices of components that no sum binds."""
    bound = {part.index for side in line.terms for part in walk(side) if isinstance(part, Total)}
    return {part.index for side in line.terms for part in walk(side) if isinstance(part, Component)} - bound


def entries(indices: set[str]) -> list[dict[str, int]]:
    chosen: list[dict[str, int]] = [{}]
    for index in sorted(indices)[:2]:
        chosen = [{**each, index: k} for each in chosen for k in range(3)]
    return chosen


def _letters(time: Time) -> set[str]:
    return set(time.base.replace("-", "+").split("+")) - {""}


def _needs_time(case: Case, symbol: Sym) -> bool:
    theory = case.theory
    if symbol.name in theory.letters and symbol.name not in theory.timeless:
        return False
    if theory.same.get(symbol.name, symbol.name) in theory.steps:
        return symbol.name not in theory.ends
    lazy = theory.lazies.get(symbol.name)
    if not lazy or symbol.name in LOSSES or symbol.name == "L_":
        return False
    found: set[str] = set()
    for each in lazy:
        _collect(case, each.body, frozenset(), found, set())
    return "t" in found


def has_sum(node: Term) -> bool:
    return any(isinstance(part, Sum) for part in walk(node))


def variables_of(case: Case, line: Relation) -> dict[str, Array]:
    """The free variables of a relation between functions: letters that the document's model does not know."""
    names: dict[str, None] = {}
    for side in line.terms:
        bound = {part.variable.name for part in walk(side) if isinstance(part, (Extreme, Limit))}
        for part in walk(side):
            if isinstance(part, Adj):
                return {}
            if isinstance(part, Sym) and part.name not in ("infinity",):
                known = (
                    part.time is not None
                    or part.name in (*case.theory.parameters, *case.theory.lazies, *case.theory.letters)
                    or (case.theory.same.get(part.name, part.name) in case.theory.steps)
                )
                if known:
                    return {}
                names[part.name] = None
        del bound
    step = 0.0
    found = {}
    for name in names:
        found[name] = GRID if not step else np.roll(GRID, 97, axis=0) + step
        step += 0.37
    return found
