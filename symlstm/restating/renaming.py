"""The names of a notation: what each thing of a cell is called in it.

An entry of the table says it of a whole name, of a family, or of a subscript; a name is taken apart and put together again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import combinations
from keyword import iskeyword
from typing import Any, NamedTuple

from symlstm.algebra import Apply, NotValid, Sym, Term, defined, map_relation, transform, walk
from symlstm.model import Cell
from symlstm.notation import ACCENTS, HOUSE, Notation

Names = Mapping[str, str]
STEPS = frozenset("ks")  # letters for steps, which no parameter can have
PATTERN, OURS = "preactivation", HOUSE.preactivation
DIRECTIONS = ("forward", "backward")  # of the layer that a quantity belongs to


@dataclass(frozen=True, slots=True)
class Name:
    """A name taken apart: a letter, its accents (a direction of time stands where they do), its subscript, and its layer.

    >>> Name.of("W_backward_i_1")
    Name(letter='W', accents=('backward',), subscript='i', layer='1')
    """

    letter: str
    accents: tuple[str, ...] = ()
    subscript: str = ""
    layer: str = ""

    @classmethod
    def of(cls, name: str) -> Name:
        letter, *rest = name.rstrip("_").split("_")
        layer = rest.pop() if rest and rest[-1].isdigit() else ""
        count = next((k for k, part in enumerate(rest) if part not in (*ACCENTS, *DIRECTIONS)), len(rest))
        return cls(letter, tuple(rest[:count]), "_".join(rest[count:]), layer)

    def __str__(self) -> str:
        return "_".join(part for part in (self.letter, *self.accents, self.subscript, self.layer) if part)


def names(cell: Cell, notation: Notation) -> dict[str, str]:
    """What each thing of a cell is called in a notation.

    Raises `NotValid` where two would have one name, unless the notation keeps names then.
    """
    table = _Table.of(cell, notation)
    while True:
        made = [table.name(name) for name in table.all]
        clashes: list[tuple[_Made, ...]] = [both for both in combinations(made, 2) if both[0].new == both[1].new]
        clashes += [(each,) for each in made if each.old in table.parameters and each.new in STEPS | cell.size_names]
        if not clashes:
            return {each.old: each.new + "_" * iskeyword(each.new) for each in made}
        clash = min(clashes, key=lambda clash: sum(len(each.old) for each in clash))  # first what other names are made of
        table = table.without(clash)


class _Made(NamedTuple):
    """A name, the new one, and the entries of the table that made it."""

    old: str
    new: str
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Table:
    """The entries of a notation that hold for a cell; its names, and of each pre-activation what is computed from it."""

    notation: Notation
    entries: Names
    signals: tuple[str, ...]
    parameters: tuple[str, ...]
    arguments: Names

    @classmethod
    def of(cls, cell: Cell, notation: Notation) -> _Table:
        entries = {PATTERN: notation.preactivation, **notation.rename}
        for pattern, more in notation.cells.items():
            entries |= more if fnmatchcase(cell.name, pattern) else {}
        inner = set(cell.preactivations.values())
        applied = ((line, part.arg) for line in reversed(cell.named) for part in walk(line.rhs) if isinstance(part, Apply))
        arguments = {of.name: defined(line).name for line, of in applied if of in inner and isinstance(of, Sym)}
        signals = dict.fromkeys((*cell.input_terms, *cell.state_terms, *map(defined, cell.named)))
        return cls(notation, entries, _names(signals), _names(cell.parameter_terms), arguments)

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.signals, *self.parameters)

    def name(self, name: str) -> _Made:
        """The new name: by an entry for all of it, by the pattern of pre-activations, else by its letter and its subscript."""
        if name in self.entries:
            return _Made(name, self.entries[name], (name,))
        old, pattern = Name.of(name), self.entries[PATTERN]
        if name in self.arguments and pattern != OURS:
            of = Name.of(self.arguments[name])
            accents = tuple(part for part in of.accents if part not in DIRECTIONS)
            new, used = self._patterned(str(Name(of.letter, accents, of.subscript)), pattern)
        else:
            new, used = self._plain(str(Name(old.letter, (), old.subscript)), name in self.parameters)
        made = Name.of(new)
        return _Made(name, str(replace(made, accents=(*made.accents, *old.accents), layer=made.layer or old.layer)), used)

    def _patterned(self, of: str, pattern: str) -> tuple[str, tuple[str, ...]]:
        """The name of a pre-activation: with the letter of what it is of, `*_bar`, or with what that is as a subscript, `a_*`."""
        if pattern.endswith("_*"):
            new, used = self._plain(pattern.replace("*", of), parameter=False)
            return new, (*used, PATTERN)
        made = self.name(of)
        return pattern.replace("*", made.new), (*made.entries, PATTERN)

    def _plain(self, name: str, parameter: bool) -> tuple[str, tuple[str, ...]]:
        """A name without accents and layer."""
        letter, line, rest = name.partition("_")
        if name in self.entries or not line:
            return (self.entries[name], (name,)) if name in self.entries else (name, ())
        family, used = f"{letter}_*", tuple[str, ...]()
        if parameter and family in self.entries:
            family, used = self.entries[family], (family,)
        if f"*_{rest}" in self.entries:
            rest, used = self.entries[f"*_{rest}"].removeprefix("*_"), (*used, f"*_{rest}")
        elif rest in self.signals and rest in self.entries and not Name.of(self.entries[rest]).subscript:
            rest, used = self.entries[rest], (*used, rest)
        return family.replace("*", rest), used

    def without(self, clash: tuple[_Made, ...]) -> _Table:
        """The table without an entry that made two names one. Raises `NotValid` where a notation keeps no names then."""
        if self.notation.clash == "keep":
            yielding = _yielding(clash)
            entry = next((key for key in yielding.entries if key.startswith("*")), yielding.entries[-1])
            left = {key: value for key, value in self.entries.items() if key != entry}
            return replace(self, entries={PATTERN: OURS, **left})
        both, new = " and ".join(each.old for each in clash), clash[0].new
        meant = "which counts steps" if new in STEPS else "a size"
        told = f"{both} would both be {new}" if len(clash) > 1 else f"the parameter {both} would be {new}, {meant}"
        right = f"another name for one of them, or clash = 'keep', which keeps a name where a cell has {new} already"
        raise NotValid(f"In the notation {self.notation.name}, {told}.", f"rename: {_shown(self.entries)}", right)


def _yielding(clash: tuple[_Made, ...]) -> _Made:
    """Of two that have one name the one that gives way: the one that a table changed; of two such the one that it changed as a
    subscript, or else as a pre-activation, or else the last."""

    def rank(each: _Made) -> int:
        return 0 if any(key.startswith("*") for key in each.entries) else 1 if PATTERN in each.entries else 2

    return min(reversed(_changed(clash)), key=rank)


def _changed(clash: tuple[_Made, ...]) -> list[_Made]:
    return [each for each in clash if each.new != each.old]


def _shown(entries: Names) -> str:
    return ", ".join(f"{key} = {value}" for key, value in entries.items() if key != PATTERN)


def _names(symbols: Iterable[Sym]) -> tuple[str, ...]:
    return tuple(symbol.name for symbol in symbols)


def called(node: Term, found: Names, parameters: Collection[Sym]) -> Term:
    """A term with other names; a letter without a time is a parameter or a size, which keeps its letter."""

    def change(part: Term) -> Term:
        known = isinstance(part, Sym) and (part.time is not None or part in parameters)
        return Sym(found.get(part.name, part.name), part.time) if known else part  # type: ignore[union-attr]

    return transform(node, change)


def renamed(cell: Cell, found: Names) -> Cell:
    """The cell with other names, as `names` gives them."""

    def new(node: Term) -> Any:  # what it makes of a symbol is a symbol
        return called(node, found, cell.parameter_terms)

    return Cell(
        cell.name,
        tuple(map(new, cell.input_terms)),
        tuple(map(new, cell.state_terms)),
        tuple(map_relation(line, new) for line in cell.declared),
        title=cell.title,
        source=cell.source,
        words={found.get(name, name): word for name, word in cell.words.items()},
        sizes={found.get(name, name): size for name, size in cell.sizes.items()},
        output=new(cell.output_term),
        backward=tuple(new(state) for state, back in cell.carried.items() if back == state.next),
        preactivations={new(argument): new(name) for argument, name in cell.preactivations.items()},
    )
