"""Elements of a field as rational functions of exponentials, each of them positive: what a certificate is looked for in.

>>> from symlstm.evidence.fields import Field
>>> from symlstm.evidence.signs import positive_certificate
>>> field = Field()
>>> i, f = (field.function("sigma", field.generator((name,))) for name in "if")
>>> [value] = exponentials(field, 1 - f * field.inverse(f + i))
>>> found = positive_certificate(value)
>>> found.sign, found.zero
(1, False)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from sympy import QQ
from sympy.polys.fields import FracElement, FracField
from sympy.polys.rings import PolyElement

from symlstm.activations import X
from symlstm.algebra import Apply, NotSupported
from symlstm.evidence.fields import Field
from symlstm.evidence.polynomials import Polynomial
from symlstm.evidence.scalars import Rational


def exponentials(field: Field, element: Polynomial) -> Iterator[FracElement]:
    """The element as a function of exp(x) for each argument x of an activation in it; one for every case.

    Raises `NotSupported` where anything else is in it.
    """
    element = _without_names(field, element)
    cases = [place for place in field.places(element) if field.keys[place][0] == "positive"]
    for values in product((0, 1), repeat=len(cases)):
        part = element
        for place, value in zip(cases, values, strict=True):
            part = field.put(part, place, field.element(value))
        yield _value(field, part)


def _without_names(field: Field, element: Polynomial) -> Polynomial:
    """The element with the definitions of its names put in; the arguments of activations stay."""
    while known := [place for place in field.places(element) if field.definition(place) is not None]:
        value = field.definition(known[0])
        assert value is not None
        element = field.put(element, known[0], value)
    return element


def _value(field: Field, element: Polynomial) -> FracElement:
    arguments = list(dict.fromkeys(_arguments(field, element)))
    letters = FracField([f"e{k}" for k in range(max(1, len(arguments)))], QQ)
    gens = dict(zip(arguments, letters.gens, strict=False))

    def atom(place: int) -> FracElement:
        kind, *rest = field.keys[place]
        return 1 / value(rest[0]) if kind == "inverse" else _atom(rest[0], gens[rest[1]])

    def value(part: Polynomial) -> FracElement:
        total = letters(0)
        for monomial, coefficient in part.terms.items():
            term = letters(QQ(coefficient.numerator, coefficient.denominator))
            for place, power in field.exponents(monomial):
                term *= atom(place) ** power
            total += term
        return total
    return value(element)


def _arguments(field: Field, element: Polynomial) -> Iterator[Polynomial]:
    for place in sorted(field.places(element)):
        kind, *rest = field.keys[place]
        if kind == "inverse":
            yield from _arguments(field, rest[0])
        elif kind == "apply" and rest[0] not in ("sqrt", "log"):
            yield rest[1]
        else:
            raise NotSupported("A bound is proved of functions of activations.")


def _atom(name: str, letter: FracElement) -> FracElement:
    """An activation's value, with a letter for the exponential of its argument."""
    value = Rational()(Apply(name, X))

    def put(part: PolyElement) -> Any:
        if any(power for _, power in part.itermonoms()):
            raise NotSupported(f"{name} is no function of exponentials alone.", name)
        return sum((coefficient * letter**power for (power, _), coefficient in part.terms()), start=0 * letter)
    return put(value.numer) / put(value.denom)
