"""Lesion masks on the grid of their image: nothing is resampled to make one fit, no label is guessed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jsddpm.cohort.nifti import Volume
from jsddpm.errors import JsddpmError

_MAX_CORNER_SHIFT_VOXELS = 0.1


def check_same_grid(image: Volume, mask: Volume) -> None:
    """Refuse a mask that does not lie on its image's grid; nothing is resampled to make it fit.

    Raises:
        JsddpmError: ``MASK_SHAPE`` or ``MASK_AFFINE``, printing both.
    """
    if image.data.shape != mask.data.shape:
        raise JsddpmError(
            "MASK_SHAPE",
            f"mask shape {mask.data.shape} differs from the image's {image.data.shape} ({image.path.name})",
            fix="export the mask on the image's grid",
            file=mask.path,
        )
    corners = np.array([[i, j, k, 1.0] for i in (0, 1) for j in (0, 1) for k in (0, 1)]).T
    corners[:3] *= np.array(image.data.shape)[:, None] - 1
    moved = np.linalg.solve(image.affine, mask.affine @ corners) - corners
    shift = float(np.linalg.norm(moved[:3], axis=0).max())
    if shift > _MAX_CORNER_SHIFT_VOXELS:
        raise JsddpmError(
            "MASK_AFFINE",
            f"mask lies {shift:.2f} voxels away from the image at a corner ({image.path.name})",
            fix="export the mask on the image's grid, or correct its header",
            file=mask.path,
        )


def binary_mask(mask: Volume, *, label: int | None = None, threshold: float | None = None) -> NDArray[np.bool_]:
    """Lesion voxels of a mask volume.

    Args:
        mask: The mask as read.
        label: Take voxels equal to this label.
        threshold: Take voxels above this value.

    Raises:
        JsddpmError: ``MASK_LABELS`` when the values are not {0, one other value} and neither option says how to read
            them.
    """
    if label is not None:
        return np.equal(mask.data, label)
    if threshold is not None:
        return np.greater(mask.data, threshold)
    values = np.unique(mask.data)
    if np.isin(values, (0.0, 1.0)).all():
        return np.equal(mask.data, 1)
    listed = ", ".join(f"{v:g}" for v in values[:6]) + (", ..." if len(values) > 6 else "")
    raise JsddpmError(
        "MASK_LABELS",
        f"mask values are {listed}, not 0 and 1",
        fix="say which voxels are lesion with --mask-label or --mask-threshold",
        file=mask.path,
    )
