"""A document's definitions as a model that runs.

Lengths, the arithmetic of people's products, runs measured by complex step, and a cell of the zoo found in the definitions.
"""
