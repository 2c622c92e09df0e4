"""Shares of supported samples against loops, exact cases and simulated equals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from draws import normal
from jsddpm_eval.functional.neighbours import distances
from jsddpm_eval.functional.support import Look, neighbour_look, range_look, repeat_look, support


def looked(reference, samples, **options):
    return support(reference, samples, distances(reference, reference), distances(samples, reference), **options)


def test_the_neighbour_look_is_its_definition():
    reference, samples, k, level = normal(40, 3), normal(25, 3, seed=1) * 2, 4, 0.75
    own = sorted(sorted(float((x - y).norm()) for y in reference)[k] for x in reference)
    limit = own[29]  # three quarters of forty
    expected = np.mean([sorted(float((x - y).norm()) for y in reference)[k - 1] <= limit for x in samples])
    look = neighbour_look(distances(reference, reference), distances(samples, reference), k, level)
    assert (look.value, look.baseline) == (pytest.approx(expected), pytest.approx(30 / 41))
    of_new_ones = np.random.default_rng(0).permuted(np.tile(np.arange(65) < 40, (20000, 1)), axis=1)  # True: members
    supported = ((of_new_ones.cumsum(1) < 30) & ~of_new_ones).sum(1) / 25  # those before the 30th member
    assert look.baseline == pytest.approx(supported.mean(), abs=0.003)
    assert (supported < look.lower).mean() <= 0.025 < (supported <= look.lower).mean()


def test_the_range_look_leaves_each_member_out():
    reference = normal(16, 3)
    others = [torch.cat([reference[:i], reference[i + 1 :]]) for i in range(16)]
    inside = [bool(((x >= o.amin(0)) & (x <= o.amax(0))).all()) for x, o in zip(reference, others, strict=True)]
    within = distances(reference, reference)
    look = range_look(reference, reference, within, within)  # samples fall into the cells as the members do
    assert look.value == 1
    assert look.baseline == pytest.approx(np.mean(inside))


def test_the_range_look_expects_of_samples_what_members_of_their_places_reach():
    """Few members of a mode exceed each other often; samples of that mode alone are compared with those members."""
    many, few = normal(900, 16), normal(100, 16, seed=1) + 20
    reference = torch.cat([many, few])[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]
    samples = normal(1000, 16, seed=2) + 20
    look = range_look(reference, samples, distances(reference, reference), distances(samples, reference))
    members = looked(few, samples).ranges
    assert look.value == pytest.approx(members.value, abs=0.25)
    assert look.baseline < 0.95
    assert look.reading == 1


def test_one_feature_that_is_off_among_many_is_seen_by_the_ranges_alone():
    reference, samples = normal(300, 400), normal(300, 400, seed=1)
    samples[:, 7] += 6
    both = looked(reference, samples)
    assert both.neighbours.reading > 0.5
    assert both.ranges.reading < 0.1
    assert both.reading == both.ranges.reading


def test_repeats_are_expected_of_samples_if_members_repeat():
    coarse, fine = normal(400, 1).mul(20).round(), normal(400, 1, seed=1).mul(20)
    look = repeat_look(distances(coarse, coarse), distances(fine, coarse))
    assert look is not None
    _, counts = np.unique(coarse.numpy(), return_counts=True)
    assert (look.value, look.baseline) == (0, pytest.approx(counts[counts > 1].sum() / 400))
    assert looked(coarse, fine).reading == 0
    assert looked(fine, coarse).repeats is None
    assert looked(coarse, normal(400, 1, seed=2).mul(20).round()).reading == 1


def test_what_no_member_reaches_is_no_evidence():
    look = Look(0.0, 0.0, 0.0)
    assert look.reading == 1


@pytest.mark.parametrize(("n", "d"), [(40, 3), (40, 64), (200, 8)])
def test_equals_lie_inside_the_band(n, d):
    """Below a 95 % band lie 2.5 % of equals, if members' distances were independent; at most 5 % do."""
    below = {"neighbours": 0, "ranges": 0}
    for seed in range(200):
        both = looked(normal(n, d, seed=2 * seed), normal(n, d, seed=2 * seed + 1))
        below["neighbours"] += both.neighbours.reading < 1
        below["ranges"] += both.ranges.reading < 1
    assert max(below.values()) <= 16, below  # more with a probability of 3 % at 5 %


def test_too_few_for_neighbours_is_an_error():
    with pytest.raises(ValueError, match="9 samples beside a reference of 5: 5 neighbours"):
        looked(normal(5, 2), normal(9, 2))
    with pytest.raises(ValueError, match="0 samples"):
        looked(normal(9, 2), normal(0, 2))
