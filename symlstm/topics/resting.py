"""One unit of an LSTM at rest: the direct path fades, and the total grows, in exact numbers.

It is told of every cell of this form, whatever its letters: a state `f c + i g`, an output `o tanh(c)`, gates and a candidate
of sums in which every term has a parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

from symlstm.algebra import Add, Apply, Hadamard, MatMul, Num, Sym, Term, equation, term
from symlstm.model import Cell
from symlstm.prose import prose
from symlstm.steps import Block
from symlstm.topics.norms import decimal, powers, step


class Unit(NamedTuple):
    """The gates and the candidate of the state; the matrix from the output to the candidate, the bias of the forget gate."""

    forget: Sym
    input: Sym
    candidate: Sym
    output: Sym
    carried: Sym  # the output, one step before
    weights: Sym
    bias: Sym

    @classmethod
    def of(cls, cell: Cell, state: Sym) -> Unit | None:
        """The parts of a cell of this form; None of another."""
        lines: Mapping[Term, Term] = {line.lhs: line.rhs for line in cell.named}
        carried = cell.carried.get(cell.output_term)
        match lines[state], lines[cell.output_term]:
            case (
                Add((Hadamard((Sym() as f, back)), Hadamard((Sym() as i, Sym() as g)))),
                Hadamard((Sym() as o, Apply("tanh", inside))),
            ) if back == cell.carried[state] and inside == state and carried is not None:
                sums = [_sum(cell, lines, *of) for of in ((f, "sigma"), (i, "sigma"), (o, "sigma"), (g, "tanh"))]
            case _:
                return None
        if not all(sums):
            return None
        weights = next((part.args[0] for part in sums[3] if isinstance(part, MatMul) and part.args[1] == carried), None)
        bias = next((part for part in sums[0] if isinstance(part, Sym)), None)
        return cls(f, i, g, o, carried, weights, bias) if isinstance(weights, Sym) and bias is not None else None


def _sum(cell: Cell, lines: Mapping[Term, Term], of: Sym, function: str) -> tuple[Term, ...]:
    """The terms that a function is applied to the sum of, where each has a parameter; else nothing."""
    value = lines.get(of)
    inside = lines.get(value.arg) if isinstance(value, Apply) and value.function == function else None
    parts = inside.args if isinstance(inside, Add) else ()
    read = {*cell.input_terms, cell.carried.get(cell.output_term)}
    product = (part.args for part in parts if isinstance(part, MatMul))
    fits = all(len(args) == 2 and args[0] in cell.parameter_terms and args[1] in read for args in product)
    known = all(isinstance(part, MatMul) or part in cell.parameter_terms for part in parts)
    return parts if fits and known else ()


def at_rest(cell: Cell, state: Sym) -> Iterator[Block]:
    """Every f is 0.9: one unit at its resting point. Nothing for a cell of another form."""
    unit = Unit.of(cell, state)
    if unit is None:
        return
    tenth, half = Fraction(9, 10), Num(Fraction(1, 2))
    yield prose(
        "How far they differ is seen in one unit, {} equal to {}, at rest: inputs, initial states and all parameters are zero "
        "except two, {} with value {}, and the bias {}, chosen so that {} is {} at every step. Then {} and {} are {}, and {} "
        "and {} stay {}.",
        *(Sym("n"), term(1), unit.weights, term(8), unit.bias, unit.forget, decimal(tenth, 1)),
        *(unit.input, unit.output, half, unit.candidate, state, term(0)),
    )
    yield step(
        "one step of the total in numbers",
        "number",
        equation(Add((decimal(tenth, 1), MatMul((half, term(8), half)))), decimal(Fraction(29, 10), 1)),
        prose("{} from the direct path, the rest through {}", decimal(tenth, 1), unit.carried),
    )
    yield powers(("steps", "direct path", "total"), (tenth, Fraction(29, 10)))
