"""What an import costs: nothing is loaded before it is used, and reader, reference and proof stay independent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import symlstm as sl

ROOT = Path(__file__).parent.parent
HEAVY = ("sympy", "numpy", "lark", "latexify", "typer", "rich", "mpmath")


def _loaded(code: str) -> set[str]:
    script = f"import sys; {code}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    )


def test_import_symlstm_loads_nothing_heavy() -> None:
    assert not _loaded("import symlstm") & set(HEAVY)


def test_a_function_is_made_without_sympy_and_what_reads_and_writes_latex() -> None:
    loaded = _loaded("import symlstm as sl; sl.lambdify(sl.cell('lstm'))")
    assert "symlstm.functions" in loaded
    assert not loaded & ({*HEAVY, "symlstm.tex", "symlstm.reader", "symlstm.layouts", "symlstm.derivation"} - {"numpy"})


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("symlstm.reference", {"symlstm.algebra", "sympy"}),
        ("symlstm.reader", {"symlstm.tex", "symlstm.notation", "symlstm.rules", "symlstm.steps"}),
        ("symlstm.tex", {"symlstm.reader"}),
        ("symlstm.evaluate", {"symlstm.rules", "symlstm.reverse"}),
        ("symlstm.evidence.proof", {"symlstm.rules", "symlstm.reverse"}),
    ],
)
def test_what_gives_evidence_does_not_load_what_it_judges(module: str, never: set[str]) -> None:
    assert not _loaded(f"import {module}") & never


def test_readme_shows_every_room_in_the_order_that_is_enforced() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    [layers] = [each["layers"] for each in contracts if each.get("containers") == ["symlstm"]]
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("| room |")[2].partition("\n\n")[0]
    shown = [room for row in table.splitlines()[2:] for room in re.findall(r"`([a-z_]+/?)`", row.split("|")[1])]
    assert shown == [room + "/" * (ROOT / "symlstm" / room).is_dir() for room in reversed(layers)]


def test_an_unknown_name_says_which_there_are() -> None:
    import symlstm

    with pytest.raises(AttributeError, match="lambdify"):
        _ = symlstm.lambdfy  # type: ignore[attr-defined]


def test_the_package_is_the_command() -> None:
    shown = subprocess.run([sys.executable, "-m", "symlstm", "cells", "--json"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [each["cell"] for each in json.loads(shown)] == list(sl.cells())
