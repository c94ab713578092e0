"""How the mathematics is carried to NumPy: columns become rows.

**The rule.** In the mathematics a quantity is a column `q` of length k. In NumPy it is an array whose last axis is k,
and whose other axes run over whatever there is many of: sequences of the batch, steps of time. So every row of the
array is the transpose of one column, and for a matrix `P` and columns `v`, `d`

| mathematics | NumPy | why |
|---|---|---|
| `P @ v` | `v @ P.T` | (P v)^T = v^T P^T |
| `P.T @ d` | `d @ P` | (P^T d)^T = d^T P |
| `d @ v.T`, summed over the rows | `d.T @ v` | the product sums over the rows |
| a vector parameter's adjoint, summed over the rows | `d.sum(0)` | it is added to every row |
| anything elementwise | the same | |

A number has a last axis of length 1; a row `v.T` is the array of its column; a matrix of which there are many has
its rows and columns as the last two axes. With a number `s` and such a matrix `A`

| mathematics | NumPy | why |
|---|---|---|
| `s @ v`, `v / s` | `s * v`, `v / s` | the axis of length 1 is repeated |
| `s @ A` | `s[..., None] * A` | the same, with an axis more |
| `d.T @ v` | `(d * v).sum(-1, keepdims=True)` | a number for each row of the arrays |
| `d @ v.T` | `d[..., None] * v[..., None, :]` | a matrix for each row of the arrays |
| `A @ v` | `(A @ v[..., None])[..., 0]` | NumPy multiplies the last two axes |
| `A.T @ d` | `(d[..., None, :] @ A)[..., 0, :]` | (A^T d)^T = d^T A |
| `A.T` | `A.swapaxes(-1, -2)` | |
| `tr(A.T @ B)` | `(A * B).sum((-2, -1))[..., None]` | the sum of the products of all entries |
| `[v; d]` | `np.concatenate([v, d], -1)` | |
| a parameter's adjoint, summed over time and batch | `.sum((0, 1))`, or `np.tensordot` of a column and a row | |

It is stated here and nowhere else: `forward_product`, `backward_product` and `weight_product` are its first lines, and
the functions of `Value` are all of it. JAX and PyTorch have the same rule, and mostly the same names (`targets`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import overload

from symlstm.generator.codes import AnyCode, Call, Code, after, several
from symlstm.shapes import ONE, Length


@overload
def forward_product(matrix: str, vector: str) -> tuple[str, str]: ...
@overload
def forward_product(matrix: Code, vector: Code) -> tuple[Code, Code]: ...
def forward_product(matrix: Code, vector: Code) -> tuple[Code, Code]:
    """The factors, in NumPy's order, of `matrix @ vector` for a column `vector`."""
    return vector, after(matrix, ".T")


def backward_product(matrix: AnyCode, adjoint: AnyCode) -> tuple[AnyCode, AnyCode]:
    """The factors, in NumPy's order, of `matrix.T @ adjoint` for a column `adjoint`."""
    return adjoint, matrix


def weight_product(adjoint: str, vector: str) -> tuple[str, str]:
    """The factors, in NumPy's order, of `adjoint @ vector.T`, summed over all rows."""
    return f"{adjoint}.T", vector


# --- all of the rule ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Value:
    """A term as code, with its rows and columns in the mathematics; a bare number, which fits anything, has none.

    `many` says whether there is one for each sequence (and step), as there is of all but parameters and constants.
    Of a matrix that is `flipped` the code is that of its transpose.
    """

    code: Code
    rows: Length = ()
    columns: Length = ()
    many: bool = False
    flipped: bool = False

    @property
    def kind(self) -> str:
        """"bare", "number", "column", "row" or "matrix"."""
        if not self.rows:
            return "bare"
        tall, wide = self.rows != ONE, self.columns != ONE
        return ("matrix" if wide else "column") if tall else "row" if wide else "number"

    def array(self) -> Code:
        """The array as it stands in the mathematics: of a flipped matrix, turned."""
        if not self.flipped:
            return self.code
        return after(self.code, ".swapaxes(-1, -2)" if self.many else ".T")

    def at(self, index: str) -> Code:
        """The array with an index."""
        return after(self.array(), f"[{index}]")


def transposed(value: Value) -> Value:
    """A^T: of a column, the same array; of a matrix, kept in mind."""
    return replace(value, rows=value.columns, columns=value.rows, flipped=value.kind == "matrix" and not value.flipped)


def joined(function: str, *values: Value) -> Value:
    """An elementwise function of values of one shape, or of numbers beside them, from left to right."""
    return reduce(lambda left, right: _joined(function, left, right), values)


def _joined(function: str, left: Value, right: Value) -> Value:
    like = next((value for value in (left, right) if value.kind not in ("bare", "number")),
                left if left.kind == "number" else right)
    codes = tuple(value.at("..., None") if like.kind == "matrix" and value.kind == "number" else value.array()
                  for value in (left, right))
    return Value(Call(function, codes), like.rows, like.columns, left.many or right.many)


def scaled(number: Value, value: Value) -> Value:
    """A number times anything; a matrix stays flipped."""
    return replace(_joined("multiply", number, replace(value, flipped=False)), flipped=value.flipped)


def _matrix_column(left: Value, right: Value) -> Value:
    matrix, vector = left.code, right.code
    if not left.many:
        code: Code = Call("matmul", backward_product(matrix, vector) if left.flipped else forward_product(matrix, vector))
    elif left.flipped:
        code = after(Call("matmul", (after(vector, "[..., None, :]"), matrix)), "[..., 0, :]")
    else:
        code = after(Call("matmul", (matrix, after(vector, "[..., None]"))), "[..., 0]")
    return Value(code, left.rows, right.columns, left.many or right.many)


def _row_matrix(left: Value, right: Value) -> Value:
    return transposed(_matrix_column(transposed(right), transposed(left)))


def _matrix_matrix(left: Value, right: Value) -> Value:
    return Value(Call("matmul", (left.array(), right.array())), left.rows, right.columns, left.many or right.many)


def _row_column(left: Value, right: Value) -> Value:
    both = Call("multiply", (left.code, right.code))
    return Value(after(both, ".sum(-1, keepdims=True)"), ONE, ONE, left.many or right.many)


def _column_row(left: Value, right: Value) -> Value:
    return Value(Call("multiply", (left.at("..., None"), right.at("..., None, :"))), left.rows, right.columns,
                 left.many or right.many)


_PAIRS: dict[tuple[str, str], Callable[[Value, Value], Value]] = {
    ("matrix", "column"): _matrix_column,
    ("row", "matrix"): _row_matrix,
    ("matrix", "matrix"): _matrix_matrix,
    ("row", "column"): _row_column,
    ("column", "row"): _column_row,
}


def _pair(left: Value, right: Value) -> Value:
    return _PAIRS[left.kind, right.kind](left, right)


def factors(values: Sequence[Value], over: Value | None = None) -> list[Value]:
    """A matrix product, divided by a number, as one value, or as a column and a row whose product it is.

    No product of matrices is made that a column or a row could meet first.
    """
    numbers = [value for value in values if value.kind in ("bare", "number")]
    rest: list[Value] = []
    for chain in _chains([value for value in values if value not in numbers]):
        ends = chain[-1].kind == "column"
        found = reduce(lambda right, left: _pair(left, right), chain[::-1]) if ends else reduce(_pair, chain)
        (numbers if found.kind == "number" else rest).append(found)
    first = reduce(lambda value, number: scaled(number, value), numbers[::-1], rest[0]) if rest else reduce(scaled, numbers)
    return [first if over is None else joined("divide", first, over), *rest[1:]]


def _chains(values: list[Value]) -> Iterator[list[Value]]:
    """The product cut after every column: each part is a number, a column, a row or a matrix."""
    chain: list[Value] = []
    for value in values:
        chain.append(value)
        if value.kind == "column":
            yield chain
            chain = []
    if chain:
        yield chain


def product(values: Sequence[Value], over: Value | None = None) -> Value:
    """A matrix product, divided by a number; a number in it scales."""
    return reduce(_pair, factors(values, over))


def trace(values: Sequence[Value]) -> Value:
    """tr(A B ...), as the sum of the entries of A^T * (B ...)."""
    if len(values) > 1 and values[0].kind == "matrix":
        left, right = transposed(values[0]), product(values[1:])
        both = Call("multiply", (left.array(), right.array()))
        return Value(after(both, ".sum((-2, -1))[..., None]"), ONE, ONE, left.many or right.many)
    whole = product(values)
    if whole.kind in ("bare", "number"):
        return whole
    return Value(after(whole.array(), ".diagonal(0, -2, -1).sum(-1, keepdims=True)"), ONE, ONE, whole.many)


def diagonal(value: Value, eye: str) -> Value:
    """diag(v), from the identity matrix of its size."""
    if value.kind in ("bare", "number"):
        return value
    return Value(Call("multiply", (value.at("..., None"), eye)), value.rows, value.rows, value.many)


def some_rows(value: Value, start: str, stop: str, length: Length) -> Value:
    """Rows start+1 to stop; of a matrix one row is a row."""
    if value.kind in ("bare", "number", "row"):
        return value
    span = f"{start if start != '0' else ''}:{stop}"
    if value.flipped and length != ONE:
        return Value(after(value.code, f"[..., {span}]"), length, value.columns, value.many, flipped=True)
    index = f"..., {span}" if value.kind == "column" else f"..., {start}, :" if length == ONE else f"..., {span}, :"
    return Value(value.at(index), length, value.columns, value.many)


def stacked(rows: Sequence[Sequence[Value]], lead: str, height: Length, width: Length, text: Callable[[Length], str]) -> Value:
    """Blocks above one another and side by side. `lead` is the text of the axes in front, `text` that of a length.

    Where there is one of every block for all steps and sequences, there is one of the whole.
    """
    flat, many = height == ONE or width == ONE, any(value.many for row in rows for value in row)
    def block(value: Value) -> Code:
        shape = [text(each) for each in (value.rows, value.columns) if each != ONE] if value.rows else []
        code = value.array()
        if many and not value.many:  # one for all becomes one for each
            code = Call("broadcast_to", (code, f"({lead}, {', '.join(shape or ['1'])})"))
        elif not shape and not many:
            code = after(code, ".reshape(1)")  # a parameter that is a number has no axis
        if flat or value.kind == "matrix":
            return code
        return after(code, "[..., None, :]" if value.kind == "row" else "[..., None]")
    def beside(parts: Sequence[Code], axis: str) -> Code:
        return Call("concatenate", (several(parts), axis)) if len(parts) > 1 else parts[0]
    lines = [beside([block(value) for value in row], "-1") for row in rows]
    return Value(beside(lines, "-1" if flat else "-2"), height, width, many)


def summed(values: Sequence[Value], over: Value | None = None) -> Code:
    """A matrix product, divided by a number, summed over time and batch, the two axes in front."""
    found = factors(values, over)
    if len(found) == 2 and all(value.many for value in found):
        column, row = (value.code for value in found)
        return Call("tensordot", (column, row, "((0, 1), (0, 1))"))
    return after(reduce(_pair, found).array(), ".sum((0, 1))")
