"""Short version of ``tests/soak/calibration.py``: shares of simulated cohorts, within what 80 cohorts can tell."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from scipy import stats

pytestmark = pytest.mark.long

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


def test_a_perfect_generator_lies_inside_its_baseline_and_a_shifted_one_does_not():
    shares, (value, baseline) = SOAK["inside_baseline"](60)
    for share in shares:
        assert stats.binomtest(round(60 * share), 60, 0.95, "less").pvalue > 0.002
    assert abs(value / baseline - 1) < 0.1
    shifted, _ = SOAK["inside_baseline"](20, 0.8)
    assert max(shifted) < 0.5


def test_false_alarms_are_as_many_as_allowed_and_a_shift_is_seen():
    assert consistent(SOAK["alarms"](COHORTS), 0.05)
    assert SOAK["alarms"](30, 1.0) > 0.8


def test_perfect_stacks_of_new_patients_raise_no_more_false_alarms_than_single_slices():
    """By slice it is one perfect generator in two; so many stacks are a whole 3D sampling."""
    stacks = {"generated": 24, "stack": 6}
    assert consistent(SOAK["alarms"](COHORTS, **stacks), 0.05)
    assert SOAK["alarms"](COHORTS, grouped=False, **stacks) > 0.3
    assert SOAK["alarms"](30, 2.0, generated=48, stack=6) > 0.8
    assert consistent(SOAK["kid_coverage"](COHORTS, bootstrap=False, generated=48, stack=6)[0], 0.95)


def test_unequal_numbers_of_slices_accuse_no_perfect_generator():
    for generator, cohorts in (("slices", 30), ("patients", 10)):
        share = SOAK["unequal_alarms"](cohorts, generator, patients=24, generated=48)
        assert stats.binomtest(round(cohorts * share), cohorts, 0.05, "greater").pvalue > 0.002
    assert SOAK["unequal_alarms"](10, shift=0.5, patients=24, generated=48) > 0.5
