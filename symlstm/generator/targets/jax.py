"""JAX as a target: pure functions, and one that JAX differentiates by our backward pass."""

from __future__ import annotations

from symlstm.generator.targets.target import Target

CLASSES = '''jax.tree_util.register_dataclass(Trace, ["outputs", "state", "kept"], ["sizes"])
jax.tree_util.register_dataclass(Gradients, ["params", "inputs", "state"], [])
jax.tree_util.register_dataclass(Weights, ["params", "arrays"], [])
'''

REST = '''@jax.custom_vjp
def run(params, x, state=None):
    """The outputs and the last state. Its derivative, for `jax.grad` and the like, is `backward`."""
    trace = forward(params, x, state)
    return trace.outputs, trace.state


def run_forward(params, x, state):
    trace = forward(params, x, state)
    return (trace.outputs, trace.state), (trace, state)


def run_backward(kept, given):
    trace, state = kept
    found = backward(trace, *given)
    return found.params, found.inputs, None if state is None else found.state


run.defvjp(run_forward, run_backward)
'''

JAX = Target(
    name="jax",
    title="JAX",
    alias="jnp",
    imports="from functools import partial\n\nimport jax\nimport jax.numpy as jnp",
    functions={},
    made={
        "steps": "jnp.arange({size})",
        "ones": "jnp.ones({size}, {like}.dtype)",
        "eye": "jnp.eye({size}, dtype={like}.dtype)",
        "zeros": "jnp.zeros(({size}), {like}.dtype)",
        "size": "{like}.dtype.type({size})  # the size as a number",
        "dtype": "{like}.dtype.type",
        "largest": "jnp.finfo({like}.dtype).max  # an exponential that is too large for the dtype is its largest number",
    },
    helpers={"scan": "scan = jax.lax.scan\n"},
    own="jnp.asarray({})",
    shifted="{both}",
    steps="jnp.arange(1, T + 1)",
    kept_if="jnp.where(arrives, {}, 0)",
    ahead="@jax.jit\n",
    back='@partial(jax.jit, static_argnames="truncate")\n',
    classes=CLASSES,
    rest=REST,
    names=frozenset({"jax", "jnp", "partial", "run", "run_forward", "run_backward"}),
)
