"""The numbers of a worked step as a person gives them, read and checked, and the exact arithmetic that works with them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

from symlstm.activations import activation
from symlstm.algebra import Adj, Diag, NotSupported, NotValid, Ones, Sym, Term
from symlstm.evaluate import ELEMENTARY, Evaluator
from symlstm.model import Cell
from symlstm.prose import nearest
from symlstm.reverse import sweep
from symlstm.topics.gradients import name_of

PRECISION, DIGITS, MOST_DIGITS, GUARD, LARGEST = 60, 4, 8, 12, 8
EXPECTED = (
    'a JSON object such as {"x": [1, 2], "h_prev": [0.5], "c_prev": [1], "W_i": [[1, 2]], ..., "delta_h": [1], '
    '"delta_c": [0], "digits": 4}'
)


class Exact(Evaluator):
    """Fractions while they last, then numbers of 60 digits."""

    def __call__(self, node: Term) -> Any:
        value = super().__call__(node)
        return np.frompyfunc(_unboxed, 1, 1)(value) if isinstance(node, (Ones, Diag)) else value

    def number(self, value: Fraction) -> Any:
        return value

    def apply(self, name: str, x: Any) -> Any:
        with mpmath.workdps(PRECISION):
            if name not in ELEMENTARY:
                return Exact(lambda _: x)(activation(name).formula)
            return np.vectorize(lambda value: getattr(mpmath, name)(mpf(value)), otypes=[object])(x)

    def slope(self, name: str, x: Any) -> Any:
        """The slope by complex step; of a function of straight pieces it is exact."""
        kinks = activation(name).kinks
        step = mpmath.mpc(0, mpmath.mpf(10) ** (-2 * PRECISION))

        def at(value: Any) -> Any:
            if value in kinks:
                raise NotSupported(f"{name} has no slope at {value}.", f"{name}'({value})", "values at which it has one")
            with mpmath.workdps(PRECISION):
                found = self.apply(name, np.array([[mpf(value) + step]], dtype=object))[0, 0].imag / step.imag
                whole = int(mpmath.nint(found))
                return Fraction(whole) if kinks and is_exact(value) and found == whole else found

        return np.vectorize(at, otypes=[object])(x)

    def larger(self, left: Any, right: Any) -> Any:
        with mpmath.workdps(PRECISION):
            return np.frompyfunc(lambda a, b: a if _real(a) >= _real(b) else b, 2, 1)(left, right)

    def divide(self, above: Any, below: Any) -> Any:
        with mpmath.workdps(PRECISION):
            return np.vectorize(
                lambda a, b: Fraction(a) / Fraction(b) if is_exact(a) and is_exact(b) else mpf(a) / mpf(b), otypes=[object]
            )(above, below)


def _unboxed(value: Any) -> Any:
    """NumPy's whole numbers as Python's."""
    return int(value) if isinstance(value, np.integer) else value


def _real(value: Any) -> Any:
    return mpf(value).real


def mpf(value: Any) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator if is_exact(value) else value


def is_exact(value: Any) -> bool:
    return isinstance(value, (int, Fraction))


@dataclass(slots=True)
class Values:
    """The arrays of a worked step, by leaf: what was given, then what has been computed."""

    cell: Cell
    sizes: dict[str, int]
    digits: int = DIGITS
    known: dict[Term, Any] = field(default_factory=dict)

    def value(self, node: Term) -> Any:
        """The value of a term at the precision of the page's computation."""
        with mpmath.workdps(PRECISION):
            return Exact(self.known.__getitem__, sizes=self.sizes)(node)

    def shape(self, leaf: Term) -> tuple[int, int]:
        """Rows and columns of a quantity, or of its adjoint."""
        symbol = leaf.of if isinstance(leaf, Adj) else leaf
        assert isinstance(symbol, Sym)
        return self.cell.shapes.at(symbol.name, self.sizes)


# --- reading the values ---------------------------------------------------------------------------------------------


def load(values: Mapping[str, Any] | str | os.PathLike[str]) -> Mapping[str, Any]:
    """The values as a mapping; a path is read as JSON, its decimals kept exact.

    Raises `NotValid` where the file is missing or is not a JSON object.
    """
    if isinstance(values, Mapping):
        return values
    path = Path(values)
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, parse_constant=_no_constant)
    except OSError as error:
        raise NotValid("The file with the values cannot be read.", f"{path}: {error.strerror}", EXPECTED) from None
    except (ValueError, RecursionError) as error:
        raise NotValid("The file with the values is not JSON.", f"{path}: {error}", EXPECTED) from None
    if not isinstance(found, dict):
        raise NotValid("The file with the values holds no JSON object.", str(path), EXPECTED)
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a finite number")


def leaves(cell: Cell) -> dict[str, Term]:
    """The name of each value that may be given, and the quantity that it is."""
    states = {name_of(back): back for back in cell.carried.values()}
    seeds = {f"delta_{seed.of.name}": seed for seed in sweep(cell).given}
    return {symbol.name: symbol for symbol in (*cell.input_terms, *cell.parameter_terms)} | states | seeds  # type: ignore[return-value]


def _split(cell: Cell, values: Mapping[str, Any]) -> dict[str, Any]:
    """A name `[A, B]` stands for the blocks A and B side by side: take them apart by the sizes of what is known."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        blocks: re.Match[str] | None = re.fullmatch(r"\[\s*(\w+)\s*,\s*(\w+)\s*\]", name)
        if not blocks:
            found[name] = value
            continue
        array, start = _array(name, value), 0
        widths = [_width(cell, block, values) for block in blocks.groups()]
        if array.ndim != 2 or array.shape[1] != sum(widths):
            raise NotValid(
                f"{name} does not have the columns of its blocks.",
                f"{name} is {_size(array.shape)}",
                f"{' + '.join(map(str, widths))} columns",
            )
        for block, width in zip(blocks.groups(), widths, strict=True):
            found[block] = array[:, start : start + width]
            start += width
    return found


def _width(cell: Cell, parameter: str, values: Mapping[str, Any]) -> int:
    sizes = _sizes(cell, values)
    if parameter not in {symbol.name for symbol in cell.parameter_terms}:
        raise NotValid("There is no parameter of this name.", parameter, _near(parameter, cell))
    return cell.shapes.at(parameter, sizes)[1]


def _near(name: str, cell: Cell) -> str:
    return nearest(name, leaves(cell))


def _sizes(cell: Cell, values: Mapping[str, Any]) -> dict[str, int]:
    """Every size of the cell, from the arrays that are given: n from the first state, m from the first input, others as found."""
    known, sizes = leaves(cell), dict[str, int]()
    first = (cell.input_terms[0].name, name_of(cell.carried[cell.state_terms[0]]), f"delta_{cell.state_terms[0].name}")
    for name in (*(name for name in first if name in values), *(name for name in known if name in values)):
        extent = _array(name, values[name]).shape
        for length, count in zip(cell.shapes.lengths[_symbol(known[name]).name], extent, strict=False):
            if len(length) == 1 and length[0][0] and length[0][1] == 1:
                sizes.setdefault(length[0][0], count)
    used = {letter for extent in cell.shapes.lengths.values() for length in extent for letter, _ in length if letter}
    for size in sorted(used - sizes.keys()):
        vectors = sorted(known.items(), key=lambda item: _symbol(item[1]).time is None)  # parameters last
        needs = next(name for name, leaf in vectors if cell.shapes.lengths[_symbol(leaf).name][0] == ((size, 1),))
        raise NotValid(f"The size {size} is not known: {needs} is not given.", ", ".join(values), EXPECTED)
    return sizes


def _symbol(leaf: Term) -> Sym:
    symbol = leaf.of if isinstance(leaf, Adj) else leaf
    assert isinstance(symbol, Sym)
    return symbol


def _array(name: str, value: Any) -> Any:
    """The numbers of one value, exact, as a 1-D or 2-D array of fractions."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    rows = value if isinstance(value, (list, tuple)) else [value]
    nested = [list(row) if isinstance(row, (list, tuple)) else row for row in rows]
    deep = [isinstance(row, list) for row in nested]
    if not rows or (any(deep) and (not all(deep) or len({len(row) for row in nested}) != 1 or not nested[0])):
        raise NotValid(
            f"{name} is not an array: its rows differ in length.", f"{name} = {str(value)[:80]}", "a list of numbers, or of rows"
        )
    array = np.empty((len(nested), len(nested[0])) if deep[0] else len(nested), dtype=object)
    for place in np.ndindex(*array.shape):
        array[place] = _fraction(name, nested[place[0]][place[1]] if deep[0] else nested[place[0]])
    return array


def _fraction(name: str, entry: Any) -> Fraction:
    number = isinstance(entry, (int, float, Decimal, Fraction)) and not isinstance(entry, bool)
    if not number or (isinstance(entry, (float, Decimal)) and not np.isfinite(float(entry))):
        raise NotValid(
            f"{name} holds something that is not a finite number.", f"{name}: {str(entry)[:80]!r}", "numbers such as 0.5"
        )
    return Fraction(str(entry)) if isinstance(entry, (float, Decimal)) else Fraction(entry)


def _size(shape: tuple[int, ...]) -> str:
    return ("" if len(shape) > 1 else "a vector of length ") + " x ".join(map(str, shape))


def read(cell: Cell, values: Mapping[str, Any]) -> Values:
    """The given values, their names and sizes checked.

    Raises `NotValid` for a name the cell does not have, and for an array of another size than the equations say.
    """
    digits = values.get("digits", DIGITS)
    if isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= MOST_DIGITS:
        raise NotValid(
            f"The number of digits is a whole number from 1 to {MOST_DIGITS}.", f"digits = {digits!r}", f"for example {DIGITS}"
        )
    arrays = _split(cell, {name: value for name, value in values.items() if name != "digits"})
    known = leaves(cell)
    for name in arrays:
        if name not in known:
            raise NotValid("The cell has nothing of this name to put in.", repr(name), _near(name, cell))
    sizes = _sizes(cell, arrays)
    told = ", ".join(f"{size} = {value}" for size, value in sizes.items())
    if max(sizes.values(), default=1) > LARGEST:
        raise NotSupported(f"A worked step fits on a page up to size {LARGEST}.", told, "smaller arrays")
    found = Values(cell, {"n": 1, "m": 1, **sizes}, digits)  # a cell of numbers has no sizes
    for name, value in arrays.items():
        array, rows_columns = _array(name, value), found.shape(known[name])
        if array.shape != rows_columns and (*array.shape, 1) != rows_columns:
            wanted = tuple(count for k, count in enumerate(rows_columns) if not (k and count == 1))
            raise NotValid(
                f"{name} has the wrong size.",
                f"{name} is {_size(array.shape)}",
                f"{_size(wanted) if rows_columns != (1, 1) else 'one number'}{', because ' + told if told else ''}",
            )
        found.known[known[name]] = array.reshape(rows_columns)
    return found
