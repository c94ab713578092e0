r"""Terms and relations to LaTeX, as a person writes it: one printer for each node type, arguments in the order given.

Brackets come from precedence alone and are as small as what they hold allows. Where two factors side by side could be
read as something else (a number after a number, a Greek letter before a bracket), a sign stands between them.

>>> from symlstm import zoo
>>> print(latex(zoo.LSTM.declared[1]))
f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)
>>> print(latex(zoo.lstm.g * (1 - zoo.lstm.tanh(zoo.lstm.c) ** 2)))
g_t \odot \bigl(1 - \tanh^2(c_t)\bigr)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from symlstm import algebra as a
from symlstm.activations import ACTIVATIONS
from symlstm.algebra import NotSupported, NotValid, Relation, Term, plain
from symlstm.notation import GREEK, HOUSE, Notation, adjoint, time, write

FUNCTIONS: Mapping[str, str] = MappingProxyType({
    **{row.name: row.latex for row in ACTIVATIONS.values()},
    **{name: f"\\{name}" for name in ("exp", "log", "ln", "sin", "cos", "sinh", "cosh")},
})
POWERED = frozenset({"tanh", "sin", "cos", "sinh", "cosh"})  # written \tanh^2(x); of the others the power stands behind
SIGNS: Mapping[str, str] = MappingProxyType(
    {"=": "=", "<=": r"\le", "<": "<", ">=": r"\ge", ">": ">", "!=": r"\ne", "~": r"\approx", "in": r"\in", "+=": "+="})
SIZES = ("", "big", "Big", "bigg")  # of brackets, by the height of what they hold
MATRIX = len(SIZES)  # the height of a matrix: only \left and \right are tall enough


class Level(IntEnum):
    """How tightly a piece of LaTeX holds together; it needs brackets where something tighter is asked for."""

    SUM = 1  # a sum, or anything that begins with a minus
    BIG = 2  # a big operator: it takes all factors to its right
    HADAMARD = 3
    PRODUCT = 4
    FACTOR = 5  # a factor like any other, but not the base of a power: a fraction, an adjoint, x^2
    ATOM = 6


class Printed(NamedTuple):
    """LaTeX, how tightly it holds together, and how tall it is: 0 a line, 1 nests brackets, 2 and 3 taller."""

    text: str
    level: Level = Level.ATOM
    height: int = 0


@dataclass(frozen=True, slots=True)
class Style:
    """A notation, and whether the mathematics stands in a line of text, where fractions are small."""

    notation: Notation = HOUSE
    inline: bool = False


class Link(NamedTuple):
    """One comparison of a relation: its sign, and the right side in pieces between which a line may break."""

    sign: str
    pieces: tuple[str, ...]


def latex(node: Term | Relation, notation: Notation = HOUSE, *, inline: bool = False) -> str:
    r"""A term or relation as LaTeX. Raises `NotSupported` for what has no printer.

    >>> h, W = a.quantity("h"), a.Sym("W_f")
    >>> print(latex(a.equation(a.Partial(a.Sym("L"), W), a.Adj(h) @ h.prev.T)))
    \frac{\partial L}{\partial W_f} = \delta h_t \, h_{t-1}^{\top}
    """
    style = Style(notation, inline)
    if not isinstance(node, Relation):
        return _printed(node, style).text
    left, found, condition = links(node, notation, inline=inline)
    return left + "".join(f" {link.sign} {' '.join(link.pieces)}" for link in found) + condition


def links(line: Relation, notation: Notation = HOUSE, *, inline: bool = False) -> tuple[str, tuple[Link, ...], str]:
    r"""A relation in pieces: the left side, its comparisons, and its condition (empty without one).

    >>> links(a.relation(a.Sym("x"), "<", 1 - a.Sym("y"), condition=a.relation(a.Sym("y"), ">", 0)))
    ('x', (Link(sign='<', pieces=('1', '- y')),), ' \\quad (y > 0)')
    """
    style = Style(notation, inline)
    for sign in line.operators:
        if sign not in SIGNS:
            raise NotValid(f"There is no relation sign {sign!r}.", plain(line), "one of " + ", ".join(SIGNS))
    found = tuple(Link(SIGNS[sign], _pieces(right, style)) for _, sign, right in line.links())
    condition = rf" \quad ({latex(line.condition, notation, inline=inline)})" if line.condition else ""
    return _printed(line.lhs, style).text, found, condition


def _pieces(node: Term, style: Style) -> tuple[str, ...]:
    if isinstance(node, a.Add):
        return tuple(piece.text for piece in _summands(node, style))
    return (_printed(node, style).text,)


# --- brackets and products ------------------------------------------------------------------------------------


def _printed(node: Term, style: Style) -> Printed:
    printer = _PRINTERS.get(type(node))
    if printer is None:
        raise NotSupported(f"No LaTeX is known for {type(node).__name__}.", repr(node), "one of " + ", ".join(
            kind.__name__ for kind in _PRINTERS))
    return printer(node, style)


def _bracketed(inside: Printed, left: str = "(", right: str = ")") -> Printed:
    """Brackets just tall enough: `( )`, `\\bigl( \\bigr)`, and for matrices `\\left( \\right)`."""
    if inside.height >= MATRIX:
        return Printed(rf"\left{left} {inside.text} \right{right}", height=MATRIX)
    size = SIZES[inside.height]
    opening, closing = (rf"\{size}l{left}", rf"\{size}r{right}") if size else (left, right)
    gap = " " if left.startswith("\\") else ""
    return Printed(f"{opening}{gap}{inside.text}{gap}{closing}", height=min(inside.height + 1, MATRIX - 1))


def _at(node: Term, level: Level, style: Style, *, last: bool = False) -> Printed:
    """The node, in brackets if it holds together less tightly than `level`; a big operator may stand bare at the end."""
    here = _printed(node, style)
    return here if here.level >= level or (last and here.level == Level.BIG) else _bracketed(here)


def _tallest(pieces: list[Printed]) -> int:
    return max(piece.height for piece in pieces)


def _factors(args: tuple[Term, ...], level: Level, style: Style) -> list[Printed]:
    return [_at(arg, level, style, last=k == len(args) - 1) for k, arg in enumerate(args)]


def _hadamard(node: a.Hadamard, style: Style) -> Printed:
    """Signs between the factors; numbers need none among themselves, and none before what they scale."""
    if all(_is_number(arg, style.notation) for arg in node.args):
        return _product(a.MatMul(node.args), style)
    numbers = next(k for k, arg in enumerate(node.args) if not isinstance(arg, a.Num))
    factors = _factors(node.args[numbers:], Level.FACTOR, style)
    text, level = f" {style.notation.elementwise} ".join(factor.text for factor in factors), Level.HADAMARD
    if numbers:
        scaling = _product(a.MatMul(node.args[: numbers + 1]), style)
        text, level = scaling.text + text[len(factors[0].text) :], min(level, scaling.level) if factors[1:] else scaling.level
    return Printed(text, level, _tallest(factors))


_ENTRYWISE = (a.Add, a.Neg, a.Hadamard, a.MatMul, a.Div, a.Pow, a.Apply, a.Prime, a.Max)


def _is_number(node: Term, notation: Notation) -> bool:
    """Whether a term is one number by its looks: made of quantities that are, by operations that keep it so."""
    if isinstance(node, a.Adj):
        node = node.of
    if isinstance(node, a.Sym):
        return node.name in notation.numbers
    known = isinstance(node, (a.Num, a.Trace, *_ENTRYWISE))
    return known and (isinstance(node, a.Trace) or all(_is_number(child, notation) for child in a.children(node)))


def _product(node: a.MatMul, style: Style) -> Printed:
    factors = _factors(node.args, Level.FACTOR, style)
    text = factors[0].text
    for left, after, right in zip(node.args, node.args[1:], factors[1:], strict=False):
        text += _between(left, after, right.text, style.notation) + right.text
    return Printed(text, Level.PRODUCT, _tallest(factors))


_NUMBER = re.compile(r"\d|\\frac\{\d")
_LETTER = re.compile(r"[a-z]'?(\\[bB]igg?l|\\left)?\(")  # a function of one letter
_ONE = r"\mathbf{1}"
_SPACED = (a.Adj, a.Diag, a.Norm, a.Prime)  # after these stands a thin space
_BRACKET = re.compile(r"(\\[bB]igg?l|\\left)?\(")


def _between(left: Term, after: Term, right: str, notation: Notation) -> str:
    """What stands between two factors: mostly nothing, a thin space beside words, a sign where nothing could be misread.

    A notation may want its sign between vectors and matrices; what is a number needs none.
    """
    if notation.product and not (_is_number(left, notation) or _is_number(after, notation)):
        return f" {notation.product} "
    greek = isinstance(left, a.Sym) and left.time is None and left.name in GREEK
    numbers = _NUMBER.match(right) or (isinstance(left, a.Num) and right.startswith(_ONE))
    if numbers or (greek and (left.name == "delta" or _BRACKET.match(right))):  # type: ignore[attr-defined]
        return r" \cdot "
    adjoint = isinstance(left, a.Sym) and isinstance(after.arg if isinstance(after, a.Transpose) else after, a.Adj)
    spaced = isinstance(left, _SPACED) or adjoint or right.startswith(r"\mathrm") or _LETTER.match(right)
    return r" \, " if spaced else " "


# --- leaves ---------------------------------------------------------------------------------------------------


def _number(node: a.Num, style: Style) -> Printed:
    value = node.value
    if node.places is None and value.denominator != 1:
        sign, level = ("-", Level.SUM) if value < 0 else ("", Level.FACTOR)
        text = rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
        return Printed(text, level, _fraction_height(style))
    shown = decimal(value, node.places or 0)
    return Printed(shown, Level.SUM if shown.startswith("-") else Level.ATOM)


def decimal(value: Fraction, places: int) -> str:
    """A number with exactly so many decimals, rounded half to even from its exact value; zero carries no sign.

    >>> decimal(Fraction(1, 8), 2), decimal(Fraction(-1, 1000), 2), decimal(Fraction(5), 0)
    ('0.12', '0.00', '5')
    """
    units = round(value * 10**places)
    digits = str(abs(units)).rjust(places + 1, "0")
    whole, rest = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if units < 0 else "") + whole + (f".{rest}" if places else "")


def _symbol(node: a.Sym, style: Style) -> Printed:
    written = write(node, style.notation)
    return Printed(written.text, Level.FACTOR if written.raised else Level.ATOM)


def _adjoint(node: a.Adj, style: Style) -> Printed:
    return Printed(adjoint(node.of, style.notation, arriving=node.arriving), Level.FACTOR)


def _space(node: a.Space, style: Style) -> Printed:
    sides = [_printed(node.rows, style)] if node.columns is None else [
        _at(side, Level.PRODUCT, style) for side in (node.rows, node.columns)]
    if node.columns is None and node.rows == a.term(1):
        return Printed(r"\mathbb{R}")  # one number
    power = r" \times ".join(side.text for side in sides)
    return Printed(rf"\mathbb{{R}}^{{{power}}}", Level.FACTOR)


def _interval(node: a.Interval, style: Style) -> Printed:
    ends = [_printed(node.lower, style), _printed(node.upper, style)]
    inside = Printed(", ".join(end.text for end in ends), height=_tallest(ends))
    return _bracketed(inside, "(" if node.open_below else "[", ")" if node.open_above else "]")


# --- nodes ----------------------------------------------------------------------------------------------------


def _summands(node: a.Add, style: Style) -> list[Printed]:
    """The terms of a sum, each with its sign."""
    found: list[Printed] = []
    for k, arg in enumerate(node.args):
        minus = isinstance(arg, a.Neg)
        bare = k == 0 and isinstance(arg, a.Num)
        here = _printed(arg, style) if bare else _at(arg.arg if minus else arg, Level.BIG, style)  # type: ignore[attr-defined]
        sign = ("- " if k else "-") if minus else ("+ " if k else "")
        found.append(here._replace(text=sign + here.text))
    return found


def _sum(node: a.Add, style: Style) -> Printed:
    terms = _summands(node, style)
    return Printed(" ".join(each.text for each in terms), Level.SUM, _tallest(terms))


def _negative(node: a.Neg, style: Style) -> Printed:
    if isinstance(node.arg, a.Max) and all(isinstance(arg, a.Neg) for arg in node.arg.args):
        return _called(r"\min", tuple(arg.arg for arg in node.arg.args if isinstance(arg, a.Neg)), style)
    inside = _at(node.arg, Level.BIG, style)
    return Printed(f"-{inside.text}", Level.SUM, inside.height)


def _fraction_height(style: Style) -> int:
    return 1 if style.inline else 2


def _fraction(node: a.Div, style: Style) -> Printed:
    above, below = _printed(node.above, style), _printed(node.below, style)
    height = max(_fraction_height(style), above.height, below.height)
    return Printed(rf"\frac{{{above.text}}}{{{below.text}}}", Level.FACTOR, height)


def _partial(node: a.Partial, style: Style) -> Printed:
    sides = [_printed(side, style) if isinstance(side, a.Sym) else _at(side, Level.ATOM, style) for side in (node.of, node.wrt)]
    text = rf"\frac{{\partial {sides[0].text}}}{{\partial {sides[1].text}}}"
    if node.direct:
        text = rf"\left.{text}\right|_{{\text{{direct}}}}"
    return Printed(text, Level.FACTOR, _fraction_height(style))


def _power(node: a.Pow, style: Style) -> Printed:
    exponent, base = _printed(node.exponent, style), node.base
    if exponent.text in ("T", r"\top"):
        raise NotSupported("A power with the exponent T reads as a transpose.", plain(node), "another name for the exponent")
    if isinstance(base, a.Apply) and base.function in POWERED and exponent.text.isdigit() and int(exponent.text) > 1:
        argument = _bracketed(_printed(base.arg, style))
        return Printed(f"{FUNCTIONS[base.function]}{_script('^', exponent.text)}{argument.text}", Level.FACTOR, argument.height)
    euler = isinstance(base, a.Sym) and base == a.Sym("e")
    below = _bracketed(_printed(base, style)) if euler else _at(base, Level.ATOM, style)
    return Printed(below.text + _script("^", exponent.text), Level.FACTOR, below.height)


def _script(sign: str, text: str) -> str:
    return f"{sign}{text}" if len(text) == 1 else f"{sign}{{{text}}}"


def _transpose(node: a.Transpose, style: Style) -> Printed:
    if isinstance(node.arg, a.Rows) and isinstance(node.arg.arg, a.Transpose):
        return _rows(a.Rows(node.arg.arg.arg, node.arg.start, node.arg.stop), style, ":,")
    inside = _at(node.arg, Level.ATOM, style)
    return Printed(f"{inside.text}^{{{style.notation.transpose}}}", Level.FACTOR, inside.height)


def _head(function: str, style: Style) -> str:
    """The name of a function: from the table, a letter, or upright."""
    letter = f"\\{function}" if function in GREEK else function if len(function) == 1 else ""
    known = FUNCTIONS.get(function) or letter or rf"\operatorname{{{function}}}"
    return known.replace(r"\operatorname", style.notation.operator)


def _called(head: str, args: tuple[Term, ...], style: Style) -> Printed:
    inside = [_printed(arg, style) for arg in args]
    call = _bracketed(Printed(", ".join(each.text for each in inside), height=_tallest(inside)))
    return Printed(head + call.text, height=call.height)


def _apply(node: a.Apply, style: Style) -> Printed:
    inside = _printed(node.arg, style)
    if node.function == "exp" and inside.height == 0:
        return Printed("e" + _script("^", inside.text), Level.FACTOR)
    if node.function == "sqrt":
        return Printed(rf"\sqrt{{{inside.text}}}", Level.FACTOR, inside.height)
    if node.function == "abs":
        return _fenced(inside, "vert")
    return _called(_head(node.function, style), (node.arg,), style)


def _prime(node: a.Prime, style: Style) -> Printed:
    """A root has its own sign, which takes no prime: its name does."""
    head = rf"{style.notation.operator}{{sqrt}}" if node.function == "sqrt" else _head(node.function, style)
    return _called(head + "'", (node.arg,), style)


def _blocks(node: a.Blocks, style: Style) -> Printed:
    """A matrix; what is stacked, or for rows what stands side by side, may be flat, with semicolons or commas between."""
    notation, named = style.notation, not any(isinstance(block, a.Num) for row in node.rows for block in row)
    rows = notation.vectors == "rows"
    lines = node.rows if rows else tuple(zip(*node.rows, strict=True))
    if (style.inline or notation.stack == "list") and named and len(lines) == 1 < len(lines[0]):
        blocks = [_printed(block, style) for block in lines[0]]
        between = ", " if rows or notation.stack == "list" else "; "
        inside = Printed(between.join(each.text for each in blocks), height=_tallest(blocks))
        return _bracketed(inside, "[", "]")._replace(height=inside.height)
    inside = r" \\ ".join(" & ".join(_printed(block, style).text for block in row) for row in node.rows)
    return Printed(rf"\begin{{bmatrix}} {inside} \end{{bmatrix}}", height=MATRIX)


def _big(sign: str, level: Level) -> Callable[[Any, Style], Printed]:
    """A big sum or product; `level` is what its body needs to stand without brackets."""
    def printer(node: Any, style: Style) -> Printed:
        body = _at(node.body, level, style, last=True)
        limits = f"_{{{node.index}={time(node.lower)}}}^{{{time(node.upper)}}}"
        return Printed(f"{sign}{limits} {body.text}", Level.BIG, max(_fraction_height(style), body.height))
    return printer


def _limit(node: a.Limit, style: Style) -> Printed:
    body = _at(node.body, Level.HADAMARD, style, last=True)
    goal = r"\infty" if node.sign > 0 else r"-\infty"
    apart = r"\; " if isinstance(node.body, a.Limit) else ""
    return Printed(rf"\lim_{{{_printed(node.variable, style).text} \to {goal}}} {apart}{body.text}", Level.BIG, body.height)


def _moment(sign: str) -> Callable[[Any, Style], Printed]:
    """An expectation or a variance: the draw stands below, what is drawn from it in brackets."""
    def printer(node: Any, style: Style) -> Printed:
        inside = _bracketed(_printed(node.arg, style), "[", "]")
        name = sign.replace(r"\operatorname", style.notation.operator)
        return Printed(f"{name}_{{{_printed(node.over, style).text}}}{inside.text}", Level.FACTOR, inside.height)
    return printer


def _component(node: a.Component, style: Style) -> Printed:
    if isinstance(node.of, a.Sym):
        written = write(node.of, style.notation, below=node.index)
        return Printed(written.text, Level.FACTOR if written.raised else Level.ATOM)
    inside = _bracketed(_printed(node.of, style))
    return Printed(f"{inside.text}_{node.index}", Level.FACTOR, inside.height)


def _total(node: a.Total, style: Style) -> Printed:
    body = _at(node.body, Level.HADAMARD, style, last=True)
    return Printed(rf"\sum_{node.index} {body.text}", Level.BIG, max(_fraction_height(style), body.height))


def _extreme(node: a.Extreme, style: Style) -> Printed:
    body = _at(node.body, Level.HADAMARD, style, last=True)
    sign = r"\max" if node.sign > 0 else r"\min"
    return Printed(rf"{sign}_{{{_printed(node.variable, style).text}}} {body.text}", Level.BIG, body.height)


def _fenced(inside: Printed, bar: str) -> Printed:
    """Bars around it. They are of another kind than brackets: inside or outside of these they need no other size."""
    if inside.height < 2:
        return Printed(rf"\l{bar} {inside.text} \r{bar}", height=inside.height)
    return _bracketed(inside, rf"\l{bar}", rf"\r{bar}")


def _ones(node: a.Ones, style: Style) -> Printed:
    return Printed(_ONE + _script("_", _tight(_printed(node.rows, style).text)))


def _rows(node: a.Rows, style: Style, before: str = "") -> Printed:
    """The rows from the first to the last, both counted from 1 and both taken, `(v)_{1:n}`; columns are `(W)_{:,1:n}`."""
    inside = _bracketed(_printed(node.arg, style))
    first, last = (_printed(end, style).text for end in (_successor(node.start), node.stop))
    return Printed(f"{inside.text}_{{{before}{_tight(first)}:{_tight(last)}}}", Level.FACTOR, inside.height)


def _tight(size: str) -> str:
    """A size as it stands in a script, without the spaces that TeX does not need."""
    return re.sub(r"(?<![A-Za-z]) | (?![A-Za-z])", "", size)


def _successor(count: Term) -> Term:
    """One more: what comes after so many rows."""
    return a.term(count.value + 1) if isinstance(count, a.Num) else count + 1


def _listed(node: a.Listed, style: Style) -> Printed:
    parts = [_printed(arg, style) for arg in node.args]
    return Printed(", ".join(part.text for part in parts), Level.SUM, _tallest(parts))


_PRINTERS: Mapping[type[Term], Callable[[Any, Style], Printed]] = MappingProxyType({
    a.Num: _number,
    a.Sym: _symbol,
    a.Adj: _adjoint,
    a.Space: _space,
    a.Interval: _interval,
    a.Add: _sum,
    a.Neg: _negative,
    a.MatMul: _product,
    a.Hadamard: _hadamard,
    a.Div: _fraction,
    a.Pow: _power,
    a.Transpose: _transpose,
    a.Diag: lambda node, style: _called(_head("diag", style), (node.arg,), style),
    a.Apply: _apply,
    a.Prime: _prime,
    a.Max: lambda node, style: _called(r"\max", node.args, style),
    a.Blocks: _blocks,
    a.Sum: _big(r"\sum", Level.HADAMARD),
    a.Prod: _big(r"\prod", Level.FACTOR),
    a.Partial: _partial,
    a.Ones: _ones,
    a.Trace: lambda node, style: _called(_head("tr", style), (node.arg,), style),
    a.Rows: _rows,
    a.Norm: lambda node, style: _fenced(_printed(node.arg, style), "Vert"),
    a.Limit: _limit,
    a.Expectation: _moment(r"\mathbb{E}"),
    a.Variance: _moment(r"\operatorname{Var}"),
    a.Listed: _listed,
    a.Component: _component,
    a.Total: _total,
    a.Extreme: _extreme,
})
