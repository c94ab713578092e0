"""Whole networks as NumPy: the code of a layer is that of its cell, and the network is its layers one after the other.

That every number and gradient is that of the equations is a law for all cells, networks among them (`test_functions`).
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import symlstm as sl
from symlstm import cli, zoo
from symlstm.activations import exp, tanh
from symlstm.algebra import Apply, NotValid, Ones, Sym, equation, quantities, symbols
from symlstm.generator.module import written
from symlstm.model import Cell
from symlstm.networks import Network
from tests.problems import Problem, arrays, changed, judged, near

Array = Any

x, h, r, y, z = quantities("x h r y z")
W, V, U, R, b = symbols("W V U R b")


@cache
def network(name: str, layers: int = 2, both: bool = True) -> Network:
    return sl.stack(name, layers, bidirectional=both)


@cache
def function(name: str, layers: int = 2, both: bool = True) -> Any:
    return sl.lambdify(network(name, layers, both))


def stackable(cell: Cell) -> bool:
    try:
        sl.stack(cell, 1)
    except NotValid:
        return False
    return True


LAYERS = tuple(name for name, cell in zoo.ZOO.items() if stackable(cell))


def test_most_of_the_zoo_can_be_a_layer() -> None:
    """The laws below are about many cells."""
    assert len(LAYERS) >= 25


# --- the code ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_the_code_of_every_layer_is_that_of_the_cell(name: str) -> None:
    """To the letter, once for all layers and directions: one pair of functions, and four calls of each."""
    prefix, (_, start, body) = name.replace("-", "_"), written(zoo.ZOO[name]).partition("def prepare(")
    body = re.sub(r"\b(forward|backward|prepare|workspace|arrays|back_arrays)(?=[(`])", rf"{prefix}_\1", start + body)
    source = function(name).source
    flat = lambda text: re.sub(r"\s+", " ", text)  # a longer name breaks a line sooner
    assert flat(body.strip()) in flat(source)
    for kind in ("forward", "backward"):
        assert source.count(f"_{kind}(") == 1 + 4 and len(re.findall(rf"= \(?{prefix}_{kind}\(", source)) == 4


@pytest.mark.parametrize(("cells", "count"), [
    (("gru", "gru-reset-after", "gru"), 2), (("lstm", "lstm-nog"), 2), (("lstm-projected", "lstm-projected"), 1)])
def test_what_differs_in_more_than_names_has_code_of_its_own(cells: tuple[str, ...], count: int) -> None:
    source = sl.lambdify(sl.stack(list(cells))).source
    for kind in ("forward(params", "backward(trace"):
        assert len(re.findall(rf"\ndef \w*{re.escape(kind)}", source)) == count + 1  # and that of the whole


@pytest.mark.parametrize(("back", "pairs"), [
    (equation(r, tanh(V @ x + R @ r.next)), 2),  # without a bias
    (equation(r, tanh(V @ x + R @ r.next + b)), 2),  # with the bias of the other, which is then one of both
    (equation(r, tanh(R @ r.next + V @ x + b)), 2),  # in another order
])
def test_equal_form_is_found_in_a_cell_written_by_hand(back: Any, pairs: int) -> None:
    """The forward part h, and r, which with the readout is another part, are told apart unless they are the same but for names."""
    forth = equation(h, tanh(W @ x + U @ h.prev + b))
    apart = Cell("apart", (x,), (h, r), (forth, back, equation(y, r * h)), output=y)
    assert sl.lambdify(apart).source.count("_forward(params, x, state=None") == pairs
    same = Cell("same", (x,), (h, r), (forth, equation(r, tanh(V @ h + R @ r.next + b))), output=r)
    assert sl.lambdify(same).source.count("_forward(params, x, state=None") == 1


def test_the_equations_that_join_layers_stand_above_their_lines() -> None:
    source = function("lstm").source
    code = source.partition("def forward(params, x, state=None")[2]
    assert "    # y_1[t] = [h_forward_1[t]; h_backward_1[t]]\n    y_1 = np.concatenate([h_forward_1, h_backward_1], -1)\n" in code
    call = 'lstm_forward(weights.arrays["layer_2_backward"], turned(y_1), picked(state, 6, 7), workspace and workspace['
    assert call in re.sub(r"\s+", " ", code)
    assert "    x_2 = h_1\n" in sl.lambdify(sl.stack("gru")).source
    assert source.count("z_i[t] = W_i @ x[t] + U_i @ h[t-1] + b_i") == 2  # above, and in the loop


# --- the whole is its layers -----------------------------------------------------------------------------------------


def layer_params(params: dict[str, Array], layer: Any) -> dict[str, Array]:
    return {symbol.name: params[layer.names[symbol.name]] for symbol in layer.cell.parameter_terms}


def by_layers(problem: Problem) -> dict[Any, Array]:
    """A network of two directions, each layer by the function of its cell alone, put together by hand."""
    whole, own = problem.cell, {}
    assert isinstance(whole, Network)
    numbers = {state: k for k, state in enumerate(whole.state_terms)}
    found: dict[Any, Array] = {}
    below, calls = problem.x, []
    for layer in whole.layers:
        run = own.setdefault(layer.cell.name, sl.lambdify(layer.cell))
        turn = slice(None, None, -1 if layer.direction == "backward" else 1)
        places = [numbers[state] for state in layer.states]
        trace = run.forward(layer_params(problem.params, layer), below[turn], tuple(problem.state[k] for k in places))
        calls.append((layer, run, turn, places, trace))
        found |= {("last", k): part for k, part in zip(places, trace.state, strict=True)}
        if layer.direction == "backward":
            below = np.concatenate([calls[-2][-1].outputs, trace.outputs[::-1]], -1)
    found["outputs"], d_above = below, problem.d_outputs
    for number in range(len(calls) - 2, -1, -2):
        d_below = 0.0
        for (layer, run, turn, places, trace), d in zip(calls[number:number + 2], np.split(d_above, 2, -1), strict=True):
            back = run.backward(trace, d[turn], tuple(problem.d_state[k] for k in places))
            d_below = d_below + back.inputs[turn]
            found |= {layer.names[name]: value for name, value in back.params.items()} | dict(zip(places, back.state, strict=True))
        d_above = d_below
    return {**found, ("input", "x"): d_above}


@pytest.mark.parametrize("name", LAYERS)
def test_a_network_is_its_layers_one_after_the_other(name: str) -> None:
    problem = Problem(network(name), T=4, B=2)
    trace = function(name).forward(problem.params, problem.x, problem.state)
    expected = by_layers(problem)
    near(trace.outputs, expected.pop("outputs"), 1e-14)
    for k, part in enumerate(trace.state):
        near(part, expected.pop(("last", k)), 1e-14)
    found = problem.gradients(function(name).backward(trace, problem.d_outputs, problem.d_state))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        near(found[key], value, 1e-12)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm-peephole"])
def test_a_sequence_turned_around_is_the_other_direction(name: str) -> None:
    """Turn x around and let the two directions of one layer trade parameters and states: the outputs turn and trade halves."""
    problem = Problem(network(name, 1), T=5)
    other = {"forward": "backward", "backward": "forward"}
    def traded(key: str) -> str:
        return "_".join(other.get(part, part) for part in key.split("_"))
    names = [state.name for state in problem.cell.state_terms]
    state = tuple(problem.state[names.index(traded(each))] for each in names)
    params = {key: problem.params[traded(key)] for key in problem.params}
    one = function(name, 1).forward(problem.params, problem.x, problem.state)
    two = function(name, 1).forward(params, problem.x[::-1], state)
    np.testing.assert_allclose(two.outputs[::-1], np.roll(one.outputs, 3, -1), rtol=1e-12, atol=1e-14)
    for each, part in zip(names, two.state, strict=True):
        np.testing.assert_allclose(part, one.state[names.index(traded(each))], rtol=1e-12, atol=1e-14)
    assert not np.allclose(two.outputs, one.outputs)


@pytest.mark.parametrize(("whole", "sizes"), [
    (sl.stack("lstm", 3, bidirectional=True, head="linear"), {"T": 30, "B": 2, "n": 4, "m": 5}),
    (sl.stack("gru", 2, head="softmax"), {"T": 40, "B": 1, "n": 5, "m": 3}),
    (sl.stack(["rnn", "lstm-layernorm"], bidirectional=True, head="sigmoid"), {"T": 12, "B": 3, "n": 3, "m": 6}),
], ids=lambda each: each.name if isinstance(each, Cell) else "")
def test_forward_and_backward_are_adjoint(whole: Network, sizes: dict[str, int]) -> None:
    """<d, J v> = <J^T d, v> for one direction v of all there is at once, J v by a complex step through the interpreter."""
    problem, run = Problem(whole, **sizes), sl.lambdify(whole)
    problem.params = {key: 0.5 * value for key, value in problem.params.items()}
    generator = np.random.default_rng(7)
    v = {key: generator.standard_normal(value.shape) for key, value in problem.points().items()}
    outputs, last = problem.plain({key: value + 1e-30j * v[key] for key, value in problem.points().items()})
    ahead = sum((d * part).imag.sum() / 1e-30 for d, part in zip((problem.d_outputs, *problem.d_state), (outputs, *last), strict=True))
    trace = run.forward(problem.params, problem.x, problem.state)
    near(trace.outputs, outputs.real, 1e-12)
    back = problem.gradients(run.backward(trace, problem.d_outputs, problem.d_state))
    assert sum((back[key] * v[key]).sum() for key in v) == pytest.approx(ahead, rel=1e-11)


# --- the laws can fail -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [
    ("turned(y_1), picked(state", "y_1, picked(state"),
    ("turned(layer_2_backward.outputs)", "layer_2_backward.outputs"),
    ("turned(d_h_backward_1), picked", "d_h_backward_1, picked"),
    ("d_y_1 = d_y_1 + d_layer_2_forward.inputs", "d_y_1 = d_layer_2_forward.inputs"),
    ("d_x = turned(d_layer_1_backward.inputs)", "d_x = d_layer_1_backward.inputs"),
    ("np.concatenate([h_forward_1, h_backward_1]", "np.concatenate([h_backward_1, h_forward_1]"),
    ("d_h_forward_2 = d_y_2[..., :n]", "d_h_forward_2 = d_y_2[..., n:2 * n]"),
    ("picked(d_state, 6, 7)", "picked(d_state, 4, 5)"),
    ("d_layer_1_backward.state[0]", "d_layer_1_forward.state[0]"),
    ('"U_f": "U_backward_f_2"', '"U_f": "U_forward_f_2"'),
    ('gather(d_params, d_layer_2_backward.params, "layer_2_backward")', 'gather(d_params, d_layer_2_backward.params, "layer_2_forward")'),
])
def test_a_mutant_of_what_joins_the_parts_is_seen(old: str, new: str) -> None:
    found = sl.lambdify(network("lstm"))
    assert old in found.source
    with pytest.raises((AssertionError, KeyError)):
        judged(changed(found, found.source.replace(old, new)), Problem(network("lstm")))


# --- the written module ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batched", [True, False])
def test_a_written_module_runs_with_numpy_alone(batched: bool, tmp_path: Path) -> None:
    options = ["--layers", "2", "--bidirectional", "--head", "softmax"]
    done = CliRunner().invoke(cli.app, ["codegen", "gru", *options, "-o", str(tmp_path / "generated.py")], catch_exceptions=False)
    assert done.exit_code == 0
    whole = sl.stack("gru", 2, bidirectional=True, head="softmax")
    problem = Problem(whole) if batched else Problem(whole).alone(1)
    assert (tmp_path / "generated.py").read_text() == sl.lambdify(whole).source
    state, d_state = ({f"{name}{k}": part for k, part in enumerate(parts)}
                      for name, parts in (("state", problem.state), ("d_state", problem.d_state)))
    given: dict[str, Any] = {"x": problem.x, "d": problem.d_outputs, **state, **d_state, **problem.params}
    np.savez(tmp_path / "given.npz", **given)
    code = ("import sys; sys.modules.update(dict.fromkeys(['sympy', 'symlstm', 'scipy', 'torch']))\n"
            "import numpy as np, generated\n"
            "given = dict(np.load('given.npz')); x, d = given.pop('x'), given.pop('d')\n"
            "state, d_state = (tuple(given.pop(f'{name}{k}') for k in range(4)) for name in ('state', 'd_state'))\n"
            "trace = generated.forward(given, x, state); back = generated.backward(trace, d, d_state)\n"
            "parts = [trace.outputs, *trace.state, *back.params.values(), back.inputs, *back.state]\n"
            "np.savez('found.npz', *parts); print(repr(trace), repr(back))\n")
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "Trace(outputs=(5, 3, 4)" in shown if batched else "Trace(outputs=(5, 4)" in shown
    run = sl.lambdify(whole)
    trace = run.forward(problem.params, problem.x, problem.state)
    back = run.backward(trace, problem.d_outputs, problem.d_state)
    expected, found = [*arrays(trace), *arrays(back)], list(np.load(tmp_path / "found.npz").values())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# --- what is given ---------------------------------------------------------------------------------------------------


P = Problem(network("lstm"))


def refused(call: Any, *words: str) -> None:
    with pytest.raises(NotValid) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_what_cannot_be_is_named() -> None:
    run = function("lstm")
    def refusal(changes: dict[str, Any], *words: str) -> None:
        refused(lambda: run.forward({**P.params, **changes}, P.x), *words)
    refusal({"W_forward_i_2": np.ones((3, 3))}, "W_forward_i_2 has the shape (3, 3)", "(3, 6)", "R^(n x 2 * n)")
    refusal({"U_backward_o_1": np.ones((3, 2))}, "U_backward_o_1 has the shape (3, 2)", "(3, 3)")
    refusal({"W_i_1": np.ones((3, 2))}, "no parameter 'W_i_1'", "did you mean W_forward_i_1?", "(49 in all)")
    less = {key: value for key, value in P.params.items() if key != "b_forward_g_2"}
    refused(lambda: run.forward(less, P.x), "b_forward_g_2 is missing")
    refused(lambda: run.forward(P.params, P.x[..., :1]), "x has the shape (5, 3, 1)", "W_forward_i_1 has the shape (3, 2)")
    refused(lambda: run.forward(P.params, P.x, P.state[:2]), "2 parts", "has 8", "h_backward_2, c_backward_2)")
    short = (*P.state[:7], P.state[7][:2])
    refused(lambda: run.forward(P.params, P.x, short), "the state c_backward_2", "(2, 3)", "(3, 3)")
    trace = run.forward(P.params, P.x)
    refused(lambda: run.backward(trace, P.d_outputs[..., :3]), "d_outputs has the shape (5, 3, 3)", "(5, 3, 6)")
    refused(lambda: run.backward(trace, P.d_outputs, short), "d_state for c_backward_2", "(2, 3)")
    refused(lambda: function("rnn").backward(trace, P.d_outputs), "trace")


def test_the_sizes_of_a_head_are_those_of_its_parameters() -> None:
    whole = sl.stack("lstm", head="linear")
    run, params = sl.lambdify(whole), sl.random_parameters(whole, n=3, m=2, k=7)
    assert run.forward(params, P.x).outputs.shape == (5, 3, 7)
    refused(lambda: run.forward({**params, "W_y": np.ones((7, 4))}, P.x), "W_y has the shape (7, 4)", "(7, 3)")
    refused(lambda: run.forward({**params, "b_y": np.ones(3)}, P.x), "b_y has the shape (3,)", "(7,)")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_of_any_size_have_probabilities(dtype: str) -> None:
    """exp(1e4) is no number, but its share in a sum of exponentials is."""
    whole = sl.stack("rnn", 1, head="softmax")
    params = {key: (value * (1e4 if "y" in key else 1)).astype(dtype) for key, value in Problem(whole).params.items()}
    run, given = sl.lambdify(whole), Problem(whole).x.astype(dtype)
    trace = run.forward(params, given)
    scores = sl.lambdify(sl.stack("rnn", 1, head="linear")).forward(params, given).outputs
    assert scores.max() > 1e4 and (trace.outputs.argmax(-1) == scores.argmax(-1)).all()
    np.testing.assert_allclose(trace.outputs.sum(-1), 1, rtol=1e-6)
    assert all(np.isfinite(array).all() for array in arrays(run.backward(trace, np.cos(trace.outputs))))


@pytest.mark.parametrize("more", [0, 1])
def test_what_is_not_divided_out_is_not_taken_off(more: int) -> None:
    """Where the exponentials have another reader, or are what is given, they are what they are called."""
    w, s = quantities("w s")
    lines = (equation(h, tanh(W @ x + U @ h.next)), equation(w, exp(V @ h)), equation(s, Ones(Sym("k")).T @ w))
    given = (equation(y, s @ (w / s)), equation(y, w / s + w))[more]
    cell = Cell("not-softmax", (x,), (h,), (*lines, given), output=y, sizes={"y": (Sym("k"),)})
    found = sl.lambdify(sl.stack("rnn", 1, head=Cell("own", (h,), (y,), (*lines[1:], given), sizes={"h": (Sym("n"),), "y": (Sym("k"),)})))
    assert ".max(-1" not in found.source
    judged(found, Problem(found.cell))
    judged(sl.lambdify(cell), Problem(cell))


def test_gradients_come_in_the_order_of_the_parameters() -> None:
    run = function("lstm")
    trace = run.forward(P.params, P.x)
    names = [symbol.name for symbol in P.cell.parameter_terms]
    assert list(run.backward(trace, P.d_outputs).params) == list(P.params) == names


def test_names_never_meet() -> None:
    """What the module itself calls something may be a quantity, a parameter or the name of a cell."""
    u, own, picked, inner, trace, part_1, d_part_2, outputs = quantities("u own picked np trace part_1 d_part_2 outputs")
    A, B, C, D = symbols("PARAMETERS params T d_x")
    lines = (equation(inner, tanh(A @ u + B @ own.prev + C)), equation(picked, inner * picked.prev + D * inner), equation(own, inner * picked))
    whole = sl.stack(Cell("2 forward", (u,), (own, picked), lines), 2, bidirectional=True, head="softmax")
    judged(sl.lambdify(whole), Problem(whole))
    A, B, C, D = symbols("W own add part")
    ways = (equation(part_1, tanh(A @ trace + B @ part_1.prev)), equation(d_part_2, tanh(C @ trace + D @ d_part_2.next)))
    cell = Cell("x", (trace,), (part_1, d_part_2), (*ways, equation(outputs, part_1 * d_part_2)), output=outputs)
    judged(sl.lambdify(cell), Problem(cell))


def test_an_open_function_is_put_into_every_layer() -> None:
    cell = Cell("open", (x,), (h,), (equation(h, Apply("f", W @ x + U @ h.prev + b)),))
    whole = sl.stack(cell, 2, bidirectional=True, head="sigmoid")
    problem = Problem(whole)
    found = sl.lambdify(whole, functions={"f": "relu"}).forward(problem.params, problem.x, problem.state)
    expected = sl.lambdify(sl.stack("rnn-relu", 2, bidirectional=True, head="sigmoid"))
    np.testing.assert_array_equal(found.outputs, expected.forward(problem.params, problem.x, problem.state).outputs)
    assert "f: any function" in sl.lambdify(whole).source
    assert not np.allclose(found.outputs, sl.lambdify(whole).forward(problem.params, problem.x, problem.state).outputs)
