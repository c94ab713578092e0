"""What a repair may be made of, and what a remedy is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from symlstm.algebra import (
    Hadamard,
    MatMul,
    Term,
    Time,
)  # fmt: skip


@dataclass(frozen=True)
class Pieces:
    """What a repair may be made of: the author's symbols by kind, factors and paths that may be missing, activations.

    `values` sends an activated quantity to its function, `arguments` to the quantity that is activated; `elementwise` is
    the node of the author's elementwise product.
    """

    symbols: Mapping[str, tuple[Term, ...]] = field(default_factory=dict)
    factors: tuple[Term, ...] = ()
    paths: tuple[Term, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    elementwise: type[Hadamard] | type[MatMul] = Hadamard
    limits: tuple[Time, Time] = (Time("", 1), Time("T"))
    indices: tuple[str, ...] = ()
    cell: Any = None


Made = Iterator[tuple[Term, str, tuple[Term, ...]]]


Remedy = Callable[[Any, Pieces], Made]
