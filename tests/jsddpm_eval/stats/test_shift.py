"""Mean shifts by patient: closed forms, false alarms and power of simulated cohorts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, nct, t, ttest_ind

from jsddpm_eval.stats.jackknife import jackknife_variance
from jsddpm_eval.stats.power import detectable
from jsddpm_eval.stats.scale import Scale, Side
from jsddpm_eval.stats.shift import both_shifts, mean_shift

RNG = np.random.default_rng(0)


def side(values, condition=None, unit=None):
    n = len(values)
    condition = np.zeros(n, np.int64) if condition is None else np.asarray(condition)
    return Side(np.asarray(values, np.float64), condition, np.arange(n) if unit is None else np.asarray(unit))


def cohort(rng, people, conditions, slices, share=0.7, shift=0.0):
    """Patients with an effect of their own in every condition they have; one row for each slice."""
    values, condition, unit = [], [], []
    for person in range(people):
        own = rng.standard_normal() * share**0.5
        for c in range(conditions):
            count = rng.integers(1, slices + 1)
            values += list(own + (1 - share) ** 0.5 * rng.standard_normal(count) + shift)
            condition += [c] * count
            unit += [person] * count
    return side(values, condition, unit)


def one_slice_each(cohort, per_condition, rng):
    """A perfect generator: in each condition slices of different people."""
    rows = []
    for c in np.unique(cohort.condition):
        here = np.flatnonzero(cohort.condition == c)
        people = rng.permutation(np.unique(cohort.unit[here]))[:per_condition]
        rows += [rng.choice(here[cohort.unit[here] == person]) for person in people]
    return side(cohort.values[rows], cohort.condition[rows])


def test_one_slice_of_each_patient_in_one_condition_is_welchs_t_test_with_the_freedom_of_each_part():
    a, b = RNG.standard_normal(9), 0.4 + RNG.standard_normal(9)
    b *= a.std() / b.std()  # equal spreads: the floor of the samples' is met
    shift, welch = mean_shift(side(a), side(b)), ttest_ind(b, a, equal_var=False)
    assert shift.value / shift.error == pytest.approx(welch.statistic, rel=1e-12)
    assert shift.freedom == pytest.approx(8)  # both parts have 8, so any mean of their quantiles has
    assert shift.p_value == pytest.approx(2 * t.sf(abs(welch.statistic), 8), rel=1e-9)
    more = mean_shift(side(a), side(np.tile(b, 9)))
    quantiles = [t.ppf(1 - 5e-4 / 2, units - 1) for units in (9, 81)]
    parts = [a.var(ddof=1) / 9, max(np.tile(b, 9).var(ddof=1), a.var()) / 81]  # Banerjee 1960
    critical = (np.dot(np.square(quantiles), parts) / sum(parts)) ** 0.5
    assert t.ppf(1 - 5e-4 / 2, more.freedom) == pytest.approx(critical, rel=1e-9)


@pytest.mark.parametrize(("patients", "level"), [(3, 0.05), (3, 0.001), (6, 0.001)])
def test_few_patients_beside_many_samples_do_not_accuse_a_perfect_generator(patients, level):
    """With Welch and Satterthwaite's freedom, three patients reject 17 times as often as 0.001."""
    rng, trials = np.random.default_rng(7), 500
    alarms = sum(
        mean_shift(
            cohort(rng, patients, 3, 2, share=0.6), side(rng.standard_normal(159), np.repeat(np.arange(3), 53))
        ).p_value
        <= level
        for _ in range(trials)
    )
    assert binomtest(alarms, trials, level, alternative="greater").pvalue > 0.01


def test_samples_that_agree_are_no_more_certain_than_as_many_slices_of_patients():
    """A generator that collapsed: its mean varies like that of as many draws from the real slices."""
    a, b = RNG.standard_normal(9), np.full(5, 0.7)
    shift = mean_shift(side(a), side(b))
    assert shift.error == pytest.approx((a.var(ddof=1) / 9 + a.var() / 5) ** 0.5)
    wide = mean_shift(side(a), side(10 * np.arange(5.0)))
    assert wide.error == pytest.approx((a.var(ddof=1) / 9 + 100 * np.var(np.arange(5), ddof=1) / 5) ** 0.5)


def test_slices_of_one_patient_are_no_independent_evidence():
    a, b = RNG.standard_normal(8), 1 + RNG.standard_normal(8)
    once = mean_shift(side(a), side(b))
    often = mean_shift(side(np.repeat(a, 10), unit=np.repeat(np.arange(8), 10)), side(b))
    assert (often.value, often.error) == pytest.approx((once.value, once.error))


def test_volumes_are_the_unit_of_generated_slices():
    a, b = RNG.standard_normal(8), 3 * RNG.standard_normal(6)
    once = mean_shift(side(a), side(b))
    stacked = mean_shift(side(a), side(np.repeat(b, 5), unit=np.repeat(np.arange(6), 5)))
    assert stacked.value == pytest.approx(once.value)
    assert stacked.error == pytest.approx(once.error, rel=0.1)  # 29 / 30 in place of 5 / 6 corrects the spread


def test_a_perfect_generator_is_accused_as_often_as_stated_and_a_shift_is_seen():
    rng, alarms, seen, trials = np.random.default_rng(1), 0, 0, 300
    for _ in range(trials):
        real, others = cohort(rng, 24, 4, 3), cohort(rng, 24, 4, 3)
        alarms += mean_shift(real, one_slice_each(others, 12, rng)).p_value <= 0.05
        seen += mean_shift(real, one_slice_each(cohort(rng, 24, 4, 3, shift=1.0), 12, rng)).p_value <= 0.05
    low, high = binomtest(15, trials).proportion_ci(0.99)
    assert low < alarms / trials < high  # 5 %, although the samples are of only 24 people
    assert seen / trials > 0.8


@pytest.mark.long
@pytest.mark.parametrize("effect", [0.0, 0.7])
def test_volumes_through_every_bin_have_the_stated_level_and_the_power_of_their_number(effect):
    """Twelve volumes of twenty bins, with an effect of each volume, beside forty patients.

    The mean of a person varies by 0.7 + 0.3 / 20, which gives the error and the power of a shift of 1 by a t test.
    """
    rng, trials, alarms, seen, width = np.random.default_rng(4), 300, 0, 0, []
    for _ in range(trials):
        real, made = (cohort(rng, people, 20, 1, share=effect) for people in (40, 12))
        shift = mean_shift(real, made)
        alarms += shift.p_value <= 0.05
        seen += mean_shift(real, side(made.values + 1, made.condition, made.unit)).p_value <= 0.05
        width.append(2 * shift.half_width)
    error = ((effect + (1 - effect) / 20) * (1 / 40 + 1 / 12)) ** 0.5
    assert binomtest(alarms, trials, 0.05).pvalue > 0.005 or alarms < 15  # never too many
    assert np.mean(width) < 1.6 * 2 * 1.96 * error
    power = 1 - nct.cdf(t.ppf(0.975, 20), 20, 1 / error)
    assert seen / trials > power - 0.12


def test_neither_a_generator_uniform_over_patients_nor_over_slices_is_accused():
    """Large lesions have more slices: the two populations differ, and either may be meant."""
    rng, alarms, trials = np.random.default_rng(2), {"patients": 0, "slices": 0}, 200
    for _ in range(trials):
        sides = []
        for _ in range(2):
            size = rng.standard_normal(30)
            count = 1 + (3 * (size > 0) + 4 * (size > 1)).astype(int)
            sides.append(side(np.repeat(size, count), unit=np.repeat(np.arange(30), count)))
        real, others = sides
        people = np.unique(others.unit, return_index=True)[1]
        for name, values in (("patients", others.values[people]), ("slices", rng.choice(others.values, 30))):
            alarms[name] += mean_shift(real, side(values)).p_value <= 0.05
    assert max(alarms.values()) / trials < 0.1


@pytest.mark.parametrize("level", [0.05, 0.001])
def test_the_detectable_shift_is_seen_with_the_stated_power(level):
    rng, trials = np.random.default_rng(3), 400
    planned = mean_shift(side(rng.standard_normal(40)), side(np.zeros(16)))
    smallest = detectable((1 / 40 + 1 / 16) ** 0.5, planned.freedom, level)
    seen = 0
    for _ in range(trials):
        a, b = rng.standard_normal(40), smallest + rng.standard_normal(16)
        seen += mean_shift(side(a), side(b)).p_value <= level
    assert seen / trials == pytest.approx(0.8, abs=0.05)


def test_the_scale_centres_every_condition_and_bounds_single_slices():
    real = side([1.0, 2.0, 3.0, 11.0, 12.0, 13.0], [0, 0, 0, 1, 1, 1])
    scale = Scale.fit(real, 3)
    assert scale.centre[:2].tolist() == [2, 12]
    assert np.isnan(scale.centre[2])
    of_others = np.array([1.5, 0, 1.5]) / np.sqrt(1 + np.pi / (2 + np.pi))  # 1, 2, 3 from medians 2.5, 2, 1.5
    assert scale.spread == pytest.approx(1.4826 * np.median(of_others))
    assert scale(side([2.0, 12 + scale.spread, 1000.0, -1000.0], [0, 1, 1, 0])).values.tolist() == pytest.approx(
        [0, 1, 4, -4]
    )


def test_a_constant_column_is_only_told_from_other_values():
    scale = Scale.fit(side([5.0] * 4), 1)
    assert scale(side([5.0, 6.0, 4.0])).values.tolist() == [0, 4, -4]
    assert mean_shift(side([0.0] * 4), side([0.0] * 4)).p_value == 1


def test_too_few_patients_or_samples_have_no_shift():
    assert mean_shift(side([1.0, 2.0]), side([1.0, 2.0, 3.0])) is None
    assert mean_shift(side([1.0, 2.0, 3.0]), side([1.0, 2.0])) is None
    assert mean_shift(side([1.0, 2.0, 3.0]), side([1.0] * 3, condition=[1] * 3)) is None


def distances(rng, spread, samples=None):
    """Sizes of offsets: of 20 people with heavy tails, in six conditions, three slices each; or samples of as many."""
    sizes = np.abs(spread * rng.standard_t(4, (20, 1, 1)) + 0.4 * rng.standard_normal((20, 6, 3)))
    if samples is None:
        return side(sizes.ravel(), np.tile(np.repeat(np.arange(6), 3), 20), np.repeat(np.arange(20), 18))
    drawn = [sizes[rng.integers(20, size=samples), c, rng.integers(3, size=samples)] for c in range(6)]
    return side(np.concatenate(drawn), np.repeat(np.arange(6), samples))


def test_the_error_of_a_mean_distance_is_that_of_its_logarithm_where_it_is_larger():
    a, b = np.array([1.0, 2, 3, 2, 2, 1, 3]), np.array([4.0, 5, 6, 5, 5, 4, 6])  # means 2 and 5
    plain, grown = mean_shift(side(a), side(b)), mean_shift(side(a), side(b), distances=True)
    assert (grown.value, grown.value / grown.error) == pytest.approx((3.0, np.log(5 / 2) * 2 / plain.error))
    assert mean_shift(side(b), side(a), distances=True) == mean_shift(side(b), side(a))


def test_mean_distances_of_people_with_heavy_tails_have_the_stated_level_and_power():
    """Without the growth of the error, 2 % of 200 equal cohorts have a p-value below 0.001."""
    found = {1: [], 3: []}
    for spread, p_values in found.items():
        for seed in range(200):
            rng = np.random.default_rng(seed)
            shift = mean_shift(distances(rng, 1.0), distances(rng, spread, 16), distances=True)
            p_values.append(shift.p_value if shift.value > 0 else 1.0)
    false, power = np.array(found[1]), np.array(found[3])
    assert (false < 0.001).sum() <= 1
    assert (power < 0.01).mean() > 0.6


def test_changes_without_a_unit_are_those_of_leaving_it_out():
    real, generated = side(RNG.standard_normal(7), unit=range(10, 17)), side(RNG.standard_normal(9))
    shift = mean_shift(real, generated)
    for person, change in shift.without_patients.items():
        assert mean_shift(real.where(real.unit != person), generated).value - shift.value == pytest.approx(change)
    for sample, change in enumerate(shift.without_units):
        assert mean_shift(real, generated.where(generated.unit != sample)).value - shift.value == pytest.approx(change)


def test_changes_without_a_patient_of_several_conditions_are_about_those_of_leaving_them_out():
    rng = np.random.default_rng(3)
    real, generated = cohort(rng, 40, 3, 4), side(rng.standard_normal(60), np.arange(60) % 3)
    shift = both_shifts(real, generated)[0]
    left_out = [both_shifts(real.where(real.unit != person), generated)[0].value - shift.value for person in range(40)]
    assert np.corrcoef(left_out, list(shift.without_patients.values()))[0, 1] > 0.99
    assert jackknife_variance(list(shift.without_patients.values())) == pytest.approx(shift.real_error**2)
    assert jackknife_variance(left_out) == pytest.approx(shift.real_error**2, rel=0.1)


def test_real_slices_of_conditions_without_samples_do_not_count():
    real = side(RNG.standard_normal(40), np.repeat([0, 1], [25, 15]), np.tile(np.arange(5), 8))
    shift = mean_shift(real, side(RNG.standard_normal(6), np.ones(6, np.int64)))
    assert (shift.slices, shift.samples, shift.patients) == (15, 6, 5)
