"""Neighbour metrics, Vendi score and effective dimension against references, closed forms and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics.pairwise import cosine_similarity
from torch_fidelity.metric_prc import prc_features_to_metric

from jsddpm_eval.functional.diversity import pair_distance, pairs, vendi_score
from jsddpm_eval.functional.frechet import effective_dimension, frechet_distance
from jsddpm_eval.functional.kernel import KernelTable, kernel_distance, polynomial_kernel
from jsddpm_eval.functional.neighbours import authentic, copying_z, distances, expected_coverage, manifold


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shares(real, made, k=3):
    return manifold(distances(real, real), distances(made, made), distances(real, made), k)


def test_precision_and_recall_agree_with_torch_fidelity():
    real, made = normal(60, 5), 0.7 * normal(40, 5, seed=1) + 0.3
    expected = prc_features_to_metric(made, real, prc_neighborhood=3, verbose=False)
    found = shares(real, made)
    assert found.precision == pytest.approx(expected["precision"], abs=1e-6)
    assert found.recall == pytest.approx(expected["recall"], abs=1e-6)


def test_density_and_coverage_are_their_definitions():
    real, made, k = normal(20, 4), normal(13, 4, seed=1), 3
    radius = [sorted(float((x - y).norm()) for y in real)[k] for x in real]
    inside = np.array([[float((x - y).norm()) <= r for y in made] for x, r in zip(real, radius, strict=True)])
    found = shares(real, made, k)
    assert found.density == pytest.approx(inside.sum() / (k * 13))
    assert found.coverage == pytest.approx(inside.any(1).mean())


def test_expectations_between_equals():
    """Simulated; both are free of the distribution."""
    found = [shares(normal(25, 3, seed=2 * s), normal(10, 3, seed=2 * s + 1)) for s in range(400)]
    coverage, density = ([getattr(f, n) for f in found] for n in ("coverage", "density"))
    assert np.mean(coverage) == pytest.approx(expected_coverage(25, 10), abs=3.5 * np.std(coverage) / 20)
    assert np.mean(density) == pytest.approx(1, abs=3.5 * np.std(density) / 20)


@settings(max_examples=20, deadline=None)
@given(st.integers(4, 12), st.integers(4, 12), st.integers(0, 99))
def test_swapping_the_sets_swaps_precision_and_recall_and_order_does_not_enter(n, m, seed):
    real, made = normal(n, 3, seed=seed), normal(m, 3, seed=seed + 100)
    found, swapped = shares(real, made), shares(made, real)
    assert (found.precision, found.recall) == (swapped.recall, swapped.precision)
    order = torch.randperm(m, generator=torch.Generator().manual_seed(seed))
    assert shares(real, made[order]) == found
    assert shares(5 * real - 2, 5 * made - 2) == found
    same = shares(real, real)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)


def test_too_few_for_neighbours_is_an_error():
    with pytest.raises(ValueError, match="3 real and 9 generated"):
        shares(normal(3, 2), normal(9, 2))


def test_copying_z_is_the_mann_whitney_z():
    made, held = normal(30).abs(), normal(20, seed=1).abs() + 0.2
    u, n, m = stats.mannwhitneyu(made, held).statistic, 30, 20
    expected = (u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)
    assert copying_z([made], [held]) == pytest.approx(expected)
    assert expected < 0
    empty = torch.empty(0)
    assert copying_z([made, made, empty], [held, empty, held]) == pytest.approx(expected)
    assert copying_z([made, held], [held, made]) == pytest.approx((20 * expected - 30 * expected) / 50)
    with pytest.raises(ValueError, match="no cell"):
        copying_z([made], [empty])


def test_authentic_is_its_definition_and_leaves_the_own_patient_out():
    train, made = normal(12, 3), normal(9, 3, seed=1)
    for who in (torch.arange(12), torch.arange(12) // 3):
        expected = []
        for g in made:
            to = (train - g).norm(dim=1)
            near = int(to.argmin())
            others = [float((train[near] - train[j]).norm()) for j in range(12) if who[j] != who[near]]
            expected.append(bool(float(to[near]) > min(others)))
        assert authentic(distances(made, train), distances(train, train), who).tolist() == expected
    copies = train + 1e-6
    assert not authentic(distances(copies, train), distances(train, train)).any()


def test_vendi_score_in_closed_form_and_by_eigenvalues():
    assert vendi_score(torch.eye(5)) == pytest.approx(5)
    assert vendi_score(torch.ones(5, 3)) == pytest.approx(1)
    assert vendi_score(torch.ones(1, 3)) == pytest.approx(1)
    x = normal(9, 4)
    values = np.linalg.eigvalsh(cosine_similarity(x.numpy()) / 9)
    values = values[values > 1e-12]
    assert vendi_score(x) == pytest.approx(np.exp(-(values * np.log(values)).sum()), rel=1e-9)
    assert vendi_score(7 * x) == pytest.approx(vendi_score(x))
    with pytest.raises(ValueError, match="no samples"):
        vendi_score(normal(0, 3))


def test_pair_distance_is_euclidean():
    x, chosen = normal(5, 3), pairs(5)
    assert pair_distance(x, chosen).tolist() == pytest.approx([float((x[i] - x[j]).norm()) for i, j in chosen.tolist()])


def test_effective_dimension_counts_the_directions_that_vary():
    scales = torch.tensor([10.0, 10.0, 10.0, 0.01, 0.0])
    assert effective_dimension(normal(50, 5) * scales) == 3
    assert effective_dimension(torch.ones(4, 5)) == 0
    assert effective_dimension(normal(4, 500)) == 3


# Weighted and grouped distances


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


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.booleans())
def test_the_table_is_the_distance_of_any_resample(seed, grouped):
    rng = np.random.default_rng(seed)
    x, y = normal(14, 3, seed=seed), normal(7, 3, seed=seed + 1)
    who = torch.from_numpy(rng.integers(0, 5, 14))
    who[:5] = torch.arange(5)
    unit = torch.cat([who if grouped else torch.arange(14), (5 if grouped else 14) + torch.arange(7) % 4])
    people = 5 if grouped else 14
    table = KernelTable.build(torch.cat([x, y]), unit, torch.arange(people + 4) < people)
    left = torch.from_numpy(rng.permutation(np.arange(people) < people - 1))
    chosen = torch.cat([left, torch.zeros(4, dtype=torch.bool)])
    right = torch.arange(people + 4) >= people + 1
    rows, columns = chosen[unit[:14]], right[unit[14:]]
    expected = kernel_distance(x[rows], y[columns], who[rows] if grouped else None)
    assert float(table.distance(chosen[None], right[None])) == pytest.approx(expected, abs=1e-9)


def test_weights_of_the_table_are_weights_of_the_pairs():
    x, y, w = normal(5, 2), normal(4, 2, seed=1), torch.tensor([1.0, 2.0, 3.0, 0.5, 1.0])
    table = KernelTable.build(
        torch.cat([x, y]), torch.arange(9), torch.zeros(9, dtype=torch.bool), torch.cat([w, torch.ones(4)])
    )
    side = torch.arange(9) < 5
    k = polynomial_kernel(torch.cat([x, y]), torch.cat([x, y])).numpy()
    a = np.outer(w, w) * (1 - np.eye(5))
    b = 1 - np.eye(4)
    c = np.outer(w, np.ones(4))
    expected = (a * k[:5, :5]).sum() / a.sum() + (b * k[5:, 5:]).sum() / b.sum() - 2 * (c * k[:5, 5:]).sum() / c.sum()
    assert float(table.distance(side[None], ~side[None])) == pytest.approx(expected, abs=1e-10)


def test_pairs_of_one_patient_bias_the_distance_and_are_left_out():
    """Population with patient effects: the plain estimate is biased upwards, the grouped one is not."""
    rng = np.random.default_rng(0)
    plain, grouped = [], []
    for _ in range(400):
        who = np.repeat(np.arange(6), 5)
        x = torch.from_numpy(rng.standard_normal((6, 3))[who] * 0.9 + 0.436 * rng.standard_normal((30, 3)))
        y = torch.from_numpy(rng.standard_normal((8, 3)))
        plain.append(kernel_distance(x, y))
        grouped.append(kernel_distance(x, y, torch.from_numpy(who)))
    error = np.std(grouped) / 20
    assert abs(np.mean(grouped)) < 3 * error
    assert np.mean(plain) > 3 * error
    with pytest.raises(ValueError, match="one group"):
        kernel_distance(normal(3, 2), normal(3, 2), torch.zeros(3))
