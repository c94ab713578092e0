r"""A theory run over one generic sequence, and every derivative of it measured by complex step.

The run is a little longer than the loss, so that what is handed back from beyond the last step is measured too: it is
zero. One batch perturbs every quantity at every step, every parameter at once and in each step's copy, and every state on
its way to the next step. No rule of differentiation is used anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from symlstm.algebra import Apply, Div, Sym, Term, Time, walk
from symlstm.claims.models.arithmetic import Misfit, Outside, Reckoner, Unknown
from symlstm.claims.models.sizes import Sizes
from symlstm.definitions.meanings import Theory
from symlstm.evaluate import STEP

Array = Any
STEPS, BEYOND = 5, 2  # the loss ends at T = 5
FAR = ((1.0, 1e6), (10.0, 1.0), (1000.0, 1.0))  # how much larger values, and the loss, are where a bound is tried
Slot = tuple[str, str, int]  # what is perturbed, its name, and its step (0 for all steps at once)


class Run:
    """One sequence of random inputs, states and parameters through the steps of a theory."""

    def __init__(self, theory: Theory, sizes: Sizes, seed: int, scales: tuple[float, float] = (1.0, 1.0)) -> None:
        self.theory, self.sizes = theory, sizes
        self.scale, self.loss_scale = scales
        self.work, self.spent = 0, 0  # terms that were worked out for one formula, and for those before it
        self.strict = False
        self.steps = STEPS
        draw = np.random.default_rng(1000 + seed)
        self.random = draw
        divisors = _divisors(theory)
        drawn = {name: self.draw(name) for name in sizes.shapes if name in theory.parameters}
        self.parameters = {name: 0.5 + np.abs(value) if name in divisors else value for name, value in drawn.items()}
        self.given: dict[tuple[str, int], Array] = {}
        last = STEPS + BEYOND
        for name in theory.inputs:
            for t in range(last + 1):
                self.given[name, t] = self.draw(name)
        for name in theory.states:
            for t in (0, -1):
                drawn = self.draw(name)
                self.given[name, t] = 0.5 + np.abs(drawn) if name in divisors else drawn
        self.place_values()
        self.values = self.forward({})

    def draw(self, name: str) -> Array:
        shape = self.sizes.shapes.get(name, (1, 1))
        scale = 0.9 if min(shape) == 1 else 1.3 / np.sqrt(max(shape))
        drawn = self.random.standard_normal(shape) * scale + (0.2 if min(shape) == 1 else 0)
        return np.exp(drawn) / np.exp(drawn).sum() if name in self.theory.distributions else drawn * self.scale

    @cached_property
    def far(self) -> tuple[Run, ...]:
        """The same with larger parameters, inputs and states: where what is bounded comes near its bound."""
        runs = tuple(Run(self.theory, self.sizes, place, scales) for place, scales in enumerate(FAR, start=2))
        for run in runs:
            run.strict = self.strict
        return runs

    def place_values(self) -> None:
        """Numbers that the document gives."""
        for (name, time), body in self.theory.values.items():
            value = np.atleast_2d(np.asarray(Reckoner()(body), dtype=float))
            if not time:
                self.parameters[name] = value
                continue
            for t in range(self.steps + 1):
                at = {"t": t, "t-1": t - 1, "0": 0, "T": self.steps}.get(time)
                if at is not None and at >= 0:
                    self.given[name, at] = value

    # --- running -----------------------------------------------------------------------------------------------

    def forward(self, changes: Mapping[Slot, Array]) -> dict[tuple[str, int], Array]:
        """All values by name and step; `changes` are added to what they name."""

        def changed(slot: Slot, value: Array) -> Array:
            return value + changes[slot] if slot in changes else value

        values = {at: changed(("q", *at), value) for at, value in self.given.items()}
        for t in range(1, self.steps + BEYOND + 1):
            for name, body in self.theory.steps.items():

                def leaf(node: Sym, t: int = t, name: str = name) -> Array:
                    time = 0 if node.time is None else node.time.offset
                    if node.time is None or node.name in self.parameters:
                        return changed(("p", node.name, t), changed(("p", node.name, 0), self.parameter(node.name)))
                    value = values.get((node.name, t + time))
                    if value is None:
                        raise Outside(node)
                    if node.name in self.theory.states and time == -1:
                        value = changed(("arriving", node.name, t - 1), value)
                    return changed((f"edge {name}", node.name, t + time), value)

                values[name, t] = changed(("q", name, t), changed(("all", name, 0), self.reckoner(leaf, t)(body)))
        return values

    def reckoner(self, leaf: Callable[[Sym], Array], t: int) -> Reckoner:
        """The arithmetic of one step."""
        reckoner = Reckoner(leaf, {"t": t}, self.theory)
        reckoner.rows = self.sizes.rows
        return reckoner

    def parameter(self, name: str) -> Array:
        if name in self.parameters:
            return self.parameters[name]
        return self.length(name)

    def length(self, name: str) -> int:
        """The number that the letter of a length stands for."""
        if name in self.theory.letters and name in self.sizes.letters:
            return self.sizes.letters[name]
        raise Unknown(name)

    # --- perturbing --------------------------------------------------------------------------------------------

    @cached_property
    def _slots(self) -> dict[Slot, tuple[int, tuple[int, int]]]:
        """Everything that can be perturbed, with its place in the batch and its shape."""
        shapes: dict[Slot, tuple[int, int]] = {("q", *at): np.shape(value)[-2:] for at, value in self.values.items()}
        for name, value in self.parameters.items():
            for t in range(self.steps + 1):
                shapes["p", name, t] = np.shape(value)
        for name in self.theory.constants:
            shapes["all", name, 0] = np.shape(self.values[name, 1])[-2:]
        for name in self.theory.states:
            for t in range(self.steps + BEYOND):
                shapes["arriving", name, t] = np.shape(self.values[name, t])[-2:]
        places, count = {}, 0
        for slot, shape in shapes.items():
            places[slot] = (count, shape)
            count += shape[0] * shape[1]
        return places

    @cached_property
    def _batch(self) -> dict[tuple[str, int], Array]:
        return self.forward(_perturbations(self._slots))

    @cached_property
    def _edges(self) -> tuple[dict[Slot, tuple[int, tuple[int, int]]], dict[tuple[str, int], Array]]:
        """The same for every use of a quantity in the equation of another: `edge z`, name, step."""
        places, count = {}, 0
        for consumer, body in self.theory.steps.items():
            for part in {part for part in walk(body) if isinstance(part, Sym) and part.time is not None}:
                assert part.time is not None
                for t in range(1, self.steps + 1):
                    at = (part.name, t + part.time.offset)
                    if at in self.values:
                        shape = np.shape(self.values[at])[-2:]
                        places[f"edge {consumer}", *at] = (count, shape)
                        count += shape[0] * shape[1]
        return places, self.forward(_perturbations(places))

    def slot(self, kind: str, name: str, t: int) -> tuple[dict[tuple[str, int], Array], tuple[int, int], Slot]:
        """The perturbed values for one slot, the shape of what is perturbed, and the slot. Raises `Outside`."""
        places, batch = self._edges if kind.startswith("edge") else (self._slots, self._batch)
        if (kind, name, t) not in places:
            raise Outside(Sym(name, Time("", t)))
        start, shape = places[kind, name, t]
        return _Sliced(batch, start, shape[0] * shape[1]), shape, (kind, name, t)

    def edges(self, name: str, t: int) -> list[str]:
        """The quantities whose equations use a quantity of a step, as kinds of slots."""
        return [slot[0] for slot in self._edges[0] if slot[1:] == (name, t)]

    # --- one step ----------------------------------------------------------------------------------------------

    def one_step(self, of: tuple[str, int], wrt: tuple[str, int | None], held: frozenset[str], alone: bool = False) -> Array:
        """The derivative of a quantity within one step, as a Jacobian (entries of `of` by entries of `wrt`).

        `held` quantities of that step stay as they are; with `alone` only the equation of `of` itself is used.
        """
        name, t = wrt
        parameter = t is None
        base = self.parameter(name) if parameter else self.values[name, t]  # type: ignore[index]
        count = base.size
        moved = base + 1j * STEP * np.eye(count).reshape(count, *base.shape[-2:])
        values: dict[tuple[str, int], Array] = dict(self.values)
        if not parameter:
            values[name, t] = moved  # type: ignore[index]
        step = of[1]

        def leaf(node: Sym) -> Array:
            if node.time is None or node.name in self.parameters:
                return moved if parameter and node.name == name else self.parameter(node.name)
            found = values.get((node.name, step + node.time.offset))
            if found is None:
                raise Outside(node)
            return found

        for each, body in self.theory.steps.items():
            if (each, step) == (name, t) or each in held or (alone and each != of[0]):
                continue
            values[each, step] = self.reckoner(leaf, step)(body)
            if each == of[0]:
                break
        result = np.imag(values[of]) / STEP
        result = np.broadcast_to(result, (count, *result.shape[-2:]))
        return result.reshape(count, -1).T

    def uses(self, name: str, other: str) -> bool:
        """Whether the equation of a quantity has another one in it."""
        return any(isinstance(part, Sym) and part.name == other for part in walk(self.theory.steps.get(name, Sym(""))))


def _divisors(theory: Theory) -> set[str]:
    """What something is divided by, or the root or logarithm of which is taken: states and numbers that are above zero."""
    roots = ("sqrt", "log")
    bodies = [part for body in theory.steps.values() for part in walk(body)]
    below = [part.below for part in bodies if isinstance(part, Div)]
    below += [part.arg for part in bodies if isinstance(part, Apply) and part.function in roots]
    symbols = ((each, part) for each in below for part in walk(each) if isinstance(part, Sym))
    return {part.name for each, part in symbols if part.time is not None or part == each}


class _Sliced(dict):  # type: ignore[type-arg]
    """The values of a batch, cut to one slot when they are asked for."""

    def __init__(self, batch: dict[tuple[str, int], Array], start: int, count: int) -> None:
        super().__init__()
        self.batch, self.start, self.count = batch, start, count

    def __missing__(self, at: tuple[str, int]) -> Array:
        whole = self.batch[at]
        value = whole[self.start : self.start + self.count] if np.ndim(whole) == 3 and len(whole) > 1 else whole
        self[at] = value
        return value


def _perturbations(places: Mapping[Slot, tuple[int, tuple[int, int]]]) -> dict[Slot, Array]:
    """What is added to each slot: an imaginary step for one entry in one run of the batch.

    Only the rows of the slot itself differ from zero; they are made when they are added.
    """
    total = sum(shape[0] * shape[1] for _, shape in places.values())
    return {slot: _Lump(start, shape, total) for slot, (start, shape) in places.items()}


class _Lump:
    """A batch of zeros with an imaginary step in the runs of one slot, added to a value without being built before."""

    __array_ufunc__ = None

    def __init__(self, start: int, shape: tuple[int, int], total: int) -> None:
        self.start, self.shape, self.total = start, shape, total

    def __radd__(self, value: Array) -> Array:
        size = self.shape[0] * self.shape[1]
        result = np.empty((self.total, *self.shape), dtype=complex)
        result[...] = value
        result[self.start : self.start + size] += 1j * STEP * np.eye(size).reshape(size, *self.shape)
        return result


__all__ = ["BEYOND", "STEP", "STEPS", "Misfit", "Run", "Slot", "Term"]
