"""The smallest difference an evaluation could detect with the patients at hand, by simulation.

New cohorts are drawn in which a patient has an effect of their own and their slices scatter around it, both normal,
with the covariances that the cohort at hand shows (between patients by Ledoit and Wolf's shrinkage, as patients are
few; J. Multivar. Anal. 88, 2004) and its numbers of slices. Half the patients stand for the generated side. Over many
cohorts the statistic has a null distribution, whose upper 5 % is the critical value; the generated side is then
shifted along all features until the statistic exceeds that value in 80 % of cohorts.

Tried on fresh simulated cohorts of 8 to 24 patients, shifts estimated for 80 % power were seen in 71 % to 92 % of
them when features are normal. With strongly skewed features (log-normal) it was 5 % to 30 %: outlying patients then
decide, and the estimate is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from jsddpm_eval.stats.intervals import Statistic
from jsddpm_eval.stats.limits import ALPHA, MIN_PATIENTS

_STEPS = 9
_LARGEST_SHIFT = 8.0


@dataclass(frozen=True)
class Detectable:
    """The smallest detectable difference of one cell.

    Attributes:
        shift: In standard deviations of the features.
        score: Mean of the statistic at that shift; what a score must reach to be told from real.
        critical: The statistic's value that real against real exceeds in a share ``alpha`` of cohorts.
    """

    shift: float
    score: float
    critical: float


def minimum_detectable(
    statistic: Statistic,
    features: Tensor,
    patients: NDArray[np.str_],
    *,
    alpha: float = ALPHA,
    power: float = 0.8,
    cohorts: int = 100,
    seed: int = 0,
) -> Detectable | None:
    """Smallest shift between two halves of such patients that the statistic detects.

    Args:
        statistic: A distance between feature sets, such as KID.
        features: Standardized features of the cell's slices, ``(n, d)``.
        patients: Their patients.
        alpha: False alarms allowed.
        power: Share of cohorts in which the shift must be seen.
        cohorts: Cohorts simulated.
        seed: Seed of the simulation.

    Returns:
        None with fewer than four patients, or when even a shift of eight standard deviations is not seen.
    """
    if len(np.unique(patients)) < MIN_PATIENTS:
        return None
    pairs = _simulated_halves(features.double().numpy(), patients, cohorts, np.random.default_rng(seed))

    def scores(shift: float) -> NDArray[np.float64]:
        return np.array([statistic(a, b + shift) for a, b in pairs])

    critical = float(np.quantile(scores(0.0), 1 - alpha))
    low, high = 0.0, _LARGEST_SHIFT
    if float(((seen := scores(high)) > critical).mean()) < power:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if float(((found := scores(middle)) > critical).mean()) < power:
            low = middle
        else:
            high, seen = middle, found
    return Detectable(high, float(seen.mean()), critical)


def _simulated_halves(
    features: NDArray[np.float64], patients: NDArray[np.str_], count: int, rng: np.random.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Features of both halves of simulated cohorts, the first half with as many slices as its patients have."""
    _, member, slices = np.unique(patients, return_inverse=True, return_counts=True)
    means = _group_means(features, member)
    residuals = features - means[member]
    people = len(slices)
    between, _ = ledoit_wolf(means - means.mean(0))
    patient_root = _root(between * people / (people - 1))
    slice_root = _root(residuals.T @ residuals / max(len(features) - people, 1))

    def side(chosen: NDArray[np.int64]) -> Tensor:
        owner = np.repeat(np.arange(len(chosen)), slices[chosen])
        scatter = rng.standard_normal((len(owner), features.shape[1])) @ slice_root
        scatter -= _group_means(scatter, owner)[owner]  # the patient's mean already carries its slices' scatter
        offsets = rng.standard_normal((len(chosen), features.shape[1])) @ patient_root
        return torch.from_numpy(offsets[owner] + scatter)

    half = people // 2
    orders = [rng.permutation(people) for _ in range(count)]
    return [(side(order[:half]), side(order[half:])) for order in orders]


def _group_means(values: NDArray[np.float64], member: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = np.zeros((int(member.max()) + 1, values.shape[1]))
    np.add.at(sums, member, values)
    return sums / np.bincount(member)[:, None]


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric square root: standard normal rows times it have this covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values.clip(0))) @ vectors.T)
