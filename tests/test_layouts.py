"""Weight layouts: there and back to the bit, where one weight stands, what is added, and what is said of wrong weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.algebra import NotSupported, NotValid
from symlstm.layouts.tables import LAYOUTS, LIBRARIES, Layout
from symlstm.model import Cell

Array = np.ndarray
ROWS = pytest.mark.parametrize("row", LAYOUTS, ids=lambda row: f"{row.library.name}-{row.cell}")
NETWORKS = pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (1, True), (2, False), (3, True)])
SIZES: dict[str, Any] = {"n": 4, "m": 3}


def parameters(cell: Cell, seed: int = 0, row: Layout | None = None) -> dict[str, Array]:
    """Random parameters with zeros of both signs among them; zero where the library of a row has no place for them."""
    found = sl.random_parameters(cell, **SIZES, seed=seed)
    for array in found.values():
        array[0], array[-1] = 0.0, -0.0
    for zero in row.zero if row else ():
        names = [layer.names[zero] for layer in cell.layers] if isinstance(cell, sl.Network) else [zero]
        found |= {name: np.zeros_like(found[name]) for name in names}
    return found


def same(found: Any, expected: Any) -> None:
    """The same to the bit, in the same order."""
    if isinstance(expected, Mapping):
        assert list(found) == list(expected)
        for name in expected:
            same(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for left, right in zip(found, expected, strict=True):
            same(left, right)
    else:
        assert found.shape == expected.shape and found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()


def leaves(tree: Any) -> list[Array]:
    parts = tree if isinstance(tree, list) else tree.values() if isinstance(tree, Mapping) else None
    return [tree] if parts is None else [leaf for part in parts for leaf in leaves(part)]


@ROWS
def test_there_and_back(row: Layout) -> None:
    cell = sl.cell(row.cell)
    ours = parameters(cell, row=row)
    theirs = sl.to_layout(row.library.name, ours, cell)
    again = sl.from_layout(row.library.name, theirs, cell)
    same(again, ours)
    same(sl.to_layout(row.library.name, again, cell), theirs)
    assert again.state is None
    assert not any(np.shares_memory(left, right) for left in leaves(theirs) for right in (*ours.values(), *again.values()))


@ROWS
@NETWORKS
def test_networks_there_and_back(row: Layout, layers: int, bidirectional: bool) -> None:
    network = sl.stack(row.cell, layers=layers, bidirectional=bidirectional, head="linear")
    ours = parameters(network, row=row)
    theirs = sl.to_layout(row.library.name, ours, network)
    again = sl.from_layout(row.library.name, theirs, network)
    same(again, ours)
    same(sl.to_layout(row.library.name, again, network), theirs)


@ROWS
@NETWORKS
def test_a_cell_of_a_network_is_found_by_layer_and_direction(row: Layout, layers: int, bidirectional: bool) -> None:
    network = sl.stack(row.cell, layers=layers, bidirectional=bidirectional)
    ours = parameters(network, row=row)
    theirs = sl.to_layout(row.library.name, ours, network)
    for each in network.layers:
        found = sl.from_layout(row.library.name, theirs, row.cell, layer=each.number - 1, direction=int(each.direction == "backward"))
        same(found, {name: ours[each.names[name]] for name in found})


def test_every_parameter_of_a_row_has_a_place_and_every_place_a_parameter() -> None:
    for row in LAYOUTS:
        placed = {place.lstrip("-") for array in row.arrays for entry in row.places(array) for place in entry} - {"."}
        assert placed | {*row.zero} == {symbol.name for symbol in sl.cell(row.cell).parameter_terms}, row
        assert not placed & {*row.zero}


@pytest.mark.parametrize(("library", "name", "part"), [
    ("pytorch", "weight_ih_l0", np.s_[8:12]),  # input, forget, candidate, output
    ("keras", "kernel", np.s_[:, 8:12]),
    ("onnx", "W", np.s_[0, 12:16]),  # input, output, forget, candidate
])
def test_where_the_candidates_weights_stand(library: str, name: str, part: Any) -> None:
    ours = parameters(sl.cell("lstm"))
    found = sl.to_layout(library, ours, "lstm")[name][part]
    np.testing.assert_array_equal(found.T if library == "keras" else found, ours["W_g"])


# --- two biases, gradients, what is absent --------------------------------------------------------------------------------


@pytest.mark.parametrize(("library", "cell"), [("pytorch", "lstm"), ("pytorch", "rnn"), ("onnx", "gru")])
def test_two_biases_are_added_and_the_second_is_zero_on_the_way_back(library: str, cell: str) -> None:
    ours = parameters(sl.cell(cell))
    weights = sl.to_layout(library, ours, cell)
    names = ("bias_ih_l0", "bias_hh_l0") if library == "pytorch" else ("B",)
    both = np.concatenate([weights[name].ravel() for name in names])
    first, second = np.split(both, 2)
    assert not second.any()
    moved = {name: array + 2.0 for name, array in zip(names, (first, second) if len(names) > 1 else (both[None],), strict=True)}
    found = sl.from_layout(library, weights | moved, cell)
    for name, array in found.items():
        np.testing.assert_array_equal(array, (ours[name] + 2.0) + 2.0 if name.startswith("b") else ours[name])


def test_a_bias_of_ones_own_is_not_added() -> None:
    cell = sl.cell("gru-reset-after")
    weights = sl.to_layout("pytorch", parameters(cell), cell)
    weights["bias_hh_l0"] = weights["bias_hh_l0"] + 2.0
    found = sl.from_layout("pytorch", weights, cell)
    r, z, g = np.split(weights["bias_ih_l0"], 3)
    np.testing.assert_array_equal(found["b_r"], r + 2.0)
    np.testing.assert_array_equal(found["b_z"], z + 2.0)
    np.testing.assert_array_equal(found["b_g"], g)
    np.testing.assert_array_equal(found["d_g"], weights["bias_hh_l0"][8:])


@ROWS
def test_the_gradient_of_the_loss_along_any_change_of_their_weights_is_the_same(row: Layout) -> None:
    """The gradients in their layout are the transpose of reading: <to(g), w> = <g, from(w)> for all g and w."""
    cell = sl.cell(row.cell)
    gradients = parameters(cell, seed=1)
    theirs = sl.to_layout(row.library.name, gradients, cell, gradients=True)  # of what is zero there is none
    generator = np.random.default_rng(2)

    def drawn(tree: Any) -> Any:
        if isinstance(tree, Mapping):
            return {name: drawn(part) for name, part in tree.items()}
        return generator.standard_normal(tree.shape)

    weights = drawn(theirs)
    ours = sl.from_layout(row.library.name, weights, cell)
    left = sum((a * b).sum() for a, b in zip(leaves(theirs), leaves(weights), strict=True))
    right = sum((gradients[name] * ours[name]).sum() for name in ours)
    np.testing.assert_allclose(left, right, rtol=1e-12)


def test_what_backward_gives_is_taken_for_gradients() -> None:
    function = sl.lambdify(sl.cell("rnn"))
    trace = function.forward(parameters(sl.cell("rnn")), np.ones((5, 2, 3)))
    gradients = function.backward(trace, np.ones((5, 2, 4)))
    told = sl.to_layout("pytorch", dict(gradients.params), "rnn", gradients=True)
    same(sl.to_layout("pytorch", gradients, "rnn"), told)
    same(sl.to_layout("pytorch", gradients.params, "rnn"), told)
    np.testing.assert_array_equal(told["bias_hh_l0"], told["bias_ih_l0"])
    assert not sl.to_layout("pytorch", dict(gradients.params), "rnn")["bias_hh_l0"].any()


@ROWS
def test_what_is_optional_and_absent_is_zero(row: Layout) -> None:
    ours = parameters(sl.cell(row.cell), row=row)
    theirs = sl.to_layout(row.library.name, ours, row.cell)
    optional = {array for group in row.library.optional for array in group}
    kept = {name: array for name, array in theirs.items() if name.removesuffix("_l0") not in optional}
    found = sl.from_layout(row.library.name, kept, row.cell)
    for name, array in ours.items():
        is_vector = bool(optional) and name[0] in "bdp"
        np.testing.assert_array_equal(found[name], np.zeros_like(array) if is_vector else array)


def test_none_is_absent() -> None:
    weights = sl.to_layout("onnx", parameters(sl.cell("rnn")), "rnn")
    found = sl.from_layout("onnx", {**weights, "B": None, "initial_h": None}, "rnn")
    assert not found["b"].any() and found.state is None


def test_what_a_library_has_no_place_for_must_be_zero() -> None:
    cell = sl.cell("gru-reset-after")
    with pytest.raises(NotValid, match="Flax NNX has no array for d_g, which is zero there"):
        sl.to_layout("nnx", parameters(cell), cell)
    assert sl.to_layout("nnx", parameters(cell), cell, gradients=True).keys() == {"dense_i", "dense_h"}


def test_float32_stays_float32_and_whole_numbers_become_floats() -> None:
    weights = sl.to_layout("onnx", sl.random_parameters(sl.cell("rnn"), n=4, m=3, dtype="float32"), "rnn")
    del weights["B"]
    assert {array.dtype for array in sl.from_layout("onnx", weights, "rnn").values()} == {np.dtype("float32")}
    whole = sl.from_layout("onnx", {"W": [[[1, 2]]], "R": [[[3]]]}, "rnn")
    assert {array.dtype for array in whole.values()} == {np.dtype("float64")}


# --- other forms of weights ---------------------------------------------------------------------------------------------


def test_the_arrays_of_keras_in_a_list_and_by_their_paths() -> None:
    ours = parameters(network := sl.stack("lstm", layers=1, bidirectional=True))
    theirs = sl.to_layout("keras", ours, network)
    same(sl.from_layout("keras", list(theirs.values()), network), ours)
    paths = {f"bidirectional/{name.replace('_layer', '_lstm_1')}".replace("/kernel", "/lstm_cell/kernel"): array for name, array in theirs.items()}
    assert "bidirectional/backward_lstm_1/lstm_cell/kernel" in paths
    paths = {name if "lstm_cell" in name else "/lstm_cell/".join(name.rsplit("/", 1)): array for name, array in paths.items()}
    same(sl.from_layout("keras", paths, network), ours)
    two = sl.stack("lstm", layers=2)
    ours = parameters(two)
    theirs = sl.to_layout("keras", ours, two)
    same(sl.from_layout("keras", [array for layer in theirs for array in layer.values()], two), ours)
    same(sl.from_layout("keras", [[layer["kernel"], layer["recurrent_kernel"]] for layer in theirs], two),
         {name: array * (name[0] != "b") + 0.0 if name[0] == "b" else array for name, array in ours.items()})


def test_trees_of_flax_may_be_wrapped() -> None:
    ours = parameters(sl.cell("gru-reset-after"))
    theirs = sl.to_layout("flax", ours, "gru-reset-after")
    same(sl.from_layout("flax", {"params": {"cell": theirs}}, "gru-reset-after"), ours)


def test_the_names_of_a_single_pytorch_cell_have_no_layer() -> None:
    ours = parameters(sl.cell("lstm"))
    theirs = {name.removesuffix("_l0"): array for name, array in sl.to_layout("pytorch", ours, "lstm").items()}
    same(sl.from_layout("pytorch", theirs, "lstm"), ours)


def test_a_cell_is_known_by_its_equations() -> None:
    own = Cell("mine", sl.cell("lstm").input_terms, sl.cell("lstm").state_terms, sl.cell("lstm").declared)
    ours = parameters(own)
    same(sl.from_layout("pytorch", sl.to_layout("pytorch", ours, own), own), ours)
    changed = Cell("lstm", sl.cell("lstm-noaf").input_terms, sl.cell("lstm-noaf").state_terms, sl.cell("lstm-noaf").declared)
    with pytest.raises(NotSupported, match="no cell with the equations of lstm"):
        sl.from_layout("pytorch", {}, changed)


# --- initial states -------------------------------------------------------------------------------------------------------


def test_initial_states_of_a_cell() -> None:
    generator = np.random.default_rng(3)
    weights = sl.to_layout("onnx", parameters(sl.cell("lstm")), "lstm")
    start = {"initial_h": generator.standard_normal((1, 5, 4)), "initial_c": generator.standard_normal((1, 5, 4))}
    found = sl.from_layout("onnx", weights | start, "lstm")
    assert found.state is not None
    same(list(found.state), [start["initial_h"][0], start["initial_c"][0]])
    same(sl.to_layout("onnx", found, "lstm"), weights | start)
    half = sl.from_layout("onnx", {**weights, "initial_c": start["initial_c"]}, "lstm")
    assert half.state is not None
    same(list(half.state), [np.zeros((5, 4)), start["initial_c"][0]])


@pytest.mark.parametrize("batch", [(), (5,)])
def test_initial_states_of_a_network_and_of_its_cells(batch: tuple[int, ...]) -> None:
    network = sl.stack("lstm", layers=2, bidirectional=True)
    weights = sl.to_layout("pytorch", parameters(network), network)
    start = {name: np.random.default_rng(len(name)).standard_normal((4, *batch, 4)) for name in ("h_0", "c_0")}
    found = sl.from_layout("pytorch", weights | start, network)
    assert found.state is not None and [symbol.name for symbol in network.state_terms][:4] == [
        "h_forward_1", "c_forward_1", "h_backward_1", "c_backward_1"]
    same(list(found.state), [start[name][place] for place in range(4) for name in ("h_0", "c_0")])
    same(sl.to_layout("pytorch", found, network), weights | start)
    cell = sl.from_layout("pytorch", weights | start, "lstm", layer=1, direction=1)
    assert cell.state is not None
    same(list(cell.state), [start["h_0"][3], start["c_0"][3]])


def test_the_initial_states_run() -> None:
    weights = sl.to_layout("onnx", parameters(sl.cell("rnn")), "rnn") | {"initial_h": np.ones((1, 2, 4))}
    params = sl.from_layout("onnx", weights, "rnn")
    function = sl.lambdify(sl.cell("rnn"))
    x = np.zeros((3, 2, 3))
    np.testing.assert_array_equal(function.forward(params, x, params.state).outputs[0],
                                  np.tanh(np.ones((2, 4)) @ params["U"].T + params["b"]))


# --- what is said -----------------------------------------------------------------------------------------------------------


W, R, B = np.ones((12, 2)), np.ones((12, 3)), np.ones(12)
LSTM = {"weight_ih_l0": W, "weight_hh_l0": R, "bias_ih_l0": B, "bias_hh_l0": B}
TWO = sl.stack("lstm", layers=2)


class Module:
    """Something that has weights and is none."""

    def state_dict(self) -> dict[str, Array]:
        return LSTM



@pytest.mark.parametrize(("library", "weights", "cell", "options", "said"), [
    ("abacus", {}, "lstm", {}, r"no layout of this name\.\n  in: 'abacus'\n  right: 'pytorch' or 'keras'"),
    ("pytorch", {}, "gru", {}, r"PyTorch has no cell with the equations of gru.*\n.*\n  right: for it there is keras and onnx; pytorch has lstm"),
    ("pytorch", {}, "mlstm", {}, r"no cell with the equations of mlstm"),
    ("pytorch", {}, "lstm", {}, r"weight_ih_l0 is missing.\n.*nothing\n  right: weight_ih_l0 of the shape \(4n, m\)"),
    ("pytorch", {**LSTM, "weight_hh_l0": np.ones((12, 4))}, "lstm", {}, r"weight_hh_l0 has the wrong shape.\n.*\(12, 4\)\n  right: \(4n, n\) = \(12, 3\) with n = 3"),
    ("pytorch", {**LSTM, "bias_ih_l0": np.ones((12, 1))}, "lstm", {}, r"bias_ih_l0 has the wrong shape.\n.*\n  right: \(4n,\) = \(12,\)"),
    ("pytorch", LSTM, "gru-reset-after", {}, r"the arrays would fit lstm"),
    ("pytorch", {**LSTM, "weight_hr_l0": np.ones((2, 3))}, "lstm", {}, r"'weight_hr_l0' is no array of PyTorch's for lstm.*\n.*\n  right: the cell that has it: lstm-projected"),
    ("pytorch", {**LSTM, "weigth_ih_l1": W}, "lstm", {}, r"did you mean weight_ih_l0"),
    ("pytorch", {f"rnn.{name}": array for name, array in LSTM.items()} | {"fc.weight": W}, "lstm", {}, r"right: the weights of rnn alone, as in rnn.state_dict\(\)"),
    ("pytorch", {name: array for name, array in LSTM.items() if name != "bias_hh_l0"}, "lstm", {}, r"bias_hh_l0 is missing"),
    ("pytorch", {**LSTM, "bias_hh_l0": "zeros"}, "lstm", {}, r"bias_hh_l0 is not an array of numbers"),
    ("pytorch", {**LSTM, "bias_hh_l0": B > 0}, "lstm", {}, r"bias_hh_l0 is not an array of numbers.\n  in: bias_hh_l0 is ndarray of bool"),
    ("pytorch", {**LSTM, "bias_hh_l0": B.astype(object)}, "lstm", {}, r"bias_hh_l0 is not an array of numbers"),
    ("pytorch", {**LSTM, "bias_hh_l0": [1.0, [2.0]]}, "lstm", {}, r"bias_hh_l0 is not an array of numbers"),
    ("pytorch", {name: array.T for name, array in LSTM.items()}, "lstm", {}, r"weight_ih_l0 has the wrong shape.\n.*\n.*; transposed, the arrays would fit"),
    ("pytorch", {**LSTM, "weight_hh_l0": None}, "lstm", {}, r"weight_hh_l0 is missing"),
    ("pytorch", Module(), "lstm", {}, r"in: Module\n.*, here state_dict\(\)"),
    ("pytorch", LSTM, "lstm", {"layer": 1}, r"weight_ih_l1 is missing"),
    ("pytorch", LSTM, "lstm", {"direction": 1}, r"weight_ih_l0_reverse is missing"),
    ("pytorch", LSTM, "lstm", {"direction": "reverse"}, r"no such direction.\n  in: direction='reverse'\n  right: 0, or 1"),
    ("pytorch", LSTM, "lstm", {"layer": -1}, r"no such layer"),
    ("pytorch", LSTM, TWO, {}, r"weight_ih_l1 is missing"),
    ("pytorch", LSTM, TWO, {"layer": 1}, r"those of all its layers"),
    ("pytorch", LSTM, sl.stack("lstm", layers=1, head="linear"), {}, r"W_y is missing.\n.*\n  right: W_y of the shape \(k, n\); the parameters of a head keep our names"),
    ("pytorch", {**LSTM, **{f"{name[:-1]}1": array for name, array in LSTM.items()}}, sl.stack("lstm", layers=1), {}, r"no place for weight_ih_l1"),
    ("pytorch", [LSTM, LSTM], TWO, {}, r"The names of PyTorch tell the layer"),
    ("pytorch", list(LSTM.values()), "lstm", {}, r"a list of 4\n  right: a mapping such as \{'weight_ih_l0'"),
    ("pytorch", {**LSTM, "c_0": np.ones((1, 5, 3)), "h_0": np.ones((1, 4, 3))}, "lstm", {}, r"has the wrong shape"),
    ("pytorch", {**LSTM, "h_0": np.ones((1, 5, 2))}, "lstm", {}, r"h_0 has the wrong shape.\n.*\(1, 5, 2\)\n  right: \(1, B, n\) = \(1, 5, 3\) with B = 5 and n = 3"),
    ("keras", [W.T, R.T, B, B], "lstm", {}, r"a list of 4 arrays\n  right: 3, which are kernel, recurrent_kernel, bias, or 2, without biases"),
    ("keras", [W, R.T, B], "lstm", {}, r"weights\[0\], the kernel, has the wrong shape.\n.*\(12, 2\)\n  right: \(m, 4n\)"),
    ("keras", {"kernel": W.T, "recurrent_kernel": R.T}, TWO, {}, r"names of Keras do not tell the layer"),
    ("keras", {"kernel": W.T, "recurrent_kernel": R.T}, "lstm", {"layer": 1}, r"names of Keras do not tell the layer"),
    ("keras", [{"kernel": W.T, "recurrent_kernel": R.T}], TWO, {}, r"1 mappings\n  right: 2: a list of mappings"),
    ("keras", {f"{layer}/{name}": array for layer in "ab" for name, array in (("kernel", W.T), ("recurrent_kernel", R.T))}, "lstm", {}, r"b/kernel.*\n  right: one array of each name; several layers in a list"),
    ("keras", {"kernel": np.ones((2, 9)), "recurrent_kernel": np.ones((3, 9)), "bias": np.ones((2, 9))}, "gru", {}, r"bias has the wrong shape.\n.*\n.*\(3n,\) = \(9,\) with n = 3; the arrays would fit gru-reset-after"),
    ("onnx", {"W": W[None], "R": R[None], "P": np.ones((1, 9))}, "lstm", {}, r"'P' is no array of ONNX's for lstm.*\n.*\n  right: the cell that has it: lstm-peephole or lstm-cifg"),
    ("onnx", {"W": W[None], "R": R[None], "sequence_lens": np.ones(2)}, "lstm", {}, r"sequence_lens is no weight of a cell.\n.*\n  right: sequences of one length"),
    ("onnx", {"W": W[None], "R": R[None], "input_forget": 1}, "lstm", {}, r"lstm-coupled"),
    ("onnx", {"W": W[None], "R": R[None]}, "lstm", {"direction": 1}, r"W has no direction 1"),
    ("onnx", {"W": W[None], "R": R[None]}, sl.stack("lstm", layers=1, bidirectional=True), {}, r"\(2, 4n, m\)"),
    ("onnx", {"W": W, "R": R}, "lstm", {}, r"W has the wrong shape.\n.*\n  right: \(1, 4n, m\)"),
    ("onnx", {"W": np.ones((1, 3, 2)), "R": np.ones((1, 3, 3)), "initial_c": np.ones((1, 5, 3))}, "rnn", {}, r"'initial_c' is no array"),
    ("onnx", {"W": W[None], "R": R[None], "initial_h": np.ones((5, 1, 3))}, "lstm", {}, r"initial_h has the wrong shape.*\n.*\n.*; with its axes 0 and 1 swapped it would fit"),
    ("onnx", None, "lstm", {}, r"NoneType"),
    ("flax", {"ii": {"kernel": W.T}}, "lstm", {}, r"if/kernel is missing|hi/kernel is missing"),
    ("flax", {"kernel": W.T}, "lstm", {}, r"'kernel' is no array of Flax's.*\n.*\n  right: .*of the layout 'keras'"),
    ("keras", LSTM, "lstm", {}, r"right: its arrays are kernel, recurrent_kernel, bias; weight_ih_l0 is an array of the layout 'pytorch'"),
    ("flax", {"params": {"cell": {"dense_i": {"kernel": W.T}}}}, "lstm", {}, r"of the layout 'nnx'"),
])
def test_what_is_wrong_is_said(library: str, weights: Any, cell: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises((NotValid, NotSupported), match=said) as raised:
        sl.from_layout(library, weights, cell, **options)
    assert raised.value.what and raised.value.where and raised.value.right


@pytest.mark.parametrize(("params", "said"), [
    ({}, "The parameter W is missing"),
    ({"W": np.ones((3, 2)), "U": np.ones((3, 3)), "b": np.ones(3), "V": 1.0}, "rnn has no parameter 'V'"),
    ({"W": np.ones((3, 2)), "U": np.ones((3, 2)), "b": np.ones(3)}, r"U has the wrong shape.\n.*\n  right: \(n, n\) = \(3, 3\) with n = 3"),
    ([1.0], "not a mapping"),
])
def test_what_is_wrong_with_ours_is_said(params: Any, said: str) -> None:
    with pytest.raises(NotValid, match=said):
        sl.to_layout("pytorch", params, "rnn")


def test_the_table_in_the_docs_is_the_table() -> None:
    page = (Path(__file__).parent.parent / "docs" / "weights.md").read_text(encoding="utf-8")
    shown = {(cells[0].strip(" `"), library) for line in page.splitlines() if line.startswith("| `")
             for cells in [line.strip("| ").split("|")] for library, cell in zip(("pytorch", "keras", "onnx", "flax", "nnx"), cells[1:], strict=True)
             if cell.strip(" -")}
    assert shown == {(row.cell, row.library.name) for row in LAYOUTS}


def test_every_library_has_rows_and_every_row_says_where_it_is_from() -> None:
    assert {row.library.name for row in LAYOUTS} == set(LIBRARIES)
    assert all(row.source for row in LAYOUTS)
    assert len({(row.cell, row.library.name) for row in LAYOUTS}) == len(LAYOUTS)
