r"""Numbers and sizes corrected: a printed result replaced by the right one at its own precision.

>>> list(recomputed_number(Num(Fraction("0.9"), 1), 0.8807970779778823))
[0.9]
>>> list(recomputed_number(Num(Fraction(1)), 0.25))
[1/4, 0.25]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from symlstm.algebra import Blocks, Listed, Neg, Num, Relation, Space, Sym, Term, term
from symlstm.claims.judging.cases import Case
from symlstm.claims.judging.outcomes import Extended
from symlstm.claims.judging.points import points, variables_of
from symlstm.claims.judging.values import Reading
from symlstm.claims.models.arithmetic import shape
from symlstm.claims.repairs.trials import FAILURES

LONG = 10  # decimals that are shown where a short number is not near enough


def recomputed(case: Case, line: Relation) -> Iterator[tuple[Relation, str]]:
    """The relation with the printed numbers, or the size, on one of its right sides replaced by the right ones."""
    if line.operators[0] == "in" and isinstance(line.rhs, Space):
        yield from _sized(case, line)
        return
    literal = [k for k, side in enumerate(line.terms) if k and is_literal(side)]
    for k in literal:
        value = _value(case, line, line.terms[k - 1])
        if value is None:
            continue
        for side in entries(line.terms[k], value):
            if side != line.terms[k]:
                terms = (
                    *line.terms[:k],
                    *(side if is_literal(each) and j == 0 else each for j, each in enumerate(line.terms[k:])),
                )
                yield replace(line, terms=terms), "the numbers are wrong"


def is_literal(node: Term) -> bool:
    """Whether a term is a printed number or an array of them."""
    if isinstance(node, Blocks):
        return all(is_literal(block) for row in node.rows for block in row)
    return isinstance(node, Num) or (isinstance(node, Neg) and is_literal(node.arg))


def entries(node: Term, value: Any) -> Iterator[Term]:
    """A literal of the same form and precision with other values."""
    if isinstance(node, Blocks):
        grid = np.real(value)
        if grid.shape != (len(node.rows), len(node.rows[0])):
            return
        for extra in (0, LONG):
            rows = tuple(
                tuple(next(iter(list(recomputed_number(block, float(grid[i, j]), extra)))) for j, block in enumerate(row))
                for i, row in enumerate(node.rows)
            )
            yield Blocks(rows)
        return
    if shape(value) in ((), (1, 1)):
        yield from recomputed_number(node, float(np.ravel(np.real(value))[0]))


def recomputed_number(node: Term, value: float, extra: int = 0) -> Iterator[Term]:
    """A number as it should be printed: at the precision of the old one, as a simple fraction, then with more decimals."""
    places = node.places if isinstance(node, Num) else None
    simple = Fraction(value).limit_denominator(1000)
    if abs(float(simple) - value) < 2e-4 * max(1, abs(value)) and places is None and not extra:
        simpler = Fraction(value).limit_denominator(12)
        yield Num(simpler if abs(float(simpler) - value) < 2e-4 else simple)
        if simple.denominator == 1:
            return
    digits = places if places is not None and not extra else min(LONG, _telling(value))
    yield Num(Fraction(round(value * 10**digits), 10**digits), digits)


def _telling(value: float) -> int:
    """How many decimals tell a number from a rounder one."""
    return next(
        (
            digits
            for digits in range(2, LONG + 1)
            if round(value, digits) not in (0.0, 1.0, -1.0) and (abs(round(value, digits) - value) < 1e-12 or digits >= 4)
        ),
        LONG,
    )


def _value(case: Case, line: Relation, left: Term) -> Any:
    times = next(iter(points(case, line)), {"t": 1})
    try:
        value = Extended(case.runs[0], Reading(), times, variables_of(case, line))(left)
    except FAILURES:
        return None
    return value if np.ndim(value) < 3 else None


def _sized(case: Case, line: Relation) -> Iterator[tuple[Relation, str]]:
    """A size written in the letters of the document."""
    first = line.lhs.args[0] if isinstance(line.lhs, Listed) else line.lhs
    found = case.sizes.shapes.get(case.theory.same.get(first.name, first.name)) if isinstance(first, Sym) else None
    if found is None:
        value = _value(case, line, line.lhs)
        found = shape(value) if value is not None else None
    if not found or len(found) != 2:
        return
    vector = 1 in found
    for rows in _lengths(case, max(found) if vector else found[0]):
        if vector:
            yield replace(line, terms=(*line.terms[:-1], Space(rows))), "the size is wrong"
            continue
        for columns in _lengths(case, found[1]):
            yield replace(line, terms=(*line.terms[:-1], Space(rows, columns))), "the size is wrong"


def _lengths(case: Case, number: int) -> Iterator[Term]:
    """A length as a letter, a sum of two letters, a multiple of one, or a number."""
    letters = case.sizes.letters
    for letter, each in letters.items():
        if each == number:
            yield Sym(letter)
    for one, first in letters.items():
        for other, second in letters.items():
            if one <= other and first + second == number:
                yield Sym(one) + Sym(other)
        if first > 1 and number % first == 0 and number > first:
            yield term(number // first) @ Sym(one)
    if number == 1 or not letters:
        yield term(number)
