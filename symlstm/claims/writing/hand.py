r"""The author's hand: terms and relations back to LaTeX as the author of a document writes it.

What stands in the document is copied from it, whatever part of a formula it is. The rest is put together from the
author's own symbols with their time marks moved, the author's product signs, transposes and function names. What is
written is read back, and refused unless it means what it should.

>>> from symlstm.definitions.sources import source
>>> hand = Hand(source(r"$$ c^{(t)} = f^{(t)} \circ c^{(t-1)} + i^{(t)} \circ g^{(t)} $$"))
>>> from symlstm.algebra import quantities
>>> c, f, g = quantities("c f g")
>>> hand.latex(f.next * c * (1 - g.next))
'f^{(t+1)} \\circ c^{(t)} \\circ (1 - g^{(t+1)})'
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from symlstm import algebra as a
from symlstm.algebra import Relation, Sym, SymlstmError, Term, plain
from symlstm.claims.writing.lettering import (
    HABITS,
    TRANSPOSED,
    Level,
    Written,
    bracketed,
    flat,
    greek,
    kind,
    level_of,
    mark,
    moved,
    stem,
    time_of,
)  # fmt: skip
from symlstm.claims.writing.tracing import Trace, trace
from symlstm.definitions.sources import Source
from symlstm.reader import read_all
from symlstm.tex import SIGNS, decimal


class Unwritable(Exception):
    """What cannot be written in the author's notation."""


class Hand:
    """How one document writes. `letters` are symbols as it would write them that it may not have."""

    def __init__(self, source: Source, letters: Iterable[str] = ()) -> None:
        self.source = source
        self.texts: dict[Term, str] = {}
        self.operators: dict[str, str] = dict(SIGNS)
        self.exact: dict[tuple[Term, Term], str] = {}
        self.usual: Counter[tuple[str, str, str]] = Counter()
        self.names: dict[str, list[tuple[Term, str]]] = {}
        seen: set[str] = set()
        for found in self._traces():
            for term, text in found.texts:
                self._learn(term, text)
            for left, right, sign in found.signs:
                self.exact.setdefault((left, right), sign)
                self.usual[kind(left), kind(right), sign] += 1
            for meaning, text in found.operators:
                if meaning not in seen:
                    seen.add(meaning)
                    self.operators[meaning] = text
        for text in letters:
            for term, written in trace(text, source.conventions).texts:
                self._learn(term, written)

    def _traces(self) -> Iterator[Trace]:
        for statement in self.source.statements:
            for formula in statement.formulas:
                yield trace(formula.text, self.source.conventions)

    def _learn(self, term: Term, text: str) -> None:
        if self.texts.setdefault(term, text) == text and isinstance(term, (Sym, a.Adj, a.Component)):
            self.names.setdefault(stem(term), []).append((term, text))

    @cached_property
    def whole(self) -> str:
        return "\n".join(statement.latex for statement in self.source.statements)

    @cached_property
    def transpose(self) -> str:
        """The transpose sign, as the author writes it most often."""
        found = Counter(match[0] for match in TRANSPOSED.finditer(self.whole))
        return found.most_common(1)[0][0] if found else r"^{\top}"

    @cached_property
    def hadamard(self) -> str:
        """The sign of the elementwise product."""
        signs = {sign for sign, product in self.source.conventions.products.items() if product == "hadamard"}
        found = Counter({sign: count for (_, _, sign), count in self.usual.items() if sign in signs})
        return found.most_common(1)[0][0] if found else r"\odot"

    @cached_property
    def elementwise(self) -> type[a.Hadamard] | type[a.MatMul]:
        """What the author's elementwise product is read as: a matrix product, where its sign serves for both."""
        products = self.source.conventions.products
        signs = Counter({sign: count for (_, _, sign), count in self.usual.items() if sign})
        return a.MatMul if signs and not any(products.get(sign) == "hadamard" for sign in signs) else a.Hadamard

    @cached_property
    def differential(self) -> str:
        return "d" if r"\partial" not in self.whole and re.search(r"\\[td]?frac\s*\{\s*d", self.whole) else r"\partial "

    # --- writing -----------------------------------------------------------------------------------------------

    def latex(self, node: Term | Relation) -> str:
        """A term or relation in the author's notation. Raises `Unwritable`."""
        if isinstance(node, Relation):
            text = self.write(node.lhs).text + "".join(
                f" {self.operators[sign]} {self.write(right).text}" for _, sign, right in node.links()
            )
            if node.condition is not None:
                text += rf" \quad \text{{for }} {self.latex(node.condition)}"
        else:
            text = self.write(node).text
        if not self.reads_as(text, node):
            raise Unwritable(plain(node))
        return text

    def reads_as(self, text: str, node: Term | Relation) -> bool:
        """Whether a text is read as what it should say."""
        try:
            found = read_all(text, self.source.conventions)
        except SymlstmError:
            return False
        return len(found) == 1 and flat(found[0]) == flat(node)

    def write(self, node: Term) -> Written:
        """A term: the author's own text, or a new one from its parts."""
        if node in self.texts:
            return Written(self.texts[node], level_of(node, self.texts[node]))
        writer = _WRITERS.get(type(node))
        if writer is None:
            raise Unwritable(plain(node))
        return writer(self, node)

    def at(self, node: Term, level: Level, last: bool = False) -> str:
        """A term in brackets, unless it holds together tightly enough."""
        text, mine = self.write(node)
        return text if mine >= level or (last and mine == Level.OPEN) else bracketed(text)

    # --- names -------------------------------------------------------------------------------------------------

    def named(self, node: Term) -> Written:
        """A symbol or adjoint that stands in the document at another time only."""
        for known, text in self.names.get(stem(node), ()):
            for other in moved(text, time_of(known), time_of(node)):
                if self.reads_as(other, node):
                    self.texts[node] = other
                    return Written(other, level_of(node, other))
        if isinstance(node, a.Adj):
            return self.adjoint(node)
        if isinstance(node, a.Component):
            return self.component(node)
        return self.vector(node)

    def vector(self, node: Term) -> Written:
        """A vector of which only components stand in the document: `p_t` from `p_{t,k}`."""
        for found in self.names.values():
            for known, text in found:
                if isinstance(known, a.Component) and stem(known.of) == stem(node):
                    for pattern in (
                        rf"[,;]\s*{known.index}\b",
                        rf"\b{known.index}\s*[,;]",
                        rf"_\s*\{{?\[?{known.index}\]?\}}?(?![A-Za-z])",
                    ):
                        other = re.sub(pattern, "", text)
                        if other != text:
                            for mine in (other, *moved(other, time_of(known), time_of(node))):
                                if self.reads_as(mine, node):
                                    return Written(mine, Level.ATOM)
        raise Unwritable(plain(node))

    def component(self, node: a.Component) -> Written:
        """A component that stands in the document with another index only."""
        for found in self.names.values():
            for known, text in found:
                if isinstance(known, a.Component) and known.of == node.of:
                    for match in re.finditer(rf"(?<![A-Za-z\\]){known.index}(?![A-Za-z])", text):
                        other = text[: match.start()] + node.index + text[match.end() :]
                        if self.reads_as(other, node) or node.index in other:
                            return Written(other, Level.ATOM)
        raise Unwritable(plain(node))

    def adjoint(self, node: a.Adj) -> Written:
        """The adjoint of a quantity for which the author has none: as the others are written."""
        of = self.write(node.of).text
        habits = [
            (text, self.texts[known.of])
            for found in self.names.values()
            for known, text in found
            if isinstance(known, a.Adj) and known.of in self.texts
        ]
        for text, inner in habits:
            if inner in text and self.reads_as(other := text.replace(inner, of), node):
                return Written(other, Level.FACTOR)
        for other in (rf"\delta {of}", f"d{of}", rf"\delta_{{{of}}}"):
            if habits and other[:2] in {text[:2] for text, _ in habits} and self.reads_as(other, node):
                return Written(other, Level.FACTOR)
        raise Unwritable(plain(node))

    # --- nodes -------------------------------------------------------------------------------------------------

    def sum(self, node: a.Add) -> Written:
        text = ""
        for k, arg in enumerate(node.args):
            minus = isinstance(arg, a.Neg)
            term = self.at(arg.arg if isinstance(arg, a.Neg) else arg, Level.OPEN)
            text += ("- " if k else "-") * minus + ("+ " if k and not minus else "") + term + " "
        return Written(text.strip(), Level.SUM)

    def product(self, node: a.MatMul | a.Hadamard) -> Written:
        """Factors with the signs that the author puts between their like."""
        elementwise = isinstance(node, a.Hadamard)
        need = Level.PRODUCT if elementwise else Level.FACTOR
        factors = [self.at(arg, need, last=k == len(node.args) - 1) for k, arg in enumerate(node.args)]
        text, signed = factors[0], False
        for left, right, factor in zip(node.args, node.args[1:], factors[1:], strict=False):
            sign = self.sign(left, right, elementwise)
            signed = signed or bool(sign)
            text += f" {sign} {factor}" if sign else f" {factor}"
        return Written(text, Level.SIGNED if signed else Level.PRODUCT)

    def sign(self, left: Term, right: Term, elementwise: bool) -> str:
        """The sign between two factors."""
        products = self.source.conventions.products
        wanted = "hadamard" if elementwise else "matrix"
        exact = self.exact.get((left, right))
        if exact is not None and products.get(exact, "matrix") == wanted:
            return exact
        if elementwise:
            return self.hadamard
        for pair in ((kind(left), kind(right)), (kind(right), kind(left))):
            found = [
                (count, sign)
                for (one, other, sign), count in self.usual.items()
                if (one, other) == pair and products.get(sign, "matrix") == wanted
            ]
            if found:
                return max(found)[1]
        if self.elementwise is a.MatMul and "matrix" not in (kind(left), kind(right)):
            signs = Counter({each: count for (_, _, each), count in self.usual.items() if each})
            return signs.most_common(1)[0][0]
        return r"\cdot" if isinstance(right, a.Num) else ""

    def negative(self, node: a.Neg) -> Written:
        return Written(f"-{self.at(node.arg, Level.OPEN)}", Level.SUM)

    def fraction(self, node: a.Div) -> Written:
        return Written(rf"\frac{{{self.write(node.above).text}}}{{{self.write(node.below).text}}}", Level.FACTOR)

    def derivative(self, node: a.Partial) -> Written:
        if node.direct:
            raise Unwritable(plain(node))
        mark = self.differential
        of, wrt = (self.at(each, Level.ATOM if not isinstance(each, Sym) else Level.SUM) for each in (node.of, node.wrt))
        gap = " " if mark == "d" and wrt[:1] == "\\" else ""
        return Written(rf"\frac{{{mark}{of}}}{{{mark}{gap}{wrt}}}", Level.FACTOR)

    def raised(self, node: Term) -> str:
        """The base of a superscript."""
        text, level = self.write(node)
        return text if level == Level.ATOM and "^" not in text else bracketed(text)

    def power(self, node: a.Pow) -> Written:
        exponent = self.write(node.exponent).text
        script = exponent if len(exponent) == 1 else f"{{{exponent}}}"
        if isinstance(node.base, a.Apply) and node.base.function in ("tanh", "sin", "cos", "tan") and exponent.isdigit():
            before = [text for term, text in self.texts.items() if isinstance(term, a.Pow) and isinstance(term.base, a.Apply)]
            if not before or "^2" in before[0].partition("(")[0].partition("_")[0]:
                return Written(
                    f"{self.function(node.base.function)}^{script}{bracketed(self.write(node.base.arg).text)}", Level.FACTOR
                )
        return Written(f"{self.raised(node.base)}^{script}", Level.FACTOR)

    def transposed(self, node: a.Transpose) -> Written:
        return Written(self.raised(node.arg) + self.transpose, Level.FACTOR)

    def function(self, name: str) -> str:
        """The name of a function, as the author writes it."""
        base, mark, _ = name.partition("[")
        pattern, default = HABITS.get(base, ("", ""))
        match = re.search(pattern, self.whole) if pattern else None
        if match:
            return match[0]
        if mark or not default:
            for term, text in self.texts.items():
                if isinstance(term, a.Apply) and term.function == name and "(" in text:
                    return text.partition("(")[0]
            if mark:
                raise Unwritable(name)
            return f"\\{base}" if base in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh") else base
        return default

    def applied(self, node: a.Apply) -> Written:
        if node.function == "exp":
            return Written(f"e^{{{self.write(node.arg).text}}}", Level.FACTOR)
        return Written(self.function(node.function) + bracketed(self.write(node.arg).text), Level.ATOM)

    def slope(self, node: a.Prime) -> Written:
        return Written(self.function(node.function) + "'" + bracketed(self.write(node.arg).text), Level.ATOM)

    def diagonal(self, node: a.Diag) -> Written:
        return Written(self.function("diag") + bracketed(self.write(node.arg).text), Level.ATOM)

    def number(self, node: a.Num) -> Written:

        if node.places is None and node.value.denominator != 1:
            minus = "-" if node.value < 0 else ""
            return Written(rf"{minus}\frac{{{abs(node.value.numerator)}}}{{{node.value.denominator}}}", Level.FACTOR)
        return Written(decimal(node.value, node.places or 0), Level.SUM if node.value < 0 else Level.ATOM)

    def blocks(self, node: a.Blocks) -> Written:
        if all(len(row) == 1 for row in node.rows) and not any(isinstance(row[0], a.Num) for row in node.rows):
            return Written("[" + ", ".join(self.write(row[0]).text for row in node.rows) + "]", Level.ATOM)
        rows = r" \\ ".join(" & ".join(self.write(block).text for block in row) for row in node.rows)
        return Written(rf"\begin{{bmatrix}}{rows}\end{{bmatrix}}", Level.ATOM)

    def big(self, node: a.Sum | a.Prod) -> Written:
        sign = r"\sum" if isinstance(node, a.Sum) else r"\prod"
        body = self.at(node.body, Level.SIGNED, last=True)
        return Written(f"{sign}_{{{greek(node.index)}={mark(node.lower)}}}^{{{mark(node.upper)}}} {body}", Level.OPEN)

    def total(self, node: a.Total) -> Written:
        return Written(rf"\sum_{greek(node.index)} {self.at(node.body, Level.SIGNED, last=True)}", Level.OPEN)

    def extreme(self, node: a.Extreme) -> Written:
        sign = r"\max" if node.sign > 0 else r"\min"
        return Written(rf"{sign}_{self.write(node.variable).text} {self.at(node.body, Level.SIGNED, last=True)}", Level.OPEN)

    def space(self, node: a.Space) -> Written:
        times = r" \times "
        sides = [self.write(side).text for side in (node.rows, node.columns) if side is not None]
        both = [bracketed(text) if len(sides) > 1 and re.search(r"[+-]", text) else text for text in sides]
        return Written(rf"\mathbb{{R}}^{{{times.join(both)}}}", Level.FACTOR)

    def norm(self, node: a.Norm) -> Written:
        return Written(rf"\lVert {self.write(node.arg).text} \rVert", Level.ATOM)


_WRITERS: dict[type[Term], Callable[[Hand, Any], Written]] = {
    Sym: Hand.named, a.Adj: Hand.named, a.Component: Hand.named, a.Add: Hand.sum, a.MatMul: Hand.product,
    a.Hadamard: Hand.product, a.Neg: Hand.negative, a.Div: Hand.fraction, a.Partial: Hand.derivative, a.Pow: Hand.power,
    a.Transpose: Hand.transposed, a.Apply: Hand.applied, a.Prime: Hand.slope, a.Diag: Hand.diagonal, a.Num: Hand.number,
    a.Blocks: Hand.blocks, a.Sum: Hand.big, a.Prod: Hand.big,
    a.Total: Hand.total, a.Extreme: Hand.extreme, a.Space: Hand.space, a.Norm: Hand.norm,
}  # fmt: skip
