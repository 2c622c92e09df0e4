"""Borderless masks: does a minority of lesion masks have no border in its image, as masks of other images have none?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.functional.lesion_contrast import CONTRAST
from jsddpm_eval.metrics.base import Cell, Context
from jsddpm_eval.metrics.lesion_contrast import contrast_columns
from jsddpm_eval.metrics.shares import Array, Flags, Labels, Reach, ShareMetric
from jsddpm_eval.metrics.shifts import deviation
from jsddpm_eval.results.score import Counts
from jsddpm_eval.results.specs import ScoreSpec

SHARE = 0.05
"""Share of real lesion slices, each patient counting once, that are called borderless."""

BORDERLESS = ScoreSpec(
    name="lesion_borderless_share", heading="borderless", group="lesions", unit="share", scope="levels", pathology=1,
    label="share of masks without a border",
    better="lower",
    definition="share of lesion samples whose image steps less at the border of the mask than in all but "
    f"{SHARE:.0%} of real lesion slices (each patient counting once), beside the median slice of the condition",
    reading="Above the baseline: some masks do not have their border in their image.",
    source="Clopper-Pearson", verified="planted masks of other images | all of it",
    hypothesis="samples are slices of new patients, one-sided",
    blind_to="masks of other images if few are exchanged or real lesions hardly show, and lesions outside the mask",
)  # fmt: skip


class Borderless(ShareMetric):
    """Share of masks with hardly a border in the image; a mean says little where most masks are right."""

    name = "borderless"
    specs = (BORDERLESS,)
    needs = frozenset({"pixels", "masks"})
    confidence = 0.95  # real patients differ much in it: a perfect generator's patients may have twice the share
    too_few = "needs real lesion slices of 3 patients"

    def reach(self, context: Context) -> Reach:
        """Missing steps at the border."""
        return _missing_steps(context)

    def expected(self, beyond: Flags, patient: Labels) -> float:
        """The share of real slices, by definition of the threshold."""
        return SHARE

    def missing(self, cell: Cell, context: Context) -> str:
        """See the base."""
        return "no lesion sample with a mask in its head"

    def counts(self, cell: Cell, samples: int, slices: int, patients: int) -> Counts:
        """The real slices are those that the threshold rests on."""
        return super().counts(cell, samples, slices, patients)._replace(n_real=slices)


METRIC = Borderless()


def _missing_steps(context: Context) -> Reach:
    """How much smaller the step at the border is than the median of the condition, and the threshold."""
    column = CONTRAST.index("step")
    values = [contrast_columns(table)[:, column] for table in (context.real, context.generated)]
    real = values[0].numpy()
    known = np.isfinite(real)
    if not known.any():
        return Reach(np.full(len(context.generated), np.nan), np.full(len(real), np.nan), np.nan)
    sign = np.sign(np.median(real[known])) or 1.0  # where lesions are dark, a step the other way is none
    of_real, of_generated = (sign * apart for apart in deviation(values, context))
    known = np.isfinite(of_real)
    threshold = _quantile(of_real[known], context.real.patient.numpy()[known])
    return Reach(-of_generated, -of_real, -threshold)


def _quantile(values: Array, patient: NDArray[np.int64]) -> float:
    """The value below which lies :data:`SHARE` of the slices, each patient weighing the same."""
    if not len(values):
        return np.nan
    owner, counts = np.unique(patient, return_inverse=True, return_counts=True)[1:]
    return float(np.quantile(values, SHARE, weights=1 / counts[owner], method="inverted_cdf"))
