"""Folders that Hugging Face ``datasets`` and the training scripts of diffusers read: pictures and ``metadata.jsonl``.

``file_name`` names the picture, and a column that ends in ``_file_name`` (``mask_file_name``, or the
``conditioning_image_file_name`` of ControlNet) the mask; other columns give facts on the slice. Captions are not read.
"""

from __future__ import annotations

import json
from pathlib import Path

from jsddpm.csvfiles import Row, read_rows
from jsddpm.errors import JsddpmError
from jsddpm.files import read_bytes
from jsddpm.slices.importing.items import Facts, Listing, missing_fact
from jsddpm.slices.importing.layouts import ImportLayout
from jsddpm.slices.importing.layouts.table import listed

_MASKS = ("mask_file_name", "conditioning_image_file_name", "mask", "conditioning_image")
_TABLES = ("metadata.jsonl", "metadata.csv")


def _read(source: Path, facts: Facts) -> Listing:
    """Each line of the metadata is a slice."""
    table = next(source / name for name in _TABLES if (source / name).is_file())
    rows = _lines(table) if table.suffix == ".jsonl" else read_rows(table, ("file_name",))
    columns = [name for name in _MASKS if rows and name in rows[0]]
    if facts.masks and len(columns) != 1:
        what = f"names {'no mask' if not columns else ' and '.join(columns)}"
        cure = "add the column mask_file_name, or give --without-masks"
        raise missing_fact(what, cure, table)
    return Listing(listed(table, rows, facts, image="file_name", mask=columns[0] if facts.masks else ""))


def _lines(table: Path) -> list[Row]:
    """The objects of a JSON-lines file, as text; null is an empty cell."""
    rows = []
    for number, line in enumerate(read_bytes(table).splitlines(), 1):
        try:
            values = json.loads(line) if line.strip() else None
            if values is not None:
                rows.append(Row({str(k): "" if v is None else str(v) for k, v in dict(values).items()}, number))
        except (ValueError, TypeError, RecursionError) as error:
            cure = "write one JSON object per line"
            raise JsddpmError("TABLE", f"line {number} is not a JSON object", fix=cure, file=table) from error
    if missing := [row.line for row in rows if "file_name" not in row]:
        raise JsddpmError("TABLE", f"line {missing[0]} has no file_name", fix="add it", file=table)
    return rows


LAYOUT = ImportLayout(
    name="diffusers",
    help="folder of pictures with metadata.jsonl, as datasets and diffusers read it",
    matches=lambda source: source.is_dir() and any((source / name).is_file() for name in _TABLES),
    read=_read,
)
