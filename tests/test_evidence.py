"""The report: nothing is left out, each kind of evidence can fail, and reading back asks for meaning, not for truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from symlstm import zoo
from symlstm.activations import X
from symlstm.algebra import (
    Adj,
    Apply,
    Limit,
    Norm,
    NotSupported,
    NotValid,
    Num,
    Partial,
    Prime,
    Relation,
    Sym,
    equation,
    quantities,
    relation,
    size,
    term,
    transform,
)
from symlstm.derivation import Derivation, derive
from symlstm.evidence.report import Report, Row, verify, verify_file
from symlstm.model import Cell
from symlstm.prose import prose
from symlstm.steps import Step, fragments

METHODS = ("exact", "numeric", "readback")
x, h, c, f, o, z_f = quantities("x h c f o z_f")


@cache
def _report(cell: str, form: Any = "tex") -> Report:
    return verify(derive(cell), form=form)


@pytest.mark.parametrize("form", ["tex", "md"])
@pytest.mark.parametrize("cell", zoo.cells())
def test_every_relation_of_a_derivation_holds_in_all_three_ways(cell: str, form: str) -> None:
    report = _report(cell, form)
    failed = [(row.topic, row.name, found) for row in report.rows for found in row.evidence if not found.ok]
    assert report.ok and not failed
    assert all(tuple(found.method for found in row.evidence) == METHODS for row in report.rows)


@pytest.mark.parametrize("cell", zoo.cells())
def test_no_relation_is_left_out(cell: str) -> None:
    derivation = derive(cell)
    pieces = [piece for section in derivation.sections for piece in fragments(section) if isinstance(piece, Relation)]
    assert len(_report(cell).rows) == len(pieces)
    assert {row.name for row in _report(cell).rows} >= {step.name for step in derivation.steps}
    assert all(set(_report(cell).words(step)) == {"Exact", "In numbers, to 1e-12", "Read back"} for step in derivation.steps)


def test_the_plain_data_is_the_form_that_was_promised() -> None:
    data = json.loads(json.dumps(_report("rnn").to_dict(), allow_nan=False))
    assert set(data) == {"cell", "ok", "equations"} and data["cell"] == "rnn" and data["ok"] is True
    for row in data["equations"]:
        assert set(row) == {"topic", "name", "kind", "latex", "evidence"}
        assert [found["method"] for found in row["evidence"]] == list(METHODS)
        for found in row["evidence"]:
            assert found["note"] and (found["max_rel_error"] is None or found["max_rel_error"] < 1e-12 or row["kind"] == "number")


SMALL = Num(Fraction(1, 100))

# --- each way can fail, for each kind -----------------------------------------------------------------------------------

WRONG: tuple[tuple[str, str, str, Relation, set[str]], ...] = (
    ("lstm", "forward", "definition", equation(h, o * Apply("sigma", c)), {"exact", "numeric"}),
    ("lstm", "gradients", "identity", equation(Adj(z_f), Adj(f) * f), {"exact", "numeric"}),
    ("lstm", "activations", "bound", relation(Prime("sigma", X), "<=", Num(Fraction(1, 5))), {"exact", "numeric"}),
    ("lstm", "activations", "bound", relation(Prime("sigma", X), "<", Num(Fraction(1, 4))), {"exact", "numeric"}),
    ("rnn", "flow", "bound", relation(Norm(Partial(h, h.prev)), "<=", SMALL @ Norm(Sym("U"))), {"exact", "numeric"}),
    ("lstm", "activations", "limit", equation(Limit(Apply("tanh", X), X, -1), term(1)), {"exact", "numeric"}),
    ("lstm", "shapes", "size", size(Sym("W_f"), Sym("n"), Sym("n")), {"exact", "numeric"}),
    ("lstm", "flow", "number", relation(Num(Fraction(9, 10), 1) ** 5, "~", Num(Fraction(5904, 10000), 4)), {"exact", "numeric"}),
    ("rnn", "flow", "number", equation(Sym("gamma"), Num(Fraction(1, 4))), {"exact", "numeric"}),
)


def _with(derivation: Derivation, step: Step) -> Derivation:
    """The derivation with one more step at its end, or in place of the constant that it defines."""
    section = derivation.sections[-1]
    kept = tuple(block for block in section.blocks
                 if not (isinstance(block, Step) and block.relation.lhs == step.relation.lhs == Sym("gamma")))
    return replace(derivation, sections=(*derivation.sections[:-1], replace(section, blocks=(*kept, step))))


@pytest.mark.parametrize(("cell", "topic", "kind", "line", "failing"), WRONG, ids=[str(case[3]) for case in WRONG])
def test_a_wrong_relation_fails_exactly_and_in_numbers_though_it_reads_back(
        cell: str, topic: str, kind: Any, line: Relation, failing: set[str]) -> None:
    shapes = zoo.cell(cell).shapes
    made = _with(derive(cell, topic), Step(topic, "the wrong one", kind, line, prose("a mistake"), shapes=shapes))
    report = verify(made)
    (row,) = (row for row in report.rows if row.name == "the wrong one")
    assert not report.ok and {found.method for found in row.evidence if not found.ok} == failing
    assert set(report.words(made.steps[-1]).values()) >= {"does not hold"}


def test_a_wrong_relation_inside_a_reason_counts() -> None:
    made = derive("rnn", "gradients")
    section = made.sections[0]
    index = next(k for k, block in enumerate(section.blocks) if isinstance(block, Step))
    step = section.blocks[index]
    assert isinstance(step, Step)
    bad = replace(step, reason=prose("since {}", relation(Prime("tanh", X), "<=", Num(Fraction(1, 2)))))
    blocks = (*section.blocks[:index], bad, *section.blocks[index + 1:])
    report = verify(replace(made, sections=(replace(section, blocks=blocks),)))
    assert [row.name for row in report.rows if not row.ok] == [f"tanh'(x) <= 1/2, in the reason of {step.name}"]


def test_a_cell_of_ones_own_is_measured_by_the_interpreter_and_says_so() -> None:
    own = Cell("own", zoo.RNN.input_terms, zoo.RNN.state_terms, zoo.RNN.declared)
    report = verify(derive(own, "gradients"))
    assert report.ok
    assert "component-wise interpreter" in report.rows[0].evidence[1].note


# --- reading back -------------------------------------------------------------------------------------------------------

Change = Callable[[str], str]


def _replaced(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text, f"{old} is not in the file"
        return text.replace(old, new, 1)
    return change


SAME_MEANING: tuple[Change, ...] = (
    _replaced(r"\delta z_t &= \delta h_t \odot (1 - h_t^2)", r"\delta  z_{t} &= (1 - h_t^2) \odot \delta h_t"),
    lambda text: text.replace(r"^{\top}", "^T"),
    _replaced("Backpropagation", "Back propagation"),
    _replaced(r"\frac{\partial \ell_t}{\partial h_t} + U^{\top} \delta z_{t+1}",
              r"U^{\top} \delta z_{t+1} + \frac{\partial \ell_t}{\partial h_t}"),
)
OTHER_MEANING: tuple[tuple[Change, str], ...] = (
    (_replaced(r"\delta z_t &= \delta h_t", r"\delta z_t &= \delta h_{t-1}"), "adjoint of z"),
    (_replaced(r"\delta b^{(t)} &= \delta z_t", r"\delta z_t &= \delta b^{(t)}"), "adjoint of b"),  # true, but another equation
    (_replaced(r"0 &< \sigma'(x) \le", r"0 &\le \sigma'(x) \le"), "bound of the slope of sigma"),  # true, but weaker
    (_replaced(r"\sum_{t=1}^{T} \delta z_t \, x_t", r"\sum_{t=2}^{T} \delta z_t \, x_t"), "gradient of W"),
    (_replaced(r"\sum_{t=1}^{T} \delta z_t \, x_t", r"\sum_{t} \delta z_t \, x_t"), "gradient of W"),  # limits left out
    (_replaced(r"W &\in \mathbb{R}^{n \times m}", r"W &\in \mathbb{R}^{m \times n}"), "size of W"),
    (_replaced(r"$\tanh'(z_t) = 1 - h_t^2$", r"$\tanh'(z_t) = 1 - h_t$"),
     "tanh'(z[t]) = 1 - h[t]^2, in the reason of adjoint of z"),
)


@pytest.mark.parametrize("change", SAME_MEANING)
def test_an_edit_that_keeps_the_meaning_is_accepted(change: Change) -> None:
    made = derive("rnn")
    text = made.latex()
    assert change(text) != text
    assert verify(made, change(text)).ok


@pytest.mark.parametrize(("change", "name"), OTHER_MEANING, ids=[name for _, name in OTHER_MEANING])
def test_an_edit_that_changes_the_meaning_fails_at_its_place_and_only_when_read_back(change: Change, name: str) -> None:
    made = derive("rnn")
    failed = [row for row in verify(made, change(made.latex())).rows if not row.ok]
    assert name in {row.name for row in failed}
    assert len(failed) <= 2 and all(_failing(row) == {"readback"} for row in failed)


def _failing(row: Row) -> set[str]:
    return {found.method for found in row.evidence if not found.ok}


@pytest.mark.parametrize("change", [
    _replaced(r"\end{document}", r"$x_t$ \end{document}"),  # one too many
    _replaced(r"$\tanh'(z_t) = 1 - h_t^2$", "so"),  # one too few
    lambda text: "",
    lambda text: r"\begin{document} $\undefinedsign x$ \end{document}",
])
def test_a_file_with_other_pieces_of_mathematics_is_not_the_derivation(change: Change) -> None:
    made = derive("rnn")
    assert not verify(made, change(made.latex())).ok


def test_a_file_is_verified_as_what_it_says_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rnn.tex"
    path.write_text(derive("rnn", "bptt").latex(), encoding="utf-8")
    report = verify_file("rnn", path)
    assert report.ok and {row.topic for row in report.rows} == {"bptt"}
    with pytest.raises(NotValid, match="about the cell rnn"):
        verify_file("lstm", path)


@pytest.mark.parametrize(("name", "text", "error"), [
    ("missing.tex", None, NotValid),
    ("binary.tex", b"\xff\xfe\x00", NotValid),
    ("notes.txt", b"x", NotValid),
    ("worked.tex", b"% symlstm: cell=rnn topics=worked\n", NotSupported),
])
def test_a_file_that_cannot_be_used_is_a_message(tmp_path: Path, name: str, text: bytes | None, error: type[Exception]) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with pytest.raises(error, match=r"(?s).+in: .+"):
        verify_file("rnn", tmp_path / name)


# --- worked numbers -------------------------------------------------------------------------------------------------------

VALUES: dict[str, Any] = {
    "x": [0.5, -1], "h_prev": [0.25, 1], "delta_h": [1, -2],
    "W": [[1, 2], [0.5, -0.5]], "U": [[0, 1], [-1, 0.5]], "b": [0.1, -0.2],
}
README = {"x": [1, 2, 3], "h_prev": [4, 5, 6], "[W_i, U_i]": [[1] * 6, [2] * 6, [3] * 6], "b_i": [1, 1, 1]}


@pytest.mark.parametrize(("cell", "values"), [("rnn", VALUES), ("lstm", README)], ids=["rnn", "readme"])
def test_every_printed_number_is_recomputed(cell: str, values: dict[str, Any]) -> None:
    report = verify(derive(cell, "worked", values=values))
    assert report.ok and len(report.rows) > 5


def test_a_changed_digit_fails_exactly_and_in_numbers() -> None:
    made = derive("rnn", "worked", values=VALUES)
    for name in ("value of h[t]", "value of delta z[t]", "value of delta+ h[t-1]"):
        section = made.sections[0]
        blocks = tuple(_changed(block) if isinstance(block, Step) and block.name == name else block for block in section.blocks)
        report = verify(replace(made, sections=(replace(section, blocks=blocks),)))
        assert {row.name: _failing(row) for row in report.rows if not row.ok} == {name: {"exact", "numeric"}}


def _changed(step: Step) -> Step:
    """The result one unit of its last digit larger."""
    last = step.relation.terms[-1]
    moved = transform(last, lambda part: Num(part.value + Fraction(1, 10**part.places), part.places)
                      if isinstance(part, Num) and part.places else part)
    assert moved != last
    return replace(step, relation=Relation((*step.relation.terms[:-1], moved), step.relation.operators))
