r"""`check`: what a person or a program asks of the judge. A text, a file or a relation in, verdicts out.

>>> found = check(r"$$ h_t = \tanh(W x_t + U h_{t-1}) $$ $$ h_t = \tanh(W x_t - U h_{t-1}) \tag{1} $$")
>>> found[0].tag, found[0].verdict
('1', 'wrong')

`proofread` says the same of a `Page` and keeps the places of the formulas, for reports and annotated copies.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from symlstm.algebra import NotValid, Relation, SymlstmError, plain
from symlstm.claims.checking import Document, check_relation, source_about
from symlstm.claims.judging.verdicts import Verdict
from symlstm.claims.models.counterparts import relation_of
from symlstm.claims.models.oddities import warnings
from symlstm.claims.repairs.diagnosis import diagnose
from symlstm.claims.repairs.trials import FAILURES
from symlstm.definitions.pages import BYTES, Page, kind_of, opened
from symlstm.definitions.sources import LIMIT, Source, Statement
from symlstm.dialects import notation_of
from symlstm.model import Cell
from symlstm.notation import HOUSE, Notation
from symlstm.reader import directives
from symlstm.reader.documents import SCAN
from symlstm.restating import restated
from symlstm.turning import to_rows
from symlstm.zoo import cell as cell_of

REPAIRED = 40  # wrong claims of one document for which a repair is searched
LONGEST = 1500  # characters of a wrong claim for which a repair is searched
TOO_MANY = f"A repair is searched for at most {REPAIRED} wrong claims, none in a document of more than {LIMIT} formulas."
FAILED = "The search for a repair broke off"
TOO_LONG = f"A repair is searched for a formula of at most {LONGEST} characters."


@dataclass(frozen=True, slots=True)
class Proof:
    """A page with its statements and what is said of each: claims and definitions, in the order of the page.

    `match` says, where a cell of the zoo is the definition, what its quantities are called on this page.
    """

    page: Page
    source: Source
    verdicts: tuple[Verdict, ...]
    match: tuple[str, ...] = ()

    @property
    def claims(self) -> tuple[Verdict, ...]:
        """What is said of the claims, and of what cannot be read."""
        return tuple(each for each in self.verdicts if each.role == "claim" or each.verdict != "right")

    def statement(self, verdict: Verdict) -> Statement:
        """The statement that a verdict is about."""
        return self.source.statements[verdict.number - 1]


def check(subject: Any, cell: Any = None, notation: Notation | str | os.PathLike[str] | None = None) -> list[Verdict]:
    """Judge a document or a relation: one verdict for each claim, in the order of the document.

    `subject` is a text (`str`), a file (`os.PathLike`), a SymPy relation, or a step of a derivation or its equation;
    relations are judged as statements about `cell`, a cell or the name of one. `notation` says in whose letters, and whether
    about rows: the definitions are then those of the cell in that notation, whatever the document prints. Raises `NotValid`
    for what is no document, and for a relation or a notation without a cell.

    >>> import symlstm as sl
    >>> [step] = [step for step in sl.derive("lstm", "gradients").steps if step.name == "adjoint of f"]
    >>> check(step.equation, cell="lstm")[0].verdict
    'right'
    """
    if isinstance(subject, str):
        if len(subject) > BYTES:
            raise NotValid(f"The text has {len(subject):,} characters; the limit is {BYTES:,}.")
        return list(proofread(Page("", subject, kind_of("", subject)), cell, notation=notation).claims)
    if isinstance(subject, os.PathLike):
        return list(proofread(opened(Path(subject)), cell, notation=notation).claims)
    return [_of_relation(subject, cell, notation)]


def proofread(page: Page, cell: Any = None, bare: bool = False, notation: Any = None) -> Proof:
    """Judge every statement of a page; definitions are right unless they do not fit together."""
    told = notation if notation is not None else directives(page.text).get("notation")
    style = None if told is None else notation_of(told)
    if style is not None:
        cell = _in_notation(cell or directives(page.text).get("cell"), style)
    found = source_about(page.text, page.kind, cell, bare, style)
    with np.errstate(all="ignore"):  # what is no number is said in the verdict
        document = Document(found, cell, style)
        return Proof(page, found, tuple(_verdicts(document, page.name)), document.match.words)


def _in_notation(cell: Any, notation: Notation) -> Cell:
    if cell is None:
        right = 'a cell: cell="lstm", --cell lstm, or <!-- cell: lstm --> in the document'
        raise NotValid("A notation is for a cell, and nothing says which.", f"notation {notation.name}", right)
    return restated(cell, notation)


def _verdicts(document: Document, name: str) -> Iterator[Verdict]:
    """What is said of every statement that claims or defines something, with repairs for what is wrong."""
    wrong = 0
    searched = REPAIRED if len(document.source.statements) <= LIMIT else 0
    for each in document.source.statements:
        if document.is_claim(each):
            verdict = _in_their_words(document.verdict(each, name), each)
            wrong += verdict.verdict == "wrong"
            known = verdict.verdict != "wrong" or verdict.fixes or verdict.counterexample
            if known:
                yield verdict
            elif wrong > searched or len(each.latex) > LONGEST:
                yield replace(verdict, warnings=(*verdict.warnings, TOO_MANY if wrong > searched else TOO_LONG))
            else:
                yield _diagnosed(verdict, document)
        elif each.role == "definition":
            yield Verdict(each.line, each.number, each.tag, "definition", each.latex, "right", "definition",
                          "It is taken as a definition.", warnings=warnings(document.odd, each), file=name)  # fmt: skip


def _diagnosed(verdict: Verdict, document: Document) -> Verdict:
    """A wrong verdict with what would be right. The verdict stands even where the search for it fails, and that is said."""
    try:
        return diagnose(verdict, document)
    except FAILURES as problem:
        return replace(verdict, warnings=(*verdict.warnings, f"{FAILED} ({type(problem).__name__}: {problem})."))


def _in_their_words(verdict: Verdict, statement: Statement) -> Verdict:
    """The verdict with the links of a chain as they stand in the document."""
    text = statement.formulas[0].text
    signs = relation_signs(text)
    if len(verdict.links) < 2 or len(signs) != len(verdict.links):
        return verdict
    starts, stops = [0, *(sign.end() for sign in signs[:-1])], [*(sign.start() for sign in signs[1:]), len(text)]
    pieces = [" ".join(text[start:stop].split()) for start, stop in zip(starts, stops, strict=True)]
    return replace(verdict, links=tuple(replace(link, latex=piece) for link, piece in zip(verdict.links, pieces, strict=True)))


def relation_signs(text: str) -> list[re.Match[str]]:
    r"""The relation signs of a formula that stand outside of all brackets.

    >>> [sign[0] for sign in relation_signs(r"a = f(x = 1) \le \sum_{k=1} c")]
    ['=', '\\le']
    """
    depth, signs = 0, []
    for part in SCAN.finditer(text):
        depth += {"open": 1, "close": -1}.get(part.lastgroup or "", 0)
        if part.lastgroup == "relation" and not depth:
            signs.append(part)
    return signs


# --- relations without a document -------------------------------------------------------------------------------


def _of_relation(subject: Any, cell: Any, notation: Any = None) -> Verdict:
    """The verdict on one relation about a cell: ours, SymPy's, or a step's."""
    if cell is None:
        raise NotValid("Nothing says which cell this relation is about.", _said(subject), 'check(relation, cell="lstm")')
    model = cell if isinstance(cell, Cell) else cell_of(cell)
    style = HOUSE if notation is None else notation_of(notation)
    model = model if notation is None else restated(model, style)
    claim = relation_of(subject, model)
    shown = to_rows(claim, model.shapes) if style.vectors == "rows" else claim
    with np.errstate(all="ignore"):
        return replace(check_relation(claim, model), latex=_said(shown), line=1, number=1)  # what is right is `sl.derive(cell)`


def _said(subject: Any) -> str:
    """A relation as LaTeX where that is possible, for messages and verdicts."""
    from symlstm import tex

    if not isinstance(subject, Relation):
        return str(subject)
    try:
        return tex.latex(subject)
    except SymlstmError:
        return plain(subject)

