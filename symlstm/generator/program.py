"""What a cell computes, arranged for NumPy: affine maps gathered in blocks, adjoints solved for what a loop must carry.

First every equation is brought to one of three kinds (`normal`): an affine map `P v + Q w + b` of named vectors, a named
function of a named quantity, or an elementwise formula. Affine maps that read the same vectors then form a `Block`,
one matrix product a vector for all of them. The adjoint equations of the reverse sweep are linear in the adjoints;
`Adjoints` eliminates those that are a known factor times another, so that only few are left for the backward loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, permutations

from symlstm.activations import activation
from symlstm.algebra import (
    NOW,
    Add,
    Adj,
    Apply,
    Div,
    Hadamard,
    MatMul,
    Max,
    Neg,
    NotSupported,
    Num,
    Pow,
    Prime,
    Relation,
    Sym,
    Term,
    Transpose,
    equation,
    plain,
    quantity,
    rebuild,
    term,
    walk,
)
from symlstm.model import Cell
from symlstm.reverse import AdjointLine, sweep
from symlstm.rules import times
from symlstm.shapes import ONE

# --- the three kinds of line ------------------------------------------------------------------------------------


def normal(cell: Cell) -> Cell:
    """The same cell with a name for every affine map, every vector that a matrix meets and every applied function.

    Raises `NotSupported` for a cell that has other things than affine maps and elementwise formulas of vectors.

    >>> from symlstm import zoo
    >>> [str(line) for line in normal(zoo.LSTM).named[-2:]]
    ['tanh_c[t] = tanh(c[t])', 'h[t] = o[t] * tanh_c[t]']
    """
    if len(cell.input_terms) != 1:
        raise NotSupported("A NumPy function is made for a cell with one input.", cell.name)
    for name, (_, columns) in cell.shapes.lengths.items():
        if columns != ONE and Sym(name) not in cell.parameter_terms:
            raise NotSupported("A NumPy function is made for a cell whose quantities are vectors.", f"{name} of {cell.name}")
    work = _Naming(cell)
    for line in cell.named:
        assert isinstance(line.lhs, Sym)
        rhs = work.top(line.rhs, line.lhs.name)
        if line.lhs in cell.state_terms and _affine(line.lhs, rhs):  # a state has an array of its own, an affine map its block
            rhs = work.named(rhs, f"a_{line.lhs.name}")
        work.lines.append(equation(line.lhs, rhs))
    return Cell(cell.name, cell.input_terms, cell.state_terms, tuple(work.lines), title=cell.title, sizes=cell.sizes)


class _Naming:
    """Gives names to what a line of the three kinds may only use by name."""

    def __init__(self, cell: Cell) -> None:
        self.cell, self.lines = cell, list[Relation]()
        self.known: dict[Term, Sym] = {}
        self.taken = {part.name for line in cell.named for part in walk(line) if isinstance(part, Sym)}

    def named(self, node: Term, wish: str) -> Sym:
        if isinstance(node, Sym):
            return node
        if node not in self.known:
            line = self.top(node, wish)
            while wish in self.taken:
                wish += "_"
            self.taken.add(wish)
            self.known[node] = quantity(wish)
            self.lines.append(equation(quantity(wish), line))
        return self.known[node]

    def top(self, node: Term, of: str) -> Term:
        if isinstance(node, Apply):
            return Apply(node.function, self.named(node.arg, f"z_{of}"))
        parts = node.args if isinstance(node, Add) else (node,)
        if any(map(self.is_product, parts)) and all(self.is_product(part) or self.is_parameter(part) for part in parts):
            made = tuple(self.product(part, of) if isinstance(part, MatMul) else part for part in parts)
            return Add(made) if isinstance(node, Add) else made[0]
        return self.formula(node, of)

    def product(self, node: MatMul, of: str) -> Term:
        head, *rest = node.args
        return MatMul((head, self.named(rest[0] if len(rest) == 1 else MatMul(tuple(rest)), f"v_{of}")))

    def is_parameter(self, node: Term) -> bool:
        return isinstance(node, Sym) and node.time is None

    def is_product(self, node: Term) -> bool:
        return (isinstance(node, MatMul) and all(map(self.is_parameter, node.args[:-1]))
                and any(isinstance(part, Sym) and part.time is not None for part in walk(node.args[-1])))

    def formula(self, node: Term, of: str) -> Term:
        match node:
            case Sym() | Num():
                return node
            case Add(args) if any(map(self.is_product, args)):
                affine = [arg for arg in args if self.is_product(arg) or self.is_parameter(arg)]
                name = self.named(Add(tuple(affine)) if len(affine) > 1 else affine[0], f"a_{of}")
                return Add((name, *(self.formula(arg, of) for arg in args if arg not in affine)))
            case MatMul(args) if all(isinstance(arg, Num) for arg in args[:-1]):
                return Hadamard((*args[:-1], self.formula(args[-1], of)))
            case MatMul() if self.is_product(node):
                return self.named(node, f"a_{of}")
            case Apply(function, arg):
                return self.named(node, f"{function}_{arg.name}" if isinstance(arg, Sym) else f"{function}_{of}")
            case Add() | Hadamard() | Neg() | Div() | Pow() | Max():
                return rebuild(node, tuple(self.formula(child, of) for child in _children(node)))
        raise NotSupported(f"There is no NumPy form of {type(node).__name__} in a cell.", plain(node),
                           "affine maps and elementwise formulas of vectors")


def _children(node: Term) -> tuple[Term, ...]:
    from symlstm.algebra import children

    return children(node)


# --- forwards ---------------------------------------------------------------------------------------------------


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
    """A cell in normal form, with its blocks and its adjoints.

    `early` are the quantities that need nothing of the step before: they are computed for all steps at once.
    """

    def __init__(self, cell: Cell) -> None:
        self.original, self.cell = cell, normal(cell)
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
    def read_backwards(self) -> set[Sym]:
        """The quantities whose values the backward pass reads."""
        factors = [factor for line in self.adjoints.lines.values() for share in line for factor in share.factors]
        found = {part for factor in factors for part in self.reads(factor)}
        return found | {vector for block in self.blocks for vector in block.vectors}

    def reads(self, node: Term) -> Iterator[Sym]:
        """The quantities of which a formula of the backward pass needs the values."""
        from symlstm.generator.rows import slope_reads

        if isinstance(node, Prime):
            argument, value = node.arg, self.value_of(node)
            yield from (part for letter, part in (("x", argument), ("y", value)) if letter in slope_reads(node.function)
                        and isinstance(part, Sym))
        elif isinstance(node, Sym):
            yield node
        else:
            for child in _children(node):
                yield from self.reads(child)

    def value_of(self, node: Prime) -> Sym:
        """The quantity that is the function, of which `node` is the slope, at the same place."""
        return next(of for of, rhs in self.lines.items() if rhs == Apply(node.function, node.arg))


def _affine(of: Sym, rhs: Term) -> Affine | None:
    parts = rhs.args if isinstance(rhs, Add) else (rhs,)
    products = [part for part in parts if isinstance(part, MatMul)]
    if not products:
        return None
    matrices: dict[Sym, tuple[Sym, ...]] = {}
    for product in products:
        matrix, vector = product.args
        assert isinstance(matrix, Sym) and isinstance(vector, Sym)
        matrices[vector] = (*matrices.get(vector, ()), matrix)
    return Affine(of, matrices, tuple(part for part in parts if isinstance(part, Sym)))


# --- backwards --------------------------------------------------------------------------------------------------


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
