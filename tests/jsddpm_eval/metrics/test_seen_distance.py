"""Held-out and training patients apart: brute force, copies, and no gap where nothing was copied."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.functional.kernel import kernel_distance, polynomial_kernel
from jsddpm_eval.slice_table import SliceTable

GIVEN = Extractor("given", lambda images: images.flatten(1).double(), {})
SEEN = Extractor("given", GIVEN.extract, {}, saw_training=True)


def table(features, z_bin=0, **who):
    bins = torch.as_tensor(z_bin).expand(len(features))
    columns = {f"{e.name} {e.key}": features for e in (GIVEN, SEEN)}
    return SliceTable.from_arrays(None, z_bin=bins, pathology=torch.zeros_like(bins), columns=columns, **who)


def scores(real, who, made, extractor=GIVEN, z_bin=0, asked=0):
    real = table(real, z_bin, patient=who, held_out=who < 5)
    return evaluate(real, table(made, asked), metrics=["seen_distance"], features=[extractor])


def cohort(rng, patients=12, slices=4, d=4):
    who = torch.arange(patients).repeat_interleave(slices)
    own = rng.standard_normal((patients, d))[who.numpy()]
    return torch.from_numpy(0.8 * own + 0.6 * rng.standard_normal((len(who), d))), who


def test_the_distances_are_those_of_either_side_and_their_influences_what_a_patient_adds():
    rng = np.random.default_rng(0)
    real, who = cohort(rng)
    made = torch.from_numpy(rng.standard_normal((9, 4)))
    found = scores(real, who, made)
    sides = [kernel_distance(real[side], made, who[side]) for side in (who < 5, who >= 5)]
    values = [found[name, 0, "control"].value for name in ("kid_held_out", "kid_train", "kid_seen_gap")]
    assert values == pytest.approx([*sides, sides[0] - sides[1]], rel=1e-9)
    added = found["kid_seen_gap", 0, "control"].influence
    fewer = (who < 5) & (who != 3)
    assert added.patients["3"] == pytest.approx(kernel_distance(real[fewer], made, who[fewer]) - sides[0], rel=1e-5)
    fewer = (who >= 5) & (who != 7)
    assert added.patients["7"] == pytest.approx(sides[1] - kernel_distance(real[fewer], made, who[fewer]), rel=1e-5)
    kept = torch.arange(9) != 2
    less = [kernel_distance(real[side], made[kept], who[side]) for side in (who < 5, who >= 5)]
    assert added.samples[2] == pytest.approx(less[0] - less[1] - values[2], rel=1e-5)


def test_copies_of_training_slices_have_a_gap_and_new_slices_have_none():
    """The interval of a perfect generator holds 0 in 95 of 100 cohorts; that of copies lies above it."""
    inside, copied = 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        real, who = cohort(rng)
        low, high = scores(real, who, torch.from_numpy(rng.standard_normal((24, 4))))["kid_seen_gap"].interval
        inside += low <= 0 <= high
        copies = scores(real, who, real[who >= 5][rng.permutation(28)[:24]])["kid_seen_gap"]
        copied += copies.value > 0
    assert stats.binomtest(inside, 100, 0.95).pvalue > 0.002
    assert copied > 85


def test_a_mix_of_conditions_is_no_gap():
    """Held-out patients have other conditions than training patients: both are weighed to the generated mix."""
    rng = np.random.default_rng(1)
    real, who = cohort(rng, slices=6)
    z_bin = torch.where(who < 5, torch.arange(72) % 6 > 0, torch.arange(72) % 6 > 4).long()
    asked = torch.arange(40) % 2
    made = torch.from_numpy(rng.standard_normal((40, 4))) + 3 * asked[:, None]
    found = scores(real + 3 * z_bin[:, None], who, made, z_bin=z_bin, asked=asked)
    low, high = found["kid_seen_gap"].interval
    assert low < 0 < high
    unknown = scores(real, who, made, z_bin=(who < 5).long(), asked=asked)["kid_seen_gap"]
    assert unknown.reason.startswith("needs two held-out patients")


def test_of_several_conditions_the_distances_are_double_sums_by_pairs_of_conditions():
    """A third of the samples is asked for in bin 1; bin 2 has one training patient and does not count."""
    rng = np.random.default_rng(6)
    real, who = cohort(rng, slices=3)
    z_bin = torch.arange(36) % 3
    z_bin[(z_bin == 2) & (who > 5)] = 1
    made, asked = torch.from_numpy(rng.standard_normal((11, 4))), torch.tensor([0] * 6 + [1] * 3 + [2] * 2)
    found = scores(real, who, made, z_bin=z_bin, asked=asked)

    def mean(x, y, keep):
        return polynomial_kernel(x, y)[keep].mean()

    def by_hand(side):
        """Means over the pairs of different patients, and of different samples."""
        total = 0.0
        for c, d, share in ((0, 0, 4 / 9), (0, 1, 2 / 9), (1, 0, 2 / 9), (1, 1, 1 / 9)):
            a, b = ((side & (z_bin == k)).nonzero()[:, 0] for k in (c, d))
            e, f = ((asked == k).nonzero()[:, 0] for k in (c, d))
            total += share * mean(real[a], real[b], who[a][:, None] != who[b])
            total += share * mean(made[e], made[f], e[:, None] != f)
            total -= share * 2 * polynomial_kernel(real[a], made[f]).mean()
        return float(total)

    held, train = by_hand(who < 5), by_hand(who >= 5)
    values = [found[name].value for name in ("kid_held_out", "kid_train", "kid_seen_gap")]
    assert values == pytest.approx([held, train, held - train], abs=1e-9)
    assert (found["kid_train"].n_real, found["kid_train"].n_generated) == (20, 9)
    without = by_hand((who < 5) & (who != 3)) - train
    assert found["kid_seen_gap"].influence.patients["3"] == pytest.approx(without - (held - train), rel=1e-5)


def test_slices_of_a_volume_are_one_sample():
    rng = np.random.default_rng(3)
    real, who = cohort(rng)
    made, volume = torch.from_numpy(rng.standard_normal((9, 4))), torch.arange(9)
    known = table(real, patient=who, held_out=who < 5)
    single, twice = (
        evaluate(known, stacks, metrics=["seen_distance"], features=[GIVEN])["kid_seen_gap", 0, "control"]
        for stacks in (table(made), table(made.repeat(3, 1), group=volume.repeat(3)))
    )
    assert (twice.value, twice.interval) == (pytest.approx(single.value), pytest.approx(single.interval))
    assert (twice.n_units, twice.n_generated) == (9, 9)


def test_features_that_learned_from_training_slices_cannot_tell():
    rng = np.random.default_rng(2)
    real, who = cohort(rng)
    found = scores(real, who, real[:8], SEEN)["kid_train"]
    assert (found.status, found.reason) == ("undefined", "the features have learned from training slices")
