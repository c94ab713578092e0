r"""SymPy's relations about a cell as relations of ours: the way back from `symlstm.expressions`.

Names are those of `expressions.safe_name` (`h_prev` is h at t-1, `delta_c_t` the adjoint of c at t). A SymPy relation that
a person has built of the cell's symbols is read by the same table; what has no row there is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import sympy
from sympy.matrices.expressions.special import GenericZeroMatrix

from symlstm import algebra
from symlstm.algebra import NotSupported, NotValid, Num, Relation, Space, Sym, Term, Time, defined, relation, term
from symlstm.model import Cell
from symlstm.steps import Step
from symlstm.symbolic import Chain, Elementwise, Jacobian, Larger, Nearly, Norm, OverTime, Scalar, Slope, Stack, Where

_TIME = re.compile(r"(?P<name>.+?)_(?P<base>[tTsk]|prev|next|(?=minus_|\d))(?:_?(?P<sign>plus|minus)_)?(?P<offset>\d*)")
_NEAR = {"prev": Time("t", -1), "next": Time("t", 1)}
LOSSES = ("L", "ell")


def relation_of(subject: Any, cell: Cell) -> Relation:
    """A relation of ours for a step, a relation of ours, or a SymPy relation about a cell.

    >>> from symlstm import zoo
    >>> relation_of(zoo.RNN.equations[0], zoo.RNN)
    h[t] = tanh(W @ x[t] + U @ h[t-1] + b)
    """
    if isinstance(subject, Step):
        return subject.relation
    if isinstance(subject, Relation):
        return subject
    if subject in (True, False, sympy.true, sympy.false):
        right = "sympy.Eq(..., evaluate=False), or symlstm.symbolic.Equation, which SymPy never decides"
        raise NotValid("SymPy has decided this relation before it could be judged.", str(subject), right)
    if not isinstance(subject, sympy.Basic):
        right = "a text, a path, a SymPy relation, or a step of a derivation"
        raise NotValid("This is nothing that can be judged.", f"a {type(subject).__name__}", right)
    return _Table(cell).relation(subject)


class _Table:
    """The names of a cell, and what each kind of SymPy node is among our terms."""

    def __init__(self, cell: Cell) -> None:
        quantities = {defined(line).name for line in cell.named} | {each.name for each in (*cell.input_terms, *cell.state_terms)}
        self.timed = quantities
        self.names = quantities | {each.name for each in cell.parameter_terms} | set(LOSSES)

    # --- relations ---------------------------------------------------------------------------------------------

    def relation(self, node: Any) -> Relation:
        """A comparison, a chain of them, a membership, or one under a condition."""
        if isinstance(node, Where):
            whole = self.relation(node.args[0])
            return Relation(whole.terms, whole.operators, self.relation(node.args[1]))
        if isinstance(node, Chain):
            return self.chain([self.relation(link) for link in node.args])
        if isinstance(node, sympy.Contains):
            return relation(self.term(node.args[0]), "in", self.room(node.args[1]))
        for kind, operator in _OPERATORS.items():
            if isinstance(node, kind):
                return relation(self.term(node.args[0]), operator, self.term(node.args[1]))
        raise NotSupported("This is no relation.", str(node), "an equation or an inequality")

    def chain(self, links: list[Relation]) -> Relation:
        """Links that hang together as one relation; memberships in one set as one about a list."""
        if all(link.operators == ("in",) and link.rhs == links[0].rhs for link in links):
            return relation(algebra.Listed(tuple(link.lhs for link in links)), "in", links[0].rhs)
        operators = tuple(operator for link in links for operator in link.operators)
        return Relation((links[0].lhs, *(term for link in links for term in link.terms[1:])), operators)

    def room(self, node: Any) -> Term:
        if isinstance(node, sympy.Interval):
            return algebra.Interval(self.term(node.start), self.term(node.end), bool(node.left_open), bool(node.right_open))
        if node == sympy.Reals:
            return Space(term(1), None)
        rows, columns = node.shape
        return Space(self.term(rows), None if columns == 1 else self.term(columns))

    # --- terms -------------------------------------------------------------------------------------------------

    def term(self, node: Any) -> Term:
        """The term that a SymPy expression is."""
        for kind, rule in _RULES.items():
            if isinstance(node, kind):
                return rule(self, node)
        if isinstance(node, sympy.Function) and len(node.args) == 1:
            return algebra.Apply(node.func.__name__, self.term(node.args[0]))
        raise NotSupported(f"{type(node).__name__} has no counterpart among the terms of a cell.", str(node))

    def terms(self, nodes: Any) -> tuple[Term, ...]:
        return tuple(self.term(node) for node in nodes)

    def name(self, text: str) -> Term:
        """A quantity, a parameter, an adjoint, or a letter for a number or a size."""
        if text.startswith("delta_"):
            inner = text.removeprefix("delta_").removesuffix("_arriving")
            found = self.symbol(inner)
            if found is not None:
                return algebra.Adj(found, text.endswith("_arriving"))
        return self.symbol(text) or Sym(text)

    def symbol(self, text: str) -> Sym | None:
        if text in self.names or text.rstrip("_") in self.names:
            return Sym(text if text in self.names else text.rstrip("_"))
        match = _TIME.fullmatch(text)
        if match and match["name"] in self.names:
            sign = -1 if match["sign"] == "minus" else 1
            base = match["base"]
            return Sym(match["name"], _NEAR.get(base, Time(base, sign * int(match["offset"] or 0))))
        return None

    def time(self, node: Any) -> Time:
        """A limit of a sum over time, such as `t + 1`."""
        offset = node.subs(dict.fromkeys(node.free_symbols, 0))
        return Time("" if node == offset else str(node - offset), int(offset))

    def product(self, factors: tuple[Term, ...]) -> Term:
        """A product; a constant matrix among its factors is the number that it holds."""
        kept = tuple(factor for factor in factors if factor != Num(Fraction(1)))
        if not kept:
            return Num(Fraction(1))
        if kept[0] == Num(Fraction(-1)) and len(kept) > 1:
            return algebra.Neg(self.product(kept[1:]))
        return kept[0] if len(kept) == 1 else algebra.MatMul(kept)

    def power(self, base: Any, exponent: Any) -> Term:
        if exponent == -1:
            return algebra.Div(Num(Fraction(1)), self.term(base))
        return algebra.Pow(self.term(base), self.term(exponent))

    def hadamard(self, node: Any) -> Term:
        return algebra.Hadamard(self.terms(node.args))

    def over_time(self, node: Any) -> Term:
        kind = algebra.Sum if str(node.args[0]) == "sum" else algebra.Prod
        return kind(str(node.args[2]), self.time(node.args[3]), self.time(node.args[4]), self.term(node.args[1]))

    def limit(self, node: Any) -> Term:
        body, variable, place, _ = node.args
        return algebra.Limit(self.term(body), Sym(str(variable)), 1 if place == sympy.oo else -1)

    def partial(self, node: Any) -> Term:
        return algebra.Partial(self.term(node.args[0]), self.term(node.args[1]), bool(node.args[2]))

    def derivative(self, node: Any) -> Term:
        (by, count), *more = node.args[1:]
        if more or count != 1:
            raise NotSupported("Only first derivatives are read.", str(node))
        return algebra.Partial(self.term(node.args[0]), self.term(by))


Rule = Callable[[_Table, Any], Term]
_OPERATORS: dict[Any, str] = {
    Nearly: "~", sympy.Eq: "=", sympy.Ne: "!=", sympy.Le: "<=", sympy.Lt: "<", sympy.Ge: ">=", sympy.Gt: ">",
}  # fmt: skip
_RULES: Mapping[Any, Rule] = {  # the first that fits
    sympy.Rational: lambda table, node: Num(Fraction(int(node.p), int(node.q))),
    sympy.Float: lambda table, node: Num(Fraction(str(node))),
    sympy.Symbol: lambda table, node: table.name(node.name),
    sympy.MatrixSymbol: lambda table, node: table.name(node.name),
    GenericZeroMatrix: lambda table, node: Num(Fraction(0)),
    sympy.ZeroMatrix: lambda table, node: Num(Fraction(0)),
    sympy.OneMatrix: lambda table, node: Num(Fraction(1)),
    Slope: lambda table, node: algebra.Prime(node.function, table.term(node.arg)),
    Elementwise: lambda table, node: algebra.Apply(node.function, table.term(node.arg)),
    Larger: lambda table, node: algebra.Max(table.terms(node.args)),
    sympy.Max: lambda table, node: algebra.Max(table.terms(node.args)),
    Stack: lambda table, node: algebra.Blocks(tuple(table.terms(row) for row in node.args[0])),
    sympy.MatrixBase: lambda table, node: algebra.Blocks(tuple(table.terms(row) for row in node.tolist())),
    Scalar: lambda table, node: table.term(node.arg),
    OverTime: _Table.over_time,
    Jacobian: _Table.partial,
    Norm: lambda table, node: algebra.Norm(table.term(node.args[0])),
    sympy.Limit: _Table.limit,
    sympy.Derivative: _Table.derivative,
    sympy.MatAdd: lambda table, node: algebra.Add(table.terms(node.args)),
    sympy.Add: lambda table, node: algebra.Add(table.terms(node.as_ordered_terms())),
    sympy.MatMul: lambda table, node: table.product(table.terms(node.args)),
    sympy.Mul: lambda table, node: table.product(table.terms(node.as_ordered_factors())),
    sympy.HadamardProduct: _Table.hadamard,
    sympy.HadamardPower: lambda table, node: table.power(*node.args),
    sympy.Pow: lambda table, node: table.power(*node.args),
    sympy.Transpose: lambda table, node: algebra.Transpose(table.term(node.args[0])),
    sympy.DiagMatrix: lambda table, node: algebra.Diag(table.term(node.args[0])),
    sympy.Heaviside: lambda table, node: algebra.Prime("relu", table.term(node.args[0])),
    sympy.exp: lambda table, node: algebra.Apply("exp", table.term(node.args[0])),
}
