"""The adjoint equations of a cell in normal form, solved for the adjoints that a backward loop must carry.

The equations of the reverse sweep are linear in the adjoints. Those that are a known factor times another adjoint are
eliminated; few are left: those of the states, of affine maps, and sums.
"""

from __future__ import annotations

from dataclasses import dataclass

from symlstm.activations import activation
from symlstm.algebra import (
    NOW,
    Add,
    Adj,
    Apply,
    Div,
    Hadamard,
    MatMul,
    Neg,
    NotSupported,
    Prime,
    Sym,
    Term,
    Transpose,
    plain,
    term,
    walk,
)
from symlstm.model import Cell
from symlstm.reverse import AdjointLine, sweep
from symlstm.rules import times


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of an adjoint equation: factors times the adjoint of `root`, or `matrix.T` @ it, or it @ `outer.T`."""

    root: Sym
    factors: tuple[Term, ...] = ()
    matrix: Sym | None = None
    outer: Sym | None = None


Solved = list[tuple[Sym, Term]]  # roots and the factor of each


class Adjoints:
    """The adjoint equations of one step, as sums of parts, and what is left to carry after elimination.

    `lines` maps each quantity, parameter (at t) and state (at t-1) to its parts. An adjoint is *kept* when a matrix
    meets it, when it is a state's, or when it is a sum; every other one is a factor times a kept one.
    `home` maps an adjoint that equals the one of an affine map to that map.
    """

    def __init__(self, cell: Cell, affine: tuple[Sym, ...]) -> None:
        swept = sweep(cell)
        self.cell = cell
        self.values = {line.lhs: line.rhs for line in cell.named}
        self.lines = {line.of: self._parts(line) for line in swept.lines}
        self.equations = {line.of: plain(line.relation) for line in swept.lines}
        self.home = {slot: slot for slot in affine}
        for slot in affine:
            parts = self.lines[slot]
            if len(parts) == 1 and not parts[0].factors and parts[0].root not in cell.state_terms:
                self.home.setdefault(parts[0].root, slot)
        self.stored = self._stored()
        self.kept = {*cell.state_terms, *self.home, *self.stored, *(
            of for of, parts in self.lines.items() if len(parts) != 1 or parts[0].matrix is not None)}

    def of(self, quantity: Sym) -> Solved:
        """The adjoint of a quantity as a sum of factors times kept adjoints, each kept one once; matrix parts aside."""
        if self.home.get(quantity, quantity) == quantity:
            quantity = next((of for of, slot in self.home.items() if slot == quantity and of != quantity), quantity)
        gathered: dict[Sym, list[Term]] = {}
        for part in self.lines.get(quantity, []):
            if part.matrix is None:
                root, factor = self.root(part)
                gathered.setdefault(root, []).append(factor)
        return [(root, Add(tuple(factors)) if len(factors) > 1 else factors[0]) for root, factors in gathered.items()]

    def root(self, part: Part) -> tuple[Sym, Term]:
        """A part as a factor times a kept adjoint."""
        root, factors = part.root, part.factors
        while root not in self.kept:
            (below,) = self.lines[root]
            root, factors = below.root, (*below.factors, *factors)
        return root, times(*factors)

    def _stored(self) -> set[Sym]:
        """The adjoints that are read after the loop, elementwise: they are kept for every step."""
        ends = [*(symbol.at(NOW) for symbol in self.cell.parameter_terms), *self.cell.input_terms]
        parts = (part for end in ends for part in self.lines[end])
        return {part.root for part in parts if part.matrix is None and part.outer is None} - set(self.home)

    def _parts(self, line: AdjointLine) -> list[Part]:
        return [self._part(share.term, share.through) for share in line.shares]

    def _part(self, node: Term, through: Sym) -> Part:
        formula = self.values[through]
        if isinstance(formula, Apply):
            slope = activation(formula.function).slope(formula.arg, through)
            assert node == times(Adj(through), slope), f"{plain(node)} is not the adjoint of {plain(formula)}"
            return Part(through, (Prime(formula.function, formula.arg),))
        return _linear(node)


def _linear(node: Term) -> Part:
    """A share, which is linear in one adjoint, taken apart."""
    match node:
        case Adj(of):
            return Part(of)
        case Neg(arg):
            inner = _linear(arg)
            return Part(inner.root, (term(-1), *inner.factors), inner.matrix, inner.outer)
        case Div(above, below):
            inner = _linear(above)
            return Part(inner.root, (*inner.factors, Div(term(1), below)))
        case MatMul((Transpose(Sym() as matrix), Adj(of))):
            return Part(of, matrix=matrix)
        case MatMul((Adj(of), Transpose(Sym() as vector))):
            return Part(of, outer=vector)
        case Hadamard(args) | MatMul(args):
            (k,) = (k for k, arg in enumerate(args) if any(isinstance(part, Adj) for part in walk(arg)))
            inner = _linear(args[k])
            return Part(inner.root, (*inner.factors, *args[:k], *args[k + 1:]))
    raise NotSupported("This share of an adjoint has no NumPy form.", plain(node))
