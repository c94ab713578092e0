"""How arrays are made, as nests of loops: which come first, which share a loop, which index runs innermost.

A sum over an index is a nest of its own. The last index of the matrix runs innermost, so that what is read next lies next:
where that is the index of the sum, a number gathers it, else a column of results does, and the loop can use all lanes of the
processor; of a parameter there is a turned copy for that. What is made entry by entry shares a loop with what has as many
entries, as far as nothing in it asks for another entry than its own; what is known in that loop alone needs no array.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from symlstm.generator.codes import Call, Code, infix, leaves, with_constants
from symlstm.generator.loops.values import COLUMN, FIRST, INNER, ROW, Array, Made, Product, Ref, shifted
from symlstm.shapes import ONE, Length

Loop = tuple[str, Length]  # an index, and how far it runs


@dataclass(frozen=True, eq=False)
class Statement:
    """One `Made` with its code, and what it touches."""

    made: Made

    @property
    def array(self) -> Array:
        return self.made.array

    @cached_property
    def target(self) -> Ref:
        """The entry that is made."""
        running = {index for index, _ in self.loops}
        return self.array.entry(*(shifted(index if index in running else FIRST, start)
                                  for index, start in zip((ROW, COLUMN), self.made.offset, strict=True)))

    @cached_property
    def value(self) -> Code:
        """The code of an entry, without the products."""
        return self.made.value.at(ROW, COLUMN)

    @cached_property
    def products(self) -> tuple[tuple[str, Product, Code, Code], ...]:
        """The products with their signs and the code of both factors."""
        return tuple((sign, product, product.left.at(ROW, INNER), product.right.at(INNER, ROW if product.closed else COLUMN))
                     for sign, product in self.made.products)

    @cached_property
    def refs(self) -> tuple[Ref, ...]:
        """What it reads."""
        codes = (self.value, *(code for _, _, left, right in self.products for code in (left, right)))
        return tuple(leaf for code in codes for leaf in leaves(code) if isinstance(leaf, Ref))

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        """The indices of its entries."""
        part, array = self.made.value, self.array
        whole = (part.rows or array.rows, part.columns or array.columns)
        return tuple((index, length) for index, length in zip((ROW, COLUMN), whole, strict=True) if length != ONE)

    def waits(self, other: Statement) -> bool:
        """Whether it must come after an earlier one."""
        mine, its = {ref.array for ref in self.refs}, {ref.array for ref in other.refs}
        both = self.array is other.array and self.made.offset == other.made.offset
        return other.array in mine or self.array in its or both

    def fits(self, other: Statement) -> bool:
        """Whether it may come after an earlier one in the same loop: what one makes, the other reads at the same entry."""
        if self.products or (self.array is other.array and self.made.offset == other.made.offset):
            return False
        return all(ref == each.target for each, reader in ((self, other), (other, self)) for ref in reader.refs
                   if ref.array is each.array)


def grouped(made: Iterable[Made]) -> list[list[Statement]]:
    """Statements that share a loop, in an order in which they can run: sums as soon as they can, then as many as fit together."""
    todo = [Statement(each) for each in made]
    before = {late: {early for early in todo[:k] if late.waits(early)} for k, late in enumerate(todo)}
    done, groups = set[Statement](), list[list[Statement]]()
    while todo:
        ready = [each for each in todo if before[each] <= done]
        group = [next((each for each in ready if each.products), ready[0])]
        alone = group[0].products or (group[0].made.adds and len(group[0].loops) == 2)
        for each in () if alone else todo:
            if each not in group and each.loops == group[0].loops and before[each] <= done.union(group) and not (
                    each.made.adds and len(each.loops) == 2) and all(each.fits(other) for other in group):
                group.append(each)
        groups.append(group)
        done.update(group)
        todo = [each for each in todo if each not in done]
    return groups


def needed(made: Iterable[Made], wanted: set[Array]) -> list[Made]:
    """Of what can be made, in order, what some arrays need."""
    wanted, found = set(wanted), list[Made]()
    for each in reversed(list(made)):
        if each.array in wanted:
            wanted |= {ref.array for ref in Statement(each).refs}
            found.insert(0, each)
    return found


class Nests:
    """Writes the loops of one step. `text` is the code of a length, `constant` the name of a number, `name` a new name.

    `turned` has the turned copies of parameters, and gets those that are needed. `scratch` are the arrays that one step needs
    for itself, `passing` those that are known in one loop alone.
    """

    def __init__(self, made: Iterable[Made], text: Callable[[Length], str], constant: Callable[[str], str],
                 name: Callable[[object, str], str], turned: dict[Array, Array]) -> None:
        self.text, self.constant, self.name, self.turned = text, constant, name, turned
        self.groups = grouped(made)
        self.passing = set(self._passing())
        made_here = dict.fromkeys(each.array for group in self.groups for each in group)
        self.scratch = [array for array in made_here if array.lengths and not (array.lasting or array in self.passing)]

    def lines(self) -> Iterator[str]:
        """All loops."""
        for group in self.groups:
            yield from self._sum(group[0]) if group[0].products else self._entrywise(group)

    def _passing(self) -> Iterator[Array]:
        """The arrays that are known in one loop alone: they are numbers there."""
        touched: dict[Array, set[int]] = {}
        for k, group in enumerate(self.groups):
            for each in group:
                for array in (each.array, *(ref.array for ref in each.refs)):
                    touched.setdefault(array, set()).add(k if not (each.products or each.made.adds) else -1 - k)
        yield from (array for array, where in touched.items() if len(where) == 1 and not array.lasting and min(where) >= 0)

    # --- entry by entry ---

    def _entrywise(self, group: Sequence[Statement]) -> Iterator[str]:
        loops, known = group[0].loops, dict[str, str]()
        inner = loops[-1][0] if loops else ""
        before, body = list[str](), list[str]()
        for k, each in enumerate(group):
            code = self._code(self._hoisted(each.value, inner, before), known)
            body += [f"# {each.made.note}"] if each.made.note else []
            later = any(ref == each.target for other in group[k + 1:] for ref in other.refs)
            own = "_".join(index for index, _ in loops)
            if not each.array.lengths and not each.array.lasting:
                body.append(f"{each.target} {'+=' if each.made.adds else '='} {code}")
            elif each.made.adds:
                body.append(f"{each.target} += {code}")
            else:
                local = self.name(("entry", each.array), f"{each.array.name}_{own}") if later and own else ""
                if local:
                    body.append(f"{local} = {code}")
                    known[each.target] = code = local
                if each.array not in self.passing:
                    body.append(f"{each.target} = {code}")
        yield from self._nest(loops, before, body)

    def _nest(self, loops: Sequence[Loop], before: Sequence[str], body: Sequence[str]) -> Iterator[str]:
        """Loops around lines; `before` stands before the innermost loop."""
        if not loops:
            yield from (*before, *body)
        for depth, (index, length) in enumerate(loops):
            if depth == len(loops) - 1:
                yield from (depth * "    " + line for line in before)
            yield f"{depth * '    '}for {index} in range({self.text(length)}):"
            if depth == len(loops) - 1:
                yield from (len(loops) * "    " + line for line in body)

    # --- sums over an index ---

    def _sum(self, each: Statement) -> Iterator[str]:
        """A nest for what all products begin from, then one for each."""
        yield f"# {each.made.note}"
        forms = [self._form(*product) for product in each.products]
        if not each.made.adds:
            before: list[str] = []
            code = self._code(self._hoisted(each.value, each.loops[-1][0] if each.loops else "", before))
            yield from self._nest(each.loops, before, [f"{each.target} = {code}"])
        elif each.value != "0":
            yield from self._nest(each.loops, [], [f"{each.target} += {self._code(each.value)}"])
        for sign, product, left, right, spread in forms:
            yield from (self._spread if spread else self._gathered)(each, "+=" if sign == "add" else "-=", product, left, right)

    def _form(self, sign: str, product: Product, left: Code, right: Code) -> tuple[str, Product, Code, Code, bool]:
        """How a product is made: spread over its results, where its matrix, or the turned copy of it, lies so."""
        matrices = [(product.left, True)] * (product.columns == ONE) + [(product.right, False)] * (product.rows == ONE)
        if product.rows != ONE and product.columns != ONE:
            return sign, product, left, right, True
        if product.closed or len(matrices) == 2:
            return sign, product, left, right, False
        (matrix, first), = matrices
        lies = matrix.turned if first else not matrix.turned  # the index of the sum is the first of the array as it lies
        if matrix.array and not lies and matrix.array.parameter:
            array, name = matrix.array, self.name(("turned", matrix.array), f"{matrix.array.name}_T")
            copy = self.turned.setdefault(array, Array(name, array.columns, array.rows, lasting=True))
            code = copy.entry(INNER, ROW if first else COLUMN)
            return sign, product, code if first else left, right if first else code, True
        return sign, product, left, right, matrix.array is not None and lies

    def _spread(self, each: Statement, sign: str, product: Product, left: Code, right: Code) -> Iterator[str]:
        """The index of the sum outside: one entry of it at a time meets a row of results."""
        summed = (INNER, product.left.columns)
        loops = [*each.loops[:-1], summed, each.loops[-1]]
        before: list[str] = []
        code = self._hoisted(_times(left, right), each.loops[-1][0], before)
        yield from self._nest(loops, before, [f"{each.target} {sign} {self._code(code)}"])

    def _gathered(self, each: Statement, sign: str, product: Product, left: Code, right: Code) -> Iterator[str]:
        """The index of the sum inside: a number gathers it."""
        total = self.name(("total",), "total")
        summed: list[Loop] = [(INNER, product.left.columns)]
        if product.closed:  # the last index of the left matrix as it lies runs inside
            summed = [(ROW, product.left.rows), *summed]
            summed = summed[::-1] if product.left.turned else summed
        before: list[str] = []
        code = self._hoisted(_times(left, right), summed[-1][0], before)
        inside = [f"{total} = {self.constant('0')}", *self._nest(summed, before, [f"{total} += {self._code(code)}"]),
                  f"{each.target} {sign} {total}"]
        yield from self._nest(each.loops, [], inside)

    # --- code ---

    def _code(self, code: Code, known: dict[str, str] | None = None) -> str:
        def change(part: Code) -> Code:
            if isinstance(part, str):
                return (known or {}).get(part, part) if isinstance(part, Ref) else part
            return Call(part.function, tuple(map(change, part.args)))
        return infix(with_constants(change(code), self.constant))

    def _hoisted(self, code: Code, index: str, before: list[str]) -> Code:
        """The code with what does not change with an index taken out: read once, before the loop."""
        def change(part: Code) -> Code:
            read = [leaf for leaf in leaves(part) if isinstance(leaf, Ref)]
            if not index or not read or (isinstance(part, str) and part.isidentifier()):
                return part
            if not any(re.search(rf"\b{index}\b", leaf) for leaf in leaves(part)):
                text = self._code(part)
                found = next((line for line in before if line.endswith(f" = {text}")), "")
                name = found.partition(" ")[0] or self.name(("factor", len(before)), f"factor_{len(before) + 1}")
                if not found:
                    before.append(f"{name} = {text}")
                return name
            return part if isinstance(part, str) else Call(part.function, tuple(map(change, part.args)))
        return change(code)


def _times(left: Code, right: Code) -> Code:
    """The product of two codes; a one is left out."""
    return right if left == "1" else left if right == "1" else Call("multiply", (left, right))
