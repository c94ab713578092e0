"""Topic `worked`: the step forward and backward with numbers put in, line by line, as on a blackboard.

Numbers from the input stay exact (a decimal is a fraction) as long as only sums and products touch them; a value of
an activation is computed with 50 digits and rounded only to be printed. A line is printed with as many digits of its
operands as it takes for the printed operands to give the printed result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from symlstm.activations import STAND_INS
from symlstm.algebra import (
    Adj,
    Apply,
    Blocks,
    Listed,
    NotSupported,
    Num,
    Ones,
    Relation,
    Rows,
    Sym,
    Term,
    Transpose,
    children,
    equation,
    plain,
    rebuild,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import prose
from symlstm.reverse import sweep
from symlstm.steps import Block, Section, Step
from symlstm.topics.given import GUARD, PRECISION, Exact, Values, is_exact, leaves, mpf, read

TOPIC, TITLE = "worked", "A worked step"


def section(cell: Cell, values: Mapping[str, Any]) -> Section:
    """The step forward, and backward where adjoints are given, with numbers in every line."""
    data = read(cell, values)
    given = list(data.known)
    blocks: list[Block] = [
        prose(
            f"An equals sign is exact. After a sign for approximate equality, numbers are rounded to {data.digits} decimals, "
            "or to as many as it takes for the printed numbers to give the printed result; they are computed with 50 digits "
            "and rounded only to be printed."
        )
    ]
    blocks += _meant(cell)
    blocks += [
        prose("Given:"),
        *(Step(TOPIC, f"given {plain(leaf)}", "number", equation(leaf, _shown(data, leaf, None)), prose("")) for leaf in given),
    ]
    forward = list(_lines(data, cell.named))
    blocks += [prose("Forward:"), *forward] if forward else []
    swept = sweep(cell)
    backward = (
        list(_lines(data, tuple(line.relation for line in swept.lines)))
        if any(seed in data.known for seed in swept.given)
        else []
    )
    blocks += [prose("Backward, for the given adjoints:"), *backward] if backward else []
    missing = [name for name, leaf in leaves(cell).items() if leaf not in data.known and not isinstance(leaf, Adj)]
    if missing:
        blocks.append(
            prose("What needs {} is left out: no value is given.", Listed(tuple(leaves(cell)[name] for name in missing)))
        )
    return Section(TOPIC, TITLE, tuple(blocks))


def _meant(cell: Cell) -> list[Block]:
    """What stands for the functions that the cell leaves open."""
    used = {part.function for line in cell.named for part in walk(line.rhs) if isinstance(part, Apply)}
    if open_ := [name for name in STAND_INS if name in used]:
        said = [f"{name} is {STAND_INS[name].source.partition('; ')[2].partition(' ')[0]}" for name in open_]
        return [prose(f"In numbers, {' and '.join(said)}.")]
    return []


def _lines(data: Values, equations: tuple[Relation, ...]) -> Iterator[Step]:
    for line in equations:
        used = list(_leaves(data, line.rhs))
        if used and all(part in data.known for part in used):
            value = np.asarray(data.value(line.rhs), dtype=object)
            data.known[line.lhs] = np.broadcast_to(value, data.shape(line.lhs))
            yield Step(TOPIC, f"value of {plain(line.lhs)}", "number", _worked(data, line), prose("{}", line.rhs))
        elif not used:
            data.known[line.lhs] = np.full(data.shape(line.lhs), Fraction(0), dtype=object)


def _leaves(data: Values, node: Term) -> Iterator[Term]:
    """The quantities and adjoints of a term; a size is none."""
    if isinstance(node, (Sym, Adj)):
        if not _is_size(data, node):
            yield node
    else:
        for child in children(node):
            yield from _leaves(data, child)


def _is_size(data: Values, node: Term) -> bool:
    return isinstance(node, Sym) and node.time is None and node.name in data.cell.size_names


def _worked(data: Values, line: Relation) -> Relation:
    """`q = the right side in numbers = the result`, with no more digits than it takes."""
    result = data.known[line.lhs]
    exact = all(_short(entry, data.digits) for entry in result.flat)
    final = _shown(data, line.lhs, None if exact else data.digits)
    operands_exact = all(_short(entry, data.digits) for part in _leaves(data, line.rhs) for entry in data.known[part].flat)
    if isinstance(line.rhs, (Sym, Adj)):
        return Relation((line.lhs, final), ("=" if exact else "~",))
    if operands_exact:
        filled = _filled(data, line.rhs, None)
        return Relation((line.lhs, filled, final), ("=", "=" if exact else "~"))
    for places in range(data.digits, data.digits + GUARD):
        filled = _filled(data, line.rhs, places)
        off = _distance(*(np.asarray(data.value(side), dtype=object) for side in (filled, final)))
        if off <= mpmath.mpf(1) / (2 * 10**data.digits):
            return Relation((line.lhs, filled, final), ("~", "~"))
    raise NotSupported("No number of digits makes this line come out.", plain(line), "values of moderate size")


def _distance(left: Any, right: Any) -> Any:
    with mpmath.workdps(PRECISION):
        return max(abs(mpf(a) - mpf(b)) for a, b in zip(left.flat, right.flat, strict=True))


def _filled(data: Values, node: Term, places: int | None) -> Term:
    """The term with numbers for its leaves."""
    if _is_size(data, node):
        return Num(Fraction(data.sizes[node.name]))  # type: ignore[attr-defined]  # a size is a symbol
    if isinstance(node, Ones):
        return Ones(_length(data, node.rows))
    if isinstance(node, Rows):
        return Rows(_filled(data, node.arg, places), _length(data, node.start), _length(data, node.stop))
    if isinstance(node, (Sym, Adj)):
        return _shown(data, node, places)
    if isinstance(node, Transpose) and isinstance(node.arg, (Sym, Adj)):
        number = data.cell.shapes.is_scalar(node.arg)
        return _shown(data, node.arg, places) if number else _printed(data.known[node.arg].T, places)
    return rebuild(node, tuple(_filled(data, child, places) for child in children(node)))


def _length(data: Values, size: Term) -> Num:
    return Num(Fraction(Exact(data.known.__getitem__, sizes=data.sizes).length(size)))


def _shown(data: Values, leaf: Term, places: int | None) -> Term:
    """The value of a quantity as the page shows it: an array, or what is one number at every size."""
    array = data.known[leaf]
    return _number(array.item(), places) if data.cell.shapes.is_scalar(leaf) else _printed(array, places)


def _printed(array: Any, places: int | None) -> Blocks:
    """An array as the page shows it: exact, or rounded to a number of decimals."""
    return Blocks(tuple(tuple(_number(entry, places) for entry in row) for row in array))


def _number(value: Any, places: int | None) -> Num:
    if is_exact(value) and (places is None or _short(value, places)):
        value = Fraction(value)
        decimals = _decimals(value)
        return Num(value, decimals) if decimals else Num(value)
    assert places is not None
    with mpmath.workdps(PRECISION):
        nearest = int(mpmath.nint(mpf(value) * 10**places))
    return Num(Fraction(nearest, 10**places), places)


def _short(value: Any, digits: int) -> bool:
    """Whether a number is exact and needs no more decimals than are printed (a given one may have a few more)."""
    return is_exact(value) and (Fraction(value).denominator == 1 or 0 < (_decimals(Fraction(value)) or 99) <= digits)


def _decimals(value: Fraction) -> int | None:
    """How many decimals write the fraction exactly; None where none do, 0 for a whole number."""
    rest = value.denominator
    twos = fives = 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None
