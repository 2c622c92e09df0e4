"""Each format opened by the tool it is for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from jsddpm.anonymise import codes_of
from jsddpm.binning import ZBinning
from jsddpm.cohort.sources import read_cohort
from jsddpm.errors import JsddpmError
from jsddpm.exports.dataset import export_stores
from jsddpm.exports.formats import formats
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


def everything(folder):
    """The text of every file that is no image, and every name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return "\n".join(
        [str(p.relative_to(folder)) for p in files] + [p.read_text() for p in files if p.suffix not in (".gz", ".png")]
    )


@pytest.fixture(scope="module")
def nnunet(store, generated, tmp_path_factory):
    out = tmp_path_factory.mktemp("nnUNet_raw") / "Dataset501_FLAIR"
    export_stores([store, generated], out, "nnunet", z_range=(12, 14))
    return out


def test_nnunet_finds_the_data_set_intact(nnunet):
    pytest.importorskip("nnunetv2")
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    verify_dataset_integrity(str(nnunet), num_processes=1)


def test_nnunet_reads_pixels_and_spacing_of_the_store(nnunet, store):
    pytest.importorskip("nnunetv2")
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    image, about = SimpleITKIO().read_images([str(nnunet / "imagesTr" / "sub-0_z013_0000.nii.gz")])
    label, _ = SimpleITKIO().read_seg(str(nnunet / "labelsTr" / "sub-0_z013.nii.gz"))
    row = np.flatnonzero((store.patients == "p0") & (store.index["z_index"] == 13))
    np.testing.assert_array_equal(image[0, 0], store.images(row)[0, ::-1])  # y runs to the front
    np.testing.assert_array_equal(label[0, 0], store.masks(row)[0, ::-1])
    assert tuple(about["spacing"]) == (1.5, 3.0, 2.0)  # z, y, x


def test_synthetic_cases_are_trained_on_in_every_fold_and_never_validated_on(nnunet):
    folds = json.loads((nnunet / "splits_final.json").read_text())
    there = {path.name.removesuffix(".nii.gz") for path in (nnunet / "labelsTr").iterdir()}
    made = {name for name in there if name.startswith("synthetic")}
    assert made
    for fold in folds:
        assert set(fold["train"]) | set(fold["val"]) == there
        assert not set(fold["train"]) & set(fold["val"])
        assert made <= set(fold["train"])
    assert {p.name for p in (nnunet / "labelsTs").iterdir()} == {f"sub-5_z{z:03d}.nii.gz" for z in (12, 13, 14)}


def test_its_own_reader_takes_it_back(nnunet):
    cohort = read_cohort(nnunet, layout="nnunet")
    assert not cohort.problems
    assert sum(record.split == "test" for record in cohort.records) == 3


def test_where_cases_come_from_stays_known(nnunet, store, generated):
    stores = json.loads((nnunet / "provenance.json").read_text())["stores"]
    assert [s["fingerprint"] for s in stores] == [store.fingerprint, generated.fingerprint]
    assert (stores[1]["sampling"], stores[1]["seed"]) == (generated.info["sampling"], generated.info["seed"])


@pytest.fixture(scope="module")
def bids(store, generated, tmp_path_factory):
    out = tmp_path_factory.mktemp("derivatives") / "jsddpm"
    export_stores([store.path, generated], out, "bids")
    return out


def test_the_bids_validator_finds_no_error(bids):
    if not VALIDATOR.exists():
        pytest.skip("the BIDS validator is not installed: pip install bids-validator-deno")
    done = subprocess.run([VALIDATOR, bids, "--json"], capture_output=True, text=True, timeout=120)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert done.returncode == 0


def test_bids_reads_back_as_a_cohort(bids, store):
    cohort = read_cohort(bids, layout="bids")
    assert not cohort.problems
    real = [record for record in cohort.records if not record.patient.startswith("sub-synthetic")]
    assert len(real) == 6
    for record in real:
        rows = np.flatnonzero(store.patients == record.patient.removeprefix("sub-"))
        mask = np.asarray(nib.load(record.mask).dataobj)
        np.testing.assert_array_equal(mask, store.masks(rows).transpose(2, 1, 0)[:, ::-1])


@pytest.mark.parametrize(
    "visits", [("2020-1-11", "2020-11-1"), ("a", "A"), ("", "")], ids=["of-equal-digits", "of-another-case", "unnamed"]
)
def test_visits_that_bids_would_name_alike_are_refused(visits, tmp_path):
    """Only labels of subjects were compared: the second visit replaced the files of the first."""
    with new_store(tmp_path / "store", kind="real", n_slices=2, spacing=(1.0, 1.0, 1.0)) as writer:
        for number, session in enumerate(visits):
            image = np.full((2, 16, 12), 0.5, np.float32)
            rows, info = {"z_index": [0, 1], "pathology": 0}, {"patient": "p", "session": session, "split": "train"}
            writer.add(Shard(f"visit-{number}", image, np.zeros(image.shape, bool), rows, info))
    with pytest.raises(JsddpmError, match=r"CASES.*visit-0 and visit-1 would both be named sub-p") as caught:
        export_stores([SliceStore(tmp_path / "store")], tmp_path / "out", "bids")
    assert (caught.value.status, (tmp_path / "out").exists()) == (2, False)


def test_every_generated_image_says_so(bids):
    sidecars = sorted(bids.glob("sub-*/anat/*.json"))
    assert len(sidecars) == len(list(bids.glob("sub-*/anat/*.nii.gz")))
    for path in sidecars:
        assert json.loads(path.read_text())["Synthetic"] == path.name.startswith("sub-synthetic")


@pytest.mark.parametrize("form", formats())
def test_no_name_is_left_under_codes(form, store, generated, tmp_path):
    codes = codes_of(tmp_path / "key.csv", store.subjects, shared=[tmp_path / "out"])
    export_stores([store, generated], tmp_path / "out", form, codes=[codes, None], z_range=(12, 14))
    found = everything(tmp_path / "out")
    assert not re.search(r"\bp[0-5]\b|sub-[0-5]\b", found)
    assert next(iter(codes.patients.values())).replace("-", "") in found.replace("-", "")


@pytest.mark.parametrize("form", formats())
def test_what_is_there_is_never_overwritten(form, store, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(JsddpmError, match="already exists"):
        export_stores([store], tmp_path / "out", form)


@pytest.mark.parametrize("form", formats())
def test_a_failure_leaves_nothing(form, store, tmp_path, monkeypatch):
    damaged = shutil.copytree(store.path, tmp_path / "store")
    array = sorted((damaged / "arrays").glob("*.image.npy"))[-1]
    array.chmod(0o644)
    raw = bytearray(array.read_bytes())
    raw[-1] ^= 1
    array.write_bytes(raw)
    with pytest.raises(JsddpmError, match="differs from its checksum"):
        export_stores([type(store)(damaged)], tmp_path / "out", form)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]


@pytest.fixture
def marked(tmp_path):
    """Two samples of one condition: the brightest pixel at the front (row 1) and to the right (last column)."""
    image, mask = np.zeros((2, 6, 4), np.float32), np.zeros((2, 6, 4), bool)
    image[:, 1, 3] = [0.5, 1.0]
    mask[:, 5, 0] = True
    binning = ZBinning((0, 9), 3, n_slices=10)
    with new_store(
        tmp_path / "store", kind="generated", n_slices=10, spacing=(2.0, 1.5, 4.0), binning=binning.to_dict()
    ) as writer:
        rows = {"z_index": 4, "pathology": 1, "sample": [1, 0], "seed": 0}
        writer.add(Shard("generated-0", image, mask, rows))
    return SliceStore(tmp_path / "store")


def test_stacks_have_the_axes_and_voxels_of_the_training_volumes(marked, tmp_path):
    export_stores([marked], tmp_path / "nifti", "nifti")
    image = nib.load(tmp_path / "nifti" / "synthetic_z004_lesion_image.nii.gz")
    mask = nib.load(tmp_path / "nifti" / "synthetic_z004_lesion_mask.nii.gz")
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    assert image.header.get_zooms() == (1.5, 2.0, 4.0)
    assert image.shape == (4, 6, 2)
    data = image.get_fdata()
    assert data.max(axis=(0, 1)) == pytest.approx([1.0, 0.5], abs=1e-4)  # by sample number
    brightest = np.unravel_index(data[..., 0].argmax(), (4, 6))
    x, y, z = nib.affines.apply_affine(image.affine, (*brightest, 0))
    assert (x, y, z) == pytest.approx((1.5 * 1.5, 1.5 * 2.0, 16.0))  # right, front, slice 4 of 4 mm
    lesion = np.argwhere(mask.get_fdata()[..., 0] > 0)[0]
    assert nib.affines.apply_affine(mask.affine, (*lesion, 0))[:2] == pytest.approx((-1.5 * 1.5, -2.5 * 2.0))


def test_pictures_are_what_the_store_holds(marked, tmp_path):
    export_stores([marked], tmp_path / "png", "png")
    image = np.asarray(Image.open(tmp_path / "png" / "synthetic_z004_lesion_0000_image.png"))
    mask = np.asarray(Image.open(tmp_path / "png" / "synthetic_z004_lesion_0001_mask.png"))
    assert (image.shape, image.dtype, image[1, 3], image.sum()) == ((6, 4), np.uint8, 255, 255)
    assert np.argwhere(mask).tolist() == [[5, 0]]
    assert len(list((tmp_path / "png").glob("*.png"))) == 4


@pytest.mark.parametrize("form", ["nifti", "png"])
def test_plain_files_hold_the_pixels_of_patients_too(store, tmp_path, form):
    export_stores([store], tmp_path / "out", form, z_range=(12, 14))
    rows = np.flatnonzero((store.patients == "p2") & np.isin(store.index["z_index"], (12, 13, 14)))
    for kind, pixels in (("image", np.rint(store.images(rows) * 255)), ("mask", store.masks(rows) * 255.0)):
        if form == "nifti":
            found = nib.load(tmp_path / "out" / f"sub-2_{kind}.nii.gz").get_fdata() * 255
            np.testing.assert_allclose(found.transpose(2, 1, 0)[:, ::-1], pixels, atol=0.5)
        else:
            found = [np.asarray(Image.open(tmp_path / "out" / f"sub-2_z{z:03d}_{kind}.png")) for z in (12, 13, 14)]
            np.testing.assert_array_equal(found, pixels)


def test_a_generator_without_masks_has_images_in_bids_and_no_place_in_nnunet(tmp_path):
    rows = {"z_index": [3, 4], "pathology": [0, 1], "sample": [0, 1]}
    with new_store(tmp_path / "made", kind="generated", n_slices=10, spacing=(1.0, 1.0, 1.0), masks=False) as writer:
        writer.add(Shard("made", np.full((2, 16, 12), 0.5, np.float32), np.zeros((2, 16, 12), bool), rows))
    made = SliceStore(tmp_path / "made")
    export_stores([made], tmp_path / "bids", "bids")
    assert len(list((tmp_path / "bids").glob("sub-*/anat/*_FLAIR.nii.gz"))) == 2
    assert not list((tmp_path / "bids").glob("sub-*/anat/*_mask*"))
    for form in ("nifti", "png"):
        export_stores([made], tmp_path / form, form)
        names = [p.name for p in (tmp_path / form).iterdir() if p.suffix in (".gz", ".png")]
        assert (len(names), [n for n in names if "image" not in n]) == (2, [])
    with pytest.raises(JsddpmError, match="have no mask"):
        export_stores([made], tmp_path / "nnunet", "nnunet")
    assert not (tmp_path / "nnunet").exists()


def test_a_format_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    with pytest.raises(JsddpmError, match=r"OPTION.*no format 'nii'.*bids, nifti, nnunet, png"):
        export_stores([], tmp_path / "out", "nii")
