r"""Equal, with a proof; not equal, with a counterexample; or not decided.

First both cells are run in numbers, over generic sequences from small sizes on: where the outputs differ, that is a
counterexample, and it is made as plain as it can be. Where they agree, one step of both is run over a field whose
generators are the parameters, the input and the states: if the states are related as the map says at t-1, they are so at t,
and the outputs are equal. By induction this holds at every step of every sequence.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from symlstm import zoo
from symlstm.algebra import Sym, SymlstmError, Term, Time, plain
from symlstm.definitions.pages import ENDINGS
from symlstm.equivalence.maps import Where, lines
from symlstm.equivalence.pairs import Leaf, Pair, Run, pair
from symlstm.evaluate import Array, Evaluator
from symlstm.evidence.components import SIZES, Components
from symlstm.evidence.fields import Exactly, Field
from symlstm.evidence.polynomials import Polynomial
from symlstm.model import Cell
from symlstm.shapes import Shapes

STEPS = 4
SMALL = ((1, 1), (1, 2), (2, 1), (2, 3), (3, 2))  # n and m, the smallest first
SEEDS = 3
SAME, DIFFERENT = 1e-12, 1e-6  # of the size of the numbers; between them nothing is said
VISIBLE = 0.02  # a counterexample that is made plainer stays at least so far apart
DIGITS = 4


@dataclass(frozen=True)
class Equivalence:
    """Whether two cells compute the same: `equal` is True, False, or None where that is not decided, `note` says why.

    `counterexample` has numbers for which the outputs differ: the step, both outputs, the sizes, and all that they are
    computed from.
    """

    equal: bool | None
    left: str
    right: str
    note: str
    where: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    counterexample: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, for JSON."""
        return {
            "left": self.left, "right": self.right, "where": list(self.where), "given": list(self.given),
            "equal": self.equal, "note": self.note, "counterexample": self.counterexample,
        }  # fmt: skip

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def __bool__(self) -> bool:
        return self.equal is True

    def lines(self) -> Iterator[str]:
        """The result as lines of text."""
        verdict = {True: "equal", False: "not equal", None: "not decided"}[self.equal]
        yield f"{self.left} and {self.right}: {verdict}"
        yield from (f"  where  {line}" for line in self.where)
        yield from (f"  given  {line}" for line in self.given)
        yield f"  {self.note}"
        if self.counterexample:
            yield "  for example:"
            yield from (f"    {line}" for line in _shown(self.counterexample))


def equivalent(
    left: Cell | str | os.PathLike[str], right: Cell | str | os.PathLike[str], where: Where = (), given: Where = ()
) -> Equivalence:
    r"""Whether `right` computes what `left` computes, under a map of its parameters, states, inputs and quantities.

    The cells are `Cell`s, names in the zoo, or files. `where` says what things of `right` are in terms of those of `left`;
    what it does not mention is what has the same name. A quantity of `right` has its equation replaced. `given` says what
    parameters of `left` are in terms of its others. Both are text, relations, or a mapping from names.

    Raises `NotValid` where the map has unknown names, sizes that do not fit, or leaves something open.

    >>> equivalent("lstm", "lstm-peephole", where="p_i, p_f, p_o = 0").equal
    True
    >>> equivalent("gru", "gru-z-new", where=["W_z = -W_z", "U_z = -U_z"]).equal
    False
    """
    one, other = _cell(left), _cell(right)
    said, limits = lines(where, one, other), lines(given, one)
    both = pair(one, other, said, limits)
    found = decide(both)
    return replace(
        found, left=one.name, right=other.name, where=tuple(map(plain, said)), given=tuple(map(plain, limits))
    )


def _cell(of: Cell | str | os.PathLike[str]) -> Cell:
    """A cell, by its name in the zoo or from a file."""
    if isinstance(of, Cell):
        return of
    is_file = isinstance(of, os.PathLike) or Path(of).suffix in ENDINGS
    return Cell.from_latex(Path(of)) if is_file else zoo.cell(str(of))


def decide(both: Pair) -> Equivalence:
    """Look for a counterexample, and where there is none for a proof."""
    blank = Equivalence(None, both.left.name, both.right.name, "")
    points = [Point.drawn(both, n, m, seed) for n, m in SMALL for seed in range(SEEDS)]
    gaps = [point.gap() for point in points]
    apart = next((point for point, gap in zip(points, gaps, strict=True) if gap > DIFFERENT), None)
    if apart is not None:
        shown = apart.plainer()
        agree = sorted({point.n for point in points} - {p.n for p, gap in zip(points, gaps, strict=True) if gap > DIFFERENT})
        note = f"The outputs differ at step {shown.steps}."
        if agree:
            note += f" (At n = {', '.join(map(str, agree))} they agree in numbers.)"
        return replace(blank, equal=False, note=note, counterexample=shown.told())
    problem = proof(both)
    if problem and (stray := _stray(points)):
        return replace(blank, note=f"The outputs agree in numbers, but {stray}.")
    worst = max(gaps, default=np.nan)
    numbers = f"in numbers the outputs agree to {worst:.0e}" if worst > SAME else "in numbers the outputs agree to 1e-12"
    if np.isnan(worst) or worst == -np.inf:
        return replace(blank, note="No sequence was found on which both cells have values.")
    if problem:
        return replace(blank, note=f"{problem[:1].upper()}{problem[1:].rstrip('.')}; {numbers}.")
    return replace(blank, equal=True, note=f"{_PROVED}; {numbers}, at T = {STEPS} and sizes from 1 to 3.")


def _stray(points: list[Point]) -> str:
    """In words, which states are not what the map says in numbers; nothing where all are."""
    for point in points:
        wrong = [found for found in point.run().states() if gap(*found[2:]) > DIFFERENT]
        if wrong:
            t, state, left, right = wrong[0]
            said = plain(point.both.mapped[state])
            names = ", ".join(dict.fromkeys(f"{each.name} = {plain(point.both.mapped[each])}" for _, each, _, _ in wrong))
            there = f"{state.name} is {_plain(right)} and {said} is {_plain(left)}"
            return f"not the states, for which the map says {names}: at step {t}, n = {point.n}, m = {point.m}, {there}"
    return ""


_SIZES = "n = {n}, m = {m}".format(**SIZES)
_PROVED = (
    "Proved by induction over time: where the states are related at t-1, one step of both cells relates them at t and gives "
    f"equal outputs, for all parameters, inputs and states, in a field of rational functions at {_SIZES}"
)


# --- the proof ----------------------------------------------------------------------------------------------------------


class Exact(Exactly, Components):
    """The interpreter over elements of a field. A size counts as a length; as a number, it stays a letter."""

    def __init__(self, field: Field, shapes: Shapes, leaf: Leaf, sizes: Mapping[str, int], letters: Mapping[str, Term]) -> None:
        super().__init__(field, shapes)
        self._counts = Evaluator(leaf, sizes=sizes)
        opaque = Components(field, shapes)
        self._letters = {name: opaque(letters.get(name, Sym(name))) for name in sizes}

        def or_letter(node: Term) -> Array:
            named = isinstance(node, Sym) and node.time is None and node.name in self._letters
            return self._letters[node.name] if named else leaf(node)  # type: ignore[attr-defined]

        self.leaf = or_letter


def proof(both: Pair) -> str:
    """Nothing where one step of both cells is proved to keep the map; else in words what could not be proved."""
    Polynomial.spent = 0
    try:
        return _proof(both, Field())
    except SymlstmError as error:
        return error.what


def _proof(both: Pair, field: Field) -> str:
    symbols = Components(field, both.left.shapes)

    def make(leaf: Leaf, sizes: Mapping[str, int], letters: Mapping[str, Term]) -> Evaluator:
        return Exact(field, both.left.shapes, leaf, sizes, letters)

    params = {symbol.name: symbols.opaque(symbol) for symbol in both.free}
    x = tuple(symbols.opaque(symbol) for symbol in both.left.input_terms)
    states = [symbols.opaque(state.prev) for state in both.left.state_terms]
    run = both.run(params, [x], states, make)
    for _, state, left, right in run.states():
        if not _vanishes(field, left - right):
            return f"that {state.name} stays what the map says, {plain(both.mapped[state])}, was not proved"
    for _, left, right in run.outputs():
        if not _vanishes(field, left - right):
            return "that the outputs are equal was not proved"
    return ""


def _vanishes(field: Field, difference: Array) -> bool:
    return all(map(field.vanishes, np.asarray(difference, dtype=object).flat))


# --- numbers --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """One sequence in numbers: the parameters and the initial states of the first cell, and its inputs step by step."""

    both: Pair
    n: int
    m: int
    values: Mapping[Sym, Array]
    steps: int = STEPS
    sizes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def drawn(cls, both: Pair, n: int, m: int, seed: int) -> Point:
        """Generic numbers of two decimals, so that a person can copy them."""
        draw, shapes = np.random.default_rng(seed), both.left.shapes
        sizes = {"n": n, "m": m}
        steps = range(1, STEPS + 1)
        symbols = [*both.free, *(state.at(Time("", 0)) for state in both.left.state_terms)]
        symbols += [symbol.at(Time("", t)) for t in steps for symbol in both.left.input_terms]
        values = {symbol: np.round(draw.standard_normal(shapes.at(symbol.name, sizes)), 2) for symbol in symbols}
        return cls(both, n, m, values, sizes=shapes.full(sizes))

    def run(self) -> Run:
        """Both cells over this sequence."""
        params = {symbol.name: self.values[symbol] for symbol in self.both.free}
        states = [self.values[state.at(Time("", 0))] for state in self.both.left.state_terms]
        xs = [
            tuple(self.values[symbol.at(Time("", t))] for symbol in self.both.left.input_terms) for t in range(1, self.steps + 1)
        ]
        with np.errstate(all="ignore"):
            return self.both.run(params, xs, states)

    def gaps(self) -> list[float]:
        """How far the outputs are apart at each step, of their size; minus infinity where there is nothing to compare."""
        return [gap(left, right) for _, left, right in self.run().outputs()]

    def gap(self) -> float:
        """The largest of them."""
        return max(self.gaps(), default=-np.inf)

    def plainer(self) -> Point:
        """The same with as few steps as the difference needs, and with as many numbers 0 or 1 as leave it visible."""
        gaps = self.gaps()
        limit = min(VISIBLE, max(gaps) / 2)
        steps = next(k for k, gap in enumerate(gaps, start=1) if gap >= limit)
        values = {symbol: value for symbol, value in self.values.items() if symbol.time is None or symbol.time.offset <= steps}
        found = replace(self, values=values, steps=steps)
        for symbol in [*values, *values]:
            for simple in (0.0, 1.0):
                trial = replace(found, values={**found.values, symbol: np.full_like(values[symbol], simple)})
                if trial.gap() >= limit:
                    found = trial
                    break
        return found

    def told(self) -> dict[str, Any]:
        """The sequence and both outputs as plain data."""
        run = self.run()
        step, left, right = list(run.outputs())[-1]
        output = self.both.left.state_terms[0].name
        return {
            "step": step,
            "output": output,
            "left": _plain(left),
            "right": _plain(right),
            "sizes": {name: self.sizes[name] for name in sorted(self.both.left.size_names, key="nm".find) if name in self.sizes},
            "where": {plain(symbol): _plain(value) for symbol, value in self.values.items()},
        }


def gap(left: Array, right: Array) -> float:
    """How far two arrays are apart, of their size; minus infinity where one is no number."""
    if not (np.all(np.isfinite(left)) and np.all(np.isfinite(right))):
        return -np.inf
    size = max(1.0, float(np.max(np.abs(left))), float(np.max(np.abs(right))))
    return float(np.max(np.abs(left - right))) / size


def _plain(value: Array) -> Any:
    """An array as rounded numbers: a column as a list, one entry as a number."""
    array = np.round(np.asarray(value, dtype=float), DIGITS) + 0.0
    if array.size == 1:
        return float(array.reshape(-1)[0])
    return array.reshape(-1).tolist() if array.shape[1] == 1 else array.tolist()


def _shown(numbers: dict[str, Any]) -> Iterator[str]:
    from symlstm.claims.reports import example

    nonzero = {name: value for name, value in numbers["where"].items() if np.any(value)}
    rest = " (all else is 0)" if len(nonzero) < len(numbers["where"]) else ""
    lines = list(example({**numbers, "where": nonzero}))
    yield from (*lines[:-1], lines[-1] + rest) if nonzero else lines
