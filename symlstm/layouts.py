"""The weight layouts of PyTorch, Keras and ONNX, carried to ours and back: one row of a table each.

A row says in which order a library stacks the gates, whether a matrix stands as we write it or transposed, and how
many biases it has. Where there are two, one on the input and one on the hidden state, ours is their sum, and going
back the second is zero, except where the cell has two as well. Only what the table says is used; the same code serves
every row.

>>> from symlstm import zoo
>>> import symlstm as sl
>>> weights = to_library(zoo.LSTM, "pytorch", sl.random_parameters(zoo.LSTM, n=3, m=2))
>>> {name: array.shape for name, array in weights.items()}
{'weight_ih_l0': (12, 2), 'weight_hh_l0': (12, 3), 'bias_ih_l0': (12,), 'bias_hh_l0': (12,)}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from symlstm.algebra import NotSupported, NotValid
from symlstm.model import Cell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class WeightLayout:
    """How a library keeps the weights of a cell.

    `gates` are our suffixes in its order ("" for the RNN's one group). `on_input` and `on_hidden` name its matrices, gates
    stacked as rows, or as columns where it is `transposed`; `biases` names its biases. `joined` puts the two biases one
    after the other in a single array. `second` names, gate by gate, our parameter that is the second bias, "" where ours is
    the sum of both. `more` are further matrices, its name and ours. `leading` is the count of axes of length 1 in front (ONNX's
    directions).
    """

    cell: str
    library: str
    gates: tuple[str, ...]
    on_input: str
    on_hidden: str
    biases: tuple[str, ...]
    transposed: bool = False
    joined: bool = False
    second: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()
    leading: int = 0
    source: str = ""


_TORCH = {"on_input": "weight_ih_l0", "on_hidden": "weight_hh_l0", "biases": ("bias_ih_l0", "bias_hh_l0")}
_KERAS = {"on_input": "kernel", "on_hidden": "recurrent_kernel", "biases": ("bias",), "transposed": True}
_ONNX = {"on_input": "W", "on_hidden": "R", "biases": ("B",), "joined": True, "leading": 1}

LAYOUTS: tuple[WeightLayout, ...] = (
    WeightLayout("lstm", "pytorch", ("_i", "_f", "_g", "_o"), **_TORCH, source="torch.nn.LSTM: (W_ii|W_if|W_ig|W_io)"),
    WeightLayout("lstm-projected", "pytorch", ("_i", "_f", "_g", "_o"), **_TORCH, more=(("weight_hr_l0", "W_h"),),
                 source="torch.nn.LSTM with proj_size"),
    WeightLayout("rnn", "pytorch", ("",), **_TORCH, source="torch.nn.RNN"),
    WeightLayout("rnn-relu", "pytorch", ("",), **_TORCH, source="torch.nn.RNN, nonlinearity relu"),
    WeightLayout("gru-reset-after", "pytorch", ("_r", "_z", "_g"), **_TORCH, second=("", "", "d_g"),
                 source="torch.nn.GRU: (W_ir|W_iz|W_in)"),
    WeightLayout("lstm", "keras", ("_i", "_f", "_g", "_o"), **_KERAS, source="keras.layers.LSTMCell: i, f, c, o side by side"),
    WeightLayout("rnn", "keras", ("",), **_KERAS, source="keras.layers.SimpleRNNCell"),
    WeightLayout("lstm", "onnx", ("_i", "_o", "_f", "_g"), **_ONNX, source="ONNX operator LSTM: W[iofc], R[iofc], B = [Wb, Rb]"),
    WeightLayout("rnn", "onnx", ("",), **_ONNX, source="ONNX operator RNN"),
    WeightLayout("gru", "onnx", ("_z", "_r", "_g"), **_ONNX, source="ONNX operator GRU: W[zrh], R[zrh], B = [Wb, Rb]"),
    WeightLayout("gru-reset-after", "onnx", ("_z", "_r", "_g"), **_ONNX, second=("", "", "d_g"),
                 source="ONNX operator GRU with linear_before_reset"),
)


def weight_layout(cell: Cell, library: str) -> WeightLayout:
    """The row of a cell and a library. Raises `NotSupported` where there is none."""
    for row in LAYOUTS:
        if (row.cell, row.library) == (cell.name, library):
            return row
    known = ", ".join(f"{row.library} for {row.cell}" for row in LAYOUTS)
    raise NotSupported(f"There is no layout of {library!r} for the cell {cell.name}.", right=known)


def to_library(cell: Cell, library: str, params: Mapping[str, Array], *, gradients: bool = False) -> dict[str, Array]:
    """Our parameters as the library keeps them. Where ours is the sum of two biases the second is zero.

    With `gradients` they are taken for gradients: that of a sum is that of each of its two biases.
    Raises `NotSupported` for a library or cell without a row, `NotValid` for parameters that are missing.
    """
    import numpy as np

    row = weight_layout(cell, library)
    def stacked(family: str) -> Array:
        parts = [_found(params, family + gate) for gate in row.gates]
        return np.concatenate([part.T if row.transposed else part for part in parts], axis=-1 if row.transposed else 0)
    bias = stacked("b")
    rest = np.split(bias if gradients else np.zeros_like(bias), len(row.gates))
    both = [bias, np.concatenate([_found(params, own) if own else part for own, part in zip(_second(row), rest, strict=True)])]
    biases = [np.concatenate(both)] if row.joined else both[:len(row.biases)]
    found = {row.on_input: stacked("W"), row.on_hidden: stacked("U"), **dict(zip(row.biases, biases, strict=True))}
    found |= {name: _found(params, own) for name, own in row.more}
    return {name: array.reshape((1,) * row.leading + array.shape) for name, array in found.items()}


def from_library(cell: Cell, library: str, weights: Mapping[str, Any]) -> dict[str, Array]:
    """The library's weights as our parameters, new arrays; two biases are added.

    Raises `NotSupported` for a library or cell without a row, `NotValid` for weights that are missing.

    >>> from symlstm import zoo
    >>> import symlstm as sl, numpy as np
    >>> ours = sl.random_parameters(zoo.LSTM, n=3, m=2)
    >>> again = from_library(zoo.LSTM, "onnx", to_library(zoo.LSTM, "onnx", ours))
    >>> all(np.array_equal(ours[name], again[name]) for name in ours)
    True
    """
    import numpy as np

    row = weight_layout(cell, library)
    def plain(name: str) -> Array:
        array = np.asarray(_found(weights, name))
        return array.reshape(array.shape[row.leading:])
    biases = [part for name in row.biases for part in (np.split(plain(name), 2) if row.joined else [plain(name)])]
    found: dict[str, Array] = {own: np.array(plain(name)) for name, own in row.more}
    for bias in biases[1:]:  # what has a parameter of its own is not added to the first
        parts = np.split(np.array(bias), len(row.gates))
        found |= {own: part.copy() for own, part in zip(_second(row), parts, strict=True) if own}
        biases[0] = biases[0] + np.concatenate([part * (not own) for own, part in zip(_second(row), parts, strict=True)])
    families = {"W": plain(row.on_input), "U": plain(row.on_hidden), "b": biases[0]}
    for family, array in families.items():
        for gate, part in zip(row.gates, np.split(array, len(row.gates), axis=-1 if row.transposed else 0), strict=True):
            found[family + gate] = np.array(part.T if row.transposed else part, order="C")
    return {symbol.name: found[symbol.name] for symbol in cell.parameter_terms}


def _second(row: WeightLayout) -> tuple[str, ...]:
    """Gate by gate, the parameter that is the second bias, "" where there is none."""
    return row.second or ("",) * len(row.gates)


def _found(arrays: Mapping[str, Any], name: str) -> Any:
    if name not in arrays:
        raise NotValid(f"{name} is missing.", f"there is {', '.join(arrays) or 'nothing'}", "all weights of the layout")
    return arrays[name]
