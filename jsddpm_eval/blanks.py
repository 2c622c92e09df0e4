"""Blank slices: of a single grey level. Scans end outside the head, so real slices at the ends can be blank too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.overlap import digests
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import by_unit, share_at_most

_CONFIDENCE = 0.5  # the median: perfect samples of 1200 draws of real patients never had significantly more


def blank(table: SliceTable) -> NDArray[np.bool_]:
    """Whether each slice has a single one of 256 grey levels, ``(N,)``."""
    return np.array([not digest for digest in digests(table)], bool)


def usual_share(real: SliceTable, generated: SliceTable, n_bins: int) -> NDArray[np.float64]:
    """Share of blank real slices in the condition of each sample, each patient counting once, ``(M,)``.

    It is that of the bin where a condition has no real slice, and that of all slices where the bin has none; NaN
    without real slices.

    Args:
        real: Real slices.
        generated: Samples.
        n_bins: Number of bins.
    """
    flags, patient = blank(real), real.patient.numpy()
    usual = np.full(len(generated), np.nan)
    tokens = generated.token(n_bins)
    for token in tokens.unique().tolist():
        nearest = (real.token(n_bins) == token, real.z_bin == generated.z_bin[tokens == token][0], real.z_bin >= 0)
        chosen = next((rows.numpy() for rows in nearest if rows.any()), None)
        if chosen is not None:
            count, patients = by_unit(flags[chosen], patient[chosen])
            usual[(tokens == token).numpy()] = count / patients
    return usual


def blank_bound(expected: float, n_patients: int) -> float:
    """Bound of the share of blank slices among slices of new patients.

    Args:
        expected: Share of blank real slices.
        n_patients: Number of their patients.
    """
    return share_at_most(expected * n_patients, n_patients, _CONFIDENCE)
