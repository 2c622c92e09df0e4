"""Short version of ``tests/soak/comparison.py``: paired differences of simulated evaluations, of known truth."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
from scipy import stats

SOAK = runpy.run_path(str(Path(__file__).parents[1] / "soak" / "comparison.py"))


def consistent(found, cohorts, wanted):
    return stats.binomtest(round(found * cohorts), cohorts, wanted).pvalue > 0.002


def test_paired_intervals_of_a_reconstruction_cover_and_are_narrower():
    found = SOAK["means"](150)
    assert consistent(found.covered, 150, 0.95)
    assert consistent(found.alarms, 150, 0.05)
    assert found.narrower < 0.4


def test_paired_intervals_of_a_distance_cover_and_are_narrower():
    found = SOAK["distances"](60, patients=8, generated=100)
    assert consistent(found.covered, 60, 0.95)
    assert found.alarms <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    assert found.narrower < 0.9


def test_paired_intervals_of_a_mean_difference_cover_and_are_narrower():
    found = SOAK["shifts"](200, patients=8, generated=48)
    assert consistent(found.covered, 200, 0.95)
    assert consistent(found.alarms, 200, 0.05)
    assert found.narrower < 0.5
