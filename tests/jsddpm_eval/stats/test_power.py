"""The smallest detectable difference against the power of the noncentral t distribution."""

from __future__ import annotations

import pytest
from scipy.stats import nct
from scipy.stats import t as student

from jsddpm_eval.stats.power import detectable


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
