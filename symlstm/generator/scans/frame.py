"""Names, sizes and shapes of the arrays of a cell, and what is made once: what both passes share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from symlstm.algebra import NOW, NotSupported, Sym, defined, equation, walk
from symlstm.generator.lengths import axes, size_text, solved
from symlstm.generator.names import Names
from symlstm.generator.rewrites.normal import valued
from symlstm.generator.rewrites.stacking import put_together
from symlstm.generator.targets import NUMPY, Target
from symlstm.generator.units import Unit
from symlstm.generator.wrapping import as_tuple
from symlstm.model import Cell
from symlstm.reverse import sweep
from symlstm.shapes import ONE, Length

RESERVED = frozenset({
    "np", "Trace", "Gradients", "Weights", "prepare", "forward", "backward", "params", "weights", "x", "d_x", "named", "state",
    "trace", "outputs", "d_outputs", "d_state", "d_params", "kept", "batch", "truncate", "into", "scan", "step", "before", "now",
    "arrives", "summed", "share", "chunk_of", "since", "T", "B", "t", "_", "len", "range", "tuple", "dict", "isinstance"})


class Quantities:
    """The Python names and shapes of the arrays that hold the quantities of a cell."""

    shown = "params"  # where the shapes of the parameters are read off

    def __init__(self, cell: Cell, target: Target = NUMPY, reserved: frozenset[str] = RESERVED,
                 given: Cell | None = None) -> None:
        if not cell.input_terms:
            raise NotSupported("A cell without an input has no sequence to run over.", cell.name, "a cell with an input")
        self.cell, self.shapes, self.target = cell, cell.shapes, target
        self.given_cell = given or cell  # whose parameters a caller gives
        self.inputs, self.states, self.parameters = cell.input_terms, cell.state_terms, cell.parameter_terms
        self.single = len(self.inputs) == 1
        self.names = Names((reserved | target.names) - ({"x", "d_x"} if self.single else set()))
        self.sizes = {self.text(((size, 1),)): text for size, text in self._sizes().items()}
        if self.single:
            self.names(("value", self.inputs[0].name), "x")
            self.names(("adjoint", self.inputs[0].name), "d_x")
        for symbol in (*self.inputs, *self.states, *map(defined, cell.named), *self.parameters):
            self.names(("value", symbol.name), symbol.name)

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
        given = self.target.own.format(f'params["{symbol.name}"]')
        return f'{self.name(symbol)} = {given}{".reshape(-1)" * row}'

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
        shown = self._solved([*given, *self._parameter_lengths(self.shown)])
        for size in sorted(wanted):
            if size not in shown:
                raise NotSupported(f"No input and no parameter shows the size {size}.", self.cell.name)
        return {size: text for size, text in shown.items() if size in wanted}

    def _parameter_lengths(self, shown: str) -> list[tuple[str, Length]]:
        """The lengths of the axes of the parameters, each with the text that reads it off."""
        return [(f'{shown}["{symbol.name}"].shape[{axis}]', length) for symbol in self.given_cell.parameter_terms
                for axis, length in enumerate(axes(self.given_cell.shapes.lengths[symbol.name]))]

    def _solved(self, given: list[tuple[str, Length]]) -> dict[str, str]:
        """The sizes that lengths show, each with its text."""
        shown: dict[str, str] = {}
        for size, k, rest, count in solved([length for _, length in given]):
            text = f"({given[k][0]} - ({self.text(rest)}))" if rest else given[k][0]
            shown[size] = f"{text} // {count}" if count > 1 else text
        return shown

    # --- what is made once ---

    def constant(self, kind: str, size: str, like: str) -> tuple[str, str]:
        """What is made once at the head of a function: its name, and the code that makes it, of the dtype of an array."""
        wish = f"{kind}_{size}" if size else kind
        wish = "".join(letter if letter.isalnum() else "_" for letter in wish)
        return self.names(("constant", kind, size), wish), self.target.constant(kind, size, like)


class Frame(Quantities):
    """A unit's cell with a name for every applied function, and its adjoint equations. `given` is it as a caller knows it."""

    shown = "weights.params"

    def __init__(self, unit: Unit, target: Target, given: Cell | None = None) -> None:
        super().__init__(valued(unit.cell), target, given=given or unit.cell)
        self.unit, self.parameters = unit, unit.cell.parameter_terms
        self.lines = {defined(line): line for line in self.cell.named}
        self.adjoints = {line.of: equation(line.relation.lhs, put_together(line.relation.rhs, self.shapes))
                         for line in sweep(self.cell, primes=target.accuracy == "ulp").lines}

    def prepared_sizes(self, wanted: Set[str]) -> Iterator[str]:
        """The lines that read sizes off the parameters alone."""
        for size, text in self._solved(self._parameter_lengths("params")).items():
            if size in wanted:
                yield f"{self.text(((size, 1),))} = {text}"

    def name(self, of: Sym) -> str:
        """The array of a quantity or parameter; of a state at t-1, one of its own."""
        return super().name(of) if of.time in (None, NOW) else self.names(("value", of), f"{super().name(of).rstrip('_')}_prev")

    def adjoint(self, of: Sym) -> str:
        """The array of its adjoint; of a state at t-1, of what arrives there."""
        return super().adjoint(of) if of.time in (None, NOW) else self.names(("adjoint", of), f"d_{self.name(of)}")

    def is_matrix(self, of: Sym) -> bool:
        """Whether there is a matrix of it for each step and sequence."""
        return ONE not in self.shapes.lengths[of.name]

    def start(self, state: Sym) -> str:
        """The state before the first step."""
        return self.names(("start", state), f"{self.name(state).rstrip('_')}_start")

    def end(self, state: Sym) -> str:
        """What is given for the adjoint of a state after the last step."""
        return self.names(("end", state), f"{self.adjoint(state).rstrip('_')}_end")

    def outside(self, of: Sym) -> str:
        """What is given for an adjoint at every step."""
        alone = self.unit.outputs == (of,)
        return "d_outputs" if alone else self.names(("outside", of), f"given_{self.adjoint(of)}")
