"""Every code block of the README and of docs/ runs, and prints what it says it prints.

`SYMLSTM_UPDATE=1 pytest` writes what console blocks print now; look at the difference.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ORACLE = {"backends.md"}  # pages that run frameworks
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q "  # `.ci/run` runs these lines as they stand


def _case(page: Path, *more: str) -> Any:
    """A page as a case of a test, under the marker of what it needs."""
    return pytest.param(page, *more, id=more[0] if more else page.name, marks=[pytest.mark.oracle] * (page.name in ORACLE))


def _blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [_case(page) for page in PAGES])
def test_python_blocks(page: Path) -> None:
    found = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE, encoding="utf-8")
    assert found.failed == 0


@pytest.mark.parametrize(
    ("page", "command", "printed"),
    [
        _case(page, *case)
        for page in PAGES
        for kind, text in _blocks(page)
        if kind == "console"
        for case in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    ],
)
def test_console_blocks(page: Path, command: str, printed: str) -> None:
    """A console block is commands, each with the output that follows it."""
    tools = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120", "PYTHONPATH": str(ROOT)}
    shell = command.replace("symlstm ", f"{sys.executable} -m symlstm.cli ", 1)
    done = subprocess.run(["bash", "-c", shell], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if os.environ.get("SYMLSTM_UPDATE"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(f"$ {command}\n{printed}", f"$ {command}\n{done.stdout}"), encoding="utf-8")
        printed = done.stdout
    assert done.stdout == printed, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_is_of_a_kind_that_nothing_runs(page: Path) -> None:
    for kind, text in _blocks(page):
        starts = kind == "sh" and all(line.startswith(INSTALL) for line in text.splitlines())
        runs = kind in ("python", "console", "") or starts
        assert runs, (kind, text)
        assert kind != "python" or ">>>" in text


def test_the_readme_says_how_to_start() -> None:
    start = [text for kind, text in _blocks(ROOT / "README.md") if kind == "sh"]
    assert len(start) == 1 and start[0].splitlines()[0].endswith("symlstm build") and start[0].splitlines()[1].endswith("pytest")
