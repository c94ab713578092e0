"""The eight variants of "LSTM: A Search Space Odyssey": each is the block with peepholes, with one change.

Source: Greff, Srivastava, Koutnik, Steunebrink & Schmidhuber (2017): the block is their section II.
"""

from __future__ import annotations

from symlstm.activations import sigma, tanh
from symlstm.algebra import Relation, Sym, Term, defined, equation, walk
from symlstm.model import Cell
from symlstm.zoo.letters import affine, c, f, g, h, i, o, x
from symlstm.zoo.lstm import PEEPHOLE, PEEPHOLES, WORDS, p_f, p_i, p_o

RECURRENT = {f"R_{before}{gate}": "weights from gate to gate, one step on" for before in "ifo" for gate in "ifo"}


def _names(lines: tuple[Relation, ...]) -> set[str]:
    return {part.name for line in lines for part in (*walk(line.lhs), *walk(line.rhs)) if isinstance(part, Sym)}


def _changed(code: str, title: str, *changes: Relation, without: str = "", states: tuple[Sym, ...] = (h, c)) -> Cell:
    """The block with some equations replaced, or one left out."""
    new = {defined(line): line for line in changes}
    lines = tuple(new.get(defined(line), line) for line in PEEPHOLE.declared if defined(line).name != without)
    names = _names(lines)
    return Cell(
        name=f"lstm-{code}",
        title=title,
        inputs=(x,),
        states=states,
        equations=lines,
        source=f"Greff et al. (2017), variant {code.upper()}",
        words={name: word for name, word in (WORDS | PEEPHOLES | RECURRENT).items() if name in names},
    )


def _fed(gate: str, peephole: Term) -> Term:
    """A gate that reads all gates of the step before, as it does in the LSTM of 1997."""
    recurrent = [Sym(f"R_{other.name}{gate}") @ other.prev for other in (i, f, o)]
    return affine(gate) + recurrent[0] + recurrent[1] + recurrent[2] + peephole


VARIANTS = (
    _changed("nig", "The LSTM without an input gate", equation(c, f * c.prev + g), without="i"),
    _changed("nfg", "The LSTM without a forget gate", equation(c, c.prev + i * g), without="f"),
    _changed("nog", "The LSTM without an output gate", equation(h, tanh(c)), without="o"),
    _changed("niaf", "The LSTM without an input activation", equation(g, affine("g"))),
    _changed("noaf", "The LSTM without an output activation", equation(h, o * c)),
    _changed("cifg", "The LSTM with coupled gates and peepholes", equation(f, 1 - i)),
    _changed(
        "np",
        "The LSTM without peepholes",
        *(equation(gate, sigma(affine(gate.name))) for gate in (i, f, o)),
    ),
    _changed(
        "fgr",
        "The LSTM with full gate recurrence",
        equation(i, sigma(_fed("i", p_i * c.prev))),
        equation(f, sigma(_fed("f", p_f * c.prev))),
        equation(o, sigma(_fed("o", p_o * c))),
        states=(h, c, i, f, o),
    ),
)
