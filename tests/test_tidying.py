"""Tidying changes how a term is written and never its value: the law over every line of every cell, and what it is for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm.algebra import Add, Adj, Diag, Div, Hadamard, MatMul, Neg, Ones, Pow, Rows, Sym, Term, quantity, term
from symlstm.evaluate import Evaluator
from symlstm.reverse import sweep
from symlstm.rules import added
from symlstm.tidying import Tidying

SIZES = {"n": 3, "m": 2}
GRU, LAYERNORM, MLSTM = (sl.cell(name) for name in ("gru", "lstm-layernorm", "mlstm"))
h, z, g, x = (quantity(name) for name in "hzgx")
d, v, s = (quantity(f"{letter}_i") for letter in "dvs")
n, U = Sym("n"), Sym("U_z")


def _value(cell: sl.Cell, node: Term) -> Any:
    """The value at a generic point: one random array for each leaf, the same whenever it is asked for."""
    sizes = cell.shapes.full(SIZES)

    def leaf(part: Term) -> Any:
        symbol = part.of if isinstance(part, Adj) else part
        assert isinstance(symbol, Sym)
        seed = list(f"{part!r}".encode())
        return np.random.default_rng(seed).standard_normal(cell.shapes.at(symbol.name, sizes))

    return Evaluator(leaf, sizes=sizes)(node)


@pytest.mark.parametrize("name", sl.cells())
def test_a_tidied_line_has_the_value_of_its_shares(name: str) -> None:
    swept = sweep(sl.cell(name))
    for line in swept.lines:
        seeds = [seed for seed in swept.given if seed.of == line.of]
        raw = _value(swept.cell, added(*seeds, *(share.term for share in line.shares)))
        assert np.allclose(_value(swept.cell, line.relation.rhs), raw, rtol=1e-12, atol=1e-12), line.relation


CASES: list[tuple[sl.Cell, Term, str]] = [
    (GRU, Adj(h) * h.prev - Adj(h) * g, "delta h[t] * (h[t-1] - g[t])"),
    (GRU, -(Adj(h) * h.prev) + Adj(h) * g, "delta h[t] * (g[t] - h[t-1])"),
    (GRU, -(Adj(h) * h.prev) - Adj(h) * g, "-delta h[t] * (h[t-1] + g[t])"),
    (GRU, Adj(h) * Neg(z) * g, "-delta h[t] * z[t] * g[t]"),
    (GRU, U.T @ Neg(Adj(z)), "-U_z^T @ delta z[t]"),
    (GRU, Adj(h) + Adj(h), "2 @ delta h[t]"),
    (GRU, Add((Rows(Adj(h), term(0), n), Rows(Adj(z), term(0), n))), "(delta h[t] + delta z[t])[0:n]"),
    (GRU, Adj(h) / z + Adj(g) / z, "(delta h[t] + delta g[t])/z[t]"),
    (GRU, Adj(h) * (1 / z), "delta h[t]/z[t]"),
    (GRU, Add((Neg(Adj(h)), Adj(z) * g)), "delta z[t] * g[t] - delta h[t]"),
    (LAYERNORM, Div(Adj(v), n) @ d + d @ Div(Adj(v), n), "(2 @ delta v_i[t] @ d_i[t])/n"),
    (LAYERNORM, Ones(n).T @ Neg(Adj(d)), "-ones(n)^T @ delta d_i[t]"),
    (LAYERNORM, Adj(s) * (1 / MatMul((term(2), s))), "delta s_i[t]/(2 @ s_i[t])"),
    (LAYERNORM, MatMul((Div(MatMul((term(2), Adj(v))), Pow(s, term(2))), Div(term(1), MatMul((term(4), s))), d)),
     "(delta v_i[t] @ d_i[t])/(2 @ s_i[t]^3)"),
    (MLSTM, Hadamard((Adj(quantity("f")), Hadamard((quantity("f"), quantity("s"))))), "delta f[t] @ f[t] @ s[t]"),
    (MLSTM, Hadamard((Adj(quantity("o")), Diag(x))), "delta o[t] * diag(x[t])"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "node", "tidied"), CASES, ids=[tidied for _, _, tidied in CASES])
def test_how_a_person_writes_it(cell: sl.Cell, node: Term, tidied: str) -> None:
    assert repr(Tidying(cell.shapes)(node)) == tidied


@pytest.mark.parametrize(("cell", "node", "tidied"), CASES[:-1], ids=[tidied for _, _, tidied in CASES[:-1]])
def test_the_value_stays(cell: sl.Cell, node: Term, tidied: str) -> None:
    assert np.allclose(_value(cell, Tidying(cell.shapes)(node)), _value(cell, node), rtol=1e-12)


def test_the_law_can_fail() -> None:
    """A sum that forgets a sign has another value at the generic point."""
    wrong = Adj(h) * (h.prev + g)
    assert not np.allclose(_value(GRU, wrong), _value(GRU, Adj(h) * h.prev - Adj(h) * g))


def test_what_a_person_wrote_stays() -> None:
    written = z * (1 / g) - Neg(z)
    assert Tidying(GRU.shapes)(written) == written
