"""The smallest detectable difference against the power of the noncentral t distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, nct
from scipy.stats import t as student

from jsddpm_eval.stats.power import detectable, detectable_share


@pytest.mark.parametrize("freedom", [2.0, 7.5, 44.0])
@pytest.mark.parametrize("level", [0.05, 1e-4])
def test_its_power_is_the_stated_one(freedom, level):
    shift = detectable(0.3, freedom, level)
    critical = student.ppf(1 - level / 2, freedom)
    assert nct.sf(critical, freedom, shift / 0.3) == pytest.approx(0.8, abs=1e-6)


def test_less_is_seen_with_fewer_patients_and_at_a_stricter_level():
    assert detectable(1, 5, 0.05) > detectable(1, 50, 0.05)
    assert detectable(1, 50, 0.001) > detectable(1, 50, 0.05)
    assert detectable(2, 50, 0.05) == pytest.approx(2 * detectable(1, 50, 0.05))


@pytest.mark.parametrize(("units", "bound", "most"), [(160, 0.067, 0.02), (320, 0.03, 0.02), (12, 0.0, 0.3)])
@pytest.mark.parametrize("level", [0.05, 4e-4])
def test_the_detectable_share_is_seen_in_four_of_five_sets_of_samples(units, bound, most, level):
    share, trials = detectable_share(units, bound, most, level), 20_000
    counts = np.random.default_rng(0).binomial(units, share, trials)
    seen = (counts / units > most) & (binom.sf(counts - 1, units, bound) <= level)
    assert seen.mean() == pytest.approx(0.8, abs=4 * (0.8 * 0.2 / trials) ** 0.5)


def test_no_share_of_few_samples_is_significant_against_a_wide_bound():
    assert detectable_share(3, 0.5, 0.02, 0.05) is None
