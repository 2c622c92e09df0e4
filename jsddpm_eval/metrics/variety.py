"""Variety: how far samples lie from the mean of the other samples of their condition, beside slices of patients.

Samples that differ too little from seed to seed need not be near repeats of each other, and then the nearest other
sample does not show them.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.functional.patterns import SMALL_SIDE, averaged
from jsddpm_eval.metrics.base import NOTHING_GENERATED, Cell, Context, Metric
from jsddpm_eval.metrics.shifts import FEW_UNITS, Numbers, shift_score, side_of
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.shift import mean_shift

_LEAST = 1e-3  # of the norm of the mean: what lies nearer is at it

VARIETY = ScoreSpec(
    name="variety", heading="variety", group="variety", unit="log ratio", scope="levels",
    label="log distance to the mean of the other samples",
    definition="mean log distance to the mean of the other samples of the condition, as a share of the norm of that "
    "mean, less that of real slices to the mean of other patients; slices averaged to 32 pixels",
    reading="Below 0: samples vary less than patients do; -0.7 is half as much.",
    source="leave-one-out spread; linearized by patient", verified="loops | 1e-12",
    hypothesis="samples vary as slices of different patients do, two-sided",
    blind_to="repetition of a few different slices, because they lie as far from their mean, and samples that look "
    "unreal",
)  # fmt: skip


class Variety(Metric):
    """Spread of samples about the mean of the others, beside the spread of patients.

    A slice is also part of the mean that the others are compared with, so an unusual patient makes all distances grow.
    The variance is that of pairs, twice as large: without it, perfect samples beside six real patients scattered by
    1.5 standard errors.
    """

    name = "variety"
    specs = (VARIETY,)
    needs = frozenset({"pixels"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The log ratio, over the conditions that both sides have."""
        if not len(cell.generated):
            return self.undefined(cell, context, NOTHING_GENERATED)
        tables = (cell.real, cell.generated)
        values = context.once(self.name, partial(_both, context))
        shift = mean_shift(*(side_of(t, v, context) for t, v in zip(tables, values, strict=True)))
        if shift is None:
            return {VARIETY.name: Score.undefined(FEW_UNITS, cell.counts)}
        return {VARIETY.name: shift_score(shift.of_pairs)}


METRIC = Variety()


def _both(context: Context) -> tuple[Numbers, Numbers]:
    """Log distances of all real, and of all generated slices, by row."""
    bins = context.binning.n_bins
    real = context.real.memo.values(("log variety", context.binning.fingerprint), partial(_spread, context.real, bins))
    return real, _spread(context.generated, bins)


def _spread(table: SliceTable, bins: int) -> Numbers:
    """Log distance of every slice to the mean of the other units of its condition, NaN where there is no other."""
    images = table.column("small", _small)
    token, distance = table.token(bins), np.full(len(table), np.nan)
    for condition in token.unique().tolist():
        rows = torch.nonzero(token == condition)[:, 0]
        _, unit = table.unit[rows].unique(return_inverse=True)
        count = int(unit.max()) + 1
        if count > 1:
            distance[rows] = relative_spread(images[rows], unit, count).clamp(min=_LEAST).log()
    return distance


def relative_spread(images: Tensor, unit: Tensor, count: int) -> Tensor:
    """Distance of each slice to the mean of the other units, as a share of the norm of that mean.

    The mean of n others scatters itself, so the distance is larger than that to the true mean by sqrt(1 + 1/n); it is
    divided by this factor, which makes sets of unequal size comparable.

    Args:
        images: Floats ``(N, D)``.
        unit: Number of each slice's unit (patient, sample or volume), ``(N,)`` from 0.
        count: Number of units, at least 2.

    Returns:
        ``(N,)``; 0 where slice and mean are blank.

    >>> relative_spread(torch.tensor([[1.0], [3.0], [5.0]]), torch.arange(3), 3).round(decimals=3).tolist()
    [0.612, 0.0, 1.225]
    """
    sums = torch.zeros(count, images.shape[1], dtype=torch.float64).index_add_(0, unit, images.double())
    means = sums / torch.bincount(unit, minlength=count)[:, None]
    others = (means.sum(0) - means) / (count - 1)
    apart = (images - others[unit]).norm(dim=1) / (1 + 1 / (count - 1)) ** 0.5
    length: Tensor = others.norm(dim=1)[unit]
    return torch.where(apart > 0, apart / length.clamp(min=torch.finfo(torch.float64).tiny), apart)


def _small(batch: SliceTable) -> Tensor:
    """Slices averaged to at most 32 pixels a side, float64 ``(n, d)``."""
    return averaged(batch.images.double(), SMALL_SIDE).flatten(1)
