"""Polynomials with any number of generators, as dictionaries from packed exponents to rational coefficients.

The exponents of a monomial are packed into one whole number, sixteen bits a generator, so that multiplying monomials is
adding numbers, and a generator that does not occur costs nothing. An exponent may be negative: the inverse of a monomial
is a monomial. The ring is a `Numbers` as that of SymPy is in `symlstm.evidence.rings`, for proofs of which there are many
with few terms each.

>>> ring = Packed()
>>> a, b = ring.generator(("a",)), ring.generator(("b",))
>>> (a + b) ** 2 - a**2 - 2 * a * b == b**2
True
>>> bool(ring.clear(ring.inverse(a + b) * (a**2 - b**2) - (a - b))), ring.inverse(a) * a == 1
(False, True)
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from symlstm.algebra import NotSupported, NotValid
from symlstm.evidence.rings import Key

WIDTH = 16  # bits for one exponent
HALF, MASK = 1 << WIDTH - 1, (1 << WIDTH) - 1
ALLOWED = 150_000  # products of terms for one proof


class Polynomial:
    """A polynomial: its terms by packed exponents, and a bound for the size of every exponent.

    `spent` counts the products of terms since it was set to 0; from `ALLOWED` on a product raises `NotSupported`.
    """

    __slots__ = ("bound", "terms")
    spent: ClassVar[int] = 0

    def __init__(self, terms: Mapping[int, Any], bound: int = 0) -> None:
        self.terms, self.bound = terms, bound

    def __add__(self, other: Any) -> Polynomial:
        other = _polynomial(other)
        if other is None:
            return NotImplemented
        terms = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            total = terms.get(monomial, 0) + coefficient
            if total:
                terms[monomial] = total
            else:
                terms.pop(monomial, None)
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
        Polynomial.spent += len(self.terms) * len(other.terms)
        if bound >= HALF or Polynomial.spent > ALLOWED:
            raise NotSupported("The polynomials have too many terms.")
        terms: dict[int, Any] = {}
        for one, factor in self.terms.items():
            for two, coefficient in other.terms.items():
                terms[one + two] = terms.get(one + two, 0) + factor * coefficient
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
        return hash(frozenset(self.terms.items()))

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def constant(self) -> Any:
        """The number that this is; None for what is not one."""
        return None if any(self.terms) else self.terms.get(0, 0)

    def by_powers(self, place: int) -> dict[int, Polynomial]:
        """The polynomial as one in a single generator, by its place: the coefficient of each power."""
        shift, found = WIDTH * place, dict[int, dict[int, Any]]()
        bias = sum(HALF << WIDTH * k for k in range(place + 1))
        for monomial, coefficient in self.terms.items():
            power = (monomial + bias >> shift & MASK) - HALF
            found.setdefault(power, {})[monomial - (power << shift)] = coefficient
        return {power: Polynomial(terms, self.bound) for power, terms in found.items()}


def _polynomial(value: Any) -> Polynomial | None:
    """A number as a polynomial, exactly; None for anything else."""
    if isinstance(value, Polynomial):
        return value
    if isinstance(value, (float, Fraction)) and value == int(value):
        value = int(value)
    return Polynomial({0: value} if value else {}) if isinstance(value, (int, Fraction)) else None


class Packed:
    """The ring: it gives out generators by key and keeps in mind what is the inverse of what, and which depend on others."""

    symbolic = True

    def __init__(self) -> None:
        self._given: dict[Key, Polynomial] = {}
        self._inverses: dict[int, Polynomial] = {}
        self._dependents: dict[int, Polynomial] = {}

    def generator(self, key: Key) -> Polynomial:
        """The element that stands for a key; the same key, the same element."""
        if key not in self._given:
            self._given[key] = Polynomial({1 << WIDTH * len(self._given): 1}, 1)
        return self._given[key]

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
            return Polynomial({-monomial: _polynomial(1 / Fraction(coefficient)).terms[0]}, of.bound)  # type: ignore[union-attr]
        leading = of.terms[max(of.terms)]
        monic = of * (1 / Fraction(leading))
        if ("inverse", monic) not in self._given:
            self._inverses[len(self._given)] = monic
        return self.generator(("inverse", monic)) * (1 / Fraction(leading))

    def depend(self, key: Key, on: Any) -> Polynomial:
        """A generator that is known to be a polynomial in others: it is put in when a result is cleared."""
        if key not in self._given:
            self._dependents[len(self._given)] = self.element(on)
        return self.generator(key)

    def clear(self, element: Polynomial) -> Polynomial:
        """The element times enough divisors that no inverse is left in it: zero exactly when it is."""
        for place, divisor in reversed(self._inverses.items()):
            parts = element.by_powers(place) if element.bound else {}
            degree = max(parts, default=0)
            if degree:
                element = sum((part * divisor ** (degree - power) for power, part in parts.items()), Polynomial({}))
        for place, value in reversed(self._dependents.items()):
            parts = element.by_powers(place) if element.bound else {}
            lowest = min(parts, default=0)
            if any(parts):
                element = sum((part * value ** (power - lowest) for power, part in parts.items()), Polynomial({}))
        return element
