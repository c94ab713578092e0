r"""What the lines of a text rest on: a line that supplies its own meaning out of nothing says nothing that can be judged.

`\bar f_t = \bar h_t \odot c_t` would define \bar f_t, but nothing says what \bar h_t is: a mark on a letter may mean a
gradient, an average or another quantity, and it is not guessed. Such lines define nothing (`grounded` takes that role from
them), and what is said with their names is blamed on what is missing. Where the text leaves one meaning, it is that one:

- where `\bar h_t = \frac{\partial L}{\partial h_t}` is all that the text says of bars, `\bar W_f` is the gradient by W_f;
- where one activation alone has an argument without a name, `\delta a_t` is about that argument, and `\delta a_{f,t}` is
  about that of the gate f.

What leads into a state or a loss is the cell's own and rests on its inputs, whatever marks it bears.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from symlstm.algebra import NOW, Adj, Partial, Relation, Sym, Term, equation, walk
from symlstm.definitions.marks import INPUTS
from symlstm.definitions.meanings import PRE, Theory
from symlstm.definitions.sources import LOSSES, Role, Source, Statement, keys_of

ACCENTS = frozenset({"bar", "hat", "tilde", "dot", "vec", "prime"})
ARGUMENTS = frozenset({"a", "z", "s", "net"})  # how people call the argument of an activation
DELTA = "delta "  # before the name of a quantity: its adjoint
DEMOTED: Mapping[Role, Role] = {"both": "claim", "definition": "neither"}


@dataclass(frozen=True, slots=True)
class Grounds:
    """A text without the roles of lines that rest on nothing, what it leaves one meaning, and what is missing, by name."""

    source: Source
    lines: tuple[Relation, ...] = ()
    missing: Mapping[str, Term] = field(default_factory=dict)


def grounded(found: Source, made: Theory, given: Iterable[str] = ()) -> Grounds:
    """What the lines of a text rest on; `given` are the names of a cell that is known beforehand."""
    return _Grounds(found, made, frozenset(given)).all() if made.states else Grounds(found)


def bases(name: str) -> Iterator[tuple[str, str]]:
    """The marks that a name may bear, an accent or a letter before a subscript, each with the name without it.

    >>> list(bases("h_bar")), list(bases("g_c"))
    ([('bar', 'h')], [('g_', 'c')])
    """
    head, *rest = name.split("_")
    accents = [place for place, part in enumerate(rest) if part in ACCENTS]
    for place in accents:
        yield rest[place], "_".join((head, *rest[:place], *rest[place + 1 :]))
    if rest and not accents:
        yield f"{head}_", "_".join(rest)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that would define something: its name (behind `DELTA` that of an adjoint), and whether the line has a tag."""

    number: int
    relation: Relation
    name: str
    tagged: bool

    @property
    def rights(self) -> tuple[Term, ...]:
        return self.relation.terms[1:]

    @property
    def names_gradient(self) -> bool:
        """Whether the line says outright which gradient its left side is."""
        outright = Partial if self.name.startswith(DELTA) else (Partial, Adj)
        return any(isinstance(side, outright) for side in self.rights)

    def gradient_by(self, base: str) -> Term | None:
        """Of what the line's left side is outright the gradient by `base`; None where it is not."""
        return next((side.of for side in self.rights if isinstance(side, Partial) and _name(side.wrt) == base), None)


class _Grounds:
    def __init__(self, found: Source, made: Theory, given: frozenset[str]) -> None:
        self.source, self.theory = found, made
        self.every = [line for statement in found.statements for line in _lines(statement)]
        losses = {name for line in self.every if (name := line.name.partition("[")[0]) in LOSSES}
        tagged = {line.name for line in self.every if line.tagged}
        states = {name for name in made.states if name in given or name not in tagged or not self.base(name)}
        self.core = self.closed(states | losses | given)
        self.lines = [line for line in self.every if line.name not in self.core]
        self.steep = self.steep_names()
        self.inferred = {**self.by_family(), **self.by_argument()}
        self.missing: dict[str, Term] = {}

    def all(self) -> Grounds:
        open_ = [line for line in self.lines if line.name not in self.inferred and not line.names_gradient]
        while new := [line for line in open_ if line.name not in self.missing and self.is_empty(line)]:
            self.missing |= {line.name: next(self.unknown(line), line.relation.lhs) for line in new}
        empty = {line.number for line in self.lines if line.name in self.missing or line.name in self.inferred}
        if not empty and not self.inferred:
            return Grounds(self.source)
        statements = tuple(
            replace(each, role=DEMOTED.get(each.role, each.role)) if each.number in empty else each
            for each in self.source.statements
        )
        return Grounds(replace(self.source, statements=statements), tuple(self.inferred.values()), self.missing)

    # --- what is the cell's own ------------------------------------------------------------------------------------

    def closed(self, roots: Iterable[str]) -> set[str]:
        """The names of these quantities and of all that they are computed from."""
        found: set[str] = set()
        left = list(roots)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += [part.name for body in self.bodies(name) for part in walk(body) if isinstance(part, Sym)]
        return found

    def bodies(self, name: str) -> Iterator[Term]:
        if name in self.theory.steps:
            yield self.theory.steps[name]
        for key in (name, f"{name}[]"):
            yield from (lazy.body for lazy in self.theory.lazies.get(key, ()))

    def base(self, name: str) -> str:
        """The quantity or parameter that an accent stands on in a name; nothing where it is none of the text's."""
        known = (base for mark, base in bases(name) if mark in ACCENTS and self.is_quantity(base))
        return next(known, "")

    def is_quantity(self, name: str) -> bool:
        return name in self.theory.steps or name in self.theory.parameters

    # --- what rests on nothing -------------------------------------------------------------------------------------

    def is_empty(self, line: _Line) -> bool:
        """Whether a line says nothing: for what it uses has no meaning, or it alone would say what its own left side means."""
        if any(True for _ in self.unknown(line)):
            return True
        if not line.tagged or line.name not in self.marked:
            return line.tagged and line.name.startswith(DELTA)
        alike = {mark for mark, _ in bases(line.name)}
        others = (mark for name in self.marked - {line.name} for mark, _ in bases(name))
        return any(_is_steep(side, self.steep) for side in line.rights) or not alike.isdisjoint(others)

    @property
    def marked(self) -> set[str]:
        """The names with an accent on another quantity that only tagged lines would define."""
        return {line.name for line in self.lines if line.tagged and not line.names_gradient and self.base(line.name)}

    def unknown(self, line: _Line) -> Iterator[Term]:
        """What a line uses and nothing defines; without a tag, only what bears a mark on another quantity."""
        for part in (part for side in line.rights for part in walk(side)):
            name = _name(part)
            if name in self.missing and name != line.name:
                yield self.missing[name]
            elif isinstance(part, Sym) and self.is_open(part) and (line.tagged or self.base(part.name)):
                yield part

    def is_open(self, symbol: Sym) -> bool:
        """Whether nothing says what a symbol is: no line, no size, no number, and no part in the cell."""
        name, theory = self.theory.same.get(symbol.name, symbol.name), self.theory
        if name in self.core or name in self.inferred or name in theory.sizes or name.partition("_")[0] in INPUTS:
            return False
        if name in theory.steps or theory.lazy(symbol) or any(other == name for other, _ in theory.values):
            return False
        if symbol.time is not None:
            return name in theory.inputs and name not in self.source.directives.get("inputs", "")
        return name in theory.parameters and bool(self.base(name))

    # --- what has one meaning --------------------------------------------------------------------------------------

    def steep_names(self) -> set[str]:
        """The names that stand for gradients, and for what is computed from them."""
        found: set[str] = set()
        left = list(self.every)
        while new := [line for line in left if any(_is_steep(side, found) for side in line.rights)]:
            found |= {line.name for line in new}
            left = [line for line in left if line not in new]
        return found

    def by_family(self) -> dict[str, Relation]:
        """The gradients that bear the mark of others, where the text has no other use for it."""
        families: dict[str, Term] = {}
        against: set[str] = set()
        told = {line.name for line in self.every if not line.tagged} | self.core
        for line in self.every:
            for mark, base in bases(line.name):
                of = line.gradient_by(base)
                if of is not None:
                    families.setdefault(mark, of)
                    told.add(line.name)
                elif self.is_quantity(base) and line.name in told:
                    against.add(mark)
        found: dict[str, Relation] = {}
        for symbol in self.symbols() if families.keys() - against else ():
            for mark, base in bases(symbol.name):
                of = families.get(mark) if mark not in against and self.is_quantity(base) else None
                if of is not None and symbol.name not in told and symbol.name not in found:
                    time = NOW if base in self.theory.steps else None
                    found[symbol.name] = equation(Sym(symbol.name, time), Partial(of, Sym(base, time)))
        return found

    def by_argument(self) -> dict[str, Relation]:
        """The arguments of activations that have no name but in a `\\delta`."""
        steps = self.theory.steps
        unnamed = [name.removesuffix(PRE) for name in steps if name.endswith(PRE)]
        defined = {line.name for line in self.every if not line.tagged or line.names_gradient}
        found: dict[str, Relation] = {}
        for part in self.parts():
            name = part.of.name if isinstance(part, Adj) else ""
            letter, _, gate = name.partition("_")
            if letter not in ARGUMENTS or self.theory.known(Sym(name, NOW)) or letter in steps or DELTA + name in defined:
                continue
            target = gate if gate in unnamed else unnamed[0] if not gate and len(unnamed) == 1 else ""
            if target:
                found[DELTA + name] = equation(Sym(name, NOW), steps[target + PRE])
        return found

    def parts(self) -> Iterator[Term]:
        lines = (line for statement in self.source.statements for line in statement.relations)
        return (part for line in lines for side in line.terms for part in walk(side))

    def symbols(self) -> Iterator[Sym]:
        return (part for part in self.parts() if isinstance(part, Sym))


def _lines(statement: Statement) -> Iterator[_Line]:
    """The lines of a statement that would define quantities, adjoints or losses."""
    for line in statement.relations if statement.role in ("both", "definition") else ():
        for kind, *names in keys_of(line):
            if kind in ("quantity", "adjoint", "function"):
                yield _Line(statement.number, line, (DELTA if kind == "adjoint" else "") + names[0], statement.role == "both")


def _name(part: Term) -> str:
    if isinstance(part, Adj):
        return DELTA + part.of.name
    return part.name if isinstance(part, Sym) else ""


def _is_steep(term: Term, steep: set[str]) -> bool:
    parts = (part for part in walk(term))
    return any(isinstance(part, (Adj, Partial)) or _name(part) in steep or _name(part) == "delta" for part in parts)


__all__ = ["Grounds", "bases", "grounded"]
