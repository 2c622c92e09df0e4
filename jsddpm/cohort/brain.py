"""An estimate of the brain region of a volume or slice from its intensities; needs no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from jsddpm.errors import JsddpmError


def require_brain(brain: NDArray[np.bool_], path: Path) -> NDArray[np.bool_]:
    """The brain region of an image, which must not be empty.

    Raises:
        JsddpmError: ``NO_BRAIN`` (status 3).
    """
    if not brain.any():
        cure = "check the image and its orientation"
        raise JsddpmError("NO_BRAIN", "no brain-like region was found", fix=cure, file=path)
    return brain


def estimate_brain(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Brain region of a volume: above Otsu's threshold, largest connected part, closed and filled.

    This estimate is for intensity windows and fractions, and includes the scalp of images that show it; it does not
    replace a segmentation. Parts are found on every other voxel of each axis; at their edges, each voxel is tested.

    Args:
        values: ``(X, Y, Z)`` intensities of a volume, or ``(H, W)`` of a slice, background dark.
    """
    coarse = values[(slice(None, None, 2),) * values.ndim]
    if coarse.min() == coarse.max():
        return np.zeros(values.shape, bool)
    threshold = threshold_otsu(coarse)
    labels, _ = ndimage.label(coarse > threshold)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    closed = ndimage.binary_closing(np.pad(largest, 2))
    outside, _ = ndimage.label(~closed)  # the padding connects all background that is not enclosed
    filled = (outside != outside.flat[0])[(slice(2, -2),) * values.ndim]
    core = ndimage.binary_erosion(filled)
    twice = np.ones((2,) * values.ndim, bool)
    whole, inner = (np.kron(part, twice)[tuple(map(slice, values.shape))] for part in (filled, core))
    return np.asarray(inner | (whole & (values > threshold)))
