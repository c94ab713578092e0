"""Functions of one real variable, exactly: identities, slopes, bounds with a certificate, limits.

With E = exp(x) every activation made of exponentials is a rational function of E (and x), and dE/dx = E gives its
derivative. Two functions are equal when the rational functions are. A bound u <= v holds for every real x when v - u
has a *certificate*: factored, each of its factors either has only coefficients that are not negative, so it is positive
for E > 0, or is an even power, so it is zero only at its roots. E = 1 is x = 0. Maxima are decided case by case, for
x > 0 and for x < 0; at a kink nothing is claimed.

>>> quarter = Num(Fraction(1, 4))
>>> decide(Relation((Prime("sigma", X), quarter), ("<=",))).ok, decide(Relation((Prime("sigma", X), quarter), ("<",))).ok
(True, False)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from sympy import QQ, limit, oo
from sympy.polys.fields import FracElement, field
from sympy.polys.rings import PolyElement

from symlstm.activations import X, Y, activation
from symlstm.algebra import (
    Adj,
    Apply,
    Blocks,
    Interval,
    Limit,
    Max,
    Neg,
    Norm,
    NotSupported,
    NotValid,
    Num,
    Partial,
    Pow,
    Prime,
    Prod,
    Relation,
    Space,
    Sum,
    Sym,
    Term,
    equation,
    plain,
    substitute,
    walk,
)
from symlstm.evaluate import Evaluator

FIELD, E, ARGUMENT = field("E,x", QQ)
INFINITY = Sym("infinity")
SIDES = {1: "x > 0", -1: "x < 0"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What came out: whether it holds, whether that is decided, and what exactly was shown."""

    ok: bool
    note: str
    decided: bool = True


class Rational(Evaluator):
    """Terms in x to rational functions of E = exp(x) and x; `side` is the sign of x where there is a case to make."""

    def __init__(self, argument: FracElement = ARGUMENT, side: int = 0) -> None:
        super().__init__(self._leaf)
        self.argument, self.side = argument, side

    def _leaf(self, leaf: Term) -> FracElement:
        if leaf != X:
            raise NotSupported("This is decided for the one variable x.", plain(leaf))
        return self.argument

    def number(self, value: Fraction) -> FracElement:
        return FIELD(QQ(value.numerator, value.denominator))

    def apply(self, name: str, x: FracElement) -> FracElement:
        if name == "exp":
            return _at(E, x)
        if name in _INVERSES:
            raise NotSupported(f"{name} is no rational function of exp(x).", name)
        return type(self)(x, self.side)(activation(name).formula)

    def slope(self, name: str, x: FracElement) -> FracElement:
        if name != "exp" and activation(name).kink is not None and not self.side:
            raise NotSupported(f"{name} has a kink; a slope is claimed on one side of it.", name)
        value = type(self)(ARGUMENT, self.side).apply(name, ARGUMENT)
        return _at(_derivative(value), x)

    def power(self, base: FracElement, exponent: FracElement) -> FracElement:
        raise NotSupported("A power here has a whole number as exponent.", str(exponent))

    def larger(self, left: FracElement, right: FracElement) -> FracElement:
        return left if certificate(left - right, self.side).sign >= 0 else right


def _derivative(value: FracElement) -> FracElement:
    """The derivative by x, on which E depends."""
    return value.diff(E) * E + value.diff(ARGUMENT)


def _constant(value: FracElement) -> Fraction:
    above, below = (part.LC if part else QQ(0) for part in (value.numer, value.denom))
    return Fraction(int(QQ.numer(above)), int(QQ.denom(above))) / Fraction(int(QQ.numer(below)), int(QQ.denom(below)))


def _at(value: FracElement, x: FracElement) -> FracElement:
    """A function of (E, x) at another argument: x times a whole number, or a whole number 0."""
    if x == ARGUMENT:
        return value
    factor = x / ARGUMENT
    if not (factor.numer.is_ground and factor.denom.is_ground) or _constant(factor).denominator != 1:
        raise NotSupported("An argument here is x times a whole number.", str(x))
    power = E ** int(_constant(factor))

    def put(part: PolyElement) -> FracElement:
        return sum((FIELD(coefficient) * power**e * x**k if k else FIELD(coefficient) * power**e
                    for (e, k), coefficient in part.terms()), FIELD(0))
    return put(value.numer) / put(value.denom)


# --- certificates ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Certificate:
    """The sign of a function wherever it is not zero, and whether it may be zero, and if so only at x = 0."""

    sign: int
    zero: bool = False
    only_at_zero: bool = False


def certificate(value: FracElement, side: int = 0) -> Certificate:
    """The sign of a function of E = exp(x) and x, for every x or on one side of 0.

    Raises `NotSupported` where its factors do not show it.
    """
    if value and side:
        value = _one_sided(value.numer, side) / _one_sided(value.denom, side)
    return _certified(value, lambda factor: _sign(factor, side))


def positive_certificate(value: FracElement) -> Certificate:
    """The sign of a rational function of any number of variables, wherever all of them are positive."""
    return _certified(value, lambda factor: _sign(factor, 1))


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


def _one_sided(part: PolyElement, side: int) -> FracElement:
    """A polynomial in positive variables y and u: E = 1 + y and x = u for x > 0, E = 1/(1 + y) and x = -u for x < 0."""
    e, x = (1 + E) ** side, side * ARGUMENT
    return sum((FIELD(coefficient) * e**i * x**k for (i, k), coefficient in part.terms()), FIELD(0))


def _sign(factor: PolyElement, side: int) -> int:
    """The sign of a polynomial whose coefficients all have one sign, its variables being positive (x only on a side)."""
    signs = {1 if coefficient > 0 else -1 for coefficient in factor.itercoeffs()}
    any_sign = not side and any(monomial[1] % 2 for monomial in factor.itermonoms())
    return 0 if any_sign or len(signs) > 1 else signs.pop()


# --- deciding ---------------------------------------------------------------------------------------------------


def is_scalar(node: Term | Relation) -> bool:
    """Whether a statement is about numbers and the one variable x alone."""
    return all(part in (X, INFINITY) for part in walk(node) if isinstance(part, Sym)) and not any(
        isinstance(part, (Adj, Partial, Space, Norm, Blocks, Sum, Prod)) for part in walk(node))


def decide(line: Relation) -> Decision:
    """Whether a statement about functions of x holds for every real x that its condition allows, exactly."""
    try:
        for case in _cases(line):
            for left, operator, right in line.links():
                if not case.holds(left, operator, right):
                    return Decision(False, f"{plain(left)} {operator} {plain(right)} does not hold{case.words()}")
        return Decision(True, _note(line))
    except NotSupported as error:
        return Decision(False, f"not decided: {error.what}", decided=False)
    except NotValid as error:
        return Decision(False, error.what)


@dataclass(frozen=True, slots=True)
class _Case:
    """One part of the real line: a side of 0, the point 0, or all of it (perhaps without 0)."""

    value: Rational
    without_zero: bool = False

    def words(self) -> str:
        if not self.value.argument:
            return " at x = 0"
        return f" for {SIDES[self.value.side]}" if self.value.side else ""

    def holds(self, left: Term, operator: str, right: Term) -> bool:
        if operator == "in":
            return self._inside(left, right)
        if isinstance(left, Limit):
            return operator == "=" and _limit(left) == _expression(self.value(right))
        if operator == "~":
            return rounds_to(_constant(self.value(left)), right)
        return self._compare(self.value(left), operator, self.value(right))

    def _compare(self, left: FracElement, operator: str, right: FracElement) -> bool:
        if operator == "=":
            return left == right
        found = certificate(right - left if "<" in operator else left - right, self.value.side)
        strict = not found.zero or (found.only_at_zero and self.without_zero and found.sign)
        return {"!=": bool(found.sign and strict)}.get(operator, found.sign >= 0 and bool(strict or "=" in operator))

    def _inside(self, left: Term, right: Term) -> bool:
        if not isinstance(right, Interval):
            raise NotSupported("Membership is decided in an interval.", plain(right))
        lower = right.lower == Neg(INFINITY) or self.holds(right.lower, "<" if right.open_below else "<=", left)
        return lower and (right.upper == INFINITY or self.holds(left, "<" if right.open_above else "<=", right.upper))


def _cases(line: Relation) -> Iterator[_Case]:
    """All of the line at once; where a maximum makes cases, the two sides of 0 and, unless a slope is meant, 0 itself."""
    if line.condition is not None:
        left, operator, right = next(line.condition.links())
        sides = {">": 1, "<": -1, "!=": 0}
        if left != X or right != Num(Fraction(0)) or operator not in sides:
            raise NotSupported("A condition here is x > 0, x < 0 or x != 0.", plain(line.condition))
        yield _Case(Rational(side=sides[operator]), without_zero=True)
        return
    if any(isinstance(part, Limit) for part in walk(line)) or not _has_kink(line):
        yield _Case(Rational())
        return
    yield from (_Case(Rational(side=side)) for side in SIDES)
    if not any(isinstance(part, Prime) for part in walk(line)):
        yield _Case(Rational(FIELD(0)))


def _has_kink(line: Relation | Term) -> bool:
    return any(isinstance(part, Max) or (isinstance(part, (Apply, Prime)) and _kinked(part.function)) for part in walk(line))


def _kinked(name: str) -> bool:
    return name != "exp" and activation(name).kink is not None


def _expression(value: FracElement) -> Any:
    """As a SymPy expression in E and x."""
    return value.numer.as_expr() / value.denom.as_expr()


def _limit(node: Limit) -> Any:
    """SymPy's limit of a rational function of E as E grows or falls to 0, or of one in x."""
    if node.variable != X:
        raise NotSupported("A limit here is one in x.", plain(node))
    value = Rational(side=node.sign)(node.body)
    letters = _expression(value).free_symbols
    e, x = (gen.as_expr() for gen in FIELD.ring.gens)
    if x in letters:
        if e in letters:
            raise NotSupported("A limit here is one in exp(x) or in x.", plain(node))
        return limit(_expression(value), x, node.sign * oo)
    return limit(_expression(value), e, oo if node.sign > 0 else 0, "+" if node.sign < 0 else "-")


def rounds_to(value: Fraction, printed: Term) -> bool:
    """Whether a printed number, decimals perhaps times a power of ten, is the value to half a unit of its last digit."""
    unit = Fraction(1)
    for part in walk(printed):
        if isinstance(part, Num) and part.places is not None:
            unit = Fraction(1, 10**part.places)
    for part in walk(printed):
        if isinstance(part, Pow):
            unit *= _constant(Rational()(part))
    return abs(value - _constant(Rational()(printed))) <= unit / 2


def _note(line: Relation) -> str:
    """In words, what was shown."""
    kind = next(words for test, words in _NOTES if any(map(test, (*line.operators, *walk(line)))))
    if not any(part == X for part in walk(line)) or any(isinstance(part, Limit) for part in walk(line)):
        return kind
    if line.condition is not None:
        return f"for every {_HALVES[line.condition.operators[0]]}: {kind}"
    return f"for every x{', case by case' if _has_kink(line) else ''}: {kind}"


_HALVES = {">": "positive x", "<": "negative x", "!=": "x other than 0"}
_NOTES: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda part: isinstance(part, Limit), "SymPy's limit of a rational function of the exponential of x, or of x"),
    (lambda part: part == "~", "recomputed in rational numbers: right to half a unit of the last digit printed"),
    (lambda part: part in ("<", "<=", ">", ">=", "in"),
     "the difference is a rational function of the exponential of x whose factors are squares or have no negative coefficient"),
    (lambda part: part == X, "both sides are the same rational function of the exponential of x, which is its own derivative"),
    (lambda part: part == "=", "recomputed in rational numbers"),
)


@cache
def slope_is_proved(name: str) -> bool:
    """Whether the table's slope, y (1 - y) for sigma, is the derivative of the table's formula.

    A function that is defined as the inverse of another, as the square root is of the square, has one over its slope.
    """
    row = activation(name)
    if row.slope_of is None and any(isinstance(part, Prime) for part in walk(row.slope_at)):
        return False
    slope = substitute(row.slope_of, {Y: Apply(name, X)}) if row.slope_of is not None else row.slope_at
    if name not in _INVERSES:
        return decide(equation(Prime(name, X), slope)).ok
    undone = Rational()(_INVERSES[name])
    try:
        here = Rational(undone)(row.slope_at) if row.slope_of is None else Rational()(substitute(row.slope_of, {Y: X}))
        return here * _derivative(undone) == 1
    except NotSupported:
        return False


_INVERSES: dict[str, Term] = {"sqrt": Pow(X, Num(Fraction(2))), "log": Apply("exp", X)}  # what they undo, by definition


@dataclass(frozen=True, slots=True)
class Symmetry:
    """f(-x) = sign f(x) + constant."""

    sign: int
    constant: Fraction


@cache
def symmetry(name: str) -> Symmetry | None:
    """What a function is at -x, if the table's formula shows that it follows so from its value at x; else nothing.

    >>> symmetry("sigma"), symmetry("exp")
    (Symmetry(sign=-1, constant=Fraction(1, 1)), None)
    """
    there, here = Apply(name, Neg(X)), Apply(name, X)
    if decide(equation(there, here)).ok:
        return Symmetry(1, Fraction(0))
    try:
        constant = _constant_only(Rational()(there) + Rational()(here))
    except (NotSupported, NotValid):
        return None
    return Symmetry(-1, constant) if constant is not None else None


def _constant_only(value: FracElement) -> Fraction | None:
    return _constant(value) if value.numer.is_ground and value.denom.is_ground else None
