"""The LSTM, and what people have made of it: peepholes, full feedback, coupled gates, projection, layer normalisation."""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.activations import sigma, sqrt, tanh
from symlstm.algebra import Blocks, Div, Ones, Pow, Relation, Sym, Term, equation, quantity, symbols, term
from symlstm.model import Cell
from symlstm.zoo.letters import affine, c, f, g, h, i, o, words, x

p_i, p_f, p_o = symbols("p_i p_f p_o")
WORDS = words("i", "f", "o", "g", "c", "h", "x")
PEEPHOLES = {f"p_{gate}": "peephole weights, one for each entry" for gate in "ifo"}

LSTM = Cell(
    name="lstm",
    title="The LSTM",
    inputs=(x,),
    states=(h, c),
    equations=(
        equation(i, sigma(affine("i"))),
        equation(f, sigma(affine("f"))),
        equation(o, sigma(affine("o"))),
        equation(g, tanh(affine("g"))),
        equation(c, f * c.prev + i * g),
        equation(h, o * tanh(c)),
    ),
    source="Hochreiter & Schmidhuber (1997), with the forget gate of Gers, Schmidhuber & Cummins (2000)",
    words=WORDS,
)

PEEPHOLE = Cell(
    name="lstm-peephole",
    title="The LSTM with peepholes",
    inputs=(x,),
    states=(h, c),
    equations=(
        equation(i, sigma(affine("i") + p_i * c.prev)),
        equation(f, sigma(affine("f") + p_f * c.prev)),
        equation(g, tanh(affine("g"))),
        equation(c, f * c.prev + i * g),
        equation(o, sigma(affine("o") + p_o * c)),
        equation(h, o * tanh(c)),
    ),
    source="Gers & Schmidhuber (2000), in the form of Greff et al. (2017), section II",
    words=WORDS | PEEPHOLES,
)


def _fed(gate: str) -> Term:
    """A gate that reads everything: `W [h_{t-1}; c_{t-1}; x_t] + b`."""
    return Sym(f"W_{gate}") @ Blocks(((h.prev,), (c.prev,), (x,))) + Sym(f"b_{gate}")


FULL_FEEDBACK = Cell(
    name="lstm-full-feedback",
    title="The LSTM whose gates read the cell state",
    inputs=(x,),
    states=(h, c),
    equations=(
        equation(i, sigma(_fed("i"))),
        equation(f, sigma(_fed("f"))),
        equation(o, sigma(_fed("o"))),
        equation(g, tanh(_fed("g"))),
        equation(c, f * c.prev + i * g),
        equation(h, o * tanh(c)),
    ),
    source="the LSTM with one matrix a gate on the output, the cell state and the input, stacked; after Graves (2013), "
    "equations 7 to 11, with full matrices for the peepholes",
    words=WORDS,
)

COUPLED = Cell(
    name="lstm-coupled",
    title="The LSTM with coupled gates",
    inputs=(x,),
    states=(h, c),
    equations=(
        equation(i, sigma(affine("i"))),
        equation(f, 1 - i),
        equation(o, sigma(affine("o"))),
        equation(g, tanh(affine("g"))),
        equation(c, f * c.prev + i * g),
        equation(h, o * tanh(c)),
    ),
    source="Greff et al. (2017), variant CIFG, without peepholes",
    words=WORDS,
)

PROJECTED = Cell(
    name="lstm-projected",
    title="The LSTM with a projected output",
    inputs=(x,),
    states=(h, c),
    equations=(*LSTM.declared[:5], equation(h, Sym("W_h") @ (o * tanh(c)))),
    source="Sak, Senior & Beaufays (2014), as PyTorch has it",
    words=WORDS | {"W_h": "weights of the projection"},
    sizes={"c": (Sym("k"),)},
)

EPSILON = Pow(term(10), term(-5))


def _normalised(of: str, sum_of: Term, gain: Sym, shift: Sym, length: Term) -> Iterator[Relation]:
    """Layer normalisation: mean, deviation from it, variance, and the result `y_of`, gain * (a - mean) / s + shift."""
    a, mu, d, v, s, y = (quantity(f"{letter}_{of}") for letter in ("a", "mu", "d", "v", "s", "y"))
    ones = Ones(length)
    if isinstance(sum_of, Sym):
        a = sum_of
    else:
        yield equation(a, sum_of)
    yield equation(mu, Div(ones.T @ a, length))
    yield equation(d, a - mu @ ones)
    yield equation(v, Div(d.T @ d, length) + EPSILON)
    yield equation(s, sqrt(v))
    yield equation(y, gain * (d / s) + shift)


NORMALISED = {
    "a": "sum before it is normalised",
    "mu": "mean",
    "d": "deviation from the mean",
    "v": "variance, with a small number added",
    "s": "its root",
    "y": "normalised, with gain and shift",
    "alpha": "gains",
    "b": "shifts",
}


def _gate(gate: str) -> Iterator[Relation]:
    W, U, alpha, b = (Sym(f"{letter}_{gate}") for letter in ("W", "U", "alpha", "b"))
    yield from _normalised(gate, W @ x + U @ h.prev, alpha, b, Sym("n"))


LAYERNORM = Cell(
    name="lstm-layernorm",
    title="The LSTM with layer normalisation",
    inputs=(x,),
    states=(h, c),
    equations=(
        *(line for gate in "ifog" for line in _gate(gate)),
        *(equation(gate, sigma(quantity(f"y_{gate.name}"))) for gate in (i, f, o)),
        equation(g, tanh(quantity("y_g"))),
        equation(c, f * c.prev + i * g),
        *_normalised("c", c, Sym("alpha_c"), Sym("b_c"), Sym("n")),
        equation(h, o * tanh(quantity("y_c"))),
    ),
    source="Ba, Kiros & Hinton (2016): equation 4 for every gate, and the cell state normalised before the output; "
    "a small number is added under each root",
    words=WORDS | {f"{letter}_{of}": word for of in "ifogc" for letter, word in NORMALISED.items() if f"{letter}_{of}" != "a_c"},
)
