r"""LaTeX to terms and relations: an independent reader, which shares nothing with what writes LaTeX.

`read` takes one formula, `readings` a whole document. What cannot be read is an error with its line, its column and a
caret under the place; nothing is guessed and nothing is dropped. The grammar is `grammar.lark`; the rooms, from the
outside to the inside: `documents` finds the formulas of a file, `conventions` says what LaTeX leaves open, `tokens`,
`symbols` and `cutting` make the grammar's tokens, `building` makes terms, `reading` puts it together.

What the notation leaves open is settled as follows: a letter without a script is `Sym` without a time, exponents
included (`U^{t-k}` has the exponent `t - k` of two such letters); a time with several letters keeps them in its base
(`c_{t-k+1}` is at `Time("t-k", 1)`); a function of several arguments is an `Apply` to a `Listed`, one that depends on
the step has the step in its name (`E_t(h_t)` is `Apply("E[t]", ...)`); a column `[a, b]` is `Blocks` of one column; a
sum or product sign reaches to the next plus or minus; `\delta q` and `dq` are `Adj`, `\Delta q` is a name of its own.
"""

from symlstm.reader.conventions import HOUSE, PEOPLE, Conventions, survey
from symlstm.reader.documents import Formula, Kind, directives, formulas
from symlstm.reader.reading import Reading, read, read_all, readings

__all__ = [
    "HOUSE", "PEOPLE", "Conventions", "Formula", "Kind", "Reading",
    "directives", "formulas", "read", "read_all", "readings", "survey",
]  # fmt: skip
