"""Do a network's losses, or the difficulty of patients, separate training from held-out patients? Torch-free.

A patient's value at a noise level is the mean over their slices of the logarithm of the loss. The prediction
from a reference's loss is subtracted. Its slope is that within both groups (analysis of covariance), so that a
difference between the groups does not change it. The remainder, in standard deviations within the groups, is the score;
its mean over the levels is the attack. Under "membership changes nothing" every division of the patients, with its own
slope, is as likely as the observed one. This gives the p-value of the largest difference between the groups, in
standard deviations, over the attack and its levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.stats.auc import auc, auc_interval, auc_of_labels
from jsddpm_eval.stats.jackknife import t_interval
from jsddpm_eval.stats.limits import MIN_PATIENTS, MIN_UNITS, TAIL
from jsddpm_eval.stats.relabellings import relabelling_count

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Interval = tuple[float, float]

FITTED = 3
"""Coefficients that calibrated scores rest on: the means of both groups and the slope within them."""

DIVISIONS = 2000
"""Random divisions of the patients of one group."""

_ENTRIES = 1 << 22  # values looked at together
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class Losses:
    """Mean logarithm of the loss of every patient's slices.

    Attributes:
        network: The network's, float64 ``(P, L)`` for P patients and L noise levels.
        reference: That of a denoiser that has not seen the patient, ``(P, L)``.
        member: Whether the network was trained on the patient, boolean ``(P,)``.
    """

    network: Values
    reference: Values
    member: Flags

    @property
    def groups(self) -> tuple[int, int]:
        """Training and held-out patients."""
        return int(self.member.sum()), int((~self.member).sum())

    @property
    def enough(self) -> bool:
        """Whether any losses could give a p-value below 2.5 %, with three patients or more on either side."""
        return min(self.groups) >= MIN_UNITS and comb(len(self.member), self.groups[0]) >= 1 / TAIL


@dataclass(frozen=True)
class Area:
    """Separation of training from held-out patients by values: 0.5 is chance, 1 is perfect.

    Attributes:
        value: The area, that is the probability that a training patient has the higher value of such a pair.
        interval: Its 95 % interval by patient.
    """

    value: float
    interval: Interval

    @classmethod
    def of(cls, values: Values, member: Flags, *, fitted: int | None = None) -> Area:
        """The area of values ``(P,)``; for ``fitted`` see :func:`~jsddpm_eval.stats.auc.auc_interval`."""
        value = auc(values[member], values[~member])
        return cls(value, auc_interval(value, int(member.sum()), int((~member).sum()), fitted=fitted))


@dataclass(frozen=True)
class Divisions:
    """Areas of random divisions of one group into halves, which do not differ in training.

    Attributes:
        interval: Interval of 95 % of the areas.
        beyond: Share of divisions that reach the area of the attack.
    """

    interval: Interval
    beyond: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """The line that predicts a network's log loss from the reference's, at each level.

    Attributes:
        network: Mean log loss of the network, ``(L,)``.
        reference: Mean log loss of the reference, ``(L,)``.
        slope: Of the line within both groups, ``(L,)``.
        scale: Standard deviation around it within the groups, ``(L,)``.
    """

    network: Values
    reference: Values
    slope: Values
    scale: Values

    def scores(self, network: Values, reference: Values) -> Values:
        """Distance of log losses ``(n, L)`` below the line, in standard deviations, ``(n, L)``."""
        above = network - self.network - self.slope * (reference - self.reference)
        scores: Values = -above / np.maximum(self.scale, _TINY)
        return scores


@dataclass(frozen=True, eq=False)
class Attack:
    """Results of the membership attack.

    Attributes:
        scores: Calibrated score of each patient, in standard deviations, high where the loss is lower than the
            reference lets expect, ``(P,)``.
        by_level: The same at each level, ``(P, L)``.
        calibration: How a score follows from losses, for single slices.
        area: Of the scores.
        level_areas: Of each level's scores.
        plain: Of the mean loss itself, without a reference.
        difficulty: Of the reference's loss.
        p_value: One-sided, of "membership changes nothing", corrected for having several levels.
        gap: By how much lower the log loss of training patients is, beyond that of the reference: mean and interval.
        difficulty_gap: By how much lower the reference's log loss of training patients is.
        training: Divisions of training patients; None for fewer than four.
        held_out: Divisions of held-out patients; None for fewer than four.
    """

    scores: Values
    by_level: Values
    calibration: Calibration
    area: Area
    level_areas: tuple[Area, ...]
    plain: Area
    difficulty: Area
    p_value: float
    gap: tuple[float, Interval]
    difficulty_gap: float
    training: Divisions | None
    held_out: Divisions | None

    @property
    def informative(self) -> int:
        """The level with the largest area."""
        return int(np.argmax([area.value for area in self.level_areas]))


def attack(losses: Losses, *, seed: int = 0) -> Attack:
    """Separate training from held-out patients by their losses.

    Args:
        losses: Of at least three patients of either kind.
        seed: Seed of the relabellings and divisions.

    >>> easy = np.array([[1.0], [2.0], [3.0], [4.0], [1.5], [2.5], [3.5], [4.5]])
    >>> seen = np.arange(8) < 4
    >>> found = attack(Losses(easy - seen[:, None] + 0.1 * np.sin(9 * easy), easy, seen))
    >>> found.area.value, round(found.difficulty.value, 2)
    (1.0, 0.62)
    """
    labels = np.concatenate([losses.member[None], _relabelled(losses, np.random.default_rng([seed, 0]))])
    slope, scale = (line[0] for line in _lines(losses, labels[:1]))
    line = Calibration(losses.network.mean(0), losses.reference.mean(0), slope, scale)
    observed = line.scores(losses.network, losses.reference)
    scores, member = observed.mean(1), losses.member
    largest = _largest_gaps(losses, labels)
    extra = (losses.reference - losses.network).mean(1)
    sides = [extra[member], extra[~member]]
    difference = float(sides[0].mean() - sides[1].mean())
    spread = t_interval(difference, [(float(side.var(ddof=1)) / len(side), len(side)) for side in sides])
    easy = -losses.reference.mean(1)
    area = Area.of(scores, member, fitted=FITTED)
    return Attack(
        scores=scores,
        by_level=observed,
        calibration=line,
        area=area,
        level_areas=tuple(Area.of(level, member, fitted=FITTED) for level in observed.T),
        plain=Area.of(-losses.network.mean(1), member),
        difficulty=Area.of(easy, member),
        p_value=float((largest >= largest[0] - 1e-9 * abs(largest[0])).mean()),
        gap=(difference, spread or (-np.inf, np.inf)),
        difficulty_gap=float(easy[member].mean() - easy[~member].mean()),
        training=_divisions(scores[member], area.value, np.random.default_rng([seed, 1])),
        held_out=_divisions(scores[~member], area.value, np.random.default_rng([seed, 2])),
    )


def _relabelled(losses: Losses, rng: np.random.Generator) -> Flags:
    """Every other division into groups of these sizes, or as many random ones as the level needs, ``(R, P)``."""
    total, n = len(losses.member), losses.groups[0]
    most = relabelling_count(total)
    if comb(total, n) <= most:
        labels = np.zeros((comb(total, n), total), bool)
        for row, chosen in zip(labels, combinations(range(total), n), strict=True):
            row[list(chosen)] = True
        others: Flags = labels[(labels != losses.member).any(1)]
        return others
    order = rng.random((most, total)).argsort(1)
    flags: Flags = order < n
    return flags


def _largest_gaps(losses: Losses, labels: Flags) -> Values:
    """Largest difference between the groups over the attack and its levels for each labelling, ``(R,)``."""
    most = max(1, _ENTRIES // losses.network.size)
    return np.concatenate([_largest(losses, labels[i : i + most]) for i in range(0, len(labels), most)])


def _largest(losses: Losses, labels: Flags) -> Values:
    slope, scale = (line[:, None] for line in _lines(losses, labels))
    x, y = losses.reference - losses.reference.mean(0), losses.network - losses.network.mean(0)
    by_level = (slope * x - y) / np.maximum(scale, _TINY)
    every = np.concatenate([by_level.mean(2, keepdims=True), by_level], axis=2)
    n = int(labels[0].sum())
    sums = np.matmul(labels[:, None].astype(np.float64), every)[:, 0]
    first, second = sums / n, (every.sum(1) - sums) / (len(x) - n)
    spread = (every**2).sum(1) - n * first**2 - (len(x) - n) * second**2
    scaled = (first - second) / np.sqrt(np.maximum(spread, _TINY))
    largest: Values = scaled.max(1)
    return largest


def _lines(losses: Losses, labels: Flags) -> tuple[Values, Values]:
    """Slope within both groups and standard deviation around it, for each labelling, ``(R, L)`` each."""
    x, y = losses.reference - losses.reference.mean(0), losses.network - losses.network.mean(0)
    sides = [labels.astype(np.float64), (~labels).astype(np.float64)]

    def within(a: Values, b: Values) -> Values:
        between = [(side @ a) * (side @ b) / side.sum(1)[:, None] for side in sides]
        products: Values = (a * b).sum(0) - between[0] - between[1]
        return products

    xx, xy, yy = within(x, x), within(x, y), within(y, y)
    slope = np.divide(xy, xx, out=np.zeros_like(xy), where=xx > 1e-9 * (x**2).sum(0))
    return slope, np.sqrt(np.maximum(yy - slope * xy, 0) / max(1, len(x) - FITTED))


def _divisions(scores: Values, area: float, rng: np.random.Generator) -> Divisions | None:
    if len(scores) < MIN_PATIENTS:
        return None
    labels = rng.random((DIVISIONS, len(scores))).argsort(1) < len(scores) // 2
    areas = np.sort(auc_of_labels(scores[None], labels))
    low, high = np.quantile(areas, [TAIL, 1 - TAIL])
    return Divisions((float(low), float(high)), float((areas >= area).mean()))
