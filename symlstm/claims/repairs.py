r"""The nearest right formula: edits of a wrong right side, smallest first, each verified by the judge.

One edit is tried at every place, then two of them; candidates are compared with the left side in numbers and only what
agrees is judged. What no small edit repairs is replaced by the formula that is derived (`symlstm.claims.paths`). In a
chain the right side of the first false link is edited, then that of the next.

>>> from symlstm.claims.checking import Document
>>> from symlstm.claims.sources import source
>>> text = r"$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t $$ $$ \frac{\partial c_t}{\partial g_t} = \mathrm{diag}(f_t) \tag{1} $$"
>>> document = Document(source(text))
>>> print(diagnose(document.verdict(document.source.statements[1]), document).fix)
\frac{\partial c_t}{\partial g_t} = \mathrm{diag}(i_t)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from symlstm.algebra import (
    NOW,
    Add,
    Adj,
    Apply,
    Blocks,
    Component,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Partial,
    Pow,
    Relation,
    Sum,
    Sym,
    Term,
    Time,
    Total,
    Transpose,
    children,
    equation,
    plain,
    term,
    walk,
)  # fmt: skip
from symlstm.claims.cases import Case
from symlstm.claims.counterexamples import counterexample
from symlstm.claims.hand import Hand, Unwritable, flat, kind, time_of
from symlstm.claims.jacobians import jacobian
from symlstm.claims.judgement import judge
from symlstm.claims.numbers import recomputed
from symlstm.claims.paths import Paths
from symlstm.claims.remedies import Change, Pieces, at, changes, said
from symlstm.claims.shares import as_derivative
from symlstm.claims.trials import FAILURES, Trial, passing, trials
from symlstm.claims.verdicts import Verdict

if TYPE_CHECKING:
    from symlstm.claims.checking import Document

SECONDS = 1.2  # the most that the search for one claim may take
SHOWN = 5  # repairs that are listed
ONE = term(1)
DERIVED = "no small edit makes it right; this is the derived formula"
JUDGED = 24  # candidates that are judged in full


@dataclass(frozen=True, slots=True)
class Repair:
    """A right formula: the relation, how far it is from the wrong one, its LaTeX, and what was wrong, in words."""

    relation: Relation
    edits: int
    latex: str
    words: str


def diagnose(verdict: Verdict, document: Document, seconds: float = SECONDS) -> Verdict:
    """A wrong verdict with its repairs, a counterexample, and the edit in words; any other verdict as it is."""
    if verdict.verdict != "wrong":
        return verdict
    doctor = _doctor(document)
    statement = next((each for each in document.source.statements if each.number == verdict.number), None)
    line = verdict.judged.line if verdict.judged is not None else None
    if line is None and statement is not None and len(statement.relations) == 1:
        line = statement.relations[0]
    if line is None:
        return verdict
    found = doctor.repairs(line, seconds)
    shown = counterexample(document.cases[0], line, verdict.judged.outcome if verdict.judged is not None else None)
    reason = verdict.reason
    if found:
        reason = f"{reason.rstrip('.')}. {_sentence(found[0])}"
    else:
        reason = f"{reason.rstrip('.')}. No small edit makes it right, and the right formula could not be written in this notation."
    return replace(verdict, reason=reason, fixes=tuple(each.latex for each in found), counterexample=shown)


def _sentence(repair: Repair) -> str:
    """The edit in words, as a sentence of its own."""
    first = repair.words.partition(" ")[0]
    return f"{repair.words[:1].upper()}{repair.words[1:]}." if first.isalpha() and len(first) > 1 else f"Should be: {repair.words}."


def _doctor(document: Document) -> Doctor:
    """The document's doctor, made once."""
    known = document.__dict__.get("doctor")
    if known is None:
        known = document.__dict__["doctor"] = Doctor(document)
    return known


class Doctor:
    """Repairs the wrong claims of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.hand = Hand(document.source)
        self.case: Case = document.cases[0]

    @cached_property
    def paths(self) -> Paths:
        return Paths(self.case, self.hand)

    def repairs(self, line: Relation, seconds: float = SECONDS) -> list[Repair]:
        """Right formulas near a wrong one, the nearest first."""
        return _Search(self, line, monotonic() + seconds).found()

    def is_right(self, line: Relation, share: bool = False) -> bool:
        """Whether the judge finds a relation right in some reading of the document; `share` allows the share of one step."""
        with np.errstate(all="ignore"):
            found = [judge(case, line) for case in self.document.cases]
        return any(each.verdict == "right" or (share and "share of one step" in each.reason) for each in found)

    def derived(self, left: Term) -> Term | None:
        """The derived right side of a derivative of the loss."""
        try:
            if isinstance(left, Partial) and isinstance(left.of, Sym) and left.of.name in self.case.theory.steps:
                return jacobian(self.paths, left)
            return self.paths.equation_of(left).rhs
        except (Unwritable, *FAILURES):
            return None

    # --- what repairs are made of ------------------------------------------------------------------------------

    def pieces(self, line: Relation, derived: Term | None) -> Pieces:
        """The symbols, factors and paths that an edit of a relation may use."""
        symbols = {name: tuple(found) for name, found in self.symbols.items()}
        times = {part.time for side in line.terms for part in walk(side) if isinstance(part, Sym) and part.time is not None}
        paths = list(_summands(derived)) if derived is not None else []
        factors = dict.fromkeys(factor for path in paths for factor in _factors(path))
        base = [time for time in times if time.base] or [NOW]
        for each in (*symbols.get("quantity", ()), *symbols.get("matrix", ()), *symbols.get("letter", ())):
            for factor in self.moved(each, base):
                factors.setdefault(factor)
                if kind(factor) == "matrix" or not isinstance(factor, Adj):
                    factors.setdefault(Transpose(factor))
        for name, function in self.values.items():
            for time in base:
                value = Sym(name, time)
                slope = (value, 1 - value) if function == "sigma" else (1 - Pow(value, term(2)),)
                for factor in slope:
                    factors.setdefault(factor)
        last = next((term for term in self.hand.texts if isinstance(term, Sum) and term.index == "t"), None)
        limits = (last.lower, last.upper) if last is not None else (Time("", 1), Time("T"))
        indices = dict.fromkeys(part.index for side in line.terms for part in walk(side) if isinstance(part, (Component, Total)))
        return Pieces(symbols, tuple(factors), (*paths, *self.extra_paths(line, base)), self.values, self.arguments, self.functions,
                      self.hand.elementwise, limits, tuple(indices), _Sketch(self.case))

    def moved(self, each: Term, base: list[Time]) -> Iterator[Term]:
        """A symbol at the times that occur, or as it is where it has none."""
        if time_of(each) is None:
            yield each
            return
        for time in dict.fromkeys(base):
            other = at(each, time)
            if other is not None:
                yield other

    def extra_paths(self, line: Relation, base: list[Time]) -> Iterator[Term]:
        """Adjoints, and shorthands that stand alone, as one more term of a sum."""
        for name in ("quantity", "letter"):
            for each in self.symbols.get(name, ()):
                if isinstance(each, Adj) or name == "letter" or each in self.lazies:
                    yield from self.moved(each, base)

    @cached_property
    def lazies(self) -> set[Term]:
        return {each for found in self.symbols.values() for each in found if isinstance(each, Sym) and self.case.theory.lazy(each)}

    @cached_property
    def symbols(self) -> dict[str, list[Term]]:
        """The author's symbols and adjoints by kind, those with a time at step t."""
        found: dict[str, dict[Term, None]] = {}
        for known in self.hand.names.values():
            for each, _ in known:
                time = time_of(each)
                if isinstance(each, Sym) and each.name in self.case.theory.sizes and each.name not in self.case.theory.parameters:
                    continue
                here = each if time is None else at(each, NOW)
                if here is not None:
                    found.setdefault(kind(each), {}).setdefault(here)
        return {name: list(each) for name, each in found.items()}

    @cached_property
    def values(self) -> dict[str, str]:
        """The activated quantities of a step, with their functions."""
        return {name: body.function for name, body in self.case.theory.steps.items()
                if isinstance(body, Apply) and body.function in ("sigma", "tanh")}

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The activations of a step, wherever they are applied."""
        return tuple(dict.fromkeys(part.function for body in self.case.theory.steps.values() for part in walk(body)
                                   if isinstance(part, Apply) and part.function in ("sigma", "tanh", "relu")))


    @cached_property
    def arguments(self) -> dict[str, str]:
        """What each activated quantity is an activation of, where both have names."""
        names = {part.name for part in self.hand.texts if isinstance(part, Sym)}
        return {name: body.arg.name for name, body in self.case.theory.steps.items()
                if isinstance(body, Apply) and isinstance(body.arg, Sym) and body.arg.name in names}


class _Sketch:
    """What `symlstm.mistakes` asks of a cell, from a theory."""

    def __init__(self, case: Case) -> None:
        theory = case.theory
        self.named = tuple(equation(Sym(name, NOW), body) for name, body in theory.steps.items())
        self.state_terms = tuple(Sym(name, NOW) for name in theory.states)
        self.input_terms = tuple(Sym(name, NOW) for name in theory.inputs)
        self.parameter_terms = tuple(Sym(name) for name in theory.parameters)


def _summands(node: Term) -> tuple[Term, ...]:
    if isinstance(node, Sum):
        return _summands(node.body)
    return node.args if isinstance(node, Add) else (node,)


def _factors(node: Term) -> Iterator[Term]:
    """The factors of a product, at any depth, and partial products of its tail."""
    node = node.arg if isinstance(node, Neg) else node
    if isinstance(node, (Hadamard, MatMul)):
        for arg in node.args:
            yield arg
            if isinstance(arg, (Hadamard, MatMul)):
                yield from _factors(arg)


# --- the search -------------------------------------------------------------------------------------------------------


@dataclass
class _Search:
    """The search for the repairs of one relation, until a moment."""

    doctor: Doctor
    line: Relation
    until: float
    judged: int = 0
    repairs: list[Repair] = field(default_factory=list)

    def found(self) -> list[Repair]:
        line = self.line
        if "+=" in line.operators or self.is_accumulation():
            self.accumulation(line, 0, "")
        elif (misnamed := self.misnamed()) is not None:
            self.accumulation(*misnamed)
        elif line.operators[0] == "in":
            self.repairs += list(self.numeric())
        else:
            self.repairs += list(self.numeric())
            if not self.repairs:
                self.chain()
        return self.ranked()

    @property
    def late(self) -> bool:
        return monotonic() > self.until

    def ranked(self) -> list[Repair]:
        """The smallest repairs, each formula once."""
        unique: dict[object, Repair] = {}
        for repair in self.repairs:
            unique.setdefault(canonical(repair.relation), repair)
        if not unique:
            return []
        least = min(repair.edits for repair in unique.values())
        return [repair for repair in unique.values() if repair.edits == least][:SHOWN]

    def add(self, line: Relation, edits: int, words: str) -> bool:
        """Judge a candidate and keep it if it is right and can be written."""
        self.judged += 1
        if not self.doctor.is_right(line, share=edits >= 9):
            return False
        try:
            self.repairs.append(Repair(line, edits, self.doctor.hand.latex(line), words))
        except Unwritable:
            return False
        return True

    def write(self, node: Term) -> str:
        try:
            return self.doctor.hand.write(node).text
        except Unwritable:
            return plain(node)

    # --- numbers -----------------------------------------------------------------------------------------------

    def numeric(self) -> Iterator[Repair]:
        """The right numbers at the precision printed, the right size."""
        for line, words in recomputed(self.doctor.case, self.line):
            if self.doctor.is_right(line):
                try:
                    yield Repair(line, 1, self.doctor.hand.latex(line), words)
                    return
                except Unwritable:
                    continue

    # --- one link after the other ------------------------------------------------------------------------------

    def chain(self) -> None:
        """Edit the right side of the first false link; of a longer chain then that of the next."""
        terms, operators = self.line.terms, self.line.operators
        whole: list[tuple[Relation, int, str]] = [(self.line, 0, "")]
        for k in range(1, len(terms)):
            following: list[tuple[Relation, int, str]] = []
            for line, edits, words in whole[:3]:
                link = replace(line, terms=(line.terms[k - 1], line.terms[k]), operators=(operators[k - 1],))
                if self.doctor.is_right(link):
                    following.append((line, edits, words))
                    continue
                for side, more, said_ in self.sides(link, self.line.lhs):
                    edited = replace(line, terms=(*line.terms[:k], side, *line.terms[k + 1 :]))
                    following.append((edited, edits + more, f"{words}; {said_}" if words else said_))
            whole = following
            if self.late and not whole:
                return
        for line, edits, words in whole:
            self.add(without_repeats(line), edits, words)

    def sides(self, link: Relation, left: Term) -> list[tuple[Term, int, str]]:
        """Right sides that make one link right: by one edit, by two, or derived."""
        if link.operators[0] not in ("=", "~"):
            return []
        derived = self.doctor.derived(link.lhs) or (self.doctor.derived(left) if left != link.lhs else None)
        pieces = self.doctor.pieces(link, derived)
        places = trials(self.doctor.case, link.lhs, link)
        found: list[tuple[Term, int, str]] = []
        if places:
            found = self.tried(link, pieces, places, derived)
        if not found and derived is not None:
            line = replace(link, terms=(link.lhs, derived))
            if self.doctor.is_right(line, share=True):
                found.append((derived, 9, DERIVED))
        return found

    def tried(self, link: Relation, pieces: Pieces, places: list[list[Trial]], derived: Term | None) -> list[tuple[Term, int, str]]:
        """The edits of one link that the judge finds right: one edit, two, or one under another layout of derivatives."""
        singles = sorted(changes(link.rhs, pieces), key=lambda change: LIKELY.get(change.remedy, 4))
        usual, others = self.usual(link, places)
        found = self.verified(link, ((1, change) for change in singles), usual)
        if found or self.late:
            return found
        doubles = ((2, change) for change in self.doubles(singles, pieces, usual))
        return self.verified(link, doubles, usual, derived, first=True) or (
            self.verified(link, ((1, change) for change in singles), others) if others else [])

    def usual(self, link: Relation, places: list[list[Trial]]) -> tuple[list[list[Trial]], list[list[Trial]]]:
        """The readings under which the author's own right side has the right shape, else the first layout; and the others."""
        shapes = [getattr(trial[0].value(link.rhs), "shape", None) for trial in places]
        fit = [k for k, each in enumerate(places) if shapes[k] is not None and shapes[k] == getattr(each[0].wanted, "shape", ())]
        layout = places[fit[0] if fit else 0][0].valuer.reading.layout
        usual = (places[0][0].valuer.reading.layout, layout)
        chosen = [each for each in places if each[0].valuer.reading.layout in usual]
        return chosen, [each for each in places if each[0].valuer.reading.layout not in usual]

    def is_new(self, side: Term, link: Relation) -> bool:
        """Whether an edited side says more than that the left side is itself, and has no idle ones and zeros in it."""
        before = set(walk(link.rhs)) | set(walk(flat(link.rhs)))
        for part in (*walk(side), flat(side)):
            if part not in before:
                if part == link.lhs or self.is_same(part):
                    return False
                if isinstance(part, (MatMul, Hadamard)) and any(arg == ONE for arg in part.args):
                    return False
                if isinstance(part, Add) and any((isinstance(arg, Num) and not arg.value) or Neg(arg) in part.args for arg in part.args):
                    return False
        return side != link.lhs

    def is_same(self, part: Term) -> bool:
        """Whether a term is the derivative that the left side is, or that by a step's copy of the same parameter."""
        pair = as_derivative(part, self.doctor.case.theory)
        if pair is None or self.pair is None:
            return False
        copies = self.pair[1].name in self.doctor.case.theory.parameters and pair[1].name == self.pair[1].name
        return pair == self.pair or copies

    @cached_property
    def pair(self) -> tuple[Term, Sym] | None:
        """What the left side is the derivative of, and by what."""
        return as_derivative(self.line.lhs, self.doctor.case.theory)

    def verified(
        self, link: Relation, candidates: Iterator[tuple[int, Change]], places: list[list[Trial]], derived: Term | None = None, *, first: bool = False
    ) -> list[tuple[Term, int, str]]:
        """Those candidates that agree in numbers, can be written, and are found right by the judge."""
        found: list[tuple[Term, int, str]] = []
        seen: set[object] = set()
        for count, change in candidates:
            if self.late or len(found) >= SHOWN + 3:
                break
            if not any(passing(each, change.node) for each in places) or not self.is_new(change.node, link):
                continue
            line = replace(link, terms=(link.lhs, change.node))
            form = canonical(line)
            if form in seen:
                continue
            seen.add(form)
            try:
                self.doctor.hand.latex(change.node)
            except Unwritable:
                continue
            if self.doctor.is_right(line):
                whole = derived is not None and canonical(change.node) == canonical(derived) and count > 1
                found.append((change.node, 9 if whole else count, DERIVED if whole else said(change, self.write)))
                if first and len(found) > 2:
                    break
        return found

    def doubles(self, singles: list[Change], pieces: Pieces, places: list[list[Trial]]) -> Iterator[Change]:
        """Two edits: first one term of a sum edited and another one added or edited, then one edit after another."""
        yield from self.two_terms(singles, pieces, places)
        slim = replace(pieces, factors=pieces.factors[:14], paths=pieces.paths[:8])
        for reach in (1, 3, 4):
            for one in singles:
                if LIKELY.get(one.remedy, 4) > reach:
                    break
                for other in changes(one.node, slim):
                    if self.late:
                        return
                    if LIKELY.get(other.remedy, 4) <= reach:
                        yield Change(other.node, other.remedy, f"{one.words}; {other.words}", (*one.about, *other.about))

    def two_terms(self, singles: list[Change], pieces: Pieces, places: list[list[Trial]]) -> Iterator[Change]:
        """Edits of two terms of a sum at once, met in the middle: what one changes and the other lacks."""
        for each in places:
            trial = each[0]
            base = [change for change in singles if change.remedy != "path missing"]
            values = [(change, trial.value(change.node)) for change in base]
            for path in pieces.paths:
                value = trial.value(path)
                if value is None:
                    continue
                for change, whole in values:
                    if whole is None or getattr(whole, "shape", ()) != getattr(value, "shape", ()):
                        continue
                    if getattr(trial.wanted, "shape", ()) == getattr(whole, "shape", ()) and abs(whole + value - trial.wanted).max() < 1e-8:
                        args = (*_summands(change.node), path) if not isinstance(change.node, Sum) else (change.node, path)
                        yield Change(Add(args), "path missing", change.words + "; the path {} is missing", (*change.about, path))

    # --- accumulations -----------------------------------------------------------------------------------------

    def is_accumulation(self) -> bool:
        """Whether the left side stands as a term on its own right side."""
        left = self.line.lhs
        return as_derivative(left, self.doctor.case.theory) is not None and any(
            isinstance(side, Add) and left in side.args for side in self.line.terms[1:])

    def misnamed(self) -> tuple[Relation, int, str] | None:
        """`dW = dV + ...`: an accumulation that starts from the adjoint of another parameter."""
        left, side = self.line.lhs, self.line.rhs
        if not (isinstance(left, Adj) and left.of.time is None and isinstance(side, Add) and len(self.line.terms) == 2):
            return None
        other = next((arg for arg in side.args if isinstance(arg, Adj) and arg.of.time is None), None)
        if other is None:
            return None
        args = tuple(left if arg == other else arg for arg in side.args)
        return equation(left, Add(args)), 1, f"{self.write(left)} for {self.write(other)}"

    def accumulation(self, line: Relation, edits: int, words: str) -> None:
        """Edit what is added; the gradient of a parameter is tried as the sum over the steps."""
        if edits and self.add(line, edits, words):
            return
        own = isinstance(line.rhs, Add) and line.lhs in line.rhs.args
        rest = tuple(arg for arg in line.rhs.args if arg != line.lhs) if isinstance(line.rhs, Add) and own else (line.rhs,)
        share = rest[0] if len(rest) == 1 else Add(rest)
        derived = self.doctor.derived(line.lhs)
        if own and self.add(equation(line.lhs, share), edits + 1, "the left side must not stand on the right"):
            return
        places = self.summed(share)
        for change in changes(share, self.doctor.pieces(line, derived)):
            if self.late or len(self.repairs) >= SHOWN or self.judged > JUDGED * 4:
                break
            total = Sum("t", Time("", 1), Time("T"), change.node)
            if not places or any(passing(each, total) for each in places):
                self.add(accumulated(line, change.node), edits + 1, f"{words}; {said(change, self.write)}" if words else said(change, self.write))
        if not self.repairs and derived is not None:
            self.add(accumulated(line, derived.body if isinstance(derived, Sum) else derived), 9, DERIVED)

    def summed(self, share: Term) -> list[list[Trial]]:
        """The places at which the sum over the steps of a share is compared with the gradient of a parameter."""
        if self.pair is None or self.pair[1].time is not None:
            return []
        left = Partial(*self.pair)
        return trials(self.doctor.case, left, equation(left, Sum("t", Time("", 1), Time("T"), share)))


def accumulated(line: Relation, share: Term) -> Relation:
    """An accumulation of the same form with another share."""
    if "+=" in line.operators:
        return Relation((line.lhs, share), ("+=",))
    return equation(line.lhs, Add((line.lhs, *(share.args if isinstance(share, Add) else (share,)))))


LIKELY = {"squashed twice": 0, "activation side": 0, "sign": 0, "transpose": 0, "sum missing": 0, "swapped limits": 0, "stack": 0, "index": 0,
          "time": 1, "symbol": 1, "order": 1, "product for sum": 1, "multiplied": 1, "parenthesis": 1, "bracket": 1, "function": 1, "activation missing": 2, "factor too many": 2,
          "term too many": 2, "path missing": 3, "factor missing": 4}  # fmt: skip


def without_repeats(line: Relation) -> Relation:
    """A chain in which no side follows itself."""
    kept = [k for k, side in enumerate(line.terms) if not k or side != line.terms[k - 1] or len(line.terms) == 2]
    return replace(line, terms=tuple(line.terms[k] for k in kept), operators=tuple(line.operators[k - 1] for k in kept[1:]))


def canonical(node: Relation | Term) -> object:
    """A form in which commuting terms and factors have one order."""
    if isinstance(node, Relation):
        return tuple(canonical(side) for side in map(flat, node.terms))
    if isinstance(node, (Add, Hadamard)):
        return (type(node).__name__, tuple(sorted((canonical(arg) for arg in node.args), key=repr)))
    below = children(node)
    return (type(node).__name__, tuple(map(canonical, below))) if below and not isinstance(node, (Adj, Blocks)) else plain(node)


__all__ = ["Doctor", "Repair", "diagnose"]
