"""Patients who are alike: a person under two names is found, copies are found beside them, and nobody else is alike."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage

from jsddpm_eval.metrics.persons import _standing_out
from jsddpm_eval.slice_table import SliceTable
from worlds import BINNING, World

SIZE, PERSONS, SLICES = (40, 40), 8, 2
OTHER_SCAN = 0.01  # noise, beside a shift by half a pixel and other brightness


@cache
def world(names):
    """Smooth patterns of persons who were scanned once, twice, or three times, each time under another name."""
    made = World(patients=PERSONS * names, slices=SLICES, size=SIZE)
    smooth = ndimage.gaussian_filter(made.rng.standard_normal((PERSONS, *SIZE)), (0, 2.5, 2.5))
    own = np.repeat(0.5 + smooth / (8 * smooth.std()), names, axis=0)
    scans = np.stack([
        ndimage.shift(scan, (0.5 * (i % names), 0.3), order=1, mode="nearest") * (1 - 0.03 * (i % names))
        for i, scan in enumerate(own)
    ])  # fmt: skip
    noise = made.rng.standard_normal((len(made.image), *SIZE))
    made.image = torch.from_numpy((np.repeat(scans, 2 * SLICES, axis=0) + OTHER_SCAN * noise).clip(0, 1)).float()
    made.held_out = made.patient % names == names - 1 if names > 1 else made.held_out
    return made


@cache
def judged(names):
    """Results for copies of training slices that are moved and noisy."""
    here = world(names)
    real = here.image[(here.z_bin == 0) & ~here.held_out][::2]
    noise = OTHER_SCAN * torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    return here.evaluation((real.roll(2, 2) + noise).clamp(0, 1), metrics=["copies"], features=()).results


@pytest.mark.long
@pytest.mark.parametrize("names", [2, 3])
def test_all_names_of_a_person_are_found(names):
    groups = judged(names).provenance["patients_alike"]
    expected = [[str(p * names + k) for k in range(names)] for p in range(PERSONS)]
    assert sorted(map(sorted, groups)) == sorted(map(sorted, expected))


@pytest.mark.parametrize("names", [1, 2, 3])
def test_copies_are_found_whatever_the_number_of_names(names):
    """Beside a second name of every person, copies were no nearer than "other patients", and the share was 0."""
    assert judged(names)["copied_share", 0, "control"].value == 1
    assert judged(names).whole()["copied"].answer == "off"


def test_patients_of_one_name_are_not_alike():
    assert "patients_alike" not in judged(1).provenance


def test_a_verdict_on_new_samples_says_it_and_is_not_fine():
    here = world(2)
    smooth = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal((30, *SIZE)), (0, 2.5, 2.5))
    new = torch.from_numpy((0.5 + smooth / (8 * smooth.std())).clip(0, 1)).float()
    results = here.evaluation(new, metrics=["copies"], features=()).results
    assert results["copied_share", 0, "control"].value == 0
    assert results.whole()["copied"].answer == "unknown"
    assert any(s.startswith("Slices of 16 real patients are as near to those of another") for s in results.verdict)


def test_three_patients_are_too_few_to_say_who_is_alike():
    here = world(1)
    few = here.patient < 3
    real = SliceTable.from_arrays(
        here.image[few], z_bin=here.z_bin[few], pathology=torch.zeros_like(here.z_bin[few]), patient=here.patient[few],
        binning=BINNING,
    )  # fmt: skip
    assert _standing_out(real, 2, 3) == []
