"""Terms as arrays of polynomials: what two terms mean is compared component by component in one polynomial ring.

The leaves' components are generators of a ring over the rationals (`symlstm.evidence.polynomials`). What is not a polynomial
becomes a generator of its own, keyed by what it is made of: an activation by its name and its argument, a quotient by
its divisor, a sum over time by its limits and its body. So equal keys are equal values, and a difference that vanishes
in the ring vanishes for all real numbers. Nothing is decided by sampling.

>>> from symlstm import zoo
>>> from symlstm.algebra import Adj, Diag, quantities, symbols
>>> (x, f, c), (W,) = quantities("x f c"), symbols("W_f")
>>> same(f * (c.prev + c), c * f + Diag(f) @ c.prev, zoo.LSTM.shapes), same(W @ x, W @ x.prev, zoo.LSTM.shapes)
(True, False)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from symlstm.algebra import (
    Adj,
    Interval,
    Limit,
    Listed,
    NotSupported,
    NotValid,
    Num,
    Partial,
    Prod,
    Relation,
    Space,
    Sum,
    Sym,
    Term,
    Time,
    children,
    plain,
    transform,
    walk,
)
from symlstm.evaluate import Array, Evaluator, shape
from symlstm.evidence.polynomials import Packed
from symlstm.evidence.rings import Key, Numbers, Point
from symlstm.shapes import Shapes

SIZES = {"n": 2, "m": 3}  # m != n: an identity that needs m = n does not pass


class Components(Evaluator):
    """Terms to arrays of ring elements, every leaf opaque: what a term says, not what is true of it."""

    def __init__(self, ring: Numbers, shapes: Shapes, times: Mapping[str, int] | None = None) -> None:
        super().__init__(self.opaque, times)
        self.ring, self.shapes = ring, shapes
        self._counts = Evaluator(self.opaque, sizes=shapes.full(SIZES))

    def length(self, size: Term) -> int:
        """A size counts where it says how long something is; where it stands as a number, it is opaque: n is not 2."""
        return self._counts.length(size)

    def opaque(self, leaf: Term) -> Array:
        """An array of generators for a symbol, an adjoint or a derivative."""
        return self.generators((type(leaf).__name__, leaf), *self.extent(leaf))

    def generators(self, key: Key, rows: int, columns: int) -> Array:
        """An array of generators, one for each entry."""
        array = np.empty((rows, columns), dtype=object)
        for place in np.ndindex(rows, columns):
            array[place] = self.ring.generator((*key, *place))
        return array

    def extent(self, leaf: Term) -> tuple[int, int]:
        """Rows and columns of a leaf; a name without a shape is a scalar."""
        if isinstance(leaf, Sym) and leaf.time is None and leaf.name in self.shapes.size_names:
            return 1, 1
        if isinstance(leaf, Sym):
            return self.shapes.at(leaf.name, SIZES) if leaf.name in self.shapes else (1, 1)
        if isinstance(leaf, Adj):
            return self.extent(leaf.of)
        if isinstance(leaf, Partial):
            (rows, columns), (rows_below, columns_below) = self.extent(leaf.of), self.extent(leaf.wrt)
            return (rows_below, columns_below) if rows * columns == 1 else (rows * columns, rows_below * columns_below)
        return 1, 1

    # --- numbers that are ring elements ---

    def number(self, value: Fraction) -> Any:
        return self.ring.constant(value)

    def atoms(self, key: Key, x: Array) -> Array:
        """For every entry of an array the generator keyed by it."""
        return np.frompyfunc(lambda entry: self.ring.generator((*key, self.ring.element(entry))), 1, 1)(x)

    def apply(self, name: str, x: Array) -> Array:
        return self.atoms(("apply", name), x)

    def slope(self, name: str, x: Array) -> Array:
        return self.atoms(("slope", name), x)

    def divide(self, above: Array, below: Array) -> Array:
        return above * np.frompyfunc(self.ring.inverse, 1, 1)(below)

    def power(self, base: Array, exponent: Array) -> Array:
        return self.atoms(("power", *self.entries(exponent)), base)

    def larger(self, left: Array, right: Array) -> Array:
        element = self.ring.element
        both = np.frompyfunc(lambda a, b: self.ring.generator(("larger", frozenset((element(a), element(b))))), 2, 1)
        return both(left, right)

    def norm(self, value: Array) -> Array:
        return self.whole(("norm", shape(value)), value, (1, 1))

    def whole(self, key: Key, value: Array, extent: tuple[int, int]) -> Array:
        """Generators keyed by all entries of an array together."""
        return self.generators((*key, self.entries(value)), *extent)

    def entries(self, value: Array) -> tuple[Any, ...]:
        """All entries of an array, row by row."""
        return tuple(self.ring.element(entry) for entry in np.asarray(value, dtype=object).flat)

    def over(self, node: Sum | Prod) -> list[Array]:
        """A sum or product over time is opaque: limits and body make it what it is, whatever its letter is called."""
        body = self(relabelled(node))
        limits = (self.when(node.lower), self.when(node.upper))
        if isinstance(node, Sum):
            return [self.atoms(("sum", *limits), body)]
        rows, columns = shape(body) or (1, 1)
        return [self.whole(("product", *limits, (rows, columns)), body, (rows, columns))]


def relabelled(node: Sum | Prod) -> Term:
    """The body with its own letter replaced by one that depends only on how deep it lies."""
    depth = 1 + max((1 for part in walk(node.body) if isinstance(part, (Sum, Prod))), default=0)

    def rename(part: Term) -> Term:
        if isinstance(part, Sym) and part.time is not None and part.time.base == node.index:
            return part.at(Time(f"#{depth}", part.time.offset))
        return Sym(f"#{depth}") if part == Sym(node.index) else part
    return transform(node.body, rename)


# --- do two terms mean the same? -------------------------------------------------------------------------------

_STRUCTURAL: dict[type[Term], Callable[[Any], Key]] = {
    Space: lambda node: (node.columns is None,),
    Interval: lambda node: (node.open_below, node.open_above),
    Limit: lambda node: (node.sign, node.variable),
    Listed: lambda node: (len(node.args),),
}


def same(left: Term, right: Term, shapes: Shapes) -> bool:
    """Whether two terms mean the same with every leaf opaque: equality in the ring, the printed decimals alike.

    Adjoints and derivatives are leaves, so an equation that is true is not for that reason the same as another.
    """
    if left == right:
        return True
    if _decimals(left) != _decimals(right):
        return False
    if type(left) in _STRUCTURAL or type(right) in _STRUCTURAL:
        return type(left) is type(right) and _STRUCTURAL[type(left)](left) == _STRUCTURAL[type(right)](right) and all(
            same(one, other, shapes) for one, other in zip(children(left), children(right), strict=True))
    return _equal(Point(), left, right, shapes) and _equal(Packed(), left, right, shapes)


def _equal(ring: Numbers, left: Term, right: Term, shapes: Shapes) -> bool:
    value = Components(ring, shapes)
    try:
        one, other = value(left), value(right)
    except (NotValid, NotSupported):
        return False
    scalar = {shape(one), shape(other)} <= {(), (1, 1)}
    return (scalar or shape(one) == shape(other)) and not any(map(ring.clear, value.entries(one - other)))


def _decimals(node: Term) -> list[tuple[Fraction, int]]:
    """The decimals that are printed, without their signs: those are part of the value."""
    return sorted((abs(part.value), part.places) for part in walk(node) if isinstance(part, Num) and part.places is not None)


def same_relation(left: Relation, right: Relation, shapes: Shapes) -> bool:
    """Whether two relations mean the same: the same operators, the same terms side by side, the same condition."""
    if (left.condition is None) != (right.condition is None):
        return False
    if left.condition is not None and right.condition is not None and not same_relation(left.condition, right.condition, shapes):
        return False
    return left.operators == right.operators and all(
        same(one, other, shapes) for one, other in zip(left.terms, right.terms, strict=True))


def differing(left: Relation, right: Relation, shapes: Shapes) -> Iterator[str]:
    """In words, what keeps two relations from meaning the same; nothing if they do."""
    if left.operators != right.operators:
        yield f"the operators are {' '.join(left.operators)} and {' '.join(right.operators)}"
        return
    for one, other in zip(left.terms, right.terms, strict=True):
        if not same(one, other, shapes):
            yield f"{plain(one)} is meant, and it says {plain(other)}"
    if left.condition != right.condition and not same_relation(left, right, shapes):
        yield "the conditions differ"
