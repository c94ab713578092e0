"""Any term as an expression of arrays, by the rule of `rows`: what stands on the right of an equation, in code.

A node type is one line of a table. What a symbol is called, and whether its array for one step or for all steps is meant,
is asked of whoever needs the code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
)
from symlstm.generator.codes import Call, Code, activated, counted, limited, number, slope_reads, sloped
from symlstm.generator.rows import Value, diagonal, joined, product, some_rows, stacked, summed, trace, transposed
from symlstm.shapes import ONE, Length, Shapes, linear, total_length

BARE = Value("0")


@dataclass(frozen=True)
class Arrays:
    """Terms to code. `leaf` gives the code of a symbol or an adjoint, `constant` the name of what is made once ("ones" or
    "eye" of a size, "size", "dtype", "largest"), `value_of` the quantity that is a function at a point, if one is.
    `lead` is the text of the axes in front, `text` gives that of a length; `accuracy` is that of activations.
    """

    shapes: Shapes
    line: Relation
    leaf: Callable[[Sym | Adj], str]
    constant: Callable[[str, str], str]
    value_of: Callable[[Term], Sym | None]
    lead: str
    text: Callable[[Length], str]
    accuracy: str = "fast"

    def __call__(self, node: Term) -> Value:
        """Raises `NotSupported` for a term without a NumPy form, naming the equation."""
        rule = _NODES.get(type(node))
        if rule is None:
            raise NotSupported(f"There is no NumPy form of {type(node).__name__}.", plain(self.line),
                               f"terms made of {', '.join(kind.__name__ for kind in _NODES)}")
        return rule(self, node)

    def many(self, nodes: tuple[Term, ...]) -> list[Value]:
        return [self(node) for node in nodes]

    def total(self, node: Term) -> Code:
        """A share of a parameter's adjoint, summed over time and batch."""
        if isinstance(node, Neg):
            return Call("negative", (self.total(node.arg),))
        if isinstance(node, Div) and isinstance(node.above, MatMul) and self.scales(node.below):
            return summed(self.many(node.above.args), self(node.below))
        return summed(self.many(node.args) if isinstance(node, MatMul) else [self(node)])

    def scales(self, node: Term) -> bool:
        """Whether a divisor is one number."""
        return self(node).kind in ("bare", "number")

    # --- the rules ---

    def name(self, node: Sym | Adj) -> Value:
        of = node.of if isinstance(node, Adj) else node
        if of.time is None and of.name in self.shapes.size_names:
            return Value(self.constant("size", self.text(((of.name, 1),))), ONE, ONE)
        rows, columns = self.shapes.lengths[of.name]
        return Value(self.leaf(node), rows, columns, many=of.time is not None)

    def typed(self, value: Value) -> Value:
        """A bare number as a number of the arrays' dtype."""
        return value if value.rows else Value(f"{self.constant('dtype', '')}({value.code})", ONE, ONE)

    def sum(self, node: Add) -> Value:
        first, *rest = node.args
        total = self(first)
        for arg in rest:
            function, arg = ("subtract", arg.arg) if isinstance(arg, Neg) else ("add", arg)
            total = joined(function, total, self(arg))
        return total

    def negative(self, node: Neg) -> Value:
        value = self(node.arg)
        return replace(value, code=Call("negative", (value.code,)))

    def product(self, node: Hadamard) -> Value:
        return joined("multiply", *self.many(node.args))

    def quotient(self, node: Div) -> Value:
        if isinstance(node.above, MatMul) and self.scales(node.below):
            return product(self.many(node.above.args), self(node.below))
        return joined("divide", self(node.above), self(node.below))

    def power(self, node: Pow) -> Value:
        base, exponent = self(node.base), self(node.exponent)
        if exponent.kind != "bare":
            raise NotSupported("A power has a number as exponent.", plain(self.line), "an exponent such as 2")
        return joined("power", base, exponent)

    def applied(self, node: Apply) -> Value:
        named = self.value_of(node)
        if named is not None:
            return self(named)
        argument = self.typed(self(node.arg))
        code = limited(activated(node.function, argument.array(), self.accuracy), lambda: self.constant("largest", ""))
        return Value(code, argument.rows, argument.columns, argument.many)

    def slope(self, node: Prime) -> Value:
        applied, reads = Apply(node.function, node.arg), slope_reads(node.function, self.accuracy)
        argument = self.typed(self(node.arg)) if self.value_of(applied) is None or "x" in reads else BARE
        value = self(applied) if "y" in reads else BARE
        like = argument if argument.rows else value
        slope = sloped(node.function, argument.array(), value.array(), self.accuracy)
        code = counted(slope, lambda: f"{self.constant('dtype', '')}(1)")
        return Value(code, like.rows, like.columns, like.many)

    def blocks(self, node: Blocks) -> Value:
        rows = [[self.typed(value) for value in self.many(row)] for row in node.rows]
        height, width = total_length([row[0].rows for row in rows]), total_length([value.columns for value in rows[0]])
        return stacked(rows, self.lead, height, width, self.text)

    def some(self, node: Rows) -> Value:
        start, stop = linear("rows", node.start), linear("rows", node.stop)
        return some_rows(self(node.arg), self.text(start), self.text(stop), total_length([stop], start))

    def diagonal(self, node: Diag) -> Value:
        value = self(node.arg)
        return diagonal(value, self.constant("eye", self.text(value.rows)))

    def trace(self, node: Trace) -> Value:
        return trace(self.many(node.arg.args) if isinstance(node.arg, MatMul) else [self(node.arg)])

    def ones(self, node: Ones) -> Value:
        length = linear("ones", node.rows)
        return self.typed(Value("1")) if length == ONE else Value(self.constant("ones", self.text(length)), length, ONE)


def _multiplied(self: Arrays, node: MatMul) -> Value:
    return product(self.many(node.args))


_NODES: dict[type[Term], Callable[[Arrays, Any], Value]] = {
    Num: lambda _, node: Value(number(node.value)),
    Sym: Arrays.name,
    Adj: Arrays.name,
    Add: Arrays.sum,
    Neg: Arrays.negative,
    Hadamard: Arrays.product,
    MatMul: _multiplied,
    Div: Arrays.quotient,
    Pow: Arrays.power,
    Max: lambda self, node: joined("maximum", *self.many(node.args)),
    Apply: Arrays.applied,
    Prime: Arrays.slope,
    Transpose: lambda self, node: transposed(self(node.arg)),
    Diag: Arrays.diagonal,
    Trace: Arrays.trace,
    Ones: Arrays.ones,
    Rows: Arrays.some,
    Blocks: Arrays.blocks,
}
