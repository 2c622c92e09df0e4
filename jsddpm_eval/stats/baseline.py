"""Baselines: what a score is between real slices of different patients."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from jsddpm_eval.results.score import Baseline
from jsddpm_eval.stats.intervals import Statistic
from jsddpm_eval.stats.limits import MIN_PATIENTS, TAIL


def baseline_of(values: ArrayLike) -> Baseline:
    """Mean and 95 % band of a statistic over halvings; NaN is left out.

    Empty when there is no value, without a band for fewer than 39: an exchangeable new value falls below the k-th of n
    with probability k / (n + 1).
    """
    v = np.asarray(values, dtype=np.float64)
    v = np.sort(v[np.isfinite(v)])
    if not len(v):
        return Baseline()
    rank = int(TAIL * (len(v) + 1))
    return Baseline(float(v.mean()), (float(v[rank - 1]), float(v[-rank])) if rank else None)


def mean_baseline(values: Tensor) -> Baseline:
    """The mean of one value for each real slice, or pair of slices; empty where there is none."""
    return Baseline(float(values.mean()) if len(values) else None)


def patient_halves(count: int, repeats: int, seed: int) -> Tensor:
    """Random halvings of ``count`` patients, boolean ``(repeats, count)``; none (0 rows) below four patients."""
    if count < MIN_PATIENTS:
        return torch.zeros((0, count), dtype=torch.bool)
    rng = np.random.default_rng(seed)
    ranks = rng.random((repeats, count)).argsort(axis=1).argsort(axis=1)
    return torch.from_numpy(ranks < count // 2)


def halved_statistic(
    statistic: Statistic,
    real: Tensor,
    patients: NDArray[np.str_],
    *,
    count: int,
    seed: int,
    repeats: int = 40,
) -> list[float]:
    """The distance between real slices of two disjoint halves of the patients, over random halvings.

    One side is thinned to at most ``count`` slices, as many as were generated, because these distances depend on
    counts. None with fewer than two patients a side.

    Args:
        statistic: The distance.
        real: Features of the real slices, ``(n, d)``.
        patients: Their patients, ``(n,)``.
        count: Generated slices.
        seed: Seed of the halvings and of the thinning.
        repeats: Halvings.
    """
    owner = torch.from_numpy(np.unique(patients, return_inverse=True)[1])
    generator = torch.Generator().manual_seed(seed)
    values = []
    for half in patient_halves(int(owner.max()) + 1, repeats, seed):
        first = half[owner]
        second = torch.nonzero(~first)[:, 0]
        thinned = second[torch.randperm(len(second), generator=generator)[:count]]
        if min(int(first.sum()), len(thinned)) >= 2:
            values.append(statistic(real[first], real[thinned]))
    return values
