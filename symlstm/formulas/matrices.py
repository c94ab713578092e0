"""Expressions with matrices and vectors as NumPy functions, by way of `sympy.lambdify`.

A vector is taken as (n,) or (n, 1). The sizes n and m are read from the arrays. What holds numbers only, and cannot be made
into code of our own, comes here too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import Any

import numpy as np
import sympy
from sympy import MatrixExpr
from sympy.printing.numpy import NumPyPrinter

from symlstm.activations import ACTIVATIONS
from symlstm.algebra import NotSupported, NotValid
from symlstm.formulas.pieces import functions
from symlstm.formulas.scalars import sech
from symlstm.formulas.stability import stable
from symlstm.generator.codes import Code, activated, sloped
from symlstm.symbolic import OPEN


class Matrices:
    """An expression as a function of arrays by name; `source` is the code that runs."""

    def __init__(self, expression: Any, args: tuple[Any, ...], accuracy: str) -> None:
        self.expression, self.args = expression, args
        self._sizes = sorted(sizes(expression, args), key=str)
        try:
            options: dict[str, Any] = {"printer": _Printer(_PLAIN_NAMES), "cse": self._shared}
            modules = [_functions(accuracy), "numpy"]
            self._run: Any = sympy.lambdify([*args, *self._sizes], stable(expression), modules, **options)
        except NotImplementedError as error:
            what = str(error).partition("\n")[0]
            raise NotSupported("There is no NumPy form of this expression.", str(expression), what) from None
        self.source = inspect.getsource(self._run)

    def _shared(self, expression: Any) -> Any:
        """What occurs more than once, with names that are no argument's (SymPy's own would take `x0` from a matrix x0)."""
        taken = set(map(str, self.args))
        names = (symbol for symbol in sympy.numbered_symbols("part") if symbol.name not in taken)
        return sympy.cse(expression, symbols=names, list=False)

    def __call__(self, given: Mapping[str, Any], dtype: Any) -> Any:
        """The value, of this dtype if it is not None. Raises `NotValid` for a shape that does not fit."""
        arrays = {arg: given[str(arg)] for arg in self.args}
        sizes = self._fit(arrays)
        columns = [arrays[arg].ndim for arg in self.args if _is_column(arg)]
        ready = [array.reshape(array.shape[0], 1) if _is_column(arg) else array for arg, array in arrays.items()]
        value = np.asarray(self._run(*ready, *(sizes[size] for size in self._sizes)))
        value = value if dtype is None else value.astype(dtype, copy=False)
        if columns and set(columns) == {1} and value.ndim == 2 and value.shape[1] == 1 and self.expression.shape[1] == 1:
            return value[:, 0]
        return value if value.ndim else value[()]

    def _fit(self, arrays: Mapping[Any, Any]) -> dict[Any, int]:
        """The sizes that the arrays have, as values of n, m, ... Raises `NotValid` where two disagree."""
        sizes: dict[Any, int] = {}
        known: dict[Any, str] = {}
        matrices = [(arg, array, array.shape if array.ndim == 2 else (*array.shape, 1))
                    for arg, array in arrays.items() if is_matrix(arg)]
        sides = [(wanted, side, str(arg)) for arg, _, found in matrices for wanted, side in zip(arg.shape, found, strict=False)]
        for wanted, found, arg in sides:  # first the sizes that are a name
            if wanted.is_Symbol and wanted not in sizes:
                sizes[wanted], known[wanted] = found, arg
        for wanted, found, arg in sides:  # then those that stand in one with others that are known, 2n + m
            for size in (left.free_symbols if len((left := wanted.subs(sizes)).free_symbols) == 1 else ()):
                value = sympy.solve(left - found, size)
                if value and value[0].is_Integer and value[0] > 0:
                    sizes[size], known[size] = int(value[0]), arg
        for arg, array, found in matrices:
            should = tuple(sympy.sympify(size).subs(sizes) for size in arg.shape)
            if array.ndim > 2 or (array.ndim == 1 and not _is_column(arg)) or should != found:
                because = "".join(f", {size} = {value} from {known[size]}" for size, value in sizes.items())
                raise NotValid(f"{arg} has the wrong shape.", f"{arg} has the shape {array.shape}",
                               f"({shape(arg, sizes)}): {arg} is ({shape(arg)}){because}")
        lost = [str(size) for size in self._sizes if size not in sizes]
        if lost:
            raise NotValid(f"No argument shows the size {lost[0]}.", str(self.expression), "an argument of that size")
        return sizes


def sizes(expression: Any, args: tuple[Any, ...]) -> set[Any]:
    shapes = [side for arg in (*args, expression) if is_matrix(arg) for side in arg.shape]
    return {size for side in shapes for size in sympy.sympify(side).free_symbols}


def is_matrix(value: Any) -> bool:
    return isinstance(value, MatrixExpr)


def shape(arg: Any, sizes: Mapping[Any, int] | None = None) -> str:
    """The shape of the array for an argument, `n, m` or `n,`."""
    rows, columns = (sympy.sympify(size).subs(sizes or {}) for size in arg.shape)
    return f"{rows}," if columns == 1 else f"{rows}, {columns}"


def _is_column(arg: Any) -> bool:
    return is_matrix(arg) and arg.shape[1] == 1


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
        if name in _functions("fast") and (name not in OPEN or expr.func == OPEN[name]):
            return f"{name}({', '.join(map(self._print, expr.args))})"
        return super()._print_Function(expr)


def _evaluated(code: Code, values: Mapping[str, Any]) -> Any:
    """The value of code whose leaves are numbers and the names of `values`, as are functions that are not NumPy's."""
    if isinstance(code, str):
        return values[code] if code in values else float(code)
    function = values.get(code.function) or getattr(np, code.function)
    return function(*(_evaluated(arg, values) for arg in code.args))


@cache
def _functions(accuracy: str) -> dict[str, Callable[..., Any]]:
    """The functions that the code may call by name: activations, their slopes, and what SymPy's NumPy lacks."""
    own = functions(accuracy)

    def applied(code: Code) -> Callable[[Any], Any]:
        def value(x: Any) -> Any:
            with np.errstate(over="ignore", under="ignore"):  # an infinite exp is right where a row of the table has one
                return _evaluated(code, {"x": x, **own})
        return value

    names = (*ACTIVATIONS, *OPEN)
    found = {name: applied(activated(name, "x", accuracy)) for name in names}
    found |= {f"{name}_slope": applied(sloped(name, "x", activated(name, "x", accuracy), accuracy)) for name in names}
    return found | {"sech_": applied(sech("x")), "norm": np.linalg.norm, "trace": np.trace, "block": np.block, "eye": np.eye,
                    "power": np.power}
