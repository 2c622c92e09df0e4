"""Clipped density and coverage against loops over their definitions, exact fractions and simulated equals."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from benchmarks.validity.sanity.clipped import clipped_coverage, clipped_density, expected_filling
from draws import normal
from jsddpm_eval.functional.neighbours import distances


def radii(real, k):
    return [sorted(float((x - y).norm()) for y in real)[k] for x in real]


def of(function, real, made, k):
    return function(distances(real, real), distances(real, made), k)


def test_clipped_density_is_its_definition():
    real, made, k = normal(21, 4), 1.5 * normal(13, 4, seed=1), 3
    radius = np.minimum(radii(real, k), np.median(radii(real, k)))

    def share(points, itself):
        inside = [[float((x - y).norm()) <= r for x, r in zip(real, radius, strict=True)] for y in points]
        return np.mean([min(1, (sum(row) - itself) / k) for row in inside])

    assert of(clipped_density, real, made, k) == pytest.approx(share(made, 0) / share(real, 1))
    assert of(clipped_density, real, 0.1 * made, k) == 1


def exact_filling(n, m, k):
    """The distribution of samples in a ball is counted: of n - 1 + m exchangeable ones, those before the k-th real."""

    def probability(j):
        return Fraction(comb(j + k - 1, j) * comb(n - 1 - k + m - j, m - j), comb(n - 1 + m, m))

    return float(sum(min(j, k) * probability(j) for j in range(m + 1)) / k)


@pytest.mark.parametrize(("n", "m", "k"), [(20, 9, 3), (9, 30, 5), (12, 12, 1)])
def test_expected_filling_is_counted(n, m, k):
    expected = [exact_filling(n, i, k) for i in range(m + 1)]
    assert expected_filling(n, m, k) == pytest.approx(expected, abs=1e-12)


def test_clipped_coverage_is_its_definition():
    real, made, k = normal(20, 2), 2 * normal(15, 2, seed=1), 3
    counts = [sum(float((x - y).norm()) <= r for y in made) for x, r in zip(real, radii(real, k), strict=True)]
    filled = np.mean(np.minimum(counts, k)) / k
    enough = next(i for i in range(16) if exact_filling(20, i, k) >= filled)
    assert of(clipped_coverage, real, made, k) == pytest.approx(enough / 15)


def test_half_good_samples_read_as_half():
    """The calibration of the paper: the score falls with the share of good samples."""
    found = []
    for seed in range(30):
        real, made = normal(200, 3, seed=2 * seed), normal(200, 3, seed=2 * seed + 1)
        made[100:] += 50
        found.append([of(function, real, made, 5) for function in (clipped_density, clipped_coverage)])
    assert np.mean(found, axis=0) == pytest.approx([0.5, 0.5], abs=0.03)
