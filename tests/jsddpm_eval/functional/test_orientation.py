"""Orientation: frames about the head, and the turn that fits best."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm_eval.functional.orientation import FRAME, fits, framed, mean_frame
from synthetic import upright_heads


def test_frames_have_no_mean_and_length_one():
    frames = framed(upright_heads(3, 0))
    assert frames.shape == (3, 2, FRAME, FRAME)
    assert frames.mean((2, 3)) == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(frames, axis=(2, 3)) == pytest.approx(1)


def test_blank_slices_have_empty_frames():
    assert not framed(np.zeros((1, 40, 40), np.float32)).any()
    assert framed(np.empty((0, 40, 40), np.float32)).shape == (0, 2, FRAME, FRAME)


def test_frames_do_not_depend_on_place():
    one = upright_heads(2, 1)
    moved = np.roll(one, (2, -2), (1, 2))
    assert framed(moved) == pytest.approx(framed(one), abs=1e-6)


@pytest.mark.parametrize("size", [(40, 40), (40, 56)])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("flipped", [False, True])
def test_turned_slices_gain_and_upright_ones_lose(quarters, flipped, size):
    mean = mean_frame(framed(upright_heads(50, 2)))
    slices = np.rot90(upright_heads(20, 3), quarters, (1, 2))
    slices = slices[:, ::-1] if flipped else slices
    slices = np.pad(slices, ((0, 0), (0, size[0] - 40), (0, size[1] - 40)))
    upright = (quarters, flipped) in ((0, False), (2, True))  # two quarters and a flip exchange left and right
    as_it_lies, turned = fits(framed(np.ascontiguousarray(slices)), mean)
    gains = turned - as_it_lies
    assert (gains < 0).all() if upright else (gains > 0.05).all()


def test_fits_are_correlations():
    """Of the mean itself, exchanged front to back: with the mean as it lies, and 1 by the turn that undoes this."""
    mean = mean_frame(framed(upright_heads(50, 4)))
    back = mean[:, ::-1]
    expected = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(mean, back, strict=True)])
    assert np.ravel(fits(back[None], mean)) == pytest.approx([expected, 1])
