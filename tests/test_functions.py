"""Generated NumPy: it agrees with a plain evaluation of the equations, and its gradients with complex steps through that."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm import zoo
from symlstm.activations import ACTIVATIONS, absolute, exp, relu, sigma, sqrt, tanh
from symlstm.algebra import (
    Apply,
    Blocks,
    Diag,
    MatMul,
    Max,
    Norm,
    NotSupported,
    NotValid,
    Ones,
    Relation,
    Rows,
    Sym,
    Trace,
    equation,
    quantities,
    quantity,
    symbols,
    term,
)
from symlstm.generator.codes import Call, statements
from symlstm.generator.module import written
from symlstm.generator.names import Names
from symlstm.generator.rows import backward_product, forward_product, weight_product
from symlstm.model import Cell
from tests.problems import Problem, arrays, changed, judged, near

Array = Any

x, h, c, i, f, o, g, r, z = quantities("x h c i f o g r z")
W, V, U, R, A_y, b, p, q = symbols("W V U R A_y b p q")
W_i, W_f, W_o, W_g, W_r, U_i, U_f, U_o, U_g, U_r = symbols("W_i W_f W_o W_g W_r U_i U_f U_o U_g U_r")
b_i, b_f, b_o, b_g, b_r, p_i, p_f, p_o, d_g = symbols("b_i b_f b_o b_g b_r p_i p_f p_o d_g")


def made(name: str, *lines: Relation, states: tuple[Any, ...] = (h,), sizes: dict[str, tuple[Any, ...]] | None = None,
         inputs: tuple[Any, ...] = (x,), output: Any = None) -> Cell:
    return Cell(name, inputs, states, lines, sizes=sizes, output=output)


GATED = (equation(f, sigma(W_f @ x + U_f @ h.prev + b_f)), equation(g, tanh(W_g @ x + U_g @ h.prev + b_g)))
OWN = (
    made("rnn-relu", equation(h, relu(W @ x + U @ h.prev + b))),
    made("unnamed-output", equation(h, W @ x + U @ h.prev)),
    made("reset-before",
         equation(z, sigma(W_f @ x + U_f @ h.prev + b_f)), equation(r, sigma(W_r @ x + U_r @ h.prev + b_r)),
         equation(g, tanh(W_g @ x + U_g @ (r * h.prev) + b_g)), equation(h, z * h.prev + (1 - z) * g)),
    made("reset-after",
         equation(z, sigma(W_f @ x + U_f @ h.prev + b_f)), equation(r, sigma(W_r @ x + U_r @ h.prev + b_r)),
         equation(g, tanh(W_g @ x + b_g + r * (U_g @ h.prev + d_g))), equation(h, z * h.prev + (1 - z) * g)),
    made("peephole",
         equation(i, sigma(W_i @ x + U_i @ h.prev + p_i * c.prev + b_i)),
         equation(f, sigma(W_f @ x + U_f @ h.prev + p_f * c.prev + b_f)),
         equation(g, tanh(W_g @ x + U_g @ h.prev + b_g)), equation(c, f * c.prev + i * g),
         equation(o, sigma(W_o @ x + U_o @ h.prev + p_o * c + b_o)), equation(h, o * tanh(c)), states=(h, c)),
    made("full-feedback",
         equation(i, sigma(W_i @ x + U_i @ h.prev + V @ c.prev + b_i)), *GATED, equation(c, f * c.prev + i * g),
         equation(o, sigma(W_o @ x + U_o @ c + b_o)), equation(h, o * tanh(c)), states=(h, c)),
    made("coupled", *GATED, equation(c, f * c.prev + (1 - f) * g), equation(h, tanh(c)), states=(h, c)),
    made("projected",
         equation(i, sigma(W_i @ x + U_i @ h.prev + b_i)), *GATED, equation(c, f * c.prev + i * g), equation(h, V @ tanh(c)),
         states=(h, c), sizes={"W_f": (symbols("k")[0], symbols("m")[0])}),
    made("minimal", equation(z, sigma(W_f @ x + b_f)), equation(g, W_g @ x + b_g), equation(h, (1 - z) * h.prev + z * g)),
    made("residual", equation(h, h.prev + tanh(W @ x + U @ h.prev + b))),
    made("tied", equation(f, sigma(W @ x + U @ h.prev + b)), equation(h, tanh(W @ x + U @ (f * h.prev) + b + q))),
    made("deep", equation(h, tanh(V @ (W @ x) + U @ (V @ h.prev) + p + q))),
    made("crossed", equation(c, tanh(W @ x + p * h.prev)), equation(h, q * c.prev + h.prev / (1 + h.prev**2)), states=(h, c)),
    made("input-elementwise", equation(g, p * x - x**3), equation(h, q * tanh(W @ g + U @ h.prev))),
    made("powers", equation(g, tanh(W @ x + U @ h.prev)), equation(h, 2 * g - (g - h.prev)**2 / (1 + g**2)**2)),
)


def times(count: int, size: Any) -> Any:
    return MatMul((term(count), size))


# each of these has a node, a shape or an input that no block of vectors holds
n, m, k = symbols("n m k")
u, s, e, a, A, M, y = quantities("u s e a A M y")
ONE_MATRIX = (
    equation(z, W @ Blocks(((h.prev,), (x,))) + b), equation(i, sigma(Rows(z, term(0), n))),
    equation(f, sigma(Rows(z, n, times(2, n)))), equation(g, tanh(Rows(z, times(2, n), times(3, n)))),
    equation(o, sigma(Rows(z, times(3, n), times(4, n)))), equation(c, f * c.prev + i * g), equation(h, o * tanh(c)))
r_q, R_q, U_q, n_q = quantity("r_q"), *symbols("R_q U_q n_q")
ODD = (
    made("one-matrix", *ONE_MATRIX, states=(h, c), sizes={"W": (times(4, n), n + m)}),
    made("stack-with-one", equation(h, tanh(W @ Blocks(((x,), (f * h.prev,), (term(1),))))), equation(f, sigma(W_f @ x))),
    made("side-by-side", equation(h, tanh(Blocks(((W, U),)) @ Blocks(((x,), (h.prev,))))), sizes={"W": (n, m), "U": (n, n)}),
    made("shared-stack", equation(g, W @ Blocks(((x,), (h.prev,)))), equation(h, tanh(g + W @ Blocks(((x,), (tanh(g),)))))),
    made("four-blocks", equation(M, Blocks(((h.prev @ x.T, U), (V, x @ h.prev.T)))), equation(y, tanh(M @ Blocks(((x,), (h.prev,))))),
         equation(h, Rows(y, term(0), n)), sizes={"U": (n, n), "V": (m, m)}),
    made("diagonal", equation(h, tanh(Diag(p) @ h.prev + Diag(W @ x) @ q))),
    made("trace", equation(a, Trace(U @ h.prev @ h.prev.T)), equation(h, tanh(a @ b + W @ x) + Trace(U) @ p)),
    made("transposed", equation(h, tanh(U.T @ h.prev + (W @ x) + V.T @ (V @ h.prev))), sizes={"V": (k, n)}),
    made("quadratic", equation(h, tanh(W @ x @ x.T @ x + U @ h.prev))),
    made("fast-weights", equation(a, p.T @ x), equation(M, a @ M.prev + tanh(W @ x) @ h.prev.T @ U), equation(h, tanh(M @ h.prev + M.T @ b)),
         states=(h, M), sizes={"p": (m,), "M": (n, n)}),
    made("matrix-first", equation(A, (U * A.prev) @ V + x @ x.T - A.prev**2 / (1 + A.prev**2)), states=(A,), sizes={"A": (m, m)}),
    made("softmax", equation(e, exp(W @ x + U @ h.prev)), equation(s, Ones(n).T @ e), equation(h, e / s)),
    made("powers-of-parameters", equation(h, tanh((W * W) @ x + U**3 @ h.prev) / (1 + b**2))),
    made("sizes", equation(h, tanh((W @ x + U @ h.prev) / sqrt(n) + m @ b))),
    made("row", equation(r, (W @ x).T + r.prev / 2 + q), equation(h, tanh(r.T + U @ h.prev)), states=(h, r),
         sizes={"r": (term(1), n)}),
    made("number-first", equation(s, tanh(p.T @ x + q @ s.prev)), states=(s,), sizes={"s": (term(1), term(1)), "q": (term(1), term(1))}),
    made("two-inputs", equation(h, tanh(W @ x + V @ u + U @ h.prev)), inputs=(x, u), sizes={"u": (k,)}),
    made("matrix-input", equation(h, tanh(A @ b + A @ A.T @ h.prev)), inputs=(A,), sizes={"A": (n, m)}),
    made("larger", equation(h, Max((W @ x + absolute(h.prev), Max((term(0), U @ h.prev)))))),
    made("names", equation(quantity("named"), tanh(Sym("np") @ quantity("t") + Sym("range") @ quantity("B"))),
         equation(x, quantity("named") + Sym("len") @ x.prev), equation(quantity("largest"), exp(x) / (1 + exp(x))),
         equation(quantity("d_x"), Ones(Sym("T")).T @ quantity("B") + quantity("d_x").prev / Sym("T")),
         states=(x, quantity("d_x")), inputs=(quantity("t"), quantity("B")), sizes={"B": (Sym("T"),)}),
    made("hard-gate", equation(i, Apply("hardsigmoid", Ones(n) @ (p.T @ x))), equation(h, q * i * h.prev), sizes={"p": (m,)}),
    made("nowhere", equation(g, tanh(W @ x)), equation(h, g + 0 * h.prev), equation(c, p * g), states=(h, c)),
)
# every row of the table of activations, of something positive where it must be
TABLE = tuple(
    made(f"with-{row.name}", equation(y, W @ x + tanh(U @ h.prev)), equation(h, Apply(row.name, 1 + y**2 if row.positive else y) + p * y))
    for row in ACTIVATIONS.values())
# several parts over time: a state that runs backward, what joins two directions, what one part reads of another
WAYS = (
    made("reversed", equation(h, tanh(W @ x + U @ h.next + b))),
    made("both-ways", *(FORTH := (equation(h, tanh(W @ x + U @ h.prev)), equation(r, tanh(V @ x + R @ r.next + b)))),
         equation(y, h + r * h), states=(h, r), output=y),
    made("one-on-the-other", FORTH[0], equation(r, tanh(V @ h + R @ r.next + b)), equation(y, tanh(A_y @ Blocks(((h,), (r,))) + p)),
         states=(h, r), output=y, sizes={"y": (k,), "r": (q,)}),
    made("read-a-step-off", FORTH[0], equation(r, tanh(V @ h.prev + R @ r.next + b)), equation(y, h + r * h.prev + r.next),
         states=(h, r), output=y),
    made("read-from-behind", equation(r, tanh(V @ x + R @ r.next + b)), equation(h, tanh(W @ x + A_y @ r.next + U @ h.prev + r)),
         states=(h, r), output=h),
    made("gives-two", equation(z, sigma(W @ x + U @ h.prev)), equation(c, z * c.prev + tanh(V @ x)), equation(h, z * tanh(c)),
         equation(r, tanh(p * h + R @ r.next + q * c)), states=(h, c, r)),
    made("gives-a-gate", equation(z, sigma(W @ x + U @ h.prev)), equation(h, z * tanh(V @ x)), equation(r, tanh(A_y @ z + R @ r.next)),
         states=(h, r), sizes={"r": (k,)}),
    made("one-matrix-for-all", FORTH[0], equation(r, tanh(W @ x + U @ r.next)), equation(y, h * r + W @ x @ h.T @ b),
         states=(h, r), output=y),
    made("the-other-way", FORTH[0], equation(r, tanh(V @ h + R @ r.next)), equation(s, r * r), states=(h, s, r), output=r,
         sizes={"r": (k,)}),  # s, which no step reads, ends with the last step, and stands among what runs backward
    made("numbers-both-ways", equation(a, tanh(p.T @ x + q @ a.prev)), equation(s, tanh(b @ a + q @ s.next)),
         equation(y, a @ (V @ x) + s @ q @ x), states=(a, s), output=y, sizes={**dict.fromkeys("asqb", (term(1), term(1))), "y": (m,)}),
    made("a-number-between", FORTH[0], equation(s, Ones(n).T @ h), equation(r, tanh(b @ s + R @ r.next)), states=(h, r), output=r,
         sizes={"r": (k,)}),
    made("on-its-own", FORTH[0], equation(r, tanh(R @ r.next + b)), equation(y, r * h), states=(h, r), output=y),
    made("marks-that-are-sizes", equation(h, tanh(W @ x + U @ h.prev)), equation(r_q, tanh(R_q @ r_q.next + n_q * (U_q @ h))),
         states=(h, r_q), output=r_q, sizes={"r_q": (n,)}),
    made("without-memory", equation(z, W @ x + b), equation(h, sigma(z) + tanh(z))),
    made("read-off", equation(h, tanh(W @ x + U @ h.prev)), equation(y, sigma(V @ h + b) * h), output=y),
    made("two-inputs-both-ways", equation(h, tanh(W @ x + V @ u + U @ h.prev)), equation(r, tanh(A_y @ u + R @ r.next)),
         equation(y, h + r), states=(h, r), inputs=(x, u), output=y, sizes={"u": (k,)}),
)
NETWORKS = (
    sl.stack("rnn", 2, bidirectional=True, head="softmax"), sl.stack("lstm", 2, bidirectional=True),
    sl.stack("mlstm", 1, bidirectional=True), sl.stack("lstm-projected", 2, head="linear"),
    sl.stack(["gru", "minlstm"], bidirectional=True, head="sigmoid"))
CELLS = {cell.name: cell for cell in (*zoo.ZOO.values(), *OWN, *ODD, *TABLE, *WAYS, *NETWORKS)}
SLOW = "one by one: "  # before the name of a cell that blocks can hold: the same, written equation by equation
# n and m, batched or not; of two entries layer normalisation leaves but the signs, and its gradients are all rounding: n > 2
POINTS = [(3, 2, True), (3, 2, False), (4, 5, True)]


@cache
def function(name: str) -> Any:
    """The function of a cell; after SLOW, equation by equation."""
    found = sl.lambdify(CELLS[name.removeprefix(SLOW)])
    if name.startswith(SLOW):
        changed(found, written(found.cell, blocked=False))
    return found


BOTH = (*CELLS, *(SLOW + name for name in CELLS if "262144" in function(name).source))


@pytest.mark.parametrize(("n", "m", "batched"), POINTS)
@pytest.mark.parametrize("name", BOTH)
def test_every_number_and_gradient_is_that_of_the_equations(name: str, n: int, m: int, batched: bool) -> None:
    problem = Problem(CELLS[name.removeprefix(SLOW)], n=n, m=m)
    judged(function(name), problem if batched else problem.alone(1))


@pytest.mark.parametrize(("T", "B"), [(1, 1), (1, 3), (5, 1)])
@pytest.mark.parametrize("name", BOTH)
def test_one_step_and_one_sequence(name: str, T: int, B: int) -> None:
    judged(function(name), Problem(CELLS[name.removeprefix(SLOW)], T=T, B=B))


@pytest.mark.parametrize(("name", "old", "new"), [
    ("lstm", "d_c *= f\n", "d_c *= d_h\n"),
    ("slstm", "greater(now_factor_f_tilde, zero", "greater(zero, now_factor_f_tilde"),
    ("slstm", "d_i += d_n", "d_i -= d_n"),
    ("lstm-full-feedback", "[:, n:2 * n]", "[:, :n]"),
    ("lstm-full-feedback", "d_c += part_", "d_c -= part_"),
    ("lstm-layernorm", "size_n = x.dtype.type(n)", "size_n = x.dtype.type(n + 1)"),
    ("mlstm", "np.sign(a)", "1.0"),
    ("mlstm", "d_C = d_C + ", "d_C = "),
    ("mlstm", "f[..., None] * d_C", "i[..., None] * d_C"),
    ("scalar", "d_c = d_c + d_h_c", "d_c = d_c - d_h_c"),
    ("diagonal", "(ones_n[..., None] * eye_n)", "ones_n[..., None]"),
    ("matrix-input", "h_start[None], h[:-1]", "h_start[None], h[1:]"),
])
def test_a_mutant_is_seen(name: str, old: str, new: str) -> None:
    """The law can fail: one change of the code, and some number or gradient is another."""
    found = sl.lambdify(CELLS[name])
    assert old in found.source
    with pytest.raises(AssertionError):
        judged(changed(found, found.source.replace(old, new)), Problem(CELLS[name]))


@pytest.mark.parametrize("name", BOTH)
def test_a_batch_is_its_sequences(name: str) -> None:
    problem, found = Problem(CELLS[name.removeprefix(SLOW)]), function(name)
    trace = found.forward(problem.params, problem.x, problem.state)
    gradients = found.backward(trace, problem.d_outputs, problem.d_state)
    whole, total = problem.gradients(gradients), dict.fromkeys(problem.params, 0.0)
    for k in range(3):
        one = problem.alone(k)
        mine = found.forward(one.params, one.x, one.state)
        assert [part.shape for part in mine.state] == [part[k].shape for part in trace.state]
        np.testing.assert_allclose(mine.outputs, trace.outputs[:, k], rtol=1e-11)
        back = one.gradients(found.backward(mine, one.d_outputs, one.d_state))
        for key in back:
            if key in total:
                total[key] = total[key] + back[key]
            else:
                near(back[key], whole[key][k] if isinstance(key, int) else whole[key][:, k], 1e-10)
    for key, value in total.items():
        near(whole[key], value, 1e-11)


@pytest.mark.parametrize("name", BOTH)
def test_from_zero(name: str) -> None:
    """Without a state it starts from zero, and without the last state's adjoint from that of the outputs alone; in silence."""
    problem, found = Problem(CELLS[name.removeprefix(SLOW)]), function(name)
    zeros = tuple(0 * part for part in problem.state)
    trace, again = found.forward(problem.params, problem.x), found.forward(problem.params, problem.x, zeros)
    np.testing.assert_array_equal(trace.outputs, again.outputs)
    gradients = problem.gradients(found.backward(trace, problem.d_outputs))
    for key, value in problem.gradients(found.backward(again, problem.d_outputs, zeros)).items():
        assert np.isfinite(value).all()
        np.testing.assert_array_equal(gradients[key], value)


@pytest.mark.parametrize("name", [name for name in BOTH if SLOW + name in BOTH])
@pytest.mark.parametrize("steps", [2, 300])
def test_time_is_taken_in_stretches(name: str, steps: int) -> None:
    """The stretches in which factors are prepared leave no seam: T of 300 takes several for large sizes."""
    problem, found = Problem(CELLS[name], T=steps, n=8, seed=1), function(name)
    scale = {key: 0.1 * value for key, value in problem.params.items()}
    state = tuple(0.1 * part for part in problem.state)
    trace = found.forward(scale, 0.1 * problem.x, state)
    gradients = found.backward(trace, problem.d_outputs)
    code = found.source.replace("262144", "1")
    assert code != found.source
    module: dict[str, Any] = {}
    exec(code, module)
    again = module["backward"](module["forward"](scale, 0.1 * problem.x, state), problem.d_outputs)
    for key, value in gradients.params.items():
        np.testing.assert_allclose(value, again.params[key], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(gradients.inputs, again.inputs, rtol=1e-9, atol=1e-11)


# --- dtypes and strides --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BOTH)
def test_the_dtype_is_kept(name: str, dtype: str) -> None:
    problem, found = Problem(CELLS[name.removeprefix(SLOW)]), function(name)
    exact = found.backward(found.forward(problem.params, problem.x, problem.state), problem.d_outputs, problem.d_state)
    cast = lambda given: {key: value.astype(dtype) for key, value in given.items()}
    x = cast(problem.x) if isinstance(problem.x, dict) else problem.x.astype(dtype)
    trace = found.forward(cast(problem.params), x, tuple(part.astype(dtype) for part in problem.state))
    gradients = found.backward(trace, problem.d_outputs.astype(dtype), tuple(part.astype(dtype) for part in problem.d_state))
    assert {str(array.dtype) for array in (*arrays(trace), *arrays(gradients))} == {dtype}
    for array, expected in zip(arrays(gradients), arrays(exact), strict=True):
        near(array, expected, 1e-2 if dtype == "float32" else 1e-15)


def test_arrays_may_lie_in_any_order() -> None:
    problem, function = Problem(zoo.LSTM), sl.lambdify(zoo.LSTM)
    expected = function.backward(function.forward(problem.params, problem.x, problem.state), problem.d_outputs, problem.d_state)
    params = {key: np.asfortranarray(value) for key, value in problem.params.items()}
    trace = function.forward(params, np.asfortranarray(problem.x), tuple(map(np.asfortranarray, problem.state)))
    found = function.backward(trace, np.asfortranarray(problem.d_outputs), tuple(map(np.asfortranarray, problem.d_state)))
    for one, other in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


# --- far out -----------------------------------------------------------------------------------------------------


# where gates go to zero together, a share of theirs is 0 / 0 in floating point, though not in the mathematics
VANISHING = ("minlstm", SLOW + "minlstm")
LARGE = [name for name in BOTH if name.removeprefix(SLOW) in (*zoo.ZOO, *(cell.name for cell in TABLE))
         and name not in (*VANISHING, "with-exp", SLOW + "with-exp")]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LARGE)
def test_far_out_it_is_silent_and_finite(name: str, dtype: str, scale: float = 1e4) -> None:
    problem, found = Problem(CELLS[name.removeprefix(SLOW)]), function(name)
    cast = lambda given, scale=1.0: {key: (scale * value).astype(dtype) for key, value in given.items()}
    x = cast(problem.x, scale) if isinstance(problem.x, dict) else (scale * problem.x).astype(dtype)
    grows = any(word in name for word in ("relu", "noaf"))  # what has no bound is a number of float64
    if grows and dtype == "float32":
        x = x / scale
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        trace = found.forward(cast(problem.params), x, tuple(part.astype(dtype) for part in problem.state))
        gradients = found.backward(trace, problem.d_outputs.astype(dtype), tuple(part.astype(dtype) for part in problem.d_state))
    assert all(np.isfinite(array).all() for array in (*arrays(trace), *arrays(gradients)))


@pytest.mark.parametrize(("name", "far", "first"), [
    *((name, {"b_i": -1e4, "b_f": -1e4}, "f_bar at step 1") for name in VANISHING),  # both gates of minLSTM below the smallest number
    *((name, {"b_f": 1e4}, "h at step 1") for name in ("slstm", SLOW + "slstm")),  # from zero, where m_0 = 0 hides what enters: n_1 = exp(-1e4)
])
def test_what_cannot_be_computed_is_not_silent(name: str, far: dict[str, float], first: str) -> None:
    """0 / 0 is no number, and where it comes from is said."""
    problem = Problem(CELLS[name.removeprefix(SLOW)])
    params = {key: 0 * value + far.get(key, 0.0) for key, value in problem.params.items()}
    with pytest.warns(RuntimeWarning, match="invalid value"), pytest.raises(NotValid, match=f"{first} of sequence 1 "):
        function(name).forward(params, problem.x)


@pytest.mark.parametrize(("dtype", "end"), [("float64", -708.0), ("float32", -87.0)])
def test_sigma_keeps_its_digits_in_the_negative_tail(dtype: str, end: float) -> None:
    points = np.linspace(end, 30, 4001).astype(dtype)
    found = sl.lambdify(made("gate", equation(h, sigma(W @ x + U @ h.prev)))).forward(
        {"W": np.ones((1, 1), dtype), "U": np.zeros((1, 1), dtype)}, points[:, None]).outputs[:, 0]
    exact = np.exp(points.astype("longdouble")) / (1 + np.exp(points.astype("longdouble")))
    assert np.abs(found / exact - 1).max() < (4 if dtype == "float32" else 2.5) * np.finfo(dtype).eps


# --- the generated source ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOTH)
def test_the_source_imports_numpy_alone(name: str) -> None:
    source = function(name).source
    imports = [line for line in source.splitlines() if line.lstrip().startswith(("import ", "from "))]
    assert imports[0] == "import numpy as np" and all(line.startswith("from numpy import ") for line in imports[1:])
    code = source.partition("import numpy")[2]
    assert max(len(line) for line in code.splitlines() if "#" not in line) <= 140


@pytest.mark.parametrize("name", ["lstm", "reset-before", "lstm-layernorm"])
def test_the_source_runs_with_numpy_alone(name: str, tmp_path: Path) -> None:
    problem, function = Problem(CELLS[name]), sl.lambdify(CELLS[name])
    (tmp_path / "generated.py").write_text(function.source)
    np.savez(tmp_path / "given.npz", x=problem.x, d=problem.d_outputs, **problem.params)
    code = ("import sys; sys.modules.update(dict.fromkeys(['sympy', 'symlstm', 'scipy', 'torch']))\n"
            "import numpy as np, generated\n"
            "given = dict(np.load('given.npz')); x, d = given.pop('x'), given.pop('d')\n"
            "trace = generated.forward(given, x); gradients = generated.backward(trace, d)\n"
            "np.savez('found.npz', x=gradients.inputs, y=trace.outputs, **gradients.params)\n")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    found = np.load(tmp_path / "found.npz")
    trace = function.forward(problem.params, problem.x)
    gradients = function.backward(trace, problem.d_outputs)
    np.testing.assert_array_equal(found["y"], trace.outputs)
    np.testing.assert_array_equal(found["x"], gradients.inputs)
    for key, value in gradients.params.items():
        np.testing.assert_array_equal(found[key], value)


def test_names_never_meet() -> None:
    n_t, T, all_h, d_x = quantities("n T all_h d_x")
    cell = made("names", equation(n_t, sigma(W @ x + U @ h.prev + b)), equation(T, n_t * h.prev), equation(all_h, tanh(V @ T)),
                equation(d_x, T + all_h), equation(h, d_x * n_t))
    problem = Problem(cell)
    trace = sl.lambdify(cell).forward(problem.params, problem.x, problem.state)
    np.testing.assert_allclose(trace.outputs, problem.plain(problem.points())[0], rtol=1e-12)
    names = Names(["T"])
    wishes = [(1, "T"), (2, "h"), (3, "h"), (2, "other"), (4, "lambda")]
    assert [names(key, wish) for key, wish in wishes] == ["T_", "h", "h_", "h", "lambda_"]


def test_the_rule_of_rows_and_columns() -> None:
    """Each product of the rule is the mathematical one for every row, or its sum over the rows."""
    generator = np.random.default_rng(0)
    P, v, d = generator.standard_normal((3, 2)), generator.standard_normal((5, 2)), generator.standard_normal((5, 3))
    def product(factors: tuple[str, str]) -> np.ndarray:
        left, right = (eval(text, {"P": P, "v": v, "d": d}) for text in factors)
        return left @ right
    columns = list(zip(v[..., None], d[..., None], strict=True))
    np.testing.assert_allclose(product(forward_product("P", "v"))[..., None], [P @ column for column, _ in columns])
    np.testing.assert_allclose(product(backward_product("P", "d"))[..., None], [P.T @ column for _, column in columns])
    np.testing.assert_allclose(product(weight_product("d", "v")), sum(column @ row.T for row, column in columns))


def test_statements_write_over_what_they_have_read() -> None:
    code = Call("subtract", (Call("multiply", ("a", Call("add", ("b", "1")))), Call("square", (Call("negative", ("out",)),))))
    values = {"a": np.array([2.0]), "b": np.array([3.0]), "out": np.array([5.0]), "s0": np.empty(1), "s1": np.empty(1), **vars(np)}
    exec("\n".join(statements(code, "out", "s{}".format)), values)
    assert values["out"] == 2.0 * 4.0 - 25.0


# --- messages ----------------------------------------------------------------------------------------------------


def refused(call: Callable[[], Any], *words: str, kind: type[Exception] = NotValid) -> None:
    with pytest.raises(kind) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)


P = Problem(zoo.LSTM, T=4)
F = sl.lambdify(zoo.LSTM)


@pytest.mark.parametrize(("change", "words"), [
    ({"W_f": P.params["W_f"].T}, ("W_f", "(2, 3)", "(3, 2)", "n x m")),
    ({"U_o": P.params["W_f"]}, ("U_o", "(3, 2)", "(3, 3)")),
    ({"b_g": P.params["b_g"][:, None]}, ("b_g", "(3, 1)", "(3,)")),
    ({"W_f": P.params["W_f"].astype(int)}, ("W_f", "int64", "float64", "(3, 2)")),
    ({"W_f": P.params["W_f"].astype("float32")}, ("W_f", "float32", "float64")),
    ({"W_f": P.params["W_f"] * [1.0, np.nan]}, ("W_f[0, 1] is nan",)),
    ({"b_o": np.array([1.0, 2.0, np.nan])}, ("b_o[2] is nan",)),
    ({"W_z": 1.0}, ("no parameter 'W_z'", "W_i")),
])
def test_a_parameter_that_cannot_be_is_named(change: dict[str, Any], words: tuple[str, ...]) -> None:
    refused(lambda: F.forward({**P.params, **change}, P.x), *words)


def test_other_things_that_cannot_be() -> None:
    trace = F.forward(P.params, P.x)
    missing = {key: value for key, value in P.params.items() if key != "b_o"}
    refused(lambda: F.forward(missing, P.x), "b_o is missing")
    refused(lambda: F.forward([1], P.x), "not a mapping")  # type: ignore[arg-type]
    refused(lambda: F.forward(P.params, P.x[0, 0]), "(T, B, m)")
    refused(lambda: F.forward(P.params, P.x[:0]), "empty", "(0, 3, 2)")
    refused(lambda: F.forward(P.params, P.x.astype(int)), "int64", "float64")
    refused(lambda: F.forward(P.params, P.x.astype(complex)), "complex128")
    refused(lambda: F.forward(P.params, np.where(P.x > 1, np.nan, P.x)), "x[", "nan")
    refused(lambda: F.forward(P.params, P.x[..., :1]), "x has the shape (4, 3, 1)", "W_i has the shape (3, 2)")
    refused(lambda: F.forward(P.params, P.x, P.state[0]), "tuple (h, c)")  # type: ignore[arg-type]
    refused(lambda: F.forward(P.params, P.x, P.state[:1]), "1 parts", "(h, c)")
    refused(lambda: F.forward(P.params, P.x, (P.state[0], P.state[1][:2])), "the state c", "(2, 3)", "(3, 3)")
    refused(lambda: F.forward(P.params, P.x[:, 0], P.state), "the state h", "(3,)")
    refused(lambda: F.backward(trace, P.d_outputs[:2]), "d_outputs", "(2, 3, 3)", "(4, 3, 3)")
    refused(lambda: F.backward(trace, P.d_outputs.astype("float32")), "d_outputs is float32")
    refused(lambda: F.backward(trace, P.d_outputs, (P.d_state[0], P.d_state[0][:1])), "d_state for c", "(1, 3)")
    refused(lambda: F.backward(sl.lambdify(zoo.RNN).forward(sl.random_parameters(zoo.RNN, 3, 2), P.x), P.d_outputs), "trace")
    refused(lambda: sl.lambdify(zoo.LSTM, backend="fortran"), "fortran", "one of numpy, ", "jax, torch")
    refused(lambda: sl.lambdify(zoo.LSTM, args=("x",)), "by name")  # type: ignore[call-overload]


SCALAR, MLSTM = Problem(zoo.ZOO["scalar"]), Problem(zoo.ZOO["mlstm"])


def test_several_inputs_are_a_tuple_or_named() -> None:
    found, values = sl.lambdify(SCALAR.cell), tuple(SCALAR.inputs.values())
    one, two = found.forward({}, values, SCALAR.state), found.forward({}, SCALAR.inputs, SCALAR.state)
    np.testing.assert_array_equal(one.outputs, two.outputs)
    assert one.outputs.shape == (5, 3) and one.state[0].shape == (3,)
    by_place, by_name = (found.backward(trace, SCALAR.d_outputs).inputs for trace in (one, two))
    assert isinstance(by_place, tuple) and list(by_name) == ["z", "z_i", "z_f", "z_o"]
    for left, right in zip(by_place, by_name.values(), strict=True):
        assert left.shape == (5, 3)
        np.testing.assert_array_equal(left, right)
    turned = dict(reversed(SCALAR.inputs.items()))  # by name, the order does not count
    np.testing.assert_array_equal(found.forward({}, turned, SCALAR.state).outputs, one.outputs)
    alone = found.forward({}, tuple(value[:, 0] for value in values), tuple(part[0] for part in SCALAR.state))
    assert alone.outputs.shape == (5,) and alone.state[0].shape == ()


def test_inputs_that_cannot_be() -> None:
    found, values = sl.lambdify(SCALAR.cell), SCALAR.inputs
    def refusal(changes: dict[str, Any], *words: str) -> None:
        refused(lambda: found.forward({}, {**values, **changes}), *words)
    refusal({"z_f": values["z_f"][:4]}, "z_f", "(4, 3)", "(5, 3)", "as in z")
    refusal({"z_f": values["z_f"][..., None, None]}, "the input z_f", "(5, 3, 1, 1)", "(T, B)")
    refusal({"z_f": values["z_f"].astype("float32")}, "z_f is float32", "float64")
    refusal({"z_f": np.where(values["z_f"] > 0, np.nan, 0)}, "z_f[", "nan")
    refusal({"q": values["z"]}, "x has z, z_i, z_f, z_o, q", "(z, z_i, z_f, z_o)")
    refused(lambda: found.forward({}, tuple(values.values())[:3]), "4 inputs", "3 parts", "(z, z_i, z_f, z_o)")
    refused(lambda: found.forward({}, values["z"]), "4 inputs", "ndarray")
    refused(lambda: found.forward({"W": values["z"]}, values), "no parameter 'W'")


def test_numbers_and_matrices_that_cannot_be() -> None:
    found, problem = sl.lambdify(MLSTM.cell), MLSTM
    h_0, C_0, n_0, m_0 = problem.state
    assert [part.shape for part in found.forward(problem.params, problem.x).state] == [(3, 3), (3, 3, 3), (3, 3), (3,)]
    def refusal(state: tuple[Any, ...], *words: str) -> None:
        refused(lambda: found.forward(problem.params, problem.x, state), *words)
    refusal((h_0, C_0[..., 0], n_0, m_0), "the state C", "(3, 3)", "(3, 3, 3)")
    refusal((h_0, C_0, n_0, m_0[:, None]), "the state m", "(3, 1)", "(3,)")
    refusal((h_0, C_0, n_0), "3 parts", "(h, C, n, m)")
    wrong = {**problem.params, "b_i": problem.params["b_i"][None]}
    refused(lambda: found.forward(wrong, problem.x), "b_i has the shape (1,)", "(): b_i is a number")
    refused(lambda: found.forward({**problem.params, "w_i": np.ones(3)}, problem.x), "w_i has the shape (3,)", "(2,)")


@pytest.mark.parametrize(("name", "change", "words"), [
    ("one-matrix", {"b": np.ones(13)}, ("b has the shape (13,)", "(12,)")),
    ("one-matrix", {"W": np.ones((12, 6))}, ("W has the shape (12, 6)", "(12, 5)")),
    ("lstm-full-feedback", {"W_i": np.ones((3, 7))}, ("W_i has the shape (3, 7)", "(3, 8)")),
    ("lstm-projected", {"W_h": np.ones((3, 3))}, ("W_h has the shape (3, 3)", "(3, 4)", "k = 4")),
])
def test_sizes_that_do_not_fit(name: str, change: dict[str, Any], words: tuple[str, ...]) -> None:
    problem = Problem(CELLS[name])
    refused(lambda: function(name).forward({**problem.params, **change}, problem.x), *words)


def test_further_sizes_are_read_off_the_parameters() -> None:
    cell = zoo.ZOO["lstm-projected"]
    trace = function("lstm-projected").forward(sl.random_parameters(cell, n=3, m=2, k=7), P.x)
    assert trace.outputs.shape == (4, 3, 3) and trace.state[1].shape == (3, 7)


def test_open_functions_are_what_one_says() -> None:
    by_default, cell = sl.lambdify(SCALAR.cell), SCALAR.cell
    same = sl.lambdify(cell, functions={"f": "sigma", "g": "tanh", "h": "tanh"})
    other = sl.lambdify(cell, functions={"h": "relu"})
    assert "f: any function; sigma stands for it" in by_default.source and "stands for it" not in same.source
    assert "h[t] = tanh" not in other.source and "h: any function" not in other.source and "g: any function" in other.source
    values = {name: value + 0.1 for name, value in SCALAR.inputs.items()}
    results = []
    for found in (by_default, same, other):
        trace = found.forward({}, values, SCALAR.state)
        back = found.backward(trace, SCALAR.d_outputs, SCALAR.d_state)
        results.append((trace, [*back.inputs.values(), *back.state]))
    near(results[1][0].outputs, results[0][0].outputs, 1e-15)
    for one, two in zip(results[0][1], results[1][1], strict=True):
        near(one, two, 1e-14)
    c = results[2][0].state[1]  # written by hand: a = relu(c) sigma(z_o)
    near(results[2][0].outputs[-1], np.maximum(c, 0) / (1 + np.exp(-values["z_o"][-1])), 1e-14)
    refused(lambda: sl.lambdify(cell, functions={"q": "tanh"}), "'q'", "g, f, h")
    refused(lambda: sl.lambdify(cell, functions={"f": "swoosh"}), "'swoosh'", "sigma")
    refused(lambda: sl.lambdify(zoo.LSTM, functions={"f": "tanh"}), "lstm leaves no function 'f' open")
    refused(lambda: sl.lambdify(zoo.LSTM.equations[0], functions={"f": "tanh"}), "Only a cell")  # type: ignore[call-overload]


def test_what_is_infinite_is_named_where_it_shows() -> None:
    """A gate saturates: an infinite bias of it is a limit, of which nothing shows."""
    limit = F.forward({**P.params, "b_o": P.params["b_o"] + [0, 0, 1e4]}, P.x)
    np.testing.assert_array_equal(F.forward({**P.params, "b_o": P.params["b_o"] + [0, 0, np.inf]}, P.x).outputs, limit.outputs)
    trace = F.forward({**P.params, "W_o": P.params["W_o"] + np.array([[0.0, 0], [0, 0], [np.inf, 0]])}, P.x)
    with np.errstate(all="ignore"):
        refused(lambda: F.backward(trace, P.d_outputs), "the gradient by x[", "finite numbers in params")
    linear = Problem(CELLS["unnamed-output"])
    with np.errstate(all="ignore"):
        refused(lambda: function("unnamed-output").forward({**linear.params, "U": linear.params["U"] + np.inf}, linear.x), "U[0, 0] is inf")


def test_huge_finite_numbers_are_numbers() -> None:
    params = {key: value * 1e200 for key, value in P.params.items()}
    with np.errstate(all="ignore"):
        assert np.isfinite(F.forward(params, P.x * 1e-100).outputs).all()


@pytest.mark.parametrize(("line", "word"), [
    (equation(h, Max((W @ x, U @ h.prev, b))), "max(W @ x[t], U @ h[t-1], b)"),
    (equation(h, tanh(W @ x) ** m), "exponent"),
    (equation(h, Norm(U) @ (W @ x)), "Norm"),
])
def test_what_the_generator_cannot_do_it_says(line: Relation, word: str) -> None:
    refused(lambda: sl.lambdify(made("odd", equation(g, tanh(h.prev)), line)), word, "h[t] = ", kind=NotSupported)


def test_a_size_that_no_parameter_shows_is_an_error() -> None:
    refused(lambda: sl.lambdify(made("none", equation(g, sigma(p * x)), equation(h, h.prev**2 + 1))), kind=NotSupported)


def test_a_refusal_leaves_nothing_behind() -> None:
    function, other = sl.lambdify(zoo.LSTM), Problem(zoo.LSTM, n=5)
    for problem in (P, other, P):
        function.forward(problem.params, problem.x, problem.state)
        refused(lambda: function.forward({**other.params, "b_o": np.ones(7)}, other.x), "b_o", "(7,)", "(5,)")
        refused(lambda: function.forward({**problem.params, "b_o": problem.params["b_o"] * np.nan}, problem.x), "b_o[0] is")  # noqa: B023
        assert function.forward(problem.params, problem.x, problem.state).state[0].shape == problem.state[0].shape


def test_what_is_shown_of_them() -> None:
    trace = F.forward(P.params, P.x)
    assert repr(F).startswith("CellFunction(cell=Cell('lstm')")
    assert repr(trace) == "Trace(outputs=(4, 3, 3), state=((3, 3), (3, 3)))"
    assert "inputs=(4, 3, 2)" in repr(F.backward(trace, P.d_outputs))
