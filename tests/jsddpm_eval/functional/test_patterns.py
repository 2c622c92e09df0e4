"""Patterns: smoothing, averaging and correlations of blocks, computed by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy import ndimage

from jsddpm_eval.functional.patterns import averaged, block_correlations, by_block, normalized, smoothed


def noise(seed, *shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 0.5


def test_every_slice_has_norm_one_and_a_blank_one_stays_blank():
    values = torch.stack([noise(0, 6, 8), 1e4 * noise(1, 6, 8), torch.zeros(6, 8)])
    found = normalized(values)
    for i in range(2):
        np.testing.assert_allclose(found[i], values[i] / np.linalg.norm(values[i]), rtol=1e-5)
    assert not found[2].any()


def test_smoothing_is_that_of_a_gaussian_on_a_torus():
    values = noise(2, 2, 20, 24).double()
    expected = ndimage.gaussian_filter(values.numpy(), (0, 2, 2), mode="wrap", truncate=8)
    np.testing.assert_allclose(smoothed(values, 2.0), expected, atol=1e-6)


def test_large_slices_are_averaged_over_squares_with_what_is_left_at_the_edge():
    values = noise(3, 1, 10, 7)
    found = averaged(values, side=4)  # by 3: the last row and column are what is left
    assert found.shape == (1, 4, 3)
    for i, j in product(range(4), range(3)):
        block = values[0, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3]
        assert float(found[0, i, j]) == pytest.approx(float(block.mean()), abs=1e-6)
    assert torch.equal(averaged(values, side=10), values)


def test_blocks_are_correlated_at_their_best_place_near_by():
    """Blocks of 16 pixels every 8, moved by up to 2, whose windows lie inside the slice."""
    a, b = noise(4, 1, 48, 48), noise(5, 1, 48, 48)
    b[0, :, :24] = torch.roll(a[0], (2, -1), (0, 1))[:, :24]
    found, weight = block_correlations(a, b)
    assert found.shape == weight.shape == (1, 5, 5)
    for row, column in product((1, 2, 3), repeat=2):
        top, left = 8 * row, 8 * column
        mine = a[0, top : top + 16, left : left + 16].numpy().ravel()
        tried = []
        for i, j in product(range(-2, 3), repeat=2):
            theirs = b[0, top + i : top + i + 16, left + j : left + j + 16].numpy().ravel()
            tried.append(mine @ theirs / np.sqrt((mine @ mine) * (theirs @ theirs)))
        assert float(found[0, row, column]) == pytest.approx(max(tried), abs=1e-4)
    assert found[0, 1:4, 0:1].min() > 0.9
    assert found[0, 1:4, 3].max() < 0.5


def test_a_block_without_contrast_has_no_weight_and_more_than_the_mean_adds_none():
    a = noise(6, 1, 32, 32)
    a[0, :16] = 0
    a[0, :, 16:] *= 5
    found, weight = block_correlations(a, a)
    energy = np.array([[float((a[0, 8 * i : 8 * i + 16, 8 * j : 8 * j + 16] ** 2).mean()) for j in range(3)]
                       for i in range(3)])  # fmt: skip
    expected = np.minimum(energy / energy.mean(), 1)
    np.testing.assert_allclose(weight[0], expected / expected.sum(), atol=1e-5)
    assert not weight[0, 0].any()
    assert float(by_block(a, a)) == pytest.approx(float((found * weight).sum()))
