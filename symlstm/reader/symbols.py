r"""How a symbol is put together: a base letter with accents, its subscripts, and those superscripts that are no powers.

Whatever it is made of, a symbol is one token: `\tilde{c}_{t-1}`, `\delta z_{f,t+1}`, `W_f^{(t)}` and `dh_t` each reach
the grammar as a finished term.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from keyword import iskeyword

from symlstm.algebra import Adj, Component, NotSupported, Sym, Term, Time, term
from symlstm.reader.conventions import LOSSES, PARAMETERS
from symlstm.reader.scripts import Pieces
from symlstm.reader.tokens import (
    ACCENTS,
    BOLD,
    FONTS,
    GREEK,
    TEXTS,
    TIME_BRACKETS,
    TRANSPOSES,
    Fault,
    Raw,
    Token,
    is_digits,
    is_letter,
    texts_of,
    words,
)  # fmt: skip


@dataclass(frozen=True, slots=True, repr=False)
class Half(Term):
    """Half of a derivative: `\\partial q`; with `adjoint` it may also stand alone, as `dq` and `\\delta q` do.

    `direct` is `\\partial^+`: the derivative of one equation.
    """

    arg: Term
    at: int
    adjoint: bool = False
    direct: bool = False

    def alone(self) -> Term:
        if self.adjoint and isinstance(self.arg, Sym):
            return Adj(self.arg)
        raise Fault("This is only half of a derivative.", self.at, r"\frac{\partial L}{\partial x}")


@dataclass(slots=True)
class Symbol:
    """A symbol in the making: its name, its time and component, how it was written, and powers behind it.

    `arriving` is the mark of an adjoint that stands in one superscript with the time.
    """

    name: str
    written: str
    time: Time | None = None
    component: str = ""
    arriving: bool = False
    tail: list[Token] = field(default_factory=list)

    def term(self) -> Term:
        named = self.sym()
        return Component(named, self.component) if self.component else named

    def sym(self) -> Sym:
        return Sym(self.name + "_" if iskeyword(self.name) else self.name, self.time)

    def timed(self, time: Time, at: int, free: bool) -> None:
        """Give it a time. With two, `\\delta_t^{(k)}`, the first becomes a part of the name where that is free."""
        if self.time is not None:
            if not free or not str(self.time).isidentifier():
                raise Fault("A symbol with two times is not read.", at, kind=NotSupported)
            self.name = f"{self.name}_{self.time}" if self.name else str(self.time)
            self.written = self.written and f"{self.written}_{self.time}"
        self.time = time


def accented(name: str, accent: str) -> str:
    """The name with one more accent, behind those that its letter has already.

    >>> accented("c", "tilde"), accented("i_tilde", "forward"), accented("W_f", "backward")
    ('c_tilde', 'i_tilde_forward', 'W_backward_f')
    """
    letter, *rest = name.split("_")
    place = next((k for k, part in enumerate(rest) if part not in (*ACCENTS.values(), "bold")), len(rest))
    return "_".join((letter, *rest[:place], accent, *rest[place:]))


class Symbols(Pieces):
    """What symbols the pieces make. Each method takes the index of a piece and gives the index after what it used."""

    def symbol(self, i: int) -> tuple[Term, list[Token], int]:
        """A symbol or the adjoint of one, the powers behind it, and the index after it."""
        text, at = self.raws[i]
        free = self.conventions.free
        if free and text in ("\\delta", "\\Delta"):
            return self.delta(i)
        if after := self.behind_adjoint(i):
            return self.adjoint(after)
        if free and text == "d" and self.is_differential(i):
            found, after = self.scripted(i + 1)
            self.without_mark(found, at)
            return Half(found.sym(), at, adjoint=True), found.tail, after
        found, after = self.scripted(i)
        if free and (time := self.called(found, after)):
            found.time, after = time
        self.without_mark(found, at)
        self.note(found)
        return found.term(), found.tail, after

    def note(self, found: Symbol) -> None:
        """Remember how a name is written; one name written in two ways is refused."""
        name = found.sym().name
        if self.names.setdefault(name, found.written) != found.written:
            raise Fault(f"{self.names[name]} and {found.written} have the same name, {name}.", 0)

    def is_differential(self, i: int) -> bool:
        following = self.text_at(i + 1)
        starts = is_letter(following) or following in GREEK or following in ACCENTS or following in FONTS
        return starts and (self.conventions.spaced or self.touching(i + 1, 1))

    def called(self, found: Symbol, i: int) -> tuple[Time, int] | None:
        """The time in brackets behind a name (`l(t)`), and the index after it."""
        if found.time is not None or self.text_at(i) not in ("(", "[") or not (self.conventions.called or found.name in LOSSES):
            return None
        end = next((k for k in range(i, min(i + 8, len(self.raws))) if self.raws[k].text in (")", "]")), 0)
        time = self.time(self.raws[i : end + 1]) if end else None
        return (time, end + 1) if time is not None and time.base else None

    def base(self, i: int) -> tuple[Symbol, int]:
        """The letter a symbol is built on, with fonts dropped and accents put behind it."""
        text, at = self.raws[i] if i < len(self.raws) else Raw("", len(self.text))
        if text in ACCENTS or text in FONTS:
            braced = self.text_at(i + 1) == "{"
            found, after = self.scripted(i + 1 + braced) if braced else self.base(i + 1)
            if braced and self.text_at(after) != "}":
                raise Fault("One symbol is expected here.", self.place(i + 1), kind=NotSupported)
            if text in ACCENTS or (text in BOLD and found.name in self.conventions.bold):
                found.name = accented(found.name, ACCENTS.get(text, "bold"))
            command = f"\\{ACCENTS[text]}" if text in ACCENTS else text
            found.written = f"{command}{{{found.written}}}" if text not in BOLD else found.written
            return found, after + braced
        if text in TEXTS:
            inside, after = self.group(i + 1)
            name = inside.replace("\\_", "_").strip()
            return Symbol(name, f"{text}{{{inside.strip()}}}" if len(name) > 1 else name), after
        if text == "{" and self.conventions.free:
            found, after = self.scripted(i + 1)
            if self.text_at(after) == "}":
                return found, after + 1
        for word in sorted(self.conventions.words, key=len, reverse=True):
            if is_letter(text) and self.text.startswith(word, at):
                joined = len(word) == 2 and word[1] == "t"  # Ct for C_t
                name, time = (word[0], Time("t")) if joined else (word, None)
                return Symbol(name, name, time), i + len(word)
        if is_letter(text) or text in GREEK:
            primed = self.conventions.free and self.text_at(i + 1) == "'" and self.text_at(i + 2) in ("_", "^")
            name = text.lstrip("\\")
            return (Symbol(f"{name}_prime", f"{text}'"), i + 2) if primed else (Symbol(name, text), i + 1)
        raise Fault("A symbol is expected here.", at)

    def scripted(self, i: int) -> tuple[Symbol, int]:
        """A symbol with its subscripts, and those superscripts that are times or parts of its name."""
        found, i = self.base(i)
        while self.text_at(i) in ("_", "^") and not found.tail:
            after = self.subscript(found, i) if self.text_at(i) == "_" else self.superscript(found, i)
            if after == i:
                break
            i = after
        return found, i

    def subscript(self, found: Symbol, i: int) -> int:
        """A subscript: a part of the name, a time, a component, or some of them with commas between."""
        at = self.raws[i].at
        inside, after = self.script(i + 1)
        if self.text_at(i + 1) != "{":
            inside, after = self.unbraced(i + 1, after)
        parts: list[list[Raw]] = [[]]
        for raw in inside:
            if raw.text in (",", ";"):
                parts.append([])
            else:
                parts[-1].append(raw)
        named = False
        for k, part in enumerate(parts):
            texts, free = list(words(part)), self.conventions.free
            bracketed = texts[::2] == ["[", "]"] and is_letter(texts[1]) and texts[1] not in self.times
            indexed = "".join(texts) in self.components and found.name not in PARAMETERS
            known = not k and f"{found.name}_{''.join(texts)}" in self.conventions.names
            layer = texts[1:-1] if texts[:1] + texts[-1:] == ["(", ")"] else []
            numbered = free and not k and len(parts) == 2 and len(texts) == 1 and is_digits(texts[0])  # h_{1,t}
            if self.is_layer(layer):
                found.name, found.written = f"{found.name}_{layer[0]}", f"{found.written}_{self.spelled(part)}"
            elif free and (bracketed or indexed) and not found.component:
                found.component = texts[1] if bracketed else texts[0]
            elif not numbered and not known and (time := self.time(part)) is not None and self.is_timed(found.name, time):
                found.timed(time, at, free and len(parts) == 1)
            elif not named and not k:
                more = self.name(part, at)
                found.name, found.written, named = f"{found.name}_{more}", f"{found.written}_{self.spelled(part)}", True
            else:
                raise Fault("A subscript is a name, a time, or a name and a time.", at, "z_{f,t}", NotSupported)
        return after

    def is_timed(self, name: str, time: Time) -> bool:
        """Whether this is a time and not a number or index in the name of a parameter, `W_1` or `b_i`."""
        usual = PARAMETERS - self.conventions.quantities
        return name not in usual or (time.base != "" and time.base[0] in self.conventions.times)

    def spelled(self, part: list[Raw]) -> str:
        text = "".join(raw.text for raw in part)
        return text if len(part) == 1 else f"{{{text}}}"

    def superscript(self, found: Symbol, i: int) -> int:
        """A superscript that is a time, perhaps with a power behind it, or a part of the name; else nothing is used."""
        at = self.raws[i].at
        inside, after = self.script(i + 1)
        if self.text_at(i + 1) != "{":
            inside, after = self.unbraced(i + 1, after)
        mark = [",", *texts_of(self.conventions.arriving)]
        if [raw.text for raw in inside[-len(mark) :]] == mark:
            inside, found.arriving = inside[: -len(mark)], True
        texts, free, head = list(words(inside)), self.conventions.free, found.name.partition("_")[0]
        if "".join(texts) in TRANSPOSES:
            last = self.conventions.superscript and texts == ["T"] and found.time is None and head[0] in self.conventions.timed
            if last:
                found.time = Time("T")
            return after if last else i
        end = next((k for k, text in enumerate(texts) if (texts[0], text) in TIME_BRACKETS), 0)
        time = self.time(inside[: end + 1]) if end else None
        if end and self.is_layer(texts[1:end]) and not self.conventions.lowered:
            found.tail = self.powers(texts[end + 1 :], at)
            return self.named(found, inside[1:end], after, at)
        gate = free and found.time is None and self.text_at(after) == "_" and len(texts) == 1 and is_letter(texts[0])
        if gate and texts[0] not in self.times | self.components and self.is_time(after + 1):
            return self.named(found, inside, after, at)  # a^f_t
        if end and time is None:
            if free and head in PARAMETERS and all(map(is_letter, texts[1:end])) and end + 1 == len(texts):
                return self.named(found, inside[1:end], after, at)
            if end == 2 and end + 1 == len(texts):
                raise Fault("What stands in brackets here is not a time.", at, "h^{(t)}", NotSupported)
            return i
        rest = texts[end + 1 :] if end else []
        if not end and self.conventions.superscript and head not in PARAMETERS - self.conventions.quantities:
            cut = len(inside) - (len(texts) > 1 and texts[-1] in TRANSPOSES and self.time(inside[:-1]) is not None)
            time, rest = self.time(inside[:cut]), texts[cut:]
            time = None if time is not None and not time.base else time
        if time is not None:
            found.timed(time, at, free)
            found.tail = self.powers(rest, at)
            return after
        if free and head in PARAMETERS and texts and all(map(is_letter, texts)) and not (self.times | {"n", "m"}) & {*texts}:
            return self.named(found, inside, after, at)
        return i

    def is_layer(self, texts: list[str]) -> bool:
        """Whether a number in brackets is the number of a layer, as in `h_t^{(1)}`."""
        return self.conventions.layered and len(texts) == 1 and is_digits(texts[0])

    def is_time(self, i: int) -> bool:
        """Whether the script that starts here is a time."""
        time = self.time(self.script(i)[0])
        return time is not None and time.base != ""

    def named(self, found: Symbol, pieces: list[Raw], after: int, at: int) -> int:
        found.name, found.written = f"{found.name}_{self.name(pieces, at)}", f"{found.written}^{self.spelled(pieces)}"
        return after

    def powers(self, rest: list[str], at: int) -> list[Token]:
        """What stands behind a time in the same superscript: a transpose or a power."""
        rest = [text for text in rest if text != ","]
        if not rest:
            return []
        if "".join(rest) in TRANSPOSES:
            return [Token("TRANSPOSE", "T", at)]
        if len(rest) == 1 and is_digits(rest[0]):
            return [Token("CARET", "^", at), Token("NUM", term(int(rest[0])), at)]
        raise Fault("This is not read behind a time.", at, kind=NotSupported)

    # --- adjoints -----------------------------------------------------------------------------------------------

    def behind_adjoint(self, i: int) -> int:
        """The index behind the sign of an adjoint, if one stands here; a letter is one only where a symbol follows it."""
        sign = texts_of(self.conventions.adjoint)
        after = i + len(sign)
        following = self.text_at(after)
        starts = is_letter(following) or following in GREEK | ACCENTS.keys() | FONTS | TEXTS
        found = [raw.text for raw in self.raws[i:after]] == list(sign)
        return after if found and (starts or sign == ("\\delta",)) else 0

    def adjoint(self, i: int) -> tuple[Term, list[Token], int]:
        """The adjoint of the quantity that stands here, with the mark of what arrives behind it or behind its time."""
        found, after = self.scripted(i)
        self.note(found)
        end, arriving = self.behind_arriving(after)
        return Adj(found.sym(), arriving or found.arriving), found.tail, end

    def behind_arriving(self, i: int) -> tuple[int, bool]:
        """The index behind the mark of what arrives, and whether it stands here."""
        mark = ["^", "{", *texts_of(self.conventions.arriving), "}"]
        here = [raw.text for raw in self.raws[i : i + len(mark)]] == mark
        return i + len(mark) * here, here

    def without_mark(self, found: Symbol, at: int) -> None:
        """Refuse the mark of what arrives on anything but an adjoint."""
        if found.arriving:
            raise Fault("Only of an adjoint a part arrives.", at, kind=NotSupported)

    # --- deltas -----------------------------------------------------------------------------------------------

    def delta(self, i: int) -> tuple[Term, list[Token], int]:
        """Where that is free: `\\delta q`, `\\delta_q^{(t)}`, `\\delta_{qt}`, `\\delta^{(t)}` and `\\delta 3`."""
        text, at = self.raws[i]
        following, greek = self.text_at(i + 1), text[1:]
        if is_digits(following) and "." not in following:
            return Sym(f"{greek}_{following}"), [], i + 2
        if time := self.called(Symbol("L", ""), i + 1):
            return Sym(greek, time[0]), [], time[1]
        scripts = following in ("_", "^")
        found, after = self.delta_scripts(i + 1) if scripts else self.scripted(i + 1)
        if greek == "Delta" or not found.written:
            found.name = f"{greek}_{found.name}" if found.name else greek
            self.without_mark(found, at)
            return found.term(), found.tail, after
        end, arriving = self.behind_arriving(after)
        if arriving or found.arriving:
            return Adj(found.sym(), arriving=True), found.tail, end
        return Half(found.sym(), at, adjoint=True), found.tail, after

    def delta_scripts(self, i: int) -> tuple[Symbol, int]:
        """The quantity and the time that the scripts of a delta give; `written` is empty if they give no quantity."""
        found = Symbol("", "")
        while self.text_at(i) in ("_", "^") and not found.tail:
            inside, after = self.script(i + 1)
            texts, at = list(words(inside)), self.raws[i].at
            power = found.time and self.text_at(i) == "^" and len(texts) == 1 and is_digits(texts[0])
            if power or (self.text_at(i) == "^" and "".join(texts) in TRANSPOSES):
                break
            end = next((k for k, text in enumerate(texts) if (texts[0], text) in TIME_BRACKETS), len(texts) - 1)
            time = self.time(inside[: end + 1] if end < len(texts) - 1 else inside)
            if self.is_layer(texts[1:end]):
                found.name = f"{found.name}_{texts[1]}" if found.name else texts[1]
                found.tail = self.powers(texts[end + 1 :], at)
            elif time is not None:
                found.timed(time, at, free=True)
                found.tail = self.powers(texts[end + 1 :], at)
            else:
                self.quantity(found, inside, at)
            i = after
        return found, i

    def quantity(self, found: Symbol, inside: list[Raw], at: int) -> None:
        """The quantity that a script of a delta names: `h`, `ht`, `h,t` or `h_t`."""
        texts = list(words(inside))
        if found.written:
            raise Fault("A delta of two quantities is not read.", at, kind=NotSupported)
        if "," in texts[1:-1]:
            comma = [raw.text for raw in inside].index(",")
            time = self.time(inside[comma + 1 :])
            if time is None:
                raise Fault("A time is expected behind the comma.", at, r"\delta_{h,t}", NotSupported)
            found.timed(time, at, free=True)
            inside = inside[:comma]
        elif len(texts) == 2 and is_letter(texts[0]) and texts[1] in self.times and found.time is None:
            found.time, inside = Time(texts[1]), inside[:1]
        if all(map(is_letter, words(inside))):
            name, time = self.name(inside, at), None
        else:
            scripts = next((k for k, raw in enumerate(inside) if raw.text in ("_", "^")), 1)
            first = scripts - 1 if all(is_letter(raw.text) for raw in inside[:scripts]) else 0  # the cc of \delta_{cc_t}
            inner, end = Symbols(self.text, inside, self.conventions).scripted(first)
            if end < len(inside) or inner.tail:
                raise Fault("This is not read as the quantity of a delta.", at, r"\delta_{h_t}", NotSupported)
            name, time = "".join(raw.text for raw in inside[:first]) + inner.name, inner.time
        found.name, found.written = f"{name}_{found.name}" if found.name else name, name
        if time is not None:
            found.timed(time, at, free=True)
