"""The mistakes of people undone: edits of a formula, as a table.

Symbols and times exchanged, what is missing added, what is there rearranged.
"""
