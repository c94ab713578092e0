r"""Whether a claim is true: of one relation under one reading, and of all readings together.

A relation is compared at every step of a generic sequence, the first and the last included, and on a second sequence.
Readings of the first rank are layouts of derivatives and the two meanings of a factor in a product; if one of them makes
the claim right and none makes it wrong, it is right. What is right only under another reading (the direct path, a
transposed Jacobian, the share of one step, the part handed on, a prime in terms of the value) is ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from symlstm.algebra import (
    NOW,
    Add,
    Adj,
    Listed,
    Norm,
    NotSupported,
    Num,
    Partial,
    Prime,
    Relation,
    Space,
    Sum,
    Sym,
    Term,
    Time,
    Transpose,
    plain,
    walk,
)  # fmt: skip
from symlstm.claims.judging.cases import Case, Outcome
from symlstm.claims.judging.comparing import agree, misfit
from symlstm.claims.judging.outcomes import Extended, outcome
from symlstm.claims.judging.points import has_sum, points, variables_of
from symlstm.claims.judging.shares import Arriving, as_derivative, handed_back
from symlstm.claims.judging.values import Reading, Valuer, is_list
from symlstm.claims.judging.verdicts import Word
from symlstm.claims.models.arithmetic import Array, Misfit, Outside, Unknown, Unreadable, shape
from symlstm.claims.models.sizes import Clash, length_form
from symlstm.definitions.meanings import loss_of
from symlstm.tex import latex

_agree, _Extended, _misfit, _variables = agree, Extended, misfit, variables_of  # names of before


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
    "column": "gradients as columns",
    "row": "gradients as rows",
    "elementwise": "diagonal Jacobians as vectors",
    "transposed": "Jacobians transposed",
    "numerator": "gradients of matrices transposed",
}
MODE_WORDS = {
    "whole": "each factor the whole Jacobian of one step",
    "held": "each factor with the other states of its step held",
    "total": "each factor a total derivative",
    "alone": "each factor the derivative of one equation",
}


def judge(case: Case, line: Relation, others: Iterable[tuple[Relation, bool]] = ()) -> Judged:
    """The judgement of one relation in a case. Never raises.

    `others` are the relation with its products read in another order; with a true mark two columns make an outer product.
    They count where the shapes do not fit without them.
    """
    for run in case.runs:
        run.work, run.spent = 0, run.spent + run.work
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
        return _unknown(case, unknown, line)
    except Unreadable as problem:
        return Judged("unreadable", f"This is not understood: {problem}.", "")
    except (Outside, Misfit, Clash) as problem:
        return Judged("unreadable", f"This has no value: {problem}.", "")
    except (ArithmeticError, ValueError, TypeError, KeyError, RecursionError, np.linalg.LinAlgError) as problem:
        return Judged("unreadable", f"This could not be worked out ({type(problem).__name__}: {problem}).", "")


def _unknown(case: Case, unknown: Unknown, line: Relation) -> Judged:
    name = unknown.name.removeprefix("delta ")
    if unknown.name.startswith("delta ") and case.theory.steps and name[0].isupper():
        return Judged("wrong", f"There is no {name} in this cell, so nothing is its gradient.", "reading")
    if case.declared and name[0].isupper():
        return Judged("wrong", f"{name} is not among the parameters.", "reading")
    if set(line.operators) & {"<", "<=", ">", ">="} and any(isinstance(part, Norm) for side in line.terms for part in walk(side)):
        return Judged("unreadable", f"{name} is not defined, so this bound is not decided: it needs a line {name} = ...", "")
    missing = case.theory.missing.get(unknown.name, unknown.node)
    return Judged("unreadable", f"Nothing says what {_written(missing) or name} is.", "")


def _written(term: Term | None) -> str:
    try:
        return latex(term) if term is not None else ""
    except NotSupported:
        return ""


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
        found = [
            outcome(self.case, self.line, Reading(mode=mode))
            for mode in (("whole", "total") if self.has_products else ("whole",))
        ]
        self.outcomes = found
        best = next((each for each in found if each.true), found[0])
        if best.true:
            return Judged("right", "", "numeric", best, relation=self.line)
        return Judged("wrong", self.why(best), "numeric" if best.fits else "shape", best, relation=self.line)

    def primary(self) -> list[Reading]:
        layouts = self.layouts
        modes = ("whole", "held") if self.has_products else ("whole",)
        if self.case.direct:
            return [Reading(layout, "alone", direct=True, before=self.case.before) for layout in layouts]  # type: ignore[arg-type]
        lists = (False, True) if any(is_list(part) for side in self.line.terms for part in walk(side)) else (False,)
        return [
            Reading(layout, mode, before=self.case.before, lists=each, outer=self.outer)  # type: ignore[arg-type]
            for each in lists
            for layout in layouts
            for mode in modes
        ]

    @property
    def layouts(self) -> tuple[str, ...]:
        """The layouts of derivatives that are looked at first."""
        return (self.case.layout, "elementwise", *self.flat) if self.has_derivatives else (self.case.layout,)

    @cached_property
    def flat(self) -> tuple[str, ...]:
        """Layouts in which gradients are rows: not where one is transposed, unless there are Jacobians to chain it with."""
        jacobians = any(
            isinstance(part, Partial) and as_derivative(part, self.case.theory) is None
            for side in self.line.terms
            for part in walk(side)
        )
        stood_up = any(
            isinstance(part, Transpose) and self.is_derivative(part.arg) for side in self.line.terms for part in walk(side)
        )
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
        return part.name == "delta" or any(
            isinstance(inner, (Adj, Partial)) or (isinstance(inner, Sym) and inner.name.startswith("delta"))
            for lazy in self.case.theory.lazy(part)
            for inner in walk(lazy.body)
        )

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
            if true and not false and self.is_empty(true):
                reason = "Both sides are zero throughout: in what is defined here, nothing leads from the one to the other."
                return Judged("unreadable", reason, "numeric", true[0], relation=self.line)
            if true and not false:
                return Judged("right", "", "numeric", true[0], relation=self.line)
            if true and mixed is None:
                shown = [(self.words(each), "right" if each.true else "wrong") for each in (true[0], false[0])]
                reason = f"It is right with {shown[0][0]}, and wrong with {shown[1][0]}."
                mixed = Judged("ambiguous", reason, "numeric", true[0], shown, self.line)  # type: ignore[arg-type]
        return mixed

    def is_empty(self, found: list[Outcome]) -> bool:
        """Whether a claim about derivatives says no more than 0 = 0, without a zero in print."""
        printed = any(isinstance(side, Num) for side in self.line.terms)
        return self.has_derivatives and not printed and not any(each.alive for each in found)

    def words(self, each: Outcome) -> str:
        reading = each.reading
        said = [LAYOUT_WORDS[reading.layout]] if self.has_derivatives and reading.layout != self.case.layout else []
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
        layouts, plain = self.layouts, self.case.layout
        if self.has_products:
            for layout in layouts:
                yield Reading(layout, "total", before=before), line, "with total derivatives throughout", "right"  # type: ignore[arg-type]
            turned = "column" if plain == "transposed" else "transposed"
            for mode in ("whole", "held"):
                yield Reading(turned, mode, before=before), line, "with Jacobians transposed", "ambiguous"  # type: ignore[arg-type]
            for layout in ("elementwise", plain, "row"):
                yield Reading(layout, "alone", before=before), line, "for the direct path only", "ambiguous"  # type: ignore[arg-type]
                yield Reading(layout, "alone", direct=True, before=before), line, "for the direct path only", "ambiguous"  # type: ignore[arg-type]
            for layout in (plain, "elementwise", "row"):
                held = "with the other states of the step before held"
                yield Reading(layout, "whole", within=True, before=before), line, held, "ambiguous"  # type: ignore[arg-type]
        if any(isinstance(part, Prime) for side in line.terms for part in walk(side)):
            for layout in layouts:
                yield (
                    Reading(layout, before=before, by_value=True),  # type: ignore[arg-type]
                    line,
                    "if the derivative of the activation is meant in terms of its value",
                    "ambiguous",
                )
        for other in handed_back(line):
            for layout in layouts:
                yield Reading(layout, before=before), other, "", "right"  # type: ignore[arg-type]
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
                yield (
                    replace(
                        self.line,
                        terms=(
                            Sum("t", Time("", 1), Time("T"), copy),
                            *(term if has_sum(term) else Sum("t", Time("", 1), Time("T"), term) for term in self.line.terms[1:]),
                        ),
                    ),
                    "as the share of one step",
                )
        elif wrt.time is not None and wrt.time.offset == -1 and name in theory.states:
            yield (
                replace(self.line, terms=(Arriving(of, Sym(name, wrt.time)), *self.line.terms[1:])),
                "as the part that the next step hands back",
            )

    # --- why it is wrong ---------------------------------------------------------------------------------------

    def why(self, failed: Outcome) -> str:
        first = (
            next(k for k in range(len(failed.good)) if failed.link(k) == "wrong")
            if not failed.true and any(failed.link(k) == "wrong" for k in range(len(failed.good)))
            else 0
        )
        if failed.far:
            return "The bound is broken where parameters, inputs, states or gradients are large."
        where = f"The {_ORDINALS[min(first, 9)]} equality of the chain is wrong: " if len(failed.good) > 1 else ""
        if failed.misfits[first]:
            return f"{where}{failed.misfits[first]}." if where else f"The shapes do not fit: {failed.misfits[first]}."
        good, bad = sorted(set(failed.good[first])), sorted(set(failed.bad[first]))
        only = [t for t in good if t not in bad]
        if (
            only
            and bad
            and only == list(range(min(only), 6))
            and "t"
            in {
                part.time.base
                for side in self.line.terms
                for part in walk(side)
                if isinstance(part, Sym) and part.time is not None
            }
        ):
            return (
                f"{where}it holds for the last {len(only)} of {5} steps only."
                if where
                else (f"It holds for the last {'step' if len(only) == 1 else f'{len(only)} steps'} only.")
            )
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
                return Judged(
                    "wrong", f"{plain(each)} is {self.said(found)}, not {self.said(wanted)}.", "exact", relation=self.line
                )
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
        reason = (
            "" if plainly else "The left side stands on its own right side: right as an accumulation (+=), false as an equation."
        )
        of, wrt = pair
        theory = self.case.theory
        if wrt.name in theory.parameters or (theory.parts_of(wrt.name) is not None and wrt.time is None):
            whole = Relation((Partial(of, wrt), share if has_sum(share) else Sum("t", Time("", 1), Time("T"), share)), ("=",))
            for layout in (self.case.layout, "row", "numerator"):
                found = outcome(self.case, whole, Reading(layout, before=self.case.before))  # type: ignore[arg-type]
                if found.true:
                    return Judged(word, reason, "numeric", found, relation=whole)
            return Judged("wrong", "Summed over all steps, what is added is not the gradient.", "numeric", relation=self.line)
        problem = ""
        for layout in (self.case.layout, "row", "elementwise"):
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
                matching = [names for names in _selections(sorted(paths)) if agree(sum(paths[name] for name in names), value)]
                chosen = (
                    matching
                    if chosen is None
                    else [
                        names
                        for names in chosen
                        if (all(name in paths for name in names) and names in matching) or times.get("t", 1) >= run.steps
                    ]
                )
                if not chosen:
                    return False
        return bool(chosen)


def _paths(valuer: Valuer, of: Term, wrt: Sym) -> dict[str, Array]:
    """The share of each path that leaves a quantity: by the quantity whose equation uses it, and straight to the loss."""
    from symlstm.claims.models.arithmetic import when

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


_ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "last"]
