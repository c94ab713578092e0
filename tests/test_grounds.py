r"""No wrong line is right, however it is dressed: marks that nothing explains, names that a line gives itself, loose bounds."""

from __future__ import annotations

import pytest

from symlstm.claims.checking import judged
from symlstm.claims.proofreading import check
from symlstm.model import Cell

LSTM = r"""
$$f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)$$
$$i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i)$$
$$o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o)$$
$$\tilde c_t = \tanh(W_c x_t + U_c h_{t-1} + b_c)$$
$$c_t = f_t \odot c_{t-1} + i_t \odot \tilde c_t$$
$$h_t = o_t \odot \tanh(c_t)$$
"""
GRU = r"""
$$z_t = \sigma(W_z x_t + U_z h_{t-1} + b_z)$$
$$r_t = \sigma(W_r x_t + U_r h_{t-1} + b_r)$$
$$n_t = \tanh(W_n x_t + U_n (r_t \odot h_{t-1}) + b_n)$$
$$h_t = (1 - z_t) \odot h_{t-1} + z_t \odot n_t$$
"""
MGU = r"""
$$f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)$$
$$\tilde h_t = \tanh(W_h x_t + U_h (f_t \odot h_{t-1}) + b_h)$$
$$h_t = (1 - f_t) \odot h_{t-1} + f_t \odot \tilde h_t$$
"""
RNN = r"""
$$h_t = \tanh(W x_t + U h_{t-1} + b)$$
$$y_t = V h_t$$
"""
PEEP = r"""
$$i_t = \sigma(W_i x_t + U_i h_{t-1} + p_i \odot c_{t-1} + b_i)$$
$$f_t = \sigma(W_f x_t + U_f h_{t-1} + p_f \odot c_{t-1} + b_f)$$
$$g_t = \tanh(W_g x_t + U_g h_{t-1} + b_g)$$
$$c_t = f_t \odot c_{t-1} + i_t \odot g_t$$
$$o_t = \sigma(W_o x_t + U_o h_{t-1} + p_o \odot c_t + b_o)$$
$$h_t = o_t \odot \tanh(c_t)$$
"""
MIN = r"""
$$f_t = \sigma(W_f x_t + b_f)$$
$$i_t = \sigma(W_i x_t + b_i)$$
$$\tilde h_t = W_h x_t + b_h$$
$$h_t = f_t \odot h_{t-1} + i_t \odot \tilde h_t$$
"""
SL = r"""
$$z_t = \tanh(W_z x_t + R_z h_{t-1} + b_z)$$
$$i_t = \exp(W_i x_t + R_i h_{t-1} + b_i)$$
$$f_t = \sigma(W_f x_t + R_f h_{t-1} + b_f)$$
$$o_t = \sigma(W_o x_t + R_o h_{t-1} + b_o)$$
$$c_t = f_t \odot c_{t-1} + i_t \odot z_t$$
$$n_t = f_t \odot n_{t-1} + i_t$$
$$h_t = o_t \odot \frac{c_t}{n_t}$$
"""
JANET = r"""
$$f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)$$
$$\tilde c_t = \tanh(W_c x_t + U_c h_{t-1} + b_c)$$
$$c_t = f_t \odot c_{t-1} + (1 - f_t) \odot \tilde c_t$$
$$h_t = c_t$$
"""
CELLS = {"lstm": LSTM, "gru": GRU, "mgu": MGU, "rnn": RNN, "peephole": PEEP, "minlstm": MIN, "slstm": SL}


def said(cell: str, *claims: str, prose: str = "") -> list[tuple[str, str]]:
    """The verdicts on claims about a cell, with what is said of them."""
    tagged = (rf"$${claim} \tag{{{k}}}$$" for k, claim in enumerate(claims, start=1))
    return [(verdict.verdict, verdict.reason) for verdict in judged("\n".join((CELLS[cell], prose, *tagged)))]


UNEXPLAINED = [  # a cell, a claim, and what nothing says
    ("mgu", r"\bar{f}_t = \bar{h}_t \odot (\tilde{h}_t - h_{t-1})", r"\bar{h}_t"),
    ("mgu", r"\bar{f}_t = \bar{h}_t \odot (\tilde{h}_t + h_{t-1})", r"\bar{h}_t"),
    ("mgu", r"\hat{f}_t = \hat{h}_t \odot (\tilde{h}_t + h_{t-1})", r"\hat{h}_t"),
    ("mgu", r"f'_t = h'_t \odot (\tilde{h}_t + h_{t-1})", ""),
    ("mgu", r"\tilde{f}_t = \tilde g_t \odot (\tilde{h}_t + h_{t-1})", r"\tilde{g}_t"),
    ("mgu", r"f_t^* = h_t^* \odot (\tilde{h}_t + h_{t-1})", ""),
    ("mgu", r"\bar{f}_t = \frac{\partial L}{\partial h_t} \odot (\tilde{h}_t + h_{t-1})", r"\bar{f}_t"),
    ("mgu", r"\bar{f}_t = \delta h_t \odot (\tilde{h}_t + h_{t-1})", r"\bar{f}_t"),
    ("mgu", r"\delta_{z,t} = \delta h_t \odot (1 + h_t)", r"\delta z_t"),
    ("lstm", r"\bar c_t = \bar h_t \odot o_t \odot (1 + \tanh^2(c_t)) + \bar c_{t+1} \odot f_{t+1}", r"\bar{h}_t"),
    ("lstm", r"\bar c_t = \bar c_{t-1} \odot f_t + \bar h_t \odot o_t", r"\bar{h}_t"),
    ("lstm", r"\overline{f}_t = \overline{c}_t \odot c_t", r"\bar{c}_t"),
    ("lstm", r"\bar{\tilde c}_t = \bar c_t \odot f_t", r"\bar{c}_t"),
    ("lstm", r"\dot f_t = \dot c_t \odot c_t", ""),
    ("lstm", r"g^f_t = g^c_t \odot c_t", "g_{c,t}"),
    ("lstm", r"g_{f,t} = g_{c,t} \odot c_t", "g_{c,t}"),
    ("lstm", r"e_t = d_t \odot c_t", "d_t"),
    ("lstm", r"\epsilon^f_t = \epsilon^c_t \odot c_t", r"\epsilon_{c,t}"),
    ("lstm", r"\mathrm{grad}_{f,t} = \mathrm{grad}_{c,t} \odot c_t", ""),
    ("lstm", r"\bar f = \bar c \odot c_t", r"\bar{c}"),
    ("lstm", r"\bar W_f = \sum_t \bar f_t x_t^\top", r"\bar{f}_t"),
    ("lstm", r"F_t = C_t \odot c_t", "C_t"),
    ("lstm", r"\Delta f_t = \Delta c_t \odot c_t", ""),
    ("lstm", r"\frac{\partial L}{\partial f_t} = \bar f_t = \frac{\partial L}{\partial c_t} \odot c_t", r"\bar{f}_t"),
    ("lstm", r"\delta_{z,t} = \delta c_t \odot i_t \odot (1 + \tilde c_t^2)", r"\delta z_t"),
    ("gru", r"\hat{r}_t = (U_n^\top \hat{a}_t) \odot h_t", r"\hat{a}_t"),
    ("gru", r"\tilde z_t = \tilde h_t \odot (n_t + h_{t-1})", r"\tilde{h}_t"),
    ("gru", r"\bar h_{t-1} = \bar h_t \odot z_t", r"\bar{h}_{t-1}"),
    ("gru", r"\delta_{\hat z,t} = \delta_{h,t} \odot (n_t + h_{t-1})", r"\delta \hat{z}_t"),
    ("rnn", r"\bar h_t = V^\top \bar y_t + U^\top \bar h_{t+1}", r"\bar{y}_t"),
    ("rnn", r"\bar a_t = \bar h_t \odot (1 + h_t^2)", r"\bar{h}_t"),
    ("rnn", r"e_t = V^\top (y_t + d_t)", "d_t"),
    ("peephole", r"\hat p_o = \sum_t \hat o_t \odot c_{t-1}", r"\hat{o}_t"),
    ("minlstm", r"\bar{\tilde{h}}_t = \bar{h}_t \odot f_t", r"\bar{h}_t"),
    ("slstm", r"\bar n_t = \bar h_t \odot o_t \odot c_t", r"\bar{h}_t"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "claim", "missing"), UNEXPLAINED)
def test_what_nothing_explains_is_named(cell: str, claim: str, missing: str) -> None:
    [(verdict, reason)] = said(cell, claim)
    assert verdict == "unreadable" and (not missing or reason == f"Nothing says what {missing} is."), reason


def test_what_is_made_of_it_is_blamed_on_it() -> None:
    first = r"\bar{f}_t = \bar{h}_t \odot (\tilde{h}_t + h_{t-1})"
    then = (r"\bar z_t = \bar f_t \odot f_t \odot (1 - f_t)", r"\frac{\partial L}{\partial W_f} = \sum_t \bar z_t x_t^\top")
    assert said("mgu", first, *then) == [("unreadable", r"Nothing says what \bar{h}_t is.")] * 3
    untagged = rf"$${first}$$"
    assert said("mgu", *then, prose=untagged) == [("unreadable", r"Nothing says what \bar{h}_t is.")] * 2


WRONG = [  # a cell, what is said before, and a claim
    ("mgu", r"Let $\bar h_t = \frac{\partial L}{\partial h_t}$.", r"\bar{f}_t = \bar h_t \odot (\tilde{h}_t + h_{t-1})"),
    ("mgu", r"Let $\bar h_t = \frac{\partial L}{\partial h_t}$.", r"\bar b_h = \sum_t \bar h_t"),
    ("mgu", "", r"\bar f_t := \frac{\partial L}{\partial f_t} = \frac{\partial L}{\partial h_t} \odot (\tilde{h}_t + h_{t-1})"),
    ("mgu", "", r"\bar f_t = \frac{\partial L}{\partial h_t} \odot (\tilde{h}_t + h_{t-1}) = \frac{\partial L}{\partial f_t}"),
    ("mgu", "", r"\delta_{z_f,t} = \delta h_t \odot (\tilde h_t + h_{t-1})"),
    ("lstm", "", r"\delta_{a_f,t} = \delta c_t \odot c_{t-1} \odot f_t"),
    ("lstm", "", r"df_t = dc_t \odot c_t"),
    ("lstm", "", r"\delta_t := \frac{\partial L}{\partial c_t} = \frac{\partial L}{\partial h_t} \odot o_t \odot (1 - \tanh^2(c_t))"),
    ("lstm", r"Let $\delta_t := \frac{\partial L}{\partial h_t} \odot o_t$.", r"\frac{\partial L}{\partial c_t} = \delta_t \odot (1 - \tanh^2(c_t))"),
    ("lstm", r"Let $\delta_t := \frac{\partial L}{\partial h_t}$.", r"\delta_t = o_t \odot c_t"),
    ("lstm", "", r"\text{let } \delta_t := \frac{\partial L}{\partial h_t} \odot o_t, \quad \frac{\partial L}{\partial c_t} = \delta_t"),
    ("gru", "", r"g_t = \frac{\partial L}{\partial h_t}, \quad \frac{\partial L}{\partial z_t} = g_t \odot (n_t + h_{t-1})"),
    ("gru", "", r"s_t = \delta h_t \odot (n_t + h_{t-1}) = \frac{\partial L}{\partial z_t}"),
    ("gru", r"Let $g_{h,t} = \frac{\partial L}{\partial h_t}$.", r"g_{z,t} = g_{h,t} \odot (n_t + h_{t-1})"),
    ("rnn", "", r"\delta_{a,t} = \delta_{h,t} \odot (1 + h_t^2)"),
    ("rnn", r"Let $\bar h_t = \frac{\partial L}{\partial h_t}$.", r"\bar y_t = \frac{\partial L}{\partial h_t}"),
    ("slstm", "", r"\delta_{a_i,t} = \delta i_t"),
    ("lstm", "", r"\frac{\partial L}{\partial f_t} = (1 + 10^{-12}) \frac{\partial L}{\partial c_t} \odot c_{t-1}"),
    ("lstm", "", r"h_t \le 0.9"),
    ("lstm", "", r"|h_t| < 0.999"),
    ("lstm", "", r"|c_t| \le t"),
    ("lstm", "", r"c_t \in (-100, 100)"),
    ("lstm", "", r"\| U_f \| \le 100"),
    ("lstm", "", r"\delta c_t \ge -1000"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "prose", "claim"), WRONG)
def test_no_line_proves_itself(cell: str, prose: str, claim: str) -> None:
    [(verdict, reason)] = said(cell, claim, prose=prose)
    assert verdict == "wrong", reason


RIGHT = [  # the same, where the text leaves one meaning
    ("mgu", r"Let $\bar h_t = \frac{\partial L}{\partial h_t}$.", r"\bar{f}_t = \bar h_t \odot (\tilde{h}_t - h_{t-1}) + (U_h^\top (\bar{\tilde h}_t \odot (1 - \tilde h_t^2))) \odot h_{t-1}"),
    ("lstm", r"Let $\bar c_t = \frac{\partial L}{\partial c_t}$.", r"\bar f_t = \bar c_t \odot c_{t-1}"),
    ("lstm", r"Let $g_{c,t} = \frac{\partial L}{\partial c_t}$.", r"g_{f,t} = g_{c,t} \odot c_{t-1}"),
    ("lstm", "", r"\delta_{a_f,t} = \delta c_t \odot c_{t-1} \odot f_t \odot (1 - f_t)"),
    ("rnn", "", r"\delta_{a,t} = \delta_{h,t} \odot (1 - h_t^2)"),
    ("rnn", "", r"\frac{\partial L}{\partial W} = \sum_t \delta_{a,t} x_t^\top"),
    ("slstm", "", r"\delta_{a_i,t} = \delta i_t \odot i_t"),
    ("rnn", "", r"\hat y_t = \mathrm{softmax}(y_t)"),
    ("lstm", "", r"|h_t| < 1"),
    ("lstm", "", r"|c_t| \le |c_{t-1}| + 1"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "prose", "claim"), RIGHT)
def test_what_the_text_leaves_one_meaning_is_judged(cell: str, prose: str, claim: str) -> None:
    [(verdict, reason)] = said(cell, claim, prose=prose)
    assert verdict == "right", reason


def test_a_definition_is_called_one() -> None:
    for claim in (r"\hat y_t = \mathrm{softmax}(y_t)", r"e_t = \frac{\partial L}{\partial h_t} \odot (1 - h_t^2)"):
        [(verdict, reason)] = said("rnn", claim)
        assert verdict == "right" and "definition" in reason


def test_a_broken_bound_is_shown_in_numbers() -> None:
    for claim, bound in ((r"h_t \le 0.9", 0.9), (r"|c_t| \le 50", 50)):
        [verdict] = check(LSTM + rf"$${claim} \tag{{1}}$$")
        assert verdict.counterexample is not None and max(map(abs, verdict.counterexample["left"])) > bound


def test_two_names_of_one_state_are_judged_with_the_cell_given() -> None:
    cell = Cell.from_latex(JANET, states="h_t, c_t", inputs="x_t")
    claims = (r"\mathrm{diag}(c_{t-1} - \tilde c_t)", r"\mathrm{diag}(c_{t-1} + \tilde c_t)")
    text = JANET + "".join(rf"$$\frac{{\partial h_t}}{{\partial f_t}} = {side} \tag{{{k}}}$$" for k, side in enumerate(claims))
    for given in (None, cell):
        assert [(each.tag, each.verdict) for each in judged(text, given)] == [("0", "right"), ("1", "wrong")]


RATE = r"""
$$\alpha = \sigma(a + 1)$$
$$\tilde h_t = \tanh(W x_t + U h_{t-1} + b)$$
$$h_t = (1 - \alpha) \odot h_{t-1} + \alpha \odot \tilde h_t$$
"""
STEP = r"""
$$W = A - A^\top$$
$$\tau = \exp(s)$$
$$h_t = h_{t-1} + \frac{1}{\tau} \tanh(W h_{t-1} + V x_t)$$
"""
NORM = r"""
$$a_t = W x_t + U h_{t-1}$$
$$\mu_t = \frac{1}{d} MEAN$$
$$v_t = \frac{1}{d} (a_t - \mu_t)^\top (a_t - \mu_t)$$
$$\hat a_t = \frac{a_t - \mu_t}{\sqrt{v_t}}$$
$$h_t = \tanh(g \odot \hat a_t + b)$$
"""
SQUARES = RNN + r"""
$$L_t = \frac{1}{d} \sum_{i=1}^d (y_{t,i} - q_{t,i})^2$$
$$L = \frac{1}{T} \sum_{t=1}^T L_t$$
"""
MEANS = (r"\mathbf{1}^\top a_t", r"\sum_{i=1}^d a_{t,i}")


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        (RATE, r"\frac{\partial L}{\partial \alpha} = \sum_t \delta h_t \odot (\tilde h_t - h_{t-1})", r"\frac{\partial L}{\partial \alpha} = \delta h_t \odot (\tilde h_t - h_{t-1})"),
        (RATE, r"\frac{\partial L}{\partial a} = \frac{\partial L}{\partial \alpha} \odot \alpha \odot (1 - \alpha)", r"\frac{\partial L}{\partial a} = \frac{\partial L}{\partial \alpha} \odot \alpha"),
        (RATE, r"\frac{\partial \tilde h_t}{\partial h_{t-1}} = \mathrm{diag}(1 - \tilde h_t^2) U", r"\frac{\partial \tilde h_t}{\partial h_{t-1}} = \mathrm{diag}(1 - \tilde h_t) U"),
        (RNN, r"\frac{\partial h_t}{\partial h_{t-1}} = \mathrm{diag}(\mathbf{1}_H - h_t^2) U", r"\frac{\partial h_t}{\partial h_{t-1}} = \mathrm{diag}(\mathbf{1}_H - h_t) U"),
        (RNN, r"\mathbf{1}_H^\top y_t = \mathbf{1}_H^\top V h_t", r"\mathbf{1}_H^\top y_t = \mathbf{1}_H^\top h_t"),
        (STEP, r"\frac{\partial L}{\partial A} = \frac{\partial L}{\partial W} - \left(\frac{\partial L}{\partial W}\right)^\top", r"\frac{\partial L}{\partial A} = \frac{\partial L}{\partial W}"),
        (STEP, r"\frac{\partial h_t}{\partial h_{t-1}} = I + \frac{1}{\tau} \mathrm{diag}(1 - \tanh^2(W h_{t-1} + V x_t)) W", r"\frac{\partial h_t}{\partial h_{t-1}} = I + \frac{1}{\tau} W"),
        (SQUARES, r"\frac{\partial L_t}{\partial y_t} = \frac{2}{d} (y_t - q_t)", r"\frac{\partial L_t}{\partial y_t} = \frac{1}{d} (y_t - q_t)"),
        (SQUARES, r"\frac{\partial L}{\partial V} = \frac{2}{T d} \sum_t (y_t - q_t) h_t^\top", r"\frac{\partial L}{\partial V} = \frac{2}{d} \sum_t (y_t - q_t) h_t^\top"),
        *((NORM.replace("MEAN", mean), r"\mathbf{1}^\top \hat a_t = 0", r"\mathbf{1}^\top \hat a_t = 1") for mean in MEANS),
        *((NORM.replace("MEAN", mean), r"\hat a_t^\top \hat a_t = d", r"\hat a_t^\top \hat a_t = d + 1") for mean in MEANS),
    ],
)  # fmt: skip
def test_what_is_said_in_words_or_once_for_all_steps(text: str, right: str, wrong: str) -> None:
    """A rate that is made of parameters, the letter of a column of ones, and the number of entries that a mean is of."""
    found = judged(text + rf"$${right} \tag{{1}}$$ $${wrong} \tag{{2}}$$")
    assert [each.verdict for each in found] == ["right", "wrong"], [each.reason for each in found]
