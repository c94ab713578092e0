r"""The value of a term, with products as people mean them: equal vectors elementwise, a matrix by what it can act on.

Values are arrays whose last two axes are rows and columns; a bare number has no shape and stands for a constant array.
Nothing else is broadcast: what does not fit is a `Misfit`, with both shapes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from symlstm.activations import ACTIVATIONS
from symlstm.algebra import (
    SOME,
    Add,
    Apply,
    Blocks,
    Component,
    Diag,
    Div,
    Extreme,
    Hadamard,
    Listed,
    MatMul,
    Max,
    Neg,
    Norm,
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
    Total,
    Trace,
    Transpose,
    plain,
    walk,
)  # fmt: skip
from symlstm.definitions.sources import LOSSES
from symlstm.evaluate import STEP, apply, larger

if TYPE_CHECKING:
    from symlstm.definitions.meanings import Theory

Array = Any
DEPTH = 60
ALL = Transpose(Ones(SOME))  # a row of as many ones as fit: what it multiplies is added up
LONGEST = 60  # terms of a sum or product
BITS = 1000  # of a whole number that is a power


class Misfit(Exception):
    """Shapes that do not fit, in words."""

    def __init__(self, node: Term, left: tuple[int, ...], right: tuple[int, ...], what: str) -> None:
        self.node, self.left, self.right = node, left, right
        super().__init__(f"{what}: {size_words(left)} and {size_words(right)} in {plain(node)}")


class Outside(Exception):
    """A quantity at a step at which it does not exist."""

    def __init__(self, node: Term) -> None:
        self.node = node
        super().__init__(plain(node))


class Unknown(Exception):
    """A symbol that nothing defines."""

    def __init__(self, name: str, node: Term | None = None) -> None:
        self.name, self.node = name, node
        super().__init__(name)


class Unreadable(Exception):
    """A use of notation that has no value here, in words."""


NO_VALUE = (Misfit, Outside, Unknown, Unreadable)  # why a term may have no value


def size_words(of: tuple[int, ...]) -> str:
    """A shape in words."""
    return " x ".join(map(str, of)) if of else "a number"


def shape(value: Array) -> tuple[int, ...]:
    """Rows and columns; empty for a bare number."""
    return tuple(np.shape(value)[-2:])


def is_scalar(value: Array) -> bool:
    """Whether a value scales what it is multiplied with."""
    return shape(value) in ((), (1, 1))


def is_vector(value: Array) -> bool:
    """Whether a value is a row or a column."""
    return not is_scalar(value) and 1 in shape(value)


def when(time: Time, times: Mapping[str, int]) -> int:
    """The number that a time mark says. Raises `Unreadable` for a letter without a value."""
    total, sign, letters = time.offset, 1, ""
    for character in time.base + "+":
        if character not in "+-":
            letters += character
            continue
        if letters:
            if letters not in times:
                raise Unreadable(f"{letters} is no time here")
            total += sign * times[letters]
        letters, sign = "", -1 if character == "-" else 1
    return total


def runs_down(node: Sum | Prod) -> bool:
    """Whether a sum or product is printed from the later step to the earlier one: t is later than k, and T later than t."""
    return _lateness(node.lower) > _lateness(node.upper)


def _lateness(time: Time) -> int:
    """A number for a step by which printed limits are compared: 3 is later than k, and earlier than t."""
    return when(time, _LATENESS) + (400 if not time.base and time.offset > 1 else 0)


class _Lateness(dict[str, int]):
    def __missing__(self, letter: str) -> int:
        return 100

    def __contains__(self, letter: object) -> bool:
        return True


_LATENESS = _Lateness({"T": 1000, "tau": 1000, "t": 500})


class Reckoner:
    """Terms to values. `leaf` gives the value of a symbol as it stands; `times` are the values of time letters.

    `indices` are the values of component letters, `theory` knows the functions that the document defines.
    """

    def __init__(
        self, leaf: Callable[[Sym], Array] | None = None, times: Mapping[str, int] | None = None, theory: Theory | None = None
    ) -> None:
        self.leaf = leaf
        self.times = dict(times or {})
        self.theory = theory
        self.indices: dict[str, int] = {}
        self.local: dict[str, Array] = {}
        self.depth = 0
        self.rows = False  # whether vectors are rows: two of them side by side are multiplied elementwise
        self.spread = False  # whether a number that was computed stood for a constant array
        self.strict = False  # whether a product without a sign is a matrix product, whatever it stands between
        self.loss_scale = 1.0  # by which the loss that nothing defines is multiplied

    def __call__(self, node: Term) -> Array:
        rule = _RULES.get(type(node))
        if rule is None:
            raise Unreadable(f"{plain(node)} has no value here")
        return getattr(self, rule)(node)

    # --- leaves ------------------------------------------------------------------------------------------------

    def number(self, node: Num) -> Array:
        return int(node.value) if node.value.denominator == 1 else float(node.value)

    def negative(self, node: Neg) -> Array:
        return -self(node.arg)

    def symbol(self, node: Sym) -> Array:
        if node.time is None and node.name in self.local:
            return self.local[node.name]
        if node.time is None and node.name in self.times:
            return self.times[node.name]
        if node.time is None and node.name in self.indices:
            return self.indices[node.name]
        if self.leaf is None:
            raise Unknown(node.name, node)
        return self.leaf(node)

    # --- sums and products -------------------------------------------------------------------------------------

    def sum(self, node: Add) -> Array:
        total = self(node.args[0])
        for arg in node.args[1:]:
            total = self.added(node, total, self(arg))
        return total

    def added(self, node: Term, left: Array, right: Array) -> Array:
        """A sum. A number that is computed stands for the constant array, as a bare one does."""
        one, other = shape(left), shape(right)
        if one and other and one != other and not is_scalar(left) and not is_scalar(right):
            raise Misfit(node, one, other, "the terms of a sum have different shapes")
        self.spread = self.spread or bool(one and other and one != other)
        return left + right

    def hadamard(self, node: Hadamard) -> Array:
        total = self(node.args[0])
        for arg in node.args[1:]:
            total = self.elementwise(node, total, self(arg))
        return total

    def elementwise(self, node: Term, left: Array, right: Array) -> Array:
        one, other = shape(left), shape(right)
        if one != other and not is_scalar(left) and not is_scalar(right):
            raise Misfit(node, one, other, "an elementwise product of different shapes")
        return left * right

    def product(self, node: MatMul) -> Array:
        total = None
        for place, arg in enumerate(node.args):
            value = self(MatMul(node.args[place + 1 :])) if arg == ALL and node.args[place + 1 :] else self(arg)
            if arg == ALL:
                value = np.ones((1, shape(value)[0] if shape(value) else 1), dtype=int)
            total = value if total is None else self.multiplied(node, total, value)
        return total

    def multiplied(self, node: Term, left: Array, right: Array) -> Array:
        """Two factors without a sign that says more: scaled, elementwise for equal vectors, else a matrix product."""
        one, other = shape(left), shape(right)
        if is_scalar(left) or is_scalar(right) or (one == other and one[int(not self.rows)] == 1 and not self.strict):
            return left * right
        if one[1] != other[0]:
            raise Misfit(node, one, other, "the factors of a product do not fit")
        return left @ right

    def quotient(self, node: Div) -> Array:
        above, below = self(node.above), self(node.below)
        if not is_scalar(below) and shape(above) and shape(above) != shape(below):
            raise Misfit(node, shape(above), shape(below), "a quotient of different shapes")
        return above / below

    def power(self, node: Pow) -> Array:
        base, exponent = self(node.base), np.real(self(node.exponent))
        if shape(exponent) == (1, 1):
            exponent = exponent.reshape(())
        if shape(exponent) not in ((), (1, 1)):
            raise Unreadable("an exponent is a number")
        number = float(exponent) if np.ndim(exponent) == 0 else exponent
        if isinstance(base, int) and base.bit_length() * abs(number) > BITS:
            raise Unreadable(f"a number of more than {BITS} binary digits")
        if len(shape(base)) == 2 and shape(base)[0] == shape(base)[1] > 1 and np.ndim(exponent) == 0 and number == int(number):
            return np.linalg.matrix_power(base, int(number))
        return base ** (int(number) if np.ndim(exponent) == 0 and number == int(number) and number >= 0 else exponent * 1.0)

    # --- functions ---------------------------------------------------------------------------------------------

    def applied(self, node: Apply) -> Array:
        if node.function == "prod":
            return self(MatMul(node.arg.args)) if isinstance(node.arg, Listed) else self(node.arg)
        args = [self(arg) for arg in node.arg.args] if isinstance(node.arg, Listed) else [self(node.arg)]
        return self.value_of(node.function, args)

    def value_of(self, name: str, args: list[Array]) -> Array:
        """A function at values: one that the document defines, one that everybody knows, or a generic one."""
        if self.theory is not None and name in self.theory.functions:
            letters, body = self.theory.functions[name]
            if len(letters) == len(args) and not any(isinstance(part, Apply) and part.function == name for part in walk(body)):
                inner = Reckoner(None, self.times, self.theory)
                inner.local = dict(zip(letters, args, strict=True))
                return inner(body)
        if len(args) == 1 and name in _KNOWN:
            return _KNOWN[name](args[0])
        base, _, rest = name.partition("[")
        letter = rest.rstrip("]")
        stamp = base
        if letter:
            if base in LOSSES and letter == "t" and self.times.get("t", 1) < 1:
                raise Outside(Sym(base, Time("t")))  # no loss belongs to what is there before the first step
            digits = letter.replace("+", " ").replace("-", " ").split()
            stamp += str(self.times.get(digits[0], digits[0]) if digits else letter)
        scalar = len(args) > 1 or base in LOSSES
        return _generic(stamp, args) * self.loss_scale if scalar else _wavy(stamp, args[0])

    def slope(self, node: Prime) -> Array:
        return self.slope_at(node.function, self(node.arg))

    def slope_at(self, name: str, value: Array) -> Array:
        """The derivative of a function of one argument: its own complex step, so that of a complex value it is differenced."""
        if name in _SLOPES and not (self.theory is not None and name in self.theory.functions):
            return _SLOPES[name](value)
        if np.iscomplexobj(value):
            raise Unreadable(f"the second derivative of {name} is not taken")
        return np.imag(self.value_of(name, [value + 1j * STEP])) / STEP

    # --- shapes ------------------------------------------------------------------------------------------------

    def transposed(self, node: Transpose) -> Array:
        value = self(node.arg)
        return np.swapaxes(value, -1, -2) if shape(value) else value

    def diagonal(self, node: Diag) -> Array:
        value = self(node.arg)
        if not shape(value):
            raise Unreadable("diag takes a vector")
        if not is_vector(value) and not is_scalar(value):
            raise Misfit(node, shape(value), (max(shape(value)), 1), "diag takes a vector")
        upright = value if shape(value)[1] == 1 else np.swapaxes(value, -1, -2)
        return upright * np.eye(shape(upright)[0])

    def blocks(self, node: Blocks) -> Array:
        rows = [[np.full((1, 1), value) if not shape(value) else value for value in map(self, row)] for row in node.rows]
        lying = len(rows) > 1 and all(len(row) == 1 and shape(row[0])[0] == 1 and shape(row[0])[1] > 1 for row in rows)
        if lying:
            rows = [[row[0] for row in rows]]
        lead = np.broadcast_shapes(*(np.shape(value)[:-2] for row in rows for value in row))
        whole = [[np.broadcast_to(value, lead + shape(value)) for value in row] for row in rows]
        try:
            return np.concatenate([np.concatenate(row, axis=-1) for row in whole], axis=-2)
        except ValueError:
            raise Misfit(node, shape(rows[0][0]), shape(rows[-1][-1]), "the blocks do not fit together") from None

    def ones(self, node: Ones) -> Array:
        return np.ones((self.count(node.rows), 1), dtype=int)

    def trace(self, node: Trace) -> Array:
        value = self(node.arg)
        if not shape(value) or shape(value)[0] != shape(value)[1]:
            raise Misfit(node, shape(value), shape(value)[::-1], "a trace is one of a square matrix")
        return np.trace(value, axis1=-2, axis2=-1)[..., None, None]

    def section(self, node: Rows) -> Array:
        value, start, stop = self(node.arg), self.count(node.start), self.count(node.stop)
        if not shape(value) or not 0 <= start < stop <= shape(value)[0]:
            raise Misfit(node, shape(value), (stop, 1), "there are no such rows")
        return value[..., start:stop, :]

    def count(self, node: Term) -> int:
        """A length, which is a whole number."""
        value = np.real(self(node))
        if np.size(value) != 1 or float(value) != int(value):
            raise Unreadable(f"{plain(node)} is no length")
        return int(value)

    def larger(self, node: Max) -> Array:
        total = self(node.args[0])
        for arg in node.args[1:]:
            total = larger(total, self(arg))
        return total

    def norm(self, node: Norm) -> Array:
        """The length of a vector, which a complex step goes through; of a matrix, its largest singular value."""
        value = self(node.arg)
        if is_vector(value):
            return np.sqrt(np.sum(value * value, axis=(-2, -1)))[..., None, None]
        return np.linalg.norm(np.real(value), 2, axis=(-2, -1))[..., None, None]

    # --- over time and entries ---------------------------------------------------------------------------------

    def many(self, node: Sum | Prod) -> list[Array]:
        """The bodies of a sum or product, from the lower limit to the upper one; either may run down in time."""
        lower, upper = when(node.lower, self.times), when(node.upper, self.times)
        steps = range(lower, upper - 1, -1) if runs_down(node) else range(lower, upper + 1)
        if len(steps) > LONGEST:
            raise Unreadable("this sum is too long")
        before = dict(self.times)
        values = []
        for step in steps:
            self.times = {**before, node.index: step}
            try:
                values.append(self(node.body))
            except Outside:
                if step or node.lower != Time("", 0):
                    raise  # a sum printed from 0 has no term there where steps are counted from 1
        self.times = before
        return values

    def summed(self, node: Sum) -> Array:
        values = self.many(node)
        total = values[0] if values else 0.0
        for value in values[1:]:
            total = self.added(node, total, value)
        return total

    def chained(self, node: Prod) -> Array:
        values = self.many(node)
        if not values:
            return 1.0
        total = values[0]
        for value in values[1:]:
            total = self.multiplied(node, total, value)
        return total

    def component(self, node: Component) -> Array:
        value = self(node.of)
        if node.index not in self.indices:
            raise Unreadable(f"{node.index} is no index here")
        if not is_vector(value):
            raise Unreadable(f"{plain(node.of)} has no components")
        flat = value.reshape(*np.shape(value)[:-2], -1)
        if self.indices[node.index] >= flat.shape[-1]:
            raise Outside(node)
        return flat[..., self.indices[node.index], None, None]

    def length_of(self, node: Term, index: str) -> int:
        """How many components an index runs over: the length of what it stands at, else of any vector with components."""
        found = [part for part in walk(node) if isinstance(part, Component)]
        chosen = next((part for part in found if part.index == index), found[0] if found else None)
        if chosen is None:
            raise Unreadable(f"what {index} runs over is not known")
        return max(shape(self(chosen.of)))

    def totalled(self, node: Total) -> Array:
        count = self.length_of(node.body, node.index)
        before = dict(self.indices)
        total: Array = 0.0
        for k in range(count):
            self.indices = {**before, node.index: k}
            total = total + self(node.body)
        self.indices = before
        return total

    def extreme(self, node: Extreme) -> Array:
        value = np.real(self(node.body))
        pick = np.max if node.sign > 0 else np.min
        return pick(value, axis=0, keepdims=False).reshape(1, 1) if np.ndim(value) == 3 else value


def _coefficients(stamp: str, count: int) -> Array:
    return np.random.default_rng(zlib.crc32(stamp.encode())).uniform(0.4, 1.3, count) * np.where(np.arange(count) % 2, -1, 1)


def _generic(stamp: str, args: list[Array]) -> Array:
    """A generic smooth scalar function of its arguments: nothing but what they are is special about its value."""
    total: Array = 0.0
    mixed: Array = 0.0
    for k, arg in enumerate(args):
        value = np.asarray(arg)
        size = shape(value) or (1, 1)
        a, b, c = (_coefficients(f"{stamp}/{k}/{letter}", size[0] * size[1]).reshape(size) for letter in "abc")
        total = total + np.sum(value * (a + b * value), axis=(-2, -1))[..., None, None]
        mixed = mixed + np.sum(c * value, axis=(-2, -1))[..., None, None]
    return np.tanh(0.5 * mixed) + (0.1 * total if len(args) > 1 else total)


def _wavy(stamp: str, value: Array) -> Array:
    a, b = _coefficients(stamp, 2)
    return np.tanh(0.9 * value) * abs(a) + 0.2 * abs(b) * value


def _softmax(value: Array) -> Array:
    raised = np.exp(value - np.max(np.real(value), axis=(-2, -1), keepdims=True))
    return raised / np.sum(raised, axis=(-2, -1), keepdims=True)


def _log(value: Array) -> Array:
    return np.log(value + 0j if np.any(np.real(value) < 0) else value)


def _sigma(value: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * value))


_KNOWN: dict[str, Callable[[Array], Array]] = {
    **{name: (lambda value, name=name: apply(name, value)) for name in ACTIVATIONS},
    "sigma": _sigma, "tanh": np.tanh, "softmax": _softmax, "exp": np.exp, "log": _log,
    "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh,
    "sech": lambda value: 1 / np.cosh(value),
    "abs": lambda value: np.where(np.real(value) < 0, -value, value),
    "positive": lambda value: (np.real(value) > 0) * 1.0,
    "nonnegative": lambda value: (np.real(value) >= 0) * 1.0,
    "softplus": lambda value: np.log1p(np.exp(value)),
}  # fmt: skip
_SLOPES: dict[str, Callable[[Array], Array]] = {
    "sigma": lambda value: _sigma(value) * (1 - _sigma(value)),
    "tanh": lambda value: 1 - np.tanh(value) ** 2,
}


_RULES: dict[type[Term], str] = {
    Num: "number", Sym: "symbol", Add: "sum", Neg: "negative", MatMul: "product", Hadamard: "hadamard", Div: "quotient",
    Pow: "power",
    Apply: "applied", Prime: "slope", Transpose: "transposed", Diag: "diagonal", Blocks: "blocks", Max: "larger", Norm: "norm",
    Ones: "ones", Trace: "trace", Rows: "section",
    Sum: "summed", Prod: "chained", Component: "component", Total: "totalled", Extreme: "extreme",
}  # fmt: skip
