"""Samples beyond the range of real slices: their share, and its test.

Slices whose value is far above those of real slices of their bin are counted. The shares of single patients give an
upper bound of the share among slices of new patients, which is wide with few patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import beta

from jsddpm_eval.stats.limits import LEAST_P, TAIL

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]

_MOST_UNITS = 10**6


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


def share_bound(beyond: Flags | Values, patient: Labels, confidence: float) -> float:
    """Upper bound of the share of slices of new patients that lie beyond, from real slices by patient.

    Clopper and Pearson's bound; each patient counts as one trial with its share.

    Args:
        beyond: Whether each real slice lies beyond, boolean ``(n,)``, or the probability that it does.
        patient: Patient of each slice, ``(n,)``.
        confidence: Probability that the share is below the bound.

    >>> round(share_bound(np.zeros(20, bool), np.arange(20), 0.95), 3)  # the rule of three
    0.139
    """
    return share_at_most(*by_unit(beyond, patient), confidence)


def by_unit(flags: Flags | Values, unit: Labels) -> tuple[float, int]:
    """Flagged units and all units: a patient, or a volume, counts once, as the share of its slices that are flagged.

    Args:
        flags: Whether each slice is flagged, boolean ``(n,)``, or the probability that it is.
        unit: Patient or volume of each slice, ``(n,)``.

    >>> by_unit(np.array([True, True, True, False, False]), np.array([0, 0, 1, 1, 2]))
    (1.5, 3)
    """
    _, member, counts = np.unique(unit, return_inverse=True, return_counts=True)
    return float((np.bincount(member, flags) / counts).sum()), len(counts)


def share_at_most(count: float, total: int, confidence: float) -> float:
    """One-sided upper bound of a share, exact (Clopper and Pearson 1934).

    A count of volumes need not be whole, because a volume counts as the share of its slices. The beta distribution
    then lies between those of the two whole counts; shares of volumes scatter less than volumes that count as 0 or 1,
    so the bound is on the safe side.

    Args:
        count: Units that count, from 0 to ``total``.
        total: Units, at least 1.
        confidence: Probability that the share is below the bound.

    >>> [round(share_at_most(0, n, 0.95), 3) for n in (8, 24, 32)]
    [0.312, 0.117, 0.089]
    """
    return float(beta.ppf(confidence, count + 1, total - count)) if count < total else 1.0


def share_interval(count: float, total: int) -> tuple[float, float]:
    """95 % interval of a share, exact; see :func:`share_at_most`.

    >>> share_interval(0, 10)
    (0.0, 0.3084...)
    """
    low = float(beta.ppf(TAIL, count, total - count + 1)) if count > 0 else 0.0
    return low, share_at_most(count, total, 1 - TAIL)


def units_needed(share: float, most: float) -> int | None:
    """Units from which the interval of a share lies below a bound if the share stays the same; None if it never does.

    >>> units_needed(0.0, 0.02), units_needed(0.0, 0.05), units_needed(0.1, 0.05)  # log(0.025) / log(0.98) is 182.6
    (183, 72, None)
    """
    if not 0 <= share < most < 1:
        return None
    least, enough = 0, 1
    while share_interval(share * enough, enough)[1] > most:
        least, enough = enough, 2 * enough
        if enough > _MOST_UNITS:
            return None
    while enough - least > 1:
        middle = (least + enough) // 2
        least, enough = (least, middle) if share_interval(share * middle, middle)[1] <= most else (middle, enough)
    return enough


def share_p_value(count: float, total: int, bound: float) -> float:
    """Of "no more than this share lies beyond", one-sided and exact; the counterpart of :func:`share_at_most`."""
    p_value = float(betainc(count, total - count + 1, bound)) if count > 0 else 1.0
    return max(p_value, LEAST_P)
