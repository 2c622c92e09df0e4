"""Gain, contrast and other maps of intensities."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from jsddpm_eval.real_slices import Images
from jsddpm_eval.selftest.fault import Fault
from jsddpm_eval.selftest.faults._pixels import AIR, Values, biased, heads, on_images

_NAME = ("intensity",)


def _contrast(images: Images, factor: float, rng: np.random.Generator) -> Values:
    tissue = images > AIR
    count = np.maximum(tissue.sum((1, 2), keepdims=True), 1)
    mean = (images * tissue).sum((1, 2), keepdims=True) / count
    return np.where(tissue, mean + factor * (images - mean), images)


def _inverted(images: Images, share: float, rng: np.random.Generator) -> Values:
    return (1 - share) * images + share * (1 - images)


def _inverted_tissue(images: Images, share: float, rng: np.random.Generator) -> Values:
    head = heads(images) & (images > AIR)
    top = ndimage.maximum(
        images, np.where(head, np.arange(1, len(images) + 1)[:, None, None], 0), range(1, len(images) + 1)
    )
    other = np.asarray(top, np.float32)[:, None, None] - images
    return np.where(head, (1 - share) * images + share * other, images)


def _levels(images: Images, levels: float, rng: np.random.Generator) -> Values:
    return np.round(images * (levels - 1)) / np.float32(levels - 1)


def _uneven(images: Images, sd: float, rng: np.random.Generator) -> Values:
    return images * np.exp(sd * rng.standard_normal((len(images), 1, 1)))


GAIN = Fault(
    "gain", "intensity", "a gain", _NAME, (1.05, 1.1, 1.2), "times",
    on_images(lambda images, gain, rng: images * np.float32(gain)),
)  # fmt: skip
FAULTS = (
    GAIN,
    Fault(
        "dim", "intensity", "a loss of brightness", _NAME, (0.95, 0.9, 0.8), "times",
        on_images(lambda images, gain, rng: images * np.float32(gain)),
    ),
    Fault(
        "gamma", "intensity", "a gamma", _NAME, (1.1, 1.25, 1.5), "",
        on_images(lambda images, gamma, rng: images ** np.float32(gamma)),
    ),
    Fault("contrast", "intensity", "a loss of contrast", _NAME, (0.9, 0.8, 0.6), "times", on_images(_contrast)),
    Fault("bias_field", "intensity", "a bias field", _NAME, (0.1, 0.2, 0.4), "of the intensity", on_images(biased)),
    Fault("uneven_gain", "intensity", "a gain that varies", _NAME, (0.1, 0.2, 0.4), "log SD", on_images(_uneven)),
    Fault(
        "saturated", "intensity", "saturation", _NAME, (0.8, 0.6, 0.4), "of the range",
        on_images(lambda images, level, rng: np.minimum(images, np.float32(level))),
    ),
    Fault("raised_air", "intensity", "an offset", ("intensity", "outline"), (0.01, 0.02, 0.05), "of the range",
          on_images(lambda images, offset, rng: images + np.float32(offset))),
    Fault("inverted", "intensity", "inversion", _NAME, (0.6, 0.8, 1), "of the way", on_images(_inverted)),
    Fault(
        "inverted_tissue", "intensity", "inversion inside the head", _NAME, (0.6, 0.8, 1), "of the way",
        on_images(_inverted_tissue),
    ),
    Fault(
        "quantised", "intensity", "coarse quantisation", ("unlike_real", "intensity", "texture", "sharpness"),
        (64, 32, 12), "levels", on_images(_levels),
    ),
)  # fmt: skip
