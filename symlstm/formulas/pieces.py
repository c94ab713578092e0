"""Elementwise formulas for long arrays: a function that works on one piece, so that what is in between stays in the cache.

What several formulas share is computed once, in place, into few arrays, each used again as soon as nobody reads it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan, prod
from textwrap import fill
from typing import Any

import numpy as np

from symlstm.activations import ACTIVATIONS, STAND_INS
from symlstm.algebra import NotSupported, NotValid
from symlstm.generator.codes import Code, activated, in_numpy, leaves, sloped
from symlstm.generator.names import Names
from symlstm.generator.ulps import called

CACHE, LEAST = 2**21, 1024  # bytes that are worked on at a time, and at least so many numbers of each array
Node = int | str  # a call by its number, an array or a number by its text




class Pieces:
    """Outputs by name as one function of arrays, all of one shape or numbers; `source` is the code that runs."""

    def __init__(self, args: Sequence[str], outputs: Mapping[str, Code]) -> None:
        self.args, self.outputs = tuple(args), tuple(outputs)
        self.source, self.parts = source(args, outputs)
        self.shown = _shown(args, outputs)
        self._run: Any = compiled(self.source)["formula"]

    def __call__(self, arrays: Mapping[str, Any], dtype: Any) -> tuple[list[Any], bool]:
        """The outputs as new arrays of this dtype, and whether they hold a NaN. Raises `NotValid` for shapes that do not fit."""
        shape = _common(arrays)
        size = prod(shape)
        found = [*np.empty((len(self.outputs), size), dtype)]  # in one block, which the system gives in larger pages
        whole = [*found, *(_flat(arrays[name].astype(dtype, copy=False), shape) for name in self.args)]
        step = max(LEAST, CACHE // (found[0].itemsize * (len(whole) + self.parts)))
        parts, squares = np.empty((self.parts, min(step, size)), dtype), 0.0
        over = "ignore" if "exp(" in self.source else None  # an infinite exp is right where a row of the table has one
        with np.errstate(over=over, under="ignore"):
            for start in range(0, size, step):
                pieces = [array[start:start + step] for array in whole]
                self._run(*pieces, *parts[:, :len(pieces[0])])
                for k in self.shown:
                    squares += np.vdot(pieces[k], pieces[k])  # a NaN, and nothing else, makes a NaN of it
        return [array.reshape(shape)[()] for array in found], isnan(squares)


def _shown(args: Sequence[str], outputs: Mapping[str, Code]) -> list[int]:
    """Some of the outputs, by their places, in which a NaN of any argument shows."""
    read: dict[str, set[str]] = {}
    for name, code in outputs.items():
        own = {*leaves(code)}
        read[name] = (own & {*args}).union(*(read[other] for other in own & read.keys()))
    chosen, missing = list[int](), set[str]().union(*read.values())
    while missing:
        best = max(outputs, key=lambda name: len(read[name] & missing))
        chosen.append([*outputs].index(best))
        missing -= read[best]
    return chosen


def _common(arrays: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape that arrays have together."""
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items() if array.ndim)
        raise NotValid("The shapes of the arrays do not go together.", shapes, "one shape, or numbers beside it") from None


def _flat(array: Any, shape: tuple[int, ...]) -> Any:
    """An array with one axis, as long as one of this shape; a number is not copied."""
    if array.shape == shape:
        return array.reshape(-1)
    return np.broadcast_to(array, prod(shape)) if array.ndim == 0 else np.broadcast_to(array, shape).reshape(-1)


def compiled(text: str) -> dict[str, Any]:
    """What a text of the generator defines. It is written from terms, and none of it is a user's."""
    found: dict[str, Any] = {"np": np}
    exec(compile(text, "<symlstm formula>", "exec"), found)
    return found


def functions(accuracy: str) -> dict[str, Any]:
    """The functions of our own that code of this accuracy calls, by name."""
    calls = [code for name in (*ACTIVATIONS, *STAND_INS) for code in (
        activated(name, "x", accuracy), sloped(name, "x", "y", accuracy))]
    return compiled(called(" ".join(map(str, calls))))


def source(args: Sequence[str], outputs: Mapping[str, Code]) -> tuple[str, int]:
    """The source of a function that computes the outputs into arrays, and how many more arrays it works in.

    It takes the outputs, the arguments and those arrays, in this order, all of one shape. An output may read those before it.

    >>> from symlstm.generator.codes import Call
    >>> both = Call("add", ("a", "b"))
    >>> text, parts = source(["a", "b"], {"y": Call("multiply", (both, both)), "z": Call("exp", ("y",))})
    >>> print(text.strip(), parts)
    def formula(y, z, a, b):
        np.add(a, b, out=y)
        np.multiply(y, y, out=y)
        np.exp(y, out=z) 0
    """
    lines = Lines(args, outputs)
    head = fill(f"def formula({', '.join((*lines.given.values(), *lines.parts))}):", 120, subsequent_indent=" " * 8)
    text = "\n".join(("", head, *(f"    {line}" for line in (*lines.numbers.values(), *lines.made)), ""))
    own = called(text)
    return (f"{own}\n\n" if own else "") + text, len(lines.parts)


class Lines:
    """The lines of a formula: one call each, its value in an array that is free by then."""

    def __init__(self, args: Sequence[str], outputs: Mapping[str, Code]) -> None:
        self.names = Names(("np", "formula"))
        self.given = {name: self.names(("given", name), _plain(name)) for name in (*outputs, *args)}
        self.made: list[str] = []
        self.numbers: dict[str, str] = {}  # by their text, the lines that make arrays without axes of them
        self.parts: list[str] = []
        self.free: list[str] = []
        self.calls: dict[tuple[str, tuple[Node, ...]], int] = {}
        found = {name: self._node(code) for name, code in outputs.items()}
        self.known = list(self.calls)
        self.reads = Counter(arg for _, args in self.known for arg in args)
        self.passing = {node for node, count in self.reads.items() if count == 1} - {*found.values()}  # read once, and no output
        self.place: dict[Node, str] = {}  # where a value stands
        self.home: dict[Node, str] = {}  # the output that a value is, or on whose way alone it lies
        for name, node in found.items():
            self._settle(node, self.given[name])
        for name, node in found.items():
            value = self._value(node)
            if value != self.given[name]:
                self.made.append(f"{self.given[name]}[...] = {value}")

    def _node(self, code: Code) -> Node:
        """The number of a call: equal calls have one."""
        if isinstance(code, str):
            return code
        return self.calls.setdefault((code.function, tuple(map(self._node, code.args))), len(self.calls))

    def _settle(self, node: Node, output: str) -> None:
        """A value gets the array of an output; with it, one that it is computed from and nobody else reads."""
        while isinstance(node, int) and node not in self.home:
            self.home[node] = output
            args = self.known[node][1]
            node = next((arg for arg in args if isinstance(arg, int) and self.reads[arg] == args.count(arg)), "")

    def _value(self, node: Node) -> str:
        """The array of a value, after the lines that compute it."""
        if isinstance(node, str):
            return self.given[node] if node in self.given else self._number(node)
        if node not in self.place:
            function, args = self._divided(*self.known[node])
            values = [self._value(arg) for arg in args]
            for arg in args:
                self._read(arg)
            place = self.home.get(node) or (self.free.pop() if self.free else self._part())
            self.made.append(in_numpy(function, (*values, f"out={place}")))
            self.place[node] = place
        return self.place[node]

    def _divided(self, function: str, args: tuple[Node, ...]) -> tuple[str, tuple[Node, ...]]:
        """A product with 1 / y as a division by y, where nobody else reads 1 / y."""
        for k, arg in enumerate(args if function == "multiply" else ()):
            if isinstance(arg, int) and arg in self.passing and self.known[arg][0] == "divide":
                one, below = self.known[arg][1]
                if one == "1":
                    return "divide", (args[1 - k], below)
        return function, args

    def _read(self, node: Node) -> None:
        """A value has been read once more; after the last time its array is free."""
        self.reads[node] -= 1
        if self.reads[node] == 0 and self.place.get(node) in self.parts:
            self.free.append(self.place[node])

    def _part(self) -> str:
        self.parts.append(self.names(("part", len(self.parts)), f"part_{len(self.parts) + 1}"))
        return self.parts[-1]

    def _number(self, text: str) -> str:
        if re.fullmatch(r"[-+.()/\de]+", text) is None:  # a quantity that cancelled where the arguments were looked for
            raise NotSupported("This is no argument.", text)
        name = self.names(("number", text), {"1": "one", "2": "two", "0": "zero"}.get(text, "number"))
        self.numbers[text] = f"{name} = np.array({text}, {next(iter(self.given.values()))}.dtype)"
        return name


def _plain(name: str) -> str:
    """A name that Python takes."""
    return name if name.isidentifier() else re.sub(r"\W+|^(?=\d)", "_", name)
