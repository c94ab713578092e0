"""The proof that one step of both cells keeps what the map says, over a field of rational functions.

The generators are the parameters, the input and the states of step t-1 of the first cell. Both cells are run by the same
interpreter as on numbers, so nothing of a derivation is used.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from symlstm.algebra import Sym, SymlstmError, Term, plain, transform
from symlstm.equivalence.pairs import Leaf, Pair
from symlstm.evaluate import Array, Evaluator
from symlstm.evidence.components import Components
from symlstm.evidence.fields import Exactly, Field
from symlstm.evidence.polynomials import Polynomial
from symlstm.shapes import Shapes


class Exact(Exactly, Components):
    """The interpreter over elements of a field. A size counts as a length; as a number, it stays a letter."""

    def __init__(self, field: Field, shapes: Shapes, leaf: Leaf, sizes: Mapping[str, int], letters: Mapping[str, Term]) -> None:
        super().__init__(field, shapes)
        self._counts = Evaluator(leaf, sizes=sizes)
        opaque = Components(field, shapes)
        self._letters = {name: opaque(letters.get(name, Sym(name))) for name in sizes}

        def or_letter(node: Term) -> Array:
            named = isinstance(node, Sym) and node.time is None and node.name in self._letters
            return self._letters[node.name] if named else leaf(node)  # type: ignore[attr-defined]

        self.leaf = or_letter


def proof(both: Pair) -> str:
    """Nothing where one step of both cells is proved to keep the map; else in words what could not be proved.

    First the values of activations are atoms, of which the field knows symmetries; then they are written out in exponentials.
    """
    problem = ""
    for form in (both, both.written_out()):
        Polynomial.spent = 0
        try:
            found = _proof(form, Field())
        except SymlstmError as error:
            found = f"No proof was found: {error.what[:1].lower()}{error.what[1:].rstrip('.')}"
        if not found:
            return ""
        problem = problem or found
    return problem


def _proof(both: Pair, field: Field) -> str:
    symbols = Components(field, both.left.shapes)

    def make(leaf: Leaf, sizes: Mapping[str, int], letters: Mapping[str, Term]) -> Evaluator:
        return Exact(field, both.left.shapes, leaf, sizes, letters)

    params = {symbol.name: symbols.opaque(symbol) for symbol in both.free}
    x = tuple(symbols.opaque(symbol) for symbol in both.left.input_terms)
    states = [symbols.opaque(state.prev) for state in both.left.state_terms]
    run = both.run(params, [x], states, make, lambda left, right: _vanishes(field, left - right))
    order = [line.lhs for line in both.right.named]
    for _, state, left, right in sorted(run.states(), key=lambda found: order.index(found[1])):
        if not _vanishes(field, left - right):
            return f"No proof was found that {state.name} stays what the map says, {named(both.said[state])}"
    for _, left, right in run.outputs():
        if not _vanishes(field, left - right):
            return "No proof was found that the outputs are equal"
    return ""


def _vanishes(field: Field, difference: Array) -> bool:
    return all(map(field.vanishes, np.asarray(difference, dtype=object).flat))


def named(said: Term) -> str:
    """What a map says of a state, as the map says it: without a time."""
    return plain(transform(said, lambda part: part.at(None) if isinstance(part, Sym) else part))
