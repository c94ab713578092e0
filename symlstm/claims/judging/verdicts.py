"""What is said of a formula: right, wrong, ambiguous or unreadable, why, and what the rest of the house needs to say more.

A `Verdict` is a plain record. `claim` keeps what was judged: the statement as read, the document's source and theory, and
the reading under which it was judged, so that a repair can be searched for and printed in the author's notation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from symlstm.claims.judging.judgement import Case, Judged

Word = Literal["right", "wrong", "ambiguous", "unreadable"]


@dataclass(frozen=True, slots=True)
class Link:
    """One comparison of a chain, as LaTeX or plain text, and whether it holds."""

    latex: str
    verdict: Word


@dataclass(frozen=True, slots=True)
class Outlook:
    """One reading of a formula: its name in words, and whether the formula is right under it."""

    words: str
    verdict: Word


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one formula of a document."""

    line: int
    number: int
    tag: str | None
    role: Literal["claim", "definition"]
    latex: str
    verdict: Word
    method: str = ""
    reason: str = ""
    links: tuple[Link, ...] = ()
    readings: tuple[Outlook, ...] = ()
    warnings: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()
    counterexample: dict[str, Any] | None = None
    file: str = ""
    judged: Judged | None = field(default=None, compare=False, repr=False)
    case: Case | None = field(default=None, compare=False, repr=False)

    @property
    def fix(self) -> str | None:
        """The first repair."""
        return self.fixes[0] if self.fixes else None

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data, for JSON."""
        return {
            "file": self.file, "line": self.line, "number": self.number, "tag": self.tag, "role": self.role, "latex": self.latex,
            "verdict": self.verdict, "links": [{"latex": each.latex, "verdict": each.verdict} for each in self.links],
            "method": self.method, "reason": self.reason, "fix": self.fix, "fixes": list(self.fixes),
            "counterexample": self.counterexample,
            "readings": [{"reading": each.words, "verdict": each.verdict} for each in self.readings],
            "warnings": list(self.warnings),
        }  # fmt: skip

    def _repr_markdown_(self) -> str:
        tag = f"({self.tag})" if self.tag else f"line {self.line}"
        return f"**{self.verdict}** {tag} $${self.latex}$$ {self.reason}"
