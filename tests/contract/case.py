"""One row of the contract: what is done, what it must answer, and what must be true afterwards."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from calls import Found, call
from jsddpm.slices.store import SliceStore
from synthetic import write_bids

SMALL = ("--shape", "24", "32", "28", "--spacing", "3", "3", "3", "--val", "0.25", "--test", "0.25", "--jobs", "1")
"""Options of a build of :func:`synthetic.write_bids`."""

NOBODY = 65534
"""Number of a user who owns nothing."""

ROOT = os.geteuid() == 0
"""Whether these tests can become another user."""

UNFINISHED = (".new.*",)
"""What a build into ``{tmp}/new`` leaves for ``--resume`` when a subject cannot be used."""

_LEFT_OVER = ("*.partial", "*.lock", "*.holder", "*.building", "*.building.json")


class World(dict[str, object]):
    """A folder of its own for one row, and by their names in commands the things that rows share.

    ``tmp`` is the folder, ``store`` a real store, ``run`` a run of four steps on it, ``made`` two samples of each of
    its conditions, ``bids`` a small BIDS tree of the row's own, ``copy`` a copy of the store that may be damaged. Each
    is made when it is first named.
    """

    def __init__(self, tmp: Path, shared: Callable[[str], Any]) -> None:
        super().__init__(tmp=tmp)
        self.tmp, self._shared = tmp, shared

    def __missing__(self, name: str) -> object:
        """What is made, or taken from the tests' fixtures, when a row first names it."""
        makers: dict[str, Callable[[], object]] = {
            "store": lambda: self.store.path, "run": lambda: self.run, "made": lambda: self._shared("generated").path,
            "bids": lambda: write_bids(self.tmp / "bids"),
            "copy": lambda: writable_copy(self.store.path, self.tmp / "copy"),
        }  # fmt: skip
        self[name] = makers[name]()
        return self[name]

    @property
    def store(self) -> SliceStore:
        return self._shared("store")

    @property
    def run(self) -> Path:
        return self._shared("run")

    @property
    def bids(self) -> Path:
        return Path(str(self["bids"]))

    @property
    def copy(self) -> Path:
        return Path(str(self["copy"]))

    def fill(self, word: object) -> str:
        """A word of a command, names in braces replaced."""
        return re.sub(r"\{(\w+)\}", lambda name: str(self[name[1]]), str(word))

    def call(self, *words: object) -> Found:
        """Run a command."""
        return call(*map(self.fill, words))

    def files(self) -> dict[str, str]:
        """Every file there is, with a fingerprint of its content; of what rows share and this one named, its date."""
        shared = [(Path(str(self[name])), _date) for name in ("store", "run", "made") if name in self]
        found = {}
        for top, fingerprint in ((self.tmp, _content), *shared):
            for folder, inner, names in os.walk(top):
                for name in (*inner, *names):
                    path = Path(folder) / name
                    found[str(path)] = fingerprint(path)
        return found


def _content(path: Path) -> str:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        return str(stat.S_IFMT(mode))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _date(path: Path) -> str:
    return str(path.lstat().st_mtime_ns) if path.is_file() else ""


def writable_copy(folder: Path, target: Path) -> Path:
    """A copy of a published folder whose files may be changed."""
    shutil.copytree(folder, target)
    for path in target.rglob("*"):
        path.chmod(0o755)
    return target


Build = Callable[[World], object]
Work = Callable[[World], Found]


@dataclass(frozen=True)
class Row:
    """A bad input or a fault, and what must come of it.

    Attributes:
        case: Number in the list of cases; several rows may try one case.
        what: What is wrong.
        command: Words of a command, or a function that calls something else and may look at what it left.
        status: Exit status.
        code: Code of the one error line, where there is one.
        words: What must be said, names in braces replaced.
        build: What makes the input.
        leaves: Patterns of the paths that a refused call may leave.
        changes: Patterns of the paths that a call may change.
        loses: Patterns of the paths that a call may remove.
        seconds: Longest time of work.
        needs: What only some machines can do; the reason of the skip elsewhere.
        here: Whether this machine can.
    """

    case: str
    what: str
    command: tuple[object, ...] | Work
    status: int = 0
    code: str = ""
    words: tuple[str, ...] = ()
    build: Build | None = None
    leaves: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()
    seconds: float = 20.0
    needs: str = ""
    here: bool = True

    @property
    def name(self) -> str:
        """Identifier of the row among the tests."""
        return f"{self.case}-{re.sub(r'[^a-z0-9]+', '-', self.what.lower()).strip('-')}"

    @property
    def parameter(self) -> object:
        """The row as a parameter of a test."""
        marks = [pytest.mark.skip(reason=self.needs)] if self.needs and not self.here else []
        return pytest.param(self, id=self.name, marks=marks)


def check(row: Row, world: World) -> None:
    """Make the input, call, and compare with the row."""
    if row.build is not None:
        row.build(world)
    words = () if callable(row.command) else tuple(map(world.fill, row.command))
    before = world.files()
    found = row.command(world) if callable(row.command) else call(*words)
    said = f"{found.status}: {found.err[-3000:]}{found.out[-1000:]}"
    assert found.status == row.status, said
    assert found.seconds < row.seconds
    assert "Traceback" not in found.err
    for word in row.words:
        assert " ".join(world.fill(word).split()) in found.said, said
    errors = [line for line in found.err.splitlines() if re.match(r"(.*: )?error\[", line)]
    if row.code:
        assert errors, found.err
        assert any(f"error[{row.code}]" in line for line in errors), errors
    for line in errors:
        assert re.search(r"error\[[A-Z_]+\].+; fix: \S", line), line
    assert "\x1b" not in found.out + found.err
    after = world.files()
    inside = {str(Path(path).relative_to(world.tmp)): path for path in {**before, **after} if _inside(path, world.tmp)}
    assert not [p for p in before if p not in inside.values() and after.get(p) != before[p]], "what rows share changed"
    lost = [name for name, path in inside.items() if path not in after and not _any(name, row.loses)]
    assert not lost, lost
    both = [name for name, path in inside.items() if path in before and path in after]
    changed = [n for n in both if before[inside[n]] != after[inside[n]] and not _any(n, row.changes)]
    assert not changed, changed
    new = [name for name, path in inside.items() if path not in before]
    left = [name for name in new if _any(name, _LEFT_OVER if found.status == 0 else ("*",))]
    assert not [name for name in left if not _any(name, row.leaves + row.changes)], left


def _inside(path: str, folder: Path) -> bool:
    return Path(path).is_relative_to(folder)


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


@dataclass(frozen=True)
class Elsewhere:
    """A case that has a test of its own, which takes longer than a row should.

    Attributes:
        case: Number in the list of cases.
        what: What is wrong.
        test: Its file below ``tests`` and its name, as ``file::name``.
    """

    case: str
    what: str
    test: str
