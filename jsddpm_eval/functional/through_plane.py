"""Scores of a slice and the next one of the same volume."""

from __future__ import annotations

import torch
from torch import Tensor

from jsddpm_eval.functional.reconstruction import MIN_SIDE, ssim

HEAD = 0.05
"""Intensity above which a pixel counts as head."""


def plane_gradient(lower: Tensor, upper: Tensor) -> Tensor:
    """Mean absolute difference of two neighbouring slices over the pixels where either shows the head.

    Args:
        lower: Images in [0, 1], ``(N, H, W)``.
        upper: The next slices, ``(N, H, W)``.

    Returns:
        float64 ``(N,)``, 0 for equal slices; NaN where neither shows a head.

    >>> plane_gradient(torch.zeros(1, 8, 8), torch.full((1, 8, 8), 0.5)).tolist()
    [0.5]
    """
    head = torch.maximum(lower, upper) > HEAD
    change = (upper.double() - lower.double()).abs() * head
    count = head.flatten(1).sum(1)
    return torch.where(count > 0, change.flatten(1).sum(1) / count.clamp_min(1), torch.nan)


def plane_ssim(lower: Tensor, upper: Tensor) -> Tensor:
    """SSIM of two neighbouring slices (Wang et al. 2004), float64 ``(N,)``; 1 for equal slices, NaN for tiny ones."""
    if min(lower.shape[1:]) < MIN_SIDE:
        return torch.full((len(lower),), torch.nan, dtype=torch.float64)
    return ssim(upper, lower, data_range=1.0).double()


def lesion_continuity(masks: Tensor, below: Tensor, above: Tensor) -> Tensor:
    """Share of a lesion that continues in a neighbouring slice: the larger overlap, over the smaller of both areas.

    Args:
        masks: Boolean ``(N, H, W)``, each with at least one pixel.
        below: Masks of the slices below, empty where there is none.
        above: Masks of the slices above, empty where there is none.

    Returns:
        float64 ``(N,)`` in [0, 1]; 0 for a lesion that no neighbour continues.

    >>> mask = torch.ones(1, 4, 4, dtype=torch.bool)
    >>> lesion_continuity(mask, ~mask, mask).tolist()
    [1.0]
    """
    own = masks.flatten(1).sum(1)
    shares = []
    for other in (below, above):
        smaller = torch.minimum(own, other.flatten(1).sum(1)).clamp_min(1)
        shares.append((masks & other).flatten(1).sum(1).double() / smaller)
    return torch.maximum(*shares)
