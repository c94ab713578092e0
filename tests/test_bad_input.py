"""Input that is too long, too deep, endless, broken or no text: a message, soon, and the other formulas are still judged.

Every case runs in a process of its own under a limit on memory and time that is far above what it should need.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symlstm.algebra import SymlstmError
from symlstm.claims.annotations import annotated, without
from symlstm.claims.proofreading import check, proofread
from symlstm.claims.reports import as_json, code, printed
from symlstm.definitions.pages import Page, received

ROOT = Path(__file__).parent.parent
SECONDS, BYTES = 60, 1_500_000_000  # ten times what is promised, because other programs run beside the tests
CELL = "$$ h_t = \\tanh(W x_t + U h_{t-1} + b) $$\n\n"
CLAIM = "$$ h_t = \\tanh(U h_{t-1} + W x_t + b) \\tag{ok} $$\n\n"
MACRO = "\\newcommand{\\again}{\\again\\again}\n"


def claim(text: str, tag: str = "bad") -> str:
    """A display with a tag."""
    return f"$$ {text} \\tag{{{tag}}} $$\n\n"


READ_ALL_THE_SAME = {  # the bad formula's verdict is `unreadable`, and the good claim behind it is right
    "a formula of a megabyte": claim("y = " + "a + " * 250_000 + "a"),
    "a chain of a thousand signs": claim("h_t = " * 2000 + "h_t"),
    "nested braces": claim("y = " + "{" * 10**5 + "x" + "}" * 10**5),
    "nested parentheses": claim("y = " + "(" * 10**5 + "x" + ")" * 10**5),
    "nested, within the characters": claim("y = " + "(" * 5000 + "x" + ")" * 5000),
    "nested fractions": claim("y = " + "\\frac{1}{" * 900 + "x" + "}" * 900),
    "nested scripts": claim("y = x" + "_{x" * 3000 + "}" * 3000),
    "nested delimiters": claim("y = " + "\\left(" * 2000 + "x" + "\\right)" * 2000),
    "nested angles": claim("y = " + "\\langle " * 1500 + "x" + "\\rangle " * 1500),
    "nested environments": claim("y = " + "\\begin{bmatrix}" * 900 + "x" + "\\end{bmatrix}" * 900),
    "accents on accents": claim("y = " + "\\bar" * 3000 + " h"),
    "signs on signs": claim("y = " + "-" * 4000 + "x"),
    "transposes of transposes": claim("y = W" + "^T" * 2000 + " x_t"),
    "fractions without end": claim("y = " + "\\frac" * 2000),
    "quotients of quotients": claim("y = " + "a/" * 2400 + "a"),
    "sums of sums": claim("y = " + "\\sum_t " * 900 + "h_t"),
    "primes": claim("\\sigma" + "'" * 3000 + "(x) = 1"),
    "an open brace": claim("y = {{{ x"),
    "a brace that was never open": claim("y = }}} x"),
    "a tower of powers": claim("y = 9^{9^{9^{9}}}"),
    "a factorial": claim("y = (10^9)!"),
    "a number of a thousand digits": claim("y = " + "9" * 1000),
    "a command nobody knows": claim("y = \\input{/etc/passwd}"),
    "a macro without end": MACRO + claim("y = \\again"),
    "an environment that is never closed": claim("y = \\begin{bmatrix} 1 & 2"),
    "a text that is never closed": claim("y = \\text{" * 1000),
    "a very long sum": claim("h_t = \\sum_{k=1}^{100000000} h_k"),
    "python": claim("y = __import__('os').system('touch pwned')"),
}
ONLY_NO_CRASH = {  # whatever is said of these: an exit code, a message, no traceback
    "a megabyte of prose": "The quick brown fox jumps over the lazy dog. " * 22_000 + CLAIM,
    "a megabyte of prose with formulas": "Here $x_t$ is the input, and $5 is a price. " * 22_000 + CLAIM,
    "dollars": "$" * 10**6 + CLAIM,
    "displays that never end": "$$ a = b \n" * 10**5 + CLAIM,
    "beginnings": "\\begin{align}" * 80_000 + CLAIM,
    "brackets": "\\[" * 500_000 + CLAIM,
    "rows": "$$\\begin{aligned}" + "a &= b \\\\ " * 90_000 + "\\end{aligned}$$\n\n" + CLAIM,
    "backslashes": "\\" * 10**6 + CLAIM,
    "ticks": "`" * 10**6 + CLAIM,
    "comments": "<!--" * 250_000 + CLAIM,
    "directives": "<!-- a: " * 125_000 + CLAIM,
    "marks": "$$" + "&" * 10**6 + "$$\n\n" + CLAIM,
    "commas": "$$" + "a = b," * 160_000 + "$$\n\n" + CLAIM,
    "texts": "$$" + "\\text{" * 160_000 + "$$\n\n" + CLAIM,
    "tags": "$$" + "\\tag{" * 160_000 + "$$\n\n" + CLAIM,
    "ten thousand equations": "".join(f"$$ a_{{{k}}} = b_{{{k}}} $$\n\n" for k in range(10**4)) + CLAIM,
    "ten thousand claims": "".join(claim(f"h_t = \\tanh(W x_t + {k})", str(k)) for k in range(10**4)),
    "ten thousand of the same": CLAIM * 10**4,
    "ten thousand definitions": "".join(f"$$ y_{{{k}, t}} = \\tanh(W_{{{k}}} x_t) $$\n\n" for k in range(10**4)) + CLAIM,
    "a great power": claim("y = ((9^{999})^{999})^{999}"),
    "a big power": claim("y = 9^{999}"),
    "nothing by nothing": claim("y = 0^{-1}", "1") + claim("z = 1/0", "2"),
    "exponentials": claim("y = \\exp(\\exp(\\exp(1000)))"),
    "a large size": "$$ V \\in \\mathbb{R}^{n \\times 10000000000} $$\n\n" + claim("V \\in \\mathbb{R}^{n \\times 10000000000}"),
    "a large column": claim("y = \\begin{bmatrix}" + "1 \\\\ " * 1500 + "\\end{bmatrix}"),
    "a product of a thousand matrices": claim("y = " + "U " * 2000 + "h_t"),
    "empty": "",
    "white": " \n\t\n" * 1000,
}


def run(text: str | bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """`symlstm check -` in a process that may use little."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    return subprocess.run(
        [sys.executable, "-m", "symlstm.cli", "check", "-", *arguments],
        input=text if isinstance(text, bytes) else text.encode(), cwd=ROOT, capture_output=True, check=False, preexec_fn=limited,
        env={"PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize("text", READ_ALL_THE_SAME.values(), ids=READ_ALL_THE_SAME)
def test_a_bad_formula_is_unreadable_and_the_others_are_judged(text: str) -> None:
    found = {each.tag: each for each in check(CELL + text + CLAIM)}
    assert found["ok"].verdict == "right"
    bad = next(each for tag, each in found.items() if tag != "ok")
    assert bad.verdict == "unreadable" and "recursion" not in bad.reason.lower()
    sentence = bad.reason.partition("\n")[0]
    assert sentence.endswith(".") and len(sentence) < 200, sentence


@pytest.mark.parametrize("text", ONLY_NO_CRASH.values(), ids=ONLY_NO_CRASH)
def test_a_bad_document_ends_in_a_message(text: str) -> None:
    done = run(CELL + text if text.strip() else text, "--json")
    assert done.returncode in (0, 1, 2) and b"Traceback" not in done.stderr and b"recursion" not in done.stdout.lower(), done.stderr
    assert isinstance(json.loads(done.stdout), list)
    assert done.stderr.count(b"\n") < 10


@pytest.mark.parametrize("name", ["a formula of a megabyte", "nested parentheses", "a tower of powers", "a macro without end"])
def test_a_bad_formula_on_the_command_line(name: str) -> None:
    done = run(CELL + READ_ALL_THE_SAME[name] + CLAIM)
    assert done.returncode == 2 and b"2 claims: 1 right, 1 unreadable" in done.stdout and done.stderr == b""
    assert len(done.stdout) < 3000


def test_ten_thousand_equations_are_a_short_report() -> None:
    done = run(ONLY_NO_CRASH["ten thousand equations"])
    assert done.returncode == 2 and b"the limit is" in done.stdout and len(done.stdout.splitlines()) < 2500


@pytest.mark.parametrize("data", [bytes(range(256)) * 100, b"\x89PNG\r\n\x1a\n", b"\xff\xfe\x00", b"\x00" * 1000])
def test_binary_input_is_a_message(data: bytes) -> None:
    done = run(data)
    assert done.returncode == 2 and done.stdout == b"" and done.stderr.startswith(b"symlstm: ") and b"Traceback" not in done.stderr


def test_no_code_is_executed(tmp_path: Path) -> None:
    for payload in ("__import__('os').system('touch {}')", "\\write18{{touch {}}}", "exec(open('{}','w'))", "{{{{().__class__}}}}{}"):
        path = tmp_path / "pwned"
        check(CELL + claim("y = " + payload.replace("{}", str(path))))
        assert not path.exists()


# --- any text ---------------------------------------------------------------------------------------------------

LANGUAGE = r"""
\frac \partial \delta \sigma \tanh \odot \cdot \top \sum_{t=1}^T \prod_{k} \left( \right) \begin{bmatrix} \end{bmatrix}
\mathbb{R}^n \in \text{if} \hat \tilde \underbrace \quad \le \max_x \begin{cases} \end{cases} \| \\ & _t ^{(t)} _{t-1} ^T
' _{ ^{ { } ( ) [ ] | = + - * / , ; ! % h_t c_{t-1} x_t W U b f_t L E t T k n 0 1 0.5 softmax diag dh_t ht δ ₜ ᵀ ⊙
\frac{\partial L}{\partial h_t} \frac{\partial L}{\partial W} \delta^{(t)}
"""
SPACED = (" ", "\n", "\n\n", " $$\n\n$$ ", " \\tag{1} ", "<!-- cell: lstm -->", "<!-- vectors: rows -->")
PIECES = (*LANGUAGE.split(), *SPACED)
FORMULAS = st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.one_of(st.text(max_size=300), FORMULAS))
def test_any_text_gets_verdicts_or_an_error_of_ours(text: str) -> None:
    for document in (text, CELL + "$$ " + text + " \\tag{9} $$\n\n" + CLAIM):
        try:
            proof = proofread(Page("", document))
        except SymlstmError:
            continue
        assert code(proof.claims) in (0, 1, 2) and isinstance(json.loads(as_json(proof.verdicts)), list)
        assert printed([proof], everything=True)
        if "<!-- symlstm" not in document:
            assert without(annotated(proof), "md") == document


@QUICK
@given(FORMULAS)
def test_a_formula_never_changes_what_is_said_of_one_of_another_kind(text: str) -> None:
    """A claim about plain functions stands whatever else cannot be read."""
    if any(mark in text for mark in ("$$", "<!--", "%", "\\sigma", "\n\n", "softmax")):
        return
    ill = "$$ ( " + text + " \\tag{9} $$\n\n"
    alone = "$$ \\tanh'(0) = 1 \\tag{ok} $$\n\n"
    try:
        found = {each.tag: each.verdict for each in check(alone + ill)}
    except SymlstmError:
        return
    assert found.get("ok") == "right"


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_are_a_page_or_an_error_of_ours(data: bytes) -> None:
    from io import BytesIO

    try:
        page = received(BytesIO(data))
    except SymlstmError as error:
        assert str(error)
        return
    assert page.encoded(page.text) == data
