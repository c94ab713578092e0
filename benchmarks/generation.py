"""What it costs to make a cell's function: cold, and again in another process, from the cache on disk.

    python benchmarks/generation.py [--cells lstm gru ...] [--seconds 4]

Every number is of fresh processes, which take turns; modules are compiled to bytecode already, as they are once installed, and
NumPy is imported before the clock starts. The clock is that of the processor, so that another process at work does not count.
"all" begins before `import symlstm`: imports, the cell, deriving, all passes, source and compiling; "lambdify" is what the
call adds where the cell is there. The goals: cold, all at most 1.5 times `import sympy`; from the cache, in a second process,
`lambdify` at most 20 ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

COLD, WARM = 1.5, 0.020
CELLS = ("lstm", "gru", "rnn", "slstm", "mlstm", "lstm-layernorm", "2 layers both ways", "8 layers")
CLOCK = "import numpy; from time import process_time; start = process_time()"
SYMPY = f"{CLOCK}; import sympy; print(process_time() - start)"
WHOLE = f"""{CLOCK}
import symlstm as sl
cell = {{cell}}
made = process_time()
sl.lambdify(cell)
end = process_time()
print(end - start, end - made)"""
FIRST = f"""{CLOCK}
import numpy as np, symlstm as sl
cell = sl.cell({{cell!r}})
f = sl.lambdify(cell)
trace = f.forward(sl.random_parameters(cell, 32, 32), np.ones((50, 1, 32)))
f.backward(trace, np.ones((50, 1, 32)))
print(process_time() - start)"""


def expression(cell: str) -> str:
    """A name of the table as Python."""
    count, _, how = cell.partition(" layers")
    return f"sl.stack('lstm', {count}, bidirectional={'both' in how})" if how or count != cell else f"sl.cell({cell!r})"


def run(code: str, cache: Path | str) -> list[float]:
    """What a fresh process says it took, with a cache of its own."""
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = known | {"SYMLSTM_CACHE": str(cache), "PYTHONPYCACHEPREFIX": BYTECODE.name, "OMP_NUM_THREADS": "1"}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    return [float(word) for word in shown.split()]


BYTECODE = tempfile.TemporaryDirectory()


def main() -> int:
    """Print the table; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row")
    options = parser.parse_args()
    from timing import surroundings, table

    rows, missed = [], False
    with BYTECODE, tempfile.TemporaryDirectory() as kept:
        run(SYMPY, "0")
        for cell in options.cells:
            code = WHOLE.format(cell=expression(cell))
            once: dict[str, Callable[[], list[float]]] = {
                "sympy": lambda: run(SYMPY, "0"),
                "cold": lambda code=code: run(code, "0"),
                "again": lambda code=code: run(code, kept),
            }
            found: dict[str, list[list[float]]] = {name: [] for name in once}
            for work in once.values():
                work()
            end = perf_counter() + options.seconds
            while perf_counter() < end or len(found["cold"]) < 5:
                for name, work in once.items():
                    found[name].append(work())
            median = {name: [statistics.median(column) for column in zip(*times, strict=True)] for name, times in found.items()}
            (sympy,), (cold, cold_call), (again, again_call) = median["sympy"], median["cold"], median["again"]
            missed |= cold > COLD * sympy or again_call > WARM
            times = (f"{1e3 * seconds:.0f}" for seconds in (sympy, cold, cold_call, again, again_call))
            rows.append((cell, *times, f"{cold / sympy:.2f}", f"{again / sympy:.2f}"))
        first = statistics.median(run(FIRST.format(cell="lstm"), "0")[0] for _ in range(5))
    columns = ("cell", "sympy", "cold: all", "lambdify", "again: all", "lambdify", "cold / sympy", "again / sympy")
    print(f"{surroundings()}; medians of fresh processes, ms\n\n{table(columns, rows)}\n")
    print(f"the LSTM, cold, with a first forward and backward at T = 50: {1e3 * first:.0f} ms")
    return int(missed)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
