"""The mean difference of one number between generated and real slices, with the patient as the unit.

The mean over generated slices is compared with the mean over real slices of the same conditions, weighed like the
generated ones. Its variance has three parts: real patients (all slices of a patient together), generated units
(samples, or volumes), and what samples of different conditions may share. Samples of one network share the network, and
imported ones may come from few people; across conditions they are assumed to be no more independent than slices of
the same number of patients, which avoids false alarms for a perfect generator of few patients. Slices of a volume share
it in any case, so of both kinds of dependence the larger one counts.

A perfect generator may draw patients, or slices, of a condition with equal probability. Both means are compared, and
the difference with the larger p-value counts (a composite null hypothesis).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import t as student

from jsddpm_eval.stats.limits import LEAST_P, MIN_UNITS, TAIL
from jsddpm_eval.stats.parts import freedom
from jsddpm_eval.stats.scale import Labels, Side, Values
from jsddpm_eval.stats.sign_test import sign_test_p


@dataclass(frozen=True)
class Shift:
    """A mean difference, generated less real.

    Attributes:
        value: The difference.
        mean: Mean over generated slices.
        error: Its standard error.
        freedom: Degrees of freedom, by which intervals and tests hold for any division of the variance between few
            patients and many samples (:func:`~jsddpm_eval.stats.parts.freedom`).
        real_error: Standard error of the mean of real slices alone.
        of_patients: Share of the variance that falls with the number of real patients.
        patients: Real patients it rests on.
        slices: Real slices it rests on.
        samples: Generated slices it rests on.
        units: Generated units they are of.
        without_patients: Changes of the value when each real patient is left out (linearized), by label.
        without_units: The same for generated units, in the order in which they appear, ``(units,)``; enlarged, as the
            error is, where samples vary less than real slices.
    """

    value: float
    mean: float
    error: float
    freedom: float
    real_error: float
    of_patients: float
    patients: int
    slices: int
    samples: int
    units: int
    without_patients: dict[int, float] = field(compare=False, repr=False)
    without_units: Values = field(compare=False, repr=False)

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval."""
        return float(student.ppf(1 - TAIL, self.freedom)) * self.error

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval."""
        return self.value - self.half_width, self.value + self.half_width

    @property
    def p_value(self) -> float:
        """Two-sided, of "there is no difference"; the sign test's if there is no spread."""
        if self.error == 0:
            return 1.0 if self.value == 0 else sign_test_p(min(self.patients, self.units))
        return max(float(2 * student.sf(abs(self.value) / self.error, self.freedom)), LEAST_P)

    @property
    def of_distances(self) -> Shift:
        """The shift of a mean of distances, with the error of its logarithm where samples lie further apart.

        The error of a mean distance grows with the mean: where chance leaves unusual patients to one side, this side
        has the larger mean and the larger error, and the error of real slices is too small for it.
        """
        real = self.mean - self.value
        ratio = self.mean / real if real > 0 else 1.0
        growth = (ratio - 1) / math.log(ratio) if ratio > 1 else 1.0
        return replace(self, error=growth * self.error)

    @property
    def of_pairs(self) -> Shift:
        """The shift of a mean of numbers of pairs of units, with twice the variance, because each may count twice."""
        return replace(self, error=2**0.5 * self.error)


def mean_shift(real: Side, generated: Side, *, distances: bool = False) -> Shift | None:
    """Mean of the generated side less that of the real one, condition by condition weighed as it was generated.

    Args:
        real: Real slices; their units are patients.
        generated: Generated slices.
        distances: Whether the numbers are distances from other slices; see :attr:`Shift.of_distances`.

    Returns:
        None where fewer than three patients, or three generated units, have conditions in common.

    >>> a, b = np.arange(6.0), np.zeros(6, np.int64)
    >>> shift = mean_shift(Side(a, b, np.arange(6)), Side(a + 1, b, np.arange(6)))
    >>> round(shift.value, 3), round(shift.error, 3)  # the error of a difference of two means of six
    (1.0, 1.08)
    """
    both = [shift.of_distances if distances else shift for shift in both_shifts(real, generated)]
    return closest_to_null(both) if both else None


def closest_to_null(shifts: Sequence[Shift]) -> Shift:
    """The shift with the largest p-value, that of a composite null hypothesis; there is at least one.

    Where p-values are too small to differ, the smallest shift in standard errors.
    """
    return max(shifts, key=lambda s: (s.p_value, -abs(s.value) / s.error if s.error else -math.inf))


def both_shifts(real: Side, generated: Side) -> list[Shift]:
    """Differences from a generator that draws slices, and from one that draws patients; see :func:`mean_shift`.

    Returns:
        Empty where fewer than three patients, or three generated units, have conditions in common.
    """
    common = in_common(real, generated)
    real = real.where(np.isin(real.condition, generated.condition[common]))
    generated = generated.where(common)
    if min(len(np.unique(real.unit)), len(np.unique(generated.unit))) < MIN_UNITS:
        return []
    return [_shift(real, generated, by_patient=by_patient) for by_patient in (False, True)]


def in_common(real: Side, generated: Side) -> NDArray[np.bool_]:
    """Which generated slices have a condition with real slices of two patients: those that can be compared.

    >>> in_common(Side(np.zeros(2), np.array([0, 0]), np.arange(2)), Side(np.zeros(2), np.array([0, 1]), np.arange(2)))
    array([ True, False])
    """
    known = [c for c in np.unique(generated.condition) if len(np.unique(real.unit[real.condition == c])) > 1]
    return np.isin(generated.condition, known)


def _shift(real: Side, generated: Side, *, by_patient: bool) -> Shift:
    labels, owner = np.unique(real.unit, return_inverse=True)
    _, first, member = np.unique(generated.unit, return_index=True, return_inverse=True)
    unit = first.argsort().argsort()[member]  # in the order in which units appear
    weight, residual = np.zeros(len(real.values)), np.zeros(len(real.values))
    deviation = np.zeros(len(generated.values))
    alone, of_samples, floor, total = 0.0, 0.0, 0.0, len(generated.values)
    for c in np.unique(generated.condition):
        rows, samples = np.flatnonzero(real.condition == c), np.flatnonzero(generated.condition == c)
        patients, position, slices = np.unique(owner[rows], return_inverse=True, return_counts=True)
        share, units = len(samples) / total, len(np.unique(unit[samples]))
        weight[rows] = share / (len(patients) * slices[position]) if by_patient else share / len(rows)
        mean = np.average(real.values[rows], weights=weight[rows])
        residual[rows] = (real.values[rows] - mean) * (len(patients) / (len(patients) - 1)) ** 0.5
        of_people = np.bincount(position, weight[rows] * residual[rows])
        alone += float((of_people**2).sum())
        floor += share**2 * float(np.average((real.values[rows] - mean) ** 2, weights=weight[rows])) / units
        centred = generated.values[samples] - generated.values[samples].mean()
        deviation[samples] = centred / total * (units / max(units - 1, 1)) ** 0.5
        of_samples += float((np.bincount(unit[samples], deviation[samples]) ** 2).sum())
    of_each = np.bincount(owner, weight * residual).astype(np.float64)
    of_unit = np.bincount(unit, deviation).astype(np.float64)
    of_patients, total_of_units = float((of_each**2).sum()), float((of_unit**2).sum())
    of_volumes = total_of_units - of_samples
    across = max(0.0, of_patients - alone)
    held = np.bincount(owner, weight)
    people_freedom = max(1.0, float(held.sum() ** 2 / (held**2).sum()) - 1)
    people, samples_variance = of_patients, max(of_samples, floor)
    if of_volumes > across:
        samples_variance += of_volumes
    else:
        people += across
    variance = people + samples_variance
    parts = (people, people_freedom + 1), (samples_variance, _sample_freedom(unit, generated.condition) + 1)
    return Shift(
        value=float(generated.values.mean() - (weight * real.values).sum()),
        mean=float(generated.values.mean()),
        error=variance**0.5,
        freedom=freedom(parts) if variance > 0 else people_freedom,
        real_error=of_patients**0.5,
        of_patients=of_patients / variance if variance > 0 else 0.0,
        patients=len(held),
        slices=len(real.values),
        samples=total,
        units=len(of_unit),
        without_patients=dict(zip(labels.tolist(), _without(-of_each).tolist(), strict=True)),
        without_units=_without(of_unit) * max(1.0, (floor / total_of_units) ** 0.5 if total_of_units > 0 else 1.0),
    )


def _without(added: Values) -> Values:
    """Changes of a difference without each unit, whose jackknife variance is the sum of squares of what units add."""
    changes: Values = -added * (len(added) / (len(added) - 1)) ** 0.5
    return changes


def _sample_freedom(unit: Labels, condition: Labels) -> float:
    """Units less the means that are estimated from them: one of each set of conditions that units connect.

    Single samples connect no conditions, so it is their number less that of the conditions; volumes that all pass
    through every bin connect all conditions, so it is their number less 1.
    """
    bins = np.unique(condition, return_inverse=True)[1]
    units, conditions = int(unit.max()) + 1, int(bins.max()) + 1
    edges = coo_array((np.ones(len(unit)), (unit, units + bins)), shape=(units + conditions,) * 2)
    return max(1.0, units - float(connected_components(edges, directed=False)[0]))
