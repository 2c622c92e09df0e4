"""Errors of the operating system as errors with a file and a cure."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jsddpm.errors import JsddpmError, environment_error, usage_error

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise the errors of the system in the block as those of reading ``path``."""
    try:
        yield
    except FileNotFoundError:
        raise usage_error("MISSING", "no such file", fix="correct the path", file=path) from None
    except OSError as error:
        raise unreadable(error, path) from error


@contextmanager
def writing(path: str | os.PathLike[str], folder: Path | None = None) -> Iterator[None]:
    """Raise the errors of the system in the block as those of writing ``path``.

    Args:
        path: What is written.
        folder: Only errors of files in this folder, and those of a full disk, are.
    """
    try:
        yield
    except OSError as error:
        named = [Path(os.fsdecode(n)) for n in (error.filename, error.filename2) if isinstance(n, str | bytes)]
        if folder is None or error.errno in _FULL or any(name.is_relative_to(folder) for name in named):
            raise unwritable(error, path) from error
        raise


def refused(error: OSError) -> JsddpmError | None:
    """The error for one of the system that no reader and no writer caught, such as a name that is too long.

    None when it names no file and the disk is not full: the reason is then unknown.
    """
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    if error.errno in _FULL:
        return unwritable(error, path)
    return None if path is None else unreadable(error, path)


def unreadable(error: OSError, path: str | os.PathLike[str]) -> JsddpmError:
    """The error for a path that the system refuses to read."""
    reason = error.strerror or str(error)
    cure = "give a shorter name" if error.errno == errno.ENAMETOOLONG else "correct the path or its permissions"
    return environment_error("NOT_READABLE", reason, fix=cure, file=path)


def unwritable(error: OSError, path: str | os.PathLike[str] | None) -> JsddpmError:
    """The error for a path that the system refuses to write; None where the system does not name it."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return environment_error("DISK_FULL", reason, fix="free space, or write to another disk", file=path)
    if error.errno == errno.ENAMETOOLONG:
        return environment_error("NOT_WRITABLE", reason, fix="choose a shorter name", file=path)
    return environment_error("NOT_WRITABLE", reason, fix="correct the path or its permissions", file=path)
