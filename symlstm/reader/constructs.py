r"""Tokens for what has parts of its own: sums with their limits, fractions, derivatives, spaces, matrices and cases.

Which letters count steps and which number components is settled first, from the sums of the formula.
"""

from __future__ import annotations

from typing import Any

from symlstm.algebra import NotSupported, Sym, Time
from symlstm.reader.conventions import PARAMETERS, Conventions
from symlstm.reader.symbols import Symbols
from symlstm.reader.tokens import (
    CASES,
    CLOSING,
    FUNCTIONS,
    GREEK,
    INEQUALITIES,
    MATRICES,
    OPENING,
    SIMPLE,
    TEXTS,
    Big,
    Fault,
    Raw,
    Token,
    is_digits,
    is_letter,
    words,
)  # fmt: skip

LOWER = {"\\ge": 0, "\\geq": 0, "\\geqslant": 0, ">": 1}  # \sum_{s \ge t}: from t on
UPPER = {"\\le": 0, "\\leq": 0, "\\leqslant": 0, "<": -1}
ENDS = frozenset({"REL", "SEP", "_IF", "_ROW", "_AMP", "_COMMA"})  # where a side of a relation ends


class Constructs(Symbols):
    """Each method takes the index of a piece, adds tokens, and gives the index after what it used."""

    def __init__(self, text: str, pieces: list[Raw], conventions: Conventions) -> None:
        super().__init__(text, pieces, conventions)
        self.found: list[Token] = []
        self.open: list[tuple[str, int]] = []  # what closes each open bracket, and where it was opened
        self.by: list[int] = []  # depths at which \times stands between the two sizes of a space
        self.halves: set[int] = set()  # places of a d that is half of a derivative
        self.reaching: list[int] = []  # depths at which the body of a sum goes on to the end of a side
        if conventions.free:
            self.upright()
        self.indices()

    def add(self, type: str, value: Any, at: int) -> None:
        if type == "SEP" and (not self.found or self.found[-1].type == "SEP"):
            return
        if self.reaching and type in ENDS:
            self.end_of_side()
        self.found.append(Token(type, value, at))

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

    # --- sums and limits --------------------------------------------------------------------------------------

    def indices(self) -> None:
        """Which letters of this formula count steps, and which number components, by the sums in it."""
        letters: dict[str, tuple[list[str], list[str]]] = {}
        for i in range(len(self.raws)):
            if self.raws[i].text in ("\\sum", "\\prod"):
                below, above = (list(words(part)) for part in self.limits(i)[:2])
                middle = 2 if len(below) > 4 and below[1] in INEQUALITIES and below[3] in INEQUALITIES else 0  # 1 \le t \le T
                letters |= {below[middle].lstrip("\\"): (below[:middle] + below[middle + 1 :], above)} if below else {}
        for letter, (below_texts, above_texts) in letters.items():
            texts = [text.lstrip("\\") for text in (*below_texts, *above_texts) if text not in SIMPLE]
            known = {text for text in texts if is_letter(text)}
            if below_texts and known <= self.times | set(letters):
                self.times, self.components = self.times | {letter}, self.components - {letter}
            elif self.conventions.free and letter not in ("t", "s", "tau", "T") and (not below_texts or known):
                self.times, self.components = self.times - {letter}, self.components | {letter}

        if self.conventions.free:
            self.scripted_letters()

    def scripted_letters(self) -> None:
        r"""Letters that must be steps, `h_{j-1}`, or components, as i is in `z_i / \sum_j z_j`."""
        marks = [i for i, raw in enumerate(self.raws) if raw.text == "_"]
        scripts = [(self.text_at(i - 1), list(words(self.script(i + 1)[0]))) for i in marks]
        for _, texts in scripts:
            if len(texts) == 3 and is_letter(texts[0]) and texts[1] in "+-" and is_digits(texts[2]):
                self.times |= {texts[0]}
        letters = [(base, texts[0]) for base, texts in scripts if len(texts) == 1 and is_letter(texts[0])]
        bases = {base for base, letter in letters if letter in self.components} - PARAMETERS
        self.components |= {letter for base, letter in letters if base in bases and letter not in self.times}

    def upright(self) -> None:
        r"""Make `\mathrm{d}x` the same as `dx`."""
        for i in range(len(self.raws) - 3, -1, -1):
            if self.raws[i].text in TEXTS and [raw.text for raw in self.raws[i + 1 : i + 4]] == ["{", "d", "}"]:
                self.raws[i : i + 4] = [Raw("d", self.raws[i + 3].at)]

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
        if free and not above and (between := self.between(below)):
            letter, lower, upper = between
        if free and lower is None and letter in self.times and len(texts) == 1:
            lower, upper = (Time(letter) if above else Time("", 1)), upper or (None if above else Time("T"))
        elif free and letter in self.times and not above and not upper and texts[1:2] and texts[1] in LOWER:
            lower = self.time(below[2:])
            lower, upper = lower and lower + LOWER[texts[1]], Time("T")
        elif free and letter in self.times and not above and not upper and texts[1:2] and texts[1] in UPPER:
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

    def between(self, below: list[Raw]) -> tuple[str, Time, Time] | None:
        r"""The index and the limits that `1 \le t \le T` and `t \ge i > k` say; a descending chain runs down."""
        signs = [k for k, raw in enumerate(below) if raw.text in INEQUALITIES]
        if len(signs) != 2 or signs[1] != signs[0] + 2:
            return None
        first, second = (INEQUALITIES[below[k].text] for k in signs)
        one, other = self.time(below[: signs[0]]), self.time(below[signs[1] + 1 :])
        if one is None or other is None or first[0] != second[0]:
            return None
        inward = 1 if first[0] == "<" else -1
        one, other = one + inward * (first in "<>"), other + -inward * (second in "<>")
        return below[signs[0] + 1].text.lstrip("\\"), one, other

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
        arrow = next((k for k, raw in enumerate(inside) if raw.text in ("\\to", "\\rightarrow")), 0)
        goal = [raw.text for raw in inside[arrow + 1 :]]
        if arrow and goal[-1:] == ["\\infty"] and goal[:-1] in ([], ["+"], ["-"]):
            self.add("LIM", (self.alone(inside[:arrow], at), -1 if goal[:-1] == ["-"] else 1), at)
            return after
        raise Fault("Only limits at plus and minus infinity are read.", at, r"\lim_{x \to \infty}", NotSupported)

    def extreme(self, i: int) -> int:
        r"""`\max(a, b)`, a function, or `\max_x f(x)`, the largest value."""
        text, at = self.raws[i]
        if self.text_at(i + 1) != "_":
            if text[1:] not in FUNCTIONS:
                raise Fault(f"The function {text} is not read.", at, kind=NotSupported)
            self.add("FUNC", text[1:], at)
            return i + 1
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
            if [raw.text for raw in inside] == ["E"]:
                return self.moment("E", at, after)
            if [raw.text for raw in inside] != ["R"]:
                raise Fault("Only the reals are read.", at, r"\mathbb{R}", NotSupported)
        self.add("_REALS", "R", at)
        if self.text_at(after) == "^" and self.text_at(after + 1) == "{":
            self.by.append(len(self.open) + 1)
        return after

    def moment(self, name: str, at: int, after: int) -> int:
        r"""`\mathbb{E}_{s}`, an expectation over the draw s, or `\operatorname{Var}_{s}`."""
        if self.text_at(after) != "_":
            raise Fault("Over which draw?", at, r"\mathbb{E}_{s}[x]", NotSupported)
        inside, end = self.script(after + 1)
        self.add("MOMENT", (name, self.alone(inside, at)), at)
        return end

    def alone(self, pieces: list[Raw], at: int) -> Sym:
        """A symbol that these pieces are and nothing else."""
        found, tail, end = Symbols(self.text, pieces, self.conventions).symbol(0)
        if tail or end < len(pieces) or not isinstance(found, Sym):
            raise Fault("One symbol is expected here.", at, kind=NotSupported)
        return found

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

    # --- fractions and derivatives ----------------------------------------------------------------------------

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
        if text == "\\nabla" and self.behind_adjoint(i):
            found, tail, after = self.symbol(i)
            self.add("SYM", found, at)
            self.found += tail
            return after
        if self.text_at(i + 1) == "^" and self.conventions.free:
            inside, after = self.script(i + 2)
            if [raw.text for raw in inside] == ["+"]:  # the derivative of one equation, \partial^+
                self.add("PARTIAL", "direct", at)
                return after
        if self.text_at(i + 1) != "_":
            if text == "\\nabla":
                raise Fault("With respect to what?", at, r"\nabla_{W} L")
            self.add("PARTIAL", text, at)
            return i + 1
        inside, after = self.script(i + 2)
        wrt, tail, end = Symbols(self.text, inside, self.conventions).symbol(0)
        if tail or end < len(inside):
            raise Fault("One symbol is expected here.", self.place(i + 2), kind=NotSupported)
        self.add("WRT", wrt, at)
        return after
