"""wdm-3d: ``sample_N_N.nii.gz`` with an identity affine, no masks, and values that may exceed [0, 1]."""

from __future__ import annotations

import re
from pathlib import Path

from jsddpm.slices.importing import pairs
from jsddpm.slices.importing.items import Facts, IntensityFormat, Listing, missing_fact
from jsddpm.slices.importing.layouts import ImportLayout

_SAMPLE = re.compile(r"sample_\d+_\d+")


def _read(source: Path, facts: Facts) -> Listing:
    """Every sample; the generator makes no masks, which the user has to confirm."""
    if facts.masks:
        cure = "give --without-masks and --pathology lesion or control, or name pairs X.nii.gz and X_mask.nii.gz"
        raise missing_fact("wdm-3d makes no masks", cure, source)
    images = {pairs.stem(p): p for p in _samples(source)}
    return Listing(pairs.volumes(pairs.matched(images, {}, source, facts)), IntensityFormat((0, 1)))


def _samples(source: Path) -> list[Path]:
    there = pairs.files(source, pairs.NIFTI) if source.is_dir() else []
    return [p for p in there if _SAMPLE.fullmatch(pairs.stem(p))]


LAYOUT = ImportLayout(
    name="wdm-3d",
    help="wdm-3d, sample_N_N.nii.gz without masks",
    matches=lambda source: bool(_samples(source)),
    read=_read,
)
