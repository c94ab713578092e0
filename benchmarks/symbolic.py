"""Beside the symbolic systems: the LSTM, forward and backward with all gradients, from equations to a function.

    pip install pytensor casadi
    python benchmarks/symbolic.py [--dtypes float64] [--shapes 50,1,32,32 ...] [--seconds 4]

PyTensor scans, with gradients by its own `grad`, compiled by each of its modes; the quickest counts. CasADi maps the step
over time, with gradients by its own reverse mode; at the smallest shape the expression is expanded and compiled as C. Times
are divided by PyTorch's. "first" is a fresh process from nothing to the first gradients of the second shape, in seconds:
imports, derivation, generated code, its compilation (nothing kept from before), one call.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

SHAPES = ("1,1,3,3", "50,1,32,32", "100,32,64,128", "100,64,256,512")
DTYPES = ("float32", "float64")
GATES = "ifog"
MODES = ("NUMBA", "CVM")  # of PyTensor
LARGEST = {"CasADi": 10**7}  # products of numbers in all steps; of more a call takes a quarter of a minute and longer
STRAIGHT = 16  # up to so many numbers in a state CasADi's expressions are expanded

Passes = Callable[[], Any]


def stacked(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the four gates side by side, as people keep them: W, U and b."""
    import numpy as np

    return {family: np.concatenate([params[f"{family}_{gate}"] for gate in GATES]).T for family in "WUb"}


def point(shape: str, dtype: str) -> tuple[dict[str, Any], Any, Any]:
    """Parameters, inputs, and the gradient of the loss by the outputs."""
    import numpy as np

    T, B, m, n = map(int, shape.split(","))
    generator = np.random.default_rng(0)

    def normal(*size: int) -> Any:
        return generator.standard_normal(size).astype(dtype)
    sizes = {"W": (n, m), "U": (n, n), "b": (n,)}
    params = {f"{family}_{gate}": normal(*size) / np.sqrt(n).astype(dtype) for family, size in sizes.items() for gate in GATES}
    return params, normal(T, B, m), normal(T, B, n)


def symlstm(params: Mapping[str, Any], x: Any, d_outputs: Any) -> Passes:
    """Ours: weights stacked once, and a workspace."""
    import symlstm as sl

    T, B, m = x.shape
    function = sl.lambdify(sl.cell("lstm"))
    weights, workspace = function.prepare(params), function.workspace(T, B, m, d_outputs.shape[-1], dtype=x.dtype)
    return lambda: function.backward(function.forward(weights, x, workspace=workspace), d_outputs).inputs


def pytorch(params: Mapping[str, Any], x: Any, d_outputs: Any) -> Passes:
    """`torch.nn.LSTM`, with autograd."""
    import peers

    import symlstm as sl

    passes = peers.pytorch(sl.cell("lstm"), params, x, d_outputs)
    assert passes is not None
    return passes


def pytensor(params: Mapping[str, Any], x: Any, d_outputs: Any, mode: str) -> Passes:
    """A scan of PyTensor; its function is compiled once for all shapes."""
    import numpy as np

    function = scanned(str(x.dtype), mode)
    given = (*stacked(params).values(), x, d_outputs, np.zeros(d_outputs.shape[1:], x.dtype))
    return lambda: function(*given)[0]


@cache
def scanned(dtype: str, mode: str) -> Callable[..., Any]:
    """The gradients by x, W, U and b, as a compiled function."""
    import pytensor as library
    import pytensor.tensor as pt

    kinds = {"W": 2, "U": 2, "b": 1, "x": 3, "d": 3, "start": 2}
    symbols = [pt.tensor(name, dtype=dtype, shape=(None,) * axes) for name, axes in kinds.items()]
    W, U, b, inputs, ends, start = symbols

    def step(z: Any, h: Any, c: Any, U: Any) -> Any:
        n = h.shape[1]
        z = z + h @ U
        i, f, o, g = (z[:, k * n:(k + 1) * n] for k in range(4))
        c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(c), c
    h, _ = library.scan(
        step, sequences=[inputs @ W + b], outputs_info=[start, start], non_sequences=[U], return_updates=False)
    slopes = library.grad((h * ends).sum(), [inputs, W, U, b])
    function = library.function(symbols, slopes, mode=mode)
    function.trust_input = True
    return function


def casadi(params: Mapping[str, Any], x: Any, d_outputs: Any) -> Passes:
    """A map of CasADi over the steps; columns are sequences. It computes in float64 alone."""
    import casadi as library
    import numpy as np

    (T, B, m), n = x.shape, d_outputs.shape[-1]
    given = {name: np.ascontiguousarray(array.T) if array.ndim > 1 else array for name, array in stacked(params).items()}
    straight = n * B <= STRAIGHT
    kind = library.SX if straight else library.MX
    before, z, U = kind.sym("hc", 2 * n, B), kind.sym("z", 4 * n, B), kind.sym("U", 4 * n, n)
    h, c = library.vertsplit(before, n)
    i, f, o, g = library.vertsplit(z + U @ h, n)

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + library.exp(-z))
    c_next = sigmoid(f) * c + sigmoid(i) * library.tanh(g)
    state = library.vertcat(sigmoid(o) * library.tanh(c_next), c_next)
    run = library.Function("step", [before, z, U], [state]).mapaccum(T)
    sizes = {"x": (m, B * T), "d": (n, B * T), "W": (4 * n, m), "U": (4 * n, n), "b": (4 * n, 1)}
    X, ends, W, U, b = symbols = [library.MX.sym(name, *size) for name, size in sizes.items()]
    outputs = run(np.zeros((2 * n, B)), W @ X + library.repmat(b, 1, B * T), library.repmat(U, 1, T))[:n, :]
    slopes = [library.gradient(library.dot(outputs, ends), each) for each in (X, W, U, b)]
    function = library.Function("passes", symbols, slopes)
    if straight:
        compiled = {"jit": True, "compiler": "shell", "jit_options": {"flags": ["-O2"], "verbose": False}}
        numbers = function.expand().sx_in()
        function = library.Function("passes", numbers, function.expand().call(numbers), compiled)
    columns = [each.transpose(2, 0, 1).reshape(each.shape[-1], T * B) for each in (x, d_outputs)]
    values = [np.array(each.T, float, order="C") for each in (*columns, *given.values())]  # by columns, as CasADi has them
    results = [np.empty((T * B, m)), *(np.empty_like(each) for each in values[2:])]
    buffers, evaluate = function.buffer()
    for k, value in enumerate(values):
        buffers.set_arg(k, memoryview(value))
    for k, value in enumerate(results):
        buffers.set_res(k, memoryview(value))

    def passes(held: tuple[Any, ...] = (function, buffers, values)) -> Any:  # the buffers do not keep what they point to
        evaluate()
        return results[0].reshape(T, B, m)
    return passes


PEERS: dict[str, Callable[..., Passes]] = {
    "symlstm": symlstm,
    "PyTorch": pytorch,
    **{f"PyTensor {mode}": lambda *given, mode=mode: pytensor(*given, mode) for mode in MODES},
    "CasADi": casadi,
}


def first(name: str, shape: str, dtype: str) -> float:
    """The seconds of a fresh process from its start to the first gradients, with nothing kept from before."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "SYMLSTM_CACHE": "0", "PYTENSOR_FLAGS": f"base_compiledir={folder}", "NUMBA_CACHE_DIR": folder}
        start = perf_counter()
        subprocess.run([sys.executable, __file__, "--first", name, "--shapes", shape, "--dtypes", dtype], cwd=folder,
                       env=environment, check=True, capture_output=True)
        return perf_counter() - start


def candidates(shape: str, dtype: str) -> dict[str, Passes]:
    """The same work by all that can do it in minutes; they agree, or this raises."""
    import numpy as np

    given, found, near = point(shape, dtype), dict[str, Passes](), 1e-3 if dtype == "float32" else 1e-9
    T, B, m, n = map(int, shape.split(","))
    for name, made in PEERS.items():
        if T * B * n * (m + n) > LARGEST.get(name, float("inf")):
            continue
        found[name] = made(*given)
        np.testing.assert_allclose(np.asarray(found[name]()), np.asarray(found["symlstm"]()), rtol=1e-3, atol=near, err_msg=name)
    return found


def main() -> None:
    """Print the table."""
    from timing import arguments

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="T,B,m,n")
    parser.add_argument("--first", choices=PEERS, help="one call of one of them, and no table")
    options = arguments(parser)
    if options.first:
        PEERS[options.first](*point(options.shapes[0], options.dtypes[0]))()
        return

    from timing import side_by_side, surroundings, table

    for name in [name for name, needs in NEEDS.items() if not _installed(needs)]:
        print(f"{name} is left out: pip install {NEEDS[name]}", file=sys.stderr)
        del PEERS[name]
    rows = []
    for shape in options.shapes:
        for dtype in options.dtypes:
            timing = side_by_side(candidates(shape, dtype), seconds=options.seconds, least=3, clock=options.clock)
            ratios = {name: f"{timing.ratio(name, 'PyTorch'):.3g}" for name in timing.seconds}
            rows.append((shape, dtype, *(ratios.get(name, "-") for name in PEERS)))
            print(*rows[-1], file=sys.stderr, flush=True)  # a row may take minutes
    rows.append(("first", "float64", *(f"{first(name, SHAPES[1], 'float64'):.1f} s" for name in PEERS)))
    modules = [sys.modules[name] for name in ("numpy", "torch", "pytensor", "casadi") if name in sys.modules]
    print(f"The LSTM: {surroundings(*modules)}; times over PyTorch's\n")
    print(table(("T, B, m, n", "dtype", *PEERS), rows))


NEEDS = {name: name.split()[0].lower() for name in PEERS if name not in ("symlstm", "PyTorch")}


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
