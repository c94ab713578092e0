"""Shape inference by unification, with the reason for every shape.

A cell is declared without shapes. The first input is in R^m and the first state in R^n; each node of each equation
says which lengths must agree (`_RULES`, one line a node type), and those statements are linear equations between
lengths. Solving them gives every other shape. The statements are kept, so that each shape can be explained by the
shortest chain of them that leads to something given, and a contradiction names the two places that disagree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symlstm.algebra import (
    NOW,
    Add,
    Adj,
    Apply,
    Blocks,
    Diag,
    Div,
    Hadamard,
    MatMul,
    Max,
    Neg,
    NotSupported,
    NotValid,
    Num,
    Ones,
    Pow,
    Prime,
    Relation,
    Rows,
    Space,
    Sym,
    Term,
    Trace,
    Transpose,
    children,
    equation,
    free_sizes,
    plain,
    substitute,
    term,
    walk,
)
from symlstm.prose import Piece, Prose, joined, plain_prose, prose

Length = tuple[tuple[str, int], ...]  # a linear form: (("m", 1), ("n", 1)) is m + n, (("", 1),) the number 1
Shape = tuple[Length, Length]  # rows, columns

ONE: Length = (("", 1),)
GIVEN = ("n", "m")


def _length(entries: Mapping[str, int]) -> Length:
    return tuple(sorted((name, count) for name, count in entries.items() if count))


def _plus(left: Length, right: Length, sign: int = 1) -> Length:
    total = dict(left)
    for name, count in right:
        total[name] = total.get(name, 0) + sign * count
    return _length(total)


def length_term(length: Length) -> Term:
    """A linear form as a term: n + m, the hidden part first."""
    order = {"n": 0, "m": 1}
    parts: list[Term] = []
    for name, count in sorted(length, key=lambda item: (order.get(item[0], 2), item[0] == "", item[0])):
        parts.append(term(count) if not name else Sym(name) if count == 1 else MatMul((term(count), Sym(name))))
    return Add(tuple(parts)) if len(parts) > 1 else parts[0] if parts else term(0)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why two lengths agree: the rule, and the node of the equation at which it speaks."""

    rule: str
    node: Term
    where: Relation | None

    def words(self) -> str:
        """The rule as it stands in a message about a contradiction."""
        return _WORDS[self.rule]

    def told(self) -> str:
        """The rule as it stands in an explanation: of an equation, what its right side does with lengths."""
        right = type(self.where.rhs) if self.where and self.rule == "equation" else None
        return _WORDS[_KEEPS.get(right, self.rule) if right else self.rule]


_WORDS = {
    "sum": "the terms of a sum have equal shapes",
    "hadamard": "a Hadamard product keeps its length",
    "product": "a matrix product needs as many columns on the left as there are rows on the right",
    "activation": "an activation keeps the length of its argument",
    "equation": "both sides of an equation have one shape",
    "stack": "blocks side by side are equally high, and blocks above one another equally wide",
    "vector": "it stands where a vector must stand",
    "square": "a trace is one of a square matrix",
    "declared": "its size was declared",
    "given": "given",
}

_KEEPS: dict[type[Term], str] = {Hadamard: "hadamard", Apply: "activation", Add: "sum"}


@dataclass(frozen=True, slots=True)
class Constraint:
    """Two lengths that must agree, and why."""

    left: Length
    right: Length
    reason: Reason


class _Inference:
    """Walks the equations, solves as it goes, and keeps every constraint for the explanations."""

    def __init__(self, sizes: frozenset[str] = frozenset(GIVEN)) -> None:
        self.sizes = sizes
        self.constraints: list[Constraint] = []
        self.solution: dict[str, Length] = {}
        self.where: Relation | None = None

    def resolve(self, length: Length) -> Length:
        while any(name in self.solution for name, _ in length):
            total: dict[str, int] = {}
            for name, count in length:
                for other, many in self.solution.get(name, ((name, 1),)):
                    total[other] = total.get(other, 0) + count * many
            length = _length(total)
        return length

    def resolved(self, shape: Shape) -> Shape:
        return self.resolve(shape[0]), self.resolve(shape[1])

    def agree(self, left: Length, right: Length, rule: str, node: Term) -> None:
        if left == right:
            return
        constraint = Constraint(left, right, Reason(rule, node, self.where))
        rest = self.resolve(_plus(left, right, -1))
        unknown = [(name, count) for name, count in rest if name and name not in GIVEN and abs(count) == 1]
        if not rest:
            self.constraints.append(constraint)
            return
        if not unknown:
            raise self._disagreement(constraint)
        name, count = min(unknown, key=lambda item: "." not in item[0])  # our own unknowns before declared symbols
        self.constraints.append(constraint)
        self.solution[name] = _length({other: -count * k for other, k in rest if other != name})

    def same(self, left: Shape, right: Shape, rule: str, node: Term) -> None:
        self.agree(left[0], right[0], rule, node)
        self.agree(left[1], right[1], rule, node)

    def _disagreement(self, constraint: Constraint) -> NotValid:
        reason = constraint.reason
        sides = [
            f"one side is {plain(length_term(self.resolve(length)))}{self._because(length)}"
            for length in (constraint.left, constraint.right)
        ]
        place = plain(reason.where) if reason.where else "the declared sizes"
        return NotValid(
            f"The shapes do not fit: {reason.words()}, but in {plain(reason.node)} " + " and ".join(sides) + ".",
            place,
            "sizes that agree at both places",
        )

    def _because(self, length: Length) -> str:
        names = [name.partition(".")[0] for name, _ in length if "." in name]
        chain = [found for name, _ in length for found in explain(name, self.constraints)]
        said = [f"{plain(found.reason.where)} ({found.reason.told()})" for found in chain if found.reason.where]
        return (f" (the size of {names[0]}" if names else " (given") + (
            f", from {'; '.join(dict.fromkeys(said))})" if said else ")"
        )

    # --- the rules: each returns the shape of its node; None fits anything (a bare number) ---

    def shape(self, node: Term) -> Shape | None:
        try:
            rule = _RULES[type(node)]
        except KeyError:
            raise NotSupported(f"{type(node).__name__} has no shape rule.", plain(node), "a term of a cell's equations") from None
        return rule(self, node)

    def name(self, node: Sym) -> Shape:
        if node.time is None and node.name in self.sizes:
            return ONE, ONE
        return ((f"{node.name}.rows", 1),), ((f"{node.name}.columns", 1),)

    def equal(self, rule: str) -> Callable[[Any], Shape | None]:
        def check(node: Add | Hadamard | Max) -> Shape | None:
            shapes = [(arg, found) for arg in node.args if (found := self.shape(arg)) is not None]
            for _, other in shapes[1:]:
                self.same(shapes[0][1], other, rule, node)
            return shapes[0][1] if shapes else None

        return check

    def product(self, node: MatMul) -> Shape | None:
        result: Shape | None = None
        scalar: Shape | None = None
        for factor in node.args:
            shape = self.shape(factor)
            if shape is None or self.resolved(shape) == (ONE, ONE):
                scalar = shape or scalar
                continue  # a scalar scales
            if result is None:
                result = shape
            else:
                self.agree(result[1], shape[0], "product", node)
                result = result[0], shape[1]
        return result or scalar

    def blocks(self, node: Blocks) -> Shape:
        rows: list[Length] = []
        columns: list[Length] = []
        for k, row in enumerate(node.rows):
            shapes = [self.shape(block) or (ONE, ONE) for block in row]
            for other in shapes[1:]:
                self.agree(shapes[0][0], other[0], "stack", node)
            if k:
                for one, other in zip(columns, shapes, strict=True):
                    self.agree(one, other[1], "stack", node)
            rows.append(shapes[0][0])
            columns = columns or [shape[1] for shape in shapes]
        return total_length(rows), total_length(columns)

    def diagonal(self, node: Diag) -> Shape | None:
        shape = self.shape(node.arg)
        if shape is None:
            return None
        self.agree(shape[1], ONE, "vector", node)
        return shape[0], shape[0]

    def trace(self, node: Trace) -> Shape:
        shape = self.shape(node.arg)
        if shape is not None:
            self.agree(*shape, "square", node)
        return ONE, ONE

    def rows(self, node: Rows) -> Shape | None:
        shape = self.shape(node.arg)
        return None if shape is None else (_plus(linear("rows", node.stop), linear("rows", node.start), -1), shape[1])

    def quotient(self, node: Div) -> Shape | None:
        below = self.shape(node.below)
        if below is None or self.resolved(below) == (ONE, ONE):
            return self.shape(node.above) or below  # a scalar divides every entry
        return self.equal("hadamard")(Hadamard((node.above, node.below)))

    def flipped(self, node: Transpose) -> Shape | None:
        shape = self.shape(node.arg)
        return None if shape is None else (shape[1], shape[0])


def total_length(lengths: list[Length], without: Length = ()) -> Length:
    """The sum of lengths, less one."""
    total: Length = ()
    for length in lengths:
        total = _plus(total, length)
    return _plus(total, without, -1)


_RULES: dict[type[Term], Callable[[_Inference, Any], Shape | None]] = {
    Num: lambda _, node: None,
    Sym: lambda self, node: self.name(node),
    Adj: lambda self, node: self.name(node.of),
    Add: lambda self, node: self.equal("sum")(node),
    Max: lambda self, node: self.equal("sum")(node),
    Hadamard: lambda self, node: self.equal("hadamard")(node),
    MatMul: _Inference.product,
    Neg: lambda self, node: self.shape(node.arg),
    Apply: lambda self, node: self.shape(node.arg),
    Prime: lambda self, node: self.shape(node.arg),
    Pow: lambda self, node: self.shape(node.base),
    Div: _Inference.quotient,
    Ones: lambda _, node: (linear("ones", node.rows), ONE),
    Trace: _Inference.trace,
    Rows: _Inference.rows,
    Transpose: _Inference.flipped,
    Diag: _Inference.diagonal,
    Blocks: _Inference.blocks,
}


class _Known(_Inference):
    """The same rules over names whose shapes are known."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes.size_names)
        self.shapes = shapes

    def name(self, node: Sym) -> Shape:
        return self.shapes.lengths[node.name] if node.time or node.name not in self.sizes else (ONE, ONE)


def explain(unknown: str, constraints: list[Constraint]) -> list[Constraint]:
    """The shortest chain of constraints from a length to lengths that are given, breadth first."""
    queue: deque[tuple[str, list[Constraint]]] = deque([(unknown, [])])
    seen = {unknown}
    while queue:
        name, path = queue.popleft()
        if "." not in name:
            return path
        for constraint in constraints:
            for here, there in ((constraint.left, constraint.right), (constraint.right, constraint.left)):
                if here != ((name, 1),):
                    continue
                if len(there) != 1 or "." not in there[0][0]:
                    return [*path, constraint]
                if there[0][0] not in seen:
                    seen.add(there[0][0])
                    queue.append((there[0][0], [*path, constraint]))
    return []


class Shapes(Mapping[str, tuple[Any, ...]]):
    """The inferred shape of every quantity: name -> tuple of SymPy sizes in n and m; `(n,)` for a vector.

    Raises `NotValid` where two places of the equations disagree, or where nothing fixes a size.
    """

    def __init__(
        self,
        equations: tuple[Relation, ...],
        inputs: tuple[Sym, ...],
        states: tuple[Sym, ...],
        sizes: Mapping[str, tuple[Term | None, ...]] | None = None,
    ) -> None:
        declared_names = {s.name for size in (sizes or {}).values() for part in size if part is not None for s in _symbols(part)}
        self.size_names = frozenset({*GIVEN, *declared_names})
        work = _Inference(self.size_names)
        for symbol, length in ((states[0], "n"), (inputs[0], "m")) if inputs else ((states[0], "n"),):
            if symbol.name not in (sizes or {}):
                work.same(work.name(symbol), (((length, 1),), ONE), "given", symbol)
        for name, declared in (sizes or {}).items():
            for part, side in zip((*declared, term(1))[:2], ("rows", "columns"), strict=True):
                if part is not None:  # it is not said
                    work.agree(((f"{name}.{side}", 1),), linear(name, part), "declared", Sym(name))
        names: dict[str, None] = {}
        for line in equations:
            work.where = line
            left, right = work.shape(line.lhs), work.shape(line.rhs)
            if left is not None and right is not None:
                work.same(left, right, "equation", line.lhs)
            names |= dict.fromkeys(
                part.name
                for side in line.terms
                for part in _symbols(side)
                if "." not in part.name and (part.time or part.name not in self.size_names)
            )
        self._work = work
        self._constraints = work.constraints
        self._states, self._inputs, self._equations = states, inputs, equations
        self.lengths: dict[str, Shape] = {}
        for name in (*(s.name for s in (*inputs, *states)), *names):
            self.lengths[name] = work.resolved((((f"{name}.rows", 1),), ((f"{name}.columns", 1),)))
            if any("." in unknown for length in self.lengths[name] for unknown, _ in length):
                raise self._open(name)
            if any(all(count < 0 for _, count in length) for length in self.lengths[name]):
                size = " by ".join(plain(length_term(length)) for length in self.lengths[name])
                words = f"The size of {name} would be {size}."
                raise NotValid(words, self._lines_of(name), "blocks that are no larger than the whole")
        self.declared = {name: work.resolve(((name, 1),)) for name in sorted(declared_names - {*GIVEN})}

    def _lines_of(self, name: str) -> str:
        return " and ".join(plain(line) for line in self._equations if name in {s.name for s in _symbols(line)})

    def _open(self, name: str) -> NotValid:
        """What to say of a size that nothing fixes, and how it is declared: with a letter that is free."""
        rows, columns = self.lengths[name]
        taken = {n for line in self._equations for n in (s.name for s in _symbols(line))} | self.size_names
        free = map(Sym, free_sizes(taken))
        sides = [
            length_term(length) if all("." not in unknown for unknown, _ in length) else next(free)
            for length in ((rows,) if columns == ONE else (rows, columns))
        ]
        symbol = Sym(name) if name in self.parameters else Sym(name, NOW)
        from symlstm.tex import latex  # here, so that a cell that is only run does not load it

        written = latex(Relation((symbol, Space(*sides)), ("in",)))
        sizes = ", ".join(map(plain, sides)) if len(sides) > 1 else f"{plain(sides[0])},"
        right = f"declare it, as in sizes={{{name!r}: ({sizes})}}, in a text as ${written}$"
        if columns == ONE and sides[0] != Sym("n"):
            right += f"; with n for {plain(sides[0])} it is as long as the first state"
        return NotValid(f"Nothing fixes the size of {name}.", self._lines_of(name), right)

    def with_ones(self, node: Term) -> Term:
        """The term with sizes of columns of ones that were unknown, `ones.1`. Raises `NotValid` where nothing tells one."""
        found: dict[Term, Term] = {}
        for part in walk(node):
            if isinstance(part, Ones) and isinstance(part.rows, Sym) and "." in part.rows.name:
                length = self._work.resolve(((part.rows.name, 1),))
                if any("." in unknown for unknown, _ in length):
                    words = "Nothing fixes the size of a column of ones, or of an identity matrix."
                    raise NotValid(words, plain(node), r"\mathbf{1}_n, a column of n ones")
                found[part] = Ones(length_term(length))
        return substitute(node, found) if found else node

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        import sympy

        rows, columns = self.lengths[name]

        def sized(length: Length) -> Any:
            return sum(
                (count * (sympy.Symbol(size, integer=True, positive=True) if size else 1) for size, count in length),
                sympy.Integer(0),
            )

        return (
            (sized(rows),)
            if columns == ONE and rows != ONE
            else (sized(rows), sized(columns))
            if rows != ONE or columns != ONE
            else ()
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def space(self, name: str) -> Space:
        """The size of a quantity as a term, R^n or R^(n x m)."""
        rows, columns = self.lengths[name]
        return Space(length_term(rows), None if columns == ONE else length_term(columns))

    def at(self, name: str, sizes: Mapping[str, int]) -> tuple[int, int]:
        """Rows and columns in numbers, for `{"n": 3, "m": 2}`; a further size that is not given is a generic one."""
        full = self.full(sizes)
        rows, columns = (sum(count * (full[size] if size else 1) for size, count in length) for length in self.lengths[name])
        return rows, columns

    def full(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The value of every size: one that is not given is 1 more than the larger of n and m, so no two are equal by chance."""
        return dict.fromkeys(self.size_names, 1 + max(sizes["n"], sizes["m"])) | dict(sizes)

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The names that the equations write without a time mark and that are no sizes."""
        marked = {part.name for line in self._equations for part in _symbols(line) if part.time is not None}
        return frozenset(self.lengths.keys() - marked - {symbol.name for symbol in (*self._inputs, *self._states)})

    @cached_property
    def numbers(self) -> frozenset[str]:
        """The quantities that are one number."""
        return frozenset(name for name, shape in self.lengths.items() if shape == (ONE, ONE))

    def of(self, node: Term) -> Shape | None:
        """Rows and columns of a term of the cell's quantities; None for a bare number, which fits anything.

        Raises `NotValid` where its parts do not fit.
        """
        return _Known(self).shape(node)

    def is_scalar(self, node: Term) -> bool:
        """Whether a term is one number."""
        return self.of(node) in (None, (ONE, ONE))

    def why(self, name: str) -> str:
        """In words, why a quantity has the size it has. Takes a quantity or a declared size such as `k`.

        Raises `NotValid` for a name that the cell does not have.
        """
        return plain_prose(self.reason(name)).strip()

    def reason(self, name: str) -> Prose:
        """What `why` says, with its mathematics kept as terms."""
        if name in self.declared:
            chain = self._chain(name)
            return (
                prose("{} = {}", Sym(name), length_term(self.declared[name]))
                if not chain
                else Prose((equation(Sym(name), length_term(self.declared[name])), ", because ", *self._told(chain)))
            )
        if name not in self.lengths:
            raise NotValid(
                "The cell has no quantity of this name.", repr(name), "one of " + ", ".join((*self.lengths, *self.declared))
            )
        head: tuple[Piece, ...] = (self._mark(name), " is in ", self.space(name), ". ")
        for role, symbols, length in (("input", self._inputs, "m"), ("first state", self._states, "n")):
            if symbols and name == symbols[0].name:
                given = (*head[:3], f": it is given, the length of the {role} is called ", Sym(length), ". ")
                return Prose((*given, *self.growth().pieces) if length == "n" else given)
        columns = self.lengths[name][1]
        told: list[Piece] = list(head)
        parts = (("Its length: ", "rows"),) if columns == ONE else (("Its columns: ", "columns"), ("Its rows: ", "rows"))
        for words, part in parts:
            told += [words, *self._told(self._chain(f"{name}.{part}"))]
        return Prose(tuple(told))

    def _chain(self, unknown: str) -> list[Constraint]:
        if "." in unknown:
            return explain(unknown, self._constraints)
        for constraint in self._constraints:  # a declared symbol: start at the place where it was declared
            if any(name == unknown for name, _ in constraint.left + constraint.right):
                side = constraint.left if constraint.right == ((unknown, 1),) else constraint.right
                others = [found for found in self._constraints if found is not constraint]
                return [constraint, *explain(side[0][0], others)] if len(side) == 1 else [constraint]
        return []

    def _told(self, chain: list[Constraint]) -> list[Piece]:
        """A chain in words: for each equation once, what it forces."""
        told: list[Piece] = []
        last: tuple[Relation | None, str] | None = None
        for constraint in chain:
            reason = constraint.reason
            if reason.where is None:
                told += [
                    "; " if told else "",
                    *([reason.node, " is given"] if reason.rule == "given" else [reason.node, " was declared so"]),
                ]
                continue
            if last and last[0] == reason.where and (reason.rule == "equation" or last[1] == reason.told()):
                continue
            last = reason.where, reason.told()
            told += ["; " if told else "", "in ", reason.where, f", {reason.told()}"]
        return [*told, ". "] if told else ["it is given. "]

    def growth(self) -> Prose:
        """Why the state keeps its length although what it is computed from is longer."""
        state, given = self._states[0], self._inputs[:1]
        products = [node for line in self._equations for node in _products(line)]
        stacked = [node for node in products if any(isinstance(arg, Blocks) and state.prev in children(arg) for arg in node.args)]
        readers = stacked or [node for node in products if state.prev in node.args]
        feeds = stacked or [node for node in products if {*given} & {*node.args}]
        if not readers or not feeds:
            return Prose(())
        rows = self._extent(readers[0])[0]
        if stacked:
            read = next(arg for arg in readers[0].args if isinstance(arg, Blocks))
            reads = prose("Each step reads {}, a vector of length {}", read, length_term(self._extent(read)[0]))
            whose = prose("{} has {} rows", readers[0], length_term(rows))
        else:
            total = length_term(total_length([self.lengths[symbol.name][0] for symbol in (state, *given)]))
            reads = prose("Each step reads {} stacked on {}, a vector of length {}", state.prev, given[0], total)
            whose = prose("{} and {} have {} rows", readers[0], feeds[0], length_term(rows))
        last = next(line.rhs for line in self._equations if line.lhs == state)
        again = (
            prose(", and {} has {} again", last, length_term(self.lengths[state.name][0]))
            if rows != self.lengths[state.name][0]
            else prose("")
        )
        because = prose(
            ", which is longer, but {} does not grow: the length of a matrix product is the number of rows of the matrix, and ",
            state,
        )
        return joined(
            reads,
            because,
            whose,
            " whatever the length of what they read" if not stacked else " whatever the length of what it reads",
            again,
            ". ",
        )

    def _extent(self, node: Term) -> Shape:
        return self.of(node) or (ONE, ONE)

    def _mark(self, name: str) -> Sym:
        """The quantity as the equations write it: with its time mark, if it has one."""
        for line in self._equations:
            for part in _symbols(line):
                if part.name == name and (part.time is None or part.time.offset == 0):
                    return part
        return next(symbol for symbol in (*self._inputs, *self._states) if symbol.name == name)


def _symbols(node: Term | Relation) -> Iterator[Sym]:
    return (part for part in walk(node) if isinstance(part, Sym))


def _products(line: Relation) -> Iterator[MatMul]:
    return (part for part in walk(line) if isinstance(part, MatMul))


def linear(name: str, size: Term) -> Length:
    """A size of a quantity, by its name, as a linear form."""
    total: Length = ()
    for part in size.args if isinstance(size, Add) else (size,):
        if isinstance(part, Num) and part.value.denominator == 1:
            total = _plus(total, (("", int(part.value)),))
        elif isinstance(part, Sym):
            total = _plus(total, ((part.name, 1),))
        elif isinstance(part, MatMul) and isinstance(part.args[0], Num) and isinstance(part.args[1], Sym):
            total = _plus(total, ((part.args[1].name, int(part.args[0].value)),))
        else:
            raise NotSupported(
                "A declared size is a sum of names and whole numbers.", f"{name}: {plain(size)}", "for example n + m"
            )
    return total
