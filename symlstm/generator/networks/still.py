"""A part without a memory as lines of Python, equation by equation, each for all steps at once.

Two directions put on top of each other, the input of the next layer, a head: what joins the parts that have a memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.algebra import (
    NOW,
    Adj,
    Apply,
    Div,
    MatMul,
    Ones,
    Relation,
    Sym,
    Term,
    Transpose,
    defined,
    map_relation,
    plain,
    term,
    transform,
    walk,
)
from symlstm.generator.arrays import Arrays
from symlstm.generator.codes import Call
from symlstm.generator.names import Names
from symlstm.generator.networks.exchange import Exchange
from symlstm.generator.networks.forms import Place, shifted_name
from symlstm.generator.rewrites.normal import valued
from symlstm.generator.scans.shares import own_shares, summing, total
from symlstm.generator.wrapping import as_tuple
from symlstm.model import Cell
from symlstm.reverse import sweep
from symlstm.shapes import length_term


class Still:
    """Writes both passes of a part of a cell without a memory."""

    def __init__(self, whole: Cell, place: Place, exchange: Exchange) -> None:
        self.exchange, self.frame, self.place = exchange, exchange.frame, place
        part = place.part
        names = Names(symbol.name for symbol in (*map(defined, part.equations), *part.parameters))
        self.reads = {Sym(names(read, shifted_name(read)), NOW): read for read in part.inputs}
        inside = {read: own for own, read in self.reads.items()}

        def change(node: Term) -> Term:
            return inside.get(node, node) if isinstance(node, Sym) else node

        lines = tuple(map_relation(line, lambda side: transform(side, change)) for line in part.equations)
        own = {symbol.name: symbol.name for symbol in (*map(defined, part.equations), *part.parameters)}
        own |= {symbol.name: read.name for symbol, read in self.reads.items()}
        sizes = {name: tuple(map(length_term, whole.shapes.lengths[of])) for name, of in own.items()}
        self.cell = valued(Cell(whole.name, tuple(self.reads), place.outputs, lines, title=whole.title, sizes=sizes))
        self.lines = {defined(line): line for line in self.cell.named}
        self.known, self.scaled = own.keys(), set(_scaled(self.cell))

    def forward(self) -> Iterator[str]:
        """Every equation under itself."""
        if self.place.parameters:
            yield f'{as_tuple(map(self.frame.name, self.place.part.parameters))} = weights.arrays["{self.place.name}"]'
        made, target = dict[str, str](), self.frame.target
        for of, line in self.lines.items():
            value = self._arrays(line, self.frame.name(self.frame.inputs[0]), made, kept=False)(line.rhs)
            text = target.infix(value.array() if value.many else Call("broadcast_to", (value.array(), f"({self._inner(of)})")))
            if of in self.scaled:
                made.clear()
                (scores,) = (self._name(node) for node in walk(line.rhs) if isinstance(node, Sym))
                largest = target.call("max", scores, "-1", "keepdims=True")
                text = f"{target.call('exp', f'{scores} - {largest}')}  # the largest is taken off, which divides out"
            yield from (f"{name} = {text}" for name, text in made.items())
            made.clear()
            yield f"# {plain(line)}"
            yield f"{self._name(of)} = {text}"

    def backward(self) -> Iterator[str]:
        """Every adjoint equation under itself; what parts before gave gets its share."""
        for output in self.place.outputs:
            yield from self.exchange.whole(output)
        lines, made = sweep(self.cell, primes=self.frame.target.accuracy == "ulp").lines, dict[str, str]()
        swept = {line.of: line.relation for line in lines}
        for of, line in swept.items():
            if of.time != NOW or (of not in self.reads and of not in self.lines):
                continue
            rhs = own_shares(line.rhs) if of in self.place.outputs else line.rhs
            value = self._arrays(line, "d_outputs", made, kept=True)(rhs)
            text = self.frame.target.infix(value.array())
            if rhs == term(0):
                if of in self.reads or of in self.place.outputs:
                    continue
                text = self.frame.target.constant("zeros", self._inner(of), "d_outputs")
            yield from (f"{name} = {text}" for name, text in made.items())
            made.clear()
            yield f"# {plain(line)}"
            if of in self.reads:
                yield self.exchange.share(self.reads[of], text)
            elif of in self.place.outputs:
                yield self.exchange.share(of, text)
            else:
                yield f"{self._adjoint(of)} = {text}"
        yield from self._params({symbol: swept[symbol.at(NOW)] for symbol in self.place.part.parameters})

    def _params(self, adjoints: dict[Sym, Relation]) -> Iterator[str]:
        """The gradients of the parameters: summed over time and batch."""
        if not adjoints:
            return
        made: dict[str, str] = {}
        rows: dict[str, None] = {}
        lines: list[str] = []
        for symbol, line in adjoints.items():
            if line.rhs == term(0):
                self.exchange.keep(self.frame.name(symbol))
            text = total(self._arrays(line, "d_outputs", made, kept=True, over_time=rows), line, symbol, self.frame)
            lines += [f"    # {plain(line)}, summed over t", f'    "{symbol.name}": {text},']
        yield from (f"{name} = {text}" for name, text in made.items())
        found = f"d_{self.place.name}"
        if self.frame.target.stretches:
            yield from summing(lines, list(rows), found, f'into and into.sums["{self.place.name}"]')
        else:
            yield from (f"{found} = {{", *lines, "}")
        yield f'gather(d_params, {found}, "{self.place.name}")'

    # --- names ---

    def _name(self, of: Sym) -> str:
        """The array of one of its quantities; what only gives a function's value a name is known here alone."""
        if of in self.reads:
            return self.exchange.called(self.reads[of])
        if of.name in self.known:
            return self.frame.name(of)
        return self.frame.names(("value", self.place.name, of.name), of.name)

    def _adjoint(self, of: Sym) -> str:
        if of in self.reads:
            return self.exchange.adjoint(self.reads[of])
        if of.name in self.known:
            return self.frame.adjoint(of)
        return self.frame.names(("adjoint", self.place.name, of.name), f"d_{self._name(of)}")

    def _inner(self, of: Sym) -> str:
        lengths = [length for length in self.cell.shapes.lengths[of.name] if length != (("", 1),)]
        return ", ".join(("T", "B", *(map(self.frame.text, lengths) if lengths else ["1"])))

    def _arrays(self, line: Relation, like: str, made: dict[str, str], *, kept: bool,
                over_time: dict[str, None] | None = None) -> Arrays:
        """How the terms of an equation are carried to code; `made` gathers the constants, `over_time` the arrays it needs."""
        def constant(kind: str, size: str) -> str:
            name, text = self.frame.constant(kind, size, like)
            made[name] = text
            return name

        def leaf(node: Sym | Adj) -> str:
            name = self._adjoint(node.of) if isinstance(node, Adj) else self._name(node)
            if over_time is not None and (isinstance(node, Adj) or node.time is not None):
                over_time.setdefault(name)
            return self.exchange.keep(name) if kept and isinstance(node, Sym) else name

        def value_of(node: Term) -> Sym | None:
            return next((of for of, each in self.lines.items() if each.rhs == node and of != line.lhs), None)

        return Arrays(self.cell.shapes, line, leaf, constant, value_of, "T, B", self.frame.text, self.frame.target.accuracy)


def _scaled(cell: Cell) -> Iterator[Sym]:
    """The exponentials `w = exp(z)` of which only `p = w / s` with `s = ones^T @ w` is known: softmax.

    What multiplies all of w divides out of p, and of its gradient by z. So the largest score may be taken off z, and w
    does not overflow.
    """
    lines = {defined(line): line.rhs for line in cell.named}

    def readers(of: Sym) -> set[Sym]:
        return {other for other, rhs in lines.items() if of in walk(rhs)} | ({of} & {*cell.state_terms})

    for of, rhs in lines.items():
        for summed in (other for other, by in lines.items() if _sums(by, of)):
            shares = {other for other, by in lines.items() if by == Div(of, summed)}
            alone = readers(summed) == shares and readers(of) == {summed, *shares}
            if isinstance(rhs, Apply) and rhs.function == "exp" and alone:
                yield of


def _sums(node: Term, of: Sym) -> bool:
    """Whether a term is the sum of the entries of a quantity."""
    match node:
        case MatMul((Transpose(Ones()), Sym() as entries)):
            return entries == of
    return False
