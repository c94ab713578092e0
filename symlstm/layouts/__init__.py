"""Weights of PyTorch, Keras, ONNX and Flax as our parameters, and back.

What each library calls its arrays and how it arranges them is a table (`layouts.tables`); the code is the same for all
rows, for a cell and for a network. Where a library has two biases, one on the input and one on the hidden state, ours is
their sum, and going back the second is zero, except where the cell has two as well; a gradient goes to both.

>>> import symlstm as sl
>>> cell = sl.cell("lstm")
>>> ours = sl.random_parameters(cell, n=3, m=2)
>>> weights = to_layout("pytorch", ours, cell)
>>> {name: array.shape for name, array in weights.items()}
{'weight_ih_l0': (12, 2), 'weight_hh_l0': (12, 3), 'bias_ih_l0': (12,), 'bias_hh_l0': (12,)}
>>> again = from_layout("pytorch", weights, cell)
>>> all((ours[name] == again[name]).all() for name in ours)
True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symlstm.layouts.plans import plan_of
from symlstm.layouts.reading import Weights, read
from symlstm.layouts.writing import write
from symlstm.model import Adjoints, Cell
from symlstm.zoo import cell_of

__all__ = ["Weights", "from_layout", "to_layout"]


def from_layout(name: str, weights: Any, cell: Cell | str, layer: int = 0, direction: int = 0) -> Weights:
    """A library's weights as the parameters that `lambdify(cell).forward` takes: new arrays, by our names.

    `name` is "pytorch", "keras", "onnx", "flax" or "nnx". `weights` maps the library's names to arrays or tensors, as
    `state_dict()` and `named_parameters()` do; it may be a tree, as in Flax, and for Keras a list as `get_weights()` gives.
    Of a larger module `layer` and `direction` (1 is the reverse one) choose a cell. A network (`sl.stack`) takes all layers
    and directions; where names do not tell the layer, as a list of one mapping for each. A head's parameters keep our names.

    What is optional and absent is zero. Initial states, where some are given, are in `.state` of what is returned. Raises
    `NotSupported` for a library or a cell without a row, `NotValid` for an array that is missing, unknown, ill-shaped or
    not of numbers.

    >>> import symlstm as sl, numpy as np
    >>> params = from_layout("onnx", {"W": np.ones((1, 3, 2)), "R": np.ones((1, 3, 3))}, sl.cell("rnn"))
    >>> params["W"].shape, params["b"], params.state
    ((3, 2), array([0., 0., 0.]), None)
    """
    return read(plan_of(name, cell_of(cell), layer, direction), weights)


def to_layout(name: str, params: Any, cell: Cell | str, layer: int = 0, direction: int = 0, gradients: bool | None = None) -> Any:
    """Our parameters, or their gradients, as the library keeps them: new arrays, by its names.

    The form is that of `from_layout`: a mapping, of Flax a tree, and a list of them for several layers where names do not
    tell the layer. Where ours is the sum of two biases the second is zero; a gradient goes to both. Gradients are what
    `backward` gives, the whole or its `params`, or any mapping with `gradients=True`. Initial states that `from_layout` found
    are written again. Raises as `from_layout` does.
    """
    if not isinstance(params, Mapping) and hasattr(params, "params"):
        gradients, params = gradients is not False, params.params
    plan = plan_of(name, cell_of(cell), layer, direction)
    return write(plan, params, gradients=isinstance(params, Adjoints) if gradients is None else gradients)
