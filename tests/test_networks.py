"""Networks: layers of cells in one direction of time or both, with a head on top, are cells like any other.

The laws: a network of one layer is its cell; turning time round exchanges the directions; what the derivation says, put into
numbers, are the derivatives of the loss over the whole network; and a derivation that says something else is refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.algebra import (
    Add,
    Adj,
    Partial,
    Relation,
    Rows,
    Sym,
    Term,
    Time,
    equation,
    map_relation,
    plain,
    quantities,
    symbols,
    transform,
    walk,
)
from symlstm.evaluate import STEP, Evaluator, forward
from symlstm.evidence.numeric import on_sequence
from symlstm.evidence.proof import Proof
from symlstm.evidence.sequence import Sequence
from symlstm.model import Cell
from symlstm.networks import Network, stack

NETWORKS: dict[str, Callable[[], Network]] = {
    "lstm x2": lambda: stack("lstm"),
    "lstm bidirectional": lambda: stack("lstm", layers=1, bidirectional=True),
    "gru x2 bidirectional softmax": lambda: stack("gru", layers=2, bidirectional=True, head="softmax"),
    "rnn x3": lambda: stack("rnn", layers=3),
    "projected, both directions, sigmoid": lambda: stack("lstm-projected", bidirectional=True, head="sigmoid"),
    "matrix memories": lambda: stack("mlstm", bidirectional=True),
    "several cells": lambda: stack(["lstm", "gru", "rnn"], head="linear"),
}
T = 5


@cache
def network(name: str) -> Network:
    return NETWORKS[name]()


@pytest.fixture(params=NETWORKS)
def any_network(request: pytest.FixtureRequest) -> Network:
    return network(request.param)


# --- what is in a network ---------------------------------------------------------------------------------------------


def test_names_sizes_and_reasons() -> None:
    deep = stack("lstm", layers=2)
    assert [str(state) for state in deep.states] == ["h_1", "c_1", "h_2", "c_2"] and plain(deep.output_term) == "h_2[t]"
    assert deep.parameter_shapes(n=3, m=2)["W_i_1"] == (3, 2) and deep.parameter_shapes(n=3, m=2)["W_i_2"] == (3, 3)
    both = stack("lstm", layers=2, bidirectional=True)
    assert both.parameter_shapes(n=3, m=2)["W_backward_i_2"] == (3, 6) and both.array_shape("y_2", 3, 2) == (6,)
    assert "y_1[t] = [h_forward_1[t]; h_backward_1[t]]" in both.shapes.why("W_backward_i_2")
    headed = stack("lstm-projected", bidirectional=True, head="sigmoid")  # k is the length of c, so the head's size is another
    assert headed.parameter_shapes(n=3, m=2, k=4, p=5)["W_y"] == (5, 6)
    assert headed.parameter_shapes(n=3, m=2, k=4, p=5)["U_forward_i_2"] == (4, 3)


def test_what_runs_before_what() -> None:
    found = stack("gru", layers=2, bidirectional=True, head="linear").parts
    assert [part.step for part in found] == [1, -1, 0, 1, -1, 0, 0]
    assert found[4].states == quantities("h_backward_2") and found[4].inputs == quantities("y_1")
    assert found[4].parameters[0] == Sym("W_backward_r_2")


def test_a_cell_that_runs_forward_is_one_part() -> None:
    for each in map(sl.cell, sl.cells()):
        (part,) = each.parts
        assert (part.equations, part.states, part.inputs) == (each.named, each.state_terms, each.input_terms)
        assert set(part.parameters) == set(each.parameter_terms) and part.step == 1


def test_words() -> None:
    words = stack("lstm", bidirectional=True).words
    assert words["h_forward_2"] == "hidden state of layer 2, forward" and words["y_1"] == "output of layer 1"
    assert stack("lstm").words["h_2"] == "hidden state of layer 2, the output"


def test_the_latex_is_as_people_write_it() -> None:
    d = sl.derive(stack("lstm", bidirectional=True), "gradients")
    lines = {step.name: step.latex() for step in d.steps}
    assert lines["adjoint of h_backward_1"] == (
        r"\delta \overleftarrow{h}_t^{(1)} = \delta \overleftarrow{h}_t^{(1),+} + (\delta y_t^{(1)})_{n+1:2n}"
    )
    assert lines["adjoint of W_forward_i_2"] == (
        r"\delta \overrightarrow{W}_{i,t}^{(2)} = \delta \overrightarrow{z}_{i,t}^{(2)} \, (y_t^{(1)})^{\top}"
    )
    assert r"\overleftarrow{f}_t^{(1)} \odot \overleftarrow{c}_{t+1}^{(1)}" in sl.derive(d.cell, "forward").latex()


def test_the_derivation_says_how_layers_hang_together() -> None:
    d = sl.derive(stack("rnn", layers=2), "gradients")
    assert "the adjoint of a layer's input is the adjoint of the output of the layer below" in d.markdown()
    step = next(step for step in d.steps if step.name == "adjoint of h_1")
    assert plain(step.relation) == "delta h_1[t] = delta+ h_1[t] + delta x_2[t]"
    both = sl.derive(stack("rnn", layers=2, bidirectional=True), "gradients")
    line = next(step.relation for step in both.steps if step.name == "adjoint of y_1")
    assert plain(line) == "delta y_1[t] = W_forward_2^T @ delta z_forward_2[t] + W_backward_2^T @ delta z_backward_2[t]"


# --- numbers ------------------------------------------------------------------------------------------------------------

Arrays = dict[str, Any]


def point(cell: Cell, seed: int = 0, n: int = 3, m: int = 2) -> tuple[Arrays, list[Any], list[Any]]:
    """Generic parameters, inputs and initial states, with rows and columns."""
    draw, sizes = np.random.default_rng(seed), cell.shapes.full({"n": n, "m": m})

    def normal(symbol: Sym) -> Any:
        return draw.standard_normal(cell.shapes.at(symbol.name, sizes))

    params = {symbol.name: normal(symbol) for symbol in cell.parameter_terms}
    return params, [normal(cell.input_terms[0]) for _ in range(T)], [normal(state) for state in cell.state_terms]


def outputs(cell: Cell, params: Mapping[str, Any], xs: list[Any], states: list[Any]) -> list[Any]:
    return [step[cell.output_term.name] for step in forward(cell, params, xs, states)[1 : T + 1]]


class Told:
    """What a derivation says of the adjoints over a sequence, as numbers: its recurrences, and its sums over time."""

    def __init__(self, cell: Cell, params: Arrays, xs: list[Any], states: list[Any], slopes: list[Any]) -> None:
        self.cell, self.params, self.slopes = cell, params, slopes
        self.trace = forward(cell, params, xs, states)
        self.sizes = cell.shapes.full({"n": 3, "m": 2})
        self.lines = {step.relation.lhs: step.relation.rhs for step in sl.derive(cell, "bptt").steps if step.name}
        self.known: dict[Adj, Any] = {}

    def value(self, node: Term, **times: int) -> Any:
        return Evaluator(self.leaf, {"T": T, **times}, self.sizes)(node)

    def leaf(self, node: Term) -> Any:
        if isinstance(node, Sym):
            if node.time is None:
                return self.params[node.name]
            inside = 0 <= node.time.offset < len(self.trace) and node.name in self.trace[node.time.offset]
            return self.trace[node.time.offset][node.name] if inside else np.ones(self.cell.shapes.at(node.name, self.sizes))
        if isinstance(node, Partial):
            assert node.of.name == "ell" and node.wrt.time is not None  # type: ignore[attr-defined]
            return self.slopes[node.wrt.time.offset - 1]  # type: ignore[attr-defined]
        assert isinstance(node, Adj) and node.of.time is not None
        if node not in self.known:
            t = node.of.time.offset
            start = next((line for line in self.lines if line == Adj(node.of.at(self.mark(t)))), None)
            if start is not None:
                self.known[node] = self.value(self.lines[start])
            elif 1 <= t <= T:
                self.known[node] = self.value(self.lines[Adj(node.of.at(Time()))], t=t)
            else:
                self.known[node] = np.zeros(self.cell.shapes.at(node.of.name, self.sizes))
        return self.known[node]

    @staticmethod
    def mark(t: int) -> Time:
        return {0: Time("", 0), T + 1: Time("T", 1)}.get(t, Time("", t))

    def gradients(self) -> Arrays:
        """Of every parameter, of every input, and of every initial state."""
        found = {name: self.value(self.lines[Partial(Sym("L"), Sym(name))]) for name in self.params}
        (x,) = self.cell.input_terms
        found |= {f"x{t}": self.leaf(Adj(x.at(Time("", t)))) for t in range(1, T + 1)}
        for state in self.cell.state_terms:
            start = Time("", 0 if self.cell.direction(state) > 0 else T + 1)
            found[state.name] = self.leaf(Adj(state.at(start)))
        return {name: value + np.zeros(self.cell.shapes.at(name if name in self.cell.shapes else x.name, self.sizes))
                for name, value in found.items()}


def every(cell: Cell, params: Arrays, xs: list[Any], states: list[Any]) -> Arrays:
    """What a run depends on, by the names that `Told.gradients` has."""
    named = {state.name: value for state, value in zip(cell.state_terms, states, strict=True)}
    return params | {f"x{t}": x for t, x in enumerate(xs, start=1)} | named


def run(cell: Cell, given: Arrays) -> list[Any]:
    params = {symbol.name: given[symbol.name] for symbol in cell.parameter_terms}
    return outputs(cell, params, [given[f"x{t}"] for t in range(1, T + 1)], [given[s.name] for s in cell.state_terms])


def test_the_recurrences_are_the_derivatives_of_the_loss(any_network: Network) -> None:
    """Every derivative of a loss that is not linear, by complex step through the interpreter."""
    params, xs, states = point(any_network)
    given, draw = every(any_network, params, xs, states), np.random.default_rng(1)
    weights = [draw.standard_normal((2, *each.shape)) for each in run(any_network, given)]

    def loss(at: Arrays) -> Any:
        return sum(np.sum(y * (a + y * b)) for y, (a, b) in zip(run(any_network, at), weights, strict=True))

    slopes = [a + 2 * y * b for y, (a, b) in zip(run(any_network, given), weights, strict=True)]
    told = Told(any_network, params, xs, states, slopes).gradients()
    for name, value in given.items():
        for place in np.ndindex(*value.shape):
            moved = value.astype(complex)
            moved[place] += 1j * STEP
            wanted = np.imag(loss({**given, name: moved})) / STEP
            assert abs(told[name][place] - wanted) < 1e-12 * max(1.0, abs(wanted)), (name, place)


def test_the_adjoint_is_the_transposed_jacobian(any_network: Network) -> None:
    """<J v, w> = <v, J' w> for the map from parameters, inputs and initial states to all outputs."""
    params, xs, states = point(any_network, seed=2)
    given, draw = every(any_network, params, xs, states), np.random.default_rng(3)
    v = {name: draw.standard_normal(value.shape) for name, value in given.items()}
    moved = run(any_network, {name: value + 1j * STEP * v[name] for name, value in given.items()})
    w = [draw.standard_normal(each.shape) for each in moved]
    back = Told(any_network, params, xs, states, w).gradients()
    forwards = sum(np.sum(np.imag(each) / STEP * other) for each, other in zip(moved, w, strict=True))
    backwards = sum(np.sum(v[name] * back[name]) for name in v)
    assert abs(forwards - backwards) < 1e-11 * max(1.0, abs(forwards))


def test_the_law_of_the_adjoint_finds_a_layer_left_out() -> None:
    deep = network("lstm x2")
    told = Told(deep, *point(deep), [np.ones((3, 1))] * T)
    right = told.gradients()["W_i_1"]
    wrong = Told(deep, *point(deep), [np.ones((3, 1))] * T)
    h, x = quantities("h_1 x_2")
    wrong.lines[Adj(h)] = _without(equation(Adj(h), wrong.lines[Adj(h)]), Adj(x)).rhs
    assert np.linalg.norm(wrong.gradients()["W_i_1"] - right) > 0.1 * np.linalg.norm(right)


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm-projected", "mlstm"])
def test_a_network_of_one_layer_is_its_cell(name: str) -> None:
    cell, one = sl.cell(name), stack(name, layers=1)
    params, xs, states = point(cell)
    renamed = {f"{key}_1": value for key, value in params.items()}
    for mine, theirs in zip(outputs(one, renamed, xs, states), outputs(cell, params, xs, states), strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("name", ["lstm", "gru", "mlstm"])
def test_turning_time_round_exchanges_the_directions(name: str) -> None:
    both = stack(name, layers=1, bidirectional=True)
    params, xs, states = point(both)
    other = {"forward": "backward", "backward": "forward"}
    turned = {key.replace(way, other[way]): value for key, value in params.items() for way in other if f"_{way}_" in key}
    half = len(states) // 2
    mine, theirs = outputs(both, params, xs, states), outputs(both, turned, xs[::-1], states[half:] + states[:half])
    assert turned.keys() == params.keys() and not np.allclose(mine[0], mine[-1])
    for one, another in zip(mine, theirs[::-1], strict=True):
        n = len(one) // 2
        assert np.array_equal(one, np.concatenate([another[n:], another[:n]]))


def test_a_backward_state_begins_after_the_last_step() -> None:
    both = stack("rnn", layers=1, bidirectional=True)
    trace = forward(both, *point(both))
    assert len(trace) == T + 2 and set(trace[0]) == {"h_forward_1"} and set(trace[-1]) == {"h_backward_1"}


# --- evidence -------------------------------------------------------------------------------------------------------------


def test_every_relation_holds_in_every_way(any_network: Network) -> None:
    d = sl.derive(any_network)
    report = sl.verify(d)
    assert report.ok, [(row.name, row.latex) for row in report.rows if not row.ok]
    assert {row.topic for row in report.rows} == {"shapes", "forward", "activations", "gradients", "bptt", "flow"}
    assert sl.verify(d, form="md").ok


def _moved(line: Relation, name: str, to: int) -> Relation:
    """What is said of a quantity at a neighbouring step, said of the other neighbour."""
    def change(part: Term) -> Term:
        here = isinstance(part, Sym) and part.name.startswith(name) and part.time is not None and part.time.offset == -to
        return part.at(Time("t", to)) if here else part  # type: ignore[union-attr]

    return map_relation(line, lambda side: transform(side, change))


def _without(line: Relation, missing: Term) -> Relation:
    assert isinstance(line.rhs, Add) and missing in line.rhs.args
    kept = tuple(part for part in line.rhs.args if part != missing)
    return equation(line.lhs, Add(kept) if len(kept) > 1 else kept[0])


def _shared_out_wrongly(line: Relation) -> Relation:
    """The rows of the other direction."""
    n = Sym("n")
    rows = next(part for part in walk(line) if isinstance(part, Rows))
    other = Rows(rows.arg, Sym("n") - n, n) if rows.start == n else Rows(rows.arg, n, n + n)
    return map_relation(line, lambda side: transform(side, lambda part: other if part == rows else part))


MUTANTS: dict[str, tuple[str, str, str, Callable[[Relation], Relation]]] = {
    "a layer's adjoint is left out": (
        "lstm x2", "bptt", "adjoint of h_1", lambda line: _without(line, Adj(quantities("x_2")[0])),
    ),
    "a direction is taken at the other neighbour": (
        "gru x2 bidirectional softmax", "bptt", "adjoint of h_backward_2", lambda line: _moved(line, "z_backward", 1),
    ),
    "a forward direction too": (
        "lstm bidirectional", "bptt", "adjoint of c_forward_1", lambda line: _moved(line, "f_forward", -1),
    ),
    "a gradient with the wrong neighbour": (
        "lstm bidirectional", "bptt", "gradient of U_backward_i_1", lambda line: map_relation(line, lambda side: transform(
            side, lambda part: part.prev.prev if isinstance(part, Sym) and part.name == "h_backward_1" else part)),
    ),
    "one direction is left out of the input's adjoint": (
        "gru x2 bidirectional softmax", "gradients", "adjoint of y_1",
        lambda line: _without(line, line.rhs.args[-1]),  # type: ignore[attr-defined]
    ),
    "the rows of a stack are exchanged": (
        "lstm bidirectional", "gradients", "adjoint of h_forward_1", _shared_out_wrongly,
    ),
}  # fmt: skip


@cache
def _judges(name: str) -> tuple[Proof, Sequence]:
    return Proof(network(name)), Sequence(network(name))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_line_is_refused_by_proof_and_by_numbers(mutant: str) -> None:
    name, topic, step, change = MUTANTS[mutant]
    right = next(each.relation for each in sl.derive(network(name), topic).steps if each.name == step)
    proof, numbers = _judges(name)
    assert proof.decide(right).ok and on_sequence(numbers, right).ok
    wrong = change(right)
    assert wrong != right
    assert not proof.decide(wrong).ok
    assert not on_sequence(numbers, wrong).ok


def test_the_initial_states_are_no_exception_to_a_wrong_line() -> None:
    """A whole adjoint of a state that runs backward, at the step where that state is given."""
    proof, _ = _judges("lstm bidirectional")
    (c, h, f) = quantities("c_backward_1 h_backward_1 f_backward_1")
    assert proof.decide(equation(Adj(c.next, arriving=True), Adj(c) * f)).ok
    assert not proof.decide(equation(Adj(c.next), Adj(c) * f + Adj(h.next) * 0)).ok  # at t+1 < T+1 more paths leave c


def test_a_jacobian_over_time_goes_the_way_of_what_lies_between() -> None:
    """From the step after, through a direction that runs backward; and nothing from the step before."""
    proof, _ = _judges("lstm bidirectional")
    y, h, r = quantities("y_1 h_forward_1 h_backward_1")
    rows = Rows(Partial(y, r.next), Sym("n"), Sym("n") + Sym("n"))
    assert proof.decide(equation(rows, Partial(r, r.next))).ok
    assert not proof.decide(equation(rows, Partial(r, r.next) * 2)).ok
    assert proof.decide(equation(Partial(y, r.prev), Partial(y, h.next))).ok  # both are zero


def test_arrows_and_layers_are_read() -> None:
    d = sl.derive(stack("slstm", layers=2, bidirectional=True), "forward")
    text = d.latex()
    assert r"\overleftarrow{\tilde{i}}_t^{(2)}" in text and sl.verify(d, text).ok
    for right, wrong in (
        (r"\overleftarrow{m}_{t+1}^{(2)}", r"\overleftarrow{m}_{t-1}^{(2)}"),
        (r"\overrightarrow{c}_{t-1}^{(1)}", r"\overleftarrow{c}_{t-1}^{(1)}"),
        (r"\overrightarrow{c}_{t-1}^{(1)}", r"\overrightarrow{c}_{t-1}^{(2)}"),
    ):
        assert right in text and not sl.verify(d, text.replace(right, wrong)).ok


def test_the_evidence_does_not_grow_with_more_layers_than_there_are() -> None:
    """Each line of a deep network is proved with what it is about, and not with all layers."""
    report = sl.verify(sl.derive(stack("rnn", layers=8), "flow"))
    assert report.ok


# --- cells that run backward, by hand ---------------------------------------------------------------------------------------


def test_a_state_may_run_backward() -> None:
    x, h, r, y = quantities("x h r y")
    W, U, V, b = symbols("W U V b")
    lines = (
        sl.equation(h, sl.tanh(W @ x + U @ h.prev)),
        sl.equation(r, sl.tanh(W @ x + V @ r.next + b)),  # both directions share W
        sl.equation(y, h * r),
    )
    own = sl.Cell("both-ways", (x,), (h, r), lines, output=y, sizes={"r": (Sym("n"),)})
    assert [part.step for part in own.parts] == [1, -1] and own.carried == {h: h.prev, r: r.next}
    assert sl.verify(sl.derive(own)).ok
    params, xs, states = point(own)
    w = [np.ones((3, 1))] * T
    given = every(own, params, xs, states)
    told = Told(own, params, xs, states, w).gradients()
    moved = {**given, "W": given["W"] + 1j * STEP}
    wanted = sum(np.sum(np.imag(each)) / STEP for each in run(own, moved))
    assert abs(np.sum(told["W"]) - wanted) < 1e-12 * abs(wanted)


def test_networks_of_one_direction_are_compared_by_their_last_layer() -> None:
    one, other = stack("gru"), stack(["gru", "gru-z-new"])
    turned = [f"{family}_z_2 = -{family}_z_2" for family in "WUb"]
    assert sl.equivalent(one, other, where=turned).equal is True
    assert sl.equivalent(one, other).equal is False


# --- messages ---------------------------------------------------------------------------------------------------------------

_x, _h, _r = quantities("x h r")
_W, _U, _V = symbols("W U V")
BAD: dict[str, tuple[Callable[[], object], str]] = {
    "no layers": (lambda: stack("lstm", layers=0), "whole number from 1"),
    "a yes for a number": (lambda: stack("lstm", layers=True), "whole number from 1"),
    "no cells": (lambda: stack([]), "Of several cells each is one layer"),
    "several cells and a number": (lambda: stack(["lstm", "gru"], layers=3), "Of several cells each is one layer"),
    "an unknown cell": (lambda: stack("lstn"), "no cell of this name"),
    "several inputs": (lambda: stack("scalar"), "one input"),
    "a network": (lambda: stack(stack("rnn")), "this is a network"),
    "an unknown head": (lambda: stack("lstm", head="sigmodi"), "no head of this name"),
    "a head with memory": (lambda: stack("lstm", head=sl.cell("rnn")), "without memory"),
    "a state in both directions": (
        lambda: sl.Cell("mixed", (_x,), (_h,), (sl.equation(_h, sl.tanh(_W @ _x + _U @ _h.prev + _V @ _h.next)),)),
        "from the step before and from the step after",
    ),
    "directions that need each other": (
        lambda: sl.Cell("knot", (_x,), (_h, _r), (
            sl.equation(_h, sl.tanh(_U @ _h.prev + _V @ _r.next)), sl.equation(_r, sl.tanh(_W @ _x + _U @ _r.next + _V @ _h.prev)))),
        "both directions of time",
    ),
    "an output that nothing defines": (
        lambda: sl.Cell("open", (_x,), (_h,), (sl.equation(_h, sl.tanh(_W @ _x + _h.prev)),), output=_r), "The output is",
    ),
    "a layer that runs backward": (
        lambda: stack(sl.Cell("back", (_x,), (_h,), (sl.equation(_h, sl.tanh(_W @ _x + _U @ _h.next)),))), "runs forward",
    ),
    "a pasted cell that runs backward": (
        lambda: sl.Cell.from_latex(r"$h_t = \tanh(W x_t + U h_{t+1} + b)$"), "runs backward in time",
    ),
    "a comparison of both directions": (
        lambda: sl.equivalent(network("lstm bidirectional"), network("lstm bidirectional")), "forward in time",
    ),
    "two ways of time in a Jacobian": (
        lambda: _judges("gru x2 bidirectional softmax")[0].values(Partial(Sym("h_forward_2", Time()), Sym("h_backward_1", Time("t", 1)))),
        "both directions of time",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_said(case: str) -> None:
    make, words = BAD[case]
    with pytest.raises((sl.NotValid, sl.NotSupported)) as caught:
        make()
    assert words in str(caught.value) and str(caught.value).count("\n") >= 1


# --- the command --------------------------------------------------------------------------------------------------------------


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "symlstm.cli", *arguments], capture_output=True, text=True, check=False)


def test_the_command_makes_networks() -> None:
    shown = command("derive", "rnn", "--layers", "2", "--bidirectional", "--head", "softmax", "--topic", "forward")
    assert shown.returncode == 0 and r"\overleftarrow{h}_{t+1}^{(2)}" in shown.stdout and "probabilities on top" in shown.stdout
    judged = command("verify", "gru", "--bidirectional", "--json")
    assert judged.returncode == 0 and json.loads(judged.stdout)["cell"] == "gru-1-layer-bidirectional"
    refused = command("derive", "lstm", "--layers", "0")
    assert refused.returncode == 2 and "whole number" in refused.stderr
