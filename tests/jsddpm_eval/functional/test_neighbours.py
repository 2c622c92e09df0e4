"""Neighbour metrics against references, closed forms and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch_fidelity.metric_prc import prc_features_to_metric

from draws import normal
from jsddpm_eval.functional.neighbours import authentic, distances, expected_coverage, manifold, nearer_share


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


@settings(max_examples=20)
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


def test_the_share_that_is_nearer_is_mann_whitneys_u():
    made, held = normal(30).abs(), normal(20, seed=1).abs() + 0.2
    held[:4] = made[:4]  # ties count by half
    found = nearer_share(made, held)
    assert float(found.mean()) == pytest.approx(stats.mannwhitneyu(held, made).statistic / 600, abs=1e-12)
    assert found.tolist() == pytest.approx(
        [float((made < h).double().mean() + (made == h).double().mean() / 2) for h in held]
    )


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
    with pytest.raises(ValueError, match="one patient"):
        authentic(distances(copies, train), distances(train, train), torch.zeros(12))
