r"""A formula to the tokens of the grammar, in one pass over its pieces.

Symbols come whole (`symlstm.reader.symbols`), sum signs come with their limits, and what only moves or frames things on
the page (sizes, spaces, boxes, colours, braces under a part) is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from symlstm.algebra import SOME, NotSupported, Num, Sym, Term
from symlstm.reader.building import BESIDE
from symlstm.reader.constructs import Constructs
from symlstm.reader.conventions import HOUSE, LOSSES, Conventions
from symlstm.reader.dots import Dots
from symlstm.reader.symbols import Symbol
from symlstm.reader.tokens import (
    ACCENTS,
    BARS,
    CLOSING,
    CONDITIONS,
    DOTS,
    DROPPED,
    FONTS,
    FRAMES,
    FUNCTION_WORD,
    FUNCTIONS,
    GREEK,
    LIMITS,
    OPENING,
    SIGNS,
    SIMPLE,
    SIZING,
    TEXTS,
    TRANSPOSES,
    Fault,
    Raw,
    Sign,
    Token,
    is_digits,
    is_letter,
    raws,
    words,
)  # fmt: skip

NUMERALS = FONTS | TEXTS | {"\\mathbb", "\\vec"}
OPERATORS = frozenset({"PLUS", "MINUS", "REL", "SIGN", "SLASH", "FUNC", "SYM", "LP", "LB", "PRIME"})
FACTOR_ENDS = frozenset({"SYM", "TRANSPOSE", "RP", "RB", "_RBRACE", "_RABS", "_RNORM", "_END"})
ENTRY_ENDS = frozenset({"\\\\", "&", "\\end"})
APART = frozenset({"PLUS", "MINUS", "REL", "SIGN", "SEP", "_IF"})  # a wide space beside one of these is only a space



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


class Cutter(Constructs):
    """Each method takes the index of a piece, adds tokens, and gives the index after what it used."""

    def run(self) -> list[Token]:
        i = 0
        while i < len(self.raws):
            i = self.one(i)
        if self.open:
            raise Fault("This bracket is never closed.", self.open[-1][1])
        self.end_of_side()
        if [token.type for token in self.found[-3:]] == ["LP", "NUM", "RP"] and len(self.found) > 3:
            before = self.found[-4]
            timed = isinstance(before.value, Sym) and before.value.time is not None
            if (timed or before.type not in OPERATORS) and any(token.type == "REL" for token in self.found):
                raise Fault("This is a factor or the number of the formula.", self.found[-3].at, r"\tag{1}, or no brackets")
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
            within = bool(self.found) and self.found[-1].type == "REL" and self.found[-1].value == "in"  # an interval
            self.open.append((closing, at))
            self.add(type, BESIDE if self.conventions.beside and not within else text, at)
            return i + 1
        type, closing = CLOSING[text]
        self.close(closing, at, text)
        self.add(type, text, at)
        if text == "\\rVert" and [raw.text for raw in self.raws[i + 1 : i + 3]] == ["_", "2"]:
            return i + 3  # the norm that is meant
        return i + 1

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
            signs = [raw for raw in inside if raw.text not in "{}"]
            self.raws[i + 1 : after] = signs if all(raw.text in SIMPLE for raw in signs) else inside  # {{+}{=}} is +=
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

    def numeral(self, i: int) -> int:
        r"""`\mathbf{1}_n`, a column of ones; without a size the number, which stands for any constant array.

        Where that is free, `\mathbf{1}^\top` has as many ones as fit.
        """
        at = self.raws[i].at
        inside, after = self.script(i + 1)
        one = [raw.text for raw in inside] == ["1"]
        turned = self.is_transposed(after)
        if one and turned and self.text_at(end := self.script(after + 1)[1]) == "_":  # \mathbf{1}^\top_n
            behind = self.script(end + 1)[1]
            self.raws[after:behind] = self.raws[end:behind] + self.raws[after:end]
        if one and self.text_at(after) == "_":
            self.add("_ONES", "1", at)
            return self.size_of_ones(after + 1)
        before = one and [raw.text for raw in self.raws[after : after + after - i]] == [raw.text for raw in self.raws[i:after]]
        outer = before and self.is_transposed(after + after - i)  # \mathbf{1} \mathbf{1}^\top
        if one and turned and self.conventions.free:
            for kind, value in (("_ONES", "1"), ("_LBRACE", "{"), ("SYM", SOME), ("_RBRACE", "}")):
                self.add(kind, value, at)
            return after
        if outer or (one and not self.conventions.free and (turned or (self.found and self.found[-1].type in FACTOR_ENDS))):
            raise Fault("How many ones these are is not written.", at, r"\mathbf{1}_n", NotSupported)
        self.raws[i:after] = inside
        return self.number(i)

    def is_transposed(self, i: int) -> bool:
        return self.text_at(i) == "^" and "".join(words(self.script(i + 1)[0])) in TRANSPOSES

    def size_of_ones(self, i: int) -> int:
        """Put braces around a size that stands without them; what is no size is refused."""
        inside, after = self.script(i)
        strange = (raw for raw in inside if raw.text in ("\\times", "\\{", ",") or SIMPLE.get(raw.text, ("",))[0] == "REL")
        if raw := next(strange, None):
            raise Fault("Only a column of ones is read.", raw.at, r"\mathbf{1}_n", NotSupported)
        if self.text_at(i) != "{":
            self.raws[i:after] = [Raw("{", self.place(i)), *inside, Raw("}", self.place(i))]
        return i

    def part(self, i: int) -> int:
        r"""Rows of what is in brackets, `(v)_{1:n}`, or columns, `(W)_{:,1:n}`."""
        at = self.raws[i].at
        inside, after = self.script(i + 1)
        columns = [raw.text for raw in inside[:2]] == [":", ","]
        inside = inside[2:] if columns else inside
        colon = next((k for k, raw in enumerate(inside) if raw.text == ":"), None)
        if colon is None or not self.found or self.found[-1].type not in FACTOR_ENDS:
            raise Fault("The character '_' is not read.", at, kind=NotSupported)
        ends = (inside[:colon], inside[colon + 1 :])
        self.raws[i + 1 : after] = [raw for end in ends for raw in (Raw("{", at), *end, Raw("}", at))]
        self.add("_COLUMNS" if columns else "_ROWS", "_", at)
        return i + 1

    def power(self, i: int) -> int:
        """A superscript that is not a time: a transpose, a prime, or the power that the grammar reads."""
        at = self.raws[i].at
        if self.text_at(i + 1) in ("-", "+") and self.conventions.free and is_digits(self.text_at(i + 2)):
            self.raws[i + 1 : i + 3] = [Raw("{", at), *self.raws[i + 1 : i + 3], Raw("}", at)]
        inside, after = self.script(i + 1)
        texts = list(words(inside))
        if not texts:
            raise Fault("A superscript is missing here.", at)
        if len(texts) > 1 and texts[0] in SIGNS and self.conventions.free:  # g^{\odot 2}
            del self.raws[next(k for k in range(i + 1, after) if self.raws[k].text == texts[0])]
            return self.power(i)
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
        if text in NUMERALS and (inside := self.script(i + 1))[0] and all(is_digits(raw.text) for raw in inside[0]):
            return self.numeral(i)
        if at in self.halves:
            self.add("PARTIAL", text, at)
            return i + 1
        if text == "\\sigma" and self.is_quantity(i + 1):
            return self.named_symbol(i)
        if text[0] == "\\" and text[1:] in FUNCTIONS:
            return self.function(FUNCTIONS[text[1:]], at, i + 1)
        match = FUNCTION_WORD.match(self.text, at)
        if match and not any(self.text.startswith(word, at) for word in self.conventions.words if len(word) > len(match[0])):
            return self.function(FUNCTIONS[match[0]], at, i + len(match[0]))
        if self.conventions.free and text == "\\delta" and self.text_at(i + 1) == "(" and not self.called(Symbol("L", ""), i + 1):
            return self.function("delta", at, i + 1)
        return self.named_symbol(i)

    def is_quantity(self, i: int) -> bool:
        r"""Whether the script here makes a quantity of a sigma: `\sigma_t`, a standard deviation, and no function."""
        if not self.conventions.free or self.text_at(i) not in ("_", "^") or not self.is_time(i + 1):
            return False
        after = self.script(i + 1)[1]
        while self.text_at(after) in SIZING:
            after += 1
        return self.text_at(after) not in ("(", "[", "{")

    def named_symbol(self, i: int) -> int:
        at = self.raws[i].at
        found, tail, after = self.symbol(i)
        primed = self.text_at(after) == "'" and (self.conventions.free or self.is_applied(found, False))
        upright = self.raws[i].text in TEXTS and self.conventions.free
        behind = next((raw.text for raw in self.raws[after:] if raw.text not in SIZING), "")
        if isinstance(found, Sym) and (primed or (behind == "(" and self.is_applied(found, upright))):
            return self.function(found.name if found.time is None else f"{found.name}[{found.time}]", at, after)
        self.add("SYM", found, at)
        self.found += tail
        return after

    def is_applied(self, found: Term, upright: bool) -> bool:
        """Whether a name before a bracket is a function there; a word of three or more upright letters is one."""
        if not isinstance(found, Sym):
            return False
        if upright and found.time is None and len(found.name) > 2 and found.name.isalpha():
            return True
        if found.name in self.conventions.functions and found.time is None:
            return True
        return self.conventions.free and found.name in LOSSES

    def function(self, name: str, at: int, after: int) -> int:
        """A function, with a subscript as a part of its name (`\\sigma_g`)."""
        if self.conventions.free and self.text_at(after) == "_":
            inside, end = self.script(after + 1)
            name, after = f"{name}_{self.name(inside, at)}", end
        if name == "sqrt" and self.text_at(after) == "[":
            raise Fault("Only square roots are read.", self.place(after), r"\sqrt{x}", NotSupported)
        alone = self.conventions.free and self.text_at(after) in ENTRY_ENDS and self.open and self.open[-1][0].startswith("\\end")
        self.add("SYM" if alone else "FUNC", Sym(name) if alone else name, at)  # a column of functions
        return after

    def texts(self, i: int) -> int:
        """Words: a condition, a function, a name, or prose around the formula."""
        text, at = self.raws[i]
        inside, after = self.group(i + 1)
        first = inside.split()[0] if inside.split() else ""
        if first.strip(",:") in CONDITIONS:
            defines = first.strip(",:") == "where" and self.relation_after(after) == "="
            self.add("SEP" if defines else CONDITIONS[first.strip(",:")], inside, at)
            return after
        if inside.strip() == "Var" and self.text_at(after) == "_":
            return self.moment("Var", at, after)
        word = re.sub(r"\\_|[\s_-]", "", inside)  # hard\_sigmoid, hard sigmoid
        if word in FUNCTIONS:
            return self.function(FUNCTIONS[word], at, after)
        name = inside.replace("\\_", "_").strip()
        prose = text.startswith(("\\text", "\\mbox")) and name != inside and len(name) > 1
        if name.isascii() and name.isidentifier() and not prose:
            return self.named_symbol(i)
        if not self.conventions.free:
            raise Fault("Words inside a formula are not read.", at, kind=NotSupported)
        if not self.open:
            self.add("SEP", inside, at)
        return after

    def dots(self, i: int) -> int:
        if not self.conventions.free:
            raise Fault("Dots are not read.", self.raws[i].at, kind=NotSupported)
        self.add("SYM", Dots(self.raws[i].at), self.raws[i].at)
        return i + 1

    def relation_after(self, i: int) -> str:
        """The first relation sign from here on."""
        values = (SIMPLE[raw.text][1] for raw in self.raws[i:] if SIMPLE.get(raw.text, ("",))[0] == "REL")
        return next(values, "")

    def factorial(self, i: int) -> int:
        raise Fault("A factorial is not read.", self.raws[i].at, kind=NotSupported)


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
    ({"_"}, Cutter.part),
    (DOTS, Cutter.dots),
    ({"!"}, Cutter.factorial),
)
