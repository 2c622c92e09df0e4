"""Geometry against an independent computation in world coordinates, on volumes of unequal sides."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from jsddpm.cohort.brain import estimate_brain
from jsddpm.cohort.nifti import Volume, open_nifti
from jsddpm.cohort.preprocess import Preprocessing, on_grid, preprocess
from jsddpm.cohort.subject import Subject
from jsddpm.errors import JsddpmError

SHAPE = (34, 40, 30)
SPACING = np.array([2.0, 1.5, 2.5])


def subject(image, affine, mask=None, brain=None):
    lesion = np.zeros(image.shape, bool) if mask is None else mask
    return Subject(Volume(image, affine, Path("x.nii")), lesion, brain, ())


def head(marker):
    """A ball with a bright marked voxel."""
    grid = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in SHAPE], indexing="ij"))
    ball = np.sqrt(((grid * SPACING[:, None, None, None]) ** 2).sum(0)) < 26
    image = np.where(ball, 400.0, 10.0).astype(np.float32)
    image += np.random.default_rng(0).normal(0, 4, SHAPE).astype(np.float32)
    mask = np.zeros(SHAPE, bool)
    i, j, k = marker
    mask[i - 1 : i + 2, j - 1 : j + 2, k - 1 : k + 2] = True
    image[mask] = 900
    return image, mask


def affine_of(flips, order, angle):
    """Voxel-to-world: spacing, axes flipped and permuted, turned about the vertical axis, centred at (5, -3, 2)."""
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    linear = turn @ np.eye(3)[:, list(order)] @ np.diag(SPACING * np.array(flips))
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = np.array([5.0, -3.0, 2.0]) - linear @ ((np.array(SHAPE) - 1) / 2)
    return affine


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
@pytest.mark.parametrize(("order", "angle"), [((0, 1, 2), 0.0), ((1, 0, 2), 0.0), ((0, 2, 1), 0.0), ((0, 1, 2), 0.2)])
def test_a_marked_point_stays_where_it_is_in_the_world(flips, order, angle):
    marker = (12, 25, 17)
    image, mask = head(marker)
    affine = affine_of(flips, order, angle)
    stack = preprocess(subject(image, affine, mask), Preprocessing((48, 44, 40), (1.5, 1.75, 2.0)))
    assert stack.image.shape == (40, 44, 48)
    world = affine @ [*marker, 1]
    for found in (stack.mask.astype(float), np.where(stack.image > 0.9, stack.image, 0)):
        z, row, column = [
            float((found * index).sum() / found.sum()) for index in np.indices(found.shape)
        ]  # fmt: skip
        at = stack.affine @ [row, column, z, 1]
        assert np.abs(np.linalg.inv(stack.affine)[:3, :3] @ (at - world)[:3]).max() < 0.5 + 1e-9  # nearest neighbour


def test_rows_run_front_to_back_and_columns_left_to_right():
    stack = preprocess(
        subject(head((10, 20, 15))[0], affine_of((1, 1, 1), (0, 1, 2), 0)),
        Preprocessing((40, 48, 36), (2, 2, 2)),
    )
    row, column, z = stack.affine[:3, 0], stack.affine[:3, 1], stack.affine[:3, 2]
    assert np.allclose(row, [0, -2, 0])
    assert np.allclose(column, [2, 0, 0])
    assert np.allclose(z, [0, 0, 2])


def test_intensities_are_one_invertible_window_of_the_brain():
    image, mask = head((12, 25, 17))
    affine, spec = affine_of((1, 1, 1), (0, 1, 2), 0), Preprocessing((48, 40, 40), (2, 2, 2))
    scaled = preprocess(subject(image * 7 + 100, affine, mask), spec)
    plain = preprocess(subject(image, affine, mask), spec)
    assert plain.image.min() == 0
    assert plain.image.max() == 1
    assert np.abs(scaled.image - plain.image).max() < 1e-3
    assert scaled.window == pytest.approx([7 * w + 100 for w in plain.window], rel=2e-3)


@pytest.mark.parametrize("form", ["voxels", "scl_inter", "int16"])
def test_a_background_below_0_gives_the_same_slices(form, tmp_path):
    """An offset of all values changes nothing but the window: padding is as dark as the background."""
    image, mask = head((12, 25, 17))
    image, affine, spec = np.rint(image - image.min()), affine_of((1, 1, 1), (0, 1, 2), 0), Preprocessing((48, 60, 52))
    plain = preprocess(subject(image, affine, mask), spec)
    if form == "voxels":
        moved = image - 300
    else:
        stored = nib.Nifti1Image((image - (300 if form == "int16" else 0)).astype(np.int16), affine)
        stored.header.set_slope_inter(1, 0 if form == "int16" else -300)
        nib.save(stored, tmp_path / "moved.nii")
        moved = open_nifti(tmp_path / "moved.nii").data
    assert moved.min() == -300
    other = preprocess(subject(moved, affine, mask), spec)
    assert plain.image[0].max() == other.image[0].max() == 0, "padding is black"
    assert np.abs(other.image - plain.image).max() < 1e-5
    assert np.array_equal(other.brain, plain.brain)
    assert other.window == pytest.approx([w - 300 for w in plain.window], abs=1e-3)


def test_the_grid_outside_of_a_volume_is_its_background_or_a_given_value():
    image, affine = head((12, 25, 17))[0] - 50, affine_of((1, 1, 1), (0, 1, 2), 0)
    grid, labels = Preprocessing((48, 60, 52), tuple(SPACING)), np.zeros(SHAPE, np.uint8)
    volume = Volume(image, affine, Path("x.nii"))
    for given, expected in ((None, image.min()), (0, 0), (7, 7)):
        values = on_grid(volume, labels, grid, outside=given)[0]
        assert values[0, 0, 0] == pytest.approx(expected, abs=1e-5)
        assert np.abs(values[7:41, 10:50, 11:41] - image).max() < 1e-3, "the same voxels, moved"


def test_lesion_volume_is_recorded_before_and_after():
    image, mask = head((12, 25, 17))
    mask[10:16, 20:27, 12:17] = True
    stack = preprocess(subject(image, affine_of((1, 1, 1), (0, 1, 2), 0), mask), Preprocessing((48, 44, 40), (1, 1, 1)))
    assert stack.lesion_mm3[0] == pytest.approx(mask.sum() * SPACING.prod())
    assert stack.lesion_mm3[1] == pytest.approx(stack.lesion_mm3[0], rel=0.1)


def test_brain_is_the_filled_largest_part():
    image, _ = head((12, 25, 17))
    image[17, 20, 15] = 0
    image[1, 1, 1] = 400
    brain = estimate_brain(image)
    assert brain[17, 20, 15]
    assert not brain[1, 1, 1]
    assert not estimate_brain(np.zeros((9, 9, 9), np.float32)).any()


def test_the_brain_of_a_slice_is_filled_as_in_a_volume():
    row, column = np.indices((41, 54))
    distance = np.hypot(row - 20, column - 26)
    ring = np.where((distance < 18) & (distance > 6), 300.0, 5.0).astype(np.float32)
    ring[2, 2] = 300
    brain = estimate_brain(ring)
    assert brain[distance < 16].all(), "the middle is filled, and the edge is true to a pixel or two"
    assert not brain[distance >= 18].any()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"shape": (4, 64, 64)}, "SHAPE"),
        ({"shape": (64.5, 64, 64)}, "SHAPE"),
        ({"spacing": (0, 1, 1)}, "SPACING"),
        ({"spacing": (1, -1, 1)}, "SPACING"),
        ({"spacing": (1e-9, 1, 1)}, "SPACING"),  # blamed every image, after reading it
        ({"spacing": (float("nan"), 1, 1)}, "SPACING"),
        ({"window": (99.9, 0.1)}, "WINDOW"),  # said that the brain has a single intensity
        ({"window": (50, 50)}, "WINDOW"),
        ({"window": (-1, 100)}, "WINDOW"),  # blamed the image's header
        ({"window": (0, 100.1)}, "WINDOW"),
        ({"window": (float("nan"), 99)}, "WINDOW"),
        ({"window": (1,)}, "WINDOW"),
    ],
)
def test_impossible_targets_are_refused(wrong, code):
    with pytest.raises(JsddpmError) as caught:
        Preprocessing(**wrong)
    assert (caught.value.code, caught.value.status) == (code, 2)
    Preprocessing(shape=tuple(np.int64([64, 8, 64])), window=(0, 100))


def test_a_grid_too_large_is_refused_before_it_is_made():
    """Voxels of a metre, resampled to 1 mm, would take gigabytes."""
    image, _ = head((12, 25, 17))
    wide = affine_of((1, 1, 1), (0, 1, 2), 0) @ np.diag([100.0, 100.0, 100.0, 1.0])
    with pytest.raises(JsddpmError, match=r"NIFTI_TOO_LARGE.*at 1 x 1 x 1 mm it has 6800 x 6000 x 7500 voxels"):
        preprocess(subject(image, wide), Preprocessing((48, 44, 40), (1, 1, 1)))


def test_a_given_brain_mask_takes_the_place_of_the_estimate():
    image, mask = head((12, 25, 17))
    brain = np.zeros(SHAPE, bool)
    brain[10:24, 12:28, 10:20] = True
    image[brain] *= 2
    affine, spec = affine_of((1, 1, 1), (0, 1, 2), 0), Preprocessing((48, 44, 40), (2.0, 1.5, 2.5))
    stack = preprocess(subject(image, affine, mask, brain), spec)
    assert stack.brain.sum() == brain.sum()  # same spacing: a shift, no interpolation
    assert stack.mask.sum() == mask.sum()
    assert stack.window == pytest.approx(np.percentile(image[brain], spec.window), rel=1e-4)
