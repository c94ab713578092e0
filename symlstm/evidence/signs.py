"""The sign of a rational function of x and E = exp(x), with a certificate: on the whole line, or on a stretch of it.

A function has a *certificate* when each of its factors has one: only coefficients that are not negative, in variables that
are positive (E always is; x, less the end of the stretch, on a stretch), so that the factor is positive; or an even
power, so that it is zero only at its roots. On a side of 0 there is one more: with powers of exp(u), u = |x|, whose
coefficients are positive, replaced by Taylor polynomials that stay below them, a polynomial in u is left, and Sturm's
theorem says that it has no root.

>>> silu = ARGUMENT * E / (1 + E)
>>> certificate(silu, RIGHT).sign, certificate(silu + QQ(2785, 10000), LEFT).sign
(1, 1)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Any

from sympy import QQ, Poly, Symbol
from sympy.polys.fields import FracElement, field
from sympy.polys.rings import PolyElement

from symlstm.algebra import NotSupported

FIELD, E, ARGUMENT = field("E,x", QQ)
U = Symbol("u")
ABOVE, BELOW = 24, 17  # degrees of the Taylor polynomials of exp(u) and, an odd one, of exp(-u)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the real line without its ends; without any, all of it."""

    lower: int | None = None
    upper: int | None = None

    def __str__(self) -> str:
        if self.lower is None:
            return f"x < {self.upper}"
        return f"x > {self.lower}" if self.upper is None else f"{self.lower} < x < {self.upper}"

    def holds(self, point: int) -> bool:
        """Whether a point lies inside."""
        return (self.lower is None or self.lower < point) and (self.upper is None or point < self.upper)


LINE, RIGHT, LEFT = Stretch(), Stretch(0), Stretch(None, 0)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The sign of a function wherever it is not zero, and whether it may be zero, and if so only at x = 0."""

    sign: int
    zero: bool = False
    only_at_zero: bool = False


def certificate(value: FracElement, where: Stretch = LINE) -> Certificate:
    """The sign of a function of E = exp(x) and x, for every x or on a stretch.

    Raises `NotSupported` where its factors do not show it.
    """
    if not value or where == LINE:
        return _certified(value, lambda factor: 0 if any(x % 2 for _, x in factor.itermonoms()) else _sign(factor))
    try:
        return _certified(_moved(value.numer, where) / _moved(value.denom, where), _sign)
    except NotSupported:
        if where not in (RIGHT, LEFT):
            raise
        return _certified(value, lambda factor: _sign_by_taylor(factor, where))


def positive_certificate(value: FracElement) -> Certificate:
    """The sign of a rational function of any number of variables, wherever all of them are positive."""
    return _certified(value, _sign)


def _certified(value: FracElement, sign_of: Callable[[PolyElement], int]) -> Certificate:
    if not value:
        return Certificate(0, True)
    sign, roots = 1, []
    for part in (value.numer, value.denom):
        constant, factors = part.factor_list()
        sign *= 1 if constant > 0 else -1
        for factor, multiplicity in factors:
            if factor_sign := sign_of(factor):
                sign *= factor_sign**multiplicity
            elif multiplicity % 2 == 0:
                roots.append(factor)
            else:
                raise NotSupported("No certificate was found: a factor may change its sign.", str(factor.as_expr()))
    return Certificate(sign, bool(roots), all(root in (E.numer - 1, 1 - E.numer) for root in roots))


def _moved(part: PolyElement, where: Stretch) -> FracElement:
    """A polynomial in positive variables: x = a + u, b - u or (a + b u)/(1 + u); beside 0 also E = 1 + y or 1/(1 + y)."""
    e, u = E, ARGUMENT
    if where in (RIGHT, LEFT):
        e = 1 + E if where == RIGHT else 1 / (1 + E)
    if where.lower is None:
        x = (where.upper or 0) - u
    else:
        x = where.lower + u if where.upper is None else (where.lower + where.upper * u) / (1 + u)
    return sum((FIELD(coefficient) * e**i * x**k for (i, k), coefficient in part.terms()), FIELD(0))


def _sign(factor: PolyElement) -> int:
    """The sign of a polynomial in positive variables whose coefficients all have one sign; 0 for any other."""
    signs = {1 if coefficient > 0 else -1 for coefficient in factor.itercoeffs()}
    return 0 if len(signs) > 1 else signs.pop()


# --- by Taylor polynomials ---------------------------------------------------------------------------------------


def _sign_by_taylor(factor: PolyElement, where: Stretch) -> int:
    """The sign of a polynomial in x and E on one side of 0; 0 where it is not found."""
    side = 1 if where == RIGHT else -1
    powers: dict[int, Any] = {}  # of exp(u): a polynomial in u
    for (i, k), coefficient in factor.terms():
        powers[side * i] = powers.get(side * i, 0) + Poly(coefficient * side**k * U**k, U, domain=QQ)
    for sign in (1, -1):
        signed = {power: part * sign for power, part in powers.items()}
        for centre in signed:
            others = {power: part for power, part in signed.items() if power != centre}
            if all(map(_positive, others.values())):
                least = sum((part * _below(power - centre) for power, part in others.items()), signed[centre])
                if _positive(least):
                    return sign
    return 0


def _below(k: int) -> Any:
    """A polynomial that is at most exp(k u) for every positive u: the series cut off, an alternating one after a minus."""
    degree = ABOVE if k > 0 else BELOW
    return Poly([QQ(k**j, factorial(j)) for j in range(degree, -1, -1)], U, domain=QQ)


def _positive(part: Any) -> bool:
    """Whether a polynomial in u is positive for every positive u, by Sturm's theorem."""
    while part.eval(0) == 0 and not part.is_zero:
        part = part.quo(Poly(U, U, domain=QQ))
    return not part.is_zero and part.eval(1) > 0 and part.count_roots(0, None) == 0
