"""The area under the receiver operating characteristic (AUC) of two groups of patients. Torch-free.

It is the probability that a value of the first group is above one of the second, ties counting one half (Bamber 1975).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import rankdata
from scipy.stats import t as student

from jsddpm_eval.stats.exceedance import share_interval
from jsddpm_eval.stats.limits import TAIL, Z95

_EDGE = 1e-9


def auc(first: ArrayLike, second: ArrayLike) -> float:
    """The area of two samples, in [0, 1].

    >>> auc([3.0, 2.0], [1.0, 2.0])
    0.875
    """
    n = len(np.asarray(first))
    labels = np.arange(n + len(np.asarray(second))) < n
    return float(auc_of_labels(np.concatenate([first, second])[None], labels[None])[0])


def auc_of_labels(values: NDArray[np.float64], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The area of every labelling.

    Args:
        values: Of every sample, ``(R, N)``, or ``(1, N)`` for all labellings.
        labels: True for the first group, ``(R, N)``, equally many in each row.

    Returns:
        float64 ``(R,)``.
    """
    ranks = rankdata(values, axis=1)
    n = int(labels[0].sum())
    sums = np.where(labels, ranks, 0.0).sum(1)
    areas: NDArray[np.float64] = (sums - n * (n + 1) / 2) / (n * (labels.shape[1] - n))
    return areas


def auc_interval(area: float, n: int, m: int, *, fitted: int | None = None) -> tuple[float, float]:
    """95 % interval of an area from ``n`` and ``m`` patients (Newcombe 2006, Statistics in Medicine 25, method 5).

    It holds the areas within 1.96 of their own standard errors of the estimate; the standard errors are those of Hanley
    and McNeil (1982), with the mean of both group sizes in place of either. It is valid for few patients, and for
    areas of 0 and 1, for which DeLong's variance is 0.

    Args:
        area: The area.
        n: Patients of the first group.
        m: Patients of the second.
        fitted: Coefficients that made the values and were estimated from the same patients, at least the two means;
            Student's quantile then takes the place of 1.96. Without it 4 and 4 patients are covered in 89 of 100.

    >>> [round(end, 2) for end in auc_interval(1.0, 5, 5)]
    [0.64, 1.0]
    """
    size = (n + m) / 2 - 1
    quantile = Z95 if fitted is None else float(student.ppf(1 - TAIL, n + m - fitted))

    def variance(a: float) -> float:
        return a * (1 - a) * (1 + size * (1 - a) / (2 - a) + size * a / (1 + a)) / (n * m)

    def excess(a: float) -> float:
        return (a - area) ** 2 - quantile**2 * variance(a)

    inside = min(max(area, _EDGE), 1 - _EDGE)  # at 0 and 1 themselves the variance is 0, which is no end
    low = 0.0 if area <= 0 else float(brentq(excess, 0.0, inside))
    high = 1.0 if area >= 1 else float(brentq(excess, inside, 1.0))
    return low, high


def sensitivity_at(first: ArrayLike, second: ArrayLike, rate: float) -> tuple[int, tuple[float, float]] | None:
    """True positives at a false-positive rate: values of the first group above all but a share of the second.

    Args:
        first: Values of the first group.
        second: Values of the second.
        rate: False-positive rate.

    Returns:
        The count and the exact 95 % interval of its share; None where the second group is too small for one of its
        values to be as rare as the rate.

    >>> sensitivity_at([5.0, 0.5], np.arange(4), 0.25)
    (1, (0.01..., 0.98...))
    >>> sensitivity_at([5.0, 0.5], np.arange(4), 0.01) is None
    True
    """
    values, others = np.asarray(first, dtype=np.float64), np.sort(np.asarray(second, dtype=np.float64))[::-1]
    allowed = int(np.floor(rate * len(others) + 1e-9))
    if allowed < 1:
        return None
    above = int((values > others[allowed]).sum()) if allowed < len(others) else len(values)
    return above, share_interval(above, len(values))
