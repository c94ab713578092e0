"""Where every value of a program lives: which arrays there are, what they are called, which values share one.

An `Array` is known by three names: `i` is its part for one step, `now_i` that for a stretch of steps, and `all_i` the
whole of it, time first. A value whose only reader is a formula that can write over it gives its place to the result:
the pre-activation of a gate becomes the gate.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from symlstm.algebra import NOW, Add, Apply, Hadamard, NotSupported, Sym, Term, walk
from symlstm.generator.codes import OWN, activated, runs_in_place
from symlstm.generator.lengths import size_text, total
from symlstm.generator.program import Block, Program
from symlstm.shapes import Length

_RESERVED = frozenset({
    "np", "Trace", "Gradients", "forward", "backward", "params", "x", "state", "trace", "outputs", "d_outputs", "d_state",
    "d_params", "d_x", "kept", "batch", "part", "T", "B", "n", "m", "late", "now", "steps",
    "zip", "slice", "max", "min", "tuple", "range"})


class Names:
    """Python names for what the module handles: one name a thing, and no name twice."""

    def __init__(self, reserved: Iterable[str] = _RESERVED) -> None:
        self._given: dict[object, str] = {}
        self._taken = {*reserved, *keyword.kwlist}

    def __call__(self, key: object, wish: str) -> str:
        if key not in self._given:
            while wish in self._taken or wish.endswith(OWN):
                wish += "_"
            self._taken.add(wish)
            self._given[key] = wish
        return self._given[key]


@dataclass(frozen=True, slots=True)
class Array:
    """A view of a base array: `i` is `all_z[..., n:2 * n]`. `width` is the length of the base's last axis."""

    name: str
    base: str
    width: str
    index: str = ""


class Scope:
    """The lines at the head of a function, and the views that its loops use; each array is made where it is first needed.

    `allocated` gives the text that makes the base of an array, "" for one that is there already.
    """

    def __init__(self, allocated: Callable[[Array], str], given: Iterable[str] = ()) -> None:
        self.head: list[str] = []
        self.now_views: dict[str, str] = {}
        self.step_views: dict[str, str] = {}
        self._allocated, self._made = allocated, set(given)

    def make(self, name: str, definition: str) -> str:
        """A line at the head, unless it is there already."""
        if name not in self._made:
            self._made.add(name)
            self.head.append(f"{name} = {definition}")
        return name

    def all(self, array: Array) -> str:
        """The whole of an array."""
        if array.base not in self._made:
            definition = self._allocated(array)
            self._made.add(array.base)
            self.head += [f"{array.base} = {definition}"] * bool(definition)
        return self.make(f"all_{array.name}", array.base + array.index) if array.index else array.base

    def constant(self, names: Names, text: str) -> str:
        """A number as an array without axes."""
        name = names(("constant", text), {"1": "one", "2": "two", "0": "zero"}.get(text, "number"))
        return self.make(name, f"np.array({text}, x.dtype)")

    def now(self, array: Array) -> str:
        """Its part for a stretch of steps."""
        self.now_views[f"now_{array.name}"] = f"{self.all(array)}[now]"
        return f"now_{array.name}"

    def step(self, array: Array) -> str:
        """Its part for one step of a loop over all of them."""
        self.step_views[array.name] = self.all(array)
        return array.name

    def step_back(self, array: Array) -> str:
        """Its part for one step of a loop backwards over a stretch."""
        self.step_views[array.name] = f"{self.now(array)}[::-1]"
        return array.name


def views_last(head: list[str]) -> list[str]:
    """The lines at a head with the plain views of arrays after those that make arrays."""
    views = [line for line in head if re.match(r"all_\w+ = (all|long)_\w+(\[|\.reshape)", line)]
    return [*(line for line in head if line not in views), *views]


class Layout:
    """The arrays of a program, their names and sizes."""

    def __init__(self, program: Program) -> None:
        self.program, self.names = program, Names()
        for size in sorted(program.original.size_names - {"n", "m"}):
            if self.names(("size", size), size) != size:
                raise NotSupported(f"The size {size} has the name of something else in the code.", program.original.name)
        for state in program.states:  # the plainest names first
            self.names(("value", state), state.name)
        self.slot = {member: (block, k) for block in program.blocks for k, member in enumerate(block.members)}
        self.over = self._over()

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
            if isinstance(rhs, Apply) and runs_in_place(activated(rhs.function, "x"), "x"):
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
        text = self.width(*of)
        return f"({text})" if "+" in text else text

    def span(self, block: Block, start: int, stop: int) -> str:
        """The slots start..stop-1 of a block as a slice, `n:2 * n`."""
        ends = [self.width(*block.members[:k]) if 0 < k < len(block.slots) else "" for k in (start, stop)]
        return ":".join(ends)

    def sizes(self) -> dict[str, str]:
        """The sizes that x does not show, each with the text that reads it from a parameter."""
        lengths = self.program.original.shapes.lengths
        wanted = {name for pair in lengths.values() for length in pair for name, _ in length if name} - {"m"}
        found: dict[str, str] = {}
        for name in sorted(wanted, reverse=True):
            shown = [f'params["{symbol.name}"].shape[{axis}]' for symbol in self.program.original.parameter_terms
                     for axis, length in enumerate(lengths[symbol.name]) if length == ((name, 1),)]
            if not shown:
                raise NotSupported(f"No parameter shows the size {name}.", self.program.original.name)
            found[name] = shown[0]
        return found

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
        """All slots of a block, side by side."""
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
        return Array(name, whole.base, whole.width, f"[..., {self.span(block, start, stop)}]")

    def value(self, of: Sym) -> Array:
        """The array of a quantity at t, or of a state at t-1."""
        if of == self.program.input:
            return Array(self.names("input", f"{of.name}_t"), "x", "m")
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

    def adjoint_run(self, block: Block, start: int, stop: int, *, apart: bool = False) -> Array:
        """Neighbouring slots of a block's adjoint; `apart` gives them an axis of their own."""
        whole = self.adjoint_block(block)
        if stop - start == len(block.slots) and not apart:
            return whole
        members = [member.name for member in block.members[start:stop]]
        stem = f"{members[0].partition('_')[0]}_"
        tails = [name.removeprefix(stem) for name in members] if all(name.startswith(stem) for name in members) else members
        wish = f"{'apart_' * apart}d_{stem if tails != members else ''}{'_'.join(tails)}"
        name = self.names((block.members, start, stop, apart), wish)
        if apart:
            width = self.width(block.members[0])
            bounds = f"{start or ''}:{stop if stop < len(block.slots) else ''}"
            return Array(name, whole.base, whole.width, f".reshape(T, B, {len(block.slots)}, {width})[:, :, {bounds}]")
        return Array(name, whole.base, whole.width, f"[..., {self.span(block, start, stop)}]")

    def same_width(self, block: Block) -> bool:
        return len({self.length(member) for member in block.members}) == 1

    def stored_adjoint(self, of: Sym) -> Array:
        """The array over time of an adjoint that is read after the loop."""
        name = self.names(("stored adjoint", of), f"d_{of.name}_t" if of in self.program.states else f"d_{of.name}")
        return Array(name, f"all_{name}", self.width(of))
