"""Formulas as calls of array functions: lines that write in place (`statements`), or one expression (`infix`).

The functions have NumPy's names; `infix` prints them as a target calls them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar, overload

from symlstm.activations import ACTIVATIONS, activation
from symlstm.algebra import Add, Adj, Apply, Div, Hadamard, MatMul, Max, Neg, NotSupported, Num, Pow, Prime, Sym, Term, plain


@dataclass(frozen=True, slots=True)
class Call:
    """A NumPy function of arrays, of numbers or of other calls."""

    function: str
    args: tuple[Code, ...]

    def __str__(self) -> str:
        return in_numpy(self.function, tuple(map(str, self.args)))


Code = str | Call
Printed = Callable[[str, Sequence[str]], str]  # how a call is written: the name of the function in NumPy, and its arguments


AnyCode = TypeVar("AnyCode", str, Code)


@overload
def after(array: str, text: str) -> str: ...
@overload
def after(array: Code, text: str) -> Code: ...
def after(array: Code, text: str) -> Code:
    """An array and what is written after it: an index, `[..., None]`, or a method, `.T`.

    >>> after("W", ".T"), infix(after(Call("add", ("W", "V")), ".T"))
    ('W.T', '(W + V).T')
    """
    if isinstance(array, str):
        return f"({array}){text}" if array[0] == "-" else array + text
    return Call("after", (array, text))


def several(arrays: Sequence[Code]) -> Call:
    """A list of arrays, as an argument of a call."""
    return Call("several", tuple(arrays))


OWN = "_ulp"  # how the names of functions end that the module brings itself


def in_numpy(function: str, args: Sequence[str]) -> str:
    """A call as NumPy has it."""
    return f"{'' if function.endswith(OWN) else 'np.'}{function}({', '.join(args)})"


_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Pow: "power",
    ast.Gt: "greater", ast.Lt: "less", ast.GtE: "greater_equal", ast.LtE: "less_equal", ast.USub: "negative",
}
_COMPARISONS = ("greater", "less", "greater_equal", "less_equal")
_EITHER_WAY = ("add", "multiply")
_IN_PLACE = {"add": "+=", "subtract": "-=", "multiply": "*=", "divide": "/="}


def parsed(text: str, values: Mapping[str, Code]) -> Code:
    """A formula of the table of activations as code, its variables replaced by `values`.

    >>> str(parsed("1 / (1 + exp(-x))", {"x": "z"}))
    'np.divide(1, np.add(1, np.exp(np.negative(z))))'
    """
    def read(node: Any) -> Code:
        match node:
            case ast.Name(name):
                return values.get(name, name)
            case ast.Constant(value):
                return repr(value)
            case ast.BinOp(left, sign, right) | ast.Compare(left, [sign], [right]):
                return Call(_SIGNS[type(sign)], (read(left), read(right)))
            case ast.UnaryOp(ast.USub(), ast.Constant(value)):
                return repr(-value)  # type: ignore[operator]  # a number of our own table
            case ast.UnaryOp(sign, operand):
                return Call(_SIGNS[type(sign)], (read(operand),))
            case ast.Call(ast.Name(name), args):
                return Call(name, tuple(map(read, args)))
        raise NotSupported("This formula of an activation cannot be made into NumPy.", text)
    return read(ast.parse(text, mode="eval").body)


def activated(function: str, argument: Code, accuracy: str = "fast") -> Code:
    """The stable NumPy form of an activation, or a call of the function that gives it to the last places.

    `accuracy` is "fast", "single" (fast in float32) or "ulp".
    """
    row = activation(function)
    if accuracy == "ulp" and row.ulp:
        return Call(f"{function}{OWN}", (argument,))
    return parsed((accuracy == "single" and row.single) or row.numpy, {"x": argument})


def limited(code: Code, largest: Callable[[], str]) -> Code:
    """An exponential that is too large for the dtype becomes its largest number: 0 times it is 0, and a share of it is right."""
    if isinstance(code, Call) and code.function == "exp":
        return Call("minimum", (code, largest()))
    return code


def counted(code: Code, one: Callable[[], str], *, inside: bool = False) -> Code:
    """Code with the comparisons inside it as numbers of the arrays' dtype: NumPy alone would make numbers of its own of them."""
    if isinstance(code, str):
        return code
    code = Call(code.function, tuple(counted(arg, one, inside=True) for arg in code.args))
    return Call("multiply", (code, one())) if inside and code.function in _COMPARISONS else code


def sloped(function: str, argument: Code, value: Code, accuracy: str = "fast") -> Code:
    """The NumPy form of an activation's derivative, from its argument and its value."""
    if accuracy == "ulp" and activation(function).ulp_slope:
        return Call(f"{function}_slope{OWN}", (argument,))
    return parsed(activation(function).numpy_slope, {"x": argument, "y": value})


def slope_reads(function: str, accuracy: str = "fast") -> frozenset[str]:
    """What the NumPy form of a derivative reads: "x", the argument, or "y", the value, or both."""
    return frozenset(leaves(sloped(function, "x", "y", accuracy))) & {"x", "y"}


def elementwise(node: Term, name: Callable[[Term], Code], accuracy: str = "fast") -> Code:
    """An elementwise term as code; `name` gives the array of a symbol or an adjoint, or the code of a slope.

    Raises `NotSupported` for a term that is not elementwise.

    >>> f = Sym("f")
    >>> str(elementwise((1 - f) * f, lambda symbol: symbol.name))
    'np.multiply(np.subtract(1, f), f)'
    """
    def made(part: Term) -> Code:
        match part:
            case Num(value):
                return number(value)
            case Sym() | Adj() | Prime():
                return name(part)
            case Neg(arg):
                return Call("negative", (made(arg),))
            case Add(args):
                return _sum(args, made)
            case Hadamard(args) | MatMul(args):
                return folded("multiply", sorted((made(arg) for arg in args), key=lambda code: isinstance(code, str)))
            case Max(args):
                return folded("maximum", [made(arg) for arg in args])
            case Div(above, below):
                return Call("divide", (made(above), made(below)))
            case Pow(base, Num(value)):
                return Call("square", (made(base),)) if value == 2 else Call("power", (made(base), number(value)))
            case Apply(function, arg):
                return activated(function, made(arg), accuracy)
        raise NotSupported(f"{type(part).__name__} is not elementwise.", plain(part))
    return made(node)


def number(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"({value})"


def folded(function: str, codes: list[Code]) -> Code:
    head, *rest = codes
    for code in rest:
        head = Call(function, (head, code))
    return head


def _sum(args: tuple[Term, ...], made: Callable[[Term], Code]) -> Code:
    signed = list(map(_signed, args))
    plus, minus = ([made(arg) for sign, arg in signed if sign == which] for which in (1, -1))
    head = folded("add", plus) if plus else Call("negative", (minus.pop(0),))
    return folded("subtract", [head, *minus])


def _functions(code: Code) -> Iterator[str]:
    """The functions that code calls."""
    if isinstance(code, Call):
        yield code.function
        for arg in code.args:
            yield from _functions(arg)


def leaves(code: Code) -> Iterator[str]:
    """The arrays and numbers that code reads, from left to right."""
    if isinstance(code, str):
        yield code
    else:
        for arg in code.args:
            yield from leaves(arg)


def _signed(arg: Term) -> tuple[int, Term]:
    """A summand without its sign."""
    match arg:
        case Neg(inner):
            return -1, inner
        case Hadamard((Num(value), inner)) if value == -1:
            return -1, inner
    return 1, arg


def with_constants(code: Code, constant: Callable[[str], str]) -> Code:
    """The same code with its numbers named: in a loop NumPy takes an array of one number sooner than a Python number."""
    if isinstance(code, str):
        return constant(code) if re.fullmatch(r"[\d.()/]+", code) else code
    if code.function == "power":
        return Call("power", (with_constants(code.args[0], constant), code.args[1]))
    return Call(code.function, tuple(with_constants(arg, constant) for arg in code.args))


def runs_in_place(code: Code, leaf: str) -> bool:
    """Whether code may write over an array that it reads: it must read it once."""
    return sum(found == leaf for found in leaves(code)) == 1


def statements(code: Code, out: str, spare: Callable[[int], str], depth: int = 0) -> list[str]:
    """Lines that evaluate code into the array `out`, which it may also read once; `spare(k)` is the k-th scratch array.

    The functions are called without `np.` (FUNCTIONS has them), and the array stands last: so NumPy is quickest.

    >>> statements(Call("add", (Call("multiply", ("f", "c_prev")), Call("multiply", ("i", "g")))), "c", "scratch{}".format)
    ['multiply(f, c_prev, c)', 'multiply(i, g, scratch0)', 'c += scratch0']
    """
    if isinstance(code, str):
        return [] if code == out else [f"{out}[...] = {code}"]
    inner = [k for k, arg in enumerate(code.args) if isinstance(arg, Call)]
    first = next((k for k in inner if out in leaves(code.args[k])), inner[0] if inner and out not in code.args else None)
    lines, args = [], [str(arg) for arg in code.args]
    for k in sorted(inner, key=lambda k: k != first):
        args[k] = out if k == first else spare(depth)
        lines += statements(code.args[k], args[k], spare, depth + (k != first))
        depth += k != first
    if code.function in _EITHER_WAY and args[1] == out:
        args.reverse()
    if args[0] == out and out.isidentifier() and code.function in _IN_PLACE:
        return [*lines, f"{out} {_IN_PLACE[code.function]} {args[1]}"]
    last = f"out={out}" if code.function in ("maximum", "minimum") else out  # these two will take more than two arrays
    return [*lines, f"{'np.' * (code.function in SHADOWING)}{code.function}({', '.join((*args, last))})"]


SHADOWING = frozenset({"abs"})  # the functions that keep their np., or they would hide one of Python's
FUNCTIONS = frozenset({
    *_SIGNS.values(), "square", "maximum", *(name for row in ACTIVATIONS.values() for form in (row.numpy, row.numpy_slope)
                                             for name in _functions(parsed(form, {})))} - SHADOWING)

_SIGN = {
    "greater": (0, ">"), "less": (0, "<"), "greater_equal": (0, ">="), "less_equal": (0, "<="),
    "add": (1, "+"), "subtract": (1, "-"), "multiply": (2, "*"), "divide": (2, "/"), "matmul": (2, "@"),
}
WHOLE = 5  # the level of what needs no parentheses anywhere


def infix(code: Code, level: int = 0, printed: Printed = in_numpy) -> str:
    """Code as an expression with signs, in parentheses where it binds less than `level`.

    >>> infix(Call("multiply", ("d", Call("subtract", ("1", Call("power", ("h", "2")))))))
    'd * (1 - h**2)'
    """
    def inner(part: Code, at: int = 0) -> str:
        return infix(part, at, printed)
    match code:
        case str():
            return f"({code})" if code.startswith("-") and level > 3 else code
        case Call("after", (array, suffix)):
            here, text = WHOLE, inner(array, WHOLE) + str(suffix)
        case Call("several", arrays):
            here, text = WHOLE, f"[{', '.join(map(inner, arrays))}]"
        case Call(function, (left, right)) if function in _SIGN:
            here, sign = _SIGN[function]
            text = f"{inner(left, here)} {sign} {inner(right, here + 1)}"
        case Call("power", (base, exponent)):
            here, text = 4, f"{inner(base, WHOLE)}**{inner(exponent, 4)}"
        case Call("square", (base,)):
            here, text = 4, f"{inner(base, WHOLE)}**2"
        case Call("negative", (arg,)):
            here, text = 3, f"-{inner(arg, 3)}"
        case Call(function, args):
            here, text = WHOLE, printed(function, tuple(map(inner, args)))
    return f"({text})" if here < level else text
