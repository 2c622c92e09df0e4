"""Pairs and Vendi score against loops, closed forms and eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from draws import normal, unit
from jsddpm_eval.functional import diversity
from jsddpm_eval.functional.diversity import pair_dissimilarity, pair_distance, pairs, rmse_of_units, vendi_score
from jsddpm_eval.functional.reconstruction import ssim


def across(groups):
    return [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups)) if groups[i] != groups[j]]


@pytest.mark.parametrize("most", [1, 2, 7, 200])
@pytest.mark.parametrize("groups", [[], [3], [1, 1], [0, 1, 2, 3, 4], [5, 2, 5, 5, 2, 0, 2, 7, 0]])
def test_pairs_are_evenly_spread_over_all_pairs_across_groups(groups, most):
    every = across(groups)
    step = max(1.0, len(every) / most)
    expected = [every[int(step * number)] for number in range(min(most, len(every)))]
    assert [tuple(p) for p in pairs(torch.tensor(groups, dtype=torch.int64), most).tolist()] == expected


def test_differences_of_units_are_sums_over_all_pairs_whatever_the_tile(monkeypatch):
    x, of = unit(11, 16, 18), torch.tensor([0, 1, 0, 2, 2, 1, 3, 0, 4, 4, 4])
    x[10] = x[0]  # a pair without a difference
    apart = {(i, j): float((x[i].double() - x[j].double()).square().mean().sqrt()) for i, j in across(of.tolist())}
    expected = [sum(v for (i, j), v in apart.items() if u in (of[i], of[j])) for u in range(5)]
    number = [sum(u in (of[i], of[j]) for i, j in apart) for u in range(5)]
    for tile in (1, 3, 256):
        monkeypatch.setattr(diversity, "_TILE", tile)
        total, count = rmse_of_units(x, of)
        assert total.tolist() == pytest.approx(expected, rel=1e-12)
        assert count.tolist() == number
    assert float(total.sum() / count.sum()) == pytest.approx(np.mean(list(apart.values())), rel=1e-12)


def test_dissimilarity_is_that_of_each_pair():
    x = unit(4, 16, 18)
    chosen = pairs(torch.arange(4), 6)
    assert len(chosen) == 6
    brute = [1 - float(ssim(x[i : i + 1], x[j : j + 1], data_range=1.0)) for i, j in chosen.tolist()]
    assert pair_dissimilarity(x, chosen, data_range=1.0).tolist() == pytest.approx(brute, abs=1e-5)
    assert pair_dissimilarity(
        x[:1].repeat(2, 1, 1), pairs(torch.arange(2), 9), data_range=1.0
    ).tolist() == pytest.approx([0], abs=1e-5)
    assert len(pair_dissimilarity(x, pairs(torch.arange(1), 9), data_range=1.0)) == 0


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
    x, chosen = normal(5, 3), pairs(torch.arange(5), 10)
    assert pair_distance(x, chosen).tolist() == pytest.approx([float((x[i] - x[j]).norm()) for i, j in chosen.tolist()])


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_vendi_score_refuses_features_that_are_not_finite(odd):
    """One NaN gave the largest score."""
    with pytest.raises(ValueError, match="finite"):
        vendi_score(torch.tensor([[1.0, 0.0], [1.0, 0.0], [odd, 0.0]]))
