"""Blur, noise and smoothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from jsddpm_eval.real_slices import GeneratedArrays, Images
from jsddpm_eval.selftest.fault import Fault
from jsddpm_eval.selftest.faults._pixels import AIR, Values, blurred, clipped, noisy, on_images
from jsddpm_eval.selftest.world import World, mixed

_NAME = ("sharpness",)


def _along(images: Images, sigma: float, rng: np.random.Generator) -> Values:
    smooth: Images = ndimage.gaussian_filter(images, (0, sigma, 0))
    return smooth


def _median(images: Images, share: float, rng: np.random.Generator) -> Values:
    return np.asarray((1 - share) * images + share * ndimage.median_filter(images, (1, 3, 3)))


def _sharpened(images: Images, amount: float, rng: np.random.Generator) -> Values:
    return images + amount * (images - blurred(images, 1.0))


def _half_sharpened(world: World, amount: float, rng: np.random.Generator) -> GeneratedArrays:
    """Half of the samples smoother, and the others sharper."""
    perfect = world.perfect
    smooth, sharp = (
        replace(perfect, images=clipped(x))
        for x in (blurred(perfect.images, amount), _sharpened(perfect.images, amount, rng))
    )
    return mixed(world.some(0.5, rng), smooth, sharp)


def _resampled(images: Images, factor: float, rng: np.random.Generator) -> Values:
    smooth = blurred(images, (factor - 1) / 2)
    small = ndimage.zoom(smooth, (1, 1 / factor, 1 / factor), order=1, grid_mode=True, mode="nearest")
    back = [large / little for large, little in zip(images.shape[1:], small.shape[1:], strict=True)]
    return np.asarray(ndimage.zoom(small, (1, *back), order=1, grid_mode=True, mode="nearest"))


def _noise_in(images: Images, sd: float, rng: np.random.Generator) -> Values:
    noise = rng.standard_normal(images.shape, np.float32)
    return images + sd * np.where(images > AIR, noise, 0)


BLUR = Fault(
    "blur", "sharpness", "blur", _NAME, (0.5, 0.7, 1.0, 1.5), "px",
    on_images(lambda images, sigma, rng: blurred(images, sigma)),
)  # fmt: skip
NOISE = Fault("noise", "sharpness", "noise", _NAME, (0.01, 0.02, 0.05), "of the range", on_images(noisy))
FAULTS = (
    BLUR,
    Fault("blur_rows", "sharpness", "blur along one axis", _NAME, (0.5, 0.7, 1.0), "px", on_images(_along)),
    Fault("median", "sharpness", "smoothing by a median", _NAME, (0.3, 0.6, 1), "of the way", on_images(_median)),
    Fault("resampled", "sharpness", "a coarser grid", _NAME, (1.5, 2, 3), "times", on_images(_resampled)),
    Fault("sharpened", "sharpness", "sharpening", _NAME, (0.25, 0.5, 1.0), "times", on_images(_sharpened)),
    Fault(
        "half_sharpened", "sharpness", "blur of one half and sharpening of the other", _NAME, (0.4, 0.6, 0.8),
        "px and times", _half_sharpened,
    ),
    NOISE,
    Fault(
        "noise_in_tissue", "sharpness", "noise in tissue", _NAME, (0.01, 0.02, 0.05), "of the range",
        on_images(_noise_in),
    ),
)  # fmt: skip
