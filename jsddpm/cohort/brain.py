"""Where the brain is in a volume or slice, as far as intensities tell; needs no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu


def estimate_brain(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Brain region of a volume: above Otsu's threshold, largest connected part, closed and filled.

    An estimate for windows and fractions (a scalp, where present, is included); not a segmentation. Parts are found on
    every other voxel of each axis; at their edge, every voxel decides for itself.

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
    outside, _ = ndimage.label(~closed)  # the padding makes all that is not enclosed one part
    filled = (outside != outside.flat[0])[(slice(2, -2),) * values.ndim]
    core = ndimage.binary_erosion(filled)
    twice = np.ones((2,) * values.ndim, bool)
    whole, inner = (np.kron(part, twice)[tuple(map(slice, values.shape))] for part in (filled, core))
    return np.asarray(inner | (whole & (values > threshold)))
