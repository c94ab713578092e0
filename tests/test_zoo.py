"""The zoo computes what the papers say: every cell against a loop written by hand from its source, and against PyTorch.

The loops below are plain NumPy on vectors, one step each, and share nothing with the equations of the zoo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from symlstm import zoo
from symlstm.algebra import Adj, Blocks, Num, Sym, Term, Time
from symlstm.evaluate import Evaluator, column, forward
from symlstm.evidence.points import CLEAR, Point, generic
from symlstm.evidence.recomputed import FLOAT, PRECISE, Recomputed
from symlstm.model import Cell

Array = Any
Step = Callable[[Mapping[str, Array], tuple[Array, ...], tuple[Array, ...]], tuple[Array, ...]]
CELLS = tuple(zoo.cells())
SIZES = {"n": 3, "m": 2}


def sigma(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def dense(p: Mapping[str, Array], gate: str, x: Array, h: Array | None = None) -> Array:
    """W x + U h + b of one gate; without h, W x + b."""
    a = p[f"W_{gate}"] @ x + p[f"b_{gate}"]
    return a if h is None else a + p[f"U_{gate}"] @ h


# --- Elman (1990); Le, Jaitly & Hinton (2015) -------------------------------------------------------------------------


def rnn(squash: Callable[[Array], Array]) -> Step:
    """h_t = squash(W x_t + U h_{t-1} + b)."""
    return lambda p, x, s: (squash(p["W"] @ x[0] + p["U"] @ s[0] + p["b"]),)


# --- the LSTM and its variants ----------------------------------------------------------------------------------------


def vanilla(*, peepholes: bool = True, without: str = "", squash_in: bool = True, squash_out: bool = True,
            coupled: bool = False, recurrent_gates: bool = False) -> Step:
    """Greff et al. (2017), section II: the block, and what each variant of it changes (`without` has a gate at 1).

    Without peepholes it is the LSTM with forget gate of Gers, Schmidhuber & Cummins (2000).
    """
    def step(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
        y, c, old = s[0], s[1], dict(zip("ifo", s[2:], strict=False))

        def gate(name: str, seen: Array) -> Array:
            if name == without:
                return np.ones_like(y)
            a = dense(p, name, x[0], y)
            a = a + p[f"p_{name}"] * seen if peepholes else a
            a = a + sum(p[f"R_{other}{name}"] @ old[other] for other in "ifo") if recurrent_gates else a
            return sigma(a)

        block = dense(p, "g", x[0], y)
        block = np.tanh(block) if squash_in else block
        i = gate("i", c)
        f = 1 - i if coupled else gate("f", c)
        new = block * i + c * f
        o = gate("o", new)
        y = (np.tanh(new) if squash_out else new) * o
        return (y, new, i, f, o) if recurrent_gates else (y, new)

    return step


def full_feedback(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """Every gate reads the output, the cell state and the input, by one matrix."""
    seen = np.concatenate([s[0], s[1], x[0]])
    i, f, o = (sigma(p[f"W_{k}"] @ seen + p[f"b_{k}"]) for k in "ifo")
    c = f * s[1] + i * np.tanh(p["W_g"] @ seen + p["b_g"])
    return o * np.tanh(c), c


def projected(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """Sak, Senior & Beaufays (2014), section 2: the output m_t = o_t h(c_t), and r_t = W_rm m_t, which is fed back."""
    r, c = s
    i, f, o = (sigma(dense(p, k, x[0], r)) for k in "ifo")
    c = f * c + i * np.tanh(dense(p, "g", x[0], r))
    return p["W_h"] @ (o * np.tanh(c)), c


def layer_normalised(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """Ba, Kiros & Hinton (2016): a = W x + U h, gain / sigma * (a - mu) + bias (equation 4); h_t = sigma(o) tanh(LN(c_t))."""
    def normalised(a: Array, gain: Array, bias: Array) -> Array:
        return gain * (a - a.mean()) / np.sqrt(a.var() + 1e-5) + bias

    h, c = s
    a = {k: normalised(p[f"W_{k}"] @ x[0] + p[f"U_{k}"] @ h, p[f"alpha_{k}"], p[f"b_{k}"]) for k in "ifog"}
    c = sigma(a["f"]) * c + sigma(a["i"]) * np.tanh(a["g"])
    return sigma(a["o"]) * np.tanh(normalised(c, p["alpha_c"], p["b_c"])), c


# --- GRU, MGU, minimal cells ------------------------------------------------------------------------------------------


def gru(*, after: bool, new: bool) -> Step:
    """Cho et al. (2014), equations 5 to 8: z is the share of the old state. Chung et al. (2014), equation 5: of the `new`.

    `after`: PyTorch's GRU, n = tanh(W_in x + b_in + r (W_hn h + b_hn)).
    """
    def step(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
        h = s[0]
        r, z = sigma(dense(p, "r", x[0], h)), sigma(dense(p, "z", x[0], h))
        inner = dense(p, "g", x[0]) + r * (p["U_g"] @ h + p["d_g"]) if after else dense(p, "g", x[0], r * h)
        return ((1 - z) * h + z * np.tanh(inner) if new else z * h + (1 - z) * np.tanh(inner),)

    return step


def mgu(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """Zhou et al. (2016), equations 9 to 11."""
    h = s[0]
    f = sigma(dense(p, "f", x[0], h))
    return ((1 - f) * h + f * np.tanh(dense(p, "g", x[0], f * h)),)


def min_lstm(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """Feng et al. (2024), section 3.2, with the two gates divided by their sum."""
    f, i = sigma(dense(p, "f", x[0])), sigma(dense(p, "i", x[0]))
    return (f / (f + i) * s[0] + i / (f + i) * dense(p, "g", x[0]),)


def min_gru(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """Feng et al. (2024), section 3.1."""
    z = sigma(dense(p, "z", x[0]))
    return ((1 - z) * s[0] + z * dense(p, "g", x[0]),)


# --- xLSTM: the forms without stabiliser, on states that a stabiliser has scaled ------------------------------------


def slstm(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """Beck et al. (2024), equations 8 to 14, f = exp: not stabilised. The states handed over are c e^-m and n e^-m, and m."""
    h, c, n, m = s
    i, f = np.exp(dense(p, "i", x[0], h)), np.exp(dense(p, "f", x[0], h))
    o, z = sigma(dense(p, "o", x[0], h)), np.tanh(dense(p, "g", x[0], h))
    c, n = f * c * np.exp(m) + i * z, f * n * np.exp(m) + i
    m = np.maximum(np.log(f) + m, np.log(i))  # equation 15: what the zoo's states are scaled by
    return o * c / n, c * np.exp(-m), n * np.exp(-m), m


def mlstm(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """Beck et al. (2024), equations 19 to 27, one head, f = exp: not stabilised, divided by max(|n^T q|, 1)."""
    h, C, n, m = s
    q, k, v = dense(p, "q", x[0]), p["W_k"] @ x[0] / np.sqrt(len(n)) + p["b_k"], dense(p, "v", x[0])
    i, f = np.exp(p["w_i"] @ x[0] + p["b_i"]), np.exp(p["w_f"] @ x[0] + p["b_f"])
    o = sigma(dense(p, "o", x[0]))
    C, n = f * C * np.exp(m) + i * np.outer(v, k), f * n * np.exp(m) + i * k
    h = o * (C @ q) / max(abs(float(n @ q)), 1)
    m = np.maximum(np.log(f) + m, np.log(i))
    return h, C * np.exp(-m), n * np.exp(-m), m


# --- one unit, and a row of them --------------------------------------------------------------------------------------


def unit(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """c' = g(z) f(z_i) + c f(z_f), a = h(c') f(z_o); in numbers f is the logistic function, g and h are tanh."""
    z, z_i, z_f, z_o = x
    c = np.tanh(z) * sigma(z_i) + s[1] * sigma(z_f)
    return np.tanh(c) * sigma(z_o), c


def row(p: Mapping[str, Array], x: tuple[Array, ...], s: tuple[Array, ...]) -> tuple[Array, ...]:
    """A unit for each entry, its four signals computed from the input alone."""
    a, c = unit(p, tuple(dense(p, k, x[0]) for k in "gifo"), s)
    return a, c


BY_HAND: dict[str, Step] = {
    "rnn": rnn(np.tanh),
    "rnn-relu": rnn(lambda a: np.where(a > 0, a, 0.0)),
    "lstm": vanilla(peepholes=False),
    "lstm-peephole": vanilla(),
    "lstm-full-feedback": full_feedback,
    "lstm-coupled": vanilla(peepholes=False, coupled=True),
    "lstm-projected": projected,
    "lstm-layernorm": layer_normalised,
    "lstm-nig": vanilla(without="i"),
    "lstm-nfg": vanilla(without="f"),
    "lstm-nog": vanilla(without="o"),
    "lstm-niaf": vanilla(squash_in=False),
    "lstm-noaf": vanilla(squash_out=False),
    "lstm-cifg": vanilla(coupled=True),
    "lstm-np": vanilla(peepholes=False),
    "lstm-fgr": vanilla(recurrent_gates=True),
    "gru": gru(after=False, new=False),
    "gru-z-new": gru(after=False, new=True),
    "gru-reset-after": gru(after=True, new=False),
    "gru-reset-after-z-new": gru(after=True, new=True),
    "mgu": mgu,
    "minlstm": min_lstm,
    "mingru": min_gru,
    "slstm": slstm,
    "mlstm": mlstm,
    "scalar": unit,
    "scalar-row": row,
}


def flat(value: Array) -> Array:
    """A column as a vector, one entry as a number."""
    array = np.asarray(value)
    return array[:, 0] if array.shape[1] == 1 and array.shape[0] > 1 else array[0, 0] if array.size == 1 else array


def interpreted(cell: Cell, point: Point) -> list[dict[str, Array]]:
    return forward(cell, point.params, point.inputs, point.states)


@pytest.mark.parametrize("name", BY_HAND)
def test_every_state_of_every_step_is_that_of_the_loop_written_by_hand(name: str) -> None:
    cell = zoo.cell(name)
    for seed in range(3):
        point = generic(cell, 6, cell.shapes.full(SIZES), seed)
        params = {key: flat(value) for key, value in point.params.items()}
        state = tuple(map(flat, point.states))
        for given, found in zip(point.inputs, interpreted(cell, point)[1:], strict=True):
            state = BY_HAND[name](params, tuple(map(flat, given)), state)
            for symbol, wanted in zip(cell.state_terms, state, strict=True):
                np.testing.assert_allclose(flat(found[symbol.name]), wanted, rtol=1e-12, atol=1e-13, err_msg=symbol.name)


def test_there_is_a_loop_for_every_cell() -> None:
    assert set(BY_HAND) == set(CELLS)


SIBLINGS = (
    ("gru", "gru-z-new"), ("gru-reset-after", "gru-reset-after-z-new"), ("lstm-peephole", "lstm-niaf"),
    ("lstm-peephole", "lstm-noaf"), ("lstm-np", "scalar-row"), ("rnn", "rnn-relu"),
)


@pytest.mark.parametrize(("name", "other"), SIBLINGS)
def test_the_loop_of_another_cell_with_the_same_parameters_gives_other_numbers(name: str, other: str) -> None:
    cell = zoo.cell(name)
    point = generic(cell, 1, SIZES)
    params = {key: flat(value) for key, value in point.params.items()}
    found = interpreted(cell, point)[1]
    wanted = BY_HAND[other](params, tuple(map(flat, point.inputs[0])), tuple(map(flat, point.states)))
    assert not np.allclose(flat(found["h"]), wanted[0], rtol=1e-3)


# --- PyTorch ----------------------------------------------------------------------------------------------------------


def by_gates(weights: Mapping[str, Array], gates: str, W: str, U: str, b: str) -> dict[str, Array]:
    """PyTorch's rows of one matrix, gate after gate, as our parameters; its two biases as their sum."""
    rows = {"W": weights[W], "U": weights[U], "b": weights[b] + weights[b.replace("ih", "hh")]}
    return {f"{letter}_{gate}": part for letter, value in rows.items()
            for gate, part in zip(gates, np.split(value, len(gates)), strict=True)}


def from_torch(name: str, weights: Mapping[str, Array]) -> dict[str, Array]:
    W, U, b = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0"
    if name.startswith("rnn"):
        return {"W": weights[W], "U": weights[U], "b": weights[b] + weights["bias_hh_l0"]}
    if name.startswith("lstm"):
        head = {"W_h": weights["weight_hr_l0"]} if name == "lstm-projected" else {}
        return by_gates(weights, "ifgo", W, U, b) | head
    found = by_gates(weights, "rzg", W, U, b)
    return found | {"b_g": np.split(weights[b], 3)[2], "d_g": np.split(weights["bias_hh_l0"], 3)[2]}


TORCH = {
    "rnn": ("RNN", {}), "rnn-relu": ("RNN", {"nonlinearity": "relu"}), "lstm": ("LSTM", {}),
    "lstm-projected": ("LSTM", {"proj_size": 3}), "gru-reset-after": ("GRU", {}),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", TORCH)
def test_the_outputs_and_last_states_are_pytorchs(name: str) -> None:
    import torch

    torch.manual_seed(0)
    cell, (kind, options), steps = zoo.cell(name), TORCH[name], 20
    sizes = cell.shapes.full({"n": 3, "m": 2}) | ({"k": 5} if name == "lstm-projected" else {})
    layer: Any = getattr(torch.nn, kind)(sizes["m"], sizes.get("k", sizes["n"]), dtype=torch.float64, **options)
    weights = {key: value.detach().numpy() for key, value in layer.named_parameters()}
    draw = np.random.default_rng(1)
    xs = draw.standard_normal((steps, sizes["m"]))
    starts = [draw.standard_normal(cell.shapes.at(state.name, sizes)) for state in cell.state_terms]
    given = [torch.tensor(start.T) for start in starts]
    with torch.no_grad():
        outputs, last = layer(torch.tensor(xs), tuple(given) if len(given) > 1 else given[0])
    params = {key: column(value) for key, value in from_torch(name, weights).items()}
    trace = forward(cell, params, [column(x) for x in xs], starts)
    close(np.stack([flat(step["h"]) for step in trace[1:]]), outputs.numpy())
    for state, end in zip(cell.state_terms, last if len(given) > 1 else [last], strict=True):
        close(flat(trace[-1][state.name]), end[0].numpy())


def close(found: Array, wanted: Array) -> None:
    assert np.shape(found) == np.shape(wanted)
    assert np.abs(found - wanted).max() <= 1e-12 * np.abs(wanted).max()


# --- generic points ---------------------------------------------------------------------------------------------------


def kinks(name: str, step: Mapping[str, Array], before: Mapping[str, Array]) -> list[Array]:
    """What changes sign at each kink of a cell, worked out here: the argument of relu and abs, the difference in a max."""
    if name == "rnn-relu":
        return [step["z"]]
    race = step["f_tilde"] + before["m"] - step["i_tilde"]
    return [race] if name == "slstm" else [race, step["a"], np.abs(step["a"]) - np.exp(-step["m"])]


@pytest.mark.parametrize("name", ["rnn-relu", "slstm", "mlstm"])
def test_a_generic_point_is_clear_of_kinks_and_exercises_both_sides_of_each(name: str) -> None:
    cell = zoo.cell(name)
    for seed in range(5):
        trace = interpreted(cell, generic(cell, 6, SIZES, seed))
        for gaps in zip(*(kinks(name, step, before) for before, step in pairwise(trace)), strict=True):
            assert np.abs(gaps).min() > CLEAR
            assert 1 / 6 <= np.mean(np.array(gaps) > 0) <= 5 / 6


@pytest.mark.parametrize("name", CELLS)
def test_a_generic_point_is_of_order_one(name: str) -> None:
    cell = zoo.cell(name)
    for seed in range(5):
        trace = interpreted(cell, generic(cell, 6, cell.shapes.full(SIZES), seed))
        assert max(np.abs(value).max() for step in trace for value in step.values()) < 20
        assert all(np.abs(trace[-1][state.name]).max() > 1e-3 for state in cell.state_terms)


# --- one step with 60 digits --------------------------------------------------------------------------------------------


def given(cell: Cell, seed: int) -> dict[Term, Blocks]:
    """Arrays of decimals for all that a step starts from, and for the adjoints of its states."""
    point = generic(cell, 1, cell.shapes.full(SIZES), seed)

    def block(value: Array) -> Blocks:
        return Blocks(tuple(tuple(Num(round(Fraction(float(entry)), 2)) for entry in line) for line in value))

    start: dict[Term, Array] = dict(zip(cell.input_terms, point.inputs[0], strict=True))
    start |= {symbol: point.params[symbol.name] for symbol in cell.parameter_terms}
    for state, value in zip(cell.state_terms, point.states, strict=True):
        start |= {state.prev: value, Adj(state): value[::-1]}
    return {leaf: block(value) for leaf, value in start.items()}


@pytest.mark.parametrize("name", CELLS)
def test_a_step_recomputed_with_60_digits_is_the_interpreters_and_so_is_every_adjoint(name: str) -> None:
    """The adjoints against complex step on the interpreter, of the sum over the states of adjoint times state."""
    cell = zoo.cell(name)
    start = given(cell, 1)
    precise, rough = Recomputed(cell, start, PRECISE), Recomputed(cell, start, FLOAT)
    values = {leaf: Evaluator(start.__getitem__)(array).astype(float) for leaf, array in start.items()}
    params = {symbol.name: values[symbol] for symbol in cell.parameter_terms}
    inputs, states = tuple(values[symbol] for symbol in cell.input_terms), [values[state.prev] for state in cell.state_terms]
    plainly = forward(cell, params, [inputs], states)[1]

    def loss_by(symbol: Sym) -> Array:
        """The derivative of the loss by what the step calls `symbol`, a quantity of step 1, a parameter or an old state."""
        key = (f"{symbol.name}+", 0) if symbol.time == Time("t", -1) else (symbol.name, 1)

        def nudge(name: str, t: int, value: Array) -> Array:
            if (name, t) != key:
                return value
            return value + 1e-30j * np.eye(value.size).reshape(value.size, *value.shape)

        moved = forward(cell, params, [inputs], states, nudge=nudge)[1]
        parts = [np.sum(np.imag(values[Adj(state)] * moved[state.name]), axis=(-2, -1)) for state in cell.state_terms]
        size = plainly[symbol.name].shape if symbol.name in plainly else params[symbol.name].shape
        return np.reshape(sum(np.broadcast_to(part, int(np.prod(size))) for part in parts) / 1e-30, size)

    for line in cell.named:
        assert isinstance(line.lhs, Sym)
        assert precise.check(line)[0] and rough.check(line)[0]
        np.testing.assert_allclose(precise.leaf(line.lhs).astype(float), plainly[line.lhs.name], rtol=1e-12)
    leaves = [line.lhs for line in cell.named if line.lhs not in cell.state_terms]
    for symbol in (*leaves, *cell.parameter_terms, *(state.prev for state in cell.state_terms)):
        assert isinstance(symbol, Sym)
        found = precise.leaf(Adj(symbol)).astype(float)
        np.testing.assert_allclose(found, loss_by(symbol), rtol=1e-10, atol=1e-12, err_msg=str(symbol))
