"""What the repairs of a document are made of: its author's hand, the derived formulas, the symbols and factors to choose from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from symlstm.algebra import (
    NOW,
    Add,
    Adj,
    Apply,
    Component,
    Hadamard,
    MatMul,
    Neg,
    Partial,
    Pow,
    Relation,
    Sum,
    Sym,
    Term,
    Time,
    Total,
    Transpose,
    equation,
    term,
    walk,
)  # fmt: skip
from symlstm.claims.checking import Document
from symlstm.claims.judging.cases import Case
from symlstm.claims.judging.judgement import judge
from symlstm.claims.models.runs import Run
from symlstm.claims.remedies.exchanges import at
from symlstm.claims.remedies.pieces import Pieces
from symlstm.claims.repairs.jacobians import jacobian
from symlstm.claims.repairs.paths import Paths
from symlstm.claims.repairs.trials import FAILURES
from symlstm.claims.writing.hand import Hand, Unwritable
from symlstm.claims.writing.lettering import kind, time_of


class Doctor:
    """Repairs the wrong claims of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.hand = Hand(document.source, document.letters)
        self.case: Case = document.cases[0]

    @cached_property
    def paths(self) -> Paths:
        return Paths(self.case, self.hand)

    def is_right(self, line: Relation, share: bool = False) -> bool:
        """Whether the judge finds a relation right in some reading of the document; `share` allows the share of one step."""
        with np.errstate(all="ignore"):
            found = [judge(case, line) for case in self.document.cases]
        return any(each.verdict == "right" or (share and "share of one step" in each.reason) for each in found)

    @property
    def spent(self) -> int:
        """The terms that have been worked out for this document."""
        return sum(run.spent + run.work for run in self.runs)

    @cached_property
    def runs(self) -> list[Run]:
        return [*{id(run): run for case in self.document.cases for run in case.runs}.values()]

    def derived(self, left: Term) -> Term | None:
        """The derived right side of a derivative of the loss."""
        try:
            if isinstance(left, Partial) and isinstance(left.of, Sym) and left.of.name in self.case.theory.steps:
                return jacobian(self.paths, left)
            return self.paths.equation_of(left).rhs
        except (Unwritable, *FAILURES):
            return None

    # --- what repairs are made of ------------------------------------------------------------------------------

    def pieces(self, line: Relation, derived: Term | None) -> Pieces:
        """The symbols, factors and paths that an edit of a relation may use."""
        symbols = {name: tuple(found) for name, found in self.symbols.items()}
        symbols_ = (part for side in line.terms for part in walk(side) if isinstance(part, Sym))
        times = dict.fromkeys(part.time for part in symbols_ if part.time is not None)
        paths = list(summands(derived)) if derived is not None else []
        factors = dict.fromkeys(factor for path in paths for factor in _factors(path))
        base = [time for time in times if time.base] or [NOW]
        for each in (*symbols.get("quantity", ()), *symbols.get("matrix", ()), *symbols.get("letter", ())):
            for factor in self.moved(each, base):
                factors.setdefault(factor)
                if kind(factor) == "matrix" or not isinstance(factor, Adj):
                    factors.setdefault(Transpose(factor))
        for name, function in self.values.items():
            for time in base:
                value = Sym(name, time)
                slope = (value, 1 - value) if function == "sigma" else (1 - Pow(value, term(2)),)
                for factor in slope:
                    factors.setdefault(factor)
        last = next((term for term in self.hand.texts if isinstance(term, Sum) and term.index == "t"), None)
        limits = (last.lower, last.upper) if last is not None else (Time("", 1), Time("T"))
        indices = dict.fromkeys(part.index for side in line.terms for part in walk(side) if isinstance(part, (Component, Total)))
        return Pieces(
            symbols,
            tuple(factors),
            (*paths, *self.extra_paths(line, base)),
            self.values,
            self.arguments,
            self.functions,
            self.hand.elementwise,
            limits,
            tuple(indices),
            _Sketch(self.case),
        )

    def moved(self, each: Term, base: list[Time]) -> Iterator[Term]:
        """A symbol at the times that occur, or as it is where it has none."""
        if time_of(each) is None:
            yield each
            return
        for time in dict.fromkeys(base):
            other = at(each, time)
            if other is not None:
                yield other

    def extra_paths(self, line: Relation, base: list[Time]) -> Iterator[Term]:
        """Adjoints, and shorthands that stand alone, as one more term of a sum."""
        for name in ("quantity", "letter"):
            for each in self.symbols.get(name, ()):
                if isinstance(each, Adj) or name == "letter" or each in self.lazies:
                    yield from self.moved(each, base)

    @cached_property
    def lazies(self) -> set[Term]:
        return {
            each for found in self.symbols.values() for each in found if isinstance(each, Sym) and self.case.theory.lazy(each)
        }

    @cached_property
    def symbols(self) -> dict[str, list[Term]]:
        """The author's symbols and adjoints by kind, those with a time at step t."""
        found: dict[str, dict[Term, None]] = {}
        for known in self.hand.names.values():
            for each, _ in known:
                time = time_of(each)
                if isinstance(each, Sym) and each.name in self.case.theory.sizes and each.name not in self.case.theory.parameters:
                    continue
                here = each if time is None else at(each, NOW)
                if here is not None:
                    found.setdefault(kind(each), {}).setdefault(here)
        return {name: list(each) for name, each in found.items()}

    @cached_property
    def values(self) -> dict[str, str]:
        """The activated quantities of a step, with their functions."""
        return {
            name: body.function
            for name, body in self.case.theory.steps.items()
            if isinstance(body, Apply) and body.function in ("sigma", "tanh")
        }

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The activations of a step, wherever they are applied."""
        return tuple(
            dict.fromkeys(
                part.function
                for body in self.case.theory.steps.values()
                for part in walk(body)
                if isinstance(part, Apply) and part.function in ("sigma", "tanh", "relu")
            )
        )

    @cached_property
    def arguments(self) -> dict[str, str]:
        """What each activated quantity is an activation of, where both have names."""
        names = {part.name for part in self.hand.texts if isinstance(part, Sym)}
        return {
            name: body.arg.name
            for name, body in self.case.theory.steps.items()
            if isinstance(body, Apply) and isinstance(body.arg, Sym) and body.arg.name in names
        }


class _Sketch:
    """What `symlstm.mistakes` asks of a cell, from a theory."""

    def __init__(self, case: Case) -> None:
        theory = case.theory
        self.named = tuple(equation(Sym(name, NOW), body) for name, body in theory.steps.items())
        self.state_terms = tuple(Sym(name, NOW) for name in theory.states)
        self.input_terms = tuple(Sym(name, NOW) for name in theory.inputs)
        self.parameter_terms = tuple(Sym(name) for name in theory.parameters)


def summands(node: Term) -> tuple[Term, ...]:
    if isinstance(node, Sum):
        return summands(node.body)
    return node.args if isinstance(node, Add) else (node,)


def _factors(node: Term) -> Iterator[Term]:
    """The factors of a product, at any depth, and partial products of its tail."""
    node = node.arg if isinstance(node, Neg) else node
    if isinstance(node, (Hadamard, MatMul)):
        for arg in node.args:
            yield arg
            if isinstance(arg, (Hadamard, MatMul)):
                yield from _factors(arg)
