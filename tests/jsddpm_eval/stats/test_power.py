"""The smallest detectable difference, tried on fresh cohorts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.stats.power import minimum_detectable


def clustered(rng, patients, slices, d=6, shift=0.0):
    """Features of slices that share their patient's own offset: adjacent slices are alike."""
    offsets = rng.normal(0, 0.7, (patients, 1, d))
    features = offsets + rng.normal(0, 0.7, (patients, slices, d)) + shift
    names = np.repeat([f"p{i:02d}" for i in range(patients)], slices)
    return torch.from_numpy(features.reshape(-1, d)), names


@pytest.mark.parametrize(("patients", "slices", "d"), [(12, 6, 30), (24, 4, 6)])
def test_the_detectable_shift_is_detected_in_fresh_cohorts_at_the_stated_power(patients, slices, d):
    """Estimated on some cohorts, tried on many others, with the critical value of their own null distribution."""
    rng = np.random.default_rng(0)
    half = patients // 2

    def fresh(by):
        return kernel_distance(clustered(rng, half, slices, d)[0], clustered(rng, half, slices, d, shift=by)[0])

    found = [
        minimum_detectable(kernel_distance, *clustered(rng, patients, slices, d), cohorts=80, seed=s) for s in range(10)
    ]
    shift = float(np.median([f.shift for f in found]))
    critical = np.quantile([fresh(0.0) for _ in range(600)], 0.95)
    assert np.median([f.critical for f in found]) == pytest.approx(critical, rel=0.35)
    assert 0.7 <= np.mean([fresh(shift) > critical for _ in range(300)]) <= 0.93
    assert np.mean([fresh(shift / 3) > critical for _ in range(300)]) < 0.4


def test_more_patients_detect_less_and_too_few_none():
    rng = np.random.default_rng(1)
    few, many = (
        np.median(
            [minimum_detectable(kernel_distance, *clustered(rng, n, 6), cohorts=60, seed=s).shift for s in range(5)]
        )
        for n in (6, 30)
    )
    assert many < 0.75 * few
    assert minimum_detectable(kernel_distance, *clustered(rng, 3, 6)) is None
