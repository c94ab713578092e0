"""minLSTM and minGRU: gates that read the input alone, so that all steps can be computed at once."""

from __future__ import annotations

from symlstm.activations import sigma
from symlstm.algebra import equation, quantities
from symlstm.model import Cell
from symlstm.zoo.letters import affine, f, g, h, i, words, x, z

f_share, i_share = quantities("f_bar i_bar")

MINLSTM = Cell(
    name="minlstm",
    title="The minimal LSTM",
    inputs=(x,),
    states=(h,),
    equations=(
        equation(i, sigma(affine("i", None))),
        equation(f, sigma(affine("f", None))),
        equation(g, affine("g", None)),
        equation(f_share, f / (f + i)),
        equation(i_share, i / (f + i)),
        equation(h, f_share * h.prev + i_share * g),
    ),
    source="Feng, Tung, Ahmed, Bengio & Hajimirsadeghi (2024), section 3.2",
    words=words("i", "f", "g", "h", "x", f_bar="share of the old state", i_bar="share of the candidate"),
)

MINGRU = Cell(
    name="mingru",
    title="The minimal GRU",
    inputs=(x,),
    states=(h,),
    equations=(
        equation(z, sigma(affine("z", None))),
        equation(g, affine("g", None)),
        equation(h, (1 - z) * h.prev + z * g),
    ),
    source="Feng, Tung, Ahmed, Bengio & Hajimirsadeghi (2024), section 3.1",
    words=words("g", "h", "x", z="update gate"),
)
