"""NIfTI files, an image and a mask of every volume, or of all samples of a condition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jsddpm.exports.formats import ExportFormat

if TYPE_CHECKING:
    from jsddpm.exports.dataset import DataSet


def _write(data: DataSet, folder: Path, done: Callable[[], None]) -> None:
    """Generated slices that are in no volume make a stack for each condition; stores without masks have images only."""
    from jsddpm.exports.cases import by_condition, stacked

    for name, members in by_condition(data.cases).items():
        case = stacked(name, members)
        case.write_image(folder / f"{name}_image.nii.gz")
        if case.store.has_masks:
            case.write_mask(folder / f"{name}_mask.nii.gz")
        for _ in members:
            done()
    data.write_origin(folder)


FORMAT = ExportFormat(
    name="nifti",
    help="NIfTI files, CASE_image.nii.gz and CASE_mask.nii.gz; samples in no volume as a stack of each condition",
    write=_write,
    one_unit=False,
    folds=False,
)
