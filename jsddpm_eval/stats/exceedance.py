"""Samples beyond the range of real slices: their share, and its test.

Slices whose value is far above those of real slices of their bin are counted. The shares of single patients give an
upper bound of the share among slices of new patients, which is wide with few patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binomtest

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class UpperScale:
    """Median and upper spread of real values by group; a group's spread is shrunk half-way to that of all groups.

    The spread is the root mean square deviation of the values above the median.

    Attributes:
        centre: Median by group; of all groups where one has no value.
        spread: Upper spread by group, above 0.
    """

    centre: Values
    spread: Values

    @classmethod
    def fit(cls, values: Values, group: Labels, groups: int) -> UpperScale:
        """The scale of at least one real value, with groups numbered below ``groups``.

        >>> UpperScale.fit(np.array([0.0, 1.0, 2.0]), np.zeros(3, np.int64), 1)
        UpperScale(centre=array([1.]), spread=array([1.]))
        """
        centre = np.full(groups, float(np.median(values)))
        squared = np.full(groups, np.nan)
        for g in np.unique(group):
            of_group = values[group == g]
            centre[g] = np.median(of_group)
            above = of_group[of_group > centre[g]] - centre[g]
            if len(above):
                squared[g] = (above**2).mean()
        known = squared[np.isfinite(squared)]
        pooled = float(known.mean()) if len(known) else 0.0
        spread = np.sqrt((np.where(np.isfinite(squared), squared, pooled) + pooled) / 2)
        return cls(centre, np.maximum(spread, 1e-6))

    def __call__(self, values: Values, group: Labels) -> Values:
        """Values in spreads above the centre of their group."""
        return np.asarray((values - self.centre[group]) / self.spread[group])


def share_bound(beyond: Flags, patient: Labels, confidence: float) -> float:
    """Upper bound of the share of slices of new patients that lie beyond, from real slices by patient.

    Clopper and Pearson's bound; each patient counts as one trial with its share.

    Args:
        beyond: Whether each real slice lies beyond, boolean ``(n,)``.
        patient: Patient of each slice, ``(n,)``.
        confidence: Probability that the share is below the bound.

    >>> round(share_bound(np.zeros(20, bool), np.arange(20), 0.95), 3)  # the rule of three
    0.139
    """
    owner = np.unique(patient, return_inverse=True)[1]
    n_patients = int(owner.max()) + 1
    count = float((np.bincount(owner, beyond) / np.bincount(owner)).sum())
    return float(beta.ppf(confidence, count + 1, n_patients - count)) if count < n_patients else 1.0


def by_unit(flags: Flags, unit: Labels) -> tuple[int, int]:
    """Flagged units and all units: a volume counts once, as the share of its slices that are flagged.

    >>> by_unit(np.array([True, True, False, False]), np.array([0, 0, 1, 2]))
    (1, 3)
    """
    _, member, counts = np.unique(unit, return_inverse=True, return_counts=True)
    return round(float((np.bincount(member, flags) / counts).sum())), len(counts)


def share_interval(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share, exact (Clopper and Pearson 1934).

    >>> share_interval(0, 10)
    (0.0, 0.3084...)
    """
    interval = binomtest(count, total).proportion_ci()
    return float(interval.low), float(interval.high)


def share_p_value(count: int, total: int, bound: float) -> float:
    """Of "no more than this share lies beyond", one-sided and exact."""
    return max(float(binomtest(count, total, bound, alternative="greater").pvalue), np.finfo(float).tiny)
