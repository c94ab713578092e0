"""Bounds of norms over time, each from facts that are proved: a table of rules, tried one after the other.

Proved here are the factors: that a Jacobian is the product claimed (by `symlstm.evidence.proof`), and that every
entry of a diagonal factor stays below a number (by a certificate, `symlstm.evidence.scalars`). Trusted are three facts on
operator norms: |A B| <= |A| |B|, the norm of a diagonal matrix is the largest absolute value on it, and a product of
bounds bounds the product when none is negative.

>>> from symlstm import zoo
>>> from symlstm.algebra import Diag, Norm, quantity, relation, term
>>> decide(Proof(zoo.LSTM), relation(Norm(Diag(quantity("f"))), "<", term(1))).note
'every entry on the diagonal is a function of activations and stays below 1 in size, by a certificate'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from symlstm.activations import X, activation
from symlstm.algebra import (
    Diag,
    MatMul,
    Norm,
    NotSupported,
    Num,
    Partial,
    Pow,
    Prime,
    Prod,
    Relation,
    Sym,
    Term,
    Time,
    equation,
    plain,
    term,
    walk,
)
from symlstm.evaluate import Array
from symlstm.evidence.certificates import exponentials
from symlstm.evidence.numeric import outer_activations
from symlstm.evidence.proof import Proof
from symlstm.evidence.scalars import Decision
from symlstm.evidence.scalars import decide as decide_scalar
from symlstm.evidence.signs import positive_certificate
from symlstm.model import Cell
from symlstm.prose import Text, joined, prose

Constants = Mapping[str, Fraction]
T, K = Time(), Time("k")
WAYS = {None: 0, Relation((Sym("t"), Sym("k")), (">",)): 1, Relation((Sym("k"), Sym("t")), (">",)): -1}  # of a condition
NORMS = "norms are submultiplicative"


def decide(proof: Proof, line: Relation, constants: Constants | None = None) -> Decision:
    """Whether a chain of bounds of norms follows by the rules; what no rule reaches is not decided."""
    way = WAYS.get(line.condition)
    products = [part for part in walk(line) if isinstance(part, Prod)]
    if way is None or (way and not all(K + way in (part.lower, part.upper) for part in products)):
        return Decision(False, f"not decided: the condition {plain(line.condition)}", decided=False)  # type: ignore[arg-type]

    def links() -> Decision:
        told = [_link(proof, left, operator, right, way != 0, constants or {}) for left, operator, right in line.links()]
        return Decision(True, joined(*dict.fromkeys(told), by="; "))
    return proof.deciding(links)


def _link(proof: Proof, left: Term, operator: str, right: Term, apart: bool, constants: Constants) -> Text:
    if operator == "<=" or (operator == "<" and (apart or not _over_steps(left))):
        for rule in _RULES:
            if told := rule(proof, left, operator == "<", right, constants):
                return told
    raise NotSupported(f"No rule gives {plain(left)} {operator} {plain(right)}.", plain(left))


def _over_steps(node: Term) -> bool:
    return any(isinstance(part, Prod) for part in walk(node))


# --- the rules: each says what it used, or nothing where it does not apply or does not hold ------------------------


def _same(proof: Proof, left: Term, strict: bool, right: Term, constants: Constants) -> Text:
    return "" if strict or left != right else "equal"


def _factors(proof: Proof, left: Term, strict: bool, right: Term, constants: Constants) -> Text:
    """|M| <= |A| |B| ... where M = A B ..."""
    factors = right.args if isinstance(right, MatMul) else (right,)
    if strict or not isinstance(left, Norm) or not all(isinstance(factor, Norm) for factor in factors):
        return ""
    inner = tuple(factor.arg for factor in factors if isinstance(factor, Norm))
    product = proof.decide(equation(left.arg, MatMul(inner)))
    return joined("the factors: ", product.words, f"; {NORMS}") if product.ok else ""


def _factorwise(proof: Proof, left: Term, strict: bool, right: Term, constants: Constants) -> Text:
    """a b <= A B where a <= A and b <= B, all of them norms or positive constants."""
    if strict or not (isinstance(left, MatMul) and isinstance(right, MatMul) and len(left.args) == len(right.args)):
        return ""
    pairs = list(zip(left.args, right.args, strict=True))
    if not all(isinstance(part, Norm) or (_constant(part, constants) or -1) >= 0 for pair in pairs for part in pair):
        return ""
    told = [_link(proof, one, "<=", other, False, constants) for one, other in pairs]
    return joined("factor by factor: ", joined(*(part for part in told if part != "equal"), by="; "))


def _diagonal(proof: Proof, left: Term, strict: bool, right: Term, constants: Constants) -> Text:
    """|diag(v)| <= c where every entry of v stays within [-c, c] (below it, if strict)."""
    limit = _constant(right, constants)
    if limit is None or not (isinstance(left, Norm) and isinstance(left.arg, Diag)):
        return ""
    entries = proof.values(left.arg.arg)[0]
    if not all(_within(proof, entry, limit, strict) for entry in entries.flat):
        return ""
    below = "below" if strict else "within"
    return f"every entry on the diagonal is a function of activations and stays {below} {limit} in size, by a certificate"


def _one_step(proof: Proof, left: Term, strict: bool, right: Term, constants: Constants) -> Text:
    """|J| <= c |M| where J = diag(v) M and every entry of v stays within [-c, c]."""
    if strict or not isinstance(left, Norm) or not (isinstance(right, MatMul) and len(right.args) == 2):
        return ""
    limit, matrix = _constant(right.args[0], constants), right.args[1]
    if limit is None or not isinstance(matrix, Norm):
        return ""
    diagonal = _row_factors(proof, *proof.values(left.arg, matrix.arg))
    if diagonal is None or not all(_within(proof, entry, limit, False) for entry in diagonal):
        return ""
    return prose(f"the rows of the Jacobian are those of {{}} as rational functions, each times a factor within {limit} in size, "
                 f"by a certificate; {NORMS}", matrix.arg)


def _power(proof: Proof, left: Term, strict: bool, right: Term, constants: Constants) -> Text:
    """|d q_t / d q_k| <= c^(t-k) where |d q_t / d q_{t-1}| <= c, for the one state of a part; c^(k-t) for one that runs
    backward."""
    if strict or not (isinstance(right, Pow) and isinstance(left, Norm)):
        return ""
    jacobian = left.arg
    if not (isinstance(jacobian, Partial) and isinstance(jacobian.of, Sym) and jacobian.wrt == jacobian.of.at(K)):
        return ""
    steps = Sym("t") - Sym("k") if proof.cell.direction(jacobian.of) > 0 else Sym("k") - Sym("t")
    if right.exponent != steps:
        return ""
    if not jacobian.direct and proof.cell.parts[proof.cell.place(jacobian.of)].states != (jacobian.of,):
        return ""
    one = Norm(Partial(jacobian.of, proof.cell.carried[jacobian.of], jacobian.direct))
    return joined(_link(proof, one, "<=", right.base, False, constants), prose("; by induction over the {} factors", steps))


def _product(proof: Proof, left: Term, strict: bool, right: Term, constants: Constants) -> Text:
    """|d q_t / d q_k| <= product of |J_s| where the derivative is the product of the J_s."""
    if strict or not (isinstance(left, Norm) and isinstance(right, Prod) and isinstance(right.body, Norm)):
        return ""
    product = proof.decide(equation(left.arg, Prod(right.index, right.lower, right.upper, right.body.arg)))
    return joined("the product: ", product.words, f"; {NORMS}") if product.ok else ""


def _product_below_one(proof: Proof, left: Term, strict: bool, right: Term, constants: Constants) -> Text:
    """A product of at least one factor, each less than 1, is less than 1."""
    limits = ((T, K + 1), (K + 1, T), (T, K + -1), (K + -1, T))
    if right != term(1) or not (isinstance(left, Prod) and (left.lower, left.upper) in limits):
        return ""
    return joined(_link(proof, left.body, "<", right, False, constants), "; so is a product of one or more factors")


_RULES: tuple[Callable[[Proof, Term, bool, Term, Constants], Text], ...] = (
    _same, _diagonal, _one_step, _power, _product, _product_below_one, _factors, _factorwise,
)


# --- the facts -----------------------------------------------------------------------------------------------------


def _constant(node: Term, constants: Constants) -> Fraction | None:
    if isinstance(node, Num):
        return node.value
    return constants.get(node.name) if isinstance(node, Sym) else None


def _row_factors(proof: Proof, product: Array, symbols: Array) -> list[Any] | None:
    """v where product = diag(v) matrix, the entries of the matrix being symbols; None where it is not of this form."""
    found = []
    for row, others in zip(product, symbols, strict=True):
        factor = row[0] * proof.ring.inverse(others[0])
        if any(entry != factor * symbol for entry, symbol in zip(row, others, strict=True)):
            return None
        found.append(factor)
    return found


def _within(proof: Proof, entry: Any, limit: Fraction, strict: bool) -> bool:
    """Whether an entry, a function of activations' values, stays within [-limit, limit] whatever their arguments are."""
    values = list(exponentials(proof.ring, proof.ring.element(entry)))
    signs = [positive_certificate(distance) for value in values for distance in (limit - value, limit + value)]
    return all(found.sign >= 0 and not (strict and found.zero) for found in signs)


def decide_largest_slope(cell: Cell, value: Fraction) -> Decision:
    """Whether a number is the largest slope of the state's activation: a bound by a certificate, attained somewhere."""
    names = outer_activations(cell)
    where: Text = ""
    for name in names:
        bounded = decide_scalar(Relation((Prime(name, X), Num(value)), ("<=",)))
        attained: dict[Text, Relation] = {"at 0": equation(Prime(name, term(0)), Num(value))}
        attained |= {
            prose("for {}", stretch): Relation((Prime(name, X), Num(value)), ("=",), stretch) for stretch in _stretches(name)
        }
        where = next((words for words, line in attained.items() if decide_scalar(line).ok), "")
        if not (bounded.ok and where):
            return Decision(False, f"{value} is not the largest slope of {name}")
    slope = f"the slope of {' and '.join(names)} is at most {value}, by a certificate, and {value} "
    return Decision(len(names) == 1, joined(slope, where))


def _stretches(name: str) -> Iterator[Relation]:
    """The conditions that say where x is: left of the kinks of a function, between them, right of them."""
    kinks = [term(kink) for kink in activation(name).kinks]
    if kinks:
        yield Relation((X, kinks[0]), ("<",))
        yield from (Relation((lower, X, upper), ("<", "<")) for lower, upper in pairwise(kinks))
        yield Relation((X, kinks[-1]), (">",))


def constants(lines: Iterator[Relation]) -> dict[str, Fraction]:
    """The constants that relations such as `gamma = 1` fix."""
    return {line.lhs.name: line.rhs.value for line in lines
            if isinstance(line.lhs, Sym) and line.lhs.time is None and isinstance(line.rhs, Num) and line.operators == ("=",)}
