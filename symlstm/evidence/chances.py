"""Expectations and variances over one draw: exactly by `sympy.stats`, and in numbers as the sum over the two outcomes.

A draw s is 1 with probability f, at the same step, and 0 otherwise; u is uniform on (0, 1). Every quantity is one number.
The words of a cell say which of its letters these are.

>>> from symlstm.algebra import equation, quantities
>>> s, f, c = quantities("s f c")
>>> decide(equation(Variance(s * c, s), f * (1 - f) * c**2)).ok, decide(equation(Expectation(s * c, s), c)).ok
(True, False)
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any
from zlib import crc32

import numpy as np
import sympy
from sympy import stats

from symlstm.algebra import Expectation, NotSupported, Relation, Sym, Term, Variance, plain
from symlstm.evaluate import Evaluator
from symlstm.evidence.scalars import Decision
from symlstm.model import Cell


@dataclass(frozen=True, slots=True)
class Draws:
    """What is drawn: `draw` is 1 with the probability `chance`, and `uniform` is uniform."""

    draw: str = "s"
    uniform: str = "u"
    chance: str = "f"

    @classmethod
    def of(cls, cell: Cell) -> Draws:
        """The letters of a cell, by its words.

        >>> from symlstm.topics.sampling import UNIT
        >>> Draws.of(UNIT) == Draws()
        True
        """
        named = {word: name for name, word in cell.words.items()}
        return cls(**{each.name: named[each.name] for each in fields(cls) if each.name in named})

    def p(self, draw: Sym) -> Sym:
        """The probability with which a draw is 1."""
        return Sym(self.chance, draw.time)


OURS = Draws()


class _Symbolic(Evaluator):
    """Terms to SymPy expressions, draws to random symbols; a probability is a value of the logistic function."""

    def __init__(self, draws: Draws) -> None:
        super().__init__(self._leaf)
        self.draws = draws
        self.drawn: dict[Term, Any] = {}

    def _leaf(self, leaf: Term) -> Any:
        assert isinstance(leaf, Sym)
        if leaf in self.drawn:
            return self.drawn[leaf]
        if leaf.name == self.draws.chance:
            return 1 / (1 + sympy.Symbol(f"odds against {plain(leaf)}", positive=True))
        return sympy.Symbol(plain(leaf), real=True)

    def __call__(self, node: Term) -> Any:
        return self.moment(node) if isinstance(node, (Expectation, Variance)) else super().__call__(node)

    def number(self, value: Any) -> Any:
        return sympy.Rational(value.numerator, value.denominator)

    def apply(self, name: str, x: Any) -> Any:
        return getattr(sympy, name)(x)

    def slope(self, name: str, x: Any) -> Any:
        if name != "relu":
            raise NotSupported("A step is the only slope here.", name)
        return sympy.Piecewise((1, x > 0), (0, True))

    def moment(self, node: Expectation | Variance) -> Any:
        """The moment over one draw, everything else fixed. A draw that is 1 with probability p: p is a symbol till the end."""
        draw, name = node.over, f"draw {plain(node.over)}"
        moment = stats.E if isinstance(node, Expectation) else stats.variance
        if draw.name == self.draws.uniform:
            self.drawn[draw] = stats.Uniform(name, 0, 1)
            return moment(self(node.arg))
        if draw.name != self.draws.draw:
            raise NotSupported(f"The draws here are {self.draws.draw} and {self.draws.uniform}.", plain(node))
        p = sympy.Symbol(f"chance of {name}")
        self.drawn[draw] = stats.Bernoulli(name, p)
        return sympy.expand(moment(self(node.arg))).subs(p, self(self.draws.p(draw)))


def decide(line: Relation, draws: Draws = OURS) -> Decision:
    """Whether an equality of moments holds."""
    value = _Symbolic(draws)
    for left, _, right in line.links():
        if sympy.simplify(value(left) - value(right)) != 0:
            return Decision(False, f"{plain(left)} and {plain(right)} differ")
    return Decision(True, "by sympy.stats, for every probability between 0 and 1 and all real numbers")


class _Outcomes(Evaluator):
    """Terms in numbers; a moment is the sum over the outcomes of its draw. Everything else is drawn by name and seed."""

    def __init__(self, seed: int, draws: Draws, drawn: dict[Term, float] | None = None) -> None:
        super().__init__(self._leaf)
        self.seed, self.draws, self.drawn = seed, draws, drawn or {}

    def _leaf(self, leaf: Term) -> float:
        assert isinstance(leaf, Sym)
        if leaf in self.drawn:
            return self.drawn[leaf]
        among = (0.05, 0.95) if leaf.name == self.draws.chance else (-2, 2)
        return float(np.random.default_rng([self.seed, crc32(plain(leaf).encode())]).uniform(*among))

    def __call__(self, node: Term) -> Any:
        if not isinstance(node, (Expectation, Variance)):
            return super().__call__(node)
        p = self(self.draws.p(node.over))
        # of s its two values; of u a point on each side of p, weighted by the length of the side
        outcomes = [(p, 1.0), (1 - p, 0.0)] if node.over.name == self.draws.draw else [(p, p / 2), (1 - p, (1 + p) / 2)]
        found = [
            (weight, _Outcomes(self.seed, self.draws, {**self.drawn, node.over: value})(node.arg)) for weight, value in outcomes
        ]
        mean = sum(weight * value for weight, value in found)
        return mean if isinstance(node, Expectation) else sum(weight * (value - mean) ** 2 for weight, value in found)


def difference(line: Relation, draws: Draws = OURS, seeds: int = 20) -> float:
    """The largest difference of the sides of a chain at random numbers."""
    worst = 0.0
    for seed in range(seeds):
        value = _Outcomes(seed, draws)
        worst = max(worst, *(abs(value(left) - value(right)) for left, _, right in line.links()))
    return worst
