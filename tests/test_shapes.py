"""Sizes: every one inferred, every one explained, every contradiction named with both places."""

from __future__ import annotations

import pytest
import sympy

import symlstm as sl
from symlstm.activations import sigma, tanh
from symlstm.algebra import Blocks, NotValid, Relation, Term, equation, quantities, symbols

n, m = (sympy.Symbol(name, integer=True, positive=True) for name in "nm")
x, h, c, i, f, o, g = quantities("x h c i f o g")
W, U, b, V, W_f, b_f = symbols("W U b V W_f b_f")


def test_lstm_has_the_sizes_of_the_textbook() -> None:
    shapes = dict(sl.cell("lstm").shapes)
    assert shapes["x"] == (m,) and shapes["h"] == shapes["c"] == shapes["f"] == shapes["z_g"] == (n,)
    for gate in "ifog":
        assert (shapes[f"W_{gate}"], shapes[f"U_{gate}"], shapes[f"b_{gate}"]) == ((n, m), (n, n), (n,))


def test_parameter_shapes_and_random_parameters() -> None:
    cell = sl.cell("lstm")
    assert list(cell.parameter_shapes(n=3, m=2)) == [f"{kind}_{gate}" for kind in "WUb" for gate in "ifog"]
    parameters = sl.random_parameters(cell, n=3, m=2, seed=4, dtype="float32")
    assert {name: array.shape for name, array in parameters.items()} == cell.parameter_shapes(n=3, m=2)
    assert all(array.dtype == "float32" for array in parameters.values())
    again = sl.random_parameters(cell, n=3, m=2, seed=4, dtype="float32")
    assert all((again[name] == parameters[name]).all() for name in parameters)


def test_the_reasons_say_what_forces_the_size() -> None:
    why = sl.cell("lstm").shapes.why
    assert "Hadamard product keeps its length" in why("c") and "h[t] = o[t] * tanh(c[t])" in why("c")
    assert "does not grow" in why("h") and "n + m" in why("h") and "h[t-1] stacked on x[t]" in why("h")
    assert "R^(n x m)" in why("W_f") and "W_f @ x[t]" in why("W_f")
    assert "R^(n x n)" in why("U_f") and "as many columns" in why("U_f")


def _forget_only(sizes: dict[str, tuple[Term, ...]]) -> sl.Cell:
    """One gate on the stacked vector: f = sigma(W_f [h; x] + b_f), c = f * c, h = f * tanh(c)."""
    return sl.Cell(
        "forget",
        (x,),
        (h, c),
        (equation(f, sigma(W_f @ Blocks(((h.prev,), (x,))) + b_f)), equation(c, f * c.prev), equation(h, f * tanh(c))),
        sizes=sizes,
    )


def test_the_concatenated_matrix_is_n_by_n_plus_m() -> None:
    assert _forget_only({}).shapes["W_f"] == (n, m + n)


def test_a_declared_size_is_unified_and_explained() -> None:
    k, rows, columns = symbols("k n m")
    shapes = _forget_only({"W_f": (k, columns + rows)}).shapes
    assert shapes["W_f"] == (n, m + n)
    assert shapes.why("k").startswith("k = n, because") and "f[t] * tanh(c[t])" in shapes.why("k")


def test_a_wrong_declared_size_is_refused() -> None:
    rows, columns = symbols("n m")
    with pytest.raises(NotValid, match="shapes do not fit"):
        _ = _forget_only({"W_f": (columns, columns + rows)}).shapes


@pytest.mark.parametrize(
    ("right", "places"),
    [
        (tanh(W @ x + U @ h.prev) * x, ("h[t] = tanh(z[t]) * x[t]", "n", "m")),
        (tanh(W @ x + U @ h.prev + x), ("x[t]", "n", "m")),
        (tanh(W @ x + W @ h.prev), ("W @ h[t-1]", "n", "m")),
    ],
)
def test_a_contradiction_names_both_places(right: object, places: tuple[str, ...]) -> None:
    with pytest.raises(NotValid) as error:
        _ = sl.Cell("bad", (x,), (h,), (equation(h, right),)).shapes  # type: ignore[arg-type]
    assert all(place in str(error.value) for place in places), str(error.value)


def test_what_nothing_fixes_is_refused() -> None:
    with pytest.raises(NotValid, match="Nothing fixes the size of W"):
        _ = sl.Cell("loose", (x,), (h,), (equation(h, tanh(U @ h.prev + W @ (V @ x))),)).shapes


@pytest.mark.parametrize(
    ("equations", "words"),
    [
        ((equation(h, tanh(W @ x)), equation(h, tanh(U @ h.prev))), "defined twice"),
        ((equation(h, tanh(c)), equation(c, tanh(h))), "form a cycle"),
        ((equation(h, tanh(W @ x + o)),), "neither an input"),
        ((equation(c, tanh(W @ x)),), "No equation defines the state"),
        ((Relation((h, tanh(c)), ("<=",)),), "defines one quantity of step t"),
    ],
)
def test_equations_that_are_no_step_are_refused(equations: tuple[Relation, ...], words: str) -> None:
    with pytest.raises(NotValid, match=words):
        sl.Cell("bad", (x,), (h,), equations)


def test_the_order_of_printing_is_free() -> None:
    cell = sl.Cell(
        "late", (x,), (h,), (equation(h, o * tanh(c)), equation(c, tanh(W @ x + U @ h.prev)), equation(o, sigma(V @ x)))
    )
    assert [line.lhs for line in cell.declared] == [c, o, h]
