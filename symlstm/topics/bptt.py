"""Topic `bptt`: backpropagation through time, the recurrences over t = T..1 and the sums for the parameters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from symlstm.algebra import (
    NOW,
    Add,
    Adj,
    Partial,
    Relation,
    Sum,
    Sym,
    Term,
    Time,
    equation,
    map_relation,
    shift,
    term,
    transform,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import Prose, joined, listed, prose
from symlstm.reverse import LOSS_TERM, AdjointLine, Sweep, sweep
from symlstm.rules import added
from symlstm.steps import Block, Section, Step
from symlstm.tidying import Tidying
from symlstm.topics.gradients import nothing_at_kinks, reason
from symlstm.topics.layers import handed_down

TOPIC, TITLE = "bptt", "Backpropagation through time"

FIRST, LAST, START = Time("", 1), Time("T", 0), Time("", 0)
LOSS = Sym("L")


def section(cell: Cell) -> Section:
    """The adjoints of step t from those of step t+1, and each parameter's gradient as a sum over time."""
    swept = sweep(cell)
    output = cell.output_term
    intro = prose(
        "The loss {} is a sum over the steps, {}, and {} depends on {} alone. ",
        LOSS,
        Sum("t", FIRST, LAST, LOSS_TERM),
        LOSS_TERM,
        output,
    )
    shared = [prose("A parameter serves every step, so its gradient is the sum of the shares of all steps.")]
    return Section(
        TOPIC,
        TITLE,
        (
            joined(intro, *_ways(cell), *handed_down(cell), *nothing_at_kinks(cell)),
            *_recurrences(swept),
            *(shared if cell.parameter_terms else ()),
            *_sums(swept),
            joined(
                "What is left at the start are the adjoints of the initial states, "
                if len(cell.state_terms) > 1
                else "What is left at the start is the adjoint of the initial state, ",
                listed(Adj(state.at(_start_of(cell, state)[0])) for state in cell.state_terms),
                ".",
            ),
            *_start(swept),
        ),
    )


def _ways(cell: Cell) -> Iterator[Prose]:
    """Where the recurrences start and where they end, in words."""
    start = "Start at the last step {}, with every adjoint of step {} equal to {}, and go down to step {}. "
    other = "start at step {}, with every adjoint of step {} equal to {}, and go up to step {}. "
    down = (Sym("T"), Sym("T") + 1, term(0), term(1))
    ways = {cell.direction(state) for state in cell.state_terms}
    if ways == {1}:
        yield prose(start, *down)
    elif ways == {-1}:
        yield prose(other.capitalize(), term(1), term(0), term(0), Sym("T"))
    else:
        yield prose("What runs forward in time is gone through from the end: s" + start[1:], *down)
        yield prose("What runs backward is gone through from the beginning: " + other, term(1), term(0), term(0), Sym("T"))
    yield prose("Each step costs the same, so the whole costs a number of operations proportional to {}.", Sym("T"))


def unrolled(cell: Cell, steps: int) -> Section:
    """The recurrences written out for the last steps of a sequence, T, T-1, ..., each in terms of the one after.

    Nothing is substituted, so the number of lines and the work grow in proportion to `steps`.
    """
    lines = [step for step in section(cell).steps if isinstance(step.relation.lhs, Adj) and step.relation.lhs.of.time == NOW]
    blocks: list[Block] = [prose("The last {} steps, from the end. Of step {} there is nothing.", term(steps), Sym("T") + 1)]
    for back in range(steps):
        blocks += [_placed(step, LAST + -back) for step in lines]
    return Section(TOPIC, TITLE, tuple(blocks))


def _placed(step: Step, at: Time) -> Step:
    """A recurrence at one of the last steps; at the last one the parts that arrive from the step after are left out."""
    line = map_relation(step.relation, partial(_at, at))
    beyond = [
        part for part in _summands(line.rhs) if any(isinstance(each, Adj) and each.of.time == LAST + 1 for each in walk(part))
    ]
    if beyond:
        kept = tuple(part for part in _summands(line.rhs) if part not in beyond)
        line = equation(line.lhs, added(*kept))
    return Step(
        TOPIC,
        f"{step.name}, step {at}",
        "identity",
        line,
        prose("the recurrence at step {}", Sym("T") if at == LAST else Sym("T") - (-at.offset)),
    )


def _recurrences(swept: Sweep) -> Iterator[Step]:
    states, output = swept.cell.state_terms, swept.cell.output_term
    seeded = dict.fromkeys((*states, output))
    for state in seeded:
        if not any(line.of == state for line in swept.lines):
            yield _state(swept, state, None)
    for line in swept.lines:
        if line.of in seeded:
            yield _state(swept, line.of, line)
        elif line.of in swept.cell.input_terms or _inner(swept.cell, line.of):
            yield Step(TOPIC, f"adjoint of {line.of.name}", "identity", line.relation, reason(swept, line))


def _inner(cell: Cell, of: Sym) -> bool:
    return any(line.lhs == of for line in cell.named)


def _state(swept: Sweep, state: Sym, line: AdjointLine | None) -> Step:
    """A state's adjoint: the loss's share if it is the output, what arrives from the step that takes it over, t+1 or for one
    that runs backward t-1, and the paths inside step t."""
    parts: list[Term] = [Partial(LOSS_TERM, state)] if state == swept.cell.output_term else []
    if state in swept.cell.carried:
        parts.append(shift(swept.line(swept.cell.carried[state]).relation.rhs, swept.cell.direction(state)))
    if line is not None:
        given = (Adj(state, arriving=True), Partial(LOSS_TERM, state))
        parts += [part for part in _summands(line.relation.rhs) if part not in given]
    relation = equation(Adj(state), Tidying(swept.cell.shapes).summed(parts))
    return Step(TOPIC, f"adjoint of {state.name}", "identity", relation, _words(state, swept, line))


def _words(state: Sym, swept: Sweep, line: AdjointLine | None) -> Prose:
    sources = ["its loss"] if state == swept.cell.output_term else []
    back, next_step = swept.cell.carried.get(state), Sym("t") + 1 if swept.cell.direction(state) > 0 else Sym("t") - 1
    later = [prose("step {}", next_step)] if back is not None and swept.line(back).shares else []
    ways = dict.fromkeys(share.through for share in line.shares) if line is not None else {}
    joints = [f", the {word}" for way in ways if (word := swept.cell.joint(way))]
    inside = [joined("through ", listed(ways), *joints)] if ways else []
    return joined("", *_and([*sources, *later, *inside]))


def _and(parts: list[Prose | str]) -> list[Prose | str]:
    out: list[Prose | str] = []
    for k, part in enumerate(parts):
        out += [" and " if k == len(parts) - 1 else ", ", part] if k else ["from ", part]
    return out


def _summands(node: Term) -> tuple[Term, ...]:
    return node.args if isinstance(node, Add) else (node,)


def _sums(swept: Sweep) -> Iterator[Step]:
    for parameter in swept.cell.parameter_terms:
        line = swept.line(parameter.at(NOW))
        relation = equation(Partial(LOSS, parameter), Sum("t", FIRST, LAST, line.relation.rhs))
        yield Step(TOPIC, f"gradient of {parameter.name}", "identity", relation, prose("{} serves every step", parameter))


def _start(swept: Sweep) -> Iterator[Step]:
    """The adjoints of the initial states: what the first step in their direction of time hands back."""
    for state in swept.cell.state_terms:
        start, first = _start_of(swept.cell, state)
        line = map_relation(swept.line(swept.cell.carried[state]).relation, partial(_at, first))
        relation: Relation = equation(Adj(state.at(start)), line.rhs)
        told = "what step {} hands back" if line.rhs != term(0) else "step {} does not use it"
        step = Sym(first.base) if first.base else term(first.offset)
        yield Step(TOPIC, f"adjoint of {state.name}_{start}", "identity", relation, prose(told, step))


def _start_of(cell: Cell, state: Sym) -> tuple[Time, Time]:
    """The time of an initial state, and the step that reads it."""
    return (START, FIRST) if cell.direction(state) > 0 else (LAST + 1, LAST)


def _at(time: Time, node: Term) -> Term:
    """What is said of step t, said of another step."""

    def move(part: Term) -> Term:
        return part.at(time + part.time.offset) if isinstance(part, Sym) and part.time is not None else part

    return transform(node, move)
