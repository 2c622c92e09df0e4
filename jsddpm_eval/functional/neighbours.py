"""Neighbours in a feature space: precision, recall, density, coverage, and signs of memorised training slices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURS = 3


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances of all pairs of rows, from differences in float64, ``(n, m)``."""
    return torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")


@dataclass(frozen=True)
class Manifold:
    """Precision, recall (Kynkaanniemi et al. 2019, 1904.06991), density, coverage (Naeem et al. 2020, 2002.09797).

    Attributes:
        precision: Share of generated samples inside the k-nearest-neighbour ball of some real one.
        recall: Share of real samples inside the ball of some generated one.
        density: Real balls that hold a generated sample, per sample, divided by k; 1 is expected between equals.
        coverage: Share of real balls that hold a generated sample.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(within_real: Tensor, within_generated: Tensor, between: Tensor, k: int = NEIGHBOURS) -> Manifold:
    """The four shares from distance matrices, so that relabelled samples need no new distances.

    Args:
        within_real: ``(n, n)``, n more than k.
        within_generated: ``(m, m)``, m more than k.
        between: ``(n, m)``, real by generated.
        k: Neighbours that make a ball; the sample itself does not count, the surface belongs to the ball.

    Raises:
        ValueError: When a set has no k neighbours.
    """
    if min(within_real.shape[0], within_generated.shape[0]) <= k:
        sizes = f"{within_real.shape[0]} real and {within_generated.shape[0]} generated"
        raise ValueError(f"{sizes} samples have no {k} neighbours each")
    radius = within_real.kthvalue(k + 1, dim=1).values  # the first is the sample itself
    inside = between <= radius[:, None]
    recalled = between <= within_generated.kthvalue(k + 1, dim=1).values[None]
    return Manifold(
        precision=float(inside.any(0).double().mean()),
        recall=float(recalled.any(1).double().mean()),
        density=float(inside.double().sum() / (k * between.shape[1])),
        coverage=float(inside.any(1).double().mean()),
    )


def expected_coverage(n_real: int, n_generated: int, k: int = NEIGHBOURS) -> float:
    """Coverage when both sets are independent draws from one distribution (Naeem et al. 2020, Lemma 2).

    ::

        1 - prod_{i = 1..k} (n - i) / (n + m - i)

    >>> round(expected_coverage(100, 30, 5), 2), round(expected_coverage(30, 100, 5), 2)
    (0.74, 1.0)
    """
    missed = 1.0
    for i in range(1, k + 1):
        missed *= max(n_real - i, 0) / (n_real + n_generated - i)
    return 1 - missed


def nearer_share(generated: Tensor, held_out: Tensor) -> Tensor:
    """Share of generated samples that lie nearer to the training data than each held-out sample does, ties by half.

    Its mean is the Mann-Whitney U over n m: the test statistic that C_T of Meehan, Chaudhuri and Dasgupta (2020,
    2004.05675) standardizes, on a scale that does not grow with the samples. 0.5 is expected of new data, 1 of copies.

    Args:
        generated: Distances of generated samples to their nearest training sample, ``(n,)``, n at least 1.
        held_out: The same of held-out samples, ``(m,)``.

    Returns:
        float64 ``(m,)``.

    >>> nearer_share(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 1.0, 9.0])).tolist()
    [0.0, 0.25, 1.0]
    """
    ordered = generated.sort().values
    below = torch.searchsorted(ordered, held_out) + torch.searchsorted(ordered, held_out, right=True)
    return below.double() / (2 * len(generated))


def authentic(between: Tensor, within: Tensor, patients: Tensor | None = None) -> Tensor:
    """Whether each sample is further from its nearest training sample than that one is from its own nearest.

    Authenticity (Alaa et al. 2022, 2102.08921). With patients, a training slice's own nearest is sought among other
    patients: the next slice of the same brain is always near, and would make every copy look authentic.

    Args:
        between: Distances of samples to training samples, ``(m, n)``.
        within: Distances among training samples, ``(n, n)``.
        patients: Patient numbers of the training samples, ``(n,)``.

    Returns:
        Boolean ``(m,)``.

    Raises:
        ValueError: When all training samples are of one patient.
    """
    owner = torch.arange(len(within)) if patients is None else patients
    if len(owner.unique()) < 2:
        raise ValueError("training samples of one patient have no other patient's to be near to")
    others = within.masked_fill(owner[:, None] == owner[None], torch.inf)
    nearest = between.min(dim=1)
    return nearest.values > others.min(dim=1).values[nearest.indices]
