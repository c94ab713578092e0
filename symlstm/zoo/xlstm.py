"""The two cells of xLSTM: exponential gates, kept in range by a stabiliser; scalar memory, and matrix memory (one head).

Source: Beck et al. (2024), sections 2.2 and 2.3, the stabilised forms.
"""

from __future__ import annotations

from symlstm.activations import absolute, exp, sigma, sqrt, tanh
from symlstm.algebra import Div, Max, Sym, Term, equation, quantities, symbols, term
from symlstm.model import Cell
from symlstm.zoo.letters import affine, c, f, g, h, i, o, words, x

n, m, i_raw, f_raw = quantities("n m i_tilde f_tilde")
WORDS = words(
    *("i", "f", "o", "g", "c", "h", "x"),
    n="normaliser",
    m="stabiliser",
    i_tilde="logarithm of the input gate",
    f_tilde="logarithm of the forget gate",
) | {"i": "stabilised input gate", "f": "stabilised forget gate"}

SLSTM = Cell(
    name="slstm",
    title="The sLSTM",
    inputs=(x,),
    states=(h, c, n, m),
    equations=(
        equation(i_raw, affine("i")),
        equation(f_raw, affine("f")),
        equation(o, sigma(affine("o"))),
        equation(g, tanh(affine("g"))),
        equation(m, Max((f_raw + m.prev, i_raw))),
        equation(i, exp(i_raw - m)),
        equation(f, exp(f_raw + m.prev - m)),
        equation(c, f * c.prev + i * g),
        equation(n, f * n.prev + i),
        equation(h, o * (c / n)),
    ),
    source="Beck et al. (2024), equations 8 to 17, with exponential forget gate",
    words=WORDS,
)

C, q, k, v, a, s = quantities("C q k v a s")
w_i, w_f, b_i, b_f, W_k, b_k = symbols("w_i w_f b_i b_f W_k b_k")


def _row(weights: Term, bias: Term) -> Term:
    """A gate that is one number: `w^T x_t + b`."""
    return weights.T @ x + bias


MLSTM = Cell(
    name="mlstm",
    title="The mLSTM",
    inputs=(x,),
    states=(h, C, n, m),
    equations=(
        equation(q, affine("q", None)),
        equation(k, Div(W_k @ x, sqrt(Sym("n"))) + b_k),
        equation(v, affine("v", None)),
        equation(o, sigma(affine("o", None))),
        equation(i_raw, _row(w_i, b_i)),
        equation(f_raw, _row(w_f, b_f)),
        equation(m, Max((f_raw + m.prev, i_raw))),
        equation(i, exp(i_raw - m)),
        equation(f, exp(f_raw + m.prev - m)),
        equation(C, f @ C.prev + i @ v @ k.T),
        equation(n, f @ n.prev + i @ k),
        equation(a, n.T @ q),
        equation(s, Max((absolute(a), exp(-m)))),
        equation(h, o * (C @ q / s)),
    ),
    source="Beck et al. (2024), equations 19 to 27, one head, with exponential forget gate, stabilised as in 15 to 17: "
    "so the 1 in the divisor of 21 is exp(-m)",
    words={
        **{name: word for name, word in WORDS.items() if name not in "cg"},
        "C": "matrix memory",
        "q": "query",
        "k": "key",
        "v": "value",
        "a": "product of normaliser and query",
        "s": "divisor",
    },
    sizes={"C": (Sym("n"), Sym("n")), "b_i": (term(1), term(1)), "b_f": (term(1), term(1))},
)
