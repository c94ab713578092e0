r"""The reference's formulas as LaTeX, made by latexify-py from the very code that runs.

A function of `symlstm.reference` with one line becomes an equation. latexify writes delimiters that no person would
write and Python's names; two tables tidy both. The signs, the order and the structure stay latexify's.

>>> from symlstm import reference
>>> print(rendered(reference.sigmoid))
\sigma(x) = \frac{1}{1 + \exp(-x)}
>>> print(rendered(reference.cell_update))
c_t = f_t \odot c_{t-1} + i_t \odot g_t
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from symlstm.algebra import NotSupported


class Names(NamedTuple):
    """How a function's result is written, its arguments where they are not written as in Python, and its product."""

    result: str
    arguments: Mapping[str, str] = MappingProxyType({})
    product: str = " "


ELEMENTWISE = r" \odot "  # the loops call these for each component
NAMES: Mapping[str, Names] = MappingProxyType({
    "sigmoid": Names(r"\sigma(x)"),
    "sigmoid_slope": Names(r"\sigma'(x)"),
    "tanh_slope": Names(r"\tanh'(x)"),
    "pre_activation": Names("z"),
    "cell_update": Names("c_t", {"f": "f_t", "c": "c_{t-1}", "i": "i_t", "g": "g_t"}, ELEMENTWISE),
    "output": Names("h_t", {"o": "o_t", "c": "c_t"}, ELEMENTWISE),
})
_TIDY: tuple[tuple[str, str], ...] = (  # in this order
    (r"\\mathrm\{sigmoid\}", r"\\sigma"),
    (r"\\mathopen\{\}\\left\( ", "("),
    (r" \\mathclose\{\}\\right\)", ")"),
    (r"(\\(?!cdot)[a-z]+) \(", r"\1("),  # no space between a function and its bracket
    (r"(\\(?:tanh|exp)) ([A-Za-z])(?![A-Za-z])", r"\1(\2)"),  # and always a bracket
    (r"\((\\tanh)(\(\w\))\)\^\{(\d)\}", r"\1^\3\2"),  # tanh^2(x)
    (r" \((?=[^()]*\()((?:[^()]|\([^()]*\))*)\)", r" \\bigl(\1\\bigr)"),  # brackets around brackets are bigger
)
_PRODUCT = re.compile(r"(?<=[A-Za-z)}]) (?:\\cdot )?(?=[A-Za-z\\(])")  # before a number latexify's sign stays


def rendered(function: Callable[..., Any]) -> str:
    """The formula of a one-line function as LaTeX. Raises `NotSupported` for a function that has no row in the table."""
    from latexify import get_latex

    name = function.__name__
    if name not in NAMES:
        raise NotSupported("It is not known how to write what this function computes.", name, "one of " + ", ".join(NAMES))
    names = NAMES[name]
    text = get_latex(function).partition(" = ")[2]
    for pattern, better in _TIDY:
        text = re.sub(pattern, better, text)
    text = _PRODUCT.sub(lambda _: names.product, text)
    text = re.sub(r"(?<![\\A-Za-z])[A-Za-z](?![A-Za-z])", lambda found: names.arguments.get(found[0], found[0]), text)
    return f"{names.result} = {text}"
