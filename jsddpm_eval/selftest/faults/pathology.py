"""Lesions in control samples, lesion samples without a lesion, and control images that show one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jsddpm_eval.real_slices import GeneratedArrays
from jsddpm_eval.selftest.fault import Fault, in_controls, in_lesions
from jsddpm_eval.selftest.faults._pixels import moved
from jsddpm_eval.selftest.world import World, mixed

_NAME = ("disobeyed",)
_SHARES = (0.25, 0.5, 1)
_UNIT = "of samples"


def _other(world: World, rng: np.random.Generator) -> GeneratedArrays:
    """Slices of the same bin and the other pathology."""
    return world.showing(world.pick(world.source, rng, pathology=1 - world.pathology))


def _swapped(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    return mixed(world.some(share, rng), _other(world, rng), world.perfect)


def _masks_emptied(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    perfect = world.perfect
    return mixed(world.some(share, rng), replace(perfect, masks=np.zeros_like(perfect.masks)), perfect)


def _masks_added(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Control images, unchanged, with masks of lesion samples."""
    perfect = world.perfect
    return mixed(world.some(share, rng), replace(perfect, masks=_other(world, rng).masks), perfect)


def _stray_pixels(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    perfect, spot = world.perfect, np.zeros_like(world.perfect.masks[:1])
    spot[:, spot.shape[1] // 2, spot.shape[2] // 2] = True
    row, column = rng.integers(-5, 6, 2)
    stray = np.broadcast_to(moved(spot, int(row), int(column)), perfect.masks.shape)
    return mixed(world.some(share, rng), replace(perfect, masks=np.asarray(stray, bool)), perfect)


def _control_lesions(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Images of lesion samples with empty masks; samples whose mask was not emptied are the perfect ones."""
    other = _other(world, rng)
    return mixed(world.some(share, rng), replace(other, masks=np.zeros_like(other.masks)), world.perfect)


CONTROL_LESIONS = Fault(
    "control_lesions", "pathology", "control images that show a lesion", ("control_lesion",), _SHARES, _UNIT,
    _control_lesions, in_controls,
)  # fmt: skip
FAULTS = (
    Fault("swapped", "pathology", "pathologies exchanged", _NAME, _SHARES, _UNIT, _swapped),
    Fault("lesions_missing", "pathology", "lesions left out", _NAME, _SHARES, _UNIT, _swapped, in_lesions),
    Fault("lesions_unmasked", "pathology", "lesions without a mask", _NAME, _SHARES, _UNIT, _masks_emptied, in_lesions),
    Fault("controls_with_lesions", "pathology", "controls with lesions and their masks", _NAME, _SHARES, _UNIT,
          _swapped, in_controls),
    Fault("controls_masked", "pathology", "controls with a mask", _NAME, _SHARES, _UNIT, _masks_added, in_controls),
    Fault("controls_stray", "pathology", "controls with a stray pixel in the mask", _NAME, _SHARES, _UNIT,
          _stray_pixels, in_controls),
    CONTROL_LESIONS,
)  # fmt: skip
