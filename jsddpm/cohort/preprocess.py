"""From a scanner's volume to a stack of axial slices in [0, 1], image and mask through the same geometry."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torchio as tio
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from jsddpm.cohort.subject import Subject
from jsddpm.errors import JsddpmError, usage_error


@dataclass(frozen=True)
class Preprocessing:
    """Geometry and intensity of a slice store.

    Args:
        shape: Voxels ``(X, Y, Z)`` after cropping or padding about the centre.
        spacing: Voxel size in mm.
        window: Percentiles inside the brain that become 0 and 1.
    """

    shape: tuple[int, int, int] = (160, 160, 128)
    spacing: tuple[float, float, float] = (1.25, 1.25, 1.25)
    window: tuple[float, float] = (0.1, 99.9)

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 8:
            raise usage_error("SHAPE", f"shape {self.shape}", fix="give three sides of at least 8 voxels")
        if len(self.spacing) != 3 or not all(0 < s < 100 for s in self.spacing):
            raise usage_error("SPACING", f"spacing {self.spacing}", fix="give three positive sizes in mm")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {k: list(v) for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Stack:
    """Axial slices of one subject, ordered from inferior to superior.

    Attributes:
        image: float32 ``(Z, H, W)`` in [0, 1]; rows run from anterior to posterior, columns from left to right.
        mask: bool ``(Z, H, W)``.
        brain: bool ``(Z, H, W)``, the brain region, given or estimated.
        affine: float64 ``(4, 4)``: (row, column, z) to world in mm.
        window: Source intensities that became 0 and 1: ``source = lo + value * (hi - lo)`` inside the window.
        lesion_mm3: Lesion volume before and after.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    affine: NDArray[np.float64]
    window: tuple[float, float]
    lesion_mm3: tuple[float, float]


def preprocess(subject: Subject, spec: Preprocessing) -> Stack:
    """Canonical orientation, spacing, shape and intensity window of one subject.

    The image is interpolated linearly, after smoothing where it is made coarser; masks by nearest neighbour.

    Args:
        subject: Validated volumes.
        spec: Target geometry.

    Raises:
        JsddpmError: ``NO_BRAIN`` when no brain-like region can be found, ``CONTRAST`` when it is constant.
    """
    volume, path = subject.image, subject.image.path
    given = subject.brain is not None
    labels = subject.lesion.astype(np.uint8) if subject.brain is None else subject.lesion + np.uint8(2) * subject.brain
    upright = tio.ToCanonical()(
        tio.Subject(
            image=tio.ScalarImage(tensor=torch.tensor(volume.data)[None], affine=volume.affine),
            labels=tio.LabelMap(tensor=torch.from_numpy(labels)[None], affine=volume.affine),
        )
    )
    coarser = any(new > old for new, old in zip(spec.spacing, upright.image.spacing, strict=True))
    moved = tio.Compose([tio.Resample(spec.spacing, antialias=coarser), tio.CropOrPad(spec.shape)])(upright)
    values, labels = moved.image.data[0].numpy(), moved.labels.data[0].numpy()
    lesion = labels % 2 == 1
    brain = labels >= 2 if given else estimate_brain(values)
    if not brain.any():
        raise JsddpmError(
            "NO_BRAIN", "no brain-like region found", fix="check the image and its orientation", file=path
        )
    low, high = (float(v) for v in np.percentile(values[brain], spec.window))
    if not high > low:
        raise JsddpmError("CONTRAST", "the brain has no contrast", fix="check the image", file=path)
    scaled = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    volumes = subject.lesion_mm3, float(lesion.sum() * np.prod(spec.spacing))
    affine = np.asarray(moved.image.affine, np.float64) @ _from_slices(spec.shape[1])
    return Stack(to_slices(scaled), to_slices(lesion), to_slices(brain), affine, (low, high), volumes)


def estimate_brain(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Brain region of a volume: above Otsu's threshold, largest connected part, closed and filled.

    An estimate for windows and fractions (a scalp, where present, is included); not a segmentation. Parts are found on
    every other voxel of each axis; at their edge, every voxel decides for itself.

    Args:
        values: ``(X, Y, Z)`` intensities of a volume, or ``(H, W)`` of a slice, background dark.
    """
    coarse = values[(slice(None, None, 2),) * values.ndim]
    if coarse.min() == coarse.max():
        return np.zeros(values.shape, bool)
    threshold = threshold_otsu(coarse)
    labels, _ = ndimage.label(coarse > threshold)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    closed = ndimage.binary_closing(np.pad(largest, 2))
    outside, _ = ndimage.label(~closed)  # the padding makes all that is not enclosed one part
    filled = (outside != outside.flat[0])[(slice(2, -2),) * values.ndim]
    core = ndimage.binary_erosion(filled)
    twice = np.ones((2,) * values.ndim, bool)
    whole, inner = (np.kron(part, twice)[tuple(map(slice, values.shape))] for part in (filled, core))
    return np.asarray(inner | (whole & (values > threshold)))


def to_slices(volume: NDArray[Any]) -> NDArray[Any]:
    """``(X, Y, Z)`` right-anterior-superior to ``(Z, row, column)`` with anterior on top and left at left."""
    return np.ascontiguousarray(volume[:, ::-1].transpose(2, 1, 0))


def _from_slices(height: int) -> NDArray[np.float64]:
    """(row, column, z) of :func:`_to_slices` to (x, y, z) of the volume."""
    return np.array([[0, 1, 0, 0], [-1, 0, 0, height - 1], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64)
