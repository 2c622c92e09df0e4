"""Intervals by patient against textbook formulas and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm_eval.results.score import Spread, block_of
from jsddpm_eval.stats.intervals import distance_spread, mean_spread


def test_jackknife_of_a_mean_is_the_textbook_formula():
    values, who = torch.tensor([1.0, 2.0, 4.0, 9.0]), np.array(["a", "b", "c", "d"])
    half = stats.t.ppf(0.975, 3) * float(values.std(correction=1)) / 2
    assert mean_spread(values, who).interval == pytest.approx((4 - half, 4 + half), rel=1e-6)
    assert mean_spread(values).interval == pytest.approx((4 - half, 4 + half), rel=1e-6)
    assert mean_spread(values, np.array(["a", "a", "b", "b"])) == Spread()


def test_what_each_patient_adds_is_what_the_mean_loses_without_them():
    values, who = torch.tensor([1.0, 2.0, 4.0, 9.0, 5.0]), np.array(["b", "a", "c", "b", "c"])
    added = mean_spread(values, who).influence.patients
    expected = {n: float(values[torch.from_numpy(who != n)].mean() - values.mean()) for n in "abc"}
    assert added == pytest.approx(expected, rel=1e-6)
    samples = mean_spread(values).influence.samples
    assert samples[3] == pytest.approx(float(values[[0, 1, 2, 4]].mean() - values.mean()), rel=1e-6)


def test_units_of_generated_slices_are_left_out_as_patients_are():
    values, volume = torch.tensor([1.0, 2.0, 4.0, 9.0, 5.0, 3.0]), torch.tensor([8, 8, 2, 5, 2, 5])
    by_unit, by_patient = mean_spread(values, units=volume), mean_spread(values, volume.numpy().astype(str))
    assert by_unit.interval == by_patient.interval
    added = by_patient.influence.patients
    assert by_unit.influence.samples == (added["8"], added["2"], added["5"])  # in the order in which they appear
    assert mean_spread(values, units=torch.arange(6) + 40) == mean_spread(values)


def test_influences_of_many_samples_are_those_of_blocks_and_the_interval_is_that_of_all():
    """250 values in 100 blocks, dealt out in turn: the mean without each block, by hand."""
    values = np.random.default_rng(0).normal(3, 1, 250)
    found = mean_spread(torch.from_numpy(values))
    block = np.arange(250) % 100
    expected = [values[block != b].mean() - values.mean() for b in range(100)]
    assert found.influence.samples == pytest.approx(expected, abs=1e-7)
    assert found.influence.sample_blocks == (3,) * 50 + (2,) * 50
    half = stats.t.ppf(0.975, 249) * values.std(ddof=1) / 250**0.5
    assert found.interval == pytest.approx((values.mean() - half, values.mean() + half))


def test_what_units_add_to_a_distance_is_what_it_loses_without_them():
    """Three blocks of four patients, four of seven samples; with all of one value the interval is that value."""
    patients = {"a": 1.1, "b": 0.8, block_of("c", "d"): 1.3}
    spread = distance_spread(1.0, patients, [0.9, 1.0, 1.2, 1.05], 7)
    assert spread.influence.patients == pytest.approx({"a": 0.1, "b": -0.2, "c+d": 0.3})
    assert spread.influence.samples == pytest.approx([-0.1, 0, 0.2, 0.05])
    assert spread.influence.sample_blocks == (2, 2, 2, 1)
    low, high = spread.interval
    assert low < 1 < high
    assert high - 1 > 1 - low  # a distance is skewed to the right
    assert distance_spread(1.0, dict.fromkeys("abc", 1.0), [1.0] * 4).interval == (1.0, 1.0)
    assert distance_spread(1.0, dict.fromkeys("ab", 1.0), [1.0] * 4) == (None, None)
