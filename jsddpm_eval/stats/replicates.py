"""The mean difference of pairs of trainings: its interval and its p-value, over folds or over seeds. Torch-free.

A training depends on its seed and on the patients of its fold. The unit is the fold, whose seeds are averaged first.
Trainings of several folds share patients, so their differences are correlated and their scatter understates the error:
the variance of the mean over F folds is ``s^2 (1 / F + n_test / n_train)`` (Nadeau and Bengio 2003, Machine Learning
52, 239). Within one fold the scatter of the seeds and the jackknife variance of its patients add.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from jsddpm_eval.stats.limits import MIN_UNITS, TAIL
from jsddpm_eval.stats.paired import Contrast
from jsddpm_eval.stats.parts import half_width, two_sided
from jsddpm_eval.stats.sign_test import sign_test_p


def over_folds(differences: Sequence[Sequence[float]], shares: Sequence[float]) -> Contrast:
    """The mean over folds of the mean over the pairs of a fold.

    Args:
        differences: By fold, the difference of each pair; at least two folds.
        shares: By fold, held-out patients in those trained on, ``n_test / n_train``.

    >>> found = over_folds([[1.0, 3.0], [3.0], [4.0]], [0.5, 0.5, 0.5])
    >>> [round(end, 2) for end in found.interval], round(found.p_value, 3)
    ([-0.93, 6.93], 0.081)
    """
    means = np.array([np.mean(fold) for fold in differences])
    mean, count = float(means.mean()), len(means)
    error = float(means.var(ddof=1) * (1 / count + np.mean(shares))) ** 0.5
    if error == 0 and mean != 0:
        return Contrast(None, sign_test_p(count), True, reason="every fold says the same: no spread")
    half = float(student.isf(TAIL, count - 1)) * error
    p_value = 2 * float(student.sf(abs(mean) / error, count - 1)) if mean else 1.0
    return Contrast((mean - half, mean + half), p_value, True)


def over_seeds(differences: Sequence[float], patients: tuple[float, int] | None) -> Contrast:
    """The mean over pairs of trainings of one fold.

    Args:
        differences: Of each pair; at least two.
        patients: Jackknife variance of the mean difference over patients, and their number (or that of their blocks);
            ``(0.0, 0)`` of a score in which no real patient has a part, None where the variance is not known.

    >>> found = over_seeds([1.0, 2.0, 3.0], (0.25, 9))
    >>> [round(end, 2) for end in found.interval], round(found.p_value, 3)
    ([-0.74, 4.74], 0.093)
    """
    if patients is None:
        return Contrast(reason="what each patient adds is not known")
    mean, count = float(np.mean(differences)), len(differences)
    parts = [(float(np.var(differences, ddof=1)) / count, count)]
    variance, n_patients = patients
    if n_patients:
        if n_patients < MIN_UNITS:
            return Contrast(n_patients=n_patients, reason=f"there are fewer than {MIN_UNITS} patients")
        parts.append((variance, n_patients))
    p_value = two_sided(mean, parts)
    if p_value is None:
        return Contrast(None, sign_test_p(count), True, n_patients or None, "every seed says the same: no spread")
    half = half_width(parts, 2 * TAIL)
    return Contrast((mean - half, mean + half), p_value, True, n_patients or None)
