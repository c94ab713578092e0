"""The SymPy expressions that SymPy itself does not have: activations of a matrix, stacks, sums over time, equations.

SymPy can substitute in them, print them and write out their entries. Sums keep the order in which they were written,
and an `Equation` stays an equation whatever its two sides are.

>>> from sympy import MatrixSymbol, symbols
>>> n = symbols("n", integer=True, positive=True)
>>> z = MatrixSymbol("z", n, 1)
>>> Equation(z, Elementwise("tanh", z)).subs(n, 2).rhs.as_explicit()
Matrix([
[tanh(z[0, 0])],
[tanh(z[1, 0])]])
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache
from typing import Any, Self

import sympy
from sympy import Basic, Expr, MatAdd, MatrixBase, MatrixExpr, Trace, Tuple
from sympy.core.symbol import Str
from sympy.logic.boolalg import Boolean
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.matrices.expressions.special import GenericZeroMatrix

from symlstm.activations import ACTIVATIONS, STAND_INS, X
from symlstm.algebra import Add, Apply, Div, Hadamard, MatMul, Max, Neg, Num, Pow, Term, children

_SYMPY_HAS = {
    "exp": sympy.exp, "tanh": sympy.tanh, "log": sympy.log, "sqrt": sympy.sqrt, "sin": sympy.sin, "cos": sympy.cos,
    "abs": sympy.Abs,
}  # fmt: skip
# the functions that a cell leaves open: not the undefined functions that anybody makes under these names
OPEN = {name: sympy.Function(name, real=True) for name in STAND_INS}


@cache
def formula(name: str) -> sympy.Lambda:
    """A named function of one number, as SymPy writes it; one that is open, or that nobody knows, stays undefined."""
    argument = sympy.Symbol("x", real=True)
    if name in _SYMPY_HAS:
        return sympy.Lambda(argument, _SYMPY_HAS[name](argument))
    if name not in ACTIVATIONS:
        return sympy.Lambda(argument, OPEN.get(name, sympy.Function(name))(argument))
    return sympy.Lambda(argument, _scalar(ACTIVATIONS[name].formula, argument))


_ON_NUMBERS: dict[type[Term], Callable[..., Any]] = {
    Add: sympy.Add, Hadamard: sympy.Mul, MatMul: sympy.Mul, Max: sympy.Max,
    Neg: operator.neg, Div: operator.truediv, Pow: operator.pow,
}  # fmt: skip


def _scalar(node: Term, x: sympy.Symbol) -> Any:
    """A formula of the table of activations, at a number."""
    if isinstance(node, Num):
        return sympy.Rational(node.value.numerator, node.value.denominator)
    values = [x if child == X else _scalar(child, x) for child in children(node)]
    return formula(node.function)(*values) if isinstance(node, Apply) else _ON_NUMBERS[type(node)](*values)


@cache
def slope(name: str) -> sympy.Lambda:
    """The derivative of a named function of one number (at a kink SymPy's, which nobody should rely on)."""
    function: Any = formula(name)
    return sympy.Lambda(function.variables, function.expr.diff(*function.variables))


class Elementwise(MatrixExpr):
    """A named function applied to every entry: `Elementwise("sigma", z)`."""

    scalar = staticmethod(formula)
    mark = ""

    def __new__(cls, function: Str | str, arg: Any) -> Self:
        return Basic.__new__(cls, Str(str(function)), arg)  # type: ignore[return-value]

    @property
    def function(self) -> str:
        """The name of the function."""
        return str(self.args[0])

    @property
    def arg(self) -> Any:
        """What it is applied to."""
        return self.args[1]

    @property
    def shape(self) -> tuple[Any, Any]:
        return self.arg.shape

    def _entry(self, i: Any, j: Any, **_: Any) -> Expr:
        return self.scalar(self.function)(self.arg[i, j])

    def doit(self, **hints: Any) -> Any:
        arg = self.arg.doit(**hints)
        return arg.applyfunc(self.scalar(self.function)) if isinstance(arg, MatrixBase) else self.func(self.function, arg)

    def _eval_transpose(self) -> Any:
        return self.func(self.function, self.arg.T)

    def _sympystr(self, printer: Any) -> str:
        return f"{self.function}{self.mark}({printer._print(self.arg)})"

    def _latex(self, printer: Any) -> str:
        name = ACTIVATIONS[self.function].latex if self.function in ACTIVATIONS else rf"\operatorname{{{self.function}}}"
        return rf"{name}{self.mark}\left({printer._print(self.arg)}\right)"

    def _numpycode(self, printer: Any) -> str:
        return f"{self.function}{'_slope' if self.mark else ''}({printer._print(self.arg)})"


class Slope(Elementwise):
    """The derivative of a named function at every entry: `Slope("relu", z)`."""

    scalar = staticmethod(slope)
    mark = "'"


class Larger(MatrixExpr):
    """The elementwise larger of matrices of equal shape."""

    def __new__(cls, *args: Any) -> Self:
        return Basic.__new__(cls, *args)  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[Any, Any]:
        return self.args[0].shape  # type: ignore[attr-defined]

    def _entry(self, i: Any, j: Any, **_: Any) -> Expr:
        return sympy.Max(*(arg[i, j] for arg in self.args))  # type: ignore[index]

    def _sympystr(self, printer: Any) -> str:
        return f"max({', '.join(map(printer._print, self.args))})"

    def _numpycode(self, printer: Any) -> str:
        return f"maximum({', '.join(map(printer._print, self.args))})"


class Stack(MatrixExpr):
    """Blocks above and beside one another, `Stack(((h,), (x,)))`. Its entries can be named once the sizes are numbers."""

    def __new__(cls, rows: Any) -> Self:
        return Basic.__new__(cls, Tuple(*(Tuple(*row) for row in rows)))  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[Any, Any]:
        rows: Any = self.args[0]
        return sum((row[0].shape[0] for row in rows), sympy.S.Zero), sum((block.shape[1] for block in rows[0]), sympy.S.Zero)

    def _entry(self, i: Any, j: Any, **_: Any) -> Expr:
        rows: Any = self.args[0]
        for row in rows:
            if i < row[0].shape[0]:
                for block in row:
                    if j < block.shape[1]:
                        return block[i, j]
                    j -= block.shape[1]
            i -= row[0].shape[0]
        raise IndexError("the entry is outside of the stack")

    def _eval_transpose(self) -> Any:
        return Stack(tuple(tuple(block.T for block in column) for column in zip(*self.args[0], strict=True)))  # type: ignore[arg-type]

    def _sympystr(self, printer: Any) -> str:
        return "[" + "; ".join(", ".join(map(printer._print, row)) for row in self.args[0]) + "]"  # type: ignore[attr-defined]

    def _numpycode(self, printer: Any) -> str:
        return "block([" + ", ".join(f"[{', '.join(map(printer._print, row))}]" for row in self.args[0]) + "])"  # type: ignore[attr-defined]


class Slice(MatrixExpr):
    """Rows `start`+1 to `stop` of a matrix expression. Its entries can be named with sizes that are letters."""

    def __new__(cls, arg: Any, start: Any, stop: Any) -> Self:
        return Basic.__new__(cls, arg, start, stop)  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[Any, Any]:
        arg, start, stop = self.args
        return stop - start, arg.shape[1]  # type: ignore[operator, attr-defined]

    def _entry(self, i: Any, j: Any, **_: Any) -> Expr:
        arg, start, _stop = self.args
        return arg[start + i, j]  # type: ignore[index, operator]

    def _sympystr(self, printer: Any) -> str:
        arg, start, stop = map(printer._print, self.args)
        return f"({arg})[{start}:{stop}]"

    def _numpycode(self, printer: Any) -> str:
        arg, start, stop = map(printer._print, self.args)
        return f"({arg})[{start}:{stop}]"


class WrittenSum(MatAdd):
    """A matrix sum that is printed in the order in which it was written: `W*x_t + U*h_prev + b`."""

    def __new__(cls, *args: Any, **_: Any) -> Self:
        kept = [arg for arg in args if not isinstance(arg, GenericZeroMatrix)]
        return Basic.__new__(cls, *kept)  # type: ignore[return-value]

    def doit(self, **hints: Any) -> Any:
        return MatAdd(*(arg.doit(**hints) for arg in self.args)).doit(**hints)

    def _joined(self, printer: Any) -> str:
        parts = [printer._print(arg) for arg in self.args]
        signed = [f" - {part[1:].lstrip()}" if part.startswith("-") else f" + {part}" for part in parts[1:]]
        return parts[0] + "".join(signed)

    _sympystr = _latex = _joined


class Scalar(Trace):
    """The one entry of a 1 x 1 matrix expression, as a number: `Scalar(u.T*v)`."""

    def __new__(cls, arg: Any) -> Any:
        return Trace.__new__(cls, arg)

    def doit(self, **hints: Any) -> Any:
        arg = self.arg.doit(**hints)
        return arg[0, 0] if isinstance(arg, MatrixBase) else Scalar(arg)

    def _sympystr(self, printer: Any) -> str:
        return printer._print(self.arg)

    def _latex(self, printer: Any) -> str:
        return printer._print(self.arg)

    def _numpycode(self, printer: Any) -> str:
        return f"trace({printer._print(self.arg)})"


class OverTime(MatrixExpr):
    """A sum or product over time. It is never expanded: the body is named for one step, `OverTime("sum", body, s, 1, T)`."""

    def __new__(cls, kind: Str | str, body: Any, index: Any, lower: Any, upper: Any) -> Self:
        return Basic.__new__(cls, Str(str(kind)), body, index, lower, upper)  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[Any, Any]:
        return getattr(self.args[1], "shape", (1, 1)) or (1, 1)

    def _entry(self, i: Any, j: Any, **_: Any) -> Expr:
        return MatrixElement(self, i, j)

    def doit(self, **_: Any) -> Any:
        return self

    def _sympystr(self, printer: Any) -> str:
        kind, body, index, lower, upper = map(printer._print, self.args)
        return f"{kind}({body}, ({index}, {lower}, {upper}))"


class Jacobian(MatrixExpr):
    """The derivative of one quantity by another, unevaluated: row i is the gradient of entry i."""

    def __new__(cls, of: Any, by: Any, direct: Any = False) -> Self:
        return Basic.__new__(cls, of, by, sympy.sympify(bool(direct)))  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[Any, Any]:
        of, by, _ = self.args
        return (getattr(of, "shape", None) or (1, 1))[0], (getattr(by, "shape", None) or (1, 1))[0]

    def _entry(self, i: Any, j: Any, **_: Any) -> Expr:
        return MatrixElement(self, i, j)

    def doit(self, **_: Any) -> Any:
        return self

    def _sympystr(self, printer: Any) -> str:
        of, by, direct = self.args
        return f"{'direct' if direct else 'd'}({printer._print(of)}/{printer._print(by)})"


class Norm(Expr):
    """The largest singular value of a matrix; of a vector, its Euclidean length."""

    is_nonnegative = True

    def __new__(cls, arg: Any) -> Self:
        return Basic.__new__(cls, arg)  # type: ignore[return-value]

    def _sympystr(self, printer: Any) -> str:
        return f"|{printer._print(self.args[0])}|"

    def _numpycode(self, printer: Any) -> str:
        return f"norm({printer._print(self.args[0])}, 2)"


class Equation(sympy.Eq):
    """An equation that is never decided: `lhs`, `rhs`, `subs`, `xreplace` and `doit` work on its two sides.

    >>> x = sympy.Symbol("x")
    >>> Equation(x, x), Equation(x, x + 1).subs(x, 1)
    (Eq(x, x), Eq(1, 2))
    """

    def __new__(cls, lhs: Any, rhs: Any, **_: Any) -> Any:
        return sympy.core.relational.Relational.__new__(cls, sympy.sympify(lhs, strict=True), sympy.sympify(rhs, strict=True))

    def __init__(self, lhs: Any, rhs: Any, **_: Any) -> None:
        """SymPy's signature, for those who read it."""


class Nearly(Equation):
    """Equality at the precision that is printed."""

    def _sympystr(self, printer: Any) -> str:
        return f"Nearly({printer._print(self.lhs)}, {printer._print(self.rhs)})"


class Chain(Boolean):
    """Relations that hold together, in the order in which they were written: `0 < y < 1`."""

    def __new__(cls, *links: Any) -> Self:
        return Basic.__new__(cls, *links)  # type: ignore[return-value]

    def _sympystr(self, printer: Any) -> str:
        return " & ".join(f"({printer._print(link)})" for link in self.args)


class Where(Boolean):
    """A relation and the condition under which it holds."""

    def __new__(cls, relation: Any, condition: Any) -> Self:
        return Basic.__new__(cls, relation, condition)  # type: ignore[return-value]

    def _sympystr(self, printer: Any) -> str:
        return f"{printer._print(self.args[0])} where {printer._print(self.args[1])}"
