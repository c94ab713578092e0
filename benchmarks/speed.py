"""Generated code against PyTorch, JAX and NumPy by hand: forward and backward over a sequence, all gradients.

    python benchmarks/speed.py [--cell lstm] [--layers 2 --both-ways] [--dtypes float64] [--shapes 50,1,32,32 ...]
                               [--backends numba jax torch] [--seconds 4] [--threads 1]

Every number is a time of the processor divided by PyTorch's, or by JAX's where PyTorch has no such cell; all take turns in one
process, have the same weights and agree, or this stops. "ours" is the NumPy module, "prepared" the same with weights stacked
once and a workspace that is used again, as "ours, numba" is too. "ours, jax" is another back end as people use it, and
"products" what NumPy cannot do without: the matrix products of both passes and one tanh for each function. Of the LSTM the
goals stand in parentheses; the exit code is 1 where one is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

SHAPES = ("1,1,3,3", "50,1,32,32", "100,32,64,128", "100,64,256,512")
GOALS = {  # of the LSTM, by shape: ours, or ours prepared, over PyTorch, in float32 and float64
    ("1,1,3,3", "ours"): (0.15, 0.20),
    ("1,1,3,3", "prepared"): (0.07, 0.10),
    ("50,1,32,32", "prepared"): (0.60, 0.06),
    ("100,32,64,128", "prepared"): (1.05, 0.58),
    ("100,64,256,512", "prepared"): (1.12, 0.68),
    ("1,1,3,3", "ours, numba"): (0.02, 0.02),
}
DTYPES = ("float32", "float64")


def ours(cell: Any, n: int, params: Any, x: Any, d_outputs: Any) -> Callable[[], Any]:
    """Our function of the NumPy module, called plainly."""
    import symlstm as sl

    function = sl.lambdify(cell)
    return lambda: function.backward(function.forward(params, x), d_outputs).inputs


def prepared(cell: Any, n: int, params: Any, x: Any, d_outputs: Any, backend: str = "numpy") -> Callable[[], Any]:
    """The same with weights that are stacked once, and a workspace that is used again."""
    import symlstm as sl

    function: Any = sl.lambdify(cell, backend=backend)
    weights, workspace = function.prepare(params), function.workspace(*x.shape, n, dtype=x.dtype)
    return lambda: function.backward(function.forward(weights, x, workspace=workspace), d_outputs).inputs


def in_jax(cell: Any, n: int, params: Any, x: Any, d_outputs: Any) -> Callable[[], Any]:
    """The gradient by JAX through our function, compiled."""
    import jax
    import jax.numpy as jnp

    import symlstm as sl

    function = sl.lambdify(cell, backend="jax")
    slopes = jax.jit(jax.grad(lambda params, x, ends: jnp.vdot(function(params, x)[0], ends), (0, 1)))
    given = jax.tree.map(jnp.asarray, (params, x, d_outputs))
    return lambda: jax.block_until_ready(slopes(*given))[1]


def in_torch(cell: Any, n: int, params: Any, x: Any, d_outputs: Any) -> Callable[[], Any]:
    """The gradient by PyTorch through our function."""
    import torch

    import symlstm as sl

    function = sl.lambdify(cell, backend="torch")
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    inputs, ends = torch.tensor(x, requires_grad=True), torch.tensor(d_outputs)
    return lambda: torch.autograd.grad(function(weights, inputs)[0], (inputs, *weights.values()), ends)[0]


BACKENDS = {"numba": partial(prepared, backend="numba"), "jax": in_jax, "torch": in_torch}


def candidates(cell: Any, shape: str, dtype: str, backends: Sequence[str]) -> dict[str, Callable[[], Any]]:
    """The same work by all that are installed; they agree, or this raises."""
    import numpy as np
    from peers import PEERS, bound

    import symlstm as sl

    T, B, m, n = map(int, shape.split(","))
    generator = np.random.default_rng(0)
    params = {name: (value / n**0.5).astype(dtype) for name, value in sl.random_parameters(cell, n, m).items()}
    x = generator.standard_normal((T, B, m)).astype(dtype)
    shape_of = sl.lambdify(cell).forward(params, x).outputs.shape
    d_outputs = generator.standard_normal(shape_of).astype(dtype)
    found = {"ours": ours(cell, n, params, x, d_outputs), "prepared": prepared(cell, n, params, x, d_outputs)}
    found |= {f"ours, {name}": BACKENDS[name](cell, n, params, x, d_outputs) for name in backends}
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
        np.testing.assert_allclose(np.asarray(passes()), found["prepared"](), rtol=1e-3, atol=near, err_msg=name)
    if least := bound(cell, params, x, d_outputs):
        found["products"] = least
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
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=(), help="others beside NumPy")
    options = arguments(parser)

    from timing import side_by_side, surroundings, table

    import symlstm as sl

    network = options.layers or options.both_ways
    cell = sl.stack(options.cell, options.layers or 1, bidirectional=options.both_ways) if network else sl.cell(options.cell)
    rows, missed, names = [], 0, list[str]()
    for shape in options.shapes:
        for dtype in options.dtypes:
            work = candidates(cell, shape, dtype, options.backends)
            timing = side_by_side(work, seconds=options.seconds, least=5, clock=options.clock)
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
    modules = [sys.modules[name] for name in ("numpy", "torch", "jax", "numba") if name in sys.modules]
    print(f"{cell.title}: {surroundings(*modules)}; medians; goals in parentheses\n")
    print(table(("T, B, m, n", "dtype", *names), rows))
    return int(missed > 0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
