"""Exact reconstruction: scores of slices, and of conditions with what was left out named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm.slices.dataset import SliceDataset
from jsddpm_eval.functional.reconstruction import ms_ssim
from jsddpm_eval.metrics.reconstruction import SPECS, condition_scores, full_scores, slice_scores
from jsddpm_eval.slice_table import SliceTable
from synthetic import BINNING


def test_reconstruction_of_the_exact_slice_is_perfect_and_of_the_wrong_one_is_not(store):
    x0 = SliceDataset(store, BINNING, "test").batch(range(6))["x0"]
    exact, wrong = slice_scores(x0, x0), slice_scores(x0.flip(0), x0)
    assert torch.isinf(exact["psnr"]).all()
    assert exact["ssim"].tolist() == pytest.approx([1] * 6)
    assert (wrong["psnr"] < 40).all()
    lesion = (x0[:, 1] > 0).flatten(1).any(1)
    assert torch.equal(torch.isnan(exact["lesion_dice"]), ~lesion)
    assert torch.equal(torch.isnan(exact["control_false_positive_pixels"]), lesion)


@pytest.mark.parametrize("side", [160, 168, 175, 176])
def test_ms_ssim_is_undefined_below_176(side):
    x0 = torch.rand((2, 2, side, 180), generator=torch.Generator().manual_seed(0)) * 2 - 1
    x0[:, 1] = -1.0
    brain = torch.ones((2, side, 180), dtype=torch.bool)
    found = full_scores(x0 * 0.9, x0, brain, (1.0, 1.0))["ms_ssim"]
    if side < 176:
        assert found.isnan().all()
    else:
        images = ((x[:, 0] + 1) / 2 for x in (x0 * 0.9, x0))
        assert found.tolist() == pytest.approx(ms_ssim(*images, data_range=1.0).tolist())


@pytest.fixture
def slices():
    """Six slices of three patients in bin 0 and six in bin 1, lesion and control in turn."""
    count = torch.arange(12)
    return SliceTable.from_arrays(
        torch.zeros(12, 8, 8), z_bin=count // 6, pathology=count % 2, patient=(count // 2 % 3), binning=None
    )


def cells_of(values, slices, timesteps=(100,)):
    cells = condition_scores(values, timesteps, slices, 2)
    return {c.key: c.scores for c in cells}


def test_means_and_intervals_are_those_of_patients(slices):
    values = torch.from_numpy(np.random.default_rng(0).normal(30, 2, (2, 12)))
    cells = cells_of({"psnr": values}, slices, (100, 500))
    score = cells[None, None, 500]["psnr"]
    assert score.value == pytest.approx(float(values[1].mean()))
    by_patient = [float(values[1][slices.patient == p].mean()) for p in range(3)]
    half = stats.t.ppf(0.975, 2) * np.std(by_patient, ddof=1) / 3**0.5
    assert score.interval == pytest.approx((score.value - half, score.value + half))
    assert (score.n_real, score.n_patients, score.unit) == (12, 3, "dB")
    assert cells[1, None, None]["psnr"].value == pytest.approx(float(values[:, 6:].mean()))
    assert cells[1, 0, 100]["psnr"].value == pytest.approx(float(values[0, [6, 8, 10]].mean()))


def test_exact_reconstructions_are_counted_in_the_reason(slices):
    """Their PSNR is infinite: they were left out of the mean without a word."""
    values = torch.full((1, 12), 30.0, dtype=torch.float64)
    values[0, [0, 2, 6]] = torch.inf
    cells = cells_of({"psnr": values}, slices)
    score = cells[None, None, 100]["psnr"]
    assert (score.value, score.n_real, score.status) == (30.0, 9, "unreliable")
    assert score.reason == "3 of 12 reconstructions are exact, left out of the mean"
    assert cells[1, 0, 100]["psnr"].reason == "1 of 3 reconstructions is exact, left out of the mean"
    assert cells[1, 1, 100]["psnr"].status == "ok"
    values[0, slices.pathology == 0] = torch.inf
    score = cells_of({"psnr": values}, slices)[0, 0, 100]["psnr"]
    assert (score.value, score.status, score.reason) == (None, "undefined", "3 of 3 reconstructions are exact")


def test_a_bin_has_means_over_the_timesteps_that_define_the_score(slices):
    """Slices that miss a lesion, or are exact, at one timestep were left out at all of them."""
    distance = torch.full((2, 12), torch.nan, dtype=torch.float64)
    distance[0, [1, 3, 5]] = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    distance[1, 1] = 9.0  # the other two lesions are missed there
    exact = torch.full((2, 12), torch.inf, dtype=torch.float64)
    exact[1, :6] = torch.arange(20.0, 26.0).double()
    cells = cells_of({"lesion_hd95": distance, "psnr": exact}, slices, (100, 900))
    score = cells[0, None, None]["lesion_hd95"]
    assert (score.value, score.n_real, score.status) == (pytest.approx(((1 + 9) / 2 + 2 + 6) / 3), 3, "ok")
    score = cells[0, None, None]["psnr"]
    assert (score.value, score.n_real, score.status) == (22.5, 6, "unreliable")
    assert score.reason == "6 of 12 reconstructions at 2 timesteps are exact, left out of the mean"
    assert cells[1, None, None]["psnr"].reason == "12 of 12 reconstructions at 2 timesteps are exact"
    assert cells[1, None, None]["lesion_hd95"].reason == "no slice with a lesion here that was not missed"


def test_what_no_slice_defines_says_why(slices):
    nothing = torch.full((1, 12), torch.nan)
    names = ("psnr", "ms_ssim", "lesion_dice", "lesion_hd95", "control_false_positive")
    cells = cells_of(dict.fromkeys(names, nothing), slices)
    reasons = {name: score.reason for name, score in cells[None, None, 100].items()}
    assert set(reasons) == set(names)
    assert "too small for five scales" in reasons["ms_ssim"]
    assert reasons["lesion_dice"] == "no slice with a lesion here"
    assert "missed" in reasons["lesion_hd95"]
    assert {s.n_real for s in cells[None, None, 100].values()} == {0}
    assert "lesion_dice" not in cells[None, 0, 100]
    assert "control_false_positive" not in cells[None, 1, 100]


def test_a_bin_without_held_out_slices_has_a_cell_with_the_reason(slices):
    part = slices.where(slices.z_bin == 0)
    cells = cells_of({"psnr": torch.full((1, 6), 30.0)}, part)
    assert cells[1, None, None]["psnr"].reason == "no held-out slice here"
    assert (1, 0, 100) not in cells


def test_every_score_says_what_it_is():
    for spec in SPECS:
        assert spec.definition
        assert spec.verified
        assert spec.better
