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
NAN = float("nan")  # the slope at a kink: what is made of it equals nothing


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
    """The derivative of a function by complex step; no number at a kink."""
    def slope(name: str, x: Any) -> Any:
        return NAN if x in activation(name).kinks else function(name, x + step).imag / step.imag

    return slope


PRECISE = Arithmetic(f"with {DIGITS} digits", lambda value: MP.mpf(value.numerator) / value.denominator, _mp_function,
                     _slope(_mp_function, MP.mpc(0, MP.mpf(10) ** (-2 * DIGITS))), Fraction(1, 10**40))
FLOAT = Arithmetic("in float64", float, apply, _slope(apply, 1j * STEP), Fraction(1, 10**12))


class _Numbers(Evaluator):
    """Terms to arrays of numbers, or of dual numbers, of one arithmetic."""

    def __init__(self, arithmetic: Arithmetic, leaf: Callable[[Term], Array], sizes: Mapping[str, int] | None = None) -> None:
        super().__init__(leaf, sizes=sizes)
        self.arithmetic = arithmetic

    def number(self, value: Fraction) -> Any:
        return self.arithmetic.number(value)

    def apply(self, name: str, x: Array) -> Array:
        function, slope = self.arithmetic.function, self.arithmetic.slope
        return _each(lambda entry: function(name, entry), lambda entry: slope(name, entry))(x)

    def slope(self, name: str, x: Array) -> Array:
        found = np.frompyfunc(lambda entry: self.arithmetic.slope(name, entry), 1, 1)(x)
        if any(entry != entry for entry in np.ravel(found)):
            kinks = ", ".join(map(str, activation(name).kinks))
            raise NotValid(f"{name} has no slope at a kink.", f"{name}' at {kinks}", "any other point")
        return found

    def divide(self, above: Array, below: Array) -> Array:
        return above * _each(lambda entry: 1 / entry, lambda entry: -1 / entry**2)(below)

    def power(self, base: Array, exponent: Array) -> Array:
        number = np.asarray(exponent).item()
        return _each(lambda entry: entry**number, lambda entry: number * entry ** (number - 1))(base)

    def larger(self, left: Array, right: Array) -> Array:
        return np.frompyfunc(_larger, 2, 1)(left, right)

    def norm(self, value: Array) -> Array:
        raise NotSupported("A norm is not recomputed from given arrays.")


def _each(value: Callable[[Any], Any], slope: Callable[[Any], Any]) -> np.ufunc:
    """A function of numbers and of dual numbers, entry by entry; its slope is taken where there is a derivative to carry."""
    def chain(entry: Any) -> Any:
        if not isinstance(entry, Dual):
            return value(entry)
        return entry.scaled(value(entry.value), slope(entry.value) if entry.parts else 0)

    return np.frompyfunc(chain, 1, 1)


def _larger(left: Any, right: Any) -> Any:
    """The larger by its value. Where two are equal there is a kink, and no slope: there is no derivative to carry on."""
    one, other = (side.value if isinstance(side, Dual) else side for side in (left, right))
    if one == other and (isinstance(left, Dual) or isinstance(right, Dual)):
        parts = {seed for side in (left, right) if isinstance(side, Dual) for seed in side.parts}
        return Dual(one, dict.fromkeys(parts, NAN))
    return left if _real(one) >= _real(other) else right


def _real(value: Any) -> Any:
    return value.real if hasattr(value, "real") else value


class Recomputed:
    """One step of a cell from given arrays: the value of every quantity, and of every adjoint by forward-mode derivatives."""

    def __init__(self, cell: Cell, given: Mapping[Term, Blocks | Num], arithmetic: Arithmetic = PRECISE) -> None:
        self.cell, self.arithmetic = cell, arithmetic
        self._draw = np.random.default_rng(0)
        self._given = {leaf: _with_rows(_Numbers(arithmetic, _no_leaf)(array)) for leaf, array in given.items()}
        self._sizes = self._found_sizes()

    def _found_sizes(self) -> dict[str, int]:
        """Every size: n and m from the arrays that were given, where the cell has them; a further one may be left open."""
        lengths = self.cell.shapes.lengths
        found: dict[str, int] = {}
        for leaf, array in self._given.items():
            for length, count in zip(lengths[_symbol(leaf).name], shape(array), strict=True):
                if len(length) == 1 and length[0][0] and length[0][1] == 1:
                    found.setdefault(length[0][0], count)
        used = {letter for shape in lengths.values() for length in shape for letter, _ in length}
        if missing := ({"n", "m"} & used) - found.keys():
            letters = " and ".join(sorted(missing))
            raise NotSupported(f"The given arrays do not fix {letters}.", ", ".join(map(plain, self._given)))
        return self.cell.shapes.full({"n": 1, "m": 1, **found})

    def _start(self, leaf: Term) -> Array:
        """A given array; one that is not given, at random."""
        if leaf not in self._given:
            drawn = self._draw.integers(-999, 1000, self.cell.shapes.at(_symbol(leaf).name, self._sizes))
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

        for symbol in (*self.cell.parameter_terms, *self.cell.input_terms, *self.cell.carried.values()):
            define(symbol, self._start(symbol))
        evaluate = _Numbers(self.arithmetic, lambda leaf: found[leaf][0], self._sizes)
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
        """The sum over states and output of d state / d quantity, transposed, times what reaches them from outside."""
        key = of.at(None) if of.at(None) in self.cell.parameter_terms else of
        if key not in self._step:
            raise NotValid("The step has no such quantity.", plain(of))
        seeds = self._step[key][1]
        total = np.zeros(seeds.shape, dtype=object)
        for state in dict.fromkeys((*self.cell.state_terms, self.cell.output_term)):
            whole = Adj(state) in self._given or state not in self.cell.state_terms
            incoming = self._start(Adj(state, arriving=not whole))
            for dual, bar in zip(self._step[state][0].flat, incoming.flat, strict=True):
                total = total + np.frompyfunc(lambda seed, dual=dual, bar=bar: dual.parts.get(seed, 0) * bar, 1, 1)(seeds)
        return total

    def check(self, line: Relation) -> tuple[bool, float, str]:
        """Whether a line of numbers is right, the largest relative difference, and in words what was compared.

        Every link holds to one unit of the last digit printed on the right, and the ends to half a unit.
        """
        values = [_with_rows(_Numbers(self.arithmetic, self.leaf, self._sizes)(side)) for side in line.terms]
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


def _symbol(leaf: Term) -> Sym:
    """The quantity, of an adjoint too."""
    symbol = leaf.of if isinstance(leaf, Adj) else leaf
    assert isinstance(symbol, Sym)
    return symbol


def _with_rows(value: Array) -> Array:
    """A bare number as an array of one entry."""
    return value if shape(value) else np.full((1, 1), value, dtype=object)


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
