r"""Notations as tables: how a quantity, its time mark and its adjoint are written.

A `Notation` holds no code. A name such as `z_f` is a letter with subscripts; `write` looks up each part, adds the time
mark where the notation puts it, and says whether the result carries a superscript (a power of it then needs brackets).

>>> write(Sym("z_f", Time("t", -1))).text
'z_{f,t-1}'
>>> write(Sym("W_f", Time())).text
'W_f^{(t)}'
>>> write(Sym("C_tilde", Time()), NOTATIONS["superscript"]).text
'\\tilde{C}^{(t)}'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from symlstm.algebra import NotSupported, Sym, Time, plain

_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau upsilon "
    "phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell"
)
GREEK = frozenset(_GREEK.split())
ACCENTS: Mapping[str, str] = MappingProxyType({"tilde": r"\tilde", "hat": r"\hat", "bar": r"\bar"})
SPECIAL: Mapping[str, str] = MappingProxyType({"infinity": r"\infty", "eps": r"\epsilon"})


@dataclass(frozen=True, slots=True)
class Notation:
    """How quantities are written.

    `rename` maps our names to this notation's; a key `W_*` renames a whole family, the star standing for the rest of
    the name. `parameters` are the families (or the full names) whose time mark says "the copy that step t uses" and
    therefore stands in brackets above; `numbers` are the quantities that are one number, whose products need no sign.
    `stack` is how one vector on top of another is written, as a matrix of two blocks or as a list in square brackets.
    `operator` is the macro for upright function names.
    """

    name: str
    time: Literal["below", "above"] = "below"
    rename: Mapping[str, str] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset({"W", "U", "V", "P", "R", "b"})
    numbers: frozenset[str] = frozenset()
    stack: Literal["matrix", "list"] = "matrix"
    adjoint: str = r"\delta"
    arriving: str = "+"
    operator: str = r"\operatorname"

    def knowing(self, parameters: frozenset[str], numbers: frozenset[str] = frozenset()) -> Notation:
        """The same notation for cells with exactly these parameters, and these quantities that are one number."""
        return replace(self, parameters=parameters, numbers=numbers)


_PYTORCH = {"W_*": "W_x*", "U_*": "W_h*", "W": "W_xh", "U": "W_hh", "b": "b_h"}
_COLAH = {"g": "C_tilde", "c": "C", **{f"{family}_g": f"{family}_C" for family in "WUb"}, "z_g": "z_C"}

HOUSE = Notation("symlstm")
GITHUB = replace(HOUSE, operator=r"\mathrm")  # GitHub refuses \operatorname
NOTATIONS: Mapping[str, Notation] = MappingProxyType({row.name: row for row in (
    HOUSE,
    Notation("pytorch", rename=_PYTORCH),
    Notation("colah", rename=_COLAH, stack="list"),
    Notation("superscript", time="above"),
)})


class Written(NamedTuple):
    """A quantity as LaTeX; with `raised` it carries a superscript."""

    text: str
    raised: bool = False


def write(symbol: Sym, notation: Notation = HOUSE, *, below: str = "", above: str = "") -> Written:
    r"""A quantity as LaTeX; `below` and `above` are one more mark for its subscript and its superscript.

    >>> write(Sym("gamma")).text, write(Sym("W_hc")).text, write(Sym("h", Time("", 0))).text
    ('\\gamma', 'W_{hc}', 'h_0')
    >>> write(Sym("U_f"), NOTATIONS["pytorch"]).text
    'W_{hf}'
    """
    letter, lowered = _parts(_renamed(symbol.name, notation))
    raised = [above] if above else []
    if symbol.time is not None:
        if notation.time == "above" or _is_parameter(symbol.name, notation):
            raised.insert(0, f"({time(symbol.time)})")
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


def _is_parameter(name: str, notation: Notation) -> bool:
    return name in notation.parameters or name.partition("_")[0] in notation.parameters


def _renamed(name: str, notation: Notation) -> str:
    family, line, rest = name.partition("_")
    pattern = notation.rename.get(f"{family}_*") if line else None
    return notation.rename.get(name) or (pattern.replace("*", rest) if pattern else name)


@lru_cache(4096)
def _parts(name: str) -> tuple[str, tuple[str, ...]]:
    """The letter of a name and its subscripts, each with its accents; a keyword's trailing underscore is dropped."""
    written: list[str] = []
    for part in name.rstrip("_").split("_"):
        if part in ACCENTS and written:
            written[-1] = f"{ACCENTS[part]}{{{written[-1]}}}"
        else:
            written.append(_letter(part, first=not written))
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
