"""The command `symlstm`.

Exit codes: 0 all holds, 1 something is wrong, 2 it could not be read or used (1 goes before 2). What a program may
read goes to standard output; progress and prose about it go to standard error.
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from symlstm.algebra import NotValid, SymlstmError

if TYPE_CHECKING:
    from rich.console import Console

    from symlstm.claims.proofreading import Proof
    from symlstm.evidence.report import Report
    from symlstm.model import Cell

HOLDS, WRONG, UNUSABLE = 0, 1, 2
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Derivations of recurrent cells: proved, exported as LaTeX, read back, and run in NumPy.",
)

CellName = Annotated[
    str,
    typer.Argument(
        metavar="CELL",
        help="The name of a cell (`symlstm cells` lists them), or a file of equations (.md, .tex; - is standard input).",
    ),
]
States = Annotated[
    str, typer.Option(metavar="LIST", help='The states in a file, the output first: "h_t, c_t". Default: what occurs at t-1.')
]
Inputs = Annotated[
    str, typer.Option(metavar="LIST", help='The inputs in a file, such as "x_t". Default: what no equation defines.')
]
InNotation = Annotated[
    str,
    typer.Option(
        "--notation",
        metavar="NAME",
        help="Written in this notation: a name (`symlstm notations` lists them), or a .toml file. Default: symlstm.",
    ),
]
Layers = Annotated[
    int | None,
    typer.Option(metavar="N", help="A network of so many layers of the cell. Default: the cell alone; with the next two, 1."),
]
Bidirectional = Annotated[bool, typer.Option("--bidirectional", help="A network with both directions of time in every layer.")]
Head = Annotated[str, typer.Option(metavar="NAME", help="A network with this on top: linear, sigmoid or softmax.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to FILE, not to standard output.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]


class Format(StrEnum):
    """What a derivation can be written as."""

    tex = "tex"
    md = "md"
    html = "html"


class Copy(StrEnum):
    """What an annotated copy can be."""

    tex = "tex"
    md = "md"


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def _network(cell: Cell, layers: int | None, bidirectional: bool, head: str) -> Cell:
    """The network of a cell that the options ask for; without any, the cell itself."""
    from symlstm.networks import stack

    if layers is None and not bidirectional and not head:
        return cell
    return stack(cell, 1 if layers is None else layers, bidirectional, head or None)


def _cell(name: str, states: str = "", inputs: str = "") -> Cell:
    """The cell that an argument means: a name, a file, or what comes in by standard input."""
    from symlstm import zoo
    from symlstm.definitions import pages
    from symlstm.model import Cell

    if name != "-":
        found = zoo.cell_of(name, states, inputs)
    else:
        page = pages.received(sys.stdin.buffer)
        found = Cell.from_latex(page.text, states, inputs, name="own")
    if found.beside:
        print(f"symlstm: no state needs {', '.join(found.beside)}: not part of the cell {found.name}", file=sys.stderr)
    return found


@app.command()
def cells(as_json: Json = False) -> None:
    """List the cells of the zoo, with their sources and options."""
    from textwrap import wrap

    from symlstm import zoo

    if as_json:
        rows = [
            {"cell": each.name, "title": each.title, "source": each.source, "options": zoo.options(each.name)}
            for each in zoo.ZOO.values()
        ]
        print(json.dumps(rows, indent=1))
        return
    width = max(map(len, zoo.ZOO)) + 2
    for each in zoo.ZOO.values():
        choices = (f"{option}: {', '.join(chosen)}" for option, chosen in zoo.options(each.name).items())
        told = [each.title, *wrap(each.source, 100 - width), *choices]
        print("\n".join(f"{name:{width}}{line}" for name, line in zip([each.name, *[""] * len(told)], told, strict=False)))


@app.command()
def notations(as_json: Json = False) -> None:
    """List the notations, each with a line of the LSTM in it and its source."""
    from symlstm.dialects import NOTATIONS
    from symlstm.prose import prose
    from symlstm.restating import restated
    from symlstm.steps import Step

    rows = []
    for name, notation in NOTATIONS.items():
        lstm = restated("lstm", notation)
        line = Step("", "", "definition", lstm.declared[3], prose(""), shapes=lstm.shapes, notation=notation).latex()
        rows.append({"notation": name, "example": line, "source": notation.source or "our own"})
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    width = max(map(len, NOTATIONS)) + 2
    print("\n".join(f"{row['notation']:{width}}{row['example']}\n{'':{width}}{row['source']}" for row in rows))


@app.command()
def derive(
    cell: CellName,
    topic: Annotated[
        str | None,
        typer.Option(help="One topic: shapes, forward, activations, gradients, bptt, flow or worked. Default: all but worked."),
    ] = None,
    values: Annotated[Path | None, typer.Option(help="For the topic worked: a JSON file with the arrays by name.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="For the topic bptt: write the recurrences out for so many of the last steps.")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="tex, md or html. Default: by the ending of FILE, else tex.")
    ] = None,
    output: Output = None,
    notation: InNotation = "symlstm",
    layers: Layers = None,
    bidirectional: Bidirectional = False,
    head: Head = "",
    states: States = "",
    inputs: Inputs = "",
) -> None:
    """Derive the equations of a cell or of a network of it, and print them as a document."""
    from symlstm.derivation import derive as derive_cell
    from symlstm.evidence.report import verify as verify_derivation

    chosen = _network(_cell(cell, states, inputs), layers, bidirectional, head)
    made = derive_cell(chosen, topic, values, steps, notation)
    form = form or _format_of(output)
    report = verify_derivation(made)
    text = {Format.tex: made.latex, Format.md: made.markdown, Format.html: made.html}[form](report)
    _write(output, text.encode())
    if not report.ok:
        _show(report, _console())
        raise typer.Exit(WRONG)


def _format_of(output: Path | None) -> Format:
    if output is None or output.suffix == "":
        return Format.tex
    try:
        return Format(output.suffix[1:])
    except ValueError:
        raise NotValid(
            "The ending of the file does not say which format is meant.", str(output), "an ending .tex, .md or .html, or --format"
        ) from None


@app.command()
def verify(
    cell: CellName,
    tex: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read back this exported file (.tex or .md), not a fresh export.")
    ] = None,
    as_json: Json = False,
    layers: Layers = None,
    bidirectional: Bidirectional = False,
    head: Head = "",
    states: States = "",
    inputs: Inputs = "",
    notation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A notation, by name or a .toml file. Default: the one that FILE says, or symlstm."),
    ] = None,
) -> None:
    """Check every relation of a cell or network: exact proof, numbers against the reference, and the LaTeX read back."""
    from symlstm.derivation import derive as derive_cell
    from symlstm.evidence.report import verify as verify_derivation
    from symlstm.evidence.report import verify_file

    chosen = _network(_cell(cell, states, inputs), layers, bidirectional, head)
    report = verify_file(chosen, tex, notation) if tex else verify_derivation(derive_cell(chosen, notation=notation or "symlstm"))
    if as_json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        from rich.console import Console

        _show(report, Console(highlight=False, soft_wrap=True))
    raise typer.Exit(HOLDS if report.ok else WRONG)


def _show(report: Report, console: Console) -> None:
    """A table of what was shown, a row a topic, then each relation that failed with what failed about it."""
    from rich.table import Table

    methods = list(dict.fromkeys(found.method for row in report.rows for found in row.evidence))
    table = Table("topic", "relations", *methods, box=None, header_style="bold", pad_edge=False)
    for topic in dict.fromkeys(row.topic for row in report.rows):
        rows = [row for row in report.rows if row.topic == topic]
        held = [sum(found.ok for row in rows for found in row.evidence if found.method == method) for method in methods]
        table.add_row(
            topic,
            str(len(rows)),
            *(f"{count} hold" if count == len(rows) else f"[red]{count} of {len(rows)}[/red]" for count in held),
        )
    console.print(table)
    for row in report.rows:
        for found in row.evidence:
            if not found.ok:
                console.print(f"\n{row.topic}, {row.name}: {found.method} does not hold", style="bold red")
                console.print(f"  {row.latex}\n  {found.note}", markup=False)
    if report.ok:
        console.print(f"{report.cell}: all {len(report.rows)} relations hold by every method.")


@app.command()
def codegen(
    cell: CellName,
    output: Output = None,
    layers: Layers = None,
    bidirectional: Bidirectional = False,
    head: Head = "",
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="What the module runs on: numpy, numba, jax, torch or mpmath.")
    ] = "numpy",
    accuracy: Annotated[
        str, typer.Option(metavar="NAME", help="Of functions and their slopes: fast, or ulp, to the last places.")
    ] = "fast",
    states: States = "",
    inputs: Inputs = "",
) -> None:
    """Write a cell or a network of it as a Python module, forward and backward over a sequence."""
    from symlstm.functions import source_of

    chosen = _network(_cell(cell, states, inputs), layers, bidirectional, head)
    _write(output, source_of(chosen, backend, accuracy).encode())


@app.command()
def build(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CELL]...", help="Only these cells. Default: the whole zoo.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="The folder to write to. Default: derivations; for another notation, a folder of its name in there.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where the folder is not as it would be written.")
    ] = False,
    notation: InNotation = "symlstm",
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", help="How many processes. Default: one a processor.")] = None,
) -> None:
    """Write the derivations of every cell as .tex and .md, with an index, and say what was verified."""
    from symlstm import chapters
    from symlstm.dialects import notation_of
    from symlstm.notation import HOUSE

    console, chosen = _console(), notation_of(notation)
    folder = output or (Path("derivations") if chosen == HOUSE else Path("derivations") / chosen.name)

    def told(made: chapters.Chapter, done: int, total: int) -> None:
        count = f"{len(made.report.rows)} relations hold" if made.ok else "NOT as it should be"
        console.print(f"{done}/{total} {made.cell}: {count} ({made.seconds:.1f} s, process {made.process})", markup=False)

    made = chapters.chapters(names or None, jobs, told, chosen)
    for each in made:
        if not each.report.ok and each.report.rows:
            console.print(f"\n{each.cell}", style="bold red")
            _show(each.report, console)
        for line in each.misread:
            console.print(line, style="bold red", markup=False)
    wanted = chapters.files(made, with_index=not names, notation=chosen)
    if check:
        wrong = chapters.differences(folder, wanted)
        for line in wrong:
            console.print(line, style="red")
        console.print(
            f"{folder} is as `symlstm build` writes it." if not wrong else "Run `symlstm build` and look at what changed."
        )
    else:
        wrong = []
        chapters.write(folder, wanted)
        console.print(f"wrote {len(wanted)} files to {folder}")
    raise typer.Exit(WRONG if wrong or not all(each.ok for each in made) else HOLDS)


@app.command()
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Markdown or LaTeX; - is standard input.")],
    cell: Annotated[
        str | None,
        typer.Option(metavar="CELL", help="This cell is the definition: a name, as <!-- cell: NAME --> says, or a file."),
    ] = None,
    as_json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="Show the definitions too.")] = False,
    bare: Annotated[bool, typer.Option("--bare", help="Every line is a formula, without any dollar.")] = False,
    form: Annotated[Copy | None, typer.Option("--format", help="Print an annotated copy of the document: md or tex.")] = None,
    output: Output = None,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Exit with 0 where there is no claim at all.")] = False,
    notation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The cell in this notation is the definition: a name (`symlstm notations` lists them), or a .toml file.",
        ),
    ] = None,
) -> None:
    """Proofread formulas: which are right, which are wrong, and what would be right.

    Exit code 0: all claims are right; 1: one is wrong or ambiguous; 2: one cannot be read, or there is none.
    """
    from symlstm.claims import reports
    from symlstm.claims.annotations import annotated

    if form and (as_json or len(files) > 1):
        raise NotValid("An annotated copy is of one document.", " ".join(files), "one FILE, without --json")
    proofs = [proof for name in files if (proof := _proof(name, cell, bare, form, notation)) is not None]
    if form:
        text = "".join(map(annotated, proofs))
    elif as_json:
        text = reports.as_json(each for proof in proofs for each in (proof.verdicts if everything else proof.claims))
    else:
        text = reports.printed(proofs, everything, plain=output is not None)
    if form or as_json:
        for proof in proofs:
            print(f"{proof.page.name}: {reports.counted(proof.claims)}", file=sys.stderr)
    if proofs or as_json:
        data = proofs[0].page.encoded(text) if form else text.encode()
        _write(output, data)
    codes = reports.code(each for proof in proofs for each in proof.claims)
    empty = allow_empty and not any(proof.claims for proof in proofs)
    unused = len(proofs) < len(files)
    raise typer.Exit(WRONG if codes == WRONG else UNUSABLE if unused else HOLDS if empty else codes)


def _proof(name: str, cell: str | None, bare: bool, form: Copy | None, notation: str | None) -> Proof | None:
    """A file, or standard input, proofread; None, with a message, for one that cannot be used."""
    from dataclasses import replace

    from symlstm.claims.annotations import without
    from symlstm.claims.proofreading import proofread
    from symlstm.definitions import pages

    try:
        page = pages.received(sys.stdin.buffer) if name == "-" else pages.opened(Path(name))
        if form and Path(name).suffix in pages.ENDINGS and form.value != page.kind:
            raise NotValid("An annotated copy is in the language of its document.", name, f"--format {page.kind}")
        if form:
            page = replace(page, kind=form.value, text=without(page.text, form.value))
        return proofread(page, _cell(cell) if cell else None, bare, notation)
    except SymlstmError as error:
        print(f"symlstm: {error}", file=sys.stderr)
        return None


@app.command()
def equal(
    left: Annotated[str, typer.Argument(metavar="A", help="A cell: a name, or a file of equations (.md, .tex).")],
    right: Annotated[str, typer.Argument(metavar="B", help="The cell that is compared with it.")],
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MAP", help='What a thing of B is in terms of A, such as "W_z = -W_z" or "f = 1 - i"; as often as needed.'
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(metavar="MAP", help='What a parameter of A is, such as "U_g = 0": to compare special cases of both.'),
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove that two cells compute the same, or show numbers for which they do not.

    Exit code 0: equal; 1: not equal; 2: not decided, or the map cannot be used.
    """
    from symlstm.equivalence import equivalent

    found = equivalent(left, right, where or (), given or ())
    print(json.dumps(found.to_dict(), indent=1) if as_json else found)
    raise typer.Exit({True: HOLDS, False: WRONG, None: UNUSABLE}[found.equal])


def _write(output: Path | None, data: bytes) -> None:
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise NotValid("The file cannot be written.", str(output), error.strerror or "a path in a folder that exists") from None


def _fail(error: SymlstmError) -> NoReturn:
    print(f"symlstm: {error}", file=sys.stderr)
    raise SystemExit(UNUSABLE)


def main() -> None:
    """Run the command; a person sees messages, never a traceback from inside."""
    try:
        app()
    except SymlstmError as error:
        _fail(error)
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main()
