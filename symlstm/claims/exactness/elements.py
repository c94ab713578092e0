"""The arithmetic of a document's formulas over a polynomial ring: the same readings of products, and nothing rounded.

A function is an atom for every argument it has, with what is known of it (`symlstm.evidence.fields`), its derivative is
written in terms of its value where the table of activations says how, and softmax is a vector of symbols that sum up to
one. A maximum, and a function with a kink, holds in every case of its arguments. Dual numbers carry derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symlstm.activations import ACTIVATIONS, Y
from symlstm.algebra import Apply, Diag, Div, Extreme, Max, Norm, NotSupported, Num, Pow, Term, Total, Trace, plain, walk
from symlstm.claims.models.arithmetic import Array, Misfit, Reckoner, is_scalar, is_vector, shape
from symlstm.definitions.sources import LOSSES
from symlstm.evaluate import Evaluator
from symlstm.evidence.duals import Dual
from symlstm.evidence.fields import Field, is_composed

HIGHEST = 12  # power that is multiplied out


class Undecided(Exception):
    """What this does not decide, in words."""


class Exactly(Reckoner):
    """`Reckoner` over elements of a ring and dual numbers of them."""

    ring: Field

    def number(self, node: Num) -> Array:
        return self.ring.element(node.value)

    # --- functions ---------------------------------------------------------------------------------------------

    def value_of(self, name: str, args: list[Array]) -> Array:
        """A function at values; one that the document defines is worked out, any other is a symbol for each argument."""
        if self.theory is not None and name in self.theory.functions:
            letters, body = self.theory.functions[name]
            if len(letters) == len(args) and not any(isinstance(part, Apply) and part.function == name for part in walk(body)):
                inner = self.within_function()
                inner.local = dict(zip(letters, args, strict=True))
                return inner(body)
        base, _, letter = name.partition("[")
        if len(args) == 1 and name == "softmax":
            return self.softmax(args[0])
        if len(args) > 1 or base in LOSSES:
            return self.generic((base, self.times.get(letter.rstrip("]"), letter)), args)
        return _each(lambda entry: self.atom(name, entry), args[0])

    def within_function(self) -> Reckoner:
        inner = Elements(self.ring)
        inner.times, inner.theory = self.times, self.theory
        return inner

    def atom(self, name: str, entry: Any) -> Any:
        """A function of one number: of a dual number by the chain rule."""
        if isinstance(entry, Dual):
            return entry.scaled(self.atom(name, entry.value), self.slope_of(name, entry.value))
        entry = self.ring.element(entry)
        if name == "sqrt" and not entry:
            return entry
        return self.ring.function(name, entry) if name in ACTIVATIONS else self.ring.generator(("apply", name, entry))

    def slope_of(self, name: str, entry: Any) -> Any:
        """The derivative of a function at an element: by its value where that is known."""
        row = ACTIVATIONS.get(name)
        if isinstance(entry, Dual):
            raise Undecided(f"the second derivative of {name}")
        if is_composed(name) or name == "sqrt":
            return self.ring.slope(name, entry)
        if row is not None and row.slope_of is not None:
            return Evaluator(lambda leaf: {Y: self.atom(name, entry)}[leaf])(row.slope_of)  # type: ignore[index]
        known: dict[str, Callable[[], Any]] = {
            "exp": lambda: self.atom("exp", entry),
            "log": lambda: self.ring.inverse(entry),
            "softplus": lambda: self.atom("sigma", entry),
        }
        return known[name]() if name in known else self.ring.generator(("slope", name, self.ring.element(entry)))

    def slope_at(self, name: str, value: Array) -> Array:
        if self.theory is not None and name in self.theory.functions:
            moved = _each(lambda entry: Dual(self.ring.element(entry), {0: self.ring.element(1)}), value)
            return _each(lambda entry: entry.parts.get(0, self.ring.element(0)), self.value_of(name, [moved]))
        return _each(lambda entry: self.slope_of(name, entry), value)

    def softmax(self, value: Array) -> Array:
        entries = [entry if isinstance(entry, Dual) else Dual(self.ring.element(entry)) for entry in np.asarray(value).flat]
        key = ("softmax", tuple(entry.value for entry in entries))
        parts = [self.ring.generator((*key, k)) for k in range(len(entries) - 1)]
        parts.append(self.ring.depend((*key, len(entries) - 1), 1 - sum(parts, self.ring.element(0))))
        found = np.empty(len(entries), dtype=object)
        for j, part in enumerate(parts):
            total = Dual(part)
            for k, entry in enumerate(entries):
                total = total + entry.scaled(0, part * (int(j == k) - parts[k]))
            found[j] = total if total.parts else part
        return found.reshape(np.shape(value))

    def generic(self, stamp: tuple[Any, ...], args: list[Array]) -> Array:
        """A function of all entries of its arguments, with a symbol for each of its derivatives."""
        entries = [entry for arg in args for entry in np.asarray(arg, dtype=object).flat]
        plainly = tuple(self.ring.element(entry.value if isinstance(entry, Dual) else entry) for entry in entries)
        total: Any = Dual(self.ring.generator(("function", *stamp, plainly)))
        for k, entry in enumerate(entries):
            if isinstance(entry, Dual):
                total = total + entry.scaled(0, self.ring.generator(("derivative", *stamp, k, plainly)))
        return _boxed(total if total.parts else total.value)

    # --- sums and products -------------------------------------------------------------------------------------

    def quotient(self, node: Div) -> Array:
        above, below = self(node.above), self(node.below)
        if not is_scalar(below) and shape(above) and shape(above) != shape(below):
            raise Misfit(node, shape(above), shape(below), "a quotient of different shapes")
        return above * _each(self.inverse, below)

    def inverse(self, entry: Any) -> Any:
        if isinstance(entry, Dual):
            value = self.ring.inverse(entry.value)
            return entry.scaled(value, -value * value)
        return self.ring.inverse(entry)

    def power(self, node: Pow) -> Array:
        if isinstance(node.base, Norm) and is_vector(value := self(node.base.arg)) and self.whole(self(node.exponent), node) == 2:
            return _boxed(sum((value * value).flat, self.ring.element(0)))
        exponent = self.whole(self(node.exponent), node)
        even = isinstance(node.base, Apply) and node.base.function == "abs" and not exponent % 2
        base = self(node.base.arg if even else node.base)  # type: ignore[attr-defined]  # an even power of |x| is one of x
        square = len(shape(base)) == 2 and shape(base)[0] == shape(base)[1] > 1
        total = np.eye(shape(base)[0], dtype=int) if square else self.ring.element(1)
        for _ in range(abs(exponent)):
            total = total @ base if square else total * base
        if square and exponent < 0:
            raise Undecided("the inverse of a matrix")
        return _each(self.inverse, total) if exponent < 0 else total

    def whole(self, value: Any, node: Pow) -> int:
        number = self.ring.element(value.flat[0] if np.ndim(value) else value).constant
        if number is None or int(number) != number or abs(number) > HIGHEST:
            raise Undecided(f"the power {plain(node)}")
        return int(number)

    def diagonal(self, node: Diag) -> Array:
        value = self(node.arg)
        if not is_vector(value) and not is_scalar(value):
            raise Misfit(node, shape(value), (max(shape(value)), 1), "diag takes a vector")
        return np.reshape(value, (-1, 1)) * np.eye(np.size(value), dtype=int)

    def totalled(self, node: Total) -> Array:
        before, total = self.indices, self.ring.element(0)
        for k in range(self.length_of(node.body, node.index)):
            self.indices = {**before, node.index: k}
            total = total + self(node.body)
        self.indices = before
        return total

    def larger(self, node: Max) -> Array:
        start = len(self.ring.keys)
        total = self(node.args[0])
        for arg in node.args[1:]:
            total = np.frompyfunc(self.ring.larger, 2, 1)(total, self(arg))
        self.ring.tell(start, plain(node))
        return total

    def applied(self, node: Apply) -> Array:
        start = len(self.ring.keys)
        value = super().applied(node)
        self.ring.tell(start, plain(node))
        return value

    def norm(self, node: Norm) -> Array:
        value = self(node.arg)
        if not is_vector(value):
            raise Undecided("the norm of a matrix")
        return _boxed(self.atom("sqrt", sum((value * value).flat, self.ring.element(0))))

    def trace(self, node: Trace) -> Array:
        value = self(node.arg)
        if len(set(shape(value))) != 1:
            raise Misfit(node, shape(value), shape(value)[::-1], "a trace is one of a square matrix")
        return _boxed(sum(np.diagonal(value), self.ring.element(0)))

    def count(self, node: Term) -> int:
        value = self(node)
        number = self.ring.element(value.flat[0] if np.ndim(value) else value).constant
        if number is None or number != int(number):
            raise Undecided(f"the length {plain(node)}")
        return int(number)

    def extreme(self, node: Extreme) -> Array:
        raise Undecided("an extreme value")


class Elements(Exactly):
    """The arithmetic of one step, or of numbers alone."""

    def __init__(self, ring: Field, leaf: Callable[[Any], Array] | None = None, times: Any = None, theory: Any = None) -> None:
        super().__init__(leaf, times, theory)
        self.ring = ring


def _each(change: Callable[[Any], Any], value: Array) -> Array:
    """A function of every entry; of a bare number as well."""
    return change(value) if not np.shape(value) else np.frompyfunc(change, 1, 1)(np.asarray(value, dtype=object))


def _boxed(entry: Any) -> Array:
    box = np.empty((1, 1), dtype=object)
    box[0, 0] = entry
    return box


__all__ = ["Elements", "Exactly", "NotSupported", "Undecided"]
