"""Directions of the axes of a volume and of its axial slices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_slices(volume: NDArray[Any]) -> NDArray[Any]:
    """``(X, Y, Z)`` right-anterior-superior to ``(Z, row, column)`` with anterior at the top and left at the left."""
    return np.ascontiguousarray(volume[:, ::-1].transpose(2, 1, 0))


def to_volume(slices: NDArray[Any]) -> NDArray[Any]:
    """Inverse of :func:`to_slices`, for any number of slices.

    >>> volume = np.arange(24).reshape(2, 3, 4)
    >>> bool((to_volume(to_slices(volume)) == volume).all())
    True
    """
    return np.ascontiguousarray(slices.transpose(2, 1, 0)[:, ::-1])


def centred_affine(size: tuple[int, int], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Affine float64 ``(4, 4)`` of a volume without an origin: x = 0 and y = 0 in the middle of its slices.

    Args:
        size: ``(H, W)`` of a slice.
        spacing: ``(row, column, z)`` in mm.

    >>> centred_affine((5, 3), (2.0, 1.0, 4.0))[:3].tolist()
    [[1.0, 0.0, 0.0, -1.0], [0.0, 2.0, 0.0, -4.0], [0.0, 0.0, 4.0, 0.0]]
    """
    (height, width), (row, column, z) = size, spacing
    affine = np.diag([column, row, z, 1.0])
    affine[:2, 3] = -column * (width - 1) / 2, -row * (height - 1) / 2
    return affine


def from_slices(height: int) -> NDArray[np.float64]:
    """Affine float64 ``(4, 4)`` from (row, column, z) of :func:`to_slices` to (x, y, z) of a volume ``height`` deep.

    >>> [int(v) for v in from_slices(10) @ (2, 3, 4, 1)]  # row 2 of 10 is y = 7, counted from posterior
    [3, 7, 4, 1]
    """
    return np.array([[0, 1, 0, 0], [-1, 0, 0, height - 1], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64)
