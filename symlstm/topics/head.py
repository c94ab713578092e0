"""Topic `head`: what stands on top of a cell. Outputs between 0 and 1, and softmax with cross-entropy.

A head is a cell without memory (`symlstm.zoo.heads`), so its adjoints come from the same sweep and have the same evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.algebra import Adj, Diag, Div, MatMul, Ones, Partial, Relation, Sym, defined, equation, relation, term
from symlstm.model import Cell
from symlstm.prose import Prose, joined, prose
from symlstm.reverse import sweep
from symlstm.steps import Block, Kind, Section, Step
from symlstm.topics.gradients import reason
from symlstm.zoo import heads
from symlstm.zoo.heads import SIGMOID, SOFTMAX, J, a, p, y, z
from symlstm.zoo.letters import h

TOPIC = "head"
ONES = Ones(Sym("k"))


def section(_: Cell) -> tuple[Section, ...]:
    """The output head with sigma, and softmax with cross-entropy: forward, adjoints, and p - y."""
    return (
        Section(TOPIC, "The output head", tuple(_sigmoid()), about=SIGMOID),
        Section(TOPIC, "Softmax and cross-entropy", tuple(_softmax()), about=SOFTMAX),
    )


def _step(name: str, kind: Kind, line: Relation, why: Prose) -> Step:
    return Step(TOPIC, name, kind, line, why)


def _forward(head: Cell) -> Iterator[Step]:
    for line in head.named:
        of = defined(line)
        yield _step(f"definition of {of.name}", "definition", line, prose(head.words.get(of.name, "")))


def _backward(head: Cell) -> Iterator[Step]:
    """The adjoints that lead from the output down to the hidden state, each with the rule that gave it."""
    swept = sweep(head)
    unused = {symbol for symbol in head.input_terms if symbol != h}
    for line in swept.lines:
        if line.shares and line.of not in unused:
            yield _step(f"adjoint of {line.of.name}", "identity", line.relation, reason(swept, line))


def _sigmoid() -> Iterator[Block]:
    yield prose(
        "An output with {} entries between {} and {} is read off the hidden state {}. {} has {} rows and {} columns.",
        *(Sym("k"), term(0), term(1), h, heads.W_y, Sym("k"), heads.n),
    )
    yield from _forward(SIGMOID)
    yield joined("Backward, ", prose("for a loss whose derivative by the output, {}, is given:", Adj(y)))
    yield from _backward(SIGMOID)
    yield prose("{} is what the loss of this step hands to the recurrences over time.", Adj(h))


def _softmax() -> Iterator[Block]:
    yield prose(
        "Probabilities {} of {} classes are made from scores {}. The targets are {}: zeros, and a one for the right class. The "
        "exponential, the logarithm and a quotient of two vectors are taken entry by entry.",
        *(p, Sym("k"), z, y),
    )
    yield from _forward(SOFTMAX)
    moved = heads.exp(z - a @ ONES)
    shift = equation(Div(moved, ONES.T @ moved), p)
    why = prose("{} divides out, so the largest score may be taken off first", heads.exp(-a))
    yield _step("a shift changes nothing", "identity", shift, why)
    yield prose("Backward through each of these lines, for a given {}:", Adj(J))
    yield from _backward(SOFTMAX)
    yield prose("What the first four of these lines come to, seen at once:")
    slope = Diag(p) - MatMul((p, p.T))
    yield _step("Jacobian of p", "identity", equation(Partial(p, z), slope), prose("each score is in every probability"))
    total = ONES.T @ y
    any_targets = (p @ total) - y
    yield _step("p - y for any targets", "identity", equation(Adj(z), Adj(J) @ any_targets), prose("{} put in", Partial(p, z)))
    sums = relation(total, "=", 1)
    yield _step("p - y", "identity", _where(equation(Adj(z), Adj(J) @ (p - y)), sums), prose("targets that add up to 1"))
    difference = p - y
    for parameter, share in ((heads.W_y, Adj(J) @ difference @ h.T), (heads.b_y, Adj(J) @ difference)):
        line = equation(Adj(parameter.at(h.time)), share)
        yield _step(f"share of {parameter.name}", "identity", _where(line, sums), prose("{} put in", Adj(z)))
    text = "Where the loss is the sum of {} over the steps, {} is {}. Then this difference is all there is:"
    yield prose(text, J, Adj(J), term(1))
    for name, line in {
        "dJ/dz": equation(Partial(J, z), difference),
        "dJ/dh": equation(Partial(J, h), heads.W_y.T @ difference),
    }.items():
        yield _step(name, "identity", _where(line, sums), prose("{} is 1", Adj(J)))


def _where(line: Relation, condition: Relation) -> Relation:
    return Relation(line.terms, line.operators, condition)
