"""Faults that vanish on average are named; what all samples have in common is no variation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.slice_table import SliceTable
from synthetic import upright_heads

SIDE = 48


def tilted(images, degrees):
    turned = [ndimage.rotate(x, a, reshape=False, order=1) for x, a in zip(images, degrees, strict=True)]
    return np.stack(turned).clip(0, 1)


def heads(count, seed):
    """Heads whose centres differ by two pixels, and whose tilts by three degrees."""
    return tilted(upright_heads(count, seed, side=SIDE), np.random.default_rng(seed).normal(0, 3, count))


REAL, SAMPLES = heads(180, 0), heads(80, 1)
SIGNS = np.resize((-1, 1, 1, -1, -1), len(SAMPLES))
SMOOTH = ndimage.gaussian_filter(SAMPLES, (0, 0.7, 0.7))
SHARP = (SAMPLES + 0.7 * (SAMPLES - ndimage.gaussian_filter(SAMPLES, (0, 1, 1)))).clip(0, 1)


def moved(steps):
    return np.stack([np.roll(x, (4 * s, 4 * s), (0, 1)) for x, s in zip(SAMPLES, steps, strict=True)])


def evaluated(samples):
    zeros = [0] * len(REAL)
    real = SliceTable.from_arrays(torch.from_numpy(REAL), z_bin=zeros, pathology=zeros, patient=np.arange(60).repeat(3))
    images, zeros = torch.from_numpy(samples.astype(np.float32)), [0] * len(samples)
    generated = SliceTable.from_arrays(images, z_bin=zeros, pathology=zeros)
    return evaluate(real, generated, metrics=["head", "sharpness"], features=[])


CASES = {
    "moved": (moved(SIGNS), "head_place_varied", "with heads that lie in more different places than real ones"),
    "turned": (
        tilted(SAMPLES, 9 * SIGNS), "head_tilt_varied", "with heads that are rotated to more different angles than "
        "real ones",
    ),
    "half sharpened": (
        np.where(SIGNS[:, None, None] > 0, SMOOTH, SHARP), "detail_varied", "of sharpness that varies more from slice "
        "to slice than in real ones",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_faults_that_vanish_on_average_are_named(case):
    samples, score, kind = CASES[case]
    results = evaluated(samples)
    check = "sharpness" if score == "detail_varied" else "outline"
    whole = next(f for f in results.findings if f.check == check and f.place == (None, None))
    assert whole.answer == "off"
    assert kind in whole.kind
    assert results[score].interval[0] > 0.5
    varied = {"head_place_varied", "head_tilt_varied", "detail_varied"}
    assert all(results[name].interval[0] < 0.5 for name in varied - {score})


def test_what_all_samples_have_in_common_is_no_variation():
    perfect, all_moved = evaluated(SAMPLES), evaluated(moved(np.ones(len(SAMPLES), int)))
    names = ("head_place_varied", "head_tilt_varied", "detail_varied")
    for name in names:
        low, high = perfect[name].interval
        assert low < 0 < high
    assert all_moved["head_row"].interval[0] > 0.5
    for name in names[:2]:
        assert all_moved[name].value == pytest.approx(perfect[name].value, abs=1e-6)
    assert evaluated(SMOOTH)["detail_varied"].interval[0] < 0.5
