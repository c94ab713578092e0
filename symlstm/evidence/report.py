"""What supports a derivation: exact proof, numbers, and its LaTeX read back, gathered into a report.

Every relation of a derivation is looked at in all three ways, those inside reasons, paragraphs and tables too. What a
way means for each kind of relation is a row of `EXACT` and `NUMERIC`. The LaTeX is read from the exported text by a
reader that shares nothing with the writer, and its k-th piece must mean what the k-th piece of the derivation means.

>>> from symlstm.derivation import derive
>>> report = verify(derive("rnn", "gradients"))
>>> report.ok, [found.method for found in report.rows[0].evidence]
(True, ['exact', 'numeric', 'readback'])
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from symlstm import document, reader, tex
from symlstm.algebra import (
    Apply,
    Blocks,
    Interval,
    Limit,
    Listed,
    NotSupported,
    NotValid,
    Num,
    Prime,
    Relation,
    Space,
    Sym,
    Term,
    children,
    plain,
    walk,
)
from symlstm.derivation import Derivation, derive
from symlstm.evidence import bounds, chances, limits, numeric, scalars
from symlstm.evidence.components import differing, same
from symlstm.evidence.proof import Proof
from symlstm.evidence.recomputed import FLOAT, PRECISE, Arithmetic, Recomputed
from symlstm.evidence.scalars import Decision, is_scalar
from symlstm.evidence.sequence import Sequence as Run
from symlstm.model import Cell
from symlstm.notation import HOUSE, Notation
from symlstm.prose import Text, plain_prose
from symlstm.shapes import Shapes
from symlstm.steps import Block, Kind, Section, Step, fragments
from symlstm.turning import to_columns

Method = Literal["exact", "numeric", "readback", "oracle"]
Form = Literal["tex", "md"]
Found = Relation | Term | Exception


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one way of looking says of one relation: whether it holds, and exactly what was shown."""

    method: Method
    ok: bool
    words: Text
    max_rel_error: float | None = None

    @property
    def note(self) -> str:
        """What was shown, as plain text."""
        return plain_prose(self.words)


@dataclass(frozen=True, slots=True)
class Row:
    """One relation with its evidence."""

    topic: str
    name: str
    kind: Kind
    latex: str
    evidence: tuple[Evidence, ...]

    @property
    def ok(self) -> bool:
        """Whether every way holds."""
        return all(found.ok for found in self.evidence)


@dataclass(frozen=True, slots=True)
class Report:
    """The evidence of every relation of a derivation; `ok` if all of it holds."""

    cell: str
    rows: tuple[Row, ...]
    _by_step: Mapping[Step, Row] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """Whether every relation holds in every way."""
        return bool(self.rows) and all(row.ok for row in self.rows)

    def words(self, step: Step) -> dict[str, Text]:
        """In words what supports a step, for each way of looking, without any measured value; empty for no step of it."""
        row = self._by_step.get(step)
        found = row.evidence if row is not None else ()
        return {_WORDS[each.method]: each.words if each.ok else "does not hold" for each in found}

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, the form that `symlstm verify --json` prints."""
        return {"cell": self.cell, "ok": self.ok, "equations": [
            {"topic": row.topic, "name": row.name, "kind": row.kind, "latex": row.latex, "evidence": [
                {"method": found.method, "ok": found.ok, "max_rel_error": found.max_rel_error, "note": found.note}
                for found in row.evidence]} for row in self.rows]}


_WORDS: dict[Method, str] = {"exact": "Exact", "numeric": "In numbers, to 1e-12", "readback": "Read back", "oracle": "PyTorch"}


def verify(derivation: Derivation, text: str | None = None, form: Form = "tex") -> Report:
    """Look at every relation of a derivation in all three ways. `text` is read back in place of a fresh export.

    Raises nothing for a relation that does not hold: the report says so.
    """
    statements, pieces = _collected(derivation)
    written = text if text is not None else {"tex": derivation.latex, "md": derivation.markdown}[form]()
    judges = {cell: _Judge(derivation, cell) for cell in dict.fromkeys(each.about for each in statements)}
    read = _Readings(pieces, derivation.notation, written, form)
    rows, by_step = [], {}
    for k, each in enumerate(statements):
        judge = judges[each.about]
        found = (judge.exact(each), judge.numeric(each), read.evidence(k))
        row = Row(each.topic, each.name, each.kind, each.latex, found)
        rows.append(row)
        if each.step is not None:
            by_step[each.step] = row
    return Report(derivation.cell.name, tuple(rows), by_step)


def read_back(derivation: Derivation, text: str, form: Form) -> tuple[Evidence, ...]:
    """Only the reading back of an exported text: for every relation, whether the text says what the derivation says."""
    statements, pieces = _collected(derivation)
    read = _Readings(pieces, derivation.notation, text, form)
    return tuple(map(read.evidence, range(len(statements))))


def verify_file(cell: Cell | str, path: str | Path, notation: Notation | str | os.PathLike[str] | None = None) -> Report:
    """Verify an exported file: the derivation is made anew, and the file is read back against it.

    Its notation is the one it says, unless one is given. Raises `NotValid` for a file that cannot be read, for one that says it
    is about another cell, and for a notation that there is not.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotValid("The file cannot be read.", f"{path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}",
                       "a .tex or .md file that symlstm wrote") from None
    if path.suffix not in (".tex", ".md"):
        raise NotValid("The ending of the file does not say what it is.", str(path), "a file that ends in .tex or .md")
    claim = re.search(r"symlstm: cell=(\S+) topics=(\S+)(?: notation=(\S+))?", text.partition("\n")[0])
    whole = derive(cell, notation=notation or (claim and claim[3]) or HOUSE)
    if claim and claim[1] != whole.cell.name:
        raise NotValid(f"The file is about the cell {claim[1]}.", str(path), f"verify {claim[1]}")
    topics = claim[2].split(",") if claim else list(whole.topics)
    if strange := [topic for topic in topics if topic not in whole.topics]:
        raise NotSupported(f"The topic {strange[0]} needs the values it was made from.", str(path), ", ".join(whole.topics))
    chosen = tuple(section for section in whole.sections if section.topic in topics)
    return verify(Derivation(whole.cell, chosen, whole.notation), text, "md" if path.suffix == ".md" else "tex")


# --- what is claimed ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Statement:
    """One relation of a derivation, about the quantities of a cell; `step` where it is a step's own."""

    topic: str
    name: str
    kind: Kind
    line: Relation
    step: Step | None
    about: Cell

    @property
    def latex(self) -> str:
        """The relation as the page shows it."""
        return self.step.latex() if self.step is not None else tex.latex(self.line)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One piece of mathematics of the page, the statement that answers for it, and the cell it is about."""

    meant: Relation | Term
    owner: int
    about: Cell


def _collected(derivation: Derivation) -> tuple[list[Statement], list[_Piece]]:
    """Every statement, and every piece in the order of the page. A piece that states nothing belongs to the statement of
    its step, or in a paragraph or table to the statement that follows."""
    statements: list[Statement] = []
    pieces: list[_Piece] = []
    for topic, block, about in _blocks(derivation):
        here = len(statements)
        for k, piece in enumerate(fragments(block)):
            if isinstance(piece, Relation):
                step = block if isinstance(block, Step) and k == 0 else None
                statements.append(_statement(topic, block, piece, step, about))
                pieces.append(_Piece(piece, len(statements) - 1, about))
            else:
                pieces.append(_Piece(piece, here, about))
    last = len(statements) - 1
    return statements, [replace(piece, owner=min(piece.owner, last)) for piece in pieces]


def _blocks(derivation: Derivation) -> Iterator[tuple[str, Block, Cell]]:
    for block in document.opening(derivation.cell):
        yield derivation.topics[0], block, derivation.cell
    for section in derivation.sections:
        yield from ((section.topic, block, section.about or derivation.cell) for block in section.blocks)


def _statement(topic: str, block: Block | Section, line: Relation, step: Step | None, about: Cell) -> Statement:
    if step is not None:
        return Statement(topic, step.name, step.kind, line, step, about)
    place = f"the reason of {block.name}" if isinstance(block, Step) else "the text"
    return Statement(topic, f"{plain(line)}, in {place}", _kind(line), line, None, about)


def _kind(line: Relation) -> Kind:
    """What kind of statement a relation without a kind of its own is."""
    for kind, test in _KINDS:
        if test(line):
            return kind
    return "identity"


_KINDS: tuple[tuple[Kind, Callable[[Relation], bool]], ...] = (
    ("size", lambda line: isinstance(line.rhs, Space)),
    ("limit", lambda line: any(isinstance(part, Limit) for part in walk(line))),
    ("number", lambda line: "~" in line.operators or not any(isinstance(part, (Sym, Apply, Prime)) for part in walk(line))),
    ("bound", lambda line: isinstance(line.rhs, Interval) or set(line.operators) != {"="}),
)


# --- exact and in numbers -------------------------------------------------------------------------------------------


class _Judge:
    """The truth about a cell, each part of it made when it is first asked for."""

    def __init__(self, derivation: Derivation, cell: Cell) -> None:
        self.derivation, self.cell = derivation, cell
        found = bounds.constants(step.relation for step in derivation.steps if step.kind == "number")
        self.constants = {name: value for name, value in found.items() if name not in self.cell.shapes}  # a given value is none

    @cached_property
    def proof(self) -> Proof:
        return Proof(self.cell)

    @cached_property
    def run(self) -> Run:
        return Run(self.cell, constants=self.constants)

    @cached_property
    def recomputed(self) -> dict[Arithmetic, Recomputed]:
        given = {step.relation.lhs: step.relation.rhs for step in self.derivation.steps
                 if step.name.startswith("given ") and isinstance(step.relation.rhs, (Blocks, Num))}
        return {arithmetic: Recomputed(self.cell, given, arithmetic) for arithmetic in (PRECISE, FLOAT)}

    def exact(self, each: Statement) -> Evidence:
        """What is decided about a statement."""
        try:
            found = _decided(each.line) if is_scalar(each.line) else EXACT[each.kind](self, each.line)
        except (NotValid, NotSupported) as error:
            found = Decision(False, error.what)
        return Evidence("exact", found.ok and found.decided, found.words)

    def numeric(self, each: Statement) -> Evidence:
        """What a statement is in numbers."""
        try:
            found = _measured_on_line(each.line) if is_scalar(each.line) else NUMERIC[each.kind](self, each.line)
        except (NotValid, NotSupported) as error:
            found = numeric.Measured(False, None, error.what)
        finite = found.error is not None and isfinite(found.error)
        return Evidence("numeric", found.ok, found.note, found.error if finite else None)

    def sized(self, line: Relation) -> tuple[list[str], Space]:
        """The names that a size is about, and the size."""
        left = line.lhs.args if isinstance(line.lhs, Listed) else (line.lhs,)
        if not isinstance(line.rhs, Space) or not all(isinstance(symbol, Sym) for symbol in left):
            raise NotSupported("A size is of the form: quantities in a space.", plain(line))
        return [symbol.name for symbol in left if isinstance(symbol, Sym)], line.rhs

    def unified(self, line: Relation) -> Decision:
        """A size against what the unification of the equations gives."""
        names, space = self.sized(line)
        for name in names:
            if not same(self.cell.shapes.space(name), space, self.cell.shapes):
                return Decision(False, f"the equations give {name} the size {plain(self.cell.shapes.space(name))}")
        return Decision(True, "unification of the equations gives this size, for every n and m")

    def exact_number(self, line: Relation) -> Decision:
        """A number: a constant the text defines, or a line of a worked step."""
        if isinstance(line.lhs, Sym) and line.lhs.name in self.constants:
            return bounds.decide_largest_slope(self.cell, self.constants[line.lhs.name])
        ok, _, note = self.recomputed[PRECISE].check(line)
        return Decision(ok, note)

    def numeric_number(self, line: Relation) -> numeric.Measured:
        """The same in float64."""
        if isinstance(line.lhs, Sym) and line.lhs.name in self.constants:
            return numeric.largest_slope(self.cell, float(self.constants[line.lhs.name]))
        return numeric.Measured(*self.recomputed[FLOAT].check(line))


def _measured(error: float, note: str) -> numeric.Measured:
    return numeric.Measured(error < numeric.TOLERANCE, error, note)


@cache
def _decided(line: Relation) -> Decision:
    """What is decided about functions of x: the same for every cell."""
    return scalars.decide(line)


@cache
def _measured_on_line(line: Relation) -> numeric.Measured:
    """What functions of x are in numbers."""
    return numeric.on_line(line)


EXACT: dict[Kind, Callable[[_Judge, Relation], Decision]] = {
    "definition": lambda judge, line: judge.proof.define(line),
    "identity": lambda judge, line: judge.proof.decide(line),
    "bound": lambda judge, line: bounds.decide(judge.proof, line, judge.constants),
    "limit": lambda _, line: limits.decide(line),
    "expectation": lambda judge, line: chances.decide(line, chances.Draws.of(judge.cell)),
    "size": _Judge.unified,
    "number": _Judge.exact_number,
}
NUMERIC: dict[Kind, Callable[[_Judge, Relation], numeric.Measured]] = {
    "definition": lambda judge, line: numeric.on_sequence(judge.run, line),
    "identity": lambda judge, line: numeric.on_sequence(judge.run, line),
    "bound": lambda judge, line: numeric.on_sequence(judge.run, line),
    "limit": lambda _, line: _measured(limits.far_out(line), "far out, at random values of everything else"),
    "expectation": lambda judge, line: _measured(
        chances.difference(line, chances.Draws.of(judge.cell)), "as the sum over the two outcomes, at random numbers"),
    "size": lambda judge, line: numeric.in_arrays(judge.cell, *judge.sized(line)),
    "number": _Judge.numeric_number,
}


# --- read back ------------------------------------------------------------------------------------------------------


def _conventions(pieces: Sequence[_Piece], notation: Notation) -> reader.Conventions:
    """How a text about some cells is written: its names, their functions and the style of its notation are known."""
    parts = [part for cell in {piece.about for piece in pieces} for line in cell.named for part in walk(line)]
    parts += [part for piece in pieces for part in walk(piece.meant) if isinstance(part, Sym) and part.time is not None]
    symbols = [part for part in parts if isinstance(part, Sym)]
    functions = (part.function for part in parts if isinstance(part, (Apply, Prime)))
    timed = [each.name for each in symbols if each.time is not None]
    return replace(
        replace(reader.HOUSE, layered=notation.layered).told((each.name for each in symbols), functions, timed),
        lowered=notation.time != "below",
        products={r"\cdot": "matrix", notation.product: "matrix", notation.elementwise: "hadamard"},
        superscript=notation.time == "bare",
        timed=frozenset(name[0] for name in timed) if notation.time == "bare" else frozenset(),
        adjoint=notation.adjoint,
        arriving=notation.arriving,
        beside=notation.vectors == "rows",
    )


class _Readings:
    """The pieces of a file held against the pieces of a derivation, which are about columns."""

    def __init__(self, pieces: Sequence[_Piece], notation: Notation, text: str, form: Form) -> None:
        self.rows = notation.vectors == "rows"
        found: list[tuple[int, Found]] = [
            (reading.formula.line, piece)
            for reading in reader.readings(document.without_evidence(text, form), form, _conventions(pieces, notation))
            for piece in (reading.found or (reading.error or NotValid("An empty formula."),))
        ]
        self.surplus = len(found) - len(pieces)
        self.pairs: dict[int, list[tuple[_Piece, tuple[int, Found]]]] = {}
        missing = [(0, NotValid("The file ends before it."))] * max(0, -self.surplus)
        for piece, here in zip(pieces, [*found, *missing], strict=False):
            self.pairs.setdefault(piece.owner, []).append((piece, here))
        self.last = pieces[-1].owner

    def misread(self, piece: _Piece, found: Found) -> Iterator[str]:
        """In words, what a piece says in the file that it does not say in the derivation."""
        shapes = piece.about.shapes
        back = to_columns(found, shapes) if self.rows and not isinstance(found, Exception) else found
        yield from _misread(piece.meant, back, shapes)

    def evidence(self, owner: int) -> Evidence:
        """Whether every piece that a statement answers for says in the file what it says in the derivation."""
        wrong = [f"line {line}: {words}" if line else words
                 for piece, (line, found) in self.pairs[owner] for words in self.misread(piece, found)]
        if owner == self.last and self.surplus > 0:
            wrong.append(f"the file has {self.surplus} more pieces of mathematics than the derivation")
        return Evidence("readback", not wrong, "; ".join(wrong) or "the same when read back from the file")


def _misread(meant: Relation | Term, found: Found, shapes: Shapes) -> Iterator[str]:
    """In words, what a piece says in the file that it does not say in the derivation."""
    if isinstance(meant, Interval) and isinstance(found, Blocks) and len(found.rows) == 2 == len(children(found)):
        found = Interval(*children(found), open_below=False, open_above=False)  # [0, 1] by itself reads as a column
    if isinstance(found, Exception):
        yield f"{plain(meant)} cannot be read: {found}"
    elif isinstance(meant, Relation) and isinstance(found, Relation):
        yield from differing(meant, found, shapes)
    elif isinstance(meant, Relation) or isinstance(found, Relation) or not same(meant, found, shapes):
        yield f"{plain(meant)} is meant, and the file says {plain(found)}"
