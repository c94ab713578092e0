"""Names, sizes and shapes of the arrays of a cell, what is made once, and what is done when: what both passes share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from symlstm.algebra import Adj, NotSupported, Sym, Term, defined, walk
from symlstm.generator.layout import Names
from symlstm.generator.lengths import axes, size_text, solved
from symlstm.generator.normal import valued
from symlstm.generator.units import Unit
from symlstm.model import Cell
from symlstm.reverse import sweep
from symlstm.shapes import ONE, Length

RESERVED = frozenset({
    "np", "Trace", "Gradients", "forward", "backward", "params", "x", "d_x", "named", "state", "trace", "outputs", "d_outputs",
    "d_state", "d_params", "kept", "batch", "T", "B", "t", "_", "len", "range", "tuple", "dict", "isinstance"})


class Quantities:
    """The Python names and shapes of the arrays that hold the quantities of a cell."""

    def __init__(self, cell: Cell, reserved: frozenset[str] = RESERVED) -> None:
        if not cell.input_terms:
            raise NotSupported("A cell without an input has no sequence to run over.", cell.name, "a cell with an input")
        self.cell, self.shapes = cell, cell.shapes
        self.inputs, self.states, self.parameters = cell.input_terms, cell.state_terms, cell.parameter_terms
        self.single = len(self.inputs) == 1
        self.names = Names(reserved - ({"x", "d_x"} if self.single else set()))
        self.sizes = {self.text(((size, 1),)): text for size, text in self._sizes().items()}
        if self.single:
            self.names(("value", self.inputs[0].name), "x")
            self.names(("adjoint", self.inputs[0].name), "d_x")
        for symbol in (*self.inputs, *self.states, *map(defined, cell.named), *self.parameters):
            self.names(("value", symbol.name), symbol.name)
        self.dtype = f"{self.name(self.inputs[0])}.dtype"

    # --- names and shapes ---

    def text(self, length: Length) -> str:
        """A length in the code."""
        return size_text(tuple((self.names(("size", size), size) if size else "", count) for size, count in length))

    def name(self, of: Sym) -> str:
        """The array of a quantity or parameter."""
        return self.names(("value", of.name), of.name)

    def adjoint(self, of: Sym) -> str:
        """The array of its adjoint."""
        return self.names(("adjoint", of.name), f"d_{self.name(of).rstrip('_') or of.name}")

    def lengths(self, of: Sym) -> tuple[Length, ...]:
        """The lengths of the axes that a user sees."""
        return axes(self.shapes.lengths[of.name])

    def user(self, of: Sym, *front: str) -> str:
        """The shape of the array that a user sees, as a tuple."""
        return as_tuple((*front, "*batch", *map(self.text, self.lengths(of))))

    def inner(self, of: Sym, *front: str) -> str:
        """The shape of the array in the code: a number has an axis of length 1, a row is a column."""
        return ", ".join((*front, *([self.text(length) for length in self.lengths(of) if length != ONE] or ["1"])))

    def taken(self, sizes: Mapping[str, str]) -> Iterator[str]:
        """The lines that read off what is given: the inputs in order, the sizes, the number of steps and of sequences."""
        if not self.single:
            listed = ", ".join(f'"{symbol.name}"' for symbol in self.inputs)
            yield "named = isinstance(x, dict)"
            yield f"x = tuple(x[name] for name in ({listed})) if named else x"
        yield from (f"{size} = {text}" for size, text in sizes.items())
        own = len(self.lengths(self.inputs[0]))
        yield f"T, *batch = {'x' if self.single else 'x[0]'}.shape{f'[:-{own}]' if own else ''}"
        yield "B = batch[0] if batch else 1"

    def given(self) -> Iterator[tuple[str, str]]:
        """The inputs by name, each with the text of its array with all axes."""
        for k, symbol in enumerate(self.inputs):
            yield self.name(symbol), f"{'x' if self.single else f'x[{k}]'}.reshape({self.inner(symbol, 'T', 'B')})"

    def owned(self, symbol: Sym) -> str:
        """The line that takes a parameter, as an array of our own."""
        row = len(self.lengths(symbol)) == 2 and self.lengths(symbol)[0] == ONE
        return f'{self.name(symbol)} = np.array(params["{symbol.name}"]){".reshape(-1)" * row}'

    def words(self) -> str:
        """The inputs as a docstring names them."""
        def given(symbol: Sym, batch: str) -> str:
            return as_tuple(("T", *batch.split(), *map(self.text, self.lengths(symbol))))
        if self.single:
            (symbol,) = self.inputs
            return f"{symbol.name}, {given(symbol, 'B')} or {given(symbol, '')}"
        parts = ", ".join(f"{symbol.name} {given(symbol, 'B')}" for symbol in self.inputs)
        return f"{parts}, a tuple or by name, with or without B"

    def _sizes(self) -> dict[str, str]:
        """Every size that the code needs, with the text that reads it off what is given."""
        lengths = self.shapes.lengths
        numbers = {part.name for line in self.cell.named for part in walk(line) if isinstance(part, Sym) and part.time is None}
        wanted = {name for pair in lengths.values() for length in pair for name, _ in length if name}
        wanted |= numbers & self.cell.size_names
        given: list[tuple[str, Length]] = []
        for k, symbol in enumerate(self.inputs):
            name, own = "x" if self.single else f"x[{k}]", self.lengths(symbol)
            given += [(f"{name}.shape[{axis - len(own)}]", length) for axis, length in enumerate(own)]
        given += [(f'params["{symbol.name}"].shape[{axis}]', length) for symbol in self.parameters
                  for axis, length in enumerate(self.lengths(symbol))]
        shown: dict[str, str] = {}
        for size, k, rest, count in solved([length for _, length in given]):
            text = f"({given[k][0]} - ({self.text(rest)}))" if rest else given[k][0]
            shown[size] = f"{text} // {count}" if count > 1 else text
        for size in sorted(wanted):
            if size not in shown:
                raise NotSupported(f"No input and no parameter shows the size {size}.", self.cell.name)
        return {size: text for size, text in shown.items() if size in wanted}

    # --- what is made once ---

    def constant(self, kind: str, size: str, dtype: str = "") -> tuple[str, str]:
        """What is made once at the head of a function: its name, and the code that makes it, of the dtype of the input."""
        dtype = dtype or self.dtype
        wishes = {"ones": f"ones_{size}", "eye": f"eye_{size}", "size": f"size_{size}", "dtype": "dtype", "largest": "largest"}
        made = {
            "ones": f"np.ones({size}, {dtype})",
            "eye": f"np.eye({size}, dtype={dtype})",
            "size": f"{dtype}.type({size})  # the size as a number",
            "dtype": f"{dtype}.type",
            "largest": f"np.finfo({dtype}).max  # an exponential that is too large for the dtype is its largest number",
        }
        wish = "".join(letter if letter.isalnum() else "_" for letter in wishes[kind])
        return self.names(("constant", kind, size), wish), made[kind]


class Frame(Quantities):
    """A unit's cell with a name for every applied function, and its adjoint equations.

    `early` are the quantities that need nothing of the step before, `looped` the adjoints that some step before needs.
    """

    def __init__(self, unit: Unit) -> None:
        super().__init__(valued(unit.cell))
        self.unit, self.parameters = unit, unit.cell.parameter_terms
        self.lines = {defined(line): line for line in self.cell.named}
        self.adjoints = {line.of: line.relation for line in sweep(self.cell).lines}
        self.early, self.looped = self._early(), self._looped()

    def _timed(self, node: Term) -> set[Sym]:
        return {part for part in walk(node) if isinstance(part, Sym) and part.time is not None}

    def _early(self) -> set[Sym]:
        """The quantities that need nothing of the step before."""
        early = set(self.inputs)
        for of, line in self.lines.items():
            if of not in self.states and self._timed(line.rhs) <= early:
                early.add(of)
        return early - set(self.inputs)

    def _looped(self) -> set[Sym]:
        """The adjoints that some step before needs, through those of the states."""
        needed = [state.prev for state in self.states] + list(self.states)
        found: set[Sym] = set()
        while needed:
            of = needed.pop()
            if of not in found and of in self.adjoints:
                found.add(of)
                parts = walk(self.adjoints[of].rhs)
                needed += [part.of for part in parts if isinstance(part, Adj) and not part.arriving]
        return found


def as_tuple(parts: Iterable[str]) -> str:
    """A tuple in Python.

    >>> as_tuple(["T"])
    '(T,)'
    """
    found = tuple(parts)
    return f"({', '.join(found)}{',' * (len(found) == 1)})"
