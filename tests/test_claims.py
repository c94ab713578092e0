r"""What is said of documents in many dialects: every claim with its tag, and the verdict it must get."""

from __future__ import annotations

import pytest

import symlstm as sl
from symlstm import zoo
from symlstm.algebra import NotValid, Relation, plain
from symlstm.claims.checking import judged

WORDS = {"r": "right", "w": "wrong", "a": "ambiguous", "u": "unreadable"}

DOCUMENTS: dict[str, tuple[str, str]] = {
    "lstm-house": (r"""
$$ i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i) $$
$$ f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f) $$
$$ o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o) $$
$$ g_t = \tanh(W_g x_t + U_g h_{t-1} + b_g) $$
$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t $$
$$ h_t = o_t \odot \tanh(c_t) $$

$$ \frac{\partial L}{\partial o_t} = \frac{\partial L}{\partial h_t} \odot \tanh(c_t) \tag{1} $$
$$ \frac{\partial L}{\partial c_t} = \frac{\partial L}{\partial h_t} \odot o_t \odot (1 - \tanh^2(c_t)) + \frac{\partial L}{\partial c_{t+1}} \odot f_{t+1} \tag{2} $$
$$ \frac{\partial L}{\partial c_t} = \frac{\partial L}{\partial h_t} \odot o_t \odot (1 - \tanh^2(c_t)) \tag{3} $$
$$ \frac{\partial c_t}{\partial c_{t-1}} = f_t \tag{4} $$
$$ \frac{\partial c_t}{\partial c_{t-1}} = \text{diag}(f_t) \tag{5} $$
$$ \frac{\partial L}{\partial W_f} = \sum_{t=1}^T \left(\frac{\partial L}{\partial c_t} \odot c_{t-1} \odot f_t \odot (1 - f_t)\right) x_t^\top \tag{6} $$
$$ \frac{\partial L}{\partial W_f} = \sum_{t=1}^T \left(\frac{\partial L}{\partial c_t} \odot c_{t-1} \odot f_t \odot (1 - f_t)\right) h_{t-1}^\top \tag{7} $$
$$ \frac{\partial L}{\partial b_f} = \sum_t \frac{\partial L}{\partial c_t} \odot c_{t-1} \odot f_t \odot (1 - f_t) \tag{8} $$
$$ \frac{\partial L}{\partial U_f} = \left(\frac{\partial L}{\partial c_t} \odot c_{t-1} \odot f_t \odot (1 - f_t)\right) h_{t-1}^\top \tag{9} $$
$$ \frac{\partial c_t}{\partial f_t} = c_{t-1} \tag{10} $$
$$ \frac{\partial h_t}{\partial o_t} = \tanh(c_t) \tag{11} $$
$$ \frac{\partial h_t}{\partial c_t} = o_t \odot (1 - \tanh^2(c_t)) \tag{12} $$
$$ h_t = o_t \odot c_t \tag{13} $$
$$ c_t = i_t \odot g_t + f_t \odot c_{t-1} \tag{14} $$
$$ \frac{\partial c_t}{\partial g_t} = i_t, \quad \frac{\partial c_t}{\partial i_t} = g_t \tag{15} $$
$$ \frac{\partial c_t}{\partial g_t} = g_t \tag{16} $$
""", "1r 2r 3w 4a 5a 6r 7w 8r 9a 10r 11r 12r 13w 14r 15r 16w"),
    "lstm-delta": (r"""
$$ i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i) $$
$$ f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f) $$
$$ o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o) $$
$$ g_t = \tanh(W_g x_t + U_g h_{t-1} + b_g) $$
$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t $$
$$ h_t = o_t \odot \tanh(c_t) $$

$$ \delta h_t = \frac{\partial L}{\partial h_t}, \quad \delta c_t = \frac{\partial L}{\partial c_t} $$
$$ \delta f_t = \frac{\partial L}{\partial f_t}, \quad \delta z_{f,t} = \delta f_t \odot f_t \odot (1-f_t) $$
$$ \delta f_t = \delta c_t \odot c_{t-1} \tag{1} $$
$$ \delta f_t = \delta c_t \odot c_t \tag{2} $$
$$ \delta c_t = \delta h_t \odot o_t \odot (1 - c_t^2) + \delta c_{t+1} \odot f_{t+1} \tag{3} $$
$$ \delta c_{t-1} += \delta c_t \odot f_t \tag{4} $$
$$ \delta c_{t-1} = \delta c_t \odot f_t \tag{5} $$
$$ \delta h_T = \frac{\partial L_T}{\partial h_T} \tag{6} $$
$$ \delta c_T = \delta h_T \odot o_T \odot (1 - \tanh^2(c_T)) \tag{7} $$
""", "1r 2w 3w 4r 5a 6r 7r"),
    "colah": (r"""
$$ f_t = \sigma(W_f \cdot [h_{t-1}, x_t] + b_f) $$
$$ i_t = \sigma(W_i \cdot [h_{t-1}, x_t] + b_i) $$
$$ \tilde{C}_t = \tanh(W_C \cdot [h_{t-1}, x_t] + b_C) $$
$$ C_t = f_t * C_{t-1} + i_t * \tilde{C}_t $$
$$ o_t = \sigma(W_o [h_{t-1}, x_t] + b_o) $$
$$ h_t = o_t * \tanh(C_t) $$

$$ \frac{\partial L}{\partial C_t} = \frac{\partial L}{\partial h_t} * o_t * (1 - \tanh(C_t)^2) + \frac{\partial L}{\partial C_{t+1}} * f_{t+1} \tag{1} $$
$$ \frac{\partial L}{\partial \tilde{C}_t} = \frac{\partial L}{\partial C_t} * i_t \tag{2} $$
$$ \frac{\partial L}{\partial W_C} = \sum_t \left( \frac{\partial L}{\partial C_t} * i_t * (1 - \tilde{C}_t^2) \right) [h_{t-1}, x_t]^T \tag{3} $$
$$ \frac{\partial L}{\partial W_C} = \sum_t \left( \frac{\partial L}{\partial C_t} * i_t * (1 - \tilde{C}_t^2) \right) [x_t, h_{t-1}]^T \tag{4} $$
$$ \frac{\partial L}{\partial W_C} = \sum_t \left( \frac{\partial L}{\partial C_t} * i_t * (1 - \tanh^2(\tilde{C}_t)) \right) [h_{t-1}, x_t]^T \tag{5} $$
$$ C_t = f_t * C_{t-1} + (1 - f_t) * \tilde{C}_t \tag{6} $$
""", "1r 2r 3r 4w 5w 6w"),
    "superscripts": (r"""
$$ a^t = W x^t + U h^{t-1} + b $$
$$ h^t = \tanh(a^t) $$
$$ o^t = V h^t + c $$
$$ \hat{y}^t = \text{softmax}(o^t) $$
$$ L = -\sum_{t=1}^T \sum_k y^t_k \log \hat{y}^t_k $$

$$ \frac{\partial L}{\partial o^t} = \hat{y}^t - y^t \tag{1} $$
$$ \frac{\partial L}{\partial o^t} = y^t - \hat{y}^t \tag{2} $$
$$ \frac{\partial L}{\partial h^t} = V^\top (\hat{y}^t - y^t) + U^\top \left( \frac{\partial L}{\partial h^{t+1}} \odot (1 - (h^{t+1})^2) \right) \tag{3} $$
$$ \frac{\partial L}{\partial h^t} = V^\top (\hat{y}^t - y^t) + W^\top \left( \frac{\partial L}{\partial h^{t+1}} \odot (1 - (h^{t+1})^2) \right) \tag{4} $$
$$ \frac{\partial L}{\partial V} = \sum_t (\hat{y}^t - y^t) (h^t)^\top \tag{5} $$
$$ \frac{\partial L}{\partial U} = \sum_t \frac{\partial L}{\partial a^t} (h^{t-1})^\top \tag{6} $$
$$ \frac{\partial L}{\partial W} = \sum_t \frac{\partial L}{\partial a^t} (h^{t-1})^\top \tag{7} $$
$$ \frac{\partial L}{\partial h^t} = V^\top (\hat{y}^t - y^t) \tag{8} $$
$$ \frac{\partial L}{\partial a^t} = (1 - h^t \odot h^t) \odot \frac{\partial L}{\partial h^t} \tag{9} $$
""", "1r 2w 3r 4w 5r 6r 7w 8w 9r"),
    "rows": (r"""
$$ h_t = \tanh(x_t W_{xh} + h_{t-1} W_{hh} + b_h) $$
$$ o_t = h_t W_{ho} + b_o $$
$$ L = \sum_{t=1}^{T} \ell(o_t, y_t) $$

$$ \frac{\partial L}{\partial W_{ho}} = \sum_t h_t^\top \frac{\partial L}{\partial o_t} \tag{1} $$
$$ \frac{\partial L}{\partial h_t} = \frac{\partial L}{\partial o_t} W_{ho}^\top + \left( \frac{\partial L}{\partial h_{t+1}} \odot (1 - h_{t+1}^2) \right) W_{hh}^\top \tag{2} $$
$$ \frac{\partial L}{\partial W_{xh}} = \sum_t x_t^\top \left( \frac{\partial L}{\partial h_t} \odot (1 - h_t^2) \right) \tag{3} $$
$$ \frac{\partial L}{\partial W_{ho}} = \sum_t \frac{\partial L}{\partial o_t} h_t^\top \tag{4} $$
""", "1r 2r 3r 4w"),
    "pascanu": (r"""
$$ h_t = \tanh(W_{hh} h_{t-1} + W_{xh} x_t + b) $$
$$ y_t = W_{hy} h_t $$
$$ L = \sum_{t=1}^{T} L_t $$

$$ \frac{\partial L_t}{\partial W_{hh}} = \sum_{k=1}^{t} \frac{\partial L_t}{\partial h_t} \frac{\partial h_t}{\partial h_k} \frac{\partial h_k}{\partial W_{hh}} \tag{1} $$
$$ \frac{\partial h_t}{\partial h_k} = \prod_{i=k+1}^{t} \frac{\partial h_i}{\partial h_{i-1}} \tag{2} $$
$$ \frac{\partial h_t}{\partial h_{t-1}} = \text{diag}(1 - h_t^2) W_{hh} \tag{3} $$
$$ \frac{\partial h_t}{\partial h_{t-1}} = W_{hh}^T \text{diag}(1 - h_{t-1}^2) \tag{4} $$
$$ \frac{\partial L}{\partial W_{hy}} = \sum_{t=1}^T \frac{\partial L_t}{\partial y_t} h_t^T \tag{5} $$
$$ \frac{\partial L}{\partial W_{hh}} = \sum_{t=1}^{T} \sum_{k=1}^{t} \frac{\partial L_t}{\partial y_t} \frac{\partial y_t}{\partial h_t} \frac{\partial h_t}{\partial h_k} \frac{\partial h_k}{\partial W_{hh}} \tag{6} $$
$$ \frac{\partial L}{\partial h_t} = \frac{\partial L}{\partial y_t} \frac{\partial y_t}{\partial h_t} + \frac{\partial L}{\partial h_{t+1}} \frac{\partial h_{t+1}}{\partial h_t} \tag{7} $$
$$ \frac{\partial L}{\partial h_t} = W_{hy}^T \frac{\partial L}{\partial y_t} + W_{hh}^T \frac{\partial L}{\partial h_{t+1}} \tag{8} $$
$$ \left\| \frac{\partial h_t}{\partial h_{t-1}} \right\| \le \|W_{hh}\| \tag{9} $$
$$ \frac{\partial L_t}{\partial W_{hh}} = \frac{\partial L_t}{\partial h_t} \frac{\partial h_t}{\partial W_{hh}} \tag{10} $$
""", "1r 2r 3r 4w 5r 6r 7r 8w 9r 10r"),
    "gru": (r"""
$$ z_t = \sigma(W_z x_t + U_z h_{t-1}) $$
$$ r_t = \sigma(W_r x_t + U_r h_{t-1}) $$
$$ \hat{h}_t = \tanh(W x_t + U (r_t \circ h_{t-1})) $$
$$ h_t = z_t \circ h_{t-1} + (1 - z_t) \circ \hat{h}_t $$

$$ \frac{\partial L}{\partial z_t} = \frac{\partial L}{\partial h_t} \circ (h_{t-1} - \hat{h}_t) \tag{1} $$
$$ \frac{\partial L}{\partial z_t} = \frac{\partial L}{\partial h_t} \circ (\hat{h}_t - h_{t-1}) \tag{2} $$
$$ \frac{\partial L}{\partial \hat{h}_t} = \frac{\partial L}{\partial h_t} \circ (1 - z_t) \tag{3} $$
$$ \frac{\partial L}{\partial r_t} = h_{t-1} \circ \left( U^T \left( \frac{\partial L}{\partial \hat{h}_t} \circ (1 - \hat{h}_t^2) \right) \right) \tag{4} $$
$$ \frac{\partial L}{\partial U} = \sum_t \left( \frac{\partial L}{\partial \hat{h}_t} \circ (1 - \hat{h}_t^2) \right) (r_t \circ h_{t-1})^T \tag{5} $$
$$ \frac{\partial L}{\partial U} = \sum_t \left( \frac{\partial L}{\partial \hat{h}_t} \circ (1 - \hat{h}_t^2) \right) h_{t-1}^T \tag{6} $$
$$ h_t = (1 - z_t) \circ h_{t-1} + z_t \circ \hat{h}_t \tag{7} $$
$$ \frac{\partial L}{\partial h_t} = \frac{\partial L_t}{\partial h_t} + \left(\frac{\partial h_{t+1}}{\partial h_t}\right)^T \frac{\partial L}{\partial h_{t+1}} \tag{8} $$
""", "1r 2w 3r 4r 5r 6w 7w 8r"),
    "functions": (r"""
$$ \sigma'(x) = \sigma(x)(1 - \sigma(x)) \tag{1} $$
$$ \tanh(x) = 2\sigma(2x) - 1 \tag{2} $$
$$ \frac{d}{dx} \tanh(x) = 1 - \tanh^2(x) \tag{3} $$
$$ \sigma(-x) = 1 - \sigma(x) \tag{4} $$
$$ \sigma'(x) \leq 0.25 \tag{5} $$
$$ \sigma'(x) \leq 0.2 \tag{6} $$
$$ 0 < \sigma(x) < 1 \tag{7} $$
$$ -1 < \tanh(x) < 1 \tag{8} $$
$$ \lim_{x \to \infty} \sigma(x) = 1 \tag{9} $$
$$ \tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}} \tag{10} $$
$$ \tanh'(x) = \tanh(x)(1 - \tanh(x)) \tag{11} $$
$$ \sigma(0) = \frac{1}{2} \tag{12} $$
$$ \sigma(1) \approx 0.731 \tag{13} $$
$$ \sigma(1) \approx 0.735 \tag{14} $$
$$ \tanh'(0) = 1 \tag{15} $$
""", "1r 2r 3r 4r 5r 6w 7r 8r 9r 10r 11w 12r 13r 14w 15r"),
    "sizes": (r"""
$$ i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i) $$
$$ f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f) $$
$$ o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o) $$
$$ g_t = \tanh(W_g x_t + U_g h_{t-1} + b_g) $$
$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t $$
$$ h_t = o_t \odot \tanh(c_t) $$

$$ x_t \in \mathbb{R}^m, \quad h_t \in \mathbb{R}^n $$
$$ W_f \in \mathbb{R}^{n \times m} \tag{1} $$
$$ U_f \in \mathbb{R}^{n \times m} \tag{2} $$
$$ b_f \in \mathbb{R}^n \tag{3} $$
$$ W_f \in \mathbb{R}^{m \times n} \tag{4} $$
$$ c_t, i_t, f_t \in \mathbb{R}^n \tag{5} $$
$$ \frac{\partial L}{\partial W_f} \in \mathbb{R}^{n \times m} \tag{6} $$
""", "1r 2w 3r 4w 5r 6r"),
    "undeclared": (r"""
$$ W_{hi}, W_{hf}, W_{hg}, W_{ho} \in \mathbb{R}^{n \times n}, \quad W_{ii}, W_{if}, W_{ig}, W_{io} \in \mathbb{R}^{n \times m} $$
$$ g_t = \tanh(W_{ig} x_t + W_{hc} h_{t-1}) \tag{1} $$
$$ i_t = \sigma(W_{ii} x_t + W_{hi} h_{t-1}) \tag{2} $$
$$ f_t = \sigma(W_{if} x_t + W_{hf} h_{t-1}) \tag{3} $$
$$ o_t = \sigma(W_{io} x_t + W_{ho} h_{t-1}) \tag{4} $$
$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t \tag{5} $$
$$ h_t = o_t \odot \tanh(c_t) \tag{6} $$
""", "1w 2r 3r 4r 5r 6r"),
    "cycle": (r"""
$$ f_t = \sigma(W_f [h_{t-1}, x_t]) $$
$$ i_t = \sigma(W_i [h_{t-1}, x_t]) $$
$$ o_t = \sigma(W_o [h_{t-1}, x_t]) $$
$$ \tilde{C}_t = \tanh(W_C [h_{t-1}, C_t]) \tag{1} $$
$$ C_t = f_t \odot C_{t-1} + i_t \odot \tilde{C}_t \tag{2} $$
$$ h_t = o_t \odot \tanh(C_t) \tag{3} $$
""", "1w 2r 3r"),
    "shapes": (r"""
$$ h_t = \tanh(W x_t + U h_{t-1} + b) $$
$$ h_t = \tanh(x_t W + U h_{t-1} + b) \tag{1} $$
$$ y_t = V h_t + W x_t \tag{2} $$
$$ z_t = V x_t \tag{3} $$
""", "1w 3w"),
    "numbers": (r"""
$$ W = \begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}, \quad x = \begin{bmatrix} 1 \\ 1 \end{bmatrix} $$
$$ W x = \begin{bmatrix} 3 \\ 7 \end{bmatrix} \tag{1} $$
$$ W x = \begin{bmatrix} 3 \\ 8 \end{bmatrix} \tag{2} $$
$$ \sigma(W x) \approx \begin{bmatrix} 0.953 \\ 0.999 \end{bmatrix} \tag{3} $$
$$ \sigma(W x) = \begin{bmatrix} 0.95 \\ 0.99 \end{bmatrix} \tag{4} $$
$$ x^T W x = 10 \tag{5} $$
$$ \frac{1}{3} + \frac{1}{6} = \frac{1}{2} \tag{6} $$
$$ 0.1 \cdot 0.2 = 0.02 \tag{7} $$
$$ 0.9^{10} \approx 0.35 \tag{8} $$
""", "1r 2w 3r 4w 5r 6r 7r 8r"),
    "words": (r"""
$$ \text{forget}_t = \sigma(W_f x_t + U_f h_{t-1}) $$
$$ \text{input}_t = \sigma(W_i x_t + U_i h_{t-1}) $$
$$ \text{output}_t = \sigma(W_o x_t + U_o h_{t-1}) $$
$$ \text{cell}_t = \text{forget}_t \odot \text{cell}_{t-1} + \text{input}_t \odot \tanh(W_c x_t + U_c h_{t-1}) $$
$$ h_t = \text{output}_t \odot \tanh(\text{cell}_t) $$
$$ \frac{\partial L}{\partial \text{forget}_t} = \frac{\partial L}{\partial \text{cell}_t} \odot \text{cell}_{t-1} \tag{1} $$
$$ \frac{\partial L}{\partial \text{output}_t} = \frac{\partial L}{\partial h_t} \odot \text{cell}_t \tag{2} $$
""", "1r 2w"),
    "unbraced": (r"""
$$ h_t = tanh(W x_t + U h_t-1 + b) $$
$$ \frac{dL}{dU} = \sum_t \frac{dL}{dh_t} * (1 - h_t^2) h_t-1^T \tag{1} $$
$$ dL/db = \sum_t dL/dh_t * (1 - h_t^2) \tag{2} $$
""", "1r 2r"),
    "jordan": (r"""
$$ z_t = W_{zh} h_{t-1} + W_{zx} x_t $$
$$ h_t = \sigma(z_t) $$
$$ L = \sum_t L_t(h_t) $$
$$ \delta_t = \frac{\partial L}{\partial z_t} $$
$$ \delta_t = \left(W_{zh}^T \delta_{t+1} + \frac{\partial L_t}{\partial h_t}\right) \odot \sigma'(z_t) \tag{1} $$
$$ \delta_t = \left(W_{zh}^T \delta_{t+1} + \frac{\partial L_t}{\partial h_t}\right) \odot \sigma'(h_t) \tag{2} $$
$$ \frac{\partial L}{\partial W_{zh}} = \sum_{t=1}^T \delta_t h_{t-1}^T \tag{3} $$
$$ \frac{\partial L}{\partial W_{zh}} = \sum_{t=1}^T \delta_t h_t^T \tag{4} $$
$$ \frac{\partial L}{\partial W_{zx}} = \sum_{t=1}^T \delta_t \otimes x_t \tag{5} $$
$$ \delta_t = W_{zh}^T \delta_{t+1} + \frac{\partial L_t}{\partial h_t} \odot \sigma'(z_t) \tag{6} $$
""", "1r 2a 3r 4w 5r 6w"),
    "peephole": (r"""
$$ i_t = \sigma(W_{xi} x_t + W_{hi} h_{t-1} + W_{ci} \circ c_{t-1} + b_i) $$
$$ f_t = \sigma(W_{xf} x_t + W_{hf} h_{t-1} + W_{cf} \circ c_{t-1} + b_f) $$
$$ c_t = f_t \circ c_{t-1} + i_t \circ \tanh(W_{xc} x_t + W_{hc} h_{t-1} + b_c) $$
$$ o_t = \sigma(W_{xo} x_t + W_{ho} h_{t-1} + W_{co} \circ c_t + b_o) $$
$$ h_t = o_t \circ \tanh(c_t) $$
$$ \frac{\partial L}{\partial o_t} = \frac{\partial L}{\partial h_t} \circ \tanh(c_t) \tag{1} $$
$$ \frac{\partial L}{\partial c_t} = \frac{\partial L}{\partial h_t} \circ o_t \circ (1 - \tanh^2(c_t)) + \frac{\partial L}{\partial c_{t+1}} \circ f_{t+1} \tag{2} $$
$$ \frac{\partial L}{\partial W_{co}} = \sum_t \frac{\partial L}{\partial o_t} \circ o_t \circ (1 - o_t) \circ c_t \tag{3} $$
$$ \frac{\partial L}{\partial W_{ci}} = \sum_t \frac{\partial L}{\partial i_t} \circ i_t \circ (1 - i_t) \circ c_t \tag{4} $$
""", "1r 2w 3r 4w"),
    "bare-greek": (r"""
$$ i_t = σ(W_i x_t + U_i h_{t−1} + b_i) $$
$$ f_t = σ(W_f x_t + U_f h_{t−1} + b_f) $$
$$ o_t = σ(W_o x_t + U_o h_{t−1} + b_o) $$
$$ g_t = tanh(W_g x_t + U_g h_{t−1} + b_g) $$
$$ c_t = f_t ⊙ c_{t−1} + i_t ⊙ g_t $$
$$ h_t = o_t ⊙ tanh(c_t) $$
$$ ∂L/∂g_t = ∂L/∂c_t ⊙ i_t \tag{1} $$
$$ ∂L/∂g_t = ∂L/∂c_t ⊙ g_t \tag{2} $$
""", "1r 2w"),
    "langle": (r"""
$$ \tilde{c}^{\langle t \rangle} = \tanh(W_c [a^{\langle t-1 \rangle}, x^{\langle t \rangle}] + b_c) $$
$$ \Gamma_u^{\langle t \rangle} = \sigma(W_u [a^{\langle t-1 \rangle}, x^{\langle t \rangle}] + b_u) $$
$$ \Gamma_f^{\langle t \rangle} = \sigma(W_f [a^{\langle t-1 \rangle}, x^{\langle t \rangle}] + b_f) $$
$$ \Gamma_o^{\langle t \rangle} = \sigma(W_o [a^{\langle t-1 \rangle}, x^{\langle t \rangle}] + b_o) $$
$$ c^{\langle t \rangle} = \Gamma_u^{\langle t \rangle} * \tilde{c}^{\langle t \rangle} + \Gamma_f^{\langle t \rangle} * c^{\langle t-1 \rangle} $$
$$ a^{\langle t \rangle} = \Gamma_o^{\langle t \rangle} * \tanh(c^{\langle t \rangle}) $$
$$ d\Gamma_o^{\langle t \rangle} = da^{\langle t \rangle} * \tanh(c^{\langle t \rangle}) * \Gamma_o^{\langle t \rangle} * (1 - \Gamma_o^{\langle t \rangle}) \tag{1} $$
$$ d\tilde{c}^{\langle t \rangle} = \left(dc^{\langle t \rangle} * \Gamma_u^{\langle t \rangle}\right) * (1 - (\tilde{c}^{\langle t \rangle})^2) \tag{2} $$
$$ dW_f = \sum_t d\Gamma_f^{\langle t \rangle} [a^{\langle t-1 \rangle}, x^{\langle t \rangle}]^T \tag{3} $$
""", "1a 2a 3a"),
    "dnotation": (r"""
$$ z_t = W_{hh} h_{t-1} + W_{xh} x_t + b_h $$
$$ h_t = \tanh(z_t) $$
$$ y_t = W_{hy} h_t + b_y $$
$$ p_t = \text{softmax}(y_t) $$
$$ L = -\sum_t \sum_k q_{t,k} \log p_{t,k} $$
$$ dy_t = p_t - q_t \tag{1} $$
$$ dW_{hy} = \sum_t dy_t h_t^T \tag{2} $$
$$ dh_t = W_{hy}^T dy_t + W_{hh}^T dz_{t+1} \tag{3} $$
$$ dz_t = (1 - h_t \odot h_t) \odot dh_t \tag{4} $$
$$ db_h = \sum_t dz_t \tag{5} $$
$$ dW_{xh} = \sum_t dz_t x_t^T \tag{6} $$
$$ dW_{hh} = \sum_t dz_t h_t^T \tag{7} $$
$$ dW_{hh} += dz_t h_{t-1}^T \tag{8} $$
$$ dh_t = W_{hy}^T dy_t \tag{9} $$
$$ dh_t += W_{hy}^T dy_t \tag{10} $$
$$ dz_t = (1 - h_t^2) \, dh_t \tag{11} $$
""", "1r 2r 3r 4r 5r 6r 7w 8r 9w 10r 11r"),
    "mse": (r"""
$$ h_t = \tanh(W x_t + U h_{t-1} + b) $$
$$ y_t = V h_t + c $$
$$ L = \frac{1}{2} \sum_{t=1}^{T} \|y_t - d_t\|^2 $$
$$ \frac{\partial L}{\partial y_t} = y_t - d_t \tag{1} $$
$$ \frac{\partial L}{\partial y_t} = d_t - y_t \tag{2} $$
$$ \frac{\partial L}{\partial V} = \sum_t (y_t - d_t) h_t^T \tag{3} $$
$$ \frac{\partial L}{\partial c} = \sum_t (y_t - d_t) \tag{4} $$
""", "1r 2w 3r 4r"),
    "mse2": (r"""
$$ h_t = \tanh(W x_t + U h_{t-1} + b) $$
$$ L = \sum_{t=1}^{T} L_t $$
$$ L_t = \frac{1}{2} (h_t - y_t)^T (h_t - y_t) $$
$$ \frac{\partial L_t}{\partial h_t} = h_t - y_t \tag{1} $$
$$ \frac{\partial L}{\partial h_t} = h_t - y_t \tag{2} $$
$$ \frac{\partial L}{\partial h_T} = h_T - y_T \tag{3} $$
""", "1r 2w 3r"),
    "flow": (r"""
$$ f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f) $$
$$ i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i) $$
$$ o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o) $$
$$ g_t = \tanh(W_g x_t + U_g h_{t-1} + b_g) $$
$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t $$
$$ h_t = o_t \odot \tanh(c_t) $$
$$ \frac{\partial c_t}{\partial c_{t-1}} = \frac{\partial c_t}{\partial f_t} \frac{\partial f_t}{\partial h_{t-1}} \frac{\partial h_{t-1}}{\partial c_{t-1}} + \frac{\partial c_t}{\partial i_t} \frac{\partial i_t}{\partial h_{t-1}} \frac{\partial h_{t-1}}{\partial c_{t-1}} + \frac{\partial c_t}{\partial g_t} \frac{\partial g_t}{\partial h_{t-1}} \frac{\partial h_{t-1}}{\partial c_{t-1}} + f_t \tag{1} $$
$$ \frac{\partial c_t}{\partial c_{t-1}} = \frac{\partial c_t}{\partial f_t} \frac{\partial f_t}{\partial h_{t-1}} \frac{\partial h_{t-1}}{\partial c_{t-1}} + \frac{\partial c_t}{\partial i_t} \frac{\partial i_t}{\partial h_{t-1}} \frac{\partial h_{t-1}}{\partial c_{t-1}} + \frac{\partial c_t}{\partial g_t} \frac{\partial g_t}{\partial h_{t-1}} \frac{\partial h_{t-1}}{\partial c_{t-1}} + \text{diag}(f_t) \tag{2} $$
$$ \frac{\partial c_T}{\partial c_0} = \prod_{t=1}^T f_t \tag{3} $$
$$ \frac{\partial L}{\partial h_{t-1}} = W_i^T \delta_i + U_f^T \delta_f \tag{4} $$
$$ 0 < f_t < 1 \tag{5} $$
$$ f_t \in (0, 1) \tag{6} $$
$$ -1 < h_t < 1 \tag{7} $$
""", "2r 3a 5r 6r 7r"),
    "wiki": (r"""
$$\begin{align}
f_t &= \sigma_g(W_{f} x_t + U_{f} h_{t-1} + b_f) \\
i_t &= \sigma_g(W_{i} x_t + U_{i} h_{t-1} + b_i) \\
o_t &= \sigma_g(W_{o} x_t + U_{o} h_{t-1} + b_o) \\
\tilde{c}_t &= \sigma_c(W_{c} x_t + U_{c} h_{t-1} + b_c) \\
c_t &= f_t \odot c_{t-1} + i_t \odot \tilde{c}_t \\
h_t &= o_t \odot \sigma_h(c_t)
\end{align}$$
$$ \frac{\partial L}{\partial o_t} = \frac{\partial L}{\partial h_t} \odot \sigma_h(c_t) \tag{1} $$
$$ \frac{\partial L}{\partial \tilde{c}_t} = \frac{\partial L}{\partial c_t} \odot i_t \tag{2} $$
""", "1r 2r"),
    "generic": (r"""
$$ h_t = \phi(W x_t + U h_{t-1} + b) $$
$$ a_t = W x_t + U h_{t-1} + b $$
$$ \frac{\partial L}{\partial b} = \sum_t \frac{\partial L}{\partial h_t} \odot \phi'(a_t) \tag{1} $$
$$ \frac{\partial h_t}{\partial h_{t-1}} = \text{diag}(\phi'(a_t)) U \tag{2} $$
""", "1r 2r"),
    "convex": (r"""
$$ h_t = (1-z_t) \odot h_{t-1} + z_t \odot n_t $$
$$ z_t = \sigma(W_z x_t + U_z h_{t-1} + b_z) $$
$$ r_t = \sigma(W_r x_t + U_r h_{t-1} + b_r) $$
$$ n_t = \tanh(W_n x_t + b_{in} + r_t \odot (U_n h_{t-1} + b_{hn})) $$
$$ \frac{\partial L}{\partial n_t} = \frac{\partial L}{\partial h_t} \odot z_t \tag{1} $$
$$ \frac{\partial L}{\partial r_t} = \frac{\partial L}{\partial n_t} \odot (1 - n_t^2) \odot (U_n h_{t-1} + b_{hn}) \tag{2} $$
$$ \frac{\partial L}{\partial U_n} = \sum_t \left(\frac{\partial L}{\partial n_t} \odot (1 - n_t^2) \odot r_t\right) h_{t-1}^T \tag{3} $$
$$ \frac{\partial L}{\partial U_n} = \sum_t \left(\frac{\partial L}{\partial n_t} \odot (1 - n_t^2) \right) h_{t-1}^T \tag{4} $$
$$ h_t = h_{t-1} + z_t \odot (n_t - h_{t-1}) \tag{5} $$
""", "1r 2r 3r 4w 5r"),
    "scalar": (r"""
$$ h_t = w h_{t-1} + u x_t $$
$$ L = \sum_t L_t $$
$$ \frac{\partial h_t}{\partial h_k} = w^{t-k} \tag{1} $$
$$ \frac{\partial L}{\partial w} = \sum_t \frac{\partial L}{\partial h_t} h_{t-1} \tag{2} $$
$$ \frac{\partial L}{\partial u} = \sum_t \frac{\partial L}{\partial h_t} x_t \tag{3} $$
$$ \frac{\partial L}{\partial w} = \sum_t \frac{\partial L}{\partial h_t} h_t \tag{4} $$
""", "1r 2r 3r 4w"),
    "linear": (r"""
$$ h_t = W h_{t-1} + U x_t $$
$$ \frac{\partial h_t}{\partial h_k} = W^{t-k} \tag{1} $$
$$ \frac{\partial h_T}{\partial h_0} = W^T \tag{2} $$
$$ \frac{\partial h_t}{\partial x_k} = W^{t-k} U \tag{3} $$
$$ h_t = W^t h_0 + \sum_{k=1}^{t} W^{t-k} U x_k \tag{4} $$
""", "1r 3r 4r"),
    "ptbare": (r"""
$$ i_t = sigmoid(W_{ii} x_t + b_{ii} + W_{hi} h_{(t-1)} + b_{hi}) $$
$$ f_t = sigmoid(W_{if} x_t + b_{if} + W_{hf} h_{(t-1)} + b_{hf}) $$
$$ g_t = tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{(t-1)} + b_{hg}) $$
$$ o_t = sigmoid(W_{io} x_t + b_{io} + W_{ho} h_{(t-1)} + b_{ho}) $$
$$ c_t = f_t * c_{(t-1)} + i_t * g_t $$
$$ h_t = o_t * tanh(c_t) $$
$$ \frac{\partial L}{\partial b_{if}} = \frac{\partial L}{\partial b_{hf}} \tag{1} $$
$$ \frac{\partial L}{\partial b_{hg}} = \sum_t \frac{\partial L}{\partial c_t} * i_t * (1 - g_t^2) \tag{2} $$
$$ \frac{\partial L}{\partial W_{hi}} = \sum_t (\frac{\partial L}{\partial c_t} * g_t * i_t * (1 - i_t)) h_{(t-1)}^T \tag{3} $$
$$ \frac{\partial L}{\partial W_{hi}} = \sum_t (\frac{\partial L}{\partial c_t} * g_t * i_t * (1 - i_t)) * h_{(t-1)} \tag{4} $$
""", "1r 2r 3r 4w"),
    "unroll": (r"""
$$ h_t = \tanh(W x_t + U h_{t-1}) $$
$$ h_2 = \tanh(W x_2 + U \tanh(W x_1 + U h_0)) \tag{1} $$
$$ h_2 = \tanh(W x_2 + U h_0) \tag{2} $$
$$ \frac{\partial h_3}{\partial h_1} = \frac{\partial h_3}{\partial h_2} \frac{\partial h_2}{\partial h_1} \tag{3} $$
$$ \frac{\partial h_T}{\partial h_{T-1}} = \text{diag}(1 - h_T^2) U \tag{4} $$
""", "1r 2w 3r 4r"),
    "texsmall": (r"""
$$ \mathbf{h}_t = \tanh\left(\mathbf{W}\mathbf{x}_t + \mathbf{U}\mathbf{h}_{t-1} + \mathbf{b}\right) $$
$$ \boxed{\frac{\partial \mathcal{L}}{\partial \mathbf{U}} = \sum_{t=1}^{T} \Big( (1 - \mathbf{h}_t^2) \odot \frac{\partial \mathcal{L}}{\partial \mathbf{h}_t} \Big) \mathbf{h}_{t-1}^\top} \tag{1} $$
$$ \frac{\partial \mathcal{L}}{\partial \mathbf{b}} = \underbrace{\sum_{t=1}^{T} (1 - \mathbf{h}_t^2) \odot \frac{\partial \mathcal{L}}{\partial \mathbf{h}_t}}_{\text{sum over time}} \tag{2} $$
$$ \nabla_{\mathbf{U}} L = \sum_{t=1}^{T} \mathrm{diag}(1 - \mathbf{h}_t^2) (\nabla_{\mathbf{h}_t} L) \mathbf{h}_{t-1}^\top \tag{3} $$
""", "1r 2r"),
    "goodfellow": (r"""
$$\begin{align}
a^{(t)} &= b + W h^{(t-1)} + U x^{(t)} \\
h^{(t)} &= \tanh(a^{(t)}) \\
o^{(t)} &= c + V h^{(t)} \\
\hat{y}^{(t)} &= \text{softmax}(o^{(t)})
\end{align}$$
$$ L = \sum_t L^{(t)} $$
$$ L^{(t)} = -\sum_i y_i^{(t)} \log \hat{y}_i^{(t)} $$
$$ \frac{\partial L}{\partial L^{(t)}} = 1 \tag{1} $$
$$ \nabla_{o^{(t)}} L = \hat{y}^{(t)} - y^{(t)} \tag{2} $$
$$ \nabla_{h^{(\tau)}} L = V^\top \nabla_{o^{(\tau)}} L \tag{3} $$
$$ \nabla_{h^{(t)}} L = \left(\frac{\partial h^{(t+1)}}{\partial h^{(t)}}\right)^\top (\nabla_{h^{(t+1)}} L) + \left(\frac{\partial o^{(t)}}{\partial h^{(t)}}\right)^\top (\nabla_{o^{(t)}} L) \tag{4} $$
$$ \nabla_{h^{(t)}} L = W^\top \text{diag}\left(1 - (h^{(t+1)})^2\right) (\nabla_{h^{(t+1)}} L) + V^\top (\nabla_{o^{(t)}} L) \tag{5} $$
$$ \nabla_{h^{(t)}} L = W^\top (\nabla_{h^{(t+1)}} L) \text{diag}\left(1 - (h^{(t+1)})^2\right) + V^\top (\nabla_{o^{(t)}} L) \tag{6} $$
$$ \nabla_c L = \sum_t \left(\frac{\partial o^{(t)}}{\partial c}\right)^\top \nabla_{o^{(t)}} L = \sum_t \nabla_{o^{(t)}} L \tag{7} $$
$$ \nabla_W L = \sum_t \text{diag}\left(1 - (h^{(t)})^2\right) (\nabla_{h^{(t)}} L) h^{(t-1)\top} \tag{8} $$
$$ \nabla_V L = \sum_t (\nabla_{o^{(t)}} L) h^{(t)\top} \tag{9} $$
$$ \nabla_b L = \sum_t \left(\frac{\partial h^{(t)}}{\partial b^{(t)}}\right)^\top \nabla_{h^{(t)}} L = \sum_t \text{diag}\left(1 - (h^{(t)})^2\right) \nabla_{h^{(t)}} L \tag{10} $$
""", "1r 2r 3r 4r 5r 6w 7r 8r 9r 10r"),
    "greff": (r"""
$$\begin{aligned}
\bar{z}^t &= W_z x^t + R_z y^{t-1} + b_z \\
z^t &= g(\bar{z}^t) \\
\bar{i}^t &= W_i x^t + R_i y^{t-1} + p_i \odot c^{t-1} + b_i \\
i^t &= \sigma(\bar{i}^t) \\
\bar{f}^t &= W_f x^t + R_f y^{t-1} + p_f \odot c^{t-1} + b_f \\
f^t &= \sigma(\bar{f}^t) \\
c^t &= z^t \odot i^t + c^{t-1} \odot f^t \\
\bar{o}^t &= W_o x^t + R_o y^{t-1} + p_o \odot c^t + b_o \\
o^t &= \sigma(\bar{o}^t) \\
y^t &= h(c^t) \odot o^t
\end{aligned}$$
$$ \delta \bar{o}^t = \delta y^t \odot h(c^t) \odot \sigma'(\bar{o}^t) \tag{1} $$
$$ \delta c^t = \delta y^t \odot o^t \odot h'(c^t) + p_o \odot \delta \bar{o}^t + p_i \odot \delta \bar{i}^{t+1} + p_f \odot \delta \bar{f}^{t+1} + \delta c^{t+1} \odot f^{t+1} \tag{2} $$
$$ \delta c^t = \delta y^t \odot o^t \odot h'(c^t) + p_i \odot \delta \bar{i}^{t+1} + p_f \odot \delta \bar{f}^{t+1} + \delta c^{t+1} \odot f^{t+1} \tag{3} $$
$$ \delta \bar{f}^t = \delta c^t \odot c^{t-1} \odot \sigma'(\bar{f}^t) \tag{4} $$
$$ \delta \bar{i}^t = \delta c^t \odot z^t \odot \sigma'(\bar{i}^t) \tag{5} $$
$$ \delta \bar{z}^t = \delta c^t \odot i^t \odot g'(\bar{z}^t) \tag{6} $$
$$ \delta x^t = W_z^T \delta \bar{z}^t + W_i^T \delta \bar{i}^t + W_f^T \delta \bar{f}^t + W_o^T \delta \bar{o}^t \tag{7} $$
$$ \delta y^t = \frac{\partial L_t}{\partial y^t} + R_z^T \delta \bar{z}^{t+1} + R_i^T \delta \bar{i}^{t+1} + R_f^T \delta \bar{f}^{t+1} + R_o^T \delta \bar{o}^{t+1} \tag{8} $$
$$ \delta p_o = \sum_{t=1}^T c^t \odot \delta \bar{o}^t \tag{9} $$
$$ \delta p_i = \sum_{t=1}^{T} c^{t} \odot \delta \bar{i}^{t} \tag{10} $$
$$ \delta W_z = \sum_{t=1}^T \delta \bar{z}^t (x^t)^T \tag{11} $$
$$ \delta R_z = \sum_{t=1}^{T-1} \delta \bar{z}^{t+1} (y^t)^T \tag{12} $$
$$ \delta b_z = \sum_{t=1}^T \delta \bar{z}^t \tag{13} $$
""", "1r 2r 3w 4r 5r 6r 7r 8r 9r 10w 11r 13r"),
    "minchar": (r"""
$$ h_t = \tanh(W_{xh} x_t + W_{hh} h_{t-1} + b_h), \quad y_t = W_{hy} h_t + b_y, \quad p_t = \frac{\exp(y_t)}{\sum_k \exp(y_{t,k})} $$
$$ L = -\sum_t \sum_k d_{t,k} \log p_{t,k} $$
$$ dy_t = p_t - d_t \tag{1} $$
$$ dW_{hy} += dy_t h_t^T \tag{2} $$
$$ dh_t = W_{hy}^T dy_t + dh_{next} \tag{3} $$
$$ dh^{raw}_t = (1 - h_t * h_t) * dh_t \tag{4} $$
""", "1r 2r"),
    "colahrows": (r"""
$$ z_t = [h_{t-1}, x_t] $$
$$ f_t = \sigma(z_t W_f + b_f) $$
$$ i_t = \sigma(z_t W_i + b_i) $$
$$ o_t = \sigma(z_t W_o + b_o) $$
$$ \bar{c}_t = \tanh(z_t W_c + b_c) $$
$$ c_t = f_t \cdot c_{t-1} + i_t \cdot \bar{c}_t $$
$$ h_t = o_t \cdot \tanh(c_t) $$
$$ dW_f = \sum_t z_t^T (dc_t \cdot c_{t-1} \cdot f_t \cdot (1 - f_t)) \tag{1} $$
$$ dW_f = \sum_t (dc_t \cdot c_{t-1} \cdot f_t \cdot (1 - f_t)) z_t^T \tag{2} $$
$$ dc_t = dh_t \cdot o_t \cdot (1 - \tanh(c_t)^2) + dc_{t+1} \cdot f_{t+1} \tag{3} $$
""", "1r 2w 3r"),
    "graves": (r"""
$$ a_t = W x_t + U h_{t-1} $$
$$ h_t = \theta(a_t) $$
$$ y_t = V h_t $$
$$ \delta_t = \frac{\partial L}{\partial a_t} $$
$$ \delta_t = \theta'(a_t) \odot \left( V^T \frac{\partial L}{\partial y_t} + U^T \delta_{t+1} \right) \tag{1} $$
$$ \frac{\partial L}{\partial U} = \sum_{t=1}^T \delta_t h_{t-1}^T \tag{2} $$
""", "1r 2r"),
    "cells2": (r"""
<!-- cell: lstm -->
$$ f_t = \sigma(W_f [h_{t-1}, x_t] + b_f) \tag{1} $$
$$ i_t = \sigma(W_i [h_{t-1}, x_t] + b_i) \tag{2} $$
$$ o_t = \sigma(W_o [h_{t-1}, x_t] + b_o) \tag{3} $$
$$ \tilde{C}_t = \tanh(W_C [h_{t-1}, x_t] + b_C) \tag{4} $$
$$ C_t = f_t \odot C_{t-1} + i_t \odot \tilde{C}_t \tag{5} $$
$$ h_t = o_t \odot \tanh(C_t) \tag{6} $$
$$ \frac{\partial L}{\partial \tilde{C}_t} = \frac{\partial L}{\partial C_t} \odot i_t \tag{7} $$
$$ \frac{\partial L}{\partial W_f} = \sum_t \left( \frac{\partial L}{\partial C_t} \odot C_{t-1} \odot f_t \odot (1-f_t) \right) [h_{t-1}, x_t]^T \tag{8} $$
""", "1r 2r 3r 4r 5r 6r 7r 8r"),
    "gates": (r"""
$$ F_t = \sigma(X_t W_{xf} + H_{t-1} W_{hf} + b_f) $$
$$ I_t = \sigma(X_t W_{xi} + H_{t-1} W_{hi} + b_i) $$
$$ O_t = \sigma(X_t W_{xo} + H_{t-1} W_{ho} + b_o) $$
$$ \tilde{C}_t = \tanh(X_t W_{xc} + H_{t-1} W_{hc} + b_c) $$
$$ C_t = F_t \odot C_{t-1} + I_t \odot \tilde{C}_t $$
$$ H_t = O_t \odot \tanh(C_t) $$
$$ \frac{\partial L}{\partial W_{xf}} = \sum_t X_t^\top \left( \frac{\partial L}{\partial F_t} \odot F_t \odot (1 - F_t) \right) \tag{1} $$
$$ \frac{\partial L}{\partial W_{xf}} = \sum_t X_t^\top \left( \frac{\partial L}{\partial F_t} \odot F_t \right) \tag{2} $$
$$ \frac{\partial L}{\partial O_t} = \frac{\partial L}{\partial H_t} \odot \tanh(C_t) \tag{3} $$
""", "1r 2w 3r"),
    "latexy": (r"""
\begin{equation}
s_t = \tanh(U x_t + W s_{t-1})
\end{equation}
\begin{equation}
\hat{y}_t = \mathrm{softmax}(V s_t)
\end{equation}
\begin{equation}
E = \sum_t E_t, \qquad E_t = -\sum_k y_{t,k} \log \hat{y}_{t,k}
\end{equation}
\begin{equation}
\frac{\partial E_3}{\partial V} = (\hat{y}_3 - y_3) \otimes s_3 \tag{1}
\end{equation}
\begin{equation}
\frac{\partial E_3}{\partial W} = \sum_{k=0}^{3} \frac{\partial E_3}{\partial \hat{y}_3} \frac{\partial \hat{y}_3}{\partial s_3} \frac{\partial s_3}{\partial s_k} \frac{\partial s_k}{\partial W} \tag{2}
\end{equation}
\begin{equation}
\frac{\partial E_3}{\partial W} = \sum_{k=1}^{3} \frac{\partial E_3}{\partial \hat{y}_3} \frac{\partial \hat{y}_3}{\partial s_3} \left( \prod_{j=k+1}^{3} \frac{\partial s_j}{\partial s_{j-1}} \right) \frac{\partial s_k}{\partial W} \tag{3}
\end{equation}
\begin{equation}
\frac{\partial E_3}{\partial V} = \frac{\partial E_3}{\partial \hat{y}_3} \frac{\partial \hat{y}_3}{\partial V} \tag{4}
\end{equation}
\begin{equation}
\frac{\partial E}{\partial W} = \sum_t \frac{\partial E_t}{\partial W} \tag{5}
\end{equation}
""", "1r 3r 4r 5r"),
    "gradnames": (r"""
$$ i_t = \sigma(W_i x_t + U_i h_{t-1}) $$
$$ f_t = \sigma(W_f x_t + U_f h_{t-1}) $$
$$ o_t = \sigma(W_o x_t + U_o h_{t-1}) $$
$$ g_t = \tanh(W_g x_t + U_g h_{t-1}) $$
$$ c_t = f_t c_{t-1} + i_t g_t $$
$$ h_t = o_t \tanh(c_t) $$
$$ \frac{\partial L}{\partial c_t} = \frac{\partial L}{\partial h_t} o_t (1 - \tanh^2(c_t)) + \frac{\partial L}{\partial c_{t+1}} f_{t+1} \tag{1} $$
$$ \frac{\partial L}{\partial f_t} = \frac{\partial L}{\partial c_t} c_{t-1} \tag{2} $$
$$ \frac{\partial L}{\partial f_t} = \frac{\partial L}{\partial c_t} \frac{\partial c_t}{\partial f_t} = \frac{\partial L}{\partial c_t} c_{t-1} \tag{3} $$
$$ \frac{\partial L}{\partial i_t} = \frac{\partial L}{\partial c_t} \frac{\partial c_t}{\partial i_t} = \frac{\partial L}{\partial c_t} i_t \tag{4} $$
$$ \frac{\partial c_t}{\partial c_k} = \prod_{j=k+1}^t f_j \tag{5} $$
$$ \frac{\partial c_t}{\partial c_{t-1}} = f_t + c_{t-1} \frac{\partial f_t}{\partial c_{t-1}} + g_t \frac{\partial i_t}{\partial c_{t-1}} + i_t \frac{\partial g_t}{\partial c_{t-1}} \tag{6} $$
""", "1r 2r 3r 4w 5a"),
    "alltagged": (r"""
\begin{align}
z_t &= W x_t + U h_{t-1} + b \tag{1} \\
h_t &= \tanh(z_t) \tag{2} \\
o_t &= V h_t + c \tag{3} \\
L &= \sum_t \ell(o_t, y_t) \tag{4} \\
\delta z_t &= \frac{\partial L}{\partial z_t} \tag{5} \\
\delta o_t &= \frac{\partial L}{\partial o_t} \tag{6} \\
\frac{\partial L}{\partial h_t} &= V^\top \delta o_t + U^\top \delta z_{t+1} \tag{7} \\
\delta z_t &= \frac{\partial L}{\partial h_t} \odot (1 - h_t \odot h_t) \tag{8} \\
\frac{\partial L}{\partial V} &= \sum_t \delta o_t \, h_t^\top \tag{9} \\
\frac{\partial L}{\partial U} &= \sum_t \delta z_t \, h_t^\top \tag{10} \\
\frac{\partial L}{\partial b} &= \sum_{t=1}^{T} \delta z_t \tag{11} \\
\frac{\partial L}{\partial b} &= \delta z_T \tag{12}
\end{align}
""", "1r 2r 3r 4r 5r 6r 7r 8r 9r 10w 11r 12w"),
    "pre": (r"""
$$ f_t = \sigma(W_f x_t + U_f h_{t-1}) $$
$$ i_t = \sigma(W_i x_t + U_i h_{t-1}) $$
$$ o_t = \sigma(W_o x_t + U_o h_{t-1}) $$
$$ g_t = \tanh(W_g x_t + U_g h_{t-1}) $$
$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t $$
$$ h_t = o_t \odot \tanh(c_t) $$
$$ \delta f_t = \delta c_t \odot c_{t-1} \odot f_t \odot (1 - f_t) \tag{1} $$
$$ \delta f_t = \delta c_t \odot c_{t-1} \tag{2} $$
$$ \delta f_t = \delta c_t \odot i_t \tag{3} $$
$$ \delta c_t = \delta h_t \odot o_t \odot (1 - \tanh^2(c_t)) + f_{t+1} \odot \delta c_{t+1} \tag{4} $$
""", "1a 2a 3w 4r"),
    "bptt2": (r"""
$$ s_t = f(U x_t + W s_{t-1}) $$
$$ o_t = g(V s_t) $$
$$ \frac{\partial L}{\partial V} = \sum_{t} \frac{\partial L}{\partial o_t} \frac{\partial o_t}{\partial V} \tag{1} $$
$$ \frac{\partial L}{\partial W} = \sum_{t} \frac{\partial L_t}{\partial o_t} \frac{\partial o_t}{\partial s_t} \frac{\partial s_t}{\partial W} \tag{2} $$
$$ \frac{\partial L}{\partial W} = \sum_{t=1}^T \sum_{k=1}^t \frac{\partial L_t}{\partial o_t} \frac{\partial o_t}{\partial s_t} \left(\prod_{j=k+1}^{t} \frac{\partial s_j}{\partial s_{j-1}} \right) \frac{\partial s_k}{\partial W} \tag{3} $$
$$ \frac{\partial L}{\partial s_t} = \frac{\partial L}{\partial o_t} \frac{\partial o_t}{\partial s_t} \tag{4} $$
""", "1r 2r 3r 4w"),
    "rowgru": (r"""
$$ z_t = \sigma(x_t W_z + h_{t-1} U_z + b_z), \quad r_t = \sigma(x_t W_r + h_{t-1} U_r + b_r) $$
$$ n_t = \tanh(x_t W_n + (r_t * h_{t-1}) U_n + b_n) $$
$$ h_t = (1 - z_t) * n_t + z_t * h_{t-1} $$
$$ dh_{t-1} += dh_t * z_t \tag{1} $$
$$ dn_t = dh_t * (1 - z_t) \tag{2} $$
$$ dU_n = \sum_t (r_t * h_{t-1})^T (dn_t * (1 - n_t^2)) \tag{3} $$
$$ dr_t = ((dn_t * (1 - n_t^2)) U_n^T) * h_{t-1} \tag{4} $$
$$ dr_t = ((dn_t * (1 - n_t^2)) U_n) * h_{t-1} \tag{5} $$
""", "1r 2a 3a 4a 5w"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_verdicts(name: str) -> None:
    text, expected = DOCUMENTS[name]
    found = {verdict.tag: verdict for verdict in judged(text)}
    wanted = {entry[:-1]: WORDS[entry[-1]] for entry in expected.split()}
    assert {tag: found[tag].verdict for tag in wanted} == wanted, {tag: found[tag].reason for tag in wanted}


GATES = DOCUMENTS["lstm-house"][0].partition(r"$$ \frac")[0]


@pytest.mark.parametrize(("comment", "claim", "verdict"), [
    ("", r"\frac{\partial c_t}{\partial c_{t-1}} = f_t", "ambiguous"),
    ("<!-- derivative: direct -->", r"\frac{\partial c_t}{\partial c_{t-1}} = f_t", "right"),
    ("", r"\frac{\partial L}{\partial o_t} = \frac{\partial L}{\partial h_t} * \tanh(c_t)", "right"),
    ("<!-- product *: hadamard -->", r"\frac{\partial L}{\partial b_o} = \sum_t \frac{\partial L}{\partial h_t} * W_o", "wrong"),
    ("<!-- states: h_t, c_t --> <!-- inputs: x_t -->", r"c_t = i_t \odot g_t + f_t \odot c_{t-1}", "right"),
])  # fmt: skip
def test_comments(comment: str, claim: str, verdict: str) -> None:
    assert judged(comment + GATES + f"$$ {claim} \\tag{{1}} $$")[0].verdict == verdict


@pytest.mark.parametrize("name", ["lstm", "rnn"])
def test_every_relation_of_our_own_derivations_is_right(name: str) -> None:
    cell = zoo.cell(name)
    steps = [step for step in sl.derive(cell).steps if step.topic in ("forward", "gradients", "bptt", "shapes")]
    found = {f"{step.topic}: {step.name}": judged(step, name)[0] for step in steps if isinstance(step.relation, Relation)}
    assert {words: (each.verdict, each.reason) for words, each in found.items() if each.verdict != "right"} == {}


def test_sympy_relations() -> None:
    assert [judged(line, "lstm")[0].verdict for line in zoo.LSTM.equations] == ["right"] * 6
    wrong = sl.derive(zoo.LSTM, "gradients").steps[0].equation.func(zoo.LSTM.equations[0].lhs, zoo.LSTM.equations[1].rhs)
    assert judged(wrong, "lstm")[0].verdict == "wrong"


def test_a_relation_needs_a_cell() -> None:
    with pytest.raises(NotValid, match="about a cell"):
        judged(zoo.LSTM.equations[0])
    with pytest.raises(NotValid, match="no cell of this name"):
        judged("$$ x = 1 $$", cell="lstn")


ZOO = {
    "shuffled names": (r"<!-- cell: lstm -->" + DOCUMENTS["colah"][0].partition(r"$$ \frac")[0].replace(" $$", r" $$"), ""),
    "wrong gate": (r"""<!-- cell: lstm -->
$$ f_t = \sigma(W_f [h_{t-1}, x_t] + b_f) \tag{1} $$
$$ C_t = f_t * C_{t-1} + f_t * \tilde{C}_t \tag{2} $$
$$ o_t = \tanh(W_o [h_{t-1}, x_t] + b_o) \tag{3} $$
$$ h_t = o_t * \tanh(C_t) \tag{4} $$
""", "1r 2w 3w 4r"),
    "gradients only": (r"""<!-- cell: lstm -->
$$ \frac{\partial L}{\partial \tilde{C}_t} = \frac{\partial L}{\partial C_t} \odot i_t \tag{1} $$
$$ \frac{\partial L}{\partial W_{xf}} = \sum_t (\frac{\partial L}{\partial C_t} \odot C_{t-1} \odot f_t \odot (1-f_t)) x_t^T \tag{2} $$
$$ \frac{\partial L}{\partial W_{hf}} = \sum_t (\frac{\partial L}{\partial C_t} \odot C_{t-1} \odot f_t \odot (1-f_t)) x_t^T \tag{3} $$
""", "1r 2r 3w"),
}  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
def test_a_cell_of_the_zoo_as_definitions(name: str) -> None:
    text, expected = ZOO[name]
    found = {verdict.tag: verdict.verdict for verdict in judged(text)}
    assert {entry[:-1]: WORDS[entry[-1]] for entry in expected.split()} == {tag: found[tag] for tag in found if tag}


BAD = {
    "empty": ("", []),
    "binary": ("\x00\xff" * 100, []),
    "a tower": (r"$$ 9^{9^{9^{9}}} = 1 $$ $$ h_t = \tanh(W x_t) $$ $$ h_t = \tanh(W x_t) $$", ["unreadable", "right"]),
    "never closed": (r"$$ h_t = ( $$ $$ h_t = \tanh(W x_t) $$ $$ h_t = W x_t $$", ["unreadable", "wrong"]),
    "deep": ("$$ x = " + "(" * 100_000 + ")" * 100_000 + " $$", ["unreadable"]),
    "a long way round": (r"$$ a_t = a_{t+1} $$ $$ a_t = 2 $$", ["unreadable"]),
    "by zero": (r"$$ \frac{1}{0} = 1 \tag{1} $$", ["unreadable"]),
    "too many sums": (r"$$ h_t = \tanh(W x_t) $$ $$ h_t = " + "".join(rf"\sum_{{{k}=1}}^{{T}} " for k in "abcdefgk") + "h_t $$", ["unreadable"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_stops_nothing(name: str) -> None:
    text, verdicts = BAD[name]
    assert [verdict.verdict for verdict in judged(text)] == verdicts


def test_chains_name_the_first_false_equality() -> None:
    claim = r"$$ \frac{\partial L}{\partial o_t} = \frac{\partial L}{\partial h_t} \odot \tanh(c_t) = \frac{\partial L}{\partial h_t} \odot c_t \tag{1} $$"
    verdict = judged(GATES + claim)[0]
    assert [link.verdict for link in verdict.links] == ["right", "wrong"]
    assert verdict.reason.startswith("The second equality of the chain is wrong")


def test_right_for_the_last_step_only_is_said() -> None:
    claim = r"$$ \frac{\partial L}{\partial c_t} = \frac{\partial L}{\partial h_t} \odot o_t \odot (1 - \tanh^2(c_t)) \tag{1} $$"
    assert judged(GATES + claim)[0].reason == "It holds for the last step only."


def test_a_verdict_as_data() -> None:
    verdict = judged(GATES + r"$$ h_t = c_t \tag{9} $$")[0]
    assert {"file", "line", "number", "tag", "role", "latex", "verdict", "links", "method", "reason", "fix", "fixes", "counterexample",
            "readings", "warnings"} <= set(verdict.to_dict())  # fmt: skip
    assert (verdict.tag, verdict.verdict, verdict.role) == ("9", "wrong", "claim")
    assert plain(verdict.judged.line) == "h[t] = c[t]" if verdict.judged and verdict.judged.line else False


# --- the cells of the zoo ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sl.cells())
def test_every_cell_is_known_by_its_name(name: str) -> None:
    """The derived gradients of each cell, as a document about it, are right; half of a right side is wrong."""
    steps = [step for step in sl.derive(sl.cell(name), "gradients").steps if step.relation.operators == ("=",)]
    lines = [step.latex() for step in steps]
    halves = []
    for line in lines[::4]:
        left, _, right = line.partition(" = ")
        if right != "0":
            halves.append(rf"{left} = \frac{{1}}{{2}} \left({right}\right)")
    claims = [rf"$$ {line} \tag{{{number}}} $$" for number, line in enumerate((*lines, *halves), start=1)]
    verdicts = judged(f"<!-- cell: {name} -->\n\n" + "\n\n".join(claims))
    found = {verdict.latex: (verdict.verdict, verdict.reason) for verdict in verdicts}
    assert [said for said in found.values() if said[0] == "right"] == list(found.values())[: len(lines)]
    assert {said[0] for said in list(found.values())[len(lines) :]} <= {"wrong"}


def test_deltas_in_the_notation_of_a_cell() -> None:
    """A delta is that of the gate itself; what holds before the activation is ambiguous, unless the argument has a name."""
    behind = r"$$ \delta f_t = \delta c_t \odot c_{t-1} \tag{1} $$"
    before = r"$$ \delta f_t = \delta c_t \odot c_{t-1} \odot f_t \odot (1 - f_t) \tag{2} $$"
    named = r"$$ \delta z_{f,t} = \delta f_t \odot f_t \odot (1 - f_t) \tag{3} $$"
    assert [verdict.verdict for verdict in judged("<!-- cell: lstm -->" + behind + before)] == ["right", "ambiguous"]
    assert [verdict.verdict for verdict in judged("<!-- cell: lstm -->" + behind + before + named)] == ["right", "wrong", "right"]


def test_equations_of_a_named_cell_are_judged_by_what_they_are_worth() -> None:
    equations = r"$$ h_t = g_t + z_t \odot (h_{t-1} - g_t) $$ $$ r_t = \sigma(W_r x_t + U_r h_{t-1}) $$"
    [verdict] = judged("<!-- cell: gru -->" + equations)
    assert verdict.verdict == "wrong" and verdict.latex.startswith("r_t")  # b_r is missing


NORMALISED = r"$$ a_t = W x_t + U h_{t-1} $$ $$ \mu_t = \frac{1}{n} \mathbf{1}_n^\top a_t $$ $$ h_t = \tanh(a_t - \mu_t) $$"


def test_a_number_in_a_sum_with_a_vector_is_told() -> None:
    first, second = judged(NORMALISED + r"$$ h_t = \tanh(a_t - \mu_t) \tag{1} $$ $$ \mathbf{1}^\top (a_t - \mu_t) = 0 \tag{2} $$")
    assert (first.verdict, second.verdict) == ("right", "right")
    assert any("constant vector" in warning for warning in first.warnings)


def test_a_sum_of_two_vectors_still_needs_equal_lengths() -> None:
    [verdict] = judged(r"$$ h_t = \tanh(W x_t + U h_{t-1}) $$ $$ h_t = \tanh(x_t + U h_{t-1}) \tag{1} $$")
    assert verdict.verdict == "wrong"


@pytest.mark.parametrize(
    ("claim", "word"),
    [
        (r"\frac{\partial c_t}{\partial c_{t-1}} = \mathrm{diag}(f_t)", "ambiguous"),
        (r"\frac{\partial c_t}{\partial c_{t-1}} = \mathrm{diag}(f_t + p_f \odot c_{t-1} \odot f_t \odot (1 - f_t))", "wrong"),
    ],
)
def test_one_step_of_a_cell_that_sees_itself(claim: str, word: str) -> None:
    [verdict] = judged(f"<!-- cell: lstm-peephole --> $$ {claim} \\tag{{1}} $$")
    assert verdict.verdict == word
