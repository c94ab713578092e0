"""Expressions and equations as NumPy functions, by way of `sympy.lambdify`.

A vector is taken as (n,) or (n, 1), a number as a float or an array. The sizes n and m are read from the arrays.
The activations are the stable forms of the table; `1/(1 + exp(-x))`, however it came about, is made into one.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from typing import Any

import numpy as np
import sympy
from sympy import MatrixExpr, MatrixSymbol
from sympy.printing.numpy import NumPyPrinter

from symlstm.activations import ACTIVATIONS
from symlstm.algebra import Diag, MatMul, NotSupported, NotValid, Relation, Term, Transpose, plain, walk
from symlstm.expressions import to_sympy
from symlstm.generator.codes import Code, activated, sloped
from symlstm.steps import Step
from symlstm.symbolic import OPEN

EXP: Any = sympy.exp
SIGMA, SECH = sympy.Function("sigma", real=True), sympy.Function("sech_", real=True)


class Formula:
    """The right side of an equation, or an expression, as a function of arrays; `source` is the code that runs.

    Arguments go by position, in the order of `args`, or by name. The result is (n,) where the columns given are.
    """

    def __init__(self, expression: Any, args: tuple[Any, ...]) -> None:
        self.expression, self.args = expression, args
        self.names = tuple(str(arg) for arg in args)
        self._sizes = sorted(_sizes(expression, args), key=str)
        try:
            options: dict[str, Any] = {"printer": _Printer(_PLAIN_NAMES), "cse": self._shared}
            self._run: Any = sympy.lambdify([*args, *self._sizes], stable(expression), [_functions(), "numpy"], **options)
        except NotImplementedError as error:
            what = str(error).partition("\n")[0]
            raise NotSupported("There is no NumPy form of this expression.", str(expression), what) from None
        self.source = inspect.getsource(self._run)
        shapes = ", ".join(f"{arg} ({_shape(arg)})" if _is_matrix(arg) else str(arg) for arg in args)
        self.__doc__ = f"{expression}\n\nArguments, in this order: {shapes or 'none'}."

    def _shared(self, expression: Any) -> Any:
        """What occurs more than once, with names that are no argument's (SymPy's own would take `x0` from a matrix x0)."""
        names = (symbol for symbol in sympy.numbered_symbols("part") if symbol.name not in self.names)
        return sympy.cse(expression, symbols=names, list=False)

    def __repr__(self) -> str:
        return f"Formula({', '.join(self.names)}: {self.expression})"

    def __call__(self, *values: Any, **named: Any) -> Any:
        """The value. Raises `NotValid` for a missing, unknown or repeated argument and for a shape that does not fit."""
        given = dict(zip(self.names, values, strict=False))
        for name in named:
            if name not in self.names or name in given:
                what = "is given twice" if name in given else "is not an argument"
                raise NotValid(f"{name} {what}.", repr(self), f"the arguments are {', '.join(self.names)}")
        given |= named
        missing = [name for name in self.names if name not in given]
        if missing or len(values) > len(self.names):
            what = f"{missing[0]} is missing." if missing else f"{len(values)} arguments are too many."
            raise NotValid(what, repr(self), f"the arguments are {', '.join(self.names)}")
        arrays = {arg: _array(str(arg), given[str(arg)]) for arg in self.args}
        sizes = self._fit(arrays)
        columns = [arrays[arg].ndim for arg in self.args if _is_column(arg)]
        ready = [array.reshape(array.shape[0], 1) if _is_column(arg) else array for arg, array in arrays.items()]
        value = np.asarray(self._run(*ready, *(sizes[size] for size in self._sizes)))
        kinds = [array.dtype for arg, array in arrays.items() if not isinstance(given[str(arg)], (int, float))]
        value = value.astype(np.result_type(*kinds), copy=False) if kinds else value
        if columns and set(columns) == {1} and value.ndim == 2 and value.shape[1] == 1 and self.expression.shape[1] == 1:
            return value[:, 0]
        return value if value.ndim else value[()]

    def _fit(self, arrays: Mapping[Any, Any]) -> dict[Any, int]:
        """The sizes that the arrays have, as values of n, m, ... Raises `NotValid` where two disagree."""
        sizes: dict[Any, int] = {}
        known: dict[Any, str] = {}
        matrices = [(arg, array, array.shape if array.ndim == 2 else (*array.shape, 1))
                    for arg, array in arrays.items() if _is_matrix(arg)]
        sides = [(wanted, found, str(arg)) for arg, _, shape in matrices for wanted, found in zip(arg.shape, shape, strict=False)]
        for wanted, found, arg in sides:  # first the sizes that are a name
            if wanted.is_Symbol and wanted not in sizes:
                sizes[wanted], known[wanted] = found, arg
        for wanted, found, arg in sides:  # then those that stand in one with others that are known, 2n + m
            for size in (left.free_symbols if len((left := wanted.subs(sizes)).free_symbols) == 1 else ()):
                value = sympy.solve(left - found, size)
                if value and value[0].is_Integer and value[0] > 0:
                    sizes[size], known[size] = int(value[0]), arg
        for arg, array, shape in matrices:
            should = tuple(sympy.sympify(size).subs(sizes) for size in arg.shape)
            if array.ndim > 2 or (array.ndim == 1 and not _is_column(arg)) or should != shape:
                because = "".join(f", {size} = {value} from {known[size]}" for size, value in sizes.items())
                raise NotValid(f"{arg} has the wrong shape.", f"{arg} has the shape {array.shape}",
                               f"({_shape(arg, sizes)}): {arg} is ({_shape(arg)}){because}")
        lost = [str(size) for size in self._sizes if size not in sizes]
        if lost:
            raise NotValid(f"No argument shows the size {lost[0]}.", repr(self), "an argument of that size")
        return sizes


def formula(what: Any, args: Sequence[Any] | None = None, shapes: Mapping[str, tuple[Any, ...]] | None = None) -> Formula:
    """A `Formula` of a SymPy expression or equation, a term, a relation, or a step. `args` are symbols or their names.

    >>> x = sympy.Symbol("x")
    >>> formula(1 / (1 + sympy.exp(-x)))(np.array([-1000.0, 0.0, 1000.0])).round(3)
    array([0. , 0.5, 1. ])
    """
    if isinstance(what, Step):
        what, shapes = what.relation, shapes or what.shapes or {}
    if isinstance(what, Relation):
        if set(what.operators) != {"="}:
            raise NotValid("Only an equation has a right side that can be computed.", plain(what), "a relation with =")
        what = what.rhs
    if isinstance(what, Term):
        if shapes is None and any(isinstance(part, (MatMul, Transpose, Diag)) for part in walk(what)):
            raise NotValid("The sizes of the quantities are not known.", plain(what), "lambdify(..., shapes=cell.shapes)")
        what = to_sympy(what, shapes or {})
    if isinstance(what, sympy.core.relational.Relational):
        if not isinstance(what, sympy.Eq):
            raise NotValid("Only an equation has a right side that can be computed.", str(what), "an expression, or an equation")
        what = what.rhs
    if not isinstance(what, (sympy.Expr, sympy.MatrixBase)):
        raise NotValid("There is nothing here to compute.", f"{what} ({type(what).__name__})", "a cell or an expression")
    expression = sympy.ImmutableMatrix(what) if isinstance(what, sympy.MatrixBase) else what
    return Formula(expression, _arguments(expression, args))


def _arguments(expression: Any, args: Sequence[Any] | None) -> tuple[Any, ...]:
    """The arguments in the order wanted; by default that of first appearance in the formula as it is printed."""
    symbols = {str(symbol): symbol for symbol in sorted(expression.atoms(sympy.Symbol, MatrixSymbol), key=str)}
    sizes = set(map(str, _sizes(expression, tuple(symbols.values()))))
    wanted = {name: symbol for name, symbol in symbols.items() if name not in sizes}
    if args is None:
        read = dict.fromkeys(re.findall(r"[^\W\d]\w*", str(expression)))
        order = [*(name for name in read if name in wanted), *wanted]
        return tuple(wanted[name] for name in dict.fromkeys(order))
    chosen = [symbols.get(str(arg), arg if isinstance(arg, sympy.Basic) else None) for arg in args]
    names = [str(arg) for arg in args]
    wrong = [name for name, symbol in zip(names, chosen, strict=True) if symbol is None or names.count(name) > 1]
    lost = [name for name in wanted if name not in names]
    if wrong or lost:
        what = f"{wrong[0]} is not in the expression, or is given twice." if wrong else f"args leaves out {lost[0]}."
        raise NotValid(what, f"args = {', '.join(names)}", f"each of {', '.join(wanted)} once")
    return tuple(chosen)


def _sizes(expression: Any, args: tuple[Any, ...]) -> set[Any]:
    shapes = [side for arg in (*args, expression) if _is_matrix(arg) for side in arg.shape]
    return {size for side in shapes for size in sympy.sympify(side).free_symbols}


def _is_matrix(value: Any) -> bool:
    return isinstance(value, MatrixExpr)


def _shape(arg: Any, sizes: Mapping[Any, int] | None = None) -> str:
    """The shape of the array for an argument, `n, m` or `n,`."""
    rows, columns = (sympy.sympify(size).subs(sizes or {}) for size in arg.shape)
    return f"{rows}," if columns == 1 else f"{rows}, {columns}"


def _is_column(arg: Any) -> bool:
    return _is_matrix(arg) and arg.shape[1] == 1


def _array(name: str, value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "iu":
        array = array.astype(float)
    if array.dtype.kind not in "fc":
        raise NotValid(f"{name} is not a number or an array of numbers.", f"{name} has the dtype {array.dtype}", "floats")
    if np.isnan(array).any():
        raise NotValid(f"{name} holds a NaN.", f"{name} has the shape {array.shape}", "numbers")
    return array


# --- code ---------------------------------------------------------------------------------------------------------


def stable(expression: Any) -> Any:
    """The same expression in functions that overflow nowhere.

    `1/(1 + exp(u))` and `exp(u)/(1 + exp(u))` become sigma, `1/(exp(u) + exp(-u))` sech, and with `exp(u) - exp(-u)` tanh.
    """
    if _is_matrix(expression):
        return expression
    changed = expression.replace(lambda node: node.is_Pow and node.exp.is_Integer and node.exp < 0, _squashed)
    return changed.replace(lambda node: node.is_Mul, _paired)


def _squashed(node: Any) -> Any:
    """1/(1 + exp(u))^k = sigma(-u)^k, and 1/(exp(u) + exp(-u))^k = (sech(u)/2)^k."""
    terms = node.base.args if node.base.is_Add else ()
    if len(terms) != 2 or not isinstance(terms[1], EXP):
        return node
    if terms[0] == 1:
        return SIGMA(-terms[1].exp) ** -node.exp
    return (SECH(terms[1].exp) / 2) ** -node.exp if terms[0] == EXP(-terms[1].exp) else node


def _both_signs(node: Any) -> tuple[Any, ...]:
    """u and -u for sech(u)."""
    return (node.args[0], -node.args[0]) if node.func == SECH else ()


def _paired(node: Any) -> Any:
    """exp(u) sigma(-u) = sigma(u), and (exp(u) - exp(-u)) sech(u) = 2 tanh(u)."""
    if not node.is_Mul:
        return node
    bases: list[Any] = [factor.as_base_exp()[0] for factor in node.args]
    for factor in node.args:
        if isinstance(factor, EXP) and SIGMA(-factor.exp) in bases:
            return _paired(node / factor / SIGMA(-factor.exp) * SIGMA(factor.exp))
        for base in bases:
            for at in _both_signs(base):
                if factor == EXP(at) - EXP(-at):
                    return node / factor / base * 2 * sympy.tanh(at)
    return node


_PLAIN_NAMES = {"fully_qualified_modules": False, "inline": True}


class _Printer(NumPyPrinter):
    """SymPy's printer, with the few matrix expressions that it lacks."""

    def _print_HadamardPower(self, expr: Any) -> str:
        return f"power({self._print(expr.base)}, {self._print(expr.exp)})"

    def _print_Trace(self, expr: Any) -> str:
        return f"trace({self._print(expr.arg)})"

    def _print_Identity(self, expr: Any) -> str:
        return f"eye({self._print(expr.shape[0])})"

    def _print_Max(self, expr: Any) -> str:
        return reduce(lambda left, right: f"maximum({left}, {right})", map(self._print, expr.args))

    def _print_Min(self, expr: Any) -> str:
        return reduce(lambda left, right: f"minimum({left}, {right})", map(self._print, expr.args))

    def _print_Derivative(self, expr: Any) -> str:
        inside = expr.expr
        if inside.func in OPEN.values() and expr.variables == inside.args:
            return f"{inside.func}_slope({self._print(inside.args[0])})"
        return super()._print_Derivative(expr)

    def _print_Subs(self, obj: Any) -> str:
        if isinstance(obj.expr, sympy.Derivative) and obj.expr.variables == obj.variables:
            return self._print_Derivative(obj.expr).partition("(")[0] + f"({self._print(obj.point[0])})"
        return super()._print_Subs(obj)

    def _print_Function(self, expr: Any) -> str:
        name = str(expr.func)
        if name in _functions() and (name not in OPEN or expr.func == OPEN[name]):
            return f"{name}({', '.join(map(self._print, expr.args))})"
        return super()._print_Function(expr)


def _evaluated(code: Code, values: Mapping[str, Any]) -> Any:
    """The value of code whose leaves are numbers and the names of `values`."""
    if isinstance(code, str):
        return values[code] if code in values else float(code)
    return getattr(np, code.function)(*(_evaluated(arg, values) for arg in code.args))


@cache
def _functions() -> dict[str, Callable[..., Any]]:
    """The functions that the code may call by name: activations, their slopes, and what SymPy's NumPy lacks."""
    def value(name: str) -> Callable[[Any], Any]:
        def applied(x: Any) -> Any:
            with np.errstate(over="ignore", under="ignore"):  # an infinite exp is right where a row of the table has one
                return _evaluated(activated(name, "x"), {"x": x})
        return applied

    def slope(name: str) -> Callable[[Any], Any]:
        def applied(x: Any) -> Any:
            with np.errstate(over="ignore", under="ignore"):
                return _evaluated(sloped(name, "x", "y"), {"x": x, "y": value(name)(x)})
        return applied

    names = (*ACTIVATIONS, *OPEN)
    found = {name: value(name) for name in names} | {f"{name}_slope": slope(name) for name in names}
    def sech(x: Any) -> Any:
        fall = np.exp(-np.abs(x))
        return 2 * fall / (1 + fall * fall)

    return found | {"sech_": sech, "norm": np.linalg.norm, "trace": np.trace, "block": np.block, "eye": np.eye, "power": np.power}
