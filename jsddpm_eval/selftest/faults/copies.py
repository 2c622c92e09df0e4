"""Slices of training patients, exact or in disguise, shown as new ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from jsddpm_eval.real_slices import GeneratedArrays
from jsddpm_eval.selftest.fault import Fault, Plant, in_lesions
from jsddpm_eval.selftest.faults._pixels import (
    Change,
    biased,
    blurred,
    clipped,
    elastic,
    mirrored,
    noisy,
    of_a_share,
    rotation,
    warped,
)
from jsddpm_eval.selftest.world import World, mixed

_NAME = ("copied",)
_SEAM = 0.7  # pixels over which a pasted lesion fades in
_TRACE = 0.01  # noise that no network's sample is free of
Disguise = Callable[[GeneratedArrays, float, np.random.Generator], GeneratedArrays]


def _copies(world: World, rng: np.random.Generator) -> GeneratedArrays:
    return world.showing(world.pick(world.training, rng))


def _disguised(disguise: Disguise) -> Plant:
    """A fault whose samples are all changed training slices; the strength is that of the change."""
    return lambda world, strength, rng: disguise(_copies(world, rng), strength, rng)


def _share(disguise: Disguise) -> Plant:
    """A fault that replaces a share of the samples by changed training slices."""
    return of_a_share(_disguised(disguise))


def _with_images(change: Change) -> Disguise:
    def disguise(samples: GeneratedArrays, strength: float, rng: np.random.Generator) -> GeneratedArrays:
        return GeneratedArrays(
            clipped(change(samples.images, strength, rng)), samples.masks, samples.z_bin, samples.pathology
        )

    return disguise


def _unchanged(samples: GeneratedArrays, strength: float, rng: np.random.Generator) -> GeneratedArrays:
    return samples


def _traced(samples: GeneratedArrays, strength: float, rng: np.random.Generator) -> GeneratedArrays:
    return GeneratedArrays(noisy(samples.images, _TRACE, rng), samples.masks, samples.z_bin, samples.pathology)


def _of_held_out(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    leaked = world.showing(world.pick(world.held_out, rng))
    return mixed(world.some(share, rng), _traced(leaked, share, rng), world.perfect)


def _of_all(world: World, sd: float, rng: np.random.Generator) -> GeneratedArrays:
    copies = world.showing(world.pick(np.concatenate([world.training, world.held_out]), rng))
    return GeneratedArrays(noisy(copies.images, sd, rng), copies.masks, copies.z_bin, copies.pathology)


def _blended(world: World, weight: float, rng: np.random.Generator) -> GeneratedArrays:
    copies, others = _copies(world, rng), _copies(world, rng)
    image = (1 - weight) * copies.images + weight * others.images
    return GeneratedArrays(clipped(image), copies.masks, copies.z_bin, copies.pathology)


COPY = Fault("copy_exact", "copies", "exact copies", _NAME, (0.25, 0.5, 1), "of samples", _share(_unchanged))


def _halved(samples: GeneratedArrays, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """The left half of each sample with the right half of the next one of its condition."""
    order = np.lexsort((np.arange(len(samples.z_bin)), samples.pathology, samples.z_bin))
    following = np.empty_like(order)
    following[order] = np.roll(order, -1)
    images, masks, middle = samples.images.copy(), samples.masks.copy(), samples.images.shape[2] // 2
    images[:, :, middle:] = samples.images[following][:, :, middle:]
    masks[:, :, middle:] = samples.masks[following][:, :, middle:]
    return replace(samples, images=images, masks=masks)


def _transplanted(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Lesions of training patients in the brains of new ones."""
    copies, perfect = _copies(world, rng), world.perfect
    grown = ndimage.binary_dilation(copies.masks, np.ones((1, 3, 3))).astype(np.float32)
    weight = blurred(grown, _SEAM)
    images = clipped(perfect.images * (1 - weight) + copies.images * weight)
    return mixed(world.some(share, rng), replace(perfect, images=images, masks=copies.masks), perfect)


FAULTS = (
    COPY,
    Fault("copy_traced", "copies", "copies with 1% of noise", _NAME, (0.25, 0.5, 1), "of samples",
          _share(_traced)),
    Fault("copy_noise", "copies", "copies under noise", _NAME, (0.05, 0.03, 0.01), "of the range", _disguised(
        lambda made, sd, rng: GeneratedArrays(noisy(made.images, sd, rng), made.masks, made.z_bin, made.pathology))),
    Fault("copy_shift", "copies", "shifted copies", _NAME, (2, 1, 0.5), "px along each axis", _disguised(
        lambda made, pixels, rng: warped(made, np.eye(2), (pixels, pixels)))),
    Fault("copy_gain", "copies", "copies of another gain", _NAME, (1.2, 1.1, 1.05), "times", _disguised(
        _with_images(lambda images, gain, rng: images * np.float32(gain)))),
    Fault("copy_elastic", "copies", "deformed copies", _NAME, (2, 1, 0.5), "px", _disguised(elastic)),
    Fault("copy_zoom", "copies", "zoomed copies", _NAME, (1.1, 1.05, 1.02), "times", _disguised(
        lambda made, factor, rng: warped(made, np.eye(2) / factor))),
    Fault("copy_blur", "copies", "blurred copies", _NAME, (1.5, 1.0, 0.7), "px", _disguised(
        _with_images(lambda images, sigma, rng: blurred(images, sigma)))),
    Fault("copy_bias", "copies", "copies under a bias field", _NAME, (0.2, 0.1, 0.05), "of the intensity", _disguised(
        _with_images(biased))),
    Fault("copy_mirrored", "copies", "mirrored copies", _NAME, (0.25, 0.5, 1), "of samples", _share(
        lambda made, share, rng: mirrored(made))),
    Fault("copy_turned", "copies", "turned copies", _NAME, (4, 2, 1), "degrees", _disguised(
        lambda made, degrees, rng: warped(made, rotation(degrees)))),
    Fault("copy_blended", "copies", "two training slices blended", ("copied", "sharpness", "unlike_real"),
          (0.5, 0.3, 0.1), "of the second", _blended),
    Fault("copy_halved", "copies", "halves of two training slices", ("copied", "unlike_real", "texture"),
          (0.25, 0.5, 1), "of samples", _share(_halved)),
    Fault("copy_lesion", "copies", "lesions of training patients in other brains", _NAME, (0.25, 0.5, 1), "of samples",
          _transplanted, in_lesions),
    Fault("copy_held_out", "copies", "copies of held-out slices", _NAME, (0.25, 0.5, 1), "of samples",
          _of_held_out),
    Fault("copy_of_all", "copies", "copies of all real slices under noise", _NAME, (0.05, 0.03, 0.01), "of the range",
          _of_all),
)  # fmt: skip
