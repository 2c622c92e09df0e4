"""Frechet distance between feature sets, exact and low-rank: no matrix square root of d x d covariances.

With centred feature matrices X_c (n x d) and Y_c (m x d), ``tr sqrt(S_x S_y)`` is the nuclear norm of
``X_c Y_c^T / sqrt((n - 1)(m - 1))``, an n x m matrix: exact for any d, cheap when n and m are small.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Squared Frechet distance of the Gaussians fitted to two feature sets (FID, Heusel et al. 2017, 1706.08500).

    Biased upwards by about c/N with c depending on the model; compare at equal counts, beside a real-versus-real
    floor.

    Args:
        x: Features ``(n, d)``, n at least 2; covariances use n - 1.
        y: Features ``(m, d)``, m at least 2.

    Returns:
        The distance, at least 0.

    >>> frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]]))
    9.0
    """
    if len(x) < 2 or len(y) < 2:
        raise ValueError(f"{len(x)} and {len(y)} samples have no covariance")
    x, y = x.double(), y.double()
    mean_x, mean_y = x.mean(0), y.mean(0)
    a, b = (x - mean_x) / (len(x) - 1) ** 0.5, (y - mean_y) / (len(y) - 1) ** 0.5
    if x.shape[1] < min(len(x), len(y)):  # triangular factors have the same nuclear norm and only d rows
        a, b = torch.linalg.qr(a, mode="r").R, torch.linalg.qr(b, mode="r").R
    trace = torch.linalg.svdvals(a @ b.T).sum()
    distance = (mean_x - mean_y).square().sum() + a.square().sum() + b.square().sum() - 2 * trace
    return max(0.0, float(distance))
