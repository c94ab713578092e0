"""What of a cell runs before what, over a whole sequence: its parts, each in one direction of time.

A state comes from the step before, or from the step after: then it runs backward in time. Equations that need each other
over time belong together, and those that belong together must run in one direction. What is left is an order: every part
needs only itself and the parts before it, so that one after the other can be run over the whole sequence.

>>> from symlstm.algebra import Apply, equation, quantities
>>> x, f, r, y = quantities("x f r y")
>>> lines = equation(f, Apply("tanh", x + f.prev)), equation(r, Apply("tanh", x + r.next)), equation(y, f + r)
>>> [(part.step, part.states, part.inputs) for part in parts(lines, {f: f.prev, r: r.next})]
[(1, (f[t],), (x[t],)), (-1, (r[t],), (x[t], f[t]))]
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from symlstm.algebra import NotValid, Relation, Sym, defined, plain, walk


@dataclass(frozen=True, slots=True)
class Part:
    """Equations that run together, in order of evaluation.

    `step` is 1 where they run forward in time, -1 backward, 0 where the order of the steps does not matter. `states` are
    the states that they define, `inputs` what they read and do not define: inputs, and quantities of parts before.
    """

    equations: tuple[Relation, ...]
    step: int
    states: tuple[Sym, ...]
    inputs: tuple[Sym, ...]
    parameters: tuple[Sym, ...]


def parts(
    lines: Sequence[Relation],
    carried: Mapping[Sym, Sym],
    parameters: Sequence[Sym] = (),
    group: Callable[[Sym], Hashable] = lambda of: None,
) -> tuple[Part, ...]:
    """The parts of equations in order of evaluation; `carried` gives each state at the step it comes from.

    Of what has no time the `parameters` are looked at, the rest are sizes. Neighbours of one `group` are one part where one
    direction serves them. Raises `NotValid` for equations that need each other and run in both directions.
    """
    found: list[list[Relation]] = []
    for component in _components(lines, carried):
        if len(_sides(component, carried)) > 1:
            raise NotValid(
                "Equations that need each other run in both directions of time.",
                "; ".join(map(plain, component)),
                "states of one direction that do not need those of the other",
            )
        both = [*found[-1], *component] if found else component
        if found and len({group(defined(line)) for line in both}) == 1 and len(_sides(both, carried)) < 2:
            found[-1] = both
        else:
            found.append(component)
    order = {line: k for k, line in enumerate(lines)}
    return tuple(_part(sorted(each, key=order.__getitem__), carried, parameters) for each in found)


def _part(lines: list[Relation], carried: Mapping[Sym, Sym], parameters: Sequence[Sym]) -> Part:
    own = {defined(line) for line in lines}
    back = {carried[state] for state in own & carried.keys()}
    read = dict.fromkeys(part for line in lines for part in walk(line.rhs) if isinstance(part, Sym) and part not in own | back)
    return Part(
        tuple(lines),
        next(iter(_sides(lines, carried)), 0),
        tuple(state for state in carried if state in own),
        tuple(part for part in read if part.time is not None),
        tuple(part for part in parameters if part in read),
    )


def _sides(lines: Iterable[Relation], carried: Mapping[Sym, Sym]) -> set[int]:
    """The directions in which equations hand their own states on: 1, -1, both or none."""
    lines = tuple(lines)
    own = {carried[line.lhs]: line.lhs for line in lines if line.lhs in carried}  # type: ignore[index]  # a symbol, by `defined`
    met = {part for line in lines for part in walk(line.rhs) if part in own}
    return {-part.time.offset for part in met}  # type: ignore[attr-defined]


def _components(lines: Sequence[Relation], carried: Mapping[Sym, Sym]) -> Iterator[list[Relation]]:
    """The strongly connected components over time, each after those it needs (Tarjan 1972); iterative."""
    line_of = {defined(line): line for line in lines}
    from_step = {back: state for state, back in carried.items()}
    needs = {
        of: list(dict.fromkeys(need for part in walk(line.rhs) if (need := from_step.get(part, part)) in line_of))  # type: ignore[call-overload]
        for of, line in line_of.items()
    }
    index: dict[Sym, int] = {}
    lowest: dict[Sym, int] = {}
    open_: list[Sym] = []
    for start in line_of:
        path = [(start, iter(needs[start]))] if start not in index else []
        while path:
            here, rest = path[-1]
            if here not in index:
                index[here] = lowest[here] = len(index)
                open_.append(here)
            need = next(rest, None)
            if need is None:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[here])
                if lowest[here] == index[here]:
                    place = open_.index(here)
                    yield [line_of[each] for each in open_[place:]]
                    del open_[place:]
            elif need not in index:
                path.append((need, iter(needs[need])))
            elif need in open_:
                lowest[here] = min(lowest[here], index[need])
