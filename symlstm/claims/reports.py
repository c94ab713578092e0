r"""What a person reads of a proof: a table of all claims, then every formula that is not right, marked.

A mark is a caret under the sign that is wrong in a chain, or under the character that could not be read.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Any

from symlstm.claims.judging.verdicts import Verdict
from symlstm.claims.proofreading import Proof, relation_signs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

RIGHT, WRONG, UNUSABLE = 0, 1, 2
STYLES = {"right": "green", "wrong": "bold red", "ambiguous": "bold yellow", "unreadable": "bold magenta"}
CODES = {"right": RIGHT, "wrong": WRONG, "ambiguous": WRONG, "unreadable": UNUSABLE}
FIXES = 3  # so many repairs are shown; `--json` has them all
SHOWN = 12  # claims of one kind that follow one another and are not right are folded beyond this many


def code(verdicts: Iterable[Verdict]) -> int:
    """The exit code: 0 all claims are right, 1 one is wrong or ambiguous, else 2 one is unreadable or there is none.

    >>> code([])
    2
    """
    codes = {CODES[each.verdict] for each in verdicts if each.role == "claim" or each.verdict != "right"}
    return WRONG if WRONG in codes else UNUSABLE if UNUSABLE in codes or not codes else RIGHT


def counted(verdicts: Iterable[Verdict]) -> str:
    """How many claims there are of each verdict, in words.

    >>> counted([])
    'no claim'
    """
    found = Counter(each.verdict for each in verdicts)
    total = found.total()
    if not total:
        return "no claim"
    parts = ", ".join(f"{found[word]} {word}" for word in STYLES if found[word])
    return f"{total} claim{'s' * (total > 1)}: {parts}"


def as_json(verdicts: Iterable[Verdict]) -> str:
    """A list with one object per formula."""
    return json.dumps([each.to_dict() for each in verdicts], indent=1, ensure_ascii=False) + "\n"


def printed(proofs: Iterable[Proof], everything: bool = False, plain: bool = False) -> str:
    """The reports of some pages as text for standard output, coloured where that is a terminal, or plain for a file."""
    from io import StringIO

    from rich.console import Console

    screen = Console(highlight=False)
    width = max(screen.width, 60) if not plain else 120
    terminal = screen.is_terminal and not plain
    system: Any = "auto" if terminal else None
    console = Console(file=StringIO(), width=width, force_terminal=terminal, color_system=system, highlight=False, emoji=False)
    for k, proof in enumerate(proofs):
        console.print("\n" * bool(k), end="")
        report(proof, console, everything)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.split("\n"))


def report(proof: Proof, console: Console, everything: bool = False) -> None:
    """Print what is said of a page: a heading, the table, and what is not right in full."""
    shown = proof.verdicts if everything else proof.claims
    console.print(f"{proof.page.name}: {counted(proof.claims)}", style="bold", markup=False, soft_wrap=True)
    if proof.match:
        console.print("; ".join(proof.match), markup=False)
    if not shown:
        console.print(
            "A claim is a displayed formula with a tag, or one about a symbol that is defined before it.", markup=False
        )
        return
    console.print(_table(proof, shown, console.width))
    for verdict in _unfolded([each for each in shown if each.verdict != "right"]):
        console.print()
        for text, style in _details(proof, verdict):
            console.print(text, style=style, markup=False, soft_wrap=True)
    for line in dict.fromkeys(warning for each in shown for warning in each.warnings):
        console.print(f"\nwarning: {line}", style="yellow", markup=False)


# --- the table ------------------------------------------------------------------------------------------------


def _table(proof: Proof, shown: Iterable[Verdict], width: int) -> Table:
    """A row a claim; runs of formulas that cannot be read for the same reason are one row."""
    from rich.table import Table
    from rich.text import Text

    groups = [list(same) for _, same in groupby(shown, key=_alike)]
    tags = max((len(_tag(first)) for first, *_ in groups), default=0)
    repaired = any(first.fix for first, *_ in groups)
    room = width - sum((6, max(tags, 3) + 2, 12))  # what the other columns and their gaps leave
    parts = (0.34, 0.34, 0.32) if repaired else (0.45, 0.55, 0.0)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("line", justify="right", no_wrap=True)
    table.add_column("tag", no_wrap=True)
    table.add_column("formula", no_wrap=True, overflow="ellipsis", width=int(room * parts[0]) - 2)
    table.add_column("verdict", no_wrap=True, width=10)
    table.add_column("reason", width=int(room * parts[1]) - 2)
    if repaired:
        table.add_column("would be right", no_wrap=True, overflow="ellipsis", width=int(room * parts[2]))
    for first, *others in groups:
        reason = _sentence(first) + (f" So with the {len(others)} after it." if others else "")
        cells = [str(first.line), _tag(first), _flat(first.latex), first.verdict, reason]
        cells += [changed(first.latex, first.fix or "")] * repaired
        table.add_row(*(Text(cell, style=STYLES[first.verdict] if k == 3 else "") for k, cell in enumerate(cells)))
    return table


def _alike(verdict: Verdict) -> object:
    return _sentence(verdict) if verdict.verdict == "unreadable" else verdict.number


def _tag(verdict: Verdict) -> str:
    return f"({verdict.tag})" if verdict.tag else ""


def _sentence(verdict: Verdict) -> str:
    """The first line of the reason; of a right claim how it was judged."""
    return verdict.reason.partition("\n")[0] or (verdict.method if verdict.verdict == "right" else "")


def _flat(latex: str) -> str:
    return " ".join(latex.split())


def changed(wrong: str, right: str) -> str:
    r"""A repair from the word on where it differs, for the narrow column of a table.

    >>> changed(r"c_t = f_t \odot c_t + i_t \odot g_t", r"c_t = f_t \odot c_{t-1} + i_t \odot g_t")
    '… c_{t-1} + i_t \\odot g_t'
    """
    before, after = _flat(wrong), _flat(right)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    start = after.rfind(" ", 0, same) + 1
    return f"… {after[start:]}" if start else after


def _unfolded(verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts without those that only repeat what was said of the formulas before them, but for a number."""
    found: list[Verdict] = []
    for _, same in groupby(verdicts, key=lambda verdict: re.sub(r"\d+", "#", _sentence(verdict))):
        found += list(same)[:SHOWN]
    return found


# --- one formula in full --------------------------------------------------------------------------------------

Line = tuple[str, str]


def _details(proof: Proof, verdict: Verdict) -> Iterator[Line]:
    """The lines about a formula that is not right, each with its style."""
    formula = proof.statement(verdict).formulas[0]
    place = f"{proof.page.name}:{formula.line}:{formula.column}"
    yield " ".join(part for part in (place, _tag(verdict), verdict.verdict) if part), STYLES[verdict.verdict]
    if verdict.verdict == "unreadable" and "\n" in verdict.reason:
        yield "  " + verdict.reason.replace("\n", "\n  "), ""
        return
    yield from _marked(proof, verdict)
    yield f"  {verdict.reason}", ""
    if len(verdict.links) > 1:
        yield from ((f"    {each.verdict:10} {each.latex}", STYLES[each.verdict]) for each in verdict.links)
    for each in verdict.readings:
        yield f"    {each.verdict:10} {each.words}", STYLES[each.verdict]
    if verdict.counterexample:
        yield "  for example:", ""
        yield from ((f"    {line}", "") for line in example(verdict.counterexample))
    if verdict.fixes:
        yield "  would be right:", ""
        yield from ((f"    {_flat(fix)}", "green") for fix in verdict.fixes[:FIXES])
    if len(verdict.fixes) > FIXES:
        yield f"    and {len(verdict.fixes) - FIXES} more (--json has them all)", ""


def _marked(proof: Proof, verdict: Verdict) -> Iterator[Line]:
    """The formula, line by line as it stands in the document, with a caret under the first sign that does not hold."""
    at = _wrong_sign(proof, verdict)
    for formula in proof.statement(verdict).formulas:
        start = 0
        for line in formula.text.split("\n"):
            if line.strip():
                yield f"    {line.strip()}", "cyan"
                indent = len(line) - len(line.lstrip())
                if formula is proof.statement(verdict).formulas[0] and start <= at < start + len(line):
                    yield "    " + " " * (at - start - indent) + "^", "bold red"
            start += len(line) + 1


def _wrong_sign(proof: Proof, verdict: Verdict) -> int:
    """Where the sign of the first wrong link stands in the text of a formula; -1 where that is not known."""
    wrong = next((k for k, each in enumerate(verdict.links) if each.verdict == "wrong"), None)
    signs = relation_signs(proof.statement(verdict).formulas[0].text)
    return signs[wrong].start() if wrong is not None and len(signs) == len(verdict.links) else -1


def example(numbers: dict[str, Any]) -> Iterator[str]:
    """A counterexample, a line for each thing that it names.

    >>> list(example({"t": 2, "left": [0.25, -1.0], "right": 0.5}))
    ['t      2', 'left   (0.25, -1)', 'right  0.5']
    """
    width = max(map(len, numbers), default=0)
    for name, value in numbers.items():
        if value not in ({}, [], None):
            yield f"{name:{width}}  {_number(value)}"


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        rows = [", ".join(map(_number, row)) if isinstance(row, (list, tuple)) else _number(row) for row in value]
        return f"({('; ' if value and isinstance(value[0], (list, tuple)) else ', ').join(rows)})"
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_number(each)}" for name, each in value.items())
    return str(value)
