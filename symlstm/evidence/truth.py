"""What is true of a cell: one step run forwards on dual numbers, and what follows from it over time.

Every quantity of a step carries its derivatives by every component of every other one. No rule of the reverse sweep is
used, and none of its code. What reaches the last step that is looked at from outside is a symbol: the derivatives of
the loss by the states through later steps, and by the output through the loss of the step itself.

Over a polynomial ring, the value of each state is a symbol once it is computed, and its definition is kept. At a point
of the ring everything is a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from symlstm.activations import ACTIVATIONS, Y
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
    plain,
    rebuild,
    transform,
    walk,
)
from symlstm.evaluate import Array
from symlstm.evidence.components import Components
from symlstm.evidence.duals import Dual
from symlstm.evidence.rings import Numbers
from symlstm.evidence.scalars import slope_is_proved
from symlstm.evidence.sequence import LOSS, LOSS_TERM
from symlstm.model import Cell

FIRST, LAST = Time("", 1), Time("T", 0)
EARLIEST = -3  # how many steps before and after t are looked at
INNER = Sym("#P")  # stands for the rest of a product over time in an induction step


class _Forward(Components):
    """The values of a step on dual numbers."""

    def __init__(self, facts: Facts, leaves: Mapping[Term, Array]) -> None:
        super().__init__(facts.ring, facts.cell.shapes)
        self.facts, self.leaf = facts, leaves.__getitem__

    def apply(self, name: str, x: Array) -> Array:
        def chain(entry: Any) -> Any:
            if not isinstance(entry, Dual):
                return self.facts.atom(name, entry)
            return entry.scaled(self.facts.atom(name, entry.value), self.facts.atom_slope(name, entry.value))
        return np.frompyfunc(chain, 1, 1)(x)

    def divide(self, above: Array, below: Array) -> Array:
        def inverse(entry: Any) -> Any:
            if not isinstance(entry, Dual):
                return self.ring.inverse(entry)
            value = self.ring.inverse(entry.value)
            return entry.scaled(value, -value * value)
        return above * np.frompyfunc(inverse, 1, 1)(below)


class Step:
    """One step run forwards: every quantity with its derivatives by every component of every other."""

    def __init__(self, facts: Facts, at: Time) -> None:
        self.facts, self.cell, self.at = facts, facts.cell, at
        self.seeds: dict[Sym, Array] = {}
        self.values: dict[Sym, Array] = {}
        self.duals: dict[Sym, Array] = {}
        self._count = 0
        leaves: dict[Term, Array] = {}
        for symbol in (*self.cell.parameter_terms, *self.cell.input_terms, *(state.prev for state in self.cell.state_terms)):
            value = facts.value(symbol if symbol.time is None else symbol.at(at + symbol.time.offset))
            leaves[symbol] = self._define(symbol, value)
        evaluate = _Forward(facts, leaves)
        for line in self.cell.named:
            assert isinstance(line.lhs, Sym)
            leaves[line.lhs] = self._define(line.lhs, evaluate(line.rhs))

    def _define(self, symbol: Sym, value: Array) -> Array:
        """Give every component of a quantity a seed of its own; of a state, keep the definition and go on with symbols."""
        self.seeds[symbol] = np.arange(self._count, self._count + value.size).reshape(value.shape)
        self._count += value.size
        duals = np.empty(value.shape, dtype=object)
        values = np.empty(value.shape, dtype=object)
        named = symbol in self.cell.state_terms and self.facts.ring.symbolic
        symbols = self.facts.leaf_generators(symbol.at(self.at)) if named else None
        for place in np.ndindex(*value.shape):
            entry = value[place] if isinstance(value[place], Dual) else Dual(value[place])
            element = self.facts.ring.element(entry.value)
            if symbols is not None:
                self.facts.definitions[symbols[place]] = element
                self.facts.defined[element] = symbols[place]
                element = symbols[place]
            values[place] = element
            duals[place] = Dual(element, {**entry.parts, int(self.seeds[symbol][place]): self.facts.ring.element(1)})
        self.values[symbol], self.duals[symbol] = values, duals
        return duals

    def jacobian(self, of: Sym, wrt: Sym) -> Array:
        """d of / d wrt within this step, entries in a row-by-row order: a row for each entry of `of`."""
        zero = self.facts.ring.element(0)
        rows = [[dual.parts.get(int(seed), zero) for seed in self.seeds[wrt].flat] for dual in self.duals[of].flat]
        return np.array(rows, dtype=object).reshape(len(rows), -1)


class Facts:
    """The values, adjoints and Jacobians of a cell at n = 2, m = 3, for symbolic parameters, inputs, states and losses."""

    def __init__(self, cell: Cell, numbers: Numbers) -> None:
        self.cell = cell
        self.reset(numbers)

    def reset(self, ring: Numbers) -> None:
        """Start again over other numbers."""
        self.ring = ring
        self.definitions: dict[Any, Any] = {}
        self.defined: dict[Any, Any] = {}
        self._steps: dict[Time, Step] = {}
        self._arrivals: dict[tuple[Sym, int], Array] = {}
        self._adjoints: dict[tuple[Sym, Time, int], Array] = {}
        self._opaque = Components(self.ring, self.cell.shapes)

    # --- generators ---

    def leaf_generators(self, leaf: Term) -> Array:
        """The symbols that stand for the components of a leaf."""
        return self._opaque.opaque(leaf)

    def atom(self, name: str, argument: Any) -> Any:
        """An activation's value as a symbol; an argument that is a state written out is that state."""
        argument = self.ring.element(argument)
        return self.ring.generator(("apply", name, self.defined.get(argument, argument)))

    def atom_slope(self, name: str, argument: Any) -> Any:
        """An activation's slope: in terms of its value where the row says how, else a symbol."""
        row = ACTIVATIONS.get(name)
        if row is not None and row.slope_of is not None and slope_is_proved(name):
            value = {Y: np.array([[self.atom(name, argument)]], dtype=object)}
            return Components.__call__(_Forward(self, value), row.slope_of)[0, 0]  # type: ignore[arg-type]
        if name == "exp":
            return self.atom(name, argument)
        argument = self.ring.element(argument)
        return self.ring.generator(("slope", name, self.defined.get(argument, argument)))

    # --- truths about steps ---

    def step(self, at: Time) -> Step:
        """The step at a time, run once. Raises `NotValid` for one that no sequence has."""
        if not at.base and at.offset < 1:
            raise NotValid(f"There is no step {at}.", str(at), "a step from 1 to T")
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
        if leaf.at(Time()) in self.cell.state_terms and (self.ring.symbolic or leaf.time.offset < self._first(leaf.time)):
            return self.leaf_generators(leaf)
        return self.step(leaf.time).values[self._known(leaf)]

    def _first(self, at: Time) -> int:
        """At a point, the first step that is run; the states before it are the point's."""
        return EARLIEST if at.base else 1

    def _known(self, leaf: Sym) -> Sym:
        """The quantity as the cell's equations of step t name it."""
        name = leaf.at(None) if leaf.at(None) in self.cell.parameter_terms else leaf.at(Time())
        if name not in (*self.cell.parameter_terms, *self.cell.input_terms, *(line.lhs for line in self.cell.named)):
            raise NotValid(f"The cell has no quantity {leaf.name}.", plain(leaf), ", ".join(self.cell.shapes))
        return name

    def arriving(self, state: Sym, at: Time, last: int) -> Array:
        """The part of a state's adjoint that comes through the next step; symbols at the last step looked at."""
        key = state.at(at), last
        if key not in self._arrivals:
            if at.base == "T" and at.offset >= 0:
                found = self.leaf_generators(state.at(at)) * self.ring.element(0)
            elif at.offset >= last:
                found = self.leaf_generators(Adj(state.at(at), arriving=True))
            else:
                found = self._pulled(at + 1, state.prev, last)
            self._arrivals[key] = found
        return self._arrivals[key]

    def _pulled(self, at: Time, wrt: Sym, last: int) -> Array:
        """What the states of a step hand back to one of its quantities: sum of d state / d quantity, transposed, times d L."""
        if (wrt, at, last) in self._adjoints:
            return self._adjoints[wrt, at, last]
        step = self.step(at)
        total: Array = 0
        for state in self.cell.state_terms:
            incoming = self.arriving(state, at, last)
            if state == self.cell.state_terms[0]:
                incoming = incoming + self.loss_slope(at)
            total = total + step.jacobian(state, wrt).T @ incoming.reshape(-1, 1)
        self._adjoints[wrt, at, last] = total.reshape(step.seeds[wrt].shape)
        return self._adjoints[wrt, at, last]

    def loss_slope(self, at: Time) -> Array:
        """The derivative of step t's loss by its output: symbols, and zero outside of 1..T."""
        output = self.cell.state_terms[0].at(at)
        symbols = self.leaf_generators(Partial(Sym(LOSS_TERM, at), output))
        outside = (not at.base and at.offset < 1) or (at.base == "T" and at.offset > 0)
        return symbols * self.ring.element(0) if outside else symbols

    def adjoint(self, of: Sym, last: int, *, arriving: bool = False) -> Array:
        """dL/dq by forward-mode derivatives; of a parameter with a time mark, of the copy that this step uses."""
        assert of.time is not None
        if arriving or (not of.time.base and of.time.offset == 0):
            if of.at(Time()) not in self.cell.state_terms:
                raise NotValid(f"{plain(of)} is not handed on from step to step.", plain(of), "a state")
            return self.arriving(of.at(Time()), of.time, last)
        return self._pulled(of.time, self._known(of), last)

    def jacobian(self, of: Sym, wrt: Sym) -> Array:
        """The total derivative of one quantity by another, over as many steps as lie between them."""
        assert of.time is not None and wrt.time is not None
        self._closed(of, wrt)
        if wrt.time.offset > of.time.offset:
            return np.full((self.value(of).size, self.value(wrt).size), self.ring.element(0), dtype=object)
        states = self.cell.state_terms
        is_handed = wrt.at(Time()) in states and not self._has(wrt.time)
        at = wrt.time if not is_handed else wrt.time + 1
        through = wrt.at(Time()).prev if is_handed else self._known(wrt)
        if at == of.time:
            return self.step(at).jacobian(self._known(of), through)
        reach = {state: self.step(at).jacobian(state, through) for state in states}
        for offset in range(at.offset + 1, of.time.offset + 1):
            here = self.step(Time(at.base, offset))
            targets = states if offset < of.time.offset else (self._known(of),)
            reach = {target: sum(here.jacobian(target, state.prev) @ reach[state] for state in states) for target in targets}
        return reach[self._known(of)]

    def _closed(self, of: Sym, wrt: Sym) -> None:
        if of.time is None or wrt.time is None or of.time.base != wrt.time.base:
            raise NotSupported("A derivative over an open number of steps is proved as a product.", plain(Partial(of, wrt)))

    def _has(self, at: Time) -> bool:
        return bool(at.base) or at.offset >= 1

    def direct(self, of: Sym, wrt: Sym) -> Array:
        """Along the equation of `of` alone, everything else in it held fixed; over several steps, step after step."""
        assert of.time is not None and wrt.time is not None
        self._closed(of, wrt)
        if of.name == wrt.name and of.time.offset > wrt.time.offset + 1:
            return self.direct(of, of.prev) @ self.direct(of.prev, wrt)
        line = next((line for line in self.cell.declared if line.lhs == self._known(of)), None)
        if line is None:
            raise NotSupported(f"No declared equation defines {plain(of)}.", plain(of))
        moved = shifted(line.rhs, of.time)
        symbols = self.value(wrt)
        seeded = np.array([Dual(entry, {k: self.ring.element(1)}) for k, entry in enumerate(symbols.flat)], dtype=object)
        leaves = {part: self.value(part) for part in walk(moved) if isinstance(part, Sym)}
        result = _Forward(self, {**leaves, wrt: seeded.reshape(symbols.shape)})(moved)
        duals = [entry if isinstance(entry, Dual) else Dual(entry) for entry in result.flat]
        return np.array([[dual.parts.get(k, self.ring.element(0)) for k in range(symbols.size)] for dual in duals], dtype=object)

    # --- terms ---

    def summed(self, node: Term) -> Term:
        """A term with the loss, and its derivative by a shared parameter, as sums over time of what each step contributes."""
        if node == Sym(LOSS):
            return Sum("t", FIRST, LAST, Sym(LOSS_TERM, Time()))
        if isinstance(node, Partial) and node.of == Sym(LOSS) and node.wrt in self.cell.parameter_terms:
            assert isinstance(node.wrt, Sym)
            return Sum("t", FIRST, LAST, Adj(node.wrt.at(Time())))
        return node if isinstance(node, (Partial, Adj)) else rebuild(node, tuple(map(self.summed, children(node))))

    def values(self, *nodes: Term, inner: Array | None = None) -> tuple[Array, ...]:
        """The components of terms, with every adjoint and derivative in them replaced by the truth about it."""
        truth = Truth(self, nodes, inner)
        return tuple(truth(self.summed(node)) for node in nodes)

    def written_out(self, element: Any) -> Any:
        """An element with every state that was computed replaced by its definition, the latest first."""
        for symbol in reversed(self.definitions):
            if element and element.degree(symbol) > 0:
                element = element.compose(symbol, self.definitions[symbol])
        return element


class Truth(Components):
    """Terms to ring elements, with what is true put for every adjoint and derivative."""

    def __init__(self, facts: Facts, nodes: tuple[Term, ...], inner: Array | None = None) -> None:
        super().__init__(facts.ring, facts.cell.shapes)
        self.facts, self.inner = facts, inner
        self.leaf = self.true
        self.last: dict[str, int] = {}
        for part in (part for node in nodes for part in walk(node)):
            if isinstance(part, Sym) and part.time is not None:
                self.last[part.time.base] = max(part.time.offset, self.last.get(part.time.base, part.time.offset))

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
        raise NotSupported(f"{type(leaf).__name__} is not decided in the ring.", plain(leaf))

    def _adjoint(self, of: Sym, *, arriving: bool = False) -> Array:
        if of.time is None:
            raise NotSupported("The gradient of a shared parameter is a sum over time.", plain(of))
        return self.facts.adjoint(of, self.last.get(of.time.base, of.time.offset), arriving=arriving)

    def _partial(self, of: Sym, wrt: Sym, *, direct: bool) -> Array:
        if of == Sym(LOSS):
            return self._adjoint(wrt)
        if of.name == LOSS_TERM and of.time is not None:
            output = self.facts.cell.state_terms[0].at(of.time)
            slope = self.facts.loss_slope(of.time)
            if wrt == output:
                return slope
            reach = self.facts.jacobian(output, wrt).T @ slope
            return (reach * self.ring.element(0) if direct else reach).reshape(self.extent(wrt))
        if direct:
            return self.facts.direct(of, wrt)
        return self.facts.jacobian(of, wrt)

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
        return Truth(self.facts, (term,))(term)

    def apply(self, name: str, x: Array) -> Array:
        return np.frompyfunc(lambda entry: self.facts.atom(name, entry), 1, 1)(x)

    def slope(self, name: str, x: Array) -> Array:
        return np.frompyfunc(lambda entry: self.facts.atom_slope(name, entry), 1, 1)(x)


def shifted(node: Term, to: Time) -> Term:
    """An equation of step t as one of another step."""
    def move(part: Term) -> Term:
        return part.at(to + part.time.offset) if isinstance(part, Sym) and part.time is not None else part
    return transform(node, move)
