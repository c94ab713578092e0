r"""A cell of the zoo as the definitions of somebody's document: which of its symbols are which of theirs.

The equations that a document prints are matched with the cell's by their structure: names may differ, biases may be
split or left out, `W [h, x]` stands for `W x + U h`, gates may be written with or without a name for their arguments. An
equation that matches is right; one that should, by its place, and does not is wrong. What the document does not print
is taken from the cell, in the document's names as far as they can be told.

A document in the cell's own notation, or in one that is told, needs no matching: the cell's equations, in that notation, are
the definitions, and what the document prints is judged by what it is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations

from symlstm.algebra import (
    NOW,
    Add,
    Apply,
    Blocks,
    Hadamard,
    MatMul,
    Neg,
    Num,
    Relation,
    Sym,
    Term,
    children,
    equation,
    size,
    substitute,
    term,
    transform,
    walk,
)
from symlstm.definitions.meanings import PRE, Theory
from symlstm.model import Cell
from symlstm.notation import Notation
from symlstm.turning import to_rows

Names = dict[str, str]
OTHERS = {
    "g": (
        *("c_tilde", "C_tilde", "g_tilde", "c_hat", "C_hat", "a", "z", "Cc", "C_bar", "c_bar", "n"),
        *("h_tilde", "h_hat", "h_bar", "h_prime"),
    ),
    "c": ("C", "s", "S"), "h": ("H", "a", "y"),
    "x": ("X",), "i": ("I", "u", "Gamma_u", "Gamma_i"), "f": ("F", "Gamma_f"), "o": ("O", "q", "Gamma_o"),
}  # fmt: skip
WEIGHTS = (("W_i{}", "W_h{}"), ("W_x{}", "W_h{}"), ("W_{}x", "W_{}h"), ("W_{}", "U_{}"), ("U_{}", "W_{}"), ("W_{}", "R_{}"))
WEIGHT_LETTERS = frozenset("WURbpw")


@dataclass
class Match:
    """How a cell and a document's equations go together: the cell's names in theirs, and what does not match.

    `extra` are the definitions that come from the cell. `given` are quantities whose equations are the cell's, whatever the
    document says of them, and `kinds` says which names are numbers, vectors and matrices.
    """

    names: Names = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    extra: tuple[Relation, ...] = ()
    words: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()
    kinds: dict[str, str] = field(default_factory=dict)


def match(
    theory: Theory, cell: Cell, used: frozenset[Sym], stacked: bool = False, notation: Notation | None = None
) -> Match:
    """Match a cell with the equations of a document; `used` are all symbols that occur in it.

    `stacked` says whether it has columns of several quantities, `[h_{t-1}; x_t]`. Where the notation of the document is told,
    the cell is in it already.
    """
    if notation is not None or _is_own(theory, cell, used, stacked):
        return _own(theory, cell, used, notation is not None and notation.vectors == "rows")
    theirs = dict(theory.steps)
    for name in [name for name in theirs if name.endswith(PRE)]:
        gate = name.removesuffix(PRE)
        theirs[gate] = substitute(theirs[gate], {Sym(name, NOW): theirs.pop(name)})
    ours = {line.lhs.name: line.rhs for line in reversed(cell.declared) if isinstance(line.lhs, Sym)}
    names = next(_matches(ours, theirs), {})
    found = Match({name: other for name, other in names.items() if not name.startswith("?")})
    for name in ours:
        other = found.names.get(name, name)
        if f"?{name}" in names and other in theirs:
            found.wrong[other] = f"The equation of {other} is not that of the {cell.name}"
    _name_rest(found, cell, used)
    missing = [
        line
        for line in cell.declared
        if isinstance(line.lhs, Sym)
        and (
            found.names.get(line.lhs.name, line.lhs.name) not in theirs
            or found.names.get(line.lhs.name, line.lhs.name) in found.wrong
        )
    ]
    renaming = found.names | _weights(found.names, cell, used)
    found.extra = tuple(_renamed(line, renaming) for line in missing)
    found.words = tuple(f"{other} is {name} of the {cell.name}" for name, other in renaming.items() if name != other)
    return found


# --- in the cell's own notation ---------------------------------------------------------------------------------


def _is_own(theory: Theory, cell: Cell, used: frozenset[Sym], stacked: bool) -> bool:
    """Whether a document writes the cell as we do: no other names for its quantities, no other parameters, no other stacks."""
    timed = {symbol.name for symbol in used if symbol.time is not None}
    own = {symbol.name for symbol in _quantities(cell)}
    aliases = {other for name in own - timed for other in OTHERS.get(name, ()) if other not in own}
    steps = [(name.removesuffix(PRE) in own, part) for name, body in theory.steps.items() for part in walk(body)]
    symbols = [(mine, part) for mine, part in steps if isinstance(part, Sym)]
    inside = {part.name.removesuffix(PRE) for mine, part in symbols if mine and part.time is not None}
    others = {part.name for mine, part in symbols if not mine}
    parameters = {symbol.name for symbol in cell.parameter_terms} | cell.size_names
    weights = {symbol.name for symbol in used if symbol.time is None and symbol.name.partition("_")[0] in WEIGHT_LETTERS}
    blocks = any(isinstance(part, Blocks) for line in cell.declared for part in walk(line))
    return inside <= own and not (timed & aliases) and weights <= parameters | others and stacked <= blocks


def _own(theory: Theory, cell: Cell, used: frozenset[Sym], rows: bool = False) -> Match:
    """The cell's equations as they are, or for rows; arguments of gates have names where the document uses one of these."""
    named = {line.lhs.name for line in cell.named if isinstance(line.lhs, Sym)}
    declared = {line.lhs.name for line in cell.declared if isinstance(line.lhs, Sym)}
    asked = {symbol.name for symbol in used if symbol.time is not None} & (named - declared)
    lines = cell.named if asked else cell.declared
    ends = [*((state, Sym("n")) for state in cell.state_terms[:1]), *((each, Sym("m")) for each in cell.input_terms[:1])]
    free = [(each.name, (length,)) for each, length in ends if each.name not in cell.sizes]
    sizes = [size(Sym(name), *sides) for name, sides in (*free, *cell.sizes.items())]
    said = [theory.sizes[each.name] for each in (*cell.state_terms, *cell.input_terms) if each.name in theory.sizes]
    if not {part.name for space in said for part in walk(space) if isinstance(part, Sym)} <= cell.size_names:
        sizes = []  # the document has letters of its own
    names = {symbol.name for symbol in (*_quantities(cell), *cell.parameter_terms)}
    kinds = {name: _kind_in(cell, name) for name in sorted(names)}
    given = frozenset(each.name for each in _quantities(cell))
    extra = tuple(to_rows(line, cell.shapes) if rows else line for line in (*lines, *sizes))
    return Match({name: name for name in declared}, extra=extra, given=given, kinds=kinds)


def _quantities(cell: Cell) -> Iterator[Sym]:
    yield from cell.input_terms
    yield from (line.lhs for line in cell.named if isinstance(line.lhs, Sym))


def _kind_in(cell: Cell, name: str) -> str:
    space = cell.shapes.space(name)
    return "matrix" if space.columns is not None else "number" if space.rows == term(1) else "vector"


def names_of(cell: Cell) -> tuple[list[str], list[str]]:
    """The parameters and the functions of a cell by name, for whoever reads a document about it."""
    parts = [part for line in cell.declared for part in walk(line)]
    return [each.name for each in cell.parameter_terms], [part.function for part in parts if isinstance(part, Apply)]


def has_stacks(lines: Iterable[Relation]) -> bool:
    """Whether some relation has a column of several quantities."""
    blocks = (part for line in lines for part in walk(line) if isinstance(part, Blocks))
    return any(isinstance(each, Sym) for part in blocks for each in children(part))


# --- in another notation ----------------------------------------------------------------------------------------


def _renamed(line: Relation, names: Mapping[str, str]) -> Relation:
    def change(part: Term) -> Term:
        if not isinstance(part, Sym) or part.name not in names:
            return part
        split = names[part.name].split(" + ")
        return Sym(split[0], part.time) if len(split) == 1 else Add(tuple(Sym(each, part.time) for each in split))

    return equation(transform(line.lhs, change), _flat(transform(line.rhs, change)))


def _flat(node: Term) -> Term:
    def change(part: Term) -> Term:
        if isinstance(part, Add) and any(isinstance(arg, Add) for arg in part.args):
            return Add(tuple(inner for arg in part.args for inner in (arg.args if isinstance(arg, Add) else (arg,))))
        return part

    return transform(node, change)


def _name_rest(found: Match, cell: Cell, used: frozenset[Sym]) -> None:
    """Names for what the document does not define: the cell's own, or another usual one that the document uses."""
    timed = {symbol.name for symbol in used if symbol.time is not None}
    taken = set(found.names.values())
    for symbol in (*cell.input_terms, *(line.lhs for line in cell.declared)):
        if isinstance(symbol, Sym) and symbol.name not in found.names:
            choices = [other for other in OTHERS.get(symbol.name, ()) if other in timed and other not in taken]
            found.names[symbol.name] = choices[0] if choices and symbol.name not in timed else symbol.name
            taken.add(found.names[symbol.name])


def _weights(names: Names, cell: Cell, used: frozenset[Sym]) -> Names:
    """How the document calls the parameters of equations that it does not print: by the pattern that fits most of its own."""
    known = {symbol.name for symbol in used if symbol.time is None}
    gates = {line.lhs.name: names.get(line.lhs.name, line.lhs.name) for line in cell.declared if isinstance(line.lhs, Sym)}

    def short(name: str) -> str:
        return name.partition("_")[0]

    best: tuple[int, tuple[str, str]] = (0, WEIGHTS[3])
    for pattern in WEIGHTS:
        count = sum(part.format(short(other)) in known for part in pattern for other in gates.values())
        if count > best[0]:
            best = (count, pattern)
    renaming: Names = {}
    for name, other in gates.items():
        gate = short(other)
        for own, part in zip(("W", "U"), best[1], strict=True):
            renaming[f"{own}_{name}" if f"{own}_{name}" in {s.name for s in cell.parameter_terms} else own] = part.format(gate)
        split = [f"b_i{gate}", f"b_h{gate}"]
        bias = f"b_{name}" if f"b_{name}" in {s.name for s in cell.parameter_terms} else "b"
        renaming[bias] = " + ".join(split) if set(split) & known else f"b_{gate}"
    own = {symbol.name for symbol in cell.parameter_terms}
    return (
        {name: other for name, other in renaming.items() if name in own and (best[0] or name.startswith("b_"))}
        if own & set(renaming) and "W" not in own
        else {}
    )


# --- by structure -----------------------------------------------------------------------------------------------


def _matches(ours: Mapping[str, Term], theirs: Mapping[str, Term]) -> Iterator[Names]:
    """Names under which as many equations as possible match; one that is left out is marked by a `?` before its name."""
    if not theirs:
        return
    for left_out in range(len(ours) + 1):
        yield from _search(list(ours), ours, theirs, {}, left_out)


def _search(
    order: list[str], ours: Mapping[str, Term], theirs: Mapping[str, Term], names: Names, left_out: int
) -> Iterator[Names]:
    if not order:
        yield names
        return
    name, *rest = order
    fixed = names.get(name)
    candidates = [fixed] if fixed else sorted(theirs, key=lambda other: other != name)
    for other in candidates:
        if other in theirs and (fixed or other not in names.values()):
            for found in _unify(ours[name], theirs[other], {**names, name: other}, theirs):
                yield from _search(rest, ours, theirs, found, left_out)
    if left_out:
        yield from _search(rest, ours, theirs, {**names, f"?{name}": ""}, left_out - 1)


def _unify(own: Term, other: Term, names: Names, theirs: Mapping[str, Term]) -> Iterator[Names]:
    """The names under which one term says what another says."""
    mine = _affine(own)
    if mine is not None:
        yield from _unify_affine(mine, other, names, theirs)
        return
    if isinstance(own, Sym):
        if isinstance(other, Sym) and other.time == own.time:  # noqa: SIM102
            if names.get(own.name, other.name) == other.name and (own.name in names or other.name not in names.values()):
                yield {**names, own.name: other.name}
        return
    if isinstance(other, Sym) and other.time == NOW and other.name in theirs and other.name not in names.values():
        yield from _unify(own, theirs[other.name], names, theirs)
        return
    if (isinstance(own, Apply) and isinstance(other, Apply) and own.function == other.function) or (
        isinstance(own, Neg) and isinstance(other, Neg)
    ):
        yield from _unify(own.arg, other.arg, names, theirs)
    elif isinstance(own, Num) and own == other:
        yield names
    elif _kind(own) and _kind(own) == _kind(other):
        yield from _unify_many(_args(own), _args(other), names, theirs)


def _kind(node: Term) -> str:
    return {Add: "sum", Hadamard: "product", MatMul: "product"}.get(type(node), "")  # type: ignore[call-overload]


def _args(node: Term) -> tuple[Term, ...]:
    assert isinstance(node, (Add, Hadamard, MatMul))
    return tuple(inner for arg in node.args for inner in (_args(arg) if _kind(arg) == _kind(node) else (arg,)))


def _unify_many(own: tuple[Term, ...], other: tuple[Term, ...], names: Names, theirs: Mapping[str, Term]) -> Iterator[Names]:
    if len(own) != len(other) or len(own) > 4:
        return
    for order in permutations(other):
        states = [names]
        for one, two in zip(own, order, strict=True):
            states = [found for state in states for found in _unify(one, two, state, theirs)]
        yield from states


def _affine(node: Term) -> frozenset[Sym] | None:
    """The quantities in a sum of weighted quantities and biases; None for any other term."""
    found: set[Sym] = set()
    for arg in node.args if isinstance(node, Add) else (node,):
        if isinstance(arg, Sym) and arg.time is None:
            continue
        if not isinstance(arg, MatMul) or len(arg.args) != 2:
            return None
        weight = next((part for part in arg.args if isinstance(part, Sym) and part.time is None), None)
        rest = [part for part in arg.args if part is not weight]
        if weight is None or len(rest) != 1:
            return None
        inner = (
            [rest[0]]
            if isinstance(rest[0], Sym)
            else [part for row in rest[0].rows for part in row]
            if isinstance(rest[0], Blocks)
            else []
        )
        if not inner or not all(isinstance(part, Sym) and part.time is not None for part in inner) or found & set(inner):
            return None
        found |= {part for part in inner if isinstance(part, Sym)}
    return frozenset(found) if found else None


def _unify_affine(mine: frozenset[Sym], other: Term, names: Names, theirs: Mapping[str, Term]) -> Iterator[Names]:
    if isinstance(other, Sym) and other.time == NOW and other.name in theirs and other.name not in names.values():
        other = theirs[other.name]
    yours = _affine(other)
    if yours is None or len(yours) != len(mine):
        return
    for order in permutations(sorted(yours, key=repr)):
        found = dict(names)
        for one, two in zip(sorted(mine, key=repr), order, strict=True):
            if (
                one.time != two.time
                or found.get(one.name, two.name) != two.name
                or (one.name not in found and two.name in found.values())
            ):
                break
            found[one.name] = two.name
        else:
            yield found


__all__ = ["Match", "has_stacks", "match", "names_of", "walk"]
