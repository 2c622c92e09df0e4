"""What the monitor says of samples of known origin: slices of new patients, copies, noise, lesions of a known size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_eval.monitoring.samples import SampleMonitor
from jsddpm_eval.slice_table import SliceTable
from synthetic import synthetic_slices, write_store
from worlds import MEANS

BINNING = ZBinning((5, 34), 3, n_slices=40)
Z = np.arange(5, 35)


def slices(seeds, side=(4, 3)):
    """Slices of made-up people, every second with a lesion of ``side`` pixels; patient by patient."""
    parts = []
    for seed in seeds:
        image, mask, _ = synthetic_slices(np.random.default_rng(seed))
        rng = np.random.default_rng([seed, 1])
        image += 0.2 * np.kron(rng.random((1, 8, 6)), np.ones((1, 4, 4)))  # a pattern of one's own
        for z in range(0, 40, 2):
            row, column = 12 + rng.integers(-3, 4), 8 + rng.integers(-3, 4)
            mask[z, row : row + side[0], column : column + side[1]] = True
        parts.append((np.clip(image, 0, 1).astype(np.float32)[Z], mask[Z]))
    images, masks = (np.concatenate(part) for part in zip(*parts, strict=True))
    return images, masks, np.tile(Z, len(seeds)), np.repeat(seeds, len(Z))


def real(training=range(8), held_out=range(100, 106)):
    images, masks, z, people = slices([*training, *held_out])
    return SliceTable.from_arrays(
        images, masks, z_index=z, pathology=masks.any((1, 2)).astype(int), patient=people, held_out=people >= 100,
        binning=BINNING, spacing=(2.0, 1.5, 4.0),
    )  # fmt: skip


def samples(images, masks, z, *_, every=5):
    keep = slice(None, None, every)
    return SliceTable.from_arrays(
        images[keep], masks[keep], z_index=z[keep], pathology=masks[keep].any((1, 2)).astype(int), binning=BINNING,
        spacing=(2.0, 1.5, 4.0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def monitor(cache):
    return SampleMonitor(real(), features=[MEANS], cache=cache)


@pytest.fixture(scope="module")
def new(monitor):
    return monitor(samples(*slices(range(200, 206))))


def test_slices_of_new_patients_are_what_validation_patients_are(new):
    assert new.values["kid"] == new.values["kid_rows"]
    assert abs(new.values["kid"]) < 3 * new.values["kid_error"]
    assert new.values["z_error_bins"] == pytest.approx(new.baselines["z_error_bins"], abs=0.15)
    assert new.values["lesion_area_ratio"] == pytest.approx(1)
    assert new.values["lesion_area_distance"] == 0
    assert (new.values["lesion_present"], new.values["control_empty"]) == (1, 1)
    assert (new.copying, new.signs) == (False, ())


def test_the_error_of_the_kid_is_the_jackknifes_over_patients_and_samples(new):
    """The sum of (g - 1) / g sum (v - mean)^2 of either side, each unit left out alone."""
    sides = [np.array([*new.influence.patients.values()]), np.array(new.influence.samples)]
    assert [len(side) for side in sides] == [6, 36]
    variances = [(len(v) - 1) / len(v) * np.square(v - v.mean()).sum() for v in sides]
    assert min(variances) > 0.01 * max(variances)  # neither part is negligible
    assert new.values["kid_error"] == pytest.approx(sum(variances) ** 0.5)


def test_copies_of_training_slices_are_a_sign_of_memorisation(monitor):
    made = monitor(samples(*slices(range(6))))
    assert made.values["copied"] > 0.9
    assert made.copying
    assert "are copies of training slices" in made.signs[0]
    assert made.baselines["copied"] < 0.1


def test_held_out_patients_again_are_no_copies_of_training_slices(monitor):
    """And nearer to held-out patients than to training patients, in KID: a gap below 0."""
    made = monitor(samples(*slices(range(100, 106))))
    assert not made.copying
    assert made.values["seen_gap"] < 0


def test_noise_is_further_away(monitor, new):
    rng = np.random.default_rng(0)
    images, masks, z, _ = slices(range(200, 206))
    noisy = monitor(samples(np.clip(images + rng.normal(0, 0.3, images.shape), 0, 1).astype(np.float32), masks, z))
    assert noisy.values["kid"] > new.values["kid"] + 3 * noisy.values["kid_error"]
    assert noisy.values["z_error_bins"] > new.values["z_error_bins"]


def test_lesions_of_twice_the_area(monitor):
    """Areas of 24 against 12 pixels of 3 mm2: the ratio is 2, the distance 36 mm2."""
    made = monitor(samples(*slices(range(200, 206), side=(8, 3))))
    assert made.values["lesion_area_ratio"] == pytest.approx(2)
    assert made.values["lesion_area_distance"] == pytest.approx(36)


def test_masks_that_disobey_are_counted(monitor):
    images, masks, z, _ = slices(range(200, 206))
    made = samples(images, masks, z)
    moved = SliceTable.from_arrays(
        made.images, made.masks.roll(1, 0), z_bin=made.z_bin, pathology=made.pathology, binning=BINNING
    )
    found = monitor(moved).values
    kept = (made.masks.roll(1, 0).flatten(1).any(1) == (made.pathology == 1)).double()
    assert found["lesion_present"] == pytest.approx(float(kept[made.pathology == 1].mean()))


def test_another_training_finds_what_was_computed_of_real_slices(new, cache):
    assert list(cache.glob("z-regressor-*.npz"))
    again = SampleMonitor(real(), features=[MEANS], cache=cache)
    with torch.inference_mode():  # as in a validation of Lightning's
        assert again(samples(*slices(range(200, 206)))) == new


def test_halves_of_held_out_patients_depend_on_the_seed(cache):
    made = samples(*slices(range(200, 206)))
    apart = [SampleMonitor(real(), features=[MEANS], seed=seed) for seed in (0, 1)]
    shared = [SampleMonitor(r, features=[MEANS], seed=seed) for r in [real()] for seed in (0, 1)]
    alone, together = ([m._kid(made)[1] for m in monitors] for monitors in (apart, shared))
    assert alone[0] != alone[1]
    assert together == alone


def test_selections_of_one_table_do_not_share_what_was_computed_of_their_slices():
    table = real(range(12), range(100, 112))
    halves = [table.where((table.patient % 2 == side).nonzero()[:, 0]) for side in (0, 1)]
    monitors = [SampleMonitor(half, features=[MEANS]) for half in halves]
    assert [len(set(m._search.people.tolist())) for m in monitors] == [6, 6]
    alone = SliceTable.from_arrays(
        halves[1].images, halves[1].masks, z_index=halves[1].z_index, pathology=halves[1].pathology,
        patient=halves[1].patient, held_out=halves[1].held_out, binning=BINNING, spacing=table.spacing,
    )  # fmt: skip
    expected = SampleMonitor(alone, features=[MEANS])._search
    assert np.array_equal(monitors[1]._search.probe, expected.probe)


def test_without_masks_or_training_patients_the_rest_is_scored(new):
    images, masks, z, people = slices(range(100, 106))
    alone = SliceTable.from_arrays(
        images, None, z_index=z, pathology=masks.any((1, 2)).astype(int), patient=people,
        held_out=np.ones(len(z), bool), binning=BINNING,
    )  # fmt: skip
    made = samples(*slices(range(200, 206)))
    found = SampleMonitor(alone, features=[MEANS])(made)
    assert set(found.values) == {"kid_rows", "kid", "kid_error"}
    assert not found.signs


def test_too_few_held_out_patients_are_refused():
    with pytest.raises(JsddpmError, match=r"SLICES.*3 held-out patients are needed to judge samples, and there are 2"):
        SampleMonitor(real(held_out=range(100, 102)))
    with pytest.raises(JsddpmError, match="no binning"):
        SampleMonitor(SliceTable.from_arrays(None, z_bin=[0], pathology=[0], patient=["a"]))


def test_test_patients_of_a_store_are_not_looked_at(tmp_path):
    store = write_store(tmp_path / "store", patients=9, held_out=5, validation=3)
    monitor = SampleMonitor.of_store(store, BINNING)
    assert sorted(set(monitor.held_out.patient_names.tolist())) == ["p4", "p5", "p6"]
    assert sorted(set(monitor.train.patient_names.tolist())) == ["p0", "p1", "p2", "p3"]


@pytest.mark.usefixtures("brief_networks")
@pytest.mark.parametrize("training", [0, 1], ids=["no training slice", "one training slice"])
def test_without_slices_to_learn_from_the_default_features_are_those_of_radiomics(training):
    whole = real(training=range(training))
    rows = torch.nonzero(whole.held_out)[:, 0]
    few = whole.where(torch.cat([rows, torch.nonzero(~whole.held_out)[:training, 0]]))
    drawn = samples(*slices(range(200, 203)))
    scores, expected = (SampleMonitor(few, **f)(drawn) for f in ({}, {"features": ["radiomics"]}))
    assert np.isfinite(scores.kid)
    assert scores.values["kid_radiomics"] == expected.values["kid_radiomics"] == scores.kid
