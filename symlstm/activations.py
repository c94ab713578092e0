"""The activations: one frozen row each. A new activation is one more row, and nothing else.

`formula` and `slope_at` are terms in `X`, the argument; `slope_of` is the derivative written in terms of `Y`, the
value already computed: sigma' = y (1 - y). Where a step has given the value a name, derivations use that form.

>>> ACTIVATIONS["tanh"].slope_of
1 - Y^2
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from symlstm.algebra import Apply, Div, Interval, Max, NotValid, Num, Pow, Prime, Sym, Term, substitute, term

X, Y = Sym("x"), Sym("Y")


@dataclass(frozen=True, slots=True)
class Activation:
    """An elementwise function of one real variable.

    `values` and `slopes` are the exact ranges of the function and of its derivative. `numpy` and `numpy_slope` are
    expressions in `x` and `y` that stay accurate for every finite x. An exp in them may overflow where its infinity is
    right, as in 1 / (1 + exp(1000)) = 0; the generated code says so to NumPy, and nothing is printed. `kink` is where no slope
    is claimed.
    """

    name: str
    latex: str
    formula: Term
    slope_of: Term | None
    slope_at: Term
    values: Interval
    slopes: Interval
    numpy: str
    numpy_slope: str
    source: str
    kink: int | None = None
    positive: bool = False  # whether it is defined for positive x only

    def slope(self, argument: Term, value: Sym | None) -> Term:
        """The derivative at `argument`, in terms of `value` where that has a name."""
        if self.slope_of is None:
            return Prime(self.name, argument)
        return substitute(self.slope_of, {Y: value or Apply(self.name, argument)})


INFINITY = Sym("infinity")


def _range(lower: int, upper: int | Div, *, ends: str = "()") -> Interval:
    return Interval(term(lower), term(upper), ends[0] == "(", ends[1] == ")")


_E = Apply("exp", -X)
_GROW, _FALL = Apply("exp", X), Apply("exp", -X)
_QUARTER = Div(Num(term(1).value), Num(term(4).value))  # type: ignore[attr-defined]

ACTIVATIONS: dict[str, Activation] = {row.name: row for row in (
    Activation(
        name="sigma", latex=r"\sigma",
        formula=1 / (1 + _E), slope_of=Y * (1 - Y), slope_at=_E / Pow(1 + _E, term(2)),
        values=_range(0, 1), slopes=_range(0, _QUARTER, ends="(]"),
        numpy="1 / (1 + exp(-x))", numpy_slope="y * (1 - y)",
        source="logistic function; Hochreiter & Schmidhuber (1997), A.1",
    ),
    Activation(
        name="tanh", latex=r"\tanh",
        formula=(_GROW - _FALL) / (_GROW + _FALL), slope_of=1 - Pow(Y, term(2)), slope_at=4 / Pow(_GROW + _FALL, term(2)),
        values=_range(-1, 1), slopes=_range(0, 1, ends="(]"),
        numpy="tanh(x)", numpy_slope="1 - y * y",
        source="hyperbolic tangent",
    ),
    Activation(
        name="relu", latex=r"\operatorname{ReLU}",
        formula=Max((term(0), X)), slope_of=None, slope_at=Prime("relu", X),
        values=Interval(term(0), INFINITY, False, True), slopes=_range(0, 1, ends="[]"),
        numpy="maximum(x, 0)", numpy_slope="(y > 0)",
        source="rectifier; Nair & Hinton (2010)", kink=0,
    ),
    Activation(
        name="exp", latex=r"\exp",
        formula=_GROW, slope_of=Y, slope_at=_GROW,
        values=Interval(term(0), INFINITY), slopes=Interval(term(0), INFINITY),
        numpy="exp(x)", numpy_slope="y",
        source="exponential function",
    ),
    Activation(
        name="log", latex=r"\log",
        formula=Apply("log", X), slope_of=None, slope_at=1 / X,
        values=Interval(-INFINITY, INFINITY), slopes=Interval(term(0), INFINITY),
        numpy="log(x)", numpy_slope="1 / x",
        source="natural logarithm", positive=True,
    ),
    Activation(
        name="sqrt", latex=r"\sqrt",
        formula=Apply("sqrt", X), slope_of=1 / (2 * Y), slope_at=1 / (2 * Apply("sqrt", X)),
        values=Interval(term(0), INFINITY), slopes=Interval(term(0), INFINITY),
        numpy="sqrt(x)", numpy_slope="1 / (2 * y)",
        source="square root", positive=True,
    ),
    Activation(
        name="abs", latex=r"\operatorname{abs}",
        formula=Max((X, -X)), slope_of=None, slope_at=Prime("abs", X),
        values=Interval(term(0), INFINITY, False, True), slopes=_range(-1, 1, ends="[]"),
        numpy="abs(x)", numpy_slope="sign(x)",
        source="absolute value", kink=0,
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


def sqrt(argument: Term) -> Apply:
    """The square root of a term."""
    return Apply("sqrt", argument)


def absolute(argument: Term) -> Apply:
    """The absolute value of a term."""
    return Apply("abs", argument)
