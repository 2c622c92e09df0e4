"""Samples of a generator, and the values that its tool writes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Samples:
    """Samples of a generator: slices ``(N, H, W)``; of volumes, ``depth`` successive slices belong together.

    Attributes:
        images: Intensities in [0, 1], float32.
        masks: Lesion pixels, boolean.
        z: Axial slice of each sample, ``(N,)``.
        z_bin: Its bin.
        pathology: The pathology that it is conditioned on, 0 or 1.
        spacing: Along rows, columns and slices, in mm.
        n_bins: Number of bins.
        depth: Slices of each volume; 1 for slices.
        labels: Mask values of background, of lesion, and with a third value of every other row of lesions.
        soft: Whether masks were resampled with linear interpolation, by a quarter of a pixel.
        swapped: Whether files of images contain masks, and the other way round.
        declared: What the user says of samples without masks or a column of pathology: ``lesion`` or ``control``.
    """

    images: np.ndarray
    masks: np.ndarray
    z: np.ndarray
    z_bin: np.ndarray
    pathology: np.ndarray
    spacing: tuple[float, float, float]
    n_bins: int
    depth: int = 1
    labels: tuple[int, ...] = (0, 1)
    soft: bool = False
    swapped: bool = False
    declared: str = "lesion"

    def pair(self, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is written as image and as mask."""
        return (mask, image) if self.swapped else (image, mask)


def grey(images: np.ndarray) -> np.ndarray:
    """Images in 8 bits."""
    return np.rint(images * 255).astype(np.uint8)


def colour(array: np.ndarray) -> np.ndarray:
    """Grey values in three channels."""
    return np.repeat(array[..., None], 3, axis=-1)


def mask_values(made: Samples, lesion: float = 1, background: float | np.ndarray = 0) -> np.ndarray:
    """Mask values, float32 ``(N, H, W)``: those of a tool for background and lesion, or those of a fault."""
    if made.labels != (0, 1):
        values = np.asarray(made.labels, np.float32)[made.masks.astype(int)]
        if len(made.labels) > 2:
            values[:, ::2] = np.where(made.masks[:, ::2], made.labels[2], values[:, ::2])
    else:
        values = np.where(made.masks, np.float32(lesion), background).astype(np.float32)
    return (0.75 * values + 0.25 * np.roll(values, 1, 2)).astype(np.float32) if made.soft else values


def whole(values: np.ndarray) -> np.ndarray:
    """Mask values as tools save label maps, in 8 bits, unless they are not whole numbers."""
    kept = np.rint(values)
    return kept.astype(np.uint8) if np.array_equal(kept, values) and kept.min() >= 0 else values


def head(made: Samples) -> np.ndarray:
    """What a tool numbers as the rest of the brain: 1 inside the head, 0 outside."""
    return (made.images > 0.3).astype(np.float32)
