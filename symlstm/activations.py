"""The activations: one frozen row each. A new activation is one more row, and nothing else.

`formula` and `slope_at` are terms in `X`, the argument; `slope_of` is the derivative written in terms of `Y`, the
value already computed: sigma' = y (1 - y). Where a step has given the value a name, derivations use that form.

>>> ACTIVATIONS["tanh"].slope_of
1 - Y^2
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from symlstm.algebra import Apply, Div, Interval, Max, Neg, NotValid, Num, Pow, Prime, Sym, Term, substitute, term

X, Y = Sym("x"), Sym("Y")


Ends = tuple[Term | None, Term | None]  # far to the left and to the right; None where nothing is said


@dataclass(frozen=True, slots=True)
class Activation:
    """An elementwise function of one real variable.

    `values` and `slopes` are the exact ranges of the function and of its derivative, `tails` and `slope_tails` their limits
    on the left and on the right. An end of a range that is no rational number is rounded outward to four decimals. At its
    `kinks` no slope is claimed; `pieces` are the slopes between them where it is linear there. `words` says what it is, `rule`
    how the slope is found, `bounded` why it is bounded; `peak` is the value at 0 where the slope is largest there. `undoes` is
    the function whose inverse this one is, where that defines it.

    `numpy` and `numpy_slope` are expressions in `x` and `y` that stay accurate for every finite x. An exp in them may overflow
    where its infinity is right, as in 1 / (1 + exp(1000)) = 0; the generated code says so to NumPy, and nothing is printed.
    `single` is quicker in float32, where tanh costs less than exp and a division, and right to the rounding of 1.
    `ulp` and `ulp_slope` are the forms for `accuracy="ulp"`, in `x` alone: parts by name, then the value; "" where the form
    before is as accurate already. `ulps` are the bounds that the value and the slope then keep to, in units in the last place
    of the exact result, wherever that is finite, subnormal results included (measured by `benchmarks/accuracy.py`).
    """

    name: str
    latex: str
    formula: Term
    slope_of: Term | None
    slope_at: Term
    values: Interval
    slopes: Interval
    tails: Ends
    slope_tails: Ends
    numpy: str
    numpy_slope: str
    words: str
    rule: str
    source: str
    ulps: tuple[float, float]
    single: str = ""
    ulp: str = ""
    ulp_slope: str = ""
    bounded: str = "by its sign and its size"
    kinks: tuple[int, ...] = ()
    pieces: tuple[Term, ...] = ()
    peak: Term | None = None
    undoes: Term | None = None
    positive: bool = False  # whether it is defined for positive x only

    def slope(self, argument: Term, value: Sym | None) -> Term:
        """The derivative at `argument`, in terms of `value` where that has a name."""
        if self.slope_of is None:
            return substitute(self.slope_at, {X: argument})
        return substitute(self.slope_of, {Y: value or Apply(self.name, argument)})


INFINITY = Sym("infinity")


def _range(lower: int, upper: int | Div, *, ends: str = "()") -> Interval:
    return Interval(term(lower), term(upper), ends[0] == "(", ends[1] == ")")


_E = Apply("exp", -X)
_GROW, _FALL = Apply("exp", X), Apply("exp", -X)
_QUARTER = Div(term(1), term(4))
_S = Apply("sigma", X)


def _between(lower: str, upper: str | None) -> Interval:
    """An open interval with ends in decimals; without an upper one it goes on."""
    ends = [INFINITY if end is None else Num(Fraction(end.lstrip("-")), end[::-1].find(".")) for end in (lower, upper)]
    return Interval(-ends[0] if lower.startswith("-") else ends[0], ends[1])


ACTIVATIONS: dict[str, Activation] = {row.name: row for row in (
    Activation(
        name="sigma", latex=r"\sigma",
        formula=1 / (1 + _E), slope_of=Y * (1 - Y), slope_at=_E / Pow(1 + _E, term(2)),
        values=_range(0, 1), slopes=_range(0, _QUARTER, ends="(]"),
        tails=(term(0), term(1)), slope_tails=(term(0), term(0)),
        numpy="1 / (1 + exp(-x))", numpy_slope="y * (1 - y)", ulps=(2.5, 3.5),
        single="0.5 * tanh(0.5 * x) + 0.5",
        ulp="e = exp(-abs(x)); y = e - e * e / (1 + e); where(x >= 0, 1 - y, y)",
        ulp_slope="e = exp(-abs(x)); e / (1 + e * (2 + e))",
        words="the logistic function", rule="quotient rule",
        bounded="a square is never negative", peak=Div(term(1), term(2)),
        source="logistic function; Hochreiter & Schmidhuber (1997), A.1",
    ),
    Activation(
        name="tanh", latex=r"\tanh",
        formula=(_GROW - _FALL) / (_GROW + _FALL), slope_of=1 - Pow(Y, term(2)), slope_at=4 / Pow(_GROW + _FALL, term(2)),
        values=_range(-1, 1), slopes=_range(0, 1, ends="(]"),
        tails=(term(-1), term(1)), slope_tails=(term(0), term(0)),
        numpy="tanh(x)", numpy_slope="1 - y * y", ulps=(2.5, 3.5),
        ulp_slope="e = exp(-2 * minimum(abs(x), 400)); 4 * e / (1 + e * (2 + e))",
        words="the hyperbolic tangent", rule="quotient rule",
        bounded="a square is taken off", peak=term(0),
        source="hyperbolic tangent",
    ),
    Activation(
        name="relu", latex=r"\operatorname{ReLU}",
        formula=Max((term(0), X)), slope_of=None, slope_at=Prime("relu", X),
        values=Interval(term(0), INFINITY, False, True), slopes=_range(0, 1, ends="[]"),
        tails=(term(0), INFINITY), slope_tails=(term(0), term(1)),
        numpy="maximum(x, 0)", numpy_slope="(y > 0)", ulps=(0, 0),
        words="the rectifier", rule="linear there",
        pieces=(term(0), term(1)),
        source="rectifier; Nair & Hinton (2010)", kinks=(0,),
    ),
    Activation(
        name="softplus", latex=r"\operatorname{softplus}",
        formula=Apply("log", 1 + _GROW), slope_of=1 - Apply("exp", -Y), slope_at=1 / (1 + _FALL),
        values=Interval(term(0), INFINITY), slopes=_range(0, 1),
        tails=(term(0), INFINITY), slope_tails=(term(0), term(1)),
        numpy="maximum(x, 0) + log1p(exp(-abs(x)))", numpy_slope="-expm1(-y)", ulps=(2.5, 2.5),
        ulp="maximum(x, 0) + log1p(exp(-abs(x)))",
        ulp_slope="e = exp(-abs(x)); y = e - e * e / (1 + e); where(x >= 0, 1 - y, y)",
        words="softplus, a smooth rectifier", rule="chain rule",
        bounded="a logistic function",
        source="Dugas, Bengio, Belisle, Nadeau & Garcia (2000)",
    ),
    Activation(
        name="silu", latex=r"\operatorname{SiLU}",
        formula=X * _S, slope_of=None, slope_at=_S * (1 + X * (1 - _S)),
        values=_between("-0.2785", None), slopes=_between("-0.0999", "1.0999"),
        tails=(term(0), INFINITY), slope_tails=(term(0), term(1)),
        numpy="x / (1 + exp(-x))", numpy_slope="(1 + x / (1 + exp(x))) / (1 + exp(-x))", ulps=(5, 6),
        # half the exponential at a time: x exp(x) is a normal number where exp(x) is none
        ulp="h = exp(-abs(x) / 2); s = where(x >= 0, 1, h); x * s / (1 + h * h) * s",
        # of the slope e^x (1 + x + e^x) / (1 + e^x)^2 the sum is 0 at -1.278...; d is the way from there, but for the last digits
        ulp_slope="h = exp(-abs(x) / 2); s = where(x >= 0, 1, h); e = h * h; "
        "d = x + 1.2784645427610737; p = d + 0.27846454276107385 * expm1(minimum(d, 2)) + 1.3995343912896686e-16; "
        "n = where(x >= 0, 1 + e + x * e, p); s * (n / (1 + e * (2 + e))) * s",
        words="the sigmoid-weighted linear unit, also called swish", rule="product rule",
        bounded="the ends are rounded outward",
        source="sigmoid-weighted linear unit; Elfwing, Uchibe & Doya (2018)",
    ),
    Activation(
        name="hardsigmoid", latex=r"\operatorname{HardSigmoid}",
        formula=Max((term(0), Neg(Max((Neg(term(1)), Neg(X / 6 + Div(term(1), term(2)))))))), slope_of=None,
        slope_at=Prime("hardsigmoid", X),
        values=_range(0, 1, ends="[]"), slopes=_range(0, Div(term(1), term(6)), ends="[]"),
        tails=(term(0), term(1)), slope_tails=(term(0), term(0)),
        numpy="minimum(maximum(x + 3, 0), 6) / 6", numpy_slope="(x > -3) * (x < 3) / 6", ulps=(1.5, 0.5),
        words="the hard sigmoid", rule="linear there",
        pieces=(term(0), Div(term(1), term(6)), term(0)),
        source="piecewise linear, as PyTorch has it; ONNX's with alpha = 1/6", kinks=(-3, 3),
    ),
    Activation(
        name="exp", latex=r"\exp",
        formula=_GROW, slope_of=Y, slope_at=_GROW,
        values=Interval(term(0), INFINITY), slopes=Interval(term(0), INFINITY),
        tails=(term(0), INFINITY), slope_tails=(term(0), INFINITY),
        numpy="exp(x)", numpy_slope="y", ulps=(3, 3),
        words="the exponential function", rule="it is its own derivative",
        bounded="always positive",
        source="exponential function",
    ),
    Activation(
        name="log", latex=r"\log",
        formula=Apply("log", X), slope_of=None, slope_at=1 / X,
        values=Interval(-INFINITY, INFINITY), slopes=Interval(term(0), INFINITY),
        tails=(None, INFINITY), slope_tails=(None, None),
        numpy="log(x)", numpy_slope="1 / x", ulps=(4, 0.5),
        words="the natural logarithm", rule="one over the slope of its inverse",
        bounded="positive", undoes=_GROW,
        source="natural logarithm", positive=True,
    ),
    Activation(
        name="sqrt", latex=r"\sqrt",
        formula=Apply("sqrt", X), slope_of=1 / (term(2) @ Y), slope_at=1 / (term(2) @ Apply("sqrt", X)),
        values=Interval(term(0), INFINITY), slopes=Interval(term(0), INFINITY),
        tails=(None, INFINITY), slope_tails=(None, None),
        numpy="sqrt(x)", numpy_slope="1 / (2 * y)", ulps=(0.5, 1.5),
        words="the square root", rule="one over the slope of its inverse",
        bounded="positive", undoes=Pow(X, term(2)),
        source="square root", positive=True,
    ),
    Activation(
        name="abs", latex=r"\operatorname{abs}",
        formula=Max((X, -X)), slope_of=None, slope_at=Prime("abs", X),
        values=Interval(term(0), INFINITY, False, True), slopes=_range(-1, 1, ends="[]"),
        tails=(INFINITY, INFINITY), slope_tails=(term(-1), term(1)),
        numpy="abs(x)", numpy_slope="sign(x)", ulps=(0, 0),
        words="the absolute value", rule="linear there",
        pieces=(term(-1), term(1)),
        source="absolute value", kinks=(0,),
    ),
)}

# what stands, in numbers, for a function that a cell leaves open: its formulas hold for any
STAND_INS: dict[str, Activation] = {
    name: replace(
        ACTIVATIONS[of], name=name, latex=name, slope_of=None, slope_at=Prime(name, X), source=f"any function; {of} stands for it"
    )
    for name, of in (("f", "sigma"), ("g", "tanh"), ("h", "tanh"))
}


def activation(name: str) -> Activation:
    """The row of an activation, or of what stands for an open one. Raises `NotValid` for a name that is in neither table."""
    found = ACTIVATIONS.get(name) or STAND_INS.get(name)
    if found is None:
        raise NotValid(f"There is no activation called {name!r}.", right=f"one of {', '.join(ACTIVATIONS)}")
    return found


def sigma(argument: Term) -> Apply:
    """The logistic function of a term."""
    return Apply("sigma", argument)


def tanh(argument: Term) -> Apply:
    """The hyperbolic tangent of a term."""
    return Apply("tanh", argument)


def relu(argument: Term) -> Apply:
    """The rectifier of a term."""
    return Apply("relu", argument)


def exp(argument: Term) -> Apply:
    """The exponential of a term."""
    return Apply("exp", argument)


def log(argument: Term) -> Apply:
    """The natural logarithm of a term."""
    return Apply("log", argument)


def sqrt(argument: Term) -> Apply:
    """The square root of a term."""
    return Apply("sqrt", argument)


def softplus(argument: Term) -> Apply:
    """A smooth rectifier of a term, log(1 + exp(x))."""
    return Apply("softplus", argument)


def silu(argument: Term) -> Apply:
    """The sigmoid-weighted linear unit of a term, x sigma(x)."""
    return Apply("silu", argument)


def hardsigmoid(argument: Term) -> Apply:
    """The piecewise linear sigmoid of a term, x/6 + 1/2 between 0 and 1."""
    return Apply("hardsigmoid", argument)


def absolute(argument: Term) -> Apply:
    """The absolute value of a term."""
    return Apply("abs", argument)
