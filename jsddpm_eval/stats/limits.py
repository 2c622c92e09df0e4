"""Limits that several rules share."""

from __future__ import annotations

from statistics import NormalDist

MIN_UNITS = 3
"""Smallest number of patients or samples for a jackknife variance."""

MIN_PATIENTS = 4
"""Smallest number of patients, or samples, that can be halved and compared: two on each side."""

ALPHA = 0.05
"""Allowed rate of false alarms over all tests."""

OBEYED = 0.95
"""Share of the masks that must match the pathology that samples are conditioned on."""

TAIL = 0.025
"""Share of a distribution beyond either end of a 95 % interval."""

Z95 = NormalDist().inv_cdf(1 - TAIL)
"""Standard errors from the middle to either end of a 95 % interval."""

MAD_SD = 1.4826
"""Standard deviation of normal numbers in their median absolute deviations."""

LEAST_P = 1e-300
"""The smallest p-value: none is 0."""
