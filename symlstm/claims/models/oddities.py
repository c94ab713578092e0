"""Names that look mistaken and change no verdict: `W_hc` among `W_hi`, `W_hf`, `W_hg` and `W_ho`.

The names of parameters form families: those that differ in one letter behind the underscore. Where a document declares its
parameters, or a cell is given, a stranger is wrong; where it does not, a stranger is pointed out.

>>> odd_names(["W_hi", "W_hf", "W_hg", "W_ho", "W_hc", "b_i", "b_f", "b_g", "b_o"], frozenset())
{'W_hc': ('W_hf', 'W_hg', 'W_hi', 'W_ho')}
>>> odd_names(["W_i", "W_f", "W_o", "W_c", "U_i", "U_f", "U_o", "U_c"], frozenset())
{}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from symlstm.algebra import Apply, Relation, Sym, walk
from symlstm.definitions.meanings import Theory
from symlstm.definitions.sources import Source, Statement

FAMILY = 3  # members that a name has to stand beside, to be a stranger among them


def strangers(source: Source, theory: Theory) -> dict[str, tuple[str, ...]]:
    """The odd names of a document, with the others of their families."""
    lines = (line for each in source.statements for line in each.relations)
    return odd_names({name for line in lines for name in _parameters(line)}, gates(theory))


def warnings(odd: Mapping[str, tuple[str, ...]], statement: Statement) -> tuple[str, ...]:
    """What looks mistaken in a statement, in words."""
    used = dict.fromkeys(name for line in statement.relations for name in _parameters(line) if name in odd)
    return tuple(f"{name} stands alone beside {', '.join(odd[name])}: is another name meant?" for name in used)


def gates(theory: Theory) -> frozenset[str]:
    """The letters of the quantities that an activation computes: what the members of a family are for."""
    return frozenset(name.partition("_")[0] for name, body in theory.steps.items() if isinstance(body, Apply))


def odd_names(names: Iterable[str], gates: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """The names that stand alone in a family, with the others of it: no other family has their letter, nor has a gate.

    That is known where another family has the letters of the others, or where these are all letters of gates.
    """
    families: dict[str, dict[str, str]] = defaultdict(dict)
    for name in sorted(set(names)):
        head, _, mark = name.partition("_")
        for place in range(len(mark) if mark.isalpha() and len(mark) <= 2 else 0):
            families[f"{head}_{mark[:place]}?{mark[place + 1 :]}"][mark[place]] = name
    odd: dict[str, tuple[str, ...]] = {}
    for pattern, family in families.items():
        for letter, name in family.items():
            rest = family.keys() - {letter}
            alike = [other for key, other in families.items() if key != pattern and len(other.keys() & rest) >= FAMILY]
            known = any(letter in other for other in alike) or letter in gates
            told = bool(alike) or rest <= gates
            if len(rest) >= FAMILY and told and not known:
                odd[name] = tuple(sorted(family[other] for other in rest))
    return odd


def _parameters(line: Relation) -> list[str]:
    parts = (part for side in line.terms for part in walk(side))
    return [part.name for part in parts if isinstance(part, Sym) and part.time is None and "_" in part.name]
