"""A minority of garbage among good samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from jsddpm_eval.real_slices import GeneratedArrays, Images
from jsddpm_eval.selftest.fault import Fault, Plant
from jsddpm_eval.selftest.faults._pixels import PLANE, blurred, clipped, heads
from jsddpm_eval.selftest.world import World, mixed

_SHARES = (0.05, 0.1, 0.2)
_UNIT = "of samples"
_TILE = 8
_WRAP = 0.22  # of the slice: more than the air around a head


def _garbage(make: Callable[[Images, np.random.Generator], Images]) -> Plant:
    """A fault that replaces a share of the images, but no mask, by garbage."""

    def plant(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
        perfect = world.perfect
        bad = replace(perfect, images=clipped(make(perfect.images, rng)))
        return mixed(world.some(share, rng), bad, perfect)

    return plant


def _other_bins(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    bins = rng.choice(np.unique(world.z_bin), len(world.draw))
    return mixed(world.some(share, rng), world.showing(world.pick(world.source, rng, z_bin=bins)), world.perfect)


def _tiles(images: Images, rng: np.random.Generator) -> Images:
    """Images of tiles of 8 x 8 pixels in random order; remainders at the edges are kept."""
    out = images.copy()
    rows, columns = (n // _TILE for n in images.shape[1:])
    box = images[:, : rows * _TILE, : columns * _TILE]
    tiles = box.reshape(len(images), rows, _TILE, columns, _TILE).swapaxes(2, 3).reshape(len(images), -1, _TILE, _TILE)
    order = np.argsort(rng.random(tiles.shape[:2]), axis=1)
    tiles = np.take_along_axis(tiles, order[:, :, None, None], 1)
    back = tiles.reshape(len(images), rows, columns, _TILE, _TILE).swapaxes(2, 3)
    out[:, : rows * _TILE, : columns * _TILE] = back.reshape(box.shape)
    return out


def _halved(images: Images, rng: np.random.Generator) -> Images:
    """Images whose lower half is empty."""
    return np.where(np.arange(images.shape[1])[:, None] < images.shape[1] / 2, images, 0)


def _hole(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """A share of the samples with a black square inside the head, where no lesion is."""
    perfect = world.perfect
    images = perfect.images.copy()
    inside = ndimage.binary_erosion(heads(images), PLANE, iterations=4) & ~perfect.masks
    for image, places in zip(images, inside, strict=True):
        if places.any():
            row, column = rng.choice(np.argwhere(places))
            image[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = 0
    return mixed(world.some(share, rng), replace(perfect, images=images), perfect)


def _wrapped(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """A share of the samples moved down; what leaves the slice at the bottom comes back at the top."""
    perfect = world.perfect
    step = round(_WRAP * perfect.images.shape[1])
    bad = replace(perfect, images=np.roll(perfect.images, step, axis=1), masks=np.roll(perfect.masks, step, axis=1))
    return mixed(world.some(share, rng), bad, perfect)


GARBAGE = Fault(
    "garbage_noise", "mixtures", "samples of noise", ("outliers",), _SHARES, _UNIT,
    _garbage(lambda images, rng: rng.random(images.shape, np.float32)),
)  # fmt: skip
FAULTS = (
    GARBAGE,
    Fault("garbage_blank", "mixtures", "blank samples", ("outliers",), _SHARES, _UNIT,
          _garbage(lambda images, rng: np.zeros_like(images))),
    Fault("garbage_bins", "mixtures", "samples of any bin", ("outliers", "misplaced"), _SHARES, _UNIT, _other_bins),
    Fault("garbage_tiles", "mixtures", "scrambled samples", ("outliers",), _SHARES, _UNIT, _garbage(_tiles)),
    Fault("garbage_blurred", "mixtures", "samples without detail", ("outliers", "sharpness"), _SHARES, _UNIT,
          _garbage(lambda images, rng: blurred(images, 3.0))),
    Fault("garbage_inverted", "mixtures", "inverted samples", ("outliers", "intensity"), _SHARES, _UNIT,
          _garbage(lambda images, rng: 1 - images)),
    Fault("garbage_noisy", "mixtures", "samples under heavy noise", ("outliers", "sharpness"), _SHARES, _UNIT,
          _garbage(lambda images, rng: images + 0.15 * rng.standard_normal(images.shape, np.float32))),
    Fault("hole", "mixtures", "a hole in the head", ("outliers",), (0.1, 0.3, 1), _UNIT, _hole),
    Fault("wrapped", "mixtures", "heads wrapped around the edge", ("outliers", "outline"), (0.05, 0.1, 0.3), _UNIT,
          _wrapped),
    Fault("garbage_dark", "mixtures", "nearly black samples", ("outliers",), _SHARES, _UNIT,
          _garbage(lambda images, rng: 0.03 * images)),
    Fault("garbage_halved", "mixtures", "samples without the back of the head", ("outliers", "outline"), _SHARES, _UNIT,
          _garbage(_halved)),
    Fault("garbage_upside_down", "mixtures", "samples upside down", ("outliers", "outline"), _SHARES, _UNIT,
          _garbage(lambda images, rng: images[:, ::-1])),
)  # fmt: skip
