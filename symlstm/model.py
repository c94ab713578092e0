"""`Cell`: a list of equations, and the few facts that follow from it directly.

The declared equations are kept as written. `named` is the same list with every argument of an activation that has
no name given one (`z_i` for the pre-activation of `i`), in order of evaluation: that list is what is differentiated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symlstm.algebra import (
    NOW,
    Apply,
    Blocks,
    NotSupported,
    NotValid,
    Num,
    Pow,
    Relation,
    Space,
    Sym,
    SymlstmError,
    Term,
    children,
    defined,
    equation,
    map_relation,
    plain,
    quantity,
    rebuild,
    term,
    walk,
)
from symlstm.parts import Part, parts
from symlstm.shapes import ONE, Shapes, length_term

if TYPE_CHECKING:
    import numpy as np
    import sympy
    from numpy.typing import NDArray

    from symlstm.definitions.pages import Kind
    from symlstm.definitions.pasted import Parts as Pasted

    Array = NDArray[np.floating[Any]]


OF_MATRICES = frozenset({"exp", "log", "sqrt"})  # of a square matrix people mean by these not the entries


class Cell:
    """A recurrent cell: `equations` (our relations, one quantity of step t each), inputs and states in order.

    `sizes` declares sizes where nothing else fixes them, or to have them unified: `{"W_f": (k, m + n)}` in terms.
    `output` is what the cell gives, and what a loss depends on; left out, it is the first state. A state that occurs at t+1
    runs backward in time, and so does one that is named in `backward`; `carried` is each state at the step it comes from.
    `preactivations` says how arguments of activations are called in `named`; the others get a name by rule.
    Raises `NotValid` for equations that do not define a step: a quantity defined twice or not at all, a cycle.

    >>> from symlstm import zoo
    >>> zoo.LSTM.named[0]
    z_i[t] = W_i @ x[t] + U_i @ h[t-1] + b_i
    """

    layered = False  # whether a number at the end of a name is that of a layer

    def __init__(
        self,
        name: str,
        inputs: tuple[Sym, ...],
        states: tuple[Sym, ...],
        equations: tuple[Relation, ...],
        *,
        title: str = "",
        source: str = "",
        words: Mapping[str, str] | None = None,
        sizes: Mapping[str, tuple[Term | int, ...]] | None = None,
        output: Sym | None = None,
        backward: tuple[Sym, ...] = (),
        preactivations: Mapping[Term, Sym] | None = None,
    ) -> None:
        self.name, self.title, self.source = name, title or name, source
        self.input_terms, self.state_terms = inputs, states
        self.output_term = output or states[0]
        self.carried = {state: carried_from(state, equations, backward=state in backward) for state in states}
        self.words = dict(words or {})
        self._called = dict(preactivations or {})
        self.beside: tuple[str, ...] = ()  # quantities of a text that no state needs
        self.declared = _ordered(equations, inputs, self.carried)
        parts(self.declared, self.carried)  # one direction of time for those that need each other
        if self.output_term not in {line.lhs for line in self.declared}:
            raise NotValid("The output is a quantity that an equation defines.", plain(self.output_term), plain(states[0]))
        self.sizes = {of: tuple(map(term, declared)) for of, declared in (sizes or {}).items()}

    @classmethod
    def from_latex(
        cls,
        text: str | os.PathLike[str],
        states: str = "",
        inputs: str = "",
        *,
        name: str = "",
        title: str = "",
        sizes: Mapping[str, tuple[Term | int, ...]] | None = None,
    ) -> Cell:
        r"""A cell from pasted equations: LaTeX in dollars, in displays or line by line, or a file of Markdown or LaTeX.

        `states` and `inputs` are symbols with commas between, the output first; left out, they are what occurs at t-1 and
        what nothing defines. Sizes may be declared in the text, `$b \in \mathbb{R}$`, or by `sizes`. What no state needs (an
        output head, a loss) is not part of the cell. Raises `NotValid` or `NotSupported`, with the place in the text where
        there is one, for what cannot be read, and for equations that do not define a step.

        >>> own = Cell.from_latex(r"$h_t = (1 - \alpha) h_{t-1} + \alpha \tanh(W x_t + U h_{t-1} + b)$")
        >>> own.states, own.inputs, own.shapes["alpha"], own.shapes["W"]
        ((h,), (x,), (), (n, m))
        """
        if isinstance(text, os.PathLike):
            from symlstm.definitions.pages import opened

            page = opened(Path(text))
            try:
                return cls._read(page.text, states, inputs, name or _name_of(Path(text)), title, sizes, page.kind)
            except SymlstmError as error:
                where = f"{page.name}: {error.where}"
                raise type(error)(error.what, where, error.right, line=error.line, column=error.column) from None
        return cls._read(text, states, inputs, name or "own", title, sizes, None)

    @classmethod
    def _read(
        cls,
        text: str,
        states: str,
        inputs: str,
        name: str,
        title: str,
        sizes: Mapping[str, tuple[Term | int, ...]] | None,
        kind: Kind | None,
    ) -> Cell:
        """The cell of the first reading whose shapes fit; where none does, what is wrong with the likeliest."""
        from symlstm.definitions.pasted import readings

        problem: SymlstmError | None = None
        for pasted in readings(text, states, inputs, kind):
            declared = {**pasted.sizes, **{of: tuple(map(term, size)) for of, size in (sizes or {}).items()}}
            try:
                carried = {state: carried_from(state, pasted.equations) for state in pasted.states}
                lines = _ordered(pasted.equations, pasted.inputs, carried)
                shapes = Shapes(lines, pasted.inputs, pasted.states, declared)
                _refuse_flat(pasted, lines, shapes, declared)
                _refuse_of_matrices(lines, shapes)
                cell = cls(
                    name,
                    pasted.inputs,
                    pasted.states,
                    tuple(map_relation(line, shapes.with_ones) for line in pasted.equations),
                    title=title or f"The cell {name}",
                    source="equations of its own",
                    words=_words(pasted),
                )
            except SymlstmError as error:
                problem = problem or pasted.told(error)
                continue
            cell.sizes = {
                of: tuple(length_term(side) for side in shapes.lengths[of]) if None in size else size  # type: ignore[misc]
                for of, size in declared.items()
            }
            cell.beside = pasted.beside
            return cell
        assert problem is not None  # there is at least one reading
        raise problem

    def __repr__(self) -> str:
        return f"Cell({self.name!r}): " + "; ".join(map(plain, self.declared))

    @cached_property
    def named(self) -> tuple[Relation, ...]:
        """The equations with every pre-activation named, in order of evaluation."""
        return self._naming[0]

    @property
    def preactivations(self) -> dict[Term, Sym]:
        """The arguments of activations that have no name in `declared`, and the names that they have in `named`."""
        return dict(self._naming[1])

    @cached_property
    def _naming(self) -> tuple[tuple[Relation, ...], dict[Term, Sym]]:
        names: dict[Term, Sym] = {}
        return tuple(_named(self.declared, self._called, names)), names

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What runs before what over a whole sequence, and in which direction: one part for a cell that runs forward."""
        return parts(self.named, self.carried, self.parameter_terms, self.group)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {defined(line).name: place for place, part in enumerate(self.parts) for line in part.equations}

    def place(self, of: Sym) -> int:
        """Which of the parts defines a quantity, at whatever time; -1 for inputs and parameters."""
        return self._places.get(of.name, -1)

    def direction(self, of: Sym) -> int:
        """The direction of time in which a quantity is computed: -1 where it or its part runs backward, else 1."""
        back = self.carried.get(of.at(NOW))
        if back is not None and back.time is not None:
            return -back.time.offset
        place = self.place(of)
        return self.parts[place].step or 1 if place >= 0 else 1

    def group(self, of: Sym) -> Hashable:
        """What a quantity belongs to; quantities of different groups are never in one part unless they need each other."""
        return None

    def home(self, of: Sym) -> tuple[Cell, Sym, str]:
        """The cell that a quantity was declared in, what it is there, and in words where that is; a cell's are its own."""
        return self, of, ""

    def joint(self, of: Sym) -> str:
        """In words, what joins one part of a network to another; a cell has nothing of the kind."""
        return ""

    @cached_property
    def parameter_terms(self) -> tuple[Sym, ...]:
        """The parameters: all W, then all U, then all b, each family in order of appearance."""
        found = list(
            dict.fromkeys(
                part
                for line in self.declared
                for part in walk(line)
                if isinstance(part, Sym) and part.time is None and part.name not in self.size_names
            )
        )
        families = list(dict.fromkeys(symbol.name.partition("_")[0] for symbol in found))
        return tuple(sorted(found, key=lambda symbol: families.index(symbol.name.partition("_")[0])))

    @cached_property
    def size_names(self) -> frozenset[str]:
        """The letters that stand for sizes: n, m, and those that were declared. In an equation each is a number."""
        declared = (part.name for size in self.sizes.values() for each in size for part in walk(each) if isinstance(part, Sym))
        return frozenset({"n", "m", *declared})

    @cached_property
    def shapes(self) -> Shapes:
        """The inferred shapes: name -> tuple of SymPy sizes in n (first state) and m (first input)."""
        return Shapes(self.named, self.input_terms, self.state_terms, self.sizes)

    @property
    def equations(self) -> tuple[sympy.Eq, ...]:
        """The equations as SymPy relations between matrix expressions with symbolic n and m, in order of evaluation.

        >>> from symlstm import zoo
        >>> zoo.RNN.equations
        (Eq(h_t, tanh(W*x_t + U*h_prev + b)),)
        """
        from symlstm.expressions import to_sympy

        return tuple(to_sympy(line, self.shapes) for line in self.declared)

    @property
    def inputs(self) -> tuple[sympy.MatrixSymbol, ...]:
        """The inputs as SymPy symbols; `str` gives the name."""
        return self._symbols(self.input_terms)

    @property
    def states(self) -> tuple[sympy.MatrixSymbol, ...]:
        """The states as SymPy symbols, in order; the first is the output."""
        return self._symbols(self.state_terms)

    @property
    def parameters(self) -> tuple[sympy.MatrixSymbol, ...]:
        """The parameters as SymPy symbols."""
        return self._symbols(self.parameter_terms)

    def _symbols(self, terms: tuple[Sym, ...]) -> tuple[Any, ...]:
        from symlstm.expressions import quantity as symbol_of

        return tuple(symbol_of(symbol.name, self.shapes) for symbol in terms)

    def parameter_shapes(self, n: int, m: int, **sizes: int) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter's array: `(n,)` for a vector, `()` for a number.

        A cell with a further size takes it by its name; left out, it is 1 more than the larger of n and m.

        >>> from symlstm import zoo
        >>> zoo.RNN.parameter_shapes(n=3, m=2)
        {'W': (3, 2), 'U': (3, 3), 'b': (3,)}
        """
        return {symbol.name: self.array_shape(symbol.name, n, m, **sizes) for symbol in self.parameter_terms}

    def array_shape(self, name: str, n: int, m: int, **sizes: int) -> tuple[int, ...]:
        """The shape of the array that holds a quantity: a column is a one-dimensional array, a number has no axis."""
        for size, value in (("n", n), ("m", m), *sizes.items()):
            if size not in self.size_names:
                raise NotValid(f"The cell has no size {size}.", f"{size} = {value!r}", ", ".join(sorted(self.size_names)))
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise NotValid("A size is a whole number, 1 or more.", f"{size} = {value!r}", "for example n=3, m=2")
        rows, columns = self.shapes.at(name, {"n": n, "m": m, **sizes})
        space = self.shapes.space(name)
        return (rows, columns) if space.columns is not None else () if space.rows == term(1) else (rows,)


class Adjoints(dict[str, "Array"]):
    """Gradients of parameters by name: what `backward` gives, so that `to_layout` need not be told."""


def random_parameters(cell: Cell, n: int, m: int, seed: int = 0, dtype: str = "float64", **sizes: int) -> dict[str, Any]:
    """Parameters of order one, normal, for a cell with n states and m inputs; the same for the same seed.

    >>> from symlstm import zoo
    >>> random_parameters(zoo.RNN, n=3, m=2)["W"].shape
    (3, 2)
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    shapes = cell.parameter_shapes(n, m, **sizes)
    return {name: np.asarray(generator.standard_normal(shape)).astype(dtype) for name, shape in shapes.items()}


def carried_from(state: Sym, equations: tuple[Relation, ...], *, backward: bool = False) -> Sym:
    """A state at the step it comes from: t+1 for one that occurs there or is said to run backward, else t-1.

    Raises `NotValid` for one that occurs at both.
    """
    met = {state.next: [], state.prev: []}
    for line in equations:
        for side in met.keys() & set(walk(line.rhs)):
            met[side].append(line)
    after, before = met[state.next], met[state.prev]
    if before and (after or backward):
        raise NotValid(
            f"The state {plain(state)} is wanted from the step before and from the step after.",
            "; ".join(map(plain, dict.fromkeys((*before, *after)))),
            "a state of its own for each direction of time",
        )
    return state.next if after or backward else state.prev


def _ordered(equations: tuple[Relation, ...], inputs: tuple[Sym, ...], carried: Mapping[Sym, Sym]) -> tuple[Relation, ...]:
    """The equations in order of evaluation: each after those it needs, otherwise as given."""
    defined: dict[Sym, Relation] = {}
    for line in equations:
        if not isinstance(line.lhs, Sym) or line.lhs.time != NOW or line.operators != ("=",):
            raise NotValid("An equation of a cell defines one quantity of step t.", plain(line), "a line such as h_t = ...")
        if line.lhs in defined or line.lhs in inputs:
            raise NotValid(f"{plain(line.lhs)} is defined twice.", plain(line), "one equation for each quantity")
        defined[line.lhs] = line
    for state in carried:
        if state not in defined:
            raise NotValid(
                f"No equation defines the state {plain(state)}.", "; ".join(map(plain, equations)), f"a line {plain(state)} = ..."
            )
    known = {*defined, *inputs, *carried.values()}
    for line in equations:
        for part in walk(line.rhs):
            if isinstance(part, Sym) and part.time is not None and part not in known:
                early = part.time.offset < 0
                raise NotValid(
                    f"{plain(part)} is neither an input, a state of the step before or after, nor defined by an equation.",
                    plain(line),
                    "an equation for it, or name it among inputs or states"
                    + (f"; for an earlier step a state keeps it: p[t] = {plain(part.next)}, and p[t-1] here" if early else ""),
                )
    done: dict[Sym, Relation] = {}
    while len(done) < len(defined):
        ready = next(
            (
                line
                for line in equations
                if line.lhs not in done
                and all(part in done for part in walk(line.rhs) if isinstance(part, Sym) and part in defined)
            ),
            None,
        )
        if ready is None:
            left = [plain(line) for line in equations if line.lhs not in done]
            right = "at least one of them must use the step before, t-1, or the step after"
            raise NotValid("The equations of one step form a cycle.", "; ".join(left), right)
        assert isinstance(ready.lhs, Sym)
        done[ready.lhs] = ready
    return tuple(done.values())


def _named(equations: tuple[Relation, ...], called: Mapping[Term, Sym], names: dict[Term, Sym]) -> Iterator[Relation]:
    """Give every unnamed argument of an activation a name: what it is `called`, else z_i for the one of i, plain z where there
    is only one. `names` is where they are put."""
    loose = [part for line in equations for part in walk(line.rhs) if isinstance(part, Apply) and not _simple(part.arg)]
    taken = {part.name for line in equations for part in walk(line) if isinstance(part, Sym)}
    taken |= {symbol.name for symbol in called.values()}
    for line in equations:
        assert isinstance(line.lhs, Sym)
        mine = [part for part in walk(line.rhs) if part in loose]
        for count, part in enumerate(reversed(mine), start=1):
            assert isinstance(part, Apply)
            if part.arg in names:
                continue
            alone = len(loose) == 1 and "z" not in taken
            name = "z" if alone else f"z_{line.lhs.name}" + (str(count) if len(mine) > 1 else "")
            while name in taken or ("z" in taken and name in ("z_k", "z_s")):  # a state z is z_k at step k
                name += "z"
            names[part.arg] = called.get(part.arg) or quantity(name)
            taken.add(names[part.arg].name)
            yield equation(names[part.arg], _renamed(part.arg, names))
        yield equation(line.lhs, _renamed(line.rhs, names))


def _simple(node: Term) -> bool:
    return isinstance(node, (Sym, Num)) or (isinstance(node, Blocks) and all(_simple(part) for row in node.rows for part in row))


def _renamed(node: Term, names: dict[Term, Sym]) -> Term:
    below = tuple(_renamed(child, names) for child in children(node))
    if isinstance(node, Apply) and node.arg in names:
        return Apply(node.function, names[node.arg])
    return rebuild(node, below)


def _refuse_flat(pasted: Pasted, lines: tuple[Relation, ...], shapes: Shapes, declared: Mapping[str, object]) -> None:
    """Sizes may fit and make of a vector a number, of a matrix a column: then they are not what is meant."""
    output = pasted.states[0]
    for line in sorted(lines, key=lambda line: line.lhs != output):
        assert isinstance(line.lhs, Sym)
        name, (rows, columns) = line.lhs.name, shapes.lengths[line.lhs.name]
        kind = pasted.kinds.get(name)
        if name in declared or not ((kind == "vector" and rows == ONE) or (kind == "matrix" and ONE in (rows, columns))):
            continue
        from symlstm.tex import latex

        made = "number" if rows == columns else "vector"
        space = latex(Relation((line.lhs, Space(Sym("n"), Sym("k") if kind == "matrix" else None)), ("in",)))
        raise NotValid(
            f"{plain(line.lhs)} is written as a {kind}, but by the sizes it is a {made}.",
            plain(line),
            ("the output first among the states, as in states='h_t, ...', or " if line.lhs == output else "")
            + f"its size in the text, as ${space}$",
        )


def _refuse_of_matrices(lines: tuple[Relation, ...], shapes: Shapes) -> None:
    """What people read as a function of the whole matrix, exp(A) or A^{-1}, would be one of each entry here."""
    for line in lines:
        for part in walk(line.rhs):
            whole = isinstance(part, Pow) or (isinstance(part, Apply) and part.function in OF_MATRICES)
            rows, columns = (whole and shapes.of(children(part)[0])) or (ONE, ONE)
            if rows == columns != ONE:
                words = f"{plain(part)} is a function of a square matrix, which is not read."
                raise NotSupported(words, plain(line), "a matrix of its own, U for exp(A); in Python exp(A) is entry by entry")


def _words(pasted: Pasted) -> dict[str, str]:
    """What the states and inputs of a text are called."""
    output, *others = pasted.states
    said = {output.name: "state, the output", **{state.name: "state" for state in others}}
    return said | {each.name: "input" for each in pasted.inputs}


def _name_of(path: Path) -> str:
    """The name of a cell that stands in a file."""
    return re.sub(r"[^\w-]+", "-", path.stem).strip("-") or "own"
