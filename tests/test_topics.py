"""The further topics: the head, limits, growth, sampling. Each relation holds in every way, and near misses do not."""

from __future__ import annotations

import pytest

import symlstm as sl
from symlstm import zoo
from symlstm.activations import tanh
from symlstm.algebra import (
    Adj,
    Expectation,
    Limit,
    Norm,
    NotValid,
    Prod,
    Relation,
    Sym,
    Variance,
    defined,
    equation,
    relation,
)
from symlstm.evidence import chances, limits
from symlstm.evidence.bounds import decide as decide_bound
from symlstm.evidence.numeric import on_sequence
from symlstm.evidence.proof import Proof
from symlstm.evidence.sequence import Sequence
from symlstm.prose import Prose, plain_prose
from symlstm.topics import FURTHER, sampling, sections
from symlstm.topics.sampling import s
from symlstm.zoo.heads import SOFTMAX, J, p, y, z
from symlstm.zoo.letters import c, f, g, i
from symlstm.zoo.scalar import SCALAR

CHAPTERS = [(topic, cell) for topic, further in FURTHER.items() for cell in further.chapters]


@pytest.mark.parametrize(("topic", "cell"), CHAPTERS)
def test_every_relation_holds_in_every_way(topic: str, cell: str) -> None:
    report = sl.verify(sl.derive(cell, topic))
    assert [(row.name, found.method, found.note) for row in report.rows for found in row.evidence if not found.ok] == []
    assert report.ok and all({found.method for found in row.evidence} == {"exact", "numeric", "readback"} for row in report.rows)


@pytest.mark.parametrize(("topic", "cell"), CHAPTERS)
def test_a_chapter_has_it_and_another_can_be_asked(topic: str, cell: str) -> None:
    assert topic in sl.derive(cell).topics
    if topic == "limits":
        with pytest.raises(NotValid, match="signals of gates"):
            sl.derive("gru", topic)
    else:
        assert sl.derive("gru", topic).topics == (topic,)


# --- softmax and cross-entropy -----------------------------------------------------------------------------------


def _with(line: Relation, condition: Relation) -> Relation:
    return Relation(line.terms, line.operators, condition)


SUM_IS_ONE = next(step.relation.condition for step in sections(zoo.LSTM, "head")[1].steps if step.name == "p - y")


@pytest.mark.parametrize(
    ("line", "right"),
    [
        (_with(equation(Adj(z), Adj(J) @ (p - y)), SUM_IS_ONE), True),
        (equation(Adj(z), Adj(J) @ (p - y)), False),
        (_with(equation(Adj(z), Adj(J) @ (y - p)), SUM_IS_ONE), False),
        (_with(equation(Adj(z), Adj(J) @ (p - y)), relation(SUM_IS_ONE.lhs, "=", 2)), False),
        (_with(equation(Adj(z), Adj(J) @ (p - y * p)), SUM_IS_ONE), False),
    ],
)
def test_p_minus_y_needs_targets_that_add_up_to_one(line: Relation, right: bool) -> None:
    assert Proof(SOFTMAX).decide(line).ok is right
    assert on_sequence(Sequence(SOFTMAX), line).ok is right


@pytest.mark.oracle
def test_p_minus_y_is_what_pytorch_has() -> None:
    import numpy as np
    import torch

    scores = torch.randn(5, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.cross_entropy(scores[None], torch.tensor([3])).backward()
    probabilities = np.exp(scores.detach().numpy()) / np.exp(scores.detach().numpy()).sum()
    assert np.allclose(scores.grad.numpy(), probabilities - np.eye(5)[3], atol=1e-14)


# --- limits --------------------------------------------------------------------------------------------------------

MEMORY = next(line for line in SCALAR.declared if defined(line) == c).rhs
SIGNALS = {signal.name: signal for signal in SCALAR.input_terms}


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("signal", ["z_i", "z_f"])
def test_a_limit_with_the_other_end_put_in_is_refused(signal: str, sign: int) -> None:
    right = next(
        step.relation for step in sections(SCALAR, "limits")[0].steps if step.relation.lhs == Limit(MEMORY, SIGNALS[signal], sign)
    )
    wrong = equation(Limit(MEMORY, SIGNALS[signal], -sign), right.rhs)
    assert limits.decide(right).ok and limits.far_out(right) < 1e-12
    assert not limits.decide(wrong).ok and limits.far_out(wrong) > 1e-3


def test_nothing_enters_memory_wiped_output_closed() -> None:
    found = {str(step.relation) for step in sections(SCALAR, "limits")[0].steps}
    assert any(line.startswith("lim[z_i[t] -> -oo]") and line.endswith("= c[t-1] @ f(z_f[t])") for line in found)
    assert any(line.startswith("lim[z_f[t] -> -oo]") and line.endswith("= g(z[t]) @ f(z_i[t])") for line in found)
    assert "lim[z_o[t] -> -oo] h(c[t]) @ f(z_o[t]) = 0" in found
    assert any(line.endswith("= c[t-1]") for line in found), "shut in, wide open over time: memory kept"


# --- growth ----------------------------------------------------------------------------------------------------------


def test_a_stage_is_the_one_before_only_where_the_added_weights_are_zero() -> None:
    (section,) = sections(zoo.LSTM, "growth")
    conditional = [step.relation for step in section.steps if step.relation.condition is not None]
    assert len(conditional) == 7  # four signals with recurrence, three with peepholes
    for line in conditional:
        assert Proof(section.about).decide(line).ok
        assert not Proof(section.about).decide(equation(*line.terms)).ok
        assert not on_sequence(Sequence(section.about), equation(*line.terms)).ok


# --- sampling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        equation(Expectation(s @ c.prev + i @ g, s), c.prev + i @ g),
        equation(Variance(s @ c.prev + i @ g, s), f @ (1 - f) @ c.prev),
        equation(Variance(s, s), f),
        equation(Expectation(tanh(s @ c.prev), s), tanh(f @ c.prev)),
    ],
)
def test_a_wrong_moment_is_refused(line: Relation) -> None:
    assert not chances.decide(line).ok
    assert chances.difference(line) > 1e-3


def test_the_cell_in_expectation_is_the_unit_with_its_gate() -> None:
    expected = next(step.relation for step in sections(zoo.LSTM, "sampling")[0].steps if step.name == "expected step")
    assert expected.rhs == sampling.UNIT.declared[0].rhs


# --- what stands beside the lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell, topic, name, said",
    [
        ("lstm-peephole", "shapes", "size of p_i, p_f, p_o", "elementwise in z_i[t], z_f[t], z_o[t]"),
        ("lstm-fgr", "shapes", "size of R_ii, R_fi, R_oi", "each takes one of i[t-1], f[t-1], o[t-1] to a vector of length n"),
        ("rnn", "gradients", "adjoint of h_prev", "U multiplies h[t-1] here"),
        ("rnn", "gradients", "adjoint of W", "W multiplies x[t] here"),
        ("mgu", "gradients", "adjoint of f", "three paths leave f[t], two of them through h[t]"),
        ("gru", "gradients", "adjoint of z", "two paths leave z[t], both through h[t]"),
        ("slstm", "gradients", "adjoint of n", "two paths leave n[t]; quotient rule on c[t]/n[t]"),
        ("gru", "forward", "definition of z_g", "affine in x[t], r[t] * h[t-1]"),
        ("gru-reset-after", "forward", "definition of z_g", "from x[t], r[t], h[t-1]"),
        ("lstm-nfg", "flow", "direct path of c", "that summand of c[t]; diag(ones(n)) is the identity matrix"),
        ("minlstm", "flow", "bound of the direct path of h", "shares lie in (0, 1)"),
    ],
)
def test_the_reason_names_what_it_means(cell: str, topic: str, name: str, said: str) -> None:
    steps = [step for part in sections(zoo.cell(cell), topic) for step in part.steps if f"{step.name},".startswith(f"{name},")]
    assert plain_prose(steps[0].reason) == said


@pytest.mark.parametrize("second, bounded", [("\\sigma", True), ("\\exp", True), ("\\tanh", False)])
def test_a_share_of_positive_numbers_alone_has_a_bound(second: str, bounded: bool) -> None:
    text = rf"""$$a_t = \sigma(W x_t)$$ $$b_t = {second}(V x_t)$$ $$s_t = \frac{{a_t}}{{a_t + b_t}}$$
    $$h_t = s_t \odot h_{{t-1}} + Z x_t$$"""
    own = sl.Cell.from_latex(text, states="h_t", inputs="x_t")
    (section,) = sections(own, "flow")
    bounds = [step.relation for step in section.steps if step.kind == "bound"]
    assert bool(bounds) == bounded
    assert any(isinstance(block, Prose) and "No bound" in plain_prose(block) for block in section.blocks) != bounded
    direct = next(step.relation for step in section.steps if step.name == "direct path of h over time")
    product = direct.rhs
    assert isinstance(product, Prod)
    lengths = Prod(product.index, product.lower, product.upper, Norm(product.body))
    claim = relation(Norm(direct.lhs), "<=", lengths, "<", 1, condition=relation(Sym("t"), ">", Sym("k")))
    assert bounds == ([claim] if bounded else [])
    assert decide_bound(Proof(own), claim).ok == bounded
