"""What each cell of the zoo costs to derive, to verify and to write down, as multiples of `import sympy`, in one process.

    python benchmarks/zoo.py [cell ...]

CPU time, so that another process at work does not count. The import is timed in the same process, and a first cell is made
before the others, so that what is done once (the tables of the reader, proofs about activations) is not counted as a cell's.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

start = time.process_time()
import sympy  # noqa: E402

UNIT = time.process_time() - start

import symlstm as sl  # noqa: E402
from symlstm.algebra import SymlstmError  # noqa: E402
from symlstm.evidence import report as evidence  # noqa: E402

WARM = "rnn"


@dataclass
class Cost:
    """What one cell cost, in seconds by what was done, and what was found."""

    seconds: dict[str, float] = field(default_factory=dict)
    relations: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    error: str = ""

    def timed(self, what: str, since: float) -> float:
        """Add the time since then; the time now."""
        now = time.process_time()
        self.seconds[what] = self.seconds.get(what, 0.0) + now - since
        return now


def cost(name: str) -> Cost:
    """Make a chapter as `symlstm build` does, step by step, with the time of each."""
    found = Cost()
    at = time.process_time()
    try:
        derivation = sl.derive(name)
        at = found.timed("derive", at)
        report, shares = watched(derivation)
        found.timed("verify", at)
        found.seconds |= shares
        at = time.process_time()
        files: dict[evidence.Form, str] = {"tex": derivation.latex(report), "md": derivation.markdown(report)}
        at = found.timed("write", at)
        misread = [each for form, text in files.items() for each in evidence.read_back(derivation, text, form) if not each.ok]
        found.timed("read again", at)
    except SymlstmError as error:
        found.error = str(error).splitlines()[0]
        return found
    found.relations = len(report.rows)
    found.failures = Counter(each.method for row in report.rows for each in row.evidence if not each.ok)
    found.failures.update({"file": len(misread)} if misread else {})
    return found


def watched(derivation: sl.Derivation) -> tuple[sl.Report, dict[str, float]]:
    """Verify, with the time that goes into the exact method and into the numbers."""
    shares = {"exact": 0.0, "numeric": 0.0}
    judge = evidence._Judge
    methods = {way: getattr(judge, way) for way in shares}

    def watching(way: str) -> Callable[[object, object], object]:
        def method(self: object, each: object) -> object:
            since = time.process_time()
            result = methods[way](self, each)
            shares[way] += time.process_time() - since
            return result
        return method
    try:
        for way in shares:
            setattr(judge, way, watching(way))
        return sl.verify(derivation), shares
    finally:
        for way, method in methods.items():
            setattr(judge, way, method)


def main() -> None:
    """Print a row for each cell."""
    print(f"Python {sys.version.split()[0]}, SymPy {sympy.__version__}; `import sympy` took {UNIT:.2f} s of CPU time\n")
    print("| cell | relations | failures | derive | exact | numeric | read back | write | read again | whole |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    cost(WARM)
    gc.freeze()  # as the processes of `symlstm build` do: what is imported is not gone through again
    for name in sys.argv[1:] or sl.cells():
        found = cost(name)
        if found.error:
            print(f"| {name} | | {found.error} |", flush=True)
            continue
        part = {what: seconds / UNIT for what, seconds in found.seconds.items()}
        whole = part["derive"] + part["verify"] + part["write"] + part["read again"]
        back = part["verify"] - part["exact"] - part["numeric"]
        failures = ", ".join(f"{count} {way}" for way, count in found.failures.items()) or "0"
        shown = (part["derive"], part["exact"], part["numeric"], back, part["write"], part["read again"], whole)
        print(f"| {name} | {found.relations} | {failures} | {' | '.join(f'{each:.2f}' for each in shown)} |", flush=True)


if __name__ == "__main__":
    main()
