"""`prepare` as lines of Python: the weights as the products of both passes read them.

The parameters of the slots of a block stand above one another, so that one product serves all of them. The forward pass
reads a copy with the bias as a last column, which meets the 1 below the input, and with halved rows (`halving`). What a
loop multiplies lies as BLAS takes it soonest: by columns for one sequence, transposed for the way back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from symlstm.algebra import Sym
from symlstm.generator.blocks.layout import Layout, runs
from symlstm.generator.blocks.program import Block
from symlstm.generator.lengths import size_text
from symlstm.generator.rewrites.splitting import Piece


class Stacking:
    """Writes `prepare`."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.program = layout, layout.program

    def lines(self) -> list[str]:
        """The body of `prepare`, without the last line."""
        made = [line for block in self.program.blocks for line in self._block(block)]
        text, sizes = "\n".join(made), self.layout.sizes()
        return [*(f"{size} = {shown}" for size, shown in sizes.items() if size != "m" or re.search(r"\bm\b", text)), *made]

    def kept(self) -> Iterator[tuple[str, str]]:
        """What `prepare` can give: each name, and its text."""
        yield from ((size, size) for size in self.layout.sizes() if size != "m")
        for block in self.program.blocks:
            for vector in block.vectors:
                weights = self.layout.weights(block, vector)
                ahead = self.layout.ahead(block, vector)
                yield from ((name, name) for name in (weights, ahead))
                yield self.layout.by_columns(ahead), f"None if many else np.asfortranarray({ahead})"
                yield self.layout.turned(block, vector), f"{weights}.T.copy()"
            if block.biased:
                yield self.layout.bias(block), self.layout.bias(block)
        for symbol in self.program.cell.parameter_terms:
            yield self.layout.parameter(symbol), f"np.array({given(self.program.pieces, symbol)})"
        for name, text in self.layout.constants.items():
            yield name, f"np.array({text}, dtype)"

    def _block(self, block: Block) -> Iterator[str]:
        layout = self.layout
        for vector in block.vectors:
            yield f"{layout.weights(block, vector)} = {self._stacked([slot.matrices[vector] for slot in block.slots])}"
        if block.biased:
            yield f"{layout.bias(block)} = {self._stacked([slot.biases for slot in block.slots])}"
        halves = self._halves(block)
        if halves:
            gates = ", ".join(of.name for of in block.members if of in layout.halved)
            yield f"# sigma(z) = (1 + tanh(z / 2)) / 2: the forward pass reads {gates} halved"
            yield from halves
        for vector in block.vectors:
            name, text = layout.ahead(block, vector), layout.weights(block, vector)
            if layout.one(block, vector):
                text = f"np.concatenate([{text}, {layout.bias(block)}[:, None]], 1)"
            if name != layout.weights(block, vector):
                yield f"{name} = {text}{f' * {self._scale(block)}' * bool(halves)}"
        if layout.apart(block) and halves:
            yield f"{layout.bias(block)} *= {self._scale(block)}[:, 0]"

    def _scale(self, block: Block) -> str:
        return self.layout.names((block.members, "scale"), f"scale_{self.layout.block_name(block)}")

    def _halves(self, block: Block) -> list[str]:
        """The column that halves some rows of a block."""
        layout, scale, members = self.layout, self._scale(block), block.members
        found = runs(0, len(members), lambda k: members[k] in layout.halved)
        rows = [f"{scale}[{layout.span(block, *ends) or ':'}] = 0.5" for ends in found if members[ends[0]] in layout.halved]
        return [f"{scale} = np.ones(({layout.width(*members)}, 1), dtype)", *rows] if rows else []

    def _stacked(self, parts: list[tuple[Sym, ...]]) -> str:
        """The parameters of all slots above one another, those of one slot added. It is a new array."""
        pieces = self.program.pieces
        sums = [" + ".join(given(pieces, symbol) for symbol in part) for part in parts]
        whole = all(len(part) == 1 for part in parts)
        if len(sums) == 1:
            return f"np.array({sums[0]})" if whole else sums[0]
        if not whole or any(part[0] in pieces for part in parts):
            return f"np.concatenate([{', '.join(sums)}])"
        return f"np.concatenate([params[name] for name in ({', '.join(quoted(part[0]) for part in parts)})])"


def given(pieces: Mapping[Sym, Piece], symbol: Sym) -> str:
    """What the caller gave for a parameter, or for the columns of one."""
    piece = pieces.get(symbol)
    if piece is None:
        return f"params[{quoted(symbol)}]"
    ends = [size_text(end) if end else "" for end in (piece.start, piece.stop)]
    return f"params[{quoted(piece.parameter)}][:, {':'.join(ends)}]"


def quoted(symbol: Sym) -> str:
    """The name of a parameter as a string in Python."""
    return f'"{symbol.name}"'
