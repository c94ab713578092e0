"""Any cell as NumPy: quantities that are numbers, vectors or matrices, several inputs, any term that has a rule.

The code follows the equations one by one. An array has the steps in front, `q[t]` for t from 1 to T, and a state its start
in `q[0]`, so that a line reads as its equation does. The backward loop is the adjoint equations of the reverse sweep. What
needs nothing of the step before is done for all steps at once, before the loop; an adjoint that no step before needs,
and those of inputs and parameters, after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from textwrap import fill

from symlstm.algebra import NOW, Adj, NotSupported, Relation, Sym, Term, defined, plain, walk
from symlstm.generator.arrays import Arrays
from symlstm.generator.codes import WHOLE, infix
from symlstm.generator.layout import Names, size_text
from symlstm.generator.normal import valued
from symlstm.generator.rows import axes, solved
from symlstm.model import Cell
from symlstm.reverse import AdjointLine, sweep
from symlstm.rules import added
from symlstm.shapes import ONE, Length

FUNCTIONS = '''@np.errstate(over="ignore", under="ignore")
def forward(params, x, state=None):
    """Run the cell over {x_words}.

    It starts in the state {states}, in zero if that is None.
    """
{forward}
    outputs = {output}[1:].reshape({output_shape}).copy()
    state = (
{last}
    )
    return Trace(outputs, state, (
        {kept}))


@np.errstate(over="ignore", under="ignore")
def backward(trace, d_outputs, d_state=None):
    """All gradients of a loss, from its gradient with respect to the outputs and, if not None, to the last state."""
    ({kept}) = trace.kept
    T = len(d_outputs)
    d_outputs = d_outputs.reshape({output_whole})
{backward}
    d_state = (
{first}
    )
    return Gradients(d_params, {d_inputs}, d_state)
'''

_RESERVED = frozenset({
    "np", "Trace", "Gradients", "forward", "backward", "params", "x", "d_x", "named", "state", "trace", "outputs", "d_outputs",
    "d_state", "d_params", "kept", "batch", "T", "B", "t", "_", "len", "range", "tuple", "dict", "isinstance"})


def general(cell: Cell) -> str:
    """The two functions of a cell's module. Raises `NotSupported` for what has no NumPy form, naming the equation.

    >>> from symlstm import zoo
    >>> "C[t] = f[t][..., None] * C[t - 1]" in general(zoo.ZOO["mlstm"])
    True
    """
    return _General(cell).written()


class _General:
    """Writes both passes. `kept` are the names that the backward pass needs from the forward pass."""

    def __init__(self, cell: Cell) -> None:
        if not cell.input_terms:
            raise NotSupported("A cell without an input has no sequence to run over.", cell.name, "a cell with an input")
        self.original, self.cell = cell, valued(cell)
        self.shapes, self.states = self.cell.shapes, cell.state_terms
        self.lines = {defined(line): line for line in self.cell.named}
        self.adjoints = {line.of: line for line in sweep(self.cell).lines}
        self.single = len(cell.input_terms) == 1
        self.names = Names(_RESERVED - ({"x", "d_x"} if self.single else set()))
        self.sizes = {self._text(((size, 1),)): text for size, text in self._sizes().items()}
        if self.single:
            self.names(("value", cell.input_terms[0].name), "x")
            self.names(("adjoint", cell.input_terms[0].name), "d_x")
        for symbol in (*cell.input_terms, *self.states, *self.lines, *cell.parameter_terms):
            self.names(("value", symbol.name), symbol.name)
        self.early = self._early()
        self.looped = self._looped()
        self.kept: dict[str, None] = {}
        self.read: set[Sym] = set()  # the quantities that the backward pass reads, and what else must outlast its step
        self.stored: set[Sym] = set()  # the adjoints that are read after the loop
        self.constants: dict[str, str] = {}

    def written(self) -> str:
        backward = self._backward()
        kept_constants, self.constants = self.constants, {}
        forward = self._forward()
        names, states = self._name, self.states
        kept = ", ".join(("batch", "B", *self.sizes, *self.kept))
        last = [f"{names(state)}[-1].reshape({self._user(state)}).copy()," for state in states]
        first = [f"{self._adjoint_name(state)}[0].reshape({self._user(state)}).copy()," for state in states]
        inputs = [f"{self._adjoint_name(symbol)}.reshape({self._user(symbol, 'T')})" for symbol in self.cell.input_terms]
        back = [*self._made(kept_constants, backward=True), *backward]
        if not self.single:
            pairs = [f'    "{symbol.name}": {text},' for symbol, text in zip(self.cell.input_terms, inputs, strict=True)]
            back += ["d_x = {", *pairs, "}", "d_x = d_x if named else tuple(d_x.values())"]
        return FUNCTIONS.format(
            x_words=self._words(), states=_written(state.name for state in states), forward=_indented(forward),
            output=names(states[0]), output_shape=self._user(states[0], "T"), last=_indented(last, 2),
            kept=fill(kept, 110, subsequent_indent=" " * 8), output_whole=", ".join(("T", "B", *self._inner(states[0]))),
            backward=_indented(back), first=_indented(first, 2),
            d_inputs=inputs[0] if self.single else "d_x")

    # --- names and shapes ---

    def _text(self, length: Length) -> str:
        return size_text(tuple((self.names(("size", size), size) if size else "", count) for size, count in length))

    def _name(self, of: Sym) -> str:
        return self.names(("value", of.name), of.name)

    def _adjoint_name(self, of: Sym) -> str:
        return self.names(("adjoint", of.name), f"d_{self._name(of).rstrip('_') or of.name}")

    def _lengths(self, of: Sym) -> tuple[Length, ...]:
        return axes(self.shapes.lengths[of.name])

    def _user(self, of: Sym, *front: str) -> str:
        """The shape of the array that a user sees, as a tuple."""
        return _written((*front, "*batch", *map(self._text, self._lengths(of))))

    def _inner(self, of: Sym) -> list[str]:
        """The axes of the array in the code: a number has one of length 1, a row is a column."""
        return [self._text(length) for length in self._lengths(of) if length != ONE] or ["1"]

    def _words(self) -> str:
        def given(symbol: Sym, batch: str) -> str:
            return _written(("T", *batch.split(), *map(self._text, self._lengths(symbol))))
        if self.single:
            (symbol,) = self.cell.input_terms
            return f"{symbol.name}, {given(symbol, 'B')} or {given(symbol, '')}"
        parts = ", ".join(f"{symbol.name} {given(symbol, 'B')}" for symbol in self.cell.input_terms)
        return f"{parts}, a tuple or by name, with or without B"

    def _sizes(self) -> dict[str, str]:
        """Every size that the code needs, with the text that reads it off what is given."""
        lengths = self.original.shapes.lengths | self.shapes.lengths
        numbers = {part.name for line in self.cell.named for part in walk(line) if isinstance(part, Sym) and part.time is None}
        wanted = {name for pair in lengths.values() for length in pair for name, _ in length if name}
        wanted |= numbers & self.cell.size_names
        given: list[tuple[str, Length]] = []
        for k, symbol in enumerate(self.cell.input_terms):
            name, own = "x" if self.single else f"x[{k}]", self._lengths(symbol)
            given += [(f"{name}.shape[{axis - len(own)}]", length) for axis, length in enumerate(own)]
        given += [(f'params["{symbol.name}"].shape[{axis}]', length) for symbol in self.original.parameter_terms
                  for axis, length in enumerate(self._lengths(symbol))]
        shown: dict[str, str] = {}
        for size, k, rest, count in solved([length for _, length in given]):
            text = f"({given[k][0]} - ({self._text(rest)}))" if rest else given[k][0]
            shown[size] = f"{text} // {count}" if count > 1 else text
        for size in sorted(wanted):
            if size not in shown:
                raise NotSupported(f"No input and no parameter shows the size {size}.", self.cell.name)
        return {size: text for size, text in shown.items() if size in wanted}

    # --- what is done when ---

    def _timed(self, node: Term) -> set[Sym]:
        return {part for part in walk(node) if isinstance(part, Sym) and part.time is not None}

    def _early(self) -> set[Sym]:
        """The quantities that need nothing of the step before."""
        early = set(self.cell.input_terms)
        for of, line in self.lines.items():
            if of not in self.states and self._timed(line.rhs) <= early:
                early.add(of)
        return early - set(self.cell.input_terms)

    def _looped(self) -> set[Sym]:
        """The adjoints that some step before needs, through those of the states."""
        needed = [state.prev for state in self.states] + list(self.states)
        found: set[Sym] = set()
        while needed:
            of = needed.pop()
            if of not in found and of in self.adjoints:
                found.add(of)
                parts = walk(self.adjoints[of].relation.rhs)
                needed += [part.of for part in parts if isinstance(part, Adj) and not part.arriving]
        return found

    # --- code of terms ---

    def _arrays(self, line: Relation, *, whole: bool, leaf: Callable[[Sym | Adj], str]) -> Arrays:
        def constant(kind: str, size: str) -> str:
            return self._constant(kind, size)
        def value_of(node: Term) -> Sym | None:
            return next((of for of, made in self.lines.items() if made.rhs == node and of != line.lhs), None)
        return Arrays(self.shapes, line, leaf, constant, value_of, "T, B" if whole else "B", self._text)

    def _constant(self, kind: str, size: str) -> str:
        """What is made once at the head of a function: its name."""
        first = self._name(self.cell.input_terms[0])
        wishes = {"ones": f"ones_{size}", "eye": f"eye_{size}", "size": f"size_{size}", "dtype": "dtype", "largest": "largest"}
        made = {
            "ones": f"np.ones({size}, {first}.dtype)",
            "eye": f"np.eye({size}, dtype={first}.dtype)",
            "size": f"{first}.dtype.type({size})  # the size as a number",
            "dtype": f"{first}.dtype.type",
            "largest": f"np.finfo({first}.dtype).max  # an exponential that is too large for the dtype is its largest number",
        }
        wish = "".join(letter if letter.isalnum() else "_" for letter in wishes[kind])
        name = self.names(("constant", kind, size), wish)
        self.constants[name] = made[kind]
        return name

    def _made(self, constants: dict[str, str], *, backward: bool) -> list[str]:
        if constants and backward:
            self.kept.setdefault(self._name(self.cell.input_terms[0]))
        return [f"{name} = {text}" for name, text in constants.items()]

    # --- forward ---

    def _forward(self) -> list[str]:
        first = self._name(self.cell.input_terms[0])
        loop: list[str] = []
        ahead: list[str] = []
        lasting = self.read | self.early | set(self.states)
        for of, line in self.lines.items():
            early = of in self.early
            value = self._arrays(line, whole=early, leaf=lambda node, early=early: self._value(node, early, lasting))(line.rhs)
            target = f"{self._name(of)}[1:]" if early else f"{self._name(of)}[t]" if of in lasting else self._name(of)
            (ahead if early else loop).extend([f"# {plain(line)}{', for all t' * early}", f"{target} = {infix(value.array())}"])
        made = [f"{self._name(of)} = np.empty((T + 1, {', '.join(('B', *self._inner(of)))}), {first}.dtype)"
                for of in self.lines if of in lasting]
        starts = [f"{self._name(state)}[0] = 0 if state is None else state[{k}].reshape({', '.join(('B', *self._inner(state)))})"
                  for k, state in enumerate(self.states)]
        return [*self._given(), *self._made(self.constants, backward=False), *made, *starts, *ahead,
                *["for t in range(1, T + 1):"] * bool(loop), *(f"    {line}" for line in loop)]

    def _value(self, node: Sym | Adj, whole: bool, lasting: set[Sym]) -> str:
        assert isinstance(node, Sym)
        name = self._name(node)
        if node.time is None or not (node.at(NOW) in lasting or node in self.cell.input_terms):
            return name
        return self._view(name, node.time == NOW, whole)

    @staticmethod
    def _view(name: str, now: bool, whole: bool) -> str:
        return f"{name}{'[1:]' if now else '[:-1]'}" if whole else f"{name}{'[t]' if now else '[t - 1]'}"

    def _given(self) -> Iterator[str]:
        """The lines that take the inputs and the parameters, as arrays of our own."""
        inputs = self.cell.input_terms
        if not self.single:
            listed = ", ".join(f'"{symbol.name}"' for symbol in inputs)
            yield "named = isinstance(x, dict)"
            yield f"x = tuple(x[name] for name in ({listed})) if named else x"
            self.kept.setdefault("named")
        yield from (f"{size} = {text}" for size, text in self.sizes.items())
        own = len(self._lengths(inputs[0]))
        yield f"T, *batch = {'x' if self.single else 'x[0]'}.shape{f'[:-{own}]' if own else ''}"
        yield "B = batch[0] if batch else 1"
        yield f"# steps are counted from 1: {self._name(inputs[0])}[1] is the first"
        for k, symbol in enumerate(inputs):
            name, given = self._name(symbol), "x" if self.single else f"x[{k}]"
            yield f"{name} = {given}.reshape({', '.join(('T', 'B', *self._inner(symbol)))})"
            yield f"{name} = np.concatenate([np.zeros_like({name}[:1]), {name}])"
        for symbol in self.original.parameter_terms:
            row = len(self._lengths(symbol)) == 2 and self._lengths(symbol)[0] == ONE
            yield f'{self._name(symbol)} = np.array(params["{symbol.name}"]){".reshape(-1)" * row}'

    # --- backward ---

    def _backward(self) -> list[str]:
        ends = {*(symbol.at(NOW) for symbol in self.original.parameter_terms), *self.cell.input_terms}
        after: list[str] = []
        late = [line for of, line in self.adjoints.items() if of not in self.looped and of not in ends]
        for line in late:
            after += [f"# {plain(line.relation)}, for all t", f"{self._adjoint_name(line.of)} = {self._late(line, late)}"]
        for symbol in self.cell.input_terms:
            line = self.adjoints[symbol]
            after += [f"# {plain(line.relation)}, for all t", f"{self._adjoint_name(symbol)} = {self._late(line, late)}"]
        after += self._params(late)
        loop = [f"{self._adjoint_name(self.states[0])}[t] += d_outputs[t - 1]"]
        for of, line in self.adjoints.items():
            if of in self.looped and of not in ends:
                loop += [f"# {plain(line.relation)}", self._step(of, line)]
        first = self._name(self.cell.input_terms[0])
        self.kept.setdefault(first)
        made, starts = [], []
        for k, state in enumerate(self.states):
            name, shape = self._adjoint_name(state), ", ".join(("B", *self._inner(state)))
            made.append(f"{name} = np.zeros((T + 1, {shape}), {first}.dtype)")
            starts += ["if d_state is not None:"] * (k == 0) + [f"    {name}[T] = d_state[{k}].reshape({shape})"]
        made += [f"{self._adjoint_name(of)} = np.empty((T + 1, {', '.join(('B', *self._inner(of)))}), {first}.dtype)"
                 for of in self.adjoints if of in self.stored and of in self.looped and of not in self.states]
        made.insert(0, f"# {self._adjoint_name(self.states[0])}[t] is first what arrives from the steps after t, then the whole")
        return [*made, *starts, "for t in range(T, 0, -1):", *(f"    {line}" for line in loop), *after]

    def _step(self, of: Sym, line: AdjointLine) -> str:
        """One adjoint equation in the loop."""
        arrays = self._arrays(line.relation, whole=False, leaf=self._leaf(whole=False, late=[]))
        name = self._adjoint_name(of)
        shares = added(*(share.term for share in line.shares))
        text = infix(arrays(shares).array())
        if of in self.states:
            return f"{name}[t] += {text}"
        if of.time != NOW:
            return f"{name}[t - 1] = {text}"
        if not line.shares:
            text = f"np.zeros(({', '.join(('B', *self._inner(of)))}), {self._name(self.cell.input_terms[0])}.dtype)"
        return f"{name}[t] = {text}" if of in self.stored else f"{name} = {text}"

    def _late(self, line: AdjointLine, late: list[AdjointLine]) -> str:
        """One adjoint equation for all steps, a new array."""
        if not line.shares:
            shape = ", ".join(("T", "B", *self._inner(line.of)))
            return f"np.zeros(({shape}), {self._name(self.cell.input_terms[0])}.dtype)"
        arrays = self._arrays(line.relation, whole=True, leaf=self._leaf(whole=True, late=late))
        value = arrays(line.relation.rhs)
        text = infix(value.array(), WHOLE if isinstance(value.code, str) else 0)
        return f"{text}.copy()" if isinstance(value.code, str) else text

    def _params(self, late: list[AdjointLine]) -> Iterator[str]:
        """The gradients of the parameters: summed over time and batch."""
        yield "d_params = {"
        for symbol in self.original.parameter_terms:
            line, name = self.adjoints[symbol.at(NOW)], self._name(symbol)
            arrays = self._arrays(line.relation, whole=True, leaf=self._leaf(whole=True, late=late))
            text = " + ".join(arrays.total(share.term) for share in line.shares)
            own = self._lengths(symbol)
            if not text:
                self.kept.setdefault(name)
                text = f"np.zeros_like({name})"
            if not own or own[0] == ONE:
                text = f"{f'({text})' if ' + ' in text or text[0] == '-' else text}.reshape({_written(map(self._text, own))})"
            yield f"    # {plain(line.relation)}, summed over t"
            yield f'    "{symbol.name}": {text},'
        yield "}"

    def _leaf(self, *, whole: bool, late: list[AdjointLine]) -> Callable[[Sym | Adj], str]:
        """What a symbol or an adjoint is called in the backward pass, in the loop or after it."""
        after = {line.of for line in late}

        def leaf(node: Sym | Adj) -> str:
            if isinstance(node, Adj):
                name = self._adjoint_name(node.of)
                if node.of in after:
                    return name
                if whole and node.of not in self.states:
                    self.stored.add(node.of)
                held = node.of in self.states or node.of in self.stored
                return self._view(name, True, whole) if held else name
            name = self._name(node)
            self.kept.setdefault(name)
            if node.time is None:
                return name
            self.read.add(node.at(NOW))
            return self._view(name, node.time == NOW, whole)
        return leaf


def _written(parts: Iterable[str]) -> str:
    """A tuple in Python."""
    found = tuple(parts)
    return f"({', '.join(found)}{',' * (len(found) == 1)})"


def _indented(lines: Iterable[str], times: int = 1) -> str:
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
