r"""How long everything is: the definitions' shapes, unified for columns or for rows, and generic numbers for them.

Every shape is two linear forms in unknown lengths. Quantities with a time are vectors; where that does not fit, they are
what their equations make of them, numbers or matrices too. A parameter is a matrix or a vector by how it is used. An
unknown length that nothing fixes gets a number of its own, so that no two lengths of the document are equal by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import gcd
from typing import Any, Literal

from symlstm.algebra import (
    SOME,
    Add,
    Adj,
    Apply,
    Blocks,
    Component,
    Diag,
    Div,
    Hadamard,
    Listed,
    MatMul,
    Max,
    Neg,
    Norm,
    Num,
    Ones,
    Partial,
    Pow,
    Prime,
    Prod,
    Rows,
    Space,
    Sum,
    Sym,
    Term,
    Total,
    Trace,
    Transpose,
    children,
    plain,
    term,
    walk,
)  # fmt: skip
from symlstm.definitions.forms import means
from symlstm.definitions.kinds import Kinds, kinds_of
from symlstm.definitions.meanings import PRE, Theory

Form = dict[str, int]  # a linear form: name -> count; "" is the number 1
Pair = tuple[Form, Form]
ONE: Form = {"": 1}
LENGTHS = (4, 7, 11, 13, 17, 19, 23, 29)


class Clash(Exception):
    """Two lengths that cannot agree: in words, with the place, and the quantity whose equation it is."""

    name = ""


@dataclass
class Sizes:
    """The shapes of one reading: `rows` says whether vectors are rows; `of` gives numbers for every name."""

    rows: bool
    scalar: bool
    shapes: dict[str, tuple[int, int]] = field(default_factory=dict)
    letters: dict[str, int] = field(default_factory=dict)
    clashes: dict[str, str] = field(default_factory=dict)

    def vector(self, length: int) -> tuple[int, int]:
        return (1, length) if self.rows else (length, 1)


def sizes(theory: Theory, rows: bool, apart: bool = True, only: Literal["vectors", "kinds", ""] = "") -> Sizes:
    """The sizes under one reading; `apart` keeps the lengths of the first state and the first input different.

    All quantities are `vectors`, or they are of the `kinds` that their equations make of them; else one after the other.
    Raises `Clash` where the definitions do not fit together.
    """
    last: Clash | None = None
    for kinds, known in _attempts(theory, rows):
        if only and (known is None) != (only == "vectors"):
            continue
        try:
            return _Unifier(theory, rows, kinds, apart, known).solved()
        except Clash as clash:
            last = last or clash
    raise last or Clash("nothing to unify")


def _attempts(theory: Theory, rows: bool) -> Iterator[tuple[dict[str, str], Kinds | None]]:
    """Guesses about the parameters, with vectors for all quantities; then with what the equations make of these."""
    guesses = kinds_of(theory)
    if not theory.kinds:
        yield from ((guess, None) for guess in guesses)
    spaces = {name: space for name, space in theory.sizes.items() if isinstance(space, Space)}
    declared = {name: _TOLD[_kind(space)] for name, space in spaces.items()}
    told = {name: _TOLD[kind] for name, kind in theory.kinds.items()}
    for guess in guesses:
        known = Kinds.of(theory, guess, declared | told, rows)
        if theory.kinds or any(known.of_name.get(name) != "vector" for name in theory.steps):
            yield guess, known


def _kind(space: Space) -> str:
    sides = {space.rows, space.columns or term(1)}
    return "matrix" if term(1) not in sides else "vector" if len(sides) > 1 else "number"


_TOLD: dict[str, tuple[Term | None, ...]] = {"number": (term(1), term(1)), "vector": (None, term(1)), "matrix": (None, None)}


class _Unifier:
    """Walks the definitions under one guess and solves for the lengths."""

    def __init__(self, theory: Theory, rows: bool, kinds: dict[str, str], apart: bool, known: Kinds | None = None) -> None:
        self.theory, self.rows, self.kinds, self.known = theory, rows, kinds, known
        self.fixed = {f"{name}.length" for name in (*theory.states[:1], *theory.inputs[:1])} if apart else set()
        self.scalar = bool(theory.steps) and bool(kinds) and all(kind == "scalar" for kind in kinds.values())
        self.scalars = {
            name
            for step, body in theory.steps.items()
            for part in walk(body)
            if isinstance(part, Apply) and isinstance(part.arg, Listed)
            for name in (step, *theory.formals.get(part.function, ()))
        }
        self.free = 0  # columns of ones whose lengths are not said
        self.solution: dict[str, Form] = {}
        self.matrices: list[str] = []
        self.indices: dict[str, Form] = {}
        self.names: dict[str, Pair] = {}

    # --- linear forms ------------------------------------------------------------------------------------------

    def resolve(self, form: Form) -> Form:
        while any(name in self.solution for name in form):
            total: Form = {}
            for name, count in form.items():
                for other, more in self.solution.get(name, {name: 1}).items():
                    total[other] = total.get(other, 0) + count * more
            form = {name: count for name, count in total.items() if count}
        return form

    def agree(self, left: Form, right: Form, node: Term) -> None:
        rest = self.resolve({name: left.get(name, 0) - right.get(name, 0) for name in {**left, **right}})
        divisor = gcd(*rest.values())
        rest = {name: count // divisor for name, count in rest.items() if count}
        if not rest:
            return
        unknown = sorted(
            (name for name in rest if name and abs(rest[name]) == 1 and name not in self.fixed), key=lambda name: "." not in name
        )
        if not unknown:
            raise Clash(f"{_said(self.resolve(left))} and {_said(self.resolve(right))} in {plain(node)}")
        name = unknown[0]
        self.solution[name] = {other: -count * rest[name] for other, count in rest.items() if other != name}
        for matrix in self.matrices:
            for side in ("rows", "columns"):
                if self.resolve({f"{matrix}.{side}": 1}) == ONE:
                    raise Clash(f"the matrix {matrix} would have one of its {side} only, in {plain(node)}")

    def same(self, left: Pair | None, right: Pair | None, node: Term) -> None:
        if left is not None and right is not None:
            self.agree(left[0], right[0], node)
            self.agree(left[1], right[1], node)

    # --- shapes ------------------------------------------------------------------------------------------------

    def vector(self, length: Form) -> Pair:
        return (ONE, length) if self.rows else (length, ONE)

    def named(self, node: Sym) -> Pair:
        if node.time is None and node.name in self.theory.letters and node.name not in self.theory.parameters:
            return ONE, ONE  # the length itself, a number
        return self.shape_of(node.name)

    def shape_of(self, name: str) -> Pair:
        if name not in self.names:
            self.names[name] = self.fresh(name)
        return self.names[name]

    def fresh(self, name: str) -> Pair:
        theory = self.theory
        if self.scalar or name in self.scalars:
            return ONE, ONE
        arrays = [value for (other, _), value in theory.values.items() if other == name]
        if arrays:
            return self.literal(arrays[0])
        kind = (self.known.of_name if self.known else {}).get(name) or self.kinds.get(name, "vector")
        declared = theory.sizes.get(name)
        if isinstance(declared, Space) and name in theory.parameters:
            lying = self.rows and declared.rows == term(1)
            kind = "vector" if declared.columns in (None, term(1)) or lying else "matrix"
        if name in theory.lazies and theory.parts_of(name) is not None:
            return self.shape(theory.parts_of(name)) or (ONE, ONE)  # type: ignore[arg-type]
        if kind == "matrix":
            self.matrices.append(name)
            return {f"{name}.rows": 1}, {f"{name}.columns": 1}
        return (ONE, ONE) if kind == "scalar" else self.vector({f"{name}.length": 1})

    def literal(self, node: Term) -> Pair:
        if isinstance(node, Blocks):
            return {"": len(node.rows)}, {"": len(node.rows[0])}
        return self.literal(children(node)[0]) if children(node) else (ONE, ONE)

    def shape(self, node: Term) -> Pair | None:
        """The shape of a term; None fits anything."""
        rule = _RULES.get(type(node))
        return rule(self, node) if rule else None

    def all_same(self, node: Any) -> Pair | None:
        """One shape for all; a quantity that is a number stands for the constant array among vectors."""
        numbers = [arg for arg in node.args if self.is_number(arg)]
        if numbers and len(numbers) < len(node.args):
            wide = tuple(arg for arg in node.args if arg not in numbers)
            if any(self.known.kind(arg) not in (None, "scalar") for arg in wide):  # type: ignore[union-attr]
                return self.shape(wide[0] if len(wide) == 1 else type(node)(wide))
        shapes = [found for arg in node.args if (found := self.shape(arg)) is not None]
        for other in shapes[1:]:
            self.same(shapes[0], other, node)
        return shapes[0] if shapes else None

    def is_one(self, shape: Pair) -> bool:
        return self.resolve(shape[0]) == ONE and self.resolve(shape[1]) == ONE

    def product(self, node: MatMul) -> Pair | None:
        total: Pair | None = None
        for arg in node.args:
            shape = self.shape(arg)
            if shape is None or self.is_one(shape):
                total = total or (shape if total is None and shape is not None and len(node.args) == 1 else total)
                continue
            if total is None:
                total = shape
            elif self.is_vector(total) and self.is_vector(shape) and self.upright(total) == self.upright(shape):
                self.same(total, shape, node)
            else:
                self.agree(total[1], shape[0], node)
                total = (total[0], shape[1])
        return total

    def is_vector(self, shape: Pair) -> bool:
        return ONE in (self.resolve(shape[0]), self.resolve(shape[1]))

    def upright(self, shape: Pair) -> bool:
        return self.resolve(shape[1]) == ONE

    def blocks(self, node: Blocks) -> Pair:
        grid = [[self.shape(part) or (ONE, ONE) for part in row] for row in node.rows]
        lying = self.rows and all(len(row) == 1 and self.resolve(row[0][0]) == ONE and not self.is_one(row[0]) for row in grid)
        if lying:
            return ONE, _added(row[0][1] for row in grid)
        for row in grid:
            for other in row[1:]:
                self.agree(row[0][0], other[0], node)
        for row in grid[1:]:
            for one, other in zip(grid[0], row, strict=False):
                self.agree(one[1], other[1], node)
        return _added(row[0][0] for row in grid), _added(shape[1] for shape in grid[0])

    def component(self, node: Component) -> Pair:
        shape = self.shape(node.of)
        if shape is not None and not self.is_one(shape):
            length = shape[0] if self.upright(shape) else shape[1]
            if node.index in self.indices:
                self.agree(self.indices[node.index], length, node)
            else:
                self.indices[node.index] = length
        return ONE, ONE

    def total(self, node: Total) -> Pair:
        outer = self.indices.pop(node.index, None)
        self.shape(node.body)
        self.indices.pop(node.index, None)
        if outer is not None:
            self.indices[node.index] = outer
        return ONE, ONE

    def diagonal(self, node: Diag) -> Pair | None:
        shape = self.shape(node.arg)
        if shape is None:
            return None
        length = shape[0] if self.upright(shape) else shape[1]
        return length, length

    def flipped(self, node: Transpose) -> Pair | None:
        shape = self.shape(node.arg)
        return None if shape is None else (shape[1], shape[0])

    def quotient(self, node: Div) -> Pair | None:
        below = self.shape(node.below)
        above = self.shape(node.above)
        if below is not None and not self.is_one(below):
            self.same(above, below, node)
        return above or below

    def is_number(self, node: Term) -> bool:
        """Whether a term is made of quantities that are known to be numbers."""
        symbols = [part for part in walk(node) if isinstance(part, Sym)] if self.known is not None else []
        return bool(symbols) and all(self.known.kind(part) == "scalar" for part in (node, *symbols))  # type: ignore[union-attr]

    def ones(self, node: Ones) -> Pair:
        if node.rows == SOME:
            self.free += 1
            return {f"ones{self.free}.length": 1}, ONE
        return length_form(node.rows), ONE

    def trace(self, node: Trace) -> Pair:
        shape = self.shape(node.arg)
        if shape is not None:
            self.agree(shape[0], shape[1], node)
        return ONE, ONE

    def part(self, node: Rows) -> Pair | None:
        shape = self.shape(node.arg)
        return None if shape is None else (_added([length_form(node.stop), length_form(Neg(node.start))]), shape[1])

    def applied(self, node: Apply) -> Pair | None:
        if isinstance(node.arg, Listed):
            return ONE, ONE
        return self.shape(node.arg)

    # --- solving -----------------------------------------------------------------------------------------------

    def solved(self) -> Sizes:
        place = {name: k for k, name in enumerate(self.theory.printed)}
        for name, body in sorted(self.theory.steps.items(), key=lambda item: place.get(item[0].removesuffix(PRE), -1)):
            try:
                self.same(self.shape_of(name), self.shape(body), body)
            except Clash as clash:
                clash.name = name
                raise
        self.count()
        for found in self.theory.lazies.values():
            for lazy in found:
                if not any(isinstance(part, (Partial, Adj)) for part in walk(lazy.body)):
                    with suppress(Clash):
                        self.shape(lazy.body)
        for name in (*self.theory.inputs, *self.theory.parameters, *self.theory.lazies):
            if name in self.theory.inputs or name in self.theory.parameters or self.theory.parts_of(name) is not None:
                self.shape_of(name)
        clashes: dict[str, str] = {}
        letters = self.declare(clashes)
        numbers = self.numbers()
        shapes = {name: (self.number(shape[0], numbers), self.number(shape[1], numbers)) for name, shape in self.names.items()}
        if min((side for shape in shapes.values() for side in shape), default=1) < 1:
            raise Clash("a length would not be positive")
        letters += [
            letter
            for letter in sorted(self.theory.letters - {*letters})
            if all(not name or name in numbers for name in self.resolve({letter: 1}))
        ]
        return Sizes(self.rows, self.scalar, shapes, {letter: self.number({letter: 1}, numbers) for letter in letters}, clashes)

    def count(self) -> None:
        """What a mean is divided by is how many entries it is of, where the text says nothing else of it."""
        for body in (*self.theory.steps.values(), *(lazy.body for found in self.theory.lazies.values() for lazy in found)):
            for count, column in means(body) if self.theory.counts else ():
                shape = self.shape(column) if count.name in self.theory.counts else None
                if shape is not None and not self.is_one(shape):
                    with suppress(Clash):
                        self.agree(shape[0] if self.upright(shape) else shape[1], {count.name: 1}, column)

    def declare(self, clashes: dict[str, str]) -> list[str]:
        """What declared sizes add: letters for lengths, and free lengths. What contradicts is kept in `clashes`."""
        letters: list[str] = []
        for name, space in self.theory.sizes.items():
            if name in self.names and isinstance(space, Space):
                try:
                    self.declare_one(name, space, letters)
                except Clash as clash:
                    clashes[name] = str(clash)
        return letters

    def declare_one(self, name: str, space: Space, letters: list[str]) -> None:
        rows, columns = length_form(space.rows), length_form(space.columns) if space.columns is not None else None
        shape = self.names[name]
        if columns is None or (rows != ONE and columns == ONE and not self.upright(shape)):
            self.declared(shape[0] if self.upright(shape) else shape[1], rows, letters, name)
        else:
            self.declared(shape[0], rows, letters, name)
            self.declared(shape[1], columns, letters, name)

    def declared(self, length: Form, said: Form, letters: list[str], name: str) -> None:
        """A declared length: of a new letter, or of a length that has no letter yet. Two letters are never made one."""
        new = [letter for letter in said if letter and letter not in letters]
        here, there = self.resolve(length), self.resolve(said)
        taken = [self.resolve({letter: 1}) for letter in letters]
        letters += new
        if new or here == there or (len(here) == 1 and next(iter(here)) not in ("", *self.fixed) and here not in taken):
            self.agree(length, said, Sym(name))
        else:
            raise Clash(f"{_said(here)} and {_said(there)}")

    def numbers(self) -> dict[str, int]:
        """A number for every free length: 3 for the first state, 2 for the first input, others for the rest."""
        theory, chosen, spare = self.theory, {}, iter(LENGTHS)
        first = [(name, 3) for name in theory.states[:1]] + [(name, 2) for name in theory.inputs[:1]]
        for name, number in first:
            if name in self.names:
                form = self.resolve(self.names[name][1 if self.rows else 0])
                free = [unknown for unknown in form if unknown]
                if len(form) == 1 and free and free[0] not in chosen:
                    chosen[free[0]] = number
        used = {part.name for body in theory.steps.values() for part in walk(body) if isinstance(part, Sym)}
        for name in (*theory.inputs, *theory.parameters):
            if name not in used and not any(f"{name}.length" in form for other in self.solution.values() for form in [other]):
                chosen.setdefault(f"{name}.length", 1)  # a target that nothing ties to a vector is a number
        for pair in self.names.values():
            for form in pair:
                for unknown in self.resolve(form):
                    if unknown and unknown not in chosen:
                        chosen[unknown] = next(spare, 31 + len(chosen))
        return chosen

    def number(self, form: Form, numbers: dict[str, int]) -> int:
        return sum(count * (numbers.get(name, 1) if name else 1) for name, count in self.resolve(form).items())


def length_form(node: Term) -> Form:
    """A size as a linear form. Raises `Clash` for what is none."""
    if isinstance(node, Num):
        return {"": int(node.value)}
    if isinstance(node, Sym):
        return {node.name: 1}
    if isinstance(node, Add):
        return _added(length_form(arg) for arg in node.args)
    if isinstance(node, Neg):
        return {name: -count for name, count in length_form(node.arg).items()}
    if isinstance(node, (MatMul, Hadamard)):
        total: Form = ONE
        for arg in node.args:
            form = length_form(arg)
            if set(total) == {""}:
                total = {name: count * total[""] for name, count in form.items()}
            elif set(form) == {""}:
                total = {name: count * form[""] for name, count in total.items()}
            else:
                raise Clash(f"{plain(node)} is no length")
        return total
    raise Clash(f"{plain(node)} is no length")


def _added(forms: Iterable[Form]) -> Form:
    total: Form = {}
    for form in forms:
        for name, count in form.items():
            total[name] = total.get(name, 0) + count
    return total


def _said(form: Form) -> str:
    return (
        " + ".join(
            f"{count}" if not name else name.partition(".")[0] if count == 1 else f"{count} {name.partition('.')[0]}"
            for name, count in form.items()
        )
        or "0"
    )


_RULES: dict[type[Term], Any] = {
    Sym: _Unifier.named, Add: _Unifier.all_same, Max: _Unifier.all_same, Hadamard: _Unifier.all_same, MatMul: _Unifier.product,
    Neg: lambda self, node: self.shape(node.arg), Apply: _Unifier.applied, Prime: _Unifier.applied, Transpose: _Unifier.flipped,
    Diag: _Unifier.diagonal, Blocks: _Unifier.blocks, Pow: lambda self, node: self.shape(node.base), Div: _Unifier.quotient,
    Component: _Unifier.component, Total: _Unifier.total, Norm: lambda self, node: (self.shape(node.arg), (ONE, ONE))[1],
    Ones: _Unifier.ones, Trace: _Unifier.trace, Rows: _Unifier.part,
    Sum: lambda self, node: self.shape(node.body), Prod: lambda self, node: self.shape(node.body),
}  # fmt: skip
