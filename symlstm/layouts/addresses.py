"""Which array is which: the names in a mapping, a tree or a list, read by the pattern of the library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from symlstm.algebra import NotValid
from symlstm.layouts.plans import Key, Plan
from symlstm.layouts.tables import LAYOUTS


@dataclass(frozen=True, slots=True)
class Given:
    """An array as it was given, and what the giver calls it."""

    name: str
    value: Any


@dataclass(slots=True)
class Addressed:
    """What was given: arrays by their keys, initial states by name and layer, and a head's parameters by our names."""

    arrays: dict[Key, Given] = field(default_factory=dict)
    states: dict[tuple[str, int], Given] = field(default_factory=dict)
    heads: dict[str, Given] = field(default_factory=dict)
    where: dict[int, str] = field(default_factory=dict)  # of each layer, what stands around its names

    def __str__(self) -> str:
        return listed(each.name for each in (*self.arrays.values(), *self.states.values(), *self.heads.values()))


def listed(names: Iterable[str]) -> str:
    """What the weights have, for a message; of many only the first.

    >>> listed(["W", "R"])
    'the weights have W, R'
    """
    shown = list(names)
    more = f", and {len(shown) - 8} more" if len(shown) > 8 else ""
    return f"the weights have {', '.join(shown[:8]) or 'nothing'}{more}"


def addressed(plan: Plan, weights: Any) -> Addressed:
    """Every array of the weights with its key. Raises `NotValid` for a name that is none of the library's."""
    found = Addressed()
    if isinstance(weights, Iterator):  # named_parameters() gives pairs
        pairs = list(weights)
        weights = dict(pairs) if all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs) else pairs
    for number, each in _by_layer(plan, weights):
        if isinstance(each, Mapping):
            _read(plan, dict(_leaves(each)), number, found)
        else:
            _count(plan, each, number, found)
    for key, given in found.arrays.items():
        if not plan.alone and key not in plan.blocks:
            has = ", ".join(block.name for block in plan.blocks.values() if block.name.startswith(key[0]))
            raise NotValid(f"{plan.cell.name} has no place for {given.name}.", str(found), f"only {has}")
    return found


def _by_layer(plan: Plan, weights: Any) -> Iterator[tuple[int | None, Any]]:
    """The weights of each layer with its number, or those of all layers with None."""
    library, title = plan.library, plan.library.title
    right = "a list of mappings, one for each layer, the lowest first"
    layers = sorted({member.layer for member in plan.members})
    if not (_is_list(weights) and weights and all(isinstance(each, Mapping) or _is_list(each) for each in weights)):
        if isinstance(weights, Mapping) and not library.layered and layers != [0]:
            has = f"one mapping, and layer={layers[0]}" if plan.alone else f"one mapping for {len(layers)} layers"
            raise NotValid(f"The names of {title} do not tell the layer.", has, right)
        yield None if library.layered or len(layers) > 1 else layers[0], weights
        return
    if library.layered:
        raise NotValid(f"The names of {title} tell the layer.", f"a list of {len(weights)} mappings", "one mapping")
    if layers[-1] >= len(weights) or (not plan.alone and len(weights) > len(layers)):
        count = f"{layers[-1] + 1}{' or more' * plan.alone}"
        raise NotValid("The list has not as many mappings as there are layers.", f"{len(weights)} mappings", f"{count}: {right}")
    yield from ((number, weights[number]) for number in layers)


def _is_list(weights: Any) -> bool:
    return isinstance(weights, Sequence) and not isinstance(weights, (str, bytes))


def _leaves(tree: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}/")
        else:
            yield f"{before}{name}", value


def _read(plan: Plan, leaves: Mapping[str, Any], number: int | None, found: Addressed) -> None:
    """The arrays of a mapping, by their names."""
    library = plan.library
    known = {array for member in plan.members for array in member.row.arrays}
    starts = {name for _, (name, _), _ in plan.starts(1)}
    for name, value in leaves.items():
        match = library.pattern.fullmatch(name)
        parts = match.groupdict() if match else {}
        array = library.aliases.get(parts.get("array", ""), parts.get("array"))
        if value is None:
            continue  # as good as absent
        if name in starts:
            found.states[name, number or 0] = Given(name, value)
        elif name in plan.beside:
            found.heads[name] = Given(name, value)
        elif array not in known:
            raise _unknown(plan, name, leaves)
        else:
            layer = int(parts.get("layer") or number or 0)
            direction = library.marks.index(parts.get("mark") or library.marks[0]) if library.marks else 0
            key = array, layer, direction
            where = "".join(parts.get(part) or "" for part in ("before", "path"))
            if key in found.arrays or found.where.setdefault(layer, where) != where:
                other = found.arrays.get(key, next(iter(found.arrays.values())))
                right = "one array of each name; several layers in a list, one mapping for each, the lowest first"
                raise NotValid("These are the weights of more than one layer.", f"{other.name} and {name}", right)
            found.arrays[key] = Given(name, value)


def _count(plan: Plan, weights: Any, number: int | None, found: Addressed) -> None:
    """The arrays of a list, by their order; without those that are optional where it has so few."""
    library = plan.library
    if not library.ordered or not _is_list(weights):
        has = f"a list of {len(weights)}" if _is_list(weights) else type(weights).__name__
        right = f"a mapping such as {{{next(iter(plan.blocks.values())).name!r}: array, ...}}"
        for method in ("state_dict", "get_weights"):
            right = f"{right}, here {method}()" if hasattr(weights, method) else right
        raise NotValid(f"The weights of {library.title} are arrays by their names.", has, right)
    optional = {array for group in library.optional for array in group}
    every = [key for key in plan.blocks if number is None or key[1] == number]
    fewer = [key for key in every if key[0] not in optional]
    keys = next((keys for keys in (every, fewer) if len(keys) == len(weights)), None)
    if keys is None:
        right = f"{len(every)}, which are {', '.join(plan.blocks[key].name for key in every)}, or {len(fewer)}, without biases"
        raise NotValid("The list has not as many arrays as the layout.", f"a list of {len(weights)} arrays", right)
    for k, (key, value) in enumerate(zip(keys, weights, strict=True)):
        found.arrays[key] = Given(f"weights[{k}], the {plan.blocks[key].name},", value)


def _unknown(plan: Plan, name: str, names: Iterable[str]) -> NotValid:
    """What is wrong with a name, and what is likely meant."""
    library, cell = plan.library, plan.members[0].row.cell
    ours = [block.name for block in plan.blocks.values()]
    what, right = f"{name!r} is no array of {library.title}'s for {cell}.", f"its arrays are {', '.join(ours)}"
    if name in library.others:
        return NotValid(f"{name} is no weight of a cell.", listed(names), library.others[name])
    matches = ((row, row.library.pattern.fullmatch(name)) for row in LAYOUTS)
    having = [(row, match["array"]) for row, match in matches if match and match["array"] in row.arrays]
    others = [row.cell for row, _ in having if row.library is library]
    modules = [module for module, dot, last in (each.rpartition(".") for each in names) if dot and last in ours]
    if others:
        right = f"the cell that has it: {' or '.join(others)}"
    elif modules:
        right = f"the weights of {modules[0]} alone, as in {modules[0]}.state_dict(), with names such as {ours[0]}"
    elif having:
        row, _ = max(having, key=lambda pair: len(pair[1]))  # the longest, as dense_i/kernel beside kernel
        right = f"{right}; {name} is an array of the layout {row.library.name!r}"
    elif near := get_close_matches(name, ours, n=1):
        right = f"did you mean {near[0]}?"
    return NotValid(what, listed(names), right)
