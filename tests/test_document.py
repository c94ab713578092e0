r"""The documents' laws: the mathematics in its order, the same bytes every time, and pages that TeX sets without complaint."""

from __future__ import annotations

import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from symlstm import document, reference, zoo
from symlstm.algebra import (
    Add,
    Apply,
    Blocks,
    Hadamard,
    MatMul,
    NotSupported,
    Num,
    Partial,
    Relation,
    Sym,
    equation,
    quantity,
    relation,
)
from symlstm.derivation import derive
from symlstm.dialects import NOTATIONS
from symlstm.document.layout import COLUMNS, Line, alignments
from symlstm.document.metrics import text_width, width
from symlstm.evidence.report import Form, read_back, verify
from symlstm.model import Cell
from symlstm.notation import GITHUB, HOUSE, Notation
from symlstm.prose import Prose, prose
from symlstm.rendering import NAMES, rendered
from symlstm.steps import Section, Step, Table
from symlstm.tex import Link, latex
from symlstm.topics import sections

CELLS = [zoo.cell(name) for name in zoo.cells()]
h, x, c, f = map(quantity, ["h", "x", "c", "f"])
LONG = prose("a reason that goes on and on, with {} and {} inside, until there is no room left beside the line", h, c)


def step(line: Relation, reason: Prose = LONG, written: str | None = None) -> Step:
    return Step("hard", "name", "identity", line, reason, written=written)


def hard() -> Section:
    """What is awkward to set: long sums, products and chains, wide matrices and left sides, long and empty reasons."""
    matrix = Blocks(tuple(tuple(Num(Fraction(k, 7), 5) for k in range(row, row + 7)) for row in (1, -50, 3)))
    code = equation(Apply("sigma", Sym("x")), 1)
    return Section("hard", "Hard cases & others", (
        prose('Text with 100% of _signs_ & "quotes" – and # more ~ x^2 <a> {b} \\ $5:'),
        step(equation(h, c)), step(equation(h, Add((c,) * 30))), step(equation(c, f), prose("")),
        step(equation(h, Hadamard((f,) * 14))), step(equation(h, MatMul((matrix, c)), matrix)),
        step(code, prose("the code"), rendered(reference.sigmoid)),
        step(equation(Add((Partial(h, h.prev),) * 6), c), prose("a wide left side, {}", h)),
        step(relation(h, "<=", Add((c,) * 9), "<", Add((f,) * 9), "<=", x, condition=relation(x, ">", 0)), prose("a chain")),
        Table(("narrow", "wide"), ((prose("{}", h), prose("a very long cell " * 12 + "{}", c)),)),
        step(equation(h, c), prose("after a table")),
    ))  # fmt: skip


class Report:
    """Evidence in words, for every step that has a reason."""

    def words(self, step: Step) -> dict[str, str]:
        if not step.reason.pieces:
            return {}
        return {"Exact": "proved at n = 2, m=3", "In numbers, to 1e-12": "at x = -1" if step.relation.lhs == h else "for |x| < 2"}


def bare(text: str) -> str:
    """A file without line breaks inside formulas."""
    return re.sub(r"\s+", " ", re.sub(r"\\notag|\\\\\*?\n|&(\\quad)?(?= ?[-+=<>\\])", " ", text))


@pytest.mark.parametrize("cell", CELLS, ids=zoo.cells())
@pytest.mark.parametrize("form", ["latex", "markdown"])
def test_the_mathematics_stands_in_its_order(cell: Cell, form: str) -> None:
    made = sections(cell, None)
    text, base = bare(getattr(document, form)(cell, made)), GITHUB if form == "markdown" else HOUSE
    notation = document.knowing(base, cell, made)
    place = text.index("quantity")
    for node in document.contents(cell, made):
        places = [text.find(bare(latex(node, notation, inline=inline)), place) for inline in (True, False)]
        assert max(places) >= 0, latex(node, notation)
        place = min(where for where in places if where >= 0)


@pytest.mark.parametrize("cell", CELLS, ids=zoo.cells())
@pytest.mark.parametrize("form", ["tex", "md"])
def test_what_is_written_is_read_back(cell: Cell, form: Form) -> None:
    derivation = derive(cell)
    text = {"tex": derivation.latex, "md": derivation.markdown}[form]()
    assert not [found.note for found in read_back(derivation, text, form) if not found.ok]


@pytest.mark.parametrize(("name", "written", "changed"), [
    ("lstm-full-feedback", "_{n+1:2n}", "_{1:n}"), ("lstm-full-feedback", "_{2n+1:2n+m}", "_{2n:2n+m}"),
    ("lstm-layernorm", r"\mathbf{1}_n", r"\mathbf{1}_m"), ("lstm-layernorm", r"\sqrt{v_{i,t}}", "v_{i,t}"),
    ("lstm-layernorm", "10^{-5}", "10^{-4}"), ("lstm-layernorm", r"^{\top} a_{i,t}}{n}", r"^{\top} a_{i,t}}{m}"),
    ("lstm-layernorm", r"^{\top} a_{i,t}}{n}", r"^{\top} a_{i,t}}{2}"),
    ("mlstm", r"\operatorname{tr}(C_{t-1}^{\top}", r"\operatorname{tr}(C_{t-1}"), ("mlstm", r"\lvert a_t \rvert", "a_t"),
    ("mlstm", r"\sqrt{n}", "n"), ("mlstm", r"W_k x_t", r"W_q x_t"), ("slstm", r"\max(\tilde{f}_t", r"\min(\tilde{f}_t"),
    ("slstm", r"\operatorname{ReLU}'(\tilde{i}_t", r"\operatorname{ReLU}(\tilde{i}_t"), ("slstm", r"\tilde{f}_t", "f_t"),
    ("scalar", "g(z_t)", "h(z_t)"), ("scalar", "h'(c_t)", "h(c_t)"), ("scalar", "f(z_{o,t})", "f_t z_{o,t}"),
])  # fmt: skip
def test_a_change_in_the_file_is_seen(name: str, written: str, changed: str) -> None:
    derivation = derive(name)
    text = derivation.latex()
    assert written in text
    assert any(not found.ok for found in read_back(derivation, text.replace(written, changed, 1), "tex"))


@pytest.mark.parametrize("cell", CELLS, ids=zoo.cells())
def test_files_are_the_same_every_time_and_say_what_they_are(cell: Cell) -> None:
    made = sections(cell, None)
    for form, opening in (("latex", "% "), ("markdown", "<!-- "), ("html", "<!DOCTYPE html>\n<!-- ")):
        pytest.importorskip("latex2mathml") if form == "html" else None
        first, again = (getattr(document, form)(cell, sections(cell, None), Report()) for _ in range(2))
        assert first == again
        topics = ",".join(dict.fromkeys(section.topic for section in made))
        assert first.startswith(f"{opening}symlstm: cell={cell.name} topics={topics}")


def test_evidence_is_said_once_for_each_group() -> None:
    text = document.markdown(zoo.LSTM, [hard()], Report())
    assert "- **Exact.** (1), (2), (4)–(9): proved at *n* = 2, *m* = 3.\n" in text
    assert "- **In numbers, to 10<sup>−12</sup>.** (1), (2), (4), (5), (8), (9): at *x* = −1. (6), (7): for |x| < 2.\n" in text
    assert "- **Not checked.** (3): no evidence was gathered.\n" in text
    made = document.latex(zoo.LSTM, [hard()], Report())
    assert r"\textit{n}~=~2" in made and r"10\textsuperscript{--12}" in made and r"\textit{x}~=~--1" in made
    assert "Evidence" not in document.latex(zoo.LSTM, [hard()])


class Told:
    """Evidence with mathematics in it, the same for every step."""

    def words(self, step: Step) -> dict[str, Prose]:
        return {"Exact": prose("at n = 2; {} above and below {}", MatMul((Sym("W_i"), x)), h.prev)}


@pytest.mark.parametrize(("notation", "product"), [(HOUSE, "W_i x_t"), (NOTATIONS["keras"], "x_t W_i")], ids=["columns", "rows"])
def test_mathematics_in_evidence_is_set_in_the_notation_of_the_document(notation: Notation, product: str) -> None:
    lines = sections(zoo.LSTM, "forward")
    text = document.latex(zoo.LSTM, lines, Told(), notation)
    assert rf"at \textit{{n}}~=~2; ${product}$ above and below $h_{{t-1}}$." in text
    text = document.markdown(zoo.LSTM, lines, Told(), notation)
    assert f"at *n* = 2; $`{product}`$ above and below $`h_{{t-1}}`$.\n" in text
    pytest.importorskip("latex2mathml")
    text = document.html(zoo.LSTM, lines, Told(), notation)
    assert re.search(r"at <i>n</i> = 2; <math.*</math> above and below <math.*</math>\.</p>", text)


def test_what_a_bound_says_of_rows_is_said_of_columns_where_vectors_are_rows() -> None:
    for notation, words in ((HOUSE, "the rows of the Jacobian"), (NOTATIONS["keras"], "the columns of the Jacobian")):
        derivation = derive("rnn", "flow", notation=notation)
        assert f"{words} are those of $`U`$" in derivation.markdown(verify(derivation))


@pytest.mark.parametrize("form", ["tex", "md"])
def test_a_file_is_read_back_without_what_its_evidence_says(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    derivation = derive("slstm", "forward")
    report = verify(derivation)
    text = {"tex": derivation.latex, "md": derivation.markdown}[form](report)
    left = document.without_evidence(text, form)
    assert left != text and "Evidence" not in left and left.count("\n") == text.count("\n")
    assert all(found.ok for found in read_back(derivation, text, form))
    said = [found.note for row in report.rows for found in row.evidence]
    assert any("f_tilde[t] + m[t-1] above and below i_tilde[t]" in note for note in said)  # plain text is plain
    monkeypatch.setattr(document, "without_evidence", lambda text, form: text)
    assert not all(found.ok for found in read_back(derivation, text, form))


def test_markdown_survives_code_hosting_pages() -> None:
    text = document.markdown(zoo.LSTM, [*sections(zoo.LSTM, None), hard()])
    assert r"\operatorname" not in text
    assert not re.search(r"(?<!`)\$(?!`|5)", text.replace("`$", ""))  # no bare dollar but the one in the prose
    for row in re.findall(r"^\|.*\|$", text, re.M):
        assert len(row.split("|")) - 2 in (2, 3)
    assert text.count("```math\n") == text.count(r"\tag{") == sum(len(part.steps) for part in [*sections(zoo.LSTM, None), hard()])


def test_a_notebook_has_dollars() -> None:
    text = document.markdown(zoo.RNN, sections(zoo.RNN, "forward"), marks=document.NOTEBOOK)
    assert "`" not in text and "$$\nh_t = \\tanh(z_t) \\tag{2}\n$$" in text and "of $x_t$" in text.replace("in $x_t$", "of $x_t$")


def test_html_is_well_formed_and_without_a_script() -> None:
    pytest.importorskip("latex2mathml")
    text = document.html(zoo.LSTM, [*sections(zoo.LSTM, None), hard()], Report())
    ElementTree.fromstring(text[text.index("<body>") : text.index("</html>")])
    assert "<script" not in text and "http" not in text.replace("http://www.w3.org/1998/Math/MathML", "")
    words = re.sub(r"<[^>]*>", "", text[text.index("<h2>Sizes") : text.index("Hard cases")])
    assert "\\" not in words and "&#92;" not in words  # no LaTeX is left over


def test_without_the_extra_html_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "latex2mathml.converter", None)
    with pytest.raises(NotSupported, match="latex2mathml"):
        document.html(zoo.RNN, sections(zoo.RNN, "forward"))


# --- lines in columns -------------------------------------------------------------------------------------------------


def test_lines_share_columns_where_they_fit() -> None:
    short = Line("c_t", (Link("=", ("f_t",)),), reason="short")
    long = Line("h_t", (Link("=", ("c_t", *["+ c_t"] * 29)),), reason="broken")
    wide = Line("h_t", (Link("=", (r" \odot ".join(["f_t"] * 20),)),), reason="alone")
    found = alignments((short, long, short, wide, short))
    assert [len(each.lines) for each in found] == [3, 1, 1]
    assert [len(rows) for rows in found[0].rows] == [1, len(found[0].rows[1]), 1] and found[1].reasons == 0
    assert all(row.startswith(r"&\quad + ") for row in found[0].rows[1][1:])
    assert all(width(row) <= COLUMNS for row in found[0].rows[1])


def test_the_reference_as_code() -> None:
    assert {name: rendered(getattr(reference, name)).partition(" = ")[2] for name in NAMES} == {
        "sigmoid": r"\frac{1}{1 + \exp(-x)}",
        "sigmoid_slope": r"\sigma(x) \bigl(1 - \sigma(x)\bigr)",
        "tanh_slope": r"1 - \tanh^2(x)",
        "pre_activation": "w + u + b",
        "cell_update": r"f_t \odot c_{t-1} + i_t \odot g_t",
        "output": r"o_t \odot \tanh(c_t)",
    }
    with pytest.raises(NotSupported, match="affine"):
        rendered(reference.affine)


# --- with TeX ---------------------------------------------------------------------------------------------------------

needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def compiled(folder: Path, text: str) -> str:
    """The log of pdflatex over a document."""
    (folder / "page.tex").write_text(text, encoding="utf-8")
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "page.tex"], cwd=folder, capture_output=True, check=False)
    return (folder / "page.log").read_text(encoding="latin-1")


WORD = re.compile(r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>')


def lonely_numbers(folder: Path) -> list[str]:
    """The equation numbers beside which nothing stands: TeX puts a number below a line for which there is no room."""
    shown = subprocess.run(["pdftotext", "-bbox", "page.pdf", "-"], cwd=folder, capture_output=True, check=True, text=True)
    found = []
    for page in shown.stdout.split("<page ")[1:]:
        words = [(*map(float, numbers), text) for *numbers, text in WORD.findall(page)]
        for left, top, _, bottom, text in words:
            middle = (top + bottom) / 2
            beside = any(above < middle < below and start < left for start, above, _, below, _ in words)
            if re.fullmatch(r"\(\d+\)", text) and left > 450 and not beside:
                found.append(text)
    return found


@pytest.mark.tex
@needs_tex
def test_a_number_that_finds_no_room_is_found(tmp_path: Path) -> None:
    line = r"\begin{equation} \hspace{0.98\textwidth} x \end{equation} \begin{equation} y = \frac{a}{b} \end{equation}"
    compiled(tmp_path, rf"\documentclass[a4paper]{{article}}\usepackage{{amsmath}}\begin{{document}}{line}\end{{document}}")
    if shutil.which("pdftotext"):
        assert lonely_numbers(tmp_path) == ["(1)"]


@pytest.mark.tex
@needs_tex
@pytest.mark.parametrize("cell", CELLS, ids=zoo.cells())
def test_pages_compile_with_nothing_too_wide(cell: Cell, tmp_path: Path) -> None:
    log = compiled(tmp_path, document.latex(cell, [*sections(cell, None), hard()], Report()))
    assert "Output written" in log
    assert not re.findall(r"^(?:Over|Under)full.*|^!.*|.*Warning: (?!Label).*", log, re.M)
    if shutil.which("pdftotext"):
        assert not lonely_numbers(tmp_path), "an equation number on a line of its own"


@pytest.mark.tex
@needs_tex
def test_the_estimated_widths_are_near_the_real_ones(tmp_path: Path) -> None:
    made: dict[str, str] = {}
    for cell in CELLS:
        notation = document.knowing(HOUSE, cell, parts := sections(cell, None))
        for each in (step for section in parts for step in section.steps):
            pieces = (p if isinstance(p, str) else f"${latex(p, notation, inline=True)}$" for p in each.reason.pieces)
            made |= {latex(each.relation, notation): "".join(pieces)}
    formulas, reasons = list(made), list(made.values())
    lines = [rf"\say{{$\displaystyle {text}$}}" for text in formulas] + [r"\small", *(rf"\say{{{text}}}" for text in reasons)]
    log = compiled(tmp_path, "\n".join([
        r"\documentclass[11pt]{article}\usepackage{amsmath,amssymb}\begin{document}",
        r"\def\say#1{\setbox0\hbox{#1}\typeout{W:\the\wd0}}", *lines, r"\end{document}"]))  # fmt: skip
    real = [float(found) for found in re.findall(r"W:([\d.]+)pt", log)]
    guessed = [*map(width, formulas), *map(text_width, reasons)]
    for text, guess, size in zip([*formulas, *reasons], guessed, real, strict=True):
        assert 0.99 * size <= guess <= 1.25 * size + 4, text


WIDE = [("lstm-fgr", name) for name in NOTATIONS if name != HOUSE.name] + [("mlstm", "superscript"), ("lstm-layernorm", "pytorch")]


@pytest.mark.tex
@needs_tex
@pytest.mark.parametrize(("name", "notation"), WIDE)
def test_pages_compile_in_every_notation(name: str, notation: str, tmp_path: Path) -> None:
    log = compiled(tmp_path, derive(name, notation=notation).latex(Report()))  # type: ignore[arg-type]  # words are all it is asked
    assert "Output written" in log
    assert not re.findall(r"^(?:Over|Under)full.*|^!.*|.*Warning: (?!Label).*", log, re.M)
    if shutil.which("pdftotext"):
        assert not lonely_numbers(tmp_path), "an equation number on a line of its own"


@pytest.mark.tex
@needs_tex
def test_the_estimated_widths_are_near_the_real_ones_in_every_notation(tmp_path: Path) -> None:
    formulas = list(dict.fromkeys(step.latex() for name, notation in WIDE for step in derive(name, notation=notation).steps))
    lines = [rf"\say{{$\displaystyle {text}$}}" for text in formulas]
    log = compiled(tmp_path, "\n".join([
        r"\documentclass[11pt]{article}\usepackage{amsmath,amssymb}\begin{document}",
        r"\def\say#1{\setbox0\hbox{#1}\typeout{W:\the\wd0}}", *lines, r"\end{document}"]))  # fmt: skip
    real = [float(found) for found in re.findall(r"W:([\d.]+)pt", log)]
    for text, size in zip(formulas, real, strict=True):
        assert 0.99 * size <= width(text) <= 1.25 * size + 4, text


def test_lines_without_a_reason_all_stand_on_the_page() -> None:
    steps = tuple(step(equation(quantity(name), k), prose("")) for k, name in enumerate("abc"))
    page = document.latex(zoo.LSTM, (Section("hard", "Lines", steps),))
    assert all(f"{name}_t &= {k}" in page for k, name in enumerate("abc"))
