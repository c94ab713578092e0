r"""Which of the claims that are right are proved, and what exactly was shown.

A claim that the numbers call right is looked at once more under the same reading, over a polynomial ring: every quantity
is made of symbols, every derivative is one of dual numbers, and what lies outside of the steps that the claim mentions is a
symbol as well (`stretches`). A sum over all steps is proved term by term. Statements about functions of one variable and
about numbers are decided by `symlstm.evidence.scalars` and in rational numbers. What is not decided stays
numeric, and no verdict is changed.

>>> from symlstm.claims.checking import judged
>>> text = r"$$ h_t = \tanh(W x_t + U h_{t-1}) $$ $$ \frac{\partial h_t}{\partial x_t} = \mathrm{diag}(1 - h_t^2) W $$"
>>> judged(text)[0].method
'exact'
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from symlstm.activations import ACTIVATIONS, X
from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Div,
    Extreme,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Partial,
    Prime,
    Prod,
    Relation,
    Sum,
    Sym,
    SymlstmError,
    Term,
    Time,
    Transpose,
    children,
    map_relation,
    plain,
    rebuild,
    substitute,
    term,
    walk,
)  # fmt: skip
from symlstm.claims.exactness.elements import Exactly, Undecided
from symlstm.claims.exactness.stretches import AT, Extents, Short, Stretches, block_of, jacobian
from symlstm.claims.judging.cases import Case
from symlstm.claims.judging.judgement import Judged
from symlstm.claims.judging.points import free_indices, free_letters, variables_of
from symlstm.claims.judging.shares import as_derivative
from symlstm.claims.judging.values import Reading, Tensor, Valuer
from symlstm.claims.models.arithmetic import NO_VALUE, Array, Misfit, shape, when
from symlstm.definitions.forms import latest
from symlstm.definitions.meanings import Theory
from symlstm.definitions.sources import LOSSES
from symlstm.evidence.duals import Dual
from symlstm.evidence.polynomials import Polynomial
from symlstm.evidence.scalars import decide, is_scalar
from symlstm.prose import plain_prose

TRIES = 8  # times that the stretches are made longer
ENDS = (Time("", 1), Time("T"), Time("tau"))
MEANT = (Undecided, *NO_VALUE, SymlstmError)
PROBLEMS = (*MEANT, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class Contradiction(Exception):
    """The two sides are different polynomials in the symbols of the ring.

    If nothing but the cell is in them, the claim is wrong; a function of which the ring does not know all (exp, abs) may
    still make it right.
    """


class Symbolic(Exactly, Valuer):
    """A `Valuer` over a polynomial ring. A sum over all steps has no value here, but its derivatives do."""

    def __init__(self, run: Stretches, reading: Reading, times: Mapping[str, int]) -> None:
        super().__init__(run, reading, times)  # type: ignore[arg-type]  # stretches are what a run is
        self.ring = run.ring
        self.slot: tuple[str, str, int] | None = None
        self.loss = False  # whether a loss is derived: one that is a vector means the sum of its entries

    @property
    def stretches(self) -> Stretches:
        return self.run  # type: ignore[return-value]

    def copy(self, **changes: Any) -> Valuer:
        other = super().copy()
        other.__class__ = Symbolic
        other.ring, other.slot, other.loss = self.ring, self.slot, self.loss  # type: ignore[attr-defined]
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
        if isinstance(of, Sym) and of.time is not None and self.is_loss(of, slot[1]):
            later = self.stretches.later(seen, plain(self.fixed(of)), when(of.time, self.times))
            if later is not None:
                return jacobian(later.reshape(-1), wrt_shape[0] * wrt_shape[1], self.ring.element(0)).T, (1, 1), wrt_shape
        value = self.copy(seen=seen, slot=slot, loss=isinstance(of, Sym) and of.name in LOSSES, in_product=False)(of)
        of_shape = shape(value)
        change = jacobian(np.asarray(value, dtype=object).reshape(-1), wrt_shape[0] * wrt_shape[1], self.ring.element(0))
        return change.T, of_shape, wrt_shape

    def is_loss(self, of: Sym, name: str) -> bool:
        """Whether a quantity is the loss of one step: its derivatives by a `name` of a much earlier step may be symbols."""
        found = self.run.theory.lazy(of)
        parts = list(walk(found[0].body)) if len(found) == 1 and found[0].letter == "t" else []
        apart = not any(isinstance(part, (Sum, Adj, Partial)) or part == Sym(name) for part in parts)
        return bool(parts) and apart and latest(found[0].body) <= 0

    def summed(self, node: Sum) -> Array:
        """A sum of a few steps; of the loss of all steps only what depends on the quantity it is derived by."""
        if abs(when(node.upper, self.times) - when(node.lower, self.times)) < len(AT):
            return super().summed(node)
        if self.slot is None or self.seen is None or node.lower != ENDS[0] or node.upper not in ENDS[1:]:
            raise Undecided("a sum over steps without number")
        run, (kind, _, t) = self.stretches, self.slot
        block, shared = block_of(t), kind == "p" and not t
        last = 0 if shared else run.last[block]
        if t + (kind == "arriving") > last and block != AT["T"] and not shared:
            raise Short(block, 1)
        total: Any = self.ring.element(0)
        for step in range(max(t, 1), min(last, run.steps) + 1):
            total = total + self.copy(times={**self.times, node.index: step})(node.body)
        if shape(total) not in ((), (1, 1)) and not self.loss:
            raise Undecided("a sum of vectors under a derivative")
        total = sum(np.asarray(total, dtype=object).flat, Dual(self.ring.element(0)))
        for state in run.theory.states if not shared and last < run.steps else ():
            ends = zip(run.arriving(state, block, node).flat, self.seen[state, last].flat, strict=True)
            for slope, entry in ends:
                total = total + (entry.scaled(0, slope) if isinstance(entry, Dual) else 0)
        others = tuple(sorted((letter, k) for letter, k in self.times.items() if letter != node.index))
        return np.array([[Dual(self.ring.generator(("whole", node, others)), total.parts)]], dtype=object)

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
    Polynomial.spent = 0
    for prove in (_scalar, _proved):
        with suppress(*PROBLEMS):
            if found := prove(case, relation, reading):
                return found
    return ""


def proved(cases: Sequence[Case], judged: Judged) -> str:
    """In words, what proves a claim that was judged right in all readings of a document; nothing where it is not proved."""
    found = judged.outcome
    if judged.verdict != "right" or judged.method != "numeric" or judged.relation is None or found is None:
        return ""
    try:
        said = [shown(case, judged.relation, replace(found.reading, before=case.before)) for case in cases]
    except Contradiction:
        return ""
    return said[0] if all(said) else ""


def _scalar(case: Case, relation: Relation, reading: Reading) -> str:
    """A statement about functions of one variable, decided for every real number; there is one reading of it only."""
    del reading
    free = variables_of(case, relation)
    names = {part.function for part in walk(relation) if isinstance(part, (Apply, Prime))}
    if len(free) > 1 or not all(_is_usual(case.theory, name) for name in names):
        return ""
    line = map_relation(relation, lambda side: substitute(side, {Sym(name): X for name in free}))
    for each in _statements(line):
        decisions = [decide(part) for part in each] if all(map(is_scalar, each)) else []
        if decisions and all(decision.ok for decision in decisions):
            return "; ".join(dict.fromkeys(decision.note for decision in decisions)).capitalize() + "."
    return ""


def _statements(line: Relation) -> Iterator[list[Relation]]:
    """What a statement says without a largest value; and as it stands, exactly or to the precision that is printed."""
    left, right = line.lhs, line.rhs
    if isinstance(left, Extreme) and line.operators == ("=",):
        bound = Relation((left.body, right), ("<=" if left.sign > 0 else ">=",))
        yield [bound, Relation((substitute(left.body, {X: term(0)}), right), ("=",))]
    yield [line]
    if any(isinstance(part, Num) and part.places for part in walk(right)) and line.operators == ("=",):
        yield [Relation(line.terms, ("~",))]


def _is_usual(theory: Theory, name: str) -> bool:
    """Whether a function is what everybody means by its name, and if the document defines it, that this is what it says."""
    if name not in theory.functions:
        return name in ACTIVATIONS or name == "exp"
    letters, body = theory.functions[name]
    if name not in ACTIVATIONS or len(letters) != 1:
        return False
    return decide(Relation((ACTIVATIONS[name].formula, substitute(body, {Sym(letters[0]): X})), ("=",))).ok


def _proved(case: Case, relation: Relation, reading: Reading) -> str:
    """An equality of what the steps compute and of its derivatives, at a step that stands for all."""
    letters, lagged = free_letters(case, relation)
    if set(relation.operators) != {"="}:
        raise Undecided("what is no equality")
    if relation.condition is not None or free_indices(relation) or variables_of(case, relation):
        raise Undecided("a condition, or components")
    sides = tuple(_Side(side) for side in relation.terms)
    indices = {part.index for side in relation.terms for part in _sums(side)}
    if indices:
        sides = tuple(_share(case, side) for side in relation.terms)
        if letters:
            raise Undecided("a sum of steps beside a step")
    else:
        indices = letters | _hidden(case.theory, relation) or {"t"}
    claim = _Claim(case, sides, reading)
    try:
        claim.decide(indices, lagged)
    except Contradiction:
        if len(indices) == 1:
            raise
        claim = replace(claim, through=True)
        claim.decide(indices, lagged)
    if case.theory.values and not case.theory.steps:
        return "Recomputed in rational numbers."
    every = ", term by term of the sum" if sides[0].spread else " at every step" if letters else ""
    split = f", in every case of {' and '.join(sorted(claim.cases))}" if claim.cases else ""
    return f"Proved in a polynomial ring{every}{split}."


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a comparison; of a sum over all steps its body, of a gradient by a parameter that of the step's `copy`."""

    term: Term
    spread: bool = False
    copy: bool = False


@dataclass(frozen=True, slots=True)
class _Claim:
    """The sides of a claim in a case under a reading.

    With `through` a loss of a step much later is worked out through that step, instead of being a symbol for each derivative.
    `cases` are the maxima and kinks that were met, in words.
    """

    case: Case
    sides: tuple[_Side, ...]
    reading: Reading
    through: bool = False
    cases: set[str] = field(default_factory=set)

    def decide(self, letters: set[str], lagged: set[str]) -> None:
        """Look at the steps that stand for all: any one, and the last one where the claim looks further.

        Of two letters the second is a step before: any earlier one, with symbols for what lies between, and the nearest ones.
        """
        first = "t" if "t" in letters else min(letters)
        others = letters - {first}
        if len(others) > 1 or others & lagged or any(letter > "t" for letter in others):
            raise Undecided("several letters")
        extents = self.compare({first: AT["t"]} | dict.fromkeys(others, AT["k"]))
        lazies = (lazy for each in self.case.theory.lazies.values() for lazy in each)
        further = any(more > 0 for _, more in extents) or any(lazy.condition for lazy in lazies)
        if further:
            self.compare({first: AT["T"]} | dict.fromkeys(others, AT["k"]))
        near = 1 + sum((block, more) in ((AT["k"], 1), (AT["t"], -1)) for block, more in extents)
        for end in (AT["t"], AT["T"]) if further else (AT["t"],):
            for back in range(near if others else 0):
                self.compare({first: end} | dict.fromkeys(others, end - back))

    def compare(self, times: Mapping[str, int]) -> Extents:
        """Compare the sides at one step, with stretches as long as it takes: how long that is."""
        extents: Extents = ()
        for _ in range(TRIES):
            run = self.stretches(extents)
            try:
                values = [_value(run, side, self.reading, times) for side in self.sides]
            except Short as short:
                extents = tuple(sorted((*extents, short.more)))
                continue
            for (one, other), (left, right) in zip(pairwise(values), pairwise(self.sides), strict=True):
                if not _equal(run, one, other, left.term, right.term):
                    raise Contradiction(f"{left.term} = {right.term} at {dict(times)}")
            self.cases.update(_cases(run, values))
            return extents
        raise Undecided("a formula over so many steps")

    def stretches(self, extents: Extents) -> Stretches:
        """The stretches of a case, made once."""
        kept, run = self.case.runs[0].__dict__.setdefault("stretches", {}), self.case.runs[0]
        if (extents, self.through) not in kept:
            kept[extents, self.through] = Stretches(self.case.theory, self.case.sizes, run.strict, extents, self.through)
        kept[extents, self.through].work = 0
        return kept[extents, self.through]


def _cases(run: Stretches, values: Iterable[Array]) -> Iterator[str]:
    """The maxima and kinks that values depend on, in words."""
    arrays = (value.array if isinstance(value, Tensor) else value for value in values)
    run.ring.met.clear()
    run.ring.meet(*(entry for array in arrays for entry in np.asarray(array, dtype=object).flat))
    return (plain_prose(run.ring.cases[place]) for place in sorted(run.ring.met) if run.ring.cases[place])


def _value(run: Stretches, side: _Side, reading: Reading, times: Mapping[str, int]) -> Array:
    """The value of a side, or of the share of one step in it."""
    run.copy_at = max(times.values()) if side.copy else None
    try:
        return Symbolic(run, reading, {"t": AT["t"], "T": AT["T"], "tau": AT["T"], **times})(side.term)
    finally:
        run.copy_at = None


def _sums(term: Term) -> Iterator[Sum]:
    """The sums over all steps that a side consists of."""
    if isinstance(term, Sum) and term.lower == ENDS[0] and term.upper in ENDS[1:]:
        yield term
    elif _is_linear(term):
        for part in children(term):
            yield from _sums(part)


def _hidden(theory: Theory, relation: Relation) -> set[str]:
    """The letters in definitions that a relation uses, other than the one that these are made for: `\\delta_t^{(k)}`."""
    found = set[str]()
    for part in (part for side in relation.terms for part in walk(side)):
        lazies = theory.lazy(part) if isinstance(part, Sym) else []
        adjoint = theory.adjoints.get(theory.same.get(part.of.name, part.of.name)) if isinstance(part, Adj) else None
        for lazy in (*lazies, *([adjoint] if adjoint else ())):
            bound = {lazy.letter, "", "T", "tau", *(inner.index for inner in walk(lazy.body) if isinstance(inner, (Sum, Prod)))}
            inside = (inner.time.base for inner in walk(lazy.body) if isinstance(inner, Sym) and inner.time is not None)
            found |= {base for base in inside if base.isalpha()} - bound
    return found


def _share(case: Case, term: Term) -> _Side:
    """What one step adds to a side that is a sum over all steps, or the gradient of the loss by a parameter."""
    theory, pair = case.theory, as_derivative(term, case.theory)
    if pair is not None and pair[1].time is None and isinstance(pair[0], Sym) and pair[0].time is None:
        name = theory.same.get(pair[1].name, pair[1].name)
        if (name in theory.parameters or theory.parts_of(name) is not None) and _is_whole(theory, pair[0]):
            return _Side(term, True, True)
    return _Side(_body(term), True)


def _is_whole(theory: Theory, loss: Sym) -> bool:
    """Whether a loss is one of the whole sequence: made of a sum over all steps."""
    parts = (part for lazy in theory.lazy(loss) for part in walk(lazy.body))
    return any(isinstance(part, Sum) and any(_sums(part)) for part in parts)


def _is_linear(term: Term) -> bool:
    """Whether a term is linear in the sums over all steps in it: of a product, one factor, and the others have no time."""
    if isinstance(term, (MatMul, Hadamard)):
        others = [arg for arg in term.args if not any(_sums(arg))]
        return len(others) == len(term.args) - 1 and all(map(_is_timeless, others))
    return isinstance(term, (Add, Neg, Transpose)) or (isinstance(term, Div) and _is_timeless(term.below))


def _is_timeless(term: Term) -> bool:
    """Whether a term is made of numbers and parameters alone."""
    return not any(isinstance(part, (Adj, Partial, Prod, Sum)) or (isinstance(part, Sym) and part.time) for part in walk(term))


def _body(term: Term) -> Term:
    """A sum over all steps without its sign, and what is linear in such sums. Raises `Undecided` for anything else."""
    if isinstance(term, Sum) and any(_sums(term)):
        return term.body
    if isinstance(term, (Add, Neg, Transpose)):
        return rebuild(term, tuple(map(_body, children(term))))
    if _is_linear(term):
        return rebuild(term, tuple(_body(part) if any(_sums(part)) else part for part in children(term)))
    raise Undecided("a sum beside something else")


def _equal(run: Stretches, one: Array, other: Array, left: Term, right: Term) -> bool:
    """Whether two values are the same elements; decimals to half a unit of the last digit that is printed.

    Numbers alone may round what they are compared with, so what is not equal to them is not decided.
    """
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        one, other = one.array, other.array
    if isinstance(one, Tensor) or isinstance(other, Tensor) or (shape(one) != shape(other) and shape(one) and shape(other)):
        raise Undecided("values of different kinds")
    if not shape(other) and len(set(shape(one))) == 1 and shape(one)[0] > 1:
        raise Undecided("a matrix and a number")
    places = [part.places for side in (left, right) for part in walk(side) if isinstance(part, Num) and part.places]
    difference = [run.ring.clear(run.ring.element(entry)) for entry in np.asarray(one - other, dtype=object).flat]
    bare = any(not any(isinstance(part, (Sym, Adj)) for part in walk(side)) for side in (left, right))
    if not any(difference) or not (places or bare):
        return not any(difference)
    slack = Fraction(1, 2 * 10 ** max(places, default=0))
    if any(entry.constant is None or abs(entry.constant) > slack for entry in difference):
        raise Undecided("decimals")
    return True
