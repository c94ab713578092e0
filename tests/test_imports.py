"""What an import costs: nothing is loaded before it is used, and reader, reference and proof stay independent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("sympy", "numpy", "lark", "latexify", "typer", "rich", "mpmath")


def _loaded(code: str) -> set[str]:
    script = f"import sys; {code}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    )


def test_import_symlstm_loads_nothing_heavy() -> None:
    assert not _loaded("import symlstm") & set(HEAVY)


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


def test_an_unknown_name_says_which_there_are() -> None:
    import symlstm

    with pytest.raises(AttributeError, match="lambdify"):
        _ = symlstm.lambdfy  # type: ignore[attr-defined]
