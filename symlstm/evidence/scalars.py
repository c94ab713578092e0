"""Functions of one real variable, exactly: identities, slopes, bounds with a certificate, limits.

With E = exp(x) every activation made of exponentials is a rational function of E (and x), and dE/dx = E gives its
derivative. Two functions are equal when the rational functions are. A bound u <= v holds for every real x when v - u
has a certificate (`symlstm.evidence.signs`), if need be on each side of 0. Maxima are decided case by case, between the
kinks and, unless a slope is meant, at them; a logarithm is compared by what it is the logarithm of.

>>> quarter = Num(Fraction(1, 4))
>>> decide(Relation((Prime("sigma", X), quarter), ("<=",))).ok, decide(Relation((Prime("sigma", X), quarter), ("<",))).ok
(True, False)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

from sympy import QQ, exp, limit, log, oo
from sympy.polys.fields import FracElement
from sympy.polys.rings import PolyElement

from symlstm.activations import ACTIVATIONS, X, Y, activation
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
from symlstm.evidence.signs import ARGUMENT, FIELD, LEFT, LINE, RIGHT, E, Stretch, certificate
from symlstm.prose import Text, plain_prose

INFINITY, ZERO = Sym("infinity"), Num(Fraction(0))


@dataclass(frozen=True, slots=True)
class Decision:
    """What came out: whether it holds, whether that is decided, and what exactly was shown."""

    ok: bool
    words: Text
    decided: bool = True

    @property
    def note(self) -> str:
        """What was shown, as plain text."""
        return plain_prose(self.words)


class Rational(Evaluator):
    """Terms in x to rational functions of E = exp(x) and x; `stretch` is the stretch of the line where there is a case to make.

    With `inverse`, the name of the square root or the logarithm, all is written in its value s: x is s^2, or exp(s).
    """

    def __init__(self, argument: FracElement = ARGUMENT, stretch: Stretch = LINE, inverse: str = "") -> None:
        super().__init__(self._leaf)
        self.argument, self.stretch, self.inverse = argument, stretch, inverse

    def __call__(self, node: Term) -> Any:
        if isinstance(node, Apply) and node.function == "exp" and not self.inverse:  # of a logarithm, or of minus one
            inside = _of_logarithm(node.arg.arg if isinstance(node.arg, Neg) else node.arg)
            if inside is not None:
                return 1 / self(inside) if isinstance(node.arg, Neg) else self(inside)
        return super().__call__(node)

    def _leaf(self, leaf: Term) -> FracElement:
        if leaf != X:
            raise NotSupported("This is decided for the one variable x.", plain(leaf))
        return self.argument

    def number(self, value: Fraction) -> FracElement:
        return FIELD(QQ(value.numerator, value.denominator))

    def apply(self, name: str, x: FracElement) -> FracElement:
        if name == "exp":
            return _at(E, x)
        if name == self.inverse and x == self.argument:
            return ARGUMENT
        if name in _INVERSES:
            raise NotSupported(f"{name} is no rational function of exp(x).", name)
        return type(self)(x, self.stretch)(activation(name).formula)

    def slope(self, name: str, x: FracElement) -> FracElement:
        if any(map(self.stretch.holds, activation(name).kinks)):
            raise NotSupported(f"{name} has a kink; a slope is claimed on one side of it.", name)
        if name == self.inverse and x == self.argument:
            return 1 / _derivative(self.argument)
        here = type(self)(ARGUMENT, self.stretch)
        inside = _of_logarithm(Apply(name, X))
        value = here(inside) if inside is not None else here.apply(name, ARGUMENT)
        return _at(_derivative(value) / (value if inside is not None else 1), x)

    def power(self, base: FracElement, exponent: FracElement) -> FracElement:
        raise NotSupported("A power here has a whole number as exponent.", str(exponent))

    def larger(self, left: FracElement, right: FracElement) -> FracElement:
        return left if certificate(left - right, self.stretch).sign >= 0 else right


def _of_logarithm(node: Term) -> Term | None:
    """What a term is the logarithm of, as softplus is of 1 + exp(x) by its formula; None for any other term."""
    if not isinstance(node, Apply):
        return None
    if node.function == "log":
        return node.arg if node.arg != X else None
    formula = activation(node.function).formula
    return substitute(formula.arg, {X: node.arg}) if isinstance(formula, Apply) and formula.function == "log" else None


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


# --- deciding ---------------------------------------------------------------------------------------------------


def is_scalar(node: Term | Relation) -> bool:
    """Whether a statement is about numbers and the one variable x alone."""
    return all(part in (X, INFINITY) for part in walk(node) if isinstance(part, Sym)) and not any(
        isinstance(part, (Adj, Partial, Space, Norm, Blocks, Sum, Prod)) for part in walk(node))


def decide(line: Relation) -> Decision:
    """Whether a statement about functions of x holds for every real x that its condition allows, exactly."""
    try:
        try:
            return _decided(line, _cases(line))
        except NotSupported:
            if line.condition is not None or any(isinstance(part, Limit) for part in walk(line)):
                raise
            return _decided(line, _between(line, {0}))
    except NotSupported as error:
        return Decision(False, f"not decided: {error.what}", decided=False)
    except NotValid as error:
        return Decision(False, error.what)


def _decided(line: Relation, cases: Iterable[_Case]) -> Decision:
    parted = False
    for case in cases:
        parted = parted or case.value.stretch != LINE
        for left, operator, right in line.links():
            if not case.holds(left, operator, right):
                return Decision(False, f"{plain(left)} {operator} {plain(right)} does not hold{case.words()}")
    return Decision(True, _note(line, parted))


@dataclass(frozen=True, slots=True)
class _Case:
    """One part of the real line: a stretch of it, a point, or all of it (perhaps without 0)."""

    value: Rational
    without_zero: bool = False

    def words(self) -> str:
        if self.value.argument != ARGUMENT and not self.value.inverse:
            return f" at x = {self.value.argument}"
        return f" for {self.value.stretch}" if self.value.stretch != LINE else ""

    def holds(self, left: Term, operator: str, right: Term) -> bool:
        if operator == "in":
            return self._inside(left, right)
        if isinstance(left, Limit):
            return operator == "=" and _limit(left) == (oo if right == INFINITY else _expression(self.value(right)))
        if operator == "~":
            return rounds_to(_constant(self.value(left)), right)
        if _of_logarithm(left) is not None or _of_logarithm(right) is not None:
            return self._compare(self._exponential(left), operator, self._exponential(right))
        return self._compare(self.value(left), operator, self.value(right))

    def _exponential(self, node: Term) -> FracElement:
        """exp of a logarithm or of 0; exp grows, so it keeps every comparison."""
        inside = _of_logarithm(node)
        if inside is None and node != ZERO:
            raise NotSupported("A logarithm is compared with a logarithm or with 0.", plain(node))
        return self.value(inside) if inside is not None else FIELD(1)

    def _compare(self, left: FracElement, operator: str, right: FracElement) -> bool:
        if operator == "=":
            return left == right
        found = certificate(right - left if "<" in operator else left - right, self.value.stretch)
        strict = not found.zero or (found.only_at_zero and self.without_zero and found.sign)
        return {"!=": bool(found.sign and strict)}.get(operator, found.sign >= 0 and bool(strict or "=" in operator))

    def _inside(self, left: Term, right: Term) -> bool:
        if not isinstance(right, Interval):
            raise NotSupported("Membership is decided in an interval.", plain(right))
        lower = right.lower == Neg(INFINITY) or self.holds(right.lower, "<" if right.open_below else "<=", left)
        return lower and (right.upper == INFINITY or self.holds(left, "<" if right.open_above else "<=", right.upper))


def _cases(line: Relation) -> Iterator[_Case]:
    """All of the line at once; where a maximum or a kink makes cases, the stretches between, and the points between them."""
    if inverse := _inverse(line):
        if line.condition is not None and _stretch(line.condition) != RIGHT:
            raise NotSupported(f"What is said of {inverse} is said of positive x.", plain(line.condition))
        yield _Case(Rational(Rational()(_INVERSES[inverse]), RIGHT if inverse == "sqrt" else LINE, inverse))
    elif line.condition is not None:
        yield _Case(Rational(stretch=_stretch(line.condition)), without_zero=True)
    elif any(isinstance(part, Limit) for part in walk(line)) or not _has_kink(line):
        yield _Case(Rational())
    else:
        yield from _between(line, _kinks(line))


def _inverse(line: Relation | Term) -> str:
    """The inverse function that a statement is about: a square root or a logarithm of x."""
    applied = (part for part in walk(line) if isinstance(part, (Apply, Prime)))
    return next((part.function for part in applied if part.function in _INVERSES and part.arg == X), "")


def _between(line: Relation, points: set[int]) -> Iterator[_Case]:
    """The stretches that points cut the line into, and the points, of which a slope with a kink there says nothing."""
    ends = [None, *sorted(points), None]
    yield from (_Case(Rational(stretch=Stretch(lower, upper))) for lower, upper in pairwise(ends))
    slopes = {kink for part in walk(line) if isinstance(part, Prime) for kink in activation(part.function).kinks}
    yield from (_Case(Rational(FIELD(point))) for point in sorted(points - slopes))


def _stretch(condition: Relation) -> Stretch:
    """The stretch that a condition says."""
    lower = upper = None
    for left, operator, right in condition.links():
        if operator in (">", ">="):
            left, operator, right = right, operator.replace(">", "<"), left
        ends = [side.value for side in (left, right) if isinstance(side, Num) and side.value.denominator == 1]
        ends += [-side.arg.value for side in (left, right) if isinstance(side, Neg) and isinstance(side.arg, Num)]
        if operator == "!=" and ends == [0] and left == X:
            continue
        if operator != "<" or len(ends) != 1 or X not in (left, right):
            raise NotSupported("A condition here is x > 0, x < 0, x != 0 or -3 < x < 3.", plain(condition))
        lower, upper = (int(ends[0]), upper) if right == X else (lower, int(ends[0]))
    return Stretch(lower, upper)


def _has_kink(line: Relation | Term) -> bool:
    return any(isinstance(part, Max) for part in walk(line)) or bool(_own_kinks(line))


def _own_kinks(line: Relation | Term) -> set[int]:
    return {kink for part in walk(line) if isinstance(part, (Apply, Prime)) for kink in activation(part.function).kinks}


def _kinks(line: Relation | Term) -> set[int]:
    """Where the functions of a statement have kinks; a maximum by itself is taken to turn at 0."""
    return _own_kinks(line) or {0}


def _expression(value: FracElement) -> Any:
    """As a SymPy expression in E and x."""
    return value.numer.as_expr() / value.denom.as_expr()


def _limit(node: Limit) -> Any:
    """SymPy's limit: of a rational function of E as E grows or falls to 0, of one in x, of one in both, or of a logarithm."""
    if node.variable != X:
        raise NotSupported("A limit here is one in x.", plain(node))
    if inverse := _inverse(node.body):
        if node.sign < 0:
            raise NotSupported(f"{inverse} is defined for positive x.", plain(node))
        value = Rational(Rational()(_INVERSES[inverse]), RIGHT, inverse)
        return limit(_expression(value(node.body)).subs(E.as_expr(), exp(ARGUMENT.as_expr())), ARGUMENT.as_expr(), oo)
    ends = _kinks(node.body)
    value = Rational(stretch=Stretch(max(ends)) if node.sign > 0 else Stretch(None, min(ends)))
    inside = _of_logarithm(node.body)
    expression = _expression(value(node.body if inside is None else inside))
    e, x = (gen.as_expr() for gen in FIELD.ring.gens)
    if x in expression.free_symbols:
        found = limit(expression.subs(e, exp(x)), x, node.sign * oo)
    else:
        found = limit(expression, e, oo if node.sign > 0 else 0, "+" if node.sign < 0 else "-")
    return found if inside is None else log(found)


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


def _note(line: Relation, parted: bool) -> str:
    """In words, what was shown."""
    kind = next(words for test, words in _NOTES if any(map(test, (*line.operators, *walk(line)))))
    if not any(part == X for part in walk(line)) or any(isinstance(part, Limit) for part in walk(line)):
        return kind
    if line.condition is not None:
        where = _stretch(line.condition)
        return f"for every {_HALVES.get(where) or f'x with {where}'}: {kind}"
    return f"for every x{', case by case' if parted else ''}: {kind}"


_HALVES = {RIGHT: "positive x", LEFT: "negative x", LINE: "x other than 0"}
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
    inside = _of_logarithm(Apply(name, X))
    if inside is not None and row.slope_of is not None and name not in _INVERSES:  # exp of the value is what is inside
        slope_in_exp, value = Rational()(substitute(row.slope_of, {Y: X})), Rational()(inside)
        return _composed(slope_in_exp, value) == _derivative(value) / value
    if name not in _INVERSES:
        return decide(equation(Prime(name, X), slope)).ok
    undone = Rational()(_INVERSES[name])
    try:
        here = Rational(undone)(row.slope_at) if row.slope_of is None else Rational()(substitute(row.slope_of, {Y: X}))
        return here * _derivative(undone) == 1
    except NotSupported:
        return False


def _composed(outer: FracElement, inner: FracElement) -> FracElement:
    """A function of E alone with something else in place of E."""
    if any(x for part in (outer.numer, outer.denom) for _, x in part.itermonoms()):
        raise NotSupported("This is a function of more than the exponential.", str(outer))
    above, below = (
        sum((FIELD(coefficient) * inner**power for (power, _), coefficient in part.terms()), FIELD(0))
        for part in (outer.numer, outer.denom)
    )
    return above / below


_INVERSES = {row.name: row.undoes for row in ACTIVATIONS.values() if row.undoes is not None}  # what they undo, by definition


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
