"""A cell run over one generic sequence, with every value and every derivative measured on it by complex step.

One run carries many perturbed copies at once, one for each entry of each quantity at each step, of each parameter's
copy at each step, and of each state on its way to the next step. So any adjoint, any Jacobian and any share of them is
read off, and no rule of differentiation is used. Cells with a hand-written loop in `symlstm.reference` are run by it,
others by `symlstm.evaluate.forward`.

The loss is a sum over t = 1..T of a generic quadratic function of the output of step t. The run is one step longer
than the loss, so that the adjoints of step T+1 are measured too (they are zero). Where states run backward in time the run
ends with step T, where they begin. What is said of a step, and not of T, holds
whatever arrives from later ones: it is looked at with one more term in the loss, generic and linear in all states that the
last of its steps hands on. Without it some adjoints are zero, such as those of a stabiliser on which no output depends.

>>> from symlstm import zoo
>>> from symlstm.algebra import Add, Adj, quantity
>>> run = Sequence(zoo.RNN, steps=4)
>>> run.evaluator({"t": 2})(Adj(quantity("z"))).shape
(3, 1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

from symlstm import reference
from symlstm.algebra import Adj, NotSupported, NotValid, Partial, Prod, Relation, Sum, Sym, Term, Time, parts, plain, walk
from symlstm.evaluate import COMPARE, STEP, Array, Evaluator, Nudge, Steps, forward, leaves, shape
from symlstm.evidence.conditions import held
from symlstm.evidence.points import Point, close, generic
from symlstm.model import Cell
from symlstm.zoo import ZOO

REFERENCES: dict[str, Callable[..., reference.Trace]] = {"lstm": reference.lstm, "rnn": reference.rnn}
LOSS, LOSS_TERM = "L", "ell"
LETTERS = ("t", "k", "T")  # of time
Times = dict[str, int]  # a value for each time letter
Choice = tuple[tuple[str, int], ...]  # the same, as a key
Choices = tuple[Choice, ...]
Marks = frozenset[Time]
Ends = tuple[int, int]  # the first and the last step that a relation is about
OTHERS, SHORT = 12, 2  # more points at which a relation with a kink in it is looked at, and the steps of each


class Outside(NotValid):
    """A quantity is asked for at a time at which it does not exist."""


def reference_of(cell: Cell) -> Callable[..., reference.Trace] | None:
    """The hand-written loop of a cell of the zoo, if there is one."""
    return REFERENCES.get(cell.name) if ZOO.get(cell.name) is cell else None


class Sequence:
    """One generic sequence: T `steps`, values of order one, non-zero initial states, n and m different (`points`).

    `leaf` gives the measured value of a symbol, an adjoint or a derivative at times that are numbers.
    """

    def __init__(self, cell: Cell, steps: int = 5, n: int = 3, m: int = 2, seed: int = 0,
                 point: Point | None = None, run: Callable[..., Steps] | None = None,
                 constants: Mapping[str, Any] | None = None) -> None:
        self.constants = dict(constants or {})
        self.cell, self.steps, self.seed, self.sizes = cell, steps, seed, cell.shapes.full({"n": n, "m": m})
        self.forward = all(part.step >= 0 for part in cell.parts)
        self.last = steps + self.forward  # step that is run
        self.point = point or generic(cell, self.last, self.sizes, seed)
        self._known: dict[tuple[Term, Ends | None], Array] = {}
        self._over: dict[tuple[Term, Choices, Marks], dict[Choice, Array]] = {}
        self._stacks: dict[tuple[Term, Choices, Marks, Choices], Array] = {}
        self._later: dict[Ends, Array] = {}
        self._under: dict[Relation, Sequence] = {}
        self._run = run or (self._by_reference if reference_of(cell) else self._by_interpreter)
        self._measure()

    def under(self, condition: Relation) -> Sequence:
        """The run with one parameter or input changed so that a condition holds (`symlstm.evidence.conditions`)."""
        if condition not in self._under:
            bound, change = held(condition)
            params = {name: change(value) if name == bound.name else value for name, value in self.point.params.items()}
            names = [symbol.name for symbol in self.cell.input_terms]
            inputs = [
                tuple(change(value) if name == bound.name else value for name, value in zip(names, given, strict=True))
                for given in self.point.inputs
            ]
            point = replace(self.point, params=params, inputs=inputs)
            n, m = self.sizes["n"], self.sizes["m"]
            self._under[condition] = Sequence(self.cell, self.steps, n, m, point=point, constants=self.constants)
        return self._under[condition]

    @cached_property
    def others(self) -> Sequence:
        """Short runs at other points, for what looks at the signs of numbers alone: one run has only a few signs."""
        n, m = self.sizes["n"], self.sizes["m"]
        points = close(self.cell, SHORT + self.forward, self.sizes, self.seed + 1, OTHERS)
        return Sequence(self.cell, SHORT, n, m, point=points, constants=self.constants)

    @property
    def count(self) -> int:
        """How many runs go side by side: one for each point."""
        return len(self.point.weights) if self.point.weights.ndim > 4 else 1

    # --- running ---

    def _by_interpreter(self, nudge: Nudge) -> Steps:
        return forward(self.cell, self.point.params, self.point.inputs, self.point.states, nudge=nudge)

    def _by_reference(self, nudge: Nudge) -> Steps:
        def on_lists(name: str, t: int, value: Any) -> Any:
            return to_lists(nudge(name, t, from_lists(value, self._rank(name))), self._rank(name))

        loop = reference_of(self.cell)
        assert loop is not None
        params = {name: to_lists(value, self._rank(name)) for name, value in self.point.params.items()}
        states = [to_lists(value, 1) for value in self.point.states]
        trace = loop(params, [to_lists(x, 1) for (x,) in self.point.inputs], *states, nudge=on_lists)
        return [{name: from_lists(value, self._rank(name)) for name, value in step.items()} for step in trace]

    def _rank(self, name: str) -> int:
        return self._ranks[name.rstrip("+")]

    @cached_property
    def _ranks(self) -> dict[str, int]:
        return {name: len(self.cell.array_shape(name, **self.sizes)) for name in self.cell.shapes}

    def _measure(self) -> None:
        """A first run finds out what there is to perturb, the second perturbs it all.

        The copies are in the order of the run, and a step is computed for those alone that it, or a step before it, perturbs;
        where a cell has several parts or runs backward, for all.
        """
        self._slots: dict[tuple[str, int], tuple[int, Array]] = {}
        copies = [0] * (self.last + 1 if self.forward and len(self.cell.parts) == 1 else 1)  # up to the end of each step

        def step_of(name: str, t: int) -> int:
            """The step at which something is perturbed: what is handed on belongs to the next one."""
            return t + name.endswith("+") if len(copies) > 1 else 0

        def note(name: str, t: int, value: Array) -> Array:
            step = step_of(name, t)
            copies[step] = max(copies[step], copies[step - 1] if step else 0)
            self._slots[name, t] = copies[step], value
            copies[step] += value.shape[-2] * value.shape[-1]
            return value

        def perturb(name: str, t: int, value: Array) -> Array:
            start, plainly = self._slots[name, t]
            moved = np.empty((copies[step_of(name, t)], *plainly.shape), dtype=complex)
            moved[:] = plainly
            if value.ndim > plainly.ndim:
                moved[:len(value)] = value
            steps = _moves(plainly.shape)
            moved[start:start + len(steps)] += steps
            return moved

        self._values, self._trace = self._run(note), self._run(perturb)
        for t in range(1, self.steps + 1):
            for trace in (self._values, self._trace):
                trace[t][LOSS_TERM] = self._loss(t, trace[t][self.cell.output_term.name])
        self._change = np.zeros((copies[-1], *self._values[1][LOSS_TERM].shape))  # of the loss
        for t in range(1, self.steps + 1):
            slopes = np.imag(self._trace[t][LOSS_TERM]) / STEP
            self._change[:len(slopes)] += slopes

    def _loss(self, t: int, output: Array) -> Array:
        """ell_t(h_t), generic and not linear."""
        linear, quadratic = np.moveaxis(self.point.weights[..., t - 1, :, :], -3, 0)
        return np.sum(output * (linear + output * quadratic), axis=(-2, -1))[..., None, None]

    # --- reading off ---

    def evaluator(self, times: Mapping[str, int], arriving: Ends | None = None) -> Evaluator:
        """An evaluator of terms on this sequence, with values for the time letters; T is known.

        With `arriving`, adjoints are those of the loss and one more term, in the states that these steps hand on: the later
        one forward, the earlier one backward.
        """
        return Evaluator(partial(self.leaf, arriving=arriving), {"T": self.steps, **times}, self.sizes)

    def leaf(self, node: Term, arriving: Ends | None = None) -> Array:
        """The value of a leaf. Raises `Outside` where it does not exist, `NotValid` where the cell does not have it."""
        if not (isinstance(node, Adj) or (isinstance(node, Partial) and node.of == Sym(LOSS))):
            arriving = None
        if (node, arriving) not in self._known:
            self._known[node, arriving] = self._found(node, self._changes(arriving))
        return self._known[node, arriving]

    def _changes(self, arriving: Ends | None) -> Array:
        """Of the loss, by everything perturbed."""
        if arriving is None:
            return self._change
        if arriving not in self._later:
            total = self._change.copy()
            for state, weights in zip(self.cell.state_terms, self.point.arriving, strict=True):
                if self.cell.carried[state] not in self._read:
                    continue
                end = arriving[self.cell.direction(state) > 0]
                last = np.imag(self._trace[end][state.name]) / STEP
                total[:len(last)] += np.sum(weights * last, axis=(-2, -1))[..., None, None]
                if (f"{state.name}+", end) in self._slots:
                    start, _ = self._slots[f"{state.name}+", end]
                    total[start:start + weights.shape[-2] * weights.shape[-1]] += _entries(weights)
            self._later[arriving] = total
        return self._later[arriving]

    @cached_property
    def _read(self) -> frozenset[Term]:
        """What a step reads of other steps."""
        return frozenset(part for line in self.cell.named for part in walk(line.rhs) if isinstance(part, Sym))

    def _found(self, node: Term, loss: Array) -> Array:
        if isinstance(node, Sym):
            return self._value(node)
        if isinstance(node, Adj):
            return self._derivative(Sym(LOSS), node.of, loss, arriving=node.arriving)
        if isinstance(node, Partial) and isinstance(node.of, Sym) and isinstance(node.wrt, Sym):
            return self._direct(node.of, node.wrt) if node.direct else self._derivative(node.of, node.wrt, loss)
        raise NotSupported(f"{type(node).__name__} has no value on a sequence.", plain(node))

    def _value(self, node: Sym) -> Array:
        if node.name in self.point.params:
            return self.point.params[node.name]
        if node.time is None and node.name in self.constants:
            return np.full((*self.point.weights.shape[:-4], 1, 1), float(self.constants[node.name]))
        if node == Sym(LOSS):
            return np.sum([self._values[t][LOSS_TERM] for t in range(1, self.steps + 1)], axis=0)
        if node.time is None or node.time.base:
            raise NotValid(f"{plain(node)} has no value on a sequence.", plain(node), "a quantity of the cell at a time")
        return self._at(self._values, node)

    def _at(self, trace: Steps, node: Sym) -> Array:
        assert node.time is not None
        t = node.time.offset
        if not 0 <= t < len(trace) or node.name not in trace[t]:
            if node.name not in (*self.cell.shapes, LOSS_TERM):
                raise NotValid(f"The cell has no quantity {node.name}.", plain(node), ", ".join(self.cell.shapes))
            raise Outside(f"{plain(node)} does not exist on a sequence of {self.steps} steps.", plain(node))
        return trace[t][node.name]

    def _derivative(self, of: Sym, wrt: Sym, loss: Array, *, arriving: bool = False) -> Array:
        """d of / d wrt, in the shape of `wrt` for a number, else as a Jacobian: a row for each entry of `of`."""
        if of.time == wrt.time == Time("", 0) and of != wrt:
            raise Outside("What the first step starts from is given: no equation makes it.", f"d {plain(of)} / d {plain(wrt)}")
        change = loss if of == Sym(LOSS) else np.imag(self._at(self._trace, of)) / STEP
        name = wrt.name + ("+" if arriving else "")
        if wrt.time is None and wrt.name in self.point.params:
            slots = [slot for (slot_name, _), slot in self._slots.items() if slot_name == name]
        else:
            slots = [self._slot(name, wrt)]
        *runs, rows, columns = slots[0][1].shape
        total = np.zeros((rows * columns, *change.shape[1:]))
        for start, _ in slots:
            if start < len(change):  # what comes later changes nothing
                total += change[start:start + rows * columns]
        if shape(change) == (1, 1):
            return _last(total[..., 0, 0]).reshape(*runs, rows, columns)
        if columns != 1:
            raise _not_a_matrix(of, wrt)
        return _jacobian(total, of, wrt)

    def _slot(self, name: str, wrt: Sym) -> tuple[int, Array]:
        if wrt.time is None or (name, wrt.time.offset) not in self._slots:
            if wrt.name not in (*self.cell.shapes, *self.point.params):
                raise NotValid(f"The cell has no quantity {wrt.name}.", plain(wrt), ", ".join(self.cell.shapes))
            raise Outside(f"{plain(wrt)} is not used on a sequence of {self.steps} steps.", plain(wrt))
        return self._slots[name, wrt.time.offset]

    def _direct(self, of: Sym, wrt: Sym) -> Array:
        """Along the equation of `of` alone, everything else in it held fixed at every step between."""
        assert of.time is not None and wrt.time is not None
        if of.name == LOSS_TERM:
            whole = self._derivative(of, wrt, self._change)
            return whole if wrt == self.cell.output_term.at(of.time) else 0 * whole
        rhs = next((line.rhs for line in self.cell.named if isinstance(line.lhs, Sym) and line.lhs.name == of.name), None)
        if rhs is None:
            raise NotValid(f"No equation defines {plain(of)}.", plain(of))
        start = self._value(wrt)
        if start.shape[-1] != 1:
            raise _not_a_matrix(of, wrt)
        here: Array = start + _moves(start.shape)
        way = self.cell.direction(of)
        first = wrt.time.offset + (way if wrt.name == of.name or wrt.time != of.time else 0)
        carried = wrt
        for s in range(first, of.time.offset + way, way):
            def leaf(node: Term, fixed: Sym = carried, moved: Array = here) -> Array:
                return moved if node == fixed else self.leaf(node)
            here, carried = Evaluator(leaf, {"t": s}, self.sizes)(rhs), of.at(Time("", s))
        if np.ndim(here) == start.ndim:  # nothing moved: the equation does not have it
            here = np.zeros((start.shape[-2], *here.shape))
        return _jacobian(np.imag(here) / STEP, of, wrt)

    def points(self, line: Relation) -> Iterator[tuple[list[Times], tuple[Array, ...], Evaluator]]:
        """Every choice of times at which all of a relation exists and its condition holds, with the value of each side there.

        A relation about single steps is evaluated for all those times at once: they are one more axis of the values, in front.
        """
        marks, choices = _marks(line), self._times(line)
        wanted = list(dict.fromkeys(part for side in line.terms for part in leaves(side) if part not in self._size_terms))
        if marks is None or any(isinstance(part, Sym) and part.name in LETTERS for part in wanted):
            yield from self._one_by_one(line, choices)
            return
        values = [self._throughout(leaf, choices, marks) for leaf in wanted]
        there = tuple(times for times in choices if all(times in found for found in values)
                      and (line.condition is None or _true(self.evaluator(dict(times)), line.condition)))
        if there:
            stacked = {leaf: self._stacked(leaf, choices, marks, there) for leaf in wanted}
            value = Evaluator(stacked.__getitem__, sizes=self.sizes)
            yield list(map(dict, there)), tuple(map(value, line.terms)), value

    def _one_by_one(self, line: Relation, choices: Choices) -> Iterator[tuple[list[Times], tuple[Array, ...], Evaluator]]:
        for times in map(dict, choices):
            value = self.evaluator(times, self._ends(_marks(line), times))
            try:
                if line.condition is None or _true(value, line.condition):
                    yield [times], tuple(map(value, line.terms)), value
            except Outside:
                continue

    def _throughout(self, leaf: Term, choices: Choices, marks: Marks) -> Mapping[Choice, Array]:
        """The value of a leaf at every choice of times at which it exists."""
        key = leaf, choices, marks
        if key not in self._over:
            found = self._over[key] = dict[Choice, Array]()
            for times in choices:
                try:
                    found[times] = self.evaluator(dict(times), self._ends(marks, dict(times)))(leaf)
                except Outside:
                    continue
        return self._over[key]

    def _stacked(self, leaf: Term, choices: Choices, marks: Marks, there: Choices) -> Array:
        """The values of a leaf at some choices of times side by side."""
        key = leaf, choices, marks, there
        if key not in self._stacks:
            found = self._throughout(leaf, choices, marks)
            self._stacks[key] = np.stack([found[times] for times in there])
        return self._stacks[key]

    @cached_property
    def _size_terms(self) -> frozenset[Term]:
        return frozenset(map(Sym, self.sizes))

    def _ends(self, marks: Marks | None, times: Mapping[str, int]) -> Ends | None:
        """The first and the last step of a relation about single steps: something arrives beyond them."""
        if marks is None:
            return None
        steps = [times.get(mark.base, 0) + mark.offset for mark in marks] or [0]
        return max(min(steps), 1), min(max(*steps, 0), self.last)

    def _times(self, line: Relation) -> Choices:
        free = free_letters(line) - {"T", ""}
        if not free <= {"t", "k"}:
            raise NotSupported("The time letters of a relation are t, k and T.", plain(line))
        derivatives = [part.of for part in parts(line) if isinstance(part, Partial) and isinstance(part.of, Sym)]
        down = any(self.cell.direction(of) < 0 for of in derivatives)
        return tuple(
            tuple((letter, value) for letter, value in (("t", t), ("k", k)) if letter in free)
            for t in (range(1, self.steps + 1) if "t" in free else (0,))
            for k in ((range(t + 1, self.last + 2) if down else range(t)) if "k" in free else (0,))
        )


@lru_cache(maxsize=256)
def _moves(of: tuple[int, ...]) -> Array:
    """A complex step in each entry of arrays of a shape, one after the other; in all runs alike."""
    *runs, rows, columns = of
    return 1j * STEP * np.eye(rows * columns).reshape(rows * columns, *(1 for _ in runs), rows, columns)


def _entries(value: Array) -> Array:
    """The entries of an array one after the other, each an array of one entry; of all runs alike."""
    *runs, rows, columns = value.shape
    return np.moveaxis(value.reshape(*runs, rows * columns), -1, 0)[..., None, None]


def _last(value: Array) -> Array:
    """The first axis put last."""
    return value.transpose(*range(1, value.ndim), 0)


def _jacobian(changes: Array, of: Sym, wrt: Sym) -> Array:
    """The changes of a column, one for each entry that moved, as a matrix."""
    if changes.shape[-1] != 1:
        raise _not_a_matrix(of, wrt)
    return _last(changes[..., 0])


def _not_a_matrix(of: Sym, wrt: Sym) -> NotSupported:
    return NotSupported("The derivative of a matrix, or by one, is not a matrix.", f"d {plain(of)} / d {plain(wrt)}")


@lru_cache(maxsize=256)
def _marks(line: Relation) -> frozenset[Time] | None:
    """The time marks of a relation about single steps; None where it is about T, or sums over steps.

    What arrives at a step comes from a neighbour, which counts too.
    """
    marks = frozenset(part.time for part in walk(line) if isinstance(part, Sym) and part.time is not None)
    handed = [part.of.time for part in walk(line) if isinstance(part, Adj) and part.arriving and part.of.time is not None]
    marks |= {time + sign for time in handed for sign in (1, -1)}
    over_time = any(isinstance(part, (Sum, Prod)) for part in walk(line)) or any(mark.base == "T" for mark in marks)
    return None if over_time else marks


@lru_cache(maxsize=256)
def free_letters(node: Term | Relation) -> set[str]:
    """The time letters of a tree that no sum or product binds."""
    bound = {part.index for part in walk(node) if isinstance(part, (Sum, Prod))}
    limits = {time.base for part in walk(node) if isinstance(part, (Sum, Prod)) for time in (part.lower, part.upper)}
    marks = {part.time.base for part in walk(node) if isinstance(part, Sym) and part.time is not None}
    return (marks - bound) | limits


def _true(value: Evaluator, condition: Relation) -> bool:
    return all(COMPARE[operator](value(left), value(right)) for left, operator, right in condition.links())


def to_lists(value: Array, rank: int) -> Any:
    """An array (runs..., rows, columns) as the reference takes it: lists of numbers, a number an array over the runs."""
    moved = np.moveaxis(np.moveaxis(value, -1, 0), -1, 0)
    rows = [list(row) for row in moved]
    return rows if rank == 2 else [row[0] for row in rows]


def from_lists(value: Any, rank: int) -> Array:
    """The inverse of `to_lists`."""
    array = np.asarray(value)
    if rank == 1:
        array = array[:, None]
    return np.moveaxis(np.moveaxis(array, 0, -1), 0, -1)
