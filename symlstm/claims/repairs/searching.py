"""The search for the nearest right formula: one edit at every place, then two, then the derived formula."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from symlstm.algebra import (
    Add,
    Adj,
    Blocks,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Partial,
    Relation,
    Sum,
    Sym,
    Term,
    Time,
    children,
    equation,
    plain,
    term,
    walk,
)  # fmt: skip
from symlstm.claims.judging.shares import as_derivative
from symlstm.claims.remedies.pieces import Pieces
from symlstm.claims.remedies.table import Change, changes, said
from symlstm.claims.repairs.doctors import Doctor, summands
from symlstm.claims.repairs.numbers import recomputed
from symlstm.claims.repairs.trials import Trial, passing, trials
from symlstm.claims.writing.hand import Unwritable
from symlstm.claims.writing.lettering import flat

WORK, EDIT = 80_000, 2  # terms that are worked out in the search for one claim, about a second; and what an edit counts
SHOWN = 5  # repairs that are listed
JUDGED = 24  # candidates that are judged in full
ONE = term(1)

DERIVED = "no small edit makes it right; this is the derived formula"

LIKELY = {name: rank for rank, names in enumerate((  # which remedies are tried first
    "squashed twice, activation side, sign, transpose, sum missing, swapped limits, stack, index",
    "time, symbol, order, product for sum, sum for product, multiplied, parenthesis, bracket, function",
    "activation missing, factor too many, term too many",
    "path missing",
    "factor missing",
)) for name in names.split(", ")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repair:
    """A right formula: the relation, how far it is from the wrong one, its LaTeX, and what was wrong, in words."""

    relation: Relation
    edits: int
    latex: str
    words: str


@dataclass
class Search:
    """The search for the repairs of one relation, with so much work: terms that are worked out, and edits that are made."""

    doctor: Doctor
    line: Relation
    work: int = WORK
    edits: int = 0
    judged: int = 0
    repairs: list[Repair] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = self.doctor.spent

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
        """Whether the work is done up: it does not depend on the machine, so neither does what is found."""
        return self.doctor.spent - self.before + EDIT * self.edits > self.work

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
                found.append((derived, 9, DERIVED if self.doctor.is_right(line) else DERIVED + ", as the share of one step"))
        return found

    def tried(
        self, link: Relation, pieces: Pieces, places: list[list[Trial]], derived: Term | None
    ) -> list[tuple[Term, int, str]]:
        """The edits of one link that the judge finds right: one edit, two, or one under another layout of derivatives."""
        singles = sorted(changes(link.rhs, pieces), key=lambda change: LIKELY.get(change.remedy, 4))
        usual, others = self.usual(link, places)
        found = self.verified(link, ((1, change) for change in singles), usual)
        if found or self.late:
            return found
        doubles = ((2, change) for change in self.doubles(singles, pieces, usual))
        return self.verified(link, doubles, usual, derived, first=True) or (
            self.verified(link, ((1, change) for change in singles), others) if others else []
        )

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
                if isinstance(part, Add) and any(
                    (isinstance(arg, Num) and not arg.value) or Neg(arg) in part.args for arg in part.args
                ):
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
        self,
        link: Relation,
        candidates: Iterator[tuple[int, Change]],
        places: list[list[Trial]],
        derived: Term | None = None,
        *,
        first: bool = False,
    ) -> list[tuple[Term, int, str]]:
        """Those candidates that agree in numbers, can be written, and are found right by the judge."""
        found: list[tuple[Term, int, str]] = []
        seen: set[object] = set()
        for count, change in candidates:
            self.edits += 1
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
                    self.edits += 1
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
                    if (
                        getattr(trial.wanted, "shape", ()) == getattr(whole, "shape", ())
                        and abs(whole + value - trial.wanted).max() < 1e-8
                    ):
                        args = (*summands(change.node), path) if not isinstance(change.node, Sum) else (change.node, path)
                        yield Change(Add(args), "path missing", change.words + "; the path {} is missing", (*change.about, path))

    # --- accumulations -----------------------------------------------------------------------------------------

    def is_accumulation(self) -> bool:
        """Whether the left side stands as a term on its own right side."""
        left = self.line.lhs
        return as_derivative(left, self.doctor.case.theory) is not None and any(
            isinstance(side, Add) and left in side.args for side in self.line.terms[1:]
        )

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
            self.edits += 1
            if self.late or len(self.repairs) >= SHOWN or self.judged > JUDGED * 4:
                break
            total = Sum("t", Time("", 1), Time("T"), change.node)
            if not places or any(passing(each, total) for each in places):
                self.add(
                    accumulated(line, change.node),
                    edits + 1,
                    f"{words}; {said(change, self.write)}" if words else said(change, self.write),
                )
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
