"""A cell with a name for whatever NumPy code needs by name.

In this form every equation is of one of three kinds: an affine map `P v + Q w + b` of named vectors, a named function
of a named quantity, or an elementwise formula.
"""

from __future__ import annotations

from symlstm.algebra import (
    Add,
    Apply,
    Blocks,
    Div,
    Hadamard,
    MatMul,
    Max,
    Neg,
    NotSupported,
    Num,
    Pow,
    Relation,
    Sym,
    Term,
    children,
    equation,
    plain,
    quantity,
    rebuild,
    walk,
)
from symlstm.model import Cell
from symlstm.shapes import ONE


def normal(cell: Cell) -> Cell:
    """The same cell with a name for every affine map, every vector that a matrix meets and every applied function.

    Raises `NotSupported` for a cell that has other things than affine maps and elementwise formulas of vectors.

    >>> from symlstm import zoo
    >>> [str(line) for line in normal(zoo.LSTM).named[-2:]]
    ['tanh_c[t] = tanh(c[t])', 'h[t] = o[t] * tanh_c[t]']
    """
    if len(cell.input_terms) != 1:
        raise NotSupported("Blocks are made for a cell with one input.", cell.name)
    for name, (rows, columns) in cell.shapes.lengths.items():
        if rows == ONE or (columns != ONE and Sym(name) not in cell.parameter_terms):
            raise NotSupported("A block is made of vectors and matrices.", f"{name} of {cell.name}")
    for line in cell.named:
        if any(isinstance(part, Sym) and part.time is None and part.name in cell.size_names for part in walk(line)):
            raise NotSupported("A size cannot stand as a number in elementwise code.", plain(line))
    work = _Naming(cell)
    for line in cell.named:
        assert isinstance(line.lhs, Sym)
        rhs = work.top(line.rhs, line.lhs.name)
        if line.lhs in cell.state_terms and any(map(work.is_product, parts(rhs))):
            # an affine map stands in its block, but a state has an array of its own
            rhs = work.named(rhs, f"a_{line.lhs.name}")
        work.lines.append(equation(line.lhs, rhs))
    return Cell(cell.name, cell.input_terms, cell.state_terms, tuple(work.lines), title=cell.title, sizes=cell.sizes,
                output=cell.output_term)


def valued(cell: Cell) -> Cell:
    """The same cell with a name for every applied function, so that its value is at hand for its slope.

    >>> from symlstm import zoo
    >>> valued(zoo.LSTM).named[-2:]
    (tanh_c[t] = tanh(c[t]), h[t] = o[t] * tanh_c[t])
    """
    work = _Naming(cell)

    def change(node: Term) -> Term:
        if isinstance(node, Apply) and any(isinstance(part, Sym) and part.time is not None for part in walk(node)):
            return work.named(node, f"{node.function}_{node.arg.name if isinstance(node.arg, Sym) else here}")
        return rebuild(node, tuple(map(change, children(node))))

    for line in cell.named:
        assert isinstance(line.lhs, Sym)
        here = line.lhs.name
        work.lines.append(line if isinstance(line.rhs, Apply) else equation(line.lhs, change(line.rhs)))
    return Cell(cell.name, cell.input_terms, cell.state_terms, tuple(work.lines), title=cell.title, sizes=cell.sizes,
                output=cell.output_term)


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
            line = node if isinstance(node, Apply) and isinstance(node.arg, (Sym, Blocks)) else self.top(node, wish)
            while wish in self.taken:
                wish += "_"
            self.taken.add(wish)
            self.known[node] = quantity(wish)
            self.lines.append(equation(quantity(wish), line))
        return self.known[node]

    def top(self, node: Term, of: str) -> Term:
        if isinstance(node, Apply):
            return Apply(node.function, self.named(node.arg, f"z_{of}"))
        summands = parts(node)
        if any(map(self.is_product, summands)) and all(self.is_product(part) or self.is_parameter(part) for part in summands):
            made = tuple(self.product(part, of) if isinstance(part, MatMul) else part for part in summands)
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
                return rebuild(node, tuple(self.formula(child, of) for child in children(node)))
        raise NotSupported(f"There is no NumPy form of {type(node).__name__} in a cell.", plain(node),
                           "affine maps and elementwise formulas of vectors")


def parts(node: Term) -> tuple[Term, ...]:
    """The summands of a term."""
    return node.args if isinstance(node, Add) else (node,)
