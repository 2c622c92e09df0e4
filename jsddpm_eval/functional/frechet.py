"""Frechet distance between feature sets, exact and low-rank: no matrix square root of d x d covariances.

With centred feature matrices X_c (n x d) and Y_c (m x d), ``tr sqrt(S_x S_y)`` is the nuclear norm of
``X_c Y_c^T / sqrt((n - 1)(m - 1))``, an n x m matrix: exact for any d, cheap when n and m are small.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frechet_distance(x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> float:
    """Squared Frechet distance of the Gaussians fitted to two feature sets (FID, Heusel et al. 2017, 1706.08500).

    Biased upwards by about c/N with c depending on the model; compare at equal counts, beside a real-versus-real
    floor.

    Args:
        x: Features ``(n, d)``, n at least 2; covariances use n - 1.
        y: Features ``(m, d)``, m at least 2.
        x_weights: Weights of the rows of ``x``, positive; with them ``1 / (n - 1)`` becomes ``w / (1 - sum w^2)`` for
            weights of sum 1, which is the same for equal weights.
        y_weights: The same for ``y``.

    Returns:
        The distance, at least 0.

    >>> frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]]))
    9.0
    """
    if len(x) < 2 or len(y) < 2:
        raise ValueError(f"{len(x)} and {len(y)} samples have no covariance")
    (mean_x, a), (mean_y, b) = _fitted(x, x_weights), _fitted(y, y_weights)
    if x.shape[1] < min(len(x), len(y)):  # triangular factors have the same nuclear norm and only d rows
        a, b = torch.linalg.qr(a, mode="r").R, torch.linalg.qr(b, mode="r").R
    trace = torch.linalg.svdvals(a @ b.T).sum()
    distance = (mean_x - mean_y).square().sum() + a.square().sum() + b.square().sum() - 2 * trace
    return max(0.0, float(distance))


def effective_dimension(features: Tensor) -> int:
    """Number of principal components that hold 99 % of the variance.

    Below this number of samples a covariance is mostly noise, and so is a Frechet distance.

    Args:
        features: ``(n, d)``, n at least 2; a constant set has dimension 0.

    >>> effective_dimension(torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]))
    2
    """
    centred = features.double() - features.double().mean(0)
    if centred.shape[1] < len(centred):
        centred = torch.linalg.qr(centred, mode="r").R
    spectrum = torch.linalg.svdvals(centred).square()
    if spectrum.sum() <= 0:
        return 0
    return int((spectrum.cumsum(0) < 0.99 * spectrum.sum()).sum()) + 1


def _fitted(features: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean, and centred rows scaled so that their Gram matrix is the covariance."""
    features = features.double()
    if weights is None:
        mean = features.mean(0)
        return mean, (features - mean) / (len(features) - 1) ** 0.5
    share = (weights.double() / weights.double().sum())[:, None]
    mean = (share * features).sum(0)
    return mean, (share / (1 - share.square().sum())).sqrt() * (features - mean)
