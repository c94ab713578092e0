"""Where every value of a program lives: which arrays there are, what they are called, which values share one.

In blocks a quantity is a column, as in the mathematics, and the columns of a batch stand side by side: an array has the
shape (n, B), or (n,) where there is one sequence, and (T, n, B) or (T, n) over time. So a product is `U @ h`, a gate is some
rows of its block, and each is contiguous.

An `Array` is known by three names: `i` is its part for one step, `now_i` that for a stretch of steps, and `all_i` the
whole of it, time first. A value whose only reader is a formula that can write over it gives its place to the result:
the pre-activation of a gate becomes the gate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from symlstm.algebra import NOW, Add, Apply, Hadamard, NotSupported, Sym, Term, walk
from symlstm.generator.blocks.halving import halved
from symlstm.generator.blocks.program import Block, Program
from symlstm.generator.codes import FUNCTIONS, activated, runs_in_place
from symlstm.generator.lengths import axes, size_text, solved, total
from symlstm.generator.names import Names
from symlstm.shapes import Length

RESERVED = frozenset({
    "np", "Trace", "Gradients", "Weights", "Workspace", "prepare", "workspace", "arrays", "back_arrays", "forward",
    "backward", "many", "params", "x", "x_1", "own_x", "state", "trace", "outputs", "d_outputs", "d_state", "d_params",
    "d_x", "rows_d_x", "kept", "batch", "T", "B", "n", "m", "dtype", "tail", "ones", "weights", "truncate", "into", "since",
    "chunk", "chunk_of", "length", "stretches", "parts", "rest", "steps", "start", "stop", "now", "here", "found", "sums",
    "CACHE", "ahead", "batch_first", "batch_last", "columns", "totals", "added", "part", "views", "zip", "slice", "max",
    "min", "tuple", "range", "list", "isinstance", "len", *FUNCTIONS})


@dataclass(frozen=True, slots=True)
class Array:
    """A view of a base array: `i` is `all_z[:, n:2 * n]`. `width` is the number of rows of the base."""

    name: str
    base: str
    width: str
    index: str = ""

    @property
    def whole(self) -> str:
        """All steps."""
        return self.base + self.index

    def at(self, steps: str) -> str:
        """Some steps, given as a slice."""
        if self.index.startswith("[:, "):
            return f"{self.base}[{steps}, {self.index[4:]}"
        return f"{self.base}{self.index if self.index == '[1:]' else ''}[{steps}]"


class Scope:
    """What a function writes to, the lines at its head, and the views that its loops use.

    `rooms` are the arrays that it writes to, `parts` views of them: a workspace can hold them from one run to the next.
    `allocated` gives the shape of the base of an array, "" for one that is there already.
    """

    def __init__(self, allocated: Callable[[Array], str]) -> None:
        self.head: list[str] = []
        self.rooms: dict[str, str] = {}
        self.parts: dict[str, str] = {}
        self.now_views: dict[str, str] = {}
        self.step_views: dict[str, str] = {}
        self.weights: dict[str, None] = {}  # what is read of the prepared weights
        self.turned: dict[str, None] = {}  # those that meet a vector of each step
        self._allocated = allocated

    def room(self, name: str, shape: str) -> str:
        """An array to write to."""
        self.rooms.setdefault(name, f"np.empty({shape}, dtype)")
        return name

    def part(self, name: str, view: str) -> str:
        """A part of such an array."""
        self.parts.setdefault(name, view)
        return name

    def weight(self, name: str) -> str:
        """One of the arrays that `prepare` makes."""
        self.weights.setdefault(name)
        return name

    def there(self, array: Array) -> Array:
        """The array, once its base is there."""
        shape = self._allocated(array)
        if shape:
            self.room(array.base, shape)
        return array

    def all(self, array: Array) -> str:
        """The whole of an array, by name."""
        self.there(array)
        return self.part(f"all_{array.name}", array.whole) if array.index else array.base

    def now(self, array: Array, steps: str) -> str:
        """Its part for a stretch of steps, by name."""
        self.now_views[f"now_{array.name}"] = self.there(array).at(steps)
        return f"now_{array.name}"

    def step(self, array: Array) -> str:
        """Its part for one step of a loop over all of them."""
        self.step_views[array.name] = self.there(array).whole
        return array.name

    def step_back(self, array: Array, steps: str) -> str:
        """Its part for one step of a loop backwards over a stretch."""
        self.step_views[array.name] = f"{self.there(array).at(steps)}[::-1]"
        return array.name


def runs(start: int, stop: int, key: Callable[[int], Hashable]) -> Iterator[tuple[int, int]]:
    """The stretches of start..stop-1 in which the key is the same: from where to where.

    >>> list(runs(0, 5, lambda k: k // 3))
    [(0, 3), (3, 5)]
    """
    for _, group in groupby(range(start, stop), key):
        found = list(group)
        yield found[0], found[-1] + 1


def run_of(k: int, count: int, key: Callable[[int], Hashable]) -> tuple[int, int]:
    """That of the stretches of 0..count-1 that has k in it."""
    return next((start, stop) for start, stop in runs(0, count, key) if start <= k < stop)


class Layout:
    """The arrays of a program, their names and sizes."""

    def __init__(self, program: Program) -> None:
        self.program, self.names = program, Names(RESERVED)
        self.constants: dict[str, str] = {}
        for size in sorted(program.original.size_names - {"n", "m"}):
            if self.names(("size", size), size) != size:
                raise NotSupported(f"The size {size} has the name of something else in the code.", program.original.name)
        for state in program.states:  # the plainest names first
            self.names(("value", state), state.name)
        self.slot = {member: (block, k) for block in program.blocks for k, member in enumerate(block.members)}
        self.over = self._over()
        self.halved = halved(program.lines, self.over, frozenset(self.slot), program.accuracy)

    def _over(self) -> dict[Sym, Sym]:
        """Which value is written over by which."""
        program = self.program
        reads = Counter(part for rhs in program.lines.values() for part in walk(rhs) if isinstance(part, Sym))
        def gives_way(value: Term, to: Sym) -> bool:
            return (isinstance(value, Sym) and value.time == NOW and reads[value] == 1 and value not in program.read_backwards
                    and value not in (*program.states, program.input) and to not in program.states)
        over: dict[Sym, Sym] = {}
        for of, rhs in program.lines.items():
            operands = rhs.args if isinstance(rhs, (Add, Hadamard)) else ()
            if isinstance(rhs, Apply) and runs_in_place(activated(rhs.function, "x", program.accuracy), "x"):
                operands = (rhs.arg,)
            place = next((operand for operand in operands if gives_way(operand, of)), None)
            if isinstance(place, Sym):
                over[place] = of
        return over

    # --- sizes ---

    def length(self, of: Sym) -> Length:
        return self.program.cell.shapes.lengths[of.name][0]

    def width(self, *of: Sym) -> str:
        """The number of rows of a quantity, or of several above one another, as Python."""
        return size_text(total(map(self.length, of)))

    def wide(self, *of: Sym) -> str:
        """`width` as a factor of a product."""
        return self.factor(total(map(self.length, of)))

    def span(self, block: Block, start: int, stop: int) -> str:
        """The slots start..stop-1 of a block as a slice, `n:2 * n`."""
        ends = [self.width(*block.members[:k]) if 0 < k < len(block.slots) else "" for k in (start, stop)]
        return ":".join(ends)

    def sizes(self) -> dict[str, str]:
        """Every size that the code needs, each with the text that reads it from a parameter."""
        lengths = self.program.original.shapes.lengths
        given = [(f'params["{symbol.name}"].shape[{axis}]', length) for symbol in self.program.original.parameter_terms
                 for axis, length in enumerate(axes(lengths[symbol.name]))]
        found: dict[str, str] = {}
        for size, k, rest, count in solved([length for _, length in given]):
            text = f"({given[k][0]} - {self.factor(rest)})" if rest else given[k][0]
            found[size] = f"{text} // {count}" if count > 1 else text
        for name in sorted({name for pair in lengths.values() for length in pair for name, _ in length if name} - {"m"}):
            if name not in found:
                raise NotSupported(f"No parameter shows the size {name}.", self.program.original.name)
        return found

    def factor(self, length: Length) -> str:
        """A length as a factor or subtrahend."""
        text = size_text(length)
        return f"({text})" if "+" in text else text

    # --- places ---

    def place(self, of: Sym) -> Sym:
        """The value that is found, in the end, where `of` was computed."""
        while of in self.over:
            of = self.over[of]
        return of

    def block_name(self, block: Block) -> str:
        stems = {member.name.partition("_")[0] for member in block.members}
        if len(block.slots) == 1:
            return self.names(("value", self.place(block.members[0])), self.place(block.members[0]).name)
        return self.names(block.members, stems.pop() if len(stems) == 1 else "z")

    def weights(self, block: Block, vector: Sym) -> str:
        return self.names((block.members, vector), f"{self.block_name(block)}_from_{vector.name}")

    def bias(self, block: Block) -> str:
        return self.names((block.members, "bias"), f"{self.block_name(block)}_bias")

    def block(self, block: Block) -> Array:
        """All slots of a block, above one another."""
        name = self.block_name(block)
        return Array(name, f"all_{name}", self.width(*block.members))

    def run(self, block: Block, start: int, stop: int) -> Array:
        """Neighbouring slots of a block."""
        whole = self.block(block)
        if stop - start == len(block.slots):
            return whole
        places = [self.place(member) for member in block.members[start:stop]]
        key = ("value", places[0]) if len(places) == 1 else ("run", *places)
        name = self.names(key, "_".join(place.name for place in places))
        return Array(name, whole.base, whole.width, f"[:, {self.span(block, start, stop)}]")

    def value(self, of: Sym) -> Array:
        """The array of a quantity at t, or of a state at t-1."""
        if of == self.program.input:
            name = self.names("input", f"{of.name}_t")
            return Array(name, f"all_{name}", "m")
        if of.at(NOW) in self.program.states:
            long = f"long_{self.names(('value', of.at(NOW)), of.name)}"
            name, index = (long[5:], "[1:]") if of.time == NOW else (self.names(of, f"{of.name}_prev"), "[:-1]")
            return Array(name, long, self.width(of), index)
        home = next((member for member in self.slot if self.place(member) == self.place(of)), None)
        if home is not None:
            block, k = self.slot[home]
            return self.run(block, k, k + 1)
        name = self.names(("value", self.place(of)), self.place(of).name)
        return Array(name, f"all_{name}", self.width(of))

    @cached_property
    def lasting(self) -> frozenset[Sym]:
        """The places that have an array over all of time; the others are used up within their step."""
        program = self.program
        return frozenset(map(self.place, (
            *program.read_backwards, *program.early, *self.slot, *program.states, *(state.prev for state in program.states))))

    def parameter(self, of: Sym) -> str:
        return self.names(("parameter", of.name), of.name)

    def ahead(self, block: Block, vector: Sym) -> str:
        """The weights as the forward pass reads them: with halved rows, and the bias in a last column, which meets a 1."""
        halves, one = bool(self.halved & {*block.members}), self.one(block, vector)
        return self.names((block.members, vector, "ahead"), f"{'half_' * halves}{self.weights(block, vector)}{'_1' * one}")

    def by_columns(self, weights: str) -> str:
        """Weights that lie column by column: so BLAS multiplies one vector soonest."""
        return self.names(("by columns", weights), f"{weights}_by_columns")

    def turned(self, block: Block, vector: Sym) -> str:
        """The weights transposed, as the loop of the backward pass reads them: contiguous, so that no product turns them."""
        return self.names((block.members, vector, "turned"), f"{self.weights(block, vector)}_turned")

    def one(self, block: Block, vector: Sym) -> bool:
        """Whether the bias of a block is a column of the weights that meet this vector: the input, with a 1 below it."""
        return block.biased and vector == self.program.input

    def apart(self, block: Block) -> bool:
        """Whether the bias of a block is added by itself."""
        return block.biased and self.program.input not in block.vectors

    def constant(self, text: str) -> str:
        """A number, as an array without axes: in a loop NumPy takes that sooner than a number of Python."""
        wish = {"1": "one", "2": "two", "0": "zero", "0.5": "half", "np.finfo(dtype).max": "largest"}.get(text, "number")
        name = self.names(("constant", text), wish)
        self.constants[name] = text
        return name

    # --- adjoints ---

    def state_adjoint(self, state: Sym) -> str:
        return self.names(("adjoint", state.at(NOW)), f"d_{state.name}")

    def given_adjoint(self, output: Sym) -> Array:
        """The adjoint of an output, as it comes from outside."""
        alone = len(self.program.unit.outputs) == 1
        name = "d_output" if alone else self.names(("given", output), f"d_output_{output.name}")
        return Array(name, "d_outputs" if alone else f"all_{name}", self.width(output))

    def adjoint_block(self, block: Block) -> Array:
        name = self.names((block.members, "adjoint"), f"d_{self.block_name(block)}")
        return Array(name, f"all_{name}", self.width(*block.members))

    def adjoint_run(self, block: Block, start: int, stop: int) -> Array:
        """Neighbouring slots of a block's adjoint."""
        whole = self.adjoint_block(block)
        if stop - start == len(block.slots):
            return whole
        members = [member.name for member in block.members[start:stop]]
        stem = f"{members[0].partition('_')[0]}_"
        tails = [name.removeprefix(stem) for name in members] if all(name.startswith(stem) for name in members) else members
        wish = f"d_{stem if tails != members else ''}{'_'.join(tails)}"
        name = self.names((block.members, start, stop), wish)
        return Array(name, whole.base, whole.width, f"[:, {self.span(block, start, stop)}]")

    def same_width(self, block: Block) -> bool:
        return len({self.length(member) for member in block.members}) == 1

    def stored_adjoint(self, of: Sym) -> Array:
        """The array over time of an adjoint that is read after the loop."""
        name = self.names(("stored adjoint", of), f"d_{of.name}_t" if of in self.program.states else f"d_{of.name}")
        return Array(name, f"all_{name}", self.width(of))
