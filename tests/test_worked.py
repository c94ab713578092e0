"""Worked numbers: every printed one against an independent computation; sizes and names that do not fit are named."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import symlstm as sl
from symlstm import reference
from symlstm.algebra import Adj, Blocks, NotSupported, NotValid, Num
from symlstm.evaluate import column, forward
from symlstm.model import Cell
from symlstm.reverse import sweep
from symlstm.steps import Step
from symlstm.topics.given import leaves

ONE_GATE = Path(__file__).parent.parent / "docs" / "one-gate.json"


def _values(n: int = 2, m: int = 3) -> dict[str, Any]:
    generator = np.random.default_rng(5)

    def draw(*shape: int) -> Any:
        return np.round(generator.standard_normal(shape), 2)

    parameters = {name: draw(*shape) for name, shape in sl.cell("lstm").parameter_shapes(n=n, m=m).items()}
    return parameters | {"x": draw(m), "h_prev": draw(n), "c_prev": draw(n), "delta_h": draw(n), "delta_c": draw(n)}


def _printed(step: Step) -> np.ndarray[Any, Any]:
    last = step.relation.rhs
    assert isinstance(last, Blocks)
    return np.array([[entry.value for entry in row if isinstance(entry, Num)] for row in last.rows])


def _results(values: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    return {repr(step.relation.lhs): _printed(step) for step in sl.derive("lstm", "worked", values=values).steps}


def _truth(values: dict[str, Any]) -> dict[str, Any]:
    """The step by the hand-written loops with 50-digit numbers; the adjoints by differences of 20 of those digits."""
    with mpmath.workdps(50):
        exact = {name: np.vectorize(lambda entry: mpmath.mpf(str(entry)))(array) for name, array in values.items()}
        parameters = {name: exact[name].tolist() for name in sl.cell("lstm").parameter_shapes(n=2, m=3)}

        def run(nudge: Any = reference.keep) -> dict[str, Any]:
            return reference.lstm(
                parameters, [exact["x"].tolist()], exact["h_prev"].tolist(), exact["c_prev"].tolist(), nudge=nudge
            )[-1]

        def loss(nudge: Any) -> Any:
            out = run(nudge)
            return sum(exact["delta_h"] * out["h"]) + sum(exact["delta_c"] * out["c"])

        step = mpmath.mpf(10) ** -20

        def slope(name: str, j: int) -> Any:
            def nudge(at: str, t: int, value: Any) -> Any:
                return [entry + step * (k == j) for k, entry in enumerate(value)] if at == name and t == 1 else value

            return (loss(nudge) - loss(reference.keep)) / step

        return {"run": run(), "z_f": [slope("z_f", j) for j in range(2)], "o": [slope("o", j) for j in range(2)]}


def test_every_result_is_the_true_value_rounded() -> None:
    values = _values()
    results, truth = _results(values), _truth(values)
    for name in ("z_f", "i", "f", "o", "g", "c", "h"):
        for printed, exact in zip(results[f"{name}[t]"][:, 0], truth["run"][name], strict=True):
            assert abs(float(printed) - float(exact)) <= 0.5e-4 + 1e-12
    for name in ("z_f", "o"):
        for printed, exact in zip(results[f"delta {name}[t]"][:, 0], truth[name], strict=True):
            assert abs(float(printed) - float(exact)) <= 0.5e-4 + 1e-12


def test_what_is_exact_is_printed_exactly() -> None:
    step = next(step for step in sl.derive("lstm", "worked", values=ONE_GATE).steps if step.name == "value of z_i[t]")
    assert step.relation.operators == ("=", "=") and _printed(step)[:, 0].tolist() == [22, 43, 64]


def test_decimals_of_a_file_are_exact(tmp_path: Path) -> None:
    values = {"x": [0.1, 0.2, 0.3], "h_prev": [0, 0], "W_i": [[1, 1, 1], [3, 0, 0]], "U_i": [[0, 0], [0, 0]], "b_i": [0, 0]}
    (tmp_path / "v.json").write_text(json.dumps(values))
    steps = sl.derive("lstm", "worked", values=tmp_path / "v.json").steps
    assert _printed(next(step for step in steps if step.name == "value of z_i[t]"))[:, 0].tolist() == [
        Fraction(6, 10),
        Fraction(3, 10),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"W_f": [[1, 2, 3]]}, ("W_f", "1 x 3", "2 x 3")),
        ({"b_o": [1, 2, 3]}, ("b_o", "a vector of length 3", "a vector of length 2")),
        ({"W_q": [[1]]}, ("W_q", "W_")),
        ({"x": ["a", 1, 2]}, ("x", "'a'")),
        ({"x": [float("inf"), 1, 2]}, ("x", "finite")),
        ({"x": [[1, 2], [3]]}, ("x", "rows differ in length")),
        ({"digits": 0}, ("digits", "1 to 8")),
        ({"[W_i, U_i]": [[1, 2], [3, 4]]}, ("[W_i, U_i]", "2 x 2", "3 + 2")),
        ({"[W_i, Q]": [[1, 2], [3, 4]]}, ("Q",)),
    ],
)
def test_values_that_do_not_fit_are_named(change: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(NotValid) as error:
        sl.derive("lstm", "worked", values=_values() | change)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"x": NaN}', "[" * 100_000])
def test_a_file_that_is_no_values_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(NotValid, match="The file with the values"):
        sl.derive("lstm", "worked", values=tmp_path / "v.json")
    with pytest.raises(NotValid, match="cannot be read"):
        sl.derive("lstm", "worked", values=tmp_path / "missing.json")


def test_decimal_and_float_mean_the_decimal() -> None:
    assert _results(_values() | {"x": [Decimal("0.1"), 0.1, Fraction(1, 10)]})["x[t]"][:, 0].tolist() == [Fraction(1, 10)] * 3


def _drawn(cell: Cell, n: int = 2, m: int = 3) -> dict[str, Any]:
    """Generic values of everything that can be given; only what a cell divides by is kept away from zero."""
    generator, sizes = np.random.default_rng(5), cell.shapes.full({"n": n, "m": m})
    drawn: dict[str, Any] = {}
    for name, leaf in leaves(cell).items():
        rows, columns = cell.shapes.at((leaf.of if isinstance(leaf, Adj) else leaf).name, sizes)  # type: ignore[attr-defined]
        array = np.round(generator.standard_normal((rows, columns)), 2) + (2 if name == "n_prev" else 0)
        drawn[name] = array if columns > 1 else array[:, 0] if rows > 1 else float(array[0, 0])
    return drawn


@pytest.mark.parametrize("name", sl.cells())
def test_every_cell_works_in_numbers(name: str) -> None:
    """Every line of the step is there, and every number is the interpreter's, to the digits printed; adjoints too."""
    cell, values = sl.cell(name), _drawn(sl.cell(name))
    derivation = sl.derive(name, "worked", values=values | {"digits": 6})
    results = {step.relation.lhs: step.relation.rhs for step in derivation.steps if step.name.startswith("value of")}
    swept = sweep(cell)
    assert set(results) == {line.lhs for line in cell.named} | {line.relation.lhs for line in swept.lines if line.shares}

    columns = {key: column(value).astype(float) for key, value in values.items()}
    given = tuple(columns[symbol.name] for symbol in cell.input_terms)
    before = [columns[f"{state.name}_prev"] for state in cell.state_terms]
    slots: dict[str, tuple[int, int]] = {}

    def run(at: str = "", step: Any = 0) -> dict[str, Any]:
        def nudge(key: str, t: int, value: Any) -> Any:
            slots[key] = value.shape
            return value + step if (key, t) == (at, 0 if at.endswith("+") else 1) else value

        params = {symbol.name: columns[symbol.name] for symbol in cell.parameter_terms}
        return forward(cell, params, [given], before, nudge=nudge)[1]

    truth = run()
    for lhs, printed in results.items():
        if isinstance(lhs, Adj):
            key = lhs.of.name + ("+" if lhs.arriving else "")
            wanted = np.zeros(slots[key])
            for place in np.ndindex(*slots[key]):
                step = np.zeros(slots[key], dtype=complex)
                step[place] = 1e-30j
                moved = run(key, step)
                seeds = ((columns[f"delta_{seed.of.name}"], moved[seed.of.name]) for seed in swept.given)
                wanted[place] = sum(np.sum(seed * np.imag(value)) for seed, value in seeds) / 1e-30
        else:
            wanted = truth[lhs.name]  # type: ignore[attr-defined]
        shown = np.array([[float(entry.value) for entry in row] for row in _rows(printed)])  # type: ignore[attr-defined]
        assert shown.shape == wanted.shape and np.max(abs(shown - wanted)) <= 0.5e-6 + 1e-9, lhs
    assert sl.verify(derivation).ok


def _rows(printed: Any) -> Any:
    return printed.rows if isinstance(printed, Blocks) else ((printed,),)


def test_a_size_that_nothing_gives_is_named() -> None:
    values = {name: value for name, value in _drawn(sl.cell("lstm-projected")).items() if name not in ("c_prev", "delta_c")}
    matrices = {name: value for name, value in values.items() if name in ("x", "h_prev")}
    with pytest.raises(NotValid, match="The size k is not known: c_prev is not given"):
        sl.derive("lstm-projected", "worked", values=matrices)


@pytest.mark.parametrize(("cell", "values", "place"), [
    ("rnn-relu", {"x": [1], "h_prev": [1], "W": [[1]], "U": [[-1]], "b": [0], "delta_h": [1]}, "relu'"),
])  # fmt: skip
def test_a_kink_is_named(cell: str, values: dict[str, Any], place: str) -> None:
    with pytest.raises(NotSupported, match=place):
        sl.derive(cell, "worked", values=values)
