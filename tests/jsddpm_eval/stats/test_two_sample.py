"""One slice of each patient beside generated samples: brute force, exchangeability, coverage of the baseline."""

from __future__ import annotations

import runpy
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from draws import normal
from jsddpm_eval.functional.frechet import frechet_distance, frechet_of_labels
from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.functional.morphology import rbf_of_labels, wasserstein_of_labels
from jsddpm_eval.results.score import Baseline, Spread
from jsddpm_eval.stats.two_sample import labelled, two_sample

Population = runpy.run_path(str(Path(__file__).parents[2] / "soak" / "calibration.py"))["Population"]
DIFFERENCE = labelled(lambda a, b: float(a.mean() - b.mean()))


def test_the_frechet_distance_of_labels_is_that_of_the_two_sets():
    for n, m, d in ((5, 9, 3), (7, 4, 30)):
        x, weights = normal(n + m, d), 0.2 + torch.arange(n + m).double() % 3
        labels = torch.stack([torch.randperm(n + m) < n for _ in range(4)])
        expected = [frechet_distance(x[row], x[~row], weights[row]) for row in labels]
        assert frechet_of_labels(x, labels, weights).tolist() == pytest.approx(expected, rel=1e-10)


def test_the_value_is_a_mean_over_slices_and_no_two_of_a_patient_are_paired():
    """Every choice of one of two slices of each patient is as likely: the value is near the mean over all of them."""
    real, made = normal(8, 2), normal(6, 2, seed=1)
    choices = [list(c) for c in product(*[(2 * i, 2 * i + 1) for i in range(4)])]
    every = [kernel_distance(real[c], made) for c in choices]
    patients = np.repeat(list("abcd"), 2)
    values = [
        two_sample(labelled(kernel_distance), real, patients, made, seed=s, labellings=1).value for s in range(60)
    ]
    error = np.std(every) / (8 * 60) ** 0.5
    assert abs(np.mean(values) - np.mean(every)) < 3.5 * error


@pytest.mark.parametrize(("slices", "draws"), [(2, 8), (1, 1)])
def test_the_value_is_the_mean_over_eight_draws_unless_there_is_nothing_to_draw(slices, draws):
    """Where every patient has one slice, and no volume has several, all draws are the same."""
    seen = []

    def statistic(x, labels, _weights):
        seen.append(len(labels))
        return torch.zeros(len(labels), dtype=torch.float64)

    real, made = normal(6 * slices, 1), normal(6, 1, seed=1)
    two_sample(statistic, real, np.repeat(list("abcdef"), slices), made, seed=0, labellings=5, interval=False)
    assert (seen.count(1), seen.count(5)) == (draws, draws)


def test_several_conditions_are_weighed_to_the_generated_mix_and_exchanged_apart():
    """Condition 1 lies 10 away and is a tenth of the real slices, half of the generated ones: no difference."""
    condition = torch.tensor([0] * 9 + [1]).repeat(20)
    real, asked = normal(200, 1) + 10 * condition[:, None], torch.arange(40) % 2
    made = normal(40, 1, seed=1) + 10 * asked[:, None]
    patients = np.arange(200).astype(str)
    statistic = partial(wasserstein_of_labels, column=0)
    apart = two_sample(statistic, real, patients, made, seed=0, strata=(condition, asked))
    assert apart.value < 1
    assert apart.baseline.baseline_interval[0] < apart.value < apart.baseline.baseline_interval[1]
    assert two_sample(statistic, real, patients, made, seed=0).value > 3
    other = torch.cat([asked[:20], 2 + asked[20:]])  # conditions without real slices are left out
    known = two_sample(statistic, real, patients, made, seed=0, strata=(condition, other))
    assert known.value == two_sample(statistic, real, patients, made[:20], seed=0, strata=(condition, asked[:20])).value
    assert two_sample(statistic, real, patients, made, seed=0, strata=(condition, 5 + asked)) is None


def test_blocks_of_patients_are_named_by_their_patients():
    real, made = normal(24, 1), normal(9, 1, seed=1)
    names = np.array([f"p{i:02d}" for i in range(24)])[torch.arange(24) // 2 * 2]
    single, whole = names[::2], real[::2]
    influence = two_sample(DIFFERENCE, whole, single, made, seed=0, labellings=1).spread.influence
    assert list(influence.patients)[:3] == ["p00+p20", "p02+p22", "p04"]
    assert influence.patient_blocks == [2, 2, *[1] * 8]
    kept = ~np.isin(single, ["p02", "p22"])
    assert influence.patients["p02+p22"] == pytest.approx(float(whole[kept].mean() - whole.mean()), rel=1e-5)
    assert influence.samples[3] == pytest.approx(float(made.mean() - torch.cat([made[:3], made[4:]]).mean()), rel=1e-5)


def test_without_the_only_patient_of_a_condition_its_samples_are_left_out_too():
    real, made, condition = normal(9, 1), normal(6, 1, seed=1), torch.tensor([0] * 8 + [1])
    asked = torch.tensor([0, 0, 0, 0, 1, 1])
    real[8], made[4:] = 10.0, 12.0
    found = two_sample(DIFFERENCE, real, np.array(list("abcdefghz")), made, seed=0, strata=(condition, asked))
    assert found.value == pytest.approx(float(real.mean() - made.mean()), rel=1e-6)
    changes = found.spread.influence.patients
    assert changes["z"] == pytest.approx(float(real[:8].mean() - made[:4].mean()) - found.value, rel=1e-6)
    assert changes["a"] == pytest.approx(float(real[1:].mean() - made.mean()) - found.value, rel=1e-5)


def test_of_every_volume_one_slice_is_drawn_and_volumes_are_left_out_whole():
    real, made = normal(24, 1), normal(12, 1, seed=1)
    names, volume = np.arange(24).astype(str), 70 - torch.arange(12)
    single = two_sample(DIFFERENCE, real, names, made, seed=0)
    twice = two_sample(DIFFERENCE, real, names, made.repeat(2, 1), seed=0, units=volume.repeat(2))
    assert twice.value == pytest.approx(single.value, rel=1e-12)
    assert twice.baseline.baseline_interval == pytest.approx(single.baseline.baseline_interval, rel=1e-12)
    assert twice.spread.interval == pytest.approx(single.spread.interval, rel=1e-12)
    assert twice.spread.influence.sample_blocks == (2, 2, *[1] * 8)  # 12 volumes, dealt out to 10 blocks
    kept = made[(torch.arange(12) != 1) & (torch.arange(12) != 11)]
    assert twice.spread.influence.samples[1] == pytest.approx(float(made.mean() - kept.mean()), rel=1e-5)
    assert two_sample(DIFFERENCE, real, names, made, seed=0, units=torch.arange(12) // 6).spread == Spread()
    assert two_sample(DIFFERENCE, real, names, made, seed=0, units=torch.zeros(12, dtype=torch.int64)) is None


def test_a_volume_through_two_conditions_is_exchanged_as_the_slice_drawn_of_it():
    """Perfect volumes whose slices lie 10 apart by condition: no difference once conditions are exchanged apart."""
    condition = torch.tensor([0, 1]).repeat(20)
    real, made = (normal(40, 1, seed=s) + 10 * condition[:, None] for s in (0, 1))
    who = np.repeat(np.arange(20), 2).astype(str)
    found = two_sample(DIFFERENCE, real, who, made, seed=0, units=torch.arange(40) // 2, strata=(condition, condition))
    low, high = found.baseline.baseline_interval
    assert low < found.value < high


def test_few_patients_have_no_interval_fewer_no_baseline_one_no_value():
    made, patients = normal(9, 2), np.repeat(list("abcd"), 3)
    found = [two_sample(DIFFERENCE, normal(3 * n, 2), patients[: 3 * n], made, seed=0) for n in (1, 2, 3, 4)]
    assert found[0] is None
    assert [f.spread == Spread() for f in found[1:]] == [True, False, False]
    assert [f.baseline == Baseline() for f in found[1:]] == [True, True, False]
    assert two_sample(DIFFERENCE, normal(12, 2), patients, made, seed=0) == found[3]


@pytest.mark.parametrize(
    "statistic", [frechet_of_labels, rbf_of_labels, partial(wasserstein_of_labels, column=0)], ids=["fid", "mmd", "w1"]
)
@pytest.mark.parametrize(("slices", "generated"), [(1, 8), (6, 8), (6, 24)])
def test_a_perfect_generator_lies_inside_the_baseline_as_often_as_its_band_says(statistic, slices, generated):
    """95 in 100 with one slice of a patient; at least as many with several, whose mean over draws varies less."""
    inside, cohorts, values = 0, 60, []
    for seed in range(cohorts):
        population = Population(seed, patients=12, slices=slices, generated=generated)
        real, who = population.cohort()
        found = two_sample(statistic, real, who.numpy().astype(str), population.made(), seed=seed, interval=False)
        low, high = found.baseline.baseline_interval
        inside += low <= found.value <= high
        values.append((found.value, found.baseline.baseline))
    side = "two-sided" if slices == 1 else "less"
    assert stats.binomtest(inside, cohorts, 0.95, side).pvalue > 0.002
    value, baseline = np.mean(values, axis=0)
    error = np.std(np.subtract(*np.transpose(values))) / cohorts**0.5
    assert abs(value - baseline) < 3.5 * error


def test_one_condition_beside_real_slices_of_others_is_compared_as_one_condition():
    real, made = normal(30, 2), normal(8, 2, seed=1)
    condition, patients = torch.arange(30) % 3, (np.arange(30) // 6).astype(str)
    statistic = partial(wasserstein_of_labels, column=0)
    strata = condition, torch.ones(8, dtype=torch.int64)
    alone = two_sample(statistic, real[condition == 1], patients[condition.numpy() == 1], made, seed=0)
    assert two_sample(statistic, real, patients, made, seed=0, strata=strata) == alone
