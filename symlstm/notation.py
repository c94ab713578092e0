r"""Notations as tables: how a quantity, its time mark and its adjoint are written.

A `Notation` holds no code. Those that we ship stand in `dialects`; `restating` gives a cell the names and the form of one.
A name such as `z_f` is a letter with subscripts; `write` looks up each part, adds the time mark where the notation puts it,
and says whether the result carries a superscript (a power of it then needs brackets).

>>> write(Sym("z_f", Time("t", -1))).text
'z_{f,t-1}'
>>> write(Sym("W_f", Time())).text
'W_f^{(t)}'
>>> write(Sym("C_tilde", Time()), Notation("mine", time="above")).text
'\\tilde{C}^{(t)}'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args, get_origin, get_type_hints

from symlstm.algebra import NotSupported, NotValid, Sym, Time, plain

_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau upsilon "
    "phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell"
)
GREEK = frozenset(_GREEK.split())
ACCENTS: Mapping[str, str] = MappingProxyType({
    "tilde": r"\tilde", "hat": r"\hat", "bar": r"\bar", "forward": r"\overrightarrow", "backward": r"\overleftarrow",
})  # fmt: skip
SPECIAL: Mapping[str, str] = MappingProxyType({"infinity": r"\infty", "eps": r"\epsilon"})


Form = Literal["joined", "two biases", "apart", "input first", "hidden first"]


@dataclass(frozen=True, slots=True)
class Notation:
    """How a cell is written: its names, the form of its equations, and the style in which they are printed.

    *Names.* `rename` maps our names to this notation's. A full name (`g`) is of whatever is called so, and wherever it is a
    subscript, that changes too (`W_g`); `*_g` says what it is called there, if otherwise. A key `W_*` is a family of parameters,
    the star standing for the rest of the name. `preactivation` is how the argument of an activation is called, the star standing
    for what is computed from it. `cells` has further names for cells by their names, `gru*` for all that begin so.
    Where two names would become one, that is refused; with `clash` as `keep` a name stays as it is in a cell where it would
    become one that is there already.

    *Form.* `joined`: the products with the input and the hidden state become one, with both stacked. `two biases`: one on the
    input's product, one on the hidden state's; the second is the family `d_*`, `d`. `apart`: a product with a stack becomes one
    product for each block, the families `W_*`, `U_*` and for a further block `V_*`. `input first` and `hidden first` order
    the products of a sum, and what is stacked.

    *Style.* `time` puts time marks below, `h_t`, or above, `h^{(t)}` (`bare`: `h^t`); the copies of `parameters` that a step
    uses have theirs above in any case. `vectors` are columns, `W x_t`, or rows, `x_t W`. `stack` writes one vector on top
    of another as a matrix of two blocks or as a list in square brackets. `product` is the sign of a matrix product, mostly
    none, `elementwise` that of an elementwise one; `transpose` is what stands above for a transpose; `adjoint` stands before
    a quantity for its adjoint, and `arriving` above it for what arrives from the next step. `operator` is the macro for
    upright function names. `letters` are subscripts of letters side by side that are no Greek letter (`xi`). `numbers` are the
    quantities that are one number, whose products need no sign. With `layered` a number at the end of a name is that of a
    layer and stands in brackets above, `h_t^{(2)}`, and every time below; where time marks are above, it is the other way round.
    """

    name: str
    source: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    preactivation: str = "z_*"
    cells: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clash: Literal["refuse", "keep"] = "refuse"
    form: tuple[Form, ...] = ()
    time: Literal["below", "above", "bare"] = "below"
    vectors: Literal["columns", "rows"] = "columns"
    stack: Literal["matrix", "list"] = "matrix"
    product: str = ""
    elementwise: str = r"\odot"
    transpose: str = r"\top"
    adjoint: str = r"\delta"
    arriving: str = "+"
    operator: str = r"\operatorname"
    letters: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset({"W", "U", "V", "P", "R", "b"})
    numbers: frozenset[str] = frozenset()
    layered: bool = False

    def __post_init__(self) -> None:
        _checked(self)

    def knowing(self, parameters: frozenset[str], numbers: frozenset[str] = frozenset()) -> Notation:
        """The same notation for cells with exactly these parameters, and these quantities that are one number."""
        return replace(self, parameters=parameters, numbers=numbers)


# --- what a table may say -----------------------------------------------------------------------------------------

RESERVED: Mapping[str, str] = MappingProxyType({
    "L": "the loss", "ell": "the loss of a step", "delta": "adjoints", "T": "the last step", "t": "the step",
    "sigma": "the logistic function",
})  # fmt: skip
APART = ({"joined", "two biases"}, {"joined", "apart"}, {"input first", "hidden first"})  # forms that exclude each other
_NAME = re.compile(r"[A-Za-z]+(_[A-Za-z0-9]+)*")
_KEY = re.compile(r"[A-Za-z]+_\*|\*_[A-Za-z0-9]+|[A-Za-z]+(_[A-Za-z0-9]+)*")


def _checked(notation: Notation) -> None:
    """Refuse what a notation cannot say. Raises `NotValid` that quotes it."""
    if not re.fullmatch(r"[A-Za-z][\w-]*", notation.name):
        raise NotValid("A notation is called by letters and digits.", repr(notation.name), "such as 'mine'")
    if set(notation.source) & {*"$`\\\n"}:
        raise NotValid("The source of a notation is text without mathematics.", repr(notation.source), "such as 'a lecture'")
    for setting, choices in _choices().items():
        if (value := getattr(notation, setting)) not in choices:
            raise NotValid(f"A notation has no such {setting}.", f"{setting} = {value!r}", " or ".join(map(repr, choices)))
    for word in notation.form:
        if word not in get_args(Form):
            raise NotValid("There is no such form.", f"form: {word!r}", " or ".join(map(repr, get_args(Form))))
    if notation.time == "bare" and notation.transpose == "T":
        raise NotValid("h^T would be a transpose and the last step.", "transpose = 'T', time = 'bare'", r"transpose = '\top'")
    for pair in APART:
        if pair <= set(notation.form):
            raise NotValid("These forms exclude each other.", " and ".join(map(repr, sorted(pair))), "one of them")
    if not re.fullmatch(r"[A-Za-z0-9]*\*?[A-Za-z0-9_*]*", notation.preactivation) or notation.preactivation.count("*") != 1:
        raise NotValid("A pre-activation is called by a name with a star.", repr(notation.preactivation), "z_* or *_bar")
    for table in (notation.rename, *notation.cells.values()):
        for key, value in table.items():
            _checked_entry(key, value)


@cache
def _choices() -> dict[str, tuple[str, ...]]:
    """The fields of a notation that are one word of a few."""
    hints = get_type_hints(Notation)
    return {each.name: get_args(hints[each.name]) for each in fields(Notation) if get_origin(hints[each.name]) is Literal}


def _checked_entry(key: str, value: str) -> None:
    where, example = f"{key} = {value!r}", "such as g = 'C_tilde', 'W_*' = 'W_x*' or '*_g' = '*_C'"
    if not _KEY.fullmatch(key):
        raise NotValid("What is renamed is a name, a family or a subscript.", where, example)
    if not isinstance(value, str) or value.count("*") > ("*" in key) or not _NAME.fullmatch(value.replace("*", "a")):
        raise NotValid("What a thing is called is a name: letters and digits, with _ between.", where, example)
    if key.startswith("*") and not value.startswith("*_"):
        raise NotValid("What a subscript is called has the star for the letter.", where, "such as '*_g' = '*_C'")
    if value in RESERVED:
        raise NotValid(f"{value} stands for {RESERVED[value]} in every derivation.", where, "another letter")


HOUSE = Notation("symlstm")
GITHUB = replace(HOUSE, operator=r"\mathrm")  # GitHub refuses \operatorname


class Written(NamedTuple):
    """A quantity as LaTeX; with `raised` it carries a superscript."""

    text: str
    raised: bool = False


def write(symbol: Sym, notation: Notation = HOUSE, *, below: str = "", above: str = "") -> Written:
    r"""A quantity as LaTeX; `below` and `above` are one more mark for its subscript and its superscript.

    >>> write(Sym("gamma")).text, write(Sym("W_hc")).text, write(Sym("h", Time("", 0))).text
    ('\\gamma', 'W_{hc}', 'h_0')
    >>> write(Sym("W_xi")).text, write(Sym("W_xi"), Notation("mine", letters=frozenset({"xi"}))).text
    ('W_{\\xi}', 'W_{xi}')
    >>> write(Sym("h", Time("t", -1)), Notation("mine", time="bare")).text
    'h^{t-1}'
    >>> write(Sym("h_forward_1", Time()), Notation("mine", layered=True)).text
    '\\overrightarrow{h}_t^{(1)}'
    """
    name, layer = _layer(symbol.name, notation)
    letter, lowered = _parts(name, notation.letters)
    raised = [above] if above else []
    if layer and notation.time == "below":
        raised.insert(0, layer)
    elif layer:
        lowered = (*lowered, layer)
    if symbol.time is not None:
        power = notation.time == "bare" and not symbol.time.base  # h^2 would be one
        copy = _is_parameter(symbol.name, notation) and not (layer and notation.time == "below")
        if notation.time == "above" or copy or power:
            raised.insert(0, f"({time(symbol.time)})")
        elif notation.time == "bare":
            raised.insert(0, time(symbol.time))
        else:
            lowered = (*lowered, time(symbol.time))
    text = letter + _script("_", [*lowered, *([below] if below else [])]) + _script("^", raised)
    return Written(text, bool(raised))


def adjoint(symbol: Sym, notation: Notation = HOUSE, *, arriving: bool = False) -> str:
    r"""The adjoint of a quantity, `\delta h_t`; with `arriving` the part that comes from the next step.

    >>> adjoint(Sym("c", Time()), arriving=True)
    '\\delta c_t^{+}'
    """
    return f"{notation.adjoint} {write(symbol, notation, above=notation.arriving if arriving else '').text}"


def time(mark: Time) -> str:
    """A time mark: `t`, `t-1`, `T`, `0`."""
    return str(mark)


def _layer(name: str, notation: Notation) -> tuple[str, str]:
    """A name without the number of its layer, and that number in brackets; empty where it has none."""
    whole, _, last = name.rpartition("_")
    return (whole, f"({last})") if notation.layered and whole and last.isdigit() else (name, "")


def _is_parameter(name: str, notation: Notation) -> bool:
    return name in notation.parameters or name.partition("_")[0] in notation.parameters


@lru_cache(4096)
def _parts(name: str, letters: frozenset[str]) -> tuple[str, tuple[str, ...]]:
    """The letter of a name and its subscripts, each with its accents; a keyword's trailing underscore is dropped."""
    written: list[str] = []
    for part in name.rstrip("_").split("_"):
        if part in ACCENTS and written:
            written[-1] = f"{ACCENTS[part]}{{{written[-1]}}}"
        else:
            written.append(part if written and part in letters else _letter(part, first=not written))
    if not all(written):
        raise NotSupported("This name cannot be written in LaTeX.", plain(Sym(name)), "letters and digits, with _ between")
    return written[0], tuple(written[1:])


def _letter(part: str, *, first: bool) -> str:
    if part in SPECIAL:
        return SPECIAL[part]
    if part in GREEK:
        return f"\\{part}"
    short = len(part) == 1 or (not first and len(part) == 2)
    return part if short or not part else rf"\mathrm{{{part}}}"


def _script(sign: str, marks: list[str]) -> str:
    inside = ",".join(marks)
    bare = len(inside) == 1 and inside != "+"
    return sign + (inside if bare else f"{{{inside}}}") if inside else ""
