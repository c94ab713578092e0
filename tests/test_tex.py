r"""The writer's law: what a person would write, and never two meanings on one line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symlstm import zoo
from symlstm.activations import sigma, tanh
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
    Relation,
    Rows,
    Sum,
    Sym,
    Term,
    Time,
    Total,
    Trace,
    Transpose,
    equation,
    quantity,
    relation,
    size,
    term,
    transform,
)  # fmt: skip
from symlstm.notation import GITHUB, HOUSE
from symlstm.tex import decimal, latex, links

x, h, c, f, o, z_f = map(quantity, ["x", "h", "c", "f", "o", "z_f"])
W_f, U_f, U, gamma, n, m, y, L = map(Sym, ["W_f", "U_f", "U", "gamma", "n", "m", "x", "L"])
NOW = Time()
tanh_c = Apply("tanh", c)
half = Num(Fraction(1, 2))
step_jacobian = Partial(quantity("h", Time("s")), quantity("h", Time("s", -1)))

LINES: list[tuple[Term | Relation, str]] = [
    (zoo.LSTM.declared[0], r"i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i)"),
    (zoo.LSTM.declared[4], r"c_t = f_t \odot c_{t-1} + i_t \odot g_t"),
    (zoo.LSTM.declared[5], r"h_t = o_t \odot \tanh(c_t)"),
    (1 - tanh_c**2, r"1 - \tanh^2(c_t)"),
    (Adj(h) * o * (1 - tanh_c**2), r"\delta h_t \odot o_t \odot \bigl(1 - \tanh^2(c_t)\bigr)"),
    (Adj(f) * f * (1 - f), r"\delta f_t \odot f_t \odot (1 - f_t)"),
    (U_f.T @ Adj(z_f), r"U_f^{\top} \delta z_{f,t}"),
    ((U_f.T @ Adj(z_f)) * f, r"(U_f^{\top} \delta z_{f,t}) \odot f_t"),
    (Adj(z_f) @ x.T, r"\delta z_{f,t} \, x_t^{\top}"),
    (equation(Partial(L, W_f), Sum("t", Time("", 1), Time("T"), Adj(z_f) @ x.T)),
     r"\frac{\partial L}{\partial W_f} = \sum_{t=1}^{T} \delta z_{f,t} \, x_t^{\top}"),
    (Adj(Sym("W_f", NOW)), r"\delta W_f^{(t)}"),
    (Adj(c, arriving=True), r"\delta c_t^{+}"),
    (Sym("ell", NOW), r"\ell_t"),
    (Sym("C_tilde", NOW), r"\tilde{C}_t"),
    (Sym("U_theta"), r"U_{\theta}"),
    (Sym("lambda_"), r"\lambda"),
    (Sym("W", NOW).T, r"(W^{(t)})^{\top}"),
    (Adj(h).T, r"(\delta h_t)^{\top}"),
    (Diag(f), r"\operatorname{diag}(f_t)"),
    (Diag(f * (1 - f)) @ U, r"\operatorname{diag}\bigl(f_t \odot (1 - f_t)\bigr) \, U"),
    (Prod("s", NOW, Time("k", 1), Diag(quantity("f", Time("s")))), r"\prod_{s=t}^{k+1} \operatorname{diag}(f_s)"),
    (Prod("s", NOW, Time("k", 1), step_jacobian) @ x,
     r"\Bigl(\prod_{s=t}^{k+1} \frac{\partial h_s}{\partial h_{s-1}}\Bigr) x_t"),
    (relation(Norm(Partial(h, h.prev)), "<=", MatMul((gamma, Norm(U)))),
     r"\Bigl\lVert \frac{\partial h_t}{\partial h_{t-1}} \Bigr\rVert \le \gamma \lVert U \rVert"),
    (Pow(MatMul((gamma, Norm(U))), Sym("t") - Sym("k")), r"(\gamma \lVert U \rVert)^{t - k}"),
    (equation(Partial(c, c.prev, direct=True), Diag(f)),
     r"\left.\frac{\partial c_t}{\partial c_{t-1}}\right|_{\text{direct}} = \operatorname{diag}(f_t)"),
    (equation(Prime("sigma", y), MatMul((sigma(y), 1 - sigma(y)))), r"\sigma'(x) = \sigma(x) \bigl(1 - \sigma(x)\bigr)"),
    (equation(sigma(y), 1 / (1 + Apply("exp", -y))), r"\sigma(x) = \frac{1}{1 + e^{-x}}"),
    (relation(0, "<", Prime("tanh", y), "<=", 1), r"0 < \tanh'(x) \le 1"),
    (relation(sigma(y), "in", Interval(term(0), term(1))), r"\sigma(x) \in (0, 1)"),
    (Interval(term(0), Num(Fraction(1, 4)), True, False), r"\Bigl(0, \frac{1}{4}\Bigr]"),
    (equation(Limit(sigma(y), y, -1), 0), r"\lim_{x \to -\infty} \sigma(x) = 0"),
    (relation(Apply("relu", y), "=", Max((term(0), y))), r"\operatorname{ReLU}(x) = \max(0, x)"),
    (relation(Prime("relu", y), "=", 1, condition=relation(y, ">", 0)), r"\operatorname{ReLU}'(x) = 1 \quad (x > 0)"),
    (size(W_f, n, m), r"W_f \in \mathbb{R}^{n \times m}"),
    (size(W_f, n, n + m), r"W_f \in \mathbb{R}^{n \times (n + m)}"),
    (Relation((Listed((W_f, U_f)), size(h, n).rhs), ("in",)), r"W_f, U_f \in \mathbb{R}^{n}"),
    (relation(y, "!=", 0), r"x \ne 0"),
    (Total("k", Component(h, "k")), r"\sum_k h_{t,k}"),
    (Component(W_f @ x, "k"), "(W_f x_t)_k"),
    (Extreme(Prime("sigma", y), y, 1), r"\max_{x} \sigma'(x)"),
    (size(h, n), r"h_t \in \mathbb{R}^{n}"),
    (size(h, MatMul((term(2), n))), r"h_t \in \mathbb{R}^{2 n}"),
    (relation(Num(Fraction(1, 3)), "~", Num(Fraction(1, 3), 4)), r"\frac{1}{3} \approx 0.3333"),
    (Blocks(((h.prev,), (x,))), r"\begin{bmatrix} h_{t-1} \\ x_t \end{bmatrix}"),
    (tanh(Blocks(((term(1), term(-2)),))), r"\tanh\left( \begin{bmatrix} 1 & -2 \end{bmatrix} \right)"),
    (MatMul((term(2), term(3))) + MatMul((term(-1), term(4))), r"2 \cdot 3 + (-1) \cdot 4"),
    (MatMul((gamma, 1 - f)), r"\gamma \cdot (1 - f_t)"),
    (MatMul((term(2), half)), r"2 \cdot \frac{1}{2}"),
    (Sum("t", NOW, Time("T"), h + c), r"\sum_{t=t}^{T} (h_t + c_t)"),
    (MatMul((half, f)) - (1 - f), r"\frac{1}{2} f_t - (1 - f_t)"),
    (Pow(Sym("e"), y), "(e)^x"),
    (Apply("phi", y), r"\phi(x)"),
    (Ones(n).T @ c, r"\mathbf{1}_n^{\top} c_t"),
    (MatMul((term(0), Ones(n + m))), r"0 \cdot \mathbf{1}_{n+m}"),
    (Ones(MatMul((term(2), n))), r"\mathbf{1}_{2n}"),
    (Trace(U.T @ Adj(Sym("U", NOW))), r"\operatorname{tr}(U^{\top} \delta U^{(t)})"),
    (Rows(W_f.T @ Adj(f), MatMul((term(2), n)), MatMul((term(2), n)) + m), r"(W_f^{\top} \delta f_t)_{2n+1:2n+m}"),
    (Rows(Hadamard((h, 1 - f)), term(0), n), r"\bigl(h_t \odot (1 - f_t)\bigr)_{1:n}"),
    (Rows(W_f.T, n, n + m).T, r"(W_f)_{:,n+1:n+m}"),
    (Div(h, Apply("sqrt", n)), r"\frac{h_t}{\sqrt{n}}"),
    (Pow(Apply("sqrt", y), term(2)), r"(\sqrt{x})^2"),
    (Prime("sqrt", y), r"\operatorname{sqrt}'(x)"),
    (Max((Apply("abs", y), Apply("exp", -y))), r"\max(\lvert x \rvert, e^{-x})"),
    (Apply("abs", Div(h, y)), r"\Bigl\lvert \frac{h_t}{x} \Bigr\rvert"),
    (Prime("relu", 1 - f), r"\operatorname{ReLU}'(1 - f_t)"),
    (MatMul((Apply("g", y), Prime("f", y))), r"g(x) \, f'(x)"),
    (Hadamard((term(2), h)), "2 h_t"),
    (Hadamard((term(2), h, f)), r"2 h_t \odot f_t"),
    (Hadamard((h, term(2))), r"h_t \odot 2"),
    (Limit(Limit(Apply("f", y), y, 1), x, -1), r"\lim_{x_t \to -\infty} \; \lim_{x \to \infty} f(x)"),
]  # fmt: skip


@pytest.mark.parametrize(("node", "expected"), LINES, ids=[line for _, line in LINES])
def test_what_a_person_would_write(node: Term | Relation, expected: str) -> None:
    assert latex(node) == expected


def test_numbers_need_no_sign_between_them() -> None:
    numbers = HOUSE.knowing(frozenset(), frozenset("xfc"))
    product, mixed = Hadamard((Adj(c), f, Apply("g", x))), Hadamard((h, f))
    assert latex(product, numbers) == r"\delta c_t \, f_t \, g(x_t)"
    assert latex(mixed, numbers) == latex(mixed) == r"h_t \odot f_t"


def test_a_stack_in_a_line_of_text_is_flat() -> None:
    assert latex(Blocks(((h.prev,), (c,), (x,))), inline=True) == "[h_{t-1}; c_t; x_t]"
    assert latex(Blocks(((term(1),), (term(2),))), inline=True) == r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}"


def test_a_thin_space_stands_beside_words_and_adjoints() -> None:
    C, U, slope = quantity("C"), Sym("U"), Prime("relu", quantity("a"))
    assert latex(f @ Adj(C) @ h) == r"f_t \, \delta C_t \, h_t"
    assert latex(f @ Adj(C).T @ h) == r"f_t \, (\delta C_t)^{\top} h_t"
    assert latex(U.T @ Adj(h)) == r"U^{\top} \delta h_t"
    for notation, named in ((HOUSE, " "), (GITHUB, r" \, ")):  # \operatorname brings a space of its own, \mathrm does not
        word = notation.operator
        assert latex(U @ Diag(h) @ U, notation) == rf"U{named}{word}{{diag}}(h_t) \, U"
        assert latex(slope @ f, notation) == rf"{word}{{ReLU}}'(a_t) \, f_t"


def test_inline_brackets_are_smaller() -> None:
    assert latex(Interval(term(0), Num(Fraction(1, 4)), True, False), inline=True) == r"\bigl(0, \frac{1}{4}\bigr]"


def test_a_relation_in_pieces() -> None:
    left, found, condition = links(equation(c, f * c.prev - h, 1))
    assert (left, found[0].pieces, found[1].pieces, condition) == ("c_t", (r"f_t \odot c_{t-1}", "- h_t"), ("1",), "")


def test_unknown_things_are_named() -> None:
    class Strange(Term):
        __slots__ = ()

        def __repr__(self) -> str:
            return "strange"

    with pytest.raises(NotSupported, match="No LaTeX is known for Strange"):
        latex(Strange())
    with pytest.raises(NotSupported, match="reads as a transpose"):
        latex(Pow(x, Sym("T")))
    with pytest.raises(NotValid, match="no relation sign '=>'"):
        latex(relation(x, "=>", 1))
    with pytest.raises(NotSupported, match="cannot be written"):
        latex(Sym("__x"))


@given(st.fractions(), st.integers(0, 9))
def test_decimals_are_exact(value: Fraction, places: int) -> None:
    shown = decimal(value, places)
    assert len(shown.partition(".")[2]) == places
    assert abs(Fraction(shown) - value) <= Fraction(1, 2 * 10**places)


# --- one meaning for one line -----------------------------------------------------------------------------------

LEAVES = (x, W_f, gamma, Sym("delta"), term(2), term(-3), Num(Fraction(1, 4)), Adj(h), Sym("W", NOW), Ones(n))
ONE = (Neg, Transpose, Diag, Norm, Trace, lambda arg: Rows(arg, n, n + n), lambda arg: Max((arg, term(0))),
       *(lambda arg, name=name: Apply(name, arg) for name in ("tanh", "sigma", "exp", "sqrt", "abs", "f")),
       lambda arg: Prime("sigma", arg), lambda arg: Pow(arg, term(2)), lambda arg: Sum("s", NOW, Time("T"), arg),
       lambda arg: Prod("s", NOW, Time("T"), arg), lambda arg: Limit(arg, y, -1))  # fmt: skip
TWO = (lambda *args: Add(args), lambda *args: MatMul(args), lambda *args: Hadamard(args), Div, Pow, Partial)


def small_terms() -> Iterator[Term]:
    """Every term of depth one, and every term of depth two that has a leaf beside it."""
    pairs = list(itertools.product(LEAVES, repeat=2))
    first = [*LEAVES, *(make(arg) for make in ONE for arg in LEAVES), *(make(*pair) for make in TWO for pair in pairs)]
    yield from first
    yield from (make(arg) for make in ONE for arg in first)
    for make, deep, leaf in itertools.product(TWO, first, LEAVES[:4]):
        yield from (make(deep, leaf), make(leaf, deep))


def meaning(node: Term) -> Term:
    """The few differences between trees that a page does not show: -3 and the negative of 3, 1/4 and one over four, and
    in which kind of product a number scales."""
    def same(part: Term) -> Term:
        if isinstance(part, Hadamard) and isinstance(part.args[0], Num) and len(part.args) == 2:
            return MatMul(part.args)
        if isinstance(part, Neg) and isinstance(part.arg, Num):
            return Num(-part.arg.value)
        if isinstance(part, Div) and all(isinstance(side, Num) and side.value > 0 for side in (part.above, part.below)):
            assert isinstance(part.above, Num) and isinstance(part.below, Num)
            if part.above.value.denominator == part.below.value.denominator == 1:
                return Num(part.above.value / part.below.value)
        return part
    return transform(node, same)


def test_no_line_has_two_meanings() -> None:
    seen: dict[str, Term] = {}
    for node in small_terms():
        bare = re.sub(r"\\(?:left|right|[bB]igg?[lr])\b|\s|(?<=[}\w)]) ?\\, ?", "", latex(node))
        assert seen.setdefault(bare, meaning(node)) == meaning(node), bare


def grown(below: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    return st.one_of(*(st.builds(make, below) for make in ONE), *(st.builds(make, below, below) for make in TWO))


TERMS = st.recursive(st.sampled_from(LEAVES), grown, max_leaves=12)


@settings(max_examples=200, deadline=None)
@given(TERMS)
def test_brackets_and_braces_match(node: Term) -> None:
    text = latex(node)
    stack: list[str] = []
    pairs = {"(": ")", "{": "}", "[": "]"}
    for sign in re.findall(r"[(){}\[\]]", text):
        if sign in pairs:
            stack.append(pairs[sign])
        else:
            assert stack.pop() == sign
    assert not stack
    assert text.count(r"\left") == text.count(r"\right")
