"""What runs the parts of a cell one after the other, as lines of Python.

Every part runs over the whole sequence before the next one starts; one that runs backward in time runs over the sequence
turned around. Backward the parts come in the opposite order, and the adjoint of what a part gives is the sum of
what those that read it hand back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from textwrap import fill

from symlstm.algebra import NOW, Sym, plain
from symlstm.generator.lengths import size_text
from symlstm.generator.networks.exchange import Exchange
from symlstm.generator.networks.forms import Form, Place, placed
from symlstm.generator.networks.still import Still
from symlstm.generator.scans.frame import RESERVED, Quantities
from symlstm.generator.scans.functional import INTO, NO_WORKSPACE, WORKSPACE
from symlstm.generator.targets import NUMPY, Target
from symlstm.generator.wrapping import as_tuple, indented
from symlstm.model import Cell

FUNCTIONS = '''# which parameters each part has: what they are called in the functions of the part, and in the whole
PARAMETERS = {{
{parameters}
}}


def own(params, part):
    """The parameters of a part, as its functions call them."""
    return {{name: params[whole] for name, whole in PARAMETERS[part].items()}}


def gather(d_params, found, part):
    """Add the gradients that a part found to those of the whole."""
    for name, whole in PARAMETERS[part].items():
        d_params[whole] = d_params[whole] + found[name] if whole in d_params else found[name]


def picked(states, *places):
    """Some of the states; None stands for zeros."""
    return None if states is None else tuple(states[place] for place in places)


{helpers}def prepare(params):
    """The parameters of all parts as their functions read them; `forward` takes the result in place of `params`."""
    arrays = {{}}
{prepare}
    return Weights(dict(params), arrays)


{make_workspace}{above}def forward(params, x, state=None{workspace}):
    """Run all parts over {words}.

{start}
    """
    weights = params if isinstance(params, Weights) else prepare(params)
    params = weights.params
{forward}
{kept}
    return Trace(outputs, state, kept, ({sizes}))


{above_back}def backward(trace, d_outputs, d_state=None, truncate=None{into}):
    """All gradients of a loss, from its gradient with respect to the outputs and, if not None, to the last states.

    With `truncate`, nothing arrives in a part from its step after where a stretch of so many steps ends.{into_words}
    """
    ({sizes}), d_params = trace.sizes, {{}}
{backward}
    return Gradients({{name: d_params[name] for name in order}}, {d_inputs}, d_state{sums})
'''
TURNED = '''def turned(x):
    """A sequence from its last step to its first."""
    return {turned}


'''
CUT = '''def cut(d, truncate, since=0):
    """What arrives from the step after, but nothing where a stretch of steps ends."""
    if truncate is None:
        return d
    steps = {steps} + since
    return {where}((steps % truncate != 0).reshape((-1, *[1] * (d.ndim - 1))), d, 0)


'''
HELPERS = frozenset({"cut", "own", "gather", "picked", "turned", "order", "part", "PARAMETERS"})


class Assembly:
    """Writes the functions of a cell of several parts. `forms` are those that its parts are calls of."""

    def __init__(self, cell: Cell, target: Target = NUMPY) -> None:
        self.cell, self.places, self.target = cell, placed(cell), target
        self.forms: list[Form] = list(dict.fromkeys(place.form for place in self.places if place.form))
        functions = {form.unit.name(name) for form in self.forms for name in ("prepare", "forward", "backward")}
        parts = {text for place in self.places for text in (place.name, f"d_{place.name}")}
        self.frame = Quantities(cell, target, RESERVED | HELPERS | functions | parts)
        self.exchange = Exchange(self.frame)
        self.still = {place: Still(cell, place, self.exchange) for place in self.places if not place.form}

    def functions(self) -> str:
        """The two functions, and what helps them."""
        frame = self.frame
        backward = self._backward()  # first: it says what it reads
        forward = self._forward()
        inputs = [f"{frame.adjoint(symbol)}.reshape({frame.user(symbol, 'T')})" for symbol in frame.inputs]
        inputs = [text if self.exchange.fresh[symbol] else self.target.given.format(text)
                  for text, symbol in zip(inputs, frame.inputs, strict=True)]
        if not frame.single:
            pairs = (f'    "{symbol.name}": {text},' for symbol, text in zip(frame.inputs, inputs, strict=True))
            backward += ["d_x = {", *pairs, "}", "d_x = d_x if named else tuple(d_x.values())"]
        sizes = self._sizes((*backward, *inputs))
        static = ", ".join(("order", "batch", "T", "B", *sizes, *["named"] * (not frame.single)))
        kept, into = as_tuple(self.exchange.kept), self.target.stretches
        if into:
            found = (f'    "{place.name}": d_{place.name},' for place in self.places if place.form or place.parameters)
            backward += ["sums = {", *found, "}"]
        backward = [f"{kept} = trace.kept", *backward]
        return FUNCTIONS.format(
            parameters="\n".join(self._table()), helpers=self._helpers(),
            workspace=WORKSPACE * self.target.stretches,
            make_workspace="\n".join(self._workspace()) * self.target.stretches, words=frame.words(),
            start=fill(self._start(), 120, initial_indent="    ", subsequent_indent="    "), forward=indented(forward),
            kept=indented([f"kept = {kept}"]), sizes=static, above=self.target.ahead, above_back=self.target.back,
            prepare=indented(self._prepare()), into=", into=None, since=0" * into, into_words=INTO * into,
            sums=", sums" * into, backward=indented(backward), d_inputs=inputs[0] if frame.single else "d_x")

    def _workspace(self) -> Iterator[str]:
        """The lines of `workspace`: one for every part with a memory."""
        wanted = sorted({size for pair in self.cell.shapes.lengths.values() for length in pair for size, _ in length if size})
        if {"T", "B", "dtype"} & {*wanted}:  # a size of that name has another in the code
            yield NO_WORKSPACE.format(workspace="workspace")
            return
        yield f"def workspace(T, B, dtype, *, {', '.join(wanted)}):"
        yield '    """Arrays for the runs of all parts over T steps of B sequences."""'
        yield "    return {"
        for place in self.places:
            if place.form:
                sizes = "".join(f", {size}={text}" for size, text in self._own_sizes(place).items())
                yield f'        "{place.name}": {place.form.unit.name("workspace")}(T, B, dtype{sizes}),'
        yield from ("    }", "", "", "")

    def _own_sizes(self, place: Place) -> dict[str, str]:
        """The sizes of a part with a memory, as its functions call them, in terms of those of the whole."""
        assert place.form
        cell = place.form.unit.cell
        pairs = [*zip(cell.input_terms, place.reads, strict=True), *zip(place.form.unit.seen, place.states, strict=True),
                 *((own, Sym(place.parameters[own.name])) for own in cell.parameter_terms)]
        found: dict[str, str] = {}
        for own, whole in pairs:
            for length, other in zip(cell.shapes.lengths[own.name], self.cell.shapes.lengths[whole.name], strict=True):
                if len(length) == 1 and length[0][0] and length[0][1] == 1:
                    found.setdefault(length[0][0], size_text(other))
        return dict(sorted(found.items()))

    def _prepare(self) -> Iterator[str]:
        """The parameters of every part that has some, or a memory."""
        for place in self.places:
            if place.form:
                yield f'arrays["{place.name}"] = {place.form.unit.name("prepare")}({self._own(place)})'
            elif place.parameters:
                yield from map(self.frame.owned, place.part.parameters)
                yield f'arrays["{place.name}"] = {as_tuple(map(self.frame.name, place.part.parameters))}'

    def _helpers(self) -> str:
        """The functions that only some cells need."""
        target = self.target
        turned = TURNED.format(turned=target.turned.format("x"))
        cut = CUT.format(where=f"{target.alias}.where", steps=target.constant("steps", "1, len(d) + 1", "d"))
        return turned * any(map(_turned, self.places)) + cut * any(map(self._shifted, self.places))

    def _start(self) -> str:
        """Where the states start, in words."""
        turned = [state.name for state, back in self.cell.carried.items() if back == state.next]
        states = as_tuple(state.name for state in self.frame.states)
        return f"The state is {states}; it starts from zero if it is None." + (
            f" What runs backward in time starts after the last step: {', '.join(turned)}." if turned else "")

    def words(self) -> Iterator[str]:
        """What runs after what, a line for each part, or for each equation of one without a memory."""
        for place in self.places:
            if place.form:
                form = place.form.unit.prefix[:-1]
                yield f"{place.name}{f', by {form}' * (form != place.name)}: {self._words(place)}"
            else:
                yield from map(plain, place.part.equations)

    def _table(self) -> Iterator[str]:
        """The lines of the table of parameters."""
        for place in self.places:
            if place.parameters:
                pairs = " ".join(f'"{own}":~"{whole}",' for own, whole in place.parameters.items())  # ~ is a space that stays
                yield f'    "{place.name}": {{'
                yield fill(pairs, 120, initial_indent=" " * 8, subsequent_indent=" " * 8).replace("~", " ")
                yield "    },"

    def _sizes(self, lines: Iterable[str]) -> list[str]:
        """The sizes that lines read, each after those that its own text reads."""
        text, found = "\n".join(lines), list[str]()
        for size in reversed(self.frame.sizes):
            if re.search(rf"\b{size}\b", text):
                found.insert(0, size)
                text += "\n" + self.frame.sizes[size]
        return found

    # --- forward ---

    def _forward(self) -> list[str]:
        """The body of `forward`, from the sizes to the states at their ends."""
        frame, output = self.frame, self.cell.output_term
        body = [f"{name} = {self.target.own.format(given) if name in self.exchange.kept else given}"
                for name, given in frame.given()]
        for place in self.places:
            body += self._call(place) if place.form else self.still[place].forward()
            body += [line for read in self._shifted(place) for line in self._shift(read)]
        outer = f"{frame.name(output)}.reshape({frame.user(output, 'T')})"
        body += [f"outputs = {self.target.given.format(outer)}",
                 "state = (", *(f"    {self._last(state)}," for state in frame.states), ")"]
        sizes = {size: frame.sizes[size] for size in self._sizes(body)}
        return [*frame.taken(sizes), "order, batch = tuple(params), tuple(batch)", *body]

    def _call(self, place: Place) -> list[str]:
        """The run of a part with a memory."""
        assert place.form
        given = [_way(place, self.exchange.outside(read, self.exchange.called(read), "T", "B")) for read in place.reads]
        names = [self.frame.name(output) for output in place.outputs]
        one, function = len(names) == 1, place.form.unit.name("forward")
        lent = f', workspace and workspace["{place.name}"]' * self.target.stretches
        lines = [f"# {self._words(place)}",
                 f'{place.name} = {function}(weights.arrays["{place.name}"], '
                 f"{given[0] if len(given) == 1 else as_tuple(given)}, {self._picked('state', place)}{lent})"]
        for k, (output, name) in enumerate(zip(place.outputs, names, strict=True)):
            array = _way(place, f"{place.name}.outputs{'' if one else f'[{k}]'}")
            lines.append(f"{name} = {self.exchange.inside(output, array, 'T', 'B')}")
        self.exchange.keep(place.name)
        return lines

    def _own(self, place: Place) -> str:
        return f'own(params, "{place.name}")' if place.parameters else "{}"

    def _picked(self, name: str, place: Place) -> str:
        return f"picked({name}, {', '.join(str(self.cell.state_terms.index(state)) for state in place.states)})"

    def _words(self, place: Place) -> str:
        """What a part computes from what."""
        read = " and ".join(map(plain, place.reads))
        way = "backward" if _turned(place) else "forward"
        states = [plain(state) for state in place.states]
        given = [plain(output) for output in place.outputs if output not in place.states]
        return f"{' and '.join((*states, *given))} from {read}, {way} in time"

    def _last(self, state: Sym) -> str:
        """A state after the step that it runs to, as the caller gets it."""
        place = next(place for place in self.places if state in place.part.states)
        if state in place.states:
            return f"{place.name}.state[{place.states.index(state)}].reshape({self.frame.user(state)})"
        return self.target.given.format(f"{self.frame.name(state)}[{self._end(state)}].reshape({self.frame.user(state)})")

    def _end(self, state: Sym) -> str:
        return "-1" if self.cell.carried[state] == state.prev else "0"

    # --- a quantity of another part at the step before or after ---

    def _shifted(self, place: Place) -> list[Sym]:
        """The states of a part that other parts read from the step before or after."""
        read = dict.fromkeys(read for other in self.places for read in other.part.inputs)
        return [back for state in place.part.states if (back := self.cell.carried[state]) in read]

    def _shift(self, read: Sym) -> list[str]:
        """A state at the step before or after, over all steps: it begins, or ends, with the state at the start."""
        of, name = read.at(NOW), self.frame.name(read)
        k = self.cell.state_terms.index(of)
        start = self.frame.names(("start", of), f"start_{name}")
        given = self.target.own.format(f"state[{k}]")
        zeros = self.target.call("zeros_like", f"{name}[:1]")
        begins = f"{zeros} if state is None else {given}.reshape(({self.frame.inner(of, '1', 'B')}))"
        array = name if read == of.prev else f"turned({name})"
        both = self.target.call("concatenate", f"[{start}, {array}[:-1]]")
        both = both if read == of.prev else f"turned({both})"
        return [f"# {plain(read)}, for all t", f"{start} = {begins}", f"{self.exchange.called(read)} = {both}"]

    def _shift_back(self, read: Sym) -> Iterator[str]:
        """What such a reading gives back to the state."""
        yield f"# what {plain(read)} gives back"
        yield from self.exchange.whole(read)
        d, forth = self.exchange.adjoint(read), read == read.at(NOW).prev
        zero = self.target.call("zeros_like", f"{d}[:1]")
        back = self.target.call("concatenate", f"[{d if forth else f'turned({d})'}[1:], {zero}]")
        back = f"cut({back}, truncate{', since' * self.target.stretches})"
        yield self.exchange.share(read.at(NOW), back if forth else f"turned({back})", fresh=forth)

    # --- backward ---

    def _backward(self) -> list[str]:
        """The body of `backward`, from the adjoint of the output to those of the states at their starts."""
        frame, output = self.frame, self.cell.output_term
        lines = [self.exchange.share(output, f"d_outputs.reshape({frame.inner(output, 'T', 'B')})")]
        lines += [line for place in self.places for state in place.loose for line in self._from_end(state)]
        for place in reversed(self.places):
            lines += [line for read in self._shifted(place) for line in self._shift_back(read)]
            lines += self._call_back(place) if place.form else self.still[place].backward()
        lines += [line for symbol in frame.inputs for line in self.exchange.whole(symbol)]
        return [*lines, "d_state = (", *(f"    {self._first(state)}," for state in frame.states), ")"]

    def _from_end(self, state: Sym) -> Iterator[str]:
        """What the last state of one that no step reads gives to its adjoint."""
        shape, k = self.frame.inner(state, "T", "B"), self.cell.state_terms.index(state)
        ends = self.frame.names(("end", state), f"end_d_{self.frame.name(state)}")
        one, last = self.frame.inner(state, "1", "B"), self._end(state) == "-1"
        zeros = self.target.constant("zeros", shape, "d_outputs")
        yield f"{ends} = {zeros}"
        yield "if d_state is not None:"
        both = f"{ends}[1:], d_state[{k}].reshape(({one}))" if last else f"d_state[{k}].reshape(({one})), {ends}[1:]"
        yield f"    {ends} = {self.target.call('concatenate', f'[{both}]')}"
        yield self.exchange.share(state, ends)

    def _call_back(self, place: Place) -> Iterator[str]:
        """The way back through a part with a memory."""
        assert place.form
        yield f"# back through {self._words(place)}"
        for output in place.outputs:
            yield from self.exchange.whole(output)
        found = f"d_{place.name}"
        given = [_way(place, self.exchange.outside(output, self.exchange.adjoint(output), "T", "B")) for output in place.outputs]
        yield (f"{found} = {place.form.unit.name('backward')}({self.exchange.keep(place.name)}, "
               f"{given[0] if len(given) == 1 else as_tuple(given)}, {self._picked('d_state', place)}, "
               f"truncate{self.exchange.later(place.name)})")
        if place.parameters:
            yield f'gather(d_params, {found}.params, "{place.name}")'
        one = len(place.reads) == 1
        for k, read in enumerate(place.reads):
            text = _way(place, f"{found}.inputs{'' if one else f'[{k}]'}")
            yield self.exchange.share(read, self.exchange.inside(read, text, "T", "B"), fresh=not _turned(place))

    def _first(self, state: Sym) -> str:
        """The gradient of the state at the start."""
        place, user = next(place for place in self.places if state in place.part.states), self.frame.user(state)
        if state in place.states:
            text = f"d_{place.name}.state[{place.states.index(state)}].reshape({user})"
        else:
            text = f"{self.target.constant('zeros', self.frame.inner(state, 'B'), 'd_outputs')}.reshape({user})"
        read = self.cell.carried[state]
        if read in self._shifted(place):
            d = self.exchange.adjoint(read)
            text += f" + {d if read == state.prev else f'turned({d})'}[0].reshape({user})"
        return text


def _turned(place: Place) -> bool:
    """Whether a part runs backward in time."""
    return place.part.step < 0


def _way(place: Place, text: str) -> str:
    """A sequence in the direction in which a part runs over it."""
    return f"turned({text})" if _turned(place) else text
