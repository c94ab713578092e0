"""Accuracy to the last places: every form keeps its bound over the whole range, in formulas and in every cell.

The exact values, the points and the unit in the last place are those of `benchmarks/accuracy.py`, which makes the table.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

import symlstm as sl
from symlstm import zoo
from symlstm.activations import ACTIVATIONS, sigma, tanh
from symlstm.algebra import Apply, NotSupported, NotValid, Prime, Sym, equation, quantities, symbols
from symlstm.formulas.pieces import functions
from symlstm.generator.targets import TARGETS
from symlstm.generator.ulps import called
from symlstm.model import Cell
from tests.problems import Problem, judged

_spec = importlib.util.spec_from_file_location("accuracy", Path(__file__).parent.parent / "benchmarks" / "accuracy.py")
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
sys.modules["accuracy"] = accuracy
_spec.loader.exec_module(accuracy)

DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda dtype: dtype.__name__)
EACH = pytest.mark.parametrize(("name", "slope"), [(name, slope) for name in accuracy.EXACT for slope in (0, 1)])


@EACH
@DTYPES
def test_every_form_keeps_its_bound_over_the_whole_range(name: str, slope: int, dtype: Any) -> None:
    x = accuracy.points(dtype, 2500, positive=name in accuracy.POSITIVE)
    with np.errstate(over="ignore" if name == "log" else "warn"):  # one over a subnormal number is infinite
        found = accuracy.worst(accuracy.ours(name, bool(slope), "ulp"), accuracy.EXACT[name][slope], x)
    assert found.ulps <= ACTIVATIONS[name].ulps[slope], found


def test_the_points_reach_every_kind_of_result() -> None:
    for dtype in (np.float64, np.float32):
        x = accuracy.points(dtype, 2500)
        found = accuracy.ours("sigma", True, "ulp")(x)
        tiny = np.finfo(dtype).tiny
        assert (found == 0).sum() > 50 and ((found > 0) & (found < tiny)).sum() > 50 and (found > tiny).sum() > 1000
        assert found.max() == 0.25 and found.dtype == dtype


@pytest.mark.parametrize(("name", "slope"), [("sigma", 0), ("sigma", 1), ("tanh", 1), ("silu", 0), ("silu", 1)])
@DTYPES
def test_the_fast_forms_do_not(name: str, slope: int, dtype: Any) -> None:
    x = accuracy.points(dtype, 2500)
    assert accuracy.worst(accuracy.ours(name, bool(slope), "fast"), accuracy.EXACT[name][slope], x).ulps > 1e3


@pytest.mark.parametrize("name", sorted(functions("ulp").keys() - {"np", "in_double", "__builtins__"}))
@DTYPES
def test_nothing_overflows_on_the_way(name: str, dtype: Any) -> None:
    x = accuracy.points(dtype, 2500)
    out = np.empty_like(x)
    with np.errstate(all="raise", under="ignore"):
        found = functions("ulp")[name](x)
        functions("ulp")[name](x, out=out)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, out)


# --- expressions ----------------------------------------------------------------------------------------------------------

s = sympy.Symbol("s", real=True)


@pytest.mark.parametrize(("expression", "name", "slope"), [
    (1 / (1 + sympy.exp(-s)), "sigma", 0),
    (sympy.exp(s) / (1 + sympy.exp(s)), "sigma", 0),
    (sympy.exp(-s) / (1 + sympy.exp(-s)) ** 2, "sigma", 1),
    (1 - sympy.tanh(s) ** 2, "tanh", 1),
    (4 / (sympy.exp(s) + sympy.exp(-s)) ** 2, "tanh", 1),
    (sl.cell("scalar").equations[1].rhs.args[0].func(s), None, 0),
    (sympy.Derivative(sl.cell("scalar").equations[0].rhs.args[0].atoms(sympy.Function).pop().func(s), s), None, 1),
], ids=str)
def test_sympys_ways_to_write_a_slope_are_seen_to_be_one(expression: Any, name: str | None, slope: int) -> None:
    name = name or {"f": "sigma", "g": "tanh", "h": "tanh"}[next(iter(expression.atoms(sympy.Function))).func.__name__]
    x = accuracy.points(np.float64, 1500)
    found = accuracy.worst(sl.lambdify(expression, accuracy="ulp"), accuracy.EXACT[name][slope], x)
    assert found.ulps <= ACTIVATIONS[name].ulps[slope], found


def test_a_vector_is_as_accurate_as_a_number() -> None:
    n = sympy.Symbol("n", integer=True, positive=True)
    from symlstm.symbolic import Slope

    x = np.array([-745.0, -40.0, 40.0, 300.0])
    found = sl.lambdify(Slope("sigma", sympy.MatrixSymbol("z", n, 1)), accuracy="ulp")(x)
    np.testing.assert_allclose(found, np.exp(-np.abs(x)), rtol=1e-15)


# --- cells ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.cells())
def test_every_cell_computes_the_same_to_rounding(name: str) -> None:
    cell = sl.cell(name)
    judged(sl.lambdify(cell, accuracy="ulp"), Problem(cell))


def test_a_network_does_too() -> None:
    network = sl.stack("lstm", layers=2, bidirectional=True, head="softmax")
    judged(sl.lambdify(network, accuracy="ulp"), Problem(network))


x, h, c = quantities("x h c")
W, U, V = symbols("W U V")
GATED = Cell("gated", (x,), (h,), (equation(h, sigma(W @ x) * h.prev + tanh(U @ x)),))
SATURATED = np.array([40.0, 300.0, -745.0, -700.0, 30.0, -36.5])


def through_gates(function: Any, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the sum of h by what stands before sigma, and before tanh, with h[t-1] = 1 and the last gate first."""
    given = {"W": np.array([[1.0, 0.0]]), "U": np.array([[0.0, 1.0]])}
    params = {name: value.astype(dtype) for name, value in given.items()}
    found = []
    for z in SATURATED:
        trace = function.forward(params, np.array([[[z, z / 2]]], dtype), (np.ones((1, 1), dtype),))
        found.append(function.backward(trace, np.ones((1, 1, 1), dtype)).inputs[0, 0])
    gate, candidate = np.array(found).T
    return gate, candidate


def test_gradients_through_saturated_gates_have_all_their_digits() -> None:
    gate, candidate = through_gates(sl.lambdify(GATED, accuracy="ulp"))
    with mpmath.workdps(50):
        bell, cosh = accuracy.EXACT["sigma"][1], accuracy.EXACT["tanh"][1]
        for z, one, other in zip(SATURATED, gate, candidate, strict=True):
            assert accuracy.ulps(one, bell(mpmath.mpf(z)), np.float64) <= 3.5
            assert accuracy.ulps(other, cosh(mpmath.mpf(z / 2)), np.float64) <= 3.5
    fast, _ = through_gates(sl.lambdify(GATED))
    assert (fast[:2] == 0).all() and (gate > 0).all()


def test_all_gradients_of_a_saturated_lstm_are_those_of_400_digits() -> None:
    cell, generator = sl.cell("lstm"), np.random.default_rng(3)
    params = sl.random_parameters(cell, 3, 2, seed=1)
    params |= {"b_i": np.array([40.0, -60.0, 1.0]), "b_f": np.array([50.0, 2.0, -40.0]), "b_o": np.array([-1.0, 45.0, -50.0]),
               "b_g": np.array([20.0, -25.0, 0.5])}
    x, d_outputs = generator.standard_normal((4, 2, 2)), generator.standard_normal((4, 2, 3))
    f = sl.lambdify(cell, accuracy="ulp")
    found = f.backward(f.forward(params, x), d_outputs).params
    with mpmath.workdps(400):
        exact_f = sl.lambdify(cell, backend="mpmath")
        exact = exact_f.backward(exact_f.forward(params, x), d_outputs).params
    for name, value in found.items():
        expected = exact[name].astype(float)
        np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-16 * np.abs(expected).max(-1, keepdims=True).min())


@pytest.mark.oracle
def test_pytorch_loses_what_our_module_for_it_keeps() -> None:
    import torch

    z = torch.tensor(SATURATED, requires_grad=True)
    torch.sigmoid(z).sum().backward()
    assert z.grad is not None and (z.grad[:2] == 0).all()
    f = sl.lambdify(GATED, backend="torch", accuracy="ulp")
    given = torch.tensor(np.stack([SATURATED, SATURATED / 2], 1)[None], requires_grad=True)
    params = {"W": torch.tensor([[1.0, 0.0]], dtype=torch.float64), "U": torch.tensor([[0.0, 1.0]], dtype=torch.float64)}
    outputs, _ = f(params, given, (torch.ones(len(SATURATED), 1, dtype=torch.float64),))
    outputs.sum().backward()
    assert given.grad is not None
    np.testing.assert_allclose(given.grad[0, :, 0].numpy(), through_gates(sl.lambdify(GATED, accuracy="ulp"))[0], rtol=1e-14)


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "slope"), [(name, slope) for name, row in ACTIVATIONS.items()
                                            for slope, form in enumerate((row.ulp, row.ulp_slope)) if form])
def test_the_functions_of_a_module_for_pytorch_keep_the_bounds(name: str, slope: int) -> None:
    import torch

    own = f"{name}{'_slope' * slope}_ulp"
    module: dict[str, Any] = {"torch": torch}
    exec(called(f"{own}(", TARGETS["torch"]), module)
    x = accuracy.points(np.float64, 2500)
    found = accuracy.worst(lambda x: module[own](torch.from_numpy(x)).numpy(), accuracy.EXACT[name][slope], x)
    assert found.ulps <= ACTIVATIONS[name].ulps[slope], found


@pytest.mark.oracle
def test_jax_keeps_them_as_long_as_they_are_normal_numbers() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    f = sl.lambdify(GATED, backend="jax", accuracy="ulp")
    params = {"W": np.array([[1.0, 0.0]]), "U": np.array([[0.0, 1.0]])}
    given = np.stack([SATURATED, SATURATED / 2], 1)[None]
    found = jax.grad(lambda x: f(params, x, (np.ones((len(SATURATED), 1)),))[0].sum())(given)
    expected = through_gates(sl.lambdify(GATED, accuracy="ulp"))[0]
    normal = expected > np.finfo(float).tiny
    np.testing.assert_allclose(np.asarray(found)[0, normal, 0], expected[normal], rtol=1e-14)


# --- what there is not ------------------------------------------------------------------------------------------------------


def test_the_command_knows_both() -> None:
    from typer.testing import CliRunner

    from symlstm.cli import app

    written = CliRunner().invoke(app, ["codegen", "rnn", "--accuracy", "ulp"])
    assert written.exit_code == 0 and "tanh_slope_ulp(" in written.stdout
    unknown = CliRunner().invoke(app, ["codegen", "rnn", "--accuracy", "exact"])
    assert isinstance(unknown.exception, NotValid) and "'fast' or 'ulp'" in str(unknown.exception)


@pytest.mark.parametrize("what", [sl.cell("rnn"), 1 / (1 + sympy.exp(-s)), Apply("sigma", Sym("x"))], ids=["cell", "expression", "term"])
def test_an_accuracy_that_there_is_not(what: Any) -> None:
    with pytest.raises(NotValid, match=r"(?s)no such accuracy.*'exact'.*'fast' or 'ulp'"):
        sl.lambdify(what, accuracy="exact")


def test_mpmath_has_any_accuracy_already() -> None:
    with pytest.raises(NotSupported, match="more digits"):
        sl.lambdify(sl.cell("lstm"), backend="mpmath", accuracy="ulp")


def test_slopes_of_terms_are_those_of_the_table() -> None:
    assert float(sl.lambdify(Prime("tanh", Sym("x")), shapes={}, accuracy="ulp")(300.0)) == pytest.approx(4 * np.exp(-600.0), rel=1e-15)
