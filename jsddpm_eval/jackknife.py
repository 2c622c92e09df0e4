"""Variances and intervals from values with one unit (patient, generated sample) left out. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

MIN_UNITS = 3


def jackknife_variance(values: ArrayLike) -> float:
    """Variance of a statistic from its values with each unit left out: ``(n - 1) / n sum (v_i - mean)^2``."""
    spread = np.asarray(values, dtype=np.float64)
    if not np.isfinite(spread).all():
        return float("nan")
    return float((len(spread) - 1) / len(spread) * ((spread - spread.mean()) ** 2).sum())


def t_interval(centre: float, parts: Sequence[tuple[float, int]]) -> tuple[float, float] | None:
    """95 % interval around an estimate whose variance is a sum of independent parts.

    Args:
        centre: The estimate.
        parts: ``(variance, units)`` of each part; degrees of freedom by Welch and Satterthwaite.

    Returns:
        None when a part has fewer than three units, or its variance is not finite.

    >>> t_interval(0.0, [(1.0, 11)])
    (-2.228138..., 2.228138...)
    """
    if any(units < MIN_UNITS or not np.isfinite(variance) for variance, units in parts):
        return None
    error, freedom = standard_error(parts)
    half = float(student.ppf(0.975, freedom)) * error if error > 0 else 0.0
    return centre - half, centre + half


def distance_interval(value: float, left_out: Sequence[ArrayLike]) -> tuple[float, float] | None:
    """95 % interval of a distance from its values with each unit left out, in independent groups of units.

    A distance is skewed to the right: the interval is taken on ``asinh(value / s)``, with s its standard error, which
    is linear near 0 and logarithmic far from it. On the plain scale it would cover 88 % to 91 % where this covers 96 %.

    Args:
        value: The distance.
        left_out: Per group (patients; generated samples), the distance without each unit.

    Returns:
        None when a group has fewer than three units, or a distance is not finite.
    """
    groups = [np.asarray(v, dtype=np.float64) for v in left_out]
    scale = sum(jackknife_variance(v) for v in groups) ** 0.5
    if min(map(len, groups)) < MIN_UNITS or not np.isfinite(scale):
        return None
    if scale == 0:
        return value, value
    parts = [(jackknife_variance(np.arcsinh(v / scale)), len(v)) for v in groups]
    found = t_interval(float(np.arcsinh(value / scale)), parts)
    return None if found is None else (float(scale * np.sinh(found[0])), float(scale * np.sinh(found[1])))


def standard_error(parts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Standard error of a sum of independent parts, and its degrees of freedom (Welch and Satterthwaite).

    >>> standard_error([(4.0, 6), (0.0, 9)])
    (2.0, 5.0)
    """
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / (units - 1) for variance, units in parts)
    return total**0.5, total**2 / spread if spread > 0 else float("inf")
