"""Two cells compute the same under a map: what is shown is proved, and what is slightly wrong is refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import symlstm as sl
from symlstm import cli
from symlstm.activations import sigma, tanh
from symlstm.algebra import Blocks, MatMul, Neg, Num, Relation, Sym, Term, equation, plain, quantities, quantity
from symlstm.equivalence import proving
from symlstm.equivalence.maps import lines
from symlstm.equivalence.pairs import pair

ROOT = Path(__file__).parent.parent
FILES = ROOT / "docs" / "equivalence"
GATES = "ifog"


def each(line: str, gates: str = GATES) -> str:
    """A line of a map for every gate."""
    return ", ".join(line.replace("#", gate) for gate in gates)


def of(name: str) -> sl.Cell:
    """A cell of the zoo, or one of those that the page shows."""
    return sl.cell(name) if name in sl.cells() else sl.Cell.from_latex(FILES / f"{name}.md")


UNSTABILISED = r"c = c \odot \exp(m), n = n \odot \exp(m)"
SCALAR = ("z = z_g, z_i = z_i, z_f = z_f, z_o = z_o, a = h", "f(x) = \\sigma(x)", "g(x) = \\tanh(x)", "h(x) = \\tanh(x)")

SHOWN: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "concatenated": ("lstm", "stacked", (each("W_# = [U_#, W_#]"),)),
    "full feedback of nothing": ("lstm", "lstm-full-feedback", (each("W_# = [U_#, 0, W_#]"),)),
    "full feedback of the diagonal": (
        "peephole-before", "lstm-full-feedback", (each("W_# = [U_#, diag(p_#), W_#]", "ifo"), "W_g = [U_g, 0, W_g]")),
    "two biases": ("two-biases", "lstm", (each("W_# = W_i#, U_# = W_h#, b_# = b_i# + b_h#"),)),
    "one bias": ("lstm", "two-biases", (each("W_i# = W_#, W_h# = U_#, b_i# = b_#, b_h# = 0"),)),
    "coupled by an equation": ("lstm-coupled", "lstm", ("f = 1 - i",)),
    "coupled by parameters": ("lstm-coupled", "lstm", ("W_f = -W_i, U_f = -U_i, b_f = -b_i",)),
    "z for 1 - z": ("gru", "gru-z-new", ("W_z = -W_z, U_z = -U_z, b_z = -b_z",)),
    "z for 1 - z, reset after": ("gru-reset-after", "gru-reset-after-z-new", ("W_z = -W_z, U_z = -U_z, b_z = -b_z",)),
    "no stabiliser": ("slstm", "slstm-plain", (UNSTABILISED,)),
    "any stabiliser": ("slstm-any", "slstm-plain", (UNSTABILISED,)),
    "a stabiliser of 0": ("slstm", "slstm", ("m_t = 0, m = 0", UNSTABILISED)),
    "a gate fed with the output": ("lstm", "scalar-row", ("x = [x, h_{t-1}]", each("W_# = [W_#, U_#]"))),
    "no input gate": ("lstm-nig", "lstm-peephole", ("i = 1",)),
    "the minimal gated unit": (
        "mgu", "gru", ("W_r = W_f, U_r = U_f, b_r = b_f, W_z = -W_f, U_z = -U_f, b_z = -b_f",)),
    "shares of one": ("minlstm", "mingru", ("z = i_bar",)),
    "the larger in another order": ("slstm", "slstm", (r"m_t = \max(\tilde{i}_t, \tilde{f}_t + m_{t-1})",)),
    "peepholes of 0": ("lstm", "lstm-peephole", ("p_i, p_f, p_o = 0",)),
    "peepholes of 0, the other one": ("lstm-np", "lstm-peephole", ("p_i, p_f, p_o = 0",)),
    "coupled, peepholes of 0": ("lstm-coupled", "lstm-cifg", ("p_i, p_o = 0",)),
    "a layer of scalar cells": ("lstm", "scalar", SCALAR),
    "a row of cells": ("scalar-row", "lstm", (each("U_# = 0"),)),
    "a row of scalar cells": ("scalar-row", "scalar", SCALAR),
    "a tanh made of a sigmoid": ("lstm", "lstm", (r"g_t = 2 \sigma(2 z_g) - 1",)),
}  # fmt: skip
CASES = [pytest.param(*case, id=name) for name, case in SHOWN.items()]


@pytest.mark.parametrize(("left", "right", "where"), CASES)
def test_what_is_shown_is_proved(left: str, right: str, where: tuple[str, ...]) -> None:
    found = sl.equivalent(of(left), of(right), where)
    assert found.equal is True, found
    assert "Proved by induction" in found.note and "n = 2, m = 3" in found.note and found.counterexample is None
    assert found.where == where and repr(found).startswith(f"{left} and {right}: equal")


# --- what is slightly wrong ------------------------------------------------------------------------------------------


def mutants(where: tuple[Relation, ...]) -> Iterator[tuple[Relation, ...]]:
    """The map with one of its lines changed: another sign, or 1 more."""
    for k, line in enumerate(where):
        for changed in wrong(line.rhs):
            yield (*where[:k], equation(line.lhs, changed), *where[k + 1 :])


def wrong(said: Term) -> Iterator[Term]:
    if not isinstance(said, Num):
        yield Neg(said)
    if not isinstance(said, Blocks):
        yield said + 1


UNSEEN = {"a", "m[t]"}  # of these the output does not depend, whatever the map says: scalar's output is no memory; any stabiliser does


@pytest.mark.parametrize(("left", "right", "where"), CASES)
def test_every_line_of_a_map_matters(left: str, right: str, where: tuple[str, ...]) -> None:
    """No wrong map is called equal: there is a counterexample, and the proof alone, without the numbers, refuses it too."""
    one, other = of(left), of(right)
    refused = 0
    for said in mutants(lines(where, one, other)):
        changed = next(line for line, right_one in zip(said, lines(where, one, other), strict=True) if line != right_one)
        assert proving.proof(pair(one, other, said)), said
        found = sl.equivalent(one, other, said)
        if plain(changed.lhs) in UNSEEN:
            assert found.equal is None, (said, found)
        else:
            assert found.equal is False and found.counterexample, (said, found)
            assert found.counterexample["left"] != found.counterexample["right"]
        refused += 1
    assert refused >= len(lines(where, one, other))


def test_matrix_memory_does_not_depend_on_its_stabiliser() -> None:
    assert sl.equivalent("mlstm", "mlstm", r"m_t = 0, m = 0, C = C \exp(m), n = n \exp(m)").equal is True
    assert sl.equivalent("mlstm", "mlstm", r"m_t = 0, m = 0, C = C \exp(m)").equal is False
    assert sl.equivalent("mlstm", "mlstm", r"s_t = |a|, m_t = 0, m = 0, C = C \exp(m), n = n \exp(m)", given="s_t = |a_t|").equal is True
    assert sl.equivalent("mlstm", "mlstm", r"s_t = |a|, m_t = 0, m = 0, C = C \exp(m), n = n \exp(m)").equal is False


@pytest.mark.parametrize(("left", "right"), [("gru", "gru-reset-after"), ("gru-z-new", "gru-reset-after-z-new")])
def test_where_the_reset_stands_matters(left: str, right: str) -> None:
    found = sl.equivalent(left, right, "d_g = 0")
    assert found.equal is False and found.counterexample is not None
    assert found.counterexample["sizes"]["n"] == 2 and "At n = 1 they agree" in found.note  # r (U h) = U (r h) for numbers
    assert sl.equivalent(left, right, "d_g = 1").equal is False
    assert sl.equivalent(left, right, "d_g = 0", given="U_g = 0").equal is True
    assert sl.equivalent(left, right, "d_g = 0", given="U_z = 0").equal is False
    assert sl.equivalent(left, right, "d_g = 0", given="r_t = 1").equal is False  # the one has no r then, the other still has
    assert sl.equivalent(left, right, "d_g = 0, r_t = 1", given="r_t = 1").equal is True


def test_a_counterexample_is_one_for_the_generated_numpy_too() -> None:
    """What is shown is all there is to it: parameters, inputs and states, run by another program."""
    found = sl.equivalent("gru", "gru-reset-after", "d_g = 0").counterexample
    assert found is not None
    sizes, where = found["sizes"], found["where"]

    def output(name: str, **more: Any) -> Any:
        cell = sl.cell(name)
        shapes = cell.parameter_shapes(**sizes)
        params = {key: np.reshape(where[key], shape) for key, shape in shapes.items() if key in where} | more
        xs = np.reshape([where[f"x[{t}]"] for t in range(1, found["step"] + 1)], (-1, sizes["m"])).astype(float)
        return sl.lambdify(cell).forward(params, xs, (np.reshape(where["h[0]"], sizes["n"]),)).outputs[-1]

    assert np.allclose(output("gru"), found["left"], atol=1e-4)
    assert np.allclose(output("gru-reset-after", d_g=np.zeros(sizes["n"])), found["right"], atol=1e-4)


# --- laws --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sl.cells())
def test_every_cell_is_equivalent_to_itself(name: str) -> None:
    assert sl.equivalent(name, name).equal is True


SAME_CELL = {frozenset({"lstm", "lstm-np"})}  # the variant without peepholes is the LSTM


def test_cells_with_the_same_parameters_are_not_confused() -> None:
    """All pairs of different cells whose parameters and states have the same names and sizes, both ways."""
    def names(name: str) -> Any:
        cell = sl.cell(name)
        return {key: cell.shapes.lengths[key] for key in sorted(s.name for s in (*cell.parameter_terms, *cell.state_terms))}

    pairs = [(a, b) for a, b in itertools.permutations(sl.cells(), 2) if names(a) == names(b)]
    assert len(pairs) >= 10
    claimed = {(a, b): sl.equivalent(a, b).equal for a, b in pairs}
    assert {frozenset(both) for both, equal in claimed.items() if equal is not False} == SAME_CELL


def test_a_map_of_inputs_and_of_the_output() -> None:
    turned = "x = -x, W = -W"
    assert sl.equivalent("rnn", "rnn", turned).equal is True
    assert sl.equivalent("rnn", "rnn", "x = -x").equal is False
    odd = sl.equivalent("rnn", "rnn", "h = -h, W = -W, b = -b")  # tanh is odd: every state is turned, and so is the output
    assert odd.equal is False and "outputs" in odd.note


def test_gates_may_change_their_names() -> None:
    swapped = each("W_# = W_%, U_# = U_%, b_# = b_%".replace("%", "f"), "i") + ", " + each("W_# = W_i, U_# = U_i, b_# = b_i", "f")
    other = sl.equivalent("lstm", "lstm", swapped)
    assert other.equal is False
    back = sl.equivalent("lstm", "lstm", [swapped, "c_t = i_t c_{t-1} + f_t g_t".replace(" c_{", r" \odot c_{").replace(" g_", r" \odot g_")])
    assert back.equal is True


def test_what_no_relation_shows_is_not_called_equal() -> None:
    found = sl.equivalent("rnn", "rnn", r"h_t = \tanh(W x_t + U h_{t-1} + (\sin^2(1) + \cos^2(1)) b)")
    assert found.equal is None and "1e-12" in found.note and not found and found.counterexample is None


def test_a_state_that_is_not_what_the_map_says() -> None:
    found = sl.equivalent("slstm", "slstm", "m_t = 0")
    assert found.equal is None and "m = m" in found.note and "the states of slstm are not" in found.note


@pytest.mark.parametrize("name", ["rnn-relu", "gru", "lstm", "lstm-peephole", "minlstm", "slstm", "mlstm", "scalar"])
def test_the_proof_does_not_rest_on_the_numbers(name: str) -> None:
    """A difference so small that no number shows it is not called equal."""
    cell = sl.cell(name)
    near = Num(1 + Fraction(1, 10**14))
    last = cell.state_terms[-1]
    changed = tuple(equation(line.lhs, MatMul((near, line.rhs))) if line.lhs == last else line for line in cell.declared)
    found = sl.equivalent(cell, sl.Cell("near", cell.input_terms, cell.state_terms, changed, sizes=cell.sizes))
    assert found.equal is None and "No proof was found" in found.note


def test_rounding_is_no_difference() -> None:
    """Where the numbers differ by less than a person would see, a proof goes before them."""
    found = sl.equivalent("rnn", "rnn", r"h_t = (10^{12} + \tanh(z)) - 10^{12}")
    assert found.equal is True and "1e-12" not in found.note
    assert sl.equivalent("rnn", "rnn", r"h_t = \tanh(z) + 10^{-5}").equal is False


def test_a_size_may_be_a_number_of_an_equation() -> None:
    assert sl.equivalent("lstm", "lstm", "b_g = n b_g / n").equal is True
    found = sl.equivalent("lstm", "lstm", "b_g = n b_g")
    assert found.equal is False and "At n = 1 they agree" in found.note


def test_a_cell_may_be_fed_with_quantities_of_the_other() -> None:
    assert sl.equivalent("lstm", "rnn", r"h_t = o_t \odot \tanh(c_t)").equal is True
    assert sl.equivalent("lstm", "rnn", r"h_t = i_t \odot \tanh(c_t)").equal is False


# --- ways to say it ----------------------------------------------------------------------------------------------------


def test_terms_relations_mappings_and_text_say_the_same() -> None:
    i, f = quantities("i f")
    forms: list[Any] = ["f = 1 - i", r"f_t = 1 - i_t", {"f": 1 - i}, {"f": "1 - i"}, equation(f, 1 - i), [equation(Sym("f"), 1 - Sym("i"))]]
    for where in forms:
        assert sl.equivalent("lstm-coupled", "lstm", where).equal is True, where


def test_a_cell_made_in_python() -> None:
    x, h, c, i, f, o, g = quantities("x h c i f o g")
    stacked = Blocks(((h.prev,), (x,)))
    gates = [equation(quantity(gate), (tanh if gate == "g" else sigma)(Sym(f"W_{gate}") @ stacked + Sym(f"b_{gate}"))) for gate in GATES]
    own = sl.Cell("own", (x,), (h, c), (*gates, equation(c, f * c.prev + i * g), equation(h, o * tanh(c))))
    where = {f"W_{gate}": Blocks(((Sym(f"U_{gate}"), Sym(f"W_{gate}")),)) for gate in GATES}
    assert sl.equivalent("lstm", own, where).equal is True


def test_sizes_of_their_own() -> None:
    """A projected LSTM whose projection is from its own k entries; its other size has no name in the other cell."""
    wide = sl.Cell.from_latex(
        "\n".join([
            *(rf"$$ {gate}_t = \sigma(W_{gate} x_t + U_{gate} h_{{t-1}} + b_{gate}) $$" for gate in "ifo"),
            r"$$ g_t = \tanh(W_g x_t + U_g h_{t-1} + b_g) $$",
            r"$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t $$",
            r"$$ h_t = P (o_t \odot \tanh(c_t)) $$",
            r"$$ P \in \mathbb{R}^{n \times d} $$",
        ]),
        name="wide",
    )  # fmt: skip
    found = sl.equivalent("lstm-projected", wide, "P = W_h")
    assert found.equal is True and "k = 4" in found.note
    assert sl.equivalent("lstm-projected", wide, "P = -W_h").equal is False


# --- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "where", "given", "says"),
    [
        ("lstm", "lstm-peephole", "", "", "no parameter p_i"),
        ("lstm", "lstm-peephole", "p_j = 0", "", "lstm-peephole has no p_j for the map to be about"),
        ("lstm", "lstm-peephole", "p_i = q", "", "lstm has no q to be made of"),
        ("lstm", "lstm-peephole", "p_i, p_f, p_o = W_i", "", "p_i of lstm-peephole is a vector of length n, and W_i is a matrix of n rows and m columns"),
        ("lstm", "stacked", each("W_# = [U_#, U_#]"), "", "a matrix of n rows and n + m columns, and [U_i; U_i] is"),
        ("lstm", "stacked", each("W_# = [0, 0]"), "", "[0; 0]"),
        ("lstm", "lstm", "i = f, f = i", "", "form a cycle"),
        ("lstm", "lstm", "i = i", "", "makes i[t] of itself"),
        ("slstm", "slstm", "m_t = m_t", "", "without t, which maps the state"),
        ("lstm", "lstm", "W_i = W_f, W_i = W_o", "", "says twice what W_i is"),
        ("lstm", "lstm", "W_i = z_i", "", "A parameter cannot be made of z_i"),
        ("lstm", "lstm", "h = g", "", "A state cannot be made of g"),
        ("lstm", "lstm", "x = c_{t+1}", "", "An input cannot be made of c"),
        ("lstm", "lstm", "f = q", "", "lstm has no q"),
        ("lstm", "lstm", "W_i", "", "A line of the map is an equation"),
        ("lstm", "lstm", "W_i < W_f", "", "A line of the map is one equation"),
        ("lstm", "lstm", "W_i W_f = 0", "", "stands one name"),
        ("lstm", "lstm", "", "U_i = U_f, U_f = 0", "U_i is made of U_f, which is given too"),
        ("lstm", "lstm", "", "c = 0", "c is no parameter of lstm"),
        ("lstm", "slstm", "", "", "no state n"),
        ("lstm", "scalar", "a = h, z = z_g", "", "leaves the function g open"),
        ("lstn", "lstm", "", "", "There is no cell of this name"),
        ("nowhere.md", "lstm", "", "", "There is no such file"),
    ],
)  # fmt: skip
def test_messages(left: str, right: str, where: str, given: str, says: str) -> None:
    other = of(right) if right == "stacked" else right
    with pytest.raises(sl.NotValid, match=None) as caught:
        sl.equivalent(left, other, where or (), given or ())
    assert says in str(caught.value)
    assert "right: " in str(caught.value) or "in: " in str(caught.value)


def test_what_cannot_be_read_is_shown_with_its_place() -> None:
    with pytest.raises(sl.SymlstmError) as caught:
        sl.equivalent("lstm", "lstm", ["W_i = W_f", "U_i = [U_f,"])
    assert "line 1, column 7" in str(caught.value) and "^" in str(caught.value)


def test_text_is_never_run() -> None:
    with pytest.raises(sl.SymlstmError):
        sl.equivalent("lstm", "lstm", "W_i = __import__('os').system('true')")


# --- the command -------------------------------------------------------------------------------------------------------


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, list(arguments))
    if isinstance(result.exception, sl.SymlstmError):
        return cli.UNUSABLE, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


def test_the_command_says_what_it_found_by_its_exit_code() -> None:
    assert call("equal", "lstm", "lstm-np")[0] == 0
    assert call("equal", "lstm", "lstm-peephole", "--where", "p_i = 0", "--where", "p_f, p_o = 0")[0] == 0
    assert call("equal", "gru", "gru-reset-after", "--where", "d_g = 0", "--given", "U_g = 0")[0] == 0
    assert call("equal", "gru", "gru-z-new")[0] == 1
    assert call("equal", "slstm", "slstm", "--where", "m_t = 0")[0] == 2
    code, said = call("equal", "lstm", "lstm-peephole")
    assert code == 2 and "p_i" in said


def test_the_command_in_json() -> None:
    code, out = call("equal", "gru", "gru-z-new", "--where", "W_z = -W_z", "--json")
    found = json.loads(out)
    assert code == 1 and found["equal"] is False and found["where"] == ["W_z = -W_z"]
    assert found == sl.equivalent("gru", "gru-z-new", "W_z = -W_z").to_dict()
    assert found["counterexample"].keys() == {"step", "output", "left", "right", "sizes", "where"}
    code, out = call("equal", str(FILES / "two-biases.md"), "lstm", "--where", SHOWN["two biases"][2][0], "--json")
    assert code == 0 and json.loads(out)["counterexample"] is None
