"""Copies show in features."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.slice_table import SliceTable
from worlds import MEANS, World


def test_copying_shows_in_features_too():
    world = World(patients=30)
    train = world.image[(world.z_bin == 0) & ~world.held_out]
    noise = 0.01 * torch.from_numpy(world.rng.standard_normal((20, *world.size))).float()
    made = (train[:20] + noise).clamp(0, 1), world.new(20)
    copied, fresh = (world.scores(m, metrics=["memorisation"])[0] for m in made)
    assert copied["copying_auc_rows"].interval[0] > 0.9
    low, high = fresh["copying_auc_rows"].interval
    assert low < 0.5 < high
    assert copied["authenticity_rows"].value < 0.2 < fresh["authenticity_rows"].value
    assert copied["copying_auc_rows"].baseline == 0.5


def test_few_held_out_patients_make_it_unreliable():
    world = World(patients=6)
    score = world.scores(world.new(4), metrics=["memorisation"])[0]["copying_auc_rows"]
    assert (score.status, score.reason) == ("unreliable", "2 held-out patients")


def nearest(features, train):
    return torch.cdist(features, train).min(1).values


def test_the_share_and_what_units_add_are_those_of_loops():
    """Two conditions, weighted by held-out slices: the mean over held-out slices of the samples that are nearer."""
    world = World(patients=9)
    made, asked = world.new(7), torch.tensor([0, 0, 0, 0, 1, 1, 1])
    train, rows = ~world.held_out, MEANS.extract

    def expected(held, kept):
        values = []
        for k in (0, 1):
            seen = rows(world.image[train & (world.z_bin == k)])
            samples = nearest(rows(made[kept & (asked == k)]), seen)
            for d in nearest(rows(world.image[held & (world.z_bin == k)]), seen):
                values.append(float((samples < d).double().mean()))
        return sum(values) / len(values)

    plain = Extractor("rows", rows, {})
    score = world.evaluation(made, asked, features=(plain,), metrics=["copying_auc"]).results["copying_auc"]
    every = torch.ones(7, dtype=torch.bool)
    value = expected(world.held_out, every)
    assert score.value == pytest.approx(value)
    for j in range(7):
        left = expected(world.held_out, torch.arange(7) != j)
        assert score.influence.samples[j] == pytest.approx(left - value, abs=1e-6)
    for name, added in score.influence.patients.items():
        left = expected(world.held_out & (world.patient != int(name)), every)
        assert added == pytest.approx(left - value, abs=1e-6)


def test_a_volume_is_left_out_with_all_its_slices():
    """Volumes through both conditions, and one that is all there is of a condition."""
    world = World(patients=9)
    made, asked = world.new(7), torch.tensor([0, 0, 0, 0, 0, 1, 1])
    train, rows = ~world.held_out, MEANS.extract

    def expected(kept):
        values = []
        for k in asked[kept].unique().tolist():
            seen = rows(world.image[train & (world.z_bin == k)])
            samples = nearest(rows(made[kept & (asked == k)]), seen)
            held = nearest(rows(world.image[world.held_out & (world.z_bin == k)]), seen)
            values += [float((samples < d).double().mean()) for d in held]
        return sum(values) / len(values)

    for volume in (torch.tensor([4, 4, 2, 2, 9, 4, 9]), torch.tensor([4, 4, 2, 2, 9, 7, 7])):
        real = SliceTable.from_arrays(
            world.image, z_bin=world.z_bin, pathology=torch.zeros_like(world.z_bin), patient=world.patient,
            held_out=world.held_out,
        )  # fmt: skip
        stacks = SliceTable.from_arrays(made, z_bin=asked, pathology=torch.zeros_like(asked), group=volume)
        plain = Extractor("rows", rows, {})
        score = evaluate(real, stacks, metrics=["copying_auc"], features=[plain])["copying_auc"]
        value = expected(volume >= 0)
        assert score.value == pytest.approx(value)
        units = list(dict.fromkeys(volume.tolist()))
        assert score.influence.samples == pytest.approx([expected(volume != u) - value for u in units], abs=1e-6)


@pytest.mark.long
def test_the_interval_of_a_perfect_generator_holds_a_half_as_often_as_it_says():
    inside, cohorts = 0, 60
    for seed in range(cohorts):
        world = World(seed, patients=24, slices=2)
        score = world.scores(world.new(16), metrics=["copying_auc"])[0]["copying_auc_rows"]
        inside += score.interval[0] <= 0.5 <= score.interval[1]
    assert stats.binomtest(inside, cohorts, 0.95).pvalue > 0.002


def test_authenticity_counts_a_volume_once():
    """Three copies are of one volume, and each other sample is one of its own; by loops."""
    world = World(patients=9)
    train = ~world.held_out & (world.z_bin == 0)
    made, volume = torch.cat([world.image[train][:3], world.new(4)]), torch.tensor([0, 0, 0, 1, 2, 3, 4])
    seen, people = MEANS.extract(world.image[train]), world.patient[train]
    shares = {}
    for unit, sample in zip(volume.tolist(), MEANS.extract(made), strict=True):
        place = (seen - sample).norm(dim=1).argmin()
        nearest_other = (seen[people != people[place]] - seen[place]).norm(dim=1).min()
        shares.setdefault(unit, []).append(float((seen[place] - sample).norm() > nearest_other))
    shares = [sum(flags) / len(flags) for flags in shares.values()]
    assert shares[0] == 0
    zeros = torch.zeros(7, dtype=torch.int64)
    stacks = SliceTable.from_arrays(made, z_bin=zeros, pathology=zeros, group=volume)
    real = SliceTable.from_arrays(
        world.image, z_bin=world.z_bin, pathology=torch.zeros_like(world.z_bin), patient=world.patient,
        held_out=world.held_out,
    )  # fmt: skip
    score = evaluate(real, stacks, metrics=["authenticity"], features=[Extractor("rows", MEANS.extract, {})])[
        "authenticity"
    ]
    assert score.value == pytest.approx(sum(shares) / 5)
    assert score.interval == pytest.approx(tuple(stats.binomtest(int(sum(shares)), 5).proportion_ci()))
    assert score.n_volumes == 5


def test_authenticity_needs_training_slices_of_two_patients():
    world = World(patients=6)
    world.held_out = world.patient > 0
    score = world.scores(world.new(4), metrics=["authenticity"])[0]["authenticity_rows"]
    assert (score.value, score.reason) == (None, "training slices of one patient have no other patient's to be near to")
