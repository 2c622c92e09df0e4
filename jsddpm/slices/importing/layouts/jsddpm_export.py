"""The files of ``jsddpm export``: ``cases.csv``, or the sidecars of BIDS, say where every generated slice lies.

``provenance.json`` names the bins. Samples of a condition in one NIfTI file are a stack, no volume. Cases of patients
are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from jsddpm.errors import JsddpmError
from jsddpm.files import read_json
from jsddpm.slices.importing.exported import (
    PARTICIPANTS,
    TABLE,
    ExportedCase,
    mask_beside,
    of_sidecars,
    of_table,
    patients,
    sidecars,
)
from jsddpm.slices.importing.items import Facts, Listing, SliceItem, left_out, missing_fact
from jsddpm.slices.importing.layouts import ImportLayout

_ORIGIN = "provenance.json"
_ROLE = re.compile(r"(_image|_mask|_0000)?(\.nii\.gz|\.png)$")
_POSITION = re.compile(r"_z\d+$")


def _read(source: Path, facts: Facts) -> Listing:
    """Every slice of the generated cases, where the store had it."""
    bids = _is_bids(source)
    real = patients(source)
    cases = of_sidecars(source) if bids else of_table(source)
    if real and not cases:
        what = f"holds no generated case: all {len(real)} are of patients"
        raise JsddpmError("EMPTY", what, fix="give the export of a generated store", file=source)
    items = list(_of_derivative(cases) if bids else _of_files(cases, source))
    if facts.masks and (bare := next((item for item in items if item.mask and not item.mask.is_file()), None)):
        raise missing_fact("has no mask", "say --without-masks if the generator makes none", bare.image)
    stores = read_json((source / "code" if bids else source) / _ORIGIN).get("stores", [])
    counts = {store["binning"]["n_bins"] for store in stores if "binning" in store}
    n_bins = counts.pop() if len(counts) == 1 else None
    others = [path for path in source.rglob("*") if _cases_of(path, source) & real] if real else []
    return Listing(items, n_bins=n_bins, read=others, masks_tell=True, notes=left_out(len(real)))


def _cases_of(path: Path, source: Path) -> set[str]:
    """Names that the case of a file can have: a picture is a case, or a slice of one."""
    inside = path.relative_to(source).parts
    name = _ROLE.sub("", path.name)
    return {inside[0], name, _POSITION.sub("", name)}


def _of_derivative(cases: Sequence[ExportedCase]) -> Iterator[SliceItem]:
    for case in cases:
        if case.image is not None:
            yield from case.of_volume(case.image, mask_beside(case.image))


def _of_files(cases: Sequence[ExportedCase], source: Path) -> Iterator[SliceItem]:
    """Slices in the files of nnU-Net, in NIfTI files, or in pictures."""
    stacks: dict[str, int] = {}
    for case in cases:
        for image, mask in (
            (source / "imagesTr" / f"{case.name}_0000.nii.gz", source / "labelsTr" / f"{case.name}.nii.gz"),
            (source / f"{case.name}_image.nii.gz", source / f"{case.name}_mask.nii.gz"),
        ):
            if image.is_file():
                yield from case.of_volume(image, mask)
                break
        else:
            stack = case.name.rpartition("_")[0]
            image, mask = (source / f"{stack}_{kind}.nii.gz" for kind in ("image", "mask"))
            if case.single and image.is_file():
                yield from case.of_volume(image, mask, stacks.setdefault(stack, 0))
                stacks[stack] += 1
            else:
                yield from case.of_pictures(source)


def _matches(source: Path) -> bool:
    if not source.is_dir():
        return False
    endings = ("*_image.nii.gz", "*_image.png", "imagesTr/*_0000.nii.gz")
    files = (source / TABLE).is_file() and (source / _ORIGIN).is_file()
    return _is_bids(source) or (files and any(any(source.glob(ending)) for ending in endings))


def _is_bids(source: Path) -> bool:
    there = (source / PARTICIPANTS).is_file() and (source / "code" / _ORIGIN).is_file()
    return there and bool(sidecars(source))


LAYOUT = ImportLayout(
    name="jsddpm",
    help="files of jsddpm export, with cases.csv, or of BIDS with sidecars, and provenance.json",
    matches=_matches,
    read=_read,
)
