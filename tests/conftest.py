"""What a test needs beside the package, as a table; what is missing is deselected with a line that says so.

With SYMLSTM_REQUIRE_ALL=1, as in `.ci/run`, nothing may be missing and nothing may be skipped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.places import CORPUS

REQUIRED = os.environ.get("SYMLSTM_REQUIRE_ALL") == "1"
os.environ["SYMLSTM_CACHE"] = "0"  # what is tested is generated here, never left from another run


def _packages(*names: str) -> Callable[[], list[str]]:
    return lambda: [name for name in names if find_spec(name) is None]


NEEDS: dict[str, tuple[Callable[[], list[str]], str]] = {
    "oracle": (_packages("torch", "onnx", "onnxruntime", "keras", "flax"), "pip install '.[oracles]'"),
    "numba": (_packages("numba"), "pip install '.[numba]'"),
    "tex": (lambda: [name for name in ("pdflatex",) if shutil.which(name) is None], "install texlive-latex-recommended"),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what cannot run here, and say so; under SYMLSTM_REQUIRE_ALL, fail instead."""
    _without_corpus(config, items)
    for marker, (missing, remedy) in NEEDS.items():
        concerned = [item for item in items if item.get_closest_marker(marker)]
        lacking = missing() if concerned else []
        if not lacking:
            continue
        line = f"{len(concerned)} tests marked {marker!r} need {', '.join(lacking)}, which is not installed: {remedy}"
        if REQUIRED:
            raise pytest.UsageError(line)
        items[:] = [item for item in items if item not in concerned]
        config.hook.pytest_deselected(items=concerned)
        config.stash.setdefault(LACKING, []).append(f"deselected: {line}")


def _without_corpus(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The collected documents lie beside the repository, where they lie at all: nothing to install, so never a failure."""
    concerned = [item for item in items if item.get_closest_marker("corpus")]
    if concerned and not CORPUS.is_dir():
        items[:] = [item for item in items if item not in concerned]
        config.hook.pytest_deselected(items=concerned)
        config.stash.setdefault(LACKING, []).append("deselected: no ../shared/corpus beside the repository")


LACKING = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The lines about what was deselected."""
    for line in config.stash.get(LACKING, []):
        terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Under SYMLSTM_REQUIRE_ALL a skip is a failure."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"{item.nodeid} was skipped, and nothing may be: {report.longrepr}"
    return report
