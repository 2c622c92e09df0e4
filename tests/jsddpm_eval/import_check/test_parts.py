"""Faults of a part of a set, where the cohort itself has gaps."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm_eval.import_check.check import suspicions
from jsddpm_eval.import_check.copies import of_patients
from jsddpm_eval.slice_table import SliceTable

BINNING = ZBinning((0, 9), 10, n_slices=10)


def table(rng, people, per_bin, upside_down=0.0, alone=False, patients=True):
    """Slices that are brighter at the top, of every bin but the last, which at most one patient has."""
    owner, z = (grid.ravel() for grid in np.meshgrid(np.arange(people), np.tile(np.arange(9), per_bin), indexing="ij"))
    if alone:
        owner, z = np.append(owner, 0), np.append(z, 9)
    slope = np.linspace(0.3, 0, 32)[:, None] * (1 + 0.2 * rng.standard_normal(people))[owner, None, None]
    images = (0.4 + slope + 0.05 * rng.standard_normal((len(z), 32, 32))).clip(0, 1).astype(np.float32)
    turned = rng.random(len(z)) < upside_down
    images[turned] = images[turned, ::-1]
    return SliceTable.from_arrays(
        images, z_index=z, pathology=0 * z, patient=owner if patients else None, binning=BINNING
    )


@pytest.mark.parametrize("alone", [False, True], ids=["shared bins", "a bin of one patient"])
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_turned_slices_are_seen_beside_a_bin_that_one_patient_has_alone(share, alone):
    rng = np.random.default_rng(0)
    real, made = table(rng, 24, 1, alone=alone), table(rng, 8, 1, share, alone, patients=False)
    found = [s for s in suspicions(real, made, BINNING) if s.name == "part turned"]
    assert len(found) == (share > 0)


def heads(rng, count, side=11):
    """Bright squares of their own size, place and brightness."""
    images = np.zeros((count, 32, 32), np.float32)
    for image in images:
        top, left, high, wide = (*rng.integers(6, 10, 2), *(side + rng.integers(-1, 2, 2)))
        image[top : top + high, left : left + wide] = rng.uniform(0.5, 0.7) + 0.05 * rng.standard_normal((high, wide))
    return images.clip(0, 1)


@pytest.mark.parametrize("share", [0, 0.25])
@pytest.mark.parametrize("real_blank", [0, 0.25])
def test_blank_slices_are_counted_and_are_no_small_heads(share, real_blank):
    """A quarter of blank slices, where real ones are not blank and where a quarter of them is."""
    rng = np.random.default_rng(0)
    people, each, made = 24, 4, 96
    images, samples = heads(rng, people * each), heads(rng, made)
    images[: int(real_blank * len(images))] = 0
    rng.shuffle(images)
    samples[: int(share * made)] = 0
    bins = np.zeros(len(images), int)
    real = SliceTable.from_arrays(
        images, z_index=bins, pathology=bins, patient=np.arange(people).repeat(each), binning=BINNING
    )
    generated = SliceTable.from_arrays(samples, z_index=bins, pathology=bins, binning=BINNING)
    found = {s.name: s.what for s in suspicions(real, generated, BINNING)}
    assert found.get("blank") == (
        "24 of 96 slices are blank, of real slices of their bins 0%" if share > real_blank else None
    )
    assert not {"size", "place", "intensity"} & set(found)


@pytest.mark.parametrize("real_blank", [False, True])
def test_blank_ends_of_all_volumes_are_found_where_no_patient_has_them(real_blank):
    """45 % of each of nine volumes, as a share of nine, is not too much for 14 patients; that all have them is."""
    rng = np.random.default_rng(0)
    people, volumes, each = 14, 9, 11
    images, samples = heads(rng, people * each), heads(rng, volumes * each)
    for of_unit in (
        *samples.reshape(volumes, each, 32, 32),
        *(images.reshape(people, each, 32, 32) if real_blank else ()),
    ):
        of_unit[:3] = of_unit[-2:] = 0
    real, generated = (
        SliceTable.from_arrays(
            x, z_index=np.zeros(len(x), int), pathology=np.zeros(len(x), int), binning=BINNING, **{unit: names}
        )
        for x, unit, names in (
            (images, "patient", np.arange(people).repeat(each)),
            (samples, "group", np.arange(volumes).repeat(each)),
        )
    )
    assert ("blank" in [s.name for s in suspicions(real, generated, BINNING)]) != real_blank


def test_slices_of_patients_among_the_samples_are_named():
    """Two of 20 samples are real slices, written as PNG: equal in 256 grey levels."""
    rng = np.random.default_rng(0)
    images, samples = heads(rng, 24), heads(rng, 20)
    samples[[4, 7]] = np.rint(images[[3, 20]] * 255) / 255
    zeros = np.zeros(24, int)
    real = SliceTable.from_arrays(images, z_index=zeros, pathology=zeros, patient=np.arange(24), binning=BINNING)
    made = SliceTable.from_arrays(samples, z_index=zeros[:20], pathology=zeros[:20], binning=BINNING)
    assert of_patients(real, made.where(slice(0, 4))) == []
    [suspicion] = of_patients(real, made)
    assert suspicion.what.startswith("2 of 20 slices equal real ones: ")
