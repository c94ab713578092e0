"""Topic `gradients`: all adjoints of one step, for adjoints that come from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from symlstm.activations import activation
from symlstm.algebra import NOW, Adj, Apply, Div, MatMul, Max, Partial, Prime, Sym, Term, Transpose, equation, term, walk
from symlstm.model import Cell
from symlstm.prose import Prose, in_words, joined, listed, prose
from symlstm.reverse import LOSS_TERM, AdjointLine, Share, Sweep, sweep
from symlstm.steps import Application, Section, Step
from symlstm.topics.layers import as_what, handed_down

TOPIC, TITLE = "gradients", "One step backward"
LARGER = "the larger of the two passes its adjoint on"


def section(cell: Cell) -> Section:
    """The adjoint equations of the reverse sweep, each with the rule that gave it."""
    swept = sweep(cell)
    loss, state = Sym("L"), cell.output_term
    like = prose("a number") if cell.shapes.is_scalar(state) else prose("an array of the same shape as {}", state)
    intro = joined(prose("Write {} for the adjoint {}, ", Adj(state), Partial(loss, state)), like, ". ")
    copies = [
        prose(
            "Of a parameter, {} is the adjoint of the copy that step {} uses: its share of {}. ",
            Adj(parameter.at(NOW)),
            Sym("t"),
            Partial(loss, parameter),
        )
        for parameter in cell.parameter_terms[:1]
    ]
    steps = (
        Step(
            TOPIC,
            f"adjoint of {name_of(line.of)}",
            "identity",
            line.relation,
            reason(swept, line),
            tuple(application for share in line.shares for application in share.applications),
        )
        for line in swept.lines
    )
    text = joined(intro, _given(swept), *copies, *_handed(cell), *handed_down(cell), *_kinks(cell))
    return Section(TOPIC, TITLE, (text, *steps))


def _handed(cell: Cell) -> Iterator[Prose]:
    """What the step hands on to its neighbours."""
    told = "Of the states of the step before, the step gives the part that goes through it, "
    for word, way in (("before", 1), ("after", -1)):
        back = [Adj(each, arriving=True) for state, each in cell.carried.items() if cell.direction(state) == way]
        if back:
            yield joined(told.replace("before", word), listed(back), ".")
            told = f" {told}"


def _kinks(cell: Cell) -> list[Prose | str]:
    """What stands for the slope of a maximum and of an absolute value, and where nothing is claimed."""
    parts = [part for line in cell.named for part in walk(line.rhs)]
    maxima = any(isinstance(part, Max) for part in parts)
    kinked = {part.function for part in parts if isinstance(part, Apply) and activation(part.function).kinks}
    said: list[Prose | str] = []
    if maxima:
        told = (
            " The larger argument of a maximum gets its whole adjoint: {} is {} where {} is larger than {}, and {} where it is "
            "smaller."
        )
        p, q = Sym("a"), Sym("b")
        said.append(prose(told, Prime("relu", p - q), term(1), p, q, term(0)))
    if "abs" in kinked:
        said.append(" The slope of the absolute value is the sign.")
    return [*said, *nothing_at_kinks(cell)]


def nothing_at_kinks(cell: Cell) -> list[str]:
    """Where nothing is claimed, in words; empty for a cell without kinks."""
    parts = [part for line in cell.named for part in walk(line.rhs)]
    maxima = any(isinstance(part, Max) for part in parts)
    kinked = any(isinstance(part, Apply) and activation(part.function).kinks for part in parts)
    where = [*(["two arguments of a maximum are equal"] if maxima else []), *(["an activation has a kink"] if kinked else [])]
    return [f" Where {' or where '.join(where)}, there is no slope, and nothing is claimed."] if where else []


def name_of(of: Sym) -> str:
    """The name of a quantity of the step, or of a state of its neighbour, in the name of a step."""
    return of.name + {-1: "_prev", 1: "_next"}.get(of.time.offset if of.time is not None else 0, "")


def _given(swept: Sweep) -> Prose:
    """Which adjoints come from outside, and from where."""
    whole = [seed for seed in swept.given if not seed.arriving]
    parts = [seed for seed in swept.given if seed.arriving]
    said: list[Prose | str] = []
    for seed in whole:
        sources = ["the loss"] if seed.of == swept.cell.output_term else []
        back = swept.cell.carried.get(seed.of)
        sources += [f"the step {_side(swept.cell, seed.of)}"] if back is not None and swept.line(back).shares else []
        said.append(joined("Given is ", prose("{}, ", seed), f"from {' and from '.join(sources) or 'outside'}. "))
    for side in ("after", "before"):
        here = [seed for seed in parts if _side(swept.cell, seed.of) == side]
        if len(here) == 1:
            said.append(prose(f"Of {{}} the part {{}} is given, which arrives from the step {side}. ", Adj(here[0].of), here[0]))
        elif here:
            of = listed(Adj(seed.of) for seed in here)
            said.append(joined("Of ", of, " the parts ", listed(here), f" are given, which arrive from the step {side}. "))
    if swept.cell.output_term not in {seed.of for seed in whole}:
        said.append(prose("From the loss of the step comes {}. ", Partial(LOSS_TERM, swept.cell.output_term)))
    return joined(*said)


def _side(cell: Cell, state: Sym) -> str:
    """The step that takes a state over, which hands its adjoint back."""
    return "after" if cell.direction(state) > 0 else "before"


# --- the reason of a line --------------------------------------------------------------------------------------------


def reason(swept: Sweep, line: AdjointLine) -> Prose:
    """The rule that gave the line; for a sum, how many paths leave the quantity."""
    if not line.shares:
        return prose("nothing in this step uses it")
    seeds = sum(seed.of == line.of for seed in swept.given)
    seeds += line.of == swept.cell.output_term  # its loss
    count = len(line.shares) + seeds
    if count == 1:
        return _of_one_path(swept.cell, line.of, line.shares[0])
    slopes = [*_slope(swept.cell, line.shares[-1], "; "), *_quotients(line)]
    told = as_what(swept.cell, line.of, line.shares)
    return joined(prose(f"{in_words(count)} paths leave {{}}", line.of), *told, *_together(line, seeds), *slopes)


def _together(line: AdjointLine, seeds: int) -> list[Prose]:
    """Which of the paths begin with the same equation."""
    through = Counter(share.through for share in line.shares)
    count, (first, most) = len(line.shares), through.most_common(1)[0]
    if len(through) == 1 and not seeds:
        return [prose(", all through {}" if count > 2 else ", both through {}", first)]
    return [prose(f", {in_words(most)} of them through {{}}", first)] if most > 1 else []


def _quotients(line: AdjointLine) -> Iterator[Prose | str]:
    """The quotients that the quantity divides, each once."""
    found: list[Term] = []
    for share in line.shares:
        nodes = [*(application.node for application in share.applications), line.of]
        found += [here for here, inner in pairwise(nodes) if isinstance(here, Div) and inner == here.below]
    for node in dict.fromkeys(found):
        yield prose("; quotient rule on {}", node)


def _of_one_path(cell: Cell, of: Sym, share: Share) -> Prose:
    """The rule nearest to the quantity that says something of its own."""
    plain = of.at(None) if of.at(None) in cell.parameter_terms else of
    telling = [each for each in share.applications if each.rule in _REASONS]
    if any(each.rule == "vjp_activation" for each in telling):
        return joined(*_slope(cell, share, ""))
    if not telling:
        return prose("{} is a summand of {}", plain, share.through)
    here = telling[-1]
    following = share.applications[share.applications.index(here) + 1 :]
    # what stands in the node on the way to the quantity: the quantity itself, or a term with it inside
    mine = following[0].node if following else plain
    return _REASONS[here.rule](cell, share, here, mine)


def _in_product(_: Cell, share: Share, here: Application, mine: Term) -> Prose:
    """An elementwise product: of the equation itself, or of a term that a matrix takes further."""
    outer = share.applications[: share.applications.index(here)]
    matrix = next((each.node for each in reversed(outer) if isinstance(each.node, MatMul)), None)
    if matrix is None or here.node == matrix or here.node not in matrix.args or len(matrix.args) != 2:
        return prose("product rule on {}", share.through)
    return prose("product rule on {}, which {} multiplies", here.node, _others(matrix, here.node)[0])


def _in_matrix_product(cell: Cell, share: Share, here: Application, mine: Term) -> Prose:
    assert isinstance(here.node, MatMul)
    factor = mine if mine in here.node.args else next((each for each in here.node.args if _is(each, mine)), None)
    others = [] if factor is None else _others(here.node, factor)
    if len(others) != 1:
        return prose("product rule on {}", here.node)
    if cell.shapes.is_scalar(others[0]) and not cell.shapes.is_scalar(mine):
        return prose("the number {} multiplies it", others[0])
    return prose("{} multiplies {} here", *here.node.args)


def _is(factor: Term, symbol: Term) -> bool:
    return factor == symbol or (isinstance(factor, Transpose) and factor.arg == symbol)


def _others(node: MatMul, factor: Term) -> list[Term]:
    found = list(node.args)
    found.remove(factor)
    return found


_REASONS: dict[str, Callable[[Cell, Share, Application, Any], Prose]] = {
    "vjp_activation": lambda cell, share, here, mine: joined(*_slope(cell, share, "")),
    "vjp_hadamard": _in_product,
    "vjp_matrix_product": _in_matrix_product,
    "vjp_quotient": lambda cell, share, here, mine: prose("quotient rule on {}", here.node),
    "vjp_power": lambda cell, share, here, mine: prose("power rule on {}", here.node),
    "vjp_larger": lambda cell, share, here, mine: prose(LARGER),
    "vjp_trace": lambda cell, share, here, mine: prose("it stands inside {}", here.node),
    "vjp_diagonal": lambda cell, share, here, mine: prose("it is the diagonal of {}", here.node),
    "vjp_stack": lambda cell, share, here, mine: prose("it is a block of {}", here.node),
    "vjp_rows": lambda cell, share, here, mine: prose("its rows are {}", here.node),
}


def _slope(cell: Cell, share: Share, before: str) -> Iterator[Prose | str]:
    """The slopes that the path uses, as equations at their arguments; `before` stands before the first."""
    named = {line.rhs: line.lhs for line in cell.named if isinstance(line.rhs, Apply)}
    for application in share.applications:
        node = application.node
        if isinstance(node, Apply):
            value = named.get(node)
            slope = activation(node.function).slope(node.arg, value if isinstance(value, Sym) else None)
            told = Prime(node.function, node.arg)
            yield joined(
                before, prose("chain rule through {}", share.through) if slope == told else prose("{}", equation(told, slope))
            )
        elif application.rule == "vjp_larger":
            yield joined(before, LARGER)
        else:
            continue
        before = "; "
