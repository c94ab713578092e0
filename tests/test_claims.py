r"""What is said of documents in many dialects: every claim with its tag, and the verdict it must get."""

from __future__ import annotations

import time

import pytest

from symlstm import zoo
from symlstm.claims.checking import check

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
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_verdicts(name: str) -> None:
    text, expected = DOCUMENTS[name]
    found = {verdict.tag: verdict for verdict in check(text)}
    wanted = {entry[:-1]: WORDS[entry[-1]] for entry in expected.split()}
    assert {tag: found[tag].verdict for tag in wanted} == wanted, {tag: found[tag].reason for tag in wanted}
