"""Means whose variance is a sum of parts: Student's t of one part, and coverage of two with few units."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest

from jsddpm_eval.stats.parts import LEAST, freedom, half_width, two_sided
from jsddpm_eval.stats.sign_test import sign_test_p


def test_of_one_part_all_is_students_t():
    values = np.random.default_rng(0).normal(0.4, 1, 9)
    part = [(values.var(ddof=1) / 9, 9)]
    expected = stats.ttest_1samp(values, 0)
    low, high = expected.confidence_interval(0.95)
    assert values.mean() - half_width(part, 0.05) == pytest.approx(low)
    assert values.mean() + half_width(part, 0.05) == pytest.approx(high)
    assert two_sided(float(values.mean()), part) == pytest.approx(expected.pvalue)
    assert two_sided(1e9, part) == LEAST
    assert freedom(part) == 8


@pytest.mark.parametrize("scales", [(1, 1), (3, 1), (0.2, 1)])
def test_intervals_of_a_sum_of_two_means_cover_it(scales):
    """Three and eight units: at least 95 of 100 intervals cover 0, and p-values below 0.05 are those that do not."""
    rng, trials, covered = np.random.default_rng(1), 400, 0
    for _ in range(trials):
        sides = [scale * rng.standard_normal(n) for scale, n in zip(scales, (3, 8), strict=True)]
        parts = [(float(side.var(ddof=1)) / len(side), len(side)) for side in sides]
        mean = float(sum(side.mean() for side in sides))
        inside = abs(mean) <= half_width(parts, 0.05)
        assert inside == (two_sided(mean, parts) >= 0.05)
        covered += inside
    assert binomtest(covered, trials, 0.95, alternative="less").pvalue > 0.01


def test_a_freedom_gives_the_interval_of_the_parts():
    parts = [(0.5, 4), (0.2, 9)]
    quantile = stats.t.ppf(1 - 5e-4 / 2, freedom(parts))
    assert quantile * 0.7**0.5 == pytest.approx(half_width(parts, 5e-4))
    assert 3 < freedom(parts) < 8


@pytest.mark.parametrize("units", [1, 2, 5, 12])
def test_the_sign_test_is_that_of_a_fair_coin(units):
    assert sign_test_p(units) == pytest.approx(binomtest(units, units).pvalue)
