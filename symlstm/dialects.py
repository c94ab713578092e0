r"""The notations that there are: one row each, with its source; and those that people bring in a file.

A row has our names on the left. `gru*` and the like are the cells whose candidate is not that of an LSTM. For cells that its
source does not have, a notation goes by its families; so a name keeps our letter where the notation's is taken already.

>>> notations()
('symlstm', 'colah', 'pytorch', 'greff', 'graves', 'keras', 'superscript', 'rows')
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from symlstm.algebra import NotValid
from symlstm.notation import HOUSE, Notation
from symlstm.prose import nearest

WITHOUT_MEMORY = ("gru*", "mgu", "mingru", "minlstm")  # cells whose candidate is one for h
CANDIDATE = {"g": "h_tilde", "*_g": "*_h"}
ALONE = CANDIDATE | {"W_g": "W", "b_g": "b"}

COLAH = Notation(
    "colah",
    source="Olah (2015), Understanding LSTM Networks",
    rename={"g": "C_tilde", "*_g": "*_C", "c": "C"},
    cells={**dict.fromkeys(WITHOUT_MEMORY, CANDIDATE), "gru": ALONE, "gru-z-new": ALONE},
    form=("joined",),
    stack="list",
    product=r"\cdot",
    elementwise="*",
    clash="keep",
)
PYTORCH = Notation(
    "pytorch",
    source="the documentation of torch.nn.RNN, LSTM and GRU",
    rename={
        "W_*": "W_i*", "U_*": "W_h*", "b_*": "b_i*", "d_*": "b_h*", "w_*": "w_i*", "W_h": "W_hr",
        "W": "W_ih", "U": "W_hh", "b": "b_ih", "d": "b_hh",
    },
    cells={"gru*": {"g": "n"}, "lstm-layernorm": {"b_*": "b_*"}, "head-*": {"W_*": "W_*", "b_*": "b_*"}},
    form=("apart", "input first", "two biases"),
    clash="keep",
)  # fmt: skip
GREFF = Notation(
    "greff",
    source="Greff, Srivastava, Koutnik, Steunebrink & Schmidhuber (2017), section II",
    rename={"h": "y", "g": "z", "U_*": "R_*", "U": "R"},
    preactivation="*_bar",
    form=("apart", "input first"),
    time="bare",
    clash="keep",
)
GRAVES = Notation(
    "graves",
    source="Graves (2013), equations 7 to 11",
    rename={
        "*_g": "*_c", "W_*": "W_x*", "U_*": "W_h*", "V_*": "W_c*", "p_*": "W_c*", "w_*": "w_x*",
        "W": "W_xh", "U": "W_hh", "b": "b_h",
    },
    cells={"head-*": {"W_*": "W_h*"}},
    form=("apart", "input first"),
    letters=frozenset({"xi"}),
    clash="keep",
)  # fmt: skip
KERAS = Notation(  # W is the kernel, U the recurrent kernel; a batch is rows
    "keras",
    source="the code of keras.layers.LSTM and GRU",
    rename={"g": "c_tilde", "*_g": "*_c"},
    cells=dict.fromkeys(WITHOUT_MEMORY, CANDIDATE),
    form=("apart", "input first"),
    vectors="rows",
    clash="keep",
)
SUPERSCRIPT = Notation("superscript", source="Goodfellow, Bengio & Courville (2016), chapter 10, for the time", time="above")
ROWS = Notation("rows", source="Zhang, Lipton, Li & Smola (2023), Dive into Deep Learning, for the rows", vectors="rows")

NOTATIONS: Mapping[str, Notation] = MappingProxyType({
    row.name: row for row in (HOUSE, COLAH, PYTORCH, GREFF, GRAVES, KERAS, SUPERSCRIPT, ROWS)
})  # fmt: skip


def notations() -> tuple[str, ...]:
    """The names of the notations that we ship."""
    return tuple(NOTATIONS)


def notation_of(what: Notation | str | os.PathLike[str]) -> Notation:
    """A notation, one of ours by its name, or one from a file: a path, or a string that ends in .toml.

    Raises `NotValid` for a name that there is not, with the nearest ones, and for a file that is no notation.

    >>> notation_of("greff").rename["h"]
    'y'
    """
    if isinstance(what, Notation):
        return what
    path = Path(what)
    if not isinstance(what, str) or path.suffix.lower() == ".toml":
        return from_file(path)
    if what in NOTATIONS:
        return NOTATIONS[what]
    raise NotValid("There is no notation of this name.", repr(what), nearest(what, NOTATIONS, repr) + ", or a .toml file")


# --- a notation in a file -----------------------------------------------------------------------------------------------

TEXTS = ("name", "source", "preactivation", "clash")
TABLES = ("rename", "cells", "style")
STYLE = ("time", "vectors", "stack", "product", "elementwise", "transpose", "adjoint", "arriving", "operator", "letters")


def from_file(path: Path) -> Notation:
    """A notation from a TOML file: the fields of a `Notation`, those of the style in a table `style`; the name is optional.

    Raises `NotValid` for a file that cannot be read, and for a key or a value that a notation does not have.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotValid("The file of the notation cannot be read.", f"{path}: {error.strerror}", "a .toml file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotValid("The file of the notation is not TOML.", f"{path}: {error}", "lines such as g = \"C_tilde\"") from None
    try:
        made = _made({"name": path.stem} | found)
        if made.name in NOTATIONS:
            raise NotValid("The name is that of a notation of ours.", f"name = {made.name!r}", "a name of its own")
        return made
    except NotValid as error:
        raise NotValid(error.what, f"{path}: {error.where}", error.right) from None


def _made(found: Mapping[str, Any]) -> Notation:
    known = (*TEXTS, "form", *TABLES)
    _only(found, known, "")
    style = _table(found, "style")
    _only(style, STYLE, "style.")
    letters = frozenset(_words(style, "letters", '["xi"]', "style."))
    texts = {key: _text(table, key, where) for table, keys, where in ((found, TEXTS, ""), (style, STYLE, "style."))
             for key in keys if key in table and key != "letters"}  # fmt: skip
    cells = {name: _names(_table(_table(found, "cells"), name, "cells."), f"cells.{name}.") for name in _table(found, "cells")}
    rename = _names(_table(found, "rename"), "rename.")
    return Notation(**texts, rename=rename, cells=cells, form=_words(found, "form", '["joined"]'), letters=letters)  # type: ignore[arg-type]


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise NotValid("A notation has no such key.", where + key, nearest(key, known))


def _table(found: Mapping[str, Any], key: str, where: str = "") -> Mapping[str, Any]:
    value = found.get(key, {})
    if not isinstance(value, dict):
        raise NotValid(f"{where}{key} is a table.", f"{where}{key} = {value!r}", f"[{where}{key}]")
    return value


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    if not isinstance(table[key], str):
        raise NotValid(f"{where}{key} is a text.", f"{where}{key} = {table[key]!r}", "a text in quotes")
    return table[key]


def _names(table: Mapping[str, Any], where: str) -> dict[str, str]:
    return {key: _text(table, key, where) for key in table}


def _words(table: Mapping[str, Any], key: str, example: str, where: str = "") -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise NotValid(f"{where}{key} is a list of texts.", f"{where}{key} = {value!r}", example)
    return tuple(value)
