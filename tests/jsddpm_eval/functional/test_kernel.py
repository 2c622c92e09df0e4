"""Kernel distance against torch-fidelity and double sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_kid import kernel_poly, mmd2

from draws import normal
from jsddpm_eval.functional.kernel import KernelTable, kernel_distance, polynomial_kernel


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


def test_features_that_do_not_fit_are_refused():
    x = torch.ones((3, 2))
    with pytest.raises(ValueError, match=r"not \(n, d\) and \(m, d\)"):
        kernel_distance(x, torch.ones((3, 4)))
    for odd in (torch.nan, torch.inf):
        for pair in ((x, x.clone().fill_(odd)), (x.clone().fill_(odd), x)):
            with pytest.raises(ValueError, match="finite"):
                kernel_distance(*pair)
