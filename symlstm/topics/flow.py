"""Topic `flow`: how the gradient travels through time, along the direct path and in all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TypeGuard

from symlstm.activations import ACTIVATIONS, STAND_INS, X, activation
from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Diag,
    Div,
    Interval,
    MatMul,
    Neg,
    Norm,
    NotSupported,
    Num,
    Ones,
    Partial,
    Pow,
    Prime,
    Prod,
    Relation,
    Sym,
    Term,
    Time,
    Transpose,
    equation,
    relation,
    substitute,
    term,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import Prose, prose
from symlstm.reverse import sweep
from symlstm.rules import product
from symlstm.steps import Block, Kind, Section, Step, Table
from symlstm.topics.jacobians import Jacobians, Named
from symlstm.zoo.lstm import LSTM

TOPIC, TITLE = "flow", "The flow of the gradient"

T, K = Time("t"), Time("k")
GAMMA = Sym("gamma")
UNIT = Interval(term(0), term(1), True, True)


def section(cell: Cell) -> Section:
    """The direct path of each state that is carried over, then the total Jacobian, and what bounds there are."""
    found = Jacobians(sweep(cell))
    carried = [state for state in cell.state_terms if state in found.edges[state.prev]]
    blocks: list[Block] = []
    for state in carried or cell.state_terms:
        write = _matrix_state if found.is_matrix(state) else _carried if carried else _recurrent
        blocks += _or_said(write, found, state)
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
    return _step(
        f"adjoint of {state.name}_prev", "identity", found.swept.line(state.prev).relation, prose("from the step backward")
    )


def _step(name: str, kind: Kind, line: Relation, reason: Prose) -> Step:
    return Step(TOPIC, name, kind, line, reason)


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
    yield _step(
        f"direct path of {state.name}",
        "identity",
        equation(Partial(state, state.prev, True), direct),
        prose("that summand of {}" if _is_summand(found.swept.cell, state) else "the equation of {}", state),
    )
    line = _product(state, direct, direct=True)
    yield _step(f"direct path of {state.name} over time", "identity", line, prose("a product, latest factor first"))
    if _entries(found.swept.cell, direct) == UNIT:
        norms = Prod("s", T, K + 1, Norm(substitute_time(direct, "s")))
        bound = relation(Norm(line.lhs), "<=", norms, "<", 1, condition=relation(Sym("t"), ">", Sym("k")))
        yield _step(f"bound of the direct path of {state.name}", "bound", bound, prose("gates lie in {}", UNIT))
    yield from _total(found, state, direct)
    if state.name == "c" and set(found.swept.cell.declared) == set(LSTM.declared):
        yield from _growth(state)


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


def _entries(cell: Cell, direct: Term) -> Interval | None:
    """Where the entries on the diagonal lie, if they are the values of one activation, or one less those."""
    entry = direct.arg if isinstance(direct, Diag) else None
    for _ in range(len(cell.named)):  # a name is replaced by what it stands for
        name, flipped = (entry.args[1].arg, True) if _is_rest(entry) else (entry, False)  # type: ignore[union-attr]
        here = next((line.rhs for line in cell.named if line.lhs == name), None)
        if isinstance(here, Apply):
            values = ACTIVATIONS[here.function].values if here.function in ACTIVATIONS else None
            return values if not flipped or values == UNIT else None
        if flipped or not _is_rest(here):
            return None
        entry = here
    return None


def _is_rest(node: Term | None) -> bool:
    """Whether a term is 1 - q."""
    return isinstance(node, Add) and len(node.args) == 2 and node.args[0] == term(1) and isinstance(node.args[1], Neg)


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
        yield _step(f"total Jacobian of {state.name}", "identity", whole, prose("one way only"))
        return
    if direct is not None:
        yield prose("The total Jacobian has every way in it. It differs from the direct path, and the two must not be confused.")
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
            yield _step(f"{state.name} from {other.name}_prev", "identity", line, prose("one summand a path"))
        line = found.equation(other, state, within)
        yield _step(f"{other.name} from {state.name}, same step", "identity", line, prose("inside one step"))
        parts.append(MatMul((first, back)))
    whole = equation(Partial(state, state.prev), found.tidy.summed(parts))
    yield _step(f"total Jacobian of {state.name}", "identity", whole, prose("chain rule, all ways"))
    if states == (state,):
        line = _product(state, Partial(state, state.prev), direct=False)
        yield _step(f"total Jacobian of {state.name} over time", "identity", line, prose("chain rule, latest factor first"))


def _with_names(found: Jacobians, named: Named) -> Iterator[Step]:
    """The equations of the Jacobians that have a name."""
    for (of, wrt), inner in named.items():
        line = found.equation(of, wrt, inner)
        yield _step(f"{of.name} from {wrt.name}, same step", "identity", line, prose("one summand a path"))


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
        yield _step(f"Jacobian of {state.name}", "identity", equation(Partial(state, state.prev), term(0)), prose("no path"))
        return
    name, one_step = state.name, found.added(paths)
    yield prose("Between two steps lies one matrix, and over many steps the product of such matrices.")
    yield from _with_names(found, named)
    how = prose("through the pre-activation" if len(paths) == 1 and not named else "chain rule, all ways")
    yield _step(f"Jacobian of {name}", "identity", equation(Partial(state, state.prev), one_step), how)
    line = _product(state, one_step, direct=False)
    yield _step(f"Jacobian of {name} over time", "identity", line, prose("chain rule, latest factor first"))
    row = _bounded_slope(cell, state)
    if row is not None and _by_one_matrix(one_step, cell, state):
        yield from _norms(found, state, one_step, line, row)


def _by_one_matrix(one_step: Term, cell: Cell, state: Sym) -> TypeGuard[MatMul]:
    """Whether a Jacobian is the slopes of the state's activation on a diagonal, times one parameter, `U` or `U^T`."""
    if not (isinstance(one_step, MatMul) and len(one_step.args) == 2):
        return False
    slopes, weights = one_step.args
    right = next(line.rhs for line in cell.named if line.lhs == state)
    assert isinstance(right, Apply)
    parameter = weights.arg if isinstance(weights, Transpose) else weights
    if not (isinstance(parameter, Sym) and parameter.time is None):
        return False
    return slopes == Diag(activation(right.function).slope(right.arg, state))


def _bounded_slope(cell: Cell, state: Sym) -> str | None:
    """The activation whose value the state is, by name, where its slope has a largest value."""
    right = next(line.rhs for line in cell.named if line.lhs == state)
    if not isinstance(right, Apply) or right.function in STAND_INS or activation(right.function).slopes.open_above:
        return None
    return right.function


def _norms(found: Jacobians, state: Sym, one_step: MatMul, line: Relation, function: str) -> Iterator[Block]:
    """From the largest slope of the activation to a bound over time, and what follows from it."""
    row, weights, name = ACTIVATIONS[function], one_step.args[1], state.name
    largest = _as_number(row.slopes.upper)
    yield prose(
        "Let {} be the largest slope of the activation: {} for the hyperbolic tangent, {} for the logistic function.",
        GAMMA,
        ACTIVATIONS["tanh"].slopes.upper,
        ACTIVATIONS["sigma"].slopes.upper,
    )
    yield _step(
        "gamma",
        "number",
        equation(GAMMA, largest),
        prose("{} here", relation(Prime(row.name, X), "<=", largest)),
    )
    growth = product(GAMMA, Norm(weights))
    yield _step(
        f"norm of the Jacobian of {name}",
        "bound",
        relation(Norm(Partial(state, state.prev)), "<=", product(Norm(one_step.args[0]), Norm(weights)), "<=", growth),
        prose("the norm is submultiplicative"),
    )
    power = Pow(growth, Add((Sym("t"), Neg(Sym("k")))))
    yield _step(
        f"norm of the Jacobian of {name} over time",
        "bound",
        relation(Norm(line.lhs), "<=", power),
        prose("by induction over the factors"),
    )
    yield _consequences(growth)
    yield from _vanishing()


def _as_number(value: Term) -> Term:
    """A fraction of numbers as one number."""
    if isinstance(value, Div) and isinstance(value.above, Num) and isinstance(value.below, Num):
        return Num(value.above.value / value.below.value)
    return value


def _consequences(growth: Term) -> Prose:
    return prose(
        "Where {} is less than {}, the bound goes to {} as {} grows: the gradient vanishes, whatever the inputs are. Where it is "
        "more, the bound grows, and the gradient may explode, though it need not: the bound says only what cannot happen.",
        growth,
        term(1),
        term(0),
        Add((Sym("t"), Neg(Sym("k")))),
    )


def _decimal(value: Fraction, places: int) -> Num:
    return Num(Fraction(round(value * 10**places), 10**places), places)


def _rounded(value: Fraction) -> Term:
    """A printed value: four decimals if it is small in size, else a mantissa times a power of ten."""
    exponent = len(str(int(value))) - 1
    if value >= 10**4:
        return MatMul((_decimal(value / Fraction(10) ** exponent, 2), Pow(term(10), term(exponent))))
    if value >= Fraction(1, 1000):
        return _decimal(value, 4)
    exponent = -next(k for k in range(1, 400) if value * 10**k >= 1)
    return MatMul((_decimal(value * Fraction(10) ** -exponent, 2), Pow(term(10), term(exponent))))


def _power(base: Fraction, exponent: int) -> Relation:
    return relation(
        Pow(_decimal(base, 1) if base.denominator == 10 else Num(base), term(exponent)), "~", _rounded(base**exponent)
    )


def _powers(header: tuple[str, ...], bases: tuple[Fraction, ...]) -> Table:
    rows = ((prose("{}", term(count)), *(prose("{}", _power(base, count)) for base in bases)) for count in (5, 10, 20, 30))
    return Table(header, tuple(rows))


def _vanishing() -> Iterator[Block]:
    yield prose("In numbers, for a factor of one half and of one and a half a step:")
    yield _powers(("steps", "vanishes", "may explode"), (Fraction(1, 2), Fraction(3, 2)))


def _growth(state: Sym) -> Iterator[Block]:
    """Every f is 0.9, the direct path fades, and the total grows: one unit at its resting point, in exact numbers."""
    tenth = Fraction(9, 10)
    yield prose(
        "How far they differ is seen in one unit, {} equal to {}, at rest: inputs, initial states and all parameters are zero "
        "except two, {} with value {}, and the bias {}, chosen so that {} is {} at every step. Then {} and {} are {}, and {} "
        "and {} stay {}.",
        Sym("n"),
        term(1),
        Sym("U_g"),
        term(8),
        Sym("b_f"),
        Sym("f", T),
        _decimal(tenth, 1),
        Sym("i", T),
        Sym("o", T),
        Num(Fraction(1, 2)),
        Sym("g", T),
        state,
        term(0),
    )
    half = Num(Fraction(1, 2))
    yield _step(
        "one step of the total in numbers",
        "number",
        equation(Add((_decimal(tenth, 1), MatMul((half, term(8), half)))), _decimal(Fraction(29, 10), 1)),
        prose("{} from the direct path, the rest through {}", _decimal(tenth, 1), Sym("h", T + -1)),
    )
    yield _powers(("steps", "direct path", "total"), (tenth, Fraction(29, 10)))
