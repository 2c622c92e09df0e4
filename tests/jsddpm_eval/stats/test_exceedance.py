"""Samples beyond what real slices reach."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from jsddpm_eval.stats.exceedance import (
    UpperScale,
    by_unit,
    share_at_most,
    share_bound,
    share_interval,
    share_p_value,
)


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
    assert (low, high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert share_p_value(3, 20, 0.05) == pytest.approx(binomtest(3, 20, 0.05, alternative="greater").pvalue, rel=1e-9)
    assert share_at_most(3, 20, 0.95) == pytest.approx(binomtest(3, 20, alternative="less").proportion_ci(0.95).high)
    assert share_interval(0, 20)[0] == 0
    assert share_interval(20, 20)[1] == 1
    assert (share_p_value(0, 20, 0.05), share_p_value(20, 20, 0.05)) == (1, pytest.approx(0.05**20))
    assert share_p_value(500, 500, 1e-6) > 0


def test_half_a_volume_counts_as_half():
    flags, unit = np.arange(100) < 10, np.arange(100) // 20  # half of the first of five volumes
    count, total = by_unit(flags, unit)
    assert (count, total) == (0.5, 5)
    low, high = share_interval(count, total)
    assert 0 < low < 0.1 < high
    assert share_interval(0, 5)[1] < high < share_interval(1, 5)[1]
    assert share_p_value(1, 5, 0.05) < share_p_value(count, total, 0.05) < 1


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("alike", [0.5, 5.0])
def test_intervals_and_tests_of_volumes_hold_what_they_promise(share, alike):
    """Volumes of unequal size; each has its own share, of a beta distribution with this mean."""
    rng, inside, alarms = np.random.default_rng(0), 0, 0
    sizes = np.array([20, 20, 10, 5, 5, 2, 1, 1, 1, 1, 1, 1])
    for _ in range(1000):
        of_volume = rng.beta(alike * share, alike * (1 - share), len(sizes))
        flags = np.concatenate([rng.random(n) < p for n, p in zip(sizes, of_volume, strict=True)])
        count, total = by_unit(flags, np.repeat(np.arange(len(sizes)), sizes))
        low, high = share_interval(count, total)
        inside += low <= share <= high
        alarms += share_p_value(count, total, share) <= 0.05
    assert inside / 1000 >= 0.94
    assert alarms / 1000 <= 0.06
