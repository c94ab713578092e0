"""Terms, relations and the two kinds of error: the words everything else is written in.

A term is a small immutable tree. It carries no shape: shapes are inferred (`symlstm.shapes`), and only then do
SymPy expressions exist (`symlstm.expressions`). Arguments stay in the order in which they were written, because
the order is what a reader of the formula sees.

>>> W, x, h = Sym("W"), quantity("x"), quantity("h")
>>> equation(h, Apply("tanh", W @ x + h.prev))
h[t] = tanh(W @ x[t] + h[t-1])
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, Union, dataclass_transform


class SymlstmError(Exception):
    """What a person reads: one sentence of what is wrong, the input with its place, what would be right.

    `line` and `column` count from 1; they are 0 where the input is not a text.
    """

    def __init__(self, what: str, where: str = "", right: str = "", *, line: int = 0, column: int = 0) -> None:
        self.what, self.where, self.right = what, where, right
        self.line, self.column = line, column
        super().__init__("\n".join(part for part in (what, where and f"  in: {where}", right and f"  right: {right}") if part))


class NotValid(SymlstmError, ValueError):
    """The input is wrong, and no version of symlstm would take it."""


class NotSupported(SymlstmError, NotImplementedError):
    """The input may be right, but symlstm does not handle it (yet)."""


@dataclass(frozen=True, slots=True, order=True)
class Time:
    """A time mark: `Time("t", -1)` is t-1, `Time("T")` the last step, `Time("", 0)` the number 0."""

    base: str = "t"
    offset: int = 0

    def __add__(self, steps: int) -> Time:
        return Time(self.base, self.offset + steps)

    def __str__(self) -> str:
        if not self.base:
            return str(self.offset)
        return self.base + (f"{self.offset:+d}" if self.offset else "")


Operand = Union["Term", int, Fraction]


class Term:
    """The root of all terms. `+`, `-`, `*` (elementwise), `@` (matrix product), `**` and `.T` build bigger ones."""

    __slots__ = ("_hash",)

    def __add__(self, other: Operand) -> Term:
        return _flat(Add, self, other)

    def __radd__(self, other: Operand) -> Term:
        return _flat(Add, term(other), self)

    def __sub__(self, other: Operand) -> Term:
        return _flat(Add, self, Neg(term(other)))

    def __rsub__(self, other: Operand) -> Term:
        return _flat(Add, term(other), Neg(self))

    def __mul__(self, other: Operand) -> Term:
        return _flat(Hadamard, self, other)

    def __rmul__(self, other: Operand) -> Term:
        return _flat(Hadamard, term(other), self)

    def __matmul__(self, other: Term) -> Term:
        return _flat(MatMul, self, other)

    def __truediv__(self, other: Operand) -> Term:
        return Div(self, term(other))

    def __rtruediv__(self, other: Operand) -> Term:
        return Div(term(other), self)

    def __pow__(self, exponent: Operand) -> Term:
        return Pow(self, term(exponent))

    def __neg__(self) -> Term:
        return Neg(self)

    @property
    def T(self) -> Term:
        """The transpose."""
        return Transpose(self)

    def __repr__(self) -> str:
        return plain(self)


def term(value: Operand) -> Term:
    """A term stays itself; a number becomes a `Num`."""
    return value if isinstance(value, Term) else Num(Fraction(value))


def _flat(kind: type[Any], left: Term, right: Operand) -> Term:
    """`a + b + c` is one sum of three: only what Python itself nests to the left is flattened."""
    head = left.args if isinstance(left, (Add, Hadamard, MatMul)) and type(left) is kind else (left,)
    return kind((*head, term(right)))


@dataclass_transform(frozen_default=True)
def _node(cls: type[Any]) -> type[Any]:
    """A type of term. Its hash, which is one of a whole tree, is worked out once: terms are looked up very often."""
    made: Any = dataclass(frozen=True, slots=True, repr=False)(cls)
    of_fields = made.__hash__

    def kept(self: Any) -> int:
        try:
            return self._hash
        except AttributeError:
            found = of_fields(self)
            object.__setattr__(self, "_hash", found)
            return found
    made.__hash__ = kept
    return made


# --- leaves ---------------------------------------------------------------------------------------------------


@_node
class Num(Term):
    """A number, exact. `places` is the count of decimals it is printed with; None prints an integer or a fraction."""

    value: Fraction
    places: int | None = None


@_node
class Sym(Term):
    """A named quantity, at a time (`h[t-1]`) or without one (a parameter, a size, a scalar variable).

    A parameter *with* a time mark is the copy of it that this step uses.
    """

    name: str
    time: Time | None = None

    def at(self, time: Time | None) -> Sym:
        """The same quantity at another time."""
        return Sym(self.name, time)

    @property
    def prev(self) -> Sym:
        """The same quantity one step earlier."""
        assert self.time is not None
        return Sym(self.name, self.time + -1)

    @property
    def next(self) -> Sym:
        """The same quantity one step later."""
        assert self.time is not None
        return Sym(self.name, self.time + 1)


@_node
class Adj(Term):
    """The adjoint of a quantity, dL/dq. With `arriving` only the part that arrives through the next step."""

    of: Sym
    arriving: bool = False


@_node
class Space(Term):
    """R^rows or, with columns, R^(rows x columns): the right side of a size."""

    rows: Term
    columns: Term | None = None


def free_sizes(taken: Collection[str]) -> Iterator[str]:
    """Letters for sizes beside n and m that are not taken yet, in the order in which they are used.

    >>> list(free_sizes({"k", "s"}))
    ['p', 'q', 'r', 'd', 'l', 'e']
    """
    return (letter for letter in "kpqrdles" if letter not in taken)


@_node
class Interval(Term):
    """An interval between two terms, each end open or closed: the right side of a membership."""

    lower: Term
    upper: Term
    open_below: bool = True
    open_above: bool = True


# --- nodes ----------------------------------------------------------------------------------------------------


@_node
class Add(Term):
    """A sum. A bare number in it stands for the constant array of that value (`1 - f`)."""

    args: tuple[Term, ...]


@_node
class Neg(Term):
    """Minus a term."""

    arg: Term


@_node
class MatMul(Term):
    """A matrix product of two or more factors; a factor that is a scalar (or a number) scales the others."""

    args: tuple[Term, ...]


@_node
class Hadamard(Term):
    """An elementwise product of factors of equal shape; between scalars, the product."""

    args: tuple[Term, ...]


@_node
class Div(Term):
    """An elementwise quotient; the divisor may be a scalar."""

    above: Term
    below: Term


@_node
class Pow(Term):
    """An elementwise power, or the power of a scalar."""

    base: Term
    exponent: Term


@_node
class Transpose(Term):
    """A transpose."""

    arg: Term


@_node
class Diag(Term):
    """The diagonal matrix of a vector."""

    arg: Term


@_node
class Ones(Term):
    """The column of so many ones: `Ones(n).T @ v` is the sum of the entries of v, `mu @ Ones(n)` the constant vector."""

    rows: Term


@_node
class Trace(Term):
    """The trace of a square matrix; `Trace(A.T @ B)` is the sum of the products of the entries of A and B."""

    arg: Term


@_node
class Rows(Term):
    """Rows `start`+1 to `stop` of a vector or matrix: `Rows(v, 0, n)` are the first n."""

    arg: Term
    start: Term
    stop: Term


@_node
class Apply(Term):
    """A function by its name (`sigma`, `tanh`, `exp`, ...), applied elementwise."""

    function: str
    arg: Term


@_node
class Prime(Term):
    """The derivative of a named function at a point, sigma'(x), applied elementwise."""

    function: str
    arg: Term


@_node
class Max(Term):
    """The elementwise larger of its arguments; a bare number stands for the constant array."""

    args: tuple[Term, ...]


@_node
class Blocks(Term):
    """A matrix of blocks, row by row: `[h; x]` has two rows of one block, an array of numbers has `Num` blocks."""

    rows: tuple[tuple[Term, ...], ...]


@_node
class Sum(Term):
    """The sum of `body` for `index` from `lower` to `upper`."""

    index: str
    lower: Time
    upper: Time
    body: Term


@_node
class Prod(Term):
    """The product of `body` from `lower` to `upper`, first factor on the left; `lower` may be the later one.

    The product of matrices is meant, and of vectors the elementwise one.
    """

    index: str
    lower: Time
    upper: Time
    body: Term


@_node
class Partial(Term):
    """The derivative of one quantity with respect to another; of a vector by a vector, the Jacobian matrix.

    It is the total derivative. With `direct` the path through the one equation alone is meant.
    """

    of: Term
    wrt: Term
    direct: bool = False


@_node
class Norm(Term):
    """The operator norm (largest singular value) of a matrix; of a vector, its Euclidean length."""

    arg: Term


@_node
class Limit(Term):
    """The limit of `body` as `variable` goes to plus or minus infinity (`sign` is 1 or -1)."""

    body: Term
    variable: Sym
    sign: int


@_node
class Expectation(Term):
    """The expected value of `arg` over one random draw, everything else held fixed."""

    arg: Term
    over: Sym


@_node
class Variance(Term):
    """The variance of `arg` over one random draw, everything else held fixed."""

    arg: Term
    over: Sym


@_node
class Listed(Term):
    """Several terms side by side, `a, b, c`: the left side of a size that they share."""

    args: tuple[Term, ...]


@_node
class Component(Term):
    """One component of a vector, `y_k`."""

    of: Term
    index: str


@_node
class Total(Term):
    """The sum of `body` over all values of a component's index."""

    index: str
    body: Term


@_node
class Extreme(Term):
    """The largest (`sign` 1) or smallest (-1) value of `body` over all values of `variable`."""

    body: Term
    variable: Sym
    sign: int


# --- relations ------------------------------------------------------------------------------------------------

OPERATORS = ("=", "<=", "<", ">=", ">", "!=", "~", "in", "+=")  # "~" is equality at the precision printed


@dataclass(frozen=True, slots=True, repr=False)
class Relation:
    """Terms joined by operators, as written: an equation, a bound, a chain, a size. `condition` says where it holds."""

    terms: tuple[Term, ...]
    operators: tuple[str, ...]
    condition: Relation | None = None

    @property
    def lhs(self) -> Term:
        return self.terms[0]

    @property
    def rhs(self) -> Term:
        return self.terms[-1]

    def links(self) -> Iterator[tuple[Term, str, Term]]:
        """The single comparisons, from left to right."""
        return zip(self.terms[:-1], self.operators, self.terms[1:], strict=True)

    def __repr__(self) -> str:
        return plain(self)


def equation(lhs: Term, *rhs: Operand) -> Relation:
    """`lhs = rhs`, or a chain of equalities."""
    return Relation((lhs, *map(term, rhs)), ("=",) * len(rhs))


def relation(lhs: Operand, operator: str, rhs: Operand, *more: Any, condition: Relation | None = None) -> Relation:
    """`relation(0, "<", y, "<=", 1)`: terms and operators alternate."""
    parts: tuple[Any, ...] = (lhs, operator, rhs, *more)
    return Relation(tuple(map(term, parts[::2])), parts[1::2], condition)


def size(of: Term, rows: Operand, columns: Operand | None = None) -> Relation:
    """`of` is in R^rows, or in R^(rows x columns)."""
    return Relation((of, Space(term(rows), None if columns is None else term(columns))), ("in",))


def defined(line: Relation) -> Sym:
    """The quantity that a defining equation defines."""
    assert isinstance(line.lhs, Sym), plain(line)
    return line.lhs


# --- making and walking ----------------------------------------------------------------------------------------

NOW = Time()
SOME = Sym("some")  # as a length: as many as fit; people write columns of ones without it


def quantity(name: str, time: Time = NOW) -> Sym:
    """A quantity of step t."""
    return Sym(name, time)


def quantities(names: str) -> tuple[Sym, ...]:
    """Quantities of step t, from names with spaces between."""
    return tuple(map(quantity, names.split()))


def symbols(names: str) -> tuple[Sym, ...]:
    """Quantities without a time, from names with spaces between."""
    return tuple(map(Sym, names.split()))


@cache
def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _parts(kind: type[Any]) -> tuple[str, ...]:
    """The names of the fields of a type of term that hold terms, one or many."""
    return tuple(field.name for field in fields(kind) if re.search("Term|Sym", str(field.type)))


@cache
def _below(kind: type[Any]) -> Callable[[Any], tuple[Term, ...]]:
    """How the terms directly below a node of this type are got at; trees are walked very often."""
    if kind is Relation:
        return lambda node: node.terms + (children(node.condition) if node.condition else ())
    if kind is Blocks:
        return lambda node: tuple(block for row in node.rows for block in row)
    names = _parts(kind)
    if not names:
        return lambda node: ()
    every: Callable[[Any], Any] = attrgetter(*names)
    many = [field.name for field in fields(kind) if "tuple" in str(field.type)]
    if len(names) == 1 and many:
        return every
    if len(names) == 1:
        name = names[0]
        return lambda node: (getattr(node, name),)

    def found(node: Any) -> Iterator[Term]:
        for name, value in zip(names, every(node), strict=True):
            yield from value if name in many else () if value is None else (value,)

    return lambda node: tuple(found(node))


def children(node: Term | Relation) -> tuple[Term, ...]:
    """The terms directly below a node, from left to right."""
    return _below(type(node))(node)


def rebuild(node: Term, below: tuple[Term, ...]) -> Term:
    """The same node over other children; the inverse of `children`."""
    if isinstance(node, Blocks):
        supply = iter(below)
        return Blocks(tuple(tuple(next(supply) for _ in row) for row in node.rows))
    if not below:
        return node
    kind: Any = type(node)
    supply, values = iter(below), list[Any]()
    for field in _fields(kind):
        value = getattr(node, field)
        if field in _parts(kind) and value is not None:
            value = tuple(next(supply) for _ in value) if isinstance(value, tuple) else next(supply)
        values.append(value)
    return kind(*values)


def walk(node: Term | Relation) -> Iterator[Term]:
    """Every term of a tree, a node before what is below it, from left to right; iterative."""
    stack: list[Term] = [node] if isinstance(node, Term) else list(reversed(children(node)))
    while stack:
        here = stack.pop()
        yield here
        if below := _below(type(here))(here):
            stack += below[::-1]


@lru_cache(maxsize=4096)
def parts(node: Term | Relation) -> tuple[Term, ...]:
    """Every term of a tree, as `walk` gives them, kept for those that are looked at often."""
    return tuple(walk(node))


def transform(node: Term, change: Callable[[Term], Term]) -> Term:
    """The tree with `change` applied to every node, children first."""
    return change(rebuild(node, tuple(transform(child, change) for child in children(node))))


def substitute(node: Term, values: Mapping[Term, Term]) -> Term:
    """The tree with some of its terms replaced (an `Adj` counts as one term with what it is of)."""
    if node in values:
        return values[node]
    return rebuild(node, tuple(substitute(child, values) for child in children(node)))


def shift(node: Term, steps: int, base: str = "t") -> Term:
    """The same statement some steps later: every time mark counted from `base` moves."""

    def move(part: Term) -> Term:
        if isinstance(part, Sym) and part.time is not None and part.time.base == base:
            return part.at(part.time + steps)
        return part

    return transform(node, move)


def map_relation(line: Relation, change: Callable[[Term], Term]) -> Relation:
    """The relation with `change` applied to each of its sides, and to its condition."""
    condition = map_relation(line.condition, change) if line.condition else None
    return Relation(tuple(map(change, line.terms)), line.operators, condition)


# --- plain text, for messages and for repr ----------------------------------------------------------------------

_LEVEL: dict[type[Term], int] = {Add: 1, Neg: 1, Sum: 2, Prod: 2, Total: 2, Hadamard: 3, MatMul: 3, Div: 3, Pow: 5, Transpose: 5}


def plain(node: Term | Relation) -> str:
    """The node as one line of text: what `repr` shows and what messages quote."""
    if isinstance(node, Relation):
        line = plain(node.terms[0]) + "".join(f" {op} {plain(side)}" for _, op, side in node.links())
        return f"{line} for {plain(node.condition)}" if node.condition else line
    return _PLAIN[type(node)](node)


def _inside(child: Term, parent: type[Term]) -> str:
    text = plain(child)
    return f"({text})" if _LEVEL.get(type(child), 9) <= _LEVEL.get(parent, 0) else text


def _joined(sign: str) -> Callable[[Any], str]:
    return lambda node: sign.join(_inside(arg, type(node)) for arg in node.args)


def _plain_sum(node: Add) -> str:
    parts = [
        _inside(arg.arg, Add) if isinstance(arg, Neg) else _inside(arg, Add) if isinstance(arg, Add) else plain(arg)
        for arg in node.args
    ]
    signs = [" - " if isinstance(arg, Neg) else " + " for arg in node.args]
    return (("-" if signs[0] == " - " else "") + parts[0]) + "".join(map("".join, zip(signs[1:], parts[1:], strict=True)))


def _plain_num(node: Num) -> str:
    return str(node.value) if node.places is None else f"{float(node.value):.{node.places}f}"


def _size(node: Term) -> str:
    """A size: numbers times letters, `2 * n`."""
    return plain(node).replace(" @ ", " * ")


_PLAIN: dict[type[Term], Callable[[Any], str]] = {
    Num: _plain_num,
    Sym: lambda s: s.name if s.time is None else f"{s.name}[{s.time}]",
    Adj: lambda a: f"delta{'+' if a.arriving else ''} {plain(a.of)}",
    Space: lambda s: f"R^{_size(s.rows)}" if s.columns is None else f"R^({_size(s.rows)} x {_size(s.columns)})",
    Interval: lambda i: f"{'(' if i.open_below else '['}{plain(i.lower)}, {plain(i.upper)}{')' if i.open_above else ']'}",
    Add: _plain_sum,
    Neg: lambda n: f"-{_inside(n.arg, Neg)}",
    MatMul: _joined(" @ "),
    Hadamard: _joined(" * "),
    Div: lambda d: f"{_inside(d.above, Div)}/{_inside(d.below, Div)}",
    Pow: lambda p: f"{_inside(p.base, Pow)}^{_inside(p.exponent, Pow)}",
    Transpose: lambda n: f"{_inside(n.arg, Transpose)}^T",
    Diag: lambda d: f"diag({plain(d.arg)})",
    Ones: lambda o: f"ones({_size(o.rows)})",
    Trace: lambda n: f"tr({plain(n.arg)})",
    Rows: lambda r: f"{_inside(r.arg, Pow)}[{_size(r.start)}:{_size(r.stop)}]",
    Apply: lambda a: f"{a.function}({plain(a.arg)})",
    Prime: lambda p: f"{p.function}'({plain(p.arg)})",
    Max: lambda m: f"max({', '.join(map(plain, m.args))})",
    Listed: lambda n: ", ".join(map(plain, n.args)),
    Blocks: lambda b: "[" + "; ".join(", ".join(map(plain, row)) for row in b.rows) + "]",
    Sum: lambda s: f"sum[{s.index}={s.lower}..{s.upper}] {_inside(s.body, Sum)}",
    Prod: lambda s: f"prod[{s.index}={s.lower}..{s.upper}] {_inside(s.body, Prod)}",
    Partial: lambda d: f"d {plain(d.of)} / d {plain(d.wrt)}" + (" (direct)" if d.direct else ""),
    Norm: lambda n: f"|{plain(n.arg)}|",
    Component: lambda c: f"{_inside(c.of, Pow)}[{c.index}]",
    Total: lambda s: f"sum[{s.index}] {_inside(s.body, Sum)}",
    Extreme: lambda e: f"{'max' if e.sign > 0 else 'min'}[{plain(e.variable)}] {plain(e.body)}",
    Expectation: lambda e: f"E[{plain(e.over)}]({plain(e.arg)})",
    Variance: lambda v: f"Var[{plain(v.over)}]({plain(v.arg)})",
    Limit: lambda n: f"lim[{plain(n.variable)} -> {'+' if n.sign > 0 else '-'}oo] {plain(n.body)}",
}
