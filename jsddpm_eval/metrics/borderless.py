"""Borderless masks: does a minority of lesion masks have no border in its image, as masks of other images have none?"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jsddpm_eval.functional.lesion_contrast import CONTRAST
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.metrics.lesion_contrast import contrast_columns
from jsddpm_eval.metrics.shares import share_score
from jsddpm_eval.metrics.shifts import deviation
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.limits import MIN_UNITS

SHARE = 0.05
"""Share of real lesion slices, each patient counting once, that are called borderless."""
_CONFIDENCE = 0.95  # real patients differ much in it: a perfect generator's patients may have twice the share

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

Array = NDArray[np.float64]


class _Steps(NamedTuple):
    """Steps at the border beside the median of the condition, by row of the whole table; NaN where there is none."""

    generated: Array
    real: Array
    threshold: float


class Borderless(Metric):
    """Share of masks with hardly a border in the image; a mean says little where most masks are right."""

    name = "borderless"
    specs = (BORDERLESS,)
    needs = frozenset({"pixels", "masks"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The share; the bound of its baseline is that of new patients."""
        if not len(cell.generated):
            return self.undefined(cell, context, "nothing generated for this condition")
        steps = context.once(self.name, partial(_steps, context))
        known = np.isfinite(steps.real)
        patients = context.real.patient.numpy()[known]
        if len(np.unique(patients)) < MIN_UNITS:
            return self.undefined(cell, context, "needs real lesion slices of 3 patients")
        reached = steps.generated[cell.generated.row.numpy()]
        defined = np.isfinite(reached)
        if not defined.any():
            return self.undefined(cell, context, "no lesion sample with a mask in its head")
        beyond = reached[defined] < steps.threshold
        counts = cell.counts._replace(
            n_real=int(known.sum()), n_generated=len(beyond), n_patients=len(np.unique(patients))
        )
        score = share_score(
            beyond, cell.generated.unit.numpy()[defined], steps.real[known] < steps.threshold, patients, counts,
            expected=SHARE, confidence=_CONFIDENCE,
        )  # fmt: skip
        return {BORDERLESS.name: score}


METRIC = Borderless()


def _steps(context: Context) -> _Steps:
    column = CONTRAST.index("step")
    values: dict[str, Tensor] = {t.kind: contrast_columns(t)[:, column] for t in (context.real, context.generated)}
    real = values["real"].numpy()
    known = np.isfinite(real)
    if not known.any():
        return _Steps(np.full(len(context.generated), np.nan), np.full(len(real), np.nan), np.nan)
    sign = np.sign(np.median(real[known])) or 1.0  # where lesions are dark, a step the other way is none
    beside = {t.kind: sign * deviation(values, t, context) for t in (context.real, context.generated)}
    known = np.isfinite(beside["real"])
    return _Steps(
        beside["generated"], beside["real"], _quantile(beside["real"][known], context.real.patient.numpy()[known])
    )


def _quantile(values: Array, patient: NDArray[np.int64]) -> float:
    """The value below which lies :data:`SHARE` of the slices, each patient weighing the same."""
    if not len(values):
        return np.nan
    owner, counts = np.unique(patient, return_inverse=True, return_counts=True)[1:]
    return float(np.quantile(values, SHARE, weights=1 / counts[owner], method="inverted_cdf"))
