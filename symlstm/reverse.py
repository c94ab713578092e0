"""The reverse sweep: from the named equations of one step to the adjoint equations of that step.

The sweep visits the equations last to first. When it reaches the equation of q, everything that uses q has been
visited, so the adjoint of q is the sum of the shares collected for it; that sum, tidied, gets the name `delta q`, and
only the name travels on. Intermediates are never substituted, which keeps the work linear in the number of equations.

>>> from symlstm import zoo
>>> for line in sweep(zoo.RNN).lines: print(line.relation)
delta z[t] = delta h[t] * (1 - h[t]^2)
delta W[t] = delta z[t] @ x[t]^T
delta U[t] = delta z[t] @ h[t-1]^T
delta b[t] = delta z[t]
delta x[t] = W^T @ delta z[t]
delta+ h[t-1] = U^T @ delta z[t]
"""

from __future__ import annotations

from dataclasses import dataclass, field

from symlstm.algebra import NOW, Adj, Apply, Num, Ones, Partial, Relation, Sym, Term, equation, quantity
from symlstm.model import Cell
from symlstm.rules import Known, vjp
from symlstm.steps import Application
from symlstm.tidying import Tidying

LOSS_TERM = quantity("ell")  # the loss of step t, one summand of L; it depends on the output h_t alone


@dataclass(frozen=True, slots=True)
class Share:
    """One path that leaves a quantity: through which equation, which share of the adjoint it brings back, and how."""

    through: Sym
    term: Term
    applications: tuple[Application, ...]


@dataclass(frozen=True, slots=True)
class AdjointLine:
    """The adjoint equation of one quantity, and the paths its right side is the sum of (each as the rules give it)."""

    of: Sym
    relation: Relation
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """All adjoint equations of one step, in the order in which they can be computed.

    `given` are the adjoints that come from outside: whole (`delta h`) for a state or output that its own step does not use
    further, else the arriving part (`delta+ c`).
    """

    cell: Cell
    given: tuple[Adj, ...]
    lines: tuple[AdjointLine, ...]

    def line(self, of: Sym) -> AdjointLine:
        """The adjoint equation of a quantity."""
        return next(line for line in self.lines if line.of == of)


@dataclass(slots=True)
class _Collected:
    order: dict[Term, int]
    shares: dict[Sym, list[Share]] = field(default_factory=dict)

    def add(self, of: Sym, share: Share) -> None:
        self.shares.setdefault(of, []).append(share)

    def of(self, of: Sym) -> list[Share]:
        """The shares of a quantity, in the order of the equations that use it (the sweep meets the last one first)."""
        return sorted(self.shares.get(of, []), key=lambda share: self.order[share.through])


def sweep(cell: Cell, *, primes: bool = False) -> Sweep:
    """The adjoint equations of one step of a cell, every application of a rule recorded.

    With `primes` the slope of a function stays as it is, `sigma'(z)`, instead of a formula of the function's value.

    Raises `NotSupported` where a node of an equation has no VJP rule.
    """
    collected, given, lines = _Collected({line.lhs: k for k, line in enumerate(cell.named)}), [], []
    named: dict[Term, Sym] = {
        line.rhs: line.lhs for line in cell.named if isinstance(line.rhs, Apply) and isinstance(line.lhs, Sym)
    }
    known, tidy = Known(named, cell.shapes, primes), Tidying(cell.shapes)
    for line in reversed(cell.named):
        assert isinstance(line.lhs, Sym)
        shares = collected.of(line.lhs)
        # the loss of a step depends on its output, and no other equation says so
        seeds: list[Term] = [Partial(LOSS_TERM, line.lhs)] if line.lhs == cell.output_term else []
        if line.lhs in cell.state_terms or (seeds and not shares):
            given.append(Adj(line.lhs, arriving=bool(shares)))
            seeds.append(given[-1])
        if shares or not seeds:
            lines.append(_line(tidy, line.lhs, shares, *seeds))
        _through(line, cell, known, collected)
    ends = [*(symbol.at(NOW) for symbol in cell.parameter_terms), *cell.input_terms, *cell.carried.values()]
    lines += [_line(tidy, end, collected.of(end)) for end in ends]
    order = (cell.output_term, *cell.state_terms) if cell.output_term not in cell.state_terms else cell.state_terms
    return Sweep(cell, tuple(sorted(given, key=lambda seed: order.index(seed.of))), tuple(lines))


def _line(tidy: Tidying, of: Sym, shares: list[Share], *seeds: Term) -> AdjointLine:
    left = Adj(of, arriving=of.time is not None and of.time.offset != 0)
    return AdjointLine(of, equation(left, tidy.summed((*seeds, *(tidy(share.term) for share in shares)))), tuple(shares))


def _through(line: Relation, cell: Cell, known: Known, collected: _Collected) -> None:
    """Carry the adjoint of one equation's left side down its right side; iterative, arguments left to right."""
    assert isinstance(line.lhs, Sym)
    stack: list[tuple[Term, Term, tuple[Application, ...]]] = [(line.rhs, Adj(line.lhs), ())]
    while stack:
        node, adjoint, path = stack.pop()
        if isinstance(node, Sym):
            if node.time or node.name not in cell.size_names:
                collected.add(node.at(node.time or NOW), Share(line.lhs, adjoint, path))
        elif not isinstance(node, (Num, Ones)):
            rule, shares = vjp(node, adjoint, known)
            here = Application(rule, node, adjoint, tuple(shares))
            stack += [(argument, share, (*path, here)) for argument, share in reversed(shares)]
