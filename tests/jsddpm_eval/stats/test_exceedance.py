"""Samples beyond what real slices reach."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from jsddpm_eval.stats.exceedance import UpperScale, share_bound, share_interval, share_p_value


def test_groups_without_values_take_those_of_all():
    values = np.array([0.0, 1.0, 2.0, 10.0, 13.0, 16.0])
    scale = UpperScale.fit(values, np.array([0, 0, 0, 1, 1, 1]), 3)
    assert scale.centre.tolist() == [1, 13, 6]
    assert scale.spread**2 == pytest.approx([(1 + 5) / 2, (9 + 5) / 2, 5])  # half-way to the mean of 1 and 9
    assert scale(np.array([13 + 7**0.5]), np.array([1])) == pytest.approx([1])


def test_the_bound_of_one_slice_each_is_clopper_and_pearsons():
    beyond = np.arange(30) < 2
    interval = binomtest(2, 30).proportion_ci(confidence_level=0.9)
    assert share_bound(beyond, np.arange(30), 0.95) == pytest.approx(interval.high)
    twice = np.repeat(beyond, 2), np.repeat(np.arange(30), 2)
    assert share_bound(*twice, 0.95) == pytest.approx(interval.high)  # more slices of the same patients say no more


def test_a_patient_counts_with_its_share():
    beyond, patient = np.array([True, False, False, False]), np.array([0, 0, 1, 2])
    halved = share_bound(beyond, patient, 0.5)
    ends = [share_bound(np.array([first, False, False]), np.arange(3), 0.5) for first in (False, True)]
    assert ends[0] < halved < ends[1]


def test_every_patient_beyond_bounds_nothing():
    assert share_bound(np.ones(4, bool), np.arange(4), 0.95) == 1


def test_false_alarms_are_rarer_than_promised():
    """Patients are odd with 3 %, all their slices alike; samples are odd as often."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(400):
        odd = rng.random(25) < 0.03
        bound = share_bound(np.repeat(odd, 4), np.repeat(np.arange(25), 4), 0.95)
        alarms += share_p_value(int((rng.random(100) < 0.03).sum()), 100, bound) <= 0.05
    assert alarms / 400 < 0.05


def test_interval_and_p_value_are_exact():
    low, high = share_interval(3, 20)
    interval = binomtest(3, 20).proportion_ci(method="exact")
    assert (low, high) == (interval.low, interval.high)
    assert share_p_value(3, 20, 0.05) == binomtest(3, 20, 0.05, alternative="greater").pvalue
    assert share_p_value(500, 500, 1e-6) > 0
