"""What is proved of claims that are right: a floor for its share, and laws. A proof never contradicts the numbers.

`python tests/test_exactness.py` prints which claims of the corpus are proved, and which stay numeric.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import QQ, ring

from symlstm import zoo
from symlstm.algebra import Relation, equation
from symlstm.claims.checking import check_relation, judged
from symlstm.claims.exactness.proving import Contradiction, shown
from symlstm.claims.judging.cases import Case
from symlstm.claims.judging.judgement import judge
from symlstm.claims.judging.values import Reading
from symlstm.claims.judging.verdicts import Verdict
from symlstm.evidence.polynomials import Packed
from symlstm.mistakes import edits
from symlstm.topics import sections
from tests.places import CORPUS

FLOOR = 0.9  # of the right claims of the corpus, those that are proved
RNN = r"$$ z_t = W x_t + U h_{t-1} + b $$ $$ h_t = \tanh(z_t) $$ $$ y_t = V h_t $$"
LOSS = r"$$ p_t = \mathrm{softmax}(y_t) $$ $$ L_t = -\sum_k q_{t,k} \log p_{t,k} $$ $$ L = \sum_{t=1}^{T} L_t $$"


def right() -> list[Verdict]:
    """The claims of the corpus that are right."""
    return [each for path in sorted(CORPUS.glob("*-*.md")) for each in judged(path) if each.verdict == "right"]


@pytest.mark.corpus
def test_most_right_claims_of_the_corpus_are_proved() -> None:
    found = right()
    assert sum(each.method == "exact" for each in found) >= FLOOR * len(found), [
        each.latex for each in found if each.method != "exact"
    ]


EXACT = {
    "a gradient of one step": (RNN, r"\frac{\partial L}{\partial z_t} = (1 - h_t^2) \odot \frac{\partial L}{\partial h_t}"),
    "a recurrence": (RNN, r"\frac{\partial L}{\partial h_{t-1}} = \frac{\partial L_{t-1}}{\partial h_{t-1}} + U^\top \left((1 - h_t^2) \odot \frac{\partial L}{\partial h_t}\right)"),
    "a sum over the steps": (RNN, r"\frac{\partial L}{\partial U} = \sum_{t=1}^{T} \left((1 - h_t^2) \odot \frac{\partial L}{\partial h_t}\right) h_{t-1}^\top"),
    "a Jacobian": (RNN, r"\frac{\partial h_t}{\partial h_{t-1}} = \mathrm{diag}(1 - h_t^2) U"),
    "softmax and cross entropy": (RNN + LOSS, r"\frac{\partial L}{\partial y_t} = p_t - q_t"),
    "a head's gradient": (RNN + LOSS, r"\frac{\partial L}{\partial V} = \sum_{t=1}^{T} (p_t - q_t) h_t^\top"),
    "an open number of steps": (RNN, r"\frac{\partial L_t}{\partial h_k} = \left(\frac{\partial h_t}{\partial h_k}\right)^\top \frac{\partial L_t}{\partial h_t}"),
    "a function": ("", r"\sigma'(x) = \sigma(x)(1 - \sigma(x))"),
    "a bound": ("", r"\tanh'(x) \le 1"),
    "a largest value": ("", r"\max_x \sigma'(x) = \frac14"),
    "rational numbers": ("", r"\begin{bmatrix}1 & 2 \\ 3 & 4\end{bmatrix} \begin{bmatrix}1 \\ \frac12\end{bmatrix} = \begin{bmatrix}2 \\ 5\end{bmatrix}"),
    "two forms of a definition": (RNN, r"h_t = \tanh(b + U h_{t-1} + W x_t)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", EXACT)
def test_what_is_proved(kind: str) -> None:
    cell, claim = EXACT[kind]
    [verdict] = judged(f"{cell} $$ {claim} \\tag{{1}} $$")
    assert (verdict.verdict, verdict.method) == ("right", "exact"), verdict.reason
    assert verdict.reason


NUMERIC = {
    "sigma of a number": r"\sigma(1) \approx 0.73",
    "no rational number": r"\tanh(20) = 1",
}


@pytest.mark.parametrize("claim", NUMERIC.values(), ids=NUMERIC)
def test_what_rounds_stays_numeric(claim: str) -> None:
    [verdict] = judged(f"$$ {claim} \\tag{{1}} $$")
    assert verdict.method == "numeric"


def relations(name: str) -> list[Relation]:
    """The equations of a cell's derivations."""
    steps = (step for topic in ("gradients", "bptt") for step in sections(zoo.cell(name), topic)[0].steps)
    return list(dict.fromkeys(step.relation for step in steps if step.kind == "identity"))


def decided(case: Case, line: Relation) -> bool | None:
    """Whether the ring proves a relation; None where it does not decide."""
    try:
        return bool(shown(case, line, Reading())) or None
    except Contradiction:
        return False


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_the_ring_never_contradicts_the_numbers(name: str) -> None:
    """Originals are proved; of the mutants those that the numbers refuse are never proved, and no right one is refuted."""
    cell, draw, found = zoo.cell(name), random.Random(3), []
    for line in relations(name):
        verdict = check_relation(line, cell)
        assert verdict.case is not None and verdict.method == "exact", line
        mutants = [equation(line.lhs, rhs) for _, rhs in edits(line, cell)]
        for mutant in draw.sample(mutants, min(len(mutants), 6)):
            exact = decided(verdict.case, mutant)
            assert exact is None or (judge(verdict.case, mutant).verdict == "right") == exact, mutant
            found.append(exact)
    assert found.count(False) > len(found) / 3


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(-3, 3)), max_size=12))
def test_packed_polynomials_are_those_of_sympy(steps: list[tuple[int, int, int]]) -> None:
    _, *theirs = ring("a,b,c", QQ)
    packed = Packed()
    ours: list[Any] = [packed.generator((k,)) for k in range(3)]
    left, right = [*ours, *ours], [*theirs, *theirs]
    for j, k, factor in steps:
        left[j] = left[j] * left[k] * Fraction(factor, 2) - left[k] if len(left[j].terms) < 30 else left[k]
        right[j] = right[j] * right[k] * QQ(factor, 2) - right[k] if len(right[j]) < 30 else right[k]
    for one, other in zip(left, right, strict=True):
        assert len(one.terms) == len(other)
        assert one == sum((_monomial(ours, powers) * Fraction(int(c.numerator), int(c.denominator)) for powers, c in other.terms() if c), packed.element(0))


def _monomial(generators: list[Any], powers: tuple[int, ...]) -> Any:
    total: Any = 1
    for generator, power in zip(generators, powers, strict=True):
        total = total * generator**power
    return total


if __name__ == "__main__":
    every = right()
    for each in every:
        print(f"{each.method:8} {each.latex[:120]}")
    print(f"{sum(each.method == 'exact' for each in every)} of {len(every)} right claims are proved")


@pytest.mark.parametrize(
    ("cell", "claim", "word"),
    [
        ("rnn", r"|h_t| = \max(h_t, -h_t)", "in every case of abs(h[t])"),
        ("rnn-relu", r"h_t = \max(0, W x_t + U h_{t-1} + b)", "at every step"),
        ("slstm", r"m_t = \max(\tilde{i}_t, \tilde{f}_t + m_{t-1})", "in every case of max("),
        ("mlstm", r"\frac{\partial L}{\partial W_k} = \frac{1}{\sqrt{n}} \sum_{t=1}^{T} \delta k_t x_t^\top", "term by term"),
        ("lstm-layernorm", r"s_{i,t} s_{i,t} = v_{i,t}", "at every step"),
    ],
)
def test_beyond_polynomials(cell: str, claim: str, word: str) -> None:
    """Maxima and kinks by cases, which the reason names; roots by their squares; a factor before a sum over all steps."""
    [verdict] = judged(f"<!-- cell: {cell} --> $$ {claim} \\tag{{1}} $$")
    assert verdict.method == "exact" and word in verdict.reason


def test_a_case_that_differs_is_not_proved() -> None:
    """A larger value is not the sum, and the smaller one is another."""
    for claim in (r"|h_t| = h_t", r"\max(h_t, -h_t) = \max(h_t, 0)"):
        [verdict] = judged(f"<!-- cell: rnn --> $$ {claim} \\tag{{1}} $$")
        assert verdict.verdict == "wrong"
