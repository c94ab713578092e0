"""What is true of a cell: the chain rule over steps that are run forwards on dual numbers (`symlstm.evidence.stepping`).

From the *local* derivatives of single equations follow all others by the chain rule: the adjoint of a quantity is the sum,
over what uses it, of the local derivative, transposed, times the adjoint of what uses it; the Jacobian of one quantity by
another, the sum over all ways between them. No rule of the reverse sweep is used, and none of its code. What reaches the
last step that is looked at from outside is a symbol: the derivatives of the loss by the states through later steps, and by
the output through the loss of the step itself.

Every quantity of a step and every adjoint has a name in the field, and its definition is kept (`symlstm.evidence.fields`).
"""

from __future__ import annotations

from functools import cache, cached_property, lru_cache, partial
from typing import Any

import numpy as np

from symlstm.algebra import (
    Adj,
    NotSupported,
    NotValid,
    Partial,
    Prod,
    Sum,
    Sym,
    Term,
    Time,
    children,
    parts,
    plain,
    rebuild,
    transform,
    walk,
)
from symlstm.evaluate import Array
from symlstm.evidence.components import SIZES, Components
from symlstm.evidence.duals import Dual
from symlstm.evidence.fields import Exactly, Field, Rank
from symlstm.evidence.polynomials import Polynomial
from symlstm.evidence.rings import Key
from symlstm.evidence.sequence import LOSS, LOSS_TERM, Outside
from symlstm.evidence.stepping import Reckoned, Step, filled, matrix, seeded
from symlstm.model import Cell

FIRST, LAST = Time("", 1), Time("T", 0)
EARLIEST = -3  # how many steps before and after t are looked at
FAR = 10**6  # behind every quantity of a step
WHOLE_LOSS = Sym(LOSS)
INNER = Sym("#P")  # stands for the rest of a product over time in an induction step


class Facts:
    """The values, adjoints and Jacobians of a cell at n = 2, m = 3, for symbolic parameters, inputs, states and losses."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.reset()

    def reset(self) -> None:
        """Start again in an empty field: one with fewer generators is faster."""
        cell, self.ring = self.cell, Field()
        self._steps: dict[Time, Step] = {}
        self._adjoints: dict[tuple[Sym, Time], Array] = {}
        self._arrivals: dict[tuple[Sym, Time], Array] = {}
        self._opaque = Components(self.ring, cell.shapes)
        self.extent, self.leaf_generators = cache(self._opaque.extent), cache(self._opaque.opaque)  # the symbols of a leaf
        self.reckoned = Reckoned(self.ring, cell.shapes, {})
        self.truth = Truth(self)
        self._carried = {part for line in cell.named for part in walk(line.rhs) if part in {*cell.carried.values()}}
        self._quantities = {*cell.parameter_terms, *cell.input_terms, *(line.lhs for line in cell.named)}
        self.looked: dict[str, tuple[int, int]] = {}  # the first and last steps, by letter, through which adjoints are followed

    # --- truths about steps ---

    def step(self, at: Time) -> Step:
        """The step at a time, run once. Raises `Outside` for one that no sequence has."""
        if not at.base and at.offset < 1:
            raise Outside(f"There is no step {at}.", str(at), "a step from 1 to T")
        if not EARLIEST <= at.offset <= -EARLIEST:
            raise NotSupported(f"A step as far off as {at} is not looked at.", str(at))
        if at not in self._steps:
            self._steps[at] = Step(self, at)
        return self._steps[at]

    def value(self, leaf: Sym) -> Array:
        """The components of a quantity; of a state and an input, its symbols."""
        if leaf.time is None or leaf.name == LOSS_TERM or leaf.at(Time()) in self.cell.input_terms:
            return self.leaf_generators(leaf)
        if leaf.at(None) in self.cell.parameter_terms:
            return self.leaf_generators(leaf.at(None))
        if leaf.at(Time()) in self.cell.state_terms:
            return self._state(leaf, leaf.time)
        return self.step(leaf.time).values[self._known(leaf)]

    def _state(self, leaf: Sym, at: Time) -> Array:
        """A state's symbols; the step that computes it is run when its definition is asked for."""
        symbols = self.leaf_generators(leaf)
        if at not in self._steps and self._has(at, leaf):
            rank = (0, self.cell.place(leaf), self.cell.direction(leaf) * at.offset, 0)
            for place in (min(self.ring.places(symbol)) for symbol in symbols.flat):
                self.ring.define(self.ring.keys[place], partial(self._after_step, at, place), rank)
        return symbols

    def _after_step(self, at: Time, place: int) -> Polynomial | None:
        if at not in self._steps and abs(at.offset) <= -EARLIEST:
            self.step(at)
            return self.ring.definition(place)
        return None

    def _known(self, leaf: Sym) -> Sym:
        """The quantity as the cell's equations of step t name it."""
        name = leaf.at(None) if leaf.at(None) in self.cell.parameter_terms else leaf.at(Time())
        if name not in self._quantities:
            raise NotValid(f"The cell has no quantity {leaf.name}.", plain(leaf), ", ".join(self.cell.shapes))
        return name

    def arriving(self, state: Sym, at: Time) -> Array:
        """The part of a state's adjoint that comes through the step that takes it over: symbols, defined by that step if it
        is looked at. That is the next step, or for a state that runs backward the one before."""
        key = state.at(at), at
        if key not in self._arrivals:
            symbols = self.leaf_generators(Adj(state.at(at), arriving=True))
            beyond = (at.base == "T" and at.offset >= 0) if self.cell.direction(state) > 0 else (not at.base and at.offset <= 1)
            unused = self.cell.carried[state] not in self._carried
            self._arrivals[key] = symbols * self.ring.element(0) if beyond or unused else symbols
            if self._arrivals[key] is symbols:
                self._defined_later(symbols, state, at)
        return self._arrivals[key]

    def _defined_later(self, symbols: Array, state: Sym, at: Time) -> None:
        way, back = self.cell.direction(state), self.cell.carried[state]

        def handed_back(k: int) -> Polynomial | None:
            if way * (at.offset - self.looked.get(at.base, (at.offset, at.offset))[way > 0]) >= 0:
                return None
            return self.ring.element(self.adjoints(back, at + way).flat[k])
        rank = (1, -self.cell.place(state), -way * at.offset, -FAR)
        for k, symbol in enumerate(symbols.flat):
            self.ring.define(self.ring.keys[min(self.ring.places(symbol))], partial(handed_back, k), rank)

    def adjoints(self, of: Sym, at: Time) -> Array:
        """dL/dq of a quantity of a step, as the step's equations name it, or of what it hands back to the step before."""
        key = of, at
        if key not in self._adjoints:
            step = self.step(at)
            total = step.pulled(of)
            seeds = [self.arriving(of, at)] if of in self.cell.state_terms else []
            seeds += [self.loss_slope(at)] if of == self.cell.output_term else []
            for incoming in seeds:
                total = [one + other for one, other in zip(total, incoming.flat, strict=True)]
            found = np.empty(step.values[of].shape, dtype=object)
            rank = (1, -self.cell.place(of), -self.cell.direction(of) * at.offset, -step.order.get(of, -1))
            for place, entry in zip(np.ndindex(*found.shape), total, strict=True):
                found[place] = self._adjoint_named(("adjoint", of, at, *place), entry, rank)
            self._adjoints[key] = found
        return self._adjoints[key]

    def _adjoint_named(self, key: Key, value: Any, rank: Rank) -> Polynomial:
        value = self.ring.element(value)
        return value if value.constant is not None else self.ring.define(key, lambda: value, rank)

    def loss_slope(self, at: Time) -> Array:
        """The derivative of step t's loss by its output: symbols, and zero outside of 1..T."""
        output = self.cell.output_term.at(at)
        symbols = self.leaf_generators(Partial(Sym(LOSS_TERM, at), output))
        outside = (not at.base and at.offset < 1) or (at.base == "T" and at.offset > 0)
        return symbols * self.ring.element(0) if outside else symbols

    def adjoint(self, of: Sym, *, arriving: bool = False) -> Array:
        """dL/dq by the chain rule; of a parameter with a time mark, of the copy that this step uses."""
        assert of.time is not None
        if arriving or of.time == self.start(of):
            if of.at(Time()) not in self.cell.state_terms:
                raise NotValid(f"{plain(of)} is not handed on from step to step.", plain(of), "a state")
            return self.arriving(of.at(Time()), of.time)
        return self.adjoints(self._known(of), of.time)

    def jacobian(self, of: Sym, wrt: Sym) -> Array:
        """The total derivative of one quantity by another, over as many steps as lie between them."""
        assert of.time is not None and wrt.time is not None
        self._closed(of, wrt)
        states = self._between(of, wrt)
        way = self.cell.direction(states[0] if states else of)
        if way * (wrt.time.offset - of.time.offset) > 0 or (not states and of.time != wrt.time):
            return np.full((self.value(of).size, self.value(wrt).size), self.ring.element(0), dtype=object)
        is_handed = wrt.at(Time()) in self.cell.state_terms and not self._has(wrt.time, wrt)
        if is_handed and of.time == wrt.time:
            return matrix([[self.ring.element(int(of == wrt and j == k)) for k in range(self.value(wrt).size)]
                           for j in range(self.value(of).size)])
        at = wrt.time if not is_handed else wrt.time + way
        through = self.cell.carried[wrt.at(Time())] if is_handed else self._known(wrt)
        if at == of.time:
            return self.step(at).jacobian(self._known(of), through)
        reach = {state: self.step(at).jacobian(state, through) for state in states}
        for offset in range(at.offset + way, of.time.offset + way, way):
            here = self.step(Time(at.base, offset))
            targets = states if offset != of.time.offset else (self._known(of),)
            reach = {
                target: sum(here.jacobian(target, self.cell.carried[state]) @ reach[state] for state in states)
                for target in targets
            }
        return reach[self._known(of)]

    def _between(self, of: Sym, wrt: Sym) -> tuple[Sym, ...]:
        """The states through which a quantity of one step may reach one of another: of one direction of time."""
        source = wrt.at(None) if wrt.at(None) in self.cell.parameter_terms else wrt.at(Time())
        found = []
        for k in sorted(self._needs[self.cell.place(of)]):
            if any(source in (*self.cell.parts[j].inputs, *self.cell.parts[j].parameters) or j == self.cell.place(wrt)
                   for j in self._needs[k]):
                found += self.cell.parts[k].states
        if of.time != wrt.time and len({self.cell.direction(state) for state in found}) > 1:
            raise NotSupported("Between these steps lie ways in both directions of time.", plain(Partial(of, wrt)))
        return tuple(found)

    @cached_property
    def _needs(self) -> dict[int, set[int]]:
        """For each part of the cell the parts that it needs, itself among them; what no part defines needs none."""
        found: dict[int, set[int]] = {-1: set()}
        for k, part in enumerate(self.cell.parts):
            found[k] = {k}.union(*(found[self.cell.place(each)] for each in part.inputs))
        return found

    def _closed(self, of: Sym, wrt: Sym) -> None:
        if of.time is None or wrt.time is None or of.time.base != wrt.time.base:
            raise NotSupported("A derivative over an open number of steps is proved as a product.", plain(Partial(of, wrt)))

    def start(self, of: Sym) -> Time:
        """The time of the initial states, in the direction of a quantity: 0, or T+1."""
        return Time("", 0) if self.cell.direction(of) > 0 else LAST + 1

    def _has(self, at: Time, of: Sym) -> bool:
        """Whether a quantity of a time is computed: what comes before the first step, in its direction of time, is given."""
        start = self.start(of)
        return at.base != start.base or self.cell.direction(of) * (at.offset - start.offset) > 0

    def direct(self, of: Sym, wrt: Sym) -> Array:
        """Along the equation of `of` alone, everything else in it held fixed; over several steps, step after step."""
        assert of.time is not None and wrt.time is not None
        self._closed(of, wrt)
        way = self.cell.direction(of)
        if of.name == wrt.name and way * (of.time.offset - wrt.time.offset) > 1:
            between = of.at(of.time + -way)
            return self.direct(of, between) @ self.direct(between, wrt)
        line = next((line for line in self.cell.named if line.lhs == self._known(of)), None)
        if line is None:
            raise NotSupported(f"No equation defines {plain(of)}.", plain(of))
        moved = shifted(line.rhs, of.time)
        symbols = self.value(wrt)
        leaves = {part: self.value(part) for part in walk(moved) if isinstance(part, Sym) and not self._is_size(part)}
        result = self.reckoned.of(moved, {**leaves, wrt: seeded(symbols, self.ring.element(1))})
        duals = [entry if isinstance(entry, Dual) else Dual(entry) for entry in filled(result, self.extent(of)).flat]
        return matrix([[dual.parts.get(k, self.ring.element(0)) for k in range(symbols.size)] for dual in duals])

    def _is_size(self, part: Sym) -> bool:
        return part.time is None and part.name in self.cell.size_names

    # --- terms ---

    def look_at(self, nodes: tuple[Term, ...]) -> None:
        """Follow adjoints through every step that is mentioned, and no further."""
        for part in (part for node in nodes for part in parts(node)):
            if isinstance(part, Sym) and part.time is not None:
                first, last = self.looked.get(part.time.base, (part.time.offset, part.time.offset))
                self.looked[part.time.base] = min(part.time.offset, first), max(part.time.offset, last)

    def summed(self, node: Term) -> Term:
        """A term with the loss, and its derivative by a shared parameter, as sums over time of what each step contributes."""
        return self._summed(node) if _is_of_loss(node) else node

    def _summed(self, node: Term) -> Term:
        if node == WHOLE_LOSS:
            return Sum("t", FIRST, LAST, Sym(LOSS_TERM, Time()))
        if isinstance(node, Partial) and node.of == WHOLE_LOSS and node.wrt in self.cell.parameter_terms:
            assert isinstance(node.wrt, Sym)
            return Sum("t", FIRST, LAST, Adj(node.wrt.at(Time())))
        return node if isinstance(node, (Partial, Adj)) else rebuild(node, tuple(map(self._summed, children(node))))

    def values(self, *nodes: Term, inner: Array | None = None) -> tuple[Array, ...]:
        """The components of terms, with every adjoint and derivative in them replaced by the truth about it."""
        self.look_at(nodes)
        truth = self.truth if inner is None else Truth(self, inner)
        return tuple(truth(self.summed(node)) for node in nodes)


class Truth(Exactly, Components):
    """Terms to field elements, with what is true put for every adjoint and derivative."""

    def __init__(self, facts: Facts, inner: Array | None = None) -> None:
        super().__init__(facts.ring, facts.cell.shapes)
        self.facts, self.inner = facts, inner
        self.leaf, self.sizes = self.true, facts.cell.shapes.full(SIZES)

    def true(self, leaf: Term) -> Array:
        """The components of a leaf."""
        if leaf == INNER and self.inner is not None:
            return self.inner
        if isinstance(leaf, Sym):
            return self.facts.value(leaf)
        if isinstance(leaf, Adj):
            return self._adjoint(leaf.of, arriving=leaf.arriving)
        if isinstance(leaf, Partial) and isinstance(leaf.of, Sym) and isinstance(leaf.wrt, Sym):
            return self._partial(leaf.of, leaf.wrt, direct=leaf.direct)
        raise NotSupported(f"{type(leaf).__name__} is not decided in the field.", plain(leaf))

    def _adjoint(self, of: Sym, *, arriving: bool = False) -> Array:
        if of.time is None:
            raise NotSupported("The gradient of a shared parameter is a sum over time.", plain(of))
        return self.facts.adjoint(of, arriving=arriving)

    def _partial(self, of: Sym, wrt: Sym, *, direct: bool) -> Array:
        if of == WHOLE_LOSS:
            return self._adjoint(wrt)
        if of.name == LOSS_TERM and of.time is not None:
            output = self.facts.cell.output_term.at(of.time)
            slope = self.facts.loss_slope(of.time)
            if wrt == output:
                return slope
            reach = self.facts.jacobian(output, wrt).T @ slope
            return (reach * self.ring.element(0) if direct else reach).reshape(self.extent(wrt))
        found = self.facts.direct(of, wrt) if direct else self.facts.jacobian(of, wrt)
        return found.reshape(self.extent(wrt)) if len(found) == 1 else found  # of a number: in the shape of what it is by

    def over(self, node: Sum | Prod) -> list[Array]:
        """A sum from about 1 to about T as one from 1 to T, and the terms that it has more or less."""
        if not isinstance(node, Sum) or (node.lower.base, node.upper.base) != ("", LAST.base):
            return super().over(node)
        more = [Time("", k) for k in range(node.lower.offset, 1)] + [Time("T", k) for k in range(1, node.upper.offset + 1)]
        less = [Time("", k) for k in range(1, node.lower.offset)] + [Time("T", k) for k in range(node.upper.offset + 1, 1)]
        if not more and not less:
            return super().over(node)
        whole = super().over(Sum(node.index, FIRST, LAST, node.body))
        return whole + [sign * self._at(node, at) for sign, times in ((1, more), (-1, less)) for at in times]

    def _at(self, node: Sum, at: Time) -> Array:
        """One term of a sum; it may look at later times than the rest of the relation does."""
        def move(part: Term) -> Term:
            inside = isinstance(part, Sym) and part.time is not None and part.time.base == node.index
            return part.at(at + part.time.offset) if inside else part  # type: ignore[union-attr]
        term = transform(node.body, move)
        self.facts.look_at((term,))
        return self.facts.truth(term)


def shifted(node: Term, to: Time) -> Term:
    """An equation of step t as one of another step."""
    def move(part: Term) -> Term:
        return part.at(to + part.time.offset) if isinstance(part, Sym) and part.time is not None else part
    return transform(node, move)


@lru_cache(maxsize=1024)
def _is_of_loss(node: Term) -> bool:
    """Whether the whole loss is mentioned."""
    return any(isinstance(part, Sym) and part == WHOLE_LOSS for part in parts(node))
