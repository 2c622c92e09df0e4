"""Distances of features: known directions, patients as units, the joint distances against torch-fidelity."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import binom
from sklearn.preprocessing import OneHotEncoder
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kernel_poly, mmd2

import metric_tester as tester
from draws import unit
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.functional.kernel import kernel_distance, polynomial_kernel
from jsddpm_eval.metrics.feature_distance import KID, kid_between_halves, kid_estimate
from jsddpm_eval.metrics.feature_pair import FeaturePair
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.intervals import numbered
from worlds import BINNING, MEANS, World

PLAIN = Extractor("plain", MEANS.extract, {})


def test_noise_is_seen_and_new_patients_are_not():
    world = World(patients=30)
    metrics = ["feature_distance", "manifold"]
    fresh, _ = world.scores(world.new(20), metrics=metrics)
    other, _ = world.scores((world.new(20) * 0.6).clamp(0, 1), metrics=metrics)
    for name, direction in (("kid_rows", 1), ("fid_rows", 1), ("density_rows", -1), ("coverage_rows", -1)):
        assert direction * other[name].value > direction * fresh[name].value
    assert other["kid_rows"].p_value < 0.01 < 0.05 < fresh["kid_rows"].p_value
    assert other["kid_rows"].value > other["kid_rows"].baseline_interval[1] > fresh["kid_rows"].value
    assert fresh["precision_rows"].n_real == 30


def test_few_slices_make_fid_unreliable_not_silent():
    world = World()
    fid = world.scores(world.new(4), metrics=["fid"])[0]["fid_rows"]
    assert fid.status == "unreliable"
    assert re.match(r"4 generated slices, the features have \d+ effective dimensions", fid.reason)


def test_slices_of_few_patients_are_few():
    """Four patients of thirty slices: it is patients that a covariance needs."""
    image, made = unit(120, 16, 14), unit(40, 16, 14, seed=1)
    real = SliceTable.from_arrays(image, z_bin=[0] * 120, pathology=[0] * 120, patient=torch.arange(120) // 30)
    generated = SliceTable.from_arrays(made, z_bin=[0] * 40, pathology=[0] * 40)
    fid = evaluate(real, generated, metrics=["fid"], features=[PLAIN])["fid", 0, "control"]
    assert (fid.status, fid.n_real, fid.n_patients) == ("unreliable", 4, 4)
    assert fid.reason.startswith("4 patients, the features have")


def test_an_extractor_that_saw_the_training_slices_is_compared_with_held_out_ones():
    world = World()
    seen = Extractor("rows", MEANS.extract, {}, standardize=True, saw_training=True)
    scores, _ = world.scores(world.new(5), features=(seen,), metrics=["kid", "best_match"])
    assert scores["kid_rows"].n_patients == 4
    assert scores["kid_rows"].n_real == 12
    assert scores["best_match_psnr"].n_patients == 10


def test_the_joint_distance_sees_swapped_conditions_and_the_pooled_one_does_not():
    world = World(patients=30)
    world.image[world.z_bin == 1] *= 0.5
    made = torch.cat([world.new(15), world.new(15) * 0.5])
    right = torch.arange(30) // 15
    right_way, swapped = (
        world.evaluation(made, z_bin, metrics=["feature_distance"]).results.pooled for z_bin in (right, 1 - right)
    )
    assert swapped["kid_rows"].value == pytest.approx(right_way["kid_rows"].value, abs=1e-9)
    assert swapped["fid_joint_rows"].value > 3 * right_way["fid_joint_rows"].value
    assert swapped["kid_joint_rows"].value > right_way["kid_joint_rows"].baseline_interval[1]


@pytest.fixture(params=[(0, 1), (1, 2), (0, 3)])
def joint(request):
    """Two tokens of four in equal shares, one slice of each patient: weights are one, no pair is left out."""
    rng = np.random.default_rng(0)
    token = torch.tensor(request.param).repeat(12)
    scale = torch.from_numpy(0.6 + 0.4 * rng.random(16))[None, :, None] * (1 - 0.1 * token[:, None, None])
    images, made = ((torch.from_numpy(rng.random((24, 16, 14))) * scale).float() for _ in range(2))
    labels = {"z_bin": token % 2, "pathology": token // 2, "binning": BINNING}
    real = SliceTable.from_arrays(images, patient=torch.arange(24), **labels)
    generated = SliceTable.from_arrays(made, **labels)
    features = [PLAIN(x).numpy() for x in (images, made)]
    alpha = np.linalg.norm(features[0], axis=1).mean()  # both parts weigh the same (DeVries et al. 2019, eq. 6)
    encoder = OneHotEncoder(sparse_output=False)  # of the tokens that occur
    columns = alpha * encoder.fit_transform(token.numpy()[:, None])
    found = evaluate(real, generated, metrics=["feature_distance"], features=[PLAIN]).pooled
    return found, [np.concatenate([side, columns], 1) for side in features]


def test_the_joint_fid_is_torch_fidelitys_on_features_beside_one_hot_columns(joint):
    found, sides = joint
    statistics = [fid_features_to_statistics(torch.from_numpy(side)) for side in sides]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert found["fid_joint_plain"].value == pytest.approx(expected, rel=1e-5)
    assert found["fid_joint_plain"].value != pytest.approx(found["fid_plain"].value, rel=1e-2)


def test_the_joint_kid_is_torch_fidelitys_on_features_beside_one_hot_columns(joint):
    """``mmd2`` within each of the two conditions, and plain means between them, each pair of conditions a quarter."""
    found, sides = joint
    kernel = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    (x0, x1), (y0, y1) = ((side[0::2], side[1::2]) for side in sides)

    def k(a, b):
        return kernel_poly(a, b, **kernel)

    within = sum(mmd2(k(x, x), k(x, y), k(y, y)) for x, y in ((x0, y0), (x1, y1)))
    between = 2 * (k(x0, x1).mean() + k(y0, y1).mean() - k(x0, y1).mean() - k(x1, y0).mean())
    assert found["kid_joint_plain"].value == pytest.approx((within + between) / 4, rel=1e-6)


def asked_for(tokens):
    """Generated slices of some conditions of the tester's cohort."""
    arrays = tester.generated_arrays()
    token = 2 * arrays["pathology"] + arrays["z_bin"]
    return tester.table(tester.chosen(arrays, torch.isin(token, torch.tensor(tokens))))


def test_baselines_of_other_conditions_in_the_same_shares_are_other_baselines():
    """As many slices of as many conditions: nothing but the conditions differs."""
    shared = tester.table(tester.real_arrays())
    for tokens in ([0, 2], [1, 3]):
        found, fresh = (
            evaluate(real, asked_for(tokens), metrics=["feature_distance"], features=[MEANS]).pooled
            for real in (shared, tester.table(tester.real_arrays()))
        )
        assert found == fresh


def test_one_condition_alone_is_compared_with_its_own_real_slices():
    """Pooled over everything that was asked for, which is one condition: the same numbers."""
    results = evaluate(tester.real_table(), asked_for([2]), metrics=["feature_distance"], features=[MEANS])
    for name in ("kid", "fid"):
        pooled, alone = results[name], results[name, 0, "lesion"]
        assert (pooled.value, pooled.n_real, pooled.n_patients) == (alone.value, alone.n_real, alone.n_patients)
        assert pooled.p_value == alone.p_value
        assert pooled.baseline == alone.baseline


@pytest.mark.parametrize("tokens", [[1], [1, 3]])
def test_conditions_without_real_slices_are_compared_with_no_others(tokens):
    arrays = tester.real_arrays()
    real = tester.table(tester.chosen(arrays, arrays["z_bin"] == 0))
    pooled = evaluate(real, asked_for(tokens), metrics=["feature_distance", "manifold"], features=[MEANS]).pooled
    assert pooled["kid_rows"].reason == "needs at least 2 real slices"
    assert {score.status for score in pooled.values()} == {"undefined"}


def test_one_condition_has_no_joint_distance():
    world = World()
    pooled = world.evaluation(world.new(4), metrics=["feature_distance"]).results.pooled
    assert pooled["kid_joint_rows"].reason == "one condition has no joint distribution"


def test_the_estimate_leaves_out_pairs_of_one_patient_and_its_units_are_patients_and_samples():
    rng = np.random.default_rng(3)
    real, made = (torch.from_numpy(rng.standard_normal((n, 3))) for n in (18, 7))
    who = torch.arange(18) // 3
    score = kid_estimate(FeaturePair(real, who, who.numpy().astype(str), made))
    value = kernel_distance(real, made, who)
    assert score.value == pytest.approx(value, abs=1e-9)
    for p in range(6):
        expected = kernel_distance(real[who != p], made, who[who != p]) - value
        assert score.influence.patients[str(p)] == pytest.approx(expected, rel=1e-5)
    for j in range(7):
        kept = torch.arange(7) != j
        assert score.influence.samples[j] == pytest.approx(kernel_distance(real, made[kept], who) - value, rel=1e-5)


def test_the_estimate_leaves_out_pairs_of_one_volume_and_volumes_are_its_units():
    """Both sides in groups of unequal size: the mean over pairs across groups, by hand."""
    rng = np.random.default_rng(5)
    real, made = (torch.from_numpy(rng.standard_normal((n, 3))) for n in (18, 10))
    who, volume = torch.arange(18) // 3, torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 4, 4])

    def by_hand(kept):
        k = polynomial_kernel(made[kept], made[kept])
        across = volume[kept][:, None] != volume[kept][None]
        within = polynomial_kernel(real, real)[who[:, None] != who[None]].mean()
        return float(within + k[across].mean() - 2 * polynomial_kernel(real, made[kept]).mean())

    pair = FeaturePair(real, who, who.numpy().astype(str), made, units=volume + 70)
    score, value = kid_estimate(pair), by_hand(volume >= 0)
    assert score.value == pytest.approx(value, abs=1e-9)
    assert score.n_units == 5
    assert score.influence.samples == pytest.approx([by_hand(volume != v) - value for v in range(5)], rel=1e-5)
    one = kid_estimate(replace(pair, units=torch.zeros(10, dtype=torch.int64)))
    assert one.reason == "slices of one volume have no independent pairs"


def test_above_100_volumes_blocks_of_them_stay_unbiased():
    """Identical slices in every volume: with their pairs, perfect stacks would look far from real."""
    rng = np.random.default_rng(6)
    real, stacks = (torch.from_numpy(rng.standard_normal((n, 2))) for n in (150, 150))
    who = torch.arange(150)
    score = kid_estimate(
        FeaturePair(real, who, who.numpy().astype(str), stacks.repeat_interleave(4, 0), units=torch.arange(600) // 4)
    )
    assert score.value == pytest.approx(kernel_distance(real, stacks), abs=0.02)
    assert (len(score.influence.samples), score.n_units) == (100, 150)


def lesions(rng, patients):
    """Slices of patients in six bins, of whom few have a lesion in a bin: features ``(n, 3)``, conditions, patients."""
    who, z_bin = np.repeat(np.arange(patients), 6), np.tile(np.arange(6), patients)
    token = z_bin + 6 * (np.abs(z_bin - rng.integers(0, 6, patients)[who]) < 2)
    return (
        means(token) + 0.3 * (rng.standard_normal((patients, 3))[who] + rng.standard_normal((len(who), 3))),
        token,
        who,
    )


def means(token):
    return np.stack([0.6 * (token % 6) - 1.5, 1.5 * (token // 6), 0 * token], 1)


@pytest.mark.parametrize("volumes", [False, True])
def test_pooled_over_conditions_of_few_patients_the_estimate_and_its_baseline_are_unbiased(volumes):
    """A perfect generator: one mean over all pairs that are left would be -0.16 on average, -0.10 of volumes."""
    values, halves = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        real, token, who = lesions(rng, 8)
        asked = np.repeat(np.unique(token), 6)
        made, unit = means(asked) + 0.3 * 2**0.5 * rng.standard_normal((len(asked), 3)), np.arange(len(asked))
        if volumes:
            made, asked, unit = lesions(rng, 8)
        kept, drawn = np.isin(token, asked), np.isin(asked, token)
        real, token, who = (torch.from_numpy(v[kept]) for v in (real, token, who))
        made, asked, unit = (torch.from_numpy(v[drawn]) for v in (made, asked, unit))
        pair = FeaturePair(real, who, who.numpy().astype(str), made, (token, asked), units=numbered(unit))
        values.append(kid_estimate(pair).value)
        halves.append(np.nanmean(kid_between_halves(pair, seed)))
    for found in (values, halves):
        assert abs(np.mean(found)) < 3 * np.std(found) / len(found) ** 0.5


def test_a_condition_of_one_patient_or_of_one_sample_does_not_count():
    """Conditions 1 and 2 change nothing but the counts; with them alone there is no distance."""
    rng = np.random.default_rng(8)
    real, made = (torch.from_numpy(rng.standard_normal((n, 2))) for n in (13, 9))
    who, token = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 2, 3]), torch.tensor([0] * 8 + [1] * 2 + [2] * 3)
    asked = torch.tensor([0] * 5 + [1] * 3 + [2])
    pair = FeaturePair(real, who, who.numpy().astype(str), made, (token, asked))
    score = kid_estimate(pair)
    assert score.value == pytest.approx(kernel_distance(real[:8], made[:5], who[:8]), abs=1e-9)
    assert (score.n_real, score.n_generated) == (13, 9)
    few = FeaturePair(real[8:], who[8:], who[8:].numpy().astype(str), made[5:], (token[8:], asked[5:]))
    assert kid_estimate(few).reason == "no condition has two patients and two generated slices"
    assert not np.isfinite(kid_between_halves(few, seed=0)).any()


def test_halves_are_distances_between_disjoint_patients():
    rng = np.random.default_rng(4)
    real = torch.from_numpy(rng.standard_normal((12, 2)))
    who = torch.arange(12) // 2
    values = kid_between_halves(FeaturePair(real, who, who.numpy().astype(str), real), seed=0)
    every = {
        round(kernel_distance_of(real, who, half), 9)
        for half in ([a, b, c] for a in range(6) for b in range(a) for c in range(b))
    }
    assert {round(v, 9) for v in values} <= every
    assert len(set(values)) > 10


def test_of_few_samples_half_of_the_patients_has_about_as_many():
    """Two samples beside eight slices: one side is thinned to 4 of 8, and a half has 2 of them on average.

    A half has no pair with fewer than two: of the 70 halves, 36 have two of the four, 16 three and one all four.
    """
    real, who = torch.from_numpy(np.random.default_rng(4).standard_normal((8, 2))), torch.arange(8)
    values = np.array(kid_between_halves(FeaturePair(real, who, who.numpy().astype(str), real[:2]), seed=0))
    finite = values[np.isfinite(values)]
    low, high = binom.ppf([0.0005, 0.9995], len(values), (36 + 16 + 1) / 70)
    assert low <= len(finite) <= high
    every = set()
    for half in combinations(range(8), 4):
        for size in (2, 3, 4):
            for thin in combinations([i for i in range(8) if i not in half], size):
                every.add(round(kernel_distance(real[list(half)], real[list(thin)]), 9))
    assert {round(v, 9) for v in finite} <= every


def kernel_distance_of(real, who, half):
    """Both sides grouped by patient."""
    first = torch.isin(who, torch.tensor(half))
    means = []
    for side in (first, ~first):
        k = polynomial_kernel(real[side], real[side])
        means.append(k[who[side][:, None] != who[side][None]].mean())
    return float(sum(means) - 2 * polynomial_kernel(real[first], real[~first]).mean())


def test_the_p_value_has_its_hypothesis():
    assert KID.hypothesis == "generated slices are slices of new patients"
