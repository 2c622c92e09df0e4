"""The scale of real slices: closed forms and simulated cohorts."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from jsddpm_eval.stats.scale import Scale, Side, from_others, median_of_others


@pytest.mark.parametrize("patients", [2, 3, 5, 8, 15])
@pytest.mark.parametrize("slices", [1, 4])
def test_the_spread_is_the_standard_deviation_however_few_patients_a_condition_has(patients, slices):
    rng, spread = np.random.default_rng(patients), []
    for _ in range(100):
        own = rng.standard_normal((10, patients, 1)) * 0.6**0.5
        values = own + rng.standard_normal((10, patients, slices)) * 0.4**0.5
        condition, unit = (np.broadcast_to(x, values.shape).ravel() for x in np.ogrid[:10, :patients, :1][:2])
        spread.append(Scale.fit(Side(values.ravel(), condition, unit), 10).spread)
    assert np.mean(spread) == pytest.approx(1, abs=0.08)


def test_the_median_of_others_leaves_out_the_own_unit_and_missing_numbers():
    side = Side(np.array([0.0, 1.0, 5.0, 9.0, np.nan, 7.0]), np.array([0, 0, 0, 0, 0, 1]), np.array([1, 1, 2, 3, 4, 1]))
    centre, others = median_of_others(side)
    assert centre[:4].tolist() == [7.0, 7.0, 1.0, 1.0]  # of 5 and 9; of 0, 1 and 9; of 0, 1 and 5
    assert others[:4].tolist() == [2, 2, 2, 2]
    assert np.isnan(centre[4:]).all()


@pytest.mark.parametrize("count", [2, 3, 4, 5, 30, 31])
def test_the_median_of_other_samples_is_that_of_a_loop(count):
    rng = np.random.default_rng(count)
    values = rng.choice(rng.standard_normal(max(2, count // 2)), count) * 1e3  # with ties
    centre, others = median_of_others(Side(values, np.full(count, 4), rng.permutation(count)))
    assert centre.tolist() == [statistics.median(np.delete(values, i).tolist()) for i in range(count)]
    assert others.tolist() == [count - 1] * count


def test_one_patient_alone_is_measured_from_the_median_of_the_own_slices():
    values = np.array([0.0, 1.0, 3.0])
    scale = Scale.fit(Side(values, np.zeros(3, np.int64), np.zeros(3, np.int64)), 1)
    assert scale.spread == pytest.approx(1.4826)
    assert np.isnan(from_others(Side(values, np.zeros(3, np.int64), np.zeros(3, np.int64)))).all()
