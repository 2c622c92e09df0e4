"""Resample a generated volume to the grid of a real store, about its centre unless its first slice is given."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from jsddpm.cohort.brain import estimate_brain, require_brain, with_dark_background
from jsddpm.cohort.masks import binary_mask, check_same_grid
from jsddpm.cohort.nifti import Volume, check_not_constant, open_nifti
from jsddpm.cohort.orientation import to_slices
from jsddpm.cohort.preprocess import Preprocessing, on_grid, windowed
from jsddpm.errors import JsddpmError
from jsddpm.slices.importing.items import Facts, IntensityFormat, VolumeItem, missing_fact
from jsddpm.slices.importing.masks import MaskLog
from jsddpm.slices.importing.pixels import check_axes, intensity
from jsddpm.slices.store import SliceStore

_ROUNDING = 1e-3  # of a slice


def grid_of(store: SliceStore) -> Preprocessing:
    """The grid and the window of a real store."""
    (height, width), (row, column, z) = store.size, store.spacing
    low, high = store.info.get("preprocessing", {}).get("window", Preprocessing.window)
    return Preprocessing((width, height, store.n_slices), (column, row, z), (low, high))


class Placed(NamedTuple):
    """The axial slices of a volume that lie on a grid.

    Attributes:
        image: Intensities in [0, 1], float32 ``(n, H, W)``.
        mask: Lesion, boolean ``(n, H, W)``.
        first: Slice of the grid where the first of them lies.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    first: int


def read_volume(item: VolumeItem, facts: Facts, reading: IntensityFormat, grid: Preprocessing, seen: MaskLog) -> Placed:
    """A volume on a grid.

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
    image = _opened(item.image)
    check_not_constant(image)
    lesion = np.zeros(image.data.shape, np.uint8)
    if item.mask is not None:
        mask = _opened(item.mask)
        check_same_grid(image, mask)
        found = binary_mask(mask, seen.reading)
        seen.add(mask.data, found, item.mask)
        lesion = found.astype(np.uint8)
    image = replace(image, affine=_affine(image, facts))
    depth = grid.shape[2]
    if facts.first_slice is not None:  # the grid holds all slices of the volume, and they are placed later
        grid = replace(grid, shape=(*grid.shape[:2], max(_own_slices(image, grid.spacing[2]), depth)))
    if reading.window:
        image = replace(image, data=with_dark_background(image.data)[0])
        values, labels, place = on_grid(image, lesion, grid)
        scaled = windowed(values, require_brain(estimate_brain(values), item.image), grid.window, item.image)[0]
    else:
        image = replace(image, data=intensity(image.data, reading, item.image, volume=True))
        scaled, labels, place = on_grid(image, lesion, grid, outside=0)
    begin, end = _extent(image, place, grid.shape[2])
    scaled = np.clip(scaled, 0, 1)  # interpolation may exceed [0, 1] by rounding
    images, masks = to_slices(scaled), to_slices(labels == 1)
    first = begin if facts.first_slice is None else facts.first_slice
    end = min(end, begin + depth - first)
    return Placed(images[begin:end], masks[begin:end], first)


def _opened(path: Path) -> Volume:
    try:
        return open_nifti(path)
    except JsddpmError as error:
        if error.code != "NIFTI_DIMS":
            raise
        cure = f"{error.fix}; list single slices, and those of volumes of few, in a table"
        raise JsddpmError(error.code, error.what, fix=cure, file=path) from None


def _own_slices(image: Volume, thickness: float) -> int:
    """The most slices of this thickness that a volume can have."""
    axis = io_orientation(image.affine)[:, 0].tolist().index(2)
    height = float(image.data.shape[axis] * np.linalg.norm(image.affine[:3, axis]))
    return math.ceil(height / thickness)


def _extent(image: Volume, place: NDArray[np.float64], depth: int) -> tuple[int, int]:
    """First slice of a grid whose middle lies within the volume, and the one after the last.

    Args:
        image: The volume.
        place: The grid's affine; its axes are those of the volume in another order.
        depth: Number of slices of the grid.
    """
    to_grid = (np.linalg.inv(place) @ image.affine)[2]
    faces = np.array([[-0.5, n - 0.5] for n in image.data.shape]) * to_grid[:3, None]
    low, high = faces.min(1).sum() + to_grid[3], faces.max(1).sum() + to_grid[3]
    begin, end = math.ceil(low - _ROUNDING), math.floor(high + _ROUNDING) + 1
    return max(begin, 0), min(end, depth)


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
