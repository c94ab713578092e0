"""The backward pass as lines of Python: factors first, then the loop that carries the adjoints, then the weights.

The steps are taken in stretches, the last first. For a stretch, every factor that does not depend on an adjoint is
computed for all its steps at once; the factors of the affine maps are written where their adjoints will stand, so
that the loop only multiplies them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from symlstm.algebra import NOW, Hadamard, Prime, Sym, Term, term
from symlstm.generator.adjoints import Part, Solved
from symlstm.generator.codes import Call, Code, activated, elementwise, slope_reads, sloped, statements, with_constants
from symlstm.generator.forward import flat, loop_over, quoted, stretch
from symlstm.generator.layout import Array, Layout, Scope, views_last
from symlstm.generator.program import Block
from symlstm.generator.rows import backward_product, weight_product
from symlstm.rules import times

CACHE = 2**18  # bytes of factors that are prepared at a time: they stay in the second-level cache until they are used
ONE = term(1)


class Backward:
    """Writes the backward pass from the adjoint equations. `kept` are the arrays that it needs from the forward pass."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.program, self.adjoints = layout, layout.program, layout.program.adjoints
        self.kept: list[str] = ["x"]
        given = (layout.given_adjoint(output).base for output in self.program.unit.outputs)
        self.scope = Scope(self._allocated, given=["x", *given])
        self.factors: list[str] = []
        self.loop: list[str] = []
        self.done: set[Sym] = set()
        self.prepared: dict[Sym, Term] = {}

    def lines(self) -> list[str]:
        """The body of `backward`, from the sizes to the gradient of the inputs."""
        layout, program = self.layout, self.program
        for state in program.states:
            width, k = layout.width(state), program.unit.place(state)
            given = "" if k is None else f' if d_state is None else np.array(d_state[{k}], order="C").reshape(B, {width})'
            self.scope.make(layout.state_adjoint(state), f"np.zeros((B, {width}), x.dtype){given}")
        self.loop += [f"{layout.state_adjoint(output)} += {self.scope.step_back(layout.given_adjoint(output))}"
                      for output in program.unit.outputs]
        for state in program.states:
            self._stored_state(state, whole=True)
        for of in self.adjoints.lines:
            self._line(of)
        self._endings()
        for block in program.blocks:
            self._prepare(block)
        after = list(self._after())
        members = [member for block in program.blocks for member in block.members] or [program.states[0]]
        steps = f"steps = min(T, max(1, {CACHE} // (B * {layout.wide(*members)} * x.itemsize)))  # what stays in the cache"
        views = [f"{name} = {view}" for name, view in self.scope.now_views.items()]
        factors = ["# the factors that need no adjoint", *self.factors] if self.factors else []
        body = ["now = slice(max(late - steps, 0), late)", *views, *factors, *loop_over(self.scope.step_views, self.loop)]
        return [steps, *views_last(self.scope.head),
                "for late in range(T, 0, -steps):", *(f"    {line}" for line in body), *after]

    # --- names of values and of adjoints ---

    def _allocated(self, array: Array) -> str:
        if not array.base.removeprefix("all_").startswith("d_"):
            self.kept.append(array.base)
            return ""
        return f"np.empty((T, B, {array.width}), x.dtype)"

    def _keep(self, name: str) -> str:
        if name not in self.kept:
            self.kept.append(name)
        return name

    def _value(self, view: Callable[[Array], str]) -> Callable[[Term], Code]:
        """How a formula of values is read: `view` says for all steps, for a stretch or for one step."""
        def read(part: Term) -> Code:
            if isinstance(part, Prime):
                reads, value = slope_reads(part.function), self.program.value_of(part)
                argument = elementwise(part.arg, read) if value is None or "x" in reads else ""
                if value is None:
                    return sloped(part.function, argument, activated(part.function, argument))
                return sloped(part.function, argument, read(value) if "y" in reads else "")
            assert isinstance(part, Sym)
            return self._keep(self.layout.parameter(part)) if part.time is None else view(self.layout.value(part))
        return read

    def _home(self, root: Sym) -> Array | None:
        """The array over time that holds an adjoint, if there is one."""
        if root in self.adjoints.home:
            block, k = self.layout.slot[self.adjoints.home[root]]
            return self.layout.adjoint_run(block, k, k + 1)
        return self.layout.stored_adjoint(root) if root in self.adjoints.stored else None

    def _adjoint(self, root: Sym) -> str:
        """An adjoint at the step of the loop."""
        if root in self.program.states:
            return self.layout.state_adjoint(root)
        home = self._home(root)
        if home is not None:
            return self.scope.step_back(home)
        name = self.layout.names(("adjoint", root), f"d_{root.name}")
        return self.scope.make(name, f"np.empty((B, {self.layout.width(root)}), x.dtype)")

    def _factor(self, factor: Term, like: Sym) -> Code:
        """A factor at the step of the loop; what must be computed is computed for the whole stretch."""
        if isinstance(factor, Sym):
            return self._value(self.scope.step_back)(factor)
        layout, width = self.layout, self.layout.width(like)
        name = layout.names(("factor", factor, width), f"factor_{like.name}")
        self.scope.make(f"all_{name}", f"np.empty((steps, B, {width}), x.dtype)")
        if f"now_{name}" not in self.scope.now_views:
            self.scope.now_views[f"now_{name}"] = f"all_{name}[:now.stop - now.start]"
            self.factors += self._evaluated(elementwise(factor, self._value(self.scope.now)), f"now_{name}", like)
        self.scope.step_views[name] = f"now_{name}[::-1]"
        return name

    def _evaluated(self, code: Code, out: str, like: Sym) -> list[str]:
        """Statements for a stretch of steps."""
        def spare(k: int) -> str:
            name = self.layout.names(("spare", self.layout.width(like), k), "spare")
            self.scope.make(f"all_{name}", f"np.empty((steps, B, {self.layout.width(like)}), x.dtype)")
            self.scope.now_views[f"now_{name}"] = f"all_{name}[:now.stop - now.start]"
            return f"now_{name}"
        return statements(code, out, spare)

    def _emit(self, code: Code, out: str, like: Sym) -> None:
        """Statements for one step of the loop."""
        width = self.layout.width(like)
        code = with_constants(code, lambda text: self.scope.constant(self.layout.names, text))
        self.loop += statements(code, out, lambda k: self.scope.make(
            self.layout.names(("scratch", width, k), "scratch"), f"np.empty((B, {width}), x.dtype)"))

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
            kept = self.scope.step_back(self.layout.stored_adjoint(of))
            self.loop.append(f"{kept}[...] = {self.layout.state_adjoint(of)}")

    def _gather(self, of: Sym, out: str, solved: Solved, *, started: bool) -> None:
        """`out` becomes, or grows by, factors times adjoints and products of matrices with adjoints."""
        for block in (block for block in self.program.blocks if of in block.vectors):
            adjoint = self.scope.step_back(self.layout.adjoint_block(block))
            left, right = backward_product(self._keep(self.layout.weights(block, of)), adjoint)
            part = out
            if started:
                part = self.scope.make(self.layout.names(("part", self.layout.width(of)), "part_"), f"np.empty_like({out})")
            product = "matmul" if part == out and of in self.adjoints.home else "dot"  # dot is quicker, into a whole array
            self.loop += [f"np.{product}({left}, {right}, out={part})", *[f"{out} += {part}"] * started]
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
            out = self.layout.state_adjoint(state)
            self._comment(state.prev)
            own = [factor for root, factor in solved[state] if root == state]
            rest = [(root, factor) for root, factor in solved[state] if root != state]
            if any(root == state for other in states[k + 1:] for root, _ in solved[other]):
                late.append(f"{out}[...] = next_{out}")
                out, own, rest = self.scope.make(f"next_{out}", f"np.empty_like({out})"), [], solved[state]
            for factor in own:
                if factor != ONE:
                    self._emit(Call("multiply", (out, self._factor(factor, state))), out, state)
            self._gather(state.prev, out, rest, started=bool(own))
        self.loop += late

    def _slot(self, of: Sym) -> None:
        """The adjoint of an affine map; with it those of its neighbours that are a factor times the same adjoint."""
        layout = self.layout
        slot = self.adjoints.home[of]
        if slot in self.done:
            return
        block, k = layout.slot[slot]
        root = self._single(slot)
        if root is None:
            self.done.add(slot)
            self._comment(slot)
            self._gather(of, self._adjoint(of), self.adjoints.of(slot), started=False)
            return
        start, stop = stretch(k, len(block.slots), lambda j: self._single(block.members[j]) == root and layout.same_width(block))
        members = block.members[start:stop]
        self.done |= set(members)
        self._comment(*members)
        self.prepared |= {member: self.adjoints.of(member)[0][1] for member in members}
        name = self._adjoint(root)
        if len(members) > 1:
            name = f"{name}[:, None]" if self._home(root) else self.scope.make(f"apart_{name}", f"{name}[:, None]")
        self.loop.append(f"{self.scope.step_back(layout.adjoint_run(block, start, stop, apart=len(members) > 1))} *= {name}")

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
                values = self.scope.now(self.layout.run(block, k, stop))
                out = self.scope.now(self.layout.adjoint_run(block, k, stop))
                self.factors += self._evaluated(sloped(slope.function, "", values), out, block.members[k])
            for member in block.members[k:stop]:
                self._rest(block, member, slope)
            k = stop

    def _slope(self, member: Sym) -> Prime | None:
        """The slope in the factor of an affine map, if its value stands in the map's own place."""
        parts = _factors(self.prepared.get(member, ONE))
        found = [part for part in parts if isinstance(part, Prime)]
        if len(found) != 1 or "x" in slope_reads(found[0].function):
            return None
        value = self.program.value_of(found[0])
        return found[0] if value is not None and self.layout.place(value) == self.layout.place(member) else None

    def _rest(self, block: Block, member: Sym, slope: Prime | None) -> None:
        if member not in self.prepared:
            return
        k = block.members.index(member)
        out = self.scope.now(self.layout.adjoint_run(block, k, k + 1))
        mine = self._slope(member) if slope is not None else None
        rest = [part for part in _factors(self.prepared[member]) if part != mine]
        if mine is None:
            self.factors += self._evaluated(elementwise(times(*rest), self._value(self.scope.now)), out, member)
        else:
            for part in rest:
                code = Call("multiply", (out, elementwise(part, self._value(self.scope.now))))
                self.factors += self._evaluated(code, out, member)

    # --- after the loop ---

    def _after(self) -> Iterator[str]:
        """The gradients of the parameters and of the inputs."""
        layout, shares = self.layout, dict[Sym, list[str]]()
        inputs: list[str] = []
        for block in self.program.blocks:
            whole = layout.adjoint_block(block)
            rows = layout.names((block.members, "rows"), f"rows_{whole.name}")
            yield f"{rows} = {flat(self.scope.all(whole), whole.width)}"
            for vector in block.vectors:
                gradient = f"d_{layout.weights(block, vector)}"
                values = flat(self.scope.all(layout.value(vector)), layout.width(vector))
                yield f"{gradient} = {' @ '.join(weight_product(rows, values))}"
                self._share(shares, block, gradient, [slot.matrices[vector] for slot in block.slots])
                if vector == self.program.input:
                    inputs.append(" @ ".join(backward_product(self._keep(layout.weights(block, vector)), rows)))
            if block.biased:
                yield f"d_{layout.bias(block)} = {rows}.sum(0)"
                self._share(shares, block, f"d_{layout.bias(block)}", [slot.biases for slot in block.slots])
        for symbol in self.program.cell.parameter_terms:
            shares.setdefault(symbol, []).extend(f"{text}.sum((0, 1))" for text in self._elementwise(symbol.at(NOW), symbol))
        pieces = self.program.pieces
        whole = {symbol: " + ".join(shares[symbol]) for symbol in self.program.cell.parameter_terms}
        for symbol in dict.fromkeys(piece.parameter for piece in pieces.values()):
            columns = ", ".join(whole[name] for name, piece in pieces.items() if piece.parameter == symbol)
            whole[symbol] = f"np.concatenate([{columns}], 1)"
        inputs += [flat(text, "m") for text in self._elementwise(self.program.input, None)]
        yield "d_params = {"
        yield from (f"    {quoted(symbol)}: {whole[symbol]}," for symbol in self.program.original.parameter_terms)
        yield "}"
        yield f"d_x = {' + '.join(inputs) or 'np.zeros_like(x)'}"

    def _share(self, shares: dict[Sym, list[str]], block: Block, gradient: str, parameters: list[tuple[Sym, ...]]) -> None:
        """Deal the slots of a block's gradient out to the parameters: the first gets a view, others copies."""
        for k, slot in enumerate(parameters):
            span = f"[{self.layout.span(block, k, k + 1)}]" if len(parameters) > 1 else ""
            for count, symbol in enumerate(slot):
                shares.setdefault(symbol, []).append(gradient + span + ".copy()" * bool(count))

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
        code: Code = self.layout.state_adjoint(part.root) if home is None else self.scope.all(home)
        factor = times(*part.factors)
        return str(code if factor == ONE else Call("multiply", (code, elementwise(factor, self._value(self.scope.all)))))


def _factors(node: Term) -> tuple[Term, ...]:
    return node.args if isinstance(node, Hadamard) else (node,)


def _same(one: Prime | None, other: Prime | None) -> bool:
    return one is not None and other is not None and one.function == other.function
