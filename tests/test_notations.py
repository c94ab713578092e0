"""Notations: a cell in another notation is proved to be the same cell, and every derivation holds in every notation.

    python tests/test_notations.py

verifies all topics of every cell in every notation (a minute or two); the suite takes a part of that grid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import ascii_letters

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import symlstm as sl
from symlstm import cli, zoo
from symlstm.algebra import Sym, defined, equation, map_relation, quantity, substitute, walk
from symlstm.dialects import NOTATIONS, notation_of
from symlstm.evidence.report import read_back
from symlstm.notation import Notation
from symlstm.restating import restated, restatement
from symlstm.topics import FURTHER

GREEK = """
source = "a text that this test makes up"
preactivation = "*_hat"
[rename]
x = "xi"
h = "eta"
c = "kappa"
i = "iota"
f = "phi"
o = "omega"
g = "gamma"
r = "rho"
z = "zeta"
"W_*" = "Theta_*"
"U_*" = "Omega_*"
"b_*" = "beta_*"
[style]
time = "above"
vectors = "rows"
"""


@pytest.fixture
def greek(tmp_path: Path) -> Path:
    path = tmp_path / "greek.toml"
    path.write_text(GREEK, encoding="utf-8")
    return path


# --- the lines of the sources ---------------------------------------------------------------------------------------

LINES = {
    ("colah", "lstm"): (
        r"f_t = \sigma(W_f \cdot [h_{t-1}, x_t] + b_f)",
        r"\tilde{C}_t = \tanh(W_C \cdot [h_{t-1}, x_t] + b_C)",
        r"C_t = f_t * C_{t-1} + i_t * \tilde{C}_t",
        r"h_t = o_t * \tanh(C_t)",
    ),
    ("colah", "gru-z-new"): (r"\tilde{h}_t = \tanh(W \cdot [r_t * h_{t-1}, x_t] + b)", r"h_t = (1 - z_t) * h_{t-1} + z_t * \tilde{h}_t"),
    ("colah", "mgu"): (r"f_t = \sigma(W_f \cdot [h_{t-1}, x_t] + b_f)", r"\tilde{h}_t = \tanh(W_h \cdot [f_t * h_{t-1}, x_t] + b_h)"),
    ("pytorch", "rnn"): (r"h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})",),
    ("pytorch", "lstm"): (r"i_t = \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi})", r"g_t = \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg})"),
    ("pytorch", "lstm-projected"): (r"h_t = W_{hr} \bigl(o_t \odot \tanh(c_t)\bigr)",),
    ("pytorch", "gru-reset-after"): (
        r"r_t = \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr})",
        r"n_t = \tanh\bigl(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn})\bigr)",
    ),
    ("pytorch", "gru"): (r"n_t = \tanh\bigl(W_{in} x_t + b_{in} + W_{hn} (r_t \odot h_{t-1}) + b_{hn}\bigr)",),
    ("greff", "lstm-peephole"): (
        r"\bar{z}^t = W_z x^t + R_z y^{t-1} + b_z",
        r"z^t = \tanh(\bar{z}^t)",
        r"\bar{i}^t = W_i x^t + R_i y^{t-1} + b_i + p_i \odot c^{t-1}",
        r"\bar{o}^t = W_o x^t + R_o y^{t-1} + b_o + p_o \odot c^t",
        r"y^t = o^t \odot \tanh(c^t)",
    ),
    ("graves", "lstm-peephole"): (
        r"i_t = \sigma(W_{xi} x_t + W_{hi} h_{t-1} + b_i + W_{ci} \odot c_{t-1})",
        r"g_t = \tanh(W_{xc} x_t + W_{hc} h_{t-1} + b_c)",
        r"o_t = \sigma(W_{xo} x_t + W_{ho} h_{t-1} + b_o + W_{co} \odot c_t)",
    ),
    ("graves", "lstm-full-feedback"): (r"i_t = \sigma(W_{xi} x_t + W_{hi} h_{t-1} + W_{ci} c_{t-1} + b_i)",),
    ("keras", "lstm"): (r"\tilde{c}_t = \tanh(x_t W_c + h_{t-1} U_c + b_c)", r"c_t = f_t \odot c_{t-1} + i_t \odot \tilde{c}_t"),
    ("keras", "gru"): (r"\tilde{h}_t = \tanh\bigl(x_t W_h + (r_t \odot h_{t-1}) U_h + b_h\bigr)",),
    ("superscript", "lstm"): (r"f^{(t)} = \sigma(W_f x^{(t)} + U_f h^{(t-1)} + b_f)",),
    ("rows", "lstm"): (r"f_t = \sigma(x_t W_f + h_{t-1} U_f + b_f)",),
}  # fmt: skip


def written(cell: str, notation: str | Path | Notation) -> set[str]:
    """The equations of a cell in a notation, as they are declared and as they are derived."""
    made, chosen = restated(cell, notation), notation_of(notation)
    steps = [step for step in sl.derive(cell, "forward", notation=notation).steps if step.written is None]
    lines = [replace(steps[0], relation=line, shapes=made.shapes, notation=chosen).latex() for line in made.declared]
    return {*lines, *(step.latex() for step in steps)}


@pytest.mark.parametrize(("notation", "cell"), LINES)
def test_the_lines_of_the_source(notation: str, cell: str) -> None:
    assert set(LINES[notation, cell]) <= written(cell, notation)


def test_every_notation_but_ours_says_where_it_is_from() -> None:
    assert sl.notations()[0] == "symlstm"
    assert all(NOTATIONS[name].source for name in sl.notations()[1:])


# --- the same cell --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notation", sl.notations()[1:])
def test_a_restated_cell_is_proved_to_be_the_same_cell(notation: str) -> None:
    for name in sl.cells():
        made = restatement(name, notation)
        found = sl.equivalent(made.cell, name, where=made.where)
        assert found.equal and found.note.startswith("Proved"), (name, found)


def test_that_proof_can_fail() -> None:
    """What a parameter is made of is what makes both the same: with two biases exchanged for one, they are not."""
    made = restatement("lstm", "pytorch")
    assert sl.equivalent(made.cell, "lstm", where=made.where).equal
    (both,) = (line for line in made.where if line.lhs == Sym("b_f"))
    wrong = tuple(equation(both.lhs, Sym("b_if")) if line == both else line for line in made.where)
    assert sl.equivalent(made.cell, "lstm", where=wrong).equal is False
    joined = restatement("lstm", "colah")
    halves = {line.lhs: line.rhs for line in joined.where if line.lhs in (Sym("U_i"), Sym("U_f"))}
    crossed = {Sym("U_i"): halves[Sym("U_f")], Sym("U_f"): halves[Sym("U_i")]}
    wrong = tuple(equation(line.lhs, crossed.get(line.lhs, line.rhs)) for line in joined.where)
    assert sl.equivalent(joined.cell, "lstm", where=wrong).equal is False


@pytest.mark.parametrize("notation", sl.notations())
def test_what_is_restated_keeps_what_it_is(notation: str) -> None:
    """Its name and title, its inputs and states in order, what its quantities are called in words; no name twice."""
    for name in sl.cells():
        cell, made = zoo.cell(name), restatement(name, notation)
        new = made.cell
        assert (new.name, new.title) == (cell.name, cell.title)
        told = {line.lhs: line.rhs for line in made.where}
        for old, now in ((cell.state_terms, new.state_terms), (cell.input_terms, new.input_terms)):
            assert [told[each.at(None)] for each in old] == [each.at(None) for each in now]
        assert sorted(cell.words.values()) == sorted(new.words.values())
        assert len(cell.named) == len(new.named)
        assert len({defined(line) for line in new.named}) == len(new.named)


def test_the_house_restates_nothing() -> None:
    for name in sl.cells():
        assert restated(name, "symlstm") is zoo.cell(name) and restated(name, "superscript") is zoo.cell(name)


@pytest.mark.parametrize("notation", ["colah", "pytorch", "greff"])
def test_a_restated_network_is_the_network_of_the_restated_cells(notation: str) -> None:
    two = sl.stack("lstm", layers=2)
    made = restatement(two, notation)
    assert sl.equivalent(made.cell, two, where=made.where).equal
    for network in (sl.stack("lstm", layers=2, head="softmax"), sl.stack("gru", layers=1, bidirectional=True)):
        assert sl.verify(sl.derive(network, "gradients", notation=notation)).ok
    assert r"\overleftarrow{" in sl.derive(network, "gradients", notation=notation).latex()


# --- forms ------------------------------------------------------------------------------------------------------------

x, h, W, U, b = quantity("x"), quantity("h"), *map(Sym, "WUb")


def form(*words: str) -> Notation:
    return Notation("mine", form=words)  # type: ignore[arg-type]


@pytest.mark.parametrize(("words", "expected"), [
    (("hidden first",), U @ h.prev + W @ x + b),
    (("two biases",), W @ x + b + U @ h.prev + Sym("d")),
    (("hidden first", "two biases"), U @ h.prev + Sym("d") + W @ x + b),
])  # fmt: skip
def test_forms_of_a_sum(words: tuple[str, ...], expected: object) -> None:
    made = restatement("rnn", form(*words))
    assert made.cell.named[0].rhs == expected
    assert sl.equivalent(made.cell, "rnn", where=made.where).equal


def test_what_is_stacked_first() -> None:
    assert repr(restated("rnn", form("joined")).named[0].rhs) == "W @ [h[t-1]; x[t]] + b"
    assert repr(restated("rnn", form("joined", "input first")).named[0].rhs) == "W @ [x[t]; h[t-1]] + b"


def test_a_form_that_does_not_fit_changes_nothing() -> None:
    """A product behind a reset gate is not joined, and a sum without a bias gets none; one matrix for two sums is not cut up."""
    reset = restated("gru-reset-after", "colah").declared[2]
    assert {"W_h", "U_h"} <= {part.name for part in walk(reset) if isinstance(part, Sym)}
    assert not any(symbol.name.startswith("d") for symbol in restated("lstm-layernorm", form("two biases")).parameter_terms)
    y = quantity("y")
    shared = sl.Cell("shared", (x,), (h, y), (
        sl.equation(h, sl.tanh(W @ x + U @ h.prev + b)), sl.equation(y, sl.sigma(W @ x + U @ y.prev + b))))  # fmt: skip
    for words in (("joined",), ("two biases",)):
        assert restated(shared, form(*words)) is shared


def test_a_second_bias_has_a_name_that_is_free() -> None:
    text = r"$d_t = \tanh(W x_t + U h_{t-1} + b)$ and $h_t = h_{t-1} + d_t$"
    assert "d" not in restated(sl.Cell.from_latex(text, states="h_t"), form("two biases")).shapes.parameters


def test_a_size_that_only_a_parameter_declares_is_kept() -> None:
    text = r"$a_t = \tanh(W x_t + U h_{t-1} + b)$, $h_t = V a_t$, $W \in \mathbb{R}^{k \times m}$, $b \in \mathbb{R}^k$"
    own = sl.Cell.from_latex(text, states="h_t")
    for words in (("joined",), ("two biases",)):
        made = restatement(own, form(*words))
        assert made.cell.declared != own.declared and repr(made.cell.shapes["a"]) == "(k,)"
        assert sl.equivalent(made.cell, own, where=made.where).equal


def test_declared_sizes_follow_the_form() -> None:
    text = r"$h_t = \tanh(W x_t + U h_{t-1} + b)$ with $W \in \mathbb{R}^{n \times m}$, $U \in \mathbb{R}^{n \times n}$, $b \in \mathbb{R}^n$"
    own = sl.Cell.from_latex(text)
    for words in (("joined",), ("two biases",)):
        made = restatement(own, form(*words))
        assert made.cell.declared != own.declared
        assert sl.equivalent(made.cell, own, where=made.where).equal
    assert repr(restated(own, form("joined")).shapes["W"]) == "(n, m + n)"


# --- names ------------------------------------------------------------------------------------------------------------


def test_where_a_letter_is_taken_a_shipped_notation_keeps_ours() -> None:
    """Greff's z is the candidate of an LSTM, and the update gate of a GRU, whose candidate stays g."""
    assert "z" in restated("lstm", "greff").words and "g" not in restated("lstm", "greff").words
    gru = restated("gru", "greff")
    assert gru.words["z"] == "update gate" and gru.words["g"] == "candidate"
    assert [name.name for name in gru.preactivations.values()] == ["r_bar", "z_bar", "g_bar"]
    minimal = restated("minlstm", "greff")  # whose shares are f_bar and i_bar
    assert [name.name for name in minimal.preactivations.values()] == ["z_i", "z_f"]


def test_a_shipped_notation_has_a_name_for_everything_of_any_cell() -> None:
    """Graves' `W_ci` is a peephole, and the matrix on the cell state: here are both, and one keeps our letter."""
    text = r"$i_t = \sigma(W_i x_t + V_i c_{t-1} + p_i \odot c_{t-1})$, $c_t = i_t \odot c_{t-1}$, $h_t = i_t \odot c_t$"
    own = sl.Cell.from_latex(text, states="h_t, c_t")
    made = restatement(own, "graves")
    assert {symbol.name for symbol in made.cell.parameter_terms} == {"W_xi", "W_ci", "p_i"}
    assert sl.equivalent(made.cell, own, where=made.where).equal


@pytest.mark.parametrize(("rename", "both"), [
    ({"i": "f"}, "i and f would both be f"),
    ({"i": "a", "f": "a"}, "i and f would both be a"),
    ({"W_*": "V"}, "W_i and W_f would both be V"),
    ({"U_f": "n"}, "the parameter U_f would be n, a size"),
    ({"U_f": "k"}, "the parameter U_f would be k, which counts steps"),
    ({"b_*": "W_*"}, "W_i and b_i would both be W_i"),
])  # fmt: skip
def test_two_things_of_one_name_are_refused_and_both_are_named(rename: dict[str, str], both: str) -> None:
    with pytest.raises(sl.NotValid, match=re.escape(both)):
        restated("lstm", Notation("mine", rename=rename))


def test_a_keyword_and_a_quantity_that_looks_like_a_parameter() -> None:
    """As everywhere `lambda` is `lambda_`; the deviations `d_i` of layer normalisation are no second biases."""
    assert "lambda_" in restated("lstm", Notation("mine", rename={"f": "lambda"})).words
    assert "d_i" in restated("lstm-layernorm", "pytorch").words


def test_a_swap_is_no_clash() -> None:
    made = restatement("lstm", Notation("mine", rename={"i": "f", "f": "i"}))
    assert made.cell.words["i"] == "forget gate" and sl.equivalent(made.cell, "lstm", where=made.where).equal


BAD: dict[str, tuple[dict[str, object], str]] = {
    "key": ({"rename": {"g!": "C"}}, "'C'"),
    "letters": ({"rename": {"g": "C-tilde"}}, "C-tilde"),
    "star": ({"rename": {"g": "C_*"}}, "C_*"),
    "subscript": ({"rename": {"*_g": "C"}}, "'*_g' = '*_C'"),
    "loss": ({"rename": {"i": "L"}}, "the loss"),
    "form": ({"form": ("joint",)}, "'joined'"),
    "forms": ({"form": ("joined", "two biases")}, "'joined' and 'two biases'"),
    "time": ({"time": "over"}, "'above'"),
    "vectors": ({"vectors": "row"}, "'rows'"),
    "preactivation": ({"preactivation": "a"}, "'a'"),
    "name": ({"name": "my notation"}, "'my notation'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_notation_cannot_say_is_refused_where_it_is_made(case: str) -> None:
    given, quoted = BAD[case]
    with pytest.raises(sl.NotValid, match=re.escape(quoted)):
        Notation(**{"name": "mine", **given})  # type: ignore[arg-type]


FILES = {
    'rname = "a"': "rename",
    'name = "colah"': "of ours",
    'form = "joined"': "list",
    "[rename]\ni = 3": "rename.i = 3",
    '[style]\ntimes = "above"': "style.times",
    '[style]\ntime = "over"': "'above'",
    '[cells]\ngru = "n"': "[cells.gru]",
    "name = ": "not TOML",
    '[rename]\ni = "L"': "the loss",
}


@pytest.mark.parametrize("text", FILES)
def test_what_a_file_cannot_say_is_refused_with_its_place(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(sl.NotValid, match=re.escape(FILES[text])) as refused:
        notation_of(path)
    assert str(path) in str(refused.value)


def test_a_notation_that_there_is_not() -> None:
    with pytest.raises(sl.NotValid, match="'colah'"):
        sl.derive("lstm", notation="cola")
    with pytest.raises(sl.NotValid, match=r"no\.toml"):
        sl.derive("lstm", notation="no.toml")


# --- a notation that a test makes up ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_notation_from_its_table_alone(cell: str, greek: Path) -> None:
    made = restatement(cell, greek)
    assert sl.equivalent(made.cell, cell, where=made.where).equal
    derivation = sl.derive(cell, notation=greek)
    report = sl.verify(derivation)
    assert report.ok, [row.name for row in report.rows if not row.ok]
    assert all(found.ok for found in read_back(derivation, derivation.markdown(), "md"))


def test_its_lines(greek: Path) -> None:
    assert {
        r"\hat{\phi}^{(t)} = \xi^{(t)} \Theta_{\phi} + \eta^{(t-1)} \Omega_{\phi} + \beta_{\phi}",
        r"\kappa^{(t)} = \phi^{(t)} \odot \kappa^{(t-1)} + \iota^{(t)} \odot \gamma^{(t)}",
    } <= written("lstm", greek)


def test_none_of_our_letters_is_left(greek: Path) -> None:
    """In no relation, reason, paragraph or table of the topics that a cell of its own has."""
    ours = set("xhcifogrz")
    for cell in ("lstm", "gru"):
        derivation = sl.derive(cell, notation=greek)
        for section in derivation.sections:
            if section.topic == "activations" or section.about is not None:
                continue  # of one number x, and of other cells
            left = {part.name.partition("_")[0] for part in _symbols(section)} & ours
            assert not left, (cell, section.topic, left)


def _symbols(section: sl.Step | object) -> Iterator[Sym]:
    from symlstm.steps import fragments

    return (part for piece in fragments(section) for part in walk(piece) if isinstance(part, Sym))  # type: ignore[arg-type]


LETTERS = [*sorted({*ascii_letters} - {*"tTL"}), "alpha", "gamma", "lambda", "xi", "Phi", "Omega"]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_any_letters_will_do(data: st.DataObject) -> None:
    """A table drawn at random: letters, form and style. The cell is proved the same, and all that is derived holds."""
    name = data.draw(st.sampled_from(["rnn", "lstm-coupled", "gru", "lstm-projected"]))
    cell = zoo.cell(name)
    parameters = dict.fromkeys(symbol.name.partition("_")[0] for symbol in cell.parameter_terms)
    families = [f"{letter}_*" if letter not in cell.shapes else letter for letter in parameters]
    signals = [symbol.name for symbol in (*cell.input_terms, *map(defined, cell.declared))]
    new = data.draw(st.lists(st.sampled_from(LETTERS), unique=True, min_size=len(signals) + 3, max_size=len(signals) + 3))
    stars = [f"{letter}_*" if "*" in of else letter for letter, of in zip(new[len(signals) :], families, strict=False)]
    notation = Notation(
        "drawn",
        rename=dict(zip([*signals, *families], [*new[: len(signals)], *stars], strict=False)),
        preactivation=data.draw(st.sampled_from(["z_*", "*_bar", "a_*"])),
        form=data.draw(st.sampled_from([(), ("joined",), ("two biases",), ("hidden first",), ("joined", "input first")])),
        time=data.draw(st.sampled_from(["below", "above", "bare"])),
        vectors=data.draw(st.sampled_from(["columns", "rows"])),
        stack=data.draw(st.sampled_from(["matrix", "list"])),
        clash="keep",
    )
    made = restatement(cell, notation)
    assert sl.equivalent(made.cell, name, where=made.where).equal
    rows = sl.verify(sl.derive(name, notation=notation)).rows
    assert all(row.ok for row in rows), next(row for row in rows if not row.ok)


# --- every derivation in every notation -----------------------------------------------------------------------------------

OF_ALL = ("rnn", "lstm", "gru-reset-after", "lstm-projected", "mlstm")  # in every notation
IN_ALL = ("colah", "pytorch")  # every cell


def grid() -> list[tuple[str, str]]:
    """The part of the grid that the suite looks at."""
    cells = {*((cell, notation) for cell in OF_ALL for notation in sl.notations()[1:])}
    return sorted(cells | {(cell, notation) for cell in sl.cells() for notation in IN_ALL})


@pytest.mark.parametrize(("cell", "notation"), grid())
def test_every_relation_holds_and_is_read_back(cell: str, notation: str) -> None:
    problems = list(failing(cell, notation))
    assert not problems, problems[0]


def failing(cell: str, notation: str) -> Iterator[str]:
    """What does not hold of all topics of a cell in a notation, or is read back otherwise from the Markdown."""
    derivation = sl.derive(cell, notation=notation)
    for row in sl.verify(derivation).rows:
        yield from (f"{row.topic}, {row.name}: {row.latex}: {found.note}" for found in row.evidence if not found.ok)
    yield from (found.note for found in read_back(derivation, derivation.markdown(), "md") if not found.ok)


def test_a_wrong_line_is_found_in_every_notation() -> None:
    """The gradient of the forget gate with the cell state of this step in place of the one before."""
    for name in sl.notations():
        derivation = sl.derive("lstm", "gradients", notation=name)
        memory = derivation.cell.state_terms[1]
        (section,) = derivation.sections
        (step,) = (each for each in section.steps if each.relation.lhs.of.name == "f")  # type: ignore[union-attr]
        line = map_relation(step.relation, lambda side: substitute(side, {memory.prev: memory}))  # noqa: B023
        wrong = replace(section, blocks=tuple(replace(each, relation=line) if each == step else each for each in section.blocks))
        rows = sl.verify(replace(derivation, sections=(wrong,))).rows
        assert [row.name for row in rows if not row.ok] == [step.name], name


@pytest.mark.parametrize("topic", FURTHER)
def test_topics_about_other_cells_follow_the_letters(topic: str) -> None:
    (cell,) = FURTHER[topic].chapters
    for name in sl.notations()[1:]:
        derivation = sl.derive(cell, topic, notation=name)
        assert sl.verify(derivation).ok, name
    greff = sl.derive(cell, topic, notation="greff")
    assert not re.search(r"h[_^]", re.sub(r"\\[a-z]+", "", greff.latex().partition("begin{document}")[2]))


def test_a_worked_step_takes_its_arrays_by_the_names_of_the_notation() -> None:
    values = {"x": [1], "y_prev": [0.5], "W": [[0.5]], "R": [[0.25]], "b": [0], "delta_y": [1]}
    made = sl.derive("rnn", "worked", values=values, notation="greff")
    assert sl.verify(made).ok and r"\bar{y}^t" in made.latex()
    with pytest.raises(sl.NotValid, match="'h_prev'"):
        sl.derive("rnn", "worked", values={**values, "h_prev": [1]}, notation="greff")


# --- the command ------------------------------------------------------------------------------------------------------


def call(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(cli.app, list(arguments))
    if isinstance(found.exception, sl.SymlstmError):
        return cli.UNUSABLE, str(found.exception)
    return found.exit_code, found.stdout


def test_the_notations_are_listed() -> None:
    code, out = call("notations")
    assert code == 0 and tuple(line.split()[0] for line in out.splitlines() if line[0] != " ") == sl.notations()
    code, out = call("notations", "--json")
    rows = {row["notation"]: row for row in json.loads(out)}
    assert rows["pytorch"]["example"] in LINES["pytorch", "lstm"] and all(row["source"] for row in rows.values())


def test_derive_takes_a_notation_by_name_and_from_a_file(greek: Path) -> None:
    code, out = call("derive", "rnn", "--topic", "gradients", "--notation", "greff")
    assert code == 0 and "notation=greff" in out.splitlines()[0] and r"\delta \bar{y}^t" in out
    code, out = call("derive", "gru", "--topic", "forward", "--notation", str(greek))
    assert code == 0 and r"\hat{\rho}^{(t)}" in out
    code, out = call("derive", "gru", "--notation", "greek")
    assert code == cli.UNUSABLE and "'greff'" in out


def test_build_writes_a_notation_to_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, folder in ((("--notation", "keras"), "derivations/keras"), ((), "derivations"), (("--notation", "colah", "-o", "out"), "out")):
        assert call("build", "rnn", "-j", "1", *arguments)[0] == 0
        assert (tmp_path / folder / "rnn.tex").is_file()
        assert call("build", "rnn", "-j", "1", "--check", *arguments)[0] == 0
    page = tmp_path / "derivations" / "keras" / "rnn.md"
    page.write_text(page.read_text().replace("x_t W", "W x_t"))
    assert call("build", "rnn", "-j", "1", "--check", "--notation", "keras")[0] == 1
    assert call("build", "rnn", "-j", "1", "--check")[0] == 0


def main() -> None:
    """The whole grid."""
    count = 0
    for notation in sl.notations():
        for cell in sl.cells():
            problems = list(failing(cell, notation))
            count += not problems
            for problem in problems[:3]:
                print(f"{cell} in {notation}: {problem}")
    print(f"{count} of {len(sl.notations()) * len(sl.cells())} hold in every line and are read back, as .tex and as .md")


if __name__ == "__main__":
    main()
