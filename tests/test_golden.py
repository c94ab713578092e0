"""The committed derivations are what `symlstm build` writes now, byte for byte. `SYMLSTM_UPDATE=1 pytest` rewrites them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from symlstm import chapters, zoo
from symlstm.algebra import NotSupported

FOLDER = Path(__file__).parent.parent / "derivations"


@pytest.fixture(scope="module")
def built() -> list[chapters.Chapter]:
    return chapters.chapters(jobs=2)


def test_the_folder_is_what_a_build_writes(built: list[chapters.Chapter]) -> None:
    wanted = chapters.files(built)
    if os.environ.get("SYMLSTM_UPDATE"):
        chapters.write(FOLDER, wanted)
    assert not chapters.differences(FOLDER, wanted)
    assert {path.name for path in FOLDER.iterdir()} == set(wanted)


def test_everything_in_it_holds(built: list[chapters.Chapter]) -> None:
    assert [each.cell for each in built] == list(zoo.cells())
    assert all(each.ok for each in built)


def test_the_work_is_spread_over_both_processes(built: list[chapters.Chapter]) -> None:
    made = Counter(each.process for each in built)
    assert len(made) == 2 and os.getpid() not in made and min(made.values()) > 1


def test_a_build_in_one_process_is_the_same(built: list[chapters.Chapter]) -> None:
    told: list[tuple[str, int, int]] = []
    alone = chapters.chapters(["rnn", "mingru"], jobs=1, progress=lambda made, done, total: told.append((made.cell, done, total)))
    assert all(each.process == os.getpid() for each in alone) and [each.cell for each in alone] == ["rnn", "mingru"]
    assert {name: text for each in alone for name, text in each.files.items()}.items() <= chapters.files(built).items()
    assert sorted(told, key=lambda line: line[1]) == told and {total for _, _, total in told} == {2}


def test_a_cell_that_cannot_be_made_loses_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, *more: Any) -> chapters.Chapter:
        if name == "mingru":
            raise NotSupported("It is broken.", name)
        return whole(name, *more)

    whole = chapters.chapter
    monkeypatch.setattr(chapters, "chapter", broken)
    found = {each.cell: each for each in chapters.chapters(["mingru", "rnn"], jobs=1)}
    assert found["rnn"].ok and not found["mingru"].ok and "It is broken." in found["mingru"].misread[0]


def test_the_files_hold_no_date_version_or_measured_value(built: list[chapters.Chapter]) -> None:
    import symlstm

    for name, text in chapters.files(built).items():
        assert symlstm.__version__ not in text, name
        assert not re.search(r"20[2-9]\d-\d\d|\d\.\d+e-\d+|\bseconds\b", text), name


@pytest.mark.tex
@pytest.mark.parametrize("cell", zoo.cells())
def test_every_page_compiles_with_nothing_too_wide(cell: str, tmp_path: Path) -> None:
    shutil.copy(FOLDER / f"{cell}.tex", tmp_path)
    for _ in range(2):
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{cell}.tex"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            errors="replace",
        )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout and "undefined" not in done.stdout
