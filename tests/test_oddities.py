"""Odd names are pointed out and change no verdict; a definition that goes on as a chain is judged; a bound needs its constants."""

from __future__ import annotations

import pytest

from symlstm.claims.checking import judged
from symlstm.claims.proofreading import proofread
from symlstm.definitions.pages import Page

GATES = "".join(
    rf"$$ {gate}_t = {function}(W_{{x{gate}}} x_t + W_{{h{mark}}} h_{{t-1}}) $$"
    for gate, mark, function in (("i", "i", r"\sigma"), ("f", "f", r"\sigma"), ("o", "o", r"\sigma"), ("g", "%s", r"\tanh"))
)
LSTM = GATES + r"$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t $$ $$ h_t = o_t \odot \tanh(c_t) $$"
RNN = r"$$ h_t = \tanh(W x_t + U h_{t-1}) $$"


def claim(mark: str) -> str:
    slope = r"\frac{\partial L}{\partial g_t} \odot (1 - g_t^2)"
    return rf"$$ \frac{{\partial L}}{{\partial W_{{h{mark}}}}} = \sum_{{t=1}}^T ({slope}) h_{{t-1}}^\top \tag{{1}} $$"


@pytest.mark.parametrize(("defined", "claimed", "warned"), [("g", "g", False), ("c", "c", True), ("g", "c", True)])
def test_an_odd_name_in_a_family_is_a_warning(defined: str, claimed: str, warned: bool) -> None:
    [verdict] = judged(LSTM % defined + claim(claimed))
    assert verdict.verdict == ("right" if defined == claimed else "unreadable")
    assert any("W_hc" in words for words in verdict.warnings) == warned


def test_a_definition_with_an_odd_name_has_the_warning_too() -> None:
    found = proofread(Page("", LSTM % "c", "md")).verdicts
    assert [any("W_hc" in words for words in each.warnings) for each in found] == [False, False, False, True, False, False]


CHAINS = {
    "both links hold": (RNN + r"$$ z_t = W x_t + U h_{t-1} = U h_{t-1} + W x_t $$", []),
    "the second does not": (RNN + r"$$ s_t = W x_t + U h_{t-1} = U h_{t-1} - W x_t $$", [("claim", "wrong")]),
    "a function": (r"$$ \sigma(x) = \frac{1}{1 + e^{-x}} = \frac{e^x}{1 - e^x} $$", [("claim", "wrong")]),
}


@pytest.mark.parametrize("kind", CHAINS)
def test_a_definition_that_goes_on_as_a_chain_is_judged(kind: str) -> None:
    text, expected = CHAINS[kind]
    found = judged(text)
    assert [(each.role, each.verdict) for each in found] == expected
    assert all("second equality" in each.reason for each in found)


def test_a_constant_that_is_not_defined_is_named() -> None:
    bound = r"$$ \left\lVert \frac{\partial h_t}{\partial h_k} \right\rVert \le (\gamma \lVert U \rVert)^{t-k} \tag{1} $$"
    [verdict] = judged(RNN + bound)
    assert verdict.verdict == "unreadable" and "gamma is not defined" in verdict.reason
