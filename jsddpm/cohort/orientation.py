"""Which way the axes of a volume and of its axial slices lead."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_slices(volume: NDArray[Any]) -> NDArray[Any]:
    """``(X, Y, Z)`` right-anterior-superior to ``(Z, row, column)`` with anterior on top and left at left."""
    return np.ascontiguousarray(volume[:, ::-1].transpose(2, 1, 0))


def from_slices(height: int) -> NDArray[np.float64]:
    """Affine float64 ``(4, 4)`` from (row, column, z) of :func:`to_slices` to (x, y, z) of a volume ``height`` deep.

    >>> [int(v) for v in from_slices(10) @ (2, 3, 4, 1)]  # row 2 of 10 is y = 7, counted from posterior
    [3, 7, 4, 1]
    """
    return np.array([[0, 1, 0, 0], [-1, 0, 0, height - 1], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64)
