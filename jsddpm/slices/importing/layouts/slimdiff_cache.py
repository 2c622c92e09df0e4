"""SLIM-Diff's slice cache: ``train.csv``, ``val.csv``, ``test.csv`` and ``slices/SUBJECT_zNNN_binBB_cP.npz``.

A cache contains slices of patients. Imported as generated, it stands for a perfect generator; an evaluation against the
same patients is refused.
"""

from __future__ import annotations

from pathlib import Path

from jsddpm.csvfiles import read_rows
from jsddpm.slices.importing.items import Facts, Listing
from jsddpm.slices.importing.layouts import ImportLayout
from jsddpm.slices.importing.layouts.slimdiff import AXES, READING
from jsddpm.slices.importing.layouts.table import listed

_COLUMNS = ("filepath", "subject_id", "z_index", "z_bin", "pathology_class")
_TABLES = ("train.csv", "val.csv", "test.csv")


def _read(source: Path, facts: Facts) -> Listing:
    """Slices of every split; the subject is the volume."""
    items = [
        item
        for table in (source / name for name in _TABLES)
        if table.is_file()
        for item in listed(table, read_rows(table, _COLUMNS), facts, image="filepath", mask="filepath")
    ]
    return Listing(items, READING, AXES)


LAYOUT = ImportLayout(
    name="slimdiff-cache",
    help="slice cache of SLIM-Diff, train.csv, val.csv, test.csv and slices/*.npz",
    matches=lambda source: (source / "slices").is_dir() and any((source / name).is_file() for name in _TABLES),
    read=_read,
)
