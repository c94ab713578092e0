"""The functions around the kernels of a unit: what a caller gives becomes flat, and what it gets has its shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import fill

from symlstm.algebra import Adj, Rows, Sym, Term, Transpose, children, plain
from symlstm.generator.lengths import axes, solved
from symlstm.generator.loops.kernels import Loops
from symlstm.generator.loops.values import Array
from symlstm.generator.scans.shares import of_parameters
from symlstm.generator.units import Unit
from symlstm.generator.wrapping import as_tuple, indented

FUNCTIONS = '''@kernel
def {run}({forward_args}):
    """The steps forward: from the states in `ends`, which it leaves there after the last step."""
{forward_lines}
{forward_check}
    return check


@kernel
def {back_run}({backward_args}):
    """The steps backward: from adjoints of states in `d_ends` to those before the first step; `d_params` is added to."""
{backward_lines}
{backward_check}
    return check


def {prepare}(params):
    """The parameters in one array, as both passes read them; `{forward}` takes the result in place of `params`."""
{prepared}
{weights}
    return Weights(params, (flat, {sizes}))


def {new}({shape}):
    """New arrays for a forward pass: those of the kernel, which are flat, and outputs and state as the caller sees them."""
    B = batch[0] if batch else 1
    kept, ends = np.empty((T + 1, B, {kept}), dtype), np.empty({ends}, dtype)
    outputs = {outputs}
    state = (
{last}
    )
{flat_outputs}
    return kept, ends, flat, outputs, state


def {back_new}({shape}):
    """New arrays for a backward pass: those of the kernel, and gradients as the caller sees them."""
    B = batch[0] if batch else 1
    d_params, d_ends = np.empty({d_params}, dtype), np.empty({d_ends}, dtype)
{d_inputs}
{sums}
    gradients = {{
{gradients}
    }}
    d_state = (
{first}
    )
{flat_inputs}
    return d_params, d_ends, flat, gradients, d_x, d_state


def {workspace}(T, B, dtype, {keywords}):
    """Arrays to be used again for T steps of B sequences."""
    def make(batch):
        return {new}({shape}), {back_new}({shape})
    return Workspace(make, (B,))


def {forward}(params, x, state=None, workspace=None):
    """Run the cell over {words}.

    It starts in the state {states}, in zero if that is None. With a `workspace`, the next call with it writes over the arrays
    of this trace and of its gradients.
    """
    weights = params if isinstance(params, Weights) else {prepare}(params)
{taken}
    held = workspace and (workspace.ahead if batch else workspace.alone()[0])
    arrays = held or {new}({shape_here})
    kept, ends, flat, outputs, last = arrays
    if state is not None:
        np.concatenate(state, axis=None, out=ends)
    check = {run}({forward_call})
    trace = Trace(outputs, last, (weights, kept, workspace, {trace_sizes}))
    trace.check = check
    return trace


def {backward}(trace, d_outputs, d_state=None, truncate=None, into=None, since=0):
    """All gradients of a loss, from its gradient with respect to the outputs and, if not None, to the last state.

    With `truncate`, nothing arrives from the step after where a stretch of so many steps ends. Of a longer run, `into` are the
    gradients of the steps after these, to which those of the parameters are added, and `since` is how many steps came before.
    """
    weights, kept, workspace, {trace_sizes} = trace.kept
    held = workspace and (workspace.back if batch else workspace.alone()[1])
    arrays = held or {back_new}({shape_there})
    d_params, d_ends, flat, gradients, d_x, first = arrays
    if d_state is not None:
        np.concatenate(d_state, axis=None, out=d_ends)
    if into is not None:
        d_params[:] = into.sums
    check = {back_run}({backward_call})
{late}    found = Gradients(gradients, {inputs}, first, d_params)
    found.check = check
    return found
'''


def compiled(unit: Unit) -> str:
    """The functions of a unit, loops that Numba compiles. Raises `NotSupported` for a term without entries, naming the equation.

    >>> from symlstm import zoo
    >>> "c_row = f_row * c_prev[row] + i_row * g_row" in compiled(Unit.of(zoo.LSTM))
    True
    """
    loops = Loops(unit)
    names = {"run": "run", "back_run": "run_back", "new": "new", "back_new": "new_back"}
    names |= {name: name for name in ("prepare", "workspace", "forward", "backward")}
    return FUNCTIONS.format(**{key: unit.name(name) for key, name in names.items()}, **_kernels(loops), **_arrays(loops),
                            **_parameters(loops), **_runs(loops))


def _kernels(loops: Loops) -> dict[str, str]:
    """The two kernels."""
    return {
        "forward_args": ", ".join(loops.forward_args), "forward_lines": indented(loops.forward_lines),
        "forward_check": indented([f"check = {_checked(loops.results)}"]),
        "backward_args": ", ".join(loops.backward_args), "backward_lines": indented(loops.backward_lines),
        "backward_check": indented([f"check = {_checked(loops.back_results)}"])}


def _arrays(loops: Loops) -> dict[str, str]:
    """The arrays that they write to, flat and as the caller sees them."""
    frame, flat = loops.frame, loops.flat

    def states(name: str, own: Mapping[Sym, Array]) -> str:
        return indented((f"{flat[name].part(array)}.reshape({frame.user(of)})," for of, array in own.items()), 2)

    def new(name: str, of: Sequence[Sym]) -> tuple[str, str]:
        made = [f"np.empty({frame.user(each, 'T')}, dtype)" for each in of]
        return _one(made), _one([f"{text}.reshape(-1)" for text in _each(name, of)])

    (outputs, flat_outputs), (d_inputs, flat_inputs) = new("outputs", loops.unit.outputs), new("d_x", frame.inputs)
    shape = ", ".join(("T", "batch", "dtype", *frame.sizes))
    x = _each("x", frame.inputs)[0]
    return {
        **{name: flat[name].size() for name in ("kept", "ends", "d_params", "d_ends")},
        "outputs": outputs, "flat_outputs": indented([f"flat = {flat_outputs}"]), "d_inputs": indented([f"d_x = {d_inputs}"]),
        "flat_inputs": indented([f"flat = {flat_inputs}"]),
        "last": states("ends", loops.ends), "first": states("d_ends", loops.d_ends), "keywords": ", ".join(frame.sizes),
        "shape": shape, "shape_here": shape.replace("dtype", f"{x}.dtype", 1),
        "shape_there": shape.replace("dtype", "kept.dtype", 1)}


def _parameters(loops: Loops) -> dict[str, str]:
    """How the parameters of the loops are made, and the gradients that a caller gets from theirs."""
    sizes = dict(_sizes_of(loops))
    return {
        "prepared": indented(_prepared(loops, sizes)), "sizes": as_tuple(sizes),
        "weights": indented([f"flat = {_weights(loops)}"]),
        "sums": indented(_sums(loops)), "gradients": indented(_views(loops), 2),
        "late": "".join(f"{indented([line])}\n" for line in _late(loops))}


def _runs(loops: Loops) -> dict[str, str]:
    """What a caller gives, and how the kernels are called with it."""
    frame, outputs = loops.frame, loops.unit.outputs
    by_params = dict(_sizes_of(loops))
    *taken, _ = frame.taken({size: text for size, text in frame.sizes.items() if size not in by_params})  # kernels see B
    if by_params:
        taken.insert(0, f"{as_tuple(by_params)} = weights.arrays[1]")
    weights, d_params = (["weights.arrays[0]"], ["d_params"]) if frame.parameters else ([], [])
    given, d_given = ([f"{text}.ravel()" for text in _each(name, of)]
                      for name, of in (("x", frame.inputs), ("d_outputs", outputs)))
    forward = [*weights, *given, "kept", *_each("flat", outputs), "ends", "state is not None", *frame.sizes]
    backward = [*weights, "kept", *d_given, "d_ends", *d_params, *_each("flat", frame.inputs), "d_state is not None",
                "into is not None", "truncate or 0", "since", *frame.sizes]
    listed = ", ".join(f'"{symbol.name}"' for symbol in frame.inputs)
    return {
        "words": frame.words(), "states": as_tuple(state.name for state in loops.unit.seen), "taken": indented(taken),
        "trace_sizes": ", ".join(("T", "batch", *frame.sizes, *["named"] * (not frame.single))),
        "forward_call": _wrapped(forward), "backward_call": _wrapped(backward),
        "inputs": "d_x" if frame.single else f"dict(zip(({listed}), d_x)) if named else d_x"}


def _wrapped(args: Iterable[str]) -> str:
    """The arguments of a call, over several lines if need be."""
    return fill(", ".join(arg.replace(" ", "~") for arg in args), 90, subsequent_indent=" " * 8).replace("~", " ")


def _checked(names: Iterable[str]) -> str:
    """Whether all numbers in some arrays are finite."""
    return " + ".join(f"looked_over({name})" for name in names)


def _each(name: str, of: Sequence[object]) -> list[str]:
    """One thing under a name, or several in a tuple."""
    return [name] if len(of) == 1 else [f"{name}[{k}]" for k in range(len(of))]


def _one(texts: Sequence[str]) -> str:
    """One thing as it is, several in a tuple."""
    return texts[0] if len(texts) == 1 else as_tuple(texts)


def _sizes_of(loops: Loops) -> Iterator[tuple[str, str]]:
    """The sizes that parameters show, each with the text that reads it off them."""
    frame, cell = loops.frame, loops.unit.cell
    given = [(f'params["{symbol.name}"].shape[{axis}]', length) for symbol in cell.parameter_terms
             for axis, length in enumerate(axes(cell.shapes.lengths[symbol.name]))]
    for size, k, rest, count in solved([length for _, length in given]):
        name, text = frame.text(((size, 1),)), f"({given[k][0]} - ({frame.text(rest)}))" if rest else given[k][0]
        if name in frame.sizes:
            yield name, f"{text} // {count}" if count > 1 else text


def _prepared(loops: Loops, sizes: Mapping[str, str]) -> Iterator[str]:
    """The lines that make the parameters of the loops from those that a caller gives."""
    yield from (f"{size} = {text}" for size, text in sizes.items())

    def leaf(of: Sym | Adj) -> str:
        return f'params["{of.name}"]' if isinstance(of, Sym) else ""

    for symbol, node in loops.stack.made.items():
        text = of_parameters(loops.frame, loops.unit.cell.shapes, node, leaf)
        yield from [f"# {symbol.name} = {plain(node)}"] * (node != symbol)
        yield f"{loops.frame.name(symbol)} = {text}"


def _weights(loops: Loops) -> str:
    """The flat array of the parameters, and of the turned copies of some of them."""
    turned = {copy: f"{array.name}.T" for array, copy in loops.turned.items()}
    parts = ", ".join(turned.get(array, array.name) for array in loops.flat["weights"].arrays)
    return f"np.concatenate([{parts}], axis=None)" if parts else "None"


def _sums(loops: Loops) -> Iterator[str]:
    """The gradients of the parameters of the loops, as parts of the flat array."""
    for symbol, array in loops.d_params.items():
        lengths = axes(loops.frame.shapes.lengths[symbol.name])
        yield f"{array.name} = {loops.flat['d_params'].part(array)}.reshape({as_tuple(map(loops.frame.text, lengths))})"


def _shared(loops: Loops) -> dict[Sym, str]:
    """The gradients that a caller gets, made of those."""
    def leaf(of: Sym | Adj) -> str:
        return loops.d_params[of].name if isinstance(of, Sym) else ""

    return {symbol: of_parameters(loops.frame, loops.frame.shapes, node, leaf) for symbol, node in loops.stack.shares.items()}


def _is_view(node: Term) -> bool:
    """Whether what is made of an array is part of it."""
    return isinstance(node, (Sym, Rows, Transpose)) and all(_is_view(part) for part in children(node)[:1])


def _views(loops: Loops) -> Iterator[str]:
    """The entries of the gradients; what is no part of an array is made after the run."""
    known = set[Term]()
    for symbol, text in _shared(loops).items():
        node = loops.stack.shares[symbol]
        yield f'"{symbol.name}": {text if _is_view(node) and node not in known else None},'
        known.add(node)


def _late(loops: Loops) -> Iterator[str]:
    """The lines that make those."""
    late, known = dict[Sym, str](), set[Term]()
    for symbol, text in _shared(loops).items():
        node = loops.stack.shares[symbol]
        if not _is_view(node) or node in known:
            late[symbol] = f"{text}.copy()" if _is_view(node) else text
        known.add(node)
    if late:
        yield from _sums(loops)
        yield from ("gradients = {**gradients,", *(f'    "{symbol.name}": {text},' for symbol, text in late.items()), "}")
