"""SymPy relations back to relations of ours: the inverse of `symlstm.expressions`, for claims that are no text.

>>> from symlstm import zoo
>>> restored(zoo.RNN.equations[0])
h[t] = tanh(W @ x[t] + U @ h[t-1] + b)
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Blocks,
    Diag,
    Hadamard,
    MatMul,
    NotSupported,
    Num,
    Pow,
    Prime,
    Relation,
    Sym,
    Term,
    Time,
    Transpose,
)

OPERATORS = {
    "Equation": "=", "Equality": "=", "Nearly": "~", "LessThan": "<=", "StrictLessThan": "<", "GreaterThan": ">=",
    "StrictGreaterThan": ">", "Unequality": "!=",
}  # fmt: skip
TIMES = {"_t": Time(), "_prev": Time("t", -1), "_next": Time("t", 1), "_T": Time("T")}


def restored(relation: Any) -> Relation:
    """The relation that a SymPy relation says. Raises `NotSupported` for what has no counterpart."""
    if type(relation).__name__ == "Chain":
        links = [restored(link) for link in relation.args]
        terms = (links[0].lhs, *(link.rhs for link in links))
        return Relation(terms, tuple(link.operators[0] for link in links))
    operator = OPERATORS.get(type(relation).__name__)
    if operator is None:
        raise NotSupported("This is no relation that can be judged.", repr(relation), "an equation such as sympy.Eq(h, tanh(z))")
    return Relation((_term(relation.lhs), _term(relation.rhs)), (operator,))


def _term(node: Any) -> Term:
    rule = _RULES.get(type(node).__name__)
    if rule is None and getattr(node, "is_Rational", False):
        return Num(Fraction(int(node.p), int(node.q)))
    if rule is None:
        raise NotSupported(f"{type(node).__name__} has no counterpart here.", repr(node))
    return rule(node)


def _name(node: Any) -> Term:
    name = str(node.name)
    adjoint = name.startswith("delta_")
    bare = name.removeprefix("delta_")
    arriving = adjoint and bare.endswith("_arriving")
    bare = bare.removesuffix("_arriving") if arriving else bare
    mark = next((mark for mark in TIMES if bare.endswith(mark)), "")
    symbol = Sym(bare.removesuffix(mark).rstrip("_") if mark else bare, TIMES.get(mark))
    return Adj(symbol, arriving) if adjoint else symbol


def _many(kind: Callable[[tuple[Term, ...]], Term]) -> Callable[[Any], Term]:
    return lambda node: kind(tuple(map(_term, node.args)))


_RULES: dict[str, Callable[[Any], Term]] = {
    "MatrixSymbol": _name, "Symbol": _name, "MatAdd": _many(Add), "WrittenSum": _many(Add), "Add": _many(Add), "MatMul": _many(MatMul),
    "Mul": _many(MatMul), "HadamardProduct": _many(Hadamard), "Transpose": lambda node: Transpose(_term(node.arg)),
    "Scalar": lambda node: _term(node.arg), "Trace": lambda node: _term(node.arg), "OneMatrix": lambda node: Num(Fraction(1)),
    "ZeroMatrix": lambda node: Num(Fraction(0)), "Elementwise": lambda node: Apply(node.function, _term(node.arg)),
    "Slope": lambda node: Prime(node.function, _term(node.arg)), "tanh": lambda node: Apply("tanh", _term(node.args[0])),
    "exp": lambda node: Apply("exp", _term(node.args[0])), "Pow": lambda node: Pow(_term(node.base), _term(node.exp)),
    "HadamardPower": lambda node: Pow(_term(node.base), _term(node.exp)), "DiagMatrix": lambda node: Diag(_term(node.args[0])),
    "DiagonalMatrix": lambda node: Diag(_term(node.args[0])), "Stack": lambda node: Blocks(tuple(tuple(map(_term, row)) for row in node.args[0])),
}  # fmt: skip
