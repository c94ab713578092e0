r"""The reader, on LaTeX written by hand: what each construct means, what is refused and how, where formulas are."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symlstm.algebra import (
    Add,
    Adj,
    Apply,
    Blocks,
    Component,
    Diag,
    Div,
    Extreme,
    Hadamard,
    Interval,
    Limit,
    Listed,
    MatMul,
    Max,
    Neg,
    Norm,
    NotSupported,
    NotValid,
    Num,
    Ones,
    Partial,
    Pow,
    Prime,
    Prod,
    Rows,
    Space,
    Sum,
    Sym,
    SymlstmError,
    Term,
    Time,
    Total,
    Trace,
    Transpose,
    equation,
    relation,
    size,
    term,
)  # fmt: skip
from symlstm.reader import HOUSE, PEOPLE, Formula, directives, formulas, read, read_all, readings, survey
from tests.places import CORPUS

t, T, n, m, x = Sym("t"), Time("T"), Sym("n"), Sym("m"), Sym("x")
NOW, BEFORE, AFTER = Time("t"), Time("t", -1), Time("t", 1)
h, c, f = Sym("h", NOW), Sym("c", NOW), Sym("f", NOW)
W, U, b = Sym("W_f"), Sym("U"), Sym("b")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        # symbols, their times, their names
        (r"x_t", Sym("x", NOW)),
        (r"h_{t-1}", Sym("h", BEFORE)),
        (r"c_{t+1}", Sym("c", AFTER)),
        (r"h_0", Sym("h", Time("", 0))),
        (r"h_T", Sym("h", T)),
        (r"z_{f,t+1}", Sym("z_f", AFTER)),
        (r"W_f^{(t)}", Sym("W_f", NOW)),
        (r"W_f^{(k)}", Sym("W_f", Time("k"))),
        (r"c_{t-k+1}", Sym("c", Time("t-k", 1))),
        (r"W_{hc}", Sym("W_hc")),
        (r"U_\theta", Sym("U_theta")),
        (r"\tilde{C}_t", Sym("C_tilde", NOW)),
        (r"\hat y_t", Sym("y_hat", NOW)),
        (r"\lambda", Sym("lambda_")),
        (r"\boldsymbol{h}_t", h),
        (r"\mathrm{delta\_h}", Sym("delta_h")),
        (r"\ell_t", Sym("ell", NOW)),
        (r"i_t, f_t", Listed((Sym("i", NOW), f))),
        # adjoints and derivatives
        (r"\delta h_t", Adj(h)),
        (r"\delta z_{f,t}", Adj(Sym("z_f", NOW))),
        (r"\delta W_f^{(t)}", Adj(Sym("W_f", NOW))),
        (r"\delta c_t^{+}", Adj(c, arriving=True)),
        (r"\frac{\partial L}{\partial W_f}", Partial(Sym("L"), W)),
        (r"\partial L / \partial W_f", Partial(Sym("L"), W)),
        (r"\frac{\partial \ell_t}{\partial h_t}", Partial(Sym("ell", NOW), h)),
        (r"\left.\frac{\partial c_t}{\partial c_{t-1}}\right|_{\text{direct}}", Partial(c, Sym("c", BEFORE), direct=True)),
        # sums, products, quotients, powers
        (r"a + b - c_t", Add((Sym("a"), b, Neg(c)))),
        (r"a - (b + c_t)", Add((Sym("a"), Neg(Add((b, c)))))),
        (r"-a b", Neg(MatMul((Sym("a"), b)))),
        (r"f_t \odot c_t \odot b", Hadamard((f, c, b))),
        (r"W_f \, x \cdot b", MatMul((W, x, b))),
        (r"b \odot W_f x", Hadamard((b, MatMul((W, x))))),
        (r"W_f (b c_t)", MatMul((W, MatMul((b, c))))),
        (r"x_t^{\top}", Transpose(Sym("x", NOW))),
        (r"x_t^T", Transpose(Sym("x", NOW))),
        (r"U^{\mathsf T}", Transpose(U)),
        (r"(U h_t)^\top", Transpose(MatMul((U, h)))),
        (r"{h_t}^\top", Transpose(h)),
        (r"h_t^2", Pow(h, term(2))),
        (r"\frac{a}{b}", Div(Sym("a"), b)),
        (r"1/2", Div(term(1), term(2))),
        (r"(\gamma \lVert U \rVert)^{t-k}", Pow(MatMul((Sym("gamma"), Norm(U))), Add((t, Neg(Sym("k")))))),
        (r"\|U\|^{t-k}", Pow(Norm(U), Add((t, Neg(Sym("k")))))),
        (r"\lvert x \rvert", Apply("abs", x)),
        (r"\bigl\lvert \lvert x \rvert - 1 \bigr\rvert", Apply("abs", Add((Apply("abs", x), Neg(term(1)))))),
        # columns of ones, rows, traces, roots
        (r"\mathbf{1}_n", Ones(n)),
        (r"\mathbf{1}_n^{\top} x_t", MatMul((Transpose(Ones(n)), Sym("x", NOW)))),
        (r"0 \cdot \mathbf{1}_{2n+m}", MatMul((term(0), Ones(Add((MatMul((term(2), n)), m)))))),
        (r"\mathbf{1} - h_t", Add((term(1), Neg(h)))),
        (r"(U h_t)_{1:n}", Rows(MatMul((U, h)), term(0), n)),
        (r"\bigl(h_t\bigr)_{n+1:2n}", Rows(h, n, MatMul((term(2), n)))),
        (r"(h_t)_{2n+1:2n+m}", Rows(h, MatMul((term(2), n)), Add((MatMul((term(2), n)), m)))),
        (r"(h_t)_{2:n}", Rows(h, term(1), n)),
        (r"(W_f)_{:,1:n}", Transpose(Rows(Transpose(W), term(0), n))),
        (r"\operatorname{tr}(U^{\top} U)", Trace(MatMul((Transpose(U), U)))),
        (r"\mathrm{tr}(U) h_t", MatMul((Trace(U), h))),
        (r"\sqrt{x + 1}", Apply("sqrt", Add((x, term(1))))),
        (r"\frac{h_t}{\sqrt{n}}", Div(h, Apply("sqrt", n))),
        (r"\operatorname{abs}'(x)", Prime("abs", x)),
        # numbers
        (r"\tfrac14", Num(Fraction(1, 4))),
        (r"\frac{1}{4}", Num(Fraction(1, 4))),
        (r"0.7311", Num(Fraction(7311, 10000), places=4)),
        (r"10^{-3}", Pow(term(10), Neg(term(3)))),
        # functions
        (r"\sigma(x)", Apply("sigma", x)),
        (r"\mathrm{sigmoid}(x)", Apply("sigma", x)),
        (r"\tanh x", Apply("tanh", x)),
        (r"\tanh^2(c_t)", Pow(Apply("tanh", c), term(2))),
        (r"\sigma'(x)", Prime("sigma", x)),
        (r"\operatorname{ReLU}^{\prime}(x)", Prime("relu", x)),
        (r"\operatorname{diag}(f_t)", Diag(f)),
        (r"\mathrm{softmax}(x)", Apply("softmax", x)),
        (r"e^{-x}", Apply("exp", Neg(x))),
        (r"\exp(x)", Apply("exp", x)),
        (r"\max(0, x)", Max((term(0), x))),
        (r"f(x, b)", Apply("f", Listed((x, b)))),
        # blocks
        (r"\begin{bmatrix} a & 1 \\ 2 & b \\ \end{bmatrix}", Blocks(((Sym("a"), term(1)), (term(2), b)))),
        (r"[h_t; x]", Blocks(((h,), (x,)))),
        (r"[1 - x]", Add((term(1), Neg(x)))),
        # over time
        (r"\sum_{t=1}^{T} h_t c_t + b", Add((Sum("t", Time("", 1), T, MatMul((h, c))), b))),
        (r"\prod_{s=t}^{k+1} f_s", Prod("s", NOW, Time("k", 1), Sym("f", Time("s")))),
        (r"\sum_{i=1}^{t} h_i", Sum("i", Time("", 1), NOW, Sym("h", Time("i")))),
        (r"\lim_{x \to -\infty} \sigma(x)", Limit(Apply("sigma", x), x, -1)),
        # relations
        (r"h_t = c_t = 0", equation(h, c, 0)),
        (r"0 < x \leq b", relation(0, "<", x, "<=", b)),
        (r"\sigma(22) \approx 1", relation(Apply("sigma", term(22)), "~", 1)),
        (r"W_f \in \mathbb{R}^{n \times m}", size(W, n, m)),
        (r"b \in \R^n", size(b, n)),
        (r"U, W_f \in \R^{n \times (n+m)}", size(Listed((U, W)), n, n + m)),
        (r"\R^{n \times m}", Space(n, m)),
        (r"x \in (0, \tfrac14]", relation(x, "in", Interval(term(0), Num(Fraction(1, 4)), True, False))),
        (r"x \in [0, 1]", relation(x, "in", Interval(term(0), term(1), False, False))),
        (r"(0, 1)", Interval(term(0), term(1))),
        (r"x = 1 \quad (b > 0)", relation(x, "=", 1, condition=relation(b, ">", 0))),
        (r"x = 1 \quad \text{for } b > 0", relation(x, "=", 1, condition=relation(b, ">", 0))),
        # what latexify-py prints
        (r"\frac{1}{1 + \exp \mathopen{}\left( -x \mathclose{}\right)}", 1 / (1 + Apply("exp", -x))),
        (r"1 - \mathopen{}\left( \tanh x \mathclose{}\right)^{2}", 1 - Apply("tanh", x) ** 2),
    ],
)
def test_each_construct(text: str, meaning: object) -> None:
    assert read(text) == meaning


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"x_t^{\top}", r"x_{t}^T"),
        (r"\delta c_t=f_{t+1}\odot\delta c_{t+1}", "\\delta c_t \\;=\\; f_{t + 1} \\odot\n  \\delta c_{t+1}."),
        (r"a (b + c_t)", r"a \left( b + c_t \right)"),
        (r"a (b + c_t)", r"a \, \bigl( b + c_t \bigr)"),
        (r"W_f x_t % the input", r"W_f~x_t"),
        (r"\sigma(x) \le 1", r"\sigma\left(x\right)\leq 1"),
    ],
)
def test_edits_that_keep_the_meaning(one: str, other: str) -> None:
    assert read(one) == read(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\delta c_t = f_{t+1}", r"\delta c_t^{+} = f_{t+1}"),
        (r"W_f x_t", r"x_t W_f"),
        (r"a \odot b", r"a b"),
        (r"\tanh^2(x)", r"\tanh(x^2)"),
        (r"\frac{\partial c_t}{\partial c_{t-1}}", r"\left.\frac{\partial c_t}{\partial c_{t-1}}\right|_{\text{direct}}"),
        (r"0.70", r"0.7"),
        (r"\sum_{t=1}^{T} h_t", r"\sum_{t=1}^{T-1} h_t"),
    ],
)
def test_edits_that_change_the_meaning(one: str, other: str) -> None:
    assert read(one) != read(other)


@pytest.mark.parametrize(
    ("text", "at", "what", "right"),
    [
        ("W_f x_t +", 10, "The formula ends too early.", ""),
        (r"a \odot", 8, "The formula ends too early.", ""),
        ("x_t + + b", 7, "This is not expected here.", ""),
        (r"\tanh W x", 9, "This is not expected here.", "the argument of the function in brackets"),
        (r"\sum_{t}^{T} x_t", 1, "Both limits are needed.", r"\sum_{t=1}^{T}"),
        (r"\sum_{t=1} x_t", 1, "Both limits are needed.", r"\sum_{t=1}^{T}"),
        (r"x = \foo(1)", 5, r"The command \foo is not read.", ""),
        ("a ( b + c", 3, "This bracket is never closed.", ""),
        ("a ) b", 3, "This bracket was never opened.", ""),
        ("{a ) b", 4, "This ) does not close the {a before it.", ""),
        (r"\partial L + 1", 1, "This is only half of a derivative.", r"\frac{\partial L}{\partial x}"),
        ("a / b c", 3, "What this divides by is not clear.", r"\frac{a}{b} c, or brackets"),
        ("a * b", 3, "What the product sign * means is not known here.", r"\odot or \cdot"),
        ("h_{t,k}", 2, "A symbol with two times is not read.", ""),
        ("h_{t,f}", 2, "A subscript is a name, a time, or a name and a time.", "z_{f,t}"),
        ("9^{9^{9^{9}}}", 5, "A power of a number has an exponent of at most 1000.", ""),
        ("(10^9)!", 7, "A factorial is not read.", ""),
        (r"\mathbf{1}^{\top} x", 1, "How many ones these are is not written.", r"\mathbf{1}_n"),
        (r"U \mathbf{1}", 3, "How many ones these are is not written.", r"\mathbf{1}_n"),
        (r"\mathbf{1}_{x > 0}", 15, "Only a column of ones is read.", r"\mathbf{1}_n"),
        (r"\mathbf{1}_{n \times m}", 15, "Only a column of ones is read.", r"\mathbf{1}_n"),
        (r"\sqrt[3]{x}", 6, "Only square roots are read.", r"\sqrt{x}"),
        ("(x)_n", 4, "The character '_' is not read.", ""),
        ("(x)_{1:}", 4, "This is not expected here.", ""),
        ("", 1, "There is no formula here.", ""),
    ],
)
def test_messages(text: str, at: int, what: str, right: str) -> None:
    with pytest.raises((NotValid, NotSupported)) as caught:
        read(text)
    place = f"  in: line 1, column {at}\n    {text}\n    {'^':>{at}}"
    assert str(caught.value) == f"{what}\n{place}" + (f"\n  right: {right}" if right else "")
    assert (caught.value.line, caught.value.column) == (1, at)


def test_a_text_about_a_cell_knows_its_names_and_functions() -> None:
    told = HOUSE.told(["W_k", "b_f", "z_s"], ["f", "h", "tanh"])
    slope = MatMul((Apply("f", Sym("z_i", NOW)), Prime("h", c)))
    assert read(r"f(z_{i,t}) h'\bigl(c_t\bigr)", told) == slope
    assert read(r"f_t h_t", told) == MatMul((f, h))
    assert read("f(x)") == MatMul((Sym("f"), x))
    assert read(r"W_k z_{s,t}", told) == MatMul((Sym("W_k"), Sym("z_s", NOW)))
    assert read(r"W_k", HOUSE) == Sym("W", Time("k")) and read("U_k", told) == Sym("U", Time("k"))
    assert HOUSE.told(["W_f"], ["tanh", "sigma"]) == HOUSE


def test_a_formula_that_comes_again_is_judged_again() -> None:
    first, second, third = readings(r"$\tilde c_t$, $\tilde c_t$ and $c_{tilde}$", "md")
    assert first.found == second.found and first.formula != second.formula and third.error is not None
    errors = [reading.error for reading in readings("$x +$ and\n$x +$", "md")]
    assert [(error.line, error.column) for error in errors if error] == [(1, 5), (2, 5)]


def test_a_message_gives_the_place_in_the_document() -> None:
    document = "One\n\n$$\nx_t = 1 \\\\\n  y_t = \\foo\n$$\n"
    *_, last = readings(document, "md")
    assert last.error is not None
    assert (last.error.line, last.error.column) == (5, 9)
    assert "line 5, column 9\n    y_t = \\foo\n          ^" in str(last.error)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("{" * 100_000, "limit is 20000"),
        ("{" * 10_000 + "}" * 10_000, "limit of 40 brackets"),
        ("x" * 20_000, "limit is 5000"),
        ("1" * 100, "limit is 40 digits"),
        ("a" + "/a" * 200, "limit of 120 operations"),
        ("-" * 5_000, "not expected"),
        ("9^{100000}", "at most 1000"),
    ],
)
def test_limits(text: str, limit: str) -> None:
    with pytest.raises(SymlstmError, match=limit):
        read(text)


PIECES = r"""
x h_t _ ^ { } ( ) [ ] + - = , & \\ \frac \sum \sum_{t=1}^{T} \delta \partial \tanh \sigma ' \left \right . | \| 1 0.5 / \cdot
\odot \text{for} \quad \in \mathbb{R} \begin{bmatrix} \end{bmatrix} \tilde \mathbf \lim \max \le ^T _{t-1} ^{(t)} % ~ ! \{
"""
LATEX = st.lists(st.sampled_from(PIECES.split())).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), LATEX))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_all(text)
    except SymlstmError as error:
        assert error.line >= 1 and error.column >= 1


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(), LATEX), st.sampled_from(["tex", "md"]))
def test_any_document_is_read(text: str, kind: str) -> None:
    for reading in readings(f"$$ {text} $$ and $ {text} $ \\[ {text} \\] {text}", kind):  # type: ignore[arg-type]
        assert reading.found or reading.error


# --- documents -------------------------------------------------------------------------------------------------

TEX = r"""
\newcommand{\R}{\mathbb{R}} $ignored$
\begin{document}
\newcommand{\reason}[1]{&& \text{\small #1 $ignored$}}
\texttt{$no$} \verb|$no$| costs 5\$ % $no$
\begin{tabular}{l l} $i_t, f_t$ & $\R^{n}$ \\ \end{tabular}
\begin{align}
\delta o_t &= \delta h_t \odot \tanh(c_t) \reason{product rule on $h_t$} \label{eq:o} \\
\delta c_t &= f_{t+1} \odot \delta c_{t+1} \notag \\
  &\quad + \delta h_t \odot o_t \reason{two paths, $c_t$ and $h_t$} \\
x &= \begin{bmatrix} 1 \\ 2 \end{bmatrix} && \text{\small from $y$} \tag{7}
\end{align}
\begin{equation*} a = b, \quad c = d \end{equation*}
Then \[ \begin{aligned} u &= v \\ &= w \end{aligned} \] or \(z\).
\begin{verbatim} $no$ \end{verbatim}
\end{document} $ignored$
"""


def test_the_formulas_of_a_tex_file_in_the_order_of_the_page() -> None:
    found = formulas(TEX, "tex")
    assert [" ".join(formula.text.split()) for formula in found] == [
        "i_t, f_t", r"\R^{n}",
        r"\delta o_t = \delta h_t \odot \tanh(c_t)", "h_t",
        r"\delta c_t = f_{t+1} \odot \delta c_{t+1} \quad + \delta h_t \odot o_t", "c_t", "h_t",
        r"x = \begin{bmatrix} 1 \\ 2 \end{bmatrix}", "y",
        "a = b", "c = d", "u = v = w", "z",
    ]  # fmt: skip
    assert [formula.tag for formula in found if formula.tag] == ["eq:o", "7"]
    assert [(formula.line, formula.column) for formula in found][:3] == [(6, 23), (6, 36), (8, 1)]
    assert sum(formula.display for formula in found) == 6



def test_a_long_text_beside_a_formula_does_not_join_it_to_the_next() -> None:
    """What stands beside it is blank, however long it is: the row above it is no empty row."""
    reason = "; ".join(["quotient rule on $a$"] * 20)
    rows = rf"\begin{{align}} x &= 1 \\ &\quad + 2 \reason{{{reason}}} \\ y &= 3 \end{{align}}"
    found = [formula.text.split() for formula in formulas(rows, "tex")]
    assert [text for text in found if text != ["a"]] == [["x", "=", "1", "\\quad", "+", "2"], ["y", "=", "3"]]


MD = """
<!-- $no$ --> `$no$` costs $5 or $6 more
```python
x = "$no$"
```
| $x_t$ | $`h_t`$ |

```math
a = b
```
$$c = d \\tag{1}$$ and $$
e = f
$$
$$
\\begin{align}
g &= h, & i &= j \\\\
k &= l
\\end{align}
$$
"""


def test_the_formulas_of_a_markdown_file() -> None:
    found = formulas(MD, "md")
    assert [formula.text.replace("  ", " ") for formula in found] == [
        "x_t", "h_t", "a = b", "c = d", "e = f", "g = h", "i = j", "k = l",
    ]  # fmt: skip
    assert found == formulas(MD.replace("\n", "\r\n"), "md")
    assert found[3] == Formula("c = d", 11, 3, True, "1")


def test_an_unclosed_display_is_unreadable_and_stops_nothing() -> None:
    first, second = readings("$$ x = 1\n\nthen $y$", "md")
    assert first.error and "'$'" in str(first.error)
    assert second.found == (Sym("y"),)


def test_several_formulas_at_once() -> None:
    assert read_all("a = 1, b = 2") == (equation(Sym("a"), 1), equation(b, 2))
    with pytest.raises(NotValid, match="There are 2 formulas"):
        read("a = 1, b = 2")


def test_terms_are_terms() -> None:
    assert isinstance(read("x"), Term)
    assert read(Formula("x_t = 1", 3, 7)) == equation(Sym("x", NOW), 1)


# --- other notations -------------------------------------------------------------------------------------------

D = Adj
DIALECTS: list[tuple[str, object]] = [
    # sums of entries, traces, bars, maxima
    (r"\mathbf{1}_n^\top h_t", MatMul((Transpose(Ones(n)), h))),
    (r"\bm{1}^\top_n h_t", MatMul((Transpose(Ones(n)), h))),
    (r"h_t \odot (\mathbf{1} - h_t)", Hadamard((h, 1 - h))),
    (r"\mathrm{Tr}(U^\top U)", Trace(MatMul((Transpose(U), U)))),
    (r"\operatorname{tr} U", Trace(U)),
    (r"\max\left\{ |x|, 1 \right\}", Max((Apply("abs", x), term(1)))),
    (r"\max(|x|, e^{-x})", Max((Apply("abs", x), Apply("exp", Neg(x))))),
    (r"\sqrt{x} \phi\left( x \right)", MatMul((Apply("sqrt", x), Apply("phi", x)))),
    (r"\frac{1}{n} \sum_{i=1}^{n} x_i", MatMul((Div(term(1), n), Total("i", Component(x, "i"))))),
    # time
    (r"h^t + h^{t-1}", h + Sym("h", BEFORE)),
    (r"h^{(t)} + h_{(t-1)} + h^{\langle t+1\rangle} + h^{<t>}", Add((h, Sym("h", BEFORE), Sym("h", AFTER), h))),
    (r"x^{(t)T} + h^{(t)2}", Transpose(Sym("x", NOW)) + h**2),
    (r"h_t-1", Sym("h", BEFORE)),
    (r"l(t) + L(t+1)", Sym("l", NOW) + Sym("L", AFTER)),
    (r"h(t) = f(t) * c(t)", equation(h, f @ c)),
    (r"\partial h_j / \partial h_{j-1}", Partial(Sym("h", Time("j")), Sym("h", Time("j", -1)))),
    # deltas and derivatives
    (r"\delta h^t", D(h)),
    (r"\delta_h^{(t)}", D(h)),
    (r"\delta_{ht} + \delta_{h_t} + \delta_{h,t}", Add((D(h), D(h), D(h)))),
    (r"\delta_{C_{t+1}}", D(Sym("C", AFTER))),
    (r"\delta^{(t)}", Sym("delta", NOW)),
    (r"\delta_{t}^{(k)}", Sym("delta_t", Time("k"))),
    (r"\delta 3 - \Delta C", Sym("delta_3") - Sym("Delta_C")),
    (r"dL/dW + \frac{dL}{dh_t} + \frac{d L}{d h_t}", Partial(Sym("L"), Sym("W")) + Partial(Sym("L"), h) + Partial(Sym("L"), h)),
    (r"\frac{\delta L}{\delta h_t}", Partial(Sym("L"), h)),
    (r"dc_{next} \odot do_t", D(Sym("c_next")) * D(Sym("o", NOW))),
    (r"x_tdo_t", Sym("x", NOW) @ D(Sym("o", NOW))),
    (r"\mathrm{d}c_t", D(c)),
    (r"\partial_w h_t", Partial(h, Sym("w"))),
    (r"\nabla_{W_f} L", Partial(Sym("L"), W)),
    (r"\frac{d \sigma}{dx} + \frac{d}{dx} \tanh(x)", Prime("sigma", x) + Partial(Apply("tanh", x), x)),
    (r"\partial_h f(x, b)", Partial(Apply("f", Listed((x, b))), Sym("h"))),
    (r"\frac{\partial L}{\partial tanh(C_t)}", Partial(Sym("L"), Apply("tanh", Sym("C", NOW)))),
    # functions and names
    (r"tanh(x) + sigmoid'(x) + \text{tanh} x", Add((Apply("tanh", x), Prime("sigma", x), Apply("tanh", x)))),
    (r"tanh^2{C_t}", Apply("tanh", Sym("C", NOW)) ** 2),
    (r"\sigma_g(x)", Apply("sigma_g", x)),
    (r"f'(x)", Prime("f", x)),
    (r"\text{prod}(x, b)", Apply("prod", Listed((x, b)))),
    (r"E_t(h^t)", Apply("E[t]", h)),
    (r"Cc_t = \tanh(Cc_{t-1})", equation(Sym("Cc", NOW), Apply("tanh", Sym("Cc", BEFORE)))),
    (r"C_t = d Ct", equation(Sym("C", NOW), Sym("d") @ Sym("C", NOW))),
    (r"W^f x_t + b^{(f)}", W @ Sym("x", NOW) + Sym("b_f")),
    (r"\phi(x)", Apply("phi", x)),
    (r"h'_t", Sym("h_prime", NOW)),
    # products
    (r"f_t \circ c_t \circ h_t", f * c * h),
    (r"W_f * x \cdot b \times c", MatMul((W, x, b, Sym("c")))),
    (r"W_f [h_t, x]", W @ Blocks(((h,), (x,)))),
    (r"U ^{Tr}", Transpose(U)),
    # sums
    (r"\sum_t h_t", Sum("t", Time("", 1), T, h)),
    (r"\sum_{s \ge t} h_s", Sum("s", NOW, T, Sym("h", Time("s")))),
    (r"\prod_t^T f_t", Prod("t", NOW, T, f)),
    (r"-\sum_k y_{t,k} \log p_{t,k}", Neg(Total("k", MatMul((
        Component(Sym("y", NOW), "k"), Apply("log", Component(Sym("p", NOW), "k"))))))),
    (r"y_i = \frac{e^{z_i}}{\sum_j e^{z_j}}", equation(
        Component(Sym("y"), "i"),
        Apply("exp", Component(Sym("z"), "i")) / Total("j", Apply("exp", Component(Sym("z"), "j"))))),
    (r"a = \sum_{t=1}^T y_t - h_t", equation(Sym("a"), Sum("t", Time("", 1), T, Sym("y", NOW) - h))),
    (r"a_t = \sum_{t=1}^T y_t - h_t", equation(Sym("a", NOW), Sum("t", Time("", 1), T, Sym("y", NOW)) - h)),
    (r"\max_x \sigma'(x)", Extreme(Prime("sigma", x), x, 1)),
    # what frames and colours
    (r"\underbrace{f_t}_{\text{gate}} \odot \boxed{c_t}", f * c),
    (r"\boxed{h_t = c_t}", equation(h, c)),
    (r"c_t \color{red}+= \color{black} f_t", relation(c, "+=", f)),
    (r"c_t \mathrel{+}= f_t", relation(c, "+=", f)),
    (r"\text{(Forget Gate) } f_t = c_t", equation(f, c)),
    (r"f_t = c_t \text{（遗忘门）}", equation(f, c)),
    (r"h_t := c_t", equation(h, c)),
    # Unicode and lines typed without TeX
    ("c̃ₜ = tanh(W·xₜ) ⊙ σ(hₜ₋₁) − δhᵗ", equation(
        Sym("c_tilde", NOW), Apply("tanh", Sym("W") @ Sym("x", NOW)) * Apply("sigma", Sym("h", BEFORE)) - D(h))),
    ("W_f @ x_t + U.T @ h_t ** 2", W @ Sym("x", NOW) + MatMul((Transpose(U), h**2))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meaning"), DIALECTS)
def test_other_notations(text: str, meaning: object) -> None:
    assert read(text, survey([text])) == meaning


def test_cases_are_relations_with_conditions() -> None:
    text = r"L(t) = \begin{cases} l(t) & \text{if} \, t < \tau \\ 0, & \text{otherwise} \end{cases}"
    at, last = Sym("t"), Sym("tau")
    assert read_all(text, PEOPLE) == (
        relation(Sym("L", NOW), "=", Sym("l", NOW), condition=relation(at, "<", last)),
        relation(Sym("L", NOW), "=", 0, condition=relation(at, ">=", last)),
    )


def test_the_caller_says_what_a_product_sign_means() -> None:
    text = r"W_f * x \cdot b"
    other = replace(PEOPLE, products={"*": "matrix", r"\cdot": "hadamard"})
    assert read(text, other) == Hadamard((MatMul((W, x)), b))
    assert next(readings(f"${text}$", "md", PEOPLE)).signs == {"*", r"\cdot"}
    assert read(r"b \odot f_t x_t^T", replace(PEOPLE, tight=False)) == MatMul((Hadamard((b, f)), Transpose(Sym("x", NOW))))


def test_bold_is_a_name_of_its_own_only_where_it_must_be() -> None:
    assert read(r"\mathbf{h}_t", survey([r"\mathbf{h}_t", "h_t = 1"])) == Sym("h_bold", NOW)
    assert read(r"\mathbf{h}_t", survey([r"\mathbf{h}_t"])) == h


@pytest.mark.parametrize("text", [r"h_t^{(l)}", r"f + \dots", r"\left.\frac{dL}{dh}\right|_{h=0}", r"\sup(0, x)"])
def test_other_notations_refused(text: str) -> None:
    with pytest.raises(NotSupported):
        read(text, PEOPLE)


def test_one_name_written_in_two_ways_is_refused() -> None:
    _, second = readings(r"$\tilde{c}_t$ and $c_{tilde}$", "md")
    assert second.error and "have the same name, c_tilde" in str(second.error)
    first, again = readings(r"$W_{f} \tilde{c}_t$ and $\widetilde c_{t-1} W_f$", "md")
    assert first.names == again.names == {"W_f": "W_f", "c_tilde": r"\tilde{c}"}


def test_bare_lines_and_directives() -> None:
    text = "<!-- cell: lstm -->\n# LSTM\n\nThe gate is\nf_t = σ(W_xf x_t + U h_t-1)\n\n$$x = 1$$\nc_t = f_t * c_t-1, g = 2\n"
    found = formulas(text, "bare")
    assert [(formula.line, formula.text) for formula in found] == [
        (5, "f_t = σ(W_xf x_t + U h_t-1)"), (7, "x = 1"), (8, "c_t = f_t * c_t-1"), (8, "g = 2"),
    ]  # fmt: skip
    conventions = replace(survey(formula.text for formula in found), identifiers=True)
    assert read(found[0], conventions) == equation(f, Apply("sigma", Sym("W_xf") @ Sym("x", NOW) + U @ Sym("h", BEFORE)))
    assert directives(text) == {"cell": "lstm"}


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), LATEX, st.builds(lambda piece, n: piece * n, LATEX, st.integers(1, 400))))
def test_any_text_of_other_people_is_read_or_refused(text: str) -> None:
    try:
        read_all(text, survey([text]))
    except SymlstmError as error:
        assert error.line >= 1




@pytest.mark.corpus
@pytest.mark.parametrize("path", sorted(CORPUS.glob("[a-z]*.md")), ids=lambda path: path.stem)
def test_every_display_of_the_corpus_is_read(path: Path) -> None:
    document = path.read_text(encoding="utf-8")
    conventions = survey(formula.text for formula in formulas(document, "md"))
    found = list(readings(document, "md", conventions))
    assert [str(reading.error) for reading in found if reading.error and reading.formula.display] == []
    claims = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))["claims"]
    assert {claim["tag"] for claim in claims} <= {reading.formula.tag for reading in found}
    for claim in claims:
        if "fix" in claim:
            assert read_all(claim["fix"], conventions)
