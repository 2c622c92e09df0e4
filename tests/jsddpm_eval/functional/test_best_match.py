"""Best match: exact at any scale of the problem."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from draws import normal, unit
from jsddpm_eval.functional.best_match import best_match, expected_best_match, pairwise_mse
from jsddpm_eval.functional.reconstruction import psnr

ROUNDING = 2 * 10 / np.log(10) * 1e-10
"""Decibels between two errors that are each good to 1e-10: a product of another shape is summed in another order."""


def brute(a, b):
    """Mean squared errors from differences in float64, and the first smallest of each row."""
    mse = torch.stack([(x.double()[None] - b.double()).square().flatten(1).mean(1) for x in a])
    return mse, mse.argmin(1)


def naive_float32(a, b):
    """What the expansion alone gives."""
    a, b = a.flatten(1), b.flatten(1)
    squared = a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    return 10 * torch.log10(1 / (squared.clamp(min=0) / a.shape[1])).max(1).values


@settings(max_examples=30)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 99))
def test_best_match_is_the_brute_force(n, m, seed):
    a, b = unit(n, 5, 6, seed=seed), unit(m, 5, 6, seed=seed + 100)
    value, index = best_match(a, b, data_range=1.0)
    every = psnr(a.repeat_interleave(m, 0), b.repeat(n, 1, 1), data_range=1.0).reshape(n, m)
    assert torch.allclose(value, every.max(1).values, atol=1e-9)
    assert torch.equal(index, every.argmax(1))


def test_slices_of_other_sizes_are_refused_though_they_have_as_many_pixels():
    with pytest.raises(ValueError, match=r"\(8, 4\) and \(4, 8\)"):
        best_match(unit(2, 8, 4), unit(3, 4, 8), data_range=1.0)


def test_near_copies_keep_their_digits():
    reference = unit(700, 8, 8)
    value, index = best_match(reference[650:651] + 1e-4, reference, data_range=1.0)
    assert float(value) == pytest.approx(80, abs=0.01)  # float32 storage of the sum moves it, not the metric
    assert index.tolist() == [650]
    assert best_match(reference[3:4], reference, data_range=1.0)[0].tolist() == [float("inf")]


def test_near_copies_are_exact_where_the_expansion_is_not():
    reference = unit(40, 128, 128)
    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(1))
    for step, decibels in ((1e-4, 80), (1e-5, 100)):
        made = reference + step * noise
        value, index = best_match(made, reference, data_range=1.0)
        pairs = zip(reference.double().numpy(), made.double().numpy(), strict=True)
        expected = [peak_signal_noise_ratio(real, own, data_range=1) for real, own in pairs]
        assert value.tolist() == pytest.approx(expected, abs=1e-9)
        assert value.mean() == pytest.approx(decibels, abs=0.1)
        assert index.tolist() == list(range(40))
        assert (naive_float32(made, reference) - value).abs().max() > 1


@pytest.mark.parametrize("spread", [1e-3, 1e-6])
def test_many_near_duplicates_are_all_finished_from_the_difference(spread):
    base = unit(1, 40, 30)
    a = base + spread * unit(30, 40, 30, seed=1)
    b = base + spread * unit(50, 40, 30, seed=2)
    value, index = best_match(a, b, data_range=1.0)
    mse, nearest = brute(a, b)
    assert torch.equal(index, nearest)
    assert torch.allclose(value, 10 * torch.log10(1 / mse.min(1).values), atol=1e-9)
    assert torch.allclose(pairwise_mse(a, b), mse, rtol=1e-9)


def test_pairwise_mse_does_not_depend_on_tiles():
    a = unit(1100, 3)
    assert torch.allclose(pairwise_mse(a, a)[1030, 5], (a[1030].double() - a[5].double()).square().mean(), atol=1e-15)


@settings(max_examples=40)
@given(
    st.integers(1, 6), st.integers(1, 8), st.integers(0, 10**6), st.sampled_from([1e-3, 1.0, 255.0]), st.floats(-3, 3)
)
def test_scale_moves_psnr_by_its_logarithm_and_translation_not_at_all(n, m, seed, scale, shift):
    a, b = unit(n, 7, 5, seed=seed, dtype=torch.float64), unit(m, 7, 5, seed=seed + 1, dtype=torch.float64)
    value, index = best_match(a, b, data_range=1.0)
    scaled, same = best_match(scale * a, scale * b, data_range=1.0)
    assert torch.equal(index, same)
    assert torch.allclose(scaled, value - 20 * np.log10(scale), atol=1e-9)
    assert torch.allclose(best_match(a + shift, b + shift, data_range=1.0)[0], value, atol=1e-7)
    assert torch.allclose(best_match(scale * a, scale * b, data_range=scale)[0], value, atol=1e-9)


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_more_references_never_match_worse_and_order_does_not_enter(n, m, seed):
    a, b = unit(n, 6, 4, seed=seed), unit(m, 6, 4, seed=seed + 100)
    value, index = best_match(a, b, data_range=1.0)
    more, _ = best_match(a, torch.cat([b, unit(3, 6, 4, seed=seed + 200)]), data_range=1.0)
    assert (more >= value - ROUNDING).all()
    order = torch.randperm(m, generator=torch.Generator().manual_seed(seed))
    again, other = best_match(a, b[order], data_range=1.0)
    assert torch.allclose(again, value, rtol=0, atol=ROUNDING)
    assert torch.equal(order[other], index)


def test_ties_take_the_first_and_one_by_one_is_the_same():
    b = unit(1, 5, 5).repeat(3, 1, 1)
    assert best_match(unit(2, 5, 5, seed=1), b, data_range=1.0)[1].tolist() == [0, 0]
    a, b = unit(9, 50, 40), unit(11, 50, 40, seed=3)
    single = [best_match(a[i : i + 1], b, data_range=1.0)[0] for i in range(9)]
    assert torch.allclose(torch.cat(single), best_match(a, b, data_range=1.0)[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8, torch.float64, torch.int32])
def test_any_dtype_is_compared_by_its_values(dtype):
    a, b = ((200 * unit(4, 9, 8, seed=s)).to(dtype) for s in (0, 1))
    assert torch.allclose(pairwise_mse(a, b), brute(a, b)[0], rtol=1e-10)
    assert torch.equal(best_match(a, b, data_range=255.0)[1], brute(a, b)[1])


def test_reduced_precision_of_the_process_does_not_enter():
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        a, b = unit(20, 64, 64), unit(30, 64, 64, seed=1)
        assert torch.equal(best_match(a, b, data_range=1.0)[1], brute(a, b)[1])
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(bad):
    a = unit(2, 4, 4)
    a[0, 0, 0] = bad
    with pytest.raises(ValueError, match="finite"):
        best_match(a, unit(2, 4, 4), data_range=1.0)


def test_constant_and_absent_slices():
    assert best_match(torch.zeros(2, 3, 3), torch.full((1, 3, 3), 0.1), data_range=1.0)[0].tolist() == pytest.approx(
        [20] * 2
    )
    assert [len(x) for x in best_match(torch.zeros(0, 3, 3), torch.zeros(1, 3, 3), data_range=1.0)] == [0, 0]
    assert pairwise_mse(torch.zeros(0, 3, 3), torch.zeros(2, 3, 3)).shape == (0, 2)
    with pytest.raises(ValueError, match=r"\(3, 3\) and \(2, 2\) pixels"):
        pairwise_mse(torch.zeros(1, 3, 3), torch.zeros(1, 2, 2))


def test_no_reference_is_an_error():
    with pytest.raises(ValueError, match="no reference"):
        best_match(unit(1, 4), unit(0, 4), data_range=1.0)


@settings(max_examples=30)
@given(st.integers(1, 8), st.data())
def test_expected_best_match_averages_every_subset(total, data):
    count = data.draw(st.integers(1, total))
    values = normal(2, total, seed=total)
    subsets = [values[:, list(c)].max(1).values for c in combinations(range(total), count)]
    assert torch.allclose(expected_best_match(values, count), torch.stack(subsets).mean(0), atol=1e-10)


def test_infinities_that_arise_in_the_sum_are_refused_too():
    with pytest.raises(ValueError, match="finite"):
        pairwise_mse(torch.full((1, 4, 4), 1e200, dtype=torch.float64), torch.zeros(1, 4, 4, dtype=torch.float64))
