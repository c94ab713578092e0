"""docs/gallery.md is what symlstm says of the documents in docs/gallery/. `SYMLSTM_UPDATE=1 pytest` rewrites it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from symlstm.claims.proofreading import Proof, proofread
from symlstm.claims.reports import example
from symlstm.definitions.pages import opened

DOCS = Path(__file__).parent.parent / "docs"
ORDER = (  # by how often the mistake is made
    "missing-path", "squashed-twice", "sigmoid-twice", "unknown-weight", "wrong-weights", "product-of-branches",
    "one-minus-a-gradient", "one-factor-too-many", "column-before-matrix", "bias-once",
)  # fmt: skip
HEAD = """# Ten published formulas

Each of these was printed somewhere, and each is wrong; what is said of it below is what `symlstm check` says of the document
in [`gallery/`](gallery) that holds the formula and the definitions it rests on, in the notation of its source. Three of them
have been corrected by their authors since.

<!-- Written by tests/test_gallery.py: SYMLSTM_UPDATE=1 pytest tests/test_gallery.py -->
"""


def proof(name: str) -> Proof:
    return proofread(opened(DOCS / "gallery" / f"{name}.md"))


def section(number: int, name: str, found: Proof) -> Iterator[str]:
    """One formula: where it was printed, what is said of it, a counterexample, and what would be right."""
    [claim] = found.claims
    title, source = (re.search(rf"^{mark} *(.+)$", found.page.text, re.MULTILINE)[1] for mark in ("#", "Source:"))  # type: ignore[index]
    yield f"## {number}. {title}\n\n{source} ([document](gallery/{name}.md))\n\n$$\n{claim.latex}\n$$\n"
    yield f"**{claim.verdict.capitalize()}** ({claim.method}). {_escaped(claim.reason)}\n"
    if claim.counterexample:
        yield "For example:\n\n```\n" + "\n".join(example(claim.counterexample)) + "\n```\n"
    if claim.fix:
        yield f"Would be right:\n\n$$\n{claim.fix}\n$$\n"


def _escaped(text: str) -> str:
    return re.sub(r"([*_<>])", r"\\\1", text)


@pytest.fixture(scope="module")
def proofs() -> dict[str, Proof]:
    return {name: proof(name) for name in ORDER}


def test_every_document_of_the_gallery_is_shown_and_wrong(proofs: dict[str, Proof]) -> None:
    assert {path.stem for path in (DOCS / "gallery").glob("*.md")} == set(ORDER) and len(ORDER) == 10
    for name, found in proofs.items():
        assert [claim.verdict for claim in found.claims] == ["wrong"], name


def test_the_page_says_what_symlstm_says(proofs: dict[str, Proof]) -> None:
    parts = [part for number, name in enumerate(ORDER, start=1) for part in section(number, name, proofs[name])]
    page = "\n".join([HEAD, *parts])
    if os.environ.get("SYMLSTM_UPDATE"):
        (DOCS / "gallery.md").write_text(page, encoding="utf-8")
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == page
