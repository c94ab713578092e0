"""The nearest right formula, and numbers that show why a formula is wrong.

Edits tried in numbers and then judged, derived formulas where no edit helps, counterexamples.
"""
