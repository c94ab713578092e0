r"""Terms and relations from the rules of the grammar: one method a rule, called as the parser goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from symlstm.algebra import (
    Add,
    Apply,
    Blocks,
    Diag,
    Div,
    Expectation,
    Extreme,
    Hadamard,
    Interval,
    Limit,
    Listed,
    MatMul,
    Max,
    Neg,
    Norm,
    NotSupported,
    Num,
    Ones,
    Partial,
    Pow,
    Prime,
    Prod,
    Relation,
    Rows,
    Space,
    Sum,
    Sym,
    Term,
    Total,
    Trace,
    Transpose,
    Variance,
    children,
    map_relation,
    term,
    transform,
)  # fmt: skip
from symlstm.reader.dots import Dots, filled
from symlstm.reader.symbols import Half
from symlstm.reader.tokens import FUNCTIONS, LIMITS, Big, Fault

Found = Relation | Term
Children = list[Any]

_PRODUCTS = {"hadamard": Hadamard, "matrix": MatMul}
_BIG = {"sum": Sum, "prod": Prod}
_NODES: dict[str, Callable[[Term], Term]] = {"diag": Diag, "tr": Trace}  # functions that are nodes of their own
_ENDS = {"LP": "(", "LB": "[", "RP": ")", "RB": "]"}
BESIDE = "beside"  # what an opening bracket carries whose terms stand side by side
_TURNED = {">": "<", ">=": "<="}
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True, repr=False)
class Tuple(Term):
    """Several terms in brackets: the arguments of a function, or the ends of an interval."""

    args: tuple[Term, ...]
    brackets: str
    at: int
    beside: bool = False

    def alone(self) -> Term:
        raise Fault("These brackets hold neither an interval nor the arguments of a function.", self.at)


@dataclass(frozen=True, slots=True, repr=False)
class Cases(Term):
    """Values, each with the condition under which it holds."""

    branches: tuple[tuple[Term, Relation | None], ...]

    def alone(self) -> Term:
        raise Fault("Cases are read only as a whole side of an equation.", 0, kind=NotSupported)


def settled(found: Found) -> Found:
    """The finished term or relation; raises a `Fault` for what is only half of something, or too deep to be worked on."""
    sides = list(found.terms) if isinstance(found, Relation) else [found]
    stack: list[tuple[Term, int]] = [(side, 1) for side in reversed(sides)]
    halves = False
    while stack:
        node, depth = stack.pop()
        if isinstance(node, (Half, Tuple, Cases, Dots)):
            node.alone()
            halves = True
        if depth > 3 * LIMITS["depth"]:
            raise Fault(f"The formula is nested deeper than the limit of {3 * LIMITS['depth']} operations.", 0)
        stack.extend((child, depth + 1) for child in reversed(children(node)))
    if not halves:
        return found
    return map_relation(found, _whole) if isinstance(found, Relation) else _whole(found)


def _whole(side: Term) -> Term:
    return transform(side, lambda node: node.alone() if isinstance(node, Half) else node)


class Builder:
    """What each rule of the grammar makes of its parts: terms, and for statements relations."""

    # --- relations ---

    def start(self, parts: Children) -> tuple[Found, ...]:
        found: list[Found] = []
        waiting: list[Term] = []
        for part in _spread(parts):
            if isinstance(part, Term):
                waiting.append(part)
            elif isinstance(part, list):
                if waiting and part[0].operators[0] == "in" and isinstance(part[0].rhs, Interval):
                    found += [replace(part[0], terms=(term, *part[0].terms[1:])) for term in waiting]
                    waiting = []
                if waiting and part[0].operators[0] == "in":
                    part[0] = replace(part[0], terms=(Listed((*waiting, part[0].terms[0])), *part[0].terms[1:]))
                    waiting = []
                found += [*waiting, *part]
                waiting = []
        return (*found, *([Listed(tuple(waiting))] if len(waiting) > 1 else waiting))

    def piece(self, parts: Children) -> Term | list[Relation]:
        statement: Term | list[Relation] = parts[0]
        conditions = [part[0] for part in parts[1:] if isinstance(part, list)]
        if not conditions:
            return statement
        if isinstance(statement, Term):
            raise Fault("Only a relation can have a condition.", 0, "x = 1 \\quad \\text{for } y > 0")
        return [replace(line, condition=conditions[0]) for line in statement]

    def statement(self, parts: Children) -> Term | list[Relation]:
        operators = tuple(sign.value for sign in parts[1::2])
        terms: list[Term] = parts[::2]
        if not operators:
            return _set(terms[0], 0) if isinstance(terms[0], Tuple) else terms[0]
        more: list[Relation] = []
        for k, sign in enumerate(parts[1::2], 1):
            if sign.value == "in":
                box = terms[k]
                if isinstance(box, Pow) and isinstance(box.base, (Tuple, Blocks)):  # (-1, 1)^n is an interval and a size
                    terms[k] = box.base
                    more.append(Relation((terms[k - 1], Space(box.exponent)), ("in",)))
                terms[k] = _set(terms[k], sign.start_pos)
        last = terms[-1]
        if not isinstance(last, Cases):
            return [Relation(tuple(terms), operators), *more]
        return [Relation((*terms[:-1], value), operators, condition) for value, condition in last.branches]

    def space(self, parts: Children) -> Term:
        sizes = [part for part in parts if isinstance(part, Term)]
        return Space(*sizes) if sizes else Space(Num(Fraction(1)))

    def cases(self, parts: Children) -> Term:
        known = [condition for _, condition in parts if condition]
        branches: list[tuple[Term, Relation | None]] = []
        for value, condition in parts:
            if condition is None:
                condition = _left_over(known)
            branches.append((value, condition))
        return Cases(tuple(branches))

    def case(self, parts: Children) -> tuple[Term, Relation | None]:
        return parts[0], next((part[0] for part in parts if isinstance(part, list)), None)

    # --- sums and products ---

    def sum(self, parts: Children) -> Term:
        terms: list[Term] = []
        minus = False
        for part in parts:
            if isinstance(part, Term):
                terms.append(Neg(part) if minus else part)
            minus = _is(part, "MINUS")
        terms = filled(terms, Sum)
        return terms[0] if len(terms) == 1 else Add(tuple(terms))

    def product(self, parts: Children) -> Term:
        joined = _joined(parts)
        if any(isinstance(part, Dots) for part in joined) and all(isinstance(part, Term) for part in joined):
            joined = filled(joined, Prod)
        return joined[0] if len(joined) == 1 else _folded(_groups(joined))

    def big(self, parts: Children) -> Term:
        sign, body = parts
        if sign.type != "BIG":
            return (Limit if sign.type == "LIM" else Extreme)(body, *sign.value)
        big: Big = sign.value
        if big.lower is not None and big.upper is not None:
            return _BIG[big.sign](big.letter, big.lower, big.upper, body)
        if big.sign != "sum":
            raise Fault("A product over components is not read.", sign.start_pos, kind=NotSupported)
        return Total(big.letter, body)

    def half(self, parts: Children) -> Term:
        mark, arg = parts
        return Half(Sym(arg.value) if _is(arg, "FUNC") else arg, mark.start_pos, direct=mark.value == "direct")

    def derived(self, parts: Children) -> Term:
        mark, arg = parts
        return Partial(arg, mark.value)

    # --- factors ---

    def atom(self, parts: Children) -> Term:
        return parts[0].value

    def transpose(self, parts: Children) -> Term:
        return Transpose(parts[0])

    def power(self, parts: Children) -> Term:
        base, caret, exponent = parts
        if base == Sym("e"):
            return Apply("exp", exponent)
        tower = isinstance(exponent, Pow) or (isinstance(exponent, Num) and exponent.value > LIMITS["power"])
        if isinstance(base, Num) and tower:
            raise Fault(f"A power of a number has an exponent of at most {LIMITS['power']}.", caret.start_pos, kind=NotSupported)
        return Pow(base, exponent)

    def direct(self, parts: Children) -> Term:
        if not isinstance(parts[0], Partial):
            raise Fault("Only a derivative can be direct.", parts[1].start_pos)
        return replace(parts[0], direct=True)

    def rows(self, parts: Children) -> Term:
        arg, first, last = parts
        return Rows(arg, _before(first), last)

    def columns(self, parts: Children) -> Term:
        return Transpose(self.rows([Transpose(parts[0]), *parts[1:]]))

    def ones(self, parts: Children) -> Term:
        return Ones(parts[0])

    def group(self, parts: Children) -> Term:
        bracket: Tuple = parts[0]
        if bracket.brackets == "[]" and len(bracket.args) > 1:
            return Blocks((bracket.args,) if bracket.beside else tuple((arg,) for arg in bracket.args))
        return bracket.args[0] if len(bracket.args) == 1 and bracket.brackets in ("()", "[]") else bracket

    def bracket(self, parts: Children) -> Term:
        ends = _ENDS[parts[0].type] + _ENDS[parts[-1].type]
        return Tuple(tuple(parts[1:-1]), ends, parts[0].start_pos, parts[0].value == BESIDE)

    def brace(self, parts: Children) -> Term:
        return Tuple((parts[0],), "{}", 0)

    def call(self, parts: Children) -> Term:
        mark, *scripts, argument = parts
        args = argument.args if isinstance(argument, Tuple) else (argument,)
        return _applied(mark, scripts[0] if scripts else [], args)

    def moment(self, parts: Children) -> Term:
        mark, bracket = parts
        (name, over), inside = mark.value, self.group([bracket])
        return (Expectation if name == "E" else Variance)(inside, over)

    def outer(self, parts: Children) -> Term:
        return MatMul((parts[0], Transpose(parts[1])))

    def scripts(self, parts: Children) -> Children:
        return parts

    def norm(self, parts: Children) -> Term:
        return Norm(parts[0])

    def absolute(self, parts: Children) -> Term:
        return Apply("abs", parts[0])

    def fraction(self, parts: Children) -> Term:
        above, below = parts
        if isinstance(above, Half) and isinstance(below, Half):
            return _derivative(above, below)
        if isinstance(above, Num) and isinstance(below, Num) and below.value and above.places is below.places is None:
            return Num(above.value / below.value)
        return Div(above, below)

    def matrix(self, parts: Children) -> Term:
        return Blocks(tuple(parts))

    def row(self, parts: Children) -> tuple[Term, ...]:
        return tuple(parts)


def _before(row: Term) -> Term:
    """How many rows come before this one."""
    if isinstance(row, Add) and row.args[-1] == term(1):
        return row.args[0] if len(row.args) == 2 else Add(row.args[:-1])
    return Num(row.value - 1) if isinstance(row, Num) else row - 1


def _left_over(known: list[Relation]) -> Relation:
    """What holds where none of one relation, or none of two inequalities about the same term, does."""
    if all(len(line.operators) == 1 and line.operators[0] in _OPPOSITE for line in known):
        opposite = [Relation(line.terms, (_OPPOSITE[line.operators[0]],)) for line in known]
        if len(opposite) == 1:
            return opposite[0]
        upward = [_turned(line) if line.operators[0] in _TURNED else line for line in opposite]
        for lower, upper in (upward, upward[::-1]) if len(upward) == 2 else ():
            if lower.rhs == upper.lhs:
                return Relation((lower.lhs, *upper.terms), (*lower.operators, *upper.operators))
    raise Fault("What is left for this case is not clear.", 0, kind=NotSupported)


def _turned(line: Relation) -> Relation:
    return Relation(line.terms[::-1], (_TURNED[line.operators[0]],))


def _spread(parts: Children) -> Children:
    """`0 < a, b < 1` bounds every term of the list on both sides; other parts stay as they are."""
    lists = [k for k, part in enumerate(parts) if isinstance(part, list)]
    if len(lists) != 2 or lists[0] or lists[1] != len(parts) - 1 or any(_is(part, "SEP") and part.value != "," for part in parts):
        return parts
    (first, *more), (last, *others) = parts[0], parts[-1]
    bounds = (first.lhs, last.rhs)
    signs = (*first.operators, *last.operators)
    numeric = all(isinstance(bound.arg if isinstance(bound, Neg) else bound, Num) for bound in bounds)
    if more or others or not numeric or len(signs) != 2 or {sign[0] for sign in signs} not in ({"<"}, {">"}):
        return parts
    listed = (first.rhs, *(part for part in parts[1:-1] if isinstance(part, Term)), last.lhs)
    return [[Relation((bounds[0], term, bounds[1]), signs) for term in listed]]


def _is(part: Any, terminal: str) -> bool:
    return getattr(part, "type", None) == terminal


def _set(part: Term, at: int) -> Term:
    """What may stand behind `\\in`: a space or an interval."""
    match part:
        case Blocks(rows=((lower,), (upper,))):
            return Interval(lower, upper, False, False)
        case Tuple(args=(lower, upper), brackets=ends):
            return Interval(lower, upper, ends[0] == "(", ends[1] == ")")
        case Space():
            return part
    raise Fault("A space or an interval is expected here.", at, r"\mathbb{R}^n or (0, 1)")


def _derivative(of: Half, wrt: Half) -> Term:
    """A derivative; of a function by its variable, the function's prime."""
    if isinstance(of.arg, Sym) and of.arg.name in FUNCTIONS.values() and of.arg.time is None:
        return Prime(of.arg.name, wrt.arg)
    return Partial(of.arg, wrt.arg, direct=of.direct)


def _applied(mark: Any, scripts: Children, args: tuple[Term, ...]) -> Term:
    """A function with primes and powers at its arguments."""
    name, primes = mark.value, sum(_is(part, "PRIME") for part in scripts)
    powers = [part for part in scripts if isinstance(part, Term)]
    known = name in FUNCTIONS.values()
    if name in ("max", "min") and len(args) > 1 and not scripts:
        return Max(args) if name == "max" else Neg(Max(tuple(map(Neg, args))))
    if name in ("max", "min") or (known and len(args) > 1) or primes > 1 or len(powers) > 1 or not all(map(_positive, powers)):
        raise Fault(f"This use of {name} is not read.", mark.start_pos, kind=NotSupported)
    arg = args[0] if len(args) == 1 else Listed(args)
    value = _NODES[name](arg) if name in _NODES and not primes else (Prime if primes else Apply)(name, arg)
    return Pow(value, powers[0]) if powers else value


def _positive(power: Term) -> bool:
    return isinstance(power, Num) and power.value > 0


def _joined(parts: Children) -> Children:
    """The parts of a product with `\\partial a / \\partial b` and `f(a, b)` each made one factor."""
    joined: Children = []
    for part in parts:
        before = joined[-1] if joined else None
        if isinstance(part, Tuple) and len(part.args) > 1 and isinstance(before, Sym):
            stacked = before.name[0].isupper() and part.brackets == "()"  # W (h, x): a matrix at a column
            column = [before, Blocks(tuple((arg,) for arg in part.args))]
            joined[-1:] = column if stacked else [Apply(before.name, Listed(part.args))]
        elif isinstance(part, Tuple) and isinstance(before, Partial) and isinstance(before.of, Sym):
            joined[-1] = replace(before, of=Apply(before.of.name, Listed(part.args)))
        elif isinstance(part, Half) and _is(before, "SLASH") and isinstance(joined[-2], Half):
            joined[-2:] = [_derivative(joined[-2], part)]
        else:
            joined.append(part)
    return joined


def _groups(parts: Children) -> list[tuple[Any, list[Term]]]:
    """The factors between signs, each group with the sign before it."""
    groups: list[tuple[Any, list[Term]]] = [(None, [])]
    for part in parts:
        if isinstance(part, Term):
            groups[-1][1].append(part)
        else:
            groups.append((part, []))
    for sign, factors in groups:
        if _is(sign, "SLASH") and len(factors) > 1:
            raise Fault("What this divides by is not clear.", sign.start_pos, r"\frac{a}{b} c, or brackets")
    return groups


def _folded(groups: list[tuple[Any, list[Term]]]) -> Term:
    """The product of groups of factors, from left to right; factors without a sign between them come first if tight."""
    args: list[Term] = groups[0][1]
    kind = "matrix"
    for sign, factors in groups[1:]:
        if _is(sign, "SLASH"):
            args = [Div(_product(kind, args), factors[0])]
            kind = "matrix"
            continue
        product = sign.value.product
        if product != kind and len(args) > 1:
            args = [_product(kind, args)]
        kind = product
        if product == "matrix":
            args = args + factors
        elif sign.value.tight:
            args = [*args, _product("matrix", factors)]
        else:
            args = [*args, factors[0]]
            if factors[1:]:
                args = [_product(kind, args), *factors[1:]]
                kind = "matrix"
    return _product(kind, args)


def _product(kind: str, args: list[Term]) -> Term:
    return args[0] if len(args) == 1 else _PRODUCTS[kind](tuple(args))
