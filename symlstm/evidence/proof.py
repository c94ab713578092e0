"""Exact decisions about a cell: equalities of adjoints, gradients and Jacobians, in a field of rational functions over atoms.

The truth comes from the equations of one step, each run *forwards* on dual numbers, and from the chain rule
(`symlstm.evidence.truth`). No rule of the reverse sweep is used, and none of its code. What
reaches the step from outside, the derivatives of the loss by its states, are symbols; so a statement proved about step
t holds for any sequence, of any length, and for any loss that is a sum over the steps.

Over time the proof is by induction. A statement that mentions step t+1 is proved with step t+1 run as well, and what
reaches *it* from outside as symbols; step T+1 contributes nothing, which is where the induction starts. A sum over t is
proved term by term, with its limits 1 and T; a product from t down to k+1 by its first factor and by going from t-1 to t.

Every quantity and every adjoint is a name. Where a difference does not vanish, their definitions are put in, the latest
first, and it is looked at again. Where that does not soon succeed, points are tried at which the two sides may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from operator import itemgetter
from typing import Any

import numpy as np

from symlstm import reference
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
    map_relation,
    parts,
    plain,
    substitute,
    transform,
)
from symlstm.evaluate import Array, shape
from symlstm.evidence.components import SIZES
from symlstm.evidence.conditions import held
from symlstm.evidence.counterpoints import refuted
from symlstm.evidence.polynomials import Polynomial
from symlstm.evidence.scalars import Decision
from symlstm.evidence.sequence import Outside, free_letters, reference_of
from symlstm.evidence.truth import FIRST, INNER, LAST, Facts
from symlstm.prose import Prose, joined, prose


class Proof(Facts):
    """What is true of a cell at n = 2, m = 3, for symbolic parameters, inputs, states and incoming derivatives.

    >>> from symlstm import zoo
    >>> from symlstm.algebra import Adj, equation, quantity
    >>> z, h = quantity("z"), quantity("h")
    >>> proof = Proof(zoo.RNN)
    >>> proof.decide(equation(Adj(z), Adj(h) * (1 - h ** 2))).ok, proof.decide(equation(Adj(z), Adj(h) * (1 - h))).ok
    (True, False)
    """

    # --- deciding ---

    def decide(self, line: Relation) -> Decision:
        """Whether every equality of a relation holds, exactly. What cannot be decided is said to be so."""
        return self.deciding(lambda: self._decide(line))

    def deciding(self, decide: Callable[[], Decision]) -> Decision:
        """Decide; an error becomes the decision that it means."""
        if len(self.ring.keys) > FULL:
            self.reset()
        Polynomial.spent, self.looked, self.ring.met = 0, {}, set()
        try:
            return decide()
        except NotSupported as error:
            return Decision(False, f"not decided: {error.what}", decided=False)
        except SymlstmError as error:
            return Decision(False, error.what)

    def _decide(self, line: Relation) -> Decision:
        if set(line.operators) != {"="}:
            raise NotSupported("Only equalities are decided in the field.", plain(line))
        if line.condition is not None:
            return self._under(line.condition, Relation(line.terms, line.operators))
        notes = []
        for left, _, right in line.links():
            if not (self._products(left, right) if _over_time(left, right) else self._equal(left, right)):
                return Decision(False, f"{plain(left)} and {plain(right)} differ")
            notes.append(self._note(left, right))
        for first in self._firsts(line):
            try:
                if not self._decide(first).ok:
                    return Decision(False, f"{plain(first)} fails: at the first step a state does not come from a step before")
            except Outside:
                pass  # the relation begins with a later step
        return Decision(True, joined(*dict.fromkeys(notes), by="; "))

    def _firsts(self, line: Relation) -> Iterator[Relation]:
        """A relation about derivatives of the states of another step at the time when those are the initial ones."""
        if _over_time(*line.terms):
            return
        wholes = [part.of for part in parts(line) if isinstance(part, Adj) and not part.arriving]
        sides = (side for part in parts(line) if isinstance(part, Partial) for side in (part.of, part.wrt))
        wholes += [side for side in sides if isinstance(side, Sym)]
        marks = [(self.cell.direction(part), part.time, self.start(part)) for part in wholes
                 if part.time is not None and part.time.base == "t" and part.at(Time()) in self.cell.state_terms]
        for way in (1, -1):
            found = [(way * time.offset, start) for direction, time, start in marks if direction == way]
            early, start = min(found, default=(0, Time()), key=itemgetter(0))
            if early < 0:
                yield map_relation(line, lambda side, to=start + -way * early: transform(side, partial(_moved, to=to)))  # type: ignore[misc]

    def _under(self, condition: Relation, line: Relation) -> Decision:
        """Decide with a condition put in: what it binds has a definition for the time being."""
        symbol, change = held(condition)
        free = self.value(symbol)
        bound = [(min(self.ring.places(one)), self.ring.element(other))
                 for one, other in zip(free.flat, change(free).flat, strict=True) if one != other]
        with self.ring.fixed(bound):
            found = self._decide(line)
        return Decision(found.ok, joined(found.words, prose("; with {} put in", condition)), found.decided)

    def _equal(self, left: Term, right: Term) -> bool:
        one, other = self.summed(left), self.summed(right)
        if isinstance(one, Sum) and isinstance(other, Sum) and (one.lower, one.upper) == (other.lower, other.upper):
            letter = _letter(one, other)
            return self._equal(substitute_index(one, letter), substitute_index(other, letter))
        return self.equal_values(*self.values(one, other))

    def equal_values(self, one: Array, other: Array) -> bool:
        """Whether two arrays are equal. Raises `NotSupported` where neither a proof is found nor a point that refutes it."""
        if shape(one) and shape(other) and shape(one) != shape(other):
            raise NotValid(f"The shapes do not fit: {shape(one)} and {shape(other)}.")
        entries = np.asarray(one - other, dtype=object).flat
        self.ring.meet(*np.asarray(one, dtype=object).flat, *np.asarray(other, dtype=object).flat)
        open_entries = [entry for entry in entries if not self.ring.vanishes(entry, steps=SOON)]
        if any(refuted(self.ring, entry) for entry in open_entries):
            return False
        # values first: the adjoints of one layer are made of those of all layers above
        if not all(self.ring.vanishes_in_values(entry, SOON) or self.ring.vanishes(entry) for entry in open_entries):
            raise NotSupported("There is no proof here, and no point at which the two sides differ.")
        return True

    def _note(self, *nodes: Term) -> Prose:
        cases = dict.fromkeys(self.ring.cases[place] for place in sorted(self.ring.met) if self.ring.cases[place])
        split = ("; case by case: ", joined(*cases, by=", "), "; at equality nothing is claimed") if cases else ()
        return joined(self._shown(*nodes), *split)

    def _shown(self, *nodes: Term) -> str:
        """In words, what an equality that is proved shows."""
        found = [part for node in nodes for part in parts(node)]
        derivative = any(isinstance(part, (Adj, Partial)) for part in found)
        timed = [(part.time.offset, self.cell.direction(part)) for part in found
                 if isinstance(part, Sym) and part.time and part.time.base == "t"]
        forward = "the components are those of forward-mode derivatives and the chain rule"
        sides = forward if derivative else "both sides are the same components"
        told = [f"{sides}, as rational functions at {_SIZES}"]
        if any(isinstance(part, Prod) for part in found):
            told.append(", from k+1 up to t by induction")
        if any(isinstance(part, Sum) for part in found):
            told.append(", term by term of the sum from 1 to T")
        for step, end, way in (("t+1", "T", 1), ("t-1", "1", -1)):
            if derivative and any(way * offset > 0 and direction == way for offset, direction in timed):
                told.append(f"; for every t by induction: symbols reach step {step} from outside, and nothing reaches step {end}")
        return "".join(told)

    # --- products over time ---

    def _products(self, left: Term, right: Term) -> bool:
        """d q_t / d q_k = ... product from t to k+1 ..., by induction from k+1 to t; of what runs backward, from k-1."""
        if not (isinstance(left, Partial) and isinstance(left.of, Sym) and isinstance(left.wrt, Sym)):
            raise NotSupported("A product over time is compared with a derivative.", plain(left))
        products = [part for part in parts(right) if isinstance(part, Prod)]
        state = left.of
        if len(products) != 1 or (state.name, left.wrt) != (left.wrt.name, state.at(Time("k"))) or state.time != Time():
            raise NotSupported("Proved are products of one factor a step, from k to t.", plain(right))
        if not left.direct and self.cell.parts[self.cell.place(state)].states != (state,):
            raise NotSupported("With several states the total Jacobian is not a product of one factor a step.", plain(left))
        return self._induction(state, left.direct, products[0], right)

    def _induction(self, state: Sym, direct: bool, product: Prod, right: Term) -> bool:
        way = self.cell.direction(state)
        limits = {(Time(), Time("k", way)): True, (Time("k", way), Time()): False}
        if (product.lower, product.upper) not in limits:
            return False
        latest_first = limits[product.lower, product.upper]
        body, rest = substitute_index(Sum(product.index, FIRST, LAST, product.body), "t"), substitute(right, {product: INNER})
        one_step, factor = self.values(Partial(state, self.cell.carried[state], direct), body)
        factor = np.reshape(factor, shape(one_step)) if shape(one_step) == (1, 1) else factor  # a bare number is one too
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
        self.step(Time())  # so that a quantity written out is recognised inside an activation
        rank = {name: len(self.cell.array_shape(name, SIZES["n"], SIZES["m"])) for name in self.cell.shapes}

        def listed(symbol: Sym) -> Any:
            array = self.leaf_generators(symbol)
            return array.tolist() if rank[symbol.name] == 2 else array[:, 0].tolist()
        squash = {"tanh": lambda x: self.ring.function("tanh", x)}
        if loop is reference.lstm:
            squash["sigmoid"] = lambda x: self.ring.function("sigma", x)
        step = loop({symbol.name: listed(symbol) for symbol in self.cell.parameter_terms}, [listed(self.cell.input_terms[0])],
                    *map(listed, self.cell.carried.values()), **squash)[1]
        return {name: np.array(value, dtype=object).reshape(len(value), -1) for name, value in step.items()}

    def define(self, line: Relation) -> Decision:
        """Whether a definition is the reference's: both sides of the equation, component by component."""
        return self.deciding(lambda: self._define(line))

    def _define(self, line: Relation) -> Decision:
        if not isinstance(line.lhs, Sym) or self._by_reference is None or line.lhs.name not in self._by_reference:
            return self._decide(line)
        theirs = self._by_reference[line.lhs.name]
        ours = self.values(line.rhs)[0]
        if not self.equal_values(theirs, ours):
            return Decision(False, f"{plain(line.rhs)} is not what the reference computes")
        return Decision(True, f"the components are those of the hand-written reference, as rational functions at {_SIZES}")


def _moved(part: Term, to: Time) -> Term:
    """A quantity of a time counted from t, for t at another time."""
    now = isinstance(part, Sym) and part.time is not None and part.time.base == "t"
    return part.at(to + part.time.offset) if now else part  # type: ignore[union-attr]


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
    return any(isinstance(part, Prod) for node in nodes for part in parts(node))


FULL = 2000  # generators, from which on it is better to start again
SOON = 6  # definitions put in before points are tried
_SIZES = "n = {n}, m = {m}".format(**SIZES)
