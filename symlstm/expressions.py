"""Terms and relations as SymPy expressions: matrices with symbolic sizes, numbers where the shape is 1 x 1.

A quantity is a `MatrixSymbol` with a name that Python can use: `x[t]` is `x_t`, `h[t-1]` is `h_prev`, `h[t+1]` is
`h_next`, the adjoint of `h[t]` is `delta_h_t`; without a time mark the name stays. A vector is a column.
Products and sums keep the order in which they were written.

>>> from symlstm import zoo
>>> to_sympy(zoo.RNN.declared[0], zoo.RNN.shapes)
Eq(h_t, tanh(W*x_t + U*h_prev + b))
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from typing import Any

import sympy
from sympy import HadamardProduct, MatMul, MatrixExpr, MatrixSymbol, OneMatrix

from symlstm import algebra
from symlstm.algebra import Listed, NotSupported, Num, Relation, Space, Sym, Term, Time, plain
from symlstm.symbolic import (
    Chain,
    Elementwise,
    Equation,
    Jacobian,
    Larger,
    Nearly,
    Norm,
    OverTime,
    Scalar,
    Slice,
    Slope,
    Stack,
    Where,
    WrittenSum,
)

Shapes = Mapping[str, tuple[Any, ...]]
_SIZES = frozenset({"n", "m", "k", "T"})  # letters that are whole numbers where nothing says what they are


def to_sympy(node: Term | Relation, shapes: Shapes) -> Any:
    """A term as a SymPy expression, a relation as a SymPy relation.

    `shapes` gives the size of each quantity by name, as `cell.shapes` does; a name that it lacks is a number.
    An equation becomes an `Equation`, which SymPy never collapses; a chain becomes a `Chain` of its links.
    Raises `NotSupported` for a term that has no counterpart in SymPy.

    >>> from symlstm.algebra import Apply
    >>> to_sympy(Apply("sigma", Sym("x")), {})
    1/(1 + exp(-x))
    """
    if isinstance(node, Relation):
        links = [_OPERATORS[operator](left, right, shapes) for left, operator, right in node.links()]
        whole = links[0] if len(links) == 1 else Chain(*links)
        return whole if node.condition is None else Where(whole, to_sympy(node.condition, shapes))
    try:
        rule = _RULES[type(node)]
    except KeyError:
        raise NotSupported(f"{type(node).__name__} has no counterpart in SymPy.", plain(node)) from None
    return rule(node, shapes)


def safe_name(node: Sym) -> str:
    """The name of a quantity at a time, as a Python name.

    >>> h = algebra.quantity("h")
    >>> safe_name(h), safe_name(h.prev), safe_name(h.at(None)), safe_name(Sym("lambda")), safe_name(h.at(Time("T", -1)))
    ('h_t', 'h_prev', 'h', 'lambda_', 'h_T_minus_1')
    """
    name = node.name if node.time is None else f"{node.name}_{_when(node.time)}"
    return f"{name}_" if keyword.iskeyword(name) else name


def _when(time: Time) -> str:
    near = {Time("t", -1): "prev", Time("t", 1): "next"}.get(time)
    if near or not time.base:
        return near or str(time.offset).replace("-", "minus_")
    return time.base + (f"_{'plus' if time.offset > 0 else 'minus'}_{abs(time.offset)}" if time.offset else "")


def _symbol(name: str, shape: tuple[Any, ...]) -> Any:
    return MatrixSymbol(name, *(*shape, 1)[:2]) if shape else sympy.Symbol(name, real=True)


def quantity(name: str, shapes: Shapes) -> Any:
    """A quantity without a time mark, by its name alone: the state n of a cell, where the term `n` is the size."""
    return _symbol(safe_name(Sym(name)), shapes.get(name, ()))


def _name(node: Sym, shapes: Shapes) -> Any:
    sizes = getattr(shapes, "size_names", _SIZES.difference(shapes))
    if node.time is None and (node.name in sizes or (node.name in _SIZES and node.name not in shapes)):
        return sympy.Symbol(node.name, integer=True, positive=True)
    return _symbol(safe_name(node), shapes.get(node.name, ()))


def _adjoint(node: algebra.Adj, shapes: Shapes) -> Any:
    name = f"delta_{safe_name(node.of)}" + ("_arriving" if node.arriving else "")
    return _symbol(name, shapes.get(node.of.name, ()))


def _is_matrix(value: Any) -> bool:
    return isinstance(value, (MatrixExpr, sympy.MatrixBase))


def _number(value: Any) -> Any:
    """A 1 x 1 matrix as the number it is; anything else as it is."""
    return Scalar(value) if _is_matrix(value) and value.shape == (1, 1) else value


def _alike(args: tuple[Term, ...], shapes: Shapes) -> list[Any]:
    """The operands of an elementwise node; beside matrices a bare number stands for the constant matrix."""
    values = [to_sympy(arg, shapes) for arg in args]
    shape = next((value.shape for value in values if _is_matrix(value)), None)
    return values if shape is None else [value if _is_matrix(value) else _constant(value, shape) for value in values]


def _constant(value: Any, shape: tuple[Any, Any]) -> Any:
    return sympy.ZeroMatrix(*shape) if value == 0 else _times(value, OneMatrix(*shape))


def _times(*factors: Any) -> Any:
    """The product of numbers and matrices in the order written, nested products opened."""
    flat = [part for factor in factors for part in (factor.args if isinstance(factor, MatMul) else (factor,)) if part != 1]
    if not any(map(_is_matrix, flat)):
        return sympy.Mul(*flat)
    return _number(MatMul(*flat)) if len(flat) > 1 else flat[0]


def _add(node: algebra.Add, shapes: Shapes) -> Any:
    values = _alike(node.args, shapes)
    return WrittenSum(*values) if _is_matrix(values[0]) else sympy.Add(*values)


def _product(node: algebra.MatMul, shapes: Shapes) -> Any:
    return _times(*(to_sympy(arg, shapes) for arg in node.args))


def _hadamard(node: algebra.Hadamard, shapes: Shapes) -> Any:
    values = [to_sympy(arg, shapes) for arg in node.args]
    matrices = [value for value in values if _is_matrix(value)]
    together = HadamardProduct(*matrices) if len(matrices) > 1 else matrices[0] if matrices else sympy.S.One
    return _times(*(value for value in values if not _is_matrix(value)), together)


def _power(base: Any, exponent: Any) -> Any:
    return sympy.HadamardPower(base, exponent) if _is_matrix(base) else sympy.Pow(base, exponent)


def _quotient(node: algebra.Div, shapes: Shapes) -> Any:
    above, below = to_sympy(node.above, shapes), to_sympy(node.below, shapes)
    if not _is_matrix(below):
        return _times(1 / below, above)
    reciprocal = sympy.HadamardPower(below, -1)
    return HadamardProduct(above, reciprocal) if _is_matrix(above) else _times(above, reciprocal)


def _max(node: algebra.Max, shapes: Shapes) -> Any:
    values = _alike(node.args, shapes)
    return Larger(*values) if _is_matrix(values[0]) else sympy.Max(*values)


def _apply(kind: type[Elementwise]) -> Callable[[Any, Shapes], Any]:
    def made(node: algebra.Apply | algebra.Prime, shapes: Shapes) -> Any:
        arg = to_sympy(node.arg, shapes)
        return kind(node.function, arg) if _is_matrix(arg) else kind.scalar(node.function)(arg)
    return made


def _blocks(node: algebra.Blocks, shapes: Shapes) -> Any:
    rows = [[to_sympy(block, shapes) for block in row] for row in node.rows]
    if not any(_is_matrix(block) for row in rows for block in row):
        return sympy.ImmutableMatrix(rows)
    return Stack([[block if _is_matrix(block) else sympy.ImmutableMatrix([[block]]) for block in row] for row in rows])


def _over_time(kind: str) -> Callable[[Any, Shapes], Any]:
    def made(node: algebra.Sum | algebra.Prod, shapes: Shapes) -> Any:
        ends = [_time(end) for end in (node.lower, node.upper)]
        return _number(OverTime(kind, to_sympy(node.body, shapes), sympy.Symbol(node.index, integer=True), *ends))
    return made


def _time(time: Time) -> Any:
    return (sympy.Symbol(time.base, integer=True) if time.base else 0) + sympy.Integer(time.offset)


def _partial(node: algebra.Partial, shapes: Shapes) -> Any:
    of, by = to_sympy(node.of, shapes), to_sympy(node.wrt, shapes)
    if not _is_matrix(of) and not _is_matrix(by) and by in of.free_symbols - {of}:
        return sympy.Derivative(of, by)
    return _number(Jacobian(of, by, node.direct))


def _transposed(node: algebra.Transpose, shapes: Shapes) -> Any:
    arg = to_sympy(node.arg, shapes)
    return sympy.Transpose(arg) if _is_matrix(arg) else arg


def _diagonal(node: algebra.Diag, shapes: Shapes) -> Any:
    arg = to_sympy(node.arg, shapes)
    return sympy.DiagMatrix(arg) if _is_matrix(arg) else arg


def _trace(node: algebra.Trace, shapes: Shapes) -> Any:
    arg = to_sympy(node.arg, shapes)
    return sympy.Trace(arg) if _is_matrix(arg) else arg


def _rows(node: algebra.Rows, shapes: Shapes) -> Any:
    return Slice(*(to_sympy(part, shapes) for part in (node.arg, node.start, node.stop)))


def _limit(node: algebra.Limit, shapes: Shapes) -> Any:
    body, variable = to_sympy(node.body, shapes), to_sympy(node.variable, shapes)
    return sympy.Limit(body, variable, node.sign * sympy.oo, "-" if node.sign > 0 else "+")


def _interval(node: algebra.Interval, shapes: Shapes) -> Any:
    lower, upper = (sympy.oo if end == Sym("infinity") else to_sympy(end, shapes) for end in (node.lower, node.upper))
    return sympy.Interval(lower, upper, node.open_below, node.open_above)


_RULES: dict[type[Term], Callable[[Any, Shapes], Any]] = {
    Num: lambda node, _: sympy.Rational(node.value.numerator, node.value.denominator),
    Sym: _name,
    algebra.Adj: _adjoint,
    algebra.Add: _add,
    algebra.Neg: lambda node, shapes: _times(sympy.S.NegativeOne, to_sympy(node.arg, shapes)),
    algebra.MatMul: _product,
    algebra.Hadamard: _hadamard,
    algebra.Div: _quotient,
    algebra.Pow: lambda node, shapes: _power(to_sympy(node.base, shapes), to_sympy(node.exponent, shapes)),
    algebra.Transpose: _transposed,
    algebra.Diag: _diagonal,
    algebra.Ones: lambda node, shapes: OneMatrix(to_sympy(node.rows, shapes), 1),
    algebra.Trace: _trace,
    algebra.Rows: _rows,
    algebra.Apply: _apply(Elementwise),
    algebra.Prime: _apply(Slope),
    algebra.Max: _max,
    algebra.Blocks: _blocks,
    algebra.Sum: _over_time("sum"),
    algebra.Prod: _over_time("product"),
    algebra.Partial: _partial,
    algebra.Norm: lambda node, shapes: Norm(to_sympy(node.arg, shapes)),
    algebra.Limit: _limit,
    algebra.Interval: _interval,
}


# --- relations ------------------------------------------------------------------------------------------------


def _compared(kind: Callable[..., Any]) -> Callable[[Term, Term, Shapes], Any]:
    """A comparison; beside a matrix a bare number stands for the constant matrix."""
    return lambda left, right, shapes: kind(*_alike((left, right), shapes), evaluate=False)


def _member(left: Term, right: Term, shapes: Shapes) -> Any:
    """`x in R^n`, `a, b in R^n`, `y in (0, 1)`."""
    if isinstance(left, Listed):
        return Chain(*(_member(each, right, shapes) for each in left.args))
    if isinstance(right, Space):
        rows, columns = (sympy.S.One if size is None else to_sympy(size, shapes) for size in (right.rows, right.columns))
        room: Any = sympy.Reals if (rows, columns) == (1, 1) else sympy.matrices.MatrixSet(rows, columns, sympy.Reals)
    else:
        room = to_sympy(right, shapes)
    return sympy.Contains(to_sympy(left, shapes), room, evaluate=False)


_OPERATORS: dict[str, Callable[[Term, Term, Shapes], Any]] = {
    "=": _compared(Equation),
    "~": _compared(Nearly),
    "!=": _compared(sympy.Ne),
    "<=": _compared(sympy.Le),
    "<": _compared(sympy.Lt),
    ">=": _compared(sympy.Ge),
    ">": _compared(sympy.Gt),
    "in": _member,
}
