"""The committed derivations are what `symlstm build` writes now, byte for byte. `SYMLSTM_UPDATE=1 pytest` rewrites them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from symlstm import chapters, zoo

FOLDER = Path(__file__).parent.parent / "derivations"


@pytest.fixture(scope="module")
def built() -> list[chapters.Chapter]:
    return list(chapters.chapters())


def test_the_folder_is_what_a_build_writes(built: list[chapters.Chapter]) -> None:
    wanted = chapters.files(built)
    if os.environ.get("SYMLSTM_UPDATE"):
        chapters.write(FOLDER, wanted)
    assert not chapters.differences(FOLDER, wanted)
    assert {path.name for path in FOLDER.iterdir()} == set(wanted)


def test_everything_in_it_holds(built: list[chapters.Chapter]) -> None:
    assert [each.cell for each in built] == list(zoo.cells())
    assert all(each.ok for each in built)


def test_a_second_build_is_the_same(built: list[chapters.Chapter]) -> None:
    assert chapters.chapter("rnn").files == next(each.files for each in built if each.cell == "rnn")


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
