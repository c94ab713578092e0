"""A cell as the source of a NumPy module: `forward` and `backward` over a sequence, as one would write them by hand.

What is known before the loop is computed before it, for all steps at once: the input's part of every affine map, and
in the backward pass every factor that does not depend on an adjoint. The loop holds one matrix product a block and
step, and elementwise work in place; the gradients of the weights are one matrix product for each chunk of steps.
Functional code carries columns to rows, by `symlstm.generator.rows`; in blocks columns are columns, side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill

from symlstm.activations import STAND_INS
from symlstm.algebra import Apply, NotSupported, Partial, Sym, plain, walk
from symlstm.generator.blocks.blocked import imported, in_block_helpers, in_blocks
from symlstm.generator.lengths import size_text
from symlstm.generator.networks.assembly import Assembly
from symlstm.generator.networks.forms import alone
from symlstm.generator.scans.functional import functional
from symlstm.generator.targets import NUMBA, NUMPY, Target
from symlstm.generator.ulps import called
from symlstm.generator.units import Unit
from symlstm.model import Cell
from symlstm.reverse import sweep
from symlstm.shapes import ONE

ALONE = '''"""{title}: forward and backward over a sequence. Written by symlstm; needs {needs} alone.

The equations of one step, for columns{arrays}:

{equations}

The adjoints of one step (delta q is the gradient of the loss with respect to q, delta+ q what arrives from the step after{loss}):

{adjoints}
{note}"""
'''
IN_ROWS = "; in the arrays here a column is a row, along the last axis"
IN_BLOCKS = """. Those of a batch stand side by side in the arrays here: T steps are (T, n, B), or
(T, n) of one sequence; what the caller gives and gets is (T, B, n)"""
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
    """What a forward pass gives: `outputs` ({outputs}) and `state` {last}.

    `backward` reads `kept` and `sizes`.
    """

    def __init__(self, outputs, state, kept, sizes=()):
        self.outputs, self.state, self.kept, self.sizes = outputs, state, kept, sizes

    def __repr__(self):
        return f"Trace(outputs={{tuple(self.outputs.shape)}}, state={{tuple(tuple(part.shape) for part in self.state)}})"


class Gradients:
    """What a backward pass gives: `params` by name, `inputs` {inputs}, and `state`, for the state {first}."""

    def __init__(self, params, inputs, state, sums=None):
        self.params, self.inputs, self.state, self.sums = params, inputs, state, sums

    def __repr__(self):
        state = tuple(tuple(part.shape) for part in self.state)
        return f"Gradients(params={{tuple(self.params)}}, inputs={shown}, state={{state}})"


class Weights:
    """Parameters as both passes read them: the `params` that were given, whose shapes are read, and `arrays`."""

    def __init__(self, params, arrays):
        self.params, self.arrays = params, arrays


{more}'''

def written(cell: Cell, target: Target = NUMPY, *, blocked: bool = True) -> str:
    """The source of the module of a cell: for NumPy in blocks where it is made of vectors, else equation by equation.

    Not `blocked`, every cell is written equation by equation. Raises `NotSupported` for a cell with a term that has no
    form in code, naming the equation.

    >>> from symlstm import zoo
    >>> "half_z_from_h.dot(h_prev, z)" in written(zoo.LSTM)
    True
    """
    try:
        if not alone(cell):
            return _assembled(cell, target, blocked=blocked)
        unit = Unit.of(cell)
        step = _step(unit)  # first: what has no adjoint is told in the words of the cell
        code = "\n\n".join((functions(unit, target, blocked=blocked), *[target.rest] * bool(target.rest)))
        arrays = IN_BLOCKS if in_block_helpers(code) else IN_ROWS
        head = ALONE.format(title=cell.title, needs=target.title, note=_open(cell), arrays=arrays, **step)
        return head + _classes(cell, target, code) + code
    except NotSupported as error:
        line = next((line for line in cell.named if plain(line) != error.where and error.where in plain(line)), None)
        if line is None:
            raise
        raise NotSupported(error.what, f"{error.where}, in the equation {plain(line)}", error.right) from None


def functions(unit: Unit, target: Target, *, blocked: bool = True) -> str:
    """The functions of a unit: as loops for Numba; in blocks where they can be for NumPy; else equation by equation."""
    if target.name == NUMBA.name:
        from symlstm.generator.loops.compiled import compiled

        return compiled(unit)
    return (blocked and target.name == NUMPY.name and in_blocks(unit, target.accuracy)) or functional(unit, target)


def _assembled(cell: Cell, target: Target, *, blocked: bool) -> str:
    """The source of a cell of several parts: a pair of functions a form, then what runs the parts."""
    assembly = Assembly(cell, target)
    forms = [FORM.format(name=form.unit.prefix[:-1], title=form.title, **_step(form.unit)) for form in assembly.forms]
    title = fill(f"{cell.title}: forward and backward over a sequence. Written by symlstm; needs {target.title} alone.", 120)
    parts = "\n".join(f"    {words}" for words in assembly.words())
    head = ASSEMBLED.format(title=title, parts=parts, forms="".join(forms), note=_open(cell))
    pairs = [functions(form.unit, target, blocked=blocked) for form in assembly.forms]
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
    more = [target.classes, in_block_helpers(code), *helpers, called(code, target)]
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
        imports=target.imports + imported(code, target.names),
        more="".join(f"{text.rstrip()}\n\n\n" for text in more if text))


def _open(cell: Cell) -> str:
    """Which functions the cell leaves open, and what stands for them."""
    functions = dict.fromkeys(part.function for line in cell.named for part in walk(line) if isinstance(part, Apply))
    found = [f"    {name}: {STAND_INS[name].source}" for name in functions if name in STAND_INS]
    return "\n".join(("\nThe functions that the cell leaves open:\n", *found, "")) if found else ""


def _listed(relations: Iterable[object]) -> str:
    return "\n".join(f"    {line!r}" for line in relations)
