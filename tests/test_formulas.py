"""Expressions and equations as functions: the value is SymPy's own, shapes are checked, far out nothing overflows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
from sympy import DiagMatrix, HadamardPower, HadamardProduct, Identity, MatMul, MatrixSymbol, OneMatrix, Trace

import symlstm as sl
from symlstm import zoo
from symlstm.activations import ACTIVATIONS, INFINITY
from symlstm.algebra import Adj, NotSupported, NotValid, Prime, Relation, Sym, Term, equation, quantity, relation, walk
from symlstm.evaluate import Evaluator
from symlstm.expressions import safe_name
from symlstm.formulas import stable
from symlstm.model import Cell
from symlstm.reference import sigmoid_slope
from symlstm.reverse import sweep
from symlstm.symbolic import OPEN, Elementwise, Equation, Larger, Scalar, Slope, Stack

n, m = sympy.symbols("n m", integer=True, positive=True)
k, s = sympy.symbols("k s", real=True)
W, U = MatrixSymbol("W", n, m), MatrixSymbol("U", n, n)
x, h, u = MatrixSymbol("x0", m, 1), MatrixSymbol("h", n, 1), MatrixSymbol("part0", n, 1)
GATE = Elementwise("sigma", MatMul(W, x))
SIZES = {n: 3, m: 2}
GENERATOR = np.random.default_rng(0)
VALUES: dict[Any, Any] = {
    symbol: GENERATOR.standard_normal([int(side.subs(SIZES)) for side in symbol.shape]) for symbol in (W, U, x, h, u)}
VALUES |= {k: 1.75, s: -0.5}


def components(expression: Any) -> np.ndarray:
    """The value by SymPy's own entries."""
    numbers = {symbol: sympy.Matrix(value.tolist()) for symbol, value in VALUES.items() if isinstance(symbol, MatrixSymbol)}
    plain = expression.subs(SIZES)
    plain = plain.replace(lambda node: isinstance(node, Trace), lambda node: sympy.trace(node.arg.as_explicit()))
    entries = plain.as_explicit() if hasattr(plain, "as_explicit") else sympy.Matrix([[plain]])
    put = {symbol.subs(SIZES)[i, j]: value[i, j] for symbol, value in numbers.items()
           for i in range(value.rows) for j in range(value.cols)}
    return np.array(entries.subs(put | {k: VALUES[k], s: VALUES[s]}).doit().evalf(20).tolist(), dtype=float)


@pytest.mark.parametrize("expression", [
    h * x.T, h.T * u, W.T * h, DiagMatrix(h) * W, k * U * h, HadamardProduct(h, OneMatrix(n, 1) - h, u), HadamardPower(h, 2),
    HadamardProduct(GATE, OneMatrix(n, 1) - GATE, MatMul(W, x), u), Slope("relu", h), Slope("tanh", U * h),
    Elementwise("relu", -h),
    Stack(((h,), (x,))), Larger(h, u), Trace(h * u.T), Scalar(h.T * u), MatMul(Scalar(h.T * u), h), Identity(n) + h * u.T,
    OneMatrix(n, m) * x + h, (W * x + h).T * U, sympy.Matrix([[k, 1], [s, k**2]]), k * s + sympy.exp(s),
    sympy.Max(k, s, 0), sympy.Min(k, s),
], ids=str)
def test_the_value_is_that_of_the_components(expression: Any) -> None:
    function = sl.lambdify(expression)
    found = function(**{name: VALUES[symbol] for name, symbol in zip(function.names, function.args, strict=True)})
    np.testing.assert_allclose(np.reshape(found, components(expression).shape), components(expression), rtol=1e-13)


def test_arguments_come_as_they_are_read_or_as_asked_for() -> None:
    line = zoo.RNN.equations[0]
    function = sl.lambdify(line)
    assert function.names == ("W", "x_t", "U", "h_prev", "b")
    assert "W (n, m), x_t (m,), U (n, n), h_prev (n,), b (n,)" in str(function.__doc__)
    other = sl.lambdify(line, args=["b", "h_prev", "U", "x_t", "W"])
    given = dict(zip(function.names, (VALUES[W], VALUES[x], VALUES[U], VALUES[h], VALUES[u]), strict=True))
    np.testing.assert_array_equal(function(*given.values()), other(*reversed(given.values())))
    np.testing.assert_array_equal(function(given["W"], b=given["b"], U=given["U"], x_t=given["x_t"], h_prev=given["h_prev"]),
                                  function(**given))
    assert sl.lambdify(k * s**2, args=(s, k))(2, 3) == 12


def test_vectors_come_back_as_they_came() -> None:
    function = sl.lambdify(Equation(u, W * x + h))
    assert function(VALUES[W], VALUES[x], VALUES[h]).shape == (3, 1)
    assert function(VALUES[W], VALUES[x][:, 0], VALUES[h][:, 0]).shape == (3,)
    assert function(VALUES[W], VALUES[x], VALUES[h][:, 0]).shape == (3, 1)
    assert sl.lambdify(h * x.T)(VALUES[h][:, 0], VALUES[x][:, 0]).shape == (3, 2)


def test_numbers_and_arrays_of_numbers() -> None:
    function = sl.lambdify(k + s)
    assert function(1, 2) == 3.0 and np.ndim(function(1, 2)) == 0
    np.testing.assert_array_equal(function(np.arange(3), 1), [1.0, 2.0, 3.0])
    assert function(np.float32(1), 2).dtype == np.float32
    assert sl.lambdify(W * x)(VALUES[W].astype("float32"), VALUES[x].astype("float32")).dtype == np.float32


def test_names_of_arguments_and_of_shared_parts_never_meet() -> None:
    shared = MatMul(W, x)
    expression = HadamardProduct(Elementwise("tanh", shared), shared, u)
    value = VALUES[W] @ VALUES[x]
    found = sl.lambdify(expression)(W=VALUES[W], x0=VALUES[x], part0=VALUES[u])
    np.testing.assert_allclose(found, np.tanh(value) * value * VALUES[u])


@pytest.mark.parametrize("cell", [zoo.LSTM, zoo.RNN], ids=lambda cell: cell.name)
def test_every_equation_of_a_cell_and_its_gradients_runs(cell: Any) -> None:
    for step in (*sl.derive(cell, "forward").steps, *sl.derive(cell, "gradients").steps):
        function = sl.lambdify(step)
        rng = np.random.default_rng(1)
        given = [rng.standard_normal([int(side.subs(SIZES)) for side in arg.shape]) for arg in function.args]
        assert function(*given).shape == tuple(side.subs(SIZES) for side in step.equation.lhs.shape)


def test_terms_and_relations_need_their_sizes() -> None:
    line = zoo.RNN.declared[0]
    assert sl.lambdify(line, shapes=zoo.RNN.shapes).names == ("W", "x_t", "U", "h_prev", "b")
    with pytest.raises(NotValid, match=r"shapes=cell\.shapes"):
        sl.lambdify(line)
    assert sl.lambdify(equation(Sym("y"), Sym("a") * 2))(4) == 8


# --- far out -------------------------------------------------------------------------------------------------------

FAR = np.array([-1e4, -1000.0, -700.0, -40.0, -1.0, 0.0, 2.0, 40.0, 700.0, 1000.0, 1e4])


@pytest.mark.parametrize(("expression", "expected"), [
    (1 / (1 + sympy.exp(-s)), np.exp(np.minimum(FAR, 0)) / (1 + np.exp(-np.abs(FAR)))),
    (sympy.exp(s) / (1 + sympy.exp(s)), np.exp(np.minimum(FAR, 0)) / (1 + np.exp(-np.abs(FAR)))),
    (sympy.exp(-s) / (1 + sympy.exp(-s)) ** 2, np.exp(-np.abs(FAR)) / (1 + np.exp(-np.abs(FAR))) ** 2),
    ((sympy.exp(s) - sympy.exp(-s)) / (sympy.exp(s) + sympy.exp(-s)), np.tanh(FAR)),
    ((sympy.exp(-s) - sympy.exp(s)) / (sympy.exp(s) + sympy.exp(-s)), -np.tanh(FAR)),
    (4 / (sympy.exp(s) + sympy.exp(-s)) ** 2, 4 * np.exp(-2 * np.abs(FAR)) / (1 + np.exp(-2 * np.abs(FAR))) ** 2),
    (3 * k / (1 + sympy.exp(k * s)), 3 * 0.5 * np.exp(-np.maximum(0.5 * FAR, 0)) / (1 + np.exp(-0.5 * np.abs(FAR)))),
], ids=str)
def test_activations_are_silent_and_accurate_far_out(expression: Any, expected: np.ndarray) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = sl.lambdify(expression)(**({"s": FAR} | ({"k": 0.5} if expression.has(k) else {})))
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-308)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_stable_forms_are_the_formulas(name: str) -> None:
    z = MatrixSymbol("z", n, 1)
    positive = ACTIVATIONS[name].positive
    points = np.array([0.25, 0.5, 2.0, 7.0] if positive else [-2.75, -0.25, 0.5, 2.0])
    argument = sympy.Symbol("x", real=True)
    for made, scalar in ((Elementwise(name, z), Elementwise.scalar(name)), (Slope(name, z), Slope.scalar(name))):
        expected = [float(scalar(argument).subs(argument, sympy.Rational(str(point)))) for point in points]
        np.testing.assert_allclose(sl.lambdify(made)(points), expected, rtol=1e-13)
    far = np.abs(FAR) + 1e-3 if positive else FAR
    found = sl.lambdify(Slope(name, z))(far)
    bounded = ACTIVATIONS[name].slopes.upper != INFINITY
    assert np.isfinite(found[far < (np.inf if bounded else 700)]).all() and not np.isnan(found).any()


def test_what_is_stable_is_the_same_function() -> None:
    expression = sympy.exp(s) / (1 + sympy.exp(s)) ** 2 + k / (sympy.exp(s) + sympy.exp(-s)) + sympy.exp(k)
    changed = stable(expression)
    assert changed != expression
    assert float(sl.lambdify(expression)(s=0.3, k=2.0)) == pytest.approx(float(expression.subs({s: 0.3, k: 2.0})), rel=1e-14)
    assert sl.lambdify(sympy.exp(-s) / (1 + sympy.exp(-s)) ** 2)(0.3) == pytest.approx(sigmoid_slope(0.3), rel=1e-14)


# --- messages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "words"), [
    (lambda f: f(VALUES[W], VALUES[u], VALUES[h]), ("x0", "(3, 1)", "(2,)", "m = 2 from W")),
    (lambda f: f(VALUES[W][0], VALUES[x], VALUES[h]), ("W", "(2,)", "(n, m)")),
    (lambda f: f(VALUES[W], VALUES[x]), ("h is missing", "W, x0, h")),
    (lambda f: f(VALUES[W], VALUES[x], VALUES[h], 1.0), ("4 arguments", "W, x0, h")),
    (lambda f: f(VALUES[W], VALUES[x], VALUES[h], y=1.0), ("y is not an argument", "W, x0, h")),
    (lambda f: f(VALUES[W], VALUES[x], VALUES[h], W=1.0), ("W is given twice",)),
    (lambda f: f(VALUES[W], VALUES[x], np.array([1.0, np.nan, 1.0])), ("h", "NaN")),
    (lambda f: f(VALUES[W], VALUES[x], ["a", "b", "c"]), ("h", "dtype")),
])
def test_what_does_not_fit_is_named(call: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(NotValid) as caught:
        call(sl.lambdify(W * x + h))
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(("what", "args", "kind", "words"), [
    (W * x, ["W"], NotValid, "leaves out x0"),
    (W * x, ["W", "x0", "W"], NotValid, "given twice"),
    (k, ["k", "y"], NotValid, "y is not in"),
    (sympy.Lt(k, 1), None, NotValid, "equation"),
    (relation(quantity("h"), "<", 1), None, NotValid, "equation"),
    ("1 + 1", None, NotValid, "nothing here to compute"),
    (sympy.Function("phi")(k), None, NotSupported, "no NumPy form"),
    (sympy.Symbol("n", integer=True, positive=True) * Identity(n), None, NotValid, "size n"),
])
def test_what_cannot_be_computed_says_why(what: Any, args: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        sl.lambdify(what, args)()


# --- the zoo ---------------------------------------------------------------------------------------------------------


def values_of(cell: Cell, line: Relation) -> dict[Term, np.ndarray]:
    """Columns and matrices for every quantity of an equation, at n = 3 and m = 2; positive where a root or log needs it."""
    generator = np.random.default_rng(len(repr(line)))
    parts = dict.fromkeys(part.of if isinstance(part, Adj) else part for part in walk(line.rhs))
    quantities = [part for part in parts if isinstance(part, Sym) and (part.time or part.name not in cell.size_names)]
    return {part: generator.uniform(0.2, 1.5, cell.shapes.at(part.name, {"n": 3, "m": 2})) for part in quantities}


@pytest.mark.parametrize(("cell", "k"), [(cell, k) for cell in zoo.ZOO.values() for k in range(len(cell.declared))],
                         ids=lambda value: str(getattr(value, "name", value)))
def test_every_equation_of_the_zoo_is_what_the_interpreter_computes(cell: Cell, k: int) -> None:
    line, function = cell.declared[k], sl.lambdify(cell.equations[k])
    values = values_of(cell, line)
    expected = Evaluator(values.__getitem__, sizes=cell.shapes.full({"n": 3, "m": 2}))(line.rhs)
    given = {safe_name(part): value[0, 0] if cell.shapes[part.name] == () else value for part, value in values.items()}
    np.testing.assert_allclose(np.reshape(function(**given), expected.shape), expected, rtol=1e-12)


def test_a_function_that_a_cell_leaves_open_is_not_everybodys() -> None:
    open_function = sl.cell("scalar").equations[1].rhs
    assert open_function.has(OPEN["h"]) and not open_function.has(sympy.Function("h"))
    slope = sl.lambdify(Prime("h", quantity("c")), shapes={})
    assert float(slope(0.5)) == pytest.approx(1 - np.tanh(0.5) ** 2, rel=1e-14)
    with pytest.raises(NotSupported, match="no NumPy form"):
        sl.lambdify(sympy.Function("h")(k))(1.0)


def test_a_size_is_found_where_it_stands_beside_others() -> None:
    cell = sl.cell("lstm-full-feedback")
    line = next(each.relation for each in sweep(cell).lines if each.of == quantity("x"))
    function = sl.lambdify(line, shapes=cell.shapes)
    given = {name: np.ones((3, 8)) if name.startswith("W") else np.ones(3) for name in function.names}
    assert function(**given).tolist() == [12.0, 12.0]
    with pytest.raises(NotValid, match="wrong shape"):
        function(**{**given, "W_i": np.ones((3, 6))})


# --- several equations, and long arrays -------------------------------------------------------------------------------


def test_several_equations_are_one_function_and_read_what_is_before_them() -> None:
    cell = sl.cell("scalar")
    gradients = sl.derive(cell, "gradients").steps
    whole = sl.lambdify([*cell.equations, *gradients])
    names = ("c_prev", "z_f_t", "z_i_t", "z_t", "z_o_t", "delta_a_t", "delta_c_t_arriving")
    assert whole.names == names
    known = dict(zip(names, np.random.default_rng(2).standard_normal((7, 5)), strict=True))
    found = whole(**known)
    for line, value in zip((*cell.equations, *gradients), found, strict=True):
        alone = sl.lambdify(line)
        name = str(line.lhs if isinstance(line, Equation) else line.equation.lhs)
        np.testing.assert_allclose(value, np.broadcast_to(alone(**{each: known[each] for each in alone.names}), 5), rtol=1e-14)
        known[name] = value
    assert whole.source.count("np.tanh(") == 2 and whole.source.count("np.exp(") == 3  # one for each gate, value and slope


def test_several_equations_of_vectors() -> None:
    cell = zoo.LSTM
    rng, shapes = np.random.default_rng(3), cell.parameter_shapes(n=3, m=2)
    known = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    known |= {"x_t": rng.standard_normal(2), "h_prev": rng.standard_normal(3), "c_prev": rng.standard_normal(3)}
    *_, last = sl.lambdify(cell.equations)(**known)
    trace = sl.lambdify(cell).forward({name: known[name] for name in shapes}, known["x_t"][None], (known["h_prev"], known["c_prev"]))
    np.testing.assert_allclose(last, trace.outputs[0], rtol=1e-14)


@pytest.mark.parametrize(("what", "words"), [
    ([Equation(k, s + 1), Equation(k, s)], "defined twice"), ([Equation(k, s), Equation(s, k)], "read before it is defined"),
    ([], "nothing here to compute")])
def test_a_list_of_equations_that_cannot_be(what: Any, words: str) -> None:
    with pytest.raises(NotValid, match=words):
        sl.lambdify(what)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_long_array_is_worked_on_in_pieces(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function = sl.lambdify([*sl.cell("scalar").equations])
    given = dict(zip(function.names, np.random.default_rng(4).standard_normal((5, 5003)).astype(dtype), strict=True))
    whole = function(**given)
    monkeypatch.setattr("symlstm.formulas.pieces.CACHE", 1)
    for one, other in zip(function(**given), whole, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == dtype
    given["c_prev"] = given["c_prev"].copy()
    given["c_prev"][-1] = np.nan
    with pytest.raises(NotValid, match="c_prev holds a NaN"):
        function(**given)


def test_arrays_of_other_shapes_go_together_as_in_numpy() -> None:
    a, b, wide = np.arange(3.0)[:, None], np.arange(4.0), np.arange(24.0).reshape(3, 8)[:, ::2]
    found = sl.lambdify(k * s + sympy.exp(-k))
    np.testing.assert_array_equal(found(k=a, s=b), a * b + np.exp(-a))
    np.testing.assert_array_equal(found(k=wide, s=2), wide * 2 + np.exp(-wide))
    np.testing.assert_array_equal(found(k=wide.T, s=np.float64(2)), wide.T * 2 + np.exp(-wide.T))
    np.testing.assert_allclose(found(k=1j * b, s=b), 1j * b * b + np.exp(-1j * b))
    with pytest.raises(NotValid, match="do not go together"):
        found(k=np.ones(3), s=np.ones(4))


def test_a_result_is_the_callers_own() -> None:
    function, given = sl.lambdify(Equation(k, s)), np.ones(3)
    first = function(s=given)
    first[...] = 7
    assert given.tolist() == [1, 1, 1] and function(s=given).tolist() == [1, 1, 1]
