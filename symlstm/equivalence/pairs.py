"""Two cells side by side: the second one fed, step by step, with what the map makes of the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from symlstm.activations import ACTIVATIONS, STAND_INS, X
from symlstm.algebra import NOW, Apply, NotValid, Relation, Sym, Term, plain, transform, walk
from symlstm.equivalence.fitting import fitted
from symlstm.equivalence.maps import Sorted, filled, needed, open_functions, revised, signals, sort
from symlstm.evaluate import Array, Evaluator, Steps, forward, sizes_of
from symlstm.model import Cell

Leaf = Callable[[Any], Array]
Make = Callable[[Leaf, Mapping[str, int], Mapping[str, Term]], Evaluator]


def in_numbers(leaf: Leaf, sizes: Mapping[str, int], letters: Mapping[str, Term]) -> Evaluator:
    """The interpreter over floating-point numbers."""
    return Evaluator(leaf, sizes=sizes)


@dataclass(frozen=True)
class Pair:
    """Two cells and the map between them.

    `given` says what some parameters of the first are in terms of its others; `mapped` has a term over the first cell for
    every parameter, input and state of the second; `letters` what the sizes of the second are in those of the first,
    and `said` is the map before it was fitted to sizes.
    """

    left: Cell
    right: Cell
    given: Mapping[str, Term]
    mapped: Mapping[Sym, Term]
    letters: Mapping[str, Term]
    said: Mapping[Sym, Term]

    @property
    def free(self) -> tuple[Sym, ...]:
        """The parameters of the first cell that have a value of their own."""
        return tuple(symbol for symbol in self.left.parameter_terms if symbol.name not in self.given)

    def run(
        self,
        params: Mapping[str, Array],
        xs: Sequence[Any],
        states: Sequence[Array],
        make: Make = in_numbers,
        same: Callable[[Array, Array], bool] | None = None,
    ) -> Run:
        """Run both over a sequence; arrays as `evaluate.forward` takes them.

        `make` makes an interpreter from leaves, from the sizes, and from what its size letters are in those of the first cell.
        A quantity of the second that is the `same` as what the map or its name says of the first is written as that one, so
        that what is computed from it is written alike too.
        """
        sizes = sizes_of(self.left, params, xs, states)
        given = make(lambda leaf: params[leaf.name], sizes, {})
        params = {**params, **{name: given(said) for name, said in self.given.items()}}
        left = forward(self.left, params, xs, states, evaluator=lambda leaf, sizes: make(leaf, sizes, {}))
        run = Run(self, params, left, make, sizes)
        theirs = {symbol.name: run.value(self.mapped[symbol], 0) for symbol in self.right.parameter_terms}
        start = [run.value(self.mapped[state], 0) for state in self.right.state_terms]
        fed = [tuple(run.value(self.mapped[x], t) for x in self.right.input_terms) for t in range(1, len(xs) + 1)]
        counts = Evaluator(run.leaf(0), sizes=sizes)
        lengths = {name: counts.length(said) for name, said in self.letters.items()}
        states_of = {state.name: self.mapped[state] for state in self.right.state_terms}

        def alike(name: str, t: int, value: Array) -> Array:
            if same is None or t == 0 or not (name in states_of or name in left[t]):
                return value
            other = run.value(states_of[name], t) if name in states_of else left[t][name]
            return other if np.shape(other) == np.shape(value) and same(other, value) else value

        run.right = forward(
            self.right, theirs, fed, start, nudge=alike,
            evaluator=lambda leaf, sizes: make(leaf, {**sizes, **lengths}, self.letters),
        )  # fmt: skip
        return run

    def written_out(self) -> Pair:
        """The same cells with every activation that has a formula written out by it, in exponentials."""
        said = Sorted(functions={name: (X, row.formula) for name, row in ACTIVATIONS.items() if not _is_basic(name)})
        mapped = {symbol: transform(term, filled(said)) for symbol, term in self.mapped.items()}
        return replace(self, left=revised(self.left, said), right=revised(self.right, said), mapped=mapped)


def _is_basic(name: str) -> bool:
    """Whether the formula of an activation is itself."""
    return any(part == Apply(name, X) for part in walk(ACTIVATIONS[name].formula))


class Run:
    """What both cells computed: `left` and `right` by step and name."""

    right: Steps

    def __init__(self, pair: Pair, params: Mapping[str, Array], left: Steps, make: Make, sizes: Mapping[str, int]) -> None:
        self.pair, self.params, self.left, self.make, self.sizes = pair, params, left, make, sizes

    def leaf(self, t: int) -> Leaf:
        """What a leaf of a map's term is at step t."""
        return lambda leaf: self.params[leaf.name] if leaf.time is None else self.left[t + leaf.time.offset][leaf.name]

    def value(self, said: Term, t: int) -> Array:
        """A term of the map at step t."""
        return self.make(self.leaf(t), self.sizes, {})(said)

    def outputs(self) -> Iterator[tuple[int, Array, Array]]:
        """The output of both at each step."""
        one, other = self.pair.left.output_term.name, self.pair.right.output_term.name
        yield from ((t, self.left[t][one], self.right[t][other]) for t in range(1, len(self.left)))

    def states(self) -> Iterator[tuple[int, Sym, Array, Array]]:
        """What the map makes of the first cell's states, and the second's states, at each step."""
        for t in range(1, len(self.left)):
            for state in self.pair.right.state_terms:
                yield t, state, self.value(self.pair.mapped[state], t), self.right[t][state.name]


# --- pairing ----------------------------------------------------------------------------------------------------------


def pair(left: Cell, right: Cell, where: Sequence[Relation], given: Sequence[Relation] = ()) -> Pair:
    """Two cells and a map as a pair that can be run. Raises `NotValid` where names or sizes do not fit."""
    limits = sort(given, left, left)
    _limited(limits, left)
    first = revised(left, limits)
    said = sort(where, first, right)
    second = needed(revised(right, said, first))
    mapped: dict[Sym, Term] = {}
    for symbol in _leaves(second):
        mapped[symbol] = said.mapped[symbol.name] if symbol.name in said.mapped else _namesake(symbol, first, second)
    _functions(first, second)
    whole = fitted(mapped, first, second)
    own = fitted({symbol: limits.mapped.get(symbol.name, symbol) for symbol in _leaves(first)}, first, first)
    fixed = {symbol.name: said for symbol, said in own.mapped.items() if symbol.name in limits.mapped}
    return Pair(first, whole.target, fixed, whole.mapped, whole.letters, mapped)


def _leaves(cell: Cell) -> tuple[Sym, ...]:
    """What a step is computed from: states, inputs, parameters."""
    return (*cell.state_terms, *cell.input_terms, *cell.parameter_terms)


def _limited(limits: Sorted, cell: Cell) -> None:
    """See that what is given of a cell is about parameters, and that none is made of another that is given."""
    parameters = [symbol.name for symbol in cell.parameter_terms]
    for name, said in limits.mapped.items():
        line = f"{name} = {plain(said)}"
        if name not in parameters:
            raise NotValid(f"{name} is no parameter of {cell.name}, and nothing else is given.", line, ", ".join(parameters))
        for part in walk(said):
            if isinstance(part, Sym) and part.name in limits.mapped:
                raise NotValid(f"{name} is made of {part.name}, which is given too.", line, "parameters that are not given")


def _namesake(symbol: Sym, source: Cell, target: Cell) -> Term:
    """What has the same name in the other cell. Raises `NotValid` where nothing has."""
    kinds = {
        "state": (target.state_terms, source.state_terms),
        "input": (target.input_terms, (*source.input_terms, *signals(source).values())),
        "parameter": (target.parameter_terms, source.parameter_terms),
    }
    kind = next(name for name, (mine, _) in kinds.items() if symbol in mine)
    theirs = {other.name: other for other in kinds[kind][1]}
    if symbol.name in theirs:
        return symbol if kind == "parameter" else symbol.at(NOW)
    made_of = "0, or a term" if kind == "parameter" else "a term"
    raise NotValid(
        f"{source.name} has no {kind} {symbol.name} as {target.name} has, and the map does not say what it is.",
        f"{symbol.name} of {target.name}",
        f"{symbol.name} = {made_of} over {', '.join(theirs) or 'numbers'}",
    )


def _functions(source: Cell, target: Cell) -> None:
    """See that both cells leave the same functions open."""
    for name in open_functions(target):
        if name not in open_functions(source):
            stands = next(row.name for row in ACTIVATIONS.values() if row.formula == STAND_INS[name].formula)
            raise NotValid(
                f"{target.name} leaves the function {name} open, {source.name} does not, and the map does not say what it is.",
                f"{name} of {target.name}",
                f"a line of the map, such as {name}(x) = {stands}(x)",
            )
