"""A document under one of its readings, and what became of a relation under one reading of a formula."""

from __future__ import annotations

from dataclasses import dataclass

from symlstm.claims.judging.values import Layout, Reading
from symlstm.claims.judging.verdicts import Word
from symlstm.claims.models.runs import Run
from symlstm.claims.models.sizes import Sizes
from symlstm.definitions.meanings import Theory


@dataclass(frozen=True, slots=True)
class Case:
    """A document under one of its readings: the theory, its sizes, two runs, and how deltas are taken.

    `layout` is that of derivatives where nothing else is looked for.
    """

    theory: Theory
    sizes: Sizes
    runs: tuple[Run, ...]
    before: bool = False
    declared: bool = False
    words: str = ""
    direct: bool = False
    layout: Layout = "column"


@dataclass(slots=True)
class Outcome:
    """What became of one relation under one reading: for each link whether it held, and where it did not."""

    reading: Reading
    good: list[list[int]]
    bad: list[list[int]]
    misfits: list[str]
    words: str = ""
    alive: bool = False  # whether any side was ever different from zero
    far: bool = False  # whether a bound holds but where everything is large
    spread: bool = False  # whether a number stood for a constant array in a sum

    @property
    def fits(self) -> bool:
        """Whether all shapes agree."""
        return not any(self.misfits)

    @property
    def true(self) -> bool:
        """Whether every link holds wherever it exists."""
        return self.fits and not any(self.bad) and all(self.good)

    def link(self, k: int) -> Word:
        """What to say of one link."""
        return "wrong" if self.misfits[k] or self.bad[k] else "right"

    @property
    def score(self) -> tuple[int, int]:
        """How far one gets along the chain."""
        first = next((k for k in range(len(self.good)) if self.link(k) == "wrong"), len(self.good))
        return int(self.fits), first
