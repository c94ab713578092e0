"""The value of any term, component by component, and a cell run forward by it: no derivative rule anywhere.

A value is an array whose last two axes are rows and columns; axes before them carry many runs at once. Its entries
are numbers of any type: floats, complex numbers, or objects such as elements of a polynomial ring. A bare number has
no shape and stands for the constant array. Derivatives are taken by complex step only (see `symlstm.measure`).

>>> import numpy as np
>>> W, x = Sym("W"), Sym("x", NOW)
>>> leaves: dict[Term, Array] = {W: np.array([[1.0, 2.0]]), x: np.array([[3.0], [4.0]])}
>>> Evaluator(leaves.__getitem__)(1 - W @ x)
array([[-10.]])
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from fractions import Fraction
from typing import Any

import numpy as np

from symlstm.activations import ACTIVATIONS, X, activation
from symlstm.algebra import (
    NOW,
    Add,
    Adj,
    Apply,
    Blocks,
    Diag,
    Div,
    Hadamard,
    MatMul,
    Max,
    Neg,
    Norm,
    NotSupported,
    NotValid,
    Num,
    Ones,
    Pow,
    Prime,
    Prod,
    Rows,
    Sum,
    Sym,
    Term,
    Time,
    Trace,
    Transpose,
    children,
    plain,
    transform,
)
from symlstm.model import Cell
from symlstm.shapes import linear

Array = Any
BEFORE = Time() + -1
STEP = 1e-30  # of a complex step: no subtraction, so as small as one likes
DIGITS = 4  # of a number that is shown to a person
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}


def rounded(value: Any) -> Any:
    """A number or an array as plain rounded numbers: a column or a row as one list, one entry as a number.

    >>> rounded(np.array([[0.123456], [-0.00001]])), rounded(2 / 3)
    ([0.1235, 0.0], 0.6667)
    """
    array = np.round(np.asarray(np.real(value), dtype=float), DIGITS) + 0.0
    if array.size == 1:
        return float(array.reshape(-1)[0])
    return array.reshape(-1).tolist() if 1 in array.shape else array.tolist()


def larger(left: Any, right: Any) -> Any:
    """The larger by its real part, imaginary part and all: what a complex step needs at a branch."""
    return np.where(np.real(left) >= np.real(right), left, right)


# what NumPy knows; every other function is evaluated by the formula in its row of the table of activations
ELEMENTARY: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "tanh": np.tanh, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
}


def apply(name: str, x: Any) -> Any:
    """A named function of numbers, real or complex.

    >>> round(float(apply("sigma", 1.0)), 6)
    0.731059
    """
    if name in ELEMENTARY:
        return ELEMENTARY[name](x)
    return Evaluator(lambda leaf: {X: x}[leaf])(activation(name).formula)  # type: ignore[index]  # a KeyError is the answer


def slope(name: str, x: Any) -> Any:
    """The derivative of a named function at real numbers, by complex step; none is claimed at a kink."""
    row = ACTIVATIONS.get(name)
    for kink in row.kinks if row is not None else ():
        if np.any(np.real(x) == kink):
            raise NotValid(f"{name} has no slope at {kink}.", f"{name}'({kink})", "any other point")
    return np.imag(apply(name, x + 1j * STEP)) / STEP


class Evaluator:
    """Terms to values. `leaf` gives the value of a symbol, an adjoint or a derivative, `times` that of a time letter,
    `sizes` that of a size such as n.

    Raises `NotValid` where shapes do not fit; nothing is broadcast except a bare number.
    """

    sizes: Mapping[str, int]

    def __init__(self, leaf: Callable[[Term], Array], times: Mapping[str, int] | None = None,
                 sizes: Mapping[str, int] | None = None) -> None:
        self.leaf, self.times, self.sizes = leaf, dict(times or {}), dict(sizes or {})

    def __call__(self, node: Term) -> Array:
        rule = _NODES.get(type(node))
        if rule:
            return rule(self, node)
        if isinstance(node, Sym) and node.time is None and node.name in self.times:
            return self.times[node.name]
        if isinstance(node, Sym) and node.time is None and node.name in self.sizes:
            return self.number(Fraction(self.sizes[node.name]))
        return self.leaf(self.timed(node))

    def length(self, size: Term) -> int:
        """A size in numbers. Raises `NotSupported` for one whose letters have no value here."""
        try:
            return sum(count * (self.sizes[name] if name else 1) for name, count in linear("it", size))
        except KeyError as missing:
            raise NotSupported(f"The size {missing.args[0]} has no value here.", plain(size)) from None

    # --- what a subclass over another type of number says differently ---

    def number(self, value: Fraction) -> Any:
        return float(value) if value.denominator != 1 else int(value)

    def apply(self, name: str, x: Array) -> Array:
        return apply(name, x)

    def slope(self, name: str, x: Array) -> Array:
        return slope(name, x)

    def divide(self, above: Array, below: Array) -> Array:
        return above / below

    def power(self, base: Array, exponent: Array) -> Array:
        """A power whose exponent is not a whole number written out."""
        return base**exponent

    def larger(self, left: Array, right: Array) -> Array:
        return larger(left, right)

    def norm(self, value: Array) -> Array:
        return np.linalg.norm(np.real(value), 2, axis=(-2, -1))[..., None, None]

    # --- over time ---

    def when(self, time: Time) -> Time:
        """The time mark with its letter replaced by its value, where it has one."""
        return Time("", self.times[time.base] + time.offset) if time.base in self.times else time

    def over(self, node: Sum | Prod) -> list[Array]:
        """The bodies of a sum or product, from the lower limit to the upper one; a product may run down in time."""
        lower, upper = self.when(node.lower), self.when(node.upper)
        if lower.base or upper.base:
            raise NotSupported("The limits of a sum or product need values here.", plain(node))
        down = isinstance(node, Prod) and lower > upper
        steps = range(lower.offset, upper.offset - 1, -1) if down else range(lower.offset, upper.offset + 1)
        return [self.where(node.index, k)(node.body) for k in steps]

    def where(self, letter: str, value: int) -> Evaluator:
        """The same evaluator with one more time letter that has a value."""
        inner = copy(self)
        inner.times = {**self.times, letter: value}
        return inner

    def timed(self, leaf: Term) -> Term:
        """The leaf with its time letters replaced by their values."""
        if not self.times:
            return leaf
        if isinstance(leaf, Sym):
            return leaf.at(self.when(leaf.time)) if leaf.time else leaf
        if isinstance(leaf, Adj):
            return Adj(self.timed(leaf.of), leaf.arriving)  # type: ignore[arg-type]  # a symbol, as it was
        return transform(leaf, lambda part: part.at(self.when(part.time)) if isinstance(part, Sym) and part.time else part)


def shape(value: Array) -> tuple[int, ...]:
    """Rows and columns; empty for a bare number."""
    return value.shape[-2:] if isinstance(value, np.ndarray) else np.shape(value)[-2:]


def fit(node: Term, left: Array, right: Array) -> None:
    """Raise `NotValid` if two values neither have one shape nor one of them is a bare number."""
    one, other = shape(left), shape(right)
    if one and other and one != other:
        raise NotValid(f"The shapes do not fit: {_size(one)} and {_size(other)}.", plain(node), "two arrays of one shape")


def _size(of: tuple[int, ...]) -> str:
    return " x ".join(map(str, of))


def elementwise(operation: Callable[[Array, Array], Array]) -> Callable[[Evaluator, Any], Array]:
    """The rule of a node that joins values of one shape, from left to right."""
    def rule(self: Evaluator, node: Add | Hadamard | Max) -> Array:
        total = self(node.args[0])
        for arg in node.args[1:]:
            value = self(arg)
            fit(node, total, value)
            total = operation(total, value)
        return total
    return rule


def multiply(node: Term, left: Array, right: Array) -> Array:
    """The matrix product of two values; a scalar, with or without a shape, scales."""
    one, other = shape(left), shape(right)
    if one in ((), (1, 1)) or other in ((), (1, 1)):
        return left * right
    if one[1] != other[0]:
        raise NotValid(f"The shapes do not fit: {_size(one)} times {_size(other)}.", plain(node), "as many columns as rows")
    return left @ right


def _matrix_product(self: Evaluator, node: MatMul) -> Array:
    total = self(node.args[0])
    for arg in node.args[1:]:
        total = multiply(node, total, self(arg))
    return total


def _quotient(self: Evaluator, node: Div) -> Array:
    above, below = self(node.above), self(node.below)
    if shape(below) != (1, 1):
        fit(node, above, below)
    return self.divide(above, below)


def _power(self: Evaluator, node: Pow) -> Array:
    base, whole = self(node.base), _whole(node.exponent)
    if whole is not None:
        return base**whole if whole >= 0 else self.divide(self.number(Fraction(1)), base**-whole)
    exponent = self(node.exponent)
    if shape(exponent) not in ((), (1, 1)):
        raise NotValid("An exponent is a number.", plain(node))
    return self.power(base, exponent)


def _whole(exponent: Term) -> int | None:
    """The whole number that is written as an exponent, if one is."""
    number, sign = (exponent.arg, -1) if isinstance(exponent, Neg) else (exponent, 1)
    return sign * int(number.value) if isinstance(number, Num) and number.value.denominator == 1 else None


def _diagonal(self: Evaluator, node: Diag) -> Array:
    value = self(node.arg)
    if len(shape(value)) != 2 or shape(value)[1] != 1:
        raise NotValid("diag takes a column.", plain(node), "a vector")
    return value * np.eye(shape(value)[0], dtype=int)


def _trace(self: Evaluator, node: Trace) -> Array:
    value = self(node.arg)
    if len(shape(value)) != 2 or shape(value)[0] != shape(value)[1]:
        raise NotValid("A trace is one of a square matrix.", plain(node), "as many rows as columns")
    return np.asarray(np.trace(value, axis1=-2, axis2=-1))[..., None, None]


def _rows(self: Evaluator, node: Rows) -> Array:
    value, start, stop = self(node.arg), self.length(node.start), self.length(node.stop)
    if len(shape(value)) != 2 or not 0 <= start <= stop <= shape(value)[0]:
        raise NotValid("There are no such rows.", plain(node), f"rows 1 to {shape(value)[0]}" if shape(value) else "a vector")
    return value[..., start:stop, :]


def _transpose(self: Evaluator, node: Transpose) -> Array:
    value = self(node.arg)
    return np.swapaxes(value, -1, -2) if shape(value) else value


def _blocks(self: Evaluator, node: Blocks) -> Array:
    rows = [[value if shape(value) else np.full((1, 1), value) for value in map(self, row)] for row in node.rows]
    lead = np.broadcast_shapes(*(np.shape(value)[:-2] for row in rows for value in row))
    whole = [[np.broadcast_to(value, lead + shape(value)) for value in row] for row in rows]
    try:
        return np.concatenate([np.concatenate(row, axis=-1) for row in whole], axis=-2)
    except ValueError:
        raise NotValid("The blocks do not fit together.", plain(node), "blocks side by side are equally high") from None


def _sum(self: Evaluator, node: Sum) -> Array:
    values = self.over(node)
    return sum(values[1:], start=values[0]) if values else 0


def _prod(self: Evaluator, node: Prod) -> Array:
    values = self.over(node)
    if not values:
        return 1
    total = values[0]
    for value in values[1:]:
        total = total * value if shape(value)[1:] == (1,) else multiply(node, total, value)
    return total


_NODES: dict[type[Term], Callable[[Evaluator, Any], Array]] = {
    Num: lambda self, node: self.number(node.value),
    Add: elementwise(lambda left, right: left + right),
    Hadamard: elementwise(lambda left, right: left * right),
    Max: lambda self, node: elementwise(self.larger)(self, node),
    Neg: lambda self, node: -self(node.arg),
    MatMul: _matrix_product,
    Div: _quotient,
    Pow: _power,
    Transpose: _transpose,
    Diag: _diagonal,
    Ones: lambda self, node: np.ones((self.length(node.rows), 1), dtype=int),
    Trace: _trace,
    Rows: _rows,
    Blocks: _blocks,
    Apply: lambda self, node: self.apply(node.function, self(node.arg)),
    Prime: lambda self, node: self.slope(node.function, self(node.arg)),
    Norm: lambda self, node: self.norm(self(node.arg)),
    Sum: _sum,
    Prod: _prod,
}


def leaves(node: Term) -> Iterator[Term]:
    """What the value of a term is made from: its symbols, adjoints and derivatives, each as often as it stands there."""
    if type(node) in _NODES:
        for child in children(node):
            yield from leaves(child)
    else:
        yield node


# --- a cell over a sequence -----------------------------------------------------------------------------------

Nudge = Callable[[str, int, Array], Array]
Steps = list[dict[str, Array]]


def column(vector: Any) -> Array:
    """A vector as an array of one column, a number as one of one entry; a matrix stays."""
    return np.asarray(vector).reshape(-1, 1) if np.ndim(vector) < 2 else np.asarray(vector)


def sizes_of(cell: Cell, params: Mapping[str, Array], xs: Sequence[Any], states: Sequence[Array]) -> dict[str, int]:
    """n, m and what other sizes there are, read off the arrays."""
    first = xs[0] if len(xs) and isinstance(xs[0], tuple) else tuple(xs[:1])
    inputs = zip((symbol.name for symbol in cell.input_terms), first, strict=False)
    carried = zip((state.name for state in cell.state_terms), states, strict=True)
    found: dict[str, int] = {}
    for name, array in (*inputs, *carried, *params.items()):
        for length, count in zip(cell.shapes.lengths[name], shape(array), strict=True):
            if len(length) == 1 and length[0][0] and length[0][1] == 1:
                found.setdefault(length[0][0], count)
    return found


def forward(cell: Cell, params: Mapping[str, Array], xs: Sequence[Array], states: Sequence[Array], *,
            nudge: Nudge = lambda name, t, value: value, evaluator: Callable[..., Evaluator] = Evaluator) -> Steps:
    """Run a cell's named equations over a sequence: entry t of the result holds every quantity of step t by name.

    The parts of the cell are run one after the other, each in its direction of time; states that run backward begin after
    the last step, and then the result has an entry for them at the end. Values have rows and columns (`column` makes them
    from vectors). `nudge` is called as in `symlstm.reference`: at every definition, on each parameter's copy, on x_t, on the
    initial states, and as "h+" on what is handed on. With several inputs an entry of `xs` is a tuple.
    """
    last, sizes = len(xs), sizes_of(cell, params, xs, states)
    start = {state: 0 if back.time == BEFORE else last + 1 for state, back in cell.carried.items()}
    leaves: list[dict[Term, Array]] = [{} for _ in range(last + 1 + (last + 1 in start.values()))]
    for state, value in zip(cell.state_terms, states, strict=True):
        leaves[start[state]][state] = nudge(state.name, start[state], value)
    for part in cell.parts:
        carried = [state for state, back in cell.carried.items() if state in part.states or back in part.inputs]
        for t in range(1, last + 1) if part.step >= 0 else range(last, 0, -1):
            here = leaves[t]
            for state in carried:
                back = cell.carried[state]
                there = leaves[t + back.time.offset]  # type: ignore[union-attr]
                if back not in here and state in there:  # a state that no step reads may run the other way than its part
                    here[back] = nudge(f"{state.name}+", t + back.time.offset, there[state])  # type: ignore[union-attr]
            for symbol, value in _given(cell, params, xs[t - 1]):
                if symbol not in here:
                    here[symbol] = nudge(symbol.name, t, value)
            value = evaluator(here.__getitem__, sizes=sizes)
            for line in part.equations:
                here[line.lhs] = nudge(line.lhs.name, t, value(line.rhs))  # type: ignore[attr-defined]  # a cell's left sides are symbols
    return [{leaf.name: value for leaf, value in here.items() if isinstance(leaf, Sym) and leaf.time == NOW} for here in leaves]


def _given(cell: Cell, params: Mapping[str, Array], x: Any) -> Iterator[tuple[Sym, Array]]:
    """What a step is given: the parameters, and its inputs."""
    yield from ((symbol, params[symbol.name]) for symbol in cell.parameter_terms)
    yield from zip(cell.input_terms, x if isinstance(x, tuple) else (x,), strict=True)
