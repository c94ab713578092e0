"""The reference is right by itself: against plain NumPy, over every type of number, and it imports nothing of ours."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Rational, Symbol, exp, simplify
from sympy import tanh as sympy_tanh

from symlstm import reference, zoo
from symlstm.model import Cell, random_parameters

N, M, T = 3, 2, 5
LOOPS = {"lstm": (reference.lstm, zoo.LSTM), "rnn": (reference.rnn, zoo.RNN)}


def _case(cell: Cell, seed: int = 1) -> tuple[dict[str, Any], np.ndarray, list[np.ndarray]]:
    draw = np.random.default_rng(seed)
    return random_parameters(cell, N, M, seed), draw.standard_normal((T, M)), [draw.standard_normal(N) for _ in cell.state_terms]


def _listed(params: dict[str, Any], xs: Any, states: Any) -> tuple[Any, ...]:
    return {name: value.tolist() for name, value in params.items()}, xs.tolist(), *(state.tolist() for state in states)


def _plain_lstm(p: dict[str, Any], xs: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The same in four lines of NumPy, written from the paper's equations."""
    for x in xs:
        i, f, o = (1 / (1 + np.exp(-(p[f"W_{k}"] @ x + p[f"U_{k}"] @ h + p[f"b_{k}"]))) for k in "ifo")
        c = f * c + i * np.tanh(p["W_g"] @ x + p["U_g"] @ h + p["b_g"])
        h = o * np.tanh(c)
    return h, c


def test_the_lstm_is_the_equations_in_plain_numpy() -> None:
    params, xs, states = _case(zoo.LSTM)
    last = reference.lstm(*_listed(params, xs, states))[-1]
    h, c = _plain_lstm(params, xs, *states)
    np.testing.assert_allclose(last["h"], h, rtol=1e-13)
    np.testing.assert_allclose(last["c"], c, rtol=1e-13)


def test_the_rnn_is_the_equation_in_plain_numpy() -> None:
    params, xs, (h,) = _case(zoo.RNN)
    last = reference.rnn(*_listed(params, xs, [h]))[-1]
    for x in xs:
        h = np.tanh(params["W"] @ x + params["U"] @ h + params["b"])
    np.testing.assert_allclose(last["h"], h, rtol=1e-13)


@pytest.mark.parametrize("name", LOOPS)
def test_fifty_digits_and_float64_agree_to_float64(name: str) -> None:
    loop, cell = LOOPS[name]
    params, xs, states = _case(cell)
    context = mpmath.MPContext()
    context.dps = 50
    exact = {key: np.vectorize(context.mpf, otypes=[object])(value).tolist() for key, value in params.items()}
    listed = [[[context.mpf(v) for v in x] for x in xs], *([context.mpf(v) for v in state] for state in states)]
    precise, double = loop(exact, *listed), loop(*_listed(params, xs, states))
    for key, value in precise[-1].items():
        np.testing.assert_allclose(double[-1][key], np.array(value, dtype=float), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", LOOPS)
def test_complex_step_is_the_central_difference_and_sees_what_it_nudges(name: str) -> None:
    """A derivative by h_2[t=2], by nudging its definition: complex step against a difference quotient in 50 digits."""
    loop, cell = LOOPS[name]
    params, xs, states = _case(cell)

    def loss(step: Any) -> Any:
        def nudge(what: str, t: int, value: Any) -> Any:
            return [value[0], value[1] + step, value[2]] if (what, t) == ("h", 2) else value
        return sum(v * v for v in loop(*_listed(params, xs, states), nudge=nudge)[-1]["h"])

    by_complex_step = loss(1e-30j).imag / 1e-30
    assert by_complex_step != 0
    assert by_complex_step == pytest.approx((loss(1e-6) - loss(-1e-6)) / 2e-6, rel=1e-7)


@pytest.mark.parametrize("name", LOOPS)
def test_every_quantity_every_copy_and_every_hand_over_is_nudged_once(name: str) -> None:
    loop, cell = LOOPS[name]
    params, xs, states = _case(cell)
    seen: list[tuple[str, int]] = []
    loop(*_listed(params, xs, states), nudge=lambda what, t, value: seen.append((what, t)) or value)
    quantities = {*params, "x", *(line.lhs.name for line in cell.named)}
    handed = {state.name for state in cell.state_terms}
    wanted = {(what, t) for what in quantities for t in range(1, T + 1)}
    wanted |= {(what, 0) for what in handed} | {(f"{what}+", t) for what in handed for t in range(T)}
    assert set(seen) == wanted and len(seen) == len(wanted)


def test_a_number_may_be_an_array_that_carries_many_runs() -> None:
    params, xs, states = _case(zoo.LSTM)
    shifts = np.array([0.0, 0.5, -1.0])
    many = reference.lstm(*_listed(params, xs, states), nudge=lambda what, t, v: [v[0] + shifts, *v[1:]] if what == "x" else v)
    for k, shift in enumerate(shifts):
        moved = xs + np.array([shift, 0.0])
        alone = reference.lstm(*_listed(params, moved, states))
        np.testing.assert_allclose([v[k] for v in many[-1]["h"]], alone[-1]["h"], rtol=1e-13)


def test_the_formulas_shown_are_what_sympy_says() -> None:
    x = Symbol("x", real=True)
    sigma = 1 / (1 + exp(-x))
    for point in (Rational(-3, 2), Rational(0), Rational(2)):
        assert reference.sigmoid_slope(float(point)) == pytest.approx(float(sigma.diff(x).subs(x, point)), rel=1e-14)
        assert reference.tanh_slope(float(point)) == pytest.approx(float(sympy_tanh(x).diff(x).subs(x, point)), rel=1e-14)
    assert simplify(sigma.diff(x) - sigma * (1 - sigma)) == 0
