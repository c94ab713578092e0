r"""The map between two cells: read, sorted by what each line is about, and fitted to the sizes.

A line is about something of the second cell. Its parameters, inputs and states are *mapped* to terms over the first
cell's things; what no line is about is mapped to what has its name. A quantity that is none of these has its equation
*replaced*, and so has a state that is written with its step, `m_t = 0` (`m = 0` would be a map of the state).

>>> from symlstm import zoo
>>> found = sort(lines("W_f = -W_i, f = 1 - i"), zoo.cell("lstm-coupled"), zoo.LSTM)
>>> found.mapped, found.replaced
({'W_f': -W_i}, {f[t]: f[t] = 1 - i[t]})
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from symlstm.activations import STAND_INS
from symlstm.algebra import (
    NOW,
    Apply,
    Listed,
    NotValid,
    Operand,
    Relation,
    Sym,
    Term,
    defined,
    equation,
    plain,
    substitute,
    transform,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import nearest
from symlstm.reader import PEOPLE, read_all
from symlstm.shapes import length_term

Where = str | Relation | Mapping[str, Operand | str] | Iterable[str | Relation]

PRODUCTS = {**PEOPLE.products, "*": "hadamard"}  # as in Python, and as our terms print themselves


# --- reading --------------------------------------------------------------------------------------------------------


def lines(where: Where, *cells: Cell) -> tuple[Relation, ...]:
    r"""A map as equations with one name on the left of each; text is read as in `check`, `*` being elementwise.

    Raises `NotValid` or `NotSupported` for text that cannot be read, with its place, and for what is no equation.

    >>> from symlstm import zoo
    >>> lines(["p_i, p_f = 0", r"c = c \odot \exp(m)"], zoo.cell("lstm-peephole"))
    (p_i = 0, p_f = 0, c = c * exp(m))
    >>> lines({"f": "1 - i", "b_i": 2 * Sym("b_i")})
    (f = 1 - i, b_i = 2 * b_i)
    """
    return tuple(line for said in parts(where) for found in _read(said, cells) for line in _single(found))


def parts(where: Where) -> Iterator[str | Relation]:
    """The parts of a map as they were given."""
    if isinstance(where, (str, Relation)):
        yield where
    elif isinstance(where, Mapping):
        for name, said in where.items():
            yield f"{name} = {said}" if isinstance(said, str) else equation(Sym(str(name)), said)
    else:
        yield from where


def _read(said: str | Relation, cells: tuple[Cell, ...]) -> Iterator[Relation]:
    if isinstance(said, Relation):
        yield said
        return
    names = frozenset(name for cell in cells for name in cell.shapes if len(name.partition("_")[2]) > 1)
    called = frozenset(name for cell in cells for name in open_functions(cell))
    also: list[Term] = []  # the p_i and p_f of p_i, p_f, p_o = 0
    for found in read_all(said, replace(PEOPLE, identifiers=True, words=names, functions=called, products=PRODUCTS)):
        if isinstance(found, Relation):
            yield from (equation(left, found.rhs) for left in also)
            yield found
            also = []
        else:
            also.append(found)
    if also:
        raise NotValid("A line of the map is an equation.", said, "for example W_z = -W_z")


def _single(line: Relation) -> Iterator[Relation]:
    """An equation about several names at once as several equations."""
    if line.operators != ("=",) or line.condition is not None:
        raise NotValid("A line of the map is one equation.", plain(line), "for example W_z = -W_z")
    for left in line.lhs.args if isinstance(line.lhs, Listed) else (line.lhs,):
        yield from (equation(each, line.rhs) for each in (left.args if isinstance(left, Listed) else (left,)))


# --- sorting --------------------------------------------------------------------------------------------------------


def signals(cell: Cell) -> dict[str, Sym]:
    """Everything of a cell that has a value at each step: inputs, states and quantities."""
    return {symbol.name: symbol for symbol in (*cell.input_terms, *cell.state_terms, *(defined(line) for line in cell.named))}


@dataclass
class Sorted:
    """The lines of a map by what they are about: `mapped` by name, the equations that are `replaced`, functions."""

    mapped: dict[str, Term] = field(default_factory=dict)
    replaced: dict[Sym, Relation] = field(default_factory=dict)
    functions: dict[str, tuple[Sym, Term]] = field(default_factory=dict)


def sort(said: Iterable[Relation], source: Cell, target: Cell) -> Sorted:
    """Sort the lines about `target`, whose right sides are over `source`.

    Raises `NotValid` for names that the cells do not have, for a name that two lines are about, and for a time where
    there is none.
    """
    found, about = Sorted(), signals(target)
    parameters, states = {symbol.name for symbol in target.parameter_terms}, {state.name for state in target.state_terms}
    given = {symbol.name for symbol in target.input_terms}
    for line in said:
        left = line.lhs
        if isinstance(left, Apply) and isinstance(left.arg, Sym) and left.function in open_functions(target):
            _once(left.function in found.functions, line)
            found.functions[left.function] = left.arg, line.rhs
        elif not isinstance(left, Sym) or left.name not in {*parameters, *about}:
            raise _unknown(line, left, target, source)
        elif left.name in given or left.name in parameters - about.keys() or (left.name in states and left.time is None):
            _once(left.name in found.mapped, line)
            found.mapped[left.name] = _over(line, source, left.name in given, left.name in states)
        else:
            _once(about[left.name] in found.replaced, line)
            found.replaced[about[left.name]] = equation(about[left.name], _own(line, source, target))
            _not_of_itself(found.replaced[about[left.name]], left.name in states)
    return found


def _once(again: bool, line: Relation) -> None:
    if again:
        raise NotValid(f"The map says twice what {plain(line.lhs)} is.", plain(line), "one line for each name")


def _not_of_itself(line: Relation, state: bool) -> None:
    of = defined(line)
    if any(part == of for part in walk(line.rhs)):
        right = f"{of.name}_{{t-1}}, or without t, which maps the state" if state else "an equation that does not have it"
        raise NotValid(f"The new equation makes {plain(of)} of itself.", plain(line), right)


def open_functions(cell: Cell) -> tuple[str, ...]:
    """The functions that a cell leaves open, such as f, g and h of `scalar`, in order of appearance."""
    return tuple(
        dict.fromkeys(
            part.function for line in cell.named for part in walk(line) if isinstance(part, Apply) and part.function in STAND_INS
        )
    )


def _unknown(line: Relation, left: Term, cell: Cell, other: Cell) -> NotValid:
    if not isinstance(left, (Sym, Apply)):
        return NotValid("On the left of a line of the map stands one name.", plain(line), f"a name of {cell.name}")
    name = left.name if isinstance(left, Sym) else left.function
    known = (*(symbol.name for symbol in cell.parameter_terms), *signals(cell))
    near = nearest(name, known)
    if any(symbol.name == name for symbol in other.parameter_terms):
        near += f"; where {name} of {other.name} is meant, given (--given) instead of where"
    return NotValid(f"{cell.name} has no {name} for the map to be about.", plain(line), near)


def _over(line: Relation, source: Cell, step: bool, state: bool) -> Term:
    """The right side of a map as a term over `source`: of an input over a step, of a state over states, else over parameters."""
    known = signals(source)
    states = {symbol.name for symbol in source.state_terms}
    parameters = {symbol.name for symbol in source.parameter_terms}

    def settle(part: Term) -> Term:
        if not isinstance(part, Sym):
            return part
        if part.time is None and part.name in source.size_names and not (step or state):
            return part  # in what a parameter is made of a letter is a size, though a state may have it too
        if part.name in known and (part.time is not None or part.name not in parameters):
            at = part.time or NOW
            allowed = at == NOW if state else step and (at == NOW or (at == NOW + -1 and part.name in states))
            if not allowed or (state and part.name not in states):
                kind = "A state" if state else "An input" if step else "A parameter"
                right = "states and parameters, without t" if state else _STEP if step else "parameters"
                raise NotValid(f"{kind} cannot be made of {plain(part)}.", plain(line), f"{right} of {source.name}")
            return part.at(at)
        if part.time is None and (part.name in parameters or part.name in source.size_names):
            return part
        usable = [*(known if step else states if state else ()), *parameters]
        raise NotValid(f"{source.name} has no {part.name} to be made of.", plain(line), nearest(part.name, sorted(usable)))

    return transform(line.rhs, settle)


_STEP = "quantities of step t, states of t-1, and parameters"


def _own(line: Relation, source: Cell, target: Cell) -> Term:
    """The right side of a replaced equation: `target`'s own things go before those of `source`; without a time it is step t."""
    own, other = signals(target), signals(source)
    timeless = {symbol.name for cell in (target, source) for symbol in cell.parameter_terms} | target.size_names - own.keys()

    def settle(part: Term) -> Term:
        if not isinstance(part, Sym) or (part.time is None and part.name in timeless):
            return part
        if part.name in own or part.name in other:
            return part.at(part.time or NOW)
        cells = " nor ".join(dict.fromkeys((target.name, source.name)))
        raise NotValid(
            f"Neither {cells} has {part.name}." if " nor " in cells else f"{cells} has no {part.name}.",
            plain(line),
            nearest(part.name, sorted({*timeless, *own, *other})),
        )

    return transform(line.rhs, settle)


# --- a cell with equations replaced ----------------------------------------------------------------------------------


def revised(cell: Cell, said: Sorted, source: Cell | None = None) -> Cell:
    """The cell with equations replaced and open functions filled in.

    What a new equation has of `source` becomes an input. Raises `NotValid` for equations that form a cycle.
    """
    equations = tuple(said.replaced.get(defined(line), line) for line in cell.named)
    equations = tuple(equation(line.lhs, transform(line.rhs, filled(said))) for line in equations)
    own = signals(cell)
    fed = tuple(
        symbol
        for symbol in dict.fromkeys(part for line in equations for part in walk(line.rhs) if isinstance(part, Sym))
        if symbol.time == NOW and symbol.name not in own and source is not None and symbol.name in signals(source)
    )
    sizes = _sizes(cell, cell.shapes) | (_sizes(source, [symbol.name for symbol in fed]) if source else {})
    inputs = (*cell.input_terms, *fed)
    return Cell(cell.name, inputs, cell.state_terms, equations, title=cell.title, sizes=sizes, output=cell.output_term)


def needed(cell: Cell) -> Cell:
    """The cell without the quantities, and so the parameters, that do not matter for its states."""
    kept: dict[Term, None] = dict.fromkeys(cell.state_terms)
    while True:
        used = {part for line in cell.named if line.lhs in kept for part in walk(line.rhs)}
        more = [line.lhs for line in cell.named if line.lhs in used and line.lhs not in kept]
        if not more:
            break
        kept |= dict.fromkeys(more)
    lines = tuple(line for line in cell.named if line.lhs in kept)
    names = {part.name for line in lines for part in walk(line) if isinstance(part, Sym)}
    sizes = {name: size for name, size in cell.sizes.items() if name in names}
    return Cell(cell.name, cell.input_terms, cell.state_terms, lines, title=cell.title, sizes=sizes, output=cell.output_term)


def _sizes(cell: Cell, names: Iterable[str]) -> dict[str, tuple[Term, ...]]:
    """Sizes as they can be declared."""
    return {name: tuple(map(length_term, cell.shapes.lengths[name])) for name in names}


def filled(said: Sorted) -> Callable[[Term], Term]:
    """What puts the functions that the map says for those that the cell leaves open."""

    def change(part: Term) -> Term:
        if isinstance(part, Apply) and part.function in said.functions:
            variable, body = said.functions[part.function]
            return substitute(body, {variable: part.arg})
        return part

    return change
