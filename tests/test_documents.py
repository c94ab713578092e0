"""Documents in many dialects, written for these tests or collected beside the repository: every verdict is as it should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from symlstm.claims.checking import judged
from tests.places import CORPUS

DOCUMENTS = sorted(Path(__file__).parent.joinpath("documents").glob("*.md"))
COLLECTED = sorted(path for path in CORPUS.glob("*.md") if path.with_suffix(".expected.json").exists())


@pytest.mark.parametrize(
    "path", [*DOCUMENTS, *(pytest.param(path, marks=pytest.mark.corpus) for path in COLLECTED)], ids=lambda path: path.stem
)
def test_all_verdicts_are_as_expected(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    found = {verdict.tag: verdict for verdict in judged(path)}
    wrong = {
        claim["tag"]: (found[claim["tag"]].verdict, found[claim["tag"]].reason)
        for claim in expected["claims"]
        if found[claim["tag"]].verdict not in (claim["verdict"], *claim.get("accept", ()))
    }
    assert wrong == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_no_definition_is_in_the_way(path: Path) -> None:
    """What has no tag is a definition that is read and fits, or a repetition that is right."""
    verdicts = {verdict.latex: (verdict.verdict, verdict.reason) for verdict in judged(path) if verdict.tag is None}
    assert {latex: said for latex, said in verdicts.items() if said[0] != "right"} == {}


CELL = r"$$ h_t = \tanh(W x_t + U h_{t-1}) $$ $$ q_t = V x_t $$ $$ y_t = A h_t $$"


def test_zero_is_not_called_right() -> None:
    """Nothing leads from V to the loss, so neither a true nor a false formula about its gradient is confirmed."""
    gradient = r"\frac{\partial L}{\partial V} = \sum_t \frac{\partial L}{\partial q_t}"
    claims = [rf"$$ {gradient} {each}^T $$" for each in ("x_t", "x_{t-1}")]
    assert [verdict.verdict for verdict in judged(CELL + " ".join(claims))] == ["unreadable"] * 2


def test_what_comes_after_the_limit_is_named() -> None:
    verdicts = judged(CELL + r" $$ y_t = A h_t $$ " * 1010)
    assert verdicts[0].verdict == "right"
    assert {each.verdict for each in verdicts} <= {"right", "unreadable"} and "limit" in verdicts[-1].reason
