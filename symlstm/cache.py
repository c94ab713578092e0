"""Generated modules on disk: what was generated once is not generated again, in any process.

An entry is found by the content of all that it is made from: the cell and what else was asked for, and the sources of the
rooms that generate. It holds the source and its compiled code. To load it is to run it, so the folder must be the user's
own and nobody else may write to it. An entry that is damaged is made again; where nothing can be read or written, as on a
full disk, everything works as without a cache.

The folder is that of the platform for caches (`~/.cache/symlstm` on Linux), or SYMLSTM_CACHE; SYMLSTM_CACHE=0 is none.
"""

from __future__ import annotations

import marshal
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from fractions import Fraction
from functools import cache, cached_property
from hashlib import blake2b
from importlib.util import MAGIC_NUMBER
from itertools import chain
from pathlib import Path
from time import time
from types import CodeType
from typing import Any

from symlstm import __version__

BYTES = 64 * 2**20  # of all entries together; the oldest go
OURS = re.compile(r"[0-9a-f]{32}\.")  # how the names of our files begin; no other file is touched
PLAIN = frozenset({type(None), bool, int, float, str, Fraction})  # what is its own content
_HOME = Path(__file__).parent
_SINCE = time()  # sources that are newer are not those that run here


def compiled(name: str, parts: tuple[object, ...], make: Callable[[], str]) -> tuple[str, CodeType]:
    """The source that `make` writes, and its code: from the cache where it is there. `parts` are all that it depends on.

    `name` is what the code is called in a traceback.
    """
    key, where = _key(name, *parts), folder()
    if key and where and (found := _loaded(where / f"{key}.module", key)):
        return found
    source = make()
    code = compile(source, name, "exec", dont_inherit=True)
    if key and where:
        _write(where / f"{key}.module", _sealed(marshal.dumps((key, source, code))))
    return source, code


def script(source: str) -> Path | None:
    """A file with this source, as a compiler wants it that keeps its own results beside the file; None without a cache."""
    where = folder()
    path = where and where / f"{_digest(source.encode())}.py"
    if path and _read(path) != source.encode() and not _write(path, source.encode()):
        return None
    return path


def folder() -> Path | None:
    """The folder of the cache, made if need be; None where there is none that only the user can write to."""
    try:
        where = _place()
        if where is None:
            return None
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        return where if stat.S_ISDIR((found := where.stat()).st_mode) and _own(found) else None
    except (OSError, RuntimeError, ValueError):  # no home, or no such path
        return None


def _place() -> Path | None:
    """Where the cache is by the environment."""
    asked = os.environ.get("SYMLSTM_CACHE", "")
    if asked:
        return None if asked == "0" else Path(asked).expanduser().absolute()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", "")
        return Path(local) / "symlstm" / "Cache" if local else None
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "symlstm"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "symlstm"


def _own(found: os.stat_result) -> bool:
    """Whether a file or folder is the user's and nobody else may write to it; Windows keeps that by where the folder is."""
    return sys.platform == "win32" or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)


# --- what an entry is found by ------------------------------------------------------------------------------------


def _key(*parts: object) -> str:
    """The hash of all parts and of what generates; "" for what has no content that we know, and for sources just edited."""
    try:
        told, made_by = _told(parts, {}), _sources()
    except (TypeError, OSError, RecursionError):
        return ""
    interpreter = f"{MAGIC_NUMBER.hex()} {sys.implementation.cache_tag} {sys.flags.optimize} {__version__}"
    return _digest("\n".join((interpreter, made_by, told)).encode()) if made_by else ""


def _told(value: object, known: dict[int, str]) -> str:
    """The content of a value in words: two values of the same words are alike in all that the generator sees.

    Of a cell it is what its constructor set: what is worked out from that may be there or not. `known` are the words of
    objects that were met before, by identity. Raises `TypeError` for what is not ours, such as a class that somebody derived
    from `Cell`, whose methods nobody can read here.
    """
    kind = type(value)
    if kind in PLAIN:
        return f"{kind.__name__} {value!r}"
    if (found := known.get(id(value))) is not None:
        return found
    if several := isinstance(value, (tuple, list)):
        below: Iterable[object] = value
    else:
        below = chain.from_iterable(value.items()) if isinstance(value, Mapping) else _held(value)
    told = f"{kind.__name__}({', '.join([_told(each, known) for each in below])})"
    if not several:
        known[id(value)] = told
    return told


def _held(value: object) -> Iterator[object]:
    """What one of our own objects holds."""
    kind = type(value)
    if not kind.__module__.startswith("symlstm."):
        raise TypeError(kind.__name__)
    if is_dataclass(value):
        return (getattr(value, name) for name in _names(kind))
    held = vars(value).items()
    return chain.from_iterable(pair for pair in held if not isinstance(getattr(kind, pair[0], None), cached_property))


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    """The names of the fields of a dataclass."""
    return tuple(field.name for field in fields(kind))


def _writers() -> Iterator[Path]:
    """The files of all that writes modules: the generator, and every room that is one file."""
    yield from sorted(_HOME.glob("*.py"))
    yield from sorted((_HOME / "generator").rglob("*.py"))


@cache
def _sources() -> str:
    """The hash of all that writes modules; "" where one was edited after we were loaded, and so is not what runs."""
    found = []
    for path in _writers():
        if path.stat().st_mtime > _SINCE:
            return ""
        found.append(path.read_bytes())
    return _digest(b"\0".join(found))


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


# --- files ----------------------------------------------------------------------------------------------------------


def _sealed(content: bytes) -> bytes:
    """An entry as it lies in its file: the hash of the content in front of it."""
    return _digest(content).encode() + content


def _loaded(path: Path, key: str) -> tuple[str, CodeType] | None:
    """The source and code in a file; None for a file that is not there, not ours, damaged, or the entry of another key."""
    sealed = _read(path)
    if sealed is None or sealed != _sealed(content := sealed[32:]):
        return None
    try:
        held, source, code = marshal.loads(content)
    except (ValueError, EOFError, TypeError):
        return None
    return (source, code) if held == key and isinstance(source, str) and isinstance(code, CodeType) else None


def _read(path: Path) -> bytes | None:
    """What is in a file that nobody else can have written."""
    try:
        with path.open("rb") as stream:
            found = os.fstat(stream.fileno())
            return stream.read() if stat.S_ISREG(found.st_mode) and _own(found) else None
    except OSError:
        return None


def _write(path: Path, content: bytes) -> bool:
    """Put a file in its place in one step, so that a reader sees the whole or nothing; whether that could be done."""
    beside = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        try:
            beside.touch(mode=0o600, exist_ok=False)
            beside.write_bytes(content)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError:
        return False
    with suppress(OSError):  # another process may be at it too
        _bound(path.parent)
    return True


def _bound(where: Path) -> None:
    """Remove our oldest files while they are too many bytes together."""
    held = []
    for path in (*where.iterdir(), *where.glob("__pycache__/*")):
        if OURS.match(path.name):
            found = path.stat()
            held.append((found.st_mtime, found.st_size, path))
    excess = sum(size for _, size, _ in held) - BYTES
    for _, size, path in sorted(held):
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= size
