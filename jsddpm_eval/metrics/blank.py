"""Blank samples: slices of one grey level, beside how often real slices of the same conditions are blank."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.metrics.shares import Array, Flags, share_score
from jsddpm_eval.overlap import digests
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import share_at_most
from jsddpm_eval.stats.limits import MIN_UNITS

_CONFIDENCE = 0.5  # the median, as for outliers: perfect samples of 1200 draws were never called blank with it

SHARE = ScoreSpec(
    name="blank_share", heading="blank", group="neighbourhood", unit="share", scope="levels", better="lower",
    label="share of blank samples",
    definition="share of samples of a single grey level of 256, beside that of real slices of the same conditions (of "
    "the bin where a condition has none), each patient counting once; undefined without real slices of 3 patients",
    reading="Above the baseline: some samples are blank.",
    source="Clopper-Pearson", verified="counting | 0",
    hypothesis="samples are slices of new patients, one-sided",
    blind_to="samples that are nearly blank, and blank samples in conditions whose real slices are blank as often",
)  # fmt: skip


class Blank(Metric):
    """Share of blank samples; real slices at the ends of a scan can be blank too."""

    name = "blank"
    specs = (SHARE,)
    needs = frozenset({"pixels"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The share of the cell; the real share has the weights of the samples' conditions."""
        if not len(cell.generated):
            return self.undefined(cell, context, "nothing generated for this condition")
        usual = context.once(self.name, partial(_usual, context))[cell.generated.row.numpy()]
        compared = np.isfinite(usual)
        near = np.isin(context.real.z_bin.numpy(), cell.generated.z_bin.numpy()[compared])
        n_patients = len(np.unique(context.real.patient.numpy()[near]))
        if n_patients < MIN_UNITS:
            return self.undefined(cell, context, "needs real slices of 3 patients in these bins")
        expected = float(usual[compared].mean())
        bound = share_at_most(expected * n_patients, n_patients, _CONFIDENCE)
        blank, unit = _blank(cell.generated)[compared], cell.generated.unit.numpy()[compared]
        counts = cell.counts._replace(n_generated=len(blank), n_patients=n_patients)
        return {SHARE.name: share_score(blank, unit, bound, counts, expected=expected)}


METRIC = Blank()


def _usual(context: Context) -> Array:
    """Share of blank real slices in the condition of each sample, or in its bin; NaN where the bin has none."""
    real, generated, bins = context.real, context.generated, context.binning.n_bins
    blank, patient = _blank(real), real.patient.numpy()
    usual = np.full(len(generated), np.nan)
    for token in generated.token(bins).unique().tolist():
        rows = (generated.token(bins) == token).numpy()
        of_condition, of_bin = (real.token(bins) == token).numpy(), (real.z_bin == generated.z_bin[rows][0]).numpy()
        chosen = of_condition if of_condition.any() else of_bin
        if chosen.any():
            usual[rows] = _by_patient(blank[chosen], patient[chosen])
    return usual


def _by_patient(flags: Flags, patient: NDArray[np.int64]) -> float:
    """Mean over patients of the share of their slices that are flagged."""
    owner = np.unique(patient, return_inverse=True)[1]
    return float((np.bincount(owner, flags) / np.bincount(owner)).mean())


def _blank(table: SliceTable) -> Flags:
    return np.array([not digest for digest in digests(table)], bool)
