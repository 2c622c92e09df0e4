"""Killing a process at its n-th call that changes the disk, and what is on it then."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_CALLS = ("replace", "rename", "unlink", "mkdir", "fsync")


def killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Run ``work`` in a child and kill it at that call (SIGKILL); whether there were as many calls."""
    child = os.fork()
    if child == 0:
        left = iter(range(moment, -1, -1))
        for name in _CALLS:
            setattr(os, name, _dying(getattr(os, name), left))
        with suppress(BaseException):
            work()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, to compare two."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _dying(call, left):
    def wrapped(*arguments, **options):
        if next(left, None) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)

    return wrapped


def without_time(rows) -> list[dict[str, object]]:
    """Rows of a table without the seconds that each took: what an interrupted run must come to again."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
