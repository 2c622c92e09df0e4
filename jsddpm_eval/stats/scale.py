"""One number of each slice by condition and patient, and its scale: standard deviations of real slices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.stats.limits import MAD_SD

Values = NDArray[np.float64]
Labels = NDArray[np.int64]

REACH = 4.0
"""Standard deviations to which the value of a slice is limited, so that a few outliers are no shift."""


@dataclass(frozen=True)
class Side:
    """Slices of one side.

    Attributes:
        values: One number of each slice, float64 ``(n,)``.
        condition: Condition of each slice, ``(n,)``.
        unit: Independent unit of each slice: patient, sample or volume, ``(n,)``.
    """

    values: Values
    condition: Labels
    unit: Labels

    def where(self, keep: NDArray[np.bool_]) -> Side:
        """The slices that a boolean mask selects."""
        return Side(self.values[keep], self.condition[keep], self.unit[keep])


@dataclass(frozen=True)
class Scale:
    """Centre of each condition and one scale, from real slices.

    Attributes:
        centre: Median by condition; NaN where there is no real slice.
        spread: Standard deviation of real slices around it, from the median absolute deviation.
    """

    centre: Values
    spread: float

    @classmethod
    def fit(cls, real: Side, conditions: int) -> Scale:
        """The scale of real slices; conditions are numbers below ``conditions``.

        Slices are compared with the median of other patients, because their own patient draws the median to them: with
        three patients the spread would be half of what it is.
        """
        centre = np.full(conditions, np.nan)
        for c in np.unique(real.condition):
            centre[c] = np.median(real.values[real.condition == c])
        rest = np.abs(from_others(real))
        rest = rest[np.isfinite(rest)] if np.isfinite(rest).any() else np.abs(real.values - centre[real.condition])
        spread = MAD_SD * float(np.median(rest)) if len(rest) else 0.0
        return cls(centre, spread or (float(rest.std()) if len(rest) else 0.0))

    def __call__(self, side: Side) -> Side:
        """Values in standard deviations from the centre of their condition, bounded; a constant is 0."""
        distance = side.values - self.centre[side.condition]
        scaled = distance / self.spread if self.spread > 0 else np.sign(distance) * REACH
        return Side(np.clip(scaled, -REACH, REACH), side.condition, side.unit)

    def of_distances(self, side: Side) -> Side:
        """Distances in the same standard deviations with the same bound, but from 0, so that they have a ratio."""
        origin = self.centre[side.condition] / self.spread if self.spread > 0 else 0.0
        return replace(side, values=self(side).values + origin)


def median_of_others(side: Side) -> tuple[Values, Values]:
    """Median over the slices of other units of the condition, and the number of these units; NaN where none is.

    Slices without a number (NaN) have no part in it.
    """
    centre, count = np.full((2, len(side.values)), np.nan)
    known = np.isfinite(side.values)
    for c in np.unique(side.condition):
        rows = np.flatnonzero((side.condition == c) & known)
        units, unit = np.unique(side.unit[rows], return_inverse=True)
        if len(units) < 2:
            continue
        count[rows] = len(units) - 1
        if len(units) == len(rows):
            centre[rows] = _median_without_each(side.values[rows])
            continue
        for number in range(len(units)):
            centre[rows[unit == number]] = np.median(side.values[rows[unit != number]])
    return centre, count


def _median_without_each(values: Values) -> Values:
    """Median of all other values for each of two or more, in one sort."""
    order, others = values.argsort(kind="stable"), len(values) - 1
    ascending, rank = values[order], order.argsort()
    low, high = (ascending[middle + (rank <= middle)] for middle in ((others - 1) // 2, others // 2))
    return np.asarray((low + high) / 2)


def from_others(side: Side) -> Values:
    """Difference of each slice from the median of other units of its condition; NaN where none is.

    The median of few units varies itself, by about ``pi / (2 m - 2 + pi)`` of the variance of a unit for ``m`` normal
    units; differences are divided by what this adds, so that sides of different numbers of units can be compared.

    >>> from_others(Side(np.array([0.0, 2.0]), np.zeros(2, np.int64), np.arange(2))).round(3)  # 2 / sqrt(2)
    array([-1.414,  1.414])
    """
    centre, others = median_of_others(side)
    return np.asarray((side.values - centre) / np.sqrt(1 + np.pi / (2 * others - 2 + np.pi)))
