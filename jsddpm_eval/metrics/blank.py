"""Blank samples: slices of one grey level, beside how often real slices of the same conditions are blank."""

from __future__ import annotations

from functools import partial

import numpy as np

from jsddpm_eval.blanks import blank, blank_bound, usual_share
from jsddpm_eval.metrics.base import NOTHING_GENERATED, Cell, Context, Metric
from jsddpm_eval.metrics.shares import share_score
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.limits import MIN_UNITS

SHARE = ScoreSpec(
    name="blank_share", heading="blank", group="neighbourhood", unit="share", scope="levels", better="lower",
    label="share of blank samples",
    definition="share of samples of a single grey level of 256, beside that of real slices of the same conditions, "
    "each patient counting once (of the bin where a condition has no real slice, of all where a bin has none); "
    "undefined without real slices of 3 patients",
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
            return self.undefined(cell, context, NOTHING_GENERATED)
        every = partial(usual_share, context.real, context.generated, context.binning.n_bins)
        usual = context.once(self.name, every)[cell.generated.row.numpy()]
        patient = context.real.patient.numpy()
        near = np.isin(context.real.z_bin.numpy(), cell.generated.z_bin.numpy())
        n_patients = len(np.unique(patient[near] if near.any() else patient))
        if n_patients < MIN_UNITS:
            return self.undefined(cell, context, "needs real slices of 3 patients in these bins")
        expected = float(usual.mean())
        counts = cell.counts._replace(n_patients=n_patients)
        bound, unit = blank_bound(expected, n_patients), cell.generated.unit.numpy()
        return {SHARE.name: share_score(blank(cell.generated), unit, bound, counts, expected=expected)}


METRIC = Blank()
