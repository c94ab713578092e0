"""Values and measured derivatives: against NumPy, against the reference, and against a difference quotient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symlstm import zoo
from symlstm.activations import ACTIVATIONS, STAND_INS, Activation, Y
from symlstm.activations import X as ARGUMENT
from symlstm.algebra import (
    Adj,
    Apply,
    Blocks,
    Diag,
    Div,
    Hadamard,
    Max,
    Norm,
    NotSupported,
    NotValid,
    Num,
    Partial,
    Pow,
    Prime,
    Prod,
    Relation,
    Sum,
    Sym,
    Term,
    Time,
    equation,
    quantities,
    quantity,
    symbols,
    term,
    walk,
)
from symlstm.evaluate import Evaluator, apply, slope
from symlstm.evidence.points import Point
from symlstm.evidence.sequence import Outside, Sequence
from symlstm.model import Cell

A, B, u, v, s = symbols("A B u v s")
ARRAYS: dict[Term, Any] = {}
_draw = np.random.default_rng(0)
for _leaf, _shape in ((A, (3, 2)), (B, (2, 3)), (u, (3, 1)), (v, (2, 1)), (s, (1, 1))):
    ARRAYS[_leaf] = _draw.standard_normal(_shape)
a, b, p, q, k = (ARRAYS[leaf] for leaf in (A, B, u, v, s))
H, C, X, Z = quantities("h c x z")

CASES: tuple[tuple[Term, Any], ...] = (
    (A @ B @ u, a @ b @ p),
    (s @ u, k * p),
    (u.T @ u @ v, (p.T @ p) * q),
    (1 - u, 1 - p),
    (-u * u / (2 + u**2), -p * p / (2 + p**2)),
    (Div(u, s), p / k),
    (A.T * B, a.T * b),
    (Diag(u) @ A, np.diagflat(p) @ a),
    (Pow(u * u, Num(term(1).value / 2)), np.abs(p)),  # type: ignore[attr-defined]
    (Pow(u, term(-2)), p**-2.0),
    (Blocks(((A, A), (B.T, B.T))), np.block([[a, a], [b.T, b.T]])),
    (Blocks(((term(1), term(2)),)), np.array([[1, 2]])),
    (Max((term(0), u)), np.maximum(0, p)),
    (Norm(A), [[np.linalg.norm(a, 2)]]),
    (Apply("sigma", u), 1 / (1 + np.exp(-p))),
    (Prime("tanh", u), 1 - np.tanh(p) ** 2),
    (Sum("t", Time("", 1), Time("", 3), Sym("t") @ u), 6 * p),
    (Prod("t", Time("", 3), Time("", 2), Sym("t") @ Diag(u)), 6 * np.diagflat(p) ** 2),
)


@pytest.mark.parametrize(("node", "value"), CASES, ids=[str(node) for node, _ in CASES])
def test_a_term_has_numpys_value(node: Term, value: Any) -> None:
    np.testing.assert_allclose(Evaluator(ARRAYS.__getitem__)(node), value, rtol=1e-14)


@pytest.mark.parametrize("node", [u + v, u * u.T, A @ A, u + A, Diag(A), Hadamard((u, s)), Pow(u, u), Blocks(((A, B),))], ids=str)
def test_shapes_that_do_not_fit_are_refused_and_nothing_is_broadcast(node: Term) -> None:
    with pytest.raises(NotValid):
        Evaluator(ARRAYS.__getitem__)(node)


def test_products_run_in_either_direction() -> None:
    matrices = {Sym("J", Time("", t)): _draw.standard_normal((2, 2)) for t in range(1, 4)}
    body = Sym("J", Time("t"))
    value = Evaluator(matrices.__getitem__)
    one, two, three = matrices.values()
    np.testing.assert_allclose(value(Prod("t", Time("", 1), Time("", 3), body)), one @ two @ three)
    np.testing.assert_allclose(value(Prod("t", Time("", 3), Time("", 1), body)), three @ two @ one)


@given(st.floats(-20, 20), st.sampled_from(["sigma", "tanh", "exp", "relu"]))
@settings(max_examples=50, deadline=None)
def test_slopes_by_complex_step_are_difference_quotients(x: float, name: str) -> None:
    if name == "relu" and abs(x) < 1e-3:
        return
    quotient = (apply(name, x + 1e-6) - apply(name, x - 1e-6)) / 2e-6
    assert slope(name, x) == pytest.approx(float(quotient), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("row", (*ACTIVATIONS.values(), *STAND_INS.values()), ids=lambda row: row.name)
def test_slopes_by_complex_step_are_those_of_the_rows_own_formulas(row: Activation) -> None:
    """At 200 points: the slope at the argument, the slope in terms of the value, and the NumPy forms."""
    x = np.random.default_rng(0).uniform(1e-2 if row.positive else -6, 6, (200, 1))
    for kink in row.kinks:
        x = x[np.abs(x - kink) > 1e-3][:, None]
    measured, y = slope(row.name, x), apply(row.name, x)
    numpy = {"x": x, "y": y} | {name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "maximum", "minimum", "abs", "sign")}
    same(y, eval(row.numpy, {"__builtins__": {}}, numpy))  # our own table
    same(measured, eval(row.numpy_slope, {"__builtins__": {}}, numpy))
    leaves: dict[Term, Any] = {ARGUMENT: x, Y: y}
    at = Evaluator(leaves.__getitem__)
    for formula in (row.slope_at, row.slope_of):
        if formula is not None:
            same(measured, at(formula))


def same(found: Any, wanted: Any) -> None:
    """To 1e-14 of the largest entry."""
    wanted = np.broadcast_to(wanted, np.shape(found))
    assert np.abs(found - wanted).max() <= 1e-14 * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("values", [(-2.0, 3.0), (2.0, -3.0)], ids=str)
def test_a_complex_step_goes_through_the_larger_by_its_real_part(values: tuple[float, float]) -> None:
    one, other = (np.array([[value + 1j * change]]) for value, change in zip(values, (-5e-30, 7e-30), strict=True))
    leaves: dict[Term, Any] = {u: one, v: other}
    both = Evaluator(leaves.__getitem__)
    assert both(Max((u, v))) == (one if values[0] > values[1] else other)
    assert both(Apply("abs", u)) == one * np.sign(values[0])
    assert both(Apply("relu", u)) == (one if values[0] > 0 else 0)


def test_no_slope_is_claimed_at_a_kink() -> None:
    with pytest.raises(NotValid, match="no slope"):
        slope("relu", 0.0)


@pytest.mark.parametrize("cell", [zoo.LSTM, zoo.RNN], ids=lambda cell: cell.name)
def test_the_interpreter_is_the_reference_at_every_quantity_and_derivative(cell: Cell) -> None:
    by_reference = Sequence(cell)
    by_interpreter = Sequence(cell, run=by_reference._by_interpreter)
    names = [line.lhs for line in cell.named]
    for t in range(1, 6):
        one, other = by_reference.evaluator({"t": t}), by_interpreter.evaluator({"t": t})
        for node in (*names, *map(Adj, names), *(Adj(symbol.at(Time())) for symbol in cell.parameter_terms)):  # type: ignore[arg-type]
            np.testing.assert_allclose(one(node), other(node), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", zoo.cells())
def test_every_measured_adjoint_of_every_cell_is_in_a_difference_quotient_of_the_loss(name: str) -> None:
    """Everything that a run starts from moves along one direction, and each thing along it alone."""
    cell, step = zoo.cell(name), 1e-6
    run = Sequence(cell)
    draw, nothing = np.random.default_rng(5), replace(run.point, params={}, inputs=(), states=())
    for _ in range(2):
        way = replace(
            nothing,
            params={key: draw.standard_normal(value.shape) for key, value in run.point.params.items()},
            inputs=[tuple(draw.standard_normal(value.shape) for value in given) for given in run.point.inputs],
            states=[draw.standard_normal(value.shape) for value in run.point.states],
        )
        at = run.evaluator({})
        expected = sum(float(np.sum(at(Partial(Sym("L"), Sym(key))) * value)) for key, value in way.params.items())
        for t, changes in enumerate(way.inputs, start=1):
            expected += sum(float(np.sum(at(Adj(symbol.at(Time("", t)))) * value))
                            for symbol, value in zip(cell.input_terms, changes, strict=True))
        for state, value in zip(cell.state_terms, way.states, strict=True):
            expected += float(np.sum(at(Adj(state.at(Time("", 0)))) * value))
        losses = [float(Sequence(cell, point=moved(run.point, way, sign * step)).evaluator({})(Sym("L")).item()) for sign in (1, -1)]
        assert expected == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=1e-5)


def moved(point: Point, way: Point, step: float) -> Point:
    return replace(
        point,
        params={name: value + step * way.params[name] for name, value in point.params.items()},
        inputs=[tuple(value + step * change for value, change in zip(*pair, strict=True))
                for pair in zip(point.inputs, way.inputs, strict=True)],
        states=[value + step * change for value, change in zip(point.states, way.states, strict=True)],
    )


@pytest.mark.parametrize("name", zoo.cells())
def test_every_quantity_of_every_cell_has_a_value_and_an_adjoint_of_its_size(name: str) -> None:
    cell = zoo.cell(name)
    run = Sequence(cell)
    at = run.evaluator({"t": 3})
    for symbol in (*(line.lhs for line in cell.named), *cell.input_terms, *(state.prev for state in cell.state_terms)):
        assert isinstance(symbol, Sym)
        size = cell.shapes.at(symbol.name, run.sizes)
        assert at(symbol).shape == at(Adj(symbol)).shape == size
        assert any(run.evaluator({"t": t})(Adj(symbol)).any() for t in range(1, 6)), symbol
    for symbol in cell.parameter_terms:
        copies = Sum("t", Time("", 1), Time("T"), Adj(symbol.at(Time())))
        np.testing.assert_allclose(at(copies), at(Partial(Sym("L"), symbol)), rtol=1e-11, atol=1e-13)


def test_a_letter_is_a_size_without_a_time_and_a_state_with_one() -> None:
    at = Sequence(zoo.cell("slstm")).evaluator({"t": 2})
    assert (at(Sym("n")), at(Sym("m"))) == (3, 2)
    assert at(quantity("n")).shape == at(quantity("m")).shape == at(Adj(quantity("m"))).shape == (3, 1)
    projected = Sequence(zoo.cell("lstm-projected")).evaluator({"t": 2})
    assert projected(Sym("k")) == 4 and projected(C).shape == (4, 1) and projected(Partial(H, C.prev)).shape == (3, 4)


def test_adjoints_of_matrices_are_measured_and_derivatives_that_are_no_matrix_refused() -> None:
    M, N = quantities("C n")
    at = Sequence(zoo.cell("mlstm")).evaluator({"t": 3})
    np.testing.assert_allclose(at(Adj(M, arriving=True)), at(quantity("f").next @ Adj(M.next)), rtol=1e-12)
    assert at(Partial(N, N.prev)).shape == (3, 3) and at(Partial(quantity("m"), quantity("m").prev)).shape == (1, 1)
    for node in (Partial(M, N.prev), Partial(H, M.prev), Partial(M, M.prev, direct=True), Partial(M, quantity("k"), direct=True)):
        with pytest.raises(NotSupported, match="not a matrix"):
            at(node)


def test_measured_adjoints_are_difference_quotients_of_the_loss() -> None:
    """By the bias, from two runs beside the first one: total over time, and the sum of the copies' adjoints."""
    run, step = Sequence(zoo.LSTM), 1e-6
    measured = run.evaluator({})(Partial(Sym("L"), Sym("b_f")))
    for j in range(3):
        losses = []
        for sign in (1, -1):
            params = {name: value.copy() for name, value in run.point.params.items()}
            params["b_f"][j] += sign * step
            moved = Sequence(zoo.LSTM, point=replace(run.point, params=params))
            losses.append(float(moved.evaluator({})(Sym("L")).item()))
        assert measured[j, 0] == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=1e-6)
    copies = Sum("t", Time("", 1), Time("T"), Adj(quantity("b_f")))
    np.testing.assert_allclose(run.evaluator({})(copies), measured, rtol=1e-13)


def test_the_whole_adjoint_is_the_part_that_arrives_and_the_loss_of_this_step() -> None:
    run = Sequence(zoo.RNN)
    line = equation(Adj(H), Adj(H, arriving=True) + Partial(quantity("ell"), H))
    [(times, (left, right), _)] = run.points(line)
    assert [each["t"] for each in times] == [1, 2, 3, 4, 5] and len(left) == 5
    np.testing.assert_allclose(left, right, rtol=1e-13)


def test_nothing_arrives_at_the_last_step_and_adjoints_after_it_are_zero() -> None:
    run = Sequence(zoo.LSTM)
    last = run.evaluator({"t": 5})
    assert not last(Adj(C, arriving=True)).any() and not last(Adj(C.next)).any() and last(Adj(C)).any()


def test_what_is_said_of_a_step_is_looked_at_with_something_arriving() -> None:
    """Without the path through the next step an adjoint is right at the last step of a loss, and at no step of a relation."""
    run, o = Sequence(zoo.LSTM), quantity("o")
    short = equation(Adj(C), Adj(H) * o * (1 - Apply("tanh", C) ** 2))
    last = run.evaluator({"t": 5})
    np.testing.assert_allclose(last(short.lhs), last(short.rhs), rtol=1e-13)
    [(times, sides, _)] = run.points(short)
    assert len(times) == 5 and not any(map(np.allclose, *sides))


def test_an_adjoint_of_a_stabiliser_is_zero_until_something_arrives() -> None:
    """No output depends on it: the states are scaled by it, and what is made of them is not."""
    run, m = Sequence(zoo.cell("slstm")), quantity("m")
    for t in range(1, 6):
        assert np.abs(run.evaluator({"t": t})(Adj(m))).max() < 1e-13
        assert np.abs(run.evaluator({"t": t}, (t, t))(Adj(m))).min() > 1e-3


def test_initial_states_are_given_and_no_function_of_each_other() -> None:
    with pytest.raises(Outside, match="is given"):
        Sequence(zoo.LSTM).evaluator({"t": 1})(Partial(H.prev, C.prev))


def test_direct_and_total_derivatives_differ() -> None:
    run = Sequence(zoo.LSTM)
    at = run.evaluator({"t": 4, "k": 1})
    np.testing.assert_allclose(at(Partial(C, C.prev, direct=True)), at(Diag(quantity("f"))), rtol=1e-14)
    assert not np.allclose(at(Partial(C, C.prev)), at(Partial(C, C.prev, direct=True)))
    product = at(Prod("s", Time("t"), Time("k", 1), Diag(Sym("f", Time("s")))))
    np.testing.assert_allclose(at(Partial(C, C.at(Time("k")), direct=True)), product, rtol=1e-13)


def test_a_jacobian_over_several_steps_is_the_chain_rule() -> None:
    at = Sequence(zoo.RNN).evaluator({"t": 4})
    two = at(Partial(H, H.prev)) @ at(Partial(H.prev, H.prev.prev))
    np.testing.assert_allclose(at(Partial(H, H.prev.prev)), two, rtol=1e-12)


def test_what_does_not_exist_is_said_so() -> None:
    run = Sequence(zoo.RNN)
    with pytest.raises(Outside):
        run.evaluator({"t": 0})(Z)
    with pytest.raises(NotValid, match="no quantity"):
        run.evaluator({"t": 1})(Adj(quantity("f")))
    assert not list(run.points(equation(Z, Z.at(Time("", 9)))))
    condition = Relation((Sym("t"), Sym("k")), (">",))
    [(times, _, _)] = run.points(Relation((H, H.at(Time("k"))), ("=",), condition))
    assert len(times) == 15


def test_runs_and_times_side_by_side_are_the_same_as_one_by_one() -> None:
    """At many points and all times at once come the numbers that each point and time gives alone."""
    cell = zoo.cell("slstm")
    run = Sequence(cell).others
    line = next(line for line in cell.named if any(isinstance(part, Max) for part in walk(line.rhs)))
    slope = equation(Partial(quantity("h"), quantity("m").prev), Partial(quantity("h"), quantity("m").prev))
    assert run.count > 1
    for statement in (line, slope, equation(Adj(quantity("c")), Adj(quantity("c")))):
        [(times, sides, _)] = run.points(statement)
        for place in range(run.count):
            point = replace(
                run.point, params={name: value[place] for name, value in run.point.params.items()},
                inputs=[tuple(value[place] for value in given) for given in run.point.inputs],
                states=[value[place] for value in run.point.states], weights=run.point.weights[place],
                arriving=[value[place] for value in run.point.arriving],
            )
            alone = Sequence(cell, run.steps, run.sizes["n"], run.sizes["m"], point=point)
            for k, each in enumerate(times):
                at = alone.evaluator(each, (each["t"], each["t"]))
                for side, node in zip(sides, statement.terms, strict=True):
                    np.testing.assert_allclose(side[k][place], at(node), rtol=1e-11, atol=1e-14)
