"""Frechet distance between feature sets, exact and low-rank: no matrix square root of d x d covariances.

With centred feature matrices X_c (n x d) and Y_c (m x d), ``tr sqrt(S_x S_y)`` is the nuclear norm of
``X_c Y_c^T / sqrt((n - 1)(m - 1))``, an n x m matrix: exact for any d, cheap when n and m are small.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ENTRIES = 1 << 21  # of cross products held at a time


def frechet_distance(x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None) -> float:
    """Squared Frechet distance of the Gaussians fitted to two feature sets (FID, Heusel et al. 2017, 1706.08500).

    Biased upwards by about c/N with c depending on the model; compare at equal counts, beside a real-versus-real
    baseline.

    Args:
        x: Features ``(n, d)``, n at least 2; covariances use n - 1.
        y: Features ``(m, d)``, m at least 2.
        x_weights: Weights of the rows of ``x``, positive; with them ``1 / (n - 1)`` becomes ``w / (1 - sum w^2)`` for
            weights of sum 1, which is the same for equal weights.
        y_weights: The same for ``y``.

    Returns:
        The distance, at least 0.

    Raises:
        ValueError: With fewer than two samples, features of unequal lengths, or a value that is not finite.

    >>> frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]]))
    9.0
    """
    if len(x) < 2 or len(y) < 2:
        raise ValueError(f"{len(x)} and {len(y)} samples have no covariance")
    if x.shape[1:] != y.shape[1:] or x.ndim != 2:
        raise ValueError(f"features of shape {tuple(x.shape)} and {tuple(y.shape)} are not (n, d) and (m, d)")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("features must be finite")
    (mean_x, a), (mean_y, b) = _fitted(x, x_weights), _fitted(y, y_weights)
    if x.shape[1] < min(len(x), len(y)):  # triangular factors have the same nuclear norm and only d rows
        a, b = torch.linalg.qr(a, mode="r").R, torch.linalg.qr(b, mode="r").R
    trace = torch.linalg.svdvals(a @ b.T).sum()
    distance = (mean_x - mean_y).square().sum() + a.square().sum() + b.square().sum() - 2 * trace
    return max(0.0, float(distance))


def frechet_of_labels(x: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """:func:`frechet_distance` of labelled samples, for many labellings, from one matrix of inner products.

    Args:
        x: Features ``(N, d)``.
        labels: True for samples of the first set, boolean ``(R, N)``; every row with as many, both sets at least 2.
        weights: Weight of a sample when it is of the first set, positive, ``(N,)``.

    Returns:
        float64 ``(R,)``.
    """
    centred = x.double() - x.double().mean(0)
    inner, n = centred @ centred.T, int(labels[0].sum())
    m = len(x) - n
    chunks = labels.split(max(1, _ENTRIES // (n * m)))
    return torch.cat([_of_inner(inner, part, weights, n) for part in chunks])


def _of_inner(inner: Tensor, labels: Tensor, weights: Tensor, n: int) -> Tensor:
    order = torch.from_numpy((~labels).numpy().argsort(axis=1, kind="stable"))
    sides = order[:, :n], order[:, n:]
    share = [weights[sides[0]].double(), torch.ones_like(sides[1], dtype=torch.float64)]
    share = [s / s.sum(1, keepdim=True) for s in share]
    scale = [s / (1 - s.square().sum(1, keepdim=True)) for s in share]
    full = torch.zeros(labels.shape, dtype=torch.float64)
    a, b = (full.scatter(1, rows, s) for rows, s in zip(sides, share, strict=True))
    to_a, to_b = a @ inner, b @ inner
    means = ((a - b) * (to_a - to_b)).sum(1)
    traces = torch.zeros_like(means)
    for side, s, to in zip(sides, share, (to_a, to_b), strict=True):
        squares = inner.diagonal()[side] - 2 * to.gather(1, side) + (s * to.gather(1, side)).sum(1, keepdim=True)
        traces += (s * squares).sum(1) / (1 - s.square().sum(1))
    cross = inner[sides[0][:, :, None], sides[1][:, None, :]]
    cross = cross - to_b.gather(1, sides[0])[:, :, None] - to_a.gather(1, sides[1])[:, None, :]
    cross = cross + (to_a * b).sum(1)[:, None, None]
    cross = scale[0].sqrt()[:, :, None] * cross * scale[1].sqrt()[:, None, :]
    distance: Tensor = means + traces - 2 * torch.linalg.svdvals(cross).sum(1)
    return distance.clamp(min=0)


def effective_dimension(features: Tensor) -> int:
    """Number of principal components that hold 99 % of the variance.

    With fewer samples the covariance, and therefore the Frechet distance, is mostly noise.

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
