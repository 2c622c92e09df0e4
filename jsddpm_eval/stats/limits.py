"""Limits that more than one rule rests on, each stated once."""

from __future__ import annotations

from statistics import NormalDist

MIN_UNITS = 3
"""Fewest patients or samples of which one can be left out for a variance."""

MIN_PATIENTS = 4
"""Fewest patients, or samples, that can be halved and compared: two a side."""

ALPHA = 0.05
"""False alarms allowed, over everything asked."""

TAIL = 0.025
"""Share of a distribution beyond either end of a 95 % interval."""

Z95 = NormalDist().inv_cdf(1 - TAIL)
"""Standard errors from the middle to either end of a 95 % interval."""
