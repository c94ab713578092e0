"""Generated NumPy against PyTorch, JAX and NumPy by hand: forward and backward over a sequence, all gradients.

    python benchmarks/speed.py [--cell lstm] [--layers 2 --both-ways] [--dtypes float64] [--shapes 50,1,32,32 ...] [--seconds 4]

Every number is a time divided by PyTorch's, or by JAX's where PyTorch has no such cell; all take turns in one process, have
the same weights and agree, or this stops. "prepared" is with weights stacked once and a workspace that is used again.
Of the LSTM the goals are printed beside what was measured; the exit code is 1 where one is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHAPES = ("1,1,3,3", "50,1,32,32", "100,32,64,128", "100,64,256,512")
GOALS = {  # of the LSTM, by shape: ours, or ours prepared, over PyTorch, in float32 and float64
    ("1,1,3,3", "ours"): (0.15, 0.20),
    ("1,1,3,3", "prepared"): (0.07, 0.10),
    ("50,1,32,32", "prepared"): (0.60, 0.06),
    ("100,32,64,128", "prepared"): (1.05, 0.58),
    ("100,64,256,512", "prepared"): (1.12, 0.68),
}
DTYPES = ("float32", "float64")


def candidates(cell: Any, shape: str, dtype: str) -> dict[str, Callable[[], Any]]:
    """The same work by all that are installed; they agree, or this raises."""
    import numpy as np
    from peers import PEERS

    import symlstm as sl

    T, B, m, n = map(int, shape.split(","))
    generator = np.random.default_rng(0)
    params = {name: (value / n**0.5).astype(dtype) for name, value in sl.random_parameters(cell, n, m).items()}
    x = generator.standard_normal((T, B, m)).astype(dtype)
    function = sl.lambdify(cell)
    d_outputs = generator.standard_normal(function.forward(params, x).outputs.shape).astype(dtype)
    weights, workspace = function.prepare(params), function.workspace(T, B, m, n, dtype=dtype)

    def ours() -> Any:
        return function.backward(function.forward(params, x), d_outputs).inputs

    def prepared() -> Any:
        return function.backward(function.forward(weights, x, workspace=workspace), d_outputs).inputs

    found = {"ours": ours, "prepared": prepared}
    for name, peer in PEERS.items():
        try:
            passes = peer(cell, params, x, d_outputs)
        except ImportError:
            print(f"{name} is not installed: pip install '.[oracles]'", file=sys.stderr)
            continue
        if passes:
            found[name] = passes
    near = 1e-3 if dtype == "float32" else 1e-10
    for name, passes in found.items():
        np.testing.assert_allclose(np.asarray(passes()), ours(), rtol=1e-3, atol=near, err_msg=name)
    return found


def main() -> int:
    """Print the table."""
    from timing import arguments

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--layers", type=int, default=0, help="a network of so many layers")
    parser.add_argument("--both-ways", action="store_true", help="a network in both directions of time")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="T,B,m,n")
    options = arguments(parser)

    from timing import side_by_side, surroundings, table

    import symlstm as sl

    network = options.layers or options.both_ways
    cell = sl.stack(options.cell, options.layers or 1, bidirectional=options.both_ways) if network else sl.cell(options.cell)
    rows, missed, names = [], 0, list[str]()
    for shape in options.shapes:
        for dtype in options.dtypes:
            timing = side_by_side(candidates(cell, shape, dtype), seconds=options.seconds)
            names = names or list(timing.seconds)
            base = next((name for name in ("PyTorch", "JAX") if name in names), "ours")
            cells = []
            for name in names:
                ratio = timing.ratio(name, base)
                goal = GOALS.get((shape, name), (0, 0))[DTYPES.index(dtype)] if cell.name == "lstm" else 0
                missed += bool(goal) and base == "PyTorch" and ratio > goal
                shown = f"{1e3 * timing.median(name):.3g} ms" if name == base else f"{ratio:.3g}"
                cells.append(shown + f" ({goal:.2f})" * bool(goal))
            rows.append((shape, dtype, *cells))
    modules = [sys.modules[name] for name in ("numpy", "torch", "jax") if name in sys.modules]
    print(f"{cell.title}: {surroundings(*modules)}; medians; goals in parentheses\n")
    print(table(("T, B, m, n", "dtype", *names), rows))
    return int(missed > 0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
