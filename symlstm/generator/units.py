"""What a pair of functions is written for: a cell, which quantities they give, which states they take and hand back."""

from __future__ import annotations

from dataclasses import dataclass

from symlstm.algebra import Sym
from symlstm.model import Cell


@dataclass(frozen=True)
class Unit:
    """A cell, its `outputs` (states of `cell`) and the `seen` states, which a caller hands in and gets back.

    The functions are called `forward` and `backward`, with a prefix `lstm_forward` and `lstm_backward`.
    """

    cell: Cell
    outputs: tuple[Sym, ...]
    seen: tuple[Sym, ...]
    prefix: str = ""

    @classmethod
    def of(cls, cell: Cell, outputs: tuple[Sym, ...] = (), prefix: str = "") -> Unit:
        """The unit of a cell that gives its output, or what is named. An output that is no state is made one that no step reads.

        >>> from symlstm import zoo
        >>> Unit.of(zoo.LSTM, (Sym("i", zoo.LSTM.output_term.time),)).cell.state_terms
        (h[t], c[t], i[t])
        """
        outputs = outputs or (cell.output_term,)
        unseen = tuple(of for of in outputs if of not in cell.state_terms)
        whole = cell if not unseen else Cell(
            cell.name, cell.input_terms, (*cell.state_terms, *unseen), cell.declared, title=cell.title, sizes=cell.sizes,
            output=outputs[0])
        return cls(whole, outputs, cell.state_terms, f"{prefix}_" if prefix else "")

    def name(self, function: str) -> str:
        """What one of its functions is called."""
        return self.prefix + function

    def place(self, state: Sym) -> int | None:
        """Which of the states that a caller hands in is this one; None if it does not know it."""
        return self.seen.index(state) if state in self.seen else None
