"""The two passes of a unit as lines of functional code: what is done for all steps, and the loop as a function of one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from symlstm.algebra import NOW, Adj, Relation, Sym, Term, plain, term
from symlstm.generator.arrays import Arrays
from symlstm.generator.codes import Call, Code, folded
from symlstm.generator.rewrites.stacking import Stacked
from symlstm.generator.rows import Value
from symlstm.generator.scans.frame import Frame
from symlstm.generator.scans.schedule import schedule
from symlstm.generator.scans.shares import of_parameters, own_shares, summing, total
from symlstm.generator.wrapping import as_tuple


class Pass:
    """One of the two passes: its equations, when each is computed, and the constants that it needs at its head."""

    def __init__(self, frame: Frame, like: str) -> None:
        self.frame, self.target = frame, frame.target
        self.like = like  # an array that has the dtype of all
        self.made: dict[str, str] = {}

    def arrays(self, line: Relation, leaf: Callable[[Sym | Adj], str], *, whole: bool) -> Arrays:
        """How the terms of an equation are carried to code, for one step or for the whole of time."""
        frame = self.frame

        def value_of(node: Term) -> Sym | None:
            return next((of for of, made in frame.lines.items() if made.rhs == node and of != line.lhs), None)

        return Arrays(frame.shapes, line, leaf, self.constant, value_of, "T, B" if whole else "B", frame.text,
                      frame.target.accuracy)

    def constant(self, kind: str, size: str) -> str:
        """The name of what is made once."""
        name, text = self.frame.constant(kind, size, self.like)
        self.made[name] = f"{name} = {text}"
        return name

    def met(self, line: Relation, rhs: Term) -> set[Sym | Adj]:
        """What the code of an equation reads."""
        found: set[Sym | Adj] = set()

        def leaf(node: Sym | Adj) -> str:
            found.add(node)
            return "q"

        replace(self.arrays(line, leaf, whole=True), constant=lambda kind, size: "q")(rhs)
        return found

    def whole(self, value: Value, of: Sym, *front: str) -> Code:
        """A value with all axes; where there is one for all steps or sequences, it is repeated."""
        if value.many:
            return value.array()
        array = value.array() if value.rows else f"{self.constant('dtype', '')}({self.target.infix(value.code)})"
        return Call("broadcast_to", (array, f"({self.frame.inner(of, *front)})"))

    def zeros(self, of: Sym, *front: str) -> str:
        """An array of zeros for a quantity."""
        return self.target.constant("zeros", self.frame.inner(of, *front), self.like)

    def before(self, state: Sym, *, whole: bool) -> Iterator[str]:
        """The lines that put a state at t-1 together, for all t: the `whole` of it, or no more than what a loop reads."""
        frame, start, name = self.frame, self.frame.start(state), self.frame.name(state)
        both = self.target.call("concatenate", f"[{start}[None], {name}[:-1]]")
        yield f"# {plain(state.prev)}, for all t"
        yield f"{frame.name(state.prev)} = {both if whole else self.target.shifted.format(both=both, start=start, name=name)}"

    def scanned(self, loop: Loop, *, reverse: bool = False) -> Iterator[str]:
        """The lines of a loop: a step as a function, and what runs it."""
        rows, given = as_tuple(loop.rows), as_tuple(loop.given)
        yield from ("", "def step(before, now):", f"    {as_tuple(loop.carry)}, {rows} = before, now")
        yield from (f"    {line}" for line in loop.body)
        yield from (f"    return {as_tuple(loop.next)}, {given}", "")
        yield f"{as_tuple(loop.ends)}, {given} = scan(step, {as_tuple(loop.starts)}, {rows}, T{', reverse=True' * reverse})"


@dataclass(frozen=True)
class Loop:
    """The names and lines of a loop: what a step takes from the one before and of `rows`, what it hands on and gives."""

    carry: list[str]
    starts: list[str]
    rows: list[str]
    body: list[str]
    next: list[str]
    ends: list[str]
    given: list[str]


class Forward(Pass):
    """Writes the forward pass."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame, frame.name(frame.inputs[0]))
        self.reads = {of: self.met(line, line.rhs) for of, line in frame.lines.items()}
        self.carried = [state for state in frame.states if state.prev in set().union(*self.reads.values())]
        befores = {state.prev for state in self.carried}
        self.plan = schedule(self.reads, befores, {*self.carried})

    def lines(self, read: set[Sym]) -> list[str]:
        """From the inputs to what is after the loop; what is `read` by the backward pass outlasts its step."""
        frame, plan = self.frame, self.plan
        ahead = [line for of in plan.ahead for line in self._line(of, "T", "B")]
        body = [line for of in plan.loop for line in self._line(of, "B")]
        after = [line for of in plan.after for line in self._line(of, "T", "B")]
        inputs = [f"{name} = {self.target.own.format(given)}" for name, given in frame.given()]
        starts = [f"{frame.start(state)} = {self._start(state)}" for state in self.carried]
        loop = list(self.scanned(self._loop(body, read))) if plan.loop else []
        late = self._read(plan.after)
        befores = [line for state in self.carried if state.prev in late for line in self.before(state, whole=True)]
        return [*inputs, *self.made.values(), *starts, *ahead, *loop, *befores, *after]

    def _loop(self, body: list[str], read: set[Sym]) -> Loop:
        frame, plan, name = self.frame, self.plan, self.frame.name
        within, late = self._read(plan.loop), self._read(plan.after)
        beyond = late | read | {*frame.unit.outputs} | {state for state in self.carried if state.prev in late}
        return Loop(
            carry=[name(state.prev) for state in self.carried], starts=list(map(frame.start, self.carried)),
            rows=[name(of) for of in (*frame.inputs, *plan.ahead) if of in within], body=body,
            next=list(map(name, self.carried)), ends=list(map(self.last, self.carried)),
            given=[name(of) for of in plan.loop if of in beyond])

    def last(self, state: Sym) -> str:
        """A state after the last step."""
        name = self.frame.name(state)
        return self.frame.names(("last", state), f"{name.rstrip('_')}_last") if state in self.carried else f"{name}[-1]"

    def _read(self, part: Iterable[Sym]) -> set[Sym | Adj]:
        return {node for of in part for node in self.reads[of]}

    def _line(self, of: Sym, *front: str) -> Iterator[str]:
        line, whole = self.frame.lines[of], len(front) > 1
        value = self.arrays(line, lambda node: self.frame.name(node), whole=whole)(line.rhs)  # type: ignore[arg-type]  # no adjoint
        yield f"# {plain(line)}{', for all t' * whole}"
        yield f"{self.frame.name(of)} = {self.target.infix(self.whole(value, of, *front))}"

    def _start(self, state: Sym) -> str:
        k, zeros = self.frame.unit.place(state), self.zeros(state, "B")
        given = self.target.own.format(f"state[{k}]")
        return zeros if k is None else f"{zeros} if state is None else {given}.reshape(({self.frame.inner(state, 'B')}))"


class Backward(Pass):
    """Writes the backward pass. `kept` are the names that it needs from the forward pass, `read` the quantities behind them."""

    def __init__(self, frame: Frame, forward: Forward, stack: Stacked) -> None:
        super().__init__(frame, "d_outputs" if len(frame.unit.outputs) == 1 else "d_outputs[0]")
        self.carried, self.stack = forward.carried, stack
        # what is given at every step: by the loss of each, and for a state that no step reads, in the end
        self.outside = {*frame.unit.outputs, *(state for state in frame.states if state not in self.carried)}
        ends = {*(symbol.at(NOW) for symbol in frame.parameters), *(of.prev for of in frame.states if of not in self.carried)}
        inner = (of for of in frame.adjoints if of not in ends)
        order = dict.fromkeys((*(state for state in frame.states if state not in frame.adjoints), *inner))
        self.reads = {of: self._met(of) for of in order}
        needs = {of: {node.of for node in found if isinstance(node, Adj)} for of, found in self.reads.items()}
        arriving = {state.next for state in self.carried}
        for state in self.carried:
            needs[state].add(state.next)
        handed = {*self.carried, *(state.prev for state in self.carried)}
        self.plan = schedule(needs, arriving, handed, set(filter(frame.is_matrix, needs)))
        self.totals = {node for symbol in frame.parameters for node in self._met(symbol.at(NOW))}
        self.read = {node for found in (*self.reads.values(), self.totals) for node in found if isinstance(node, Sym)}

    def kept(self) -> list[str]:
        """The names that it needs from the forward pass."""
        frame = self.frame
        zero = [symbol for symbol in frame.parameters if frame.adjoints[symbol.at(NOW)].rhs == term(0)]
        found = [frame.name(of) for of in self.read if of.time in (None, NOW)] + list(map(frame.name, zero))
        for state in self._shifted():
            found += [frame.start(state), frame.name(state)]
        return sorted(set(found))

    def wanted(self) -> set[Sym]:
        """The quantities that it needs from the forward pass."""
        return self.read | {*self._shifted()}

    def _shifted(self) -> list[Sym]:
        return [state for state in self.carried if state.prev in self.read]

    def _met(self, of: Sym) -> set[Sym | Adj]:
        line = self.frame.adjoints.get(of)
        return self.met(line, self._rhs(of)) if line else set()

    def _rhs(self, of: Sym) -> Term:
        """The right side of an adjoint equation; of a state without what comes from outside or from the step after."""
        line = self.frame.adjoints.get(of)
        return term(0) if line is None else own_shares(line.rhs) if of in self.frame.states else line.rhs

    def lines(self) -> list[str]:
        """From the adjoints that are given to the gradients of the inputs and parameters."""
        plan = self.plan
        given = list(self._given())
        ahead = [line for of in plan.ahead for line in self._line(of, "T", "B")]
        body = [line for of in plan.loop for line in self._line(of, "B")]
        after = [line for of in plan.after for line in self._line(of, "T", "B")]
        params = list(self._params())
        whole = self.totals.union(*(self.reads[of] for of in (*plan.ahead, *plan.after)))
        befores = [line for state in self._shifted() for line in self.before(state, whole=state.prev in whole)]
        loop = [f"t = {self.target.steps}", *self.scanned(self._loop(body), reverse=True)] if plan.loop else []
        return [*given, *self.made.values(), *befores, *ahead, *loop, *after, *params]

    def _given(self) -> Iterator[str]:
        """The lines that take the adjoints of the outputs and of the last state."""
        frame, outputs = self.frame, self.frame.unit.outputs
        for k, output in enumerate(outputs):
            given = self.target.own.format("d_outputs" if len(outputs) == 1 else f"d_outputs[{k}]")
            yield f"{frame.outside(output)} = {given}.reshape(({frame.inner(output, 'T', 'B')}))"
        for state in frame.states:
            k, zeros = frame.unit.place(state), self.zeros(state, "B")
            given = self.target.own.format(f"d_state[{k}]")
            end = zeros if k is None else f"{zeros} if d_state is None else {given}.reshape(({frame.inner(state, 'B')}))"
            if state in self.carried:
                yield f"{frame.end(state)} = {end}"
            elif k is not None:
                name = frame.outside(state)
                if state not in outputs:
                    yield f"{name} = {self.zeros(state, 'T', 'B')}"
                yield f"{frame.end(state)} = {end}"
                yield f"{name} = {self.target.call('concatenate', f'[{name}[:-1], {name}[-1:] + {frame.end(state)}]')}"
            elif state not in outputs:
                yield f"{frame.outside(state)} = {self.zeros(state, 'T', 'B')}"

    def _loop(self, body: list[str]) -> Loop:
        frame, plan = self.frame, self.plan
        names = [frame.adjoint(state) for state in self.carried]
        within = {node for of in plan.loop for node in self.reads[of]}
        late = {*frame.inputs, *(node.of for of in plan.after for node in self.reads[of] if isinstance(node, Adj))}
        late |= {node.of for node in self.totals if isinstance(node, Adj)}
        outside = [frame.outside(of) for of in plan.loop if of in self.outside]
        values = sorted({frame.name(node) for node in within if isinstance(node, Sym) and node.time is not None})
        cut = as_tuple(self.target.kept_if.format(*[name] * self.target.kept_if.count("{}")) for name in names)
        count = "(t + since)" if self.target.stretches else "t"
        head = ["if truncate is not None:", f"    arrives = ({count} % truncate != 0) | (t == T)",
                f"    {as_tuple(names)} = {cut}"]
        ends = [frame.adjoint(state.prev) for state in self.carried]
        return Loop(
            carry=names, starts=[frame.end(state) for state in self.carried],
            rows=["t", *outside, *values, *(frame.adjoint(of) for of in plan.ahead if Adj(of) in within)],
            body=[*head, *body], next=ends, ends=ends,
            given=[frame.adjoint(of) for of in plan.loop if of in late])

    def _line(self, of: Sym, *front: str) -> Iterator[str]:
        """One adjoint equation under itself."""
        frame, name, rhs, whole = self.frame, self.frame.adjoint(of), self._rhs(of), len(front) > 1
        line, codes = frame.adjoints.get(of), list[Code]()
        if of in frame.states:
            codes += [name] * (of in self.carried) + [frame.outside(of)] * (of in self.outside)
        if rhs != term(0):
            assert line is not None  # its right side is not 0
            value = self.arrays(line, self._leaf, whole=whole)(rhs)
            codes.append(value.array() if codes else self.whole(value, of, *front))
        text = self.target.infix(folded("add", codes)) if codes else self.zeros(of, *front)
        if of in frame.inputs and codes and isinstance(codes[0], str):
            text = self.target.given.format(text)
        yield f"# {plain(line) if line else f'delta {plain(of)} is what is given'}{', for all t' * whole}"
        if text != name:
            yield f"{name} = {text}"

    def _params(self) -> Iterator[str]:
        """The gradients of the parameters: summed over time and batch."""
        sums, lines, known = list[str](), list[str](), list[Term]()
        for symbol in self.frame.parameters:
            if self.stack.shares.get(symbol) != symbol:
                note, text = self._total(symbol)
                sums += [note, f"{self.frame.adjoint(symbol)} = {text}"]
        for symbol, node in self.stack.shares.items():
            if node == symbol:
                note, text = self._total(symbol)
                lines.append(f"    {note}")
            else:
                text = of_parameters(self.frame, self.frame.shapes, node, self._sum)
                text = self.target.given.format(text) if node in known else text  # each has an array of its own
                known.append(node)
            lines.append(f'    "{symbol.name}": {text},')
        if not self.target.stretches:
            yield from (*sums, "d_params = {", *lines, "}")
            return
        rows = sorted({self._leaf(node) for node in self.totals if isinstance(node, Adj) or node.time is not None})
        yield from summing(lines, rows, "d_params", "into and into.params", sums)

    def _total(self, symbol: Sym) -> tuple[str, str]:
        """The gradient of one parameter of the code, after its equation."""
        line = self.frame.adjoints[symbol.at(NOW)]
        return f"# {plain(line)}, summed over t", total(self.arrays(line, self._leaf, whole=True), line, symbol, self.frame)

    def _leaf(self, node: Sym | Adj) -> str:
        """What a symbol or an adjoint is called."""
        return self.frame.adjoint(node.of) if isinstance(node, Adj) else self.frame.name(node)

    def _sum(self, node: Sym | Adj) -> str:
        """What the gradient of a parameter is called."""
        assert isinstance(node, Sym)
        return self.frame.adjoint(node)

    def first(self, state: Sym) -> str:
        """The adjoint of a state before the first step."""
        return self.frame.adjoint(state.prev) if state in self.carried else self.zeros(state, "B")
