"""The form of a notation: what becomes of the sums of products in a cell's equations, and what its parameters are made of then.

A form is a rule for one node of an equation. Where it does not fit (there is no bias, or a product stands inside a reset gate)
the equation stays as it is. What a parameter is made of is kept, so that it can be proved that nothing else has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeGuard

from symlstm.algebra import (
    NOW,
    Add,
    Blocks,
    MatMul,
    Relation,
    Rows,
    Sym,
    Term,
    Transpose,
    children,
    map_relation,
    rebuild,
    substitute,
    walk,
)
from symlstm.model import Cell
from symlstm.notation import Form, Notation
from symlstm.shapes import ONE, Length, length_term, total_length

Made = dict[Term, Term]  # what each parameter is made of


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


def arranged(cell: Cell, notation: Notation) -> tuple[Cell, Made]:
    """The cell in the form of a notation, and what each of its parameters is made of then."""
    made_of: Made = {symbol: symbol for symbol in cell.parameter_terms}
    for word in FORMS:
        if word in notation.form:
            cell, these = _rearranged(cell, word, notation)
            made_of = {symbol: substitute(made, these) for symbol, made in made_of.items()}
    return cell, made_of


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
        output=cell.output_term,
        backward=tuple(state for state, back in cell.carried.items() if back == state.next),
        preactivations=called,
    )
