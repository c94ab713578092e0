"""Stacking and hoisting are equivalences: each is proved over the whole zoo, and the parameters are made of the given ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

import symlstm as sl
from symlstm import zoo
from symlstm.algebra import Blocks, MatMul, plain, walk
from symlstm.generator.rewrites.hoisting import hoisted
from symlstm.generator.rewrites.stacking import stacked
from symlstm.generator.scans.frame import Frame
from symlstm.generator.targets import NUMPY
from symlstm.generator.units import Unit
from symlstm.model import Cell


@pytest.mark.parametrize("name", zoo.ZOO)
def test_the_stacked_cell_is_the_same_cell(name: str) -> None:
    cell = zoo.ZOO[name]
    found = stacked(cell)
    where = {symbol.name: made for symbol, made in found.made.items() if made != symbol}
    for other in (found.cell, hoisted(found.cell)):
        assert sl.equivalent(cell, other, where=where).equal


def test_another_order_of_the_rows_is_another_cell() -> None:
    found = stacked(zoo.LSTM)
    where = {symbol.name: Blocks(made.rows[::-1]) for symbol, made in found.made.items() if isinstance(made, Blocks)}
    assert not sl.equivalent(zoo.LSTM, found.cell, where=where).equal


@pytest.mark.parametrize(("name", "ahead", "each_step"), [
    ("lstm", 1, 1), ("gru", 1, 2), ("gru-reset-after", 1, 1), ("lstm-full-feedback", 1, 2), ("slstm", 1, 1), ("minlstm", 1, 0)])
def test_each_vector_meets_one_matrix(name: str, ahead: int, each_step: int) -> None:
    cell = hoisted(stacked(zoo.ZOO[name]).cell)
    nodes = (node for line in cell.named for node in walk(line.rhs) if isinstance(node, MatMul))
    found = [node.args[1] for node in nodes if node.args[0] in cell.parameter_terms]
    of_input = [node for node in found if node in cell.input_terms]
    assert (len(of_input), len(found) - len(of_input)) == (ahead, each_step)


def test_the_adjoint_of_a_stack_is_put_together() -> None:
    """Not a sum of vectors with zeros above and below."""
    unit = Unit.of(zoo.LSTM)
    frame = Frame(replace(unit, cell=stacked(zoo.LSTM).cell), NUMPY, zoo.LSTM)
    (line,) = (plain(line) for of, line in frame.adjoints.items() if of.name == "z")
    assert line == "delta z[t] = [delta z_i[t]; delta z_f[t]; delta z_o[t]; delta z_g[t]]"


def test_what_is_used_twice_stays_where_it_is() -> None:
    """A matrix that multiplies one vector in two places is not stacked, and its gradient is the sum of both."""
    x, h, f = sl.quantities("x h f")
    W, U, V, b = sl.symbols("W U V b")
    lines = sl.equation(f, sl.sigma(W @ x + U @ h.prev + b)), sl.equation(h, f * sl.tanh(W @ x + V @ h.prev + b))
    cell = Cell("tied", (x,), (h,), lines)
    found = stacked(cell)
    assert found.made[W] == W and found.shares[W] == W
    (of_state,) = (of for of, made in found.made.items() if made == Blocks(((U,), (V,))))
    assert [plain(found.shares[of]) for of in (U, V)] == [f"{of_state.name}[0:n]", f"{of_state.name}[n:2 * n]"]
    assert sl.equivalent(cell, found.cell, where={of.name: made for of, made in found.made.items() if made != of}).equal
