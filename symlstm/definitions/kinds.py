r"""What a parameter may be, by the way it is used and by custom: a number, a vector or a matrix.

A capital letter is a matrix, unless it stands in an elementwise product or alone in a sum; a Greek letter that is often a
rate is a number; any other small letter is a vector.
"""

from __future__ import annotations

from symlstm.algebra import Add, Hadamard, MatMul, Sym, walk
from symlstm.definitions.theories import Theory

RATES = frozenset({"alpha", "beta", "gamma", "eta", "kappa", "lambda", "mu", "nu", "rho", "epsilon"})  # numbers, not vectors


def kinds_of(theory: Theory) -> list[dict[str, str]]:
    """What each parameter may be, best guess first: matrix, vector or scalar."""
    matrices = {name for name in theory.parameters if name[0].isupper()}
    vectors = _elementwise(theory)
    guess = {name: "matrix" if name in matrices - vectors else "vector" for name in theory.parameters}
    guess |= {name: "scalar" for name in theory.parameters if name.partition("_")[0] in RATES - vectors}
    found = [guess]
    factors = _left_factors(theory)
    if not matrices and theory.steps:
        found.insert(0, dict.fromkeys(theory.parameters, "scalar") if factors else guess)
    if factors - matrices:
        found.append(guess | dict.fromkeys(factors - matrices, "matrix"))
    found.append({name: "vector" if kind == "matrix" and name in vectors else kind for name, kind in guess.items()})
    return found


def _elementwise(theory: Theory) -> set[str]:
    """Parameters that stand in a Hadamard product, or alone in a sum: peepholes and biases."""
    found = set()
    for body in theory.steps.values():
        for part in walk(body):
            if isinstance(part, Hadamard):
                found |= {arg.name for arg in part.args if isinstance(arg, Sym) and arg.time is None}
            if isinstance(part, Add):
                alone = {arg.name for arg in part.args if isinstance(arg, Sym) and arg.time is None}
                timed = any(isinstance(inner, Sym) and inner.time is not None for inner in walk(part))
                found |= alone if timed else {name for name in alone if name[0] in "Bb"}
    return found


def _left_factors(theory: Theory) -> set[str]:
    return {
        arg.name
        for body in theory.steps.values()
        for part in walk(body)
        if isinstance(part, MatMul)
        for arg in part.args
        if isinstance(arg, Sym) and arg.time is None
    }
