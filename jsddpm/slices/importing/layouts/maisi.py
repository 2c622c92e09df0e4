"""MAISI and NV-Generate: ``sample_TIME_image.nii.gz`` with ``sample_TIME_label.nii.gz``, or images alone.

Image-only inference writes ``PREFIX_seedN_sizeXxYxZ_spacingAxBxC_TIME_rankN_modalityN.nii.gz``. Labels are numbered
structures, and only the user knows which of them is the lesion. MR intensities have no fixed maximum, CT spans 2000
units.
"""

from __future__ import annotations

import re
from pathlib import Path

from jsddpm.errors import JsddpmError
from jsddpm.slices.importing import pairs
from jsddpm.slices.importing.items import Facts, Listing, missing_fact
from jsddpm.slices.importing.layouts import ImportLayout

_ALONE = re.compile(r".*_seed\d+_size\d+x\d+x\d+_spacing[\d.]+x[\d.]+x[\d.]+_\d{14}_rank\d+_modality\d+$")
_TIMED = re.compile(r"(?P<name>.+_\d{8}_\d{6}(_\d{6})?)_(?P<role>image|label)$")


def _read(source: Path, facts: Facts) -> Listing:
    """Pairs by their time; images without a label only if the user says that there are no masks."""
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    for path in pairs.files(source, pairs.NIFTI):
        if match := _TIMED.match(pairs.stem(path)):
            (images if match["role"] == "image" else labels)[match["name"]] = path
        elif _ALONE.match(pairs.stem(path)):
            images[pairs.stem(path)] = path
    if not images:
        raise JsddpmError("EMPTY", "contains labels without images", fix="give the folder of the images", file=source)
    if facts.masks and not labels:
        what = "image-only inference makes no masks"
        raise missing_fact(what, "say --without-masks and --pathology lesion or control", source)
    return Listing(pairs.volumes(pairs.matched(images, labels, source, facts)))


LAYOUT = ImportLayout(
    name="maisi",
    help="MAISI or NV-Generate, sample_TIME_image.nii.gz with sample_TIME_label.nii.gz, or *_modalityN.nii.gz",
    matches=lambda source: (
        source.is_dir()
        and any(_TIMED.match(pairs.stem(p)) or _ALONE.match(pairs.stem(p)) for p in pairs.files(source, pairs.NIFTI))
    ),
    read=_read,
)
