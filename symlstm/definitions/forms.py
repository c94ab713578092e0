"""What a term is by its form (a stack, a number, more than one step needs), and terms moved in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from symlstm.activations import ACTIVATIONS
from symlstm.algebra import (
    NOW,
    SOME,
    Add,
    Adj,
    Apply,
    Blocks,
    Component,
    Div,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Ones,
    Partial,
    Prod,
    Relation,
    Sum,
    Sym,
    Term,
    Time,
    Total,
    Transpose,
    children,
    plain,
    transform,
    walk,
)  # fmt: skip
from symlstm.definitions.sources import LOSSES

LAST = frozenset({"T", "tau"})


def is_lazy(body: Term) -> bool:
    """Whether a term needs derivatives, sums over time or later steps, so that it is no equation of a step."""
    for part in walk(body):
        if isinstance(part, (Partial, Adj, Sum, Prod)):
            return True
        if isinstance(part, Sym) and part.time is not None and (part.time.offset > 0 or part.time.base in LAST):
            return True
        if isinstance(part, Apply) and part.function.partition("[")[0] in LOSSES:
            return True
    return False


def is_numeric(body: Term) -> bool:
    """Whether a term is a number or an array of numbers, written out."""
    return isinstance(body, (Num, Blocks, Neg)) and all(
        isinstance(part, (Num, Blocks, Neg, Add, MatMul, Hadamard, Transpose)) for part in walk(body)
    )


def is_number(value: Term) -> bool:
    """Whether a term is one number, with a sign or without."""
    return isinstance(value, Num) or (isinstance(value, Neg) and isinstance(value.arg, Num))


def stacks(body: Term) -> bool:
    """Whether a term only puts symbols together."""
    return isinstance(body, Blocks) and all(isinstance(part, Sym) for part in children(body))


def is_stack(node: Term) -> bool:
    """Whether a term is a column of quantities of one step."""
    symbols = children(node) if isinstance(node, Blocks) and len(node.rows) > 1 and len(node.rows[0]) == 1 else ()
    return bool(symbols) and all(isinstance(each, Sym) and each.time == NOW for each in symbols)


def is_parameter_stack(line: Relation) -> bool:
    """`z_t = [h_{t-1}; x_t]` and the like only put quantities together: there is nothing to split."""
    return len(line.terms) == 2 and isinstance(line.lhs, Sym) and is_stack(line.terms[1])


def is_function_stack(node: Term) -> bool:
    """Whether a term is a column of names of functions, `[\\sigma; \\sigma; \\tanh]`."""
    parts = children(node) if isinstance(node, Blocks) else ()
    return len(parts) > 1 and all(isinstance(each, Sym) and each.time is None and each.name in ACTIVATIONS for each in parts)


def means(node: Term) -> Iterator[tuple[Sym, Term]]:
    r"""The means in a term, each as its divisor and the vector it is of: `\frac1n \sum_i a_i`, `\frac1n \mathbf{1}^\top a`.

    >>> list(means(Div(Total("i", Component(Sym("a", NOW), "i")), Sym("n"))))
    [(n, a[t])]
    """
    for part in walk(node):
        factors = _factors(part) if isinstance(part, (MatMul, Div)) else []
        below = [each.below for each in factors if isinstance(each, Div)]
        counts = [each for each in below if isinstance(each, Sym) and each.time is None]
        above = [inner for each in factors for inner in (_factors(each.above) if isinstance(each, Div) else [each])]
        for place, each in enumerate(above if len(counts) == 1 else ()):
            entries = [inner.of for inner in walk(each) if isinstance(inner, Component)] if isinstance(each, Total) else []
            if entries or (each == Transpose(Ones(SOME)) and above[place + 1 :]):
                yield counts[0], entries[0] if entries else MatMul(tuple(above[place + 1 :]))
                break


def _factors(node: Term) -> list[Term]:
    return list(node.args) if isinstance(node, MatMul) else [node]


def without_index(body: Term, index: str) -> Term:
    """What is said of every component, said of the vector."""
    return transform(body, lambda part: part.of if isinstance(part, Component) and part.index == index else part)


def marked(node: Term, timeless: Iterable[str]) -> Term:
    """The term with quantities of step t marked as such."""
    names = set(timeless)

    def change(part: Term) -> Term:
        return part.at(NOW) if isinstance(part, Sym) and part.time is None and part.name in names else part

    return transform(node, change) if names else node


def with_letter(body: Term, letter: str) -> Term:
    """A term about steps `letter` as one about steps t."""
    def change(part: Term) -> Term:
        return (
            part.at(Time("t", part.time.offset))
            if isinstance(part, Sym) and part.time is not None and part.time.base == letter
            else part
        )

    return transform(body, change)


def in_order(node: Term) -> Term:
    """The term with the terms of its sums and the factors of its elementwise products in one order."""

    def change(part: Term) -> Term:
        return type(part)(tuple(sorted(part.args, key=plain))) if isinstance(part, (Add, Hadamard)) else part

    return transform(node, change)


def latest(node: Term) -> int:
    """The latest offset from t in a term."""
    return max((part.time.offset for part in walk(node) if isinstance(part, Sym) and part.time is not None), default=0)


def at_now(node: Term) -> Term:
    """The term moved in time so that its latest quantity is at t."""
    move = -latest(node)

    def change(part: Term) -> Term:
        return part.at(Time("t", part.time.offset + move)) if isinstance(part, Sym) and part.time is not None else part

    return transform(node, change)


def indicators(condition: Relation) -> list[Term]:
    """Functions of the difference of two sides that are 1 where the condition holds, else 0."""
    found: list[Term] = []
    for left, operator, right in condition.links():
        above, below = (right, left) if operator[0] == "<" else (left, right)
        found.append(Apply("nonnegative" if operator.endswith("=") else "positive", Add((above, Neg(below)))))
    return found
