"""Outliers: planted garbage is counted, faults of all samples are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.stats import binomtest

from jsddpm_eval.evaluation import evaluate_in_detail
from jsddpm_eval.metrics.outliers import THRESHOLD
from jsddpm_eval.slice_table import SliceTable


def heads(count, seed):
    """Ellipses of their own size, place and brightness, with texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32] - 15.5
    row, column, height, width, bright = (
        rng.normal(mean, spread, (count, 1, 1))
        for mean, spread in ((0, 0.7), (0, 0.7), (11, 0.8), (9, 0.8), (0.5, 0.05))
    )
    inside = ((y - row) / height) ** 2 + ((x - column) / width) ** 2 < 1
    texture = ndimage.gaussian_filter(rng.standard_normal((count, 32, 32)), (0, 1, 1))
    return (inside * (bright + 0.2 * texture) + 0.01 * rng.random((count, 32, 32))).clip(0, 1)


def evaluated(made):
    patient = np.arange(60).repeat(3)
    real = SliceTable.from_arrays(
        torch.from_numpy(heads(180, 0)).float(), z_bin=[0] * 180, pathology=[0] * 180, patient=patient
    )
    made = torch.from_numpy(np.asarray(made)).float()
    generated = SliceTable.from_arrays(made, z_bin=[0] * len(made), pathology=[0] * len(made))
    detail = evaluate_in_detail(real, generated, ["outliers"], [])
    whole = next(f for f in detail.results.findings if f.check == "outliers" and f.place == (None, None))
    return detail.results.score("outlier_share", None, None), whole, detail.per_slice["outlier_score"]


GARBAGE = {
    "noise": lambda x: np.random.default_rng(3).random(x.shape),
    "blank": np.zeros_like,
    "inverted": lambda x: 1 - x,
    "nearly black": lambda x: 0.03 * x,
    "too bright": lambda x: np.minimum(2 * x, 1),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_planted_garbage_is_counted(kind):
    made = heads(80, 1)
    made[::10] = GARBAGE[kind](made[::10])
    score, whole, far = evaluated(made)
    assert score.value == 0.1
    assert (far[::10] > THRESHOLD).all()
    interval = binomtest(8, 80).proportion_ci(method="exact")
    assert score.interval == pytest.approx((interval.low, interval.high))
    assert (whole.answer, whole.kind) == ("off", "some samples like no real slice")


@pytest.mark.parametrize("fault", ["none", "blurred", "brighter", "noise"])
def test_what_all_samples_share_makes_no_outliers(fault):
    made = heads(80, 1)
    noise = 0.02 * np.random.default_rng(4).standard_normal(made.shape)
    shared = {"none": made, "blurred": ndimage.gaussian_filter(made, (0, 0.7, 0.7)), "brighter": 1.5 * made}
    _, whole, _ = evaluated((shared | {"noise": made + noise})[fault].clip(0, 1))
    assert whole.answer != "off"


def test_garbage_throughout_is_no_minority():
    for share in (1, 0.7):
        made = heads(40, 1)
        made[: int(40 * share)] = GARBAGE["noise"](made[: int(40 * share)])
        score, whole, _ = evaluated(made)
        assert score.value is None or score.value >= 0.5
        assert whole.answer != "off"


def test_new_samples_of_few_patients_are_no_outliers():
    """A space of 30 columns fits 32 slices of 8 patients better than it fits new slices."""
    far = []
    for seed in range(4):
        real = SliceTable.from_arrays(
            torch.from_numpy(heads(32, 2 * seed)).float(), z_bin=[0] * 32, pathology=[0] * 32,
            patient=np.arange(8).repeat(4),
        )  # fmt: skip
        new = torch.from_numpy(heads(60, 2 * seed + 1)).float()
        generated = SliceTable.from_arrays(new, z_bin=[0] * 60, pathology=[0] * 60)
        far.append(evaluate_in_detail(real, generated, ["outliers"], []).results.score("outlier_share", None, None))
    assert np.mean([score.value for score in far]) < 0.01


def test_a_pathology_without_real_slices_has_no_outliers():
    real = SliceTable.from_arrays(
        torch.from_numpy(heads(40, 0)).float(), z_bin=[0] * 40, pathology=[1] * 40, patient=np.arange(20).repeat(2)
    )
    made = torch.from_numpy(heads(20, 1)).float()
    generated = SliceTable.from_arrays(made, z_bin=[0] * 20, pathology=[0] * 10 + [1] * 10)
    results = evaluate_in_detail(real, generated, ["outliers"], []).results
    assert results.score("outlier_share", None, 0).reason == "no real slice of this pathology"
    assert results.score("outlier_share", None, 1).n_generated == 10
    assert results.score("outlier_share", None, None).n_generated == 10
