r"""Judging the claims of somebody else's document: what `symlstm check` does.

The way of a document, one family after another, each importing only from those before it: `symlstm.definitions` reads it and
tells definitions from claims; `models` makes the definitions run; `judging` decides whether a claim is true of that model;
`exactness` proves what is right; `checking` joins these for a whole document. Of what is wrong, `writing` knows the author's
hand, `remedies` the edits, and `repairs` searches with both for what would be right. `proofreading` is the public entry;
`reports` and `annotations` say it to people.
"""
