r"""The nearest right formula: edits of a wrong right side, smallest first, each verified by the judge.

One edit is tried at every place, then two of them; candidates are compared with the left side in numbers and only what
agrees is judged. What no small edit repairs is replaced by the formula that is derived (`symlstm.claims.repairs.paths`). In a
chain the right side of the first false link is edited, then that of the next.

>>> from symlstm.claims.checking import Document
>>> from symlstm.definitions.sources import source
>>> text = r"$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t $$ $$ \frac{\partial c_t}{\partial g_t} = \mathrm{diag}(f_t) \tag{1} $$"
>>> document = Document(source(text))
>>> print(diagnose(document.verdict(document.source.statements[1]), document).fix)
\frac{\partial c_t}{\partial g_t} = \mathrm{diag}(i_t)
"""

from __future__ import annotations

from dataclasses import replace

from symlstm.algebra import (
    Relation,
)  # fmt: skip
from symlstm.claims.checking import Document
from symlstm.claims.judging.verdicts import Verdict
from symlstm.claims.repairs.counterexamples import counterexample
from symlstm.claims.repairs.doctors import Doctor
from symlstm.claims.repairs.searching import Repair, Search, canonical


def diagnose(verdict: Verdict, document: Document) -> Verdict:
    """A wrong verdict with its repairs, a counterexample, and the edit in words; any other verdict as it is."""
    if verdict.verdict != "wrong":
        return verdict
    statement = next((each for each in document.source.statements if each.number == verdict.number), None)
    line = verdict.judged.line if verdict.judged is not None else None
    if line is None and statement is not None and len(statement.relations) == 1:
        line = statement.relations[0]
    if line is None:
        return verdict
    found = nearest(line, document)
    shown = counterexample(document.cases[0], line, verdict.judged.outcome if verdict.judged is not None else None)
    reason = verdict.reason
    if found:
        reason = f"{reason.rstrip('.')}. {_sentence(found[0])}"
    else:
        reason = (
            f"{reason.rstrip('.')}. No small edit makes it right, and the right formula could not be written in this notation."
        )
    return replace(verdict, reason=reason, fixes=tuple(each.latex for each in found), counterexample=shown)


def nearest(line: Relation, document: Document) -> list[Repair]:
    """Right formulas near a wrong one, the nearest first."""
    return Search(doctor_of(document), line).found()


def _sentence(repair: Repair) -> str:
    """The edit in words, as a sentence of its own."""
    first = repair.words.partition(" ")[0]
    return (
        f"{repair.words[:1].upper()}{repair.words[1:]}." if first.isalpha() and len(first) > 1 else f"Should be: {repair.words}."
    )


def doctor_of(document: Document) -> Doctor:
    """The document's doctor, made once."""
    known = document.__dict__.get("doctor")
    if known is None:
        known = document.__dict__["doctor"] = Doctor(document)
    return known


__all__ = ["Repair", "canonical", "diagnose", "doctor_of", "nearest"]
