"""The parts of a network as cells of their own, in plain names and forward in time; parts of equal form share one.

Layer 2 of an LSTM is layer 1 with other parameters, and a direction that runs backward in time is the other one on the
sequence turned around. So a part is restated: what it reads from other parts becomes its input, `h[t+1]` becomes `h[t-1]`,
and the marks that all its names have, `_forward_1`, are left out. Two parts that are then equal up to the names of
everything have one `Form`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from symlstm.algebra import NOW, Relation, Sym, SymlstmError, Term, defined, map_relation, transform, walk
from symlstm.generator.names import Names
from symlstm.generator.units import Unit
from symlstm.model import Cell
from symlstm.parts import Part
from symlstm.shapes import ONE, Length, length_term, total_length


@dataclass(frozen=True, eq=False)
class Form:
    """What parts that differ in names only have in common: a pair of functions, written for `unit`."""

    title: str
    unit: Unit


@dataclass(frozen=True, eq=False)
class Place:
    """A part of a cell: its name in the code, what it reads, and what is read of it from outside.

    `reads` is the first input for a part that reads nothing, so that it has a sequence to run over. `parameters` gives the
    cell's name of a parameter by the form's. A part without a memory has no form. `states` are those that its form carries; a
    state that no step reads, and that runs the other way, is `loose`.
    """

    part: Part
    name: str
    reads: tuple[Sym, ...]
    outputs: tuple[Sym, ...]
    states: tuple[Sym, ...]
    parameters: Mapping[str, str]
    form: Form | None

    @property
    def loose(self) -> tuple[Sym, ...]:
        return tuple(state for state in self.part.states if state not in self.states)


def alone(cell: Cell) -> bool:
    """Whether a cell is one part that runs forward in time."""
    return len(cell.parts) == 1 and all(back == state.prev for state, back in cell.carried.items())


def placed(cell: Cell) -> tuple[Place, ...]:
    """The parts of a cell in order; those of equal form have one form.

    >>> from symlstm.networks import stack
    >>> [(place.name, place.form.unit.prefix if place.form else "") for place in placed(stack("gru", 1, bidirectional=True))]
    [('layer_1_forward', 'gru_'), ('layer_1_backward', 'gru_'), ('part_3', '')]
    """
    names, kinds, known, found = Names(()), Names(()), dict[object, Form](), []
    for k, part in enumerate(cell.parts, start=1):
        place, kind, title = _called(cell, part, k)
        reads = part.inputs if part.inputs or not part.step else cell.input_terms[:1]
        states = tuple(state for state in part.states if cell.carried[state] == state.at(NOW + -part.step))
        outputs = _outputs(cell, part, states)
        form, parameters = None, {symbol.name: symbol.name for symbol in part.parameters}
        if part.step:
            restated, called = _restated(cell, part, reads, states)
            given = tuple(called[output] for output in outputs)
            key = _key(restated, given)
            if key not in known:
                known[key] = Form(title, Unit.of(restated, given, kinds(key, kind)))
            form, own = known[key], {of: symbol.name for symbol, of in called.items()}
            pairs = dict(zip(_parameters(form.unit.cell), _parameters(restated), strict=True))
            parameters = {symbol.name: own[pairs[symbol]] for symbol in form.unit.cell.parameter_terms}
        found.append(Place(part, names(k, place), reads, outputs, states, parameters, form))
    return tuple(found)


def _called(cell: Cell, part: Part, k: int) -> tuple[str, str, str]:
    """What a part is called in the code, and what its form is: a name for its functions, and a title."""
    own, _, where = cell.home(defined(part.equations[0]))
    if own is cell:
        return f"part_{k}", f"part_{k}", f"Part {k} of {cell.title}"
    kind = re.sub(r"\W+|^(?=\d)", "_", own.name)
    return re.sub(r"\W+", "_", where.removeprefix(" of ").removeprefix("the ")) or kind, kind, own.title


def _outputs(cell: Cell, part: Part, states: tuple[Sym, ...]) -> tuple[Sym, ...]:
    """What is read of a part from outside: by other parts, as what the cell gives, and as a state that is not carried."""
    read = {symbol.at(NOW) for other in cell.parts for symbol in other.inputs} | {cell.output_term}
    own = [*part.states, *(of for line in part.equations if (of := defined(line)) not in part.states)]
    return tuple(of for of in own if of in read or (of in part.states and of not in states)) or (own[0] if states else own[-1],)


def _restated(cell: Cell, part: Part, reads: tuple[Sym, ...], states: tuple[Sym, ...]) -> tuple[Cell, dict[Sym, Sym]]:
    """A part as a cell that runs forward in time, and what each quantity of the whole is called in it.

    Its sizes are inferred anew, so that the length of its input is m; they are declared where that gives other ones.
    """
    names = Names(())
    own = [*map(defined, part.equations), *part.parameters]
    wishes = zip(own, _unmarked(own, cell.size_names), strict=True)
    called = {symbol: Sym(names(symbol, wish), symbol.time) for symbol, wish in wishes}
    for read in reads:
        wish = "x" if len(reads) == 1 else shifted_name(read)
        called[read] = Sym(names(read, wish), NOW)
    moved = called | {cell.carried[state]: called[state].prev for state in states}

    def change(node: Term) -> Term:
        return moved.get(node, node) if isinstance(node, Sym) else node

    lines = tuple(map_relation(line, lambda side: transform(side, change)) for line in part.equations)
    inputs, carried = tuple(called[read] for read in reads), tuple(called[state] for state in states)

    def made(sizes: Mapping[str, tuple[Term, ...]]) -> Cell:
        return Cell(cell.name, inputs, carried, lines, title=cell.title, sizes=sizes)

    by_name = {symbol.name: of for symbol, of in called.items()}
    declared = {by_name[name].name: size for name, size in cell.sizes.items() if name in by_name}
    try:
        found = made(declared)
        if _agree(found, cell, called):
            return found, called
    except SymlstmError:  # the part alone does not tell all sizes
        pass
    return made({of.name: tuple(map(length_term, cell.shapes.lengths[symbol.name])) for symbol, of in called.items()}), called


def _agree(part: Cell, cell: Cell, called: Mapping[Sym, Sym]) -> bool:
    """Whether the sizes of a part are those of the whole, once n and m are what they are there: sizes, and not the number 1."""
    whole = {of.name: cell.shapes.lengths[symbol.name] for symbol, of in called.items()}
    first = {"n": whole[part.state_terms[0].name][0], "m": whole[part.input_terms[0].name][0]}
    numbers = {node.name for line in part.declared for node in walk(line) if isinstance(node, Sym) and node.time is None}

    def put_in(length: Length) -> Length:
        return total_length([first.get(size, ((size, 1),)) for size, count in length for _ in range(count)])

    same = all(tuple(map(put_in, part.shapes.lengths[name])) == shape for name, shape in whole.items())
    return same and ONE not in first.values() and all(
        length == ((size, 1),) for size, length in first.items() if size in numbers)


def shifted_name(read: Sym) -> str:
    """The name of a quantity as it is read from another part: `h` at t-1 is `h_prev`.

    >>> shifted_name(Sym("h", NOW + 1))
    'h_next'
    """
    assert read.time is not None
    return read.name + {-1: "_prev", 0: "", 1: "_next"}[read.time.offset]


def _unmarked(symbols: list[Sym], sizes: frozenset[str]) -> list[str]:
    """Names without the marks that all of them have, where they are still different, and no parameter has that of a size."""
    marks = set.intersection(*(set(symbol.name.split("_")[1:]) for symbol in symbols))
    short = ["_".join((first, *(mark for mark in rest if mark not in marks))) for first, *rest in (
        symbol.name.split("_") for symbol in symbols)]
    taken = [name for name, symbol in zip(short, symbols, strict=True) if symbol.time is None and name in sizes]
    return short if len(set(short)) == len(short) and not taken else [symbol.name for symbol in symbols]


def _parameters(cell: Cell) -> list[Sym]:
    """The parameters in the order in which the equations meet them."""
    own = set(cell.parameter_terms)
    return list(dict.fromkeys(node for line in cell.declared for node in walk(line) if node in own))  # type: ignore[misc]


def _key(cell: Cell, outputs: tuple[Sym, ...]) -> object:
    """What is the same for cells that differ in names only: every name is its number in order of appearance."""
    numbers: dict[str, Sym] = {}

    def numbered(node: Term) -> Term:
        if not isinstance(node, Sym) or (node.time is None and node.name in cell.size_names):
            return node
        return Sym(numbers.setdefault(node.name, Sym(str(len(numbers)))).name, node.time)

    def line(relation: Relation) -> Relation:
        return map_relation(relation, lambda side: transform(side, numbered))

    quantities = tuple(map(numbered, (*cell.input_terms, *cell.state_terms, *outputs)))
    lines = tuple(map(line, cell.declared))
    sizes = frozenset((numbered(Sym(name)), size) for name, size in cell.shapes.lengths.items())
    return quantities, len(cell.input_terms), len(outputs), lines, sizes
