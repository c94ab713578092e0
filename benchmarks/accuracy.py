"""How many units in the last place the activations and their slopes are wrong, at worst, over the whole range.

    python benchmarks/accuracy.py [--points 20000] [--seconds 4]

Exact values are taken by mpmath at 50 digits and more: at points spread evenly over the exponents, around 0, the kinks and
the roots, and in the tails to where the result is subnormal and then 0. Around the worst of them more points are tried,
for so many seconds a function. Ours are `sl.lambdify(..., accuracy=)`; PyTorch and JAX stand beside them where installed,
their slopes as their own differentiation gives them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import mpmath
import numpy as np

Array = Any  # of floats
ROOT = -1.2784645427610737951  # where the slope of silu is 0


def _slope_of_silu(x: mpmath.mpf) -> mpmath.mpf:
    e = mpmath.exp(-abs(x))
    above = 1 + e + x * e if x >= 0 else e * (1 + x + e)
    return above / (1 + e) ** 2


def _logistic(x: mpmath.mpf) -> mpmath.mpf:
    return 1 / (1 + mpmath.exp(-x))


def _bell(x: mpmath.mpf) -> mpmath.mpf:
    e = mpmath.exp(-abs(x))
    return e / (1 + e) ** 2


EXACT: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sigma": (_logistic, _bell),
    "tanh": (mpmath.tanh, lambda x: 4 * _bell(2 * x)),
    "relu": (lambda x: max(x, mpmath.mpf(0)), lambda x: mpmath.mpf(x > 0)),
    "softplus": (lambda x: max(x, 0) + mpmath.log1p(mpmath.exp(-abs(x))), _logistic),
    "silu": (lambda x: x * _logistic(x), _slope_of_silu),
    "hardsigmoid": (lambda x: min(max(x + 3, mpmath.mpf(0)), mpmath.mpf(6)) / 6, lambda x: mpmath.mpf(abs(x) < 3) / 6),
    "exp": (mpmath.exp, mpmath.exp),
    "log": (mpmath.log, lambda x: 1 / x),
    "sqrt": (mpmath.sqrt, lambda x: 1 / (2 * mpmath.sqrt(x))),
    "abs": (abs, mpmath.sign),
}
POSITIVE = ("log", "sqrt")


def points(dtype: Any, count: int, *, positive: bool = False) -> Array:
    """Points of every kind, about so many in all; for one dtype always the same."""
    info, generator = np.finfo(dtype), np.random.default_rng(0)
    smallest, log2 = info.minexp - info.nmant, float(np.log(2))
    tail = -smallest * log2  # from here on exp(-x) is 0
    share = max(8, count // 10)
    sign = generator.choice([-1, 1], share)
    found = [
        sign * np.exp2(generator.uniform(smallest, info.maxexp, share)),  # all exponents
        sign * np.exp2(generator.uniform(-12, np.log2(tail) + 1, share)),
        generator.uniform(-1.2 * tail, 1.2 * tail, share),
        generator.uniform(-20, 20, share),
        generator.uniform(-2, 2, share),
    ]
    for end in (tail, tail / 2):  # exp(-x) and exp(-2 x) become subnormal, and 0
        width = (info.nmant + 12) * log2
        found += [sign * (end + generator.uniform(-width, 8, share))]
    for middle in (ROOT, -3, 3):
        found.append(middle * (1 + generator.standard_normal(share) * np.exp2(generator.uniform(-info.nmant, -1, share))))
    ends = [0.0, float(info.tiny), float(info.smallest_subnormal), float(info.max), 1.0, tail, tail / 2]
    whole = np.concatenate([*found, ends, np.negative(ends)])
    with np.errstate(over="ignore"):
        whole = np.unique(whole.astype(dtype))
    whole = whole[np.isfinite(whole) & ~np.isin(whole, (-3, 0, 3))]  # at a kink there is no slope
    return np.unique(np.abs(whole)) if positive else whole


def ulps(found: float, exact: mpmath.mpf, dtype: Any) -> float:
    """By how many units in the last place of the exact value a number is wrong."""
    info = np.finfo(dtype)
    if not np.isfinite(found):
        return 0.0 if abs(exact) > mpmath.mpf(float(info.max)) else float("inf")
    exponent = max(mpmath.frexp(exact)[1] - 1, int(info.minexp)) if exact else int(info.minexp)
    return float(abs(mpmath.mpf(float(found)) - exact) / mpmath.mpf(2) ** (exponent - info.nmant))


@dataclass(frozen=True, slots=True)
class Worst:
    """The largest error, and where it is."""

    ulps: float
    x: float


def worst(function: Callable[[Array], Array], exact: Callable[[Any], Any], x: Array, *, seconds: float = 0.0) -> Worst:
    """The largest error of a function over x and, for some seconds, at more and more points around the worst ones."""
    dtype, generator, end = x.dtype, np.random.default_rng(1), perf_counter() + seconds
    best = Worst(-1.0, 0.0)
    known: list[tuple[float, float]] = []
    while True:
        with mpmath.workdps(50):
            pairs = zip(x.tolist(), function(x), strict=True)
            errors = np.array([ulps(found, exact(mpmath.mpf(at)), dtype) for at, found in pairs])
        known = sorted([*known, *zip(errors.tolist(), x.tolist(), strict=True)], reverse=True)[:40]
        best = max(best, Worst(*known[0]), key=lambda found: found.ulps)
        if perf_counter() >= end or not np.isfinite(best.ulps):
            return best
        centers = np.array([at for _, at in known])
        away = generator.standard_normal((50, len(centers))) * np.exp2(generator.uniform(-np.finfo(dtype).nmant, -2, (50, 1)))
        x = np.unique((centers * (1 + away)).astype(dtype))
        x = x[np.isfinite(x)]


# --- who computes -------------------------------------------------------------------------------------------------------


def ours(name: str, slope: bool, accuracy: str) -> Callable[[Array], Array]:
    """A function of the table, or its slope."""
    import symlstm as sl
    from symlstm.algebra import Apply, Prime, Sym

    return sl.lambdify((Prime if slope else Apply)(name, Sym("x")), shapes={}, accuracy=accuracy)


def pytorch(name: str, slope: bool) -> Callable[[Array], Array] | None:
    """PyTorch's function, or its slope by autograd; None where it has none."""
    import torch

    functions = {"sigma": torch.sigmoid, "softplus": torch.nn.functional.softplus, "silu": torch.nn.functional.silu,
                 "hardsigmoid": torch.nn.functional.hardsigmoid}
    function = functions.get(name) or getattr(torch, name)

    def run(x: Array) -> Array:
        given = torch.from_numpy(x.copy()).requires_grad_(slope)
        value = function(given)
        if slope:
            value.sum().backward()
        return (given.grad if slope else value).numpy()
    return run


def by_jax(name: str, slope: bool) -> Callable[[Array], Array]:
    """JAX's function, or its slope by `jax.grad`."""
    import jax

    jax.config.update("jax_enable_x64", True)
    functions = {"sigma": jax.nn.sigmoid, "softplus": jax.nn.softplus, "silu": jax.nn.silu, "hardsigmoid": jax.nn.hard_sigmoid,
                 "relu": jax.nn.relu}
    function = functions.get(name) or getattr(jax.numpy, name)
    run = jax.jit(jax.vmap(jax.grad(function) if slope else function))
    return lambda x: np.asarray(run(x))


def columns() -> dict[str, Callable[[str, bool], Any]]:
    """Who computes, by the head of a column."""
    found: dict[str, Callable[[str, bool], Any]] = {
        "ulp": lambda name, slope: ours(name, slope, "ulp"), "fast": lambda name, slope: ours(name, slope, "fast")}
    for title, package, function in (("PyTorch", "torch", pytorch), ("JAX", "jax", by_jax)):
        try:
            __import__(package)
        except ImportError:
            continue
        found[title] = function
    return found


def shown(found: float) -> str:
    """An error in a table."""
    return "not finite" if np.isinf(found) else f"{found:.0e}".replace("e+", "e") if found >= 100 else f"{found:.2f}"


def main() -> int:
    """Print the table; exit with 1 where a bound of the table of activations does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--points", type=int, default=20000, help="for each function and dtype")
    parser.add_argument("--seconds", type=float, default=4.0, help="of search around the worst points, for each figure of ours")
    options = parser.parse_args()

    from timing import surroundings, table

    from symlstm.activations import ACTIVATIONS

    missed, rows, who = 0, [], columns()
    for name, both in EXACT.items():
        for slope, exact in enumerate(both):
            bound = ACTIVATIONS[name].ulps[slope]
            row = [f"{name}{chr(39) * slope}", f"{bound:g}"]
            for dtype in (np.float64, np.float32):
                x = points(dtype, options.points, positive=name in POSITIVE)
                for title, function in who.items():
                    own = title == "ulp"
                    with np.errstate(all="ignore"):
                        found = worst(function(name, bool(slope)), exact, x, seconds=options.seconds * own).ulps
                    missed += own and found > bound
                    row.append(shown(found))
            rows.append(row)
            print(" | ".join(row), file=sys.stderr)
    print(f"{surroundings(np)}; the worst of {options.points} points each, and of a search around the worst of ours\n")
    print(table(("", "bound", *(f"{title}, {dtype}" for dtype in ("float64", "float32") for title in who)), rows))
    return int(missed > 0)


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
