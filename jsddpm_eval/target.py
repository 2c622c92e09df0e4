"""The folder of an evaluation: files in it that jsddpm did not write are not replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from jsddpm.checksums import recorded_names
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.files import make_directory, read_json
from jsddpm.slices.layout import CHECKSUM
from jsddpm.wording import enumerated


def refuse_foreign(out: str | os.PathLike[str], files: Sequence[str]) -> None:
    """Refuse a folder with files of these names that are of no evaluation, complete or interrupted.

    Args:
        out: Folder of an evaluation, which need not exist.
        files: Names of the files that an evaluation replaces.

    Raises:
        JsddpmError: ``EXISTS`` (status 2) naming them, or the store that the folder lies in.
    """
    out = Path(out)
    refuse_store(out)
    there = [name for name in files if os.path.lexists(out / name)]
    if there and not _is_results(out / "results.json") and not set(there) <= recorded_names(out):
        what = f"has {enumerated(there)}, which no evaluation wrote"
        raise usage_error("EXISTS", what, fix="choose another folder, or move these files", file=out)


def refuse_store(folder: str | os.PathLike[str]) -> None:
    """Refuse to write into a store, whose files are checked against those that it lists.

    Raises:
        JsddpmError: ``EXISTS`` (status 2) naming the store.
    """
    place = Path(folder).absolute()
    for above in (place, *place.parents):
        if (above / CHECKSUM).is_file() or (above == place and (above / "store.json").is_file()):
            raise usage_error("EXISTS", f"lies in the store {above}", fix="choose a folder outside of it", file=folder)


@contextmanager
def folder_for(out: str | os.PathLike[str], empty: Sequence[str] = ()) -> Iterator[Path]:
    """The folder of an evaluation; after an error, folders that were created here and are empty are removed.

    Args:
        out: The folder; it and its parents are created.
        empty: Names of folders in it that may be empty.
    """
    out = Path(out)
    absent = [place for place in (out, *out.parents) if not place.exists()]
    try:
        yield make_directory(out)
    except JsddpmError:
        with suppress(OSError):
            for place in [*(out / name for name in empty if absent and (out / name).exists()), *absent]:
                place.rmdir()
        raise


def _is_results(path: Path) -> bool:
    try:
        return path.is_file() and read_json(path).get("schema_name") == "jsddpm-results"
    except JsddpmError:
        return False
