"""The same patient among those whom a generator has seen and those who are tested is refused."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm.slices.resplit import resplit
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm_eval.utility.cohort import divided, drawn_divisions
from jsddpm_eval.utility.generators import open_generator, refuse_same_patients, refuse_tested_slices
from synthetic import N_SLICES, SIZE, write_store

BINNING = ZBinning((5, 34), 3, n_slices=N_SLICES)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("real") / "store")


def made(path, images=None, masks=None, trained_on=None, size=SIZE):
    """A generated store, of noise unless images are given."""
    rng = np.random.default_rng(0)
    images = rng.random((6, *size)).astype(np.float32) if images is None else images
    masks = images > 0.8 if masks is None else masks
    known = {} if trained_on is None else {"provenance": {"training_store": trained_on}}
    spacing = (3.0, 2.0, 1.5)
    with new_store(path, kind="generated", n_slices=N_SLICES, spacing=spacing, binning=BINNING.to_dict(), **known) as w:
        rows = {"z_index": np.full(len(images), 20), "pathology": masks.any((1, 2)), "sample": np.arange(len(images))}
        w.add(Shard("generated-0000", images, masks, rows))
    return path


def division(*patients):
    return {f"p{i}": "test" if f"p{i}" in patients else "train" for i in range(6)}


def test_a_run_of_ours_says_whom_it_has_seen(run, generated, tmp_path, store):
    place = tmp_path / "run"
    place.mkdir()
    for path in ("config.yaml", "provenance.json", "SHA256SUMS"):
        (place / path).write_bytes((run / path).read_bytes())
    with pytest.raises(JsddpmError, match="no samples"):
        open_generator(place, [store])
    (place / "samples").symlink_to(generated.path)
    seen = {patient for patient, split in store.splits.items() if split != "test"}
    found = open_generator(place, [store])
    assert found.used_patients == seen
    assert len(seen) == 5
    refuse_same_patients(found, store.splits, 1)
    with pytest.raises(
        JsddpmError, match="1 of 2 test patients of fold 3 was in the training set of the generator, such as p4"
    ) as refused:
        refuse_same_patients(found, division("p4", "p5"), 3)  # p4 decided when it stopped
    assert (refused.value.code, refused.value.status) == ("SAME_PATIENT", 3)


def test_a_store_says_it_by_the_fingerprint_of_what_it_was_trained_on(real, tmp_path):
    (tmp_path / "fold.csv").write_text("patient,split\n" + "".join(f"{p},{s}\n" for p, s in division("p0").items()))
    fold = SliceStore(resplit(real, tmp_path / "fold.csv", tmp_path / "fold"))
    place = made(tmp_path / "made", trained_on=fold.fingerprint)
    assert open_generator(place, [real, fold]).used_patients == {"p1", "p2", "p3", "p4", "p5"}
    assert open_generator(place, [real]).used_patients is None
    assert open_generator(made(tmp_path / "other"), [real, fold]).used_patients is None


def test_slices_of_tested_patients_are_no_samples(real, tmp_path):
    rows = np.flatnonzero(real.patients == "p4")[10:20]
    generator = open_generator(made(tmp_path / "made", real.images(rows), real.masks(rows)), [real])
    refuse_tested_slices(generator, real, division("p5"), 1)
    with pytest.raises(JsddpmError, match="10 generated slices equal slices of test patients of fold 2"):
        refuse_tested_slices(generator, real, division("p4", "p5"), 2)


def test_what_is_no_generator_is_refused(real, tmp_path):
    with pytest.raises(JsddpmError, match="is a real store; fix: give a generated store"):
        open_generator(real.path, [real])
    with pytest.raises(JsddpmError, match="no such folder"):
        open_generator(tmp_path / "none", [real])
    small = open_generator(made(tmp_path / "small", size=(16, 16)), [real])
    with pytest.raises(JsddpmError, match="16x16 pixels, real ones 32x24"):
        small.require_size(real)
    empty = SliceStore(made(tmp_path / "empty", masks=np.zeros((6, *SIZE), bool)))
    with pytest.raises(JsddpmError, match="no generated slice"):
        divided(real, BINNING, [division("p0")], [empty])


def test_every_patient_is_tested_once_and_trains_otherwise(real):
    divisions = drawn_divisions(real, BINNING, 2, seed=0)
    cohort = divided(real, BINNING, divisions, [None, None])
    people = [set(cohort.slices.patient[fold.test].tolist()) for fold in cohort.folds]
    assert people[0] | people[1] == set(range(6))
    assert not people[0] & people[1]
    for fold in cohort.folds:
        assert not set(cohort.slices.patient[fold.train]) & set(cohort.slices.patient[fold.test])
        assert len(fold.train) + len(fold.test) == len(cohort.slices.patient)
    (own,) = drawn_divisions(real, BINNING, 1, seed=0)
    assert [p for p, split in own.items() if split == "test"] == ["p5"]


def test_too_few_patients_with_a_lesion_are_refused(real):
    with pytest.raises(JsddpmError, match="fold 1 has 0 patients with a lesion in the bins to test"):
        divided(real, BINNING, [division("p1")], [None])
