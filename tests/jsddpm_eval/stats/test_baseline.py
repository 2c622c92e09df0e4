"""Baselines: bands of ranks, halves of patients."""

from __future__ import annotations

import numpy as np
import torch

from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.results.score import Baseline
from jsddpm_eval.stats.baseline import baseline_of, halved_statistic, mean_baseline, patient_halves


def test_the_band_leaves_one_in_twenty_outside():
    values = np.arange(199.0)
    assert baseline_of(np.append(values, np.nan)) == (99, (4, 194))
    assert baseline_of(values[:38]).baseline_interval is None
    assert baseline_of(values[:39]).baseline_interval == (0, 38)
    assert baseline_of([np.nan]) == Baseline()
    assert mean_baseline(torch.empty(0)) == Baseline()


def test_a_distance_between_halves_is_repeatable_and_needs_patients():
    g = torch.Generator().manual_seed(0)
    real = torch.randn((40, 3), generator=g)
    patients = np.repeat([f"p{i}" for i in range(8)], 5)
    values = halved_statistic(kernel_distance, real, patients, count=9, seed=0)
    assert values == halved_statistic(kernel_distance, real, patients, count=9, seed=0)
    assert len(values) == 40
    found = baseline_of(values)
    assert abs(found.baseline) < 1
    assert found.baseline_interval[0] < found.baseline < found.baseline_interval[1]
    three = np.repeat(["a", "b", "c"], [20, 10, 10])
    assert halved_statistic(kernel_distance, real, three, count=9, seed=0) == []


def test_halves_share_no_patient_and_one_is_thinned_to_the_generated_number():
    patients = np.repeat([f"p{i}" for i in range(6)], 4)
    rows = torch.arange(24.0)[:, None]
    seen = []
    halved_statistic(lambda a, b: seen.append((a, b)) or 0.0, rows, patients, count=5, seed=0, repeats=10)
    for a, b in seen:
        first, second = (set(patients[side[:, 0].long().numpy()]) for side in (a, b))
        assert not first & second
        assert (len(a), len(b)) == (12, 5)
    halves = patient_halves(7, 50, seed=0)
    assert (halves.sum(1) == 3).all()
    assert len(halves.unique(dim=0)) > 20
    assert patient_halves(3, 50, seed=0).shape == (0, 3)
