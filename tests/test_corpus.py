"""Every document of the shared corpus, where it lies beside the repository: all verdicts as expected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from symlstm.claims.checking import judged

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
DOCUMENTS = sorted(path for path in CORPUS.glob("*.md") if path.with_suffix(".expected.json").exists())


@pytest.mark.corpus
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_all_verdicts_are_as_expected(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    found = {verdict.tag: verdict for verdict in judged(path)}
    wrong = {
        claim["tag"]: (found[claim["tag"]].verdict, found[claim["tag"]].reason)
        for claim in expected["claims"]
        if found[claim["tag"]].verdict not in (claim["verdict"], *claim.get("accept", ()))
    }
    assert wrong == {}
