"""Any term by its entries: what stands in a row and a column of it, as an expression of numbers.

What is a sum over an index (a matrix product, a trace), or is put together from parts (a stack), gets an array of its own,
once for all that use it. Products are taken by pairs, so that no product of matrices is made that a column or a row could meet
first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Blocks,
    Diag,
    Div,
    Hadamard,
    MatMul,
    Max,
    Neg,
    NotSupported,
    Num,
    Ones,
    Pow,
    Prime,
    Relation,
    Rows,
    Sym,
    Term,
    Trace,
    Transpose,
    plain,
    term,
    walk,
)
from symlstm.generator.codes import Call, Code, activated, counted, limited, number, slope_reads, sloped
from symlstm.generator.loops.values import FIRST, Array, Made, Product, Value, bare, joined, mapped, outer, shifted, transposed
from symlstm.rules import added
from symlstm.rules import product as matrix_product
from symlstm.shapes import ONE, Length, linear, total_length

Summands = list[tuple[str, Value | Product, Term]]  # each with "add" or "subtract"


@dataclass
class Entries:
    """Terms to values, and what is made for them on the way: in order in `made`, and by the term that it is in `known`.

    `leaf` gives the value of a symbol or an adjoint, `constant` the code of a number of the cell ("size" of a size,
    "largest"), `value_of` the quantity that is a function at a point, if one is; `text` is the code of a length, `name` a
    new name. `read` is told of every array that is used again.
    """

    leaf: Callable[[Sym | Adj], Value]
    constant: Callable[[str, str], str]
    value_of: Callable[[Term, Relation], Sym | None]
    text: Callable[[Length], str]
    name: Callable[[str], str]
    read: Callable[[Array], None]
    known: dict[Term, Array]
    made: list[Made] = field(default_factory=list)
    line: Relation = field(init=False)
    target: Array = field(init=False)

    def define(self, array: Array, line: Relation, rhs: Term, *more: Value, adds: bool = False) -> None:
        """Make an array by an equation: of `rhs`, and of `more` beside it."""
        self.line, self.target = line, array
        if isinstance(rhs, Blocks) and not more:
            self._assemble(array, rhs, plain(line))
            return
        start, products, rest = self._parts(rhs)
        rest = [*(("add", value, rhs) for value in more), *(rest if rhs != term(0) or not more else [])]
        if products and rest:
            start, products, rest = [], [], [self._affine(start, products), *rest]
        self.made.append(Made(array, _total(start + rest), _signed(products), adds, note=plain(line)))
        if not (more or adds):
            self.known.setdefault(rhs, array)

    def __call__(self, node: Term) -> Value:
        """Raises `NotSupported` for a term that has no entries, naming the equation."""
        found = self.part(node)
        return found if isinstance(found, Value) else self.stored(node, bare("0"), [("add", found, node)])

    def part(self, node: Term) -> Value | Product:
        """A term, or the sum over an index that it is."""
        rule = _NODES.get(type(node))
        if rule is None:
            raise NotSupported(f"There are no loops for {type(node).__name__}.", plain(self.line),
                               f"terms made of {', '.join(kind.__name__ for kind in _NODES)}")
        return rule(self, node)

    def many(self, nodes: Sequence[Term]) -> list[Value]:
        return [self(node) for node in nodes]

    def stored(self, node: Term, value: Value, products: Summands | None = None) -> Value:
        """A term with an array of its own."""
        if node not in self.known:
            like = products[0][1] if products else value
            self.known[node] = Array(self.name(f"{'sum' if products else 'part'}_{self.target.name}"), like.rows, like.columns)
            self.made.append(Made(self.known[node], value, _signed(products or []), note=plain(node)))
        self.read(self.known[node])
        return self.known[node].value()

    # --- sums ---

    def _parts(self, node: Term) -> tuple[Summands, Summands, Summands]:
        """The summands: what parameters alone give, sums over an index, the rest. Without the second all is in the third."""
        found: Summands = [(sign, self.part(arg), arg) for sign, arg in _summands(node)]
        products = [each for each in found if isinstance(each[1], Product)]
        start = [each for each in found if products and each not in products and _is_fixed(each[2])]
        return start, products, [each for each in found if each not in products and each not in start]

    def _affine(self, start: Summands, products: Summands) -> tuple[str, Value, Term]:
        """What is summed over an index, in an array."""
        node = added(*(arg if sign == "add" else Neg(arg) for sign, _, arg in (*products, *start)))
        return "add", self.stored(node, _total(start), products), node

    def sum(self, node: Add) -> Value:
        start, products, rest = self._parts(node)
        return _total([self._affine(start, products), *rest] if products else rest)

    # --- products ---

    def product(self, node: MatMul) -> Value | Product:
        """Numbers scale; what is left is cut after every column, and a part that ends with one is made from there."""
        pairs = list(zip(node.args, self.many(node.args), strict=True))
        numbers = [value for _, value in pairs if value.kind == "number"]
        factors: list[tuple[Term, Value | Product]] = []
        for chain in _chains([pair for pair in pairs if pair[1].kind != "number"]):
            if chain[-1][1].columns == ONE:
                factors.append(reduce(lambda right, left: self._pair(left, right), chain[::-1]))
            else:
                factors.append(reduce(self._pair, chain))
        if len(factors) == 1 and not numbers:
            return factors[0][1]
        scales = [each for each in factors if (each[1].rows, each[1].columns) == (ONE, ONE)]
        rest = [each for each in factors if each not in scales]
        return joined("multiply", *numbers, *map(self._whole, [*scales, *([reduce(self._pair, rest)] if rest else [])]))

    def _whole(self, found: tuple[Term, Value | Product]) -> Value:
        node, part = found
        return part if isinstance(part, Value) else self.stored(node, bare("0"), [("add", part, node)])

    def _pair(self, left: tuple[Term, Value | Product], right: tuple[Term, Value | Product]) -> tuple[Term, Value | Product]:
        """Two factors: of a column and a row the product of their entries, else a sum over an index."""
        node = MatMul((left[0], right[0]))
        first, second = (self._at_hand(term, self._whole((term, part))) for term, part in (left, right))
        if first.kind == "column" and second.kind == "row":
            return node, joined("multiply", *outer(first, second))
        return node, Product(first, second)

    def _at_hand(self, node: Term, value: Value) -> Value:
        """What meets every row or column of a matrix is computed once."""
        return value if value.kind == "matrix" or value.simple else self.stored(node, value)

    def trace(self, node: Trace) -> Value | Product:
        factors = node.arg.args if isinstance(node.arg, MatMul) else (node.arg,)
        if len(factors) == 1:
            value = self(node.arg)
            diagonal = Value(lambda row, column: value.at(row, row), value.rows, ONE)
            return Product(Value(lambda row, column: "1", ONE, value.rows), diagonal)
        left, right = self(factors[0]), matrix_product(*factors[1:])
        if left.kind == "number":
            return joined("multiply", left, self(Trace(right)))
        if left.kind == "column":  # tr(v r) = r v
            return self.product(MatMul((right, factors[0])))
        return Product(left, self(right), closed=True)

    # --- the other rules ---

    def name_of(self, node: Sym | Adj) -> Value:
        return self.leaf(node)

    def applied(self, node: Apply) -> Value:
        named = self.value_of(node, self.line)
        if named is not None:
            return self(named)
        return mapped(self(node.arg), lambda code: limited(activated(node.function, code), lambda: self.constant("largest", "")))

    def slope(self, node: Prime) -> Value:
        value, reads = Apply(node.function, node.arg), slope_reads(node.function)
        argument = self(node.arg) if self.value_of(value, self.line) is None or "x" in reads else bare("0")
        result = self(value) if "y" in reads else bare("0")
        like = argument if argument.rows else result
        return Value(lambda row, column: counted(sloped(node.function, argument.at(row, column), result.at(row, column)),
                                                 lambda: "1"), like.rows, like.columns)

    def power(self, node: Pow) -> Value:
        if not isinstance(node.exponent, Num):
            raise NotSupported("A power has a number as exponent.", plain(self.line), "an exponent such as 2")
        return joined("power", self(node.base), self(node.exponent))

    def blocks(self, node: Blocks) -> Value:
        if node not in self.known:
            rows = [self.many(row) for row in node.rows]
            height = total_length([row[0].rows or ONE for row in rows])
            width = total_length([value.columns or ONE for value in rows[0]])
            self.known[node] = Array(self.name(f"stack_{self.target.name}"), height, width)
            self._assemble(self.known[node], node, plain(node))
        self.read(self.known[node])
        return self.known[node].value()

    def _assemble(self, array: Array, node: Blocks, note: str) -> None:
        """Make an array part by part."""
        above: Length = ()
        for row in node.rows:
            height: Length = ONE
            before: Length = ()
            for value in self.many(row):
                height, width = value.rows or ONE, value.columns or ONE
                offset = (self.text(above), self.text(before))
                self.made.append(Made(array, Value(value.at, height, width), offset=offset, note=note))
                note = ""  # the others follow
                before = total_length([before, width])
            above = total_length([above, height])

    def some(self, node: Rows) -> Value:
        value, start, stop = self(node.arg), linear("rows", node.start), linear("rows", node.stop)
        if value.kind in ("number", "row"):
            return value
        first = self.text(start)
        return Value(lambda row, column: value.at(shifted(row, first), column), total_length([stop], start), value.columns)

    def diagonal(self, node: Diag) -> Value:
        value = self(node.arg)
        def entry(row: str, column: str) -> Code:
            return Call("multiply", (value.at(row, FIRST), f"real({row} == {column})"))
        return value if value.kind == "number" else Value(entry, value.rows, value.rows)

    def ones(self, node: Ones) -> Value:
        return Value(lambda row, column: "1", linear("ones", node.rows), ONE)


def _summands(node: Term) -> list[tuple[str, Term]]:
    """The summands of a term, each with its sign."""
    args = node.args if isinstance(node, Add) else (node,)
    return [("subtract", arg.arg) if isinstance(arg, Neg) else ("add", arg) for arg in args]


def _signed(products: Summands) -> tuple[tuple[str, Product], ...]:
    return tuple((sign, part) for sign, part, _ in products if isinstance(part, Product))


def _total(found: Summands) -> Value:
    """The sum of values; of none, zero."""
    values = [(sign, part) for sign, part, _ in found if isinstance(part, Value)]
    if not values:
        return bare("0")
    (sign, first), *rest = values
    head = first if sign == "add" else mapped(first, lambda code: Call("negative", (code,)))
    return reduce(lambda left, right: joined(right[0], left, right[1]), rest, head)


def _is_fixed(node: Term) -> bool:
    """Whether a term is one of parameters alone."""
    return not any(isinstance(part, Adj) or (isinstance(part, Sym) and part.time is not None) for part in walk(node))


def _chains(pairs: list[tuple[Term, Value]]) -> list[list[tuple[Term, Value | Product]]]:
    """The product cut after every column."""
    chains: list[list[tuple[Term, Value | Product]]] = [[]]
    for pair in pairs:
        chains[-1].append(pair)
        if pair[1].kind == "column":
            chains.append([])
    return [chain for chain in chains if chain]


_NODES: dict[type[Term], Callable[[Entries, Any], Value | Product]] = {
    Num: lambda _, node: bare(number(node.value)),
    Sym: Entries.name_of,
    Adj: Entries.name_of,
    Add: Entries.sum,
    Neg: lambda self, node: mapped(self(node.arg), lambda code: Call("negative", (code,))),
    Hadamard: lambda self, node: joined("multiply", *self.many(node.args)),
    MatMul: Entries.product,
    Div: lambda self, node: joined("divide", self(node.above), self(node.below)),
    Pow: Entries.power,
    Max: lambda self, node: joined("maximum", *self.many(node.args)),
    Apply: Entries.applied,
    Prime: Entries.slope,
    Transpose: lambda self, node: transposed(self(node.arg)),
    Diag: Entries.diagonal,
    Trace: Entries.trace,
    Ones: Entries.ones,
    Rows: Entries.some,
    Blocks: Entries.blocks,
}
