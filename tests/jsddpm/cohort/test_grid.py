"""What the grid of a store leaves out is said, with the share that plain arithmetic gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jsddpm.cohort.grid import cut_notes, lost_lesion_notes, outside_grid
from jsddpm.cohort.nifti import Volume, open_nifti, write_nifti
from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.sources import read_cohort
from jsddpm.errors import JsddpmError
from jsddpm.slices.build import build_slice_cache
from jsddpm.slices.store import SliceStore
from jsddpm_cli.contents import notes_of

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def volume(data):
    return Volume(np.asarray(data, np.float32), AFFINE, "i.nii.gz")


def cropped(first):
    """The affine of a grid that begins at a voxel of the volume."""
    place = AFFINE.copy()
    place[:3, 3] = np.array(first) * (2, 3, 4)
    return place


def test_the_lesion_outside_of_a_grid_is_counted_voxel_by_voxel():
    lesion = np.random.default_rng(0).random((12, 10, 14)) < 0.2
    inside = lesion[3:9, 2:10, 5:13]
    outside = outside_grid(lesion, volume(lesion), inside.shape, cropped((3, 2, 5)))
    assert outside == pytest.approx((lesion.sum() - inside.sum()) * 24)


@pytest.mark.parametrize(
    ("first", "end", "sides"),
    [
        ((0, 0, 0), (20, 20, 20), ""),
        ((0, 0, 0), (20, 20, 14), "top"),
        ((0, 0, 6), (20, 20, 20), ""),  # a neck continues below every head
        ((6, 0, 0), (20, 14, 20), "left and front"),
        ((0, 6, 0), (14, 20, 20), "right and back"),
        ((1, 1, 1), (19, 19, 19), ""),
    ],
)
def test_a_head_that_continues_beyond_the_grid_is_cut_off(first, end, sides):
    """A cube of 14 voxels in the middle of 20, and the grid's voxels are those of the volume."""
    head = np.zeros((20, 20, 20), bool)
    head[3:17, 3:17, 3:17] = True
    grid = head[tuple(slice(a, b) for a, b in zip(first, end, strict=True))]
    notes = cut_notes(grid, volume(head), cropped(first))
    assert notes == ((f"the grid cuts off the head at the {sides}: give a larger --shape",) if sides else ())


def test_a_head_that_its_own_volume_cuts_off_has_no_cure():
    head = np.ones((20, 20, 20), bool)
    assert cut_notes(head, volume(head), cropped((0, 0, 0))) == ()


def test_chance_in_resampled_lesions_is_not_taken_for_a_loss():
    """Lesion voxels that all lie apart, each kept with the probability of its share of a voxel of the grid."""
    rng = np.random.default_rng(0)
    kept = rng.binomial(64 * 50, 1 / 64, 2000)
    assert np.mean([bool(lost_lesion_notes(64 * 50, k * 64, 64)) for k in kept]) < 0.003
    assert all(lost_lesion_notes(64 * 50, k * 64, 64) for k in range(1, 28))


def taller(bids, planes):
    """sub-00 in a volume with 20 empty planes below, so its middle is not that of the head; lesion of 3 x 4 x 6."""
    for path in sorted(bids.rglob("sub-00_FLAIR*.nii.gz")):
        image = open_nifti(path)
        data = np.concatenate([np.zeros((*image.data.shape[:2], 20), np.float32), image.data], axis=2)
        if path.name.endswith("roi.nii.gz"):
            data[:] = 0
            data[9:12, 10:14, slice(*planes)] = 1
        write_nifti(path, data.astype(np.int16), image.affine)


SPEC = Preprocessing((20, 24, 28), (3.0, 3.0, 3.0))  # of 48 planes, 10 to 37 are on the grid


def test_a_patient_whose_lesion_is_cropped_away_is_no_control(bids, tmp_path):
    """The store had the patient's slices as those of a patient without a lesion."""
    taller(bids, (40, 46))
    records = read_cohort(bids).require_clean()
    with pytest.raises(JsddpmError, match=rf"LESION_LOST.*sub-00.*lesion of {72 * 27} mm3 lies outside of the grid"):
        build_slice_cache(records, tmp_path / "store", spec=SPEC)
    outcomes = build_slice_cache(records, tmp_path / "other", spec=SPEC, skip_bad=True)
    assert [o.subject for o in outcomes if o.problem] == ["sub-00"]
    control = [replace(r, group="control") if r.subject == "sub-00" else r for r in records]
    assert not any(o.problem for o in build_slice_cache(control, tmp_path / "control", spec=SPEC))


def test_a_lesion_between_the_voxels_of_the_grid_is_no_control(bids, tmp_path):
    path = next(bids.rglob("sub-00_FLAIR_roi.nii.gz"))
    mask = np.zeros((20, 24, 28), np.uint8)
    mask[10, 12, 11] = 1
    write_nifti(path, mask, open_nifti(path).affine)
    spec = Preprocessing((10, 12, 14), (9.0, 9.0, 9.0))
    with pytest.raises(JsddpmError, match=r"LESION_LOST.*lesion of 27 mm3 falls between.*a finer --spacing"):
        build_slice_cache(read_cohort(bids).require_clean(), tmp_path / "store", spec=spec)


def test_a_lesion_that_is_cropped_in_part_is_noted_and_the_store_says_so(bids, tmp_path):
    taller(bids, (36, 46))  # two of ten planes are on the grid
    outcomes = build_slice_cache(read_cohort(bids).require_clean(), tmp_path / "store", spec=SPEC)
    notes = {o.subject: o.notes for o in outcomes}
    lost = f"the grid has {24 * 27} of {120 * 27} mm3 of its lesion: give a larger --shape, or a coarser --spacing"
    assert lost in notes["sub-00"]
    assert [notes[s] for s in ("sub-01", "sub-02", "sub-03")] == [(), (), ()]
    store = SliceStore(tmp_path / "store")
    assert [(name, text) for name, text in notes_of(store) if "the grid" in text] == [("sub-00", lost)]
    assert "the grid" not in (tmp_path / "store" / "store.json").read_text()  # a fingerprint does not depend on it
