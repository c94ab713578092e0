"""Topic `growth`: from a row of memory cells to the LSTM, one step at a time.

Each stage adds a term to every signal and nothing else; where what is added is zero, it is the stage before.
"""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.algebra import Apply, Listed, Relation, Sym, Term, defined, equation, quantity, relation, size
from symlstm.model import Cell
from symlstm.prose import Prose, listed, prose
from symlstm.steps import Block, Kind, Section, Step
from symlstm.zoo.letters import affine, c, h, o
from symlstm.zoo.lstm import PEEPHOLE

TOPIC, TITLE = "growth", "From a row of cells to the LSTM"
n, m = Sym("n"), Sym("m")
GATES = ("i", "f", "g", "o")
SEEN = {"i": c.prev, "f": c.prev, "o": c}  # what each peephole sees


def section(_: Cell) -> tuple[Section, ...]:
    """The row, the recurrence added, the peepholes added; each stage with what is new and when it is the one before."""
    return (Section(TOPIC, TITLE, (*_row(), *_recurrence(), *_peepholes()), about=PEEPHOLE),)


def _step(name: str, kind: Kind, line: Relation, why: Prose) -> Step:
    return Step(TOPIC, name, kind, line, why)


def _row() -> Iterator[Block]:
    signals = [affine(gate, None) for gate in GATES]
    yield prose(
        "A row of {} memory cells has {} numbers for each of its four signals, so each signal is a vector. Every cell takes its "
        "signals from the same input, by a row of each matrix: the signals are",
        *(n, n),
    )
    yield Prose((*listed(signals).pieces, "."))
    weights = Listed(tuple(Sym(f"W_{gate}") for gate in GATES))
    yield _step("sizes of W", "size", size(weights, n, m), prose("{} rows, one a cell", n))
    yield prose("No cell sees another, and what a cell has put out is forgotten: only {} is carried over.", c)


def _recurrence() -> Iterator[Block]:
    yield prose(
        "Now let every cell see what all cells put out the step before. {} has {} entries and a signal has {}, so what is added "
        "to each signal is a square matrix times {}; the length of a signal stays.",
        *(h.prev, n, n, h.prev),
    )
    weights = Listed(tuple(Sym(f"U_{gate}") for gate in GATES))
    yield _step("sizes of U", "size", size(weights, n, n), prose("the output has {} entries", n))
    for gate in GATES:
        matrix = Sym(f"U_{gate}")
        yield _grown(f"signal of {gate} with recurrence", affine(gate), affine(gate, None), matrix)
    yield prose("This is the LSTM: its gates and its candidate are {}, {}, {} and {} of these signals.", *_squashed())


def _squashed() -> Iterator[Term]:
    for gate in GATES:
        yield Apply("tanh" if gate == "g" else "sigma", quantity(f"z_{gate}"))


def _peepholes() -> Iterator[Block]:
    yield prose(
        "Last, let every gate look at the memory of its own cell: one weight a cell, so a vector, multiplied entry by entry. The "
        "output gate {} looks when {} is there already. This is the LSTM with peepholes.",
        *(o, c),
    )
    weights = tuple(Sym(f"p_{gate}") for gate in SEEN)
    yield _step("sizes of p", "size", size(Listed(weights), n), prose("one weight a cell"))
    for gate, seen in SEEN.items():
        weight = Sym(f"p_{gate}")
        yield _grown(f"signal of {gate} with a peephole", affine(gate) + weight * seen, affine(gate), weight)
    yield prose("All equations of the last stage:")
    for line in PEEPHOLE.named:
        yield _step(f"definition of {defined(line).name}", "definition", line, prose(PEEPHOLE.words.get(defined(line).name, "")))


def _grown(name: str, after: Term, before: Term, added: Sym) -> Step:
    """A signal is the one of the stage before where what was added is zero."""
    line = equation(after, before)
    return _step(name, "identity", Relation(line.terms, line.operators, relation(added, "=", 0)), prose("{} is new", added))
