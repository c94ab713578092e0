r"""A cell in another notation: other names, and the sums of products in another arrangement.

What comes out is a cell like any other, so its shapes, derivations and proofs need nothing special. That it computes the same
is said by a map, what each thing of the cell is in terms of those of the restated one, and `equivalence` proves it.

>>> from symlstm import zoo
>>> restated(zoo.RNN, "colah").declared, restated(zoo.RNN, "pytorch").declared
((h[t] = tanh(W @ [h[t-1]; x[t]] + b),), (h[t] = tanh(W_ih @ x[t] + b_ih + W_hh @ h[t-1] + b_hh),))
>>> restatement(zoo.RNN, "pytorch").where
(h = h, x = x, W = W_ih, U = W_hh, b = b_ih + b_hh)
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple, TypeGuard

from symlstm import zoo
from symlstm.algebra import (
    NOW,
    Add,
    Apply,
    Blocks,
    MatMul,
    NotValid,
    Relation,
    Rows,
    Sym,
    Term,
    Transpose,
    children,
    defined,
    equation,
    map_relation,
    rebuild,
    substitute,
    transform,
    walk,
)
from symlstm.dialects import notation_of
from symlstm.model import Cell
from symlstm.notation import ACCENTS, HOUSE, Form, Notation
from symlstm.shapes import ONE, Length, length_term, total_length

Names = Mapping[str, str]
Made = dict[Term, Term]  # what each parameter is made of


@dataclass(frozen=True, slots=True)
class Restatement:
    """A cell in a notation, and `where`: what each thing of the cell as it was is in terms of those of the restated one."""

    cell: Cell
    where: tuple[Relation, ...]


def restated(cell: Cell | str | os.PathLike[str], notation: Notation | str | os.PathLike[str]) -> Cell:
    """The cell with the names and the form of a notation; its name, title, inputs and states stay what they are.

    Raises `NotValid` for a notation that there is not, and for one in which two things of the cell would have one name.
    """
    return restatement(cell, notation).cell


def restatement(cell: Cell | str | os.PathLike[str], notation: Notation | str | os.PathLike[str]) -> Restatement:
    """The same, with the map that says what the cell as it was is in terms of the restated one."""
    original, notation = zoo.cell_of(cell), notation_of(notation)
    arranged, made_of = original, {symbol: symbol for symbol in original.parameter_terms}
    for word in FORMS:
        if word in notation.form:
            arranged, these = _rearranged(arranged, word, notation)
            made_of = {symbol: substitute(made, these) for symbol, made in made_of.items()}
    found = names(arranged, notation)
    source = f"{original.source}; in the notation of {notation.source or notation.name}"
    new = renamed(arranged, found, source if original.source else "") if notation != HOUSE else original
    where = [equation(symbol.at(None), Sym(found[symbol.name])) for symbol in (*original.state_terms, *original.input_terms)]
    parameters = {*arranged.parameter_terms}
    where += [equation(symbol, called(made, found, parameters)) for symbol, made in made_of.items()]
    return Restatement(new, tuple(where))


# --- form: the sums of products ---------------------------------------------------------------------------------------


@dataclass
class Change:
    """What a form makes of a cell: what each parameter is made of that is gone or stands for less, and sizes of new ones."""

    cell: Cell
    form: tuple[Form, ...]
    made_of: Made = field(default_factory=dict)
    sizes: dict[str, tuple[Term, ...]] = field(default_factory=dict)

    @cached_property
    def _counts(self) -> Counter[Term]:
        return Counter(part for line in self.cell.declared for part in walk(line))

    def once(self, node: Term) -> TypeGuard[Sym]:
        """Whether a term is a parameter that stands in one place of the cell."""
        return node in self.cell.parameter_terms and self._counts[node] == 1

    def free(self, name: str) -> bool:
        """Whether nothing of the cell has a name yet."""
        return name not in {*self.cell.shapes, *self.cell.size_names, *(part.name for part in _symbols(self.made_of.values()))}

    def length(self, vector: Term) -> Length:
        """The length of a vector."""
        shape = self.cell.shapes.of(vector)
        assert shape is not None  # it is multiplied by a matrix
        return shape[0]

    def declare(self, parameter: Sym, like: Sym, columns: Length) -> None:
        """Declare the size of a new parameter with the rows of an old one, where the cell declares that of the old one."""
        if like.name in self.cell.sizes:
            rows = length_term(self.cell.shapes.lengths[like.name][0])
            self.sizes[parameter.name] = (rows,) if columns == ONE else (rows, length_term(columns))

    def products(self, node: Add) -> tuple[MatMul | None, MatMul | None]:
        """Of a sum, the first product of a matrix with what comes from this step, and with what comes from another."""
        found = [part for part in node.args if isinstance(part, MatMul) and self._is_product(part)]
        here = next((part for part in found if not _is_carried(part)), None)
        return here, next((part for part in found if _is_carried(part)), None)

    def _is_product(self, node: MatMul) -> bool:
        matrix = node.args[0]
        return len(node.args) == 2 and self.once(matrix) and self.cell.shapes.lengths[matrix.name][1] != ONE


def _symbols(nodes: Iterable[Term]) -> Iterator[Sym]:
    return (part for node in nodes for part in walk(node) if isinstance(part, Sym))


def _is_carried(node: Term) -> bool:
    """Whether a term has something in it that comes from another step."""
    return any(symbol.time not in (None, NOW) for symbol in _symbols([node]))


def _apart(node: Term, change: Change) -> Term:
    """`W [h; c; x]` as `W x + U h + V c`; what is left over after these three stays a stack."""
    if isinstance(node, Add):
        return Add(tuple(part for arg in node.args for part in (arg.args if isinstance(arg, Add) else (arg,))))
    if not (isinstance(node, MatMul) and len(node.args) == 2 and isinstance(stack := node.args[1], Blocks)):
        return node
    matrix = node.args[0]
    blocks = [row[0] for row in stack.rows]
    here, before = ([block for block in blocks if _is_carried(block) == carried] for carried in (False, True))
    if any(len(row) > 1 for row in stack.rows) or not change.once(matrix) or len(here) > 1 or len(before) > 2 or len(blocks) < 2:
        return node
    rest = matrix.name.removeprefix(matrix.name.partition("_")[0])
    letters = [("W", block) for block in here] + list(zip("UV", before, strict=False))
    matrices = {block: Sym(letter + rest) for letter, block in letters}
    if not all(each == matrix or change.free(each.name) for each in matrices.values()):
        return node
    change.made_of[matrix] = Blocks((tuple(matrices[block] for block in blocks),))
    for block, each in matrices.items():
        change.declare(each, matrix, change.length(block))
    return Add(tuple(MatMul((each, block)) for block, each in matrices.items()))


def _ordered(first: int) -> Callable[[Term, Change], Term]:
    """The product with the input before that with the hidden state (0), or after it (1)."""

    def change_order(node: Term, change: Change) -> Term:
        pair = change.products(node) if isinstance(node, Add) else ()
        if None in pair or not isinstance(node, Add):
            return node
        places = sorted(node.args.index(each) for each in pair if each is not None)
        args = list(node.args)
        args[places[0]], args[places[1]] = (pair[first], pair[1 - first])  # type: ignore[assignment]  # none of them is None
        return Add(tuple(args))

    return change_order


def _joined(node: Term, change: Change) -> Term:
    """`W x + U h` as `W [h; x]`."""
    pair = change.products(node) if isinstance(node, Add) else (None, None)
    if not isinstance(node, Add) or pair[0] is None or pair[1] is None:
        return node
    ordered = pair if "input first" in change.form else pair[::-1]
    matrix, start = pair[0].args[0], total_length([])
    assert isinstance(matrix, Sym)
    for each in ordered:
        assert each is not None and isinstance(each.args[0], Sym)
        stop = total_length([start, change.length(each.args[1])])
        change.made_of[each.args[0]] = Transpose(Rows(Transpose(matrix), length_term(start), length_term(stop)))
        start = stop
    change.declare(matrix, matrix, start)
    whole = MatMul((matrix, Blocks(tuple((each.args[1],) for each in ordered if each is not None))))
    args = [arg for arg in node.args if arg not in pair]
    args.insert(min(node.args.index(each) for each in pair if each is not None), whole)
    return Add(tuple(args)) if len(args) > 1 else whole


def _two_biases(node: Term, change: Change) -> Term:
    """`W x + U h + b` as `W x + b + U h + d`."""
    pair = change.products(node) if isinstance(node, Add) else ()
    if None in pair or not isinstance(node, Add):
        return node
    biases = [arg for arg in node.args if change.once(arg)]
    if len(biases) != 1:
        return node
    first = biases[0]
    second = Sym("d" + first.name.removeprefix(first.name.partition("_")[0]))
    if not change.free(second.name):
        return node
    change.made_of[first] = first + second
    change.declare(first, first, ONE)
    change.declare(second, first, ONE)
    behind: dict[Term | None, Sym] = dict(zip(pair, (first, second), strict=True))
    return Add(tuple(each for arg in node.args if arg != first for each in (arg, *([behind[arg]] if arg in behind else []))))


FORMS: Mapping[Form, Callable[[Term, Change], Term]] = {
    "apart": _apart,
    "input first": _ordered(0),
    "hidden first": _ordered(1),
    "joined": _joined,
    "two biases": _two_biases,
}


def _rearranged(cell: Cell, word: Form, notation: Notation) -> tuple[Cell, Made]:
    """The cell with a form taken on wherever it fits, and what its parameters are made of."""
    change = Change(cell, notation.form)
    done: dict[Term, Term] = {}  # an argument of an activation becomes what it becomes inside its equation

    def changed(node: Term) -> Term:
        if node not in done:
            inner = rebuild(node, tuple(map(changed, children(node))))
            done[node] = FORMS[word](inner, change)
        return done[node]

    lines = tuple(map_relation(line, changed) for line in cell.declared)
    sizes = {name: size for name, size in cell.sizes.items() if Sym(name) not in change.made_of} | change.sizes
    return _made(cell, lines, {changed(argument): name for argument, name in cell.preactivations.items()}, sizes), change.made_of


def _made(cell: Cell, lines: tuple[Relation, ...], called: Mapping[Term, Sym], sizes: Mapping[str, tuple[Term, ...]]) -> Cell:
    return Cell(
        cell.name,
        cell.input_terms,
        cell.state_terms,
        lines,
        title=cell.title,
        source=cell.source,
        words=cell.words,
        sizes=sizes,
        preactivations=called,
    )


# --- names --------------------------------------------------------------------------------------------------------------

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
        letter, *rest = name.split("_")
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
        clashes += [(each,) for each in made if each.old in table.parameters and each.new in cell.size_names]
        if not clashes:
            return {each.old: each.new for each in made}
        clash = min(clashes, key=lambda clash: len(_changed(clash)))  # first where it is plain which gives way
        table = table.without(_yielding(clash), clash)


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
        if name in self.arguments and self.entries[PATTERN] != OURS:
            of = self.name(self.arguments[name])
            whole = Name.of(of.new)
            new = Name.of(self.entries[PATTERN].replace("*", str(replace(whole, layer=""))))
            return _Made(name, str(replace(new, layer=whole.layer)), (*of.entries, PATTERN))
        old = Name.of(name)
        new, used = self._plain(str(Name(old.letter, (), old.subscript)), name in self.parameters)
        made = Name.of(new)
        return _Made(name, str(replace(made, accents=(*made.accents, *old.accents), layer=made.layer or old.layer)), used)

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

    def without(self, yielding: _Made | None, clash: tuple[_Made, ...]) -> _Table:
        """The table without the entry that made a name, where a notation keeps names. Raises `NotValid` where it does not."""
        if yielding is not None and yielding.entries and self.notation.clash == "keep":
            entry = next((key for key in yielding.entries if key.startswith("*")), yielding.entries[-1])
            left = {key: value for key, value in self.entries.items() if key != entry}
            return replace(self, entries={PATTERN: OURS, **left})
        both, new = " and ".join(each.old for each in clash), clash[0].new
        told = f"{both} would both be {new}" if len(clash) > 1 else f"the parameter {both} would be {new}, a size"
        right = f"another name for one of them, or clash = 'keep', which keeps a name where a cell has {new} already"
        raise NotValid(f"In the notation {self.notation.name}, {told}.", f"rename: {_shown(self.entries)}", right)


def _yielding(clash: tuple[_Made, ...]) -> _Made | None:
    """Of two that have one name the one that gives way: that which a table changed, or which it changed as a subscript or a
    pre-activation; neither where both were given their names."""
    changed = _changed(clash)
    if len(changed) == 1:
        return changed[0]
    return next((each for each in changed if any(key.startswith("*") for key in each.entries)), None) or next(
        (each for each in changed if PATTERN in each.entries), None
    )


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


def renamed(cell: Cell, found: Names, source: str = "") -> Cell:
    """The cell with other names, as `names` gives them."""

    def new(node: Term) -> Any:  # what it makes of a symbol is a symbol
        return called(node, found, cell.parameter_terms)

    return Cell(
        cell.name,
        tuple(map(new, cell.input_terms)),
        tuple(map(new, cell.state_terms)),
        tuple(map_relation(line, new) for line in cell.declared),
        title=cell.title,
        source=source or cell.source,
        words={found.get(name, name): word for name, word in cell.words.items()},
        sizes={found.get(name, name): size for name, size in cell.sizes.items()},
        preactivations={new(argument): new(name) for argument, name in cell.preactivations.items()},
    )
