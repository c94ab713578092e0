r"""The edits that may turn a wrong right side into the right one, as a table: the mistakes of `symlstm.mistakes` undone.

A remedy takes a node and the pieces of the document and yields other nodes, each with what was wrong, in words. Where a
mistake is its own opposite (another symbol, another sign) its edit is taken from there; the others (what is missing is
added, what is squashed twice is squashed once) stand here.

>>> from symlstm.algebra import quantities
>>> f, i, g = quantities("f i g")
>>> pieces = Pieces(symbols={"quantity": (f, i, g)})
>>> for change in changes(f * g, pieces):
...     if change.remedy in ("factor too many", "product for sum", "sum for product"): print(change.node, "|", said(change, repr))
g[t] | the factor f[t] is one too many
f[t] | the factor g[t] is one too many
f[t] + g[t] | branches add, they do not multiply
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from symlstm.algebra import (
    Add,
    Hadamard,
    MatMul,
    Term,
)  # fmt: skip
from symlstm.claims.remedies.exchanges import everywhere, function, index, sides_of_activation, symbol, time_mark
from symlstm.claims.remedies.omissions import (
    activation_missing,
    complement,
    factor_missing,
    number,
    path_missing,
    squared,
    sum_missing,
    without,
)
from symlstm.claims.remedies.pieces import Pieces, Remedy
from symlstm.claims.remedies.rearranging import (
    WORDS,
    bracket,
    diagonal,
    grouping,
    multiplied,
    order,
    own,
    stack,
    swapped_limits,
    transposed,
)  # fmt: skip
from symlstm.mistakes import places


@dataclass(frozen=True, slots=True)
class Change:
    """A new right side: by which remedy, and in words in which `{}` stand for terms."""

    node: Term
    remedy: str
    words: str
    about: tuple[Term, ...] = ()


def said(change: Change, write: Callable[[Term], str]) -> str:
    """What was wrong, in words, with terms written by `write`."""
    return change.words.format(*map(write, change.about))


def changes(side: Term, pieces: Pieces) -> Iterator[Change]:
    """Every right side that one remedy makes of another, each different from it and from the others."""
    seen = {side}
    sites = list(places(side))
    for name, remedy in REMEDIES.items():
        for node, put in sites:
            for other, words, about in remedy(node, pieces):
                whole = put(other)
                if whole not in seen:
                    seen.add(whole)
                    yield Change(whole, name, words, about)
    for name, throughout in (("squashed twice", everywhere), ("activation side", sides_of_activation)):
        for other, words, about in throughout(side, pieces):
            if other not in seen:
                seen.add(other)
                yield Change(other, name, words, about)


REMEDIES: dict[str, Remedy] = {
    "symbol": symbol,
    "time": time_mark,
    "index": index,
    "path missing": path_missing,
    "factor missing": factor_missing,
    "sign": own("sign", WORDS["sign"]),
    "factor too many": without((Hadamard, MatMul), "the factor {} is one too many"),
    "term too many": without((Add,), "the term {} is one too many"),
    "squared": squared,
    "complement": complement,
    "function": function,
    "activation missing": activation_missing,
    "transpose": transposed,
    "order": order,
    "other product": own("other product", WORDS["other product"]),
    "parenthesis": own("parenthesis", WORDS["parenthesis"]),
    "bracket": bracket,
    "grouping": grouping,
    "product for sum": own("sum for product", WORDS["product for sum"]),
    "sum for product": own("product for sum", WORDS["sum for product"]),
    "multiplied": multiplied,
    "swapped factors": own("swapped factors", WORDS["swapped factors"]),
    "limits": own("limits", WORDS["limits"]),
    "swapped limits": swapped_limits,
    "sum missing": sum_missing,
    "stack": stack,
    "diagonal": diagonal,
    "number": number,
}
