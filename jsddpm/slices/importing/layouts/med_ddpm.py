"""Med-DDPM: ``image/N_NAME.nii.gz`` with ``mask/N_NAME.nii.gz``; of BraTS ``flair/N_NAME_flair.nii.gz`` with ``seg``.

``sample.py`` writes values in [-1, 1] beside its input label map, 2 being tumour and 1 the rest of the brain;
``sample_brats.py`` scales each volume to [0, 1] and numbers the parts of the tumour from 1.
"""

from __future__ import annotations

import re
from pathlib import Path

from jsddpm.errors import JsddpmError
from jsddpm.slices.importing import pairs
from jsddpm.slices.importing.items import Facts, IntensityFormat, Listing
from jsddpm.slices.importing.layouts import ImportLayout

_COUNTED = re.compile(r"\d+_.+")


def _read(source: Path, facts: Facts) -> Listing:
    """The pairs of one of the scripts."""
    if _counted(source / "image"):
        images, masks = _named(source / "image", ""), _named(source / "mask", "")
        reading = IntensityFormat((-1, 1), mask_labels=(2,))
    else:
        modality = facts.modality.lower()
        images, masks = _named(source / modality, f"_{modality}"), _named(source / "seg", "_seg")
        reading = IntensityFormat((0, 1))
        if not images:
            raise JsddpmError("EMPTY", f"has no folder {modality}", fix="choose another --modality", file=source)
    return Listing(pairs.volumes(pairs.matched(images, masks, source, facts)), reading)


def _named(folder: Path, ending: str) -> dict[str, Path]:
    there = pairs.files(folder, pairs.NIFTI) if folder.is_dir() else []
    return {pairs.stem(p).removesuffix(ending): p for p in there}


def _counted(folder: Path) -> bool:
    """Whether a folder holds volumes, all numbered as the scripts number them."""
    there = pairs.files(folder, pairs.NIFTI) if folder.is_dir() else []
    return bool(there) and all(_COUNTED.fullmatch(p.name) for p in there)


LAYOUT = ImportLayout(
    name="med-ddpm",
    help="Med-DDPM, image/N_X.nii.gz with mask/N_X.nii.gz, or flair/N_X_flair.nii.gz with seg/N_X_seg.nii.gz",
    matches=lambda source: (
        (_counted(source / "image") and _counted(source / "mask"))
        or (_counted(source / "seg") and any(_counted(source / m) for m in ("flair", "t1", "t1ce", "t2")))
    ),
    read=_read,
)
