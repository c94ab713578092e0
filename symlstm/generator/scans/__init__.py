"""Any unit for any target, as functional code: the loop over time is a function of one step, which a target scans with.

`frame` names the arrays, `schedule` says what is computed when, `shares` what gradients are made of, `passes` writes the two
passes, and `functional` puts them together.
"""
