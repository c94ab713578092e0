"""The command as a person runs it: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from symlstm import cli, zoo
from symlstm.algebra import SymlstmError

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "symlstm.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def call(*arguments: str) -> tuple[int, str]:
    """In this process: exit code and standard output."""
    result = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=True)
    if isinstance(result.exception, SymlstmError):
        return cli.UNUSABLE, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


def test_cells_lists_the_zoo() -> None:
    code, out = call("cells")
    assert code == 0 and tuple(line.split()[0] for line in out.splitlines() if line[0] != " ") == zoo.cells()
    assert max(map(len, out.splitlines())) <= 100 and "z: old, new" in out
    code, out = call("cells", "--json")
    rows = {each["cell"]: each for each in json.loads(out)}
    assert code == 0 and tuple(rows) == zoo.cells()
    assert rows["rnn"]["options"] == {"activation": {"tanh": "rnn", "relu": "rnn-relu"}} and rows["rnn"]["source"]


@pytest.mark.parametrize("command", ["cells", "derive", "verify", "build", "codegen"])
def test_every_command_has_help(command: str) -> None:
    code, out = call(command, "--help")
    assert code == 0 and "Usage" in out


def test_derive_writes_a_document(tmp_path: Path) -> None:
    code, out = call("derive", "rnn", "--topic", "gradients")
    assert code == 0 and out.startswith("% symlstm") and r"\end{document}" in out
    code, _ = call("derive", "rnn", "--topic", "bptt", "-o", str(tmp_path / "rnn.md"))
    assert code == 0 and r"\sum_{t=1}^{T}" in (tmp_path / "rnn.md").read_text()


def test_verify_reads_back_a_file_and_notices_a_wrong_sign(tmp_path: Path) -> None:
    page = tmp_path / "rnn.tex"
    call("derive", "rnn", "--topic", "gradients", "-o", str(page))
    code, out = call("verify", "rnn", "--tex", str(page), "--json")
    report = json.loads(out)
    assert code == 0 and report["ok"] and report["cell"] == "rnn"
    text = page.read_text()
    page.write_text(text.replace(r"\delta x_t &= W", r"\delta x_t &= -W"))
    assert page.read_text() != text
    code, out = call("verify", "rnn", "--tex", str(page), "--json")
    wrong = [
        (row["name"], found["method"]) for row in json.loads(out)["equations"] for found in row["evidence"] if not found["ok"]
    ]
    assert code == 1 and wrong == [("adjoint of x", "readback")]


@pytest.mark.parametrize("edit", [(r"\top", "T"), (r" \odot ", r"\odot "), ("passes", "hands")])
def test_edits_that_keep_the_meaning_are_accepted(tmp_path: Path, edit: tuple[str, str]) -> None:
    page = tmp_path / "rnn.tex"
    call("derive", "rnn", "-o", str(page))
    page.write_text(page.read_text().replace(*edit))
    assert call("verify", "rnn", "--tex", str(page))[0] == 0


def test_verify_as_json_has_the_promised_form() -> None:
    code, out = call("verify", "rnn", "--json")
    report = json.loads(out)
    assert code == 0 and set(report) == {"cell", "ok", "equations"}
    for row in report["equations"]:
        assert set(row) == {"topic", "name", "kind", "latex", "evidence"}
        assert {found["method"] for found in row["evidence"]} >= {"exact", "numeric", "readback"}
        assert all(set(found) == {"method", "ok", "max_rel_error", "note"} for found in row["evidence"])


def test_build_writes_and_checks(tmp_path: Path) -> None:
    done = run("build", "rnn", "mingru", "-o", str(tmp_path))
    assert done.returncode == 0 and done.stdout == "" and "2/2" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"rnn.tex", "rnn.md", "mingru.tex", "mingru.md"}
    (tmp_path / "rnn.md").write_text("edited")
    done = run("build", "rnn", "--check", "-o", str(tmp_path))
    assert done.returncode == 1 and "rnn.md is not what a build writes now" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("derive", "lsmt"), "'lstm'"),
        (("derive", "lstm", "--topic", "gradient"), "gradients"),
        (("derive", "lstm", "--topic", "worked"), "none are given"),
        (("derive", "lstm", "--topic", "worked", "--values", "missing.json"), "missing.json"),
        (("derive", "lstm", "-o", "page.docx"), ".tex, .md or .html"),
        (("verify", "lstm", "--tex", "missing.tex"), "missing.tex"),
        (("derive", "lstm", "--topic", "shapes", "-o", "no/such/folder/a.tex"), "cannot be written"),
    ],
)
def test_what_cannot_be_used_is_a_message_and_exit_code_2(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and done.stdout == "" and done.stderr.startswith("symlstm: ")


def test_messages_have_three_parts() -> None:
    done = run("derive", "lsmt")
    assert re.fullmatch(r"symlstm: There is no cell of this name\.\n  in: 'lsmt'\n  right: 'lstm'.*\n", done.stderr)


# --- a cell in a file -----------------------------------------------------------------------------------------------

OWN = r"""# A leaky integrator with a learned rate

$$ \alpha = \sigma(a), \qquad h_t = (1 - \alpha) \odot h_{t-1} + \alpha \odot \tanh(W x_t + U h_{t-1} + b) $$
$$ y_t = V h_t $$
$$ \delta \alpha_t = \delta h_t \tag{1} $$
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "my_cell.md"
    path.write_text(OWN)
    return path


def test_derive_and_verify_take_a_file(own: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.tex"
    done = run("derive", str(own), "-o", str(page))
    assert done.returncode == 0 and done.stderr == "symlstm: no state needs y: not part of the cell my_cell\n"
    assert page.read_text().startswith("% symlstm: cell=my_cell")
    code, out = call("verify", str(own), "--json")
    assert code == 0 and json.loads(out)["cell"] == "my_cell" and json.loads(out)["ok"]
    assert call("verify", str(own), "--tex", str(page))[0] == 0
    page.write_text(page.read_text().replace(r"\delta x_t &= W", r"\delta x_t &= -W"))
    assert call("verify", str(own), "--tex", str(page))[0] == 1


def test_a_cell_from_standard_input() -> None:
    result = CliRunner().invoke(cli.app, ["derive", "-", "--topic", "gradients", "--format", "md"], input=OWN)
    assert result.exit_code == 0 and r"\delta \alpha_t" in result.stdout


def test_states_and_inputs_by_option(tmp_path: Path) -> None:
    path = tmp_path / "two.tex"
    path.write_text(r"$c_t = c_{t-1} + W x_t$, $h_t = \tanh(c_t) + U h_{t-1}$")
    code, out = call("derive", str(path), "--topic", "shapes", "--states", "c_t, h_t", "--format", "md")
    assert code == 0 and out.index("$`c_t`$") < out.index("$`h_t`$")


def test_check_takes_a_cell_in_a_file(own: Path, tmp_path: Path) -> None:
    claim = tmp_path / "claim.md"
    claim.write_text(r"$$ h_t = h_{t-1} - \alpha_t \odot h_{t-1} + \alpha_t \odot \tanh(W x_t + U h_{t-1} + b) \tag{1} $$")
    code, out = call("check", "--cell", str(own), str(claim))
    assert code == 0 and "1 right" in out, out


def test_a_file_never_takes_the_name_of_a_cell_of_the_zoo(tmp_path: Path) -> None:
    path = tmp_path / "lstm.md"
    path.write_text(OWN)
    code, out = call("verify", str(path), "--json")
    assert code == 0 and json.loads(out)["cell"] == "own-lstm"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$$ h_t = W x_t + $$", r"bad\.md: line 1, column 17"),
        ("no formula", "There is no equation of a step"),
        ("h_t = W x_t", "there is no state"),
        ("h_t = U h_{t-1} + W x_t + U x_t", r"m \(given\)|one side is"),
    ],
)
def test_a_file_that_is_no_cell_is_a_message(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.md").write_text(text)
    code, out = call("derive", str(tmp_path / "bad.md"))
    assert code == 2 and re.search(words, out), out


def test_states_are_said_of_files_only() -> None:
    code, out = call("derive", "lstm", "--states", "h_t")
    assert code == 2 and "equations in a file" in out
