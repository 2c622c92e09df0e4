"""What a scan says of images and masks that read well, and mean something else than the user thinks."""

from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
import pytest

from jsddpm.cohort.brain import dark_background, estimate_brain
from jsddpm.cohort.inspect import inspect_records
from jsddpm.cohort.masks import OUTSIDE, TOO_LARGE, MaskReading, mask_notes
from jsddpm.cohort.nifti import write_nifti
from jsddpm.cohort.preprocess import Preprocessing, preprocess
from jsddpm.cohort.records import Record
from jsddpm.cohort.subject import BRIGHT_BACKGROUND, LESION_OF_CONTROL, NO_LESION, PADDING, read_subject
from jsddpm.errors import JsddpmError

SHAPE, AFFINE = (34, 40, 30), np.diag([3.0, 3.0, 3.0, 1.0])
GRID = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in SHAPE], indexing="ij"))
RADIUS = np.sqrt((GRID**2).sum(0))
HEAD = RADIUS < 12


def ball(x, radius=2.5):
    """A ball whose centre lies ``x`` voxels to the side of the head's."""
    return np.sqrt(((GRID - np.array([x, 0, 0])[:, None, None, None]) ** 2).sum(0)) < radius


def record(folder, image, mask, group="patient"):
    write_nifti(folder / "i.nii.gz", np.asarray(image, np.float32), AFFINE)
    write_nifti(folder / "m.nii.gz", np.asarray(mask, np.uint8), AFFINE)
    return Record("s", "s", "", group, folder / "i.nii.gz", folder / "m.nii.gz")


def tissue():
    return HEAD * (100 + np.random.default_rng(0).normal(0, 15, SHAPE)).astype(np.float32)


@pytest.mark.parametrize(
    ("lesion", "note"),
    [
        (ball(6), ()),
        (ball(11), ()),  # at the surface, a part of it outside
        (ball(15), (OUTSIDE,)),
        (~ball(6), (TOO_LARGE,)),
        (HEAD, (TOO_LARGE,)),
        (np.ones(SHAPE, bool), (TOO_LARGE,)),
        (np.zeros(SHAPE, bool), ()),
        (HEAD & (GRID[0] > 3), ()),  # large, and less than half
    ],
    ids=["inside", "surface", "outside", "inverted", "brain", "full", "empty", "large"],
)
@pytest.mark.parametrize("region", [HEAD, HEAD & (RADIUS > 10)], ids=["head", "skull"])
def test_a_lesion_that_does_not_fit_its_head_is_noted(lesion, note, region):
    assert mask_notes(lesion, region) == note


@pytest.mark.parametrize(
    ("mask", "group", "note"),
    [
        (ball(6), "patient", ()),
        (ball(6), "control", (LESION_OF_CONTROL,)),
        (~ball(6), "patient", (TOO_LARGE,)),
        (~ball(6), "control", (TOO_LARGE, LESION_OF_CONTROL)),
        (ball(6) & False, "patient", (NO_LESION,)),
        (ball(6) & False, "control", ()),
    ],
)
def test_a_scan_notes_what_a_mask_says(tmp_path, mask, group, note):
    (found,) = inspect_records([record(tmp_path, tissue(), mask, group)])
    assert (found.problem, found.notes) == (None, note)


@pytest.mark.parametrize(
    ("reading", "note"),
    [
        (MaskReading((1,)), "none with label 1 (values 0, 255)"),
        (MaskReading((1, 4)), "none with label 1 or 4 (values 0, 255)"),
        (MaskReading(threshold=300.0), "none above the threshold 300 (values 0 to 255)"),
    ],
)
def test_a_mask_of_other_values_is_no_empty_mask(tmp_path, reading, note):
    """It was noted as one without a lesion voxel, like an empty one."""
    asked = record(tmp_path, tissue(), ball(6) * 255)
    (found,) = inspect_records([asked], reading)
    assert found.notes == (f"its mask has {int(ball(6).sum())} voxels, {note}", NO_LESION)
    (found,) = inspect_records([record(tmp_path, tissue(), ball(6) * 255, "control")], reading)
    assert found.notes == ()


def test_a_scan_finds_images_that_a_build_would_refuse(tmp_path):
    """It listed them as usable."""
    flat = record(tmp_path, HEAD * 100, ball(6))
    (found,) = inspect_records([flat])
    with pytest.raises(JsddpmError) as refused:
        preprocess(read_subject(flat), Preprocessing((40, 40, 40), (3, 3, 3)))
    assert found.problem is not None
    assert found.problem.code == refused.value.code == "CONTRAST"
    assert str(found.problem) == str(refused.value)


def test_an_image_z_scored_inside_the_brain_gives_the_same_slices(tmp_path):
    """Half of such a brain is darker than its background, and was taken for background."""
    image = tissue()
    inside = image[HEAD]
    image[~HEAD] = inside.min()
    scored = np.where(HEAD, (image - inside.mean()) / inside.std(), 0)
    spec = Preprocessing((40, 48, 36), (3, 3, 3))
    plain, other = (preprocess(read_subject(record(tmp_path, i, ball(6))), spec) for i in (image, scored))
    assert np.array_equal(other.brain, plain.brain)
    assert np.abs(other.image - plain.image).max() < 1e-4
    assert other.image[0].max() == 0, "padding is as dark as the background"
    assert other.window == pytest.approx([(w - inside.mean()) / inside.std() for w in plain.window], abs=1e-4)
    assert read_subject(record(tmp_path, scored, ball(6))).notes == (BRIGHT_BACKGROUND,)
    assert read_subject(record(tmp_path, image, ball(6))).notes == ()


@pytest.mark.parametrize("noise", ["none", "ringing", "everywhere"])
def test_a_dark_background_is_left_alone(noise):
    """Interpolation leaves slightly negative values around a head; noise is no background of one value."""
    image, rng = tissue(), np.random.default_rng(1)
    if noise == "ringing":
        image[~HEAD & (RADIUS < 14)] = -np.abs(rng.normal(0, 2, int((~HEAD & (RADIUS < 14)).sum())))
    if noise == "everywhere":
        image += rng.normal(0, 5, SHAPE).astype(np.float32)
    assert dark_background(image) is image


def test_a_value_inside_the_brain_is_no_background():
    """Only what is connected to the border is background."""
    image = np.where(HEAD, np.float32(np.random.default_rng(0).normal(0, 1, SHAPE)), np.float32(0))
    image[17, 20, 15] = 0
    moved = dark_background(image)
    assert np.array_equal(moved[HEAD], image[HEAD])
    assert set(moved[~HEAD].tolist()) == {float(image.min())}


def test_no_intensity_is_too_large_for_the_estimate():
    """Squares of intensities overflowed with a warning of a library; a power of 2 changes nothing but the exponent."""
    image = tissue()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(np.array_equal(estimate_brain(np.ldexp(image, e)), estimate_brain(image)) for e in (-100, 60, 100))


@pytest.mark.parametrize("sizes", [True, False], ids=["sizes", "no sizes"])
@pytest.mark.parametrize("silent", ["i.nii.gz", "m.nii.gz"])
def test_a_header_without_an_affine_is_blamed_itself(tmp_path, silent, sizes):
    """The message was about the mask, whose header is right."""
    asked = record(tmp_path, tissue(), ball(6))
    image = nib.Nifti1Image(np.asarray(nib.load(tmp_path / silent).dataobj), None)
    image.header["pixdim"][1:4] = 3 if sizes else 0
    nib.save(image, tmp_path / silent)
    (found,) = inspect_records([asked])
    assert found.problem is not None
    assert (found.problem.code, found.problem.file) == ("NIFTI_AFFINE", str(tmp_path / silent))
    assert "both codes are 0" in found.problem.what
    assert ("0 x 0 x 0 are not sizes" in found.problem.what) is not sizes


def test_padding_below_the_air_of_a_ct_is_no_bright_background(tmp_path):
    """It was noted as z-scored, and the air got the value of the padding."""
    scan = np.where(HEAD, tissue() - 60, np.float32(-1024))
    padded = scan.copy()
    padded[:4] = padded[:, :4] = -3024
    spec = Preprocessing((40, 48, 36), (3, 3, 3))
    plain, other = (preprocess(read_subject(record(tmp_path, i, ball(6))), spec) for i in (scan, padded))
    assert np.array_equal(other.image, plain.image)
    assert other.window == plain.window
    assert read_subject(record(tmp_path, padded, ball(6))).notes == (PADDING,)
    assert read_subject(record(tmp_path, scan, ball(6))).notes == ()


def test_an_outlier_is_named(tmp_path):
    """One hot voxel was the whole brain, which had *a single intensity*."""
    image = tissue()
    image[16, 20, 14] = 1e7
    (found,) = inspect_records([record(tmp_path, image, ball(6))])
    assert found.problem is not None
    assert found.problem.code == "CONTRAST"
    assert "1 voxel of 1e+07, which may be an outlier" in found.problem.what
