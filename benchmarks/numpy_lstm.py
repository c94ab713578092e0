"""The generated LSTM against the best hand-written one in NumPy and against PyTorch, forward and backward together.

    python benchmarks/numpy_lstm.py [--dtype float32] [--seconds 3] [--threads 1]

The hand-written one does all that we know to do: one matrix for the four gates, the input's part for all steps in
one product, in-place work on arrays made once, all factors of the backward pass that need no adjoint computed for
stretches of steps that stay in the cache, weight gradients in one product after the loop. Unlike ours it checks
nothing, and its trace shares its arrays. Goal: at most 1.05 times its time.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

SIZES = [(1, 32), (1, 128), (1, 512), (32, 32), (32, 128), (32, 512)]  # batch, hidden; inputs are as many as hidden
STEPS = 50
GOAL = 1.05


class ByHand:
    """An LSTM as an expert writes it: gates in the order g, i, f, o."""

    ORDER = "gifo"
    CACHE = 2**18

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def forward(self, x: Any) -> tuple[Any, ...]:
        import numpy as np

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
        import numpy as np

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


def candidates(B: int, n: int, dtype: str) -> dict[str, Any]:
    """The same LSTM, forward and backward, three times; they agree, or this raises."""
    import numpy as np

    import symlstm as sl

    cell, generator = sl.cell("lstm"), np.random.default_rng(0)
    params = {name: (value / n**0.5).astype(dtype) for name, value in sl.random_parameters(cell, n, n).items()}
    x, d_outputs = (generator.standard_normal((STEPS, B, n)).astype(dtype) for _ in range(2))
    function, hand = sl.lambdify(cell), ByHand(params)

    def ours() -> Any:
        return function.backward(function.forward(params, x), d_outputs)

    def by_hand() -> Any:
        return hand.backward(hand.forward(x), d_outputs)

    found: dict[str, Any] = {"ours": ours, "by hand": by_hand}
    np.testing.assert_allclose(ours().inputs, by_hand()[3], rtol=1e-3, atol=1e-4 if dtype == "float32" else 1e-11)
    try:
        import torch
    except ImportError:
        return found
    layer = torch.nn.LSTM(n, n, dtype=getattr(torch, dtype))
    with torch.no_grad():
        for name, value in sl.to_layout("pytorch", params, cell).items():
            getattr(layer, name).copy_(torch.from_numpy(value))
    from peers import pytorch_passes

    pytorch = pytorch_passes(layer, x, d_outputs)
    np.testing.assert_allclose(ours().inputs, pytorch().numpy(), rtol=1e-3, atol=1e-4 if dtype == "float32" else 1e-11)
    return {**found, "PyTorch": pytorch}


def main() -> int:
    """Print the table; exit with 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each size")
    parser.add_argument("--threads", default="1", help="of the linear algebra, for all candidates")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = options.threads  # before NumPy is imported

    import numpy as np
    from timing import side_by_side, surroundings, table

    rows, worst, modules = [], 0.0, [np]
    for B, n in SIZES:
        timing = side_by_side(candidates(B, n, options.dtype), seconds=options.seconds)
        ratio = timing.ratio("ours", "by hand")
        worst = max(worst, ratio)
        low, high = timing.middle("ours", "by hand")
        torch_ratio = f"{timing.ratio('ours', 'PyTorch'):.2f}" if "PyTorch" in timing.seconds else "not installed"
        rows.append((B, n, f"{1e3 * timing.median('ours'):.2f}", f"{ratio:.3f}", f"{low:.2f} to {high:.2f}", torch_ratio))
    if "torch" in sys.modules:
        modules.append(sys.modules["torch"])
    print(f"{surroundings(*modules)}; T = {STEPS}, {options.dtype}, forward and backward\n")
    print(table(("B", "n = m", "ours, ms", "ours / by hand", "middle half", "ours / PyTorch"), rows))
    print(f"\nworst ratio to the hand-written one: {worst:.3f}; goal {GOAL}")
    return int(worst > GOAL)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
