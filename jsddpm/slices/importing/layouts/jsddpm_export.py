"""The files of ``jsddpm export nifti`` and ``png``, with ``cases.csv``: samples of a condition are a stack, no volume.

``cases.csv`` names position, pathology, sample and seed of every generated case, and ``provenance.json`` the bins.
Cases of patients are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jsddpm.csvfiles import Row, read_rows
from jsddpm.errors import JsddpmError
from jsddpm.files import read_json
from jsddpm.slices.importing.items import Facts, Listing, SliceItem, missing_fact, slice_facts
from jsddpm.slices.importing.layouts import ImportLayout

_DIGITS = 20
_TABLE, _ORIGIN = "cases.csv", "provenance.json"
_COLUMNS = ("case", "synthetic", "pathology", "z_first", "z_last", "slices", "sample", "seed")


def _read(source: Path, facts: Facts) -> Listing:
    """Every slice of the generated cases, where the store had it."""
    rows = [row for row in read_rows(source / _TABLE, _COLUMNS) if row["synthetic"] == "true"]
    stacks: dict[str, int] = {}
    items: list[SliceItem] = []
    for row in sorted(rows, key=lambda row: row["sample"].rjust(_DIGITS, "0")):  # a stack has its samples in this order
        name = row["case"]
        if row["sample"] and not (source / f"{name}_image.nii.gz").is_file():
            name = name.rpartition("_")[0]
        image, mask = (source / f"{name}_{kind}.nii.gz" for kind in ("image", "mask"))
        if image.is_file():
            number = stacks.setdefault(name, 0)
            stacks[name] += 1
            items += _of_volume(row, image, mask, number, source)
        else:
            items += _of_pictures(row, source)
    if facts.masks and (bare := next((item for item in items if item.mask and not item.mask.is_file()), None)):
        raise missing_fact("has no mask", "say --without-masks if the generator makes none", bare.image)
    stores = read_json(source / _ORIGIN).get("stores", [])
    counts = {store["binning"]["n_bins"] for store in stores if "binning" in store}
    return Listing(items, n_bins=counts.pop() if len(counts) == 1 else None, masks_tell=True)


def _of_volume(row: Row, image: Path, mask: Path, number: int, source: Path) -> Iterator[SliceItem]:
    """Slices of a NIfTI file: the next sample of a stack, or all slices of a volume."""
    for position, (z, facts) in enumerate(_slices(row, source)):
        yield SliceItem(image, mask, f"line {row.line}", number if row["sample"] else position, z=z, **facts)  # type: ignore[arg-type]


def _of_pictures(row: Row, source: Path) -> Iterator[SliceItem]:
    """Slices in pictures of their own; those of a volume have their position in the name."""
    for z, facts in _slices(row, source):
        name = row["case"] if row["sample"] else f"{row['case']}_z{z:03d}"
        yield SliceItem(source / f"{name}_image.png", source / f"{name}_mask.png", f"line {row.line}", z=z, **facts)  # type: ignore[arg-type]


def _slices(row: Row, source: Path) -> Iterator[tuple[int, dict[str, int | str | None]]]:
    """Position and facts of each slice of a case; masks give the pathology of the slices of a volume."""
    where, table = f"line {row.line}", source / _TABLE
    known = {name: row[name] for name in ("pathology", "seed")} if row["sample"] else {"group": row["case"]}
    facts = {k: v for k, v in slice_facts(known, where, table).items() if k not in ("z", "z_bin")}
    try:
        first, last, count = (int(row[name]) for name in ("z_first", "z_last", "slices"))
        step = (last - first) // max(count - 1, 1)
        if count < 1 or first + step * (count - 1) != last or (count > 1 and step < 1):
            raise ValueError("positions")
    except ValueError:
        what = f"{where}: {row['slices']} slices from {row['z_first']} to {row['z_last']} are not evenly spaced"
        raise JsddpmError("TABLE", what, fix="export slices one by one: --cases slices", file=table) from None
    for number in range(count):
        yield first + step * number, facts


def _matches(source: Path) -> bool:
    there = source.is_dir() and (source / _TABLE).is_file() and (source / _ORIGIN).is_file()
    return there and any(any(source.glob(f"*_image.{ending}")) for ending in ("nii.gz", "png"))


LAYOUT = ImportLayout(
    name="jsddpm",
    help="files of jsddpm export nifti or png, CASE_image.nii.gz and CASE_mask.nii.gz with cases.csv",
    matches=_matches,
    read=_read,
)
