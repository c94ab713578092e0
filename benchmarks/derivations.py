"""What a derivation and its verification cost, as ratios to `import sympy`; whole processes, interleaved.

    python benchmarks/derivations.py

Each row is a ratio of medians. `derive` and `verify` are timed inside a process that has SymPy imported already, so that
the import is counted once, on the other side.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 7
SYMPY = "import time; t = time.perf_counter(); import sympy; print(time.perf_counter() - t)"
PACKAGE = "import time; t = time.perf_counter(); import sympy, symlstm; print(time.perf_counter() - t)"
WHOLE = """import sympy, time; import symlstm as sl; t = time.perf_counter()
assert sl.verify(sl.derive("lstm")).ok; print(time.perf_counter() - t)"""


def seconds(code: str) -> float:
    """What a fresh process says it took."""
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def against_import() -> dict[str, float]:
    """Medians of fresh processes, one of each kind in every round."""
    kinds = {"import sympy": SYMPY, "import sympy, symlstm": PACKAGE, "derive and verify the LSTM": WHOLE}
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, code in kinds.items():
            found[name].append(seconds(code))
    return {name: statistics.median(times) for name, times in found.items()}


def over_time() -> dict[int, float]:
    """How long the recurrences take to be written out for so many steps, the best of several."""
    import symlstm as sl

    sl.derive("lstm", "bptt", steps=2)
    found = {}
    for steps in (10, 25, 50, 100):
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            sl.derive("lstm", "bptt", steps=steps)
            times.append(time.perf_counter() - start)
        found[steps] = min(times)
    return found


def main() -> None:
    """Print the table."""
    import sympy

    medians = against_import()
    base = medians["import sympy"]
    print(f"Python {sys.version.split()[0]}, SymPy {sympy.__version__}, one process at a time, {ROUNDS} rounds")
    for name, median in medians.items():
        print(f"{name:30} {median:7.3f} s   {median / base:5.2f} x")
    steps = over_time()
    for count, best in steps.items():
        print(f"bptt written out, T = {count:<9}{1000 * best:7.1f} ms  {1e6 * best / count:6.0f} us a step")


if __name__ == "__main__":
    main()
