"""Intervals by patient: adjacent slices of one person are not independent observations.

What holds and how well, simulated: ``tests/soak/calibration.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import Tensor

from jsddpm_eval.results.score import JOINER, Influence, Spread
from jsddpm_eval.stats.jackknife import block_sizes, distance_interval, jackknife_variance, t_interval
from jsddpm_eval.stats.limits import MIN_UNITS

BLOCKS = 10
Statistic = Callable[[Tensor, Tensor], float]
"""A distance between two feature sets, ``(n, d)`` and ``(m, d)``."""


def mean_spread(values: Tensor, clusters: NDArray[np.str_] | None = None) -> Spread:
    """95 % interval of a mean by the jackknife over clusters (patients), and what each cluster adds to the mean.

    Args:
        values: ``(n,)``.
        clusters: Cluster of each value, ``(n,)``; every value is one of its own when None.

    Returns:
        An empty spread for fewer than three clusters.

    >>> mean_spread(torch.tensor([1.0, 2.0, 3.0])).interval
    (-0.484137..., 4.484137...)
    """
    v = values.double().numpy()
    names, member, counts = np.unique(
        np.arange(len(v)) if clusters is None else clusters, return_inverse=True, return_counts=True
    )
    if len(names) < MIN_UNITS:
        return Spread()
    mean, left_out = float(v.mean()), (v.sum() - np.bincount(member, v)) / (len(v) - counts)
    interval = t_interval(mean, [(jackknife_variance(left_out), len(names))])
    if interval is None:
        return Spread()
    if clusters is None:
        return Spread(interval, Influence.of(mean, samples=left_out))
    return Spread(interval, Influence.of(mean, patients=dict(zip(names.tolist(), left_out.tolist(), strict=True))))


def distance_spread(
    value: float, patients: Mapping[str, float], samples: Sequence[float], n_samples: int | None = None
) -> Spread:
    """95 % interval of a distance, and what each unit adds to it.

    Args:
        value: The distance.
        patients: The distance without each patient, or block of patients (names joined by ``+``).
        samples: The distance without each generated sample, or block of samples dealt out in turn.
        n_samples: Samples in all; as many as blocks when None.
    """
    sizes = [name.count(JOINER) + 1 for name in patients]
    blocks = block_sizes(n_samples or len(samples), len(samples))
    interval = distance_interval(value, [(list(patients.values()), sizes), (samples, blocks)])
    if interval is None:
        return Spread()
    return Spread(interval, Influence.of(value, patients=patients, samples=samples, sample_blocks=blocks))


def jackknife_spread(statistic: Statistic, real: Tensor, patients: NDArray[np.str_], generated: Tensor) -> Spread:
    """95 % interval of a two-sample distance: delete one block of patients, and one block of samples, at a time.

    The two jackknife variances add, as the two samples are independent. Patients and samples are left out in at most
    :data:`BLOCKS` blocks.

    Args:
        statistic: The distance.
        real: Features of real slices, ``(n, d)``.
        patients: Their patients, ``(n,)``.
        generated: Features of generated slices, independent of each other, ``(m, d)``.

    Returns:
        An empty spread when fewer than three patients, or too few samples, are left to say anything.
    """
    names, owner = np.unique(patients, return_inverse=True)
    blocks = [torch.from_numpy(owner % BLOCKS), torch.arange(len(generated)) % BLOCKS]
    units = [len(b.unique()) for b in blocks]
    if min(units) < MIN_UNITS or min(int((b != i).sum()) for b in blocks for i in b.unique()) < 2:
        return Spread()
    without_patients = {
        JOINER.join(names[i::BLOCKS]): statistic(real[blocks[0] != i], generated) for i in range(units[0])
    }
    without_samples = [statistic(real, generated[blocks[1] != i]) for i in range(units[1])]
    return distance_spread(statistic(real, generated), without_patients, without_samples, len(generated))


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a proportion of ``n`` (Wilson 1927), SciPy's.

    >>> wilson_interval(0.5, 10)
    (0.236593..., 0.763406...)
    """
    interval = binomtest(round(share * n), n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
