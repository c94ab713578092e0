"""What a derivation holds: the topics, the lines a textbook has, and every application of a rule on record."""

from __future__ import annotations

import pytest

import symlstm as sl
from symlstm.algebra import NotValid, Num, Ones, Sym, Term, walk
from symlstm.reverse import sweep
from symlstm.rules import Known, vjp
from symlstm.topics import TOPICS

# gates and adjoints written down by hand from the literature (Greff et al. 2017, eq. in appendix; columns)
LSTM_GRADIENTS = {
    "adjoint of c": "delta c[t] = delta+ c[t] + delta h[t] * o[t] * (1 - tanh(c[t])^2)",
    "adjoint of o": "delta o[t] = delta h[t] * tanh(c[t])",
    "adjoint of f": "delta f[t] = delta c[t] * c[t-1]",
    "adjoint of i": "delta i[t] = delta c[t] * g[t]",
    "adjoint of g": "delta g[t] = delta c[t] * i[t]",
    "adjoint of z_g": "delta z_g[t] = delta g[t] * (1 - g[t]^2)",
    "adjoint of z_f": "delta z_f[t] = delta f[t] * f[t] * (1 - f[t])",
    "adjoint of W_f": "delta W_f[t] = delta z_f[t] @ x[t]^T",
    "adjoint of U_f": "delta U_f[t] = delta z_f[t] @ h[t-1]^T",
    "adjoint of b_f": "delta b_f[t] = delta z_f[t]",
    "adjoint of c_prev": "delta+ c[t-1] = delta c[t] * f[t]",
}


# of other cells, by name and line, each from its paper's equations by hand
OTHER_GRADIENTS = {
    ("gru", "adjoint of z"): "delta z[t] = delta h[t] * (h[t-1] - g[t])",
    ("gru", "adjoint of r"): "delta r[t] = (U_g^T @ delta z_g[t]) * h[t-1]",
    ("gru", "adjoint of U_g"): "delta U_g[t] = delta z_g[t] @ (r[t] * h[t-1])^T",
    ("gru-reset-after", "adjoint of r"): "delta r[t] = delta z_g[t] * (U_g @ h[t-1] + d_g)",
    ("gru-reset-after", "adjoint of U_g"): "delta U_g[t] = (delta z_g[t] * r[t]) @ h[t-1]^T",
    ("lstm-peephole", "adjoint of c"): "delta c[t] = delta+ c[t] + delta z_o[t] * p_o + delta h[t] * o[t] * (1 - tanh(c[t])^2)",
    ("lstm-peephole", "adjoint of p_o"): "delta p_o[t] = delta z_o[t] * c[t]",
    ("lstm-coupled", "adjoint of i"): "delta i[t] = delta c[t] * g[t] - delta f[t]",
    ("lstm-projected", "adjoint of o"): "delta o[t] = (W_h^T @ delta h[t]) * tanh(c[t])",
    ("lstm-layernorm", "adjoint of d_c"): "delta d_c[t] = (2 @ delta v_c[t] @ d_c[t])/n + (delta y_c[t] * alpha_c)/s_c[t]",
    ("lstm-layernorm", "adjoint of mu_c"): "delta mu_c[t] = -ones(n)^T @ delta d_c[t]",
    ("slstm", "adjoint of n"): "delta n[t] = delta+ n[t] - (delta h[t] * o[t] * c[t])/n[t]^2",
    ("mlstm", "adjoint of C"): "delta C[t] = delta+ C[t] + ((delta h[t] * o[t]) @ q[t]^T)/s[t]",
    ("mlstm", "adjoint of f"): "delta f[t] = tr(C[t-1]^T @ delta C[t]) + n[t-1]^T @ delta n[t]",
    ("mlstm", "adjoint of v"): "delta v[t] = i[t] @ delta C[t] @ k[t]",
    ("scalar", "adjoint of z_f"): "delta z_f[t] = delta c[t] @ c[t-1] @ f'(z_f[t])",
}

# the flow of the gradient: how each state is carried over, and in all
FLOWS = {
    ("lstm", "direct path of c"): "d c[t] / d c[t-1] (direct) = diag(f[t])",
    ("lstm-nfg", "direct path of c"): "d c[t] / d c[t-1] (direct) = diag(ones(n))",
    ("gru", "direct path of h"): "d h[t] / d h[t-1] (direct) = diag(z[t])",
    ("gru-z-new", "direct path of h"): "d h[t] / d h[t-1] (direct) = diag(1 - z[t])",
    ("gru", "total Jacobian of h"): "d h[t] / d h[t-1] = diag((1 - z[t]) * (1 - g[t]^2)) @ U_g @ diag(h[t-1] * r[t] * (1 - r[t])) @ U_r"
    " + diag((h[t-1] - g[t]) * z[t] * (1 - z[t])) @ U_z + diag((1 - z[t]) * (1 - g[t]^2)) @ U_g @ diag(r[t]) + diag(z[t])",
    ("mingru", "total Jacobian of h"): "d h[t] / d h[t-1] = d h[t] / d h[t-1] (direct)",
    ("lstm-layernorm", "d_i from a_i, same step"): "d d_i[t] / d a_i[t] = diag(ones(n)) - (ones(n) @ ones(n)^T)/n",
    ("lstm-layernorm", "y_i from d_i, same step"): "d y_i[t] / d d_i[t] = diag(alpha_i)/s_i[t]"
    " - ((alpha_i * d_i[t]) @ d_i[t]^T)/(n @ s_i[t]^3)",
    ("mlstm", "direct path of n"): "d n[t] / d n[t-1] (direct) = f[t] @ diag(ones(n))",
    ("mlstm", "adjoint of C_prev"): "delta+ C[t-1] = f[t] @ delta C[t]",
    ("scalar", "direct path of c"): "d c[t] / d c[t-1] (direct) = f(z_f[t])",
    ("slstm", "c from m, same step"): "d c[t] / d m[t] = -diag(g[t] * i[t] + c[t-1] * f[t])",
}  # fmt: skip


@pytest.mark.parametrize(("topic", "lines"), [("gradients", OTHER_GRADIENTS), ("flow", FLOWS)])
def test_lines_of_other_cells(topic: str, lines: dict[tuple[str, str], str]) -> None:
    for (cell, name), wanted in lines.items():
        (step,) = (step for step in sl.derive(cell, topic).steps if step.name == name)
        assert repr(step.relation) == wanted, cell


def test_every_line_has_a_name_of_its_own() -> None:
    """Within a topic of a cell no two lines have one name, so a line can be pointed at."""
    for cell in sl.cells():
        for topic in set(TOPICS) - {"activations"}:
            names = [step.name for step in sl.derive(cell, topic).steps if step.written is None]
            assert len(set(names)) == len(names), (cell, topic)


@pytest.mark.parametrize("name", LSTM_GRADIENTS)
def test_gradients_are_those_of_the_literature(name: str) -> None:
    step = next(step for step in sl.derive("lstm", "gradients").steps if step.name == name)
    assert repr(step.relation) == LSTM_GRADIENTS[name]


@pytest.mark.parametrize("cell", sl.cells())
def test_all_topics_in_order(cell: str) -> None:
    topics = sl.derive(cell).topics
    assert topics[:6] == tuple(TOPICS) == ("shapes", "forward", "activations", "gradients", "bptt", "flow")
    assert len(set(topics)) >= 6


@pytest.mark.parametrize("cell", sl.cells())
def test_every_quantity_has_its_adjoint(cell: str) -> None:
    made = sl.cell(cell)
    swept = sweep(made)
    wanted = {line.lhs for line in made.named if line.lhs not in made.state_terms}
    wanted |= {symbol.at(next(iter(made.input_terms)).time) for symbol in made.parameter_terms} | set(made.input_terms)
    assert wanted | {state.prev for state in made.state_terms} <= {line.of for line in swept.lines}


@pytest.mark.parametrize("cell", sl.cells())
def test_every_application_is_recorded_and_can_be_repeated(cell: str) -> None:
    made = sl.cell(cell)
    known = Known({line.rhs: line.lhs for line in made.named}, made.shapes)  # type: ignore[misc]
    seen: set[Term] = set()
    for step in sl.derive(made, "gradients").steps:
        for application in step.applications:
            assert vjp(application.node, application.adjoint, known) == (application.rule, list(application.shares))
            seen.add(application.node)
    assert seen == {
        part
        for line in made.named
        for part in walk(line.rhs)
        if not isinstance(part, (Sym, Num, Ones)) and any(_varies(made, below) for below in walk(part))
    }


def _varies(cell: sl.Cell, part: Term) -> bool:
    """Whether a term is a quantity or a parameter; a size is neither."""
    return isinstance(part, Sym) and (part.time is not None or part.name not in cell.size_names)


def test_the_recurrences_over_time_are_one_line_a_quantity() -> None:
    """Nothing is unrolled: 2 states, 8 gates and pre-activations, the input, 12 parameters, 2 initial states."""
    names = [step.name for step in sl.derive("lstm", "bptt").steps]
    assert len(names) == len(set(names)) == 2 + 8 + 1 + 12 + 2


def test_unrolled_the_work_is_proportional_to_the_steps() -> None:
    """Written out over time, each step adds the same lines, and no line grows."""
    short, long = (sl.derive("lstm", "bptt", steps=count).steps for count in (10, 50))
    assert len(long) == 5 * len(short) == 50 * 11
    assert max(len(repr(step.relation)) for step in long) <= max(len(repr(step.relation)) for step in short) + 8
    assert repr(long[0].relation) == "delta h[T] = d ell[T] / d h[T]"


@pytest.mark.parametrize("steps", [1, 4])
def test_unrolled_steps_are_proved_too(steps: int) -> None:
    assert sl.verify(sl.derive("lstm", "bptt", steps=steps)).ok


@pytest.mark.parametrize("steps", [0, 1001, 2.0, True])
def test_a_number_of_steps_that_is_none_is_refused(steps: int) -> None:
    with pytest.raises(NotValid, match="1 to 1000"):
        sl.derive("rnn", "bptt", steps=steps)
    with pytest.raises(NotValid, match="bptt"):
        sl.derive("rnn", "flow", steps=3)


def test_an_unknown_topic_or_cell_names_the_nearest() -> None:
    with pytest.raises(NotValid, match="gradients"):
        sl.derive("lstm", "gradient")
    with pytest.raises(NotValid, match="'lstm'"):
        sl.derive("lsmt")


def test_numbers_are_for_the_worked_topic_only() -> None:
    with pytest.raises(NotValid, match="worked"):
        sl.derive("lstm", "bptt", values={"x": [1]})
    with pytest.raises(NotValid, match="none are given"):
        sl.derive("lstm", "worked")


def test_equations_are_sympy_relations() -> None:
    import sympy

    for line in sl.cell("lstm").equations:
        assert isinstance(line, sympy.Eq) and getattr(line.lhs, "shape") == getattr(line.rhs, "shape")  # noqa: B009
    step = next(step for step in sl.derive("lstm", "gradients").steps if step.name == "adjoint of z_f")
    assert str(step.equation.lhs) == "delta_z_f_t"


def test_a_derivation_shows_itself_in_a_notebook() -> None:
    d = sl.derive("rnn", "gradients")
    assert d._repr_latex_().startswith("$$\\begin{aligned}") and "$$" in d._repr_markdown_()
