"""The difference of one score in two evaluations of the same real slices: its interval and its p-value. Torch-free.

The real patients are the same on both sides, so each is left out on both sides at once, and their common variation
cancels. Generated samples are independent between the evaluations, unless both drew them from
the same seeds, which start the same samples from the same noise: then they are pairs too. Variances of these groups are
jackknife variances and add; the generated side of a skewed score keeps the skewness of its own interval, side by side
(Zou and Donner 2008). ``tests/soak/comparison.py`` simulates the coverage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from jsddpm_eval.results.score import Influence, Score
from jsddpm_eval.stats.jackknife import jackknife_variance, standard_error
from jsddpm_eval.stats.limits import LEAST_P, MIN_UNITS, TAIL, Z95
from jsddpm_eval.stats.sign_test import sign_test_p

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Contrast:
    """Interval and p-value of a difference.

    Attributes:
        interval: 95 % of the difference.
        p_value: Two-sided, of "there is no difference", not corrected for anything.
        paired: Whether patients (or samples of the same seeds) were paired.
        n_patients: Patients, or blocks of them, that were paired.
        reason: Why there is no interval.
    """

    interval: tuple[float, float] | None = None
    p_value: float | None = None
    paired: bool = False
    n_patients: int | None = None
    reason: str | None = None


def contrast(first: Score, second: Score, *, same_seeds: bool) -> Contrast:
    """Second minus first.

    Args:
        first: A defined score.
        second: The same score of the other evaluation, defined.
        same_seeds: Whether both drew their samples from the same seeds.
    """
    if first.interval is None or second.interval is None:
        return Contrast(reason="a side has no interval")
    changes = _Changes.of(first.influence, second.influence, same_seeds)
    return _independent(first, second) if changes is None else _paired(first, second, changes)


def patient_changes(first: Influence | None, second: Influence | None) -> dict[str, float] | None:
    """Change of the difference when each patient, or block of them, is left out; 0 for a patient who is not listed.

    Returns:
        None where a side has no such values, or left out other blocks of patients, which make no pairs.

    >>> patient_changes(Influence(patients={"a": 0.25}), Influence(patients={"a": 0.5, "b": 1.0}))
    {'a': 0.25, 'b': 1.0}
    """
    if first is None or second is None:
        return None
    names = list(dict.fromkeys([*first.patients, *second.patients]))
    if (
        set(first.patients) != set(second.patients)
        and max(Influence(patients=dict.fromkeys(names, 0.0)).patient_blocks) > 1
    ):
        return None
    return {n: second.patients.get(n, 0.0) - first.patients.get(n, 0.0) for n in names}


@dataclass(frozen=True)
class _Changes:
    """Changes when each unit is left out: of the difference, by patient; of either side, by generated sample."""

    patients: NDArray[np.float64]
    patient_blocks: list[int]
    sides: tuple[Influence, Influence]
    pairs: bool

    @classmethod
    def of(cls, first: Influence | None, second: Influence | None, same_seeds: bool) -> _Changes | None:
        """None where a side has no such values, or left out other blocks of patients, which make no pairs."""
        change = patient_changes(first, second)
        if first is None or second is None or change is None:
            return None
        blocks = Influence(patients=change).patient_blocks
        pairs = same_seeds and first.pairs and second.pairs and len(first.samples) == len(second.samples)
        return cls(np.array(list(change.values())), blocks, (first, second), pairs)

    @property
    def shared(self) -> tuple[float, int]:
        """Variance due to the patients, and their number."""
        return jackknife_variance(self.patients, self.patient_blocks) if len(self.patients) else 0.0, len(self.patients)

    @property
    def parts(self) -> list[tuple[float, int]]:
        """Variance and units of each independent group."""
        first, second = self.sides
        if self.pairs:
            change = np.subtract(second.samples, first.samples)
            samples = [(_variance(change, first), len(change))]
        else:
            samples = [(_variance(side.samples, side), len(side.samples)) for side in self.sides]
        return [(variance, units) for variance, units in [self.shared, *samples] if units]


def _variance(change: ArrayLike, side: Influence) -> float:
    """Jackknife variance of a side's samples; 0 if there are none."""
    return jackknife_variance(change, side.sample_blocks or None) if side.samples else 0.0


def _paired(first: Score, second: Score, changes: _Changes) -> Contrast:
    difference, parts = float(second.value or 0) - float(first.value or 0), changes.parts
    n_patients = len(changes.patients) or None
    if min((units for _, units in parts), default=0) < MIN_UNITS:
        return Contrast(reason=f"there are fewer than {MIN_UNITS} patients or samples", n_patients=n_patients)
    freedom = standard_error(parts)[1]
    below, above = _arms(first, second, changes)
    facing = below if difference > 0 else above
    if facing == 0 and difference != 0:  # no scale to judge it by but the signs
        p_value = sign_test_p(min(units for _, units in parts))
        return Contrast(None, p_value, True, n_patients, "every patient and sample says the same: no spread")
    quantile = float(student.ppf(1 - TAIL, freedom))
    p_value = 1.0 if difference == 0 else max(float(2 * student.sf(abs(difference) / facing, freedom)), LEAST_P)
    interval = difference - quantile * below, difference + quantile * above
    return Contrast(interval, p_value, changes.pairs or bool(n_patients), n_patients)


def _arms(first: Score, second: Score, changes: _Changes) -> tuple[float, float]:
    """Standard errors of the difference downwards and upwards."""
    errors = []
    for score, side in zip((first, second), changes.sides, strict=True):
        error = _variance(side.samples, side) ** 0.5
        errors.append([error * skew for skew in _skewness(score)])
    correlation = 0.0
    if changes.pairs and errors[0][0] * errors[1][0] > 0:
        correlation = float(np.corrcoef(np.array([side.samples for side in changes.sides]))[0, 1])
    arms = []
    for a, b in ((errors[0][1], errors[1][0]), (errors[0][0], errors[1][1])):  # down: second's lower, first's upper
        arms.append((changes.shared[0] + max(0.0, a * a + b * b - 2 * correlation * a * b)) ** 0.5)
    return arms[0], arms[1]


def _skewness(score: Score) -> tuple[float, float]:
    """Ratio of the interval's lower and upper half-widths to those of a symmetric t interval; 1 and 1 for a mean."""
    if score.interval is None or score.value is None or score.influence is None:
        return 1.0, 1.0
    if math.isclose(score.value - score.interval[0], score.interval[1] - score.value, rel_tol=1e-9):
        return 1.0, 1.0  # of a mean; its own interval may also count what the samples of a network share
    by_patient, side = np.array(list(score.influence.patients.values())), score.influence
    groups = [(jackknife_variance(by_patient, side.patient_blocks), len(by_patient))] if len(by_patient) else []
    groups += [(_variance(side.samples, side), len(side.samples))] if side.samples else []
    error, freedom = standard_error(groups)
    if error == 0:
        return 1.0, 1.0
    half = float(student.ppf(1 - TAIL, freedom)) * error
    return (score.value - score.interval[0]) / half, (score.interval[1] - score.value) / half


def _independent(first: Score, second: Score) -> Contrast:
    """The interval from both intervals, without pairs (Zou and Donner 2008; Newcombe 1998, of Wilson's)."""
    (low_a, high_a), (low_b, high_b) = first.interval or (0.0, 0.0), second.interval or (0.0, 0.0)
    a, b = float(first.value or 0), float(second.value or 0)
    difference = b - a
    below, above = float(np.hypot(b - low_b, high_a - a)), float(np.hypot(high_b - b, a - low_a))
    facing = (below if difference > 0 else above) / Z95  # standard error on the side where 0 lies
    if difference and not facing:
        return Contrast(reason="intervals without width")
    p_value = max(2 * _NORMAL.cdf(-abs(difference) / facing), LEAST_P) if difference else 1.0
    return Contrast((difference - below, difference + above), p_value)
