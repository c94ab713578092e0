"""What `symlstm build` writes: one chapter a cell, as .tex and .md, and an index of them.

The files hold no measured value, date or version, so that they are the same byte for byte wherever they are made, by
however many processes. Chapters have nothing to do with one another: each process takes the heaviest that is left.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from symlstm import zoo
from symlstm.algebra import NotValid, SymlstmError
from symlstm.derivation import derive
from symlstm.evidence.report import Report, read_back, verify
from symlstm.notation import HOUSE, Notation

INDEX = "README.md"


@dataclass(frozen=True, slots=True)
class Chapter:
    """The derivations of one cell: the two files, what was shown of them, and which process made it in how many seconds."""

    cell: str
    title: str
    files: dict[str, str]
    report: Report
    misread: tuple[str, ...]
    process: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every relation holds, and both files say what the derivation says."""
        return self.report.ok and not self.misread


Progress = Callable[[Chapter, int, int], None]


def chapter(name: str, notation: Notation = HOUSE) -> Chapter:
    """Derive a cell, verify every relation of it, and write it down in a notation.

    The evidence is gathered first, then the texts that say so are written, and both are read back as they stand.
    """
    start = perf_counter()
    derivation = derive(name, notation=notation)
    report = verify(derivation)
    files = {f"{name}.tex": derivation.latex(report), f"{name}.md": derivation.markdown(report)}
    misread = tuple(
        f"{file}: {found.note}"
        for file, text in files.items()
        for found in read_back(derivation, text, "tex" if file.endswith(".tex") else "md")
        if not found.ok
    )
    return Chapter(name, derivation.cell.title, files, report, misread, os.getpid(), perf_counter() - start)


def _sent(name: str, notation: Notation) -> Chapter:
    """A chapter without what another process does not need; one that cannot be made says why."""
    try:
        made = chapter(name, notation)
    except SymlstmError as error:
        return Chapter(name, name, {}, Report(name, ()), (f"{name}: {error}",), os.getpid())
    return replace(made, report=Report(name, made.report.rows))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chapters(
    names: Iterable[str] | None = None,
    jobs: int | None = None,
    progress: Progress = lambda made, done, total: None,
    notation: Notation = HOUSE,
) -> list[Chapter]:
    """The chapters of the zoo, in its order, made by so many processes (as there are processors, if None).

    `progress` is told of each chapter when it is there, with the count of those done and of all. Raises `NotValid` for the
    name of a cell that there is not, and for a count of processes below 1.
    """
    wanted = list(zoo.cells() if names is None else dict.fromkeys(names))
    jobs = processors() if jobs is None else jobs
    if jobs < 1:
        raise NotValid("At least one process makes the chapters.", f"jobs = {jobs}", "1 or more")
    heaviest = sorted(wanted, key=lambda name: -_weight(name))
    made: dict[str, Chapter] = {}
    send = partial(_sent, notation=notation)
    for each in map(send, heaviest) if min(jobs, len(wanted)) == 1 else _spread(send, heaviest, jobs):
        made[each.cell] = each
        progress(each, len(made), len(wanted))
    return [made[name] for name in wanted]


def _weight(name: str) -> int:
    """What a chapter costs grows with the equations and the states."""
    cell = zoo.cell(name)
    return len(cell.named) * len(cell.state_terms)


def _spread(send: Callable[[str], Chapter], names: list[str], jobs: int) -> Iterator[Chapter]:
    """The chapters as they come from several processes. They are started fresh: a copy of this one might hold threads.

    What a process has imported it keeps: its collector need not go through all of that again and again.
    """
    with ProcessPoolExecutor(min(jobs, len(names)), mp_context=get_context("spawn"), initializer=gc.freeze) as pool:
        yield from (each.result() for each in as_completed([pool.submit(send, name) for name in names]))


def index(made: Iterable[Chapter], notation: Notation = HOUSE) -> str:
    """The index, as Markdown: a table a family."""
    chapter_of = {each.cell: each for each in made}
    ours = notation.name == HOUSE.name
    said = "" if ours else f"In the notation `{notation.name}`{f', after {notation.source}' if notation.source else ''}. "
    said += f"Written by `symlstm build{'' if ours else f' --notation {notation.name}'}`. "
    said += "Every relation was proved, checked in numbers, and read back from the file."
    lines = ["# Derivations", "", said]
    for family, cells in zoo.FAMILIES.items():
        lines += ["", f"## {family}", "", "| cell | as a page | as LaTeX | relations | source |", "|---|---|---|---|---|"]
        for cell in cells:
            if cell.name in chapter_of:
                name, count = cell.name, len(chapter_of[cell.name].report.rows)
                lines.append(f"| {cell.title} | [{name}.md]({name}.md) | [{name}.tex]({name}.tex) | {count} | {cell.source} |")
    return "\n".join(lines) + "\n"


def files(made: list[Chapter], with_index: bool = True, notation: Notation = HOUSE) -> dict[str, str]:
    """Every file of a build: name -> text."""
    found: dict[str, str] = {}
    for each in made:
        found |= each.files
    return found | ({INDEX: index(made, notation)} if with_index else {})


def differences(folder: Path, wanted: dict[str, str]) -> list[str]:
    """The files of a folder that are missing or not as a build would write them now."""
    found = []
    for name, text in wanted.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{path} is missing")
        elif path.read_bytes() != text.encode():
            found.append(f"{path} is not what a build writes now")
    return found


def write(folder: Path, wanted: dict[str, str]) -> None:
    """Write the files of a build."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in wanted.items():
        (folder / name).write_bytes(text.encode())
