"""What loops are written from: arrays of the code, values by their entries, and how an array is made.

A value is a function from two indices to code, so a transpose turns the indices, and a chain of elementwise terms is one
expression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from symlstm.generator.codes import Call, Code
from symlstm.shapes import ONE, Length

ROW, COLUMN, INNER = "row", "col", "j"  # the indices in the code: of an entry, and of a sum
FIRST = "0"  # the index along an axis of length 1


@dataclass(eq=False)
class Array:
    """An array of the code: of a column and a row with one axis, of a matrix with two.

    What is not `lasting` is known in one step only. A lasting number that is no parameter is an array of one entry.
    """

    name: str
    rows: Length
    columns: Length
    lasting: bool = False
    parameter: bool = False

    @property
    def lengths(self) -> tuple[Length, ...]:
        """The lengths of its own axes."""
        return tuple(length for length in (self.rows, self.columns) if length != ONE)

    def entry(self, row: str, column: str) -> Ref:
        """The code of an entry."""
        own = [index for index, length in ((row, self.rows), (column, self.columns)) if length != ONE]
        own = own or [FIRST] * (self.lasting and not self.parameter)
        return Ref(f"{self.name}[{', '.join(own)}]" if own else self.name, self)

    def value(self) -> Value:
        """All its entries."""
        return Value(self.entry, self.rows, self.columns, self)


class Ref(str):
    """The code of an entry of an array, which it remembers."""

    array: Array

    def __new__(cls, text: str, array: Array) -> Ref:
        found = super().__new__(cls, text)
        found.array = array
        return found


@dataclass(frozen=True, slots=True)
class Value:
    """A term by its entries, with its rows and columns; a bare number, which fits anything, has none.

    Where it is a whole array, maybe `turned`, `array` says which.
    """

    at: Callable[[str, str], Code]
    rows: Length = ()
    columns: Length = ()
    array: Array | None = None
    turned: bool = False

    @property
    def kind(self) -> str:
        """"number", "column", "row" or "matrix"."""
        tall, wide = self.rows not in ((), ONE), self.columns not in ((), ONE)
        return ("matrix" if wide else "column") if tall else "row" if wide else "number"

    @property
    def simple(self) -> bool:
        """Whether an entry is read off, not computed."""
        return isinstance(self.at(ROW, COLUMN), str)


@dataclass(frozen=True, slots=True)
class Product:
    """A sum over j that is not made yet: of left[row, j] * right[j, col], or of left[row, j] * right[j, row] if `closed`."""

    left: Value
    right: Value
    closed: bool = False

    @property
    def rows(self) -> Length:
        return ONE if self.closed else self.left.rows

    @property
    def columns(self) -> Length:
        return ONE if self.closed else self.right.columns


@dataclass(frozen=True, eq=False)
class Made:
    """How an array is made, or the part of it that begins at `offset`: an entry is that of `value`, and the products are added.

    It is all added to what is there if `adds`. `note` is the equation.
    """

    array: Array
    value: Value
    products: tuple[tuple[str, Product], ...] = ()
    adds: bool = False
    offset: tuple[str, str] = ("0", "0")
    note: str = ""


def bare(code: Code) -> Value:
    """A number that fits anything."""
    return Value(lambda row, column: code)


def joined(function: str, *values: Value) -> Value:
    """An elementwise function of values of one shape, or of numbers beside them, from left to right."""
    def pair(left: Value, right: Value) -> Value:
        like = next((value for value in (left, right) if value.kind != "number"), left if left.rows else right)
        return Value(lambda row, column: Call(function, (left.at(row, column), right.at(row, column))), like.rows, like.columns)
    return reduce(pair, values)


def mapped(value: Value, change: Callable[[Code], Code]) -> Value:
    """A function of every entry."""
    return Value(lambda row, column: change(value.at(row, column)), value.rows, value.columns)


def transposed(value: Value) -> Value:
    """A^T."""
    return Value(lambda row, column: value.at(column, row), value.columns, value.rows, value.array, not value.turned)


def shifted(index: str, start: str) -> str:
    """An index counted from `start`.

    >>> shifted("row", "n"), shifted("row", "0"), shifted("0", "n")
    ('n + row', 'row', 'n')
    """
    return index if start == "0" else start if index == FIRST else f"{start} + {index}"


def outer(column: Value, row: Value) -> tuple[Value, Value]:
    """A column and a row as matrices of equal entries along each row, and along each column."""
    return (Value(lambda index, _: column.at(index, FIRST), column.rows, row.columns),
            Value(lambda _, index: row.at(FIRST, index), column.rows, row.columns))
