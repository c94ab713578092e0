r"""Which of the claims that are right are proved, and what exactly was shown.

A claim that the numbers call right is looked at once more under the same reading, over a polynomial ring: every quantity
is made of symbols, every derivative is one of dual numbers, and what lies outside of the steps that the claim mentions is a
symbol as well (`symlstm.claims.stretches`). A sum over all steps is proved term by term. Statements about functions of one
variable and about numbers are decided by `symlstm.evidence.scalars` and in rational numbers. What is not decided stays
numeric, and no verdict is changed.

>>> from symlstm.claims.checking import check
>>> cell, claim = r"$$ h_t = \tanh(W x_t + U h_{t-1}) $$", r"$$ \frac{\partial L}{\partial x_t} = W^\top (\delta h_t \odot (1 - h_t^2)) $$"
>>> check(cell + claim)[0].method
'exact'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from symlstm.activations import ACTIVATIONS, X
from symlstm.algebra import (
    Add,
    Apply,
    Neg,
    Num,
    Prime,
    Relation,
    Sum,
    Sym,
    SymlstmError,
    Term,
    Time,
    Transpose,
    children,
    map_relation,
    rebuild,
    substitute,
    walk,
)  # fmt: skip
from symlstm.claims.arithmetic import Array, Misfit, Outside, Unknown, Unreadable, shape, when
from symlstm.claims.cases import Case
from symlstm.claims.elements import Exactly, Undecided
from symlstm.claims.points import free_indices, free_letters, variables_of
from symlstm.claims.shares import as_derivative
from symlstm.claims.stretches import AT, Extents, Short, Stretches, block_of, jacobian
from symlstm.claims.theories import Theory
from symlstm.claims.values import Reading, Tensor, Valuer
from symlstm.evidence.duals import Dual
from symlstm.evidence.scalars import decide, is_scalar

TRIES = 8  # times that the stretches are made longer
ENDS = (Time("", 1), Time("T"), Time("tau"))
PROBLEMS = (Undecided, Misfit, Outside, Unknown, Unreadable, SymlstmError, ArithmeticError, TypeError, ValueError, KeyError)


class Contradiction(Exception):
    """The ring refutes what the numbers call right: one of the two is wrong."""


class Symbolic(Exactly, Valuer):
    """A `Valuer` over a polynomial ring. A sum over all steps has no value here, but its derivatives do."""

    def __init__(self, run: Stretches, reading: Reading, times: Mapping[str, int]) -> None:
        super().__init__(run, reading, times)  # type: ignore[arg-type]  # stretches are what a run is
        self.ring = run.ring
        self.slot: tuple[str, str, int] | None = None

    @property
    def stretches(self) -> Stretches:
        return self.run  # type: ignore[return-value]

    def copy(self, **changes: Any) -> Valuer:
        other = super().copy()
        other.__class__ = Symbolic
        other.ring, other.slot = self.ring, self.slot  # type: ignore[attr-defined]
        for name, value in changes.items():
            setattr(other, name, value)
        return other

    def symbol(self, node: Sym) -> Array:
        if self.slot is not None and self.slot[0] == "p" and self.slot[1] == node.name:
            raise Undecided("a derivative by what the loss has in it outside of the steps")
        return super().symbol(node)

    # --- derivatives -------------------------------------------------------------------------------------------

    def total(self, of: Term, wrt: Sym, kind: str = "") -> Array:
        lazily = wrt.time is not None and self.run.theory.lazy(wrt) and wrt.name not in self.run.theory.steps
        if self.seen is not None or lazily:
            raise Undecided("a derivative of a derivative, or by a derivative")
        key = ("copy", self.stretches.copy_at)
        cache = self.run.__dict__["cache"]
        if cache.get("copy") != key:
            cache.clear()
            cache["copy"] = key
        return super().total(of, wrt, kind)

    def measured(self, of: Term, slot: tuple[str, str, int]) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
        seen, wrt_shape, slot = self.stretches.slot(*slot)
        value = self.copy(seen=seen, slot=slot, in_product=False)(of)
        of_shape = shape(value)
        change = jacobian(np.asarray(value, dtype=object).reshape(-1), wrt_shape[0] * wrt_shape[1], self.ring.element(0))
        return change.T, of_shape, wrt_shape

    def summed(self, node: Sum) -> Array:
        """A sum of a few steps; of the loss of all steps only what depends on the quantity it is derived by."""
        if abs(when(node.upper, self.times) - when(node.lower, self.times)) < len(AT):
            return super().summed(node)
        if self.slot is None or self.seen is None or node.lower != ENDS[0] or node.upper not in ENDS[1:]:
            raise Undecided("a sum over steps without number")
        run, t = self.stretches, self.slot[2]
        block = block_of(t)
        last = run.last[block] if t else 0
        if t > last and block != AT["T"]:
            raise Short(block, 1)
        total: Any = self.ring.element(0)
        for step in range(max(t, 1), min(last, run.steps) + 1):
            total = total + self.copy(times={**self.times, node.index: step})(node.body)
        if shape(total) not in ((), (1, 1)):
            raise Undecided("a sum of vectors under a derivative")
        for state in run.theory.states if run.theory.states and last and last < run.steps else ():
            ends = zip(run.arriving(state, block, node).flat, self.seen[state, last].flat, strict=True)
            for slope, entry in ends:
                total = total + (entry.scaled(0, slope) if isinstance(entry, Dual) else 0)
        return total

    def laid_jacobian(self, value: Array, of: tuple[int, ...], wrt: tuple[int, ...]) -> Array:
        if 1 in wrt and self.reading.layout == "elementwise" and value.shape != (1, 1):
            square = value.shape[0] == value.shape[1]
            if not square or any(self.ring.clear(entry) for (j, k), entry in np.ndenumerate(value) if j != k):
                raise Misfit(Sym("derivative"), value.shape, of, "this Jacobian is not diagonal")
            return np.diagonal(value).reshape(of)
        return super().laid_jacobian(value, of, wrt)

    def slope(self, node: Prime) -> Array:
        if self.reading.by_value:
            raise Undecided("a derivative in terms of the value")
        return self.slope_at(node.function, self(node.arg))


# --- proving ---------------------------------------------------------------------------------------------------


def shown(case: Case, relation: Relation, reading: Reading) -> str:
    """In words, what proves a relation under a reading; nothing where it is not proved.

    Raises `Contradiction` where the ring refutes it.
    """
    if set(relation.operators) <= {"=", "<", "<=", ">", ">=", "in"} and (found := _scalar(case, relation)):
        return found
    if set(relation.operators) != {"="}:
        return ""
    try:
        return _proved(case, relation, reading)
    except PROBLEMS:
        return ""


def _scalar(case: Case, relation: Relation) -> str:
    """A statement about functions of one variable, decided for every real number."""
    free = variables_of(case, relation)
    names = {part.function for part in walk(relation) if isinstance(part, (Apply, Prime))}
    if len(free) > 1 or not names <= {*ACTIVATIONS, "exp"} or (case.theory.functions.keys() & names):
        return ""
    try:
        line = map_relation(relation, lambda side: substitute(side, {Sym(name): X for name in free}))
        if not is_scalar(line) or (not free and any(isinstance(part, Num) and part.places for part in walk(line))):
            return ""
        decision = decide(line)
    except PROBLEMS:
        return ""
    if decision.decided and not decision.ok:
        return ""
    return f"Proved: {decision.note}." if decision.ok else ""


def _proved(case: Case, relation: Relation, reading: Reading) -> str:
    letters, _ = free_letters(case, relation)
    if len(letters) > 1 or relation.condition is not None or free_indices(relation) or variables_of(case, relation):
        raise Undecided("two letters, a condition, or components")
    sides = [_Side(term) for term in relation.terms]
    indices = {part.index for term in relation.terms for part in _sums(term)}
    if indices:
        sides = [_share(case, term) for term in relation.terms]
        if letters:
            raise Undecided("a sum of steps beside a step")
    else:
        indices = letters | {"t"}
    extents = _decided(case, sides, reading, dict.fromkeys(indices, AT["t"]))
    if any(more > 0 for _, more in extents) or any(lazy.condition for found in case.theory.lazies.values() for lazy in found):
        _decided(case, sides, reading, dict.fromkeys(indices, AT["T"]))
    if case.theory.values and not case.theory.steps:
        return "Recomputed in rational numbers."
    every = ", term by term of the sum" if sides[0].spread else " at every step" if letters else ""
    return f"Proved in a polynomial ring{every}."


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a comparison; of a sum over all steps its body, of a gradient by a parameter that of the step's `copy`."""

    term: Term
    spread: bool = False
    copy: bool = False


def _sums(term: Term) -> Iterator[Sum]:
    """The sums over all steps that a side consists of."""
    if isinstance(term, Sum) and term.lower == ENDS[0] and term.upper in ENDS[1:]:
        yield term
    elif isinstance(term, (Add, Neg, Transpose)):
        for part in children(term):
            yield from _sums(part)


def _share(case: Case, term: Term) -> _Side:
    """What one step adds to a side that is a sum over all steps, or the gradient of the loss by a parameter."""
    theory, pair = case.theory, as_derivative(term, case.theory)
    if pair is not None and pair[1].time is None and isinstance(pair[0], Sym) and pair[0].time is None:
        name = theory.same.get(pair[1].name, pair[1].name)
        if (name in theory.parameters or theory.parts_of(name) is not None) and _is_whole(theory, pair[0]):
            return _Side(term, True, True)
    return _Side(_body(term), True)


def _is_whole(theory: Theory, loss: Sym) -> bool:
    """Whether a loss is the sum of those of all steps."""
    return all(any(_sums(lazy.body)) for lazy in theory.lazy(loss)) and bool(theory.lazy(loss))


def _body(term: Term) -> Term:
    """A sum over all steps without its sign, and what is linear in such sums. Raises `Undecided` for anything else."""
    if isinstance(term, Sum) and any(_sums(term)):
        return term.body
    if isinstance(term, (Add, Neg, Transpose)):
        return rebuild(term, tuple(map(_body, children(term))))
    raise Undecided("a sum beside something else")


def _decided(case: Case, sides: Sequence[_Side], reading: Reading, times: Mapping[str, int]) -> Extents:
    """Compare the sides at one step, with stretches as long as it takes: how long that is."""
    extents: Extents = ()
    for _ in range(TRIES):
        run = _stretches(case, extents)
        run.work = 0
        try:
            values = [_value(run, side, reading, times) for side in sides]
        except Short as short:
            extents = tuple(sorted((*extents, short.more)))
            continue
        for k, (one, other) in enumerate(pairwise(values)):
            if not _equal(run, one, other, sides[k].term, sides[k + 1].term):
                raise Contradiction(f"{sides[k].term} = {sides[k + 1].term} at {dict(times)}")
        return extents
    raise Undecided("a formula over so many steps")


def _stretches(case: Case, extents: Extents) -> Stretches:
    """The stretches of a case, made once."""
    kept = case.runs[0].__dict__.setdefault("stretches", {})
    if extents not in kept:
        kept[extents] = Stretches(case.theory, case.sizes, case.runs[0].strict, extents)
    return kept[extents]


def _value(run: Stretches, side: _Side, reading: Reading, times: Mapping[str, int]) -> Array:
    """The value of a side, or of the share of one step in it."""
    run.copy_at = max(times.values()) if side.copy else None
    try:
        return Symbolic(run, reading, {"t": AT["t"], "T": AT["T"], "tau": AT["T"], **times})(side.term)
    finally:
        run.copy_at = None


def _equal(run: Stretches, one: Array, other: Array, left: Term, right: Term) -> bool:
    """Whether two values are the same elements; decimals to half a unit of the last digit that is printed."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        one, other = one.array, other.array
    if isinstance(one, Tensor) or isinstance(other, Tensor) or (shape(one) != shape(other) and shape(one) and shape(other)):
        raise Undecided("values of different kinds")
    if not shape(other) and len(set(shape(one))) == 1 and shape(one)[0] > 1:
        raise Undecided("a matrix and a number")
    places = [part.places for side in (left, right) for part in walk(side) if isinstance(part, Num) and part.places]
    difference = [run.ring.clear(run.ring.element(entry)) for entry in np.asarray(one - other, dtype=object).flat]
    if not places or not any(difference):
        return not any(difference)
    slack = Fraction(1, 2 * 10 ** max(places))
    if any(entry.constant is None or abs(entry.constant) > slack for entry in difference):
        raise Undecided("decimals")
    return True
