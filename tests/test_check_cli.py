"""`symlstm check` as a person runs it: verdicts, exit codes, JSON, annotated copies, streams and files of every kind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import symlstm as sl
from symlstm import cli
from symlstm.algebra import NotValid, Relation
from symlstm.claims.annotations import without

ROOT = Path(__file__).parent.parent
CELL = "$$h_t = \\tanh(W x_t + U h_{t-1} + b)$$\n"
RIGHT = "$$\\sigma'(x) = \\sigma(x) (1 - \\sigma(x)) \\tag{r}$$\n"
WRONG = "$$\\tanh'(x) = 1 - \\tanh(x) \\tag{w}$$\n"
ILL = "$$\\tanh'(x) = (1 - \\tag{u}$$\n"
AMBIGUOUS = (
    "$$f_t = \\sigma(W_f x_t + U_f h_{t-1})$$ $$c_t = f_t \\odot c_{t-1} + W_c x_t$$ $$h_t = \\tanh(c_t)$$\n"
    "$$\\frac{\\partial c_t}{\\partial c_{t-1}} = \\mathrm{diag}(f_t) \\tag{a}$$\n"
)
KEYS = {
    "file", "line", "number", "tag", "role", "latex", "verdict", "links", "method", "reason", "fix", "fixes", "counterexample",
    "readings", "warnings",
}  # fmt: skip


def call(*arguments: str, given: str | bytes = "") -> Result:
    """In this process. An error of ours, which `main` makes a message of, is exit code 2."""
    result = CliRunner().invoke(cli.app, ["check", *arguments], input=given)
    assert result.exception is None or isinstance(result.exception, (SystemExit, sl.SymlstmError)), result.exception
    return result


def code(text: str, *arguments: str) -> int:
    return call("-", *arguments, given=text).exit_code


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A document with one claim of each kind that one cell allows."""
    path = tmp_path / "notes.md"
    path.write_text("# Notes\n\n" + CELL + RIGHT + "text\n" + WRONG + ILL, encoding="utf-8")
    return path


# --- exit codes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RIGHT, 0), (CELL + RIGHT, 0), (WRONG, 1), (RIGHT + WRONG, 1), (AMBIGUOUS, 1), (ILL, 2), (RIGHT + ILL, 2), (WRONG + ILL, 1),
        (CELL, 2), ("no formula", 2), ("", 2),
    ],
)  # fmt: skip
def test_exit_codes(text: str, expected: int) -> None:
    assert code(text) == expected
    assert code(text, "--json") == expected
    assert code(text, "--format", "md") == expected


def test_a_document_without_a_claim_may_be_allowed() -> None:
    assert code("no formula", "--allow-empty") == 0
    assert code(ILL, "--allow-empty") == 2
    assert code(WRONG, "--allow-empty") == 1


def test_a_file_that_cannot_be_used_is_2_unless_another_has_something_wrong(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text(RIGHT)
    bad.write_text(WRONG)
    missing = str(tmp_path / "missing.md")
    assert call(str(good), missing).exit_code == 2
    assert call(str(bad), missing).exit_code == 1
    assert call(str(good), str(bad)).exit_code == 1
    assert call(str(good), str(good)).exit_code == 0


# --- what a program reads ---------------------------------------------------------------------------------------


def test_json_has_the_promised_form(page: Path) -> None:
    result = call("--json", str(page))
    found = json.loads(result.stdout)
    assert [(each["tag"], each["verdict"]) for each in found] == [("r", "right"), ("w", "wrong"), ("u", "unreadable")]
    for each in found:
        assert set(each) == KEYS and each["file"] == str(page) and each["role"] == "claim"
        assert page.read_text().splitlines()[each["line"] - 1].startswith("$$")
        assert (each["fix"] is None) == (not each["fixes"])
    assert "3 claims: 1 right, 1 wrong, 1 unreadable" in result.stderr


def test_json_with_all_has_the_definitions_too(page: Path) -> None:
    found = json.loads(call("--json", "--all", str(page)).stdout)
    assert [each["role"] for each in found] == ["definition", "claim", "claim", "claim"] and found[0]["verdict"] == "right"
    assert {frozenset(each) for each in found} == {frozenset(KEYS)}


def test_json_of_nothing_is_an_empty_list(tmp_path: Path) -> None:
    result = call("--json", str(tmp_path / "missing.md"))
    assert json.loads(result.stdout) == [] and result.exit_code == 2 and "no such file" in result.stderr


def test_the_links_of_a_chain_are_in_the_words_of_the_document() -> None:
    text = "$$\\sigma'(x) = \\sigma(x) (1 - \\sigma(x)) = \\sigma(x) - \\sigma(x) \\tag{1}$$"
    links = json.loads(call("--json", "-", given=text).stdout)[0]["links"]
    assert links == [
        {"latex": "\\sigma'(x) = \\sigma(x) (1 - \\sigma(x))", "verdict": "right"},
        {"latex": "\\sigma(x) (1 - \\sigma(x)) = \\sigma(x) - \\sigma(x)", "verdict": "wrong"},
    ]


def test_output_to_a_file(page: Path, tmp_path: Path) -> None:
    for arguments, starts in ((("--json",), "["), ((), f"{page}: 3 claims"), (("--format", "md"), "# Notes")):
        result = call(*arguments, "-o", str(tmp_path / "out"), str(page))
        assert result.stdout == "" and (tmp_path / "out").read_text(encoding="utf-8").startswith(starts)


# --- what a person reads ----------------------------------------------------------------------------------------


def test_the_table_and_the_marked_formulas(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out = call(str(page)).stdout
    assert out.startswith(f"{page}: 3 claims: 1 right, 1 wrong, 1 unreadable\n")
    rows = [line.split() for line in out.splitlines()]
    assert rows[1][:5] == ["line", "tag", "formula", "verdict", "reason"]
    assert f"{page}:6:3 (w) wrong" in out and "    \\tanh'(x) = 1 - \\tanh(x)\n" in out
    assert f"{page}:7:3 (u) unreadable" in out and re.search(r"\n +\^\n", out)
    table = out.split("\n\n")[0].splitlines()[1:]
    assert max(map(len, table)) <= 100


def test_the_first_wrong_sign_of_a_chain_is_marked() -> None:
    text = "$$\\sigma'(x) = \\sigma(x) (1 - \\sigma(x)) = \\sigma(x) - \\sigma(x) \\tag{1}$$"
    lines = call("-", given=text).stdout.splitlines()
    at = next(k for k, line in enumerate(lines) if line.strip() == "^")
    assert lines[at - 1][lines[at].index("^") :].startswith("= \\sigma(x) - ")


def test_several_files_and_standard_input(page: Path) -> None:
    result = call(str(page), "-", given=RIGHT)
    assert f"{page}: 3 claims" in result.stdout and "<stdin>: 1 claim: 1 right" in result.stdout


def test_bare_lines() -> None:
    text = "h_t = \\tanh(W x_t + U h_{t-1})\nh_t = \\tanh(U h_{t-1} + W x_t)\nh_t = \\tanh(U h_{t-1} - W x_t)\n"
    found = json.loads(call("--json", "--bare", "-", given=text).stdout)
    assert [(each["line"], each["verdict"]) for each in found] == [(2, "right"), (3, "wrong")]
    copy = call("--bare", "--format", "md", "-", given=text).stdout
    assert without(copy, "md") == text and copy.index("wrong") > copy.index("h_{t-1} - W")


def test_a_cell_of_the_zoo_as_the_definition() -> None:
    text = "$$\\delta f_t = \\delta c_t \\odot c_{t-1} \\tag{1}$$\n$$\\delta f_t = \\delta c_t \\odot c_t \\tag{2}$$\n"
    found = json.loads(call("--json", "--cell", "lstm", "-", given=text).stdout)
    assert [each["verdict"] for each in found] == ["right", "wrong"]
    assert code("<!-- cell: lstm -->\n" + text) == 1
    result = call("--cell", "lsmt", "-", given=text)
    assert "'lstm'" in result.stderr and result.exit_code == 2


# --- annotated copies -------------------------------------------------------------------------------------------


COPIES = {
    "plain": CELL + RIGHT + "text\n" + WRONG + "the end",
    "windows": (CELL + RIGHT + "text\n" + WRONG + "the end\n").replace("\n", "\r\n"),
    "mark": "\ufeff" + CELL + WRONG,
    "list": "- one\n\n  " + WRONG + "- two\n",
    "quotation": "> $$\\tanh'(x) = 1 \\tag{1}$$\n> more\n\n> other\n",
    "rows": "$$\\begin{aligned}\n\\tanh'(x) &= 1 \\tag{1} \\\\\n\\tanh'(0) &= 1 \\tag{2}\n\\end{aligned}$$\ntext\n",
    "at the end": WRONG.rstrip("\n"),
    "fence": "```math\n\\tanh'(x) = 1 \\tag{1}\n```\nmore\n",
    "words": "Ünïcödé δ\n" + WRONG + "日本語\n",
}


@pytest.mark.parametrize("text", COPIES.values(), ids=COPIES)
def test_an_annotated_copy_is_the_document_and_the_notes(tmp_path: Path, text: str) -> None:
    path, copy = tmp_path / "a.md", tmp_path / "b.md"
    path.write_bytes(text.encode())
    call("--format", "md", "-o", str(copy), str(path))
    annotated = copy.read_bytes().decode()
    assert "**wrong**" in annotated and without(annotated, "md") == text
    again = tmp_path / "c.md"
    call("--format", "md", "-o", str(again), str(copy))
    assert again.read_bytes() == copy.read_bytes()


def test_notes_stand_behind_their_display() -> None:
    copy = call("--format", "md", "-", given=COPIES["rows"]).stdout
    assert re.search(r"\\end\{aligned\}\$\$\n\n> .*\(1\) \*\*wrong.*\n> .*\(2\) right.*\n\ntext\n", copy)


@pytest.mark.tex
def test_an_annotated_tex_file_compiles(tmp_path: Path) -> None:
    body = "\\begin{align}\n\\tanh'(x) &= 1 - \\tanh(x) \\tag{w}\n\\end{align}\n\\[ \\sigma'(x) \\le \\frac14 \\tag{r} \\]\n"
    ill = "\\begin{equation} a_t \\cdot = \\sqrt[3]{x^2} \\tag{u} \\end{equation}\n"
    text = "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n" + body + ill + "\\end{document}\n"
    (tmp_path / "a.tex").write_text(text)
    result = call("--format", "tex", "-o", str(tmp_path / "b.tex"), str(tmp_path / "a.tex"))
    copy = (tmp_path / "b.tex").read_text()
    assert result.exit_code == 1 and without(copy, "tex") == text and copy.count("% symlstm") == 3
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "b.tex"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()[-2000:]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "tex", "a.md"), "--format md"),
        (("--format", "md", "a.md", "a.md"), "one FILE"),
        (("--format", "md", "--json", "a.md"), "without --json"),
    ],
)
def test_copies_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "a.md").write_text(RIGHT)
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert words in result.stderr + str(result.exception or "") and result.exit_code != 0


# --- files of every kind ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
        (b"text\x00more", "line 1: the character '\\x00'"),
        (b"# Caf\xe9\n$$x = 1$$", "line 1, byte 6"),
        (b"$$x = 1$$\n" * 250_000, "the limit of 2,000,000"),
    ],
)
def test_what_is_no_document_is_a_message(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(data)
    result = call(str(path))
    assert words in result.stderr and result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith("symlstm: ")


def test_a_folder_and_a_name_that_is_nearly_one(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(RIGHT)
    assert "This is a folder" in call(str(tmp_path)).stderr
    assert str(tmp_path / "notes.md") in call(str(tmp_path / "note.md")).stderr


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_texts_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path, copy = tmp_path / "a.md", tmp_path / "b.md"
    path.write_bytes((RIGHT + "δ\n").encode(encoding))
    assert call(str(path)).exit_code == 0
    call("--format", "md", "-o", str(copy), str(path))
    assert without(copy.read_bytes().decode(encoding), "md") == RIGHT + "δ\n"
    assert copy.read_bytes()[:2] == path.read_bytes()[:2]


def test_in_a_process_of_its_own(page: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "symlstm.cli", "check", "-", "--json"], cwd=ROOT, input=WRONG, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1 and json.loads(done.stdout)[0]["verdict"] == "wrong" and "1 claim: 1 wrong" in done.stderr


# --- from Python ------------------------------------------------------------------------------------------------


def test_check_takes_text_and_files(page: Path) -> None:
    assert [each.verdict for each in sl.check(page)] == ["right", "wrong", "unreadable"]
    [verdict] = sl.check(WRONG)
    assert verdict.tag == "w" and "wrong" in verdict._repr_markdown_() and set(verdict.to_dict()) == KEYS
    with pytest.raises(NotValid, match="no such file"):
        sl.check(page.parent / "other.md")


TOPICS = ("forward", "activations", "gradients", "bptt", "flow")  # what is about the cell alone


@pytest.mark.parametrize("name", ["lstm", "rnn"])
def test_every_step_of_a_derivation_is_right_about_its_cell(name: str) -> None:
    """As SymPy's relation and as ours; `gamma`, a bound of our own, is no part of the cell."""
    for step in (each for topic in TOPICS for each in sl.derive(name, topic).steps):
        if "gamma" not in repr(step.relation):
            assert [each.verdict for each in sl.check(step.equation, cell=name)] == ["right"], step.relation
    step = sl.derive(name, "gradients").steps[0]
    assert sl.check(step.relation, cell=sl.cell(name))[0].verdict == sl.check(step, cell=name)[0].verdict == "right"


def test_a_wrong_relation_of_sympy() -> None:
    import sympy

    n = sl.cell("lstm").states[0].shape[0]
    names = {name: sympy.MatrixSymbol(name, n, 1) for name in ("delta_f_t", "delta_c_t", "c_t", "c_prev")}
    for other, verdict in (("c_prev", "right"), ("c_t", "wrong")):
        line = sympy.Eq(names["delta_f_t"], sympy.HadamardProduct(names["delta_c_t"], names[other]), evaluate=False)
        assert sl.check(line, cell="lstm")[0].verdict == verdict


@pytest.mark.parametrize(("subject", "words"), [(True, "SymPy has decided"), (3.5, "a float"), (None, "NoneType")])
def test_what_cannot_be_judged_is_a_message(subject: Any, words: str) -> None:
    with pytest.raises(NotValid, match=words):
        sl.check(subject, cell="lstm")


def test_a_relation_needs_a_cell() -> None:
    step = sl.derive("rnn", "gradients").steps[0]
    assert isinstance(step.relation, Relation)
    with pytest.raises(NotValid, match="which cell"):
        sl.check(step.relation)


# --- the hook ---------------------------------------------------------------------------------------------------


def test_the_pre_commit_hook_calls_the_command(tmp_path: Path) -> None:
    """The file is so plain that lines are enough to read it; the entry is run as it stands there."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0].startswith("- ") and all(re.fullmatch(r"[- ] [a-z_]+: \S.*", line) for line in lines)
    hook = dict(line[2:].split(": ", 1) for line in lines)
    assert hook["id"] == "symlstm-check" and hook["language"] == "python" and hook["types_or"] == "[markdown, tex]"
    program, command, *arguments = hook["entry"].split()
    assert (program, command) == ("symlstm", "check")
    (tmp_path / "a.md").write_text("no formula")
    assert call(*arguments, str(tmp_path / "a.md")).exit_code == 0
    (tmp_path / "a.md").write_text(WRONG)
    assert call(*arguments, str(tmp_path / "a.md")).exit_code == 1


# --- a notation that is told --------------------------------------------------------------------------------------


def test_a_notation_is_told_by_its_name_or_a_file(tmp_path: Path) -> None:
    table = tmp_path / "mine.toml"
    table.write_text('name = "mine"\nrename = { f = "phi", "*_f" = "*_phi" }\nstyle = { vectors = "rows" }\n', encoding="utf-8")
    mine = "$$ \\phi_t = \\sigma(x_t W_\\phi + h_{t-1} U_\\phi + b_\\phi) \\tag{1} $$"
    assert code(mine, "--cell", "lstm", "--notation", str(table)) == 0
    assert code(mine.replace("h_{t-1}", "h_t"), "--cell", "lstm", "--notation", str(table)) == 1
    assert code(mine, "--cell", "lstm", "--notation", "greff") != 0
    greff = "$$ \\delta \\bar{z}^t = \\delta z^t \\odot (1 - (z^t)^2) \\tag{1} $$"
    assert code(greff, "--cell", "lstm", "--notation", "greff") == 0
    assert code("<!-- cell: lstm -->" + greff, "--notation", "greff") == 0


def test_a_notation_without_a_cell_cannot_be_used() -> None:
    found = call("-", "--notation", "greff", given=RIGHT)
    assert found.exit_code == 2 and "nothing says which" in found.output
    assert call("-", "--cell", "lstm", "--notation", "grefff", given=RIGHT).exit_code == 2
