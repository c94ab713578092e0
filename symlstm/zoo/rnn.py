"""The plain recurrent network, with tanh or ReLU."""

from __future__ import annotations

from symlstm.activations import relu, tanh
from symlstm.algebra import equation
from symlstm.model import Cell
from symlstm.zoo.letters import U, W, b, h, words, x

RNN = Cell(
    name="rnn",
    title="The plain RNN",
    inputs=(x,),
    states=(h,),
    equations=(equation(h, tanh(W @ x + U @ h.prev + b)),),
    source="Elman (1990), with the hyperbolic tangent",
    words=words("h", "x"),
)

RNN_RELU = Cell(
    name="rnn-relu",
    title="The plain RNN with ReLU",
    inputs=(x,),
    states=(h,),
    equations=(equation(h, relu(W @ x + U @ h.prev + b)),),
    source="Le, Jaitly & Hinton (2015)",
    words=words("h", "x"),
)
