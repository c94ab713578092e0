"""The mistakes people make in gradient formulas, as a table of edits.

An `Edit` makes its mistake wherever it fits in a right side, one place at a time. Forwards the table makes mutants, which
the evidence must refuse. Backwards it repairs: the opposite of most mistakes is in the table too (a sum for a product and
a product for a sum, a factor too few and one too many); a path that is missing has to be known. The kinds are numbered
as they are most often met.

>>> from symlstm import zoo
>>> from symlstm.algebra import Adj, equation, quantity
>>> z, h = quantity("z"), quantity("h")
>>> for edit, rhs in edits(equation(Adj(z), Adj(h) * (1 - h ** 2)), zoo.RNN):
...     if edit.kind in (3, 4): print(f"{edit.words}: {rhs}")
the activation's derivative taken at the activation: delta h[t] * (1 - tanh(h[t])^2)
an activation or a square is left out: delta h[t] * (1 - h[t])
a factor is missing: 1 - h[t]^2
a factor is missing: delta h[t]
a factor too many: delta h[t] * (1 - h[t]^2) * h[t]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Diag,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Partial,
    Pow,
    Prime,
    Prod,
    Relation,
    Sum,
    Sym,
    Term,
    Time,
    Transpose,
    children,
    rebuild,
    substitute,
    term,
    walk,
)
from symlstm.model import Cell

ONE, TWO = term(1), term(2)
Local = Callable[[Term, Cell], Iterator[Term]]


@dataclass(frozen=True, slots=True)
class Edit:
    """One mistake: its name, the kind it is of, what it is in words, and what it makes of a node."""

    name: str
    kind: int
    words: str
    make: Local


def places(node: Term) -> Iterator[tuple[Term, Callable[[Term], Term]]]:
    """Every node of a tree, with the function that puts another one in its place; an adjoint is one node."""
    yield node, lambda other: other
    below = () if isinstance(node, Adj) else children(node)
    for k, child in enumerate(below):
        for part, put in places(child):
            yield part, lambda other, k=k, put=put: rebuild(node, (*below[:k], put(other), *below[k + 1:]))


def edits(line: Relation, cell: Cell) -> Iterator[tuple[Edit, Term]]:
    """Every right side that one mistake makes of a relation's, each different from it and from the others."""
    seen = {line.rhs}
    for edit in EDITS:
        for part, put in places(line.rhs):
            for other in edit.make(part, cell):
                whole = put(other)
                if whole not in seen:
                    seen.add(whole)
                    yield edit, whole
    if not (isinstance(line.rhs, Add) and line.lhs in line.rhs.args):
        yield SELF, line.rhs + line.lhs


# --- 1: paths and terms of sums -------------------------------------------------------------------------------------


def _without(kind: type[Add | Hadamard | MatMul]) -> Local:
    def make(node: Term, cell: Cell) -> Iterator[Term]:
        if isinstance(node, kind) and len(node.args) > 1:
            for k in range(len(node.args)):
                rest = [*node.args[:k], *node.args[k + 1:]]
                yield kind(tuple(rest)) if len(rest) > 1 else rest[0]
    return make


def _one_term_of_the_sum(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, (Sum, Prod)):
        yield substitute_letter(node, "t")
        if isinstance(node, Sum):
            yield substitute_letter(node, "T")


def substitute_letter(node: Sum | Prod, letter: str) -> Term:
    """The body of a sum or product at one time."""
    moved = {part: part.at(Time(letter, part.time.offset)) for part in walk(node.body)
             if isinstance(part, Sym) and part.time is not None and part.time.base == node.index}
    return substitute(node.body, {**moved})


def _limits(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, (Sum, Prod)):
        for steps in (1, -1):
            yield replace(node, lower=node.lower + steps)
            yield replace(node, upper=node.upper + steps)


def _part_for_whole(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Adj) and node.of.at(Time()) in cell.state_terms:
        yield Adj(node.of, not node.arriving)


# --- 2: symbols and indices -----------------------------------------------------------------------------------------


def _time(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Sym) and node.time is not None:
        yield from (node.at(node.time + steps) for steps in (1, -1))
    if isinstance(node, Adj) and node.of.time is not None:
        yield from (Adj(node.of.at(node.of.time + steps), node.arriving) for steps in (1, -1))


def _symbol(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Sym) and (node.time or node.name not in cell.size_names):
        yield from (Sym(name, node.time) for name in family(node.name, cell))
    if isinstance(node, Adj):
        yield from (Adj(Sym(name, node.of.time), node.arriving) for name in family(node.of.name, cell))


def family(name: str, cell: Cell) -> Iterator[str]:
    """The names that are written for another by a slip: another member of its family, or the same member of another."""
    parameters = [symbol.name for symbol in cell.parameter_terms]
    if name in parameters:
        head, mark, tail = name.partition("_")
        yield from (other for other in parameters if other != name and (
            (mark and other.partition("_")[0] == head) or other.partition("_")[2] == tail))
        return
    inner = [line.lhs.name for line in cell.named if isinstance(line.lhs, Sym)]
    before = set(_arguments(cell).values())
    yield from (other for other in inner if other != name and name in inner and (other in before) == (name in before))
    yield from (symbol.name for symbol in cell.input_terms if name in {state.name for state in cell.state_terms})
    yield from (state.name for state in cell.state_terms if name in {symbol.name for symbol in cell.input_terms})


def _arguments(cell: Cell) -> dict[str, str]:
    """What each activated quantity is an activation of: i -> z_i."""
    return {line.lhs.name: line.rhs.arg.name for line in cell.named
            if isinstance(line.lhs, Sym) and isinstance(line.rhs, Apply) and isinstance(line.rhs.arg, Sym)}


def _function_of(cell: Cell, name: str) -> str | None:
    return next((line.rhs.function for line in cell.named
                 if isinstance(line.lhs, Sym) and line.lhs.name == name and isinstance(line.rhs, Apply)), None)


def _function(node: Term, cell: Cell) -> Iterator[Term]:
    other = {"sigma": "tanh", "tanh": "sigma"}
    if isinstance(node, (Apply, Prime)) and node.function in other:
        yield replace(node, function=other[node.function])


# --- 3 and 8: squashed twice, not at all; before or after the activation ----------------------------------------------


def _squashed_twice(node: Term, cell: Cell) -> Iterator[Term]:
    """1 - g^2 as 1 - tanh(g)^2, and f (1 - f) as sigma(f) (1 - sigma(f))."""
    if isinstance(node, (Add, Hadamard)) and any(part == ONE for part in walk(node)):
        for part in dict.fromkeys(part for part in walk(node) if isinstance(part, Sym)):
            function = _function_of(cell, part.name)
            if function is not None:
                yield squashed(node, part, function)
    if isinstance(node, Prime) and isinstance(node.arg, Sym):
        yield from (Prime(node.function, Sym(name, node.arg.time)) for name, argument in _arguments(cell).items()
                    if argument == node.arg.name)


def squashed(node: Term, value: Sym, function: str) -> Term:
    """A term with a function applied to one of its quantities once more; adjoints stay."""
    if node == value:
        return Apply(function, node)
    return node if isinstance(node, Adj) else rebuild(node, tuple(squashed(child, value, function) for child in children(node)))


def _not_squashed(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Apply):
        yield node.arg
    if isinstance(node, Pow):
        yield node.base


def _squashed(node: Term, cell: Cell) -> Iterator[Term]:
    """A state inside the activation that the cell applies to it, and a quantity squared beside a 1."""
    if isinstance(node, Sym):
        for line in cell.named:
            yield from (Apply(part.function, node) for part in walk(line.rhs)
                        if isinstance(part, Apply) and isinstance(part.arg, Sym) and part.arg.name == node.name)
    if isinstance(node, Add) and ONE in node.args:
        for k, part in enumerate(node.args):
            if isinstance(part, Neg) and isinstance(part.arg, (Sym, Apply)):
                yield Add((*node.args[:k], Neg(Pow(part.arg, TWO)), *node.args[k + 1:]))


def _other_side(node: Term, cell: Cell) -> Iterator[Term]:
    inside = _arguments(cell)
    other = {**inside, **{argument: name for name, argument in inside.items()}}
    if isinstance(node, Adj) and node.of.name in other:
        yield Adj(Sym(other[node.of.name], node.of.time), node.arriving)
    if isinstance(node, Sym) and node.name in other:
        yield Sym(other[node.name], node.time)


# --- 4: factors -------------------------------------------------------------------------------------------------------


def _extra_factor(node: Term, cell: Cell) -> Iterator[Term]:
    """One more gate in an elementwise product."""
    if isinstance(node, Hadamard):
        gates = [line.lhs for line in cell.named if isinstance(line.rhs, Apply) and isinstance(line.lhs, Sym)]
        times = {part.time: None for part in node.args if isinstance(part, Sym)} or {Time(): None}
        yield from (Hadamard((*node.args, gate.at(time))) for gate in gates for time in times)


# --- 5, 6: sums, products, parentheses --------------------------------------------------------------------------------


def _product_for_sum(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Add) and not any(isinstance(part, Num) for part in node.args):
        yield Hadamard(node.args)


def _sum_for_product(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Hadamard):
        yield Add(node.args)


def _parenthesis(node: Term, cell: Cell) -> Iterator[Term]:
    """(a + b) c as a + b c or a c + b, and a + b c as (a + b) c."""
    if isinstance(node, (Hadamard, MatMul)):
        for k, factor in enumerate(node.args):
            if isinstance(factor, Add):
                *first, last = factor.args
                yield Add((*first, type(node)((*node.args[:k], last, *node.args[k + 1:]))))
                yield Add((type(node)((*node.args[:k], factor.args[0], *node.args[k + 1:])), *factor.args[1:]))
    if isinstance(node, Add):
        *first, last = node.args
        if isinstance(last, (Hadamard, MatMul)):
            yield type(last)((Add((*first, last.args[0])), *last.args[1:]))


# --- 7: shapes --------------------------------------------------------------------------------------------------------


def _transpose(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Transpose):
        yield node.arg
    if isinstance(node, MatMul):
        for k, factor in enumerate(node.args):
            if not isinstance(factor, (Transpose, Num)):
                yield MatMul((*node.args[:k], Transpose(factor), *node.args[k + 1:]))


def _other_product(node: Term, cell: Cell) -> Iterator[Term]:
    """An outer or matrix product as a Hadamard product, and the other way round."""
    if isinstance(node, MatMul) and len(node.args) == 2:
        left, right = node.args
        yield Hadamard((left, right.arg if isinstance(right, Transpose) else right))
        yield Hadamard((left.arg if isinstance(left, Transpose) else left, right))
    if isinstance(node, Hadamard) and len(node.args) == 2:
        yield MatMul((node.args[0], Transpose(node.args[1])))
        yield MatMul(node.args)


def _order(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, MatMul):
        yield MatMul(tuple(reversed(node.args)))
        flipped = tuple(part.arg if isinstance(part, Transpose) else Transpose(part) for part in reversed(node.args))
        if any(isinstance(factor, Transpose) for factor in node.args):
            yield MatMul(flipped)
    if isinstance(node, Prod):
        yield replace(node, lower=node.upper, upper=node.lower)


def _without_diagonal(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Diag):
        yield node.arg


# --- 9, 10, 12 ----------------------------------------------------------------------------------------------------------


def _direct(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Partial):
        yield replace(node, direct=not node.direct)


def _sign(node: Term, cell: Cell) -> Iterator[Term]:
    if isinstance(node, Add):
        for k, part in enumerate(node.args):
            yield Add((*node.args[:k], part.arg if isinstance(part, Neg) else Neg(part), *node.args[k + 1:]))
    elif isinstance(node, Neg):
        yield node.arg
    elif isinstance(node, (Hadamard, MatMul, Diag)):
        yield Neg(node)


def _swapped_factors(node: Term, cell: Cell) -> Iterator[Term]:
    """A factor that moved into the neighbouring summand."""
    if isinstance(node, Add):
        for j, k in combinations(range(len(node.args)), 2):
            one, other = node.args[j], node.args[k]
            if isinstance(one, (Hadamard, MatMul)) and isinstance(other, (Hadamard, MatMul)) and one.args[-1] != other.args[-1]:
                args = list(node.args)
                args[j] = type(one)((*one.args[:-1], other.args[-1]))
                args[k] = type(other)((*other.args[:-1], one.args[-1]))
                yield Add(tuple(args))


EDITS: tuple[Edit, ...] = (
    Edit("dropped path", 1, "a path is dropped", _without(Add)),
    Edit("one term", 1, "one term in place of the sum over time", _one_term_of_the_sum),
    Edit("limits", 1, "the first or last step is left out, or one too many is in", _limits),
    Edit("part for whole", 1, "the arriving part in place of the whole adjoint, or the whole for the part", _part_for_whole),
    Edit("index", 2, "another time", _time),
    Edit("symbol", 2, "another symbol of its kind", _symbol),
    Edit("function", 2, "another activation", _function),
    Edit("squashed twice", 3, "the activation's derivative taken at the activation", _squashed_twice),
    Edit("not squashed", 3, "an activation or a square is left out", _not_squashed),
    Edit("squashed", 3, "a square or an activation too many", _squashed),
    Edit("missing factor", 4, "a factor is missing", _without(Hadamard)),
    Edit("missing matrix", 4, "a factor of a matrix product is missing", _without(MatMul)),
    Edit("extra factor", 4, "a factor too many", _extra_factor),
    Edit("product for sum", 5, "branches multiplied in place of added", _product_for_sum),
    Edit("sum for product", 5, "factors added in place of multiplied", _sum_for_product),
    Edit("parenthesis", 6, "a factor reaches one term of the sum only, or all of it in place of one term", _parenthesis),
    Edit("transpose", 7, "a transpose is missing, or one too many", _transpose),
    Edit("other product", 7, "the elementwise product for the matrix product, or the other way round", _other_product),
    Edit("order", 7, "the factors in another order", _order),
    Edit("diagonal", 7, "a vector in place of its diagonal matrix", _without_diagonal),
    Edit("activation side", 8, "before the activation in place of after it, or the other way round", _other_side),
    Edit("direct", 9, "the direct derivative in place of the total one, or the other way round", _direct),
    Edit("sign", 10, "the other sign", _sign),
    Edit("swapped factors", 2, "two summands have exchanged a factor", _swapped_factors),
)
SELF = Edit("self-reference", 12, "the left side stands on the right too", lambda node, cell: iter(()))
