"""The forward pass as lines of Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from textwrap import fill

from symlstm.algebra import Apply, NotSupported, Sym, Term, equation, plain
from symlstm.generator.codes import Code, activated, elementwise, limited, statements, with_constants
from symlstm.generator.layout import Array, Layout, Scope, views_last
from symlstm.generator.lengths import size_text
from symlstm.generator.program import Block
from symlstm.generator.rows import forward_product


class Forward:
    """Writes the forward pass: what is early for all steps at once, then the loop over what is left."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.program = layout, layout.program
        self.scope = Scope(lambda array: f"np.empty((T, B, {array.width}), x.dtype)", given=["x"])
        self.loop: list[str] = []
        self.early = False
        self.done: set[Sym] = set()
        for state in self.program.states:
            base = layout.value(state).base
            self.scope.make(base, f"np.empty((T + 1, B, {layout.width(state)}), x.dtype)")
            k = self.program.unit.place(state)
            self.scope.head.append(f"{base}[0] = 0{'' if k is None else f' if state is None else state[{k}]'}")
        for block in self.program.blocks:
            self._weights(block)

    def lines(self) -> list[str]:
        """The body of `forward`, from the sizes to the end of the loop."""
        for of, rhs in self.program.lines.items():
            if of not in self.done:
                self._line(of, rhs)
        head = self.scope.head if self.early else views_last(self.scope.head)
        body = [*head, *loop_over(self.scope.step_views, self.loop)]
        sizes = [f"{name} = {text}" for name, text in self.layout.sizes().items()]
        return [*sizes, *body]

    def _weights(self, block: Block) -> None:
        for vector in block.vectors:
            self.scope.make(self.layout.weights(block, vector), self._stacked([slot.matrices[vector] for slot in block.slots]))
        if block.biased:
            self.scope.make(self.layout.bias(block), self._stacked([slot.biases for slot in block.slots]))

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
            return self.scope.make(self.layout.parameter(part), f"np.array(params[{quoted(part)}])")
        return self._place(self.layout.value(part), early, self.layout.place(part) in self.layout.lasting)

    def _place(self, array: Array, early: bool, lasting: bool) -> str:
        if early:
            return self.scope.all(array)
        return self.scope.step(array) if lasting else self.scope.make(array.name, f"np.empty((B, {array.width}), x.dtype)")

    def _emit(self, code: Code, out: str, early: bool, lines: list[Sym], like: Sym) -> None:
        """The lines that evaluate code into `out`, under the equations that they compute."""
        width = self.layout.width(like)
        def spare(k: int) -> str:
            name = self.layout.names(("scratch", width, k), "scratch")
            return self.scope.make("all_" * early + name, f"np.empty(({'T, ' * early}B, {width}), x.dtype)")
        if not early:
            code = with_constants(code, lambda text: self.scope.constant(self.layout.names, text))
        made = statements(code, out, spare)
        target = self.scope.head if early else self.loop
        self.early |= early
        target += [*(f"# {plain(equation(of, self.program.lines[of]))}" for of in lines), *made]

    def _block(self, block: Block) -> None:
        """The products of a block: with early vectors for all steps before the loop, with the others in it."""
        layout, scope = self.layout, self.scope
        self.done |= set(block.members)
        array = layout.block(block)
        early = [vector for vector in block.vectors if vector in self.program.early]
        if early:
            products = []
            for vector in early:
                values = flat(scope.all(layout.value(vector)), layout.width(vector))
                products.append(" @ ".join(forward_product(layout.weights(block, vector), values)))
            scope.make(array.base, f"({' + '.join(products)}).reshape(T, B, {array.width})")
            scope.head += [f"{array.base} += {layout.bias(block)}"] * block.biased
        if len(early) < len(block.vectors):
            self.loop += [f"# {plain(equation(member, self.program.lines[member]))}" for member in block.members]
            self._late(block, [vector for vector in block.vectors if vector not in early], started=bool(early))

    def _stacked(self, parts: list[tuple[Sym, ...]]) -> str:
        """The parameters of all slots above one another, those of one slot added. It is a new array."""
        sums = [" + ".join(map(self._given, part)) for part in parts]
        whole = all(len(part) == 1 for part in parts)
        if len(sums) == 1:
            return f"np.array({sums[0]})" if whole else sums[0]
        if not whole or any(part[0] in self.program.pieces for part in parts):
            return f"np.concatenate([{', '.join(sums)}])"
        return f"np.concatenate([params[name] for name in ({', '.join(quoted(part[0]) for part in parts)})])"

    def _given(self, symbol: Sym) -> str:
        """What the caller gave for a parameter, or for the columns of one."""
        piece = self.program.pieces.get(symbol)
        if piece is None:
            return f"params[{quoted(symbol)}]"
        ends = [size_text(end) if end else "" for end in (piece.start, piece.stop)]
        return f"params[{quoted(piece.parameter)}][:, {':'.join(ends)}]"

    def _late(self, block: Block, vectors: list[Sym], *, started: bool) -> None:
        layout = self.layout
        name = self.scope.step(layout.block(block))
        for vector in vectors:
            left, right = forward_product(layout.weights(block, vector), self._ref(vector, False))
            if started:
                part = layout.names((block.members, "part"), f"{name}_part")
                self.scope.make(part, f"np.empty((B, {layout.width(*block.members)}), x.dtype)")
                self.loop += [f"np.dot({left}, {right}, out={part})", f"{name} += {part}"]
            else:
                self.loop += [f"np.dot({left}, {right}, out={name})", *[f"{name} += {layout.bias(block)}"] * block.biased]
            started = True

    def _activation(self, of: Sym, rhs: Apply) -> None:
        """An activation; with it the same of the neighbouring slots, in place."""
        layout, early, arg = self.layout, of in self.program.early, rhs.arg
        assert isinstance(arg, Sym)
        if arg not in layout.slot or layout.over.get(arg) != of:
            self._emit(self._applied(rhs.function, self._ref(arg, early)), self._ref(of, early), early, [of], of)
            return
        block, k = layout.slot[arg]
        def alike(j: int) -> bool:
            after = layout.over.get(block.members[j])
            return after is not None and self.program.lines[after] == Apply(rhs.function, block.members[j])
        start, stop = stretch(k, len(block.slots), alike)
        place = self._place(layout.run(block, start, stop), early, True)
        values = [layout.over[member] for member in block.members[start:stop]]
        self.done |= set(values)
        self._emit(self._applied(rhs.function, place), place, early, values, arg)

    def _applied(self, function: str, argument: str) -> Code:
        name = self.layout.names(("constant", "largest"), "largest")
        return limited(activated(function, argument), lambda: self.scope.make(name, "np.array(np.finfo(x.dtype).max)"))


def quoted(symbol: Sym) -> str:
    """The name of a parameter as a string in Python."""
    return f'"{symbol.name}"'


def stretch(k: int, count: int, alike: Callable[[int], bool]) -> tuple[int, int]:
    """The neighbours of k among 0..count-1 that are alike without a gap: start and stop."""
    start, stop = k, k + 1
    while start > 0 and alike(start - 1):
        start -= 1
    while stop < count and alike(stop):
        stop += 1
    return start, stop


def flat(array: str, width: str) -> str:
    """An array over time as one matrix, a row for each step and sequence."""
    return f"{array}.reshape(T * B, {width})"


def loop_over(views: dict[str, str], body: list[str]) -> list[str]:
    """A loop over the steps of several arrays at once."""
    if not body:
        return []
    names, arrays = ", ".join(views), ", ".join(views.values())
    if len(names) > 110:
        names = fill(f"({names})", 110, subsequent_indent=" " * 8)
    head = [f"for {names} in zip({arrays}):" if len(views) > 1 else f"for {names} in {arrays}:"]
    if len(head[0].splitlines()[-1]) > 120 or "\n" in names:
        head = [f"for {names} in zip(", *_wrapped(list(views.values())), "):"]
    return [*"\n".join(head).splitlines(), *(f"    {line}" for line in body)]


def _wrapped(parts: list[str]) -> Iterator[str]:
    line = "       "
    for part in parts:
        if len(line) + len(part) > 110:
            yield line
            line = "       "
        line += f" {part},"
    yield line.rstrip(",")
