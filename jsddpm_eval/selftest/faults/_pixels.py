"""Changes of pixels: pure functions of stacks ``(N, H, W)``, images float32 in [0, 1], masks boolean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from jsddpm_eval.real_slices import GeneratedArrays, Images, Masks
from jsddpm_eval.selftest.fault import Plant
from jsddpm_eval.selftest.world import World, mixed

Values = NDArray[np.floating]
Change = Callable[[Images, float, np.random.Generator], Values]
"""What a strength does to images; the result is clipped."""

AIR = 0.05
"""Largest intensity of air; brighter pixels are tissue."""
PLANE = ndimage.generate_binary_structure(2, 1)[None]
"""The four neighbours within a slice, as a structuring element of a stack."""


def clipped(images: Values) -> Images:
    """Intensities in [0, 1]."""
    return np.asarray(np.clip(images, 0, 1), np.float32)


def on_images(change: Change) -> Plant:
    """A fault of images alone."""

    def plant(world: World, strength: float, rng: np.random.Generator) -> GeneratedArrays:
        perfect = world.perfect
        return replace(perfect, images=clipped(change(perfect.images, strength, rng)))

    return plant


def of_a_share(change: Plant) -> Plant:
    """A fault that changes a share of the samples, which is its strength."""
    return lambda world, share, rng: mixed(world.some(share, rng), change(world, share, rng), world.perfect)


def blurred(images: Images, sigma: float) -> Images:
    """Images smoothed by a Gaussian of ``sigma`` pixels."""
    smooth: Images = ndimage.gaussian_filter(images, (0, sigma, sigma))
    return smooth


def noisy(images: Images, sd: float, rng: np.random.Generator) -> Images:
    """Images with normal noise."""
    return clipped(images + sd * rng.standard_normal(images.shape, np.float32))


def smooth_field(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth random field for each slice, its largest absolute value 1."""
    noise = rng.standard_normal(shape).astype(np.float32)
    field = ndimage.gaussian_filter(noise, (0, *(scale * n for n in shape[1:])), mode="wrap")
    field -= field.mean((1, 2), keepdims=True)
    return np.asarray(field / np.abs(field).max((1, 2), keepdims=True), np.float32)


def biased(images: Images, amount: float, rng: np.random.Generator) -> Images:
    """Images multiplied by a smooth field between 1 - amount and 1 + amount."""
    return clipped(images * (1 + amount * smooth_field(images.shape, 0.2, rng)))


def moved(values: NDArray[np.generic], rows: int, columns: int) -> NDArray[np.generic]:
    """A stack shifted by whole pixels and filled with zeros."""
    height, width = values.shape[1:]
    out = np.zeros_like(values)
    to_rows, to_columns = slice(max(rows, 0), height + min(rows, 0)), slice(max(columns, 0), width + min(columns, 0))
    from_rows, from_columns = (
        slice(max(-rows, 0), height - max(rows, 0)),
        slice(max(-columns, 0), width - max(columns, 0)),
    )
    out[:, to_rows, to_columns] = values[:, from_rows, from_columns]
    return out


def warped(samples: GeneratedArrays, matrix: ArrayLike, offset: tuple[float, float] = (0, 0)) -> GeneratedArrays:
    """Images and masks under an affine map about the centre, with an offset in pixels."""
    inner = np.asarray(matrix, float)
    centre = (np.array(samples.images.shape[1:]) - 1) / 2
    whole = np.eye(3)
    whole[1:, 1:] = inner
    start = np.array([0, *(centre - inner @ centre + np.array(offset))])
    image = ndimage.affine_transform(samples.images, whole, start, order=3, mode="grid-constant")
    mask = ndimage.affine_transform(samples.masks.astype(np.float32), whole, start, order=1, mode="grid-constant")
    return replace(samples, images=clipped(image), masks=present(mask))


def present(values: Values) -> Masks:
    """Masks from values in [0, 1]: above one half, or the largest value where that would leave no lesion."""
    most = values.max((1, 2), keepdims=True)
    return np.asarray((values >= np.minimum(0.5, most)) & (most > 0))


def rotation(degrees: float) -> Values:
    """The map that rotates slices, 2 x 2."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def elastic(samples: GeneratedArrays, pixels: float, rng: np.random.Generator) -> GeneratedArrays:
    """Images and masks deformed by a smooth random field of at most so many pixels along each axis."""
    shape = samples.images.shape
    shifts = [pixels * smooth_field(shape, 0.1, rng) for _ in range(2)]
    number, row, column = np.indices(shape, np.float32)
    places = np.stack([number, row + shifts[0], column + shifts[1]])
    image = ndimage.map_coordinates(samples.images, places, order=3, mode="grid-constant")
    mask = ndimage.map_coordinates(samples.masks.astype(np.float32), places, order=1, mode="grid-constant")
    return replace(samples, images=clipped(image), masks=present(mask))


def mirrored(samples: GeneratedArrays) -> GeneratedArrays:
    """Images and masks with left and right exchanged."""
    return replace(samples, images=samples.images[:, :, ::-1].copy(), masks=samples.masks[:, :, ::-1].copy())


def heads(images: Images) -> Masks:
    """The largest bright region of each slice, its holes filled."""
    out = np.zeros(images.shape, bool)
    for number, image in enumerate(images):
        parts, count = ndimage.label(blurred(image[None], 0.5)[0] > AIR)
        if count:
            largest = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
            out[number] = ndimage.binary_fill_holes(largest)
    return out


def without_lesion(images: Images, masks: Masks) -> Images:
    """Lesions replaced by their surround, with the fine texture of the mirrored slice."""
    area = ndimage.binary_dilation(masks, PLANE)
    tissue = (~area).astype(np.float32)
    filled, left = images.copy(), area.copy()
    for sigma in (1.5, 3.0, 6.0, 12.0):
        weight = blurred(tissue, sigma)
        ready = left & (weight > 0.1)
        filled[ready] = (blurred(images * tissue, sigma)[ready] / weight[ready]).astype(np.float32)
        left &= ~ready
    filled = np.where(area, blurred(filled, 1.0), filled)
    mirror = images[:, :, ::-1]
    texture = mirror - blurred(mirror, 1.5)
    quiet = area & ~area[:, :, ::-1] & (np.abs(texture) < 0.1)
    return clipped(filled + np.where(quiet, texture, 0))
