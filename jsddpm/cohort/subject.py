"""One subject as read: image, lesion voxels and brain mask, known to lie on one grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jsddpm.cohort.masks import MaskReading, binary_mask, check_same_grid
from jsddpm.cohort.nifti import Volume, check_not_constant, open_nifti
from jsddpm.cohort.records import Record
from jsddpm.errors import JsddpmError


@dataclass(frozen=True)
class Subject:
    """Validated volumes of one record.

    Attributes:
        image: The FLAIR volume.
        lesion: Lesion voxels on its grid; all False for a control without a mask.
        brain: Brain voxels on its grid, or None where no mask was given.
        notes: What a user should know but that is not an error.
    """

    image: Volume
    lesion: NDArray[np.bool_]
    brain: NDArray[np.bool_] | None
    notes: tuple[str, ...]

    @property
    def lesion_mm3(self) -> float:
        """Lesion volume."""
        return float(self.lesion.sum() * abs(np.linalg.det(self.image.affine[:3, :3])))


def read_subject(record: Record, reading: MaskReading | None = None) -> Subject:
    """Read and validate the files of one record.

    Args:
        record: What to read.
        reading: How mask values become lesion voxels.

    Raises:
        JsddpmError: ``NIFTI_...``, ``MASK_...`` or ``BRAIN_EMPTY`` (status 3), naming the file.
    """
    image = open_nifti(record.image)
    check_not_constant(image)
    notes = image.notes
    lesion, brain = np.zeros(image.data.shape, bool), None
    if record.mask is not None:
        mask = open_nifti(record.mask)
        check_same_grid(image, mask)
        lesion = binary_mask(mask, reading or MaskReading())
        notes += mask.notes
    if record.brain is not None:
        region = open_nifti(record.brain)
        check_same_grid(image, region)
        brain = region.data > 0
        if not brain.any():
            raise JsddpmError("BRAIN_EMPTY", "the brain mask is empty", fix="check or leave it out", file=region.path)
    return Subject(image, lesion, brain, notes)
