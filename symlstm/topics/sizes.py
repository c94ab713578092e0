"""Topic `shapes`: why every quantity has the size it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from symlstm.algebra import (
    Add,
    Apply,
    Blocks,
    Div,
    Hadamard,
    Listed,
    MatMul,
    Max,
    Relation,
    Sym,
    Term,
    Transpose,
    children,
    equation,
    plain,
    walk,
)
from symlstm.model import Cell
from symlstm.prose import Prose, in_words, joined, listed, prose
from symlstm.shapes import ONE, length_term, linear
from symlstm.steps import Block, Section, Step, Table

TOPIC, TITLE = "shapes", "Sizes"


def section(cell: Cell) -> Section:
    """Every size with its reason, why the state does not grow, and the concatenated form."""
    blocks: list[Block] = [_given(cell), *_steps(cell)]
    growth = cell.shapes.growth()
    if growth.pieces:
        blocks.append(growth)
    blocks += _concatenated(cell)
    return Section(TOPIC, TITLE, tuple(blocks))


def _given(cell: Cell) -> Prose:
    """Which sizes nothing forces: those of the input and of the first state, and those left free or declared besides."""
    shapes = cell.shapes
    if all(rows == columns == ONE for rows, columns in shapes.lengths.values()):
        return prose("Every quantity is one number.")
    x, h = cell.input_terms[0], cell.state_terms[0]
    n, m = (length_term(shapes.lengths[symbol.name][0]) for symbol in (h, x))
    free = [Sym(name) for name, length in shapes.declared.items() if length == ((name, 1),)]
    given = f"{in_words(2 + len(free)).capitalize()} sizes are given: the input {{}} has length {{}}"
    said: list[Prose | str] = [
        prose(given + (", the state {} has length {}" if free else ", and the state {} has length {}"), x, m, h, n)
    ]
    for size in free:
        of = next(symbol for symbol in _all(cell) if shapes.lengths[symbol.name][0] == linear("free", size))
        said.append(prose(", and {} has length {}, which is free", of, size))
    said.append(". ")
    for word, test in (("one number", shapes.is_scalar), ("a matrix", lambda symbol: shapes.lengths[symbol.name][1] != ONE)):
        group = [symbol for symbol in _all(cell) if symbol.name in cell.sizes and test(symbol)]
        if group:
            said += ["Each of " if len(group) > 1 else "", listed(group), f" is declared to be {word}. "]
    said.append("The equations force all the others.")
    same = [symbol for symbol in _all(cell) if symbol.time is not None and symbol.name in cell.size_names]
    if same:
        letters = listed(symbol.at(None) for symbol in same)
        said += [" With a time, ", listed(same), " are quantities of the step; without one, ", letters, " are sizes."]
    return joined(*said)


def _all(cell: Cell) -> tuple[Sym, ...]:
    inner = (line.lhs for line in cell.named if isinstance(line.lhs, Sym))
    return tuple(dict.fromkeys((*cell.input_terms, *cell.state_terms, *inner, *cell.parameter_terms)))


def notation(cell: Cell) -> Table:
    """The table at the head of a document: quantity, size, meaning."""
    rows = [(listed(group), Prose((cell.shapes.space(group[0].name),)), prose(_meaning(cell, group))) for group in groups(cell)]
    return Table(("quantity", "size", "meaning"), tuple(rows))


def groups(cell: Cell) -> list[tuple[Sym, ...]]:
    """The quantities in groups of equal size and role: inputs, states, gates, pre-activations, then the parameters.

    Those that share a word of their own, such as all the means, are a group too.
    """
    found: dict[tuple[str, ...], list[Sym]] = {}

    def put(symbol: Sym, *role: str) -> None:
        found.setdefault((*role, str(cell.group(symbol)), plain(cell.shapes.space(symbol.name))), []).append(symbol)

    for symbol in (*cell.input_terms, *cell.state_terms):
        put(symbol, symbol.name)
    inner = [line.lhs for line in cell.named if isinstance(line.lhs, Sym) and line.lhs not in cell.state_terms]
    words = Counter(cell.words.get(symbol.name, "") for symbol in inner)
    met = {part for line in cell.named for part in _met_elementwise(line.rhs)}
    for unnamed in (False, True):
        for symbol in inner:
            word = cell.words.get(symbol.name, "")
            if unnamed != bool(word):
                put(symbol, word if words[word] > 1 else str(symbol in met), "" if word else _kind(cell, symbol))
    for symbol in cell.parameter_terms:
        put(symbol, symbol.name.partition("_")[0])
    return [tuple(group) for group in found.values()]


def _steps(cell: Cell) -> Iterator[Step]:
    for group in groups(cell):
        left: Term = group[0] if len(group) == 1 else Listed(group)
        relation = Relation((left, cell.shapes.space(group[0].name)), ("in",))
        yield Step(TOPIC, f"size of {', '.join(symbol.name for symbol in group)}", "size", relation, _reason(cell, group))


# --- the reason of a size ---------------------------------------------------------------------------------------------


def _reason(cell: Cell, group: tuple[Sym, ...]) -> Prose:
    """One short line: what the group is used for decides its size."""
    symbol = group[0]
    if symbol in cell.input_terms:
        return prose("given: the input" if len(cell.input_terms) == 1 else "given: an input")
    if symbol == cell.state_terms[0]:
        return prose("given: the output" if symbol == cell.output_term else "given: the first state")
    if symbol in cell.parameter_terms:
        return _parameter_reason(cell, group)
    if symbol.name in cell.sizes:
        home, own, _ = cell.home(symbol)
        return prose("declared" if own.name in home.sizes else "as in the first layer")
    if cell.shapes.is_scalar(symbol):
        return _one_number(cell, group)
    if _functions_of(cell, symbol):
        return prose("an activation keeps the length")
    users = [line.lhs for line in cell.named if any(part in group for part in _met_elementwise(line.rhs))]
    if users:
        return joined("elementwise in ", listed(dict.fromkeys(users)))
    return prose(_KEEPS.get(type(_equation(cell, symbol)), "both sides of its equation agree"))


def _one_number(cell: Cell, group: tuple[Sym, ...]) -> Prose:
    """What is a number is one by its equation."""
    if len({cell.words.get(symbol.name) for symbol in group}) == 1:
        return prose("{} is one number", _equation(cell, group[0]))
    return prose("each by its equation")


def _equation(cell: Cell, symbol: Sym) -> Term:
    return next(line.rhs for line in cell.named if line.lhs == symbol)


_KEEPS: dict[type[Term], str] = {
    Add: "the terms of a sum have one size",
    Max: "the larger of two has their size",
    MatMul: "as many rows as the first factor",
    Div: "a number below does not change the size",
    Apply: "an activation keeps the length",
}


def _met_elementwise(node: Term) -> Iterator[Term]:
    """What an elementwise product meets directly, not inside a matrix product."""
    stack: list[tuple[Term, bool]] = [(node, False)]
    while stack:
        here, inside = stack.pop()
        if inside:
            yield here
        if isinstance(here, (MatMul, Blocks, Transpose)):
            stack += [(child, False) for child in children(here)]
        else:
            stack += [(child, inside or isinstance(here, Hadamard)) for child in children(here)]


def _parameter_reason(cell: Cell, group: tuple[Sym, ...]) -> Prose:
    """What the parameters of a group are used for: the first use of each."""
    rows = length_term(cell.shapes.lengths[group[0].name][0])
    uses = [_use(cell, symbol) for symbol in group]
    what = dict.fromkeys(other for use, other in uses if other is not None)
    match uses[0][0]:
        case "taken" if len(what) > 1:
            return joined("each takes one of ", listed(what), prose(" to a vector of length {}", rows))
        case "taken":
            return prose(f"take{'s' * (len(group) == 1)} {{}} to a vector of length {{}}", *what, rows)
        case "row":
            return joined("a number in product with ", listed(what))
        case "elementwise":
            return joined("elementwise in ", listed(what))
    return prose("added to a number") if cell.shapes.is_scalar(group[0]) else prose("added to a vector of length {}", rows)


def _use(cell: Cell, symbol: Sym) -> tuple[str, Term | None]:
    """How a parameter is first used, and with what."""
    for line in cell.named:
        for part in (part for part in walk(line.rhs) if isinstance(part, MatMul)):
            if part.args[0] == symbol:
                return "taken", part.args[1]
            if part.args[0] == Transpose(symbol):
                return "row", part.args[1]
        if symbol in _met_elementwise(line.rhs) and not _is_added(cell, symbol):
            return "elementwise", line.lhs
    return "added", None


def _is_added(cell: Cell, symbol: Sym) -> bool:
    return any(isinstance(part, Add) and symbol in part.args for line in cell.named for part in walk(line.rhs))


def _functions_of(cell: Cell, symbol: Sym) -> set[str]:
    """The functions that are applied to a quantity as it stands; of a state none, it has a meaning of its own."""
    inside = {part.function for line in cell.named for part in walk(line.rhs) if isinstance(part, Apply) and part.arg == symbol}
    return set() if symbol in cell.state_terms else inside


# --- meanings ---------------------------------------------------------------------------------------------------------


def _meaning(cell: Cell, group: tuple[Sym, ...]) -> str:
    words = [cell.words.get(symbol.name, "") for symbol in group]
    if all(words):
        return _listed_words(list(dict.fromkeys(words)))
    home, own, where = cell.home(group[0])
    if group[0] in cell.parameter_terms:
        kind = _parameter_kind(home, own)
        return (kind if len(group) == 1 else {"bias": "biases"}.get(kind, kind)) + where
    return _kind(home, own) + ("s" if len(group) > 1 else "") + where


def _listed_words(words: list[str]) -> str:
    """Words with commas between; what all of them are of is said once."""
    _, of, where = words[0].partition(" of layer ")
    if of and all(word.endswith(of + where) for word in words):
        return ", ".join(word.removesuffix(of + where) for word in words) + of + where
    return ", ".join(words)


def _kind(cell: Cell, symbol: Sym) -> str:
    """What an inner quantity without a word of its own is: by the functions applied to it."""
    functions = _functions_of(cell, symbol)
    return "exponent" if functions == {"exp"} else "pre-activation" if functions else "intermediate result"


def _parameter_kind(cell: Cell, symbol: Sym) -> str:
    """What a parameter is: by what it multiplies, else a bias."""
    before = {state.prev for state in cell.state_terms}
    for line in cell.named:
        for part in (part for part in walk(line.rhs) if isinstance(part, MatMul)):
            if part.args[0] in (symbol, Transpose(symbol)):
                met = set(walk(MatMul(part.args[1:])))
                inputs, states = not met.isdisjoint(cell.input_terms), not met.isdisjoint(before)
                return (
                    "recurrent weights"
                    if states and not inputs
                    else "weights on the input"
                    if inputs and not states
                    else "weights"
                )
    return "bias" if _is_added(cell, symbol) else "weights, one for each entry"


def _concatenated(cell: Cell) -> list[Block]:
    """W [h; x] = U h + W x, for the first equation that adds two such products."""
    for line in cell.named:
        pairs = [part for part in walk(line.rhs) if isinstance(part, MatMul) and len(part.args) == 2]
        products = [part for part in pairs if all(isinstance(factor, Sym) for factor in part.args)]
        recurrent = next((p for p in products if p.args[1] == cell.state_terms[0].prev), None)
        forward = next((p for p in products if p.args[1] == cell.input_terms[0]), None)
        if isinstance(line.rhs, Add) and recurrent and forward:
            side_by_side = Blocks(((recurrent.args[0], forward.args[0]),))
            stacked = Blocks(((recurrent.args[1],), (forward.args[1],)))
            rows = length_term(cell.shapes.lengths[recurrent.args[0].name][0])  # type: ignore[attr-defined]  # a parameter
            lengths = [cell.shapes.lengths[p.args[1].name][0] for p in (recurrent, forward)]  # type: ignore[attr-defined]
            text = prose(
                "Many texts write one matrix for both products, acting on the two vectors stacked: it has {} rows and {} "
                "columns, and says the same.",
                rows,
                Add(tuple(map(length_term, lengths))),
            )
            proof = equation(MatMul((side_by_side, stacked)), Add((recurrent, forward)))
            return [text, Step(TOPIC, "concatenated form", "identity", proof, prose("block by block"))]
    return []
