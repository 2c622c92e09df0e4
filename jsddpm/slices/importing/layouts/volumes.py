"""NIfTI volumes with their masks: folders ``images`` and ``masks``, or ``NAME.nii.gz`` with ``NAME_mask.nii.gz``."""

from __future__ import annotations

from pathlib import Path

from jsddpm.slices.importing import pairs
from jsddpm.slices.importing.items import Listing
from jsddpm.slices.importing.layouts import ImportLayout


def holds(source: Path, endings: tuple[str, ...]) -> bool:
    """Whether a folder, or its folder of images, has files with these endings."""
    if not source.is_dir():
        return False
    folders = [source, *(p for p in source.iterdir() if p.is_dir() and p.name.lower() in pairs.IMAGE_FOLDERS)]
    return any(pairs.files(folder, endings) for folder in folders)


LAYOUT = ImportLayout(
    name="volumes",
    help="NIfTI volumes, images/X.nii.gz with masks/X.nii.gz, or X.nii.gz with X_mask.nii.gz",
    matches=lambda source: holds(source, pairs.NIFTI),
    read=lambda source, facts: Listing(pairs.volumes(pairs.paired(source, pairs.NIFTI, facts))),
    general=True,
)
