"""The smallest difference an evaluation could detect with the patients at hand, by simulation on their features.

A comparison of generated with real slices is imitated: the patients are halved at random, one half stands for the
generated side. Over many halvings the statistic has a null distribution, whose upper 5 % is the critical value. The
same side is then shifted along all standardized features until the statistic exceeds that value in 80 % of halvings.

The cohort stands for its population, so the estimate is a little optimistic: tried on fresh cohorts of simulated
patients, a shift estimated for 80 % power was seen in 66 % of them with 12 patients and in 74 % with 24.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm_eval.cells import MIN_PATIENTS
from jsddpm_eval.uncertainty import Statistic

_STEPS = 9
_LARGEST_SHIFT = 8.0


@dataclass(frozen=True)
class Detectable:
    """The smallest detectable difference of one cell.

    Attributes:
        shift: In standard deviations of the features.
        score: Mean of the statistic at that shift; what a score must reach to be told from real.
        critical: The statistic's value that real against real exceeds in a share ``alpha`` of halvings.
    """

    shift: float
    score: float
    critical: float


def minimum_detectable(
    statistic: Statistic,
    features: Tensor,
    patients: NDArray[np.str_],
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    halvings: int = 100,
    seed: int = 0,
) -> Detectable | None:
    """Smallest shift of one half of the patients that the statistic detects.

    Args:
        statistic: A distance between feature sets, such as KID.
        features: Standardized features of the cell's slices, ``(n, d)``.
        patients: Their patients.
        alpha: False alarms allowed.
        power: Share of halvings in which the shift must be seen.
        halvings: Random halvings of the patients.
        seed: Seed of the halvings.

    Returns:
        None with fewer than four patients, or when even a shift of eight standard deviations is not seen.
    """
    names = np.unique(patients)
    if len(names) < MIN_PATIENTS:
        return None
    pairs = _halvings(names, patients, halvings, seed)

    def scores(shift: float) -> NDArray[np.float64]:
        return np.array([statistic(features[a], features[b] + shift) for a, b in pairs])

    critical = float(np.quantile(scores(0.0), 1 - alpha))
    low, high = 0.0, _LARGEST_SHIFT
    if float((scores(high) > critical).mean()) < power:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if float((scores(middle) > critical).mean()) < power:
            low = middle
        else:
            high = middle
    return Detectable(high, float(scores(high).mean()), critical)


def _halvings(
    names: NDArray[np.str_], patients: NDArray[np.str_], count: int, seed: int
) -> list[tuple[Tensor, Tensor]]:
    """Row numbers of both halves of the patients, each with at least two slices."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        first = np.isin(patients, rng.permutation(names)[: len(names) // 2])
        a, b = (torch.from_numpy(np.flatnonzero(side)) for side in (first, ~first))
        if min(len(a), len(b)) >= 2:
            pairs.append((a, b))
    return pairs
