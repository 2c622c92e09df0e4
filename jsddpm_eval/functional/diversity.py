"""Diversity within a condition: differences between samples of different seeds."""

from __future__ import annotations

import torch
from torch import Tensor

from jsddpm_eval.functional.best_match import pairwise_mse
from jsddpm_eval.functional.reconstruction import ms_ssim, ssim

_CHUNK = 64


def pairs(count: int, groups: Tensor | None = None) -> Tensor:
    """All unordered pairs of ``count`` slices, int64 ``(P, 2)``; with groups, only pairs across groups.

    >>> pairs(3, groups=torch.tensor([0, 0, 1])).tolist()
    [[0, 2], [1, 2]]
    """
    every = torch.combinations(torch.arange(count), 2)
    return every if groups is None else every[groups[every[:, 0]] != groups[every[:, 1]]]


def pair_rmse(images: Tensor, chosen: Tensor) -> Tensor:
    """Root mean squared difference of each chosen pair, float64 ``(P,)``, in the images' units."""
    return pairwise_mse(images, images)[chosen[:, 0], chosen[:, 1]].sqrt()


def pair_dissimilarity(images: Tensor, chosen: Tensor, *, data_range: float, multiscale: bool = False) -> Tensor:
    """``1 - SSIM`` (or ``1 - MS-SSIM``) of each chosen pair of ``(N, H, W)`` images, float32 ``(P,)``, 0 for equals."""
    if len(chosen) == 0:
        return torch.empty(0)
    measure = ms_ssim if multiscale else ssim
    return torch.cat(
        [1 - measure(images[p[:, 0]], images[p[:, 1]], data_range=data_range) for p in chosen.split(_CHUNK)]
    )


def pair_distance(features: Tensor, chosen: Tensor) -> Tensor:
    """Euclidean distance of each chosen pair of feature rows, float64 ``(P,)``."""
    x = features.double()
    return (x[chosen[:, 0]] - x[chosen[:, 1]]).square().sum(1).sqrt()


def vendi_score(features: Tensor) -> float:
    """Effective number of distinct samples, from 1 to n (Vendi score, Friedman and Dieng 2022, 2210.02410, eq. 3).

    The exponential of the entropy of the eigenvalues of ``K / n``, with the cosine kernel on feature rows. It grows
    with n, so it is compared at equal n only.

    Args:
        features: ``(n, d)``, n at least 1; a row of zeros is like no other row.

    >>> round(vendi_score(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 2.0]])), 6)
    2.0
    """
    if len(features) == 0:
        raise ValueError("no samples")
    x = features.double()
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    unit = torch.where(norm > 0, x / norm.clamp_min(torch.finfo(torch.float64).tiny), 0.0)
    kernel = unit @ unit.T
    kernel.fill_diagonal_(1.0)
    shares = torch.linalg.eigvalsh(kernel / len(x))
    shares = shares[shares > 0]
    return float(torch.exp(-(shares * shares.log()).sum()))
