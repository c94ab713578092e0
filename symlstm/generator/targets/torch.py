"""PyTorch as a target: an `autograd.Function` whose backward pass is ours, and an `nn.Module` around it."""

from __future__ import annotations

from symlstm.generator.targets.target import Target

SCAN = '''def scan(step, carry, rows, T, reverse=False):
    """What a step hands on after T steps, and what the steps gave, one below the other; each step takes one of the rows."""
    found = []
    rows = tuple(row.unbind() if isinstance(row, torch.Tensor) else row for row in rows)
    for t in range(T - 1, -1, -1) if reverse else range(T):
        carry, given = step(carry, tuple(row[t] for row in rows))
        found.append(given)
    return carry, tuple(map(torch.stack, zip(*(found[::-1] if reverse else found))))
'''

REST = '''class Run(torch.autograd.Function):
    """Both passes as one function of tensors; `form` says which they are: names of parameters, names or number of inputs."""

    @staticmethod
    def forward(ctx, form, *tensors):
        params, x, state = gathered(form, tensors)
        trace = forward(params, x, state)
        ctx.form, ctx.trace = form, Trace(trace.outputs.detach(), (), trace.kept, trace.sizes)
        return (trace.outputs, *trace.state)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_outputs, *d_state):
        found = backward(ctx.trace, d_outputs, d_state)
        names, inputs_of, started = ctx.form
        inputs = (found.inputs,) if inputs_of is None else [found.inputs[name] for name in inputs_of]
        return (None, *(found.params[name] for name in names), *inputs, *(found.state if started else ()))


def gathered(form, tensors):
    """The parameters by name, the inputs and the state, from tensors in a row."""
    names, inputs_of, started = form
    count = 1 if inputs_of is None else len(inputs_of)
    params, rest = dict(zip(names, tensors)), tensors[len(names):]
    named = isinstance(inputs_of, tuple)
    x = rest[0] if inputs_of is None else dict(zip(inputs_of, rest)) if named else tuple(rest[:count])
    return params, x, tuple(rest[count:]) if started else None


def run(params, x, state=None):
    """The outputs and the last state. PyTorch differentiates it by `backward`."""
    inputs_of = tuple(x) if isinstance(x, dict) else range(len(x)) if isinstance(x, (tuple, list)) else None
    inputs = (x,) if inputs_of is None else tuple(x.values()) if isinstance(x, dict) else tuple(x)
    form = tuple(params), inputs_of, state is not None
    outputs, *last = Run.apply(form, *params.values(), *inputs, *(state or ()))
    return outputs, tuple(last)


class Module(torch.nn.Module):
    """The cell as a module; its parameters have the names of the cell's."""

    def __init__(self, params):
        super().__init__()
        for name, value in params.items():
            self.register_parameter(name, torch.nn.Parameter(torch.as_tensor(value)))

    def forward(self, x, state=None):
        """The outputs and the last state."""
        return run(dict(self.named_parameters()), x, state)
'''

TORCH = Target(
    name="torch",
    title="PyTorch",
    alias="torch",
    imports="import torch",
    functions={"maximum": "torch.clamp({0}, min={1})", "minimum": "torch.clamp({0}, max={1})", "max": "torch.amax"},
    made={
        "steps": "torch.arange({size}, device={like}.device)",
        "ones": "{like}.new_ones({size})",
        "eye": "torch.eye({size}, dtype={like}.dtype, device={like}.device)",
        "zeros": "{like}.new_zeros(({size}))",
        "size": "{like}.new_tensor({size})  # the size as a number",
        "dtype": "{like}.new_tensor",
        "largest": "torch.finfo({like}.dtype).max  # an exponential that is too large for the dtype is its largest number",
    },
    helpers={"scan": SCAN},
    own="{}.clone()",
    given="{}.clone()",
    turned="{}.flip(0)",
    ahead="@torch.no_grad()\n",
    back="@torch.no_grad()\n",
    rest=REST,
    names=frozenset({"torch", "Run", "Module", "run", "gathered"}),
)
