"""Limits of a cell's equations as a signal goes to plus or minus infinity.

Exactly: the signal occurs only inside functions whose tails are known, so the body is a polynomial in their values there,
and SymPy takes the limit as these values go to their ends; where the functions are ones that SymPy has, it takes the limit
in the signal itself as well, and the two must agree. In numbers: far out, at random values of everything else.

>>> from symlstm.algebra import Apply, equation, quantity
>>> z, c = quantity("z"), quantity("c")
>>> decide(equation(Limit(Apply("sigma", z) * c, z, -1), 0)).ok, decide(equation(Limit(Apply("sigma", z) * c, z, 1), 0)).ok
(True, False)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

from symlstm.activations import STAND_INS, activation
from symlstm.algebra import Apply, Limit, NotSupported, Num, Relation, Sym, Term, plain, walk
from symlstm.algebra import equation as equal
from symlstm.evaluate import Evaluator
from symlstm.evidence import scalars
from symlstm.evidence.scalars import Decision

FAR = 60.0
X = Sym("x")
ROUTES = ("by its tails", "in the signal")


class _Symbolic(Evaluator):
    """Terms to SymPy expressions of real symbols; a limit by one of two routes."""

    def __init__(self, route: str) -> None:
        super().__init__(lambda leaf: sympy.Symbol(plain(leaf), real=True))
        self.route = route

    def __call__(self, node: Term) -> Any:
        return self.limit(node) if isinstance(node, Limit) else super().__call__(node)

    def number(self, value: Any) -> Any:
        return sympy.Rational(value.numerator, value.denominator)

    def apply(self, name: str, x: Any) -> Any:
        if self.route == ROUTES[1] and name not in STAND_INS:
            return sympy.exp(x) if name == "exp" else _Formula(x)(activation(name).formula)
        return sympy.Function(name, real=True)(x)

    def slope(self, name: str, x: Any) -> Any:
        return sympy.Function(f"slope of {name}", real=True)(x)

    def limit(self, node: Limit) -> Any:
        body, signal = self(node.body), self(node.variable)
        if self.route == ROUTES[1] and not _open(node):
            return sympy.limit(body, signal, sympy.oo if node.sign > 0 else -sympy.oo)
        for part in dict.fromkeys(part for part in walk(node.body) if isinstance(part, Apply) and part.arg == node.variable):
            value = sympy.Dummy(real=True)
            body = sympy.limit(body.subs(self(part), value), value, self(tail(part.function, node.sign)))
        if body.has(signal):
            raise NotSupported("The limit is taken of functions whose tails are known.", plain(node))
        return body


class _Formula(_Symbolic):
    """A formula of the table of activations at an expression."""

    def __init__(self, x: Any) -> None:
        super().__init__(ROUTES[1])
        self.leaf = lambda _: x


def _open(node: Limit) -> bool:
    """Whether the signal goes into a function that the cell leaves open."""
    return any(isinstance(part, Apply) and part.arg == node.variable and part.function in STAND_INS for part in walk(node.body))


def tail(name: str, sign: int) -> Num:
    """Where a function goes on one side. It is proved of the table's formula before it is used.

    Raises `NotSupported` where it goes to no number.
    """
    values = activation(name).values
    end = values.upper if sign > 0 else values.lower
    if not isinstance(end, Num) or not scalars.decide(equal(Limit(Apply(name, X), X, sign), end)).ok:
        raise NotSupported(f"{name} has no number as its limit there.", name)
    return end


def decide(line: Relation) -> Decision:
    """Whether every equality of a relation holds, by both routes."""
    if line.condition is not None or set(line.operators) != {"="}:
        raise NotSupported("A limit here is an equation without a condition.", plain(line))
    for route in ROUTES:
        value = _Symbolic(route)
        for left, _, right in line.links():
            if sympy.expand(value(left) - value(right)) != 0:
                return Decision(False, f"{plain(left)} and {plain(right)} differ, {route}")
    generic = any(isinstance(part, Apply) and part.function in STAND_INS for part in walk(line))
    told = "for any gate with these tails, which the logistic function has" if generic else "with the tails of the functions"
    return Decision(True, f"SymPy's limit, {told}")


class _Far(Evaluator):
    """Terms at random numbers, with signals far out for limits."""

    def __init__(self, leaf: Callable[[Term], Any]) -> None:
        super().__init__(leaf)

    def __call__(self, node: Term) -> Any:
        if not isinstance(node, Limit):
            return super().__call__(node)
        far, here = node.sign * FAR, self.leaf
        return _Far(lambda leaf: far if leaf == node.variable else here(leaf))(node.body)


def far_out(line: Relation, seeds: int = 20) -> float:
    """The largest difference of the sides of a chain, far out, at random values of everything else."""
    worst = 0.0
    for seed in range(seeds):
        draw, known = np.random.default_rng(seed), dict[Term, float]()

        def leaf(node: Term, known: dict[Term, float] = known, draw: Any = draw) -> float:
            return known.setdefault(node, float(draw.uniform(-2, 2)))

        value = _Far(leaf)
        worst = max(worst, *(abs(value(left) - value(right)) for left, _, right in line.links()))
    return worst


