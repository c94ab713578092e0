"""`Formula`: equations and expressions as a function of arrays; `formula` makes one of what a user has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from sympy import MatrixBase, MatrixSymbol

from symlstm.algebra import Diag, MatMul, NotSupported, NotValid, Prime, Relation, Term, Transpose, plain, walk
from symlstm.expressions import to_sympy
from symlstm.formulas.matrices import Matrices, is_matrix, shape, sizes
from symlstm.formulas.pieces import Pieces
from symlstm.formulas.scalars import code
from symlstm.generator.codes import Code, activated, elementwise, sloped
from symlstm.steps import Step


@dataclass(frozen=True)
class Output:
    """What is to be computed: an expression, the name of what it defines, and the term that it was, if it was one."""

    name: str
    expression: Any
    term: Term | None = None

    def code(self, accuracy: str) -> Code:
        """The code of numbers. Raises `NotSupported` for what is none."""
        if isinstance(self.expression, MatrixBase) or is_matrix(self.expression):
            raise NotSupported("These are not numbers.", str(self.expression))
        if self.term is None:
            return code(self.expression, accuracy)

        def name(part: Term) -> Code:
            if isinstance(part, Prime):
                argument = elementwise(part.arg, name, accuracy)
                return sloped(part.function, argument, activated(part.function, argument, accuracy), accuracy)
            return str(to_sympy(part, {}))
        return elementwise(self.term, name, accuracy)


class Formula:
    """The right side of an equation, or an expression, as a function of arrays; `source` is the code that runs.

    Arguments go by position, in the order of `args`, or by name. The result is (n,) where the columns given are. Of several
    equations it is a tuple in their order, and each may read what those before it define.
    """

    def __init__(self, outputs: Sequence[Output], args: tuple[Any, ...], accuracy: str, *, several: bool) -> None:
        self.args, self._outputs, self._accuracy, self._several = args, outputs, accuracy, several
        self.names = tuple(str(arg) for arg in args)
        self._numbers = self._codes(accuracy)
        self.source = "\n".join(matrices.source for matrices in self._matrices) if self._numbers is None else self._numbers.source
        shapes = ", ".join(f"{arg} ({shape(arg)})" if is_matrix(arg) else str(arg) for arg in args)
        self.__doc__ = f"{self._listed()}\n\nArguments, in this order: {shapes or 'none'}."

    def _codes(self, accuracy: str) -> Pieces | None:
        """The outputs as a function of numbers; None where one is a matrix, or has no code."""
        try:
            return Pieces(self.names, {output.name: output.code(accuracy) for output in self._outputs})
        except NotSupported:
            return None

    @cached_property
    def _single(self) -> Pieces | None:
        """The same in the forms that are quickest in float32."""
        return self._codes("single") if self._accuracy == "fast" else self._numbers

    @cached_property
    def _matrices(self) -> list[Matrices]:
        """The outputs one by one, as functions of matrices."""
        expressions = [output.expression for output in self._outputs]
        return [Matrices(each, tuple(_symbols(each).values()), self._accuracy) for each in expressions]

    def _listed(self) -> str:
        return "; ".join(str(output.expression) for output in self._outputs)

    def __repr__(self) -> str:
        return f"Formula({', '.join(self.names)}: {self._listed()})"

    def __call__(self, *values: Any, **named: Any) -> Any:
        """The value. Raises `NotValid` for a missing, unknown or repeated argument and for a shape that does not fit."""
        given = self._given(values, named)
        arrays = {name: _array(name, value) for name, value in given.items()}
        kinds = [arrays[name].dtype for name, value in given.items() if not isinstance(value, (int, float))]
        dtype = np.result_type(*kinds) if kinds else None
        numbers = self._single if dtype == np.float32 else self._numbers
        if numbers is not None and (dtype is None or dtype.kind == "f"):
            found, unsound = numbers(arrays, dtype or np.dtype(float))
        else:
            found = []
            for output, matrices in zip(self._outputs, self._matrices, strict=True):
                found.append(matrices(arrays, dtype))
                arrays = {**arrays, output.name: found[-1]}
            unsound = any(np.isnan(value).any() for value in found)
        for name in self.names if unsound else ():
            if np.isnan(arrays[name]).any():
                raise NotValid(f"{name} holds a NaN.", f"{name} has the shape {arrays[name].shape}", "numbers")
        return tuple(found) if self._several else found[0]

    def _given(self, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name, in their order."""
        given = dict(zip(self.names, values, strict=False))
        for name in named:
            if name not in self.names or name in given:
                what = "is given twice" if name in given else "is not an argument"
                raise NotValid(f"{name} {what}.", repr(self), f"the arguments are {', '.join(self.names)}")
        given |= named
        missing = [name for name in self.names if name not in given]
        if missing or len(values) > len(self.names):
            what = f"{missing[0]} is missing." if missing else f"{len(values)} arguments are too many."
            raise NotValid(what, repr(self), f"the arguments are {', '.join(self.names)}")
        return {name: given[name] for name in self.names}


def _array(name: str, value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "iu":
        array = array.astype(float)
    if array.dtype.kind not in "fc":
        raise NotValid(f"{name} is not a number or an array of numbers.", f"{name} has the dtype {array.dtype}", "floats")
    return array


# --- what a user has ----------------------------------------------------------------------------------------------


def formula(what: Any, args: Sequence[Any] | None = None, shapes: Mapping[str, tuple[Any, ...]] | None = None,
            accuracy: str = "fast") -> Formula:
    """A `Formula` of a SymPy expression or equation, a term, a relation or a step, or of a list. `args` are symbols or names.

    >>> x = sympy.Symbol("x")
    >>> formula(1 / (1 + sympy.exp(-x)))(np.array([-1000.0, 0.0, 1000.0])).round(3)
    array([0. , 0.5, 1. ])
    """
    several = isinstance(what, (list, tuple))
    lines = [_line(each, shapes) for each in (what if several else [what])]
    if not lines:
        raise NotValid("There is nothing here to compute.", "no equations", "a cell, an expression or equations")
    read: dict[str, Any] = {}
    outputs: list[Output] = []
    for name, expression, own in lines:
        defined = [output.name for output in outputs]
        read |= {part: symbol for part, symbol in _symbols(expression).items() if part not in (*defined, *read)}
        if several and name in (*read, *defined):
            raise NotValid(f"{name} is read before it is defined, or is defined twice.", f"{name} = {expression}",
                           "each name for one quantity")
        name = name if several and name else "value"
        while name in (*read, *defined):
            name += "_"
        outputs.append(Output(name, expression, own))
    order = dict.fromkeys(part for _, expression, _ in lines for part in re.findall(r"[^\W\d]\w*", str(expression)))
    wanted = {name: read[name] for name in (*order, *read) if name in read}
    return Formula(outputs, _chosen(wanted, args), accuracy, several=several)


def _symbols(expression: Any) -> dict[str, Any]:
    """What an expression reads, by name: its symbols that are no sizes."""
    symbols = {str(symbol): symbol for symbol in sorted(expression.atoms(sympy.Symbol, MatrixSymbol), key=str)}
    lengths = set(map(str, sizes(expression, tuple(symbols.values()))))
    return {name: symbol for name, symbol in symbols.items() if name not in lengths}


def _chosen(wanted: Mapping[str, Any], args: Sequence[Any] | None) -> tuple[Any, ...]:
    """The arguments in the order wanted; by default that of first appearance in the formulas as they are printed."""
    if args is None:
        return tuple(wanted.values())
    chosen = [wanted.get(str(arg), arg if isinstance(arg, sympy.Basic) else None) for arg in args]
    names = [str(arg) for arg in args]
    wrong = [name for name, symbol in zip(names, chosen, strict=True) if symbol is None or names.count(name) > 1]
    lost = [name for name in wanted if name not in names]
    if wrong or lost:
        what = f"{wrong[0]} is not in the expression, or is given twice." if wrong else f"args leaves out {lost[0]}."
        raise NotValid(what, f"args = {', '.join(names)}", f"each of {', '.join(wanted)} once")
    return tuple(chosen)


def _line(what: Any, shapes: Mapping[str, tuple[Any, ...]] | None) -> tuple[str, Any, Term | None]:
    """What an equation defines, "" if it is none, its right side, and the term that this was."""
    left, term = "", None
    if isinstance(what, Step):
        what, shapes = what.relation, shapes or what.shapes or {}
    if isinstance(what, Relation):
        if set(what.operators) != {"="}:
            raise NotValid("Only an equation has a right side that can be computed.", plain(what), "a relation with =")
        left, what = str(to_sympy(what.lhs, shapes or {})), what.rhs
    if isinstance(what, Term):
        if shapes is None and any(isinstance(part, (MatMul, Transpose, Diag)) for part in walk(what)):
            raise NotValid("The sizes of the quantities are not known.", plain(what), "lambdify(..., shapes=cell.shapes)")
        term, what = what, to_sympy(what, shapes or {})
    if isinstance(what, sympy.core.relational.Relational):
        if not isinstance(what, sympy.Eq):
            raise NotValid("Only an equation has a right side that can be computed.", str(what), "an expression, or an equation")
        left, what = str(what.lhs), what.rhs
    if not isinstance(what, (sympy.Expr, sympy.MatrixBase)):
        raise NotValid("There is nothing here to compute.", f"{what} ({type(what).__name__})", "a cell or an expression")
    return left, sympy.ImmutableMatrix(what) if isinstance(what, sympy.MatrixBase) else what, term
