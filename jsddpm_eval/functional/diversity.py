"""Diversity within a condition: differences between samples of different seeds."""

from __future__ import annotations

import torch
from torch import Tensor

from jsddpm_eval.functional.best_match import pairwise_mse
from jsddpm_eval.functional.reconstruction import ms_ssim, ssim
from jsddpm_eval.functional.thinning import spread_places

_CHUNK = 64
_TILE = 256  # slices that are compared with all others at a time


def pairs(groups: Tensor, most: int) -> Tensor:
    """Unordered pairs of slices of different groups, at most this many, evenly spread over the list of them.

    Only the rows of the list that are used are made: 10,000 slices have 50 million pairs.

    Args:
        groups: Group of each slice, ``(N,)``.
        most: Largest number of pairs, at least 1.

    Returns:
        int64 ``(P, 2)``, in lexicographic order.

    >>> pairs(torch.tensor([0, 0, 1]), most=9).tolist()
    [[0, 2], [1, 2]]
    """
    alike = torch.zeros(len(groups), dtype=torch.int64)  # later slices of the same group
    for rows in (torch.nonzero(groups == group)[:, 0] for group in groups.unique()):
        alike[rows] = torch.arange(len(rows) - 1, -1, -1)
    partners = torch.arange(len(groups) - 1, -1, -1) - alike
    ends = partners.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    places = spread_places(total, most)
    first = torch.searchsorted(ends, places, right=True)
    chosen = torch.stack([first, places - (ends - partners)[first]], 1)
    for row in first.unique().tolist():
        others = row + 1 + torch.nonzero(groups[row + 1 :] != groups[row])[:, 0]
        chosen[first == row, 1] = others[chosen[first == row, 1]]
    return chosen


def rmse_of_units(images: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """Root mean squared differences over all pairs of slices of different units, added up for each unit.

    Args:
        images: ``(N, H, W)``; memory grows with N, and not with its square.
        unit: Number of the unit of each slice, from 0, int64 ``(N,)``.

    Returns:
        The sum over the pairs of each unit, float64 ``(U,)``, in the images' units; the number of these pairs, int64
        ``(U,)``. Each pair belongs to two units.

    >>> rmse_of_units(torch.tensor([[[0.0]], [[1.0]], [[3.0]]]), torch.tensor([0, 0, 1]))[0].tolist()
    [5.0, 5.0]
    """
    size = unit.bincount()
    total = torch.zeros(len(size), dtype=torch.float64)
    for start in range(0, len(images), _TILE):
        rows = slice(start, start + _TILE)
        different = pairwise_mse(images[rows], images[start:]).sqrt().triu_(diagonal=1)
        different[unit[rows, None] == unit[None, start:]] = 0
        total.index_add_(0, unit[rows], different.sum(1)).index_add_(0, unit[start:], different.sum(0))
    return total, size * (len(images) - size)


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

    Raises:
        ValueError: Without samples, or when a value is not finite.

    >>> round(vendi_score(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 2.0]])), 6)
    2.0
    """
    if len(features) == 0:
        raise ValueError("no samples")
    if not features.isfinite().all():
        raise ValueError("features must be finite")
    x = features.double()
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    unit = torch.where(norm > 0, x / norm.clamp_min(torch.finfo(torch.float64).tiny), 0.0)
    kernel = unit @ unit.T
    kernel.fill_diagonal_(1.0)
    shares = torch.linalg.eigvalsh(kernel / len(x))
    shares = shares[shares > 0]
    return float(torch.exp(-(shares * shares.log()).sum()))
