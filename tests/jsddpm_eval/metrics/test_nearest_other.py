"""The nearest other sample: brute force, and planted collapse."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
import torch

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.metrics.nearest_other import _of_real
from jsddpm_eval.slice_table import SliceTable
from worlds import BINNING, World


def unit(images):
    flat = images.double().flatten(1).numpy()
    return flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-3)


def test_real_distances_are_expectations_over_all_subsets():
    world = World(patients=5, slices=1)
    here = world.z_bin == 0
    real = SliceTable.from_arrays(world.image[here], z_bin=[0] * 5, pathology=[0] * 5, patient=list("abcde"))
    x = unit(world.image[here])
    distance = np.sqrt(((x[:, None] - x[None]) ** 2).mean(2))
    expected = [
        np.mean([min(np.log(distance[i, j]) for j in chosen) for chosen in combinations(set(range(5)) - {i}, 2)])
        for i in range(5)
    ]
    found = _of_real(real, 3, 4, 0)
    assert found[:2] == pytest.approx(np.stack([expected, expected]), abs=1e-9)  # one slice of each patient
    assert found[2].tolist() == [0] * 5  # none is nearly another one


def test_neighbouring_slices_of_a_patient_repeat_as_often_as_draws_show():
    """Six patients with four slices each, two of which are nearly equal: counted over all subsets of the others."""
    world = World(patients=6, slices=2, size=(12, 12))
    image = world.image.clone()
    image[1::4] = (image[::4] + 1e-4).clamp(0, 1)
    table = SliceTable.from_arrays(image, z_bin=[0] * 24, pathology=[0] * 24, patient=np.arange(24) // 4)
    found = _of_real(table, 6, 5, 0)[2]
    twin = {i: i + 1 if i % 4 == 0 else i - 1 for i in range(24) if i % 4 < 2}
    for i in range(24):
        subsets = list(combinations(sorted(set(range(24)) - {i}), 4))
        assert found[i] == pytest.approx(np.mean([twin.get(i) in chosen for chosen in subsets]))


def test_nearly_equal_patients_have_no_repeats_by_chance():
    """Distances a hundredth of the norm: a tenth of them is less than the smallest distance whose logarithm is told."""
    noise = 0.05 * np.random.default_rng(7).standard_normal((20, 16, 14))
    image = torch.from_numpy(0.5 + noise).float()
    real = SliceTable.from_arrays(image, z_bin=[0] * 20, pathology=[0] * 20, patient=np.arange(20))
    assert _of_real(real, 8, 8, 0)[2].tolist() == [0] * 20
    score = evaluate(real, SliceTable.from_arrays(image.flip(1), z_bin=[0] * 20, pathology=[0] * 20),
                     metrics=["nearest_other"], features=[])["repeated_share", 0, "control"]  # fmt: skip
    assert score.value == 0
    assert score.baseline_interval == pytest.approx((0, 1 - 0.05 ** (1 / 20)))  # Clopper and Pearson: none of 20


def test_a_generator_that_draws_slices_of_few_patients_is_not_accused_of_repeats():
    """Five patients with twelve slices each that hardly differ: 16 of 60 slices hold many neighbours."""
    rng = np.random.default_rng(5)

    def cohort(people):
        own = rng.random((people, 1, 16, 14))
        return (
            torch.from_numpy(own + 0.002 * rng.standard_normal((people, 12, 16, 14))).clamp(0, 1).float().flatten(0, 1)
        )

    real = SliceTable.from_arrays(cohort(5), z_bin=[0] * 60, pathology=[0] * 60, patient=np.arange(60) // 12)
    drawn = cohort(5)[rng.permutation(60)[:16]]
    generated = SliceTable.from_arrays(drawn, z_bin=[0] * 16, pathology=[0] * 16)
    results = evaluate(real, generated, metrics=["nearest_other"], features=[])
    assert results["repeated_share", 0, "control"].value > 0.5
    assert results["repeated_share", 0, "control"].p_value > 0.05
    assert "off" not in {f.answer for f in results.findings if f.check == "collapsed"}


def scores(made):
    world = World(patients=20)
    results = world.evaluation(made, metrics=["nearest_other"]).results
    return results, next(c for c in results.generation if (c.z_bin, c.pathology) == (0, 0)).scores


def test_new_slices_are_as_far_apart_as_patients():
    results, found = scores(World(seed=5).new(16))
    assert abs(found["nearest_other"].value) < 0.1
    assert found["repeated_share"].value == 0
    assert not [f for f in results.findings if f.check == "collapsed" and f.answer == "off"]


@pytest.mark.parametrize(("pairs", "answer"), [(0, "other"), (1, "off")])
def test_equal_samples_are_counted_and_few_of_them_are_a_fault(pairs, answer):
    """Two of 48 are more than 2 %; near repeats of as many are not a fault."""
    made = World(seed=5).new(48)
    made[1 : 1 + pairs] = made[:pairs]
    made[3] = (made[2] + 0.001).clamp(0, 1) if not pairs else made[3]
    results, found = scores(made)
    assert found["repeated_exactly"].value == pytest.approx(2 * pairs / 48)
    whole = next(f for f in results.findings if f.check == "collapsed" and f.place == (None, None))
    assert (whole.answer == "off") == (answer == "off")
    assert ("exactly the same samples again" in whole.kind, "2 of 48 samples" in whole.reason) == (bool(pairs),) * 2


def test_equal_samples_count_only_where_real_slices_differ():
    """The first slices of one patient are equal in bin 0, as at the end of a volume that was resampled."""
    rng = torch.Generator().manual_seed(0)
    images, bins = torch.rand((20, 12, 12), generator=rng), torch.arange(2).repeat(10)
    patient = torch.arange(5).repeat_interleave(4)
    images[2] = images[0]
    made = torch.rand((16, 12, 12), generator=rng)
    made[2], made[3] = made[0], made[1]  # a pair in bin 0, and one in bin 1
    real = SliceTable.from_arrays(images, z_bin=bins, pathology=torch.zeros_like(bins), patient=patient)
    asked = torch.arange(2).repeat(8)
    generated = SliceTable.from_arrays(made, z_bin=asked, pathology=torch.zeros_like(asked))
    results = evaluate(real, generated, metrics=["nearest_other"])
    assert [results["repeated_exactly", k, 0].value for k in (0, 1)] == [0, 2 / 8]
    assert results.pooled["repeated_exactly"].value == 2 / 16


def test_slices_of_few_patients_and_repeated_slices_are_collapsed():
    few = World(seed=5).new(4)
    noise = 0.2 * torch.rand((16, *few.shape[1:]), generator=torch.Generator().manual_seed(0))
    for made, repeated in ((few.repeat(4, 1, 1), 1), ((few.repeat(4, 1, 1) + noise).clamp(0, 1), 0)):
        results, found = scores(made)
        assert found["nearest_other"].value < np.log(0.5)
        assert found["repeated_share"].value == repeated
        whole = next(f for f in results.findings if f.check == "collapsed" and f.place == (None, None))
        assert whole.answer == "off"
        assert "few different samples" in whole.kind
        if whole.score == "nearest_other":  # value and interval are on one scale
            ratio, low, high = map(float, re.search(r"at (\S+) of .*95%: (\S+) to (\S+)\)", whole.reason).groups())
            assert low - 0.05 <= np.log(ratio) <= high + 0.05


def test_gain_and_offset_of_all_samples_are_no_collapse():
    made = World(seed=5).new(16)
    first, second = (scores(x)[1]["nearest_other"].value for x in (made, 0.5 * made))
    assert first == pytest.approx(second, abs=1e-3)


def test_blank_samples_are_not_repeated_ones():
    made = torch.cat([World(seed=5).new(8), torch.zeros((8, 16, 14))])
    found = scores(made)[1]
    assert (found["repeated_share"].value, found["repeated_exactly"].value) == (0, 0)


def test_samples_that_cannot_be_compared_are_not_counted():
    """Bin 1 has slices of one real patient: whether its samples repeat each other is not known."""
    world = World(patients=10, slices=3)
    keep = (world.z_bin == 0) | (world.patient == 0)
    real = SliceTable.from_arrays(
        world.image[keep], z_bin=world.z_bin[keep], pathology=torch.zeros(int(keep.sum()), dtype=torch.int64),
        patient=world.patient[keep], binning=BINNING,
    )  # fmt: skip
    made = torch.cat([world.new(8), world.new(1).repeat(12, 1, 1)])
    z_bin, zeros = torch.tensor([0] * 8 + [1] * 12), torch.zeros(20, dtype=torch.int64)
    generated = SliceTable.from_arrays(made, z_bin=z_bin, pathology=zeros, binning=BINNING)
    results = evaluate(real, generated, metrics=["nearest_other"], features=[])
    assert (results.pooled["repeated_share"].value, results.pooled["repeated_share"].n_generated) == (0.0, 8)
    assert results["repeated_share", 1, "control"].status == "undefined"


def test_mirrored_repeats_are_repeats():
    made = World(seed=5).new(16)
    made[8:] = made[:8].flip(2)
    results, found = scores(made)
    assert found["repeated_share"].value == 1
    assert found["repeated_exactly"].value == 0
    whole = next(f for f in results.findings if f.check == "collapsed" and f.place == (None, None))
    assert (whole.answer, "the same samples again" in whole.kind) == ("off", True)


@pytest.mark.long
def test_perfect_samples_are_accused_no_more_often_than_the_level_says():
    """One condition, 22 patients of 3 slices, 16 samples in 8 dimensions: most of the error are shared neighbours."""
    rng, p_values, scaled = np.random.default_rng(0), [], []
    for seed in range(150):
        own = rng.standard_normal((22, 1, 8)) * 0.8
        real = (own + rng.standard_normal((22, 3, 8)) * 0.6).reshape(-1, 2, 4)
        fake = rng.standard_normal((16, 2, 4))
        tables = (
            SliceTable.from_arrays(
                torch.from_numpy(x).sigmoid().float(), z_bin=[0] * len(x), pathology=[0] * len(x), **who
            )
            for x, who in ((real, {"patient": np.repeat(np.arange(22), 3)}), (fake, {}))
        )
        score = evaluate(*tables, metrics=["nearest_other"], features=[], seed=seed)["nearest_other", 0, "control"]
        p_values.append(score.p_value)
        scaled.append(score.value / (score.interval[1] - score.value))
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    assert np.std(scaled) * 1.96 == pytest.approx(1, abs=0.25)
