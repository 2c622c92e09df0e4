"""One validated subject: image, lesion voxels and brain mask on one grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jsddpm.cohort.brain import Background, with_dark_background
from jsddpm.cohort.masks import MaskReading, binary_mask, check_same_grid, mask_values, unselected_notes
from jsddpm.cohort.nifti import MAX_VOLUME_BYTES, Volume, check_not_constant, open_nifti
from jsddpm.cohort.records import Record
from jsddpm.errors import JsddpmError, environment_error, first_line


@dataclass(frozen=True)
class Subject:
    """Validated volumes of one record.

    Attributes:
        image: The FLAIR volume, on a dark background (:func:`~jsddpm.cohort.brain.with_dark_background`).
        lesion: Lesion voxels on its grid; all False for a control without a mask.
        brain: Brain voxels on its grid, or None where no mask was given.
        notes: Notes for the user that are not errors.
        mask_values: See :func:`~jsddpm.cohort.masks.mask_values`; empty without a mask.
    """

    image: Volume
    lesion: NDArray[np.bool_]
    brain: NDArray[np.bool_] | None
    notes: tuple[str, ...]
    mask_values: tuple[float, ...] = ()

    @property
    def lesion_mm3(self) -> float:
        """Lesion volume."""
        return float(self.lesion.sum() * abs(np.linalg.det(self.image.affine[:3, :3])))


NO_LESION = "no lesion voxel: all its slices count as control"
LESION_OF_CONTROL = "declared a control, and its mask has a lesion: slices with a lesion voxel count as lesion"
BRIGHT_BACKGROUND = (
    "the head has values below its background, as after z-scoring: the background was set to the lowest value"
)
PADDING = "voxels of its lowest value lie below the background, as outside of the circle of a CT: they were set to it"
_ON_BACKGROUND: dict[Background, tuple[str, ...]] = {"dark": (), "padded": (PADDING,), "bright": (BRIGHT_BACKGROUND,)}


def group_notes(group: str, *, lesion: bool) -> tuple[str, ...]:
    """A note on a patient without a lesion, or a control with one.

    Args:
        group: ``patient`` or ``control``.
        lesion: Whether there is a lesion voxel.
    """
    if lesion:
        return (LESION_OF_CONTROL,) if group == "control" else ()
    return (NO_LESION,) if group == "patient" else ()


def read_subject(record: Record, reading: MaskReading | None = None, *, max_bytes: int = MAX_VOLUME_BYTES) -> Subject:
    """Read and validate the files of one record.

    Args:
        record: The record to read.
        reading: How mask values become lesion voxels.
        max_bytes: Largest volume read; see :func:`~jsddpm.cohort.nifti.open_nifti`.

    Raises:
        JsddpmError: ``NIFTI_...``, ``MASK_...`` or ``BRAIN_EMPTY`` (status 3), naming the file.
    """
    image = open_nifti(record.image, max_bytes=max_bytes)
    check_not_constant(image)
    notes, reading = image.notes, reading or MaskReading()
    data, background = with_dark_background(image.data)
    image, notes = replace(image, data=data), (*notes, *_ON_BACKGROUND[background])
    lesion, brain = np.zeros(image.data.shape, bool), None
    values: tuple[float, ...] = ()
    if record.mask is not None:
        mask = open_nifti(record.mask, max_bytes=max_bytes)
        check_same_grid(image, mask)
        lesion, values = binary_mask(mask, reading), mask_values(mask.data, reading)
        notes += _of("mask", mask, image)
        if record.group == "patient":
            notes += unselected_notes(mask.data, lesion, reading)
    if record.brain is not None:
        region = open_nifti(record.brain, max_bytes=max_bytes)
        check_same_grid(image, region)
        brain = region.data > 0
        notes += _of("brain mask", region, image)
        if not brain.any():
            raise JsddpmError(
                "BRAIN_EMPTY", "the brain mask is empty", fix="export the mask again, or leave it out", file=region.path
            )
    return Subject(image, lesion, brain, notes, values)


@contextmanager
def named(record: Record) -> Iterator[None]:
    """Add the name of the record's image to every failure of the block.

    Raises:
        JsddpmError: Errors of the block; ``IMAGE`` (status 3) for an error of a library on a header or voxels that no
            check covers; ``MEMORY`` (status 5).
    """
    try:
        yield
    except JsddpmError:
        raise
    except MemoryError as error:
        cure = "use fewer --jobs, or a machine with more memory"
        raise environment_error(
            "MEMORY", "there is too little memory for the image", fix=cure, file=record.image
        ) from error
    except Exception as error:
        what = f"cannot be processed ({type(error).__name__}: {first_line(error)})"
        cure = "correct its header (voxel sizes, orientation, origin), or leave it out"
        raise JsddpmError("IMAGE", what, fix=cure, file=record.image) from error


def _of(kind: str, mask: Volume, image: Volume) -> tuple[str, ...]:
    """Notes of a mask that the image does not have."""
    return tuple(f"{kind}: {note}" for note in mask.notes if note not in image.notes)
