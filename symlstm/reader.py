r"""LaTeX to terms and relations: an independent reader, which shares nothing with what writes LaTeX.

`read` takes one formula, `readings` a whole document. What cannot be read is an error with its line, its column and a
caret under the place; nothing is guessed and nothing is dropped. The grammar is `grammar.lark`, its tokens come from
`symlstm.tokens`, and `symlstm.extract` finds the formulas of a document.

What the notation leaves open is settled as follows: a letter without a script is `Sym` without a time, exponents
included (`U^{t-k}` has the exponent `t - k` of two such letters); a time with several letters keeps them in its base
(`c_{t-k+1}` is at `Time("t-k", 1)`); a function of several arguments is an `Apply` to a `Listed`; a column `[a, b]` is
`Blocks` of one column; a sum or product sign reaches to the next plus or minus.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

from symlstm.algebra import (
    Add,
    Apply,
    Blocks,
    Diag,
    Div,
    Hadamard,
    Interval,
    Limit,
    Listed,
    MatMul,
    Max,
    Neg,
    Norm,
    NotSupported,
    NotValid,
    Num,
    Partial,
    Pow,
    Prime,
    Prod,
    Relation,
    Space,
    Sum,
    Sym,
    SymlstmError,
    Term,
    Transpose,
    children,
)  # fmt: skip
from symlstm.extract import Formula, Kind, formulas
from symlstm.tokens import HOUSE, LIMITS, Big, Conventions, Fault, Token, tokens

__all__ = ["HOUSE", "Conventions", "Formula", "Reading", "formulas", "read", "read_all", "readings"]

Found = Relation | Term
WIDTH = 100  # characters of a formula that a message shows


def read(source: str | Formula, conventions: Conventions = HOUSE) -> Found:
    r"""The one relation, or without a relation sign the one term, that a formula says.

    Raises `NotValid` or `NotSupported`, with `line` and `column`.

    >>> read(r"\delta c_t^{+} = f_{t+1} \odot \delta c_{t+1}")
    delta+ c[t] = f[t+1] * delta c[t+1]
    >>> read(r"W_f x_t +")
    Traceback (most recent call last):
    symlstm.algebra.NotValid: The formula ends too early.
      in: line 1, column 10
        W_f x_t +
                 ^
    """
    found = read_all(source, conventions)
    if len(found) > 1:
        raise NotValid(f"There are {len(found)} formulas where one is expected.", str(_text(source)))
    return found[0]


def read_all(source: str | Formula, conventions: Conventions = HOUSE) -> tuple[Found, ...]:
    r"""The relations or terms of a formula with commas or wide spaces between them; terms alone are one `Listed`.

    >>> read_all(r"y = 1, \quad i_t, f_t \in \mathbb{R}^n")
    (y = 1, i[t], f[t] in R^n)
    """
    try:
        return _parse(tokens(_text(source), conventions), len(_text(source)))
    except Fault as fault:
        raise located(fault, source) from None


@dataclass(frozen=True, slots=True)
class Reading:
    """A formula of a document with what it says, or with the error that says why it cannot be read."""

    formula: Formula
    found: tuple[Found, ...] = ()
    error: SymlstmError | None = None


def readings(document: str, kind: Kind, conventions: Conventions = HOUSE) -> Iterator[Reading]:
    """Every formula of a document, read; one that cannot be read does not stop the others."""
    for formula in formulas(document, kind):
        try:
            yield Reading(formula, read_all(formula, conventions))
        except SymlstmError as error:
            yield Reading(formula, error=error)


# --- messages -------------------------------------------------------------------------------------------------


def located(fault: Fault, source: str | Formula) -> SymlstmError:
    """The fault as a message: what is wrong, the line with a caret under the place, and what would be right."""
    text = _text(source)
    first, start = (source.line, source.column) if isinstance(source, Formula) else (1, 1)
    before, here = text[: fault.at], text[fault.at :].partition("\n")[0]
    line, head = first + before.count("\n"), before.rpartition("\n")[2]
    column = len(head) + (start if line == first else 1)
    cut = max(0, len(head) - WIDTH * 2 // 3)
    shown = (head[cut:] + here)[:WIDTH].rstrip().replace("\t", " ")
    where = f"line {line}, column {column}\n    {shown}\n    {' ' * len(head[cut:])}^"
    return fault.kind(fault.what, where, fault.right, line=line, column=column)


def _text(source: str | Formula) -> str:
    return source.text if isinstance(source, Formula) else source


# --- parsing --------------------------------------------------------------------------------------------------


@cache
def _parser() -> Any:
    from lark import Lark

    grammar = files("symlstm").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Builder())


def _parse(stream: list[Token], end: int) -> tuple[Found, ...]:
    from lark import Token as LarkToken
    from lark import UnexpectedToken

    if not stream:
        raise Fault("There is no formula here.", 0)
    parser = _parser().parse_interactive()
    try:
        for token in stream:
            fed = LarkToken(token.type, "", token.at)
            fed.value = token.value
            parser.feed_token(fed)
        found = parser.feed_token(LarkToken("$END", "", end))
    except UnexpectedToken as unexpected:
        at = unexpected.token.start_pos
        raise Fault(*_unexpected(stream, end if at is None else at, end)) from None
    for each in found:
        _checked(each)
    return found


def _unexpected(stream: list[Token], at: int, end: int) -> tuple[str, int, str]:
    if at == end:
        return "The formula ends too early.", at, ""
    before = [token.type for token in stream if token.at < at]
    bare = len(before) > 1 and before[-2] in ("FUNC", "TRANSPOSE", "PRIME") and "FUNC" in before[-4:]
    return "This is not expected here.", at, "the argument of the function in brackets" if bare else ""


def _checked(found: Found) -> None:
    """Raise a `Fault` for what is only half of something, and for a tree too deep to be worked on."""
    sides = found.terms if isinstance(found, Relation) else (found,)
    stack: list[tuple[Term, int]] = [(side, 1) for side in reversed(sides)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, (_Differential, _Tuple)):
            raise Fault(node.alone, node.at)
        if depth > 3 * LIMITS["depth"]:
            raise Fault(f"The formula is nested deeper than the limit of {3 * LIMITS['depth']} operations.", 0)
        stack.extend((child, depth + 1) for child in reversed(children(node)))


# --- building -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class _Differential(Term):
    """`\\partial q`: half of a derivative."""

    arg: Term
    at: int
    function: bool = False
    alone = "This \\partial is only half of a derivative."


@dataclass(frozen=True, slots=True, repr=False)
class _Tuple(Term):
    """Several terms in brackets: the arguments of a function, or the ends of an interval."""

    args: tuple[Term, ...]
    brackets: str
    at: int
    alone = "These brackets hold neither an interval nor the arguments of a function."


_Children = list[Any]
_PRODUCTS = {"hadamard": Hadamard, "matrix": MatMul}
_BIG = {"sum": Sum, "prod": Prod}


class _Builder:
    """What each rule of the grammar makes of its parts: terms, and for `statement` and `start` relations."""

    def atom(self, parts: _Children) -> Term:
        return parts[0].value

    # --- relations ---

    def start(self, parts: _Children) -> tuple[Found, ...]:
        found: list[Found] = []
        waiting: list[Term] = []
        for part in parts:
            if _is(part, "SEP"):
                continue
            if isinstance(part, Term):
                waiting.append(part)
                continue
            if waiting and part.operators[0] == "in":
                part = replace(part, terms=(Listed((*waiting, part.terms[0])), *part.terms[1:]))
                waiting = []
            found += [*waiting, part]
            waiting = []
        return (*found, *([Listed(tuple(waiting))] if len(waiting) > 1 else waiting))

    def piece(self, parts: _Children) -> Found:
        statement, *conditions = [part for part in parts if isinstance(part, (Term, Relation))]
        if not conditions:
            return statement
        if isinstance(statement, Term):
            raise Fault("Only a relation can have a condition.", 0, "x = 1 \\quad \\text{for } y > 0")
        return replace(statement, condition=conditions[0])

    def statement(self, parts: _Children) -> Found:
        operators = tuple(sign.value for sign in parts[1::2])
        terms = [_side(part, alone=not operators) for part in parts[::2]]
        for k, operator in enumerate(operators):
            if operator == "in":
                terms[k + 1] = _set(terms[k + 1], parts[2 * k + 1].start_pos)
        return Relation(tuple(terms), operators) if operators else terms[0]

    def space(self, parts: _Children) -> Term:
        return Space(*(part for part in parts if isinstance(part, Term))) if parts else Space(Num(Fraction(1)))

    # --- sums and products ---

    def sum(self, parts: _Children) -> Term:
        terms: list[Term] = []
        minus = False
        for part in parts:
            if isinstance(part, Term):
                terms.append(Neg(part) if minus else part)
            minus = _is(part, "MINUS")
        return terms[0] if len(terms) == 1 else Add(tuple(terms))

    def product(self, parts: _Children) -> Term:
        return parts[0] if len(parts) == 1 else _folded(_groups(_joined(parts)))

    def big(self, parts: _Children) -> Term:
        sign, body = parts[0].value, parts[1]
        if isinstance(sign, Big):
            return _BIG[sign.sign](sign.letter, sign.lower, sign.upper, body)
        return Limit(body, *sign)

    def differential(self, parts: _Children) -> Term:
        mark, arg = parts
        return _Differential(Sym(arg.value) if _is(arg, "FUNC") else arg, mark.start_pos, _is(arg, "FUNC"))

    # --- factors ---

    def transpose(self, parts: _Children) -> Term:
        return Transpose(parts[0])

    def power(self, parts: _Children) -> Term:
        base, caret, exponent = parts
        if base == Sym("e"):
            return Apply("exp", exponent)
        if isinstance(base, Num) and (isinstance(exponent, Pow) or (isinstance(exponent, Num) and exponent.value > _LARGEST)):
            raise Fault(f"A power of a number has an exponent of at most {_LARGEST}.", caret.start_pos, kind=NotSupported)
        return Pow(base, exponent)

    def direct(self, parts: _Children) -> Term:
        if not isinstance(parts[0], Partial):
            raise Fault("Only a derivative can be direct.", parts[1].start_pos)
        return replace(parts[0], direct=True)

    def group(self, parts: _Children) -> Term:
        bracket: _Tuple = parts[0]
        if bracket.brackets == "[]" and len(bracket.args) > 1:
            return Blocks(tuple((arg,) for arg in bracket.args))
        return bracket.args[0] if len(bracket.args) == 1 and bracket.brackets in ("()", "[]") else bracket

    def bracket(self, parts: _Children) -> Term:
        return _Tuple(tuple(parts[1:-1]), _ENDS[parts[0].type] + _ENDS[parts[-1].type], parts[0].start_pos)

    def brace(self, parts: _Children) -> Term:
        return _Tuple((parts[0],), "{}", 0)

    def call(self, parts: _Children) -> Term:
        mark, *scripts, argument = parts
        args = argument.args if isinstance(argument, _Tuple) else (argument,)
        return _applied(mark, scripts[0] if scripts else [], args)

    def scripts(self, parts: _Children) -> _Children:
        return parts

    def norm(self, parts: _Children) -> Term:
        return Norm(parts[0])

    def absolute(self, parts: _Children) -> Term:
        return Apply("abs", parts[0])

    def fraction(self, parts: _Children) -> Term:
        above, below = parts
        if isinstance(above, _Differential) and isinstance(below, _Differential):
            return _derivative(above, below)
        if isinstance(above, Num) and isinstance(below, Num) and below.value and above.places is below.places is None:
            return Num(above.value / below.value)
        return Div(above, below)

    def matrix(self, parts: _Children) -> Term:
        return Blocks(tuple(parts))

    def row(self, parts: _Children) -> tuple[Term, ...]:
        return tuple(parts)


_ENDS = {"LP": "(", "LB": "[", "RP": ")", "RB": "]"}
_LARGEST = 1000  # the largest exponent of a number


def _is(part: Any, terminal: str) -> bool:
    return getattr(part, "type", None) == terminal


def _side(part: Term, alone: bool) -> Term:
    """A side of a relation; two terms in brackets that stand alone are an interval."""
    return _set(part, 0) if alone and isinstance(part, _Tuple) and len(part.args) == 2 else part


def _set(part: Term, at: int) -> Term:
    """What may stand behind `\\in`: a space or an interval."""
    match part:
        case Blocks(rows=((lower,), (upper,))):
            return Interval(lower, upper, False, False)
        case _Tuple(args=(lower, upper), brackets=ends):
            return Interval(lower, upper, ends[0] == "(", ends[1] == ")")
        case Space():
            return part
    raise Fault("A space or an interval is expected after this.", at, r"\mathbb{R}^n or (0, 1)")


def _derivative(of: _Differential, wrt: _Differential) -> Term:
    """A derivative; of a function by its variable, the function's prime."""
    if wrt.function:
        raise Fault("A derivative is taken with respect to a symbol.", wrt.at)
    return Prime(of.arg.name, wrt.arg) if of.function and isinstance(of.arg, Sym) else Partial(of.arg, wrt.arg)


def _applied(mark: Any, scripts: _Children, args: tuple[Term, ...]) -> Term:
    """A function with primes and powers at its arguments."""
    name, primes = mark.value, sum(_is(part, "PRIME") for part in scripts)
    powers = [part for part in scripts if isinstance(part, Term)]
    if name == "max" and len(args) > 1 and not scripts:
        return Max(args)
    if name == "max" or len(args) > 1 or primes > 1 or len(powers) > 1 or (powers and not _positive(powers[0])):
        raise Fault(f"This use of {name} is not read.", mark.start_pos, kind=NotSupported)
    value = Diag(args[0]) if name == "diag" else (Prime if primes else Apply)(name, args[0])
    return Pow(value, powers[0]) if powers else value


def _positive(power: Term) -> bool:
    return isinstance(power, Num) and power.value > 0


def _joined(parts: _Children) -> _Children:
    """The parts of a product with `\\partial a / \\partial b` and `f(a, b)` each made one factor."""
    joined: _Children = []
    for part in parts:
        before = joined[-1] if joined else None
        if isinstance(part, _Tuple) and len(part.args) > 1 and isinstance(before, Sym):
            joined[-1] = Apply(before.name, Listed(part.args))
        elif isinstance(part, _Differential) and _is(before, "SLASH") and isinstance(joined[-2], _Differential):
            joined[-2:] = [_derivative(joined[-2], part)]
        else:
            joined.append(part)
    return joined


def _groups(parts: _Children) -> list[tuple[Any, list[Term]]]:
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
        if product == "matrix":
            args = args + factors
        elif sign.value.tight:
            args = [*args, _product("matrix", factors)]
        else:
            product, args = "matrix" if factors[1:] else product, [*args, factors[0]]
            args = [_product("hadamard", args), *factors[1:]] if factors[1:] else args
        kind = product
    return _product(kind, args)


def _product(kind: str, args: list[Term]) -> Term:
    return args[0] if len(args) == 1 else _PRODUCTS[kind](tuple(args))
