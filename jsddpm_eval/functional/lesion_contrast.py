"""Contrast of the image at a lesion mask, and agreement of the mask's border with an edge of the image.

All differences are in standard deviations of the head outside the mask, so that gain cancels. Pixels outside the head
are left out, and lesion pixels are no part of the surround.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from jsddpm_eval.functional.appearance import head

CONTRAST = ("contrast", "step", "within", "beyond", "texture")
RING = 3
_FEW = 8  # pixels below which their spread says little

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def mask_contrast(images: NDArray[np.float32], masks: Flags) -> Array:
    """Five numbers of each slice, float64 ``(N, len(CONTRAST))``; NaN without pixels for a number.

    Contrast is the mean inside the mask less that of the ring of 3 pixels around it; step the mean of its outermost
    pixels less that of the pixels that touch it; within the mean of its other pixels less that of its outermost ones;
    beyond the mean of the pixels that touch it less that of the ring's others; texture the log standard deviation
    inside it, of at least 8 pixels.

    Args:
        images: ``(N, H, W)`` in [0, 1].
        masks: Boolean ``(N, H, W)``.
    """
    inside = filled_head(images)
    lesion, around = masks & inside, inside & ~masks
    touched, ring = (_grown(masks, r) & around for r in (1, RING))
    rim = lesion & _grown(~masks, 1)
    scale = np.maximum(_spread(images, around), 1e-3)
    mean = {
        name: _mean(images, where)
        for name, where in {
            "lesion": lesion, "ring": ring, "rim": rim, "core": lesion & ~rim, "touched": touched,
            "far": ring & ~touched,
        }.items()
    }  # fmt: skip
    pairs = (("lesion", "ring"), ("rim", "touched"), ("core", "rim"), ("touched", "far"))
    differences = [(mean[a] - mean[b]) / scale for a, b in pairs]
    texture = np.log(_spread(images, lesion) / scale + 1e-2)
    return np.stack([*differences, np.where(lesion.sum((1, 2)) >= _FEW, texture, np.nan)], 1)


def filled_head(images: NDArray[np.float32]) -> Flags:
    """Pixels of the head (:func:`~jsddpm_eval.functional.appearance.head`) and of its holes, ``(N, H, W)``."""
    plane = ndimage.generate_binary_structure(2, 1)[None]
    return np.asarray(ndimage.binary_fill_holes(head(images), plane)) if len(images) else head(images)


def _grown(flags: Flags, by: int) -> Flags:
    return np.asarray(ndimage.maximum_filter(flags, (1, 2 * by + 1, 2 * by + 1)))


def _mean(images: NDArray[np.floating], where: Flags) -> Array:
    """NaN where there are no pixels."""
    count = where.sum((1, 2))
    total = np.where(where, images, 0).sum((1, 2), dtype=np.float64)
    return np.asarray(np.divide(total, count, out=np.full(len(images), np.nan), where=count > 0), np.float64)


def _spread(images: NDArray[np.float32], where: Flags) -> Array:
    mean = _mean(images, where)
    return np.sqrt(_mean((images - mean[:, None, None]) ** 2, where))
