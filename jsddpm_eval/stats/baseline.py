"""Baselines: scores of real slices compared with real slices of other patients."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from jsddpm_eval.results.score import Baseline
from jsddpm_eval.stats.limits import MIN_PATIENTS, TAIL


def baseline_of(values: ArrayLike) -> Baseline:
    """Mean and 95 % band of a statistic over halvings or exchanges of samples; NaN is left out.

    The baseline is empty if there is no value, and has no band for fewer than 39 values: an exchangeable new value
    falls below the k-th of n with probability k / (n + 1).
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
