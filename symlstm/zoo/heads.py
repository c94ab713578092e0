"""What stands on top of a cell: outputs between 0 and 1, and probabilities with their cross-entropy.

A head is a cell without memory. Its input is the hidden state; what it gives is its one state, which no later step reads.
"""

from __future__ import annotations

from symlstm.activations import exp, log, sigma
from symlstm.algebra import Neg, Ones, equation, quantities, symbols, term
from symlstm.model import Cell
from symlstm.zoo.letters import h

y, z, w, s, p, J, a = quantities("y z w s p J a")
W_y, b_y = symbols("W_y b_y")
n, k = symbols("n k")

SIGMOID = Cell(
    name="head-sigmoid",
    title="Outputs between 0 and 1",
    inputs=(h,),
    states=(y,),
    equations=(equation(z, W_y @ h + b_y), equation(y, sigma(z))),
    source="y = sigma(W h), with a bias",
    words={"h": "hidden state", "y": "output", "z": "pre-activation"},
    sizes={"h": (n,), "y": (k,)},
)

LINEAR = Cell(
    name="head-linear",
    title="Outputs of any size",
    inputs=(h,),
    states=(y,),
    equations=(equation(y, W_y @ h + b_y),),
    source="an affine map of the hidden state",
    words={"h": "hidden state", "y": "output"},
    sizes={"h": (n,), "y": (k,)},
)

PROBABILITIES = Cell(
    name="head-probabilities",
    title="Probabilities",
    inputs=(h,),
    states=(p,),
    equations=(equation(z, W_y @ h + b_y), equation(w, exp(z)), equation(s, Ones(k).T @ w), equation(p, w / s)),
    source="Bridle (1990)",
    words={"h": "hidden state", "z": "scores", "w": "scores, exponentiated", "s": "their sum", "p": "probabilities"},
    sizes={"h": (n,), "p": (k,)},
)

SOFTMAX = Cell(
    name="head-softmax",
    title="Probabilities and their cross-entropy",
    inputs=(h, y, a),
    states=(J,),
    equations=(*PROBABILITIES.declared, equation(J, Neg(y.T @ log(p)))),
    source="Bridle (1990)",
    words=PROBABILITIES.words | {"y": "targets", "J": "cross-entropy", "a": "any number"},
    sizes={"h": (n,), "y": (k,), "a": (term(1),), "J": (term(1),), "z": (k,)},
)

HEADS = {"linear": LINEAR, "sigmoid": SIGMOID, "softmax": PROBABILITIES}  # what may stand on a network, by its name
