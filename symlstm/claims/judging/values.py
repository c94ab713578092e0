r"""What a formula of a document is worth under a reading: derivatives measured on a run, shorthands worked out.

A reading of a formula says how derivatives are laid out and what a factor in a product of derivatives means. The layout
is the same throughout a formula; `\partial` alone is the total derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from symlstm.activations import ACTIVATIONS
from symlstm.algebra import (
    NOW,
    Adj,
    Apply,
    Blocks,
    Hadamard,
    Listed,
    MatMul,
    Neg,
    Partial,
    Prime,
    Prod,
    Sym,
    Term,
    Time,
    Transpose,
    plain,
    walk,
)
from symlstm.claims.models.arithmetic import (
    Array,
    Misfit,
    Outside,
    Reckoner,
    Unknown,
    Unreadable,
    is_scalar,
    is_vector,
    runs_down,
    shape,
    when,
)
from symlstm.claims.models.runs import Run
from symlstm.definitions.forms import LAST, at_now, latest, marked
from symlstm.definitions.meanings import Lazy, lazy_key, loss_called, loss_of
from symlstm.definitions.sources import LOSSES
from symlstm.evaluate import COMPARE, STEP

WORK = 250_000  # terms that are worked out for one formula
Layout = Literal["column", "row", "elementwise", "transposed", "numerator"]
Mode = Literal["whole", "held", "total", "alone"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How the notation of one formula is taken.

    `layout`: gradients as columns, as rows, everything elementwise, Jacobians transposed, or gradients of matrices
    transposed. `mode`: a factor in a product of derivatives is the whole one-step Jacobian, the one with the other
    states of the step held, the total derivative, or that of one equation. `direct`: every other derivative is that of one
    equation. `within`: every derivative within one step is that of the step alone, what comes before it held.
    `before`: a `\\delta` of a gate is taken before the activation. `by_value`: sigma'(y) is written in terms of y.
    `lists`: a transpose turns the list `[a, b]` into a column. `outer`: two columns make their outer product.
    """

    layout: Layout = "column"
    mode: Mode = "whole"
    direct: bool = False
    within: bool = False
    before: bool = False
    by_value: bool = False
    lists: bool = False
    outer: bool = False


class Tensor:
    """The derivative of a vector by a matrix: entries of the one by entries of the other."""

    def __init__(self, array: Array, of: tuple[int, ...], wrt: tuple[int, ...]) -> None:
        self.array, self.of, self.wrt = array, of, wrt

    def contracted(self, vector: Array, transposed: bool = False) -> Array:
        """The chain rule: what a gradient by the vector makes of it, in the shape of the matrix (or transposed)."""
        found = (np.reshape(vector, (1, -1)) @ self.array).reshape(self.wrt)
        return found.T if transposed else found


class Valuer(Reckoner):
    """The value of terms on a run at given times, under a reading; `seen` are perturbed values to be used instead."""

    def __init__(
        self, run: Run, reading: Reading, times: Mapping[str, int], variables: Mapping[str, Array] | None = None
    ) -> None:
        super().__init__(None, {"T": run.steps, "tau": run.steps, **times}, run.theory)
        self.run, self.reading, self.variables = run, reading, dict(variables or {})
        self.rows, self.strict, self.loss_scale = run.sizes.rows, run.strict, run.loss_scale
        self.seen: Mapping[tuple[str, int], Array] | None = None
        self.moved: tuple[str, Array] | None = None  # a parameter that is perturbed
        self.nudged: tuple[str, int] | None = None  # the loss of one step that is perturbed
        self.in_product = False

    def copy(self, **changes: Any) -> Valuer:
        other = Valuer(self.run, self.reading, self.times, self.variables)
        other.seen, other.moved, other.in_product, other.nudged = self.seen, self.moved, self.in_product, self.nudged
        other.indices, other.local, other.depth = self.indices, self.local, self.depth + 1
        for name, value in changes.items():
            setattr(other, name, value)
        if other.depth > 40:
            raise Unreadable("a definition that leads back to itself")
        return other

    def __call__(self, node: Term) -> Array:
        self.run.work += 1
        if self.run.work > WORK:
            raise Unreadable("it would take too long to work it out")
        if isinstance(node, Partial):
            return self.derivative(node)
        if isinstance(node, Adj):
            return self.adjoint(node)
        return super().__call__(node)

    # --- symbols -----------------------------------------------------------------------------------------------

    def symbol(self, node: Sym) -> Array:
        if node.time is None:
            own = node.name in self.run.parameters or node.name in self.run.theory.constants  # and no letter of a time
            for place in (self.local, self.variables, self.times, self.indices):
                if node.name in place and not (place is self.times and own):
                    return place[node.name]
        node = self.resolved(node)
        theory = self.run.theory
        if node.name in theory.parameters and node.name in self.run.parameters:
            value = self.run.parameter(node.name)
            return value + self.moved[1] if self.moved and self.moved[0] == node.name else value
        if theory.lazy(node) and node.name not in theory.steps:
            return self.lazily(node)
        if node.time is None and node.name.removesuffix("_bold") == "I" and theory.states:
            return np.eye(max(self.run.sizes.shapes[theory.states[0]]))
        if node.time is None and node.name not in theory.constants:
            return self.run.length(node.name)
        at = (node.name, 1 if node.time is None else when(node.time, self.times))
        if node.name == "delta" and node.name not in theory.steps and node.name not in theory.inputs:
            return self.adjoint(Adj(Sym(theory.states[0] if theory.states else theory.output, node.time)))
        if node.name not in theory.steps and node.name not in theory.inputs:
            raise Unknown(node.name, node)
        if self.seen is not None:
            try:
                return self.seen[at]
            except KeyError:
                raise Outside(node) from None
        if at not in self.run.values:
            raise Outside(node)
        return self.run.values[at]

    def resolved(self, node: Sym) -> Sym:
        """The symbol by the name its quantity goes by, with the time it has if it is written without one."""
        theory = self.run.theory
        name = theory.same.get(node.name, node.name)
        if node.time is None and name in theory.steps and (name not in theory.letters or name in theory.timeless):
            return Sym(name, Time("T") if name in theory.ends else None if name in theory.constants else NOW)
        return Sym(name, node.time)

    def lazily(self, node: Sym) -> Array:
        """The value of what is defined by derivatives, sums or cases, at its time."""
        found = self.run.theory.lazy(node)
        if self.nudged is not None and node.time is not None and self.nudged == (node.name, when(node.time, self.times)):
            return self.copy(nudged=None).lazily(node) + 1j * STEP
        if (
            node.time is not None
            and node.name.partition("_")[0] in ("delta", "gamma", "L", "E", "J", "l")
            and when(node.time, self.times) > self.run.steps + 1
        ):
            raise Outside(node)
        for lazy in found:
            inner = self.at_lazy(lazy, node.time)
            if lazy.condition is None or all(
                bool(COMPARE[operator](inner(left), inner(right))) for left, operator, right in lazy.condition.links()
            ):
                value = inner(lazy.body)
                summed = node.name in LOSSES and not is_scalar(value)  # -y log p is meant as a number
                return np.sum(value, axis=(-2, -1), keepdims=True) if summed else value
        raise Outside(node)

    def applied(self, node: Apply) -> Array:
        """A function at its arguments; a loss that the document defines is the same whatever is written behind it."""
        loss = loss_called(node.function)
        if loss is not None and lazy_key(loss) in self.run.theory.called:
            return self.symbol(loss)
        return super().applied(node)

    def at_lazy(self, lazy: Lazy, time: Time | None) -> Valuer:
        times = dict(self.times)
        if time is not None and lazy.letter:
            times[lazy.letter] = when(time, self.times) - lazy.offset
        return self.copy(times=times, in_product=False, reading=replace(self.reading, mode="alone", direct=False, by_value=False))

    def adjoint(self, node: Adj) -> Array:
        """The adjoint of a quantity: as the document defines it, else the derivative of the loss."""
        theory = self.run.theory
        of = self.resolved(node.of)
        lazy = theory.adjoints.get(of.name)
        if node.arriving and of.name in theory.states:
            return self.total(loss_of(theory), of, "arriving")
        if lazy is not None:
            time = of.time
            return self.at_lazy(lazy, time)(lazy.body)
        if not theory.known(of):
            raise Unknown(f"delta {of.name}", node)
        body = theory.steps.get(of.name)
        if self.reading.before and isinstance(body, Apply) and isinstance(body.arg, Sym) and of.name not in theory.settled:
            of = Sym(body.arg.name, of.time)
        return self.total(loss_of(theory), of)

    # --- products of derivatives -------------------------------------------------------------------------------

    def product(self, node: MatMul) -> Array:
        return self.as_product(node, super().product)

    def hadamard(self, node: Hadamard) -> Array:
        return self.as_product(node, super().hadamard)

    def elementwise(self, node: Term, left: Array, right: Array) -> Array:
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            raise Misfit(node, _shape(left), _shape(right), "an elementwise product of different shapes")
        return super().elementwise(node, left, right)

    def chained(self, node: Prod) -> Array:
        before, self.in_product = self.in_product, self.in_product or any(isinstance(part, Partial) for part in walk(node.body))
        try:
            values = self.many(node)
        finally:
            self.in_product = before
        if not values:
            return 1.0
        downwards = runs_down(node)
        vectors = is_vector(values[0]) or is_scalar(values[0])
        if not downwards and not vectors and self.reading.layout != "transposed":
            values = values[::-1]  # Jacobians: the newest factor stands on the left
        total = values[0]
        for value in values[1:]:
            total = self.multiplied(node, total, value)
        return total

    def as_product(self, node: Any, compute: Callable[[Any], Array]) -> Array:
        """In a product of derivatives each factor is taken within one step."""
        before = self.in_product
        factors = [_bare(arg) for arg in node.args]
        count = sum(map(self.is_derivative, factors))
        if count > 1 and any(isinstance(part, Partial) for factor in factors for part in (factor, *walk(factor))):
            self.in_product = True
        try:
            return compute(node)
        finally:
            self.in_product = before

    def is_derivative(self, factor: Term) -> bool:
        """Whether a factor is a derivative, or a shorthand for one."""
        if isinstance(factor, (Partial, Adj)):
            return True
        if isinstance(factor, Prod):
            return any(isinstance(part, Partial) for part in walk(factor.body))
        if isinstance(factor, Sym):
            return any(
                isinstance(part, (Partial, Adj))
                for lazy in self.run.theory.lazy(self.resolved(factor))
                for part in walk(lazy.body)
            )
        return any(isinstance(part, Partial) for part in walk(factor)) and not isinstance(factor, Apply)

    def multiplied(self, node: Term, left: Array, right: Array) -> Array:
        if not isinstance(left, Tensor) and not isinstance(right, Tensor):
            columns = is_vector(left) and is_vector(right) and shape(left)[1] == shape(right)[1] == 1
            if self.reading.outer and columns:
                return left @ np.swapaxes(right, -1, -2)
            return super().multiplied(node, left, right)
        tensor, other, first = (left, right, True) if isinstance(left, Tensor) else (right, left, False)
        if isinstance(other, Tensor):
            raise Misfit(node, tensor.of, other.of, "two derivatives by a matrix in one product")
        if is_scalar(other):
            return Tensor(tensor.array * other, tensor.of, tensor.wrt)
        if max(shape(other)) == max(tensor.of) and is_vector(other):
            return tensor.contracted(other, self.reading.layout == "numerator")
        if not first and shape(other)[1] == max(tensor.of):
            return Tensor(other @ tensor.array, (shape(other)[0], 1), tensor.wrt)
        raise Misfit(node, shape(other), tensor.of, "the factors of a product do not fit")

    def added(self, node: Term, left: Array, right: Array) -> Array:
        if isinstance(left, Tensor) and isinstance(right, Tensor) and left.array.shape == right.array.shape:
            return Tensor(left.array + right.array, left.of, left.wrt)
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            raise Misfit(node, _shape(left), _shape(right), "the terms of a sum have different shapes")
        return super().added(node, left, right)

    # --- derivatives -------------------------------------------------------------------------------------------

    def derivative(self, node: Partial) -> Array:
        of, wrt = node.of, node.wrt
        if isinstance(wrt, Sym) and wrt.time is None and not isinstance(of, Sym):
            if isinstance(of, Apply) and wrt.name in self.run.theory.formals.get(of.function, ()):
                return self.by_argument(of, self.run.theory.formals[of.function].index(wrt.name))
            if wrt.name in self.variables:
                return self.by_variable(of, wrt.name)
        if isinstance(of, Sym):
            of = self.resolved(of)
        if not isinstance(wrt, Sym):
            wrt = self.part(wrt)
        wrt = self.resolved(wrt)
        blocks = self.run.theory.parts_of(wrt.name)
        if isinstance(blocks, Blocks):
            return self.by_blocks(of, wrt, blocks)
        if isinstance(of, Sym) and (self.in_product or self.reading.direct or self.reading.within or node.direct):
            factor = self.factor(of, wrt, node.direct)
            if factor is not None:
                return factor
        return self.total(of, wrt)

    def part(self, wrt: Term) -> Sym:
        """The name of a term that a derivative is taken by, at its time."""
        theory = self.run.theory
        move = latest(wrt)
        key = marked(at_now(_renamed(wrt, theory.same)), theory.timeless)
        if key not in theory.parts:
            raise Unreadable(f"nothing is computed from {plain(wrt)} as it stands")
        return Sym(theory.parts[key], NOW + move)

    def by_blocks(self, of: Term, wrt: Sym, blocks: Blocks) -> Array:
        """A derivative by a quantity that only stacks others: the derivatives by these, stacked in the same way."""
        move = when(wrt.time, self.times) if wrt.time is not None else None
        times = {**self.times, "t": move} if move is not None else self.times
        inner = self.copy(times=times, in_product=self.in_product, reading=replace(self.reading, layout="column"))
        of = self.fixed(of)
        grid = [[inner.derivative(Partial(of, part)) for part in row] for row in blocks.rows]
        if any(isinstance(value, Tensor) for row in grid for value in row):
            raise Unreadable(f"the derivative of a vector by {wrt.name} is not worked out")
        gradient = not (isinstance(of, Sym) and of.name in self.run.theory.steps)
        lying = not gradient or (len(blocks.rows[0]) == 1 and all(shape(row[0])[0] == 1 < shape(row[0])[1] for row in grid))
        if len(blocks.rows[0]) == 1:
            whole = np.concatenate([row[0] for row in grid], axis=-1 if lying else -2)
        else:
            whole = np.concatenate([np.concatenate(row, axis=-1) for row in grid], axis=-2)
        if gradient:
            return self.laid_gradient(whole, shape(whole))
        return self.laid_jacobian(whole, (whole.shape[0], 1), (whole.shape[1], 1))

    def fixed(self, node: Term) -> Term:
        """The term with its own times replaced by numbers."""
        if isinstance(node, Sym) and node.time is not None:
            return node.at(Time("", when(node.time, self.times)))
        return node

    def factor(self, of: Sym, wrt: Sym, direct: bool) -> Array | None:
        """The derivative within one step, as the reading has it; None where it is the total one."""
        theory, mode = self.run.theory, "alone" if direct or self.reading.direct else self.reading.mode
        if of.name not in theory.steps or of.time is None or mode == "total":
            return None
        last = when(of.time, self.times)
        if (of.name, last) not in self.run.values or last < 1:
            raise Outside(of)
        if wrt.time is None and wrt.name in theory.constants:
            return self.within((of.name, last), (wrt.name, last), mode)
        if wrt.time is None:
            return None if wrt.name not in self.run.parameters else self.within((of.name, last), (wrt.name, None), mode)
        first = when(wrt.time, self.times)
        if wrt.name in self.run.parameters:
            return self.within((of.name, last), (wrt.name, None), mode) if first == last else None
        if (wrt.name, first) not in self.run.values:
            raise Outside(wrt)
        if mode == "alone" and of.name == wrt.name and last > first:
            total = np.eye(self.run.values[wrt.name, first].size)
            for step in range(first + 1, last + 1):
                alone = self.run.uses(of.name, of.name)
                total = self.run.one_step((of.name, step), (of.name, step - 1), frozenset(), alone) @ total
            return self.laid_jacobian(total, shape(self.run.values[of.name, last]), shape(self.run.values[wrt.name, first]))
        return self.within((of.name, last), (wrt.name, first), mode) if last - first in (0, 1) else None

    def within(self, of: tuple[str, int], wrt: tuple[str, int | None], mode: str) -> Array:
        states = set(self.run.theory.states) - {of[0], wrt[0]} if mode == "held" else set()
        alone = mode == "alone" and self.run.uses(of[0], wrt[0])
        key = ("one", of, wrt, mode)
        cache = self.run.__dict__.setdefault("cache", {})
        if key not in cache:
            cache[key] = self.run.one_step(of, wrt, frozenset(states), alone)
        below = self.run.parameter(wrt[0]) if wrt[1] is None else self.run.values[wrt[0], wrt[1]]
        return self.laid_jacobian(cache[key], shape(self.run.values[of]), shape(below))

    def total(self, of: Term, wrt: Sym, kind: str = "") -> Array:
        """The total derivative of a term, read off the perturbed run."""
        if self.seen is not None:
            raise Unreadable("a derivative of a derivative")
        if wrt.time is not None and wrt.name not in self.run.theory.steps and self.run.theory.lazy(wrt):
            value = self.copy(nudged=(wrt.name, when(wrt.time, self.times)), in_product=False)(of)
            return np.reshape(np.imag(value) / STEP, (1, 1))
        if wrt.name in self.run.parameters and wrt.name in self.run.theory.parameters:
            slot = ("p", wrt.name, 0 if wrt.time is None else when(wrt.time, self.times))
        elif wrt.time is None and wrt.name in self.run.theory.constants:
            slot = ("all", wrt.name, 0)
        elif wrt.time is None:
            raise Unknown(wrt.name, wrt)
        else:
            if wrt.name not in self.run.theory.steps and wrt.name not in self.run.theory.inputs:
                raise Unknown(wrt.name, wrt)
            slot = (kind or "q", wrt.name, when(wrt.time, self.times))
        cache = self.run.__dict__.setdefault("cache", {})
        key = (
            "total",
            of,
            slot,
            tuple(sorted((letter, self.times[letter]) for letter in _letters(of) if letter in self.times)),
            tuple(self.indices.items()),
        )
        if key not in cache:
            cache[key] = self.measured(of, slot)
        change, of_shape, wrt_shape = cache[key]
        if of_shape in ((), (1, 1)):
            return self.laid_gradient(change.reshape(wrt_shape), wrt_shape)
        return self.laid_jacobian(change.T, of_shape, wrt_shape)

    def measured(self, of: Term, slot: tuple[str, str, int]) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
        seen, wrt_shape, _ = self.run.slot(*slot)
        count = wrt_shape[0] * wrt_shape[1]
        moved = (slot[1], 1j * STEP * np.eye(count).reshape(count, *wrt_shape)) if slot[0] == "p" else None
        value = self.copy(seen=seen, moved=moved, in_product=False)(of)
        of_shape = shape(value)
        change = np.broadcast_to(np.imag(value) / STEP, (count, *(of_shape or (1, 1)))).reshape(count, -1)
        return change, of_shape, wrt_shape

    def by_argument(self, of: Apply, place: int) -> Array:
        """The derivative of a generic function by one of its arguments."""
        args = [self(arg) for arg in of.arg.args] if isinstance(of.arg, Listed) else [self(of.arg)]
        args[place] = args[place] + 1j * STEP
        return np.imag(self.value_of(of.function, args)) / STEP

    def by_variable(self, of: Term, name: str) -> Array:
        inner = self.copy(variables={**self.variables, name: self.variables[name] + 1j * STEP})
        return np.imag(inner(of)) / STEP

    def transposed(self, node: Transpose) -> Array:
        if self.reading.lists and is_list(node):
            return self(node.arg)
        return super().transposed(node)

    # --- layouts -----------------------------------------------------------------------------------------------

    def laid_gradient(self, value: Array, wrt: tuple[int, ...]) -> Array:
        layout = self.reading.layout
        if 1 in wrt:
            return value.T if layout in ("row", "numerator") and not is_scalar(value) else value
        return value.T if layout == "numerator" else value

    def laid_jacobian(self, value: Array, of: tuple[int, ...], wrt: tuple[int, ...]) -> Array:
        if 1 not in wrt:
            return Tensor(value, of, wrt)
        layout = self.reading.layout
        if layout == "elementwise" and value.shape != (1, 1):
            diagonal = np.diagonal(value) if value.shape[0] == value.shape[1] else None
            if diagonal is None or np.abs(value - np.diag(diagonal)).max() > 1e-12:
                raise Misfit(Sym("derivative"), value.shape, of, "this Jacobian is not diagonal")
            return diagonal.reshape(of)
        return value.T if layout == "transposed" else value

    # --- primes ------------------------------------------------------------------------------------------------

    def slope(self, node: Prime) -> Array:
        if self.reading.by_value and self.is_value_of(node.arg, node.function):
            row = ACTIVATIONS.get(node.function)
            if row is not None and row.slope_of is not None:
                inner = Reckoner()
                inner.local = {"Y": self(node.arg)}
                return inner(row.slope_of)
        value = self(node.arg)
        if np.iscomplexobj(value) and np.abs(np.imag(value)).max() == 0:
            value = np.real(value)
        return self.slope_at(node.function, value)

    def is_value_of(self, node: Term, function: str) -> bool:
        """Whether a term is a value of an activation: then the derivative may be meant in terms of it."""
        if isinstance(node, Sym):
            body = self.run.theory.steps.get(self.resolved(node).name)
            return isinstance(body, Apply) and body.function == function
        return isinstance(node, Apply) and node.function == function


def is_list(node: Term) -> bool:
    """Whether a term is `[a, b]^T`, which may be the column that stacks a and b, or the row."""
    return (
        isinstance(node, Transpose)
        and isinstance(node.arg, Blocks)
        and len(node.arg.rows) > 1
        and all(len(row) == 1 and isinstance(row[0], (Sym, Adj, Partial)) for row in node.arg.rows)
    )


def _bare(node: Term) -> Term:
    while isinstance(node, (Transpose, Neg)):
        node = node.arg
    return node


def _shape(value: Any) -> tuple[int, ...]:
    return (*value.of, *value.wrt) if isinstance(value, Tensor) else shape(value)


def _letters(node: Term) -> set[str]:
    found = {""}
    for part in walk(node):
        if isinstance(part, Sym):
            found |= set((part.time.base if part.time is not None else part.name).replace("-", "+").split("+"))
        if isinstance(part, Apply) and "[" in part.function:
            found |= {"t"}
    return found | {"t"}


def _renamed(node: Term, same: Mapping[str, str]) -> Term:
    from symlstm.algebra import transform

    return transform(node, lambda part: Sym(same[part.name], part.time) if isinstance(part, Sym) and part.name in same else part)
__all__ = ["LAST", "Layout", "Mode", "Reading", "Tensor", "Valuer"]
