"""What the definitions of a text say: the record `Theory`, how a name is looked up in it, and which loss is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symlstm.algebra import Apply, Relation, Sum, Sym, Term, Time, walk
from symlstm.definitions.forms import stacks
from symlstm.definitions.sources import LOSSES

PRE = "_pre"  # behind the name of a gate: its argument, where the author gives it no name


@dataclass(frozen=True, slots=True)
class Lazy:
    """A definition that is worked out where it is used: `letter` and `offset` are the time on its left."""

    letter: str
    body: Term
    condition: Relation | None = None
    offset: int = 0


@dataclass
class Theory:
    """What the definitions say. `steps` are the equations of a step in order of evaluation, by name.

    `timeless` are the quantities of step t that are written without a time, `ends` those of the last step; `same` sends
    an alias to its quantity; a `\\delta` of what is `settled` is never taken before the activation; `called` are losses
    that are defined with arguments behind them; `kinds` says what is known beforehand of names (number, vector or matrix),
    and `letters` are those of sizes, which stand for numbers in equations; of a name that rests on nothing `missing` says
    what it would take. `constants` are quantities that are the same at every step, made of parameters alone, and `counts` the
    letters that say how many entries a mean is of.
    """

    steps: dict[str, Term] = field(default_factory=dict)
    lazies: dict[str, list[Lazy]] = field(default_factory=dict)
    adjoints: dict[str, Lazy] = field(default_factory=dict)
    functions: dict[str, tuple[tuple[str, ...], Term]] = field(default_factory=dict)
    values: dict[tuple[str, str], Term] = field(default_factory=dict)
    sizes: dict[str, Term] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    timeless: set[str] = field(default_factory=set)
    inputs: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    output: str = ""
    broken: dict[str, str] = field(default_factory=dict)
    formals: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parts: dict[Term, str] = field(default_factory=dict)
    distributions: set[str] = field(default_factory=set)
    printed: list[str] = field(default_factory=list)
    ends: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    kinds: dict[str, str] = field(default_factory=dict)
    letters: set[str] = field(default_factory=set)
    missing: Mapping[str, Term] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)
    counts: set[str] = field(default_factory=set)

    def known(self, of: Sym) -> bool:
        """Whether the document's definitions give the symbol a meaning."""
        return of.name in (*self.steps, *self.inputs, *self.parameters) or lazy_key(of) in self.lazies

    def lazy(self, of: Sym) -> list[Lazy]:
        """The lazy definitions of a symbol: those for its own kind of mark, else the others."""
        other = of.name if of.time is not None else f"{of.name}[]"
        return self.lazies.get(lazy_key(of)) or self.lazies.get(other, [])

    def is_composite(self, name: str) -> bool:
        """Whether a quantity only stacks others and nothing is computed from it: a derivative by it is one by its parts."""
        body = self.steps.get(name)
        return (
            body is not None
            and stacks(body)
            and not any(
                part == Sym(name, part.time) for other in self.steps.values() for part in walk(other) if isinstance(part, Sym)
            )
        )

    def parts_of(self, name: str) -> Term | None:
        """The blocks of a composite quantity or parameter."""
        if self.is_composite(name):
            return self.steps[name]
        lazy = self.lazies.get(name, [None])[0]
        return lazy.body if lazy and stacks(lazy.body) else None


def lazy_key(of: Sym) -> str:
    """The name under which a lazy definition is kept: `L` and `L[]`, for the loss of all steps and that of one."""
    return of.name if of.time is None else f"{of.name}[]"


def loss_of(theory: Theory) -> Sym:
    """The loss that an adjoint without further words is of: the one of the whole sequence."""
    whole = [name for name in theory.lazies if name in LOSSES or name == "L_"]
    return Sym(whole[0] if whole else "L_")


def loss_called(function: str) -> Sym | None:
    """The loss that a call names, `E_t(y_t)` or `E(y)`; None for other functions."""
    base, _, mark = function.partition("[")
    if base not in LOSSES:
        return None
    if not mark:
        return Sym(base)
    letter, sign, offset = mark.rstrip("]").partition("+") if "+" in mark else mark.rstrip("]").partition("-")
    if letter.isdigit():
        return Sym(base, Time("", int(letter)))
    return Sym(base, Time(letter, int(sign + offset) if offset.isdigit() else 0))


def _same_call(left: Apply, body: Term) -> bool:
    return any(isinstance(part, Apply) and part.function == left.function for part in walk(body))


def loss_defined(left: Apply, body: Term) -> Sym | None:
    """The loss that an equation defines with its arguments behind it, where it is more than a function of them."""
    loss = loss_called(left.function)
    whole = any(isinstance(part, Sum) for part in walk(body))
    return loss if loss is not None and (whole or loss.time is not None) and not _same_call(left, body) else None
