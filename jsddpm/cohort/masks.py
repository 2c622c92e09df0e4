"""Lesion masks on the grid of their image; masks are not resampled, and labels are not guessed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jsddpm.errors import JsddpmError, usage_error
from jsddpm.wording import counted, first_numbers

if TYPE_CHECKING:
    from jsddpm.cohort.nifti import Volume

_MAX_CORNER_SHIFT_VOXELS = 0.1
TOO_LARGE = "the lesion fills more than half of the head: the mask may be inverted, or that of the brain"
OUTSIDE = "most of the lesion lies outside of the head: the mask may be that of another image"


def check_same_grid(image: Volume, mask: Volume) -> None:
    """Refuse a mask that does not lie on its image's grid; it is not resampled.

    Raises:
        JsddpmError: ``MASK_SHAPE`` or ``MASK_AFFINE``, printing both; ``NIFTI_AFFINE`` when one of them lies elsewhere
            because its header contains no affine.
    """
    from jsddpm.cohort.header import bad  # nibabel, which an import of pictures does not need

    if image.data.shape != mask.data.shape:
        what = f"the mask has the shape {mask.data.shape}, its image {image.data.shape} ({image.path.name})"
        raise JsddpmError("MASK_SHAPE", what, fix="export the mask on the image's grid", file=mask.path)
    corners = np.array([[i, j, k, 1.0] for i in (0, 1) for j in (0, 1) for k in (0, 1)]).T
    corners[:3] *= np.array(image.data.shape)[:, None] - 1
    moved = np.linalg.solve(image.affine, mask.affine @ corners) - corners
    shift = float(np.linalg.norm(moved[:3], axis=0).max())
    if shift > _MAX_CORNER_SHIFT_VOXELS:
        for volume, other in ((image, mask), (mask, image)):
            if not volume.oriented:
                what = f"its header contains no affine (both codes are 0), and a guess does not fit {other.path.name}"
                raise bad("AFFINE", volume.path, what, "write its affine into the header")
        what = f"a corner of the mask is {shift:.2f} voxels away from that of its image ({image.path.name})"
        cure = "export the mask on the image's grid, or correct its header"
        raise JsddpmError("MASK_AFFINE", what, fix=cure, file=mask.path)


@dataclass(frozen=True)
class MaskReading:
    """Which mask values mean lesion; without labels and threshold, only masks of 0 and 1 are accepted.

    Args:
        labels: Voxels equal to one of these are lesion.
        threshold: Voxels above this value are lesion.

    Raises:
        JsddpmError: ``MASK_READING`` (status 2) when both are given, or the threshold is not finite.
    """

    labels: tuple[int, ...] = ()
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.labels and self.threshold is not None:
            raise usage_error(
                "MASK_READING", "labels and a threshold exclude each other", fix="give --mask-label or --mask-threshold"
            )
        if self.threshold is not None and not isfinite(self.threshold):
            raise usage_error(
                "MASK_READING",
                f"the threshold {self.threshold:g} is not finite",
                fix="give --mask-threshold a finite number",
            )


def binary_mask(mask: Volume, reading: MaskReading) -> NDArray[np.bool_]:
    """Lesion voxels of a mask volume.

    Raises:
        JsddpmError: ``MASK_LABELS`` when values other than 0 and 1 occur without labels or threshold, or
            values that are not whole numbers with labels.
    """
    if reading.threshold is not None:
        return np.greater(mask.data, reading.threshold)
    if reading.labels and whole_numbers(mask.data):
        return np.isin(mask.data, reading.labels)
    values = np.unique(mask.data)
    if not reading.labels and np.isin(values, (0.0, 1.0)).all():
        return np.equal(mask.data, 1)
    needed = "whole labels" if reading.labels else "0 and 1"
    what = f"the mask has the values {first_numbers(values)} instead of {needed}"
    cure = "select the voxels of lesions with --mask-label or --mask-threshold"
    raise JsddpmError("MASK_LABELS", what, fix=cure, file=mask.path)


def whole_numbers(data: NDArray[Any]) -> bool:
    """Whether all values are whole numbers, which labels are compared with."""
    return data.dtype.kind != "f" or bool(np.equal(data, np.rint(data)).all())


def mask_notes(lesion: NDArray[np.bool_], brain: NDArray[np.bool_]) -> tuple[str, ...]:
    """A note on a lesion that is implausible for its head: too large, or outside.

    The head is all that lies between voxels of the brain region along two axes at least, because an estimate of the
    region may have holes, or be the skull alone.

    Args:
        lesion: Lesion voxels, ``(X, Y, Z)``.
        brain: The brain region, given or estimated.
    """
    if not lesion.any():
        return ()
    between = np.zeros(brain.shape, np.uint8)
    for axis in range(brain.ndim):
        before = np.logical_or.accumulate(brain, axis)
        after = np.flip(np.logical_or.accumulate(np.flip(brain, axis), axis), axis)
        between += before & after
    head, count = between >= 2, int(lesion.sum())
    if 2 * count > head.sum():
        return (TOO_LARGE,)
    return (OUTSIDE,) if 2 * int((lesion & ~head).sum()) > count else ()


def unselected_notes(data: NDArray[Any], lesion: NDArray[np.bool_], reading: MaskReading) -> tuple[str, ...]:
    """A note on a mask that has values above 0, of which none means lesion.

    Args:
        data: Values of the mask.
        lesion: Its lesion voxels.
        reading: Which values mean lesion.

    >>> mask = np.array([0, 255, 255, 255])
    >>> unselected_notes(mask, mask == 1, MaskReading((1,)))
    ('its mask has 3 voxels, none with label 1 (values 0, 255)',)
    """
    if lesion.any() or not (count := int(np.count_nonzero(data > 0))):
        return ()
    values = np.unique(data)
    listed = first_numbers(values)
    wanted = f"with label {' or '.join(map(str, reading.labels))}"
    if reading.threshold is not None:
        wanted, listed = f"above the threshold {reading.threshold:g}", f"{values[0]:g} to {values[-1]:g}"
    return (f"its mask has {counted(count, 'voxel')}, none {wanted} (values {listed})",)


def mask_values(data: NDArray[Any], reading: MaskReading) -> tuple[float, ...]:
    """Values of a mask against which labels or threshold are checked: all of them for labels, else the extremes."""
    if not reading.labels:
        return float(data.min()), float(data.max())
    labelled = data != 0
    return (*(() if labelled.all() else (0.0,)), *np.unique(data[labelled]).tolist())


def refuse_unused(reading: MaskReading, values: Collection[float]) -> None:
    """Refuse a label that no mask of a cohort has, and a threshold that no mask exceeds.

    Args:
        reading: How mask values become lesion voxels.
        values: :func:`mask_values` of all masks together; of a cohort without masks none.

    Raises:
        JsddpmError: ``MASK_READING`` (status 3), naming the values that occur.

    >>> refuse_unused(MaskReading((1, 99)), {0.0, 1.0, 2.0})
    Traceback (most recent call last):
    jsddpm.errors.JsddpmError: error[MASK_READING]: no mask has the label 99; fix: use labels that occur: 0, 1, 2
    """
    distinct = sorted(set(values))
    if not distinct:
        return
    if absent := [str(label) for label in reading.labels if label not in distinct]:
        what = f"no mask has the label {', '.join(absent)}"
        raise JsddpmError("MASK_READING", what, fix=f"use labels that occur: {first_numbers(distinct, 20)}")
    if reading.threshold is not None and distinct[-1] <= reading.threshold:
        what = f"no mask has a value above the threshold {reading.threshold:g}"
        raise JsddpmError(
            "MASK_READING", what, fix=f"lower the threshold: mask values range from {distinct[0]:g} to {distinct[-1]:g}"
        )
