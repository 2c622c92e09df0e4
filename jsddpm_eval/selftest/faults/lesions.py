"""Lesions in the image: missing, of the wrong sign, too faint, too bright, or all in one place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from jsddpm_eval.real_slices import GeneratedArrays, Masks
from jsddpm_eval.selftest.fault import Fault, in_lesions
from jsddpm_eval.selftest.faults._pixels import blurred, clipped, heads, mirrored, moved, without_lesion
from jsddpm_eval.selftest.world import World, mixed

_CONTRAST = ("lesion_contrast",)
_SHARES = (0.25, 0.5, 1)
_UNIT = "of samples"


def _removed(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    perfect = world.perfect
    healed = replace(perfect, images=without_lesion(perfect.images, perfect.masks))
    return mixed(world.some(share, rng), healed, perfect)


def _control_images(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Images of controls under the masks of lesion samples."""
    perfect = world.perfect
    controls = world.showing(world.pick(world.source, rng, pathology=np.zeros_like(world.pathology)))
    return mixed(world.some(share, rng), replace(perfect, images=controls.images), perfect)


def _scaled(world: World, factor: float, rng: np.random.Generator) -> GeneratedArrays:
    """Lesions with their difference from the surround multiplied by a factor."""
    perfect = world.perfect
    healed = without_lesion(perfect.images, perfect.masks)
    return replace(perfect, images=clipped(healed + np.float32(factor) * (perfect.images - healed)))


def _soft(world: World, sigma: float, rng: np.random.Generator) -> GeneratedArrays:
    """Lesions with their difference from the surround blurred."""
    perfect = world.perfect
    healed = without_lesion(perfect.images, perfect.masks)
    return replace(perfect, images=clipped(healed + blurred(perfect.images - healed, sigma)))


def _on_extreme(world: World, share: float, rng: np.random.Generator, sign: int) -> GeneratedArrays:
    """Images of controls, the masks moved to the brightest (1) or darkest (-1) spot inside the head."""
    controls = _control_images(world, 1.0, rng)
    inside = ndimage.binary_erosion(heads(controls.images), np.ones((1, 5, 5)))
    value = np.where(inside, sign * blurred(controls.images, 1.5), -np.inf)
    masks = controls.masks.copy()
    for number, mask in enumerate(controls.masks):
        if mask.any() and inside[number].any():
            masks[number] = _centred(mask, np.unravel_index(int(value[number].argmax()), mask.shape))
    return mixed(world.some(share, rng), replace(controls, masks=masks), world.perfect)


def _bright_spot(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    return _on_extreme(world, share, rng, 1)


def _dark_spot(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    return _on_extreme(world, share, rng, -1)


def _one_place(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Lesions, in image and mask, moved towards the place of one of them; the strength is the share of the way."""
    perfect = world.perfect
    healed = without_lesion(perfect.images, perfect.masks)
    difference = perfect.images - healed
    centres = np.array([ndimage.center_of_mass(m) if m.any() else (np.nan, np.nan) for m in perfect.masks])
    present = np.flatnonzero(~np.isnan(centres[:, 0]))
    if not len(present):
        return perfect
    target = centres[rng.choice(present)]
    images, masks = perfect.images.copy(), perfect.masks.copy()
    for number in present:
        step = np.round(share * (target - centres[number])).astype(int)
        mask = moved(masks[number : number + 1], *map(int, step))
        if mask.any():
            masks[number] = mask[0]
            images[number] = healed[number] + moved(difference[number : number + 1], *map(int, step))[0]
    return replace(perfect, images=clipped(images), masks=masks)


def _image_mirrored(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    perfect = world.perfect
    return mixed(world.some(share, rng), replace(perfect, images=mirrored(perfect).images), perfect)


def _centred(mask: Masks, place: tuple[np.intp, ...]) -> Masks:
    step = np.round(np.array(place) - np.array(ndimage.center_of_mass(mask))).astype(int)
    there: Masks = moved(mask[None], int(step[0]), int(step[1]))[0]
    return there if there.any() else mask


FAULTS = (
    Fault("lesions_removed", "lesions", "masks without a lesion", _CONTRAST, _SHARES, _UNIT, _removed, in_lesions),
    Fault("lesions_on_controls", "lesions", "masks on control images", _CONTRAST, _SHARES, _UNIT, _control_images,
          in_lesions),
    Fault("lesions_faint", "lesions", "faint lesions", _CONTRAST, (0.75, 0.5, 0.25), "of their contrast", _scaled,
          in_lesions),
    Fault("lesions_bright", "lesions", "bright lesions", _CONTRAST, (1.5, 2, 3), "of their contrast", _scaled,
          in_lesions),
    Fault("lesions_dark", "lesions", "lesions darker than their surround", _CONTRAST, (-0.25, -0.5, -1),
          "of their contrast", _scaled, in_lesions),
    Fault("lesions_soft", "lesions", "blurred lesions", ("lesion_contrast", "lesion_shape", "sharpness"), (1, 2, 4),
          "px", _soft, in_lesions),
    Fault("bright_spot", "lesions", "masks on the brightest spot of controls", ("lesion_contrast", "lesion_shape"),
          _SHARES, _UNIT, _bright_spot, in_lesions),
    Fault("dark_spot", "lesions", "masks on the darkest spot of controls", ("lesion_contrast", "lesion_shape"),
          _SHARES, _UNIT, _dark_spot, in_lesions),
    Fault("one_place", "lesions", "lesions all in one place", ("lesion_shape",), (0.5, 0.75, 1), "of the way",
          _one_place, in_lesions),
    Fault("image_mirrored", "lesions", "images mirrored, their masks not", ("lesion_contrast", "outline"), _SHARES,
          _UNIT, _image_mirrored, in_lesions),
)  # fmt: skip
