"""Areas against scikit-learn, intervals against the binormal model of known area."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from jsddpm_eval.stats.auc import auc, auc_interval, auc_of_labels, sensitivity_at


@pytest.mark.parametrize("seed", range(20))
def test_the_area_is_that_of_scikit_learn_also_with_ties(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 6, rng.integers(1, 12)), rng.integers(0, 5, rng.integers(1, 30))
    labels = np.repeat([1, 0], [len(first), len(second)])
    wanted = roc_auc_score(labels, np.concatenate([first, second]))
    assert auc(first, second) == pytest.approx(wanted, abs=1e-12)


def test_many_labellings_at_once_are_those_one_by_one():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((7, 9))
    labels = rng.random((7, 9)).argsort(1) < 4
    wanted = [roc_auc_score(row, value) for row, value in zip(labels, values, strict=True)]
    np.testing.assert_allclose(auc_of_labels(values, labels), wanted)
    shared = [roc_auc_score(row, values[0]) for row in labels]
    np.testing.assert_allclose(auc_of_labels(values[:1], labels), shared)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (10, 10), (10, 40)])
@pytest.mark.parametrize("true", [0.5, 0.75, 0.9, 0.97])
def test_the_interval_covers_the_area_of_two_normal_groups(n, m, true):
    rng, shift = np.random.default_rng(1), norm.ppf(true) * np.sqrt(2)
    covered = 0
    for _ in range(1000):
        low, high = auc_interval(auc(rng.normal(shift, size=n), rng.normal(size=m)), n, m)
        covered += low <= true <= high
    assert covered >= 920


@pytest.mark.parametrize("area", [0.0, 0.31, 0.5, 1.0])
def test_the_interval_holds_the_area_and_mirrors(area):
    low, high = auc_interval(area, 6, 9)
    assert 0 <= low <= area <= high <= 1
    assert high - low > 0.1
    assert auc_interval(1 - area, 6, 9) == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_sensitivity_is_a_point_of_the_curve():
    rng = np.random.default_rng(2)
    first, second = rng.normal(1, size=30), rng.normal(size=50)
    false, true, _ = roc_curve(np.repeat([1, 0], [30, 50]), np.concatenate([first, second]), drop_intermediate=False)
    for rate in (0.02, 0.1, 0.5):
        found = sensitivity_at(first, second, rate)
        assert found is not None
        assert found[0] == round(30 * true[false <= rate + 1e-9].max())
    assert sensitivity_at(first, second, 0.01) is None
