"""Which of our parameters lie in which array: the table's rows, for one cell or for all cells of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from symlstm.algebra import NotSupported, NotValid
from symlstm.layouts.tables import LAYOUTS, LIBRARIES, UNUSED, Layout, Library
from symlstm.model import Cell
from symlstm.networks import Network
from symlstm.shapes import ONE, Length
from symlstm.zoo import ZOO

Key = tuple[str, int, int]  # an array's name, its layer and its direction, from 0; without marks the direction is 0
Axes = tuple[Length, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One direction of one layer: the row of its cell, and what the network calls the parameters of the cell."""

    row: Layout
    layer: int
    direction: int
    names: Mapping[str, str]

    def places(self, array: str) -> tuple[tuple[str, ...], ...]:
        """What lies in an array, by the names here."""
        return tuple(tuple(map(self._called, entry)) for entry in self.row.places(array))

    def _called(self, place: str) -> str:
        own = place.removeprefix("-")
        return "-" * place.startswith("-") + self.names.get(own, own)


@dataclass(frozen=True, slots=True)
class Block:
    """One array of a library: the places in it, `entries` of its leading axis where it is `stacked`, else a single one."""

    name: str
    entries: tuple[tuple[str, ...], ...]
    stacked: bool

    @property
    def first(self) -> str:
        """A parameter that lies in it; all that do are of one shape."""
        return next(place.removeprefix("-") for place in self.entries[0] if place != UNUSED)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a library holds a cell or a network: its members, and its arrays in the library's order.

    `alone` is a single cell, of what may be a larger module. No array holds the parameters of a head, `beside`, and those
    that are `zero` in the library.
    """

    library: Library
    cell: Cell
    alone: bool
    members: tuple[Member, ...]
    blocks: Mapping[Key, Block]
    beside: tuple[str, ...]
    zero: tuple[str, ...]

    def axes(self, block: Block) -> Axes:
        """The axes of an array: ours, the parameters one after the other along the first, in the library's order."""
        gates, *others = self.own_axes(block.first)
        joined = tuple((size, count * len(block.entries[0])) for size, count in gates)
        own = (*others, joined) if self.library.transposed else (joined, *others)
        return ((("", len(block.entries)),), *own) if block.stacked else own

    def own_axes(self, name: str) -> Axes:
        """The axes of one of our arrays."""
        rows, columns = self.cell.shapes.lengths[name]
        return (rows,) if columns == ONE else (rows, columns)

    def starts(self, directions: int) -> Iterator[tuple[str, tuple[str, int], int]]:
        """Our states: the name, the library's array with the layer it is given for, and the place along its first axis."""
        layered = self.library.layered
        for member in self.members:
            for own in ZOO[member.row.cell].state_terms:
                if own.name in self.library.states:
                    place = member.layer * directions * layered + member.direction
                    key = self.library.states[own.name], 0 if layered else member.layer
                    yield member.names.get(own.name, own.name), key, place


def plan_of(name: str, cell: Cell, layer: int = 0, direction: int = 0) -> Plan:
    """How the library of this name holds a cell, in a layer and a direction, or a network.

    Raises `NotSupported` for a library or a cell without a row, `NotValid` for a layer or direction that cannot be.
    """
    if name not in LIBRARIES:
        raise NotSupported("There is no layout of this name.", repr(name), " or ".join(map(repr, LIBRARIES)))
    library = LIBRARIES[name]
    members = _members(cell, library, layer, direction)
    blocks = _blocks(library, members)
    placed = {place.removeprefix("-") for block in blocks.values() for entry in block.entries for place in entry}
    zero = tuple(member.names.get(name, name) for member in members for name in member.row.zero)
    beside = tuple(symbol.name for symbol in cell.parameter_terms if symbol.name not in placed | {*zero})
    return Plan(library, cell, not isinstance(cell, Network), members, blocks, beside, zero)


def _row(cell: Cell, library: Library) -> Layout:
    """The row for a cell with these equations, whatever it is called. Raises `NotSupported` where there is none."""
    same = {name for name, each in ZOO.items() if set(each.declared) == set(cell.declared)}
    rows = [row for row in LAYOUTS if row.cell in same]
    found = next((row for row in rows if row.library is library), None)
    if found is None:
        theirs = ", ".join(row.cell for row in LAYOUTS if row.library is library)
        here = f"for it there is {' and '.join(row.library.name for row in rows)}; " if rows else ""
        raise NotSupported(
            f"{library.title} has no cell with the equations of {cell.name}.",
            f"{cell.name}: {cell.title}",
            f"{here}{library.name} has {theirs}, each in the letters of symlstm.cell",
        )
    return found


def _members(cell: Cell, library: Library, layer: int, direction: int) -> tuple[Member, ...]:
    """The members of a network; or a cell alone, which stands in the layer and the direction that are asked for."""
    for word, number, right in (("layer", layer, "0, 1, 2, ..."), ("direction", direction, "0, or 1 for the reverse one")):
        if isinstance(number, bool) or not isinstance(number, int) or number < 0 or (number > 1 and word == "direction"):
            raise NotValid(f"There is no such {word}.", f"{word}={number!r}", right)
    if not isinstance(cell, Network):
        return (Member(_row(cell, library), layer, direction, {}),)
    if layer or direction:
        raise NotValid(
            "The weights of a network are those of all its layers.",
            f"layer={layer}, direction={direction} of {cell.name}",
            f"leave them out, or give a cell, such as {cell.layers[0].cell.name!r}",
        )
    return tuple(
        Member(_row(each.cell, library), each.number - 1, int(each.direction == "backward"), each.names) for each in cell.layers
    )


def _blocks(library: Library, members: tuple[Member, ...]) -> dict[Key, Block]:
    """The arrays that hold the members. Where directions have no marks they lie in one array, one after the other."""
    pattern = library.two if any(member.direction for member in members) else library.one
    found: dict[Key, Block] = {}
    for member in members:
        for array in member.row.arrays:
            key = array, member.layer, member.direction if library.marks else 0
            entries = member.places(array)
            mark = library.marks[member.direction] if library.marks else ""
            name = pattern.format(array=array, layer=member.layer, mark=mark)
            before = found[key].entries if key in found else ()
            found[key] = Block(name, (*before, *entries), not library.marks or len(entries) > 1)
    return found
