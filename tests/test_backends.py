"""Back ends: all give the numbers and gradients of NumPy, and what a framework differentiates is the derived backward pass."""

from __future__ import annotations

import os
import subprocess
import sys
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import symlstm as sl
from symlstm import cli, functions, zoo
from symlstm.algebra import NotSupported, NotValid
from symlstm.backends import FUNCTIONS, BackendFunction, _mapped
from tests.problems import Problem
from tests.test_functions import CELLS

Array = Any
WIDE = {"jax": "float64", "torch": "float64", "mpmath": "object"}
# beside the zoo: several inputs, numbers and matrices, a state from the step after, parts that read each other, networks
MORE = ("two-inputs", "matrix-input", "number-first", "row", "four-blocks", "on-its-own", "read-a-step-off", "the-other-way",
        "rnn-2-layers-bidirectional-softmax", "mlstm-1-layer-bidirectional")
pytestmark = pytest.mark.oracle


@pytest.fixture(autouse=True)
def _sixty_four_bits() -> Any:
    import jax

    with jax.enable_x64(True):
        yield


@cache
def function(name: str, backend: str) -> Any:
    return sl.lambdify(CELLS[name], backend=backend)


def changed(backend: str, cell: Any, old: str, new: str) -> BackendFunction:
    """The function with another source."""
    source = functions.source_of(cell, backend)
    assert old in source
    source = source.replace(old, new)
    load = partial(functions._run, source, compile(source, "changed", "exec"), "changed")
    return FUNCTIONS[backend](cell, source, load)


def given(backend: str, values: Any) -> Any:
    """Arrays of the back end."""
    if backend == "mpmath":
        return values
    if backend == "jax":
        import jax.numpy as jnp

        return _mapped(jnp.asarray, values)
    import torch

    return _mapped(lambda array: torch.tensor(np.asarray(array)), values)


def numbers(values: Any) -> Any:
    """Arrays of NumPy."""
    return _mapped(lambda array: np.asarray(array.detach() if hasattr(array, "detach") else array).astype(float), values)


def passes(found: Any, problem: Problem, backend: str = "numpy", **more: Any) -> dict[Any, Array]:
    """All that both passes give."""
    params, x, state, d_outputs, d_state = (
        given(backend, part) if backend != "numpy" else part
        for part in (problem.params, problem.x, problem.state, problem.d_outputs, problem.d_state))
    trace = found.forward(params, x, state)
    back = found.backward(trace, d_outputs, d_state, **more)
    gradients = problem.gradients(SimpleNamespace(params=numbers(back.params), inputs=numbers(back.inputs), state=numbers(back.state)))
    return {"outputs": numbers(trace.outputs), **{("last", k): part for k, part in enumerate(numbers(trace.state))}, **gradients}


def agree(one: dict[Any, Array], other: dict[Any, Array], tolerance: float) -> None:
    assert one.keys() == other.keys()  # JAX sorts dictionaries
    for key, value in one.items():
        assert value.shape == other[key].shape, key
        scale = max(np.abs(other[key]).max(initial=0), 1e-3)
        assert np.abs(value - other[key]).max(initial=0) <= tolerance * scale, key


# --- the law -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", WIDE)
@pytest.mark.parametrize("name", (*zoo.ZOO, *MORE))
def test_all_back_ends_agree(name: str, backend: str) -> None:
    """Outputs, states and every gradient, of a batch and of one sequence (in JAX, which compiles for each, for some cells)."""
    problem = Problem(CELLS[name], T=4, B=2)
    for each in (problem, problem.alone(1))[:1 if backend == "jax" and name in zoo.ZOO else 2]:
        agree(passes(function(name, backend), each, backend), passes(function(name, "numpy"), each), 1e-12)


@pytest.mark.parametrize("backend", WIDE)
@pytest.mark.parametrize(("name", "old", "new"), [
    ("lstm", "d_c * i", "d_c * g"), ("mlstm", "d_C = d_C + ", "d_C = "), ("read-a-step-off", "[1:]", "[:-1]")])
def test_a_mutant_is_seen(backend: str, name: str, old: str, new: str) -> None:
    problem = Problem(CELLS[name], T=4, B=2)
    with pytest.raises(AssertionError):
        found = changed(backend, CELLS[name], old, new)
        agree(passes(found, problem, backend), passes(function(name, "numpy"), problem), 1e-12)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_float32_stays_float32(backend: str) -> None:
    problem = Problem(zoo.ZOO["mlstm"], T=3, B=2)
    found = function("mlstm", backend)
    params, x, d = (given(backend, _mapped(lambda array: array.astype("float32"), part))
                    for part in (problem.params, problem.x, problem.d_outputs))
    trace = found.forward(params, x)
    back = found.backward(trace, d)
    for array in (trace.outputs, *trace.state, *back.params.values(), back.inputs, *back.state):
        assert str(array.dtype).endswith("float32")


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_tensor_code_of_a_module_runs_as_it_stands(backend: str) -> None:
    """As for tensors on another device than the CPU."""
    cell = sl.stack("gru", 1, bidirectional=True)
    problem, module = Problem(cell, T=4, B=2), functions._module_of(cell, backend, "fast")[1]()
    agree(passes(SimpleNamespace(**module), problem, backend), passes(sl.lambdify(cell), problem), 1e-12)


# --- truncated ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", WIDE)
@pytest.mark.parametrize("name", ["lstm", "mlstm", "number-first"])
def test_truncated_is_stretch_by_stretch(backend: str, name: str) -> None:
    """Each stretch runs from the state that the one before ended in, and hands no adjoint back."""
    problem, found = Problem(CELLS[name], T=5, B=2), function(name, "numpy")
    whole = passes(function(name, backend), problem, backend, truncate=2)
    state, total = problem.state, dict.fromkeys(problem.params, 0.0)
    for first in (0, 2, 4):
        now = slice(first, first + 2)
        trace = found.forward(problem.params, problem.x[now], state)
        back = found.backward(trace, problem.d_outputs[now], problem.d_state if first == 4 else None)
        total = {key: total[key] + back.params[key] for key in total}
        np.testing.assert_allclose(whole["input", "x"][now], back.inputs, rtol=1e-9, atol=1e-12)
        if first == 0:
            for k, part in enumerate(back.state):
                np.testing.assert_allclose(whole[k], part, rtol=1e-9, atol=1e-12)
        state = trace.state
    for key, value in total.items():
        np.testing.assert_allclose(whole[key], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("backend", WIDE)
def test_truncated_to_everything_is_not_truncated(backend: str) -> None:
    """Of a cell whose parts read each other's states a step off."""
    problem = Problem(CELLS["read-a-step-off"], T=4, B=2)
    found = function("read-a-step-off", backend)
    plain = passes(found, problem, backend)
    agree(passes(found, problem, backend, truncate=4), plain, 1e-13)
    cut = passes(found, problem, backend, truncate=2)
    assert any(np.abs(cut[key] - plain[key]).max() > 1e-3 for key in problem.params)


# --- JAX --------------------------------------------------------------------------------------------------------------------


def loss_of(found: Any, problem: Problem) -> Any:
    """A loss whose gradients are those of the problem."""
    d_outputs, d_state = given("jax", problem.d_outputs), given("jax", problem.d_state)

    def loss(params: Any, x: Any, state: Any) -> Any:
        outputs, last = found(params, x, state)
        return (outputs * d_outputs).sum() + sum((part * d).sum() for part, d in zip(last, d_state, strict=True))

    return loss


@pytest.mark.parametrize("name", ["lstm", "mlstm", "two-inputs", "gru-minlstm-bidirectional-sigmoid"])
def test_jax_differentiates_a_pure_function(name: str) -> None:
    import jax

    problem, found = Problem(CELLS[name], T=4, B=2), function(name, "jax")
    expected = passes(function(name, "numpy"), problem)
    params, x, state = (given("jax", part) for part in (problem.params, problem.x, problem.state))
    for transform in (lambda f: f, jax.jit):
        d_params, d_x, d_state = transform(jax.grad(loss_of(found, problem), (0, 1, 2)))(params, x, state)
        gradients = problem.gradients(SimpleNamespace(params=numbers(d_params), inputs=numbers(d_x), state=numbers(d_state)))
        agree(gradients, {key: expected[key] for key in gradients}, 1e-11)
    outputs, _ = jax.jit(found)(params, x, state)
    np.testing.assert_allclose(outputs, expected["outputs"], rtol=1e-12)


def test_jax_takes_a_batch_by_vmap_and_starts_from_zero() -> None:
    import jax

    problem, found = Problem(zoo.LSTM, T=4, B=3), function("lstm", "jax")
    params, x = given("jax", problem.params), given("jax", problem.x)
    outputs, _ = found(params, x)
    np.testing.assert_allclose(jax.vmap(lambda one: found(params, one)[0], 1, 1)(x), outputs, rtol=1e-13)
    slope = jax.grad(lambda params: found(params, x)[0].sum())(params)
    each = jax.vmap(jax.grad(lambda params, one: found(params, one)[0].sum()), (None, 1))(params, x)
    np.testing.assert_allclose(each["U_f"].sum(0), slope["U_f"], rtol=1e-11)
    both = jax.jit(lambda params, x, d: found.backward(found.forward(params, x), d).params)
    np.testing.assert_allclose(both(params, x, np.ones((4, 3, 3)))["U_f"], slope["U_f"], rtol=1e-11)


def test_the_gradient_in_jax_is_ours() -> None:
    """Another backward pass gives another gradient."""
    import jax

    problem = Problem(zoo.LSTM, T=4, B=2)
    given_ = tuple(given("jax", part) for part in (problem.params, problem.x, problem.state))
    right, wrong = (jax.grad(loss_of(found, problem))(*given_) for found in (
        function("lstm", "jax"), changed("jax", zoo.LSTM, "d_g = d_c * i", "d_g = 2 * d_c * i")))
    assert np.abs(right["W_g"] - wrong["W_g"]).max() > 1e-3


def test_a_second_derivative_is_that_of_the_equations() -> None:
    import jax
    import jax.numpy as jnp

    problem, found = Problem(zoo.RNN, T=3, B=2), function("rnn", "jax")
    params, x = given("jax", problem.params), given("jax", problem.x)

    def by_hand(x: Any) -> Any:
        step = lambda h, x: 2 * (jnp.tanh(x @ params["W"].T + h @ params["U"].T + params["b"]),)
        return jax.lax.scan(step, jnp.zeros((2, 3)), x)[1]

    ours, theirs = (jax.hessian(lambda x, run=run: (run(x) ** 2).sum())(x) for run in (lambda x: found(params, x)[0], by_hand))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


SHARDED = """
import jax, numpy as np, symlstm as sl
from jax.sharding import Mesh, NamedSharding, PartitionSpec
cell = sl.cell("lstm")
f, params = sl.lambdify(cell, backend="jax"), sl.random_parameters(cell, n=8, m=4, dtype="float32")
x = np.random.default_rng(0).standard_normal((6, 16, 4)).astype("float32")
loss = jax.jit(jax.value_and_grad(lambda params, x: (f(params, x)[0] ** 2).mean()))
one = loss(params, x)
mesh = Mesh(np.array(jax.devices()), ("batch",))
assert mesh.size == 8
over_batch, everywhere = NamedSharding(mesh, PartitionSpec(None, "batch")), NamedSharding(mesh, PartitionSpec())
many = loss(jax.device_put(params, everywhere), jax.device_put(x, over_batch))
np.testing.assert_allclose(many[0], one[0], rtol=1e-5)
for name in params:
    np.testing.assert_allclose(many[1][name], one[1][name], rtol=1e-3, atol=1e-6)
outputs, _ = jax.jit(f)(params, jax.device_put(x, over_batch))
assert len({shard.device for shard in outputs.addressable_shards}) == 8
assert outputs.addressable_shards[0].data.shape == (6, 2, 8), outputs.addressable_shards[0].data.shape
"""


def test_a_batch_lies_on_eight_devices() -> None:
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SHARDED], cwd=Path(__file__).parent.parent, capture_output=True, text=True,
                          env={**os.environ, **environment}, check=False)
    assert done.returncode == 0, done.stderr


# --- PyTorch -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm", "mlstm", "two-inputs", "gru-minlstm-bidirectional-sigmoid"])
def test_gradcheck(name: str) -> None:
    import torch

    problem, found = Problem(CELLS[name], T=3, B=2), function(name, "torch")
    names, inputs = list(problem.params), list(problem.inputs)

    def flat(*tensors: Any) -> Any:
        params, rest = dict(zip(names, tensors, strict=False)), tensors[len(names):]
        x = rest[0] if len(inputs) == 1 else dict(reversed([*zip(inputs, rest, strict=False)]))  # by name, in any order
        outputs, last = found(params, x, rest[len(inputs):])
        return (outputs, *last)

    tensors = [torch.tensor(np.asarray(value), requires_grad=True)
               for value in (*problem.params.values(), *problem.inputs.values(), *problem.state)]
    assert torch.autograd.gradcheck(flat, tensors)


def test_the_gradient_in_torch_is_ours() -> None:
    problem = Problem(zoo.LSTM, T=4, B=2)
    slopes = []
    for found in (function("lstm", "torch"), changed("torch", zoo.LSTM, "d_g = d_c * i", "d_g = 2 * d_c * i")):
        params = {name: value.requires_grad_() for name, value in given("torch", problem.params).items()}
        found(params, given("torch", problem.x))[0].sum().backward()
        slopes.append(params["W_g"].grad)
    assert (slopes[0] - slopes[1]).abs().max() > 1e-3


def test_a_module_trains() -> None:
    """To say a moment later what it saw: the loss falls to a tenth."""
    import torch

    module = sl.lambdify(sl.cell("gru"), backend="torch").module(m=1, n=16)
    assert [name for name, _ in module.named_parameters()] == [symbol.name for symbol in sl.cell("gru").parameter_terms]
    x = torch.randn((12, 32, 1), generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    losses = []
    for _ in range(120):
        outputs, _ = module(x)
        loss = ((outputs[1:, :, :1] - torch.tanh(x[:-1])) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10
    other = deepcopy(module).double()
    assert other(x.double())[0].dtype == torch.float64 and next(module.parameters()).dtype == torch.float32


def test_parameters_may_change_after_the_forward_pass() -> None:
    """What a trace keeps is its own, in tensors too."""
    import torch

    problem = Problem(zoo.LSTM, T=4, B=2)
    for run in (function("lstm", "torch"), SimpleNamespace(**functions._module_of(zoo.LSTM, "torch", "fast")[1]())):
        params, x, d = (given("torch", part) for part in (problem.params, problem.x, problem.d_outputs))
        before = run.backward(run.forward(params, x), d)
        trace = run.forward(params, x)
        with torch.no_grad():
            for tensor in (*params.values(), x, trace.outputs):
                tensor.mul_(-3.0)
        after = run.backward(trace, d)
        for name, value in before.params.items():
            torch.testing.assert_close(after.params[name], value, rtol=0, atol=0)


# --- mpmath --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm", "slstm", "lstm-layernorm"])
def test_as_many_digits_as_one_asks_for(name: str) -> None:
    import mpmath

    problem, found = Problem(zoo.ZOO[name], T=2, B=1, n=3, m=2), function(name, "mpmath")
    digits = {}
    for count in (30, 50, 70):
        with mpmath.workdps(count):
            trace = found.forward(problem.params, problem.x, problem.state)
            back = found.backward(trace, problem.d_outputs, problem.d_state)
            digits[count] = [*trace.outputs.flat, *(value for array in back.params.values() for value in array.flat)]
    with mpmath.workdps(70):
        for count, worst in ((30, 1e-26), (50, 1e-46)):
            errors = [abs(one - other) for one, other in zip(digits[count], digits[70], strict=True)]
            assert 0 < max(errors) < worst * max(map(abs, digits[70]))


# --- messages and modules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", WIDE)
def test_what_cannot_be_is_told_as_for_numpy(backend: str) -> None:
    problem, found = Problem(zoo.LSTM, T=4, B=2), function("lstm", backend)
    params, x = given(backend, problem.params), given(backend, problem.x)
    trace = found.forward(params, x)
    calls = {
        "W_f has the shape (2, 3)": lambda: found.forward({**params, "W_f": params["W_f"].T}, x),
        "no parameter 'W_z'": lambda: found.forward({**params, "W_z": x}, x),
        "b_o is missing": lambda: found.forward({name: value for name, value in params.items() if name != "b_o"}, x),
        "x has the shape (4, 2, 1)": lambda: found.forward(params, x[..., :1]),
        "tuple (h, c)": lambda: found.forward(params, x, x),
        "the state c": lambda: found.forward(params, x, (trace.state[0], x[0])),
        "d_outputs has the shape": lambda: found.backward(trace, x[:2]),
        "not one of this function's": lambda: found.backward(problem, x),
    }
    for words, call in calls.items():
        with pytest.raises(NotValid) as caught:
            call()
        assert words in str(caught.value)


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symlstm.backends.find_spec", lambda name: None)
    for backend in WIDE:
        with pytest.raises(NotSupported, match=rf"pip install 'symlstm\[{backend}\]'"):
            sl.lambdify(zoo.LSTM, backend=backend)


@pytest.mark.parametrize(("backend", "imports"), [
    ("jax", {"from functools import partial", "import jax", "import jax.numpy as jnp"}), ("torch", {"import torch"}),
    ("mpmath", {"import mpmath", "import numpy as np"})])
def test_a_written_module_stands_alone(backend: str, imports: set[str], tmp_path: Path) -> None:
    file = tmp_path / "written.py"
    answer = CliRunner().invoke(cli.app, ["codegen", "lstm", "--layers", "2", "--bidirectional", "--backend", backend, "-o", str(file)])
    assert answer.exit_code == 0
    source = file.read_text(encoding="utf-8")
    assert {line for line in source.splitlines() if line.startswith(("import ", "from "))} == imports
    assert max(len(line) for line in source.partition("import ")[2].splitlines() if "#" not in line) <= 140
    code = "import sys; sys.modules['symlstm'] = sys.modules['sympy'] = None; import written; print(written.forward.__doc__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "(T, B, m)" in done.stdout
