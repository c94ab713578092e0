"""Formulas in the author's own hand.

Where each term stands in the text, the small marks of the author's LaTeX, and new terms written with them.
"""
