"""Every notation is read: what we write in it comes back, and lines written by hand, as its source writes, say what they mean."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from symlstm.algebra import NotValid, Relation, equation, plain
from symlstm.claims.checking import source_about
from symlstm.claims.proofreading import check
from symlstm.derivation import Derivation, derive
from symlstm.dialects import NOTATIONS, notation_of
from symlstm.evidence.components import same_relation
from symlstm.evidence.report import Form, read_back, verify_file
from symlstm.mistakes import edits
from symlstm.networks import stack
from symlstm.notation import Notation
from symlstm.restating import restated
from symlstm.steps import Section, Step

# --- lines by hand: as the source of each notation writes, with what they say ------------------------------------------

HAND: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("colah", "lstm"): (
        (r"f_t = \sigma\left(W_f \cdot [h_{t-1}, x_t] \ + \ b_f\right)",
         "f[t] = sigma(W_f @ [h[t-1]; x[t]] + b_f)"),
        (r"i_t = \sigma(W_i\cdot[h_{t-1},x_t] + b_i)",
         "i[t] = sigma(W_i @ [h[t-1]; x[t]] + b_i)"),
        (r"\tilde{C}_t = \tanh(W_C\cdot[h_{t-1},x_t] + b_C)",
         "C_tilde[t] = tanh(W_C @ [h[t-1]; x[t]] + b_C)"),
        (r"C_t = f_t * C_{t-1} + i_t * \tilde{C}_t",
         "C[t] = f[t] * C[t-1] + i[t] * C_tilde[t]"),
        (r"o_t = \sigma(W_o\ [h_{t-1}, x_t] + b_o)",
         "o[t] = sigma(W_o @ [h[t-1]; x[t]] + b_o)"),
        (r"h_t = o_t * \tanh \left( C_t \right)",
         "h[t] = o[t] * tanh(C[t])"),
        (r"\delta C_t = \delta h_t * o_t * (1 - \tanh^2(C_t)) + \delta C_{t+1} * f_{t+1}",
         "delta C[t] = delta h[t] * o[t] * (1 - tanh(C[t])^2) + delta C[t+1] * f[t+1]"),
        (r"\delta \tilde{C}_t = \delta C_t * i_t",
         "delta C_tilde[t] = delta C[t] * i[t]"),
        (r"\frac{\partial L}{\partial W_C} = \sum_{t=1}^{T} \delta z_{C,t} \, [h_{t-1}, x_t]^T",
         "d L / d W_C = sum[t=1..T] delta z_C[t] @ [h[t-1]; x[t]]^T"),
        (r"\frac{\partial C_t}{\partial C_{t-1}} = f_t",
         "d C[t] / d C[t-1] = f[t]"),
        (r"dC_t = dh_t \odot o_t",
         "delta C[t] = delta h[t] * o[t]"),
        (r"d\tilde{C}_t = dC_t \odot i_t",
         "delta C_tilde[t] = delta C[t] * i[t]"),
    ),
    ("colah", "gru"): (
        (r"z_t = \sigma \left( W_z \cdot [h_{t-1}, x_t] \right)",
         "z[t] = sigma(W_z @ [h[t-1]; x[t]])"),
        (r"r_t = \sigma(W_r \cdot [h_{t-1}, x_t])",
         "r[t] = sigma(W_r @ [h[t-1]; x[t]])"),
        (r"\tilde{h}_t = \tanh \left( W \cdot [r_t * h_{t-1}, x_t] \right)",
         "h_tilde[t] = tanh(W @ [r[t] * h[t-1]; x[t]])"),
        (r"h_t = (1 - z_t) * h_{t-1} + z_t * \tilde{h}_t",
         "h[t] = (1 - z[t]) * h[t-1] + z[t] * h_tilde[t]"),
    ),
    ("pytorch", "lstm"): (
        (r"i_t = \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi})",
         "i[t] = sigma(W_ii @ x[t] + b_ii + W_hi @ h[t-1] + b_hi)"),
        (r"f_t = \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf})",
         "f[t] = sigma(W_if @ x[t] + b_if + W_hf @ h[t-1] + b_hf)"),
        (r"g_t = \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg})",
         "g[t] = tanh(W_ig @ x[t] + b_ig + W_hg @ h[t-1] + b_hg)"),
        (r"o_t = \sigma(W_{io} x_t + b_{io} + W_{ho} h_{(t-1)} + b_{ho})",
         "o[t] = sigma(W_io @ x[t] + b_io + W_ho @ h[t-1] + b_ho)"),
        (r"c_t = f_t \odot c_{t-1} + i_t \odot g_t",
         "c[t] = f[t] * c[t-1] + i[t] * g[t]"),
        (r"h_t = o_t \odot \tanh(c_t)",
         "h[t] = o[t] * tanh(c[t])"),
        (r"\frac{\partial L}{\partial W_{hg}} = \sum_{t=1}^{T} (\delta g_t \odot (1 - g_t^2)) h_{t-1}^\top",
         "d L / d W_hg = sum[t=1..T] (delta g[t] * (1 - g[t]^2)) @ h[t-1]^T"),
        (r"\frac{\partial L}{\partial b_{ii}} = \frac{\partial L}{\partial b_{hi}}",
         "d L / d b_ii = d L / d b_hi"),
        (r"\mathrm{d}g_t = \mathrm{d}c_t \odot i_t",
         "delta g[t] = delta c[t] * i[t]"),
    ),
    ("pytorch", "rnn"): (
        (r"h_t = \tanh(x_t W_{ih}^T + b_{ih} + h_{t-1}W_{hh}^T + b_{hh})",
         "h[t] = tanh(x[t] @ W_ih^T + b_ih + h[t-1] @ W_hh^T + b_hh)"),
        (r"h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{(t-1)} + b_{hh})",
         "h[t] = tanh(W_ih @ x[t] + b_ih + W_hh @ h[t-1] + b_hh)"),
    ),
    ("pytorch", "gru-reset-after"): (
        (r"r_t = \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{(t-1)} + b_{hr})",
         "r[t] = sigma(W_ir @ x[t] + b_ir + W_hr @ h[t-1] + b_hr)"),
        (r"z_t = \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{(t-1)} + b_{hz})",
         "z[t] = sigma(W_iz @ x[t] + b_iz + W_hz @ h[t-1] + b_hz)"),
        (r"n_t = \tanh(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{(t-1)}+ b_{hn}))",
         "n[t] = tanh(W_in @ x[t] + b_in + r[t] * (W_hn @ h[t-1] + b_hn))"),
        (r"h_t = (1 - z_t) \odot n_t + z_t \odot h_{(t-1)}",
         "h[t] = (1 - z[t]) * n[t] + z[t] * h[t-1]"),
    ),
    ("greff", "lstm-peephole"): (
        (r"\bar{\mathbf{z}}^t = \mathbf{W}_z \mathbf{x}^t + \mathbf{R}_z \mathbf{y}^{t-1} + \mathbf{b}_z",
         "z_bar[t] = W_z @ x[t] + R_z @ y[t-1] + b_z"),
        (r"\mathbf{z}^t = g(\bar{\mathbf{z}}^t)",
         "z[t] = g(z_bar[t])"),
        (r"\bar{\mathbf{i}}^t = \mathbf{W}_i \mathbf{x}^t + \mathbf{R}_i \mathbf{y}^{t-1} + \mathbf{p}_i \odot \mathbf{c}^{t-1} + \mathbf{b}_i",
         "i_bar[t] = W_i @ x[t] + R_i @ y[t-1] + p_i * c[t-1] + b_i"),
        (r"\mathbf{i}^t = \sigma(\bar{\mathbf{i}}^t)",
         "i[t] = sigma(i_bar[t])"),
        (r"\mathbf{c}^t = \mathbf{z}^t \odot \mathbf{i}^t + \mathbf{c}^{t-1} \odot \mathbf{f}^t",
         "c[t] = z[t] * i[t] + c[t-1] * f[t]"),
        (r"\mathbf{y}^t = h(\mathbf{c}^t) \odot \mathbf{o}^t",
         "y[t] = h(c[t]) * o[t]"),
        (r"\delta \mathbf{y}^t = \Delta^t + \mathbf{R}_z^T \delta \bar{\mathbf{z}}^{t+1} + \mathbf{R}_i^T \delta \bar{\mathbf{i}}^{t+1} + \mathbf{R}_f^T \delta \bar{\mathbf{f}}^{t+1} + \mathbf{R}_o^T \delta \bar{\mathbf{o}}^{t+1}",
         "delta y[t] = Delta[t] + R_z^T @ delta z_bar[t+1] + R_i^T @ delta i_bar[t+1] + R_f^T @ delta f_bar[t+1] + R_o^T @ delta o_bar[t+1]"),
        (r"\delta \bar{\mathbf{o}}^t = \delta \mathbf{y}^t \odot h(\mathbf{c}^t) \odot \sigma'(\bar{\mathbf{o}}^t)",
         "delta o_bar[t] = delta y[t] * h(c[t]) * sigma'(o_bar[t])"),
        (r"\delta \bar{\mathbf{z}}^t = \delta \mathbf{c}^t \odot \mathbf{i}^t \odot g'(\bar{\mathbf{z}}^t)",
         "delta z_bar[t] = delta c[t] * i[t] * g'(z_bar[t])"),
        (r"\delta \mathbf{W}_z = \sum_{t=0}^{T} \langle \delta \bar{\mathbf{z}}^t, \mathbf{x}^t \rangle",
         "delta W_z = sum[t=0..T] delta z_bar[t] @ x[t]^T"),
        (r"\delta \mathbf{R}_z = \sum_{t=0}^{T-1} \langle \delta \bar{\mathbf{z}}^{t+1}, \mathbf{y}^t \rangle",
         "delta R_z = sum[t=0..T-1] delta z_bar[t+1] @ y[t]^T"),
        (r"\delta \mathbf{b}_z = \sum_{t=0}^{T} \delta \bar{\mathbf{z}}^{t}",
         "delta b_z = sum[t=0..T] delta z_bar[t]"),
        (r"\delta \mathbf{p}_i = \sum_{t=0}^{T-1} \mathbf{c}^t \odot \delta \bar{\mathbf{i}}^{t+1}",
         "delta p_i = sum[t=0..T-1] c[t] * delta i_bar[t+1]"),
    ),
    ("graves", "lstm-peephole"): (
        (r"i_t = \sigma \left( W_{xi} x_t + W_{hi} h_{t-1} + W_{ci} c_{t-1} + b_i \right)",
         "i[t] = sigma(W_xi @ x[t] + W_hi @ h[t-1] + W_ci @ c[t-1] + b_i)"),
        (r"f_t = \sigma \left( W_{xf} x_t + W_{hf} h_{t-1} + W_{cf} c_{t-1} + b_f \right)",
         "f[t] = sigma(W_xf @ x[t] + W_hf @ h[t-1] + W_cf @ c[t-1] + b_f)"),
        (r"c_t = f_t c_{t-1} + i_t \tanh \left( W_{xc} x_t + W_{hc} h_{t-1} + b_c \right)",
         "c[t] = f[t] @ c[t-1] + i[t] @ tanh(W_xc @ x[t] + W_hc @ h[t-1] + b_c)"),
        (r"o_t = \sigma \left( W_{xo} x_t + W_{ho} h_{t-1} + W_{co} c_t + b_o \right)",
         "o[t] = sigma(W_xo @ x[t] + W_ho @ h[t-1] + W_co @ c[t] + b_o)"),
        (r"h_t = o_t \tanh(c_t)",
         "h[t] = o[t] @ tanh(c[t])"),
        (r"W_{xi} \in \mathbb{R}^{n \times m}",
         "W_xi in R^(n x m)"),
        (r"\frac{\partial \mathcal{L}}{\partial W_{xi}} = \sum_{t=1}^{T} \delta z_{i,t} x_t^T",
         "d L / d W_xi = sum[t=1..T] delta z_i[t] @ x[t]^T"),
        (r"\frac{\partial \mathcal{L}}{\partial W_{ci}} = \sum_{t=1}^{T} \delta z_{i,t} \odot c_{t-1}",
         "d L / d W_ci = sum[t=1..T] delta z_i[t] * c[t-1]"),
        (r"\delta c_t = \delta h_t \odot o_t \odot (1 - \tanh^2(c_t)) + W_{co} \odot \delta z_{o,t}",
         "delta c[t] = delta h[t] * o[t] * (1 - tanh(c[t])^2) + W_co * delta z_o[t]"),
        (r"h_t = \mathcal{H} \left( W_{xh} x_t + W_{hh} h_{t-1} + b_h \right)",
         "h[t] = H(W_xh @ x[t] + W_hh @ h[t-1] + b_h)"),
    ),
    ("keras", "lstm"): (
        (r"i_t = \sigma(x_t W_i + h_{t-1} U_i + b_i)",
         "i[t] = sigma(x[t] @ W_i + h[t-1] @ U_i + b_i)"),
        (r"f_t = \sigma(x_t W_f + h_{t-1} U_f + b_f)",
         "f[t] = sigma(x[t] @ W_f + h[t-1] @ U_f + b_f)"),
        (r"\tilde{c}_t = \tanh(x_t W_c + h_{t-1} U_c + b_c)",
         "c_tilde[t] = tanh(x[t] @ W_c + h[t-1] @ U_c + b_c)"),
        (r"c_t = f_t \odot c_{t-1} + i_t \odot \tilde{c}_t",
         "c[t] = f[t] * c[t-1] + i[t] * c_tilde[t]"),
        (r"h_t = o_t \odot \tanh(c_t)",
         "h[t] = o[t] * tanh(c[t])"),
        (r"W_i \in \mathbb{R}^{m \times n}",
         "W_i in R^(m x n)"),
        (r"x_t \in \mathbb{R}^{1 \times m}",
         "x[t] in R^(1 x m)"),
        (r"\frac{\partial L}{\partial W_i} = \sum_{t=1}^{T} x_t^\top \delta z_{i,t}",
         "d L / d W_i = sum[t=1..T] x[t]^T @ delta z_i[t]"),
        (r"\delta x_t = \delta z_{i,t} W_i^\top + \delta z_{f,t} W_f^\top + \delta z_{c,t} W_c^\top + \delta z_{o,t} W_o^\top",
         "delta x[t] = delta z_i[t] @ W_i^T + delta z_f[t] @ W_f^T + delta z_c[t] @ W_c^T + delta z_o[t] @ W_o^T"),
        (r"[x_t, h_{t-1}] \begin{bmatrix} W_i \\ U_i \end{bmatrix} = x_t W_i + h_{t-1} U_i",
         "[x[t]; h[t-1]] @ [W_i; U_i] = x[t] @ W_i + h[t-1] @ U_i"),
        (r"i_t = \mathrm{hard\_sigmoid}(x_t W_i + h_{t-1} U_i + b_i)",
         "i[t] = hardsigmoid(x[t] @ W_i + h[t-1] @ U_i + b_i)"),
    ),
    ("superscript", "lstm"): (
        (r"h^{(t)} = o^{(t)} \odot \tanh(c^{(t)})",
         "h[t] = o[t] * tanh(c[t])"),
        (r"c^{(t)} = f^{(t)} \odot c^{(t-1)} + i^{(t)} \odot g^{(t)}",
         "c[t] = f[t] * c[t-1] + i[t] * g[t]"),
        (r"f^{(t)} = \sigma\left(W_f x^{(t)} + U_f h^{(t-1)} + b_f\right)",
         "f[t] = sigma(W_f @ x[t] + U_f @ h[t-1] + b_f)"),
        (r"g^{\langle t \rangle} = \tanh(W_g x^{\langle t \rangle} + U_g h^{\langle t-1 \rangle} + b_g)",
         "g[t] = tanh(W_g @ x[t] + U_g @ h[t-1] + b_g)"),
        (r"\delta c^{(t)} = \delta h^{(t)} \odot o^{(t)} \odot (1 - (\tanh c^{(t)})^2) + \delta c^{(t+1)} \odot f^{(t+1)}",
         "delta c[t] = delta h[t] * o[t] * (1 - tanh(c[t])^2) + delta c[t+1] * f[t+1]"),
        (r"\nabla_{W_f} L = \sum_{t=1}^{T} \delta z_f^{(t)} {x^{(t)}}^\top",
         "d L / d W_f = sum[t=1..T] delta z_f[t] @ x[t]^T"),
        (r"\nabla_{W_f} L = \sum_{t=1}^{T} \delta z_f^{(t)} x^{(t)\top}",
         "d L / d W_f = sum[t=1..T] delta z_f[t] @ x[t]^T"),
        (r"\nabla_{U} L = \sum_t \mathrm{diag}\left(1 - (h^{(t)})^2\right) (\nabla_{h^{(t)}} L) h^{(t-1)\top}",
         "d L / d U = sum[t=1..T] diag(1 - h[t]^2) @ d L / d h[t] @ h[t-1]^T"),
        (r"\frac{\partial h^{(t)}}{\partial h^{(t-1)}} = \mathrm{diag}(1 - (h^{(t)})^2) U",
         "d h[t] / d h[t-1] = diag(1 - h[t]^2) @ U"),
        (r"z_f^{(t)} \in \mathbb{R}^n",
         "z_f[t] in R^n"),
    ),
    ("rows", "lstm"): (
        (r"i_t = \sigma(x_t W_i + h_{t-1} U_i + b_i)",
         "i[t] = sigma(x[t] @ W_i + h[t-1] @ U_i + b_i)"),
        (r"z_{g,t} = x_t W_g + h_{t-1} U_g + b_g",
         "z_g[t] = x[t] @ W_g + h[t-1] @ U_g + b_g"),
        (r"c_t = f_t \odot c_{t-1} + i_t \odot g_t",
         "c[t] = f[t] * c[t-1] + i[t] * g[t]"),
        (r"\delta W_g^{(t)} = x_t^\top \delta z_{g,t}",
         "delta W_g[t] = x[t]^T @ delta z_g[t]"),
        (r"\frac{\partial L}{\partial U_g} = \sum_{t=1}^{T} h_{t-1}^{\top} \delta z_{g,t}",
         "d L / d U_g = sum[t=1..T] h[t-1]^T @ delta z_g[t]"),
        (r"\delta h_{t-1} = \delta z_{g,t} U_g^{\top}",
         "delta h[t-1] = delta z_g[t] @ U_g^T"),
        (r"\frac{\partial h_t}{\partial h_{t-1}} = U \, \mathrm{diag}(1 - h_t^2)",
         "d h[t] / d h[t-1] = U @ diag(1 - h[t]^2)"),
        (r"h_t \in \mathbb{R}^{1 \times n}",
         "h[t] in R^(1 x n)"),
        (r"[h_{t-1}, x_t] \in \mathbb{R}^{1 \times (n + m)}",
         "[h[t-1]; x[t]] in R^(1 x n + m)"),
    ),
    ("symlstm", "lstm"): (
        (r"i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i)",
         "i[t] = sigma(W_i @ x[t] + U_i @ h[t-1] + b_i)"),
        (r"c_t = f_t \odot c_{t-1} + i_t \odot g_t",
         "c[t] = f[t] * c[t-1] + i[t] * g[t]"),
        (r"h_t = o_t \odot \tanh(c_t)",
         "h[t] = o[t] * tanh(c[t])"),
        (r"\delta c_t = \delta c_t^{+} + \delta h_t \odot o_t \odot \bigl(1 - \tanh^2(c_t)\bigr)",
         "delta c[t] = delta+ c[t] + delta h[t] * o[t] * (1 - tanh(c[t])^2)"),
        (r"\delta W_i^{(t)} = \delta z_{i,t} \, x_t^{\top}",
         "delta W_i[t] = delta z_i[t] @ x[t]^T"),
        (r"\frac{\partial L}{\partial U_i} = \sum_{t=1}^{T} \delta z_{i,t} \, h_{t-1}^{\top}",
         "d L / d U_i = sum[t=1..T] delta z_i[t] @ h[t-1]^T"),
        (r"\left.\frac{\partial c_t}{\partial c_{t-1}}\right|_{\text{direct}} = \mathrm{diag}(f_t)",
         "d c[t] / d c[t-1] (direct) = diag(f[t])"),
        (r"\left.\frac{\partial c_t}{\partial c_k}\right|_{\text{direct}} = \prod_{s=t}^{k+1} \mathrm{diag}(f_s)",
         "d c[t] / d c[k] (direct) = prod[s=t..k+1] diag(f[s])"),
        (r"W_i, W_f \in \mathbb{R}^{n \times m}",
         "W_i, W_f in R^(n x m)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "cell"), HAND)
def test_lines_by_hand_say_what_they_mean(name: str, cell: str) -> None:
    notation, lines = notation_of(name), HAND[name, cell]
    text = "\n".join(f"$$ {line} \\tag{{{number}}} $$" for number, (line, _) in enumerate(lines))
    found = source_about(text, "md", restated(cell, notation), notation=notation).statements
    assert [[plain(each) for each in statement.relations] for statement in found] == [[meant] for _, meant in lines]


def test_there_are_lines_by_hand_for_every_notation() -> None:
    counts = {name: sum(len(lines) for (of, _), lines in HAND.items() if of == name) for name in NOTATIONS}
    assert min(counts.values()) >= 8, counts


# --- what we write comes back ------------------------------------------------------------------------------------------

ODD = (  # styles that nobody ships, each from its table alone
    Notation("bare", time="bare"),
    Notation("signs", elementwise=r"\circ", product=r"\cdot", transpose="T", adjoint="d", arriving=r"\prime"),
    Notation("star", elementwise="*", adjoint=r"\mathrm{d}", stack="list", form=("joined",)),
    Notation("row-list", vectors="rows", stack="list", form=("joined",), product=r"\cdot", elementwise=r"\otimes"),
    Notation("bare-rows", time="bare", vectors="rows", adjoint=r"\epsilon", arriving=r"\to"),
    Notation("nabla", time="above", vectors="rows", product=r"\times", elementwise=r"\circ", adjoint=r"\nabla", transpose=r"\intercal"),
    replace(NOTATIONS["greff"], name="greff-bare", time="bare"),
    replace(NOTATIONS["graves"], name="graves-above", time="above", form=("joined",), stack="list"),
)
EVERY = (*NOTATIONS.values(), *ODD)
CELLS = ("rnn-relu", "lstm", "lstm-projected", "gru-reset-after", "mlstm", "scalar-row")
FORMS: tuple[Form, ...] = ("tex", "md")


def written(derivation: Derivation, form: Form) -> str:
    return derivation.latex() if form == "tex" else derivation.markdown()


@pytest.mark.parametrize("notation", EVERY, ids=lambda each: each.name)
@pytest.mark.parametrize("name", CELLS)
def test_every_derivation_comes_back_in_every_notation(name: str, notation: Notation) -> None:
    derivation = derive(name, notation=notation)
    for form in FORMS:
        wrong = [each.note for each in read_back(derivation, written(derivation, form), form) if not each.ok]
        assert not wrong, (form, wrong[:3])


@pytest.mark.parametrize("notation", EVERY, ids=lambda each: each.name)
def test_a_network_comes_back_in_every_notation(notation: Notation) -> None:
    derivation = derive(stack("rnn", layers=2, bidirectional=True), notation=notation)
    for form in FORMS:
        wrong = [each.note for each in read_back(derivation, written(derivation, form), form) if not each.ok]
        assert not wrong, (form, wrong[:3])


def with_line(derivation: Derivation, step: Step, line: Relation) -> Derivation:
    """The derivation with another relation in one step."""
    def changed(section: Section) -> Section:
        blocks = (replace(each, relation=line, written=None) if each is step else each for each in section.blocks)
        return replace(section, blocks=tuple(blocks))
    return replace(derivation, sections=tuple(map(changed, derivation.sections)))


@pytest.mark.parametrize("notation", EVERY, ids=lambda each: each.name)
def test_a_file_that_says_something_else_does_not_come_back(notation: Notation) -> None:
    derivation = derive("lstm-peephole", "gradients", notation=notation)
    cell = derivation.cell
    refused = 0
    for k, step in enumerate(derivation.steps):
        wrong = [equation(step.relation.lhs, rhs) for _, rhs in edits(step.relation, cell)]
        wrong = [line for line in wrong if not same_relation(step.relation, line, cell.shapes)]
        mutant = with_line(derivation, step, wrong[k % len(wrong)])
        found = read_back(derivation, written(mutant, FORMS[k % 2]), FORMS[k % 2])
        refused += sum(not each.ok for each in found) == 1
    assert refused == len(derivation.steps)


@pytest.mark.parametrize("name", ["rows", "keras", "superscript", "greff"])
def test_a_file_is_read_in_its_own_notation_only(name: str) -> None:
    derivation = derive("lstm", "gradients", notation=name)
    other = {"superscript": "bare", "greff": "rows"}.get(name, "symlstm")
    style = next(each for each in EVERY if each.name == other)
    text = replace(derivation, notation=style).latex()
    assert not all(each.ok for each in read_back(derivation, text, "tex"))


def test_an_exported_file_says_its_notation(tmp_path: Path) -> None:
    for name in ("rows", "graves"):
        path = tmp_path / f"{name}.md"
        path.write_text(derive("rnn", notation=name).markdown(), encoding="utf-8")
        assert verify_file("rnn", path).ok
        assert not verify_file("rnn", path, "superscript").ok
    mine = tmp_path / "mine.tex"
    mine.write_text(derive("rnn", "gradients", notation=ODD[0]).latex(), encoding="utf-8")
    assert verify_file("rnn", mine, ODD[0]).ok
    with pytest.raises(NotValid, match="no notation of this name"):
        verify_file("rnn", mine)


# --- claims in a notation that is told ----------------------------------------------------------------------------------

RIGHT, WRONG = "right", "wrong"
CLAIMS: dict[tuple[str, str], tuple[tuple[str, str, str], ...]] = {  # a claim, the verdict, and what would be right
    ("symlstm", "lstm"): (
        (r"\delta z_{g,t} = \delta g_t \odot (1 - g_t^2)", RIGHT, ""),
        (r"\delta g_t = \delta c_t \odot f_t", WRONG, r"\delta g_t = \delta c_t \odot i_t"),
    ),
    ("colah", "lstm"): (
        (r"f_t = \sigma(W_f \cdot [h_{t-1}, x_t] + b_f)", RIGHT, ""),
        (r"f_t = \sigma(W_f \cdot [h_t, x_t] + b_f)", WRONG, r"f_t = \sigma(W_f \cdot [h_{t-1}, x_t] + b_f)"),
        (r"\delta \tilde{C}_t = \delta C_t * i_t", RIGHT, ""),
        (r"\delta \tilde{C}_t = \delta C_t * f_t", WRONG, r"\delta \tilde{C}_t = \delta C_t * i_t"),
        (r"\frac{\partial L}{\partial W_C} = \sum_t (\delta \tilde{C}_t * (1 - \tilde{C}_t^2)) [h_{t-1}, x_t]^\top", RIGHT, ""),
        (r"\frac{\partial L}{\partial W_C} = \sum_t \delta \tilde{C}_t [h_{t-1}, x_t]^\top", WRONG, ""),
    ),
    ("pytorch", "lstm"): (
        (r"i_t = \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi})", RIGHT, ""),
        (r"i_t = \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{ho})", WRONG,
         r"i_t = \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi})"),
        (r"\frac{\partial L}{\partial b_{ig}} = \frac{\partial L}{\partial b_{hg}}", RIGHT, ""),
        (r"\frac{\partial L}{\partial W_{hg}} = \sum_{t=1}^{T} (\delta g_t \odot (1 - g_t^2)) h_{t-1}^\top", RIGHT, ""),
        (r"\frac{\partial L}{\partial W_{ig}} = \sum_{t=1}^{T} (\delta g_t \odot (1 - g_t^2)) h_{t-1}^\top", WRONG, ""),
    ),
    ("pytorch", "gru-reset-after"): (
        (r"\delta n_t = \delta h_t \odot (1 - z_t)", RIGHT, ""),
        (r"\delta n_t = \delta h_t \odot z_t", WRONG, r"\delta n_t = \delta h_t \odot (1 - z_t)"),
        (r"\frac{\partial L}{\partial W_{hn}} = \sum_t (\delta n_t \odot (1 - n_t^2) \odot r_t) h_{t-1}^\top", RIGHT, ""),
        (r"\frac{\partial L}{\partial W_{hn}} = \sum_t (\delta n_t \odot (1 - n_t^2)) h_{t-1}^\top", WRONG, ""),
    ),
    ("greff", "lstm-peephole"): (
        (r"\bar{z}^t = W_z x^t + R_z y^{t-1} + b_z", RIGHT, ""),
        (r"\delta \bar{z}^t = \delta z^t \odot (1 - (z^t)^2)", RIGHT, ""),
        (r"\delta \bar{z}^t = \delta z^t \odot (1 - (y^t)^2)", WRONG, r"\delta \bar{z}^t = \delta z^t \odot (1 - (z^t)^2)"),
        (r"\delta R_z = \sum_{t=0}^{T-1} \langle \delta \bar{z}^{t+1}, y^t \rangle", RIGHT, ""),
        (r"\delta R_z = \sum_{t=0}^{T-1} \langle \delta \bar{z}^t, y^t \rangle", WRONG, ""),
        (r"\delta p_o = \sum_{t=1}^{T} c^t \odot \delta \bar{o}^t", RIGHT, ""),
        (r"\delta p_o = \sum_{t=1}^{T} c^{t-1} \odot \delta \bar{o}^t", WRONG, r"\delta p_o = \sum_{t=1}^{T} c^t \odot \delta \bar{o}^t"),
    ),
    ("graves", "lstm-peephole"): (
        (r"i_t = \sigma(W_{xi} x_t + W_{hi} h_{t-1} + W_{ci} c_{t-1} + b_i)", RIGHT, ""),
        (r"o_t = \sigma(W_{xo} x_t + W_{ho} h_{t-1} + W_{co} c_{t-1} + b_o)", WRONG,
         r"o_t = \sigma(W_{xo} x_t + W_{ho} h_{t-1} + W_{co} c_t + b_o)"),
        (r"\frac{\partial L}{\partial W_{xi}} = \sum_{t=1}^{T} \delta z_{i,t} x_t^T", RIGHT, ""),
        (r"\frac{\partial L}{\partial W_{ci}} = \sum_{t=1}^{T} \delta z_{i,t} c_t", WRONG, ""),
    ),
    ("keras", "lstm"): (
        (r"i_t = \sigma(x_t W_i + h_{t-1} U_i + b_i)", RIGHT, ""),
        (r"i_t = \sigma(W_i x_t + h_{t-1} U_i + b_i)", WRONG, r"i_t = \sigma(x_t W_i + h_{t-1} U_i + b_i)"),
        (r"\frac{\partial L}{\partial W_c} = \sum_{t=1}^{T} x_t^\top \delta z_{c,t}", RIGHT, ""),
        (r"\frac{\partial L}{\partial W_c} = \sum_{t=1}^{T} \delta z_{c,t}^\top x_t", WRONG,
         r"\frac{\partial L}{\partial W_c} = \sum_{t=1}^{T} x_t^\top \delta z_{c,t}"),
        (r"W_i \in \mathbb{R}^{m \times n}", RIGHT, ""),
        (r"W_i \in \mathbb{R}^{n \times m}", WRONG, ""),
    ),
    ("rows", "rnn"): (
        (r"\frac{\partial h_t}{\partial h_{t-1}} = U \, \mathrm{diag}(1 - h_t^2)", RIGHT, ""),
        (r"\delta x_t = \delta z_t W^\top", RIGHT, ""),
        (r"\delta x_t = W^\top \delta z_t", WRONG, r"\delta x_t = \delta z_t W^\top"),
    ),
    ("superscript", "lstm"): (
        (r"\delta c^{(t)} = \delta h^{(t)} \odot o^{(t)} \odot (1 - \tanh^2(c^{(t)})) + \delta c^{(t+1)} \odot f^{(t+1)}", RIGHT, ""),
        (r"\delta c^{(t)} = \delta h^{(t)} \odot o^{(t)} \odot (1 - \tanh^2(c^{(t)})) + \delta c^{(t+1)} \odot f^{(t)}", WRONG,
         r"\delta c^{(t)} = \delta h^{(t)} \odot o^{(t)} \odot (1 - \tanh^2(c^{(t)})) + \delta c^{(t+1)} \odot f^{(t+1)}"),
        (r"\nabla_{W_i} L = \sum_{t=1}^{T} \delta z_i^{(t)} (x^{(t)})^\top", RIGHT, ""),
    ),
}  # fmt: skip


def document(claims: tuple[tuple[str, str, str], ...]) -> str:
    return "\n".join(rf"$$ {claim} \tag{{{number}}} $$" for number, (claim, _, _) in enumerate(claims, start=1))


@pytest.mark.parametrize(("name", "cell"), CLAIMS)
def test_claims_are_judged_in_the_letters_of_the_notation(name: str, cell: str) -> None:
    claims = CLAIMS[name, cell]
    found = check(document(claims), cell, notation=name)
    assert [(each.latex, each.verdict) for each in found] == [(claim, verdict) for claim, verdict, _ in claims]
    for verdict, (_, _, right) in zip(found, claims, strict=True):
        assert not right or bare(right) in map(bare, verdict.fixes), verdict


def bare(latex: str) -> str:
    """Without the spaces and braces that a page does not show."""
    return re.sub(r"[\s{}]", "", latex)


@pytest.mark.parametrize(("name", "cell"), [each for each in CLAIMS if each[0] not in ("symlstm", "superscript")])
def test_the_same_document_in_another_notation_is_another(name: str, cell: str) -> None:
    other = "pytorch" if name != "pytorch" else "keras"
    verdicts = [each.verdict for each in check(document(CLAIMS[name, cell]), cell, notation=other)]
    assert verdicts != [verdict for _, verdict, _ in CLAIMS[name, cell]]


@pytest.mark.parametrize("name", NOTATIONS)
def test_our_own_pages_are_right(name: str) -> None:
    for topic in ("shapes", "gradients", *["flow"] * (name == "keras")):  # Jacobians of rows too
        page = derive("lstm-peephole", topic, notation=name).markdown()
        found = check(f"<!-- cell: lstm-peephole --> <!-- notation: {name} -->\n" + page)
        assert found
        assert {each.verdict for each in found} == {"right"}, [each.latex for each in found if each.verdict != "right"]


def test_a_notation_is_of_a_cell_that_the_call_or_the_document_names() -> None:
    text = document(CLAIMS["keras", "lstm"])
    wanted = [verdict for _, verdict, _ in CLAIMS["keras", "lstm"]]
    with pytest.raises(NotValid, match="nothing says which"):
        check(text, notation="keras")
    assert [each.verdict for each in check("<!-- cell: lstm -->" + text, notation="keras")] == wanted
    assert [each.verdict for each in check("<!-- cell: lstm --> <!-- notation: keras -->" + text)] == wanted
    with pytest.raises(NotValid, match="no notation of this name"):
        check(text, "lstm", notation="kearas")


def test_a_table_of_ones_own_is_enough() -> None:
    mine = Notation("mine", rename={"f": "phi", "*_f": "*_phi", "h": "q"}, time="bare", adjoint=r"\epsilon", vectors="rows")
    right, wrong = check(r"""
        $$ \epsilon \phi^t = \epsilon c^t \odot c^{t-1} \tag{1} $$
        $$ z_\phi^t = x^t W_\phi + q^t U_\phi + b_\phi \tag{2} $$""", "lstm", notation=mine)  # fmt: skip
    assert (right.verdict, wrong.verdict) == ("right", "wrong")
    assert bare(r"z_\phi^t = x^t W_\phi + q^{t-1} U_\phi + b_\phi") in map(bare, wrong.fixes)


def test_a_step_is_judged_in_its_notation() -> None:
    step = derive("lstm", "gradients", notation="keras").steps[0]
    [found] = check(step, "lstm", notation="keras")
    assert found.verdict == "right"
