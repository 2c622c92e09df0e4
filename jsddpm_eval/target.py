"""The folder of an evaluation: files in it that jsddpm did not write are not replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jsddpm.checksums import RECORD, read_recorded, recorded_names
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.files import make_directory, parse_json, read_json
from jsddpm.places import refuse_store
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
    if there and not is_results(out / "results.json") and not set(there) <= recorded_names(out):
        what = f"has {enumerated(there)}, which no evaluation wrote"
        raise usage_error("EXISTS", what, fix="choose another folder, or move these files", file=out)


@contextmanager
def folder_for(out: str | os.PathLike[str], files: Sequence[str] = (), empty: Sequence[str] = ()) -> Iterator[Path]:
    """The folder of an evaluation; after an error, what was created here without results is removed.

    Args:
        out: The folder; it and its parents are created.
        files: Names of the files of an evaluation; they are removed from a folder that was created here and has no
            results.
        empty: Names of folders in it that may be empty.
    """
    out = Path(out)
    absent = [place for place in (out, *out.parents) if not place.exists()]
    try:
        yield make_directory(out)
    except Exception:  # whatever it is, it is raised again
        with suppress(OSError):
            if absent and not is_results(out / "results.json"):
                for name in (*files, RECORD):
                    (out / name).unlink(missing_ok=True)
            for place in [*(out / name for name in empty if absent and (out / name).exists()), *absent]:
                place.rmdir()
        raise


def influence_file(results: str | os.PathLike[str]) -> Path:
    """The file of the influences that belong to a file of results."""
    return Path(results).with_suffix(".influence.json")


def read_unchanged(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The object in a JSON file of an evaluation.

    Raises:
        JsddpmError: ``MISSING`` (status 2); ``RESULTS`` or ``JSON`` (status 4) when it is damaged.
    """
    return parse_json(read_recorded(path, "RESULTS", "evaluate again"), path)


def require_results_file(path: str | os.PathLike[str]) -> None:
    """Refuse a path at which results cannot be written, or would replace something else.

    Raises:
        JsddpmError: ``OPTION`` (status 2) for a name without ``.json``; ``EXISTS`` (status 2) when the path lies in a
            store, or a file of something else is there or beside it.
    """
    path, beside = Path(path), influence_file(path)
    if path.suffix != ".json":
        raise usage_error("OPTION", "the name of a file of results ends with .json", fix="add .json", file=path)
    refuse_store(path)
    for file, own in ((path, is_results(path)), (beside, _json(beside).keys() == {"of", "influence"})):
        if os.path.lexists(file) and not own:
            what, cure = "is no file of results, and is not overwritten", "choose another path, or move the file"
            raise usage_error("EXISTS", what, fix=cure, file=file)


def is_results(path: Path) -> bool:
    """Whether a file holds results of an evaluation."""
    return _json(path).get("schema_name") == "jsddpm-results"


def _json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty without one."""
    try:
        return read_json(path) if path.is_file() else {}
    except JsddpmError:
        return {}
