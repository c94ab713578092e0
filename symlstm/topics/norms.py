"""What the flow of the gradient comes to in size: ranges of a direct path, bounds from norms, and powers in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TypeGuard

from symlstm.activations import ACTIVATIONS, STAND_INS, X, activation
from symlstm.algebra import (
    Add,
    Apply,
    Diag,
    Div,
    Interval,
    MatMul,
    Neg,
    Norm,
    Num,
    Ones,
    Partial,
    Pow,
    Prime,
    Relation,
    Sym,
    Term,
    Time,
    Transpose,
    equation,
    relation,
    term,
)
from symlstm.model import Cell
from symlstm.prose import Prose, prose
from symlstm.rules import product
from symlstm.steps import Block, Kind, Step, Table

TOPIC = "flow"
T = Time("t")
SLOPE = ("gamma", "kappa", "rho", "beta", "eta", "mu", "nu", "psi")  # for the largest slope; the first that a cell does not have
UNIT = Interval(term(0), term(1), True, True)


def step(name: str, kind: Kind, line: Relation, reason: Prose) -> Step:
    """A step of the topic."""
    return Step(TOPIC, name, kind, line, reason)


def entries(cell: Cell, direct: Term) -> Interval | None:
    """Where the entries on the diagonal lie, if they are the values of one activation, one less those, or shares of a sum."""
    entry: Term | None = _entry(direct)
    if is_share(cell, direct):
        return UNIT
    for _ in range(len(cell.named)):  # a name is replaced by what it stands for
        name, flipped = (entry.args[1].arg, True) if _is_rest(entry) else (entry, False)  # type: ignore[union-attr]
        here = _definition(cell, name)
        if isinstance(here, Apply):
            values = ACTIVATIONS[here.function].values if here.function in ACTIVATIONS else None
            return values if not flipped or values == UNIT else None
        if flipped or not _is_rest(here):
            return None
        entry = here
    return None


def is_share(cell: Cell, direct: Term) -> bool:
    """Whether an entry is `a / (a + b)`, each summand the value of an activation that is never zero or less."""
    here = _definition(cell, _entry(direct))
    if not (isinstance(here, Div) and isinstance(here.below, Add) and here.above in here.below.args):
        return False
    values = [_definition(cell, part) for part in here.below.args]
    return all(isinstance(each, Apply) and each.function in ACTIVATIONS and _is_positive(each.function) for each in values)


def _is_positive(function: str) -> bool:
    return ACTIVATIONS[function].values.lower == term(0) and ACTIVATIONS[function].values.open_below


def _entry(direct: Term) -> Term:
    """What stands on the diagonal, or what the identity is multiplied by."""
    if isinstance(direct, MatMul) and len(direct.args) == 2 and isinstance(direct.args[1], Diag):
        return direct.args[0]
    return direct.arg if isinstance(direct, Diag) else direct


def _definition(cell: Cell, name: Term | None) -> Term | None:
    return next((line.rhs for line in cell.named if line.lhs == name), None)


def without_bound(cell: Cell, direct: Term) -> Iterator[Prose]:
    """What is said of a direct path that has no bound here."""
    entry, values = _entry(direct), entries(cell, direct)
    if isinstance(entry, Ones):
        return
    each = "entry" if isinstance(direct, Diag) else "factor"
    if entry == term(1) or (isinstance(entry, Prime) and entry.function == "relu"):
        text = f"Each {each} is {{}} or {{}}: this path passes a gradient on unchanged, or not at all."
        yield prose(text, term(0), term(1))
    elif isinstance(entry, Apply) and entry.function in STAND_INS:
        yield prose("{} may be any function, so no bound is claimed.", Sym(entry.function))
    elif values is not None:
        yield prose(f"Each {each} lies in {{}}. No bound is claimed.", values)
    else:
        yield prose("No bound is claimed.")


def _is_rest(node: Term | None) -> bool:
    """Whether a term is 1 - q."""
    return isinstance(node, Add) and len(node.args) == 2 and node.args[0] == term(1) and isinstance(node.args[1], Neg)


def bounded_slope(cell: Cell, state: Sym) -> str | None:
    """The activation whose value the state is, by name, where its slope has a largest value."""
    right = next(line.rhs for line in cell.named if line.lhs == state)
    if not isinstance(right, Apply) or right.function in STAND_INS or activation(right.function).slopes.open_above:
        return None
    return right.function


def by_one_matrix(one_step: Term, cell: Cell, state: Sym) -> TypeGuard[MatMul]:
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


def bounds(cell: Cell, state: Sym, one_step: MatMul, line: Relation, function: str) -> Iterator[Block]:
    """From the largest slope of the activation to a bound over time, and what follows from it."""
    gamma = Sym(next(letter for letter in SLOPE if letter not in cell.shapes))
    row, weights, name = ACTIVATIONS[function], one_step.args[1], state.name
    largest = _as_number(row.slopes.upper)
    known = [ACTIVATIONS[each] for each in dict.fromkeys((function, "tanh", "sigma"))]
    slopes = ", ".join(f"{{}} for {each.words}" for each in known)
    yield prose(f"Let {{}} be the largest slope of the activation: {slopes}.", gamma, *(each.slopes.upper for each in known))
    yield step(
        "gamma",
        "number",
        equation(gamma, largest),
        prose("{} here", relation(Prime(row.name, X), "<=", largest)),
    )
    growth = product(gamma, Norm(weights))
    yield step(
        f"norm of the Jacobian of {name}",
        "bound",
        relation(Norm(Partial(state, cell.carried[state])), "<=", product(Norm(one_step.args[0]), Norm(weights)), "<=", growth),
        prose("the norm is submultiplicative"),
    )
    steps = Sym("t") - Sym("k") if cell.direction(state) > 0 else Sym("k") - Sym("t")
    power = Pow(growth, steps)
    yield step(
        f"norm of the Jacobian of {name} over time",
        "bound",
        relation(Norm(line.lhs), "<=", power),
        prose("by induction over the factors"),
    )
    yield _consequences(growth, steps)
    yield from _vanishing()


def _as_number(value: Term) -> Term:
    """A fraction of numbers as one number."""
    if isinstance(value, Div) and isinstance(value.above, Num) and isinstance(value.below, Num):
        return Num(value.above.value / value.below.value)
    return value


def _consequences(growth: Term, steps: Term) -> Prose:
    return prose(
        "Where {} is less than {}, the bound goes to {} as {} grows: the gradient vanishes, whatever the inputs are. Where it is "
        "more, the bound grows, and the gradient may explode, though it need not: the bound says only what cannot happen.",
        growth,
        term(1),
        term(0),
        steps,
    )


def _vanishing() -> Iterator[Block]:
    yield prose("In numbers, for a factor of one half and of one and a half a step:")
    yield powers(("steps", "vanishes", "may explode"), (Fraction(1, 2), Fraction(3, 2)))


def powers(header: tuple[str, ...], bases: tuple[Fraction, ...]) -> Table:
    """Powers of some numbers, a row for each exponent."""
    rows = ((prose("{}", term(count)), *(prose("{}", _power(base, count)) for base in bases)) for count in (5, 10, 20, 30))
    return Table(header, tuple(rows))


def _power(base: Fraction, exponent: int) -> Relation:
    return relation(
        Pow(decimal(base, 1) if base.denominator == 10 else Num(base), term(exponent)), "~", _rounded(base**exponent)
    )


def _rounded(value: Fraction) -> Term:
    """A printed value: four decimals if it is small in size, else a mantissa times a power of ten."""
    exponent = len(str(int(value))) - 1
    if value >= 10**4:
        return MatMul((decimal(value / Fraction(10) ** exponent, 2), Pow(term(10), term(exponent))))
    if value >= Fraction(1, 1000):
        return decimal(value, 4)
    exponent = -next(k for k in range(1, 400) if value * 10**k >= 1)
    return MatMul((decimal(value * Fraction(10) ** -exponent, 2), Pow(term(10), term(exponent))))


def decimal(value: Fraction, places: int) -> Num:
    """A number that is printed with so many decimals."""
    return Num(Fraction(round(value * 10**places), 10**places), places)
