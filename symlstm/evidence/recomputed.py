"""A worked step recomputed from what was given: forwards on dual numbers, with 60 digits or in float64.

Quantities that no array was given for are drawn at random: what is printed must not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import mpmath
import numpy as np

from symlstm.activations import activation
from symlstm.algebra import Adj, Blocks, NotSupported, NotValid, Num, Relation, Sym, Term, plain, walk
from symlstm.evaluate import ELEMENTARY, STEP, Array, Evaluator, apply, shape
from symlstm.evidence.duals import Dual
from symlstm.model import Cell

DIGITS = 60
MP = mpmath.MPContext()
MP.dps = DIGITS


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One type of number: how a fraction becomes one, its functions and their slopes, and how exact an equality is."""

    words: str
    number: Callable[[Fraction], Any]
    function: Callable[[str, Any], Any]
    slope: Callable[[str, Any], Any]
    tolerance: Fraction


def _mp_function(name: str, x: Any) -> Any:
    if name in ELEMENTARY:
        return getattr(MP, name)(x)
    return _Numbers(PRECISE, lambda _: np.array([[x]], dtype=object))(activation(name).formula)[0, 0]


def _slope(function: Callable[[str, Any], Any], step: Any) -> Callable[[str, Any], Any]:
    """The derivative of a function by complex step."""
    return lambda name, x: function(name, x + step).imag / step.imag


PRECISE = Arithmetic(f"with {DIGITS} digits", lambda value: MP.mpf(value.numerator) / value.denominator, _mp_function,
                     _slope(_mp_function, MP.mpc(0, MP.mpf(10) ** (-2 * DIGITS))), Fraction(1, 10**40))
FLOAT = Arithmetic("in float64", float, apply, _slope(apply, 1j * STEP), Fraction(1, 10**12))


class _Numbers(Evaluator):
    """Terms to arrays of numbers, or of dual numbers, of one arithmetic."""

    def __init__(self, arithmetic: Arithmetic, leaf: Callable[[Term], Array]) -> None:
        super().__init__(leaf)
        self.arithmetic = arithmetic

    def number(self, value: Fraction) -> Any:
        return self.arithmetic.number(value)

    def apply(self, name: str, x: Array) -> Array:
        def chain(entry: Any) -> Any:
            if not isinstance(entry, Dual):
                return self.arithmetic.function(name, entry)
            return entry.scaled(self.arithmetic.function(name, entry.value), self.arithmetic.slope(name, entry.value))
        return np.frompyfunc(chain, 1, 1)(x)

    def divide(self, above: Array, below: Array) -> Array:
        def inverse(entry: Any) -> Any:
            if not isinstance(entry, Dual):
                return 1 / entry
            return entry.scaled(1 / entry.value, -1 / entry.value**2)
        return above * np.frompyfunc(inverse, 1, 1)(below)


class Recomputed:
    """One step of a cell from given arrays: the value of every quantity, and of every adjoint by forward-mode derivatives."""

    def __init__(self, cell: Cell, given: Mapping[Term, Blocks], arithmetic: Arithmetic = PRECISE) -> None:
        self.cell, self.arithmetic = cell, arithmetic
        self._draw = np.random.default_rng(0)
        self._given = {leaf: _Numbers(arithmetic, _no_leaf)(array) for leaf, array in given.items()}
        self._sizes = self._found_sizes()

    def _found_sizes(self) -> dict[str, int]:
        """n and m from the arrays that were given."""
        found = {}
        for leaf, array in self._given.items():
            symbol = leaf.of if isinstance(leaf, Adj) else leaf
            assert isinstance(symbol, Sym)
            for length, count in zip(self.cell.shapes.lengths[symbol.name], shape(array), strict=True):
                if len(length) == 1 and length[0][0] and length[0][1] == 1:
                    found.setdefault(length[0][0], count)
        if set(found) != {"n", "m"}:
            raise NotSupported("The given arrays do not fix n and m.", ", ".join(map(plain, self._given)))
        return found

    def _start(self, leaf: Term) -> Array:
        """A given array; one that is not given, at random."""
        symbol = leaf.of if isinstance(leaf, Adj) else leaf
        assert isinstance(symbol, Sym)
        if leaf not in self._given:
            drawn = self._draw.integers(-999, 1000, self.cell.shapes.at(symbol.name, self._sizes))
            self._given[leaf] = np.frompyfunc(lambda k: self.arithmetic.number(Fraction(int(k), 500)), 1, 1)(drawn)
        return self._given[leaf]

    @cached_property
    def _step(self) -> dict[Term, tuple[Array, Array]]:
        """Every quantity of the step as dual numbers, with the seeds of its entries."""
        found: dict[Term, tuple[Array, Array]] = {}
        count = 0

        def define(symbol: Sym, value: Array) -> None:
            nonlocal count
            seeds = np.arange(count, count + value.size).reshape(value.shape)
            count += value.size
            found[symbol] = (_seeded(value, seeds), seeds)

        states = tuple(state.prev for state in self.cell.state_terms)
        for symbol in (*self.cell.parameter_terms, *self.cell.input_terms, *states):
            define(symbol, self._start(symbol))
        evaluate = _Numbers(self.arithmetic, lambda leaf: found[leaf][0])
        for line in self.cell.named:
            assert isinstance(line.lhs, Sym)
            define(line.lhs, evaluate(line.rhs))
        return found

    def leaf(self, leaf: Term) -> Array:
        """The value of a quantity of the step, or of an adjoint."""
        if leaf in self._given:
            return self._given[leaf]
        if isinstance(leaf, Adj):
            return self._adjoint(leaf.of)
        if leaf not in self._step:
            raise NotValid("The step has no such quantity.", plain(leaf))
        return np.frompyfunc(lambda dual: dual.value, 1, 1)(self._step[leaf][0])

    def _adjoint(self, of: Sym) -> Array:
        """The sum over the states of d state / d quantity, transposed, times what reaches the state from outside."""
        key = of.at(None) if of.at(None) in self.cell.parameter_terms else of
        if key not in self._step:
            raise NotValid("The step has no such quantity.", plain(of))
        seeds = self._step[key][1]
        total = np.zeros(seeds.shape, dtype=object)
        for state in self.cell.state_terms:
            whole = Adj(state) in self._given
            incoming = self._start(Adj(state, arriving=not whole))
            for dual, bar in zip(self._step[state][0].flat, incoming.flat, strict=True):
                total = total + np.frompyfunc(lambda seed, dual=dual, bar=bar: dual.parts.get(seed, 0) * bar, 1, 1)(seeds)
        return total

    def check(self, line: Relation) -> tuple[bool, float, str]:
        """Whether a line of numbers is right, the largest relative difference, and in words what was compared.

        Every link holds to one unit of the last digit printed on the right, and the ends to half a unit.
        """
        values = [_Numbers(self.arithmetic, self.leaf)(side) for side in line.terms]
        rounded = "~" in line.operators
        unit = min((Fraction(1, 10**places) for places in _places(line.rhs) if rounded), default=Fraction(0))
        rooms = [unit if operator == "~" else Fraction(0) for operator in line.operators]
        ok, worst, number = True, 0.0, self.arithmetic.number
        for left, right, room in (*zip(values[:-1], values[1:], rooms, strict=True), (values[0], values[-1], unit / 2)):
            off, size = _distance(left, right)
            ok = ok and bool(off <= number(room) + number(self.arithmetic.tolerance) * (1 + size))
            worst = max(worst, float(off / size) if size else float(off))
        digits = ", right to half a unit of the last digit printed" if unit else ""
        slopes = ", adjoints by forward-mode derivatives" if any(isinstance(part, Adj) for part in walk(line)) else ""
        return ok, worst, f"recomputed {self.arithmetic.words} from the given arrays{slopes}{digits}"


def _no_leaf(leaf: Term) -> Array:
    raise NotValid("A given array holds numbers only.", plain(leaf))


def _seeded(value: Array, seeds: Array) -> Array:
    duals = np.empty(value.shape, dtype=object)
    for place in np.ndindex(*value.shape):
        entry = value[place] if isinstance(value[place], Dual) else Dual(value[place])
        duals[place] = Dual(entry.value, {**entry.parts, int(seeds[place]): 1})
    return duals


def _places(node: Term) -> Iterator[int]:
    return (part.places for part in walk(node) if isinstance(part, Num) and part.places is not None)


def _distance(left: Array, right: Array) -> tuple[Any, Any]:
    """The largest difference of two arrays, and the largest entry."""
    if shape(left) != shape(right):
        return float("inf"), 0
    pairs = list(zip(np.asarray(left, dtype=object).flat, np.asarray(right, dtype=object).flat, strict=True))
    return max(abs(a - b) for a, b in pairs), max(abs(a) for a, _ in pairs)
