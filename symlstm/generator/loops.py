"""A unit as loops over numbers: one step of one sequence after the other, every sum over an index spelt out.

Where arrays are small a call of NumPy costs more than what it computes; a loop that is compiled does not. Both passes are a
function each, a kernel. It gets few and flat arrays, since taking an array costs as much as a step of a small cell: all
parameters in one, all that the backward pass reads in another, all gradients of parameters in a third.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from symlstm.algebra import NOW, Adj, Relation, Sym, Term, defined, equation, plain, term
from symlstm.generator.entries import Array, Entries, Made, Value, bare
from symlstm.generator.flat import Flat
from symlstm.generator.frame import RESERVED, Quantities, as_tuple
from symlstm.generator.functional import own_shares
from symlstm.generator.nests import Nests, needed
from symlstm.generator.normal import valued
from symlstm.generator.units import Unit
from symlstm.reverse import sweep
from symlstm.shapes import ONE

NAMES = frozenset({
    "j", "k", "l", "seq", "real", "total", "weights", "ends", "d_ends", "rows", "scratch", "truncate", "kernel", "numba",
    "workspace", "into", "Weights", "Workspace", "sizes", "arrays", "last", "first", "gradients", "d_inputs", "dtype"})
NOW_AT, BEFORE_AT = "t, seq", "t - 1, seq"  # the indices of a step, counted from 1, and a sequence; row 0 is the start
FLAT = {"weights": "", "kept": "rows", "ends": "B", "d_params": "", "d_ends": "B"}  # flat arrays: how many of each part there are
GIVEN_AT = "t - 1, seq"  # the same where the first step is row 0, as the caller counts


class Loops:
    """Writes the two kernels of a unit: `forward_args` and `forward_lines`, `backward_args` and `backward_lines`.

    The flat arrays are `weights`, `kept`, `ends`, `d_params` and `d_ends`.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit, self.frame = unit, Quantities(valued(unit.cell), reserved=RESERVED | NAMES)
        frame, array = self.frame, self._array
        frame.parameters = unit.cell.parameter_terms
        self.lines = {defined(line): line for line in frame.cell.named}
        swept = {line.of: line.relation for line in sweep(frame.cell).lines}
        given = {of: equation(Adj(of), Adj(of, arriving=True)) for of in frame.states if of not in swept}
        self.adjoints = given | swept
        def at(front: str | None, kind: str, which: Iterable[Sym]) -> dict[Sym, Array]:
            return {of: array(of, self._named(kind, of), front) for of in which}

        self.parameters = {symbol: array(symbol, frame.name(symbol), parameter=True) for symbol in frame.parameters}
        self.quantities = {symbol: array(symbol, frame.name(symbol)) for symbol in (*frame.inputs, *self.lines)}
        self.d_params = {symbol: array(symbol, frame.adjoint(symbol), "0" if not frame.lengths(symbol) else "")
                         for symbol in frame.parameters}
        self.d_inputs = {symbol: array(symbol, frame.adjoint(symbol), GIVEN_AT) for symbol in frame.inputs}
        self.given, self.outputs = at(GIVEN_AT, "given", frame.inputs), at(GIVEN_AT, "all", unit.outputs)
        self.d_outputs = at(GIVEN_AT, "given_d", unit.outputs)
        self.ends, self.d_ends = at("seq", "end", unit.seen), at("seq", "arriving", unit.seen)
        self.flat = {name: Flat(name, frame.text, times) for name, times in FLAT.items()}
        for name, whole in (("weights", self.parameters), ("d_params", self.d_params), ("ends", self.ends), ("d_ends", self.d_ends)):
            self.flat[name].add(*whole.values())
        for symbol in (*frame.inputs, *frame.states):
            self._keep(self.quantities[symbol])
        self.constants: dict[str, str] = {}
        self.known: dict[Term, Array] = {}
        self.turned: dict[Array, Array] = {}
        self._write()

    def _array(self, of: Sym, name: str, front: str | None = None, *, parameter: bool = False) -> Array:
        rows, columns = self.frame.shapes.lengths[of.name]
        return Array(name, rows, columns, front or "", lasting=parameter or front is not None, parameter=parameter)

    def _named(self, kind: str, of: Sym) -> str:
        return self.frame.names((kind, of), f"{kind}_{self.frame.name(of)}")

    def _keep(self, array: Array) -> None:
        """Have a quantity of the forward pass known at every step, to the backward pass too."""
        array.front, array.lasting = NOW_AT, True
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
        return self.quantities[node.at(NOW)].value("" if node.time == NOW else BEFORE_AT)

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
        forward = [*self._ends("0"), *self._steps(forth, "range(1, T + 1)"), *self._ends("T")]
        backward = self._steps(back, "range(T, 0, -1)", self._cut())
        self.flat["weights"].add(*self.turned.values())
        flat = [{array: frame.names(("flat", array), f"flat_{array.name}") for array in arrays.values()}
                for arrays in (self.given, self.outputs, self.d_outputs, self.d_inputs)]
        given, outputs, d_outputs, d_inputs = (list(names.values()) for names in flat)
        weights, d_params = ([name] * bool(frame.parameters) for name in ("weights", "d_params"))
        sizes = ["T", "B", *frame.sizes]
        self.forward_args = [*weights, *given, "kept", *outputs, "ends", *sizes]
        self.backward_args = [*weights, "kept", *d_outputs, "d_ends", *d_params, *d_inputs, "truncate", *sizes]
        self.forward_lines = [*self._head(forward, forth, flat[0] | flat[1]), *forward]
        self.backward_lines = [*self._head(backward, back, flat[2] | flat[3]), *backward]

    def _nests(self, made: Iterable[Made]) -> Nests:
        return Nests(made, self.frame.text, self._constant, self.frame.names, self.turned)

    def _ends(self, step: str) -> Iterator[str]:
        """The states before the first step, taken, or those after the last, handed out."""
        made = list[Made]()
        for state in self.frame.states if step == "0" else self.ends:
            inside = replace(self.quantities[state], front=f"{step}, seq")
            if state not in self.ends:
                made.append(Made(inside, bare("0"), note=f"{plain(state)} starts from zero"))
            else:
                target, value = (inside, self.ends[state]) if step == "0" else (self.ends[state], inside)
                made.append(Made(target, value.value(), note=f"{plain(state)} at the {'start' if step == '0' else 'end'}"))
        yield "for seq in range(B):"
        yield from (f"    {line}" for line in self._nests(made).lines())

    def _steps(self, nests: Nests, steps: str, before: Iterable[str] = ()) -> list[str]:
        """The loops over steps and sequences."""
        return [f"for t in {steps}:", *(f"    {line}" for line in before), "    for seq in range(B):",
                *(f"        {line}" for line in nests.lines())]

    def _cut(self) -> Iterator[str]:
        yield "if truncate > 0 and t < T and t % truncate == 0:  # nothing arrives from the next stretch"
        yield "    for k in range(d_ends.size):"
        yield f"        d_ends[k] = {self._constant('0')}"

    def _head(self, body: Iterable[str], nests: Nests, flat: Mapping[Array, str]) -> Iterator[str]:
        """What stands before the loops: the numbers and the views of flat arrays that they read."""
        words = set(re.findall(r"\w+", "\n".join(line for line in body if not line.lstrip().startswith("#"))))
        yield "real = kept.dtype.type"
        yield from (f"{name} = {text}" for name, text in self.constants.items() if name in words)
        yield "rows = (T + 1) * B"
        fronts = {"": (), "rows": ("T + 1", "B"), "B": ("B",)}
        for flat_one in self.flat.values():
            yield from (flat_one.view(array, *fronts[flat_one.times]) for array in flat_one.arrays if array.name in words)
        for array, name in ((array, name) for array, name in flat.items() if array.name in words):
            yield f"{array.name} = {name}.reshape({as_tuple(('T', 'B', *map(self.frame.text, array.lengths)))})"
        if nests.scratch:
            scratch = Flat("scratch", self.frame.text)
            scratch.add(*nests.scratch)
            yield f"scratch = np.empty({scratch.size()}, kept.dtype)  # of one step"
            yield from map(scratch.view, scratch.arrays)

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
