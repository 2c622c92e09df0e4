"""From NIfTI to store: every subject accounted for, the same bytes whatever the number of processes."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.sources import read_cohort
from jsddpm.cohort.splits import assign_splits
from jsddpm.errors import JsddpmError
from jsddpm.slices.build import build_slice_cache
from jsddpm.slices.store import SliceStore

SPEC = Preprocessing((24, 32, 28), (3.0, 3.0, 3.0))


def build(bids, out, **options):
    records = read_cohort(bids).require_clean()
    splits = assign_splits(records, val=0.25, test=0.25, seed=0)
    return build_slice_cache(records, out, splits=splits, spec=SPEC, **options)


def test_keeps_every_slice_and_says_where_it_came_from(bids, tmp_path):
    outcomes = build(bids, tmp_path / "store")
    store = SliceStore(tmp_path / "store")
    assert [(o.subject, o.slices, o.problem) for o in outcomes] == [(f"sub-{s:02d}", 28, None) for s in range(4)]
    assert (store.size, store.n_slices, len(store.index)) == ((32, 24), 28, 4 * 28)
    for subject in store.subjects:
        assert subject["source"]["image"]["name"] == f"{subject['name']}_FLAIR.nii.gz"
        assert len(subject["source"]["image"]["sha256"]) == 64
    lesion = store.index["z_index"][(store.index["subject"] == 2) & (store.index["pathology"] == 1)]
    assert lesion.tolist() == list(range(10, 16))  # where the mask was written, on an unchanged grid
    assert store.verify() == []


def test_bytes_do_not_depend_on_the_number_of_processes(bids, tmp_path):
    build(bids, tmp_path / "one")
    build(bids, tmp_path / "two", jobs=2)
    assert SliceStore(tmp_path / "one").fingerprint == SliceStore(tmp_path / "two").fingerprint


def damage(bids):
    path = bids / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz"
    path.write_bytes(path.read_bytes()[:-40])
    return path


def test_one_bad_file_stops_the_build_by_name(bids, tmp_path):
    path = damage(bids)
    with pytest.raises(JsddpmError, match=f"NIFTI_.*{path.name}.*--skip-bad"):
        build(bids, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_or_is_left_out_with_its_reason(bids, tmp_path):
    damage(bids)
    outcomes = build(bids, tmp_path / "store", skip_bad=True)
    assert [o.problem is not None for o in outcomes] == [False, False, True, False]
    assert "sub-02" not in set(SliceStore(tmp_path / "store").patients)


def test_when_all_are_bad_the_first_cause_is_given(bids, tmp_path):
    for path in bids.rglob("*_FLAIR.nii.gz"):
        path.write_bytes(b"")
    with pytest.raises(JsddpmError, match=r"NIFTI_EMPTY.*3 more of 4"):
        build(bids, tmp_path / "store", skip_bad=True)


def test_images_lie_in_the_unit_range(bids, tmp_path):
    build(bids, tmp_path / "store")
    store = SliceStore(tmp_path / "store")
    images = store.images(np.arange(len(store.index)))
    assert (images.min(), images.max()) == (0, 1)
