"""The GRU in its two forms, each in both conventions for z, and the minimal gated unit.

In PyTorch and ONNX z is the share of the old state, `h_t = z h_{t-1} + (1 - z) g`; in the paper's section 2.3 and here the
same. Many texts have it the other way round: `z="new"`.
"""

from __future__ import annotations

from symlstm.activations import sigma, tanh
from symlstm.algebra import Relation, Sym, Term, equation
from symlstm.model import Cell
from symlstm.zoo.letters import affine, f, g, h, r, words, x, z

WORDS = words("g", "h", "x", r="reset gate", z="update gate")
OLD, NEW = equation(h, z * h.prev + (1 - z) * g), equation(h, (1 - z) * h.prev + z * g)
BEFORE = affine("g", r * h.prev)
AFTER = Sym("W_g") @ x + Sym("b_g") + r * (Sym("U_g") @ h.prev + Sym("d_g"))


def _gru(name: str, title: str, candidate: Term, output: Relation, source: str) -> Cell:
    return Cell(
        name=name,
        title=title,
        inputs=(x,),
        states=(h,),
        equations=(equation(r, sigma(affine("r"))), equation(z, sigma(affine("z"))), equation(g, tanh(candidate)), output),
        source=source,
        words=WORDS,
    )


CHO = "Cho et al. (2014), with biases"
TORCH = "the GRU of PyTorch and cuDNN: the reset gate after the matrix, with a bias of its own"
GRU = _gru("gru", "The GRU", BEFORE, OLD, CHO)
GRU_NEW = _gru("gru-z-new", "The GRU, z the share of the new", BEFORE, NEW, "Chung et al. (2014), with biases")
RESET_AFTER = _gru("gru-reset-after", "The GRU, reset after the matrix", AFTER, OLD, TORCH)
RESET_AFTER_NEW = _gru(
    "gru-reset-after-z-new",
    "The GRU, reset after the matrix, z the share of the new",
    AFTER,
    NEW,
    f"{TORCH}; z as in Chung et al. (2014)",
)

MGU = Cell(
    name="mgu",
    title="The minimal gated unit",
    inputs=(x,),
    states=(h,),
    equations=(
        equation(f, sigma(affine("f"))),
        equation(g, tanh(affine("g", f * h.prev))),
        equation(h, (1 - f) * h.prev + f * g),
    ),
    source="Zhou, Wu, Zhang & Zhou (2016)",
    words=words("f", "g", "h", "x"),
)
