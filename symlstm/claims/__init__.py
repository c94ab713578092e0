r"""Judging the claims of somebody else's document: what `symlstm check` does.

The way of a document, one room after another: `symlstm.definitions` reads it, tells definitions from claims and makes one
model of the definitions (with `matching`, where a cell of the zoo gives them), `sizes` finds all lengths, `runs` measures
the model by complex step, `arithmetic` and `values` give any term its value under a reading, `points`, `comparing` and
`outcomes` compare a relation under one reading, `judgement` decides over all readings of a formula, and `checking` joins
it all into the records of `verdicts`.
"""
