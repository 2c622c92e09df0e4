"""Kernel distance against torch-fidelity and double sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_kid import kernel_poly, mmd2

from draws import normal
from jsddpm_eval.functional.kernel import kernel_distance, resampled_distances


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


@settings(max_examples=20)
@given(st.integers(0, 999), st.booleans())
def test_of_one_condition_it_is_the_distance_of_any_resample(seed, grouped):
    rng = np.random.default_rng(seed)
    x, y = normal(14, 3, seed=seed), normal(7, 3, seed=seed + 1)
    who = torch.from_numpy(rng.integers(0, 5, 14))
    who[:5] = torch.arange(5)
    people = 5 if grouped else 14
    unit = torch.cat([who if grouped else torch.arange(14), people + torch.arange(7) % 4])
    left = torch.from_numpy(rng.permutation(np.arange(people) < people - 1))
    chosen = torch.cat([left, torch.zeros(4, dtype=torch.bool)])
    right = torch.arange(people + 4) >= people + 1
    dependent = torch.arange(people + 4) < (people if grouped else 0)
    found = resampled_distances(
        torch.cat([x, y]), unit, torch.full((21,), 3), torch.ones(4), dependent, [chosen[None], right[None]]
    )
    rows, columns = chosen[unit[:14]], right[unit[14:]]
    assert float(found) == pytest.approx(kernel_distance(x[rows], y[columns], who[rows] if grouped else None), abs=1e-9)


@settings(max_examples=15)
@given(st.integers(0, 999), st.booleans())
def test_it_is_the_double_sum_by_pairs_of_conditions(seed, volumes):
    """Patients with several conditions, a condition of one patient, volumes through all conditions or single samples.

    Of two sides, patients 0 to 2 and 3 to 5, the distances from the rest; then without patient 1, then without unit 6.
    """
    rng = np.random.default_rng(seed)
    unit = np.r_[rng.integers(0, 6, 30), np.repeat(np.arange(6), 2), 6 + np.tile(np.arange(4), 5)]
    condition = np.r_[rng.integers(0, 3, 30), np.tile([0, 1], 6), np.repeat([0, 1, 2, 2, 1], 4)]
    condition[(unit < 6) & (unit % 3 > 0) & (condition == 2)] = 1  # the third condition has patients 0 and 3 alone
    x, shares = normal(len(unit), 2, seed=seed).numpy(), np.array([1.0, 3.0, 2.0])
    dependent = (np.arange(10) < 6) | volumes

    def mean(a, b):
        values = [
            (float(x[i] @ x[j]) / 2 + 1) ** 3
            for i in a
            for j in b
            if i != j and not (unit[i] == unit[j] and dependent[unit[i]])
        ]
        return sum(values) / len(values)

    def by_hand(left, right):
        """The third condition has one patient and is left out: of the shares 1 and 3 are left."""
        a, b = ([np.flatnonzero(np.isin(unit, side) & (condition == c)) for c in (0, 1)] for side in (left, right))
        s = np.array([0.25, 0.75])
        return sum(
            s[c] * s[d] * (mean(a[c], a[d]) + mean(b[c], b[d]) - 2 * mean(a[c], b[d])) for c in (0, 1) for d in (0, 1)
        )

    resamples = [
        [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]],
        [[0, 2], [3, 4, 5], [6, 7, 8, 9]],
        [[0, 1, 2], [3, 4, 5], [7, 8, 9]],
    ]
    masks = [torch.from_numpy(np.stack([np.isin(np.arange(10), r[k]) for r in resamples])) for k in range(3)]
    arrays = (torch.from_numpy(v) for v in (x, unit, condition, shares, dependent))
    expected = [[by_hand(r[side], r[2]) for r in resamples] for side in (0, 1)]
    assert resampled_distances(*arrays, masks).numpy() == pytest.approx(np.array(expected), abs=1e-9)


def test_without_a_condition_of_two_units_there_is_no_distance():
    unit, condition = torch.tensor([0, 1, 2, 3, 4]), torch.tensor([0, 0, 1, 0, 0])
    sides = [(unit < 3)[None], (unit >= 3)[None]]
    arrays = normal(5, 2), unit, condition, torch.tensor([2, 1]), unit < 3
    assert resampled_distances(*arrays, sides).isfinite().all()
    alone = [side & torch.tensor([True, False, True, True, True]) for side in sides]
    assert resampled_distances(*arrays, alone).isnan().all()


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


def test_features_that_do_not_fit_are_refused():
    x = torch.ones((3, 2))
    with pytest.raises(ValueError, match=r"not \(n, d\) and \(m, d\)"):
        kernel_distance(x, torch.ones((3, 4)))
    for odd in (torch.nan, torch.inf):
        for pair in ((x, x.clone().fill_(odd)), (x.clone().fill_(odd), x)):
            with pytest.raises(ValueError, match="finite"):
                kernel_distance(*pair)
