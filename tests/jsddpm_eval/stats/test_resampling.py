"""Draws and relabellings: uniform, complete within strata, repeatable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.stats.resampling import (
    DRAWS,
    enough_to_permute,
    one_per_patient,
    permutation_p,
    relabelled,
    relabellings,
)


def test_one_slice_of_each_patient_each_equally_often():
    who = torch.tensor([0, 0, 0, 2, 2, 5])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([one_per_patient(who, generator) for _ in range(600)])
    assert (who[drawn] == torch.tensor([0, 2, 5])).all()
    counts = drawn.flatten().bincount(minlength=6).numpy()
    assert stats.chisquare(counts[:3]).pvalue > 0.001
    assert counts[5] == 600


def test_relabelling_keeps_the_numbers_in_every_stratum():
    strata = torch.tensor([0, 0, 1, 1, 1, 0, 1, 0, 0])
    labels = relabelled(4, 5, strata, 200, torch.Generator().manual_seed(0))
    assert labels[0].tolist() == [True] * 4 + [False] * 5
    for s in (0, 1):
        assert (labels[:, strata == s].sum(1) == labels[0, strata == s].sum()).all()
    assert abs(float(labels[1:, strata == 0].double().mean()) - 2 / 5) < 1e-9
    assert torch.allclose(labels[1:, strata == 0].double().mean(0), torch.tensor(0.4).double(), atol=0.15)


def test_p_values_need_patients_and_are_repeatable():
    rng = np.random.default_rng(0)
    real, made = (torch.from_numpy(rng.standard_normal((12, 2))) for _ in range(2))
    who = torch.arange(12) // 2

    def p(generated, seed=1):
        return permutation_p(real, generated, relabellings(who, len(generated), None, seed))

    assert p(made) == p(made)
    assert p(made + 5) < 0.02
    assert [enough_to_permute(*n) for n in ((4, 4), (3, 12), (12, 3))] == [True, False, False]


def test_the_p_value_of_one_draw_counts_the_labellings_that_are_as_far():
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.standard_normal((9, 2)))
    rows, labels = next(iter(relabellings(torch.arange(5), 4, None, seed=0)))
    labels = labels[:200]
    drawn = x[[*rows.tolist(), 5, 6, 7, 8]]
    values = np.array([kernel_distance(drawn[k], drawn[~k]) for k in labels])
    expected = (values >= values[0] - 1e-12 * abs(values[0])).mean()
    assert permutation_p(x[:5], x[5:], [(rows, labels)]) == pytest.approx(expected, abs=1e-9)


def test_there_are_as_many_relabellings_as_the_level_needs():
    draws = list(relabellings(torch.arange(6), 5, None, seed=0))
    assert len(draws) == DRAWS
    assert {tuple(labels.shape) for _, labels in draws} == {(4000, 11)}
