"""The functions of a unit in blocks, put together: `prepare`, `workspace`, `forward` and `backward`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from textwrap import fill

from symlstm.algebra import NotSupported
from symlstm.generator.blocks.backward import CACHE, Backward
from symlstm.generator.blocks.forward import Forward
from symlstm.generator.blocks.layout import Layout, Scope
from symlstm.generator.blocks.program import Program
from symlstm.generator.blocks.weights import Stacking
from symlstm.generator.codes import FUNCTIONS
from symlstm.generator.units import Unit
from symlstm.generator.wrapping import as_tuple

HELPERS = f'''CACHE = {CACHE}  # bytes of factors that are prepared at a time: they stay in the cache until they are used


class Workspace:
    """Arrays that a run writes to, for T steps of B sequences: the next run with them writes over the last."""

    def __init__(self, forward, backward):
        self.forward, self.backward = forward, backward


def ahead(matrix, vectors, out):
    """The product of a matrix and the vectors of all steps: of one sequence some at a time, as a part of it has them."""
    chunk = chunk_of(1)
    if out.ndim == 3:
        np.matmul(matrix, vectors, out)
    elif len(out) <= chunk:
        vectors.dot(matrix.T, out)
    else:
        for start in range(0, len(out), chunk):
            vectors[start:start + chunk].dot(matrix.T, out[start:start + chunk])


def batch_last(array):
    """(T, B, n) as (T, n, B), or (T, n) of one sequence: a view."""
    return array[:, 0] if array.shape[1] == 1 else array.transpose(0, 2, 1)


def batch_first(array, batch):
    """(T, n, B) or (T, n) as the caller gets it: a new array."""
    return array.transpose(0, 2, 1).copy() if array.ndim == 3 else array.reshape(len(array), *batch, -1).copy()


def columns(array):
    """The columns of some steps side by side, for all sequences: a matrix."""
    return array.T if array.ndim == 2 else array.transpose(1, 0, 2).reshape(array.shape[1], -1)


def stretches(T, chunk, length, truncate, since):
    """Stretches of steps that stay in the cache, the last first: where they are in time, and where in their chunk."""
    late = T
    while late > 0:
        start = (late - 1) // chunk * chunk
        first = max(late - length, start, (since + late - 1) // truncate * truncate - since if truncate else 0)
        yield slice(first, late), slice(first - start, late - start)
        late = first


def totals(array):
    """The sum over some steps and all sequences."""
    return array.sum(0) if array.ndim == 2 else array.sum((0, 2))


def added(sums, found):
    """Sums that grow by what was found."""
    for total, part in zip(sums, found):
        total += part
    return sums


'''
FUNCTION = '''def {prefix}prepare(params, many=False):
    """The parameters as the products read them: stacked, so that one product serves several of them; new arrays.

    For `many` sequences what only one by itself needs is left out.
    """
{prepare}
    return Weights(dict(params), ({weights}))


def {prefix}arrays(T, B, dtype, {arguments}):
    """What a forward pass writes to{steps_words}."""
    tail = () if B == 1 else (B,)  # time comes first and the batch last; one sequence has no axis for it
{rooms}
    return {names}


def {prefix}back_arrays(T, B, dtype, {arguments}, truncate, since, {back_given}):
    """What a backward pass writes to, and last, for each stretch of steps, its parts and those of what it reads."""
    tail = () if B == 1 else (B,)
    chunk = min(T, chunk_of(B))
    length = min(chunk, max(1, CACHE // (B * {wide} * dtype.itemsize)))
{back_rooms}
    parts = ((
{parts}
    ) for now, here in stretches(T, chunk, length, truncate, since))
    return {back_names}


def {prefix}workspace(T, B, dtype, *, {wanted}):
    """Arrays for runs over T steps of B sequences."""
    dtype = np.dtype(dtype){all_sizes}
    {names} = {prefix}arrays(T, B, dtype, {arguments})
    *rest, parts = {prefix}back_arrays(T, B, dtype, {arguments}, None, 0, {back_given})
    return Workspace({held}, (*rest, {back_held}))


{errors}def {prefix}forward(params, x, state=None, workspace=None):
    """Run the cell over x, (T, B, m) or (T, m), from the state {states}; from zero if it is None.

    `params` are arrays by name, or what `{prefix}prepare` made of them.
    Without a workspace the trace owns its arrays.
    """
    T, *batch, m = x.shape
    B = batch[0] if batch else 1
    weights = params if isinstance(params, Weights) else {prefix}prepare(params, B > 1)
    {read} = weights.arrays[0]
    tail, ones = ((), ()) if B == 1 else ((B,), (1,))
{upright}    {names} = (
        {prefix}arrays(T, B, x.dtype, {arguments}) if workspace is None else workspace.forward)
{forward}
    outputs = {outputs}
    state = {last}
    return Trace(outputs, state, ({kept}))


{back_errors}def {prefix}backward(trace, d_outputs, d_state=None, truncate=None, into=None, since=0):
    """All gradients of a loss, from its gradient with respect to the outputs and, if not None, to the last state.

    With `truncate`, every so many steps nothing goes on to the step before. Of a longer run, `into` are the gradients
    of the steps after these, to which those of the parameters are added in place, and `since` steps came before.
    """
    ({kept}) = trace.kept
    T, B, m = {x}.shape
{m}    {back_read} = weights.arrays[1]
    tail, ones = ((), ()) if B == 1 else ((B,), (1,))
{back_upright}    {back_names} = (
        {prefix}back_arrays(T, B, {x}.dtype, {arguments}, truncate, since, {back_given}) if workspace is None or truncate
        else workspace.backward)
{given}
    d_x, sums = np.empty((T, B, m), {x}.dtype), into and into.sums
{backward}
    d_state = {d_states}
    return Gradients(d_params, d_x.reshape(T, *batch, m), d_state, sums)
'''


WIDTH = 120


def in_blocks(unit: Unit, accuracy: str = "fast") -> str:
    """The functions of a unit that is made of affine maps and elementwise formulas of vectors; "" for another."""
    try:
        program = Program(unit, accuracy)
        layout = Layout(program)
        ahead, back = Forward(layout), Backward(layout)
        forward, backward = ahead.lines(), back.lines()
    except NotSupported:
        return ""
    stacking = Stacking(layout)
    made = dict(stacking.kept())
    sizes = [size for size in layout.sizes() if size != "m"]
    arguments = ", ".join(dict.fromkeys(("m", *sizes)))
    wanted = sorted({size for pair in program.original.shapes.lengths.values() for length in pair for size, _ in length if size})
    given = [layout.given_adjoint(output).base for output in unit.outputs]
    rooms = [*ahead.scope.rooms, *ahead.scope.parts]
    back_rooms = _read(backward, [*back.scope.rooms, *back.scope.parts])
    steps = ["steps"] * bool(ahead.scope.step_views)
    kept = list(dict.fromkeys((ahead.x, *back.kept)))
    read_by_parts = _read([*back.scope.now_views.values(), *back.scope.step_views.values()], kept)
    stacked = list(stacking.lines())
    weights = ", ".join(as_tuple(made[name] for name in (*sizes, *scope.weights)) for scope in (ahead.scope, back.scope))
    first = program.original.parameter_terms[0].name
    typed = [f'dtype = params["{first}"].dtype'] * bool(_read([*stacked, weights], ["dtype"]))
    members = [member for block in program.blocks for member in block.members] or [program.states[0]]
    fields = {"prefix": unit.prefix, "arguments": arguments}
    def read(scope: Scope) -> tuple[str, str]:
        upright = {layout.parameter(symbol) for symbol in program.cell.parameter_terms} | {
            layout.bias(block) for block in program.blocks if layout.apart(block)}
        names = [*sizes, *scope.weights]
        return as_tuple(names), "".join(
            f"    {name} = {name}.reshape(-1, *ones)\n" for name in names if name in upright)
    by_columns = [f"{name} = {layout.by_columns(name)} if B == 1 else {name}" for name in ahead.scope.turned]
    ahead_read, back_read = read(ahead.scope), read(back.scope)
    return _short(FUNCTION.format(
        **fields, wanted=", ".join(wanted), all_sizes="" if "m" in wanted else f"\n    m = {layout.width(program.input)}",
        prepare=_indented([*typed, *stacked]), weights=weights,
        rooms=_indented([*_made(ahead.scope), *(f"steps = {_zipped(ahead.scope)}" for _ in steps)]),
        steps_words=", and last its parts for each step" * bool(steps),
        held=as_tuple((*rooms, *(f"list({each})" for each in steps))), back_given=", ".join(read_by_parts),
        back_rooms=_indented(_made(back.scope)), parts=_indented(f"    {text}," for text in _parts(back.scope)),
        back_held="[(*views, list(steps)) for *views, steps in parts]" if back.scope.step_views else "list(parts)",
        wide=layout.wide(*members),
        errors=_errors(forward), back_errors=_errors(backward),
        states=as_tuple(state.name for state in unit.seen), read=ahead_read[0], upright=ahead_read[1],
        names=as_tuple((*rooms, *steps)), forward=_indented([*by_columns, *forward]),
        outputs=_one_or_many([f"batch_first({layout.value(output).base}[1:], batch)" for output in unit.outputs]),
        last=as_tuple(f"{layout.value(state).base}[-1].T.reshape(*batch, {layout.width(state)}).copy()" for state in unit.seen),
        kept=", ".join(("batch", "weights", "workspace", *kept)),
        x=ahead.x, m="    m -= 1\n" * (ahead.x == "x_1"), back_read=back_read[0], back_upright=back_read[1],
        back_names=as_tuple(("chunk", *back_rooms, "parts")),
        given=_indented([f"{given[0]} = batch_last(d_outputs.reshape(T, B, -1))" if len(given) == 1 else (
            f"{', '.join(given)} = (batch_last(part.reshape(T, B, -1)) for part in d_outputs)")]),
        backward=_indented(backward),
        d_states=as_tuple(
            f"{layout.state_adjoint(state)}.T.reshape(*batch, {layout.width(state)}).copy()" for state in unit.seen)))


def imported(text: str, own: frozenset[str]) -> str:
    """The line that imports the functions that are called without np, but for the module's own."""
    code = re.sub(r"#.*", "", text)
    found = sorted(name for name in {*FUNCTIONS} - own if re.search(rf"(?<![\w.]){name}\(", code))
    return f"\nfrom numpy import {', '.join(found)}" if found else ""


def in_block_helpers(code: str) -> str:
    """What helps functions in blocks, if there are some in the code of a module."""
    return HELPERS if "back_arrays(" in code else ""


def _one_or_many(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else as_tuple(texts)


def _made(scope: Scope) -> Iterator[str]:
    """The lines that make what a function writes to."""
    yield from (f"{name} = {text}" for name, text in (*scope.rooms.items(), *scope.parts.items()))


def _zipped(scope: Scope) -> str:
    views = list(scope.step_views.values())
    return f"zip({', '.join(views)})" if len(views) > 1 else views[0]


def _parts(scope: Scope) -> list[str]:
    """What there is for a stretch of steps: its slice, the views of the factors, and those of each step."""
    return ["now", *scope.now_views.values(), *[_zipped(scope)] * bool(scope.step_views)]


def _read(texts: Iterable[str], names: Iterable[str]) -> list[str]:
    """Which of the names are in the texts."""
    text = " ".join(texts)
    return [name for name in names if re.search(rf"\b{name}\b", text)]


def _errors(lines: Iterable[str]) -> str:
    """What NumPy does not warn of: exp(-z) may be infinite, and 1 / (1 + inf) = 0 is what is wanted then."""
    return '@np.errstate(over="ignore")\n' if any("exp(" in line for line in lines) else ""


def _indented(lines: Iterable[str]) -> str:
    """Lines as the body of a function."""
    return "\n".join(f"    {line}" for line in lines)


def _short(text: str) -> str:
    """A text with its lines of code, where they are too long for one line, over several."""
    def short(line: str) -> str:
        if "#" in line or len(line) <= WIDTH:
            return line
        code = line.lstrip()
        start = " " * (len(line) - len(code))
        held = re.sub(r"\[[^\[\]]*\]", lambda found: found[0].replace(" ", "~"), code)
        held = re.sub(r"(?<!,) ", "~", held)  # it is broken after commas only, and not within an index
        return fill(held, WIDTH, initial_indent=start, subsequent_indent=start + " " * 8).replace("~", " ")
    return "\n".join(map(short, text.split("\n")))
