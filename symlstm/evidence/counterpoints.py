"""Points at which an element of a field is not zero: a real number for every generator, true to all its definitions.

A point can only refute. The generators without a definition (parameters, inputs, states, what arrives from outside) are
drawn at random; every other value follows, functions and cases included, so what differs at the point differs for real
parameters, inputs and states. The arithmetic is float64, and a difference counts when it is a thousand million times the
rounding of its terms; nothing that is a rounding error looks like that.

>>> field = Field()
>>> a = field.generator(("a",))
>>> tanh, sigma = field.function("tanh", a), field.function("sigma", 2 * a)
>>> refuted(field, tanh - sigma), refuted(field, tanh - (2 * sigma - 1))
(True, False)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from symlstm import evaluate
from symlstm.algebra import NotSupported, Time
from symlstm.evidence.fields import Field
from symlstm.evidence.polynomials import Polynomial
from symlstm.evidence.rings import Key

FAR = 1e-7  # of the size of the terms: what is farther from zero than this is not zero
TRIED = 12  # points, so that different cases come up


def refuted(field: Field, element: Any) -> bool:
    """Whether there is a point at which an element is not zero. False says nothing."""
    element = field.element(element)
    return any(CounterPoint(field, seed).refutes(element) for seed in range(TRIED))


class CounterPoint:
    """One point."""

    def __init__(self, field: Field, seed: int) -> None:
        self.field, self._draw, self._side = field, Random(seed // 2), (-1) ** seed  # each point, and the one opposite
        self._values: dict[int, float] = {}
        self._sums: dict[Key, float] = {}

    def refutes(self, element: Polynomial) -> bool:
        """Whether the element is not zero here; what has no value here is not refuted."""
        try:
            with np.errstate(all="ignore"):
                value, size = self._terms(element)
        except (NotSupported, ArithmeticError, ValueError):
            return False
        return math.isfinite(value) and abs(value) > FAR * size

    def value(self, element: Polynomial) -> float:
        """The value of an element."""
        return self._terms(element)[0]

    def _terms(self, element: Polynomial) -> tuple[float, float]:
        total = size = 0.0
        for monomial, coefficient in element.terms.items():
            product = float(coefficient)
            for place, power in self.field.exponents(monomial):
                product *= self._generator(place) ** power
            total, size = total + product, size + abs(product)
        return total, size

    def _generator(self, place: int) -> float:
        if place not in self._values:
            definition = self.field.definition(place)
            key = self.field.keys[place]
            if definition is not None:
                found = self.value(definition)
            elif key and key[0] in _VALUES:
                found = _VALUES[key[0]](self, *key[1:])
            else:
                found = self._side * self._draw.gauss(0, 1)
            self._values[place] = float(found)
        return self._values[place]

    # --- atoms: their arguments as they stand in their keys ---

    def apply(self, name: str, x: Polynomial) -> float:
        return float(np.real(evaluate.apply(name, self.value(x))))

    def slope(self, name: str, x: Polynomial) -> float:
        return float(evaluate.slope(name, self.value(x)))

    def inverse(self, of: Polynomial) -> float:
        return 1 / self.value(of)

    def positive(self, x: Polynomial) -> float:
        return float(self.value(x) > 0)

    def sum(self, lower: Time, upper: Time, body: Polynomial) -> float:
        """A sum over all steps stands for any linear function of its terms."""
        if (lower, upper) != (Time("", 1), Time("T")):
            raise NotSupported("Sums over other steps depend on one another.")
        return 1.7 * self.value(body)

    def unknown(self, *_: Any) -> float:
        raise NotSupported("This has no value at a point.")


_VALUES: dict[Any, Callable[..., float]] = {
    "apply": CounterPoint.apply, "slope": CounterPoint.slope, "inverse": CounterPoint.inverse,
    "positive": CounterPoint.positive, "sum": CounterPoint.sum,
    "product": CounterPoint.unknown, "power": CounterPoint.unknown, "norm": CounterPoint.unknown, "larger": CounterPoint.unknown,
}
