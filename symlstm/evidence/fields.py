"""Rational functions over atoms with relations: what a cell computes, exactly.

The value of a function is an *atom*, a generator keyed by the function and its argument, with what is known of it:

| atom | relation |
|---|---|
| 1/p | its product with p is 1 |
| exp | exp(a + b) = exp(a) exp(b), exp(log(x)) = x; positive, so it may be divided by |
| sqrt | its square is the argument |
| sigma, tanh and their like | f(-x) from f(x), where the table's formula shows such a symmetry |
| the case p > 0 | 1 if it is the case and 0 if not: s^2 = s, s of -p is 1 - s of p, s of e p is s of p for positive atoms e |

With the last one the larger of two is b + (a - b) s(a - b), and an element that is zero once s^2 = s is used up is zero in
every case: that is the case split, done at once. At a = b nothing is claimed of a slope.

A generator may have a *definition*: it is the name of a quantity that was computed from others. Equality is looked for
with the names left as they are, then with definitions put in, the latest first, and in the end inside the atoms too. What is
zero at any of these stages is zero; that something is *not* zero is said by a point (`symlstm.evidence.counterpoints`).

>>> from symlstm.evidence.polynomials import Polynomial
>>> field = Field()
>>> a, b = field.generator(("a",)), field.generator(("b",))
>>> field.function("exp", a + b) * field.function("exp", -b) == field.function("exp", a)
True
>>> field.function("sigma", -a) + field.function("sigma", a) == 1
True
>>> one_way, other_way = field.larger(a, b), field.larger(b, a)
>>> field.vanishes(one_way - other_way), field.vanishes(one_way - a)
(True, False)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from math import isqrt
from typing import Any

import numpy as np

from symlstm.activations import ACTIVATIONS, X, Y
from symlstm.algebra import Apply, Max, NotSupported, Prime, Term, term, walk
from symlstm.evaluate import Array, Evaluator
from symlstm.evidence.duals import Dual
from symlstm.evidence.polynomials import Packed, Parts, Polynomial, exactly, total
from symlstm.evidence.rings import Key
from symlstm.evidence.scalars import slope_is_proved, symmetry
from symlstm.prose import Text, prose

Rank = tuple[Any, ...]  # what is put in first: the definition of the highest rank
Definition = Callable[[], Polynomial | None]


class Field(Packed):
    """The atoms and what is known of them, and the definitions of the names."""

    def __init__(self) -> None:
        super().__init__()
        self.cases: dict[int, Text] = {}  # what each case is about, by place
        self.met: set[int] = set()  # the cases that came up since it was emptied
        self._definitions: dict[int, Definition] = {}
        self._ranks: dict[int, Rank] = {}
        self._folded: dict[Polynomial, Polynomial] = {}

    # --- atoms ---

    def function(self, name: str, x: Any) -> Polynomial:
        """A named function of an element."""
        x = self.element(x)
        x = self._folded.get(x, x)
        if name in _KNOWN:
            return _KNOWN[name](self, x)
        if is_composed(name):
            return self.element(_evaluated(self, ACTIVATIONS[name].formula, x))
        found = symmetry(name) if name in ACTIVATIONS else None
        if found is not None and self._turned(x):
            return self.generator(("apply", name, -x)) * found.sign + exactly(found.constant)
        if found is not None and not x and found.sign < 0:
            return self.element(exactly(found.constant / 2))
        return self.generator(("apply", name, x))

    def slope(self, name: str, x: Any) -> Polynomial:
        """The derivative of a named function at an element: by the table, where the table is proved, else an atom."""
        x = self.element(x)
        x = self._folded.get(x, x)
        row = ACTIVATIONS.get(name)
        if row is not None and is_composed(name):
            dual = _evaluated(self, row.formula, Dual(x, {0: 1}))
            return self.element(dual.parts.get(0, 0) if isinstance(dual, Dual) else 0)
        if row is not None and slope_is_proved(name):
            if row.slope_of is not None:
                return self.element(_evaluated(self, row.slope_of, self.function(name, x)))
            return self.element(_evaluated(self, row.slope_at, x))
        return self.generator(("slope", name, x))

    def positive(self, x: Any) -> Polynomial:
        """1 where an element is positive, 0 where it is negative. Raises `NotSupported` for zero: nothing is claimed there."""
        x = self.element(x)
        if not x:
            raise NotSupported("At a kink nothing is claimed.")
        if x.constant is not None:
            return self.element(int(x.constant > 0))
        x = self._without_positive_factors(x)
        if self._turned(x):
            return 1 - self.positive(-x)
        x = x * exactly(1 / Fraction(x.terms[max(x.terms)]))

        def once(parts: Parts) -> Polynomial | None:
            if max(parts) < 2:
                return None
            return parts.get(0, self.element(0)) + total(part for power, part in parts.items() if power) * self.generator(key)
        key = ("positive", x)
        if key not in self._given:
            self.cases[len(self.keys)] = ""
        return self.related(key, once)

    def _without_positive_factors(self, x: Polynomial) -> Polynomial:
        """The element without the powers of positive atoms that all its terms have: its sign is the same."""
        for place in self.places(x):
            name = self.keys[place][1] if self.keys[place][:1] == ("apply",) else None
            if name in ACTIVATIONS and is_positive(name):
                common = min(self.by_powers(x, place))
                x = x * self.inverse(self.generator(self.keys[place])) ** common if common > 0 else (
                    x * self.generator(self.keys[place]) ** -common)
        return x

    def tell(self, start: int, words: Text) -> None:
        """Say in words what the cases are about that have been made since there were so many generators."""
        for place in range(start, len(self.keys)):
            if self.cases.get(place) == "":
                self.cases[place] = words

    def larger(self, left: Any, right: Any) -> Any:
        """The larger of two elements, or of two dual numbers. Raises `NotSupported` at a kink, for dual numbers that meet."""
        one, other = (part.value if isinstance(part, Dual) else part for part in (left, right))
        if not self.element(one - other) and getattr(left, "parts", {}) == getattr(right, "parts", {}):
            return left
        return right + (left - right) * self.positive(one - other)

    def inverse(self, of: Any) -> Polynomial:
        """1/p; of a case nothing can be the inverse but what times p is 1."""
        of = self.element(of)
        if len(of.terms) == 1 and not self.places(of).isdisjoint(self.cases):
            return self.inverse_of_sum(of)
        return super().inverse(of)

    def exponential(self, x: Polynomial) -> Polynomial:
        """exp of a sum, as the product of an atom for each summand to a whole power."""
        found = self.element(1)
        for monomial, coefficient in x.terms.items():
            count, below = Fraction(coefficient).as_integer_ratio()
            part = Polynomial({monomial: exactly(Fraction(1, below))}, x.bound)
            key = self._key(part)
            base = key[2] if key[:2] == ("apply", "log") else self.generator(("apply", "exp", part))
            found = found * (base**count if count > 0 else self.inverse(base) ** -count)
        return found

    def root(self, x: Polynomial) -> Polynomial:
        """A square root: of a square number the number, else an atom whose square is put in."""
        if x.constant is not None:
            value = Fraction(x.constant)
            above, below = isqrt(max(value.numerator, 0)), isqrt(value.denominator)
            if (above**2, below**2) == (value.numerator, value.denominator):
                return self.element(exactly(Fraction(above, below)))

        def squared(parts: Parts) -> Polynomial | None:
            if set(parts) <= {0, 1}:
                return None
            more = -2 * (min(0, *parts) // 2)
            halved = {power: part * x ** ((power + more) // 2) for power, part in parts.items()}
            even, odd = (total(part for power, part in halved.items() if power % 2 == rest) for rest in (0, 1))
            return even + odd * self.generator(key)
        key = ("apply", "sqrt", x)
        return self.related(key, squared)

    def _turned(self, x: Polynomial) -> bool:
        """Whether -x is the one of x and -x by which atoms are keyed."""
        return bool(x) and x.terms[max(x.terms)] < 0

    def _key(self, of: Polynomial) -> Key:
        """The key of a generator; empty for any other element."""
        [(monomial, coefficient)] = of.terms.items() if len(of.terms) == 1 else [(0, 0)]
        pairs = self.exponents(monomial)
        return self.keys[pairs[0][0]] if coefficient == 1 and len(pairs) == 1 and pairs[0][1] == 1 else ()

    # --- names ---

    def named(self, key: Key, value: Any, rank: Rank) -> Polynomial:
        """The name of a computed value. A value that is an atom, a constant or a name already needs none."""
        value = self.element(value)
        if value.constant is not None or self._key(value):
            return value
        found = self.define(key, lambda: value, rank)
        self._folded.setdefault(value, found)
        return found

    def define(self, key: Key, value: Definition, rank: Rank) -> Polynomial:
        """A generator with a definition, which is made when it is asked for; None stands for no definition now."""
        found = self.generator(key)
        place = next(iter(self.places(found)))
        self._definitions[place], self._ranks[place] = value, rank
        return found

    def same_as(self, symbol: Polynomial, value: Polynomial, rank: Rank) -> None:
        """Keep in mind that a symbol that is there already has a value."""
        place = next(iter(self.places(symbol)))
        self._definitions[place], self._ranks[place] = lambda: value, rank
        self._folded.setdefault(value, symbol)

    @contextmanager
    def fixed(self, values: Iterable[tuple[int, Polynomial]]) -> Iterator[None]:
        """Generators, by their places, that are something else as long as this lasts."""
        places = dict(values)
        for place, value in places.items():
            self._definitions[place], self._ranks[place] = partial(_given, value), (-1,)
        try:
            yield
        finally:
            for place in places:
                del self._definitions[place], self._ranks[place]

    def definition(self, place: int) -> Polynomial | None:
        """What the generator at a place is the name of."""
        return self._definitions[place]() if place in self._definitions else None

    # --- zero or not ---

    def meet(self, *elements: Any) -> None:
        """Note the cases that elements are made of."""
        if self.cases:
            for element in elements:
                self.met |= self.places(self.element(element)) & self.cases.keys()

    def vanishes(self, element: Any, steps: int | None = None, highest: int | None = None) -> bool:
        """Whether an element is zero: as it stands, with definitions put in, or with those inside the atoms put in too.

        With `steps` no more than so many definitions are put in, and nothing inside the atoms; with `highest` none of a rank
        that begins with more.
        """
        element = self.clear(self.element(element))
        while element and (steps is None or steps > 0):
            latest = self._latest(element, highest)
            if latest is None:
                break
            element = self.clear(self.put(element, *latest))
            self.meet(element)
            steps = None if steps is None else steps - 1
        if element and steps is None:
            element = self.clear(self.written_out(element))
        return not element

    def vanishes_in_values(self, element: Any, steps: int) -> bool:
        """Whether an element is zero with a few definitions put in and then those of values alone (rank 0)."""
        element = self.element(element)
        for _ in range(steps):
            latest = self._latest(element, None)
            if latest is None:
                break
            element = self.clear(self.put(element, *latest))
            if self.vanishes(element, steps, highest=0):
                return True
        return False

    def _latest(self, element: Polynomial, highest: int | None) -> tuple[int, Polynomial] | None:
        """The generator of the highest rank that has a definition now, and that definition; the others are not asked for."""
        for place in sorted(self.places(element) & self._ranks.keys(), key=self._ranks.__getitem__, reverse=True):
            value = self.definition(place) if highest is None or self._ranks[place][0] <= highest else None
            if value is not None:
                return place, value
        return None

    def put(self, element: Polynomial, place: int, value: Polynomial) -> Polynomial:
        """The element with a generator replaced."""
        parts = self.by_powers(element, place)
        if set(parts) <= {0}:
            return element
        inverse = self.inverse(value) if min(parts) < 0 else value
        return total(part * (value**power if power >= 0 else inverse**-power) for power, part in parts.items())

    def written_out(self, element: Polynomial, done: dict[int, Polynomial] | None = None) -> Polynomial:
        """The element with every definition put in, inside the atoms too."""
        done = {} if done is None else done
        found = []
        for monomial, coefficient in element.terms.items():
            product = self.element(coefficient)
            for place, power in self.exponents(monomial):
                if place not in done:
                    done[place] = self._written_out(place, done)
                base = done[place]
                product = product * (base**power if power > 0 else self.inverse(base) ** -power)
            found.append(product)
        return total(found)

    def _written_out(self, place: int, done: dict[int, Polynomial]) -> Polynomial:
        value = self.definition(place)
        if value is not None:
            return self.written_out(value, done)
        key = self.keys[place]
        rule = _REMADE.get(key[0] if key else None)
        if rule is None or not any(self.reaches_names(part) for part in key if isinstance(part, Polynomial)):
            return self.generator(key)
        inner = [self.written_out(part, done) if isinstance(part, Polynomial) else part for part in key[1:]]
        return rule(self, *inner)

    def reaches_names(self, element: Polynomial) -> bool:
        """Whether a definition could be put in, at any depth."""
        return any(
            self.definition(place) is not None
            or any(self.reaches_names(part) for part in self.keys[place] if isinstance(part, Polynomial))
            for place in self.places(element)
        )


def _given(value: Polynomial) -> Polynomial:
    return value


def is_composed(name: str) -> bool:
    """Whether a function is worked out by its formula: with its cases, if it has any; it has no slope in terms of its value."""
    row = ACTIVATIONS.get(name)
    if row is None or any(part == Apply(name, X) for part in walk(row.formula)):
        return False
    return row.slope_of is None or not slope_is_proved(name)


def is_positive(name: str) -> bool:
    """Whether every value of a function of the table is more than 0."""
    values = ACTIVATIONS[name].values
    return values.lower == term(0) and values.open_below


_KNOWN: dict[str, Callable[[Field, Polynomial], Polynomial]] = {"exp": Field.exponential, "sqrt": Field.root}
_REMADE: dict[Any, Callable[..., Polynomial]] = {
    "apply": Field.function, "slope": Field.slope, "inverse": Field.inverse, "positive": Field.positive,
    "sum": lambda field, *limits_and_body: field.generator(("sum", *limits_and_body)),
}


class Exactly(Evaluator):
    """Functions, quotients and maxima of field elements and of dual numbers of them, entry by entry."""

    ring: Field

    def __call__(self, node: Term) -> Array:
        start = len(self.ring.keys)
        value = super().__call__(node)
        if isinstance(node, (Max, Apply, Prime)):
            self.ring.tell(start, self.case_of(node))
        return value

    def case_of(self, node: Max | Apply | Prime) -> Text:
        """In words, the question that a maximum or a function with a kink asks."""
        if not isinstance(node, Max) and not is_composed(node.function):
            return ""
        first, *others = node.args if isinstance(node, Max) else (node.arg, term(0))
        return prose(f"{{}} above and below {' and '.join('{}' for _ in others)}", first, *others)

    def apply(self, name: str, x: Array) -> Array:
        def chain(entry: Any) -> Any:
            if not isinstance(entry, Dual):
                return self.ring.function(name, entry)
            if is_composed(name):
                return _evaluated(self.ring, ACTIVATIONS[name].formula, entry)
            return entry.scaled(self.ring.function(name, entry.value), self.ring.slope(name, entry.value))
        return np.frompyfunc(chain, 1, 1)(x)

    def slope(self, name: str, x: Array) -> Array:
        return np.frompyfunc(lambda entry: self.ring.slope(name, entry), 1, 1)(x)

    def divide(self, above: Array, below: Array) -> Array:
        def inverse(entry: Any) -> Any:
            if not isinstance(entry, Dual):
                return self.ring.inverse(entry)
            value = self.ring.inverse(entry.value)
            return entry.scaled(value, -value * value)
        return above * np.frompyfunc(inverse, 1, 1)(below)

    def larger(self, left: Array, right: Array) -> Array:
        return np.frompyfunc(self.ring.larger, 2, 1)(left, right)


class _Formula(Exactly):
    """A formula of the table at one element or dual number. Its cases are told by whoever applies the function."""

    def __init__(self, ring: Field, value: Any) -> None:
        super().__init__({X: value, Y: value}.__getitem__)  # type: ignore[arg-type]
        self.ring = ring

    def number(self, value: Fraction) -> Any:
        return exactly(value)

    def case_of(self, node: Max | Apply | Prime) -> Text:
        return ""


def _evaluated(ring: Field, formula: Term, value: Any) -> Any:
    return _Formula(ring, value)(formula)
