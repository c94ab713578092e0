r"""What a parameter may be, by the way it is used and by custom: a number, a vector or a matrix.

A capital letter is a matrix, unless it stands in an elementwise product or alone in a sum; a Greek letter that is often a
rate is a number; any other small letter is a vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from symlstm.algebra import (
    SOME,
    Add,
    Apply,
    Blocks,
    Component,
    Diag,
    Div,
    Hadamard,
    MatMul,
    Max,
    Neg,
    Norm,
    Num,
    Ones,
    Pow,
    Prime,
    Rows,
    Sym,
    Term,
    Total,
    Trace,
    Transpose,
    children,
    rebuild,
    term,
    walk,
)
from symlstm.definitions.meanings import Theory

Kind = Literal["scalar", "vector", "row", "matrix"]
ORDER: tuple[Kind, ...] = ("scalar", "vector", "row", "matrix")
ONE = term(1)
_FLIPPED: dict[Kind, Kind] = {"vector": "row", "row": "vector"}
_PRODUCT: dict[tuple[Kind, Kind], Kind] = {
    ("matrix", "matrix"): "matrix", ("matrix", "vector"): "vector", ("vector", "row"): "matrix",
    ("vector", "vector"): "vector", ("vector", "matrix"): "matrix", ("row", "matrix"): "row",
    ("row", "vector"): "scalar", ("row", "row"): "row", ("matrix", "row"): "matrix",
}  # fmt: skip

# numbers, not vectors
RATES = frozenset({"alpha", "beta", "gamma", "eta", "kappa", "lambda", "mu", "nu", "rho", "tau", "epsilon", "Delta"})


def kinds_of(theory: Theory) -> list[dict[str, str]]:
    """What each parameter may be, best guess first: matrix, vector or scalar."""
    matrices = {name for name in theory.parameters if name[0].isupper() and name.partition("_")[0] not in RATES}
    vectors = _elementwise(theory)
    guess = {name: "matrix" if name in matrices - vectors else "vector" for name in theory.parameters}
    numbers = {name for name in theory.parameters if name.partition("_")[0] in RATES - vectors} | _roots(theory)
    guess |= dict.fromkeys(sorted(numbers | _of_rates(theory)), "scalar")
    found = [guess]
    factors = _left_factors(theory)
    if not matrices and theory.steps:
        found.insert(0, dict.fromkeys(theory.parameters, "scalar") if factors else guess)
    if factors - matrices:
        found.append(guess | dict.fromkeys(factors - matrices, "matrix"))
    found.append({name: "vector" if kind == "matrix" and name in vectors else kind for name, kind in guess.items()})
    return found


def _roots(theory: Theory) -> set[str]:
    """Parameters of which the root is taken, or that something is divided by: the numbers in `1/\\sqrt{d}` and `1/H`."""
    parts = [part for body in theory.steps.values() for part in walk(body)]
    alone = [part.arg for part in parts if isinstance(part, Apply) and part.function == "sqrt"]
    alone += [part.below for part in parts if isinstance(part, Div)]
    return {each.name for each in alone if isinstance(each, Sym) and each.time is None and each.name in theory.parameters}


def _of_rates(theory: Theory) -> set[str]:
    """Parameters that a rate alone is made of, where it scales whole vectors: `\\tau = \\exp(s)` in `\\frac{1}{\\tau} v`."""
    parts = {name: {part.name for part in walk(body) if isinstance(part, Sym)} for name, body in theory.steps.items()}
    wholes = [part for body in theory.steps.values() for part in walk(body) if isinstance(part, Hadamard)]
    apart = {each.name for whole in wholes for arg in whole.args for each in walk(arg) if isinstance(each, Sym)}
    rates = {name for name in theory.constants if name.partition("_")[0] in RATES and name not in apart}
    others = {each for name, used in parts.items() if name not in rates for each in used}
    return {each for name in rates for each in parts.get(name, ()) if each in theory.parameters and each not in others}


def _elementwise(theory: Theory) -> set[str]:
    """Parameters that stand in a Hadamard product, or alone in a sum: peepholes and biases."""
    found = set()
    for body in theory.steps.values():
        for part in walk(body):
            if isinstance(part, Hadamard):
                found |= {arg.name for arg in part.args if isinstance(arg, Sym) and arg.time is None}
            if isinstance(part, Add):
                alone = {arg.name for arg in part.args if isinstance(arg, Sym) and arg.time is None}
                timed = any(isinstance(inner, Sym) and inner.time is not None for inner in walk(part))
                found |= alone if timed else {name for name in alone if name[0] in "Bb"}
    return found


def _left_factors(theory: Theory) -> set[str]:
    return {
        arg.name
        for body in theory.steps.values()
        for part in walk(body)
        if isinstance(part, MatMul)
        for arg in part.args
        if isinstance(arg, Sym) and arg.time is None
    }


@dataclass
class Kinds:
    """Which names are numbers, vectors and matrices, by one guess about the parameters, and the equations in its light.

    With `rows` the text means rows where it has vectors, `h_t = x_t W`; `settled` writes that for columns, `W^T x_t`.
    """

    of_name: dict[str, Kind]
    rows: bool = False
    parameters: frozenset[str] = frozenset()

    @classmethod
    def of(cls, theory: Theory, guess: Mapping[str, str], declared: Mapping[str, tuple[Term | None, ...]], rows: bool) -> Kinds:
        """The kinds of all names: what was declared, what is guessed of the parameters, and what follows from these."""
        made = cls({}, rows, frozenset(guess))
        for name, word in guess.items():
            made.of_name[name] = word  # type: ignore[assignment]  # one of three of the four
        for name, size in declared.items():
            made.of_name[name] = "scalar" if size == (ONE, ONE) else "vector" if size[1:] == (ONE,) else "matrix"
        usual: Kind = "scalar" if guess and set(made.of_name.values()) == {"scalar"} else "vector"
        for name in theory.inputs:
            made.of_name.setdefault(name, usual)
        for _ in range(len(theory.steps) + 2):
            before = dict(made.of_name)
            made.of_name.update(dict.fromkeys(made.lone(theory) - declared.keys(), "scalar"))
            for name, body in theory.steps.items():
                kind = made.kind(made.turned(body))
                if kind is not None and name not in declared:
                    made.of_name[name] = kind
            if made.of_name == before:
                break
        for name in theory.steps:
            made.of_name.setdefault(name, usual)
        return made

    def lone(self, theory: Theory) -> set[str]:
        """Parameters that are added to numbers only: `w^T x_t + b`."""
        sums = [part.args for body in theory.steps.values() for part in walk(self.turned(body)) if isinstance(part, Add)]
        found = set()
        for args in sums:
            alone = [arg for arg in args if isinstance(arg, Sym) and arg.name in self.parameters]
            others = [self.kind(arg) for arg in args if arg not in alone and not isinstance(arg, Num)]
            if others and set(others) == {"scalar"}:
                found |= {arg.name for arg in alone}
        return found

    def kind(self, node: Term) -> Kind | None:
        """What a term is; None for what is not known yet. A bare number is a number and fits anything."""
        match node:
            case Num():
                return "scalar"
            case Sym(name, time):
                if name in self.of_name:
                    return self.of_name[name]
                return None if time else "scalar"  # a size is a number
            case MatMul(args):
                return self.joined(args)[1]
            case Transpose(arg):
                kind = self.kind(arg)
                return None if kind is None else _FLIPPED.get(kind, kind)
            case Div(above, below):
                return self.largest((above, below))
            case Diag():
                return "matrix"
            case Ones():
                return "vector"
            case Trace() | Norm() | Total() | Component():
                return "scalar"
            case Add(args) | Hadamard(args) | Max(args):
                return self.largest(args)
            case Blocks(rows):
                return "matrix" if any(self.kind(part) in ("matrix", "row") for row in rows for part in row) else "vector"
            case Apply() | Prime() | Neg() | Rows() | Pow():
                return self.kind(children(node)[0])
        return None

    def largest(self, terms: Iterable[Term]) -> Kind | None:
        """The kind of a sum or an elementwise product: that of its largest term; not known while all others are numbers."""
        kinds = [self.kind(each) for each in terms]
        known: Kind | None = next((kind for kind in reversed(ORDER) if kind in kinds), None)
        return None if None in kinds and known == "scalar" else known

    def joined(self, factors: Iterable[Term]) -> tuple[list[list[Term]], Kind | None]:
        """The factors of a product in groups that are matrix products; between the groups it is elementwise."""
        groups: list[list[Term]] = [[]]
        now: Kind = "scalar"
        unknown = False
        for factor in factors:
            kind = self.kind(factor)
            unknown = unknown or kind is None
            if kind is not None and kind != "scalar":
                if now == "vector" and kind in ("vector", "matrix"):
                    groups.append([])
                now = kind if now == "scalar" else _PRODUCT[now, kind]
            groups[-1].append(factor)
        return groups, None if unknown else now

    def settled(self, node: Term) -> Term:
        """The term as it is meant: columns, and a product of two columns without a sign is elementwise."""
        return self._settled(self.turned(node))

    def _settled(self, node: Term) -> Term:
        if isinstance(node, MatMul):
            node = MatMul(tuple(factor for arg in node.args for factor in self.factors(arg)))
        node = rebuild(node, tuple(map(self._settled, children(node))))
        if isinstance(node, MatMul):
            groups, _ = self.joined(node.args)
            return node if len(groups) == 1 else Hadamard(tuple(map(_product, groups)))
        if isinstance(node, Pow):
            return _product(self.factors(node))
        if isinstance(node, Add) and self.kind(node) == "vector":
            return Add(tuple(self.spread(arg) for arg in node.args))
        if isinstance(node, Hadamard):
            scalars = tuple(arg for arg in node.args if self.kind(arg) == "scalar")
            others = tuple(arg for arg in node.args if arg not in scalars)
            whole = others if len(others) < 2 else (Hadamard(others),)
            return MatMul((*scalars, *whole)) if scalars and others else node
        return node

    def factors(self, node: Term) -> list[Term]:
        """`A^2` of a matrix as the product that it is; any other term alone."""
        if isinstance(node, Pow) and isinstance(node.exponent, Num) and self.kind(node.base) == "matrix":
            count = node.exponent.value
            return [node.base] * int(count) if count in (2, 3, 4) else [node]
        return [node]

    def spread(self, node: Term) -> Term:
        """A parameter or quantity that is a number is added to every entry of a vector."""
        if isinstance(node, Neg):
            return Neg(self.spread(node.arg))
        alone = isinstance(node, Sym) and node.name in self.of_name and self.kind(node) == "scalar"
        return MatMul((node, Ones(SOME))) if alone else node

    def turned(self, node: Term) -> Term:
        """What the text says of rows, said of columns: each term is transposed, and products change their order."""
        if not self.rows:
            return node
        match node:
            case Sym(name):
                return Transpose(node) if name in self.parameters and self.of_name.get(name) == "matrix" else node
            case Transpose(arg):
                inner = self.turned(arg)
                return inner.arg if isinstance(inner, Transpose) else Transpose(inner)
            case MatMul(args):
                return MatMul(tuple(map(self.turned, reversed(args))))
        return rebuild(node, tuple(map(self.turned, children(node))))

    def sizes(self, states: tuple[Sym, ...], inputs: tuple[Sym, ...]) -> Iterator[dict[str, tuple[Term | None, ...]]]:
        """What the kinds say of sizes: the numbers among the parameters; then that all others are columns where they are.

        Where everything is a number, the first state and the first input are numbers too.
        """
        ends = {each.name for each in (*states[:1], *inputs[:1])}
        numbers = {name for name, kind in self.of_name.items() if kind == "scalar" and name in self.parameters | ends}
        said: dict[str, tuple[Term | None, ...]] = dict.fromkeys(sorted(numbers), (ONE, ONE))
        yield said
        further: dict[str, tuple[Term | None, ...]] = {
            name: (ONE if kind == "scalar" else None, ONE)
            for name, kind in self.of_name.items()
            if kind in ("scalar", "vector") and name not in ends | numbers
        }
        yield further | said


def _product(factors: list[Term]) -> Term:
    return factors[0] if len(factors) == 1 else MatMul(tuple(factors))
