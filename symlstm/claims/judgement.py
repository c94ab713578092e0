r"""Whether a claim is true: of one relation under one reading, and of all readings together.

A relation is compared at every step of a generic sequence, the first and the last included, and on a second sequence.
Readings of the first rank are layouts of derivatives and the two meanings of a factor in a product; if one of them makes
the claim right and none makes it wrong, it is right. What is right only under another reading (the direct path, a
transposed Jacobian, the share of one step, the part handed on, a prime in terms of the value) is ambiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from symlstm.algebra import (
    NOW,
    Add,
    Adj,
    Apply,
    Blocks,
    Component,
    Extreme,
    Interval,
    Limit,
    Listed,
    Neg,
    Num,
    Partial,
    Prime,
    Prod,
    Relation,
    Space,
    Sum,
    Sym,
    Term,
    Time,
    Total,
    Transpose,
    children,
    plain,
    transform,
    walk,
)  # fmt: skip
from symlstm.claims.arithmetic import Array, Misfit, Outside, Unknown, Unreadable, shape, size_words
from symlstm.claims.runs import Run
from symlstm.claims.sizes import Clash, Sizes, length_form
from symlstm.claims.theories import LAST, LOSSES, Lazy, Theory, loss_of
from symlstm.claims.values import Reading, Tensor, Valuer, is_list
from symlstm.claims.verdicts import Word

TOLERANCE = 1e-8
GRID = np.concatenate([np.linspace(-12, 12, 241), [0.0, 0.5, -0.7, 1.3]])[:, None, None]


@dataclass(frozen=True, slots=True)
class Case:
    """A document under one of its readings: the theory, its sizes, two runs, and how deltas are taken."""

    theory: Theory
    sizes: Sizes
    runs: tuple[Run, ...]
    before: bool = False
    declared: bool = False
    words: str = ""
    direct: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of one relation under one reading: for each link whether it held, and where it did not."""

    reading: Reading
    good: list[list[int]]
    bad: list[list[int]]
    misfits: list[str]
    words: str = ""

    @property
    def fits(self) -> bool:
        """Whether all shapes agree."""
        return not any(self.misfits)

    @property
    def true(self) -> bool:
        """Whether every link holds wherever it exists."""
        return self.fits and not any(self.bad) and all(self.good)

    def link(self, k: int) -> Word:
        """What to say of one link."""
        return "wrong" if self.misfits[k] or self.bad[k] else "right"

    @property
    def score(self) -> tuple[int, int]:
        """How far one gets along the chain."""
        first = next((k for k in range(len(self.good)) if self.link(k) == "wrong"), len(self.good))
        return int(self.fits), first


@dataclass(slots=True)
class Judged:
    """The judgement of one relation in one case: `line` as it was read, `relation` as it was compared."""

    verdict: Word
    reason: str
    method: str
    outcome: Outcome | None = None
    readings: list[tuple[str, Word]] = field(default_factory=list)
    relation: Relation | None = None
    line: Relation | None = None


LAYOUT_WORDS = {
    "column": "gradients as columns", "row": "gradients as rows", "elementwise": "diagonal Jacobians as vectors",
    "transposed": "Jacobians transposed", "numerator": "gradients of matrices transposed",
}
MODE_WORDS = {
    "whole": "each factor the whole Jacobian of one step", "held": "each factor with the other states of its step held",
    "total": "each factor a total derivative", "alone": "each factor the derivative of one equation",
}


def judge(case: Case, line: Relation, others: Iterable[tuple[Relation, bool]] = ()) -> Judged:
    """The judgement of one relation in a case. Never raises.

    `others` are the relation with its products read in another order; with a true mark two columns make an outer product.
    They count where the shapes do not fit without them.
    """
    for run in case.runs:
        run.work = 0
    with np.errstate(all="ignore"):
        return _judge(case, line, others)


def _judge(case: Case, line: Relation, others: Iterable[tuple[Relation, bool]]) -> Judged:
    try:
        judged = _Judge(case, line).judged()
        for other, outer in others:
            if judged.outcome is None or judged.outcome.fits or judged.verdict in ("right", "ambiguous"):
                break
            second = _Judge(case, other, outer).judged()
            if second.verdict in ("right", "ambiguous"):
                return second
        return judged
    except Unknown as unknown:
        return _unknown(case, unknown)
    except Unreadable as problem:
        return Judged("unreadable", f"This is not understood: {problem}.", "")
    except (Outside, Misfit, Clash) as problem:
        return Judged("unreadable", f"This has no value: {problem}.", "")
    except (ArithmeticError, ValueError, TypeError, KeyError, RecursionError, np.linalg.LinAlgError) as problem:
        return Judged("unreadable", f"This could not be worked out ({type(problem).__name__}: {problem}).", "")


def _unknown(case: Case, unknown: Unknown) -> Judged:
    name = unknown.name.removeprefix("delta ")
    if unknown.name.startswith("delta ") and case.theory.steps and name[0].isupper():
        return Judged("wrong", f"There is no {name} in this cell, so nothing is its gradient.", "reading")
    if case.declared and name[0].isupper():
        return Judged("wrong", f"{name} is not among the parameters.", "reading")
    return Judged("unreadable", f"Nothing says what {name} is.", "")


class _Judge:
    """One relation in one case."""

    def __init__(self, case: Case, line: Relation, outer: bool = False) -> None:
        self.case, self.line, self.outer = case, line, outer

    # --- what kind of claim ------------------------------------------------------------------------------------

    def judged(self) -> Judged:
        line = self.line
        if "in" in line.operators and isinstance(line.rhs, Space):
            return self.size()
        if self.case.runs[0].strict:
            return self.strictly()
        if "+=" in line.operators:
            return self.accumulation(line.lhs, line.rhs, plainly=True)
        own = self.own_side()
        if own is not None:
            return own
        first = self.best(self.primary())
        if first is not None:
            return first
        return self.secondary()

    def strictly(self) -> Judged:
        """A relation of our own terms means one thing only."""
        found = [outcome(self.case, self.line, Reading(mode=mode)) for mode in (("whole", "total") if self.has_products else ("whole",))]
        self.outcomes = found
        best = next((each for each in found if each.true), found[0])
        if best.true:
            return Judged("right", "", "numeric", best, relation=self.line)
        return Judged("wrong", self.why(best), "numeric" if best.fits else "shape", best, relation=self.line)

    def primary(self) -> list[Reading]:
        layouts = ("column", "elementwise", *self.flat) if self.has_derivatives else ("column",)
        modes = ("whole", "held") if self.has_products else ("whole",)
        if self.case.direct:
            return [Reading(layout, "alone", direct=True, before=self.case.before) for layout in layouts]  # type: ignore[arg-type]
        lists = (False, True) if any(is_list(part) for side in self.line.terms for part in walk(side)) else (False,)
        return [Reading(layout, mode, before=self.case.before, lists=each, outer=self.outer)  # type: ignore[arg-type]
                for each in lists for layout in layouts for mode in modes]

    @cached_property
    def flat(self) -> tuple[str, ...]:
        """Layouts in which gradients are rows: not where a gradient is transposed, unless there are Jacobians to chain it with."""
        jacobians = any(isinstance(part, Partial) and as_derivative(part, self.case.theory) is None for side in self.line.terms for part in walk(side))
        stood_up = any(isinstance(part, Transpose) and self.is_derivative(part.arg) for side in self.line.terms for part in walk(side))
        return () if stood_up and not jacobians else ("row",)

    @cached_property
    def has_derivatives(self) -> bool:
        return any(self.is_derivative(part) for side in self.line.terms for part in walk(side))

    @cached_property
    def has_products(self) -> bool:
        return any(isinstance(part, Partial) for side in self.line.terms for part in walk(side))

    def is_derivative(self, part: Term) -> bool:
        if isinstance(part, (Adj, Partial)):
            return True
        if not isinstance(part, Sym):
            return False
        return part.name == "delta" or any(isinstance(inner, (Adj, Partial)) or (isinstance(inner, Sym) and inner.name.startswith("delta"))
                                           for lazy in self.case.theory.lazy(part) for inner in walk(lazy.body))

    # --- readings ----------------------------------------------------------------------------------------------

    def best(self, readings: Iterable[Reading]) -> Judged | None:
        """The judgement of the readings of first rank; None where none of them makes the relation true.

        The layout is the one that makes it right, if one does; what a factor in a product means must not matter.
        """
        self.outcomes = [outcome(self.case, self.line, reading) for reading in readings]
        fitting = [each for each in self.outcomes if each.fits]
        mixed: Judged | None = None
        for layout in dict.fromkeys((each.reading.layout, each.reading.lists) for each in fitting):
            mine = [each for each in fitting if (each.reading.layout, each.reading.lists) == layout]
            true, false = [each for each in mine if each.true], [each for each in mine if not each.true]
            if true and not false:
                return Judged("right", "", "numeric", true[0], relation=self.line)
            if true and mixed is None:
                shown = [(self.words(each), "right" if each.true else "wrong") for each in (true[0], false[0])]
                reason = f"It is right with {shown[0][0]}, and wrong with {shown[1][0]}."
                mixed = Judged("ambiguous", reason, "numeric", true[0], shown, self.line)  # type: ignore[arg-type]
        return mixed

    def words(self, each: Outcome) -> str:
        reading = each.reading
        said = [LAYOUT_WORDS[reading.layout]] if self.has_derivatives and reading.layout != "column" else []
        if self.has_products:
            said.append("only the direct path" if reading.direct else MODE_WORDS[reading.mode])
        return " and ".join(said) or "the formula as printed"

    def secondary(self) -> Judged:
        """No reading of first rank makes the relation true: it is wrong, unless another reading does."""
        failed = max(self.outcomes, key=lambda each: each.score)
        for reading, line, words, verdict in self.others():
            found = outcome(self.case, line, reading)
            if found.true:
                if verdict == "right":
                    return Judged("right", "", "numeric", found, relation=line)
                shown = [(words, "right"), (self.words(failed), "wrong")]
                return Judged("ambiguous", f"It is right {words}; as it stands it is wrong.", "numeric", found, shown, line)  # type: ignore[arg-type]
        return Judged("wrong", self.why(failed), "shape" if not failed.fits else "numeric", failed, relation=self.line)

    def others(self) -> Iterator[tuple[Reading, Relation, str, Word]]:
        before, line = self.case.before, self.line
        layouts = ("column", "elementwise", *self.flat) if self.has_derivatives else ("column",)
        if self.has_products:
            for layout in layouts:
                yield Reading(layout, "total", before=before), line, "with total derivatives throughout", "right"  # type: ignore[arg-type]
            for mode in ("whole", "held"):
                yield Reading("transposed", mode, before=before), line, "with Jacobians transposed", "ambiguous"  # type: ignore[arg-type]
            for layout in ("elementwise", "column", "row"):
                yield Reading(layout, "alone", before=before), line, "for the direct path only", "ambiguous"  # type: ignore[arg-type]
                yield Reading(layout, "alone", direct=True, before=before), line, "for the direct path only", "ambiguous"  # type: ignore[arg-type]
        if any(isinstance(part, Prime) for side in line.terms for part in walk(side)):
            for layout in layouts:
                yield (Reading(layout, before=before, by_value=True), line,  # type: ignore[arg-type]
                       "if the derivative of the activation is meant in terms of its value", "ambiguous")
        if self.has_derivatives and self.flat:
            yield Reading("numerator", before=before), line, "with gradients of matrices transposed", "ambiguous"
        if self.has_derivatives and not self.flat:
            yield Reading("row", before=before), line, "with gradients as rows", "ambiguous"
        for other, words in self.shares():
            for layout in layouts:
                yield Reading(layout, before=before), other, words, "ambiguous"  # type: ignore[arg-type]

    def shares(self) -> Iterator[tuple[Relation, str]]:
        """The relation about a part of its left side: the share of one step, or what arrives through the next."""
        pair = as_derivative(self.line.lhs, self.case.theory)
        if pair is None:
            return
        of, wrt = pair
        theory = self.case.theory
        name = theory.same.get(wrt.name, wrt.name)
        if wrt.time is None and name in theory.parameters:
            copy = Partial(of, Sym(name, NOW))
            yield replace(self.line, terms=(copy, *self.line.terms[1:])), "as the share of one step"
            if of == loss_of(theory) or (isinstance(of, Sym) and of.time is None):
                yield replace(self.line, terms=(Sum("t", Time("", 1), Time("T"), copy), *(
                    term if _has_sum(term) else Sum("t", Time("", 1), Time("T"), term) for term in self.line.terms[1:]))), "as the share of one step"
        elif wrt.time is not None and wrt.time.offset == -1 and name in theory.states:
            yield (replace(self.line, terms=(Arriving(of, Sym(name, wrt.time)), *self.line.terms[1:])), "as the part that the next step hands back")

    # --- why it is wrong ---------------------------------------------------------------------------------------

    def why(self, failed: Outcome) -> str:
        first = next(k for k in range(len(failed.good)) if failed.link(k) == "wrong") if not failed.true and any(
            failed.link(k) == "wrong" for k in range(len(failed.good))) else 0
        where = f"The {_ORDINALS[min(first, 9)]} equality of the chain is wrong: " if len(failed.good) > 1 else ""
        if failed.misfits[first]:
            return f"{where}{failed.misfits[first]}." if where else f"The shapes do not fit: {failed.misfits[first]}."
        good, bad = sorted(set(failed.good[first])), sorted(set(failed.bad[first]))
        only = [t for t in good if t not in bad]
        if only and bad and only == list(range(min(only), 6)) and "t" in {part.time.base for side in self.line.terms for part in walk(side)
                                                                     if isinstance(part, Sym) and part.time is not None}:
            return f"{where}it holds for the last {len(only)} of {5} steps only." if where else (
                f"It holds for the last {'step' if len(only) == 1 else f'{len(only)} steps'} only.")
        return f"{where}the two sides differ." if where else "The two sides differ."

    # --- sizes -------------------------------------------------------------------------------------------------

    def size(self) -> Judged:
        space = self.line.rhs
        assert isinstance(space, Space)
        sizes = self.case.sizes
        named = self.line.lhs.args if isinstance(self.line.lhs, Listed) else (self.line.lhs,)
        for each in named:
            symbol = each if isinstance(each, Sym) else None
            name = self.case.theory.same.get(symbol.name, symbol.name) if symbol else ""
            if name in sizes.clashes:
                return Judged("wrong", f"The sizes do not fit: {sizes.clashes[name]}.", "exact", relation=self.line)
            found = sizes.shapes.get(name) or self.shape_of(each)
            if found is None:
                raise Unknown(name or plain(each))
            declared = self.numbers(space)
            wanted = declared if len(declared) == 2 else (sizes.vector(declared[0]) if 1 in found else (declared[0], 1))
            if found != wanted and not (1 in found and sorted(found) == sorted(wanted)):
                return Judged("wrong", f"{plain(each)} is {self.said(found)}, not {self.said(wanted)}.", "exact", relation=self.line)
        return Judged("right", "", "exact", relation=self.line)

    def said(self, found: tuple[int, ...]) -> str:
        letters = {number: letter for letter, number in self.case.sizes.letters.items()}
        return " x ".join(str(letters.get(side, side)) for side in found)

    def numbers(self, space: Space) -> tuple[int, ...]:
        letters = self.case.sizes.letters
        found = []
        for side in (space.rows, space.columns):
            if side is None:
                continue
            form = length_form(side)
            for letter in form:
                if letter and letter not in letters:
                    raise Unknown(letter)
            found.append(sum(count * (letters[letter] if letter else 1) for letter, count in form.items()))
        return tuple(found)

    def shape_of(self, term: Term) -> tuple[int, ...] | None:
        for times in points(self.case, Relation((term, term), ("=",))):
            try:
                return shape(Valuer(self.case.runs[0], Reading(), times)(term)) or (1, 1)
            except Outside:
                continue
        return None

    # --- accumulations -----------------------------------------------------------------------------------------

    def own_side(self) -> Judged | None:
        """`q = ... + q`: an accumulation, if the left side stands as a term on its own right side."""
        left, changed, first = self.line.lhs, False, True
        rests: list[Term] = []
        if not isinstance(left, (Adj, Partial)) and not (isinstance(left, Sym) and self.is_derivative(left)):
            return None
        for side in self.line.terms[1:]:
            args = side.args if isinstance(side, Add) else (side,)
            kept = tuple(arg for arg in args if arg != left)
            changed = changed or (len(kept) < len(args) and bool(kept))
            first = first and (len(kept) == len(args) or args[0] == left)
            rests.append(kept[0] if len(kept) == 1 else Add(kept) if kept else side)
        if not changed:
            return None
        results = [self.accumulation(left, rest, plainly=isinstance(left, Adj) and first) for rest in rests]
        return next((each for each in results if each.verdict == "wrong"), results[0])

    def accumulation(self, left: Term, share: Term, plainly: bool) -> Judged:
        """Whether what is added is the sum of whole paths that leave a quantity, or summed over time the gradient."""
        pair = as_derivative(left, self.case.theory)
        if pair is None:
            raise Unreadable("only a gradient is accumulated")
        word: Word = "right" if plainly else "ambiguous"
        reason = "" if plainly else "The left side stands on its own right side: right as an accumulation (+=), false as an equation."
        of, wrt = pair
        theory = self.case.theory
        if wrt.name in theory.parameters or theory.parts_of(wrt.name) is not None and wrt.time is None:
            whole = Relation((Partial(of, wrt), share if _has_sum(share) else Sum("t", Time("", 1), Time("T"), share)), ("=",))
            for layout in ("column", "row", "numerator"):
                found = outcome(self.case, whole, Reading(layout, before=self.case.before))  # type: ignore[arg-type]
                if found.true:
                    return Judged(word, reason, "numeric", found, relation=whole)
            return Judged("wrong", "Summed over all steps, what is added is not the gradient.", "numeric", relation=self.line)
        problem = ""
        for layout in ("column", "row", "elementwise"):
            for mode in ("whole", "held", "alone") if self.has_products else ("whole",):
                reading = Reading(layout, mode, before=self.case.before)  # type: ignore[arg-type]
                try:
                    if self.is_paths(of, wrt, share, reading):
                        return Judged(word, reason, "numeric", relation=self.line)
                except Misfit as misfit:
                    problem = problem or str(misfit)
        what = f"The shapes do not fit: {problem}." if problem else "What is added is not the sum of whole paths that leave it."
        return Judged("wrong", what, "shape" if problem else "numeric", relation=self.line)

    def is_paths(self, of: Term, wrt: Sym, share: Term, reading: Reading) -> bool:
        """Whether at every step the same selection of paths sums up to the share."""
        chosen: list[tuple[str, ...]] | None = None
        for run in self.case.runs:
            for times in points(self.case, Relation((Partial(of, wrt), share), ("=",))):
                valuer = Valuer(run, reading, times)
                try:
                    value, paths = valuer(share), _paths(valuer, of, wrt)
                except Outside:
                    continue
                if times.get("t", 1) >= run.steps and chosen is None:
                    continue
                matching = [names for names in _selections(sorted(paths)) if _agree(sum(paths[name] for name in names), value)]
                chosen = matching if chosen is None else [names for names in chosen if all(name in paths for name in names) and names in matching
                                                          or times.get("t", 1) >= run.steps]
                if not chosen:
                    return False
        return bool(chosen)


def _paths(valuer: Valuer, of: Term, wrt: Sym) -> dict[str, Array]:
    """The share of each path that leaves a quantity: by the quantity whose equation uses it, and straight to the loss."""
    from symlstm.claims.arithmetic import when

    theory, run = valuer.run.theory, valuer.run
    wrt = valuer.resolved(wrt)
    assert wrt.time is not None
    t = when(wrt.time, valuer.times)
    edges = run.edges(wrt.name, t)
    if not edges and wrt.name not in theory.steps:
        raise Outside(wrt)
    paths = {edge: valuer.total(of, wrt, edge) for edge in edges}
    whole = valuer.total(of, wrt)
    straight = whole - sum(paths.values()) if paths else whole
    if np.abs(straight).max() > 1e-12:
        paths["loss"] = straight
    return paths


def _selections(names: list[str]) -> Iterator[tuple[str, ...]]:
    for mask in range(1, 2 ** min(len(names), 9)):
        yield tuple(name for k, name in enumerate(names[:9]) if mask >> k & 1)


_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth last".split()


@dataclass(frozen=True, slots=True, repr=False)
class Arriving(Term):
    """The part of a derivative by a state that arrives through the next step."""

    of: Term
    wrt: Sym


def as_derivative(term: Term, theory: Theory) -> tuple[Term, Sym] | None:
    """What a term is the derivative of, and by what; None for what is no derivative of a loss."""
    if isinstance(term, Partial) and isinstance(term.wrt, Sym):
        return (term.of, term.wrt) if not (isinstance(term.of, Sym) and term.of.name in theory.steps) else None
    if isinstance(term, Adj):
        name = theory.same.get(term.of.name, term.of.name)
        lazy = theory.adjoints.get(name)
        if lazy is not None:
            return _shifted(lazy, term.of.time)
        return loss_of(theory), term.of
    if isinstance(term, Sym):
        found = theory.lazy(term)
        if len(found) == 1 and found[0].condition is None:
            return _shifted(found[0], term.time)
    return None


def _shifted(lazy: Lazy, time: Time | None) -> tuple[Term, Sym] | None:
    body = lazy.body
    if time is not None and lazy.letter:
        def move(part: Term) -> Term:
            if isinstance(part, Sym) and part.time is not None and part.time.base == lazy.letter:
                return part.at(Time(time.base, time.offset + part.time.offset - lazy.offset))
            return part
        body = transform(body, move)
    return (body.of, body.wrt) if isinstance(body, Partial) and isinstance(body.wrt, Sym) else None


# --- one relation under one reading ----------------------------------------------------------------------------


def outcome(case: Case, line: Relation, reading: Reading) -> Outcome:
    """Compare every link of a relation at every step of the first sequence, and if it holds of the second."""
    count = len(line.operators)
    result = Outcome(reading, [[] for _ in range(count)], [[] for _ in range(count)], [""] * count)
    variables = _variables(case, line)
    numeric = not variables and _is_arithmetic(case, line)
    outside: Outside | None = None
    indices = _free_indices(line)
    for run in case.runs if not numeric else case.runs[:1]:
        for times in (each | chosen for each in points(case, line) for chosen in _entries(indices)):
            valuer = _Extended(run, reading, {letter: k for letter, k in times.items() if letter not in indices}, variables)
            valuer.indices = {letter: k for letter, k in times.items() if letter in indices}
            try:
                if line.condition is not None and not _holds(valuer, line.condition, variables):
                    continue
            except Outside:
                continue
            values = [_value(valuer, term) for term in line.terms]
            for k, (left, operator, right) in enumerate(line.links()):
                one, other = values[k], values[k + 1]
                absent = next((each for each in (one, other) if isinstance(each, Outside)), None)
                if absent is not None:
                    outside = absent
                    continue
                misfit = next((str(each) for each in (one, other) if isinstance(each, Misfit)), "") or _misfit(one, other, right)
                if misfit:
                    result.misfits[k] = result.misfits[k] or misfit
                    continue
                good = _compare(one, operator, other, left, right, numeric, valuer)
                if variables and line.condition is not None:
                    good = _where(valuer, line.condition, variables, one, operator, other)
                (result.good if good else result.bad)[k].append(times.get("t", 0))
        if not result.fits or any(result.bad):
            break
    if outside is not None and not any(result.good) and not any(result.bad) and result.fits:
        result.misfits[0] = f"{plain(outside.node)} does not exist"
    return result


class _Extended(Valuer):
    """A valuer that also knows the part of a derivative that arrives, and limits."""

    def __call__(self, node: Term) -> Array:
        if isinstance(node, Arriving):
            return self.total(node.of, self.resolved(node.wrt), "arriving")
        if isinstance(node, Limit):
            return self.copy(variables={**self.variables, node.variable.name: np.full((1, 1), 40.0 * node.sign)})(node.body)
        return super().__call__(node)

    def copy(self, **changes: Any) -> Valuer:
        other = super().copy(**changes)
        other.__class__ = _Extended
        return other


def _value(valuer: Valuer, term: Term) -> Any:
    try:
        if isinstance(term, Interval):
            return (valuer(term.lower), valuer(term.upper)) if not _endless(term) else (_end(valuer, term.lower, -1), _end(valuer, term.upper, 1))
        return valuer(term)
    except (Misfit, Outside) as problem:
        return problem


def _endless(term: Interval) -> bool:
    return any(part == Sym("infinity") for part in walk(term))


def _end(valuer: Valuer, term: Term, sign: int) -> Any:
    return sign * np.inf if any(part == Sym("infinity") for part in walk(term)) else valuer(term)


def _misfit(one: Any, other: Any, right: Term) -> str:
    """In words, why two values cannot be compared; a bare number, and the identity as 1, fit anything."""
    if isinstance(right, Interval):
        return ""
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        if isinstance(one, Tensor) and isinstance(other, Tensor) and one.array.shape == other.array.shape:
            return ""
        return "the derivative of a vector by a matrix is compared with something else"
    left_shape, right_shape = shape(one), shape(other)
    if left_shape == right_shape or not left_shape or not right_shape:
        return ""
    return f"the left side is {size_words(left_shape)}, the right side {size_words(right_shape)}"


def _agree(one: Any, other: Any, tolerance: float = TOLERANCE) -> bool:
    if isinstance(one, Tensor):
        one, other = one.array, other.array
    one, other = np.real(one), np.real(other)
    if shape(one) != shape(other):
        square = shape(one) or shape(other)
        lone = other if shape(one) else one
        if len(square) == 2 and square[0] == square[1] > 1 and np.ndim(lone) == 0 and lone == 1:
            return bool(np.allclose(one if shape(one) else other, np.eye(square[0]), atol=tolerance))
        if shape(one) and shape(other):
            return False
    scale = 1 + max(np.abs(one).max(initial=0) if np.ndim(one) else abs(one), np.abs(other).max(initial=0) if np.ndim(other) else abs(other))
    difference = np.abs(one - other)
    return bool(np.all(difference <= tolerance * scale)) and bool(np.all(np.isfinite(difference)))


def _compare(one: Any, operator: str, other: Any, left: Term, right: Term, numeric: bool, valuer: Valuer) -> bool:
    if operator == "in" and isinstance(right, Interval):
        lower, upper = other
        value = np.real(one)
        above = value > lower if right.open_below else value >= lower - 1e-12
        below = value < upper if right.open_above else value <= upper + 1e-12
        return bool(np.all(above) and np.all(below))
    if operator in ("=", "~"):
        if numeric or operator == "~":
            return _printed(one, other, left, right, operator)
        loose = any(isinstance(part, (Extreme, Limit)) for side in (left, right) for part in walk(side))
        return _agree(one, other, 2e-4 if loose else TOLERANCE)
    if operator == "!=":
        return not _agree(one, other)
    return bool(np.all(_ORDER[operator](np.real(one), np.real(other))))


_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less, ">": np.greater, "<=": lambda a, b: a <= b + 1e-12 * (1 + np.abs(b)), ">=": lambda a, b: a >= b - 1e-12 * (1 + np.abs(b)),
}


def _printed(one: Any, other: Any, left: Term, right: Term, operator: str) -> bool:
    """Equality at the precision printed: half a unit of the last digit of each entry; rational numbers exactly."""
    for term, value, against, theirs in ((right, other, one, left), (left, one, other, right)):
        units = _units(term)
        if units is None:
            continue
        exact = operator == "=" and _is_rational(theirs) and not any(isinstance(part, Num) and part.places for part in walk(term))
        units = np.reshape(units, shape(value)) if shape(value) else np.asarray(units).reshape(())
        slack = 1e-9 if exact else units / 2 * (1 + 1e-9)
        return bool(np.all(np.abs(np.real(one) - np.real(other)) <= slack)) if shape(against) == shape(value) or not shape(value) else False
    return _agree(one, other, 1e-9 if operator == "=" else 5e-3)


def _units(term: Term) -> Array | None:
    """One unit of the last printed digit for every entry of a literal; None for what is no literal."""
    if isinstance(term, Neg):
        return _units(term.arg)
    if isinstance(term, Num):
        return 10.0 ** -(term.places or 0) if term.value.denominator == 1 or term.places is not None else 1e-9
    if isinstance(term, Blocks):
        entries = [_units(part) for part in children(term)]
        return None if any(entry is None for entry in entries) else np.array(entries, dtype=float)
    return None


def _is_rational(term: Term) -> bool:
    return not any(isinstance(part, (Apply, Prime, Partial, Adj, Extreme, Limit)) for part in walk(term))


def _is_arithmetic(case: Case, line: Relation) -> bool:
    """Whether a relation is about numbers alone: those it prints and those the document gives."""
    given = {name for name, _ in case.theory.values}
    return all(part.name in given for side in line.terms for part in walk(side) if isinstance(part, Sym)) and not any(
        isinstance(part, (Partial, Adj)) for side in line.terms for part in walk(side))


# --- where a relation is compared ------------------------------------------------------------------------------


def points(case: Case, line: Relation) -> Iterator[dict[str, int]]:
    """Every choice of steps for the time letters of a relation; a second letter comes before the first."""
    steps = case.runs[0].steps
    letters, lagged = _free_letters(case, line)
    if case.theory.values and not case.theory.steps:
        steps = 1
    if not letters:
        yield {"t": 1}
        return
    first = "t" if "t" in letters else sorted(letters)[0]
    rest = sorted(letters - {first})
    for t in range(1, steps + 1):
        chosen = [{first: t}]
        for letter in rest[:2]:
            choices = range(1, t + 1) if letter in lagged or letter < "t" else range(t, steps + 1)
            chosen = [{**each, letter: k} for each in chosen for k in choices]
        for each in chosen:
            yield {"t": t, **each}


def _free_letters(case: Case, line: Relation) -> tuple[set[str], set[str]]:
    """The time letters of a relation that nothing binds, and those of them that are lags (`t-k`)."""
    found: set[str] = set()
    lagged: set[str] = set()
    for side in (*line.terms, *(line.condition.terms if line.condition else ())):
        _collect(case, side, frozenset(), found, lagged)
    return found - LAST - {""}, lagged


def _collect(case: Case, node: Term, bound: frozenset[str], found: set[str], lagged: set[str]) -> None:
    stack: list[tuple[Term, frozenset[str]]] = [(node, bound)]
    while stack:
        here, inside = stack.pop()
        if isinstance(here, (Sum, Prod)):
            for time in (here.lower, here.upper):
                found |= _letters(time) - inside
                lagged |= {part for part in time.base.split("-")[1:]}
            stack.append((here.body, inside | {here.index}))
            continue
        if isinstance(here, (Total, Component)):
            inside = inside | {here.index}
        if isinstance(here, Sym):
            if here.time is not None:
                found |= _letters(here.time) - inside
                lagged |= {part for part in here.time.base.split("-")[1:]}
            elif "t" not in inside and _needs_time(case, here):
                found.add("t")
        if isinstance(here, Apply) and "[" in here.function and "t" not in inside:
            found |= {"t"} & set(here.function.partition("[")[2])
        stack.extend((child, inside) for child in children(here))


def _free_indices(line: Relation) -> set[str]:
    """The indices of components that no sum binds."""
    bound = {part.index for side in line.terms for part in walk(side) if isinstance(part, Total)}
    return {part.index for side in line.terms for part in walk(side) if isinstance(part, Component)} - bound


def _entries(indices: set[str]) -> list[dict[str, int]]:
    chosen: list[dict[str, int]] = [{}]
    for index in sorted(indices)[:2]:
        chosen = [{**each, index: k} for each in chosen for k in range(3)]
    return chosen


def _letters(time: Time) -> set[str]:
    return set(time.base.replace("-", "+").split("+")) - {""}


def _needs_time(case: Case, symbol: Sym) -> bool:
    theory = case.theory
    if theory.same.get(symbol.name, symbol.name) in theory.steps:
        return True
    lazy = theory.lazies.get(symbol.name)
    if not lazy or symbol.name in LOSSES or symbol.name == "L_":
        return False
    found: set[str] = set()
    for each in lazy:
        _collect(case, each.body, frozenset(), found, set())
    return "t" in found


def _has_sum(node: Term) -> bool:
    return any(isinstance(part, Sum) for part in walk(node))


def _variables(case: Case, line: Relation) -> dict[str, Array]:
    """The free variables of a relation between functions: letters that the document's model does not know."""
    names: dict[str, None] = {}
    for side in line.terms:
        bound = {part.variable.name for part in walk(side) if isinstance(part, (Extreme, Limit))}
        for part in walk(side):
            if isinstance(part, Adj):
                return {}
            if isinstance(part, Sym) and part.name not in ("infinity",):
                known = part.time is not None or part.name in (*case.theory.parameters, *case.theory.lazies) or (
                    case.theory.same.get(part.name, part.name) in case.theory.steps)
                if known:
                    return {}
                names[part.name] = None
        del bound
    step = 0.0
    found = {}
    for name in names:
        found[name] = GRID if not step else np.roll(GRID, 97, axis=0) + step
        step += 0.37
    return found


def _holds(valuer: Valuer, condition: Relation, variables: dict[str, Array]) -> bool:
    if variables:
        return True
    return all(bool(np.all(_CONDITIONS[operator](valuer(left), valuer(right)))) for left, operator, right in condition.links() if operator in _CONDITIONS)


def _where(valuer: Valuer, condition: Relation, variables: dict[str, Array], one: Any, operator: str, other: Any) -> bool:
    """A comparison between functions, only where a condition on their variable holds."""
    mask: Any = np.ones(len(GRID), dtype=bool)
    for left, sign, right in condition.links():
        if sign in _CONDITIONS:
            mask = mask & np.broadcast_to(_CONDITIONS[sign](np.real(valuer(left)), np.real(valuer(right))), GRID.shape)[:, 0, 0]
    one, other = (np.broadcast_to(np.real(each), GRID.shape)[mask] for each in (one, other))
    if operator in ("=", "~"):
        return _agree(one, other)
    return bool(np.all(_ORDER[operator](one, other))) if operator in _ORDER else not _agree(one, other)


_CONDITIONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}
