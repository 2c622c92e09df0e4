"""Nearness of slices to the real slices of their bin and the two beside it, and its scale among slices of patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm_eval.functional.copies import MEASURES, Nearness, References, nearest
from jsddpm_eval.functional.patterns import pattern
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import UpperScale


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


def nearest_by_bin(queries: SliceTable, real: SliceTable, bins: int, *, others: bool) -> Nearness:
    """Nearness of every query to real slices of its bin and the two beside it; places are real rows, -1 for none.

    Args:
        queries: Generated or real slices.
        real: Slices for the comparison.
        bins: Number of bins.
        others: Whether a query is compared only with slices of other patients.
    """
    count = len(queries)
    measures = torch.full((count, len(MEASURES)), torch.nan)
    place, exact = torch.full(measures.shape, -1, dtype=torch.int64), torch.zeros(count, dtype=torch.bool)
    held: dict[int, tuple[SliceTable, Tensor]] = {}
    for k in range(bins):
        of_bin = torch.nonzero(queries.z_bin == k)[:, 0]
        if not len(of_bin):
            continue
        near = [b for b in (k - 1, k, k + 1) if 0 <= b < bins]
        held = {b: held.get(b) or _with_pattern(real.where(real.z_bin == b)) for b in near}
        tables, patterns = zip(*held.values(), strict=True)
        rows, patients = torch.cat([t.row for t in tables]), torch.cat([t.patient for t in tables])
        mine = queries.where(of_bin)
        allowed = mine.patient[:, None] != patients[None] if others else None
        if allowed is not None:
            some = allowed.any(1)
            of_bin, mine, allowed = of_bin[some], mine.where(some), allowed[some]
        if not len(rows) or not len(of_bin):
            continue
        references = References(torch.cat([t.images for t in tables]), torch.cat(patterns), patients)
        nearness = nearest(mine.images, pattern(mine.images), references, allowed)
        measures[of_bin], place[of_bin], exact[of_bin] = nearness.measures, rows[nearness.place], nearness.exact
    return Nearness(measures, place, exact)


def probed(probes: SliceTable, real: SliceTable, bins: int, *, others: bool) -> NDArray[np.float64]:
    """Row and nearness of the probes that have a slice to be compared with, ``(n, 1 + len(MEASURES))``.

    Args:
        probes: Real slices.
        real: Slices for the comparison.
        bins: Number of bins.
        others: As for :func:`nearest_by_bin`.
    """
    near = nearest_by_bin(probes, real, bins, others=others)
    has_reference = near.place[:, 0] >= 0
    return np.asarray(torch.cat([probes.row[:, None], near.measures.double()], 1)[has_reference].numpy())


def _with_pattern(table: SliceTable) -> tuple[SliceTable, Tensor]:
    return table, pattern(table.images)
