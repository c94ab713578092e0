"""Exact decisions about a cell: equalities of adjoints, gradients and Jacobians, in a polynomial ring.

The truth comes from one step of the cell run *forwards* on dual numbers: every quantity of the step carries its
derivatives by every component of every other one. No rule of the reverse sweep is used, and none of its code. What
reaches the step from outside, the derivatives of the loss by its states, are symbols; so a statement proved about step
t holds for any sequence, of any length, and for any loss that is a sum over the steps.

Over time the proof is by induction. A statement that mentions step t+1 is proved with step t+1 run as well, and what
reaches *it* from outside as symbols; step T+1 contributes nothing, which is where the induction starts. A sum over t is
proved term by term, with its limits 1 and T; a product from t down to k+1 by its first factor and by going from t-1 to t.

Of each state the value is a symbol once it is computed. Where a difference does not vanish, the definitions of the
states are put in and it is looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from sympy.polys.rings import PolyElement

from symlstm import reference
from symlstm.activations import ACTIVATIONS, Y
from symlstm.algebra import (
    Adj,
    NotSupported,
    NotValid,
    Partial,
    Prod,
    Relation,
    Sum,
    Sym,
    SymlstmError,
    Term,
    Time,
    children,
    plain,
    rebuild,
    substitute,
    transform,
    walk,
)
from symlstm.components import SIZES, Components, Full, Numbers, Point, Ring
from symlstm.evaluate import Array, shape
from symlstm.model import Cell
from symlstm.scalars import Decision, slope_is_proved
from symlstm.sequence import LOSS, LOSS_TERM, free_letters, reference_of

FIRST, LAST = Time("", 1), Time("T", 0)
EARLIEST = -5  # how many steps before and after t are looked at
INNER = Sym("#P")  # stands for the rest of a product over time in an induction step


class Dual:
    """A value with its derivatives by numbered seeds; both are elements of one ring."""

    __slots__ = ("parts", "value")

    def __init__(self, value: Any, parts: Mapping[int, Any] | None = None) -> None:
        self.value, self.parts = value, dict(parts or {})

    def __add__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value + other, self.parts)
        parts = dict(self.parts)
        for seed, part in other.parts.items():
            parts[seed] = parts[seed] + part if seed in parts else part
        return Dual(self.value + other.value, parts)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return self.scaled(-self.value, -1)

    def __sub__(self, other: Any) -> Dual:
        return self + -other

    def __rsub__(self, other: Any) -> Dual:
        return -self + other

    def __mul__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return self.scaled(self.value * other, other)
        return self.scaled(self.value * other.value, other.value) + other.scaled(0, self.value)

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Dual:
        return self.scaled(self.value**exponent, exponent * self.value ** (exponent - 1))

    def scaled(self, value: Any, slope: Any) -> Dual:
        """A new value whose derivatives are these times `slope`: the chain rule."""
        return Dual(value, {seed: part * slope for seed, part in self.parts.items()})


class _Forward(Components):
    """The values of a step on dual numbers."""

    def __init__(self, proof: Proof, leaves: Mapping[Term, Array]) -> None:
        super().__init__(proof.ring, proof.cell.shapes)
        self.proof, self.leaf = proof, leaves.__getitem__

    def apply(self, name: str, x: Array) -> Array:
        def chain(entry: Any) -> Any:
            if not isinstance(entry, Dual):
                return self.proof.atom(name, entry)
            return entry.scaled(self.proof.atom(name, entry.value), self.proof.atom_slope(name, entry.value))
        return np.frompyfunc(chain, 1, 1)(x)

    def divide(self, above: Array, below: Array) -> Array:
        def inverse(entry: Any) -> Any:
            if not isinstance(entry, Dual):
                return self.ring.inverse(entry)
            value = self.ring.inverse(entry.value)
            return entry.scaled(value, -value * value)
        return above * np.frompyfunc(inverse, 1, 1)(below)


class _Step:
    """One step run forwards: the value of every quantity, and `by[name]`, its derivatives by every other component."""

    def __init__(self, proof: Proof, at: Time) -> None:
        self.proof, self.cell, self.at = proof, proof.cell, at
        self.seeds: dict[Sym, Array] = {}
        self.values: dict[Sym, Array] = {}
        self.duals: dict[Sym, Array] = {}
        self._count = 0
        leaves: dict[Term, Array] = {}
        for symbol in (*self.cell.parameter_terms, *self.cell.input_terms, *(state.prev for state in self.cell.state_terms)):
            value = proof.value(symbol if symbol.time is None else symbol.at(at + symbol.time.offset))
            leaves[symbol] = self._define(symbol, value)
        evaluate = _Forward(proof, leaves)
        for line in self.cell.named:
            assert isinstance(line.lhs, Sym)
            leaves[line.lhs] = self._define(line.lhs, evaluate(line.rhs))

    def _define(self, symbol: Sym, value: Array) -> Array:
        """Give every component of a quantity a seed of its own; of a state, keep the definition and go on with symbols."""
        self.seeds[symbol] = np.arange(self._count, self._count + value.size).reshape(value.shape)
        self._count += value.size
        duals = np.empty(value.shape, dtype=object)
        values = np.empty(value.shape, dtype=object)
        named = symbol in self.cell.state_terms and self.proof.ring.symbolic
        symbols = self.proof.leaf_generators(symbol.at(self.at)) if named else None
        for place in np.ndindex(*value.shape):
            entry = value[place] if isinstance(value[place], Dual) else Dual(value[place])
            element = self.proof.ring.element(entry.value)
            if symbols is not None:
                self.proof.definitions[symbols[place]] = element
                self.proof.defined[element] = symbols[place]
                element = symbols[place]
            values[place] = element
            duals[place] = Dual(element, {**entry.parts, int(self.seeds[symbol][place]): self.proof.ring.element(1)})
        self.values[symbol], self.duals[symbol] = values, duals
        return duals

    def jacobian(self, of: Sym, wrt: Sym) -> Array:
        """d of / d wrt within this step, entries in a row-by-row order: a row for each entry of `of`."""
        zero = self.proof.ring.element(0)
        rows = [[dual.parts.get(int(seed), zero) for seed in self.seeds[wrt].flat] for dual in self.duals[of].flat]
        return np.array(rows, dtype=object).reshape(len(rows), -1)


class Proof:
    """What is true of a cell at n = 2, m = 3, for symbolic parameters, inputs, states and incoming derivatives.

    >>> from symlstm import zoo
    >>> from symlstm.algebra import Adj, equation, quantity
    >>> z, h = quantity("z"), quantity("h")
    >>> proof = Proof(zoo.RNN)
    >>> proof.decide(equation(Adj(z), Adj(h) * (1 - h ** 2))).ok, proof.decide(equation(Adj(z), Adj(h) * (1 - h))).ok
    (True, False)
    """

    def __init__(self, cell: Cell, numbers: Point | None = None) -> None:
        self.cell, self._capacity = cell, 192
        self._reset(numbers or Ring(self._capacity))
        self._point = None if numbers else Proof(cell, Point())

    def _reset(self, ring: Numbers) -> None:
        self.ring = ring
        self.definitions: dict[PolyElement, PolyElement] = {}
        self.defined: dict[PolyElement, PolyElement] = {}
        self._steps: dict[Time, _Step] = {}
        self._arrivals: dict[tuple[Sym, int], Array] = {}
        self._adjoints: dict[tuple[Sym, Time, int], Array] = {}
        self._opaque = Components(self.ring, self.cell.shapes)
        self.__dict__.pop("_by_reference", None)

    # --- generators ---

    def leaf_generators(self, leaf: Term) -> Array:
        """The symbols that stand for the components of a leaf."""
        return self._opaque.opaque(leaf)

    def atom(self, name: str, argument: Any) -> PolyElement:
        """An activation's value as a symbol; an argument that is a state written out is that state."""
        argument = self.ring.element(argument)
        return self.ring.generator(("apply", name, self.defined.get(argument, argument)))

    def atom_slope(self, name: str, argument: Any) -> PolyElement:
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

    def step(self, at: Time) -> _Step:
        """The step at a time, run once. Raises `NotValid` for one that no sequence has."""
        if not at.base and at.offset < 1:
            raise NotValid(f"There is no step {at}.", str(at), "a step from 1 to T")
        if not EARLIEST <= at.offset <= -EARLIEST:
            raise NotSupported(f"A step as far off as {at} is not looked at.", str(at))
        if at not in self._steps:
            self._steps[at] = _Step(self, at)
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

    # --- deciding ---

    def decide(self, line: Relation) -> Decision:
        """Whether every equality of a relation holds, exactly. What cannot be decided is said to be so."""
        if self._point is not None and (refuted := self._point.decide(line)).decided and not refuted.ok:
            return refuted
        return self.with_room(lambda: self._decide(line))

    def with_room(self, decide: Callable[[], Decision]) -> Decision:
        """Decide, with a larger ring if this one is full; an error becomes the decision that it means."""
        while True:
            try:
                return decide()
            except Full:
                self._capacity *= 2
                self._reset(Ring(self._capacity))
            except NotSupported as error:
                return Decision(False, f"not decided: {error.what}", decided=False)
            except SymlstmError as error:
                return Decision(False, error.what)

    def _decide(self, line: Relation) -> Decision:
        if line.condition is not None or set(line.operators) != {"="}:
            raise NotSupported("Only equalities without a condition are decided in the ring.", plain(line))
        notes = []
        for left, _, right in line.links():
            if not (self._products(left, right) if _over_time(left, right) else self._equal(left, right)):
                return Decision(False, f"{plain(left)} and {plain(right)} differ{'' if self.ring.symbolic else _AT_A_POINT}")
            notes.append(_note(left, right))
        return Decision(True, "; ".join(dict.fromkeys(notes)))

    def _equal(self, left: Term, right: Term) -> bool:
        one, other = self._summed(left), self._summed(right)
        if isinstance(one, Sum) and isinstance(other, Sum) and (one.lower, one.upper) == (other.lower, other.upper):
            letter = _letter(one, other)
            return self._equal(substitute_index(one, letter), substitute_index(other, letter))
        return self.equal_values(*self.values(one, other))

    def _summed(self, node: Term) -> Term:
        """A term with the loss, and its derivative by a shared parameter, as sums over time of what each step contributes."""
        if node == Sym(LOSS):
            return Sum("t", FIRST, LAST, Sym(LOSS_TERM, Time()))
        if isinstance(node, Partial) and node.of == Sym(LOSS) and node.wrt in self.cell.parameter_terms:
            assert isinstance(node.wrt, Sym)
            return Sum("t", FIRST, LAST, Adj(node.wrt.at(Time())))
        return node if isinstance(node, (Partial, Adj)) else rebuild(node, tuple(map(self._summed, children(node))))

    def values(self, *nodes: Term, inner: Array | None = None) -> tuple[Array, ...]:
        """The components of terms, with every adjoint and derivative in them replaced by the truth about it."""
        truth = Truth(self, nodes, inner)
        return tuple(truth(self._summed(node)) for node in nodes)

    def equal_values(self, one: Array, other: Array) -> bool:
        """Whether two arrays are equal, states written out if need be."""
        if shape(one) and shape(other) and shape(one) != shape(other):
            raise NotValid(f"The shapes do not fit: {shape(one)} and {shape(other)}.")
        return all(self.vanishes(entry) for entry in np.asarray(one - other, dtype=object).flat)

    def vanishes(self, element: Any) -> bool:
        """Whether an element is zero, as it stands or with the definitions of the states put in."""
        element = self.ring.clear(self.ring.element(element))
        return not element or not self.ring.clear(self.written_out(element))

    def written_out(self, element: PolyElement) -> PolyElement:
        """An element with every state that was computed replaced by its definition, the latest first."""
        for symbol in reversed(self.definitions):
            if element and element.degree(symbol) > 0:
                element = element.compose(symbol, self.definitions[symbol])
        return element

    # --- products over time ---

    def _products(self, left: Term, right: Term) -> bool:
        """d q_t / d q_k = ... product from t to k+1 ..., by induction from k+1 to t."""
        if not (isinstance(left, Partial) and isinstance(left.of, Sym) and isinstance(left.wrt, Sym)):
            raise NotSupported("A product over time is compared with a derivative.", plain(left))
        products = [part for part in walk(right) if isinstance(part, Prod)]
        state = left.of
        if len(products) != 1 or (state.name, left.wrt) != (left.wrt.name, state.at(Time("k"))) or state.time != Time():
            raise NotSupported("Proved are products of one factor a step, from k to t.", plain(right))
        if not left.direct and self.cell.state_terms != (state,):
            raise NotSupported("With several states the total Jacobian is not a product of one factor a step.", plain(left))
        return self._induction(state, left.direct, products[0], right)

    def _induction(self, state: Sym, direct: bool, product: Prod, right: Term) -> bool:
        limits = {(Time(), Time("k", 1)): True, (Time("k", 1), Time()): False}
        if (product.lower, product.upper) not in limits:
            return False
        latest_first = limits[product.lower, product.upper]
        body, rest = substitute_index(Sum(product.index, FIRST, LAST, product.body), "t"), substitute(right, {product: INNER})
        one_step, factor = self.values(Partial(state, state.prev, direct), body)
        if len(shape(factor)) != 2 or shape(factor)[1] not in (1, shape(factor)[0]):
            raise NotValid("A product over time has square factors, or columns for an elementwise one.", plain(product))
        remainder = self._opaque.generators(("rest",), *shape(factor))
        if shape(factor)[1] > 1 and not any(entry for (j, k), entry in np.ndenumerate(factor) if j != k):
            remainder = remainder * np.eye(shape(factor)[0], dtype=int)  # a product of diagonal matrices is diagonal
        join = np.multiply if shape(factor)[1] == 1 else np.matmul
        longer = join(factor, remainder) if latest_first else join(remainder, factor)
        (first,), (before,), (after,) = (self.values(rest, inner=inner) for inner in (factor, remainder, longer))
        return self.equal_values(one_step, first) and self.equal_values(one_step @ before, after)

    # --- definitions ---

    @cached_property
    def _by_reference(self) -> Mapping[str, Array] | None:
        """One step of the hand-written loop on ring elements."""
        loop = reference_of(self.cell)
        if loop is None:
            return None
        self.step(Time())  # so that a state written out is recognised inside an activation
        rank = {name: len(self.cell.array_shape(name, SIZES["n"], SIZES["m"])) for name in self.cell.shapes}

        def listed(symbol: Sym) -> Any:
            array = self.leaf_generators(symbol)
            return array.tolist() if rank[symbol.name] == 2 else array[:, 0].tolist()
        squash = {"tanh": lambda x: self.atom("tanh", x)}
        if loop is reference.lstm:
            squash["sigmoid"] = lambda x: self.atom("sigma", x)
        step = loop({symbol.name: listed(symbol) for symbol in self.cell.parameter_terms}, [listed(self.cell.input_terms[0])],
                    *(listed(state.prev) for state in self.cell.state_terms), **squash)[1]
        return {name: np.array(value, dtype=object).reshape(len(value), -1) for name, value in step.items()}

    def define(self, line: Relation) -> Decision:
        """Whether a definition is the reference's: both sides of the equation, component by component."""
        return self.with_room(lambda: self._define(line))

    def _define(self, line: Relation) -> Decision:
        if not isinstance(line.lhs, Sym) or self._by_reference is None or line.lhs.name not in self._by_reference:
            return self._decide(line)
        theirs = self._by_reference[line.lhs.name]
        ours = self.values(line.rhs)[0]
        if not self.equal_values(theirs, ours):
            return Decision(False, f"{plain(line.rhs)} is not what the reference computes")
        return Decision(True, f"the components are those of the hand-written reference, in the polynomial ring at {_SIZES}")


class Truth(Components):
    """Terms to ring elements, with what is true put for every adjoint and derivative."""

    def __init__(self, proof: Proof, nodes: tuple[Term, ...], inner: Array | None = None) -> None:
        super().__init__(proof.ring, proof.cell.shapes)
        self.proof, self.inner = proof, inner
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
            return self.proof.value(leaf)
        if isinstance(leaf, Adj):
            return self._adjoint(leaf.of, arriving=leaf.arriving)
        if isinstance(leaf, Partial) and isinstance(leaf.of, Sym) and isinstance(leaf.wrt, Sym):
            return self._partial(leaf.of, leaf.wrt, direct=leaf.direct)
        raise NotSupported(f"{type(leaf).__name__} is not decided in the ring.", plain(leaf))

    def _adjoint(self, of: Sym, *, arriving: bool = False) -> Array:
        if of.time is None:
            raise NotSupported("The gradient of a shared parameter is a sum over time.", plain(of))
        return self.proof.adjoint(of, self.last.get(of.time.base, of.time.offset), arriving=arriving)

    def _partial(self, of: Sym, wrt: Sym, *, direct: bool) -> Array:
        if of == Sym(LOSS):
            return self._adjoint(wrt)
        if of.name == LOSS_TERM and of.time is not None:
            output = self.proof.cell.state_terms[0].at(of.time)
            slope = self.proof.loss_slope(of.time)
            if wrt == output:
                return slope
            reach = self.proof.jacobian(output, wrt).T @ slope
            return (reach * self.ring.element(0) if direct else reach).reshape(self.extent(wrt))
        if direct:
            return self.proof.direct(of, wrt)
        return self.proof.jacobian(of, wrt)

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
        return Truth(self.proof, (term,))(term)

    def apply(self, name: str, x: Array) -> Array:
        return np.frompyfunc(lambda entry: self.proof.atom(name, entry), 1, 1)(x)

    def slope(self, name: str, x: Array) -> Array:
        return np.frompyfunc(lambda entry: self.proof.atom_slope(name, entry), 1, 1)(x)


def shifted(node: Term, to: Time) -> Term:
    """An equation of step t as one of another step."""
    def move(part: Term) -> Term:
        return part.at(to + part.time.offset) if isinstance(part, Sym) and part.time is not None else part
    return transform(node, move)


def substitute_index(node: Sum, letter: str) -> Term:
    """The body of a sum, with its letter replaced."""
    def move(part: Term) -> Term:
        if isinstance(part, Sym) and part.time is not None and part.time.base == node.index:
            return part.at(Time(letter, part.time.offset))
        return part
    return transform(node.body, move)


def _letter(*sums: Sum) -> str:
    """A letter for the terms of sums: t, unless one of them has a t of its own outside."""
    return "#1" if any("t" in free_letters(each) for each in sums) else "t"


def _over_time(*nodes: Term) -> bool:
    return any(isinstance(part, Prod) for node in nodes for part in walk(node))


_AT_A_POINT = " at a point modulo 2^61 - 1, so they are different polynomials"
_SIZES = "n = {n}, m = {m}".format(**SIZES)


def _note(*nodes: Term) -> str:
    """In words, what an equality proved in the ring shows."""
    parts = [part for node in nodes for part in walk(node)]
    derivative = any(isinstance(part, (Adj, Partial)) for part in parts)
    later = any(isinstance(part, Sym) and part.time and part.time.base == "t" and part.time.offset > 0 for part in parts)
    forward = "the components are those of forward-mode derivatives of one step"
    sides = forward if derivative else "both sides are the same components"
    told = [f"{sides}, in the polynomial ring at {_SIZES}"]
    if any(isinstance(part, Prod) for part in parts):
        told.append(", from k+1 up to t by induction")
    if any(isinstance(part, Sum) for part in parts):
        told.append(", term by term of the sum from 1 to T")
    if derivative and later:
        told.append("; for every t by induction: symbols reach step t+1 from outside, and nothing reaches step T")
    return "".join(told)
