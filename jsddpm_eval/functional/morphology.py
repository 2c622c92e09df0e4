"""Shape and place of lesions, and how they sit in their image."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance
from skimage.measure import label, regionprops
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

SHAPE = {"area": "mm2", "count": "lesions", "eccentricity": "", "solidity": "", "row": "mm", "column": "mm"}
"""Columns of :func:`lesion_shapes` and their units; row and column are the centre's offset from the slice's."""

_RING = 3


def lesion_shapes(masks: Tensor, spacing: tuple[float, float]) -> Tensor:
    """Morphology of the lesions on each slice that has one.

    Total area, number of connected parts, eccentricity and solidity of the largest part, centre of all.

    Args:
        masks: Boolean ``(N, H, W)``, each with at least one pixel.
        spacing: Size of a pixel in mm, (row, column).

    Returns:
        float64 ``(N, len(SHAPE))``.
    """
    rows = [_shape(mask, spacing) for mask in masks.numpy()]
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


def column_distance(x: Tensor, y: Tensor, column: int) -> float:
    """1-Wasserstein distance of one column of two feature sets, in its units (SciPy's)."""
    return float(wasserstein_distance(x[:, column].numpy(), y[:, column].numpy()))


def rbf_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased squared MMD with a Gaussian kernel (Gretton et al. 2012, JMLR 13, eq. 3), width the median distance.

    Args:
        x: Features ``(n, d)``, n at least 2.
        y: Features ``(m, d)``, m at least 2.

    >>> rbf_distance(torch.tensor([[0.0], [0.0]]), torch.tensor([[0.0], [0.0]]))
    0.0
    """
    if len(x) < 2 or len(y) < 2:
        raise ValueError(f"{len(x)} and {len(y)} samples are too few")
    both = torch.cat([x, y]).double()
    squared = torch.cdist(both, both, compute_mode="donot_use_mm_for_euclid_dist").square()
    upper = squared[torch.triu(torch.ones_like(squared, dtype=torch.bool), diagonal=1)]
    width = upper.median()
    if width == 0:
        width = torch.ones((), dtype=torch.float64)
    kernel = torch.exp(-squared / width)
    n, m = len(x), len(y)
    within = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (kernel[:n, :n], kernel[n:, n:])]
    return float(within[0] + within[1] - 2 * kernel[:n, n:].sum() / (n * m))


def has_ring(masks: Tensor) -> Tensor:
    """Whether each mask has a pixel inside it and a pixel of its ring outside, boolean ``(N,)``.

    >>> has_ring(torch.stack([torch.ones(9, 9), torch.zeros(9, 9), torch.eye(9)]) > 0).tolist()
    [False, False, True]
    """
    inside, ring = _regions(masks)
    return (inside.sum(1) > 0) & (ring.sum(1) > 0)


def contrasts(images: Tensor, masks: Tensor) -> Tensor:
    """Mean intensity inside each mask less that of the ring of 3 pixels around it, for every image with every mask.

    Args:
        images: ``(N, H, W)``.
        masks: Boolean ``(M, H, W)``, each with a pixel inside and around it (:func:`has_ring`).

    Returns:
        float64 ``(N, M)``; on the diagonal each image with its own mask.
    """
    inside, ring = _regions(masks)
    x = images.flatten(1).double()
    return x @ inside.T / inside.sum(1) - x @ ring.T / ring.sum(1)


def _regions(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels inside each mask and of the ring around it, float64 ``(N, H * W)``."""
    inside = masks.float()
    grown = F.max_pool2d(inside[:, None], 2 * _RING + 1, stride=1, padding=_RING)[:, 0]
    return inside.flatten(1).double(), (grown - inside).flatten(1).double()
