"""Any cell as NumPy: quantities that are numbers, vectors or matrices, several inputs, any term that has a rule.

The code follows the equations one by one. An array has the steps in front, `q[t]` for t from 1 to T, and a state its start
in `q[0]`, so that a line reads as its equation does. The backward loop is the adjoint equations of the reverse sweep. What
needs nothing of the step before is done for all steps at once, before the loop; an adjoint that no step before needs,
and those of inputs and parameters, after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from textwrap import fill

from symlstm.algebra import NOW, Add, Adj, Partial, Relation, Sym, Term, plain, term, walk
from symlstm.generator.arrays import Arrays
from symlstm.generator.codes import WHOLE, folded, infix
from symlstm.generator.frame import Frame, Quantities, as_tuple
from symlstm.generator.units import Unit
from symlstm.rules import added
from symlstm.shapes import ONE

FUNCTIONS = '''@np.errstate(over="ignore", under="ignore")
def {ahead}(params, x, state=None):
    """Run the cell over {x_words}.

    It starts in the state {states}, in zero if that is None.
    """
{forward}
    outputs = {outputs}
    state = (
{last}
    )
    return Trace(outputs, state, (
        {kept}))


@np.errstate(over="ignore", under="ignore")
def {back}(trace, d_outputs, d_state=None):
    """All gradients of a loss, from its gradient with respect to the outputs and, if not None, to the last state."""
    ({kept}) = trace.kept
{given}
{backward}
    d_state = (
{first}
    )
    return Gradients(d_params, {d_inputs}, d_state)
'''


def general(unit: Unit) -> str:
    """The two functions of a unit. Raises `NotSupported` for what has no NumPy form, naming the equation.

    >>> from symlstm import zoo
    >>> "C[t] = f[t][..., None] * C[t - 1]" in general(Unit.of(zoo.ZOO["mlstm"]))
    True
    """
    frame = Frame(unit)
    back = Backward(frame)
    backward = back.lines()  # first: it says what it reads
    ahead = Forward(frame, back.read)
    inputs = [f"{frame.adjoint(symbol)}.reshape({frame.user(symbol, 'T')})" for symbol in frame.inputs]
    if not frame.single:
        pairs = (f'    "{symbol.name}": {text},' for symbol, text in zip(frame.inputs, inputs, strict=True))
        backward += ["d_x = {", *pairs, "}", "d_x = d_x if named else tuple(d_x.values())"]
    outputs = [f"{frame.name(output)}[1:].reshape({frame.user(output, 'T')}).copy()" for output in unit.outputs]
    starts = (f"{frame.adjoint(state)}[0].reshape({frame.user(state)}).copy()," for state in unit.seen)
    ends = (f"{frame.name(state)}[-1].reshape({frame.user(state)}).copy()," for state in unit.seen)
    kept = ", ".join(("batch", "B", *frame.sizes, *["named"] * (not frame.single), *back.kept))
    return FUNCTIONS.format(
        ahead=unit.name("forward"), back=unit.name("backward"),
        x_words=frame.words(), states=as_tuple(state.name for state in unit.seen), forward=indented(ahead.lines()),
        outputs=outputs[0] if len(outputs) == 1 else as_tuple(outputs), last=indented(ends, 2),
        kept=fill(kept, 110, subsequent_indent=" " * 8), given=indented(back.given()),
        backward=indented(backward), first=indented(starts, 2), d_inputs=inputs[0] if frame.single else "d_x")


class Pass:
    """One of the two passes under way, and the constants that it needs at its head."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.made: dict[str, str] = {}

    def arrays(self, line: Relation, leaf: Callable[[Sym | Adj], str], *, whole: bool) -> Arrays:
        """How the terms of an equation are carried to code, for one step or for the whole of time."""
        frame = self.frame

        def constant(kind: str, size: str) -> str:
            name, text = frame.constant(kind, size)
            self.made[name] = f"{name} = {text}"
            return name

        def value_of(node: Term) -> Sym | None:
            return next((of for of, made in frame.lines.items() if made.rhs == node and of != line.lhs), None)

        return Arrays(frame.shapes, line, leaf, constant, value_of, "T, B" if whole else "B", frame.text)

    def empty(self, name: str, of: Sym, function: str = "empty") -> str:
        """The line that makes an array over all steps, and the start."""
        return f"{name} = np.{function}(({self.frame.inner(of, 'T + 1', 'B')}), {self.frame.dtype})"


def _view(name: str, now: bool, whole: bool) -> str:
    """An array at t or at t-1: for the step of the loop, or for the whole of time."""
    return f"{name}{'[1:]' if now else '[:-1]'}" if whole else f"{name}{'[t]' if now else '[t - 1]'}"


class Forward(Pass):
    """Writes the forward pass. `read` are the quantities that the backward pass reads, so that they outlast their step."""

    def __init__(self, frame: Frame, read: set[Sym]) -> None:
        super().__init__(frame)
        self.lasting = read | frame.early | set(frame.states)

    def lines(self) -> list[str]:
        """From the sizes to the end of the loop."""
        frame, ahead, loop = self.frame, list[str](), list[str]()
        for of, line in frame.lines.items():
            early, name = of in frame.early, frame.name(of)
            value = self.arrays(line, lambda node, early=early: self._leaf(node, early), whole=early)(line.rhs)
            target = _view(name, True, early) if of in self.lasting else name
            (ahead if early else loop).extend([f"# {plain(line)}{', for all t' * early}", f"{target} = {infix(value.array())}"])
        arrays = [self.empty(frame.name(of), of) for of in frame.lines if of in self.lasting]
        starts = [f"{frame.name(state)}[0] = 0{self._start(state)}" for state in frame.states]
        return [*self._given(), *self.made.values(), *arrays, *starts, *ahead,
                "for t in range(1, T + 1):", *(f"    {line}" for line in loop)]

    def _start(self, state: Sym) -> str:
        k = self.frame.unit.place(state)
        return "" if k is None else f" if state is None else state[{k}].reshape({self.frame.inner(state, 'B')})"

    def _leaf(self, node: Sym | Adj, whole: bool) -> str:
        assert isinstance(node, Sym)
        name = self.frame.name(node)
        held = node.time is not None and (node.at(NOW) in self.lasting or node in self.frame.inputs)
        return _view(name, node.time == NOW, whole) if held else name

    def _given(self) -> Iterator[str]:
        """The lines that take the inputs and the parameters, as arrays of our own."""
        frame = self.frame
        yield from frame.taken(frame.sizes)
        yield f"# steps are counted from 1: {frame.name(frame.inputs[0])}[1] is the first"
        for name, given in frame.given():
            yield f"{name} = {given}"
            yield f"{name} = np.concatenate([np.zeros_like({name}[:1]), {name}])"
        yield from map(frame.owned, frame.parameters)


class Backward(Pass):
    """Writes the backward pass. `kept` are the names that it needs from the forward pass, `read` the quantities behind them."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.kept: dict[str, None] = {frame.name(frame.inputs[0]): None}  # whose dtype all arrays have
        self.read: set[Sym] = set()
        self.stored: set[Sym] = set(frame.states)  # the adjoints that outlast their step
        self.ends = {*(symbol.at(NOW) for symbol in frame.parameters), *frame.inputs}
        self.late = {of for of in frame.adjoints if of not in frame.looped and of not in self.ends}

    def given(self) -> Iterator[str]:
        """The lines that take the adjoints of the outputs."""
        if len(self.frame.unit.outputs) == 1:
            (output,) = self.frame.unit.outputs
            yield "T = len(d_outputs)"
            yield f"d_outputs = d_outputs.reshape({self.frame.inner(output, 'T', 'B')})"
        else:
            yield "T = len(d_outputs[0])"
            for k, output in enumerate(self.frame.unit.outputs):
                yield f"{self._given(output)} = d_outputs[{k}].reshape({self.frame.inner(output, 'T', 'B')})"

    def _given(self, output: Sym) -> str:
        """What the adjoint of an output is called as it comes from outside."""
        alone = len(self.frame.unit.outputs) == 1
        return "d_outputs" if alone else self.frame.names(("given", output), f"given_{self.frame.adjoint(output)}")

    def lines(self) -> list[str]:
        """From the arrays of the adjoints to the gradients of the inputs and parameters."""
        frame = self.frame
        after = [line for of in (*(of for of in frame.adjoints if of in self.late), *frame.inputs) for line in self._after(of)]
        after += self._params()
        loop = [f"{frame.adjoint(output)}[t] += {self._given(output)}[t - 1]" for output in frame.unit.outputs]
        for of in frame.adjoints:
            if of in frame.looped and of not in self.ends:
                loop += self._step(of)
        kept = [of for of in frame.adjoints if of in self.stored & frame.looped and of not in frame.states]
        names = [frame.adjoint(state) for state in frame.states]
        return [*self.made.values(), f"# {names[0]}[t] is first what arrives from the steps after t, then the whole",
                *(self.empty(name, state, "zeros") for name, state in zip(names, frame.states, strict=True)),
                *(self.empty(frame.adjoint(of), of) for of in kept),
                "if d_state is not None:",
                *(f"    {frame.adjoint(state)}[T] = d_state[{k}].reshape({frame.inner(state, 'B')})"
                  for k, state in enumerate(frame.unit.seen)),
                "for t in range(T, 0, -1):", *(f"    {line}" for line in loop), *after]

    def _step(self, of: Sym) -> list[str]:
        """One adjoint equation in the loop, under itself."""
        line, name = self.frame.adjoints[of], self.frame.adjoint(of)
        rhs = own_shares(line.rhs) if of in self.frame.states else line.rhs
        text = infix(self.arrays(line, lambda node: self._leaf(node, False), whole=False)(rhs).array())
        if of in self.frame.states:
            target = f"{name}[t] +="
        elif of.time != NOW:
            target = f"{name}[t - 1] ="
        else:
            target = f"{name}[t] =" if of in self.stored else f"{name} ="
            text = text if rhs != term(0) else f"np.zeros(({self.frame.inner(of, 'B')}), {self.frame.dtype})"
        return [f"# {plain(line)}", f"{target} {text}"]

    def _after(self, of: Sym) -> list[str]:
        """One adjoint equation for all steps, a new array."""
        line, name = self.frame.adjoints[of], self.frame.adjoint(of)
        value = self.arrays(line, lambda node: self._leaf(node, True), whole=True)(line.rhs)
        text = infix(value.array(), WHOLE if isinstance(value.code, str) else 0)
        if line.rhs == term(0):
            text = f"np.zeros(({self.frame.inner(of, 'T', 'B')}), {self.frame.dtype})"
        elif isinstance(value.code, str):
            text = f"{text}.copy()"
        return [f"# {plain(line)}, for all t", f"{name} = {text}"]

    def _params(self) -> Iterator[str]:
        """The gradients of the parameters: summed over time and batch."""
        frame = self.frame
        yield "d_params = {"
        for symbol in frame.parameters:
            line = frame.adjoints[symbol.at(NOW)]
            if line.rhs == term(0):
                self.kept.setdefault(frame.name(symbol))
            text = total(self.arrays(line, lambda node: self._leaf(node, True), whole=True), line, symbol, frame)
            yield f"    # {plain(line)}, summed over t"
            yield f'    "{symbol.name}": {text},'
        yield "}"

    def _leaf(self, node: Sym | Adj, whole: bool) -> str:
        """What a symbol or an adjoint is called, in the loop or after it."""
        if isinstance(node, Adj):
            name = self.frame.adjoint(node.of)
            if node.of in self.late:
                return name
            if whole:
                self.stored.add(node.of)
            return _view(name, True, whole) if node.of in self.stored else name
        name = self.frame.name(node)
        self.kept.setdefault(name)
        if node.time is None:
            return name
        self.read.add(node.at(NOW))
        return _view(name, node.time == NOW, whole)


def total(arrays: Arrays, line: Relation, symbol: Sym, frame: Quantities) -> str:
    """The gradient of a parameter by its adjoint equation: summed over time and batch."""
    own, shares = frame.lengths(symbol), line.rhs.args if isinstance(line.rhs, Add) else (line.rhs,)
    zero = f"np.zeros_like({frame.name(symbol)})"
    text = zero if line.rhs == term(0) else infix(folded("add", list(map(arrays.total, shares))))
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
    return "\n".join(_short("    " * times + line) for line in lines)


def _short(line: str) -> str:
    head, sign, formula = line.partition("= ")
    if len(line) <= 120 or line.lstrip().startswith("#"):
        return line
    if not line.lstrip().startswith('"'):  # an entry of a dictionary stands in brackets already
        line = f"{head}{sign}({formula})"
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return fill(line, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
