"""Intervals by patient, because adjacent slices of one patient are not independent.

``tests/soak/calibration.py`` simulates their coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from jsddpm_eval.results.score import Influence, Spread, block_of, patients_of
from jsddpm_eval.stats.jackknife import block_sizes, distance_interval, jackknife_variance, t_interval
from jsddpm_eval.stats.limits import MIN_UNITS
from jsddpm_eval.stats.shift import Shift

BLOCKS = 10
"""Most blocks of patients, and of samples, that are left out in turn where leaving out every one costs too much."""

SAMPLE_BLOCKS = 100
"""Most blocks of samples where leaving out each costs little; more would make files large."""

Statistic = Callable[[Tensor, Tensor], float]
"""A distance between two feature sets, ``(n, d)`` and ``(m, d)``."""


def numbered(units: Tensor) -> Tensor:
    """Units by number without gaps, in the order in which they first appear, int64 ``(n,)``.

    >>> numbered(torch.tensor([7, 3, 7, 5])).tolist()
    [0, 1, 0, 2]
    """
    _, first, member = np.unique(units.numpy(), return_index=True, return_inverse=True)
    return torch.from_numpy(first.argsort().argsort()[member])


def mean_spread(
    values: Tensor, clusters: NDArray[np.str_] | None = None, *, units: Tensor | None = None, pairs: bool = True
) -> Spread:
    """95 % interval of a mean by the jackknife over clusters (patients), and what each cluster adds to the mean.

    Args:
        values: ``(n,)``.
        clusters: Patient of each value, ``(n,)``; None for values of generated slices.
        units: Unit of each generated value, int64 ``(n,)``; every value is one of its own when None.
        pairs: Whether samples of equal seeds make pairs; not where some were left out, because pairs go by their order.

    Returns:
        An empty spread for fewer than three clusters or units.

    >>> mean_spread(Tensor([1.0, 2.0, 3.0])).interval
    (-0.484137..., 4.484137...)
    """
    v = values.double().numpy()
    of_generated = np.arange(len(v)) if units is None else numbered(units).numpy()
    names, member, counts = np.unique(
        of_generated if clusters is None else clusters, return_inverse=True, return_counts=True
    )
    if len(names) < MIN_UNITS:
        return Spread()
    mean, left_out = float(v.mean()), (v.sum() - np.bincount(member, v)) / (len(v) - counts)
    interval = t_interval(mean, [(jackknife_variance(left_out), len(names))])
    if interval is None:
        return Spread()
    if clusters is None:
        return Spread(interval, sample_influence(mean, left_out).model_copy(update={"pairs": pairs}))
    blocks = map(block_of, names.tolist())
    return Spread(interval, Influence.of(mean, patients=dict(zip(blocks, left_out.tolist(), strict=True))))


def sample_influence(value: float, left_out: ArrayLike) -> Influence:
    """What generated units add to a score, in at most :data:`SAMPLE_BLOCKS` blocks that they are dealt out to in turn.

    A block changes a mean of units by the sum of their changes times ``(n - 1) / (n - size)``.

    Args:
        value: The score.
        left_out: The score without each unit, ``(n,)``.

    >>> means_without = (10 - np.arange(5.0)) / 4  # of 0 to 4, whose mean is 2
    >>> sample_influence(2.0, means_without).samples
    (0.5, 0.25, 0.0, -0.25, -0.5)
    """
    without = np.asarray(left_out, dtype=np.float64)
    count = len(without)
    if count <= SAMPLE_BLOCKS:
        return Influence.of(value, samples=without.tolist())
    block = np.arange(count) % SAMPLE_BLOCKS
    sizes = np.bincount(block)
    changes = np.bincount(block, without - value) * (count - 1) / (count - sizes)
    return Influence.of(0.0, samples=changes.tolist(), sample_blocks=sizes.tolist())


def distance_spread(
    value: float, patients: Mapping[str, float], samples: Sequence[float], n_samples: int | None = None
) -> Spread:
    """95 % interval of a distance, and what each unit adds to it.

    Args:
        value: The distance.
        patients: The distance without each patient, or block of patients (:func:`~jsddpm_eval.results.score.block_of`).
        samples: The distance without each generated unit, or block of units dealt out in turn.
        n_samples: Units in all; as many as blocks when None.
    """
    sizes = [len(patients_of(name)) for name in patients]
    blocks = block_sizes(n_samples or len(samples), len(samples))
    interval = distance_interval(value, [(list(patients.values()), sizes), (samples, blocks)])
    if interval is None:
        return Spread()
    return Spread(interval, Influence.of(value, patients=patients, samples=samples, sample_blocks=blocks))


def shift_spread(shift: Shift, names: Mapping[int, str]) -> Spread:
    """95 % interval of a mean difference, and what each unit adds to it.

    Samples are no pairs: some have no such number, and what they add is enlarged where they vary less than real slices.

    Args:
        shift: The difference.
        names: Name of each real patient, by the label it has in the shift.
    """
    blocks = np.arange(shift.units) % SAMPLE_BLOCKS
    influence = Influence.of(
        0.0,
        patients={block_of(names[label]): change for label, change in shift.without_patients.items()},
        samples=np.bincount(blocks, shift.without_units).tolist(),
        sample_blocks=np.bincount(blocks).tolist(),
    )
    return Spread(shift.interval, influence.model_copy(update={"pairs": False}))
