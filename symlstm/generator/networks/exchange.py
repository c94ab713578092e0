"""What the parts of a cell hand to each other: the names of arrays, and adjoints as sums of shares."""

from __future__ import annotations

from collections.abc import Iterator

from symlstm.algebra import NOW, Sym
from symlstm.generator.networks.forms import shifted_name
from symlstm.generator.scans.frame import Quantities
from symlstm.generator.wrapping import as_tuple


class Exchange:
    """Names what parts read and give, and gathers what they give back.

    `kept` are the names that the backward pass knows from the forward pass. `fresh` has the quantities whose adjoint has a
    share, and says whether it is an array that nothing else holds.
    """

    def __init__(self, frame: Quantities) -> None:
        self.frame = frame
        self.kept: dict[str, None] = {}
        self.fresh: dict[Sym, bool] = {}

    def called(self, read: Sym) -> str:
        """The array over all steps of a quantity, or of one as it is read from the step before or after."""
        return self.frame.name(read) if read.time == NOW else self.frame.names(("value", read), shifted_name(read))

    def adjoint(self, read: Sym) -> str:
        """The array of its adjoint."""
        return self.frame.adjoint(read) if read.time == NOW else self.frame.names(("adjoint", read), f"d_{self.called(read)}")

    def keep(self, name: str) -> str:
        """Have the backward pass know a name of the forward pass."""
        self.kept.setdefault(name)
        return name

    def later(self, part: str) -> str:
        """Further arguments: what the steps after gave for a part, and how many came before, where gradients are summed so."""
        return f', into and into.sums["{part}"], since' if self.frame.target.stretches else ""

    def share(self, read: Sym, text: str, *, fresh: bool = False) -> str:
        """The line that adds a share to an adjoint; `fresh` says that the text is an array that nothing else holds."""
        name, more = self.adjoint(read), read in self.fresh
        self.fresh[read] = more or fresh
        return f"{name} = {f'{name} + ' * more}{text}"

    def whole(self, of: Sym) -> Iterator[str]:
        """The line that a quantity's adjoint needs where nothing reads the quantity."""
        if of not in self.fresh:
            yield self.share(of, self.frame.target.constant("zeros", self.frame.inner(of, "T", "B"), "d_outputs"), fresh=True)

    def outside(self, of: Sym, text: str, *front: str) -> str:
        """An array with all axes as one with those that the functions of a part take and give: a number has none."""
        seen = as_tuple((*front, *map(self.frame.text, self.frame.lengths(of))))
        return text if seen == f"({self.frame.inner(of, *front)})" else f"{text}.reshape({seen})"

    def inside(self, of: Sym, text: str, *front: str) -> str:
        """An array that the functions of a part give, with all axes."""
        return text if self.outside(of, "", *front) == "" else f"{text}.reshape({self.frame.inner(of, *front)})"
