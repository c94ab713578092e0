"""What components are made of: a polynomial ring whose generators are given out by key, and a random point of it.

>>> ring = Ring()
>>> a, b = ring.generator(("a",)), ring.generator(("b",))
>>> (a + b) ** 2 - a**2 - 2 * a * b == b**2
True
>>> ring.clear(ring.inverse(a + b) * (a**2 - b**2) - (a - b)) == 0
True
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any, Protocol

from sympy import QQ
from sympy.polys.orderings import lex
from sympy.polys.rings import PolyElement, PolyRing

from symlstm.algebra import NotValid

Key = tuple[Any, ...]


class Full(Exception):
    """The ring has no generator left."""


class Numbers(Protocol):
    """What components are made of: elements that add and multiply, and a symbol for every key."""

    symbolic: bool

    def generator(self, key: Key) -> Any:
        """The element that stands for a key; the same key, the same element."""

    def element(self, value: Any) -> Any:
        """A number or an element as an element."""

    def constant(self, value: Fraction) -> Any:
        """A rational number, as what may be added to and multiplied with elements."""

    def inverse(self, of: Any) -> Any:
        """1/p. Raises `NotValid` for zero."""

    def clear(self, element: Any) -> Any:
        """The element times enough divisors that no inverse is left in it: zero exactly when it is."""


class Ring:
    """A polynomial ring over the rationals whose generators are given out by key.

    >>> ring = Ring()
    >>> ring.generator(("a",)) * 2 == ring.generator(("a",)) + ring.generator(("a",))
    True
    """

    symbolic = True

    def __init__(self, capacity: int = 192) -> None:
        self.ring = PolyRing([f"g{k}" for k in range(capacity)], QQ, lex)
        self._free = iter(self.ring.gens)
        self._given: dict[Key, PolyElement] = {}
        self.inverses: dict[PolyElement, PolyElement] = {}

    def generator(self, key: Key) -> PolyElement:
        """The generator of a key. Raises `Full` when there is none left."""
        if key not in self._given:
            try:
                self._given[key] = next(self._free)
            except StopIteration:
                raise Full from None
        return self._given[key]

    def element(self, value: Any) -> PolyElement:
        return self.ring(value)

    def constant(self, value: Fraction) -> Any:
        return int(value) if value.denominator == 1 else QQ(value.numerator, value.denominator)

    def key(self, of: PolyElement) -> Key:
        """The key of a generator."""
        return next(key for key, generator in self._given.items() if generator == of)

    def inverse(self, of: PolyElement) -> PolyElement:
        """As a generator, with p * (1/p) = 1 kept in mind for `clear`; of a constant, a constant."""
        of = self.ring(of)
        if of.is_ground:
            if not of:
                raise NotValid("A division by zero.", "1/0")
            return self.ring(1 / of.LC)
        monic = of.monic()
        if ("inverse", monic) not in self._given:
            self.inverses[self.generator(("inverse", monic))] = monic
        return self.generator(("inverse", monic)) * (1 / of.LC)

    def clear(self, element: PolyElement) -> PolyElement:
        for inverse, divisor in reversed(self.inverses.items()):
            element = self.ring(element)
            index = self.ring.gens.index(inverse)
            degree = max((monomial[index] for monomial in element), default=0)
            if degree > 0:
                parts = [self.ring(0)] * (degree + 1)
                for monomial, coefficient in element.terms():
                    rest = (*monomial[:index], 0, *monomial[index + 1:])
                    parts[monomial[index]] += self.ring({rest: coefficient})
                element = sum((part * divisor ** (degree - k) for k, part in enumerate(parts)), self.ring(0))
        return element


PRIME = 2**61 - 1


class Residue:
    """An integer modulo a prime.

    >>> (Residue(2) * 3 - 7 + Residue(1)).value
    0
    """

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value % PRIME

    def __add__(self, other: Residue | int) -> Residue:
        return Residue(self.value + _residue(other)) if isinstance(other, (Residue, int)) else NotImplemented

    __radd__ = __add__

    def __neg__(self) -> Residue:
        return Residue(-self.value)

    def __sub__(self, other: Residue | int) -> Residue:
        return Residue(self.value - _residue(other)) if isinstance(other, (Residue, int)) else NotImplemented

    def __rsub__(self, other: int) -> Residue:
        return Residue(other - self.value) if isinstance(other, int) else NotImplemented

    def __mul__(self, other: Residue | int) -> Residue:
        return Residue(self.value * _residue(other)) if isinstance(other, (Residue, int)) else NotImplemented

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Residue:
        return Residue(pow(self.value, exponent, PRIME))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Residue, int)) and not (self.value - _residue(other)) % PRIME

    def __hash__(self) -> int:
        return hash(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)


def _residue(value: Residue | int) -> int:
    return value.value if isinstance(value, Residue) else value


class Point:
    """One random point of the ring, modulo the prime 2^61 - 1: every key has a value there.

    Two terms that differ at a point are different polynomials; that they agree there is no proof of anything.
    """

    symbolic = False

    def __init__(self, seed: int = 0) -> None:
        self._draw, self._given = Random(seed), dict[Key, Residue]()

    def generator(self, key: Key) -> Residue:
        """The value of a key."""
        if key not in self._given:
            self._given[key] = Residue(self._draw.randrange(1, PRIME))
        return self._given[key]

    def element(self, value: Any) -> Residue:
        return value if isinstance(value, Residue) else Residue(value)

    def constant(self, value: Fraction) -> Residue | int:
        return int(value) if value.denominator == 1 else Residue(value.numerator) * self.inverse(value.denominator)

    def inverse(self, of: Residue | int) -> Residue:
        if not self.element(of):
            raise NotValid("A division by zero.", "1/0")
        return self.element(of) ** -1

    def clear(self, element: Residue) -> Residue:
        return element


def with_room(compute: Callable[[Ring], Any], capacity: int = 64) -> Any:
    """Compute in a ring, and again in a larger one for as long as there is no room."""
    while True:
        try:
            return compute(Ring(capacity))
        except Full:
            capacity *= 2
