"""Shares of samples: exact intervals, bounds and tests of SciPy, false alarms and power on drawn cohorts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from jsddpm_eval.blanks import blank, blank_bound, usual_share
from jsddpm_eval.metrics.shares import counted_share, share_score
from jsddpm_eval.results.score import Counts
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import share_bound

COUNTS = Counts(10, 20, 5)


@pytest.mark.parametrize("count", [0, 1, 7, 20])
def test_a_share_has_the_exact_interval_and_test_of_its_count(count):
    flags, unit = np.arange(20) < count, np.arange(20)
    score = share_score(flags, unit, 0.1, COUNTS, expected=0.02)
    exact = binomtest(count, 20, 0.1, alternative="greater")
    assert score.value == count / 20
    assert score.interval == pytest.approx(tuple(binomtest(count, 20).proportion_ci(0.95, "exact")), abs=1e-9)
    assert score.p_value == pytest.approx(exact.pvalue)
    assert (score.baseline, score.baseline_interval) == (0.02, (0.0, 0.1))
    assert share_score(flags, unit, 0.1, COUNTS, p_value=0.5).p_value == 0.5


def test_a_volume_counts_once_as_the_share_of_its_slices():
    """Volumes of 4, 2 and 1 slices: 2 of 4, 2 of 2 and none make 1.5 of 3."""
    flags, unit = np.array([1, 1, 0, 0, 1, 1, 0], bool), np.array([9, 9, 9, 9, 4, 4, 0])
    score = counted_share(flags, unit, COUNTS)
    assert (score.value, score.n_units, score.p_value, score.baseline) == (0.5, 3, None, None)
    whole = [binomtest(count, 3).proportion_ci(0.95, "exact") for count in (1, 2)]
    assert whole[0].low < score.interval[0] < whole[1].low
    assert whole[0].high < score.interval[1] < whole[1].high


def test_perfect_samples_are_rarely_beyond_the_bound_and_many_odd_ones_often():
    """Thirty patients and sixty samples, of whom one in twenty lies beyond; a third in a generator with a fault."""
    rng, alarms = np.random.default_rng(0), {0.05: 0, 0.33: 0}
    for _ in range(300):
        bound = share_bound(rng.random(30) < 0.05, np.arange(30), 0.95)
        for share in alarms:
            alarms[share] += share_score(rng.random(60) < share, np.arange(60), bound, COUNTS).p_value < 0.05
    assert binomtest(alarms[0.05], 300, 0.05, alternative="greater").pvalue > 0.01
    assert alarms[0.33] > 200


def test_the_bound_of_blank_slices_is_the_median_of_a_beta_distribution():
    """Without a blank slice of n patients it is 1 - 0.5^(1/n); at it a count is as low in half of all draws."""
    assert blank_bound(0.0, 12) == pytest.approx(1 - 0.5 ** (1 / 12))
    assert binomtest(3, 12, blank_bound(0.25, 12), alternative="less").pvalue == pytest.approx(0.5)
    assert blank_bound(1.0, 12) == 1


def test_the_usual_share_is_that_of_the_condition_or_of_the_bin_or_of_all():
    """Patients count once: a has two slices in bin 0 without a lesion, one of them blank, b one that is blank."""
    labels = {"z_bin": [0, 0, 0, 0, 1], "pathology": [0, 0, 0, 1, 0], "patient": list("aabca")}
    images = torch.rand(5, 8, 8, generator=torch.Generator().manual_seed(0))
    images[[0, 2]] = 0.0
    real = SliceTable.from_arrays(images, **labels)
    made = SliceTable.from_arrays(images[1:2].repeat(5, 1, 1), z_bin=[0, 0, 1, 1, 2], pathology=[0, 1, 0, 1, 0])
    assert blank(real).tolist() == [True, False, True, False, False]
    # the condition: (1/2 + 1) / 2, none, none; the bin; all, of which a has one of three, b one of one, c none
    assert usual_share(real, made, 3) == pytest.approx([0.75, 0, 0, 0, (1 / 3 + 1) / 3])
