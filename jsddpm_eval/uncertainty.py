"""Intervals, floors and permutation tests by patient: adjacent slices of one person are not independent observations.

What holds and how well, simulated: ``tests/soak/calibration.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from jsddpm_eval.functional.kernel import polynomial_kernel
from jsddpm_eval.jackknife import MIN_UNITS, distance_interval, jackknife_variance, t_interval
from jsddpm_eval.results import JOINER, Influence

BLOCKS = 10
Z95 = NormalDist().inv_cdf(0.975)
Statistic = Callable[[Tensor, Tensor], float]
"""A distance between two feature sets, ``(n, d)`` and ``(m, d)``."""


def mean_interval(values: Tensor, clusters: NDArray[np.str_] | None = None) -> tuple[float, float] | None:
    """95 % interval of a mean by the jackknife over clusters (patients); over values when None.

    None for fewer than three clusters.
    """
    found: tuple[float, float] | None = mean_fields(values, clusters).get("interval")
    return found


def mean_fields(values: Tensor, clusters: NDArray[np.str_] | None = None) -> dict[str, Any]:
    """The interval of a mean, as :func:`mean_interval` gives it, and the influence of each cluster, as score fields."""
    v = values.double().numpy()
    names, member, counts = np.unique(
        np.arange(len(v)) if clusters is None else clusters, return_inverse=True, return_counts=True
    )
    if len(names) < MIN_UNITS:
        return {}
    mean, left_out = float(v.mean()), (v.sum() - np.bincount(member, v)) / (len(v) - counts)
    interval = t_interval(mean, [(jackknife_variance(left_out), len(names))])
    if interval is None:
        return {}
    influence = (
        Influence.of(mean, samples=left_out)
        if clusters is None
        else Influence.of(mean, patients=dict(zip(names.tolist(), left_out.tolist(), strict=True)))
    )
    return {"interval": interval, "influence": influence}


def distance_fields(value: float, patients: Mapping[str, float], samples: Sequence[float]) -> dict[str, Any]:
    """The interval of a distance and the influence of each unit, as score fields.

    Args:
        value: The distance.
        patients: The distance without each patient, or block of patients.
        samples: The distance without each generated sample, or block of samples.
    """
    interval = distance_interval(value, (list(patients.values()), samples))
    if interval is None:
        return {}
    return {"interval": interval, "influence": Influence.of(value, patients=patients, samples=samples)}


def jackknife_fields(
    statistic: Statistic, real: Tensor, patients: NDArray[np.str_], generated: Tensor
) -> dict[str, Any]:
    """95 % interval and influences of a two-sample distance: delete one patient, and one block of samples, at a time.

    The two jackknife variances add, as the two samples are independent. Patients and samples are left out in at most
    :data:`BLOCKS` blocks. Nothing when fewer than three patients, or too few samples, are left to say anything.

    Args:
        statistic: The distance.
        real: Features of real slices.
        patients: Their patients.
        generated: Features of generated slices, independent of each other.

    Returns:
        Fields ``interval`` and ``influence`` of a score.
    """
    names, owner = np.unique(patients, return_inverse=True)
    blocks = [torch.from_numpy(owner % BLOCKS), torch.arange(len(generated)) % BLOCKS]
    units = [len(b.unique()) for b in blocks]
    if min(units) < MIN_UNITS or min(int((b != i).sum()) for b in blocks for i in b.unique()) < 2:
        return {}
    without_patients = {
        JOINER.join(names[i::BLOCKS]): statistic(real[blocks[0] != i], generated) for i in range(units[0])
    }
    without_samples = [statistic(real, generated[blocks[1] != i]) for i in range(units[1])]
    return distance_fields(statistic(real, generated), without_patients, without_samples)


@dataclass(frozen=True)
class Floor:
    """What a score is between real slices of different patients: its mean and its 95 % band over random halvings."""

    mean: float
    band: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: ArrayLike) -> Floor | None:
        """From values over halvings, NaN ignored; None when there is none, no band for fewer than 39."""
        v = np.asarray(values, dtype=np.float64)
        v = np.sort(v[np.isfinite(v)])
        if not len(v):
            return None
        rank = int(0.025 * (len(v) + 1))  # an exchangeable new value falls below the rank-th with 2.5 %
        return cls(float(v.mean()), (float(v[rank - 1]), float(v[-rank])) if rank else None)

    @staticmethod
    def fields(floor: Floor | None) -> dict[str, Any]:
        """A floor, or its absence, as the fields of a score."""
        return {} if floor is None else {"floor": floor.mean, "floor_interval": floor.band}


def patient_halves(count: int, repeats: int, seed: int) -> Tensor:
    """Random halvings of ``count`` patients, boolean ``(repeats, count)``; none (0 rows) below four patients."""
    if count < 4:
        return torch.zeros((0, count), dtype=torch.bool)
    rng = np.random.default_rng(seed)
    ranks = rng.random((repeats, count)).argsort(axis=1).argsort(axis=1)
    return torch.from_numpy(ranks < count // 2)


def patient_halves_floor(
    statistic: Statistic,
    real: Tensor,
    patients: NDArray[np.str_],
    *,
    count: int,
    seed: int,
    repeats: int = 40,
) -> Floor | None:
    """The distance between real slices of two disjoint halves of the patients: what "as good as real" looks like.

    One side is thinned to at most ``count`` slices, as many as were generated, because these distances depend on
    counts. None with fewer than two patients a side.
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
    return Floor.of(values)


def one_per_patient(patients: Tensor, generator: torch.Generator) -> Tensor:
    """Index of one slice of each patient, drawn at random, in patient order, int64 ``(P,)``."""
    order = torch.randperm(len(patients), generator=generator)
    chosen = torch.empty(int(patients.max()) + 1, dtype=torch.int64).fill_(-1)
    chosen[patients[order]] = order
    return chosen[chosen >= 0]


def permutation_p(
    real: Tensor,
    patients: Tensor,
    generated: Tensor,
    *,
    strata: tuple[Tensor, Tensor] | None = None,
    draws: int = 10,
    permutations: int | None = None,
    seed: int,
) -> float | None:
    """p-value of "generated slices are slices of new patients", by permutation, with the kernel distance.

    Slices of one patient cannot be exchanged with independent samples, one slice of each patient can: each draw takes
    one slice per patient at random and relabels. P-values of the draws are combined by Cauchy's rule (Liu and Xie
    2020), which holds for dependent ones.

    Args:
        real: Features ``(n, d)``.
        patients: Patient numbers, int64 ``(n,)``.
        generated: Features ``(m, d)``, independent of each other.
        strata: Conditions of the real and of the generated slices; labels are then exchanged within a condition.
        draws: Draws of one slice per patient.
        permutations: Relabellings of each; None for 3999, or 999 above 500 samples. A correction for the tests of all
            bins asks for p-values far below 5 %, which few relabellings cannot give.
        seed: Seed of both.

    Returns:
        None with fewer than four patients or samples: too few relabellings for 5 %.
    """
    if len(patients.unique()) < 4 or len(generated) < 4:
        return None
    generator = torch.Generator().manual_seed(seed)
    people = len(patients.unique())
    count = permutations or (3999 if people + len(generated) <= 500 else 999)
    tangents = []
    for _ in range(draws):
        rows = one_per_patient(patients, generator)
        x = torch.cat([real[rows], generated])
        condition = None if strata is None else torch.cat([strata[0][rows], strata[1]])
        labels = relabelled(len(rows), len(generated), condition, count, generator)
        kernel = polynomial_kernel(x, x).fill_diagonal_(0)
        values = _label_distance(kernel, labels)
        p = float((values >= values[0] - 1e-12 * values[0].abs()).double().mean())  # row 0 is as observed
        tangents.append(np.tan((0.5 - min(p, 1 - 0.5 / len(values))) * np.pi))
    return float(0.5 - np.arctan(np.mean(tangents)) / np.pi)


def relabelled(n: int, m: int, strata: Tensor | None, count: int, generator: torch.Generator) -> Tensor:
    """Rows of labels of ``n + m`` samples, True for the first set: as observed, then permuted (within strata)."""
    observed = torch.arange(n + m) < n
    keys = torch.rand((count, n + m), generator=generator, dtype=torch.float64)
    offset = torch.zeros(n + m) if strata is None else strata.double()
    shuffled = (keys + offset).argsort(dim=1)  # positions, stratum by stratum, in random order
    if strata is None:
        places = torch.arange(n + m)[None].expand(count, -1)
    else:
        places = strata.argsort(stable=True)[None].expand(count, -1)
    labels = torch.zeros((count, n + m), dtype=torch.bool)
    labels.scatter_(1, places, observed[shuffled])
    return torch.cat([observed[None], labels])


def _label_distance(kernel: Tensor, labels: Tensor) -> Tensor:
    """Unbiased kernel distance of each labelling, from a kernel matrix with zero diagonal."""
    a = labels.double()
    n, m = a.sum(1), (1 - a).sum(1)
    to_a = a @ kernel
    aa, ab = (to_a * a).sum(1), (to_a * (1 - a)).sum(1)
    bb = kernel.sum() - aa - 2 * ab
    return aa / (n * (n - 1)) + bb / (m * (m - 1)) - 2 * ab / (n * m)


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a proportion of ``n`` (Wilson 1927)."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * (share * (1 - share) / n + Z95**2 / (4 * n**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
