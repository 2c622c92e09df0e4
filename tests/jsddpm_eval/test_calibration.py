"""Short version of ``tests/soak/calibration.py``: shares of simulated cohorts, within what 80 cohorts can tell."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm_eval.uncertainty import Floor, distance_interval, one_per_patient, permutation_p, relabelled, t_interval

SOAK = runpy.run_path(str(Path(__file__).parents[1] / "soak" / "calibration.py"))
COHORTS = 80


def consistent(found, wanted, alpha=0.002):
    """Whether a share of so many cohorts can come from the wanted share."""
    return stats.binomtest(round(found * COHORTS), COHORTS, wanted).pvalue > alpha


def test_intervals_by_patient_cover_and_those_by_slice_do_not():
    by_patient, by_slice = SOAK["mean_coverage"](COHORTS)
    assert consistent(by_patient, 0.95)
    assert by_slice < 0.85
    assert consistent(SOAK["kid_coverage"](COHORTS, bootstrap=False)[0], 0.95)


def test_a_real_split_lies_inside_its_own_floor():
    kid, fid = SOAK["split_inside_floor"](60)
    assert stats.binomtest(round(60 * kid), 60, 0.95).pvalue > 0.002
    assert stats.binomtest(round(60 * fid), 60, 0.95).pvalue > 0.002


def test_false_alarms_are_as_many_as_allowed_and_a_shift_is_seen():
    assert consistent(SOAK["alarms"](COHORTS), 0.05)
    assert SOAK["alarms"](30, 1.0) > 0.8


# The parts


def test_t_interval_has_the_textbook_degrees_of_freedom():
    low, high = t_interval(2.0, [(0.09, 8), (0.04, 20)])
    df = (0.13**2) / (0.09**2 / 7 + 0.04**2 / 19)
    half = stats.t.ppf(0.975, df) * 0.13**0.5
    assert (low, high) == pytest.approx((2 - half, 2 + half))
    assert t_interval(2.0, [(0.0, 8)]) == (2.0, 2.0)
    assert t_interval(2.0, [(0.09, 2)]) is None
    assert distance_interval(1.0, [[1.0, 1.0, 1.0], [1.0] * 4]) == (1.0, 1.0)
    assert distance_interval(1.0, [[1.0, 1.1], [1.0] * 4]) is None


def test_the_band_leaves_one_in_twenty_outside():
    values = np.arange(199.0)
    floor = Floor.of(np.append(values, np.nan))
    assert (floor.mean, floor.band) == (99, (4, 194))
    assert Floor.of(values[:20]).band is None
    assert Floor.of([np.nan]) is None


def test_one_slice_of_each_patient_each_equally_often():
    who = torch.tensor([0, 0, 0, 2, 2, 5])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([one_per_patient(who, generator) for _ in range(600)])
    assert (who[drawn] == torch.tensor([0, 2, 5])).all()
    counts = drawn.flatten().bincount(minlength=6).numpy()
    assert stats.chisquare(counts[:3]).pvalue > 0.001
    assert counts[5] == 600


def test_relabelling_keeps_the_numbers_in_every_stratum():
    strata = torch.tensor([0, 0, 1, 1, 1, 0, 1, 0, 0])
    labels = relabelled(4, 5, strata, 200, torch.Generator().manual_seed(0))
    assert labels[0].tolist() == [True] * 4 + [False] * 5
    for s in (0, 1):
        assert (labels[:, strata == s].sum(1) == labels[0, strata == s].sum()).all()
    assert abs(float(labels[1:, strata == 0].double().mean()) - 2 / 5) < 1e-9
    assert torch.allclose(labels[1:, strata == 0].double().mean(0), torch.tensor(0.4).double(), atol=0.15)


def test_p_values_need_patients_and_are_repeatable():
    rng = np.random.default_rng(0)
    real, made = (torch.from_numpy(rng.standard_normal((12, 2))) for _ in range(2))
    who = torch.arange(12) // 2
    assert permutation_p(real, who, made, seed=1) == permutation_p(real, who, made, seed=1)
    assert permutation_p(real, who // 2, made, seed=1) is None
    assert permutation_p(real, who, made + 5, seed=1) < 0.02
