"""Topic `sampling`: a gate read as a draw. In expectation, and for one step only, it is the gate.

One unit, so every quantity is a number. `u_t` is drawn uniformly from (0, 1); `s_t` is 1 where u_t is below f_t, else 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.activations import tanh
from symlstm.algebra import Expectation, Prime, Relation, Variance, equation, quantities, term
from symlstm.model import Cell
from symlstm.prose import Prose, prose
from symlstm.steps import Block, Section, Step
from symlstm.zoo.letters import c, f, g, h, i

TOPIC, TITLE = "sampling", "A gate read as a draw"
s, u = quantities("s u")

UNIT = Cell(
    name="unit",
    title="One unit, its gates given",
    inputs=(f, i, g, u, s),
    states=(c,),
    equations=(equation(c, f @ c.prev + i @ g),),
    words={"s": "draw", "u": "uniform", "f": "chance"},
    sizes={name: (term(1),) for name in ("c", "f", "i", "g", "u", "s")},
)


def section(_: Cell) -> tuple[Section, ...]:
    """Expectation and variance of one step that forgets by a draw, of two steps, and through the output's tanh."""
    return (Section(TOPIC, TITLE, tuple(_blocks()), about=UNIT),)


def _step(name: str, line: Relation, why: Prose) -> Step:
    return Step(TOPIC, name, "expectation", line, why)


def _blocks() -> Iterator[Block]:
    step = s @ c.prev + i @ g
    yield prose(
        "The LSTM does not sample: a gate is a number between {} and {}, and multiplies. But one may read it as a chance. Draw "
        "{} uniformly between {} and {}, and keep the memory where {} is less than {}: let {} be {} then, and {} otherwise. In "
        "this section everything is one unit, so every quantity is a number.",
        *(term(0), term(1), u, term(0), term(1), u, f, s, term(1), term(0)),
    )
    below = Prime("relu", f - u)
    why = prose("{} is 1 where {} is below {}, else 0", below, u, f)
    yield _step("chance of keeping", equation(Expectation(below, u), f), why)
    yield _step("expected s", equation(Expectation(s, s), f), prose("1 with chance {}, else 0", f))
    yield _step("expected step", equation(Expectation(step, s), f @ c.prev + i @ g), prose("the gate of the LSTM"))
    yield _step("variance of s", equation(Variance(s, s), f @ (1 - f)), prose("{} is {}", s**2, s))
    yield _step(
        "variance of the step",
        equation(Variance(step, s), f @ (1 - f) @ c.prev**2),
        prose("largest for a gate half open, none for one fully open or shut"),
    )
    yield prose(
        "Over two steps the draws are independent, and the expected share that is kept is the product of the gates, as long as "
        "the gates do not depend on what was drawn. In an LSTM they do: they read {}, which was computed from {}. So this is "
        "where the reading ends.",
        *(h.prev, c.prev),
    )
    both = s @ s.prev @ c.prev.prev
    kept = f @ f.prev @ c.prev.prev
    yield _step("two steps", equation(Expectation(Expectation(both, s), s.prev), kept), prose("one draw after the other"))
    yield _step(
        "through tanh",
        equation(Expectation(tanh(s @ c.prev), s), f @ tanh(c.prev)),
        prose("and not {}: the expected output is not the output of the expected memory", tanh(f @ c.prev)),
    )
