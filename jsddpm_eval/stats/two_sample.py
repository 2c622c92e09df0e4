"""A distance of generated samples from real slices of different patients: value, interval and baseline.

Value and baseline are one statistic of one design: at most one slice of each patient beside one of each generated unit.
The baseline exchanges samples between the sides, so a generator whose samples are slices of new patients lies inside
its band with the stated probability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm_eval.results.score import Baseline, Spread, block_of
from jsddpm_eval.stats.baseline import baseline_of
from jsddpm_eval.stats.intervals import BLOCKS, Statistic, distance_spread, numbered
from jsddpm_eval.stats.limits import MIN_PATIENTS, MIN_UNITS
from jsddpm_eval.stats.mix import mix_weights
from jsddpm_eval.stats.resampling import independent_slices, labels_of, one_per_patient, one_per_unit

SLICE_DRAWS, LABELLINGS = 8, 199

LabelStatistic = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Distances of labelled samples: features ``(N, d)``, labels ``(R, N)`` that are True on the real side, and the weight
``(N,)`` a sample has there, to ``(R,)``."""


def labelled(distance: Statistic) -> LabelStatistic:
    """A distance of two feature sets, ``(n, d)`` and ``(m, d)``, as a statistic of labelled samples without weights."""

    def statistic(x: Tensor, labels: Tensor, _weights: Tensor) -> Tensor:
        return torch.tensor([distance(x[row], x[~row]) for row in labels], dtype=torch.float64)

    return statistic


@dataclass(frozen=True)
class TwoSample:
    """A distance with its interval and baseline.

    Attributes:
        value: The distance, mean over draws.
        spread: Its 95 % interval, and the influences of patients and samples.
        baseline: Mean and 95 % band of the same mean with samples exchanged; empty below four patients or samples.
        n_real: Real slices of a draw, on average.
        n_generated: Generated slices of conditions that both sides have, of which a draw takes one of each unit.
        n_patients: Patients of the real slices of these conditions.
    """

    value: float
    spread: Spread
    baseline: Baseline
    n_real: int
    n_generated: int
    n_patients: int


def two_sample(
    statistic: LabelStatistic,
    real: Tensor,
    patients: NDArray[np.str_],
    generated: Tensor,
    *,
    seed: int,
    units: Tensor | None = None,
    strata: tuple[Tensor, Tensor] | None = None,
    labellings: int = LABELLINGS,
    interval: bool = True,
) -> TwoSample | None:
    """Compare at most one slice of each patient with one of each generated unit, averaged over draws of the slices.

    Within one condition all real slices are equally likely (:func:`~jsddpm_eval.stats.resampling.independent_slices`).
    Of several conditions each patient gives one slice, drawn with the generated mix; the real side is weighted to that
    mix, conditions that a draw lacks are left out of it, and labels are exchanged within conditions.

    Args:
        statistic: The distance.
        real: Features of the real slices, ``(n, d)``.
        patients: Their patients, ``(n,)``.
        generated: Features of the generated slices, ``(m, d)``.
        seed: Seed of draws and labels; draws rest on seed, patients, units and conditions alone.
        units: Unit of each generated slice, int64 ``(m,)``; every slice is one of its own when None.
        strata: Conditions of the real and of the generated slices.
        labellings: Exchanges of samples for the baseline.
        interval: Whether to leave out patients and samples for an interval.

    Returns:
        None when there are fewer than two patients or units of common conditions.
    """
    unit = torch.arange(len(generated)) if units is None else units
    if strata is not None:
        common = [torch.isin(a, b) for a, b in (strata, strata[::-1])]
        real, generated, patients = real[common[0]], generated[common[1]], patients[common[0].numpy()]
        strata, unit = (strata[0][common[0]], strata[1][common[1]]), unit[common[1]]
        if len(strata[1].unique()) < 2:
            strata = None
    names, numbers = np.unique(patients, return_inverse=True)
    owner, unit = torch.from_numpy(numbers), numbered(unit)
    m = len(unit.unique())
    if min(len(names), m) < 2:
        return None
    generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
    keys = torch.rand((labellings, len(names) + m), generator=generators[1], dtype=torch.float64)
    times = 1 if (len(names), m) == (len(real), len(generated)) else SLICE_DRAWS
    draws = [_Draw.of(real, owner, generated, unit, strata, generators) for _ in range(times)]
    draws = [draw for draw in draws if min(draw.sides) >= 2]
    if not draws:
        return None
    value = float(np.mean([draw.observed(statistic) for draw in draws]))
    baseline = Baseline()
    if min(len(names), m) >= MIN_PATIENTS:
        baseline = baseline_of(torch.stack([draw.exchanged(statistic, keys) for draw in draws]).mean(0).numpy())
    spread = _left_out(statistic, draws, value, names, m) if interval else Spread()
    n_real = round(float(np.mean([draw.sides[0] for draw in draws])))
    return TwoSample(value, spread, baseline, n_real, len(generated), len(names))


@dataclass(frozen=True)
class _Draw:
    """Samples of one draw, real ones first; units number the patients, then the generated units."""

    x: Tensor
    unit: Tensor
    real: Tensor
    strata: Tensor | None

    @classmethod
    def of(
        cls,
        real: Tensor,
        owner: Tensor,
        generated: Tensor,
        units: Tensor,
        strata: tuple[Tensor, Tensor] | None,
        generators: list[torch.Generator],
    ) -> _Draw:
        """A draw of slices of patients ``owner`` and of ``units``, numbered without gaps; a generator for each."""
        if strata is None:
            rows = independent_slices(owner, generators[0], torch.ones(len(owner), dtype=torch.float64))
        else:
            rows = one_per_patient(owner, generators[0], mix_weights(*strata)[strata[0]])
        chosen, n_patients = one_per_unit(units, generators[1]), int(owner.max()) + 1
        x, unit = torch.cat([real[rows], generated[chosen]]), torch.cat([owner[rows], n_patients + units[chosen]])
        side = torch.arange(len(x)) < len(rows)
        condition = None if strata is None else torch.cat([strata[0][rows], strata[1][chosen]])
        return cls(x, unit, side, condition).balanced()

    def balanced(self) -> _Draw:
        """The draw without conditions that one side lacks."""
        if self.strata is None:
            return self
        sides = self.strata[self.real], self.strata[~self.real]
        return self._where(torch.isin(self.strata, sides[0]) & torch.isin(self.strata, sides[1]))

    def _where(self, keep: Tensor) -> _Draw:
        return _Draw(self.x[keep], self.unit[keep], self.real[keep], None if self.strata is None else self.strata[keep])

    @property
    def sides(self) -> tuple[int, int]:
        """Real and generated samples."""
        n = int(self.real.sum())
        return n, len(self.real) - n

    @property
    def weights(self) -> Tensor:
        """Weights that give the real side the generated mix of conditions."""
        if self.strata is None:
            return torch.ones(len(self.x), dtype=torch.float64)
        return mix_weights(self.strata[self.real], self.strata[~self.real])[self.strata]

    def observed(self, statistic: LabelStatistic) -> float:
        """The distance."""
        return float(statistic(self.x, self.real[None], self.weights))

    def exchanged(self, statistic: LabelStatistic, keys: Tensor) -> Tensor:
        """Distances with samples exchanged; a unit has the same key in every draw."""
        return statistic(self.x, labels_of(keys[:, self.unit], self.sides[0], self.strata), self.weights)

    def without(self, units: Tensor) -> _Draw:
        """The draw without some units."""
        return self._where(~torch.isin(self.unit, units)).balanced()


def _left_out(statistic: LabelStatistic, draws: list[_Draw], value: float, names: NDArray[np.str_], m: int) -> Spread:
    """Interval from the same draws without one block of patients, and without one block of samples, at a time."""
    n_patients = len(names)
    if min(n_patients, m) < MIN_UNITS:
        return Spread()
    values: list[list[float]] = []
    for units in (torch.arange(n_patients), n_patients + torch.arange(m)):
        values.append([])
        for block in range(min(len(units), BLOCKS)):
            fewer = [draw.without(units[block::BLOCKS]) for draw in draws]
            if min(min(draw.sides) for draw in fewer) < 2:
                return Spread()
            values[-1].append(float(np.mean([draw.observed(statistic) for draw in fewer])))
    patients = {block_of(*names[i::BLOCKS]): v for i, v in enumerate(values[0])}
    return distance_spread(value, patients, values[1], m)
