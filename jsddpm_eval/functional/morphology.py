"""Shape and place of lesions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label, regionprops
from torch import Tensor

from jsddpm_eval.functional.masks import checked_masks

SHAPE = {"area": "mm2", "count": "lesions", "eccentricity": "", "solidity": "", "row": "mm", "column": "mm"}
"""Columns of :func:`lesion_shapes` and their units; row and column are the centre's offset from the slice's."""


def lesion_shapes(masks: Tensor, spacing: tuple[float, float]) -> Tensor:
    """Morphology of the lesions on each slice that has one.

    Total area, number of connected parts, eccentricity and solidity of the largest part, centre of all.

    Args:
        masks: Boolean ``(N, H, W)``, each with at least one pixel.
        spacing: Size of a pixel in mm, (row, column).

    Returns:
        float64 ``(N, len(SHAPE))``, on the CPU.

    Raises:
        ValueError: For a mask without a lesion, or with other values than 0 and 1.
    """
    rows = [_shape(mask, spacing) for mask in checked_masks(masks)[0].cpu().numpy()]
    return torch.from_numpy(np.array(rows, dtype=np.float64).reshape(len(rows), len(SHAPE)))


def _shape(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> list[float]:
    regions = regionprops(label(mask), spacing=spacing)
    if not regions:
        raise ValueError("a mask without a lesion has no shape")
    largest = max(regions, key=lambda r: r.area)
    places = (np.argwhere(mask) - (np.array(mask.shape) - 1) / 2) * spacing
    area = sum(float(r.area) for r in regions)
    centre = places.mean(0)
    return [area, len(regions), largest.eccentricity, largest.solidity, float(centre[0]), float(centre[1])]


def log_roughness(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Log of perimeter squared over 4 pi times the area of the largest part of each mask, ``(N,)``; NaN where empty.

    The perimeter is the number of borders between pixels times pi / 4, which is that of a disc on average over
    directions, and holds for a single pixel.

    >>> log_roughness(np.ones((1, 1, 1), bool)).round(3) == np.log(np.pi / 4).round(3)
    array([ True])
    """
    rough = np.full(len(masks), np.nan)
    for i, mask in enumerate(masks):
        parts, count = ndimage.label(mask, np.ones((3, 3)))
        if count:
            largest = np.pad(parts == 1 + np.bincount(parts.ravel())[1:].argmax(), 1)
            borders = sum(int(np.diff(largest, axis=axis).sum()) for axis in (0, 1))
            rough[i] = np.log(np.pi / 64 * borders**2 / largest.sum())
    return rough


def wasserstein_of_labels(x: Tensor, labels: Tensor, weights: Tensor, column: int) -> Tensor:
    """1-Wasserstein distances of one column between samples labelled True and False, in its units.

    Args:
        x: Features ``(N, d)``.
        labels: Boolean ``(R, N)``, both sides present.
        weights: Weight of a sample when it is labelled True, ``(N,)``.
        column: The column.

    Returns:
        float64 ``(R,)``.

    >>> x, labels = torch.tensor([[0.0], [4.0], [3.0]]), torch.tensor([[True, True, False]])
    >>> float(wasserstein_of_labels(x, labels, torch.ones(3), 0))
    2.0
    """
    values, order = x[:, column].double().sort()
    first = labels[:, order] * weights[order].double()
    second = (~labels[:, order]).double()
    shares = [side.cumsum(1) / side.sum(1, keepdim=True) for side in (first, second)]
    return ((shares[0] - shares[1]).abs()[:, :-1] * values.diff()).sum(1)


def rbf_of_labels(x: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Unbiased squared MMD (Gretton et al. 2012, JMLR 13, eq. 3) between samples labelled True and False.

    The kernel of a distance d is ``exp(-d^2 / m)``; m is the median squared distance of all pairs (the lower one of the
    middle two), and that of the pairs that differ where it is 0. No sample is paired with itself; samples of one side
    must be of different patients.

    Args:
        x: Features ``(N, d)``.
        labels: Boolean ``(R, N)``, at least two samples on either side.
        weights: Weight of a sample when it is labelled True, ``(N,)``.

    Returns:
        float64 ``(R,)``.

    >>> float(rbf_of_labels(torch.zeros(4, 1), torch.tensor([[1, 1, 0, 0]]) > 0, torch.ones(4)))
    0.0
    """
    squared = torch.cdist(x.double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    upper = squared[torch.triu(torch.ones_like(squared, dtype=torch.bool), diagonal=1)]
    scale = upper.median()
    if scale == 0:
        scale = upper[upper > 0].median() if upper.any() else torch.ones_like(scale)
    kernel = torch.exp(-squared / scale).fill_diagonal_(0)
    a, b = labels * weights.double(), (~labels).double()

    def mean(one: Tensor, other: Tensor, itself: Tensor | float) -> Tensor:
        return ((one @ kernel) * other).sum(1) / (one.sum(1) * other.sum(1) - itself)

    return mean(a, a, a.square().sum(1)) + mean(b, b, b.square().sum(1)) - 2 * mean(a, b, 0.0)
