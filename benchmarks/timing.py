"""Timings side by side: the candidates take turns in one process, in a new order every round; figures are ratios of medians.

A ratio of two things that ran in turn on one machine says something about them; a time alone says something about the
machine and what else it did.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time


@dataclass(frozen=True, slots=True)
class Timing:
    """The seconds of every round, by candidate; round k of one ran beside round k of the others."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """The median time of a candidate, in seconds."""
        return median(self.seconds[name])

    def ratio(self, name: str, base: str) -> float:
        """The ratio of the medians: how many times as long `name` takes as `base`."""
        return self.median(name) / self.median(base)

    def middle(self, name: str, base: str) -> tuple[float, float]:
        """Between which two ratios the middle half of the rounds lies."""
        ratios = sorted(one / other for one, other in zip(self.seconds[name], self.seconds[base], strict=True))
        return ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]


TURN = 2e-3  # seconds at least; what is shorter runs several times in a turn, and its time is the mean


def side_by_side(candidates: Mapping[str, Callable[[], object]], *, seconds: float = 2.0, least: int = 7,
                 most: int = 400, clock: Callable[[], float] = perf_counter) -> Timing:
    """Time candidates in turn for about so many seconds in all, at least `least` rounds, after two rounds unmeasured."""
    def turn(name: str, calls: int) -> float:
        start = clock()
        for _ in range(calls):
            candidates[name]()
        return (clock() - start) / calls

    names, found = list(candidates), {name: list[float]() for name in candidates}
    order, end = random.Random(0), perf_counter() + seconds
    for name in names:
        turn(name, 1)
    calls = {name: max(1, round(TURN / max(turn(name, 1), 1e-9))) for name in names}
    while (done := len(found[names[0]])) < least or (perf_counter() < end and done < most):
        order.shuffle(names)
        for name in names:
            found[name].append(turn(name, calls[name]))
    return Timing(found)


def arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options of a benchmark, with those that all have; to be asked for before NumPy is imported.

    The threads are those of the linear algebra, and with one thread of all that XLA runs. The `clock` is then that of the
    processor: another process at work, which takes the processor away for a while, does not count.
    """
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row of a table")
    parser.add_argument("--threads", type=int, default=1, help="for all candidates")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    options.clock = perf_counter
    if options.threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        options.clock = process_time
    return options


def surroundings(*modules: object) -> str:
    """The machine and the versions, in a line, for the head of a table."""
    versions = [f"Python {platform.python_version()}", *(f"{module.__name__} {module.__version__}" for module in modules)]  # type: ignore[attr-defined]
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, threads: {threads}"
    return f"{', '.join(versions)}; {machine}"


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(header), *([str(value) for value in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
