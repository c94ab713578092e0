"""A cell whose sums have a name for the part that needs nothing of the step before, so that it is computed before the loop."""

from __future__ import annotations

from symlstm.algebra import Add, MatMul, Relation, Sym, Term, children, defined, equation, quantity, rebuild, walk
from symlstm.model import Cell
from symlstm.rules import added


def hoisted(cell: Cell) -> Cell:
    """The same cell with a name for the part of a sum that needs nothing of the step before.

    >>> from symlstm import zoo
    >>> [str(line) for line in hoisted(zoo.RNN).named]
    ['z_ahead[t] = W @ x[t] + b', 'z[t] = z_ahead[t] + U @ h[t-1]', 'h[t] = tanh(z[t])']
    """
    late = {state.prev for state in cell.state_terms}
    taken = {part.name for line in cell.named for part in walk(line) if isinstance(part, Sym)}
    lines: list[Relation] = []

    def timed(node: Term) -> set[Term]:
        return {part for part in walk(node) if isinstance(part, Sym) and part.time is not None}

    def change(node: Term) -> Term:
        if not isinstance(node, Add):
            return rebuild(node, tuple(map(change, children(node))))
        early = [arg for arg in node.args if not timed(arg) & late]
        rest = [change(arg) for arg in node.args if arg not in early]
        if not any(map(timed, early)) or not rest or (len(early) == 1 and not _works(early[0])):
            return added(*(arg if arg in early else change(arg) for arg in node.args))
        wish = f"{of.name}_ahead"
        while wish in taken:
            wish += "_"
        taken.add(wish)
        lines.append(equation(quantity(wish), added(*early)))
        return added(quantity(wish), *rest)

    for line in cell.named:
        of = defined(line)
        if timed(line.rhs) & late or of in cell.state_terms:
            late.add(of)
            lines.append(equation(of, change(line.rhs)))
        else:
            lines.append(line)
    return Cell(cell.name, cell.input_terms, cell.state_terms, tuple(lines), title=cell.title, sizes=cell.sizes,
                output=cell.output_term)


def _works(node: Term) -> bool:
    """Whether a term is more than a name or rows of one."""
    return isinstance(node, MatMul) or any(map(_works, children(node)))
