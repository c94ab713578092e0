"""Topic `flow`: how the gradient travels through time, along the direct path and in all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from symlstm.algebra import (
    Add,
    Adj,
    Diag,
    MatMul,
    Norm,
    NotSupported,
    Ones,
    Partial,
    Prod,
    Relation,
    Sym,
    Term,
    Time,
    equation,
    relation,
    substitute,
    term,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import Prose, joined, prose
from symlstm.reverse import sweep
from symlstm.steps import Block, Section, Step
from symlstm.topics import norms
from symlstm.topics.gradients import nothing_at_kinks
from symlstm.topics.jacobians import Jacobians, Named
from symlstm.topics.norms import TOPIC, UNIT, step
from symlstm.zoo.lstm import LSTM

TITLE = "The flow of the gradient"

TOTAL = prose("The total Jacobian has every way in it. It differs from the direct path, and the two must not be confused.")
AGAIN = prose("Again the total Jacobian has every way in it.")
T, K = Time("t"), Time("k")


def section(cell: Cell) -> Section:
    """The direct path of each state that is carried over, then the total Jacobian, and what bounds there are."""
    found = Jacobians(sweep(cell))
    carried = [state for state in cell.state_terms if state in found.edges[state.prev]]
    blocks: list[Block] = [prose(said.strip()) for said in nothing_at_kinks(cell)]
    for state in carried or cell.state_terms:
        write = _matrix_state if found.is_matrix(state) else _carried if carried else _recurrent
        blocks += (AGAIN if block == TOTAL and TOTAL in blocks else block for block in list(_or_said(write, found, state)))
    return Section(TOPIC, TITLE, tuple(blocks))


def _or_said(write: Callable[[Jacobians, Sym], Iterator[Block]], found: Jacobians, state: Sym) -> Iterator[Block]:
    """What is written of a state; where a derivative on the way is no matrix, the text says so and shows the adjoint."""
    try:
        yield from write(found, state)
    except NotSupported:
        text = (
            "On a way from {} to {} lies a matrix, and derivatives by it are not matrices. The adjoint shows what the step does."
        )
        yield prose(text, state.prev, state)
        yield _backward(found, state)


def _backward(found: Jacobians, state: Sym) -> Step:
    return step(
        f"adjoint of {state.name}_prev", "identity", found.swept.line(state.prev).relation, prose("from the step backward")
    )


def _product(state: Sym, one_step: Term, *, direct: bool) -> Relation:
    """d state_t / d state_k as the product of the one-step Jacobians, latest first."""
    body = substitute_time(one_step, "s")
    return equation(Partial(state, state.at(K), direct), Prod("s", T, K + 1, body))


def substitute_time(node: Term, base: str) -> Term:
    """The same term with its time marks counted from another letter."""
    moved = {
        part: part.at(Time(base, part.time.offset)) for part in walk(node) if isinstance(part, Sym) and part.time is not None
    }
    return substitute(node, moved)  # type: ignore[arg-type]


# --- a state that its own equation carries over -----------------------------------------------------------------------


def _carried(found: Jacobians, state: Sym) -> Iterator[Block]:
    """The direct path, then everything else."""
    direct = found.direct(state, state.prev)
    assert direct is not None
    yield prose(
        f"The equation of {{}} carries {{}} over. Along this path alone, with every other way from {{}} to {{}} left out, "
        f"{_what(found, state, direct)}",
        state,
        state.prev,
        state.prev,
        state,
    )
    one_step = equation(Partial(state, state.prev, True), direct)
    why = prose("that summand of {}" if _is_summand(found.swept.cell, state) else "the equation of {}", state)
    yield step(f"direct path of {state.name}", "identity", one_step, joined(why, *_identity(one_step)))
    line = _product(state, direct, direct=True)
    yield step(f"direct path of {state.name} over time", "identity", line, prose("a product, latest factor first"))
    cell = found.swept.cell
    if isinstance(direct, Diag) and norms.entries(cell, direct) == UNIT:
        lengths = Prod("s", T, K + 1, Norm(substitute_time(direct, "s")))
        bound = relation(Norm(line.lhs), "<=", lengths, "<", 1, condition=relation(Sym("t"), ">", Sym("k")))
        why = prose("shares lie in {}" if norms.is_share(cell, direct) else "gates lie in {}", UNIT)
        yield step(f"bound of the direct path of {state.name}", "bound", bound, why)
    else:
        yield from norms.without_bound(cell, direct)
    yield from _total(found, state, direct)
    if state.name == "c" and set(found.swept.cell.declared) == set(LSTM.declared):
        yield from norms.at_rest(state)


def _what(found: Jacobians, state: Sym, direct: Term) -> str:
    """What kind of matrix the direct path is."""
    if isinstance(direct, Diag) and isinstance(direct.arg, Ones):
        return (
            "the Jacobian is the identity matrix: this path passes every gradient on unchanged, so that along it none vanishes "
            "and none explodes."
        )
    if isinstance(direct, Diag):
        return "the Jacobian is a diagonal matrix."
    if found.shapes.is_scalar(state):
        return "the derivative is a number."
    if isinstance(direct, MatMul) and direct.args[1:] == (found.identity(state),):
        return "the Jacobian multiplies by a number."
    return "the Jacobian is a matrix."


def _is_summand(cell: Cell, state: Sym) -> bool:
    right = next(line.rhs for line in cell.named if line.lhs == state)
    return isinstance(right, Add) and sum(state.prev in walk(part) for part in right.args) == 1


def _total(found: Jacobians, state: Sym, direct: Term | None) -> Iterator[Block]:
    """The total Jacobian: the paths inside the step, and the ways that go through other states of the step before."""
    states = found.swept.cell.state_terms
    named: Named = {}
    parts: list[Term] = found.paths(state, state.prev, named)
    ways: list[tuple[Sym, list[Term], Term]] = []
    for other in states:
        if other != state and state in found.reaching(other) and other.prev in found.reaching(state):
            within = found.added(found.paths(other, state, named))
            ways.append((other, found.paths(state, other.prev, named), within))
    if parts == [direct] and not ways:
        yield prose("No other way leads from {} to {}: the direct path is the whole Jacobian.", state.prev, state)
        whole = equation(Partial(state, state.prev), Partial(state, state.prev, True))
        yield step(f"total Jacobian of {state.name}", "identity", whole, prose("one way only"))
        return
    if direct is not None:
        yield TOTAL
    yield from _with_names(found, named)
    if parts == [direct]:
        parts = [Partial(state, state.prev, True)]
    for other, forward, within in ways:
        back = found.partial(other.prev, state.prev)
        first: Term = found.partial(state, other.prev)
        if any(other in found.reaching(each) for each in states if each != other):
            first = found.added(forward)  # a derivative by it would count the states that it changes as well
        else:
            line = found.equation(state, other.prev, found.added(forward))
            yield step(f"{state.name} from {other.name}_prev", "identity", line, _by_paths(line))
        line = found.equation(other, state, within)
        yield step(f"{other.name} from {state.name}, same step", "identity", line, prose("inside one step"))
        parts.append(MatMul((first, back)))
    whole = equation(Partial(state, state.prev), found.tidy.summed(parts))
    yield step(f"total Jacobian of {state.name}", "identity", whole, prose("chain rule, all ways"))
    if states == (state,):
        line = _product(state, Partial(state, state.prev), direct=False)
        yield step(f"total Jacobian of {state.name} over time", "identity", line, prose("chain rule, latest factor first"))


def _by_paths(line: Relation) -> Prose:
    return prose("one summand a path" if isinstance(line.rhs, Add) else "chain rule")


def _identity(line: Relation) -> Iterator[Prose]:
    """What a diagonal of ones is."""
    for node in dict.fromkeys(part for part in walk(line.rhs) if isinstance(part, Diag) and isinstance(part.arg, Ones)):
        yield prose("; {} is the identity matrix", node)


def _with_names(found: Jacobians, named: Named) -> Iterator[Step]:
    """The equations of the Jacobians that have a name."""
    for (of, wrt), inner in named.items():
        line = found.equation(of, wrt, inner)
        yield step(f"{of.name} from {wrt.name}, same step", "identity", line, joined(_by_paths(line), *_identity(line)))


def _matrix_state(found: Jacobians, state: Sym) -> Iterator[Block]:
    """A matrix that is carried over: its derivative by itself is no matrix, but its adjoint is multiplied by something."""
    yield prose(
        "{} is a matrix, so its derivative by {} has four indices and is not written as a matrix. What it does to an adjoint "
        "is seen from {}.",
        state,
        state.prev,
        Adj(state.prev, arriving=True),
    )
    yield _backward(found, state)
    number = found.number(state, state.prev)
    if number is not None:
        alone = "No other way leads back" if found.edges[state.prev] == (state,) else "Along this path alone"
        yield prose(
            f"{alone}: every entry is multiplied by the same number {{}} in each step, and by {{}} from step {{}} back to "
            "step {}.",
            number,
            Prod("s", T, K + 1, substitute_time(number, "s")),
            Sym("t"),
            Sym("k"),
        )


# --- a state that is carried over by a matrix ---------------------------------------------------------------------------


def _recurrent(found: Jacobians, state: Sym) -> Iterator[Block]:
    """The Jacobian, its norm, vanishing and exploding."""
    cell = found.swept.cell
    named: Named = {}
    paths = found.paths(state, state.prev, named)
    if len(cell.state_terms) > 1:
        yield prose(
            "No summand of {} is {} itself: every way from one to the other goes through an activation.", state, state.prev
        )
        yield from _total(found, state, None)
        return
    if not paths:
        yield prose("Nothing in the step uses {}, so no gradient travels from one step to the one before.", state.prev)
        yield step(f"Jacobian of {state.name}", "identity", equation(Partial(state, state.prev), term(0)), prose("no path"))
        return
    name, one_step = state.name, found.added(paths)
    yield prose("Between two steps lies one matrix, and over many steps the product of such matrices.")
    yield from _with_names(found, named)
    how = prose("through the pre-activation" if len(paths) == 1 and not named else "chain rule, all ways")
    yield step(f"Jacobian of {name}", "identity", equation(Partial(state, state.prev), one_step), how)
    line = _product(state, one_step, direct=False)
    yield step(f"Jacobian of {name} over time", "identity", line, prose("chain rule, latest factor first"))
    row = norms.bounded_slope(cell, state)
    if row is not None and norms.by_one_matrix(one_step, cell, state):
        yield from norms.bounds(state, one_step, line, row)
