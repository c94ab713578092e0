"""SymPy expressions of numbers as code, to be run on arrays of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy

from symlstm.activations import ACTIVATIONS
from symlstm.algebra import NotSupported
from symlstm.formulas.stability import SECH, SLOPES, as_slopes, stable
from symlstm.generator.codes import Call, Code, activated, folded, number, parsed, sloped
from symlstm.symbolic import OPEN

NAMES = {  # of SymPy's functions in NumPy, where they are other ones
    "Abs": "abs", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "ceiling": "ceil",
}
SAME = ("exp", "log", "sign", "sin", "cos", "tan", "sinh", "cosh", "tanh", "floor")
LARGEST = 16  # the largest power that is made of products


def sech(argument: Code) -> Code:
    """The hyperbolic secant, which overflows nowhere."""
    return parsed("2 * exp(-abs(x)) / (1 + exp(-abs(x)) * exp(-abs(x)))", {"x": argument})


def code(expression: Any, accuracy: str) -> Code:
    """The code of an expression. Raises `NotSupported` for one that has another kind of node.

    >>> x, y = sympy.symbols("x y")
    >>> str(code(x - y / 2 + 3 / x**2, "fast"))
    'np.subtract(np.add(x, np.divide(3, np.square(x))), np.multiply((1/2), y))'
    """
    changed = stable(expression)
    return Codes(accuracy)(as_slopes(changed) if accuracy == "ulp" else changed)


class Codes:
    """Expressions to code, each part once."""

    def __init__(self, accuracy: str) -> None:
        self.accuracy = accuracy
        self.known: dict[Any, Code] = {}

    def __call__(self, node: Any) -> Code:
        if node not in self.known:
            self.known[node] = self._made(node)
        return self.known[node]

    def _made(self, node: Any) -> Code:
        if node.is_Symbol:
            return str(node)
        if node.is_Rational:
            return number(Fraction(int(node.p), int(node.q)))
        if node.is_Float or node.is_NumberSymbol:
            return repr(float(node))
        rule: Callable[[Any], Code] | None = next((rule for kind, rule in (
            (sympy.Add, self._sum), (sympy.Mul, self._product), (sympy.Pow, self._power), (sympy.Max, self._largest),
            (sympy.Min, self._smallest), (sympy.Derivative, self._slope), (sympy.Subs, self._slope),
            (sympy.Function, self._applied)) if isinstance(node, kind)), None)
        if rule is None:
            raise NotSupported("There is no NumPy form of this expression.", str(node))
        return rule(node)

    def _sum(self, node: Any) -> Code:
        negative = [arg.as_coeff_Mul()[0].is_negative for arg in node.args]
        plus = [self(arg) for arg, sign in zip(node.args, negative, strict=True) if not sign]
        minus = [self(-arg) for arg, sign in zip(node.args, negative, strict=True) if sign]
        head = folded("add", plus) if plus else Call("negative", (minus.pop(0),))
        return folded("subtract", [head, *minus])

    def _product(self, node: Any) -> Code:
        if node.as_coeff_Mul()[0].is_negative:
            return Call("negative", (self(-node),))
        above = [factor for factor in node.args if not _is_inverse(factor)]
        below = [self(1 / factor) for factor in node.args if _is_inverse(factor)]
        codes = [self(factor) for factor in above]
        if below:
            return Call("divide", (folded("multiply", codes or ["1"]), folded("multiply", below)))
        return folded("multiply", codes)

    def _power(self, node: Any) -> Code:
        base, exponent = node.as_base_exp()
        if exponent.is_negative:
            return Call("divide", ("1", self(base**-exponent)))
        if exponent == sympy.Rational(1, 2):
            return Call("sqrt", (self(base),))
        if exponent.is_Integer and exponent <= LARGEST:
            half = self(base ** (exponent // 2))
            even = Call("square", (half,))
            return Call("multiply", (even, self(base))) if exponent % 2 else even
        return Call("power", (self(base), self(exponent)))

    def _largest(self, node: Any) -> Code:
        return folded("maximum", list(map(self, node.args)))

    def _smallest(self, node: Any) -> Code:
        return folded("minimum", list(map(self, node.args)))

    def _applied(self, node: Any) -> Code:
        name, (argument, *more) = node.func.__name__, node.args
        if more:
            raise NotSupported("There is no NumPy form of this expression.", str(node))
        if node.func == SECH:
            return sech(self(argument))
        if node.func in SLOPES.values():
            return self._sloped(name.removesuffix("_slope"), argument)
        if name in SAME or name in NAMES:
            return Call(NAMES.get(name, name), (self(argument),))
        return activated(_known(node), self(argument), self.accuracy)

    def _slope(self, node: Any) -> Code:
        """The derivative of an open function, at a symbol or, as a `Subs`, elsewhere."""
        of: Any = node.expr if isinstance(node, sympy.Subs) else node
        at: Any = node.point if isinstance(node, sympy.Subs) else node.variables
        if not isinstance(of, sympy.Derivative) or of.variables != of.expr.args:
            raise NotSupported("There is no NumPy form of this derivative.", str(node))
        return self._sloped(_known(of.expr), at[0])

    def _sloped(self, name: str, argument: Any) -> Code:
        point = self(argument)
        return sloped(name, point, activated(name, point, self.accuracy), self.accuracy)


def _is_inverse(factor: Any) -> bool:
    return factor.is_Pow and bool(factor.exp.is_negative)


def _known(node: Any) -> str:
    """The name of a function of the table, or of one that a cell leaves open, and not somebody else's of that name."""
    name = node.func.__name__
    if name not in ACTIVATIONS and node.func != OPEN.get(name):
        raise NotSupported("There is no NumPy form of this function.", str(node), f"one of {', '.join(ACTIVATIONS)}")
    return name
