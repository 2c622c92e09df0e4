"""Diversity within a condition: do different seeds give different slices?"""

from __future__ import annotations

import torch
from torch import Tensor

from jsddpm_eval.functional.best_match import pairwise_mse
from jsddpm_eval.functional.reconstruction import ssim


def pairs(count: int, groups: Tensor | None = None) -> Tensor:
    """All unordered pairs of ``count`` slices, int64 ``(P, 2)``; with groups, only pairs across groups.

    >>> pairs(3, groups=torch.tensor([0, 0, 1])).tolist()
    [[0, 2], [1, 2]]
    """
    found = torch.combinations(torch.arange(count), 2)
    return found if groups is None else found[groups[found[:, 0]] != groups[found[:, 1]]]


def pair_rmse(images: Tensor, chosen: Tensor) -> Tensor:
    """Root mean squared difference of each chosen pair, float64 ``(P,)``, in the images' units."""
    return pairwise_mse(images, images)[chosen[:, 0], chosen[:, 1]].sqrt()


def pair_dissimilarity(images: Tensor, chosen: Tensor, *, data_range: float) -> Tensor:
    """``1 - SSIM`` of each chosen pair of ``(N, H, W)`` images, float32 ``(P,)``, 0 for identical slices."""
    if len(chosen) == 0:
        return torch.empty(0)
    parts = chosen.split(256)
    return torch.cat([1 - ssim(images[p[:, 0]], images[p[:, 1]], data_range=data_range) for p in parts])
