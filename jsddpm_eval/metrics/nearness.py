"""Nearness of slices to the real slices of their bin and the two beside it, and its scale among slices of patients.

A slice that is nearer than slices of other patients are is a copy; :func:`threshold` says from where on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.binning import ZBinning
from jsddpm_eval.functional.copies import MEASURES, Nearness, References, nearest
from jsddpm_eval.functional.patterns import pattern
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import UpperScale

THRESHOLD, FEW = 2.8, 2.0
"""The two numbers of :func:`threshold`."""

_PROBES = 32  # real slices of each bin whose nearness to other patients is known


def threshold(patients: int) -> float:
    """Upper spreads above the median of real slices of other patients beyond which a sample is a copy.

    It is larger if the spread is known from fewer patients: set on the LGG cohort with 10, 30 and 60 patients.

    Args:
        patients: Patients whose slices were compared with other patients'.

    >>> round(threshold(10), 2), round(threshold(60), 2)
    (3.36, 2.89)
    """
    return THRESHOLD * (1 + FEW / max(patients, 1))


@dataclass(frozen=True)
class NearnessScale:
    """Scale of nearness by measure and bin, from slices of other patients.

    Attributes:
        scales: Of each of :data:`~jsddpm_eval.functional.copies.MEASURES`.
    """

    scales: tuple[UpperScale, ...]

    @classmethod
    def fit(cls, null: NDArray[np.float64], z_bin: NDArray[np.int64], bins: int) -> NearnessScale:
        """The scale of the measures of slices of other patients, ``(n, measures)``, n at least 1, and their bins."""
        return cls(tuple(UpperScale.fit(of_measure, z_bin, bins) for of_measure in null.T))

    def __call__(self, measures: NDArray[np.float64], z_bin: NDArray[np.int64]) -> NDArray[np.float64]:
        """Measures ``(n, measures)`` in upper spreads above the median of their bin, ``(measures, n)``."""
        return np.stack([scale(v, z_bin) for scale, v in zip(self.scales, measures.T, strict=True)])


def other_patients(real: SliceTable, alike: Sequence[tuple[int, int]] = ()) -> Tensor:
    """Whether a slice of each patient may be compared with those of each: of others, boolean ``(patients, patients)``.

    Args:
        real: Real slices.
        alike: Pairs of patients who are not compared with each other either.
    """
    patients = int(real.patient.max()) + 1 if len(real) else 0
    allowed = ~torch.eye(patients, dtype=torch.bool)
    for one, other in alike:
        allowed[one, other] = allowed[other, one] = False
    return allowed


def neighbourhoods(
    queries: SliceTable, real: SliceTable, bins: int
) -> Iterator[tuple[Tensor, Sequence[SliceTable], Tensor]]:
    """Of each bin that has queries: their rows, the real slices of it and the bins beside it, and their patterns."""
    held: dict[int, tuple[SliceTable, Tensor]] = {}
    for k in range(bins):
        rows = torch.nonzero(queries.z_bin == k)[:, 0]
        if not len(rows):
            continue
        near = [b for b in (k - 1, k, k + 1) if 0 <= b < bins]
        held = {b: held.get(b) or with_pattern(real.where(real.z_bin == b)) for b in near}
        tables, patterns = zip(*held.values(), strict=True)
        yield rows, tables, torch.cat(patterns)


def nearest_by_bin(queries: SliceTable, real: SliceTable, bins: int, *, among: Tensor | None = None) -> Nearness:
    """Nearness of every query to real slices of its bin and the two beside it; places are real rows, -1 for none.

    Args:
        queries: Generated or real slices.
        real: Slices for the comparison.
        bins: Number of bins.
        among: Whether a query of each patient is compared with slices of each, boolean ``(patients, patients)``, as
            :func:`other_patients` gives it; with all when None.
    """
    count = len(queries)
    measures = torch.full((count, len(MEASURES)), torch.nan)
    place, exact = torch.full(measures.shape, -1, dtype=torch.int64), torch.zeros(count, dtype=torch.bool)
    for of_bin, tables, patterns in neighbourhoods(queries, real, bins):
        rows, patients = torch.cat([t.row for t in tables]), torch.cat([t.patient for t in tables])
        mine = queries.where(of_bin)
        allowed = None if among is None else among[mine.patient[:, None], patients[None]]
        if allowed is not None:
            some = allowed.any(1)
            of_bin, mine, allowed = of_bin[some], mine.where(some), allowed[some]
        if not len(rows) or not len(of_bin):
            continue
        references = References(torch.cat([t.images for t in tables]), patterns, patients)
        nearness = nearest(mine.images, pattern(mine.images), references, allowed)
        measures[of_bin], place[of_bin], exact[of_bin] = nearness.measures, rows[nearness.place], nearness.exact
    return Nearness(measures, place, exact)


def probed(probes: SliceTable, real: SliceTable, bins: int, *, among: Tensor | None = None) -> NDArray[np.float64]:
    """Row and nearness of the probes that have a slice to be compared with, ``(n, 1 + len(MEASURES))``.

    Args:
        probes: Real slices.
        real: Slices for the comparison.
        bins: Number of bins.
        among: As for :func:`nearest_by_bin`.
    """
    near = nearest_by_bin(probes, real, bins, among=among)
    has_reference = near.place[:, 0] >= 0
    return np.asarray(torch.cat([probes.row[:, None], near.measures.double()], 1)[has_reference].numpy())


def probed_real(real: SliceTable, binning: ZBinning, alike: Sequence[tuple[int, int]] = ()) -> NDArray[np.float64]:
    """Row, and nearness to slices of other patients, of some real slices of each bin, ``(n, 1 + len(MEASURES))``.

    Args:
        real: Real slices.
        binning: The bins.
        alike: Pairs of patients who are not compared with each other, because they may be one person.
    """
    bins, key = binning.n_bins, ("copies", MEASURES, binning.fingerprint, _PROBES)

    def all_probes() -> NDArray[np.float64]:
        rows = [real.where(real.z_bin == k).spread(_PROBES).row for k in range(bins)]
        return probed(real.where(torch.cat(rows)), real, bins, among=other_patients(real)).ravel()

    known = real.memo.values(key, all_probes).reshape(-1, 1 + len(MEASURES))
    if not alike:
        return known
    rows = known[:, 0].astype(np.int64)
    theirs = np.isin(real.patient.numpy()[rows], np.unique(alike))

    def again() -> NDArray[np.float64]:
        probes = real.where(torch.from_numpy(rows[theirs]))
        return probed(probes, real, bins, among=other_patients(real, alike)).ravel()

    apart = real.memo.values((*key, sorted(alike)), again).reshape(-1, known.shape[1])
    return np.concatenate([known[~theirs], apart])


def with_pattern(table: SliceTable) -> tuple[SliceTable, Tensor]:
    """Slices and their patterns."""
    return table, pattern(table.images)
