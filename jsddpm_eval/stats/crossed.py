"""Means over patients and trainings, both of which are samples that add to the variance.

Torch-free. Rows of one table are patients, columns are trainings, which every patient of the table shares; tables are
folds, with patients and trainings of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.stats.limits import MIN_UNITS, TAIL
from jsddpm_eval.stats.parts import Parts, half_width, two_sided
from jsddpm_eval.stats.power import POWER
from jsddpm_eval.stats.sign_test import sign_test_p

_MOST_PATIENTS = 100_000
_MOST_EXACT = 14
_POWER_QUANTILE = NormalDist().inv_cdf(POWER)


@dataclass(frozen=True)
class CrossedMean:
    """A mean over patients and trainings.

    Attributes:
        value: The mean.
        patients: Number of patients.
        parts: Variance and units of the patients, and of the trainings.
        spread: Variance of a patient's mean over trainings.
        trainings: What each training adds to the mean.
    """

    value: float
    patients: int
    parts: tuple[tuple[float, int], ...]
    spread: float
    trainings: tuple[float, ...] = ()

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval; None with fewer than three patients, or one training of each fold."""
        half = self._half(2 * TAIL, self.parts)
        return None if half is None else (self.value - half, self.value + half)

    @property
    def p_value(self) -> float | None:
        """Two-sided, of "the mean is 0"; None where there is no interval.

        The larger one of two p-values: that of the interval, which assumes normal trainings, and that of a sign test,
        which assumes only that they are exchangeable. Therefore a few trainings that agree by chance are not
        significant.
        """
        if self.interval is None:
            return None
        by_scatter = two_sided(self.value, self.parts)
        by_interval = sign_test_p(self.patients) if by_scatter is None else by_scatter
        return max(by_interval, flipped_p_value(self.trainings))

    def detectable(self, level: float) -> float | None:
        """Smallest mean that would be significant in about 80 % of such studies.

        With the fewest trainings that can be significant (:func:`trainings_for`) all of them must agree, and the share
        is between 60 and 80 %.

        Args:
            level: Allowed rate of false alarms for this mean.

        Returns:
            None where there is no interval, or with too few trainings for any significant mean.
        """
        return self._detectable(level, self.parts)

    def patients_for(self, mean: float, level: float) -> int | None:
        """Patients with whom such a mean would be significant in about 80 % of studies with as many trainings.

        Args:
            mean: The mean.
            level: Allowed rate of false alarms for this mean.

        Returns:
            None if no number of patients suffices, because the trainings vary too much or are too few.
        """
        if self.interval is None:
            return None

        def seen(patients: int) -> bool:
            reached = self._detectable(level, [(self.spread / patients, patients), *self.parts[1:]])
            return reached is not None and reached <= mean

        if not seen(_MOST_PATIENTS):
            return None
        low, high = MIN_UNITS, _MOST_PATIENTS  # the smallest number that suffices
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if seen(middle) else (middle + 1, high)
        return low

    def _detectable(self, level: float, parts: Parts) -> float | None:
        half = None if len(self.trainings) < trainings_for(level) else self._half(level, parts)
        return None if half is None else half + _POWER_QUANTILE * sum(variance for variance, _ in parts) ** 0.5

    def _half(self, level: float, parts: Parts) -> float | None:
        """See :func:`~jsddpm_eval.stats.parts.half_width`; None with too few patients, or one training of each fold."""
        return None if self.patients < MIN_UNITS or len(parts) < 2 else half_width(parts, level)


def trainings_for(level: float) -> int:
    """Fewest trainings of which :func:`flipped_p_value` can be at most ``level``.

    If n agree, it is that of :func:`~jsddpm_eval.stats.sign_test.sign_test_p`, ``2 ** (1 - n)``.

    >>> trainings_for(0.05), trainings_for(0.0625)
    (6, 5)
    """
    return ceil(1 - log2(level))


def flipped_p_value(effects: Sequence[float]) -> float:
    """Share of all choices of signs (of 20,000, if effects are many) whose sum is at least as far from 0 as observed.

    Args:
        effects: What each training adds to a mean.

    >>> flipped_p_value([0.1, 0.2, 0.1])
    0.25
    """
    values = np.asarray(effects, dtype=np.float64)
    if len(values) <= _MOST_EXACT:
        numbers = np.arange(2 ** len(values))
        signs = 2 * ((numbers[:, None] >> np.arange(len(values))) & 1) - 1
    else:
        signs = 2 * np.random.default_rng(0).integers(0, 2, (20_000, len(values))) - 1
        signs[0] = 1  # the one observed
    sums, observed = np.abs(signs @ values), abs(values.sum())
    return float((sums >= observed * (1 - 1e-9)).mean())


def crossed_mean(tables: Sequence[NDArray[np.float64]]) -> CrossedMean:
    """The mean over all patients of their means over trainings.

    The variance is that of patients' means plus that of trainings' means: the interaction of patient and training
    is counted in both, which is conservative (Owen 2007, Annals of Applied Statistics 1, 386, "pigeonhole").

    Args:
        tables: Fold by fold, values ``(patients, trainings)``.

    >>> mean = crossed_mean([np.array([[1.0, 3.0], [2.0, 4.0], [3.0, 5.0]])])
    >>> mean.value, [round(variance, 3) for variance, _ in mean.parts]
    (3.0, [0.333, 1.0])
    """
    tables = [table for table in tables if table.size]
    by_patient = np.concatenate([table.mean(1) for table in tables]) if tables else np.empty(0)
    count = len(by_patient)
    if not count:
        return CrossedMean(float("nan"), 0, (), float("nan"))
    spread = float(by_patient.var(ddof=1)) if count > 1 else float("nan")
    parts = [(spread / count, count)]
    repeated = [table for table in tables if table.shape[1] > 1]
    if len(repeated) == len(tables):
        variance = sum((len(t) / count) ** 2 * t.mean(0).var(ddof=1) / t.shape[1] for t in tables)
        parts.append((float(variance), sum(t.shape[1] - 1 for t in tables) + 1))
    effects = [effect for t in tables for effect in (len(t) / count * t.mean(0) / t.shape[1]).tolist()]
    return CrossedMean(float(by_patient.mean()), count, tuple(parts), spread, tuple(effects))
