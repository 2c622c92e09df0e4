"""Short version of ``tests/soak/calibration.py``: shares of simulated cohorts, within what 80 cohorts can tell."""

from __future__ import annotations

import runpy
from pathlib import Path

from scipy import stats

SOAK = runpy.run_path(str(Path(__file__).parents[1] / "soak" / "calibration.py"))
COHORTS = 80


def consistent(found, wanted, alpha=0.002):
    """Whether a share of so many cohorts can come from the wanted share."""
    return stats.binomtest(round(found * COHORTS), COHORTS, wanted).pvalue > alpha


def test_intervals_by_patient_cover_and_those_by_slice_do_not():
    by_patient, by_slice = SOAK["mean_coverage"](COHORTS)
    assert consistent(by_patient, 0.95)
    assert by_slice < 0.85
    assert consistent(SOAK["kid_coverage"](COHORTS, bootstrap=False)[0], 0.95)


def test_a_real_split_lies_inside_its_own_baseline():
    kid, fid = SOAK["split_inside_baseline"](60)
    assert stats.binomtest(round(60 * kid), 60, 0.95).pvalue > 0.002
    assert stats.binomtest(round(60 * fid), 60, 0.95).pvalue > 0.002


def test_false_alarms_are_as_many_as_allowed_and_a_shift_is_seen():
    assert consistent(SOAK["alarms"](COHORTS), 0.05)
    assert SOAK["alarms"](30, 1.0) > 0.8
