"""What forward and backward need in memory and, over long sequences, in time.

    python benchmarks/memory.py [--cells lstm gru-reset-after ...] [--shapes 100,32,64,128 ...] [--steps 1000 ...] [--seconds 4]

Of a cell must be kept: what its adjoint equations read, every quantity of every step once (the inputs and the outputs among
them), and the gradients, which are what is asked for. The parameters are there before. Beside it stands the peak of all that
NumPy has at one time from the start of forward to the end of backward (tracemalloc), as a multiple. The goal is 1.2.
With `checkpoint` (0: a square root of the steps) states are kept now and then, and the steps between are run again.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import symlstm as sl
    from symlstm.algebra import Relation, Term
    from symlstm.shapes import Shapes

GOAL = 1.2
CELLS = ("lstm", "gru-reset-after", "lstm-peephole")
SHAPES = ("100,1,32,32", "100,32,64,128", "100,64,256,512")
STEPS = (100, 1_000, 10_000, 100_000)


def read(line: Relation, shapes: Shapes) -> Iterator[Term]:
    """What an equation reads of a step: quantities, and what is made by a product of matrices, which is not made twice.

    An adjoint is none of them, and what it is the adjoint of is not read by that.
    """
    from symlstm.algebra import NOW, Add, Adj, MatMul, Sym, children, walk

    below: list[Term] = [line.rhs]
    while below:
        part = below.pop()
        inside = list(walk(part))
        made = any(isinstance(each, MatMul) and sum(not shapes.is_scalar(factor) for factor in each.args) > 1 for each in inside)
        if isinstance(part, Sym) and part.time is not None:
            yield part.at(NOW)
        elif made and isinstance(part, (Add, MatMul)) and not any(isinstance(each, Adj) for each in inside):
            yield part
        elif not isinstance(part, Adj):
            below += children(part)


def kept(cell: sl.Cell, T: int, B: int, m: int, n: int) -> tuple[list[str], int]:
    """What must be kept of a cell: of a step, in words, and how many numbers it is over all steps, with the gradients."""
    from symlstm.algebra import plain
    from symlstm.reverse import sweep

    sizes = cell.shapes.full({"n": n, "m": m}) | {"": 1}

    def count(terms: Iterable[Term]) -> int:
        lengths = (cell.shapes.of(each) for each in terms)
        return sum(prod(sum(many * sizes[size] for size, many in length) for length in shape) for shape in lengths if shape)
    found = dict.fromkeys(part for line in sweep(cell).lines for part in read(line.relation, cell.shapes))
    found |= dict.fromkeys((*cell.input_terms, cell.output_term))
    return sorted(map(plain, found)), T * B * (count(found) + count(cell.input_terms)) + count(cell.parameter_terms)


def peak(work: Callable[[], Any]) -> int:
    """The most bytes that are held at one time while something is done, beyond those held before."""
    work()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    held = work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del held
    return most - before


def passes(cell: sl.Cell, T: int, B: int, m: int, n: int, dtype: str, **how: Any) -> Callable[[], Any]:
    """Forward and backward at a point; it gives all that a caller holds after it."""
    import numpy as np

    import symlstm as sl

    generator = np.random.default_rng(0)
    params = {name: (value / n**0.5).astype(dtype) for name, value in sl.random_parameters(cell, n, m).items()}
    x = generator.standard_normal((T, B, m)).astype(dtype)
    d_outputs = generator.standard_normal((T, B, *cell.array_shape(cell.output_term.name, n, m))).astype(dtype)
    function = sl.lambdify(cell)

    def work() -> Any:
        trace = function.forward(params, x, **how)
        return trace, function.backward(trace, d_outputs)
    return work


def main() -> int:
    """Print the tables; exit with 1 where the goal is missed."""
    from timing import arguments

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="T,B,m,n")
    parser.add_argument("--steps", nargs="+", type=int, default=STEPS, help="of long sequences")
    options = arguments(parser)

    import numpy as np
    from timing import side_by_side, surroundings, table

    import symlstm as sl

    rows, missed = [], False
    for name in options.cells:
        cell = sl.cell(name)
        for shape in options.shapes:
            T, B, m, n = map(int, shape.split(","))
            names, numbers = kept(cell, T, B, m, n)
            for dtype in ("float32", "float64"):
                least = numbers * np.dtype(dtype).itemsize
                most = peak(passes(cell, T, B, m, n, dtype))
                missed |= most > GOAL * least
                rows.append((name, shape, dtype, f"{least / 1e6:.4g} MB", f"{most / least:.2f}", ", ".join(names)))
    print(f"{surroundings(np)}; peak of forward and backward, goal {GOAL}\n")
    print(table(("cell", "T, B, m, n", "dtype", "must be kept", "peak / that", "of every step"), rows))

    rows = []
    B, m, n, cell = 1, 32, 32, sl.cell(options.cells[0])
    runs: dict[str, Callable[[], Any]] = {str(T): passes(cell, T, B, m, n, "float64") for T in options.steps}
    timing = side_by_side(runs, seconds=options.seconds * len(runs), least=5, clock=options.clock)
    for T in options.steps:
        seconds, least = timing.median(str(T)), 8 * kept(cell, T, B, m, n)[1]
        root = round(T**0.5)
        again = peak(passes(cell, T, B, m, n, "float64", checkpoint=root))
        rows.append((f"{T:,}", f"{1e3 * seconds:.3g}", f"{1e6 * seconds / T:.3g}", f"{peak(runs[str(T)]) / 1e6:.4g}",
                     f"{least / 1e6:.4g}", root, f"{again / 1e6:.4g}"))
    print(f"\n{cell.title}, long sequences: B = {B}, m = {m}, n = {n}, float64\n")
    print(table(("T", "ms", "us a step", "peak, MB", "must be kept, MB", "checkpoint", "peak then, MB"), rows))
    return int(missed)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
