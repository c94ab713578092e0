"""What `symlstm build` writes: one chapter a cell, as .tex and .md, and an index of them.

The files hold no measured value, date or version, so that they are the same byte for byte wherever they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from symlstm import zoo
from symlstm.derivation import derive
from symlstm.evidence.report import Report, read_back, verify

INDEX = "README.md"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Chapter:
    """The derivations of one cell: the two files, and what was shown of them."""

    cell: str
    title: str
    files: dict[str, str]
    report: Report
    misread: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every relation holds, and both files say what the derivation says."""
        return self.report.ok and not self.misread


def chapter(name: str) -> Chapter:
    """Derive a cell, verify every relation of it, and write it down.

    The evidence is gathered first, then the texts that say so are written, and both are read back as they stand.
    """
    derivation = derive(name)
    report = verify(derivation)
    files = {f"{name}.tex": derivation.latex(report), f"{name}.md": derivation.markdown(report)}
    misread = tuple(
        f"{file}: {found.note}"
        for file, text in files.items()
        for found in read_back(derivation, text, "tex" if file.endswith(".tex") else "md")
        if not found.ok
    )
    return Chapter(name, derivation.cell.title, files, report, misread)


def chapters(names: Iterable[str] | None = None, progress: Progress = lambda _: None) -> Iterator[Chapter]:
    """The chapters of the zoo, one after the other; `progress` is told of each before it is made."""
    for name in names if names is not None else zoo.cells():
        progress(name)
        yield chapter(name)


def index(made: Iterable[Chapter]) -> str:
    """The index, as Markdown."""
    lines = [
        "# Derivations",
        "",
        "Written by `symlstm build`. Every relation was proved, checked in numbers, and read back from the file.",
        "",
        "| cell | as a page | as LaTeX | relations |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {each.title} | [{each.cell}.md]({each.cell}.md) | [{each.cell}.tex]({each.cell}.tex) | {len(each.report.rows)} |"
        for each in made
    ]
    return "\n".join(lines) + "\n"


def files(made: list[Chapter]) -> dict[str, str]:
    """Every file of a build: name -> text."""
    found: dict[str, str] = {}
    for each in made:
        found |= each.files
    return found | {INDEX: index(made)}


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
