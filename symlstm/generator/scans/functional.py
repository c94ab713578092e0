"""Any cell for any target: quantities that are numbers, vectors or matrices, several inputs, any term that has a rule.

The code follows the equations one by one. What needs nothing of the step before is done for all steps at once, before the
loop; what no other step needs, after it. The loop is a function of one step, without assignment into arrays, which the
target's `scan` runs: inside that function a name is a quantity at one step, outside it at all steps. The backward pass is
the adjoint equations of the reverse sweep, arranged in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symlstm.algebra import Adj, Blocks, Rows, Sym, Term, plain, walk
from symlstm.generator.rewrites.hoisting import hoisted
from symlstm.generator.rewrites.stacking import Stacked, stacked
from symlstm.generator.scans.frame import Frame
from symlstm.generator.scans.passes import Backward, Forward
from symlstm.generator.scans.shares import of_parameters
from symlstm.generator.targets import NUMPY, Target
from symlstm.generator.units import Unit
from symlstm.generator.wrapping import as_tuple, indented

FUNCTIONS = '''def {prepare}(params):
    """The parameters as both passes read them; `{ahead}` takes the result in place of `params`."""
{prepared}


{workspace}{above}def {ahead}(params, x, state=None{takes_workspace}):
    """Run the cell over {x_words}.

    It starts in the state {states}, in zero if that is None.
    """
{forward}
    outputs = {outputs}
    state = (
{last}
    )
{kept}
    return Trace(outputs, state, kept, (tuple(batch), {sizes}))


{above_back}def {back}(trace, d_outputs, d_state=None, truncate=None{into}):
    """All gradients of a loss, from its gradient with respect to the outputs and, if not None, to the last state.

    With `truncate`, nothing arrives from the step after where a stretch of so many steps ends.{into_words}
    """
{backward}
    d_state = (
{first}
    )
    return Gradients(d_params, {d_inputs}, d_state)
'''
WORKSPACE = ", workspace=None"
NO_WORKSPACE = '''def {workspace}(T, B, dtype, /, **sizes):
    """Nothing: all arrays are made anew for each run."""


'''
INTO = """
    Of a longer run, `into` are the gradients of the steps after these, to which those of the parameters are added, and `since`
    is how many steps came before."""


def functional(unit: Unit, target: Target = NUMPY) -> str:
    """The functions of a unit. Raises `NotSupported` for what has no form in code, naming the equation.

    >>> from symlstm import zoo
    >>> "C = f[..., None] * C_prev" in functional(Unit.of(zoo.ZOO["mlstm"]))
    True
    """
    stack = stacked(unit.cell)
    frame = Frame(replace(unit, cell=hoisted(stack.cell)), target, unit.cell)
    ahead = Forward(frame)
    back = Backward(frame, ahead, stack)
    inputs = [f"{frame.adjoint(symbol)}.reshape({frame.user(symbol, 'T')})" for symbol in frame.inputs]
    outputs = [target.given.format(f"{frame.name(output)}.reshape({frame.user(output, 'T')})") for output in unit.outputs]
    last = (target.given.format(f"{ahead.last(state)}.reshape({frame.user(state)})") + "," for state in unit.seen)
    first = (target.given.format(f"{back.first(state)}.reshape({frame.user(state)})") + "," for state in unit.seen)
    sizes = ", ".join(("T", "B", *frame.sizes, *["named"] * (not frame.single)))
    weights, kept = as_tuple(map(frame.name, frame.parameters)), as_tuple(back.kept())
    prepared = [*_prepared(frame, stack), f"return Weights(dict(params), {weights})"]
    forward = [f"weights = params if isinstance(params, Weights) else {unit.name('prepare')}(params)", *frame.taken(frame.sizes),
               f"{weights} = weights.arrays", *ahead.lines(back.wanted())]
    backward = [f"batch, {sizes} = trace.sizes", f"{kept} = trace.kept", *back.lines()]
    if not frame.single:
        pairs = (f'    "{symbol.name}": {text},' for symbol, text in zip(frame.inputs, inputs, strict=True))
        backward += ["d_x = {", *pairs, "}", "d_x = d_x if named else tuple(d_x.values())"]
    return FUNCTIONS.format(
        prepare=unit.name("prepare"), ahead=unit.name("forward"), back=unit.name("backward"),
        workspace=NO_WORKSPACE.format(workspace=unit.name("workspace")) * target.stretches,
        takes_workspace=WORKSPACE * target.stretches, above=target.ahead, above_back=target.back, prepared=indented(prepared),
        x_words=frame.words(), states=as_tuple(state.name for state in unit.seen), forward=indented(forward),
        outputs=outputs[0] if len(outputs) == 1 else as_tuple(outputs), last=indented(last, 2),
        kept=indented([f"kept = {kept}"]), sizes=sizes,
        into=", into=None, since=0" * target.stretches, into_words=INTO * target.stretches, backward=indented(backward),
        first=indented(first, 2), d_inputs=inputs[0] if frame.single else "d_x")


def _prepared(frame: Frame, stack: Stacked) -> Iterator[str]:
    """The lines that make the parameters of the code from those that a caller gives."""
    wanted = {size.name for node in stack.made.values() for part in walk(node) if isinstance(part, Rows)
              for end in (part.start, part.stop) for size in walk(end) if isinstance(size, Sym)}
    yield from frame.prepared_sizes(wanted)
    for symbol in frame.parameters:
        node = stack.made[symbol]
        if node == symbol:
            yield frame.owned(symbol)
        else:
            text = _parameters(frame, stack, node)
            yield f"# {symbol.name} = {plain(node)}"
            yield f"{frame.name(symbol)} = {text if isinstance(node, Blocks) else frame.target.own.format(text)}"


def _parameters(frame: Frame, stack: Stacked, node: Term) -> str:
    """A term of the given parameters."""
    def leaf(of: Sym | Adj) -> str:
        assert isinstance(of, Sym)
        return frame.target.taken.format(f'params["{of.name}"]')

    return of_parameters(frame, frame.given_cell.shapes, node, leaf)
