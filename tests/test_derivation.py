"""What a derivation holds: the topics, the lines a textbook has, and every application of a rule on record."""

from __future__ import annotations

import pytest

import symlstm as sl
from symlstm.algebra import NotValid, Num, Sym, Term, walk
from symlstm.reverse import sweep
from symlstm.rules import vjp
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


@pytest.mark.parametrize("name", LSTM_GRADIENTS)
def test_gradients_are_those_of_the_literature(name: str) -> None:
    step = next(step for step in sl.derive("lstm", "gradients").steps if step.name == name)
    assert repr(step.relation) == LSTM_GRADIENTS[name]


def test_all_topics_in_order() -> None:
    assert sl.derive("lstm").topics == tuple(TOPICS) == ("shapes", "forward", "activations", "gradients", "bptt", "flow")


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
    values = {line.rhs: line.lhs for line in made.named}
    seen: set[Term] = set()
    for step in sl.derive(made, "gradients").steps:
        for application in step.applications:
            assert vjp(application.node, application.adjoint, values) == (application.rule, list(application.shares))  # type: ignore[arg-type]
            seen.add(application.node)
    leaves = (Sym, Num)
    assert seen == {
        part
        for line in made.named
        for part in walk(line.rhs)
        if not isinstance(part, leaves) and any(isinstance(below, Sym) for below in walk(part))
    }


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
