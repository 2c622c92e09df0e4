"""Pairs and Vendi score against loops, closed forms and eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from draws import normal, unit
from jsddpm_eval.functional.diversity import pair_dissimilarity, pair_distance, pair_rmse, pairs, vendi_score
from jsddpm_eval.functional.reconstruction import ssim


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
