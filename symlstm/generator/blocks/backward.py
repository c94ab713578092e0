"""The backward pass as lines of Python: factors first, then the loop that carries the adjoints, then the weights.

The steps are taken in chunks, the last first. For each, the gradients of the weights are one product, and are added to those
of the chunks after it. Within a chunk they are taken in stretches that stay in the cache: for a stretch, every factor
that does not depend on an adjoint is computed for all its steps at once; the factors of the affine maps are written
where their adjoints will stand, so that the loop only multiplies them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from symlstm.algebra import NOW, Hadamard, Prime, Sym, Term, term
from symlstm.generator.blocks.adjoints import Part, Solved
from symlstm.generator.blocks.forward import loop_over
from symlstm.generator.blocks.layout import Array, Layout, Scope, run_of, runs
from symlstm.generator.blocks.program import Block
from symlstm.generator.blocks.weights import quoted
from symlstm.generator.codes import Call, Code, activated, elementwise, slope_reads, sloped, statements, with_constants
from symlstm.generator.wrapping import as_tuple
from symlstm.rules import times

CACHE = 2**18  # bytes
ONE = term(1)

class Backward:
    """Writes the backward pass from the adjoint equations. `kept` are the arrays that it needs from the forward pass."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.program, self.adjoints = layout, layout.program, layout.program.adjoints
        self.kept: list[str] = []
        self.scope = Scope(self._allocated)
        self.factors: list[str] = []
        self.loop: list[str] = []
        self.done: set[Sym] = set()
        self.prepared: dict[Sym, Term] = {}
        self.spread: dict[Sym, str] = {}  # adjoints that lie in the first row of a spread
        self.cut: list[str] = []  # the lines that take the gradient of a bias from that of the weights
        self._spread_roots()

    def lines(self) -> list[str]:
        """The body of `backward`, from the adjoints of the last state to the gradient of the inputs."""
        layout, program = self.layout, self.program
        for state in program.states:
            k, shape = program.unit.place(state), f"({layout.width(state)}, *tail)"
            given = "" if k is None else f" if d_state is None else d_state[{k}].T.reshape({shape})"
            self.scope.head.append(f"{self._adjoint(state)}[...] = 0{given}")
        given = [layout.given_adjoint(output) for output in program.unit.outputs]
        pairs = zip(program.unit.outputs, given, strict=True)
        self.loop += [f"{layout.state_adjoint(output)} += {array.name}" for output, array in pairs]
        for state in program.states:
            self._stored_state(state, whole=True)
        for of in self.adjoints.lines:
            self._line(of)
        self._endings()
        for block in program.blocks:
            self._prepare(block)
        products, shares = self._products()
        views = self.scope.step_views
        steps = ["steps"] * bool(views)
        names = ["now", *self.scope.now_views, *steps]
        over = [*(f"np.ascontiguousarray({array.base}[now])[::-1]" for array in given), *steps]
        each = f"zip({', '.join(over)})" if len(over) > 1 else over[0]
        loop = loop_over(views, each, self.loop, ", ".join(array.name for array in given))
        factors = ["# the factors that need no adjoint", *self.factors] if self.factors else []
        carried = [f"    {layout.state_adjoint(state)}[...] = 0" for state in program.states]
        body = [*factors, *loop, "start = now.start",
                "if truncate and (since + start) % truncate == 0 < start:  # nothing goes on to the step before", *carried,
                "if start % chunk:", "    continue", "stop = min(start + chunk, T)", *products]
        return [*self.scope.head, f"for {as_tuple(names)} in parts:", *(f"    {line}" for line in body), *self._after(shares)]

    # --- names of values and of adjoints ---

    def _allocated(self, array: Array) -> str:
        if not array.base.removeprefix("all_").startswith("d_"):
            self._keep(array.base)
            return ""
        return f"(chunk, {array.width}, *tail)"

    def _keep(self, name: str) -> None:
        if name not in self.kept:
            self.kept.append(name)

    def _own(self, array: Array) -> bool:
        """Whether an array is one of adjoints, which are there for a chunk of steps."""
        return array.base.removeprefix("all_").startswith("d_")

    def _now(self, array: Array) -> str:
        return self.scope.now(array, "here" if self._own(array) else "now")

    def _step(self, array: Array) -> str:
        return self.scope.step_back(array, "here" if self._own(array) else "now")

    def _chunk(self, array: Array) -> str:
        return self.scope.there(array).at(":stop - start" if self._own(array) else "start:stop")

    def _value(self, view: Callable[[Array], str]) -> Callable[[Term], Code]:
        """How a formula of values is read: `view` says for a chunk, for a stretch or for one step."""
        accuracy = self.program.accuracy
        def read(part: Term) -> Code:
            if isinstance(part, Prime):
                reads, value = slope_reads(part.function, accuracy), self.program.value_of(part)
                argument = elementwise(part.arg, read) if value is None or "x" in reads else ""
                if value is None:
                    return sloped(part.function, argument, activated(part.function, argument, accuracy), accuracy)
                return sloped(part.function, argument, read(value) if "y" in reads else "", accuracy)
            assert isinstance(part, Sym)
            return self.scope.weight(self.layout.parameter(part)) if part.time is None else view(self.layout.value(part))
        return read

    def _home(self, root: Sym) -> Array | None:
        """The array over time that holds an adjoint, if there is one."""
        if root in self.adjoints.home:
            block, k = self.layout.slot[self.adjoints.home[root]]
            return self.layout.adjoint_run(block, k, k + 1)
        return self.layout.stored_adjoint(root) if root in self.adjoints.stored else None

    def _adjoint(self, root: Sym) -> str:
        """An adjoint at the step of the loop."""
        home = self._home(root) if root not in self.program.states else None
        if home is not None:
            return self._step(home)
        name = self._adjoint_name(root)
        if root in self.spread:
            return self.scope.part(name, self.spread[root])
        return self.scope.room(name, f"({self.layout.width(root)}, *tail)")

    def _adjoint_name(self, root: Sym) -> str:
        if root in self.program.states:
            return self.layout.state_adjoint(root)
        return self.layout.names(("adjoint", root), f"d_{root.name}")

    def _factor(self, factor: Term, like: Sym) -> Code:
        """A factor at the step of the loop; what must be computed is computed for the whole stretch."""
        if isinstance(factor, Sym):
            return self._value(self._step)(factor)
        layout, width = self.layout, self.layout.width(like)
        name = layout.names(("factor", factor, width), f"factor_{like.name}")
        self.scope.room(f"all_{name}", f"(length, {width}, *tail)")
        if f"now_{name}" not in self.scope.now_views:
            self.scope.now_views[f"now_{name}"] = f"all_{name}[:now.stop - now.start]"
            self.factors += self._evaluated(elementwise(factor, self._value(self._now)), f"now_{name}", like)
        self.scope.step_views[name] = f"all_{name}[:now.stop - now.start][::-1]"
        return name

    def _constant(self, text: str) -> str:
        return self.scope.weight(self.layout.constant(text))

    def _evaluated(self, code: Code, out: str, like: Sym) -> list[str]:
        """Statements for a stretch of steps."""
        def spare(k: int) -> str:
            name = self.layout.names(("spare", self.layout.width(like), k), "spare")
            self.scope.room(f"all_{name}", f"(length, {self.layout.width(like)}, *tail)")
            self.scope.now_views[f"now_{name}"] = f"all_{name}[:now.stop - now.start]"
            return f"now_{name}"
        return statements(with_constants(code, self._constant), out, spare)

    def _emit(self, code: Code, out: str, like: Sym) -> None:
        """Statements for one step of the loop."""
        width = self.layout.width(like)
        self.loop += statements(with_constants(code, self._constant), out, lambda k: self.scope.room(
            self.layout.names(("scratch", width, k), "scratch"), f"({width}, *tail)"))

    # --- one adjoint equation ---

    def _line(self, of: Sym) -> None:
        ends = {symbol.at(NOW) for symbol in self.program.cell.parameter_terms} | {self.program.input}
        if of in ends or of.time != NOW or of not in self.adjoints.kept:
            return
        if of in self.adjoints.home:
            self._slot(of)
        else:
            self._comment(of)
            self._gather(of, self._adjoint(of), self.adjoints.of(of), started=of in self.program.states)
            self._stored_state(of, whole=False)

    def _comment(self, *of: Sym) -> None:
        self.loop += [f"# {self.adjoints.equations[each]}" for each in of]

    def _stored_state(self, of: Sym, *, whole: bool) -> None:
        """Keep a state's adjoint for what is done after the loop, once it is whole: at once, or after its equation."""
        if of in self.program.states and of in self.adjoints.stored and whole == (of not in self.adjoints.lines):
            kept = self._step(self.layout.stored_adjoint(of))
            self.loop.append(f"{kept}[...] = {self._adjoint(of)}")

    def _gather(self, of: Sym, out: str, solved: Solved, *, started: bool) -> None:
        """`out` becomes, or grows by, factors times adjoints and products of matrices with adjoints."""
        for block in (block for block in self.program.blocks if of in block.vectors):
            adjoint = self._step(self.layout.adjoint_block(block))
            turned = self.scope.weight(self.layout.turned(block, of))
            part = out
            if started:
                part = self.scope.room(self.layout.names(("part", self.layout.width(of)), "part_"),
                                       f"({self.layout.width(of)}, *tail)")
            self.loop += [f"{turned}.dot({adjoint}, {part})", *[f"{out} += {part}"] * started]
            started = True
        for root, factor in solved:
            code: Code = self._adjoint(root)
            if factor != ONE:
                code = Call("multiply", (code, self._factor(factor, of)))
            self._emit(Call("add", (out, code)) if started else code, out, of)
            started = True
        if not started:
            self.loop.append(f"{out}[...] = 0")

    def _endings(self) -> None:
        """What goes on to the step before. It takes the place of what came from the step after, once nobody reads that."""
        states = self.program.states
        solved = {state: self.adjoints.of(state.prev) for state in states}
        late = []
        for k, state in enumerate(states):
            out = self._adjoint(state)
            self._comment(state.prev)
            own = [factor for root, factor in solved[state] if root == state]
            rest = [(root, factor) for root, factor in solved[state] if root != state]
            if any(root == state for other in states[k + 1:] for root, _ in solved[other]):
                late.append(f"{out}[...] = next_{out}")
                out = self.scope.room(f"next_{out}", f"({self.layout.width(state)}, *tail)")
                own, rest = [], solved[state]
            for factor in own:
                if factor != ONE:
                    self._emit(Call("multiply", (out, self._factor(factor, state))), out, state)
            self._gather(state.prev, out, rest, started=bool(own))
        self.loop += late

    # --- the adjoints of affine maps ---

    def _slot(self, of: Sym) -> None:
        """The adjoint of an affine map; with it those of its neighbours that are factors times adjoints."""
        layout = self.layout
        slot = self.adjoints.home[of]
        if slot in self.done:
            return
        self.done.add(slot)
        block, k = layout.slot[slot]
        if self._single(slot) is None:
            self._comment(slot)
            self._gather(of, self._adjoint(of), self.adjoints.of(slot), started=False)
            return
        start, stop = self._singles(block, k)
        members = block.members[start:stop]
        if self._read_alone(block, k) is not None:
            self.done |= set(members)
        elif not self.done.issuperset(members):
            return  # the last of them brings all
        self._comment(*members)
        self.prepared |= {member: self.adjoints.of(member)[0][1] for member in members}
        spread = self._spread(block, start, stop)
        self.loop.append(f"{self._step(layout.adjoint_run(block, start, stop))} *= {spread}")

    def _singles(self, block: Block, k: int) -> tuple[int, int]:
        """The neighbours of a slot whose adjoints are, as its own, a factor times one other each."""
        def key(j: int) -> object:
            if self._single(block.members[j]) is None:
                return j
            alone = self._read_alone(block, j)
            return alone if alone is None or self.layout.same_width(block) else j
        return run_of(k, len(block.slots), key)

    def _read_alone(self, block: Block, k: int) -> Sym | None:
        """The root of a slot whose adjoint others read in the loop, or whose root stands in a block: it waits for no other."""
        slot = block.members[k]
        root = self._single(slot)
        here = {of for of, home in self.adjoints.home.items() if home == slot}
        return root if here & self._roots or root in self.adjoints.home else None

    @cached_property
    def _roots(self) -> frozenset[Sym]:
        """The adjoints of which others are made in the loop."""
        ends = {symbol.at(NOW) for symbol in self.program.cell.parameter_terms} | {self.program.input}
        return frozenset(root for of in self.adjoints.lines if of not in ends for root, _ in self.adjoints.of(of))

    def _runs(self, block: Block, start: int, stop: int) -> Iterator[tuple[int, int, Sym]]:
        """The neighbours with the same root."""
        for first, last in runs(start, stop, lambda k: self._single(block.members[k])):
            root = self._single(block.members[first])
            assert root is not None
            yield first, last, root

    def _spread_roots(self) -> None:
        """Which adjoints lie in a spread from the start: those of states and others that have no array over time."""
        for block in self.program.blocks:
            k = 0
            while k < len(block.slots):
                start, k = self._singles(block, k)
                if k - start == 1:
                    continue
                for first, _, root in self._runs(block, start, k):
                    if root not in self.spread and (root in self.program.states or self._home(root) is None):
                        self.spread[root] = f"{self._spread_name(block, start)}[{self._rows(block, start, first, first + 1)}]"

    def _spread_name(self, block: Block, start: int) -> str:
        whole = self.layout.adjoint_block(block)
        return self.layout.names((block.members, start, "spread"), f"spread_{whole.name}")

    def _rows(self, block: Block, start: int, first: int, last: int) -> str:
        """Some slots among those from `start` on, as a slice."""
        members = block.members
        return ":".join(self.layout.width(*members[start:k]) if k > start else "" for k in (first, last))

    def _spread(self, block: Block, start: int, stop: int) -> str:
        """The array that has, for each of some neighbouring slots, the adjoint that its factor meets; it is filled here."""
        if stop - start == 1:
            root = self._single(block.members[start])
            assert root is not None
            return self._adjoint(root)
        layout = self.layout
        spread = self.scope.room(self._spread_name(block, start), f"({layout.width(*block.members[start:stop])}, *tail)")
        for first, last, root in self._runs(block, start, stop):
            value, here = self._adjoint(root), self._rows(block, start, first, first + 1)
            if self.spread.get(root) == f"{spread}[{here}]":
                first += 1
            if first == last:
                continue
            wish = f"spread_{'_'.join(of.name for of in block.members[first:last])}"
            name = layout.names((block.members, first, last, "spread"), wish)
            rows = f"{spread}[{self._rows(block, start, first, last)}]"
            if last - first > 1:
                rows += f".reshape({last - first}, {layout.width(block.members[first])}, *tail)"
            self.loop.append(f"{self.scope.part(name, rows)}[...] = {value}")
        return spread

    def _single(self, slot: Sym) -> Sym | None:
        """The one adjoint of which that of an affine map is a factor, other than 1."""
        solved = self.adjoints.of(slot)
        here = {of for of, home in self.adjoints.home.items() if home == slot}
        in_product = any(here & set(block.vectors) for block in self.program.blocks)
        return solved[0][0] if len(solved) == 1 and solved[0][1] != ONE and not in_product else None

    # --- factors of affine maps ---

    def _prepare(self, block: Block) -> None:
        """The factors of a block's adjoints, for the stretch: slopes of neighbouring gates together, then the rest."""
        k = 0
        while k < len(block.slots):
            slope = self._slope(block.members[k])
            stop = k + 1
            while stop < len(block.slots) and _same(self._slope(block.members[stop]), slope):
                stop += 1
            if slope is not None:
                values = self._now(self.layout.run(block, k, stop))
                out = self._now(self.layout.adjoint_run(block, k, stop))
                self.factors += self._evaluated(
                    sloped(slope.function, "", values, self.program.accuracy), out, block.members[k])
            for member in block.members[k:stop]:
                self._rest(block, member, slope)
            k = stop

    def _slope(self, member: Sym) -> Prime | None:
        """The slope in the factor of an affine map, if its value stands in the map's own place."""
        parts = _factors(self.prepared.get(member, ONE))
        found = [part for part in parts if isinstance(part, Prime)]
        if len(found) != 1 or "x" in slope_reads(found[0].function, self.program.accuracy):
            return None
        value = self.program.value_of(found[0])
        return found[0] if value is not None and self.layout.place(value) == self.layout.place(member) else None

    def _rest(self, block: Block, member: Sym, slope: Prime | None) -> None:
        if member not in self.prepared:
            return
        k = block.members.index(member)
        out = self._now(self.layout.adjoint_run(block, k, k + 1))
        mine = self._slope(member) if slope is not None else None
        rest = [part for part in _factors(self.prepared[member]) if part != mine]
        if mine is None:
            self.factors += self._evaluated(elementwise(times(*rest), self._value(self._now)), out, member)
        else:
            for part in rest:
                code = Call("multiply", (out, elementwise(part, self._value(self._now))))
                self.factors += self._evaluated(code, out, member)

    # --- the sums over time ---

    def _products(self) -> tuple[list[str], dict[Sym, list[str]]]:
        """What a chunk brings to the gradients: the lines, what each parameter gets of the sums, and what they are called."""
        layout, shares = self.layout, dict[Sym, list[str]]()
        lines: list[str] = ["# what these steps bring to the gradients"]
        sums: dict[str, str] = {}
        inputs: list[str] = []
        for block in self.program.blocks:
            whole = layout.adjoint_block(block)
            side = layout.names((block.members, "columns"), f"columns_{whole.name}")
            lines.append(f"{side} = columns({self._chunk(whole)})")
            for vector in block.vectors:
                gradient = f"d_{layout.weights(block, vector)}"
                slots, one = [slot.matrices[vector] for slot in block.slots], layout.one(block, vector)
                sums[gradient] = f"{side}.dot({self._sides(vector, one, lines)})"
                self._share(shares, block, gradient, slots)
                if one:
                    bias = f"d_{layout.bias(block)}"
                    self.cut.append(f"{gradient}, {bias} = {gradient}[:, :m], {gradient}[:, m]")
                    self._share(shares, block, bias, [slot.biases for slot in block.slots])
                if vector == self.program.input:
                    weights = self.scope.weight(layout.weights(block, vector))
                    inputs.append(f"{side}.T.dot({weights}, rows_d_x)" if not inputs else f"rows_d_x += {side}.T.dot({weights})")
            if layout.apart(block):
                sums[f"d_{layout.bias(block)}"] = f"{side}.sum(1)"
                self._share(shares, block, f"d_{layout.bias(block)}", [slot.biases for slot in block.slots])
        for symbol in self.program.cell.parameter_terms:
            for text in self._elementwise(symbol.at(NOW), symbol):
                name = layout.names(("sum", symbol, text), f"d_{symbol.name}")
                sums[name] = f"totals({text})"
                shares.setdefault(symbol, []).append(name)
        for text in self._elementwise(self.program.input, None):
            inputs.append(f"rows_d_x {'+' * bool(inputs)}= columns({text}).T" if inputs else f"rows_d_x[...] = columns({text}).T")
        lines.append("rows_d_x = d_x.reshape(T * B, m)[start * B:stop * B]")
        lines += inputs or ["rows_d_x[...] = 0"]
        lines += ["found = (", *(f"    {text}," for text in sums.values()), ")",
                  "sums = found if sums is None else added(sums, found)"]
        self.sums = list(sums)
        return lines, shares

    def _sides(self, vector: Sym, one: bool, lines: list[str]) -> str:
        """The rows of a vector at the steps of a chunk, for all sequences."""
        if vector == self.program.input:
            bare = any(self.layout.one(block, vector) for block in self.program.blocks) and not one
            base, width = ("x_1", "m + 1") if one or bare else ("own_x", "m")
            self._keep(base)
            return f"{base}.reshape(T * B, {width})[start * B:stop * B{', :m' * bare}]"
        name = self.layout.names(("rows", vector), f"rows_{self.layout.value(vector).name}")
        line = f"{name} = columns({self._chunk(self.layout.value(vector))}).T"
        if line not in lines:
            lines.append(line)
        return name

    def _after(self, shares: dict[Sym, list[str]]) -> Iterator[str]:
        """The gradients of the parameters, from the sums."""
        yield f"{', '.join(self.sums)}{',' * (len(self.sums) == 1)} = sums"
        yield from self.cut
        pieces = self.program.pieces
        whole = {symbol: " + ".join(shares[symbol]) for symbol in self.program.cell.parameter_terms}
        for symbol in dict.fromkeys(piece.parameter for piece in pieces.values()):
            parts = ", ".join(whole[name] for name, piece in pieces.items() if piece.parameter == symbol)
            whole[symbol] = f"np.concatenate([{parts}], 1)"
        yield "d_params = {"
        yield from (f"    {quoted(symbol)}: {whole[symbol]}," for symbol in self.program.original.parameter_terms)
        yield "}"

    def _share(self, shares: dict[Sym, list[str]], block: Block, gradient: str, parameters: list[tuple[Sym, ...]]) -> None:
        """Deal the slots of a block's gradient out to the parameters: the first gets a view, others copies."""
        for k, slot in enumerate(parameters):
            span = self.layout.span(block, k, k + 1) if len(parameters) > 1 else ""
            index = f"[{span}]" if span else ""
            for count, symbol in enumerate(slot):
                shares.setdefault(symbol, []).append(gradient + index + ".copy()" * bool(count))

    def _elementwise(self, of: Sym, parameter: Sym | None) -> Iterator[str]:
        """The shares of a parameter's or the input's adjoint that no product brings."""
        parts = [part for part in self.adjoints.lines[of] if part.matrix is None and part.outer is None]
        for part in parts:
            block_bias = parameter is not None and not part.factors and part.root in self.layout.slot and any(
                slot.of == part.root and parameter in slot.biases for block in self.program.blocks for slot in block.slots)
            if not block_bias:
                yield self._whole(part)

    def _whole(self, part: Part) -> str:
        home = self._home(part.root)
        code: Code = self.layout.state_adjoint(part.root) if home is None else self._chunk(home)
        factor = times(*part.factors)
        return str(code if factor == ONE else Call("multiply", (code, elementwise(factor, self._value(self._chunk)))))


def _factors(node: Term) -> tuple[Term, ...]:
    return node.args if isinstance(node, Hadamard) else (node,)


def _same(one: Prime | None, other: Prime | None) -> bool:
    return one is not None and other is not None and one.function == other.function
