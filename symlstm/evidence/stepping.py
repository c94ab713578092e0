"""One step of a cell on dual numbers: the value of every quantity, and its derivatives by those that its equation uses.

Every equation is evaluated on dual numbers that carry the derivatives by the quantities it uses. From these *local*
derivatives follow the Jacobians within the step, and what a quantity is handed back by those that use it. No rule of the
reverse sweep is used, and none of its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from symlstm.algebra import Relation, Sym, Term, Time, walk
from symlstm.evaluate import Array
from symlstm.evidence.components import SIZES, Components
from symlstm.evidence.duals import Dual
from symlstm.evidence.fields import Exactly, Field
from symlstm.shapes import Shapes

if TYPE_CHECKING:
    from symlstm.evidence.truth import Facts


class Reckoned(Exactly, Components):
    """Terms to arrays of field elements, or of dual numbers of them: values, not readings. A size is a number."""

    def __init__(self, ring: Field, shapes: Shapes, leaves: Mapping[Term, Array]) -> None:
        super().__init__(ring, shapes)
        self.leaf, self.sizes = leaves.__getitem__, shapes.full(SIZES)

    def of(self, node: Term, leaves: Mapping[Term, Array]) -> Array:
        """The value of a term for other leaves."""
        self.leaf = leaves.__getitem__
        return self(node)


class Step:
    """One step: the value of every quantity, and its derivatives by the components of those that its equation uses."""

    def __init__(self, facts: Facts, at: Time) -> None:
        self.facts, self.cell, self.at = facts, facts.cell, at
        self.values: dict[Sym, Array] = {}
        self.users: dict[Sym, list[Sym]] = {}
        self.order: dict[Sym, int] = {}
        self._local: dict[tuple[Sym, Sym], Array] = {}
        self._uses: dict[Sym, list[Sym]] = {}
        self._reach: dict[tuple[Sym, Sym], Array] = {}
        cell = self.cell
        for symbol in (*cell.parameter_terms, *cell.input_terms, *cell.carried.values()):
            self.values[symbol] = facts.leaf_generators(symbol if symbol.time is None else symbol.at(at + symbol.time.offset))
        for line in cell.named:
            self._run(line)

    def _run(self, line: Relation) -> None:
        """Evaluate an equation on dual numbers with a seed for each component of each quantity it uses."""
        assert isinstance(line.lhs, Sym)
        used = [part for part in dict.fromkeys(walk(line.rhs)) if part in self.values]
        leaves: dict[Term, Array] = {}
        starts, count = dict[Sym, int](), 0
        for part in used:
            assert isinstance(part, Sym)
            values = self.values[part]
            leaves[part] = seeded(values, self.facts.ring.element(1), count)
            starts[part], count = count, count + values.size
            self.users.setdefault(part, []).append(line.lhs)
            self._uses.setdefault(line.lhs, []).append(part)
        result = self.facts.reckoned.of(line.rhs, leaves)
        duals = [entry if isinstance(entry, Dual) else Dual(entry) for entry in filled(result, self.facts.extent(line.lhs)).flat]
        zero = self.facts.ring.element(0)
        for part, start in starts.items():
            columns = range(start, start + self.values[part].size)
            self._local[line.lhs, part] = matrix([[dual.parts.get(k, zero) for k in columns] for dual in duals])
        self.order[line.lhs] = len(self.order)
        self.values[line.lhs] = self._named(line.lhs, [dual.value for dual in duals])

    def _named(self, symbol: Sym, entries: list[Any]) -> Array:
        """The value of a quantity under its name; a state's name is the symbol that it is for the next step."""
        field, leaf = self.facts.ring, symbol.at(self.at)
        rank = (0, self.cell.place(symbol), self.cell.direction(symbol) * self.at.offset, self.order[symbol])
        found: Array = np.empty(self.facts.extent(symbol), dtype=object)
        for place, entry in zip(np.ndindex(*found.shape), entries, strict=True):
            key = (type(leaf).__name__, leaf, *place)
            if symbol in self.cell.state_terms:
                found[place] = field.generator(key)
                field.same_as(found[place], field.element(entry), rank)
            else:
                found[place] = field.named(key, entry, rank)
        return found

    def jacobian(self, of: Sym, wrt: Sym) -> Array:
        """d of / d wrt within this step, entries in a row-by-row order: a row for each entry of `of`."""
        reach = self._reach.get((of, wrt))
        if reach is None:
            field, rows, columns = self.facts.ring, self.values[of].size, self.values[wrt].size
            reach = matrix([[field.element(int(of == wrt and j == k)) for k in range(columns)] for j in range(rows)])
            for part in self._uses.get(of, ()) if of != wrt else ():
                rest = self.jacobian(part, wrt)
                for j, k in np.argwhere(self._local[of, part].astype(bool)):
                    reach[j] = reach[j] + self._local[of, part][j, k] * rest[k]
            self._reach[of, wrt] = reach
        return reach

    def pulled(self, of: Sym) -> list[Any]:
        """What the equations that use a quantity hand back to it: local derivatives, transposed, times adjoints."""
        total: Any = [self.facts.ring.element(0)] * self.values[of].size
        for user in self.users.get(of, ()):
            incoming = self.facts.adjoints(user, self.at).reshape(-1)
            local = self._local[user, of]
            for j, k in np.argwhere(local.astype(bool)):
                total[k] = total[k] + local[j, k] * incoming[j]
        return total


def seeded(values: Array, one: Any, start: int = 0) -> Array:
    """Dual numbers with a seed of its own for every entry."""
    found = np.empty(values.shape, dtype=object)
    for k, place in enumerate(np.ndindex(*values.shape), start):
        found[place] = Dual(values[place], {k: one})
    return found


def matrix(rows: list[list[Any]]) -> Array:
    """An array of elements, from rows that all are equally long."""
    found = np.empty((len(rows), len(rows[0])), dtype=object)
    for place in np.ndindex(*found.shape):
        found[place] = rows[place[0]][place[1]]
    return found


def filled(value: Array, extent: tuple[int, int]) -> Array:
    """A bare number as the constant array that it stands for."""
    return value if np.shape(value) else np.full(extent, value, dtype=object)
