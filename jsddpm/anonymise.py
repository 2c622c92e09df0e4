"""What may leave a machine: names that say nothing of its disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path


def local_name(path: str | PathLike[str]) -> str:
    """A path as files that are shared may show it; never an absolute one.

    Args:
        path: A relative path stays as it is; one below the current folder is shown from there on, any other by its
            last part.

    >>> local_name("runs/first"), local_name(Path.cwd() / "runs" / "first"), local_name("/home/me/data/store")
    ('runs/first', 'runs/first', 'store')
    """
    return local_names([path])[0]


def local_names(paths: Sequence[str | PathLike[str]]) -> list[str]:
    """:func:`local_name` of several paths, with as many last parts as tell different ones apart.

    >>> local_names(["/home/me/a/evaluation", "/home/me/b/evaluation"])
    ['a/evaluation', 'b/evaluation']
    """
    given = [Path(path) for path in paths]
    longest = max((len(path.parts) for path in given), default=0)
    for count in range(1, longest + 1):
        names = [_shown(path, count) for path in given]
        if len(set(names)) == len(set(given)):
            break
    return names if given else []


def way(path: str | PathLike[str], start: str | PathLike[str]) -> str:
    """The way from a folder to a path, as a relative path; absolute only where there is none (another drive).

    >>> way("data/store", "runs/first")
    '../../data/store'
    """
    path, start = Path(path).resolve(), Path(start).resolve()
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:
        return str(path)


def _shown(path: Path, parts: int) -> str:
    """A path from the current folder on, or its last parts."""
    if not path.is_absolute():
        return str(path)
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else Path(*path.parts[1:][-parts:]))
