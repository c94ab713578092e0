"""What components are made of: numbers with a symbol for every key, and one such kind, a random point.

The other kind are the polynomials of `symlstm.evidence.polynomials`.
"""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any, Protocol

from symlstm.algebra import NotValid

Key = tuple[Any, ...]


class Numbers(Protocol):
    """What components are made of: elements that add and multiply, and a symbol for every key."""

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
