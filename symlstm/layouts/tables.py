"""What the libraries call their weights and how they arrange them: tables, and nothing else.

A `Library` says how an array is found by its name. A `Layout` says of one cell which of our parameters lie in each of
the library's arrays, in order along the axis of the gates, as in `"weight_ih": "W_i W_f W_g W_o"`:

- a parameter that stands in two places is the sum of both (two biases);
- `-W_z` is its negative (a gate that counts the other way round);
- `.` is a place that the cell does not use;
- `|` begins the next entry of a leading axis.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

UNUSED = "."


@dataclass(frozen=True, slots=True)
class Library:
    """How a library's arrays are named.

    `pattern` reads a name into the `array`, the `layer`, the `mark` of its direction and what stands `before` it, where
    the library has these; `one` and `two` write it, for cells in one direction and in both. `marks` are the two
    directions in a name; without marks the directions are the first axis of every array. `layered` says whether a name
    tells the layer; elsewhere a network of several layers is a list of mappings. `ordered` is for weights that come as a
    plain list of arrays, and a `tree` is written as one; trees are read everywhere. A `transposed` matrix has the input's axis
    first. Of `optional` arrays, each group is there as a whole or not at all. `states` names the initial states, which have
    an axis of layers and directions in front. `others` are further inputs and attributes, which are no weights: what would be
    right instead. `aliases` are other names of the same arrays.
    """

    name: str
    title: str
    pattern: re.Pattern[str]
    one: str
    two: str
    marks: tuple[str, ...] = ()
    layered: bool = False
    ordered: bool = False
    tree: bool = False
    transposed: bool = False
    optional: tuple[tuple[str, ...], ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a library keeps the weights of a cell of the zoo: for each of its arrays, which of ours; and which are `zero` there."""

    cell: str
    library: Library
    arrays: Mapping[str, str]
    source: str
    zero: tuple[str, ...] = ()

    def places(self, array: str) -> tuple[tuple[str, ...], ...]:
        """What lies in an array: entries of the leading axis, each our parameters in order."""
        return tuple(tuple(entry.split()) for entry in self.arrays[array].split("|"))


PYTORCH = Library(
    name="pytorch",
    title="PyTorch",
    pattern=re.compile(r"(?P<array>[a-z]+_[a-z]+)(?:_l(?P<layer>[0-9]+)(?P<mark>_reverse)?)?"),
    one="{array}_l{layer}",
    two="{array}_l{layer}{mark}",
    marks=("", "_reverse"),
    layered=True,
    optional=(("bias_ih", "bias_hh"),),
    states={"h": "h_0", "c": "c_0"},
)
KERAS = Library(
    name="keras",
    title="Keras",
    pattern=re.compile(r"(?:(?P<before>.*/)?(?P<mark>forward|backward)[^/]*/)?(?P<path>.*/)?(?P<array>[^/]+)"),
    one="{array}",
    two="{mark}_layer/{array}",
    marks=("forward", "backward"),
    ordered=True,
    transposed=True,
    optional=(("bias",),),
)
ONNX = Library(
    name="onnx",
    title="ONNX",
    pattern=re.compile(r"(?P<array>[A-Z])"),
    one="{array}",
    two="{array}",
    optional=(("B",), ("P",)),
    states={"h": "initial_h", "c": "initial_c"},
    others={
        "X": "the input, which forward takes",
        "sequence_lens": "sequences of one length, which forward takes; a shorter one by itself",
        "activations": "the cell that has them: of an RNN with Relu rnn-relu, otherwise those that ONNX has if none are given",
        "activation_alpha": "a cell of your own, with these activations",
        "activation_beta": "a cell of your own, with these activations",
        "clip": "no clip: what the activations of a cell are given has no bound",
        "direction": "sl.stack(cell, layers=1, bidirectional=True) for both; in reverse, the sequence from its end",
        "hidden_size": "nothing: the shapes of the weights show it",
        "input_forget": "the cell: lstm-coupled where it is 1, or lstm-cifg with peepholes",
        "layout": "X and the initial states with the axes 0 and 1 swapped where it is 1; the weights are the same",
        "linear_before_reset": "the cell: gru where it is 0, gru-reset-after where it is 1",
    },
)
FLAX = Library(
    name="flax",
    title="Flax",
    pattern=re.compile(r"(?:(?P<before>.*/)?(?P<mark>forward|backward)[^/]*/)?(?P<path>.*/)?(?P<array>[^/]+/[^/]+)"),
    one="{array}",
    two="{mark}_rnn/cell/{array}",
    marks=("forward", "backward"),
    tree=True,
    transposed=True,
    aliases={"if_/kernel": "if/kernel"},  # flax.nnx.LSTMCell: if is a keyword
)
NNX = replace(FLAX, name="nnx", title="Flax NNX", aliases={})
LIBRARIES = {library.name: library for library in (PYTORCH, KERAS, ONNX, FLAX, NNX)}

_TORCH_LSTM = {
    "weight_ih": "W_i W_f W_g W_o",
    "weight_hh": "U_i U_f U_g U_o",
    "bias_ih": "b_i b_f b_g b_o",
    "bias_hh": "b_i b_f b_g b_o",
}
_TORCH_RNN = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "b"}
_TORCH_GRU = {
    "weight_ih": "W_r W_z W_g",
    "weight_hh": "U_r U_z U_g",
    "bias_ih": "b_r b_z b_g",
    "bias_hh": "b_r b_z d_g",
}
_KERAS_LSTM = {"kernel": "W_i W_f W_g W_o", "recurrent_kernel": "U_i U_f U_g U_o", "bias": "b_i b_f b_g b_o"}
_KERAS_RNN = {"kernel": "W", "recurrent_kernel": "U", "bias": "b"}
_KERAS_GRU = {"kernel": "W_z W_r W_g", "recurrent_kernel": "U_z U_r U_g", "bias": "b_z b_r b_g"}
_ONNX_LSTM = {"W": "W_i W_o W_f W_g", "R": "U_i U_o U_f U_g", "B": "b_i b_o b_f b_g b_i b_o b_f b_g"}
_ONNX_COUPLED = {"W": "W_i W_o . W_g", "R": "U_i U_o . U_g", "B": "b_i b_o . b_g b_i b_o . b_g"}
_ONNX_RNN = {"W": "W", "R": "U", "B": "b b"}
_ONNX_GRU = {"W": "W_z W_r W_g", "R": "U_z U_r U_g", "B": "b_z b_r b_g b_z b_r b_g"}
_FLAX_LSTM = {
    **{f"i{gate}/kernel": f"W_{gate}" for gate in "ifgo"},
    **{f"h{gate}/{name}": f"{letter}_{gate}" for gate in "ifgo" for name, letter in (("kernel", "U"), ("bias", "b"))},
}
_FLAX_RNN = {"i/kernel": "W", "i/bias": "b", "h/kernel": "U"}
_FLAX_GRU = {
    **{f"i{gate}/{name}": f"{letter}_{gate}" for gate in "rz" for name, letter in (("kernel", "W"), ("bias", "b"))},
    **{f"h{gate}/kernel": f"U_{gate}" for gate in "rz"},
    "in/kernel": "W_g",
    "in/bias": "b_g",
    "hn/kernel": "U_g",
    "hn/bias": "d_g",
}
_NNX = {"dense_i/kernel": "W", "dense_i/bias": "b", "dense_h/kernel": "U"}
_NNX_LSTM = {"dense_i/kernel": "W_i W_f W_g W_o", "dense_h/kernel": "U_i U_f U_g U_o", "dense_h/bias": "b_i b_f b_g b_o"}
_NNX_GRU = {"dense_i/kernel": "W_r W_z W_g", "dense_i/bias": "b_r b_z b_g", "dense_h/kernel": "U_r U_z U_g"}

_DECLARED = (
    Layout("lstm", PYTORCH, _TORCH_LSTM, "torch.nn.LSTM: (W_ii|W_if|W_ig|W_io)"),
    Layout("lstm-projected", PYTORCH, {**_TORCH_LSTM, "weight_hr": "W_h"}, "torch.nn.LSTM with proj_size"),
    Layout("rnn", PYTORCH, _TORCH_RNN, "torch.nn.RNN"),
    Layout("rnn-relu", PYTORCH, _TORCH_RNN, "torch.nn.RNN with nonlinearity='relu'"),
    Layout("gru-reset-after", PYTORCH, _TORCH_GRU, "torch.nn.GRU: (W_ir|W_iz|W_in)"),
    Layout("lstm", KERAS, _KERAS_LSTM, "keras.layers.LSTM: i, f, c, o side by side"),
    Layout("rnn", KERAS, _KERAS_RNN, "keras.layers.SimpleRNN"),
    Layout("rnn-relu", KERAS, _KERAS_RNN, "keras.layers.SimpleRNN with activation='relu'"),
    Layout("gru", KERAS, _KERAS_GRU, "keras.layers.GRU with reset_after=False: z, r, h side by side"),
    Layout("gru-reset-after", KERAS, {**_KERAS_GRU, "bias": "b_z b_r b_g | b_z b_r d_g"}, "keras.layers.GRU"),
    Layout("lstm", ONNX, _ONNX_LSTM, "LSTM: W[iofc], R[iofc], B = [Wb[iofc], Rb[iofc]]"),
    Layout("lstm-peephole", ONNX, {**_ONNX_LSTM, "P": "p_i p_o p_f"}, "LSTM with P[iof]"),
    Layout("lstm-coupled", ONNX, _ONNX_COUPLED, "LSTM with input_forget=1"),
    Layout("lstm-cifg", ONNX, {**_ONNX_COUPLED, "P": "p_i p_o ."}, "LSTM with P and input_forget=1"),
    Layout("rnn", ONNX, _ONNX_RNN, "RNN: B = [Wbi, Rbi]"),
    Layout("rnn-relu", ONNX, _ONNX_RNN, "RNN with activations=['Relu']"),
    Layout("gru", ONNX, _ONNX_GRU, "GRU: W[zrh], R[zrh], B = [Wb[zrh], Rb[zrh]]"),
    Layout("gru-reset-after", ONNX, {**_ONNX_GRU, "B": "b_z b_r b_g b_z b_r d_g"}, "GRU with linear_before_reset=1"),
    Layout("lstm", FLAX, _FLAX_LSTM, "flax.linen.LSTMCell and OptimizedLSTMCell; flax.nnx.LSTMCell"),
    Layout("rnn", FLAX, _FLAX_RNN, "flax.linen.SimpleCell"),
    Layout("rnn-relu", FLAX, _FLAX_RNN, "flax.linen.SimpleCell with activation_fn=relu"),
    Layout("gru-reset-after", FLAX, _FLAX_GRU, "flax.linen.GRUCell"),
    Layout("lstm", NNX, _NNX_LSTM, "flax.nnx.OptimizedLSTMCell"),
    Layout("rnn", NNX, _NNX, "flax.nnx.SimpleCell"),
    Layout("rnn-relu", NNX, _NNX, "flax.nnx.SimpleCell with activation_fn=relu"),
    Layout("gru-reset-after", NNX, _NNX_GRU, "flax.nnx.GRUCell, without a bias inside", zero=("d_g",)),
)


def _counted_the_other_way(row: Layout) -> Layout:
    """The same library for the cell whose z is the share of the new state: sigma(-a) = 1 - sigma(a)."""
    arrays = {name: re.sub(r"(\w_z)", r"-\1", places) for name, places in row.arrays.items()}
    return replace(row, cell=f"{row.cell}-z-new", arrays=arrays, source=f"{row.source}; z is 1 less ours")


LAYOUTS: tuple[Layout, ...] = (*_DECLARED, *(_counted_the_other_way(row) for row in _DECLARED if row.cell.startswith("gru")))
