"""Clipped density and clipped coverage (Salvy, Talbot and Thirion 2026, 2507.01761)."""

from __future__ import annotations

import numpy as np
from scipy.stats import betabinom
from torch import Tensor

NEIGHBOURS = 5


def clipped_density(within_real: Tensor, between: Tensor, k: int = NEIGHBOURS) -> float:
    """Real balls that hold a generated sample, per sample, divided by k and clipped at 1, beside the same of real ones.

    Radii are clipped at their median, so that an outlier's ball stays small.

    Args:
        within_real: ``(n, n)``, n more than k.
        between: Real by generated, ``(n, m)``.
        k: Neighbours that make a ball; the sample itself does not count, the surface belongs to the ball.

    Returns:
        0 to 1; 1 is expected between equals.
    """
    radius = within_real.kthvalue(k + 1, dim=1).values
    radius = radius.clamp_max(float(radius.quantile(0.5)))[:, None]
    own = (within_real <= radius).sum(0) - 1
    shares = [(count.double() / k).clamp_max(1).mean() for count in ((between <= radius).sum(0), own)]
    return min(1.0, float(shares[0] / shares[1]))


def clipped_coverage(within_real: Tensor, between: Tensor, k: int = NEIGHBOURS) -> float:
    """Share of good samples that would fill the real balls as these samples do.

    A real ball is filled by ``min(samples in it, k) / k``. What is read is the smallest share of the samples that,
    drawn as the real ones are, would be expected to fill the balls as much (:func:`expected_filling`).

    Args:
        within_real: ``(n, n)``, n more than k.
        between: Real by generated, ``(n, m)``.
        k: Neighbours that make a ball.

    Returns:
        0 to 1; about 1 is expected between equals.
    """
    radius = within_real.kthvalue(k + 1, dim=1).values[:, None]
    filled = float((between <= radius).sum(1).clamp_max(k).double().mean() / k)
    n, m = between.shape
    return min(1.0, int(np.searchsorted(expected_filling(n, m, k), filled)) / m)


def expected_filling(n_real: int, n_generated: int, k: int = NEIGHBOURS) -> np.ndarray:
    """Expected filling of the real balls by 0 to ``n_generated`` samples drawn as the real ones, float64 ``(m + 1,)``.

    The samples in a ball of k of the other ``n - 1`` real ones are beta-binomial, whatever the distribution::

        E[min(C, k)] / k,   C ~ BetaBinomial(m, k, n - k)

    >>> expected_filling(100, 2, 1).round(6).tolist()
    [0.0, 0.01, 0.019802]
    """
    m = np.arange(n_generated + 1)
    missing = sum((k - j) * betabinom.pmf(j, m, k, n_real - k) for j in range(k))
    return np.asarray(1 - missing / k)
