"""Blank samples are counted beside the blank slices of real patients."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import beta, binomtest

from jsddpm.binning import ZBinning
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.slice_table import SliceTable

PATIENTS, EACH = 20, 4
THREE = ZBinning((0, 2), 3, n_slices=3)


def images(count, seed, blank=()):
    """Noise, and blank slices at some rows."""
    made = torch.rand((count, 16, 16), generator=torch.Generator().manual_seed(seed))
    made[list(blank)] = 0
    return made


def evaluated(real_blank=(), blank=(), samples=80):
    """Two bins of one real slice each and patient, alternating; the samples alternate too."""
    rows = torch.arange(PATIENTS * EACH)
    of_real, none = rows % 2, torch.zeros_like(rows)
    real = SliceTable.from_arrays(images(len(rows), 0, real_blank), z_bin=of_real, pathology=none, patient=rows // EACH)
    asked = torch.arange(samples) % 2
    made = images(samples, 1, blank)
    generated = SliceTable.from_arrays(made, z_bin=asked, pathology=torch.zeros_like(asked))
    results = evaluate(real, generated, metrics=["blank", "outliers"], features=[])
    return results, next(f for f in results.findings if f.check == "outliers" and f.place == (None, None))


def test_a_tenth_of_blank_samples_is_named():
    results, whole = evaluated(blank=range(0, 80, 10))
    score = results.score("blank_share", None, None)
    interval = binomtest(8, 80).proportion_ci(method="exact")
    assert (score.value, score.baseline) == (0.1, 0)
    assert score.interval == pytest.approx((interval.low, interval.high))
    assert score.p_value == pytest.approx(binomtest(8, 80, beta.median(1, PATIENTS), alternative="greater").pvalue)
    assert (whole.answer, whole.score) == ("off", "blank_share")
    assert whole.kind.startswith("blank samples")


def test_the_real_share_is_that_of_the_conditions_of_the_samples():
    """Bin 0 of half of the patients is blank in one of their two slices: a quarter of bin 0 and none of bin 1."""
    results, whole = evaluated(real_blank=range(0, 40, EACH), blank=range(0, 80, 8))
    of_bins = [results.score("blank_share", k, None) for k in (0, 1, None)]
    assert [score.value for score in of_bins] == [10 / 40, 0, 10 / 80]
    assert [score.baseline for score in of_bins] == [0.25, 0, 0.125]
    assert whole.answer != "off"


def test_one_grey_level_is_blank_and_one_pixel_is_not():
    made = images(4, 1)
    made[0], made[1] = 0.5, 0
    made[1, 3, 3] = 2 / 255
    rows = torch.arange(12)
    real = SliceTable.from_arrays(images(12, 0), z_bin=0 * rows, pathology=0 * rows, patient=rows // 3)
    generated = SliceTable.from_arrays(made, z_bin=[0] * 4, pathology=[0] * 4)
    assert evaluate(real, generated, metrics=["blank"], features=[])["blank_share"].value == 0.25


def test_a_condition_without_real_slices_is_compared_with_its_bin_or_with_all():
    rows = torch.arange(24)
    real = SliceTable.from_arrays(
        images(24, 0, [0]), z_bin=rows // 12, pathology=0 * rows, patient=rows // 3 % 4, binning=THREE
    )  # in bin 0, a third of the slices of one patient of four
    asked = torch.tensor([0, 0, 2, 2])
    generated = SliceTable.from_arrays(images(4, 1), z_bin=asked, pathology=torch.ones_like(asked), binning=THREE)
    results = evaluate(real, generated, metrics=["blank"], features=[])
    found = [results.score("blank_share", k, None).baseline for k in (0, 2, None)]
    assert found == pytest.approx([1 / 12, 1 / 24, 1 / 16])
