"""Masks of an import: every value that could be a lesion is understood, named by the user, or refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from jsddpm.binning import ZBinning
from jsddpm.cohort.nifti import write_nifti
from jsddpm.errors import JsddpmError
from jsddpm.slices.imported import Facts, IntensityFormat, read_generated
from synthetic import N_SLICES, SIZE

BINNING = ZBinning((5, 34), 5, n_slices=N_SLICES)
COUNT = 6
SQUARE = np.zeros((COUNT, *SIZE))
SQUARE[2:, 10:14, 6:9] = 1
IMAGES = np.linspace(0, 1, SQUARE.size).reshape(SQUARE.shape)
ASKED = np.array([0, 0, 1, 1, 1, 1])


def archive(folder, **arrays):
    values = {"images": IMAGES, "masks": SQUARE, "z_bin": np.arange(COUNT) % 5, "pathology": ASKED}
    np.savez(folder / "a.npz", **{**values, **arrays})
    return folder / "a.npz"


def read(folder, store, *, facts=None, reading=None, **arrays):
    return read_generated(archive(folder, **arrays), binning=BINNING, real=store, facts=facts, intensities=reading)


def of_slices(values):
    """The squares with another value in each slice."""
    return SQUARE * np.array(values)[:, None, None]


@pytest.mark.parametrize("reading", [{}, {"mask_threshold": 0.5}, {"mask_labels": (1,)}])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_no_lesion(store, tmp_path, reading, value):
    """A mask of NaN was a lesion on every pixel, or on none."""
    masks = SQUARE.copy()
    masks[3, 0, 0] = value
    with pytest.raises(JsddpmError, match=f"SLICE_MASK.* 1 of {np.prod(SIZE)} values of the mask are NaN"):
        read(tmp_path, store, masks=masks, reading=IntensityFormat(**reading))


@pytest.mark.parametrize("name", ["images", "masks"])
@pytest.mark.parametrize("kind", ["c16", "U4", "S4", "m8[s]", [("a", "f4")]])
def test_values_that_are_no_numbers_are_refused(store, tmp_path, name, kind):
    """Some ended with status 70, and others were imported."""
    values = {"images": np.round(IMAGES), "masks": SQUARE}[name].astype(np.uint8)
    with pytest.raises(JsddpmError, match=r"SLICE_FILE.*holds values of the type .*fix: write floats") as caught:
        read(tmp_path, store, **{name: values.astype(kind)})
    assert caught.value.status == 3


@pytest.mark.parametrize("count", [4, 9])
def test_there_are_as_many_masks_as_images(store, tmp_path, count):
    """Of more masks the first were taken, which belong to other images if the two were not cut alike."""
    masks = np.resize(SQUARE, (count, *SIZE))
    with pytest.raises(JsddpmError, match=f"SLICE_SHAPE.*{COUNT} images and {count} masks .*fix: write one mask"):
        read(tmp_path, store, masks=masks)
    values = {"images": IMAGES, "masks": masks, "z_bin": np.arange(COUNT) % 5, "pathology": ASKED}
    (tmp_path / "arrays").mkdir()
    for name, array in values.items():
        np.save(tmp_path / "arrays" / f"{name}.npy", array)
    with pytest.raises(JsddpmError, match=f"SLICE_SHAPE.*{COUNT} images and {count} masks"):
        read_generated(tmp_path / "arrays", binning=BINNING, real=store)


def test_one_slice_in_arrays_is_one_slice(store, tmp_path):
    """An array of one slice was taken for as many slices as it has rows."""
    for name, array in {"images": IMAGES[2], "masks": SQUARE[2], "z_bin": 3, "pathology": 1}.items():
        np.save(tmp_path / f"{name}.npy", array)
    made = read_generated(tmp_path, binning=BINNING, real=store)
    assert np.array_equal(made.masks, SQUARE[2:3] == 1)


def test_masks_that_differ_in_the_value_of_lesions_are_refused(store, tmp_path):
    """Labels 1 and 2 in different slices were one lesion, and in one slice they were refused."""
    masks = of_slices([0, 0, 1, 2, 1, 2])
    with pytest.raises(JsddpmError, match=r"SLICE_MASK.*different values besides 0: 1, 2; fix: .*--mask-label"):
        read(tmp_path, store, masks=masks)
    label = read(tmp_path, store, masks=masks, reading=IntensityFormat(mask_labels=(2,)))
    assert label.masks.any(axis=(1, 2)).tolist() == [False, False, False, True, False, True]
    every = read(tmp_path, store, masks=masks, reading=IntensityFormat(mask_threshold=0))
    assert np.array_equal(every.masks, SQUARE == 1)


@pytest.mark.parametrize("top", [0.4, 0.999])
def test_a_fraction_is_no_label(store, tmp_path, top):
    """The NIfTI reader refuses it too; label 1 found no lesion in values of 0.999."""
    listed = rf"SLICE_MASK.*has the values 0, {top}"
    with pytest.raises(JsddpmError, match=listed):
        read(tmp_path, store, masks=SQUARE * top)
    with pytest.raises(JsddpmError, match=f"{listed} instead of whole labels"):
        read(tmp_path, store, masks=SQUARE * top, reading=IntensityFormat(mask_labels=(1,)))


@pytest.mark.parametrize("top", [1, 255])
def test_two_whole_values_need_no_option(store, tmp_path, top):
    assert np.array_equal(read(tmp_path, store, masks=SQUARE * top).masks, SQUARE == 1)


UNUSED = [
    (IntensityFormat(mask_labels=(99,)), "MASK_READING.*no mask has the label 99; fix: use labels that occur: 0, 1"),
    (IntensityFormat(mask_threshold=7), "MASK_READING.*above the threshold 7; fix: .*range from 0 to 1"),
]


@pytest.mark.parametrize(("reading", "message"), UNUSED)
def test_a_reading_that_finds_no_lesion_in_any_mask_is_refused(store, tmp_path, reading, message):
    """All lesions were lost, and the evaluation blamed the generator."""
    with pytest.raises(JsddpmError, match=message):
        read(tmp_path, store, reading=reading)
    with pytest.raises(JsddpmError, match=message):
        read(tmp_path, store, reading=reading, facts=Facts(pathology="mask"), pathology=np.array("", "U4"))
    volumes(tmp_path / "volumes", SQUARE)
    with pytest.raises(JsddpmError, match=message):
        read_generated(tmp_path / "volumes", binning=BINNING, real=store, intensities=reading)


@pytest.mark.parametrize("reading", [reading for reading, _ in UNUSED])
def test_a_generator_that_draws_no_lesion_is_imported(store, tmp_path, reading):
    """Controls alone, or masks that are all empty, are what it drew."""
    assert not read(tmp_path, store, reading=reading, pathology=ASKED * 0).masks.any()
    assert not read(tmp_path, store, reading=reading, masks=SQUARE * 0).masks.any()
    two = IntensityFormat(mask_labels=(1, 99))  # one of several labels need not occur
    assert np.array_equal(read(tmp_path, store, reading=two).masks, SQUARE == 1)


def volumes(folder, masks):
    for part, values in (("images", IMAGES), ("masks", masks)):
        (folder / part).mkdir(parents=True)
        data = np.repeat(values.astype(np.float32).transpose(2, 1, 0), 3, axis=2)
        write_nifti(folder / part / "a.nii.gz", data, np.diag([-2.0, -2.0, 6.0, 1.0]))


@pytest.mark.parametrize(("name", "values"), [("z_bin", np.arange(COUNT) % 5), ("pathology", ASKED)])
def test_facts_may_be_bytes(store, tmp_path, name, values):
    """The number 3 was read as b'3'."""
    expected, made = read(tmp_path, store), read(tmp_path, store, **{name: values.astype("S")})
    assert (made.z_index, made.pathology) == (expected.z_index, expected.pathology)


def test_a_pathology_may_be_boolean(store, tmp_path):
    assert read(tmp_path, store, pathology=ASKED == 1).pathology == ASKED.tolist()
    with pytest.raises(JsddpmError, match=r"TABLE.*z_bin 'False'"):
        read(tmp_path, store, z_bin=ASKED == 1)


def white_is_zero(path, values):
    """A TIFF file whose header says that 0 is white (tag 262 is 0), edited where Pillow wrote 1."""
    Image.fromarray(values).save(path)
    raw = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", raw, 4)
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", raw, start)[0], 12):
        if struct.unpack_from("<H", raw, entry) == (262,):
            struct.pack_into("<H", raw, entry + 8, 0)
    path.write_bytes(raw)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_picture_in_which_0_is_white_is_never_inverted(store, tmp_path, kind):
    """Of 16 bits, it was read inverted."""
    top = np.iinfo(kind).max
    white_is_zero(tmp_path / "a.tif", top - np.round(IMAGES[2] * top).astype(kind))
    np.save(tmp_path / "m.npy", SQUARE[2])
    (tmp_path / "s.csv").write_text("image,mask,z,pathology\na.tif,m.npy,20,1\n")
    if kind is np.uint16:
        with pytest.raises(JsddpmError, match=r"SLICE_FILE.*0 for white"):
            read_generated(tmp_path / "s.csv", binning=BINNING, real=store)
    else:
        made = read_generated(tmp_path / "s.csv", binning=BINNING, real=store)
        assert np.abs(made.images[0] - IMAGES[2]).max() < 1 / top
