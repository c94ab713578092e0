"""Repairs: what is proposed is right, is read back, is near, and is written as the author writes."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from symlstm.algebra import Relation, quantities
from symlstm.claims.checking import Document
from symlstm.claims.judging.verdicts import Verdict
from symlstm.claims.repairs.diagnosis import canonical, diagnose, nearest
from symlstm.claims.writing.hand import Hand, Unwritable
from symlstm.claims.writing.lettering import flat
from symlstm.definitions.sources import source
from symlstm.reader import read_all
from tests.places import CORPUS, ROOT

LSTM = r"""
$$ f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f) $$
$$ i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i) $$
$$ o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o) $$
$$ \tilde{c}_t = tanh(W_c x_t + U_c h_{t-1} + b_c) $$
$$ c_t = f_t \circ c_{t-1} + i_t \circ \tilde{c}_t $$
$$ h_t = o_t \circ tanh(c_t) $$
$$ \delta_{ht} = \frac{\partial L}{\partial h_t}, \quad \delta_{ct} = \frac{\partial L}{\partial c_t} $$
"""
WRONG = [  # a wrong claim, the repair, and a part of what is said of it
    (r"\frac{\partial L}{\partial f_t} = \delta_{ct} \circ c_t", r"\frac{\partial L}{\partial f_t} = \delta_{ct} \circ c_{t-1}", "for c_t"),
    (r"\frac{\partial L}{\partial i_t} = \delta_{ct} \circ f_t", r"\frac{\partial L}{\partial i_t} = \delta_{ct} \circ \tilde{c}_t", "for f_t"),
    (r"\frac{\partial L}{\partial o_t} = \delta_{ht}", r"\frac{\partial L}{\partial o_t} = \delta_{ht} \circ tanh(c_t)", "missing"),
    (r"\frac{\partial L}{\partial o_t} = \delta_{ht} + tanh(c_t)", r"\frac{\partial L}{\partial o_t} = \delta_{ht} \circ tanh(c_t)", "multiply"),
    (r"\frac{\partial L}{\partial c_t} = \delta_{ht} \circ o_t \circ (1 - tanh^2(c_t))",
     r"\frac{\partial L}{\partial c_t} = \delta_{ht} \circ o_t \circ (1 - tanh^2(c_t)) + \delta_{c_{t+1}} \circ f_{t+1}", "path"),
    (r"\frac{\partial c_t}{\partial i_t} = \mathrm{diag}(f_t)", r"\frac{\partial c_t}{\partial i_t} = \mathrm{diag}(\tilde{c}_t)", "for f_t"),
    (r"\sigma'(x) = \sigma(x) (1 + \sigma(x))", r"\sigma'(x) = \sigma(x) (1 - \sigma(x))", "sign"),
    (r"\sigma(0) = 0.4", r"\sigma(0) = 0.5", "numbers"),
]  # fmt: skip


def diagnosed(text: str) -> list[Verdict]:
    """The tagged claims of a document, with repairs."""
    document = Document(source(text))
    return [diagnose(document.verdict(each), document) for each in document.source.statements if each.tag]


@pytest.mark.parametrize(("wrong", "right", "words"), WRONG)
def test_the_repair_is_the_nearest_right_formula(wrong: str, right: str, words: str) -> None:
    [verdict] = diagnosed(LSTM + rf"$$ {wrong} \tag{{1}} $$")
    conventions = source(LSTM).conventions
    found = [canonical(flat(read_all(fix, conventions)[0])) for fix in verdict.fixes[:3]]
    assert canonical(flat(read_all(right, conventions)[0])) in found, verdict.fixes
    assert words in verdict.reason, verdict.reason


def test_what_is_right_is_left_alone() -> None:
    [verdict] = diagnosed(LSTM + r"$$ \frac{\partial L}{\partial f_t} = \delta_{ct} \circ c_{t-1} \tag{1} $$")
    assert verdict.verdict == "right" and not verdict.fixes and verdict.counterexample is None


def test_a_repair_is_right_when_it_stands_in_the_document_itself() -> None:
    for wrong, _, _ in WRONG:
        [verdict] = diagnosed(LSTM + rf"$$ {wrong} \tag{{1}} $$")
        for fix in verdict.fixes:
            [again] = diagnosed(LSTM + rf"$$ {fix} \tag{{1}} $$")
            assert again.verdict == "right", fix


def test_a_counterexample_shows_both_sides_in_numbers() -> None:
    [verdict] = diagnosed(LSTM + r"$$ \frac{\partial L}{\partial f_t} = \delta_{ct} \circ c_t \tag{1} $$")
    shown = verdict.counterexample
    assert shown is not None and json.loads(json.dumps(shown)) == shown
    assert shown["sizes"] == {"n": 2, "m": 1} and len(shown["left"]) == 2 and shown["left"] != shown["right"]


def test_of_shapes_that_do_not_fit_the_shapes_are_shown() -> None:
    [verdict] = diagnosed(LSTM + r"$$ \frac{\partial L}{\partial W_f} = \delta_{ct} \tag{1} $$")
    assert verdict.counterexample is not None and verdict.counterexample["left"] == "3 x 2"


def test_what_no_small_edit_repairs_is_derived() -> None:
    [verdict] = diagnosed(LSTM + r"$$ \frac{\partial L}{\partial W_f} = \delta_{ct} \tag{1} $$")
    assert r"\sum_{t=1}^{T}" in verdict.fixes[0] and "derived" in verdict.reason


# --- the author's hand ------------------------------------------------------------------------------------------------

NOTATIONS = {
    r"$$ c^{(t)} = f^{(t)} \odot c^{(t-1)} $$": r"f^{(t+1)} \odot c^{(t)}",
    r"$$ c^t = f^t \circ c^{t-1} $$": r"f^{t+1} \circ c^t",
    r"$$ c_t = f_t * c_{t-1} $$": r"f_{t+1} * c_t",
    r"$$ c_{(t)} = f_{(t)} \cdot c_{(t-1)} $$": r"f_{(t+1)} \cdot c_{(t)}",
    r"$$ c^{\langle t\rangle} = f^{\langle t\rangle} \otimes c^{\langle t-1\rangle} $$": r"f^{\langle t+1\rangle} \otimes c^{\langle t\rangle}",
}


@pytest.mark.parametrize(("document", "written"), NOTATIONS.items())
def test_times_and_signs_are_the_authors(document: str, written: str) -> None:
    c, f = quantities("c f")
    hand = Hand(source(document))
    assert hand.latex(hand.elementwise((f.next, c))) == written


def test_what_has_no_name_is_not_written() -> None:
    with pytest.raises(Unwritable):
        Hand(source("$$ c_t = f_t c_{t-1} $$")).latex(quantities("g")[0])


def documents() -> Iterator[Path]:
    folder = CORPUS
    return iter(sorted(folder.glob("*.md")) if folder.exists() else [])


@pytest.mark.corpus
@pytest.mark.parametrize("path", [path for path in documents() if path.name != "README.md"], ids=lambda path: path.stem)
def test_every_side_of_the_corpus_is_written_and_read_back(path: Path) -> None:
    found = source(path.read_text(encoding="utf-8"))
    hand = Hand(found)
    for statement in found.statements:
        for line in statement.relations:
            if (
                "in" not in line.operators
                and line.condition is None
                and not any("dots" in each.text for each in statement.formulas)
            ):
                assert hand.latex(line)


@pytest.mark.corpus
@pytest.mark.parametrize("path", [path for path in documents() if path.name != "README.md"], ids=lambda path: path.stem)
def test_the_corpus_is_repaired(path: Path) -> None:
    expected = {
        each["tag"]: each for each in json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))["claims"]
    }
    for verdict in diagnosed(path.read_text(encoding="utf-8")):
        wanted = expected.get(verdict.tag)
        if wanted and wanted.get("fix") and verdict.verdict == "wrong" and (path.stem, verdict.tag) not in OPEN:
            assert verdict.fixes, (path.stem, verdict.tag, verdict.reason)


OPEN = {("mallya-lstm-first", "1")}  # its first equality defines what is on its left, and never the left is edited


# --- mutants ----------------------------------------------------------------------------------------------------------


def test_mutants_are_found_wrong_and_their_originals_among_the_first_repairs() -> None:
    spec = importlib.util.spec_from_file_location("proofreading", ROOT / "benchmarks" / "proofreading.py")
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules["proofreading"] = benchmark
    spec.loader.exec_module(benchmark)
    rows, missed = benchmark.measure(sample=16, seed=1)
    for row in rows.values():
        assert row.right == row.claims
        assert row.wrong + row.ambiguous == row.mutants
    wrong = sum(row.wrong for row in rows.values())
    assert sum(row.first for row in rows.values()) >= 0.9 * wrong, missed


def test_a_relation_of_the_document_is_repaired_without_its_verdict() -> None:
    document = Document(source(LSTM + r"$$ h_t = o_t \circ c_t \tag{1} $$"))
    line = next(each for each in document.source.statements if each.tag).relations[0]
    assert isinstance(line, Relation)
    assert [repair.latex for repair in nearest(line, document)] == [r"h_t = o_t \circ tanh(c_t)"]
