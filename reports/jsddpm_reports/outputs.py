"""Files that a user names for a page, a table or a picture: an earlier one is replaced, any other file is not."""

from __future__ import annotations

import os
import re
from pathlib import Path

from jsddpm.checksums import RECORD, recorded_names
from jsddpm.errors import usage_error
from jsddpm.files import encoded, write_bytes
from jsddpm.places import refuse_store
from jsddpm.refusals import reading

MARK = "jsddpm"
"""Program that wrote a picture, in its metadata."""

_CURE = "choose another path, or move the file"
_PICTURES = (b"\x89PNG", b"%PDF")
_LARGEST = 1 << 28  # bytes; no output is as large


def write_output(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a page, a table or a picture; an existing file is replaced only if it begins as the new one does.

    Args:
        path: The file.
        content: Its bytes, or its text. What is compared is the head of a page before its security policy,
            :data:`MARK` in a picture, and the first two words or headings of any other file.

    Raises:
        JsddpmError: ``EXISTS`` (status 2) when the file lies in a store, when the checksums of its folder name it, or
            when another file is there.
    """
    path, data = Path(path), encoded(content, path) if isinstance(content, str) else content
    refuse_store(path)
    if path.name in recorded_names(path.parent):
        what = f"is a file of the folder, whose {RECORD} has its checksum, and is not overwritten"
        raise usage_error("EXISTS", what, fix="choose another path", file=path)
    if path.is_file() and _beginning(_start(path), path.suffix) != _beginning(data, path.suffix):
        what = "already exists, is not what this command writes, and is not overwritten"
        raise usage_error("EXISTS", what, fix=_CURE, file=path)
    write_bytes(path, data)


def _start(path: Path) -> bytes:
    with reading(path), path.open("rb") as stream:
        return stream.read(_LARGEST)


def _beginning(data: bytes, suffix: str) -> tuple[bytes, ...]:
    """What all files of one kind have in common."""
    if data.startswith(_PICTURES):
        return data[:4], MARK.encode() if MARK.encode() in data else b""
    if suffix == ".html":
        return (data.partition(b"Content-Security-Policy")[0],)
    return tuple(re.split(rb"[\s,]+", data, maxsplit=2)[:2])
