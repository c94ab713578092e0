r"""The judge alone: a document in, a verdict for each of its claims out. Repairs are for `symlstm.claims.proofreading`.

>>> [verdict.verdict for verdict in judged(r"$$ h_t = \tanh(W x_t + U h_{t-1}) $$ $$ h_t = \tanh(U h_{t-1} + W x_t) \tag{1} $$")]
['right']
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from symlstm.algebra import (
    SOME,
    Adj,
    Apply,
    NotValid,
    Ones,
    Relation,
    Sym,
    SymlstmError,
    Term,
    Transpose,
    plain,
    size,
    substitute,
    term,
    walk,
)  # fmt: skip
from symlstm.claims.exactness.proving import proved
from symlstm.claims.judging.judgement import Case, Judged, judge
from symlstm.claims.judging.verdicts import Link, Outlook, Verdict, Word
from symlstm.claims.models.arithmetic import NO_VALUE
from symlstm.claims.models.counterparts import relation_of
from symlstm.claims.models.matching import Match, has_stacks, match, names_of
from symlstm.claims.models.oddities import strangers, warnings
from symlstm.claims.models.runs import Run
from symlstm.claims.models.sizes import Clash, Sizes, sizes
from symlstm.definitions.grounds import grounded
from symlstm.definitions.meanings import PRE, Theory
from symlstm.definitions.sources import Source, Statement, source
from symlstm.definitions.theories import theory
from symlstm.model import Cell
from symlstm.notation import Notation
from symlstm.reader import PEOPLE, Conventions, Formula, Kind, directives
from symlstm.reader.tokens import Product
from symlstm.tex import latex
from symlstm.zoo import cell as zoo_cell

AT_LEAST, WORK = 300, 200_000  # formulas that are judged in any case, and the work (terms) after which no others are
SPREAD = "A number in a sum with a vector is read as the constant vector."
ORDER: tuple[Word, ...] = ("wrong", "unreadable", "ambiguous", "right")


def judged(what: str | os.PathLike[str] | Any, cell: str | Cell | None = None) -> list[Verdict]:
    """Judge claims: those of a text, of a file (`os.PathLike`), or one relation (ours, a `Step`, or SymPy's) about a cell.

    One verdict for each claim, in the order of the document. `cell` is a cell, or the name of one in the zoo, that gives
    the definitions; a relation needs it. Raises `NotValid` for an unknown cell or a relation without one.
    """
    if isinstance(what, os.PathLike):
        path = Path(what)
        content = path.read_text(encoding="utf-8", errors="replace")
        return check_source(source_about(content, "tex" if path.suffix == ".tex" else "md", cell), cell, file=str(path))
    if isinstance(what, str):
        return check_source(source_about(what, "tex" if "\\begin{document}" in what else "md", cell), cell)
    return [check_relation(what, cell)]


def source_about(
    text: str, kind: Kind = "md", cell: str | Cell | None = None, bare: bool = False, notation: Notation | None = None
) -> Source:
    """Read a document; if it is about a cell that is known, then in the light of that cell's names and of its notation."""
    named = cell or directives(text).get("cell")
    chosen = zoo_cell(named) if isinstance(named, str) else named
    return source(text, kind, bare, told=names_of(chosen) if chosen is not None else ((), ()), start=_conventions(notation))


def _conventions(notation: Notation | None) -> Conventions:
    """What people write, with the signs of a notation that is told."""
    if notation is None:
        return PEOPLE
    signs: dict[str, Product] = {notation.product: "matrix"} if notation.product else {}
    products = {**PEOPLE.products, **signs, notation.elementwise: "hadamard"}
    return replace(PEOPLE, products=products, adjoint=notation.adjoint, arriving=notation.arriving)


def check_source(found: Source, cell: str | Cell | None = None, file: str = "") -> list[Verdict]:
    """Judge the claims of a document that has been read."""
    document = Document(found, cell)
    return [document.verdict(statement, file) for statement in document.source.statements if document.is_claim(statement)]


def check_relation(what: Any, cell: str | Cell | None) -> Verdict:
    """Judge one relation about a cell: `delta` is the adjoint of the loss, and the arguments of the gates have their names."""
    if cell is None:
        raise NotValid("A relation is judged about a cell.", repr(what), 'check(relation, "lstm")')
    chosen = cell if isinstance(cell, Cell) else zoo_cell(cell)
    line = relation_of(what, chosen)
    lengths = (size(chosen.state_terms[0], Sym("n")), *(size(each, Sym("m")) for each in chosen.input_terms[:1]))
    definitions = (*chosen.named, *lengths, *(size(Sym(name), *declared) for name, declared in chosen.sizes.items()))
    formulas = [Formula(plain(each), number) for number, each in enumerate((*definitions, line), start=1)]
    statements = tuple(
        Statement(number, (formula,), (each,), role="definition")
        for number, (formula, each) in enumerate(zip(formulas, definitions, strict=False), start=1)
    )
    claim = Statement(len(formulas), (formulas[-1],), (line,), role="claim")
    document = Document(Source((*statements, claim), PEOPLE, {}))
    for run in (run for case in document.cases for run in case.runs):
        run.strict = True
    return document.verdict(claim)


class Document:
    """A source with its cases (one for each reading of the document), ready to judge any statement or relation."""

    def __init__(self, found: Source, cell: str | Cell | None = None, notation: Notation | None = None) -> None:
        """`notation` is the one that the document is told to be in, and the cell is in it."""
        self.source, self.notation = found, notation
        named = cell or found.directives.get("cell")
        self.cell = zoo_cell(named) if isinstance(named, str) else named
        self.broken: dict[str, str] = {}
        self.chains: dict[int, bool] = {}  # whether the definition of that number goes on as a chain that breaks
        self.match = Match()
        self.cases = tuple(self.make_cases())

    # --- the model ---------------------------------------------------------------------------------------------

    def make_cases(self) -> Iterable[Case]:
        if self.cell is not None:
            lines = [line for statement in self.source.statements for line in statement.relations]
            used = frozenset(part for line in lines for part in walk(line) if isinstance(part, Sym))
            self.match = match(theory(self.source), self.cell, used, has_stacks(lines), self.notation)
        made = self.grounded_theory()
        self.broken |= made.broken | self.match.wrong
        for apart in (True, False):
            blamed = False
            for only in ("vectors", "kinds"):
                for rows in self.orientations()[: 1 if blamed else 2]:
                    try:
                        fitted = sizes(made, rows, apart, only)
                    except Clash as clash:
                        blamed = blamed or (apart and clash.name in self.tagged and not rows)
                    else:
                        return self.cases_of(made, fitted)
                    if blamed:
                        break
            if blamed:
                break
        return self.cases_of(made, self.repaired(made))

    def grounded_theory(self) -> Theory:
        """The theory of the text and of the cell that it is about, without the lines that rest on nothing."""
        found, without = self.match, self.match.given | self.match.wrong.keys()
        made = theory(self.source, found.extra, without)
        given = {line.lhs.name for line in found.extra if isinstance(line.lhs, Sym)} | {*found.names.values(), *found.given}
        grounds = grounded(self.source, made, given)
        if grounds.source is not self.source:
            self.source = grounds.source
            made = theory(self.source, (*found.extra, *grounds.lines), without)
            made.missing = grounds.missing
        if self.cell is not None:
            own = [made.same.get(each.name, each.name) for each in self.cell.state_terms] if found.given else []
            states = [*dict.fromkeys(own)]  # h_t = c_t makes one state of two
            made.states = [*states, *(name for name in made.states if name not in states)]
            names = (*made.steps, *made.inputs, *made.parameters)
            made.kinds = {name: kind for name, kind in found.kinds.items() if name in names}
        return made

    @cached_property
    def tagged(self) -> set[str]:
        """The quantities that tagged equations define: where these do not fit, they are the ones to blame."""
        return {
            line.lhs.name
            for statement in self.source.statements
            if statement.role == "both"
            for line in statement.relations
            if isinstance(line.lhs, Sym)
        }

    @cached_property
    def odd(self) -> dict[str, tuple[str, ...]]:
        """Names of parameters that look mistaken, where none is declared."""
        return strangers(self.source, self.cases[0].theory) if self.cases and not self.cases[0].declared else {}

    @property
    def in_rows(self) -> bool:
        """Whether the document is told to be about rows; a Jacobian has then a row for each entry of what it is taken by."""
        return self.notation is not None and self.notation.vectors == "rows"

    @cached_property
    def letters(self) -> tuple[str, ...]:
        """The quantities of the cell and their adjoints as the notation that is told writes them, times where the document has
        them: for what the document does not write."""
        if self.notation is None or self.cell is None:
            return ()
        shapes, time = self.cell.shapes, self.notation.time
        above = any(re.search(r"[a-z}]\s*\^\s*\{\s*\(\s*t", each.latex) for each in self.source.statements)
        time = "bare" if self.source.conventions.superscript else "above" if above else time
        notation = replace(self.notation.knowing(shapes.parameters, shapes.numbers), time=time, transpose=r"\top")
        steps = [line.lhs for line in self.cell.named if isinstance(line.lhs, Sym)]
        around = [each.prev for each in self.cell.state_terms] + [*self.cell.input_terms, *self.cell.parameter_terms]
        return tuple(latex(each, notation) for each in (*steps, *around, *map(Adj, (*steps, *self.cell.input_terms))))

    def orientations(self) -> tuple[bool, ...]:
        said = self.notation.vectors if self.notation is not None else self.source.directives.get("vectors")
        return (True,) if said == "rows" else (False,) if said == "columns" else (False, True)

    def repaired(self, made: Theory) -> Sizes:
        """Take out equations that do not fit, one by one, and remember why; for rows or columns, whichever needs fewer."""
        plans = [plan for rows in self.orientations() if (plan := _repair(made, rows)) is not None]
        broken, rows = min(plans, key=lambda plan: len(plan[0]), default=({}, False))
        self.broken |= broken
        for name in broken:
            _take_out(made, name)
        return sizes(made, rows)

    def cases_of(self, made: Theory, fitted: Sizes) -> Iterable[Case]:
        try:
            runs = tuple(Run(made, fitted, seed) for seed in range(2))
        except (*NO_VALUE, ArithmeticError, ValueError) as problem:
            yield from self.cases_of(*self.without_failing(made, problem))
            return
        self.source = _fitting(self.source, made.letters - fitted.letters.keys())
        declared = self.cell is not None or sum(name in made.parameters for name in made.sizes) > 1
        greek = any(re.search(r"\\delta|δ", each.latex) for each in self.source.statements)
        made.settled = set() if greek else set(made.states)  # dh_t is the gradient of h_t itself
        if self.notation is not None:
            made.settled |= self.match.given  # and each delta is one of what it names
        open_deltas = self.has_open_deltas(made)
        for before in (False, True) if open_deltas else (False,):
            words = ("a delta before the activation" if before else "a delta behind the activation") if open_deltas else ""
            direct = self.source.directives.get("derivative", "").strip() == "direct"
            yield Case(made, fitted, runs, before, declared, words, direct, "transposed" if self.in_rows else "column")

    def without_failing(self, made: Theory, problem: Exception) -> tuple[Theory, Sizes]:
        """The theory without the first equation, in order of evaluation, that has no value."""
        for place in range(len(made.steps)):
            trial = copy.deepcopy(made)
            for name in [*trial.steps][place + 1 :]:
                _take_out(trial, name)
            try:
                Run(trial, sizes(trial, False), 0)
            except (*NO_VALUE, ArithmeticError, ValueError, Clash):
                name = [*made.steps][place]
                self.broken[name] = f"it has no value here ({problem})"
                _take_out(made, name)
                break
        else:
            raise problem
        return made, self.repaired(made)

    def has_open_deltas(self, made: Theory) -> bool:
        """Whether some `\\delta` of a gate is not defined, and the gate's argument has no name of its own.

        What an exponential gate is made of has a name wherever it is written about.
        """
        for statement in self.source.statements:
            for line in statement.relations:
                for part in (part for side in line.terms for part in walk(side)):
                    if (
                        isinstance(part, Adj)
                        and part.of.name not in made.adjoints
                        and part.of.name not in made.settled
                        and part.of.name + PRE in made.steps
                        and not _is_exponential(made, part.of.name)
                    ):
                        return True
                    if (
                        isinstance(part, Sym)
                        and part.name == "delta"
                        and not made.lazy(part)
                        and made.states
                        and made.states[0] + PRE in made.steps
                    ):
                        return True
        return False

    # --- verdicts ----------------------------------------------------------------------------------------------

    def is_claim(self, statement: Statement) -> bool:
        """Whether a statement is to be judged; a definition is, where it does not fit the others."""
        if statement.role in ("claim", "both") or statement.error is not None or self.breaks(statement):
            return True
        return any(isinstance(line.lhs, Sym) and line.lhs.name in self.broken for line in statement.relations)

    def breaks(self, statement: Statement) -> bool:
        """Whether a definition goes on as a chain, `z = A = B`, of which a later link is wrong: then that is a claim.

        So is an equation that differs from that of the cell.
        """
        lines = enumerate(statement.relations) if statement.role == "definition" and self.cases else ()
        chained = lambda line: len(line.operators) > 1 and set(line.operators) <= {"=", "~"}
        claims = [k for k, line in lines if self.is_given(line) or chained(line)]
        if statement.number not in self.chains:
            found = (self.judged(statement, k).verdict for k in claims)
            self.chains[statement.number] = any(verdict in ("wrong", "ambiguous") for verdict in found)
        return self.chains[statement.number]

    def is_given(self, line: Relation) -> bool:
        """Whether a relation is about a quantity whose equation the cell gives."""
        return isinstance(line.lhs, Sym) and line.lhs.name in self.match.given and line.operators[0] == "="

    def verdict(self, statement: Statement, file: str = "") -> Verdict:
        """The verdict of one statement."""
        common: dict[str, Any] = {
            "line": statement.line, "number": statement.number, "tag": statement.tag, "latex": statement.latex, "file": file,
            "role": "definition" if statement.role == "definition" and not self.breaks(statement) else "claim",
            "warnings": warnings(self.odd, statement),
        }  # fmt: skip
        if statement.error is not None:
            return Verdict(verdict="unreadable", reason=str(statement.error), **common)
        if not statement.relations:
            return Verdict(verdict="unreadable", reason="There is no relation here.", **common)
        if statement.number > AT_LEAST and sum(run.spent + run.work for case in self.cases for run in case.runs) > WORK:
            reason = f"It is not judged: of more than {AT_LEAST} formulas, as many are as a bounded amount of work allows."
            return Verdict(verdict="unreadable", reason=reason, **common)
        broken = next(
            (
                self.broken[line.lhs.name]
                for line in statement.relations
                if isinstance(line.lhs, Sym) and line.lhs.name in self.broken
            ),
            "",
        )
        if broken:
            return Verdict(
                verdict="wrong",
                method="shape",
                reason=broken if broken[0].isupper() else f"It does not fit the other definitions: {broken}.",
                **common,
            )
        stranger = self.stranger(statement)
        if stranger:
            return Verdict(
                verdict="wrong", method="reading", reason=f"{stranger} is not among the parameters that are declared.", **common
            )
        judged = [self.judged(statement, k) for k in range(len(statement.relations))]
        worst = min(judged, key=lambda each: ORDER.index(each.verdict))
        shown = [proved(self.cases, each) or each.method == "exact" for each in judged] if worst.verdict == "right" else [""]
        exact = all(shown)
        if exact and self.only_defines(statement):
            shown = ["It is the definition: nothing else says what its left side is."]
        if any(each.outcome is not None and each.outcome.spread for each in judged):
            common["warnings"] += (SPREAD,)
        return Verdict(
            verdict=worst.verdict,
            method="exact" if exact else worst.method,
            reason=" ".join(dict.fromkeys(each for each in shown if isinstance(each, str))) if exact else worst.reason,
            links=_links(worst, statement),
            readings=tuple(Outlook(words, word) for words, word in worst.readings),
            judged=worst,
            case=self.cases[0],
            **common,
        )

    def only_defines(self, statement: Statement) -> bool:
        """Whether a tagged equation is taken at its word, for nothing else in the text or the cell says what its left side is."""
        lines = statement.relations
        single = all(line.operators == ("=",) and isinstance(line.lhs, (Sym, Adj)) for line in lines)
        return statement.role == "both" and single and not any(_is_of(line, self.match.given) for line in lines)

    def stranger(self, statement: Statement) -> str:
        """A parameter that is not declared, in a family of which at least three others are."""
        if not self.cases:
            return ""
        made = self.cases[0].theory
        declared = [name for name in made.sizes if name in made.parameters]
        lines = [line for line in statement.relations if "in" not in line.operators]
        parts = (part for line in lines for side in line.terms for part in walk(side))
        for part in parts:
            free = isinstance(part, Sym) and part.time is None and part.name in made.parameters and part.name not in declared
            if free and isinstance(part, Sym) and sum(name[0] == part.name[0] for name in declared) > 2:
                return part.name
        return ""

    def judged(self, statement: Statement, place: int) -> Judged:
        """The judgement of one relation of a statement over all readings of the document."""
        line = statement.relations[place]
        try:
            others = [(lines[place], outer) for lines, outer in self.source.otherwise(statement) if place < len(lines)]
        except SymlstmError:
            others = []
        found = [judge(case, line, others) for case in self.cases]
        for each in found:
            each.line = line
        words = {each.verdict for each in found}
        if len(words) == 1 or (self.match.given and found[0].verdict == "right"):
            return found[0]  # in the cell's own notation a delta is that of the gate itself
        shown: list[tuple[str, Word]] = [(case.words, each.verdict) for case, each in zip(self.cases, found, strict=True)]
        right = next((case.words for case, each in zip(self.cases, found, strict=True) if each.verdict == "right"), "")
        return Judged(
            "ambiguous",
            f"It depends on what is meant: right with {right}." if right else "It depends on what is meant.",
            found[0].method,
            found[0].outcome,
            shown,
            line,
            line,
        )


def _is_of(line: Relation, names: frozenset[str]) -> bool:
    left = line.lhs.of if isinstance(line.lhs, Adj) else line.lhs
    return isinstance(left, Sym) and left.name in names


def _is_exponential(made: Theory, name: str) -> bool:
    body = made.steps.get(name)
    return isinstance(body, Apply) and body.function == "exp"


def _repair(made: Theory, rows: bool) -> tuple[dict[str, str], bool] | None:
    """Which equations do not fit, and why; None where no selection of equations would."""
    trial = copy.deepcopy(made)
    broken: dict[str, str] = {}
    while True:
        try:
            sizes(trial, rows)
            return broken, rows
        except Clash as clash:
            if clash.name not in trial.steps:
                return None
            broken[clash.name] = str(clash)
            _take_out(trial, clash.name)


def _fitting(found: Source, letters: Iterable[str]) -> Source:
    """The text with columns of ones as long as fits, `\\mathbf{1}_H`, where only words say what the letter H is."""
    columns = [Ones(Sym(letter)) for letter in sorted(letters)]
    rows: dict[Term, Term] = {Transpose(each): Transpose(Ones(SOME)) for each in columns}
    others: dict[Term, Term] = dict.fromkeys(columns, term(1))

    def fitted(line: Relation) -> Relation:
        return replace(line, terms=tuple(substitute(substitute(side, rows), others) for side in line.terms))

    statements = (replace(each, relations=tuple(map(fitted, each.relations))) for each in found.statements)
    return replace(found, statements=tuple(statements)) if columns else found


def _take_out(made: Theory, name: str) -> None:
    """A quantity whose equation is taken out is given from outside."""
    del made.steps[name]
    made.inputs.append(name)
    if name in made.states:
        made.states.remove(name)


def _links(judged: Judged, statement: Statement) -> tuple[Link, ...]:
    """The single comparisons of a chain; the terms as they were read."""
    found, line = judged.outcome, judged.line
    if found is None or line is None or len(line.operators) < 2 or len(found.good) != len(line.operators):
        return ()
    del statement
    return tuple(
        Link(f"{_said(left)} {operator} {_said(right)}", found.link(k)) for k, (left, operator, right) in enumerate(line.links())
    )


def _said(term: Term) -> str:
    from symlstm import tex

    try:
        return tex.latex(term)
    except SymlstmError:
        return plain(term)


__all__ = ["Document", "check_source", "judged"]
