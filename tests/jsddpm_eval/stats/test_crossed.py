"""Means over patients and trainings: both make them uncertain, and claims of nothing stay rare."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm, permutation_test, ttest_1samp
from scipy.stats import t as student

from jsddpm_eval.stats.crossed import crossed_mean, flipped_p_value, trainings_for

RNG = np.random.default_rng(0)


def table(rng, patients, trainings, by_patient=0.1, by_training=0.05, rest=0.05):
    return (
        by_patient * rng.standard_normal((patients, 1)) + by_training * rng.standard_normal((1, trainings))
        + rest * rng.standard_normal((patients, trainings))
    )  # fmt: skip


def test_without_scatter_of_trainings_it_is_the_t_test_of_patients():
    means = RNG.standard_normal(12) + 0.4
    mean = crossed_mean([np.stack([means[:5] - 1, means[:5] + 1], 1), np.stack([means[5:], means[5:]], 1)])
    assert mean.value == pytest.approx(means.mean())
    alone = crossed_mean([np.stack([means, means], 1)])
    assert alone.p_value == 0.5  # two trainings could as well have had two signs
    repeated = crossed_mean([np.stack([means] * 12, 1)])
    assert repeated.p_value == pytest.approx(ttest_1samp(means, 0).pvalue)
    assert alone.interval == pytest.approx(ttest_1samp(means, 0).confidence_interval(0.95))


def nulls(shape, count=800, **scatter):
    """Means of studies without any difference."""
    folds, patients, trainings = shape
    rng = np.random.default_rng(1)
    return [crossed_mean([table(rng, patients, trainings, **scatter) for _ in range(folds)]) for _ in range(count)]


def at_most_five_of_a_hundred(told):
    return binomtest(int(np.sum(told)), len(told), 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize("shape", [(3, 10, 2), (3, 8, 6), (1, 12, 7), (1, 20, 10)], ids=str)
def test_equal_arms_are_told_apart_in_at_most_five_of_a_hundred(shape):
    told = [mean.p_value <= 0.05 for mean in nulls(shape)]
    assert at_most_five_of_a_hundred(told), np.mean(told)
    assert any(told)  # so many trainings can be significant


@pytest.mark.parametrize("shape", [(1, 12, 4), (1, 20, 2), (3, 10, 2)], ids=str)
def test_intervals_hold_the_mean_in_at_least_95_of_a_hundred(shape):
    """Also with trainings that are too few for a significant p-value."""
    missed = [not mean.interval[0] <= 0 <= mean.interval[1] for mean in nulls(shape)]
    assert at_most_five_of_a_hundred(missed), np.mean(missed)


def test_patients_alone_would_claim_too_much():
    """Why the scatter of trainings is part of the interval."""
    rng = np.random.default_rng(2)
    tables = [table(rng, 30, 8, by_patient=0.05, by_training=0.1) for _ in range(500)]
    naive = [ttest_1samp(t.mean(1), 0).pvalue <= 0.05 for t in tables]
    ours = [crossed_mean([t]).p_value <= 0.05 for t in tables]
    assert np.mean(naive) > 0.3
    assert 0 < np.mean(ours) <= 0.07


def test_two_trainings_would_claim_too_much_with_the_freedom_of_both_parts():
    """Satterthwaite's degrees of freedom let intervals of two trainings miss the mean more often."""
    missed = [not m.interval[0] <= 0 <= m.interval[1] for m in nulls((1, 30, 2), by_patient=0.05, by_training=0.1)]
    assert at_most_five_of_a_hundred(missed), np.mean(missed)


def test_three_trainings_claim_nothing_however_close_they_are():
    """Nor are trainings normal: of three that are 1 or -1, all are equal in one of four studies."""
    rng = np.random.default_rng(6)
    told = [
        crossed_mean([np.repeat(rng.choice([-1.0, 1.0], (1, 6)), 10, 0) + 0.01 * rng.standard_normal((10, 6))]).p_value
        for _ in range(400)
    ]
    assert np.mean(np.array(told) <= 0.05) <= 0.06
    assert flipped_p_value([1.0, 1.0, 1.0]) == 0.25


def test_signs_of_many_trainings_are_drawn():
    effects = np.random.default_rng(7).standard_normal(16) + 0.4
    for count, difference in ((14, 1e-9), (16, 0.01)):  # of more than 14 only some are tried
        oracle = permutation_test((effects[:count],), np.sum, permutation_type="samples", n_resamples=np.inf)
        assert flipped_p_value(effects[:count]) == pytest.approx(oracle.pvalue, abs=difference)


def test_one_training_gives_no_interval():
    mean = crossed_mean([RNG.standard_normal((9, 1))])
    assert (mean.interval, mean.p_value, mean.detectable(0.05), mean.patients_for(0.05, 0.05)) == (None,) * 4


def test_no_patient_gives_nothing():
    mean = crossed_mean([np.empty((0, 2)), np.empty((0, 2))])
    assert (mean.patients, mean.interval) == (0, None)


def test_patients_for_a_gain_are_those_with_whom_it_is_detected():
    mean = crossed_mean([table(np.random.default_rng(3), 20, 8, by_training=0.01)])
    count = mean.patients_for(0.05, 0.05)
    (_, _), (trainings, units) = mean.parts

    def reached(patients):
        parts = ((mean.spread / patients, patients), (trainings, units))
        half = sum(student.ppf(0.975, n - 1) ** 2 * variance for variance, n in parts) ** 0.5
        return half + norm.ppf(0.8) * sum(variance for variance, _ in parts) ** 0.5

    assert reached(count) <= 0.05 < reached(count - 1)
    assert mean.detectable(0.05) == pytest.approx(reached(20))
    noisy = crossed_mean([table(np.random.default_rng(4), 20, 2, by_training=0.5)])
    assert noisy.patients_for(0.05, 0.05) is None


def test_a_gain_that_counts_as_detectable_is_seen_in_most_studies():
    rng = np.random.default_rng(5)
    means = [crossed_mean([table(rng, 12, 6) for _ in range(3)]) for _ in range(400)]
    gain = np.mean([mean.detectable(0.05) for mean in means])
    rng = np.random.default_rng(5)
    seen = [crossed_mean([table(rng, 12, 6) + gain for _ in range(3)]).p_value <= 0.05 for _ in range(400)]
    assert 0.7 < np.mean(seen) < 0.95


@pytest.mark.parametrize("level", [0.05, 0.0125], ids=str)
def test_nothing_is_promised_with_fewer_trainings_than_can_be_significant(level):
    """By brute force: trainings that all agree have the smallest p-value of their number."""
    least = next(n for n in range(1, 20) if flipped_p_value([1.0] * n) <= level)
    assert trainings_for(level) == least
    for trainings, promised in ((least - 1, False), (least, True)):
        patients = np.random.default_rng(8).normal(0, 0.01, (20, 1))
        mean = crossed_mean([0.2 + patients + np.random.default_rng(9).normal(0, 1e-4, (20, trainings))])
        assert (mean.p_value <= level) is promised  # twenty standard errors from 0
        assert (mean.detectable(level) is not None) is promised
        assert (mean.patients_for(0.05, level) is not None) is promised


def test_no_difference_at_all_is_no_evidence():
    same = crossed_mean([np.zeros((6, 2))])
    assert (same.interval, same.p_value) == ((0.0, 0.0), 1.0)
