"""Turned samples: how many lie upside down or on their side, as after augmentation that leaks into the samples?"""

from __future__ import annotations

import numpy as np
import torch

from jsddpm_eval.features.crossfit import FOLDS, fold_of
from jsddpm_eval.functional.orientation import fits, framed, mean_frame
from jsddpm_eval.metrics.base import Cell, Context
from jsddpm_eval.metrics.shares import Array, Flags, Labels, Reach, ShareMetric
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import by_unit

GAIN = 0.08
"""Gain of the correlation with the mean real slice from which a slice counts as turned."""
_FIT = 0.8  # of the median fit of real slices: turned, a slice without half of its head fits worse

SHARE = ScoreSpec(
    name="turned_share", heading="turned", group="head", unit="share", scope="levels", better="lower",
    label="share of samples upside down or on their side",
    definition="share of samples whose correlation with the mean real slice of the bin, about the head, is higher by "
    f"{GAIN:g} or more if front and back are exchanged, or rows and columns, and is then at least {_FIT:g} times the "
    "median of real slices; real slices are compared with the mean of other patients",
    reading="Above the baseline: some samples lie upside down or on their side.",
    source="Clopper-Pearson", verified="planted turns | four of five",
    hypothesis="samples are slices of new patients, one-sided",
    blind_to="left and right exchanged, because heads are nearly symmetric, turns by less than about 45 degrees, and "
    "turned samples that are unlike real slices in other ways too",
)  # fmt: skip


class Turned(ShareMetric):
    """Share of samples that fit the real slices of their bin better when they are turned."""

    name = "turned"
    specs = (SHARE,)
    needs = frozenset({"pixels"})
    confidence = 0.5  # the median, as for outliers: few real slices reach the gain
    too_few = "needs real slices of 3 patients in one bin"

    def reach(self, context: Context) -> Reach:
        """Gains by turning; NaN where there is no mean real slice to compare with."""
        return Reach(*_gains(context), GAIN)

    def expected(self, beyond: Flags, patient: Labels) -> float:
        """The share of real slices, each patient counting once."""
        count, patients = by_unit(beyond, patient)
        return count / patients

    def missing(self, cell: Cell, context: Context) -> str:
        """See the base."""
        return "no real slice of these bins"


METRIC = Turned()


def _gains(context: Context) -> tuple[Array, Array]:
    """Gains of generated and of real slices."""
    real, generated = context.real, context.generated
    if not len(real):
        return np.full(len(generated), np.nan), np.empty(0)
    frames, fold = _frames(real), fold_of(real).numpy()
    sides = {"real": (frames, fold), "generated": (_frames(generated), np.full(len(generated), FOLDS))}
    bins = {"real": real.z_bin.numpy(), "generated": generated.z_bin.numpy()}
    as_it_lies, turned = ({side: np.full(len(own), np.nan) for side, own in bins.items()} for _ in range(2))
    limit = np.full(context.binning.n_bins, np.nan)
    for k in np.unique(bins["real"]):
        for number in range(FOLDS + 1):
            learned = (bins["real"] == k) & (fold != number)
            if not learned.any():
                continue
            mean = mean_frame(frames[learned])
            for side, (own, model) in sides.items():
                rows = (bins[side] == k) & (model == number)
                as_it_lies[side][rows], turned[side][rows] = fits(own[rows], mean)
        of_bin = as_it_lies["real"][bins["real"] == k]
        limit[k] = _FIT * np.nanmedian(of_bin) if np.isfinite(of_bin).any() else -np.inf
    gains = {side: turned[side] - as_it_lies[side] for side in sides}
    for side, gain in gains.items():
        gain[turned[side] < limit[bins[side]]] = 0
    return gains["generated"], gains["real"]


def _frames(table: SliceTable) -> Array:
    return np.asarray(table.mapped(lambda batch: torch.from_numpy(framed(batch.images.numpy()))).numpy())
