"""The VJP rules: one a node type. Each docstring is the identity that the rule implements.

Let y = node(a, b, ...) and let `d` be the adjoint of y, an array of y's shape. A rule returns, for each argument,
its share of the adjoint. **Shape law:** a share has the shape of its argument. **Adjoint law:** for every change
da, db, ... of the arguments, <d, dy> = <share_a, da> + <share_b, db> + ..., where <u, v> = sum of u * v.

Source of the identities: Giles (2008), "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation", section 2; for elementwise functions the chain rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from symlstm.activations import activation
from symlstm.algebra import Add, Apply, Div, Hadamard, MatMul, Neg, NotSupported, Num, Pow, Sym, Term, Transpose, plain, term

Shares = list[tuple[Term, Term]]
Values = Mapping[Term, Sym]  # which applied functions have a name: {sigma(z_f): f}


def times(*factors: Term) -> Term:
    """The elementwise product, flat, with ones left out."""
    flat = [
        part for factor in factors for part in (factor.args if isinstance(factor, Hadamard) else (factor,)) if part != term(1)
    ]
    return Hadamard(tuple(flat)) if len(flat) > 1 else flat[0] if flat else term(1)


def added(*terms: Term) -> Term:
    """The sum; of nothing, zero."""
    return Add(terms) if len(terms) > 1 else terms[0] if terms else term(0)


def product(*factors: Term) -> Term:
    """The matrix product, flat."""
    flat = [part for factor in factors for part in (factor.args if isinstance(factor, MatMul) else (factor,))]
    return MatMul(tuple(flat)) if len(flat) > 1 else flat[0]


def transposed(factors: tuple[Term, ...]) -> tuple[Term, ...]:
    """(A B C)^T = C^T B^T A^T, as its factors."""
    return tuple(each.arg if isinstance(each, Transpose) else Transpose(each) for each in reversed(factors))


def vjp_sum(node: Add, d: Term, _: Values) -> Shares:
    """y = a + b:  share_a = d, share_b = d."""
    return [(arg, d) for arg in node.args]


def vjp_negative(node: Neg, d: Term, _: Values) -> Shares:
    """y = -a:  share_a = -d."""
    return [(node.arg, d.arg if isinstance(d, Neg) else Neg(d))]


def vjp_matrix_product(node: MatMul, d: Term, _: Values) -> Shares:
    """y = A B:  share_A = d B^T, share_B = A^T d. For more factors, all those to the right and to the left."""
    return [(arg, product(*transposed(node.args[:k]), d, *transposed(node.args[k + 1 :]))) for k, arg in enumerate(node.args)]


def vjp_hadamard(node: Hadamard, d: Term, _: Values) -> Shares:
    """y = a * b:  share_a = d * b, share_b = d * a. The product rule, elementwise."""
    return [(arg, times(d, *node.args[:k], *node.args[k + 1 :])) for k, arg in enumerate(node.args)]


def vjp_quotient(node: Div, d: Term, _: Values) -> Shares:
    """y = a / b:  share_a = d / b, share_b = -d * a / b^2."""
    return [(node.above, Div(d, node.below)), (node.below, Neg(Div(times(d, node.above), Pow(node.below, term(2)))))]


def vjp_power(node: Pow, d: Term, _: Values) -> Shares:
    """y = a^k for a number k:  share_a = d * k * a^(k-1)."""
    if not isinstance(node.exponent, Num):
        raise NotSupported("A power is differentiated for a number as exponent.", plain(node), "an exponent such as 2")
    k = node.exponent.value
    slope = node.base if k == 2 else Pow(node.base, term(k - 1))
    return [(node.base, product(term(k), times(d, slope)))]


def vjp_transpose(node: Transpose, d: Term, _: Values) -> Shares:
    """y = A^T:  share_A = d^T."""
    return [(node.arg, Transpose(d))]


def vjp_activation(node: Apply, d: Term, values: Values) -> Shares:
    """y = phi(a), elementwise:  share_a = d * phi'(a). Where y has a name, phi' is written in terms of it."""
    return [(node.arg, times(d, activation(node.function).slope(node.arg, values.get(node))))]


RULES: dict[type[Term], Callable[[Any, Term, Values], Shares]] = {
    Add: vjp_sum,
    Neg: vjp_negative,
    MatMul: vjp_matrix_product,
    Hadamard: vjp_hadamard,
    Div: vjp_quotient,
    Pow: vjp_power,
    Transpose: vjp_transpose,
    Apply: vjp_activation,
}


def vjp(node: Term, adjoint: Term, values: Values) -> tuple[str, Shares]:
    """The rule for a node at work: its name, and each argument with its share of the adjoint.

    Raises `NotSupported` for a node without a rule.
    """
    rule = RULES.get(type(node))
    if rule is None:
        known = ", ".join(kind.__name__ for kind in RULES)
        raise NotSupported(f"There is no VJP rule for {type(node).__name__}.", plain(node), f"a term made of {known}")
    return rule.__name__, rule(node, adjoint, values)
