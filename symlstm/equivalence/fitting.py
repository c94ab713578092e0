"""What a map gives each thing of the second cell, fitted to its size.

A bare number becomes an array of that number, a stack `[U, W]` lies side by side or one above the other as the size asks, and
a bare number in it fills what the other blocks leave. A cell of numbers, such as `scalar`, may stand for a row of
such cells: it takes vectors entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from symlstm.algebra import (
    Add,
    Apply,
    Blocks,
    Div,
    Hadamard,
    MatMul,
    Max,
    Neg,
    NotValid,
    Num,
    Ones,
    Pow,
    Sym,
    SymlstmError,
    Term,
    Transpose,
    map_relation,
    plain,
    term,
    transform,
    walk,
)
from symlstm.model import Cell
from symlstm.shapes import ONE, Length, Shape, Shapes, length_term, total_length

ELEMENTWISE = (Sym, Num, Add, Neg, Hadamard, Div, MatMul, Pow, Apply, Max)


@dataclass(frozen=True)
class Fitted:
    """A second cell, the terms of a map with the sizes that it needs, and its size letters in those of the first cell."""

    target: Cell
    mapped: Mapping[Sym, Term]
    letters: Mapping[str, Term]


def fitted(mapped: Mapping[Sym, Term], source: Cell, target: Cell) -> Fitted:
    """The map with every term of the size that `target` needs, and `target` as a row of cells where a vector is asked of it.

    `mapped` has a term for every state (of step t), input and parameter of `target`, in this order.
    Raises `NotValid` where a size does not fit.
    """
    output = _shape(mapped[target.output_term], source.shapes)
    if output not in (None, (ONE, ONE)) and _is_entrywise(target):
        terms = {symbol: _fit(symbol, said, output, source, target) for symbol, said in mapped.items()}
        return Fitted(_row(target), terms, {})
    sizes = dict(_sizes(mapped, source.shapes, target))
    found = {}
    for symbol, said in mapped.items():
        rows, columns = (_in_letters(length, sizes) for length in target.shapes.lengths[symbol.name])
        found[symbol] = _fit(symbol, said, (rows, columns), source, target)
    return Fitted(target, found, {name: length_term(length) for name, length in sizes.items()})


def _is_entrywise(cell: Cell) -> bool:
    """Whether a cell is one of numbers, whose equations have a meaning for each entry of vectors alone."""
    numbers = all(shape == (ONE, ONE) for shape in cell.shapes.lengths.values())
    return numbers and all(isinstance(part, ELEMENTWISE) for line in cell.named for part in walk(line.rhs))


def _row(cell: Cell) -> Cell:
    """A row of cells of numbers: their products are products of entries."""

    def entries(part: Term) -> Term:
        return Hadamard(part.args) if isinstance(part, MatMul) else part

    lines = tuple(map_relation(line, lambda side: transform(side, entries)) for line in cell.named)
    return Cell(cell.name, cell.input_terms, cell.state_terms, lines, title=cell.title, sizes=cell.sizes, output=cell.output_term)


def _shape(node: Term, shapes: Shapes) -> Shape | None:
    """The size of a term; None for a bare number, and for a stack whose blocks do not fit as they stand."""
    try:
        return shapes.of(node)
    except SymlstmError:
        return None


def _sizes(mapped: Mapping[Sym, Term], shapes: Shapes, target: Cell) -> Iterator[tuple[str, Length]]:
    """What the size letters of a cell are: read off the first of its states, inputs and parameters that has the letter alone."""
    done = set()
    for symbol in mapped:
        given = _shape(mapped[symbol], shapes)
        for letter, length in zip(target.shapes.lengths[symbol.name], given or (), strict=False):
            if len(letter) == 1 and letter[0][1] == 1 and letter[0][0] and letter[0][0] not in done:
                done.add(letter[0][0])
                yield letter[0][0], length


def _in_letters(length: Length, sizes: Mapping[str, Length]) -> Length:
    """A length in the letters of the other cell; a letter that nothing fixes keeps its name."""
    return total_length([sizes.get(name, ((name, 1),)) for name, count in length for _ in range(count)])


def _fit(symbol: Sym, said: Term, want: Shape | None, source: Cell, target: Cell) -> Term:
    assert want is not None
    for candidate in _readings(said, want, source.shapes):
        if _shape(candidate, source.shapes) == want:
            return candidate
    source.shapes.of(said)  # what does not fit in itself says so
    have = source.shapes.of(said)
    assert have is not None
    raise NotValid(
        f"The sizes do not fit: {symbol.name} of {target.name} is {_words(want)}, and {plain(said)} is {_words(have)}.",
        f"{symbol.name} = {plain(said)}",
        _words(want),
    )


def _words(shape: Shape) -> str:
    rows, columns = (plain(length_term(length)).replace(" @ ", " ") for length in shape)
    if shape == (ONE, ONE):
        return "a number"
    return f"a vector of length {rows}" if shape[1] == ONE else f"a matrix of {rows} rows and {columns} columns"


def _readings(said: Term, want: Shape, shapes: Shapes) -> Iterator[Term]:
    """What a term may mean where something of a size is wanted, the plainest first."""
    if isinstance(said, Neg):
        yield from map(Neg, _readings(said.arg, want, shapes))
    elif isinstance(said, Blocks):
        turned = Blocks((tuple(row[0] for row in said.rows),)) if all(len(row) == 1 for row in said.rows) else said
        yield from (_blocks(each, want, shapes) for each in (said, turned))
    else:
        shape = _shape(said, shapes)
        yield constant(said, want) if shape is None or (shape == (ONE, ONE) != want) else said


def constant(number: Term, of: Shape) -> Term:
    """The array of one number everywhere."""
    rows, columns = map(length_term, of)
    if of == (ONE, ONE):
        return MatMul((number, Ones(term(1))))
    return MatMul((number, Ones(rows))) if of[1] == ONE else MatMul((number, Ones(rows), Transpose(Ones(columns))))


def _blocks(said: Blocks, want: Shape, shapes: Shapes) -> Blocks:
    """A row or a column of blocks with its bare number, if it has one, as large as the others leave it."""
    flat = len(said.rows) == 1
    blocks = said.rows[0] if flat else tuple(row[0] for row in said.rows)
    bare = [k for k, block in enumerate(blocks) if isinstance(block, (Num, Neg)) and shapes.of(block) is None]
    if len(bare) != 1 or (not flat and any(len(row) > 1 for row in said.rows)):
        return said
    others = [shape for block in blocks if (shape := _shape(block, shapes)) is not None]
    rest = total_length([want[1] if flat else want[0]], total_length([shape[1] if flat else shape[0] for shape in others]))
    if any(count < 0 for _, count in rest) or not rest:
        return said
    filled = constant(blocks[bare[0]], (want[0], rest) if flat else (rest, want[1]))
    whole = tuple(filled if k == bare[0] else block for k, block in enumerate(blocks))
    return Blocks((whole,)) if flat else Blocks(tuple((block,) for block in whole))
