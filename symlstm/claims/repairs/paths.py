r"""The right formula, derived: the paths that leave a quantity, each a term in the quantities that the author writes.

The equations of the document's step are carried backwards with the rules of `symlstm.rules`. An adjoint that the author
has a name for is written by that name; one without a name is expanded into its own paths.

>>> from symlstm.claims.checking import Document
>>> from symlstm.definitions.sources import source
>>> text = r"$$ h_t = \tanh(W x_t + U h_{t-1}) $$ $$ \delta_{ht} = \frac{\partial L}{\partial h_t} $$"
>>> found = source(text)
>>> derived = Paths(Document(found).cases[0], Hand(found))
>>> [plain(path) for path in derived.of(Sym("W"))]
['(delta h[t] * (1 - h[t]^2)) @ x[t]^T']
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from symlstm.activations import activation
from symlstm.algebra import (
    NOW,
    Adj,
    Apply,
    Hadamard,
    Listed,
    MatMul,
    NotSupported,
    Num,
    Partial,
    Relation,
    Sum,
    Sym,
    SymlstmError,
    Term,
    Time,
    Transpose,
    children,
    equation,
    plain,
    rebuild,
    shift,
    substitute,
    transform,
    walk,
)  # fmt: skip
from symlstm.claims.judging.cases import Case
from symlstm.claims.judging.shares import as_derivative
from symlstm.claims.judging.values import Reading, Valuer
from symlstm.claims.models.arithmetic import NO_VALUE, is_scalar, shape
from symlstm.claims.writing.hand import Hand, Unwritable
from symlstm.definitions.meanings import loss_of
from symlstm.rules import Known, added, times, vjp

DEPTH = 3  # how many adjoints without a name are expanded one inside the other
MANY = 6  # paths; a sum of more is not expanded inside another formula


class Paths:
    """The paths that leave the quantities of a document, in one of its cases."""

    def __init__(self, case: Case, hand: Hand, own: Sym | None = None) -> None:
        self.case, self.hand, self.theory, self.own = case, hand, case.theory, own
        self.initial = False
        self.valuer = Valuer(case.runs[0], Reading(), {"t": 2})

    # --- what the author has names for -------------------------------------------------------------------------

    @cached_property
    def names(self) -> dict[str, Term]:
        """For each quantity whose adjoint the author writes: how, at step t."""
        found: dict[str, Term] = {}
        for term in sorted(self.hand.texts, key=lambda each: not isinstance(each, Adj)):
            if not isinstance(term, (Adj, Partial, Sym)):
                continue
            pair = as_derivative(term, self.theory)
            if pair is None or pair[0] not in self.losses or pair[1].time is None or not pair[1].time.base:
                continue
            time = pair[1].time
            moved = shift(term, -time.offset) if time.base == "t" else None
            if moved is not None:
                found.setdefault(self.theory.same.get(pair[1].name, pair[1].name), moved)
        return found

    @cached_property
    def losses(self) -> tuple[Term, ...]:
        """The losses whose derivatives the author takes: that of the whole sequence, by any name, or that of its own step."""
        if self.own is not None:
            return (self.own,)
        whole = loss_of(self.theory)
        return (
            whole,
            *(
                Sym(name[:-2], NOW)
                for name, found in self.theory.lazies.items()
                if name.endswith("[]") and any(isinstance(part, Sum) for lazy in found for part in walk(lazy.body))
            ),
        )

    def adjoint(self, name: str, depth: int = DEPTH) -> Term:
        """The adjoint of a quantity at step t: by its name, else as the sum of its paths. Raises `Unwritable`."""
        named = self.names.get(name)
        if named is not None:
            return named
        if depth and name not in self.theory.states:
            return added(*self.of(Sym(name, NOW), depth - 1))
        if any(isinstance(term, Partial) and term.of in self.losses for term in self.hand.texts):
            return Partial(self.own or loss_of(self.theory), Sym(name, NOW))
        raise Unwritable(name)

    # --- paths -------------------------------------------------------------------------------------------------

    def of(self, of: Sym, depth: int = DEPTH) -> list[Term]:
        """The paths that leave a quantity at step t (or a parameter, in the step's copy). Raises `Unwritable`."""
        found: list[Term] = []
        for name in self.theory.steps:
            body = self.bodies[name]
            if self.theory.is_composite(name) or not any(isinstance(part, Sym) and part.name == of.name for part in walk(body)):
                continue
            for steps, share in self.shares(name, body, of, depth):
                if self.own is not None and steps:
                    continue  # the loss of a step does not depend on later ones
                if self.initial and not steps:
                    continue  # nothing is computed in step 0
                found.append(self.tidied(shift(share, steps)))
        found += self.losses_of(of) if not self.initial else []
        if not found or len(found) > MANY + 2:
            raise Unwritable(plain(of))
        return found

    def losses_of(self, of: Sym) -> list[Term]:
        """The share that comes straight from the loss of step t."""
        found: list[Term] = []
        for name, lazies in self.theory.lazies.items():
            uses = any(
                part == Sym(of.name, NOW) for lazy in lazies for part in walk(lazy.body) if not isinstance(part, (Partial, Adj))
            )
            if (
                name.endswith("[]")
                and uses
                and not any(isinstance(part, (Partial, Adj)) for lazy in lazies for part in walk(lazy.body))
            ):
                found.append(Partial(Sym(name[:-2], NOW), of))
        return found[:1]

    def shares(self, name: str, body: Term, of: Sym, depth: int) -> Iterable[tuple[int, Term]]:
        """What an equation hands back to one of its symbols, with the number of steps it lies ahead."""
        seed = Sym("seed_", NOW)
        softmax = isinstance(body, Apply) and body.function == "softmax"
        stack: list[tuple[Term, Term]] = [(body.arg if softmax and isinstance(body, Apply) else body, seed)]
        found: list[tuple[int, Term]] = []
        while stack:
            node, adjoint = stack.pop()
            if isinstance(node, Sym):
                if node.name == of.name:
                    found.append((-(node.time.offset if node.time is not None else 0), adjoint))
            elif isinstance(node, Apply) and not isinstance(node.arg, Listed):
                stack.append((node.arg, times(adjoint, self.slope(name, node))))
            elif not isinstance(node, Num):
                try:
                    stack += [(argument, share) for argument, share in vjp(node, adjoint, Known())[1]]
                except (NotSupported, SymlstmError):
                    if any(isinstance(part, Sym) and part.name == of.name and not self.is_later(part) for part in walk(node)):
                        raise Unwritable(plain(node)) from None
        if not found:
            return []
        whole = self.softmaxed(name) if softmax else self.adjoint(name, depth)
        return [(steps, substituted(share, seed, whole)) for steps, share in reversed(found)]

    def is_later(self, part: Sym) -> bool:
        """Whether a use of a quantity lies in a later step, of which the loss of a single step knows nothing."""
        return self.own is not None and part.time is not None and part.time.offset < 0

    def slope(self, name: str, node: Apply) -> Term:
        """The slope of an activation, in terms of its value where that has a name."""
        value = Sym(name, NOW) if self.bodies[name] == node else None
        return activation(node.function).slope(node.arg, value)

    def softmaxed(self, name: str) -> Term:
        """The adjoint of the argument of a softmax under a cross entropy: probabilities minus targets."""
        targets = [target for target in self.theory.distributions if target in self.theory.inputs]
        if not targets:
            raise Unwritable(name)
        return Sym(name, NOW) - Sym(targets[0], NOW)

    # --- products ----------------------------------------------------------------------------------------------

    @cached_property
    def bodies(self) -> dict[str, Term]:
        """The equations of the step with each product as what it is: elementwise or of matrices."""
        return {name: self.resolved(body) for name, body in self.theory.steps.items()}

    def resolved(self, node: Term) -> Term:
        """A term in which a product of vectors of one shape is a Hadamard product."""
        node = rebuild(node, tuple(self.resolved(child) for child in children(node)))
        if not isinstance(node, MatMul):
            return node
        whole = node.args[0]
        for arg in node.args[1:]:
            whole = self.joined(whole, arg)
        return whole

    def joined(self, left: Term, right: Term) -> Term:
        try:
            one, other = shape(self.valuer(left)), shape(self.valuer(right))
        except NO_VALUE:
            return MatMul((left, right))
        if one == other and 1 in one and one != (1, 1):
            return times(left, right)
        if is_scalar(self.valuer(left)) or is_scalar(self.valuer(right)):
            return times(left, right) if one == other else MatMul((left, right))
        return MatMul((*left.args, right)) if isinstance(left, MatMul) else MatMul((left, right))

    def tidied(self, node: Term) -> Term:
        """A derived term as the author would have it: the author's elementwise product, transposes only where they count."""
        scalar = self.case.sizes.scalar
        whole = {name: term for term, name in self.theory.parts.items()}

        def change(part: Term) -> Term:
            if isinstance(part, Sym) and part.time is not None and part.name in whole:
                return shift(whole[part.name], part.time.offset)
            if isinstance(part, Sym) and part.time == NOW and part.name in self.theory.timeless:
                return part.at(None)
            if isinstance(part, Transpose) and scalar:
                return part.arg
            if isinstance(part, Hadamard) and self.hand.elementwise is MatMul:
                return MatMul(part.args)
            return part

        return transform(node, change)

    # --- the whole formula -------------------------------------------------------------------------------------

    def equation_of(self, left: Term) -> Relation:
        """The derived equation of a derivative of the loss. Raises `Unwritable`."""
        pair = as_derivative(left, self.theory)
        if (
            pair is not None
            and self.own is None
            and isinstance(pair[0], Sym)
            and pair[0].time == NOW
            and pair[0] not in self.losses
        ):
            return Paths(self.case, self.hand, pair[0]).equation_of(left)
        if pair is None or pair[0] not in (*self.losses, Sym("L_")):
            raise Unwritable(plain(left))
        of = pair[1]
        name = self.theory.same.get(of.name, of.name)
        if of.time is None and name in self.theory.parameters:
            share = added(*self.of(Sym(name)))
            return equation(left, share if self.own is not None else self.summed(share))
        if of.time is None:
            raise Unwritable(plain(left))
        self.initial = of.time == Time("", 0)
        try:
            paths = added(*self.of(Sym(name, NOW)))
        finally:
            self.initial = False
        return equation(left, shift(paths, of.time.offset) if of.time.base == "t" else moved_to(paths, of.time))

    def summed(self, body: Term) -> Term:
        """The sum over the steps, with the limits that the author uses."""
        known = next(
            (term for term in self.hand.texts if isinstance(term, Sum) and term.index == "t" and term.upper.base in ("T", "tau")),
            None,
        )
        last = (
            "tau"
            if "tau" in {part.time.base for part in self.hand.texts if isinstance(part, Sym) and part.time is not None}
            else "T"
        )
        return Sum("t", known.lower, known.upper, body) if known is not None else Sum("t", Time("", 1), Time(last), body)


def substituted(node: Term, seed: Sym, whole: Term) -> Term:
    """A share with the adjoint it starts from put in; products in products are opened."""
    put = substitute(node, {seed: whole})

    def change(part: Term) -> Term:
        if isinstance(part, Hadamard):
            return times(*part.args)
        if isinstance(part, Transpose) and isinstance(part.arg, Transpose):
            return part.arg.arg
        return part

    return transform(put, change)


def moved_to(node: Term, time: Time) -> Term:
    """A term of step t as one of another step."""

    def change(part: Term) -> Term:
        return (
            part.at(time + part.time.offset)
            if isinstance(part, Sym) and part.time is not None and part.time.base == "t"
            else part
        )

    return transform(node, change)


__all__ = ["Paths", "moved_to"]
