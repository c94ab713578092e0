"""NumPy as a target of functional code."""

from __future__ import annotations

from symlstm.generator.targets.target import Target

SCAN = '''def scan(step, carry, rows, T, reverse=False):
    """What a step hands on after T steps, and what the steps gave, one below the other; each step takes one of the rows."""
    found = None
    for t in range(T - 1, -1, -1) if reverse else range(T):
        carry, given = step(carry, tuple(row[t] for row in rows))
        if found is None:
            found = tuple(np.empty((T, *part.shape), part.dtype) for part in given)
        for whole, part in zip(found, given):
            whole[t] = part
    return carry, found
'''

SUMMED = '''def summed(share, rows, T, chunk, into):
    """The sum of the shares of chunks of steps, counted from the first step; the last is added first, to `into` if given."""
    for first in reversed(range(0, T, chunk)):
        found = share(tuple(row[first:first + chunk] for row in rows))
        into = found if into is None else {name: into[name] + part for name, part in found.items()}
    return into
'''

CHUNK = '''def chunk_of(B):
    """How many steps of B sequences one product over time takes: a run that is cut where a chunk ends gives the same bits."""
    return max(1, min(64, 512 // B))
'''

NUMPY = Target(
    name="numpy",
    title="NumPy",
    alias="np",
    imports="import numpy as np",
    functions={},
    made={
        "steps": "np.arange({size})",
        "ones": "np.ones({size}, {like}.dtype)",
        "eye": "np.eye({size}, dtype={like}.dtype)",
        "zeros": "np.zeros(({size}), {like}.dtype)",
        "size": "{like}.dtype.type({size})  # the size as a number",
        "dtype": "{like}.dtype.type",
        "largest": "np.finfo({like}.dtype).max  # an exponential that is too large for the dtype is its largest number",
    },
    helpers={"scan": SCAN, "chunk_of": CHUNK, "summed": SUMMED},
    own="np.array({})",
    given="{}.copy()",
    ahead='@np.errstate(over="ignore", under="ignore")\n',
    back='@np.errstate(over="ignore", under="ignore")\n',
    stretches=True,
)
