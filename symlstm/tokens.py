r"""LaTeX to tokens: the reader's own table of signs and names, and how a symbol is put together from its scripts.

A symbol is one token whatever it is made of: `\tilde{c}_{t-1}`, `\delta z_{f,t+1}` and `W_f^{(t)}` each reach the
grammar as a finished term. What a script means (a time, a part of the name, a transpose, a power) is decided here, by
a `Conventions`; the grammar only sees expressions.

Limits on characters, depth and tokens are checked first, so that no input can take long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from keyword import iskeyword
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from symlstm.algebra import Adj, NotSupported, NotValid, Num, Sym, SymlstmError, Term, Time

LIMITS = MappingProxyType({"characters": 20_000, "tokens": 5_000, "depth": 40, "digits": 40})

Product = Literal["hadamard", "matrix"]
HOUSE_PRODUCTS: Mapping[str, Product] = MappingProxyType({r"\odot": "hadamard", r"\cdot": "matrix"})


@dataclass(frozen=True, slots=True)
class Conventions:
    """How a text writes what LaTeX leaves open. `HOUSE` is our own notation.

    `times` are the letters that count steps where they stand alone in a script; the index of a sum always does.
    `products` gives the meaning of each product sign; a sign that is not in it is refused. With `tight` a product
    without a sign binds more tightly than one with a sign (`a \\odot W x`), else products are read from left to right.
    """

    times: frozenset[str] = frozenset({"t", "T", "s", "k"})
    products: Mapping[str, Product] = field(default_factory=lambda: HOUSE_PRODUCTS, hash=False)
    tight: bool = True


HOUSE = Conventions()


class Fault(Exception):
    """Something that cannot be read, at a character of the formula; `read` makes a message of it."""

    def __init__(self, what: str, at: int, right: str = "", kind: type[SymlstmError] = NotValid) -> None:
        self.what, self.at, self.right, self.kind = what, at, right, kind
        super().__init__(what)


class Token(NamedTuple):
    """A terminal of the grammar, what it carries, and the character at which it starts."""

    type: str
    value: Any
    at: int


class Sign(NamedTuple):
    """A product sign, as it was written and as it is meant."""

    text: str
    product: Product
    tight: bool


class Big(NamedTuple):
    """A sum or product sign with its limits."""

    sign: str
    letter: str
    lower: Time
    upper: Time


# --- tables ---------------------------------------------------------------------------------------------------

def _words(text: str) -> list[str]:
    return text.split()


GREEK = frozenset(
    _words(
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau"
        " upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell"
    )
)
ACCENTS = {f"\\{name}": name.removeprefix("wide") for name in _words("tilde widetilde hat widehat bar vec dot")}
FUNCTIONS = {
    "sigma": "sigma", "sigmoid": "sigma", "tanh": "tanh", "relu": "relu", "ReLU": "relu", "softmax": "softmax",
    "exp": "exp", "log": "log", "ln": "log", "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh",
    "sqrt": "sqrt", "diag": "diag", "max": "max",
}  # fmt: skip
WORDS = {"for": "_IF", "if": "_IF", "when": "_IF", "where": "_IF", "and": "SEP"}
TRANSPOSES = frozenset({"T", "\\top", "\\intercal"})
MATRICES = frozenset({"matrix", "bmatrix", "pmatrix", "smallmatrix"})
SIGNS = frozenset({r"\odot", r"\cdot", r"\circ", r"\times", r"\otimes", "*", r"\ast"})
SIZING = frozenset(
    rf"\{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")
) | {r"\middle"}  # fmt: skip
SPACES = frozenset({"~", "\\,", "\\;", "\\:", "\\!", "\\>", "\\ ", "\\thinspace", "\\displaystyle", "\\textstyle", "\\limits"})
FONTS = frozenset(rf"\{name}" for name in _words("mathbf boldsymbol bm mathit mathcal"))
TEXTS = frozenset(rf"\{name}" for name in _words("text textrm textit textbf mathrm mathsf operatorname mbox"))

SIMPLE: dict[str, tuple[str, Any]] = {
    "+": ("PLUS", "+"), "-": ("MINUS", "-"), "/": ("SLASH", "/"), "&": ("_AMP", "&"), "\\\\": ("_ROW", "\\\\"),
    "=": ("REL", "="), "<": ("REL", "<"), ">": ("REL", ">"), "\\lt": ("REL", "<"), "\\gt": ("REL", ">"),
    "\\le": ("REL", "<="), "\\leq": ("REL", "<="), "\\leqslant": ("REL", "<="), "\\ge": ("REL", ">="),
    "\\geq": ("REL", ">="), "\\geqslant": ("REL", ">="), "\\approx": ("REL", "~"), "\\in": ("REL", "in"),
    "\\ne": ("REL", "!="), "\\neq": ("REL", "!="), "'": ("PRIME", "'"), "\\partial": ("PARTIAL", None),
    "\\infty": ("SYM", Sym("infinity")), "\\frac": ("_FRAC", None), "\\tfrac": ("_FRAC", None), "\\dfrac": ("_FRAC", None),
    "^": ("CARET", "^"),
}  # fmt: skip
OPENING = {"{": ("_LBRACE", "}"), "(": ("LP", ")"), "[": ("LB", ")"), "\\{": ("LP", "\\}")}
OPENING |= {"\\lVert": ("_LNORM", "\\rVert"), "\\lvert": ("_LABS", "\\rvert")}
CLOSING = {"}": ("_RBRACE", "}"), ")": ("RP", ")"), "]": ("RB", ")"), "\\}": ("RP", "\\}")}
CLOSING |= {"\\rVert": ("_RNORM", "\\rVert"), "\\rvert": ("_RABS", "\\rvert")}
BARS = {"|": ("\\lvert", "\\rvert"), "\\vert": ("\\lvert", "\\rvert"), "\\|": ("\\lVert", "\\rVert")}
BARS["\\Vert"] = BARS["\\|"]
NO_SPACE_NEEDED = frozenset({"PLUS", "MINUS", "REL", "SIGN", "SEP", "_IF"})  # a \quad beside one of these is only a space

RAW = re.compile(r"%[^\n]*|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S", re.DOTALL)
FUNCTION_WORD = re.compile("|".join(sorted((word for word in FUNCTIONS if len(word) > 2), key=len, reverse=True)))


class Raw(NamedTuple):
    """A piece of the text as TeX sees it: a command, a number or one character."""

    text: str
    at: int


# --- cutting up -----------------------------------------------------------------------------------------------


def bounded(text: str) -> None:
    """Raise a `Fault` if the text is longer or deeper than `LIMITS` allow."""
    if len(text) > LIMITS["characters"]:
        raise Fault(f"The formula has {len(text)} characters; the limit is {LIMITS['characters']}.", 0)
    depth = 0
    for at, character in enumerate(text):
        if character in "{([":
            depth += 1
            if depth > LIMITS["depth"]:
                raise Fault(f"The formula is nested deeper than the limit of {LIMITS['depth']} brackets.", at)
        elif character in "})]" and depth:
            depth -= 1


def _raws(text: str) -> list[Raw]:
    found = [Raw(match[0], match.start()) for match in RAW.finditer(text)]
    if len(found) > LIMITS["tokens"]:
        raise Fault(f"The formula has {len(found)} tokens; the limit is {LIMITS['tokens']}.", 0)
    return [raw for raw in found if raw.text[0] != "%" and raw.text not in SPACES and not raw.text[1:].isspace()]


def tokens(text: str, conventions: Conventions = HOUSE) -> list[Token]:
    r"""The tokens of a formula, for the grammar. Raises `Fault`.

    >>> [(token.type, token.value) for token in tokens(r"h_{t-1}^{\top} W_f^{(t)}")]
    [('SYM', h[t-1]), ('TRANSPOSE', 'T'), ('SYM', W_f[t])]
    """
    bounded(text)
    return _Cutter(text, _raws(text), conventions).run()


class _Cutter:
    """One pass over the raw pieces. Each method takes the index of a piece and gives the index after what it used."""

    def __init__(self, text: str, raws: list[Raw], conventions: Conventions) -> None:
        self.text, self.raws, self.conventions = text, raws, conventions
        self.found: list[Token] = []
        self.open: list[tuple[str, int]] = []  # what closes each open bracket, and where it was opened
        self.by: list[int] = []  # depths at which \times stands between the two sizes of a space
        self.times = conventions.times | {
            raws[i + 3].text.lstrip("\\") if raws[i + 2].text == "{" else raws[i + 2].text.lstrip("\\")
            for i in range(len(raws) - 4) if raws[i].text in ("\\sum", "\\prod") and raws[i + 1].text == "_"
        }  # fmt: skip

    def run(self) -> list[Token]:
        i = 0
        while i < len(self.raws):
            i = self.one(i)
        if self.open:
            raise Fault("This bracket is never closed.", self.open[-1][1])
        while self.found and self.found[-1].type == "SEP":
            self.found.pop()  # a full stop or comma that ends a formula belongs to the sentence around it
        return self.found

    def one(self, i: int) -> int:
        text, at = self.raws[i]
        if text in SIMPLE:
            return self.simple(i)
        if text in OPENING or text in CLOSING or text in BARS:
            return self.bracket(i, text)
        if text in HANDLERS:
            return HANDLERS[text](self, i)
        if _is_digits(text):
            return self.number(i)
        if text in SIGNS:
            return self.sign(i)
        if _is_letter(text) or text[1:] in GREEK or text[1:] in FUNCTIONS or text in ACCENTS or text in FONTS or text in TEXTS:
            return self.word(i)
        if text[0] == "\\":
            raise Fault(f"The command {text} is not read.", at, kind=NotSupported)
        raise Fault(f"The character {text!r} is not read.", at, kind=NotSupported)

    def add(self, type: str, value: Any, at: int) -> None:
        self.found.append(Token(type, value, at))

    def text_at(self, i: int) -> str:
        return self.raws[i].text if i < len(self.raws) else ""

    def place(self, i: int) -> int:
        return self.raws[i].at if i < len(self.raws) else len(self.text)

    # --- signs and brackets -----------------------------------------------------------------------------------

    def simple(self, i: int) -> int:
        text, at = self.raws[i]
        if text == "^":
            return self.power(i)
        type, value = SIMPLE[text]
        self.add(type, value, at)
        return self.fraction(i + 1) if type == "_FRAC" else i + 1

    def sign(self, i: int) -> int:
        text, at = self.raws[i]
        if text == "\\times" and self.by and self.by[-1] == len(self.open):
            self.add("_BY", text, at)
        elif text in self.conventions.products:
            self.add("SIGN", Sign(text, self.conventions.products[text], self.conventions.tight), at)
        else:
            raise Fault(f"What the product sign {text} means is not known here.", at, " or ".join(self.conventions.products))
        return i + 1

    def bracket(self, i: int, text: str) -> int:
        at = self.raws[i].at
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
        if not self.open:
            raise Fault("This bracket was never opened.", at)
        expected, opened = self.open.pop()
        if expected != closing:
            raise Fault(f"This {text} does not close the {self.text[opened : opened + 7].split()[0]} before it.", at)
        while self.by and self.by[-1] > len(self.open):
            self.by.pop()
        self.add(type, text, at)
        return i + 1

    def evaluated(self, i: int) -> int:
        inside, after = self.script(i + 2)
        if "".join(raw.text for raw in inside).replace("\\text", "").strip("{}") != "direct":
            what = "Only the bar with the word direct under it is read."
            raise Fault(what, self.raws[i].at, r"\right|_{\text{direct}}", NotSupported)
        self.add("DIRECT", "direct", self.raws[i].at)
        return after

    def sized(self, i: int) -> int:
        """`\\left`, `\\bigl`, `\\mathopen{}` only set the size: what follows counts. `\\left.` is nothing at all."""
        if self.text_at(i + 1) == "{" and self.text_at(i + 2) == "}":
            return i + 3
        return i + 2 if self.text_at(i + 1) == "." else i + 1

    def fraction(self, i: int) -> int:
        """The two arguments, with the braces that TeX lets one leave out (`\\frac14`)."""
        for _ in range(2):
            text, at = self.text_at(i), self.place(i)
            if text == "{":
                depth = len(self.open)
                i = self.bracket(i, "{")
                while i < len(self.raws) and len(self.open) > depth:
                    i = self.one(i)
                if len(self.open) > depth:
                    raise Fault("This bracket is never closed.", at)
                continue
            if not _is_digits(text) and not _is_letter(text):
                raise Fault("A fraction needs two arguments.", at, r"\frac{a}{b}")
            self.raws[i : i + 1] = [Raw(character, at + k) for k, character in enumerate(text)]
            self.add("_LBRACE", "{", at)
            self.add(*(("NUM", Num(Fraction(text[0]))) if _is_digits(text) else ("SYM", Sym(text[0]))), at)
            self.add("_RBRACE", "}", at)
            i += 1
        return i

    def number(self, i: int) -> int:
        text, at = self.raws[i]
        if len(text) > LIMITS["digits"]:
            raise Fault(f"The number has {len(text)} characters; the limit is {LIMITS['digits']} digits.", at)
        self.add("NUM", Num(Fraction(text), len(text.partition(".")[2]) if "." in text else None), at)
        return i + 1

    def comma(self, i: int) -> int:
        if not self.open:
            if self.found and self.found[-1].type != "SEP":
                self.add("SEP", ",", self.raws[i].at)
        else:
            self.add("_COMMA", ",", self.raws[i].at)
        return i + 1

    def stop(self, i: int) -> int:
        if i + 1 < len(self.raws):
            raise Fault("A full stop is read only at the end.", self.raws[i].at, kind=NotSupported)
        return i + 1

    def quad(self, i: int) -> int:
        """A wide space: before a condition in brackets it says "for", between two formulas it is a comma."""
        following, at = self.text_at(i + 1), self.place(i)
        if self.open or not following or not self.found or self.found[-1].type in NO_SPACE_NEEDED:
            return i + 1
        if following in ("\\quad", "\\qquad", ",") or following in SIGNS or SIMPLE.get(following, ("",))[0] in NO_SPACE_NEEDED:
            return i + 1
        if following in TEXTS and self.group(i + 2)[0].split()[:1] and self.group(i + 2)[0].split()[0] in WORDS:
            return i + 1
        related = any(token.type == "REL" for token in self.found)
        self.add("_IF" if related and following == "(" else "SEP", "\\quad", at)
        return i + 1

    # --- scripts ----------------------------------------------------------------------------------------------

    def group(self, i: int) -> tuple[str, int]:
        """The text of a brace group as it was written, and the index after it."""
        inside, after = self.script(i)
        return (self.text[self.raws[i].at + 1 : self.raws[after - 1].at] if self.text_at(i) == "{" else inside[0].text), after

    def script(self, i: int) -> tuple[list[Raw], int]:
        """What a `_` or `^` applies to: a brace group without its braces, or one piece."""
        if i >= len(self.raws):
            raise Fault("Something is missing at the end.", len(self.text))
        first = self.raws[i]
        if first.text != "{":
            if first.text in CLOSING or (first.text in SIMPLE and first.text not in ("+", "-", "'")):
                raise Fault("A script is missing here.", first.at)
            if len(first.text) > 1 and _is_digits(first.text):
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

    def time(self, raws: list[Raw]) -> Time | None:
        """The time that a script says (`t-1`, `(t)`, `t-k+1`, `0`), or None."""
        texts = [raw.text for raw in raws]
        if len(texts) > 2 and (texts[0], texts[-1]) in (("(", ")"), ("\\langle", "\\rangle")):
            texts = texts[1:-1]
        if len(texts) % 2 and texts[0] not in "+-":
            texts.insert(0, "+")
        base, offset = "", 0
        for plus, letter in zip(texts[::2], texts[1::2], strict=False):
            name = letter.lstrip("\\")
            if plus not in "+-" or len(texts) % 2:
                return None
            if _is_digits(letter) and len(letter) < 10 and "." not in letter:
                offset += int(plus + letter)
            elif name in self.times:
                base += (plus if base or plus == "-" else "") + name
            else:
                return None
        return Time(base, offset) if texts else None

    def subscript(self, raws: list[Raw], at: int) -> tuple[str, Time | None]:
        """The part of a name, and the time, that a subscript holds."""
        parts: list[list[Raw]] = [[]]
        for raw in raws:
            if raw.text in (",", ";"):
                parts.append([])
            else:
                parts[-1].append(raw)
        times = [self.time(part) for part in parts]
        names = [self.name(part, at) for part, time in zip(parts, times, strict=True) if time is None]
        if len(names) > 1 or len(parts) - len(names) > 1 or (names and times[0] is not None):
            raise Fault("A subscript is a name, a time, or a name and a time.", at, "z_{f,t}", NotSupported)
        return "".join(names), next((time for time in times if time is not None), None)

    def name(self, raws: list[Raw], at: int) -> str:
        """The letters of a part of a name: `hc`, `\\theta`, `\\text{next}`."""
        letters = ""
        for raw in raws:
            bare = raw.text.lstrip("\\")
            if raw.text in TEXTS or raw.text in FONTS or raw.text in "{}":
                continue
            if not (bare.isascii() and bare.isalnum()) or (raw.text[0] == "\\" and bare not in GREEK):
                raise Fault("This is not read as a subscript.", at, "W_{hc}, h_{t-1} or z_{f,t}", NotSupported)
            letters += bare
        if not letters:
            raise Fault("A subscript is missing here.", at)
        return letters

    def power(self, i: int) -> int:
        """A superscript that is not a time: a transpose, a prime, or the power that the grammar reads."""
        at = self.raws[i].at
        inside, after = self.script(i + 1)
        texts = [raw.text for raw in inside if raw.text not in "{}" and raw.text not in TEXTS]
        if not texts:
            raise Fault("A superscript is missing here.", at)
        if len(texts) == 1 and texts[0] in TRANSPOSES:
            self.add("TRANSPOSE", "T", at)
            return after
        if texts[0] in ("\\prime", "'") and len(set(texts)) == 1:
            for _ in texts:
                self.add("PRIME", "'", at)
            return after
        self.add("CARET", "^", at)
        if self.text_at(i + 1) == "{":
            return self.bracket(i + 1, "{")
        if self.text_at(after) == "_":
            raise Fault("A superscript with a subscript needs braces.", at)
        return self.one(i + 1)

    # --- names ------------------------------------------------------------------------------------------------

    def word(self, i: int) -> int:
        """A function, a word, or a symbol with its scripts."""
        text, at = self.raws[i]
        if text in TEXTS:
            inside, after = self.group(i + 1)
            words = inside.split()
            if words and words[0] in WORDS:
                self.add(WORDS[words[0]], inside, at)
                return after
            if inside.strip() in FUNCTIONS:
                return self.function(inside.strip(), at, after)
            if not inside.replace("\\_", "_").strip().isidentifier():
                raise Fault("Words inside a formula are not read.", at, kind=NotSupported)
        elif text[0] == "\\" and text[1:] in FUNCTIONS:
            return self.function(text[1:], at, i + 1)
        elif match := FUNCTION_WORD.match(self.text, at):
            return self.function(match[0], at, i + len(match[0]))
        symbol, after = self.symbol(i)
        self.add("SYM", symbol, at)
        return after

    def function(self, name: str, at: int, after: int) -> int:
        self.add("FUNC", FUNCTIONS[name], at)
        return after

    def base(self, i: int) -> tuple[str, Time | None, int]:
        """The letter a symbol is built on, with fonts dropped and accents put behind it."""
        text, at = self.raws[i] if i < len(self.raws) else Raw("", len(self.text))
        if text in ACCENTS or text in FONTS:
            braced = self.text_at(i + 1) == "{"
            name, time, after = self.scripted(i + 1 + braced)
            if braced and self.text_at(after) != "}":
                raise Fault("One symbol is expected here.", self.place(i + 1), kind=NotSupported)
            return name + (f"_{ACCENTS[text]}" if text in ACCENTS else ""), time, after + braced
        if text in TEXTS:
            inside, after = self.group(i + 1)
            return inside.replace("\\_", "_").strip(), None, after
        if _is_letter(text) or text[1:] in GREEK:
            return text.lstrip("\\"), None, i + 1
        raise Fault("A symbol is expected here.", at)

    def scripted(self, i: int) -> tuple[str, Time | None, int]:
        """A name with the subscripts, and those superscripts that are times."""
        name, time, i = self.base(i)
        while self.text_at(i) in ("_", "^"):
            at = self.raws[i].at
            inside, after = self.script(i + 1)
            if self.text_at(i) == "_":
                more, new = self.subscript(inside, at)
                name += f"_{more}" if more else ""
            else:
                new = self.time(inside) if inside and inside[0].text in ("(", "\\langle") else None
                if new is None:
                    break
            if new is not None and time is not None:
                raise Fault("A symbol with two times is not read.", at, kind=NotSupported)
            time, i = new or time, after
        return name, time, i

    def symbol(self, i: int) -> tuple[Term, int]:
        """A symbol, or the adjoint of one."""
        if self.raws[i].text == "\\delta":
            name, time, after = self.scripted(i + 1)
            arriving = [raw.text for raw in self.raws[after : after + 4]] == ["^", "{", "+", "}"]
            return Adj(_symbol(name, time), arriving), after + 4 * arriving
        name, time, after = self.scripted(i)
        return _symbol(name, time), after

    # --- sums, limits, spaces, matrices -----------------------------------------------------------------------

    def big(self, i: int) -> int:
        """A sum or product sign with both its limits."""
        text, at = self.raws[i]
        below: list[Raw] = []
        above: list[Raw] = []
        j = i + 1
        while self.text_at(j) in ("_", "^"):
            inside, after = self.script(j + 1)
            if self.text_at(j) == "_":
                below = inside
            else:
                above = inside
            j = after
        lower, upper = self.time(below[2:]), self.time(above)
        if len(below) < 3 or below[1].text != "=" or lower is None or upper is None:
            raise Fault("Both limits are needed.", at, rf"{text}_{{t=1}}^{{T}}")
        self.add("BIG", Big(text[1:], below[0].text.lstrip("\\"), lower, upper), at)
        return j

    def limit(self, i: int) -> int:
        at = self.raws[i].at
        inside, after = self.script(i + 2) if self.text_at(i + 1) == "_" else ([], i + 1)
        texts = [raw.text for raw in inside]
        if len(texts) > 2 and _is_letter(texts[0]) and texts[1] in ("\\to", "\\rightarrow") and texts[-1] == "\\infty":
            self.add("LIM", (Sym(texts[0]), -1 if texts[2:-1] == ["-"] else 1), at)
            return after
        raise Fault("Only limits at plus and minus infinity are read.", at, r"\lim_{x \to \infty}", NotSupported)

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

    def environment(self, i: int) -> int:
        text, at = self.raws[i]
        name, after = self.group(i + 1)
        if name not in MATRICES:
            raise Fault(f"The environment {name} is not read inside a formula.", at, kind=NotSupported)
        if text == "\\begin":
            self.open.append((f"\\end{{{name}}}", at))
            self.add("_MATRIX", name, at)
        elif not self.open or self.open.pop()[0] != f"\\end{{{name}}}":
            raise Fault(f"This \\end{{{name}}} does not close the bracket before it.", at)
        else:
            self.add("_END", name, at)
        return after

    def factorial(self, i: int) -> int:
        raise Fault("A factorial is not read.", self.raws[i].at, kind=NotSupported)


def _is_letter(text: str) -> bool:
    return text.isascii() and text.isalpha()


def _is_digits(text: str) -> bool:
    return text[:1].isascii() and text[:1].isdigit()


def _symbol(name: str, time: Time | None) -> Sym:
    return Sym(name + "_" if iskeyword(name) else name, time)


HANDLERS: dict[str, Callable[[_Cutter, int], int]] = {
    ",": _Cutter.comma, ";": _Cutter.comma, ".": _Cutter.stop, "!": _Cutter.factorial,
    "\\quad": _Cutter.quad, "\\qquad": _Cutter.quad,
    "\\sum": _Cutter.big, "\\prod": _Cutter.big, "\\lim": _Cutter.limit,
    "\\mathbb": _Cutter.space, "\\R": _Cutter.space, "\\begin": _Cutter.environment, "\\end": _Cutter.environment,
    **dict.fromkeys(("\\left", "\\right", "\\mathopen", "\\mathclose", *SIZING), _Cutter.sized),
}  # fmt: skip
