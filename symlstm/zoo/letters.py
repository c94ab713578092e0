"""The letters the cells are written in, and the one shape most of their equations have."""

from __future__ import annotations

from symlstm.algebra import Sym, Term, quantities, symbols

x, h, c = quantities("x h c")
i, f, o, g, r, z = quantities("i f o g r z")
W, U, b = symbols("W U b")

WORDS = {
    "i": "input gate",
    "f": "forget gate",
    "o": "output gate",
    "g": "candidate",
    "c": "cell state",
    "h": "hidden state, the output",
    "x": "input",
}


def affine(gate: str, state: Term | None = h.prev) -> Term:
    """`W x_t + U h_{t-1} + b` with the parameters of one gate; without a state, `W x_t + b`.

    >>> affine("f")
    W_f @ x[t] + U_f @ h[t-1] + b_f
    """
    W, U, b = (Sym(f"{letter}_{gate}") for letter in "WUb")
    return W @ x + b if state is None else W @ x + U @ state + b


def words(*letters: str, **more: str) -> dict[str, str]:
    """What letters mean: some of the common words, and those of this cell."""
    return {letter: WORDS[letter] for letter in letters} | more
