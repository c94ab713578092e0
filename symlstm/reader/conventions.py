r"""What LaTeX leaves open, settled: how times, products, deltas and names are written in one document.

`HOUSE` is our own notation, and strict. `PEOPLE` takes what people write; `survey` looks at the formulas of a document
and sets what has to be known before they can be read: where the time stands, which words are names, what is a function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from symlstm.reader.tokens import ACCENTS, FUNCTIONS, LIMITS, Product, without_unicode

HOUSE_PRODUCTS: Mapping[str, Product] = MappingProxyType({r"\odot": "hadamard", r"\cdot": "matrix"})
PEOPLE_PRODUCTS: Mapping[str, Product] = MappingProxyType(
    {r"\odot": "hadamard", r"\circ": "hadamard", r"\otimes": "hadamard", r"\bullet": "hadamard", r"\cdot": "matrix",
     r"\times": "matrix", r"\ast": "matrix", "*": "matrix", ".": "matrix", "@": "matrix"}
)  # fmt: skip
NONE: frozenset[str] = frozenset()
PARAMETERS = frozenset("WUVRPbwu")  # letters whose superscript is no time unless it stands in brackets
LOSSES = frozenset({"L", "E", "J", "l", "ell"})  # names before a bracket with a time or with what the loss depends on


@dataclass(frozen=True, slots=True)
class Conventions:
    """How a text writes what LaTeX leaves open.

    `times` are the letters that count steps where they stand alone in a script; the index of a sum over time does so
    anyway. `products` gives the meaning of each product sign; a sign that is not in it is refused, and a product
    without a sign is a matrix product (or scales). With `tight` that product binds more tightly than one with a sign
    (`a \\odot W x`), else products are read from left to right.

    `free` allows what the house does not write: open sums (`\\sum_t`), `dh_t`, components (`y_k` under `\\sum_k`), names
    in superscripts (`W^f`), words before and after a formula. The others are what `survey` finds out: `superscript`
    puts the time there (`h^{t-1}`), `timed` are the names that have it there; `unbraced` reads `h_t-1` as h at t-1;
    `called` reads `h(t)` and `h[t]` as h at t; `words` are names of several letters; `functions` are names that are applied to
    what stands in brackets behind them; `components` are indices of components; `bold` are letters that mean one
    thing when bold and another when not; `identifiers` takes all letters behind `_` as the subscript (`W_xi`);
    `layered` reads a number in brackets as a layer (`h_t^{(1)}`), with `lowered` only below (`h_{(1)}^{(t)}`);
    `spaced` reads `d h_t` as `dh_t`. `names` are names whose last part looks like a time (`W_k`). `adjoint` stands before
    a quantity for its adjoint, and `arriving` above that for the part that arrives. With `beside` what stands in square
    brackets with commas between stands side by side, `[h, x]`, else above one another.
    """

    times: frozenset[str] = frozenset({"t", "T", "s", "k"})
    products: Mapping[str, Product] = field(default_factory=lambda: HOUSE_PRODUCTS, hash=False)
    tight: bool = True
    free: bool = False
    superscript: bool = False
    unbraced: bool = False
    called: bool = False
    identifiers: bool = False
    layered: bool = False
    lowered: bool = False
    spaced: bool = False
    timed: frozenset[str] = NONE
    words: frozenset[str] = NONE
    functions: frozenset[str] = NONE
    components: frozenset[str] = NONE
    bold: frozenset[str] = NONE
    names: frozenset[str] = NONE
    quantities: frozenset[str] = NONE
    adjoint: str = "\\delta"
    arriving: str = "+"
    beside: bool = False

    def told(self, names: Iterable[str], functions: Iterable[str], quantities: Iterable[str] = ()) -> Conventions:
        """The same for a text whose names and functions are known: `W_k` is then a name, and `f(x)` a function at x.

        Of letters that usually are parameters, `quantities` are none here: `u_1` is then u at step 1.

        What could be read in no other way need not be told, and changes nothing.

        >>> HOUSE.told(["W_k", "W_f"], ["f", "tanh"]).names, HOUSE.told(["W_f"], ["tanh"]) == HOUSE
        (frozenset({'W_k'}), True)
        """
        unclear = frozenset(whole for name in names if (whole := self._without_layer(name)) and self._ends_in_time(whole))
        unknown = frozenset(functions) - frozenset(FUNCTIONS.values())
        steps = PARAMETERS.intersection(quantities)
        return replace(
            self, names=self.names | unclear, functions=self.functions | unknown, quantities=self.quantities | steps
        )

    def _without_layer(self, name: str) -> str:
        whole, _, last = name.rpartition("_")
        return whole if self.layered and last.isdigit() else name

    def _ends_in_time(self, name: str) -> bool:
        """Whether a name is a letter, with accents perhaps, and a subscript that looks like a time."""
        _, *accents, last = name.split("_") if "_" in name else (name, "")
        return last in self.times and all(part in ACCENTS.values() for part in accents)


HOUSE = Conventions()
PEOPLE = Conventions(
    times=frozenset({"t", "T", "tau", "s", "k"}),
    products=PEOPLE_PRODUCTS,
    free=True,
    functions=frozenset({"phi", "varphi", "psi"}),
)

_TEXT = re.compile(r"\\(?:text[a-z]*|mathrm|operatorname|mbox)\s*\{[^{}]*\}")
_SUPERSCRIPT = re.compile(
    r"(\\[A-Za-z]+|[A-Za-z])\}?(?:_(?:\w|\{[^{}]*\}))?\s*\^\s*(?:\{\s*t\s*(?:[-+]\s*1\s*)?\}|t(?![A-Za-z]))"
)
_FUNCTION = re.compile(r"(\\?[A-Za-z])(?:_\w)?\s*\((?!t\))[a-z]\)\s*=")
_WORD = re.compile(r"(?!d[A-Za-z](?![A-Za-z]))([A-Za-z]{2,12})(?=\s*(?:[_^=]|:=|\\in(?![A-Za-z])))")
_SUM = re.compile(r"\\sum\s*(?:\\limits)?\s*_\s*(?:\{\s*([A-Za-z])\s*\}|([A-Za-z])(?![A-Za-z]))")
_BOLD = re.compile(r"\\(?:mathbf|boldsymbol|bm)\s*(?:\{\s*([A-Za-z])\s*\}|([A-Za-z]))")
_NUMBER = r"\^\s*\{\s*[(\[]\s*\d\s*[)\]]"
_LAYERS = re.compile(rf"_\s*(?:t|\{{\s*t\s*(?:[-+]\s*1\s*)?\}})\s*{_NUMBER}|{_NUMBER}\s*\}}\s*_\s*\{{?\s*t")  # h_t^{(1)}
_SPACED = re.compile(r"\s*d[ \t]+(?:\\[a-z]+\s*\{[^{}]*\}|[A-Za-z])\s*(?:[_^][^=+]*)?=")  # d h_t = ...
_CODE = re.compile(r"(?<![A-Za-z\\_{])d?([WU][a-z]{2}|[WRb]b|b[a-z])(?![A-Za-z^])(?!_[^a-z{])")
_JOINED = re.compile(r"(?<![A-Za-z\\_{])([A-Za-z])t(?![A-Za-z_^])")


def survey(texts: Iterable[str], start: Conventions = PEOPLE) -> Conventions:
    r"""The conventions that the formulas of one document follow, as far as their looks tell.

    >>> found = survey([r"Cc_t = \tanh(W x_t + U h_t-1)", r"E = \sum_k y_k \log p_k"])
    >>> found.words, found.unbraced, found.components
    (frozenset({'Cc'}), True, frozenset({'k'}))
    """
    formulas = [_TEXT.sub(" ", without_unicode(text)) for text in texts if len(text) <= LIMITS["characters"]]
    whole = "\n".join(formulas)
    timed = frozenset(name for name in _firsts(_SUPERSCRIPT, whole) if name[0] != "\\" and name[-1:] not in PARAMETERS)
    sums = frozenset(_firsts(_SUM, whole))
    words = {match[1] for text in formulas if (match := _WORD.match(text.strip()))}
    joined = {f"{letter}t" for letter in _firsts(_JOINED, whole) if re.search(rf"(?<![A-Za-z\\]){letter}_\{{?t", whole)}
    bold = frozenset(_firsts(_BOLD, whole))
    parts_of_names = {letter for letter in sums if re.search(rf"[WUVRPb]_\{{?\w?{letter}|(?<![A-Za-z\\]){letter}_", whole)}
    plain = _BOLD.sub("#", whole)
    indices = "".join(sums - parts_of_names - {"t", "s", "T"})
    part = rf"(?!\s*\{{?[{indices}](?![A-Za-z]))" if indices else ""  # a_i is an entry of the bold a
    scripted = re.search(r"(?<!sum)(?<!prod)(?<!limits)[_^]\s*(?:t|\{\s*\(?\s*t)", whole)
    return replace(
        start,
        superscript=bool(timed),
        timed=frozenset(name[-1] for name in timed),
        unbraced=bool(re.search(r"[_^]t[-+]1", whole)) and not re.search(r"[_^]\s*\{\s*t\s*[-+]\s*1\s*\}", whole),
        called=bool(re.search(r"(?<![A-Za-z\\])[a-zA-Z][(\[](?:t|t\s*[-+]\s*1)[)\]]", whole)) and not scripted,
        times=start.times - {letter for letter in ("s", "k") if _is_quantity(letter, whole)},
        words=start.words | words | joined | _code_names(whole),
        layered=bool(_LAYERS.search(whole)),
        spaced=any(map(_SPACED.match, formulas)),
        functions=start.functions | {name.lstrip("\\") for text in formulas if (name := _first(_FUNCTION.match(text.strip())))},
        components=start.components | (sums - parts_of_names - {"t", "s", "T"}),
        bold=frozenset(letter for letter in bold if re.search(rf"(?<![A-Za-z\\_{{]){letter}\s*(?:[\^=]|_{part})", plain)),
    )


def _is_quantity(letter: str, text: str) -> bool:
    """Whether a letter that often counts steps is a quantity here, `s_t`, and counts none."""
    quantity = re.search(rf"(?<![A-Za-z\\_{{]){letter}\s*[_^]\s*(?:t|\{{\s*\(?\s*t|\\langle)", text)
    counted = rf"(?:sum|prod)(?:\\limits)?\s*_\s*\{{?\s*{letter}(?![A-Za-z])|[_^]\s*\{{?\(?{letter}\s*[-+]\s*1"
    return quantity is not None and re.search(counted, text) is None


def _code_names(text: str) -> set[str]:
    """Names of parameters as in code: `Wxh` and then `bh`; `Wb_i` beside `Rb_i`."""
    found = set(_firsts(_CODE, text))
    matrices = {name for name in found if name[0] in "WU" and len(name) == 3}
    biases = {name for name in found if name[0] == "b"} if matrices else set()
    return matrices | biases | ({"Wb", "Rb"} if {"Wb", "Rb"} <= found else set())


def _first(match: re.Match[str] | None) -> str:
    return next((group for group in match.groups() if group), "") if match else ""


def _firsts(pattern: re.Pattern[str], text: str) -> list[str]:
    return [_first(match) for match in pattern.finditer(text)]
