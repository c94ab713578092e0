"""Cells that no table knows: their equations are all they take, and every line of their derivations is proved."""

from __future__ import annotations

import pytest

import symlstm as sl
from symlstm.activations import ACTIVATIONS, sigma, tanh
from symlstm.algebra import Apply, Diag, Max, Ones, Pow, Relation, Rows, Sym, Term, Trace, equation, quantities, symbols, term
from symlstm.prose import Prose, plain_prose
from symlstm.steps import Step
from symlstm.topics import TOPICS

x, h, c, f, k, q, r, s, z, C = quantities("x h c f k q r s z C")
n, m = symbols("n m")
A, V, U, W, b, v, w = symbols("A V U W b v w")
W_f, U_f, b_f, U_g = symbols("W_f U_f b_f U_g")
Sizes = dict[str, tuple[Term | int, ...]]


def _cell(name: str, *lines: Relation, states: tuple[Sym, ...] = (h,), sizes: Sizes | None = None) -> sl.Cell:
    return sl.Cell(name, (x,), states, lines, sizes=sizes)


CELLS = {cell.name: cell for cell in (
    _cell("no recurrence", equation(h, tanh(W @ x + b))),
    _cell("no activation", equation(h, W @ x + U @ h.prev)),
    _cell("logistic", equation(h, sigma(W @ x + U @ h.prev))),
    _cell("residual", equation(h, h.prev + tanh(W @ x + U @ h.prev + b))),
    _cell("output used in its own step", equation(h, tanh(W @ x + U @ h.prev + V @ c.prev)),
          equation(c, sigma(W_f @ x + U_f @ c.prev + b_f + U_g @ h)), states=(h, c), sizes={"c": (n,)}),
    _cell("a power", equation(z, W @ x + U @ h.prev), equation(h, Pow(tanh(z), term(3)))),
    _cell("a diagonal matrix", equation(f, sigma(W_f @ x + b_f)), equation(h, Diag(f) @ h.prev + tanh(W @ x))),
    _cell("a matrix state", equation(C, A @ C.prev + w @ x.T), equation(h, tanh(C @ x + U @ h.prev)),
          states=(h, C), sizes={"C": (n, m)}),
    _cell("rows", equation(z, W @ x + U @ h.prev + b), equation(h, tanh(Rows(z, term(0), n)) * sigma(Rows(z, n, n + n))),
          sizes={"z": (n + n,)}),
    _cell("a norm", equation(z, W @ x + U @ h.prev), equation(s, z.T @ z + 1), equation(h, z / s)),
    _cell("a quotient", equation(z, W @ x + U @ h.prev), equation(h, z / (1 + Apply("abs", z)))),
    _cell("a number as state", equation(s, Apply("exp", w.T @ x) + s.prev @ sigma(v.T @ h.prev)),
          equation(h, s @ tanh(W @ x + U @ h.prev)), states=(h, s), sizes={"s": (term(1), term(1))}),
    _cell("a trace", equation(C, tanh(W @ x) @ h.prev.T), equation(s, Trace(C)),
          equation(h, tanh(U @ h.prev + W_f @ x) * (s @ Ones(n)))),
    _cell("the larger of three", equation(z, W @ x + U @ h.prev), equation(h, Max((z, Max((h.prev, V @ x)))))),
    _cell("paths that meet twice", equation(z, tanh(W @ x + U @ h.prev)), equation(r, tanh(V @ z)), equation(q, z * r),
          equation(h, q + r * z)),
    _cell("an activation inside another", equation(h, tanh(U @ h.prev + sigma(W @ x)))),
    _cell("a gate inside an activation", equation(f, sigma(W_f @ x)), equation(h, tanh(f * (U @ h.prev)))),
    _cell("two activations in a product", equation(h, sigma((W @ x) * tanh(U @ h.prev) + tanh(V @ h.prev)))),
    _cell("a sum over time with a name that looks like a step", equation(k, tanh(W @ x)), equation(z, z.prev + k), states=(z,)),
    _cell("a number that is added up", equation(s, s.prev + w.T @ x), equation(h, tanh(W @ x + U @ h.prev) @ s),
          states=(h, s), sizes={"s": (term(1), term(1))}),
    _cell("an antisymmetric matrix", equation(h, tanh((U - U.T) @ h.prev + W @ x))),
)}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_every_line_is_proved(name: str) -> None:
    for topic in set(TOPICS) - {"activations"}:
        report = sl.verify(sl.derive(CELLS[name], topic))
        assert report.ok, [(row.name, row.latex) for row in report.rows if not row.ok]


def _flow(name: str) -> list[str]:
    blocks = sl.derive(CELLS[name], "flow").sections[0].blocks
    return [
        repr(block.relation) if isinstance(block, Step) else plain_prose(block)
        for block in blocks
        if isinstance(block, (Step, Prose))
    ]


def test_what_has_no_matrix_is_said() -> None:
    assert "no gradient travels" in _flow("no recurrence")[0]
    assert "four indices" in _flow("a matrix state")[0]
    assert "identity matrix" in _flow("residual")[0]


def test_the_loss_of_a_step_is_among_the_paths_of_an_output_that_is_used() -> None:
    lines = {step.name: step.relation for step in sl.derive(CELLS["output used in its own step"], "gradients").steps}
    assert repr(lines["adjoint of h"]) == "delta h[t] = d ell[t] / d h[t] + delta+ h[t] + U_g^T @ delta z_c[t]"


def test_a_bound_of_the_slopes_is_only_for_a_state_that_is_an_activation() -> None:
    assert any("gamma" in line for line in _flow("logistic"))
    assert not any("gamma" in line for name in ("a quotient", "a power", "no activation") for line in _flow(name))


def test_a_bound_over_time_is_only_for_one_matrix_behind_the_slopes_of_the_state() -> None:
    assert any("gamma" in line for line in _flow("an activation inside another"))
    others = ("a gate inside an activation", "two activations in a product", "an antisymmetric matrix")
    assert not any("gamma" in line for name in others for line in _flow(name))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_row_of_the_table_in_a_state_and_in_a_gate(name: str) -> None:
    """In a state every bound of its slopes is proved, piecewise ones too; roots and logarithms get what is positive."""
    argument = U @ h.prev + W @ x + b
    if ACTIVATIONS[name].positive:
        argument = Apply("exp", argument)
    f_line = equation(f, Apply(name, argument))
    for cell in (_cell("a state", equation(h, Apply(name, argument))), _cell("a gate", f_line, equation(h, f * tanh(h.prev)))):
        for topic in TOPICS:
            if topic != "worked":
                report = sl.verify(sl.derive(cell, topic))
                assert report.ok, [(row.name, row.latex) for row in report.rows if not row.ok]


def test_where_paths_part_and_meet_again_what_lies_between_has_a_name() -> None:
    flow = _flow("paths that meet twice")
    assert flow[1:4] == [
        "d h[t] / d r[t] = diag(2 @ z[t])",
        "d h[t] / d z[t] = d h[t] / d r[t] @ diag(1 - r[t]^2) @ V + 2 @ diag(r[t])",
        "d h[t] / d h[t-1] = d h[t] / d z[t] @ diag(1 - z[t]^2) @ U",
    ]
