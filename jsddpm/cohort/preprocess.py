"""Preprocessing of a volume to a stack of axial slices in [0, 1], with the same geometry for image and mask."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchio as tio
from numpy.typing import NDArray

from jsddpm.cohort.brain import WINDOW, estimate_brain, intensity_window, require_brain
from jsddpm.cohort.grid import cut_notes, outside_grid
from jsddpm.cohort.header import SMALLEST_VOXEL, bad
from jsddpm.cohort.nifti import MAX_VOLUME_BYTES, Volume
from jsddpm.cohort.orientation import from_slices, to_slices
from jsddpm.cohort.subject import Subject
from jsddpm.errors import usage_error
from jsddpm.quantization import is_integer


@dataclass(frozen=True)
class Preprocessing:
    """Geometry and intensity of a slice store.

    Args:
        shape: Voxels ``(X, Y, Z)`` after cropping or padding about the centre, whole numbers of at least 8.
        spacing: Voxel size in mm, from 0.001 to below 100.
        window: Percentiles inside the brain that are mapped to 0 and 1, the lower first.

    Raises:
        JsddpmError: ``SHAPE``, ``SPACING``, ``WINDOW`` (status 2).
    """

    shape: tuple[int, int, int] = (160, 160, 128)
    spacing: tuple[float, float, float] = (1.25, 1.25, 1.25)
    window: tuple[float, float] = WINDOW

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or not all(is_integer(side) and side >= 8 for side in self.shape):
            cure = "give three whole numbers of at least 8 voxels"
            raise usage_error("SHAPE", f"the shape {self.shape} is not possible", fix=cure)
        if len(self.spacing) != 3 or not all(SMALLEST_VOXEL <= s < 100 for s in self.spacing):
            cure = f"give three sizes in mm, from {SMALLEST_VOXEL:g} to below 100"
            raise usage_error("SPACING", f"the spacing {self.spacing} is not possible", fix=cure)
        if len(self.window) != 2 or not 0 <= self.window[0] < self.window[1] <= 100:
            cure = "give two percentiles LO < HI from 0 to 100"
            raise usage_error("WINDOW", f"the window {self.window} is not possible", fix=cure)

    def require_size(self, max_bytes: int) -> None:
        """Refuse a shape whose volumes need too much memory as float32.

        Args:
            max_bytes: The most that is allowed.

        Raises:
            JsddpmError: ``SHAPE`` (status 2).
        """
        needed = 4 * prod(map(int, self.shape))
        if needed > max_bytes:
            shape = " ".join(map(str, self.shape))
            what = f"--shape {shape} needs {needed / 2**30:.3g} GiB, and {max_bytes / 2**30:.3g} GiB are allowed"
            raise usage_error("SHAPE", what, fix="give a smaller shape, or allow more with --max-volume-gib")


@dataclass(frozen=True)
class Stack:
    """Axial slices of one subject, ordered from inferior to superior.

    Attributes:
        image: float32 ``(Z, H, W)`` in [0, 1]; rows run from anterior to posterior, columns from left to right.
        mask: bool ``(Z, H, W)``.
        brain: bool ``(Z, H, W)``, the brain region, given or estimated.
        affine: float64 ``(4, 4)``: (row, column, z) to world in mm.
        window: Source intensities that were mapped to 0 and 1: ``source = lo + value * (hi - lo)`` inside the window.
        lesion_mm3: Lesion volume before and after.
        outside_mm3: Lesion volume outside of the grid.
        notes: What the grid cuts off (:func:`~jsddpm.cohort.grid.cut_notes`).
    """

    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    affine: NDArray[np.float64]
    window: tuple[float, float]
    lesion_mm3: tuple[float, float]
    outside_mm3: float
    notes: tuple[str, ...]


def preprocess(subject: Subject, spec: Preprocessing, *, max_bytes: int = MAX_VOLUME_BYTES) -> Stack:
    """Bring one subject to canonical orientation, spacing, shape and intensity window.

    The image is interpolated linearly, after smoothing if the grid is coarser; masks by nearest neighbour.

    Args:
        subject: Validated volumes.
        spec: Target geometry.
        max_bytes: Largest volume after resampling, as float32.

    Raises:
        JsddpmError: ``NIFTI_TOO_LARGE`` when resampling would need more than ``max_bytes``; ``NO_BRAIN`` when no
            brain-like region can be found, ``CONTRAST`` when it is constant.
    """
    path, has_brain = subject.image.path, subject.brain is not None
    labels = subject.lesion.astype(np.uint8) if subject.brain is None else subject.lesion + np.uint8(2) * subject.brain
    values, labels, place = on_grid(subject.image, labels, spec, max_bytes=max_bytes)
    lesion = labels % 2 == 1
    brain = require_brain(labels >= 2 if has_brain else estimate_brain(values), path)
    scaled, window = windowed(values, brain, spec.window, path)
    volumes = subject.lesion_mm3, float(lesion.sum() * np.prod(spec.spacing))
    affine = place @ from_slices(spec.shape[1])
    outside = outside_grid(subject.lesion, subject.image, spec.shape, place)
    notes = cut_notes(brain, subject.image, place)
    return Stack(to_slices(scaled), to_slices(lesion), to_slices(brain), affine, window, volumes, outside, notes)


def on_grid(
    image: Volume,
    labels: NDArray[np.uint8],
    spec: Preprocessing,
    *,
    outside: float | None = None,
    max_bytes: int = MAX_VOLUME_BYTES,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float64]]:
    """Resample a volume and its labels in canonical orientation, to a grid about the volume's centre.

    Args:
        image: The volume.
        labels: Labels on its grid, ``(X, Y, Z)``.
        spec: Shape and spacing of the grid.
        outside: Value of the grid outside of the volume; None takes the lowest value of the volume, its background.
        max_bytes: Largest volume after resampling, as float32.

    Returns:
        Image and labels, ``spec.shape``, and the grid's affine, float64 ``(4, 4)``.

    Raises:
        JsddpmError: ``NIFTI_TOO_LARGE``.
    """
    filled = image.data.min() if outside is None else np.float32(outside)
    upright = tio.ToCanonical()(
        tio.Subject(  # torchio fills with 0
            image=tio.ScalarImage(tensor=torch.from_numpy(image.data - filled)[None], affine=image.affine),
            labels=tio.LabelMap(tensor=torch.from_numpy(labels)[None], affine=image.affine),
        )
    )
    _check_resampled(upright.image, spec, image.path, max_bytes)
    coarser = any(new > old for new, old in zip(spec.spacing, upright.image.spacing, strict=True))
    moved = tio.Compose([tio.Resample(spec.spacing, antialias=coarser), tio.CropOrPad(spec.shape)])(upright)
    place = np.asarray(moved.image.affine, np.float64)
    return moved.image.data[0].numpy() + filled, moved.labels.data[0].numpy(), place


def windowed(
    values: NDArray[np.float32], brain: NDArray[np.bool_], window: tuple[float, float], path: Path
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Intensities in [0, 1], clipped, and the two source intensities that were mapped to 0 and 1.

    Args:
        values: Source intensities.
        brain: Brain voxels.
        window: Percentiles inside the brain.
        path: For the error.

    Raises:
        JsddpmError: ``CONTRAST`` (status 3) when the brain has one intensity.
    """
    low, high = intensity_window(values, brain, path, window)
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32), (low, high)


def _check_resampled(image: Any, spec: Preprocessing, path: Path, max_bytes: int) -> None:
    """Refuse a grid that is too large before it is allocated: wrong voxel sizes can make it huge."""
    sides = [ceil(n * old / new) for n, old, new in zip(image.spatial_shape, image.spacing, spec.spacing, strict=True)]
    needed = 4 * prod(sides)
    if needed > max_bytes:
        spacing = " x ".join(f"{s:g}" for s in spec.spacing)
        what = f"at {spacing} mm it has {' x '.join(map(str, sides))} voxels, {needed / 2**30:.3g} GiB"
        cure = "correct its voxel sizes, choose a coarser --spacing, or allow more with --max-volume-gib"
        raise bad("TOO_LARGE", path, what, cure)
