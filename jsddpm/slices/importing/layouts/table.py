"""A CSV or TSV table of slices, one row each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jsddpm.csvfiles import Row, read_rows, refuse_outside
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.slices.importing.items import Facts, Listing, SliceItem, slice_facts
from jsddpm.slices.importing.layouts import ImportLayout
from jsddpm.slices.importing.pairs import NIFTI, has_ending

_NUMBER = re.compile(r"[0-9]{1,18}")


def _read(table: Path, facts: Facts) -> Listing:
    """Columns ``image`` and, if known, ``mask``, ``z`` or ``z_bin``, ``pathology``, ``group``..."""
    return Listing(listed(table, read_rows(table, ("image",)), facts))


def listed(
    table: Path, rows: Sequence[Row], facts: Facts, *, image: str = "image", mask: str = "mask"
) -> list[SliceItem]:
    """The slices in the rows of a table; their files must lie in the table's folder.

    Args:
        table: The table's file; paths are relative to its folder.
        rows: Its rows.
        facts: Folder that files must lie in, if it is another.
        image: Column of the image.
        mask: Column of the mask.
    """
    if not rows:
        raise usage_error("TABLE", "lists no slice", fix="add rows with the columns image, pathology and z", file=table)
    items = []
    for row in rows:
        where, values = f"line {row.line}", slice_facts(row, f"line {row.line}", table)
        if not row[image]:
            raise JsddpmError("TABLE", f"{where}: the column image is empty", fix="name the file", file=table)
        paths = [table.parent / row[image], table.parent / row[mask] if row.get(mask) else None]
        for path in filter(None, paths):
            refuse_outside(path, facts.root or table.parent)
        position = int(row["slice"]) if _NUMBER.fullmatch(row.get("slice", "")) else None
        if row.get("slice") and position is None:
            raise JsddpmError(
                "TABLE",
                f"{where}: the slice {row['slice']!r} is not a whole number",
                fix="give whole numbers",
                file=table,
            )
        items.append(SliceItem(paths[0], paths[1], where, position, **values))  # type: ignore[arg-type]
    return items if "group" in rows[0] else _by_volume(items, [Path(row[image]).as_posix() for row in rows])


def _by_volume(items: Sequence[SliceItem], names: Sequence[str]) -> list[SliceItem]:
    """Rows whose slices of one NIfTI file form one volume, for tables without a column ``group``."""
    shared = {name for name, n in Counter(names).items() if n > 1 and has_ending(Path(name), NIFTI)}
    return [replace(item, group=name) if name in shared else item for item, name in zip(items, names, strict=True)]


LAYOUT = ImportLayout(
    name="table",
    help="CSV or TSV table with columns image, pathology and z or z_bin",
    matches=lambda source: source.is_file() and source.suffix.lower() in (".csv", ".tsv"),
    read=_read,
    general=True,
)
