"""The brain region of a volume or slice, estimated from its intensities, and their window; needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from jsddpm.errors import JsddpmError
from jsddpm.wording import counted

Background = Literal["dark", "padded", "bright"]
"""What a background is beside the head: its lowest value; that but for padding below it; or brighter."""
WINDOW = (0.1, 99.9)
"""Percentiles inside the brain that become 0 and 1, unless others are given."""
_FEW = 1e-3  # of a volume: fewer voxels are no brain
_BELOW = 0.05  # of the range of the head: how far a tenth of the head lies below a background that is not dark


def require_brain(brain: NDArray[np.bool_], path: Path) -> NDArray[np.bool_]:
    """The brain region of an image, which must not be empty.

    Raises:
        JsddpmError: ``NO_BRAIN`` (status 3).
    """
    if not brain.any():
        cure = "check the image and its orientation"
        raise JsddpmError("NO_BRAIN", "no brain-like region was found", fix=cure, file=path)
    return brain


def intensity_window(
    values: NDArray[np.float32], brain: NDArray[np.bool_], path: Path, percentiles: tuple[float, float] = WINDOW
) -> tuple[float, float]:
    """The two intensities that become 0 and 1.

    Args:
        values: Intensities of an image.
        brain: Its brain voxels.
        path: For the error.
        percentiles: Percentiles inside the brain.

    Raises:
        JsddpmError: ``CONTRAST`` (status 3) when the brain has one intensity.
    """
    low, high = (float(v) for v in np.percentile(values[brain], percentiles))
    if not high > low:
        what, cure = "the brain has a single intensity", "export the image again, or leave it out"
        if (count := int(brain.sum())) < _FEW * brain.size:
            what = f"the brain that was found has {counted(count, 'voxel')} of {high:g}, which may be an outlier"
            cure = f"lower the outlier to the values of the head (99.9% are at most {np.percentile(values, 99.9):g})"
        raise JsddpmError("CONTRAST", what, fix=cure, file=path)
    return low, high


def with_dark_background(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], Background]:
    """A volume whose background is its lowest value, and what made it brighter before.

    CT has padding: air is -1024, and what lies outside of the scanner's circle -3024. Voxels of the lowest value are
    padding if they alone make a background look bright; they get the value of the background. Otherwise a bright
    background gets the lowest value, see :func:`dark_background`.

    Args:
        values: Intensities ``(X, Y, Z)``.

    Returns:
        The volume, the same array if its background is ``dark``; ``padded`` or ``bright`` if it was changed.

    >>> scan = np.pad(np.float32([[[3, 5, 7]]]), 3)
    >>> scan[:, :, 0] = -9
    >>> filled, background = with_dark_background(scan)
    >>> np.unique(filled).tolist(), background
    ([0.0, 3.0, 5.0, 7.0], 'padded')
    """
    level, darkened = _background(values), dark_background(values)
    if level is None or darkened is values:
        return values, "dark"
    filled = np.where(values == values.min(), level, values)
    return (filled, "padded") if dark_background(filled) is filled else (darkened, "bright")


def _background(values: NDArray[np.float32]) -> np.float32 | None:
    """The value of more than half of the outermost voxels; None if there is none."""
    outermost = np.concatenate([np.take(values, (0, -1), axis).ravel() for axis in range(values.ndim)])
    found, counts = np.unique(outermost, return_counts=True)
    return found[counts.argmax()] if 2 * counts.max() > len(outermost) else None


def dark_background(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A volume whose background is its lowest value; the same array, unless the head has values below its background.

    Images that were z-scored inside the brain have such a background, of zeros. It is changed if more than half of the
    outermost voxels have one value, and a tenth of all other voxels lie clearly below it.

    Args:
        values: Intensities ``(X, Y, Z)``.

    >>> volume = np.pad(np.float32([[[-2, -1, 1, 2]]]), 4)
    >>> [np.unique(v).tolist() for v in (volume, dark_background(volume), dark_background(volume + 2))]
    [[-2.0, -1.0, 0.0, 1.0, 2.0], [-2.0, -1.0, 1.0, 2.0], [0.0, 1.0, 3.0, 4.0]]
    """
    level, lowest = _background(values), values.min()
    if level is None or level == lowest:
        return values
    others = values[values != level]
    low, dark, high = np.percentile(others, (1, 10, 99))
    if dark > level - _BELOW * (high - low):
        return values
    parts, _ = ndimage.label(np.pad(values == level, 1, constant_values=True))  # the padding connects all background
    background = (parts == parts.flat[0])[(slice(1, -1),) * values.ndim]
    return np.where(background, lowest, values)


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
    exponent = np.frexp(np.abs(coarse).max())[1]  # a power of 2 rounds nothing, and squares do not overflow
    threshold = np.ldexp(threshold_otsu(np.ldexp(coarse, -exponent)), exponent)
    labels, _ = ndimage.label(coarse > threshold)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    closed = ndimage.binary_closing(np.pad(largest, 2))
    outside, _ = ndimage.label(~closed)  # the padding connects all background that is not enclosed
    filled = (outside != outside.flat[0])[(slice(2, -2),) * values.ndim]
    core = ndimage.binary_erosion(filled)
    twice = np.ones((2,) * values.ndim, bool)
    whole, inner = (np.kron(part, twice)[tuple(map(slice, values.shape))] for part in (filled, core))
    return np.asarray(inner | (whole & (values > threshold)))
