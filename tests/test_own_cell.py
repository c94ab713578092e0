"""A cell that nobody here has seen is its equations and no other line: pasted, or written in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import symlstm as sl
from symlstm.algebra import Relation, plain
from symlstm.evaluate import column, forward
from symlstm.reader import read_all

Array = Any

LEAKY = r"""
A leaky integrator with a learned rate, $\alpha = \sigma(a)$, and then

$$ h_t = (1 - \alpha) \odot h_{t-1} + \alpha \odot \tanh(W x_t + U h_{t-1} + b). $$
"""
JANET = r"""
\begin{align}
s_t &= U_f h_{t-1} + W_f x_t + b_f \\
\tilde{c}_t &= \tanh(U_c h_{t-1} + W_c x_t + b_c) \\
c_t &= \sigma(s_t) \odot c_{t-1} + (1 - \sigma(s_t - \beta)) \odot \tilde{c}_t \\
h_t &= c_t
\end{align}
where $\beta \in \mathbb{R}$ is one number for all units.
"""
FAST = r"""
The fast weights decay and learn, with $\lambda, \eta \in \mathbb{R}$:
$$ A_t = \lambda A_{t-1} + \eta h_{t-1} h_{t-1}^\top, \qquad h_t = \tanh(W x_t + U h_{t-1} + A_t h_{t-1} + b) $$
"""
SMOOTH = r"""
s_t = \operatorname{softplus}(W_s x_t + U_s h_{t-1} + b_s)
v_t = \operatorname{SiLU}(W_v [x_t; h_{t-1}] + b_v)
k_t = \text{hard sigmoid}(W_k x_t + p \odot h_{t-1})
h_t = k_t \odot h_{t-1} + \frac{v_t}{1 + s_t}
"""
ROWS = r"""
$$ g^{(t)} = \sigma(x^{(t)} W_{xg} + h^{(t-1)} W_{hg} + b_g), \quad
   h^{(t)} = g^{(t)} * h^{(t-1)} + (1 - g^{(t)}) * \tanh(x^{(t)} W_{xh} + h^{(t-1)} W_{hh} + b_h) $$
"""
SUM = r"s_t = \gamma s_{t-1} + w^\top x_t + \tanh(u s_{t-1})"
QRNN = r"""
The step before is kept, $p_t = x_t$, with $c_t, p_t$ as states:
$$ z_t = \tanh(W_z^1 p_{t-1} + W_z^2 x_t), \quad f_t = \sigma(W_f^1 p_{t-1} + W_f^2 x_t), \quad o_t = \sigma(W_o^1 p_{t-1} + W_o^2 x_t) $$
$$ c_t = f_t \odot c_{t-1} + (1 - f_t) \odot z_t, \quad h_t = o_t \odot c_t $$
"""
MGU2 = r"""
f_t = \sigma(U_f h_{t-1})
\tilde h_t = \tanh(W_h x_t + U_h (f_t \odot h_{t-1}) + b_h)
h_t = (1 - f_t) \odot h_{t-1} + f_t \odot \tilde h_t
"""
LEM = r"""
$$ \alpha_t = \lambda \, \sigma(W_1 y_{t-1} + V_1 x_t + b_1), \quad \beta_t = \lambda \, \sigma(W_2 y_{t-1} + V_2 x_t + b_2) $$
$$ z_t = (1 - \alpha_t) \odot z_{t-1} + \alpha_t \odot \tanh(W_z y_{t-1} + V_z x_t + b_z) $$
$$ y_t = (1 - \beta_t) \odot y_{t-1} + \beta_t \odot \tanh(W_y z_t + V_y x_t + b_y) $$
"""
MODULUS = r"""$\mathrm{modReLU}(z) = \frac{z}{|z|} \odot \mathrm{ReLU}(|z| + b)$ and $h_t = \mathrm{modReLU}(Q^2 h_{t-1} + V x_t)$"""
TEXTS = {"leaky": (LEAKY, ""), "janet": (JANET, ""), "fast": (FAST, "h_t, A_t"), "smooth": (SMOOTH, ""), "rows": (ROWS, ""),
         "number": (rf"${SUM}$, with $s_t, u \in \mathbb{{R}}$", ""), "qrnn": (QRNN, "h_t, c_t, p_t"), "mgu2": (MGU2, ""),
         "lem": (LEM + r"with $z_t \in \mathbb{R}^n$", "y_t, z_t"), "modulus": (MODULUS, ""),
         "independent": (r"h_t = \operatorname{relu}(W x_t + u \odot h_{t-1} + b)", "")}  # fmt: skip


def own(name: str) -> sl.Cell:
    text, states = TEXTS[name]
    return sl.Cell.from_latex(text, states=states, name=name)


@pytest.mark.parametrize("name", TEXTS)
def test_every_relation_of_a_pasted_cell_is_verified(name: str) -> None:
    report = sl.verify(sl.derive(own(name)))
    wrong = [(row.topic, row.latex, found.method, found.note) for row in report.rows for found in row.evidence if not found.ok]
    assert report.ok, wrong
    assert all({found.method for found in row.evidence} >= {"exact", "numeric", "readback"} for row in report.rows)


@pytest.mark.parametrize("name", TEXTS)
def test_its_numpy_has_the_gradients_of_its_equations(name: str) -> None:
    check_gradients(own(name))


def check_gradients(cell: sl.Cell, seed: int = 0) -> None:
    """Every gradient of the generated NumPy against complex steps through the component-wise interpreter."""
    n, m, steps, draw = 3, 2, 5, np.random.default_rng(seed)
    point = sl.random_parameters(cell, n=n, m=m, seed=seed)
    states = tuple(draw.standard_normal(cell.array_shape(each.name, n, m)) for each in cell.state_terms)
    x = draw.standard_normal((steps, *cell.array_shape(cell.input_terms[0].name, n, m)))
    weights = draw.standard_normal((steps, *states[0].shape))

    def loss(params: dict[str, Array], x: Array, states: tuple[Array, ...]) -> Any:
        columns = {key: column(value) for key, value in params.items()}
        run = forward(cell, columns, [column(each) for each in x], [column(each) for each in states])
        return sum((column(w) * each[cell.state_terms[0].name]).sum() for w, each in zip(weights, run[1:], strict=True))

    f = sl.lambdify(cell)
    trace = f.forward(point, x, states)
    assert float((trace.outputs * weights).sum()) == pytest.approx(float(loss(point, x, states)), rel=1e-13)
    grads = f.backward(trace, weights)
    for key, value in point.items():
        close(grads.params[key], stepped(lambda new, key=key: loss({**point, key: new}, x, states), value), key)
    close(grads.inputs, stepped(lambda new: loss(point, new, states), x), "inputs")
    for k, value in enumerate(states):
        rest = lambda new, k=k: loss(point, x, (*states[:k], new, *states[k + 1 :]))
        close(grads.state[k], stepped(rest, value), f"state {k}")


def stepped(function: Any, at: Array) -> Array:
    """The gradient of a function of an array, by complex step."""
    found = np.zeros(np.shape(at))
    for place in np.ndindex(found.shape):
        moved = np.array(at, dtype=complex)
        moved[place] += 1e-30j
        found[place] = np.imag(function(moved)) / 1e-30
    return found


def close(found: Array, wanted: Array, words: str) -> None:
    assert np.shape(found) == np.shape(wanted), words
    assert np.abs(found - wanted).max() <= 1e-12 * max(1.0, np.abs(wanted).max()), words


def test_the_check_of_the_gradients_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, other = own("leaky"), sl.Cell.from_latex(LEAKY.replace("1 -", "2 -"))
    monkeypatch.setattr(sl, "lambdify", lambda _, real=sl.lambdify: real(other))
    with pytest.raises(AssertionError):
        check_gradients(cell)


@pytest.mark.parametrize("name", TEXTS)
def test_its_latex_says_what_was_pasted(name: str) -> None:
    """The exported forward pass, pasted again, is the same cell."""
    cell = own(name)
    lines = "\n".join(f"$${step.latex()}$$" for step in sl.derive(cell, "forward").steps)
    again = sl.Cell.from_latex(lines, states=", ".join(f"{each}_t" for each in map(str, cell.states)), sizes=cell.sizes)
    assert set(map(plain, again.named)) == set(map(plain, cell.named))
    assert dict(again.shapes) == dict(cell.shapes)


# --- what is understood ---------------------------------------------------------------------------------------------


def test_names_and_shapes() -> None:
    cell = own("janet")
    assert [str(each) for each in cell.states] == ["h", "c"] and [str(each) for each in cell.inputs] == ["x"]
    assert "c_tilde" in cell.shapes and cell.shapes["beta"] == () and str(cell.shapes["W_f"]) == "(n, m)"
    assert str(own("fast").shapes["A"]) == "(n, n)" and own("fast").shapes["lambda_"] == ()
    assert str(own("rows").shapes["W_xg"]) == "(m, n)" and own("number").shapes["s"] == ()


@pytest.mark.parametrize(
    "text",
    [
        r"h_t = \tanh(W x_t + U h_{t-1} + b)",
        r"$h_t = \tanh(W x_t + U h_{t-1} + b)$",
        "Text, and then\n$$\nh_t = \\tanh(W x_t + U h_{t-1} + b)\n$$\nmore text.",
        r"\[ h_t = \tanh(W x_t + U h_{t-1} + b) \]",
        r"\begin{equation} h_t = \tanh(W x_t + U h_{t-1} + b) \label{eq:h} \end{equation}",
        r"\documentclass{article} \begin{document} $h_t = \tanh(W x_t + U h_{t-1} + b)$ % $h_t = 1$ \end{document}",
        r"\begin{align*} z_t &= W x_t + U h_{t-1} + b, \\ h_t &= \tanh(z_t). \end{align*}",
        r"$$ h^{(t)} = \tanh(W x^{(t)} + U h^{(t-1)} + b) $$",
        "hₜ = tanh(W xₜ + U hₜ₋₁ + b)",
        r"$\phi(a) = \tanh(a)$, $h_t = \phi(W x_t + U h_{t-1} + b)$ and $\hat{y}_t = \sigma(V h_t)$",
        "$$ h_t = \\tanh(W x_t + U h_{t-1} + b) $$\n$$ \\delta b = \\delta h_t \\tag{1} $$ $$ h_t = x_t \\tag{2} $$",
    ],
)
def test_one_cell_in_many_dresses(text: str) -> None:
    cell, plain_rnn = sl.Cell.from_latex(text), sl.cell("rnn")
    assert cell.parameter_shapes(3, 2) == plain_rnn.parameter_shapes(3, 2)
    point, x = sl.random_parameters(plain_rnn, 3, 2), np.random.default_rng(1).standard_normal((4, 2))
    outputs = [sl.lambdify(each).forward(point, x).outputs for each in (cell, plain_rnn)]
    np.testing.assert_allclose(*outputs, rtol=1e-14)


def test_sizes_and_numbers_are_those_of_the_text() -> None:
    text = r"""with $x_t \in \mathbb{R}^n$, $h_t \in \mathbb{R}^d$, $W \in \mathbb{R}^{d \times (n + d)}$ and $\lambda = 0.9$:
    $$ h_t = \lambda h_{t-1} + \tanh(W [x_t; h_{t-1}] / \sqrt{d}) $$"""
    cell = sl.Cell.from_latex(text)
    assert cell.parameter_shapes(3, 2) == {"W": (3, 5)}
    assert plain(cell.declared[0]) == "h[t] = 0.9 @ h[t-1] + tanh((W @ [x[t]; h[t-1]])/sqrt(n))"


def test_states_and_inputs_in_comments_and_by_name() -> None:
    text = r"$$ h_t = W x_t + V u_t + U h_{t-1} $$ with $x_t \in \mathbb{R}^p, u_t \in \mathbb{R}^q$"
    assert [str(each) for each in sl.Cell.from_latex(f"<!-- inputs: u_t, x_t -->{text}").inputs] == ["u", "x"]
    assert [str(each) for each in sl.Cell.from_latex(text, inputs="u_t, x_t").inputs] == ["u", "x"]
    beside = sl.Cell.from_latex("$$ h_t = W x_t + U h_{t-1}, \\quad y_t = V h_t $$")
    assert beside.beside == ("y",) and [str(each) for each in beside.states] == ["h"]
    with_y = sl.Cell.from_latex("$$ h_t = W x_t + U h_{t-1}, \\quad y_t = V h_t $$ and $y_t \\in \\mathbb{R}^k$", states="h_t, y_t")
    assert [str(each) for each in with_y.states] == ["h", "y"]


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "states", "words"),
    [
        ("Nothing but words.", "", ["There is no equation"]),
        ("$$ h_t = W x_t + $$", "", ["ends too early", "line 1, column 17"]),
        ("h_t = W x_t", "", ["there is no state", "h_{t-1}"]),
        ("h_t = W x_t + U h_{t-1}", "h_t, c_t", ["defines the state c[t]", "a line c[t] = ..."]),
        ("h_t = W x_t + U h_{t-1} + V c_{t-1}", "h_t", ["c[t-1] is neither an input"]),
        ("h_t = U c_t\nc_t = V h_t + W x_t + c_{t-1}", "", ["form a cycle", "the step before"]),
        ("h_t = W x_t + U h_{t-1} + W h_{t-1}", "", ["m (the size of W", "n (the size of h)"]),
        ("h_t = W x_t + U V h_{t-1}", "", ["Nothing fixes the size of U", r"\in \mathbb{R}"]),
        (r"h_t = \operatorname{softsign}(W x_t + U h_{t-1})", "", ["no activation called 'softsign'", "softsign(x) = ..."]),
        ("h_t = W x_t + U h_{t-1}\nh_t = U h_{t-1}", "", ["two equations", "line 1", "line 2", r"\tag"]),
        (r"h_t = W \tilde{x}_t + x_{tilde} h_{t-1}", "", ["have the same name"]),
        ("$C_t = W x_t + U \\tilde{h}_{t-1}$\n\n$\\tilde{h}_t = C_t + h_{tilde}$", "", ["have the same name, h_tilde", "line 3"]),
        (r"$\phi(x) = \begin{cases} x & x > 0 \\ 0 & x \le 0 \end{cases}$, $h_t = \phi(W x_t + U h_{t-1})$", "", ["by cases", r"\max"]),
        (r"h_t = \tanh(U h_{t-1} + b)", "", ["Nothing enters", "x_t"]),
        ("h_t = W x_t + U h_{t-1}", "h_t +", ["no symbol of a state"]),
        (LEM, "y_t, z_t", ["Nothing fixes the size of z", r"$z_t \in \mathbb{R}^{k}$", "with n for k it is as long as the first state"]),
        (r"h_t = \tanh(U h_{t-1} + h_t)", "", ["computed from itself", "h_{t-1}"]),
        (r"h_t = f_t \odot h_{t-1} + \tanh(W x_t)", "", ["f[t] and x[t] are taken for inputs"]),
        (r"h_t = \tanh(W x_t + V x_{t-1} + U h_{t-1})", "", ["a state keeps it: p[t] = x[t], and p[t-1] here"]),
        (r"h_t = \exp(A - A^T) h_{t-1} + W x_t", "", ["a function of a square matrix", "a matrix of its own"]),
        (r"h_t = A^{-1} h_{t-1} + W x_t", "", ["A^(-1) is a function of a square matrix"]),
        (r"h_t = \sum_{k=1}^t W x_k", "", ["h[t] is not an equation of one step"]),
        ("", "", ["There is no equation"]),
    ],
)
def test_messages(text: str, states: str, words: list[str]) -> None:
    with pytest.raises(sl.SymlstmError) as caught:
        sl.Cell.from_latex(text, states=states)
    assert caught.value.right or caught.value.line
    for word in words:
        assert word in str(caught.value)


def test_a_message_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my cell.md"
    path.write_text("one\n\n$$ h_t = W x_t + ) $$")
    with pytest.raises(sl.NotValid, match=r"my cell\.md: line 3, column 18"):
        sl.Cell.from_latex(path)
    path.write_text("h_t = W x_t + U h_{t-1}")
    assert sl.Cell.from_latex(path).name == "my-cell" and sl.derive(path, "gradients").cell.name == "my-cell"


FUNCTIONS = (
    r"\operatorname{softplus}(x)", r"\mathrm{SiLU}(x)", r"\exp(x)", r"\mathrm{hard sigmoid}(x)", r"\max(0, x)", r"\frac{x}{1 + |x|}",
    r"x \sigma(1.702 x)", r"\max(-1, \min(1, x))", r"\max(0.01 x, x)", r"x \tanh(\ln(1 + e^x))", r"\frac{x}{\sqrt{1 + x^2}}",
)  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_activation_of_the_table_or_of_the_text(function: str) -> None:
    cell = sl.Cell.from_latex(rf"$\phi(x) = {function}$ and $h_t = \phi(W x_t + U h_{{t-1}} + b)$")
    assert sl.verify(sl.derive(cell, "gradients")).ok
    check_gradients(cell)


def test_numbers_above_are_labels_beside_a_one_and_powers_elsewhere() -> None:
    cell = own("qrnn")
    assert {"W_z1", "W_z2"} <= set(map(str, cell.parameters)) and str(cell.shapes["W_z2"]) == "(n, m)"
    assert "Q @ Q @ h[t-1]" in plain(own("modulus").declared[0])


# --- cells at random ------------------------------------------------------------------------------------------------

ACTIVATIONS = (r"\sigma", r"\tanh", r"\operatorname{softplus}", r"\operatorname{SiLU}", r"\operatorname{ReLU}")
MIXES = (  # bounded, so that no state runs away
    r"\sigma({a}) \odot h_{{t-1}} + (1 - \sigma({a})) \odot \tanh({b})",
    r"\tanh(h_{{t-1}} + {a} \odot {b})",
    r"\frac{{\tanh({b}) + h_{{t-1}}}}{{1 + {a}^2}}",
    r"\sigma(U ({b} \odot h_{{t-1}}) + v) \odot \tanh({a})",
    r"\tanh({a}) - \sigma({b}) \odot \tanh(h_{{t-1}})",
)


@st.composite
def cells(draw: st.DrawFn) -> str:
    """Gates with any activations that read the input, the state or gates before them, mixed in a state."""
    lines, gates = [], ["h_{t-1}"]
    for letter in "abd"[: draw(st.integers(2, 3))]:
        read = draw(st.sampled_from(gates))
        bias = draw(st.sampled_from(["", f" + b_{letter}"]))
        peephole = draw(st.sampled_from(["", rf" + p_{letter} \odot h_{{t-1}}"]))
        activation = draw(st.sampled_from(ACTIVATIONS))
        lines.append(rf"{letter}_t = {activation}(W_{letter} x_t + U_{letter} {read}{peephole}{bias})")
        gates.append(rf"({letter}_t \odot h_{{t-1}})")
    one, other = draw(st.permutations([line[:3] for line in lines]))[:2]
    return "\n".join([*lines, "h_t = " + draw(st.sampled_from(MIXES)).format(a=one, b=other)])


@given(cells())
@settings(max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate])
def test_a_cell_at_random_is_verified_and_runs(text: str) -> None:
    cell = sl.Cell.from_latex(text)
    report = sl.verify(sl.derive(cell, "gradients"))
    assert report.ok, [(row.latex, found.note) for row in report.rows for found in row.evidence if not found.ok]
    assert sl.verify(sl.derive(cell, "bptt")).ok
    check_gradients(cell)


# --- in Python ------------------------------------------------------------------------------------------------------


def test_equations_in_python_are_the_cell_of_the_text() -> None:
    x, h = sl.quantities("x h")
    W, U, b, a = sl.symbols("W U b a")
    (rate,) = sl.quantities("alpha")
    lines = (
        sl.equation(rate, sl.sigma(a)),
        sl.equation(h, (1 - rate) * h.prev + rate * sl.tanh(W @ x + U @ h.prev + b)),
    )
    cell = sl.Cell("leaky", (x,), (h,), lines)
    assert cell.declared == own("leaky").declared
    check_gradients(cell)


def test_every_pasted_formula_is_read_as_check_reads_it() -> None:
    from symlstm.reader import PEOPLE

    [line] = read_all(r"h_t = \tanh(W x_t + U h_{t-1} + b)", PEOPLE)
    assert isinstance(line, Relation) and sl.Cell.from_latex(plain_latex()).declared == (line,)


def plain_latex() -> str:
    return r"h_t = \tanh(W x_t + U h_{t-1} + b)"


# --- what is easily misread -----------------------------------------------------------------------------------------

NORMED = r"""$$a_t = W_z x_t + U_z h_{t-1}$$ $$\mu_t = \frac{1}{n} \mathbf{1}^\top a_t$$
    $$v_t = \frac{1}{n} (a_t - \mu_t)^\top (a_t - \mu_t)$$
    $$z_t = \sigma\left(\gamma \odot \frac{a_t - \mu_t}{\sqrt{v_t + \epsilon}} + \beta\right)$$
    $$h_t = (1 - z_t) \odot h_{t-1} + z_t \odot \tanh(W x_t + U h_{t-1})$$"""
ANTISYMMETRIC = r"$$h_t = h_{t-1} + \epsilon \tanh((W - W^T - \gamma I) h_{t-1} + V x_t + b)$$"
EULER = r"$$h_t = h_{t-1} + \frac{\Delta t}{\tau}\left(-h_{t-1} + \tanh(W_{rec} h_{t-1} + W_{in} x_t + b)\right)$$"
DELTA = r"""$$k_t = W_k x_t, \quad k_t \in \mathbb{R}^k$$ $$v_t = W_v x_t$$ $$q_t = W_q x_t$$ $$\beta_t = \sigma(w^\top x_t)$$
    $$S_t = S_{t-1} (I - \beta_t k_t k_t^\top) + \beta_t v_t k_t^\top$$ $$o_t = S_t q_t$$"""


@pytest.mark.parametrize(
    ("text", "states", "parameters", "line"),
    [
        (ANTISYMMETRIC, "", "W V b epsilon gamma", "diag(ones(n))"),
        (EULER, "", "W_rec W_in Delta_t tau b", "(Delta_t/tau) @ ("),
        (NORMED, "", "W_z W U_z U gamma epsilon beta", "a[t] - mu[t] @ ones(n)"),
        (DELTA, "o_t, S_t", "W_k W_v W_q w", "diag(ones(k)) - beta[t] @ k[t] @ k[t]^T"),
    ],
)
def test_the_identity_a_step_of_time_and_a_number_beside_a_vector(text: str, states: str, parameters: str, line: str) -> None:
    cell = sl.Cell.from_latex(text, states=states)
    assert set(map(str, cell.parameters)) == set(parameters.split())
    assert line in repr(cell)
    report = sl.verify(sl.derive(cell))
    assert report.ok, [(row.name, row.latex) for row in report.rows if not row.ok]
    check_gradients(cell)


def test_where_the_identity_does_not_fit_the_letter_is_a_parameter() -> None:
    cell = sl.Cell.from_latex(r"h_t = \tanh(U h_{t-1} + W x_t + I)")
    assert str(cell.shapes["I"]) == "(n,)"


def test_any_number_of_sizes_may_be_free() -> None:
    gates = " ".join(rf"$${q}_t = \tanh(W_{q} x_t), \quad {q}_t \in \mathbb{{R}}^{q}$$" for q in "kpq")
    cell = sl.Cell.from_latex(gates + r"$$h_t = \tanh(A k_t + B p_t + C q_t + U h_{t-1})$$", states="h_t")
    shapes = sl.derive(cell, "shapes")
    assert "Five sizes are given" in shapes.markdown()
    assert sl.verify(shapes).ok
