"""Paired differences against textbook tests: where a score is a mean they are the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm_eval.results.score import Counts, Influence, Score
from jsddpm_eval.stats.intervals import mean_spread
from jsddpm_eval.stats.paired import contrast


def mean_score(values, who=None):
    values = torch.tensor(values, dtype=torch.float64)
    return Score.of(float(values.mean()), Counts(), mean_spread(values, None if who is None else np.array(who)))


def test_a_mean_by_patient_is_a_paired_t_test_of_the_patients():
    rng = np.random.default_rng(0)
    first = rng.normal(0, 5, 6).repeat(4) + rng.normal(0, 1, 24)
    second = first + 0.4 + rng.normal(0, 0.3, 24)
    who = np.repeat(list("abcdef"), 4)
    found = contrast(mean_score(first, who), mean_score(second, who), same_seeds=False)
    expected = stats.ttest_rel(second.reshape(6, 4).mean(1), first.reshape(6, 4).mean(1))
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-4)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()), rel=1e-4)
    assert (found.paired, found.n_patients) == (True, 6)


@pytest.mark.parametrize(("same_seeds", "test"), [(False, stats.ttest_ind), (True, stats.ttest_rel)])
def test_means_over_samples_are_welchs_test_or_a_paired_one_with_the_same_seeds(same_seeds, test):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 2, 9)
    first, second = noise + rng.normal(0, 1, 9), noise + rng.normal(1, 2, 9)
    found = contrast(mean_score(first), mean_score(second), same_seeds=same_seeds)
    expected = test(second, first) if same_seeds else test(second, first, equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-4)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()), rel=1e-4)
    assert found.paired is same_seeds


def test_shares_have_newcombes_interval():
    """Newcombe 1998, table II, example (a), method 10: 56 of 70 less 48 of 80 is 0.2000 (0.0524 to 0.3339)."""
    low, high = (
        Score(value=k / n, interval=tuple(stats.binomtest(k, n).proportion_ci(method="wilson")))
        for k, n in ((48, 80), (56, 70))
    )
    found = contrast(low, high, same_seeds=False)
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert not found.paired


@pytest.mark.parametrize("sign", [1, -1])
def test_the_arms_of_a_skewed_interval_stay_on_their_sides(sign):
    """Zou and Donner 2008: the lower limit takes the second's lower arm and the first's upper arm, each in errors."""
    rng = np.random.default_rng(2)
    first, second = (mean_score(v) for v in rng.normal(0, 1, (2, 30)))
    halves = [(score.interval[1] - score.interval[0]) / 2 for score in (first, second)]
    arms = [(0.7, 1.5), (0.4, 1.2)]  # lower and upper, in those of the symmetric interval
    skewed = [
        score.model_copy(update={"interval": (score.value - low * h, score.value + high * h)})
        for score, h, (low, high) in zip((first, second), halves, arms, strict=True)
    ]
    pair = skewed[::sign]
    (low_a, high_a), (low_b, high_b) = arms[::sign]
    errors = [h / stats.t.ppf(0.975, 29) for h in halves[::sign]]
    variances = np.square(errors)
    freedom = variances.sum() ** 2 / (np.square(variances) / 29).sum()
    quantile, difference = stats.t.ppf(0.975, freedom), pair[1].value - pair[0].value
    below = quantile * np.hypot(high_a * errors[0], low_b * errors[1])
    above = quantile * np.hypot(low_a * errors[0], high_b * errors[1])
    found = contrast(*pair, same_seeds=False)
    assert found.interval == pytest.approx((difference - below, difference + above), rel=1e-5)
    facing = (below if difference > 0 else above) / quantile
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(difference) / facing, freedom), rel=1e-4)


def test_a_patient_one_side_has_no_value_of_adds_nothing_there():
    who = list("aabbccdd")
    whole = mean_score([1.0, 2, 3, 4, 5, 6, 7, 9], who)
    fewer = mean_score([1.0, 2, 3, 4, 5, 7], who[:6])
    found = contrast(whole, fewer, same_seeds=False)
    added = np.array([whole.influence.patients[k] for k in "abcd"])
    added[:3] -= [fewer.influence.patients[k] for k in "abc"]
    error = np.sqrt(3 / 4 * ((added - added.mean()) ** 2).sum())
    difference = 11 / 3 - 37 / 8
    half = stats.t.ppf(0.975, 3) * error
    assert found.interval == pytest.approx((difference - half, difference + half), rel=1e-5)


def test_without_spread_only_the_signs_speak():
    who = list("abcde")
    zero, one = mean_score([0.0] * 5, who), mean_score([1.0] * 5, who)
    found = contrast(zero, one, same_seeds=False)
    assert found.interval is None
    assert found.p_value == pytest.approx(stats.binomtest(5, 5).pvalue)
    assert "no spread" in found.reason
    assert contrast(zero, zero, same_seeds=False).p_value == 1


def test_what_cannot_be_paired_falls_back_to_independent_errors():
    known = mean_score([1.0, 2, 3, 5], list("abcd"))
    bare = known.model_copy(update={"influence": None})
    apart = contrast(bare, bare, same_seeds=False)
    half = np.sqrt(2) * (known.interval[1] - known.interval[0]) / 2
    assert apart.interval == pytest.approx((-half, half))
    assert (apart.paired, contrast(known, known, same_seeds=False).interval) == (False, (0, 0))
    blocks = [Influence(patients=dict.fromkeys(names, 0.1)) for names in (("a+c", "b", "d"), ("a", "b+c", "d"))]
    other = [known.model_copy(update={"influence": i}) for i in blocks]
    assert contrast(*other, same_seeds=False).interval == pytest.approx((-half, half))
    assert contrast(known, Score(value=1.0), same_seeds=False).reason == "a side has no interval"


def test_an_own_interval_that_counts_more_does_not_widen_a_symmetric_difference():
    rng = np.random.default_rng(2)
    scores = [mean_score(rng.normal(0, 1, 9)) for _ in range(2)]
    wider = [
        s.model_copy(
            update={"interval": (s.value - 3 * (s.value - s.interval[0]), s.value + 3 * (s.interval[1] - s.value))}
        )
        for s in scores
    ]
    assert contrast(*wider, same_seeds=False).interval == pytest.approx(contrast(*scores, same_seeds=False).interval)


def test_samples_of_equal_seeds_are_no_pairs_where_the_score_has_none():
    rng = np.random.default_rng(4)
    scores = [mean_score(rng.normal(0, 1, 9)) for _ in range(2)]
    partial = [s.model_copy(update={"influence": s.influence.model_copy(update={"pairs": False})}) for s in scores]
    assert contrast(*scores, same_seeds=True).paired
    assert contrast(*partial, same_seeds=True) == contrast(*scores, same_seeds=False)
