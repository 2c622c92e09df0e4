"""Intervals and tests of a mean whose variance is a sum of independent parts with few units each. Torch-free.

The variance of each part is multiplied by the square of its own Student quantile (Banerjee 1960). These intervals cover
the mean often enough for any division of the variance between the parts. Intervals with the degrees of freedom of Welch
and Satterthwaite do not, if a part has few units: where two seeds make most of the variance, 95 % intervals cover 88 %.
If chance makes the variance of a part with few units small, theirs are those of the other part, and the smallest
p-values occur many times too often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

LEAST = 1e-12
"""Smallest p-value that is given here: Student quantiles of few units overflow at much smaller levels."""

STRICT = 5e-4
"""About the level of one test of the whole, among all that a verdict makes."""

Parts = Sequence[tuple[float, float]]
"""Variance and units of each part; units less one are degrees of freedom."""


def half_width(parts: Parts, level: float) -> float:
    """Half of the interval that misses the mean with a probability of at most ``level``.

    >>> round(half_width([(1.0, 11)], 0.05), 3), round(half_width([(1.0, 11), (1.0, 11)], 0.05), 3)
    (2.228, 3.151)
    """
    return float(sum(float(stdtrit(units - 1, level / 2)) ** 2 * variance for variance, units in parts) ** 0.5)


def freedom(parts: Parts, level: float = STRICT) -> float:
    """Degrees of freedom of the one Student's t whose interval is :func:`half_width` at this level.

    Args:
        parts: Variance and units of each part; some have a variance.
        level: Level at which both agree. At larger levels this t has wider intervals, at smaller ones narrower ones.

    >>> round(freedom([(1.0, 11)]), 6), round(freedom([(1.0, 3), (1.0, 201)]), 1)
    (10.0, 2.2)
    >>> freedom([(6.162975822039153e-34, 6 - 2e-15), (3.7554347758576388e-06, 7.0)])
    6.0
    """
    degrees = [units - 1 for variance, units in parts if variance > 0]
    if min(degrees) == max(degrees):
        return float(degrees[0])
    least, most = (-float(stdtrit(degree, level / 2)) for degree in (max(degrees), min(degrees)))
    quantile = half_width(parts, level) / sum(variance for variance, _ in parts) ** 0.5
    quantile = min(max(quantile, least), most)  # rounding: one part may have nearly all of the variance
    excess = lambda degree: -float(stdtrit(degree, level / 2)) - quantile  # noqa: E731
    return float(brentq(excess, min(degrees), max(degrees)))


def two_sided(mean: float, parts: Parts) -> float | None:
    """P-value of "the mean is 0": the level at which its interval just reaches 0, at least :data:`LEAST`.

    Returns:
        None if the parts have no variance and the mean is not 0.

    >>> round(two_sided(2.228, [(1.0, 11)]), 3), two_sided(0.0, [(0.0, 3)]), two_sided(1.0, [(0.0, 3)])
    (0.05, 1.0, None)
    """
    if mean == 0:
        return 1.0
    widest = half_width(parts, LEAST)
    if widest == 0:
        return None
    if abs(mean) >= widest:
        return LEAST
    excess = lambda level: half_width(parts, float(np.exp(level))) - abs(mean)  # noqa: E731
    return float(np.exp(brentq(excess, np.log(LEAST), 0.0)))
