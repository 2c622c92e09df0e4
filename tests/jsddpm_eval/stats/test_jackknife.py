"""Jackknife variances and intervals against pseudo-values written out, and textbook formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jsddpm_eval.stats.jackknife import block_sizes, distance_interval, jackknife_variance, standard_error, t_interval


def busing(value, left_out, sizes):
    """Delete-m_j jackknife, Busing, Meijer and van der Leeden (1999), eqs. 5 to 8, step by step."""
    n, g = sum(sizes), len(sizes)
    h = [n / m for m in sizes]
    estimate = g * value - sum((1 - m / n) * v for m, v in zip(sizes, left_out, strict=True))
    pseudo = [h_j * value - (h_j - 1) * v for h_j, v in zip(h, left_out, strict=True)]
    return sum((p - estimate) ** 2 / (h_j - 1) for p, h_j in zip(pseudo, h, strict=True)) / g


@pytest.mark.parametrize("sizes", [[2, 1, 1, 1], [5, 1, 2], [3, 3, 3, 2, 2], [2, 2, 1, 1, 1, 1, 1, 1, 1, 1]])
def test_unequal_blocks_are_the_delete_m_j_jackknife(sizes):
    rng = np.random.default_rng(len(sizes))
    value, left_out = 1.7, 1.7 + rng.normal(0, 0.3, len(sizes))
    assert jackknife_variance(left_out - value, sizes) == pytest.approx(busing(value, left_out, sizes), rel=1e-12)


def test_equal_blocks_are_the_ordinary_formula():
    left_out = np.random.default_rng(0).normal(2, 0.3, 7)
    ordinary = 6 / 7 * ((left_out - left_out.mean()) ** 2).sum()
    for sizes in (None, [1] * 7, [4] * 7):
        assert jackknife_variance(left_out - 2, sizes) == pytest.approx(ordinary, rel=1e-12)
    assert busing(2, left_out, [4] * 7) == pytest.approx(ordinary, rel=1e-12)


def test_the_variance_of_a_mean_in_blocks_is_unbiased():
    """Twelve units in ten blocks; the formula for equal blocks was 15 % too large."""
    rng, sizes = np.random.default_rng(1), np.array(block_sizes(12, 10))
    block = np.arange(12) % 10
    found = []
    for _ in range(4000):
        x = rng.standard_normal(12)
        changes = (x.sum() - np.bincount(block, x)) / (12 - sizes) - x.mean()
        found.append(jackknife_variance(changes, sizes))
    assert np.mean(found) == pytest.approx(1 / 12, abs=4 * np.std(found) / 4000**0.5)


def test_changes_that_are_not_finite_have_no_variance():
    assert np.isnan(jackknife_variance([1.0, np.inf]))
    assert np.isnan(jackknife_variance([1.0, np.nan, 0.0], [1, 2, 1]))


def test_blocks_are_dealt_out_in_turn():
    for units, blocks in ((12, 10), (3, 10), (20, 10), (0, 10)):
        assert block_sizes(units, blocks) == np.bincount(np.arange(units) % blocks).tolist()


def test_t_interval_has_the_textbook_degrees_of_freedom():
    low, high = t_interval(2.0, [(0.09, 8), (0.04, 20)])
    df = (0.13**2) / (0.09**2 / 7 + 0.04**2 / 19)
    half = stats.t.ppf(0.975, df) * 0.13**0.5
    assert (low, high) == pytest.approx((2 - half, 2 + half))
    assert standard_error([(0.09, 8), (0.04, 20)]) == pytest.approx((0.13**0.5, df))
    assert t_interval(2.0, [(0.0, 8)]) == (2.0, 2.0)
    assert t_interval(2.0, [(0.09, 2)]) is None
    assert t_interval(2.0, [(float("nan"), 9)]) is None


def test_a_distance_has_its_interval_on_the_asinh_scale():
    people, samples = np.array([1.1, 0.9, 1.3, 0.8]), np.array([1.05, 0.97, 1.0])
    sizes = [1] * 4, [2, 1, 1]
    scale = (jackknife_variance(people - 1) + busing(1.0, samples, sizes[1])) ** 0.5
    parts = [
        (jackknife_variance(np.arcsinh(people / scale)), 4),
        (busing(np.arcsinh(1 / scale), np.arcsinh(samples / scale), sizes[1]), 3),
    ]
    expected = scale * np.sinh(t_interval(np.arcsinh(1 / scale), parts))
    assert distance_interval(1.0, [(people, sizes[0]), (samples, sizes[1])]) == pytest.approx(tuple(expected))
    assert distance_interval(1.0, [([1.0, 1.0, 1.0], [1] * 3), ([1.0] * 4, [1] * 4)]) == (1.0, 1.0)
    assert distance_interval(1.0, [([1.0, 1.1], [1, 1]), ([1.0] * 4, [1] * 4)]) is None
    assert distance_interval(1.0, [([1.0, 1.1, 1.2], [1] * 3), ([], [])]) is None
    assert distance_interval(1.0, [([1.0, 1.1, np.nan], [1] * 3)]) is None
