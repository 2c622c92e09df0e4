"""Atomic writing of files, for all packages: a file appears complete or not at all.

A file is written beside its target, flushed to the disk, renamed over it, and the folder entry flushed; a kill at
any moment leaves the old file or the new one. All modules write with these functions, except for files that libraries
write (Lightning's logs); folders are published by :mod:`jsddpm.publish`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, cast

from jsddpm.errors import JsddpmError, environment_error, integrity_error, usage_error
from jsddpm.refusals import reading, writing

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from numpy.typing import NDArray

PARTIAL = ".partial"


@contextmanager
def atomic_open(path: str | os.PathLike[str], *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open ``path`` for writing bytes; the file appears, complete, when the block ends without an exception.

    Args:
        path: Target; its folder must exist.
        mode: Permission bits of the published file, before the process's umask.

    Raises:
        JsddpmError: ``DISK_FULL``, ``NOT_WRITABLE`` (status 5); an existing file is then unchanged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_open(Path(folder) / "a.txt") as f:
    ...         _ = f.write(b"whole")
    ...     (Path(folder) / "a.txt").read_bytes()
    b'whole'
    """
    path = Path(path)
    with writing(path):
        handle, temporary = tempfile.mkstemp(prefix=partial_prefix(path), suffix=PARTIAL, dir=path.parent)
    stream = io.BufferedWriter(_Partial(handle, path))
    try:
        yield cast(IO[bytes], stream)
        with writing(path):
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            os.chmod(temporary, mode & ~umask())
            os.replace(temporary, path)
            temporary = ""
            fsync_directory(path.parent)
    finally:
        with suppress(OSError, JsddpmError):
            stream.close()
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)


class _Partial(io.FileIO):
    """A file whose failing writes are errors of the path that it is published at."""

    def __init__(self, handle: int, path: Path) -> None:
        super().__init__(handle, "wb")
        self._path = path

    def write(self, data: ReadableBuffer) -> int:
        with writing(self._path):
            return super().write(data)


def partial_prefix(path: Path) -> str:
    """Prefix of the names of partial files of ``path`` alone; short, so that a name of 255 bytes leaves room."""
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return f".{path.name[:20]}.{digest[:8]}."


def sweep(path: str | os.PathLike[str]) -> None:
    """Remove partial files of killed processes beside a file or folder; the caller must be its only writer."""
    path = Path(path)
    pattern = re.compile(rf"{re.escape(partial_prefix(path))}[a-z0-9_]{{8}}{re.escape(PARTIAL)}")
    for left_over in path.parent.glob(f".*{PARTIAL}"):
        if pattern.fullmatch(left_over.name):
            with suppress(OSError):
                shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file atomically."""
    with atomic_open(path) as stream:
        stream.write(data)


def append_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Add bytes to a file; a kill may leave a part of them, so this is for logs alone."""
    with writing(path), open(path, "ab") as stream:
        stream.write(data)


def encoded(text: str, path: str | os.PathLike[str] | None = None) -> bytes:
    """Text as UTF-8.

    Args:
        text: The text.
        path: File that it is written to, for the error.

    Raises:
        JsddpmError: ``ENCODING`` (status 3) for text that UTF-8 cannot encode, such as some names of files.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        what = f"{text[error.start : error.end]!r} is not UTF-8"
        raise JsddpmError("ENCODING", what, fix="rename the file or folder", file=path) from None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole UTF-8 text file atomically; see :func:`encoded`."""
    write_bytes(path, encoded(text, path))


def write_array(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write a ``.npy`` file atomically."""
    import numpy as np  # imported here so that commands that write no array start faster

    with atomic_open(path) as stream:
        # with a real file, NumPy writes in C and loses the reason of a failure
        np.lib.format.write_array(SimpleNamespace(write=stream.write), array, allow_pickle=False)


def array_bytes(array: NDArray[Any]) -> bytes:
    """A ``.npy`` file in memory; object arrays are refused."""
    import numpy as np

    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()


def parse_array(data: bytes) -> NDArray[Any]:
    """The array of :func:`array_bytes`.

    Raises:
        ValueError: When it is not an array, or contains objects.
    """
    import numpy as np

    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return array


def json_bytes(value: object, path: str | os.PathLike[str] | None = None) -> bytes:
    """Strict JSON: NaN and Infinity are refused; for ``path`` see :func:`encoded`."""
    return encoded(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", path)


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Write strict JSON atomically; see :func:`json_bytes`."""
    write_bytes(path, json_bytes(value, path))


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a strict JSON object.

    Raises:
        JsddpmError: ``MISSING`` (status 2), ``NOT_READABLE`` (status 5); ``JSON`` (status 4) as :func:`parse_json`.
    """
    return parse_json(read_bytes(path), path)


def parse_json(data: bytes, path: str | os.PathLike[str]) -> dict[str, Any]:
    """The strict JSON object in a file.

    Raises:
        JsddpmError: ``JSON`` (status 4) when it is truncated, contains NaN or a duplicate key, or is not an object.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"the constant {constant} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key occurs twice")
        return result

    try:
        value = json.loads(data, parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise integrity_error("JSON", f"is not valid JSON ({error})", fix="create it again", file=path) from error
    if not isinstance(value, dict):
        raise integrity_error("JSON", "is not a JSON object", fix="create it again", file=path)
    return value


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A whole file.

    Raises:
        JsddpmError: ``MISSING`` (status 2) when the file does not exist, ``NOT_READABLE`` (status 5).
    """
    with reading(path):
        return Path(path).read_bytes()


def make_directory(path: str | os.PathLike[str]) -> Path:
    """Create a folder and its parents; ``NOT_WRITABLE`` if a file is in the way or permission is missing."""
    path = Path(path)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def link_or_copy(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Give a published, read-only file a second name, or copy it where the file systems differ.

    A link is on the disk when its folder is published (:mod:`jsddpm.publish`), a copy at once.
    """
    try:
        os.link(source, target)
    except OSError:
        with reading(source):
            original = open(source, "rb")  # noqa: SIM115 - closed below
        with original, atomic_open(target, mode=0o444) as stream:
            shutil.copyfileobj(original, stream)


def require_writable(folder: str | os.PathLike[str]) -> Path:
    """Create ``folder`` and check, before long work, that a file can be written there."""
    folder = make_directory(folder)
    probe = folder / f".probe{PARTIAL}"
    write_bytes(probe, b"\0")
    probe.unlink()
    return folder


def require_space(folder: str | os.PathLike[str], needed: int) -> int:
    """Free bytes of a folder's disk, after checking that they are enough.

    Raises:
        JsddpmError: ``DISK_FULL`` (status 5) with the bytes that are needed and free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        what = f"{needed} bytes are needed ({needed / 1e9:.3f} GB), and {free} are free"
        raise environment_error("DISK_FULL", what, fix="free space, or write to another disk", file=folder)
    return free


def require_directory(path: str | os.PathLike[str]) -> Path:
    """The folder; ``MISSING`` (status 2) when it does not exist."""
    path = Path(path)
    if not path.is_dir():
        what = "is a file instead of a folder" if path.exists() else "no such folder"
        raise usage_error("MISSING", what, fix="correct the path", file=path)
    return path


def make_read_only(path: str | os.PathLike[str]) -> None:
    """Remove the write permission of a published file."""
    os.chmod(path, os.stat(path).st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))


def umask() -> int:
    """The process's permission mask."""
    current = os.umask(0o077)
    os.umask(current)
    return current


def fsync_directory(path: Path) -> None:
    """Flush a folder's entries to the disk; Windows cannot open folders, and journals their entries itself."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
