"""Which equation is computed when: ahead of the loop, in it, or after it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from symlstm.algebra import Adj, Sym


@dataclass(frozen=True)
class Schedule:
    """Equations in order of evaluation: `ahead` of the loop for all steps, in the `loop`, and `after` it for all steps."""

    ahead: tuple[Sym, ...]
    loop: tuple[Sym, ...]
    after: tuple[Sym, ...]


def schedule(needs: Mapping[Sym, Set[Sym | Adj]], carried: set[Sym], handed: set[Sym], large: Set[Sym] = frozenset()) -> Schedule:
    """The schedule of equations in order of evaluation, by what each needs.

    What needs anything that the step before hands on, `carried`, is not ahead; what is not needed for what is `handed` on to
    the next step is not in the loop, unless it needs something `large` that would have to be kept for all steps.

    >>> from symlstm.algebra import NOW
    >>> a, b, c, h = (Sym(name, NOW) for name in "abch")
    >>> schedule({a: set(), h: {a, h.prev}, b: {h}, c: {a}}, {h.prev}, {h})
    Schedule(ahead=(a[t], c[t]), loop=(h[t],), after=(b[t],))
    """
    late: set[Sym | Adj] = set(carried)
    for of, needed in needs.items():
        if needed & late:
            late.add(of)
    wanted: set[Sym | Adj] = {*handed, *(of for of, needed in needs.items() if needed & late & large)}
    for of in reversed(tuple(needs)):
        if of in wanted:
            wanted |= needs[of]
    return Schedule(
        tuple(of for of in needs if of not in late),
        tuple(of for of in needs if of in late and of in wanted),
        tuple(of for of in needs if of in late and of not in wanted))
