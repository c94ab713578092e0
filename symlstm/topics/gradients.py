"""Topic `gradients`: all adjoints of one step, for adjoints that come from outside."""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.activations import activation
from symlstm.algebra import NOW, Adj, Apply, MatMul, Partial, Prime, Sym, Term, equation
from symlstm.model import Cell
from symlstm.prose import Prose, joined, listed, prose
from symlstm.reverse import AdjointLine, Share, Sweep, sweep
from symlstm.steps import Section, Step

TOPIC, TITLE = "gradients", "One step backward"
COUNTS = ("no path leaves", "one path leaves", "two paths leave", "three paths leave", "four paths leave", "five paths leave")


def section(cell: Cell) -> Section:
    """The adjoint equations of the reverse sweep, each with the rule that gave it."""
    swept = sweep(cell)
    loss = Sym("L")
    state, parameter = cell.state_terms[0], cell.parameter_terms[0]
    intro = prose("Write {} for the adjoint {}, an array of the same shape as {}. ", Adj(state), Partial(loss, state), state)
    copies = prose(
        "Of a parameter, {} is the adjoint of the copy that step {} uses: its share of {}. ",
        Adj(parameter.at(NOW)),
        Sym("t"),
        Partial(loss, parameter),
    )
    handed = joined(
        "Of the states of the step before, the step gives the part that goes through it, ",
        listed(Adj(each.prev, arriving=True) for each in cell.state_terms),
        ".",
    )
    steps = (
        Step(
            TOPIC,
            f"adjoint of {_name(line.of)}",
            "identity",
            line.relation,
            reason(swept, line),
            tuple(application for share in line.shares for application in share.applications),
        )
        for line in swept.lines
    )
    return Section(TOPIC, TITLE, (joined(intro, _given(swept), copies, handed), *steps))


def _name(of: Sym) -> str:
    return of.name + ("_prev" if of.time is not None and of.time.offset < 0 else "")


def _given(swept: Sweep) -> Prose:
    whole = [seed for seed in swept.given if not seed.arriving]
    parts = [seed for seed in swept.given if seed.arriving]
    said: list[Prose | str] = []
    if whole:
        said += ["Given is ", listed(whole), ", from the loss and from the step after. "]
    for seed in parts:
        said.append(prose("Of {} the part {} is given, which arrives from the step after. ", Adj(seed.of), seed))
    return joined(*said)


def reason(swept: Sweep, line: AdjointLine) -> Prose:
    """The rule that gave the line; for a sum, how many paths leave the quantity."""
    if not line.shares:
        return prose("nothing in this step uses it")
    seeds = sum(seed.of == line.of for seed in swept.given)
    count = len(line.shares) + seeds
    if count > 1:
        number = COUNTS[count] if count < len(COUNTS) else f"{count} paths leave"
        return joined(prose(f"{number} {{}}", line.of), *_slope(swept.cell, line.shares[-1], "; "))
    share = line.shares[0]
    rules = [application.rule for application in share.applications]
    if "vjp_activation" in rules:
        return joined(*_slope(swept.cell, share, ""))
    if "vjp_hadamard" in rules:
        return prose("product rule on {}", share.through)
    if "vjp_matrix_product" in rules:
        return prose("{} multiplies {} here", *_factors(share, line.of))
    return prose("{} is a summand of {}", line.of if line.of.time != NOW else _plain_copy(swept.cell, line.of), share.through)


def _plain_copy(cell: Cell, of: Sym) -> Sym:
    return of.at(None) if of.at(None) in cell.parameter_terms else of


def _factors(share: Share, of: Sym) -> tuple[Term, Term]:
    node = next(application.node for application in share.applications if application.rule == "vjp_matrix_product")
    assert isinstance(node, MatMul)
    mine = next(factor for factor in node.args if isinstance(factor, Sym) and factor.name == of.name)
    other = next(factor for factor in node.args if factor is not mine)
    return mine, other


def _slope(cell: Cell, share: Share, before: str) -> Iterator[Prose | str]:
    """The slope that the path uses, as an equation at its argument."""
    named = {line.rhs: line.lhs for line in cell.named if isinstance(line.rhs, Apply)}
    for application in share.applications:
        node = application.node
        if isinstance(node, Apply):
            value = named.get(node)
            slope = activation(node.function).slope(node.arg, value if isinstance(value, Sym) else None)
            if slope != Prime(node.function, node.arg):
                yield joined(before, prose("{}", equation(Prime(node.function, node.arg), slope)))
            else:
                yield joined(before, prose("chain rule through {}", share.through))
