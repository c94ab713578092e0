r"""The Jacobian of a quantity of a step, by the chain rule through the one equation that defines it.

>>> from symlstm.claims.checking import Document
>>> from symlstm.claims.writing.hand import Hand
>>> from symlstm.definitions.sources import source
>>> text = r"$$ z_t = \sigma(W x_t + U h_{t-1}) $$ $$ h_t = z_t \odot h_{t-1} $$"
>>> found = source(text + r" $$ y_t = \frac{\partial h_t}{\partial h_{t-1}} $$")
>>> paths = Paths(Document(found).cases[0], Hand(found))
>>> h = Sym("h", NOW)
>>> jacobian(paths, Partial(h, h.prev))
diag(z[t]) + diag(h[t-1]) @ d z[t] / d h[t-1]
"""

from __future__ import annotations

from symlstm.algebra import (
    NOW,
    Add,
    Apply,
    Diag,
    Hadamard,
    Listed,
    MatMul,
    Neg,
    Num,
    Partial,
    Sym,
    Term,
    Time,
    shift,
    walk,
)  # fmt: skip
from symlstm.claims.repairs.paths import Paths
from symlstm.claims.writing.hand import Unwritable
from symlstm.definitions.meanings import PRE
from symlstm.rules import added, times


def jacobian(paths: Paths, left: Partial) -> Term:
    """The right side of a Jacobian's equation. Raises `Unwritable`."""
    of, wrt = left.of, left.wrt
    if not (isinstance(of, Sym) and isinstance(wrt, Sym) and of.time is not None and of.time.base == "t"):
        raise Unwritable("no Jacobian within one step")
    move = of.time.offset
    if wrt.time is not None:
        wrt = wrt.at(Time(wrt.time.base, wrt.time.offset - move))
    parts = _of(paths, of.name, wrt, 3)
    if not parts:
        raise Unwritable("nothing of it reaches there")
    return shift(paths.tidied(added(*parts)), move)


def _of(paths: Paths, name: str, wrt: Sym, depth: int) -> list[Term]:
    """The terms of the Jacobian of a quantity at step t."""
    found: list[Term] = []
    for symbol, factors in _local(paths, name, paths.bodies[name]):
        if symbol == wrt:
            found.append(_product(factors))
        elif symbol.name in paths.theory.steps and symbol.time == NOW and _reaches(paths, symbol.name, wrt):
            if symbol.name.endswith(PRE) and depth:
                found += [_product([*factors, inner]) for inner in _of(paths, symbol.name, wrt, depth - 1)]
            else:
                found.append(_product([*factors, Partial(symbol, wrt)]))
    return found


def _reaches(paths: Paths, name: str, wrt: Sym) -> bool:
    """Whether a quantity of the step depends on another one within the step."""
    return any(
        part == wrt
        or (isinstance(part, Sym) and part.time == NOW and part.name in paths.theory.steps and _reaches(paths, part.name, wrt))
        for part in walk(paths.bodies[name])
    )


def _local(paths: Paths, name: str, body: Term) -> list[tuple[Sym, list[Term]]]:
    """Every symbol of an equation with the factors in front of its differential; vectors as diagonal matrices."""
    found: list[tuple[Sym, list[Term]]] = []
    stack: list[tuple[Term, list[Term]]] = [(body, [])]
    while stack:
        node, factors = stack.pop()
        if isinstance(node, Sym):
            found.append((node, factors))
        elif isinstance(node, Add):
            stack += [(arg, factors) for arg in reversed(node.args)]
        elif isinstance(node, Neg):
            stack.append((node.arg, [*factors, Num(_MINUS)]))
        elif isinstance(node, Hadamard):
            stack += [(arg, [*factors, Diag(times(*node.args[:k], *node.args[k + 1 :]))]) for k, arg in enumerate(node.args)]
        elif isinstance(node, MatMul):
            stack.append((node.args[-1], [*factors, *node.args[:-1]]))
        elif isinstance(node, Apply) and not isinstance(node.arg, Listed) and node.function != "softmax":
            stack.append((node.arg, [*factors, Diag(paths.slope(name, node))]))
        elif not isinstance(node, Num):
            raise Unwritable("this equation is not differentiated here")
    return found


_MINUS = Num(-1).value  # type: ignore[arg-type]


def _product(factors: list[Term]) -> Term:
    """A product of matrices, with neighbouring diagonals joined and signs in front."""
    minus, joined = False, []
    for factor in factors:
        if isinstance(factor, Num):
            minus = not minus
        elif isinstance(factor, Diag) and joined and isinstance(joined[-1], Diag):
            joined[-1] = Diag(times(joined[-1].arg, factor.arg))
        else:
            joined.append(factor)
    whole: Term = MatMul(tuple(joined)) if len(joined) > 1 else joined[0] if joined else Num(-_MINUS)
    return Neg(whole) if minus else whole
