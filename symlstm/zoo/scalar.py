"""The cell as a unit with four signals and one output, and a row of such units as vectors."""

from __future__ import annotations

from symlstm.activations import sigma, tanh
from symlstm.algebra import Apply, equation, quantities, term
from symlstm.model import Cell
from symlstm.zoo.letters import affine, c, f, g, h, i, o, words, x

a, z, z_i, z_f, z_o = quantities("a z z_i z_f z_o")

SCALAR = Cell(
    name="scalar",
    title="One memory cell",
    inputs=(z, z_i, z_f, z_o),
    states=(a, c),
    equations=(
        equation(c, Apply("g", z) @ Apply("f", z_i) + c.prev @ Apply("f", z_f)),
        equation(a, Apply("h", c) @ Apply("f", z_o)),
    ),
    source="Hochreiter & Schmidhuber (1997), one unit, with the forget gate of Gers, Schmidhuber & Cummins (2000); "
    "g, f and h are any functions",
    words={
        "a": "output",
        "c": "memory",
        "z": "the signal to be stored",
        "z_i": "signal of the input gate",
        "z_f": "signal of the forget gate",
        "z_o": "signal of the output gate",
    },
    sizes={name: (term(1), term(1)) for name in ("a", "c", "z", "z_i", "z_f", "z_o")},
)

SCALAR_ROW = Cell(
    name="scalar-row",
    title="A row of memory cells",
    inputs=(x,),
    states=(h, c),
    equations=(
        equation(i, sigma(affine("i", None))),
        equation(f, sigma(affine("f", None))),
        equation(o, sigma(affine("o", None))),
        equation(g, tanh(affine("g", None))),
        equation(c, f * c.prev + i * g),
        equation(h, o * tanh(c)),
    ),
    source="one memory cell for each entry of the vectors; no cell sees another",
    words=words("i", "f", "o", "g", "c", "h", "x"),
)
