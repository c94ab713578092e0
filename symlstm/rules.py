"""The VJP rules: one a node type. Each docstring is the identity that the rule implements.

Let y = node(a, b, ...) and let `d` be the adjoint of y, an array of y's shape. A rule returns, for each argument,
its share of the adjoint. **Shape law:** a share has the shape of its argument. **Adjoint law:** for every change
da, db, ... of the arguments, <d, dy> = <share_a, da> + <share_b, db> + ..., where <u, v> = sum of u * v.

Source of the identities: Giles (2008), "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation", section 2; for elementwise functions the chain rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from symlstm.activations import activation
from symlstm.algebra import (
    Add,
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
    Rows,
    Sym,
    Term,
    Trace,
    Transpose,
    plain,
    term,
)
from symlstm.shapes import ONE, Length, Shapes, length_term, linear, total_length

Shares = list[tuple[Term, Term]]


@dataclass(frozen=True, slots=True)
class Known:
    """What a rule may ask: which applied functions have a name (`{sigma(z_f): f}`), and the shape of any term.

    Without shapes nothing is taken for a number unless it is written as one. `primes` leaves slopes as they are, `sigma'(z_f)`.
    """

    values: Mapping[Term, Sym] = field(default_factory=dict)
    shapes: Shapes | None = None
    primes: bool = False

    def is_scalar(self, node: Term) -> bool:
        """Whether a term is one number; then it scales, and is its own transpose."""
        return isinstance(node, Num) if self.shapes is None else self.shapes.is_scalar(node)

    def extent(self, node: Term) -> tuple[Length, Length]:
        """Rows and columns of a term. Raises `NotSupported` where no shapes are known."""
        if self.shapes is None:
            raise NotSupported("The rule needs the size of this term.", plain(node), "quantities whose sizes are known")
        return self.shapes.of(node) or (ONE, ONE)

    def transposed(self, *factors: Term) -> tuple[Term, ...]:
        """(s A B)^T = s B^T A^T, as its factors: numbers first."""
        scalars = [factor for factor in factors if self.is_scalar(factor)]
        return (*scalars, *transposed(tuple(factor for factor in factors if factor not in scalars)))

    def inner(self, factors: tuple[Term, ...], d: Term) -> Term:
        """<A B, d>, the sum of the products of all entries: v^T d of columns, u^T d v for u v^T, else tr((A B)^T d)."""
        if self.extent(d)[1] == ONE:
            return product(*self.transposed(*factors), d)
        *left, last = factors
        if isinstance(last, Transpose) and left and self.extent(last.arg)[1] == ONE:
            return product(*self.transposed(*left), d, last.arg)
        return Trace(product(*self.transposed(*factors), d))


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


def vjp_sum(node: Add, d: Term, _: Known) -> Shares:
    """y = a + b:  share_a = d, share_b = d."""
    return [(arg, d) for arg in node.args]


def vjp_negative(node: Neg, d: Term, _: Known) -> Shares:
    """y = -a:  share_a = -d."""
    return [(node.arg, d.arg if isinstance(d, Neg) else Neg(d))]


def vjp_matrix_product(node: MatMul, d: Term, known: Known) -> Shares:
    """y = A B:  share_A = d B^T, share_B = A^T d. For more factors, all those to the right and to the left.

    A factor s that is a number scales: y = s A:  share_A = s d, share_s = <A, d>, the sum of the products of all entries.
    """
    whole = known.is_scalar(node)
    found: Shares = []
    for k, arg in enumerate(node.args):
        left, right = node.args[:k], node.args[k + 1 :]
        if isinstance(arg, Num):
            continue  # a constant
        if known.is_scalar(arg) and not whole:
            found.append((arg, known.inner((*left, *right), d)))
        else:
            scalars = tuple(each for each in (*left, *right) if known.is_scalar(each))
            before, after = (tuple(each for each in side if each not in scalars) for side in (left, right))
            found.append((arg, product(*scalars, *transposed(before), d, *transposed(after))))
    return found


def vjp_hadamard(node: Hadamard, d: Term, _: Known) -> Shares:
    """y = a * b:  share_a = d * b, share_b = d * a. The product rule, elementwise."""
    return [(arg, times(d, *node.args[:k], *node.args[k + 1 :])) for k, arg in enumerate(node.args)]


def vjp_quotient(node: Div, d: Term, known: Known) -> Shares:
    """y = a / b:  share_a = d / b, share_b = -d * a / b^2. Where b is a number and a is not:  share_b = -<d, a> / b^2."""
    over = Pow(node.below, term(2))
    if known.is_scalar(node.below) and not known.is_scalar(node.above):
        factors = node.above.args if isinstance(node.above, MatMul) else (node.above,)
        return [(node.above, Div(d, node.below)), (node.below, Neg(Div(known.inner(factors, d), over)))]
    return [(node.above, Div(d, node.below)), (node.below, Neg(Div(times(d, node.above), over)))]


def vjp_power(node: Pow, d: Term, _: Known) -> Shares:
    """y = a^k for a number k:  share_a = d * k * a^(k-1)."""
    if not isinstance(node.exponent, Num):
        raise NotSupported("A power is differentiated for a number as exponent.", plain(node), "an exponent such as 2")
    k = node.exponent.value
    slope = node.base if k == 2 else Pow(node.base, term(k - 1))
    return [(node.base, product(term(k), times(d, slope)))]


def vjp_transpose(node: Transpose, d: Term, known: Known) -> Shares:
    """y = A^T:  share_A = d^T."""
    return [(node.arg, product(*known.transposed(*(d.args if isinstance(d, MatMul) else (d,)))))]


def vjp_activation(node: Apply, d: Term, known: Known) -> Shares:
    """y = phi(a), elementwise:  share_a = d * phi'(a). Where y has a name, phi' is written in terms of it."""
    row = activation(node.function)
    return [(node.arg, times(d, Prime(node.function, node.arg) if known.primes else row.slope(node.arg, known.values.get(node))))]


def vjp_larger(node: Max, d: Term, _: Known) -> Shares:
    """y = max(a, b) = b + ReLU(a - b):  share_a = d * ReLU'(a - b), share_b = d * ReLU'(b - a). Nothing is claimed at a = b."""
    if len(node.args) != 2:
        raise NotSupported("The larger of two is differentiated.", plain(node), "max(a, max(b, c))")
    a, b = node.args
    return [(a, times(d, Prime("relu", difference(a, b)))), (b, times(d, Prime("relu", difference(b, a))))]


def difference(left: Term, right: Term) -> Term:
    """left - right, as one sum; a zero is left out."""
    if right == term(0):
        return left
    taken = [each.arg if isinstance(each, Neg) else Neg(each) for each in (right.args if isinstance(right, Add) else (right,))]
    return added(*(() if left == term(0) else left.args if isinstance(left, Add) else (left,)), *taken)


def vjp_diagonal(node: Diag, d: Term, known: Known) -> Shares:
    """y = diag(a):  share_a = (d * diag(1)) 1, the entries on the diagonal."""
    ones = Ones(length_term(known.extent(node.arg)[0]))
    return [(node.arg, product(times(d, Diag(ones)), ones))]


def vjp_trace(node: Trace, d: Term, known: Known) -> Shares:
    """y = tr(A):  share_A = d diag(1)."""
    return [(node.arg, product(d, Diag(Ones(length_term(known.extent(node.arg)[0])))))]


def vjp_stack(node: Blocks, d: Term, known: Known) -> Shares:
    """y = [a; b]:  share_a = the rows of d that are a's, share_b those that are b's. Side by side, the columns."""
    found: Shares = []
    above: Length = ()
    for row in node.rows:
        below = total_length([above, known.extent(row[0])[0]])
        mine = Rows(d, length_term(above), length_term(below)) if len(node.rows) > 1 else d
        before: Length = ()
        for block in row:
            after = total_length([before, known.extent(block)[1]])
            columns = Transpose(Rows(Transpose(mine), length_term(before), length_term(after)))
            found.append((block, columns if len(row) > 1 else mine))
            before = after
        above = below
    return found


def vjp_rows(node: Rows, d: Term, known: Known) -> Shares:
    """y = the rows s+1 to e of a:  share_a = [0; d; 0]."""
    rows, columns = known.extent(node.arg)
    if columns != ONE:
        raise NotSupported("Rows are taken of a vector.", plain(node), "a vector")
    above, beside = linear("rows", node.start), linear("rows", node.stop)
    below = total_length([rows], beside)
    padding = [[(product(term(0), Ones(length_term(length))),)] if length else [] for length in (above, below)]
    return [(node.arg, Blocks((*padding[0], (d,), *padding[1])))]


RULES: dict[type[Term], Callable[[Any, Term, Known], Shares]] = {
    Add: vjp_sum,
    Neg: vjp_negative,
    MatMul: vjp_matrix_product,
    Hadamard: vjp_hadamard,
    Div: vjp_quotient,
    Pow: vjp_power,
    Transpose: vjp_transpose,
    Apply: vjp_activation,
    Max: vjp_larger,
    Diag: vjp_diagonal,
    Trace: vjp_trace,
    Blocks: vjp_stack,
    Rows: vjp_rows,
}


def vjp(node: Term, adjoint: Term, known: Known) -> tuple[str, Shares]:
    """The rule for a node at work: its name, and each argument with its share of the adjoint.

    Raises `NotSupported` for a node without a rule.
    """
    rule = RULES.get(type(node))
    if rule is None:
        names = ", ".join(kind.__name__ for kind in RULES)
        raise NotSupported(f"There is no VJP rule for {type(node).__name__}.", plain(node), f"a term made of {names}")
    return rule.__name__, rule(node, adjoint, known)
