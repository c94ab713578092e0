"""A matrix that meets a stack, as its columns that meet the parts: `W @ [h; x]` is `W_h @ h + W_x @ x`.

The equations of the cell stay as they are; only the NumPy code is made from the split form, because it can then compute
the inputs' part for all steps at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from symlstm.algebra import Add, Blocks, MatMul, NotSupported, Num, Sym, Term, equation, plain, transform, walk
from symlstm.model import Cell
from symlstm.shapes import Length, length_term, total_length


@dataclass(frozen=True, slots=True)
class Piece:
    """Columns `start` to `stop` of a parameter."""

    parameter: Sym
    start: Length
    stop: Length


def split(cell: Cell) -> tuple[Cell, dict[Sym, Piece]]:
    """The same cell without stacks, and which columns of which parameter each of its new parameters is.

    Raises `NotSupported` for a stack that is not multiplied by a parameter of its own.

    >>> from symlstm import zoo
    >>> cell, pieces = split(zoo.ZOO["lstm-full-feedback"])
    >>> cell.named[0], len(pieces)
    (z_i[t] = W_i_h @ h[t-1] + W_i_c @ c[t-1] + W_i_x @ x[t] + b_i, 12)
    """
    parts = [part for line in cell.named for part in walk(line)]
    stacks = [part for part in parts if isinstance(part, Blocks)]
    if not stacks:
        return cell, {}
    products = [part for part in parts if _splits(part)]
    met = Counter(part for part in parts if isinstance(part, Sym) and part.time is None)
    if len(products) != len(stacks) or any(met[product.args[0]] != 1 for product in products):  # type: ignore[attr-defined]
        raise NotSupported("A stack is split where a matrix of its own multiplies it.", plain(stacks[0]), "W @ [h; x]")
    pieces: dict[Sym, Piece] = {}
    taken = {part.name for part in parts if isinstance(part, Sym)}

    def columns(node: MatMul) -> Iterator[Term]:
        matrix, stack = node.args
        assert isinstance(matrix, Sym) and isinstance(stack, Blocks)
        above: Length = ()
        for k, (block,) in enumerate(stack.rows):
            shape = cell.shapes.of(block)
            assert shape is not None
            below = total_length([above, shape[0]])
            wish = f"{matrix.name}_{block.name if isinstance(block, Sym) else k}"
            while wish in taken:
                wish += "_"
            taken.add(wish)
            pieces[Sym(wish)] = Piece(matrix, above, below)
            yield MatMul((Sym(wish), block))
            above = below

    def change(node: Term) -> Term:
        if _splits(node):
            return Add(tuple(columns(node)))  # type: ignore[arg-type]  # _splits says that it is a product
        return Add(tuple(_flat(node.args))) if isinstance(node, Add) else node

    lines = tuple(equation(line.lhs, transform(line.rhs, change)) for line in cell.named)
    rows = {name: cell.shapes.lengths[piece.parameter.name][0] for name, piece in pieces.items()}
    sizes = {name.name: (length_term(rows[name]), length_term(total_length([piece.stop], piece.start)))
             for name, piece in pieces.items()}
    return Cell(cell.name, cell.input_terms, cell.state_terms, lines, title=cell.title, sizes={**cell.sizes, **sizes},
                output=cell.output_term), pieces


def _splits(node: Term) -> bool:
    match node:
        case MatMul((Sym(time=None), Blocks(rows))):
            return all(len(row) == 1 and not isinstance(row[0], Num) for row in rows)
    return False


def _flat(args: tuple[Term, ...]) -> Iterator[Term]:
    for arg in args:
        yield from arg.args if isinstance(arg, Add) else (arg,)
