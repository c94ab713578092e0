"""One tanh for all gates: `sigma(z) = (1 + tanh(z / 2)) / 2`, so a gate with halved weights is a tanh like its neighbours.

The halves are put into the weights of the forward pass, once, and cost nothing in the loop. The backward pass reads the
value of the gate, which is the same, and the weights as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from symlstm.activations import ACTIVATIONS, activation
from symlstm.algebra import Apply, Sym, Term

OF_TANH = "t * 0.5 + 0.5"  # sigma at z, of t = tanh(z / 2)


def is_sigma(function: str) -> bool:
    """Whether a function, which may be one that a cell leaves open, is the logistic one."""
    return activation(function).formula == ACTIVATIONS["sigma"].formula


def is_tanh(function: str) -> bool:
    """Whether a function is the hyperbolic tangent."""
    return activation(function).formula == ACTIVATIONS["tanh"].formula


def halved(lines: Mapping[Sym, Term], over: Mapping[Sym, Sym], affine: frozenset[Sym], accuracy: str) -> frozenset[Sym]:
    """The affine maps that the forward pass computes halved: only a sigma reads them, and it takes their place.

    `over` says which value is written over by which.
    """
    if accuracy != "fast":
        return frozenset()
    gates = {of: lines[value] for of, value in over.items() if of in affine}
    return frozenset(of for of, rhs in gates.items() if isinstance(rhs, Apply) and rhs.arg == of and is_sigma(rhs.function))
