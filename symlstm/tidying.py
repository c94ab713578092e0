"""Derived terms as a person writes them: numbers first, signs in front, divisors below, and what sums have in common once.

The VJP rules give one share for each path, right but clumsy: `ones(n)^T @ (-d)`, `(s/n) @ d + d @ (s/n)`. What is done
here changes no value; that the tidied line is true is proved with the line, like every other.

>>> from symlstm import zoo
>>> from symlstm.algebra import quantity
>>> d, h, g = Adj(quantity("h")), quantity("h"), quantity("g")
>>> Tidying(zoo.cell("gru").shapes)(d * h.prev - d * g)
delta h[t] * (h[t-1] - g[t])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symlstm.algebra import (
    Add,
    Adj,
    Div,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Partial,
    Pow,
    Rows,
    Sym,
    Term,
    Transpose,
    children,
    rebuild,
    term,
    walk,
)
from symlstm.shapes import Shapes

ONE, ZERO = term(1), term(0)
Signed = tuple[bool, Term]  # whether it is taken off, and what


@dataclass(frozen=True, slots=True)
class Tidying:
    """Tidies terms of quantities whose shapes are known: only so does one see what is a number."""

    shapes: Shapes

    def __call__(self, node: Term) -> Term:
        """The term, tidied from the leaves up. What has no adjoint in it was written by a person, and stays."""
        if isinstance(node, (Sym, Adj, Num)) or not _derived(node):
            return node
        node = rebuild(node, tuple(map(self, children(node))))
        rule = _RULES.get(type(node))
        return rule(self, node) if rule else node

    def summed(self, terms: Iterable[Term]) -> Term:
        """The sum of several terms, each tidied already."""
        return self.sum(Add(tuple(terms)))

    def is_number(self, node: Term) -> bool:
        """Whether a term is one number; of a derivative it is not asked."""
        return not any(isinstance(part, Partial) for part in walk(node)) and self.shapes.is_scalar(node)

    # --- products ---

    def matrix_product(self, node: MatMul) -> Term:
        """Sign and divisors outside, numbers in front, the adjoint first among them."""
        sign, factors, below = self._apart(node.args, MatMul)
        numbers = [factor for factor in factors if self.is_number(factor)]
        rest = [factor for factor in factors if factor not in numbers]
        ordered = sorted(numbers, key=lambda factor: (not isinstance(factor, Num), not _derived(factor)))
        return _signed(sign, _over(MatMul, _product(MatMul, [*ordered, *rest]), below))

    def elementwise(self, node: Hadamard) -> Term:
        """Sign and divisors outside; between numbers it is the product, and a number before a vector scales it."""
        sign, factors, below = self._apart(node.args, Hadamard)
        bare = [factor for factor in factors if isinstance(factor, Num)]
        rest = [factor for factor in factors if factor not in bare]
        if rest and all(map(self.is_number, rest)):
            return _signed(sign, _over(MatMul, self.matrix_product(MatMul((*bare, *rest))), below))
        return _signed(sign, _over(Hadamard, _product(MatMul, [*bare, _product(Hadamard, rest)]), below))

    def _apart(self, args: tuple[Term, ...], kind: type[Any]) -> tuple[bool, list[Term], list[Term]]:
        """Sign, factors and divisors of a product. A divisor goes below the whole where it divides the adjoint, or 1."""
        sign, factors, below, queue = False, [], [], list(args)
        while queue:
            factor = queue.pop(0)
            if isinstance(factor, Neg):
                sign, queue = not sign, [factor.arg, *queue]
            elif type(factor) is kind:
                queue = [*factor.args, *queue]  # type: ignore[attr-defined]
            elif (
                isinstance(factor, Div)
                and (kind is Hadamard or self.is_number(factor.below))
                and (_derived(factor.above) or factor.above == ONE)
            ):
                below.append(factor.below)
                queue = [factor.above, *queue]
            elif factor != ONE:
                factors.append(factor)
        return sign, factors or [ONE], below

    def quotient(self, node: Div) -> Term:
        """The sign in front, one fraction bar."""
        if isinstance(node.above, Neg):
            return Neg(self.quotient(Div(node.above.arg, node.below)))
        return node

    def transposed(self, node: Transpose) -> Term:
        """A number is its own transpose; twice is nothing."""
        return node.arg.arg if isinstance(node.arg, Transpose) else node.arg if self.is_number(node.arg) else node

    def negative(self, node: Neg) -> Term:
        """Minus minus is plus."""
        return node.arg.arg if isinstance(node.arg, Neg) else node

    # --- sums ---

    def sum(self, node: Add) -> Term:
        """No zeros, equal summands counted, and what several have in common once: rows, a divisor, an adjoint."""
        parts = [part for arg in node.args for part in _summands(arg) if part[1] != ZERO]
        for gather in (_counted, self._of_rows, self._over_one, self._of_adjoint):
            parts = gather(parts)
        if not parts:
            return ZERO
        first = next((part for part in parts if not part[0]), parts[0])
        if parts[0][0]:  # a sum does not begin with a minus if it need not
            parts = [first, *(part for part in parts if part is not first)]
        whole = [_signed(*part) for part in parts]
        return Add(tuple(whole)) if len(whole) > 1 else whole[0]

    def _of_rows(self, parts: list[Signed]) -> list[Signed]:
        """a[rows] + b[rows] = (a + b)[rows], where a and b have one shape."""

        def key(node: Term) -> Any:  # a derivative has no shape here
            if not isinstance(node, Rows) or any(isinstance(part, Partial) for part in walk(node)):
                return None
            return node.start, node.stop, self.shapes.of(node.arg)

        return _gathered(parts, key, lambda node: node.arg, lambda first, inner: Rows(inner, first.start, first.stop))  # type: ignore[attr-defined]

    def _over_one(self, parts: list[Signed]) -> list[Signed]:
        """a/c + b/c = (a + b)/c."""

        def key(node: Term) -> Any:
            return node.below if isinstance(node, Div) else None

        return _gathered(parts, key, lambda node: node.above, lambda first, inner: Div(inner, first.below))  # type: ignore[attr-defined]

    def _of_adjoint(self, parts: list[Signed]) -> list[Signed]:
        """d * a - d * b = d * (a - b) for an adjoint d."""

        def key(node: Term) -> Any:
            return node.args[0] if isinstance(node, Hadamard) and isinstance(node.args[0], Adj) else None

        def rest(node: Term) -> Term:
            assert isinstance(node, Hadamard)
            return _product(Hadamard, list(node.args[1:]))

        return _gathered(parts, key, rest, lambda first, inner: Hadamard((first.args[0], inner)))  # type: ignore[attr-defined]


_RULES: dict[type[Term], Callable[[Tidying, Any], Term]] = {
    MatMul: Tidying.matrix_product,
    Hadamard: Tidying.elementwise,
    Div: Tidying.quotient,
    Transpose: Tidying.transposed,
    Neg: Tidying.negative,
    Add: Tidying.sum,
}


def _derived(node: Term) -> bool:
    return any(isinstance(part, Adj) for part in walk(node))


def _signed(minus: bool, node: Term) -> Term:
    return Neg(node) if minus and not isinstance(node, Neg) else node.arg if minus and isinstance(node, Neg) else node


def _product(kind: type[Any], factors: list[Term]) -> Term:
    left = [factor for factor in factors if factor != ONE]
    return kind(tuple(left)) if len(left) > 1 else left[0] if left else ONE


def _over(kind: type[Any], above: Term, below: list[Term]) -> Term:
    """One fraction: the divisors multiplied, powers of one gathered, whole numbers cancelled."""
    if not below:
        return above
    number, powers = Fraction(1), dict[Term, int]()
    for divisor in below:
        for factor in children(divisor) if isinstance(divisor, (MatMul, kind)) else (divisor,):
            base, exponent = (factor.base, _whole(factor.exponent)) if isinstance(factor, Pow) else (factor, 1)
            if isinstance(factor, Num):
                number *= factor.value
            elif exponent is None:
                powers[factor] = powers.get(factor, 0) + 1
            else:
                powers[base] = powers.get(base, 0) + exponent
    if isinstance(above, MatMul) and isinstance(above.args[0], Num):
        number /= above.args[0].value
        above = _product(MatMul, list(above.args[1:]))
    ordered = sorted(powers.items(), key=lambda item: not (isinstance(item[0], Sym) and item[0].time is None))
    factors = [base if exponent == 1 else Pow(base, term(exponent)) for base, exponent in ordered]
    if number.numerator != 1:
        factors = [_product(MatMul, [term(number.numerator), _product(kind, factors)])]
    if number.denominator != 1:
        above = _product(MatMul, [term(number.denominator), *(above.args if isinstance(above, MatMul) else (above,))])
    return Div(above, _product(kind, factors))


def _whole(exponent: Term) -> int | None:
    return int(exponent.value) if isinstance(exponent, Num) and exponent.value.denominator == 1 else None


def _summands(node: Term) -> list[Signed]:
    """The terms of a sum with their signs; of minus a sum, each with the other sign."""
    if isinstance(node, Neg):
        return [(not minus, part) for minus, part in _summands(node.arg)]
    if isinstance(node, Add):
        return [part for arg in node.args for part in _summands(arg)]
    return [(False, node)]


def _counted(parts: list[Signed]) -> list[Signed]:
    """a + a = 2 a, the number inside a fraction."""

    def scaled(count: int, node: Term) -> Term:
        if count == 1:
            return node
        if isinstance(node, Div):
            return Div(scaled(count, node.above), node.below)
        return MatMul((term(count), *(node.args if isinstance(node, MatMul) else (node,))))

    counts: dict[Signed, int] = {}
    for part in parts:
        counts[part] = counts.get(part, 0) + 1
    return [(minus, scaled(count, node)) for (minus, node), count in counts.items()]


def _gathered(
    parts: list[Signed], key: Callable[[Term], Any], inside: Callable[[Term], Term], whole: Callable[[Any, Term], Term]
) -> list[Signed]:
    """The parts of equal key as one, at the place of the first: the sum of what is inside them, what is added before what is
    taken off; if all are taken off, the sign stays in front."""
    groups: dict[Any, list[Signed]] = {}
    for k, part in enumerate(parts):
        found = key(part[1])
        groups.setdefault(("alone", k) if found is None else found, []).append(part)
    out: list[Signed] = []
    for group in groups.values():
        if len(group) == 1:
            out += group
            continue
        minus = all(sign for sign, _ in group)
        inner = sorted(((sign and not minus, inside(node)) for sign, node in group), key=lambda part: part[0])
        out.append((minus, whole(group[0][1], Add(tuple(_signed(*part) for part in inner)))))
    return out
