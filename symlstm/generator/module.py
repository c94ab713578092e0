"""A cell as the source of a NumPy module: `forward` and `backward` over a sequence, as one would write them by hand.

What is known before the loop is computed before it, for all steps at once: the input's part of every affine map, and
in the backward pass every factor that does not depend on an adjoint. The loop holds one matrix product a block and
step, and elementwise work in place; the gradients of the weights are one matrix product each, after the loop.
Columns are carried to rows by `symlstm.generator.rows`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill

from symlstm.activations import STAND_INS
from symlstm.algebra import Apply, NotSupported, Partial, Sym, plain, walk
from symlstm.generator.assembly import Assembly
from symlstm.generator.backward import Backward
from symlstm.generator.forms import alone
from symlstm.generator.forward import Forward
from symlstm.generator.frame import as_tuple
from symlstm.generator.functional import functional
from symlstm.generator.layout import Layout
from symlstm.generator.lengths import size_text
from symlstm.generator.program import Program
from symlstm.generator.targets import NUMBA, NUMPY, Target
from symlstm.generator.ulps import called
from symlstm.generator.units import Unit
from symlstm.model import Cell
from symlstm.reverse import sweep
from symlstm.shapes import ONE

ALONE = '''"""{title}: forward and backward over a sequence. Written by symlstm; needs {needs} alone.

The equations of one step, for columns; in the arrays here a column is a row, along the last axis:

{equations}

The adjoints of one step (delta q is the gradient of the loss with respect to q, delta+ q what arrives from the step after{loss}):

{adjoints}
{note}"""
'''
ASSEMBLED = '''"""{title}

Each part runs over the whole sequence before the next one starts, for columns; in the arrays here a column is a row, along
the last axis:

{parts}

Backward they come in the opposite order. The adjoint of what a part gives is the sum of what those that read it hand back.
{forms}{note}"""
'''
FORM = '''
{title} is {name} in the code. The equations of one step:

{equations}

Its adjoints (delta q is the gradient of the loss with respect to q, delta+ q what arrives from the step after{loss}):

{adjoints}
'''
CLASSES = '''
{imports}


class Trace:
    """What a forward pass gives: `outputs` ({outputs}), `state` {last}, and `kept` and `sizes`, which `backward` reads."""

    def __init__(self, outputs, state, kept, sizes=()):
        self.outputs, self.state, self.kept, self.sizes = outputs, state, kept, sizes

    def __repr__(self):
        return f"Trace(outputs={{tuple(self.outputs.shape)}}, state={{tuple(tuple(part.shape) for part in self.state)}})"


class Gradients:
    """What a backward pass gives: `params` by name, `inputs` {inputs}, and `state`, for the state {first}."""

    def __init__(self, params, inputs, state):
        self.params, self.inputs, self.state = params, inputs, state

    def __repr__(self):
        state = tuple(tuple(part.shape) for part in self.state)
        return f"Gradients(params={{tuple(self.params)}}, inputs={shown}, state={{state}})"


class Weights:
    """Parameters as both passes read them: the `params` that were given, whose shapes are read, and `arrays`."""

    def __init__(self, params, arrays):
        self.params, self.arrays = params, arrays


{more}'''

BLOCKED = '''@np.errstate({errors})
def {ahead}(params, x, state=None):
    """Run the cell over x, (T, B, m) or (T, m), from the state {states}; from zero if it is None."""
    T, *batch, m = x.shape
    B = batch[0] if batch else 1
    x = np.array(x, order="C").reshape(T, B, m)
{forward}
    outputs = {outputs}
    state = tuple(part[-1].reshape(*batch, -1).copy() for part in {long_states})
    return Trace(outputs, state, (
        {kept}))


@np.errstate({back_errors})
def {back}(trace, d_outputs, d_state=None):
    """All gradients of a loss, from its gradient with respect to the outputs and, if not None, to the last state."""
    ({kept}) = trace.kept
    T, B, m = x.shape
    {given}
{backward}
    d_state = tuple(part.reshape(*batch, -1) for part in {d_states})
    return Gradients(d_params, d_x.reshape(T, *batch, m), d_state)
'''

def written(cell: Cell, target: Target = NUMPY, *, blocked: bool = True) -> str:
    """The source of the module of a cell: for NumPy in blocks where it is made of vectors, else equation by equation.

    Not `blocked`, every cell is written equation by equation. Raises `NotSupported` for a cell with a term that has no
    form in code, naming the equation.

    >>> from symlstm import zoo
    >>> "np.dot(h_prev, z_from_h.T, out=" in written(zoo.RNN)
    True
    """
    try:
        if not alone(cell):
            return _assembled(cell, target, blocked=blocked)
        head = ALONE.format(title=cell.title, needs=target.title, note=_open(cell), **_step(unit := Unit.of(cell)))
        code = "\n\n".join((functions(unit, target, blocked=blocked), *[target.rest] * bool(target.rest)))
        return head + _classes(cell, target, code) + code
    except NotSupported as error:
        line = next((line for line in cell.named if plain(line) != error.where and error.where in plain(line)), None)
        if line is None:
            raise
        raise NotSupported(error.what, f"{error.where}, in the equation {plain(line)}", error.right) from None


def functions(unit: Unit, target: Target, *, blocked: bool = True) -> str:
    """The functions of a unit: as loops for Numba; in blocks where they can be for NumPy; else equation by equation."""
    if target.name == NUMBA.name:
        from symlstm.generator.compiled import compiled

        return compiled(unit)
    return (blocked and target == NUMPY and _blocked(unit)) or functional(unit, target)


def _assembled(cell: Cell, target: Target, *, blocked: bool) -> str:
    """The source of a cell of several parts: a pair of functions a form, then what runs the parts."""
    assembly = Assembly(cell, target)
    forms = [FORM.format(name=form.unit.prefix[:-1], title=form.title, **_step(form.unit)) for form in assembly.forms]
    title = fill(f"{cell.title}: forward and backward over a sequence. Written by symlstm; needs {target.title} alone.", 120)
    parts = "\n".join(f"    {words}" for words in assembly.words())
    head = ASSEMBLED.format(title=title, parts=parts, forms="".join(forms), note=_open(cell))
    pairs = [functions(form.unit, target, blocked=blocked) for form in assembly.forms]
    assembly.truncates = all("truncate=None" in pair for pair in pairs)
    code = "\n\n".join((*pairs, assembly.functions(), *[target.rest] * bool(target.rest)))
    return head + _classes(cell, target, code) + code


def _step(unit: Unit) -> dict[str, str]:
    """The equations and the adjoint equations of one step, as they stand above the code."""
    cell = unit.cell
    unseen = {state.prev for state in cell.state_terms if state not in unit.seen}  # nothing goes on to the step before
    lines = [line.relation for line in sweep(cell).lines if line.of not in unseen]
    loss = any(isinstance(part, Partial) for line in lines for part in walk(line))
    return {"equations": _listed(cell.named), "adjoints": _listed(lines), "loss": ", ell[t] the loss of step t" * loss}


def _classes(cell: Cell, target: Target, code: str) -> str:
    """The classes of what the functions take and give, and what helps the functions."""
    helpers = [text for name, text in target.helpers.items() if f"{name}(" in code]
    def axes(of: Sym) -> str:
        lengths = [length for length in cell.shapes.lengths[of.name] if length != ONE]
        return ", ".join(("T", "B", *map(size_text, lengths)))
    several = len(cell.input_terms) > 1
    turned = any(back == state.next for state, back in cell.carried.items())
    return CLASSES.format(
        last="at the end of its run" if turned else "after the last step",
        first="at its start" if turned else "before the first step",
        outputs=axes(cell.output_term),
        inputs="in the form of x" if several else f"({axes(cell.input_terms[0])})",
        shown="{len(self.inputs)}" if several else "{tuple(self.inputs.shape)}",
        imports=target.imports, more="".join(f"{text}\n\n" for text in (target.classes, *helpers, called(code, target)) if text))


def _open(cell: Cell) -> str:
    """Which functions the cell leaves open, and what stands for them."""
    functions = dict.fromkeys(part.function for line in cell.named for part in walk(line) if isinstance(part, Apply))
    found = [f"    {name}: {STAND_INS[name].source}" for name in functions if name in STAND_INS]
    return "\n".join(("\nThe functions that the cell leaves open:\n", *found, "")) if found else ""


def _blocked(unit: Unit) -> str:
    """The functions of a unit that is made of affine maps and elementwise formulas of vectors; "" for another."""
    try:
        program = Program(unit)
        layout = Layout(program)
        ahead, back = Forward(layout), Backward(layout)
        forward, backward = ahead.lines(), back.lines()
    except NotSupported:
        return ""
    outputs = [f"{layout.value(output).base}[1:].reshape(T, *batch, {layout.width(output)}).copy()" for output in unit.outputs]
    names = [layout.given_adjoint(output).base for output in unit.outputs]
    given = "d_outputs = d_outputs.reshape(T, B, -1)" if len(names) == 1 else (
        f"{', '.join(names)} = (part.reshape(T, B, -1) for part in d_outputs)")
    kept = fill(", ".join(("batch", *layout.sizes(), *back.kept)), 110, subsequent_indent=" " * 8)
    return BLOCKED.format(
        ahead=unit.name("forward"), back=unit.name("backward"), states=as_tuple(state.name for state in unit.seen),
        outputs=outputs[0] if len(outputs) == 1 else as_tuple(outputs), given=given,
        long_states=as_tuple(layout.value(state).base for state in unit.seen), kept=kept,
        errors=_errors(forward), back_errors=_errors(backward), forward=_indented(forward), backward=_indented(backward),
        d_states=as_tuple(map(layout.state_adjoint, unit.seen)))


def _errors(lines: Iterable[str]) -> str:
    """What NumPy does not warn of: exp(-z) may be infinite, and 1 / (1 + inf) = 0 is what is wanted then."""
    return 'over="ignore", under="ignore"' if any("np.exp(" in line for line in lines) else 'under="ignore"'


def _listed(relations: Iterable[object]) -> str:
    return "\n".join(f"    {line!r}" for line in relations)


def _indented(lines: Iterable[str]) -> str:
    """Lines as the body of a function; a list of arrays that is too long for one line goes over several."""
    def short(line: str) -> str:
        return fill(line, 120, subsequent_indent=" " * 8) if "np.concatenate([" in line and len(line) > 120 else line
    return "\n".join(f"    {short(line)}" for line in lines)
