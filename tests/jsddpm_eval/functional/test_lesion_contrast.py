"""Contrast of masks against loops over pixels, and on slices of known contrast."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from jsddpm_eval.functional.lesion_contrast import CONTRAST, filled_head, mask_contrast

SIZE = (32, 28)


def head_of(value=0.4):
    image = np.zeros(SIZE, np.float32)
    image[4:28, 4:24] = value
    return image


def columns(image, mask):
    return dict(zip(CONTRAST, mask_contrast(image[None].astype(np.float32), mask[None])[0], strict=True))


def box(top, left, height, width):
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_every_column_agrees_with_means_over_pixels():
    rng = np.random.default_rng(0)
    image = (head_of() + 0.1 * rng.standard_normal(SIZE) * (head_of() > 0)).clip(0, 1).astype(np.float32)
    mask = box(3, 3, 6, 7) | box(20, 15, 4, 5)  # the first reaches outside the head
    head, square = filled_head(image[None])[0], np.ones((3, 3))
    near = ndimage.binary_dilation(mask, square) & ~mask & head
    ring = ndimage.binary_dilation(mask, np.ones((7, 7))) & ~mask & head
    core = ndimage.binary_erosion(mask, square, border_value=1)
    rim = mask & ~core
    scale = image[head & ~mask].std()
    parts = (("contrast", mask, ring), ("step", rim, near), ("within", core, rim), ("beyond", near, ring & ~near))
    found = columns(image, mask)
    for name, one, other in parts:
        expected = (image[one & head].mean() - image[other & head].mean()) / scale
        assert found[name] == pytest.approx(expected, abs=1e-5), name
    assert found["texture"] == pytest.approx(np.log(image[mask & head].std() / scale + 0.01), abs=1e-5)


def test_gain_cancels_and_sign_is_kept():
    rng = np.random.default_rng(1)
    plain = head_of() * (1 + 0.1 * rng.standard_normal(SIZE))
    mask = box(10, 10, 6, 6)
    bright, dark = (np.where(mask, plain + step, plain).clip(0, 1) for step in (0.2, -0.2))
    found = columns(bright, mask)
    assert columns(bright / 2, mask) == pytest.approx(found, rel=1e-5)
    assert found["contrast"] > 1
    assert columns(dark, mask)["contrast"] < -1


def test_masks_larger_and_smaller_than_the_lesion_are_told_apart():
    rng = np.random.default_rng(2)
    lesion = box(10, 9, 8, 8)
    image = (head_of() + 0.02 * rng.standard_normal(SIZE) + 0.3 * lesion).clip(0, 1)
    right, larger, smaller = (columns(image, m) for m in (lesion, box(8, 7, 12, 12), box(12, 11, 4, 4)))
    assert larger["within"] > right["within"] + 1
    assert smaller["beyond"] > right["beyond"] + 1
    assert max(larger["step"], smaller["step"]) < right["step"] / 4


def test_what_cannot_be_measured_is_nan():
    image = head_of()
    empty, pixel, air = (
        columns(image, box(0, 0, 0, 0)),
        columns(image, box(12, 12, 1, 1)),
        columns(image, box(0, 0, 2, 2)),
    )
    assert all(np.isnan(v) for v in empty.values())
    assert np.isnan([pixel["within"], pixel["texture"]]).all()
    assert np.isfinite([pixel["contrast"], pixel["step"]]).all()
    assert np.isnan(air["contrast"])
    assert np.isnan(columns(image, np.ones(SIZE, bool))["contrast"])
    assert mask_contrast(np.zeros((0, *SIZE), np.float32), np.zeros((0, *SIZE), bool)).shape == (0, len(CONTRAST))


def test_ventricles_are_part_of_the_head():
    image = head_of()
    image[14:18, 12:16] = 0
    assert filled_head(image[None])[0, 12:20, 10:18].all()
