"""Topic `shapes`: why every quantity has the size it has."""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.algebra import Add, Apply, Blocks, Hadamard, Listed, MatMul, Relation, Sym, Term, equation, walk
from symlstm.model import Cell
from symlstm.prose import Prose, joined, listed, prose
from symlstm.shapes import length_term
from symlstm.steps import Block, Section, Step, Table

TOPIC, TITLE = "shapes", "Sizes"


def section(cell: Cell) -> Section:
    """Every size with its reason, why the state does not grow, and the concatenated form."""
    x, h = cell.input_terms[0], cell.state_terms[0]
    n, m = (length_term(cell.shapes.lengths[symbol.name][0]) for symbol in (h, x))
    given = prose(
        "Two sizes are given: the input {} has length {}, and the state {} has length {}. The equations force all the others.",
        x,
        m,
        h,
        n,
    )
    blocks: list[Block] = [given, *_steps(cell)]
    growth = cell.shapes.growth()
    if growth.pieces:
        blocks.append(growth)
    blocks += _concatenated(cell)
    return Section(TOPIC, TITLE, tuple(blocks))


def notation(cell: Cell) -> Table:
    """The table at the head of a document: quantity, size, meaning."""
    rows = [(listed(group), Prose((cell.shapes.space(group[0].name),)), prose(_meaning(cell, group))) for group in groups(cell)]
    return Table(("quantity", "size", "meaning"), tuple(rows))


def groups(cell: Cell) -> list[tuple[Sym, ...]]:
    """The quantities in groups of equal size and role: inputs, states, gates, pre-activations, then the parameters."""
    found: dict[tuple[str, Term], list[Sym]] = {}
    for symbol in (*cell.input_terms, *cell.state_terms):
        found[symbol.name, cell.shapes.space(symbol.name)] = [symbol]
    inner = [line.lhs for line in cell.named if isinstance(line.lhs, Sym) and line.lhs not in cell.state_terms]
    for symbol in (*(s for s in inner if not _feeds_activation(cell, s)), *(s for s in inner if _feeds_activation(cell, s))):
        role = "pre-activation" if _feeds_activation(cell, symbol) else "gate"
        found.setdefault((role, cell.shapes.space(symbol.name)), []).append(symbol)
    for symbol in cell.parameter_terms:
        found.setdefault((symbol.name.partition("_")[0], cell.shapes.space(symbol.name)), []).append(symbol)
    return [tuple(group) for group in found.values()]


def _steps(cell: Cell) -> Iterator[Step]:
    for group in groups(cell):
        left: Term = group[0] if len(group) == 1 else Listed(group)
        relation = Relation((left, cell.shapes.space(group[0].name)), ("in",))
        yield Step(TOPIC, f"size of {', '.join(symbol.name for symbol in group)}", "size", relation, _reason(cell, group))


def _reason(cell: Cell, group: tuple[Sym, ...]) -> Prose:
    """One short line: what the group is used for decides its size."""
    symbol = group[0]
    if symbol in cell.input_terms[:1]:
        return prose("given: the input")
    if symbol == cell.state_terms[0]:
        return prose("given: the output")
    if symbol in cell.parameter_terms:
        return _parameter_reason(cell, symbol)
    if _feeds_activation(cell, symbol):
        return prose("an activation keeps the length")
    users = [line.lhs for line in cell.named if any(isinstance(part, Hadamard) and _has(part, group) for part in walk(line.rhs))]
    return joined("elementwise in ", listed(dict.fromkeys(users))) if users else prose("both sides of its equation agree")


def _parameter_reason(cell: Cell, symbol: Sym) -> Prose:
    rows = length_term(cell.shapes.lengths[symbol.name][0])
    for part in (part for line in cell.named for part in walk(line.rhs)):
        if isinstance(part, MatMul) and part.args[0] == symbol:
            return prose("takes {} to a vector of length {}", part.args[1], rows)
    return prose("added to a vector of length {}", rows)


def _has(node: Term, group: tuple[Sym, ...]) -> bool:
    return any(part in group for part in walk(node))


def _feeds_activation(cell: Cell, symbol: Sym) -> bool:
    inside = [part.arg for line in cell.named for part in walk(line.rhs) if isinstance(part, Apply)]
    return symbol in inside and symbol not in cell.state_terms


def _meaning(cell: Cell, group: tuple[Sym, ...]) -> str:
    words = [cell.words.get(symbol.name, "") for symbol in group]
    if all(words):
        return ", ".join(words)
    if group[0] in cell.parameter_terms:
        kind = _parameter_kind(cell, group[0])
        return kind if len(group) == 1 else {"bias": "biases"}.get(kind, kind)
    return ("pre-activation" if _feeds_activation(cell, group[0]) else "intermediate result") + ("s" if len(group) > 1 else "")


def _parameter_kind(cell: Cell, symbol: Sym) -> str:
    for part in (part for line in cell.named for part in walk(line.rhs)):
        if isinstance(part, MatMul) and part.args[0] == symbol:
            if part.args[1] in cell.input_terms:
                return "weights on the input"
            return "recurrent weights" if any(part.args[1] == state.prev for state in cell.state_terms) else "weights"
    return "bias"


def _concatenated(cell: Cell) -> list[Block]:
    """W [h; x] = U h + W x, for the first equation that adds two such products."""
    for line in cell.named:
        products = [part for part in walk(line.rhs) if isinstance(part, MatMul) and len(part.args) == 2]
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
