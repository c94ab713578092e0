"""The LSTM in NumPy, written by hand by all that we know to do.

One matrix for the four gates, the input's part for all steps in one product, in-place work on arrays made once, all factors of
the backward pass that need no adjoint computed for stretches of steps that stay in the cache, weight gradients in one product
after the loop. Unlike ours it checks nothing, and its trace shares its arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class ByHand:
    """An LSTM as an expert writes it, gates in the order g, i, f, o: `forward` over a sequence, and `backward`."""

    ORDER = "gifo"
    CACHE = 2**18

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def forward(self, x: Any) -> tuple[Any, ...]:
        W, U, b = (np.concatenate([self.params[f"{family}_{gate}"] for gate in self.ORDER]) for family in "WUb")
        (T, B, m), n = x.shape, U.shape[1]
        z = (x.reshape(T * B, m) @ W.T).reshape(T, B, 4 * n)
        z += b
        h, c = np.zeros((T + 1, B, n), x.dtype), np.zeros((T + 1, B, n), x.dtype)
        tanh_c, part, scratch = np.empty((T, B, n), x.dtype), np.empty((B, 4 * n), x.dtype), np.empty((B, n), x.dtype)
        one = np.array(1, x.dtype)
        with np.errstate(over="ignore"):  # an infinite exp gives the gate 0, which is right
            for z_t, ifo, g, i, f, o, c_prev, c_t, tanh_t, h_prev, h_t in zip(
                    z, z[..., n:], z[..., :n], z[..., n:2 * n], z[..., 2 * n:3 * n], z[..., 3 * n:],
                    c[:-1], c[1:], tanh_c, h[:-1], h[1:], strict=True):
                np.dot(h_prev, U.T, out=part)
                z_t += part
                np.negative(ifo, out=ifo)
                np.exp(ifo, out=ifo)
                ifo += one
                np.divide(one, ifo, out=ifo)
                np.tanh(g, out=g)
                np.multiply(f, c_prev, out=c_t)
                np.multiply(i, g, out=scratch)
                c_t += scratch
                np.tanh(c_t, out=tanh_t)
                np.multiply(o, tanh_t, out=h_t)
        return W, U, x, z, h, c, tanh_c

    def backward(self, trace: tuple[Any, ...], d_outputs: Any) -> tuple[Any, ...]:
        W, U, x, z, h, c, tanh_c = trace
        (T, B, m), n = x.shape, U.shape[1]
        stretch = min(T, max(1, self.CACHE // (4 * n * B * x.itemsize)))
        d_z, through = np.empty_like(z), np.empty((stretch, B, n), x.dtype)
        d_h, d_c, scratch = np.zeros((B, n), x.dtype), np.zeros((B, n), x.dtype), np.empty((B, n), x.dtype)
        wide = d_c[:, None]
        for late in range(T, 0, -stretch):
            now = slice(max(late - stretch, 0), late)
            gates, d, tanh_now = z[now], d_z[now], tanh_c[now]
            g, i, f, o = (gates[..., k * n:(k + 1) * n] for k in range(4))
            d_g, d_i, d_f, d_o = (d[..., k * n:(k + 1) * n] for k in range(4))
            slope = through[:len(d)]
            np.multiply(tanh_now, tanh_now, out=slope)
            np.subtract(1, slope, out=slope)
            slope *= o
            np.subtract(1, gates[..., n:], out=d[..., n:])
            d[..., n:] *= gates[..., n:]
            d_i *= g
            d_f *= c[:-1][now]
            d_o *= tanh_now
            np.multiply(g, g, out=d_g)
            np.subtract(1, d_g, out=d_g)
            d_g *= i
            by_c = d.reshape(len(d), B, 4, n)[:, :, :3]
            for d_t, by_c_t, by_h_t, slope_t, f_t, d_output in zip(
                    d[::-1], by_c[::-1], d_o[::-1], slope[::-1], f[::-1], d_outputs[now][::-1], strict=True):
                d_h += d_output
                np.multiply(d_h, slope_t, out=scratch)
                d_c += scratch
                by_c_t *= wide
                by_h_t *= d_h
                np.dot(d_t, U, out=d_h)
                d_c *= f_t
        rows = d_z.reshape(T * B, 4 * n)
        d_W, d_U, d_b = rows.T @ x.reshape(T * B, m), rows.T @ h[:-1].reshape(T * B, n), rows.sum(0)
        return d_W, d_U, d_b, (rows @ W).reshape(T, B, m), d_h, d_c
