"""Disobeyed masks: exact tests by hand, with the volume as the unit of slices that come in volumes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.slice_table import SliceTable

BINS, VOLUMES = 20, 10


def results(metrics, group=False, disobey=2):
    """All samples are control; some of ten volumes have masks in all of their slices."""
    count = BINS * VOLUMES
    z_bin, volume = np.tile(np.arange(BINS), VOLUMES), np.repeat(np.arange(VOLUMES), BINS)
    masks = np.zeros((count, 8, 8), bool)
    masks[volume < disobey, 2:4, 2:4] = True
    zeros = np.zeros(count, np.int64)
    images = np.full((count, 8, 8), 0.5, np.float32)
    real = SliceTable.from_arrays(images, masks & False, z_bin=z_bin, pathology=zeros, patient=volume)
    made = SliceTable.from_arrays(images, masks, z_bin=z_bin, pathology=zeros, group=volume if group else None)
    return evaluate(real, made, metrics=metrics, features=[])


def finding(group):
    found = results(["control_empty", "lesion_present"], group)
    return next(f for f in found.findings if f.place == (None, None)), found.pooled["control_empty"]


def test_slices_of_a_volume_are_no_independent_trials():
    found, score = finding(group=True)
    assert (score.value, score.n_generated, score.n_volumes) == (0.8, 200, 10)
    assert found.interval == pytest.approx(tuple(binomtest(8, 10).proportion_ci()))
    assert found.answer == "unknown"  # two or more of ten, of which 5 % may: p = 0.086
    assert binomtest(2, 10, 0.05, alternative="greater").pvalue == pytest.approx(0.086, abs=5e-4)


def test_a_volume_counts_once_however_many_slices_it_has():
    """One slice of one volume disobeys, all seven of the other obey: one of two, not one of eight."""
    masks = np.ones((8, 8, 8), bool)
    masks[0] = False
    labels, images = {"z_bin": np.zeros(8, int), "pathology": np.ones(8, int)}, np.full((8, 8, 8), 0.5, np.float32)
    real = SliceTable.from_arrays(images, masks | True, patient=np.arange(8), **labels)
    made = SliceTable.from_arrays(images, masks, group=[0, *[1] * 7], **labels)
    found = evaluate(real, made, metrics=["lesion_present"], features=[])
    score = found.pooled["lesion_present"]
    assert (score.value, score.n_volumes, score.n_generated) == (0.5, 2, 8)
    assert score.interval == pytest.approx(tuple(binomtest(1, 2).proportion_ci()))
    assert score.p_value == pytest.approx(binomtest(1, 2, 0.05, alternative="greater").pvalue)
    judged = next(f for f in found.findings if f.check == "disobeyed" and f.place == (None, None))
    assert (judged.value, judged.interval) == (0.5, score.interval)


def test_single_samples_are():
    found, score = finding(group=False)
    assert (found.answer, score.n_volumes, score.n_units) == ("off", None, 200)
    assert found.interval == pytest.approx(tuple(binomtest(160, 200).proportion_ci()))
    assert found.reason.startswith("only 160 of 200 obey")


def test_what_was_not_looked_at_is_not_fine():
    """200 empty masks of control samples say nothing of lesion samples."""
    found = results(["control_empty"], disobey=0)
    assert {f.answer for f in found.findings} == {"unknown"}
    assert "some of its scores were not computed: lesion_present" in " ".join(found.verdict).lower()
