"""ONNX as an oracle: its reference, the node tests of its package, and ONNX Runtime compute what we do with the same weights."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.layouts.tables import LAYOUTS, ONNX
from symlstm.model import Cell

pytestmark = pytest.mark.oracle

Array = np.ndarray
OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {}),
    "lstm-peephole": ("LSTM", {}),
    "lstm-coupled": ("LSTM", {"input_forget": 1}),
    "lstm-cifg": ("LSTM", {"input_forget": 1}),
    "rnn": ("RNN", {}),
    "rnn-relu": ("RNN", {"activations": ["Relu"]}),
    "gru": ("GRU", {}),
    "gru-z-new": ("GRU", {}),
    "gru-reset-after": ("GRU", {"linear_before_reset": 1}),
    "gru-reset-after-z-new": ("GRU", {"linear_before_reset": 1}),
}
INPUTS = {"LSTM": ("X", "W", "R", "B", "", "initial_h", "initial_c", "P"), "GRU": ("X", "W", "R", "B", "", "initial_h"),
          "RNN": ("X", "W", "R", "B", "", "initial_h")}
T, B, n, m = 6, 3, 4, 2


def test_every_row_of_onnx_is_compared() -> None:
    assert set(OPERATORS) == {row.cell for row in LAYOUTS if row.library is ONNX}


def given(cell: Cell, dtype: str, directions: int = 1) -> dict[str, Array]:
    """Random weights in ONNX's arrangement, with initial states and both biases; and an input."""
    generator = np.random.default_rng(7)
    found = {"X": generator.standard_normal((T, B, m)), **sl.to_layout("onnx", sl.random_parameters(cell, n, m), cell)}
    found |= {name: generator.standard_normal(array.shape) for name, array in found.items()}  # both biases, and what is not used
    starts = ("initial_h", "initial_c") if "c" in {symbol.name[0] for symbol in cell.state_terms} else ("initial_h",)
    found |= {name: generator.standard_normal((directions, B, n)) for name in starts}
    return {name: array.astype(dtype) for name, array in found.items()}


def model(name: str, given: dict[str, Array], bidirectional: bool = False) -> tuple[Any, list[str]]:
    """A model of one node, and its outputs."""
    from onnx import helper

    operator, attributes = OPERATORS[name]
    if bidirectional:
        both = {key: value * 2 for key, value in attributes.items() if key == "activations"}  # of each direction
        attributes = attributes | both | {"direction": "bidirectional"}
    outputs = ["Y", "Y_h", "Y_c"][:3 if operator == "LSTM" else 2]
    inputs = [each if each in given else "" for each in INPUTS[operator]]
    while not inputs[-1]:
        inputs.pop()
    node = helper.make_node(operator, inputs, outputs, hidden_size=n, **attributes)
    kind = helper.np_dtype_to_tensor_dtype(given["X"].dtype)
    graph = helper.make_graph([node], "cell", [helper.make_tensor_value_info(key, kind, value.shape) for key, value in given.items()],
                              [helper.make_tensor_value_info(key, kind, None) for key in outputs])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    made.ir_version = 8
    return made, outputs


def run(cell: Cell, weights: dict[str, Array], x: Array) -> tuple[Array, tuple[Array, ...]]:
    """What we compute with the weights: the outputs, and the states after the last step."""
    params = sl.from_layout("onnx", weights, cell)
    trace = sl.lambdify(cell).forward(params, x, params.state)
    return trace.outputs, trace.state


@pytest.mark.parametrize("name", ["lstm", "rnn", "gru", "gru-z-new", "gru-reset-after", "gru-reset-after-z-new"])
def test_forward_is_that_of_onnxs_reference(name: str) -> None:
    """In double precision."""
    from onnx.reference import ReferenceEvaluator

    weights = given(sl.cell(name), "float64")
    made, outputs = model(name, weights)
    expected = dict(zip(outputs, ReferenceEvaluator(made).run(None, weights), strict=True))  # type: ignore[arg-type]
    x = weights.pop("X")
    found, last = run(sl.cell(name), weights, x)
    np.testing.assert_allclose(found, expected["Y"][:, 0], rtol=1e-12, atol=1e-13)
    for key, part in zip(outputs[1:], last, strict=True):
        np.testing.assert_allclose(part, expected[key][0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("name", OPERATORS)
def test_forward_is_that_of_onnx_runtime(name: str, bidirectional: bool) -> None:
    """In single precision, which is what it has; with peepholes, coupled gates and both directions."""
    import onnxruntime

    cell = sl.stack(name, layers=1, bidirectional=True) if bidirectional else sl.cell(name)
    weights = given(cell, "float32", 1 + bidirectional)
    made, outputs = model(name, weights, bidirectional=bidirectional)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = dict(zip(outputs, session.run(None, weights), strict=True))
    x = weights.pop("X")
    found, last = run(cell, weights, x)
    both = expected["Y"].transpose(0, 2, 1, 3).reshape(T, B, -1)
    np.testing.assert_allclose(found, both, rtol=1e-5, atol=1e-5)
    for k, part in enumerate(last):
        np.testing.assert_allclose(part, expected[outputs[1 + k % (len(outputs) - 1)]][k // (len(outputs) - 1)], rtol=1e-5, atol=1e-5)


# --- the node tests of the package --------------------------------------------------------------------------------------------


@cache
def node_tests() -> tuple[Any, ...]:
    """The tests of the three operators, as the package generates them."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other operators, meant to overflow
        return tuple(case for case in collect_testcases() if case.model.graph.node[0].op_type in INPUTS)


def cell_of(operator: str, attributes: dict[str, Any], weights: dict[str, Array]) -> str:
    """The cell that a node is."""
    if operator == "GRU":
        return "gru-reset-after" if attributes.get("linear_before_reset") else "gru"
    if operator == "LSTM" and attributes.get("input_forget"):
        return "lstm-cifg" if "P" in weights else "lstm-coupled"
    return {"LSTM": "lstm-peephole" if "P" in weights else "lstm", "RNN": "rnn"}[operator]


def test_there_are_all_node_tests() -> None:
    assert len({case.name for case in node_tests()}) == len(node_tests()) >= 18


@pytest.mark.parametrize("operator", INPUTS)
def test_the_node_tests_of_onnx(operator: str) -> None:
    from onnx import helper

    cases = [case for case in node_tests() if case.model.graph.node[0].op_type == operator]
    assert cases
    for case in cases:
        node = case.model.graph.node[0]
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        assert attributes.keys() <= {"hidden_size", "direction", "layout", "linear_before_reset", "input_forget"}, case.name
        for inputs, outputs in case.data_sets:
            weights = dict(zip(filter(None, node.input), inputs, strict=True))
            expected = dict(zip(filter(None, node.output), outputs, strict=True))
            check_node(cell_of(operator, attributes, weights), attributes, weights, expected, case.name)


def check_node(name: str, attributes: dict[str, Any], weights: dict[str, Array], expected: dict[str, Array], case: str) -> None:
    """A node's outputs are ours. With layout 1 the batch comes first; in reverse the sequence is read from its end."""
    direction, layout = attributes.get("direction", b"forward"), attributes.get("layout", 0)
    x = weights.pop("X")
    x = x.swapaxes(0, 1) if layout else x
    lengths = weights.pop("sequence_lens", None)
    if lengths is not None:
        assert (lengths == len(x)).all(), case
        with pytest.raises(sl.NotValid, match="sequence_lens is no weight"):
            sl.from_layout("onnx", {**weights, "sequence_lens": lengths}, name)
    both, reverse = direction == b"bidirectional", direction == b"reverse"
    cell = sl.stack(name, layers=1, bidirectional=True) if both else sl.cell(name)
    found, last = run(cell, weights, x[::-1].copy() if reverse else x)
    ours = {"Y": (found[::-1] if reverse else found).reshape(*x.shape[:2], 1 + both, -1).swapaxes(1, 2)}
    count = len(last) // (1 + both)
    ours |= {key: np.stack(last[k::count]) for k, key in enumerate(("Y_h", "Y_c")[:count])}
    if layout:
        ours = {key: np.moveaxis(array, -2, 0) for key, array in ours.items()}
    for key, array in expected.items():
        np.testing.assert_allclose(ours[key], array, rtol=1e-5, atol=1e-6, err_msg=case)
