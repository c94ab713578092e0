"""Networks: layers of cells, in one direction of time or both, with a head on top. A network is a cell like any other.

Every quantity of a layer is that of its cell with the number of the layer behind it, `h_1` for h of layer 1, and with its
direction where there are two, `W_forward_i_1`. How the layers hang together are equations like the others: the input of
layer 2 is the output of layer 1, `x_2 = h_1`; the two directions of a layer are put on top of each other,
`y_1 = [h_forward_1; h_backward_1]`, and that is the input of the next layer. A backward direction has the same equations
with t+1 for t-1.

>>> network = stack("rnn", layers=2)
>>> network
Network('rnn-2-layers'): h_1[t] = tanh(W_1 @ x[t] + U_1 @ h_1[t-1] + b_1); x_2[t] = h_1[t]; \
h_2[t] = tanh(W_2 @ x_2[t] + U_2 @ h_2[t-1] + b_2)
>>> stack("rnn", layers=1, bidirectional=True).declared[1:]
(h_backward_1[t] = tanh(W_backward_1 @ x[t] + U_backward_1 @ h_backward_1[t+1] + b_backward_1), \
y_1[t] = [h_forward_1[t]; h_backward_1[t]])
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Literal

from symlstm.algebra import (
    Blocks,
    NotSupported,
    NotValid,
    Relation,
    Sym,
    Term,
    defined,
    equation,
    free_sizes,
    map_relation,
    plain,
    quantity,
    transform,
    walk,
)
from symlstm.model import Cell
from symlstm.notation import ACCENTS
from symlstm.prose import in_words, nearest
from symlstm.shapes import ONE, length_term, total_length
from symlstm.zoo import cell_of
from symlstm.zoo.heads import HEADS

Direction = Literal["", "forward", "backward"]
Lengths = Mapping[str, Term]  # what the letter of a size stands for
MOST = 100  # layers
LETTERED = ACCENTS.keys() - {"forward", "backward"}  # what belongs to a letter; the direction stands behind it


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One direction of one layer: a cell, what the network calls its quantities, what it reads and what it gives.

    `number` counts from 1; `direction` is empty where the layer has one only, which is forward.
    """

    cell: Cell
    number: int
    direction: Direction
    names: Mapping[str, str]
    input: Sym
    output: Sym
    lengths: Lengths

    def __call__(self, node: Term) -> Term:
        """A term of the cell as one of the network: its names, its sizes, its direction of time."""
        return transform(node, self._moved)

    def _moved(self, part: Term) -> Term:
        if not isinstance(part, Sym):
            return part
        if part.time is None and part.name in self.cell.size_names:
            return self.lengths.get(part.name, part)
        if part in self.cell.input_terms:
            return self.input
        offset = part.time.offset if part.time else 0
        here = Sym(self.names[part.name], part.time)
        return here.at(here.time + -2 * offset) if here.time and self.direction == "backward" else here

    def lines(self, *, named: bool) -> tuple[Relation, ...]:
        """The equations of the cell, as declared or with every pre-activation named, as equations of the network."""
        return tuple(map_relation(line, self) for line in (self.cell.named if named else self.cell.declared))

    @property
    def states(self) -> tuple[Sym, ...]:
        """The states that the layer has in the network."""
        return tuple(quantity(self.names[state.name]) for state in self.cell.state_terms)

    def sizes(self, *, given: bool) -> dict[str, tuple[Term, ...]]:
        """The sizes that are declared of the layer: those of its cell, and that of its first state unless it is given."""
        first = self.cell.state_terms[0].name
        found = {} if given else {first: (length_term(self.cell.shapes.lengths[first][0]),)}
        declared = {name: size for name, size in self.cell.sizes.items() if name in self.names}
        return {self.names[name]: tuple(map(self, size)) for name, size in (found | declared).items()}

    @property
    def where(self) -> str:
        """In words, which layer and direction it is; the head has no number."""
        return (f" of layer {self.number}" + f", {self.direction}" * bool(self.direction)) if self.number else " of the head"

    def words(self, *, last: bool) -> dict[str, str]:
        """What its quantities are called: what they are in the cell, of which layer, in which direction."""
        found = {}
        for name, word in self.cell.words.items():
            what, comma, more = word.partition(",")
            if name in self.names:
                is_output = more == " the output"
                found[self.names[name]] = what + self.where + (comma + more if not is_output or last else "")
        return found


class Network(Cell):
    """Layers of cells with a head on top, as one cell: `layers` says what its quantities are in their own cells.

    The states are those of the layers, in order; the output is that of the last layer, or what the head gives.
    """

    layered = True

    def __init__(
        self, name: str, title: str, layers: tuple[Layer, ...], joints: Mapping[int, Relation], head: Layer | None
    ) -> None:
        self.layers, self.joints, self.head = layers, dict(joints), head
        self.bidirectional = any(layer.direction for layer in layers)
        top = max(layer.number for layer in layers)
        last = defined(joints[top]) if top in joints else layers[-1].output
        words = {name: word for layer in layers for name, word in layer.words(last=last == layer.output and not head).items()}
        for number, line in joints.items():
            words[defined(line).name] = f"output of layer {number}" if self.bidirectional else f"input of layer {number + 1}"
        first = layers[0].cell
        words[first.input_terms[0].name] = first.words.get(first.input_terms[0].name, "input")
        sizes = {of: size for k, layer in enumerate(layers) for of, size in layer.sizes(given=not k).items()}
        source = " and ".join(dict.fromkeys(layer.cell.source for layer in layers if layer.cell.source))
        if head is not None:
            words |= {head.names[of]: word for of, word in head.cell.words.items() if of in head.names}
            sizes |= head.sizes(given=False)
        super().__init__(
            name,
            first.input_terms,
            tuple(state for layer in layers for state in layer.states),
            tuple(self._lines(named=False)),
            title=title,
            source=source,
            words=words,
            sizes=sizes,
            output=last if head is None else head.output,
            backward=tuple(state for layer in layers if layer.direction == "backward" for state in layer.states),
        )

    def __repr__(self) -> str:
        return "Network" + super().__repr__().removeprefix("Cell")

    def _lines(self, *, named: bool) -> Iterator[Relation]:
        """The equations of the layers in order, each layer followed by what joins it to the next; then the head."""
        for number, directions in groupby(self.layers, key=lambda layer: layer.number):
            for layer in directions:
                yield from layer.lines(named=named)
            if number in self.joints:
                yield self.joints[number]
        yield from self.head.lines(named=named) if self.head is not None else ()

    @cached_property
    def named(self) -> tuple[Relation, ...]:
        """The equations with every pre-activation named, as in the cells of the layers."""
        return tuple(self._lines(named=True))

    def group(self, of: Sym) -> Hashable:
        layer = self._layer_of.get(of.name)
        return (layer.number, layer.direction) if layer else of.name if of in self._joined else None

    def home(self, of: Sym) -> tuple[Cell, Sym, str]:
        layer = self._layer_of.get(of.name)
        if layer is None:
            return super().home(of)
        own = next(name for name, here in layer.names.items() if here == of.name)
        return layer.cell, Sym(own, of.time), layer.where

    @cached_property
    def _layer_of(self) -> dict[str, Layer]:
        return {name: layer for layer in (*self.layers, *([self.head] if self.head else [])) for name in layer.names.values()}

    def joint(self, of: Sym) -> str:
        """Of what joins layers in words what it is, the input of one or the output of another; of anything else nothing."""
        return self.words[of.name] if of in self._joined else ""

    @cached_property
    def _joined(self) -> frozenset[Sym]:
        return frozenset(map(defined, self.joints.values()))


# --- putting layers together ----------------------------------------------------------------------------------------


def stack(
    cell: Cell | str | os.PathLike[str] | Sequence[Cell | str],
    layers: int | None = None,
    bidirectional: bool = False,
    head: Cell | str | None = None,
) -> Network:
    """A network: layers of one cell (2, or as many as `layers` says), or of several cells, one for each layer.

    A cell is one of the zoo by its name, a file of equations, or a `Cell` with one vector as input, which may be of any
    length. `bidirectional` gives every layer a second direction, whose output is put below that of the first. On top may
    stand a head, "linear", "sigmoid" or "softmax", or a cell without memory. All layers have states of length n.
    Raises `NotValid` for what cannot be put together.

    >>> network = stack("lstm", layers=2, bidirectional=True)
    >>> network.states
    (h_forward_1, c_forward_1, h_backward_1, c_backward_1, h_forward_2, c_forward_2, h_backward_2, c_backward_2)
    >>> network.shapes["W_forward_i_1"], network.shapes["W_forward_i_2"]
    ((n, m), (n, 2*n))
    """
    cells = _cells(cell, layers)
    made: list[Layer] = []
    joints: dict[int, Relation] = {}
    below, length = cells[0].input_terms[0], length_term(cells[0].shapes.lengths[cells[0].input_terms[0].name][0])
    for number, each in enumerate(cells, start=1):
        directions: tuple[Direction, ...] = ("forward", "backward") if bidirectional else ("",)
        here = [_layer(each, number, direction, below, length) for direction in directions]
        made += here
        below = here[0].output
        if bidirectional:
            joints[number] = equation(quantity(f"y_{number}"), Blocks(tuple((layer.output,) for layer in here)))
        elif number < len(cells):
            joints[number] = equation(quantity(f"{cells[number].input_terms[0].name}_{number + 1}"), below)
        length = length_term(total_length([each.shapes.lengths[each.output_term.name][0]] * len(here)))
        below = defined(joints[number]) if number in joints else below
    top = None if head is None else _head(head, below, length, made)
    name, title = _called(cells, bidirectional)
    if top is not None:
        name += f"-{head if isinstance(head, str) else top.cell.name}"
        title += f", with {top.cell.title[0].lower()}{top.cell.title[1:]} on top"
    return Network(name, title, tuple(made), joints, top)


def _cells(cell: Cell | str | os.PathLike[str] | Sequence[Cell | str], layers: int | None) -> list[Cell]:
    """The cell of every layer."""
    if isinstance(cell, Sequence) and not isinstance(cell, str):
        cells = [cell_of(each) for each in cell]
        if not cells or layers not in (None, len(cells)):
            given = f"{len(cells)} cells, layers = {layers!r}"
            raise NotValid("Of several cells each is one layer.", given, "one cell or more, and no number of layers")
    else:
        count = 2 if layers is None else layers
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST:
            raise NotValid(f"The number of layers is a whole number from 1 to {MOST}.", f"layers = {layers!r}", "for example 2")
        cells = [cell_of(cell)] * count
    for each in cells:
        _fits(each)
    return cells


def _fits(cell: Cell) -> None:
    """Raise `NotValid` for a cell that is no layer."""
    if len(cell.input_terms) != 1:
        given = ", ".join(map(plain, cell.input_terms)) or "no input"
        raise NotValid("A layer is a cell with one input.", f"{cell.name} has {given}", "a cell such as 'lstm'")
    if cell.layered:
        raise NotValid("A layer is a cell, and this is a network.", cell.name, "more layers of its cell")
    if any(back != state.prev for state, back in cell.carried.items()):
        words = "A layer is a cell that runs forward in time; the other direction is added by the network."
        raise NotValid(words, cell.name, "bidirectional=True, of a cell such as 'lstm'")
    for symbol in (cell.input_terms[0], cell.output_term):
        rows, columns = cell.shapes.lengths[symbol.name]
        if columns != ONE or rows == ONE:
            kind = "number" if rows == columns else "matrix"
            raise NotValid("The input and the output of a layer are vectors.", f"{plain(symbol)} of {cell.name} is a {kind}")
    if cell.output_term not in cell.state_terms:
        raise NotSupported("The output of a layer is one of its states.", f"{plain(cell.output_term)} of {cell.name}")


def _layer(cell: Cell, number: int, direction: Direction, below: Sym, length: Term) -> Layer:
    inputs = {symbol.name for symbol in cell.input_terms}
    names = {name: mark(name, number, direction) for name in cell.shapes if name not in inputs}
    given = cell.shapes.lengths[cell.input_terms[0].name][0]
    lengths = {given[0][0]: length} if len(given) == 1 and given[0][1] == 1 else {}
    return Layer(cell, number, direction, names, below, quantity(names[cell.output_term.name]), lengths)


def mark(name: str, number: int, direction: Direction = "") -> str:
    """What a network calls a quantity of one of its layers.

    >>> mark("h", 2), mark("W_i", 1, "backward"), mark("i_tilde", 1, "forward")
    ('h_2', 'W_backward_i_1', 'i_tilde_forward_1')
    """
    letter, *rest = name.rstrip("_").split("_")
    accents = 0
    while accents < len(rest) and rest[accents] in LETTERED:
        accents += 1
    return "_".join((letter, *rest[:accents], *([direction] if direction else []), *rest[accents:], str(number)))


def _head(head: Cell | str, below: Sym, length: Term, layers: Sequence[Layer]) -> Layer:
    """What stands on top: its names are its own, its input is the output of the last layer."""
    if isinstance(head, str) and head not in HEADS:
        raise NotValid("There is no head of this name.", repr(head), nearest(head, HEADS, repr))
    cell = HEADS[head] if isinstance(head, str) else head
    read = {part for line in cell.declared for part in walk(line.rhs)}
    if len(cell.input_terms) != 1 or read & {*cell.carried.values()}:
        words = "A head is a cell with one input and without memory."
        raise NotValid(words, repr(cell), "equations that read no other step, such as y_t = ...")
    taken = {name for layer in layers for name in layer.names.values()} | {layer.input.name for layer in layers}
    names = {name: name for name in cell.shapes if name != cell.input_terms[0].name}
    if twice := sorted(taken & names.keys()):
        raise NotValid(f"{twice[0]} is a quantity of the head and of a layer.", repr(cell), "another name in the head")
    return Layer(cell, 0, "", names, below, cell.output_term, _lengths(cell, length, layers, taken | names.keys()))


def _lengths(head: Cell, length: Term, layers: Sequence[Layer], taken: set[str]) -> Lengths:
    """The sizes of a head: that of its input is given by the network, and what the network has in use gets another letter."""
    of_input = head.shapes.lengths[head.input_terms[0].name][0]
    used = {"n", "m", *(size for layer in layers for size in layer.cell.size_names)}
    free = free_sizes(used | taken)
    found = {of_input[0][0]: length}
    for size in sorted({size for rows, _ in head.shapes.lengths.values() for size, _ in rows} - {"", *found}):
        found[size] = Sym(next(free)) if size in used else Sym(size)
    return found


# --- what it is called ------------------------------------------------------------------------------------------------


def _called(cells: Sequence[Cell], bidirectional: bool) -> tuple[str, str]:
    """The name and the title of layers."""
    kinds = list(dict.fromkeys(cells))
    count = len(cells)
    name, title = kinds[0].name, f"{kinds[0].title}, {_counted(count)}"
    if len(kinds) > 1:
        name, title = "-".join(each.name for each in cells), ", then ".join(each.title for each in cells)
    else:
        name += f"-{count}-layer{'s' * (count > 1)}"
    name += "-bidirectional" if bidirectional else ""
    title += " in both directions" if bidirectional else ""
    return name, title


def _counted(count: int) -> str:
    return f"{in_words(count)} layer{'s' * (count > 1)}"
