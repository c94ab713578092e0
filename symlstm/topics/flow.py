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
from symlstm.topics import norms, resting
from symlstm.topics.gradients import name_of, nothing_at_kinks
from symlstm.topics.jacobians import Jacobians, Named
from symlstm.topics.norms import TOPIC, UNIT, step

TITLE = "The flow of the gradient"

TOTAL = prose("The total Jacobian has every way in it. It differs from the direct path, and the two must not be confused.")
AGAIN = prose("Again the total Jacobian has every way in it.")
T, K = Time("t"), Time("k")


def section(cell: Cell) -> Section:
    """The direct path of each state that is carried over, then the total Jacobian, and what bounds there are."""
    found = Jacobians(sweep(cell))
    blocks: list[Block] = [prose(said.strip()) for said in nothing_at_kinks(cell)]
    for part in cell.parts:
        carried = [state for state in part.states if state in found.edges[cell.carried[state]]]
        for state in carried or part.states:
            write = _matrix_state if found.is_matrix(state) else _carried if carried else _recurrent
            for block in _or_said(write, found, state):
                again = AGAIN if block == TOTAL and TOTAL in blocks else block
                blocks += [again] if write != _recurrent or again not in blocks else []  # of the slopes once for all parts
    return Section(TOPIC, TITLE, tuple(blocks))


def _or_said(write: Callable[[Jacobians, Sym], Iterator[Block]], found: Jacobians, state: Sym) -> Iterator[Block]:
    """What is written of a state; where a derivative on the way is no matrix, the text says so and shows the adjoint."""
    try:
        yield from write(found, state)
    except NotSupported:
        text = (
            "On a way from {} to {} lies a matrix, and derivatives by it are not matrices. The adjoint shows what the step does."
        )
        yield prose(text, found.back(state), state)
        yield _backward(found, state)


def _backward(found: Jacobians, state: Sym) -> Step:
    line = found.swept.line(found.back(state)).relation
    return step(f"adjoint of {name_of(found.back(state))}", "identity", line, prose("from the step backward"))


def _product(found: Jacobians, state: Sym, one_step: Term, *, direct: bool) -> Relation:
    """d state_t / d state_k as the product of the one-step Jacobians, latest first."""
    return equation(Partial(state, state.at(K), direct), _over_time(found, state, substitute_time(one_step, "s")))


def _over_time(found: Jacobians, state: Sym, body: Term) -> Prod:
    """A product over the steps between k and t, in the direction of the state: from t down to k+1, or up to k-1."""
    return Prod("s", T, K + found.swept.cell.direction(state), body)


def substitute_time(node: Term, base: str) -> Term:
    """The same term with its time marks counted from another letter."""
    moved = {
        part: part.at(Time(base, part.time.offset)) for part in walk(node) if isinstance(part, Sym) and part.time is not None
    }
    return substitute(node, moved)  # type: ignore[arg-type]


# --- a state that its own equation carries over -----------------------------------------------------------------------


def _carried(found: Jacobians, state: Sym) -> Iterator[Block]:
    """The direct path, then everything else."""
    cell, back = found.swept.cell, found.back(state)
    direct = found.direct(state, back)
    assert direct is not None
    yield prose(
        f"The equation of {{}} carries {{}} over. Along this path alone, with every other way from {{}} to {{}} left out, "
        f"{_what(found, state, direct)}",
        state,
        back,
        back,
        state,
    )
    one_step = equation(Partial(state, back, True), direct)
    why = prose("that summand of {}" if _is_summand(cell, state) else "the equation of {}", state)
    yield step(f"direct path of {state.name}", "identity", one_step, joined(why, *_identity(one_step)))
    line = _product(found, state, direct, direct=True)
    yield step(f"direct path of {state.name} over time", "identity", line, prose("a product, latest factor first"))
    if isinstance(direct, Diag) and norms.entries(cell, direct) == UNIT:
        lengths = _over_time(found, state, Norm(substitute_time(direct, "s")))
        some = relation(*(Sym("t"), ">", Sym("k")) if cell.direction(state) > 0 else (Sym("k"), ">", Sym("t")))
        bound = relation(Norm(line.lhs), "<=", lengths, "<", 1, condition=some)
        why = prose("shares lie in {}" if norms.is_share(cell, direct) else "gates lie in {}", UNIT)
        yield step(f"bound of the direct path of {state.name}", "bound", bound, why)
    else:
        yield from norms.without_bound(cell, direct)
    yield from _total(found, state, direct)
    yield from resting.at_rest(cell, state)


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
    return isinstance(right, Add) and sum(cell.carried[state] in walk(part) for part in right.args) == 1


def _total(found: Jacobians, state: Sym, direct: Term | None) -> Iterator[Block]:
    """The total Jacobian: the paths inside the step, and the ways that go through other states of the step before."""
    back = found.back(state)
    states = found.swept.cell.parts[found.swept.cell.place(state)].states
    named: Named = {}
    parts: list[Term] = found.paths(state, back, named)
    ways: list[tuple[Sym, list[Term], Term]] = []
    for other in states:
        if other != state and state in found.reaching(other) and found.back(other) in found.reaching(state):
            within = found.added(found.paths(other, state, named))
            ways.append((other, found.paths(state, found.back(other), named), within))
    if parts == [direct] and not ways:
        yield prose("No other way leads from {} to {}: the direct path is the whole Jacobian.", back, state)
        whole = equation(Partial(state, back), Partial(state, back, True))
        yield step(f"total Jacobian of {state.name}", "identity", whole, prose("one way only"))
        return
    if direct is not None:
        yield TOTAL
    yield from _with_names(found, named)
    if parts == [direct]:
        parts = [Partial(state, back, True)]
    for other, forward, within in ways:
        inner = found.partial(found.back(other), back)
        first: Term = found.partial(state, found.back(other))
        if any(other in found.reaching(each) for each in states if each != other):
            first = found.added(forward)  # a derivative by it would count the states that it changes as well
        else:
            line = found.equation(state, found.back(other), found.added(forward))
            yield step(f"{state.name} from {name_of(found.back(other))}", "identity", line, _by_paths(line))
        line = found.equation(other, state, within)
        yield step(f"{other.name} from {state.name}, same step", "identity", line, prose("inside one step"))
        parts.append(MatMul((first, inner)))
    whole = equation(Partial(state, back), found.tidy.summed(parts))
    yield step(f"total Jacobian of {state.name}", "identity", whole, prose("chain rule, all ways"))
    if states == (state,):
        line = _product(found, state, Partial(state, back), direct=False)
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
    back = found.back(state)
    yield prose(
        "{} is a matrix, so its derivative by {} has four indices and is not written as a matrix. What it does to an adjoint "
        "is seen from {}.",
        state,
        back,
        Adj(back, arriving=True),
    )
    yield _backward(found, state)
    number = found.number(state, back)
    if number is not None:
        alone = "No other way leads back" if found.edges[back] == (state,) else "Along this path alone"
        yield prose(
            f"{alone}: every entry is multiplied by the same number {{}} in each step, and by {{}} from step {{}} back to "
            "step {}.",
            number,
            _over_time(found, state, substitute_time(number, "s")),
            Sym("t"),
            Sym("k"),
        )


# --- a state that is carried over by a matrix ---------------------------------------------------------------------------


def _recurrent(found: Jacobians, state: Sym) -> Iterator[Block]:
    """The Jacobian, its norm, vanishing and exploding."""
    cell, back = found.swept.cell, found.back(state)
    named: Named = {}
    paths = found.paths(state, back, named)
    if len(cell.parts[cell.place(state)].states) > 1:
        yield prose(
            "No summand of {} is {} itself: every way from one to the other goes through an activation.", state, back
        )
        yield from _total(found, state, None)
        return
    if not paths:
        yield prose("Nothing in the step uses {}, so no gradient travels from one step to the one before.", back)
        yield step(f"Jacobian of {state.name}", "identity", equation(Partial(state, back), term(0)), prose("no path"))
        return
    name, one_step = state.name, found.added(paths)
    yield prose("Between two steps lies one matrix, and over many steps the product of such matrices.")
    yield from _with_names(found, named)
    how = prose("through the pre-activation" if len(paths) == 1 and not named else "chain rule, all ways")
    yield step(f"Jacobian of {name}", "identity", equation(Partial(state, back), one_step), how)
    line = _product(found, state, one_step, direct=False)
    yield step(f"Jacobian of {name} over time", "identity", line, prose("chain rule, latest factor first"))
    row = norms.bounded_slope(cell, state)
    if row is not None and norms.by_one_matrix(one_step, cell, state):
        yield from norms.bounds(cell, state, one_step, line, row)
