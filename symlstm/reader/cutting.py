r"""A formula to the tokens of the grammar, in one pass over its pieces.

Symbols come whole (`symlstm.reader.symbols`), sum signs come with their limits, and what only moves or frames things on
the page (sizes, spaces, boxes, colours, braces under a part) is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from symlstm.algebra import NotSupported, Num, Sym, Time
from symlstm.reader.conventions import HOUSE, LOSSES, Conventions
from symlstm.reader.symbols import Pieces, Symbol
from symlstm.reader.tokens import (
    ACCENTS, BARS, CASES, CLOSING, CONDITIONS, DROPPED, FONTS, FRAMES, FUNCTION_WORD, FUNCTIONS, GREEK, LIMITS, MATRICES,
    OPENING, SIGNS, SIMPLE, SIZING, TEXTS, TRANSPOSES, Big, Fault, Raw, Sign, Token, is_digits, is_letter, raws, words,
)  # fmt: skip

APART = frozenset({"PLUS", "MINUS", "REL", "SIGN", "SEP", "_IF"})  # a wide space beside one of these is only a space

ENDS = frozenset({"REL", "SEP", "_IF", "_ROW", "_AMP", "_COMMA"})  # where a side of a relation ends


def tokens(text: str, conventions: Conventions = HOUSE) -> list[Token]:
    r"""The tokens of a formula, for the grammar. Raises `Fault`.

    >>> [(token.type, token.value) for token in tokens(r"h_{t-1}^{\top} W_f^{(t)}")]
    [('SYM', h[t-1]), ('TRANSPOSE', 'T'), ('SYM', W_f[t])]
    """
    return cut(text, conventions)[0]


def cut(text: str, conventions: Conventions) -> tuple[list[Token], dict[str, str]]:
    """The tokens of a formula, and how each name in it is written. Raises `Fault`."""
    cutter = Cutter(text, raws(text), conventions)
    return cutter.run(), cutter.names


class Cutter(Pieces):
    """Each method takes the index of a piece, adds tokens, and gives the index after what it used."""

    def __init__(self, text: str, pieces: list[Raw], conventions: Conventions) -> None:
        super().__init__(text, pieces, conventions)
        self.found: list[Token] = []
        self.open: list[tuple[str, int]] = []  # what closes each open bracket, and where it was opened
        self.by: list[int] = []  # depths at which \times stands between the two sizes of a space
        self.halves: set[int] = set()  # places of a d that is half of a derivative
        self.reaching: list[int] = []  # depths at which the body of a sum goes on to the end of a side
        self.indices()

    def run(self) -> list[Token]:
        i = 0
        while i < len(self.raws):
            i = self.one(i)
        if self.open:
            raise Fault("This bracket is never closed.", self.open[-1][1])
        self.end_of_side()
        while self.found and self.found[-1].type == "SEP":
            self.found.pop()  # a full stop or comma that ends a formula belongs to the sentence around it
        return self.found

    def one(self, i: int) -> int:
        text, at = self.raws[i]
        for known, handler in DISPATCH:
            if text in known:
                return handler(self, i)
        if is_digits(text):
            return self.number(i)
        if is_letter(text):
            return self.word(i)
        what = f"The command {text}" if text[0] == "\\" else f"The character {text!r}"
        raise Fault(f"{what} is not read.", at, kind=NotSupported)

    def add(self, type: str, value: Any, at: int) -> None:
        if type == "SEP" and (not self.found or self.found[-1].type == "SEP"):
            return
        if self.reaching and type in ENDS:
            self.end_of_side()
        self.found.append(Token(type, value, at))

    # --- signs and brackets -----------------------------------------------------------------------------------

    def simple(self, i: int) -> int:
        text, at = self.raws[i]
        type, value = SIMPLE[text]
        if text == "+" and self.text_at(i + 1) == "=" and self.conventions.free:
            type, value, i = "REL", "+=", i + 1
        self.add(type, value, at)
        return i + 1

    def sign(self, i: int) -> int:
        text, at = self.raws[i]
        if text == "\\times" and self.by and self.by[-1] == len(self.open):
            self.add("_BY", text, at)
        elif text == "." and i + 1 == len(self.raws):
            return i + 1
        elif text in self.conventions.products:
            self.add("SIGN", Sign(text, self.conventions.products[text], self.conventions.tight), at)
        else:
            raise Fault(f"What the product sign {text} means is not known here.", at, " or ".join(self.conventions.products))
        return i + 1

    def bracket(self, i: int) -> int:
        text, at = self.raws[i]
        if text in BARS:
            opening, closing = BARS[text]
            text = closing if self.open and self.open[-1][0] == closing else opening
        if text in ("\\lvert", "\\rvert") and self.text_at(i + 1) == "_":
            return self.evaluated(i)
        if text in OPENING:
            type, closing = OPENING[text]
            self.open.append((closing, at))
            self.add(type, text, at)
            return i + 1
        type, closing = CLOSING[text]
        self.close(closing, at, text)
        self.add(type, text, at)
        if text == "\\rVert" and [raw.text for raw in self.raws[i + 1 : i + 3]] == ["_", "2"]:
            return i + 3  # the norm that is meant
        return i + 1

    def close(self, closing: str, at: int, text: str) -> None:
        """Leave the innermost bracket, which must be of this kind, and what ends with it."""
        if not self.open:
            raise Fault("This bracket was never opened.", at)
        if self.open[-1][0] != closing:
            raise Fault(f"This {text} does not close the {self.text[self.open[-1][1] :][:7].split()[0]} before it.", at)
        self.end_of_side()
        self.open.pop()
        while self.by and self.by[-1] > len(self.open):
            self.by.pop()

    def end_of_side(self) -> None:
        """Close the sums that reach to the end of this side, or of this bracket."""
        while self.reaching and self.reaching[-1] >= len(self.open):
            self.reaching.pop()
            self.found.append(Token("_RBRACE", "}", self.found[-1].at))

    def evaluated(self, i: int) -> int:
        inside, after = self.script(i + 2)
        if "".join(words(inside)) != "direct":
            what = "Only the bar with the word direct under it is read."
            raise Fault(what, self.raws[i].at, r"\right|_{\text{direct}}", NotSupported)
        self.add("DIRECT", "direct", self.raws[i].at)
        return after

    def sized(self, i: int) -> int:
        """`\\left`, `\\bigl`, `\\mathopen{}` only set the size: what follows counts. `\\mathrel{+}` is its argument."""
        if self.raws[i].text == "\\left" and [raw.text for raw in self.raws[i + 1 : i + 3]] == ["\\{", "\\begin"]:
            return self.environment(i + 2, cases=True)
        if self.text_at(i + 1) == "{":
            inside, after = self.script(i + 1)
            self.raws[i + 1 : after] = inside
        return i + 1

    def framed(self, i: int) -> int:
        """A box, a colour or a brace under a part: the part counts, and what is written under it does not."""
        if self.raws[i].text in ("\\textcolor", "\\colorbox"):
            i = self.script(i + 1)[1] - 1
        inside, after = self.script(i + 1)
        while self.text_at(after) in ("_", "^") and self.raws[i].text in ("\\underbrace", "\\overbrace"):
            del self.raws[after : self.script(after + 1)[1]]
        if any(raw.text == "=" for raw in inside):
            self.raws[i + 1 : after] = inside
        return i + 1

    def dropped(self, i: int) -> int:
        return self.script(i + 1)[1]

    def stacked(self, i: int) -> int:
        r"""`\overset{a}{=}`, `\stackrel{a}{=}`: what stands below counts."""
        _, i = self.script(i + 1)
        inside, after = self.script(i)
        self.raws[i:after] = inside
        return i

    def comma(self, i: int) -> int:
        at = self.raws[i].at
        if self.open:
            self.add("_COMMA", ",", at)
        else:
            self.add("SEP", ",", at)
        return i + 1

    def quad(self, i: int) -> int:
        """A wide space: before a condition in brackets it says "for", between two formulas it is a comma."""
        following, at = self.text_at(i + 1), self.place(i)
        if self.open or not following or not self.found or self.found[-1].type in APART:
            return i + 1
        if following in ("\\quad", "\\qquad", ",", ";") or following in SIGNS or SIMPLE.get(following, ("",))[0] in APART:
            return i + 1
        if following in TEXTS and self.group(i + 2)[0].split()[:1] and self.group(i + 2)[0].split()[0] in CONDITIONS:
            return i + 1
        related = any(token.type == "REL" for token in self.found)
        self.add("_IF" if related and following == "(" else "SEP", "\\quad", at)
        return i + 1

    # --- numbers, fractions, powers ---------------------------------------------------------------------------

    def number(self, i: int) -> int:
        text, at = self.raws[i]
        if len(text) > LIMITS["digits"]:
            raise Fault(f"The number has {len(text)} characters; the limit is {LIMITS['digits']} digits.", at)
        self.add("NUM", Num(Fraction(text), len(text.partition(".")[2]) if "." in text else None), at)
        return i + 1

    def fraction(self, i: int) -> int:
        """The two arguments, with the braces that TeX lets one leave out (`\\frac14`), and `d` as half of a derivative."""
        self.add("_FRAC", "\\frac", self.raws[i].at)
        i = self.braced(i + 1)
        above, middle = self.script(i)
        below, after = self.script(self.braced(middle))
        if self.conventions.free and self.is_half(above) and self.is_half(below):
            self.halves |= {above[0].at, below[0].at}
        if len(above) == 1 and (above[0].text == "\\partial" or above[0].at in self.halves):
            self.found.pop()
            wrt, _, end = self.symbol(middle + 2)
            if end + 1 == after:
                self.add("WRT", wrt, above[0].at)
                return after
        return i

    def is_half(self, pieces: list[Raw]) -> bool:
        return bool(pieces) and pieces[0].text == "d" and (len(pieces) == 1 or pieces[1].text not in ("_", "^"))

    def braced(self, i: int) -> int:
        """Put the braces around an argument that stands without them."""
        text, at = self.text_at(i), self.place(i)
        if text != "{":
            if not is_digits(text) and not is_letter(text) and text not in GREEK:
                raise Fault("A fraction needs two arguments.", at, r"\frac{a}{b}")
            first, rest = (text[0], text[1:]) if is_digits(text) else (text, "")
            self.raws[i : i + 1] = [Raw("{", at), Raw(first, at), Raw("}", at), *([Raw(rest, at + 1)] if rest else [])]
        return i

    def partial(self, i: int) -> int:
        r"""`\partial q`, or `\partial_q` and `\nabla_q` in front of what is derived."""
        text, at = self.raws[i]
        if self.text_at(i + 1) != "_":
            if text == "\\nabla":
                raise Fault("With respect to what?", at, r"\nabla_{W} L")
            self.add("PARTIAL", text, at)
            return i + 1
        inside, after = self.script(i + 2)
        wrt, tail, end = Pieces(self.text, inside, self.conventions).symbol(0)
        if tail or end < len(inside):
            raise Fault("One symbol is expected here.", self.place(i + 2), kind=NotSupported)
        self.add("WRT", wrt, at)
        return after

    def power(self, i: int) -> int:
        """A superscript that is not a time: a transpose, a prime, or the power that the grammar reads."""
        at = self.raws[i].at
        if self.text_at(i + 1) in ("-", "+") and self.conventions.free and is_digits(self.text_at(i + 2)):
            self.raws[i + 1 : i + 3] = [Raw("{", at), *self.raws[i + 1 : i + 3], Raw("}", at)]
        inside, after = self.script(i + 1)
        texts = list(words(inside))
        if not texts:
            raise Fault("A superscript is missing here.", at)
        if "".join(texts) in TRANSPOSES:
            self.add("TRANSPOSE", "T", at)
            return after
        if set(texts) <= {"\\prime", "'"}:
            for _ in texts:
                self.add("PRIME", "'", at)
            return after
        self.add("CARET", "^", at)
        if self.text_at(i + 1) != "{" and self.text_at(after) == "_":
            raise Fault("A superscript with a subscript needs braces.", at)
        return self.one(i + 1)

    def pythonic(self, i: int) -> int:
        self.add("TRANSPOSE", "T", self.raws[i].at)
        return i + 1

    # --- names ------------------------------------------------------------------------------------------------

    def word(self, i: int) -> int:
        """A function, or a symbol with its scripts."""
        text, at = self.raws[i]
        if at in self.halves:
            self.add("PARTIAL", text, at)
            return i + 1
        if text[0] == "\\" and text[1:] in FUNCTIONS:
            return self.function(FUNCTIONS[text[1:]], at, i + 1)
        match = FUNCTION_WORD.match(self.text, at)
        if match and not any(self.text.startswith(word, at) for word in self.conventions.words if len(word) > len(match[0])):
            return self.function(FUNCTIONS[match[0]], at, i + len(match[0]))
        if self.conventions.free and text == "\\delta" and self.text_at(i + 1) == "(" and not self.called(Symbol("L", ""), i + 1):
            return self.function("delta", at, i + 1)
        return self.named_symbol(i)

    def named_symbol(self, i: int) -> int:
        at = self.raws[i].at
        found, tail, after = self.symbol(i)
        if isinstance(found, Sym) and self.text_at(after) == "(" and self.is_applied(found):
            return self.function(found.name if found.time is None else f"{found.name}[{found.time}]", at, after)
        self.add("SYM", found, at)
        self.found += tail
        return after

    def is_applied(self, found: Sym) -> bool:
        """Whether a name before a bracket is a function there."""
        return found.name in self.conventions.functions or (self.conventions.free and found.name in LOSSES)

    def function(self, name: str, at: int, after: int) -> int:
        """A function, with a subscript as a part of its name (`\\sigma_g`)."""
        if self.conventions.free and self.text_at(after) == "_":
            inside, end = self.script(after + 1)
            name, after = f"{name}_{self.name(inside, at)}", end
        self.add("FUNC", name, at)
        return after

    def texts(self, i: int) -> int:
        """Words: a condition, a function, a name, or prose around the formula."""
        text, at = self.raws[i]
        inside, after = self.group(i + 1)
        first = inside.split()[0] if inside.split() else ""
        if first.strip(",") in CONDITIONS:
            self.add(CONDITIONS[first.strip(",")], inside, at)
            return after
        if inside.strip() in FUNCTIONS:
            return self.function(FUNCTIONS[inside.strip()], at, after)
        name = inside.replace("\\_", "_").strip()
        prose = text.startswith(("\\text", "\\mbox")) and name != inside and len(name) > 1
        if name.isascii() and name.isidentifier() and not prose:
            return self.named_symbol(i)
        if not self.conventions.free:
            raise Fault("Words inside a formula are not read.", at, kind=NotSupported)
        if not self.open:
            self.add("SEP", inside, at)
        return after

    # --- sums, limits, spaces, environments -------------------------------------------------------------------

    def indices(self) -> None:
        """Which letters of this formula count steps, and which number components, by the sums in it."""
        letters: dict[str, tuple[list[str], list[str]]] = {}
        for i in range(len(self.raws)):
            if self.raws[i].text in ("\\sum", "\\prod"):
                below, above = (list(words(part)) for part in self.limits(i)[:2])
                letters |= {below[0].lstrip("\\"): (below[1:], above)} if below else {}
        for letter, (below_texts, above_texts) in letters.items():
            known = {text.lstrip("\\") for text in (*below_texts, *above_texts) if is_letter(text.lstrip("\\")) and text not in SIMPLE}
            if below_texts and known <= self.times | set(letters):
                self.times, self.components = self.times | {letter}, self.components - {letter}
            elif self.conventions.free and letter not in ("t", "s", "tau", "T") and (not below_texts or known):
                self.times, self.components = self.times - {letter}, self.components | {letter}

    def limits(self, i: int) -> tuple[list[Raw], list[Raw], int]:
        """What stands below and above a sum sign, and the index after it."""
        below: list[Raw] = []
        above: list[Raw] = []
        i += 1
        while self.text_at(i) in ("_", "^"):
            inside, after = self.script(i + 1)
            below, above = (inside, above) if self.text_at(i) == "_" else (below, inside)
            i = after
        return below, above, i

    def big(self, i: int) -> int:
        """A sum or product sign with its limits; where that is free, with the limits that are understood."""
        text, at = self.raws[i]
        below, above, after = self.limits(i)
        texts = list(words(below))
        letter = texts[0].lstrip("\\") if texts else ""
        free = self.conventions.free
        lower = self.time(below[2:]) if texts[1:2] == ["="] else None
        upper = self.time(above)
        if free and lower is None and letter in self.times and len(texts) == 1:
            lower, upper = (Time(letter) if above else Time("", 1)), upper or (None if above else Time("T"))
        elif free and letter in self.times and not above and texts[1:2] and texts[1] in LOWER:
            lower = self.time(below[2:])
            lower, upper = lower and lower + LOWER[texts[1]], Time("T")
        elif free and letter in self.times and not above and texts[1:2] and texts[1] in UPPER:
            upper, lower = self.time(below[2:]), Time("", 1)
            upper = upper and upper + UPPER[texts[1]]
        if letter in self.components and free:
            self.add("BIG", Big(text[1:], letter), at)
        elif lower is None or upper is None:
            raise Fault("Both limits are needed.", at, rf"{text}_{{t=1}}^{{T}}")
        else:
            self.add("BIG", Big(text[1:], letter, lower, upper), at)
            if free and text == "\\sum" and self.reaches(letter, after):
                self.reaching.append(len(self.open))
                self.add("_LBRACE", "{", at)
        return after

    def reaches(self, letter: str, i: int) -> bool:
        r"""Whether the summands behind the first one use the index, and no other side of the formula does.

        `\partial L / \partial c = \sum_{t=1}^{T} y^{(t)} - p^{(t)}` has a meaning only if the sum takes in both.
        """
        depth, later = 0, False
        for raw in self.raws[i:]:
            depth += (raw.text in OPENING) - (raw.text in CLOSING)
            if depth < 0 or (not depth and SIMPLE.get(raw.text, ("",))[0] in ("REL", "SEP", "_ROW", "_AMP")):
                break
            later = later or (not depth and raw.text in ("+", "-"))
            if later and raw.text.lstrip("\\") == letter:
                return not self.is_outside(letter)
        return False

    def is_outside(self, letter: str) -> bool:
        """Whether the first side of the formula uses this letter."""
        first = next((k for k, raw in enumerate(self.raws) if SIMPLE.get(raw.text, ("",))[0] == "REL"), 0)
        return any(raw.text.lstrip("\\") == letter for raw in self.raws[:first])

    def limit(self, i: int) -> int:
        at = self.raws[i].at
        inside, after = self.script(i + 2) if self.text_at(i + 1) == "_" else ([], i + 1)
        texts = list(words(inside))
        if len(texts) > 2 and is_letter(texts[0]) and texts[1] in ("\\to", "\\rightarrow") and texts[-1] == "\\infty":
            self.add("LIM", (Sym(texts[0]), -1 if texts[2:-1] == ["-"] else 1), at)
            return after
        raise Fault("Only limits at plus and minus infinity are read.", at, r"\lim_{x \to \infty}", NotSupported)

    def extreme(self, i: int) -> int:
        r"""`\max(a, b)`, a function, or `\max_x f(x)`, the largest value."""
        text, at = self.raws[i]
        if self.text_at(i + 1) != "_":
            if text != "\\max":
                raise Fault(f"The function {text} is not read.", at, kind=NotSupported)
            return self.function("max", at, i + 1)
        inside, after = self.script(i + 2)
        texts = list(words(inside))
        if len(texts) != 1 or not is_letter(texts[0]):
            raise Fault("One variable is expected here.", self.place(i + 2), r"\max_x", NotSupported)
        self.add("EXTREME", (Sym(texts[0]), -1 if text in ("\\min", "\\inf") else 1), at)
        return after

    def space(self, i: int) -> int:
        r"""`\mathbb{R}` or `\R`; at the depth of its exponent `\times` separates two sizes."""
        text, at = self.raws[i]
        after = i + 1
        if text == "\\mathbb":
            inside, after = self.script(i + 1)
            if [raw.text for raw in inside] != ["R"]:
                raise Fault("Only the reals are read.", at, r"\mathbb{R}", NotSupported)
        self.add("_REALS", "R", at)
        if self.text_at(after) == "^" and self.text_at(after + 1) == "{":
            self.by.append(len(self.open) + 1)
        return after

    def environment(self, i: int, cases: bool = False) -> int:
        text, at = self.raws[i]
        name, after = self.group(i + 1)
        cases = cases or name in CASES
        if name not in MATRICES and not cases:
            raise Fault(f"The environment {name} is not read inside a formula.", at, kind=NotSupported)
        if text == "\\end":
            cases = bool(self.open) and self.open[-1][0] == f"\\end{{{name}}} of cases"
            self.close(f"\\end{{{name}}}" + " of cases" * cases, at, f"\\end{{{name}}}")
            self.add("_ENDCASES" if cases else "_END", name, at)
            return after
        self.open.append((f"\\end{{{name}}}" + " of cases" * cases, at))
        self.add("_CASES" if cases else "_MATRIX", name, at)
        return self.script(after)[1] if name == "array" and self.text_at(after) == "{" else after

    def factorial(self, i: int) -> int:
        raise Fault("A factorial is not read.", self.raws[i].at, kind=NotSupported)


LOWER = {"\\ge": 0, "\\geq": 0, "\\geqslant": 0, ">": 1}  # \sum_{s \ge t}: from t on
UPPER = {"\\le": 0, "\\leq": 0, "\\leqslant": 0, "<": -1}

DISPATCH: tuple[tuple[Any, Callable[[Cutter, int], int]], ...] = (
    (SIMPLE, Cutter.simple),
    (frozenset({*OPENING, *CLOSING, *BARS}), Cutter.bracket),
    ({"^"}, Cutter.power),
    (SIGNS, Cutter.sign),
    (TEXTS - SIZING, Cutter.texts),
    ({"\\max", "\\min", "\\sup", "\\inf"}, Cutter.extreme),
    (GREEK | ACCENTS.keys() | FONTS | {f"\\{name}" for name in FUNCTIONS}, Cutter.word),
    (SIZING, Cutter.sized),
    ({"\\frac", "\\tfrac", "\\dfrac", "\\cfrac"}, Cutter.fraction),
    ({"\\partial", "\\nabla"}, Cutter.partial),
    ({",", ";"}, Cutter.comma),
    ({"\\quad", "\\qquad"}, Cutter.quad),
    ({"\\sum", "\\prod"}, Cutter.big),
    ({"\\lim"}, Cutter.limit),
    ({"\\mathbb", "\\R"}, Cutter.space),
    ({"\\begin", "\\end"}, Cutter.environment),
    (DROPPED, Cutter.dropped),
    (FRAMES, Cutter.framed),
    ({"\\overset", "\\stackrel"}, Cutter.stacked),
    ({".T"}, Cutter.pythonic),
    ({"!"}, Cutter.factorial),
)
