"""Where output may be written: nowhere that something exists, and not in a store."""

from __future__ import annotations

import os
from pathlib import Path

from jsddpm.errors import usage_error

STORE_MARK = "store.json.sha256"
"""Checksum of the description, the file that every complete store has (:mod:`jsddpm.slices.layout`)."""


def refuse_existing(path: str | os.PathLike[str]) -> None:
    """Refuse a place for new output that is taken.

    Raises:
        JsddpmError: ``EXISTS`` (status 2) when ``path`` exists, or lies in a store.
    """
    if os.path.lexists(path):
        raise usage_error("EXISTS", "already exists and is not overwritten", fix="choose another path", file=path)
    refuse_store(path)


def refuse_store(path: str | os.PathLike[str]) -> None:
    """Refuse to write into a store, whose files are checked against those that it lists.

    Raises:
        JsddpmError: ``EXISTS`` (status 2) naming the store.
    """
    place = Path(path).absolute()
    for above in (place, *place.parents):
        if (above / STORE_MARK).is_file() or (above == place and (above / "store.json").is_file()):
            raise usage_error("EXISTS", f"lies in the store {above}", fix="choose a folder outside of it", file=path)
