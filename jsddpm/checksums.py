"""Checksums of the files that the packages write, compared when they are read.

The SHA-256 is stored beside a file, in the record of its folder (:data:`RECORD`), or at the end of the file itself
(:func:`write_sealed`); CRC-32 checksums are in the index of a slice store and inside every zip file.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsddpm.errors import JsddpmError, first_line, integrity_error
from jsddpm.files import read_bytes, write_bytes
from jsddpm.refusals import unreadable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RECORD = "SHA256SUMS"
"""File of a folder that holds the checksums of its other files, as ``sha256sum`` writes them."""

_SEAL = b"\nsha256 "
_PART = 1 << 20
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+?)\r?")  # * stands for a binary file, and means the same


def sha256(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum_line(digest: str, name: str) -> str:
    r"""A line that ``sha256sum -c`` reads.

    >>> checksum_line("ab12", "store.json")
    'ab12  store.json\n'
    """
    return f"{digest}  {name}\n"


def crc32_differs(arrays: Iterable[NDArray[np.generic]], expected: Iterable[int]) -> list[int]:
    """Numbers of the arrays whose CRC-32 differs from the expected one; each array is contiguous."""
    pairs = enumerate(zip(arrays, expected, strict=True))
    return [number for number, (array, crc) in pairs if zlib.crc32(array) != crc]  # type: ignore[arg-type]


def require_sound_zip(path: str | os.PathLike[str], code: str, fix: str) -> None:
    """Read every member of an uncompressed zip file and compare its CRC-32; memory does not grow with the file.

    Args:
        path: The file.
        code: Code of the refusal.
        fix: Its cure.

    Raises:
        JsddpmError: ``code`` (status 4) when the file is not a zip file, or a member is damaged or compressed (a
            compressed member could be much larger in memory than on the disk).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if packed := [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED]:
                raise integrity_error(code, f"{packed[0]} is compressed", fix=fix, file=path)
            for member in members:
                with archive.open(member) as stream:
                    while stream.read(_PART):
                        pass
    except (JsddpmError, MemoryError):
        raise
    except PermissionError as error:
        raise unreadable(error, path) from error
    except Exception as error:  # a damaged zip file raises many types of errors
        raise integrity_error(code, f"is damaged ({first_line(error)})", fix=fix, file=path) from error


def write_sealed(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whose last line is the SHA-256 of its content; :func:`read_sealed` compares them.

    Readers of ``.npy`` and ``.npz`` files ignore that line.
    """
    write_bytes(path, data + _SEAL + hashlib.sha256(data).hexdigest().encode() + b"\n")


def read_sealed(path: str | os.PathLike[str]) -> bytes | None:
    """The content that :func:`write_sealed` wrote; None if the file contains anything else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_sealed(f"{folder}/a", b"whole")
    ...     found = [read_sealed(f"{folder}/a")]
    ...     _ = Path(f"{folder}/a").write_bytes(Path(f"{folder}/a").read_bytes().replace(b"w", b"v"))
    ...     [*found, read_sealed(f"{folder}/a")]
    [b'whole', None]
    """
    data, seal, digest = read_bytes(path).rpartition(_SEAL)
    return data if seal and digest == hashlib.sha256(data).hexdigest().encode() + b"\n" else None


def write_recorded(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file, and its SHA-256 into the record of its folder.

    The record has both the old and the new checksum while the file is replaced, so that it is valid after a kill.
    """
    path, digest = Path(path), hashlib.sha256(data).hexdigest()
    _change_record(path.parent, {path.name: (*_recorded(path.parent).get(path.name, ()), digest)})
    write_bytes(path, data)
    _change_record(path.parent, {path.name: (digest,)})


def remove_recorded(folder: str | os.PathLike[str], names: Iterable[str]) -> None:
    """Remove files of a folder that may be there, and then their checksums from its record."""
    folder, names = Path(folder), set(names)
    for name in names:
        (folder / name).unlink(missing_ok=True)
    if recorded := names & recorded_names(folder):
        _change_record(folder, dict.fromkeys(recorded, ()))


def record_folder(folder: str | os.PathLike[str], *, free: Sequence[str] = ()) -> None:
    """Write the record of every file in and below a folder that is about to be published.

    Args:
        folder: The folder.
        free: Files that a reader may change.
    """
    folder = Path(folder)
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    lines = [checksum_line(sha256(path), name) for name, path in files.items() if name not in (RECORD, *free)]
    _write_record(folder, lines)


def read_recorded(path: str | os.PathLike[str], code: str, fix: str) -> bytes:
    """The bytes of a file, after a comparison with the record of its folder; a file without a record is not compared.

    Both are read again if they differ: another process may have replaced them in between (:func:`write_recorded`).

    Raises:
        JsddpmError: ``MISSING`` (status 2); ``code`` (status 4) when the file is not the one that was written.
    """
    path = Path(path)
    for _ in range(2):
        data = read_bytes(path)
        known = _recorded(path.parent).get(path.name, ())
        if not known or hashlib.sha256(data).hexdigest() in known:
            return data
    raise integrity_error(code, f"differs from its checksum in {RECORD}", fix=fix, file=path)


def recorded_names(folder: str | os.PathLike[str]) -> set[str]:
    """Names of the files that the record of a folder names; none without a record."""
    return set(_recorded(Path(folder)))


def require_recorded(folder: str | os.PathLike[str], names: Sequence[str], code: str, fix: str) -> None:
    """Compare all files that the record of a folder names; it must name the given ones.

    Raises:
        JsddpmError: ``code`` (status 4) naming the file that differs, or is not there.
    """
    folder = Path(folder)
    known = _recorded(folder)
    if not any((folder / name).is_file() for name in names):
        raise integrity_error(code, f"does not contain {', '.join(names)}", fix="correct the path", file=folder)
    for name in sorted({*names, *known}):
        if name not in known or not (folder / name).is_file() or sha256(folder / name) not in known[name]:
            what = f"{name} differs from its checksum in {RECORD}, or has none"
            raise integrity_error(code, what, fix=fix, file=folder)


def _recorded(folder: Path) -> dict[str, tuple[str, ...]]:
    """Checksums of a folder's files by name; empty without a record."""
    known: dict[str, tuple[str, ...]] = {}
    for digest, name in map(_parsed, _lines(folder)):
        if digest:
            known[name] = (*known.get(name, ()), digest.lower())
    return known


def _change_record(folder: Path, changed: Mapping[str, Sequence[str]]) -> None:
    """Replace the checksums of some files; the lines of all others, and lines that name none, stay as they are."""
    kept = [f"{line}\n" for line in _lines(folder) if _parsed(line)[1] not in changed]
    new = [checksum_line(digest, name) for name, digests in changed.items() for digest in digests]
    _write_record(folder, sorted([*kept, *new], key=lambda line: _parsed(line.rstrip("\n"))[1]))


def _lines(folder: Path) -> list[str]:
    path = folder / RECORD
    text = read_bytes(path).decode("utf-8", "surrogateescape") if path.is_file() else ""
    return text.removesuffix("\n").split("\n") if text else []


def _parsed(line: str) -> tuple[str, str]:
    """Checksum and name of a line; both are empty for a line of another form, such as a comment."""
    found = _LINE.fullmatch(line)
    return (found[1], found[2]) if found else ("", "")


def _write_record(folder: Path, lines: Sequence[str]) -> None:
    write_bytes(folder / RECORD, "".join(lines).encode("utf-8", "surrogateescape"))
