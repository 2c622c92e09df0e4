"""A share of samples that lie beyond what real slices reach, as a score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.results.score import Baseline, Counts, Score, Spread
from jsddpm_eval.stats.exceedance import by_unit, share_bound, share_interval, share_p_value

Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]


def share_score(
    beyond: Flags, unit: Labels, real_beyond: Flags, patient: Labels, counts: Counts, *, expected: float,
    confidence: float,
) -> Score:  # fmt: skip
    """The share with its exact interval, beside the bound of the share of new patients and the test against it.

    Args:
        beyond: Whether each sample lies beyond, ``(n,)``, at least one.
        unit: Unit of each sample; a volume counts once.
        real_beyond: Whether each real slice does, ``(m,)``.
        patient: Patient of each real slice.
        counts: What the share rests on.
        expected: The baseline: the share of real slices that lie beyond by definition.
        confidence: That new patients' share is smaller than the bound.
    """
    count, total = by_unit(beyond, unit)
    bound = share_bound(real_beyond, patient, confidence)
    spread, band = Spread(share_interval(count, total)), Baseline(expected, (0.0, bound))
    return Score.of(float(beyond.mean()), counts, spread, band, p_value=share_p_value(count, total, bound))
