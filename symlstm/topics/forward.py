"""Topic `forward`: the equations of one step, in order of evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from symlstm import reference
from symlstm.activations import STAND_INS, activation
from symlstm.algebra import (
    Add,
    Apply,
    Blocks,
    Diag,
    Div,
    Hadamard,
    MatMul,
    Neg,
    Relation,
    Rows,
    Sym,
    Term,
    Trace,
    Transpose,
    children,
    defined,
    equation,
    quantities,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import Prose, joined, listed, prose
from symlstm.rendering import rendered
from symlstm.steps import Section, Step
from symlstm.zoo.lstm import LSTM

TOPIC, TITLE = "forward", "One step forward"

h, c, i, f, o, g = quantities("h c i f o g")
CODE = {equation(c, f * c.prev + i * g): reference.cell_update, equation(h, o * Apply("tanh", c)): reference.output}


def section(cell: Cell) -> Section:
    """The named equations as definitions."""
    named = cell.named != cell.declared
    said = f"The equations{', with every pre-activation named,' if named else ''} are those of {cell.source}."
    head = prose(
        said if cell.source else "Every pre-activation has a name." if named else "The equations, in order of evaluation."
    )
    if any(isinstance(part, Div) and not cell.shapes.is_scalar(part.below) for line in cell.named for part in walk(line.rhs)):
        head = joined(head, " A quotient of two vectors is taken entry by entry.")
    code_of = "the reference, as code" if set(cell.declared) == set(LSTM.declared) else "as the code of the LSTM has it"
    steps = (Step(TOPIC, f"definition of {defined(line).name}", "definition", line, _reason(cell, line)) for line in cell.named)
    code = (
        Step(
            TOPIC,
            f"{defined(line).name}, as code",
            "definition",
            line,
            prose(code_of),
            written=rendered(CODE[line]),
        )
        for line in cell.named
        if line in CODE
    )
    return Section(TOPIC, TITLE, (head, *steps, *code))


def _reason(cell: Cell, line: Relation) -> Prose:
    word = cell.words.get(defined(line).name, "")
    if isinstance(line.rhs, Apply) and isinstance(line.rhs.arg, Sym):
        values = activation(line.rhs.function).values
        if line.rhs.function in STAND_INS:
            return prose(word)
        entries = "a number in {}" if cell.shapes.is_scalar(line.lhs) else "entries in {}"
        return prose((f"{word}: " if word else "") + entries, values)
    if word:
        return prose(word)
    used = listed(dict.fromkeys(_timed(line.rhs)))
    return joined("affine in ", used) if _degree(line.rhs) <= 1 else joined("from ", used)


def _timed(node: Term) -> Iterator[Term]:
    """The quantities of the step; a product of nothing but these is one more."""
    stack = [node]
    while stack:
        part = stack.pop()
        if _is_quantity(part):
            yield part
        else:
            stack += reversed(children(part))


def _is_quantity(node: Term) -> bool:
    if isinstance(node, Hadamard):
        return all(map(_is_quantity, node.args))
    return isinstance(node, Sym) and node.time is not None


def _degree(node: Term) -> int:
    """The degree of a term as a polynomial in the quantities of the step and products of these; 2 for any other term."""
    if _is_quantity(node):
        return 1
    if isinstance(node, Sym):
        return 0
    below = [_degree(child) for child in children(node)]
    if isinstance(node, (Hadamard, MatMul)):
        return min(sum(below), 2)
    if isinstance(node, (Add, Neg, Transpose, Rows, Blocks, Trace, Diag)):
        return max(below)
    return 2 if any(below) else 0
