"""Scores of conditions whose answer is known by construction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm.binning import ZBinning
from jsddpm_eval.binned import BinAwareMetrics
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.functional.best_match import expected_best_match, pairwise_mse
from jsddpm_eval.lesions import coupling_score, morphology_scores
from jsddpm_eval.plausibility import position_confusion, shape_score
from jsddpm_eval.results import Cell, Results, Score
from jsddpm_eval.utilization import bin_utilization
from jsddpm_eval.verdict import findings, verdict

BINNING = ZBinning((0, 9), 2, n_slices=10)
MEANS = Extractor("rows", lambda x: x.mean(2).double(), {}, standardize=True)


class World:
    """Patients with their own pattern, slices scattered around it, in two bins of one pathology."""

    def __init__(self, seed=0, patients=10, slices=3, size=(16, 14)):
        self.rng, self.size = np.random.default_rng(seed), size
        own = np.repeat(self.rng.random((patients, 1, *size)), 2 * slices, axis=1)
        self.image = torch.from_numpy((0.7 * own + 0.3 * self.rng.random(own.shape)).reshape(-1, *size)).float()
        self.patient = torch.arange(patients).repeat_interleave(2 * slices)
        self.token = (torch.arange(len(self.image)) // slices) % 2
        self.held_out = self.patient >= patients * 2 // 3

    def new(self, count):
        """Slices of new patients, in bin 0."""
        image = 0.7 * self.rng.random((count, *self.size)) + 0.3 * self.rng.random((count, *self.size))
        return torch.from_numpy(image).float()

    def scores(self, made, token=0, extractors=(MEANS,)):
        metrics = BinAwareMetrics(BINNING, extractors=extractors)
        metrics.update(self.image, self.token, self.patient, self.held_out)
        metrics.update(made, torch.full((len(made),), token))
        cells = metrics.compute()
        return {(c.z_bin, c.pathology): c.scores for c in cells}[(0, 0)], metrics


def test_train_and_held_out_references_are_told_apart():
    world = World()
    made = world.new(4)
    scores, metrics = world.scores(made)
    here = world.token == 0
    psnr = 10 * torch.log10(1 / pairwise_mse(made, world.image))
    for name, keep in {"": here, "_train": here & ~world.held_out, "_held_out": here & world.held_out}.items():
        score = scores[f"best_match_psnr{name}"]
        assert score.value == pytest.approx(float(psnr[:, keep].max(1).values.mean()), abs=1e-9)
        assert score.n_real == int(keep.sum())
    rows = metrics.per_slice["train_row"].long()
    assert torch.equal(rows, torch.where(here & ~world.held_out, psnr, -torch.inf).argmax(1))


def test_equal_count_and_gap_are_their_definitions():
    world = World()
    made = world.new(4)
    scores, _ = world.scores(made)
    here, held = world.token == 0, world.held_out
    psnr = 10 * torch.log10(1 / pairwise_mse(made, world.image))
    equal = scores["best_match_psnr_equal"]
    assert equal.n_real == 27  # 30 slices in the bin, 3 of a patient put aside
    assert equal.value == pytest.approx(float(expected_best_match(psnr[:, here], 27).mean()))
    gap = scores["copy_gap"]
    assert gap.n_real == 12  # held out: patients 6 to 9; trained on: 6 patients less one
    own = [expected_best_match(psnr[:, here & k], 12).mean() for k in (~held, held)]
    assert gap.value == pytest.approx(float(own[0] - own[1]))
    assert gap.interval[0] < gap.value < gap.interval[1]


def test_planted_copies_raise_the_gap_monotonically_and_are_counted():
    world = World()
    copies = world.image[(world.token == 0) & ~world.held_out][:6]
    gaps, counts = [], []
    for planted in range(7):
        scores, metrics = world.scores(torch.cat([copies[:planted], world.new(6 - planted)]))
        gaps.append(scores["copy_gap"].value)
        counts.append(scores["exact_copies"].value)
        assert int(torch.isinf(metrics.per_slice["best_match_psnr"]).sum()) == planted
    assert counts == list(range(7))
    assert (np.diff(gaps) > 1).all()
    assert abs(gaps[0] - scores["copy_gap"].floor) < 0.5
    partly, _ = world.scores(torch.cat([copies[:1], world.new(3)]))
    assert partly["best_match_psnr"].status == "unreliable"
    assert "1 of 4 generated slices are exact copies" in partly["best_match_psnr"].reason
    assert scores["best_match_psnr"].value is None


def test_copying_shows_in_features_too():
    world = World(patients=30)
    train = world.image[(world.token == 0) & ~world.held_out]
    noise = 0.01 * torch.from_numpy(world.rng.standard_normal((20, *world.size))).float()
    copied, fresh = (world.scores(m)[0] for m in ((train[:20] + noise).clamp(0, 1), world.new(20)))
    assert copied["copying_z_rows"].value < -3
    assert abs(fresh["copying_z_rows"].value) < 3
    assert copied["authenticity_rows"].value < 0.2 < fresh["authenticity_rows"].value


def test_noise_is_found_and_new_patients_are_not():
    world = World(patients=30)
    fresh, _ = world.scores(world.new(20))
    other, _ = world.scores((world.new(20) * 0.6).clamp(0, 1))
    for name, direction in (("kid_rows", 1), ("fid_rows", 1), ("density_rows", -1), ("coverage_rows", -1)):
        assert direction * other[name].value > direction * fresh[name].value
    assert other["kid_rows"].p_value < 0.01 < 0.05 < fresh["kid_rows"].p_value
    assert other["kid_rows"].value > other["kid_rows"].floor_interval[1] > fresh["kid_rows"].value
    assert fresh["precision_rows"].n_real == 30


def test_one_seed_many_times_is_one_sample():
    world = World()
    scores, _ = world.scores(world.new(1).repeat(5, 1, 1))
    assert scores["vendi_rows"].value == pytest.approx(1, abs=1e-6)
    assert scores["vendi_rows"].floor > 2
    assert scores["diversity_rows"].value == pytest.approx(0, abs=1e-6)
    varied, _ = world.scores(world.new(5))
    assert varied["vendi_rows"].value > 1.5
    assert varied["diversity_rmse"].interval[0] < varied["diversity_rmse"].value < varied["diversity_rmse"].interval[1]


def test_an_extractor_that_saw_the_training_slices_is_judged_on_held_out_ones():
    world = World()
    seen = Extractor("rows", MEANS.extract, {}, standardize=True, saw_training=True)
    scores, _ = world.scores(world.new(5), extractors=(seen,))
    assert scores["kid_rows"].n_patients == 4
    assert scores["kid_rows"].n_real == 12
    assert scores["best_match_psnr"].n_patients == 10


def test_the_joint_distance_sees_swapped_conditions_and_the_pooled_one_does_not():
    world = World(patients=30)
    world.image[world.token == 1] *= 0.5
    made = torch.cat([world.new(15), world.new(15) * 0.5])
    right = torch.arange(30) // 15
    found = {}
    for name, token in {"right": right, "swapped": 1 - right}.items():
        metrics = BinAwareMetrics(BINNING, extractors=(MEANS,))
        metrics.update(world.image, world.token, world.patient, world.held_out)
        metrics.update(made, token)
        found[name] = metrics.compute()[0].scores
    assert found["swapped"]["kid_rows"].value == pytest.approx(found["right"]["kid_rows"].value, abs=1e-9)
    assert found["swapped"]["fid_joint_rows"].value > 3 * found["right"]["fid_joint_rows"].value
    assert found["swapped"]["kid_joint_rows"].value > found["right"]["kid_joint_rows"].floor_interval[1]


# Lesions and outlines


def lesions(count, rng, coupled=True, size=(30, 28)):
    image, mask = 0.3 + 0.05 * rng.standard_normal((count, *size)), np.zeros((count, *size), bool)
    for i in range(count):
        row, column = rng.integers(4, 18, 2)
        mask[i, row : row + 4, column : column + 5] = True
        seat = (row, column) if coupled else rng.integers(4, 18, 2)
        image[i, seat[0] : seat[0] + 4, seat[1] : seat[1] + 5] += 0.4
    return torch.from_numpy(image.clip(0, 1)).float(), torch.from_numpy(mask)


def test_coupling_has_power_on_pairs_and_none_when_masks_are_elsewhere():
    rng = np.random.default_rng(0)
    real, who = lesions(12, rng), np.repeat([f"p{i}" for i in range(6)], 2)
    paired = coupling_score(*lesions(10, rng), *real, who, seed=0)
    apart = [coupling_score(*lesions(10, rng, coupled=False), *real, who, seed=s) for s in range(40)]
    assert paired.p_value == pytest.approx(0.001)
    assert paired.value == pytest.approx(paired.floor, rel=0.2)
    assert paired.value > 0.3
    assert np.mean([a.p_value <= 0.05 for a in apart]) <= 0.15
    assert abs(np.mean([a.value for a in apart])) < 0.05
    alone = coupling_score(*(x[:1] for x in lesions(1, rng)), *real, who, seed=0)
    assert (alone.value, alone.status) == (None, "undefined")


def test_larger_lesions_are_seen_and_empty_masks_left_out():
    rng = np.random.default_rng(0)
    (_, real), (_, made) = lesions(12, rng), lesions(9, rng)
    who = np.repeat([f"p{i}" for i in range(6)], 2)
    same = morphology_scores(real, who, torch.cat([made, torch.zeros_like(made[:3])]), (1.0, 2.0), seed=0)
    grown = torch.nn.functional.max_pool2d(made.float()[:, None], 3, stride=1, padding=1)[:, 0] > 0
    larger = morphology_scores(real, who, grown, (1.0, 2.0), seed=0)
    assert same["lesion_area"].n_generated == 9
    assert same["lesion_area"].value == pytest.approx(0)
    assert larger["lesion_area"].value == pytest.approx((6 * 7 - 4 * 5) * 2)
    assert larger["lesion_count"].value == 0
    none = morphology_scores(real, who, torch.zeros_like(made), (1.0, 2.0), seed=0)
    assert none["lesion_mmd"].reason == "needs at least 2 generated slices with a lesion"


def test_brain_shape_is_the_overlap_with_the_atlas():
    atlas = torch.zeros(12, 12, dtype=torch.bool)
    atlas[2:8, 2:8] = True
    half = atlas.clone()
    half[5:] = False
    score = shape_score(torch.stack([atlas, half]), atlas.repeat(4, 1, 1), torch.tensor([0, 0, 1, 2]))
    assert score.value == pytest.approx((1 + 2 * 18 / (18 + 36)) / 2)
    assert score.floor == pytest.approx(1)


def test_confusion_counts_where_samples_landed():
    middles = torch.tensor([2.0, 2.1, 7.0])
    assert position_confusion(middles, torch.tensor([0, 1, 1]), BINNING) == [[1, 0], [1, 1]]


# The verdict


def judged(**changed):
    scores = {
        "kid_a": Score(value=0.1, p_value=0.4, n_patients=9, n_generated=8),
        "diversity_rmse": Score(value=0.1, interval=(0.08, 0.12), floor=0.11),
        "exact_copies": Score(value=0.0),
        "copy_gap": Score(value=0.2, interval=(0, 0.4), floor=0.3),
        "z_error_bins": Score(value=0.5, floor=0.4),
        "lesion_present": Score(value=1.0),
        "coupling_contrast": Score(value=0.3, p_value=0.001, floor=0.3),
    }
    cells = [Cell(z_bin=k, pathology=1, scores=scores | (changed if k else {})) for k in (0, 1)]
    return Results(
        binning=BINNING.to_dict(), provenance={}, utilization=bin_utilization((0, 9), 2, 10), generation=cells
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, []),
        ({"kid_a": Score(value=9, p_value=0.001, n_patients=9, n_generated=8)}, ["differs"]),
        ({"kid_a": Score(value=9, p_value=0.04, n_patients=9, n_generated=8)}, []),  # two tests: 0.04 is above 0.05 / 2
        ({"diversity_rmse": Score(value=0.01, interval=(0, 0.02), floor=0.11)}, ["collapsed"]),
        ({"exact_copies": Score(value=1.0)}, ["copied"]),
        ({"copy_gap": Score(value=9, interval=(5, 13), floor=0.3)}, ["copied"]),
        ({"z_error_bins": Score(value=2, floor=0.4)}, ["misplaced"]),
        ({"lesion_present": Score(value=0.5)}, ["disobeys"]),
        ({"coupling_contrast": Score(value=0.0, p_value=0.6, floor=0.3)}, ["unmatched"]),
        ({"kid_a": Score(value=0.1, p_value=0.4, n_patients=3, n_generated=8)}, None),
    ],
)
def test_the_verdict_follows_its_rules(changed, fault):
    results = judged(**changed)
    assert findings(results) == {"bin 0 lesion": [], "bin 1 lesion": fault}
    assert ("cannot be judged" in verdict(results)) == (fault is None)
    passing = "2 pass" if fault == [] else "1 passes"
    assert verdict(results).startswith(f"Of 2 conditions {passing} every check (bin 0 lesion")


def test_too_few_relabellings_for_so_many_tests_are_no_pass():
    """Four patients and eight slices: 495 relabellings, p at least 0.002; forty tests ask for 0.00125."""
    few = Score(value=90.0, p_value=0.0021, n_patients=4, n_generated=8)
    cells = [Cell(z_bin=k, pathology=1, scores={"kid_a": few, "kid_b": few}) for k in range(20)]
    results = judged().model_copy(update={"generation": cells, "binning": ZBinning((0, 99), 20).to_dict()})
    assert all(fault is None for fault in findings(results).values())
    assert verdict(results).startswith("Of 20 conditions none passes every check. 20 cannot be judged")
    enough = few.model_copy(update={"n_patients": 9, "p_value": 0.0005})
    cells = [c.model_copy(update={"scores": {"kid_a": enough, "kid_b": enough}}) for c in cells]
    assert all(f == ["differs"] for f in findings(results.model_copy(update={"generation": cells})).values())


def test_without_generated_slices_there_is_no_verdict():
    assert verdict(judged().model_copy(update={"generation": []})) == ""
