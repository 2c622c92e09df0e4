"""Relabelled samples: draws of one slice per patient, and permutation tests on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.functional.kernel import polynomial_kernel
from jsddpm_eval.stats.limits import MIN_PATIENTS

DRAWS = 10


def one_per_patient(patients: Tensor, generator: torch.Generator) -> Tensor:
    """Index of one slice of each patient, drawn at random, in patient order, int64 ``(P,)``."""
    order = torch.randperm(len(patients), generator=generator)
    chosen = torch.empty(int(patients.max()) + 1, dtype=torch.int64).fill_(-1)
    chosen[patients[order]] = order
    return chosen[chosen >= 0]


def relabelled(n: int, m: int, strata: Tensor | None, count: int, generator: torch.Generator) -> Tensor:
    """Rows of labels of ``n + m`` samples, True for the first set: as observed, then permuted (within strata)."""
    observed = torch.arange(n + m) < n
    keys = torch.rand((count, n + m), generator=generator, dtype=torch.float64)
    if strata is None:
        order = torch.from_numpy(keys.numpy().argsort(axis=1))
        return torch.cat([observed[None], observed[order]])
    shuffled = torch.from_numpy((keys + strata.double()).numpy().argsort(axis=1))  # stratum by stratum, at random
    labels = torch.zeros((count, n + m), dtype=torch.bool)
    labels.scatter_(1, strata.argsort(stable=True)[None].expand(count, -1), observed[shuffled])
    return torch.cat([observed[None], labels])


Draw = tuple[Tensor, Tensor]
"""Real slices drawn, one per patient, int64 ``(P,)``; labels as observed and permuted, boolean ``(1 + R, P + m)``."""


def relabellings(patients: Tensor, m: int, strata: tuple[Tensor, Tensor] | None, seed: int) -> Iterator[Draw]:
    """Draws of one slice per patient beside the generated samples, each with its labels.

    They rest on patients, counts and conditions alone, so every feature space and every generator of as many samples
    shares them. There are 3999 relabellings of each draw, 999 above 500 samples.

    Args:
        patients: Patient numbers of the real slices, int64 ``(n,)``.
        m: Generated samples.
        strata: Conditions of the real and of the generated slices; labels are then exchanged within a condition.
        seed: Seed of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    count = 3999 if len(patients.unique()) + m <= 500 else 999
    for _ in range(DRAWS):
        rows = one_per_patient(patients, generator)
        condition = None if strata is None else torch.cat([strata[0][rows], strata[1]])
        yield rows, relabelled(len(rows), m, condition, count, generator)


def permutation_p(real: Tensor, generated: Tensor, draws: Iterable[Draw]) -> float:
    """p-value of "generated slices are slices of new patients", by permutation, with the kernel distance.

    Slices of one patient cannot be exchanged with independent samples, one slice of each patient can: each draw takes
    one slice per patient at random and relabels. P-values of the draws are combined by Cauchy's rule (Liu and Xie
    2020), which holds for dependent ones.

    Args:
        real: Features ``(n, d)``.
        generated: Features ``(m, d)``, independent of each other.
        draws: What :func:`relabellings` gives for these slices.
    """
    tangents = []
    for rows, labels in draws:
        values = _label_distance(torch.cat([real[rows], generated]), labels)
        p = float((values >= values[0] - 1e-12 * values[0].abs()).double().mean())  # row 0 is as observed
        tangents.append(np.tan((0.5 - min(p, 1 - 0.5 / len(values))) * np.pi))
    return float(0.5 - np.arctan(np.mean(tangents)) / np.pi)


def enough_to_permute(patients: int, samples: int) -> bool:
    """Whether there are relabellings enough for 5 %."""
    return min(patients, samples) >= MIN_PATIENTS


def _label_distance(x: Tensor, labels: Tensor) -> Tensor:
    """Unbiased kernel distance of each labelling of samples ``(n, d)``, from one kernel matrix."""
    a = labels.double()
    n, m = a.sum(1), (1 - a).sum(1)
    kernel = polynomial_kernel(x, x).fill_diagonal_(0)
    to_a = a @ kernel
    aa, ab = (to_a * a).sum(1), (to_a * (1 - a)).sum(1)
    bb = kernel.sum() - aa - 2 * ab
    return aa / (n * (n - 1)) + bb / (m * (m - 1)) - 2 * ab / (n * m)
