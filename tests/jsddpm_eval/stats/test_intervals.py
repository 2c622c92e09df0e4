"""Intervals by patient against textbook formulas and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.results.score import Spread
from jsddpm_eval.stats.intervals import jackknife_spread, mean_spread, wilson_interval


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


def test_intervals_need_patients():
    g = torch.Generator().manual_seed(0)
    real, made = torch.randn((40, 3), generator=g), torch.randn((9, 3), generator=g)
    patients = np.repeat([f"p{i}" for i in range(8)], 5)
    low, high = jackknife_spread(kernel_distance, real, patients, made).interval
    assert low < kernel_distance(real, made) < high
    assert jackknife_spread(kernel_distance, real, np.repeat(["a", "b"], 20), made) == Spread()
    assert jackknife_spread(kernel_distance, real, patients, made[:2]) == Spread()


def test_blocks_of_patients_are_named_by_their_patients():
    g = torch.Generator().manual_seed(0)
    real, made = torch.randn((24, 1), generator=g), torch.randn((9, 1), generator=g)
    names = np.array([f"p{i:02d}" for i in range(12)]).repeat(2)
    influence = jackknife_spread(lambda a, b: float(a.mean() - b.mean()), real, names, made).influence
    assert list(influence.patients)[:3] == ["p00+p10", "p01+p11", "p02"]
    assert influence.patient_blocks == [2, 2, *[1] * 8]
    assert influence.sample_blocks == ()  # every block is one sample
    kept = ~np.isin(names, ["p01", "p11"])
    assert influence.patients["p01+p11"] == pytest.approx(float(real[kept].mean() - real.mean()), rel=1e-5)
    assert influence.samples[3] == pytest.approx(float(made.mean() - torch.cat([made[:3], made[4:]]).mean()), rel=1e-5)


@pytest.mark.parametrize(("count", "n"), [(0, 5), (2, 3), (7, 7), (48, 80)])
def test_shares_have_wilsons_interval(count, n):
    found = stats.binomtest(count, n).proportion_ci(method="wilson")
    assert wilson_interval(count / n, n) == pytest.approx((found.low, found.high), abs=1e-12)
