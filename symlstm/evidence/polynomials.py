"""Polynomials with any number of generators, as dictionaries from packed exponents to rational coefficients.

The exponents of a monomial are packed into one whole number, sixteen bits a generator, so that multiplying monomials is
adding numbers, and a generator that does not occur costs nothing. An exponent may be negative: the inverse of a monomial
is a monomial. That is for proofs of which there are many, with few terms each.

>>> ring = Packed()
>>> a, b = ring.generator(("a",)), ring.generator(("b",))
>>> (a + b) ** 2 - a**2 - 2 * a * b == b**2
True
>>> bool(ring.clear(ring.inverse(a + b) * (a**2 - b**2) - (a - b))), ring.inverse(a) * a == 1
(False, True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, ClassVar

from symlstm.algebra import NotSupported, NotValid
from symlstm.evidence.rings import Key

WIDTH = 16  # bits for one exponent
HALF, MASK = 1 << WIDTH - 1, (1 << WIDTH) - 1
ALLOWED = 150_000  # products of terms, and terms looked through, for one proof


class Polynomial:
    """A polynomial: its terms by packed exponents, and a bound for the size of every exponent.

    `spent` counts the products of terms, and the terms that were looked through, since it was set to 0; from `ALLOWED` on
    `NotSupported` is raised.
    """

    __slots__ = ("_hash", "bound", "terms")
    spent: ClassVar[int] = 0

    def __init__(self, terms: Mapping[int, Any], bound: int = 0) -> None:
        self.terms, self.bound, self._hash = terms, bound, 0

    @classmethod
    def spend(cls, count: int) -> None:
        """Count work. Raises `NotSupported` when it is too much for one proof."""
        Polynomial.spent += count
        if Polynomial.spent > ALLOWED:
            raise NotSupported("The polynomials have too many terms.")

    def __add__(self, other: Any) -> Polynomial:
        other = _polynomial(other)
        if other is None:
            return NotImplemented
        if not (self.terms and other.terms):
            return self if self.terms else other
        few, many = (self.terms, other.terms) if len(self.terms) < len(other.terms) else (other.terms, self.terms)
        terms = dict(many)
        for monomial, coefficient in few.items():
            if monomial not in terms:
                terms[monomial] = coefficient
            elif total := terms[monomial] + coefficient:
                terms[monomial] = total
            else:
                del terms[monomial]
        return Polynomial(terms, max(self.bound, other.bound))

    __radd__ = __add__

    def __neg__(self) -> Polynomial:
        return Polynomial({monomial: -coefficient for monomial, coefficient in self.terms.items()}, self.bound)

    def __sub__(self, other: Any) -> Polynomial:
        other = _polynomial(other)
        return NotImplemented if other is None else self + -other

    def __rsub__(self, other: Any) -> Polynomial:
        return -self + other

    def __mul__(self, other: Any) -> Polynomial:
        other = _polynomial(other)
        if other is None:
            return NotImplemented
        bound = self.bound + other.bound
        few, many = (self.terms, other.terms) if len(self.terms) < len(other.terms) else (other.terms, self.terms)
        Polynomial.spend(len(few) * len(many))
        if bound >= HALF:
            raise NotSupported("The polynomials have too high powers.")
        if len(few) == 1:  # by far the most
            [(one, factor)] = few.items()
            if factor.__class__ is int and factor == 1:
                if not one:
                    return other if few is self.terms else self
                return Polynomial({one + two: coefficient for two, coefficient in many.items()}, bound)
            return Polynomial({one + two: factor * coefficient for two, coefficient in many.items()}, bound)
        terms: dict[int, Any] = {}
        for one, factor in few.items():
            for two, coefficient in many.items():
                both, scaled = one + two, coefficient if factor == 1 else factor * coefficient
                terms[both] = terms[both] + scaled if both in terms else scaled
        return Polynomial({monomial: total for monomial, total in terms.items() if total}, bound)

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Polynomial:
        total = Polynomial({0: 1})
        for _ in range(exponent):
            total = total * self
        return total

    def __eq__(self, other: object) -> bool:
        found = _polynomial(other)
        return found is not None and self.terms == found.terms

    def __hash__(self) -> int:
        if not self._hash:
            self._hash = hash(frozenset(self.terms.items()))
        return self._hash

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def constant(self) -> Any:
        """The number that this is; None for what is not one."""
        return None if any(self.terms) else self.terms.get(0, 0)


def _polynomial(value: Any) -> Polynomial | None:
    """A number as a polynomial, exactly; None for anything else."""
    if value.__class__ is Polynomial:
        return value
    if isinstance(value, (float, Fraction)) and value == int(value):
        value = int(value)
    return Polynomial({0: value} if value else {}) if isinstance(value, (int, Fraction)) else None


Parts = Mapping[int, Polynomial]  # a polynomial as one in a single generator: the coefficient of each power


class Packed:
    """The ring: it gives out generators by key, and keeps in mind which of them obey a relation."""

    def __init__(self) -> None:
        self._given: dict[Key, Polynomial] = {}
        self.keys: list[Key] = []
        self._relations: dict[int, Callable[[Parts], Polynomial | None]] = {}
        self._decoded: dict[int, tuple[tuple[int, int], ...]] = {}

    def generator(self, key: Key) -> Polynomial:
        """The element that stands for a key; the same key, the same element."""
        found = self._given.get(key)
        if found is None:
            found = self._given[key] = Polynomial({1 << WIDTH * len(self.keys): 1}, 1)
            self.keys.append(key)
        return found

    def element(self, value: Any) -> Polynomial:
        """A number or an element as an element."""
        found = _polynomial(value)
        if found is None:
            raise NotSupported(f"{value} is no element of the ring.")
        return found

    def constant(self, value: Fraction) -> Any:
        """A rational number as it is."""
        return value

    def inverse(self, of: Any) -> Polynomial:
        """1/p, as a generator; of a constant, a constant. Raises `NotValid` for zero."""
        of = self.element(of)
        if not of:
            raise NotValid("A division by zero.", "1/0")
        if len(of.terms) == 1:
            [(monomial, coefficient)] = of.terms.items()
            return Polynomial({-monomial: exactly(1 / Fraction(coefficient))}, of.bound)
        return self.inverse_of_sum(of)

    def inverse_of_sum(self, of: Polynomial) -> Polynomial:
        """1/p as a generator r with r p = 1; p and its multiples share one."""
        leading = exactly(1 / Fraction(of.terms[max(of.terms)]))
        monic = of * leading

        def multiplied(parts: Parts) -> Polynomial:
            degree = max(0, *parts)
            return total(part * monic ** (degree - power) for power, part in parts.items())
        return self.related(("inverse", monic), multiplied) * leading

    def depend(self, key: Key, on: Any) -> Polynomial:
        """A generator that is known to be a polynomial in others: it is put in when a result is cleared."""
        value = self.element(on)

        def put(parts: Parts) -> Polynomial:
            lowest = min(0, *parts)
            return total(part * value ** (power - lowest) for power, part in parts.items())
        return self.related(key, put)

    def related(self, key: Key, relation: Callable[[Parts], Polynomial | None]) -> Polynomial:
        """A generator with a relation, which `clear` uses to make it vanish or to lower its powers; None where they are low."""
        if key not in self._given:
            self._relations[len(self.keys)] = relation
        return self.generator(key)

    def clear(self, element: Polynomial) -> Polynomial:
        """The element times enough divisors that no inverse is left in it: zero exactly when it is.

        Relations are used from the latest generator to the first, as each is about generators that were there before.
        """
        below = len(self.keys)
        while element.terms and self._relations:
            places = {place for monomial in element.terms for place, _ in self.exponents(monomial) if place < below}
            below = max((place for place in places if place in self._relations), default=-1)
            if below < 0:
                break
            reduced = self._relations[below](self.by_powers(element, below))
            element = element if reduced is None else reduced
        return element

    # --- what is inside ---

    def exponents(self, monomial: int) -> tuple[tuple[int, int], ...]:
        """The generators of a monomial by their places, first place first, each with its exponent."""
        found = self._decoded.get(monomial)
        if found is None:
            rest, pairs = monomial, []
            while rest:
                place = ((rest & -rest).bit_length() - 1) // WIDTH
                power = ((rest >> WIDTH * place) + HALF & MASK) - HALF
                rest -= power << WIDTH * place
                pairs.append((place, power))
            found = self._decoded[monomial] = tuple(pairs)
        return found

    def places(self, element: Polynomial) -> set[int]:
        """The places of the generators that occur."""
        return {place for monomial in element.terms for place, _ in self.exponents(monomial)}

    def by_powers(self, element: Polynomial, place: int) -> Parts:
        """The element as a polynomial in a single generator."""
        Polynomial.spend(len(element.terms))
        shift, found = WIDTH * place, dict[int, dict[int, Any]]()
        for monomial, coefficient in element.terms.items():
            power = next((power for at, power in self.exponents(monomial) if at == place), 0)
            found.setdefault(power, {})[monomial - (power << shift)] = coefficient
        return {power: Polynomial(terms, element.bound) for power, terms in found.items()}


def total(parts: Iterable[Polynomial]) -> Polynomial:
    """The sum."""
    return sum(parts, start=Polynomial({}))


def exactly(value: Fraction) -> Any:
    """A rational number, as a whole number where it is one."""
    return int(value) if value.denominator == 1 else value
