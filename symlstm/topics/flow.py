"""Topic `flow`: how the gradient travels through time, along the direct path and in all.

The Jacobians are read off the reverse sweep: a share `A delta q` of the adjoint of p says that dq/dp is A transposed,
and the Jacobian of a state by an earlier one is the sum over all paths between them of the products along the path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from symlstm.activations import ACTIVATIONS, X, activation
from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Diag,
    Hadamard,
    Interval,
    MatMul,
    Neg,
    Norm,
    NotSupported,
    Num,
    Partial,
    Pow,
    Prime,
    Prod,
    Relation,
    Sym,
    Term,
    Time,
    equation,
    plain,
    relation,
    shift,
    substitute,
    term,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import Prose, joined, prose
from symlstm.reverse import Sweep, sweep
from symlstm.rules import added, product, times, transposed
from symlstm.steps import Block, Kind, Section, Step, Table

TOPIC, TITLE = "flow", "The flow of the gradient"

T, K = Time("t"), Time("k")
GAMMA = Sym("gamma")


def section(cell: Cell) -> Section:
    """The direct path of each state that is carried over, then the total Jacobian, and what bounds there are."""
    swept = sweep(cell)
    blocks: list[Block] = []
    for state in cell.state_terms:
        direct = jacobian(swept, state, state.prev, direct=True)
        if direct is not None:
            blocks += _carried(swept, state, direct)
        elif len(cell.state_terms) == 1:
            blocks += _recurrent(swept, state)
    return Section(TOPIC, TITLE, tuple(blocks))


# --- Jacobians from the sweep -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Path:
    """One path through the graph: the matrices along it from left to right, and its sign."""

    factors: tuple[Term, ...]
    sign: int = 1

    def term(self) -> Term:
        """The product, with neighbouring diagonal matrices joined."""
        joined_factors: list[Term] = []
        for factor in self.factors:
            if joined_factors and isinstance(factor, Diag) and isinstance(last := joined_factors[-1], Diag):
                joined_factors[-1] = Diag(times(last.arg, factor.arg))
            else:
                joined_factors.append(factor)
        whole = product(*joined_factors)
        return whole if self.sign > 0 else Neg(whole)


def jacobian(swept: Sweep, of: Sym, wrt: Sym, *, direct: bool = False) -> Term | None:
    """d of / d wrt within one step as a sum of products of matrices; None where no path leads from one to the other.

    With `direct`, only the path through the equation of `of` itself.
    """
    paths = [path for path in _paths(swept, of, wrt, direct) if path.factors]
    if not paths:
        return None
    return added(*(path.term() for path in paths))


def _paths(swept: Sweep, of: Sym, wrt: Sym, direct: bool) -> Iterator[Path]:
    """Every path from `wrt` up to `of`, depth first."""
    stack: list[tuple[Sym, Path]] = [(wrt, Path(()))]
    while stack:
        here, path = stack.pop()
        if here == of:
            yield path
            continue
        if here in swept.cell.state_terms and here != wrt:
            continue  # a state's further paths belong to the Jacobian of that state
        shares = next((line.shares for line in swept.lines if line.of == here), ())
        for share in reversed(shares):
            if not direct or share.through == of:
                step = _local(share.term)
                stack.append((share.through, Path((*step.factors, *path.factors), step.sign * path.sign)))


def _local(share: Term) -> Path:
    """The matrices of dq/dp, from the share `A delta q` that reaches p: A transposed, factor by factor."""
    if isinstance(share, Adj):
        return Path(())
    if isinstance(share, Neg):
        inner = _local(share.arg)
        return Path(inner.factors, -inner.sign)
    if isinstance(share, Hadamard):
        inner = _local(share.args[0])
        return Path((*inner.factors, Diag(times(*share.args[1:]))), inner.sign)
    if isinstance(share, MatMul) and isinstance(share.args[-1], Adj):
        return Path(transposed(share.args[:-1]))
    raise NotSupported("The Jacobian of this path is not written yet.", plain(share), "elementwise and matrix products")


# --- the sections -----------------------------------------------------------------------------------------------


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


def _carried(swept: Sweep, state: Sym, direct: Term) -> Iterator[Block]:
    """A state that one equation carries over: the direct path, then everything else."""
    yield joined(
        prose(
            "The equation of {} carries {} over. Along this path alone, with every other way from {} to {} left out, ",
            state,
            state.prev,
            state.prev,
            state,
        ),
        "the Jacobian is a diagonal matrix.",
    )
    yield _step(
        f"direct path of {state.name}",
        "identity",
        equation(Partial(state, state.prev, True), direct),
        prose("that summand of {}", state),
    )
    line = _product(state, direct, direct=True)
    yield _step(f"direct path of {state.name} over time", "identity", line, prose("a product, latest factor first"))
    if _inside_unit(swept.cell, direct):
        norms = Prod("s", T, K + 1, Norm(substitute_time(direct, "s")))
        bound = relation(Norm(line.lhs), "<=", norms, "<", 1, condition=relation(Sym("t"), ">", Sym("k")))
        yield _step(
            f"bound of the direct path of {state.name}", "bound", bound, prose("gates lie in {}", _range(swept.cell, direct))
        )
    yield from _total(swept, state, direct)
    if swept.cell.name == "lstm":
        yield from _growth(state)


def _total(swept: Sweep, state: Sym, direct: Term) -> Iterator[Block]:
    """The total Jacobian: the direct path, the other paths of the same state, and the ways through other states."""
    same = jacobian(swept, state, state.prev)
    parts: list[Term] = (
        [Partial(state, state.prev, True)] if same == direct else list(same.args if isinstance(same, Add) else (same or direct,))
    )
    yield prose("The total Jacobian has every way in it. It differs from the direct path, and the two must not be confused.")
    for other in swept.cell.state_terms:
        forward = jacobian(swept, state, other.prev) if other != state else None
        within = jacobian(swept, other, state)
        if forward is None or within is None:
            continue
        yield _step(
            f"{state.name} from {other.name}_prev",
            "identity",
            equation(Partial(state, other.prev), forward),
            prose("one summand a path"),
        )
        yield _step(
            f"{other.name} from {state.name}, same step",
            "identity",
            equation(Partial(other.prev, state.prev), shift(within, -1)),
            prose("the equation of {}", other.prev),
        )
        parts.append(MatMul((Partial(state, other.prev), Partial(other.prev, state.prev))))
    if len(parts) > 1 or same != direct:
        whole = added(*parts)
        yield _step(
            f"total Jacobian of {state.name}",
            "identity",
            equation(Partial(state, state.prev), whole),
            prose("chain rule, all ways"),
        )


def _inside_unit(cell: Cell, direct: Term) -> bool:
    return _range(cell, direct) == Interval(term(0), term(1), True, True)


def _range(cell: Cell, direct: Term) -> Interval:
    """The range of the entries on the diagonal, if they are one activation's values; else everything."""
    if isinstance(direct, Diag):
        for line in cell.named:
            if line.lhs == direct.arg and isinstance(line.rhs, Apply):
                return activation(line.rhs.function).values
    return Interval(Neg(Sym("infinity")), Sym("infinity"))


def _recurrent(swept: Sweep, state: Sym) -> Iterator[Block]:
    """A state that is carried over by a matrix: the Jacobian, its norm, vanishing and exploding."""
    one_step = jacobian(swept, state, state.prev)
    assert one_step is not None
    name = state.name
    slopes = [ACTIVATIONS[part.function] for line in swept.cell.named for part in walk(line.rhs) if isinstance(part, Apply)]
    yield prose("Between two steps lies one matrix, and over many steps the product of such matrices.")
    yield _step(
        f"Jacobian of {name}", "identity", equation(Partial(state, state.prev), one_step), prose("through the pre-activation")
    )
    line = _product(state, one_step, direct=False)
    yield _step(f"Jacobian of {name} over time", "identity", line, prose("chain rule, latest factor first"))
    if len(slopes) != 1 or not (isinstance(one_step, MatMul) and isinstance(one_step.args[0], Diag) and len(one_step.args) == 2):
        return
    row, weights = slopes[0], one_step.args[1]
    yield prose(
        "Let {} be the largest slope of the activation: {} for the hyperbolic tangent, {} for the logistic function.",
        GAMMA,
        ACTIVATIONS["tanh"].slopes.upper,
        ACTIVATIONS["sigma"].slopes.upper,
    )
    yield _step(
        "gamma",
        "number",
        equation(GAMMA, row.slopes.upper),
        prose("{} here", relation(Prime(row.name, X), "<=", row.slopes.upper)),
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
