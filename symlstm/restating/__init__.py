r"""A cell in another notation: other names, and the sums of products in another arrangement.

What comes out is a cell like any other, so its shapes, derivations and proofs need nothing special. That it computes the same
is said by a map, what each thing of the cell is in terms of those of the restated one, and `equivalence` proves it.

>>> from symlstm import zoo
>>> restated(zoo.RNN, "colah").declared, restated(zoo.RNN, "pytorch").declared
((h[t] = tanh(W @ [h[t-1]; x[t]] + b),), (h[t] = tanh(W_ih @ x[t] + b_ih + W_hh @ h[t-1] + b_hh),))
>>> restatement(zoo.RNN, "pytorch").where
(h = h, x = x, W = W_ih, U = W_hh, b = b_ih + b_hh)
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from symlstm import zoo
from symlstm.algebra import Relation, Sym, equation
from symlstm.dialects import notation_of
from symlstm.model import Cell
from symlstm.networks import Network, stack
from symlstm.notation import Notation
from symlstm.restating.arranging import arranged
from symlstm.restating.renaming import called, names, renamed


@dataclass(frozen=True, slots=True)
class Restatement:
    """A cell in a notation, and `where`: what each thing of the cell as it was is in terms of those of the restated one."""

    cell: Cell
    where: tuple[Relation, ...]


def restated(cell: Cell | str | os.PathLike[str], notation: Notation | str | os.PathLike[str]) -> Cell:
    """The cell with the names and the form of a notation; its name, title, inputs and states stay what they are.

    Raises `NotValid` for a notation that there is not, and for one in which two things of the cell would have one name.
    """
    return restatement(cell, notation).cell


def restatement(cell: Cell | str | os.PathLike[str], notation: Notation | str | os.PathLike[str]) -> Restatement:
    """The same, with the map that says what the cell as it was is in terms of the restated one."""
    original, notation = zoo.cell_of(cell), notation_of(notation)
    if isinstance(original, Network):
        return _of_network(original, notation)
    formed, made_of = arranged(original, notation)
    found = names(formed, notation)
    new = renamed(formed, found)
    new = original if new.named == original.named else new
    where = [equation(symbol.at(None), Sym(found[symbol.name])) for symbol in (*original.state_terms, *original.input_terms)]
    where += [equation(symbol, called(made, found, formed.parameter_terms)) for symbol, made in made_of.items()]
    return Restatement(new, tuple(where))


def _of_network(network: Network, notation: Notation) -> Restatement:
    """The network of the restated cells; its map is that of each layer, in the names of the layer."""
    layers = (*network.layers, *([network.head] if network.head else []))
    made = {cell: restatement(cell, notation) for cell in dict.fromkeys(layer.cell for layer in layers)}
    cells = {layer.number: made[layer.cell].cell for layer in network.layers}
    head = made[network.head.cell].cell if network.head else None
    new = stack([*cells.values()], bidirectional=network.bidirectional, head=head)
    now = (*new.layers, *([new.head] if new.head else []))
    known = {symbol.name for symbol in (*network.state_terms, *network.parameter_terms)}
    where = [
        equation(Sym(layer.names[line.lhs.name]), there(line.rhs))
        for layer, there in zip(layers, now, strict=True)
        for line in made[layer.cell].where
        if isinstance(line.lhs, Sym) and layer.names.get(line.lhs.name) in known
    ]
    inputs = zip(network.input_terms, new.input_terms, strict=True)
    return Restatement(new, (*(equation(old.at(None), to.at(None)) for old, to in inputs), *where))
