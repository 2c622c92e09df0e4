"""Diversity: collapse beside real slices, and similarities of slices that are large enough."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.slice_table import SliceTable
from worlds import BINNING, MEANS, World

METRICS = ["diversity"]


def test_one_seed_many_times_is_one_sample():
    world = World()
    scores, _ = world.scores(world.new(1).repeat(5, 1, 1), metrics=METRICS)
    assert scores["vendi_rows"].value == pytest.approx(1, abs=1e-6)
    assert scores["vendi_rows"].baseline > 2
    assert scores["diversity_rows"].value == pytest.approx(0, abs=1e-6)
    varied, _ = world.scores(world.new(5), metrics=METRICS)
    assert varied["vendi_rows"].value > 1.5
    assert varied["diversity_rmse"].interval[0] < varied["diversity_rmse"].value < varied["diversity_rmse"].interval[1]


def test_collapse_shows_as_no_diversity_beside_real_slices():
    world = World()
    scores, _ = world.scores((world.image[:1] + 0.05).clamp(0, 1).repeat(4, 1, 1), metrics=METRICS)
    assert scores["diversity_rmse"].value == pytest.approx(0, abs=1e-6)
    assert scores["diversity_rmse"].baseline > 0.03
    assert scores["diversity_ssim"].value == pytest.approx(0, abs=1e-5)


def test_the_baseline_is_the_mean_over_pairs_of_different_patients():
    world = World(patients=4, slices=2)
    found, _ = world.scores(world.new(3), metrics=METRICS)
    here = world.z_bin == 0
    images, who = world.image[here].double(), world.patient[here]
    pairs = [(i, j) for i in range(8) for j in range(i) if who[i] != who[j]]
    expected = [float((images[i] - images[j]).square().mean().sqrt()) for i, j in pairs]
    assert found["diversity_rmse"].baseline == pytest.approx(sum(expected) / len(expected), abs=1e-9)


def test_pairs_of_one_volume_are_no_pairs_of_seeds():
    world = World()
    images = world.new(4)
    stacks = torch.cat([images, images[:2] * 0.99])  # a second slice, nearly the same, of two volumes
    group = torch.tensor([0, 1, 2, 3, 0, 1])
    zeros = torch.zeros(6, dtype=torch.int64)
    made = SliceTable.from_arrays(stacks, z_bin=zeros, pathology=zeros, group=group, binning=BINNING)
    score = evaluate(world.real(), made, metrics=["diversity_rmse"], features=[])["diversity_rmse", 0, "control"]
    x = stacks.double()
    pairs = [(i, j) for i in range(6) for j in range(i) if group[i] != group[j]]
    values = {p: float((x[p[0]] - x[p[1]]).square().mean().sqrt()) for p in pairs}
    mean = sum(values.values()) / len(pairs)
    assert score.value == pytest.approx(mean, abs=1e-9)
    for v, added in enumerate(score.influence.samples):
        kept = [values[i, j] for i, j in pairs if v not in (group[i], group[j])]
        assert added == pytest.approx(sum(kept) / len(kept) - mean, abs=1e-6)
    one = made.where(group == 0)
    score = evaluate(world.real(), one, metrics=["diversity"], features=[])["diversity_rmse", 0, "control"]
    assert score.reason == "slices of one generated volume have no pairs of seeds"


@pytest.mark.parametrize("side", [160, 168, 175, 176])
def test_ms_ssim_is_undefined_with_a_reason_below_176_and_torchmetrics_from_there_on(side):
    images = torch.rand((5, side, 180), generator=torch.Generator().manual_seed(0))
    zeros = [0] * 3
    real = SliceTable.from_arrays(images[:3], z_bin=zeros, pathology=zeros, patient=["a", "b", "c"])
    made = SliceTable.from_arrays(images[3:], z_bin=zeros[:2], pathology=zeros[:2])
    score = evaluate(real, made, metrics=["diversity_ms_ssim"], features=[])["diversity_ms_ssim", 0, "control"]
    if side < 176:
        assert (score.value, score.status) == (None, "undefined")
        assert "too small for five scales: sides of at least 176" in score.reason
    else:
        a, b = (x[None, None] for x in images[3:])
        expected = 1 - float(multiscale_structural_similarity_index_measure(a, b, data_range=1.0, normalize="relu"))
        assert score.value == pytest.approx(expected, abs=1e-6)


def test_slices_below_the_window_have_no_ssim_and_say_so():
    world = World(size=(10, 14))
    scores, _ = world.scores(world.new(3), metrics=METRICS)
    assert "smaller than the window of 11" in scores["diversity_ssim"].reason
    assert scores["diversity_rmse"].status == "ok"


def test_the_baseline_of_vendi_is_that_of_the_real_slices_whatever_was_evaluated_before():
    world, real = World(), World().real()
    made = world.new(7)
    zeros = torch.zeros(7, dtype=torch.int64)
    single = SliceTable.from_arrays(made, z_bin=zeros, pathology=zeros, binning=BINNING)
    stacked = SliceTable.from_arrays(made, z_bin=zeros, pathology=zeros, group=[0, 0, 0, 1, 2, 3, 4], binning=BINNING)
    found = []
    for before in ([], [stacked]):
        for table in (*before, single):
            results = evaluate(real, table, metrics=["vendi"], features=[MEANS])
        found.append(results["vendi_rows", 0, "control"].baseline)
        real = World().real()
    assert found[0] == found[1]
