"""The cells we ship: each is its equations, as its paper has them, and the source.

>>> cells()
('lstm', 'rnn')
"""

from __future__ import annotations

from difflib import get_close_matches

from symlstm.activations import sigma, tanh
from symlstm.algebra import NotValid, equation, quantities, symbols
from symlstm.model import Cell

x, h, c, i, f, o, g = quantities("x h c i f o g")
W, U, b = symbols("W U b")
W_i, W_f, W_o, W_g = symbols("W_i W_f W_o W_g")
U_i, U_f, U_o, U_g = symbols("U_i U_f U_o U_g")
b_i, b_f, b_o, b_g = symbols("b_i b_f b_o b_g")

LSTM = Cell(
    name="lstm",
    title="The LSTM",
    inputs=(x,),
    states=(h, c),
    equations=(
        equation(i, sigma(W_i @ x + U_i @ h.prev + b_i)),
        equation(f, sigma(W_f @ x + U_f @ h.prev + b_f)),
        equation(o, sigma(W_o @ x + U_o @ h.prev + b_o)),
        equation(g, tanh(W_g @ x + U_g @ h.prev + b_g)),
        equation(c, f * c.prev + i * g),
        equation(h, o * tanh(c)),
    ),
    source="Hochreiter & Schmidhuber (1997), with the forget gate of Gers, Schmidhuber & Cummins (2000)",
    words={
        "i": "input gate",
        "f": "forget gate",
        "o": "output gate",
        "g": "candidate",
        "c": "cell state",
        "h": "hidden state, the output",
        "x": "input",
    },
)

RNN = Cell(
    name="rnn",
    title="The plain RNN",
    inputs=(x,),
    states=(h,),
    equations=(equation(h, tanh(W @ x + U @ h.prev + b)),),
    source="Elman (1990)",
    words={"h": "hidden state, the output", "x": "input"},
)

ZOO: dict[str, Cell] = {each.name: each for each in (LSTM, RNN)}


def cells() -> tuple[str, ...]:
    """The names of the cells in the zoo."""
    return tuple(ZOO)


def cell(name: str) -> Cell:
    """A cell of the zoo by its name.

    Raises `NotValid` for an unknown name, with the nearest ones.

    >>> cell("lstm").states
    (h, c)
    """
    if name in ZOO:
        return ZOO[name]
    near = get_close_matches(str(name), ZOO, n=3) or list(ZOO)
    raise NotValid("There is no cell of this name.", repr(name), " or ".join(map(repr, near)))
