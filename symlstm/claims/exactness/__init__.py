"""Which of the claims that are right are proved.

The same readings over a polynomial ring, on stretches of steps that stand for a sequence of any length.
"""
