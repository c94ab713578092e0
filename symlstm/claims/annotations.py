r"""An annotated copy of a document: what is said of each claim stands right behind its display, and nothing else changes.

In Markdown a note is a line of a quotation, in LaTeX a line in small type that needs no package. Every note bears a mark,
so that `without` takes the notes out again and leaves the document as it was, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from symlstm.claims.judging.verdicts import Verdict
from symlstm.claims.proofreading import Proof
from symlstm.definitions.pages import Kind

_SIGNS = {"right": "✓", "wrong": "✗", "ambiguous": "?", "unreadable": "–"}
_TEX_SIGNS = {"right": r"$\surd$", "wrong": r"$\times$", "ambiguous": "?", "unreadable": "--"}
_TEX_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": "$<$", ">": "$>$", "|": "$|$",
}  # fmt: skip
_MD_SPECIAL = re.compile(r"([\\`*_\[\]<>#|$~])")
_MARK = "<!-- symlstm -->"


class Style(NamedTuple):
    """How notes look in one language: what stands before, between and behind them, one note, and how to find them again."""

    before: str
    behind: str
    note: Callable[[Verdict], str]
    found: re.Pattern[str]


def annotated(proof: Proof) -> str:
    r"""The document of a proof with a note behind the display of every claim.

    >>> from symlstm.definitions.pages import Page
    >>> from symlstm.claims.proofreading import proofread
    >>> text = r"$$\tanh'(x) = 1 - \tanh(x) \tag{1}$$" "\n"
    >>> copy = annotated(proofread(Page("", text)))
    >>> print(copy.splitlines()[2].partition(" The ")[0])
    > <!-- symlstm -->✗ (1) **wrong**.
    >>> without(copy, "md") == text
    True
    """
    text, style = proof.page.text, STYLES[proof.page.kind]
    places: dict[int, list[str]] = {}
    for verdict in proof.claims:
        places.setdefault(_place(proof, verdict), []).append(style.note(verdict))
    copy, done = [], 0
    for at, notes in sorted(places.items()):
        indent = re.match(r"[ \t>]*", text[text.rfind("\n", 0, at) + 1 : at])[0] if proof.page.kind == "md" else ""  # type: ignore[index]
        added = style.before + "\n".join(indent + note for note in notes) + style.behind
        copy += [text[done:at], added.replace("\n", "\r\n") if text[at : at + 2] == "\r\n" else added]
        done = at
    return "".join([*copy, text[done:]])


def without(text: str, kind: Kind) -> str:
    """A document without the notes of an annotated copy."""
    return STYLES[kind].found.sub("", text)


def _place(proof: Proof, verdict: Verdict) -> int:
    """The end of the line on which the display of a claim ends, in characters of the text as it is."""
    formula, text = proof.statement(verdict).formulas[-1], proof.page.text
    at = formula.end
    if formula.end:  # counts every end of a line as one character
        returns = (match.start() - k for k, match in enumerate(re.finditer("\r\n", text)))
        at += sum(place < formula.end for place in returns)
    else:
        at = sum(len(line) + 1 for line in text.split("\n")[: formula.line - 1])
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return end - 1 if text[max(end - 1, at) : end] == "\r" else end


# --- one note -------------------------------------------------------------------------------------------------


def _words(verdict: Verdict) -> str:
    """What is said, in one line: the reason, and for what can be read two ways both ways."""
    said = [verdict.reason.partition("\n")[0]] if verdict.verdict != "right" else []
    said += [f"{each.words}: {each.verdict}." for each in verdict.readings if verdict.verdict == "ambiguous"]
    return " ".join(" ".join(said).split())


def _head(verdict: Verdict, sign: str, strong: str) -> str:
    tag = f" ({verdict.tag})" if verdict.tag else ""
    return f"{sign}{tag} {strong}."


def _md_note(verdict: Verdict) -> str:
    strong = verdict.verdict if verdict.verdict == "right" else f"**{verdict.verdict}**"
    words = _MD_SPECIAL.sub(r"\\\1", _words(verdict))
    fixes = "".join(f" Right would be ${' '.join(fix.split())}$." for fix in verdict.fixes[:1])
    return " ".join(f"> {_MARK}{_head(verdict, _SIGNS[verdict.verdict], strong)} {words}{fixes}".split())


def _tex_note(verdict: Verdict) -> str:
    strong = verdict.verdict if verdict.verdict == "right" else rf"\textbf{{{verdict.verdict}}}"
    words = "".join(_TEX_ESCAPES.get(character, character) for character in _words(verdict))
    fixes = "".join(f" Right would be ${' '.join(fix.split())}$." for fix in verdict.fixes[:1])
    said = " ".join(f"{_head(verdict, _TEX_SIGNS[verdict.verdict], strong)} {words}{fixes}".split())
    return rf"{{\par\footnotesize\noindent {said}\par}}% symlstm"


STYLES: dict[Kind, Style] = {
    "md": Style("\n\n", "\n", _md_note,
                re.compile(rf"(?:\r?\n){{2}}(?:[ \t>]*> {_MARK}[^\r\n]*\r?\n?)+(?=\r?\n|\Z)")),
    "tex": Style("\n", "", _tex_note, re.compile(r"\r?\n\{\\par\\footnotesize\\noindent [^\r\n]*\\par\}% symlstm")),
}  # fmt: skip
