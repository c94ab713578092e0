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
    formed, made_of = arranged(original, notation)
    found = names(formed, notation)
    new = renamed(formed, found)
    if new.named == original.named:
        new = original
    elif original.source:
        new.source = f"{original.source}; in the notation of {notation.source or notation.name}"
    where = [equation(symbol.at(None), Sym(found[symbol.name])) for symbol in (*original.state_terms, *original.input_terms)]
    where += [equation(symbol, called(made, found, formed.parameter_terms)) for symbol, made in made_of.items()]
    return Restatement(new, tuple(where))
