"""A theory run symbolically: short stretches of steps around t, k and T, with symbols for what lies between them.

A step is a number here: those around `t` count from 600, those around T from 900. A stretch begins with symbols for the
states it takes over. What a later stretch hands back is a symbol too: the derivative of the rest of the loss by the states
at its end, and the derivative of the states at the beginning of one stretch by those at the end of another. So what is
proved of a stretch holds for a sequence of any length. Derivatives are those of dual numbers; no rule of the reverse
sweep is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symlstm.algebra import NOW, Sym, Term, walk
from symlstm.claims.exactness.elements import Elements, Undecided
from symlstm.claims.models.arithmetic import Array, Outside, Reckoner, Unknown
from symlstm.claims.models.runs import Slot
from symlstm.claims.models.sizes import Sizes
from symlstm.definitions.meanings import Theory
from symlstm.evidence.duals import Dual
from symlstm.evidence.fields import Field

BLOCK = 300  # steps between the stretches: k, t, T
AT = {"": 0, "k": BLOCK, "t": 2 * BLOCK, "T": 3 * BLOCK}
FARTHEST = 3  # steps of a stretch before or after its letter
Extents = tuple[tuple[int, int], ...]  # by how many steps stretches are longer: the step they are around, and -1 or 1


class Short(Exception):
    """A stretch is too short for a formula: it has to begin earlier (-1) or to end later (1)."""

    def __init__(self, block: int, sign: int) -> None:
        self.more = (block, sign)
        super().__init__(f"a stretch around {block} is too short")


def block_of(t: int) -> int:
    """The step that a stretch is around."""
    return BLOCK * round(t / BLOCK)


class Stretches:
    """What `Run` is for numbers: values by name and step, parameters, and what is perturbed, over a polynomial ring.

    `extents` says which stretches are longer than the step they are around; with `through` a loss of a later stretch is
    worked out through that stretch.
    """

    def __init__(
        self, theory: Theory, sizes: Sizes, strict: bool = False, extents: Extents = (), through: bool = False
    ) -> None:
        self.theory, self.sizes, self.strict, self.through, self.loss_scale = theory, sizes, strict, through, 1.0
        self.ring, self.work, self.steps = Field(), 0, AT["T"]
        self.first = {block: block + sum(one for around, one in extents if around == block and one < 0) for block in AT.values()}
        self.last = {block: block + sum(one for around, one in extents if around == block and one > 0) for block in AT.values()}
        self.first[0] = 1
        self.copy_at: int | None = None  # a derivative by a parameter means the share of this step
        self.remembering = _remembered(theory)
        self.cache: dict[Any, Any] = {}
        self.parameters = _Lazily(self.make_parameter, self.is_parameter)
        self.values = _Lazily(self.make_value, self.has_value)

    # --- leaves ------------------------------------------------------------------------------------------------

    def generators(self, name: str, *key: Any) -> Array:
        """Symbols for the entries of a quantity; those of a distribution sum up to one."""
        rows, columns = self.sizes.shapes.get(name, (1, 1))
        found = np.empty((rows, columns), dtype=object)
        last = (rows - 1, columns - 1) if name in self.theory.distributions else None
        for place in np.ndindex(rows, columns):
            whole = ("leaf", name, *key, *place)
            others = list(found.flat)[:-1] if place == last else []
            found[place] = self.ring.depend(whole, 1 - sum(others)) if place == last else self.ring.generator(whole)
        return found

    def given(self, name: str) -> Array | None:
        """Numbers that the document gives for a quantity, where it has no equations that they would be special for."""
        bodies = [body for (other, _), body in self.theory.values.items() if other == name]
        if not bodies:
            return None
        if self.theory.steps or len(bodies) > 1:
            raise Undecided(f"numbers are given for {name}")
        value = np.asarray(Elements(self.ring)(bodies[0]), dtype=object)
        return value if np.ndim(value) == 2 else value.reshape(1, 1)

    def is_parameter(self, name: str) -> bool:
        return name in self.theory.parameters and (name in self.sizes.shapes or (name, "") in self.theory.values)

    def make_parameter(self, name: str) -> Array:
        found = self.given(name)
        return self.generators(name) if found is None else found

    def parameter(self, name: str) -> Array:
        return self.parameters[name] if self.is_parameter(name) else self.length(name)

    def length(self, name: str) -> Any:
        """The number that the letter of a length stands for."""
        if name in self.theory.letters and name in self.sizes.letters:
            return self.ring.element(self.sizes.letters[name])
        raise Unknown(name)

    # --- steps -------------------------------------------------------------------------------------------------

    def has_value(self, at: tuple[str, int]) -> bool:
        name, t = at
        if name in self.theory.steps:
            return t >= 1 or (name in self.theory.states and t >= 0)
        return name in self.theory.inputs and t >= 0

    def make_value(self, at: tuple[str, int]) -> Array:
        name, t = at
        block = block_of(t)
        if name in self.theory.inputs:
            found = self.given(name)
            return self.generators(name, t) if found is None else found
        if t < self.first[block]:
            if name in self.theory.states and t == self.first[block] - 1:
                return self.generators(name, t)
            raise Short(block, -1)
        return self.computed(name, t, lambda node: self.leaf(node, t))

    def leaf(self, node: Sym, t: int) -> Array:
        """What an equation of step t uses."""
        if node.time is None or node.name in self.theory.parameters:
            return self.parameter(node.name)
        at = (node.name, t + node.time.offset)
        if at not in self.values:
            raise Outside(node)
        return self.values[at]

    def computed(self, name: str, t: int, leaf: Callable[[Sym], Array]) -> Array:
        value = np.asarray(self.reckoner(leaf, t)(self.theory.steps[name]), dtype=object)
        return value if np.ndim(value) == 2 else value.reshape(1, 1)

    def reckoner(self, leaf: Callable[[Sym], Array], t: int) -> Reckoner:
        """The arithmetic of one step."""
        reckoner = Elements(self.ring, leaf, {"t": t}, self.theory)
        reckoner.rows = self.sizes.rows
        return reckoner

    # --- perturbing --------------------------------------------------------------------------------------------

    def slot(self, kind: str, name: str, t: int) -> tuple[Seeded, tuple[int, int], Slot]:
        """The values with a derivative by each entry of one quantity, its shape, and the slot."""
        if kind == "p" and not t:
            if self.copy_at is None and name in self.remembering:
                raise Undecided("the gradient of a shared parameter through steps without number")
            t = self.copy_at or 0
        block = block_of(t)
        if block and t < self.first[block] and kind != "arriving":
            raise Short(block, -1)  # what it does within its own step counts
        base = self.parameter(name) if kind == "p" else self.leaf(Sym(name, NOW), t)
        return Seeded(self, kind, name, t), np.shape(base), (kind, name, t)

    def seeded(self, value: Array) -> Array:
        """A value with a number for the derivative by each entry."""
        found = np.empty(np.shape(value), dtype=object)
        for k, place in enumerate(np.ndindex(*found.shape)):
            found[place] = Dual(value[place], {k: self.ring.element(1)})
        return found

    def one_step(self, of: tuple[str, int], wrt: tuple[str, int | None], held: frozenset[str], alone: bool = False) -> Array:
        """The derivative of a quantity within one step, as a Jacobian; `held` and `alone` as for `Run`."""
        name, t = wrt
        base = self.parameter(name) if t is None else self.values[name, t]
        moved, step = self.seeded(base), of[1]
        found: dict[tuple[str, int], Array] = {} if t is None else {(name, t): moved}

        def leaf(node: Sym) -> Array:
            if node.time is None or node.name in self.theory.parameters:
                return moved if t is None and node.name == name else self.parameter(node.name)
            at = (node.name, step + node.time.offset)
            return found[at] if at in found else self.leaf(node, step)

        for each in self.theory.steps:
            if (each, step) != (name, t) and each not in held and (not alone or each == of[0]):
                found[each, step] = self.computed(each, step, leaf)
            if each == of[0]:
                break
        return jacobian(found.get(of, self.values[of]), base.size, self.ring.element(0))

    def uses(self, name: str, other: str) -> bool:
        """Whether the equation of a quantity has another one in it."""
        return any(isinstance(part, Sym) and part.name == other for part in walk(self.theory.steps.get(name, Sym(""))))

    def later(self, seen: Seeded, of: str, t: int) -> Array | None:
        """A loss of a later stretch by what is perturbed, with symbols for its derivatives by the states that are handed on."""
        if self.through or block_of(t) <= seen.block or not seen.t or not self.theory.states:
            return None
        total = Dual(self.ring.element(0))
        for state in self.theory.states:
            for k, entry in enumerate(seen[state, seen.end()].flat):
                if isinstance(entry, Dual):
                    total = total + entry.scaled(0, self.ring.generator(("later", of, seen.block, state, k)))
        return np.array([[total]], dtype=object)

    def arriving(self, state: str, block: int, loss: Term) -> Array:
        """Symbols for the derivative of what the loss adds after a stretch, by a state at its end; zero after T."""
        symbols = self.generators(state, "arriving", block, loss)
        return symbols * (0 if block == AT["T"] else 1)


class Seeded(dict):  # type: ignore[type-arg]
    """Values with their derivatives by one quantity at one step, worked out where they are asked for."""

    def __init__(self, run: Stretches, kind: str, name: str, t: int) -> None:
        super().__init__()
        self.run, self.kind, self.name, self.t = run, kind, name, t
        self.block = block_of(t)

    def __missing__(self, at: tuple[str, int]) -> Array:
        if at not in self.run.values:
            raise KeyError(at)
        name, t = at
        first = self.run.first[block_of(t)]
        value = self.run.values[at]
        if at == (self.name, self.t) and self.kind == "q":
            value = self.run.seeded(value)
        elif t >= max(first, self.t) and name in self.run.theory.steps:
            value = self.run.computed(name, t, lambda node: self.leaf(node, t))
        elif name in self.run.theory.states and self.block < block_of(t) and t == first - 1:
            value = self.carried(name, value, block_of(t))
        self[at] = value
        return value

    def leaf(self, node: Sym, t: int) -> Array:
        if node.time is None or node.name in self.run.theory.parameters:
            value = self.run.parameter(node.name)
            return self.run.seeded(value) if (self.kind, self.name) == ("p", node.name) and self.t in (t, 0) else value
        at = (node.name, t + node.time.offset)
        if at not in self.run.values:
            raise Outside(node)
        if self.kind == "arriving" and at == (self.name, self.t) and node.time.offset < 0:
            return self.run.seeded(self.run.values[at])
        return self[at]

    def carried(self, name: str, value: Array, block: int) -> Array:
        """A state at the beginning of a later stretch, by the states at the end of the first: symbols for each derivative."""
        found = np.empty(value.shape, dtype=object)
        ends = [(state, entry) for state in self.run.theory.states for entry in enumerate(self[state, self.end()].flat)]
        for place in np.ndindex(*value.shape):
            total = Dual(value[place])
            for state, (k, entry) in ends:
                if isinstance(entry, Dual):
                    key = ("between", self.block, block, name, *place, state, k)
                    total = total + entry.scaled(0, self.run.ring.generator(key))
            found[place] = total
        return found

    def end(self) -> int:
        """The last step of the stretch of what is perturbed."""
        end = self.run.last[self.block]
        if self.t > end:
            raise Short(self.block, 1)
        return end


class _Lazily(dict):  # type: ignore[type-arg]
    """A mapping whose values are made when they are asked for."""

    def __init__(self, make: Callable[[Any], Array], has: Callable[[Any], bool]) -> None:
        super().__init__()
        self.make, self.has = make, has

    def __contains__(self, key: object) -> bool:
        return self.has(key)

    def __missing__(self, key: Any) -> Array:
        self[key] = found = self.make(key)
        return found


def jacobian(value: Array, count: int, zero: Any) -> Array:
    """The derivatives that dual numbers carry: a row for each entry of the value."""
    rows = [[entry.parts.get(k, zero) if isinstance(entry, Dual) else zero for k in range(count)] for entry in value.flat]
    found = np.empty((len(rows), count), dtype=object)
    for place in np.ndindex(*found.shape):
        found[place] = rows[place[0]][place[1]]
    return found


def _remembered(theory: Theory) -> set[str]:
    """Whatever has a share in the next step's states: a parameter among them works through all steps."""
    needed, fresh = set[str](), set(theory.states)
    while fresh:
        needed |= fresh
        bodies: Mapping[str, Term] = theory.steps
        fresh = {part.name for name in fresh for part in walk(bodies.get(name, Sym(name))) if isinstance(part, Sym)} - needed
    return needed


__all__ = ["AT", "Seeded", "Short", "Stretches", "block_of", "jacobian"]
