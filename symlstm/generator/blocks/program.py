"""What a cell computes, arranged for NumPy: affine maps of the same vectors gathered in blocks, one product for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, permutations

from symlstm.algebra import Apply, MatMul, Prime, Sym, Term, children, walk
from symlstm.generator.blocks.adjoints import Adjoints
from symlstm.generator.codes import slope_reads
from symlstm.generator.rewrites.normal import normal, parts
from symlstm.generator.rewrites.splitting import split
from symlstm.generator.units import Unit


@dataclass(frozen=True, slots=True)
class Affine:
    """`of = sum of matrices @ vector + biases`. Two matrices that meet the same vector are added."""

    of: Sym
    matrices: dict[Sym, tuple[Sym, ...]]
    biases: tuple[Sym, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Affine maps of the same vectors, computed by one matrix product a vector; the slots stand side by side."""

    slots: tuple[Affine, ...]

    @property
    def vectors(self) -> tuple[Sym, ...]:
        return tuple(self.slots[0].matrices)

    @property
    def biased(self) -> bool:
        return bool(self.slots[0].biases)

    @property
    def members(self) -> tuple[Sym, ...]:
        return tuple(slot.of for slot in self.slots)


class Program:
    """A unit's cell in normal form, with its blocks and its adjoints.

    `early` are the quantities that need nothing of the step before: they are computed for all steps at once.
    """

    def __init__(self, unit: Unit, accuracy: str = "fast") -> None:
        self.unit, self.accuracy, cell = unit, accuracy, unit.cell
        whole, self.pieces = split(cell)
        self.original, self.cell = cell, normal(whole)
        self.lines = {line.lhs: line.rhs for line in self.cell.named if isinstance(line.lhs, Sym)}
        self.input, self.states = cell.input_terms[0], cell.state_terms
        self.early = self._early()
        affine = [found for of, rhs in self.lines.items() if (found := _affine(of, rhs)) is not None]
        gathered: dict[tuple[object, ...], list[Affine]] = {}
        for line in affine:
            gathered.setdefault((frozenset(line.matrices), bool(line.biases)), []).append(line)
        self.adjoints = Adjoints(self.cell, tuple(line.of for line in affine))
        self.blocks = tuple(Block(self._arranged(slots)) for slots in gathered.values())

    def _early(self) -> set[Sym]:
        early = {self.input}
        for of, rhs in self.lines.items():
            read = {part for part in walk(rhs) if isinstance(part, Sym) and part.time is not None}
            if of not in self.states and read <= early:
                early.add(of)
        return early

    def applied(self, of: Sym) -> str:
        """The function that is applied to a quantity, "" if none or several."""
        found = [rhs.function for rhs in self.lines.values() if isinstance(rhs, Apply) and rhs.arg == of]
        return found[0] if len(found) == 1 else ""

    def _arranged(self, slots: list[Affine]) -> tuple[Affine, ...]:
        """The order that puts side by side what has the same activation, and what has its adjoint from the same root."""
        def breaks(order: tuple[Affine, ...]) -> int:
            keys = [(self.applied(slot.of), tuple(root for root, _ in self.adjoints.of(slot.of))) for slot in order]
            return sum((a != c) + (b != d) for (a, b), (c, d) in pairwise(keys))
        return min(permutations(slots), key=breaks) if len(slots) <= 5 else tuple(slots)

    @cached_property
    def factors_read(self) -> set[Sym]:
        """The quantities whose values the factors of the backward pass read."""
        factors = [factor for line in self.adjoints.lines.values() for share in line for factor in share.factors]
        return {part for factor in factors for part in self.reads(factor)}

    @cached_property
    def read_backwards(self) -> set[Sym]:
        """The quantities whose values the backward pass reads."""
        return self.factors_read | {vector for block in self.blocks for vector in block.vectors}

    def reads(self, node: Term) -> Iterator[Sym]:
        """The quantities of which a formula of the backward pass needs the values."""
        if isinstance(node, Prime):
            letters, value = slope_reads(node.function, self.accuracy), self.value_of(node)
            if value is None or "x" in letters:
                yield from self.reads(node.arg)
            if value is not None and "y" in letters:
                yield value
        elif isinstance(node, Sym):
            yield node
        else:
            for child in children(node):
                yield from self.reads(child)

    def value_of(self, node: Prime) -> Sym | None:
        """The quantity that is the function, of which `node` is the slope, at the same place; None if it has no name."""
        return next((of for of, rhs in self.lines.items() if rhs == Apply(node.function, node.arg)), None)


def _affine(of: Sym, rhs: Term) -> Affine | None:
    products = [part for part in parts(rhs) if isinstance(part, MatMul)]
    if not products:
        return None
    matrices: dict[Sym, tuple[Sym, ...]] = {}
    for product in products:
        matrix, vector = product.args
        assert isinstance(matrix, Sym) and isinstance(vector, Sym)
        matrices[vector] = (*matrices.get(vector, ()), matrix)
    return Affine(of, matrices, tuple(part for part in parts(rhs) if isinstance(part, Sym)))
