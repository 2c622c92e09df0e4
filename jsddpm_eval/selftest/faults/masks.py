"""Masks that differ from real ones in size, outline, parts or place, or belong to another image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from jsddpm_eval.real_slices import GeneratedArrays, Masks
from jsddpm_eval.selftest.fault import Fault, Plant, in_lesions
from jsddpm_eval.selftest.faults._pixels import PLANE, blurred, heads, moved, of_a_share, present
from jsddpm_eval.selftest.world import World, mixed

_SHAPE = ("lesion_shape", "lesion_contrast")
_CONTRAST = ("lesion_contrast",)
_SHARES = (0.25, 0.5, 1)
_UNIT = "of samples"
Change = Callable[[Masks, float, np.random.Generator], Masks]


def _on_masks(change: Change) -> Plant:
    """A fault that changes masks; masks that would become empty are kept."""

    def plant(world: World, strength: float, rng: np.random.Generator) -> GeneratedArrays:
        perfect = world.perfect
        return replace(perfect, masks=_kept(change(perfect.masks, strength, rng), perfect.masks))

    return plant


def _share(change: Change) -> Plant:
    """A fault that changes the masks of a share of the samples."""
    return of_a_share(_on_masks(change))


def _kept(masks: Masks, before: Masks) -> Masks:
    return np.where(masks.any((1, 2), keepdims=True), masks, before)


def _permuted(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Masks of a share of the samples, permuted in a cycle within each condition."""
    perfect, chosen, source = world.perfect, world.some(share, rng), np.arange(len(world.draw))
    for k, p in set(zip(world.z_bin.tolist(), world.pathology.tolist(), strict=True)):
        places = rng.permutation(np.flatnonzero(chosen & (world.z_bin == k) & (world.pathology == p)))
        source[places] = np.roll(places, 1)
    return replace(perfect, masks=perfect.masks[source])


def _of_other_bins(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    perfect = world.perfect
    bins = (
        rng.choice(np.unique(world.z_bin[world.pathology == 1]), len(world.draw))
        if world.pathology.any()
        else world.z_bin
    )
    others = world.showing(world.pick(world.source, rng, z_bin=bins))
    return mixed(world.some(share, rng), replace(perfect, masks=others.masks), perfect)


def _away(masks: Masks, pixels: float, rng: np.random.Generator) -> Masks:
    """Masks moved in one of four directions, inside the head if one of them allows it."""
    step, out = int(pixels), masks.copy()
    ways = np.array([(step, 0), (-step, 0), (0, step), (0, -step)])
    for number in np.flatnonzero(masks.any((1, 2))):
        tried = [moved(masks[number : number + 1], int(r), int(c))[0] for r, c in rng.permutation(ways)]
        out[number] = max(tried, key=np.count_nonzero)
    return out


def _dilated(masks: Masks, times: float, rng: np.random.Generator) -> Masks:
    return np.asarray(ndimage.binary_dilation(masks, PLANE, iterations=int(times)))


def _eroded(masks: Masks, times: float, rng: np.random.Generator) -> Masks:
    """Masks eroded by some pixels; masks that would vanish keep their innermost pixels."""
    small = ndimage.binary_erosion(masks, PLANE, iterations=int(times))
    return np.where(small.any((1, 2), keepdims=True), small, _innermost(masks))


def _one_pixel(masks: Masks, share: float, rng: np.random.Generator) -> Masks:
    first = np.zeros_like(masks).reshape(len(masks), -1)
    inner = _innermost(masks).reshape(len(masks), -1)
    rows = np.flatnonzero(inner.any(1))
    first[rows, inner[rows].argmax(1)] = True
    return first.reshape(masks.shape)


def _innermost(masks: Masks) -> Masks:
    depth = np.stack([ndimage.distance_transform_edt(np.pad(m, 1))[1:-1, 1:-1] for m in masks])
    return np.asarray(masks & (depth == depth.max((1, 2), keepdims=True)))


def _jagged(masks: Masks, share: float, rng: np.random.Generator) -> Masks:
    """Masks with a share of the pixels on both sides of the outline flipped."""
    edge = ndimage.binary_dilation(masks, PLANE) & ~ndimage.binary_erosion(masks, PLANE)
    return np.asarray(masks ^ (edge & (rng.random(masks.shape) < share)))


def _rounded(masks: Masks, sigma: float, rng: np.random.Generator) -> Masks:
    return present(blurred(masks.astype(np.float32), sigma))


def _boxed(masks: Masks, share: float, rng: np.random.Generator) -> Masks:
    rows, columns = _between(np.any(masks, axis=2)), _between(np.any(masks, axis=1))
    return rows[:, :, None] & columns[:, None, :]


def _between(lines: Masks) -> Masks:
    """Masks filled from the first to the last pixel of each row."""
    return np.maximum.accumulate(lines, 1) & np.maximum.accumulate(lines[:, ::-1], 1)[:, ::-1]


def _largest_part(masks: Masks, share: float, rng: np.random.Generator) -> Masks:
    out = masks.copy()
    for number, mask in enumerate(masks):
        parts, count = ndimage.label(mask)
        if count > 1:
            out[number] = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return out


def _more_parts(world: World, parts: float, rng: np.random.Generator) -> GeneratedArrays:
    """Masks with further spots of 3 x 3 pixels at random places in the head."""
    perfect = world.perfect
    masks, head = perfect.masks.copy(), heads(perfect.images)
    for number in np.flatnonzero(masks.any((1, 2))):
        places = np.argwhere(head[number, 1:-1, 1:-1] & ~masks[number, 1:-1, 1:-1]) + 1
        for row, column in rng.choice(places, min(int(parts), len(places)), replace=False):
            masks[number, row - 1 : row + 2, column - 1 : column + 2] = True
    return replace(perfect, masks=masks)


def _whole(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Masks of the whole head."""
    perfect = world.perfect
    return mixed(world.some(share, rng), replace(perfect, masks=_kept(heads(perfect.images), perfect.masks)), perfect)


def _same(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """One mask for all samples of a bin."""
    perfect, masks = world.perfect, world.perfect.masks.copy()
    for k in np.unique(world.z_bin):
        places = np.flatnonzero((world.z_bin == k) & (world.pathology == 1))
        masks[places] = masks[places[:1]]
    return mixed(world.some(share, rng), replace(perfect, masks=masks), perfect)


PERMUTED = Fault("masks_permuted", "masks", "masks of other samples", _CONTRAST, _SHARES, _UNIT, _permuted, in_lesions)
FAULTS = (
    PERMUTED,
    Fault("masks_other_bins", "masks", "masks of other bins", _SHAPE[::-1], _SHARES, _UNIT, _of_other_bins, in_lesions),
    Fault("masks_same", "masks", "one mask for all samples", _SHAPE[::-1], _SHARES, _UNIT, _same, in_lesions),
    Fault("masks_mirrored", "masks", "mirrored masks", _SHAPE[::-1], _SHARES, _UNIT,
          _share(lambda masks, share, rng: masks[:, :, ::-1]), in_lesions),
    Fault("masks_moved", "masks", "moved masks", _CONTRAST, (3, 6, 10), "px", _on_masks(_away), in_lesions),
    Fault("masks_dilated", "masks", "masks too large", _SHAPE, (1, 2, 3), "px", _on_masks(_dilated), in_lesions),
    Fault("masks_eroded", "masks", "masks too small", _SHAPE, (1, 2, 3), "px", _on_masks(_eroded), in_lesions),
    Fault("masks_one_pixel", "masks", "masks of one pixel", _SHAPE, _SHARES, _UNIT, _share(_one_pixel), in_lesions),
    Fault("masks_jagged", "masks", "jagged outlines", _SHAPE, (0.15, 0.3, 0.5), "of the edge", _on_masks(_jagged),
          in_lesions),
    Fault("masks_rounded", "masks", "smoothed outlines", _SHAPE, (1, 2, 3), "px", _on_masks(_rounded), in_lesions),
    Fault("masks_boxed", "masks", "rectangular masks", _SHAPE, _SHARES, _UNIT, _share(_boxed), in_lesions),
    Fault("masks_one_part", "masks", "small parts left out", _SHAPE, _SHARES, _UNIT, _share(_largest_part), in_lesions),
    Fault("masks_more_parts", "masks", "masks of too many parts", _SHAPE, (1, 2, 4), "parts", _more_parts, in_lesions),
    Fault("masks_whole", "masks", "masks of the whole head", _SHAPE, _SHARES, _UNIT, _whole, in_lesions),
)  # fmt: skip
