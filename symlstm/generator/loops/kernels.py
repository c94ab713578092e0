"""A unit as loops over numbers: one step of one sequence after the other, every sum over an index spelt out.

Where arrays are small a call of NumPy costs more than what it computes; a loop that is compiled does not. Both passes are a
function each, a kernel. It gets few and flat arrays, since taking an array costs as much as a step of a small cell: all
parameters in one, all that the backward pass reads in another, all gradients of parameters in a third.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from symlstm.algebra import NOW, Adj, Partial, Relation, Sym, Term, defined, equation, plain, term
from symlstm.generator.loops.entries import Entries
from symlstm.generator.loops.flat import Flat, shaped
from symlstm.generator.loops.nests import Nests, needed
from symlstm.generator.loops.values import Array, Made, Value, bare
from symlstm.generator.rewrites.normal import valued
from symlstm.generator.rewrites.stacking import put_together, stacked
from symlstm.generator.scans.frame import RESERVED, Quantities
from symlstm.generator.scans.shares import own_shares
from symlstm.generator.units import Unit
from symlstm.reverse import LOSS_TERM, sweep
from symlstm.rules import added
from symlstm.shapes import ONE

NAMES = frozenset({
    "row", "col", "j", "seq", "at", "now", "before", "real", "weights", "ends", "d_ends", "scratch", "truncate", "kernel",
    "numba", "workspace", "into", "Weights", "Workspace", "sizes", "last", "first", "gradients", "dtype", "arrays", "flat",
    "held", "since", "check", "started", "ended", "summed"})


class Loops:
    """Writes the two kernels of a unit: `forward_args` and `forward_lines`, `backward_args` and `backward_lines`.

    The flat arrays are `weights`, `kept`, `ends`, `d_params` and `d_ends`. Those that `results` and `back_results` name show
    whether all numbers are finite.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit, self.stack = unit, stacked(unit.cell)
        self.frame = frame = Quantities(valued(self.stack.cell), reserved=RESERVED | NAMES, given=unit.cell)
        frame.parameters, array = self.stack.cell.parameter_terms, self._array
        self.lines = {defined(line): line for line in frame.cell.named}
        swept = {line.of: equation(line.relation.lhs, put_together(line.relation.rhs, frame.shapes))
                 for line in sweep(frame.cell).lines}
        given = {of: equation(Adj(of), added(*[Partial(LOSS_TERM, of)] * (of in unit.outputs), Adj(of, arriving=True)))
                 for of in frame.states if of not in swept}  # whole in the sweep, since its own step does not use it further
        self.adjoints = given | swept
        def arrays(kind: str, which: Iterable[Sym]) -> dict[Sym, Array]:
            return {of: array(of, self._named(kind, of), lasting=True) for of in which}

        self.parameters = {symbol: array(symbol, frame.name(symbol), lasting=True, parameter=True) for symbol in frame.parameters}
        self.quantities = {symbol: array(symbol, frame.name(symbol)) for symbol in (*frame.inputs, *self.lines)}
        self.before = {state: array(state, frame.names(("before", state), f"{frame.name(state)}_prev"), lasting=True)
                       for state in frame.states}
        self.d_params = {symbol: array(symbol, frame.adjoint(symbol), lasting=True) for symbol in frame.parameters}
        self.d_inputs = {symbol: array(symbol, frame.adjoint(symbol), lasting=True) for symbol in frame.inputs}
        self.given, self.outputs, self.d_outputs = (arrays(kind, which) for kind, which in (
            ("given", frame.inputs), ("output", unit.outputs), ("given_d", unit.outputs)))
        self.ends, self.d_ends = arrays("end", unit.seen), arrays("arriving_d", unit.seen)
        self.flat = {name: Flat(name, frame.text, many) for name, many in (
            ("weights", ""), ("kept", ""), ("ends", "B"), ("d_params", ""), ("d_ends", "B"))}
        whole = {"weights": self.parameters, "d_params": self.d_params, "ends": self.ends, "d_ends": self.d_ends}
        for name, own in whole.items():
            self.flat[name].add(*own.values())
        for symbol in (*frame.inputs, *frame.states):
            self._keep(self.quantities[symbol])
        self.constants: dict[str, str] = {}
        self.known: dict[Term, Array] = {}
        self.turned: dict[Array, Array] = {}
        self._write()

    def _array(self, of: Sym, name: str, *, lasting: bool = False, parameter: bool = False) -> Array:
        rows, columns = self.frame.shapes.lengths[of.name]
        return Array(name, rows, columns, lasting, parameter)

    def _named(self, kind: str, of: Sym) -> str:
        return self.frame.names((kind, of), f"{kind}_{self.frame.name(of)}")

    def _keep(self, array: Array) -> None:
        """Have a quantity of the forward pass known at every step, to the backward pass too."""
        array.lasting = True
        self.flat["kept"].add(array)

    # --- equations ---

    def _entries(self, leaf: Callable[[Sym | Adj], Value], read: Callable[[Array], None]) -> Entries:
        def value_of(node: Term, line: Relation) -> Sym | None:
            return next((of for of, made in self.lines.items() if made.rhs == node and of != line.lhs), None)

        def name(wish: str) -> str:
            return self.frame.names(object(), wish)

        return Entries(leaf, self._number, value_of, self.frame.text, name, read, self.known)

    def _leaf(self, node: Sym) -> Value:
        """A quantity of the forward pass, a parameter or a size."""
        if node in self.parameters:
            return self.parameters[node].value()
        if node.time is None:
            text = self._number("size", self.frame.text(((node.name, 1),)))
            return Value(lambda row, column: text, ONE, ONE)
        return (self.quantities[node] if node.time == NOW else self.before[node.at(NOW)]).value()

    def _forward(self) -> list[Made]:
        """How the quantities of a step are made."""
        def leaf(node: Sym | Adj) -> Value:
            assert isinstance(node, Sym)
            return self._leaf(node)

        entries = self._entries(leaf, lambda array: None)
        for of, array in self.given.items():
            entries.made.append(Made(self.quantities[of], array.value(), note=f"{plain(of)} is given"))
        for of, line in self.lines.items():
            entries.define(self.quantities[of], line, line.rhs)
        for of, array in self.outputs.items():
            entries.made.append(Made(array, self.quantities[of].value(), note=f"{plain(of)} is an output"))
        return entries.made

    def _backward(self, forward: set[Array]) -> list[Made]:
        """How their adjoints are made, and the gradients. What this reads of the forward pass is kept there."""
        frame, names = self.frame, self.frame.adjoint
        adjoints = {of: self._array(of, names(of)) for of in self.adjoints if of in self.lines}

        def leaf(node: Sym | Adj) -> Value:
            if isinstance(node, Adj):
                return adjoints[node.of].value()
            if node.time is not None:
                self._keep(self.quantities[node.at(NOW)])
            return self._leaf(node)

        entries = self._entries(leaf, lambda array: self._keep(array) if array in forward else None)
        for of, array in adjoints.items():
            line = self.adjoints[of]
            more = [arrays[of].value() for arrays in (self.d_ends, self.d_outputs) if of in arrays]
            entries.define(array, line, own_shares(line.rhs) if of in frame.states else line.rhs, *more)
        for symbol, array in self.d_params.items():
            line = self.adjoints[symbol.at(NOW)]
            if line.rhs != term(0):
                entries.define(array, line, line.rhs, adds=True)
        ends = {**self.d_inputs, **{state.prev: array for state, array in self.d_ends.items()}}
        for of, array in ends.items():
            entries.define(array, self.adjoints[of], self.adjoints[of].rhs)
        return entries.made

    # --- kernels ---

    def _write(self) -> None:
        frame, kept = self.frame, self.flat["kept"]
        ahead = self._forward()
        back = self._backward({made.array for made in ahead})
        forth = self._nests(needed(ahead, {*kept.arrays, *self.outputs.values()}))
        back = self._nests(needed(back, {*self.d_params.values(), *self.d_inputs.values(), *self.d_ends.values()}))
        forward = [*self._ends("0"), "for t in range(1, T + 1):", *self._step(forth), *self._ends("T")]
        backward = ["for t in range(T, 0, -1):", *self._cut(), *self._step(back)]
        self.flat["weights"].add(*self.turned.values())
        weights, d_params = ([name] * bool(frame.parameters) for name in ("weights", "d_params"))
        given, outputs, d_outputs, d_inputs = ([f"all_{array.name}" for array in own.values()] for own in (
            self.given, self.outputs, self.d_outputs, self.d_inputs))
        sizes = list(frame.sizes)
        self.results, self.back_results = [*outputs, "ends"], [*d_inputs, "d_ends"]
        self.forward_args = [*weights, *given, "kept", *outputs, "ends", "started", *sizes]
        self.backward_args = [*weights, "kept", *d_outputs, "d_ends", *d_params, *d_inputs, "ended", "summed",
                              "truncate", "since", *sizes]
        forward[:0] = [*self._fits(weights, given, outputs, ["ends"]), *self._cleared("ends", "started")]
        backward[:0] = [*self._fits(weights, d_outputs, d_inputs, ["d_ends"], d_params), *self._cleared("d_ends", "ended"),
                        *(line for name in d_params for line in self._cleared(name, "summed"))]
        self.forward_lines, self.backward_lines = self._kernel(forth, forward), self._kernel(back, backward)

    def _nests(self, made: Iterable[Made]) -> Nests:
        return Nests(made, self.frame.text, self._constant, self.frame.names, self.turned)

    def _ends(self, step: str) -> Iterator[str]:
        """The states before the first step, taken, or those after the last, handed out."""
        made = list[Made]()
        for state in self.frame.states:
            inside, outside = self.quantities[state], self.ends.get(state)
            if outside is None and step == "0":
                made.append(Made(inside, bare("0"), note=f"{plain(state)} starts from zero"))
            elif outside is not None:
                target, value = (inside, outside) if step == "0" else (outside, inside)
                made.append(Made(target, value.value(), note=f"{plain(state)} at the {'start' if step == '0' else 'end'}"))
        yield "for seq in range(B):"
        yield f"    now = kept[{step}, seq]"
        yield from self._viewed(list(self._nests(made).lines()))

    def _step(self, nests: Nests) -> Iterator[str]:
        """What is done for one sequence in one step."""
        yield "    for seq in range(B):"
        yield "        now, before, at = kept[t, seq], kept[t - 1, seq], (t - 1) * B + seq"
        yield from (f"    {line}" for line in self._viewed(list(nests.lines())))

    def _viewed(self, lines: list[str]) -> Iterator[str]:
        """Lines of one sequence, after the parts of arrays that they read."""
        text, words, kept = self.frame.text, _words(lines), self.flat["kept"]
        parts = {array: kept.part(array).replace("kept", "now", 1) for array in kept.arrays}
        parts |= {array: kept.part(self.quantities[of]).replace("kept", "before", 1) for of, array in self.before.items()}
        for own in (self.given, self.outputs, self.d_outputs, self.d_inputs):
            for array in own.values():
                parts[array] = (one := Flat(f"all_{array.name}", text)).add(array) or one.one(array, "at")
        for flat in (self.flat["ends"], self.flat["d_ends"]):
            parts |= {array: flat.one(array, "seq") for array in flat.arrays}
        yield from (f"    {shaped(array, part, text)}" for array, part in parts.items() if array.name in words)
        yield from (f"    {line}" for line in lines)

    def _cut(self) -> Iterator[str]:
        """What arrives from the next stretch is dropped."""
        yield "    if truncate > 0 and t < T and (t + since) % truncate == 0:"
        yield from (f"        {line}" for line in self._zeros("d_ends"))

    def _cleared(self, name: str, unless: str) -> Iterator[str]:
        """Zeros in an array that has not been given."""
        yield f"if not {unless}:"
        yield from (f"    {line}" for line in self._zeros(name))

    def _zeros(self, name: str) -> Iterator[str]:
        yield f"for j in range({name}.size):"
        yield f"    {name}[j] = {self._constant('0')}"

    def _fits(self, *names: Sequence[str]) -> Iterator[str]:
        """The lines that refuse arrays of another size: a loop would read past their ends."""
        own = {f"all_{array.name}": one.size() for array in (
            *self.given.values(), *self.outputs.values(), *self.d_outputs.values(), *self.d_inputs.values())
            if (one := Flat("", self.frame.text, "T * B")).add(array) is None}
        sizes = {name: own.get(name) or self.flat[name].size() for each in names for name in each}
        kept = f"kept.shape[2] != {self.flat['kept'].size()}"
        *wrong, last = (f"{name}.size != {size}" for name, size in sizes.items())
        yield f"if ({kept}"
        yield from (f"        or {text}" for text in wrong)
        yield f"        or {last}):"
        yield '    raise ValueError("the arrays are not of the sizes of each other, or of those of the workspace")'

    def _kernel(self, nests: Nests, body: list[str]) -> list[str]:
        """The body of a kernel, after the numbers, the parameters and the scratch arrays that it reads."""
        words, text = _words(body), self.frame.text
        head = [f"{name} = {number}" for name, number in self.constants.items() if name in words]
        for flat in (self.flat["weights"], self.flat["d_params"]):
            for array in flat.arrays:
                if array.name in words:
                    number = array.parameter and not array.lengths
                    part = f"{flat.name}[{flat.size(array)}]" if number else flat.part(array)
                    head.append(shaped(array, part, text))
        if nests.scratch:
            scratch = Flat("scratch", text)
            scratch.add(*nests.scratch)
            head += [f"scratch = np.empty({scratch.size()}, kept.dtype)  # of one step",
                     *(shaped(array, scratch.part(array), text) for array in scratch.arrays)]
        return ["real, T, B = kept.dtype.type, kept.shape[0] - 1, kept.shape[1]", *head, *body]

    # --- numbers ---

    def _number(self, kind: str, size: str = "") -> str:
        """A number of the cell, by name: "size", a size, or "largest"."""
        text = {"size": f"real({size})", "largest": "np.finfo(kept.dtype).max"}[kind]
        return self._made(text, f"{kind}_{size}".strip("_"))

    def _constant(self, text: str) -> str:
        """A number of a formula, by name."""
        return self._made(f"real({text})", {"0": "zero", "1": "one", "2": "two"}.get(text, "number"))

    def _made(self, text: str, wish: str) -> str:
        name = self.frame.names(("constant", text), wish)
        self.constants[name] = text
        return name


def _words(lines: Iterable[str]) -> set[str]:
    """The names in lines of code."""
    return set(re.findall(r"\w+", "\n".join(line for line in lines if not line.lstrip().startswith("#"))))
