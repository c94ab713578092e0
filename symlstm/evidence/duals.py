"""Dual numbers: forward-mode derivatives of a value by many numbered seeds at once, over any type of number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Dual:
    """A value with its derivatives by numbered seeds.

    >>> x, y = Dual(3, {0: 1}), Dual(5, {1: 1})
    >>> product = x * y - 2 * x**2
    >>> product.value, product.parts
    (-3, {0: -7, 1: 3})
    """

    __slots__ = ("parts", "value")

    def __init__(self, value: Any, parts: Mapping[int, Any] | None = None) -> None:
        self.value, self.parts = value, parts or {}

    def __add__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value + other, self.parts)
        return Dual(self.value + other.value, _added(dict(self.parts), other.parts))

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return self.scaled(-self.value, -1)

    def __sub__(self, other: Any) -> Dual:
        return self + -other

    def __rsub__(self, other: Any) -> Dual:
        return -self + other

    def __mul__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return self.scaled(self.value * other, other)
        parts = {seed: part * other.value for seed, part in self.parts.items()}
        more = {seed: part * self.value for seed, part in other.parts.items()}
        return Dual(self.value * other.value, _added(parts, more))

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Dual:
        return self.scaled(self.value**exponent, exponent * self.value ** (exponent - 1))

    def scaled(self, value: Any, slope: Any) -> Dual:
        """A new value whose derivatives are these times `slope`: the chain rule."""
        return Dual(value, {seed: part * slope for seed, part in self.parts.items()})


def _added(parts: dict[int, Any], more: Mapping[int, Any]) -> dict[int, Any]:
    """More derivatives added to those that there are."""
    for seed, part in more.items():
        parts[seed] = parts[seed] + part if seed in parts else part
    return parts
