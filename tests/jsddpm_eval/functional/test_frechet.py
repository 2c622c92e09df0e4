"""Frechet distance against torch-fidelity, NumPy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from draws import normal
from jsddpm_eval.functional.frechet import effective_dimension, frechet_distance
from jsddpm_eval.functional.kernel import kernel_distance


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


@pytest.mark.parametrize(
    ("y", "message"),
    [(normal(5, 3), r"\(5, 4\) and \(5, 3\)"), (normal(5, 4).log(), "finite"), (normal(1, 4), "no covariance")],
)
def test_features_without_a_distance_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(normal(5, 4), y)


@settings(max_examples=20)
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


def test_effective_dimension_counts_the_directions_that_vary():
    scales = torch.tensor([10.0, 10.0, 10.0, 0.01, 0.0])
    assert effective_dimension(normal(50, 5) * scales) == 3
    assert effective_dimension(torch.ones(4, 5)) == 0
    for share, dimension in ((0.989, 2), (0.991, 1)):  # 99 % of the variance
        rows = torch.diag(torch.tensor([share, 1 - share]).double().sqrt())
        assert effective_dimension(torch.cat([rows, -rows])) == dimension
    assert effective_dimension(normal(4, 500)) == 3


def test_weights_count_as_repetitions_in_the_mean():
    """With weights a the mean and covariance are those NumPy gives for reliability weights."""
    x, y, w = normal(12, 3), normal(9, 3, seed=1), torch.arange(1, 13).double()
    scaled = (w / w.sum()).numpy()
    covariance, mean = np.cov(x.T.numpy(), aweights=scaled), np.average(x.numpy(), axis=0, weights=scaled)
    root = np.real(np.linalg.eigvals(covariance @ np.cov(y.T.numpy())).astype(complex) ** 0.5).sum()
    expected = ((mean - y.mean(0).numpy()) ** 2).sum() + np.trace(covariance) + np.trace(np.cov(y.T.numpy())) - 2 * root
    assert frechet_distance(x, y, w) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(y, x, None, w) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(x, y, torch.full((12,), 0.3)) == pytest.approx(frechet_distance(x, y), rel=1e-12)
