"""A cell with one matrix product a vector: matrices that multiply the same vector are stacked above one another.

Affine maps of the same vectors become one, `z = W @ x + U @ h + b` with `W = [W_i; W_f; ...]`, and what was a map of its own is
rows of it. A stack `W @ [h; x]` is taken apart first (`splitting`). It is the same cell again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from symlstm.algebra import (
    Add,
    Adj,
    Blocks,
    MatMul,
    NotSupported,
    Num,
    Relation,
    Rows,
    Sym,
    Term,
    Transpose,
    children,
    defined,
    equation,
    quantity,
    rebuild,
    walk,
)
from symlstm.generator.lengths import axes, solved
from symlstm.generator.rewrites.splitting import split
from symlstm.model import Cell
from symlstm.rules import added
from symlstm.shapes import ONE, Length, Shapes, length_term, total_length


@dataclass(frozen=True)
class Stacked:
    """A cell, what each of its parameters is made of, and what each parameter's gradient of the original is of the new ones."""

    cell: Cell
    made: Mapping[Sym, Term]
    shares: Mapping[Sym, Term]


@dataclass(frozen=True)
class _Map:
    """An affine map of vectors: a matrix for each, and maybe a bias."""

    node: Term
    matrices: dict[Term, Sym]
    bias: Term | None


def stacked(cell: Cell) -> Stacked:
    """The same cell with parameters stacked.

    >>> from symlstm import zoo
    >>> found = stacked(zoo.LSTM)
    >>> found.cell.named[0], found.made[Sym("b")]
    (z[t] = W @ x[t] + U @ h[t-1] + b, [b_i; b_f; b_o; b_g])
    >>> found.shares[Sym("b_f")]
    b[n:2 * n]
    """
    whole, columns = _apart(cell)
    work = _Stacking(whole)
    work.run()
    made = {symbol: work.made.get(symbol, symbol) for symbol in work.cell.parameter_terms}
    rows = {symbol: work.share(symbol) for symbol in whole.parameter_terms}
    pieces = {piece: Transpose(Rows(Transpose(of), length_term(start), length_term(stop)))
              for of, parts in columns.items() for piece, start, stop in parts}
    shares = {symbol: rows[symbol] if symbol in rows else Blocks((tuple(rows[piece] for piece, *_ in columns[symbol]),))
              for symbol in cell.parameter_terms}
    return Stacked(work.cell, {symbol: _replaced(node, pieces) for symbol, node in made.items()}, shares)


Columns = dict[Sym, list[tuple[Sym, Length, Length]]]  # the parameters that a parameter's columns became, from where to where


def _apart(cell: Cell) -> tuple[Cell, Columns]:
    """The cell without stacks of vectors, where they can be taken apart and the parameters alone show their sizes."""
    try:
        whole, pieces = split(cell)
    except NotSupported:
        return cell, {}
    columns: Columns = {}
    for symbol, piece in pieces.items():
        columns.setdefault(piece.parameter, []).append((symbol, piece.start, piece.stop))
    lengths = [length for symbol in cell.parameter_terms for length in axes(cell.shapes.lengths[symbol.name])]
    shown = {size for size, *_ in solved(lengths)}
    wanted = {size for parts in columns.values() for _, *ends in parts for length in ends for size, _ in length if size}
    return (whole, columns) if wanted <= shown else (cell, {})


class _Stacking:
    """The pass under way: `made` has the new parameters, `places` where in them the old ones are."""

    def __init__(self, cell: Cell) -> None:
        self.cell, self.shapes = cell, cell.shapes
        self.lines = list(cell.named)
        self.taken = {part.name for line in self.lines for part in walk(line) if isinstance(part, Sym)} | cell.size_names
        self.made: dict[Sym, Blocks] = {}
        self.places: dict[Sym, list[tuple[Sym, Length, Length]]] = {}
        self.sizes = dict(cell.sizes)

    def run(self) -> None:
        """Stack what can be stacked."""
        matrices = self._matrices()
        groups = [group for group in self._groups(matrices) if len(group) > 1]
        ordered = {vector: self._ordered(vector, own, groups) for vector, own in matrices.items()}
        stacks = {vector: own for vector, own in ordered.items() if len(own) > 1}
        new: dict[Term, Term] = {}  # what is put in the place of a term
        before: dict[Term, list[Relation]] = {}  # the new equations, by the terms whose first use they stand before
        names: dict[Term, Term] = {}
        for vector, own in stacks.items():
            matrix, spans = self._stack(own)
            whole: Term = MatMul((matrix, vector))
            if not any(set(own) == {each.matrices[vector] for each in group} for group in groups):
                name = quantity(self._name([f"{matrix.name}_{vector.name if isinstance(vector, Sym) else 'v'}"]))
                names[vector] = name
                before[name] = [equation(name, whole)]
                for each, span in zip(own, spans, strict=True):
                    new[MatMul((each, vector))] = _rows(name, *span)
            else:
                names[vector] = whole
        for group in groups:
            parts: list[Term] = []
            for vector in group[0].matrices:
                if vector not in stacks:
                    break
                own = [each.matrices[vector] for each in group]
                lengths = [self.shapes.lengths[each.name][0] for each in stacks[vector]]
                first = stacks[vector].index(own[0])
                start = total_length(lengths[:first])
                stop = total_length([start, *lengths[first:first + len(own)]])
                name = names[vector]
                parts.append(name if len(own) == len(stacks[vector]) else _rows(name, start, stop))
            else:
                self._group(group, parts, new, before)
        if not self.made:
            return
        self._put(new, before)

    def share(self, symbol: Sym) -> Term:
        """What a parameter's gradient is made of: rows of those of the new parameters that it is in."""
        left = [symbol] if symbol in self.cell.parameter_terms else []
        return added(*left, *(Rows(of, length_term(start), length_term(stop)) for of, start, stop in self.places.get(symbol, [])))

    # --- what can be stacked ---

    def _matrices(self) -> dict[Term, list[Sym]]:
        """The matrices that multiply each vector, in order of appearance; each such product stands in one place."""
        met = Counter(node for line in self.lines for node in walk(line.rhs) if isinstance(node, MatMul))
        found: dict[Term, list[Sym]] = {}
        for node, count in met.items():
            if count == 1 and (pair := self._pair(node)):
                found.setdefault(pair[1], []).append(pair[0])
        return found

    def _pair(self, node: Term) -> tuple[Sym, Term] | None:
        """The matrix and the vector of a product of a parameter with a vector that has no such product in it."""
        match node:
            case MatMul((Sym(time=None) as matrix, vector)) if matrix in self.cell.parameter_terms:
                rows, columns = self.shapes.lengths[matrix.name]
                plain = not any(isinstance(part, (MatMul, Blocks, Num)) for part in walk(vector))
                timed = any(isinstance(part, Sym) and part.time is not None for part in walk(vector))
                if rows != ONE and columns != ONE and plain and timed and (self.shapes.of(vector) or (ONE, ONE))[1] == ONE:
                    return matrix, vector
        return None

    def _groups(self, matrices: Mapping[Term, list[Sym]]) -> list[list[_Map]]:
        """The affine maps of the same vectors: all with a bias, or none."""
        found: dict[object, list[_Map]] = {}
        for line in self.lines:
            for node in walk(line.rhs):
                if isinstance(node, Add) and (each := self._map(node, matrices)):
                    found.setdefault((frozenset(each.matrices), each.bias is None), []).append(each)
        return list(found.values())

    def _map(self, node: Add, matrices: Mapping[Term, list[Sym]]) -> _Map | None:
        """The affine map in a sum, if there is one of several vectors or with a bias."""
        pairs = [(part, pair) for part in node.args if (pair := self._pair(part)) and pair[0] in matrices.get(pair[1], ())]
        if not pairs:
            return None
        rows = self.shapes.lengths[pairs[0][1][0].name][0]
        biases = [part for part in node.args if isinstance(part, Sym) and part in self.cell.parameter_terms
                  and self.shapes.lengths[part.name] == (rows, ONE)]
        found = {vector: matrix for _, (matrix, vector) in pairs}
        parts = [part for part in node.args if part in biases or part in [pair for pair, _ in pairs]]
        if len(found) < len(pairs) or len(parts) < 2:
            return None
        return _Map(Add(tuple(parts)), found, added(*biases) if biases else None)

    def _ordered(self, vector: Term, own: list[Sym], groups: Iterable[list[_Map]]) -> list[Sym]:
        """The matrices of a vector, those of one group side by side."""
        grouped = [each.matrices[vector] for group in groups for each in group if vector in each.matrices]
        return list(dict.fromkeys((*grouped, *own)))

    # --- the stacks ---

    def _stack(self, own: list[Sym]) -> tuple[Sym, list[tuple[Length, Length]]]:
        """A new parameter made of others above one another, and where they are in it."""
        return self._new([self.shapes.lengths[each.name] for each in own], list[Term](own))

    def _new(self, shapes: list[tuple[Length, Length]], blocks: list[Term]) -> tuple[Sym, list[tuple[Length, Length]]]:
        symbols = [next(part for part in walk(block) if isinstance(part, Sym)) for block in blocks]
        matrix = Sym(self._name([symbol.name for symbol in symbols]))
        spans: list[tuple[Length, Length]] = []
        start: Length = ()
        for block, (rows, _) in zip(blocks, shapes, strict=True):
            stop = total_length([start, rows])
            for part in walk(block):
                if isinstance(part, Sym):
                    self.places.setdefault(part, []).append((matrix, start, stop))
            spans.append((start, stop))
            start = stop
        self.made[matrix] = Blocks(tuple((block,) for block in blocks))
        columns = shapes[0][1]
        self.sizes[matrix.name] = (length_term(start), *([length_term(columns)] if columns != ONE else []))
        return matrix, spans

    def _group(self, group: list[_Map], parts: list[Term], new: dict[Term, Term], before: dict[Term, list[Relation]]) -> None:
        """One affine map for a group; its members are rows of it."""
        shapes = [(self.shapes.lengths[next(iter(each.matrices.values())).name][0], ONE) for each in group]
        if group[0].bias is not None:
            bias, _ = self._new(shapes, [each.bias for each in group if each.bias is not None])
            parts = [*parts, bias]
        lefts = [defined(line).name for line in self.lines for each in group if each.node.args[0] in walk(line.rhs)]  # type: ignore[attr-defined]
        name = quantity(self._name(lefts if len({left.partition("_")[0] for left in lefts}) == 1 else ["z"]))
        before[name] = [equation(name, added(*parts))]
        start: Length = ()
        for each, (rows, _) in zip(group, shapes, strict=True):
            stop = total_length([start, rows])
            new[each.node] = _rows(name, start, stop)
            start = stop

    def _name(self, wishes: list[str]) -> str:
        """A new name: what several names begin with, or the only one."""
        name = wishes[0] if len(wishes) == 1 else wishes[0].partition("_")[0]
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _put(self, new: Mapping[Term, Term], before: Mapping[Term, list[Relation]]) -> None:
        """The cell with terms replaced, each new equation before the first that reads what it defines."""
        maps = {node.args: to for node, to in new.items() if isinstance(node, Add)}

        def change(node: Term) -> Term:
            if isinstance(node, Add):
                for args, to in maps.items():
                    if set(args) <= set(node.args):
                        return added(to, *(change(arg) for arg in node.args if arg not in args))
            if node in new:
                return new[node]
            return rebuild(node, tuple(map(change, children(node))))

        lines: list[Relation] = []
        done: set[Term] = set()

        def put(line: Relation) -> None:
            for part in walk(line.rhs):
                if part in before and part not in done:
                    done.add(part)
                    for each in before[part]:
                        put(each)
            lines.append(line)

        for line in self.lines:
            put(equation(line.lhs, change(line.rhs)))
        self.cell = Cell(self.cell.name, self.cell.input_terms, self.cell.state_terms, tuple(lines), title=self.cell.title,
                         sizes=self.sizes, output=self.cell.output_term)


def _rows(of: Term, start: Length, stop: Length) -> Term:
    return Rows(of, length_term(start), length_term(stop))


def _replaced(node: Term, by: Mapping[Sym, Term]) -> Term:
    if isinstance(node, Sym):
        return by.get(node, node)
    return rebuild(node, tuple(_replaced(child, by) for child in children(node)))


# --- adjoints ------------------------------------------------------------------------------------------------------------


def put_together(node: Term, shapes: Shapes) -> Term:
    """A sum of stacks of which all but one block are zeros, in places that do not meet, as one stack."""
    args = node.args if isinstance(node, Add) else (node,)
    found: dict[tuple[Length, Length], Term] = {}
    rest: list[Term] = []
    for arg in args:
        part = _part(arg, shapes)
        if part is None or part[0] in found:
            rest.append(arg)
        else:
            found[part[0]] = part[1]
    spans = sorted(found, key=lambda span: (sum(count for _, count in span[0]), span[0]))
    ends = [stop for _, stop in spans]
    if len(spans) < 2 or [start for start, _ in spans] != [(), *ends[:-1]]:
        return node
    whole = next(arg for arg in args if _part(arg, shapes))
    if shapes.of(whole) != (ends[-1], ONE):
        return node
    return added(Blocks(tuple((found[span],) for span in spans)), *rest)


def _part(node: Term, shapes: Shapes) -> tuple[tuple[Length, Length], Term] | None:
    """Where in a stack the only block is that is not zero, and what it is."""
    if not isinstance(node, Blocks) or any(len(row) > 1 for row in node.rows):
        return None
    full = [k for k, (block,) in enumerate(node.rows) if any(isinstance(part, Adj) for part in walk(block))]
    lengths = [(shapes.of(block) or (ONE, ONE))[0] for (block,) in node.rows]
    if len(full) != 1:
        return None
    start = total_length(lengths[:full[0]])
    return (start, total_length([start, lengths[full[0]]])), node.rows[full[0]][0]


