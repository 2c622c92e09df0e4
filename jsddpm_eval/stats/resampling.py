"""Relabelled samples: draws of one slice per patient, and permutation tests on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.functional.kernel import polynomial_kernel
from jsddpm_eval.stats.limits import MIN_PATIENTS
from jsddpm_eval.stats.relabellings import relabelling_count

DRAWS = 10
_ATTEMPTS = 100  # draws of patients until enough are kept
_ENTRIES = 1 << 22  # labels looked at together


def one_per_patient(patients: Tensor, generator: torch.Generator, mass: Tensor | None = None) -> Tensor:
    """Index of one slice of each patient, drawn at random, in patient order, int64 ``(P,)``.

    Args:
        patients: Patient numbers, int64 ``(n,)``.
        generator: Of the draw.
        mass: Weight of each slice among its patient's, positive, ``(n,)``; equal when None.
    """
    if mass is None:
        order = torch.randperm(len(patients), generator=generator)
    else:  # exponential arrival times: the first of a patient's slices is each with the probability of its mass
        times = -torch.rand(len(patients), generator=generator, dtype=torch.float64).log() / mass
        order = times.argsort(descending=True)
    chosen = np.full(int(patients.max()) + 1, -1)
    chosen[patients[order].numpy()] = order.numpy()  # the last one stays, which torch does not promise
    return torch.from_numpy(chosen[chosen >= 0])


def one_per_unit(units: Tensor, generator: torch.Generator) -> Tensor:
    """Index of one generated slice of each unit, drawn at random, int64 ``(U,)``; all slices if each is a unit."""
    single = len(units.unique()) == len(units)
    return torch.arange(len(units)) if single else one_per_patient(units, generator)


def without_each(units: Tensor, total: int) -> Tensor:
    """Rows that leave out one unit each, boolean ``(len(units), total)``.

    >>> without_each(torch.tensor([0, 2]), 3).int().tolist()
    [[0, 1, 1], [1, 1, 0]]
    """
    remaining = torch.ones((len(units), total), dtype=torch.bool)
    remaining[torch.arange(len(units)), units] = False
    return remaining


def independent_slices(patients: Tensor, generator: torch.Generator, mass: Tensor) -> Tensor:
    """Slices of different patients, drawn so that every slice is as likely as its mass says, int64 ``(P' <= P,)``.

    One slice of every patient would be uniform over patients, and a patient with a single slice in a condition would
    count as much as one with seven. A patient is therefore kept with the probability of their mass in that of the
    patient with the most; the slices kept are independent draws from the population of slices.

    Draws that keep fewer than :data:`~jsddpm_eval.stats.limits.MIN_PATIENTS` patients are repeated; the largest of 100
    is taken when none keeps as many.
    """
    rows = one_per_patient(patients, generator, mass)
    totals = torch.zeros(int(patients.max()) + 1, dtype=torch.float64).index_add_(0, patients, mass.double())
    share = totals[patients[rows]] / totals.max()
    if float(share.min()) > 1 - 1e-9:
        return rows
    candidates = torch.rand((_ATTEMPTS, len(rows)), generator=generator, dtype=torch.float64) < share
    counts = candidates.sum(1).clamp(max=min(MIN_PATIENTS, len(rows)))
    return rows[candidates[int(counts.argmax())]]


def labels_of(keys: Tensor, n: int, strata: Tensor | None = None) -> Tensor:
    """Rows of labels, True for the ``n`` samples (of each stratum as many as now) with the smallest keys.

    Args:
        keys: In [0, 1), ``(R, N)``.
        n: Samples of the first set, which stand first.
        strata: Conditions, int64 ``(N,)``.
    """
    count, total = keys.shape
    observed = torch.arange(total) < n
    labels = torch.zeros((count, total), dtype=torch.bool)
    if strata is None:
        order, place = torch.from_numpy(keys.numpy().argsort(axis=1)), torch.arange(total)
    else:  # stratum by stratum, those of the first set before the others
        order = torch.from_numpy((keys + strata.double()).numpy().argsort(axis=1))
        place = torch.from_numpy(np.lexsort(((~observed).numpy(), strata.numpy())))
    return labels.scatter_(1, order, observed[place][None].expand(count, -1))


def relabelled(n: int, m: int, strata: Tensor | None, count: int, generator: torch.Generator) -> Tensor:
    """Rows of labels of ``n + m`` samples, True for the first set: as observed, then permuted (within strata)."""
    parts = [(torch.arange(n + m) < n)[None]]
    for rows in torch.arange(count).split(max(1, _ENTRIES // (n + m))):
        keys = torch.rand((len(rows), n + m), generator=generator, dtype=torch.float64)
        parts.append(labels_of(keys, n, strata))
    return torch.cat(parts)


class Draw(NamedTuple):
    """Real slices of different patients beside one generated slice of each unit, with labels to permute.

    Attributes:
        population: Which population the real slices are drawn from; see :func:`relabellings`.
        rows: Places in the real slices followed by the generated ones, int64 ``(P' + U,)``.
        labels: As observed and permuted, boolean ``(1 + R, P' + U)``.
    """

    population: int
    rows: Tensor
    labels: Tensor


def populations(patients: Tensor, strata: Tensor | None = None) -> list[Tensor]:
    """Masses of real slices, ``(n,)``, that make each condition uniform over slices, and uniform over patients.

    One of them when they are the same, because the patients of a condition have equally many slices of it.
    """
    condition = torch.zeros_like(patients) if strata is None else strata
    group = torch.stack([patients, condition])
    member, counts = torch.unique(group, dim=1, return_inverse=True, return_counts=True)[1:]
    sizes = torch.stack([condition, counts[member]]).unique(dim=1)
    slices, by_patient = torch.ones(len(patients), dtype=torch.float64), 1 / counts[member].double()
    return [slices] if sizes.shape[1] == len(condition.unique()) else [slices, by_patient]


def relabellings(
    patients: Tensor,
    units: Tensor,
    strata: tuple[Tensor, Tensor] | None,
    seed: int,
    count: int | None = None,
) -> Iterator[Draw]:
    """Draws of at most one slice per patient beside one per generated unit, each with its labels.

    They depend only on patients, units and conditions, so every feature space and every generator of as many units
    shares them. There are ten draws from each of two populations, in which slices or patients are equally likely; one
    where all patients have equally many slices.

    Args:
        patients: Patient numbers of the real slices, int64 ``(n,)``.
        units: Unit numbers of the generated slices, int64 ``(m,)``.
        strata: Conditions of the real and of the generated slices; labels are then exchanged within a condition.
        seed: Seed of the draws.
        count: Relabellings of each draw; those of :func:`~jsddpm_eval.stats.relabellings.relabelling_count` when None.
    """
    generator = torch.Generator().manual_seed(seed)
    count = count or relabelling_count(len(patients.unique()) + len(units.unique()))
    for number, mass in enumerate(populations(patients, None if strata is None else strata[0])):
        for _ in range(DRAWS):
            real, generated = independent_slices(patients, generator, mass), one_per_unit(units, generator)
            condition = None if strata is None else torch.cat([strata[0][real], strata[1][generated]])
            labels = relabelled(len(real), len(generated), condition, count, generator)
            yield Draw(number, torch.cat([real, len(patients) + generated]), labels)


def permutation_p(real: Tensor, generated: Tensor, draws: Iterable[Draw]) -> float:
    """p-value of "generated slices are slices of new patients", by permutation, with the kernel distance.

    Slices of one patient cannot be exchanged with independent samples, slices of different patients can: each draw
    takes at most one slice per patient, and one per generated volume, at random and relabels. P-values of the draws are
    combined by Cauchy's rule (Liu and Xie 2020), which holds for dependent ones. The hypothesis leaves open whether new
    slices or new patients are equally likely: of the two populations the larger p-value counts.

    Args:
        real: Features ``(n, d)``.
        generated: Features ``(m, d)``.
        draws: Draws of :func:`relabellings` for these slices.

    Returns:
        Near 1 when draws keep fewer than two patients: nothing can be told then.
    """
    found: list[tuple[int, float]] = []
    both = torch.cat([real, generated])
    for population, rows, labels in draws:
        p = 1.0
        if int(labels[0].sum()) > 1:
            x = both[rows]
            kernel = polynomial_kernel(x, x).fill_diagonal_(0)
            parts = labels.split(max(1, _ENTRIES // len(x)))
            values = torch.cat([_label_distance(kernel, part) for part in parts])
            p = float((values >= values[0] - 1e-12 * values[0].abs()).double().mean())  # row 0 is as observed
        found.append((population, min(p, 1 - 0.5 / len(labels))))
    return _combined(found)


def least_permutation_p(draws: Iterable[Draw]) -> float:
    """The smallest p-value that :func:`permutation_p` can give with these draws: every set infinitely apart.

    Labels are exchanged within conditions. A draw in which few conditions have slices of both sides has few different
    labellings, and so many of its relabellings are as observed, or have the sides exchanged where both are as large.

    Args:
        draws: Draws of :func:`relabellings`.
    """
    found: list[tuple[int, float]] = []
    for population, _, labels in draws:
        first, size = labels[0], int(labels[0].sum())
        same = (labels == first).all(1)
        if 2 * size == len(first):
            same |= (labels != first).all(1)
        found.append((population, min(float(same.double().mean()) if size > 1 else 1.0, 1 - 0.5 / len(labels))))
    return _combined(found)


def _combined(found: list[tuple[int, float]]) -> float:
    """The larger of the populations' p-values, those of the draws of a population combined by Cauchy's rule."""
    tangents: dict[int, list[float]] = {}
    for population, p in found:
        tangents.setdefault(population, []).append(np.tan((0.5 - p) * np.pi))
    return max(float(0.5 - np.arctan(np.mean(t)) / np.pi) for t in tangents.values())


def enough_to_permute(patients: int, units: int) -> bool:
    """Whether patients and generated units have enough relabellings for a p-value of 5 %."""
    return min(patients, units) >= MIN_PATIENTS


def _label_distance(kernel: Tensor, labels: Tensor) -> Tensor:
    """Unbiased kernel distance of each labelling of samples, from one kernel matrix without its diagonal."""
    a = labels.double()
    n, m = a.sum(1), (1 - a).sum(1)
    to_a = a @ kernel
    aa, ab = (to_a * a).sum(1), (to_a * (1 - a)).sum(1)
    bb = kernel.sum() - aa - 2 * ab
    return aa / (n * (n - 1)) + bb / (m * (m - 1)) - 2 * ab / (n * m)
