"""Variety: loops, a spread known in closed form, false alarms and power on simulated cohorts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm_eval.metrics.variety import relative_spread
from jsddpm_eval.stats.scale import Side
from jsddpm_eval.stats.shift import mean_shift
from worlds import World

MEAN = torch.from_numpy(np.random.default_rng(0).random(64))


def drawn(rng, count, spread):
    """Slices scattered around one mean with the same standard deviation in each pixel."""
    return MEAN + spread * torch.from_numpy(rng.standard_normal((count, 64)))


def side(images):
    count = len(images)
    spread = relative_spread(images, torch.arange(count), count).log().numpy()
    return Side(spread, np.zeros(count, np.int64), np.arange(count))


def test_distances_are_those_of_loops_over_units():
    images, unit = drawn(np.random.default_rng(1), 7, 0.3).numpy(), [0, 0, 1, 2, 2, 2, 3]
    expected = []
    for image, own in zip(images, unit, strict=True):
        others = [np.mean([x for x, u in zip(images, unit, strict=True) if u == v], 0) for v in set(unit) - {own}]
        centre = np.mean(others, 0)
        expected.append(np.linalg.norm(image - centre) / np.linalg.norm(centre) / np.sqrt(1 + 1 / 3))
    found = relative_spread(torch.from_numpy(images), torch.tensor(unit), 4)
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [3, 8, 40])
def test_the_number_of_others_does_not_enter(count):
    """The expected square of the distance is that to the true mean, 64 pixels of 0.1 squared."""
    rng = np.random.default_rng(2)
    squares = [
        float((relative_spread(drawn(rng, count, 0.1), torch.arange(count), count) ** 2).mean()) for _ in range(300)
    ]
    assert np.mean(squares) == pytest.approx(64 * 0.01 / float((MEAN**2).sum()), rel=0.03)


@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_the_interval_covers_the_log_ratio_and_half_the_spread_is_told_from_all_of_it(ratio):
    """200 cohorts of 12 patients and 8 samples: coverage by the binomial distribution, no false alarm, full power."""
    rng, covered, beyond = np.random.default_rng(3), 0, 0
    for _ in range(200):
        shift = mean_shift(side(drawn(rng, 12, 0.2)), side(drawn(rng, 8, 0.2 * ratio))).of_pairs
        covered += shift.interval[0] <= np.log(ratio) <= shift.interval[1]
        beyond += shift.value < np.log(0.5) and shift.p_value < 1e-3
    assert covered >= 181  # 190 expected; fewer in 1 of 400 experiments
    assert beyond == (0 if ratio == 1 else 200)


def found(made):
    results = World(patients=12).evaluation(made, metrics=["variety"]).results
    return results.pooled["variety"], next(f for f in results.findings if f.check == "collapsed")


def test_samples_drawn_to_their_mean_are_collapsed_and_a_gain_changes_nothing():
    new = World(seed=5).new(16)
    score, finding = found(new)
    assert abs(score.value) < 0.1
    assert finding.answer != "off"
    assert found(0.5 * new)[0].value == pytest.approx(score.value, abs=1e-6)
    score, finding = found(new.mean(0) + 0.4 * (new - new.mean(0)))
    assert score.value == pytest.approx(np.log(0.4), abs=0.1)
    assert (finding.answer, finding.fault) == ("off", "less variety than patients have")


def test_blank_and_equal_samples_have_a_variety_too():
    for made in (torch.zeros(8, 16, 14), World(seed=5).new(1).repeat(8, 1, 1)):
        score, finding = found(made)
        assert np.isfinite(score.value)
        assert finding.answer == "off"
