"""Draws and relabellings: uniform, complete within strata, repeatable."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.stats.limits import MIN_PATIENTS
from jsddpm_eval.stats.relabellings import least_p, relabelling_count
from jsddpm_eval.stats.resampling import (
    DRAWS,
    Draw,
    enough_to_permute,
    independent_slices,
    least_permutation_p,
    one_per_patient,
    one_per_unit,
    permutation_p,
    populations,
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


def test_of_two_populations_the_larger_p_value_counts():
    """Two of the 70 labellings are as far apart as 0 and 1 are; all are where both sides have the same slices."""
    real, made = torch.tensor([0.0] * 4 + [0, 0, 1, 1])[:, None], torch.tensor([1.0] * 4 + [0, 0, 1, 1])[:, None]
    labels = torch.zeros((70, 8), dtype=torch.bool)
    for row, chosen in enumerate(combinations(range(8), 4)):  # the first is as observed
        labels[row, list(chosen)] = True
    far, alike = (
        Draw(number, torch.cat([4 * number + torch.arange(4), 8 + 4 * number + torch.arange(4)]), labels)
        for number in (0, 1)
    )
    assert permutation_p(real, made, [far]) == pytest.approx(2 / 70)
    most = 1 - 0.5 / 70  # of 70 labellings, nothing is nearer to 1
    for draws in ([alike], [far, alike], [alike, far]):
        assert permutation_p(real, made, draws) == pytest.approx(most)
    again = far._replace(population=1)
    assert permutation_p(real, made, [far, again]) == pytest.approx(2 / 70)


def test_p_values_need_patients_and_are_repeatable():
    rng = np.random.default_rng(0)
    real, made = (torch.from_numpy(rng.standard_normal((12, 2))) for _ in range(2))
    who = torch.arange(12) // 2

    def p(generated, seed=1):
        return permutation_p(real, generated, relabellings(who, torch.arange(len(generated)), None, seed))

    assert p(made) == p(made)
    assert p(made + 5) < 0.02
    assert [enough_to_permute(*n) for n in ((4, 4), (3, 12), (12, 3))] == [True, False, False]


def test_the_p_value_of_one_draw_counts_the_labellings_that_are_as_far():
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.standard_normal((9, 2)))
    rows, labels = torch.arange(9), relabelled(5, 4, None, 199, torch.Generator().manual_seed(0))
    values = np.array([kernel_distance(x[k], x[~k]) for k in labels])
    expected = (values >= values[0] - 1e-12 * abs(values[0])).mean()
    assert permutation_p(x[:5], x[5:], [Draw(0, rows, labels)]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("total", [20, 500, 501, 5000])
@pytest.mark.parametrize("level", [0.05, 0.03 / 68, 1e-4])
def test_there_are_as_many_relabellings_as_the_level_needs(total, level):
    """Of infinitely different sets no relabelling is as far apart, so the p-value is 1 / (1 + relabellings)."""
    assert 1 / (1 + relabelling_count(total, level)) < level / 1.4
    assert least_p(total // 2, total - total // 2, relabelling_count(total, level)) < level


def test_a_draw_has_the_relabellings_that_are_asked_for():
    for count, expected in ((None, 3999), (99, 99)):
        draws = list(relabellings(torch.arange(6), torch.arange(5), None, seed=0, count=count))
        assert len(draws) == DRAWS
        assert {tuple(draw.labels.shape) for draw in draws} == {(1 + expected, 11)}


def test_of_every_generated_volume_one_slice_is_drawn_as_of_every_patient():
    patients, volumes = torch.arange(12) // 2, torch.tensor([7, 7, 7, 3, 9, 3])
    draws = list(relabellings(patients, volumes, None, seed=0))
    assert {tuple(draw.labels.shape) for draw in draws} == {(4000, 9)}
    assert all(sorted(volumes[rows[6:] - 12].tolist()) == [3, 7, 9] for _, rows, _ in draws)
    assert len({tuple(draw.rows[6:].tolist()) for draw in draws}) > 1
    alone = one_per_unit(torch.tensor([4, 2, 9]), torch.Generator().manual_seed(0))
    assert alone.tolist() == [0, 1, 2]


def test_labels_are_exchanged_within_the_conditions_of_the_slices_drawn():
    patients, volumes = torch.arange(6), torch.tensor([0, 0, 1, 1])
    strata = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 1, 0, 1])
    for _, rows, labels in relabellings(patients, volumes, strata, seed=1):
        condition = torch.cat(strata)[rows]
        for s in (0, 1):
            assert (labels[:, condition == s].sum(1) == 3).all()


@pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 3), (3, 3), (4, 3), (4, 4), (5, 4)])
def test_the_least_p_is_that_of_sets_infinitely_apart(n, m):
    """Over all relabellings: at equal counts the swapped one is as far apart as the observed one."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(np.concatenate([rng.standard_normal((n, 2)), 100 + rng.standard_normal((m, 2))]))
    labels = torch.zeros((1, n + m), dtype=torch.bool).repeat(len(list(combinations(range(n + m), n))), 1)
    for row, chosen in enumerate(combinations(range(n + m), n)):  # the first is as observed
        labels[row, list(chosen)] = True
    found = permutation_p(x[:n], x[n:], [Draw(0, torch.arange(n + m), labels)])
    assert found == pytest.approx(least_p(n, m), rel=1e-9)
    assert least_permutation_p([Draw(0, torch.arange(n + m), labels)]) == pytest.approx(found, rel=1e-9)
    assert least_p(n, m, 9) == max(least_p(n, m), 0.1)


def test_within_conditions_the_least_p_is_that_of_the_conditions_of_both_sides():
    """Of three and two slices, and of one and one: 10 x 2 labellings. Slices of other conditions are not exchanged."""
    strata = torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([0, 0, 1, 3])
    draws = list(relabellings(torch.arange(6), torch.arange(4), strata, seed=0))
    least = least_permutation_p(draws)
    assert least == pytest.approx(1 / 20, rel=0.05)
    rng = np.random.default_rng(0)
    real, made = (torch.from_numpy(rng.standard_normal((n, 2))) for n in (6, 4))
    assert permutation_p(real, made + 100, draws) == pytest.approx(least, rel=1e-9)


def test_slices_are_drawn_as_often_as_their_mass_and_never_two_of_a_patient():
    who = torch.tensor([0] * 6 + [1] * 3 + [2] * 6 + [3] * 2 + [4] * 6 + [5] * 6 + [6] * 6 + [7] * 6)
    generator = torch.Generator().manual_seed(0)
    draws = [independent_slices(who, generator, torch.ones(len(who))) for _ in range(2000)]
    assert all(len(who[d].unique()) == len(d) >= MIN_PATIENTS for d in draws)
    counts = torch.cat(draws).bincount(minlength=len(who)).numpy()
    assert stats.chisquare(counts).pvalue > 0.001
    uneven = torch.tensor([1.0, 3.0]).repeat(1, 6)[0]
    rows = torch.stack([one_per_patient(torch.arange(12) // 2, generator, uneven) for _ in range(500)])
    assert abs(float((rows % 2).double().mean()) - 0.75) < 0.03


def test_the_population_is_left_open_unless_patients_have_equally_many_slices():
    assert len(populations(torch.tensor([0, 0, 1, 1]))) == 1
    assert [m.tolist() for m in populations(torch.tensor([0, 0, 1]))] == [[1, 1, 1], [0.5, 0.5, 1]]
    strata = torch.tensor([0, 0, 1, 0, 0])  # patients of condition 0 have two slices, that of condition 1 has one
    assert len(populations(torch.tensor([0, 0, 0, 1, 1]), strata)) == 1
    assert len(populations(torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 1, 1, 0, 0]))) == 2
    assert {draw.population for draw in relabellings(torch.tensor([0, 0, 1, 2, 3]), torch.arange(5), None, 0)} == {0, 1}
    with_few = Draw(0, torch.tensor([0, 2, 3]), (torch.arange(3) < 1).repeat(2, 1))
    assert permutation_p(torch.zeros(2, 1), torch.zeros(2, 1), [with_few]) == pytest.approx(0.75)


def test_a_draw_of_many_slices_is_the_same_each_time():
    """With several threads, torch leaves open which of several values of one index stays."""
    patients = torch.arange(400_000) % 7
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        draws = {tuple(one_per_patient(patients, torch.Generator().manual_seed(0)).tolist()) for _ in range(6)}
    finally:
        torch.set_num_threads(threads)
    assert len(draws) == 1
