"""Terms and relations become SymPy expressions that mean the same and can be worked with."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import sympy
from sympy import MatrixSymbol

from symlstm import zoo
from symlstm.activations import ACTIVATIONS
from symlstm.algebra import (
    Adj,
    Apply,
    Blocks,
    Interval,
    Limit,
    Listed,
    Max,
    Norm,
    NotSupported,
    Ones,
    Partial,
    Prime,
    Rows,
    Space,
    Sum,
    Sym,
    Time,
    Trace,
    equation,
    quantity,
    relation,
    size,
    term,
)
from symlstm.expressions import to_sympy
from symlstm.reverse import sweep

n, m = sympy.symbols("n m", integer=True, positive=True)
h, x, a = quantity("h"), quantity("x"), Sym("a")
SHAPES = zoo.RNN.shapes


def test_a_cell_reads_as_it_was_written() -> None:
    assert [str(line) for line in zoo.LSTM.equations] == [
        "Eq(i_t, sigma(W_i*x_t + U_i*h_prev + b_i))",
        "Eq(f_t, sigma(W_f*x_t + U_f*h_prev + b_f))",
        "Eq(o_t, sigma(W_o*x_t + U_o*h_prev + b_o))",
        "Eq(g_t, tanh(W_g*x_t + U_g*h_prev + b_g))",
        "Eq(c_t, HadamardProduct(f_t, c_prev) + HadamardProduct(i_t, g_t))",
        "Eq(h_t, HadamardProduct(o_t, tanh(c_t)))",
    ]


def test_symbols_have_python_names_and_shapes() -> None:
    assert [str(symbol) for symbol in (*zoo.LSTM.inputs, *zoo.LSTM.states)] == ["x", "h", "c"]
    assert {str(symbol): symbol.shape for symbol in zoo.RNN.parameters} == {"W": (n, m), "U": (n, n), "b": (n, 1)}
    assert str(to_sympy(Adj(h.prev, arriving=True), SHAPES)) == "delta_h_prev_arriving"


def test_an_equation_never_collapses() -> None:
    line: Any = zoo.RNN.equations[0]
    same = line.subs(line.rhs, line.lhs)
    assert same.lhs == same.rhs and str(same) == "Eq(h_t, h_t)"
    assert line.subs({n: 3, m: 2}).rhs.shape == (3, 1)
    assert line.doit().lhs == line.lhs
    assert line.xreplace({line.lhs: MatrixSymbol("y", n, 1)}).lhs.name == "y"
    assert line == to_sympy(zoo.RNN.declared[0], SHAPES) and hash(line) == hash(to_sympy(zoo.RNN.declared[0], SHAPES))
    assert pickle.loads(pickle.dumps(line)) == line


@pytest.mark.parametrize("name", zoo.cells())
def test_both_sides_of_an_equation_have_one_shape(name: str) -> None:
    cell = zoo.cell(name)
    adjoint = [to_sympy(line.relation, cell.shapes) for line in sweep(cell).lines]
    for line in (*cell.equations, *adjoint):
        assert getattr(line.lhs, "shape", ()) == getattr(line.rhs, "shape", ()), line
        assert isinstance(line, sympy.Eq) and pickle.loads(pickle.dumps(line)) == line


def test_a_state_and_a_size_of_one_name_are_told_apart() -> None:
    cell = zoo.cell("mlstm")
    assert [(str(symbol), getattr(symbol, "shape", ())) for symbol in cell.states] == [
        ("h", (n, 1)), ("C", (n, n)), ("n", (n, 1)), ("m", ())]
    key = next(line for line in cell.equations if str(line.lhs) == "k_t")
    assert str(key.rhs) == "1/sqrt(n)*W_k*x_t + b_k" and n in key.rhs.free_symbols
    assert to_sympy(Sym("n"), cell.shapes) == n and to_sympy(quantity("n"), cell.shapes) == MatrixSymbol("n_t", n, 1)


def test_entries_are_the_component_formulas() -> None:
    explicit = to_sympy(Apply("sigma", Sym("W") @ x) * (1 - h), SHAPES).subs({n: 1, m: 2}).as_explicit()
    W, x_t, h_t = MatrixSymbol("W", 1, 2), MatrixSymbol("x_t", 2, 1), MatrixSymbol("h_t", 1, 1)
    assert sympy.simplify(explicit[0] - (1 - h_t[0, 0]) / (1 + sympy.exp(-(W * x_t).as_explicit()[0]))) == 0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_scalars_are_formulas_and_slopes_their_derivatives(name: str) -> None:
    value, slope = to_sympy(Apply(name, a), {}), to_sympy(Prime(name, a), {})
    at = {to_sympy(a, {}): sympy.Rational(7, 10)}
    assert sympy.simplify(slope.subs(at) - value.diff(to_sympy(a, {})).subs(at)) == 0


@pytest.mark.parametrize(("node", "text", "shape"), [
    (1 - h, "1 - h_t", (n, 1)),
    (2 * h, "2*h_t", (n, 1)),
    (-(h + h), "-(h_t + h_t)", (n, 1)),
    (h @ x.T, "h_t*x_t.T", (n, m)),
    (Max((term(0), h)), "max(0, h_t)", (n, 1)),
    (Prime("relu", h), "relu'(h_t)", (n, 1)),
    (Blocks(((h.prev,), (x,))), "[h_prev; x_t]", (n + m, 1)),
    (Sum("s", Time("", 1), Time("T"), Adj(Sym("h", Time("s"))) @ Sym("x", Time("s")).T),
     "sum(delta_h_s*x_s.T, (s, 1, T))", (n, m)),
    (Partial(h, h.prev), "d(h_t/h_prev)", (n, n)),
    (h @ Ones(Sym("m")).T, "h_t*1.T", (n, m)),
    (Rows(Blocks(((h,), (x,))), Sym("n"), Sym("n") + Sym("m")), "([h_t; x_t])[n:m + n]", (m, 1)),
])
def test_nodes(node: object, text: str, shape: tuple[object, object]) -> None:
    converted = to_sympy(node, SHAPES)  # type: ignore[arg-type]
    assert (str(converted), converted.shape) == (text, shape)


@pytest.mark.parametrize(("node", "text"), [
    (size(h, Sym("n")), "Contains(h_t, MatrixSet(n, 1, Reals))"),
    (size(Listed((h, h.prev)), Sym("n")), "(Contains(h_t, MatrixSet(n, 1, Reals))) & (Contains(h_prev, MatrixSet(n, 1, Reals)))"),
    (relation(0, "<", a, "<=", 1), "(0 < a) & (a <= 1)"),
    (relation(a, "in", Interval(term(0), Sym("infinity"))), "Contains(a, Interval.open(0, oo))"),
    (relation(Norm(Sym("U")), "<=", 1, condition=relation(a, ">", 0)), "|U| <= 1 where a > 0"),
    (equation(h, h.prev, Sym("W") @ x), "(Eq(h_t, h_prev)) & (Eq(h_prev, W*x_t))"),
    (relation(a, "~", 1), "Nearly(a, 1)"),
])
def test_relations(node: object, text: str) -> None:
    assert str(to_sympy(node, SHAPES)) == text  # type: ignore[arg-type]


def test_a_product_that_is_one_number_is_a_number() -> None:
    squared = to_sympy(h.T @ h, SHAPES)
    assert squared.is_Matrix is not True and squared.subs(n, 2).doit() is not None
    assert to_sympy(x @ (h.T @ h), SHAPES).shape == (m, 1)
    traced = to_sympy(Trace(Sym("W") @ x @ h.T), SHAPES)
    assert traced.subs({n: 2, m: 1}).doit().is_Matrix is not True and to_sympy(x @ Trace(h @ h.T), SHAPES).shape == (m, 1)


def test_limits_are_sympys() -> None:
    assert to_sympy(Limit(Apply("sigma", a), a, 1), {}).doit() == 1
    assert to_sympy(Limit(Apply("sigma", a), a, -1), {}).doit() == 0


def test_what_sympy_cannot_say_is_refused() -> None:
    with pytest.raises(NotSupported, match="no counterpart"):
        to_sympy(Space(Sym("n")), {})
