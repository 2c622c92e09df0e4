"""Cases of stores: names, places, folds; the places against the volumes that the slices were cut from."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.sources import read_cohort
from jsddpm.errors import JsddpmError
from jsddpm.exports.cases import cases_of, refuse_equal_names, unit_of
from jsddpm.exports.folds import folds_of
from jsddpm.slices.build import build_slice_cache
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from synthetic import write_bids


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return write_bids(tmp_path_factory.mktemp("cohort") / "bids")


@pytest.fixture(scope="module")
def built(sources, tmp_path_factory):
    """A store on the grid of its sources: nothing is moved, so the export must be the source again."""
    records = read_cohort(sources).require_clean()
    out = tmp_path_factory.mktemp("stores") / "store"
    build_slice_cache(records, out, spec=Preprocessing((20, 24, 28), (3.0, 3.0, 3.0)))
    return SliceStore(out)


def stacks(path, positions, *, groups=True):
    """A generated store: slices at these positions, one volume each two rows of ``positions``."""
    rng, z = np.random.default_rng(0), np.array(positions)
    info = {"groups": ["a", "b"]} if groups else {}
    with new_store(path, kind="generated", n_slices=40, spacing=(3.0, 2.0, 1.5), **info) as writer:
        rows = {"z_index": z.ravel(), "pathology": np.repeat([0, 1], z.shape[1]), "sample": np.arange(z.size)}
        rows |= {"group": np.repeat([0, 1], z.shape[1])} if groups else {}
        image = rng.random((z.size, 16, 12)).astype(np.float32)
        writer.add(Shard("made", image, image > 0.9, rows))
    return SliceStore(path)


def test_volumes_are_the_sources_again(built, sources, tmp_path):
    for case in cases_of(built, "volumes"):
        case.write_image(tmp_path / "image.nii.gz")
        case.write_mask(tmp_path / "mask.nii.gz")
        source = sources / case.name / "anat"
        truth = nib.load(source / f"{case.name}_FLAIR_roi.nii.gz")
        image, mask = (nib.load(tmp_path / name) for name in ("image.nii.gz", "mask.nii.gz"))
        np.testing.assert_allclose(mask.affine, truth.affine)
        np.testing.assert_allclose(image.affine, truth.affine)
        np.testing.assert_array_equal(mask.get_fdata(), truth.get_fdata())
        before = nib.load(source / f"{case.name}_FLAIR.nii.gz").get_fdata()
        inside = (image.get_fdata() > 0) & (image.get_fdata() < 1)  # a straight line inside the window
        assert np.corrcoef(before[inside], image.get_fdata()[inside])[0, 1] > 0.999999


def test_a_slice_lies_where_it_lay_in_its_volume(built, sources, tmp_path):
    volume = nib.load(sources / "sub-00" / "anat" / "sub-00_FLAIR_roi.nii.gz")
    case = next(c for c in cases_of(built, "slices", z_range=(10, 12)) if c.name == "sub-00_z011")
    case.write_mask(tmp_path / "mask.nii.gz")
    mask = nib.load(tmp_path / "mask.nii.gz")
    assert mask.shape == (20, 24, 1)
    np.testing.assert_array_equal(mask.get_fdata()[..., 0], volume.get_fdata()[..., 11])
    corner = np.array([3, 5, 11, 1])
    np.testing.assert_allclose(mask.affine @ [3, 5, 0, 1], volume.affine @ corner)


def test_a_generated_volume_lies_at_its_positions_and_in_the_middle(tmp_path):
    made = stacks(tmp_path / "made", [[10, 14, 18], [10, 14, 18]])
    cases = cases_of(made, "volumes", prefix="synthetic")
    assert [c.name for c in cases] == ["synthetic_0000", "synthetic_0001"]
    assert [c.pathology for c in cases] == ["control", "lesion"]
    x, y, z, _ = cases[0].affine @ [(12 - 1) / 2, (16 - 1) / 2, 1, 1]
    assert (x, y, z) == (0, 0, 14 * 1.5)
    np.testing.assert_allclose(np.diag(cases[0].affine), [2, 3, 4 * 1.5, 1])


def test_bins_of_unequal_size_make_a_grid_and_gaps_do_not(tmp_path):
    case = cases_of(stacks(tmp_path / "bins", [[10, 14, 17, 21], [10, 14, 17, 21]]), "volumes")[0]
    assert abs((case.affine @ [0, 0, 2, 1])[2] - 17 * 1.5) <= 0.5 * 1.5
    with pytest.raises(JsddpmError, match="not evenly spaced") as caught:
        cases_of(stacks(tmp_path / "gap", [[10, 14, 30], [10, 14, 30]]), "volumes")
    assert caught.value.code == "CASES"
    with pytest.raises(JsddpmError, match="not evenly spaced"):
        cases_of(stacks(tmp_path / "twice", [[10, 10], [10, 11]]), "volumes")


def test_single_slices_are_no_volumes(generated, store):
    assert (unit_of([store]), unit_of([store, generated])) == ("volumes", "slices")
    with pytest.raises(JsddpmError, match="do not belong to a volume"):
        cases_of(generated, "volumes")
    names = [case.name for case in cases_of(generated, "slices")]
    assert len(set(names)) == len(names) == len(generated.index)


def test_two_cases_never_have_one_name(store):
    with pytest.raises(JsddpmError, match="belong to two cases"):
        refuse_equal_names(cases_of(store, "volumes") * 2)


def test_nobody_is_validated_on_whom_a_generator_may_know(store, generated):
    real, made = cases_of(store, "slices", z_range=(10, 11)), cases_of(generated, "slices")
    (fold,) = folds_of([*real, *made])
    assert {name.split("_")[0] for name in fold["val"]} == {"sub-4"}  # the fixture's only patient of the split val
    assert {c.name for c in made} <= set(fold["train"])
    assert not any(name.startswith("sub-5") for part in fold.values() for name in part)  # test
    with pytest.raises(JsddpmError, match="split val"):
        folds_of([*(c for c in real if c.split == "train"), *made])


def test_without_generated_cases_every_patient_is_validated_on_once(store):
    folds = folds_of(cases_of(store, "slices", z_range=(10, 13)), 5)
    validated = [{name.split("_")[0] for name in fold["val"]} for fold in folds]
    assert sorted(name for part in validated for name in part) == [f"sub-{p}" for p in range(5)]
    for fold, held_out in zip(folds, validated, strict=True):
        assert not held_out & {name.split("_")[0] for name in fold["train"]}
    with pytest.raises(JsddpmError, match="6 folds"):
        folds_of(cases_of(store, "volumes"), 6)
