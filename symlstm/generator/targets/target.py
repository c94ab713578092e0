"""What a target is: how the array functions that the generator knows by NumPy's names are called and used in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from symlstm.generator.codes import OWN, Code, in_numpy, infix


@dataclass(frozen=True)
class Target:
    """A row of the table of targets. In the templates `{}` is an array, `{like}` one whose dtype is meant.

    `functions` has what is not called as in NumPy, with `{0}` and `{1}` for the arguments where it is used in another way;
    `made` says how what is made once is made. `own` makes an array of what a caller gave, `taken` only where it must, `given`
    another one that the caller may have; `turned` turns time around, `shifted` gives a loop a state at t-1 without a copy, or
    as `{both}`, `steps` numbers the steps from 1, `kept_if` chooses a state or zeros. `ahead` and `back` stand above the two
    passes, of `helpers` those whose names occur above all functions, `classes` below the classes, `rest` at the end.
    """

    name: str
    title: str
    alias: str
    imports: str
    functions: Mapping[str, str]
    made: Mapping[str, str]
    helpers: Mapping[str, str]
    own: str = "{}"
    taken: str = "{}"
    given: str = "{}"
    turned: str = "{}[::-1]"
    shifted: str = "({start}, *{name}[:-1])"
    steps: str = "range(1, T + 1)"
    kept_if: str = "{} if arrives else 0 * {}"
    ahead: str = ""
    back: str = ""
    classes: str = ""
    rest: str = ""
    stretches: bool = False  # whether gradients of parameters are summed a stretch of steps at a time
    names: frozenset[str] = field(default_factory=frozenset)  # what else has a name in the module
    accuracy: str = "fast"  # of activations and their slopes: "fast" or "ulp"

    def printed(self, function: str, args: Sequence[str]) -> str:
        """A call of an array function, or of one that the module brings itself."""
        if function.endswith(OWN):
            return in_numpy(function, args)
        known = self.functions.get(function, f"{self.alias}.{function}")
        if "{" not in known:
            return f"{known}({', '.join(args)})"
        numbers_last = sorted(args, key=lambda text: text.strip("-().").replace("/", "").isdigit())
        return known.format(*(numbers_last if function in ("maximum", "minimum") else args))

    def infix(self, code: Code, level: int = 0) -> str:
        """Code as an expression."""
        return infix(code, level, self.printed)

    def call(self, function: str, *args: str) -> str:
        """A call of an array function, its arguments in text."""
        return self.printed(function, args)

    def constant(self, kind: str, size: str, like: str) -> str:
        """The code that makes what is made once: "ones" or "eye" of a size, zeros of a shape, and others."""
        return self.made[kind].format(size=size, like=like)
