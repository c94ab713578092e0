"""The passes of the generator in blocks, each on its own: what goes in and what comes out compute the same.

`splitting` and `normal` give a cell again, which is proved equal to the first; what arranges it for NumPy is held against the
equations in numbers.
"""

from __future__ import annotations

from io import StringIO
from tokenize import COMMENT, ENDMARKER, NEWLINE, NL, STRING, generate_tokens
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm import zoo
from symlstm.activations import ACTIVATIONS
from symlstm.algebra import NOW, Apply, Blocks, NotSupported, Relation, Sym, equation, walk
from symlstm.functions import source_of
from symlstm.generator.blocks.halving import OF_TANH, halved
from symlstm.generator.blocks.layout import Layout
from symlstm.generator.blocks.program import Program
from symlstm.generator.blocks.weights import Stacking
from symlstm.generator.codes import infix, parsed
from symlstm.generator.module import written
from symlstm.generator.networks.forms import alone
from symlstm.generator.rewrites.normal import normal
from symlstm.generator.rewrites.splitting import split
from symlstm.generator.targets import TARGETS
from symlstm.generator.units import Unit
from symlstm.model import Cell
from tests.problems import Problem, near
from tests.test_functions import CELLS, SLOW, function


def program(cell: Cell, accuracy: str = "fast") -> Program | None:
    """The program of a cell, None if it is not made of vectors, or is several parts."""
    try:
        return Program(Unit.of(cell), accuracy) if alone(cell) else None
    except NotSupported:
        return None


BLOCKED = [name for name, cell in zoo.ZOO.items() if program(cell)]
STACKED = [name for name, cell in CELLS.items() if any(isinstance(part, Blocks) for line in cell.named for part in walk(line))
           and program(cell)]


def rebuilt(cell: Cell, lines: tuple[Relation, ...]) -> Cell:
    return Cell(cell.name, cell.input_terms, cell.state_terms, lines, title=cell.title, sizes=cell.sizes, output=cell.output_term)


def test_there_is_something_to_look_at() -> None:
    assert len(BLOCKED) >= 24 and "lstm-full-feedback" in STACKED


# --- splitting ---------------------------------------------------------------------------------------------------------


def columns(name: str) -> tuple[Cell, Cell, list[Relation]]:
    """A cell without stacks, the cell, and what its parameters are in terms of those of the first."""
    cell = CELLS[name]
    whole, pieces = split(cell)
    parameters = dict.fromkeys(piece.parameter for piece in pieces.values())
    where = [equation(of, Blocks((tuple(part for part, piece in pieces.items() if piece.parameter == of),))) for of in parameters]
    return whole, cell, where


@pytest.mark.parametrize("name", STACKED)
def test_a_matrix_by_a_stack_is_its_columns_by_the_parts(name: str) -> None:
    whole, cell, where = columns(name)
    assert not any(isinstance(part, Blocks) for line in whole.named for part in walk(line))
    found = sl.equivalent(whole, cell, where)
    assert found.equal, found


def test_columns_in_another_order_are_another_cell() -> None:
    whole, cell, where = columns("lstm-full-feedback")
    first, second, *rest = where[0].rhs.rows[0]  # type: ignore[attr-defined]
    where[0] = equation(where[0].lhs, Blocks(((second, first, *rest),)))
    assert sl.equivalent(whole, cell, where).equal is False


# --- naming ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BLOCKED)
def test_names_change_no_cell(name: str) -> None:
    whole, _ = split(zoo.ZOO[name])
    named = normal(whole)
    assert [part for line in named.named for part in walk(line.rhs) if isinstance(part, Apply) and part != line.rhs] == []
    found = sl.equivalent(whole, named)
    assert found.equal, found


def test_a_name_for_something_else_is_seen() -> None:
    named = normal(zoo.LSTM)
    lines = tuple(equation(line.lhs, line.rhs.arg) if line.lhs == Sym("tanh_c", NOW) else line for line in named.named)  # type: ignore[attr-defined]
    assert lines != named.named
    assert sl.equivalent(zoo.LSTM, rebuilt(named, lines)).equal is False


# --- stacking ----------------------------------------------------------------------------------------------------------


def prepared(layout: Layout, params: dict[str, Any]) -> dict[str, Any]:
    """All that `prepare` can give, by name."""
    names: dict[str, Any] = {"np": np, "params": params, "dtype": np.dtype(float), "m": 3, "many": False}
    stacking = Stacking(layout)
    exec("\n".join(stacking.lines()), names)
    return names | {name: eval(text, names) for name, text in stacking.kept()}


@pytest.mark.parametrize("name", BLOCKED)
def test_one_product_gives_the_affine_maps_of_a_block(name: str) -> None:
    """Every map is in one block; of random vectors the block's product has in its rows what each equation says."""
    found = program(zoo.ZOO[name])
    assert found is not None
    layout, problem = Layout(found), Problem(zoo.ZOO[name], n=4, m=3)
    names, given = prepared(layout, problem.params), dict(problem.params)
    for symbol, piece in found.pieces.items():
        start, stop = (eval(layout_text(end), {"n": 4, "m": 3}) for end in (piece.start, piece.stop))
        given[symbol.name] = problem.params[piece.parameter.name][:, start:stop]
    members = [member for block in found.blocks for member in block.members]
    assert len(set(members)) == len(members) and found.blocks
    generator = np.random.default_rng(0)
    for block in found.blocks:
        vectors = {vector: generator.standard_normal(eval(layout.width(vector), names)) for vector in block.vectors}
        plain: Any = sum(names[layout.weights(block, vector)] @ value for vector, value in vectors.items())
        ahead: Any = sum(names[layout.ahead(block, vector)] @ (np.append(value, 1.0) if layout.one(block, vector) else value)
                         for vector, value in vectors.items())
        ahead = ahead + (names[layout.bias(block)] if layout.apart(block) else 0.0)
        for k, slot in enumerate(block.slots):
            rows = eval(f"np.s_[{layout.span(block, k, k + 1) or ':'}]", names)
            expected = sum(given[matrix.name] @ vectors[vector] for vector, terms in slot.matrices.items() for matrix in terms)
            near(plain[rows], expected, 1e-14)
            expected = expected + sum(given[bias.name] for bias in slot.biases)
            near(ahead[rows], expected * (0.5 if slot.of in layout.halved else 1.0), 1e-14)


def layout_text(length: Any) -> str:
    from symlstm.generator.lengths import size_text

    return size_text(length)


# --- halving -----------------------------------------------------------------------------------------------------------


def test_sigma_from_a_tanh_of_half_the_argument() -> None:
    x = np.concatenate([np.linspace(-40, 40, 20001), [-700.0, 800.0]])
    value = eval(infix(parsed(OF_TANH, {"t": "t"})), {"t": np.tanh(x / 2)})
    assert np.abs(value - 1 / (1 + np.exp(-x))).max() <= 2**-52


@pytest.mark.parametrize("name", BLOCKED)
def test_what_is_halved_is_read_by_a_sigma_alone(name: str) -> None:
    found = program(zoo.ZOO[name])
    assert found is not None
    layout = Layout(found)
    for slot in layout.halved:
        (reader,) = (rhs for rhs in found.lines.values() if slot in walk(rhs))
        assert isinstance(reader, Apply) and ACTIVATIONS["sigma"].formula == sl.activations.activation(reader.function).formula
        assert slot not in found.read_backwards
    exact = program(zoo.ZOO[name], "ulp")
    assert exact is not None and not Layout(exact).halved
    assert halved(found.lines, layout.over, frozenset(), "fast") == frozenset()


def test_all_gates_of_the_lstm_share_one_tanh() -> None:
    loop = written(zoo.LSTM).partition("\ndef forward(")[2].partition("\ndef backward(")[0]
    assert loop.count("tanh(z, z)") == 1 and loop.count("tanh(") - loop.count("# ") <= 2
    assert "exp(" not in loop


# --- layout ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in CELLS if program(CELLS[name])])
def test_a_value_gives_its_place_away_after_its_last_reading(name: str) -> None:
    found = program(CELLS[name])
    assert found is not None
    layout = Layout(found)
    for value, to in layout.over.items():
        assert [of for of, rhs in found.lines.items() if value in walk(rhs)] == [to]
        assert value not in found.read_backwards and value not in found.states and to not in found.states
    places = [layout.place(value) for value in found.read_backwards if value.time == NOW and value in found.lines]
    assert len(set(places)) == len(places)  # no two of what is read backwards stand in one place


# --- all of them -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("steps", "batch"), [(4, 1), (7, 3), (70, 1), (11, 64)])
@pytest.mark.parametrize("name", BLOCKED)
def test_blocks_are_the_equations_one_by_one(name: str, steps: int, batch: int, dtype: str) -> None:
    """Over more steps than a chunk has, too: the code of blocks against that of the equations, each for itself."""
    problem = Problem(zoo.ZOO[name], T=steps, B=batch, n=6, m=5)
    scale, kind = (0.3 if steps > 10 else 1.0), np.dtype(dtype)
    params = {key: (scale * value).astype(kind) for key, value in problem.params.items()}
    x, state, d, d_state = problem.x.astype(kind), *(
        tuple(part.astype(kind) for part in parts) for parts in (problem.state, (problem.d_outputs,), problem.d_state))
    results = []
    for found in (function(name), function(SLOW + name)):
        trace = found.forward(params, x, state)
        results.append((trace.outputs, *trace.state, *problem.gradients(found.backward(trace, d[0], d_state)).values()))
    for one, other in zip(*results, strict=True):
        assert one.dtype == kind
        near(one, other, 2e-3 if dtype == "float32" else 1e-11)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", BLOCKED)
def test_a_workspace_and_prepared_weights_change_no_bit(name: str, batch: int) -> None:
    problem, module = Problem(zoo.ZOO[name], T=6, B=batch, n=4, m=3), dict[str, Any]()
    exec(written(zoo.ZOO[name]), module)
    weights = module["prepare"](problem.params)
    found = program(zoo.ZOO[name])
    assert found is not None
    sizes = {size: weights.arrays[0][k] for k, size in enumerate(key for key in Layout(found).sizes() if key != "m")}
    workspace = module["workspace"](6, batch, "float64", m=3, **sizes)
    trace = module["forward"](problem.params, problem.x, problem.state)
    own = problem.gradients(module["backward"](trace, problem.d_outputs, problem.d_state))
    other = module["forward"](weights, 2 * problem.x, problem.state, workspace)
    module["backward"](other, problem.d_outputs)
    again = module["forward"](weights, problem.x, problem.state, workspace)
    np.testing.assert_array_equal(again.outputs, trace.outputs)
    for _ in range(2):
        for key, value in problem.gradients(module["backward"](again, problem.d_outputs, problem.d_state)).items():
            np.testing.assert_array_equal(value, own[key])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("layers", [["lstm", "lstm"], ["gru", "lstm-layernorm", "rnn"]], ids="-".join)
def test_a_network_lends_its_workspace_to_its_parts(layers: list[str], batch: int) -> None:
    network = sl.stack(layers, bidirectional=True)
    problem, found = Problem(network, T=5, B=batch, n=4, m=3), sl.lambdify(network)
    trace = found.forward(problem.params, problem.x, problem.state)
    own = problem.gradients(found.backward(trace, problem.d_outputs, problem.d_state))
    weights, workspace = found.prepare(problem.params), found.workspace(5, batch, 3, 4)
    again: Any = None
    lent: Any = workspace.arrays["layer_2_backward"] if layers[1] == "lstm" else workspace.arrays["layer_1_forward"]
    for _ in range(2):
        again = found.forward(weights, problem.x, problem.state, workspace=workspace)
        np.testing.assert_array_equal(again.outputs, trace.outputs)
        for key, value in problem.gradients(found.backward(again, problem.d_outputs, problem.d_state)).items():
            np.testing.assert_array_equal(value, own[key])
    assert any(np.shares_memory(part, trace_part) for part in lent.forward if isinstance(part, np.ndarray)
               for kept in again.kept for trace_part in kept.kept if isinstance(trace_part, np.ndarray))


def test_a_mutant_of_every_pass_is_seen() -> None:
    """The law can fail: a wrong half, a wrong root in a spread, a seam between chunks, a wrong column for the bias."""
    problem = Problem(zoo.LSTM, T=70, B=1)
    params = {key: 0.3 * value for key, value in problem.params.items()}
    right: dict[str, Any] = {}
    source = written(zoo.LSTM)
    exec(source, right)
    def gradients(module: dict[str, Any]) -> list[Any]:
        trace = module["forward"](params, problem.x, problem.state)
        found = module["backward"](trace, problem.d_outputs, problem.d_state)
        return [trace.outputs, *found.params.values(), found.inputs, *found.state]
    expected = gradients(right)
    for old, new in (("[:3 * n] = 0.5", "[:2 * n] = 0.5"), ("spread_z_f_z_g[...] = d_c", "spread_z_f_z_g[...] = d_h"),
                     ("found if sums is None else added(sums, found)", "found"), ("[..., :m] = x", "[..., 1:] = x"),
                     ("o_i_f += half", "o_i_f += one"), ("z_from_h.T.copy()", "half_z_from_h.T.copy()")):
        assert source.count(old) == 1, old
        module: dict[str, Any] = {}
        exec(source.replace(old, new), module)
        module["one"] = 1
        assert any(np.abs(one - other).max() > 1e-6 for one, other in zip(gradients(module), expected, strict=True)), old


# --- the text -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", TARGETS)
@pytest.mark.parametrize("name", zoo.ZOO)
def test_a_module_is_written_as_a_person_writes_it(name: str, backend: str) -> None:
    source = source_of(zoo.ZOO[name], backend)
    assert "\n\n\n\n" not in source
    assert not any(line != line.rstrip() for line in source.splitlines())
    for token in generate_tokens(StringIO(source).readline):  # an equation goes on as long as it is, what is code does not
        assert token.type in (COMMENT, STRING, NL, NEWLINE, ENDMARKER) or token.end[1] <= 120, token.line
