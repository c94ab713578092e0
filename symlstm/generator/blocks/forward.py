"""The forward pass as lines of Python."""

from __future__ import annotations

from collections.abc import Iterable

from symlstm.algebra import Apply, NotSupported, Sym, Term, equation, plain
from symlstm.generator.blocks.halving import OF_TANH, is_tanh
from symlstm.generator.blocks.layout import Array, Layout, Scope, run_of, runs
from symlstm.generator.blocks.program import Block
from symlstm.generator.codes import Code, activated, elementwise, limited, parsed, statements, with_constants


class Forward:
    """Writes the forward pass: what is early for all steps at once, then the loop over what is left."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.program = layout, layout.program
        self.scope = Scope(lambda array: f"(T, {array.width}, *tail)")
        self.loop: list[str] = []
        self.here: dict[str, str] = {}  # the bases of blocks that stand in one place for all steps, and which that is
        self.ends: list[str] = []
        self.done: set[Sym] = set()
        for state in self.program.states:
            base = layout.value(state).base
            self.scope.room(base, f"(T + 1, {layout.width(state)}, *tail)")
            k = self.program.unit.place(state)
            shape = f"({layout.width(state)}, *tail)"
            given = "" if k is None else f" if state is None else state[{k}].T.reshape({shape})"
            self.scope.head.append(f"{base}[0] = 0{given}")
        one = any(layout.one(block, self.program.input) for block in self.program.blocks)
        self.x, self.bare = ("x_1", "x_1[..., :m]") if one else ("own_x", "own_x")
        self.scope.rooms[self.x] = "np.ones((T, B, m + 1), dtype)" if one else "np.empty((T, B, m), dtype)"
        self.scope.head.append(f"{self.x}[..., :m] = x.reshape(T, B, m)")
        if self.program.input in self._elementwise():
            self.scope.head.append(f"{self.scope.all(layout.value(self.program.input))}[...] = batch_last({self.bare})")

    def lines(self) -> list[str]:
        """The body of `forward`, from the states at the start to the end of the loop."""
        for of, rhs in self.program.lines.items():
            if of not in self.done:
                self._line(of, rhs)
        return [*self.scope.head, *loop_over(self.scope.step_views, "steps", [*self.loop, *self.ends])]

    def _elementwise(self) -> set[Sym]:
        """What elementwise formulas of either pass read."""
        return {part for of, rhs in self.program.lines.items() if of not in self.layout.slot
                for part in self.program.reads(rhs)} | self.program.factors_read

    def _line(self, of: Sym, rhs: Term) -> None:
        if of in self.layout.slot:
            self._block(self.layout.slot[of][0])
        elif isinstance(rhs, Apply):
            self._activation(of, rhs)
        else:
            early = of in self.program.early
            self._emit(elementwise(rhs, lambda part: self._ref(part, early)), self._ref(of, early), early, [of], of)

    def _ref(self, part: Term, early: bool) -> str:
        """A parameter, or the value of a quantity: for all steps, or for the one of the loop."""
        if not isinstance(part, Sym):
            raise NotSupported("A slope cannot stand in the equations of a cell.", plain(part))
        if part.time is None:
            return self.scope.weight(self.layout.parameter(part))
        return self._place(self.layout.value(part), early, self.layout.place(part) in self.layout.lasting)

    def _place(self, array: Array, early: bool, lasting: bool) -> str:
        if early:
            return self.scope.all(array)
        if array.base in self.here:
            room = self.here[array.base]
            return self.scope.part(array.name, f"{room}[{array.index[4:]}") if array.index else room
        return self.scope.step(array) if lasting else self.scope.room(array.name, f"({array.width}, *tail)")

    def _emit(self, code: Code, out: str, early: bool, lines: list[Sym], like: Sym) -> None:
        """The lines that evaluate code into `out`, under the equations that they compute."""
        width = self.layout.width(like)
        def spare(k: int) -> str:
            name = self.layout.names(("scratch", width, k), "scratch")
            return self.scope.room("all_" * early + name, f"({'T, ' * early}{width}, *tail)")
        made = statements(with_constants(code, self._constant), out, spare)
        target = self.scope.head if early else self.loop
        target += [*(f"# {plain(equation(of, self.program.lines[of]))}" for of in lines), *made]

    def _constant(self, text: str) -> str:
        return self.scope.weight(self.layout.constant(text))

    def _block(self, block: Block) -> None:
        """The products of a block: with early vectors for all steps before the loop, with the others in it."""
        layout, scope = self.layout, self.scope
        self.done |= set(block.members)
        early = [vector for vector in block.vectors if vector in self.program.early]
        late = [vector for vector in block.vectors if vector not in self.program.early]
        equations = [f"# {plain(equation(member, self.program.lines[member]))}" for member in block.members]
        whole, bias = layout.block(block), [layout.bias(block)] * layout.apart(block)
        for name in bias:
            scope.weight(name)
        if early:
            all_z = scope.all(whole)
            scope.head += [equations[0] + ", ..." * (len(equations) > 1) + ": what is known of it ahead"] if late else equations
            for k, vector in enumerate(early):
                product = f"ahead({scope.weight(layout.ahead(block, vector))}, {self._vectors(block, vector)}, "
                if k:
                    spare = scope.room(f"more_{all_z}", f"(T, {whole.width}, *tail)")
                    scope.head += [f"{product}{spare})", f"{all_z} += {spare}"]
                else:
                    scope.head.append(f"{product}{all_z})")
            scope.head += [f"{all_z} += {name}" for name in bias]
        if late:
            self.loop += equations
            self._late(block, late, [] if early else bias, started=bool(early))

    def _vectors(self, block: Block, vector: Sym) -> str:
        """The vectors of all steps, which a product meets."""
        if vector != self.program.input:
            return self.scope.all(self.layout.value(vector))
        return f"batch_last({self.x if self.layout.one(block, vector) else self.bare})"

    def _late(self, block: Block, vectors: list[Sym], bias: list[str], *, started: bool) -> None:
        """The products of one step. The block stands in one place, and is kept at the end of the step if it is read backwards."""
        layout, array = self.layout, self.layout.block(block)
        name = self.here[array.base] = self.scope.room(array.name, f"({array.width}, *tail)")
        out, added = name, list(bias)
        kept = bool({layout.place(member) for member in block.members} & {*map(layout.place, self.program.read_backwards)})
        if started or kept:
            row = self.scope.step(Array(layout.names((block.members, "row"), f"row_{name}"), array.base, array.width))
            added += [row] * started
            self.ends += [f"{row}[...] = {name}"] * kept
        for vector in vectors:
            weights = self.scope.weight(layout.ahead(block, vector))
            self.scope.turned.setdefault(weights)
            self.scope.weight(layout.by_columns(weights))
            self.loop.append(f"{weights}.dot({self._ref(vector, False)}, {out})")
            self.loop += [f"{name} += {out}"] * (out != name)
            out = self.scope.room(layout.names((block.members, "part"), f"{name}_part"), f"({array.width}, *tail)") if (
                vector != vectors[-1]) else out
        self.loop += [f"{name} += {each}" for each in added]

    def _activation(self, of: Sym, rhs: Apply) -> None:
        """An activation; with it the same of the neighbouring slots, in place, and one tanh for all that are one."""
        layout, early, arg = self.layout, of in self.program.early, rhs.arg
        assert isinstance(arg, Sym)
        if arg not in layout.slot or layout.over.get(arg) != of:
            self._emit(self._applied(rhs.function, self._ref(arg, early)), self._ref(of, early), early, [of], of)
            return
        block, k = layout.slot[arg]
        form = self._form(arg)
        start, stop = run_of(k, len(block.slots), lambda j: self._form(block.members[j]) or j)
        values = [layout.over[member] for member in block.members[start:stop]]
        self.done |= set(values)
        place = self._place(layout.run(block, start, stop), early, True)
        self._emit(self._applied(form, place), place, early, values, arg)
        for first, last in runs(start, stop, lambda j: block.members[j] in layout.halved):
            if block.members[first] in layout.halved:
                place = self._place(layout.run(block, first, last), early, True)
                self._emit(parsed(OF_TANH, {"t": place}), place, early, [], arg)

    def _form(self, member: Sym) -> str:
        """What is applied to an affine map in its place, "" if nothing: tanh also where that gives sigma."""
        over = self.layout.over.get(member)
        rhs = self.program.lines[over] if over else None
        if not isinstance(rhs, Apply) or rhs.arg != member:
            return ""
        return "tanh" if member in self.layout.halved or is_tanh(rhs.function) else rhs.function

    def _applied(self, function: str, argument: str) -> Code:
        code = activated(function, argument, self.program.accuracy)
        return limited(code, lambda: self._constant("np.finfo(dtype).max"))


def loop_over(views: Iterable[str], steps: str, body: list[str], first: str = "") -> list[str]:
    """A loop over the parts of several arrays at each step. `first` stands before them, in a zip of its own."""
    if not body:
        return []
    names = ", ".join(views)
    if first and names:
        names = f"{first}, ({names})" if "," in names else f"{first}, {names}"
    names = names or first
    return [f"for {names} in {steps}:", *(f"    {line}" for line in body)]
