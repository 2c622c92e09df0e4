"""SLIM-Diff's ``slimdiff-generate``: ``generated_samples.csv`` and ``samples/zBB_cP_sNNNN.npz``.

Images are in [-1, 1], masks near -1 and 1; rows point to the patient's right, columns to anterior.
"""

from __future__ import annotations

from pathlib import Path

from jsddpm.csvfiles import read_rows
from jsddpm.errors import JsddpmError
from jsddpm.slices.importing.items import Facts, IntensityFormat, Listing
from jsddpm.slices.importing.layouts import ImportLayout
from jsddpm.slices.importing.layouts.table import listed

READING = IntensityFormat((-1, 1), mask_threshold=0.0)
AXES = "RA"
_TABLE = "generated_samples.csv"


def _read(source: Path, facts: Facts) -> Listing:
    """The rows of its index; their tokens imply the number of bins."""
    table = source / _TABLE
    rows = read_rows(table, ("filepath", "z_bin", "pathology_class", "token"))
    items = listed(table, rows, facts, image="filepath", mask="filepath")
    counts = {_bins(row["token"], row["z_bin"], table) for row in rows if row["pathology_class"] == "1"}
    if len(counts) > 1:
        what = f"the tokens imply several numbers of bins ({', '.join(map(str, sorted(counts)))})"
        raise JsddpmError("TABLE", what, fix="remove samples of bins that do not exist", file=table)
    return Listing(items, READING, AXES, counts.pop() if counts else None)


def _bins(token: str, z_bin: str, table: Path) -> int:
    """The token of a lesion is the number of bins plus the bin."""
    try:
        return int(token) - int(z_bin)
    except ValueError:
        raise JsddpmError(
            "TABLE", f"token {token!r} or bin {z_bin!r} is not a whole number", fix="give whole numbers", file=table
        ) from None


LAYOUT = ImportLayout(
    name="slimdiff",
    help="samples of slimdiff-generate, generated_samples.csv and samples/*.npz",
    matches=lambda source: source.is_dir() and (source / _TABLE).is_file(),
    read=_read,
)
