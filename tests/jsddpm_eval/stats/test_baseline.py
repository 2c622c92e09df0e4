"""Baselines: bands of ranks, halves of patients."""

from __future__ import annotations

import numpy as np
import torch

from jsddpm_eval.results.score import Baseline
from jsddpm_eval.stats.baseline import baseline_of, mean_baseline, patient_halves


def test_the_band_leaves_one_in_twenty_outside():
    values = np.arange(199.0)
    assert baseline_of(np.append(values, np.nan)) == (99, (4, 194))
    assert baseline_of(values[:38]).baseline_interval is None
    assert baseline_of(values[:39]).baseline_interval == (0, 38)
    assert baseline_of([np.nan]) == Baseline()
    assert mean_baseline(torch.empty(0)) == Baseline()


def test_halves_are_of_patients_and_need_four():
    halves = patient_halves(7, 50, seed=0)
    assert (halves.sum(1) == 3).all()
    assert len(halves.unique(dim=0)) > 20
    assert patient_halves(3, 50, seed=0).shape == (0, 3)
