"""Resample a generated volume to the grid of a real store, about its centre, like the volumes of patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jsddpm.cohort.brain import estimate_brain, require_brain, with_dark_background
from jsddpm.cohort.masks import binary_mask, check_same_grid
from jsddpm.cohort.nifti import Volume, check_not_constant, open_nifti
from jsddpm.cohort.orientation import to_slices
from jsddpm.cohort.preprocess import Preprocessing, on_grid, windowed
from jsddpm.slices.importing.items import Facts, IntensityFormat, VolumeItem, missing_fact
from jsddpm.slices.importing.masks import MaskLog
from jsddpm.slices.importing.pixels import check_axes, intensity
from jsddpm.slices.store import SliceStore


def grid_of(store: SliceStore) -> Preprocessing:
    """The grid and the window of a real store."""
    (height, width), (row, column, z) = store.size, store.spacing
    low, high = store.info.get("preprocessing", {}).get("window", Preprocessing.window)
    return Preprocessing((width, height, store.n_slices), (column, row, z), (low, high))


def read_volume(
    item: VolumeItem, facts: Facts, reading: IntensityFormat, grid: Preprocessing, seen: MaskLog
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """All axial slices of a volume on a grid: intensities in [0, 1] and lesion, ``(Z, H, W)``.

    Args:
        item: The volume.
        facts: Facts that the file does not contain.
        reading: The meaning of the image's values.
        grid: The grid.
        seen: How masks are read; the values of this one are noted in it.

    Raises:
        JsddpmError: ``NIFTI_...``, ``MASK_...``, ``SLICE_VALUES``, ``NO_BRAIN``, ``CONTRAST`` (status 3);
            ``IMPORT_FACTS``, ``AXES`` (status 2) when the file does not contain its orientation.
    """
    image = open_nifti(item.image)
    check_not_constant(image)
    lesion = np.zeros(image.data.shape, np.uint8)
    if item.mask is not None:
        mask = open_nifti(item.mask)
        check_same_grid(image, mask)
        found = binary_mask(mask, seen.reading)
        seen.add(mask.data, found, item.mask)
        lesion = found.astype(np.uint8)
    image = replace(image, affine=_affine(image, facts))
    if reading.window:
        image = replace(image, data=with_dark_background(image.data)[0])
        values, labels, _ = on_grid(image, lesion, grid)
        scaled = windowed(values, require_brain(estimate_brain(values), item.image), grid.window, item.image)[0]
    else:
        image = replace(image, data=intensity(image.data, reading, item.image, volume=True))
        scaled, labels, _ = on_grid(image, lesion, grid, outside=0)
    return to_slices(np.clip(scaled, 0, 1)), to_slices(labels == 1)  # interpolation may exceed [0, 1] by rounding


def _affine(image: Volume, facts: Facts) -> NDArray[np.float64]:
    """The file's affine, or the one of the axes that the user gives; an identity does not count, nor a guess."""
    silent = "its affine is the identity" if np.allclose(image.affine, np.eye(4)) else ""
    if not image.oriented:
        silent = "its header contains no affine (both codes are 0)"
    if silent and (facts.axes is None or facts.spacing is None):
        what = f"{silent}, so directions of the axes and voxel sizes are unknown"
        raise missing_fact(what, "say both, as --axes LPS --spacing 1 1 1", image.path)
    if facts.axes is None and facts.spacing is None:
        return image.affine
    if facts.axes is None:
        raise missing_fact("--spacing without --axes", "say both, as --axes LPS --spacing 1 1 1", image.path)
    spacing = facts.spacing or tuple(np.linalg.norm(image.affine[:3, :3], axis=0))
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for axis, (letter, size) in enumerate(zip(check_axes(facts.axes, 3), spacing, strict=True)):
        row = next(i for i, both in enumerate(("RL", "AP", "SI")) if letter in both)
        affine[row, axis] = size if letter in "RAS" else -size
    return affine
