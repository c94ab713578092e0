"""Any cell for any target: quantities that are numbers, vectors or matrices, several inputs, any term that has a rule.

The code follows the equations one by one. What needs nothing of the step before is done for all steps at once, before the
loop; what no other step needs, after it. The loop is a function of one step, without assignment into arrays, which the
target's `scan` runs: inside that function a name is a quantity at one step, outside it at all steps. The backward pass is
the adjoint equations of the reverse sweep, arranged in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from textwrap import fill

from symlstm.algebra import NOW, Add, Adj, Blocks, Partial, Relation, Rows, Sym, Term, equation, plain, term, walk
from symlstm.generator.arrays import Arrays
from symlstm.generator.codes import Call, Code, folded
from symlstm.generator.frame import Frame, Quantities, as_tuple
from symlstm.generator.rows import Value
from symlstm.generator.stacking import Stacked, hoisted, stacked
from symlstm.generator.targets import NUMPY, Target
from symlstm.generator.units import Unit
from symlstm.rules import added
from symlstm.shapes import ONE, Shapes

FUNCTIONS = '''def {prepare}(params):
    """The parameters as both passes read them; `{ahead}` takes the result in place of `params`."""
{prepared}


{workspace}{above}def {ahead}(params, x, state=None{takes_workspace}):
    """Run the cell over {x_words}.

    It starts in the state {states}, in zero if that is None.
    """
{forward}
    outputs = {outputs}
    state = (
{last}
    )
{kept}
    return Trace(outputs, state, kept, (tuple(batch), {sizes}))


{above_back}def {back}(trace, d_outputs, d_state=None, truncate=None{into}):
    """All gradients of a loss, from its gradient with respect to the outputs and, if not None, to the last state.

    With `truncate`, nothing arrives from the step after where a stretch of so many steps ends.{into_words}
    """
{backward}
    d_state = (
{first}
    )
    return Gradients(d_params, {d_inputs}, d_state)
'''
WORKSPACE = ", workspace=None"
NO_WORKSPACE = '''def {workspace}(T, B, dtype, /, **sizes):
    """Nothing: all arrays are made anew for each run."""


'''
INTO = """
    Of a longer run, `into` are the gradients of the steps after these, to which those of the parameters are added, and `since`
    is how many steps came before."""


# --- which equation is computed when -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Schedule:
    """Equations in order of evaluation: `ahead` of the loop for all steps, in the `loop`, and `after` it for all steps."""

    ahead: tuple[Sym, ...]
    loop: tuple[Sym, ...]
    after: tuple[Sym, ...]


def schedule(needs: Mapping[Sym, Set[Sym | Adj]], carried: set[Sym], handed: set[Sym]) -> Schedule:
    """The schedule of equations in order of evaluation, by what each needs.

    What needs anything that the step before hands on, `carried`, is not ahead; what is not needed for what is `handed` on to
    the next step is not in the loop.

    >>> a, b, c, h = (Sym(name, NOW) for name in "abch")
    >>> schedule({a: set(), h: {a, h.prev}, b: {h}, c: {a}}, {h.prev}, {h})
    Schedule(ahead=(a[t], c[t]), loop=(h[t],), after=(b[t],))
    """
    late: set[Sym | Adj] = set(carried)
    for of, needed in needs.items():
        if needed & late:
            late.add(of)
    wanted: set[Sym | Adj] = set(handed)
    for of in reversed(tuple(needs)):
        if of in wanted:
            wanted |= needs[of]
    return Schedule(
        tuple(of for of in needs if of not in late),
        tuple(of for of in needs if of in late and of in wanted),
        tuple(of for of in needs if of in late and of not in wanted))


# --- the code ------------------------------------------------------------------------------------------------------------


def functional(unit: Unit, target: Target = NUMPY) -> str:
    """The functions of a unit. Raises `NotSupported` for what has no form in code, naming the equation.

    >>> from symlstm import zoo
    >>> "C = f[..., None] * C_prev" in functional(Unit.of(zoo.ZOO["mlstm"]))
    True
    """
    stack = stacked(unit.cell)
    frame = Frame(replace(unit, cell=hoisted(stack.cell)), target, unit.cell)
    ahead = Forward(frame)
    back = Backward(frame, ahead, stack)
    inputs = [f"{frame.adjoint(symbol)}.reshape({frame.user(symbol, 'T')})" for symbol in frame.inputs]
    outputs = [target.given.format(f"{frame.name(output)}.reshape({frame.user(output, 'T')})") for output in unit.outputs]
    last = (target.given.format(f"{ahead.last(state)}.reshape({frame.user(state)})") + "," for state in unit.seen)
    first = (target.given.format(f"{back.first(state)}.reshape({frame.user(state)})") + "," for state in unit.seen)
    sizes = ", ".join(("T", "B", *frame.sizes, *["named"] * (not frame.single)))
    weights, kept = as_tuple(map(frame.name, frame.parameters)), as_tuple(back.kept())
    prepared = [*_prepared(frame, stack), f"return Weights(dict(params), {weights})"]
    forward = [f"weights = params if isinstance(params, Weights) else {unit.name('prepare')}(params)", *frame.taken(frame.sizes),
               f"{weights} = weights.arrays", *ahead.lines(back.wanted())]
    backward = [f"batch, {sizes} = trace.sizes", f"{kept} = trace.kept", *back.lines()]
    if not frame.single:
        pairs = (f'    "{symbol.name}": {text},' for symbol, text in zip(frame.inputs, inputs, strict=True))
        backward += ["d_x = {", *pairs, "}", "d_x = d_x if named else tuple(d_x.values())"]
    return FUNCTIONS.format(
        prepare=unit.name("prepare"), ahead=unit.name("forward"), back=unit.name("backward"),
        workspace=NO_WORKSPACE.format(workspace=unit.name("workspace")) * target.stretches,
        takes_workspace=WORKSPACE * target.stretches, above=target.ahead, above_back=target.back, prepared=indented(prepared),
        x_words=frame.words(), states=as_tuple(state.name for state in unit.seen), forward=indented(forward),
        outputs=outputs[0] if len(outputs) == 1 else as_tuple(outputs), last=indented(last, 2),
        kept=indented([f"kept = {kept}"]), sizes=sizes,
        into=", into=None, since=0" * target.stretches, into_words=INTO * target.stretches, backward=indented(backward),
        first=indented(first, 2), d_inputs=inputs[0] if frame.single else "d_x")


def _prepared(frame: Frame, stack: Stacked) -> Iterator[str]:
    """The lines that make the parameters of the code from those that a caller gives."""
    wanted = {size.name for node in stack.made.values() for part in walk(node) if isinstance(part, Rows)
              for end in (part.start, part.stop) for size in walk(end) if isinstance(size, Sym)}
    yield from frame.prepared_sizes(wanted)
    for symbol in frame.parameters:
        node = stack.made[symbol]
        if node == symbol:
            yield frame.owned(symbol)
        else:
            text = _parameters(frame, stack, node)
            yield f"# {symbol.name} = {plain(node)}"
            yield f"{frame.name(symbol)} = {text if isinstance(node, Blocks) else frame.target.own.format(text)}"


def _parameters(frame: Frame, stack: Stacked, node: Term) -> str:
    """A term of the given parameters."""
    def leaf(of: Sym | Adj) -> str:
        assert isinstance(of, Sym)
        return frame.target.taken.format(f'params["{of.name}"]')

    return of_parameters(frame, frame.given_cell.shapes, node, leaf)


def of_parameters(frame: Quantities, shapes: Shapes, node: Term, leaf: Callable[[Sym | Adj], str]) -> str:
    """A term that has only parameters in it."""
    def none(*_: str) -> str:
        raise AssertionError("no constants are among parameters")

    arrays = Arrays(shapes, equation(node, node), leaf, none, lambda _: None, "", frame.text)
    return frame.target.infix(arrays(node).array())


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

    def before(self, state: Sym) -> Iterator[str]:
        """The lines that put a state at t-1 together, for all t."""
        frame, both = self.frame, f"[{self.frame.start(state)}[None], {self.frame.name(state)}[:-1]]"
        yield f"# {plain(state.prev)}, for all t"
        yield f"{frame.name(state.prev)} = {self.target.call('concatenate', both)}"

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
        befores = [line for state in self.carried if state.prev in late for line in self.before(state)]
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
        self.plan = schedule(needs, arriving, {*self.carried, *(state.prev for state in self.carried)})
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
        befores = [line for state in self._shifted() for line in self.before(state)]
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
        late = {node.of for of in plan.after for node in self.reads[of] if isinstance(node, Adj)}
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


def summing(entries: Iterable[str], rows: Sequence[str], found: str, into: str, before: Iterable[str] = ()) -> Iterator[str]:
    """Lines that sum the entries of a dictionary over time, a chunk of steps at a time; with the lines `before` them they
    read the arrays `rows`."""
    body = [*before, "return {", *entries, "}"]
    if any("(T, B" in line for line in body):
        body.insert(0, f"T = len({rows[0]})")
    yield from ("", "def share(now):", f"    {as_tuple(rows)} = now", *(f"    {line}" for line in body), "")
    yield f"{found} = summed(share, {as_tuple(rows)}, T, chunk_of(B), {into})"


def total(arrays: Arrays, line: Relation, symbol: Sym, frame: Quantities) -> str:
    """The gradient of a parameter by its adjoint equation: summed over time and batch."""
    own, shares = frame.lengths(symbol), line.rhs.args if isinstance(line.rhs, Add) else (line.rhs,)
    zero = frame.target.call("zeros_like", frame.name(symbol))
    text = zero if line.rhs == term(0) else frame.target.infix(folded("add", list(map(arrays.total, shares))))
    if own and own[0] != ONE:
        return text
    return f"{text if len(shares) == 1 and text[0] != '-' else f'({text})'}.reshape({as_tuple(map(frame.text, own))})"


def own_shares(node: Term) -> Term:
    """The adjoint of a state without what is in its array already: what arrives, and what the loss of the step gives."""
    def given(part: Term) -> bool:
        return isinstance(part, Partial) or (isinstance(part, Adj) and part.arriving)
    found = added(*(arg for arg in (node.args if isinstance(node, Add) else (node,)) if not given(arg)))
    assert not any(map(given, walk(found))), f"what arrives is no summand of {plain(node)}"
    return found


def indented(lines: Iterable[str], times: int = 1) -> str:
    """Lines as the body of a function; a formula that is too long for one line goes over several."""
    return "\n".join(_short("    " * times + line) if line else "" for line in lines)


def _short(line: str) -> str:
    if len(line) <= 120 or line.lstrip().startswith("#"):
        return line
    head, sign, formula = line.partition("= ")
    if sign and not (line.lstrip().startswith('"') or _closed(formula) or _closed(head.strip())):  # brackets are there already
        formula = f"({formula})"
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    line = f"{head.rstrip()}~{sign.rstrip()}~{formula}" if sign else line
    text = fill(line, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return text.replace("~", " ")  # no line ends at the sign


def _closed(text: str) -> bool:
    """Whether the first bracket of a text is closed by its last letter."""
    if not text.startswith("("):
        return False
    open_, depths = 0, list[int]()
    for letter in text:
        open_ += (letter in "([{") - (letter in ")]}")
        depths.append(open_)
    return depths.index(0) == len(text) - 1
