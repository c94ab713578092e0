r"""Judging the claims of somebody else's document: what `symlstm check` does.

The way of a document, one room after another: `lexemes` and `grammar` read formulas as they are written, `vocabulary`
settles what names and scripts mean in this document, `sources` tells definitions from claims, `sizes` and `models`
make one cell of the definitions and measure it, `values` gives any term its value under a reading, `judgement` decides
a claim, and `checking` joins it all.
"""
