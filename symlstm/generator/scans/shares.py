"""What adjoint equations give in code: the gradients of parameters, summed over time, and the shares of a state's adjoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from symlstm.algebra import Add, Adj, Partial, Relation, Sym, Term, equation, plain, term, walk
from symlstm.generator.arrays import Arrays
from symlstm.generator.codes import folded
from symlstm.generator.scans.frame import Quantities
from symlstm.generator.wrapping import as_tuple
from symlstm.rules import added
from symlstm.shapes import ONE, Shapes


def of_parameters(frame: Quantities, shapes: Shapes, node: Term, leaf: Callable[[Sym | Adj], str]) -> str:
    """A term that has only parameters in it."""
    def none(*_: str) -> str:
        raise AssertionError("no constants are among parameters")

    arrays = Arrays(shapes, equation(node, node), leaf, none, lambda _: None, "", frame.text)
    return frame.target.infix(arrays(node).array())


def summing(entries: Iterable[str], rows: Sequence[str], found: str, into: str, before: Iterable[str] = ()) -> Iterator[str]:
    """Lines that sum the entries of a dictionary over time, a chunk of steps at a time; with the lines `before` them they
    read the arrays `rows`."""
    body = [*before, "return {", *entries, "}"]
    if any("(T, B" in line for line in body):
        body.insert(0, f"T = len({rows[0]})")
    yield from ("", "def share(now):", f"    {as_tuple(rows)} = now", *(f"    {line}" for line in body), "")
    yield f"{found} = summed(share, {as_tuple(rows)}, T, chunk_of(B), {into})"


def total(arrays: Arrays, line: Relation, symbol: Sym, frame: Quantities) -> str:
    """The gradient of a parameter by its adjoint equation: summed over time and batch."""
    own, shares = frame.lengths(symbol), line.rhs.args if isinstance(line.rhs, Add) else (line.rhs,)
    zero = frame.target.call("zeros_like", frame.name(symbol))
    text = zero if line.rhs == term(0) else frame.target.infix(folded("add", list(map(arrays.total, shares))))
    if own and own[0] != ONE:
        return text
    return f"{text if len(shares) == 1 and text[0] != '-' else f'({text})'}.reshape({as_tuple(map(frame.text, own))})"


def own_shares(node: Term) -> Term:
    """The adjoint of a state without what is in its array already: what arrives, and what the loss of the step gives."""
    def given(part: Term) -> bool:
        return isinstance(part, Partial) or (isinstance(part, Adj) and part.arriving)
    found = added(*(arg for arg in (node.args if isinstance(node, Add) else (node,)) if not given(arg)))
    assert not any(map(given, walk(found))), f"what arrives is no summand of {plain(node)}"
    return found
