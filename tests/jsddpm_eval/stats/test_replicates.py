"""Pooled differences against textbook tests, and their coverage and power with planted effects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jsddpm_eval.stats.replicates import over_folds, over_seeds

TRIALS = 1000


def consistent(share, wanted):
    return stats.binomtest(round(share * TRIALS), TRIALS, wanted).pvalue > 0.002


def test_over_folds_is_a_t_test_of_fold_means_with_the_corrected_error():
    folds = [[0.3, 0.5], [0.9], [0.2, 0.4, 0.6], [0.8]]
    means = [0.4, 0.9, 0.4, 0.8]
    found = over_folds(folds, [1 / 3] * 4)
    plain = stats.ttest_1samp(means, 0)
    wider = np.sqrt((1 / 4 + 1 / 3) / (1 / 4))
    half = (plain.confidence_interval().high - np.mean(means)) * wider
    assert found.interval == pytest.approx((np.mean(means) - half, np.mean(means) + half))
    assert found.p_value == pytest.approx(2 * stats.t.sf(plain.statistic / wider, 3))


def test_over_seeds_without_patients_is_a_t_test_of_the_seeds():
    seeds = [0.3, 0.5, 0.9, 0.2]
    found = over_seeds(seeds, (0.0, 0))
    assert found.interval == pytest.approx(tuple(stats.ttest_1samp(seeds, 0).confidence_interval()))
    assert found.p_value == pytest.approx(stats.ttest_1samp(seeds, 0).pvalue)


def test_over_seeds_without_scatter_is_a_t_test_of_the_patients():
    patients = np.array([0.3, 0.5, 0.9, 0.2, 0.1, 0.8])
    found = over_seeds([patients.mean()] * 2, (patients.var(ddof=1) / 6, 6))
    assert found.interval == pytest.approx(tuple(stats.ttest_1samp(patients, 0).confidence_interval()))
    assert found.p_value == pytest.approx(stats.ttest_1samp(patients, 0).pvalue)


def test_without_spread_only_the_signs_speak():
    for found in (over_folds([[1.0], [1.0], [1.0]], [0.5] * 3), over_seeds([1.0] * 3, (0.0, 0))):
        assert found.interval is None
        assert found.p_value == pytest.approx(stats.binomtest(3, 3).pvalue)
    assert over_folds([[0.0], [0.0]], [1, 1]).interval == (0, 0)
    assert over_seeds([0.0, 0.0], (0.0, 5)).p_value == 1


@pytest.mark.parametrize(("patients", "reason"), [(None, "not known"), ((0.1, 2), "fewer than 3 patients")])
def test_patients_that_say_too_little_leave_no_interval(patients, reason):
    found = over_seeds([0.1, 0.2, 0.3], patients)
    assert (found.interval, found.p_value) == (None, None)
    assert reason in found.reason


def folds_of(rng, effect, folds=4, seeds=2):
    """Trainings of four folds share three quarters of their patients: their effects have a correlation of 1 / 4."""
    training = 0.5 * rng.standard_normal() + np.sqrt(0.75) * rng.standard_normal((folds, 1))
    return effect + training + 0.3 * rng.standard_normal((folds, seeds)) + 0.3 * rng.standard_normal((folds, 1))


def test_intervals_over_folds_cover_and_a_planted_difference_is_seen():
    rng = np.random.default_rng(0)
    found = [over_folds(folds_of(rng, 0.0).tolist(), [1 / 3] * 4) for _ in range(TRIALS)]
    assert 0.94 < np.mean([f.interval[0] <= 0 <= f.interval[1] for f in found]) < 0.98
    assert np.mean([f.p_value <= 0.05 for f in found]) <= 0.06
    naive = stats.ttest_1samp([folds_of(rng, 0.0).mean(1) for _ in range(2000)], 0, axis=1).pvalue <= 0.05
    assert np.mean(naive) > 0.075, "why trainings that share patients need the correction"
    seen = [over_folds(folds_of(rng, 5.0).tolist(), [1 / 3] * 4).p_value <= 0.05 for _ in range(300)]
    assert np.mean(seen) > 0.9


def seeds_of(rng, effect, seeds, patients=20, by_seed=1.0, by_patient=1.0):
    """Differences of the seeds and the jackknife variance of their mean, as evaluations of one fold give them."""
    people = by_patient * np.sqrt(patients) * rng.standard_normal(patients)
    differences = effect + people.mean() + by_seed * np.sqrt(seeds) * rng.standard_normal(seeds)
    return differences.tolist(), (float(people.var(ddof=1)) / patients, patients)


@pytest.mark.parametrize(("by_seed", "by_patient"), [(1.0, 0.2), (1.0, 1.0), (0.2, 1.0)])
@pytest.mark.parametrize("seeds", [2, 4])
def test_intervals_over_seeds_cover_whatever_scatters_most(seeds, by_seed, by_patient):
    rng = np.random.default_rng(1)
    found = [over_seeds(*seeds_of(rng, 0.0, seeds, 20, by_seed, by_patient)) for _ in range(TRIALS)]
    covered = np.mean([f.interval[0] <= 0 <= f.interval[1] for f in found])
    assert consistent(covered, 0.95) or 0.95 < covered < 0.99
    assert np.mean([f.p_value <= 0.05 for f in found]) == pytest.approx(1 - covered)


def test_a_planted_difference_is_seen_over_seeds():
    rng = np.random.default_rng(2)
    assert np.mean([over_seeds(*seeds_of(rng, 8.0, 4)).p_value <= 0.05 for _ in range(300)]) > 0.9
