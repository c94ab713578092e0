r"""Mutants of the derivations, proofread: every mistake of `symlstm.mistakes` in every equation, in four notations.

    python benchmarks/proofreading.py [--sample N] [--seed S] [--missed]

For each notation and cell a document is made of the cell's equations and of claims: the equations of its derivations, or
mutants of them. Whether a mutant changes the meaning is measured on a sequence, apart from `check`. Reported are the
unmutated claims found right, the mutants that change the meaning found wrong, and those whose original is among the first
three repairs (the same formula, but for the order of commuting terms and factors). By the rules of reading, a left side that
stands on its own right side, and the share of one step, are ambiguous; those are counted apart.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from symlstm import tex, zoo
from symlstm.algebra import (
    Adj,
    Blocks,
    Diag,
    Hadamard,
    MatMul,
    Partial,
    Relation,
    Sym,
    Term,
    Transpose,
    equation,
    map_relation,
    quantity,
    transform,
    walk,
)  # fmt: skip
from symlstm.claims.checking import Document
from symlstm.claims.judging.verdicts import Verdict
from symlstm.claims.repairs.diagnosis import canonical, diagnose
from symlstm.claims.writing.lettering import kind
from symlstm.definitions.sources import source
from symlstm.dialects import NOTATIONS
from symlstm.evidence.numeric import on_sequence
from symlstm.evidence.sequence import Sequence
from symlstm.mistakes import edits
from symlstm.model import Cell
from symlstm.reader import read_all
from symlstm.restating.renaming import called, names
from symlstm.topics import sections

CELLS, TOPICS = ("rnn", "lstm"), ("gradients", "bptt")
SHOWN, TOGETHER = 3, 40  # repairs that count, and claims in one document
WORDS = {"symlstm": "ours", "pytorch": "PyTorch's names", "colah": "one matrix for [h, x]", "superscript": "time above"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A claim with a mistake in it, and the right one; `edit` is the name of the mistake."""

    original: Relation
    wrong: Relation
    edit: str


@dataclass(frozen=True, slots=True)
class Case:
    """A cell in one notation."""

    cell: Cell
    notation: str

    def latex(self, line: Relation) -> str:
        notation = NOTATIONS[self.notation]
        new, own = names(self.cell, notation), self.cell.parameter_terms
        return tex.latex(map_relation(self.joined(line), lambda side: called(side, new, own)), notation)

    def joined(self, line: Relation) -> Relation:
        """With one matrix for h and x: `W [h, x]` for `U h + W x`, and its gradient."""
        return map_relation(line, lambda side: transform(side, _stacked)) if self.notation == "colah" else line

    def claims(self) -> tuple[Relation, ...]:
        """The equations of the derivations that this notation has words for."""
        found = dict.fromkeys(
            step.relation for topic in TOPICS for step in sections(self.cell, topic)[0].steps if step.kind == "identity"
        )
        return tuple(line for line in found if self.is_told(line))

    def is_told(self, line: Relation) -> bool:
        """Whether a document can say it: nothing of what only arrives, and with one matrix neither of its halves alone."""
        parts = [part for side in line.terms for part in walk(side)]
        if any(isinstance(part, Adj) and part.arriving for part in parts):
            return False
        halves = [part for part in parts if isinstance(part, Sym) and part.name[0] in "WU"]
        if self.notation != "colah" or not halves:
            return True
        return all(part.name[0] == "W" for part in halves) and not any(part in walk(line.rhs) for part in halves)

    def definitions(self) -> str:
        """The document's definitions: the named equations of the cell, the loss, and what the deltas mean."""
        lines = [_display(self.latex(line)) for line in self.cell.named]
        ell = r"\ell^{(t)}" if self.notation == "superscript" else r"\ell_t"
        return "\n\n".join([*lines, _display(rf"L = \sum_{{t=1}}^{{T}} {ell}")])


def _stacked(node: Term) -> Term:
    """A node with the two products by h and x made one, and the outer product with x one with [h, x]."""
    column = Blocks(((quantity("h").prev,), (quantity("x"),)))
    if isinstance(node, MatMul) and len(node.args) == 2 and isinstance(node.args[0], Sym) and node.args[1] == quantity("x"):
        return MatMul((node.args[0], column))
    if isinstance(node, MatMul) and node.args[-1] == quantity("x").T:
        return MatMul((*node.args[:-1], column.T))
    args = getattr(node, "args", ())
    kept = tuple(
        arg for arg in args if not (isinstance(arg, MatMul) and isinstance(arg.args[0], Sym) and arg.args[0].name.startswith("U"))
    )
    return type(node)(kept) if kept and len(kept) < len(args) else node  # type: ignore[call-arg]


def _display(formula: str, tag: int = 0) -> str:
    return f"$$\n{formula}" + (rf" \tag{{{tag}}}" if tag else "") + "\n$$"


@cache
def cases() -> tuple[Case, ...]:
    return tuple(Case(zoo.cell(name), notation) for notation in WORDS for name in CELLS)


def mutants(case: Case) -> Iterator[Mutant]:
    """Every mutant of every claim that changes the meaning and that the notation has words for."""
    run = Sequence(case.cell)
    for line in case.claims():
        for edit, rhs in edits(line, case.cell):
            wrong = equation(line.lhs, rhs)
            if case.is_told(wrong) and not reads_alike(line.rhs, rhs) and not on_sequence(run, wrong).ok:
                yield Mutant(line, wrong, edit.name)


def reads_alike(one: Term, other: Term) -> bool:
    """Whether two terms differ only in the sign between vectors, which people leave out: `a b` for `a \\odot b`."""
    return canonical(transform(one, _unsigned)) == canonical(transform(other, _unsigned))


def _unsigned(node: Term) -> Term:
    matrices = (Transpose, Diag, Partial)
    bare = isinstance(node, MatMul) and not any(kind(arg) == "matrix" or isinstance(arg, matrices) for arg in node.args)
    return Hadamard(node.args) if isinstance(node, MatMul) and bare else node


def judged(case: Case, lines: list[Relation]) -> tuple[Document, list[Verdict]]:
    """The verdicts on claims in one document."""
    text = "\n\n".join([case.definitions(), *(_display(case.latex(line), k) for k, line in enumerate(lines, start=1))])
    document = Document(source(text))
    return document, [document.verdict(each) for each in document.source.statements if each.tag]


@dataclass
class Row:
    """The counts of one notation."""

    claims: int = 0
    right: int = 0
    mutants: int = 0
    wrong: int = 0
    ambiguous: int = 0
    repaired: int = 0
    first: int = 0
    seconds: float = 0.0

    def __add__(self, other: Row) -> Row:
        return Row(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass
class Miss:
    """A mutant whose original is not among the first repairs, or that was not found wrong."""

    latex: str
    original: str
    verdict: str
    edit: str
    fixes: tuple[str, ...]


def measured(case: Case, chosen: list[Mutant], missed: list[Miss]) -> Row:
    """The counts of one cell in one notation for some of its mutants."""
    claims = list(case.claims())
    row = Row(len(claims), sum(verdict.verdict == "right" for verdict in judged(case, claims)[1]))
    for start in range(0, len(chosen), TOGETHER):
        group = chosen[start : start + TOGETHER]
        document, verdicts = judged(case, [mutant.wrong for mutant in group])
        for mutant, verdict in zip(group, verdicts, strict=True):
            row += _one(case, document, mutant, verdict, missed)
    return row


def _one(case: Case, document: Document, mutant: Mutant, verdict: Verdict, missed: list[Miss]) -> Row:
    before = time.perf_counter()
    found = diagnose(verdict, document)
    taken = time.perf_counter() - before
    original = case.latex(mutant.original)
    wanted = canonical(_read(original, document))
    first = any(canonical(_read(fix, document)) == wanted for fix in found.fixes[:SHOWN])
    if not first:
        missed.append(Miss(verdict.latex, original, verdict.verdict, mutant.edit, found.fixes))
    return Row(
        0, 0, 1, int(verdict.verdict == "wrong"), int(verdict.verdict == "ambiguous"), int(bool(found.fixes)), int(first), taken
    )


def _read(latex: str, document: Document) -> Relation:
    found = read_all(latex, document.source.conventions)[0]
    assert isinstance(found, Relation)
    return found


def measure(sample: int | None = None, seed: int = 0) -> tuple[dict[str, Row], list[Miss]]:
    """The counts for each notation; of all mutants, or of a sample spread over all notations and cells."""
    every = [(case, mutant) for case in cases() for mutant in mutants(case)]
    if sample is not None and sample < len(every):
        every = random.Random(seed).sample(every, sample)
    rows = {notation: Row() for notation in WORDS}
    missed: list[Miss] = []
    for case in cases():
        rows[case.notation] += measured(case, [mutant for other, mutant in every if other is case], missed)
    return rows, missed


def table(rows: dict[str, Row]) -> str:
    """The counts as Markdown."""
    heads = (
        "notation",
        "unmutated: right",
        "mutants: wrong",
        "ambiguous",
        "repaired",
        "original among the first three",
        "s a repair",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    total = Row()
    for name, row in (*rows.items(), ("all", total)):
        if name != "all":
            total += row
        row = total if name == "all" else row
        share = f"{row.first} of {row.wrong} ({100 * row.first / max(row.wrong, 1):.1f} %)"
        wrong, right = f"{row.wrong} of {row.mutants}", f"{row.right} of {row.claims}"
        seconds = f"{row.seconds / max(row.wrong, 1):.2f}"
        lines.append(
            f"| {' | '.join((WORDS.get(name, name), right, wrong, str(row.ambiguous), str(row.repaired), share, seconds))} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--missed", action="store_true", help="list the mutants without their original among the repairs")
    given = parser.parse_args()
    rows, missed = measure(given.sample, given.seed)
    print(table(rows))
    for miss in missed if given.missed else ():
        print(f"\n{miss.edit}: {miss.verdict}\n  {miss.latex}\n  original {miss.original}")
        for fix in miss.fixes:
            print(f"  repair   {fix}")


if __name__ == "__main__":
    main()
