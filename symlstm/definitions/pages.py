r"""A document as it comes in: from a file or a stream, decoded, with what is needed to write it back byte for byte.

What is no document (a folder, a picture, a text of another encoding, ten million characters) is refused here in one
sentence, before anything looks for formulas in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from symlstm.algebra import NotValid

Kind = Literal["md", "tex"]
BYTES = 2_000_000  # of one document
BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
STDIN = "<stdin>"
ENDINGS: dict[str, Kind] = {".tex": "tex", ".ltx": "tex", ".latex": "tex", ".md": "md", ".markdown": "md"}
_TEX = re.compile(r"\\begin\{document\}|\\documentclass|\\(?:sub)*section\*?\{")
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class Page:
    """A document: its name for messages, its text as decoded, what language it is in, and how it was encoded."""

    name: str
    text: str
    kind: Kind = "md"
    bom: bytes = b""
    encoding: str = "utf-8"

    def encoded(self, text: str) -> bytes:
        """A text as bytes in the encoding of this document."""
        return self.bom + text.encode(self.encoding)


def kind_of(name: str, text: str) -> Kind:
    r"""The language of a document: by the ending of its name, else by what stands in it.

    >>> kind_of("notes.tex", ""), kind_of("README", "# Title"), kind_of("", r"\section{One}")
    ('tex', 'md', 'tex')
    """
    return ENDINGS.get(Path(name).suffix.lower()) or ("tex" if _TEX.search(text) else "md")


def opened(path: Path) -> Page:
    """The document in a file. Raises `NotValid` for what is not there, is no file, or holds no text."""
    if path.is_dir():
        raise NotValid("This is a folder.", str(path), "the files in it, such as " + str(path / "*.md"))
    try:
        with path.open("rb") as stream:
            return received(stream, str(path))
    except FileNotFoundError:
        raise NotValid("There is no such file.", str(path), _near(path)) from None
    except OSError as error:
        raise NotValid("The file cannot be read.", str(path), error.strerror or "") from None


def received(stream: BinaryIO, name: str = STDIN) -> Page:
    """The document that a stream of bytes holds."""
    data = stream.read(BYTES + 1)
    if len(data) > BYTES:
        raise NotValid(f"The document has more bytes than the limit of {BYTES:,}.", name, "a part of it at a time")
    bom = next((mark for mark in BOMS if data.startswith(mark)), b"")
    encoding = BOMS.get(bom, "utf-8")
    try:
        text = data[len(bom) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise NotValid(f"The document is not {encoding.upper()} text.", _where(name, data, error.start), "UTF-8") from None
    if control := _NO_TEXT.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise NotValid("This is not text.", f"{name}, line {line}: the character {control[0]!r}", "a Markdown or LaTeX document")
    return Page(name, text, kind_of(name, text), bom, encoding)


def _where(name: str, data: bytes, at: int) -> str:
    line, start = data.count(b"\n", 0, at) + 1, data.rfind(b"\n", 0, at) + 1
    return f"{name}, line {line}, byte {at - start + 1}: {data[at : at + 4]!r}"


def _near(path: Path) -> str:
    """Files of a similar name beside the one that is missing."""
    from difflib import get_close_matches

    if not path.parent.is_dir():
        return "a file in a folder that exists"
    names = sorted(each.name for each in path.parent.iterdir() if each.is_file())
    return " or ".join(str(path.parent / each) for each in get_close_matches(path.name, names, cutoff=0.7)) or "an existing file"
