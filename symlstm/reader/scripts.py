r"""A cursor's view of the pieces of a formula, and what a script says: a time, a part of a name, or neither."""

from __future__ import annotations

from symlstm.algebra import NotSupported, Time
from symlstm.reader.conventions import Conventions
from symlstm.reader.tokens import (
    ACCENTS,
    CLOSING,
    FONTS,
    FUNCTIONS,
    GREEK,
    SIMPLE,
    TEXTS,
    TIME_BRACKETS,
    Fault,
    Raw,
    is_digits,
    is_letter,
    words,
)  # fmt: skip


class Pieces:
    """A cursor's view of the pieces of a formula, and what scripts and symbols they make."""

    def __init__(self, text: str, raws: list[Raw], conventions: Conventions) -> None:
        self.text, self.raws, self.conventions = text, raws, conventions
        self.times, self.components = conventions.times - conventions.components, conventions.components
        self.names: dict[str, str] = {}

    def text_at(self, i: int) -> str:
        return self.raws[i].text if 0 <= i < len(self.raws) else ""

    def place(self, i: int) -> int:
        return self.raws[i].at if i < len(self.raws) else len(self.text)

    # --- scripts ----------------------------------------------------------------------------------------------

    def group(self, i: int) -> tuple[str, int]:
        """The text of a brace group as it was written, and the index after it."""
        inside, after = self.script(i)
        return (self.text[self.raws[i].at + 1 : self.raws[after - 1].at] if self.text_at(i) == "{" else inside[0].text), after

    def script(self, i: int) -> tuple[list[Raw], int]:
        """What a `_` or `^` applies to: a brace group without its braces, or one piece."""
        if i >= len(self.raws):
            raise Fault("The formula ends too early.", len(self.text))
        first = self.raws[i]
        if first.text != "{":
            if first.text in CLOSING or first.text in "_^" or (first.text in SIMPLE and first.text not in ("+", "-", "'", "<")):
                raise Fault("A script is missing here.", first.at)
            if len(first.text) > 1 and is_digits(first.text):
                raise Fault("A script of several digits needs braces.", first.at, f"{{{first.text}}}")
            if first.text in FONTS or first.text in TEXTS or first.text in ACCENTS:
                _, after = self.script(i + 1)
                return self.raws[i:after], after
            return [first], i + 1
        depth = 0
        for j in range(i, len(self.raws)):
            depth += {"{": 1, "}": -1}.get(self.raws[j].text, 0)
            if not depth:
                return self.raws[i + 1 : j], j + 1
        raise Fault("This bracket is never closed.", first.at)

    def time(self, pieces: list[Raw]) -> Time | None:
        """The time that some pieces say (`t-1`, `(t)`, `t-k+1`, `0`), or None."""
        texts = list(words(pieces))
        if len(texts) > 2 and (texts[0], texts[-1]) in TIME_BRACKETS:
            texts = texts[1:-1]
        if len(texts) % 2 and texts[0] not in "+-":
            texts.insert(0, "+")
        base, offset = "", 0
        if len(texts) % 2:
            return None
        for plus, letter in zip(texts[::2], texts[1::2], strict=True):
            name = letter.lstrip("\\")
            if plus not in "+-":
                return None
            if is_digits(letter) and len(letter) < 10 and "." not in letter:
                offset += int(plus + letter)
            elif name in self.times:
                base += (plus if base or plus == "-" else "") + name
            else:
                return None
        return Time(base, offset) if texts else None

    def name(self, pieces: list[Raw], at: int) -> str:
        """The letters of a part of a name: `hc`, `\\theta`, `\\text{next}`, and `c_tilde` for `\\tilde{c}`."""
        letters = ""
        texts = list(words(pieces))
        if len(texts) == 2 and texts[0] in ACCENTS:
            return f"{self.name(pieces[1:], at)}_{ACCENTS[texts[0]]}"
        for text in texts:
            bare = text.lstrip("\\")
            known = text[0] != "\\" or text in GREEK or text in ACCENTS or bare in FUNCTIONS
            if not (bare.isascii() and bare.isalnum() and known):
                raise Fault("This is not read as a subscript.", at, "W_{hc}, h_{t-1} or z_{f,t}", NotSupported)
            letters += bare
        if not letters:
            raise Fault("A script is missing here.", at)
        return letters

    def unbraced(self, i: int, after: int) -> tuple[list[Raw], int]:
        """`_t-1` and `_xi` without braces, where the conventions say that all of it is the script."""
        pieces = self.raws[i:after]
        if not self.conventions.free or len(pieces) != 1:
            return pieces, after
        if self.conventions.unbraced and pieces[0].text in self.times and self.touching(after, 2):
            if self.text_at(after) in ("-", "+") and is_digits(self.text_at(after + 1)):
                return self.raws[i : after + 2], after + 2
        elif self.conventions.identifiers and is_letter(pieces[0].text) and pieces[0].text not in self.times:
            end = after
            while is_letter(self.text_at(end)) and len(self.text_at(end)) == 1 and self.touching(end, 1):
                end += 1
            if self.text_at(end) != "_":
                return self.raws[i:end], end
        return pieces, after

    def touching(self, i: int, count: int) -> bool:
        """Whether the next pieces stand without a space behind what is before them."""
        if i + count > len(self.raws):
            return False
        return all(self.raws[k].at == self.raws[k - 1].at + len(self.raws[k - 1].text) for k in range(i, i + count))
