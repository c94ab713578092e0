"""Names in the code: one name a thing, and no name twice."""

from __future__ import annotations

import keyword
from collections.abc import Iterable

from symlstm.generator.codes import OWN


class Names:
    """Python names for what a module handles, none of them `reserved`, a keyword, or a function of the module's own."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._given: dict[object, str] = {}
        self._taken = {*reserved, *keyword.kwlist}

    def __call__(self, key: object, wish: str) -> str:
        if key not in self._given:
            while wish in self._taken or wish.endswith(OWN):
                wish += "_"
            self._taken.add(wish)
            self._given[key] = wish
        return self._given[key]
