"""The smallest difference that a test detects at its level."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv
from scipy.stats import nct
from scipy.stats import t as student

POWER = 0.8
"""Power: share of cohorts in which a difference is detected."""


def detectable(error: float, freedom: float, level: float, power: float = POWER) -> float:
    """Difference that a two-sided t test detects with a given power.

    The noncentral t distribution gives the power exactly for normal means; the other tail is negligible.

    Args:
        error: Standard error of the difference.
        freedom: Its degrees of freedom.
        level: Allowed rate of false alarms for this test.
        power: Share of cohorts in which the difference is detected.

    >>> round(detectable(1.0, 1e6, 0.05), 2)  # 1.96 + 0.84
    2.8
    """
    return error * _of_unit_error(freedom, level, power)


def detectable_share(units: int, bound: float, most: float, level: float, power: float = POWER) -> float | None:
    """Share of samples that the test against a bound detects with a given power, beyond a margin.

    Args:
        units: Independent units that the share is of.
        bound: Upper bound of the share among real slices, against which the test is.
        most: Largest share that is negligible.
        level: Allowed rate of false alarms for this test.
        power: Share of cohorts in which it is detected.

    Returns:
        None if no count of these units is significant.

    >>> round(detectable_share(100, 0.0, 0.02, 0.05), 3)  # 3 of 100 are beyond the margin
    0.042
    """
    counts = np.arange(1, units + 1)
    enough = counts[(betainc(counts, units - counts + 1, bound) <= level) & (counts > most * units)]
    return float(betaincinv(enough[0], units - enough[0] + 1, power)) if len(enough) else None


@cache
def _of_unit_error(freedom: float, level: float, power: float) -> float:
    critical = float(student.ppf(1 - level / 2, freedom))

    def missed(shift: float) -> float:
        return float(nct.sf(critical, freedom, shift)) - power

    highest = critical + 1.0
    while missed(highest) < 0:
        highest *= 2
    return float(brentq(missed, 0.0, highest))
