"""Whether a claim is true of the model.

Values under a reading, the points where sides are compared, one outcome a reading, and the verdict over all of them.
"""
