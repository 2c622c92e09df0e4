"""Intervals and floors by patient: adjacent slices of one person are not independent observations."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_BLOCKS = 20
Z95 = NormalDist().inv_cdf(0.975)
Statistic = Callable[[Tensor, Tensor], float]
"""A distance between two feature sets, ``(n, d)`` and ``(m, d)``."""


def jackknife_interval(
    statistic: Statistic,
    real: Tensor,
    patients: NDArray[np.str_],
    generated: Tensor,
    *,
    min_patients: int = 3,
) -> tuple[float, float] | None:
    """95 % interval of a two-sample distance: delete one patient, and one block of generated samples, at a time.

    The two jackknife variances add, as the two samples are independent. None when fewer than ``min_patients``
    patients, or too few samples, are left to say anything.

    Args:
        statistic: The distance.
        real: Features of real slices.
        patients: Their patients.
        generated: Features of generated slices, independent of each other.
        min_patients: Patients needed.
    """
    names = np.unique(patients)
    if len(names) < min_patients or len(generated) < 3:
        return None
    keep = [torch.from_numpy(patients != name) for name in names]
    if min(int(k.sum()) for k in keep) < 2:
        return None
    block = torch.arange(len(generated)) % min(len(generated), _BLOCKS)
    variance = _jackknife_variance([statistic(real[k], generated) for k in keep])
    variance += _jackknife_variance([statistic(real, generated[block != i]) for i in block.unique()])
    centre, half = statistic(real, generated), Z95 * variance**0.5
    return centre - half, centre + half


def mean_interval(values: Tensor, clusters: NDArray[np.str_], *, min_clusters: int = 3) -> tuple[float, float] | None:
    """95 % interval of a mean over slices by the jackknife over patients; None for fewer than ``min_clusters``."""
    names = np.unique(clusters)
    if len(names) < min_clusters:
        return None
    variance = _jackknife_variance([float(values[torch.from_numpy(clusters != n)].double().mean()) for n in names])
    centre, half = float(values.double().mean()), Z95 * variance**0.5
    return centre - half, centre + half


def patient_halves_floor(
    statistic: Statistic,
    real: Tensor,
    patients: NDArray[np.str_],
    *,
    count: int,
    seed: int,
    repeats: int = 20,
) -> float | None:
    """The distance between real slices of two disjoint halves of the patients: what "as good as real" looks like.

    One side is thinned to at most ``count`` slices, as many as were generated, because these distances depend on
    counts; the mean over random halvings is returned. None with fewer than two patients a side.
    """
    names = np.unique(patients)
    if len(names) < 4:
        return None
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        order = rng.permutation(names)
        first = np.flatnonzero(np.isin(patients, order[: len(names) // 2]))
        second = np.setdiff1d(np.arange(len(patients)), first)
        thinned = rng.permutation(second)[:count]
        if min(len(first), len(thinned)) >= 2:
            values.append(statistic(real[torch.from_numpy(first)], real[torch.from_numpy(thinned)]))
    return float(np.mean(values)) if values else None


def _jackknife_variance(values: list[float]) -> float:
    spread = np.asarray(values, dtype=np.float64)
    return float((len(spread) - 1) / len(spread) * ((spread - spread.mean()) ** 2).sum())
