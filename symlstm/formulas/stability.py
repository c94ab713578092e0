"""Expressions in functions that overflow nowhere, and in functions of which all digits are right."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import MatrixExpr

EXP: Any = sympy.exp
SIGMA, SECH = sympy.Function("sigma", real=True), sympy.Function("sech_", real=True)
SLOPES = {name: sympy.Function(f"{name}_slope", real=True) for name in ("sigma", "tanh")}


def stable(expression: Any) -> Any:
    """The same expression in functions that overflow nowhere.

    `1/(1 + exp(u))` and `exp(u)/(1 + exp(u))` become sigma, `1/(exp(u) + exp(-u))` sech, and with `exp(u) - exp(-u)` tanh.
    """
    if isinstance(expression, MatrixExpr):
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


def as_slopes(expression: Any) -> Any:
    """sigma(u) sigma(-u) as the slope of sigma, and 1 - tanh(u)^2 and sech(u)^2 as that of tanh: there all digits are right."""
    def product(node: Any) -> Any:
        for factor in node.args:
            if factor.func == SIGMA and (other := SIGMA(-factor.args[0])) in node.args:
                return product(node / factor / other * SLOPES["sigma"](factor.args[0]))
        return node

    def difference(node: Any) -> Any:
        one, rest = node.as_coeff_Add()
        base, exponent = (-rest).as_base_exp()
        return SLOPES["tanh"](base.args[0]) if one == 1 and exponent == 2 and base.func == sympy.tanh else node

    changed = expression.replace(lambda node: node.is_Mul, product).replace(lambda node: node.is_Add, difference)
    return changed.replace(lambda node: node.is_Pow and node.exp == 2 and node.base.func == SECH,
                           lambda node: SLOPES["tanh"](node.base.args[0]))
