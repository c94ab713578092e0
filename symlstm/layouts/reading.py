"""A library's weights to our parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from symlstm.algebra import NotValid
from symlstm.layouts.addresses import Addressed, Given, addressed
from symlstm.layouts.arrays import added, cut, in_letters, misshapen, numbers, shape_at, sizes_of
from symlstm.layouts.plans import Axes, Key, Plan, plan_of
from symlstm.layouts.tables import LAYOUTS
from symlstm.zoo import ZOO

if TYPE_CHECKING:
    from symlstm.layouts.arrays import Array


class Weights(dict[str, "Array"]):
    """Parameters by name. `state` is the initial state in the cell's order, or None where none was given."""

    state: tuple[Array, ...] | None = None


def read(plan: Plan, weights: Any) -> Weights:
    """The parameters of a cell or a network, and the initial state. Raises `NotValid` for weights that do not fit."""
    import numpy as np

    found = addressed(plan, weights)
    _refuse_missing(plan, found)
    held = {key: numbers(found.arrays[key].name, found.arrays[key].value) for key in plan.blocks if key in found.arrays}
    directions = 1 + any(direction for _, _, direction in found.arrays)
    if not plan.library.marks:
        directions = max((len(array) for array in held.values() if array.ndim), default=1)
        if plan.alone:
            held = {key: _one_direction(plan, found.arrays[key].name, array) for key, array in held.items()}
    heads = {name: numbers(name, each.value) for name, each in found.heads.items()}
    sizes = _sizes(plan, found, held, heads)
    parts: dict[str, list[Array]] = {name: [array.copy()] for name, array in heads.items()}
    for key, array in held.items():
        for name, part in cut(plan.blocks[key], array, transposed=plan.library.transposed):
            parts.setdefault(name, []).append(part)
    dtype = np.result_type(*held.values())
    ours = Weights()
    for name in (symbol.name for symbol in plan.cell.parameter_terms):
        ours[name] = added(parts[name]) if name in parts else np.zeros(shape_at(plan.own_axes(name), sizes), dtype)
    ours.state = _state(plan, found.states, sizes, directions, dtype) if found.states else None
    return ours


def _refuse_missing(plan: Plan, found: Addressed) -> None:
    """Raise `NotValid` for an array that is not there. What is optional is there as a whole or not at all."""
    here = {array for array, _, _ in found.arrays}
    absent = {array for group in plan.library.optional if not here & {*group} for array in group}
    lacking = [block for key, block in plan.blocks.items() if key not in found.arrays and key[0] not in absent]
    wanted = {block.name: plan.axes(block) for block in lacking}
    wanted |= {name: plan.own_axes(name) for name in plan.beside if name not in found.heads}
    for name, axes in wanted.items():
        head = "; the parameters of a head keep our names" if name in plan.beside else ""
        raise NotValid(f"{name} is missing.", str(found), f"{name} of the shape {in_letters(axes)}{head}")


def _one_direction(plan: Plan, name: str, array: Array) -> Array:
    """Of an array with the directions in front, that of the cell that is asked for."""
    direction = plan.members[0].direction
    if array.ndim and len(array) <= direction:
        has = f"{name} has the shape {array.shape}"
        raise NotValid(f"{name} has no direction {direction}.", has, "both directions along the first axis, or direction=0")
    return array[direction:direction + 1] if array.ndim else array


def _sizes(plan: Plan, found: Addressed, held: Mapping[Key, Array], heads: Mapping[str, Array]) -> dict[str, int]:
    """The sizes that the arrays show. Raises `NotValid` for one of another shape."""
    wanted = [(found.arrays[key].name, array, plan.axes(plan.blocks[key])) for key, array in held.items()]
    wanted += [(name, array, plan.own_axes(name)) for name, array in heads.items()]
    sizes = sizes_of((axes, array.shape) for _, array, axes in wanted)
    for name, array, axes in wanted:
        if array.shape != shape_at(axes, sizes):
            raise misshapen(name, array.shape, axes, sizes, _fitting(plan, held))
    return sizes


def _fitting(plan: Plan, held: Mapping[Key, Array]) -> str:
    """For a message, what arrays of these shapes would fit: this cell if they were transposed, or other cells."""
    if not plan.alone:
        return ""
    arrays = {key[0]: array for key, array in held.items()}
    if _all_fit(plan, {name: array.T for name, array in arrays.items()}):
        return "; transposed, the arrays would fit"
    others = [row.cell for row in LAYOUTS if row.library is plan.library]
    fitting = [cell for cell in others if _all_fit(plan_of(plan.library.name, ZOO[cell]), arrays)]
    return f"; the arrays would fit {' or '.join(fitting)}" if fitting else ""


def _all_fit(plan: Plan, arrays: Mapping[str, Array]) -> bool:
    """Whether these are the arrays of a cell."""
    wanted = {array: plan.axes(block) for (array, _, _), block in plan.blocks.items()}
    optional = {array for group in plan.library.optional for array in group}
    if not wanted.keys() - optional <= arrays.keys() <= wanted.keys():
        return False
    sizes = sizes_of((wanted[name], array.shape) for name, array in arrays.items())
    return all(array.shape == shape_at(wanted[name], sizes) for name, array in arrays.items())


def _state(
    plan: Plan, given: Mapping[tuple[str, int], Given], sizes: Mapping[str, int], directions: int, dtype: Any
) -> tuple[Array, ...]:
    """The initial states in the cell's order; zero where only others are given."""
    import numpy as np

    held = {key: numbers(each.name, each.value) for key, each in given.items()}
    starts = {name: (key, place) for name, key, place in plan.starts(directions)}
    batch: Axes = ((("B", 1),),) if max(array.ndim for array in held.values()) > 2 else ()
    own = {name: (*batch, *plan.own_axes(name)) for name in starts}
    known = {**sizes_of((own[name], held[key].shape[1:]) for name, (key, _) in starts.items() if key in held), **sizes}
    found = {}
    for name, (key, place) in starts.items():
        if key not in held:
            found[name] = np.zeros(shape_at(own[name], known), dtype)
            continue
        shape = held[key].shape
        count = 1 + max(other for at, other in starts.values() if at == key) if plan.library.layered else directions
        if plan.alone and plan.library.layered:  # of a module that may have more layers
            count = max(count, *shape[:1])
        if shape != (count, *shape_at(own[name], known)):
            swapped = len(shape) == 3 and (shape[1], shape[2]) == (count, *shape_at(plan.own_axes(name), known))
            more = "; with its axes 0 and 1 swapped it would fit" if swapped else ""
            raise misshapen(given[key].name, shape, ((("", count),), *own[name]), known, more)
        found[name] = held[key][place].copy()
    return tuple(found[symbol.name] for symbol in plan.cell.state_terms)
