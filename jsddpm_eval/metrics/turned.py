"""Turned samples: how many lie upside down or on their side, as after augmentation that leaks into the samples?"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from jsddpm_eval.features.crossfit import FOLDS, fold_of
from jsddpm_eval.functional.orientation import framed, gain_by_turning, mean_frame
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.metrics.shares import share_score
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.limits import MIN_UNITS

GAIN = 0.08
"""Gain of the correlation with the mean real slice from which a slice counts as turned."""

_CONFIDENCE = 0.5  # the median, as for outliers: few real slices reach the gain

SHARE = ScoreSpec(
    name="turned_share", heading="turned", group="head", unit="share", scope="levels", better="lower",
    label="share of samples upside down or on their side",
    definition="share of samples whose correlation with the mean real slice of the bin, about the head, is higher by "
    f"{GAIN:g} or more if front and back are exchanged, or rows and columns; real slices are compared with the mean of "
    "other patients",
    reading="Above the baseline: some samples lie upside down or on their side.",
    source="Clopper-Pearson", verified="planted turns | four of five",
    hypothesis="samples are slices of new patients, one-sided",
    blind_to="left and right exchanged, because heads are nearly symmetric, and turns by less than about 45 degrees",
)  # fmt: skip

Array = NDArray[np.float64]


class _Gains(NamedTuple):
    """Gains by turning, by row; NaN where there is no mean real slice to compare with."""

    generated: Array
    real: Array


class Turned(Metric):
    """Share of samples that fit the real slices of their bin better when they are turned."""

    name = "turned"
    specs = (SHARE,)
    needs = frozenset({"pixels"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The share; the baseline is that of real slices, each patient counting once."""
        if not len(cell.generated):
            return self.undefined(cell, context, "nothing generated for this condition")
        gains = context.once(self.name, partial(_gains, context))
        known = np.isfinite(gains.real)
        patients = context.real.patient.numpy()[known]
        if len(np.unique(patients)) < MIN_UNITS:
            return self.undefined(cell, context, "needs real slices of 3 patients in one bin")
        reached = gains.generated[cell.generated.row.numpy()]
        defined = np.isfinite(reached)
        if not defined.any():
            return self.undefined(cell, context, "no real slice of these bins")
        real = gains.real[known] > GAIN
        counts = cell.counts._replace(n_generated=int(defined.sum()), n_patients=len(np.unique(patients)))
        owner = np.unique(patients, return_inverse=True)[1]
        by_patient = np.bincount(owner, real) / np.bincount(owner)
        score = share_score(
            reached[defined] > GAIN, cell.generated.unit.numpy()[defined], real, patients, counts,
            expected=float(by_patient.mean()), confidence=_CONFIDENCE,
        )  # fmt: skip
        return {SHARE.name: score}


METRIC = Turned()


def _gains(context: Context) -> _Gains:
    real, generated = context.real, context.generated
    if not len(real):
        return _Gains(np.full(len(generated), np.nan), np.empty(0))
    frames, fold = _frames(real), fold_of(real).numpy()
    sides = {"real": (frames, fold), "generated": (_frames(generated), np.full(len(generated), FOLDS))}
    bins = {"real": real.z_bin.numpy(), "generated": generated.z_bin.numpy()}
    gains = {side: np.full(len(own), np.nan) for side, own in bins.items()}
    for k in np.unique(bins["real"]):
        for number in range(FOLDS + 1):
            learned = (bins["real"] == k) & (fold != number)
            if not learned.any():
                continue
            mean = mean_frame(frames[learned])
            for side, (own, model) in sides.items():
                rows = (bins[side] == k) & (model == number)
                gains[side][rows] = gain_by_turning(own[rows], mean)
    return _Gains(gains["generated"], gains["real"])


def _frames(table: SliceTable) -> Array:
    return np.asarray(table.mapped(lambda batch: torch.from_numpy(framed(batch.images.numpy()))).numpy())
