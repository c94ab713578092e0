"""Topic `limits`: one memory cell whose gates are fully open or fully shut, as limits of their signals.

A gate is a function that goes to 0 on the left and to 1 on the right; nothing else of it is used.
"""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.activations import activation
from symlstm.algebra import (
    Add,
    Apply,
    Hadamard,
    Limit,
    MatMul,
    NotValid,
    Partial,
    Prime,
    Relation,
    Sym,
    Term,
    defined,
    equation,
    plain,
    substitute,
    term,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import Prose, prose
from symlstm.rules import added, product
from symlstm.steps import Block, Kind, Section, Step

TOPIC, TITLE = "limits", "Gates fully open and fully shut"
Gate = tuple[Sym, Apply]  # a signal, and the gate it opens


def section(cell: Cell) -> tuple[Section, ...]:
    """Each equation of a state in the limits of its gates' signals, and its slopes in these limits.

    Raises `NotValid` for a cell whose gates do not act on its inputs.
    """
    lines = [(line, _gates(cell, line)) for line in cell.declared]
    if not any(gates for _, gates in lines):
        raise NotValid(
            "The topic 'limits' takes the signals of gates to infinity, so they must be inputs.", cell.name, "such as 'scalar'"
        )
    blocks: list[Block] = [_assumption({gate.function for _, gates in lines for _, gate in gates})]
    for line, gates in lines:
        blocks += _line(cell, line, gates)
    return (Section(TOPIC, TITLE, tuple(blocks)),)


def _gates(cell: Cell, line: Relation) -> list[Gate]:
    """What an equation applies to an input, where that goes to 0 and to 1."""
    applied = dict.fromkeys(part for part in walk(line.rhs) if isinstance(part, Apply) and part.arg in cell.input_terms)
    ends = {part: activation(part.function).values for part in applied}
    gates = [part for part in applied if (ends[part].lower, ends[part].upper) == (term(0), term(1))]
    return [(part.arg, part) for part in gates if isinstance(part.arg, Sym)]


def _assumption(names: set[str]) -> Prose:
    x = Sym("x")
    lines = [equation(Limit(Apply(name, x), x, sign), end) for name in sorted(names) for sign, end in ((-1, 0), (1, 1))]
    return prose("All that is used of a gate is where it goes: {} and {}, as the logistic function does.", *lines)


def _step(name: str, kind: Kind, line: Relation, why: Prose) -> Step:
    return Step(TOPIC, name, kind, line, why)


def _at(node: Term, *ends: tuple[Apply, int]) -> Term:
    """A sum of products with the limits of its gates put in: summands with a shut gate are gone."""
    values: dict[Term, Term] = {gate: term(end) for gate, end in ends}
    left = [factors(substitute(part, values)) for part in summands(node)]
    kept = [[each for each in part if each != term(1)] for part in left if term(0) not in part]
    return added(*(product(*part) if part else term(1) for part in kept))


def _line(cell: Cell, line: Relation, gates: list[Gate]) -> Iterator[Block]:
    of = defined(line)
    word = cell.words.get(of.name, of.name)
    yield prose(f"The {word}.")
    yield _step(f"definition of {of.name}", "definition", line, prose(word))
    for signal, gate in gates:
        for sign, end in ((-1, 0), (1, 1)):
            limit = equation(Limit(line.rhs, signal, sign), _at(line.rhs, (gate, end)))
            state = f"{_meaning(cell, signal)} {_effect(cell, line, gate)[end]}"
            yield _step(f"{of.name}, {signal.name} to {'minus ' * (sign < 0)}infinity", "limit", limit, prose(state))
    if len(gates) == 2:
        (first, shut), (second, open_) = gates
        for ends, why in (((0, 1), "nothing enters, nothing is lost"), ((0, 0), "nothing enters, nothing stays")):
            signs = [1 if end else -1 for end in ends]
            body = Limit(Limit(line.rhs, first, signs[0]), second, signs[1])
            result = _at(line.rhs, (shut, ends[0]), (open_, ends[1]))
            yield _step(f"{of.name}, both gates {ends}", "limit", equation(body, result), prose(why))
    yield from _slopes(cell, line, gates)


def _slopes(cell: Cell, line: Relation, gates: list[Gate]) -> Iterator[Step]:
    """The derivative by what each gate lets through, and where it goes."""
    of = defined(line)
    for signal, gate in gates:
        (summand,) = (part for part in summands(line.rhs) if gate in walk(part))
        for factor in factors(summand):
            inside = factor.arg if isinstance(factor, Apply) else factor
            if factor == gate or not isinstance(inside, Sym):
                continue
            rest = [each for each in factors(summand) if each != factor]
            slope = product(*([Prime(factor.function, inside)] if isinstance(factor, Apply) else []), *rest)
            name = f"slope of {of.name} by {plain(inside)}"
            yield _step(name, "identity", equation(Partial(of, inside), slope), prose("product rule"))
            for sign, end in ((-1, 0), (1, 1)):
                goes = equation(Limit(slope, signal, sign), _at(slope, (gate, end)))
                why = f"{_meaning(cell, signal)} {'open: the gradient passes' if end else 'shut: no gradient passes'}"
                yield _step(f"{name}, {signal.name} to {'minus ' * (sign < 0)}infinity", "limit", goes, prose(why))


def _effect(cell: Cell, line: Relation, gate: Apply) -> tuple[str, str]:
    """What a gate does when it is shut, and when it is open: to the memory, to what enters it, or to what is put out."""
    (summand,) = (part for part in summands(line.rhs) if gate in walk(part))
    if any(state.prev in walk(summand) for state in cell.state_terms):
        return "shut: the memory is wiped", "open: the memory is kept"
    if len(summands(line.rhs)) > 1:
        return "shut: nothing enters", "open: all of it enters"
    return "shut: nothing is put out", "open: all of it is put out"


def _meaning(cell: Cell, signal: Sym) -> str:
    return cell.words.get(signal.name, "the gate").removeprefix("signal of ")


def summands(node: Term) -> tuple[Term, ...]:
    """The terms of a sum."""
    return node.args if isinstance(node, Add) else (node,)


def factors(node: Term) -> tuple[Term, ...]:
    """The factors of a product of numbers."""
    return node.args if isinstance(node, (Hadamard, MatMul)) else (node,)
