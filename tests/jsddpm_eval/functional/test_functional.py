"""Metrics against outside references, closed forms and brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kernel_poly, mmd2

from jsddpm_eval.functional.best_match import best_match, expected_best_match, pairwise_mse
from jsddpm_eval.functional.diversity import pair_dissimilarity, pair_rmse, pairs
from jsddpm_eval.functional.frechet import frechet_distance
from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.functional.masks import false_positive_pixels, lesion_dice
from jsddpm_eval.functional.reconstruction import psnr, ssim


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


# Reconstruction and masks


def test_psnr_and_ssim_agree_with_scikit_image():
    a, b = unit(3, 20, 26), (unit(3, 20, 26) + 0.1 * unit(3, 20, 26, seed=1)).clamp(0, 1)
    for i in range(3):
        expected = peak_signal_noise_ratio(b[i].numpy(), a[i].numpy(), data_range=1)
        assert float(psnr(a, b, data_range=1.0)[i]) == pytest.approx(expected, abs=1e-5)
        expected = structural_similarity(
            a[i].double().numpy(), b[i].double().numpy(), data_range=1, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )  # fmt: skip
        assert float(ssim(a, b, data_range=1.0)[i]) == pytest.approx(expected, abs=1e-6)


def test_psnr_of_an_exact_match_is_infinite_and_shapes_must_agree():
    assert psnr(unit(2, 4), unit(2, 4), data_range=1.0).tolist() == [float("inf")] * 2
    with pytest.raises(ValueError, match="differ in shape"):
        psnr(unit(2, 4), unit(1, 4), data_range=1.0)


def test_an_empty_mask_is_never_a_perfect_one():
    empty, one, two = (torch.tensor([[[a, b]]], dtype=torch.bool) for a, b in ((0, 0), (1, 0), (1, 1)))
    assert torch.isnan(lesion_dice(empty, empty))
    assert torch.isnan(lesion_dice(one, empty))
    assert float(lesion_dice(empty, one)) == 0
    assert float(lesion_dice(two, one)) == pytest.approx(2 / 3)
    assert float(false_positive_pixels(two, empty)) == 2
    assert torch.isnan(false_positive_pixels(two, one))


# Best match


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 99))
def test_best_match_is_the_brute_force(n, m, seed):
    a, b = unit(n, 5, 6, seed=seed), unit(m, 5, 6, seed=seed + 100)
    value, index = best_match(a, b, data_range=1.0)
    every = psnr(a.repeat_interleave(m, 0), b.repeat(n, 1, 1), data_range=1.0).reshape(n, m)
    assert torch.allclose(value, every.max(1).values, atol=1e-9)
    assert torch.equal(index, every.argmax(1))


def test_near_copies_keep_their_digits():
    reference = unit(700, 8, 8)
    value, index = best_match(reference[650:651] + 1e-4, reference, data_range=1.0)
    assert float(value) == pytest.approx(80, abs=0.01)  # float32 storage of the sum moves it, not the metric
    assert index.tolist() == [650]
    assert best_match(reference[3:4], reference, data_range=1.0)[0].tolist() == [float("inf")]


def test_pairwise_mse_does_not_depend_on_tiles():
    a = unit(1100, 3)
    assert torch.allclose(pairwise_mse(a, a)[1030, 5], (a[1030].double() - a[5].double()).square().mean(), atol=1e-15)


def test_no_reference_is_an_error():
    with pytest.raises(ValueError, match="no reference"):
        best_match(unit(1, 4), unit(0, 4), data_range=1.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.data())
def test_expected_best_match_averages_every_subset(total, data):
    count = data.draw(st.integers(1, total))
    values = normal(2, total, seed=total)
    subsets = [values[:, list(c)].max(1).values for c in combinations(range(total), count)]
    assert torch.allclose(expected_best_match(values, count), torch.stack(subsets).mean(0), atol=1e-10)


# Diversity


def test_diversity_is_the_mean_over_pairs():
    x = unit(4, 16, 18)
    chosen = pairs(4)
    assert len(chosen) == 6
    brute = [float((x[i].double() - x[j].double()).square().mean().sqrt()) for i, j in chosen.tolist()]
    assert pair_rmse(x, chosen).tolist() == pytest.approx(brute, abs=1e-12)
    brute = [1 - float(ssim(x[i : i + 1], x[j : j + 1], data_range=1.0)) for i, j in chosen.tolist()]
    assert pair_dissimilarity(x, chosen, data_range=1.0).tolist() == pytest.approx(brute, abs=1e-5)
    assert pair_dissimilarity(x[:1].repeat(2, 1, 1), pairs(2), data_range=1.0).tolist() == pytest.approx([0], abs=1e-5)
    assert len(pair_dissimilarity(x, pairs(1), data_range=1.0)) == 0


# Frechet distance


@pytest.mark.parametrize(("n", "m", "d"), [(60, 80, 12), (12, 9, 40), (30, 30, 30), (2, 3, 5)])
def test_frechet_agrees_with_torch_fidelity(n, m, d):
    x, y = normal(n, d), 1.3 * normal(m, d, seed=1) + 0.2
    statistics = [fid_features_to_statistics(f) for f in (x, y)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5)


def test_frechet_between_exact_gaussians_has_a_closed_form():
    """Features whose sample mean and covariance are exactly known: mean shift 3, standard deviations 1 and 2."""
    base = normal(50, 4)
    base = base - base.mean(0)
    white = base @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(base.T))).T
    assert frechet_distance(white, 2 * white + 3) == pytest.approx(4 * 9 + 4 * (2 - 1) ** 2, rel=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 15))
def test_distances_are_symmetric_and_zero_on_themselves(n, m, d):
    x, y = normal(n, d), normal(m, d, seed=1)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), abs=1e-8)
    assert kernel_distance(x, y) == pytest.approx(kernel_distance(y, x), abs=1e-10)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-8)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(x[order], y) == pytest.approx(frechet_distance(x, y), abs=1e-8)
    assert kernel_distance(x[order], y) == pytest.approx(kernel_distance(x, y), abs=1e-10)


@pytest.mark.parametrize("statistic", [frechet_distance, kernel_distance])
def test_one_sample_has_no_distance(statistic):
    with pytest.raises(ValueError, match=r"1 and 5 samples"):
        statistic(normal(1, 3), normal(5, 3))


# Kernel distance


def test_kernel_distance_is_the_double_sum():
    x, y = normal(4, 3), normal(6, 3, seed=1)

    def k(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    xx = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / (4 * 3)
    yy = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (6 * 5)
    xy = sum(k(a, b) for a in x for b in y) / 24
    assert kernel_distance(x, y) == pytest.approx(xx + yy - 2 * xy, abs=1e-12)


def test_kernel_distance_agrees_with_torch_fidelity_at_equal_counts():
    x, y = normal(40, 7), normal(40, 7, seed=1) + 0.3
    kernel = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    x_, y_ = x.numpy(), y.numpy()
    expected = mmd2(*(kernel_poly(a, b, **kernel) for a, b in ((x_, x_), (x_, y_), (y_, y_))))
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_is_unbiased():
    values = [kernel_distance(normal(8, 3, seed=2 * s), normal(11, 3, seed=2 * s + 1)) for s in range(600)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 600**0.5
