"""Which derivations there are: a table, in the order in which a chapter has them."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from symlstm.algebra import NotValid
from symlstm.model import Cell
from symlstm.steps import Section
from symlstm.topics import activations, bptt, flow, forward, gradients, sizes

TOPICS: dict[str, Callable[[Cell], Section]] = {
    "shapes": sizes.section,
    "forward": forward.section,
    "activations": activations.section,
    "gradients": gradients.section,
    "bptt": bptt.section,
    "flow": flow.section,
}
WORKED = "worked"  # needs numbers, so it is made on request only


def sections(cell: Cell, topic: str | None) -> tuple[Section, ...]:
    """The sections of one topic, or of all. Raises `NotValid` for a topic that does not exist."""
    if topic is None:
        return tuple(make(cell) for make in TOPICS.values())
    if topic not in TOPICS:
        near = get_close_matches(str(topic), (*TOPICS, WORKED), n=1)
        raise NotValid("There is no topic of this name.", repr(topic), near[0] if near else ", ".join((*TOPICS, WORKED)))
    return (TOPICS[topic](cell),)
