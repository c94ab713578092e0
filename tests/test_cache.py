"""The cache of generated modules: it gives what would be generated, misses when anything changed, and never fails a call."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symlstm as sl
from symlstm import cache, functions, networks, zoo
from symlstm.model import Cell

ROOT = Path(__file__).parent.parent
x, h, f = sl.quantities("x h f")
W, U, b = sl.symbols("W U b")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test."""
    monkeypatch.setenv("SYMLSTM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_SINCE", float("inf"))  # the sources lie still while a test runs
    cache._sources.cache_clear()
    return tmp_path / "cache"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the cells for which the generator was at work."""
    names: list[str] = []
    write = functions._written

    def watched(cell: Cell, *more: str) -> str:
        names.append(cell.name)
        return write(cell, *more)

    monkeypatch.setattr(functions, "_written", watched)
    return names


def _cell(**changed: Any) -> Cell:
    """A cell, or one in which something is changed."""
    lines = (sl.equation(f, sl.sigma(W @ x + b)), sl.equation(h, f * h.prev + (1 - f) * sl.tanh(U @ h.prev)))
    parts: dict[str, Any] = {"name": "own", "inputs": (x,), "states": (h,), "equations": lines, "title": "A cell"} | changed
    return Cell(**parts)


CHANGED: dict[str, Callable[[], Cell]] = {
    "an activation": lambda: _cell(equations=(_cell().declared[0], sl.equation(h, f * h.prev + (1 - f) * sl.sigma(U @ h.prev)))),
    "a number": lambda: _cell(equations=(_cell().declared[0], sl.equation(h, f * h.prev + (2 - f) * sl.tanh(U @ h.prev)))),
    "the order of a sum": lambda: _cell(equations=(sl.equation(f, sl.sigma(b + W @ x)), _cell().declared[1])),
    "its direction": lambda: _cell(equations=(_cell().declared[0], sl.equation(h, f * h.next + (1 - f) * sl.tanh(U @ h.next)))),
    "its name": lambda: _cell(name="other"),
    "its title": lambda: _cell(title="Another cell"),
    "a declared size": lambda: _cell(sizes={"W": sl.symbols("n m")}),
    "the output": lambda: _cell(output=f),
    "the name of a pre-activation": lambda: _cell(preactivations={_cell().declared[0].rhs.arg: sl.quantities("a")[0]}),  # type: ignore[attr-defined]
}


def _trace(function: functions.CellFunction) -> list[np.ndarray]:
    """Outputs and gradients at a generic point."""
    params = sl.random_parameters(function.cell, n=3, m=2, seed=1)
    generator = np.random.default_rng(2)
    trace = function.forward(params, generator.standard_normal((4, 2, 2)))
    found = function.backward(trace, generator.standard_normal(trace.outputs.shape))
    return [trace.outputs, found.inputs, *found.params.values()]


@pytest.mark.parametrize("cell", [*zoo.cells(), "network"])
def test_what_is_kept_is_what_is_generated(cell: str, written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = sl.stack("gru", 2, bidirectional=True) if cell == "network" else sl.cell(cell)
    first, again = sl.lambdify(made), sl.lambdify(made)
    assert written == [made.name]
    monkeypatch.setenv("SYMLSTM_CACHE", "0")
    fresh = sl.lambdify(made)
    assert written == [made.name] * 2
    assert first.source == again.source == fresh.source
    if "scalar" not in cell:
        for one, other in zip(_trace(again), _trace(fresh), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("what", CHANGED)
def test_a_changed_cell_misses(what: str, written: list[str]) -> None:
    sl.lambdify(_cell())
    sl.lambdify(_cell())
    sl.lambdify(CHANGED[what]())
    assert len(written) == 2, what


def test_every_part_counts() -> None:
    """Other values, other types, another nesting, another name in a traceback: another key."""
    parts: list[tuple[object, ...]] = [
        (), (None,), (1,), (True,), ("1",), (1, 2), ((1, 2),), ((1,), 2), ({1: 2},), ({1: 3},), ({2: 2},), ("a\nstr 'b'",), ("a", "b"),
        (W,), (U,), (x,), (x.prev,), (W @ x,), (W * x,), (sl.sigma(x),), (sl.tanh(x),),
    ]
    keys = [cache._key("", *each) for each in parts] + [cache._key("other", *parts[-1])]
    assert len({*keys}) == len(keys) and all(len(key) == 32 for key in keys)
    codes = [cache.compiled(name, (1,), lambda: "a = 1\n")[1] for name in ("one", "other")]
    assert [code.co_filename for code in codes] == ["one", "other"]


def test_what_was_worked_out_of_a_cell_is_not_its_content() -> None:
    used = _cell()
    _ = used.shapes, used.named, used.parts, used.parameter_terms
    assert cache._key("", used) == cache._key("", _cell())


def test_a_changed_layer_misses(written: list[str]) -> None:
    network = sl.stack("rnn", 2)
    sl.lambdify(network)
    layers = (replace(network.layers[0], cell=sl.cell("rnn-relu")), *network.layers[1:])
    sl.lambdify(networks.Network(network.name, network.title, layers, network.joints, network.head))
    sl.lambdify(sl.stack("rnn", 2))
    assert len(written) == 2


def test_another_back_end_and_another_accuracy_miss(written: list[str]) -> None:
    ways = [("numpy", "fast"), ("numpy", "ulp"), ("mpmath", "fast"), ("torch", "fast")]
    for count, (backend, accuracy) in enumerate(ways, start=1):
        sources = [functions.source_of(sl.cell("rnn"), backend, accuracy) for _ in range(2)]
        assert len(written) == count and sources[0] == sources[1]


def test_open_functions_miss(written: list[str]) -> None:
    sl.lambdify(sl.cell("scalar"))
    sl.lambdify(sl.cell("scalar"), functions={"f": "sigma"})
    assert len(written) == 2


@pytest.mark.parametrize("name", ["__version__", "MAGIC_NUMBER"])
def test_another_version_misses(name: str, written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sl.lambdify(_cell())
    monkeypatch.setattr(cache, name, getattr(cache, name) * 2)
    sl.lambdify(_cell())
    assert len(written) == 2


def test_changed_sources_miss_and_sources_edited_under_way_are_not_kept(
    written: list[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "generator" / "targets").mkdir(parents=True)
    one, other = home / "algebra.py", home / "generator" / "targets" / "jax.py"
    for path in (one, other):
        path.write_text("")
    monkeypatch.setattr(cache, "_HOME", home)
    for count, path in enumerate((one, other, one), start=1):
        cache._sources.cache_clear()
        sl.lambdify(_cell())
        assert len(written) == count
        path.write_text(f"{count}")
    monkeypatch.setattr(cache, "_SINCE", one.stat().st_mtime - 1)
    cache._sources.cache_clear()
    kept = len(list(folder.iterdir()))
    sl.lambdify(_cell())
    sl.lambdify(_cell())
    assert len(written) == 5 and len(list(folder.iterdir())) == kept


def test_every_module_that_writes_is_among_the_sources() -> None:
    code = """import sys, symlstm as sl
from symlstm.functions import source_of
for cell in (*map(sl.cell, sl.cells()), sl.stack("lstm", 2, bidirectional=True)): source_of(cell)
for backend in sys.argv[1:]: source_of(sl.cell("lstm"), backend)
print(*(path for name, module in sys.modules.items() if name.startswith("symlstm.") and (path := module.__file__)))"""
    command = [sys.executable, "-c", code, *functions.BACKENDS]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    loaded = {Path(path).relative_to(ROOT / "symlstm") for path in shown.split()}
    writers = {path.relative_to(ROOT / "symlstm") for path in cache._writers()}
    of_cells = {"zoo", "definitions"}  # what they make is a cell, and that is in the key
    assert Path("generator/module.py") in loaded
    assert {path for path in loaded - writers if path.parts[0] not in of_cells} == set()


def test_a_class_that_is_not_ours_is_not_kept(written: list[str], folder: Path) -> None:
    class Odd(Cell):
        """Its methods could say anything."""

    for _ in range(2):
        sl.lambdify(Odd("own", (x,), (h,), _cell().declared))
    assert len(written) == 2 and not list(folder.glob("*"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign", "another"])
def test_a_damaged_entry_is_made_again(damage: str, written: list[str], folder: Path) -> None:
    source = sl.lambdify(_cell()).source
    [entry] = folder.iterdir()
    whole = entry.read_bytes()
    if damage == "another":
        sl.lambdify(_cell(name="other"))
        [other] = set(folder.iterdir()) - {entry}
        entry.write_bytes(other.read_bytes())
        written.clear()
        written.append("own")
    else:
        flipped = whole[:90] + bytes((whole[90] ^ 1,)) + whole[91:]
        entry.write_bytes({"cut": whole[:-7], "flipped": flipped, "empty": b"", "foreign": b"\x00" * 400}[damage])
    assert sl.lambdify(_cell()).source == source and written == ["own", "own"]
    assert sl.lambdify(_cell()).source == source and written == ["own", "own"]
    assert entry.read_bytes() == whole


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize("place", ["folder", "file"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_may_write_to_is_not_loaded(place: str, mode: int, written: list[str], folder: Path) -> None:
    sl.lambdify(_cell())
    assert folder.stat().st_mode & 0o777 == 0o700
    [entry] = folder.iterdir()
    assert entry.stat().st_mode & 0o777 == 0o600
    loose = folder if place == "folder" else entry
    loose.chmod(loose.stat().st_mode | mode)
    sl.lambdify(_cell())
    assert len(written) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="owners of POSIX")
def test_what_is_another_users_is_not_loaded(written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sl.lambdify(_cell())
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    sl.lambdify(_cell())
    assert len(written) == 2


@pytest.mark.parametrize("fails", ["open", "replace", "mkdir"])
def test_a_disk_that_is_full_or_read_only_fails_no_call(
    fails: str, written: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "open") if fails == "open" else (Path, fails)), broken)
    outputs = [_trace(sl.lambdify(_cell()))[0] for _ in range(2)]
    np.testing.assert_array_equal(*outputs)
    assert len(written) == 2 and not (folder.exists() and list(folder.iterdir()))  # and nothing is left lying about
    assert cache.script("1") is None


def test_a_file_where_the_folder_should_be_fails_no_call(written: list[str], folder: Path) -> None:
    folder.write_text("")
    for _ in range(2):
        sl.lambdify(_cell())
    assert len(written) == 2 and folder.read_text() == ""


def test_switched_off_nothing_is_written(written: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMLSTM_CACHE", "0")
    for _ in range(2):
        sl.lambdify(_cell())
    assert len(written) == 2 and not folder.exists() and cache.script("1") is None


def test_the_folder_is_that_of_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYMLSTM_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    places = {"linux": ".cache/symlstm", "darwin": "Library/Caches/symlstm"}
    for platform, place in places.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert cache._place() == tmp_path / place
    monkeypatch.setattr(sys, "platform", "win32")
    assert cache._place() is None
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache._place() == tmp_path / "local" / "symlstm" / "Cache"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert cache._place() == tmp_path / ".cache" / "symlstm"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "xdg" / "symlstm" and (tmp_path / "xdg" / "symlstm").is_dir()


def test_the_oldest_go_when_there_are_too_many_and_no_file_of_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    theirs = folder / "letter.txt"
    theirs.write_text("x" * 100_000)
    entries = []
    for age, name in enumerate(("one", "two", "three")):
        sl.lambdify(_cell(name=name))
        [entry] = set(folder.iterdir()) - {theirs, *entries}
        os.utime(entry, (1000 + age, 1000 + age))
        entries.append(entry)
    monkeypatch.setattr(cache, "BYTES", 3 * entries[0].stat().st_size)
    sl.lambdify(_cell(name="four"))
    left = set(folder.iterdir())
    assert entries[0] not in left and {theirs, entries[2]} <= left and len(left - {theirs}) in (2, 3)


def test_two_processes_at_once(folder: Path) -> None:
    code = """import sys, symlstm as sl
for name in ("lstm", "gru", "rnn") * 3: print(hash(sl.lambdify(sl.cell(name)).source))"""
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    pair = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(2)]
    shown = [process.communicate() for process in pair]
    assert shown[0] == shown[1] and not shown[0][1]
    assert len(set(shown[0][0].split())) == 3 and len(list(folder.iterdir())) in (0, 3)  # 0 where a source was just edited


def test_a_script_is_a_file_that_stays_as_it_is(folder: Path) -> None:
    path = cache.script("a = 1\n")
    assert path is not None and path.parent == folder and path.read_text() == "a = 1\n"
    os.utime(path, (1000, 1000))
    assert cache.script("a = 1\n") == path and path.stat().st_mtime == 1000
    path.write_text("a = 2\n")
    assert cache.script("a = 1\n") == path and path.read_text() == "a = 1\n"
    assert cache.script("a = 3\n") != path
