"""What a map gives each thing of the second cell, fitted to its size.

A bare number becomes an array of that number, a stack `[U, W]` lies side by side or one above the other as the size asks, and
a bare number in it fills what the other blocks leave. A cell of numbers whose equations are elementwise, such as `scalar`,
may stand for a row of itself: it takes vectors entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
    plain,
    term,
    walk,
)
from symlstm.model import Cell
from symlstm.shapes import ONE, Length, Shape, Shapes, length_term, total_length

ELEMENTWISE = (Sym, Num, Add, Neg, Hadamard, Div, Pow, Apply, Max)


def fitted(mapped: Mapping[Sym, Term], source: Cell, target: Cell) -> tuple[dict[Sym, Term], dict[str, Term]]:
    """The terms of a map with the sizes that `target` needs, and what its size letters are in those of `source`.

    `mapped` has a term for every state (of step t), input and parameter of `target`, in this order.
    Raises `NotValid` where a size does not fit.
    """
    output = mapped[target.state_terms[0]]
    if _is_entrywise(target) and (row := _shape(output, source.shapes)) not in (None, (ONE, ONE)):
        return {symbol: _fit(symbol, said, row, source, target) for symbol, said in mapped.items()}, {}
    sizes = dict(_sizes(mapped, source.shapes, target))
    found = {}
    for symbol, said in mapped.items():
        rows, columns = (_in_letters(length, sizes) for length in target.shapes.lengths[symbol.name])
        found[symbol] = _fit(symbol, said, (rows, columns), source, target)
    return found, {name: length_term(length) for name, length in sizes.items()}


def _is_entrywise(cell: Cell) -> bool:
    """Whether a cell is one of numbers and acts on each entry alone."""
    numbers = all(shape == (ONE, ONE) for shape in cell.shapes.lengths.values())
    return numbers and all(isinstance(part, ELEMENTWISE) for line in cell.named for part in walk(line.rhs))


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
    rows, columns = (plain(length_term(length)) for length in shape)
    return "a number" if shape == (ONE, ONE) else f"a vector of {rows}" if shape[1] == ONE else f"a matrix of {rows} x {columns}"


def _readings(said: Term, want: Shape, shapes: Shapes) -> Iterator[Term]:
    """What a term may mean where something of a size is wanted, the plainest first."""
    if isinstance(said, Neg):
        yield from map(Neg, _readings(said.arg, want, shapes))
    elif isinstance(said, Blocks):
        turned = Blocks((tuple(row[0] for row in said.rows),)) if all(len(row) == 1 for row in said.rows) else said
        yield from (_blocks(each, want, shapes) for each in (said, turned))
    else:
        yield said if _shape(said, shapes) not in (None, (ONE, ONE)) or want == (ONE, ONE) else constant(said, want)


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
