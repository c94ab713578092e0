"""Which derivations there are: a table, in the order in which a chapter has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symlstm.algebra import NotValid
from symlstm.model import Cell
from symlstm.prose import nearest
from symlstm.steps import Section
from symlstm.topics import activations, bptt, flow, forward, gradients, growth, head, limits, sampling, sizes

TOPICS: dict[str, Callable[[Cell], Section]] = {
    "shapes": sizes.section,
    "forward": forward.section,
    "activations": activations.section,
    "gradients": gradients.section,
    "bptt": bptt.section,
    "flow": flow.section,
}


@dataclass(frozen=True, slots=True)
class Further:
    """A topic that not every chapter has: what makes its sections, and the cells whose chapters have it."""

    make: Callable[[Cell], tuple[Section, ...]]
    chapters: tuple[str, ...]


FURTHER: dict[str, Further] = {
    "head": Further(head.section, ("lstm",)),
    "sampling": Further(sampling.section, ("lstm",)),
    "limits": Further(limits.section, ("scalar",)),
    "growth": Further(growth.section, ("scalar-row",)),
}
WORKED = "worked"  # needs numbers, so it is made on request only
NAMES = (*TOPICS, *FURTHER, WORKED)


def sections(cell: Cell, topic: str | None) -> tuple[Section, ...]:
    """The sections of one topic, or of all that the cell's chapter has.

    Raises `NotValid` for a topic that does not exist, or that the cell has nothing for.
    """
    if topic is None:
        more = (section for each in FURTHER.values() if cell.name in each.chapters for section in each.make(cell))
        return (*(make(cell) for make in TOPICS.values()), *more)
    if topic in FURTHER:
        return FURTHER[topic].make(cell)
    if topic not in TOPICS:
        raise NotValid("There is no topic of this name.", repr(topic), nearest(topic, NAMES))
    return (TOPICS[topic](cell),)
