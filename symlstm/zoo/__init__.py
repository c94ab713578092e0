"""The cells we ship: each is its equations, as its paper has them, and the source.

>>> cells()[:3]
('lstm', 'lstm-peephole', 'lstm-full-feedback')
"""

from __future__ import annotations

import os
from pathlib import Path

from symlstm.algebra import NotValid
from symlstm.definitions.pages import ENDINGS
from symlstm.model import Cell
from symlstm.prose import nearest
from symlstm.zoo import gru, lstm, minimal, odyssey, rnn, scalar, xlstm
from symlstm.zoo.lstm import LSTM
from symlstm.zoo.rnn import RNN

__all__ = ["FAMILIES", "LSTM", "RNN", "ZOO", "cell", "cells"]

FAMILIES: dict[str, tuple[Cell, ...]] = {
    "The LSTM": (lstm.LSTM, lstm.PEEPHOLE, lstm.FULL_FEEDBACK, lstm.COUPLED, lstm.PROJECTED, lstm.LAYERNORM),
    "A search space odyssey: one change each": odyssey.VARIANTS,
    "Plain networks": (rnn.RNN, rnn.RNN_RELU),
    "Gated recurrent units": (gru.GRU, gru.GRU_NEW, gru.RESET_AFTER, gru.RESET_AFTER_NEW, gru.MGU),
    "Gates that read the input alone": (minimal.MINLSTM, minimal.MINGRU),
    "xLSTM": (xlstm.SLSTM, xlstm.MLSTM),
    "Memory cells one by one": (scalar.SCALAR, scalar.SCALAR_ROW),
}
ZOO: dict[str, Cell] = {each.name: each for family in FAMILIES.values() for each in family}

OPTIONS: dict[tuple[str, str, str], str] = {
    ("rnn", "activation", "tanh"): "rnn",
    ("rnn", "activation", "relu"): "rnn-relu",
    ("gru", "z", "old"): "gru",
    ("gru", "z", "new"): "gru-z-new",
    ("gru-reset-after", "z", "old"): "gru-reset-after",
    ("gru-reset-after", "z", "new"): "gru-reset-after-z-new",
}


def options(name: str) -> dict[str, dict[str, str]]:
    """The options of a cell: for each, what may be chosen and the cell that it gives.

    >>> options("rnn")
    {'activation': {'tanh': 'rnn', 'relu': 'rnn-relu'}}
    """
    found: dict[str, dict[str, str]] = {}
    for (of, option, choice), chosen in OPTIONS.items():
        if of == name:
            found.setdefault(option, {})[choice] = chosen
    return found


def cells() -> tuple[str, ...]:
    """The names of the cells in the zoo."""
    return tuple(ZOO)


def cell_of(what: Cell | str | os.PathLike[str], states: str = "", inputs: str = "") -> Cell:
    """A cell, a cell of the zoo by its name, or one from a file: a path, or a string that ends in .md or .tex.

    A string that is no name of the zoo but the path of a file is that file. `states` and `inputs` are for files.
    """
    if isinstance(what, Cell):
        return what
    path = Path(what)
    if isinstance(what, str) and path.suffix.lower() not in ENDINGS and (what in ZOO or not path.is_file()):
        if states or inputs:
            raise NotValid("States and inputs are said of equations in a file.", repr(what), "a path such as my_cell.md")
        return cell(what)
    name = f"own-{path.stem}" if path.stem in ZOO else ""  # never the name of another cell
    return Cell.from_latex(path, states, inputs, name=name)


def cell(name: str, **options: str) -> Cell:
    """A cell of the zoo by its name; an option picks another form of it, which has a name of its own.

    Raises `NotValid` for an unknown name, with the nearest ones, and for an unknown option.

    >>> cell("lstm").states
    (h, c)
    >>> cell("rnn", activation="relu").name, cell("gru", z="new").name
    ('rnn-relu', 'gru-z-new')
    """
    for option, value in options.items():
        if (name, option, value) not in OPTIONS:
            known = [f"{key}={choice!r}" for of, key, choice in OPTIONS if of == name]
            raise NotValid(f"The cell {name!r} has no such option.", f"{option}={value!r}", " or ".join(known) or "no option")
        name = OPTIONS[name, option, value]
    if name in ZOO:
        return ZOO[name]
    raise NotValid("There is no cell of this name.", repr(name), nearest(name, ZOO, repr))
