r"""A document as a list of statements: which of its formulas define something, and which claim something.

A `\tag` makes a claim. Otherwise the first equation with a new symbol on its left defines it, and so does the first size
of a symbol; what comes later about it is a claim. A tagged equation whose symbol nothing else defines does both jobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from symlstm.algebra import (
    NOW,
    Adj,
    Apply,
    Blocks,
    Component,
    Listed,
    NotSupported,
    Partial,
    Relation,
    Space,
    Sym,
    SymlstmError,
    Term,
    children,
    walk,
)  # fmt: skip
from symlstm.definitions.marks import general, labelled, timed
from symlstm.reader import PEOPLE, Conventions, Formula, Kind, directives, formulas, read_all, survey
from symlstm.reader.conventions import PARAMETERS, Product

LIMIT = 1000  # formulas of a document
LOSSES = frozenset({"L", "E", "J", "l", "ell", "Loss", "loss"})
_TEXT = re.compile(r"\\(?:text[a-z]*|mathrm|operatorname|mbox|begin|end|tag|label)\s*\{[^{}]*\}|\\mathbb\{?[A-Z]\}?")
_LETTER = r"(?<![A-Za-z\\_^])(?<![_^]\{)(\\?[A-Za-z]+)(?![A-Za-z])"
_CALLED = re.compile(rf"{_LETTER}\s*'?\s*(?:\\left|\\[bB]igg?l?)?\s*\((?!\s*[tT]\s*(?:[-+]\s*\d\s*)?\))")
_SCRIPT = re.compile(r"\\mathcal\s*\{\s*([A-Z])\s*\}")  # \mathcal{H}(W x_t + ...)
_ALONE = re.compile(rf"{_LETTER}(?!\s*[_^])(?!\s*'?\s*(?:\\left|\\[bB]igg?l?)?\s*\()")
Role = Literal["definition", "claim", "both", "neither"]
Key = tuple[str, ...]
Told = tuple[Iterable[str], Iterable[str]]
SIGNS = (r"\odot", r"\circ", r"\otimes", r"\bullet")


@dataclass(frozen=True, slots=True)
class Statement:
    """One or several relations that stand together: a formula, or the formulas under one tag.

    `formulas` are the pieces of text, `relations` what they say (nothing where `error` says why), `role` their job.
    """

    number: int
    formulas: tuple[Formula, ...]
    relations: tuple[Relation, ...] = ()
    error: SymlstmError | None = None
    role: Role = "neither"

    @property
    def line(self) -> int:
        return self.formulas[0].line

    @property
    def tag(self) -> str | None:
        return self.formulas[0].tag

    @property
    def latex(self) -> str:
        """The text as it stands in the document."""
        return r", \quad ".join(" ".join(formula.text.split()) for formula in self.formulas)


@dataclass(frozen=True)
class Source:
    """A document: its statements in order, how it is to be read, and what its comments say outright."""

    statements: tuple[Statement, ...]
    conventions: Conventions
    directives: dict[str, str]

    @cached_property
    def definitions(self) -> tuple[Relation, ...]:
        """The relations that define something, in the order of the document."""
        chosen, taken = [], set()
        numbered = _only_numbered(self.statements)
        for statement in self.statements:
            if statement.role in ("definition", "both"):
                for line in statement.relations:
                    line = (general(line) or line) if line in numbered else line
                    keys = {(*key, line.condition) for key in keys_of(line)}
                    if keys and not keys <= taken:
                        taken |= keys
                        chosen.append(line)
        return tuple(chosen)

    def otherwise(self, statement: Statement) -> list[tuple[tuple[Relation, ...], bool]]:
        """The relations of a statement with products read from left to right, and with `\\otimes` as the outer product."""
        found = []
        if any(sign in statement.latex for sign in SIGNS):
            found.append((_relations(statement.formulas, replace(self.conventions, tight=False)), False))
        if r"\otimes" in statement.latex:
            products = {**self.conventions.products, r"\otimes": "matrix"}
            found.append((_relations(statement.formulas, replace(self.conventions, products=products, tight=False)), True))
        return found


def source(
    text: str, kind: Kind = "md", bare: bool = False, inline: bool = False, told: Told = ((), ()), start: Conventions = PEOPLE
) -> Source:
    """Read a document. A formula that cannot be read becomes a statement with an error and stops nothing.

    Between the lines a name for a gradient counts; with `inline` every relation there does, and a name that is written in
    two ways is an error. `told` are names of parameters and of functions that are known beforehand, `start` what else is.
    """
    found = _bare_lines(text) if bare else [each for each in formulas(text, kind) if each.display or _tells(each, inline)]
    said = directives(text)
    texts = [formula.text for formula in found[:LIMIT]]
    conventions = survey(texts, start)
    products = {**conventions.products, **_products(said)}
    conventions = replace(conventions, functions=conventions.functions | _functions("\n".join(texts)), products=products)
    conventions = conventions.told(*told)
    statements = _timed(tuple(_read(found[:LIMIT], conventions, {} if inline else None)))
    problem = NotSupported(f"The document has {len(found)} formulas; the limit is {LIMIT}, and this one comes after it.")
    beyond = tuple(
        Statement(number, (formula,), error=problem) for number, formula in enumerate(found[LIMIT:], start=len(statements) + 1)
    )
    return Source(_with_roles((*statements, *beyond)), conventions, said)


def _timed(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """The statements with marks like `prev` and `next` as times, and with numbers that are labels in names."""
    lines = [line for statement in statements for line in statement.relations]
    changed = iter(labelled(timed(lines)))
    return tuple(replace(each, relations=tuple(next(changed) for _ in each.relations)) for each in statements)


def _products(said: dict[str, str]) -> dict[str, Product]:
    """What the comments of a document say of product signs: `<!-- product *: hadamard -->`."""
    meanings: dict[str, Product] = {"hadamard": "hadamard", "elementwise": "hadamard", "matrix": "matrix"}
    return {
        word.removeprefix("product "): meanings[meaning.strip()]
        for word, meaning in said.items()
        if word.startswith("product ") and meaning.strip() in meanings
    }


def _functions(text: str) -> set[str]:
    """Letters that stand before brackets and nowhere else: `z_t = g(a_t)`, `g'(a_t)`."""
    plain = _SCRIPT.sub(r" \1", _TEXT.sub(" ", text))
    called = {match[1].lstrip("\\") for match in _CALLED.finditer(plain)} - set(PARAMETERS) - LOSSES - set("xyTtk")
    alone = {match[1].lstrip("\\") for match in _ALONE.finditer(plain)}
    return {name for name in called - alone if len(name) == 1 or name in ("theta", "rho", "phi", "psi", "varphi", "Phi", "eta")}


_DERIVATIVE = r"(?:\\[dt]?frac)?\s*\{?\s*(?:\\partial|d|\\mathrm\s*\{?d\}?)\s*(?:\\math[a-z]+\s*)?\{?\s*[LEJ]\b"
_SHORT = re.compile(  # a name that stands for a gradient, or for one times something
    rf"(?:(?!\\partial|\\nabla)[^=+])*(?:=|\\equiv|\\triangleq)\s*(?:{_DERIVATIVE}|\\nabla)[^=+]*", re.DOTALL
)


def _tells(formula: Formula, every: bool) -> bool:
    r"""Whether a formula between the lines counts: `\delta_t = \frac{\partial L}{\partial h_t}`, or with `every` any."""
    return _relates(formula) if every else _SHORT.fullmatch(formula.text) is not None


def _relates(formula: Formula) -> bool:
    """Whether a formula between the lines may say what something is: it has an equality, or names a space."""
    return re.search(r"=|\\in(?![A-Za-z])|∈|\\triangleq|\\coloneqq|\\equiv", formula.text) is not None


def _bare_lines(text: str) -> list[Formula]:
    return [
        Formula(line.strip(), number, 1 + len(line) - len(line.lstrip()), True)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith(("#", "%", "<!--"))
    ]


def _read(found: Iterable[Formula], conventions: Conventions, written: dict[str, str] | None = None) -> Iterator[Statement]:
    groups: list[list[Formula]] = []
    for formula in found:
        if groups and formula.tag and groups[-1][-1].tag == formula.tag:
            groups[-1].append(formula)
        else:
            groups.append([formula])
    for number, group in enumerate(groups, start=1):
        pieces = tuple(group)
        try:
            yield Statement(number, pieces, _relations(pieces, conventions, written))
        except SymlstmError as error:
            yield Statement(number, pieces, error=error)


def _relations(
    pieces: tuple[Formula, ...], conventions: Conventions, written: dict[str, str] | None = None
) -> tuple[Relation, ...]:
    return tuple(line for piece in pieces for line in read_all(piece, conventions, written) if isinstance(line, Relation))


# --- who defines what ------------------------------------------------------------------------------------------


def keys_of(line: Relation) -> list[Key]:
    """What a relation would define: quantities, adjoints, functions of plain arguments, or sizes."""
    left = line.lhs
    if line.operators[0] == "in":
        named = left.args if isinstance(left, Listed) else (left,)
        plain = isinstance(line.rhs, Space) and all(isinstance(each, Sym) for each in named)
        return [("size", each.name) for each in named if isinstance(each, Sym)] if plain else []
    if line.operators[0] != "=":
        return []
    if isinstance(left, Component) and isinstance(left.of, Sym) and left.of.time == NOW:
        return [("quantity", left.of.name)]
    if isinstance(left, Sym) and left.time is None:
        return [("quantity", left.name)]
    if isinstance(left, Sym) and left.time is not None:
        if left.time.base and left.time.base not in ("T", "tau") and not left.time.offset:
            return [("quantity", left.name, "of a step")] if left.name in LOSSES else [("quantity", left.name)]
        return [("value", left.name, str(left.time))]
    if isinstance(left, Adj):
        now = left.of.time is None or (left.of.time.base not in ("", "T", "tau") and not left.of.time.offset)
        return [("adjoint", left.of.name)] if now else []
    if isinstance(left, Apply) and all(isinstance(arg, Sym) for arg in _arguments(left)):
        return [("function", left.function)]
    if isinstance(left, Blocks) and all(isinstance(part, Sym) and part.time == NOW for part in children(left)):
        return [("quantity", part.name) for part in children(left) if isinstance(part, Sym)]
    return []


def _arguments(call: Apply) -> tuple[Term, ...]:
    return call.arg.args if isinstance(call.arg, Listed) else (call.arg,)


def _with_roles(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Roles in two rounds: what has no tag first, then the tagged equations for what is still undefined."""
    known: set[tuple[object, ...]] = set()
    quantities = {
        part.name
        for statement in statements
        for line in statement.relations
        for side in line.terms
        for part in _outside_of_deltas(side)
    }
    roles: dict[int, Role] = {}
    numbered = _only_numbered(statements)
    for tagged in (False, True):
        for statement in statements:
            if (statement.tag is not None) != tagged or statement.error:
                continue
            if not statement.relations:
                roles[statement.number] = "claim" if tagged else "neither"
                continue
            new = {
                (*key, line.condition)
                for line in statement.relations
                for key in keys_of(line)
                if line in numbered or _may_define(line, tagged, quantities)
            }
            fresh = new - known
            known |= new
            roles[statement.number] = ("both" if fresh else "claim") if tagged else ("definition" if fresh else "claim")
    return tuple(
        replace(each, role=roles.get(each.number, "claim" if each.tag or each.error else "neither")) for each in statements
    )


def _only_numbered(statements: Iterable[Statement]) -> set[Relation]:
    """The equations of single steps that stand for all steps: of each quantity without any other equation the latest one."""
    lines = [line for statement in statements for line in statement.relations]
    defined = {key[1] for line in lines for key in keys_of(line) if key[0] == "quantity"}
    latest: dict[str, Relation] = {}
    for line in lines:
        left = line.lhs
        if isinstance(left, Sym) and left.time is not None and left.name not in defined and general(line) is not None:
            before = latest.get(left.name)
            if before is None or before.lhs.time.offset < left.time.offset:  # type: ignore[attr-defined]
                latest[left.name] = line
    return set(latest.values())


def _outside_of_deltas(side: Term) -> Iterator[Sym]:
    stack = [side]
    while stack:
        here = stack.pop()
        if isinstance(here, Sym):
            yield here
        elif not isinstance(here, Adj):
            stack.extend(children(here))


def _may_define(line: Relation, tagged: bool, quantities: set[str]) -> bool:
    """Whether an equation can define its left side; one about an adjoint only with a derivative, or without any adjoint."""
    left = line.lhs
    if isinstance(left, Sym) and left.time is not None and keys_of(line)[0][0] == "value":
        return not any(isinstance(part, (Sym, Adj, Partial)) for side in line.terms[1:] for part in walk(side))
    if not isinstance(left, Adj):
        return not any(part == left for part in walk(line.terms[1])) or not isinstance(left, Sym)
    if left.of.name not in quantities:
        return True
    if tagged:
        return isinstance(line.terms[1], Partial) and len(line.terms) == 2
    parts = [part for part in walk(line.terms[1]) if isinstance(part, (Adj, Partial))]
    return not any(part == left for part in parts) and (not parts or any(isinstance(part, Partial) for part in parts))
