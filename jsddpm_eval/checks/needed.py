"""How many patients or samples would answer a check that is unknown, if its score stays the same.

The width of an interval falls with the square root of the number of patients, or of samples, whichever its variance
comes from.
"""

from __future__ import annotations

from math import ceil, inf

from scipy.stats import t as student

from jsddpm_eval.checks.base import Evidence
from jsddpm_eval.stats.limits import MIN_UNITS, TAIL

_MOST = 100.0  # times as many; a score that needs more lies at its limit

_WORTH = 2.0  # times the factor of both sides that one side alone may take


def needed(evidence: Evidence, level: float) -> str:
    """Patients, samples or both that make an interval narrow enough; empty where that cannot be said.

    A value inside its margin is to be *fine*: its whole interval is to lie inside. A value beyond is to be *off*: its
    test is to be significant.

    Args:
        evidence: Of an unknown check; the share of its variance that patients have is known.
        level: Allowed rate of false alarms of its test.

    >>> half = Evidence("a", 0.1, (-0.7, 0.9), 0.8, (-0.5, 0.5), ("low", "high"), patients=30, of_patients=0.5)
    >>> needed(half, 0.001)  # 0.8 is to become 0.4
    'about 120 patients and 4 times as many samples'
    """
    share, interval, value = evidence.of_patients, evidence.interval, evidence.value
    if share is None or interval is None or value is None or evidence.patients < MIN_UNITS:
        return ""
    first, last = evidence.limits
    half = (interval[1] - interval[0]) / 2
    room = min(value - first, last - value)
    if room < 0:
        quantiles = student.ppf([1 - TAIL, 1 - level / 2], evidence.degrees)
        room = abs(value) * float(quantiles[0] / quantiles[1])
    if not 0 < room < half or (half / room) ** 2 > _MOST:
        return ""
    return _in_words(evidence.patients, share, (room / half) ** 2)


def _in_words(patients: int, share: float, left: float) -> str:
    """What leaves so much of the variance: the side that has more of it alone, if that suffices, else both."""
    more = max(share, 1 - share)
    alone = more / (left - (1 - more)) if left > 1 - more else inf
    if alone > _WORTH / left:
        return f"{_people(patients / left)} and {_times(1 / left)} samples"
    return _people(alone * patients) if share >= 1 - share else f"{_times(alone)} samples"


def _people(count: float) -> str:
    return f"about {float(f'{count:.2g}'):.0f} patients"


def _times(factor: float) -> str:
    return f"{ceil(10 * factor) / 10 if factor < 10 else ceil(factor):g} times as many"
