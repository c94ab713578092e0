"""Generated networks against PyTorch on the CPU, forward and backward together, and one cell beside them.

    python benchmarks/networks.py [--cell lstm] [--layers 2] [--one-way] [--dtype float32] [--seconds 3] [--threads 1]

Ours and PyTorch's network have the same weights and agree, or this stops. The last column is the same ratio for one layer
in one direction: what several parts cost more than one would show between the two.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

SIZES = [(1, 32), (1, 128), (1, 512), (32, 32), (32, 128), (32, 512)]  # batch, hidden; inputs are as many as hidden
STEPS = 50
LAYERS = {"lstm": "LSTM", "gru-reset-after": "GRU", "rnn": "RNN"}  # what PyTorch calls a cell


def pair(cell: str, layers: int, two_ways: bool, B: int, n: int, dtype: str) -> dict[str, Any]:
    """A network, ours and PyTorch's, forward and backward; they agree, or this raises."""
    import numpy as np
    import torch
    from peers import pytorch_passes

    import symlstm as sl

    generator = np.random.default_rng(0)
    layer = getattr(torch.nn, LAYERS[cell])(n, n, layers, bidirectional=two_ways, dtype=getattr(torch, dtype))
    network = sl.stack(cell, layers, bidirectional=two_ways)
    params = sl.from_layout("pytorch", layer.state_dict(), network)
    x = generator.standard_normal((STEPS, B, n)).astype(dtype)
    d_outputs = generator.standard_normal((STEPS, B, n * (1 + two_ways))).astype(dtype)
    function = sl.lambdify(network)

    def ours() -> Any:
        return function.backward(function.forward(params, x), d_outputs)

    pytorch = pytorch_passes(layer, x, d_outputs)
    np.testing.assert_allclose(ours().inputs, pytorch().numpy(), rtol=1e-3, atol=1e-4 if dtype == "float32" else 1e-11)
    return {"ours": ours, "PyTorch": pytorch}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--cell", choices=LAYERS, default="lstm")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--one-way", action="store_true", help="not bidirectional")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each size")
    parser.add_argument("--threads", default="1", help="of the linear algebra, for all candidates")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = options.threads  # before NumPy is imported

    import numpy as np
    import torch
    from timing import side_by_side, surroundings, table

    rows, two_ways = [], not options.one_way
    for B, n in SIZES:
        network = pair(options.cell, options.layers, two_ways, B, n, options.dtype)
        alone = {f"{name}, one cell": run for name, run in pair(options.cell, 1, False, B, n, options.dtype).items()}
        timing = side_by_side({**network, **alone}, seconds=options.seconds)
        low, high = timing.middle("ours", "PyTorch")
        ours, ratio = f"{1e3 * timing.median('ours'):.2f}", f"{timing.ratio('ours', 'PyTorch'):.2f}"
        rows.append((B, n, ours, ratio, f"{low:.2f} to {high:.2f}", f"{timing.ratio('ours, one cell', 'PyTorch, one cell'):.2f}"))
    kind = f"{options.cell}, layers: {options.layers}, directions: {1 + two_ways}"
    print(f"{surroundings(np, torch)}; {kind}; T = {STEPS}, {options.dtype}, forward and backward\n")
    print(table(("B", "n = m", "ours, ms", "ours / PyTorch", "middle half", "one cell, ours / PyTorch"), rows))
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
