"""Our parameters, or their gradients, to a library's arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symlstm.algebra import NotValid
from symlstm.layouts.addresses import listed
from symlstm.layouts.arrays import misshapen, numbers, put, shape_at, sizes_of
from symlstm.layouts.plans import Plan


def write(plan: Plan, params: Any, *, gradients: bool) -> Any:
    """The arrays by the library's names: a mapping, or a list of them. Raises `NotValid` for parameters that do not fit."""
    library = plan.library
    ours = _examined(plan, params, gradients=gradients)
    found: dict[int, dict[str, Any]] = {}
    done: set[str] = set()
    for (_, layer, _), block in plan.blocks.items():
        array = put(block, ours, done, transposed=library.transposed, gradients=gradients)
        found.setdefault(0 if library.layered else layer, {})[block.name] = array
    for layer, name, array in _starts(plan, getattr(params, "state", None)):
        found[layer][name] = array
    layers = [_tree(each) if library.tree else each for each in found.values()]
    layers[-1] |= {name: ours[name].copy() for name in plan.beside}
    return layers if len(layers) > 1 else layers[0]


def _examined(plan: Plan, params: Any, *, gradients: bool) -> dict[str, Any]:
    """The parameters as arrays. Raises `NotValid` for names and shapes that are not those of the cell, and what has no place."""
    names = [symbol.name for symbol in plan.cell.parameter_terms]
    if not isinstance(params, Mapping):
        right = f"{{{names[0]!r}: array, ...}}"
        raise NotValid("The parameters are not a mapping of names to arrays.", type(params).__name__, right)
    for name in (*(name for name in params if name not in names), *(name for name in names if name not in params)):
        what = f"{plan.cell.name} has no parameter {name!r}." if name in params else f"The parameter {name} is missing."
        raise NotValid(what, listed(map(str, params)).replace("weights", "parameters"), f"the parameters are {', '.join(names)}")
    ours = {name: numbers(name, params[name]) for name in names}
    sizes = sizes_of((plan.own_axes(name), array.shape) for name, array in ours.items())
    for name, array in ours.items():
        if array.shape != shape_at(plan.own_axes(name), sizes):
            raise misshapen(name, array.shape, plan.own_axes(name), sizes)
        if name in plan.zero and array.any() and not gradients:
            what = f"{plan.library.title} has no array for {name}, which is zero there."
            raise NotValid(what, f"{name} is {array.ravel()}", f"{name} of zeros, or another layout")
    return ours


def _starts(plan: Plan, state: Any) -> Any:
    """The initial states beside the parameters, put together along layers and directions."""
    import numpy as np

    if state is None:
        return
    held = dict(zip((symbol.name for symbol in plan.cell.state_terms), state, strict=True))
    parts: dict[tuple[str, int], list[Any]] = {}
    for own, key, _ in plan.starts(1):
        parts.setdefault(key, []).append(held[own])
    for (name, layer), arrays in parts.items():
        yield layer, name, np.stack(arrays)


def _tree(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Names with slashes as a tree."""
    found: dict[str, Any] = {}
    for name, array in arrays.items():
        *above, last = name.split("/")
        here = found
        for each in above:
            here = here.setdefault(each, {})
        here[last] = array
    return found
